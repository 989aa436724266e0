// Mutate changes the code of a package in one small place at a time, and runs the
// tests: what no test notices is a survivor.
//
//	go -C tools run ./mutate -C .. -survivors FILE [-files create.go] PACKAGE [JUDGE ...]
//
// The tests of PACKAGE judge, and then those of each JUDGE, in the order given. All
// mutants are compiled into one test binary, and a variable of the environment turns
// one on. Each test runs once alone, to learn which mutants it reaches: only those
// tests judge a mutant, the quickest first. A test does not judge if it fails with no
// mutant turned on (as one that counts allocations may), or takes more time of the
// processor than -longest.
//
// A mutant that makes its tests run several times as long as without it has timed out.
// That kills it too, but the figure tells such mutants apart.
//
// The tool gremlins does not change the conditions of a switch without a tag, because
// the coverage of Go has no block for them. It runs the tests of the mutant's own
// package or all tests, while create.go has its tests in internal/suite.
//
// FILE has a line for each survivor that is known, with the reason why no test can
// notice it, or need not. Survivors without a line there, and lines without a
// survivor, end the program with status 1.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("mutate: ")
	root := flag.String("C", ".", "the root of the module")
	only := flag.String("files", "", "mutate only these files of the package, separated by commas")
	known := flag.String("survivors", "", "the file of known survivors")
	verbose := flag.Bool("v", false, "print each mutant")
	longest := flag.Duration("longest", 2*time.Second, "leave out tests that take more time of the processor than this")
	matching := flag.String("mutants", "", "only the mutants whose names match this regular expression")
	tests := flag.String("tests", "", "only the tests that match this regular expression")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(64)
	}
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		log.Fatal(err)
	}
	r := run{root: *root, temp: temp, longest: *longest, verbose: *verbose, tests: *tests, matching: regexp.MustCompile(*matching)}
	ok, err := r.all(flag.Args(), *only, *known)
	_ = os.RemoveAll(temp)
	if err != nil {
		log.Fatal(err)
	}
	if !ok {
		os.Exit(1)
	}
}

type run struct {
	root, temp string
	longest    time.Duration
	verbose    bool
	tests      string
	matching   *regexp.Regexp
	judges     []judge
}

// A judge is a test binary.
type judge struct {
	binary, dir string
	tests       []test // the cheapest first
}

type test struct {
	name    string
	took    time.Duration
	cost    time.Duration // of the processor
	reaches map[int]bool
}

func (r *run) all(packages []string, only, known string) (ok bool, err error) {
	var keep []string
	if only != "" {
		keep = strings.Split(only, ",")
	}
	pkg, err := load(filepath.Join(r.root, packages[0]), keep)
	if err != nil {
		return false, err
	}
	pkg.mutants = slices.DeleteFunc(pkg.mutants, func(m mutant) bool { return !r.matching.MatchString(m.name) })
	overlay, err := pkg.instrument(r.temp)
	if err != nil {
		return false, err
	}
	for i, path := range packages {
		binary := filepath.Join(r.temp, fmt.Sprintf("judge%d", i))
		dir := filepath.Join(r.root, path)
		build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, ".")
		build.Dir = dir
		if out, err := build.CombinedOutput(); err != nil {
			return false, fmt.Errorf("the tests of %s with all mutants: %w\n%s", path, err, out)
		}
		j := judge{binary: binary, dir: dir}
		if err := r.reach(&j); err != nil {
			return false, err
		}
		r.judges = append(r.judges, j)
	}

	var mutex sync.Mutex
	survivors := map[string]bool{}
	reached, slow, next := 0, 0, make(chan mutant)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for m := range next {
				verdict, by := r.judge(m)
				mutex.Lock()
				if by > 0 {
					reached++
				}
				switch verdict {
				case "":
					survivors[m.name] = true
				case timedOut:
					slow++
				}
				if r.verbose {
					fmt.Printf("%-60s %s\n", cmp.Or(verdict, "SURVIVED"), m.name)
				}
				mutex.Unlock()
			}
		})
	}
	for _, m := range pkg.mutants {
		next <- m
	}
	close(next)
	workers.Wait()
	fmt.Printf("figure: mutants of %s: %d: %d reached by a test, %d killed, %d timed out, %d survived\n",
		strings.Join(append([]string{packages[0]}, keep...), " "), len(pkg.mutants), reached,
		len(pkg.mutants)-slow-len(survivors), slow, len(survivors))
	return compare(known, pkg, r.matching, survivors)
}

