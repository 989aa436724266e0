package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet/internal/bucket"
	"github.com/infinitysip/infinitysip/fleet/internal/lock"
	"github.com/infinitysip/infinitysip/fleet/internal/queue"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/riverqueue/river"
)

// Waits of jobs that could not run now. They use up no attempt.
const (
	takenWait  = time.Second      // another runs the domain
	outageWait = 2 * time.Second  // the database did not answer
	limitWait  = 30 * time.Second // after a refusal by the server's limit that does not say how long
)

// longestJitter is the most that a wait is longer, so that what waits does not all come
// back at once.
const longestJitter = 5 * time.Second

// Waits after failures: the first, doubled for each, and the longest.
const (
	failedWait    = 2 * time.Second
	longestFailed = time.Hour
)

// runWorker runs domains.
type runWorker struct {
	river.WorkerDefaults[queue.Job]
	fleet *Fleet
}

// Timeout has River set no deadline: run does, so that what comes after it has time.
func (w *runWorker) Timeout(*river.Job[queue.Job]) time.Duration { return -1 }

// Work runs the domain of a job, unless another does or its account has to wait.
func (w *runWorker) Work(ctx context.Context, job *river.Job[queue.Job]) error {
	f := w.fleet
	held, err := f.db.locks.Try(ctx, lockName(job.Args))
	switch {
	case err != nil && ctx.Err() == nil:
		f.config.Logger.Warn("fleet: no lock", "domain", job.Args.Domain, "account", job.Args.Account, "error", err)
		return river.JobSnooze(around(outageWait))
	case err != nil:
		return river.JobSnooze(0)
	case held == nil:
		return river.JobSnooze(around(takenWait))
	}
	defer held.Release()
	f.mark(job.Args, true)
	defer f.mark(job.Args, false)

	r := &run{
		fleet: f, job: job, held: held, account: f.account(job.Args.Account),
		domain: Domain{Account: job.Args.Account, Name: job.Args.Domain},
	}
	return r.work(ctx)
}

// mark notes that this process runs a domain.
func (f *Fleet) mark(job queue.Job, running bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[job] = running; !running {
		delete(f.running, job)
	}
}

// around is d or somewhat longer.
func around(d time.Duration) time.Duration {
	return d + rand.N(min(d/2, longestJitter)+1) //nolint:gosec // it need not be unpredictable
}

// run is one run of a domain.
type run struct {
	fleet   *Fleet
	job     *river.Job[queue.Job]
	held    *lock.Held
	account *account
	domain  Domain
	asked   int64              // the number of the last Enqueue before the run began
	plan    *provision.Changes // nil if there is none
	ended   bool               // the job is completed
}

func (r *run) work(ctx context.Context) error {
	others, last := r.account.begin(time.Now())
	defer r.account.end()
	wait, err := r.account.busy(ctx, &r.fleet.config, others, last)
	if err == nil && wait > 0 {
		return river.JobSnooze(around(wait))
	}
	known := false
	if err == nil {
		known, err = r.readAsked(ctx)
	}
	switch {
	case err != nil:
		return r.put(ctx, fmt.Errorf("%w: %w", errDatabase, err))
	case !known: // it was forgotten meanwhile
		err := r.fleet.db.queue.Tx(ctx, func(tx queue.Tx) error { return r.endForgotten(ctx, tx) })
		switch {
		case errors.Is(err, errBack) || err == nil && !r.ended:
			return river.JobSnooze(0)
		case err != nil:
			return r.put(ctx, fmt.Errorf("%w: %w", errDatabase, err))
		}
		return nil
	}

	running, cancel := context.WithTimeoutCause(context.WithValue(r.held.Context(ctx), heldKey{}, r.held), r.fleet.config.Timeout, errTimeout)
	health, err := r.provision(running)
	if err != nil {
		// The context may have ended for a reason that the error does not tell.
		if cause := context.Cause(running); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}
	cancel()
	if err != nil && health == HealthFailing && (ctx.Err() != nil || waits(err)) {
		return r.put(ctx, err)
	}
	return r.end(ctx, health, err)
}

var errTimeout = errors.New("the run took longer than Config.Timeout")

// waits reports whether a run was not to blame for its end, so that it is done again and
// has not failed.
func waits(err error) bool {
	var onHold *bucket.HeldError
	return errors.As(err, &onHold) || errors.Is(err, errDatabase) || errors.Is(err, lock.ErrLost) ||
		errors.Is(err, infinitysip.ErrRateLimited)
}

