package suite_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// fault is a case of the suite: what befalls a call, and what must come of it.
// It is tried in process on a fake clock, or on a socket.
//
// What the server must hold in the end, and what a call that succeeds must
// give, is not written out: it is what the same call does on a twin, a healthy
// server of the same kind.
type fault struct {
	n    int // its number in the list
	name string

	server     siptest.Options // the kind of server
	everywhere bool            // on every kind of server
	socket     bool            // over a socket, and quick about it

	setUp  func(*acme)                                           // before anything fails
	others func(*siptest.Server)                                 // what somebody else does meanwhile, to make it so on the twin too
	client func(*acme, []infinitysip.Option) *infinitysip.Client // nil: the server's own
	opts   []infinitysip.Option
	ctx    func(context.Context) (context.Context, context.CancelFunc)
	faults func(call) faults
	calls  []call // tried one by one; none: every call that creates
	settle bool   // RetryPolicy.SettleSecrets is set

	byDefault bool // one of ways

	applied     bool // the call took effect
	outcome     infinitysip.Outcome
	is          []error        // of the error, and of all that it might be no other
	says        string         // in the error
	found       []int64        // the ids in the error
	hits        map[string]int // on the wire by call: see checkHits; nil: they vary
	attempts    int            // of the call; 0: as many as the hits
	least, most time.Duration  // on the fake clock
	also        func(*testing.T, *acme)
}

type faults []siptest.Fault

type hits = map[string]int

const (
	unknown    = infinitysip.OutcomeUnknown
	notApplied = infinitysip.OutcomeNotApplied
	applied    = infinitysip.OutcomeApplied
	succeeds   = infinitysip.Outcome(-1)

	// found: no answer says that it is created, and a look finds it, as it was
	// sent. The secrets of a row do not show. So a call that sends some is tried
	// twice: its outcome is unknown, and it succeeds with RetryPolicy.SettleSecrets.
	// What the error is and says is of the former.
	found = infinitysip.Outcome(-2)
)

var faultOn = siptest.On

// sentinels are the errors that an error of a call may be, and is only if its
// case says so.
var sentinels = []error{
	infinitysip.ErrInvalid, infinitysip.ErrUnauthorized, infinitysip.ErrForbidden, infinitysip.ErrNotFound, infinitysip.ErrConflict,
	infinitysip.ErrRateLimited, infinitysip.ErrUnavailable, infinitysip.ErrTokenLost, infinitysip.ErrPaginationStuck,
	context.Canceled, context.DeadlineExceeded,
}

func (f fault) run(t *testing.T) {
	if !f.socket {
		t.Parallel()
	}
	kinds := map[string]siptest.Options{"usual": f.server}
	if f.everywhere {
		kinds = servers()
	}
	calls := f.calls
	if calls == nil {
		calls = creates
	}
	for kind, server := range kinds {
		for _, call := range calls {
			for _, f := range f.ways(call) {
				where := fmt.Sprintf("%s on %s, settle %v", call.op, kind, f.settle)
				try := func(t *testing.T) { f.try(t, where, server, call, kind == "usual") }
				if f.socket {
					try(t)
				} else {
					synctest.Test(t, try)
				}
			}
		}
	}
}

// ways are those in which a call is tried. See found.
func (f fault) ways(call call) []fault {
	if f.outcome != found {
		return []fault{f}
	}
	byDefault, settles := f, f
	byDefault.byDefault, byDefault.outcome, byDefault.says = true, unknown, cmp.Or(f.says, "is as it was sent, but somebody else may have made it, with another password, pin")
	settles.outcome, settles.settle = succeeds, true
	if !call.secret {
		settles.settle = false
		return []fault{settles}
	}
	if f.hits != nil {
		settles.hits = maps.Clone(f.hits)
		settles.hits["Users.Update"]++
	}
	return []fault{byDefault, settles}
}

