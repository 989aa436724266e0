//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/provision"
)

// workerVariable is the variable of the environment that makes the program a worker: a
// process that does the work. It reads commands, a line each, and answers each with a line.
const workerVariable = "BENCHMARK_FLEET_WORKER"

// orders are what a worker is told.
type orders struct {
	URL       string `json:"url"` // of the server
	Recipient string `json:"recipient"`
	Database  string `json:"database"` // of a fleet; empty: there is none
	Secrets   string `json:"secrets"`  // without a fleet: the file that has them
	AtATime   int    `json:"atATime"`  // domains
	Profile   string `json:"profile"`  // a file for a CPU profile; empty: none
}

// The commands.
const (
	commandUsage = "usage" // answer with a usage, as JSON
	commandKeep  = "keep"  // without a fleet: plan and apply the domains that follow, and answer answerDone
	answerReady  = "ready" // comes first, without a command
	answerDone   = "done"
)

// usage is what a process has used.
type usage struct {
	CPU  time.Duration `json:"cpu"`
	Peak float64       `json:"peak"` // MB
}

// work does what it is told until its input ends, and returns the status that the process
// ends with.
func work(text string) int {
	var o orders
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = profiled(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the worker failed:", err)
		return 1
	}
	return 0
}

// profiled does the work, with a profile if there is to be one.
func profiled(o orders) error {
	do := workInFleet
	if o.Database == "" {
		do = workAlone
	}
	if o.Profile == "" {
		return do(o)
	}
	file, err := os.Create(o.Profile)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = do(o)
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// listen answers commands until the input ends.
func listen(keep func(names []string) error) error {
	fmt.Println(answerReady)
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		command := strings.Fields(line)
		switch {
		case len(command) > 0 && command[0] == commandUsage:
			if err := json.NewEncoder(os.Stdout).Encode(usage{bench.CPUTime(), bench.PeakMemory()}); err != nil {
				return err
			}
		case len(command) > 0 && command[0] == commandKeep && keep != nil:
			if err := keep(command[1:]); err != nil {
				return err
			}
			fmt.Println(answerDone)
		default:
			return fmt.Errorf("nobody knows the command %q", line)
		}
	}
}

func newClient(o orders, opts ...infinitysip.Option) (*infinitysip.Client, error) {
	return infinitysip.NewClient(infinitysip.APIKey(apiKey), append([]infinitysip.Option{infinitysip.WithBaseURL(o.URL)}, opts...)...)
}

// workInFleet runs a fleet.
func workInFleet(o orders) error {
	recipient, err := age.ParseX25519Recipient(o.Recipient)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	db, err := fleet.Open(ctx, o.Database)
	if err != nil {
		return err
	}
	f, err := fleet.New(db, fleet.Config{
		Clients: func(_ context.Context, _ string, opts ...infinitysip.Option) (*infinitysip.Client, error) {
			return newClient(o, opts...)
		},
		Desired: func(_ context.Context, _, domain string) (*provision.State, string, error) {
			return desired(domain), "", nil
		},
		Recipients: []age.Recipient{recipient},
		Every:      -1,
		Workers:    o.AtATime,
		Logger:     slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	ran := make(chan error, 1)
	go func() { ran <- f.Run(ctx) }()
	err = listen(nil)
	stop()
	return errors.Join(err, <-ran, db.Close())
}

// workAlone plans and applies as a program does that has no fleet.
func workAlone(o orders) error {
	recipient, err := age.ParseX25519Recipient(o.Recipient)
	if err != nil {
		return err
	}
	client, err := newClient(o)
	if err != nil {
		return err
	}
	file, err := os.Create(o.Secrets)
	if err != nil {
		return err
	}
	a := &alone{client: client, secrets: &secrets{recipient: recipient, file: file}, atATime: o.AtATime, ids: map[string]infinitysip.DomainID{}}
	return errors.Join(listen(a.keep), file.Close())
}

type alone struct {
	client  *infinitysip.Client
	secrets *secrets
	atATime int

	mu  sync.Mutex
	ids map[string]infinitysip.DomainID
}

func (a *alone) keep(names []string) error {
	errs := make([]error, len(names))
	bench.Workers(a.atATime, len(names), func(i int) { errs[i-1] = a.keepOne(names[i-1]) })
	return errors.Join(errs...)
}

func (a *alone) keepOne(name string) error {
	ctx := context.Background()
	id, err := a.find(ctx, name)
	if err != nil {
		return err
	}
	plan, err := provision.Plan(ctx, a.client, id, desired(name), nil)
	if err != nil || plan.Empty() {
		return err
	}
	_, err = plan.Apply(ctx, a.client, &provision.ApplyOptions{
		Keep:   func(c provision.Credential) error { return a.secrets.write(name, c, true) },
		Settle: func(c provision.Credential) error { return a.secrets.write(name, c, false) },
		Alone:  true, LimitWait: -1,
	})
	return err
}

// find looks at the domain, as a fleet does: it lists all once, and looks whether one still has
// its name.
func (a *alone) find(ctx context.Context, name string) (infinitysip.DomainID, error) {
	id, listed, err := a.known(ctx, name)
	if err != nil || listed {
		return id, err
	}
	domain, err := a.client.Domains.Get(ctx, id)
	if err == nil && domain.DisplayName != name {
		err = fmt.Errorf("domain %q has another name", name)
	}
	return id, err
}

// known returns the id of a domain, and whether the domains were listed just now.
func (a *alone) known(ctx context.Context, name string) (id infinitysip.DomainID, listed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids[name] == 0 {
		listed = true
		for domain, err := range a.client.Domains.All(ctx) {
			if err != nil {
				return 0, true, err
			}
			a.ids[domain.DisplayName] = domain.ID
		}
	}
	if id = a.ids[name]; id == 0 {
		err = fmt.Errorf("there is no domain %q", name)
	}
	return id, listed, err
}

// secrets are a file, with a line of JSON for each time that one is kept or settled.
type secrets struct {
	recipient age.Recipient

	mu   sync.Mutex
	file *os.File
}

// A line is one of the file of secrets.
type line struct {
	Domain string                    `json:"domain"`
	User   string                    `json:"user"`
	State  provision.CredentialState `json:"state"`
	Sealed []byte                    `json:"sealed,omitzero"` // encrypted with age
}

// write writes a line. A new secret is on the disk before it is used.
func (s *secrets) write(domain string, c provision.Credential, isNew bool) error {
	l := line{Domain: domain, User: c.User, State: c.State}
	if isNew {
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, s.recipient)
		if err != nil {
			return err
		}
		if err := errors.Join(json.NewEncoder(w).Encode(c.Password.Reveal()), w.Close()); err != nil {
			return err
		}
		l.State, l.Sealed = provision.CredentialProposed, sealed.Bytes()
	}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.Write(append(text, '\n')); err != nil {
		return err
	}
	if isNew {
		return s.file.Sync()
	}
	return nil
}
