package attempt_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

type source = func(context.Context) (attempt.Key, error)

// withSource returns a call whose keys a source gives.
func withSource(s source) *owner {
	o := newOwner()
	o.Account.Keys = attempt.NewKeys(nil, s)
	return o
}

// secretsOf are what a text for the call must not show.
func secretsOf(o *owner) (all []string) {
	for _, key := range o.Keys() {
		_, secrets := (*key)()
		all = append(all, secrets...)
	}
	return all
}

// Each attempt has the key that the source gives at its time. All that a call was sent with
// are its secrets, and the last two of the account.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	given := ""
	first := withSource(func(context.Context) (attempt.Key, error) { return keyOf(given), nil })
	send := func(o *owner, key string) {
		given = key
		require.NoError(t, attemptAt(t, o, roundTripper(func(req *http.Request) (*http.Response, error) {
			require.Equal(t, "ApiKey "+key, req.Header.Get("Authorization"))
			return &http.Response{StatusCode: 204, Header: http.Header{}}, nil
		}), http.MethodGet, ownURL, nil))
	}
	require.Empty(t, secretsOf(first))
	for _, key := range []string{"a", "a", "b", "c"} {
		send(first, key)
	}
	require.Equal(t, []string{"a", "b", "c"}, secretsOf(first))
	known := first.Keys()
	send(first, "c")
	require.Equal(t, known, first.Keys(), "the same pointers, so that nothing is made again")

	second := newOwner()
	second.Account = first.Account
	require.Equal(t, []string{"c", "b"}, secretsOf(second))
	send(second, "d")
	require.Equal(t, []string{"d", "c"}, secretsOf(second))
	require.Equal(t, []string{"a", "b", "c", "d"}, secretsOf(first))
	send(second, "e")
	send(second, "f")
	require.Equal(t, []string{"d", "c", "e", "f"}, secretsOf(second), "the one before its first stays known")
	for range 3 { // a key that comes back is the one that was known
		send(second, "e")
		send(second, "f")
	}
	require.Equal(t, []string{"d", "c", "e", "f"}, secretsOf(second))

	look := newOwner()
	look.Account, look.Ring = first.Account, first.Ring
	send(look, "g")
	require.Equal(t, []string{"a", "b", "c", "g", "f"}, secretsOf(first), "what a look was sent with is known to its call")
}

// The last two keys are those that the source gave last, in whatever order it first did.
func TestAKeyThatComesBack(t *testing.T) {
	t.Parallel()
	given := ""
	o := withSource(func(context.Context) (attempt.Key, error) { return keyOf(given), nil })
	for _, given = range []string{"a", "b", "a", "c"} {
		require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), http.MethodGet, ownURL, nil))
	}
	next := newOwner()
	next.Account = o.Account
	require.Equal(t, []string{"c", "a"}, secretsOf(next))
}

// A source that fails, hangs, panics or ends its goroutine sends nothing, counts as no
// attempt, and gives the turn back.
func TestSourcesThatFail(t *testing.T) {
	t.Parallel()
	errSealed := errors.New("sealed")
	for name, test := range map[string]struct {
		source source
		want   string
	}{
		"an error":               {func(context.Context) (attempt.Key, error) { return nil, errSealed }, "sealed"},
		"an error and a key":     {func(context.Context) (attempt.Key, error) { return keyOf("hunter2"), errSealed }, "sealed"},
		"a panic":                {func(context.Context) (attempt.Key, error) { panic("hunter2") }, "the credential source panicked (string)"},
		"a panic with an error":  {func(context.Context) (attempt.Key, error) { panic(errSealed) }, "the credential source panicked (*errors.errorString)"},
		"the end of a goroutine": {func(context.Context) (attempt.Key, error) { runtime.Goexit(); return nil, nil }, "the credential source ended its goroutine"},
		"silence":                {func(ctx context.Context) (attempt.Key, error) { <-ctx.Done(); return nil, ctx.Err() }, "the credential source gave nothing for 4s"},
		"silence, and no ear":    {func(context.Context) (attempt.Key, error) { time.Sleep(time.Hour); return keyOf("late"), nil }, "the credential source gave nothing for 4s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			o, began := withSource(test.source), time.Now()
			o.Account.Turns = ratelimit.New(ratelimit.Options{Patience: time.Minute})
			closed := false
			err := attemptAt(t, o, roundTripper(func(*http.Request) (*http.Response, error) {
				t.Error(name, "was sent")
				return nil, errSealed
			}), http.MethodPost, ownURL, closer(func() { closed = true }))
			require.EqualError(t, err, test.want, name)
			require.True(t, closed, "the body is closed")
			require.False(t, o.Begun())
			require.Zero(t, o.Attempts)
			if test.want == "sealed" {
				require.ErrorIs(t, err, errSealed)
			}
			if took := time.Since(began); took > 0 {
				require.Equal(t, 4*time.Second, took)
				timeout, ok := errors.AsType[net.Error](err)
				require.True(t, ok && timeout.Timeout())
				require.NotErrorIs(t, err, context.DeadlineExceeded, "the caller's context is alive")
			}
			require.Equal(t, name == "an error and a key", len(o.Keys()) == 1, name)
			noneInFlight(t, o)
			time.Sleep(time.Hour) // the source that does not listen comes to its end
		})
	}
}

