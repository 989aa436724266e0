package attempt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/transcript"
)

// owner is a call whose errors all read "clean".
type owner struct{ attempt.Call }

func (*owner) Clean(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("clean")
}

func (*owner) AttemptBegins(ctx context.Context, _ *url.URL) (context.Context, http.Header) {
	return ctx, nil
}
func (*owner) AttemptEnds(error) {}

func (o *owner) Secrets() transcript.Secrets {
	named := func(name string) bool { return name == "password" || redact.Sensitive(name) }
	return transcript.Secrets{Detector: redact.New([]string{"hunter2hunter2"}, nil, redact.Names{"password"}), Named: named}
}

// newOwner returns a call of an account at https://gw.example.com:8443.
func newOwner() *owner {
	return &owner{attempt.Call{Op: "Users.Get", Method: "GET", Path: "/users/1", Place: new(ratelimit.Place), Ring: new(attempt.Ring), Account: &attempt.Account{
		Scheme: "https", Host: "gw.example.com:8443", Keys: attempt.NewKeys(keyOf("key"), nil), UserAgent: "agent/1",
		Turns:    ratelimit.New(ratelimit.Options{Patience: time.Minute}),
		Timeouts: attempt.Timeouts{Header: time.Second, Progress: 2 * time.Second, Error: 3 * time.Second, Attempt: 4 * time.Second},
	}}}
}

func keyOf(key string) attempt.Key {
	return func() (string, []string) { return "ApiKey " + key, []string{key} }
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func answers(resp *http.Response) roundTripper {
	return func(*http.Request) (*http.Response, error) { return resp, nil }
}

const ownURL = "https://gw.example.com:8443/users/1"

func try(t *testing.T, o *owner, base roundTripper, target string, body io.Reader) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(attempt.NewContext(t.Context(), o), http.MethodGet, target, body)
	require.NoError(t, err)
	resp, err := (&attempt.Transport{Base: base}).RoundTrip(req)
	require.Empty(t, req.Header, "the request that was passed in is not changed")
	return resp, err
}

func TestCredentialsAreForTheirHostAlone(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		ownURL:                               "ApiKey key",
		"http://gw.example.com:8443/users/1": "",
		"https://gw.example.com/users/1":     "",
		"https://example.com:8443/users/1":   "",
	} {
		o, got := newOwner(), http.Header{}
		o.Header = http.Header{"X-Trace": {"1"}}
		resp, err := try(t, o, func(req *http.Request) (*http.Response, error) {
			got = req.Header
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
		}, target, nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, got.Get("Authorization"), target)
		require.Equal(t, "agent/1", got.Get("User-Agent"))
		require.Equal(t, "1", got.Get("X-Trace"))
		require.Equal(t, 1, o.Attempts)
	}
}

// A RoundTripper may break the contract of one.
func TestTransportsThatBreakTheirContract(t *testing.T) {
	t.Parallel()
	closed := false
	for name, test := range map[string]struct {
		base roundTripper
		want string // the error; empty: none
	}{
		"an answer and an error": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 204, Body: closer(func() { closed = true })}, io.ErrClosedPipe
		}, io.ErrClosedPipe.Error()},
		"an answer without a body, and an error": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 204}, io.ErrClosedPipe
		}, io.ErrClosedPipe.Error()},
		"an answer without a body": {answers(&http.Response{StatusCode: 204, Header: http.Header{}}), ""},
		"nothing":                  {answers(nil), "neither an answer nor an error"},
		"a panic":                  {func(*http.Request) (*http.Response, error) { panic("hunter2") }, "the transport panicked (string)"},
	} {
		o := newOwner()
		resp, err := try(t, o, test.base, ownURL, nil)
		if test.want != "" {
			require.ErrorContains(t, err, test.want, name)
			require.NotContains(t, err.Error(), "hunter2")
			require.Nil(t, resp, name)
			require.Zero(t, o.Status(), name)
			continue
		}
		require.NoError(t, err, name)
		require.NoError(t, resp.Body.Close())
	}
	require.True(t, closed)
}

