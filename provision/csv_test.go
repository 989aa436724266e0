package provision_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

const header = "user,displayName,extension,email,groups,mac,mobile,pin,password\n"

// problems are what Check tells, as text.
func problems(t *testing.T, s *provision.State) []string {
	t.Helper()
	err := s.Check()
	if err == nil {
		return nil
	}
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	invalid, ok := errors.AsType[*provision.CheckError](err)
	require.True(t, ok)
	var all []string
	for _, p := range invalid.Problems {
		require.Contains(t, err.Error(), p.String())
		all = append(all, p.String())
	}
	return all
}

func TestReadCSVProblems(t *testing.T) {
	t.Parallel()
	const good = "ann,Ann,201,ann@example.com,sales,00:00:5E:00:53:01,,,\n"
	for name, test := range map[string]struct {
		file string
		want []string // line, column and the beginning of what is wrong
	}{
		"empty file":             {"", []string{"line 1: the file is empty"}},
		"BOM alone":              {"\xef\xbb\xbf", []string{"line 1: the file is empty"}},
		"unknown column":         {"nickname," + header + "x," + good, []string{`line 1, "nickname": unknown column`}},
		"a group user":           {"reception,Reception,100,r@example.com,user,,,,hunter2\n" + good, []string{"line 1: the first row must name the columns, user among them (known: 1 of 6)"}},
		"a user called so":       {"user,Test User,100,,mobile,,,4821,hunter2\n", []string{"line 1: the first row must name the columns, user among them (known: 2 of 6)"}},
		"a group mobile":         {"ann,Ann,201,,mobile,,,4821,hunter2\n", []string{"line 1: the first row must name the columns, user among them (known: 1 of 6)"}},
		"a user called so below": {"ann,Ann,0201,x\nuser,Full Name,0202,hunter2\n", []string{"line 1: the first row must name the columns, user among them (known: 0 of 4)"}},
		"one of two":             {"user,hunter2\nann,x\n", []string{"line 1: the first row must name the columns, user among them (known: 1 of 2)"}},
		"most but user":          {"hunter2,displayName,extension\n", []string{"line 1: the first row must name the columns, user among them (known: 2 of 3)"}},
		"nameless column":        {strings.Replace(header, "\n", ",\n", 1) + strings.Replace(good, "\n", ",hunter2\n", 1), []string{"line 2, column J: there is a value, but the header does not name the column"}},
		"no header":              {strings.ReplaceAll(good, ",,,", ",,4821,hunter2"), []string{"line 1: the first row must name the columns, user among them (known: 0 of 8)"}},
		"two unknown":            {"user,a,displayName,extension,b\nann,,Ann,201,\n", []string{`line 1, "a": unknown column: take it out, or say what it means, or that it is to be ignored; the known columns are user, `, `line 1, "b": unknown column`}},
		"no user column":         {"displayName\nAnn\n", []string{"line 1, user: this column is missing"}},
		"doubled column":         {"user,USER,displayName,extension\nann,ann,Ann,201\n", []string{`line 1, USER: this column is there twice: "user" means user too`}},
		"both spellings":         {"user,extension,extensionNumber\nann,201,201\n", []string{`line 1, extensionNumber: this column is there twice: "extension" means extension too`}},
		"header misquoted":       {"user,\"displayName,extension\nann,Ann,201\n", []string{"line 1: a quotation mark"}},
		"header not UTF-8":       {"user,displayName,extension,email,groups,mac,caf\xe9\n", []string{`line 1, "caf\xe9": not UTF-8: save the file as CSV UTF-8`}},
		"too few values":         {header + "ann,Ann\n" + good, []string{"line 2, extension: missing", `line 3, user: "ann" is there twice`}},
		"too many values":        {header + "ben," + good, []string{"line 2: 10 values, but the header names 9 columns"}},
		"unclosed quote":         {header + good + "ben,\"Ben,202,,,,,,\n", []string{"line 3: a quotation mark"}},
		"bare quote":             {header + "ben,B\"en,202,,,,,,\n" + good + "eve,Eve,x,,,,,,\n", []string{"line 2: a quotation mark", "line 4, extension: not digits"}},
		"user missing":           {header + ",Ann,201,,,,,,\n", []string{"line 2, user: missing"}},
		"all required":           {header + "  ,\t,,,,,,,x\n", []string{"line 2, user: missing", "line 2, displayName: missing", "line 2, extension: missing"}},
		"user twice":             {header + good + "ANN,Ann,202,,,,,,\n", []string{`line 3, user: "ANN" is there twice, first in line 2`}},
		"extension letters":      {header + "ann,Ann,2o1,,,,,,\n", []string{`line 2, extension: not digits alone: "2o1"`}},
		"extension digits":       {header + "ann,Ann,２０１,,,,,,\n", []string{"line 2, extension: not digits alone"}},
		"extension twice":        {header + good + "\nben,Ben,201,,,,,,\n", []string{`line 4, extension: "201" is that of user ann already`}},
		"email":                  {header + "ann,Ann,201,ann.example.com,,,,,\n", []string{"line 2, email: not an e-mail address"}},
		"email with a name":      {header + "ann,Ann,201,Ann <ann@example.com>,,,,,\n", []string{"line 2, email: not an e-mail address"}},
		"group empty":            {header + "ann,Ann,201,,sales;;support;,,,,\n", []string{"line 2, groups: an empty name"}},
		"group blank":            {header + "ann,Ann,201,,sales; ;support,,,,\n", []string{"line 2, groups: an empty name"}},
		"group twice":            {header + "ann,Ann,201,,sales;Sales,,,,\n", []string{`line 2, groups: "Sales" is there twice`}},
		"MAC of 5 octets":        {header + "ann,Ann,201,,,00:00:5E:00:53,,,\n", []string{"line 2, mac: not a MAC address of six octets"}},
		"MAC of 8 octets":        {header + "ann,Ann,201,,,00:00:5E:00:53:01:02:03,,,\n", []string{"line 2, mac: not a MAC address of six octets"}},
		"MAC twice":              {header + good + "ben,Ben,202,,,00-00-5e-00-53-01,,,\n", []string{`line 3, mac: "00-00-5e-00-53-01" is there twice, first in line 2`}},
		"MAC twice in one":       {header + "ben,Ben,202,,,00-00-5e-00-53-01;00:00:5E:00:53:01,,,\n", []string{`line 2, mac: "00:00:5E:00:53:01" is there twice, first in line 2`}},
		"MAC between two":        {header + "ann,Ann,201,,,00:00:5E:00:53:01;;00:00:5E:00:53:02;,,,\n", []string{"line 2, mac: there is nothing between two semicolons"}},
		"MACs with blanks":       {header + "ann,Ann,201,,,00:00:5E:00:53:01 00-00-5e-00-53-02,,,\n", []string{"line 2, mac: several MAC addresses: put a semicolon between two: "}},
		"MACs with bars":         {header + "ann,Ann,201,,,00:00:5E:00:53:01|00-00-5e-00-53-02,,,\n", []string{"line 2, mac: several MAC addresses: put a semicolon between two: "}},
		"the header again":       {header + good + header, []string{"line 3: this is the header again: delete this row"}},
		"UTF-32":                 {"\xff\xfe\x00\x00u\x00\x00\x00", []string{"this is a text in UTF-32: save it as CSV UTF-8"}},
		"a header on lines":      {"user,\"Display\n name\",Ext\nann,Ann,x\nben,\"B\nB\",1\n", []string{"line 3, Ext: not digits alone", "line 4, Display name: holds a line break"}},
		"a name that is there":   {"user,User ID,displayName,extension\nann,1,Ann,201\n", []string{`line 1, "User ID": unknown column: take it out, or say what it means, or that it is to be ignored; the known`}},
		"mobile":                 {header + "ann,Ann,201,,,,none,,\n", []string{"line 2, mobile: not a phone number"}},
		"PIN":                    {header + "ann,Ann,201,,,,,12a4,\n", []string{"line 2, pin: not digits alone"}},
		"redacted":               {header + "ann,Ann,201,,,,,,[redacted]\n", []string{"line 2, password: this is what a secret is printed as"}},
		"flag":                   {"user,dashboard,hotdeskAllowed\nann,maybe,2\n", []string{`line 2, dashboard: neither yes nor no: "maybe"`, `line 2, hotdeskAllowed: neither yes nor no: "2"`}},
		"phone id":               {"user,ukPhoneId\nann,-1\n", []string{`line 2, ukPhoneId: not an id: "-1"`}},
		"line break":             {header + "ann,\"Ann\nAbel\",201,,,,,,\nben,Ben,x,,,,,,\n", []string{"line 2, displayName: holds a line break", "line 4, extension: not digits"}},
		"lone CR":                {header + "ann,An\rn,201,,,,,,\n", []string{"line 2, displayName: holds a line break"}},
		"NUL":                    {header + "ann,A\x00,201,,,,,,\n", []string{"line 2, displayName: holds a line break or another control character"}},
		"invalid UTF-8":          {header + "ann,Zo\xeb,201,,,,,,\n", []string{"line 2, displayName: not UTF-8"}},
		"password too":           {header + "ann,Ann,201,,,,,,se\xffcret\n", []string{"line 2, password: not UTF-8"}},
		"CRLF keeps count":       {strings.ReplaceAll(header+"\n\n"+good+"ben,Ben,x,,,,,,\n", "\n", "\r\n"), []string{"line 5, extension: not digits"}},
		"all at once":            {header + "ann,,2o1,x,;,y,z,q,\nann,Ann,201,,,,,,\n", []string{"line 2, displayName", "line 2, extension", "line 2, email", "line 2, mobile", "line 2, pin", "line 2, mac", "line 3, user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, err := provision.ReadCSV(strings.NewReader(test.file), nil)
			require.NoError(t, err)
			got := problems(t, state)
			require.Len(t, got, len(test.want), "%v", got)
			require.NotContains(t, strings.Join(got, ""), "hunter2")
			for _, want := range test.want {
				i := slices.IndexFunc(got, func(p string) bool { return strings.HasPrefix(p, want) })
				require.GreaterOrEqual(t, i, 0, "%v\nwant %s", got, want)
				got = slices.Delete(got, i, i+1)
			}
		})
	}
}

