//go:build !race

// The race detector of Go 1.26 ends the program now and then where goroutines in a bubble
// of testing/synctest wait many thousands of times, the more often, the more processors
// there are (golang/go#78156). So these tests are built without it.

package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

const latency = 20 * time.Millisecond

// server is a server with a limit. It decides when a request has arrived, 20 ms
// after it was sent, or at once if the limit is on what is in flight.
type server struct {
	takes   func(now time.Time) bool // nil: all
	jitter  time.Duration            // of the 20 ms
	slots   int                      // in flight at most; 0: any
	slow    time.Duration            // that a refusal for want of a slot takes
	refusal ratelimit.Answer
	asked   func(now time.Time) time.Duration // Retry-After

	flight, taken, refused atomic.Int64
}

func (s *server) serve() (ratelimit.Answer, time.Duration) {
	defer s.flight.Add(-1)
	if n := int(s.flight.Add(1)); s.slots > 0 && n > s.slots {
		s.flight.Add(-1)
		time.Sleep(s.slow)
		s.flight.Add(1)
		return s.refuse()
	}
	time.Sleep(latency - s.jitter/2 + time.Duration(rand.Float64()*float64(s.jitter)))
	if s.takes != nil && !s.takes(time.Now()) {
		return s.refuse()
	}
	s.taken.Add(1)
	return ratelimit.Accepted, 0
}

func (s *server) refuse() (ratelimit.Answer, time.Duration) {
	s.refused.Add(1)
	if s.asked == nil {
		return s.refusal, 0
	}
	return s.refusal, s.asked(time.Now())
}

// bucket takes so many a second, and size at once after a pause.
func bucket(perSecond float64, size int) func(time.Time) bool {
	tokens := rate.NewLimiter(rate.Limit(perSecond), size)
	return func(now time.Time) bool { return tokens.AllowN(now, 1) }
}

// window takes n in each period of the clock.
func window(n int, period time.Duration) func(time.Time) bool {
	var mu sync.Mutex
	var current time.Time
	taken := 0
	return func(now time.Time) bool {
		mu.Lock()
		defer mu.Unlock()
		if start := now.Truncate(period); start != current {
			current, taken = start, 0
		}
		taken++
		return taken <= n
	}
}

// untilNextMinute is the time until the next minute begins, in whole seconds, and more.
func untilNextMinute(more time.Duration) func(time.Time) time.Duration {
	return func(now time.Time) time.Duration {
		left := now.Truncate(time.Minute).Add(time.Minute).Sub(now)
		return (left + time.Second - 1).Truncate(time.Second) + more
	}
}

func always(asked time.Duration) func(time.Time) time.Duration {
	return func(time.Time) time.Duration { return asked }
}

// client makes calls as the library does.
type client struct {
	limiter *ratelimit.Limiter
	server  *server
}

// attempt takes a turn. err is that of Wait.
func (c *client) attempt(p *ratelimit.Place, write bool) (a ratelimit.Answer, refused bool, err error) {
	turn, err := c.limiter.Wait(context.Background(), p, write)
	if err != nil {
		return ratelimit.Other, false, err
	}
	defer turn.Done()
	a, asked := c.server.serve()
	return a, turn.Answer(a, asked), nil
}

// create makes a thing: a refused create waits for another turn, after a 503 when
// the looks did not find it. One other 503 is allowed.
func (c *client) create() (ok bool) {
	p := new(ratelimit.Place)
	for failures := 0; failures < 2; {
		a, refused, err := c.attempt(p, true)
		switch {
		case err != nil:
			return false
		case a == ratelimit.Accepted:
			return true
		case !refused:
			failures++
		}
		if a == ratelimit.Unavailable && !c.absent(p) {
			return false
		}
	}
	return false
}

// absent looks three times, and reports whether a look succeeded.
func (c *client) absent(p *ratelimit.Place) (ok bool) {
	for _, wait := range []time.Duration{0, time.Second, 3 * time.Second} {
		time.Sleep(wait)
		ok = c.read(p) || ok
	}
	return ok
}

func (c *client) read(p *ratelimit.Place) bool {
	for failures := 0; failures < 4; {
		a, refused, err := c.attempt(p, false)
		switch {
		case err != nil:
			return false
		case a == ratelimit.Accepted:
			return true
		case !refused:
			time.Sleep(time.Duration(rand.Int64N(int64(500*time.Millisecond) << failures)))
			failures++
		}
	}
	return false
}

// result is what came of a storm.
type result struct {
	lost, refused, emptiest, fullest int
	share                            float64
	made                             float64 // as share, without the looks
	longest, took                    time.Duration
}

