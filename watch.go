package infinitysip

import (
	"context"
	"io"
	"time"
)

// watch ends an attempt whose answer does not begin, or stops coming.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
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

func newWatch(ctx context.Context) *watch {
	w := new(watch)
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(headerWait, func() {
		w.cancel(timeoutError("no answer for " + headerWait.String()))
	})
	return w
}

// end stops the watch and returns err, or the timeout that is behind it.
func (w *watch) end(err error) error {
	w.timer.Stop()
	if timeout, ok := context.Cause(w.ctx).(timeoutError); ok {
		err = timeout
	}
	w.cancel(nil)
	return err
}

// body goes on to watch the body of an answer that has begun. The time that
// the reader takes between two reads does not count.
func (w *watch) body(body io.ReadCloser) io.ReadCloser {
	w.timer.Stop()
	w.timer = time.AfterFunc(progressWait, func() {
		w.cancel(timeoutError("no more of the answer for " + progressWait.String()))
	})
	w.timer.Stop()
	return &watchedBody{body, w}
}

type watchedBody struct {
	io.ReadCloser
	watch *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.watch.timer.Reset(progressWait)
	n, err := b.ReadCloser.Read(p)
	b.watch.timer.Stop()
	if err != nil && err != io.EOF {
		if timeout, ok := context.Cause(b.watch.ctx).(timeoutError); ok {
			err = timeout
		}
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	_ = b.watch.end(nil)
	return err
}
