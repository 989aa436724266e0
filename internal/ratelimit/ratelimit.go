// Package ratelimit gives out turns, one for each attempt: at a configured rate, or as
// fast as the server accepts. A call that was refused goes before all that came later.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Errors of Wait, besides the context's.
var (
	ErrNoTurn  = errors.New("no turn before the context's deadline")
	ErrRefused = errors.New("refused")
)

// Options are the settings of a Limiter.
type Options struct {
	PerSecond float64       // 0: learn
	Burst     int           // turns at once, with PerSecond
	Patience  time.Duration // of a call since its first refusal, and of all while nobody is accepted
}

// Answer is what the server answered.
type Answer int

// The kinds of answers.
const (
	Other       Answer = iota // says nothing about limits: 500, a broken connection
	Accepted                  // 2xx, and 4xx except 429: the server took the request in
	TooMany                   // 429
	Unavailable               // 503: a refusal if calls of the class were accepted lately
)

// Place is a call's place in the queue. All attempts of a call, and the looks for
// what it made, share one. The zero Place is that of a call that had no turn yet.
type Place struct { // the Limiter's mutex guards it
	number                  int
	write                   bool      // the call's first turn was to write
	refused, end, notBefore time.Time // the first refusal, the ends of patience and of Retry-After
}

// Turn is the turn of one attempt.
type Turn struct {
	limiter      *Limiter // nil: ended
	place        *Place
	write        bool
	number, with int  // turns so far, and others in flight, when it was given
	limited      bool // there was a limit on what is in flight
}

type waiter struct {
	*Place
	timer *time.Timer // wakes it
}

// Limiter gives turns to all attempts of a client. Until the first refusal they come
// at once. Then limit bounds what is in flight. If that does not help, turns come one
// in each every. From a refusal to the next accept the Limiter is then closed: it lets
// out one attempt at a time, a probe.
type Limiter struct {
	patience                  time.Duration
	fixed                     bool          // the rate is configured
	burst                     time.Duration // by which turns may be early
	mu                        sync.Mutex
	queue                     []*waiter // by number; the first takes its turn when it is woken
	places, turns             int       // given so far
	flight, limit             int       // limit is math.MaxInt if there is none
	every                     time.Duration
	closed, probing           bool
	hopeless                  bool               // nobody was accepted for as long as patience
	due                       time.Time          // of the next turn
	changed, inRow            int                // turns before the last change, whose refusals say nothing new; refusals since the last accept
	refusedSince, lastRefused time.Time          // the first of them, and the last of all
	classes                   map[bool]*evidence // of writes, and of others
	accepted                  int                // since began
	began, closedAt           time.Time          // the last reopening (without a rate, a minute ago at most) and closing
	cost                      time.Duration      // that the refusals then took from somebody
	slowest                   time.Duration      // every after it last rose
	guess                     bool               // few answers told every or limit
	raiseAt                   time.Time          // when the limit may grow
}

// evidence is what is known about calls of one class.
type evidence struct {
	accepted, vain time.Time // the last accept, and the first 503 more than a second after it
}

// New returns a Limiter.
func New(o Options) *Limiter {
	l := &Limiter{patience: o.Patience, fixed: o.PerSecond > 0, limit: math.MaxInt, classes: map[bool]*evidence{false: {}, true: {}}}
	if l.fixed {
		l.every = time.Duration(float64(time.Second) / o.PerSecond)
		l.burst = time.Duration(max(o.Burst, 1)-1) * l.every
	}
	return l
}

// Wait waits for the turn of one attempt. write is its class. It returns ErrNoTurn if
// the turn would come after the deadline, and ErrRefused if patience is at its end.
func (l *Limiter) Wait(ctx context.Context, p *Place, write bool) (Turn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.number == 0 {
		l.places++
		p.number, p.write, p.end = l.places, write, time.Unix(1<<40, 0)
	}
	if l.every == 0 && l.limit == math.MaxInt && !l.closed && p.refused.IsZero() && ctx.Err() == nil {
		return l.begin(p, write, time.Time{}), nil
	}
	w := &waiter{p, time.NewTimer(0)}
	defer func() { l.queue = slices.DeleteFunc(l.queue, func(v *waiter) bool { return v == w }); l.wake(1) }()
	for {
		l.mu.Unlock()
		select {
		case <-w.timer.C:
		case <-ctx.Done():
		}
		l.mu.Lock()
		now := time.Now()
		switch wait, err := l.join(ctx, w, now); {
		case err != nil:
			return Turn{}, err
		case wait > 0:
			w.timer.Reset(wait)
		default:
			return l.begin(p, write, now), nil
		}
	}
}

