package attempt

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// maxConnections is the most that there are to one host, so that a thousand
// goroutines do not use up the files that a process may open. As many are kept idle
// for the next call, so that no worker opens one each time. HTTP/2 needs few.
const maxConnections = 256

// NewTransport returns an http.Transport for many workers that call one host.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &quietConn{Conn: conn}, nil
		},
		ForceAttemptHTTP2:     true,
		MaxConnsPerHost:       maxConnections,
		MaxIdleConns:          maxConnections,
		MaxIdleConnsPerHost:   maxConnections,
		IdleConnTimeout:       30 * time.Second, // less than servers wait, so that they do not close it under a create
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A connection that died silently is given up before a wait for an answer
		// ends, so that the next attempt has another.
		HTTP2:           &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// connection is a connection in use by one attempt.
type connection struct {
	net.Conn
	quiet  *quietConn // below it, or nil
	plain  bool       // HTTP/1.1 over TCP or TLS: a request is sent once its head was written
	shared bool       // HTTP/2: it carries other requests too
	reused bool       // it was idle
	used   bool       // it served an attempt before, which not every idle connection did
}

func newConnection(info httptrace.GotConnInfo) *connection {
	c := &connection{Conn: info.Conn, reused: info.Reused, used: info.Reused, plain: true}
	below := info.Conn
	secure, isTLS := below.(*tls.Conn)
	if isTLS {
		c.shared = secure.ConnectionState().NegotiatedProtocol == "h2"
		c.plain = !c.shared
		below = secure.NetConn()
	}
	switch below := below.(type) {
	case *quietConn:
		c.quiet = below
		c.used = below.user.Load() != nil
		below.user.Store(c)
	case *net.TCPConn, *net.UnixConn:
	default:
		c.plain = c.plain && isTLS // without TLS it cannot be known what it speaks
	}
	return c
}

// leave notes that the connection is idle, unless another attempt has it already.
func (c *connection) leave() {
	if c != nil && c.quiet != nil {
		c.quiet.user.CompareAndSwap(c, &c.quiet.nobody)
	}
}

// quietConn is a connection that ends if the server sends something while no
// attempt uses it. net/http would log that, such as a late answer with a token.
type quietConn struct {
	net.Conn
	user   atomic.Pointer[connection] // nil: none so far
	nobody connection
}

func (c *quietConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.user.Load() == &c.nobody {
		clear(p[:n])
		return 0, io.EOF
	}
	return n, err
}
