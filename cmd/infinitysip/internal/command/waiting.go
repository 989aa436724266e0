package command

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/infinitysip/infinitysip"
)

// longSilence is how long a command waits for a server that fails before it says so.
const longSilence = 3 * time.Second

// A waiting tells on w, once, that the server fails and is asked again.
type waiting struct {
	w    io.Writer
	mu   sync.Mutex
	told bool
}

// observer watches the calls.
func (w *waiting) observer() infinitysip.Observer {
	type key struct{}
	return infinitysip.Observer{
		Call: func(ctx context.Context, _ infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
			call := &waitingCall{}
			return context.WithValue(ctx, key{}, call), func(infinitysip.CallResult) { call.goesOn() }
		},
		Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			call, ok := ctx.Value(key{}).(*waitingCall)
			if !ok {
				return ctx, nil
			}
			return ctx, func(result infinitysip.AttemptResult) {
				if result.StatusCode == http.StatusTooManyRequests || result.StatusCode >= 500 || result.StatusCode == 0 && result.Err != nil {
					call.fails(func() { w.tell(result.StatusCode) })
				} else {
					call.goesOn()
				}
			}
		},
	}
}

func (w *waiting) tell(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told {
		return
	}
	w.told = true
	what := "The server does not answer"
	if status != 0 {
		what = "The server answers " + strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	}
	fmt.Fprintln(w.w, what+". It is asked again; Ctrl-C ends that.")
}

// A waitingCall is a call that may wait.
type waitingCall struct {
	mu    sync.Mutex // pages are read ahead
	timer *time.Timer
	ended chan struct{} // what the timer does is done
}

// fails is told that an attempt failed. The first one counts.
func (c *waitingCall) fails(tell func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		return
	}
	ended := make(chan struct{})
	c.ended = ended
	c.timer = time.AfterFunc(longSilence, func() {
		defer close(ended)
		tell()
	})
}

// goesOn is told that an attempt did not fail, or that the call has ended.
func (c *waitingCall) goesOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil && !c.timer.Stop() {
		<-c.ended // nothing is written when the call has ended
	}
	c.timer = nil
}
