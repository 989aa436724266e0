package siptest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const newUser = "user=new&password=p&displayName=New&extensionNumber=299"

// applied reports whether newUser was created.
func (w wire) applied(t testing.TB) bool {
	t.Helper()
	return len(w.values(t, root+"/1/users", "userId")) == 3
}

func TestWhichRequestsAFaultStrikes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		faults []Fault
		want   string // the answers to eight reads of one user
	}{
		{"no fault", nil, "200 200 200 200 200 200 200 200"},
		{"every", []Fault{On("Users.Get").Status(500)}, "500 500 500 500 500 500 500 500"},
		{"another call", []Fault{On("Users.List").Status(500)}, "200 200 200 200 200 200 200 200"},
		{"any call", []Fault{On("*").Nth(2).Status(500)}, "200 500 200 200 200 200 200 200"},
		{"times", []Fault{On("Users.Get").Times(2).Status(500)}, "500 500 200 200 200 200 200 200"},
		{"nth", []Fault{On("Users.Get").Nth(3).Status(500)}, "200 200 500 200 200 200 200 200"},
		{"two nths count the same matches", []Fault{On("Users.Get").Nth(2).Status(500), On("Users.Get").Nth(4).Status(501)},
			"200 500 200 501 200 200 200 200"},
		{"in the order of Fail", []Fault{On("Users.Get").Times(2).Status(500), On("*").Times(1).Status(501), On("Users.Get").Times(1).Status(502)},
			"500 500 501 502 200 200 200 200"},
		{"times counts its own strikes", []Fault{On("Users.Get").Nth(2).Status(500), On("Users.Get").Times(2).Status(501)},
			"501 500 501 200 200 200 200 200"},
		{"nth strikes only at its match", []Fault{On("Users.Get").Times(2).Status(500), On("Users.Get").Nth(1).Status(501)},
			"500 500 200 200 200 200 200 200"},
		{"times from the nth on", []Fault{On("Users.Get").Nth(3).Times(2).Status(500)}, "200 200 500 500 200 200 200 200"},
		{"the methods in any order", []Fault{On("Users.Get").Status(500).Times(2).Nth(3)}, "200 200 500 500 200 200 200 200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := inProcess(New(t))
			addSamples(t, w)
			for _, f := range tt.faults {
				w.srv.Fail(f)
			}
			var got []string
			for range 8 {
				status, _ := w.do(t, "GET", root+"/1/users/1", "")
				got = append(got, (map[int]string{200: "200", 500: "500", 501: "501", 502: "502"})[status])
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

func TestFaultsAreValues(t *testing.T) {
	t.Parallel()
	base := On("Users.Get").Status(503).Header("A", "1")
	once := base.Times(1).Header("B", "2")
	require.Equal(t, http.Header{"A": {"1"}}, base.header)
	require.Equal(t, http.Header{"A": {"1"}, "B": {"2"}}, once.header)

	w := inProcess(New(t))
	addSamples(t, w)
	w.srv.Fail(once)
	w.srv.Fail(once)
	for _, want := range []int{503, 503, 200} {
		status, _ := w.do(t, "GET", root+"/1/users/1", "")
		require.Equal(t, want, status)
	}
}

func TestInvalidFaultsPanic(t *testing.T) {
	t.Parallel()
	srv := New(t)
	require.PanicsWithValue(t, `siptest: no call is named "Users.Make"`, func() { srv.Fail(On("Users.Make").Drop()) })
	require.PanicsWithValue(t, `siptest: the fault on "Users.Get" does nothing`, func() { srv.Fail(On("Users.Get").Nth(2)) })
	require.Panics(t, func() { On("*").Nth(0) })
	require.Panics(t, func() { On("*").Times(0) })
	require.Panics(t, func() { On("*").Status(100) })
	require.Panics(t, func() { On("*").Status(1000) })
	require.Panics(t, func() { On("*").Truncate(-1) })
	require.Panics(t, func() { On("*").For(0) })
	require.Panics(t, func() { On("*").SlowBody(0, time.Second) })
	require.Panics(t, func() { On("*").HangThenCommit(-1) })
}

func TestFor(t *testing.T) {
	t.Parallel()
	clock := noon
	w := inProcess(New(t, Options{Now: func() time.Time { return clock }}))
	addSamples(t, w)
	w.srv.Fail(On("Users.Get").For(time.Minute).Status(503))
	w.srv.Fail(On("Users.Get").Nth(4).For(time.Hour).Times(2).Status(504))
	clock = clock.Add(time.Hour) // the duration begins with the first match
	for i, want := range []int{503, 503, 503, 200 + 304, 504, 200} {
		status, _ := w.do(t, "GET", root+"/1/users/1", "")
		require.Equal(t, want, status, i)
		clock = clock.Add(25 * time.Second)
	}
	require.Empty(t, w.srv.UnusedFaults())

	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t))
		w.srv.Fail(On("*").For(time.Minute).Drop())
		_, _, err := w.try(t.Context(), t, "GET", root, "")
		require.ErrorIs(t, err, io.EOF)
		<-time.After(time.Minute)
		w.must(t, "GET", root, "")
	})
}

