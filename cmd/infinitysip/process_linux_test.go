package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// A terminal is a pair of ends: the person's, and the program's.
type terminal struct {
	person, program *os.File
	read            sync.WaitGroup
	screen          bytes.Buffer // what the program wrote, once shown has returned
}

// newTerminal opens a terminal of so many columns.
func newTerminal(t *testing.T, columns uint16) *terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there is no terminal to open")
	}
	t.Cleanup(func() { _ = person.Close() })
	control := func(request uintptr, value unsafe.Pointer) {
		conn, err := person.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, conn.Control(func(fd uintptr) {
			if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(value)); errno != 0 {
				t.Skip("there is no terminal to open:", errno)
			}
		}))
	}
	var locked, number int32
	control(syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	size := struct{ rows, columns, x, y uint16 }{rows: 24, columns: columns}
	control(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there is no terminal to open")
	}
	term := &terminal{person: person, program: program}
	term.read.Go(func() { _, _ = io.Copy(&term.screen, person) })
	return term
}

// shown is all that the program wrote. The program has ended.
func (term *terminal) shown() string {
	_ = term.program.Close()
	term.read.Wait()
	return term.screen.String()
}

// A watcher does something when a text has been written.
type watcher struct {
	all  bytes.Buffer // not embedded: its ReadFrom would go past Write
	text string
	do   func()
}

func (w *watcher) Write(text []byte) (int, error) {
	n, err := w.all.Write(text)
	if w.do != nil && strings.Contains(w.String(), w.text) {
		w.do()
		w.do = nil
	}
	return n, err
}

func (w *watcher) String() string { return w.all.String() }

// Ctrl-C at the question changes nothing.
func TestSignalAtTheQuestion(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		o := newOffice(t, smallPeople, encrypted)
		term := newTerminal(t, 80)
		o.args = slices.DeleteFunc(o.args, func(arg string) bool { return arg == "--yes" })
		p := o.process()
		p.Stdin = term.program
		watch := &watcher{text: "[y/N]", do: func() { p.signals(syscall.SIGINT)(nil) }}
		p.Stderr = watch
		require.Equal(t, 1, p.run(t), "%s%s", &p.stdout, watch)
		require.Regexp(t, `Carry out \d+ changes in domain acme \(id 7\)\?`, watch.String())
		require.Contains(t, watch.String(), "nothing was changed")
		require.Empty(t, o.things())
		require.NoFileExists(t, o.secrets)
		require.NoFileExists(t, o.secrets+".part")
	}
}

// A plan has colours on a terminal, and what is done has a bar that fits.
func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{40, 80} {
		o := newOffice(t, manyPeople(), false)
		for _, env := range []string{"", "NO_COLOR=1"} {
			term := newTerminal(t, columns)
			p := o.program("plan", o.args[1], o.args[2])
			p.Stdout = term.program
			p.Env = append(p.Env, "TERM=xterm", "COLUMNS=", env)
			require.Equal(t, 2, p.run(t), "%s", &p.stderr)
			require.Equal(t, env == "", strings.Contains(term.shown(), "\x1b[32m+ user user00"))
		}
		term := newTerminal(t, columns)
		p := o.process()
		p.Stderr = term.program
		p.Env = append(p.Env, "TERM=xterm", "COLUMNS=")
		require.Equal(t, 0, p.run(t))
		shown := term.shown()
		require.Contains(t, shown, "100% [###")
		for line := range strings.SplitSeq(shown, "\r") {
			require.Less(t, len(strings.Trim(line, "\n")), int(columns))
		}
	}
}

// Nobody reads what a plan prints: that is quiet. But nothing is done that could not
// be shown.
func TestClosedPipeOfAPlan(t *testing.T) {
	t.Parallel()
	o := newOffice(t, manyPeople(), false)
	for _, test := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"plan", o.args[1], o.args[2]}, 2, "This carries out the plan"},
		{[]string{"plan", o.args[1], o.args[2], "--json"}, 2, "This carries out the plan"},
		{[]string{"export"}, 0, ""},
		{o.args, 1, "\nNothing was changed."},
	} {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, r.Close())
		p := o.program(test.args...)
		p.Stdout = w
		require.Equal(t, test.code, p.run(t), "%v: %s", test.args, &p.stderr)
		require.NoError(t, w.Close())
		require.Contains(t, p.stderr.String(), test.stderr)
		if test.code != 1 {
			require.NotContains(t, p.stderr.String(), "pipe")
		}
		require.Empty(t, o.things())
	}
}

// Ctrl-C in one of many domains tells what was not begun, and the same command goes on.
func TestSignalInOneOfManyDomains(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, false)
	second := o.AddDomain(infinitysip.Domain{ID: 8, DisplayName: "Globex"})
	folder, kept := filepath.Join(o.dir, "domains"), filepath.Join(o.dir, "kept")
	require.NoError(t, os.Mkdir(folder, 0o700))
	for _, name := range []string{"7-acme.csv", "8.csv"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("user,displayName,extension\nann,Ann,201\nben,Ben,202\n"), 0o600))
	}
	args := []string{"apply", "--all-domains", folder, "--secrets", kept, "--workers", "1", "--yes"}
	p := o.program(args...)
	o.Fail(siptest.On("Users.Create").Nth(2).Before(p.signals(syscall.SIGINT)).Hang())
	require.Contains(t, []int{1, 3}, p.run(t), "%s%s", &p.stdout, &p.stderr)
	require.Contains(t, p.stderr.String(), "Not begun: 1 domain. Run the same again to go on.")
	require.Len(t, o.Users(o.domain), 1)
	require.Empty(t, o.Users(second))

	p = o.program(args...)
	require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
	for domain, name := range map[infinitysip.DomainID]string{o.domain: "7-acme.csv", second: "8.csv"} {
		text, err := os.ReadFile(filepath.Join(kept, name))
		require.NoError(t, err)
		require.Len(t, o.Users(domain), 2)
		for _, u := range o.Users(domain) {
			require.Contains(t, string(text), u.Password.Reveal())
		}
	}

	out := filepath.Join(o.dir, "out")
	p = o.program("export", "--all-domains", "--out", out)
	o.Fail(siptest.On("Users.List").Nth(2).Before(p.signals(syscall.SIGINT)).Hang())
	require.Equal(t, 1, p.run(t), "%s%s", &p.stdout, &p.stderr)
	require.Contains(t, p.stderr.String(), "stopped: 1 of 2 domains are written")
	files, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, files, 1)
}
