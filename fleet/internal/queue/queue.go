// Package queue holds the jobs of a fleet in River: one for each domain of an account, at
// most once while it waits or runs.
package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// The queues of River.
const (
	Domains = "domains"
	Ticks   = "ticks" // of its own, so that runs do not hold it up
)

// A Job is the run of a domain.
type Job struct {
	Account string `json:"account" river:"unique"`
	Domain  string `json:"domain" river:"unique"`
}

// Kind is the kind of the job in River.
func (Job) Kind() string { return "fleet_domain" }

// InsertOpts make a job unique while it waits or runs. River's default would count the
// completed ones too.
func (Job) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue:       Domains,
		MaxAttempts: math.MaxInt16, // an attempt ends here only when its process dies
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: waiting()},
	}
}

// waiting are the states of jobs that are not over.
func waiting() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}
}

// A Queue is in a database.
type Queue struct{ engine }

// New returns the queue of a database. log is told what River has to say.
func New(db *database.DB, log *slog.Logger) (*Queue, error) {
	if db.Pool != nil {
		e := &on[pgx.Tx, *riverpgxv5.Driver]{
			driver: riverpgxv5.New(db.Pool),
			begin:  db.Pool.Begin,
			end: func(ctx context.Context, tx pgx.Tx) (commit, rollback func() error) {
				return func() error { return tx.Commit(ctx) }, func() error { return tx.Rollback(context.WithoutCancel(ctx)) }
			},
			tx: func(tx pgx.Tx) database.Tx { return database.Postgres(tx) },
		}
		return &Queue{e}, e.open(log)
	}
	e := &on[*sql.Tx, *riversqlite.Driver]{
		driver: riversqlite.New(db.File),
		begin:  func(ctx context.Context) (*sql.Tx, error) { return db.File.BeginTx(ctx, nil) },
		end:    func(_ context.Context, tx *sql.Tx) (commit, rollback func() error) { return tx.Commit, tx.Rollback },
		tx:     func(tx *sql.Tx) database.Tx { return database.SQLite(tx) },
	}
	return &Queue{e}, e.open(log)
}

// engine is what is the same on both databases.
type engine interface {
	// Migrate makes or updates the tables of River. It does nothing if they are as they should be.
	Migrate(ctx context.Context) error

	// Worker returns what runs jobs.
	Worker(config *river.Config) (Worker, error)

	// Tx runs do in a transaction. River locks jobs in other orders than do, so PostgreSQL may end
	// the transaction as a deadlock: then do is run again in another one.
	Tx(ctx context.Context, do func(Tx) error) error

	// List calls row for the jobs that are in one of the states; none are all that are not over.
	List(ctx context.Context, row func(*rivertype.JobRow, Job), states ...rivertype.JobState) error
}

// A Worker is a client of River.
type Worker interface {
	Start(ctx context.Context) error
	Stopped() <-chan struct{}
}

// A Tx is a transaction in which jobs are put into the queue or ended.
type Tx interface {
	database.Tx

	// Insert puts jobs into the queue, each at most once: with at, not before then. A job that waits for a
	// later time comes at once, unless at is set.
	Insert(ctx context.Context, jobs []Job, at time.Time) error

	// Complete ends a job that its worker has done. It returns false if the job waits again, because
	// somebody put it back: then the worker must not return nil, with which River would end a later
	// attempt of the job some moments later.
	Complete(ctx context.Context, job *river.Job[Job]) (ended bool, err error)
}

// on is an engine for a kind of transaction, TTx, and the driver D of River for that.
type on[TTx any, D riverdriver.Driver[TTx]] struct {
	driver D
	client *river.Client[TTx] // which only inserts
	begin  func(context.Context) (TTx, error)
	end    func(context.Context, TTx) (commit, rollback func() error)
	tx     func(TTx) database.Tx
}

func (o *on[TTx, D]) open(log *slog.Logger) (err error) {
	o.client, err = river.NewClient(o.driver, &river.Config{Logger: log})
	return err
}

func (o *on[TTx, D]) Migrate(ctx context.Context) error {
	migrator, err := rivermigrate.New(o.driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if valid, err := migrator.Validate(ctx, nil); err == nil && valid.OK {
		return nil
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (o *on[TTx, D]) Worker(config *river.Config) (Worker, error) {
	return river.NewClient(o.driver, config)
}

func (o *on[TTx, D]) Tx(ctx context.Context, do func(Tx) error) error {
	for attempt := 1; ; attempt++ {
		if err := o.once(ctx, do); !database.Deadlock(err) || attempt == 5 {
			return err
		}
	}
}

func (o *on[TTx, D]) once(ctx context.Context, do func(Tx) error) error {
	tx, err := o.begin(ctx)
	if err != nil {
		return err
	}
	commit, rollback := o.end(ctx, tx)
	defer func() { _ = rollback() }() // does nothing after a commit
	if err := do(&transaction[TTx, D]{o.tx(tx), o, tx}); err != nil {
		return err
	}
	return commit()
}

func (o *on[TTx, D]) List(ctx context.Context, row func(*rivertype.JobRow, Job), states ...rivertype.JobState) error {
	if len(states) == 0 {
		states = waiting()
	}
	const page = 1000
	params := river.NewJobListParams().Kinds(Job{}.Kind()).States(states...).OrderBy(river.JobListOrderByID, river.SortOrderAsc).First(page)
	for {
		list, err := o.client.JobList(ctx, params)
		if err != nil {
			return err
		}
		for _, job := range list.Jobs {
			var args Job
			if json.Unmarshal(job.EncodedArgs, &args) == nil {
				row(job, args)
			}
		}
		if len(list.Jobs) < page {
			return nil
		}
		params = params.After(list.LastCursor)
	}
}

type transaction[TTx any, D riverdriver.Driver[TTx]] struct {
	database.Tx
	on *on[TTx, D]
	tx TTx
}

func (t *transaction[TTx, D]) Insert(ctx context.Context, jobs []Job, at time.Time) error {
	for page := range slices.Chunk(jobs, 1000) {
		many := make([]river.InsertManyParams, len(page))
		for i, job := range page {
			many[i] = river.InsertManyParams{Args: job, InsertOpts: &river.InsertOpts{ScheduledAt: at}}
		}
		rows, err := t.on.client.InsertManyTx(ctx, t.tx, many)
		if err != nil {
			return err
		}
		for _, row := range rows {
			// River has made a job available that was put off for some seconds. By the clock of
			// another machine, that may be later.
			later := row.Job.State == rivertype.JobStateScheduled || row.Job.State == rivertype.JobStateRetryable ||
				row.Job.State == rivertype.JobStateAvailable && row.Job.ScheduledAt.After(time.Now())
			if !at.IsZero() || !row.UniqueSkippedAsDuplicate || !later {
				continue
			}
			if _, err := t.on.client.JobRetryTx(ctx, t.tx, row.Job.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *transaction[TTx, D]) Complete(ctx context.Context, job *river.Job[Job]) (ended bool, err error) {
	now, err := river.JobCompleteTx[D](ctx, t.tx, job)
	if errors.Is(err, rivertype.ErrNotFound) { // it was deleted
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("end job %d: %w", job.ID, err)
	}
	return now.State == rivertype.JobStateCompleted, nil
}

// Requeue has a running job run again, if it is still the same attempt: its process is gone.
func Requeue(ctx context.Context, tx database.Tx, job *rivertype.JobRow) (bool, error) {
	n, err := tx.Exec(ctx, "UPDATE river_job SET state = 'available' WHERE id = $1 AND state = 'running' AND attempt = $2", job.ID, job.Attempt)
	return n > 0, err
}
