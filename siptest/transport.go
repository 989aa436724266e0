package siptest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strconv"
	"syscall"
)

// The two ways to the server: a socket, and a RoundTripper in this process.
// Both act out the same replies.

// listen opens the socket.
func (s *Server) listen() {
	ctx, cancel := context.WithCancel(context.Background())
	s.hangUp = cancel
	s.socket = httptest.NewUnstartedServer(http.HandlerFunc(s.serveHTTP))
	s.socket.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	s.socket.Start()
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	rep, err := s.serve(r.Context(), newRequest(r.Method, r.URL, r.Header, body))
	if err != nil || rep.ending == endDrop {
		panic(http.ErrAbortHandler) // closes the connection
	}
	maps.Copy(w.Header(), rep.header)
	if !rep.hasBody() {
		w.WriteHeader(rep.status)
		return
	}
	switch framing, length := rep.framing(s.opts.Framing); framing {
	case FramingLength:
		w.Header().Set("Content-Length", strconv.Itoa(length))
	case FramingClose:
		// net/http's way to ask for a body with no framing at all.
		w.Header().Set("Transfer-Encoding", "identity")
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(rep.status)
	body, broken := rep.sent()
	_, _ = w.Write(body)
	// Flushed before its end an answer is chunked, even if it is small.
	_ = http.NewResponseController(w).Flush()
	if broken {
		panic(http.ErrAbortHandler)
	}
}

// Transport returns a RoundTripper that reaches the server in this process,
// whatever host a request names. It opens no socket, starts no goroutine and
// waits on timers alone, so it works within testing/synctest.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	ctx := req.Context()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	// Who wants to know whether a request was sent asks for this trace.
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = new(httptrace.ClientTrace)
	}
	if trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	if t.server.isClosed() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}

	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	rep, err := t.server.serve(ctx, newRequest(method, req.URL, req.Header, body))
	if err != nil {
		return nil, err
	}
	if rep.ending == endDrop {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	return rep.response(req, t.server.opts.Framing), nil
}

func (s *Server) isClosed() bool {
	s.lifecycle.Lock()
	defer s.lifecycle.Unlock()
	return s.closed
}

// response is what net/http makes of the reply when it comes over a socket.
func (rep reply) response(req *http.Request, framing Framing) *http.Response {
	resp := &http.Response{
		Status:     fmt.Sprintf("%03d %s", rep.status, http.StatusText(rep.status)),
		StatusCode: rep.status,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     rep.header,
		Body:       http.NoBody,
		Request:    req,
	}
	if !rep.hasBody() || req.Method == http.MethodHead {
		return resp
	}
	switch framing, length := rep.framing(framing); framing {
	case FramingChunked:
		resp.ContentLength = -1
		resp.TransferEncoding = []string{"chunked"}
	case FramingLength:
		resp.ContentLength = int64(length)
		resp.Header.Set("Content-Length", strconv.Itoa(length))
	case FramingClose:
		resp.ContentLength = -1
		resp.Close = true
	}
	body, broken := rep.sent()
	end := io.EOF
	if broken {
		end = io.ErrUnexpectedEOF
	}
	resp.Body = &responseBody{ctx: req.Context(), rest: body, end: end}
	return resp
}

// hasBody reports whether HTTP allows a body with this status.
func (rep reply) hasBody() bool {
	return rep.status != http.StatusNoContent && rep.status != http.StatusNotModified
}

// sent is the part of the body that goes out, and whether the connection
// breaks after it.
func (rep reply) sent() (body []byte, broken bool) {
	if rep.ending != endCut {
		return rep.body, false
	}
	return rep.body[:min(rep.keep, len(rep.body))], true
}

// framing gives the framing of this reply and, for FramingLength, the length
// that it announces. A break must show, also one behind the last byte.
func (rep reply) framing(framing Framing) (Framing, int) {
	if rep.ending != endCut {
		return framing, len(rep.body)
	}
	if framing == FramingClose {
		framing = FramingLength
	}
	return framing, max(len(rep.body), rep.keep+1)
}

type responseBody struct {
	ctx    context.Context
	rest   []byte
	end    error
	closed bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	if err := context.Cause(b.ctx); err != nil {
		return 0, err
	}
	if len(b.rest) == 0 {
		return 0, b.end
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *responseBody) Close() error {
	b.closed = true
	return nil
}
