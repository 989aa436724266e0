package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/folder"
	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/metrics"
	infinitysipotel "github.com/infinitysip/infinitysip/otel"
	"github.com/infinitysip/infinitysip/provision"
)

// workFlags are the flags of work.
type workFlags struct {
	accounts                   string
	recipients, recipientFiles []string
	config                     fleet.Config
	metrics                    string
	debug                      bool
	endWithInput               bool
}

func (a *app) workCommand() *cobra.Command {
	var f workFlags
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Look at domains and change them, until Ctrl-C or SIGTERM",
		Long: `Work looks at the domains that are enqueued, compares each with its state, and makes
it as it should be. Any number of processes can do that on one database: on one
machine if it is a file. They share --rate, and no domain is changed by two at a
time. Start all of them with the same flags. They may read a state at any moment, so
replace its file by renaming another to it.

The passwords, PINs and tokens that it sets are in the database, encrypted to the
--recipient: "fleet secrets" reads them. Nothing is deleted without --prune, and
never more than --max-deletes and --max-delete-share allow.

It writes a line to standard error for each run that changed something or failed.
--metrics has it serve metrics at http://ADDRESS/metrics, in the form of Prometheus:
those of the jobs begin with river, those of the requests with http_client and
infinitysip_client.`,
		Example: `  age-keygen -o key.txt
  fleet work --db fleet.db --accounts accounts --states states --recipient age1…
  fleet work --accounts accounts --states states --plan-only
  fleet work --accounts accounts --states states --recipients-file admins.txt --prune --max-deletes 10 --max-delete-share 0.02`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if f.endWithInput {
				ctx = withInput(ctx, a.stdin)
			}
			return a.work(ctx, &f)
		},
	}
	a.databaseFlag(cmd)
	a.statesFlag(cmd)
	c, flags := &f.config, cmd.Flags()
	flags.StringVar(&f.accounts, "accounts", "", "the `folder` of the credentials: ACCOUNT.env")
	flags.StringArrayVar(&f.recipients, "recipient", nil, "a `recipient` that secrets are encrypted to, such as age1…; may be repeated")
	flags.StringArrayVar(&f.recipientFiles, "recipients-file", nil, "a `file` with a recipient a line; may be repeated")
	flags.Float64Var(&c.Rate, "rate", 5, "how many requests a second an account gets from all processes together; 0 is any `number`")
	flags.BoolVar(&c.Plan.Prune, "prune", false, "delete what the states leave out, as far as --max-deletes and --max-delete-share allow")
	flags.IntVar(&c.Plan.MaxDeletes, "max-deletes", 0, "the most that --prune may delete in a run, a `number`; more is drift, of which nothing is changed")
	flags.Float64Var(&c.Plan.MaxDeleteShare, "max-delete-share", 0, "the same as a `share` of what is there, such as 0.02; the smaller of both counts")
	flags.BoolVar(&c.Plan.CreateOnly, "create-only", false, "make what is missing, and change nothing that is there")
	flags.BoolVar(&c.PlanOnly, "plan-only", false, "change nothing: look at the domains, and tell which have drifted")
	flags.DurationVar(&c.Every, "every", 24*time.Hour, "how often each domain is looked at without being enqueued; 0 is never")
	flags.IntVar(&c.Workers, "workers", 8, "how many domains this process runs at a time")
	flags.DurationVar(&c.Timeout, "timeout", time.Hour, "the longest `time` of a run")
	flags.DurationVar(&c.Grace, "grace", 10*time.Second, "for how long runs may go on after Ctrl-C or SIGTERM; what is left goes on later")
	flags.DurationVar(&c.History, "history", 30*24*time.Hour, "for how long results are kept")
	flags.StringVar(&f.metrics, "metrics", "", "the `address` to serve metrics at, such as 127.0.0.1:9464")
	flags.BoolVar(&f.debug, "debug", false, "write a line for the runs that changed nothing, too")
	flags.BoolVar(&f.endWithInput, "end-with-input", false, "end when standard input ends, as it does when the process that holds the other end of it dies")
	_ = flags.MarkHidden("end-with-input") // it is there
	return cmd
}

