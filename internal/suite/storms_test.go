//go:build !race

// The race detector of Go 1.26 ends the program now and then where goroutines in a bubble
// of testing/synctest wait many thousands of times, the more often, the more processors
// there are (golang/go#78156). So these tests are built without it.

package suite_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// storm is more work than a server takes: workers that create groups, one after the
// other, on a server with a limit that the client is not told.
type storm struct {
	name    string
	workers int
	creates int
	limit   siptest.Limit
	later   *siptest.Limit // the limit after a tenth of the creates
	clients int            // that share the work; 0: one
	opts    []infinitysip.Option

	share   float64       // of what the server would take, at least
	longest time.Duration // a create takes at most
	refused int           // refusals per 1,000 creates, at most
	lost    int           // creates, at most; those that end in an error
	uneven  bool          // workers may get unequal parts
}

// stormResult is what came of a storm.
type stormResult struct {
	lost, twice, refused int
	share                float64
	longest, took        time.Duration
	fullest, emptiest    int // creates of a worker
	perClient            []int
}

const stormLatency = 20 * time.Millisecond

// run makes the storm, in a bubble.
func (s storm) run(t *testing.T) (r stormResult) {
	t.Helper()
	server := siptest.New(t, siptest.Options{AllowDuplicates: true, Latency: stormLatency, Limit: &s.limit})
	domain := server.AddDomain(infinitysip.Domain{ID: 1})
	clients := make([]*infinitysip.Client, max(s.clients, 1))
	for i := range clients {
		clients[i] = server.InProcessClient(s.opts...)
	}
	var next, lost, longest, done atomic.Int64
	made, byClient := make([]int, s.workers), make([]atomic.Int64, len(clients))
	var working sync.WaitGroup
	began := time.Now()
	for worker := range s.workers {
		working.Go(func() {
			for n := next.Add(1); n <= int64(s.creates); n = next.Add(1) {
				if s.later != nil && n == int64(s.creates/10) {
					server.SetLimit(s.later)
				}
				start, client := time.Now(), worker%len(clients)
				err := stormGroup(t, clients[client], domain, n)
				if err != nil {
					t.Log(err)
					lost.Add(1)
				} else {
					made[worker]++
					byClient[client].Add(1)
				}
				raise(&longest, int64(time.Since(start)))
				done.Store(int64(time.Since(began)))
			}
		})
	}
	working.Wait()
	r.took = time.Duration(done.Load())
	r.twice = len(server.Groups(domain)) - len(groupNames(server, domain))
	accepted := 0
	for _, request := range server.Requests() {
		if request.Status/100 == 2 {
			accepted++
		}
	}
	r.lost, r.longest = int(lost.Load()), time.Duration(longest.Load())
	r.refused = server.Refused() * 1000 / s.creates
	r.share = float64(accepted) / s.budget(r.took, accepted)
	r.fullest, r.emptiest = slices.Max(made), slices.Min(made)
	for i := range byClient {
		r.perClient = append(r.perClient, int(byClient[i].Load()))
	}
	return r
}

// raise makes n at least as much as value.
func raise(n *atomic.Int64, value int64) {
	for most := n.Load(); value > most && !n.CompareAndSwap(most, value); most = n.Load() {
	}
}

// budget is the most that the server can have accepted in a time.
func (s storm) budget(took time.Duration, accepted int) float64 {
	limit, most := s.limit, math.Inf(1)
	if s.later != nil {
		limit = *s.later // but for the first tenth, which is less than what follows
	}
	per := limit.Per
	if per == 0 {
		per = time.Second
	}
	if limit.Requests > 0 {
		most = float64(limit.Requests)*took.Seconds()/per.Seconds() + float64(cmp.Or(limit.Burst, limit.Requests))
		if limit.Window {
			most = float64(limit.Requests) * (math.Floor(took.Seconds()/per.Seconds()) + 1)
		}
	}
	if limit.InFlight > 0 {
		most = min(most, float64(limit.InFlight)*took.Seconds()/stormLatency.Seconds())
	}
	if math.IsInf(most, 1) {
		return float64(accepted)
	}
	return most
}

func bucketOf(perSecond, size int) siptest.Limit {
	return siptest.Limit{Requests: perSecond, Burst: size}
}

func windowOf(n int, per time.Duration) siptest.Limit {
	return siptest.Limit{Requests: n, Per: per, Window: true}
}

