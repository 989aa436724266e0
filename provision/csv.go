package provision

import (
	"cmp"
	"errors"
	"fmt"
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

// CSVOptions say how to read a spreadsheet. ReadCSV takes nil for the zero value.
type CSVOptions struct {
	// File is the name of the file in messages. By default it is that of the reader, if
	// the reader has a method Name, as an *os.File does.
	File string

	// Comma separates the cells. By default (0) ReadCSV finds it in the header: a comma,
	// a semicolon, a tab or a bar.
	Comma rune

	// Columns says which column of ReadCSV a header of the file means:
	// {"Staff No": "user", "Office Phone": "extension"}. An empty name ignores the
	// column. It goes before the headers that ReadCSV knows. Headers are compared as
	// ReadCSV does it.
	Columns map[string]string

	// IgnoreUnknown ignores every column that ReadCSV does not know. By default such a
	// column is a problem, because its header may be misspelled.
	IgnoreUnknown bool

	// SkipBad leaves out each row that has a problem, and reads the rest. State.Skipped
	// returns what is wrong with the rows left out, and Prune deletes no user of these
	// rows. Something wrong with the whole file, such as its header, remains a problem. So
	// does what only a Merge with another state shows.
	SkipBad bool

	// Clear is the text of a cell that clears the field on the server, such as "-". By
	// default no text does. An empty cell leaves the field as it is. Only fields that may
	// be empty can be cleared.
	Clear string

	// NumbersAsWritten says that no spreadsheet has dropped a zero from the front of a
	// number: 201 next to 0202 is right.
	NumbersAsWritten bool

	// EmergencyNumbers sets State.EmergencyNumbers.
	EmergencyNumbers bool
}

// ReadCSV reads users, the groups that they are in, and their devices from CSV, as
// spreadsheet programs save it. opts may be nil. The first row names the columns, in any
// order. Only the user column is required.
//
//	column          other headers for it                        cells
//	user            username, login                             such as joe.blogs
//	displayName     full name                                   such as Joe Blogs
//	extension       ext, extn, extension number                 digits
//	email           e-mail, email address, mail
//	groups          group, group names                          names; a semicolon between two
//	mac             MAC address, phone MAC, device MAC address  six octets; a semicolon between two addresses
//	mobile          mobile number, mobile phone, cell           digits, perhaps with a + in front
//	pin             PIN code, hotdesk PIN                       digits; allows hot-desking, unless hotdeskAllowed is no
//	password                                                    taken to the letter
//	firstName       forename, given name
//	lastName        surname, family name
//	jobName         job, job title
//	departmentName  department, dept
//	companyName     company
//	officeName      office
//	ukCallerId      UK caller number
//	usCallerId      US caller number
//	mobileFollow                                                yes or no
//	ukPhoneId                                                   an id of the API
//	usPhoneId                                                   an id of the API
//	hotdeskAllowed  hotdesk, hot-desking                        yes or no
//	dashboard                                                   yes or no
//	problem                                                     ignored: see WriteSkipped
//
// Only the letters and digits of a header count, in any case: "Extension Number" and
// extension_number are the same. [CSVOptions] maps other headers, or ignores them.
//
// # The file
//
//   - It is UTF-8 or UTF-16. A file in another encoding, or an Excel workbook, is a
//     problem: save it as "CSV UTF-8".
//   - Commas, semicolons, tabs or bars separate the cells. A line "sep=;" before the
//     header may say which.
//   - Blank rows, and columns without a header and without values, are ignored. Cells
//     that are missing at the end of a row are empty.
//   - Titles above the header are a problem.
//
// # Cells
//
//   - ReadCSV removes blanks around a value, and what makes a spreadsheet take digits for
//     text: ="0201" and '0201 are 0201.
//   - An empty cell leaves the field on the server as it is. CSVOptions.Clear clears it.
//     NULL, n/a, #N/A, - and the like are a problem.
//   - There are two exceptions, but nothing is removed without PlanOptions.Prune. An
//     empty cell in the groups column means that the user is in no group, unless the row
//     ends before that cell. And the mac column names all devices of the domain: a device
//     that no row names is not wanted.
//   - The cells of user, displayName and extension must not be empty. But if there is a
//     first or a last name, ReadCSV makes a missing display name of them.
//   - A flag is yes or no, y or n, true or false, t or f, on or off, 1 or 0.
//   - Spreadsheets drop zeros from the front of numbers. So it is a problem if a column
//     of extensions, PINs or mobile numbers has longer ones that all begin with 0, and
//     shorter ones that do not. CSVOptions.NumbersAsWritten says that they are right.
//   - ReadCSV puts letters into Unicode's composed form (NFC), except in a password. A
//     password that is only blanks is empty.
//
// The PIN and the password are for new users. For users who are there already, a plan
// ignores them, unless PlanOptions.SetSecrets is set. Without it, their PIN does not allow
// hot-desking either.
//
// CSV has no room for groups, queues and networks. Merge the state with one that has them.
//
// A spreadsheet takes a cell that begins with =, +, - or @ for a formula. At best it makes
// a number of +447700900123, at worst it runs what somebody put into a display name. So
// WriteCSV puts an apostrophe before such a cell, and before such a text after a semicolon,
// as spreadsheets do to mark text. ReadCSV takes it away again.
//
// ReadCSV returns only the errors of r. State.Check reports what is wrong with the file, by
// line and column. No message shows a password or a PIN.
func ReadCSV(r io.Reader, opts *CSVOptions) (*State, error) {
	if r == nil {
		return nil, errors.New("provision: the reader of the CSV is nil")
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	f := &csvReader{state: &State{Users: []User{}}, rows: map[int]sheet.Row{}, bad: map[int][]Problem{}}
	if opts != nil {
		f.opts = *opts
	}
	f.state.EmergencyNumbers = f.opts.EmergencyNumbers
	f.from = &source{file: cmp.Or(f.opts.File, nameOf(r)), sheet: true, asWritten: f.opts.NumbersAsWritten, headers: map[string]string{}}
	f.read(data)
	return f.state, nil
}

// nameOf is the name of the file that a reader reads; "" if it has none.
func nameOf(r io.Reader) string {
	if file, ok := r.(interface{ Name() string }); ok {
		return file.Name()
	}
	return ""
}

type csvReader struct {
	opts    CSVOptions
	mapped  map[string]string // opts.Columns by headerKey
	state   *State
	from    *source
	table   *sheet.Table
	columns []*column // of the header; nil: ignored
	names   []string  // of the header
	skipped []int     // the columns that WriteSkipped writes
	secrets bool      // there is a column of passwords or PINs

	rows map[int]sheet.Row // by line; kept with SkipBad alone, as is bad
	bad  map[int][]Problem
}

// wrong reports what is wrong with the file.
func (f *csvReader) wrong(line int, column, text string) {
	f.state.problems = append(f.state.problems, Problem{File: f.from.file, Line: line, Column: column, Text: text})
}

// wrongRow reports what is wrong with a row.
func (f *csvReader) wrongRow(row origin, line int, column, text string) {
	problem := Problem{File: f.from.file, Line: line, Column: column, Text: row.shown(text)}
	if f.opts.SkipBad {
		f.bad[row.line] = append(f.bad[row.line], problem)
	} else {
		f.state.problems = append(f.state.problems, problem)
	}
}

const quotes = `a quotation mark too many or too few: a value with one in it is written "like ""this"""`

// headerRows is how many rows are searched for the header.
const headerRows = 10

func (f *csvReader) read(data []byte) {
	const mend = `this is %s: save it as CSV UTF-8`
	if what := sheet.File(data); what != "" {
		f.wrong(0, "", fmt.Sprintf(mend, what))
		return
	}
	text := sheet.Text(data)
	switch what := sheet.Markup(text); what {
	case "":
	case sheet.JSON:
		f.wrong(0, "", "this is JSON: read it as JSON, not as CSV")
		return
	default:
		f.wrong(0, "", fmt.Sprintf(mend, what))
		return
	}
	f.mapped = make(map[string]string, len(f.opts.Columns))
	for _, header := range slices.Sorted(maps.Keys(f.opts.Columns)) {
		name := f.opts.Columns[header]
		if name != "" && columnNamed()[headerKey(name)] == nil {
			f.wrong(0, "", fmt.Sprintf("the header %s is to mean the column %s, which is not known; the known columns are %s", quote(header), quote(name), columnList()))
		}
		if other, ok := f.mapped[headerKey(header)]; ok && headerKey(other) != headerKey(name) {
			f.wrong(0, "", fmt.Sprintf("the header %s is to mean two columns: %s and %s", quote(header), quote(other), quote(name)))
			return
		}
		f.mapped[headerKey(header)] = name
	}
	table, err := sheet.Read(text, f.opts.Comma, func(cell string) bool { _, known := f.columnOf(cell); return known })
	if err != nil {
		f.wrong(0, "", err.Error())
		return
	}
	f.table = table
	header, ok := f.findHeader()
	if !ok {
		return
	}
	f.readHeader(header)
	for row := range table.Rows() {
		if row.Line <= header.Line {
			continue
		}
		if f.opts.SkipBad {
			f.rows[row.Line] = row
		}
		f.readRow(row)
	}
	f.lostZeros()
	if f.opts.SkipBad {
		f.skipBad()
	}
}

// columnOf is the column that a header means, nil for one that is ignored. It reports
// whether the header is known.
func (f *csvReader) columnOf(header string) (*column, bool) {
	key := headerKey(sheet.Value(header))
	if name, ok := f.mapped[key]; ok {
		return columnNamed()[headerKey(name)], true
	}
	c, ok := columnNamed()[key]
	return c, ok || key == problemColumn
}

// isHeader reports whether a row names columns, user among them, rather than a person
// called user, whose values no message may show.
func (f *csvReader) isHeader(row sheet.Row) bool {
	known, named, user := f.count(row)
	person := slices.ContainsFunc(row.Cells, ofPerson)
	return user && (known > named/2 || known > 1 && (f.opts.IgnoreUnknown || !person))
}

// ofPerson reports whether a cell has a number or an address of a person.
func ofPerson(cell string) bool {
	return strings.Contains(cell, "@") || allDigits(strings.Trim(sheet.Value(cell), "+"))
}

func (f *csvReader) count(row sheet.Row) (known, named int, user bool) {
	for _, cell := range row.Cells {
		if strings.TrimSpace(cell) == "" {
			continue
		}
		named++
		if c, ok := f.columnOf(cell); ok {
			known++
			user = user || c != nil && c.name == "user"
		}
	}
	return known, named, user
}

// findHeader finds the row that names the columns, and reports what is wrong with where
// it is.
func (f *csvReader) findHeader() (sheet.Row, bool) {
	var top []sheet.Row
	for row := range f.table.Rows() {
		if top = append(top, row); len(top) == headerRows {
			break
		}
	}
	if len(top) == 0 {
		f.wrong(1, "", "the file is empty: its first row must name the columns")
		return sheet.Row{}, false
	}
	i := slices.IndexFunc(top, func(row sheet.Row) bool {
		return f.isHeader(row) && (row.Line == top[0].Line || !slices.ContainsFunc(row.Cells, ofPerson))
	})
	known, named, user := f.count(top[0])
	switch {
	case i == 0:
	case i > 0:
		f.wrong(top[0].Line, "", fmt.Sprintf("this is not the header, which is in line %d: delete what is above it", top[i].Line))
	case top[0].Broken:
		f.wrong(top[0].Line, "", quotes)
	case known == named: // which is a header, without a user
		return top[0], true
	case !utf8.ValidString(strings.Join(top[0].Cells, "")) && user:
		f.wrong(top[0].Line, "", notUTF8)
	default: // it may be a person, whose password is not to be shown
		f.wrong(top[0].Line, "", fmt.Sprintf("the first row must name the columns, user among them (known: %d of %d); the known columns are %s", known, named, columnList()))
	}
	if i < 0 {
		return sheet.Row{}, false
	}
	return top[i], true
}

const notUTF8 = "not UTF-8: save the file as CSV UTF-8"

func (f *csvReader) readHeader(row sheet.Row) {
	f.columns, f.names = make([]*column, len(row.Cells)), make([]string, len(row.Cells))
	listed := false
	there := map[string]bool{}
	for _, cell := range row.Cells {
		if c, _ := f.columnOf(cell); c != nil {
			there[c.name] = true
		}
	}
	for i, cell := range row.Cells {
		name := strings.Join(strings.FieldsFunc(sheet.Value(cell), func(r rune) bool { return r == ' ' || unicode.IsControl(r) }), " ")
		f.names[i] = name
		c, known := f.columnOf(cell)
		switch {
		case name == "", known && c == nil, !known && f.opts.IgnoreUnknown:
		case !utf8.ValidString(name):
			f.wrong(row.LineOf(i), quote(name), notUTF8)
		case !known:
			text, meant := unknownColumn(name, there)
			if meant == "" && !listed { // once is enough
				text += "; the known columns are " + columnList()
				listed = true
			}
			f.wrong(row.LineOf(i), quote(name), text)
		case f.from.headers[c.name] != "":
			f.wrong(row.LineOf(i), name, fmt.Sprintf("this column is there twice: %s means %s too", quote(f.from.headers[c.name]), c.name))
		default:
			f.columns[i] = c
			f.from.headers[c.name] = name
			f.skipped = append(f.skipped, i)
			f.secrets = f.secrets || c.secret
		}
	}
	for _, header := range slices.Sorted(maps.Keys(f.opts.Columns)) {
		c := columnNamed()[headerKey(f.opts.Columns[header])]
		if c != nil && !f.has(c.name) {
			f.wrong(row.Line, "", fmt.Sprintf("the header %s is to mean the column %s, but the file has no such header", quote(header), c.name))
		}
	}
	if !f.has("user") {
		f.wrong(row.Line, "user", "this column is missing")
	}
	if f.has("mac") {
		f.state.Devices = []Device{}
	}
}

// has reports whether the file has a column.
func (f *csvReader) has(column string) bool { return f.from.headers[column] != "" }

// isClear reports whether a cell is CSVOptions.Clear.
func (f *csvReader) isClear(cell string) bool {
	is := strings.TrimSpace(f.opts.Clear)
	return is != "" && strings.EqualFold(strings.TrimSpace(cell), is)
}

func (f *csvReader) readRow(row sheet.Row) {
	at := origin{from: f.from, line: row.Line}
	if row.Broken {
		f.wrongRow(at, row.Line, "", quotes)
		return
	}
	if n := len(row.Cells); n > len(f.columns) {
		// Its values may stand in the wrong columns: they tell nothing.
		f.wrongRow(at, row.Line, "", fmt.Sprintf("%s, but the header names %s: is a value with a delimiter in it not in quotation marks?", count(n, "value"), count(len(f.columns), "column")))
		return
	}
	if f.isHeaderAgain(row) {
		f.wrongRow(at, row.Line, "", "this is the header again: delete this row")
		return
	}
	at.torn = f.torn(row.Cells)
	u := User{origin: at}
	var macs []string
	var unmade []int // columns to tell of as missing
	for i, c := range f.columns {
		cell, line := "", row.Line
		if i < len(row.Cells) {
			cell, line = row.Cells[i], row.LineOf(i)
		}
		report := func(text string) { f.wrongRow(at, line, f.names[i], text) }
		if c == nil {
			switch {
			case f.names[i] == "" && strings.TrimSpace(cell) != "":
				f.wrongRow(at, line, letterOf(i), "there is a value, but the header does not name the column")
			case i < len(row.Cells) && f.swallows(row, i):
				report(fmt.Sprintf("a value over %d lines that looks like rows: is there a quotation mark too many?", 1+strings.Count(cell, "\n")))
			}
			continue
		}
		value, wrong := textOf(c, cell)
		switch {
		case f.isClear(cell):
			if wrong := u.clear(c.name); wrong != "" {
				report(wrong)
			}
		case wrong != "":
			report(wrong)
		case c.name == "groups" && i >= len(row.Cells): // the row ends before: it says nothing
		case c.name == "groups":
			u.Groups = append([]string{}, elements(value)...)
			for _, group := range asWritten(value) {
				if none := noValue(group); none != "" {
					report(none)
				} else if formulaSaved(group) {
					report(formulaText)
				}
			}
		case value == "" && c.filled:
			unmade = append(unmade, i)
		case value == "":
		case c.name == "mac":
			for _, mac := range elements(value) {
				if wrong := wrongMAC(mac); wrong != "" {
					report(wrong)
				} else {
					macs = append(macs, readMAC(mac))
				}
			}
		default:
			if wrong := u.setText(c.name, value); wrong != "" {
				report(wrong)
			}
		}
	}
	if u.DisplayName == "" {
		u.DisplayName = strings.TrimSpace(textAt(u.FirstName) + " " + textAt(u.LastName))
	}
	for _, i := range unmade {
		if f.columns[i].name != "displayName" || u.DisplayName == "" {
			f.wrongRow(at, row.Line, f.names[i], "missing")
		}
	}
	if u.User == "" {
		return // it has been told, and nothing can be hung on it
	}
	for _, mac := range macs {
		f.state.Devices = append(f.state.Devices, Device{MACAddress: mac, Owner: new(u.User), origin: u.origin})
	}
	if !u.PIN.IsZero() && u.HotdeskAllowed == nil {
		u.HotdeskAllowed, u.hotdeskWithPIN = new(true), true // what the PIN is for
	}
	f.state.Users = append(f.state.Users, u)
}

// isHeaderAgain reports whether a row names the columns, as each page of some reports does.
func (f *csvReader) isHeaderAgain(row sheet.Row) bool {
	for i, name := range f.names {
		if i >= len(row.Cells) || headerKey(sheet.Value(row.Cells[i])) != headerKey(name) {
			return false
		}
	}
	return len(f.names) > 1
}

// swallows reports whether a cell over several lines ends like a row, as it does where a
// quotation mark too many is in this row, and the next one some rows on.
func (f *csvReader) swallows(row sheet.Row, i int) bool {
	lines := strings.Split(row.Cells[i], "\n")
	last := strings.Split(lines[len(lines)-1], string(f.table.Comma))
	if len(lines) == 1 || len(last) <= i {
		return false
	}
	last = append(last, row.Cells[i+1:]...)
	forms, values := 0, 0
	for i, c := range f.columns {
		value := ""
		if i < len(last) {
			value = strings.TrimSpace(last[i])
		}
		if c != nil && c.name == "user" && value == "" || !formed(c, value) {
			return false
		}
		if hasForm(c) {
			forms++
			if value != "" {
				values++
			}
		}
	}
	return values > 0 || forms == 0
}

func textAt(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// textOf is the text of a cell, and what is wrong with it. That of a list is still to be
// split.
func textOf(c *column, cell string) (value, wrong string) {
	if strings.TrimSpace(cell) == "" {
		return "", ""
	}
	switch c.name {
	case "password":
		value = cell
	case "groups", "mac":
		value = strings.TrimSpace(composed(cell))
	case "displayName", "firstName", "lastName":
		value = strings.Map(func(r rune) rune { // web pages and phones have blanks of many kinds
			if r >= utf8.RuneSelf && unicode.Is(unicode.Zs, r) {
				return ' '
			}
			return r
		}, sheet.Value(composed(cell)))
	default:
		value = sheet.Value(composed(cell))
	}
	switch {
	case c.name == "password" && (spoiled(strings.TrimSpace(cell)) || sheet.Value(cell) != strings.TrimSpace(cell) && strings.HasPrefix(strings.TrimSpace(cell), `="`)):
		return "", "a spreadsheet has made something else of this password: format the column as text, and enter it again"
	case c.name == "user" && spoiled(value):
		return "", spoiledBy + quote(value)
	case c.name != "password" && c.name != "groups" && c.name != "mac" && formulaSaved(cell):
		return "", formulaText
	case noValue(cell) != "":
		return "", noValue(cell)
	case !utf8.ValidString(cell) && c.secret:
		return "", notUTF8
	case !utf8.ValidString(cell):
		return "", notUTF8 + ": " + quote(cell)
	case strings.ContainsFunc(value, unicode.IsControl) && (c.name == "groups" || c.name == "mac"):
		return "", "holds a line break or another control character: put a semicolon between two"
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", "holds a line break or another control character"
	}
	return value, ""
}

const formulaText = "this is a formula, not what it shows: save the values"

// formulaSaved reports whether a cell holds a formula, and not but a text in one.
func formulaSaved(cell string) bool {
	cell = strings.TrimSpace(cell)
	return strings.HasPrefix(cell, "=") && strings.HasPrefix(sheet.Value(cell), "=")
}

// asWritten are the elements of a cell that is a list, with the apostrophes that say that
// they are meant.
func asWritten(cell string) []string {
	if strings.HasPrefix(cell, `="`) {
		return sheet.Elements(cell)
	}
	return strings.Split(cell, sheet.Separator)
}

// elements are the elements of a cell that is a list. A semicolon at its end is none too
// many.
func elements(cell string) []string {
	all := sheet.Elements(cell)
	for len(all) > 0 && all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return all
}

// wrongMAC tells what is wrong with a MAC address, as far as Check cannot tell it.
func wrongMAC(mac string) string {
	switch none := noValue(mac); {
	case wire.MAC(mac) != "":
		return ""
	case none != "":
		return none
	case mac == "":
		return "there is nothing between two semicolons"
	case spoiled(mac):
		return spoiledBy + quote(mac)
	}
	several := strings.FieldsFunc(mac, func(r rune) bool { return strings.ContainsRune(" ,|/", r) })
	if len(several) > 1 && !slices.ContainsFunc(several, func(one string) bool { return wire.MAC(readMAC(one)) == "" }) {
		return "several MAC addresses: put a semicolon between two: " + quote(mac)
	}
	return ""
}

// readMAC reads a MAC address as people write it: with any marks between its octets,
// with octets that lack a zero in front, or with one mark in the middle. What is none is
// returned as it is.
func readMAC(text string) string {
	if wire.MAC(text) != "" {
		return text
	}
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(":-.– ", r) })
	if len(parts) == 6 {
		for i, part := range parts {
			if len(part) == 1 {
				parts[i] = "0" + part
			}
		}
	}
	for _, part := range parts {
		if len(part) != len(parts[0]) {
			return text
		}
	}
	digits := strings.Join(parts, "")
	if len(digits) != 12 {
		return text
	}
	return cmp.Or(wire.MAC(digits[:4]+"."+digits[4:8]+"."+digits[8:]), text)
}

var scientific = lazily(`^[+-]?\d([.,]\d+)?[eE]\+?\d+$`)

// spoiled reports whether a spreadsheet has made a rounded number of digits: 7.7E+09.
func spoiled(text string) bool { return scientific().MatchString(text) }

const spoiledBy = "a spreadsheet has rounded this number: format the column as text, and enter it again: "

// setText sets a field from the text of a column, and tells what is wrong with
// it.
func (u *User) setText(column, text string) string {
	switch field := u.column(column).(type) {
	case *string:
		if *field = text; column == "extension" && spoiled(text) {
			*field = ""
			return spoiledBy + quote(text)
		}
	case **string:
		if column == "mobile" && spoiled(text) {
			return spoiledBy + quote(text)
		}
		*field = new(text)
	case *infinitysip.Secret:
		switch {
		case text == redacted:
			return "this is what a secret is printed as, not the secret"
		case column == "pin" && spoiled(text):
			return strings.TrimSuffix(spoiledBy, ": ")
		}
		*field = infinitysip.NewSecret(text)
	case **bool:
		switch strings.ToLower(text) {
		case "1", "true", "t", "yes", "y", "on":
			*field = new(true)
		case "0", "false", "f", "no", "n", "off":
			*field = new(false)
		default:
			return "neither yes nor no: " + quote(text)
		}
	case *infinitysip.PhoneID:
		id, err := infinitysip.ParseID[infinitysip.PhoneID](text)
		if err != nil {
			return "not an id: " + quote(text)
		}
		*field = id
	}
	return ""
}

// clear says that a field is to be empty, or tells why it cannot be.
func (u *User) clear(column string) string {
	switch column {
	case "groups":
		u.Groups = []string{}
		return ""
	case "mac":
		return ""
	}
	if field, ok := u.column(column).(**string); ok {
		*field = new("")
		return ""
	}
	return "this cannot be cleared"
}

// lostZeros reports numbers from which a spreadsheet seems to have dropped a zero.
func (f *csvReader) lostZeros() {
	if f.opts.NumbersAsWritten {
		return
	}
	for _, column := range []string{"extension", "pin", "mobile"} {
		zeros := map[int]bool{} // by length: whether all numbers so long begin with 0
		for i := range f.state.Users {
			if digits := strings.ReplaceAll(f.state.Users[i].number(column), " ", ""); allDigits(digits) {
				all, ok := zeros[len(digits)]
				zeros[len(digits)] = digits[0] == '0' && (all || !ok)
			}
		}
		for i := range f.state.Users {
			u := &f.state.Users[i]
			digits := u.number(column)
			if !allDigits(digits) || digits[0] == '0' {
				continue
			}
			longer := 0 // the length of those that begin with 0
			for n, all := range zeros {
				if all && n > len(digits) && (longer == 0 || n < longer) {
					longer = n
				}
			}
			if longer > 0 {
				text := fmt.Sprintf("a spreadsheet may have dropped a zero from the front: others of this column have %d digits and begin with 0; format the column as text, or say that the numbers are as written", longer)
				if column != "pin" {
					text += ": " + quote(digits)
				}
				f.wrongRow(u.origin, u.line, f.from.header(column), text)
			}
		}
	}
}

func (u *User) number(column string) string {
	switch column {
	case "pin":
		return u.PIN.Reveal()
	case "mobile":
		return textAt(u.MobileNumber)
	}
	return u.ExtensionNumber
}

func allDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }
