package database_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
)

// childOf is the variable that has the test binary be another process, which opens the
// database that it names.
const childOf = "DATABASE_TEST_CHILD_OF"

func TestMain(m *testing.M) {
	if where := os.Getenv(childOf); where != "" {
		db, err := database.Open(context.Background(), where)
		if err == nil {
			_, err = db.Exec(context.Background(), fmt.Sprintf("CREATE TABLE made%d (id integer)", os.Getpid()))
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

func open(t *testing.T, where string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), where)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// number returns what a statement selects.
func number(t *testing.T, on database.Tx, statement string, args ...any) int64 {
	t.Helper()
	var number int64
	require.NoError(t, on.Query(t.Context(), func(scan func(...any) error) error { return scan(&number) }, statement, args...))
	return number
}

func TestStatements(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		db := open(t, where)
		_, err := db.Exec(t.Context(), "CREATE TABLE item (id bigint PRIMARY KEY, text text NOT NULL)")
		require.NoError(t, err)
		rows, err := db.Exec(t.Context(), "INSERT INTO item VALUES ($1, $2), ($3, $2)", 1, "ä'\"", 2)
		require.NoError(t, err)
		require.EqualValues(t, 2, rows)

		var found []string
		read := func(scan func(...any) error) error {
			var id int64
			var text string
			err := scan(&id, &text)
			found = append(found, fmt.Sprint(id, text))
			return err
		}
		require.NoError(t, db.Query(t.Context(), read, "SELECT id, text FROM item WHERE id >= $1 ORDER BY id", 1))
		require.Equal(t, []string{"1ä'\"", "2ä'\""}, found)

		stop := errors.New("enough")
		require.ErrorIs(t, db.Query(t.Context(), func(func(...any) error) error { return stop }, "SELECT id FROM item"), stop)
		require.Error(t, db.Query(t.Context(), read, "SELECT id FROM item"))
		_, err = db.Exec(t.Context(), "INSERT INTO item VALUES ($1, $2)", 1, "again")
		require.Error(t, err)
		require.Error(t, db.Query(t.Context(), read, "INSERT INTO item VALUES ($1, $2) RETURNING id, text", 1, "again"))
		_, err = db.Exec(t.Context(), "nonsense")
		require.Error(t, err)
		require.EqualValues(t, 2, number(t, db, "SELECT count(*) FROM item"))
		require.NoError(t, db.Sync())
	})
}

func TestTransactions(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		db := open(t, where)
		_, err := db.Exec(t.Context(), "CREATE TABLE item (id bigint PRIMARY KEY)")
		require.NoError(t, err)
		for _, commit := range []bool{false, true} {
			end := func(commit, rollback func() error) {
				if commit != nil {
					require.NoError(t, commit())
				} else {
					require.NoError(t, rollback())
				}
			}
			var tx database.Tx
			var commits, rollsBack func() error
			if db.Pool != nil {
				begun, err := db.Pool.Begin(t.Context())
				require.NoError(t, err)
				tx = database.Postgres(begun)
				commits = func() error { return begun.Commit(t.Context()) }
				rollsBack = func() error { return begun.Rollback(t.Context()) }
			} else {
				begun, err := db.File.BeginTx(t.Context(), nil)
				require.NoError(t, err)
				tx, commits, rollsBack = database.SQLite(begun), begun.Commit, begun.Rollback
			}
			if !commit {
				commits = nil
			}
			_, err := tx.Exec(t.Context(), "INSERT INTO item VALUES (1)")
			require.NoError(t, err)
			require.EqualValues(t, 1, number(t, tx, "SELECT count(*) FROM item"))
			end(commits, rollsBack)
		}
		require.EqualValues(t, 1, number(t, db, "SELECT count(*) FROM item"))
	})
}

