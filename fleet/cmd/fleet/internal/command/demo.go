package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/folder"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// The demo has one account, whose rate it shares among its workers.
const (
	demoAccount = "acme"
	demoKey     = "demo-api-key"
	demoRate    = 100                    // requests a second
	demoLook    = 100 * time.Millisecond // how often it looks at the status
	demoLongest = 5 * time.Minute        // for which it waits for the workers
)

func (a *app) demoCommand() *cobra.Command {
	d := demo{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work, with a server in memory and no account",
		Long: `Demo makes a folder for a short time, with an SQLite file and the states of domains, and
serves the API from memory. It starts workers, enqueues the domains, kills a worker in
the middle of its work, starts another, and ends with the table of "fleet status". It
needs no account, and touches nothing else. --stay keeps it running after that, to
try the other commands in another terminal. Ctrl-C ends all of it.`,
		Example: `  fleet demo
  fleet demo --domains 200 --workers 4
  fleet demo --stay`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case d.domains < 1 || d.domains > 5000:
				return wrongUse("--domains must be from 1 to 5000")
			case d.users < 1 || d.users > 500:
				return wrongUse("--users must be from 1 to 500")
			case d.workers < 1 || d.workers > 20:
				return wrongUse("--workers must be from 1 to 20")
			}
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&d.domains, "domains", 50, "how many domains there are")
	cmd.Flags().IntVar(&d.users, "users", 4, "how many users a domain is to have")
	cmd.Flags().IntVar(&d.workers, "workers", 2, "how many worker processes there are")
	cmd.Flags().BoolVar(&d.stay, "stay", false, "go on until Ctrl-C")
	return cmd
}

// A demo is a run of that command.
type demo struct {
	app                     *app
	domains, users, workers int
	stay                    bool

	dir      string
	server   *siptest.Server
	db       *fleet.DB
	identity *age.X25519Identity
	started  int // workers
	running  []*worker
}

// A worker is a process of fleet work.
type worker struct {
	number int
	cmd    *exec.Cmd
	log    string
	ended  chan struct{} // closed when err is set
	err    error
}

func (d *demo) path(name ...string) string {
	return filepath.Join(append([]string{d.dir}, name...)...)
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.app.stdout, format+"\n", args...) }

func (d *demo) run(ctx context.Context) (err error) {
	ctx, stop := context.WithCancel(ctx)
	d.dir, err = os.MkdirTemp("", "fleet-demo-")
	if err != nil {
		stop()
		return err
	}
	defer func() {
		stop()
		for _, w := range d.running {
			<-w.ended
		}
		if d.db != nil {
			err = errors.Join(err, d.db.Close())
		}
		if d.server != nil {
			d.server.Close()
		}
		err = errors.Join(err, os.RemoveAll(d.dir))
	}()
	err = d.show(ctx)
	if ctx.Err() != nil {
		return errors.New("the demo was stopped")
	}
	if err != nil || !d.stay {
		return err
	}
	<-ctx.Done()
	return nil
}

// show is the demo from its beginning to what to try next.
func (d *demo) show(ctx context.Context) error {
	begun := time.Now()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	d.say("A server in memory has %s of the account %s. Each is to have %s.", count(d.domains, "domain"), demoAccount, count(d.users, "user"))
	d.say("The states of the domains and the database are in %s.\n", d.dir)
	for range d.workers {
		if err := d.startWorker(ctx); err != nil {
			return err
		}
	}
	if err := d.app.demoEnqueue(ctx, d); err != nil {
		return err
	}
	d.say("All of them are enqueued.")

	killed, told := false, time.Now()
	for {
		status, err := d.db.Status(ctx)
		if err != nil {
			return err
		}
		right := 0
		for _, s := range status {
			if s.Health == fleet.HealthRight {
				right++
			}
		}
		if right == len(status) && killed {
			break
		}
		if !killed && 3*right >= len(status) {
			killed = true
			if err := d.kill(right); err != nil {
				return err
			}
			if err := d.startWorker(ctx); err != nil {
				return err
			}
		}
		if time.Since(told) > time.Second {
			told = time.Now()
			d.say("%5.1f s: %d of %s as they should be", time.Since(begun).Seconds(), right, are(len(status)))
		}
		if err := d.check(ctx, begun); err != nil {
			return err
		}
	}
	return d.end(ctx, begun)
}