// run makes n calls by so many workers.
func (c *client) run(workers, n int) result {
	var r result
	var next, lost, longest atomic.Int64
	var working sync.WaitGroup
	made := make([]int, workers)
	start := time.Now()
	for w := range workers {
		working.Go(func() {
			for next.Add(1) <= int64(n) {
				began := time.Now()
				if c.create() {
					made[w]++
				} else {
					lost.Add(1)
				}
				for took := int64(time.Since(began)); ; {
					if before := longest.Load(); before >= took || longest.CompareAndSwap(before, took) {
						break
					}
				}
			}
		})
	}
	working.Wait()
	r.took = time.Since(start)
	r.lost, r.longest = int(lost.Load()), time.Duration(longest.Load())
	r.refused = int(c.server.refused.Load()) * 1000 / n
	r.emptiest, r.fullest = slices.Min(made), slices.Max(made)
	return r
}

type storm struct {
	name      string
	server    func() *server
	perSecond float64 // the server's limit
	period    time.Duration
	workers   []int
	calls     int
	share     float64 // at least
	refused   int     // of 1,000, at most
	unfair    bool    // no claim about fairness: the looks take 4 s
}

func limited(takes func() func(time.Time) bool, refusal ratelimit.Answer, asked func(time.Time) time.Duration) func() *server {
	return func() *server { return &server{takes: takes(), refusal: refusal, asked: asked} }
}

func ofBucket(perSecond float64, size int) func() func(time.Time) bool {
	return func() func(time.Time) bool { return bucket(perSecond, size) }
}

func ofWindow(n int, period time.Duration) func() func(time.Time) bool {
	return func() func(time.Time) bool { return window(n, period) }
}

func storms() (all []storm) {
	both := []int{16, 64}
	const tooMany, unavailable = ratelimit.TooMany, ratelimit.Unavailable
	for _, perSecond := range []int{1, 2, 5, 10} {
		calls, r := max(1000, 400*perSecond), float64(perSecond)
		all = append(all,
			storm{name: fmt.Sprintf("%d/s, bucket of 1", perSecond), server: limited(ofBucket(r, 1), tooMany, nil), perSecond: r, period: time.Second, calls: calls},
			storm{name: fmt.Sprintf("%d/s, bucket of 1, Retry-After 1", perSecond), server: limited(ofBucket(r, 1), tooMany, always(time.Second)), perSecond: r, period: 2 * time.Second, calls: calls})
		if perSecond > 1 {
			all = append(all,
				storm{name: fmt.Sprintf("%d/s, bucket of %d", perSecond, perSecond), server: limited(ofBucket(r, perSecond), tooMany, nil), perSecond: r, period: time.Second, calls: calls},
				storm{name: fmt.Sprintf("%d/s, window", perSecond), server: limited(ofWindow(perSecond, time.Second), tooMany, nil), perSecond: r, period: time.Second, calls: calls})
		}
	}
	all = append(all,
		storm{name: "60 a minute, Retry-After", server: limited(ofWindow(60, time.Minute), tooMany, untilNextMinute(0)), perSecond: 1, period: time.Minute, calls: 900},
		storm{name: "60 a minute, Retry-After up to 61", server: limited(ofWindow(60, time.Minute), tooMany, untilNextMinute(time.Second)), perSecond: 1, period: time.Minute, calls: 900},
		storm{name: "60 a minute, silent", server: limited(ofWindow(60, time.Minute), tooMany, nil), perSecond: 1, period: time.Minute, calls: 900, refused: 355},
		storm{name: "600 a minute", server: limited(ofWindow(600, time.Minute), tooMany, untilNextMinute(0)), perSecond: 10, period: time.Minute, calls: 3000},
		storm{name: "600 a minute, silent", server: limited(ofWindow(600, time.Minute), tooMany, nil), perSecond: 10, period: time.Minute, calls: 3000},
		storm{name: "4 in flight, else 429", server: func() *server { return &server{slots: 4, refusal: tooMany} }, perSecond: 200, calls: 3000},
		storm{name: "4 in flight, else 429 after 20 ms", server: func() *server { return &server{slots: 4, slow: latency, refusal: tooMany} }, perSecond: 200, calls: 3000, share: 0.9},
		storm{name: "4 in flight, else 503", server: func() *server { return &server{slots: 4, refusal: unavailable} }, perSecond: 200, calls: 3000, unfair: true},
	)
	for name, takes := range map[string]func() func(time.Time) bool{"bucket of 50": ofBucket(50, 50), "bucket of 5": ofBucket(50, 5), "window": ofWindow(50, time.Second)} {
		for asked, after := range map[string]func(time.Time) time.Duration{"": nil, ", Retry-After 1": always(time.Second)} {
			all = append(all, storm{name: "50/s, " + name + asked, server: limited(takes, tooMany, after), perSecond: 50, period: 8 * time.Second, calls: 6000})
		}
	}
	all = append(all,
		storm{name: "1/s", server: limited(ofBucket(1, 1), tooMany, nil), perSecond: 1, period: time.Second, workers: []int{200}, calls: 2000},
		storm{name: "0.2/s", server: limited(ofBucket(0.2, 1), tooMany, nil), perSecond: 0.2, period: 5 * time.Second, workers: []int{16}, calls: 600},
		storm{name: "1/s, one caller", server: limited(ofBucket(1, 1), tooMany, nil), perSecond: 1, period: time.Second, workers: []int{1}, calls: 300},
		storm{name: "10/s, else 503", server: limited(ofBucket(10, 10), unavailable, nil), perSecond: 10, period: 4 * time.Second, workers: []int{16}, calls: 1000, share: 0.87, unfair: true},
		storm{name: "1/s, else 503", server: limited(ofBucket(1, 1), unavailable, nil), perSecond: 1, period: 4 * time.Second, workers: []int{16}, calls: 1000, share: 0.87, unfair: true},
	)
	for i := range all {
		s := &all[i]
		if s.workers == nil {
			s.workers = both
		}
		if s.share == 0 {
			s.share = 0.95
		}
		if s.refused == 0 {
			s.refused = 160
		}
	}
	return all
}

