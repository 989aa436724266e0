package siptest

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestRewrite(t *testing.T) {
	t.Parallel()
	replace := func(from, to string) func([]byte) []byte {
		return func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(from), []byte(to)) }
	}
	packAt := func(level int) func([]byte) []byte {
		return func(body []byte) []byte {
			var packed bytes.Buffer
			zip, _ := gzip.NewWriterLevel(&packed, level)
			_, _ = zip.Write(body)
			_ = zip.Close()
			return packed.Bytes()
		}
	}
	pack := packAt(gzip.DefaultCompression)
	// Go's versions compress the same text to different bytes. A stored block
	// is fixed by the format: 10 bytes of file header, 5 of block header, then
	// the text as it is.
	store := packAt(gzip.NoCompression)
	const firstByte = 10 + 5 + 1
	tests := map[string]struct {
		fault Fault
		want  string
	}{
		"line ends":   {On("*").Rewrite(replace("\n", "\r\n")), `{"userId":"1"}` + "\r\n" + `{"userId":"2"}` + "\r\n"},
		"a BOM":       {On("*").Rewrite(func(body []byte) []byte { return append([]byte("\ufeff"), body...) }), "\ufeff" + `{"userId":"1"}` + "\n" + `{"userId":"2"}` + "\n"},
		"one after":   {On("*").Rewrite(replace("\n", " ")).Rewrite(replace(" ", "_")), `{"userId":"1"}_{"userId":"2"}_`},
		"after Body":  {On("*").Rewrite(replace("a", "b")).Body("aha"), "bhb"},
		"of an error": {On("*").Status(503).Rewrite(bytes.ToUpper), "SERVICE UNAVAILABLE"},
		"nothing":     {On("*").Rewrite(func([]byte) []byte { return nil }), ""},
		"then cut":    {On("*").Rewrite(replace("\n", "\r\n")).TruncateRows(1), `{"userId":"1"}` + "\r\n"},
		"gzip":        {On("*").Rewrite(pack).Header("Content-Encoding", "gzip"), `{"userId":"1"}` + "\n" + `{"userId":"2"}` + "\n"},
		"gzip, cut":   {On("*").Rewrite(store).Header("Content-Encoding", "gzip").Truncate(firstByte), "{"},
		"no gzip":     {On("*").Header("Content-Encoding", "gzip"), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, framing := range []Framing{FramingChunked, FramingLength, FramingClose} {
				onBothFronts(t, Options{Framing: framing, UndocumentedQuery: HonourQuery}, func(t *testing.T, w wire) {
					furnish(t, w)
					w.srv.Fail(tt.fault)
					resp, body, err := w.try(t.Context(), t, "GET", root+"/1/users?display[]=userId", "")
					require.Equal(t, strings.Contains(name, "cut") || name == "no gzip", err != nil, "%v", err)
					require.Equal(t, tt.want, body)
					require.Equal(t, strings.Contains(name, "gzip"), resp.Uncompressed)
					if resp.Uncompressed {
						require.Empty(t, resp.Header.Get("Content-Encoding"))
						require.EqualValues(t, -1, resp.ContentLength)
					}
				})
			}
		})
	}
	t.Run("gzip that was asked for", func(t *testing.T) {
		t.Parallel()
		onBothFronts(t, Options{}, func(t *testing.T, w wire) {
			w.srv.Fail(On("*").Rewrite(pack).Header("Content-Encoding", "gzip").Body("x"))
			req := w.request(t, "GET", root, "")
			req.Header.Set("Accept-Encoding", "gzip")
			resp, err := w.client.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, pack([]byte("x")), body)
			require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
		})
	})
}

