package siptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// TestConcurrentUse: many goroutines create, read, change and delete at once. Run
// it with the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		w.srv.addDomain(0, "", "", false)
		w.srv.Fail(On("Users.Update").Nth(7).Status(503))
		w.must(t, "POST", root+"/1/groups", "groupName=g&displayName=G&extensionNumber=1&ringRetry=0&ringExclusive=0&callerNameFormat=")
		const workers, each = 20, 5
		var failures, conflicts sync.Map
		var all sync.WaitGroup
		for worker := range workers {
			all.Go(func() {
				for i := range each {
					// Two workers want the same extension.
					status, body := w.do(t, "POST", root+"/1/users",
						fmt.Sprintf("user=u%d.%d&password=p&displayName=U&extensionNumber=%d", worker, i, 1000+worker/2*each+i))
					if status == 409 {
						conflicts.Store([2]int{worker, i}, true)
						continue
					}
					id := strings.Trim(body, "{}\"\n:adeIrsu")
					if status, _ := w.do(t, "POST", root+"/1/users/"+id, "email=x"); status != 204 {
						failures.Store(id, status)
					}
					w.must(t, "POST", root+"/1/groups/1/users", "userSpec[]="+id)
					w.must(t, "GET", root+"/1/groups/1/users", "")
					if i == 0 {
						w.must(t, "DELETE", root+"/1/users/"+id, "")
					}
					w.srv.Requests()
				}
			})
		}
		all.Wait()
		count := func(m *sync.Map) (n int) {
			m.Range(func(any, any) bool { n++; return true })
			return n
		}
		require.Equal(t, 1, count(&failures))
		left := w.values(t, root+"/1/users", "extensionNumber")
		require.Len(t, w.values(t, root+"/1/groups/1/users", "userId"), len(left))
		distinct := map[string]bool{}
		for _, extension := range left {
			distinct[extension] = true
		}
		require.Len(t, distinct, len(left))
		require.Equal(t, workers*each, count(&conflicts)+w.created())
	})
}

// created counts the creates of users that succeeded.
func (w wire) created() int {
	n := 0
	for _, r := range w.srv.Requests() {
		if r.Op == "Users.Create" && r.Status == 201 {
			n++
		}
	}
	return n
}

func TestRequests(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		addSamples(t, w)
		w.srv.ResetRequests()
		require.Empty(t, w.srv.Requests())
		w.must(t, "GET", root+"/1/devices?filter[]=userId-eq-value-1&filter[]=pbxDeviceId-gt-value-0&limit=1", "")
		w.must(t, "DELETE", root+"/1/groups/1/users", "userSpec[]=1&userSpec%5B%5D=2")
		w.do(t, "GET", root+"/1/nothing%2Fhere", "")
		seen := w.srv.Requests()
		require.Len(t, seen, 3)

		require.Equal(t, "Devices.List", seen[0].Op)
		require.Equal(t, root+"/1/devices", seen[0].Path)
		require.Equal(t, []string{"userId-eq-value-1", "pbxDeviceId-gt-value-0"}, seen[0].Query["filter[]"])
		require.Equal(t, "1", seen[0].Query.Get("limit"))
		require.Empty(t, seen[0].Form)

		require.Equal(t, "DELETE", seen[1].Method)
		require.Equal(t, []string{"1", "2"}, seen[1].Form["userSpec[]"])
		require.Equal(t, 204, seen[1].Status)
		require.Equal(t, "application/x-www-form-urlencoded", seen[1].Header.Get("Content-Type"))

		require.Empty(t, seen[2].Op)
		require.Equal(t, root+"/1/nothing%2Fhere", seen[2].Path)
		require.Equal(t, 404, seen[2].Status)
		for _, r := range seen {
			require.Equal(t, "ApiKey [redacted]", r.Header.Get("Authorization"))
		}
	})
}

func TestCredentialsAreNotLogged(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	for _, authorization := range []string{"ApiKey s3cret", "Basic s3cret", "s3cret"} {
		req := w.request(t, "GET", root, "")
		req.Header.Set("Authorization", authorization)
		w.send(t, req)
	}
	require.NotContains(t, fmt.Sprint(w.srv.Requests()), "s3cret")
}

