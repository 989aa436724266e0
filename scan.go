package infinitysip

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

// errShort is a text that ends within a value.
var errShort = errors.New("the text ends too soon")

// jsonText is JSON to find one's way in. It takes what encoding/json takes, if
// that is valid UTF-8.
type jsonText struct {
	json  []byte
	lines bool // a line break is not white space
}

// at returns the byte at i, or 0 after the end.
func (t jsonText) at(i int) byte {
	if i < len(t.json) {
		return t.json[i]
	}
	return 0
}

// wrong tells what is wrong at i.
func (t jsonText) wrong(i int) error {
	if i >= len(t.json) || !utf8.FullRune(t.json[i:]) {
		return errShort
	}
	if t.lines && t.json[i] == '\n' {
		return errors.New("a row must be on one line")
	}
	r, size := utf8.DecodeRune(t.json[i:])
	if r == utf8.RuneError && size == 1 {
		return errors.New("not valid UTF-8")
	}
	return fmt.Errorf("not JSON: %q at byte %d", r, i+1)
}

// space returns the index of the first byte from i on that is not white space.
func (t jsonText) space(i int) int {
	for t.at(i) <= ' ' && i < len(t.json) {
		if c := t.json[i]; c != ' ' && c != '\t' && c != '\r' && (c != '\n' || t.lines) {
			break
		}
		i++
	}
	return i
}

// named reports whether the name of a member is at i.
func (t jsonText) named(i int, name string) bool {
	end := i + 1 + len(name)
	return end < len(t.json) && t.json[i] == '"' && t.json[end] == '"' && string(t.json[i+1:end]) == name
}

// value returns the end of the value that begins at i, and whether it is a
// string with escapes.
func (t jsonText) value(i int) (end int, escaped bool, err error) {
	switch t.at(i) {
	case '"':
		if end = special(t.json, i+1); t.at(end) == '"' {
			return end + 1, false, nil
		}
		return t.quoted(i)
	case '{', '[':
		end, err = t.nested(i)
		return end, false, err
	}
	end = i
	for end < len(t.json) && strings.IndexByte(" \t\r\n,]}", t.json[end]) < 0 {
		end++
	}
	switch {
	case end == len(t.json):
		return 0, false, errShort
	case !whole(t.json[i:end]) && !json.Valid(t.json[i:end]):
		return 0, false, t.wrong(i)
	}
	return end, false, nil
}

// whole reports whether number is one of digits alone.
func whole(number []byte) bool {
	for _, c := range number {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(number) > 0 && (number[0] != '0' || len(number) == 1)
}

// quoted is value for a string.
func (t jsonText) quoted(i int) (end int, escaped bool, err error) {
	for i++; ; {
		i = special(t.json, i)
		switch c := t.at(i); {
		case c == '"':
			return i + 1, escaped, nil
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(t.json[i:])
			if r == utf8.RuneError && size == 1 {
				return 0, false, t.wrong(i)
			}
			i += size
		case c != '\\':
			return 0, false, t.wrong(i)
		default:
			escaped = true
			if i, err = t.escape(i); err != nil {
				return 0, false, err
			}
		}
	}
}

// escape returns the end of the escape at i.
func (t jsonText) escape(i int) (int, error) {
	i++
	if strings.IndexByte(`"\/bfnrt`, t.at(i)) >= 0 {
		return i + 1, nil
	}
	if t.at(i) != 'u' {
		return 0, t.wrong(i)
	}
	for range 4 {
		if i++; strings.IndexByte("0123456789abcdefABCDEF", t.at(i)) < 0 {
			return 0, t.wrong(i)
		}
	}
	return i + 1, nil
}

// special returns the index of the first byte from i on that is not simply
// part of a string: a quote, a backslash, a control character, or one of a
// character beyond ASCII.
func special(text []byte, i int) int {
	for ; i+8 <= len(text); i += 8 {
		if marks := mark(text[i:]); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' && text[i] < utf8.RuneSelf {
		i++
	}
	return i
}

// mark sets the top bit of the first of eight bytes that is special. The bytes
// above it may be marked by a borrow alone.
func mark(text []byte) uint64 {
	const each = 0x0101010101010101
	eight := binary.LittleEndian.Uint64(text)
	quoteOrControl := (eight ^ 2*each) - 0x21*each
	backslash := (eight ^ '\\'*each) - each
	return (quoteOrControl | backslash | eight) & (0x80 * each)
}

// nested is value for a list or an object, which is left to encoding/json.
func (t jsonText) nested(i int) (end int, err error) {
	var b brackets
	rest := t.json[i:]
	n, closed := b.close(rest)
	if line := bytes.IndexByte(rest[:n], '\n'); t.lines && line >= 0 {
		return 0, t.wrong(i + line)
	}
	switch {
	case !closed:
		return 0, errShort
	case !json.Valid(rest[:n]):
		return 0, errors.New("not JSON")
	case !utf8.Valid(rest[:n]):
		return 0, errors.New("not valid UTF-8")
	}
	return i + n, nil
}

// brackets finds the end of a list or an object that may come in pieces.
type brackets struct {
	open            int
	quoted, escaped bool
}

// close returns how much of the next piece belongs to it, and whether it ends
// there.
func (b *brackets) close(piece []byte) (n int, closed bool) {
	for i := 0; i < len(piece); i++ {
		c := piece[i]
		switch {
		case b.escaped:
			b.escaped = false
		case b.quoted:
			b.escaped, b.quoted = c == '\\', c != '"'
		case c == '"':
			b.quoted = true
		case c == '{' || c == '[':
			b.open++
		case c == '}' || c == ']':
			if b.open--; b.open == 0 {
				return i + 1, true
			}
		}
	}
	return len(piece), false
}

// unescape appends the inside of a string to dst, its escapes undone.
func unescape(dst, quoted []byte) []byte {
	for {
		i := bytes.IndexByte(quoted, '\\')
		if i < 0 {
			return append(dst, quoted...)
		}
		dst = append(dst, quoted[:i]...)
		c := quoted[i+1]
		if quoted = quoted[i+2:]; c != 'u' {
			if k := strings.IndexByte("bfnrt", c); k >= 0 {
				c = "\b\f\n\r\t"[k]
			}
			dst = append(dst, c)
			continue
		}
		r := hex(quoted)
		quoted = quoted[4:]
		if bytes.HasPrefix(quoted, []byte(`\u`)) {
			if pair := utf16.DecodeRune(r, hex(quoted[2:])); pair != utf8.RuneError {
				r, quoted = pair, quoted[6:]
			}
		}
		dst = utf8.AppendRune(dst, r) // half a pair gives U+FFFD
	}
}

// hex reads the four digits of an escape.
func hex(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(n)
}