// reach runs each test alone, and notes which mutants it reaches.
func (r *run) reach(j *judge) error {
	list := exec.Command(j.binary, "-test.list", cmp.Or(r.tests, "^(Test|Example|Fuzz)"))
	list.Dir = j.dir
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("the list of tests in %s: %w", j.dir, err)
	}
	for name := range strings.FieldsSeq(string(out)) {
		file := filepath.Join(r.temp, "reached")
		if err := os.RemoveAll(file); err != nil {
			return err
		}
		start := time.Now()
		out, cost, err := r.test(j, "-1", "REACHED="+file, 20*r.longest, name)
		took := time.Since(start)
		if err == nil && cost > r.longest {
			err = errors.New("it is too long")
		}
		if err != nil {
			log.Printf("%s in %s does not judge: %v %s", name, j.dir, err, lastLine(out))
			continue
		}
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		t := test{name, took, cost, map[int]bool{}}
		for field := range strings.FieldsSeq(string(data)) {
			n, err := strconv.Atoi(field)
			if err != nil {
				return err
			}
			t.reaches[n] = true
		}
		j.tests = append(j.tests, t)
	}
	slices.SortFunc(j.tests, func(a, b test) int { return int(a.cost - b.cost) })
	return nil
}

// judge turns a mutant on and runs the tests that reach it, until one fails.
func (r *run) judge(m mutant) (killedBy string, tests int) {
	for _, j := range r.judges {
		var names []string
		var took time.Duration
		flush := func() string {
			if names == nil {
				return ""
			}
			verdict := r.verdict(&j, m, 4*took+5*time.Second, names...)
			names, took = nil, 0
			return verdict
		}
		for _, t := range j.tests {
			if !t.reaches[m.number] {
				continue
			}
			tests++
			names, took = append(names, t.name), took+t.took
			if took > time.Second || len(names) > 20 {
				if killed := flush(); killed != "" {
					return killed, tests
				}
			}
		}
		if killed := flush(); killed != "" {
			return killed, tests
		}
	}
	return "", tests
}

const timedOut = "timed out"

// verdict runs tests with a mutant turned on. If they reach the limit, they run without
// it: if that takes long too, the machine is busy, and they have more time.
func (r *run) verdict(j *judge, m mutant, limit time.Duration, names ...string) string {
	for ; ; limit *= 3 {
		out, _, err := r.test(j, strconv.Itoa(m.number), "REACHED=", limit, names...)
		if err == nil {
			return ""
		}
		if _, ended := errors.AsType[*exec.ExitError](err); ended && !errors.Is(err, context.DeadlineExceeded) {
			return "killed: " + cmp.Or(failed(out), err.Error())
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			log.Printf("%s: the tests did not run: %v", m.name, err)
			return "" // which proves nothing
		}
		start := time.Now()
		if _, _, err := r.test(j, "-1", "REACHED=", limit, names...); err == nil && time.Since(start) < limit/3 {
			return timedOut
		}
		if limit > 10*time.Minute {
			return timedOut
		}
	}
}

// test runs tests. Its error is the context's if they reach the limit.
func (r *run) test(j *judge, mutant, env string, limit time.Duration, names ...string) (out []byte, cost time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, j.binary, "-test.failfast", "-test.run", "^("+strings.Join(names, "|")+")$", "-test.timeout", "0")
	cmd.Dir, cmd.WaitDelay = j.dir, time.Second
	cmd.Env = append(os.Environ(), "MUTANT="+mutant, env)
	out, err = cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		cost = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return out, cost, cmp.Or(ctx.Err(), err)
}

// failed is the first test that an output says failed.
func failed(out []byte) string {
	for line := range bytes.Lines(out) {
		if name, found := bytes.CutPrefix(bytes.TrimSpace(line), []byte("--- FAIL: ")); found {
			return string(name)
		}
	}
	return ""
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// compare holds the survivors to the file of those that are known. A line is the
// mutant's name, " # " and the reason.
func compare(file string, pkg *source, matching *regexp.Regexp, survivors map[string]bool) (ok bool, err error) {
	known := map[string]bool{}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return false, err
		}
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			name, reason, _ := strings.Cut(line, " # ")
			if reason == "" {
				return false, fmt.Errorf("%s: %q has no reason", file, name)
			}
			if base, _, _ := strings.Cut(name, ":"); pkg.mutates(base) && matching.MatchString(name) {
				known[name] = true
			}
		}
	}
	ok = true
	for _, name := range slices.Sorted(maps.Keys(survivors)) {
		if !known[name] {
			fmt.Println("survived:", name)
			ok = false
		}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if !survivors[name] {
			fmt.Println("does not survive any more, or is no mutant any more:", name)
			ok = false
		}
	}
	return ok, nil
}

// writeOverlay tells the go command which files stand for which.
func writeOverlay(temp string, files map[string]string) (string, error) {
	data, err := json.Marshal(map[string]any{"Replace": files})
	if err != nil {
		return "", err
	}
	path := filepath.Join(temp, "overlay.json")
	return path, os.WriteFile(path, data, 0o600)
}
