package fleet_test

import (
	"testing"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// A database that refuses the secrets is no outage that passes: the run has failed.
func TestSecretsRefused(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		d := w.add("Office", "ann")
		tables := w.tables(where)
		statements := []string{"CREATE TRIGGER no BEFORE INSERT ON secret BEGIN SELECT RAISE(ABORT, 'no secrets here'); END"}
		if tables.Pool != nil {
			statements = []string{
				"CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no secrets here'; END $$ LANGUAGE plpgsql",
				"CREATE TRIGGER no BEFORE INSERT ON secret FOR EACH ROW EXECUTE FUNCTION refuse()",
			}
		}
		for _, statement := range statements {
			_, err := tables.Exec(t.Context(), statement)
			require.NoError(t, err)
		}
		require.NoError(t, w.db.Enqueue(t.Context(), d))
		status := w.run(func(status []fleet.DomainStatus) bool { return status[0].Health == fleet.HealthFailing })
		require.Contains(t, status[0].Error, "no secrets here")
		require.Empty(t, w.server.Users(w.server.Domains()[0].ID))
	})
}