func TestReadCSVTakes(t *testing.T) {
	t.Parallel()
	const ann = "ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01;,07700 900101,1234,\n"
	for name, file := range map[string]string{
		"plain":             header + ann,
		"the end of DOS":    header + ann + "\x1a",
		"no line end":       header + strings.TrimSpace(ann),
		"BOM":               "\xef\xbb\xbf" + header + ann,
		"BOM, quoted":       "\xef\xbb\xbf\"user\"" + strings.TrimPrefix(header, "user") + ann,
		"CRLF":              strings.ReplaceAll(header+ann, "\n", "\r\n"),
		"blank lines":       "\n\n" + header + "\n   \n,,,,,,,,\n" + ann + "\n",
		"quotes and blanks": header + `" ann","Ann",201 , a@example.com ,"sales ; help desk",00:00:5E:00:53:01,"07700 900101",1234,` + "\n",
		"LF and lone quote": header + "\"ann\",Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234",
		"another order":     "PIN,mac,Groups,email,extensionNumber,displayname,user,mobileNumber\n1234,00:00:5E:00:53:01,sales;help desk,a@example.com,201,Ann,ann,07700 900101\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := provision.ReadCSV(strings.NewReader(file), nil)
			require.NoError(t, err)
			require.Empty(t, problems(t, got))
			require.Len(t, got.Users, 1)
			u := got.Users[0]
			require.Equal(t, "1234", u.PIN.Reveal())
			require.True(t, u.Password.IsZero())
			require.Equal(t, []any{"ann", "Ann", "201", "a@example.com", "07700 900101", true}, []any{u.User, u.DisplayName, u.ExtensionNumber, *u.Email, *u.MobileNumber, *u.HotdeskAllowed})
			require.Equal(t, []string{"sales", "help desk"}, u.Groups)
			require.Len(t, got.Devices, 1)
			require.Equal(t, "00:00:5E:00:53:01", got.Devices[0].MACAddress)
			require.Equal(t, "ann", *got.Devices[0].Owner)
			require.Nil(t, got.Groups)
		})
	}
}