func TestTruncateRows(t *testing.T) {
	t.Parallel()
	const one, both = `{"userId":"1"}` + "\n", `{"userId":"1"}` + "\n" + `{"userId":"2"}` + "\n"
	for _, framing := range []Framing{FramingChunked, FramingLength, FramingClose} {
		for n, want := range []string{"", one, both, both} {
			onBothFronts(t, Options{Framing: framing, UndocumentedQuery: HonourQuery}, func(t *testing.T, w wire) {
				furnish(t, w)
				w.srv.Fail(On("Users.List").Times(1).TruncateRows(n))
				w.srv.Fail(On("Users.List").Times(1).TruncateRows(n).Framing(FramingClose))
				_, body, err := w.try(t.Context(), t, "GET", root+"/1/users?display[]=userId", "")
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Equal(t, want, body)
				resp, body, err := w.try(t.Context(), t, "GET", root+"/1/users?display[]=userId", "")
				require.NoError(t, err, "this framing cannot show it")
				require.Equal(t, want, body)
				require.True(t, resp.Close)
				require.Empty(t, resp.TransferEncoding)
				require.EqualValues(t, -1, resp.ContentLength)
				require.Equal(t, both, w.must(t, "GET", root+"/1/users?display[]=userId", ""))
			})
		}
	}
	t.Run("HTTP 2", func(t *testing.T) {
		t.Parallel()
		w := overSocket(t, New(t, Options{HTTP2: true, UndocumentedQuery: HonourQuery}))
		furnish(t, w)
		for _, framing := range []Framing{FramingChunked, FramingLength} {
			w.srv.Fail(On("Users.List").Times(1).TruncateRows(1).Framing(framing))
			_, body, err := w.try(t.Context(), t, "GET", root+"/1/users?display[]=userId", "")
			require.ErrorContains(t, err, "INTERNAL_ERROR")
			require.Equal(t, one, body)
		}
		w.srv.Fail(On("Users.List").Truncate(len(one)).Framing(FramingClose))
		require.Equal(t, one, w.must(t, "GET", root+"/1/users?display[]=userId", ""))
		_, open := w.srv.Connections()
		require.Equal(t, 1, open)
	})
}

func TestStripBody(t *testing.T) {
	t.Parallel()
	onThreeFronts(t, func(t *testing.T, w wire) {
		furnish(t, w)
		w.srv.ResetRequests()
		w.srv.Fail(On("Groups.RemoveUsers").Times(1).StripBody())
		for _, want := range []int{400, 204} {
			status, _ := w.do(t, "DELETE", root+"/1/groups/1/users", "userSpec[]=1")
			require.Equal(t, want, status)
		}
		require.Empty(t, w.srv.Requests()[0].Form)
		require.NotEmpty(t, w.srv.Requests()[1].Form)
	})
}

// TestHooks has a hook use the server by a client of its own.
func TestHooks(t *testing.T) {
	t.Parallel()
	onThreeFronts(t, func(t *testing.T, w wire) {
		furnish(t, w)
		var order []string
		hook := func(name string) func(*Server) {
			return func(s *Server) {
				order = append(order, fmt.Sprint(name, " ", len(s.Users(1))))
				inProcess(s).must(t, "POST", root+"/1/users", strings.ReplaceAll("user=X&password=p&displayName=X&extensionNumber=X", "X", name))
			}
		}
		w.srv.Fail(On("Users.Create").Nth(1).Before(hook("1")).Before(hook("2")).After(hook("3")))
		require.Equal(t, `{"userId":"5"}`+"\n", w.must(t, "POST", root+"/1/users", newUser))
		require.Equal(t, []string{"1 2", "2 3", "3 5"}, order)

		// Between two pages, where the other request takes the place of this.
		w.srv.Fail(On("Users.Create").Nth(1).Before(hook("298")).After(hook("7")).Drop())
		_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", strings.ReplaceAll(newUser, "new", "298"))
		require.Error(t, err)
		require.Equal(t, []string{"298 6", "7 7"}, order[3:])
		require.Len(t, w.srv.Users(1), 8)
	})
}

