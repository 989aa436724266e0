package siptest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const waitLong, waitShort = 10 * time.Second, time.Millisecond

// A plainConn is a connection of a client without a pool.
type plainConn struct {
	net.Conn
	*bufio.Reader
}

func dial(t *testing.T, srv *Server) plainConn {
	t.Helper()
	address := srv.socket.Listener.Addr().String()
	var c net.Conn
	var err error
	if srv.encrypted() {
		c, err = tls.Dial("tcp", address, srv.socket.Client().Transport.(*http.Transport).TLSClientConfig)
	} else {
		c, err = net.Dial("tcp", address)
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return plainConn{c, bufio.NewReader(c)}
}

// get sends a request and reads the answer.
func (c plainConn) get(t *testing.T) *http.Response {
	t.Helper()
	_, err := fmt.Fprintf(c.Conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: ApiKey siptest-api-key\r\n\r\n", root)
	require.NoError(t, err)
	resp, err := http.ReadResponse(c.Reader, nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

func (c plainConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func TestKeepRequests(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"plain": {}, "length": {Framing: FramingLength}, "TLS": {TLS: &tls.Config{}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.KeepRequests = 3
			srv := New(t, o)
			srv.URL()
			c := dial(t, srv)
			for range 3 {
				require.False(t, c.get(t).Close, "the server does not say that it closes the connection")
			}
			_, err := c.ReadByte()
			require.ErrorIs(t, err, io.EOF)
			require.Len(t, srv.Requests(), 3)
			require.Eventually(t, func() bool { _, open := srv.Connections(); return open == 0 }, waitLong, waitShort)
		})
	}
	t.Run("late", func(t *testing.T) {
		t.Parallel()
		w := overSocket(t, New(t, Options{KeepRequests: 2, CloseLate: true}))
		w.srv.addDomain(0, "", "", false)
		failed := 0
		for range 30 {
			req := w.request(t, "POST", root+"/1", "displayName=x&rec=1")
			req.GetBody = nil // net/http cannot repeat it
			resp, err := w.client.Do(req)
			if err != nil {
				failed++
				continue
			}
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, 10, failed)
		require.Len(t, w.srv.Requests(), 20)
		opened, _ := w.srv.Connections()
		require.Equal(t, 10, opened)
	})
	t.Run("elsewhere", func(t *testing.T) {
		t.Parallel()
		for _, w := range []wire{overSocket(t, New(t, Options{KeepRequests: 1, HTTP2: true})), inProcess(New(t, Options{KeepRequests: 1}))} {
			for range 3 {
				w.must(t, "GET", root, "")
			}
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	srv := New(t, Options{IdleTimeout: 20 * time.Millisecond})
	srv.URL()
	c := dial(t, srv)
	require.False(t, c.get(t).Close)
	_, err := c.ReadByte()
	require.ErrorIs(t, err, io.EOF)

	w := overSocket(t, New(t, Options{IdleTimeout: 20 * time.Millisecond, HTTP2: true}))
	w.must(t, "GET", root, "")
	require.Eventually(t, func() bool { _, open := w.srv.Connections(); return open == 0 }, waitLong, waitShort)
	w.must(t, "GET", root, "")
}

// TestCloseIdleUnderLoad: CloseIdle returns while a pool is busy, and cuts off no
// request.
func TestCloseIdleUnderLoad(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"HTTP 1": {}, "HTTP 2": {HTTP2: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := overSocket(t, New(t, o))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 50 {
						// net/http repeats a GET on a connection that was closed idle.
						_, _, _ = w.try(t.Context(), t, "GET", root, "")
					}
				})
			}
			for range 50 {
				w.srv.CloseIdle()
			}
			wg.Wait()
			for _, r := range w.srv.Requests() {
				require.Equal(t, 200, r.Status)
			}
		})
	}
}

func TestStray(t *testing.T) {
	t.Parallel()
	const stray = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	for name, o := range map[string]Options{"plain": {}, "length": {Framing: FramingLength}, "TLS": {TLS: &tls.Config{}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := New(t, o)
			srv.URL()
			srv.Fail(On("*").Times(1).Stray(stray, 10*time.Millisecond))
			c := dial(t, srv)
			require.Equal(t, 200, c.get(t).StatusCode)
			text := make([]byte, len(stray))
			_, err := io.ReadFull(c, text)
			require.NoError(t, err)
			require.Equal(t, stray, string(text))
			require.Equal(t, 200, c.get(t).StatusCode, "the connection stays open")
		})
	}
	t.Run("elsewhere", func(t *testing.T) {
		t.Parallel()
		onAllTransports(t, func(t *testing.T, w wire) {
			w.srv.Fail(On("*").Stray("x", 0).Header("Connection", "close"))
			w.srv.RequireFaultsUsed(t)
			for range 3 {
				w.must(t, "GET", root, "")
			}
		})
	})
	require.Equal(t, `On("*").Stray("x", 1ms)`, On("*").Stray("x", time.Millisecond).String())
	require.Panics(t, func() { On("*").Stray("", 0) })
	require.Panics(t, func() { On("*").Stray("x", -1) })
}