func TestUnusedFaults(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	for _, f := range []Fault{
		On("Users.Get").Nth(2).Status(500),
		On("Users.Get").Times(3).Status(501),
		On("Users.Get").Nth(9).Status(502), // the others do not change its count
		On("Groups.Get").For(time.Minute).Drop(),
		On("Groups.Get").Reset(), // need not strike
	} {
		w.srv.Fail(f)
	}
	require.Equal(t, []string{
		`On("Users.Get").Nth(2).Status(500) struck 0 times of 1`,
		`On("Users.Get").Times(3).Status(501) struck 0 times of 3`,
		`On("Users.Get").Nth(9).Status(502) struck 0 times of 1`,
		`On("Groups.Get").For(1m0s).Drop() struck 0 times of 1`,
	}, w.srv.UnusedFaults())
	for range 3 {
		w.do(t, "GET", root+"/1/users/1", "")
	}
	want := []string{
		`On("Users.Get").Times(3).Status(501) struck 2 times of 3`,
		`On("Users.Get").Nth(9).Status(502) struck 0 times of 1`,
		`On("Groups.Get").For(1m0s).Drop() struck 0 times of 1`,
	}
	require.Equal(t, want, w.srv.UnusedFaults())

	tb := &errorTB{}
	w.srv.RequireFaultsUsed(tb)
	require.Empty(t, tb.errors)
	tb.cleanups[0]()
	require.Len(t, tb.errors, 3)
	require.Equal(t, "siptest: "+want[0], tb.errors[0])
}

// Tests and benchmarks have what RequireFaultsUsed needs.
var _ = func(s *Server, t *testing.T, b *testing.B) {
	s.RequireFaultsUsed(t)
	s.RequireFaultsUsed(b)
}

type errorTB struct {
	fakeTB
	errors []string
}

func (e *errorTB) Errorf(format string, args ...any) {
	e.errors = append(e.errors, fmt.Sprintf(format, args...))
}

