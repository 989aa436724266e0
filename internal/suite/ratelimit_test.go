package suite_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip"
)

// limitedServer takes 50 creates a second, and each lasts 20 ms.
type limitedServer struct {
	takes          func(time.Time) bool
	headers        []string // of a refusal
	taken, refused atomic.Int64
}

func (s *limitedServer) RoundTrip(*http.Request) (*http.Response, error) {
	time.Sleep(20 * time.Millisecond) // the bubble's clock
	if !s.takes(time.Now()) {
		s.refused.Add(1)
		return answer(429, "slow down", s.headers...), nil
	}
	return answer(201, fmt.Sprintf(`{"userId":"%d"}`, s.taken.Add(1))), nil
}

func bucket(size int) func(time.Time) bool {
	tokens := rate.NewLimiter(50, size)
	return func(now time.Time) bool { return tokens.AllowN(now, 1) }
}

func fixedWindow() func(time.Time) bool {
	var mu sync.Mutex
	var second int64
	taken := 0
	return func(now time.Time) bool {
		mu.Lock()
		defer mu.Unlock()
		if now.Unix() != second {
			second, taken = now.Unix(), 0
		}
		taken++
		return taken <= 50
	}
}

// createUsers has workers create n users between them, and returns how many
// creates failed.
func createUsers(client *infinitysip.Client, workers int, n int64) (failed int64) {
	var next, lost atomic.Int64
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for next.Add(1) <= n {
				if _, err := client.Users.Create(context.Background(), 1, newUser()); err != nil {
					lost.Add(1)
				}
			}
		})
	}
	working.Wait()
	return lost.Load()
}

// Sixteen workers under a server's limit use nearly all of it, are seldom refused,
// and lose nothing, whether or not the client is told the limit.
func TestServersWithALimit(t *testing.T) {
	t.Parallel()
	const workers, creates = 16, 3000
	for name, takes := range map[string]func() func(time.Time) bool{
		"a bucket of 50": func() func(time.Time) bool { return bucket(50) },
		"a bucket of 5":  func() func(time.Time) bool { return bucket(5) },
		"a fixed window": fixedWindow,
	} {
		for _, headers := range [][]string{{"Retry-After", "1"}, {"Retry-After", "0"}, nil} {
			for limit, test := range map[string]struct {
				opts    []infinitysip.Option
				share   float64 // of what the server takes, at least
				refused int64   // of a thousand, at most
			}{
				"configured": {[]infinitysip.Option{infinitysip.WithRateLimit(50, 1)}, 0.95, 5},
				"learnt":     {nil, 0.95, 160},
			} {
				t.Run(fmt.Sprintf("%s, %v, %s", name, headers, limit), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						s := &limitedServer{takes: takes(), headers: headers}
						start := time.Now()
						require.Zero(t, createUsers(stubClient(t, s, test.opts...), workers, creates), "lost")
						share := creates / time.Since(start).Seconds() / 50
						refused := s.refused.Load() * 1000 / creates
						t.Logf("%.3f of the limit, %d refusals per 1,000", share, refused)
						require.GreaterOrEqual(t, share, test.share)
						require.LessOrEqual(t, refused, test.refused)
						require.EqualValues(t, creates, s.taken.Load())
					})
				})
			}
		}
	}
}

// A server that counts by the clock's seconds is used as well as others are,
// whenever in a second the first call comes.
func TestAFixedWindowAtAnyTime(t *testing.T) {
	t.Parallel()
	const runs = 20
	var share float64
	for run := range runs {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Second * time.Duration(run) / runs)
			s := &limitedServer{takes: fixedWindow(), headers: []string{"Retry-After", "1"}}
			first := time.Now().Truncate(time.Second)
			require.Zero(t, createUsers(stubClient(t, s), 16, 1000), "lost")
			windows := time.Since(first).Truncate(time.Second)/time.Second + 1
			share += 1000 / (50 * float64(windows)) / runs
		})
	}
	require.Greater(t, share, 0.89)
}

// However long calls wait for their turns, what is refused of those by the limit
// before does not lower the limit again.
func TestManyWorkersUnderALimit(t *testing.T) {
	t.Parallel()
	for _, size := range []int{5, 50} {
		synctest.Test(t, func(t *testing.T) {
			s := &limitedServer{takes: bucket(size), headers: []string{"Retry-After", "1"}}
			start := time.Now()
			require.Zero(t, createUsers(stubClient(t, s), 256, 3000), "lost")
			require.Greater(t, 3000/time.Since(start).Seconds()/50, 0.85, size)
		})
	}
}

// A limit that was learnt follows the server's when that falls to the half.
func TestAServerThatLowersItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tokens := rate.NewLimiter(50, 5)
		start := time.Now()
		s := &limitedServer{headers: []string{"Retry-After", "1"}, takes: func(now time.Time) bool {
			if now.Sub(start) >= 20*time.Second {
				tokens.SetLimitAt(now, 25)
			}
			return tokens.AllowN(now, 1)
		}}
		require.Zero(t, createUsers(stubClient(t, s), 16, 2000), "lost")
		require.Less(t, time.Since(start), 75*time.Second, "60 is the least")
		require.Less(t, s.refused.Load(), int64(750))
	})
}

