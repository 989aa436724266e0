//go:build linux || darwin

package main

import (
	"bytes"
	"context"
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
	"unsafe"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// Set in the environment of a process of these tests: childVar makes it the
// program, and fileSizeVar limits how many bytes a file of it may have, like a
// disk that is full.
const (
	childVar    = "INFINITY_TEST_PROVISION"
	fileSizeVar = "INFINITY_TEST_FILE_SIZE"
)

// TestMain makes the binary of the tests the program, so that the tests can run it
// as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(childVar) == "" {
		os.Exit(m.Run())
	}
	if text := os.Getenv(fileSizeVar); text != "" {
		signal.Ignore(syscall.SIGXFSZ) // a write is to fail, as on a full disk
		size, err := strconv.ParseUint(text, 10, 64)
		limit := syscall.Rlimit{Cur: size, Max: size}
		if err := errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)); err != nil {
			panic(err)
		}
	}
	main()
}

// An office is a server on a socket, with files for the program.
type office struct {
	*bench
	args []string
}

// smallOffice has something of each kind, and secrets of each kind.
const (
	smallPeople = header + "ann,Ann,201,,sales,00:00:5E:00:53:01,,1234,chosen by hand\nben,Ben,202,,sales,00:00:5E:00:53:02,,5678,\n"
	smallOffice = `{"groups": [{"groupName": "sales", "extensionNumber": "601"}],
		"queues": [{"queueName": "reception", "extensionNumber": "600", "members": [{"group": "sales"}]}],
		"trustedNetworks": [{"network": "203.0.113.0/24"}]}`
)

func newOffice(t *testing.T, people, rest string, args ...string) *office {
	b := newBench(t, siptest.Options{APIKey: "key"})
	b.URL() // the port is open
	return &office{b, append([]string{"-live", "-domain", "acme", "-csv", b.write(t, "staff.csv", people), "-office", b.write(t, "office.json", rest),
		"-passwords", b.secrets}, args...)}
}

// A process is a run of the program.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
	started        chan struct{}
	reap           sync.Once
}

// process prepares a run of the program.
func (o *office) process(args ...string) *process {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p := &process{Cmd: exec.Command(self, slices.Concat(o.args, args)...), started: make(chan struct{})}
	p.Env = append(os.Environ(), childVar+"=1", "INFINITY_API_KEY=key", "INFINITY_BASE_URL="+o.URL(), "INFINITY_USERNAME=", "GORACE=atexit_sleep_ms=0")
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
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

// things are what is there, but for secrets.
func (b *bench) things() []string {
	var all []string
	add := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	users, groups := map[infinitysip.UserID]string{}, map[infinitysip.GroupID]string{}
	for _, u := range b.Users(b.domain) {
		add("user %s %s", u.User, u.ExtensionNumber)
		users[u.ID] = u.User
	}
	for _, g := range b.Groups(b.domain) {
		add("group %s %s", g.Name, g.ExtensionNumber)
		groups[g.ID] = g.Name
		for _, id := range b.GroupUsers(b.domain, g.ID) {
			add("group %s has %s", g.Name, users[id])
		}
	}
	for _, q := range b.Queues(b.domain) {
		add("queue %s %s", q.Name, q.ExtensionNumber)
		for _, m := range b.QueueMembers(b.domain, q.ID) {
			add("queue %s rings %s", q.Name, groups[m.GroupID])
		}
	}
	for _, n := range b.TrustedNetworks(b.domain) {
		add("network %v", n.Network)
	}
	for _, d := range b.Devices(b.domain) {
		add("device %s of %s", d.MACAddress, d.User)
	}
	slices.Sort(all)
	return all
}

// requireWhole requires that the office is as the files say, that nothing is there
// twice, and that the file of -passwords is right.
func (o *office) requireWhole(t *testing.T, users int) {
	t.Helper()
	things := o.things()
	require.Equal(t, things, slices.Compact(slices.Clone(things)), "something is there twice")
	require.Len(t, o.Users(o.domain), users)
	code, stdout, stderr := o.start(t.Context(), append(slices.Clone(o.args), "-domain", "7", "-apply=false", "-plan")...) // in this process, which is faster
	require.Equal(t, exitDone, code, "something is left to do: %s%s", stdout, stderr)
	o.requireKept(t)
}

// SIGTERM ends the program with a summary that is true, and the same command goes
// on, whether the call under way was carried out or not.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v applied %t", sig, applied), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, string(samplePeople), string(sampleOffice), "-apply", "-workers", "1")
				p := o.process()
				end := func(*siptest.Server) {
					<-p.started
					_ = p.Process.Signal(sig)
				}
				fault := siptest.On("Users.Create").Nth(5).Before(end).Hang()
				if applied {
					fault = siptest.On("Users.Create").Nth(5).After(end).CommitThenHang()
				}
				o.Fail(fault)

				require.Equal(t, exitError, p.run(t), "%s", &p.stderr)

				require.Contains(t, p.stderr.String(), "Stopping.")
				require.Regexp(t, `(?m)^create user +4 +[01] +0 +[78]$`, p.stdout.String())
				require.Contains(t, p.stdout.String(), "To go on: run the same command again")
				there := 4
				if applied {
					there = 5
				}
				require.Len(t, o.Users(o.domain), there)

				p = o.process()
				require.Equal(t, exitDone, p.run(t), "%s%s", &p.stdout, &p.stderr)
				o.requireWhole(t, 12)
			})
		}
	}
}

