package provision_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// readSheet reads a file of testdata/spreadsheets.
func readSheet(t *testing.T, name string, opts *provision.CSVOptions) *provision.State {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "spreadsheets", name))
	require.NoError(t, err)
	state, err := provision.ReadCSV(file, opts)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return state
}

// people are the users of a state and their devices, one a line: name, display name and
// extension, and then what else the file says.
func people(s *provision.State) []string {
	var all []string
	for _, u := range s.Users {
		line := []string{u.User, u.DisplayName, u.ExtensionNumber}
		for name, value := range map[string]*string{"email": u.Email, "mobile": u.MobileNumber, "job": u.JobName, "department": u.DepartmentName} {
			if value != nil {
				line = append(line, name+"="+*value)
			}
		}
		for name, value := range map[string]*bool{"hotdesk": u.HotdeskAllowed, "dashboard": u.Dashboard} {
			if value != nil {
				line = append(line, fmt.Sprint(name, "=", *value))
			}
		}
		if u.Groups != nil {
			line = append(line, "groups="+strings.Join(u.Groups, ";"))
		}
		for _, secret := range []infinitysip.Secret{u.PIN, u.Password} {
			if !secret.IsZero() {
				line = append(line, "secret="+secret.Reveal())
			}
		}
		for _, d := range s.Devices {
			if d.Owner != nil && *d.Owner == u.User {
				line = append(line, d.MACAddress)
			}
		}
		slices.Sort(line[3:])
		all = append(all, strings.Join(line, ", "))
	}
	return all
}

