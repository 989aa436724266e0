package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// count returns such as "1 change" and "2 changes".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// A writer gives the first error again: after that it writes nothing.
type writer struct {
	w   io.Writer
	err error
}

func (w *writer) Write(text []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.w.Write(text)
	w.err = err
	return n, err
}

func isTerminal(w io.Writer) bool {
	if inner, ok := w.(*writer); ok {
		w = inner.w
	}
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

const (
	defaultWidth = 80                     // of a terminal
	barWidth     = 40                     // at most
	redraw       = 100 * time.Millisecond // no sooner
	plainEvery   = 10 * time.Second       // between two lines where there is no terminal
)

// A progress shows how far it is: on one line of a terminal, or else by a line now
// and then.
type progress struct {
	w      io.Writer
	width  int // of the terminal; 0: there is none
	failed int
	last   time.Time
	length int // of the text that is on the terminal
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, last: time.Now()}
	if isTerminal(w) {
		columns, _ := strconv.Atoi(os.Getenv("COLUMNS"))
		p.width, p.last = cmp.Or(max(columns, 0), terminalWidth(w), defaultWidth), time.Time{}
	}
	return p
}

func (p *progress) show(now provision.Progress) {
	if now.Err != nil {
		p.failed++
	}
	pause := plainEvery
	if p.width > 0 {
		pause = redraw
	}
	if time.Since(p.last) < pause && (p.width == 0 || now.Done < now.Total) {
		return
	}
	p.last = time.Now()
	text := fmt.Sprintf("%d/%d, %d failed", now.Done, now.Total, p.failed)
	if p.width == 0 {
		fmt.Fprintf(p.w, "%s\n", text)
		return
	}
	// The last column stays free: some terminals go to the next line after it.
	if width := min(p.width-1-len("[] ")-len(text), barWidth); width > 0 && now.Total > 0 {
		full := width * now.Done / now.Total
		text = fmt.Sprintf("[%s%s] %s", strings.Repeat("#", full), strings.Repeat(".", width-full), text)
	}
	text = text[:min(len(text), max(p.width-1, 0))]
	fmt.Fprintf(p.w, "\r%-*s", p.length, text) // no end of a longer text before stays
	p.length = len(text)
}

func (p *progress) end() {
	if p.width > 0 && !p.last.IsZero() {
		fmt.Fprintln(p.w)
	}
}

// statuses are the columns of the table of results.
var statuses = []provision.Status{provision.StatusDone, provision.StatusFailed, provision.StatusBlocked, provision.StatusStopped}

// printResults writes a table of what was done, and what is left to do. It reports
// whether anything is left.
func printResults(w io.Writer, results []provision.Result, o *options) bool {
	type row struct {
		what string
		n    map[provision.Status]int
	}
	var rows []*row
	byWhat := map[string]*row{}
	for _, r := range results {
		what := whatOf(r.Change)
		if byWhat[what] == nil {
			byWhat[what] = &row{what, map[provision.Status]int{}}
			rows = append(rows, byWhat[what])
		}
		byWhat[what].n[r.Status]++
	}
	print := func(first string, cell func(provision.Status) any) {
		fmt.Fprintf(w, "%-24s", first)
		for _, status := range statuses {
			fmt.Fprintf(w, " %8v", cell(status))
		}
		fmt.Fprintln(w)
	}
	if len(rows) > 0 {
		print("", func(s provision.Status) any { return s })
	}
	for _, row := range rows {
		print(row.what, func(s provision.Status) any { return row.n[s] })
	}
	troubles := troublesOf(results)
	slices.SortStableFunc(troubles, func(a, b *trouble) int {
		return cmp.Compare(slices.Index(statuses, a.status), slices.Index(statuses, b.status))
	})
	told := map[*advice]bool{}
	for _, t := range troubles {
		if t.status == provision.StatusStopped && told[t.advice] {
			t.advice = nil
		}
		told[t.advice] = true
		t.print(w, o)
	}
	return len(troubles) > 0
}

// links are the words for changes between two things: nobody is deleted who is taken
// out of a group.
var links = map[provision.Kind]map[provision.Op]string{
	provision.KindGroupMembers: {provision.OpCreate: "users into group", provision.OpDelete: "users out of group"},
	provision.KindOwner:        {provision.OpCreate: "device to user", provision.OpDelete: "device from user", provision.OpUpdate: "device to other user"},
	provision.KindQueueMember:  {provision.OpCreate: "group into queue", provision.OpDelete: "group out of queue", provision.OpUpdate: "change group in queue"},
	provision.KindQueueOrder:   {provision.OpUpdate: "order of queue"},
}

// whatOf is what a change does, such as "create user".
func whatOf(c *provision.Change) string {
	if c.NewToken {
		return "new device token"
	}
	if words := links[c.Kind][c.Op]; words != "" {
		return words
	}
	verb := string(c.Op)
	if c.Op == provision.OpUpdate {
		verb = "change"
	}
	return verb + " " + string(c.Kind)
}

