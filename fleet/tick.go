package fleet

import (
	"context"
	"database/sql"
	"hash/fnv"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/queue"
	"github.com/riverqueue/river"
)

// tick enqueues the domains whose time has come. The times are in the database, so they
// hold when all processes are restarted.
type tick struct{}

func (tick) Kind() string { return "fleet_tick" }

func (tick) InsertOpts() river.InsertOpts {
	// It is not unique: one whose process has died would hold up the next ones for hours.
	return river.InsertOpts{Queue: queue.Ticks, MaxAttempts: 1}
}

// periodic are the periodic jobs of River. One process at a time enqueues them, and each
// process must have them.
func (f *Fleet) periodic() []*river.PeriodicJob {
	every := 30 * time.Second
	if f.config.Every > 0 {
		every = max(time.Second/2, min(every, f.config.Every/20))
	}
	return []*river.PeriodicJob{river.NewPeriodicJob(
		river.PeriodicInterval(every),
		func() (river.JobArgs, *river.InsertOpts) { return tick{}, nil },
		&river.PeriodicJobOpts{ID: "fleet-tick", RunOnStart: true},
	)}
}

// tickWorker does the tick.
type tickWorker struct {
	river.WorkerDefaults[tick]
	fleet *Fleet
}

// Timeout is for River too: a worker that has none of its own is never rescued, and a tick whose
// process has died would stay in the table.
func (w *tickWorker) Timeout(*river.Job[tick]) time.Duration { return 10 * time.Minute }

// ticked is how many domains a transaction of a tick has.
const ticked = 500

func (w *tickWorker) Work(ctx context.Context, _ *river.Job[tick]) error {
	err := w.tick(ctx)
	if err != nil && ctx.Err() == nil {
		w.fleet.config.Logger.Warn("fleet: the domains whose time has come could not all be enqueued", "error", err)
	}
	return err
}

func (w *tickWorker) tick(ctx context.Context) error {
	held, err := w.fleet.db.locks.Try(ctx, "tick")
	if err != nil || held == nil { // another is at it
		return err
	}
	defer held.Release()
	if every := w.fleet.config.Every; every > 0 {
		for more := true; more; {
			if more, err = w.fleet.enqueueDue(ctx, time.Now().UTC(), every); err != nil {
				return err
			}
		}
	}
	_, err = w.fleet.db.db.Exec(ctx, "DELETE FROM run WHERE at < $1 AND id NOT IN (SELECT last_run FROM domain WHERE last_run IS NOT NULL)",
		time.Now().UTC().Add(-w.fleet.config.History))
	return err
}

// enqueueDue enqueues domains whose time has come, and gives those a time that have none
// yet, or one that is too late since Config.Every was made shorter. It returns true if there
// may be more.
func (f *Fleet) enqueueDue(ctx context.Context, now time.Time, every time.Duration) (more bool, err error) {
	err = f.db.queue.Tx(ctx, func(tx queue.Tx) error {
		all, due := []queue.Job(nil), []queue.Job(nil)
		err := tx.Query(ctx, func(scan func(...any) error) error {
			var (
				job queue.Job
				at  sql.NullTime
			)
			if err := scan(&job.Account, &job.Domain, &at); err != nil {
				return err
			}
			if all = append(all, job); at.Valid && !at.Time.After(now) {
				due = append(due, job)
			}
			return nil
		}, "SELECT account, domain, due FROM domain WHERE due IS NULL OR due <= $1 OR due > $2 ORDER BY account, domain LIMIT $3", now, now.Add(every), ticked)
		if err != nil {
			return err
		}
		for _, job := range all {
			if _, err := tx.Exec(ctx, "UPDATE domain SET due = $3 WHERE account = $1 AND domain = $2", job.Account, job.Domain, phase(job, now, every)); err != nil {
				return err
			}
		}
		more = len(all) == ticked
		return tx.Insert(ctx, due, time.Time{})
	})
	return more, err
}

// phase is the next time after now at which a domain is due. The times of the domains are
// spread over the period by their names.
func phase(job queue.Job, now time.Time, every time.Duration) time.Time {
	h := fnv.New64a()
	_, _ = h.Write([]byte(job.Account + "\x00" + job.Domain))
	at := now.Truncate(every).Add(time.Duration(h.Sum64() % uint64(every)))
	for !at.After(now) {
		at = at.Add(every)
	}
	return at
}