func TestTransportLeaksNothing(t *testing.T) {
	t.Parallel()
	// synctest fails the test if a goroutine of its bubble does not end.
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t, Options{Latency: time.Second}))
		addSamples(t, w)
		w.srv.Fail(On("Users.Get").Truncate(3))
		resp, err := w.client.Do(w.request(t, "GET", root+"/1/users/1", ""))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		_, err = resp.Body.Read(make([]byte, 1))
		require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
		require.Nil(t, w.srv.socket)
	})
}

// A closeRecorder records that a request's body was closed.
type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error {
	c.closed = true
	return nil
}

func TestTransportIsARoundTripper(t *testing.T) {
	t.Parallel()
	srv := New(t)
	addSamples(t, inProcess(srv))
	tr := srv.Transport()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		ctx  context.Context
		body io.Reader
		want error
	}{
		"valid":       {t.Context(), strings.NewReader("email=x"), nil},
		"canceled":    {canceled, strings.NewReader("email=x"), context.Canceled},
		"broken body": {t.Context(), io.MultiReader(strings.NewReader("ema"), errReader{broken}), broken},
	} {
		t.Run(name, func(t *testing.T) {
			body := &closeRecorder{Reader: tt.body}
			req, err := http.NewRequestWithContext(tt.ctx, "POST", "https://any.host.invalid"+root+"/1/users/1", body)
			require.NoError(t, err)
			req.Header.Set("Authorization", "ApiKey siptest-api-key")
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			header := req.Header.Clone()
			resp, err := tr.RoundTrip(req)
			require.ErrorIs(t, err, tt.want)
			require.True(t, body.closed)
			require.Equal(t, header, req.Header)
			if tt.want == nil {
				require.NoError(t, resp.Body.Close())
				require.Equal(t, "204 No Content", resp.Status)
				require.Same(t, req, resp.Request)
			}
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestTransportCallsTheTrace(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.Fail(On("*").Nth(2).Drop())
	for i, want := range []string{"headers request answer", "headers request"} {
		var got []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteHeaders:         func() { got = append(got, "headers") },
			WroteRequest:         func(httptrace.WroteRequestInfo) { got = append(got, "request") },
			GotFirstResponseByte: func() { got = append(got, "answer") },
		})
		resp, err := w.client.Do(w.request(t, "GET", root, "").WithContext(ctx))
		require.Equal(t, i == 1, err != nil)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, want, strings.Join(got, " "))
	}
}

func TestBodyEndsWithTheContext(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := w.client.Do(w.request(t, "GET", root+"/1/users", "").WithContext(ctx))
	require.NoError(t, err)
	_, err = io.ReadFull(resp.Body, make([]byte, 10))
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, resp.Body.Close())
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		status, body := w.do(t, "HEAD", root, "")
		require.Equal(t, 405, status)
		require.Empty(t, body)
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	srv := NewServer(Options{})
	near, far := inProcess(srv), overSocket(t, srv)
	addSamples(t, far)
	require.Equal(t, far.base, srv.URL())
	srv.Close()
	srv.Close()
	for _, w := range []wire{near, far} {
		_, err := w.client.Do(w.request(t, "GET", root, "")) //nolint:bodyclose // there is none
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		op, ok := errors.AsType[*net.OpError](err)
		require.True(t, ok)
		require.Equal(t, "dial", op.Op)
	}
	require.Len(t, srv.store.children(users, 1), 2, "the data stays")
	require.Equal(t, far.base, srv.URL())

	unopened := NewServer(Options{})
	unopened.Close()
	require.PanicsWithValue(t, "siptest: the server is closed", func() { unopened.URL() })
}

// A fakeTB records the cleanups of a test, so that a test can run them.
type fakeTB struct{ cleanups []func() }

func (f *fakeTB) Helper()          {}
func (f *fakeTB) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }

