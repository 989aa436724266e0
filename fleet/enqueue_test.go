package fleet_test

import (
	"context"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// The clock of another process may be fast: what it put off for a moment is run when it
// is enqueued.
func TestEnqueueAfterFastClock(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann")
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		later := time.Now().UTC().Add(5 * time.Minute)
		var at any = later
		tables := w.tables(where)
		if tables.Pool == nil {
			at = later.Format("2006-01-02 15:04:05.000")
		}
		_, err := tables.Exec(t.Context(), "UPDATE river_job SET scheduled_at = $1 WHERE state = 'available'", at)
		require.NoError(t, err)
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		w.run(over)
	})
}

// PostgreSQL ends a transaction that waits for another in a circle. It is done again.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	where := pgtest.URL(t)
	w := newWorld(t, where)
	a, b := w.add("A"), w.add("B")
	require.NoError(t, w.db.Enqueue(t.Context(), a, b))
	tables := w.tables(where)
	const lock = "SELECT id FROM river_job WHERE args->>'domain' = $1 FOR UPDATE"
	other, err := tables.Pool.BeginTx(t.Context(), pgx.TxOptions{})
	require.NoError(t, err)
	defer func() { _ = other.Rollback(context.WithoutCancel(t.Context())) }()
	// The one that looks for the circle is ended: not this one.
	_, err = other.Exec(t.Context(), "SET LOCAL deadlock_timeout = '1min'")
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), lock, "B")
	require.NoError(t, err)
	enqueued := make(chan error)
	go func() { enqueued <- w.db.Enqueue(t.Context(), a, b) }()
	require.Eventually(t, func() bool {
		return count(t, tables, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") > 0
	}, 10*time.Second, time.Millisecond)
	_, err = other.Exec(t.Context(), lock, "A")
	require.NoError(t, err)
	require.NoError(t, other.Rollback(t.Context()))
	require.NoError(t, <-enqueued)
}
