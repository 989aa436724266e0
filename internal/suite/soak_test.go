package suite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

const (
	soakWorkers = 16          // on each
	soakFaults  = 0.2         // of all requests
	soakLatest  = time.Minute // that a request is applied after its client gave up
	soakLag     = 2 * time.Second
)

// TestSoak makes calls of every kind, by many workers at once, on ten kinds of
// servers, while a fifth of the requests fail, those of look-ups and retries too. After each call, what it claims is held against what the
// server holds.
//
// The seed fixes what each worker tries and which faults come in which order.
// Which request a fault strikes depends on the scheduler and on the client's
// own random waits, so a seed run twice is alike and not the same. No check
// depends on that: each worker changes things of its own, and knows them all.
func TestSoak(t *testing.T) {
	t.Parallel()
	if *long == 0 {
		soakAll(t, *seed)
		return
	}
	end := time.Now().Add(*long)
	if deadline, ok := t.Deadline(); ok && deadline.Before(end) {
		end = deadline.Add(-time.Minute) // go test has a limit of its own: -timeout
	}
	for time.Now().Before(end) {
		soakAll(t, rand.Uint64())
	}
}

func soakAll(t *testing.T, seed uint64) {
	sum := new(soakFigures)
	t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
		kinds := soakServers()
		for i, kind := range kinds {
			t.Run(kind.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { soakOne(t, kind, *soakCalls/len(kinds), seed+uint64(i), sum) })
			})
		}
	})
	fmt.Printf("figure: soak, seed %d: %d calls, %d requests, %d faults, %d retries\n", seed, sum.calls.Load(), sum.requests.Load(), sum.faults.Load(), sum.retries.Load())
	fmt.Printf("figure: soak, how the calls ended: %d successes, %d of them settled by a look; %d of unknown outcome, %d of them with ids\n",
		sum.successes.Load(), sum.settled.Load(), sum.unknown.Load(), sum.found.Load())
	counted.soakCalls.Add(sum.calls.Load())
	counted.duplicates.Add(sum.duplicates.Load())
	counted.falseSuccesses.Add(sum.falseSuccesses.Load())
	counted.hiddenCreates.Add(sum.hiddenCreates.Load())
	counted.leaks.Add(sum.leaks.Load())
}

// Without a fault nothing fails. All calls go to one server, whose lists grow with them, so
// more than some thousand would take minutes.
func TestSoakWithoutFaults(t *testing.T) {
	slow(t)
	t.Parallel()
	calls := min(*soakCalls, 3000)
	synctest.Test(t, func(t *testing.T) {
		sum := new(soakFigures)
		soakOne(t, soakServer{options: siptest.Options{AllowDuplicates: true}, calm: true}, calls, *seed, sum)
		require.Equal(t, sum.calls.Load(), sum.successes.Load()+sum.refusals.Load(), sum)
		require.Zero(t, sum.retries.Load())
	})
}

// The steps are all the methods there are.
func TestSoakSteps(t *testing.T) {
	t.Parallel()
	steps := soakSteps()
	require.Len(t, steps, len(methods()))
	for _, m := range methods() {
		require.NotNil(t, steps[m.name], m.name)
	}
}

type soakServer struct {
	name    string
	options siptest.Options
	policy  infinitysip.RetryPolicy
	calm    bool // no faults
}

// soakServers are ten kinds. One that allows duplicates is the one to show
// that the client makes nothing twice.
func soakServers() []soakServer {
	kinds := servers()
	delete(kinds, "small pages") // which cuts lists that have no pages, and does not say so
	var all []soakServer
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		for _, duplicates := range []bool{false, true} {
			s := soakServer{name: name, options: kinds[name]}
			s.options.AllowDuplicates = duplicates
			if duplicates {
				s.name += ", duplicates"
			}
			if len(all)%4 > 1 { // the last look after a failure sees what it applied
				s.name += ", lag"
				s.options.ListLag = soakLag
			}
			switch len(all) % 3 {
			case 1: // the quota stands in no retry's way
				s.policy.Quota = 1_000_000
			case 2:
				s.policy = infinitysip.RetryPolicy{Quota: 1_000_000, ResendAfter: 3 * soakLatest}
			}
			all = append(all, s)
		}
	}
	return all
}

