package fleet_test

import (
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// A job that is put off has the same number of attempts when it runs again. Two looks that
// find two such runs before they have the lock do not show that a process has died.
func TestSweepTellsRunsApart(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann")
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		tables := w.tables(where)
		begin := func(from string) (begun bool) {
			at := time.Now().UTC()
			var text any = at
			if tables.Pool == nil {
				text = at.Format("2006-01-02 15:04:05.000")
			}
			n, err := tables.Exec(t.Context(), "UPDATE river_job SET state = 'running', attempt = 1, attempted_at = $1 WHERE kind = 'fleet_domain' AND state = $2", text, from)
			require.NoError(t, err)
			return n == 1
		}
		require.True(t, begin("available"))
		defer w.start()()
		last := time.Now()
		for end := last.Add(3500 * time.Millisecond); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			if !begin("running") { // on a machine that is too busy two looks find the same run
				require.Greater(t, time.Since(last), 700*time.Millisecond, "it was put back")
				require.True(t, begin("available"))
			}
			last = time.Now()
		}
		w.wait(func(status []fleet.DomainStatus) bool { return status[0].Health == fleet.HealthRight })
	})
}
