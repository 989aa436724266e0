package attempt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

// owner is a call whose errors all read "clean".
type owner struct{ attempt.Call }

func (*owner) Clean(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("clean")
}

// newOwner returns a call of an account at https://gw.example.com:8443.
func newOwner() *owner {
	return &owner{attempt.Call{Op: "Users.Get", Method: "GET", Path: "/users/1", Place: new(ratelimit.Place), Account: &attempt.Account{
		Scheme: "https", Host: "gw.example.com:8443", Authorization: func() string { return "ApiKey key" }, UserAgent: "agent/1",
		Turns:    ratelimit.New(ratelimit.Options{Patience: time.Minute}),
		Timeouts: attempt.Timeouts{Header: time.Second, Progress: 2 * time.Second, Error: 3 * time.Second, Attempt: 4 * time.Second},
	}}}
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
		long bool
		took time.Duration
	}{{false, 3 * time.Second}, {true, 0}} {
		synctest.Test(t, func(t *testing.T) {
			o := newOwner()
			o.Long = test.long
			resp, err := try(t, o, func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &slow{req.Context(), time.Second, 100}}, nil
			}, ownURL, nil)
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
		"failure": {answers(&http.Response{StatusCode: 503, Header: http.Header{}}), map[string]any{"level": "WARN", "status": 503.}},
		"error": {func(*http.Request) (*http.Response, error) { return nil, errors.New("hunter2") },
			map[string]any{"level": "WARN", "error": "clean"}},
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