// storms are the 34 that clients met, in which 19 lost calls, and those beyond.
func storms() (all []storm) {
	add := func(name string, limit siptest.Limit, creates int, fair func(workers int) time.Duration, change func(*storm)) {
		for _, workers := range []int{16, 64} {
			s := storm{name: name, workers: workers, creates: creates, limit: limit, share: 0.95, refused: 160, longest: fair(workers)}
			if change != nil {
				change(&s)
			}
			all = append(all, s)
		}
	}
	// Twice what a worker waits if all have their turns, and a window. Where Retry-After
	// is whole seconds, that is another second.
	turns := func(perSecond float64, window time.Duration) func(int) time.Duration {
		return func(workers int) time.Duration {
			return 2*time.Duration(float64(workers)/perSecond*float64(time.Second)) + window + time.Second
		}
	}
	for _, n := range []int{1, 2, 5, 10} {
		add(fmt.Sprintf("%d/s, bucket of 1", n), bucketOf(n, 1), 300+100*n, turns(float64(n), time.Second), nil)
		second := windowOf(n, time.Second)
		second.RetryAfter = siptest.RetryAfterSeconds
		add(fmt.Sprintf("%d/s, windows, Retry-After", n), second, 300+100*n, turns(float64(n), 2*time.Second), nil)
	}
	for _, n := range []int{2, 5} {
		add(fmt.Sprintf("%d/s, bucket of %d", n, n), bucketOf(n, n), 300+100*n, turns(float64(n), time.Second), nil)
	}
	minute := windowOf(60, time.Minute)
	add("60 a minute, silent", minute, 1500, turns(1, time.Minute), func(s *storm) { s.refused = 355 })
	minute.RetryAfter = siptest.RetryAfterSeconds
	add("60 a minute, Retry-After", minute, 1500, turns(1, time.Minute), nil)
	minute.RetryAfter, minute.RetryAfterText = siptest.RetryAfterNone, "61"
	add("60 a minute, Retry-After 61", minute, 1500, turns(1, time.Minute), nil)
	minute = windowOf(600, time.Minute)
	add("600 a minute, silent", minute, 12000, turns(10, time.Minute), func(s *storm) { s.refused = 355 })
	minute.RetryAfter = siptest.RetryAfterSeconds
	add("600 a minute, Retry-After", minute, 12000, turns(10, time.Minute), nil)
	add("4 in flight", siptest.Limit{InFlight: 4}, 2000, turns(200, time.Second), nil)
	add("4 in flight, else 503", siptest.Limit{InFlight: 4, Status: 503}, 2000, turns(200, 9*time.Second), func(s *storm) { s.share, s.uneven = 0.87, true })

	// Beyond the list.
	one := func(s storm) { all = append(all, s) }
	for _, limit := range []siptest.Limit{bucketOf(50, 50), bucketOf(50, 5), windowOf(50, time.Second)} {
		limit.RetryAfter = siptest.RetryAfterSeconds
		name := fmt.Sprintf("50/s, bucket of %d", limit.Burst)
		if limit.Window {
			name = "50/s, windows"
		}
		one(storm{name: name, workers: 16, creates: 3000, limit: limit, share: 0.95, refused: 60, longest: 8 * time.Second})
	}
	five := bucketOf(5, 1)
	one(storm{name: "20/s, then 5/s", workers: 16, creates: 1000, limit: bucketOf(20, 1), later: &five, share: 0.87, refused: 160, longest: 15 * time.Second})
	one(storm{name: "1/s", workers: 200, creates: 800, limit: bucketOf(1, 1), share: 0.87, refused: 355, longest: 7 * time.Minute})
	one(storm{name: "0.2/s", workers: 8, creates: 240, limit: siptest.Limit{Requests: 1, Per: 5 * time.Second}, share: 0.87, refused: 355, longest: 90 * time.Second})
	dated := windowOf(2, time.Second)
	dated.RetryAfter = siptest.RetryAfterDate
	one(storm{name: "2/s, windows, a date", workers: 16, creates: 500, limit: dated, share: 0.87, refused: 160, longest: 20 * time.Second})
	for _, n := range []int{10, 1} {
		limit := bucketOf(n, 1)
		limit.Status = 503
		one(storm{name: fmt.Sprintf("%d/s, by 503", n), workers: 16, creates: 300 + 100*n, limit: limit, share: 0.87, refused: 355, longest: 2*time.Minute/time.Duration(n) + 10*time.Second, uneven: true})
	}
	one(storm{name: "4 in flight, slow refusals", workers: 16, creates: 2000, limit: siptest.Limit{InFlight: 4, Delay: 20 * time.Millisecond}, share: 0.9, refused: 160, longest: 5 * time.Second})
	// Two clients share windows well. Of a bucket of 1 one client may get nearly all.
	one(storm{name: "60 a minute, two clients", workers: 16, creates: 1000, clients: 2, limit: windowOf(60, time.Minute), share: 0.87, refused: 355, longest: 2 * time.Minute})
	one(storm{name: "5/s, two clients", workers: 16, creates: 1000, clients: 2, limit: bucketOf(5, 1), share: 0.3, refused: 355, longest: 5 * time.Minute, uneven: true})
	one(storm{name: "50/s, a limit configured", workers: 16, creates: 3000, limit: bucketOf(50, 1), opts: []infinitysip.Option{infinitysip.WithRateLimit(50, 1)}, share: 0.95, refused: 5, longest: 2 * time.Second})
	return all
}

