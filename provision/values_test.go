package provision_test

import (
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// A cell that stands for no value, or that a spreadsheet or an editor has spoiled, is not
// taken for a name.
func TestCellsThatAreNoValues(t *testing.T) {
	t.Parallel()
	const none, shows = "this is no value: empty the cell", "this is what a spreadsheet shows instead of a value: mend it there"
	for cell, want := range map[string]string{
		"NULL": none, "null": none, "n/a": none, "N/A": none, "None": none, "nil": none, "-": none, "--": none, "(blank)": none,
		"#N/A": shows, "#NV": shows, "#REF!": shows, "#BEZUG!": shows, "#VALUE!": shows, "#WERT!": shows, "#NAME?": shows, "#DIV/0!": shows, "#NUM!": shows, "#NULL!": shows, "#####": shows,
	} {
		for _, column := range []string{"user", "displayName", "extension", "groups", "mac", "jobName", "password", "pin", "email", "mobile", "dashboard"} {
			file := column + "\n" + cell + "\n"
			if column != "user" {
				file = "user," + column + "\nann," + cell + "\n"
			}
			state, err := provision.ReadCSV(strings.NewReader(file), nil)
			require.NoError(t, err)
			require.Equal(t, []string{"line 2, " + column + ": " + want}, problems(t, state), file)
		}
		state, err := provision.ReadCSV(strings.NewReader("user,jobName,groups,mac\nann, "+strings.ToUpper(cell)+","+cell+","+cell+"\n"), &provision.CSVOptions{Clear: " " + cell + " "})
		require.NoError(t, err)
		require.Empty(t, problems(t, state), cell)
		require.Equal(t, new(""), state.Users[0].JobName)
		require.Empty(t, state.Users[0].Groups)
	}
	state, err := provision.ReadCSV(strings.NewReader("user,lastName,groups,jobName\nann,Null,sales;n/a,'-\n"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"line 2, groups: " + none}, problems(t, state))
	require.Equal(t, "-", *state.Users[0].JobName)
	require.Equal(t, "Null", *state.Users[0].LastName)
	require.ErrorContains(t, (&provision.State{Users: []provision.User{{User: "ann", JobName: new("NULL")}}}).WriteCSV(new(strings.Builder)), `users[0] (ann), jobName: "NULL" stands for no value in CSV`)
}

// What a program has done to a cell is told, and not taken for a value.
func TestSpoiledCells(t *testing.T) {
	t.Parallel()
	const (
		lost     = "a letter was lost when the file was saved, or the file is cut off: type it again"
		formula  = "this is a formula, not what it shows: save the values"
		rounded  = "a spreadsheet has rounded this number: format the column as text, and enter it again"
		password = "a spreadsheet has made something else of this password: format the column as text, and enter it again"
		garbled  = "letters were garbled when the file was saved or opened: type them again, and save the file as CSV UTF-8"
	)
	for cell, want := range map[string]string{
		"displayName Zo\ufffd Mueller": lost + ": \"Zo\ufffd Mueller\"", "password p\ufffd": lost, "groups sales;Z\ufffdrich": lost + ": \"Z\ufffdrich\"",
		`displayName "=VLOOKUP(A2;B:C;2)"`: formula, `jobName "=HYPERLINK(""x"")"`: formula, "user =1+1": formula, "groups sales;=cmd": formula, "extension =B2": formula,
		`password "=""0123"""`: password, "password 1.23457E+11": password, "user 1.23E+05": rounded + `: "1.23E+05"`,
		"jobName Zo\u00c3\u00ab": garbled + ": \"Zo\u00c3\u00ab\"", "displayName M\u00c3\u00bcller": garbled + ": \"M\u00c3\u00bcller\"", "officeName It\u00e2\u20ac\u2122s": garbled + ": \"It\u00e2\u20ac\u2122s\"",
		"user d\u00a0d":                         "holds an invisible character, U+00A0 (no-break space): type it again: \"d\\u00a0d\"",
		"email a\u00a0b@example.com":            "holds an invisible character, U+00A0 (no-break space): type it again: \"a\\u00a0b@example.com\"",
		"groups a\u3000b":                       "holds an invisible character, U+3000 (ideographic space): type it again: \"a\\u3000b\"",
		"mobile 2026-01-02":                     `not a phone number: "2026-01-02"`,
		"mobile --1--":                          `not a phone number: "--1--"`,
		"mobile 1":                              `not a phone number: "1"`,
		"jobName " + strings.Repeat("x", 1001):  "too long: 1001 characters, and at most 1000 are allowed: \"" + strings.Repeat("x", 40) + "…\"",
		"password " + strings.Repeat("x", 1001): "too long: 1001 characters, and at most 1000 are allowed",
	} {
		column, cell, _ := strings.Cut(cell, " ")
		file := column + "\n" + cell + "\n"
		if column != "user" {
			file = "user," + column + "\nann," + cell + "\n"
		}
		state, err := provision.ReadCSV(strings.NewReader(file), nil)
		require.NoError(t, err)
		require.Equal(t, []string{"line 2, " + column + ": " + want}, problems(t, state), file)
	}
	for cell, want := range map[string]string{
		"Ann\u00a0Smith": "Ann Smith", "山田\u3000太郎": "山田 太郎", "'=Ann": "=Ann", `"=""Ann"""`: "Ann", "Ångström": "Ångström", "Él «Ann»": "Él «Ann»", "Ânne": "Ânne",
	} {
		state, err := provision.ReadCSV(strings.NewReader("user,displayName\nann,"+cell+"\n"), nil)
		require.NoError(t, err)
		require.Empty(t, problems(t, state), cell)
		require.Equal(t, want, state.Users[0].DisplayName)
	}

	state, err := provision.ReadCSV(strings.NewReader("user,password,groups\nann,hunter\u200b2,\nben,hunter2\n"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"line 2, password: holds an invisible character, U+200B (zero width space): type it again"}, problems(t, state))
	require.NotNil(t, state.Users[0].Groups)
	require.Nil(t, state.Users[1].Groups, "the row ends before")

	// A file in UTF-16 that is cut in a letter, or has half of one.
	for _, cut := range []string{"\xff\xfeu\x00s\x00e\x00r\x00\n\x00b\x003\x000", "\xff\xfeu\x00s\x00e\x00r\x00\n\x00b\x00\x00\xd8x\x00"} {
		state, err := provision.ReadCSV(strings.NewReader(cut), nil)
		require.NoError(t, err)
		require.Len(t, problems(t, state), 1)
		require.Contains(t, problems(t, state)[0], "line 2, user: "+lost)
	}
}

// A state that was written in Go is held to the same.
func TestTextsOfStates(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 1001)
	s := &provision.State{
		Users:           []provision.User{{User: "a\x1bb", DisplayName: long, JobName: new("a\x7f"), Groups: []string{long}, Password: infinitysip.NewSecret("hunter2\x1b"), PIN: infinitysip.NewSecret(strings.Repeat("1", 1001))}},
		Groups:          []provision.Group{{Name: long, Members: []string{"a\x1bb"}}},
		Devices:         []provision.Device{{MACAddress: "00:00:5E:00:53:01", Name: new("a\tb")}},
		TrustedNetworks: []provision.TrustedNetwork{{Network: "0.0.0.0/0", Description: &long}, {Network: "::/0"}, {Network: "10.0.0.0/8"}},
	}
	got := problems(t, s)
	const tooLong = ": too long: 1001 characters, and at most 1000 are allowed"
	cut := ": \"" + strings.Repeat("é", 40) + "…\""
	require.ElementsMatch(t, []string{
		`users[0] ("a\x1bb"), user: holds a control character, U+001B: "a\x1bb"`,
		`users[0] ("a\x1bb"), displayName` + tooLong + cut,
		`users[0] ("a\x1bb"), jobName: holds a control character, U+007F: "a\x7f"`,
		`users[0] ("a\x1bb"), groups` + tooLong + cut,
		`users[0] ("a\x1bb"), password: holds a control character, U+001B`,
		`users[0] ("a\x1bb"), pin` + tooLong,
		`groups[0] (` + "\"" + strings.Repeat("é", 40) + "…\"" + `), groupName` + tooLong + cut,
		`groups[0] (` + "\"" + strings.Repeat("é", 40) + "…\"" + `), members: holds a control character, U+001B: "a\x1bb"`,
		`devices[0] (00:00:5E:00:53:01), pbxDeviceName: holds a control character, U+0009: "a\tb"`,
		`trustedNetworks[0] (0.0.0.0/0), description` + tooLong + cut,
		`trustedNetworks[0] (0.0.0.0/0), network: this trusts every address there is: "0.0.0.0/0"`,
		`trustedNetworks[1] (::/0), network: this trusts every address there is: "::/0"`,
	}, got)
	require.NotContains(t, strings.Join(got, ""), "hunter2")
}
