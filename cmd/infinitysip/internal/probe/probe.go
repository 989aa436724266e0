// Package probe finds out what the pages of the SIP Config API leave open, by asking a
// server. It makes things of its own there, and takes them away again whatever happens.
package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// A Config says what is probed, and how.
type Config struct {
	Client     *infinitysip.Client // made with Meter.ClientOptions
	Meter      *Meter
	Domain     infinitysip.DomainID
	Rate       float64       // requests a second; 0: as fast as they go
	LimitUpTo  int           // how many quick reads may be sent to find a limit; 0: none
	ReadOnly   bool          // make nothing
	Extensions []string      // numbers that may be used; nil: 9900 to 9949
	Wait       time.Duration // for a list to show a change; 0: 15 s
	CleanUp    time.Duration // the clean-up may take so long; 0: 2 minutes
	Mark       string        // begins the name of everything that is made; "": NewMark
	Progress   func(string)  // is told what comes next; nil: nobody is
}

// NewMark makes a name for what a probe makes, such as "probe-k3x9qa".
func NewMark() string { return "probe-" + strings.ToLower(rand.Text()[:6]) }

// ExtensionsNeeded is how many extension numbers a probe needs.
const ExtensionsNeeded = 7

// LimitRoom is how many of the requests are needed beside those of Config.LimitUpTo.
const LimitRoom = 150

// Sure says how sure a finding is.
type Sure string

// How sure findings are.
const (
	Seen    Sure = "seen"    // it was seen
	Likely  Sure = "likely"  // it follows from what was seen, but not for certain
	Unknown Sure = "unknown" // it was not found out
)

// A Finding is the answer to one question.
type Finding struct {
	Key      string `json:"key"`
	What     string `json:"what"`
	Found    string `json:"found"` // why it was not found out, if Sure is Unknown
	How      string `json:"how"`
	Sure     Sure   `json:"sure"`
	Requests int    `json:"requests"`
}

// A Report is what a probe found.
type Report struct {
	Probed   time.Time       `json:"probed"`
	Requests int             `json:"requests"`
	Findings []Finding       `json:"findings"`
	Options  siptest.Options `json:"options"` // for a server like the one that was probed
	Left     []Left          `json:"left,omitempty"`
}

// A Left is a thing that could not be taken away.
type Left struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	ID   int64  `json:"id,omitempty"` // 0: it is not known whether it is there
	Why  string `json:"why"`

	kind *kind
	mark string // of the probe
}

// Command is the command that deletes it; "" if its id is not known.
func (l Left) Command(domain infinitysip.DomainID) string {
	if l.ID == 0 {
		return ""
	}
	return fmt.Sprintf("infinitysip %s delete --domain %d %d", l.kind.command, domain, l.ID)
}

// LookCommand is the command that shows whether things of its kind are left.
func (l Left) LookCommand(domain infinitysip.DomainID) string {
	return fmt.Sprintf("infinitysip %s list --domain %d --where '%s begins %s'", l.kind.command, domain, l.kind.title, l.mark)
}

// A prober is one probe.
type prober struct {
	client      *infinitysip.Client
	meter       *Meter
	domain      infinitysip.DomainID
	rate        float64
	paced       time.Time
	limitUpTo   int
	readOnly    bool
	extensions  []string
	wait        time.Duration
	cleanUpTime time.Duration
	mark        string
	tell        func(string)

	kinds       []*kind
	findings    []Finding
	options     siptest.Options
	marked      int // Meter.Used when the last finding was made
	silent      int // requests in a row without an answer
	lastRequest *exchange

	things  []*thing
	count   int
	created map[string]string // by kind: the body of the answer to its create
	lists   map[string][]row  // by kind: as it was before anything was made
	cut     map[string]int    // by kind: how many rows a list that is cut has
	lag     time.Duration     // of the lists; -1: not known
	lagged  bool              // the lag is at least lag, and nobody knows how much more

	documented, undocumented query
	otherPaths               map[string]bool   // by question: whether all paths but that of the page are accepted
	skipped                  map[string]string // by kind: why none is made
	refusals                 map[string]int    // by kind: the status that refused to make one
	spaces                   map[string]int    // by kind: the status that refuses spaces around a name
	hostBits                 int               // the status that refuses host bits in a network

	stopped  error    // why the probe cannot go on
	macs     []string // bare ones that may be used
	networks []netip.Prefix

	device1, device2, network1, network2, queue, group, user1, user2 *thing
	failing                                                          int // the status of 500 or more that answers a second thing with the same key; 0: none does
	seconds                                                          []second
}

