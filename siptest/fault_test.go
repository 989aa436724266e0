package siptest

import (
	"context"
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

func TestStatusFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		fault   Fault
		status  int
		body    string
		applied bool
	}{
		{"status", On("Users.Create").Status(503), 503, "service unavailable", false},
		{"commit then status", On("Users.Create").CommitThenStatus(502), 502, "bad gateway", true},
		{"body", On("Users.Create").Status(429).Body("slow down"), 429, "slow down", false},
		{"no such status", On("*").Status(999), 999, "error", false},
		{"redirect", On("Users.Create").Status(307).Header("Location", "http://127.0.0.1:1/"), 307, "", false},
		{"a success that is none", On("Users.Create").Status(200), 200, "", false},
		{"no content", On("Users.Create").CommitThenStatus(204).Body("lost"), 204, "", true},
		{"a body alone", On("Users.Create").Body("<html>"), 201, "<html>", true},
		{"latency alone", On("Users.Create").Latency(time.Nanosecond), 201, `{"userId":"3"}` + "\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onBothFronts(t, Options{}, func(t *testing.T, w wire) {
				furnish(t, w)
				w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				w.srv.ResetRequests()
				w.srv.Fail(tt.fault.Times(1).Header("Retry-After", "7").Header("X-A", "b"))
				resp, err := w.client.Do(w.request(t, "POST", root+"/1/users", newUser))
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, tt.body, string(body))
				require.Equal(t, "7", resp.Header.Get("Retry-After"))
				require.Equal(t, "b", resp.Header.Get("X-A"))
				require.Equal(t, tt.status, w.srv.Requests()[0].Status)
				require.Equal(t, tt.applied, w.applied(t))
			})
		})
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	const whole = `{"userId":"3"}` + "\n"
	for _, framing := range []Framing{FramingChunked, FramingLength, FramingClose} {
		for _, n := range []int{0, 5, len(whole), len(whole) + 10} {
			onBothFronts(t, Options{Framing: framing}, func(t *testing.T, w wire) {
				furnish(t, w)
				w.srv.Fail(On("Users.Create").Truncate(n))
				resp, err := w.client.Do(w.request(t, "POST", root+"/1/users", newUser))
				require.NoError(t, err)
				require.Equal(t, 201, resp.StatusCode)
				body, err := io.ReadAll(resp.Body)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, whole[:min(n, len(whole))], string(body))
				require.True(t, w.applied(t))
			})
		}
	}
	t.Run("no body to cut", func(t *testing.T) {
		t.Parallel()
		onBothFronts(t, Options{}, func(t *testing.T, w wire) {
			furnish(t, w)
			w.srv.Fail(On("Users.Update").Truncate(0))
			w.must(t, "POST", root+"/1/users/1", "email=x")
		})
	})
}

func TestWhichMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		faults []Fault
		want   string // the answers to eight reads of one user
	}{
		{"none", nil, "200 200 200 200 200 200 200 200"},
		{"every", []Fault{On("Users.Get").Status(500)}, "500 500 500 500 500 500 500 500"},
		{"another call", []Fault{On("Users.List").Status(500)}, "200 200 200 200 200 200 200 200"},
		{"any call", []Fault{On("*").Nth(2).Status(500)}, "200 500 200 200 200 200 200 200"},
		{"times", []Fault{On("Users.Get").Times(2).Status(500)}, "500 500 200 200 200 200 200 200"},
		{"nth", []Fault{On("Users.Get").Nth(3).Status(500)}, "200 200 500 200 200 200 200 200"},
		{"two nths count alike", []Fault{On("Users.Get").Nth(2).Status(500), On("Users.Get").Nth(4).Status(501)},
			"200 500 200 501 200 200 200 200"},
		{"in the order given", []Fault{On("Users.Get").Times(2).Status(500), On("*").Times(1).Status(501), On("Users.Get").Times(1).Status(502)},
			"500 500 501 502 200 200 200 200"},
		{"times takes what is left over", []Fault{On("Users.Get").Nth(2).Status(500), On("Users.Get").Times(2).Status(501)},
			"501 500 501 200 200 200 200 200"},
		{"nth is not made up for", []Fault{On("Users.Get").Times(2).Status(500), On("Users.Get").Nth(1).Status(501)},
			"500 500 200 200 200 200 200 200"},
		{"times from the nth on", []Fault{On("Users.Get").Nth(3).Times(2).Status(500)}, "200 200 500 500 200 200 200 200"},
		{"the words in any order", []Fault{On("Users.Get").Status(500).Times(2).Nth(3)}, "200 200 500 500 200 200 200 200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := inProcess(New(t))
			furnish(t, w)
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
	furnish(t, w)
	w.srv.Fail(once)
	w.srv.Fail(once)
	for _, want := range []int{503, 503, 200} {
		status, _ := w.do(t, "GET", root+"/1/users/1", "")
		require.Equal(t, want, status)
	}
}

func TestFaultsThatMakeNoSense(t *testing.T) {
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

// TestFaultsStandInFront: a fault does not ask for credentials, and * knows
// paths that the server does not.
func TestFaultsStandInFront(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.Fail(On("*").Times(2).Status(503))
	w.srv.opts.APIKey = "changed"
	req := w.request(t, "GET", root, "")
	req.Header.Del("Authorization")
	for _, want := range []int{503, 503, 401} {
		resp, err := w.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t, Options{Latency: time.Second}))
		furnish(t, w)
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
		furnish(t, w)
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
	furnish(t, w)
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
	w.srv.Close() // returns only when the request is gone
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

// await returns once the server has seen a call.
func (w wire) await(t testing.TB, op string) {
	t.Helper()
	require.Eventually(t, func() bool {
		seen := w.srv.Requests()
		return len(seen) > 0 && seen[len(seen)-1].Op == op
	}, 10*time.Second, time.Millisecond)
}
