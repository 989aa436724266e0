package verify

import (
	"errors"
	"fmt"
)

// Likeness tells how like the text of a row is to one that is looked for.
type Likeness int

// The likenesses.
const (
	Unsaid  Likeness = iota // the row has no text
	Other                   // it is another one
	Unclear                 // it may be the one, in a notation that is not known
	Alike                   // it is the one, but for what does not matter
	Exact
)

// LookUp gives the rows that pass a filter to take and, if that takes none and prove
// is set, all rows. take is told whether a list is whole.
func LookUp[R, M any](prove bool, filtered, whole func() ([]R, error), take func(list []R, whole bool) ([]M, error)) ([]M, error) {
	list, err := filtered()
	if err != nil {
		return nil, err
	}
	if found, err := take(list, false); err != nil || len(found) > 0 || !prove {
		return found, err
	}
	if list, err = whole(); err != nil {
		return nil, err
	}
	return take(list, true)
}

// Pick returns the rows that are exact, or else those that are alike. A list that is not
// whole may hide the exact one: if it has others in it, or the filter knows only some
// notations, so that strict is set. Then none is picked that is only alike. The error of
// Pick is that a whole list without one does not tell whether there is one.
func Pick[R any](list []R, whole, strict bool, like func(*R) Likeness) ([]R, error) {
	var rows [Exact + 1][]R
	for i := range list {
		if how := like(&list[i]); how != Other {
			rows[how] = append(rows[how], list[i])
		}
	}
	switch {
	case len(rows[Exact]) > 0:
		return rows[Exact], nil
	case !whole && (strict || len(rows[Alike]) < len(list)):
		return nil, nil
	case len(rows[Unclear]) > 0:
		return nil, fmt.Errorf("%d of the rows say it in a notation that is not known", len(rows[Unclear]))
	case len(rows[Alike]) > 0:
		return rows[Alike], nil
	case len(list) > 0 && len(rows[Unsaid]) == len(list):
		return nil, errors.New("no row says it")
	}
	return nil, nil
}
