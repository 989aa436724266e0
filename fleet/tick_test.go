package fleet_test

import (
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// River puts away a tick whose process has died.
func TestTickOfDeadProcess(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		tables := w.tables(where)
		_, err := tables.Exec(t.Context(), `INSERT INTO river_job (kind, queue, state, attempt, max_attempts, args, metadata, tags, priority, attempted_at)
			VALUES ('fleet_tick', 'ticks', 'running', 1, 1, '{}', '{}', $2, 1, $1)`, time.Now().UTC().Add(-3*time.Hour), map[bool]string{true: "{}", false: "[]"}[tables.Pool != nil])
		require.NoError(t, err)
		defer w.start()()
		require.Eventually(t, func() bool {
			return count(t, tables, "SELECT count(*) FROM river_job WHERE kind = 'fleet_tick' AND state = 'discarded'") > 0
		}, 20*time.Second, 50*time.Millisecond, "%s", w.log)
	})
}
