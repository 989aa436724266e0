package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrNoOffset is the error of a read that the server refuses because of its offset.
var ErrNoOffset = errors.New("the server refuses an offset")

// listCaps are the lengths at which servers are known to cut lists.
var listCaps = []int{20, 25, 50, 100, 128, 200, 250, 256, 500, 512, 1000, 1024, 2000, 2048, 2500, 4096, 5000, 8192}

// Whole reads all rows of a list. It fails if the server may have left some out,
// which no server says. So it asks for the rows from the last one on. If that one comes
// alone, the list is whole. If none comes, rows were deleted meanwhile, and others may
// have moved to where nothing looked: so it begins again. A server that knows no offset
// repeats the list. Then that is whole, unless it is as long as servers cut them. A list
// of most rows proves nothing.
func Whole(most int, read func(offset int) ([]Row, error)) ([]Row, error) {
	all, err := read(0)
	for tries := 5; err == nil && len(all) > 0 && len(all) < most && tries > 0; {
		var more []Row
		switch more, err = read(len(all) - 1); {
		case errors.Is(err, ErrNoOffset):
			return unlessCut(all)
		case err != nil:
		case len(more) == 0:
			tries--
			all, err = read(0)
		case repeats(all, more):
			if more, err := unlessCut(more); err == nil {
				return more, nil
			}
			return unlessCut(all)
		case len(more) == 1:
			return join(all, more), nil
		default:
			all = join(all, more)
		}
	}
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return nil, mayBeCut(len(all))
}

// repeats reports whether more are not the rows from the last of all on, but others
// of all again.
func repeats(all, more []Row) bool {
	return has(all[:len(all)-1], more[0]) || len(more) > 1 && has(all, more[len(more)-1])
}

func has(all []Row, row Row) bool {
	return slices.ContainsFunc(all, func(one Row) bool { return sameRow(one, row) })
}

// join puts more rows after all, of which the last may be the first of more.
func join(all, more []Row) []Row {
	if sameRow(all[len(all)-1], more[0]) {
		more = more[1:]
	}
	return append(all, more...)
}

func unlessCut(all []Row) ([]Row, error) {
	if slices.Contains(listCaps, len(all)) {
		return nil, mayBeCut(len(all))
	}
	return all, nil
}

func mayBeCut(rows int) error { return fmt.Errorf("%d rows, which may not be all", rows) }

func sameRow(a, b Row) bool {
	return maps.EqualFunc(a.Extra, b.Extra, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}
