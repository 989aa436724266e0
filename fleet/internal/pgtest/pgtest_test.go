package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestURL(t *testing.T) {
	t.Parallel()
	one, two := pgtest.URL(t), pgtest.URL(t)
	require.NotEqual(t, one, two)
	for _, url := range []string{one, two} {
		connection, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		_, err = connection.Exec(t.Context(), "CREATE TABLE made (id int)")
		require.NoError(t, err)
		require.NoError(t, connection.Close(t.Context()))
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	url := server.URL(t)
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = connection.Exec(t.Context(), "CREATE TABLE made (id int)")
	require.NoError(t, err)

	server.Stop(t)
	require.Error(t, connection.Ping(t.Context()))
	_, err = pgx.Connect(t.Context(), url)
	require.Error(t, err)

	server.Start(t)
	connection, err = pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = connection.Exec(t.Context(), "INSERT INTO made VALUES (1)")
	require.NoError(t, err)

	server.Restart(t)
	require.Error(t, connection.Ping(t.Context()))
}
