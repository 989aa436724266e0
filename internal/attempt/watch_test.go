package attempt_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

// rawServer takes connections, and counts the requests that it reads from them.
// serve is called for each of them with its number on its connection, from 1.
// A connection ends when serve returns false.
type rawServer struct {
	url      string
	requests atomic.Int64
}

func newRawServer(t *testing.T, serve func(conn net.Conn, n int) bool) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &rawServer{url: "http://" + listener.Addr().String() + "/"}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				from := bufio.NewReader(conn)
				for n := 1; ; n++ {
					req, err := http.ReadRequest(from)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					s.requests.Add(1)
					if !serve(conn, n) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return s
}

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

// attemptAt makes one attempt of a call, and reads the answer.
func attemptAt(t *testing.T, o *owner, base http.RoundTripper, method, target string, body io.Reader) error {
	t.Helper()
	req, err := http.NewRequestWithContext(attempt.NewContext(t.Context(), o), method, target, body)
	require.NoError(t, err)
	req.GetBody = nil
	resp, err := (&attempt.Transport{Base: base}).RoundTrip(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	return err
}

// net/http sends a request that has no body again by itself if the server ends a
// connection that was used before. Here an attempt is one request.
func TestOneAttemptIsOneRequest(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPost} {
		server := newRawServer(t, func(conn net.Conn, n int) bool {
			if n == 1 {
				_, err := io.WriteString(conn, noContent)
				return err == nil
			}
			return false // it was read, and there is no answer
		})
		transport := attempt.NewTransport()
		defer transport.CloseIdleConnections()
		o := newOwner()
		require.NoError(t, attemptAt(t, o, transport, method, server.url, nil))
		require.False(t, o.Stale())
		var form io.Reader
		if method == http.MethodPost {
			form = bytes.NewReader([]byte("a=b"))
		}
		require.Error(t, attemptAt(t, o, transport, method, server.url, form), method)
		require.EqualValues(t, 2, server.requests.Load(), method)
		require.True(t, o.Sent(), method)
		require.Equal(t, method == http.MethodGet, o.Stale(), method) // the others are not sent again by net/http
		require.Equal(t, 2, o.Attempts)
	}
}

// A connection at once, and many of them: the one that is next must not carry the
// request either.
func TestNoReplayOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	noReplayOnAnIdleConnection(t, attempt.NewTransport(), true)
	wrapped := attempt.NewTransport()
	dial := wrapped.DialContext
	wrapped.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return struct{ net.Conn }{conn}, err
	}
	noReplayOnAnIdleConnection(t, wrapped, false) // what it speaks is not known
}

func noReplayOnAnIdleConnection(t *testing.T, transport *http.Transport, stale bool) {
	t.Helper()
	const workers = 20
	var together sync.WaitGroup
	together.Add(workers)
	var server *rawServer
	server = newRawServer(t, func(conn net.Conn, n int) bool {
		if n > 1 || server.requests.Load() > workers {
			return false
		}
		together.Done()
		together.Wait() // each worker gets a connection of its own
		_, err := io.WriteString(conn, noContent)
		return err == nil
	})
	defer transport.CloseIdleConnections()
	var working sync.WaitGroup
	for range workers {
		working.Go(func() { _ = attemptAt(t, newOwner(), transport, http.MethodGet, server.url, nil) })
	}
	working.Wait()
	for n := int64(1); n <= workers/2; n++ { // each ends the connection that it must not use
		o := newOwner()
		require.Error(t, attemptAt(t, o, transport, http.MethodGet, server.url, nil))
		require.LessOrEqual(t, server.requests.Load(), workers+n, "one request an attempt")
		require.Equal(t, stale, o.Stale())
	}
}

// A create on a connection that is known to be closed is not sent, and so can be
// sent again.
func TestNothingWritten(t *testing.T) {
	t.Parallel()
	o := newOwner()
	trace := func(ctx context.Context) *httptrace.ClientTrace { return httptrace.ContextClientTrace(ctx) }
	closed := roundTripper(func(req *http.Request) (*http.Response, error) {
		trace(req.Context()).GetConn("gw.example.com:443")
		trace(req.Context()).GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}, Reused: true})
		return nil, net.ErrClosed
	})
	require.Error(t, attemptAt(t, o, closed, http.MethodPost, ownURL, bytes.NewReader([]byte("a=b"))))
	require.False(t, o.Sent())

	// Of a connection that is neither TCP nor TLS nothing is known.
	unknown := roundTripper(func(req *http.Request) (*http.Response, error) {
		a, _ := net.Pipe()
		defer func() { _ = a.Close() }()
		trace(req.Context()).GetConn("gw.example.com:443")
		trace(req.Context()).GotConn(httptrace.GotConnInfo{Conn: a})
		return nil, net.ErrClosed
	})
	require.Error(t, attemptAt(t, o, unknown, http.MethodPost, ownURL, bytes.NewReader([]byte("a=b"))))
	require.True(t, o.Sent())
}

