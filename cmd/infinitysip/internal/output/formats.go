package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// An appender appends the JSON of a row.
type appender func(text []byte, row any) ([]byte, error)

// appendJSON appends a row as encoding/json writes it.
func appendJSON(text []byte, row any) ([]byte, error) {
	more, err := json.Marshal(row)
	return append(text, more...), err
}

type jsonEncoder struct {
	w          writer
	appendJSON appender
	array      bool
	begun      bool
	o          Options
	text       []byte
}

func (e *jsonEncoder) row(row any) error {
	e.text = e.text[:0]
	if e.array {
		if e.begun {
			e.text = append(e.text, ",\n"...)
		} else {
			e.text = append(e.text, "[\n"...)
		}
		e.begun = true
	}
	var err error
	if e.text, err = e.appendJSON(e.text, row); err != nil {
		return err
	}
	if !e.array {
		e.text = append(e.text, '\n')
	}
	_, err = e.w.Write(visibleJSON(e.text, e.o))
	return err
}

func (e *jsonEncoder) flush() error { return nil }

func (e *jsonEncoder) end() (err error) {
	switch {
	case !e.array:
	case e.begun:
		_, err = e.w.WriteString("\n]\n")
	default:
		_, err = e.w.WriteString("[]\n")
	}
	return err
}

// visibleJSON escapes what JSON lets pass and a terminal would obey.
func visibleJSON(text []byte, o Options) []byte {
	if o.Width == 0 || !hidden(string(text)) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r < 0x7f || !harmful(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// csvEncoder writes RFC 4180, with lines that end as on Unix.
type csvEncoder struct {
	w       writer
	csv     *csv.Writer
	columns []column
	cells   []string
	header  bool // still to be written
	visible bool
}

func newCSV(w writer, columns []column, o Options) *csvEncoder {
	return &csvEncoder{w: w, csv: csv.NewWriter(w), columns: columns, cells: make([]string, len(columns)), header: !o.NoHeader, visible: o.Width > 0}
}

func (e *csvEncoder) row(row any) error {
	if err := e.begin(); err != nil {
		return err
	}
	for i := range e.columns {
		e.cells[i] = e.columns[i].value(row)
		if e.visible {
			e.cells[i] = visible(e.cells[i])
		}
	}
	return e.line(e.cells)
}

func (e *csvEncoder) line(cells []string) error {
	if len(cells) == 1 && cells[0] == "" { // an empty line is no row for most readers
		e.csv.Flush()
		_, err := e.w.WriteString("\"\"\n")
		return err
	}
	if err := e.csv.Write(cells); err != nil {
		return err
	}
	e.csv.Flush() // into the stream's own buffer: encoding/csv takes it over, so it is free
	return nil
}

func (e *csvEncoder) begin() error {
	if !e.header {
		return nil
	}
	e.header = false
	return e.line(names(e.columns))
}

func (e *csvEncoder) flush() error { return nil }
func (e *csvEncoder) end() error   { return e.begin() }

// templateEncoder writes a template's text for each row.
type templateEncoder struct {
	w          writer
	appendJSON appender
	t          *rowTemplate
	visible    bool
	buf        []byte
	json       []byte
}

func (e *templateEncoder) row(row any) (err error) {
	if e.json, err = e.appendJSON(e.json[:0], row); err != nil {
		return err
	}
	if e.buf, err = e.t.appendRow(e.buf[:0], e.json, e.visible); err != nil {
		return err
	}
	_, err = e.w.Write(e.buf)
	return err
}

func (e *templateEncoder) flush() error { return nil }
func (e *templateEncoder) end() error   { return nil }

// pointInto points at a byte of a text that may have several lines.
func pointInto(text string, at int) string {
	at = max(0, min(at, len(text)))
	start := strings.LastIndexByte(text[:at], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	return Point(line, at-start)
}

// Point shows a line of text with a caret under the byte at. Only what is near the
// caret is shown of a long one.
func Point(line string, at int) string {
	const near = 60
	before, after := line[:at], line[at:]
	if r := []rune(before); len(r) > near {
		before = "…" + string(r[len(r)-near:])
	}
	if r := []rune(after); len(r) > near {
		after = string(r[:near]) + "…"
	}
	before, after = visible(before), visible(after)
	return "  " + before + after + "\n  " + strings.Repeat(" ", textWidth(before)) + "^"
}
