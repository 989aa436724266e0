package provision

import (
	"bytes"
	"encoding/csv"
	"fmt"
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
// WriteCSV returns an error, and writes nothing, if ReadCSV would not read the same state:
//
//   - the name of a user or a group would be read as another, such as that of a group with
//     a semicolon in it;
//   - some users have a display name or an extension and others do not;
//   - a user has a first or a last name but no display name, because ReadCSV would make one;
//   - a value has a line break.
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
	written, err := s.columns(told)
	if err != nil {
		return err
	}
	for _, u := range s.Users {
		if !fitsCSV(u.User) {
			return fmt.Errorf("provision: user %s cannot be written as CSV: blanks around a name and line breaks are lost there", quote(u.User))
		}
		for _, name := range groups[fold(u.User)] {
			if noValue(sheet.Guard(name)) != "" {
				return fmt.Errorf("provision: group %s cannot be written as CSV: that stands for no value there", quote(name))
			}
			if !fitsCSV(name) || strings.Contains(name, sheet.Separator) {
				return fmt.Errorf("provision: group %s cannot be written as CSV: semicolons separate names there, and blanks around a name and line breaks are lost", quote(name))
			}
		}
	}

	for i := range s.Users {
		for _, c := range written {
			if u := &s.Users[i]; c.name != "groups" && c.name != "mac" && strings.ContainsFunc(u.text(c.name), unicode.IsControl) {
				return fmt.Errorf("provision: user %s cannot be written as CSV: its %s holds a line break or another control character", quote(u.User), c.name)
			} else if c.name != "groups" && c.name != "mac" && noValue(sheet.Guard(u.text(c.name))) != "" {
				return fmt.Errorf("provision: user %s cannot be written as CSV: its %s is %s, which stands for no value there", quote(u.User), c.name, quote(u.text(c.name)))
			}
		}
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
	_, err = w.Write(file.Bytes())
	return err
}

// columns are those to write, with groups if the state says who is in which.
func (s *State) columns(groups bool) ([]*column, error) {
	var written []*column
	for i := range columns {
		c := &columns[i]
		has := func(u User) bool { return u.text(c.name) != "" }
		switch {
		case c.name == "groups":
			if groups {
				written = append(written, c)
			}
			continue
		case c.name == "mac":
			if s.Devices != nil {
				written = append(written, c)
			}
			continue
		case c.name != "user" && (c.filled || !c.always) && !slices.ContainsFunc(s.Users, has):
			continue
		}
		written = append(written, c)
		if without := slices.IndexFunc(s.Users, func(u User) bool { return !has(u) }); c.filled && without >= 0 {
			return nil, fmt.Errorf("provision: user %s cannot be written as CSV: it has no %s", quote(s.Users[without].User), c.name)
		}
	}
	for i := range s.Users {
		if u := &s.Users[i]; u.DisplayName == "" && textAt(u.FirstName)+textAt(u.LastName) != "" {
			return nil, fmt.Errorf("provision: user %s cannot be written as CSV: it has no displayName, which would be made of its first and last name there", quote(u.User))
		}
	}
	return written, nil
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