func TestSpreadsheets(t *testing.T) {
	t.Parallel()
	kimAndOla := []string{"kim.lee, Kim Lee, 0311, email=kim@example.com, groups=sales;help desk", "ola.berg, Ola Bergström, 0312, groups=support"}
	kim, ola := "kim.lee, Kim Lee, 0311", "ola.berg, Ola Bergström, 0312"
	const lost = "a spreadsheet may have dropped a zero from the front: others of this column have %d digits and begin with 0; format the column as text, or say that the numbers are as written"
	const quotes = `a quotation mark too many or too few: a value with one in it is written "like ""this"""`
	const saveAs = ": save it as CSV UTF-8"
	var known string // columns, in a message
	{
		var file bytes.Buffer
		yes := new(true)
		full := provision.User{User: "a", DisplayName: "A", ExtensionNumber: "1", FirstName: new("A"), LastName: new("A"), JobName: new("A"), DepartmentName: new("A"), CompanyName: new("A"), OfficeName: new("A"),
			UKCallerID: new("1"), USCallerID: new("1"), MobileFollow: yes, HotdeskAllowed: yes, Dashboard: yes, UKPhoneID: 1, USPhoneID: 1, Groups: []string{}}
		require.NoError(t, (&provision.State{Users: []provision.User{full}, Devices: []provision.Device{}}).WriteCSV(&file))
		line, _, _ := strings.Cut(file.String(), "\n")
		known = strings.ReplaceAll(line, ",", ", ")
	}
	for _, test := range []struct {
		file     string
		opts     provision.CSVOptions
		people   []string // nil: not looked at
		problems []string // less the name of the file
	}{
		{file: "semicolons.csv", people: kimAndOla},
		{file: "semicolons_crlf.csv", people: kimAndOla},
		{file: "tabs.txt", people: kimAndOla},
		{file: "bars.csv", people: kimAndOla},
		{file: "sep_line.csv", people: kimAndOla},
		{file: "sep_line_odd.csv", people: kimAndOla},
		{file: "several_delimiters.csv", people: []string{"kim.lee, Lee, Kim, Dr, 0311"}},
		{file: "several_delimiters.csv", opts: provision.CSVOptions{Comma: ','}, problems: []string{"line 1: the first row must name the columns, user among them (known: 0 of 1); the known columns are " + known}},
		{file: "semicolons.csv", opts: provision.CSVOptions{Comma: '"'}, problems: []string{`'"' cannot be between cells`}},
		{file: "utf16le.txt", people: kimAndOla},
		{file: "utf16be.txt", people: kimAndOla},
		{file: "utf16_without_mark.txt", people: kimAndOla},
		{file: "cr_line_ends.csv", people: kimAndOla},
		{file: "windows_1252.csv", problems: []string{`line 3, displayName: not UTF-8: save the file as CSV UTF-8: "Ola Bergstr\xf6m"`}},
		{file: "windows_1252_header.csv", problems: []string{`line 1, "b\xfcro": not UTF-8: save the file as CSV UTF-8`}},

		{file: "workbook.xlsx", problems: []string{"this is an Excel workbook (.xlsx)" + saveAs}},
		{file: "old_workbook.xls", problems: []string{"this is an old Excel workbook (.xls)" + saveAs}},
		{file: "opendocument.ods", problems: []string{"this is a spreadsheet (.ods)" + saveAs}},
		{file: "web_page.xls", problems: []string{"this is a web page (HTML), even where its name ends in .xls" + saveAs}},
		{file: "really_json.csv", problems: []string{"this is JSON: read it as JSON, not as CSV"}},
		{file: "empty.csv", problems: []string{"line 1: the file is empty: its first row must name the columns"}},
		{file: "no_header.csv", problems: []string{"line 1: the first row must name the columns, user among them (known: 0 of 4); the known columns are " + known}},

		{file: "columns_without_names.csv", people: []string{kim, ola}},
		{file: "value_without_column.csv", problems: []string{"line 2, column E: there is a value, but the header does not name the column"}},
		{file: "short_rows.csv", people: []string{kim, ola + ", email=ola@example.com"}},
		{file: "unquoted_comma.csv", problems: []string{"line 2: 5 values, but the header names 4 columns: is a value with a delimiter in it not in quotation marks?"}},
		{file: "quote_missing.csv", problems: []string{"line 2: " + quotes, "line 3: " + quotes, `line 4, extension: not digits alone: "03I3"`}},

		{file: "words_in_header.csv", people: []string{kim + ", 00:00:5E:00:53:01, department=Sales, email=kim@example.com, groups=sales, hotdesk=true, job=Buyer, mobile=07700 900123, secret=4711"}},
		{file: "snake_case_header.csv", people: []string{kim + ", 00:00:5E:00:53:01"}},
		{file: "title_above_header.csv", problems: []string{"line 1: this is not the header, which is in line 3: delete what is above it", `line 4, extension: not digits alone: "03l1"`}},
		{file: "extra_columns.csv", problems: []string{`line 1, "Start Date": unknown column: take it out, or say what it means, or that it is to be ignored; the known columns are ` + known, `line 1, "Desk": unknown column: take it out, or say what it means, or that it is to be ignored`}},
		{file: "extra_columns.csv", opts: provision.CSVOptions{IgnoreUnknown: true}, people: []string{kim}},
		{file: "extra_columns.csv", opts: provision.CSVOptions{Columns: map[string]string{"start_date": "", "Desk": "office_name"}}, people: []string{kim}},
		{file: "misspelled_header.csv", problems: []string{`line 1, "extensoin": unknown column: did you mean extension?`, `line 1, "Work Email": unknown column: did you mean email?`}},
		{file: "own_header.csv", problems: []string{"line 1: the first row must name the columns, user among them (known: 0 of 6); the known columns are " + known}},
		{file: "own_header.csv", opts: provision.CSVOptions{Columns: map[string]string{"Staff No": "user", "known as": "displayName", "OfficePhone": "extension"}, IgnoreUnknown: true}, people: []string{kim}},
		{file: "own_header.csv", opts: provision.CSVOptions{Columns: map[string]string{"Staff No": "user", "Known As": "displayName", "Office Phone": "extension", "Badge": "", "Salary": "", "Notes": ""}}, people: []string{kim}},
		{file: "semicolons.csv", opts: provision.CSVOptions{Columns: map[string]string{"extension": "phone"}}, problems: []string{`the header "extension" is to mean the column "phone", which is not known; the known columns are ` + known}},
		{file: "semicolons.csv", opts: provision.CSVOptions{Columns: map[string]string{"Extension": "extension", "exten sion": "mobile"}}, problems: []string{`the header "exten sion" is to mean two columns: "extension" and "mobile"`}},
		{file: "extra_columns.csv", opts: provision.CSVOptions{IgnoreUnknown: true, Columns: map[string]string{"Dsek": "officeName", "Desk ": ""}}, problems: []string{`line 1: the header "Dsek" is to mean the column officeName, but the file has no such header`}},
		{file: "no_user_column.csv", problems: []string{"line 1, user: this column is missing"}},
		{file: "column_twice.csv", problems: []string{`line 1, Extension: this column is there twice: "Ext" means extension too`}},

		{file: "lost_zeros.csv", problems: []string{"line 2, extension: " + fmt.Sprintf(lost, 4) + `: "311"`, "line 2, mobile: " + fmt.Sprintf(lost, 11) + `: "7700900123"`, "line 3, pin: " + fmt.Sprintf(lost, 4)}},
		{file: "lost_zeros.csv", opts: provision.CSVOptions{NumbersAsWritten: true}, people: []string{"kim.lee, Kim Lee, 311, hotdesk=true, mobile=7700900123, secret=0147", ola + ", hotdesk=true, mobile=07700900124, secret=815", "jo.may, Jo May, 0313, hotdesk=true, mobile=+447700900125, secret=0816"}},
		{file: "all_zeros_lost.csv", people: []string{"kim.lee, Kim Lee, 311", "ola.berg, Ola Bergström, 312"}}, // Plan may know better
		{file: "zeros_as_text.csv", people: []string{kim + ", groups=sales;support, mobile=07700900123", ola + ", groups=sales, mobile=07700900124"}},
		{file: "zeros_with_apostrophe.csv", people: []string{"kim.lee, 't Hart, 0311, mobile=07700900123", ola + ", mobile=+447700900124"}},
		{file: "rounded_numbers.csv", problems: []string{`line 2, mobile: a spreadsheet has rounded this number: format the column as text, and enter it again: "7.7009E+09"`,
			"line 3, pin: a spreadsheet has rounded this number: format the column as text, and enter it again", `line 3, mac: a spreadsheet has rounded this number: format the column as text, and enter it again: "1.565E+10"`}},
		{file: "emergency_numbers.csv", problems: []string{`line 2, extension: "999" is an emergency number: take another one, or say that emergency numbers are meant`,
			`line 3, extension: "112" is an emergency number: take another one, or say that emergency numbers are meant`, `line 4, extension: "911" is an emergency number: take another one, or say that emergency numbers are meant`,
			`line 5, extension: "9990" begins like the emergency number 999: take another one, or say that emergency numbers are meant`, `line 6, extension: "1129" begins like the emergency number 112: take another one, or say that emergency numbers are meant`,
			`line 7, extension: "9112" begins like the emergency number 911: take another one, or say that emergency numbers are meant`}},
		{file: "emergency_numbers.csv", opts: provision.CSVOptions{EmergencyNumbers: true}, people: []string{"u1, U, 999", "u2, U, 112", "u3, U, 911", "u4, U, 9990", "u5, U, 1129", "u6, U, 9112", "u7, U, 99900", "u8, U, 998", "u9, U, 0999"}},

		{file: "mac_spellings.csv", people: []string{"u1, , , 00005E005301", "u2, , , 00-00-5e-00-53-02", "u3, , , 0000.5e00.5303", "u4, , , 00:00:5E:00:53:04", "u5, , , 00:00:5E:00:53:05",
			"u6, , , 00:00:5E:00:53:06", "u7, , , 00:00:5E:00:53:07", "u8, , , 00:00:5E:00:53:08, 00:00:5E:00:53:09"}},
		{file: "bad_macs.csv", problems: []string{`line 2, mac: not a MAC address of six octets: "00:00:5E:00:53"`, `line 3, mac: not a MAC address of six octets: "00:00:5E:00:53:0G"`,
			`line 4, mac: not a MAC address of six octets: "0000-5E:005303"`, `line 5, mac: not a MAC address of six octets: "00:00:5E:00:53:04:05"`}},

		{file: "zero_width_space.csv", problems: []string{`line 2, user: holds an invisible character, U+200B (zero width space): type it again: "kim.lee\u200b"`,
			`line 3, displayName: holds an invisible character, U+00AD (soft hyphen): type it again: "Ola\u00ad Bergström"`, `line 3, email: holds an invisible character, U+2060 (word joiner): type it again: "ola\u2060@example.com"`,
			`line 3, mobile: holds an invisible character, U+202A (left-to-right embedding): type it again: "\u202a07700900124\u202c"`, `line 3, groups: holds an invisible character, U+200E (left-to-right mark): type it again: "sales\u200e"`,
			`line 4, displayName: holds an invisible character, U+FEFF (byte order mark): type it again: "\ufeffJo May"`, `line 4, extension: holds an invisible character, U+200D (zero width joiner): type it again: "0313\u200d"`}},
		{file: "joiners_in_names.csv", people: []string{"ali, علی\u200cرضا, 0311", "family, 👩\u200d👧, 0312"}},
		{file: "blanks_around.csv", people: []string{kim}},
		{file: "decomposed.csv", people: []string{"ol\u00e1, Ol\u00e1, 0311, groups=Z\u00fcrich", "ol\u00e1, Ol\u00e1, 0312, groups="}, problems: []string{`line 3, user: "ol` + "\u00e1" + `" is there twice, first in line 2`}},
		{file: "user_twice.csv", problems: []string{`line 3, User: "KIM.LEE" is there twice, first in line 2`}},
		{file: "flags.csv", people: []string{"u1, , , dashboard=false, hotdesk=true", "u2, , , dashboard=false, hotdesk=true", "u3, , , dashboard=false, hotdesk=true", "u4, , , dashboard=false, hotdesk=true",
			"u5, , , dashboard=false, hotdesk=true", "u6, , , dashboard=false, hotdesk=true", "u7, , ", "u8, , "}, problems: []string{`line 9, hotdeskAllowed: neither yes nor no: "x"`, `line 9, dashboard: neither yes nor no: "enabled"`}},
		{file: "groups_on_lines.csv", problems: []string{"line 2, groups: holds a line break or another control character: put a semicolon between two"}},
		{file: "blank_passwords.csv", people: []string{"u1, U, 0311", "u2, U, 0312", "u3, U, 0313, secret= hunter2", "u4, U, 0314, secret=hunter2\u00a0", "u5, U, 0315, secret=two words"},
			problems: []string{"line 4, password: begins or ends with a blank: take it away", "line 5, password: begins or ends with a blank: take it away"}},
		{file: "first_and_last_name.csv", people: []string{kim, "ola, Ola, 0312"}},
		{file: "display_name_where_empty.csv", people: []string{kim, "ola, Ola B., 0312", "jo, , 0313"}, problems: []string{"line 4, displayName: missing"}},
		{file: "cleared.csv", opts: provision.CSVOptions{Clear: "-"}, people: []string{"kim.lee, , , email=, groups=", "ola.berg, , , groups=sales, job="}, problems: []string{"line 3, dashboard: this cannot be cleared", "line 3, password: this cannot be cleared"}},
	} {
		name := test.file
		if opts := fmt.Sprintf("%+v", test.opts); opts != fmt.Sprintf("%+v", provision.CSVOptions{}) {
			name += " " + opts
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := readSheet(t, test.file, &test.opts)
			got := problems(t, state)
			for i := range got {
				require.Contains(t, got[i], test.file)
				require.NotContains(t, got[i], "hunter2")
				got[i] = strings.TrimLeft(strings.TrimPrefix(got[i], filepath.Join("testdata", "spreadsheets", test.file)), ":, ")
			}
			require.Equal(t, test.problems, got)
			if test.people != nil {
				require.Equal(t, test.people, people(state))
			}
		})
	}
}