type soakFigures struct {
	calls, requests, faults, retries atomic.Int64
	successes, settled               atomic.Int64 // settled: of writes that no answer called a success
	refusals                         atomic.Int64 // errors that say what is wrong with the call, rightly
	unknown, found                   atomic.Int64 // errors; found: those that name the row
	duplicates, falseSuccesses       atomic.Int64
	hiddenCreates, wrongOutcomes     atomic.Int64
	leaks                            atomic.Int64
}

func (f *soakFigures) String() string {
	return fmt.Sprintf("%d calls, %d requests, %d faults struck, %d retries; %d successes, %d of them settled by looking; %d errors of unknown outcome, %d of them with the ids of rows; "+
		"duplicates %d, false successes %d, hidden creates %d, wrong outcomes %d, leaks %d",
		f.calls.Load(), f.requests.Load(), f.faults.Load(), f.retries.Load(), f.successes.Load(), f.settled.Load(), f.unknown.Load(), f.found.Load(),
		f.duplicates.Load(), f.falseSuccesses.Load(), f.hiddenCreates.Load(), f.wrongOutcomes.Load(), f.leaks.Load())
}

func soakOne(t *testing.T, kind soakServer, calls int, seed uint64, sum *soakFigures) {
	kind.options.APIKey = canaryKey
	srv := siptest.New(t, kind.options)
	way := &badWay{server: srv, next: srv.Transport(), sum: sum, rng: rand.New(rand.NewPCG(seed, 0))}
	if !kind.calm {
		way.chance = soakFaults
	}
	var clients []*infinitysip.Client // for every other worker
	for _, settle := range []bool{false, true} {
		kind.policy.SettleSecrets = settle
		clients = append(clients, srv.InProcessClient(
			infinitysip.WithHTTPClient(&http.Client{Transport: way}),
			infinitysip.WithRetryPolicy(kind.policy),
			infinitysip.WithLimits(infinitysip.Limits{IDsPerRequest: 3}),
		))
	}
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	var (
		workers sync.WaitGroup
		left    atomic.Int64
		names   = slices.Sorted(maps.Keys(soakSteps()))
	)
	left.Store(int64(calls))
	for i := range soakWorkers {
		name := fmt.Sprintf("w%d-", i)
		w := &worker{
			t: t, srv: srv, client: clients[i%2], settles: i%2 == 1, domain: domain, sum: sum, lag: kind.options.ListLag,
			home: srv.AddDomain(infinitysip.Domain{DisplayName: name}),
			n:    i, name: name, steps: soakSteps(),
			rng: rand.New(rand.NewPCG(seed, uint64(i)+1)),
		}
		w.held = w.now()
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				step := names[w.rng.IntN(len(names))]
				if w.rng.IntN(4) == 0 { // so that there is something to work with
					step = []string{"Users.Create", "Groups.Create", "Queues.Create", "Queues.CreateMember", "TrustedNetworks.Create", "Devices.Create"}[w.rng.IntN(6)]
				}
				w.step = step
				w.steps[step](w, step)
			}
			time.Sleep(2 * soakLatest)
			if now := w.now(); !maps.Equal(now, w.held) {
				t.Errorf("%s at the end: %s", w.name, difference(w.held, now))
			}
		})
	}
	workers.Wait()
	sum.faults.Add(-int64(len(srv.UnusedFaults())))
	_, open := srv.Connections()
	require.Zero(t, open, "connections are left open")
}

// badWay is the way to a server, on which faults strike.
type badWay struct {
	server *siptest.Server
	next   http.RoundTripper
	sum    *soakFigures
	chance float64

	mu  sync.Mutex
	rng *rand.Rand
}

func (b *badWay) RoundTrip(req *http.Request) (*http.Response, error) {
	b.sum.requests.Add(1)
	op := infinitysip.OperationFromContext(req.Context())
	trouble := b.strike(op)
	a := tried{op: op, write: req.Method != http.MethodGet, refused: trouble == refused}
	resp, err := b.meet(trouble, op, req)
	if err == nil {
		a.status = resp.StatusCode
	} else {
		a.unwanted = errors.Is(context.Cause(req.Context()), context.Canceled)
	}
	req.Context().Value(trailKey{}).(*trail).add(a)
	return resp, err
}

// trouble is what happens to a request before or behind the server.
type trouble int

