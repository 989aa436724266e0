package siptest

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync"
)

// How the server sends HTTP/2 frames that net/http's server does not send.

// serveHTTP2 serves an HTTP/2 connection until it is closed. It puts a frameConn
// between net/http's server and the connection. net/http takes one only for
// "unencrypted" HTTP/2, hence a second http.Server. It is in the outer server's
// TLSNextProto.
func (s *Server) serveHTTP2(outer *http.Server, encrypted *tls.Conn, _ http.Handler) {
	c := s.traffic.connOf(encrypted)
	c.frames = newFrameConn(encrypted)
	config := &http.Server{
		Handler:     outer.Handler,
		ErrorLog:    outer.ErrorLog,
		IdleTimeout: outer.IdleTimeout,
		BaseContext: outer.BaseContext,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		Protocols: new(http.Protocols),
	}
	config.Protocols.SetUnencryptedHTTP2(true)
	closed := make(chan struct{})
	config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateActive, http.StateIdle:
			outer.ConnState(encrypted, state)
		case http.StateClosed:
			close(closed)
		}
	}
	_ = config.Serve(&oneConn{Conn: c.frames, closed: closed})
}

// oneConn is a listener with one connection.
type oneConn struct {
	net.Conn
	closed   <-chan struct{}
	accepted bool
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.accepted {
		l.accepted = true
		return l.Conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Addr() net.Addr { return l.LocalAddr() }

// A frameConn is an HTTP/2 connection that sends frames of its own between those
// that are written to it.
type frameConn struct {
	net.Conn

	mu     sync.Mutex
	change sync.Cond // signals that a frame was sent, or that the connection broke
	broken bool
	begun  bool    // the first frame was sent: a client takes no other before the server's SETTINGS
	head   [9]byte // the begin of the current frame
	have   int     // the bytes of head that were written
	rest   int     // the bytes of the current frame that come after head
	queue  []byte  // to send after the current frame

	lastStream uint32 // after a GOAWAY: the last stream to be served
	goneAway   bool
	served     uint32 // the last stream that was served
}

func newFrameConn(c net.Conn) *frameConn {
	f := &frameConn{Conn: c}
	f.change.L = &f.mu
	return f
}

func (f *frameConn) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := 0
	if len(f.queue) > 0 {
		first = f.advance(p)
		if n, err := f.write(p[:first]); err != nil || f.have > 0 {
			return n, err
		}
		f.begun = true
		if _, err := f.write(f.queue); err != nil {
			return first, err
		}
		f.queue = nil
		f.change.Broadcast()
	}
	for at := first; at < len(p); {
		at += f.advance(p[at:])
		f.begun = f.begun || f.have == 0
	}
	n, err := f.write(p[first:])
	return first + n, err
}

func (f *frameConn) write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.Conn.Write(p)
	if err != nil {
		f.broken = true
		f.change.Broadcast()
	}
	return n, err
}

// advance returns the number of bytes up to the end of the current frame. After
// the end of a frame, f.have is 0.
func (f *frameConn) advance(p []byte) int {
	n := copy(f.head[f.have:], p)
	f.have += n
	if f.have < len(f.head) {
		return n
	}
	if n > 0 {
		f.rest = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
	}
	payload := min(f.rest, len(p)-n)
	f.rest -= payload
	if f.rest == 0 {
		f.have = 0
	}
	return n + payload
}

// send sends frames as soon as the first frame was written and no other is being
// written. The caller holds f.mu.
func (f *frameConn) send(frames ...[]byte) {
	for _, frame := range frames {
		f.queue = append(f.queue, frame...)
	}
	if f.begun && f.have == 0 {
		_, _ = f.write(f.queue)
		f.queue = nil
	}
	for len(f.queue) > 0 && !f.broken {
		f.change.Wait()
	}
}

func (f *frameConn) Close() error {
	err := f.Conn.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = true
	f.change.Broadcast()
	return err
}

// goAway sends a GOAWAY that names the last stream that was processed.
func (f *frameConn) goAway(last uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.send(goAwayFrame(last))
}

// resetStream resets a stream.
func (f *frameConn) resetStream(stream uint32, code StreamCode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.send(resetFrame(stream, code))
}

// goAwayBelow sends a GOAWAY that leaves out a stream and all later ones. They are
// not served any more. If a later one was served already, the stream is refused
// by itself.
func (f *frameConn) goAwayBelow(stream uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.goneAway = true
	if f.served > stream {
		f.lastStream = f.served
		f.send(resetFrame(stream, StreamRefused), goAwayFrame(f.lastStream))
		return
	}
	f.lastStream = max(stream, 2) - 2
	f.send(goAwayFrame(f.lastStream))
}

// serve reports whether a stream may be served. If apply is set, the GOAWAYs to
// come count it as served.
func (f *frameConn) serve(stream uint32, apply bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.goneAway && stream > f.lastStream {
		return false
	}
	if apply {
		f.served = max(f.served, stream)
	}
	return true
}

// goAwayFrame returns a GOAWAY with NO_ERROR.
func goAwayFrame(last uint32) []byte {
	frame := []byte{0, 0, 8, 7, 0, 0, 0, 0, 0}
	frame = binary.BigEndian.AppendUint32(frame, last)
	return append(frame, 0, 0, 0, 0)
}

// resetFrame returns a RST_STREAM.
func resetFrame(stream uint32, code StreamCode) []byte {
	frame := []byte{0, 0, 4, 3, 0}
	frame = binary.BigEndian.AppendUint32(frame, stream)
	return binary.BigEndian.AppendUint32(frame, uint32(code))
}

// streamID returns the id of a request's HTTP/2 stream. net/http does not tell its
// handlers, so streamID looks into net/http's ResponseWriter. It returns 0 if that
// looks different in this version of Go.
func streamID(w http.ResponseWriter) uint32 {
	v := reflect.ValueOf(w)
	for _, name := range []string{"rws", "stream", "id"} {
		if v = reflect.Indirect(v); v.Kind() != reflect.Struct {
			return 0
		}
		v = v.FieldByName(name)
	}
	if v.Kind() != reflect.Uint32 {
		return 0
	}
	return uint32(v.Uint())
}

// A StreamCode is the error code of an HTTP/2 stream that is reset.
type StreamCode uint32

// The codes of RFC 9113 that matter to a client.
const (
	StreamProtocolError StreamCode = 1 // PROTOCOL_ERROR
	StreamInternalError StreamCode = 2 // INTERNAL_ERROR
	StreamRefused       StreamCode = 7 // REFUSED_STREAM: the request was not processed
	StreamCancel        StreamCode = 8 // CANCEL
)

// String returns the name of a code in the RFC.
func (code StreamCode) String() string {
	switch code {
	case StreamProtocolError:
		return "PROTOCOL_ERROR"
	case StreamInternalError:
		return "INTERNAL_ERROR"
	case StreamRefused:
		return "REFUSED_STREAM"
	case StreamCancel:
		return "CANCEL"
	}
	return fmt.Sprintf("unknown error code 0x%x", uint32(code))
}
