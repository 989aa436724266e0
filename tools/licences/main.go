// Licences lists the modules that a program with a module of this repository compiles,
// each with its licence, and compares the list with the one that is committed.
//
//	go -C tools run ./licences [-write] docs/licences.md MODULE...
//
// It fails if a licence is not among those allowed, or if a text is not known. Modules
// that only tests compile are not listed.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed has the licences under which a closed program may use a module.
var allowed = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0", "Unlicense", "Zlib"}

// seen has files that licensecheck does not know, and what a person read in them. A
// file that changes is to be read again.
var seen = map[string]struct {
	sum   string // SHA-256
	kinds []string
}{
	"modernc.org/libc LICENSE-3RD-PARTY.md":   {"f597097efe3d97021f89170746bd3a0fb9a8b6fb26b82043ed68a4e0283bee6c", []string{"BSD-2-Clause", "BSD-3-Clause", "MIT"}},
	"modernc.org/memory LICENSE-LOGO":         {"5ae5bee3072a841376451b48d8cfcec7188e10543926d5870828d36c8a750dc5", nil}, // where a picture is from
	"modernc.org/sqlite LICENSE-3RD-PARTY.md": {"f4a00ade8f4057ab0ea49097d9c459df8559fcf10ca78da0c950343fb7428d37", []string{"BSD-3-Clause", "MIT"}},
	"modernc.org/sqlite LICENSE-SQLITE":       {"8438c9c89b849131ead81d5435cb97fcf052df5b0b286dda8a2d4c29e6cb3fd0", []string{"public domain"}},
}

const own = "github.com/infinitysip/infinitysip"

var systems = []string{"darwin", "linux", "windows"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("licences: ")
	write := flag.Bool("write", false, "write the list")
	flag.Parse()
	modules := map[string]*module{}
	for _, dir := range flag.Args()[1:] {
		for _, system := range systems {
			if err := collect(modules, dir, system); err != nil {
				log.Fatalf("%s: %v", dir, err)
			}
		}
	}
	var problems []error
	kinds := map[string]int{}
	for _, m := range modules {
		problems = append(problems, m.read())
		for _, kind := range m.kinds {
			kinds[kind]++
		}
	}
	if err := errors.Join(problems...); err != nil {
		log.Fatal(err)
	}
	file, text := flag.Arg(0), page(modules)
	if *write {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	if committed, _ := os.ReadFile(file); string(committed) != text {
		log.Fatalf("%s is not what the modules say: run .ci/licences -write, and commit it", file)
	}
	var counts []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		counts = append(counts, fmt.Sprintf("%s %d", kind, kinds[kind]))
	}
	fmt.Printf("figure: licences of %d modules that users compile: %s\n", len(modules), strings.Join(counts, ", "))
}

// A module is a dependency.
type module struct {
	path, version, dir string
	folders            map[string]bool // of its packages that are compiled
	in                 []string        // what compiles it: the folders of modules here
	kinds              []string
}

// collect adds the modules that the packages at dir compile on a system.
func collect(modules map[string]*module, dir, system string) error {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}\t{{.Dir}}", "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 4 || fields[0] == own || strings.HasPrefix(fields[0], own+"/") {
			continue // the standard library, and what is here
		}
		m := modules[fields[0]+"@"+fields[1]]
		if m == nil {
			m = &module{path: fields[0], version: fields[1], dir: fields[2], folders: map[string]bool{}}
			modules[fields[0]+"@"+fields[1]] = m
		}
		m.folders[fields[3]] = true
		if !slices.Contains(m.in, dir) {
			m.in = append(m.in, dir)
		}
	}
	return nil
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([-._].*)?$`)

// read finds the licences of a module: those of its own folder, and of each folder
// between that and a package that is compiled.
func (m *module) read() error {
	folders := map[string]bool{m.dir: true}
	for folder := range m.folders {
		for ; folder != m.dir && strings.HasPrefix(folder, m.dir); folder = filepath.Dir(folder) {
			folders[folder] = true
		}
	}
	var problems []error
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
			if err != nil {
				return err
			}
			if known, ok := seen[m.path+" "+entry.Name()]; ok && fmt.Sprintf("%x", sha256.Sum256(text)) == known.sum {
				m.kinds = append(m.kinds, known.kinds...)
				continue
			}
			kinds, err := recognise(text)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s %s: %s: %w", m.path, m.version, entry.Name(), err))
			}
			m.kinds = append(m.kinds, kinds...)
		}
	}
	slices.Sort(m.kinds)
	m.kinds = slices.Compact(m.kinds)
	if len(m.kinds) == 0 && problems == nil {
		problems = append(problems, fmt.Errorf("%s %s: there is no file with a licence", m.path, m.version))
	}
	return errors.Join(problems...)
}

// recognise tells which licences a text has. It is an error if one of them is not
// allowed, or if there is text beside them: it may be a condition that takes away what
// they allow.
func recognise(text []byte) ([]string, error) {
	cover := licensecheck.Scan(text)
	if cover.Percent < 95 {
		return nil, fmt.Errorf("the licence is unknown: %.0f %% of its text is that of a known one", cover.Percent)
	}
	var kinds []string
	for _, match := range cover.Match {
		if match.IsURL {
			continue
		}
		if !slices.Contains(allowed, match.ID) {
			return nil, fmt.Errorf("the licence %s is not among those allowed: %s", match.ID, strings.Join(allowed, ", "))
		}
		kinds = append(kinds, match.ID)
	}
	return kinds, nil
}

// page writes the list.
func page(modules map[string]*module) string {
	var b strings.Builder
	b.WriteString(`# Licences

The modules that a program compiles together with a module of this repository, on Linux, macOS and Windows. The standard library of Go,
which is under BSD-3-Clause, comes on top. Modules that only tests compile are not here. ` + "`.ci/licences -write`" + ` writes this page, and
CI compares it.

| Module | Version | Licence | Compiled by |
| --- | --- | --- | --- |
`)
	for _, key := range slices.Sorted(maps.Keys(modules)) {
		m := modules[key]
		in := make([]string, len(m.in))
		for i, dir := range m.in {
			if dir == "." {
				dir = "the client"
			}
			in[i] = strings.TrimPrefix(dir, "cmd/")
		}
		version := m.version
		if len(version) > 24 { // a pseudo-version: its commit is enough
			version = version[strings.LastIndex(version, "-")+1:]
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.path, version, strings.Join(m.kinds, ", "), strings.Join(in, ", "))
	}
	return b.String()
}
