package provision

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
)

// The columns of a CSV file, as WriteCSV orders them. Those that come first
// are always written, those after them where somebody has such a value.
var (
	csvColumns      = []string{"user", "displayName", "extension", "email", "groups", "mac", "mobile", "pin", "password"}
	csvMoreColumns  = []string{"firstName", "lastName", "jobName", "departmentName", "companyName", "officeName", "ukCallerId", "usCallerId", "mobileFollow", "ukPhoneId", "usPhoneId", "hotdeskAllowed", "dashboard"}
	csvAllColumns   = slices.Concat(csvColumns, csvMoreColumns)
	csvNeverEmpty   = []string{"user", "displayName", "extension"}
	csvOwnSpellings = map[string]string{"extensionNumber": "extension", "mobileNumber": "mobile", "deviceMacAddress": "mac"}
)

// columnOf is what a CSV file calls a field.
func columnOf(field string) string {
	if column, ok := csvOwnSpellings[field]; ok {
		return column
	}
	return field
}

// ReadCSV reads people from CSV, as a staff list has them: users, the groups
// they are in, and their devices. The first row names the columns, in any
// order; all but user may be missing:
//
//	user         user name, such as joe.blogs
//	displayName  such as Joe Blogs
//	extension    digits
//	email
//	groups       names with a semicolon between them
//	mac          of the desk phone, such as 10:20:30:1A:2B:3C; several have semicolons between them
//	mobile       digits, with a + in front if need be
//	pin          digits, for hot-desking, which it allows where no column says otherwise
//	password
//
// and firstName, lastName, jobName, departmentName, companyName, officeName,
// ukCallerId, usCallerId, mobileFollow, ukPhoneId, usPhoneId, hotdeskAllowed
// and dashboard, as the API has them. A flag is 1 or 0, true or false, yes or
// no.
//
// The PIN and the password are for new users: for one who is there already see
// PlanOptions.SetSecrets, without which a PIN allows no hot-desking either.
//
// An empty cell is not mentioned, but in the column groups: who has an empty
// cell there is in no group. Where there is a column mac, it names all devices
// that there are to be. (But nothing is taken away without PlanOptions.Prune.)
// The columns user, displayName and extension, where they are there, have no
// empty cells. Spaces around a value are taken away.
//
// CSV cannot clear a field: use JSON for that. It has no room for groups,
// queues and networks either: Merge puts them together with a state that does.
//
// A spreadsheet takes a cell that begins with =, +, - or @ for a formula: at
// best it makes a number of +447700900123, at worst it runs what somebody put
// into a display name. So WriteCSV puts an apostrophe before such a cell, as
// spreadsheets themselves do to mark text, and ReadCSV takes it away again.
// Only the password is taken to the letter.
//
// The error is one of reading. What is wrong with the file is told by Check,
// by line and column.
func ReadCSV(r io.Reader) (*State, error) {
	in := bufio.NewReader(r)
	if bom, _ := in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3)
	}
	f := &csvReader{csv: csv.NewReader(in), state: &State{Users: []User{}}}
	f.csv.FieldsPerRecord = -1 // counted here, to tell of every row
	for {
		record, err := f.csv.Read()
		switch wrong, ok := errors.AsType[*csv.ParseError](err); {
		case err == io.EOF:
			if f.header == nil && len(f.state.problems) == 0 {
				f.report(1, "", "the file is empty: its first row must name the columns")
			}
			return f.state, nil
		case ok:
			f.report(wrong.StartLine, "", `a quotation mark too many or too few: a value with one in it is written "like ""this"""`)
			if f.header == nil { // what follows cannot be told apart
				return f.state, nil
			}
			continue
		case err != nil:
			return nil, err
		}
		line, _ := f.csv.FieldPos(0)
		switch {
		case !slices.ContainsFunc(record, func(value string) bool { return strings.TrimSpace(value) != "" }):
			// A blank line, or one of commas alone, as spreadsheets leave behind.
		case f.header == nil:
			f.readHeader(line, record)
		case len(record) != len(f.header):
			// Its values may stand in the wrong columns: they tell nothing.
			f.report(line, "", fmt.Sprintf("%s, but the first row names %s", count(len(record), "value"), count(len(f.header), "column")))
		default:
			f.readPerson(line, record)
		}
	}
}

type csvReader struct {
	csv    *csv.Reader
	header []string // the columns by their true names; empty: unknown
	state  *State
}

func (f *csvReader) report(line int, column, text string) {
	f.state.problems = append(f.state.problems, Problem{Line: line, Column: column, Text: text})
}

