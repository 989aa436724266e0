package ratelimit_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

const patience = 5 * time.Minute

func learning() *ratelimit.Limiter { return ratelimit.New(ratelimit.Options{Patience: patience}) }

// call makes one attempt of a call that the server answers at once.
func call(t *testing.T, l *ratelimit.Limiter, p *ratelimit.Place, a ratelimit.Answer, asked time.Duration) (refused bool) {
	t.Helper()
	turn, err := l.Wait(t.Context(), p, true)
	require.NoError(t, err)
	refused = turn.Answer(a, asked)
	turn.Done()
	return refused
}

func TestAConfiguredLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := ratelimit.New(ratelimit.Options{PerSecond: 10, Burst: 3, Patience: patience}), time.Now()
		for range 23 {
			require.True(t, call(t, l, new(ratelimit.Place), ratelimit.TooMany, 0), "what the server refuses does not change it")
		}
		require.Equal(t, 2*time.Second, time.Since(start), "three at once, then ten a second")
	})
}

func TestNoTurnBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := ratelimit.New(ratelimit.Options{PerSecond: 1, Burst: 1, Patience: patience}), time.Now()
		call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		_, err := l.Wait(ctx, new(ratelimit.Place), true)
		require.ErrorIs(t, err, ratelimit.ErrNoTurn)
		require.Equal(t, start, time.Now(), "it is known at once")

		canceled, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		_, err = l.Wait(canceled, new(ratelimit.Place), true)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestALearntLimitIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := learning()
		turns := func(n int) time.Duration {
			start := time.Now()
			for range n {
				require.False(t, call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0))
			}
			return time.Since(start)
		}
		require.Zero(t, turns(1000), "no refusal, no limit")
		p := new(ratelimit.Place)
		for range 3 {
			require.True(t, call(t, l, p, ratelimit.TooMany, 0))
		}
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
		l := ratelimit.New(ratelimit.Options{PerSecond: 100, Burst: 1})
		var turns atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 10 {
			go func() {
				for {
					turn, err := l.Wait(ctx, new(ratelimit.Place), false)
					if err != nil {
						return
					}
					turn.Done()
					turns.Add(1)
				}
			}()
		}
		<-ctx.Done()
		synctest.Wait()
		require.InDelta(t, 100, turns.Load(), 1)
	})
}

// Where nothing was refused, a turn costs next to nothing.
func TestATurnAllocatesNothing(t *testing.T) {
	l, p := learning(), new(ratelimit.Place)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		turn, err := l.Wait(context.Background(), p, true)
		if err != nil || turn.Answer(ratelimit.Accepted, 0) {
			t.Fail()
		}
		turn.Done()
	}))
}

// A refused call goes before all that came later, as do the looks for what it made.
func TestARefusedCallKeepsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, places := ratelimit.New(ratelimit.Options{PerSecond: 1, Patience: patience}), [4]ratelimit.Place{}
		require.True(t, call(t, l, &places[0], ratelimit.TooMany, 0))
		var mu sync.Mutex
		var order []int
		var working sync.WaitGroup
		for _, i := range []int{1, 2, 3, 0} {
			working.Go(func() {
				call(t, l, &places[i], ratelimit.Accepted, 0)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait()
		}
		working.Wait()
		require.Equal(t, []int{0, 1, 2, 3}, order)
	})
}

func TestARetryAfterHoldsOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := learning(), time.Now()
		p := new(ratelimit.Place)
		require.True(t, call(t, l, p, ratelimit.TooMany, 30*time.Second))
		for range 1000 {
			call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0)
		}
		require.Equal(t, start, time.Now())
		call(t, l, p, ratelimit.Accepted, 0)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestALongRetryAfterHoldsAll(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{time.Second: 10 * time.Millisecond, 30 * time.Second: 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l, start := learning(), time.Now()
			for range 2 {
				require.True(t, call(t, l, new(ratelimit.Place), ratelimit.TooMany, asked))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			turn, err := l.Wait(ctx, new(ratelimit.Place), true)
			if want > 20*time.Second {
				require.ErrorIs(t, err, ratelimit.ErrNoTurn)
				require.Equal(t, start, time.Now())
				turn, err = l.Wait(t.Context(), new(ratelimit.Place), true)
			}
			require.NoError(t, err)
			turn.Done()
			require.Equal(t, want, time.Since(start))
		})
	}
}

