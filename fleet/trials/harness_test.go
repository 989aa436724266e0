//go:build unix

package trials

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

var longFlag = flag.Bool("long", false, "try out more moments at which what is wanted changes")

var keepFlag = flag.String("keep", "", "a directory where the files of the trials stay: logs, and the file of SQLite")

// onBoth runs a trial on SQLite and on PostgreSQL at once. Other trials wait, unless the trial is parallel.
func onBoth(t *testing.T, run func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); run(t, "") })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); run(t, pgtest.URL(t)) })
}

// An account is one with a server of its own.
type account struct {
	name, key string
	srv       *siptest.Server

	mu      sync.Mutex
	secrets map[string]bool                 // all that the server has seen, but no PIN that is too short to search for
	tokens  map[infinitysip.DeviceID]string // that the server made last
	arrived []arrival
}

// An arrival is a request that was answered.
type arrival struct {
	at     time.Time
	from   string // the worker
	op     string
	path   string
	reads  bool
	status int
}

func newAccount(t *testing.T, name string, o siptest.Options) *account {
	a := &account{name: name, key: "key-of-" + name + "-" + rand.Text(), secrets: map[string]bool{}, tokens: map[infinitysip.DeviceID]string{}}
	a.secrets[a.key] = true
	o.APIKey, o.AllowDuplicates, o.Observe = a.key, true, a.observe
	a.srv = siptest.New(t, o)
	return a
}

func (a *account) observe(r siptest.Request) {
	from, _, _ := strings.Cut(r.Header.Get("User-Agent"), "/")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.arrived = append(a.arrived, arrival{time.Now(), from, r.Op, r.Path, r.Method == http.MethodGet, r.Status})
	for _, name := range []string{"password", "pin"} {
		for _, secret := range r.Form[name] {
			a.saw(secret)
		}
	}
}

func (a *account) saw(secret string) {
	if len(secret) >= 16 {
		a.secrets[secret] = true
	}
}

// token notes the token in the answer to a device's association.
func (a *account) token(body []byte) []byte {
	var made infinitysip.UserDeviceToken
	if json.Unmarshal(body, &made) == nil && !made.Token.IsZero() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.tokens[made.DeviceID] = made.Token.Reveal()
		a.saw(made.Token.Reveal())
	}
	return body
}

func (a *account) requests() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.arrived)
}

// A trial has the servers, the database and the workers.
type trial struct {
	*testing.T
	seed     uint64
	rand     *mathrand.Rand
	dir      string
	db       *fleet.DB
	raw      *database.DB // the same database, to look into it
	identity *age.X25519Identity
	accounts map[string]*account
	domains  []fleet.Domain
	ids      map[fleet.Domain]infinitysip.DomainID
	orders   orders
	workers  []*worker
	started  int
	halted   map[string]time.Time // when the workers that were stopped went on
}

// begin opens the database, the file of SQLite if the url is empty.
func begin(t *testing.T, url string, accounts ...*account) *trial {
	t.Helper()
	tr := &trial{T: t, dir: t.TempDir(), accounts: map[string]*account{}, ids: map[fleet.Domain]infinitysip.DomainID{}, halted: map[string]time.Time{}}
	tr.seed, tr.rand = draw(t)
	if *keepFlag != "" {
		tr.dir = filepath.Join(*keepFlag, strings.ReplaceAll(t.Name(), "/", "-"), fmt.Sprint(tr.seed))
		require.NoError(t, os.RemoveAll(tr.dir))
	}
	require.NoError(t, os.MkdirAll(tr.path("database"), 0o755))
	if url == "" {
		url = tr.path("database", "fleet.db")
	}
	var err error
	tr.identity, err = age.GenerateX25519Identity()
	require.NoError(t, err)
	tr.db, err = fleet.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.db.Close() })
	tr.raw, err = database.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tr.raw.Close() })
	tr.orders = orders{
		Database: url, Wishes: wishes(tr.path("wishes")), Recipient: tr.identity.Recipient().String(),
		URLs: map[string]string{}, Keys: map[string]string{}, Workers: 4, Every: -1, Grace: 5 * time.Second,
	}
	for _, a := range accounts {
		tr.accounts[a.name] = a
		tr.orders.URLs[a.name], tr.orders.Keys[a.name] = a.srv.URL(), a.key
	}
	t.Cleanup(func() {
		for _, w := range tr.workers {
			w.kill()
		}
		if t.Failed() {
			tr.showLogs()
		}
	})
	return tr
}