// The body of an answer may break its contract too. The turn of its attempt ends all the
// same.
func TestABodyThatPanics(t *testing.T) {
	t.Parallel()
	var ctx context.Context
	resp, err := try(t, newOwner(), func(req *http.Request) (*http.Response, error) {
		ctx = req.Context()
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: panicking{}}, nil
	}, ownURL, nil)
	require.NoError(t, err)
	n, err := resp.Body.Read(make([]byte, 8))
	require.Zero(t, n)
	require.EqualError(t, err, "reading the answer panicked (string)")
	require.NoError(t, resp.Body.Close())
	require.Error(t, ctx.Err(), "the attempt is at its end")
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("hunter2") }
func (panicking) Close() error             { panic("hunter2") }

type closer func()

func (c closer) Read([]byte) (int, error) { return 0, io.EOF }
func (c closer) Close() error             { c(); return nil }

func TestWhatCameOfAnAttempt(t *testing.T) {
	t.Parallel()
	for status, succeeded := range map[int]bool{200: true, 201: true, 202: false, 204: true, 206: false, 301: false, 404: false, 500: false} {
		o := newOwner()
		resp, err := try(t, o, answers(&http.Response{StatusCode: status, Header: http.Header{"Location": {"https://evil.example"}, "X-Request-Id": {"7"}}}), ownURL, nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, o.Status())
		require.Equal(t, succeeded, o.Succeeded(), status)
		require.Equal(t, http.Header{"X-Request-Id": {"7"}}, resp.Header, "nobody is led elsewhere")
		require.Equal(t, http.Header{"X-Request-Id": {"7"}, "Location": {"https://evil.example"}}, o.Answer())
		require.True(t, o.Sent(), "a transport that does not trace may have sent it")
	}
}

// An attempt was sent as soon as there was a connection, and not before.
func TestSent(t *testing.T) {
	t.Parallel()
	o := newOwner()
	require.False(t, o.Sent())
	require.False(t, o.Replayed())
	refused := "http://127.0.0.1:1"
	_, err := try(t, o, http.DefaultTransport.(*http.Transport).Clone().RoundTrip, refused, nil)
	require.Error(t, err)
	require.False(t, o.Sent())

	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	_, err = try(t, o, server.Client().Transport.RoundTrip, server.URL, nil)
	require.Error(t, err)
	require.True(t, o.Sent())
	require.Equal(t, 2, o.Attempts)
}

// An attempt without a turn sends nothing, and keeps the status of the one before.
func TestNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, sent, closed := newOwner(), 0, false
		o.Account.Turns = ratelimit.New(ratelimit.Options{PerSecond: 1, Burst: 1, Patience: time.Minute})
		base := func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody}, nil
		}
		_, err := try(t, o, base, ownURL, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(attempt.NewContext(t.Context(), o), time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, ownURL, closer(func() { closed = true }))
		require.NoError(t, err)
		_, err = (&attempt.Transport{Base: roundTripper(base)}).RoundTrip(req)
		require.ErrorIs(t, err, ratelimit.ErrNoTurn)
		require.Equal(t, 1, sent)
		require.True(t, closed, "the body is closed")
		require.False(t, o.Sent())
		require.Equal(t, 503, o.Status())
	})
}

// slow gives a piece after each wait.
type slow struct {
	ctx    context.Context
	every  time.Duration
	pieces int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.pieces--; s.pieces < 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(s.every):
		return copy(p, "x"), nil
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}

func (s *slow) Close() error { return nil }

