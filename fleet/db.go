package fleet

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/infinitysip/infinitysip/fleet/internal/lock"
	"github.com/infinitysip/infinitysip/fleet/internal/queue"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/riverqueue/river/rivertype"
)

// A DB is the database of a fleet. Secrets are in it only encrypted. Any number of
// goroutines may use a DB.
type DB struct {
	db    *database.DB
	locks *lock.Locks
	queue *queue.Queue
}

// Open opens the database of a fleet, and makes or updates its tables. where is
// "postgres://user:password@host/database", or the path of an SQLite file. Open makes the
// file if there is none. All processes on an SQLite file must be on one machine. Close the
// DB after use.
//
// On PostgreSQL the tables are in the schema fleet, or in the one that the URL names as
// search_path.
func Open(ctx context.Context, where string) (*DB, error) {
	opened, err := database.Open(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("fleet: open the database: %w", err)
	}
	db := &DB{db: opened, locks: lock.New(opened)}
	if db.queue, err = queue.New(opened, slog.New(slog.DiscardHandler)); err == nil {
		err = db.open(ctx)
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("fleet: make the tables: %w", err)
	}
	return db, nil
}

// Close closes the database. Call it when Fleet.Run has returned.
func (db *DB) Close() error {
	if err := errors.Join(db.locks.Close(), db.db.Close()); err != nil {
		return fmt.Errorf("fleet: close the database: %w", err)
	}
	return nil
}

// A Domain names a domain that a fleet keeps in its desired state.
type Domain struct {
	Account string `json:"account"` // as Config.Clients knows it
	Name    string `json:"domain"`  // its display name, spelled as on the server

	// Rev is the caller's name for the state that the domain should have, such as a commit
	// or a hash. It may be empty.
	Rev string `json:"rev,omitzero"`
}

// String returns account/domain.
func (d Domain) String() string { return d.Account + "/" + d.Name }

func (d Domain) job() queue.Job { return queue.Job{Account: d.Account, Domain: d.Name} }

// check tells what is wrong with a name. PostgreSQL keeps no NUL.
func (d Domain) check() error {
	for _, field := range []struct{ name, value string }{{"account", d.Account}, {"domain", d.Name}, {"rev", d.Rev}} {
		switch {
		case field.value == "" && field.name != "rev":
			return fmt.Errorf("%q has no %s", d.String(), field.name)
		case !utf8.ValidString(field.value) || strings.ContainsRune(field.value, 0):
			return fmt.Errorf("the %s %q is not valid UTF-8 without NUL", field.name, field.value)
		case len(field.value) > 1000:
			return fmt.Errorf("the %s %.40q… has more than 1,000 bytes", field.name, field.value)
		}
	}
	return nil
}

// distinct checks domains, sorts them and leaves each once, with the last Rev: two
// processes that enqueue the same ones then wait for each other and not in a circle.
func distinct(domains []Domain) ([]Domain, error) {
	var problems []error
	last := map[queue.Job]Domain{}
	for _, d := range domains {
		if err := d.check(); err != nil {
			problems = append(problems, err)
		}
		last[d.job()] = d
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("fleet: %w: %w", infinitysip.ErrInvalid, errors.Join(problems...))
	}
	all := make([]Domain, 0, len(last))
	for _, d := range last {
		all = append(all, d)
	}
	slices.SortFunc(all, compare)
	return all, nil
}

func compare(a, b Domain) int {
	return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Name, b.Name))
}

