package attempt_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

const ownHost = "gw.example.com:8443"

// sentAgain is a transport that begins to send a request a second time, after it was sent
// on a connection that was idle.
func sentAgain(conn net.Conn) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(req.Context())
		trace.GetConn(ownHost)
		trace.GotConn(httptrace.GotConnInfo{Conn: conn, Reused: true})
		trace.WroteHeaders()
		trace.GetConn(ownHost)
		return nil, req.Context().Err()
	}
}

// wrapped is a connection of a type that the package does not know.
type wrapped struct {
	net.Conn
	closed bool
}

func (w *wrapped) Close() error { w.closed = true; return w.Conn.Close() }

// secureServer serves HTTP/1.1 and HTTP/2 over TLS.
func secureServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// secured is a connection to the server with TLS, which speaks a protocol.
func secured(t *testing.T, server *httptest.Server, conn net.Conn, protocol string) *tls.Conn {
	t.Helper()
	config := server.Client().Transport.(*http.Transport).TLSClientConfig
	secure := tls.Client(conn, &tls.Config{RootCAs: config.RootCAs, ServerName: "example.com", NextProtos: []string{protocol}})
	require.NoError(t, secure.HandshakeContext(t.Context()))
	return secure
}

// A read that was sent on an idle connection of HTTP/1.1 is stale. It uses up an attempt
// only if the connection never served one.
func TestStale(t *testing.T) {
	t.Parallel()
	server := secureServer(t)
	for name, test := range map[string]struct {
		protocol string // "": without TLS
		wrap     bool
		stale    bool
		free     []int // after each of two attempts
	}{
		"TCP":                                {"", false, true, []int{0, 1}},
		"TCP, wrapped":                       {"", true, false, []int{0, 0}}, // what it speaks is not known
		"TLS":                                {"http/1.1", false, true, []int{0, 1}},
		"TLS on a connection of a user":      {"http/1.1", true, true, []int{1, 2}}, // what it served is not known
		"HTTP/2":                             {"h2", false, false, []int{0, 0}},
		"HTTP/2 on a connection of the user": {"h2", true, false, []int{0, 0}},
	} {
		conn, err := attempt.NewTransport().DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		if test.wrap {
			conn = &wrapped{Conn: conn}
		}
		if test.protocol != "" {
			conn = secured(t, server, conn, test.protocol)
		}
		o := newOwner()
		for _, free := range test.free {
			require.ErrorContains(t, attemptAt(t, o, sentAgain(conn), http.MethodGet, ownURL, nil), "after the request was sent", name)
			require.True(t, o.Replayed(), name)
			require.Equal(t, test.stale, o.Stale(), name)
			require.Equal(t, free, o.Free, name)
		}
		write := newOwner()
		write.Write = true
		require.Error(t, attemptAt(t, write, sentAgain(conn), http.MethodPost, ownURL, nil))
		require.True(t, write.Replayed(), name)
		require.False(t, write.Stale(), name)
		require.Zero(t, write.Free, name)
		require.NoError(t, conn.Close())
	}
}

// A request that was sent must not go over another connection. The connection is closed,
// unless other requests use it too.
func TestASecondConnection(t *testing.T) {
	t.Parallel()
	server := secureServer(t)
	for protocol, closed := range map[string]bool{"http/1.1": true, "h2": false} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		below := &wrapped{Conn: conn}
		second := secured(t, server, below, protocol)
		err = attemptAt(t, newOwner(), roundTripper(func(req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn(ownHost)
			trace.GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
			trace.WroteHeaders()
			trace.GotConn(httptrace.GotConnInfo{Conn: second})
			return nil, req.Context().Err()
		}), http.MethodGet, ownURL, nil)
		require.ErrorContains(t, err, "after the request was sent", protocol)
		require.Equal(t, closed, below.closed, protocol)
		_ = conn.Close()
	}
}