// The program is killed between any two requests, and the same command goes on:
// nothing is made twice, and no password is lost.
func TestSIGKILL(t *testing.T) {
	t.Parallel()
	whole := newOffice(t, smallPeople, smallOffice, "-apply", "-workers", "1")
	p := whole.process()
	require.Equal(t, exitDone, p.run(t), "%s", &p.stderr)
	requests := whole.Requests()
	whole.requireWhole(t, 2)
	require.Greater(t, len(requests), 20)

	for n := 1; n <= len(requests); n++ {
		for _, applied := range []bool{false, true} {
			if applied && requests[n-1].Method == http.MethodGet {
				continue // that is no other case
			}
			t.Run(fmt.Sprintf("request %d applied %t", n, applied), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, smallPeople, smallOffice, "-apply", "-workers", "1")
				p := o.process()
				if kill := func(*siptest.Server) { p.kill() }; applied {
					o.Fail(siptest.On("*").Nth(n).After(kill))
				} else {
					o.Fail(siptest.On("*").Nth(n).Before(kill).Drop())
				}
				require.Equal(t, -1, p.run(t), "it was to be killed: %s", &p.stdout)
				o.Wait()

				p = o.process()
				require.Equal(t, exitDone, p.run(t), "%s%s", &p.stdout, &p.stderr)
				o.requireWhole(t, 2)
				require.Equal(t, whole.things(), o.things())
				// If a token was on its way, the device got another.
				_, tokens := readKept(t, o.secrets)
				require.Len(t, tokens, 2)
				for _, line := range tokens {
					require.Equal(t, string(provision.CredentialConfirmed), line["state"])
					require.NotEmpty(t, line["token"])
				}
			})
		}
	}
}

// A plan of a file that was cut is of a domain that is no more: another one goes on,
// and has what the first one left open.
func TestSIGKILLOfASavedPlan(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 2; n++ {
		o := newOffice(t, smallPeople, smallOffice, "-workers", "1")
		first, second := filepath.Join(o.dir, "first.json"), filepath.Join(o.dir, "second.json")
		require.Equal(t, exitChanges, o.process("-out", first).run(t))
		p := o.process("-apply", first)
		o.Fail(siptest.On("Users.Create").Nth(n).After(func(*siptest.Server) { p.kill() }))
		require.Equal(t, -1, p.run(t), "%s", &p.stdout)
		o.Wait()

		p = o.process("-apply", first)
		require.Equal(t, exitError, p.run(t))
		require.Contains(t, p.stderr.String(), "the domain has changed since the plan was made")

		require.Equal(t, exitChanges, o.process("-out", second).run(t))
		text, err := os.ReadFile(second)
		require.NoError(t, err)
		passwords, _ := readKept(t, o.secrets)
		for _, line := range passwords {
			require.NotContains(t, string(text), line["password"], "a plan has no secrets")
		}
		p = o.process("-apply", second)
		require.Equal(t, exitDone, p.run(t), "%s%s", &p.stdout, &p.stderr)
		o.requireWhole(t, 2)
	}
}

