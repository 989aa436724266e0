// Package where reads conditions such as "name begins Lobby" and tells which texts
// meet them. It knows no API.
package where

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Kind says what the texts of a field mean.
type Kind int

// The kinds. Of all but Text an empty text is a field that is not set.
const (
	Text    Kind = iota
	Number       // a whole number
	Flag         // 1 or 0
	Time         // as time.DateTime has it, in UTC
	Network      // as netip.Prefix has it
)

// A Field is what conditions are about.
type Field struct {
	Name  string // what people call it
	Other string // what else it may be called, or ""
	Kind  Kind
}

// An Op is an operator.
type Op int

// The operators.
const (
	Is       Op = iota + 1
	Begins      // the text at the front
	Ends        // the text at the end
	Contains    // the text somewhere
	In          // one of several texts
	Matches     // a regular expression
	Like        // a pattern with * and ?
	Within      // a network that holds the address or the network
	Greater
	GreaterOrEqual
	Less
	LessOrEqual
	IsSet
)

// A Condition is one condition. Its Values are written as the texts of the field are.
type Condition struct {
	Field  int // its place among the fields
	Op     Op
	Not    bool // the opposite
	Fold   bool // case does not matter
	Values []string

	// Day is set where a Time is compared with a whole day, the one that begins with
	// the only value.
	Day bool

	kind    Kind
	re      *regexp.Regexp
	network netip.Prefix
}

// Kind is the kind of the condition's field.
func (c *Condition) Kind() Kind { return c.kind }

// Match reports whether the text of the field meets the condition.
//
// A field that is not set is neither greater nor less than anything, and is equal only
// to the empty text. So it meets "is not" and its like.
func (c *Condition) Match(text string) bool { return c.match(text) != c.Not }

func (c *Condition) match(text string) bool {
	fold := func(s string) string { return s }
	if c.Fold {
		fold = strings.ToLower
	}
	switch c.Op {
	case IsSet:
		return text != ""
	case Matches:
		return c.re.MatchString(text)
	case Like:
		return c.re.MatchString(text)
	case Within:
		return within(c.network, text)
	case In, Is:
		return slices.ContainsFunc(c.Values, func(value string) bool { return c.equal(fold(text), fold(value)) })
	case Begins:
		return strings.HasPrefix(fold(text), fold(c.Values[0]))
	case Ends:
		return strings.HasSuffix(fold(text), fold(c.Values[0]))
	case Contains:
		return strings.Contains(fold(text), fold(c.Values[0]))
	}
	if text == "" {
		return false
	}
	switch order := c.compare(text); c.Op {
	case Greater:
		return order > 0
	case GreaterOrEqual:
		return order >= 0
	case Less:
		return order < 0
	default:
		return order <= 0
	}
}

func (c *Condition) equal(text, value string) bool {
	if c.Day {
		return text != "" && c.compare(text) == 0
	}
	return text == value
}

// compare compares the text of the field with the only value. All times of a day are
// equal to that day.
func (c *Condition) compare(text string) int {
	value := c.Values[0]
	switch c.kind {
	case Time: // texts of one form
		if c.Day {
			return strings.Compare(text[:min(len(text), len(time.DateOnly))], value[:len(time.DateOnly)])
		}
		return strings.Compare(text, value)
	case Network:
		a, err := netip.ParsePrefix(text)
		if b, err2 := netip.ParsePrefix(value); err == nil && err2 == nil {
			return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
		}
	}
	x, aIsNumber := number(text)
	y, bIsNumber := number(value)
	if aIsNumber && bIsNumber {
		if x == y && len(strings.TrimLeft(text, "-0")) > 15 { // beyond what a float tells apart
			return strings.Compare(text, value)
		}
		return cmp.Compare(x, y)
	}
	return strings.Compare(text, value)
}

// number reads -12.5, and nothing fancier.
func number(text string) (float64, bool) {
	digits, _ := strings.CutPrefix(text, "-")
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	if !onlyDigits(whole) || hasFraction && !onlyDigits(fraction) {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}

func onlyDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

func within(network netip.Prefix, text string) bool {
	if addr, err := netip.ParseAddr(text); err == nil {
		return network.Contains(addr)
	}
	inner, err := netip.ParsePrefix(text)
	return err == nil && inner.Bits() >= network.Bits() && network.Contains(inner.Addr())
}

// likeExpression makes a regular expression of a pattern: * is any text, ? any character,
// [abc] and [!abc] a set, and a backslash takes the meaning from the next one.
func likeExpression(pattern string) string {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; {
		case r == '*':
			b.WriteString(".*")
		case r == '?':
			b.WriteByte('.')
		case r == '[' && setEnd(runes[i:]) > 0:
			end := i + setEnd(runes[i:])
			i++
			b.WriteByte('[')
			if runes[i] == '!' || runes[i] == '^' {
				b.WriteByte('^')
				i++
			}
			for ; i < end; i++ {
				if strings.ContainsRune(`\[]^`, runes[i]) || runes[i] == '-' && (i+1 == end) {
					b.WriteByte('\\')
				}
				b.WriteRune(runes[i])
			}
			b.WriteByte(']')
		case r == '\\' && i+1 < len(runes):
			i++
			b.WriteString(regexp.QuoteMeta(string(runes[i])))
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	b.WriteString(`\z`)
	return b.String()
}

// setEnd is the place of the bracket that ends the set at the front, or 0.
func setEnd(runes []rune) int {
	i := 1
	if i < len(runes) && (runes[i] == '!' || runes[i] == '^') {
		i++
	}
	for first := i; i < len(runes); i++ {
		if runes[i] == ']' && i > first {
			return i
		}
	}
	return 0
}
