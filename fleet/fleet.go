package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet/internal/queue"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/riverqueue/rivercontrib/otelriver"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Config says how a fleet is kept. Clients and Desired are required, and Recipients unless
// PlanOnly is set. All processes of a fleet should have the same Config.
type Config struct {
	// Clients returns the client of an account. It must pass opts to infinitysip.NewClient, next
	// to its own. opts are a WithLimiter, which must stay, and a WithRetryPolicy that only sets
	// MaxThrottleWait to 15 seconds, so that a call does not wait for long while other domains
	// have work. A WithRetryPolicy after opts replaces that one.
	//
	// The fleet keeps the client until the server refuses its credentials, or refuses everything
	// for a while. Then it calls Clients again. Two accounts must not have the same domain,
	// because one would not know of the other's runs. The text of an error is written to the
	// database, so it must hold no secret.
	Clients func(ctx context.Context, account string, opts ...infinitysip.Option) (*infinitysip.Client, error)

	// Desired returns the desired state of a domain, and a name for that state, such as a
	// commit or a hash, which may be empty. Each run calls it, several at a time. The passwords
	// and PINs of the state are for new users. The text of an error is written to the
	// database, so it must hold no secret.
	Desired func(ctx context.Context, account, domain string) (state *provision.State, rev string, err error)

	// Recipients are the public keys to which secrets are encrypted. The processes can write
	// secrets and cannot read them; DB.Secrets can, with an identity. At least one is needed,
	// unless PlanOnly is set.
	Recipients []age.Recipient

	// Plan has the options of each plan: Prune, MaxDeletes, MaxDeleteShare, CreateOnly, Spares
	// and Workers, which also counts for Apply. New refuses the others.
	Plan provision.PlanOptions

	// PlanOnly makes plans and applies none. A domain whose plan has changes is HealthDrifted.
	PlanOnly bool

	// Every is how often each domain is looked at without Enqueue; default 24 hours, at least
	// a second. A negative duration means never. The domains are spread over that time.
	Every time.Duration

	// Rate is how many requests a second all processes together send for an account; 0 means
	// any number. The least is 0.001.
	Rate float64

	// Workers is how many domains this process runs at a time; default 8. An account that is
	// slow, because of Rate or because the server refuses requests, soon takes only some of the
	// workers.
	Workers int

	// Timeout is the longest time of a run; default 1 hour, at most 30 days. A run that takes
	// longer is stopped and has failed.
	Timeout time.Duration

	// Grace is how long Run lets runs go on after its context has ended; default 10 seconds.
	// Then it stops those that have not ended. Another process, or this one later, does them
	// again. To write that down may take half a minute if the database does not answer.
	Grace time.Duration

	// History is how long results are kept; default 30 days. The last result of each domain
	// stays.
	History time.Duration

	// Logger logs what Run does; nil means slog.Default. A run that changed nothing is logged
	// at level debug, one that did at info, one that failed at warn.
	Logger *slog.Logger

	// MeterProvider and TracerProvider get the metrics and spans of jobs that
	// github.com/riverqueue/rivercontrib/otelriver makes; nil means the global ones of
	// OpenTelemetry.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
}

// A Fleet keeps domains in their desired states. Any number of goroutines may use it.
type Fleet struct {
	db     *DB
	config Config

	mu       sync.Mutex
	accounts map[string]*account
	running  map[queue.Job]bool
}

// New returns a Fleet. It makes no call and does not use the database. The error lists
// everything that is wrong with the Config, and matches infinitysip.ErrInvalid.
func New(db *DB, config Config) (*Fleet, error) {
	if err := config.check(db); err != nil {
		return nil, fmt.Errorf("fleet: %w: %w", infinitysip.ErrInvalid, err)
	}
	config.Every = cmp.Or(config.Every, 24*time.Hour)
	config.Workers = cmp.Or(config.Workers, 8)
	config.Timeout = cmp.Or(config.Timeout, time.Hour)
	config.Grace = cmp.Or(config.Grace, 10*time.Second)
	config.History = cmp.Or(config.History, 30*24*time.Hour)
	config.Logger = cmp.Or(config.Logger, slog.Default())
	return &Fleet{db: db, config: config, accounts: map[string]*account{}, running: map[queue.Job]bool{}}, nil
}

// longestTimeout is the longest Config.Timeout.
const longestTimeout = 30 * 24 * time.Hour

