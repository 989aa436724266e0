package suite_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// needGoTool skips what takes long because it runs the go command. CI runs it.
func needGoTool(t *testing.T) {
	if !*goTool {
		t.Skip("runs the go command: see the flag -gotool")
	}
}

// testdata/otherresource filters devices by a field of queues, or, with the
// tag "same", of devices.
func TestFilterOfAnotherResourceDoesNotCompile(t *testing.T) {
	t.Parallel()
	needGoTool(t)
	build := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"vet"}, args...)...).CombinedOutput()
		return string(out), err
	}
	out, err := build("-tags=same", "../../testdata/otherresource")
	require.NoError(t, err, out)
	out, err = build("../../testdata/otherresource")
	require.Error(t, err)
	require.Contains(t, out, "Filter[", out)
	require.Contains(t, out, "cannot use", out)
}
