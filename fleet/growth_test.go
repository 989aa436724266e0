package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// All domains of a large fleet can be enqueued at once.
func TestManyDomains(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		all := make([]fleet.Domain, 1500)
		for i := range all {
			all[i] = fleet.Domain{Account: "acme", Name: fmt.Sprintf("Office %05d", i), Rev: "r1"}
		}
		for _, what := range []string{"new", "waiting"} {
			began := time.Now()
			require.NoError(t, w.db.Enqueue(t.Context(), all...))
			t.Logf("%s: enqueued in %s", what, time.Since(began))
		}
		began := time.Now()
		status, err := w.db.Status(t.Context())
		require.NoError(t, err)
		t.Logf("status in %s", time.Since(began))
		require.Len(t, status, len(all))
		for i, d := range status {
			require.Equal(t, all[i].Name, d.Name)
			require.Equal(t, "r1", d.Wanted)
			require.Equal(t, fleet.JobWaiting, d.Job)
		}
	})
}