// A transport that first asks another host, such as for a token, sends nothing a
// second time. What it sent to the other host may have been the request.
func TestAnotherHostIsNoReplay(t *testing.T) {
	t.Parallel()
	o := newOwner()
	base := roundTripper(func(req *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(req.Context())
		for _, host := range []string{"tokens.example.com:443", "gw.example.com:443"} {
			trace.GetConn(host)
			trace.GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
			trace.WroteHeaders()
		}
		require.NoError(t, req.Context().Err(), "so far it is sent once to each")
		trace.GetConn("gw.example.com:443")
		return nil, req.Context().Err()
	})
	err := attemptAt(t, o, base, http.MethodGet, ownURL, nil)
	require.ErrorContains(t, err, "after the request was sent")
	require.True(t, o.Sent())
	require.False(t, o.Stale(), "the connection was new")
}

// What a server sends while no call uses a connection is neither taken for an
// answer nor logged.
func TestALateAnswer(t *testing.T) { // not parallel: the log is net/http's
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(log.Default().Writer())
	for range 20 {
		idle := make(chan bool)
		closed := make(chan bool)
		var server *rawServer
		server = newRawServer(t, func(conn net.Conn, _ int) bool {
			_, _ = io.WriteString(conn, noContent)
			if server.requests.Load() == 1 {
				<-idle
				_, _ = io.WriteString(conn, "HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\nt0ken-xy")
				_, _ = io.Copy(io.Discard, conn) // until the client closes it
				close(closed)
			}
			return true
		})
		transport := attempt.NewTransport()
		defer transport.CloseIdleConnections()
		base := roundTripper(func(req *http.Request) (*http.Response, error) {
			trace := &httptrace.ClientTrace{PutIdleConn: func(error) { go close(idle) }}
			return transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		})
		o := newOwner()
		require.NoError(t, attemptAt(t, o, base, http.MethodGet, server.url, nil))
		<-closed
		require.NoError(t, attemptAt(t, o, transport, http.MethodPost, server.url, bytes.NewReader([]byte("a=b"))))
		require.Equal(t, http.StatusNoContent, o.Status())
	}
	require.Empty(t, logged.String())
}

// A server that leaves HTTP, which nobody asked for, does not hold up a call.
func TestSwitchingProtocols(t *testing.T) {
	t.Parallel()
	closed := make(chan bool)
	server := newRawServer(t, func(conn net.Conn, _ int) bool {
		defer close(closed)
		_, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the client closes it
		return err == nil
	})
	transport := attempt.NewTransport()
	defer transport.CloseIdleConnections()
	o := newOwner()
	resp, err := try(t, o, transport.RoundTrip, server.url, nil)
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusSwitchingProtocols, o.Status())
	require.False(t, o.Succeeded())
	<-closed
}

// The next attempt pauses before it takes its turn. A pause that ends with the
// context sends nothing.
func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, began := newOwner(), time.Now()
		o.Pause = 3 * time.Second
		require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), http.MethodGet, ownURL, nil))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), http.MethodGet, ownURL, nil))
		require.Equal(t, 3*time.Second, time.Since(began), "once")

		ctx, cancel := context.WithTimeout(attempt.NewContext(t.Context(), o), time.Second)
		defer cancel()
		o.Pause = time.Minute
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, ownURL, nil)
		require.NoError(t, err)
		_, err = (&attempt.Transport{Base: answers(nil)}).RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, o.Sent())
		require.Equal(t, 2, o.Attempts)
		require.Equal(t, 204, o.Status(), "that of the attempt before")
	})
}

