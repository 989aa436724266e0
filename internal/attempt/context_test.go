package attempt_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

type valuesOf func(key any) any

func (valuesOf) Deadline() (time.Time, bool) { return time.Time{}, false }
func (valuesOf) Done() <-chan struct{}       { return nil }
func (valuesOf) Err() error                  { return nil }
func (v valuesOf) Value(key any) any         { return v(key) }

// The values of another context go before those of the call's own, which stand in for what
// it does not have, or panics at.
func TestWithValues(t *testing.T) {
	t.Parallel()
	type key string
	own := context.WithValue(context.WithValue(t.Context(), key("a"), "own a"), key("b"), "own b")
	require.Equal(t, own, attempt.WithValues(own, nil))

	both := attempt.WithValues(own, context.WithValue(context.Background(), key("a"), "other a"))
	require.Equal(t, "other a", both.Value(key("a")))
	require.Equal(t, "own b", both.Value(key("b")))
	require.Nil(t, both.Value(key("c")))

	panics := attempt.WithValues(own, valuesOf(func(any) any { panic("no values") }))
	require.Equal(t, "own a", panics.Value(key("a")))
}

type contexts struct{ got []context.Context }

func (*contexts) Enabled(context.Context, slog.Level) bool { return true }
func (c *contexts) Handle(ctx context.Context, _ slog.Record) error {
	c.got = append(c.got, ctx)
	return nil
}
func (c *contexts) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c *contexts) WithGroup(string) slog.Handler      { return c }

// What a handler of logs calls is no part of the call that it logs.
func TestALogHandlerIsOutsideOfTheCall(t *testing.T) {
	t.Parallel()
	type key struct{}
	handler := new(contexts)
	account := &attempt.Account{Logger: slog.New(handler)}
	ctx := attempt.WithObservation(attempt.NewContext(context.WithValue(t.Context(), key{}, "the caller's"), newOwner()), "observed")
	require.Equal(t, "observed", attempt.Observation(ctx))
	account.Log(ctx, slog.LevelInfo, "a record")
	require.Len(t, handler.got, 1)
	require.Nil(t, attempt.FromContext(handler.got[0]))
	require.Nil(t, attempt.Observation(handler.got[0]))
	require.Equal(t, "the caller's", handler.got[0].Value(key{}))
}
