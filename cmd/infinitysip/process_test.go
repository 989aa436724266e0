//go:build linux || darwin

package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/command"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/secrets"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// fileSizeVar, in the environment of fullDisk, limits how many bytes a file may have.
const fileSizeVar = "INFINITY_TEST_FILE_SIZE"

// fullDisk is the program on a disk that takes only so much.
func fullDisk() {
	signal.Ignore(syscall.SIGXFSZ) // a write is to fail
	size, err := strconv.ParseUint(os.Getenv(fileSizeVar), 10, 64)
	limit := syscall.Rlimit{Cur: size, Max: size}
	if err := errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)); err != nil {
		panic(err)
	}
	os.Exit(command.Main())
}

const (
	peopleHeader = "user,displayName,extension,email,groups,mac,mobile,pin,password\n"
	smallPeople  = peopleHeader + "ann,Ann,201,,sales,00:00:5E:00:53:01,,1234,chosen by hand\nben,Ben,202,,sales,00:00:5E:00:53:02,,5678,\n"
	smallOffice  = `{"groups": [{"groupName": "sales", "extensionNumber": "601"}],
		"queues": [{"queueName": "reception", "extensionNumber": "600", "members": [{"group": "sales"}]}],
		"trustedNetworks": [{"network": "203.0.113.0/24"}]}`
)

// manyPeople are twelve people, with phones.
func manyPeople() string {
	var text strings.Builder
	text.WriteString(peopleHeader)
	for i := range 12 {
		fmt.Fprintf(&text, "user%02d,User,2%02d,,sales,00:00:5E:00:53:%02X,,,\n", i, i, i+1)
	}
	return text.String()
}

// An office is an empty domain of a server on a socket, with files for the program.
type office struct {
	*siptest.Server
	domain  infinitysip.DomainID
	dir     string
	secrets string // the file of --secrets
	key     *age.X25519Identity
	args    []string // the command and its flags
}

func newOffice(t *testing.T, people string, encrypted bool) *office {
	t.Helper()
	return newOfficeOn(t, siptest.Options{}, people, encrypted)
}

// newOfficeOn is the same on a server of other habits.
func newOfficeOn(t *testing.T, habits siptest.Options, people string, encrypted bool) *office {
	t.Helper()
	habits.APIKey = "key"
	srv := siptest.New(t, habits)
	srv.URL() // the port is open
	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	o := &office{Server: srv, domain: srv.AddDomain(infinitysip.Domain{ID: 7, DisplayName: "Acme"}), dir: t.TempDir(), key: key}
	o.secrets = filepath.Join(o.dir, "secrets")
	o.args = []string{"apply", o.write(t, "staff.csv", people), o.write(t, "office.json", smallOffice), "--domain", "acme", "--secrets", o.secrets, "--workers", "1", "--yes"}
	if encrypted {
		o.args = append(o.args, "--age", key.Recipient().String(), "--identity", o.write(t, "key.txt", key.String()+"\n"))
	}
	return o
}

func (o *office) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(o.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// A process is a run of the program.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
	started        chan struct{}
	reap           sync.Once
}

// process prepares a run of the program, with the arguments of the office and more.
func (o *office) process(args ...string) *process { return o.program(slices.Concat(o.args, args)...) }

// program prepares a run of the program with arguments of its own.
func (o *office) program(args ...string) *process {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p := &process{Cmd: exec.Command(self, args...), started: make(chan struct{})}
	p.Args[0] = "infinitysip"
	p.Env = append(os.Environ(), "INFINITY_API_KEY=key", "INFINITY_BASE_URL="+o.URL(), "INFINITY_USERNAME=", "INFINITY_PROFILE=", "INFINITY_DOMAIN=",
		"HOME="+o.dir, "XDG_CONFIG_HOME="+o.dir, "GORACE=atexit_sleep_ms=0")
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	return p
}

// full gives the process a disk that takes no file of more bytes.
func (p *process) full(size int) *process {
	p.Args[0] = "infinitysip-full-disk"
	p.Env = append(p.Env, fmt.Sprintf("%s=%d", fileSizeVar, size))
	return p
}