// noneInFlight fails if an attempt of the account holds its turn.
func noneInFlight(t *testing.T, o *owner) {
	t.Helper()
	began := time.Now()
	for range 2 { // a refusal lowers the limit to what else is in flight, if anything is
		turn, err := o.Account.Turns.Wait(t.Context(), new(ratelimit.Place), true)
		require.NoError(t, err)
		turn.Answer(ratelimit.TooMany, 0)
		turn.Done()
	}
	require.Zero(t, time.Since(began), "no turn waits for another")
}

// The context of a source ends when the source has answered.
func TestTheContextOfASource(t *testing.T) {
	t.Parallel()
	var ctx context.Context
	o := withSource(func(asked context.Context) (attempt.Key, error) { ctx = asked; return keyOf("a"), asked.Err() })
	require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), http.MethodGet, ownURL, nil))
	require.Equal(t, context.Canceled, ctx.Err())
}

// The context ends the wait for a source, and is the error.
func TestTheContextEndsTheWaitForASource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := false
		o := withSource(func(ctx context.Context) (attempt.Key, error) {
			require.Nil(t, attempt.FromContext(ctx), "a call of the source is not a look of this call")
			<-ctx.Done()
			ended = true
			return nil, errors.New("not in time")
		})
		ctx, cancel := context.WithTimeout(attempt.NewContext(t.Context(), o), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, ownURL, nil)
		require.NoError(t, err)
		o.Account.Turns = ratelimit.New(ratelimit.Options{Patience: time.Minute})
		_, err = (&attempt.Transport{Base: answers(nil)}).RoundTrip(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.True(t, ended)
		require.Zero(t, o.Attempts)
		noneInFlight(t, o)
	})
}

// What a source gives in the moment that its time ends still counts.
func TestAKeyAtTheLastMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := withSource(func(ctx context.Context) (attempt.Key, error) {
			time.Sleep(4*time.Second - 1)
			return keyOf("a"), nil
		})
		require.NoError(t, attemptAt(t, o, answers(&http.Response{StatusCode: 204, Header: http.Header{}}), http.MethodGet, ownURL, nil))
		require.Equal(t, 1, o.Attempts)
	})
}

func BenchmarkSource(b *testing.B) {
	key := keyOf("a")
	answer := answers(&http.Response{StatusCode: 204, Header: http.Header{}})
	for name, keys := range map[string]*attempt.Keys{
		"one key":  attempt.NewKeys(key, nil),
		"a source": attempt.NewKeys(nil, func(context.Context) (attempt.Key, error) { return key, nil }),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			o := newOwner()
			o.Account.Keys = keys
			req, err := http.NewRequestWithContext(attempt.NewContext(b.Context(), o), http.MethodGet, ownURL, nil)
			require.NoError(b, err)
			for b.Loop() {
				resp, err := (&attempt.Transport{Base: answer}).RoundTrip(req)
				require.NoError(b, err)
				_ = resp.Body.Close()
			}
		})
	}
}
