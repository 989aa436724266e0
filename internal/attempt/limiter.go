package attempt

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limiter is one of the user. If it has Refused too, it is told of refusals.
type Limiter interface{ Wait(context.Context) error }

// ErrLimiter says that a Limiter gave no turn, though the context had not ended.
var ErrLimiter = errors.New("the limiter gave no turn")

// waitFor waits for a Limiter, if there is one.
func waitFor(ctx context.Context, l Limiter) (err error) {
	if l == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil { // what was thrown may hold anything, so it is not shown
			err = fmt.Errorf("%w: it panicked (%T)", ErrLimiter, v)
		}
	}()
	switch err := l.Wait(outside{ctx}); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return fmt.Errorf("%w: %w", ErrLimiter, err)
	}
}

// tellRefused tells a Limiter of a refusal, and drops what it panics with.
func tellRefused(l Limiter, after time.Duration) {
	if told, ok := l.(interface{ Refused(time.Duration) }); ok {
		defer func() { _ = recover() }()
		told.Refused(after)
	}
}