func TestTimeouts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status   int
		long     bool
		header   time.Duration // until the answer begins
		every    time.Duration // between its pieces, of which there are ten
		progress bool          // each piece is a row
		want     string
		took     time.Duration
	}{
		"no answer":               {header: time.Minute, want: "no answer for 1s", took: time.Second},
		"in time":                 {status: 200, every: 100 * time.Millisecond, took: time.Second},
		"an answer too long":      {status: 200, every: 500 * time.Millisecond, want: "no more of the answer for 4s", took: 4 * time.Second},
		"a list, row by row":      {status: 200, long: true, every: 1900 * time.Millisecond, progress: true, took: 19 * time.Second},
		"a list with no row":      {status: 200, long: true, every: 900 * time.Millisecond, want: "no more of the answer for 2s", took: 2 * time.Second},
		"an error's body":         {status: 500, every: time.Second, want: "no more of the answer for 3s", took: 3 * time.Second},
		"an error's body, a list": {status: 500, long: true, every: time.Second, want: "no more of the answer for 3s", took: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, began := newOwner(), time.Now()
				o.Long = test.long
				resp, err := try(t, o, func(req *http.Request) (*http.Response, error) {
					select {
					case <-time.After(test.header):
					case <-req.Context().Done():
						return nil, req.Context().Err()
					}
					return &http.Response{StatusCode: test.status, Header: http.Header{}, Body: &slow{req.Context(), test.every, 10}}, nil
				}, ownURL, nil)
				for piece := make([]byte, 1); err == nil; {
					if _, err = resp.Body.Read(piece); err == nil && test.progress {
						resp.Body.(interface{ Progress() }).Progress()
					}
				}
				require.Equal(t, test.took, time.Since(began))
				if test.want == "" {
					require.Equal(t, io.EOF, err)
				} else {
					require.EqualError(t, err, test.want)
					require.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's context is alive")
				}
				if resp != nil {
					require.NoError(t, resp.Body.Close())
				}
			})
		})
	}
}

// What is left of an answer is read, so that its connection can serve another
// call: but not of a list, and only for so long.
func TestTheRestOfAnAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		long   bool
		status int
		took   time.Duration
	}{{false, 200, 3 * time.Second}, {true, 200, 0}, {true, 404, 2 * time.Second}} { // the limits, less the first second
		synctest.Test(t, func(t *testing.T) {
			o := newOwner()
			o.Long = test.long
			resp, err := try(t, o, func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: test.status, Header: http.Header{}, Body: &slow{req.Context(), time.Second, 100}}, nil
			}, ownURL, nil)
			require.NoError(t, err)
			_, err = resp.Body.Read(make([]byte, 1))
			require.NoError(t, err)
			began := time.Now()
			require.NoError(t, resp.Body.Close())
			require.Equal(t, test.took, time.Since(began))
		})
	}
}

func TestARecordForEachAttempt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		base roundTripper
		want map[string]any
	}{
		"success": {answers(&http.Response{StatusCode: 204, Header: http.Header{}}), map[string]any{"level": "DEBUG", "status": 204.}},
		"failure": {answers(&http.Response{StatusCode: 503, Header: http.Header{}}), map[string]any{"level": "DEBUG", "status": 503.}},
		"error": {func(*http.Request) (*http.Response, error) { return nil, errors.New("hunter2") },
			map[string]any{"level": "DEBUG", "error": "clean"}},
		"a request id":             {answers(&http.Response{StatusCode: 200, Header: http.Header{"X-Request-Id": {"a\nb"}}}), map[string]any{"level": "DEBUG", "status": 200., "request_id": "a b"}},
		"a request id of a secret": {answers(&http.Response{StatusCode: 200, Header: http.Header{"X-Request-Id": {"hunter2hunter2"}}}), map[string]any{"level": "DEBUG", "status": 200., "request_id": "[the server's text held a secret: 14 bytes]"}},
	} {
		var log bytes.Buffer
		o := newOwner()
		o.Account.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		resp, err := try(t, o, test.base, ownURL, strings.NewReader("a=b"))
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
		got := make(map[string]any)
		require.NoError(t, json.Unmarshal(log.Bytes(), &got), name)
		for _, key := range []string{"time", "took"} {
			require.Contains(t, got, key)
			delete(got, key)
		}
		test.want["msg"], test.want["op"], test.want["method"], test.want["path"], test.want["attempt"] = "infinitysip", "Users.Get", "GET", "/users/1", 1.
		require.Equal(t, test.want, got, name)
	}
}

