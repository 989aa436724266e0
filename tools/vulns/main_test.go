package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const header = `{"config": {"go_version": "go1.26.8"}}
{"osv": {"id": "GO-1", "summary": "A slow parser"}}
{"osv": {"id": "GO-2", "summary": "A proxy that is ignored"}}
`

const inDependency = `{"finding": {"osv": "GO-1", "fixed_version": "v0.33.0", "trace": [
	{"module": "golang.org/x/net", "version": "v0.32.0", "package": "golang.org/x/net/html", "function": "Parse"},
	{"module": "example.com/m", "package": "example.com/m", "function": "main", "position": {"filename": "main.go", "line": 7}}]}}
`

func TestReport(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		findings string
		passes   bool
		says     []string
	}{
		"nothing": {"", true, []string{"are reached: 0 in 1 modules (0 in code", "of this Go that are reached: 0\n"}},
		"a dependency, reached": {inDependency, false, []string{
			"REACHED GO-1 in golang.org/x/net v0.32.0, mended by v0.33.0: A slow parser",
			"golang.org/x/net/html.Parse, from main.go:7 (fleet)",
			"are reached: 1 in 1 modules (0 in code",
		}},
		"the standard library, twice": {
			`{"finding": {"osv": "GO-1", "fixed_version": "v1.26.10", "trace": [{"module": "stdlib", "package": "io", "function": "Copy"}]}}
			{"finding": {"osv": "GO-2", "fixed_version": "v1.26.9", "trace": [{"module": "stdlib", "package": "io", "function": "Copy"}]}}`,
			true, []string{"of this Go that are reached: 2, mended by go1.26.10\n"},
		},
		"from a test": {
			`{"finding": {"osv": "GO-1", "trace": [{"module": "m", "version": "v1.0.0", "package": "m/p", "function": "Do"},
			{"module": "example.com/m", "package": "example.com/m", "function": "TestA", "position": {"filename": "a_test.go", "line": 9}},
			{"module": "example.com/m", "package": "example.com/m.test", "function": "main", "position": {"filename": "../../cache/x", "line": 74}}]}}`,
			false, []string{"m/p.Do, from a_test.go:9 (fleet)"},
		},
		"a dependency, imported and not reached": {
			`{"finding": {"osv": "GO-1", "fixed_version": "v0.33.0", "trace": [{"module": "golang.org/x/net", "package": "golang.org/x/net/html"}]}}`,
			true, []string{"are reached: 0 in 1 modules (1 in code"},
		},
		"a dependency, at first only imported": {
			`{"finding": {"osv": "GO-1", "trace": [{"module": "golang.org/x/net"}]}}` + inDependency,
			false, []string{"are reached: 1 in 1 modules (0 in code"},
		},
		"a dependency, without a remedy": {
			`{"finding": {"osv": "GO-1", "trace": [{"module": "m", "version": "v1.0.0", "package": "m/p", "receiver": "*T", "function": "Do"}]}}`,
			false, []string{"REACHED GO-1 in m v1.0.0, mended by no version", "m/p.*T.Do (fleet)"},
		},
		"the standard library": {
			`{"finding": {"osv": "GO-2", "fixed_version": "v1.26.9", "trace": [{"module": "stdlib", "version": "v1.26.8", "package": "net/http", "receiver": "*Client", "function": "Do"}]}}`,
			true, []string{"GO-2 in stdlib v1.26.8, mended by go1.26.9: A proxy that is ignored", "of this Go that are reached: 1, mended by go1.26.9\n"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report{}
			require.NoError(t, r.add("fleet", strings.NewReader(header+test.findings)))
			var text strings.Builder
			require.Equal(t, test.passes, r.print(&text, 1), text.String())
			for _, part := range test.says {
				require.Contains(t, text.String(), part)
			}
		})
	}
}

func TestNoReport(t *testing.T) {
	t.Parallel()
	require.EqualError(t, report{}.add(".", strings.NewReader("")), "govulncheck printed no report")
	require.ErrorContains(t, report{}.add(".", strings.NewReader("{")), "the output of govulncheck")
}

// A module that calls html.Parse of an old golang.org/x/net fails, and one that only
// requires it does not.
func TestVulnerableModule(t *testing.T) {
	t.Parallel()
	for code, passes := range map[string]bool{
		`_, _ = html.Parse(nil)`:       false,
		`_ = html.EscapeString("a<b")`: true,
	} {
		dir := t.TempDir()
		source := "package main\n\nimport \"golang.org/x/net/html\"\n\nfunc main() { " + code + " }\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/m\n\ngo 1.26\n\nrequire golang.org/x/net v0.32.0\n"), 0o600))
		tidy := exec.Command("go", "mod", "tidy")
		tidy.Dir = dir
		out, err := tidy.CombinedOutput()
		require.NoError(t, err, string(out))

		list := exec.Command("go", "mod", "download", "-json", "golang.org/x/vulndb")
		list.Dir = filepath.Join("..", "vulndb")
		out, err = list.Output()
		require.NoError(t, err)
		_, db, _ := strings.Cut(string(out), `"Dir": "`)
		db, _, _ = strings.Cut(db, `"`)

		tool, err := filepath.Abs(filepath.Join("..", "..", ".ci", "tool"))
		require.NoError(t, err)
		r := report{}
		require.NoError(t, r.scan(tool, filepath.Join(db, "data", "osv"), dir, false))
		var text strings.Builder
		require.Equal(t, passes, r.print(&text, 1), "%s\n%s", code, text.String())
	}
}
