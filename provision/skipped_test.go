package provision_test

import (
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// Whoever is in a row that was skipped is not deleted, in whichever column, and where
// nobody can tell who that is, nobody is.
func TestSkippedRowsProtect(t *testing.T) {
	t.Parallel()
	const header = "user,displayName,extension,groups,mac,email\n"
	a := newAcme(t)
	a.become(t, &provision.State{
		Users: []provision.User{
			{User: "ann", DisplayName: "Ann Smith", ExtensionNumber: "0201"},
			{User: "bob", DisplayName: "Bob Jones", ExtensionNumber: "0202", Email: new("bob@example.com")},
		},
		Groups:  []provision.Group{{Name: "support", ExtensionNumber: "0600"}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("bob")}},
	})
	const ann = "ann,Ann Smith,0201,,00:00:5E:00:53:01,\n"
	opts := &provision.PlanOptions{Prune: true, MaxDeletes: 9}
	read := func(text string, opts provision.CSVOptions) *provision.State {
		opts.SkipBad = true
		state, err := provision.ReadCSV(strings.NewReader(text), &opts)
		require.NoError(t, err)
		require.NotEmpty(t, state.Skipped(), text)
		return state
	}
	for name, row := range map[string]string{
		"his name is lost":            "Bob Jones,0202,support,00:00:5E:00:53:02\n",
		"another column before":       "7,bob,Bob Jones,support\n",
		"misspelled":                  "b0b,bob  JONES,02o2,support,,\n",
		"his number alone":            ",B. Jones,0202,,,x\n",
		"his address alone":           ",B. Jones,02o2,,,Bob@example.com\n",
		"his phone alone":             ",B. Jones,02o2,,00-00-5e-00-53-02,\n",
		"too many values":             "bob,Bob, Jones,0202,support,00:00:5E:00:53:02,\n",
		"within the row of another":   "cat,\"Cat\nbob\",0203,,,\n",
		"with a character in between": "bo\u200bb,B,02o2,,,\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := read(header+ann+row, provision.CSVOptions{})
			require.Equal(t, lines("! user bob, device 00:00:5E:00:53:02: its row in the file has a problem and was skipped: it is left alone"), a.plan(t, state, opts).String())
		})
	}
	for name, test := range map[string]struct {
		row  string
		opts provision.CSVOptions
	}{
		"nobody known":               {",Rob Johnes,02o2,support,,\n", provision.CSVOptions{}},
		"the number of another":      {",Rob Johnes,0201,support,,\n", provision.CSVOptions{}},
		"a row in a value":           {"cat,\"Cat\nrob,Rob,0203,,\",0203,,,\n", provision.CSVOptions{}},
		"a row in an ignored column": {"cat,Cat,0203,,,,\"on leave\nrob,Rob Johnes,0202,support,,,back\"\n", provision.CSVOptions{Columns: map[string]string{"notes": ""}}},
		"a name that is cleared":     {"-,Rob Johnes,0208,,,\n", provision.CSVOptions{Clear: "-"}},
		"a name that is none":        {"#N/A,Rob Johnes,0208,,,\n", provision.CSVOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := header + ann + test.row
			if strings.Contains(name, "ignored") {
				text = strings.Replace(header, "\n", ",notes\n", 1) + ann + test.row
			}
			require.Equal(t, []string{"rows of the file were skipped that do not say whose they are, so pruning could delete users who are in the file: mend these rows"},
				a.problems(t, read(text, test.opts), opts))
		})
	}

	// A new user whose row is bad protects nobody.
	require.Contains(t, a.plan(t, read(header+ann+"cat,Cat,02o3,,,\n", provision.CSVOptions{}), opts).String(), "- user bob")
}

// A quotation mark too many hides rows in a column that is ignored.
func TestRowsInAValue(t *testing.T) {
	t.Parallel()
	const header = "user,displayName,extension,groups,mac,notes\n"
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"a row": {header + "ann,Ann Smith,0201,sales,00:00:5E:00:53:01,\"on leave\nbob,Bob Jones,0202,support,00:00:5E:00:53:02,back\"\ncat,Cat Lee,0203,sales,00:00:5E:00:53:03,\n",
			[]string{"line 2, notes: a value over 2 lines that looks like rows: is there a quotation mark too many?"}},
		"rows": {header + "ann,Ann,0201,,,\"on leave\nbob,Bob,0202,,,\neve,Eve,0203,,,back\"\n",
			[]string{"line 2, notes: a value over 3 lines that looks like rows: is there a quotation mark too many?"}},
		"in the middle": {"user,notes,displayName,extension\nann,\"x,Ann,0201\nbob,y\",Bob,0202\n",
			[]string{"line 2, notes: a value over 2 lines that looks like rows: is there a quotation mark too many?"}},
		"an address":  {header + "ann,Ann,0201,,,\"1 High St,\nLeeds, West Yorkshire, LS1 1AA, UK, Europe, Earth\"\n", nil},
		"a long note": {header + "ann,Ann,0201,,,\"Called, again,\nand said, that, she, would, come, tomorrow, 9\"\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state, err := provision.ReadCSV(strings.NewReader(test.file), &provision.CSVOptions{IgnoreUnknown: true})
			require.NoError(t, err)
			require.Equal(t, test.want, problems(t, state))
		})
	}
}
