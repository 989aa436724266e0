package attempt_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

// observer is a call that observes its attempts.
type observer struct {
	*owner
	begins func(ctx context.Context) (context.Context, http.Header)
	ended  []error
}

func (o *observer) AttemptBegins(ctx context.Context, _ *url.URL) (context.Context, http.Header) {
	return o.begins(ctx)
}
func (o *observer) AttemptEnds(err error) { o.ended = append(o.ended, err) }

func newObserver(begins func(ctx context.Context) (context.Context, http.Header)) *observer {
	o := &observer{owner: newOwner(), begins: begins}
	o.Account.Observed = true
	return o
}

func nothingNew(context.Context) (context.Context, http.Header) { return nil, nil }

// roundTrip makes one attempt of a call with a context.
func roundTrip(ctx context.Context, t *testing.T, o attempt.Owner, base roundTripper, body io.Reader) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(attempt.NewContext(ctx, o), http.MethodPost, ownURL, body)
	require.NoError(t, err)
	return (&attempt.Transport{Base: base}).RoundTrip(req)
}

// The request has the values and the headers that an observer gives, but no header that is
// the client's own. Each attempt that has its turn is observed.
func TestObserver(t *testing.T) {
	t.Parallel()
	type key struct{}
	errDown := errors.New("down")
	o := newObserver(func(ctx context.Context) (context.Context, http.Header) {
		require.Nil(t, attempt.FromContext(ctx), "what an observer calls is no part of the call")
		require.NoError(t, ctx.Err())
		return context.WithValue(ctx, key{}, "observed"), http.Header{"traceparent": {"00-1"}, "Authorization": {"hunter2"}, "X-Bad": {"a\nb"}}
	})
	resp, err := roundTrip(t.Context(), t, o, func(req *http.Request) (*http.Response, error) {
		require.Equal(t, "observed", req.Context().Value(key{}))
		require.Equal(t, attempt.Owner(o), attempt.FromContext(req.Context()))
		require.Equal(t, http.Header{"Traceparent": {"00-1"}, "Authorization": {"ApiKey key"}, "User-Agent": {"agent/1"}}, req.Header)
		return &http.Response{StatusCode: 204, Header: http.Header{}}, nil
	}, nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, []error{nil}, o.ended)

	o.begins = nothingNew
	_, err = roundTrip(t.Context(), t, o, func(req *http.Request) (*http.Response, error) {
		require.NoError(t, req.Context().Err())
		return nil, errDown
	}, nil)
	require.Equal(t, errDown, err)
	require.Equal(t, []error{nil, errDown}, o.ended)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	o.Pause = time.Second
	_, err = roundTrip(ended, t, o, answers(nil), nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, o.ended, 2, "it had no turn")

	o.Account.Observed, o.Pause = false, 0
	o.begins = func(context.Context) (context.Context, http.Header) { panic("not observed") }
	resp, err = roundTrip(t.Context(), t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Len(t, o.ended, 2, "nobody observes it")
}

// Nothing is sent if the context ends while an observer runs.
func TestTheContextEndsInAnObserver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := newObserver(func(context.Context) (context.Context, http.Header) { cancel(); return nil, nil })
	base := func(*http.Request) (*http.Response, error) {
		t.Error("it was sent")
		return nil, net.ErrClosed
	}
	closed := false
	_, err := roundTrip(ctx, t, o, base, closer(func() { closed = true }))
	require.Equal(t, context.Canceled, err)
	require.True(t, closed, "the body is closed")
	require.False(t, o.Sent())
	require.Equal(t, []error{context.Canceled}, o.ended)

	_, err = roundTrip(t.Context(), t, newObserver(nothingNew), func(req *http.Request) (*http.Response, error) {
		require.Nil(t, req.Body)
		return nil, net.ErrClosed
	}, nil)
	require.Equal(t, net.ErrClosed, err)

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	_, err = roundTrip(ctx, t, newObserver(func(context.Context) (context.Context, http.Header) { cancel(); return nil, nil }), base, nil)
	require.Equal(t, context.Canceled, err, "of a request without a body too")
}

// An observer may send requests of its own with the context of the attempt. They are no
// part of it.
func TestAnObserverThatSends(t *testing.T) {
	t.Parallel()
	o := newObserver(func(ctx context.Context) (context.Context, http.Header) {
		trace := httptrace.ContextClientTrace(ctx)
		trace.GetConn("gw.example.com:8443")
		trace.GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
		trace.WroteHeaders()
		trace.PutIdleConn(nil)
		return nil, nil
	})
	_, err := roundTrip(t.Context(), t, o, func(req *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(req.Context())
		trace.GetConn("gw.example.com:8443")
		require.NoError(t, req.Context().Err(), "it is not sent again")
		return nil, net.ErrClosed
	}, nil)
	require.Equal(t, net.ErrClosed, err)
	require.False(t, o.Sent(), "there was no connection")
}

// The time that an observer takes is not that of the server.
func TestTheTimeOfAnObserver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newObserver(func(context.Context) (context.Context, http.Header) { time.Sleep(3 * time.Second); return nil, nil })
		resp, err := roundTrip(t.Context(), t, o, func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &slow{req.Context(), 1300 * time.Millisecond, 3}}, nil
		}, nil)
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "xxx", string(text))
		require.NoError(t, resp.Body.Close())
	})
}

// A Follower knows when a write was sent, and not when reads were.
func TestFollower(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		follower := new(attempt.Follower)
		o := newOwner()
		for n, ctx := range []context.Context{t.Context(), follower.Context(t.Context())} {
			for _, write := range []bool{true, false} {
				o.Write = write
				time.Sleep(time.Second)
				resp, err := roundTrip(ctx, t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), nil)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				if n == 0 {
					require.Zero(t, follower.Sent, "of another call")
				}
			}
		}
		require.Equal(t, time.Now().Add(-time.Second), follower.Sent)
	})
}
