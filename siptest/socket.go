package siptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How requests reach the server over a socket.

// listen opens the socket. The caller holds s.lifecycle.
func (s *Server) listen() error {
	socket, err := newSocket(s.opts.Addr, http.HandlerFunc(s.serveHTTP))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.socket, s.cancelRequests = socket, cancel
	config := s.socket.Config
	config.BaseContext = func(net.Listener) context.Context { return ctx }
	config.ConnContext = s.traffic.connContext
	config.ConnState = s.traffic.connState
	config.IdleTimeout = s.opts.IdleTimeout
	config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": s.serveHTTP2}
	defer s.nameLoopback()
	if !s.encrypted() {
		s.socket.Start()
		return nil
	}
	config.ErrorLog = log.New(handshakeFilter{}, "", log.LstdFlags)
	s.socket.EnableHTTP2 = s.opts.HTTP2
	s.socket.TLS = s.opts.TLS
	s.socket.StartTLS()
	return nil
}

func newSocket(addr string, handler http.Handler) (*httptest.Server, error) {
	if addr == "" {
		return httptest.NewUnstartedServer(handler), nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}, nil
}

// nameLoopback names the loopback interface in the URL of a socket that listens on
// all interfaces.
func (s *Server) nameLoopback() {
	if addr, ok := s.socket.Listener.Addr().(*net.TCPAddr); ok && addr.IP.IsUnspecified() {
		s.socket.URL = strings.Replace(s.socket.URL, addr.String(), net.JoinHostPort("127.0.0.1", strconv.Itoa(addr.Port)), 1)
	}
}

func (s *Server) encrypted() bool { return s.opts.HTTP2 || s.opts.TLS != nil }

// A handshakeFilter hides the log lines about clients that do not trust the
// server. The test made these clients on purpose.
type handshakeFilter struct{}

func (handshakeFilter) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("TLS handshake error")) {
		return len(p), nil
	}
	return os.Stderr.Write(p)
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	defer s.traffic.endRequest(c)
	if served := s.traffic.beginRequest(c); s.opts.CloseLate && s.traffic.spent(c, served-1) {
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	received := s.newRequest(r, body)
	defer s.leave(received)
	if c.frames != nil {
		received.frames, received.stream = c.frames, streamID(w)
		if !c.frames.serve(received.stream, false) {
			panic(http.ErrAbortHandler)
		}
	}
	rep, err := s.serve(r.Context(), received)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if !rep.ending.sendsStatus() {
		c.fail(r.Context(), received, rep)
		panic(http.ErrAbortHandler) // closes the connection, or resets the stream
	}
	if rep.stray != "" {
		s.traffic.setStray(c, rep)
	}
	maps.Copy(w.Header(), rep.header)
	if !rep.hasBody(r.Method) {
		w.WriteHeader(rep.status)
		return
	}
	switch {
	case rep.framing == FramingLength:
		w.Header().Set("Content-Length", strconv.Itoa(rep.length))
		if rep.pace.bytes == 0 {
			s.leave(received) // the client may be done before this function is
		}
	case rep.framing == FramingClose && r.ProtoMajor == 1:
		// This tells net/http to send a body without any framing.
		w.Header().Set("Transfer-Encoding", "identity")
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(rep.status)
	if rep.pace.bytes > 0 {
		_ = http.NewResponseController(w).Flush()
	}
	writeBody(w, rep.stream(r.Context()))
}

// writeBody writes a body piece by piece. It flushes each piece, so that even a
// small answer is chunked.
func writeBody(w http.ResponseWriter, body io.Reader) {
	flusher := http.NewResponseController(w)
	buffer := make([]byte, 32<<10)
	for {
		n, err := body.Read(buffer)
		_, gone := w.Write(buffer[:n])
		if gone == nil {
			gone = flusher.Flush()
		}
		switch {
		case err == io.EOF:
			return
		case err != nil || gone != nil:
			panic(http.ErrAbortHandler)
		}
	}
}

// A conn is an open connection of the socket.
type conn struct {
	net.Conn
	frames *frameConn // nil over HTTP/1.1

	// traffic.mu guards the fields below.
	state      http.ConnState
	requests   int // the requests in progress
	served     int // the requests so far
	stray      string
	strayAfter time.Duration
}

type connKey struct{}

// fail ends a request without a proper answer.
func (c *conn) fail(ctx context.Context, r *request, rep reply) {
	switch rep.ending {
	case endResetStream:
		// net/http itself resets with INTERNAL_ERROR.
		if c.frames != nil && rep.code != StreamInternalError {
			c.frames.resetStream(r.mustStream(), rep.code)
		}
		return
	case endGoAwayBelow:
		if c.frames != nil {
			c.frames.goAwayBelow(r.mustStream())
			return
		}
	case endReset:
		c.reset()
		return
	case endRaw:
		_, _ = io.Copy(c.Conn, rep.stream(ctx))
	case endGoAway:
		if c.frames != nil {
			c.frames.goAway(rep.lastStream)
		}
	}
	_ = c.Close()
}

// reset closes the connection with a RST instead of a FIN.
func (c *conn) reset() {
	inner := c.Conn
	if encrypted, ok := inner.(interface{ NetConn() net.Conn }); ok {
		inner = encrypted.NetConn()
	}
	if tcp, ok := inner.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = inner.Close()
}

// traffic holds the connections of the socket and the exchanges in process.
type traffic struct {
	mu        sync.Mutex
	changed   sync.Cond // signals a change of a connection's state or requests
	closed    bool
	opened    int
	conns     map[net.Conn]*conn
	exchanges map[*exchange]bool
	opts      Options
}

func newTraffic(o Options) *traffic {
	t := &traffic{conns: map[net.Conn]*conn{}, exchanges: map[*exchange]bool{}, opts: o}
	t.changed.L = &t.mu
	return t
}

// connContext is the ConnContext of the socket's server.
func (t *traffic) connContext(ctx context.Context, c net.Conn) context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opened++
	t.conns[c] = &conn{Conn: c}
	return context.WithValue(ctx, connKey{}, t.conns[c])
}

