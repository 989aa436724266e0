package attempt

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
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
	ctx    context.Context
	cancel context.CancelCauseFunc
	began  time.Time
	timer  *time.Timer
	missed string // the text of the timeout error, before the time
	wait   time.Duration
	late   atomic.Bool // the timer has ended the attempt

	// Until there is a connection, nothing was sent. With a transport that does
	// not trace, sent stays as it was set. Once there was a connection, nothing
	// takes that back.
	trace           httptrace.ClientTrace
	connected, sent atomic.Bool
}

// timeoutError: a wait of this package ran out. It is a timeout of net.Error, and
// not context.DeadlineExceeded, because the caller's context is alive.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }

// Timeout reports true, as net.Error has it.
func (e timeoutError) Timeout() bool { return true }

// Temporary reports true, as net.Error has it.
func (e timeoutError) Temporary() bool { return true }

func newWatch(ctx context.Context, wait time.Duration) *watch {
	w := &watch{began: time.Now(), missed: "no answer for ", wait: wait}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.trace.GetConn = func(string) { w.sent.Store(w.connected.Load()) }
	w.trace.GotConn = func(httptrace.GotConnInfo) { w.connected.Store(true); w.sent.Store(true) }
	w.ctx = httptrace.WithClientTrace(w.ctx, &w.trace)
	w.timer = time.AfterFunc(wait, func() { w.late.Store(true); w.cancel(timeoutError(w.missed + w.wait.String())) })
	return w
}

// end stops the watch and returns err, or the timeout that is behind it.
func (w *watch) end(err error) error {
	w.timer.Stop()
	err = w.explain(err)
	w.cancel(nil)
	return err
}

func (w *watch) explain(err error) error {
	// The cause alone is not enough: a caller may cancel with such an error.
	if timeout, ok := errors.AsType[timeoutError](context.Cause(w.ctx)); ok && w.late.Load() {
		return timeout
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
	n, err := b.ReadCloser.Read(p)
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

// Progress starts the full wait again.
func (b *watchedBody) Progress() { b.left = b.wait }

// Within bounds how long the rest of the body may take.
func (b *watchedBody) Within(wait time.Duration) { b.left = min(b.left, wait) }

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
	err := b.ReadCloser.Close()
	_ = b.watch.end(nil)
	return err
}