func TestTimes(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		db := open(t, where)
		kind := "timestamp"
		if db.Pool != nil {
			kind = "timestamptz"
		}
		_, err := db.Exec(t.Context(), "CREATE TABLE item (id bigint PRIMARY KEY, at "+kind+")")
		require.NoError(t, err)
		east, west := time.FixedZone("", 5*3600), time.FixedZone("", -5*3600)
		noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
		for i, at := range []time.Time{
			noon.In(east), noon.Add(time.Microsecond).In(west), noon.Add(500 * time.Millisecond).In(east),
			noon.Add(510 * time.Millisecond).Local(), noon.Add(time.Second).In(west),
		} {
			_, err := db.Exec(t.Context(), "INSERT INTO item VALUES ($1, $2)", i, at)
			require.NoError(t, err)
			var back time.Time
			require.NoError(t, db.Query(t.Context(), func(scan func(...any) error) error { return scan(&back) }, "SELECT at FROM item WHERE id = $1", i))
			require.Equal(t, at.UTC(), back)
			require.EqualValues(t, i, number(t, db, "SELECT count(*) FROM item WHERE at < $1", at))
			require.EqualValues(t, i+1, number(t, db, "SELECT count(*) FROM item WHERE at <= $1", at))
		}
		require.InDelta(t, time.Now().UnixMicro(), number(t, db, "SELECT "+db.Now()), float64(time.Minute.Microseconds()))
	})
}

// Many processes may open the database when it is new.
func TestOpenAtOnce(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		program, err := os.Executable()
		require.NoError(t, err)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				command := exec.Command(program)
				command.Env = append(os.Environ(), childOf+"="+where)
				if output, err := command.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, output)
				}
			})
			group.Go(func() {
				db, err := database.Open(t.Context(), where)
				if err != nil {
					t.Error(err)
					return
				}
				_ = db.Close()
			})
		}
		group.Wait()
	})
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("This is no database. ", 100)), 0o600))
	for where, message := range map[string]string{
		"":                                       "postgres://… or the path of a file",
		"sqlite:":                                "postgres://… or the path of a file",
		"a\x00b":                                 "postgres://… or the path of a file",
		"mysql://localhost/":                     "postgres://… or the path of a file",
		folder:                                   "the SQLite file " + folder,
		text:                                     "not a database",
		filepath.Join(folder, "missing", "a.db"): "unable to open database file",
		"postgres://127.0.0.1:1/a":               "refused",
		"postgres://127.0.0.1:1/a?pool_max_conns=many": "pool_max_conns",
	} {
		_, err := database.Open(t.Context(), where)
		require.ErrorContains(t, err, message, where)
		require.NotContains(t, err.Error(), "out of memory", where)
	}
}

