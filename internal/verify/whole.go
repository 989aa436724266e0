package verify

import (
	"errors"
	"fmt"
	"slices"
)

// ErrNoOffset is the error of a read that the server refuses because of its offset.
var ErrNoOffset = errors.New("the server refuses an offset")

// listCaps are the lengths at which servers are known to cut lists.
var listCaps = []int{20, 25, 50, 100, 128, 200, 250, 256, 500, 512, 1000, 1024, 2000, 2048, 2500, 4096, 5000, 8192}

// Whole reads all rows of a list. same reports whether two rows have the same id. Whole
// fails if the server may have left some out, which no server says. So it asks for the
// rows from the last one on. If that one comes alone, the list is whole. If none comes,
// or those before it come too, rows were deleted or inserted meanwhile, and others may
// have moved to where nothing looked: so it begins again. A server that knows no offset
// repeats the list. Then that is whole, unless it is as long as servers cut them. A list
// of most rows proves nothing.
func Whole[R any](most int, same func(a, b R) bool, read func(offset int) ([]R, error)) ([]R, error) {
	all, err := read(0)
	for tries := 5; err == nil && len(all) > 0 && len(all) < most && tries > 0; {
		var more []R
		switch more, err = read(len(all) - 1); {
		case errors.Is(err, ErrNoOffset):
			return unlessCut(all)
		case err != nil:
		case len(more) == 0:
			tries--
			all, err = read(0)
		case repeats(all, more, same) && len(more) < len(all) && !same(all[0], more[0]):
			tries--
			all, err = read(0) // rows came before these meanwhile
		case repeats(all, more, same):
			if more, err := unlessCut(more); err == nil {
				return more, nil
			}
			return unlessCut(all)
		case len(more) == 1:
			return join(all, more, same), nil
		default:
			all = join(all, more, same)
		}
	}
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return nil, mayBeCut(len(all))
}

// repeats reports whether more are not the rows from the last of all on, but others
// of all again.
func repeats[R any](all, more []R, same func(a, b R) bool) bool {
	has := func(all []R, row R) bool {
		return slices.ContainsFunc(all, func(one R) bool { return same(one, row) })
	}
	return has(all[:len(all)-1], more[0]) || len(more) > 1 && has(all, more[len(more)-1])
}

// join puts more rows after all, of which the last may be the first of more.
func join[R any](all, more []R, same func(a, b R) bool) []R {
	if same(all[len(all)-1], more[0]) {
		more = more[1:]
	}
	return append(all, more...)
}

func unlessCut[R any](all []R) ([]R, error) {
	if slices.Contains(listCaps, len(all)) {
		return nil, mayBeCut(len(all))
	}
	return all, nil
}

func mayBeCut(rows int) error { return fmt.Errorf("%d rows, which may not be all", rows) }
