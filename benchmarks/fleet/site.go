//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/jackc/pgx/v5"
)

// warmUps is how many domains are kept before those that count.
const warmUps = 16

// patience is the longest time for a pass.
const patience = 20 * time.Minute

// A way is one way of doing the work.
type way struct {
	name      string
	processes int
	atATime   int // domains, of each process
	database  databaseKind
}

type databaseKind int

const (
	noDatabase databaseKind = iota
	onSQLite
	onPostgreSQL
)

const (
	wayOne      = "Plan and Apply, one domain after the other"
	wayEight    = "Plan and Apply, 8 domains at a time"
	waySQLite   = "fleet on SQLite, two processes with 4 workers"
	wayPostgres = "fleet on PostgreSQL, two processes with 4 workers"
)

func ways(c config) []way {
	all := []way{{wayOne, 1, 1, noDatabase}, {wayEight, 1, 8, noDatabase}, {waySQLite, 2, 4, onSQLite}}
	if c.postgres != "" {
		all = append(all, way{wayPostgres, 2, 4, onPostgreSQL})
	}
	return all
}

// A site has the server, in this process, and the processes of a way.
type site struct {
	way       way
	server    *siptest.Server
	ids       map[string]infinitysip.DomainID
	db        *fleet.DB // nil if there is none
	processes []*process
	clean     []func() error // done last to first

	mu       sync.Mutex
	requests map[string]int // by call
}

// openSite makes a server with n domains and starts the processes.
func openSite(ctx context.Context, c config, w way, n int) (_ *site, err error) {
	s := &site{way: w, ids: map[string]infinitysip.DomainID{}, requests: map[string]int{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.server = siptest.NewServer(siptest.Options{APIKey: apiKey, AllowDuplicates: true, Observe: func(r siptest.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests[r.Op]++
	}})
	s.clean = append(s.clean, func() error { s.server.Close(); return nil })
	for _, name := range append(domainNames("warm-up", warmUps), domainNames("domain", n)...) {
		s.ids[name] = s.server.AddDomain(infinitysip.Domain{DisplayName: name})
	}
	dir, err := os.MkdirTemp("", "benchmark-fleet")
	if err != nil {
		return nil, err
	}
	s.clean = append(s.clean, func() error { return os.RemoveAll(dir) })
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	o := orders{URL: s.server.URL(), Recipient: identity.Recipient().String(), AtATime: w.atATime, Secrets: filepath.Join(dir, "secrets")}
	switch w.database {
	case onSQLite:
		o.Database = filepath.Join(dir, "fleet.db")
	case onPostgreSQL:
		if o.Database, err = s.makeDatabase(ctx, c.postgres); err != nil {
			return nil, err
		}
	}
	if o.Database != "" {
		if s.db, err = fleet.Open(ctx, o.Database); err != nil {
			return nil, err
		}
		s.clean = append(s.clean, s.db.Close)
	}
	for i := range w.processes {
		if c.profile != "" {
			o.Profile = filepath.Join(c.profile, fmt.Sprintf("%s-%d.pprof", strings.ReplaceAll(w.name, " ", "-"), i+1))
		}
		p, err := startProcess(o)
		if err != nil {
			return nil, err
		}
		s.processes = append(s.processes, p)
	}
	return s, s.keep(ctx, domainNames("warm-up", warmUps), nil)
}

// makeDatabase makes a database that is dropped at the end, and returns its URL.
func (s *site) makeDatabase(ctx context.Context, where string) (string, error) {
	at, err := url.Parse(where)
	if err != nil {
		return "", errors.New("the URL of PostgreSQL cannot be read")
	}
	name := fmt.Sprintf("benchmark_%d_%d", os.Getpid(), time.Now().UnixNano())
	execute := func(statement string) error {
		connection, err := pgx.Connect(ctx, where)
		if err != nil {
			return err
		}
		_, err = connection.Exec(ctx, statement)
		return errors.Join(err, connection.Close(ctx))
	}
	if err := execute("CREATE DATABASE " + name); err != nil {
		return "", err
	}
	s.clean = append(s.clean, func() error { return execute("DROP DATABASE " + name + " WITH (FORCE)") })
	at.Path = "/" + name
	return at.String(), nil
}

func (s *site) close() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.close())
	}
	for i := range s.clean {
		errs = append(errs, s.clean[len(s.clean)-1-i]())
	}
	return errors.Join(errs...)
}

// A pass is what it costs to keep the domains once.
type pass struct {
	took     time.Duration
	requests map[string]int
	cpu      time.Duration // of the processes
	server   time.Duration // CPU of this process, which has the server
	peak     float64       // MB, of the processes together: the most that each has ever held
}

func (p pass) count() int {
	n := 0
	for _, times := range p.requests {
		n += times
	}
	return n
}

