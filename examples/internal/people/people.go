// Package people is the CSV file of people that the provision example reads
// and the export example writes.
//
// The first row names the columns, in any order. A row is a person:
//
//	user         user name, such as joe.blogs
//	displayName  such as Joe Blogs
//	extension    digits
//	email        may be empty
//	groups       names with a semicolon between them; may be empty
//	mac          of the desk phone, such as 10:20:30:1A:2B:3C; may be empty
//	mobile       digits, with a + in front if need be; may be empty or missing
//	pin          digits, for hot-desking; may be empty or missing
//	password     may be empty or missing
//
// A spreadsheet takes a cell that begins with =, +, - or @ for a formula: at
// best it makes a number of +447700900123, at worst it runs what somebody put
// into a display name. So Writer puts an apostrophe before such a cell, as
// spreadsheets themselves do to mark text, and Read takes it away again. Only
// the password is taken to the letter.
package people

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
)

// Columns are the names in the first row, in the order that Writer gives them.
var Columns = []string{"user", "displayName", "extension", "email", "groups", "mac", "mobile", "pin", "password"}

// optional columns may be missing from a file.
var optional = []string{"mobile", "pin", "password"}

// Person is one row.
type Person struct {
	Line int // of the file, as an editor counts

	User        string
	DisplayName string
	Extension   string
	Email       string
	Groups      []string
	MAC         string // written as the API does: 10:20:30:1A:2B:3C
	Mobile      string
	PIN         infinitysip.Secret
	Password    infinitysip.Secret
}

// Problem is something wrong with a file.
type Problem struct {
	Line   int    // as an editor counts; 0 when it is no line of the file
	Column string // its name; empty when the whole line is wrong
	Text   string
}

// String returns the problem as a person reads it.
func (p Problem) String() string {
	switch {
	case p.Line == 0:
		return p.Column + ": " + p.Text
	case p.Column == "":
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	}
	return fmt.Sprintf("line %d, %s: %s", p.Line, p.Column, p.Text)
}

// Key is what two names of users or groups have in common when they are the
// same name: case does not tell them apart.
func Key(name string) string { return strings.ToLower(name) }

// MAC writes an address of six octets as the API does, 10:20:30:1A:2B:3C, and
// anything else as "".
func MAC(text string) string {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return ""
	}
	return strings.ToUpper(mac.String())
}

// Read reads a file to its end and tells everything that is wrong with it, in
// the order of the lines. The error is one of reading. Where there are
// problems, the people are those of the rows that have the right columns.
func Read(r io.Reader) ([]Person, []Problem, error) {
	in := bufio.NewReader(r)
	if bom, _ := in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3)
	}
	f := &file{
		csv:        csv.NewReader(in),
		users:      map[string]int{},
		extensions: map[string]int{},
		macs:       map[string]int{},
	}
	f.csv.FieldsPerRecord = -1 // counted here, to tell of every row
	var people []Person
	for {
		record, err := f.csv.Read()
		switch wrong, ok := errors.AsType[*csv.ParseError](err); {
		case err == io.EOF:
			if f.header == nil && len(f.problems) == 0 {
				f.report(1, "", "the file is empty: its first row must name the columns")
			}
			slices.SortStableFunc(f.problems, func(a, b Problem) int { return a.Line - b.Line })
			return people, f.problems, nil
		case ok:
			f.report(wrong.StartLine, "", `a quotation mark too many or too few: a value with one in it is written "like ""this"""`)
			if f.header == nil { // what follows cannot be told apart
				return nil, f.problems, nil
			}
			continue
		case err != nil:
			return nil, nil, err
		}
		line, _ := f.csv.FieldPos(0)
		switch {
		case !slices.ContainsFunc(record, func(value string) bool { return strings.TrimSpace(value) != "" }):
			// A blank line, or one of commas alone, as spreadsheets leave behind.
		case f.header == nil:
			f.readHeader(record)
		case len(record) != len(f.header):
			// Its values may stand in the wrong columns: they tell nothing.
			f.report(line, "", fmt.Sprintf("%s, but the first row names %s", count(len(record), "value"), count(len(f.header), "column")))
		default:
			people = append(people, f.readPerson(line, record))
		}
	}
}

type file struct {
	csv      *csv.Reader
	header   []string // the columns by their true names; empty: unknown
	problems []Problem

	users, extensions, macs map[string]int // the line where each stands first
}

func (f *file) report(line int, column, text string) {
	f.problems = append(f.problems, Problem{line, column, text})
}

func (f *file) readHeader(names []string) {
	f.header = make([]string, len(names))
	for i, name := range names {
		line, _ := f.csv.FieldPos(i)
		if name = strings.TrimSpace(name); len(names) == 1 && strings.ContainsAny(name, ";\t\r") {
			f.report(line, "", "this is one column: separate columns with commas, and lines with line feeds")
			return
		}
		known := slices.IndexFunc(Columns, func(column string) bool { return strings.EqualFold(column, name) })
		switch {
		case known < 0:
			f.report(line, show(name), "unknown column: those known are "+strings.Join(Columns, ", "))
		case slices.Contains(f.header, Columns[known]):
			f.report(line, Columns[known], "this column is there twice")
		default:
			f.header[i] = Columns[known]
		}
	}
	for _, column := range Columns {
		if line, _ := f.csv.FieldPos(0); !slices.Contains(f.header, column) && !slices.Contains(optional, column) {
			f.report(line, column, "this column is missing")
		}
	}
}

func (f *file) readPerson(line int, record []string) Person {
	p := Person{Line: line}
	for i, value := range record {
		column := f.header[i]
		line, _ := f.csv.FieldPos(i)
		report := func(text string) { f.report(line, column, text) }
		once := func(seen map[string]int, key string) {
			if first := seen[key]; first != 0 {
				report(fmt.Sprintf("%s stands in line %d already", show(value), first))
				return
			}
			seen[key] = line
		}
		switch {
		case column == "":
			continue
		case !utf8.ValidString(value):
			report("not UTF-8: save the file as UTF-8")
			continue
		case strings.ContainsAny(value, "\r\n"):
			report("holds a line break")
			continue
		case strings.ContainsFunc(value, unicode.IsControl):
			report("holds a control character")
			continue
		}
		if column != "password" {
			value = unguard(strings.TrimSpace(value))
		}
		if value == "" {
			if column == "user" || column == "displayName" || column == "extension" {
				report("missing")
			}
			continue
		}
		switch column {
		case "user":
			p.User = value
			once(f.users, Key(value))
		case "displayName":
			p.DisplayName = value
		case "extension":
			p.Extension = value
			if !digits(value) {
				report("not digits alone: " + show(value))
			} else {
				once(f.extensions, value)
			}
		case "email":
			p.Email = value
			if address, err := mail.ParseAddress(value); err != nil || address.Address != value {
				report("not an e-mail address: " + show(value))
			}
		case "groups":
			for name := range strings.SplitSeq(value, ";") {
				name = strings.TrimSpace(name)
				switch {
				case name == "":
					report("a group name is empty: " + show(value))
				case slices.ContainsFunc(p.Groups, func(other string) bool { return Key(other) == Key(name) }):
					report("the same group twice: " + show(value))
				default:
					p.Groups = append(p.Groups, name)
				}
			}
		case "mac":
			if p.MAC = MAC(value); p.MAC == "" {
				report("not six octets such as 10:20:30:1A:2B:3C: " + show(value))
			} else {
				once(f.macs, p.MAC)
			}
		case "mobile":
			p.Mobile = value
			if !digits(strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(strings.TrimPrefix(value, "+"))) {
				report("not a phone number: " + show(value))
			}
		case "pin":
			p.PIN = infinitysip.NewSecret(value)
			if !digits(value) {
				report("not digits alone")
			}
		case "password":
			p.Password = infinitysip.NewSecret(value)
		}
	}
	return p
}

// Writer writes people as Read reads them.
type Writer struct{ csv *csv.Writer }

// NewWriter returns a Writer that has written the names of the columns.
func NewWriter(w io.Writer) *Writer {
	writer := &Writer{csv.NewWriter(w)}
	_ = writer.csv.Write(Columns) // Flush has the error
	return writer
}

// Write writes a row. It leaves the PIN and the password empty: a list of
// people is handed around.
func (w *Writer) Write(p Person) error {
	row := []string{p.User, p.DisplayName, p.Extension, p.Email, strings.Join(p.Groups, ";"), p.MAC, p.Mobile, "", ""}
	for i, value := range row {
		row[i] = Guard(value)
	}
	return w.csv.Write(row)
}

// Flush writes what is still held back.
func (w *Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}

// Guard puts an apostrophe before a cell that a spreadsheet would take for a
// formula.
func Guard(cell string) string {
	if formula(cell) {
		return "'" + cell
	}
	return cell
}

// unguard undoes Guard.
func unguard(cell string) string {
	if rest, guarded := strings.CutPrefix(cell, "'"); guarded && formula(rest) {
		return rest
	}
	return cell
}

// formula reports whether a cell begins as a formula does, or as a guarded one:
// were that not guarded again, Read would take the apostrophe away.
func formula(cell string) bool {
	cell = strings.TrimLeft(cell, "'")
	return cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r")
}

func digits(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// show quotes a value of the file, bounded.
func show(value string) string {
	const most = 40
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return strconv.Quote(value)
}
