// Package sheet reads tables of text as spreadsheet programs save them: CSV with
// commas, semicolons or tabs, in UTF-8 or UTF-16, with line ends of any system.
// It knows nothing of what the cells mean.
package sheet

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// Row is a row of a table.
type Row struct {
	Line  int      // where it begins, as an editor counts
	Cells []string // as they are between the delimiters, less the quotation marks
	lines []int    // where each cell begins; nil: all in Line

	// Broken: a quotation mark is missing or too many, so that the row cannot be
	// split into cells.
	Broken bool
}

// LineOf returns the line where a cell begins.
func (r Row) LineOf(i int) int {
	if r.lines == nil {
		return r.Line
	}
	return r.lines[i]
}

// Table is a table of text.
type Table struct {
	Comma rune // what is between the cells

	text  string
	line  int  // of the first line of text
	cr    bool // a carriage return alone ends a line
	comma string
}

// look is how many rows are searched for the names of columns.
const look = 10

// Read reads a table. Where comma is 0, a first line such as "sep=;" tells what is
// between the cells, or else the row, near the top, that has the most names of
// columns, as known reports.
func Read(text string, comma rune, known func(cell string) bool) (*Table, error) {
	t := &Table{text: text, line: 1, cr: loneCR(text)}
	if line, n := t.firstLine(text); len(line) >= len("sep=") && strings.EqualFold(line[:4], "sep=") && len([]rune(line[4:])) <= 1 {
		if told := []rune(line[4:]); comma == 0 && len(told) == 1 && usable(told[0]) {
			comma = told[0]
		}
		t.text, t.line = text[n:], 2
	}
	switch {
	case comma == 0:
		t.split(t.guess(known))
	case !usable(comma):
		return nil, fmt.Errorf("%q cannot be between cells", comma)
	default:
		t.split(comma)
	}
	return t, nil
}

// usable reports whether a character may be between cells.
func usable(comma rune) bool {
	return utf8.ValidRune(comma) && !strings.ContainsRune("\"'=\r\n\ufffd", comma)
}

func (t *Table) split(comma rune) { t.Comma, t.comma = comma, string(comma) }

// guess finds what is between the cells.
func (t *Table) guess(known func(string) bool) rune {
	best, most := ',', -1
	for _, comma := range ",;\t|" {
		t.split(comma)
		n := 0 // the most known names in a row
		rows := 0
		for row := range t.Rows() {
			names := 0
			for _, cell := range row.Cells {
				if known(cell) {
					names++
				}
			}
			n = max(n, names*100)
			if rows == 0 && !row.Broken {
				n = max(n, min(len(row.Cells), 99)) // where no name is known, the most cells
			}
			if rows++; rows == look {
				break
			}
		}
		if rows == 0 { // all cells are blank
			return comma
		}
		if n > most {
			best, most = comma, n
		}
	}
	return best
}

// loneCR reports whether the first line ends in a carriage return alone, as those of
// old Macs do.
func loneCR(text string) bool {
	quoted := false
	for i := range len(text) {
		switch text[i] {
		case '"':
			quoted = !quoted
		case '\n':
			if !quoted {
				return false
			}
		case '\r':
			if !quoted {
				return !strings.HasPrefix(text[i+1:], "\n")
			}
		}
	}
	return false
}

// firstLine returns the first line, and how long it is with its end.
func (t *Table) firstLine(text string) (line string, n int) {
	for n < len(text) && t.endOfLine(text[n:]) == 0 {
		n++
	}
	return text[:n], n + t.endOfLine(text[n:])
}

// Rows yields the rows that are not blank. A row of delimiters alone, as
// spreadsheets leave behind, is.
func (t *Table) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		line, cells := t.line, 0
		for text := t.text; text != ""; {
			row, n, lines := t.row(text, line, cells)
			if text = text[n:]; (row.Broken || slices.ContainsFunc(row.Cells, notBlank)) && !yield(row) {
				return
			}
			line, cells = line+lines, len(row.Cells)
		}
	}
}

func notBlank(cell string) bool { return strings.TrimSpace(cell) != "" }

// row splits the first row off, which may have so many cells. It returns how long
// the row is, and on how many lines. Of one that is broken, that is the first line:
// the next may be a row again.
func (t *Table) row(text string, line, cells int) (row Row, size, lines int) {
	row = Row{Line: line, Cells: make([]string, 0, cells)}
	for at := 0; ; {
		cell, n, breaks, ok := t.cell(text[at:])
		if !ok {
			_, n := t.firstLine(text)
			return Row{Line: line, Broken: true}, n, 1
		}
		if row.lines == nil && lines > 0 {
			row.lines = slices.Repeat([]int{line}, len(row.Cells))
		}
		if row.lines != nil {
			row.lines = append(row.lines, line+lines)
		}
		row.Cells = append(row.Cells, cell)
		at += n
		lines += breaks
		if n := t.endOfLine(text[at:]); n > 0 || at == len(text) {
			return row, at + n, lines + 1
		}
		at += len(t.comma)
	}
}

// endOfLine is how long the line end is that text begins with; 0: it does not.
func (t *Table) endOfLine(text string) int {
	switch {
	case strings.HasPrefix(text, "\r\n"):
		return 2
	case strings.HasPrefix(text, "\n"), t.cr && strings.HasPrefix(text, "\r"), text == "\r":
		return 1
	}
	return 0
}

// ends reports whether a cell ends before text.
func (t *Table) ends(text string) bool {
	return text == "" || strings.HasPrefix(text, t.comma) || t.endOfLine(text) > 0
}

// cell reads the first cell. It returns how long it is in text, and how many line
// ends are in it. It is not ok where the quotation marks do not match.
func (t *Table) cell(text string) (cell string, n, lines int, ok bool) {
	start := 0
	if t.comma != " " {
		start = len(text) - len(strings.TrimLeft(text, " "))
	}
	switch body := text[start:]; {
	case strings.HasPrefix(body, `"`):
		return t.quoted(text, start+1)
	case strings.HasPrefix(body, `="`): // as programs write that make files for Excel
		if end := strings.IndexByte(body[2:], '"'); end >= 0 && t.ends(body[2+end+1:]) && !strings.ContainsAny(body[2:2+end], "\r\n") {
			n = start + 2 + end + 1
			return text[start:n], n, 0, true
		}
	}
	for n < len(text) && !t.ends(text[n:]) {
		if text[n] == '"' {
			return "", 0, 0, false
		}
		n++
	}
	return text[:n], n, 0, true
}

// quoted reads a cell in quotation marks, from after the first one.
func (t *Table) quoted(text string, start int) (cell string, n, lines int, ok bool) {
	doubled := false
	for n = start; ; n += 2 {
		end := strings.IndexByte(text[n:], '"')
		if end < 0 {
			return "", 0, 0, false
		}
		if n += end; !strings.HasPrefix(text[n:], `""`) {
			break
		}
		doubled = true
	}
	cell = text[start:n]
	if doubled {
		cell = strings.ReplaceAll(cell, `""`, `"`)
	}
	cell = strings.ReplaceAll(cell, "\r\n", "\n")
	lines = strings.Count(cell, "\n")
	if t.cr {
		lines += strings.Count(cell, "\r")
	}
	n++
	for t.comma != " " && strings.HasPrefix(text[n:], " ") {
		n++
	}
	return cell, n, lines, t.ends(text[n:])
}

// Letter names a column as spreadsheets do: A is the first, AA comes after Z.
func Letter(column int) string {
	name := ""
	for ; column >= 0; column = column/26 - 1 {
		name = string(rune('A'+column%26)) + name
	}
	return name
}
