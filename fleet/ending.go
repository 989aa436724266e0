package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/fleet/internal/lock"
	"github.com/infinitysip/infinitysip/fleet/internal/queue"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/riverqueue/river"
)

// end writes down what came of the run and ends the job, in one transaction with the look
// whether the domain was enqueued meanwhile: then it is run again.
func (r *run) end(ctx context.Context, health Health, failed error) error {
	plan, changes, text := []byte(nil), 0, ""
	if r.plan != nil && !r.plan.Empty() {
		var err error
		if plan, err = json.Marshal(r.plan); err != nil {
			failed = errors.Join(failed, err)
		}
		changes = len(r.plan.Items)
	}
	if failed != nil {
		text = clean(failed.Error())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*databaseWait)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		// Who has lost the lock, as when the database was away, must not write over what came of a
		// later run, nor end its job.
		err := r.held.Check(ctx)
		if errors.Is(err, lock.ErrLost) {
			return r.put(ctx, err)
		}
		if err = r.write(ctx, health, changes, text, plan, retry(health, failed)); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			r.log(slog.LevelError, "fleet: what came of a run could not be written down", "health", health, "changes", changes, "result", text, "error", err)
			return river.JobSnooze(around(outageWait))
		case <-time.After(pause):
		}
	}
	switch {
	case health == HealthFailing:
		r.log(slog.LevelWarn, "fleet: run failed", "changes", changes, "error", text)
	case failed != nil:
		r.log(slog.LevelInfo, "fleet: run done", "health", health, "changes", changes, "error", text)
	case changes > 0:
		r.log(slog.LevelInfo, "fleet: run done", "health", health, "changes", changes)
	default:
		r.log(slog.LevelDebug, "fleet: run done", "health", health)
	}
	switch {
	case !r.ended: // it was put back meanwhile, so that it runs again
		return river.JobSnooze(0)
	case health == HealthFailing:
		return failed // for metrics: the job is completed, and another waits
	}
	return nil
}

// retry reports whether a failed run is to be done again soon. If the state is to blame, the
// domain waits for another.
func retry(health Health, failed error) bool {
	var problems *provision.CheckError
	return health == HealthFailing && !errors.As(failed, &problems)
}

func (r *run) write(ctx context.Context, health Health, changes int, text string, plan []byte, retry bool) error {
	return r.fleet.db.queue.Tx(ctx, func(tx queue.Tx) error {
		var id int64
		now := time.Now().UTC()
		var document any
		if plan != nil {
			document = string(plan)
		}
		err := tx.Query(ctx, func(scan func(...any) error) error { return scan(&id) },
			`INSERT INTO run (account, domain, rev, changes, status, error, at, plan) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
			r.domain.Account, r.domain.Name, r.domain.Rev, changes, string(health), text, now, document)
		if err != nil {
			return err
		}
		asked, failures, known := r.asked, 0, false
		set := "put_off = '', failures = 0"
		switch health {
		case HealthFailing:
			set = "put_off = '', failures = failures + 1"
		case HealthRight:
			set = "put_off = '', failures = 0, right_at = $4"
		}
		args := []any{r.domain.Account, r.domain.Name, id}
		if health == HealthRight {
			args = append(args, now)
		}
		// On PostgreSQL the row is locked from here on, so that nobody enqueues the domain until the job is ended.
		err = tx.Query(ctx, func(scan func(...any) error) error {
			known = true
			return scan(&asked, &failures)
		}, "UPDATE domain SET last_run = $3, "+set+" WHERE account = $1 AND domain = $2 RETURNING asked, failures", args...)
		if err != nil {
			return err
		}
		if !known {
			return r.endForgotten(ctx, tx)
		}
		if r.ended, err = tx.Complete(ctx, r.job); err != nil {
			return err
		}
		switch {
		case asked != r.asked:
			return tx.Insert(ctx, []queue.Job{r.job.Args}, time.Time{})
		case retry:
			wait := min(failedWait<<min(failures-1, 20), longestFailed)
			return tx.Insert(ctx, []queue.Job{r.job.Args}, now.Add(around(wait)))
		}
		return nil
	})
}

// notePutOff writes down why a run was put off, for Status. It is not worth waiting for.
func (r *run) notePutOff(ctx context.Context, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = r.fleet.db.db.Exec(ctx, "UPDATE domain SET put_off = $3 WHERE account = $1 AND domain = $2", r.domain.Account, r.domain.Name, clean(why.Error()))
}

// errBack says that a domain that was forgotten is enqueued again.
var errBack = errors.New("the domain is enqueued again")

// endForgotten ends the job of a domain that was forgotten. The error is errBack if it was enqueued
// meanwhile, because that made no other job. When the job is ended, an Enqueue makes one.
func (r *run) endForgotten(ctx context.Context, tx queue.Tx) (err error) {
	if r.ended, err = tx.Complete(ctx, r.job); err != nil {
		return err
	}
	back := false
	err = tx.Query(ctx, func(scan func(...any) error) error {
		back = true
		return scan(new(int64))
	}, "SELECT asked FROM domain WHERE account = $1 AND domain = $2", r.domain.Account, r.domain.Name)
	if err == nil && back {
		err = errBack
	}
	return err
}

// clean is a text as PostgreSQL takes it: valid UTF-8 without NUL.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