// connState is the ConnState of the socket's server.
func (t *traffic) connState(c net.Conn, state http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed.Broadcast()
	if state == http.StateClosed {
		delete(t.conns, c)
		return
	}
	conn := t.conns[c]
	conn.state = state
	if state == http.StateIdle {
		t.answered(conn)
	}
}

// answered does what Options.KeepRequests and Fault.Stray ask for. The server has
// sent the whole answer, over HTTP/1.1. The caller holds t.mu.
func (t *traffic) answered(c *conn) {
	if c.frames != nil {
		return
	}
	if text := c.stray; text != "" {
		c.stray = ""
		time.AfterFunc(c.strayAfter, func() { _, _ = io.WriteString(c.Conn, text) })
	}
	if !t.opts.CloseLate && t.spent(c, c.served) {
		_ = c.Close()
	}
}

// spent reports whether Options.KeepRequests allows a connection no request after
// these.
func (t *traffic) spent(c *conn, served int) bool {
	return t.opts.KeepRequests > 0 && served >= t.opts.KeepRequests && c.frames == nil
}

func (t *traffic) setStray(c *conn, rep reply) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.stray, c.strayAfter = rep.stray, rep.strayAfter
}

// connOf returns the conn of a connection that the socket's server knows.
func (t *traffic) connOf(c net.Conn) *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conns[c]
}

// beginRequest returns the number of the request on its connection.
func (t *traffic) beginRequest(c *conn) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.requests++
	c.served++
	t.changed.Broadcast()
	return c.served
}

func (t *traffic) endRequest(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.requests--
	t.changed.Broadcast()
}

// anyConn reports whether is holds for any connection. The caller holds t.mu.
func (t *traffic) anyConn(is func(*conn) bool) bool {
	for _, c := range t.conns {
		if is(c) {
			return true
		}
	}
	return false
}

// close ends all requests in progress.
func (t *traffic) close() {
	t.mu.Lock()
	t.closed = true
	var busy []*conn
	for _, c := range t.conns {
		if c.requests > 0 {
			busy = append(busy, c)
		}
	}
	exchanges := t.exchanges
	t.exchanges = map[*exchange]bool{}
	t.mu.Unlock()
	for x := range exchanges {
		x.cancel(io.ErrUnexpectedEOF)
	}
	for _, c := range busy {
		_ = c.Close()
	}
}

// CloseIdle closes the idle connections of the socket, as a server does after its
// idle timeout, and waits until they are closed. Connections in use stay open. If
// the client does not notice in time, its next request fails. In process CloseIdle
// does nothing. Options.KeepRequests and Options.IdleTimeout close connections
// again and again.
func (s *Server) CloseIdle() {
	t := s.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	// net/http may end a request after the client has its answer. Do not wait for
	// connections that get into this state later: there may be many.
	between := func(c *conn) bool { return c.requests == 0 && c.state == http.StateActive }
	ending := map[*conn]bool{}
	for _, c := range t.conns {
		ending[c] = between(c)
	}
	for t.anyConn(func(c *conn) bool {
		ending[c] = ending[c] && between(c)
		return ending[c]
	}) {
		t.changed.Wait()
	}
	closing := map[*conn]bool{}
	for _, c := range t.conns {
		if c.requests == 0 && c.state != http.StateActive {
			closing[c] = true
		}
	}
	t.mu.Unlock()
	for c := range closing {
		_ = c.Close()
	}
	t.mu.Lock()
	for t.anyConn(func(c *conn) bool { return closing[c] }) {
		t.changed.Wait()
	}
}

// Connections returns the number of connections since the server began, and the
// number of open ones. In process every request counts as a connection. It is
// open until the client closes the answer's body or reads it to the end. After a
// connection has ended, net/http may open one more than it uses.
func (s *Server) Connections() (opened, open int) {
	s.traffic.mu.Lock()
	defer s.traffic.mu.Unlock()
	return s.traffic.opened, len(s.traffic.conns) + len(s.traffic.exchanges)
}
