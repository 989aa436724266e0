package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/provision"
)

// fileOptions say how to read the files of a domain.
type fileOptions struct {
	sheet   provision.CSVOptions
	comma   string
	columns []string
	skipBad string
}

// flags adds the flags. Their names are those that the mends of problems tell.
func (o *fileOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.comma, "comma", "", "the `character` between two values of a CSV file, or tab; without it, the file tells")
	f.StringArrayVar(&o.columns, "column", nil, "what a column of a CSV file is, as `Header=column`, such as \"Staff no=user\", or \"Desk=\" to leave it out; may be repeated")
	f.BoolVar(&o.sheet.IgnoreUnknown, "ignore-columns", false, "leave out columns of a CSV file that are not known")
	f.StringVar(&o.skipBad, "skip-bad", "", "leave out rows with something wrong in them, and write them to this `file`")
	f.StringVar(&o.sheet.Clear, "clear", "", "a cell with this `text` empties the field; an empty cell leaves it as it is")
	f.BoolVar(&o.sheet.NumbersAsWritten, "numbers-as-written", false, "no spreadsheet has dropped zeros from the front of numbers: 201 beside 0202 is meant")
	f.BoolVar(&o.sheet.EmergencyNumbers, "emergency-numbers", false, "extensions such as 999 and 9112, which people dial in an emergency, are meant")
}

// check reads the flags, and returns what is wrong with them.
func (o *fileOptions) check() (wrong []error) {
	if text := o.comma; text != "" {
		if text == "tab" || text == `\t` {
			text = "\t"
		}
		comma, size := utf8.DecodeRuneInString(text)
		if size < len(text) {
			wrong = append(wrong, fmt.Errorf("--comma %s: want one character, or tab", text))
		}
		o.sheet.Comma = comma
	}
	for _, text := range o.columns {
		header, column, ok := strings.Cut(text, "=")
		if !ok || header == "" {
			wrong = append(wrong, fmt.Errorf(`--column %s: want Header=column, such as "Staff no=user", or Header= to leave it out`, text))
		}
		if o.sheet.Columns == nil {
			o.sheet.Columns = map[string]string{}
		}
		o.sheet.Columns[header] = column
	}
	o.sheet.SkipBad = o.skipBad != ""
	return wrong
}

// An input is what the files of one domain say.
type input struct {
	files    []string
	state    *provision.State   // nil: the files have none
	plan     *provision.Changes // nil: no file is a plan
	planFile string
	left     int // rows that --skip-bad left out
}

// readFiles reads files. What is wrong with several of them is one error.
func (a *app) readFiles(ctx context.Context, o *fileOptions, files []string) (*input, error) {
	in := &input{files: files}
	var states []*provision.State
	var wrong []error
	sheets := 0
	for _, name := range files {
		text, err := a.readFile(ctx, name)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if isSheet(name, text) {
			sheets++
			sheet := o.sheet
			sheet.File = called(name)
			state, err := provision.ReadCSV(bytes.NewReader(text), &sheet)
			if err != nil {
				wrong = append(wrong, plainError(err))
			}
			states = append(states, state)
			continue
		}
		if isPlan(text) {
			plan := new(provision.Changes)
			switch err := json.Unmarshal(text, plan); {
			case err != nil:
				wrong = append(wrong, fmt.Errorf("%s: %w", called(name), plainError(err)))
			case in.plan != nil:
				wrong = append(wrong, fmt.Errorf("%s and %s are plans: give one of them", in.planFile, name))
			}
			in.plan, in.planFile = plan, name
			continue
		}
		state, err := provision.ReadJSON(&namedReader{bytes.NewReader(text), called(name)})
		if err != nil {
			wrong = append(wrong, plainError(err))
		}
		states = append(states, state)
	}
	if o.skipBad != "" && sheets != 1 {
		wrong = append(wrong, fmt.Errorf("--skip-bad leaves rows out of one CSV file, and there are %d", sheets))
	}
	if len(wrong) > 0 {
		return nil, o.withMeans(errors.Join(wrong...), sheets)
	}
	if states == nil {
		return in, nil
	}
	in.state = provision.Merge(states...)
	if o.sheet.EmergencyNumbers {
		in.state.EmergencyNumbers = true
	}
	if err := in.state.Check(); err != nil {
		return nil, o.withMeans(plainError(err), sheets)
	}
	return in, a.tellSkipped(o, in)
}

// withMeans adds to the problems of a spreadsheet how to say that they are none.
func (o *fileOptions) withMeans(err error, sheets int) error {
	if _, ok := errors.AsType[*provision.CheckError](err); !ok || sheets == 0 {
		return err
	}
	mend := "If the CSV file is right as it is, say so with --column, --ignore-columns, --numbers-as-written or --emergency-numbers."
	if o.skipBad == "" {
		mend += " To go on without the rows that are wrong: --skip-bad FILE."
	}
	return withMend(err, "%s", mend)
}

// A namedReader is a text with a name for messages.
type namedReader struct {
	io.Reader
	name string
}

func (r *namedReader) Name() string { return r.name }