// No error shows a password, wherever it is.
func TestNoPasswordInErrors(t *testing.T) {
	t.Parallel()
	const password = "Geheim"
	for _, where := range []string{
		"postgres://user:Geheim@127.0.0.1:1/a",
		"postgres://user:Geheim@127.0.0.1:port/a",
		"postgres://user:Geheim@127.0.0.1:1/a?sslmode=nonsense",
		"postgres://user:Geheim@127.0.0.1:1/a?pool_max_conns=many",
		"postgres://user@127.0.0.1:1/a?password=Geheim",
		"postgres://user@127.0.0.1:1/a?password=Geheim&sslmode=nonsense",
		"postgres://user@127.0.0.1:1/a?sslpassword=Geheim&pool_max_conns=many",
		"postgres://user:%Geheim@127.0.0.1:1/a",
		"postgres://user:1/Geheim@127.0.0.1:1/a",
		"postgres://user:1?Geheim@127.0.0.1:1/a",
		"postgres://user:1#Geheim@127.0.0.1:1/a",
		"postgres://user:a/Geheim@127.0.0.1:1/a",
		"postgres://user:Geh eim@127.0.0.1:1/a",
		"postgres://user:Geheim\n@127.0.0.1:1/a",
		"postgresql://user:[Geheim@127.0.0.1:1/a",
	} {
		_, err := database.Open(t.Context(), where)
		require.Error(t, err, where)
		require.NotContains(t, err.Error(), password, where)
		require.NotContains(t, err.Error(), "eim", where)
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db := open(t, address)
	for _, statement := range []string{
		"DROP ROLE IF EXISTS guarded",
		"CREATE ROLE guarded LOGIN PASSWORD 'Ge@h/eim?'",
	} {
		_, err := db.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	t.Cleanup(func() { _, _ = db.Exec(context.Background(), "DROP ROLE guarded") })
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	parsed.User = url.UserPassword("guarded", "Falsch")
	_, err = database.Open(t.Context(), parsed.String())
	require.ErrorContains(t, err, "password authentication failed")
	require.NotContains(t, err.Error(), "Falsch")

	parsed.User = url.UserPassword("guarded", "Ge@h/eim?")
	_, err = database.Open(t.Context(), parsed.String())
	require.ErrorContains(t, err, "permission denied")

	_, err = db.Exec(t.Context(), "GRANT USAGE ON SCHEMA fleet TO guarded")
	require.NoError(t, err)
	guarded, err := database.Open(t.Context(), parsed.String())
	require.NoError(t, err, "the schema is there, and another user made it")
	require.NoError(t, guarded.Close())
	_, err = db.Exec(t.Context(), "DROP OWNED BY guarded")
	require.NoError(t, err)
}

func TestSchema(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	schema := func(address string) (schema string) {
		db := open(t, address)
		require.NoError(t, db.Query(t.Context(), func(scan func(...any) error) error { return scan(&schema) }, "SELECT current_schema()"))
		own, err := pgx.ConnectConfig(t.Context(), db.Config)
		require.NoError(t, err)
		defer func() { _ = own.Close(t.Context()) }()
		var other string
		require.NoError(t, own.QueryRow(t.Context(), "SELECT current_schema()").Scan(&other))
		require.Equal(t, schema, other)
		return schema
	}
	_, err := database.Open(t.Context(), address+"&search_path=missing")
	require.ErrorContains(t, err, "create it")
	require.Equal(t, "public", schema(address+"&search_path=public"))
	require.Equal(t, "public", schema(address+"&options=-csearch_path%3Dpublic"))
	require.Equal(t, "fleet", schema(address))
	require.Equal(t, "fleet", schema(address))
	host, rest, _ := strings.Cut(strings.TrimPrefix(address, "postgres://postgres@"), "/")
	require.Equal(t, "fleet", schema("postgres://postgres@"+host+","+host+"/"+rest))
}

func TestStrangePaths(t *testing.T) {
	t.Parallel()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, name := range []string{
		"a b.db", "a?mode=memory", "a#b", "a%20b", "a%00b", "ä&ö=ü;", ":memory:", "file:a", "-a", "a'\"`b", "a:b", "a+b", "🦆",
	} {
		path := filepath.Join(folder, name)
		db := open(t, path)
		require.Equal(t, path, db.Path)
		_, err := db.Exec(t.Context(), "CREATE TABLE item (id integer)")
		require.NoError(t, err)
		_, err = os.Stat(path)
		require.NoError(t, err)
		require.NoError(t, db.Sync())
		require.NoError(t, db.Close())
		require.Zero(t, number(t, open(t, "sqlite:"+path), "SELECT count(*) FROM item"))
	}

	// All names of the file are one.
	link := filepath.Join(folder, "link")
	require.NoError(t, os.Symlink(filepath.Join(folder, "target"), link))
	require.Equal(t, filepath.Join(folder, "target"), open(t, link).Path)
	work, err := os.Getwd()
	require.NoError(t, err)
	relative, err := filepath.Rel(work, filepath.Join(folder, "relative"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(folder, "relative"), open(t, relative).Path)
}

// Syncing the file must not free the locks that SQLite has on it.
func TestSyncKeepsLocks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fleet.db")
	db := open(t, path)
	_, err := db.Exec(t.Context(), "CREATE TABLE item (id integer)")
	require.NoError(t, err)
	_, err = db.Exec(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := db.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	other, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	_, err = other.ExecContext(t.Context(), "INSERT INTO item VALUES (1)")
	require.NoError(t, err)
	require.NoError(t, other.Close())
	_, err = os.Stat(path + "-wal")
	require.NoError(t, err, "the other was not the last to close the file, so the log stays")
	require.EqualValues(t, 1, number(t, db, "SELECT count(*) FROM item"))
}
