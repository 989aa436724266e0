package infinitysip

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	listenFor   = 2 * time.Second // after the first 429, to learn what the server accepts
	leastLearnt = 10              // calls a second; what seems to be less may be that few were made
	leastLimit  = 1               // calls a second
	forgetAfter = 2 * time.Minute // without a 429
)

// limiter holds back the attempts of all calls of a Client together: to the
// limit that is configured, or else to one that it learns from the server.
//
// Before the first 429 there is none. What the server accepts in the two
// seconds after that becomes the limit. Then a 429 lowers it by a tenth, at
// most once a second, and a second that used it up without one raises it: by a
// tenth until it was lowered once, by a fiftieth after that. Two minutes
// without a 429, and it is forgotten.
type limiter struct {
	configured *rate.Limiter

	learning atomic.Bool // a 429 was seen and is not forgotten
	mu       sync.Mutex
	learnt   *rate.Limiter // nil as long as the server is listened to
	refused  time.Time     // the last 429
	lowered  time.Time     // the last time that it lowered the limit
	second   time.Time     // since when accepted and started count
	accepted int
	started  int
}

// wait waits for the turn of an attempt.
func (l *limiter) wait(ctx context.Context) error {
	limit := l.configured
	if limit == nil && l.learning.Load() {
		limit = l.current(time.Now())
	}
	if limit != nil && limit.Wait(ctx) != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: no turn before the context's deadline", ErrRateLimited)
	}
	return ctx.Err()
}

// current returns the limit for an attempt that starts now, or nil.
func (l *limiter) current(now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := now.Sub(l.second)
	switch {
	case now.Sub(l.refused) >= forgetAfter:
		l.learnt = nil
		l.learning.Store(false)
	case l.learnt == nil && since >= listenFor:
		perSecond := float64(l.accepted) / listenFor.Seconds()
		l.learnt = rate.NewLimiter(rate.Limit(max(perSecond, leastLearnt)), 1)
		l.lowered = time.Time{}
		l.begin(now)
	case l.learnt != nil && since >= time.Second:
		if limit := l.learnt.Limit(); float64(l.started) >= 0.9*since.Seconds()*float64(limit) {
			growth := rate.Limit(1.02)
			if l.lowered.IsZero() {
				growth = 1.1
			}
			l.learnt.SetLimit(limit * growth)
		}
		l.begin(now)
	}
	l.started++
	return l.learnt
}

// note learns from an answer.
func (l *limiter) note(refused bool) {
	if l.configured != nil || !refused && !l.learning.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !refused {
		l.accepted++
		return
	}
	now := time.Now()
	l.refused = now
	switch {
	case !l.learning.Load():
		l.learning.Store(true)
		l.begin(now)
	case l.learnt != nil:
		if now.Sub(l.lowered) >= time.Second {
			l.learnt.SetLimit(max(l.learnt.Limit()*0.9, leastLimit))
			l.lowered = now
		}
		l.begin(now)
	}
}

func (l *limiter) begin(now time.Time) { l.second, l.accepted, l.started = now, 0, 0 }