func (tr *trial) path(names ...string) string {
	return filepath.Join(append([]string{tr.dir}, names...)...)
}

// add has the account's server know a domain, and says what it should be.
func (tr *trial) add(account string, w wish) fleet.Domain {
	tr.Helper()
	w.Seed, w.Number = tr.seed, len(tr.domains)+1
	d := fleet.Domain{Account: account, Name: fmt.Sprintf("domain-%03d", w.Number)}
	tr.ids[d] = tr.accounts[account].srv.AddDomain(infinitysip.Domain{DisplayName: d.Name})
	tr.domains = append(tr.domains, d)
	require.NoError(tr, tr.orders.Wishes.write(d.Account, d.Name, w))
	return d
}

func (tr *trial) wish(d fleet.Domain) wish {
	tr.Helper()
	w, err := tr.orders.Wishes.read(d.Account, d.Name)
	require.NoError(tr, err)
	return w
}

// bump wants the next revision, and says so.
func (tr *trial) bump(domains ...fleet.Domain) {
	tr.Helper()
	for _, d := range domains {
		w := tr.wish(d)
		w.Rev++
		require.NoError(tr, tr.orders.Wishes.write(d.Account, d.Name, w))
	}
	require.NoError(tr, tr.db.Enqueue(tr.Context(), domains...))
}

// A worker is a process that runs the fleet.
type worker struct {
	name  string
	log   string // a file
	cmd   *exec.Cmd
	ended chan struct{}
}

func (tr *trial) start() {
	tr.Helper()
	if tr.started == 0 {
		for _, a := range tr.accounts { // after the faults of the trial, which would not strike otherwise
			a.srv.Fail(siptest.On("Users.AddDevice").Rewrite(a.token))
		}
	}
	tr.started++
	o := tr.orders
	o.Name = fmt.Sprintf("worker-%d", tr.started)
	if strings.Contains(o.Database, "://") {
		o.Database += "&application_name=" + o.Name
	}
	text, err := json.Marshal(o)
	require.NoError(tr, err)
	self, err := os.Executable()
	require.NoError(tr, err)
	w := &worker{name: o.Name, log: tr.path(o.Name + ".log"), cmd: exec.Command(self), ended: make(chan struct{})}
	log, err := os.Create(w.log)
	require.NoError(tr, err)
	w.cmd.Env = append(os.Environ(), workerVariable+"="+string(text))
	w.cmd.Stdout, w.cmd.Stderr = log, log
	_, err = w.cmd.StdinPipe() // it ends with this process
	require.NoError(tr, err)
	require.NoError(tr, w.cmd.Start())
	require.NoError(tr, log.Close())
	go func() {
		_ = w.cmd.Wait()
		close(w.ended)
	}()
	tr.workers = append(tr.workers, w)
}

func (w *worker) signal(s syscall.Signal) { _ = w.cmd.Process.Signal(s) }

func (w *worker) kill() {
	w.signal(syscall.SIGKILL)
	<-w.ended
}

// requireAlive fails the trial if a worker ended by itself.
func (tr *trial) requireAlive() {
	tr.Helper()
	for _, w := range tr.workers {
		select {
		case <-w.ended:
			tr.Fatalf("%s ended by itself: %s", w.name, w.cmd.ProcessState)
		default:
		}
	}
}

