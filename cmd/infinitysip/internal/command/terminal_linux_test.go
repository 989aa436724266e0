package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// onTerminal runs the program with a terminal of so many columns as its standard
// output, and returns what that shows.
func onTerminal(t *testing.T, columns uint16, args ...string) (shown string, code int) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals here:", err)
	}
	t.Cleanup(func() { require.NoError(t, screen.Close()) })
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	var b bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&b, screen) // it ends with an error when the terminal is closed
	}()
	var stderr bytes.Buffer
	code = run(context.Background(), &app{stdin: strings.NewReader(""), stdout: terminal, stderr: &stderr}, args)
	require.NoError(t, terminal.Close())
	<-done
	require.Empty(t, stderr.String())
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), code
}

func TestTerminals(t *testing.T) {
	t.Setenv("COLUMNS", "")
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	t.Setenv("INFINITY_BASE_URL", "")
	list := []string{"devices", "list", "--demo", "--columns", "id,name,mac,user,updated", "--limit", "2"}

	shown, code := onTerminal(t, 40, list...)
	require.Zero(t, code)
	require.Equal(t, "\x1b[1mID  NAME          MAC         USER  UPD…\x1b[0m\n1   Joe's desk    10:20:30:…  joe…  202…\n2   Amira's desk  10:20:30:…  ami…  202…\n", shown)

	t.Setenv("NO_COLOR", "1")
	shown, _ = onTerminal(t, 40, list...)
	require.NotContains(t, shown, "\x1b")
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	shown, _ = onTerminal(t, 40, list...)
	require.NotContains(t, shown, "\x1b")

	t.Setenv("COLUMNS", "200")
	shown, _ = onTerminal(t, 40, list...)
	require.Contains(t, shown, "2026-01-12 08:30:00")
	t.Setenv("COLUMNS", "")
	shown, _ = onTerminal(t, 0, list...)
	require.Contains(t, shown, "2026-01-12", "80 columns, if it does not know")

	for _, things := range []string{"users", "groups", "queues", "networks", "devices", "domains"} {
		shown, _ = onTerminal(t, 40, things, "list", "--demo", "--limit", "3")
		for line := range strings.Lines(shown) {
			require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 40, shown)
		}
	}
}

// Without a terminal nothing is shortened and nothing is coloured.
func TestNoTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "40")
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}, []string{"devices", "list", "--demo", "--columns", "all"})
	require.Zero(t, code, stderr.String())
	require.Contains(t, stdout.String(), "2026-01-12 08:30:00")
	require.NotContains(t, stdout.String(), "…")
	require.NotContains(t, stdout.String(), "\x1b")
}
