package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/demo"
	"github.com/infinitysip/infinitysip/siptest"
)

// The commands of the README do what it says, in its order, on one server. So does
// that of docs/testing.md with curl.
func TestReadme(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## The command\n")
	require.True(t, found)
	section, _, found = strings.Cut(section, "\n## How it is tested")
	require.True(t, found)
	guide, err := os.ReadFile("../../docs/testing.md")
	require.NoError(t, err)
	sh := regexp.MustCompile("(?s)```sh\n(.*?)```")
	blocks := sh.FindAllStringSubmatch(section, -1)
	for _, block := range sh.FindAllStringSubmatch(string(guide), -1) {
		if strings.Contains(block[1], "\ncurl ") {
			blocks = append(blocks, block)
		}
	}
	srv := siptest.New(t)
	_, err = demo.Office(t.Context(), srv)
	require.NoError(t, err)
	home := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(home, "examples"), os.DirFS("../../examples")))
	_, curl := exec.LookPath("curl")
	n, curls := 0, 0
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			if !strings.HasPrefix(line, "infinitysip ") {
				continue
			}
			n++
			line = strings.TrimSpace(line)
			line, _, _ = strings.Cut(line, " #")
			want := 0
			switch {
			case strings.Contains(line, " plan "):
				want = 2 // there are changes
			case strings.Contains(line, " apply ") && !strings.Contains(line, "--demo"):
				line += " --yes" // there is nobody to ask
			case strings.Contains(line, " probe "):
				line += " --yes --rate 0"
			case strings.Contains(line, " siptest"): // serves until it is told to end
				line, _, _ = strings.Cut(line, " >url")
				line = "rm -f url; " + line + " >url & until [ -s url ]; do sleep 0.05; done"
				if _, next, found := strings.Cut(block[1], "\ncurl "); found && curl == nil {
					line += "; curl -sf " + next
				}
				line += "\nkill $!; wait $!"
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
			cmd.Dir = home
			cmd.Stdin = strings.NewReader("siptest-api-key\n")
			cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "INFINITY_API_KEY=", "INFINITY_BASE_URL="+srv.URL())
			out, _ := cmd.CombinedOutput()
			require.Equal(t, want, cmd.ProcessState.ExitCode(), "%s\n%s", line, out)
			if strings.Contains(line, "curl") {
				curls++
				require.Contains(t, string(out), `"userId":"1"`)
			}
		}
	}
	require.GreaterOrEqual(t, n, 11)
	require.True(t, curls > 0 || curl != nil, "docs/testing.md")
}