// lose kills a worker.
func (tr *trial) lose(w *worker) {
	tr.Helper()
	tr.requireAlive()
	w.kill()
	tr.workers = slices.DeleteFunc(tr.workers, func(other *worker) bool { return other == w })
}

// stop ends all workers with SIGTERM.
func (tr *trial) stop() {
	tr.Helper()
	for _, w := range tr.workers { // one that was just started would not know what to do with the signal
		require.Eventually(tr, func() bool {
			log, err := os.ReadFile(w.log)
			return err == nil && strings.Contains(string(log), readyLine)
		}, 30*time.Second, 10*time.Millisecond, "%s does not begin", w.name)
	}
	tr.requireAlive()
	begun := time.Now()
	for _, w := range tr.workers {
		w.signal(syscall.SIGTERM)
	}
	for _, w := range tr.workers {
		select {
		case <-w.ended:
			require.Zero(tr, w.cmd.ProcessState.ExitCode(), "%s ended with %s", w.name, w.cmd.ProcessState)
		case <-time.After(tr.orders.Grace + 30*time.Second):
			tr.Fatalf("%s does not end with SIGTERM", w.name)
		}
	}
	tr.workers = nil
	tr.Logf("the workers ended %.1f s after SIGTERM", time.Since(begun).Seconds())
}

// showLogs prints the end of what the last workers said.
func (tr *trial) showLogs() {
	logs, _ := filepath.Glob(tr.path("*.log"))
	slices.SortFunc(logs, func(a, b string) int { return len(a)*1000 + strings.Compare(a, b) - len(b)*1000 })
	for _, name := range logs[max(0, len(logs)-4):] {
		text, _ := os.ReadFile(name)
		lines := strings.Split(string(text), "\n")
		tr.Logf("%s:\n%s", filepath.Base(name), strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
}

// whole waits until every domain is right, as it is wanted now, and none waits.
// It returns how long that took.
func (tr *trial) whole(within time.Duration, domains ...fleet.Domain) time.Duration {
	tr.Helper()
	begun := time.Now()
	for {
		wrong := tr.wrong(domains)
		if len(wrong) == 0 {
			return time.Since(begun)
		}
		tr.requireAlive()
		if time.Since(begun) > within {
			tr.Fatalf("%d of %d domains are not right %s later:\n%s", len(wrong), len(domains), within, strings.Join(wrong[:min(len(wrong), 10)], "\n"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// wrong tells what is not yet right.
func (tr *trial) wrong(domains []fleet.Domain) []string {
	tr.Helper()
	all := tr.status()
	var wrong []string
	for _, d := range domains {
		s, known := all[d]
		rev := tr.wish(d).rev()
		switch {
		case !known:
			wrong = append(wrong, fmt.Sprintf("%s is not in the status", d))
		case s.Health != fleet.HealthRight || s.Job != fleet.JobNone || s.Rev != rev:
			wrong = append(wrong, fmt.Sprintf("%s is %s with %s, wanted %s, job %q, next %s, last run %s: %s", d, s.Health, s.Rev, rev, s.Job, s.Next.Format(time.TimeOnly), s.At.Format(time.TimeOnly), s.Error))
		}
	}
	return wrong
}

// status is by domain, without a Rev.
func (tr *trial) status() map[fleet.Domain]fleet.DomainStatus {
	tr.Helper()
	all, err := tr.db.Status(tr.Context())
	require.NoError(tr, err)
	by := map[fleet.Domain]fleet.DomainStatus{}
	for _, s := range all {
		by[fleet.Domain{Account: s.Account, Name: s.Name}] = s
	}
	return by
}

// some returns a few random domains.
func (tr *trial) some(n int) []fleet.Domain {
	var few []fleet.Domain
	for _, i := range tr.rand.Perm(len(tr.domains))[:n] {
		few = append(few, tr.domains[i])
	}
	return few
}

// pause waits for a random time.
func (tr *trial) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(tr.rand.Int64N(int64(most-least))))
}