// TestStorms holds the goals of every storm: of those with few workers, unless all
// are asked for.
func TestStorms(t *testing.T) {
	slow(t)
	t.Parallel()
	var mu sync.Mutex
	lines := make(map[string]string)
	t.Cleanup(func() {
		if *allStorms {
			fmt.Print(stormTable(lines))
		}
	})
	for _, s := range storms() {
		if s.workers > 16 && !*allStorms {
			continue
		}
		name := fmt.Sprintf("%s, %d workers", s.name, s.workers)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counted.storms.Add(1)
			t.Cleanup(func() {
				if !t.Failed() {
					counted.held.Add(1)
				}
			})
			var r stormResult
			synctest.Test(t, func(t *testing.T) { r = s.run(t) })
			mu.Lock()
			lines[s.name+fmt.Sprint(s.workers)] = fmt.Sprintf("| %s | %d | %d | %d | %.2f | %.1f | %d | %d to %d |", s.name, s.workers, r.lost, r.twice, r.share, r.longest.Seconds(), r.refused, r.emptiest, r.fullest)
			mu.Unlock()
			require.Zero(t, r.twice, "made twice")
			require.LessOrEqual(t, r.lost, s.lost, "lost")
			require.GreaterOrEqual(t, r.share, s.share, "share of the budget")
			require.LessOrEqual(t, r.longest, s.longest, "the longest create")
			require.LessOrEqual(t, r.refused, s.refused, "refusals")
			if !s.uneven {
				require.LessOrEqual(t, r.fullest, 3*r.emptiest+3, "the fullest worker against the emptiest, %d", r.emptiest)
			}
			if len(r.perClient) == 2 && !s.uneven {
				require.LessOrEqual(t, slices.Max(r.perClient), 4*slices.Min(r.perClient), "the two clients")
			}
		})
	}
}

// Limits that are low, on the rate or on what is in flight, are learnt too: no call
// is lost, and none is made twice.
func TestLowLimits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status          int
		perSecond       float64
		inFlight        int64
		workers, calls  int64
		share, refusals float64 // of the limit, at least; of a call, at most
	}{
		"one a second":                  {429, 1, 0, 16, 1000, 0.9, 0.25},
		"two a second":                  {429, 2, 0, 64, 1000, 0.9, 0.3},
		"one in five seconds":           {429, 0.2, 0, 4, 200, 0.8, 1.2},
		"four at a time":                {429, 0, 4, 16, 2000, 0.95, 0.05},
		"four at a time, told by a 503": {503, 0, 4, 16, 2000, 0.87, 0.05},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				made := make(map[string]int)
				var flying, refused atomic.Int64
				tokens := rate.NewLimiter(rate.Limit(test.perSecond), 1)
				s := &stub{}
				s.respond = func(n int, req *http.Request) (*http.Response, error) {
					if req.Method == http.MethodGet {
						return answer(200, ""), nil
					}
					now := flying.Add(1)
					defer flying.Add(-1)
					if test.inFlight > 0 && now > test.inFlight || test.perSecond > 0 && !tokens.Allow() {
						refused.Add(1)
						return answer(test.status, ""), nil
					}
					time.Sleep(20 * time.Millisecond) // the bubble's clock
					mu.Lock()
					defer mu.Unlock()
					made[s.form(n).Get("user")]++
					return answer(201, fmt.Sprintf(`{"userId":"%d"}`, len(made))), nil
				}
				client := stubClient(t, s)
				start := time.Now()
				var next, lost atomic.Int64
				var working sync.WaitGroup
				for range test.workers {
					working.Go(func() {
						for n := next.Add(1); n <= test.calls; n = next.Add(1) {
							params := newUser()
							params.User, params.ExtensionNumber = fmt.Sprint("user", n), fmt.Sprint(1000+n)
							if _, err := client.Users.Create(context.Background(), 1, params); err != nil {
								lost.Add(1)
							}
						}
					})
				}
				working.Wait()
				best := float64(test.calls) / test.perSecond
				if test.inFlight > 0 {
					best = float64(test.calls) / float64(test.inFlight) * 0.02
				}
				share, refusals := best/time.Since(start).Seconds(), float64(refused.Load())/float64(test.calls)
				t.Logf("%.2f of the limit, %.3f refusals a call, %v", share, refusals, time.Since(start))
				require.Zero(t, lost.Load(), "lost")
				require.Len(t, made, int(test.calls))
				for user, times := range made {
					require.Equal(t, 1, times, user)
				}
				require.GreaterOrEqual(t, share, test.share)
				require.LessOrEqual(t, refusals, test.refusals)
			})
		})
	}
}