// Columns that are ignored may be called anything.
func TestIgnoredHeaders(t *testing.T) {
	t.Parallel()
	const file = "user,2023,2024,hr@example.com,displayName,a,b\nkim.lee,1,2,3,Kim Lee,4,5\n"
	s, err := provision.ReadCSV(strings.NewReader(file), &provision.CSVOptions{IgnoreUnknown: true})
	require.NoError(t, err)
	require.Empty(t, problems(t, s))
	require.Equal(t, []string{"kim.lee, Kim Lee, "}, people(s))
}

// What is wrong with groups in a sheet shows where the groups are given.
func TestSpreadsheetGroups(t *testing.T) {
	t.Parallel()
	groups := &provision.State{Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0600"}, {Name: "support", ExtensionNumber: "0601"}}}
	for file, name := range map[string]string{"groups_with_commas.csv": "sales,support", "groups_with_bars.csv": "sales|support"} {
		state := provision.Merge(readSheet(t, file, &provision.CSVOptions{File: "staff"}), groups)
		require.Equal(t, []string{fmt.Sprintf("staff, line 2, groups: %q is not in the state: groups are separated by semicolons", name)}, problems(t, state))
	}
}

func TestSkipBad(t *testing.T) {
	t.Parallel()
	s := readSheet(t, "bad_rows_among_good.csv", &provision.CSVOptions{File: "staff", SkipBad: true, Columns: map[string]string{"Notes": ""}})
	require.Empty(t, problems(t, s))
	require.Equal(t, []string{"kim.lee, Kim Lee, 0311, 00:00:5E:00:53:01, groups=sales, secret=hunter2", "pat, Pat, 0318, groups=support"}, people(s))
	require.Len(t, s.Devices, 1)

	var told []string
	for _, p := range s.Skipped() {
		told = append(told, p.String())
	}
	require.Equal(t, []string{
		`staff, line 3, extension: not digits alone: "03I2"`,
		"staff, line 4, user: missing",
		`staff, line 5, mac: not a MAC address of six octets: "00:00:5E:00:53"`,
		`staff, line 6, extension: "0311" is that of user kim.lee already`,
		`staff, line 7: a quotation mark too many or too few: a value with one in it is written "like ""this"""`,
		"staff, line 8: 8 values, but the header names 7 columns: is a value with a delimiter in it not in quotation marks?",
	}, told)

	var file bytes.Buffer
	require.NoError(t, s.WriteSkipped(&file))
	require.Equal(t, strings.Join([]string{
		"\ufeffuser,displayName,extension,groups,mac,password,problem",
		`ola.berg,Ola Bergström,03I2,sales;'@cmd,00-00-5e-00-53-02,,"staff, line 3, extension: not digits alone: ""03I2"""`,
		`,Nobody,0313,,00:00:5E:00:53:03,,"staff, line 4, user: missing"`,
		`jo.may,Jo May,0314,,00:00:5E:00:53,,"staff, line 5, mac: not a MAC address of six octets: ""00:00:5E:00:53"""`,
		`lou,Lou,0311,,,,"staff, line 6, extension: ""0311"" is that of user kim.lee already"`,
		`,,,,,,"staff, line 7: a quotation mark too many or too few: a value with one in it is written ""like """"this"""""""`,
		`,,,,,,"staff, line 8: 8 values, but the header names 7 columns: is a value with a delimiter in it not in quotation marks?"`, "",
	}, "\n"), file.String())

	// The mended file is read as it is.
	mended := strings.NewReplacer("03I2", "0312", ",Nobody,", "new,Nobody,", "00:00:5E:00:53,", "00:00:5E:00:53:04,", "Lou,0311", "Lou,0315").Replace(file.String())
	mended = mended[:strings.Index(mended, "\n,,")+1]
	again, err := provision.ReadCSV(strings.NewReader(mended), nil)
	require.NoError(t, err)
	require.Empty(t, problems(t, again))
	require.Equal(t, []string{"ola.berg, Ola Bergström, 0312, 00-00-5e-00-53-02, groups=sales;@cmd", "new, Nobody, 0313, 00:00:5E:00:53:03, groups=", "jo.may, Jo May, 0314, 00:00:5E:00:53:04, groups=", "lou, Lou, 0315, groups="}, people(again))

	// What is wrong with the whole file is not skipped, and rows of two files are
	// written below one header.
	s = readSheet(t, "bad_rows_among_good.csv", &provision.CSVOptions{SkipBad: true})
	require.Len(t, problems(t, s), 1)
	s = provision.Merge(s, readSheet(t, "lost_zeros.csv", &provision.CSVOptions{SkipBad: true, File: "other"}))
	file.Reset()
	require.NoError(t, s.WriteSkipped(&file))
	require.Contains(t, file.String(), "user,displayName,extension,groups,mac,password,mobile,pin,problem\n")
	require.Contains(t, file.String(), `ola.berg,Ola Bergström,0312,,,,07700900124,,"other, line 3, pin: a spreadsheet`)
	require.NotContains(t, file.String(), "815")

	file.Reset()
	require.NoError(t, new(provision.State).WriteSkipped(&file))
	require.Equal(t, "problem\n", file.String())
}

// Of 500 problems of a kind the text has 20.
func TestManyProblems(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("User,Ext\n")
	for i := range 500 {
		fmt.Fprintf(&file, "user%d,x%d\n", i, i)
	}
	file.WriteString("user1,0100\n")
	s, err := provision.ReadCSV(strings.NewReader(file.String()), &provision.CSVOptions{File: "staff.csv"})
	require.NoError(t, err)
	err = s.Check()
	invalid, ok := errors.AsType[*provision.CheckError](err)
	require.True(t, ok)
	require.Len(t, invalid.Problems, 501)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 1+20+1+1)
	require.Equal(t, "provision: 501 problems, nothing was changed:", lines[0])
	require.Equal(t, `staff.csv, line 21, Ext: not digits alone: "x19"`, lines[20])
	require.Equal(t, "and 480 more like it (Ext: not digits alone)", lines[21])
	require.Equal(t, `staff.csv, line 502, User: "user1" is there twice, first in line 3`, lines[22])
}