// An empty cell says nothing, but in the column groups.
func TestReadCSVMentions(t *testing.T) {
	t.Parallel()
	got, err := provision.ReadCSV(strings.NewReader("user,email,groups,dashboard,officeName,ukPhoneId\nann,,,yes,Leeds,7\n"), nil)
	require.NoError(t, err)
	require.Nil(t, got.Users[0].Email)
	require.Equal(t, []string{}, got.Users[0].Groups)
	require.True(t, *got.Users[0].Dashboard)
	require.Equal(t, "Leeds", *got.Users[0].OfficeName)
	require.Equal(t, infinitysip.PhoneID(7), got.Users[0].UKPhoneID)
	require.Nil(t, got.Devices, "there is no column for them")

	got, err = provision.ReadCSV(strings.NewReader("user,mac\nann,\n"), nil)
	require.NoError(t, err)
	require.Nil(t, got.Users[0].Groups)
	require.Equal(t, []provision.Device{}, got.Devices)
}

func TestReadCSVTakesPasswordsToTheLetter(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"two words", "'=1", "=1", "'", `a"b,c`} {
		got, err := provision.ReadCSV(strings.NewReader(header+`ann,Ann,201,,,,,,"`+strings.ReplaceAll(password, `"`, `""`)+"\"\n"), nil)
		require.NoError(t, err)
		require.Empty(t, problems(t, got))
		require.Equal(t, password, got.Users[0].Password.Reveal())
	}
}

func TestReadFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := provision.ReadCSV(io.MultiReader(strings.NewReader(header), iotest.ErrReader(broken)), nil)
	require.ErrorIs(t, err, broken)
	_, err = provision.ReadJSON(iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
}

func TestCSVRoundTrip(t *testing.T) {
	t.Parallel()
	want := &provision.State{
		Users: []provision.User{
			{User: "ann", DisplayName: `Ann "A", Abel`, ExtensionNumber: "201", Email: new("a@example.com"), Groups: []string{"sales", "help desk"}, MobileNumber: new("+447700900101")},
			{User: "=x", DisplayName: `=HYPERLINK("http://example.com")`, ExtensionNumber: "0202", Groups: []string{}, Dashboard: new(false), USPhoneID: 4},
			{User: "-y", DisplayName: "'+1", ExtensionNumber: "203", Groups: []string{"@home"}, MobileFollow: new(true), JobName: new("@work")},
			{User: "'z", DisplayName: "''=", ExtensionNumber: "204", Groups: []string{}},
			{User: "zz", DisplayName: `x;=HYPERLINK("y");'0;'=z`, ExtensionNumber: "206", Groups: []string{}, JobName: new("'0")},
			{User: "zoë", DisplayName: "Zoë 山田", ExtensionNumber: "205", Groups: []string{}},
		},
		Devices: []provision.Device{
			{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")},
			{MACAddress: "00:00:5E:00:53:02", Owner: new("ann")},
		},
	}
	var file bytes.Buffer
	require.NoError(t, want.WriteCSV(&file))
	cells, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file.String(), "\ufeff"))).ReadAll()
	require.NoError(t, err)
	for _, cell := range slices.Concat(cells...) {
		for _, piece := range strings.Split(cell, ";") {
			require.NotEqual(t, 0, strings.IndexAny(piece, "=+-@"), cell)
		}
	}
	require.Equal(t, "user,displayName,extension,email,groups,mac,mobile,pin,password,jobName,mobileFollow,usPhoneId,dashboard", strings.Join(cells[0], ","))

	got, err := provision.ReadCSV(&file, &provision.CSVOptions{NumbersAsWritten: true})
	require.NoError(t, err)
	require.Empty(t, problems(t, got))
	var again, first bytes.Buffer
	require.NoError(t, got.WriteJSON(&again))
	require.NoError(t, want.WriteJSON(&first))
	require.Equal(t, first.String(), again.String())
}

func TestWriteCSVLeavesOut(t *testing.T) {
	t.Parallel()
	secret := infinitysip.NewSecret("hunter2")
	s := &provision.State{
		Users:  []provision.User{{User: "ann", Password: secret, PIN: infinitysip.NewSecret("1234")}, {User: "ben"}},
		Groups: []provision.Group{{Name: "sales", Members: []string{"ANN"}}, {Name: "Support"}},
	}
	var file bytes.Buffer
	require.NoError(t, s.WriteCSV(&file))
	require.Equal(t, "user,email,groups,mobile,pin,password\nann,,sales,,,\nben,,,,,\n", file.String())

	file.Reset()
	for _, name := range []string{"a;b", " a", "a\n", "a\x00b", "a\u00a0", "NULL"} {
		s.Users[1].Groups = []string{name}
		require.ErrorContains(t, s.WriteCSV(&file), fmt.Sprintf("users[1] (ben), groups: group %q ", name))
	}
	require.Empty(t, file.String())
}

