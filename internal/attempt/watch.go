package attempt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

// MaxDrain is how many bytes of an answer are read only to keep its connection.
const MaxDrain = 256 << 10

// Timeouts bound what one attempt may take.
type Timeouts struct {
	Header   time.Duration // wait for an answer to begin
	Progress time.Duration // wait for the next row of a list
	Error    time.Duration // wait for the body of an error, or for what follows a row
	Attempt  time.Duration // a whole attempt that is not a list
}

// ofBody is how long the body of an answer may take. An attempt's limit counts
// from its beginning.
func (t Timeouts) ofBody(succeeded, long bool, began time.Time) time.Duration {
	switch {
	case !succeeded:
		return t.Error
	case long:
		return t.Progress
	}
	return max(t.Attempt-time.Since(began), 0)
}

// watch records whether an attempt was sent, and ends one whose answer does not
// begin, or stops coming.
type watch struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	outside outside // ctx, for an Observer
	began   time.Time
	timer   *time.Timer // nil before start
	missed  string      // the text of the timeout error, before the time
	wait    time.Duration
	waits   Timeouts
	late    atomic.Bool // the timer has ended the attempt
	turn    ratelimit.Turn

	trace httptrace.ClientTrace
	mu    sync.Mutex  // what follows is set by the trace, perhaps from other goroutines
	sent  bool        // the server may have the request; true until a trace says otherwise
	wrote bool        // the head of the request was written to host
	host  string      // that the transport connects to
	conn  *connection // the last that there was, or nil
}

// errReplayed ends an attempt that net/http begins to send a second time.
var errReplayed = errors.New("the connection ended before an answer, after the request was sent")

// timeoutError: a wait of this package ran out. It is a timeout of net.Error, and
// not context.DeadlineExceeded, because the caller's context is alive.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }

// Timeout reports true, as net.Error has it.
func (e timeoutError) Timeout() bool { return true }

// Temporary reports true, as net.Error has it.
func (e timeoutError) Temporary() bool { return true }

func newWatch(ctx context.Context, waits Timeouts) *watch {
	w := &watch{began: time.Now(), missed: noAnswer, wait: waits.Header, waits: waits, sent: true}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.trace = httptrace.ClientTrace{GetConn: w.getConn, GotConn: w.gotConn, PutIdleConn: w.putIdleConn, WroteHeaders: w.wroteHeaders}
	w.ctx = httptrace.WithClientTrace(w.ctx, &w.trace)
	w.outside = outside{w.ctx}
	return w
}

// start begins the wait for an answer: what comes between the turn of an attempt and its
// request takes nothing from it. If the context has ended meanwhile, nothing is sent.
func (w *watch) start() error {
	if err := w.ctx.Err(); err != nil {
		w.sent = false
		return err
	}
	w.began = time.Now()
	w.timer = time.AfterFunc(w.wait, func() { w.late.Store(true); w.cancel(timeoutError(w.missed + w.wait.String())) })
	return nil
}

// The texts of timeouts, before the time.
const noAnswer, noConnection = "no answer for ", "no connection for "

// waitFor starts another wait, unless one has run out.
func (w *watch) waitFor(missed string, wait time.Duration) {
	if w.timer.Stop() {
		w.missed, w.wait = missed, wait
		w.timer.Reset(wait)
	}
}

// getConn notes that the transport looks for a connection. If the request was sent
// to this host before, it would be sent again: net/http does so by itself with a
// request that has no body, as often as a server resets streams or closes idle
// connections. A request to another host is that of a transport in between. If the host is
// not known, the request was sent on a spare connection of HTTP/2, which net/http opened for
// an attempt that had ended by then: it does not tell that it looks for that one.
func (w *watch) getConn(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.timer == nil:
		return // another request, with the context that an Observer was given
	case !w.wrote:
		w.sent = w.sent && w.host != ""          // the first one: so there is a trace
		w.waitFor(noConnection, w.waits.Attempt) // as many callers may wait for one as there are
	case w.host == host, w.host == "":
		w.cancel(errReplayed)
	default:
		w.wrote = false
	}
	w.host = host
}

func (w *watch) gotConn(info httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	got := newConnection(info)
	switch {
	case !w.wrote:
		w.conn = got
		w.sent = w.sent || !got.plain
		w.waitFor(noAnswer, w.waits.Header)
		return
	case !got.shared:
		// HTTP/1.1 would write before it looks at the context.
		_ = got.Close()
	}
	w.cancel(errReplayed)
}

func (w *watch) wroteHeaders() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.wrote, w.sent = true, true
	}
}

func (w *watch) putIdleConn(error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn.leave()
}

// reached reports whether the server may have the request.
func (w *watch) reached() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

func (w *watch) replayed() bool { return context.Cause(w.ctx) == errReplayed }

// stale reports whether the connection had been idle, and speaks HTTP/1.1.
func (w *watch) stale() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn != nil && w.conn.plain && w.conn.reused
}

// end stops the watch and returns err, or what is behind it.
func (w *watch) end(err error) error {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.turn.Done()
	err = w.explain(err)
	w.cancel(nil)
	return err
}

func (w *watch) explain(err error) error {
	// The cause alone is not enough: a caller may cancel with such an error.
	cause := context.Cause(w.ctx)
	if timeout, ok := errors.AsType[timeoutError](cause); ok && w.late.Load() {
		return timeout
	}
	if err != nil && w.replayed() {
		return errReplayed
	}
	return err
}

// body watches the body of an answer. wait is how long all of it may take, or, if
// its reader calls Progress, how long until the next call. end is how long reading
// the rest may take when the body is closed.
func (w *watch) body(body io.ReadCloser, wait, end time.Duration) io.ReadCloser {
	if w.timer.Stop() { // otherwise it fired, and the context has ended
		w.missed, w.wait = "no more of the answer for ", wait
	}
	return &watchedBody{ReadCloser: body, watch: w, wait: wait, left: wait, end: end}
}

// watchedBody counts only the time within Read: what its reader does between two
// reads is not the server's delay.
type watchedBody struct {
	io.ReadCloser
	watch      *watch
	wait, left time.Duration
	end        time.Duration // 0: nothing is read when it is closed
	closed     bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	start := time.Now()
	b.watch.timer.Reset(b.left)
	n, err := b.read(p)
	b.watch.timer.Stop()
	b.left = max(b.left-time.Since(start), 0)
	if err != nil {
		b.end = 0
	}
	if err != nil && err != io.EOF {
		err = b.watch.explain(err)
	}
	return n, err
}

// read reads from a body that may be the user's own. What it panics with may hold
// anything, so it is not shown.
func (b *watchedBody) read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("reading the answer panicked (%T)", v)
		}
	}()
	return b.ReadCloser.Read(p)
}

// Progress starts the full wait again.
func (b *watchedBody) Progress() { b.left = b.wait }

// Close first reads the rest of the body, so that its connection can serve another
// call, unless the rest is large or takes long.
func (b *watchedBody) Close() error {
	if b.closed {
		return nil // retryablehttp closes again what was closed
	}
	if b.left = min(b.left, b.end); b.left > 0 {
		_, _ = io.CopyN(io.Discard, b, MaxDrain)
	}
	b.closed = true
	defer func() {
		_ = recover() // it is read, so nothing is lost
		_ = b.watch.end(nil)
	}()
	return b.ReadCloser.Close()
}
