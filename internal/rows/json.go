package rows

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// errShort: the text ends within a row.
var errShort = errors.New("a row must be on one line")

// jsonText is a text of JSON. Its methods accept what encoding/json accepts, if it
// is valid UTF-8.
type jsonText []byte

// at returns the byte at i, or 0 after the end.
func (t jsonText) at(i int) byte {
	if i < len(t) {
		return t[i]
	}
	return 0
}

// wrong tells what is wrong at i.
func (t jsonText) wrong(i int) error {
	if i == len(t) {
		return errShort
	}
	return fmt.Errorf("not JSON: %q at byte %d", t[i], i+1)
}

// space returns the index of the first byte from i on that is not white space.
func (t jsonText) space(i int) int {
	for i < len(t) && (t[i] == ' ' || t[i] == '\t' || t[i] == '\r' || t[i] == '\n') {
		i++
	}
	return i
}

// named reports whether the name of a member is at i.
func (t jsonText) named(i int, name string) bool {
	end := i + 1 + len(name)
	return end < len(t) && t[i] == '"' && t[end] == '"' && string(t[i+1:end]) == name
}

// value returns the end of the value that begins at i, and whether it is a string
// with escapes. It leaves everything except plain ASCII strings to encoding/json.
func (t jsonText) value(i int) (end int, escaped bool, err error) {
	switch t.at(i) {
	case '"':
		if end = t.special(i + 1); t.at(end) == '"' {
			return end + 1, false, nil
		}
		end, escaped = i+new(brackets).close(t[i:]), true
	case '{', '[':
		end = i + new(brackets).close(t[i:])
	default:
		end = i + bytes.IndexAny(t[i:], " \t\r\n,]}")
	}
	switch {
	case end < i:
		return 0, false, errShort
	case !utf8.Valid(t[i:end]):
		return 0, false, errors.New("not valid UTF-8")
	case !json.Valid(t[i:end]):
		return 0, false, fmt.Errorf("not JSON: the value at byte %d", i+1)
	}
	return end, escaped, nil
}

// brackets finds the end of a string, a list or an object that comes in pieces.
type brackets struct {
	open            int
	quoted, escaped bool
}

// close returns where it ends in the next piece, or -1.
func (b *brackets) close(piece []byte) int {
	for i, c := range piece {
		switch {
		case b.escaped:
			b.escaped = false
		case c == '"':
			b.quoted = !b.quoted
		case b.quoted:
			b.escaped = c == '\\'
		case c == '{' || c == '[':
			b.open++
		case c == '}' || c == ']':
			b.open--
		}
		if b.open == 0 && !b.quoted {
			return i + 1
		}
	}
	return -1
}

// Text returns the text of a string, a number, a bool or null, and whether value is
// one. It takes what is no string for valid.
func Text(value []byte) (text string, ok bool) {
	if len(value) == 0 {
		return "", false
	}
	escaped := false
	if value[0] == '"' {
		end, slashed, err := jsonText(value).value(0)
		if err != nil || end != len(value) {
			return "", false
		}
		escaped = slashed
	}
	inside, err := scalar(value, escaped)
	return string(inside), err == nil
}

// Members returns the values of an object by their names, or nil if text is no
// object.
func Members(text []byte) map[string][]byte {
	t := jsonText(text)
	i := t.space(0)
	if t.at(i) != '{' || !utf8.Valid(text) || !json.Valid(text) {
		return nil
	}
	members := make(map[string][]byte)
	for i = t.space(i + 1); t.at(i) == '"'; i = t.space(i + 1) {
		end, _, _ := t.value(i)
		name, _ := Text(t[i:end])
		i = t.space(t.space(end) + 1)
		end, _, _ = t.value(i)
		members[name] = t[i:end]
		i = t.space(end)
	}
	return members
}

// special returns the index of the first byte from i on that is not plain text in
// a string: a quote, a backslash, a control character, or a byte beyond ASCII.
func (t jsonText) special(i int) int {
	const each = 0x0101010101010101
	for ; i+8 <= len(t); i += 8 {
		// marks has the top bit of the first special byte. A borrow may mark bytes
		// above it wrongly.
		eight := binary.LittleEndian.Uint64(t[i:])
		quoteOrControl := (eight ^ 2*each) - 0x21*each
		backslash := (eight ^ '\\'*each) - each
		if marks := (quoteOrControl | backslash | eight) & (0x80 * each); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for i < len(t) && t[i] >= ' ' && t[i] != '"' && t[i] != '\\' && t[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// unescape returns the inside of a string without its escapes.
func unescape(quoted []byte) []byte {
	text := make([]byte, 0, len(quoted))
	for {
		before, after, found := bytes.Cut(quoted, []byte(`\`))
		text = append(text, before...)
		if !found {
			return text
		}
		c := after[0]
		quoted = after[1:]
		if c != 'u' {
			if k := strings.IndexByte("bfnrt", c); k >= 0 {
				c = "\b\f\n\r\t"[k]
			}
			text = append(text, c)
			continue
		}
		r := hex(quoted)
		quoted = quoted[4:]
		if bytes.HasPrefix(quoted, []byte(`\u`)) {
			if pair := utf16.DecodeRune(r, hex(quoted[2:])); pair != utf8.RuneError {
				r, quoted = pair, quoted[6:]
			}
		}
		text = utf8.AppendRune(text, r) // half a pair gives U+FFFD
	}
}

// hex reads the four digits of an escape.
func hex(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(n)
}
