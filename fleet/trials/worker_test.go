//go:build unix

package trials

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/provision"
)

// workerVariable is the variable of the environment that makes the program a worker.
const workerVariable = "FLEET_TRIALS_WORKER"

// readyLine is what a worker says when it has all that it needs.
const readyLine = "the worker begins"

// orders are what a worker is told.
type orders struct {
	Name      string            `json:"name"`
	Database  string            `json:"database"`
	URLs      map[string]string `json:"urls"` // of the accounts
	Keys      map[string]string `json:"keys"`
	Wishes    wishes            `json:"wishes"`
	Recipient string            `json:"recipient"`
	Rate      float64           `json:"rate"`
	Workers   int               `json:"workers"`
	Every     time.Duration     `json:"every"`
	Grace     time.Duration     `json:"grace"`
}

// work runs a fleet until SIGTERM, and returns the status that the process ends with.
func work(text string) int {
	if err := os.Unsetenv(workerVariable); err != nil {
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // the test holds the other end: nobody outlives it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	if err := runFleet(ctx, []byte(text)); err != nil {
		fmt.Fprintln(os.Stderr, "the worker failed:", err)
		return 1
	}
	return 0
}

func runFleet(ctx context.Context, text []byte) error {
	var o orders
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	recipient, err := age.ParseX25519Recipient(o.Recipient)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := fleet.Open(ctx, o.Database)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	f, err := fleet.New(db, fleet.Config{
		Clients: func(_ context.Context, account string, opts ...infinitysip.Option) (*infinitysip.Client, error) {
			if o.URLs[account] == "" {
				return nil, fmt.Errorf("nobody knows the account %q", account)
			}
			return infinitysip.NewClient(infinitysip.APIKey(o.Keys[account]), append([]infinitysip.Option{
				infinitysip.WithBaseURL(o.URLs[account]), infinitysip.WithUserAgent(o.Name + "/1"), infinitysip.WithLogger(logger),
			}, opts...)...)
		},
		Desired: func(_ context.Context, account, domain string) (*provision.State, string, error) {
			w, err := o.Wishes.read(account, domain)
			if err != nil {
				return nil, "", err
			}
			state, err := w.state()
			return state, w.rev(), err
		},
		Recipients: []age.Recipient{recipient},
		Plan:       provision.PlanOptions{Prune: true, MaxDeletes: 1000},
		Every:      o.Every,
		Rate:       o.Rate,
		Workers:    o.Workers,
		Grace:      o.Grace,
		Logger:     logger,
	})
	if err != nil {
		return fmt.Errorf("new: %w", err)
	}
	fmt.Fprintln(os.Stderr, readyLine)
	if err := f.Run(ctx); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return db.Close()
}
