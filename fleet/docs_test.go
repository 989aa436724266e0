package fleet_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The program in docs/fleet.md compiles.
func TestDocs(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/fleet.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(docs), "```go\n")
	require.True(t, found)
	snippet, _, _ := strings.Cut(rest, "```")
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(`package main

import (
	"context"
	"os"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/provision"
)

type keyStore interface {
	Get(ctx context.Context, account string) (string, error)
}

type stateStore interface {
	Get(ctx context.Context, account, domain string) (*provision.State, string, error)
}

func main() { _ = keep }

`+snippet), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