const (
	none      trouble = iota
	refused           // no connection can be made
	declined          // HTTP/2: the server says that it did not take the request
	reset             // HTTP/2: not taken, and it does not say so
	lateReset         // HTTP/2: applied, and then reset
	asGet             // a gateway makes a GET of it
	located           // of what is created, the Location alone gives the id
	troubles
)

// meet sends a request, in spite of a trouble.
func (b *badWay) meet(trouble trouble, op string, req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	streamError := func(code string) error {
		return fmt.Errorf("stream error: stream ID 5; %s; received from peer", code) // net/http's own
	}
	switch trouble {
	case refused:
		trace.GetConn(req.URL.Host) // and no connection comes of it
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case declined, reset:
		trace.GetConn(req.URL.Host)
		trace.WroteHeaders()
		return nil, streamError(map[bool]string{true: "REFUSED_STREAM", false: "PROTOCOL_ERROR"}[trouble == declined])
	case asGet:
		if made[op].id != "" {
			req = req.Clone(req.Context())
			req.Method, req.Body, req.ContentLength = http.MethodGet, nil, 0
		}
	}
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch {
	case trouble == lateReset:
		_ = resp.Body.Close()
		return nil, streamError("PROTOCOL_ERROR")
	case trouble == located && resp.StatusCode == http.StatusCreated:
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		var row map[string]any
		if id := made[op].id; json.Unmarshal(body, &row) == nil && row[id] != nil && string(body) != made[op].another {
			resp.Header.Set("Location", fmt.Sprintf("%s/%v", req.URL.Path, row[id]))
			body = nil
		}
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Body = -1, io.NopCloser(bytes.NewReader(body))
	}
	return resp, nil
}

// made are the names of the ids of what calls make, and rows of something else.
var made = map[string]struct{ id, another string }{
	"Users.Create":           {"userId", `{"userId":"999998","user":"another","extensionNumber":"99998"}`},
	"Groups.Create":          {"groupId", `{"groupId":"999998","groupName":"another","extensionNumber":"99998"}`},
	"Queues.Create":          {"queueId", `{"queueId":"999998","queueName":"another","extensionNumber":"99998"}`},
	"Queues.CreateMember":    {"queueMemberId", `{"queueMemberId":"999998","groupId":"999998"}`},
	"TrustedNetworks.Create": {"trustedNetworkId", `{"trustedNetworkId":"999998","network":"192.0.2.0/24"}`},
	"Devices.Create":         {"pbxDeviceId", `{"pbxDeviceId":"999998","pbxDeviceName":"another","deviceMacAddress":"00:00:5E:00:53:00"}`},
}

// strike has a fault lie in wait for a request like this, now and then, or returns
// the trouble of this one.
func (b *badWay) strike(op string) trouble {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rng.Float64() >= b.chance {
		return none
	}
	if b.rng.IntN(5) == 0 {
		b.sum.faults.Add(1)
		return refused + trouble(b.rng.IntN(int(troubles-refused)))
	}
	if b.rng.IntN(200) == 0 { // nobody is accepted for a while
		b.arm(siptest.On("*").For(time.Duration(1+b.rng.IntN(30)) * time.Second).Status(503))
		return none
	}
	b.arm(b.fault(op))
	// What goes wrong often goes wrong with the look-up after it, too.
	if look := lookOf(op); look != op && b.rng.IntN(2) == 0 {
		b.arm(b.fault(look).Times(1 + b.rng.IntN(4)))
	}
	return none
}

func (b *badWay) arm(f siptest.Fault) {
	b.sum.faults.Add(1)
	b.server.Fail(f)
}

// lookOf names the call that looks for what a call makes.
func lookOf(op string) string {
	return strings.NewReplacer("CreateMember", "ListMembers", "Create", "List", "AddDevice", "GetDevice", "Add", "List").Replace(op)
}

