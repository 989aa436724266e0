package fleet_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// A run that has lost its lock ends no job, because another may run the domain by then.
func TestLostLockEndsNoJob(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	w := newWorld(t, server.URL(t))
	d := w.add("Office", "ann")
	entered, leave := w.gate()
	require.NoError(t, w.db.Enqueue(t.Context(), d))
	defer w.start()()
	<-entered
	server.Stop(t)
	leave <- errors.New("no state")
	require.Eventually(t, func() bool { return strings.Contains(w.log.String(), "run put off") }, 20*time.Second, 10*time.Millisecond)
	server.Start(t)
	<-entered
	results, err := w.db.Results(t.Context(), d, 10)
	require.NoError(t, err)
	require.Empty(t, results)
	leave <- nil
	w.wait(func(status []fleet.DomainStatus) bool { return status[0].Health == fleet.HealthRight })
}
