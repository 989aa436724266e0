package output

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

const (
	measured = 500 // rows of a table that its columns are as wide as
	gap      = "  "
	narrow   = 4 // a column is not shortened to less
	more     = "…"
)

// tableEncoder writes a table. It holds the first rows, or those that came before
// somebody waited too long, to see how wide the columns are. The rows after them are
// written at once, and a cell that is wider moves those behind it in its line.
type tableEncoder struct {
	w       writer
	columns []column
	o       Options
	cells   []string // of the rows that are held, row by row
	widths  []int    // nil: not known yet
	line    bytes.Buffer
}

func newTable(w writer, columns []column, o Options) *tableEncoder {
	return &tableEncoder{w: w, columns: columns, o: o}
}

func (e *tableEncoder) row(row any) error {
	if e.widths != nil {
		e.cells = e.cells[:0]
	}
	for i := range e.columns {
		e.cells = append(e.cells, visible(e.columns[i].value(row)))
	}
	if e.widths != nil {
		return e.write(e.cells, false)
	}
	if len(e.cells) >= measured*len(e.columns) {
		return e.flush()
	}
	return nil
}

func (e *tableEncoder) flush() error {
	if e.widths != nil || len(e.cells) == 0 {
		return nil
	}
	return e.begin()
}

func (e *tableEncoder) end() error {
	if e.widths != nil {
		return nil
	}
	return e.begin()
}

// begin writes the header and the rows that are held.
func (e *tableEncoder) begin() error {
	n := len(e.columns)
	header := make([]string, n)
	if !e.o.NoHeader {
		for i := range e.columns {
			header[i] = strings.ToUpper(e.columns[i].name)
		}
	}
	e.widths = make([]int, n)
	for i := range header {
		e.widths[i] = textWidth(header[i])
	}
	for i, cell := range e.cells {
		e.widths[i%n] = max(e.widths[i%n], textWidth(cell))
	}
	e.fit()
	if !e.o.NoHeader {
		if err := e.write(header, e.o.Bold); err != nil {
			return err
		}
	}
	for cells := e.cells; len(cells) > 0; cells = cells[n:] {
		if err := e.write(cells[:n], false); err != nil {
			return err
		}
	}
	e.cells = nil
	return nil
}

// fit makes columns narrower until a line fits the terminal: from the last one on, but
// never what a row is known by.
func (e *tableEncoder) fit() {
	if e.o.Width == 0 {
		return
	}
	over := len(gap)*(len(e.widths)-1) - e.o.Width
	for _, width := range e.widths {
		over += width
	}
	for i := len(e.widths) - 1; i >= 0 && over > 0; i-- {
		if e.kept(i) {
			continue
		}
		less := min(over, max(0, e.widths[i]-narrow))
		e.widths[i] -= less
		over -= less
	}
}

// kept reports whether a column is never shortened: the first one, the id and the
// name.
func (e *tableEncoder) kept(i int) bool {
	name := strings.ToLower(e.columns[i].name)
	return i == 0 || name == "id" || name == "name"
}

func (e *tableEncoder) write(cells []string, bold bool) error {
	e.line.Reset()
	at := 0
	last := len(cells) - 1
	for last > 0 && cells[last] == "" {
		last-- // no blanks at the end of a line
	}
	for i, cell := range cells[:last+1] {
		width := textWidth(cell)
		room := e.widths[i]
		if i == len(cells)-1 {
			room = max(room, e.o.Width-at)
		}
		if e.o.Width > 0 && width > room && !e.kept(i) {
			cell, width = shorten(cell, room)
		}
		e.line.WriteString(cell)
		at += width
		if i < last {
			for ; width < e.widths[i]; width++ {
				e.line.WriteByte(' ')
				at++
			}
			e.line.WriteString(gap)
			at += len(gap)
		}
	}
	text := e.line.String()
	if bold {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	e.line.Reset()
	if _, err := e.w.WriteString(text); err != nil {
		return err
	}
	return e.w.WriteByte('\n')
}

// record is one row as a table: the names of its columns and their values. Those that
// a list does not show are left out if they are empty.
func record(row any, columns []column, o Options) []byte {
	var b bytes.Buffer
	wide := 0
	for i := range columns {
		wide = max(wide, textWidth(columns[i].name))
	}
	for i := range columns {
		c := &columns[i]
		value := visible(c.value(row))
		if value == "" && c.more {
			continue
		}
		name := c.name
		if value != "" {
			name += strings.Repeat(" ", wide-textWidth(name))
		}
		if o.Bold {
			name = "\x1b[1m" + name + "\x1b[0m"
		}
		b.WriteString(name)
		if value != "" {
			b.WriteString(gap + value)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// textWidth is how many columns of a terminal a text takes.
func textWidth(text string) int {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return uniseg.StringWidth(text)
		}
	}
	return len(text)
}

// shorten cuts a text to at most width columns, with "…" as the last of them.
func shorten(text string, width int) (string, int) {
	used, end, state := 0, 0, -1
	for rest := text; rest != ""; {
		var cluster string
		var n int
		cluster, rest, n, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+n > width-1 {
			break
		}
		used += n
		end += len(cluster)
	}
	return text[:end] + more, used + 1
}

// harmful reports whether a terminal would obey a character instead of showing it.
func harmful(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true // the direction of the text
	}
	return r == 0xfeff || r >= 0xe0000 && r < 0xe0020 || r > 0xe007f && r <= 0xe0fff // not seen at all; flags are made of those between
}

// hidden reports whether a text has a character that visible would show.
func hidden(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < 0x20 || c == 0x7f {
			return true
		}
		if c < utf8.RuneSelf {
			continue
		}
		if !utf8.ValidString(text[i:]) {
			return true
		}
		for _, r := range text[i:] {
			if harmful(r) {
				return true
			}
		}
		return false
	}
	return false
}

// visible shows the characters of a text that a terminal would obey: an escape as
// \x1b, a line break as \n.
func visible(text string) string {
	if !hidden(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case !harmful(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