func (f *csvReader) readHeader(line int, names []string) {
	f.header = make([]string, len(names))
	if len(names) == 1 && strings.ContainsAny(names[0], ";\t\r") {
		f.report(line, "", "this is one column: separate columns with commas, and lines with line feeds")
		return
	}
	columns, n := make([]string, len(names)), 0 // n are known
	for i, name := range names {
		if columns[i] = knownColumn(name); columns[i] != "" {
			n++
		}
	}
	known := "those known are " + strings.Join(csvAllColumns, ", ")
	if n < len(names) && (n <= len(names)/2 || !slices.Contains(columns, "user")) {
		// It may be a person, whose password is not to be shown.
		f.report(line, "", fmt.Sprintf("the first row must name the columns, in UTF-8, user among them (known: %d of %d); %s", n, len(names), known))
		return
	}
	for i, name := range names {
		switch column := columns[i]; {
		case column == "" && known != "":
			f.report(line, quote(name), "unknown column: "+known)
			known = "" // once is enough
		case column == "":
			f.report(line, quote(name), "unknown column")
		case slices.Contains(f.header, column):
			f.report(line, column, "this column is there twice")
		default:
			f.header[i] = column
		}
	}
	if !slices.Contains(f.header, "user") {
		f.report(line, "user", "this column is missing")
	}
	if slices.Contains(f.header, "mac") {
		f.state.Devices = []Device{}
	}
}

// knownColumn is the column that a header names; "" if it is none.
func knownColumn(name string) string {
	name = strings.TrimSpace(name)
	for field, column := range csvOwnSpellings {
		if strings.EqualFold(name, field) {
			return column
		}
	}
	for _, column := range csvAllColumns {
		if strings.EqualFold(name, column) {
			return column
		}
	}
	return ""
}

func (f *csvReader) readPerson(line int, record []string) {
	u := User{line: line}
	var macs []string
	for i, value := range record {
		column := f.header[i]
		at, _ := f.csv.FieldPos(i)
		report := func(text string) { f.report(at, column, text) }
		switch {
		case column == "":
			continue
		case !utf8.ValidString(value):
			report("not UTF-8: save the file as UTF-8")
			continue
		case strings.ContainsFunc(value, unicode.IsControl):
			report("holds a line break or another control character")
			continue
		}
		if column != "password" {
			value = unguard(strings.TrimSpace(value))
		}
		switch {
		case column == "groups":
			u.Groups = append([]string{}, list(value)...)
		case value == "" && slices.Contains(csvNeverEmpty, column):
			report("missing")
		case value == "":
		case column == "mac":
			macs = list(value)
		default:
			if wrong := u.setText(column, value); wrong != "" {
				report(wrong)
			}
		}
	}
	if u.User == "" {
		return // it has been told, and nothing can be hung on it
	}
	for _, mac := range macs {
		f.state.Devices = append(f.state.Devices, Device{MACAddress: mac, Owner: new(u.User), line: line})
	}
	if !u.PIN.IsZero() && u.HotdeskAllowed == nil {
		u.HotdeskAllowed, u.hotdeskWithPIN = new(true), true // what the PIN is for
	}
	f.state.Users = append(f.state.Users, u)
}

// list reads what stands between semicolons.
func list(value string) []string {
	if value == "" {
		return nil
	}
	names := strings.Split(value, ";")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	return names
}

// csvFields are the fields of a user that the columns have.
var csvFields = fieldsByColumn()

func fieldsByColumn() map[string]int {
	all := map[string]int{}
	for field := range reflect.TypeFor[User]().Fields() {
		all[columnOf(jsonName(field))] = field.Index[0]
	}
	return all
}

// column returns a pointer to the field of the user that a column has.
func (u *User) column(name string) any {
	return reflect.ValueOf(u).Elem().Field(csvFields[name]).Addr().Interface()
}