// All that a list cannot say is told at once, a group once.
func TestWriteCSVTellsAllProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		users []provision.User
		want  string
	}{
		"values": {
			[]provision.User{
				{User: "ann", ExtensionNumber: "0101", Groups: []string{"a;b", "sales"}},
				{User: "ben ", DisplayName: "Ben", Groups: []string{"a;b"}, JobName: new("Two\nlines"), DepartmentName: new("N/A")},
				{},
				{User: "NULL", DisplayName: "Null", ExtensionNumber: "0104"},
			},
			`provision: 10 problems, nothing was changed:
users[0] (ann), displayName: there is none, and CSV needs one
users[0] (ann), groups: group "a;b" cannot be in CSV: semicolons separate names there, and blanks around them and line breaks are lost
users[1] ("ben "), user: CSV loses blanks around a name, and line breaks
users[1] ("ben "), extensionNumber: there is none, and CSV needs one
users[1] ("ben "), jobName: CSV has no line breaks or other control characters
users[1] ("ben "), departmentName: "N/A" stands for no value in CSV
users[2].user: there is none, and CSV needs one
users[2].displayName: there is none, and CSV needs one
users[2].extensionNumber: there is none, and CSV needs one
users[3] (NULL), user: "NULL" stands for no value in CSV`,
		},
		"names that would be made": {
			[]provision.User{{User: "ann", FirstName: new("Ann")}, {User: "ben", LastName: new("Bell")}, {User: "cat"}},
			`provision: 2 problems, nothing was changed:
users[0] (ann), displayName: there is none, and CSV would make one of the first and the last name
users[1] (ben), displayName: there is none, and CSV would make one of the first and the last name`,
		},
	} {
		var file bytes.Buffer
		err := (&provision.State{Users: test.users}).WriteCSV(&file)
		require.EqualError(t, err, test.want, name)
		require.ErrorIs(t, err, infinitysip.ErrInvalid, name)
		require.Empty(t, file.String(), name)
	}
}

// Blanks around a value are lost in a spreadsheet, and nothing else.
func TestWriteCSVKeepsApostrophes(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{" '0": "'0", " '@": "'@", " ''-=": "''-=", "a;'0": "a;'0", "a; =b": "a; =b", "'": "'"} {
		var file bytes.Buffer
		require.NoError(t, (&provision.State{Users: []provision.User{{User: "ann", JobName: &value}}}).WriteCSV(&file))
		read, err := provision.ReadCSV(&file, nil)
		require.NoError(t, err)
		require.Empty(t, problems(t, read))
		require.Equal(t, want, *read.Users[0].JobName)
	}
}

// A file of rows to mend is marked as UTF-8 where that makes a difference, since people
// open it in a spreadsheet.
func TestSkippedRowsAreMarked(t *testing.T) {
	t.Parallel()
	for name, marked := range map[string]bool{"zoe": false, "zoë": true} {
		var file bytes.Buffer
		require.NoError(t, (&provision.State{Users: []provision.User{{User: name}}}).WriteCSV(&file))
		require.True(t, strings.HasPrefix(file.String(), "user,"), "a list is for programs, too")
		state, err := provision.ReadCSV(strings.NewReader("user,extension,jobName\n"+name+",x,=B2\n"), &provision.CSVOptions{SkipBad: true})
		require.NoError(t, err)
		file.Reset()
		require.NoError(t, state.WriteSkipped(&file))
		require.Equal(t, marked, strings.HasPrefix(file.String(), "\ufeffuser,"))
		require.NotContains(t, file.String(), "=B2")
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add(header + "ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,\n")
	f.Add("user,\"displayName\n")
	f.Add("user,dashboard,ukPhoneId,firstName\n=a,yes,7,'@b\n")
	f.Add("sep=;\r\nUser Name;Ext;First Name;MACs\r\n\"='\";=\"0201\";zoe\u0308;001565-abcd06\r\n")
	f.Add("\xff\xfeu\x00s\x00e\x00r\x00\n\x00a\x00")
	f.Fuzz(func(t *testing.T, file string) {
		state, err := provision.ReadCSV(strings.NewReader(file), nil)
		require.NoError(t, err)
		if state.Check() != nil {
			return
		}
		// What is good is good again once written, and says the same.
		var written, first, again bytes.Buffer
		if state.WriteCSV(&written) != nil {
			return // some have a display name, and some have none
		}
		read, err := provision.ReadCSV(&written, &provision.CSVOptions{NumbersAsWritten: true})
		require.NoError(t, err)
		require.NoError(t, read.Check())
		require.NoError(t, state.WriteJSON(&first))
		require.NoError(t, read.WriteJSON(&again))
		require.Equal(t, first.String(), again.String())
	})
}
