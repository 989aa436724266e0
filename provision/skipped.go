package provision

import (
	"bytes"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/infinitysip/infinitysip/provision/internal/sheet"
)

// skippedRow is a row of a spreadsheet that CSVOptions.SkipBad left out. A State points
// to it, so that whoever prints one does not print it.
type skippedRow struct {
	problems []Problem
	comma    rune
	headers  []string // of the columns that were read
	cells    []string // in these; without those that are secret

	// What Prune must know: the users and devices on the server that show one of words
	// are left alone. See whoKey.
	words    []string // in any cell, less those of secrets
	who      []string // of these, the ones in the columns that say who it is
	named    bool     // the row says who it is about, if only who is new
	noDevice bool     // it has a MAC address that cannot be read
}

// skipBad leaves out the rows that have problems.
func (f *csvReader) skipBad() {
	f.dropBad()
	c := &checker{state: f.state, extensions: map[string]thingRef{}}
	c.check()
	for _, p := range c.problems {
		f.bad[p.Line] = append(f.bad[p.Line], p)
	}
	f.dropBad()
	for _, line := range slices.Sorted(maps.Keys(f.bad)) {
		f.skip(f.rows[line], f.bad[line])
	}
}

func (f *csvReader) dropBad() {
	s := f.state
	s.Users = slices.DeleteFunc(s.Users, func(u User) bool { return f.bad[u.line] != nil })
	s.Devices = slices.DeleteFunc(s.Devices, func(d Device) bool { return f.bad[d.line] != nil })
}

// skip notes a row that is left out, and who is in it.
func (f *csvReader) skip(row sheet.Row, problems []Problem) {
	skipped := &skippedRow{problems: problems, comma: f.table.Comma}
	// In a row that does not fit its header, nobody can tell which value is the password.
	fits := !row.Broken && len(row.Cells) <= len(f.columns)
	torn := fits && f.torn(row.Cells)
	for _, i := range f.skipped {
		c, cell := f.columns[i], ""
		if fits && i < len(row.Cells) {
			cell = row.Cells[i]
		}
		if c.name == "user" {
			skipped.named = f.certain(cell)
		}
		if c.name == "mac" {
			skipped.noDevice = slices.ContainsFunc(sheet.Elements(cell), func(mac string) bool { return wire.MAC(readMAC(mac)) == "" })
		}
		if torn {
			cell = ""
		}
		skipped.headers = append(skipped.headers, f.names[i])
		skipped.cells = append(skipped.cells, safe(c, cell))
	}
	first, last := "", ""
	for i, cell := range row.Cells {
		var c *column
		if i < len(f.columns) {
			c = f.columns[i]
		}
		if c != nil && c.secret || f.isClear(cell) {
			continue
		}
		words := f.words(cell)
		skipped.words = append(skipped.words, words...)
		switch {
		case !fits:
			skipped.who = append(skipped.who, words...)
		case c == nil:
		case c.name == "firstName":
			first = sheet.Value(cell)
		case c.name == "lastName":
			last = sheet.Value(cell)
		case c.filled || c.name == "email" || c.name == "mac":
			skipped.who = append(skipped.who, words...)
		}
	}
	if name := whoKey(first + " " + last); name != "" {
		skipped.words, skipped.who = append(skipped.words, name), append(skipped.who, name)
	}
	if slices.ContainsFunc(row.Cells, f.holdsRows) { // which may be anybody's
		skipped.named, skipped.who = false, nil
	}
	f.state.skipped = append(f.state.skipped, skipped)
}

// words are what a cell may say of a user or a device: all of it, and what is between
// semicolons, delimiters and line ends.
func (f *csvReader) words(cell string) []string {
	pieces := strings.FieldsFunc(cell, func(r rune) bool { return r == '\n' || r == '\r' || r == f.table.Comma || string(r) == sheet.Separator })
	var all []string
	for _, piece := range append(pieces, cell) {
		for _, word := range []string{whoKey(sheet.Value(piece)), whoKey(wire.MAC(readMAC(sheet.Value(piece))))} {
			if word != "" && !slices.Contains(all, word) {
				all = append(all, word)
			}
		}
	}
	return all
}

// holdsRows reports whether rows may stand in a cell, for want of a quotation mark.
func (f *csvReader) holdsRows(cell string) bool {
	end := strings.IndexAny(cell, "\r\n")
	return end >= 0 && strings.ContainsRune(cell[end:], f.table.Comma)
}

// whoKey is what two texts have in common that an eye takes for the same.
func whoKey(text string) string {
	text = strings.Map(func(r rune) rune {
		if unseen(r) {
			return -1
		}
		return r
	}, text)
	return fold(strings.Join(strings.Fields(text), " "))
}