// Where a server has a limit, nothing is lost, and the limit is used.
func TestStorms(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var table []string
	t.Run("all", func(t *testing.T) {
		for _, s := range storms() {
			for _, workers := range s.workers {
				name := fmt.Sprintf("%s, %d workers", s.name, workers)
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						c := &client{learning(), s.server()}
						r := c.run(workers, s.calls)
						r.share = float64(c.server.taken.Load()) / r.took.Seconds() / s.perSecond
						r.made = float64(s.calls-r.lost) / r.took.Seconds() / s.perSecond
						mu.Lock()
						table = append(table, fmt.Sprintf("%-50s %4d %6.3f %6.3f %8.1f %5d %4d %4d", name, r.lost, r.share, r.made, r.longest.Seconds(), r.refused, r.emptiest, r.fullest))
						mu.Unlock()
						require.Zero(t, r.lost, "lost")
						require.GreaterOrEqual(t, r.share, s.share, "share")
						require.LessOrEqual(t, r.refused, s.refused, "refusals per 1,000")
						fair := time.Duration(float64(workers) / s.perSecond * float64(time.Second))
						if s.unfair {
							fair = 4*fair + 4*time.Second // a refused create takes three looks, and 4 s; it may be refused twice
						} else {
							require.LessOrEqual(t, r.fullest, 3*r.emptiest, "the fullest worker, beside the emptiest")
						}
						require.LessOrEqual(t, r.longest, 2*fair+max(s.period, time.Second), "the longest call")
					})
				})
			}
		}
	})
	slices.Sort(table)
	t.Logf("\n%-50s lost  share   made  longest refused/1000 emptiest fullest\n%s", "storm", strings.Join(table, "\n"))
}

// Two clients under one limit get both a share of it. Where a client that is never
// refused leaves no gap, as with buckets and slots, the shares can be far apart.
func TestTwoClients(t *testing.T) {
	t.Parallel()
	const tooMany = ratelimit.TooMany
	for name, s := range map[string]struct {
		server func() *server
		calls  int
		late   time.Duration // the second client, after the first
		share  float64       // of the other's, at least
	}{
		"1/s, bucket of 1":         {limited(ofBucket(1, 1), tooMany, nil), 1000, 0, 0},
		"1/s, bucket of 1, late":   {limited(ofBucket(1, 1), tooMany, nil), 1000, 2 * time.Minute, 0},
		"10/s, bucket of 1":        {limited(ofBucket(10, 1), tooMany, nil), 1000, 0, 0},
		"10/s, bucket of 10":       {limited(ofBucket(10, 10), tooMany, nil), 1000, 0, 0},
		"10/s, bucket of 10, late": {limited(ofBucket(10, 10), tooMany, nil), 1000, time.Minute, 0},
		"10/s, Retry-After 1":      {limited(ofBucket(10, 10), tooMany, always(time.Second)), 1000, 0, 0},
		"40/s, bucket of 5":        {limited(ofBucket(40, 5), tooMany, nil), 3000, 0, 0},
		"50/s, window":             {limited(ofWindow(50, time.Second), tooMany, nil), 3000, 0, 0.25},
		"60 a minute":              {limited(ofWindow(60, time.Minute), tooMany, nil), 1000, 0, 0.25},
		"4 in flight":              {func() *server { return &server{slots: 4, refusal: tooMany} }, 3000, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := s.server()
				server.jitter = latency
				var made [2]atomic.Int64
				var stopped atomic.Bool
				var working sync.WaitGroup
				for i := range made {
					if i == 1 {
						time.Sleep(s.late)
						made[0].Store(0)
					}
					c := &client{learning(), server}
					for range 16 {
						working.Go(func() {
							for !stopped.Load() && c.create() {
								made[i].Add(1)
								if made[0].Load()+made[1].Load() >= int64(s.calls) {
									stopped.Store(true)
								}
							}
						})
					}
				}
				working.Wait()
				less, more := min(made[0].Load(), made[1].Load()), max(made[0].Load(), made[1].Load())
				t.Logf("%s: %d and %d", name, less, more)
				require.GreaterOrEqual(t, float64(less), s.share*float64(more))
			})
		})
	}
}

