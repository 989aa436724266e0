package fleet_test

import (
	"errors"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// A run of a domain that is forgotten meanwhile is finished, and not done again.
func TestForgetDuringFailingRun(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann")
		entered, leave := w.gate()
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		defer w.start()()
		<-entered
		require.NoError(t, w.db.Forget(t.Context(), d))
		leave <- errors.New("no state")
		tables := w.tables(where)
		require.Eventually(t, func() bool {
			return count(t, tables, "SELECT count(*) FROM river_job WHERE kind = 'fleet_domain' AND state = 'completed'") == 1
		}, 10*time.Second, 10*time.Millisecond, "%s", w.log)
		require.NotContains(t, w.log.String(), "panic")
		require.Equal(t, 1, count(t, tables, "SELECT count(*) FROM river_job WHERE kind = 'fleet_domain'"))
		require.Equal(t, 1, count(t, tables, "SELECT count(*) FROM run WHERE status = 'failing'"))
	})
}

// A domain that is forgotten and enqueued again during its run is run again.
func TestForgetAndEnqueueDuringRun(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann")
		entered, leave := w.gate()
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		defer w.start()()
		<-entered
		require.NoError(t, w.db.Forget(t.Context(), d))
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		leave <- nil
		select {
		case <-entered:
			leave <- nil
		case <-time.After(10 * time.Second):
			require.Fail(t, "it is not run again")
		}
		w.wait(over)
	})
}

// What is enqueued while a job of a forgotten domain ends is not lost.
func TestForgetAndEnqueueOften(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office")
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		defer w.start()()
		for range 8 {
			require.NoError(t, w.db.Enqueue(t.Context(), d))
			require.NoError(t, w.db.Forget(t.Context(), d))
			require.NoError(t, w.db.Enqueue(t.Context(), d))
			w.wait(over)
		}
	})
}