// Enqueue makes the fleet run each of the domains soon, in any order, and from then on once
// in each Config.Every. A domain that waits already runs once. A domain that runs now runs
// again after that, because its desired state may have changed meanwhile.
//
// Enqueue enqueues all domains or none. After an error it is none, unless the database was
// lost in the last moment. To enqueue the domains again does no harm. If a name is empty,
// too long or not UTF-8, the error matches infinitysip.ErrInvalid.
func (db *DB) Enqueue(ctx context.Context, domains ...Domain) error {
	all, err := distinct(domains)
	if err != nil {
		return err
	}
	jobs := make([]queue.Job, len(all))
	for i, d := range all {
		jobs[i] = d.job()
	}
	err = db.queue.Tx(ctx, func(tx queue.Tx) error {
		for some := range slices.Chunk(all, 500) {
			var rows []string
			var args []any
			for _, d := range some {
				n := len(args)
				rows = append(rows, fmt.Sprintf("($%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4))
				args = append(args, d.Account, d.Name, d.Rev, time.Now().UnixMicro())
			}
			_, err := tx.Exec(ctx, "INSERT INTO domain AS d (account, domain, rev, asked) VALUES "+strings.Join(rows, ", ")+
				" ON CONFLICT (account, domain) DO UPDATE SET rev = excluded.rev, asked = d.asked + 1", args...)
			if err != nil {
				return err
			}
		}
		return tx.Insert(ctx, jobs, time.Time{})
	})
	if err != nil {
		return fmt.Errorf("fleet: enqueue %s: %w", several(all), err)
	}
	return nil
}

// Forget makes the fleet run the domains no more, until they are enqueued again. It changes
// nothing in them. The results of their runs and their secrets stay in the database. A run
// in progress is finished.
func (db *DB) Forget(ctx context.Context, domains ...Domain) error {
	all, err := distinct(domains)
	if err != nil {
		return err
	}
	err = db.queue.Tx(ctx, func(tx queue.Tx) error {
		for _, d := range all {
			if _, err := tx.Exec(ctx, "DELETE FROM domain WHERE account = $1 AND domain = $2", d.Account, d.Name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("fleet: forget %s: %w", several(all), err)
	}
	return nil
}

// several names the first of some domains.
func several(all []Domain) string {
	switch len(all) {
	case 0:
		return "no domain"
	case 1:
		return all[0].String()
	}
	return fmt.Sprintf("%s and %d more", all[0], len(all)-1)
}

// Health is how a domain was when its last run ended.
type Health string

// How a domain can be.
const (
	HealthNew     Health = "new"     // no run has ended yet
	HealthRight   Health = "right"   // it has its desired state
	HealthDrifted Health = "drifted" // it differs from its desired state, and the run did not change it: because of Config.PlanOnly, or of too many deletes
	HealthFailing Health = "failing" // the run failed; Error says why
)

// Result is what came of a run. It holds no secret.
type Result struct {
	Domain
	Health  Health             `json:"health"`
	Changes int                `json:"changes"` // in the plan
	Plan    *provision.Changes `json:"plan,omitzero"`
	Error   string             `json:"error,omitzero"`
	At      time.Time          `json:"at,omitzero"` // when it ended, in UTC
}

// JobState is what the job of a domain does.
type JobState string

// The states of jobs.
const (
	JobNone     JobState = ""         // there is no job: the domain is not due
	JobWaiting  JobState = "waiting"  // it waits for a worker
	JobRunning  JobState = "running"  // it runs, or its process has just died
	JobRetrying JobState = "retrying" // it waits after a failure, or for the account, until Next
)

// DomainStatus is what is known of a domain.
type DomainStatus struct {
	Result             // of the last run, without its plan; its Rev is what Config.Desired returned for the run
	Wanted   string    `json:"wanted,omitzero"`   // the Rev that was enqueued last
	Failures int       `json:"failures,omitzero"` // how many runs have failed since the last that did not
	PutOff   string    `json:"putOff,omitzero"`   // why the last run has to be done again later; empty if it did not have to wait
	RightAt  time.Time `json:"rightAt,omitzero"`  // when a run last ended with HealthRight, in UTC; zero: never
	Job      JobState  `json:"job,omitzero"`
	Next     time.Time `json:"next,omitzero"` // when it is looked at next, in UTC; in the past if its turn has come
}

// Status returns the status of all domains that were enqueued, sorted by account and name.
func (db *DB) Status(ctx context.Context) ([]DomainStatus, error) {
	all, err := db.status(ctx)
	if err != nil {
		return nil, fmt.Errorf("fleet: read the status: %w", err)
	}
	return all, nil
}

func (db *DB) status(ctx context.Context) ([]DomainStatus, error) {
	jobs := map[queue.Job]*rivertype.JobRow{}
	if err := db.queue.List(ctx, func(row *rivertype.JobRow, job queue.Job) { jobs[job] = row }); err != nil {
		return nil, err
	}
	var all []DomainStatus
	err := db.db.Query(ctx, func(scan func(...any) error) error {
		var (
			d                   DomainStatus
			rev, health, failed sql.NullString
			changes             sql.NullInt64
			right, due, at      sql.NullTime
		)
		if err := scan(&d.Account, &d.Name, &d.Wanted, &d.Failures, &d.PutOff, &right, &due, &rev, &changes, &health, &failed, &at); err != nil {
			return err
		}
		d.Rev, d.Health, d.Changes, d.Error = rev.String, Health(cmp.Or(health.String, string(HealthNew))), int(changes.Int64), failed.String
		d.At, d.RightAt, d.Next = utc(at), utc(right), utc(due)
		if row := jobs[d.job()]; row != nil {
			d.Next = row.ScheduledAt.UTC()
			switch row.State {
			case rivertype.JobStateRunning:
				d.Job = JobRunning
			case rivertype.JobStateAvailable:
				d.Job = JobWaiting
			default:
				d.Job = JobRetrying
			}
		}
		all = append(all, d)
		return nil
	}, `SELECT d.account, d.domain, d.rev, d.failures, d.put_off, d.right_at, d.due, r.rev, r.changes, r.status, r.error, r.at
		FROM domain d LEFT JOIN run r ON r.id = d.last_run`)
	slices.SortFunc(all, func(a, b DomainStatus) int { return compare(a.Domain, b.Domain) })
	return all, err
}

// utc is the time of a column, the zero time for NULL.
func utc(at sql.NullTime) time.Time {
	if !at.Valid {
		return time.Time{}
	}
	return at.Time.UTC()
}

// Results returns the results of the last runs of a domain, the newest first, at most limit
// of them, with their plans. limit is at least 1. domain.Rev does not matter.
func (db *DB) Results(ctx context.Context, domain Domain, limit int) ([]Result, error) {
	var all []Result
	err := db.db.Query(ctx, func(scan func(...any) error) error {
		r := Result{Domain: domain}
		var (
			plan sql.NullString
			at   time.Time
		)
		if err := scan(&r.Rev, &r.Changes, &r.Health, &r.Error, &at, &plan); err != nil {
			return err
		}
		r.At = at.UTC()
		if plan.Valid {
			r.Plan = &provision.Changes{}
			if err := json.Unmarshal([]byte(plan.String), r.Plan); err != nil {
				return err
			}
		}
		all = append(all, r)
		return nil
	}, "SELECT rev, changes, status, error, at, plan FROM run WHERE account = $1 AND domain = $2 ORDER BY id DESC LIMIT $3",
		domain.Account, domain.Name, limit)
	if err != nil {
		return nil, fmt.Errorf("fleet: read the results of %s: %w", domain, err)
	}
	return all, nil
}