// A 429 is a refusal, and a 503 only where others are accepted. A refused call has
// its next turn before others.
func TestRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		statuses := []int{503, 500, 204, 503, 404, 429, 204}
		base := roundTripper(func(*http.Request) (*http.Response, error) {
			status := statuses[0]
			statuses = statuses[1:]
			return &http.Response{StatusCode: status, Header: http.Header{}}, nil
		})
		o := newOwner()
		var refused []int
		for n := range 7 {
			require.NoError(t, attemptAt(t, o, base, http.MethodGet, ownURL, nil))
			if o.Refused() {
				refused = append(refused, n)
			}
		}
		require.Equal(t, []int{3, 5}, refused)
		require.Equal(t, 2, o.Free)
		require.Equal(t, 7, o.Attempts)
	})
}

// A 503 is a refusal if the server accepts others, as it does with a success, or with an
// error that blames the request.
func TestA503AfterOtherAnswers(t *testing.T) {
	t.Parallel()
	for before, want := range map[int]bool{200: true, 204: true, 400: true, 404: true, 499: true, 302: false, 408: false, 500: false, 501: false} {
		synctest.Test(t, func(t *testing.T) {
			o := newOwner()
			for _, status := range []int{before, 503} {
				require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: status, Header: http.Header{}}), http.MethodGet, ownURL, nil))
			}
			require.Equal(t, want, o.Refused(), before)
		})
	}
}

// A list that is read row by row gives its turn back when it begins: a loop over
// its rows makes calls, which must not wait for its end.
func TestALongAnswerHoldsNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := ratelimit.New(ratelimit.Options{Patience: time.Minute})
		one := func(status int, long bool) *http.Response {
			o := newOwner()
			o.Account.Turns, o.Long = turns, long
			resp, err := try(t, o, answers(&http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte("{}")))}), ownURL, nil)
			require.NoError(t, err)
			return resp
		}
		first := one(200, false)
		require.NoError(t, one(429, false).Body.Close()) // one at a time is what the server seems to take
		require.NoError(t, first.Body.Close())

		short, next := one(200, false), newOwner()
		next.Account.Turns = turns
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := roundTrip(ctx, t, next, answers(nil), nil)
		require.Equal(t, context.DeadlineExceeded, err, "one at a time")
		require.NoError(t, short.Body.Close())

		long, began := one(200, true), time.Now()
		for range 10 {
			require.NoError(t, one(200, false).Body.Close())
		}
		require.Less(t, time.Since(began), time.Minute)
		require.NoError(t, long.Body.Close())
	})
}

// The wait for a connection is not the wait for an answer: many callers may wait for
// one of few connections.
func TestTheWaitForAConnection(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{3 * time.Second: "", 5 * time.Second: "no connection for 4s"} {
		synctest.Test(t, func(t *testing.T) {
			o := newOwner()
			_, err := try(t, o, func(req *http.Request) (*http.Response, error) {
				trace := httptrace.ContextClientTrace(req.Context())
				trace.GetConn("gw.example.com:443")
				select {
				case <-time.After(after):
				case <-req.Context().Done():
					return nil, req.Context().Err()
				}
				trace.GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
				time.Sleep(900 * time.Millisecond) // the bubble's clock; the answer may take a second
				if req.Context().Err() != nil {
					return nil, req.Context().Err()
				}
				return &http.Response{StatusCode: 204, Header: http.Header{}}, nil
			}, ownURL, nil)
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, want)
			require.False(t, o.Sent())
		})
	}
}

// The answer must begin as soon after a connection as ever.
func TestNoAnswerOnAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := try(t, newOwner(), func(req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn("gw.example.com:443")
			time.Sleep(2 * time.Second)
			trace.GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
			<-req.Context().Done()
			return nil, req.Context().Err()
		}, ownURL, nil)
		require.EqualError(t, err, "no answer for 1s")
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

// The first bytes of an answer are kept until there is a row.
func TestOpening(t *testing.T) {
	t.Parallel()
	o := attempt.NewOpening(io.NopCloser(bytes.NewReader([]byte("Fatal error"))), 5)
	piece := make([]byte, 3)
	for range 3 {
		_, err := io.ReadFull(o, piece)
		require.NoError(t, err)
	}
	require.Equal(t, "Fatal", string(o.Kept()))
	again, err := io.ReadAll(o.Again())
	require.NoError(t, err)
	require.Equal(t, "Fatalor", string(again), "what was kept, and what was not read")
	require.False(t, o.Dropped())
	kept := o.Kept()
	o.Progress()
	require.True(t, o.Dropped())
	require.Empty(t, o.Kept())
	require.Equal(t, make([]byte, 5), kept, "it is wiped")
}