func TestNew(t *testing.T) {
	t.Parallel()
	tb := &fakeTB{}
	srv := New(tb, Options{APIKey: "k"})
	require.Equal(t, "k", srv.opts.APIKey)
	require.Len(t, tb.cleanups, 1)
	tb.cleanups[0]()
	require.True(t, srv.closed)
	require.Panics(t, func() { New(tb, Options{}, Options{}) })
	require.Equal(t, int64(7), srv.addDomain(7, "", "", false))
	require.Equal(t, int64(8), srv.addDomain(0, "", "", false))
	require.Equal(t, int64(3), srv.addDomain(3, "", "", false))
	require.Panics(t, func() { srv.addDomain(7, "", "", false) })
}

func TestListen(t *testing.T) {
	t.Parallel()
	first := New(t, Options{Addr: "127.0.0.1:0"})
	require.NoError(t, first.Listen())
	require.NoError(t, first.Listen())
	addr := strings.TrimPrefix(first.URL(), "http://")
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, addr)

	second := New(t, Options{Addr: addr})
	err := second.Listen()
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "siptest: listen tcp "+addr)
	require.Panics(t, func() { second.URL() })
	require.Equal(t, 200, inProcess(second).send(t, inProcess(second).request(t, "GET", root, "")).StatusCode)
	first.Close()
	require.NoError(t, second.Listen(), "it can be tried again")
	require.Equal(t, "http://"+addr, second.URL())

	for _, all := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		for _, o := range []Options{{Addr: all}, {Addr: all, HTTP2: true}} {
			srv := New(t, o)
			srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
			require.Regexp(t, `^https?://127\.0\.0\.1:\d+$`, srv.URL())
			rows, err := srv.Client().Domains.List(t.Context())
			require.NoError(t, err)
			require.Len(t, rows, 1)
		}
	}

	closed := NewServer(Options{})
	closed.Close()
	require.EqualError(t, closed.Listen(), "siptest: the server is closed")
}

func TestCopy(t *testing.T) {
	t.Parallel()
	clock := noon
	srv := New(t, Options{AllowDuplicates: true, Now: atNoon})
	addSamples(t, inProcess(srv))
	srv.AddUser(1, infinitysip.User{ID: 7, User: "joe.blogs"}) // a duplicate
	inProcess(srv).must(t, "DELETE", root+"/1/users/7", "")
	srv.AddUser(1, infinitysip.User{User: "joe.blogs"})
	c := srv.Copy(Options{ListLag: time.Minute, Now: func() time.Time { return clock }})
	t.Cleanup(c.Close)
	w := inProcess(c)
	for _, path := range []string{"", "/1/users", "/1/groups/1/users", "/1/queues/1/members", "/1/trustednetworks", "/1/devices"} {
		require.Equal(t, inProcess(srv).must(t, "GET", root+path, ""), w.must(t, "GET", root+path, ""))
	}
	require.Equal(t, "1234", c.Users(1)[0].PIN.Reveal())

	status, _ := w.do(t, "POST", root+"/1/users", "user=ann&password=p&displayName=x&extensionNumber=9")
	require.Equal(t, 409, status)
	require.Equal(t, `{"userId":"9"}`+"\n", w.must(t, "POST", root+"/1/users", "user=new&password=p&displayName=x&extensionNumber=9"))
	w.must(t, "POST", root+"/1/users/1", "email=x")
	w.must(t, "DELETE", root+"/1/users/2", "")
	w.must(t, "DELETE", root+"/1/groups/1/users", "userSpec[]=1")
	require.Equal(t, []string{"1", "2", "8"}, w.values(t, root+"/1/users", "userId"), "its lists lag")
	require.Equal(t, []string{"1"}, w.values(t, root+"/1/groups/1/users", "userId"))
	clock = clock.Add(time.Minute)
	require.Equal(t, []string{"1", "8", "9"}, w.values(t, root+"/1/users", "userId"))
	require.Empty(t, w.values(t, root+"/1/groups/1/users", "userId"))

	require.Equal(t, []infinitysip.UserID{1}, srv.GroupUsers(1, 1))
	require.Len(t, srv.Users(1), 3)
	require.Empty(t, srv.Users(1)[0].Email)
}
