package fleet_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// A text that the database takes no part of is written all the same.
func TestTextsOfAnyBytes(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann")
		w.config.Desired = func(context.Context, string, string) (*provision.State, string, error) {
			return nil, "rev\x00\xff", errors.New("bad \x00 \xff text")
		}
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		status := w.run(over)
		require.Equal(t, fleet.HealthFailing, status[0].Health)
		require.Contains(t, status[0].Error, "text")
		require.True(t, strings.HasPrefix(status[0].Rev, "rev"))
	})
}