func TestBeforeComesBeforeLatency(t *testing.T) {
	t.Parallel()
	onThreeFronts(t, func(t *testing.T, w wire) {
		furnish(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		w.srv.Fail(On("Users.Create").Before(func(*Server) { cancel() }).Latency(time.Hour))
		_, _, err := w.try(ctx, t, "POST", root+"/1/users", newUser)
		require.ErrorIs(t, err, context.Canceled)
		w.srv.Wait()
		require.False(t, w.applied(t))
	})
}

func TestFor(t *testing.T) {
	t.Parallel()
	clock := noon
	w := inProcess(New(t, Options{Now: func() time.Time { return clock }}))
	furnish(t, w)
	w.srv.Fail(On("Users.Get").For(time.Minute).Status(503))
	w.srv.Fail(On("Users.Get").Nth(4).For(time.Hour).Times(2).Status(504))
	clock = clock.Add(time.Hour) // it begins with the first match
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
	furnish(t, w)
	for _, f := range []Fault{
		On("Users.Get").Nth(2).Status(500),
		On("Users.Get").Times(3).Status(501),
		On("Users.Get").Nth(9).Status(502), // the others do not reach it
		On("Groups.Get").For(time.Minute).Drop(),
		On("Groups.Get").Reset(), // may strike, and need not
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

// Tests and benchmarks can both ask for it: this compiles.
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
	require.Equal(t, `On("*").Status(500).Body("1").Before(…)`, one.String(), "values do not share")
	require.Equal(t, `On("*").Status(500).Body("2").Before(…)`, two.String())
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		onBothFronts(t, Options{}, func(t *testing.T, w wire) {
			furnish(t, w)
			other := New(t)
			w.srv.Fail(On("Users.Create").Times(1).Status(status).Header("Location", w.base+root+"/1/users"))
			w.srv.Fail(On("Groups.Create").Status(status).Header("Location", other.URL()+root+"/1/groups"))
			w.srv.ResetRequests()
			w.do(t, "POST", root+"/1/users", newUser)
			seen := w.srv.Requests()
			require.Len(t, seen, 2)
			require.Equal(t, status, seen[0].Status)
			require.Equal(t, status >= 307, seen[1].Method == "POST", "net/http makes a GET of the others")
			require.Equal(t, status >= 307, w.applied(t))
			if w.srv.socket != nil {
				w.do(t, "POST", root+"/1/groups", "groupName=g")
				require.Len(t, other.Requests(), 1)
				require.Equal(t, status >= 307, other.Requests()[0].Form.Get("groupName") == "g")
			}
		})
	}
}

func TestCloseIdle(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"HTTP 1": {}, "HTTP 2": {HTTP2: true}, "TLS": {TLS: &tls.Config{}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := New(t, o)
			srv.CloseIdle() // of none
			w := overSocket(t, srv)
			for want := range 3 {
				opened, open := srv.Connections()
				require.Equal(t, want, opened)
				require.Zero(t, open)
				if _, _, err := w.try(t.Context(), t, "GET", root, ""); err != nil {
					w.must(t, "GET", root, "") // the client had not noticed
				}
				_, open = srv.Connections()
				require.Equal(t, 1, open)
				srv.CloseIdle()
			}
			w.client.CloseIdleConnections()

			// What is in use stays.
			srv.Fail(On("*").SlowHeaders(time.Nanosecond).After(func(s *Server) {
				s.CloseIdle()
				_, open := s.Connections()
				require.Equal(t, 1, open)
			}))
			w.must(t, "GET", root, "")
		})
	}
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		w := inProcess(New(t))
		w.must(t, "GET", root, "")
		w.srv.CloseIdle()
		w.must(t, "GET", root, "")
	})
}

func TestConnectionsInProcess(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	furnish(t, w)
	opened, open := w.srv.Connections()
	require.Equal(t, len(w.srv.Requests()), opened)
	require.Zero(t, open)
	isOpen := func(want int) {
		t.Helper()
		_, open := w.srv.Connections()
		require.Equal(t, want, open)
	}
	first, err := w.client.Do(w.request(t, "GET", root, ""))
	require.NoError(t, err)
	second, err := w.client.Do(w.request(t, "GET", root, ""))
	require.NoError(t, err)
	isOpen(2)
	_, err = io.ReadAll(first.Body)
	require.NoError(t, err)
	isOpen(1)
	require.NoError(t, second.Body.Close())
	isOpen(0)
	require.NoError(t, first.Body.Close())
	_, err = first.Body.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)

	w.must(t, "POST", root+"/1/users/1", "email=x") // has no body
	w.srv.Fail(On("*").Drop())
	_, _, err = w.try(t.Context(), t, "GET", root, "")
	require.Error(t, err)
	isOpen(0)
}