// changes is how many requests changed something.
func (p pass) changes() int {
	return p.count() - p.reads()
}

func (p pass) reads() int {
	n := 0
	for op, times := range p.requests {
		_, call, _ := strings.Cut(op, ".")
		if strings.HasPrefix(call, "List") || call == "Get" {
			n += times
		}
	}
	return n
}

// keep has the processes keep the domains, and looks whether the server has what it should
// have. It fills p, unless that is nil.
func (s *site) keep(ctx context.Context, names []string, p *pass) error {
	var before usage
	for _, process := range s.processes {
		if err := before.add(process); err != nil {
			return err
		}
	}
	s.takeRequests()
	cpu := bench.CPUTime()
	took, err := s.run(ctx, names)
	if err != nil {
		return fmt.Errorf("%s: %w", s.way.name, err)
	}
	if p != nil {
		var after usage
		for _, process := range s.processes {
			if err := after.add(process); err != nil {
				return err
			}
		}
		*p = pass{took: took, requests: s.takeRequests(), cpu: after.CPU - before.CPU, server: bench.CPUTime() - cpu, peak: after.Peak}
	}
	for _, name := range names {
		if err := hasAll(name, s.server.Users(s.ids[name])); err != nil {
			return fmt.Errorf("%s: %w", s.way.name, err)
		}
	}
	return nil
}

func (s *site) takeRequests() map[string]int {
	s.server.ResetRequests()
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := maps.Clone(s.requests)
	clear(s.requests)
	return taken
}

func (s *site) run(ctx context.Context, names []string) (time.Duration, error) {
	begun := time.Now()
	if s.db == nil {
		_, err := s.processes[0].ask(commandKeep + " " + strings.Join(names, " "))
		return time.Since(begun), err
	}
	domains := make([]fleet.Domain, len(names))
	for i, name := range names {
		domains[i] = fleet.Domain{Account: account, Name: name}
	}
	if err := s.db.Enqueue(ctx, domains...); err != nil {
		return 0, err
	}
	// To look is work for the database, so it is done seldom. When a run ended is in the
	// status.
	for range time.Tick(max(20*time.Millisecond, time.Duration(len(names))*time.Millisecond)) {
		last, right, err := s.right(ctx, names, begun)
		switch {
		case err != nil:
			return 0, err
		case right == len(names):
			return last.Sub(begun), nil
		case time.Since(begun) > patience:
			return 0, fmt.Errorf("only %d of %d domains are right after %s", right, len(names), patience)
		}
		for _, p := range s.processes {
			select {
			case <-p.ended:
				return 0, errors.New("a process ended by itself")
			default:
			}
		}
	}
	panic("a ticker does not end")
}

// right is how many of the domains were found or made right since then, and when the last
// one was.
func (s *site) right(ctx context.Context, names []string, since time.Time) (last time.Time, n int, err error) {
	all, err := s.db.Status(ctx)
	if err != nil {
		return last, 0, err
	}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	for _, d := range all {
		switch {
		case !wanted[d.Name]:
		case d.Health == fleet.HealthFailing:
			return last, 0, fmt.Errorf("%s: %s", d.Domain, d.Error)
		case d.Health == fleet.HealthRight && d.Job == fleet.JobNone && d.At.After(since):
			if n++; d.At.After(last) {
				last = d.At
			}
		}
	}
	return last, n, nil
}

// A process is a worker.
type process struct {
	cmd   *exec.Cmd
	in    io.Closer
	out   *bufio.Reader
	ended chan struct{}
	write func(string) error
}

func startProcess(o orders) (*process, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), workerVariable+"="+string(text))
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe() // it ends with this process
	if err != nil {
		return nil, err
	}
	out, answers, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout = answers
	err = p.cmd.Start()
	_ = answers.Close()
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	p.in, p.out = in, bufio.NewReader(out)
	p.write = func(line string) error { _, err := io.WriteString(in, line+"\n"); return err }
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	if _, err := p.answer(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *process) answer() (string, error) {
	answer, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("a process does not answer: %w", err)
	}
	return strings.TrimSpace(answer), nil
}

// ask has the process follow a command, and returns its answer.
func (p *process) ask(command string) (string, error) {
	if err := p.write(command); err != nil {
		return "", err
	}
	return p.answer()
}

// add adds what a process has used.
func (u *usage) add(p *process) error {
	answer, err := p.ask(commandUsage)
	if err != nil {
		return err
	}
	var more usage
	if err := json.Unmarshal([]byte(answer), &more); err != nil {
		return err
	}
	u.CPU, u.Peak = u.CPU+more.CPU, u.Peak+more.Peak
	return nil
}

func (p *process) close() error {
	_ = p.in.Close()
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("a process ended with %s", p.cmd.ProcessState)
	}
	return nil
}
