package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/retry"
)

// policy is an ordinary one.
var policy = retry.Policy{MaxAttempts: 4, BaseWait: 500 * time.Millisecond, MaxWait: 10 * time.Second, MaxAfter: time.Minute}

// A policy with fewer attempts than the table bounds its counts; one with more
// raises them by as much, but for those that are tried once.
func TestAttempts(t *testing.T) {
	t.Parallel()
	for most, want := range map[int]map[retry.Rule]int{
		1:  {1: 1, 2: 1, 3: 1, 4: 1},
		2:  {1: 1, 2: 2, 3: 2, 4: 2},
		3:  {1: 1, 2: 2, 3: 3, 4: 3},
		4:  {1: 1, 2: 2, 3: 3, 4: 4},
		5:  {1: 1, 2: 3, 3: 4, 4: 5},
		10: {1: 1, 2: 8, 3: 9, 4: 10},
	} {
		for rule, attempts := range want {
			require.Equal(t, attempts, retry.Policy{MaxAttempts: most}.Attempts(rule), "%d of at most %d", rule, most)
		}
		for _, rule := range []retry.Rule{retry.Done, retry.SendMissing, retry.Verify, retry.Resend} {
			require.LessOrEqual(t, retry.Policy{MaxAttempts: most}.Attempts(rule), 0, rule)
		}
	}
	require.Equal(t, retry.DefaultAttempts, policy.Attempts(retry.RuleFor(retry.NotSent, retry.Read)), "the most of the table")
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		asked  time.Duration
		within time.Duration // until the deadline; 0: none
		want   bool
	}{
		"nothing asked":                           {0, 0, true},
		"nothing asked, and little time":          {0, 1, true},
		"the longest":                             {time.Minute, 0, true},
		"longer":                                  {time.Minute + 1, 0, false},
		"longer, before the deadline":             {time.Minute + 1, time.Hour, false},
		"at the deadline with what is added":      {time.Second, 1500 * time.Millisecond, true},
		"not before the deadline":                 {time.Second, 1500*time.Millisecond - 1, false},
		"long, and long before the deadline":      {time.Minute, time.Hour, true},
		"the longest, and not before the context": {time.Minute, time.Minute, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if test.within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.within)
				defer cancel()
			}
			require.Equal(t, test.want, policy.Accepts(ctx, test.asked), name)
		})
	}
}

// waits are the shortest and the longest of many.
func waits(wait func() time.Duration) (least, most time.Duration) {
	least = wait()
	for range 500 {
		next := wait()
		least, most = min(least, next), max(most, next)
	}
	return least, most
}

// A wait is a random part of a ceiling that doubles up to the policy's own, and
// never overflows.
func TestWaitDoubles(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]retry.Policy{
		"ordinary":            policy,
		"short, and a year":   {BaseWait: 100 * time.Millisecond, MaxWait: retry.LongestWait},
		"a year":              {BaseWait: retry.LongestWait, MaxWait: retry.LongestWait},
		"less than the first": {BaseWait: time.Minute, MaxWait: time.Second},
		"two steps":           {BaseWait: time.Second, MaxWait: 2 * time.Second},
		"an uneven ceiling":   {BaseWait: time.Second, MaxWait: 7 * time.Second},
	} {
		ceiling := min(p.BaseWait, p.MaxWait)
		for n := range 101 {
			least, most := waits(func() time.Duration { return p.Wait(n, 0) })
			require.GreaterOrEqual(t, least, time.Duration(0), "%s: attempt %d", name, n)
			require.LessOrEqual(t, most, ceiling, "%s: attempt %d", name, n)
			require.Less(t, least, ceiling/4, "%s: attempt %d: all of it is used", name, n)
			require.Greater(t, most, ceiling/4*3, "%s: attempt %d: all of it is used", name, n)
			if ceiling <= p.MaxWait/2 {
				ceiling *= 2
			} else {
				ceiling = p.MaxWait
			}
		}
	}
	require.Zero(t, retry.Policy{}.Wait(0, 0), "no policy, no wait")
	seen := make(map[time.Duration]bool)
	for range 500 {
		seen[retry.Policy{BaseWait: 3, MaxWait: time.Hour}.Wait(0, 0)] = true
	}
	require.Equal(t, map[time.Duration]bool{0: true, 1: true, 2: true, 3: true}, seen, "none and all of it are parts too")
}

