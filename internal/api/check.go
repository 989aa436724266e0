package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A record is a file that has the public API of a package.
type record struct {
	dir, file string
}

// records are the packages that programs import.
var records = []record{
	{".", "api/infinitysip.txt"},
	{"provision", "api/provision.txt"},
	{"siptest", "api/siptest.txt"},
	{"otel", "api/otel.txt"},
	{"fleet", "api/fleet.txt"},
}

var errCheck = errors.New("the public APIs are not as they should be")

// check compares each package below root with its record, and with what it was at the
// last release. tool is the path of .ci/tool, which runs apidiff.
//
// The record is text, so a review sees what a change adds and takes away. The file that
// apidiff writes is no record: it is binary, has paths of the machine that wrote it, and
// parts of the standard library, so that another Go finds breaks that are none. So
// apidiff compares sources, which the same Go compiles.
func check(root, tool string, records []record, out io.Writer) error {
	b, err := findBase(root)
	if err != nil {
		return err
	}
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	symbols, err := announced(string(changelog), b.release)
	if err != nil {
		return err
	}
	old, err := os.MkdirTemp("", "api")
	if err != nil {
		return err
	}
	defer os.RemoveAll(old)
	if b.commit != "" {
		if err := b.unpack(root, old); err != nil {
			return err
		}
	}

	failed := false
	var names, breaks int
	for _, r := range records {
		lines, err := api(filepath.Join(root, r.dir))
		if err != nil {
			return err
		}
		names += len(lines)
		recorded, _ := os.ReadFile(filepath.Join(root, r.file)) // no file is an empty record
		if diff := difference(strings.Split(string(recorded), "\n"), lines); diff != "" {
			fmt.Fprintf(out, "%s is not what the code says:\n%sIf the change is meant, run make api, and commit the record with the change.\n", r.file, diff)
			failed = true
		}
		if _, err := os.Stat(filepath.Join(old, r.dir)); err != nil || b.commit == "" {
			continue // there was no such package
		}
		found, err := compare(tool, filepath.Join(old, r.dir), filepath.Join(root, r.dir))
		if err != nil {
			return fmt.Errorf("%s: %w", r.dir, err)
		}
		breaks += len(found)
		if b.stable() && len(found) > 0 {
			fmt.Fprintf(out, "These changes break programs that compile with %s:\n%s", b, list(found))
			fmt.Fprintln(out, "Undo them: keep the old name beside the new one, and mark it as deprecated. Only a new major version may break programs.")
			failed = true
		} else if missing := unannounced(found, symbols); len(missing) > 0 {
			fmt.Fprintf(out, "These changes break programs that compile with %s, and no line below \"### Breaking\" in CHANGELOG.md names them:\n%s", b, list(missing))
			fmt.Fprintf(out, "Undo them if you can. If they are meant, add a line that has `%s`, and says what to write instead.\n", missing[0].symbol)
			failed = true
		}
	}
	if failed {
		return errCheck
	}
	if b.lacking != "" {
		fmt.Fprintln(out, "figure: skipped: breaks of the APIs:", b.lacking)
	}
	fmt.Fprintf(out, "figure: public names of %d packages, held to api/: %d (breaks since %s: %d, all in CHANGELOG.md)\n", len(records), names, b, breaks)
	return nil
}

func list(breaks []broken) string {
	var text strings.Builder
	for _, b := range breaks {
		fmt.Fprintf(&text, "\t%s: %s\n", b.symbol, b.text)
	}
	return text.String()
}

// difference lists the lines that a record has and the code has not, and the other way
// round.
func difference(recorded, code []string) string {
	var text strings.Builder
	for _, line := range recorded {
		if line != "" && !slices.Contains(code, line) {
			fmt.Fprintf(&text, "\t- %s\n", line)
		}
	}
	for _, line := range code {
		if !slices.Contains(recorded, line) {
			fmt.Fprintf(&text, "\t+ %s\n", line)
		}
	}
	return text.String()
}

// A base is what the code is compared with.
type base struct {
	commit  string // "" if there is none yet
	release string // its tag, "" before the first release
	lacking string // why the clone has no commit to compare with, "" if it has one
}

func (b base) String() string {
	switch {
	case b.release != "":
		return b.release
	case b.commit != "":
		return "commit " + b.commit
	}
	return "now"
}

// stable reports whether the base promises that nothing breaks until the next major
// version.
func (b base) stable() bool { return b.release != "" && !strings.HasPrefix(b.release, "v0.") }

// findBase finds the last release or, before there is one, the commit that added
// CHANGELOG.md.
func findBase(root string) (base, error) {
	if shallow, err := git(root, "rev-parse", "--is-shallow-repository"); err != nil || shallow == "true" {
		return base{lacking: "this copy has no history to compare with: git fetch --unshallow --tags"}, nil
	}
	// It fails if there is no such tag.
	if tag, err := git(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "--exclude", "*-*"); err == nil {
		return base{commit: tag, release: tag}, nil
	}
	commit, err := git(root, "log", "-1", "--diff-filter=A", "--format=%h", "--", "CHANGELOG.md")
	return base{commit: commit}, err
}

func (b base) unpack(root, dir string) error {
	archive := filepath.Join(dir, "base.tar")
	if _, err := git(root, "archive", "--output", archive, b.commit); err != nil {
		return err
	}
	_, err := run(dir, "tar", "-x", "-f", archive)
	return err
}

// compare gives what breaks programs between the packages in two folders.
func compare(tool, before, after string) ([]broken, error) {
	path, err := run(after, "go", "list", "-f", "{{.ImportPath}} {{.Name}}", ".")
	if err != nil {
		return nil, err
	}
	path, name, _ := strings.Cut(path, " ")
	was, err := run(before, "go", "list", ".")
	if err != nil || was != path {
		return nil, err // another import path, such as that of a new major version, breaks nobody
	}
	export := filepath.Join(before, "api.export")
	if _, err := run(before, tool, "apidiff", "-w", export, path); err != nil {
		return nil, err
	}
	// It exits 0 on a break.
	output, err := run(after, tool, "apidiff", "-incompatible", export, path)
	if err != nil {
		return nil, err
	}
	breaks, err := parseBreaks(name, output)
	if err != nil {
		return nil, err
	}
	oldLines, err := api(before)
	if err != nil {
		return nil, err
	}
	newLines, err := api(after)
	if err != nil {
		return nil, err
	}
	return append(breaks, jsonBreaks(name, oldLines, newLines)...), nil
}

func git(dir string, args ...string) (string, error) { return run(dir, "git", args...) }

// run gives what a program prints, without the newline at its end.
func run(dir, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(problems.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