// called is a file in messages.
func called(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// isSheet tells a CSV file from JSON: by its ending, or else by how it begins.
func isSheet(name string, text []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv", ".tsv":
		return true
	case ".json":
		return false
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\uFEFF")))
	return !bytes.HasPrefix(text, []byte("{")) && !bytes.HasPrefix(text, []byte("["))
}

// isPlan tells a plan from a state: it has a version.
func isPlan(text []byte) bool {
	var of struct {
		Version json.RawMessage `json:"version"`
	}
	return json.Unmarshal(text, &of) == nil && of.Version != nil
}

// plainError is an error without the name of the package that made it.
func plainError(err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "provision: ") {
		return err
	}
	return &plainTextError{err}
}

type plainTextError struct{ err error }

func (e *plainTextError) Error() string { return strings.TrimPrefix(e.err.Error(), "provision: ") }
func (e *plainTextError) Unwrap() error { return e.err }

// readFile reads a file, or standard input for "-". It returns as soon as ctx ends,
// for a pipe may never end. The read goes on until the program ends then: nothing
// can end it.
func (a *app) readFile(ctx context.Context, name string) ([]byte, error) {
	var text []byte
	_, err := await(ctx, func() (string, error) {
		var err error
		if name == "-" {
			text, err = io.ReadAll(a.stdin)
		} else {
			text, err = os.ReadFile(name)
		}
		return "", err
	})
	if err != nil {
		return nil, err // and text may still be written to
	}
	return text, nil
}

// tellSkipped writes the rows that were left out to the file of --skip-bad.
func (a *app) tellSkipped(o *fileOptions, in *input) error {
	if o.skipBad == "" {
		return nil
	}
	lines := map[int]bool{}
	file := ""
	for _, problem := range in.state.Skipped() {
		lines[problem.Line], file = true, problem.File
	}
	if in.left = len(lines); in.left == 0 {
		fmt.Fprintln(a.stderr, "No row was left out.")
		if _, err := os.Stat(o.skipBad); err == nil {
			fmt.Fprintf(a.stderr, "%s is of an earlier run.\n", o.skipBad)
		}
		return nil
	}
	var rows bytes.Buffer
	err := in.state.WriteSkipped(&rows)
	if err == nil {
		err = writeSkipped(o.skipBad, rows.Bytes())
	}
	if err != nil {
		return fmt.Errorf("writing the rows that are left out: %w", err)
	}
	fmt.Fprintf(a.stderr, "Left out of %s: %s. They are in %s, with what is wrong, but without passwords and PINs. Mend the rows in %s itself, and run the same again.\n", file, count(len(lines), "row"), o.skipBad, file)
	return nil
}

// writeSkipped writes the file of --skip-bad. Somebody may be mending the one of an
// earlier run, so that is not replaced.
func writeSkipped(name string, rows []byte) error {
	there, err := os.ReadFile(name)
	switch {
	case err == nil && bytes.Equal(there, rows):
		return nil
	case err == nil && len(there) > 0:
		return fmt.Errorf("%s is there already, and holds something else: give --skip-bad another name, or take that file away", name)
	}
	return replaceFile(name, rows, 0o600)
}

// A used file is one that a command reads or writes.
type usedFile struct{ what, name string }

// oneFileTwice returns what is wrong with files: one that is written is another one
// too.
func oneFileTwice(files []usedFile) (wrong []error) {
	for i, f := range files {
		for _, other := range files[:i] {
			if f.name == "" || f.name == "-" || other.name == "" || !sameFile(f.name, other.name) {
				continue
			}
			if f.what == other.what {
				wrong = append(wrong, fmt.Errorf("%s is given twice", f.name))
			} else {
				wrong = append(wrong, fmt.Errorf("%s and %s are the same file, %s", other.what, f.what, f.name))
			}
		}
	}
	return wrong
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

// takesPlan reports whether a file is one that --out may write: a new or an empty
// one, a plan, or a device or a pipe.
func takesPlan(name string) bool { return replaces(name, isPlan) }

// replaces reports whether a file may be written: a new or an empty one, an older one
// of the same kind, or a device or a pipe. So a wrong name costs nobody a file.
func replaces(name string, same func(text []byte) bool) bool {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return true // or writing tells what is wrong
	}
	text, err := os.ReadFile(name)
	return err == nil && same(text)
}

// replaceFile writes a file as a whole or not at all, so that a full disk leaves the
// one that was there.
func replaceFile(name string, text []byte, mode os.FileMode) error {
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
	return ofFile(name, err)
}

// ofFile makes an error of the file that was written on the way one of the file that
// a person knows.
func ofFile(name string, err error) error {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: failed.Op, Path: name, Err: failed.Err}
	}
	if failed, ok := errors.AsType[*os.LinkError](err); ok {
		return &fs.PathError{Op: failed.Op, Path: name, Err: failed.Err}
	}
	return err
}

// occupied reports whether a name is that of a file, which is not written over
// without --force. A device or a pipe is none.
func occupied(name string) bool {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || info.Mode().IsRegular() || info.IsDir()
}

// planText is a plan as JSON, as readFiles reads it.
func planText(changes *provision.Changes) ([]byte, error) {
	text, err := json.MarshalIndent(changes, "", "  ")
	return append(text, '\n'), err
}

// onDemo is the note in a plan that was not made on a real account.
const onDemo = "made with --demo, on a server in memory: it is for no real account"

// marked is the plan with that note, if it is such a one.
func (a *app) marked(changes *provision.Changes) *provision.Changes {
	if !a.demo || slices.Contains(changes.Notes, onDemo) {
		return changes
	}
	c := *changes
	c.Notes = append(slices.Clone(c.Notes), onDemo)
	return &c
}

// count returns such as "1 change" and "2 changes".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