// What the server asks for is kept to, and a part of BaseWait is added: those
// who were told the same come back one after the other.
func TestWaitAsAsked(t *testing.T) {
	t.Parallel()
	for _, asked := range []time.Duration{1, time.Second, time.Minute, retry.LongestWait} {
		for _, n := range []int{0, 1, 31, 32, 63, 64, 100} {
			least, most := waits(func() time.Duration { return policy.Wait(n, asked) })
			require.GreaterOrEqual(t, least, asked)
			require.Less(t, most, asked+policy.BaseWait)
			require.Less(t, least, asked+policy.BaseWait/4)
			require.Greater(t, most, asked+policy.BaseWait/4*3)
		}
	}
}

// A date counts from the answer's own, and else from this machine's clock.
func TestAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // it is 2000-01-01 00:00:00 in here
		require.Zero(t, retry.After(nil))
		for name, test := range map[string]struct {
			header http.Header
			want   time.Duration
		}{
			"nothing":               {nil, 0},
			"seconds":               {http.Header{"Retry-After": {"90"}}, 90 * time.Second},
			"a year and a day":      {http.Header{"Retry-After": {"31622400"}}, retry.LongestWait},
			"longer":                {http.Header{"Retry-After": {"31622401"}}, 0},
			"a date":                {http.Header{"Retry-After": {"Sat, 01 Jan 2000 00:00:30 GMT"}}, 30 * time.Second},
			"a date, a wrong clock": {http.Header{"Retry-After": {"Fri, 31 Dec 1999 20:00:30 GMT"}, "Date": {"Fri, 31 Dec 1999 20:00:00 GMT"}}, 30 * time.Second},
			"a date that is past":   {http.Header{"Retry-After": {"Fri, 31 Dec 1999 23:59:59 GMT"}}, 0},
			"a date of a year":      {http.Header{"Retry-After": {"Mon, 01 Jan 2001 00:00:00 GMT"}}, retry.LongestWait},
			"a date that is far":    {http.Header{"Retry-After": {"Mon, 01 Jan 2001 00:00:01 GMT"}}, 0},
		} {
			require.Equal(t, test.want, retry.After(&http.Response{Header: test.header}), name)
		}
	})
}

// The body of a success may be cut: the next attempt does not wait for what the
// header of such an answer says.
func TestAfterOfSuccess(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]time.Duration{
		199: time.Minute, 200: 0, 201: 0, 204: 0, 299: 0, 300: time.Minute, 301: time.Minute, 429: time.Minute, 503: time.Minute,
	} {
		require.Equal(t, want, retry.After(&http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"60"}}}), status)
	}
}

func TestSleep(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wait   time.Duration
		within time.Duration // until the context ends; 0: it does not; negative: it has
		took   time.Duration
		err    error
	}{
		"a wait":                      {time.Minute, 0, time.Minute, nil},
		"none":                        {0, 0, 0, nil},
		"less than none":              {-1, 0, 0, nil},
		"a context that ends":         {time.Minute, time.Second, time.Second, context.DeadlineExceeded},
		"a context that ends later":   {time.Minute, time.Hour, time.Minute, nil},
		"a context that has ended":    {time.Minute, -1, 0, context.DeadlineExceeded},
		"none, and one that has":      {0, -1, 0, context.DeadlineExceeded},
		"less than none, and one too": {-1, -1, 0, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if test.within != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.within)
				defer cancel()
			}
			start := time.Now()
			require.Equal(t, test.err, retry.Sleep(ctx, test.wait), name)
			require.Equal(t, test.took, time.Since(start), name)
		})
	}
}

// A context that has ended is told each time, also if the wait is over as well.
func TestSleepAfterTheEnd(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 1000 {
		require.Equal(t, context.Canceled, retry.Sleep(ended, 0))
		require.Equal(t, context.Canceled, retry.Sleep(ended, -1))
	}
}

// slowError is a net.Error that is a timeout, or is not.
type slowError bool

func (slowError) Error() string     { return "slow" }
func (e slowError) Timeout() bool   { return bool(e) }
func (e slowError) Temporary() bool { return bool(e) }

var _ net.Error = slowError(true)

// left finds how much is left of a quota, and uses it up.
func left(t *testing.T, q *retry.Quota) int {
	t.Helper()
	n := 0
	for q.Spend(retry.Broken, nil) {
		n += 5
		require.LessOrEqual(t, n, 1000, "no quota has more")
	}
	return n
}