// run runs the process to its end and returns its exit code, or -1 if a signal
// ended it.
func (p *process) run(t *testing.T) int {
	t.Helper()
	// A process that hangs is not to outlive the test.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, p.Start())
	defer context.AfterFunc(ctx, func() { _ = p.Process.Kill() })()
	close(p.started)
	p.wait()
	return p.ProcessState.ExitCode()
}

// wait waits for the end of the process, from any number of goroutines.
func (p *process) wait() { p.reap.Do(func() { _ = p.Wait() }) }

// kill ends the process, as a crash does, and waits until it is over.
func (p *process) kill() {
	<-p.started
	_ = p.Process.Kill()
	p.wait()
}

// signals sends the process a signal.
func (p *process) signals(sig syscall.Signal) func(*siptest.Server) {
	return func(*siptest.Server) {
		<-p.started
		_ = p.Process.Signal(sig)
	}
}

// things are what is there, but for secrets.
func (o *office) things() []string {
	var all []string
	add := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	users, groups := map[infinitysip.UserID]string{}, map[infinitysip.GroupID]string{}
	for _, u := range o.Users(o.domain) {
		add("user %s %s", u.User, u.ExtensionNumber)
		users[u.ID] = u.User
	}
	for _, g := range o.Groups(o.domain) {
		add("group %s %s", g.Name, g.ExtensionNumber)
		groups[g.ID] = g.Name
		for _, id := range o.GroupUsers(o.domain, g.ID) {
			add("group %s has %s", g.Name, users[id])
		}
	}
	for _, q := range o.Queues(o.domain) {
		add("queue %s %s", q.Name, q.ExtensionNumber)
		for _, m := range o.QueueMembers(o.domain, q.ID) {
			add("queue %s rings %s", q.Name, groups[m.GroupID])
		}
	}
	for _, n := range o.TrustedNetworks(o.domain) {
		add("network %v", n.Network)
	}
	for _, d := range o.Devices(o.domain) {
		add("device %s of %s", d.MACAddress, d.User)
	}
	slices.Sort(all)
	return all
}

// A kept is a line of the file of --secrets.
type kept map[string]string

// kept reads the file of --secrets, or what a run left of it: for each user and each
// device, the line that counts, which is the last one that is confirmed, or else the
// last one.
func (o *office) kept(t *testing.T) (passwords, tokens map[string]kept) {
	t.Helper()
	passwords, tokens = map[string]kept{}, map[string]kept{}
	name := o.secrets + ".part"
	text, err := os.ReadFile(name)
	if err != nil {
		text, err = os.ReadFile(o.secrets)
	}
	if errors.Is(err, os.ErrNotExist) {
		return passwords, tokens
	}
	require.NoError(t, err)
	if secrets.Encrypted(text) {
		text, err = secrets.Decrypt(text, []age.Identity{o.key})
		require.NoError(t, err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err, "%s", text)
	if len(rows) == 0 {
		return passwords, tokens
	}
	for _, row := range rows[1:] {
		line := kept{}
		for i, column := range rows[0] {
			line[column] = row[i]
		}
		all, key := passwords, line["user"]
		if line["device"] != "" {
			all, key = tokens, line["device"]
		}
		state := provision.CredentialState(line["state"])
		if state == provision.CredentialRefused || all[key]["state"] == string(provision.CredentialConfirmed) && state != provision.CredentialConfirmed {
			continue
		}
		all[key] = line
	}
	return passwords, tokens
}

// requireKept requires that the password and the PIN of each user on the server are in
// the file of --secrets, in some state.
func (o *office) requireKept(t *testing.T) {
	t.Helper()
	passwords, _ := o.kept(t)
	for _, u := range o.Users(o.domain) {
		require.Equal(t, u.Password.Reveal(), passwords[u.User]["password"], "the password of %s", u.User)
		require.Equal(t, u.PIN.Reveal(), passwords[u.User]["pin"], "the PIN of %s", u.User)
	}
}

// requireWhole requires that the office is as the files say, that nothing is there
// twice, and that the file of --secrets is right.
func (o *office) requireWhole(t *testing.T, users int) {
	t.Helper()
	things := o.things()
	require.Equal(t, things, slices.Compact(slices.Clone(things)), "something is there twice")
	require.Len(t, o.Users(o.domain), users)
	p := o.process()
	require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
	require.Contains(t, p.stdout.String(), "There is nothing to do.")
	require.NoFileExists(t, o.secrets+".part")
	o.requireKept(t)
	passwords, _ := o.kept(t)
	for _, u := range o.Users(o.domain) {
		require.Equal(t, "confirmed", passwords[u.User]["state"], "of %s", u.User)
	}
}

// A signal ends the program with a summary that is true, and the same command goes on,
// whether the call under way was carried out or not.
func TestSignalWhileApplying(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v applied %t", sig, applied), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, manyPeople(), applied)
				p := o.process()
				fault, there := siptest.On("Users.Create").Nth(5).Before(p.signals(sig)).Hang(), 4
				if applied {
					fault, there = siptest.On("Users.Create").Nth(5).After(p.signals(sig)).CommitThenHang(), 5
				}
				o.Fail(fault)

				code := p.run(t)

				require.Contains(t, []int{1, 3}, code, "%s%s", &p.stdout, &p.stderr)
				require.Regexp(t, `(?m)^create user +4 +[01] +0 +[78]$`, p.stdout.String())
				if code == 3 {
					require.Contains(t, p.stdout.String(), "nobody knows")
				}
				require.Contains(t, p.stdout.String(), "To go on: run the same command again")
				require.Len(t, o.Users(o.domain), there)
				o.requireKept(t)

				p = o.process()
				require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
				o.requireWhole(t, 12)
			})
		}
	}
}

