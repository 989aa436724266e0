package provision_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// shownOf is all that anybody sees of a file: messages, and the rows that were skipped.
func shownOf(t *testing.T, file string) string {
	t.Helper()
	var out bytes.Buffer
	for _, skip := range []bool{false, true} {
		state, err := provision.ReadCSV(strings.NewReader(file), &provision.CSVOptions{SkipBad: skip})
		require.NoError(t, err)
		fmt.Fprintln(&out, state.Check(), state.Skipped())
		require.NoError(t, state.WriteSkipped(&out))
		state.Users, state.Devices = nil, nil
		fmt.Fprintf(&out, "%v %+v %#v", state, state, *state)
	}
	return out.String()
}

// Where columns are shifted, a password stands in another one.
func TestShiftedColumnsShowNoSecret(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"user,displayName,extension,pin,password,email\nann,Ann,Smith,201,864213579,S3CRETpw\n",
		"user,displayName,password,extension\nann,Ann,201,S3CRETpw\n",
		"user,displayName,extension,email,pin,password,mobile\nann,Smith, Ann,201,ann@x.com,864213579,S3CRETpw\n",
		"user,displayName,extension,password,mac\nann,Ann,201,,S3CRETpw\n",
		"user,displayName,extension,password,dashboard,ukPhoneId\nann,Ann,201,,S3CRETpw,\nben,Ben,202,,,S3CRETpw\n",
		"password,user,displayName,extension,email\nx,S3CRETpw,ann,Ann,201\nx,S3CRETpw,ann,Ann,201\n",
	} {
		out := shownOf(t, file)
		require.NotContains(t, out, "S3CRET", file)
		require.NotContains(t, out, "864213579", file)
		require.Contains(t, out, "line 2", file)
	}

	// A slip of the hand is shown all the same.
	out := shownOf(t, "user,displayName,extension,email,mobile,mac,dashboard,password\n"+
		"ann,Ann,2o1,,,,,hunter2\nben,Ben,202,ben@@example.com,,,,hunter2\ncat,Cat,203,,07700..900123,,,hunter2\ndan,Dan,204,,,00:00:5E:00:53:0G,,hunter2\neve,Eve,205,,,,x,hunter2\n")
	for _, want := range []string{`"2o1"`, `"ben@@example.com"`, `"07700..900123"`, `"00:00:5E:00:53:0G"`, `"x"`, "\nann,Ann,2o1,", "\nben,Ben,202,ben@@example.com,"} {
		require.Contains(t, out, want)
	}
}

// Cells that are lost or too many, anywhere in a row, show no password.
func TestLostCellsShowNoSecret(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		header := []string{"user", "displayName", "extension", "email", "mac", "mobile", "pin", "password"}
		cells := []string{"ann", "Ann Smith", "0201", "ann@example.com", "00:00:5E:00:53:01", "07700 900123", "8642135798642135798", "S3CRETpw"}
		order := r.Perm(len(header))
		var names, row []string
		for _, i := range order {
			names, row = append(names, header[i]), append(row, cells[i])
		}
		switch at := r.IntN(len(row)); r.IntN(2) {
		case 0:
			row = append(slices.Delete(row, at, at+1), "")
		case 1:
			row = slices.Insert(row, at, "x")[:len(row)]
		}
		file := strings.Join(names, ",") + "\n" + strings.Join(row, ",") + "\n"
		out := shownOf(t, file)
		require.NotContains(t, out, "S3CRET", file)
	}
}
