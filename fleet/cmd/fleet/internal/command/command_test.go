package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// output is what a program has written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// fleetOf runs the program in this process with a database.
func fleetOf(ctx context.Context, database string, args ...string) (code int, stdout, stderr *output) {
	stdout, stderr = &output{}, &output{}
	return run(ctx, &app{stdout: stdout, stderr: stderr, getenv: environment(database), executable: os.Executable}, args), stdout, stderr
}

func environment(database string) func(string) string {
	return func(name string) string { return map[string]string{"FLEET_DB": database}[name] }
}

// office makes a server with a domain, and folders that go with it.
func office(t *testing.T) (dir string, identity *age.X25519Identity) {
	srv := siptest.New(t)
	srv.AddDomain(infinitysip.Domain{DisplayName: "North"})
	dir = t.TempDir()
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	for name, text := range map[string]string{
		"accounts/acme.env":      "INFINITY_API_KEY=siptest-api-key\nINFINITY_BASE_URL=" + srv.URL() + "\n",
		"accounts/open.env":      "INFINITY_API_KEY=s3cret\n",
		"states/acme/North.json": `{"users": [{"user": "ann", "displayName": "Ann", "extensionNumber": "202"}]}`,
		"key.txt":                identity.String(),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "accounts/open.env"), 0o644))
	return dir, identity
}

// Every command has an example, and every flag a text.
func TestHelp(t *testing.T) {
	t.Parallel()
	root := (&app{stdout: io.Discard, stderr: io.Discard}).root()
	for _, cmd := range root.Commands() {
		require.Contains(t, cmd.Example, "  fleet "+cmd.Name(), cmd.Name())
		require.NotEmpty(t, cmd.Short, cmd.Name())
		for line := range strings.Lines(cmd.Long) {
			require.LessOrEqual(t, len([]rune(line)), 90, "%s: %s", cmd.Name(), line)
		}
	}
}

// The program works on PostgreSQL, shows no password of it, and serves its metrics.
func TestPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t)
	dir, identity := office(t)
	good := server.URL(t)
	bad, err := url.Parse(good)
	require.NoError(t, err)
	bad.Path = "/none"
	bad.User = url.UserPassword("nobody", "s3cret")
	code, _, stderr := fleetOf(t.Context(), bad.String(), "status")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr.String(), "fleet: open the database: ")
	require.NotContains(t, stderr.String(), "s3cret")

	states := filepath.Join(dir, "states")
	code, stdout, stderr := fleetOf(t.Context(), good, "enqueue", "--all", "--states", states)
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, "1 domain enqueued.\n", stdout.String())

	ctx, stop := context.WithCancel(t.Context())
	log := &output{}
	ended := make(chan int)
	go func() {
		ended <- run(ctx, &app{stdout: log, stderr: log, getenv: environment(good)}, []string{
			"work", "--states", states, "--accounts", filepath.Join(dir, "accounts"),
			"--recipient", identity.Recipient().String(), "--metrics", "127.0.0.1:0",
		})
	}()
	require.Eventually(t, func() bool {
		code, _, _ := fleetOf(t.Context(), good, "status")
		return code == exitDone
	}, time.Minute, 50*time.Millisecond, "%s", log)
	require.Contains(t, log.String(), `level=WARN msg="the domains of an account cannot be looked at" account=open`)

	served := regexp.MustCompile(`http://\S+/metrics`).FindString(log.String())
	require.Eventually(t, func() bool {
		answer, err := http.Get(served) //nolint:gosec,noctx // it is the address of this test
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return strings.Contains(string(text), "\nriver_work_count_total{") &&
			strings.Contains(string(text), "\ninfinitysip_client_call_duration_seconds_count{") &&
			strings.Contains(string(text), "\ngo_goroutines ")
	}, time.Minute, 50*time.Millisecond, "%s", served)

	code, stdout, _ = fleetOf(t.Context(), good, "secrets", "--identity", filepath.Join(dir, "key.txt"))
	require.Equal(t, exitDone, code)
	require.Regexp(t, "(?m)^acme,North,confirmed,ann,,[A-Z2-7]{26},,$", stdout)
	password := regexp.MustCompile("[A-Z2-7]{26}").FindString(stdout.String())
	require.NotContains(t, log.String(), password)
	other, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.txt"), []byte(other.String()), 0o600))
	code, stdout, stderr = fleetOf(t.Context(), good, "secrets", "--identity", filepath.Join(dir, "other.txt"))
	require.Equal(t, exitFailed, code)
	require.Empty(t, stdout.String())
	require.Contains(t, stderr.String(), "cannot be decrypted: use the identities of all that --recipient ever had")

	stop()
	require.Equal(t, exitDone, <-ended)
	require.Contains(t, log.String(), `msg="work has ended"`)
}

// The address of the metrics is in use: nothing begins.
func TestMetricsCannotBeServed(t *testing.T) {
	t.Parallel()
	dir, identity := office(t)
	database := filepath.Join(dir, "fleet.db")
	code, _, stderr := fleetOf(t.Context(), database, "work", "--states", filepath.Join(dir, "states"), "--accounts", filepath.Join(dir, "accounts"),
		"--recipient", identity.Recipient().String(), "--metrics", "127.0.0.1:x")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr.String(), "fleet: metrics cannot be served: ")
	require.NoFileExists(t, database)
}