// A call whose outcome is in doubt is settled. Ctrl-C ends that, too, and the exit
// code says that something is not known.
func TestSignalWhileSettling(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, false)
	p := o.process()
	o.Fail(siptest.On("Users.Create").Nth(2).CommitThenDrop())
	o.Fail(siptest.On("Users.List").Nth(3).Before(p.signals(syscall.SIGINT)).Hang()) // planning and the look before are the first two
	code := p.run(t)
	require.Equal(t, 3, code, "%s%s", &p.stdout, &p.stderr)
	require.Contains(t, p.stdout.String(), "it looks whether it is there now")
	o.requireKept(t)
	p = o.process()
	require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
	o.requireWhole(t, 2)
}

// Before the first change, Ctrl-C says that nothing was changed: while files are read,
// while the domain is read, and while it looks whether the plan still holds.
func TestSignalBeforeAChange(t *testing.T) {
	t.Parallel()
	sent := func(o *office) bool {
		return slices.ContainsFunc(o.Requests(), func(r siptest.Request) bool { return r.Method != http.MethodGet })
	}
	for _, command := range []string{"plan", "apply"} {
		t.Run(command+", while files are read", func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, smallPeople, false)
			pipe := filepath.Join(o.dir, "pipe.csv")
			require.NoError(t, syscall.Mkfifo(pipe, 0o600))
			o.args[0], o.args[1] = command, pipe
			if command == "plan" {
				o.args = o.args[:len(o.args)-1] // less --yes
			}
			p := o.process()
			go func() { // once somebody reads the pipe, the program is there
				if w, err := os.OpenFile(pipe, os.O_WRONLY, 0); err == nil {
					defer func() { _ = w.Close() }()
					p.signals(syscall.SIGINT)(nil)
					p.wait()
				}
			}()
			require.Equal(t, 1, p.run(t), "%s%s", &p.stdout, &p.stderr)
			require.Contains(t, p.stderr.String(), "stopped before anything was begun: nothing was changed")
			require.Empty(t, o.Requests())
			require.NoFileExists(t, o.secrets)
		})
	}
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprintf("at list %d", n), func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, smallPeople, true)
			p := o.process()
			o.Fail(siptest.On("Users.List").Nth(n).Before(p.signals(syscall.SIGINT)).Hang())
			require.Equal(t, 1, p.run(t), "%s%s", &p.stdout, &p.stderr)
			require.Contains(t, p.stderr.String(), "stopped before anything was begun: nothing was changed")
			require.False(t, sent(o))
			require.NoFileExists(t, o.secrets)
			require.NoFileExists(t, o.secrets+".part")
		})
	}
	t.Run("export", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t, smallPeople, false)
		file := filepath.Join(o.dir, "out.json")
		p := o.program("export", "--out", file)
		o.Fail(siptest.On("Users.List").Before(p.signals(syscall.SIGINT)).Hang())
		require.Equal(t, 1, p.run(t), "%s%s", &p.stdout, &p.stderr)
		require.Contains(t, p.stderr.String(), "stopped: nothing was written")
		require.NoFileExists(t, file)
	})
}

