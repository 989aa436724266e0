package command

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/siptest"
)

// A ran is what came of a run of the program.
type ran struct {
	stdout, stderr string
	code           int
}

// onServer runs the program on a server.
func onServer(ctx context.Context, t *testing.T, srv *siptest.Server, a *app, args ...string) ran {
	t.Helper()
	file := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(file, []byte("INFINITY_API_KEY=siptest-api-key\nINFINITY_BASE_URL="+srv.URL()+"\n"), 0o600))
	var stdout, stderr bytes.Buffer
	a.stdin, a.stdout, a.stderr = new(bytes.Buffer), &stdout, &stderr
	code := run(ctx, a, append(args, "--credentials-file", file))
	return ran{stdout.String(), stderr.String(), code}
}
