package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultAttempts is the most that the table gives a call.
	DefaultAttempts = 4

	// LongestWait is the longest wait that is taken seriously: a longer one is a
	// mistake.
	LongestWait = 366 * 24 * time.Hour
)

// Policy is how often and how soon calls are tried again.
type Policy struct {
	MaxAttempts int           // most attempts of a call, the first included
	BaseWait    time.Duration // most of the first wait, doubled each time
	MaxWait     time.Duration // most that this grows to
	MaxAfter    time.Duration // the longest Retry-After that is obeyed
}

// Attempts is how many attempts a rule allows under the policy: none or fewer
// where the rule is no count.
func (p Policy) Attempts(rule Rule) int {
	n := int(rule)
	if n > 1 && p.MaxAttempts > DefaultAttempts {
		n += p.MaxAttempts - DefaultAttempts
	}
	return min(n, p.MaxAttempts)
}

// Accepts reports whether a wait that the server asks for is acceptable: not too
// long, and over before the context's deadline.
func (p Policy) Accepts(ctx context.Context, asked time.Duration) bool {
	deadline, bounded := ctx.Deadline()
	return asked == 0 || asked <= p.MaxAfter && (!bounded || asked+p.BaseWait <= time.Until(deadline))
}

// Wait returns how long to wait after attempt n, from 0: what the server asks
// for and a little more, so that clients that were told the same time do not come
// back together; or a random part of a wait that doubles.
func (p Policy) Wait(n int, asked time.Duration) time.Duration {
	if asked > 0 {
		return asked + rand.N(p.BaseWait)
	}
	ceiling := p.MaxWait
	if p.BaseWait <= p.MaxWait>>n {
		ceiling = p.BaseWait << n
	}
	return rand.N(ceiling + 1)
}

// After reads the Retry-After of an answer: seconds, or a date, against the
// answer's own Date. It is 0 for none, for one that makes no sense, and for a
// success, whose body was cut perhaps.
func After(resp *http.Response) time.Duration {
	if resp == nil || resp.StatusCode/100 == 2 {
		return 0
	}
	text := resp.Header.Get("Retry-After")
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(LongestWait/time.Second) {
			return 0
		}
		return time.Duration(seconds) * time.Second
	}
	then, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	if wait := then.Sub(now); wait > 0 && wait <= LongestWait {
		return wait
	}
	return 0
}

// Sleep waits, or returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Outlive returns a context with the values of ctx that ends so long after ctx does.
// Call its CancelFunc when it is no longer needed.
func Outlive(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = Sleep(longer, after)
		cancel()
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// Quota bounds how much is tried again beyond what succeeds, so that a service
// that is down is not asked several times as often.
type Quota struct {
	size int
	mu   sync.Mutex
	left int
}

// NewQuota returns a full Quota.
func NewQuota(size int) *Quota { return &Quota{size: size, left: size} }

// Refund notes a call that succeeded.
func (q *Quota) Refund() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left = min(q.left+1, q.size)
}

// Spend pays for an attempt after one that failed so, or reports that it cannot.
// A timeout costs double.
func (q *Quota) Spend(f Failure, err error) bool {
	cost := 5
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		cost = 10
	}
	if f.Free() {
		cost = 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left < cost {
		return false
	}
	q.left -= cost
	return true
}