// join puts a waiter into the queue, unless a Retry-After holds it. It returns 0 if
// its turn is due, or else when to look again.
func (l *Limiter) join(ctx context.Context, w *waiter, now time.Time) (time.Duration, error) {
	if !l.fixed && !l.closed && now.Sub(l.lastRefused) >= 2*time.Minute && l.every <= l.slowest/2 {
		l.every, l.limit, l.guess = 0, math.MaxInt, false // the server's limit seems to be gone
	}
	asked, wait, left := w.notBefore.Sub(w.refused), w.notBefore.Sub(now), w.end.Sub(now)
	held, first := wait > 0, false
	if !held {
		at := slices.Index(l.queue, w)
		if at < 0 {
			at, _ = slices.BinarySearchFunc(l.queue, w.number, func(w *waiter, number int) int { return w.number - number })
			l.queue = slices.Insert(l.queue, at, w)
		}
		wait, first = l.due.Add(time.Duration(at)*l.every-l.burst).Sub(now), at == 0 && !l.probing && l.flight < l.limit
	}
	deadline, ok := ctx.Deadline()
	switch due := first && wait <= 0 && left > 0; {
	case ctx.Err() != nil, due:
		return 0, ctx.Err()
	case asked > l.patience, left <= 0, l.hopeless:
		return 0, fmt.Errorf("%w for %v", ErrRefused, max(l.patience, asked.Round(time.Second)))
	case ok && deadline.Before(now.Add(wait)):
		return 0, ErrNoTurn
	case !first && !held:
		wait = left // the first is to go before
	}
	return min(left, wait), nil
}

// wake wakes the first n in the queue.
func (l *Limiter) wake(n int) {
	for _, w := range l.queue[:min(n, len(l.queue))] {
		w.timer.Reset(0)
	}
}

func (l *Limiter) begin(p *Place, write bool, now time.Time) Turn {
	l.turns, l.flight = l.turns+1, l.flight+1
	if l.probing = l.closed; l.every > 0 && !l.closed {
		l.due = now.Add(max(l.due.Sub(now), 0) + l.every)
	}
	return Turn{l, p, write, l.turns, l.flight - 1, l.limit < math.MaxInt}
}

// Done ends the turn: the answer is read, or there is none.
func (t *Turn) Done() {
	if l := t.limiter; l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		t.limiter, l.flight = nil, l.flight-1
		l.probing = l.probing && t.number <= l.changed
		l.wake(1)
	}
}

// A Retry-After that is long holds all calls when it comes twice in a row. A refusal
// takes some time from a call: after a 503 a create looks for what it made.
const long = 3 * time.Second

var costs = [...]time.Duration{TooMany: 300 * time.Millisecond, Unavailable: long}

// works reports whether a 503 is a refusal: calls of the class were accepted in the
// last minute, and have not been tried in vain since for as long as within.
func (e *evidence) works(now time.Time, within time.Duration) bool {
	since := now.Sub(e.accepted)
	if e.vain.IsZero() && since > time.Second {
		e.vain = now
	}
	return since < time.Minute && (e.vain.IsZero() || now.Sub(e.vain) <= within)
}

