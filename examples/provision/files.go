package main

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/infinitysip/infinitysip/provision"
)

var (
	//go:embed people.csv
	samplePeople []byte
	//go:embed office.json
	sampleOffice []byte
)

// readState reads the files. The state is nil if there is none: on a real account
// the files of the example are not read.
func (p *program) readState() (*provision.State, error) {
	var states []*provision.State
	read := func(name string, sample []byte, read func(io.Reader) (*provision.State, error)) error {
		var in io.Reader = bytes.NewReader(sample)
		switch {
		case name != "":
			file, err := os.Open(name)
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			in = file // its name is in messages
		case p.live || p.csv+p.office != "":
			return nil
		}
		state, err := read(in)
		states = append(states, state)
		return err
	}
	err := read(p.csv, samplePeople, func(r io.Reader) (*provision.State, error) { return provision.ReadCSV(r, &p.sheet) })
	if err == nil {
		err = read(p.office, sampleOffice, provision.ReadJSON)
	}
	if err != nil || states == nil {
		return nil, err
	}
	state := provision.Merge(states...)
	return state, p.tellSkipped(state)
}

// tellSkipped writes the rows that were left out to the file of -skip-bad.
func (p *program) tellSkipped(state *provision.State) error {
	if p.skipBad == "" {
		return nil
	}
	lines := map[int]bool{}
	for _, problem := range state.Skipped() {
		lines[problem.Line] = true
	}
	if p.left = len(lines); p.left == 0 {
		fmt.Fprintf(p.people, "Nothing was left out of %s.\n", p.csv)
		if _, err := os.Stat(p.skipBad); err == nil {
			fmt.Fprintf(p.people, "%s is of an earlier run.\n", p.skipBad)
		}
		return nil
	}
	var rows bytes.Buffer
	err := state.WriteSkipped(&rows)
	if err == nil {
		err = p.writeSkipped(rows.Bytes())
	}
	if err != nil {
		return fmt.Errorf("writing the rows that are left out: %w", err)
	}
	fmt.Fprintf(p.people, "Left out of %s: %s. They are in %s, with what is wrong, but without passwords and PINs. Mend the rows in %s itself, and run the same again.\n", p.csv, count(len(lines), "row"), p.skipBad, p.csv)
	return nil
}

// writeSkipped writes the file of -skip-bad. Somebody may be mending the one of an
// earlier run, so that is not replaced.
func (p *program) writeSkipped(rows []byte) error {
	there, err := os.ReadFile(p.skipBad)
	switch {
	case err == nil && bytes.Equal(there, rows):
		return nil
	case err == nil && len(there) > 0:
		return fmt.Errorf("%s is there already, and holds something else: give -skip-bad another name, or take that file away", p.skipBad)
	}
	return replace(p.skipBad, rows, 0o600)
}

// checkFiles refuses flags that would write over a file that is needed.
func (p *program) checkFiles() error {
	type file struct{ flag, name string }
	var files []file
	for _, f := range []file{{"-csv", p.csv}, {"-office", p.office}, {"-apply", p.apply.plan}, {"-skip-bad", p.skipBad}, {"-out", p.out}, {"-passwords", p.passwords}} {
		if f.name == "" {
			continue
		}
		for _, other := range files {
			if sameFile(f.name, other.name) {
				return fmt.Errorf("%s and %s are the same file, %s", other.flag, f.flag, f.name)
			}
		}
		files = append(files, f)
	}
	if p.out != "" && !replaceable(p.out) {
		return fmt.Errorf("%s is there already, and is no plan: give -out another name", p.out)
	}
	return nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	if err == nil && err2 == nil {
		return os.SameFile(one, other)
	}
	a, err = filepath.Abs(a)
	b, err2 = filepath.Abs(b)
	return err == nil && err2 == nil && a == b
}

// replaceable reports whether a file is one that -out may write: a new or an empty
// one, a plan, or a device or a pipe.
func replaceable(name string) bool {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return true // or writing tells what is wrong
	}
	text, err := os.ReadFile(name)
	return err == nil && bytes.HasPrefix(bytes.Join(bytes.Fields(text[:min(len(text), 100)]), nil), []byte(`{"version":`))
}

// replace writes a file as a whole or not at all, so that a full disk leaves the one
// that was there.
func replace(name string, text []byte, mode os.FileMode) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, text, mode) // a device or a pipe
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	part := name + "." + rand.Text() // of a name of its own, and with the mode that the umask leaves
	err := os.WriteFile(part, text, mode)
	if err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return err
}

// readPlan reads a plan that writePlan wrote.
func readPlan(name string) (*provision.Changes, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	changes := new(provision.Changes)
	if err := json.Unmarshal(text, changes); err != nil {
		return nil, fmt.Errorf("%s is no plan that -out wrote: %w", name, err)
	}
	return changes, nil
}

// printPlan prints a plan as readPlan reads it.
func printPlan(w io.Writer, changes *provision.Changes) error {
	text, err := json.MarshalIndent(changes, "", "  ")
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("the plan could not be printed to its end: %w", err)
	}
	return nil
}

// writePlan writes a plan, which holds no secrets, to the file of -out.
func writePlan(name string, changes *provision.Changes) error {
	var text bytes.Buffer
	err := printPlan(&text, changes)
	if err == nil {
		err = replace(name, text.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("the plan could not be written to %s: %w", name, err)
	}
	return nil
}

// errNotKept is that a secret could not be written to the file of -passwords.
var errNotKept = errors.New("not written down")

// A keepError is errNotKept; the error in it tells all.
type keepError struct{ error }

func (e keepError) Is(target error) bool { return target == errNotKept }
func (e keepError) Unwrap() error        { return e.error }

// A keeper keeps secrets in the file of -passwords, if there is one.
type keeper struct {
	name string // empty: there is none
	file *provision.CredentialFile
}

// open opens the file, and makes it if make is set.
func (k *keeper) open(create bool) (err error) {
	if k.name == "" || k.file != nil {
		return nil
	}
	if _, err := os.Stat(k.name); errors.Is(err, fs.ErrNotExist) && !create {
		return nil
	}
	k.file, err = provision.KeepCSV(k.name)
	return err
}

func (k *keeper) keep(c provision.Credential) error {
	if k.file == nil {
		return nil
	}
	return notKept(k.file.Keep(c))
}

func (k *keeper) settle(c provision.Credential) error {
	if k.file == nil {
		return nil
	}
	return notKept(k.file.Settle(c))
}

func notKept(err error) error {
	if err == nil {
		return nil
	}
	return keepError{err}
}