// A call that waits long for its turns says so once, while it waits.
func TestALongWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pauses []time.Duration
		cancel time.Duration // 0: never
		secret bool          // the logger is not to know
		want   []string      // when it says so, and of which attempt
	}{
		"short":     {pauses: []time.Duration{9 * time.Second, 9 * time.Second}},
		"long":      {pauses: []time.Duration{time.Second, time.Minute, time.Minute}, want: []string{"11s 2"}},
		"cancelled": {pauses: []time.Duration{time.Minute}, cancel: 5 * time.Second},
		"not told":  {pauses: []time.Duration{time.Minute}, secret: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			began := time.Now()
			var got []string
			o := newOwner()
			if !test.secret {
				o.Warned = new(atomic.Bool)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.cancel > 0 {
				time.AfterFunc(test.cancel, cancel)
			}
			o.Account.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == "attempt" {
					got = append(got, fmt.Sprint(time.Since(began), " ", a.Value))
				}
				return a
			}}))
			for _, pause := range test.pauses {
				o.Pause = pause
				req, err := http.NewRequestWithContext(attempt.NewContext(ctx, o), http.MethodGet, ownURL, nil)
				require.NoError(t, err)
				resp, err := (&attempt.Transport{Base: answers(&http.Response{StatusCode: 200, Header: http.Header{}})}).RoundTrip(req)
				if test.cancel == 0 {
					require.NoError(t, err)
					require.NoError(t, resp.Body.Close())
				}
			}
			require.Equal(t, test.want, got, name)
			require.Equal(t, len(test.want), strings.Count(log.String(), `level=WARN msg="infinitysip: a call waits long" op=Users.Get attempt=2 waited=10s`), log.String())
		})
	}
}

// A logger or a debug log that panics does not harm the attempt.
func TestLogsThatPanic(t *testing.T) {
	t.Parallel()
	o := newOwner()
	o.Account.Logger = slog.New(panics{slog.DiscardHandler})
	o.Account.Debug = transcript.New(panics{})
	resp, err := try(t, o, answers(&http.Response{StatusCode: 200, Header: http.Header{}}), ownURL, strings.NewReader("a=b"))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

type panics struct{ slog.Handler }

func (panics) Enabled(context.Context, slog.Level) bool  { panic("hunter2hunter2") }
func (panics) Handle(context.Context, slog.Record) error { panic("hunter2hunter2") }
func (panics) Write([]byte) (int, error)                 { panic("hunter2hunter2") }

// The debug log has the request as it is sent, and an answer or an error for each.
func TestTheDebugLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := newOwner()
		o.Account.Debug, o.Header, o.Form = transcript.New(&log), http.Header{"X-A": {"b"}}, url.Values{"a": {"b"}}
		for _, base := range []roundTripper{
			answers(&http.Response{StatusCode: 200, Header: http.Header{"Location": {"/1"}}, Body: io.NopCloser(strings.NewReader("ok")), ContentLength: 2}),
			answers(&http.Response{StatusCode: 101}),
			func(*http.Request) (*http.Response, error) { return nil, errors.New("hunter2") },
			func(*http.Request) (*http.Response, error) { panic("hunter2") },
			answers(nil),
			func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 204, Body: http.NoBody}, errors.New("hunter2")
			},
		} {
			if resp, err := try(t, o, base, ownURL, strings.NewReader("a=b")); err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			}
		}
		const request = "GET /users/1\n    Authorization: [redacted]\n    Content-Type: application/x-www-form-urlencoded\n    User-Agent: agent/1\n    X-A: b\n\n    a=b\n"
		want := ""
		for i, answered := range []string{"200 OK\n    Location: /1\n\n    ok\n", "101 Switching Protocols\n", "clean\n", "clean\n", "clean\n", "clean\n"} {
			want += fmt.Sprintf("--> #%[1]d Users.Get, attempt %[1]d\n    %[2]s<-- #%[1]d Users.Get, attempt %[1]d, after 0s\n    %[3]s", i+1, request, answered)
		}
		require.Equal(t, want, log.String())
	})
}

