package verify_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/verify"
)

// list is a server's list of so many rows, and its habits.
type list struct {
	rows, cut                int // cut: the most rows in an answer; 0: any number
	ignoresOffset, noOffsets bool
	shrinks, grows           int // rows that go at the beginning, and come at the end, after the first answer
}

func (l list) read(t *testing.T, reads *int) func(int) ([]verify.Row, error) {
	t.Helper()
	return func(offset int) (page []verify.Row, err error) {
		if *reads++; offset > 0 && l.noOffsets {
			return nil, fmt.Errorf("400: %w", verify.ErrNoOffset)
		}
		if l.ignoresOffset {
			offset = 0
		}
		first, last := 0, l.rows
		if *reads > 1 {
			first, last = l.shrinks, l.rows+l.grows
		}
		for id := first + offset + 1; id <= last && (l.cut == 0 || len(page) < l.cut); id++ {
			page = append(page, row(t, fmt.Sprintf(`{"id":"%d","name":"x"}`, id)))
		}
		return page, nil
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		list  list
		whole bool
		reads int
	}{
		"none":                                   {list{}, true, 1},
		"one":                                    {list{rows: 1}, true, 2},
		"a round number, and none after":         {list{rows: 100}, true, 2},
		"cut, and the rest comes":                {list{rows: 250, cut: 100}, true, 4},
		"the most":                               {list{rows: 300}, false, 1},
		"more than the most, in pieces":          {list{rows: 400, cut: 100}, false, 4},
		"no offset, an odd number":               {list{rows: 99, ignoresOffset: true}, true, 2},
		"no offset, a number at which lists end": {list{rows: 100, ignoresOffset: true}, false, 2},
		"no offset, cut at 250":                  {list{rows: 280, cut: 250, ignoresOffset: true}, false, 2},
		"cut, and one goes":                      {list{rows: 101, cut: 100, shrinks: 1}, true, 2},
		"cut, and more go, so it is read again":  {list{rows: 101, cut: 100, shrinks: 3}, true, 4},
		"one comes":                              {list{rows: 99, grows: 1}, true, 3},
		"one comes to one, no offset":            {list{rows: 1, grows: 1, ignoresOffset: true}, true, 3},
		"one comes, no offset":                   {list{rows: 98, grows: 1, ignoresOffset: true}, true, 2},
		"offsets refused, an odd number":         {list{rows: 99, noOffsets: true}, true, 2},
		"offsets refused, cut at 128":            {list{rows: 200, cut: 128, noOffsets: true}, false, 2},
	} {
		reads := 0
		all, err := verify.Whole(300, verify.Same, test.list.read(t, &reads))
		require.Equal(t, test.reads, reads, name)
		if !test.whole {
			require.ErrorContains(t, err, "which may not be all", name)
			require.Empty(t, all, name)
			continue
		}
		require.NoError(t, err, name)
		if test.list.shrinks < 2 {
			require.Len(t, all, test.list.rows+test.list.grows, name)
		}
		if len(all) > 0 {
			require.EqualValues(t, test.list.rows+test.list.grows, all[len(all)-1].ID([]string{"id"}), name)
		}
	}

	// Rows that go each time, and rows in another order each time, come to an end.
	reads, left := 0, 100
	_, err := verify.Whole(300, verify.Same, func(offset int) ([]verify.Row, error) {
		reads++
		left -= 2
		return list{rows: left}.read(t, new(int))(offset)
	})
	require.ErrorContains(t, err, "which may not be all")
	require.Equal(t, 11, reads)
	reads = 0
	_, err = verify.Whole(300, verify.Same, func(int) ([]verify.Row, error) {
		if reads++; reads%2 == 0 {
			return []verify.Row{row(t, `{"id":"1"}`), row(t, `{"id":"2"}`), row(t, `{"id":"3"}`)}, nil
		}
		return []verify.Row{row(t, `{"id":"3"}`), row(t, `{"id":"1"}`), row(t, `{"id":"2"}`)}, nil
	})
	require.NoError(t, err)
	require.Equal(t, 2, reads)

	down := errors.New("503")
	for fails := range 2 {
		reads := 0
		_, err := verify.Whole(300, verify.Same, func(offset int) ([]verify.Row, error) {
			if reads++; reads > fails {
				return nil, down
			}
			return []verify.Row{row(t, `{"id":"1"}`)}, nil
		})
		require.ErrorIs(t, err, down)
	}
}

// A row that comes before those that were read moves them, which is not to know no
// offset.
func TestWholeWhereOneComesAtTheBeginning(t *testing.T) {
	t.Parallel()
	reads := 0
	all, err := verify.Whole(300, verify.Same, func(offset int) ([]verify.Row, error) {
		list := []verify.Row{row(t, `{"id":"1"}`), row(t, `{"id":"2"}`), row(t, `{"id":"3"}`), row(t, `{"id":"4"}`)}
		if reads++; reads > 1 {
			list = append([]verify.Row{row(t, `{"id":"9"}`)}, list...)
		}
		return list[offset:], nil
	})
	require.NoError(t, err)
	require.Len(t, all, 5)
}