// The program is killed between any two requests, and the same command goes on:
// nothing is made twice, and no secret is lost, in a plain file or an encrypted one.
func TestSIGKILL(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		whole := newOffice(t, smallPeople, encrypted)
		p := whole.process()
		require.Equal(t, 0, p.run(t), "%s", &p.stderr)
		requests := whole.Requests()
		whole.requireWhole(t, 2)
		require.Greater(t, len(requests), 20)

		for n := 1; n <= len(requests); n++ {
			for _, applied := range []bool{false, true} {
				if requests[n-1].Method == http.MethodGet && (applied || encrypted && n%4 != 0) {
					continue // that is no other case
				}
				t.Run(fmt.Sprintf("encrypted %t request %d applied %t", encrypted, n, applied), func(t *testing.T) {
					t.Parallel()
					o := newOffice(t, smallPeople, encrypted)
					p := o.process()
					if kill := func(*siptest.Server) { p.kill() }; applied {
						o.Fail(siptest.On("*").Nth(n).After(kill))
					} else {
						o.Fail(siptest.On("*").Nth(n).Before(kill).Drop())
					}
					require.Equal(t, -1, p.run(t), "it was to be killed: %s", &p.stdout)
					o.Wait()
					o.requireKept(t)
					if file := o.secrets + ".part"; encrypted && len(o.Users(o.domain)) > 0 {
						p := o.program("secrets", "show", file, "--identity", filepath.Join(o.dir, "key.txt"))
						require.Equal(t, 0, p.run(t), "%s", &p.stderr)
						for _, u := range o.Users(o.domain) {
							require.Contains(t, p.stdout.String(), u.Password.Reveal())
						}
					}

					p = o.process()
					require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
					o.requireWhole(t, 2)
					require.Equal(t, whole.things(), o.things())
					// If a token was on its way, the device got another.
					_, tokens := o.kept(t)
					require.Len(t, tokens, 2)
					for _, line := range tokens {
						require.Equal(t, string(provision.CredentialConfirmed), line["state"])
						require.NotEmpty(t, line["token"])
					}
				})
			}
		}
	}
}

// A plan of a file that was cut is of a domain that is no more: another one goes on,
// and has what the first one left open.
func TestSIGKILLOfASavedPlan(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		o := newOffice(t, smallPeople, encrypted)
		plan := func(name string) string {
			file := filepath.Join(o.dir, name)
			args := slices.Concat([]string{"plan"}, o.args[1:], []string{"--out", file})
			p := o.program(slices.DeleteFunc(args, func(arg string) bool { return arg == "--yes" })...)
			require.Equal(t, 2, p.run(t), "%s", &p.stderr)
			return file
		}
		first := plan("first.json")
		p := o.process(first)
		o.Fail(siptest.On("Users.Create").Nth(1).After(func(*siptest.Server) { p.kill() }))
		require.Equal(t, -1, p.run(t), "%s", &p.stdout)
		o.Wait()

		p = o.process(first)
		require.Equal(t, 1, p.run(t))
		require.Contains(t, p.stderr.String(), "the domain has changed since the plan was made")

		second := plan("second.json")
		text, err := os.ReadFile(second)
		require.NoError(t, err)
		passwords, _ := o.kept(t)
		for _, line := range passwords {
			require.NotContains(t, string(text), line["password"], "a plan has no secrets")
		}
		p = o.process(second)
		require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
		o.requireWhole(t, 2)
	}
}

