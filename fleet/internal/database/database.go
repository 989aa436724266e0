// Package database opens a database on PostgreSQL or SQLite, and runs the same
// statements on both.
//
// A statement has its parameters as $1, $2 and so on. A time is a time.Time, which
// comes back in UTC.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"modernc.org/sqlite"
)

// Schema is the schema of PostgreSQL that the tables are in, unless the URL has a
// search_path.
const Schema = "fleet"

// A DB is an open database: exactly one of Pool and File is set.
type DB struct {
	Pool *pgxpool.Pool // PostgreSQL
	File *sql.DB       // SQLite, with one connection
	Path string        // of the file of SQLite, absolute and without links

	// Config is how to open another connection to PostgreSQL, for a session of its own.
	Config *pgx.ConnConfig

	syncer syncer
}

// A Tx is a transaction, or the database itself, where each statement is one.
type Tx interface {
	// Exec runs a statement, and returns how many rows it changed.
	Exec(ctx context.Context, statement string, args ...any) (int64, error)

	// Query runs a statement and calls row for each of its rows, which scans it.
	Query(ctx context.Context, row func(scan func(...any) error) error, statement string, args ...any) error
}

// Open opens a database: postgres://… or the path of a file, which is made if there
// is none. It asks the server once, so that a wrong address or password is told at
// once.
func Open(ctx context.Context, where string) (*DB, error) {
	scheme, _, _ := strings.Cut(where, "://")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return openPostgres(ctx, where)
	case strings.Contains(where, "://"):
		return nil, errNoDatabase
	}
	return openFile(ctx, strings.TrimPrefix(where, "sqlite:"))
}

var errNoDatabase = errors.New("a database is postgres://… or the path of a file")

