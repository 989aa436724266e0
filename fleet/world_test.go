package fleet_test

import (
	"context"
	"errors"
	"testing"

	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// tables opens the database of a world beside the fleet.
func (w *world) tables(where string) *database.DB {
	w.t.Helper()
	db, err := database.Open(w.t.Context(), where)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, db.Close()) })
	return db
}

func count(t *testing.T, db *database.DB, query string) (n int) {
	t.Helper()
	require.NoError(t, db.Query(t.Context(), func(scan func(...any) error) error { return scan(&n) }, query))
	return n
}

// gate has each run wait in Config.Desired, which then returns the error that leave gets.
func (w *world) gate() (entered chan bool, leave chan error) {
	entered, leave = make(chan bool, 9), make(chan error)
	desired := w.config.Desired
	w.config.Desired = func(ctx context.Context, account, domain string) (*provision.State, string, error) {
		state, rev, err := desired(ctx, account, domain)
		entered <- true
		select {
		case failed := <-leave:
			return state, rev, errors.Join(err, failed)
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	return entered, leave
}