func TestCloseEndsABodyInProcess(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.Fail(On("*").Endless())
	resp, err := w.client.Do(w.request(t, "GET", root, ""))
	require.NoError(t, err)
	w.srv.Close()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, resp.Body.Close())
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	srv := New(t, Options{HTTP2: true})
	domain := srv.AddDomain(infinitysip.Domain{})
	require.True(t, strings.HasPrefix(srv.URL(), "https://127.0.0.1:"))
	client := srv.Client()
	for range 3 {
		_, err := client.Users.List(t.Context(), domain)
		require.NoError(t, err)
	}
	opened, _ := srv.Connections()
	require.Equal(t, 1, opened)

	w := overSocket(t, srv)
	resp, _, err := w.try(t.Context(), t, "GET", root, "")
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	old := &http.Transport{TLSClientConfig: w.client.Transport.(*http.Transport).TLSClientConfig.Clone()}
	old.TLSClientConfig.NextProtos = []string{"http/1.1"}
	t.Cleanup(old.CloseIdleConnections)
	w.client = &http.Client{Transport: old}
	resp, _, err = w.try(t.Context(), t, "GET", root, "")
	require.NoError(t, err)
	require.Equal(t, 1, resp.ProtoMajor)
}

func TestHTTP2HasNoFramings(t *testing.T) {
	t.Parallel()
	for _, framing := range []Framing{FramingChunked, FramingLength, FramingClose} {
		w := overSocket(t, New(t, Options{HTTP2: true, Framing: framing}))
		furnish(t, w)
		resp, body, err := w.try(t.Context(), t, "GET", root, "")
		require.NoError(t, err)
		require.Equal(t, framing == FramingLength, resp.ContentLength == int64(len(body)))
		require.Empty(t, resp.TransferEncoding)
		opened, _ := w.srv.Connections()
		require.Equal(t, 1, opened)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := New(t, Options{TLS: &tls.Config{MinVersion: tls.VersionTLS13}})
	_, err := srv.Client().Domains.List(t.Context())
	require.NoError(t, err)
	once := infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1})
	stranger, err := infinitysip.NewClient(infinitysip.APIKey("api-key"), infinitysip.WithBaseURL(srv.URL()), once)
	require.NoError(t, err)
	_, err = stranger.Domains.List(t.Context())
	require.ErrorContains(t, err, "certificate signed by unknown authority")

	outdated := New(t, Options{TLS: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}})
	_, err = outdated.Client(once).Domains.List(t.Context())
	require.ErrorContains(t, err, "protocol version not supported")

	plain := New(t)
	confused, err := infinitysip.NewClient(infinitysip.APIKey("api-key"), infinitysip.WithBaseURL(strings.Replace(plain.URL(), "http:", "https:", 1)), once)
	require.NoError(t, err)
	_, err = confused.Domains.List(t.Context())
	require.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
	for _, s := range []*Server{outdated, plain} {
		require.Empty(t, s.Requests())
	}
}

// TestGoroutines leaves a server in the middle of everything that waits.
func TestGoroutines(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"HTTP 1": {}, "HTTP 2": {HTTP2: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := NewServer(o)
			// All goroutines of the socket come from this one and bear its label.
			pprof.Do(t.Context(), pprof.Labels("siptest", t.Name()), func(context.Context) { srv.URL() })
			running := func() int {
				var profile bytes.Buffer
				require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
				return strings.Count(profile.String(), fmt.Sprintf("%q:%q", "siptest", t.Name()))
			}
			w := overSocket(t, srv)
			furnish(t, w)
			require.Positive(t, running())

			arrived := make(chan bool)
			hook := func(*Server) { arrived <- true }
			var failed []<-chan error
			for _, f := range []Fault{
				On("*").Hang(), On("*").HangThenCommit(time.Hour), On("*").Latency(time.Hour), On("*").SlowHeaders(time.Hour),
			} {
				srv.Fail(f.Times(1).Before(hook))
				done := make(chan error, 1)
				failed = append(failed, done)
				go func() {
					_, err := w.client.Do(w.request(t, "POST", root+"/1/users", newUser)) //nolint:bodyclose // there is none
					done <- err
				}()
				<-arrived
			}
			for _, f := range []Fault{On("*").Endless(), On("*").SlowBody(1, time.Hour)} {
				srv.Fail(f.Times(1))
				resp, err := w.client.Do(w.request(t, "GET", root, ""))
				require.NoError(t, err)
				defer func() { _ = resp.Body.Close() }()
			}
			srv.Close()
			for _, done := range failed {
				require.Error(t, <-done)
			}
			require.Eventually(t, func() bool { return running() == 0 }, 10*time.Second, time.Millisecond)
			_, open := srv.Connections()
			require.Zero(t, open)
			require.Empty(t, srv.tasks)
		})
	}
}
