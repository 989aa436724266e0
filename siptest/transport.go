package siptest

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// How requests reach the server in process.

// Transport returns a RoundTripper that reaches the server in process. The host
// of a request does not matter. The protocol is HTTP/1.1. Like
// http.DefaultTransport, it decompresses gzip if the request has no
// Accept-Encoding.
//
// It opens no socket, and starts no goroutine except for the timer of
// HangThenCommit. It waits only on timers. So it works within testing/synctest,
// if the server was created within the same bubble.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if err := context.Cause(req.Context()); err != nil {
		return nil, err
	}
	// A client may use this trace to find out whether a request was sent.
	trace := httptrace.ContextClientTrace(req.Context())
	if trace == nil {
		trace = new(httptrace.ClientTrace)
	}
	if trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	x := t.server.traffic.beginExchange(req.Context())
	if x == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	resp, err := t.exchange(x, trace, req)
	switch {
	case err != nil:
		x.end(err)
		return nil, err
	case resp.Body == http.NoBody:
		x.end(io.EOF)
	default:
		resp.Body = &responseBody{Reader: resp.Body, exchange: x}
		decompress(resp)
	}
	return resp, nil
}

func (t transport) exchange(x *exchange, trace *httptrace.ClientTrace, req *http.Request) (*http.Response, error) {
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
	received := t.server.newRequest(req, body)
	defer t.server.leave(received) // if a handler of the test panics
	rep, err := t.server.serve(x.ctx, received)
	t.server.leave(received)
	if err != nil {
		return nil, err
	}
	switch rep.ending {
	case endDrop:
		return nil, io.EOF
	case endReset:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	case endResetStream:
		err := fmt.Errorf("stream error: stream ID 1; %v; received from peer", rep.code)
		if rep.code == StreamRefused {
			err = notRepeated(req, err)
		}
		return nil, err
	case endGoAway, endGoAwayBelow:
		if rep.lastStream == 0 { // not processed
			return nil, notRepeated(req, errors.New("http2: Transport received Server's graceful shutdown GOAWAY"))
		}
		return nil, fmt.Errorf("http2: server sent GOAWAY and closed the connection; LastStreamID=%d, ErrCode=NO_ERROR, debug=\"\"", rep.lastStream)
	case endRaw:
		return rep.parse(x, trace, req)
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	return rep.response(x, req), nil
}

// notRepeated returns the error that net/http returns instead of err because it
// cannot repeat a request.
func notRepeated(req *http.Request, err error) error {
	if req.Body == nil || req.Body == http.NoBody || req.GetBody != nil {
		return err // net/http would repeat it
	}
	return fmt.Errorf("http2: Transport: cannot retry err [%w] after Request.Body was written; define Request.GetBody to avoid this error", err)
}

// An exchange is a request in process. It lasts until the client has read the
// answer.
type exchange struct {
	traffic *traffic
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// beginExchange returns nil if the server is closed.
func (t *traffic) beginExchange(ctx context.Context) *exchange {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	x := &exchange{traffic: t}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	t.opened++
	t.exchanges[x] = true
	return x
}

func (x *exchange) end(cause error) {
	x.cancel(cause)
	x.traffic.mu.Lock()
	defer x.traffic.mu.Unlock()
	delete(x.traffic.exchanges, x)
}

// response returns the Response that net/http would return over the socket.
func (rep reply) response(x *exchange, req *http.Request) *http.Response {
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
	if !rep.hasBody(req.Method) {
		return resp
	}
	switch rep.framing {
	case FramingChunked:
		resp.ContentLength = -1
		resp.TransferEncoding = []string{"chunked"}
	case FramingLength:
		resp.ContentLength = int64(rep.length)
		resp.Header.Set("Content-Length", strconv.Itoa(rep.length))
	case FramingClose:
		resp.ContentLength = -1
		resp.Close = true
	}
	resp.Body = io.NopCloser(rep.stream(x.ctx))
	return resp
}

// parse returns the Response or the error that net/http would return for raw
// bytes.
func (rep reply) parse(x *exchange, trace *httptrace.ClientTrace, req *http.Request) (*http.Response, error) {
	source := &headerLimit{r: rep.stream(x.ctx), left: maxHeader}
	br := bufio.NewReader(source)
	if _, err := br.Peek(1); err != nil {
		return nil, err
	}
	if trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	for {
		resp, err := http.ReadResponse(br, req)
		switch cause := context.Cause(x.ctx); {
		case err == nil:
		case cause != nil:
			return nil, cause
		case source.left <= 0:
			err = fmt.Errorf("net/http: server response headers exceeded %d bytes; aborted", maxHeader)
			fallthrough
		default:
			return nil, fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", err)
		}
		if resp.StatusCode >= 100 && resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		source.left = math.MaxInt
		return resp, nil
	}
}

// maxHeader is net/http's limit on the headers of an answer.
const maxHeader = 10 << 20

type headerLimit struct {
	r    io.Reader
	left int
}

func (l *headerLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errors.New("too many bytes")
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// A responseBody ends its exchange when it is closed or read to the end.
type responseBody struct {
	io.Reader
	exchange *exchange
	closed   atomic.Bool
}

func (b *responseBody) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.Reader.Read(p)
	if err != nil {
		b.exchange.end(err)
	}
	return n, err
}

func (b *responseBody) Close() error {
	b.closed.Store(true)
	b.exchange.end(http.ErrBodyReadAfterClose)
	return nil
}

// decompress decompresses gzip as http.Transport does. Like that, it leaves the
// body alone if the request asked for an encoding or a range.
func decompress(resp *http.Response) {
	asked := resp.Request.Header
	if asked.Get("Accept-Encoding") != "" || asked.Get("Range") != "" || !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return
	}
	resp.Body = &gzipBody{compressed: resp.Body}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength = -1
	resp.Uncompressed = true
}

// A gzipBody reads the gzip header at the first Read.
type gzipBody struct {
	compressed io.ReadCloser
	reader     *gzip.Reader
	err        error
}

func (b *gzipBody) Read(p []byte) (int, error) {
	if b.reader == nil && b.err == nil {
		b.reader, b.err = gzip.NewReader(b.compressed)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.reader.Read(p)
}

func (b *gzipBody) Close() error { return b.compressed.Close() }
