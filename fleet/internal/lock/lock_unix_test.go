//go:build unix

package lock_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/fleet/internal/lock"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
)

func TestStoppedProcess(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		locks := open(t, where)
		other := newChild(t, where)
		require.Equal(t, "true", other.ask(t, "try a"))
		require.NoError(t, other.command.Process.Signal(syscall.SIGSTOP))
		requireTaken(t, locks)
		require.NoError(t, other.command.Process.Signal(syscall.SIGCONT))
		require.Equal(t, "<nil>", other.ask(t, "check"))
		requireTaken(t, locks)
	})
}

// terminate ends the sessions that hold locks in the database.
func terminate(t *testing.T, url string) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = connection.Close(t.Context()) }()
	var ended int
	err = connection.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&ended)
	require.NoError(t, err)
	require.NotZero(t, ended)
}

// A process that was stopped, and lost its session meanwhile, is told so before it does
// anything.
func TestStoppedProcessLosesSession(t *testing.T) {
	t.Parallel()
	for _, ask := range []string{"check", "wait"} {
		t.Run(ask, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			locks := open(t, url)
			other := newChild(t, url)
			require.Equal(t, "true", other.ask(t, "try a"))
			require.NoError(t, other.command.Process.Signal(syscall.SIGSTOP))
			terminate(t, url)
			requireFree(t, locks, "a")
			time.Sleep(1100 * time.Millisecond) // no condition: an answer may be a second old
			require.NoError(t, other.command.Process.Signal(syscall.SIGCONT))
			require.Contains(t, other.ask(t, ask), lock.ErrLost.Error())
			require.Contains(t, other.ask(t, "check"), lock.ErrLost.Error())
			require.Equal(t, "false", other.ask(t, "try a"))
			require.Equal(t, "true", other.ask(t, "try b"))
			other.ask(t, "release")
			take(t, locks, "b")
		})
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one, two := open(t, url), open(t, url)
	a, b := take(t, one, "a"), take(t, one, "b")
	terminate(t, url)
	err := requireEnds(t, a.Context(t.Context()))
	require.ErrorIs(t, err, lock.ErrLost)
	require.ErrorIs(t, requireEnds(t, b.Context(t.Context())), lock.ErrLost)
	require.ErrorIs(t, a.Check(t.Context()), lock.ErrLost)

	// What was held in the lost session is not freed in the next.
	again := take(t, one, "a")
	a.Release()
	b.Release()
	requireTaken(t, two)
	require.NoError(t, again.Check(t.Context()))
	take(t, two, "b")
}

// Nobody has to notice that an idle session ended.
func TestIdleSessionEnds(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	locks := open(t, url)
	take(t, locks, "a").Release()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = connection.Close(t.Context()) }()
	_, err = connection.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	require.NoError(t, err)
	take(t, locks, "a")
}

func TestServerRestarts(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	url := server.URL(t)
	locks := open(t, url)
	held := take(t, locks, "a")
	ctx := held.Context(t.Context())
	server.Stop(t)
	require.ErrorIs(t, requireEnds(t, ctx), lock.ErrLost)
	_, err := locks.Try(t.Context(), "a")
	require.Error(t, err)
	require.NotErrorIs(t, err, lock.ErrLost)
	server.Start(t)
	take(t, locks, "a")
}

// Who removes the files of the locks takes them away.
func TestFileIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fleet.db")
	one, two := open(t, path), open(t, path)
	old := take(t, one, "a")
	require.NoError(t, os.RemoveAll(path+".locks"))
	current := take(t, two, "a")
	ctx := old.Context(t.Context())
	require.ErrorIs(t, old.Check(t.Context()), lock.ErrLost)
	require.ErrorIs(t, requireEnds(t, ctx), lock.ErrLost)
	old.Release()
	require.NoError(t, current.Check(t.Context()))
	requireTaken(t, one)
	current.Release()

	files, err := os.ReadDir(path + ".locks")
	require.NoError(t, err)
	require.Empty(t, files)
	folder, err := os.Stat(path + ".locks")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), folder.Mode().Perm())
}