func TestFaultString(t *testing.T) {
	t.Parallel()
	hook := func(*Server) {}
	for want, f := range map[string]Fault{
		`On("*")`: On("*"),
		`On("*").Nth(2).Times(3).For(1m0s).Drop()`:                                  On("*").Drop().For(time.Minute).Times(3).Nth(2),
		`On("*").Status(503).Header("Retry-After", "1").Body("a\n")`:                On("*").Status(503).Header("Retry-After", "1").Body("a\n"),
		`On("*").CommitThenStatus(502).SlowBody(3, 1s).SlowHeaders(2s).Latency(3s)`: On("*").CommitThenStatus(502).SlowBody(3, time.Second).SlowHeaders(2 * time.Second).Latency(3 * time.Second),
		`On("*").Before(…).After(…).StripBody().Rewrite(…)`:                         On("*").Before(hook).After(hook).StripBody().Rewrite(bytes.ToUpper),
		`On("*").Truncate(3).Framing(FramingClose)`:                                 On("*").Truncate(3).Framing(FramingClose),
		`On("*").TruncateRows(3).Framing(FramingLength)`:                            On("*").TruncateRows(3).Framing(FramingLength),
		`On("*").Endless().Framing(FramingChunked)`:                                 On("*").Endless().Framing(FramingChunked),
		`On("*").CommitThenDrop().Framing(9)`:                                       On("*").CommitThenDrop().Framing(9),
		`On("*").Reset().CommitThenReset()`:                                         On("*").Reset().CommitThenReset(),
		`On("*").ResetStream().CommitThenResetStream()`:                             On("*").ResetStream().CommitThenResetStream(),
		`On("*").GoAway().CommitThenGoAway()`:                                       On("*").GoAway().CommitThenGoAway(),
		`On("*").Hang().CommitThenHang().HangThenCommit(5s)`:                        On("*").Hang().CommitThenHang().HangThenCommit(5 * time.Second),
		`On("*").Raw("a").CommitThenRaw("` + strings.Repeat("b", 60) + `")`:         On("*").Raw("a").CommitThenRaw(strings.Repeat("b", 99)),
	} {
		require.Equal(t, want, f.String())
	}
	base := On("*").Status(500)
	one, two := base.Body("1").Before(hook), base.Body("2").Before(hook)
	require.Equal(t, `On("*").Status(500).Body("1").Before(…)`, one.String(), "the two values share nothing")
	require.Equal(t, `On("*").Status(500).Body("2").Before(…)`, two.String())
}

// TestFaultsComeBeforeCredentials: a fault strikes before the server checks the
// credentials.
func TestFaultsComeBeforeCredentials(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.Fail(On("*").Times(2).Status(503))
	w.srv.opts.APIKey = "changed"
	req := w.request(t, "GET", root, "")
	req.Header.Del("Authorization")
	for _, want := range []int{503, 503, 401} {
		resp := w.send(t, req)
		require.Equal(t, want, resp.StatusCode)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t, Options{Latency: time.Second}))
		addSamples(t, w)
		w.srv.Fail(On("Users.Create").Latency(time.Hour).CommitThenStatus(504))
		began := time.Now()
		status, _ := w.do(t, "POST", root+"/1/users", newUser)
		require.Equal(t, 504, status)
		require.Equal(t, time.Hour+time.Second, time.Since(began))
		require.True(t, w.applied(t))
	})
}

func TestLatencyEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t))
		addSamples(t, w)
		w.srv.Fail(On("Users.Create").Latency(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := w.client.Do(w.request(t, "POST", root+"/1/users", newUser).WithContext(ctx)) //nolint:bodyclose // there is none
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
		require.False(t, w.applied(t))
	})
}

func TestLatencyOverTheSocketEndsWithTheClient(t *testing.T) {
	t.Parallel()
	w := overSocket(t, New(t))
	addSamples(t, w)
	w.srv.Fail(On("Users.Create").Latency(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := w.client.Do(w.request(t, "POST", root+"/1/users", newUser).WithContext(ctx)) //nolint:bodyclose // there is none
		failed <- err
	}()
	w.await(t, "Users.Create")
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	w.srv.Close() // returns when the request has ended
	require.Len(t, w.srv.store.children(users, 1), 2)
}

func TestCloseEndsLatency(t *testing.T) {
	t.Parallel()
	w := overSocket(t, New(t, Options{Latency: time.Hour}))
	failed := make(chan error)
	go func() {
		_, err := w.client.Do(w.request(t, "GET", root, "")) //nolint:bodyclose // there is none
		failed <- err
	}()
	w.await(t, "Domains.List")
	w.srv.Close()
	require.Error(t, <-failed)
}

// await waits until the server has received a call.
func (w wire) await(t testing.TB, op string) {
	t.Helper()
	require.Eventually(t, func() bool {
		seen := w.srv.Requests()
		return len(seen) > 0 && seen[len(seen)-1].Op == op
	}, 10*time.Second, time.Millisecond)
}
