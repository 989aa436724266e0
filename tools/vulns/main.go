// Vulns looks for known vulnerabilities that the modules of this repository reach. It
// runs govulncheck in each module, with a database in a folder, so it needs no network.
//
//	go -C tools run ./vulns -db FOLDER -tool /path/to/.ci/tool MODULE...
//
// MODULE is a folder; benchmarks:.,./internal/... is one with the packages to look at.
//
// A vulnerability in a dependency fails if code of the module can reach it, or with
// -test that of its tests. One in the standard library does not: the user's Go decides about it. It is
// listed with the version of Go that mends it.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/version"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("vulns: ")
	db := flag.String("db", "", "the `folder` with the database: a file of OSV for each vulnerability")
	tool := flag.String("tool", "", "the `path` of .ci/tool")
	tests := flag.Bool("test", false, "look at the tests too")
	flag.Parse()
	all := report{}
	for _, dir := range flag.Args() {
		log.Printf("looking at %s", dir)
		if err := all.scan(*tool, *db, dir, *tests); err != nil {
			log.Fatalf("%s: %v", dir, err)
		}
	}
	if !all.print(os.Stdout, flag.NArg()) {
		os.Exit(1)
	}
}

// A message is one of the JSON values that govulncheck prints, as far as it matters here.
type message struct {
	Config *struct {
		GoVersion string `json:"go_version"`
	} `json:"config"`
	OSV *struct {
		ID, Summary string
	} `json:"osv"`
	Finding *struct {
		OSV          string `json:"osv"`
		FixedVersion string `json:"fixed_version"`
		Trace        []frame
	} `json:"finding"`
}

// A frame is a step from the vulnerable func (the first one) to the code that reaches
// it. It has no Function if govulncheck found only that the package or the module is used.
type frame struct {
	Module, Version, Package, Receiver, Function string
	Position                                     *struct {
		Filename string
		Line     int
	}
}

// A vulnerability is one entry of the database in one module that is used.
type vulnerability struct {
	id, module string
}

type found struct {
	summary, version, fixed string
	via                     string   // a call that reaches it, "" if none does
	in                      []string // the modules of this repository
}

// A report has all that was found.
type report map[vulnerability]*found

// scan runs govulncheck in a module.
func (r report) scan(tool, db, module string, tests bool) error {
	database, err := filepath.Abs(db)
	if err != nil {
		return err
	}
	dir, packages, _ := strings.Cut(module, ":")
	args := []string{"govulncheck", "-db", "file://" + filepath.ToSlash(database), "-format", "json"}
	if tests {
		args = append(args, "-test")
	}
	cmd := exec.Command(tool, append(args, strings.Split(cmp.Or(packages, "./..."), ",")...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("govulncheck: %w", err)
	}
	return r.add(dir, bytes.NewReader(out))
}

// add reads what govulncheck printed for the module at dir.
func (r report) add(dir string, output io.Reader) error {
	summaries := map[string]string{}
	scanned := false
	for decoder := json.NewDecoder(output); ; {
		var m message
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the output of govulncheck: %w", err)
		}
		scanned = scanned || m.Config != nil
		if m.OSV != nil {
			summaries[m.OSV.ID] = m.OSV.Summary
		}
		if m.Finding == nil || len(m.Finding.Trace) == 0 {
			continue
		}
		first := m.Finding.Trace[0]
		key := vulnerability{m.Finding.OSV, first.Module}
		f := r[key]
		if f == nil {
			f = &found{version: first.Version, fixed: m.Finding.FixedVersion}
			r[key] = f
		}
		f.summary = summaries[m.Finding.OSV]
		if first.Function != "" {
			if f.via == "" {
				f.via = call(m.Finding.Trace)
			}
			if !slices.Contains(f.in, dir) {
				f.in = append(f.in, dir)
			}
		}
	}
	if !scanned {
		return errors.New("govulncheck printed no report")
	}
	return nil
}

// call tells which code of this repository reaches the vulnerable func.
func call(trace []frame) string {
	first := trace[0]
	name := strings.TrimPrefix(first.Receiver+"."+first.Function, ".")
	text := first.Package + "." + name
	for _, f := range slices.Backward(trace) {
		// The main func of a test is in Go's cache, and a dependency in that of modules.
		if f.Position != nil && filepath.IsLocal(f.Position.Filename) {
			return text + fmt.Sprintf(", from %s:%d", f.Position.Filename, f.Position.Line)
		}
	}
	return text
}

// print writes what was found, and reports whether no dependency has a vulnerability
// that is reached.
func (r report) print(w io.Writer, modules int) bool {
	var reached, standard, unreached int
	keys := slices.SortedFunc(maps.Keys(r), func(a, b vulnerability) int {
		return strings.Compare(a.module+" "+a.id, b.module+" "+b.id)
	})
	goes := map[string]bool{}
	for _, key := range keys {
		f := r[key]
		fixed := f.fixed
		switch {
		case f.via == "":
			unreached++
			continue
		case key.module == "stdlib":
			standard++
			if fixed != "" {
				fixed = "go" + strings.TrimPrefix(fixed, "v")
				goes[fixed] = true
			}
		default:
			reached++
			fmt.Fprintf(w, "REACHED ")
		}
		if fixed == "" {
			fixed = "no version"
		}
		fmt.Fprintf(w, "%s in %s %s, mended by %s: %s\n\t%s (%s)\n", key.id, key.module, f.version, fixed, f.summary, f.via, strings.Join(f.in, ", "))
	}
	fmt.Fprintf(w, "figure: vulnerabilities in dependencies that are reached: %d in %d modules (%d in code that is not reached)\n", reached, modules, unreached)
	text := fmt.Sprint(standard)
	if len(goes) > 0 {
		text = fmt.Sprintf("%d, mended by %s", standard, slices.SortedFunc(maps.Keys(goes), version.Compare)[len(goes)-1])
	}
	fmt.Fprintf(w, "figure: vulnerabilities in the standard library of this Go that are reached: %s\n", text)
	if reached > 0 {
		fmt.Fprintln(w, "Require the version that mends each one that is REACHED, or do without the code that reaches it.")
	}
	return reached == 0
}
