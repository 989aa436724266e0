package fleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/bucket"
	"github.com/infinitysip/infinitysip/fleet/internal/database"
)

// tables are those of a fleet, beside River's. What differs between the databases is in
// braces.
const tables = `
CREATE TABLE IF NOT EXISTS domain (
	account text NOT NULL,
	domain text NOT NULL,
	rev text NOT NULL DEFAULT '', -- that was enqueued last
	asked bigint NOT NULL DEFAULT 0, -- a number that changes when it is enqueued; it begins with the time, so that none comes again after Forget
	due {time}, -- when it is enqueued next without being asked for
	failures integer NOT NULL DEFAULT 0, -- in a row
	put_off text NOT NULL DEFAULT '', -- why the last run was; empty if it ended
	right_at {time}, -- when a run last found or made it right
	last_run bigint,
	PRIMARY KEY (account, domain)
);
CREATE INDEX IF NOT EXISTS domain_due ON domain (due);
CREATE TABLE IF NOT EXISTS run (
	id {id},
	account text NOT NULL,
	domain text NOT NULL,
	rev text NOT NULL,
	changes integer NOT NULL, -- in the plan
	status text NOT NULL, -- right, drifted or failing
	error text NOT NULL,
	at {time} NOT NULL, -- when it ended
	plan {json} -- if it has changes
);
CREATE INDEX IF NOT EXISTS run_of_domain ON run (account, domain, id);
CREATE INDEX IF NOT EXISTS run_at ON run (at);
CREATE TABLE IF NOT EXISTS secret (
	id {id},
	account text NOT NULL,
	domain text NOT NULL,
	username text NOT NULL,
	device text NOT NULL, -- MAC address; empty for a password and a PIN
	state text NOT NULL, -- proposed, confirmed or unknown
	has text NOT NULL, -- what is in it: password, PIN, token
	sealed {bytes} NOT NULL, -- encrypted with age
	at {time} NOT NULL -- of its state
);
CREATE INDEX IF NOT EXISTS secret_of_domain ON secret (account, domain, id);
` + bucket.Tables

func makeTables(ctx context.Context, db *database.DB) error {
	types := strings.NewReplacer("{time}", "timestamp", "{id}", "integer PRIMARY KEY AUTOINCREMENT", "{json}", "text", "{bytes}", "blob")
	if db.Pool != nil {
		types = strings.NewReplacer("{time}", "timestamptz", "{id}", "bigserial PRIMARY KEY", "{json}", "json", "{bytes}", "bytea")
	}
	for statement := range strings.SplitSeq(types.Replace(tables), ";\n") {
		// The name comes after CREATE TABLE IF NOT EXISTS.
		there, err := exists(ctx, db, strings.Fields(statement)[5])
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if _, err := db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// exists reports whether a table or an index is there. PostgreSQL refuses IF NOT EXISTS to those
// who may only read, and has it wait until nobody writes.
func exists(ctx context.Context, db *database.DB, name string) (there bool, err error) {
	if db.Pool == nil {
		return false, nil
	}
	err = db.Query(ctx, func(scan func(...any) error) error { return scan(&there) },
		`SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))`, name)
	return there, err
}

// open makes the tables, one process at a time.
func (db *DB) open(ctx context.Context) error {
	for {
		held, err := db.locks.Try(ctx, "tables")
		if err != nil {
			return err
		}
		if held != nil {
			defer held.Release()
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process makes the tables: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := db.queue.Migrate(ctx); err != nil {
		return err
	}
	return makeTables(ctx, db.db)
}