// fault draws a fault of those by which a server or a proxy does not say what
// is not so.
func (b *badWay) fault(op string) siptest.Fault {
	f := siptest.On(op).Times(1)
	if b.rng.IntN(8) == 0 {
		f = f.Times(2 + b.rng.IntN(3))
	}
	pick := func(codes ...int) int { return codes[b.rng.IntN(len(codes))] }
	seconds := func(n int) time.Duration { return time.Duration(b.rng.IntN(n)) * time.Second }
	switch b.rng.IntN(25) {
	case 0:
		return f.Drop()
	case 1:
		return f.CommitThenDrop()
	case 2:
		return f.Reset()
	case 3:
		return f.CommitThenReset()
	case 4:
		return f.ResetStream()
	case 5:
		return f.CommitThenResetStream()
	case 6, 7:
		return f.Status(429)
	case 8:
		return f.Status(pick(429, 503)).Header("Retry-After", fmt.Sprint(pick(0, 1, b.rng.IntN(70), b.rng.IntN(400))))
	case 9, 10:
		return f.Status(pick(500, 502, 503, 503, 504, 408))
	case 11, 12:
		return f.CommitThenStatus(pick(500, 502, 503, 503, 504, 408))
	case 13:
		return f.Status(pick(400, 401, 403, 409))
	case 14:
		return f.Status(pick(301, 302, 307)).Header("Location", "https://evil.example/?"+canaryPIN)
	case 15:
		return f.CommitThenStatus(pick(202, 203, 206, 302))
	case 16:
		return f.Status(200).Body("<html><title>Log in</title></html>")
	case 22:
		return f.Status(404).Body("<html><title>Not found</title></html>")
	case 23:
		if made[op].id != "" {
			return f.Rewrite(func([]byte) []byte { return []byte(made[op].another) })
		}
		return f.CommitThenReset()
	case 17:
		return f.Hang()
	case 18:
		return f.CommitThenHang()
	case 19:
		return f.HangThenCommit(seconds(60))
	case 20:
		if op != lookOf(op) { // what creates is answered with nothing
			return f.Rewrite(func([]byte) []byte { return nil })
		}
		return f.Truncate(b.rng.IntN(400))
	case 21:
		return f.Truncate(b.rng.IntN(40))
	default:
		switch b.rng.IntN(4) {
		case 0:
			return f.SlowHeaders(seconds(50))
		case 1:
			return f.SlowBody(1+b.rng.IntN(40), seconds(5))
		case 2:
			return f.Latency(seconds(50))
		}
		return f.CommitThenRaw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
	}
}

// trail is what was sent for one call, looks and all.
type trail struct {
	mu       sync.Mutex
	attempts []tried
}

type tried struct {
	op       string
	write    bool
	refused  bool // no connection could be made
	unwanted bool // a page that was asked for ahead
	status   int  // 0: no answer
}

type trailKey struct{}

func (t *trail) add(a tried) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attempts = append(t.attempts, a)
}

// applied tells whether an answer of a write said success, and whether any
// write may have been applied, by the answers alone.
func (t *trail) applied() (surely, maybe bool) {
	for _, a := range t.attempts {
		switch {
		case !a.write || a.refused || a.status >= 400 && a.status < 500 && a.status != 408 || a.status == 501:
		case a.status == 201 || a.status == 204:
			surely, maybe = true, true
		default:
			maybe = true
		}
	}
	return surely, maybe
}

// unanswered reports whether a write was sent and never answered.
func (t *trail) unanswered() bool {
	return slices.ContainsFunc(t.attempts, func(a tried) bool { return a.write && !a.refused && a.status == 0 })
}

// retries counts the attempts that came after a failed one of the same call.
func (t *trail) retries() (n int64) {
	failed := make(map[string]bool)
	for _, a := range t.attempts {
		if failed[a.op] {
			n++
		}
		failed[a.op] = a.status == 0 && !a.unwanted || a.status >= 300
	}
	return n
}

// state is what the server holds of one worker's, by kind and id.
type state map[string]string

func (s state) put(kind string, id, row any) {
	key := fmt.Sprintf("%s %d", kind, id)
	if s[key] != "" {
		row = "twice"
	}
	s[key] = fmt.Sprintf("%+v", row)
}

// of are the parts of one kind.
func (s state) of(kind string) state {
	part := state{}
	for key, value := range s {
		if strings.HasPrefix(key, kind+" ") {
			part[key] = value
		}
	}
	return part
}

// set returns the state with changes. What is "" is gone.
func (s state) set(changes state) state {
	after := state{}
	maps.Copy(after, s)
	maps.Copy(after, changes)
	maps.DeleteFunc(after, func(_, value string) bool { return value == "" })
	return after
}

