package provision

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision/internal/sheet"
)

// WriteCSV writes the users of the state as ReadCSV reads them, with the groups that they
// are in, and the MAC addresses of their devices. It leaves out what CSV has no room for:
// the fields of groups, queues, networks, the names of devices, and devices without a user,
// which a plan with Prune from the file therefore deletes. It leaves the PINs and passwords
// empty, because lists of people are handed around.
//
// WriteCSV returns a CheckError that lists all problems, and writes nothing, if ReadCSV would
// not read the same state:
//
//   - the name of a user or a group would be read as another, such as that of a group with
//     a semicolon in it;
//   - some users have a display name or an extension and others do not;
//   - a user has a first or a last name but no display name, because ReadCSV would make one;
//   - a value has a line break or another control character, or is one that stands for
//     no value in a spreadsheet, such as N/A;
//   - a user has no name.
//
// Blanks around other values are lost. A field that the state clears is left out.
//
// If the state says the groups of some users only, the other users are in no group by this
// file. If the numbers look as if a spreadsheet had dropped zeros, read the file with
// CSVOptions.NumbersAsWritten.
func (s *State) WriteCSV(w io.Writer) error {
	if s == nil {
		return noState()
	}
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
	written := s.columns(told)
	if err := asError(s.notForCSV(written, groups)); err != nil {
		return err
	}

	var file bytes.Buffer
	out := csv.NewWriter(&file)
	header := make([]string, len(written))
	for i, c := range written {
		header[i] = c.name
	}
	_ = out.Write(header) // Flush keeps the error
	row := make([]string, len(written))
	for i := range s.Users {
		u := &s.Users[i]
		for i, c := range written {
			switch c.name {
			case "groups":
				row[i] = sheet.Join(groups[fold(u.User)])
			case "mac":
				row[i] = sheet.Join(devices[fold(u.User)])
			default:
				row[i] = sheet.Guard(strings.TrimSpace(u.text(c.name)))
			}
		}
		_ = out.Write(row)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	_, err := w.Write(file.Bytes())
	return err
}

// columns are those to write, with groups if the state says who is in which.
func (s *State) columns(groups bool) (written []*column) {
	for i := range columns {
		c := &columns[i]
		has := func(u User) bool { return u.text(c.name) != "" }
		write := c.name == "user" || c.always && !c.filled || slices.ContainsFunc(s.Users, has)
		switch c.name {
		case "groups":
			write = groups
		case "mac":
			write = s.Devices != nil
		}
		if write {
			written = append(written, c)
		}
	}
	return written
}

// notForCSV is what ReadCSV would read as something else. groups are those of each user.
func (s *State) notForCSV(written []*column, groups map[string][]string) (problems []Problem) {
	hasNames := slices.ContainsFunc(written, func(c *column) bool { return c.name == "displayName" })
	seen := map[string]bool{} // groups
	for i := range s.Users {
		u := &s.Users[i]
		report := func(field, why string) {
			problems = append(problems, s.userAt(i).problem(field, why))
		}
		if !hasNames && textAt(u.FirstName)+textAt(u.LastName) != "" {
			report("displayName", "there is none, and CSV would make one of the first and the last name")
		}
		for _, c := range written {
			field := c.apiField()
			switch text := u.text(c.name); {
			case c.name == "groups", c.name == "mac":
			case strings.TrimSpace(text) == "" && c.filled:
				report(field, "there is none, and CSV needs one")
			case c.name == "user" && !fitsCSV(text):
				report(field, "CSV loses blanks around a name, and line breaks")
			case strings.ContainsFunc(text, unicode.IsControl):
				report(field, "CSV has no line breaks or other control characters")
			case noValue(sheet.Guard(text)) != "":
				report(field, quote(text)+" stands for no value in CSV")
			}
		}
		for _, name := range groups[fold(u.User)] {
			why := ""
			switch {
			case noValue(sheet.Guard(name)) != "":
				why = "stands for no value in CSV"
			case !fitsCSV(name) || strings.Contains(name, sheet.Separator):
				why = "cannot be in CSV: semicolons separate names there, and blanks around them and line breaks are lost"
			}
			if why != "" && !seen[fold(name)] {
				report("groups", "group "+quote(name)+" "+why)
			}
			seen[fold(name)] = true
		}
	}
	return problems
}

// text is what a column shows of the user.
func (u *User) text(column string) string {
	switch field := u.column(column).(type) {
	case *string:
		return *field
	case **string:
		return textAt(*field)
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

// fitsCSV reports whether ReadCSV would read a name as it is.
func fitsCSV(name string) bool {
	return name == strings.TrimSpace(name) && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// GuardCSV returns cell with an apostrophe before it if a spreadsheet would take it for a
// formula. ReadCSV takes the apostrophe away. It is for programs that write lists of their
// own.
func GuardCSV(cell string) string { return sheet.Guard(cell) }
