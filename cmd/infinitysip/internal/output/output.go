// Package output writes rows for people and for programs. It knows no API.
package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/near"
)

// A Column is one column of a table or a CSV, and a field that rows are chosen by.
type Column[R any] struct {
	Name  string          // what people call it: "extension"
	API   string          // what the API calls it: "extensionNumber"
	Value func(*R) string // as text; "" is nothing
	More  bool            // a table shows it only if --columns names it, or with --columns all
}

// Options are what the flags say.
type Options struct {
	Format   string   // table, json, ndjson, yaml, csv or template=TEXT; "" is table
	Columns  []string // their names, in order; nil: the usual ones
	Sort     []string // columns to sort by; "-name" is from the last to the first
	NoHeader bool
	Limit    int  // the most rows, the first ones after the sort; 0: all
	Width    int  // of the terminal; 0: there is none, nothing is shortened
	Bold     bool // the header of a table is in bold type
}

// A WriteError is an error of the stream that rows are written to.
type WriteError struct{ Err error }

func (e *WriteError) Error() string {
	err := e.Err
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		err = failed.Err
	}
	return "writing to standard output: " + err.Error()
}
func (e *WriteError) Unwrap() error { return e.Err }

// A RowError says that a row cannot be written in this format: a template asks for
// a field that it does not have.
type RowError struct{ Err error }

func (e *RowError) Error() string { return e.Err.Error() }
func (e *RowError) Unwrap() error { return e.Err }

// The formats.
const (
	table    = "table"
	asJSON   = "json"
	ndjson   = "ndjson"
	asYAML   = "yaml"
	asCSV    = "csv"
	ofText   = "template"
	allNames = "all" // every column
)

// Formats are the names of the formats.
func Formats() []string { return []string{table, asJSON, ndjson, asYAML, asCSV, ofText + "="} }

// CheckFormat checks what can be checked without knowing the columns.
func (o Options) CheckFormat() error {
	var problems []error
	format, text, hasText := strings.Cut(o.Format, "=")
	switch format {
	case "", table, asJSON, ndjson, asYAML, asCSV:
		if hasText {
			problems = append(problems, fmt.Errorf("--output %s: %s takes no text after it", o.Format, format))
		}
	case ofText:
		if !hasText || text == "" {
			problems = append(problems, errors.New("--output template: it needs a text, such as --output 'template={{.displayName}}'"))
		} else if _, err := parseTemplate(text); err != nil {
			problems = append(problems, err)
		}
	default:
		text := fmt.Sprintf("--output %s: there is no such format%s\nThere are table, json, ndjson, yaml, csv and template=TEXT.", format, near.Meant(format, []string{table, asJSON, ndjson, asYAML, asCSV, ofText}))
		problems = append(problems, errors.New(text))
	}
	if kind := o.format(); kind == asJSON || kind == ndjson || kind == asYAML || kind == ofText {
		if o.Columns != nil {
			problems = append(problems, fmt.Errorf("--columns is for tables and CSV: %s always has every field", kind))
		}
		if o.NoHeader {
			problems = append(problems, fmt.Errorf("--no-header is for tables and CSV: %s has no header", kind))
		}
	}
	return errors.Join(problems...)
}

func (o Options) format() string {
	format, _, _ := strings.Cut(o.Format, "=")
	if format == "" {
		return table
	}
	return format
}

// Check checks the options for rows of these columns, and tells all that is wrong.
func Check[R any](columns []Column[R], o Options) error { return check(plain(columns), o) }

func check(columns []column, o Options) error {
	_, columnProblem := shown(columns, o)
	_, sortProblem := order(columns, o.Sort)
	return errors.Join(o.CheckFormat(), columnProblem, sortProblem)
}

// Find returns the column of a name, which may be the API's. Case does not matter.
func Find[R any](columns []Column[R], name string) (*Column[R], bool) {
	if i := index(plain(columns), name); i >= 0 {
		return &columns[i], true
	}
	return nil, false
}

// Names are the names of the columns.
func Names[R any](columns []Column[R]) []string { return names(plain(columns)) }

// A column is a Column without the type of its rows. A row is a pointer to one. So what
// follows is compiled once, and not for each type of rows.
type column struct {
	name, api string
	value     func(row any) string
	more      bool
}

func plain[R any](columns []Column[R]) []column {
	all := make([]column, len(columns))
	for i := range columns {
		c := &columns[i]
		all[i] = column{c.Name, c.API, func(row any) string { return c.Value(row.(*R)) }, c.More}
	}
	return all
}

// A rowSeq gives rows as pointers.
type rowSeq struct {
	shown iter.Seq2[any, error] // each is gone when the next one comes
	held  iter.Seq2[any, error] // they stay
}

func pointers[R any](rows iter.Seq2[R, error]) rowSeq {
	return rowSeq{
		shown: func(yield func(any, error) bool) {
			var row R // one for all of them: a row that is handed on is on the heap
			for next, err := range rows {
				row = next
				if !yield(&row, err) {
					return
				}
			}
		},
		held: func(yield func(any, error) bool) {
			for row, err := range rows {
				if !yield(&row, err) {
					return
				}
			}
		},
	}
}

func index(columns []column, name string) int {
	for _, by := range []func(c *column) string{
		func(c *column) string { return c.name },
		func(c *column) string { return c.api },
	} {
		for i := range columns {
			if name != "" && strings.EqualFold(by(&columns[i]), name) {
				return i
			}
		}
	}
	return -1
}

