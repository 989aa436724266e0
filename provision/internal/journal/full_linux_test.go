package journal

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDiskFullInALine has a process of its own run into a limit in the middle of a
// line: a disk that fills up takes the first part.
func TestDiskFullInALine(t *testing.T) {
	t.Parallel()
	if name := os.Getenv("JOURNAL_TEST_FILE"); name != "" {
		fillUp(t, name)
		return
	}
	name := filepath.Join(t.TempDir(), "secrets.csv")
	child := exec.Command(os.Args[0], "-test.run=^TestDiskFullInALine$", "-test.v")
	child.Env = append(os.Environ(), "JOURNAL_TEST_FILE="+name)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)

	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, len(headerLine)+5*20, len(text), "the part of a line is gone")
	require.True(t, strings.HasSuffix(string(text), "\n"))
	j, records, err := open(t, name)
	require.NoError(t, err)
	require.Len(t, records, 5)
	require.NoError(t, j.Append(odd[0]))
}

func fillUp(t *testing.T, name string) {
	j, _, err := open(t, name)
	require.NoError(t, err)
	signal.Ignore(syscall.SIGXFSZ)
	most := uint64(len(headerLine) + 113)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: most}))
	for i := range 5 {
		require.NoError(t, j.Append([]string{"new", fmt.Sprintf("user%d", i), "hunter200"})) // 20 bytes
	}
	failed := j.Append([]string{"new", "user5", "hunter200"})
	require.ErrorIs(t, failed, syscall.EFBIG)
	require.Equal(t, failed, j.Append([]string{"", "", ""}), "though there is room for this")
}
