package infinitysip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/infinitysip/infinitysip/internal/wire"
)

// Limits bound what one attempt of a call may take. A zero field means its
// default.
type Limits struct {
	Row       int // longest row of a list, in bytes; default 1 MiB
	Answer    int // longest answer that is one row, in bytes; default 1 MiB
	ErrorBody int // what is read of an error's body, in bytes; default 16 KiB
	IDs       int // ids that one request adds or removes; default 500, at most 1,000

	Header   time.Duration // wait for an answer to begin; default 30 s
	Progress time.Duration // wait for the next row of a list; default 30 s
	Error    time.Duration // wait for the body of an error, or for what follows a row; default 2 s
	Attempt  time.Duration // a whole attempt that is not a list; default 60 s
}

func (l Limits) orDefaults() Limits {
	return Limits{
		Row:       cmp.Or(l.Row, 1<<20),
		Answer:    cmp.Or(l.Answer, 1<<20),
		ErrorBody: cmp.Or(l.ErrorBody, 16<<10),
		IDs:       cmp.Or(l.IDs, 500),
		Header:    cmp.Or(l.Header, 30*time.Second),
		Progress:  cmp.Or(l.Progress, 30*time.Second),
		Error:     cmp.Or(l.Error, 2*time.Second),
		Attempt:   cmp.Or(l.Attempt, time.Minute),
	}
}

// problem tells what is wrong with the limits.
func (l Limits) problem() string {
	switch {
	case min(l.Row, l.Answer, l.ErrorBody, l.IDs) < 0 || min(l.Header, l.Progress, l.Error, l.Attempt) < 0:
		return "holds a negative value"
	case l.IDs > wire.MaxOrder:
		return fmt.Sprintf("IDs: of more than %d the server drops the end and says nothing", wire.MaxOrder)
	}
	return ""
}

// watch tells whether an attempt has left, and ends one whose answer does not
// begin, or stops coming.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	began  time.Time
	timer  *time.Timer
	missed string // what has not come when the timer ends
	wait   time.Duration
	late   atomic.Bool // the timer has ended the attempt

	// Until there is a connection, nothing left. A transport that does not
	// trace leaves sent as it was set, and once there was a connection nothing
	// takes that back.
	trace           httptrace.ClientTrace
	connected, sent atomic.Bool
}

// timeoutError is a wait of this package's own that ran out. It is a
// net.Error's timeout, and not context.DeadlineExceeded: the caller's context
// is alive.
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
	// The cause alone would not do: a caller may cancel with such an error.
	if timeout, ok := errors.AsType[timeoutError](context.Cause(w.ctx)); ok && w.late.Load() {
		return timeout
	}
	return err
}

// body goes on to watch the body of an answer that has begun. wait is how long
// all of it may take, or, where its reader calls Progress, until the next
// call. end is how long the rest of it may take when it is closed.
func (w *watch) body(body io.ReadCloser, wait, end time.Duration) io.ReadCloser {
	if w.timer.Stop() { // else it has ended, and the context with it
		w.missed, w.wait = "no more of the answer for ", wait
	}
	return &watchedBody{ReadCloser: body, watch: w, wait: wait, left: wait, end: end}
}

// watchedBody counts the time within Read alone: what its reader does between
// two reads is not the server's delay.
type watchedBody struct {
	io.ReadCloser
	watch      *watch
	wait, left time.Duration
	end        time.Duration // 0: when it is closed no more is read
}

func (b *watchedBody) Read(p []byte) (int, error) {
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

// Progress gives the full wait again.
func (b *watchedBody) Progress() { b.left = b.wait }

// Close first reads the end of a body whose news is known, so that its
// connection can serve another call, unless that is much or takes long.
func (b *watchedBody) Close() error {
	if b.left = min(b.left, b.end); b.left > 0 {
		_, _ = io.CopyN(io.Discard, b, maxDrain)
	}
	err := b.ReadCloser.Close()
	_ = b.watch.end(nil)
	return err
}

// bodyWait is how long the body of an answer may take. An attempt's limit
// counts from its beginning.
func (l Limits) bodyWait(call *call, status int, began time.Time) time.Duration {
	switch {
	case !succeeded(status):
		return l.Error
	case call.list:
		return l.Progress
	}
	return max(l.Attempt-time.Since(began), 0)
}