// Requests arrive in another order than their turns came. So one that is refused may
// have had fewer before it than the server takes.
func TestTurnsThatArriveInAnotherOrder(t *testing.T) {
	t.Parallel()
	const takes = 4
	for _, late := range []int{0, 1, 2, 3, 8, 15} { // the turn that arrives last
		synctest.Test(t, func(t *testing.T) {
			l := learning()
			for round := range 50 {
				// All turns that are there, whose requests all arrive before one is answered.
				var turns []ratelimit.Turn
				for len(turns) < 16 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
					turn, err := l.Wait(ctx, new(ratelimit.Place), true)
					cancel()
					if err != nil {
						break
					}
					turns = append(turns, turn)
				}
				require.NotEmpty(t, turns)
				order := slices.Concat(turns[late%len(turns)+1:], turns[:late%len(turns)+1])
				taken := order[:min(takes, len(order))]
				for i := range order[len(taken):] {
					require.True(t, order[takes+i].Answer(ratelimit.TooMany, 0))
					order[takes+i].Done()
				}
				time.Sleep(20 * time.Millisecond)
				for i := range taken {
					require.False(t, taken[i].Answer(ratelimit.Accepted, 0))
					taken[i].Done()
				}
				if round > 20 {
					require.GreaterOrEqual(t, len(turns), takes, "round %d, turn %d last", round, late)
				}
			}
		})
	}
}

// Who is refused at the start, and may not try again for a while, learns little of the
// rate. That is soon made up for.
func TestARateThatIsAGuess(t *testing.T) {
	t.Parallel()
	for _, asked := range []time.Duration{time.Second, 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l, p := learning(), new(ratelimit.Place)
			call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0)
			require.True(t, call(t, l, p, ratelimit.TooMany, 10*time.Millisecond))
			require.True(t, call(t, l, p, ratelimit.TooMany, asked))
			call(t, l, p, ratelimit.Accepted, 0)
			start := time.Now()
			for range 200 {
				call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0)
			}
			require.Less(t, time.Since(start), 4*asked)
		})
	}
}

// Who waits is told as soon as a Retry-After is known that makes it too late.
func TestADeadlineThatBecomesTooShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := learning(), time.Now()
		turn, err := l.Wait(t.Context(), new(ratelimit.Place), true)
		require.NoError(t, err)
		require.True(t, call(t, l, new(ratelimit.Place), ratelimit.TooMany, 0)) // one in flight is the limit now
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := l.Wait(ctx, new(ratelimit.Place), true)
			if err != ratelimit.ErrNoTurn || time.Since(start) != time.Second {
				t.Error(err, time.Since(start))
			}
		})
		time.Sleep(time.Second)
		require.True(t, turn.Answer(ratelimit.TooMany, time.Minute))
		waiting.Wait()
	})
}

func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := learning(), time.Now()
		p := new(ratelimit.Place)
		var err error
		for err == nil {
			var turn ratelimit.Turn
			if turn, err = l.Wait(t.Context(), p, true); err == nil {
				require.True(t, turn.Answer(ratelimit.TooMany, 0))
				turn.Done()
			}
		}
		require.ErrorIs(t, err, ratelimit.ErrRefused)
		require.EqualError(t, err, "refused for 5m0s")
		require.InDelta(t, patience, time.Since(start), float64(2*time.Second))
	})
	synctest.Test(t, func(t *testing.T) {
		l, start := learning(), time.Now()
		p := new(ratelimit.Place)
		require.True(t, call(t, l, p, ratelimit.TooMany, 10*time.Minute))
		_, err := l.Wait(t.Context(), p, true)
		require.EqualError(t, err, "refused for 10m0s")
		require.Equal(t, start, time.Now(), "it is known at once")
		call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0)
	})
}

// A turn that comes as its context ends goes to the next who waits.
func TestATurnGoesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := ratelimit.New(ratelimit.Options{PerSecond: 1, Patience: patience}), time.Now()
		call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0)
		var waiting sync.WaitGroup
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*time.Second) // as its turn comes
			waiting.Go(func() {
				defer cancel()
				if turn, err := l.Wait(ctx, new(ratelimit.Place), true); err == nil {
					turn.Done()
				}
			})
			synctest.Wait()
		}
		call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0)
		require.LessOrEqual(t, time.Since(start), 21*time.Second)
		require.Zero(t, time.Since(start)%time.Second)
		waiting.Wait()
	})
}

func TestWhatA503Is(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		accepted, refused bool // is it a write?
		look              bool // the refused one is a look of a call that writes
		after             time.Duration
		want              bool
	}{
		{accepted: true, refused: true, want: true},
		{accepted: true, refused: true, after: 5 * time.Second, want: true},
		{accepted: true, refused: true, after: 59 * time.Second, want: true},
		{accepted: true, refused: true, after: time.Minute, want: false},
		{accepted: false, refused: false, want: true},
		{accepted: false, refused: true, want: false},
		{accepted: true, refused: false, want: false},
		{accepted: true, refused: false, look: true, want: true},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := learning()
				attempt := func(p *ratelimit.Place, write bool, a ratelimit.Answer) bool {
					turn, err := l.Wait(t.Context(), p, write)
					require.NoError(t, err)
					defer turn.Done()
					return turn.Answer(a, 0)
				}
				p := new(ratelimit.Place)
				require.False(t, attempt(new(ratelimit.Place), test.refused, ratelimit.Unavailable), "nothing was accepted yet")
				if test.look {
					attempt(p, true, ratelimit.Other)
				}
				require.False(t, attempt(new(ratelimit.Place), test.accepted, ratelimit.Accepted))
				time.Sleep(test.after)
				require.Equal(t, test.want, attempt(p, test.refused, ratelimit.Unavailable))
			})
		})
	}
}