// With several workers, several calls are under way when it is killed, again and
// again.
func TestSIGKILLOfManyWorkers(t *testing.T) {
	t.Parallel()
	o := newOffice(t, string(samplePeople), string(sampleOffice), "-apply")
	for range 6 {
		p := o.process()
		o.Fail(siptest.On("Users.Create").Nth(2).After(func(*siptest.Server) { p.kill() }))
		if p.run(t) == exitDone {
			break
		}
		o.Wait()
	}
	p := o.process()
	require.Equal(t, exitDone, p.run(t), "%s%s", &p.stdout, &p.stderr)
	o.requireWhole(t, 12)
}

// A full disk loses nothing: what cannot be written down is not made. With room,
// the same command goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	o := newOffice(t, string(samplePeople), string(sampleOffice), "-apply", "-workers", "1")
	p := o.process()
	p.Env = append(p.Env, fileSizeVar+"=600")
	require.Equal(t, exitError, p.run(t), "%s", &p.stderr)
	require.NotEmpty(t, o.Users(o.domain))
	require.Less(t, len(o.Users(o.domain)), 12)
	require.Contains(t, p.stdout.String(), "make room on the disk of "+o.secrets)
	text, err := os.ReadFile(o.secrets)
	require.NoError(t, err)
	for _, u := range o.Users(o.domain) {
		require.Contains(t, string(text), u.Password.Reveal(), "%s is there, and nobody has the password", u.User)
	}

	p = o.process()
	require.Equal(t, exitDone, p.run(t), "%s%s", &p.stdout, &p.stderr)
	o.requireWhole(t, 12)
}

// A plan, and the rows that are left out, want room too.
func TestFullDiskOfOtherFiles(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	o := newOffice(t, smallPeople, smallOffice)
	for _, args := range [][]string{
		{"-apply", "-out", "/dev/full"},
		{"-apply", "-passwords", "/dev/full"},
		{"-plan", "-out", "/dev/full"},
	} {
		p := o.process(args...)
		require.Equal(t, exitError, p.run(t), "%v: %s", args, &p.stdout)
		require.Contains(t, p.stderr.String(), "\nNothing was changed.", "%v", args)
		require.Zero(t, o.sent())
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer func() { _ = full.Close() }()
	p := o.process("-apply")
	p.Stdout = full
	require.Equal(t, exitError, p.run(t))
	require.Equal(t, 1, strings.Count(p.stderr.String(), "no space left on device"), "%s", &p.stderr)
	require.Contains(t, p.stderr.String(), "\nNothing was changed.")
	require.Zero(t, o.sent())
}

// The domain goes by its name or its id.
func TestDomainByName(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, smallOffice)
	o.AddDomain(infinitysip.Domain{ID: 8, DisplayName: "Globex"})
	o.AddDomain(infinitysip.Domain{ID: 9, DisplayName: "globex"})
	o.AddDomain(infinitysip.Domain{ID: 10, DisplayName: "GLOBEX"})
	for domain, want := range map[string]string{"acme": "domain 7 (Acme).", "7": "domain 7 (Acme).", "Globex": "domain 8 (Globex)."} {
		p := o.process("-domain", domain)
		require.Equal(t, exitChanges, p.run(t), "%s", &p.stderr)
		require.Contains(t, p.stdout.String(), want)
	}
	for domain, want := range map[string]string{"initech": `no domain of this account is called "initech"`, "gLOBEX": `3 domains are called "gLOBEX": give -domain the id of one of them: 8, 9, 10`} {
		p := o.process("-domain", domain)
		require.Equal(t, exitError, p.run(t))
		require.Contains(t, p.stderr.String(), want)
	}
}