// check waits for a moment. It is an error if a worker has ended, or all takes too long.
func (d *demo) check(ctx context.Context, begun time.Time) error {
	for _, w := range d.running {
		select {
		case <-w.ended:
			log, _ := os.ReadFile(w.log) // what there is of it
			return fmt.Errorf("worker %d has ended (%w):\n%s", w.number, w.err, log)
		default:
		}
	}
	if time.Since(begun) > demoLongest {
		return fmt.Errorf("not all domains are as they should be after %s", demoLongest)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(demoLook):
		return nil
	}
}

// kill kills the first worker as kill -9 does.
func (d *demo) kill(right int) error {
	w := d.running[0]
	d.running = d.running[1:]
	if err := w.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-w.ended
	d.say("\nWorker %d (process %d) is killed, as by kill -9, when %s right.", w.number, w.cmd.Process.Pid, are(right))
	return nil
}

// end compares what the database has with the server, and writes the table.
func (d *demo) end(ctx context.Context, begun time.Time) error {
	took := time.Since(begun)
	secrets, err := d.db.Secrets(ctx, d.identity)
	if err != nil {
		return err
	}
	kept := map[string]infinitysip.Secret{}
	for _, s := range secrets {
		if s.Device == "" {
			kept[s.Domain+"/"+s.User] = s.Password
		}
	}
	users, lost := 0, 0
	for _, domain := range d.server.Domains() {
		for _, user := range d.server.Users(domain.ID) {
			if user.User == "reception" { // who was there before
				continue
			}
			users++
			if password := kept[domain.DisplayName+"/"+user.User]; password.IsZero() || !password.Equal(user.Password) {
				lost++
			}
		}
	}
	d.say("\nAll domains are as they should be after %.1f s, with %d requests, of which the server refused %d.", took.Seconds(), len(d.server.Requests()), d.server.Refused())
	d.say("%s were made, and the database has the passwords of %d, encrypted: %d are lost.\n", count(users, "user"), users-lost, lost)
	status, err := d.db.Status(ctx)
	if err != nil {
		return err
	}
	if err := writeSummary(d.app.stdout, time.Now(), status); err != nil {
		return err
	}
	if !d.stay {
		d.say(`
Next, try the other commands on it in another terminal:
  fleet demo --stay
Or begin with domains of your own:
  fleet --help`)
		return nil
	}
	d.say(`
The workers go on. Try this in another terminal, and end it here with Ctrl-C:
  export FLEET_DB=%[1]s
  fleet status --domains
  fleet results %[2]s/%[3]s --plan
  fleet secrets --identity %[4]s --domain %[3]s --show-secrets
  edit %[5]s
  fleet enqueue %[2]s/%[3]s --states %[6]s`,
		d.path("fleet.db"), demoAccount, demoDomain(0), d.path("key.txt"), d.path("states", demoAccount, demoDomain(0)+".json"), d.path("states"))
	return nil
}

// demoDomain is the name of a domain.
func demoDomain(i int) string { return fmt.Sprintf("office-%02d", i+1) }