func difference(want, got state) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(want.set(got))) {
		if want[key] != got[key] {
			lines = append(lines, fmt.Sprintf("%s: want %q, got %q", key, want[key], got[key]))
		}
	}
	return strings.Join(lines, "; ")
}

// worker makes calls one after the other, on things that only it changes.
type worker struct {
	t            *testing.T
	srv          *siptest.Server
	client       *infinitysip.Client
	settles      bool                 // RetryPolicy.SettleSecrets is set
	lag          time.Duration        // of lists
	domain, home infinitysip.DomainID // home is its own
	sum          *soakFigures
	n            int
	name         string // what the names of its things begin with
	rng          *rand.Rand
	serial       int
	steps        map[string]step // by method
	step         string          // the method under way
	held         state           // what the server must hold
}

// effect is what a write that succeeds has changed.
type effect struct {
	sets    state // "" is gone
	between state // what else may be so when it failed halfway
	makes   state // what is there besides, by its kind
	missing bool  // it is about something that is not there
	taken   bool  // its key is another's, or its device somebody's
}

// write makes a call that changes something, and holds what it claims against
// what the server has.
func (w *worker) write(e effect, do func(context.Context) (int64, error)) {
	ctx, cancel, sent := w.context()
	defer cancel()
	start := time.Now()
	id, err := do(ctx)
	w.note(err, sent, e.missing && errors.Is(err, infinitysip.ErrNotFound) || e.taken && errors.Is(err, infinitysip.ErrConflict))
	now := w.now()
	fine := err != nil || w.judge(now, e, id, err, sent)
	time.Sleep(w.lag)
	// What was sent may still be applied.
	if err != nil || time.Since(start) > 20*time.Second {
		time.Sleep(2 * soakLatest)
		now = w.now()
		fine = fine && w.judge(now, e, id, err, sent)
	}
	if surely, _ := sent.applied(); err == nil && fine && !surely {
		w.sum.settled.Add(1)
	}
	w.held = now
}

// mayFind reports whether there is something of the kind that the call makes with
// this id.
func (e effect) mayFind(now state, id int64) bool {
	for kind := range e.makes {
		if now[key(kind, id)] != "" {
			return true
		}
	}
	return false
}

// judge reports whether what the server holds now is as a call claims.
func (w *worker) judge(now state, e effect, id int64, err error, sent *trail) bool {
	// What was made is what was not there before.
	var ids []string
	whole := w.held.set(e.sets)
	for kind, value := range e.makes {
		ids = nil
		for key := range now.of(kind) {
			if w.held[key] == "" {
				ids = append(ids, strings.TrimPrefix(key, kind+" "))
			}
		}
		if len(ids) > 0 {
			whole[kind+" "+ids[0]] = value
		}
	}
	surely, maybe := sent.applied()
	failed, ok := errors.AsType[*infinitysip.Error](err)
	claimed := err == nil || ok && failed.Outcome == infinitysip.OutcomeApplied
	switch made := len(ids) > 0; {
	case claimed && e.between != nil && sent.unanswered() && between(now, whole, w.held.set(e.between)):
		return true // its first half may be applied again after its second, and no client can know
	case len(ids) > 1:
		w.lied(&w.sum.duplicates, "made the ids %v: %v", ids, err)
	case err == nil && (e.missing && !maybe || !maps.Equal(now, whole) || e.makes != nil && (!made || ids[0] != fmt.Sprint(id))):
		w.lied(&w.sum.falseSuccesses, "claims success, and the id %d: made %v; %s", id, ids, difference(whole, now))
	case err == nil && e.makes["secrets"] != "" && !surely && !w.settles:
		w.lied(&w.sum.falseSuccesses, "claims success, and nobody said that the secrets are set: %v", ids)
	case err == nil:
		return true
	case !ok:
		w.lied(&w.sum.wrongOutcomes, "is no *Error: %v", err)
	case failed.Outcome == infinitysip.OutcomeNotApplied && made:
		w.lied(&w.sum.hiddenCreates, "made %v: %v", ids, err)
	case failed.Outcome == infinitysip.OutcomeNotApplied && !maps.Equal(now, w.held):
		w.lied(&w.sum.wrongOutcomes, "was applied (%s): %v", difference(w.held, now), err)
	case failed.Outcome == infinitysip.OutcomeApplied && (!maps.Equal(now, whole) || e.makes != nil && !made):
		w.lied(&w.sum.falseSuccesses, "was not applied (%s): %v", difference(whole, now), err)
	case failed.Outcome == infinitysip.OutcomeUnknown && !maybe:
		w.lied(&w.sum.wrongOutcomes, "cannot have been applied: %v", err)
	case failed.Outcome == infinitysip.OutcomeUnknown && !between(now, w.held, whole, w.held.set(e.between)):
		w.lied(&w.sum.wrongOutcomes, "did something else (%s): %v", difference(w.held, now), err)
	case failed.Outcome == infinitysip.OutcomeUnknown && e.makes["secrets"] != "" && len(failed.Found) == 1 && !errors.Is(err, infinitysip.ErrConflict) && !slices.Equal(ids, []string{fmt.Sprint(failed.Found[0])}):
		w.lied(&w.sum.wrongOutcomes, "found %v, and made %v: %v", failed.Found, ids, err)
	case slices.ContainsFunc(failed.Found, func(id int64) bool { return !e.mayFind(now, id) }):
		w.lied(&w.sum.wrongOutcomes, "found %v, which are not there: %v", failed.Found, err)
	case (failed.Outcome == infinitysip.OutcomeUnknown) != errors.Is(err, infinitysip.ErrOutcomeUnknown):
		w.lied(&w.sum.wrongOutcomes, "says both: %v", err)
	default:
		return true
	}
	return false
}

