package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/bucket"
	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/infinitysip/infinitysip/fleet/internal/lock"
)

// longRefusal is the Retry-After from which on a refusal is one of the account: it is
// written down, and no process sends anything for the account until then. Shorter ones the
// client of each process sees to.
const longRefusal = 3 * time.Second

// longestHold is the longest time for which a refusal is taken at its word. After that
// one run asks again.
const longestHold = time.Hour

// longestThrottle is the longest time for which a call waits while the server refuses it.
const longestThrottle = 15 * time.Second

// databaseWait is the longest time for one statement.
const databaseWait = 10 * time.Second

// errDatabase says that the database did not answer, so that nothing was sent.
var errDatabase = errors.New("the database of the fleet did not answer")

// away has an error match errDatabase, unless the database answered that it refuses the statement:
// nothing is to be waited for then, so the run has failed.
func away(err error) error {
	if database.Refused(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errDatabase, err)
}

// limiter is the infinitysip.Limiter of an account. All requests of all its runs go
// through it.
type limiter struct {
	account string
	bucket  *bucket.Bucket
	log     *slog.Logger
	last    atomic.Int64 // refusal, in nanoseconds since 1970
}

// refused reports whether the server has just refused a request without a long wait.
func (l *limiter) refused() bool {
	return time.Since(time.Unix(0, l.last.Load())) < refusedFor
}

// heldKey is the key of a context for the lock of its run.
type heldKey struct{}

// Wait waits for a turn. A request is then sent only if the lock of the run is still held:
// a process that was stopped meanwhile may have lost it.
func (l *limiter) Wait(ctx context.Context) error {
	err := l.bucket.Take(ctx)
	var onHold *bucket.HeldError
	switch {
	case errors.As(err, &onHold), err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errDatabase, err)
	}
	if held, ok := ctx.Value(heldKey{}).(*lock.Held); ok {
		return held.Check(ctx)
	}
	return nil
}

// Refused has all processes wait, if the server wants a long wait.
func (l *limiter) Refused(after time.Duration) {
	if after < longRefusal {
		l.last.Store(time.Now().UnixNano())
		return
	}
	after = min(after, longestHold)
	ctx, cancel := context.WithTimeout(context.Background(), databaseWait)
	defer cancel()
	err := l.bucket.Hold(ctx, after)
	if err == nil {
		l.log.Info("fleet: the server refuses an account, so its domains wait", "account", l.account, "for", after)
	} else {
		l.log.Warn("fleet: that the server refuses an account could not be written down, so other processes may go on", "account", l.account, "for", after, "error", err)
	}
}