// Run probes a server. It returns a report even with an error, with what was found
// until then. The error matches context.Canceled, or one of package infinitysip's, or
// says that the server does not answer. Report.Left has what was not taken away.
func Run(ctx context.Context, c Config) (*Report, error) {
	p := newProber(c)
	err := p.run(ctx)
	if err == nil {
		err = context.Cause(ctx)
	}
	return p.report(), err
}

func newProber(c Config) *prober {
	p := &prober{
		client: c.Client, meter: c.Meter, domain: c.Domain, rate: c.Rate, limitUpTo: c.LimitUpTo,
		readOnly: c.ReadOnly, extensions: c.Extensions, wait: c.Wait, cleanUpTime: c.CleanUp,
		mark: c.Mark, tell: c.Progress,
		kinds: kinds(), created: map[string]string{}, lists: map[string][]row{}, cut: map[string]int{},
		skipped: map[string]string{}, spaces: map[string]int{}, refusals: map[string]int{}, otherPaths: map[string]bool{},
		lag: -1,
	}
	if p.extensions == nil {
		p.extensions, _ = ParseExtensions("9900-9949")
	}
	if p.wait == 0 {
		p.wait = 15 * time.Second
	}
	if p.cleanUpTime == 0 {
		p.cleanUpTime = 2 * time.Minute
	}
	if p.mark == "" {
		p.mark = NewMark()
	}
	for _, q := range questions() {
		p.findings = append(p.findings, Finding{Key: q.key, What: q.what, Sure: Unknown})
	}
	return p
}

// A step looks for some of the answers.
type step struct {
	name   string
	run    func(context.Context)
	writes bool
}

