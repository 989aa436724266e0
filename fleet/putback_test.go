package fleet_test

import (
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// A job is put back while its run is under way, as River does with one that runs for too long.
// The end of that run does not end the job, which another run has by then.
func TestEndOfRunThatWasPutBack(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		w.config.Workers = 1
		d := w.add("Office", "ann")
		entered, leave := w.gate()
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		defer w.start()()
		<-entered
		tables := w.tables(where)
		_, err := tables.Exec(t.Context(), "UPDATE river_job SET state = 'available' WHERE state = 'running' AND kind = 'fleet_domain'")
		require.NoError(t, err)
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		leave <- nil
		<-entered // the next run: if its process dies now, the job must still be there
		require.Never(t, func() bool {
			return count(t, tables, "SELECT count(*) FROM river_job WHERE state = 'completed' AND kind = 'fleet_domain'") > 0
		}, time.Second, 20*time.Millisecond)
		close(leave)
		w.wait(func(status []fleet.DomainStatus) bool {
			return status[0].Health == fleet.HealthRight && status[0].Job == fleet.JobNone
		})
	})
}
