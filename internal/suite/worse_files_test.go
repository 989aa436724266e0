//go:build unix

package suite_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const fewFiles = "INFINITYSIP_TEST_FILES" // is set where there may be few

// withFewFiles runs TestFewFiles in a process of its own.
func withFewFiles(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFewFiles$", "-test.v")
	cmd.Env = append(os.Environ(), fewFiles+"=1024")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestFewFiles")
}

// TestFewFiles has the client and the server in one process that may open 1,024
// files.
func TestFewFiles(t *testing.T) {
	if os.Getenv(fewFiles) == "" {
		t.Skip("it is run by TestWorseFaults, in a process of its own")
	}
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	limit.Cur = 1024
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	threeThousand(t)
}
