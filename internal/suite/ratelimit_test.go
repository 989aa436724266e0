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

// Sixteen workers under a server's limit use nearly all of it and are seldom
// refused, whether or not the client is told the limit. Told, they lose nothing;
// else a call that is refused four times is rare.
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
				lost    int64   // at most
			}{
				"configured": {[]infinitysip.Option{infinitysip.WithRateLimit(50, 1)}, 0.95, 5, 0},
				"learnt":     {nil, 0.90, 50, 1},
			} {
				t.Run(fmt.Sprintf("%s, %v, %s", name, headers, limit), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						s := &limitedServer{takes: takes(), headers: headers}
						start := time.Now()
						lost := createUsers(stubClient(t, s, test.opts...), workers, creates)
						require.LessOrEqual(t, lost, test.lost, "lost")
						share := creates / time.Since(start).Seconds() / 50
						refused := s.refused.Load() * 1000 / creates
						t.Logf("%.3f of the limit, %d refusals per 1,000", share, refused)
						require.GreaterOrEqual(t, share, test.share)
						require.LessOrEqual(t, refused, test.refused)
						require.EqualValues(t, creates-lost, s.taken.Load())
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
	var lost int64
	for run := range runs {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Second * time.Duration(run) / runs)
			s := &limitedServer{takes: fixedWindow(), headers: []string{"Retry-After", "1"}}
			first := time.Now().Truncate(time.Second)
			lost += createUsers(stubClient(t, s), 16, 1000)
			windows := time.Since(first).Truncate(time.Second)/time.Second + 1
			share += 1000 / (50 * float64(windows)) / runs
		})
	}
	require.Greater(t, share, 0.89)
	require.LessOrEqual(t, lost, int64(runs/5), "of 20,000")
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
		require.LessOrEqual(t, createUsers(stubClient(t, s), 16, 2000), int64(2), "lost")
		require.Less(t, time.Since(start), 66*time.Second, "60 is the least")
		require.Less(t, s.refused.Load(), int64(130))
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

// One stray refusal does not slow down a program that makes few calls.
func TestAStrayRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := stubClient(t, refusing(func(n int) bool { return n <= 2 }, "Retry-After", "1"))
		require.Zero(t, createUsers(client, 1, 1))
		start := time.Now()
		require.Zero(t, createUsers(client, 1, 50))
		require.Less(t, time.Since(start), 5*time.Second)
	})
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
		require.Less(t, took(2000), 35*time.Second, "at 50 a second it would be 40")
		for range 70 {
			time.Sleep(time.Second) // the bubble's clock
			took(1)
		}
		require.Greater(t, took(1000), 5*time.Second, "what is not used does not grow")
		time.Sleep(20 * time.Second)
		require.Equal(t, 200*time.Millisecond, took(1000))
	})
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