// refusing is a server that refuses some attempts, by their number from 1, and
// answers at once.
func refusing(refuses func(n int) bool, headers ...string) *stub {
	return &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
		if refuses(n) {
			return answer(429, "", headers...), nil
		}
		return answer(201, fmt.Sprintf(`{"userId":"%d"}`, n)), nil
	}}
}

func TestNothingIsLimitedWithoutARefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.Zero(t, createUsers(stubClient(t, refusing(func(int) bool { return false })), 16, 5000))
		require.Equal(t, start, time.Now())
	})
}

// A call that is refused waits alone.
func TestARefusalStopsNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := stubClient(t, refusing(func(n int) bool { return n == 1 }, "Retry-After", "30"))
		start := time.Now()
		var refused sync.WaitGroup
		refused.Go(func() {
			_, err := client.Users.Create(context.Background(), 1, newUser())
			if err != nil || time.Since(start) < 30*time.Second {
				t.Error(err, time.Since(start))
			}
		})
		synctest.Wait()
		require.Zero(t, createUsers(client, 16, 1000))
		require.Equal(t, start, time.Now())
		refused.Wait()
	})
}

// A call that is refused again and again, while others are accepted, ends after
// MaxThrottleWait, whatever gives it its turns.
func TestACallThatIsAlwaysRefused(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]func() infinitysip.Option{
		"learnt":     func() infinitysip.Option { return nil },
		"configured": func() infinitysip.Option { return infinitysip.WithRateLimit(10, 1) },
		"a limiter":  func() infinitysip.Option { return infinitysip.WithLimiter(rate.NewLimiter(10, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := stubClient(t, transportFunc(func(req *http.Request) (*http.Response, error) {
					time.Sleep(20 * time.Millisecond) // the bubble's clock
					if req.Method == http.MethodPost {
						return answer(429, ""), nil
					}
					return answer(200, ""), nil
				}), opt())
				ctx, stop := context.WithCancel(t.Context())
				var reading sync.WaitGroup
				for range 4 {
					reading.Go(func() {
						for ctx.Err() == nil {
							_, _ = client.Users.List(ctx, 1)
						}
					})
				}
				start := time.Now()
				within, giveUp := context.WithTimeout(ctx, time.Hour)
				_, err := client.Users.Create(within, 1, newUser())
				took := time.Since(start)
				giveUp()
				stop()
				reading.Wait()
				require.ErrorIs(t, err, infinitysip.ErrRateLimited)
				require.InDelta(t, 5*time.Minute, took, float64(10*time.Second), "%v", err)
			})
		})
	}
}

// A stray refusal does not slow down a program that makes few calls; two in a row
// are learnt from.
func TestAStrayRefusal(t *testing.T) {
	t.Parallel()
	for refusals, most := range map[int]time.Duration{1: 0, 2: 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			client := stubClient(t, refusing(func(n int) bool { return n <= refusals }, "Retry-After", "1"))
			require.Zero(t, createUsers(client, 1, 1))
			start := time.Now()
			require.Zero(t, createUsers(client, 1, 50))
			require.LessOrEqual(t, time.Since(start), most, refusals)
		})
	}
}

// A limit that was learnt grows as it is used, and is forgotten after two
// minutes without a refusal.
func TestALimitIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &limitedServer{takes: bucket(5), headers: []string{"Retry-After", "1"}}
		client := stubClient(t, s)
		require.Zero(t, createUsers(client, 16, 500))
		s.takes = func(time.Time) bool { return true }

		took := func(n int64) time.Duration {
			start := time.Now()
			require.Zero(t, createUsers(client, 100, n))
			return time.Since(start)
		}
		for range 30 {
			time.Sleep(time.Second) // the bubble's clock
			took(1)
		}
		require.Greater(t, took(500), 1500*time.Millisecond, "what is not used hardly grows; without a limit it would be 0.1")
		require.Less(t, took(2000), 35*time.Second, "at 50 a second it would be 40")
		time.Sleep(2 * time.Minute)
		require.Equal(t, 200*time.Millisecond, took(1000))
	})
}

// A server that refuses everything for a while is asked again after that, also by a
// client whose calls have given up.
func TestAClientThatGaveUp(t *testing.T) {
	t.Parallel()
	for _, pause := range []time.Duration{10 * time.Second, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			refuse := true
			s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
				if refuse {
					return answer(429, ""), nil
				}
				return answer(201, fmt.Sprintf(`{"userId":"%d"}`, n)), nil
			}}
			client := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: 20 * time.Second}))
			start := time.Now()
			require.EqualValues(t, 16, createUsers(client, 16, 16))
			require.InDelta(t, 20*time.Second, time.Since(start), float64(2*time.Second), "the last probe may come later")
			time.Sleep(pause)
			refuse = false
			start = time.Now()
			require.Zero(t, createUsers(client, 1, 3), pause)
			require.Less(t, time.Since(start), time.Minute, pause)
		})
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(200, "")
		client := stubClient(t, s, infinitysip.WithRateLimit(10, 1))
		start := time.Now()
		for range 21 {
			_, err := client.Domains.List(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, 2*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := client.Users.Create(ctx, 1, newUser())
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 21, s.count())
	})
}
