package siptest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

const voicemail = "GET " + root + "/{id}/voicemail"

// echo answers what reached the handler.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Request-Id", "own")
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s %s id=%s query=%s body=%s auth=%s", r.Method, r.RequestURI, r.PathValue("id"), r.URL.RawQuery, body, r.Header.Get("Authorization"))
}

func TestHandle(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		w.srv.Handle(voicemail, http.HandlerFunc(echo))
		w.srv.Handle("POST "+root+"/{id}/voicemail/{box}", http.HandlerFunc(echo))

		resp, body, err := w.try(t.Context(), t, "GET", root+"/7/voicemail?x=1%202", "")
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		require.Equal(t, "GET "+root+"/7/voicemail?x=1%202 id=7 query=x=1%202 body= auth=ApiKey siptest-api-key", body)
		require.Equal(t, "own", resp.Header.Get("X-Request-Id"))
		require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
		require.Equal(t, []string{"chunked"}, resp.TransferEncoding)

		status, body := w.do(t, "POST", root+"/7/voicemail/a%2Fb", "greeting=hi&greeting=ho")
		require.Equal(t, http.StatusAccepted, status)
		require.Contains(t, body, "body=greeting=hi&greeting=ho ")

		requests := w.srv.Requests()
		require.Len(t, requests, 2)
		require.Equal(t, voicemail, requests[0].Op)
		require.Equal(t, http.StatusAccepted, requests[0].Status)
		require.Equal(t, "ApiKey [redacted]", requests[0].Header.Get("Authorization"))
		require.Equal(t, []string{"1 2"}, requests[0].Query["x"])
		require.Equal(t, []string{"hi", "ho"}, requests[1].Form["greeting"])
	})
}

// The server's own checks come before the handler, its own calls before all.
func TestHandleGoesTheWayOfAll(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		var calls atomic.Int64
		w.srv.Handle(voicemail, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
		w.srv.SetAPIKey("another")
		status, body := w.do(t, "GET", root+"/7/voicemail", "")
		require.Equal(t, 401, status)
		require.Equal(t, "auth required", body)
		w.srv.SetAPIKey(w.srv.opts.APIKey)

		w.srv.SetLimit(&Limit{Requests: 1, Per: time.Hour})
		require.Empty(t, w.must(t, "GET", root+"/7/voicemail", ""))
		status, _ = w.do(t, "GET", root+"/7/voicemail", "")
		require.Equal(t, 429, status)
		w.srv.SetLimit(nil)
		require.EqualValues(t, 1, calls.Load())

		for _, tt := range []struct {
			method, path string
			status       int
			body         string
		}{
			{"DELETE", root + "/7/voicemail", 405, "the path takes GET, HEAD"},
			{"GET", root + "/7/voicemail/", 404, "no such path"},
			{"GET", root + "/7/mail", 404, "no such path"},
			{"PUT", root, 405, "the path takes GET"},
		} {
			status, body := w.do(t, tt.method, tt.path, "")
			require.Equal(t, tt.status, status, tt.path)
			require.Equal(t, tt.body, body, tt.path)
		}

		w.srv.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
		addSamples(t, w)
		require.Equal(t, domainRow[:15], w.must(t, "GET", root, "")[:15])
		status, _ = w.do(t, "PUT", root, "")
		require.Equal(t, http.StatusTeapot, status)
	})
}

func TestFaultsStrikeAtHandlers(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		var calls atomic.Int64
		w.srv.Handle("POST /mail/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Length", "1000") // the server's to set
			_, _ = fmt.Fprintf(w, "row %s\nrow 2\n", body)
		}))
		w.srv.RequireFaultsUsed(t)
		on := func() Fault { return On("POST /mail/{id}").Times(1) }
		w.srv.Fail(on().Status(418))
		w.srv.Fail(on().CommitThenStatus(502))
		w.srv.Fail(on().Header("X-Request-Id", "r").StripBody().Framing(FramingLength))
		w.srv.Fail(on().TruncateRows(1))
		w.srv.Fail(On("*").Times(1).CommitThenDrop())

		status, _ := w.do(t, "POST", "/mail/1", "x=1")
		require.Equal(t, 418, status)
		require.Zero(t, calls.Load())
		status, body := w.do(t, "POST", "/mail/1", "x=1")
		require.Equal(t, 502, status)
		require.Equal(t, "bad gateway", body)
		require.EqualValues(t, 1, calls.Load())
		resp, body, err := w.try(t.Context(), t, "POST", "/mail/1", "x=1")
		require.NoError(t, err)
		require.Equal(t, "row \nrow 2\n", body)
		require.Equal(t, "r", resp.Header.Get("X-Request-Id"))
		require.EqualValues(t, len(body), resp.ContentLength)
		_, body, err = w.try(t.Context(), t, "POST", "/mail/1", "x=1")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, "row x=1\n", body)
		_, _, err = w.try(t.Context(), t, "POST", "/mail/1", "x=1")
		require.Error(t, err)
		require.EqualValues(t, 4, calls.Load())
	})
}