// prepare makes the server, the files and the database.
func (d *demo) prepare(ctx context.Context) error {
	d.server = siptest.NewServer(siptest.Options{
		APIKey:  demoKey,
		Latency: 5 * time.Millisecond,
		Limit:   &siptest.Limit{Requests: demoRate, RetryAfter: siptest.RetryAfterSeconds},
	})
	if err := d.server.Listen(); err != nil {
		return err
	}
	for _, dir := range []string{d.path("accounts"), d.path("states", demoAccount)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for i := range d.domains {
		id := d.server.AddDomain(infinitysip.Domain{DisplayName: demoDomain(i)})
		d.server.AddUser(id, infinitysip.User{User: "reception", DisplayName: "Old name", ExtensionNumber: "200"})
		text, err := json.MarshalIndent(d.state(i), "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.path("states", demoAccount, demoDomain(i)+".json"), text, 0o600); err != nil {
			return err
		}
	}
	var err error
	if d.identity, err = age.GenerateX25519Identity(); err != nil {
		return err
	}
	if err := os.WriteFile(d.path("key.txt"), []byte(d.identity.String()+"\n"), 0o600); err != nil {
		return err
	}
	env := fmt.Sprintf("INFINITY_API_KEY=%s\nINFINITY_BASE_URL=%s\n", demoKey, d.server.URL())
	if err := os.WriteFile(d.path("accounts", demoAccount+".env"), []byte(env), 0o600); err != nil {
		return err
	}
	d.db, err = fleet.Open(ctx, d.path("fleet.db"))
	return err
}

// state is what a domain is to be.
func (d *demo) state(i int) *provision.State {
	users := []provision.User{{User: "reception", DisplayName: "Reception", ExtensionNumber: "200"}}
	var members []string
	for n := range d.users {
		name := fmt.Sprintf("user%d", n+1)
		users = append(users, provision.User{User: name, DisplayName: fmt.Sprintf("User %d", n+1), ExtensionNumber: fmt.Sprint(201 + n)})
		members = append(members, name)
	}
	return &provision.State{
		Users:   users,
		Groups:  []provision.Group{{Name: "all", DisplayName: "All", ExtensionNumber: "900", Members: members}},
		Devices: []provision.Device{{MACAddress: fmt.Sprintf("10:20:30:00:%02X:%02X", i/256, i%256), Owner: new("user1")}},
	}
}

// demoEnqueue enqueues all domains.
func (a *app) demoEnqueue(ctx context.Context, d *demo) error {
	states := folder.States(d.path("states"))
	all, err := states.All()
	if err != nil {
		return err
	}
	for i, domain := range all.Domains {
		if _, all.Domains[i].Rev, err = states.Read(domain.Account, domain.Name); err != nil {
			return err
		}
	}
	return d.db.Enqueue(ctx, all.Domains...)
}

// startWorker starts a process of fleet work, which ends with ctx.
func (d *demo) startWorker(ctx context.Context) error {
	program, err := d.app.executable()
	if err != nil {
		return err
	}
	d.started++
	w := &worker{number: d.started, log: d.path(fmt.Sprintf("worker-%d.log", d.started)), ended: make(chan struct{})}
	log, err := os.Create(w.log)
	if err != nil {
		return err
	}
	w.cmd = exec.CommandContext(ctx, program, "work", "--accounts", d.path("accounts"), "--states", d.path("states"),
		"--recipient", d.identity.Recipient().String(), "--rate", fmt.Sprint(demoRate), "--workers", "4", "--every", "1h", "--grace", "5s", "--end-with-input")
	w.cmd.Env = append(slices.DeleteFunc(os.Environ(), isFleetDB), "FLEET_DB="+d.path("fleet.db"))
	w.cmd.Stdout, w.cmd.Stderr = log, log
	w.cmd.Cancel = func() error {
		if runtime.GOOS == "windows" { // which has no SIGTERM
			return w.cmd.Process.Kill()
		}
		return w.cmd.Process.Signal(syscall.SIGTERM)
	}
	w.cmd.WaitDelay = 10 * time.Second
	// Nothing is written to it. It ends with this process, even if that is killed.
	if _, err := w.cmd.StdinPipe(); err != nil {
		return errors.Join(err, log.Close())
	}
	if err := w.cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	d.running = append(d.running, w)
	go func() {
		defer close(w.ended)
		w.err = errors.Join(w.cmd.Wait(), log.Close())
	}()
	d.say("Worker %d (process %d) has begun.", w.number, w.cmd.Process.Pid)
	return nil
}

func isFleetDB(variable string) bool { return strings.HasPrefix(variable, "FLEET_DB=") }
