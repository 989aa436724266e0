package provision

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a plan must know of the rows that were left out, so that Prune deletes nobody who
// is in one of them.
func TestWhoWasSkipped(t *testing.T) {
	t.Parallel()
	read := func(file string, opts CSVOptions) *State {
		opts.SkipBad = true
		s, err := ReadCSV(strings.NewReader(file), &opts)
		require.NoError(t, err)
		return s
	}
	s := read("user,extension,mac,password\n"+
		"Zoe\u0308,x,001565-abcd01,hunter2\n"+ // another spelling of zoë
		",0102,00:15:65:AB:CD:02,hunter2\n"+ // nobody
		"kim\u200b,0103,,hunter2\n"+ // perhaps kim
		"ann,0104,00:15:65,hunter2\n"+ // a device that cannot be told
		"ben,\"ext 0105,,hunter2\n"+
		"good,0107,,hunter2\n", CSVOptions{})
	require.Len(t, s.Users, 1)
	require.True(t, s.skippedNoDevice())
	l := newLeft(s)
	for _, there := range []string{"zo\u00eb", "ZOË", "00:15:65:AB:CD:01", "0102", "00:15:65:AB:CD:02", "kim", "ann"} {
		require.True(t, l.has(there), there)
	}
	require.False(t, l.has("eve", "0107", "good", "hunter2", ""))
	require.True(t, l.unnamed(s), "the row of ben")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", s, s, *s), "ext 0105")

	one := read("user,displayName,extension\n,Kim Lee,x\n", CSVOptions{})
	l = newLeft(one)
	require.True(t, l.unnamed(one))
	require.True(t, l.has("kim", "KIM  LEE"))
	require.False(t, l.unnamed(one), "it is the row of Kim Lee")

	other := read("user,extension\nbob,x\n,1\n", CSVOptions{EmergencyNumbers: true})
	all := Merge(nil, s, &State{Groups: []Group{}}, other)
	l = newLeft(all)
	require.True(t, l.has("bob"))
	require.True(t, l.has("ann"))
	require.True(t, all.skippedNoDevice())
	require.Len(t, all.Skipped(), len(s.Skipped())+len(other.Skipped()))
	require.True(t, all.EmergencyNumbers)
	require.False(t, newLeft(s).has("bob"), "Merge changed one of its states")
}

func TestMayHaveLostZero(t *testing.T) {
	t.Parallel()
	sheet, err := ReadCSV(strings.NewReader("user,extension\nann,201\n"), nil)
	require.NoError(t, err)
	require.True(t, sheet.Users[0].mayHaveLostZero())
	sheet, err = ReadCSV(strings.NewReader("user,extension\nann,201\n"), &CSVOptions{NumbersAsWritten: true})
	require.NoError(t, err)
	require.False(t, sheet.Users[0].mayHaveLostZero())
	json, err := ReadJSON(strings.NewReader(`{"users":[{"user":"ann"}]}`))
	require.NoError(t, err)
	require.False(t, json.Users[0].mayHaveLostZero())
	require.False(t, (&User{}).mayHaveLostZero())
}

func TestFold(t *testing.T) {
	t.Parallel()
	require.Equal(t, fold("zoe\u0308"), fold("ZO\u00cb"))
	require.NotEqual(t, fold("zoe"), fold("zo\u00eb"))
}

func TestEmergency(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{"999": true, "112": true, "911": true, "9990": true, "9999": true, "1125": true, "911*": true,
		"": false, "99": false, "998": false, "99900": false, "0999": false, "9989": false, "1999": false, "0112": false} {
		require.Equal(t, want, emergency(number), number)
	}
}

func TestGroupHint(t *testing.T) {
	t.Parallel()
	require.Equal(t, ": groups are separated by semicolons", groupHint("sales,support"))
	require.Equal(t, ": groups are separated by semicolons", groupHint("sales|support"))
	require.Empty(t, groupHint("salse"))
}