func TestQuotaSpend(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failure retry.Failure
		err     error
		cost    int
	}{
		"an answer":                          {retry.Unavailable, nil, 5},
		"an error":                           {retry.Lost, errors.New("reset"), 5},
		"a net.Error that is no timeout":     {retry.Lost, slowError(false), 5},
		"a timeout":                          {retry.Lost, slowError(true), 10},
		"a timeout, deep down":               {retry.Lost, fmt.Errorf("get: %w", slowError(true)), 10},
		"a timeout before it was sent":       {retry.NotSent, &net.OpError{Op: "dial", Err: slowError(true)}, 10},
		"a 503 while others are accepted":    {retry.Throttled, nil, 0},
		"a connection that was closed":       {retry.Stale, io.EOF, 0},
		"a refusal":                          {retry.Refused, nil, 0},
		"a refusal whose body does not come": {retry.Refused, slowError(true), 0},
	} {
		q := retry.NewQuota(100)
		require.True(t, q.Spend(test.failure, test.err), name)
		require.Equal(t, 100-test.cost, left(t, q), name)
		require.Equal(t, test.cost == 0, q.Spend(test.failure, test.err), "%s, when nothing is left", name)
	}
}

// What cannot be paid costs nothing.
func TestQuotaThatDoesNotReach(t *testing.T) {
	t.Parallel()
	q := retry.NewQuota(9)
	require.False(t, q.Spend(retry.Lost, slowError(true)))
	require.True(t, q.Spend(retry.Broken, nil))
	require.False(t, q.Spend(retry.Broken, nil), "4 are left")
	q.Refund()
	require.True(t, q.Spend(retry.Broken, nil))
	for range 10 {
		require.True(t, q.Spend(retry.Refused, nil))
	}
	require.False(t, q.Spend(retry.Broken, nil), "a refusal gives nothing back")
	require.False(t, retry.NewQuota(0).Spend(retry.Broken, nil))
	require.True(t, retry.NewQuota(10).Spend(retry.Lost, slowError(true)))
}

// A success gives 1 back, and never more than there was.
func TestQuotaRefund(t *testing.T) {
	t.Parallel()
	q := retry.NewQuota(100)
	for range 50 {
		q.Refund()
	}
	require.Equal(t, 100, left(t, q))
	for range 12 {
		q.Refund()
	}
	require.Equal(t, 10, left(t, q), "12, of which 2 do not pay for one")
	for range 200 {
		q.Refund()
	}
	require.Equal(t, 100, left(t, q))
}

func TestQuotaIsShared(t *testing.T) {
	t.Parallel()
	q := retry.NewQuota(1000)
	var all sync.WaitGroup
	var spent atomic.Int64
	for range 50 {
		all.Go(func() {
			for range 20 {
				if q.Spend(retry.Broken, nil) {
					spent.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 200, spent.Load())
	for range 10 {
		all.Go(func() {
			for range 10 {
				q.Refund()
			}
		})
	}
	all.Wait()
	require.Equal(t, 100, left(t, q))
}

func TestOutlive(t *testing.T) {
	t.Parallel()
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		caller, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "the caller's"))
		ctx, end := retry.Outlive(caller, time.Minute)
		defer end()
		require.Equal(t, "the caller's", ctx.Value(key{}))
		time.Sleep(time.Hour)
		require.NoError(t, ctx.Err())
		leave()
		time.Sleep(59 * time.Second)
		require.NoError(t, ctx.Err())
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
	})
	synctest.Test(t, func(t *testing.T) { // nothing is left behind, whether its caller has left or not
		for _, left := range []bool{false, true} {
			caller, leave := context.WithCancel(t.Context())
			ctx, end := retry.Outlive(caller, time.Hour)
			if left {
				leave()
			}
			start := time.Now()
			end()
			require.Error(t, ctx.Err())
			synctest.Wait()
			require.Zero(t, time.Since(start))
			leave()
		}
	})
}

// countingContext is a caller's context, and counts the functions that wait for its end.
type countingContext struct {
	context.Context
	done    chan struct{}
	waiting int
}

func (c *countingContext) Done() <-chan struct{} { return c.done }

func (c *countingContext) AfterFunc(func()) (stop func() bool) {
	c.waiting++
	return func() bool {
		c.waiting--
		return true
	}
}

// A service may use one context for years: no call leaves anything behind in it.
func TestOutliveLeavesItsCaller(t *testing.T) {
	t.Parallel()
	caller := &countingContext{Context: context.Background(), done: make(chan struct{})}
	_, end := retry.Outlive(caller, time.Hour)
	require.Equal(t, 1, caller.waiting)
	end()
	require.Zero(t, caller.waiting)
}