// try has a call meet the fault, and checks everything.
func (f fault) try(t *testing.T, where string, server siptest.Options, call call, usual bool) {
	server.APIKey = canaryKey
	if f.socket {
		server.Now = func() time.Time { return time.Unix(946684800, 0) } // or a row's times might differ from its twin's
	}
	goroutines := runtime.NumGoroutine()
	a, twin := newAcme(t, server), newAcme(t, server)
	if f.setUp != nil {
		f.setUp(a)
		f.setUp(twin)
	}
	var log bytes.Buffer
	a.client = f.connect(a, slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if f.faults != nil {
		for _, fault := range f.faults(call) {
			a.Fail(fault)
		}
	}
	a.ResetRequests()
	proof := call.proof(a)
	ctx, cancel := t.Context(), func() {}
	if f.ctx != nil {
		ctx, cancel = f.ctx(ctx)
	}
	defer cancel()

	began := time.Now()
	got, err := unbroken(ctx, call, a)
	took := time.Since(began)
	a.Wait()

	where = fmt.Sprintf("%s: %v", where, err)
	if !f.socket {
		require.LessOrEqual(t, f.least, took, where)
		require.GreaterOrEqual(t, f.most, took, where)
	}
	sent := a.hits()
	f.checkError(t, where, call, err, sent[call.op])
	f.checkHits(t, where, call, sent, proof, usual)
	require.Empty(t, a.UnusedFaults(), where)
	requireNoSecret(t, where, log.String())

	// The model.
	if f.others != nil {
		f.others(twin.Server)
	}
	if f.settle && !f.applied && err == nil { // a row of somebody else's has got the secrets
		require.Equal(t, f.found, idOf(got), where)
		setSecrets(twin, got.(infinitysip.UserID))
	}
	before := twin.holds()
	want, wantErr := call.do(context.Background(), twin)
	f.checkFound(t, where, err, want)
	if f.applied {
		require.NoError(t, wantErr, where)
		require.Equal(t, twin.holds(), a.holds(), where)
	} else {
		require.Equal(t, before, a.holds(), where)
	}
	switch {
	case err == nil && f.applied:
		require.Equal(t, want, got, where)
	case reflect.ValueOf(got).Kind() == reflect.Slice && (err == nil || call.handsOn): // rows that came before the end
		all := reflect.ValueOf(want)
		require.Equal(t, all.Slice(0, min(all.Len(), reflect.ValueOf(got).Len())).Interface(), got, where)
	case err != nil:
		require.Zero(t, got, where)
	}
	if f.also != nil {
		f.also(t, a)
	}

	if !f.socket {
		_, open := a.Connections()
		require.Zero(t, open, where)
		return // the bubble's end shows that no goroutine is left
	}
	a.client.CloseIdleConnections()
	if server.TLS == nil && !server.HTTP2 { // there the connections are those of a transport that is not the client's own
		eventually(t, func() bool { _, open := a.Connections(); return open == 0 }, where+": connections are left")
	}
	a.Close()
	twin.Close()
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines }, where+": goroutines are left")
}

// connect makes the client that the case is about.
func (f fault) connect(a *acme, logger *slog.Logger) *infinitysip.Client {
	policy := infinitysip.RetryPolicy{}
	if f.socket {
		policy = quick
	}
	policy.SettleSecrets = f.settle
	opts := append([]infinitysip.Option{infinitysip.WithLogger(logger), infinitysip.WithRetryPolicy(policy)}, f.opts...)
	switch {
	case f.client != nil:
		return f.client(a, opts)
	case f.socket:
		return a.Client(opts...)
	}
	return a.InProcessClient(opts...)
}

// quick waits little, for a real clock: two looks, at once.
var quick = infinitysip.RetryPolicy{BaseWait: time.Microsecond, MaxWait: time.Microsecond, VerifyWaits: []time.Duration{0, time.Microsecond}}

// unbroken makes a call, and makes an error of a panic.
func unbroken(ctx context.Context, call call, a *acme) (got any, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return call.do(ctx, a)
}

