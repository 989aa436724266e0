package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var withApidiff = flag.Bool("apidiff", false, "build apidiff, and check a repository with it")

// A repository has one package with a record, and a change log.
type repository struct {
	*testing.T
	dir string
}

func (r repository) write(file, text string) {
	r.Helper()
	path := filepath.Join(r.dir, file)
	require.NoError(r, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(r, os.WriteFile(path, []byte(text), 0o600))
}

func (r repository) git(args ...string) {
	r.Helper()
	_, err := git(r.dir, append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
	require.NoError(r, err)
}

func (r repository) commit() {
	r.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "A change")
}

// code writes the package, and its record as make api does.
func (r repository) code(text string) {
	r.Helper()
	r.write("lib/lib.go", "package lib\n\n"+text)
	lines, err := api(filepath.Join(r.dir, "lib"))
	require.NoError(r, err)
	r.write("api/lib.txt", strings.Join(lines, "\n")+"\n")
}

// check runs the check, and gives what it prints if it fails.
func (r repository) check() string {
	r.Helper()
	tool, err := filepath.Abs("../../.ci/tool")
	require.NoError(r, err)
	var out strings.Builder
	err = check(r.dir, tool, []record{{"lib", "api/lib.txt"}}, &out)
	if err != nil {
		require.ErrorIs(r, err, errCheck)
		require.NotContains(r, out.String(), "figure:")
		return out.String()
	}
	require.Contains(r, out.String(), "figure:")
	return ""
}

const unreleased = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- The library.\n"

func newRepository(t *testing.T) repository {
	r := repository{t, t.TempDir()}
	r.git("init", "-q")
	r.write("go.mod", "module example.com/m\n\ngo 1.26\n")
	r.code("func Plan() {}\n\ntype User struct {\n\tName string `json:\"user\"`\n}\n")
	r.commit()
	r.write("CHANGELOG.md", unreleased)
	r.commit()
	return r
}

func TestCheck(t *testing.T) {
	if !*withApidiff {
		t.Skip("-apidiff builds apidiff, and checks a repository with it: .ci/api does")
	}
	t.Parallel()
	r := newRepository(t)
	require.Empty(t, r.check())

	// An addition needs its record, and no line.
	record, err := os.ReadFile(filepath.Join(r.dir, "api/lib.txt"))
	require.NoError(t, err)
	r.code("func Plan() {}\n\nfunc New() {}\n\ntype User struct {\n\tName string `json:\"user\"`\n}\n")
	require.Empty(t, r.check())
	r.write("api/lib.txt", string(record))
	require.Contains(t, r.check(), "api/lib.txt is not what the code says:\n\t+ func New()\n")

	// A break needs a line, wherever it is committed.
	r.code("func Plan(name string) {}\n\ntype User struct {\n\tName string `json:\"name\"`\n}\n")
	require.Contains(t, r.check(), "\tlib.Plan: changed from func() to func(string)\n\tlib.User.Name: in JSON changed from \"user\" to \"name\"\n")
	r.commit()
	require.Contains(t, r.check(), "lib.Plan:")
	r.write("CHANGELOG.md", unreleased+"\n### Breaking\n\n- `lib.Plan` takes a name.\n")
	said := r.check()
	require.Contains(t, said, "lib.User.Name:")
	require.NotContains(t, said, "lib.Plan:")
	r.write("CHANGELOG.md", unreleased+"\n### Breaking\n\n- `lib.Plan` takes a name.\n- `lib.User.Name` is name in JSON.\n")
	require.Empty(t, r.check())
	r.commit()

	// After a release the next break needs a line of its own.
	released := strings.Replace(unreleased, "## [Unreleased]", "## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n### Breaking\n\n- `lib.Plan` takes a name.\n", 1)
	r.write("CHANGELOG.md", released)
	r.commit()
	r.git("tag", "v0.1.0")
	require.Empty(t, r.check())
	r.code("func Plan(name []string) {}\n\ntype User struct {\n\tName string `json:\"name\"`\n}\n")
	require.Contains(t, r.check(), "compile with v0.1.0, and no line below \"### Breaking\" in CHANGELOG.md names them:\n\tlib.Plan:")
	r.write("CHANGELOG.md", strings.Replace(released, "## [Unreleased]", "## [Unreleased]\n\n### Breaking\n\n- `lib.Plan` takes names.", 1))
	require.Empty(t, r.check())
	r.commit()

	// From v1 on a line is not enough.
	r.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n### Breaking\n\n- `lib.Plan` is gone.\n\n## [1.0.0] - 2026-01-01\n")
	r.commit()
	r.git("tag", "v1.0.0")
	require.Empty(t, r.check())
	r.code("type User struct {\n\tName string `json:\"name\"`\n}\n")
	require.Contains(t, r.check(), "\tlib.Plan: removed\nUndo them")

	// A new major version has another import path, and breaks nobody.
	r.write("go.mod", "module example.com/m/v2\n\ngo 1.26\n")
	require.Empty(t, r.check())
}

func TestShallowClone(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	dir := t.TempDir()
	r.git("clone", "-q", "--depth", "1", "file://"+filepath.ToSlash(r.dir), dir)
	var text strings.Builder
	require.NoError(t, check(dir, "", nil, &text))
	require.Contains(t, text.String(), "figure: skipped: breaks of the APIs: this copy has no history to compare with: git fetch --unshallow --tags\n")
}