// An outage is no limit. What is lost in it fails soon, is not made twice, and
// nobody rushes when the server is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	for workers, most := range map[int]int{16: 126, 64: 512} { // lost where a 503 was no refusal at all
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := siptest.New(t, siptest.Options{AllowDuplicates: true, Latency: stormLatency})
				domain := server.AddDomain(infinitysip.Domain{ID: 1})
				server.Fail(siptest.On("*").Nth(200).For(30 * time.Second).Status(503))
				client := server.InProcessClient()
				var next, lost, longest, back atomic.Int64
				began := time.Now()
				var working sync.WaitGroup
				for range workers {
					working.Go(func() {
						for n := next.Add(1); n <= 3000; n = next.Add(1) {
							start := time.Now()
							if stormGroup(t, client, domain, n) != nil {
								lost.Add(1)
							}
							raise(&longest, int64(time.Since(start)))
						}
					})
				}
				working.Wait()
				for _, request := range server.Requests() {
					if request.Status == 503 {
						back.Add(1)
					}
				}
				t.Logf("%d workers: %d of 3,000 lost, %d requests refused in 30 s, the longest create %v, all in %v",
					workers, lost.Load(), back.Load(), time.Duration(longest.Load()), time.Since(began))
				require.LessOrEqual(t, lost.Load(), int64(most))
				require.Len(t, groupNames(server, domain), len(server.Groups(domain)), "made twice")
				require.Less(t, time.Duration(longest.Load()), time.Minute)
				require.Less(t, time.Since(began), 2*time.Minute)
			})
		})
	}
}

// A server that never says yes: every call ends with the error that says so, those
// under a 503 soon, and those under a 429 when MaxThrottleWait is over.
func TestNeverAccepted(t *testing.T) {
	t.Parallel()
	for status, within := range map[int]time.Duration{503: time.Minute, 429: 5*time.Minute + 30*time.Second} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := siptest.New(t, siptest.Options{Latency: stormLatency})
				domain := server.AddDomain(infinitysip.Domain{ID: 1})
				server.Fail(siptest.On("*").Status(status))
				client, began := server.InProcessClient(), time.Now()
				var working sync.WaitGroup
				for n := range int64(64) {
					working.Go(func() {
						err := stormGroup(t, client, domain, n)
						if status == 429 {
							require.ErrorIs(t, err, infinitysip.ErrRateLimited)
							require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
						} else {
							require.ErrorIs(t, err, infinitysip.ErrUnavailable)
						}
						require.LessOrEqual(t, time.Since(began), within, "%v", err)
					})
				}
				working.Wait()
				t.Logf("%d: 64 creates failed in %v, with %d requests", status, time.Since(began), len(server.Requests()))
			})
		})
	}
}

func stormGroup(t *testing.T, client *infinitysip.Client, domain infinitysip.DomainID, n int64) error {
	t.Helper()
	_, err := client.Groups.Create(t.Context(), domain, infinitysip.GroupCreateParams{
		Name: fmt.Sprintf("group %d", n), DisplayName: "x", ExtensionNumber: fmt.Sprint(10000 + n), CallerNameFormat: "{displayName}",
	})
	return err
}

// groupNames are the names of a domain's groups, each once.
func groupNames(server *siptest.Server, domain infinitysip.DomainID) map[string]bool {
	names := make(map[string]bool)
	for _, group := range server.Groups(domain) {
		names[group.Name] = true
	}
	return names
}

func stormTable(lines map[string]string) string {
	var b strings.Builder
	b.WriteString("| storm | workers | lost | twice | share of the budget | longest, s | refusals a 1,000 | creates of a worker |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, s := range storms() {
		b.WriteString(lines[s.name+fmt.Sprint(s.workers)] + "\n")
	}
	return b.String()
}