// The line that is printed with a plan carries it out, as it is.
func TestPrintedCommand(t *testing.T) {
	t.Parallel()
	shell := func(t *testing.T, o *office, stdout string) *process {
		t.Helper()
		_, line, ok := strings.Cut(stdout, "This carries it out:\n")
		require.True(t, ok, stdout)
		line, _, _ = strings.Cut(line, "\n")
		p := o.process()
		p.Path, p.Args, p.Dir = "/bin/sh", []string{"sh", "-c", line}, o.dir
		return p
	}
	for name, args := range map[string][]string{
		"the same flags":     {"-prune", "-max-deletes", "5%", "-spare", "777", "-set-secrets", "-workers", "2", "-ignore-columns"},
		"passwords to keep":  {"-passwords", ""},
		"flags of the sheet": {"-column", "Staff no=user", "-column", "it's=", "-skip-bad", "bad rows.csv", "-clear", "$HOME"},
		"with -plan -json":   {"-plan", "-json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			people := smallPeople
			if name == "flags of the sheet" {
				people = strings.Replace(people, "user,", "Staff no,", 1) + "carl,Carl,2o3,,,,,,\n"
			}
			o := newOffice(t, people, smallOffice)
			p := o.process(append(args, "-out", "the plan.json")...)
			p.Dir = o.dir
			require.Equal(t, exitChanges, p.run(t), "%s", &p.stderr)

			p = shell(t, o, p.stdout.String()+p.stderr.String())

			code := exitDone
			if name == "flags of the sheet" { // one row is left out
				code = exitChanges
			}
			require.Equal(t, code, p.run(t), "%v: %s%s", p.Args, &p.stdout, &p.stderr)
			require.Len(t, o.Users(o.domain), 2)
			if name == "passwords to keep" {
				require.Contains(t, p.Args[2], " -passwords secrets.csv")
			}
			o.secrets = filepath.Join(o.dir, "secrets.csv")
			o.requireKept(t)
		})
	}
	t.Run("on siptest", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t, smallPeople, smallOffice)
		p := o.process("-live=false", "-plan", "-out", "plan.json")
		p.Dir = o.dir
		require.Equal(t, exitChanges, p.run(t), "%s", &p.stderr)
		p = shell(t, o, p.stdout.String())
		require.Equal(t, exitDone, p.run(t), "%s%s", &p.stdout, &p.stderr)
		require.Contains(t, p.stdout.String(), "nothing real is touched")
		require.Empty(t, o.Users(o.domain))
	})
}

// A plan is carried out on the sort of server that it was made on.
func TestPlanOfAnotherServer(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, smallOffice)
	for made, want := range map[string]string{
		"-live":       "plan.json was made on a real account, and without -live nothing real would be done",
		"-live=false": "plan.json was made on siptest, a server in memory: it is for no real account: plan again with -live",
	} {
		plan := filepath.Join(o.dir, "plan.json")
		p := o.process(made, "-plan", "-out", plan)
		require.Equal(t, exitChanges, p.run(t), "%s", &p.stderr)
		applied := map[string]string{"-live": "-live=false", "-live=false": "-live"}[made]
		p = o.process(applied, "-apply", plan)
		require.Equal(t, exitError, p.run(t), "%s", &p.stdout)
		require.Contains(t, p.stderr.String(), want)
		require.Contains(t, p.stderr.String(), "\nNothing was changed.")
		require.Empty(t, o.Users(o.domain))
	}
}

// COLUMNS says how wide a terminal is, or else the terminal does.
func TestTerminalWidth(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no terminal to open")
	}
	defer func() { _ = terminal.Close() }()
	size := struct{ rows, columns, x, y uint16 }{columns: 50}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		t.Skip("the terminal takes no size")
	}
	for columns, want := range map[string]int{"": 50, "x": 50, "-1": 50, "33": 33} {
		t.Setenv("COLUMNS", columns)
		require.Equal(t, want, newProgress(terminal).width, columns)
	}
}