// A class is believed to be accepted as long as it is not tried in vain.
func TestAClassTriedInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := learning()
		old, err := l.Wait(t.Context(), new(ratelimit.Place), true)
		require.NoError(t, err)
		require.False(t, call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0))
		require.True(t, old.Answer(ratelimit.Unavailable, 0), "it was sent before the accept")
		old.Done()
		time.Sleep(20 * time.Second)
		require.True(t, call(t, l, new(ratelimit.Place), ratelimit.Unavailable, 0), "the first in vain")
		time.Sleep(5 * time.Second)
		require.True(t, call(t, l, new(ratelimit.Place), ratelimit.Unavailable, 0))
		time.Sleep(time.Second)
		require.False(t, call(t, l, new(ratelimit.Place), ratelimit.Unavailable, 0))
	})
}

// A Retry-After that is as long as patience is acceptable, and the call is tried then.
func TestARetryAfterAsLongAsPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := learning(), time.Now()
		var waiting sync.WaitGroup
		for range 3 {
			waiting.Go(func() {
				p := new(ratelimit.Place)
				for {
					turn, err := l.Wait(t.Context(), p, true)
					if err != nil {
						t.Error(err, time.Since(start))
						return
					}
					answer := ratelimit.TooMany
					if time.Since(start) >= patience {
						answer = ratelimit.Accepted
					}
					refused := turn.Answer(answer, patience)
					turn.Done()
					if !refused {
						return
					}
				}
			})
		}
		waiting.Wait()
		require.GreaterOrEqual(t, time.Since(start), patience)
	})
}

// When all have given up, nobody waits, but one at a time tries.
func TestWhenAllGaveUp(t *testing.T) {
	t.Parallel()
	for _, later := range []time.Duration{10 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			l := learning()
			for {
				p := new(ratelimit.Place)
				turn, err := l.Wait(t.Context(), p, true)
				if err != nil {
					require.ErrorIs(t, err, ratelimit.ErrRefused)
					break
				}
				turn.Answer(ratelimit.TooMany, 0)
				turn.Done()
			}
			time.Sleep(later)
			p := new(ratelimit.Place)
			require.True(t, call(t, l, p, ratelimit.TooMany, 0), "its turn is due")
			_, err := l.Wait(t.Context(), new(ratelimit.Place), true)
			require.ErrorIs(t, err, ratelimit.ErrRefused, "not due yet")
			time.Sleep(later)
			require.False(t, call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0))
			require.False(t, call(t, l, new(ratelimit.Place), ratelimit.Accepted, 0))
		})
	}
}

// A turn without an answer is no answer, and what is in flight ends with Done.
func TestDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := learning()
		held, err := l.Wait(t.Context(), new(ratelimit.Place), true)
		require.NoError(t, err)
		require.True(t, call(t, l, new(ratelimit.Place), ratelimit.TooMany, 0))
		var got atomic.Bool
		go func() {
			turn, err := l.Wait(t.Context(), new(ratelimit.Place), true)
			got.Store(err == nil)
			turn.Done()
		}()
		require.False(t, held.Answer(ratelimit.Accepted, 0))
		synctest.Wait()
		require.False(t, got.Load(), "the body is not read")
		held.Done()
		held.Done()
		require.False(t, held.Answer(ratelimit.TooMany, 0))
		synctest.Wait()
		require.True(t, got.Load())
	})
}

// Attempts of one call may be made at the same time, and thousands may wait: see waiters.
func TestManyWaiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, start := ratelimit.New(ratelimit.Options{PerSecond: waiters / 10, Burst: 1, Patience: patience}), time.Now()
		shared := new(ratelimit.Place)
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		for i := range waiters {
			waiting.Go(func() {
				p := shared
				if i >= 10 {
					p = new(ratelimit.Place)
				}
				if turn, err := l.Wait(ctx, p, false); err == nil {
					turn.Answer(ratelimit.Accepted, 0)
					turn.Done()
				}
			})
		}
		time.Sleep(5 * time.Second)
		cancel()
		waiting.Wait()
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}

func BenchmarkATurn(b *testing.B) {
	l, p := learning(), new(ratelimit.Place)
	b.ReportAllocs()
	for b.Loop() {
		turn, _ := l.Wait(context.Background(), p, true)
		turn.Answer(ratelimit.Accepted, 0)
		turn.Done()
	}
}