// An attempt that ends with the context has its error, which is not the cause: that is the
// caller's own. An answer that came all the same is one.
func TestTheEndOfTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, timeout := roundTrip(t.Context(), t, newOwner(), func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}, nil)
		require.EqualError(t, timeout, "no answer for 1s")
		temporary, ok := timeout.(interface{ Temporary() bool })
		require.True(t, ok && temporary.Temporary())
		for name, test := range map[string]struct {
			cause error
			after time.Duration // the attempt ends so long after the context
		}{
			"its own":             {errors.New("hunter2"), 0},
			"its own, and late":   {errors.New("hunter2"), 2 * time.Second},
			"a timeout, not ours": {timeout, 0},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			_, err := roundTrip(ctx, t, newOwner(), func(req *http.Request) (*http.Response, error) {
				cancel(test.cause)
				time.Sleep(test.after)
				return nil, context.Cause(req.Context())
			}, nil)
			require.Equal(t, context.Canceled, err, name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := roundTrip(ctx, t, newOwner(), func(*http.Request) (*http.Response, error) {
			cancel()
			return &http.Response{StatusCode: 204, Header: http.Header{}}, nil
		}, nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	})
}

// An attempt without an answer has nothing of the answer before.
func TestNoAnswerAfterOne(t *testing.T) {
	t.Parallel()
	o := newOwner()
	resp, err := try(t, o, answers(&http.Response{StatusCode: 429, Proto: "HTTP/2.0", Header: http.Header{"X-Request-Id": {"7"}}}), ownURL, nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "HTTP/2.0", o.Proto())
	require.True(t, o.Refused())
	require.Equal(t, "7", attempt.RequestID(o))
	_, err = try(t, o, func(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe }, ownURL, nil)
	require.Error(t, err)
	require.Zero(t, o.Status())
	require.Empty(t, o.Proto())
	require.Nil(t, o.Answer())
	require.False(t, o.Refused())
	require.Empty(t, attempt.RequestID(o))
}

// A record has the time that the attempt took. That of an attempt without a turn has no
// id of the answer before.
func TestRecordsOfTwoAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := newOwner()
		o.Account.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		resp, err := try(t, o, func(*http.Request) (*http.Response, error) {
			time.Sleep(900 * time.Millisecond)
			return &http.Response{StatusCode: 204, Header: http.Header{"X-Request-Id": {"7"}}}, nil
		}, ownURL, nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Contains(t, log.String(), `"took":900000000,`)
		require.Contains(t, log.String(), `"request_id":"7"`)
		log.Reset()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		o.Pause = time.Second
		_, err = roundTrip(ended, t, o, answers(nil), nil)
		require.Error(t, err)
		require.Contains(t, log.String(), `"error":"clean"`)
		require.NotContains(t, log.String(), "request_id")
	})
}

// Waited is how long a call waited for its turns, and not for what the server asked.
func TestWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOwner()
		for _, wait := range []time.Duration{0, 2 * time.Second, 3 * time.Second} {
			o.Account.Limiter, o.Pause = limiter(func(context.Context) error { time.Sleep(wait); return nil }), time.Minute
			require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), http.MethodGet, ownURL, nil))
		}
		require.Equal(t, 5*time.Second, o.Waited)
	})
}

// slowHandler takes its time for the record of a long wait.
type slowHandler struct {
	slog.Handler
	done *bool
}

func (h slowHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level == slog.LevelWarn
}
func (h slowHandler) Handle(context.Context, slog.Record) error {
	time.Sleep(5 * time.Second)
	*h.done = true
	return nil
}

// No record is written after its call has returned.
func TestASlowHandlerOfALongWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, done := newOwner(), false
		o.Warned, o.Pause = new(atomic.Bool), 11*time.Second
		o.Account.Logger = slog.New(slowHandler{slog.DiscardHandler, &done})
		require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), http.MethodGet, ownURL, nil))
		require.True(t, done)
	})
}