// A client that begins while a window is used up has learnt nothing of the rate, and is
// soon told.
func TestAWindowThatIsUsedUp(t *testing.T) {
	t.Parallel()
	for n, workers := range map[int]int{60: 16, 61: 64, 600: 64} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				takes := window(n, time.Minute)
				for range n {
					takes(time.Now())
				}
				c := &client{learning(), &server{takes: takes, refusal: ratelimit.TooMany, asked: untilNextMinute(0)}}
				r := c.run(workers, 12*n)
				t.Logf("%d a minute: %+v", n, r)
				require.Zero(t, r.lost)
				require.Less(t, r.took, 15*time.Minute)
				require.Less(t, r.refused, 200, "of 1,000; at the start all are refused, the 64 too")
			})
		})
	}
}

// A server that lowers its limit from 20 to 5 a second.
func TestALimitThatFalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens, start := rate.NewLimiter(20, 1), time.Now()
		c := &client{learning(), &server{refusal: ratelimit.TooMany, takes: func(now time.Time) bool {
			if now.Sub(start) > 20*time.Second {
				tokens.SetLimitAt(now, 5)
			}
			return tokens.AllowN(now, 1)
		}}}
		r := c.run(16, 1000)
		t.Logf("%+v", r)
		require.Zero(t, r.lost)
		require.Less(t, r.took, 160*time.Second)
		require.Less(t, r.longest, 10*time.Second)
	})
}

// An outage is not a limit: calls fail as they would without a Limiter, and there is
// no burst after it.
func TestAnOutage(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{16, 64} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var mu sync.Mutex
			var perSecond [50]int
			c := &client{learning(), &server{refusal: ratelimit.Unavailable, takes: func(now time.Time) bool {
				second := int(now.Sub(start) / time.Second)
				mu.Lock()
				defer mu.Unlock()
				if second < len(perSecond) {
					perSecond[second]++
				}
				return second < 10 || second >= 40
			}}}
			r := c.run(workers, workers*1000)
			t.Logf("%d workers: %d lost, the longest %v, requests a second %v", workers, r.lost, r.longest, perSecond)
			require.LessOrEqual(t, r.lost, 10*workers)
			require.Less(t, r.longest, 40*time.Second)
			for second := 12; second < 40; second++ {
				require.Less(t, perSecond[second], 10*workers, "in the outage")
			}
			for _, n := range perSecond {
				require.LessOrEqual(t, n, 50*workers, "what the workers can do without waiting")
			}
		})
	}
}

// Where nobody is accepted, all give up: after a 503 soon, after a 429 within their patience.
func TestNobodyIsAccepted(t *testing.T) {
	t.Parallel()
	for refusal, longest := range map[ratelimit.Answer]time.Duration{ratelimit.TooMany: patience + 3*time.Second, ratelimit.Unavailable: 40 * time.Second} {
		for _, accepts := range []int{0, 1000} {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				c := &client{learning(), &server{refusal: refusal, takes: func(time.Time) bool { return int(n.Add(1)) <= accepts }}}
				r := c.run(64, accepts+64)
				t.Logf("after %d accepts: %d lost, the longest %v", accepts, r.lost, r.longest)
				require.Equal(t, 64, r.lost)
				require.LessOrEqual(t, r.longest, longest)
			})
		}
	}
}

// Between bursts that a bucket can take nobody waits long.
func TestACallerWhoPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &client{learning(), &server{refusal: ratelimit.TooMany, takes: bucket(2, 10)}}
		var took time.Duration
		for range 20 {
			took += c.run(16, 20).took
			time.Sleep(time.Minute)
		}

		require.Less(t, took, 160*time.Second, "100 s is the least, 200 without the bucket")
		require.Less(t, c.server.refused.Load(), int64(100), "of 400")
	})
}