func (c *Config) check(db *DB) error {
	var problems []error
	problem := func(bad bool, text string) {
		if bad {
			problems = append(problems, errors.New(text))
		}
	}
	problem(db == nil, "there is no DB: Open returns one")
	problem(c.Clients == nil, "Config.Clients is nil: it says which client an account has")
	problem(c.Desired == nil, "Config.Desired is nil: it says what a domain should be")
	problem(len(c.Recipients) == 0 && !c.PlanOnly, "Config.Recipients is empty: the passwords of new users would be lost")
	for _, r := range c.Recipients {
		problem(r == nil, "Config.Recipients has a nil")
	}
	p := &c.Plan
	problem(p.MaxDeletes < 0, "Config.Plan.MaxDeletes is negative")
	problem(!(p.MaxDeleteShare >= 0 && p.MaxDeleteShare <= 1), "Config.Plan.MaxDeleteShare is not from 0 to 1")
	problem(p.SetSecrets, "Config.Plan.SetSecrets is set: every run would set every password again")
	problem(len(p.RotateTokens) > 0, "Config.Plan.RotateTokens is set: every run would rotate them again")
	problem(len(p.Unsettled) > 0, "Config.Plan.Unsettled is set: the fleet knows what is unsettled")
	problem(p.Workers < 0, "Config.Plan.Workers is negative")
	problem(!(c.Rate >= 0) || math.IsInf(c.Rate, 0), "Config.Rate is not a number from 0 up")
	problem(c.Rate > 0 && c.Rate < 0.001, "Config.Rate is less than one request in 1,000 seconds")
	problem(c.Every > 0 && c.Every < time.Second, "Config.Every is less than a second")
	problem(c.Workers < 0 || c.Workers > river.QueueNumWorkersMax, fmt.Sprintf("Config.Workers is not from 0 to %d", river.QueueNumWorkersMax))
	problem(c.Timeout < 0 || c.Timeout > longestTimeout, "Config.Timeout is not from 0 to 30 days")
	problem(c.Grace < 0, "Config.Grace is negative")
	problem(c.History < 0, "Config.History is negative")
	return errors.Join(problems...)
}

// Enqueue is DB.Enqueue.
func (f *Fleet) Enqueue(ctx context.Context, domains ...Domain) error {
	return f.db.Enqueue(ctx, domains...)
}

// Run runs domains until ctx ends. Then it returns nil, soon after Config.Grace at the
// latest. It returns an error only if it could not begin. If the database goes away later,
// Run waits for it to come back.
func (f *Fleet) Run(ctx context.Context) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &runWorker{fleet: f})
	river.AddWorker(workers, &tickWorker{fleet: f})
	worker, err := f.db.queue.Worker(&river.Config{
		Logger:               slog.New(warnings{f.config.Logger.Handler()}),
		FetchCooldown:        20 * time.Millisecond,
		JobTimeout:           -1, // each worker has its own
		RescueStuckJobsAfter: f.config.Timeout + time.Hour,
		SoftStopTimeout:      f.config.Grace,
		Workers:              workers,
		Queues: map[string]river.QueueConfig{
			queue.Domains: {MaxWorkers: f.config.Workers},
			queue.Ticks:   {MaxWorkers: 1},
		},
		PeriodicJobs: f.periodic(),
		Middleware: []rivertype.Middleware{otelriver.NewMiddleware(&otelriver.MiddlewareConfig{
			MeterProvider:  f.config.MeterProvider,
			TracerProvider: f.config.TracerProvider,
		})},
	})
	if err != nil {
		return fmt.Errorf("fleet: run: %w", err)
	}
	if ctx.Err() != nil {
		return nil
	}
	if err := worker.Start(ctx); err != nil {
		if ctx.Err() != nil { // it ended meanwhile
			return nil
		}
		return fmt.Errorf("fleet: run: %w", err)
	}
	f.compareClocks(ctx)
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.sweep(sweeping)
	}()
	<-worker.Stopped()
	stop()
	<-done
	return nil
}

// compareClocks warns if this machine has another time than the database. River takes the time
// of a job that is put off from the one, and looks for jobs by the other.
func (f *Fleet) compareClocks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	var now int64
	err := f.db.db.Query(ctx, func(scan func(...any) error) error { return scan(&now) }, "SELECT "+f.db.db.Now())
	if ahead := time.Since(time.UnixMicro(now)); err == nil && ahead.Abs() > 2*time.Second {
		f.config.Logger.Warn("fleet: the clock of this machine differs from that of the database, so jobs that are put off run too early or too late: set both by a time server", "ahead", ahead)
	}
}

// warnings lets through what River says at level warn and above.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