// skippedNoDevice reports whether a row was skipped that has a MAC address which cannot
// be read.
func (s *State) skippedNoDevice() bool {
	return slices.ContainsFunc(s.skipped, func(row *skippedRow) bool { return row.noDevice })
}

// left is who may be in a row that was skipped, so that they must not be deleted.
type left struct {
	words map[string]bool // of all rows
	found map[string]bool // of these, what is left alone on the server shows

	owners map[infinitysip.UserID]bool // of devices that are in such a row
}

func newLeft(s *State) left {
	l := left{map[string]bool{}, map[string]bool{}, map[infinitysip.UserID]bool{}}
	for _, row := range s.skipped {
		for _, word := range row.words {
			l.words[word] = true
		}
	}
	return l
}

// has reports whether one of the texts that the server shows of a thing is in a row that
// was skipped.
func (l left) has(texts ...string) bool {
	any := false
	for _, text := range texts {
		if key := whoKey(text); key != "" && l.words[key] {
			l.found[key], any = true, true
		}
	}
	return any
}

// unnamed reports whether a row was skipped that may be about anybody: what it has for a
// name is none, and nobody on the server is known by what else is in it.
func (l left) unnamed(s *State) bool {
	return slices.ContainsFunc(s.skipped, func(row *skippedRow) bool {
		return !row.named && !slices.ContainsFunc(row.who, func(word string) bool { return l.found[word] })
	})
}

// certain reports whether a cell has the name of a user, as far as can be told.
func (f *csvReader) certain(cell string) bool {
	name := sheet.Value(composed(cell))
	return name != "" && !f.isClear(cell) && noValue(cell) == "" && utf8.ValidString(name) && invisible(name, false) == "" && !strings.ContainsFunc(name, unicode.IsControl)
}

// safe is a cell as it was, but no formula. A secret is left out, and so is a formula that
// was saved: guarded, it would be a value.
func safe(c *column, cell string) string {
	if c.secret || formulaSaved(cell) || (c.name == "groups" || c.name == "mac") && slices.ContainsFunc(asWritten(cell), formulaSaved) {
		return ""
	}
	return sheet.Safe(cell)
}

// Skipped returns what is wrong with the rows that CSVOptions.SkipBad left out.
func (s *State) Skipped() []Problem {
	if s == nil {
		return nil
	}
	var all []Problem
	for _, row := range s.skipped {
		all = append(all, row.problems...)
	}
	return all
}

// WriteSkipped writes the rows that CSVOptions.SkipBad left out as a CSV file that a person
// can mend. It has the columns that were read, the cells as they were, and a last column,
// problem, that says where each row is in its file and what is wrong. ReadCSV reads the
// mended file, and ignores that column.
//
// WriteSkipped writes no password and no PIN. Their cells are empty, so a user who is made
// from the mended file gets a random password. If a row does not fit the header, or seems
// to be cut or shifted in a file with a column of passwords or PINs, WriteSkipped writes
// only what is wrong, because any value of the row may be a password. It leaves out columns
// that were ignored.
//
// Mend the rows and put them back into their file. A plan with Prune from this file alone
// would delete everybody who is not in it.
func (s *State) WriteSkipped(w io.Writer) error {
	if s == nil {
		return noState()
	}
	var headers []string // of all files
	for _, row := range s.skipped {
		for _, header := range row.headers {
			if !slices.Contains(headers, header) {
				headers = append(headers, header)
			}
		}
	}
	var file bytes.Buffer
	out := csv.NewWriter(&file)
	if len(s.skipped) > 0 {
		out.Comma = s.skipped[0].comma
	}
	_ = out.Write(append(guarded(headers), problemColumn)) // Flush keeps the error
	for _, row := range s.skipped {
		cells := make([]string, len(headers)+1)
		for i, header := range row.headers {
			cells[slices.Index(headers, header)] = row.cells[i]
		}
		texts := []string{row.problems[0].String()}
		for _, p := range row.problems[1:] {
			p.File, p.Line, p.Path = "", 0, ""
			texts = append(texts, p.String())
		}
		cells[len(headers)] = sheet.Guard(strings.Join(texts, "; "))
		_ = out.Write(cells)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return writeSheet(w, file.Bytes())
}

func guarded(cells []string) []string {
	all := make([]string, len(cells))
	for i, cell := range cells {
		all[i] = sheet.Guard(cell)
	}
	return all
}

// writeSheet writes a file. One with letters that are not ASCII begins with the mark of
// UTF-8, without which Excel garbles them.
func writeSheet(w io.Writer, file []byte) error {
	if bytes.ContainsFunc(file, func(r rune) bool { return r >= utf8.RuneSelf }) {
		file = append([]byte("\ufeff"), file...)
	}
	_, err := w.Write(file)
	return err
}
