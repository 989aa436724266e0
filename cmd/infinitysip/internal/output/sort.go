package output

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// order returns what compares two rows by columns; nil if there are none.
func order(columns []column, by []string) (func(a, b any) int, error) {
	var (
		compares []func(a, b any) int
		problems []error
	)
	for _, name := range by {
		name, backwards := strings.CutPrefix(strings.TrimSpace(name), "-")
		c, err := find(columns, "--sort", name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		compares = append(compares, func(a, b any) int {
			x, y := c.value(a), c.value(b)
			switch {
			case x == y:
				return 0
			case x == "": // at the end either way
				return 1
			case y == "":
				return -1
			case backwards:
				return natural(y, x)
			}
			return natural(x, y)
		})
	}
	if len(compares) == 0 || problems != nil {
		return nil, errors.Join(problems...)
	}
	return func(a, b any) int {
		for _, compare := range compares {
			if c := compare(a, b); c != 0 {
				return c
			}
		}
		return 0
	}, nil
}

// sorted holds all rows and sorts them. Equal ones stay in their order.
func sorted(rows rowSeq, by func(a, b any) int) (rowSeq, error) {
	var all []any
	for row, err := range rows.held {
		if err != nil {
			return rows, err
		}
		all = append(all, row)
	}
	slices.SortStableFunc(all, by)
	return rowSeq{shown: func(yield func(any, error) bool) {
		for _, row := range all {
			if !yield(row, nil) {
				return
			}
		}
	}}, nil
}

// natural compares texts as people do: the numbers in them as numbers, and letters
// without their case, unless nothing else tells them apart.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		m, n := digits(x), digits(y)
		switch {
		case m > 0 && n > 0:
			p, q := strings.TrimLeft(x[:m], "0"), strings.TrimLeft(y[:n], "0")
			if c := cmp.Or(cmp.Compare(len(p), len(q)), strings.Compare(p, q)); c != 0 {
				return c
			}
			x, y = x[m:], y[n:]
		case m > 0:
			return -1
		case n > 0:
			return 1
		default:
			r, i := first(x)
			s, j := first(y)
			if c := cmp.Compare(r, s); c != 0 {
				return c
			}
			x, y = x[i:], y[j:]
		}
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(a, b))
}

// digits is how many digits a text begins with.
func digits(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// first is the first character of a text, in lower case, and its length.
func first(text string) (rune, int) {
	r, size := utf8.DecodeRuneInString(text)
	return unicode.ToLower(r), size
}