// A trouble is changes that were not done and are alike.
type trouble struct {
	alike
	first *provision.Change
	names []string
	err   error // of the first one
}

// alike is what the changes of a trouble have in common.
type alike struct {
	status provision.Status
	what   string
	code   int // of the server's answer; 0: none
	advice *advice
}

// troublesOf are the troubles. All that was stopped is one.
func troublesOf(results []provision.Result) []*trouble {
	var all []*trouble
	known := map[alike]*trouble{}
	for _, r := range results {
		if r.Status == provision.StatusDone && r.Err == nil {
			continue
		}
		key := alike{status: r.Status}
		if r.Status != provision.StatusStopped {
			key.what, key.advice = whatOf(r.Change), adviceOn(r.Err)
			if failed, ok := errors.AsType[*infinitysip.Error](r.Err); ok && r.Status == provision.StatusFailed {
				key.code = failed.StatusCode
			}
		}
		t := known[key]
		if t == nil {
			t = &trouble{alike: key, first: r.Change, err: r.Err}
			known[key] = t
			all = append(all, t)
		}
		t.names = append(t.names, r.Change.Name)
		// What stopped it all says more than that the context ended.
		if key.status == provision.StatusStopped && t.advice == nil {
			if t.advice = adviceOn(r.Err); t.advice != nil {
				t.err = r.Err
			}
		}
	}
	return all
}

// maxNames is how many names of a list are told.
const maxNames = 5

// some names the first of many.
func some(names []string) string {
	shown := slices.Clone(names[:min(len(names), maxNames)])
	for i, name := range shown {
		if quoted := strconv.Quote(name); len(quoted) > len(name)+2 { // a terminal would not show it as it is
			shown[i] = quoted
		}
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (t *trouble) print(w io.Writer, o *options) {
	what := fmt.Sprint(t.first)
	if len(t.names) > 1 {
		what = fmt.Sprintf("%s, %d times: %s", t.what, len(t.names), some(t.names))
	}
	var reason string
	if t.err != nil {
		err := t.err
		if kept, ok := errors.AsType[keepError](err); ok { // it tells all
			err = kept
		}
		text := strings.TrimPrefix(err.Error(), provision.ErrBlocked.Error()+": ")
		text = strings.TrimPrefix(text, "provision: ")
		reason = "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	switch t.status {
	case provision.StatusDone: // and nobody could write that down
		fmt.Fprintf(w, "\nDone, but: %s%s\n  What to do: %s\n", what, reason, t.advice.text(t.names, o))
	case provision.StatusFailed:
		fmt.Fprintf(w, "\nFailed: %s%s\n  What to do: %s\n", what, reason, t.advice.text(t.names, o))
	case provision.StatusBlocked:
		fmt.Fprintf(w, "\nBlocked: %s%s\n", what, reason)
	default:
		if t.advice == nil {
			reason = ""
		}
		fmt.Fprintf(w, "\nStopped: %s incomplete, or not begun.%s\n  To go on: %s\n", count(len(t.names), "change"), reason, t.advice.text(nil, o))
	}
}

// An advice is what to do about failures of a kind.
type advice struct {
	is []error // all of them
	do string  // with {file} of -passwords, how to run it {again}, and how to get another {token}
}

// advices are those on errors. Of several that fit, the first one is taken.
var advices = []advice{
	{[]error{errNotKept}, "make room on the disk of {file}, or see to it that it can be written. Then {again}."},
	{[]error{infinitysip.ErrTokenLost}, "{token}"},
	{[]error{infinitysip.ErrOutcomeUnknown}, "{again}: it looks whether it is there now."},
	{[]error{infinitysip.ErrConflict}, "something else has this name, extension, address or network, or somebody was first: {again}. If that does not help, correct the file."},
	{[]error{infinitysip.ErrInvalid}, "correct the file. Then {again}."},
	{[]error{infinitysip.ErrUnauthorized}, "see to it that the credentials are right. Then {again}."},
	{[]error{infinitysip.ErrForbidden}, "see to it that the credentials allow this. Then {again}."},
	{[]error{infinitysip.ErrRateLimited}, "{again}, with fewer -workers."},
}

// adviceOn is the advice on an error; nil for the usual one.
func adviceOn(err error) *advice {
	for i := range advices {
		if !slices.ContainsFunc(advices[i].is, func(is error) bool { return !errors.Is(err, is) }) {
			return &advices[i]
		}
	}
	return nil
}

func (a *advice) text(names []string, o *options) string {
	do := "{again}: what is there is not made again."
	if a != nil {
		do = a.do
	}
	again := "run the same command again"
	if o.apply.plan != "" { // which is of a domain that is no more
		again = "make another plan, with the same -passwords, and apply that"
	}
	token := again + ": the device gets another token."
	if o.passwords == "" { // so nothing remembers the device
		token = "get another token: plan with -rotate " + strings.Join(names, ",")
	}
	return strings.NewReplacer("{token}", token, "{file}", o.passwords, "{again}", again).Replace(do)
}
