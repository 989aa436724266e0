// Package lock holds locks that their holder's death frees: a session's advisory locks
// on PostgreSQL, locked files beside the file of SQLite.
//
// A process that is stopped keeps its locks. On PostgreSQL it loses them if the server
// ends its session, as when it restarts: Held.Check tells it so.
package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/infinitysip/infinitysip/fleet/internal/database"
)

// ErrLost says that a lock is not held any more, though nobody released it: the session
// that held it has ended, or its file is gone.
var ErrLost = errors.New("the lock was lost")

var (
	errReleased = errors.New("the lock was released")
	errClosed   = errors.New("the locks are closed")
)

// Locks are those of one process in one database. The methods may be called from several
// goroutines at once.
type Locks struct {
	keeper keeper
}

// A keeper keeps the locks of a kind of database.
type keeper interface {
	try(ctx context.Context, name string) (*Held, error)
	close()
}

// New returns the locks of db.
func New(db *database.DB) *Locks {
	if db.Pool != nil {
		return &Locks{newServer(db.Config)}
	}
	return &Locks{newFiles(db.Path + ".locks")}
}

// Try takes the lock of that name, and returns nil if another has it: another process,
// or another that took it from l or from other Locks of this process.
func (l *Locks) Try(ctx context.Context, name string) (*Held, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	held, err := l.keeper.try(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("taking the lock %q: %w", name, err)
	}
	return held, nil
}

// Close frees all locks, and ends the session. It takes some seconds if the server does not
// answer.
func (l *Locks) Close() error {
	l.keeper.close()
	return nil
}

// Held is a lock that this process holds.
type Held struct {
	ctx   context.Context // ends when the lock is not held any more, as far as is known
	end   context.CancelCauseFunc
	check func(context.Context) error
	free  func()
	once  sync.Once
}

func newHeld() *Held {
	h := &Held{}
	h.ctx, h.end = context.WithCancelCause(context.Background())
	return h
}

// lose ends the context of h. It does nothing if the lock was released.
func (h *Held) lose(cause error) {
	h.end(fmt.Errorf("%w: %w", ErrLost, cause))
}

// Context returns a context that ends when ctx does, when the lock is released, or when it
// is known to be lost: its cause matches ErrLost then. A server is asked every second.
func (h *Held) Context(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.ctx, func() { cancel(context.Cause(h.ctx)) })
	context.AfterFunc(ctx, func() { stop() })
	return ctx
}

// Check returns nil if the lock was held a second ago or later: if nobody knows, it asks
// the server, for ten seconds at most. The error matches ErrLost, unless ctx ended
// first, or the lock was released.
func (h *Held) Check(ctx context.Context) error {
	if err := context.Cause(h.ctx); err != nil {
		return err
	}
	return h.check(ctx)
}

// Release frees the lock. Doing it twice does nothing.
func (h *Held) Release() {
	h.once.Do(func() {
		h.end(errReleased)
		h.free()
	})
}