// A handler that is applied late runs without the context of the client, which is
// gone by then.
func TestHandlerThatIsAppliedLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t))
		var ended error
		var calls int
		w.srv.Handle("POST /mail", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			calls, ended = calls+1, r.Context().Err()
		}))
		w.srv.Fail(On("POST /mail").HangThenCommit(2 * time.Second))
		w.client.Timeout = time.Second
		_, _, err := w.try(t.Context(), t, "POST", "/mail", "")
		require.Error(t, err)
		w.srv.Wait()
		require.Equal(t, 1, calls)
		require.NoError(t, ended)
	})
}

func TestHandlersMayUseTheServer(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		domain := w.srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		w.srv.Handle("POST /import", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			w.srv.AddUser(domain, infinitysip.User{User: "joe"})
			w.srv.Handle("GET /import/1", http.NotFoundHandler()) // while it runs
		}))
		w.must(t, "POST", "/import", "")
		require.Len(t, w.srv.Users(domain), 1)
		status, body := w.do(t, "GET", "/import/1", "")
		require.Equal(t, 404, status)
		require.Equal(t, "404 page not found", strings.TrimSpace(body))
	})
}

func TestHandleRefuses(t *testing.T) {
	t.Parallel()
	ok := http.NotFoundHandler()
	for pattern, want := range map[string]string{
		"":                                 "no path",
		"GET":                              "no path",
		"GET config":                       "no path",
		"GET api.infinitycloud.com/config": "no path",
		"GET /a/{id":                       "bad wildcard segment",
		"GET /a/{id}/{id}":                 "duplicate wildcard",
		"GE T /a":                          "no path",
		"GET /taken":                       "conflicts with pattern \"GET /taken\":",
		root:                               "the API has calls with this path",
		"GET\t/taken":                      "conflicts with pattern",
		"GET " + root:                      "Domains.List has this path; use Fail to change its answers",
		"GET " + root + "/7/users":         "Users.List has this path",
		"POST " + root + "/{d}/users/{u}":  "Users.Update has this path",
		"PUT  " + root + "/{d}/queues/{q}/members/order": "Queues.SetMemberOrder has this path",
	} {
		srv := New(t)
		srv.Handle("GET /taken", ok)
		func() {
			defer func() {
				text := fmt.Sprint(recover())
				require.True(t, strings.HasPrefix(text, fmt.Sprintf("siptest: Handle(%q): ", pattern)), text)
				require.Contains(t, text, want)
			}()
			srv.Handle(pattern, ok)
		}()
		srv.Handle("GET /free", ok) // it still works
	}
	srv := New(t)
	require.PanicsWithValue(t, `siptest: Handle("GET /a"): http: nil handler`, func() { srv.Handle("GET /a", nil) })
	require.Panics(t, func() { srv.Fail(On("GET /a").Status(500)) })
	for _, pattern := range []string{"GET " + root + "/{d}/{what}", "PUT " + root + "/{d}/users", "GET /{rest...}", "GET " + root + "/{$}"} {
		srv.Handle(pattern, ok)
	}
}

// A handler's context is that of the request, without the client's values, also in
// process. So the handler may make calls of its own with it.
func TestHandlersContextIsNotTheClients(t *testing.T) {
	t.Parallel()
	for _, client := range []func(*Server) *infinitysip.Client{
		func(s *Server) *infinitysip.Client { return s.Client() },
		func(s *Server) *infinitysip.Client { return s.InProcessClient() },
	} {
		srv := New(t, Options{})
		srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		srv.Handle("POST /config/v2/sip/count", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			domains, err := client(srv).Domains.List(r.Context())
			_, _ = fmt.Fprint(w, infinitysip.OperationFromContext(r.Context()), len(domains), err)
		}))
		response, err := client(srv).Do(t.Context(), "POST", "/config/v2/sip/count", nil)
		require.NoError(t, err)
		require.Equal(t, "1 <nil>", string(response.Body))
	}
}
