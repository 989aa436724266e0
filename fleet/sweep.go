package fleet

import (
	"context"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/queue"
	"github.com/riverqueue/river/rivertype"
)

// sweepEvery is how often a process looks for jobs whose process has died.
const sweepEvery = time.Second

// sweep puts jobs back into the queue that are running by what River knows, while nobody
// has the lock of their domain: their process has died. River itself would wait for longer
// than the longest run. A job is put back when two looks have found it so, because a
// process takes the lock a moment after it gets the job, and ends the job a moment after it
// has released the lock.
func (f *Fleet) sweep(ctx context.Context) {
	var seen map[attempt]bool
	for {
		timer := time.NewTimer(around(sweepEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		seen = f.look(ctx, seen)
	}
}

// An attempt is one start of a job. One that was put off begins again with the same number, so the
// time is a part of it.
type attempt struct {
	id     int64
	number int
	at     int64
}

// look puts back what the look before has seen too, and returns what it has seen.
func (f *Fleet) look(ctx context.Context, seen map[attempt]bool) map[attempt]bool {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	jobs := map[*rivertype.JobRow]queue.Job{}
	err := f.db.queue.List(ctx, func(row *rivertype.JobRow, job queue.Job) { jobs[row] = job }, rivertype.JobStateRunning)
	if err != nil {
		return seen // the database is away; River tells that
	}
	now := map[attempt]bool{}
	for row, job := range jobs {
		if f.runs(job) {
			continue
		}
		this := attempt{id: row.ID, number: row.Attempt}
		if row.AttemptedAt != nil {
			this.at = row.AttemptedAt.UnixMicro()
		}
		if dead, err := f.dead(ctx, row, job, seen[this]); err == nil && dead {
			now[this] = true
		}
	}
	return now
}

// runs reports whether this process runs a domain.
func (f *Fleet) runs(job queue.Job) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running[job]
}

// dead reports whether nobody has the lock of a running job, and puts it back if it was so
// before.
func (f *Fleet) dead(ctx context.Context, row *rivertype.JobRow, job queue.Job, before bool) (bool, error) {
	held, err := f.db.locks.Try(ctx, lockName(job))
	if err != nil || held == nil {
		return false, err
	}
	defer held.Release()
	if !before {
		return true, nil
	}
	put, err := queue.Requeue(ctx, f.db.db, row)
	if err == nil && put {
		f.config.Logger.Info("fleet: a process died, so its run is done again", "account", job.Account, "domain", job.Domain)
	}
	return true, err
}