// Unknown columns are of one kind, whatever they are called, and the problems of two files
// stand file by file.
func TestProblemsAreGrouped(t *testing.T) {
	t.Parallel()
	file := "user,displayName,extension"
	for i := range 500 {
		file += fmt.Sprint(",c", i)
	}
	s, err := provision.ReadCSV(strings.NewReader(file+"\n"), nil)
	require.NoError(t, err)
	require.Len(t, strings.Split(s.Check().Error(), "\n"), 1+20+1)
	require.Contains(t, s.Check().Error(), "more like it (unknown column")

	staff, err := provision.ReadCSV(strings.NewReader("user,displayName,extension\nann,,x\nben,Ben,y\n"), &provision.CSVOptions{File: "staff.csv"})
	require.NoError(t, err)
	office, err := provision.ReadJSON(named{strings.NewReader("{\"groups\": [\n{\"groupName\": \"a\", \"x\": 1},\n{\"groupName\": \"b\", \"extensionNumber\": \"z\"}]}")})
	require.NoError(t, err)
	var files []string
	for _, p := range problems(t, provision.Merge(staff, office)) {
		files = append(files, p[:strings.Index(p, ", ")+8])
	}
	require.Equal(t, []string{"staff.csv, line 2", "staff.csv, line 2", "staff.csv, line 3", "office.json, line 2", "office.json, line 3"}, files)
}

func TestNilState(t *testing.T) {
	t.Parallel()
	var s *provision.State
	var out bytes.Buffer
	for _, err := range []error{s.Check(), s.WriteCSV(&out), s.WriteJSON(&out), s.WriteSkipped(&out), s.UnmarshalJSON([]byte("{}"))} {
		require.EqualError(t, err, "provision: 1 problem, nothing was changed:\nthere is no state: it is nil")
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
	}
	require.Empty(t, s.Skipped())
	require.Empty(t, out.String())
	_, err := provision.ReadCSV(nil, nil)
	require.Error(t, err)
	_, err = provision.ReadJSON(nil)
	require.Error(t, err)
}
