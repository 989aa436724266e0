package siptest

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// How PHP reads a form or a query, and how it writes JSON. Do not use Go's own
// packages here: they differ from PHP in details.

// A pair is one name=value, URL-decoded.
type pair struct{ name, value string }

// splitPairs splits a form or a query at its ampersands.
func splitPairs(raw string) []pair {
	var pairs []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, pair{urlDecode(name), urlDecode(value)})
	}
	return pairs
}

func pairValues(pairs []pair) url.Values {
	values := url.Values{}
	for _, p := range pairs {
		values[p.name] = append(values[p.name], p.value)
	}
	return values
}

// urlDecode is PHP's urldecode. A percent sign stays if no escape follows it.
func urlDecode(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			out = append(out, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			out = append(out, byte(n))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// A param is a variable of PHP: a text, or an array of texts. The items of an
// array are in the order in which their keys came.
type param struct {
	name    string
	isArray bool
	text    string
	items   []string
	keys    []string       // one for each item
	nested  bool           // an item is an array
	index   map[string]int // the position of each key
	nextKey int            // the key of the next []
}

// parseParams turns pairs into params as PHP does. If a plain name repeats, the
// last pair counts. name[] appends to an array, name[key] sets an item.
func parseParams(pairs []pair) []*param {
	var params []*param
	byName := map[string]*param{}
	for _, pr := range pairs {
		name, key, isArray, nested := splitName(pr.name)
		if name == "" {
			continue
		}
		p := byName[name]
		if p == nil {
			p = &param{name: name}
			byName[name] = p
			params = append(params, p)
		}
		if !isArray {
			*p = param{name: name, text: pr.value}
			continue
		}
		if !p.isArray {
			*p = param{name: name, isArray: true, index: map[string]int{}}
		}
		p.nested = p.nested || nested
		p.set(key, pr.value)
	}
	return params
}

func (p *param) set(key, value string) {
	if key == "" {
		key = strconv.Itoa(p.nextKey)
	}
	if n, ok := wholeNumber(key); ok && int(n) >= p.nextKey {
		p.nextKey = int(n) + 1
	}
	if i, ok := p.index[key]; ok {
		p.items[i] = value
		return
	}
	p.index[key] = len(p.items)
	p.items, p.keys = append(p.items, value), append(p.keys, key)
}

// splitName splits userSpec[7] into name and key. PHP replaces a dot, a space and
// a bracket that is not closed by an underscore.
func splitName(raw string) (name, key string, isArray, nested bool) {
	toUnderscore := strings.NewReplacer(" ", "_", ".", "_")
	raw = strings.TrimLeft(raw, " ")
	name, rest, found := strings.Cut(raw, "[")
	if !found {
		return toUnderscore.Replace(raw), "", false, false
	}
	if name == "" {
		return "", "", false, false
	}
	key, after, closed := strings.Cut(rest, "]")
	if !closed {
		return toUnderscore.Replace(name + "_" + rest), "", false, false
	}
	return toUnderscore.Replace(name), key, true, strings.HasPrefix(after, "[")
}

// wholeNumber parses a decimal number of at least 0. It accepts no sign, space or
// leading zero.
func wholeNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}

// appendString writes a JSON string as PHP's json_encode does by default: it
// escapes slashes, and uses \u escapes for all characters outside ASCII.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\' || r == '/':
			dst = append(dst, '\\', byte(r))
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r >= 0x20 && r < utf8.RuneSelf:
			dst = append(dst, byte(r))
		case r > 0xffff:
			r -= 0x10000
			dst = appendUnit(dst, 0xd800+r>>10)
			dst = appendUnit(dst, 0xdc00+r&0x3ff)
		default:
			dst = appendUnit(dst, r)
		}
	}
	return append(dst, '"')
}

func appendUnit(dst []byte, unit rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[unit>>12&15], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15])
}

// appendRow writes a row as a JSON object. Every value is a string, as PHP gets it
// from a database, but with bare numbers are JSON numbers.
func appendRow(dst []byte, columns []column, cells map[string]string, bare bool) []byte {
	dst = append(dst, '{')
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, c.label()), ':')
		value := cells[c.name]
		if _, ok := wholeNumber(value); ok && bare && c.kind.isNumber() {
			dst = append(dst, value...)
			continue
		}
		dst = appendString(dst, value)
	}
	return append(dst, '}')
}

// appendRows writes one row per line, or one array.
func appendRows(dst []byte, columns []column, rows []map[string]string, bare, array bool) []byte {
	if !array {
		for _, cells := range rows {
			dst = append(appendRow(dst, columns, cells, bare), '\n')
		}
		return dst
	}
	dst = append(dst, '[')
	for i, cells := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendRow(dst, columns, cells, bare)
	}
	return append(dst, ']')
}