// A transport may tell only a part of what it does.
func TestTransportsThatTellLittle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tells    func(*httptrace.ClientTrace)
		sent     bool
		replayed bool
	}{
		"a connection is idle":     {func(trace *httptrace.ClientTrace) { trace.PutIdleConn(nil) }, true, false},
		"two looks for connection": {func(trace *httptrace.ClientTrace) { trace.GetConn(ownHost); trace.GetConn(ownHost) }, false, false},
		"sent twice, on no connection": {func(trace *httptrace.ClientTrace) {
			trace.GetConn(ownHost)
			trace.WroteHeaders()
			trace.GetConn(ownHost)
		}, true, true},
		"a second host that gets nothing": {func(trace *httptrace.ClientTrace) {
			trace.GetConn("tokens.example.com:443")
			trace.GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
			trace.WroteHeaders()
			trace.GetConn(ownHost)
			trace.GotConn(httptrace.GotConnInfo{Conn: &net.TCPConn{}})
		}, true, false}, // what the first host got may have been the request
	} {
		o := newOwner()
		err := attemptAt(t, o, roundTripper(func(req *http.Request) (*http.Response, error) {
			test.tells(httptrace.ContextClientTrace(req.Context()))
			return nil, net.ErrClosed
		}), http.MethodGet, ownURL, nil)
		require.Equal(t, test.replayed, err != net.ErrClosed, name)
		require.Equal(t, test.sent, o.Sent(), name)
		require.Equal(t, test.replayed, o.Replayed(), name)
		require.False(t, o.Stale(), name)
	}
}

// A connection that the server writes to while it is idle is at its end, and what was
// written is wiped.
func TestAnIdleConnection(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	for _, idle := range []bool{false, true} {
		conn, err := attempt.NewTransport().DialContext(t.Context(), "tcp", listener.Addr().String())
		require.NoError(t, err)
		server, err := listener.Accept()
		require.NoError(t, err)
		require.NoError(t, attemptAt(t, newOwner(), roundTripper(func(req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn(ownHost)
			trace.GotConn(httptrace.GotConnInfo{Conn: conn})
			trace.WroteHeaders()
			if idle {
				trace.PutIdleConn(nil)
			}
			return &http.Response{StatusCode: 204, Header: http.Header{}}, nil
		}), http.MethodGet, ownURL, nil))
		_, err = io.WriteString(server, "x")
		require.NoError(t, err)
		piece := make([]byte, 1)
		n, err := conn.Read(piece)
		if idle {
			require.Equal(t, io.EOF, err)
			require.Zero(t, n)
			require.Equal(t, []byte{0}, piece)
			require.NoError(t, conn.Close())
			_, err = conn.Read(piece)
			require.ErrorIs(t, err, net.ErrClosed, "an error of its own is no end")
		} else {
			require.NoError(t, err)
			require.Equal(t, "x", string(piece[:n]))
			require.NoError(t, server.Close())
			_, err = conn.Read(piece)
			require.Equal(t, io.EOF, err)
		}
		_ = server.Close()
		_ = conn.Close()
	}
}

// A connection serves the next attempt too. It is closed when it is idle for 30 s.
func TestHowLongAConnectionIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport, dialed := attempt.NewTransport(), 0
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			dialed++
			client, server := net.Pipe()
			go func() {
				from := bufio.NewReader(server)
				for {
					if _, err := http.ReadRequest(from); err != nil {
						return
					}
					_, _ = io.WriteString(server, noContent)
				}
			}()
			return client, nil
		}
		defer transport.CloseIdleConnections()
		for n, idle := range []time.Duration{0, 29500 * time.Millisecond, 30500 * time.Millisecond} {
			time.Sleep(idle)
			require.NoError(t, attemptAt(t, newOwner(), transport, http.MethodGet, "http://"+ownHost, nil))
			require.Equal(t, max(n, 1), dialed)
		}
	})
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	conn, err := attempt.NewTransport().DialContext(ended, "tcp", "127.0.0.1:1")
	require.Error(t, err)
	require.Nil(t, conn)
}