// setText sets a field from the text of a column, and tells what is wrong with
// it.
func (u *User) setText(column, text string) string {
	switch field := u.column(column).(type) {
	case *string:
		*field = text
	case **string:
		*field = new(text)
	case *infinitysip.Secret:
		if text == redacted {
			return "this is what a secret is printed as, not the secret"
		}
		*field = infinitysip.NewSecret(text)
	case **bool:
		switch strings.ToLower(text) {
		case "1", "true", "yes":
			*field = new(true)
		case "0", "false", "no":
			*field = new(false)
		default:
			return "neither 1 nor 0: " + quote(text)
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

// text is what a column shows of the user.
func (u *User) text(column string) string {
	switch field := u.column(column).(type) {
	case *string:
		return *field
	case **string:
		if *field != nil {
			return **field
		}
	case **bool:
		switch {
		case *field == nil:
		case **field:
			return "1"
		default:
			return "0"
		}
	case *infinitysip.PhoneID:
		if *field != 0 {
			return strconv.FormatInt(int64(*field), 10)
		}
	}
	return "" // a secret too
}

// WriteCSV writes the people of the state as ReadCSV reads them: users, the
// groups they are in, and the addresses of their devices. It leaves out what
// CSV has no room for: what groups are, queues, networks, the names of devices,
// and devices of nobody (which a plan with Prune therefore deletes). The PINs and
// passwords are left empty: a list of people is handed around.
//
// A name of a user or a group that ReadCSV would not read as it is, such as that
// of a group with a semicolon in it, is an error, before anything is written; so
// is a display name or an extension that some users have and others do not,
// since ReadCSV takes that for an oversight. Of other values the spaces around
// them are lost.
//
// Where the state says of some who is in which group, the rest are in none by
// this file.
func (s *State) WriteCSV(w io.Writer) error {
	groups, devices := map[string][]string{}, map[string][]string{}
	told := false // whether the state says who is in which group
	for _, u := range s.Users {
		groups[fold(u.User)] = slices.Clone(u.Groups)
		told = told || u.Groups != nil
	}
	for _, g := range s.Groups {
		told = told || g.Members != nil
		for _, user := range g.Members {
			if in := groups[fold(user)]; !slices.ContainsFunc(in, func(name string) bool { return fold(name) == fold(g.Name) }) {
				groups[fold(user)] = append(in, g.Name)
			}
		}
	}
	for _, d := range s.Devices {
		if d.Owner != nil {
			devices[fold(*d.Owner)] = append(devices[fold(*d.Owner)], d.MACAddress)
		}
	}
	columns := slices.DeleteFunc(slices.Clone(csvAllColumns), func(column string) bool {
		switch {
		case column == "groups":
			return !told
		case column == "mac":
			return s.Devices == nil
		case slices.Contains(csvMoreColumns, column), slices.Contains(csvNeverEmpty, column) && column != "user":
			return !slices.ContainsFunc(s.Users, func(u User) bool { return u.text(column) != "" })
		}
		return false
	})
	for _, column := range csvNeverEmpty {
		if i := slices.IndexFunc(s.Users, func(u User) bool { return u.text(column) == "" }); i >= 0 && slices.Contains(columns, column) {
			return fmt.Errorf("provision: user %s cannot be written as CSV: it has no %s", quote(s.Users[i].User), column)
		}
	}
	for _, u := range s.Users {
		if !fitsCSV(u.User) {
			return fmt.Errorf("provision: user %s cannot be written as CSV: spaces around a name and line breaks are lost there", quote(u.User))
		}
		for _, name := range groups[fold(u.User)] {
			if !fitsCSV(name) || strings.Contains(name, ";") {
				return fmt.Errorf("provision: group %s cannot be written as CSV: semicolons separate names there, and spaces around a name and line breaks are lost", quote(name))
			}
		}
	}

	out := csv.NewWriter(w)
	_ = out.Write(columns) // Flush keeps the error
	for i := range s.Users {
		u := &s.Users[i]
		row := make([]string, len(columns))
		for i, column := range columns {
			switch column {
			case "groups":
				row[i] = strings.Join(groups[fold(u.User)], ";")
			case "mac":
				row[i] = strings.Join(devices[fold(u.User)], ";")
			default:
				row[i] = u.text(column)
			}
			row[i] = GuardCSV(row[i])
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// fitsCSV reports whether ReadCSV would read a name as it is.
func fitsCSV(name string) bool {
	return name == strings.TrimSpace(name) && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// GuardCSV puts an apostrophe before a cell that a spreadsheet would take for a
// formula; ReadCSV takes it away. It is for programs that write lists of their
// own.
func GuardCSV(cell string) string {
	if formula(cell) {
		return "'" + cell
	}
	return cell
}

// unguard undoes GuardCSV.
func unguard(cell string) string {
	if rest, guarded := strings.CutPrefix(cell, "'"); guarded && formula(rest) {
		return rest
	}
	return cell
}

// formula reports whether a cell begins as a formula does, or as a guarded one:
// were that not guarded again, ReadCSV would take the apostrophe away.
func formula(cell string) bool {
	cell = strings.TrimLeft(cell, "'")
	return cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r")
}

func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}