// put puts the job back into the queue, because of an error for which the run waits.
func (r *run) put(ctx context.Context, err error) error {
	var (
		wait   time.Duration
		onHold *bucket.HeldError
		failed *infinitysip.Error
	)
	level := slog.LevelInfo
	switch {
	case errors.As(err, &onHold):
		wait = onHold.For
	case ctx.Err() != nil: // the process ends
		return river.JobSnooze(0)
	case errors.Is(err, errDatabase), errors.Is(err, lock.ErrLost):
		wait, level = outageWait, slog.LevelWarn
	case errors.As(err, &failed) && failed.RetryAfter > 0:
		wait = failed.RetryAfter
	default:
		wait = limitWait
	}
	wait = min(wait, longestHold)
	r.log(level, "fleet: run put off", "for", wait, "error", err)
	r.notePutOff(ctx, err)
	return river.JobSnooze(around(wait))
}

func (r *run) log(level slog.Level, text string, more ...any) {
	r.fleet.config.Logger.Log(context.Background(), level, text, append([]any{"account", r.domain.Account, "domain", r.domain.Name}, more...)...)
}

// readAsked notes what was asked for. It returns false if the domain was forgotten.
func (r *run) readAsked(ctx context.Context) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	err = r.fleet.db.db.Query(ctx, func(scan func(...any) error) error {
		known = true
		return scan(&r.asked)
	}, "SELECT asked FROM domain WHERE account = $1 AND domain = $2", r.domain.Account, r.domain.Name)
	return known, err
}

// provision plans, and applies the plan.
func (r *run) provision(ctx context.Context) (health Health, err error) {
	config := &r.fleet.config
	defer func() {
		if v := recover(); v != nil { // what was thrown may hold anything, so it is not shown
			health, err = HealthFailing, fmt.Errorf("the run panicked (%T)", v)
			r.log(slog.LevelError, "fleet: the run panicked", "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
		}
	}()
	client, err := r.account.get(ctx, r.fleet)
	if err != nil {
		return HealthFailing, fmt.Errorf("get the client of account %q: %w", r.domain.Account, err)
	}
	defer func() {
		// A client learns from a long refusal to send one request in ten seconds, and unlearns
		// it very slowly.
		var onHold *bucket.HeldError
		if errors.Is(err, infinitysip.ErrUnauthorized) || errors.As(err, &onHold) {
			r.account.forget(client)
		}
	}()
	state, rev, err := config.Desired(ctx, r.domain.Account, r.domain.Name)
	r.domain.Rev = clean(rev)
	switch {
	case err != nil:
		return HealthFailing, fmt.Errorf("get the state that it should have: %w", err)
	case state == nil:
		return HealthFailing, errors.New("get the state that it should have: Config.Desired returned none, and no error")
	}
	domain, err := r.account.find(ctx, client, r.domain.Name)
	switch {
	case err != nil:
		return HealthFailing, fmt.Errorf("find domain %q of account %q: %w", r.domain.Name, r.domain.Account, err)
	case domain.DisplayName != r.domain.Name: // Find has found it in another case
		return HealthFailing, fmt.Errorf("the server calls the domain %q: enqueue it by that name, since the lock and the secrets are those of a name", domain.DisplayName)
	}
	options := config.Plan
	if options.Unsettled, err = r.fleet.db.unsettled(ctx, r.domain); err != nil {
		return HealthFailing, fmt.Errorf("read which secrets are unsettled: %w", away(err))
	}
	r.plan, err = provision.Plan(ctx, client, domain.ID, state, &options)
	switch {
	case errors.Is(err, provision.ErrTooManyDeletes):
		return HealthDrifted, err
	case err != nil:
		return HealthFailing, err
	case r.plan.Empty():
		return HealthRight, nil
	case config.PlanOnly:
		return HealthDrifted, nil
	}
	k := &keeper{db: r.fleet.db, domain: r.domain, recipients: config.Recipients, ctx: context.WithoutCancel(ctx), rows: map[string]int64{}}
	_, err = r.plan.Apply(ctx, client, &provision.ApplyOptions{Workers: options.Workers, Keep: k.keep, Settle: k.settle, Alone: true, LimitWait: -1})
	if err != nil {
		return HealthFailing, err
	}
	return HealthRight, nil
}

// lockName is the name of a domain's lock.
func lockName(job queue.Job) string { return fmt.Sprintf("domain %q %q", job.Account, job.Domain) }
