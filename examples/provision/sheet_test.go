package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// Each flag for spreadsheets makes of a file that is refused one that is read.
func TestSheets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		people string
		flags  []string
	}{
		"comma":              {"user:displayName:extension\nann:Ann:0201\nben:Ben:0202\n", []string{"-comma", ":"}},
		"column":             {"Staff no,displayName,extension\nann,Ann,0201\nben,Ben,0202\n", []string{"-column", "Staff no=user"}},
		"left out":           {"user,displayName,extension,desk\nann,Ann,0201,12\nben,Ben,0202,13\n", []string{"-column", "desk="}},
		"ignore columns":     {"user,displayName,extension,desk,chair\nann,Ann,0201,12,1\nben,Ben,0202,13,2\n", []string{"-ignore-columns"}},
		"numbers as written": {"user,displayName,extension\nann,Ann,201\nben,Ben,0202\n", []string{"-numbers-as-written"}},
		"emergency numbers":  {"user,displayName,extension\nann,Ann,999\nben,Ben,202\n", []string{"-emergency-numbers"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			code, _, stderr := b.run(t, test.people)
			require.Equal(t, exitError, code)
			require.Contains(t, stderr, "staff.csv", "which file")
			require.Contains(t, stderr, "\nNothing was changed.")
			if len(test.flags) > 0 && test.flags[0] != "-comma" {
				require.Contains(t, stderr, test.flags[0], "it says how to say so")
			}
			require.Empty(t, b.Requests())

			code, _, stderr = b.run(t, test.people, test.flags...)
			require.Equal(t, exitDone, code, stderr)
			require.Len(t, b.Users(b.domain), 2)
		})
	}
}

// Rows that are left out are written to a file, which is read once it is mended, and
// who is in them is not deleted.
func TestSkipBad(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	bad := filepath.Join(b.dir, "bad.csv")
	good := header + "ann,Ann,201,,,,,,\nben,Ben,202,,,,,,\n"
	code, stdout, stderr := b.run(t, good, "-skip-bad", bad)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "Nothing was left out of ")
	require.NoFileExists(t, bad)

	code, stdout, stderr = b.run(t, header+"ann,Ann,201,,,,,,\nben,Ben,2o2,ben@@example.com,,,,,\ncarl,Carl,203,,,,,,\n", "-skip-bad", bad, "-prune", "-max-deletes", "50%")
	require.Equal(t, exitChanges, code, "there are rows to mend: %s", stderr)
	require.Contains(t, stdout, "staff.csv: 1 row. They are in "+bad)
	require.Contains(t, stdout, "Mend the rows in "+filepath.Join(b.dir, "staff.csv")+" itself, and run the same again.")
	require.NotContains(t, stdout, "-csv", "with -prune that would delete all others")
	require.Len(t, b.Users(b.domain), 3)
	text, err := os.ReadFile(bad)
	require.NoError(t, err)
	require.Contains(t, string(text), "2o2")
	require.NotContains(t, string(text), "carl")

	code, stdout, stderr = b.run(t, good+"carl,Carl,203,,,,,,\n", "-skip-bad", bad)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, bad+" is of an earlier run.")
}

// A cell with the text of -clear empties what is there; an empty one does not.
func TestClear(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	for _, step := range []struct{ mobile, want string }{{"07700900101", "07700900101"}, {"", "07700900101"}, {"-", ""}} {
		code, _, stderr := b.run(t, header+"ann,Ann,201,,,,"+step.mobile+",,\n", "-clear", "-")
		require.Equal(t, exitDone, code, stderr)
		require.Equal(t, step.want, b.Users(b.domain)[0].MobileNumber)
	}
}
