package verify_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/verify"
)

// like tells a text by its first letter.
func like(text *string) verify.Likeness {
	return map[byte]verify.Likeness{'-': verify.Unsaid, 'o': verify.Other, 'u': verify.Unclear, 'a': verify.Alike, 'e': verify.Exact}[(*text)[0]]
}

func TestPick(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		list, want, part []string // want: of a whole list; part: of one that is not
		err              string   // of a whole list
	}{
		{},
		{list: []string{"e1", "a1", "e2", "o"}, want: []string{"e1", "e2"}, part: []string{"e1", "e2"}},
		{list: []string{"a1", "a2"}, want: []string{"a1", "a2"}, part: []string{"a1", "a2"}},
		{list: []string{"a1", "o"}, want: []string{"a1"}},
		{list: []string{"a1", "u", "-"}, err: "1 of the rows say it in a notation that is not known"},
		{list: []string{"o", "-", "-"}},
		{list: []string{"o", "u", "u", "-"}, err: "2 of the rows say it in a notation that is not known"},
		{list: []string{"-", "-"}, err: "no row says it"},
	} {
		got, err := verify.Pick(test.list, true, false, like)
		require.Equal(t, test.want, got, test.list)
		if test.err != "" {
			require.EqualError(t, err, test.err)
		} else {
			require.NoError(t, err, test.list)
		}
		got, err = verify.Pick(test.list, false, false, like)
		require.NoError(t, err)
		require.Equal(t, test.part, got, test.list)
	}
}

// A filter that knows some notations alone may have left out the exact row.
func TestPickStrictly(t *testing.T) {
	t.Parallel()
	got, err := verify.Pick([]string{"a1"}, false, true, like)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = verify.Pick([]string{"a1", "e1"}, false, true, like)
	require.NoError(t, err)
	require.Equal(t, []string{"e1"}, got)
	got, err = verify.Pick([]string{"a1"}, true, true, like)
	require.NoError(t, err)
	require.Equal(t, []string{"a1"}, got)
}

func TestLookUp(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	gives := func(list []string, err error) func() ([]string, error) {
		return func() ([]string, error) { return list, err }
	}
	take := func(list []string, whole bool) ([]string, error) { return verify.Pick(list, whole, false, like) }
	for name, test := range map[string]struct {
		prove           bool
		filtered, whole func() ([]string, error) // whole: nil if it must not be asked for
		want            []string
		err             error
	}{
		"there":            {true, gives([]string{"e"}, nil), nil, []string{"e"}, nil},
		"not seen":         {false, gives([]string{"o"}, nil), nil, nil, nil},
		"seen in all":      {true, gives([]string{"o"}, nil), gives([]string{"o", "a"}, nil), []string{"a"}, nil},
		"not there":        {true, gives(nil, nil), gives([]string{"o"}, nil), nil, nil},
		"broken":           {true, gives(nil, broken), nil, nil, broken},
		"broken, of all":   {true, gives(nil, nil), gives([]string{"e"}, broken), nil, broken},
		"all is not there": {true, gives([]string{"o"}, nil), gives(nil, nil), nil, nil},
	} {
		got, err := verify.LookUp(test.prove, test.filtered, test.whole, take)
		require.Equal(t, test.err, err, name)
		require.Equal(t, test.want, got, name)
	}
}
