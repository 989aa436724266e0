package fleet_test

import (
	"context"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// A program that opens a database whose tables are there does not wait for those who write,
// nor hold them up.
func TestOpenDoesNotWait(t *testing.T) {
	t.Parallel()
	where := pgtest.URL(t)
	w := newWorld(t, where)
	writing, err := w.tables(where).Pool.BeginTx(t.Context(), pgx.TxOptions{})
	require.NoError(t, err)
	defer func() { _ = writing.Rollback(context.WithoutCancel(t.Context())) }()
	_, err = writing.Exec(t.Context(), "INSERT INTO domain (account, domain) VALUES ('acme', 'Office')")
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	db, err := fleet.Open(ctx, where)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// Who may only read can read the status.
func TestOpenByReader(t *testing.T) {
	t.Parallel()
	where := pgtest.URL(t)
	w := newWorld(t, where)
	d := w.add("Office")
	require.NoError(t, w.db.Enqueue(t.Context(), d))
	tables := w.tables(where)
	for _, statement := range []string{
		"CREATE USER reader", "GRANT USAGE ON SCHEMA fleet TO reader", "GRANT SELECT ON ALL TABLES IN SCHEMA fleet TO reader",
	} {
		_, err := tables.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		for _, statement := range []string{"DROP OWNED BY reader", "DROP USER reader"} {
			_, err := tables.Exec(context.WithoutCancel(t.Context()), statement)
			require.NoError(t, err)
		}
	})
	db, err := fleet.Open(t.Context(), where[:len("postgres://")]+"reader"+where[len("postgres://postgres"):])
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	status, err := db.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, status, 1)
}