// With several workers, several calls are under way when it is killed, again and
// again.
func TestSIGKILLOfManyWorkers(t *testing.T) {
	t.Parallel()
	o := newOffice(t, manyPeople(), true)
	for range 6 {
		p := o.process("--workers", "8")
		o.Fail(siptest.On("Users.Create").Nth(2).After(func(*siptest.Server) { p.kill() }))
		if p.run(t) == 0 {
			break
		}
		o.Wait()
	}
	p := o.process("--workers", "8")
	require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
	o.requireWhole(t, 12)
}

// A full disk loses nothing: what cannot be written down is not made. With room, the
// same command goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		size, advice := 600, "run the same command again"
		if encrypted { // one with a key is of some 400 bytes
			size, advice = 3000, "run the same command again, with --identity"
		}
		o := newOffice(t, manyPeople(), encrypted)
		p := o.process().full(size)
		require.Equal(t, 1, p.run(t), "%s", &p.stderr)
		require.NotEmpty(t, o.Users(o.domain))
		require.Less(t, len(o.Users(o.domain)), 12)
		require.Contains(t, p.stdout.String(), "make room on the disk of "+o.secrets)
		require.Contains(t, p.stdout.String(), advice)
		o.requireKept(t)

		p = o.process()
		require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
		o.requireWhole(t, 12)
	}
}

// Somebody removes or changes the file of secrets in the middle: nothing more is begun,
// and nobody is told that they are in it.
func TestFileOfSecretsThatIsTouched(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		o := newOffice(t, manyPeople(), encrypted)
		file := o.secrets
		if encrypted {
			file += ".part"
		}
		o.Fail(siptest.On("Users.Create").Nth(3).Before(func(*siptest.Server) { _ = os.Remove(file) }))
		p := o.process()
		require.Equal(t, 1, p.run(t), "%s", &p.stderr)
		require.Len(t, o.Users(o.domain), 3)
		require.Contains(t, p.stdout.String(), "see to it that no other program touches "+o.secrets+" while this runs. Then run the same command again")
		require.NotContains(t, p.stdout.String(), "make room")
		if !encrypted {
			require.NotContains(t, p.stdout.String(), "They are in")
			require.Contains(t, p.stdout.String(), "They were written to "+o.secrets+", which another program has touched since: look whether they are there.")
			continue
		}
		o.requireKept(t)
		p = o.process()
		require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
		o.requireWhole(t, 12)
	}
}

// A disk that is full from the start is found before anything is sent.
func TestFullDiskAtTheStart(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		o := newOffice(t, manyPeople(), encrypted)
		p := o.process().full(10)
		require.Equal(t, 1, p.run(t), "%s", &p.stderr)
		require.Contains(t, p.stderr.String(), "secrets cannot be kept in")
		require.Contains(t, p.stderr.String(), "\nNothing was changed.")
		require.Empty(t, o.Requests())
		left, err := filepath.Glob(o.secrets + "*")
		require.NoError(t, err)
		for _, name := range left {
			info, err := os.Stat(name)
			require.NoError(t, err)
			require.LessOrEqual(t, info.Size(), int64(10))
		}
	}
}

// The plan and what was done want room, too.
func TestFullDiskOfTheOutput(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer func() { _ = full.Close() }()
	o := newOffice(t, smallPeople, false)
	p := o.process()
	p.Stdout = full
	require.Equal(t, 1, p.run(t))
	require.Contains(t, p.stderr.String(), "no space left on device")
	require.Contains(t, p.stderr.String(), "\nNothing was changed.")
	require.False(t, slices.ContainsFunc(o.Requests(), func(r siptest.Request) bool { return r.Method != http.MethodGet }))

	for _, args := range [][]string{
		{"plan", o.args[1], o.args[2], "--out", "/dev/full"},
		{"plan", o.args[1], o.args[2]},
		{"export"},
		{"export", "--out", "/dev/full"},
	} {
		p := o.program(args...)
		p.Stdout = full
		require.Equal(t, 1, p.run(t), "%v", args)
		require.Contains(t, p.stderr.String(), "no space left on device")
	}
}