// Answer tells what the server answered, as soon as the status is known, and
// reports whether that is a refusal. asked is Retry-After, or 0.
func (t *Turn) Answer(a Answer, asked time.Duration) (refused bool) {
	l, p := t.limiter, t.place
	if l == nil || a == Other {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, fresh, within := time.Now(), t.number > l.changed, max(5*time.Second, 10*l.every)
	if l.every == 0 && !l.closed && now.Sub(l.began) > time.Minute {
		l.began, l.accepted = now, 0
	}
	l.probing = l.probing && !fresh
	refused = a == TooMany || a == Unavailable && (l.classes[t.write].works(now, within) || p.write && l.classes[true].works(now, within))
	switch {
	case a == Accepted:
		*l.classes[t.write] = evidence{accepted: now}
		l.accept(t.with, fresh, now)
	case refused:
		if p.notBefore = now.Add(asked); p.refused.IsZero() {
			p.refused, p.end = now, now.Add(max(l.patience, asked+l.patience/10)) // the tenth is to try
		}
		l.refuse(t, fresh, asked, costs[a], now)
	case l.closed && fresh: // an outage is no limit
		l.closed, l.guess, l.changed = false, false, l.turns
	}
	if l.wake(1); refused && (asked > long || l.hopeless) {
		l.wake(len(l.queue)) // their turns may come too late now
	}
	return refused
}

// accept lets the rate or the limit grow, the slower, the more refusals cost. A
// guess grows fast, until a refusal ends it.
func (l *Limiter) accept(with int, fresh bool, now time.Time) {
	l.accepted, l.inRow, l.hopeless = l.accepted+1, 0, false
	slow := max(1, 2*l.cost.Seconds())
	growth := min(0.0008*math.Sqrt(min(1, l.every.Seconds()))/slow*math.Exp2(float64(l.accepted)/50/slow), 0.01)
	if l.guess {
		growth = 0.25
	}
	switch {
	case l.fixed || !fresh:
	case l.closed:
		l.reopen(now)
	case l.every > 0:
		l.every = time.Duration(float64(l.every) / (1 + growth))
	case with+1 == l.limit && now.After(l.raiseAt):
		if l.limit++; !l.guess {
			l.raiseAt = now.Add(time.Second)
		}
	}
}

// refuse lowers the limit to what was in flight with the request. If that was
// nothing, or the server names a time, or nobody is accepted, it closes the Limiter.
func (l *Limiter) refuse(t *Turn, fresh bool, asked, cost time.Duration, now time.Time) {
	// Requests arrive in another order than their turns came, so those whose turns came
	// later count too, as far as they can have been in flight at the same time.
	others := max(t.with, l.flight-1)
	if fresh {
		others = max(others, min(t.with+l.turns-t.number, l.limit-1))
	}
	if l.lastRefused = now; l.inRow == 0 {
		l.refusedSince = now
	}
	l.hopeless = now.Sub(l.refusedSince) >= l.patience
	if fresh || asked > long {
		l.inRow++
	}
	switch rated := l.closed || l.every > 0; {
	case l.fixed || rated && !fresh:
	case rated || l.inRow > 1 && (t.with == 0 || asked > long || l.inRow > 2):
		if !l.closed {
			l.closed, l.closedAt, l.limit, l.changed, l.cost, l.guess = true, now, math.MaxInt, l.turns, cost, false
		}
		l.guess = l.guess || l.every == 0 && asked > 0 // who may not try learns little
		gap := time.Duration((0.35 + 0.35*rand.Float64()) * float64(now.Sub(l.closedAt)))
		gap = min(max(gap, l.every/20, 10*time.Millisecond), 2*time.Second)
		if l.inRow > 1 && asked > long {
			gap, l.cost = min(asked, l.patience), asked
		}
		l.due = now.Add(gap)
	case t.limited && others > 0:
		l.limit, l.changed, l.guess, l.raiseAt = min(l.limit, others), l.turns, false, now.Add(10*cost)
	case !t.limited && t.with > 0: // how many arrived before it is not known: too low a limit is soon found out
		l.limit, l.changed, l.guess, l.raiseAt = min(l.limit, t.with), l.turns, true, now.Add(cost)
	}
}

// reopen sets the rate to what the server accepted since the last reopening, when
// it had no more to give either. For the first rate it accepts one in a pause at least.
func (l *Limiter) reopen(now time.Time) {
	n, pause, first, held := time.Duration(l.accepted), now.Sub(l.closedAt), l.every == 0, l.cost > long
	switch {
	case first:
		l.every = min(now.Sub(l.began)/max(n-1, 1), max(pause, 10*time.Millisecond))
		l.guess = l.guess && (n < 5 || l.every >= pause) // many accepts in a short time tell the rate
	case held: // how much of the pause had to be is not known
		l.every += l.every / 20
	default:
		l.every += min(max(pause/n, l.every/50), l.every/2)
	}
	l.slowest, l.cost = min(max(l.every, 100*time.Microsecond), 10*time.Second), max(l.cost, pause)
	if l.every = l.slowest; first && !held {
		l.every /= 2 // too high a rate is soon found out
	}
	l.closed, l.changed, l.began, l.accepted, l.due = false, l.turns, now, 1, now.Add(l.every)
}
