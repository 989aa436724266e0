package siptest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
		{"an unknown status", On("*").Status(999), 999, "error", false},
		{"redirect", On("Users.Create").Status(307).Header("Location", "http://127.0.0.1:1/"), 307, "", false},
		{"a false success", On("Users.Create").Status(200), 200, "", false},
		{"no content", On("Users.Create").CommitThenStatus(204).Body("lost"), 204, "", true},
		{"only a body", On("Users.Create").Body("<html>"), 201, "<html>", true},
		{"only latency", On("Users.Create").Latency(time.Nanosecond), 201, `{"userId":"3"}` + "\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onBothTransports(t, Options{}, func(t *testing.T, w wire) {
				addSamples(t, w)
				w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				w.srv.ResetRequests()
				w.srv.Fail(tt.fault.Times(1).Header("Retry-After", "7").Header("X-A", "b"))
				resp, body, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
				require.NoError(t, err)
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, tt.body, body)
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
			onBothTransports(t, Options{Framing: framing}, func(t *testing.T, w wire) {
				addSamples(t, w)
				w.srv.Fail(On("Users.Create").Truncate(n))
				resp, body, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.NotNil(t, resp, "the headers arrive")
				require.Equal(t, 201, resp.StatusCode)
				require.Equal(t, whole[:min(n, len(whole))], body)
				require.True(t, w.applied(t))
			})
		}
	}
	t.Run("an answer without a body", func(t *testing.T) {
		t.Parallel()
		onBothTransports(t, Options{}, func(t *testing.T, w wire) {
			addSamples(t, w)
			w.srv.Fail(On("Users.Update").Truncate(0))
			w.must(t, "POST", root+"/1/users/1", "email=x")
		})
	})
}

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
	// Versions of Go compress the same text to different bytes. The format fixes
	// a stored block: 10 bytes of file header, 5 of block header, then the text.
	store := packAt(gzip.NoCompression)
	const firstByte = 10 + 5 + 1
	tests := map[string]struct {
		fault Fault
		want  string
	}{
		"line ends":   {On("*").Rewrite(replace("\n", "\r\n")), `{"userId":"1"}` + "\r\n" + `{"userId":"2"}` + "\r\n"},
		"a BOM":       {On("*").Rewrite(func(body []byte) []byte { return append([]byte("\ufeff"), body...) }), "\ufeff" + `{"userId":"1"}` + "\n" + `{"userId":"2"}` + "\n"},
		"two":         {On("*").Rewrite(replace("\n", " ")).Rewrite(replace(" ", "_")), `{"userId":"1"}_{"userId":"2"}_`},
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
				onBothTransports(t, Options{Framing: framing, UndocumentedQuery: UndocumentedQueryHonoured}, func(t *testing.T, w wire) {
					addSamples(t, w)
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
	t.Run("gzip with Accept-Encoding", func(t *testing.T) {
		t.Parallel()
		onBothTransports(t, Options{}, func(t *testing.T, w wire) {
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
			onBothTransports(t, Options{Framing: framing, UndocumentedQuery: UndocumentedQueryHonoured}, func(t *testing.T, w wire) {
				addSamples(t, w)
				w.srv.Fail(On("Users.List").Times(1).TruncateRows(n))
				w.srv.Fail(On("Users.List").Times(1).TruncateRows(n).Framing(FramingClose))
				_, body, err := w.try(t.Context(), t, "GET", root+"/1/users?display[]=userId", "")
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Equal(t, want, body)
				resp, body, err := w.try(t.Context(), t, "GET", root+"/1/users?display[]=userId", "")
				require.NoError(t, err, "FramingClose cannot show a break")
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
		w := overSocket(t, New(t, Options{HTTP2: true, UndocumentedQuery: UndocumentedQueryHonoured}))
		addSamples(t, w)
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
	onAllTransports(t, func(t *testing.T, w wire) {
		addSamples(t, w)
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

// TestHooks: a hook may use the server with a client of its own.
func TestHooks(t *testing.T) {
	t.Parallel()
	onAllTransports(t, func(t *testing.T, w wire) {
		addSamples(t, w)
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

		// The requests of the hooks are applied, this one is not.
		w.srv.Fail(On("Users.Create").Nth(1).Before(hook("298")).After(hook("7")).Drop())
		_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", strings.ReplaceAll(newUser, "new", "298"))
		require.Error(t, err)
		require.Equal(t, []string{"298 6", "7 7"}, order[3:])
		require.Len(t, w.srv.Users(1), 8)
	})
}

func TestBeforeComesBeforeLatency(t *testing.T) {
	t.Parallel()
	onAllTransports(t, func(t *testing.T, w wire) {
		addSamples(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		w.srv.Fail(On("Users.Create").Before(func(*Server) { cancel() }).Latency(time.Hour))
		_, _, err := w.try(ctx, t, "POST", root+"/1/users", newUser)
		require.ErrorIs(t, err, context.Canceled)
		w.srv.Wait()
		require.False(t, w.applied(t))
	})
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		onBothTransports(t, Options{}, func(t *testing.T, w wire) {
			addSamples(t, w)
			other := New(t)
			w.srv.Fail(On("Users.Create").Times(1).Status(status).Header("Location", w.base+root+"/1/users"))
			w.srv.Fail(On("Groups.Create").Status(status).Header("Location", other.URL()+root+"/1/groups"))
			w.srv.ResetRequests()
			w.do(t, "POST", root+"/1/users", newUser)
			seen := w.srv.Requests()
			require.Len(t, seen, 2)
			require.Equal(t, status, seen[0].Status)
			require.Equal(t, status >= 307, seen[1].Method == "POST", "net/http sends a GET for the others")
			require.Equal(t, status >= 307, w.applied(t))
			if w.srv.socket != nil {
				w.do(t, "POST", root+"/1/groups", "groupName=g")
				require.Len(t, other.Requests(), 1)
				require.Equal(t, status >= 307, other.Requests()[0].Form.Get("groupName") == "g")
			}
		})
	}
}