func (p *prober) run(ctx context.Context) (err error) {
	if err := p.begin(ctx); err != nil {
		return err
	}
	defer func() {
		left, failed := p.cleanUp(ctx)
		if err == nil {
			err = failed
		}
		for _, t := range left {
			if t.why == nil {
				t.why = errors.New("it is still there")
			}
		}
		p.marked = p.meter.Used()
	}()
	for _, s := range p.steps() {
		if s.writes && p.readOnly {
			continue
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if p.silent >= 4 {
			return fmt.Errorf("probing: the server does not answer: %d requests in a row had no answer", p.silent)
		}
		p.progress(s.name)
		p.marked = p.meter.Used()
		if s.run(ctx); p.stopped != nil {
			return p.stopped
		}
	}
	p.lookAtTransport()
	return nil
}

// begin reads the domain. Its failure is that of the probe.
func (p *prober) begin(ctx context.Context) error {
	p.progress("Reading the domain")
	p.marked = p.meter.Used() // the domain may have been looked for
	a, err := p.get(ctx, "", nil)
	switch {
	case err != nil:
		return err
	case !a.ok():
		// The SDK's error has the status and says what to do.
		_, err := p.client.Domains.Get(ctx, p.domain)
		if err == nil {
			err = statusError(a.status)
		}
		return err
	}
	rows, err := parseRows(a.body)
	if err != nil || len(rows) != 1 {
		return errors.New("probing: the answer to a read of the domain is not a row of this API")
	}
	p.lookAtNumbers(rows)
	p.lookAtClock(a)
	return nil
}

func (p *prober) progress(text string) {
	if p.tell != nil {
		p.tell(text)
	}
}

// find sets the answer to a question.
func (p *prober) find(key string, sure Sure, how, found string, args ...any) {
	i := slices.IndexFunc(p.findings, func(f Finding) bool { return f.Key == key })
	if i < 0 {
		panic("probe: no question " + key)
	}
	f := &p.findings[i]
	f.Sure, f.How, f.Found = sure, how, found
	if len(args) > 0 {
		f.Found = fmt.Sprintf(found, args...)
	}
	used := p.meter.Used()
	f.Requests += used - p.marked
	p.marked = used
}

// unknown says why a question has no answer.
func (p *prober) unknown(key, why string, args ...any) {
	p.find(key, Unknown, "", why, args...)
}

// failed says that a question has no answer because of an error.
func (p *prober) failed(key string, err error) {
	p.unknown(key, "%s", reason(err))
}

// reason is why something failed, for people. The text of an error of the SDK has the
// path and what went wrong, and no secret.
func reason(err error) string {
	var status statusError
	switch {
	case errors.Is(err, errBudget), errors.Is(err, errNotMade):
		return "not looked at: the requests are used up"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "not looked at: the probe was stopped"
	case errors.As(err, &status):
		return status.Error()
	}
	return "there was no answer that could be read"
}

func (p *prober) known(key string) bool {
	return slices.ContainsFunc(p.findings, func(f Finding) bool { return f.Key == key && f.Sure != Unknown })
}

func (p *prober) report() *Report {
	for i := range p.findings {
		f := &p.findings[i]
		if f.Found == "" {
			f.Found = "not looked at"
			if p.readOnly && questionOf(f.Key).writes {
				f.Found = "not looked at: it cannot be found out by reading alone"
			}
		}
	}
	r := &Report{Probed: time.Now().UTC().Truncate(time.Second), Requests: p.meter.Used(), Findings: p.findings, Options: p.options}
	for _, t := range p.things {
		if t.why == nil || t.state == gone || t.state == notMade {
			continue
		}
		r.Left = append(r.Left, Left{Kind: t.kind.name, Name: t.mark, ID: t.id, Why: reason(t.why), kind: t.kind, mark: p.mark})
	}
	return r
}

// lagBound is how long a list may not show a change.
func (p *prober) lagBound() time.Duration {
	if p.lag >= 0 && !p.lagged {
		return max(3*time.Second, p.lag*3/2)
	}
	return p.wait
}

// kindOf finds a kind by its name.
func (p *prober) kindOf(name string) *kind {
	return p.kinds[slices.IndexFunc(p.kinds, func(k *kind) bool { return k.name == name })]
}

const noExtension = "there is no free extension number left"

// An ExtensionsError says that there are not enough extension numbers. Nothing was made.
type ExtensionsError struct{ Free int }

func (e *ExtensionsError) Error() string {
	return fmt.Sprintf("probing: only %d of the extension numbers that it may use are free: it needs %d", e.Free, ExtensionsNeeded)
}

// ParseExtensions reads "9900-9909" or "9900,9950-9960".
func ParseExtensions(text string) ([]string, error) {
	const most = 1000
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		switch {
		case err != nil || err2 != nil || from < 0 || first[0] == '+' || last[0] == '+':
			return nil, fmt.Errorf("%q is not a range of extension numbers, such as 9900-9909", part)
		case to < from:
			return nil, fmt.Errorf("%q ends before it begins", part)
		case to-from >= most || len(all)+to-from >= most:
			return nil, fmt.Errorf("%q: at most %d numbers", part, most)
		case len(first) != len(last):
			return nil, fmt.Errorf("%q: both numbers must have the same length", part)
		}
		for n := from; n <= to; n++ {
			if number := fmt.Sprintf("%0*d", len(first), n); !slices.Contains(all, number) {
				all = append(all, number)
			}
		}
	}
	return all, nil
}

// Enough reports whether the requests suffice: at least so many are needed to read.
func Enough(requests int) error {
	const least = 30
	if requests < least || requests > Most {
		return fmt.Errorf("%d requests: a probe needs at least %d, and may send %d", requests, least, Most)
	}
	return nil
}

// lookAtClock compares the server's clock with this one.
func (p *prober) lookAtClock(a answer) {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		p.unknown("clock", "the answers have no Date")
		return
	}
	const how = "the Date of an answer, beside the clock here"
	switch off := time.Until(date).Round(time.Second); {
	case off.Abs() <= 2*time.Second:
		p.find("clock", Seen, how, "right, within 2 seconds")
	case off > 0:
		p.find("clock", Seen, how, "%s ahead of the clock here", off)
	default:
		p.find("clock", Seen, how, "%s behind the clock here", -off)
	}
}
