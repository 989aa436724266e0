// Package ratelimit gives out turns: every attempt of every call waits for one.
// They come at a rate that is configured, or else at one that is learnt from
// what the server refuses.
package ratelimit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	listenFor   = 2 * time.Second // after the first refusal, to learn what the server accepts
	leastLearnt = 10              // calls a second; what seems to be less may be that few were made
	leastLimit  = 1               // calls a second
	forgetAfter = 2 * time.Minute // without a refusal
)

// ErrNoTurn is the error of a wait that could not end before the context's
// deadline.
var ErrNoTurn = errors.New("no turn before the context's deadline")

// Limiter holds back all attempts together: to the limit that is configured, or
// else to one that it learns from the server. The zero Limiter learns.
//
// Before the first refusal there is none. How fast the server accepts calls in the
// two seconds after that becomes the limit. From then on each second may change
// it. One with refusals lowers it by their share of the answers, but by a
// twentieth at least and a third at most. What follows does not count until all
// calls that wait have had their turns, which are by the limit before, and a
// second more. One that used it up without a refusal raises it: by a tenth until
// it was lowered once, by a hundredth after that. Two minutes without a refusal, and
// it is forgotten.
type Limiter struct {
	configured *rate.Limiter

	learning     atomic.Bool // a refusal was seen and is not forgotten
	mu           sync.Mutex
	learnt       *rate.Limiter // nil as long as the server is listened to
	lowered      bool          // at least once
	settled      time.Time     // when it shows what came of that
	lastAccepted time.Time     // the last answer that was no refusal
	lastRefused  time.Time

	second                     time.Time // since when these count
	started, accepted, refused int
}

// New returns a Limiter for so many attempts a second, after a first burst.
func New(perSecond float64, burst int) *Limiter {
	return &Limiter{configured: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// Wait waits for the turn of an attempt.
func (l *Limiter) Wait(ctx context.Context) error {
	limit := l.configured
	if limit == nil && l.learning.Load() {
		limit = l.current(time.Now())
	}
	if limit != nil && limit.Wait(ctx) != nil && ctx.Err() == nil {
		return ErrNoTurn
	}
	return ctx.Err()
}

// current returns the limit for an attempt that starts now, or nil.
func (l *Limiter) current(now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := now.Sub(l.second)
	switch {
	case now.Sub(l.lastRefused) >= forgetAfter:
		l.learnt = nil
		l.learning.Store(false)
	case l.learnt == nil && since >= listenFor:
		// A server that counts by the clock's seconds refuses all of the rest
		// of one. That is not counted.
		perSecond := float64(l.accepted) / max(l.lastAccepted.Sub(l.second), time.Second).Seconds()
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
func (l *Limiter) next(limit rate.Limit, seconds float64, now time.Time) rate.Limit {
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

// Note learns from an answer: whether the server refused the attempt.
func (l *Limiter) Note(refused bool) {
	if l.configured != nil || !refused && !l.learning.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !refused {
		l.lastAccepted = now
		l.accepted++
		return
	}
	l.lastRefused = now
	if !l.learning.Load() {
		l.learning.Store(true)
		l.begin(now)
	}
	l.refused++
}

func (l *Limiter) begin(now time.Time) {
	l.second, l.started, l.accepted, l.refused = now, 0, 0, 0
}