// Secrets go to a terminal only if that is asked for.
func TestSecretsOnTerminal(t *testing.T) {
	t.Parallel()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no terminal to open: ", err)
	}
	defer func() { require.NoError(t, terminal.Close()) }()
	dir, _ := office(t)
	database := filepath.Join(dir, "fleet.db")
	code, _, _ := fleetOf(t.Context(), database, "enqueue", "acme", "--states", filepath.Join(dir, "states"))
	require.Equal(t, exitDone, code)
	args := []string{"secrets", "--identity", filepath.Join(dir, "key.txt")}
	stderr := &output{}
	a := app{stdout: terminal, stderr: stderr, getenv: environment(database)}
	require.Equal(t, exitUsage, run(t.Context(), &a, args))
	require.Contains(t, stderr.String(), "whoever sees this terminal would see the secrets")
	for _, more := range [][]string{{"--show-secrets"}, {"--out", filepath.Join(dir, "secrets.csv")}} {
		a := app{stdout: terminal, stderr: stderr, getenv: environment(database)}
		require.Equal(t, exitDone, run(t.Context(), &a, append(args, more...)))
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var all []fleet.DomainStatus
	add := func(n int, health fleet.Health, job fleet.JobState, at time.Duration, err string) {
		for i := range n {
			s := fleet.DomainStatus{Job: job, Next: now.Add(-3 * time.Minute)}
			s.Account, s.Name, s.Health, s.Error = "acme", fmt.Sprintf("%s\x1b-%d", health, i), health, err
			if at > 0 {
				s.At = now.Add(-at - time.Duration(i)*time.Second)
			}
			all = append(all, s)
		}
	}
	add(1200, fleet.HealthRight, fleet.JobNone, time.Hour, "")
	add(13, fleet.HealthFailing, fleet.JobRetrying, time.Minute, "infinitysip: no\nfirst\nsecond")
	add(2, fleet.HealthNew, fleet.JobWaiting, 0, "")
	all[0].PutOff = "infinitysip: 429 Too Many Requests"
	var b strings.Builder
	require.NoError(t, writeSummary(&b, now, all))
	text := b.String()
	require.True(t, strings.HasPrefix(text, `1,200 of 1,215 domains are as they should be.

HEALTH   DOMAINS  OLDEST RUN      WAITING  RUNNING  RETRYING
right    1,200    79 minutes ago  0        0        0
failing  13       72 s ago        0        0        13
new      2        never           2        0        0

1 domain is put off, such as acme/right\x1b-0: 429 Too Many Requests

FAILING             LAST RIGHT  LAST RUN  ERROR
acme/failing\x1b-0  never       60 s ago  no (and 2 lines)
`), text)
	require.True(t, strings.HasSuffix(text, `
acme/failing\x1b-9  never       69 s ago  no (and 2 lines)
and 3 more: fleet status --failing

No domain is being run, and the first has been waiting for 3 minutes: is there a worker?
`), text)
}

func TestText(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for d, want := range map[time.Duration]string{
		-time.Second: "now", time.Second: "1 s ago", 90 * time.Second: "90 s ago", 2 * time.Minute: "2 minutes ago",
		119 * time.Minute: "119 minutes ago", 3 * time.Hour: "3 hours ago", 50 * time.Hour: "2 days ago",
	} {
		require.Equal(t, want, ago(now, now.Add(-d)))
	}
	require.Equal(t, "never", ago(now, time.Time{}))
	require.Equal(t, "1 domain", count(1, "domain"))
	require.Equal(t, "0 domains", count(0, "domain"))
	require.Equal(t, "1,234,567", thousands(1234567))
	require.Equal(t, "999", thousands(999))
	require.Equal(t, `a\x1b[31mü\u202e"\\`, printable("a\x1b[31mü\u202e\"\\\\"))
	require.Equal(t, "failed: no (and 2 lines)", firstLine("infinitysip: failed: provision: no\na\nb"))
}

// What a terminal would obey reaches it escaped.
func TestTerminal(t *testing.T) {
	t.Parallel()
	const name = "a\x1b[31m\u009b\u202e\x7f\U000e0001ü\n"
	var b strings.Builder
	require.NoError(t, writeJSON(&b, []string{name}))
	require.Equal(t, "[\n  \"a\\u001b[31m\\u009b\\u202e\\u007f\\udb40\\udc01ü\\n\"\n]\n", b.String())
	var back []string
	require.NoError(t, json.Unmarshal([]byte(b.String()), &back))
	require.Equal(t, []string{name}, back)

	secret := fleet.Secret{Account: "acme", Domain: "North"}
	secret.User, secret.State = "=joe\x1b[31m", provision.CredentialConfirmed
	for terminal, want := range map[bool]string{false: "'=joe\x1b[31m", true: `'=joe\x1b[31m`} {
		b.Reset()
		require.NoError(t, writeSecrets(&b, []fleet.Secret{secret}, terminal))
		require.Equal(t, "account,domain,state,user,device,password,pin,token\nacme,North,confirmed,"+want+",,,,\n", b.String())
	}
}