func (f fault) checkError(t *testing.T, where string, call call, err error, sent int) {
	t.Helper()
	if f.outcome == succeeds {
		require.NoError(t, err, where)
		return
	}
	want := f.outcome
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok, "%s: a %T", where, err)
	require.Equal(t, call.op, failed.Op, where)
	require.Equal(t, want, failed.Outcome, where)
	require.Equal(t, want == unknown, errors.Is(err, infinitysip.ErrOutcomeUnknown), where)
	require.Equal(t, want == unknown, strings.Contains(err.Error(), "look before you send it again"), where)
	for _, target := range f.is {
		require.ErrorIs(t, err, target, where)
	}
	for _, other := range sentinels {
		require.Equal(t, slices.Contains(f.is, other), errors.Is(err, other), "%s: it is %v", where, other)
	}
	require.ErrorContains(t, err, f.says, where)
	require.Equal(t, cmp.Or(f.attempts, sent), failed.Attempts, where)
	require.Less(t, len(err.Error()), 2000, "%.2000s", where)
	require.False(t, strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }), "%q", where)
	require.LessOrEqual(t, len(failed.Message), 512, where)
	require.LessOrEqual(t, len(failed.Body), 16<<10, where)
	requireNoSecret(t, where, string(failed.Body))
	requireNoSecret(t, where, err) // and all that is behind it
}

// checkFound looks at the ids in the error: those of the case, or that of the row
// which the call made.
func (f fault) checkFound(t *testing.T, where string, err error, made any) {
	t.Helper()
	failed, ok := errors.AsType[*infinitysip.Error](err)
	if !ok {
		return
	}
	want := f.found
	if f.applied && f.byDefault {
		want = idOf(made)
	}
	require.Equal(t, want, failed.Found, where)
}

// idOf returns the id that a create returned, as errors have it.
func idOf(got any) []int64 { return []int64{reflect.ValueOf(got).Int()} }

// checkHits looks at what was sent. In the hits of a case, "call" and "look" are
// the call and its look, and "absent" is how many of the looks prove that nothing
// is there. How many requests a look takes varies with the kind of server; what
// the client writes does not.
func (f fault) checkHits(t *testing.T, where string, call call, got hits, proof int, usual bool) {
	t.Helper()
	if f.hits == nil {
		return
	}
	want := make(hits)
	for op, n := range f.hits {
		switch op {
		case "call":
			op = call.op
		case "look":
			op = call.look
		case "absent":
			op, n = call.look, n*proof
		}
		want[op] += n
	}
	if call.before > 0 && got[call.look] > 0 { // a context that has ended sends nothing
		want[call.look] += call.before
	}
	if !usual || call.pages {
		delete(want, call.look)
		delete(got, call.look)
	}
	delete(want, "") // a call that does not look
	for op, n := range want {
		if n == 0 {
			delete(want, op)
		}
	}
	require.Equal(t, want, got, where)
}

func eventually(t *testing.T, condition func() bool, otherwise string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), otherwise)
	}
}

// cancelAfter gives a context that its caller cancels after a while.
func cancelAfter(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		if d == 0 {
			cancel()
		}
		timer := time.AfterFunc(d, cancel)
		return ctx, func() { timer.Stop(); cancel() }
	}
}

// deadlineIn gives a context with a deadline.
func deadlineIn(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
}

// rewritten replaces text in the answer, or, for none, puts it in front.
func rewritten(old, by string) func(call) faults {
	return func(c call) faults {
		return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte {
			if old == "" {
				return append([]byte(by), body...)
			}
			return bytes.ReplaceAll(body, []byte(old), []byte(by))
		})}
	}
}

// through has a client in process go through another RoundTripper.
func through(wrap func(next http.RoundTripper) http.RoundTripper) func(*acme, []infinitysip.Option) *infinitysip.Client {
	return func(a *acme, opts []infinitysip.Option) *infinitysip.Client {
		return a.InProcessClient(append(opts, infinitysip.WithHTTPClient(&http.Client{Transport: wrap(a.Transport())}))...)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