func openPostgres(ctx context.Context, where string) (*DB, error) {
	config, err := parsePostgres(where)
	if err != nil {
		return nil, err
	}
	parameters := config.ConnConfig.RuntimeParams
	own := parameters["search_path"] == "" && !strings.Contains(parameters["options"], "search_path")
	if own {
		parameters["search_path"] = Schema
	}
	if parameters["application_name"] == "" {
		parameters["application_name"] = "infinitysip fleet"
	}
	// A process that is stopped in the middle of a transaction must not hold up the others.
	if parameters["idle_in_transaction_session_timeout"] == "" {
		parameters["idle_in_transaction_session_timeout"] = "10s"
	}
	// Of several servers only the primary can be written to.
	if config.ConnConfig.ValidateConnect == nil && strings.Contains(where, ",") {
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if !strings.Contains(where, "pool_max_conns") {
		config.MaxConns = max(config.MaxConns, 10) // River alone uses some; few would have the runs wait for each other
	}
	config.AfterConnect = func(_ context.Context, connection *pgx.Conn) error {
		connection.TypeMap().RegisterType(&pgtype.Type{
			Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := chooseSchema(ctx, pool, own); err != nil {
		pool.Close()
		return nil, err
	}
	return &DB{Pool: pool, Config: config.ConnConfig.Copy()}, nil
}

// parsePostgres reads a URL. Its errors show nothing that can be a part of the password:
// pgx hides it only where it finds it.
func parsePostgres(where string) (*pgxpool.Config, error) {
	const advice = "write postgres://user:password@host:port/database, and %XX for a sign of the password that has a meaning in a URL"
	parsed, err := url.Parse(where)
	switch {
	case err != nil:
		return nil, errors.New("the URL of the database cannot be read: " + advice)
	case parsed.User == nil && strings.Contains(where, "@"):
		// The password has a / or a ? or a #, and the rest of it is taken for something else.
		return nil, errors.New("the URL of the database has an @ that is not before the host: " + advice)
	}
	config, err := pgxpool.ParseConfig(where)
	if err == nil {
		return config, nil
	}
	for parameter := range parsed.Query() {
		if strings.Contains(parameter, "password") {
			return nil, errors.New("a parameter in the URL of the database is wrong")
		}
	}
	return nil, fmt.Errorf("a parameter in the URL of the database is wrong: %w", err)
}

// chooseSchema makes the schema if it is the fleet's own, and looks whether it is there.
func chooseSchema(ctx context.Context, pool *pgxpool.Pool, own bool) error {
	var made error
	if own {
		_, made = pool.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+Schema)
	}
	var schema *string
	if err := pool.QueryRow(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return err
	}
	if schema != nil {
		return nil // even if making it failed: another made it at the same time, or only another may
	}
	if made != nil {
		return fmt.Errorf("making the schema %s, or using it if it is there: %w", Schema, made)
	}
	return errors.New("no schema of search_path exists, or the user may not use it: create it, or grant USAGE")
}

func openFile(ctx context.Context, path string) (*DB, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return nil, errNoDatabase
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	options := url.Values{
		"_pragma":      {"busy_timeout(10000)", "journal_mode(wal)", "synchronous(normal)", "foreign_keys(1)"},
		"_txlock":      {"immediate"}, // else two transactions that read and then write refuse each other at once
		"_time_format": {"sqlite"},
		"_timezone":    {"UTC"}, // so that times are in order as texts, too
		"_error_rc":    {"true"},
	}
	slashes := filepath.ToSlash(path)
	if !strings.HasPrefix(slashes, "/") {
		slashes = "/" + slashes // C:/…
	}
	file, err := sql.Open("sqlite", "file://"+(&url.URL{Path: slashes}).EscapedPath()+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	file.SetMaxOpenConns(1)
	err = begin(ctx, file)
	if err == nil {
		// The name that all processes know it by, whatever links they use.
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("the SQLite file %s: %w", path, err)
	}
	return &DB{File: file, Path: path}, nil
}

// begin opens the file and sets its modes. Where another process does the same, SQLite
// refuses one of them at once, whatever its timeout.
func begin(ctx context.Context, file *sql.DB) error {
	end := time.Now().Add(10 * time.Second)
	for {
		err := file.PingContext(ctx)
		var refused *sqlite.Error
		if !errors.As(err, &refused) || refused.Code()&0xff != busy || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

const busy = 5 // SQLITE_BUSY, and in the low byte of its kinds

// Deadlock reports whether PostgreSQL ended a transaction because it and others waited for each
// other.
func Deadlock(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "40P01"
}

// Refused reports whether the database answered that it refuses a statement, as for want of a
// permission. It is false if the database does not answer, or has no room or no memory left.
func Refused(err error) bool {
	var postgres *pgconn.PgError
	if errors.As(err, &postgres) && len(postgres.Code) == 5 {
		// Connections, transactions that collide, resources, an operator, the system, a fault of the server.
		return !slices.Contains([]string{"08", "40", "53", "55", "57", "58", "XX"}, postgres.Code[:2])
	}
	var file *sqlite.Error
	return errors.As(err, &file) && slices.Contains([]int{
		1, 3, 8, 19, // SQLITE_ERROR, PERM, READONLY, CONSTRAINT
	}, file.Code()&0xff)
}

// Close closes the database.
func (db *DB) Close() error {
	if db.Pool != nil {
		db.Pool.Close()
		return nil
	}
	return db.File.Close()
}

// Exec is that of a transaction of its own.
func (db *DB) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	return db.tx().Exec(ctx, statement, args...)
}

// Query is that of a transaction of its own.
func (db *DB) Query(ctx context.Context, row func(scan func(...any) error) error, statement string, args ...any) error {
	return db.tx().Query(ctx, row, statement, args...)
}

func (db *DB) tx() Tx {
	if db.Pool != nil {
		return Postgres(db.Pool)
	}
	return SQLite(db.File)
}

// Now is the time of the database, as microseconds since 1970, in a statement: the
// server's on PostgreSQL, this machine's on SQLite.
func (db *DB) Now() string {
	if db.Pool != nil {
		return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
	}
	return "CAST(unixepoch('subsec') * 1000000 AS integer)"
}

// Postgres is the Tx of a pool or of a pgx.Tx.
func Postgres(on PostgresTx) Tx { return postgresTx{on} }

// A PostgresTx is a *pgxpool.Pool or a pgx.Tx.
type PostgresTx interface {
	Exec(ctx context.Context, statement string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, statement string, args ...any) (pgx.Rows, error)
}

type postgresTx struct{ on PostgresTx }

func (t postgresTx) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	tag, err := t.on.Exec(ctx, statement, args...)
	return tag.RowsAffected(), err
}

func (t postgresTx) Query(ctx context.Context, row func(scan func(...any) error) error, statement string, args ...any) error {
	rows, err := t.on.Query(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// SQLite is the Tx of a *sql.DB or of a *sql.Tx.
func SQLite(on SQLiteTx) Tx { return sqliteTx{on} }

// A SQLiteTx is a *sql.DB or a *sql.Tx.
type SQLiteTx interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

type sqliteTx struct{ on SQLiteTx }

func (t sqliteTx) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := t.on.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t sqliteTx) Query(ctx context.Context, row func(scan func(...any) error) error, statement string, args ...any) error {
	rows, err := t.on.QueryContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
