package attempt_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

type limiter func(context.Context) error

func (l limiter) Wait(ctx context.Context) error { return l(ctx) }

// teller is a limiter that is told of refusals.
type teller struct {
	limiter
	refused func(time.Duration)
}

func (t teller) Refused(after time.Duration) { t.refused(after) }

// A limiter comes after the pause of a retry and before the turn, for every attempt.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, began := newOwner(), time.Now()
		var asked, told []time.Duration
		o.Account.Limiter = teller{func(context.Context) error {
			asked = append(asked, time.Since(began))
			time.Sleep(time.Second)
			return nil
		}, func(after time.Duration) {
			told = append(told, after)
			panic("hunter2")
		}}
		for _, status := range []int{204, 429, 503, 500} {
			o.Pause = 3 * time.Second
			require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}}), http.MethodGet, ownURL, nil))
		}
		require.Equal(t, 4, o.Attempts)
		require.Equal(t, []time.Duration{3 * time.Second, 7 * time.Second}, asked[:2])
		require.Equal(t, []time.Duration{7 * time.Second, 7 * time.Second}, told, "a 429, and a 503 that is taken for one")
	})
}

func TestLimitersThatFail(t *testing.T) {
	t.Parallel()
	errEmpty := errors.New("empty")
	one, cancelOne := context.WithCancel(t.Context())
	defer cancelOne()
	two, cancelTwo := context.WithCancel(t.Context())
	defer cancelTwo()
	for name, test := range map[string]struct {
		ctx     context.Context
		limiter limiter
		want    string
		is      error
	}{
		"an error": {t.Context(), func(context.Context) error { return errEmpty }, "the limiter gave no turn: empty", errEmpty},
		"a panic":  {t.Context(), func(context.Context) error { panic("hunter2") }, "the limiter gave no turn: it panicked (string)", attempt.ErrLimiter},
		"its own timeout": {t.Context(), func(context.Context) error { return context.DeadlineExceeded },
			"the limiter gave no turn: context deadline exceeded", attempt.ErrLimiter},
		"the end of the context": {one, func(context.Context) error { cancelOne(); return errEmpty }, "context canceled", context.Canceled},
		"no error at its end":    {two, func(context.Context) error { cancelTwo(); return nil }, "context canceled", context.Canceled},
	} {
		o := newOwner()
		o.Account.Limiter = test.limiter
		req, err := http.NewRequestWithContext(attempt.NewContext(test.ctx, o), http.MethodGet, ownURL, nil)
		require.NoError(t, err)
		_, err = (&attempt.Transport{Base: answers(nil)}).RoundTrip(req)
		require.EqualError(t, err, test.want, name)
		require.ErrorIs(t, err, test.is, name)
		require.False(t, o.Begun(), name)
		require.Zero(t, o.Attempts, name)
	}
}
