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
// Before the first 429 there is none. How fast the server accepts calls in the
// two seconds after that becomes the limit. From then on each second may change
// it. One with refusals lowers it by their share of the answers, but by a
// twentieth at least and a third at most. What follows does not count until all
// calls that wait have had their turns, which are by the limit before, and a
// second more. One that used it up without a refusal raises it: by a tenth until
// it was lowered once, by a hundredth after that. Two minutes without a 429, and
// it is forgotten.
type limiter struct {
	configured *rate.Limiter

	learning atomic.Bool // a 429 was seen and is not forgotten
	mu       sync.Mutex
	learnt   *rate.Limiter // nil as long as the server is listened to
	lowered  bool          // at least once
	settled  time.Time     // when it shows what came of that
	yes, no  time.Time     // the last answer that was not a 429, and the last that was

	second                     time.Time // since when these count
	started, accepted, refused int
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
	case now.Sub(l.no) >= forgetAfter:
		l.learnt = nil
		l.learning.Store(false)
	case l.learnt == nil && since >= listenFor:
		// A server that counts by the clock's seconds refuses all of the rest
		// of one. That is not counted.
		perSecond := float64(l.accepted) / max(l.yes.Sub(l.second), time.Second).Seconds()
		l.learnt = rate.NewLimiter(rate.Limit(max(perSecond, leastLearnt)), 1)
		l.lowered, l.settled = false, time.Time{}
		l.begin(now)
	case l.learnt != nil && since >= time.Second:
		l.learnt.SetLimit(l.next(l.learnt.Limit(), since.Seconds(), now))
		l.begin(now)
	}
	l.started++
	return l.learnt
}

// next returns what follows a limit that was in force for so many seconds.
func (l *limiter) next(limit rate.Limit, seconds float64, now time.Time) rate.Limit {
	switch {
	case now.Before(l.settled):
		return limit
	case l.refused > 0:
		l.lowered = true
		waits := max(-l.learnt.TokensAt(now), 0) / float64(limit)
		l.settled = now.Add(time.Duration((1 + waits) * float64(time.Second)))
		share := float64(l.accepted) / float64(l.accepted+l.refused)
		return max(limit*rate.Limit(min(max(share, 2./3), 0.95)), leastLimit)
	case float64(l.started) < 0.9*seconds*float64(limit):
		return limit
	case l.lowered:
		return limit * 1.01
	default:
		return limit * 1.1
	}
}

// note learns from an answer.
func (l *limiter) note(refused bool) {
	if l.configured != nil || !refused && !l.learning.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !refused {
		l.yes = now
		l.accepted++
		return
	}
	l.no = now
	if !l.learning.Load() {
		l.learning.Store(true)
		l.begin(now)
	}
	l.refused++
}

func (l *limiter) begin(now time.Time) {
	l.second, l.started, l.accepted, l.refused = now, 0, 0, 0
}
