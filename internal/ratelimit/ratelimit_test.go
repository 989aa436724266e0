package ratelimit_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

func TestAConfiguredLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter, start := ratelimit.New(10, 3), time.Now()
		for range 23 {
			require.NoError(t, limiter.Wait(t.Context()))
			limiter.Note(true) // what the server refuses does not change it
		}
		require.Equal(t, 2*time.Second, time.Since(start), "three at once, then ten a second")
	})
}

func TestNoTurnBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter, start := ratelimit.New(1, 1), time.Now()
		require.NoError(t, limiter.Wait(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, limiter.Wait(ctx), ratelimit.ErrNoTurn)
		require.Equal(t, start, time.Now(), "it is known at once")

		canceled, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		require.ErrorIs(t, limiter.Wait(canceled), context.Canceled)
	})
}

// server takes so many attempts a second, from a bucket of five.
type server struct {
	limit          *rate.Limiter
	taken, refused int
}

func (s *server) takes() bool {
	if s.limit.Allow() {
		s.taken++
		return true
	}
	s.refused++
	return false
}

func TestALimitIsLearntFromRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter, s := new(ratelimit.Limiter), &server{limit: rate.NewLimiter(50, 5)}
		attempt := func() bool {
			require.NoError(t, limiter.Wait(t.Context()))
			taken := s.takes()
			limiter.Note(!taken)
			if !taken {
				time.Sleep(10 * time.Millisecond)
			}
			return taken
		}
		for range 5 {
			require.True(t, attempt())
		}
		for start := time.Now(); time.Since(start) < 10*time.Second; { // it listens, then settles
			attempt()
		}
		s.taken, s.refused = 0, 0
		for start := time.Now(); time.Since(start) < 20*time.Second; {
			attempt()
		}
		require.InDelta(t, 1000, s.taken, 100, "of what the server takes")
		require.Less(t, s.refused, 100)
	})
}

func TestALearntLimitIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := new(ratelimit.Limiter)
		turns := func(n int) time.Duration {
			start := time.Now()
			for range n {
				require.NoError(t, limiter.Wait(t.Context()))
				limiter.Note(false)
			}
			return time.Since(start)
		}
		require.Zero(t, turns(1000), "no refusal, no limit")
		limiter.Note(true)
		time.Sleep(2 * time.Second)
		require.NotZero(t, turns(100))
		time.Sleep(2 * time.Minute)
		require.Zero(t, turns(1000))
	})
}

// The turns of one limiter are shared by all who wait.
func TestTurnsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := ratelimit.New(100, 1)
		var turns atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 10 {
			go func() {
				for limiter.Wait(ctx) == nil {
					turns.Add(1)
				}
			}()
		}
		<-ctx.Done()
		synctest.Wait()
		require.InDelta(t, 100, turns.Load(), 1)
	})
}