func names(columns []column) []string {
	all := make([]string, len(columns))
	for i := range columns {
		all[i] = columns[i].name
	}
	return all
}

// find is Find for a flag, with the error that it ends in.
func find(columns []column, flag, name string) (*column, error) {
	if i := index(columns, name); i >= 0 {
		return &columns[i], nil
	}
	there := names(columns)
	text := fmt.Sprintf("%s: there is no column %q%s\nThere are %s.", flag, name, near.Meant(name, there), strings.Join(there, ", "))
	return nil, errors.New(text)
}

// shown returns the columns of a table or a CSV. The name of each is as it was asked
// for.
func shown(columns []column, o Options) ([]column, error) {
	var (
		chosen   []column
		problems []error
	)
	if o.Columns == nil {
		for _, c := range columns {
			if !c.more {
				chosen = append(chosen, c)
			}
		}
		return chosen, nil
	}
	for _, name := range o.Columns {
		name = strings.TrimSpace(name)
		if strings.EqualFold(name, allNames) {
			chosen = append(chosen, columns...)
			continue
		}
		c, err := find(columns, "--columns", name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		asked := *c
		asked.name = name
		chosen = append(chosen, asked)
	}
	if len(chosen) == 0 && problems == nil {
		problems = append(problems, errors.New("--columns names no column"))
	}
	return chosen, errors.Join(problems...)
}

// An encoder writes rows in one format.
type encoder interface {
	row(row any) error
	flush() error // writes what it holds back
	end() error   // after the last row
}

// Write writes rows as they come. It holds them only to sort them, and some hundred of
// a table to see how wide its columns are. What was written is flushed whenever the
// next row is late.
//
// An error among the rows is returned as it is, after the rows before it. The rest of
// the format is not written then: a JSON array stays open, so that nobody takes it
// for the whole.
func Write[R any](w io.Writer, rows iter.Seq2[R, error], columns []Column[R], o Options) error {
	_, err := write(w, pointers(rows), plain(columns), o, appendJSON)
	return err
}

// WriteWith is Write with a function that appends the JSON of a row. It returns the
// number of rows that it wrote.
func WriteWith[R any](w io.Writer, rows iter.Seq2[R, error], columns []Column[R], o Options, appendJSON func([]byte, *R) ([]byte, error)) (n int, err error) {
	return write(w, pointers(rows), plain(columns), o, func(text []byte, row any) ([]byte, error) { return appendJSON(text, row.(*R)) })
}

func write(w io.Writer, rows rowSeq, columns []column, o Options, appendJSON appender) (n int, err error) {
	by, err := order(columns, o.Sort)
	if err != nil {
		return 0, err
	}
	s := newStream(w)
	defer s.close()
	enc, err := newEncoder(s.buffer, columns, o, appendJSON)
	if err != nil {
		return 0, err
	}
	s.held = enc.flush
	if by != nil {
		if rows, err = sorted(rows, by); err != nil {
			return 0, err
		}
	}
	for row, err := range rows.shown {
		if err != nil {
			if flushErr := s.end(nil); flushErr != nil {
				return n, flushErr
			}
			return n, err
		}
		if err = s.begin(); err == nil {
			err = enc.row(row)
		}
		s.mu.Unlock()
		if err != nil {
			return n, err
		}
		if n++; n == o.Limit {
			break
		}
	}
	return n, s.end(enc.end)
}

// WriteOne writes one row. As a table it is all its columns and their values, one a
// line, without the empty ones of those that a list does not show.
func WriteOne[R any](w io.Writer, row *R, columns []Column[R], o Options) error {
	return writeOne(w, row, plain(columns), o)
}

func writeOne(w io.Writer, row any, columns []column, o Options) error {
	var text []byte
	var err error
	switch o.format() {
	case table:
		text = record(row, columns, o)
	case asJSON:
		if text, err = json.MarshalIndent(row, "", "  "); err == nil {
			text = append(visibleJSON(text, o), '\n')
		}
	case asYAML:
		enc := &yamlEncoder{appendJSON: appendJSON, one: true, visible: o.Width > 0}
		text, err = enc.text(row)
	default:
		if o.format() == asCSV && o.Columns == nil {
			o.Columns = []string{allNames}
		}
		rows := func(yield func(any, error) bool) { yield(row, nil) }
		_, err := write(w, rowSeq{rows, rows}, columns, o, appendJSON)
		return err
	}
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return &WriteError{err}
	}
	return nil
}

func newEncoder(w writer, columns []column, o Options, appendJSON appender) (encoder, error) {
	if err := o.CheckFormat(); err != nil {
		return nil, err
	}
	chosen, err := shown(columns, o)
	if err != nil {
		return nil, err
	}
	switch o.format() {
	case asJSON:
		return &jsonEncoder{w: w, appendJSON: appendJSON, array: true, o: o}, nil
	case ndjson:
		return &jsonEncoder{w: w, appendJSON: appendJSON, o: o}, nil
	case asYAML:
		return &yamlEncoder{w: w, appendJSON: appendJSON, visible: o.Width > 0}, nil
	case asCSV:
		return newCSV(w, chosen, o), nil
	case ofText:
		_, text, _ := strings.Cut(o.Format, "=")
		t, err := parseTemplate(text)
		if err != nil {
			return nil, err
		}
		return &templateEncoder{w: w, appendJSON: appendJSON, t: t, visible: o.Width > 0}, nil
	}
	return newTable(w, chosen, o), nil
}

// writer is what encoders write to. Its errors come out of the stream's flush.
type writer interface {
	io.Writer
	io.StringWriter
	io.ByteWriter
}