// between reports whether each part of a state is as in one of others.
func between(s state, others ...state) bool {
	all := state{}.set(s)
	for _, other := range others {
		maps.Copy(all, other)
	}
	for key := range all {
		if !slices.ContainsFunc(others, func(other state) bool { return other[key] == s[key] }) {
			return false
		}
	}
	return true
}

// read makes a call that returns what it read, of one kind. What it returns
// without an error must be all there is, as it is; what an iterator yields
// before an error must be so, too.
func (w *worker) read(want state, do func(context.Context) (state, error)) {
	ctx, cancel, sent := w.context()
	defer cancel()
	got, err := do(ctx)
	w.note(err, sent, want == nil && errors.Is(err, infinitysip.ErrNotFound))
	failed, ok := errors.AsType[*infinitysip.Error](err)
	switch {
	case err == nil && (want == nil || !maps.Equal(got, want)):
		w.lied(&w.sum.falseSuccesses, "did not read what is there: %s", difference(want, got))
	case err != nil && !between(got, want, state{}):
		w.lied(&w.sum.falseSuccesses, "read what is not there: %s", difference(want, got))
	case err != nil && (!ok || failed.Outcome != infinitysip.OutcomeNotApplied || errors.Is(err, infinitysip.ErrOutcomeUnknown)):
		w.lied(&w.sum.wrongOutcomes, "only reads: %v", err)
	}
}

func (w *worker) lied(count *atomic.Int64, format string, args ...any) {
	count.Add(1)
	w.t.Errorf("%s (%s) %s", w.step, w.name, fmt.Sprintf(format, args...))
}

// context is that of a call: now and then one that ends soon.
func (w *worker) context() (context.Context, context.CancelFunc, *trail) {
	sent := new(trail)
	ctx := context.WithValue(w.t.Context(), trailKey{}, sent)
	if w.rng.IntN(20) == 0 {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(w.rng.IntN(40_000))*time.Millisecond)
		return ctx, cancel, sent
	}
	return ctx, func() {}, sent
}

// note counts a call, and searches its error for secrets. expected is whether
// it is one that a healthy server gives, too.
func (w *worker) note(err error, sent *trail, expected bool) {
	w.sum.calls.Add(1)
	w.sum.retries.Add(sent.retries())
	if err == nil {
		w.sum.successes.Add(1)
		return
	}
	if expected {
		w.sum.refusals.Add(1)
	}
	if errors.Is(err, infinitysip.ErrOutcomeUnknown) {
		w.sum.unknown.Add(1)
		if failed, ok := errors.AsType[*infinitysip.Error](err); ok && len(failed.Found) > 0 {
			w.sum.found.Add(1)
		}
	}
	if leaked := secretsIn(said(err)); len(leaked) > 0 {
		w.lied(&w.sum.leaks, "shows %v", leaked)
	}
}