// check reads the flags, and tells everything that is wrong with them.
func (f *workFlags) check(a *app) error {
	var wrong []error
	problem := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	_, err := a.where()
	problem(err != nil, "%w", err)
	problem(f.accounts == "", "work needs --accounts")
	problem(a.states == "", "work needs --states")
	c := &f.config
	var bad []error
	c.Recipients, bad = recipients(f.recipients, f.recipientFiles)
	wrong = append(wrong, bad...)
	problem(len(c.Recipients)+len(bad) == 0 && !c.PlanOnly, "work needs --recipient or --recipients-file: the passwords of new users are encrypted to them, and would be lost otherwise. age-keygen makes a key, and tells its recipient. With --plan-only none is needed")
	limited := c.Plan.MaxDeletes != 0 || c.Plan.MaxDeleteShare != 0
	problem(c.Plan.Prune && !limited, "--prune needs --max-deletes or --max-delete-share")
	problem(!c.Plan.Prune && limited, "--max-deletes and --max-delete-share say how much --prune may delete: without that, nothing is deleted")
	problem(c.Plan.MaxDeletes < 0, "--max-deletes must not be negative")
	problem(!(c.Plan.MaxDeleteShare >= 0 && c.Plan.MaxDeleteShare <= 1), "--max-delete-share must be from 0 to 1")
	problem(c.Rate != 0 && !(c.Rate >= 0.001 && c.Rate < math.Inf(1)), "--rate must be 0, or 0.001 and more")
	problem(c.Every != 0 && c.Every < time.Second, "--every must be 0, or a second and more")
	problem(c.Workers < 1 || c.Workers > 10_000, "--workers must be from 1 to 10000")
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"timeout", c.Timeout}, {"grace", c.Grace}, {"history", c.History}} {
		problem(d.value <= 0, "--%s must be more than 0", d.flag)
	}
	if c.Every == 0 {
		c.Every = -1 // of fleet.Config: never
	}
	return wrongUses(wrong)
}

func (a *app) work(ctx context.Context, f *workFlags) (err error) {
	if err := f.check(a); err != nil {
		return err
	}
	for _, dir := range []struct{ flag, path string }{{"accounts", f.accounts}, {"states", a.states}} {
		if err := folder.Check(dir.path); err != nil {
			return fmt.Errorf("--%s: %w", dir.flag, err)
		}
	}
	level := slog.LevelInfo
	if f.debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	accounts, states := folder.Accounts(f.accounts), folder.States(a.states)
	names, err := accounts.Names()
	if err != nil {
		return err
	}
	for _, name := range names { // so that it is told now, and not at night
		if _, err := accounts.Read(name); err != nil {
			log.Warn("the domains of an account cannot be looked at", "account", name, "error", err)
		}
	}
	var options []infinitysip.Option
	if f.metrics != "" {
		server, err := metrics.Serve(f.metrics)
		if err != nil {
			return fmt.Errorf("metrics cannot be served: %w", err)
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		log.Info("metrics are served", "url", server.URL())
		f.config.MeterProvider = server.Provider()
		observer, err := infinitysipotel.New(infinitysipotel.WithMeterProvider(server.Provider()))
		if err != nil {
			return err
		}
		options = append(options, infinitysip.WithObserver(observer))
	}

	db, err := a.open(ctx, false)
	if err != nil {
		if ctx.Err() != nil {
			return nil // it was told to end
		}
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f.config.Logger = log
	f.config.Clients = func(_ context.Context, account string, with ...infinitysip.Option) (*infinitysip.Client, error) {
		return client(accounts, account, append(with, options...)...)
	}
	f.config.Desired = func(_ context.Context, account, domain string) (*provision.State, string, error) {
		return states.Read(account, domain)
	}
	crew, err := fleet.New(db, f.config)
	if err != nil {
		return err
	}
	log.Info("work begins", "accounts", len(names), "workers", f.config.Workers)
	defer log.Info("work has ended")
	return crew.Run(ctx)
}

// withInput is a context that ends when the input does, too. The goroutine that reads cannot be
// interrupted: it ends with the input or the process.
func withInput(ctx context.Context, input io.Reader) context.Context {
	ctx, end := context.WithCancel(ctx)
	go func() {
		defer end()
		_, _ = io.Copy(io.Discard, input) // whatever ends it
	}()
	return ctx
}

// usualServer is where the calls go if an account names no other server.
const usualServer = "https://api.infinitycloud.com"

// client makes the client of an account.
func client(accounts folder.Accounts, account string, options ...infinitysip.Option) (*infinitysip.Client, error) {
	set, err := accounts.Read(account)
	if err != nil {
		return nil, err
	}
	keys := infinitysip.APIKey(set.APIKey)
	if set.APIKey == "" {
		keys = infinitysip.BasicAuth(set.Username, set.Password)
	}
	return infinitysip.NewClient(keys, append([]infinitysip.Option{
		infinitysip.WithUserAgent("infinitysip-fleet/" + version()),
		infinitysip.WithBaseURL(cmp.Or(set.BaseURL, usualServer)),
	}, options...)...)
}
