package siptest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// A Limit is how many requests the server accepts. It refuses the others, as a
// gateway in front of an API does: before the credentials are checked. A refused
// request is not applied, and no fault strikes at it. It is among the Requests,
// with its status. The zero Limit accepts all requests.
//
//	siptest.Limit{Requests: 10}                                         // 10/s, a bucket
//	siptest.Limit{Requests: 60, Per: time.Minute, Window: true}         // 60 in each minute
//	siptest.Limit{InFlight: 4, Status: 503, Delay: 20*time.Millisecond} // 4 at a time
//
// The clock is that of the server, Options.Now. Requests and InFlight may be set
// together; then a request needs both.
type Limit struct {
	// Requests is how many requests the server accepts in each Per; 0 means
	// any number.
	Requests int

	// Per is the time that Requests is for; 0 means a second.
	Per time.Duration

	// Burst is how many requests the server accepts at once after a pause; 0
	// means Requests. The limit is a bucket of that size, full at first. It
	// gets one place back every Per/Requests.
	Burst int

	// Window counts in fixed windows instead, and ignores Burst. A window
	// begins at each whole multiple of Per, such as each full minute.
	Window bool

	// InFlight is how many requests may be in progress; 0 means any number. A
	// request is in progress from its arrival until its answer is sent. In
	// process the time for the answer's body does not count. Refused requests
	// do not count.
	InFlight int

	// Status is the status of a refusal, from 400 to 599; 0 means 429.
	Status int

	// RetryAfter is the kind of a refusal's Retry-After. It tells when the
	// next place will be free. If InFlight refused the request, nobody knows
	// that time, so it is 1 second.
	RetryAfter RetryAfter

	// RetryAfterText is the Retry-After of every refusal instead, such as
	// "61". Empty means RetryAfter.
	RetryAfterText string

	// Delay is how long the server waits before it sends a refusal; 0 means not
	// at all. Options.Latency is only for accepted requests.
	Delay time.Duration
}

// RetryAfter is the kind of a refusal's Retry-After header.
type RetryAfter int

// The kinds of Retry-After headers.
const (
	RetryAfterNone    RetryAfter = iota // no header
	RetryAfterSeconds                   // the seconds until the next free place, rounded up
	RetryAfterDate                      // the same time as a date, rounded up to a second
)

// SetLimit replaces the limit; nil means none. The new bucket is full, and the
// new window is empty. Requests in progress count for InFlight from the start.
// SetLimit panics if a field of the limit makes no sense, as Options.Validate says.
func (s *Server) SetLimit(l *Limit) {
	limiter := newLimiter(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limiter = limiter
}

// Refused returns how many requests the limit refused since the server began.
func (s *Server) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// problems tells what makes no sense in a limit.
func (l *Limit) problems() (problems []error) {
	if l == nil {
		return nil
	}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("limit."+format, args...))
		}
	}
	check(l.Requests >= 0, "requests is negative")
	check(l.Per >= 0, "per is negative")
	check(l.Burst >= 0, "burst is negative")
	check(l.InFlight >= 0, "inFlight is negative")
	check(l.Delay >= 0, "delay is negative")
	check(l.Status == 0 || isErrorStatus(l.Status), "status is %d: use one from 400 to 599", l.Status)
	return problems
}

// A limiter counts the requests for a Limit.
type limiter struct {
	Limit
	every time.Duration // between two places of a bucket
	full  time.Time     // when the bucket is full again
	began time.Time     // the window
	used  int           // the requests in the window
}

func newLimiter(l *Limit) *limiter {
	if l == nil {
		return nil
	}
	if err := errors.Join(l.problems()...); err != nil {
		panic("siptest: " + err.Error())
	}
	lim := &limiter{Limit: *l}
	lim.Per = cmp.Or(l.Per, time.Second)
	lim.Burst = cmp.Or(l.Burst, l.Requests)
	lim.Status = cmp.Or(l.Status, http.StatusTooManyRequests)
	lim.every = lim.Per / time.Duration(max(l.Requests, 1))
	return lim
}

// limited is the answer to a request that the limiter refuses.
type limited struct {
	reply
	delay time.Duration
}

// refuse counts a request if there is a place for it, and returns nil. It returns
// the refusal if there is none.
func (l *limiter) refuse(o Options, inFlight int) *limited {
	if l == nil {
		return nil
	}
	now := o.Now()
	free, ok := l.take(now, inFlight)
	if ok {
		return nil
	}
	rep := Fault{}.makeReply(o.ErrorBody.answer(l.Status, statusText(l.Status)), o)
	if text := l.retryAfter(free, now); text != "" {
		rep.header.Set("Retry-After", text)
	}
	return &limited{rep, l.Delay}
}

// take takes a place. If there is none, it returns the time of the next one.
func (l *limiter) take(now time.Time, inFlight int) (free time.Time, ok bool) {
	if l.InFlight > 0 && inFlight >= l.InFlight {
		return now.Add(time.Second), false
	}
	switch {
	case l.Requests == 0:
	case l.Window:
		if window := now.Truncate(l.Per); !window.Equal(l.began) {
			l.began, l.used = window, 0
		}
		if l.used == l.Requests {
			return l.began.Add(l.Per), false
		}
		l.used++
	default:
		if l.full.Before(now) {
			l.full = now
		}
		if free := l.full.Add(-time.Duration(l.Burst-1) * l.every); free.After(now) {
			return free, false
		}
		l.full = l.full.Add(l.every)
	}
	return now, true
}

func (l *limiter) retryAfter(free, now time.Time) string {
	switch {
	case l.RetryAfterText != "":
		return l.RetryAfterText
	case l.RetryAfter == RetryAfterSeconds:
		return strconv.Itoa(int(math.Ceil(free.Sub(now).Seconds())))
	case l.RetryAfter == RetryAfterDate:
		return free.Add(time.Second - 1).UTC().Format(http.TimeFormat) // Format rounds down
	}
	return ""
}
