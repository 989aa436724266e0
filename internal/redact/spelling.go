package redact

import (
	"encoding/base64"
	"iter"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// readings returns all that text may say.
func readings(text string) []string {
	all := unescaped(text)
	for _, reading := range all[:min(len(all), 2)] { // base64 may be escaped
		all = append(all, unbase64(reading))
	}
	return append(all, untag(text))
}

// unescaped returns text, then with its escapes undone, once and again: they may be
// nested. A secret is unescaped too, because it may look like an escape.
func unescaped(text string) []string {
	all := []string{text}
	for next := unescape(text); next != all[len(all)-1] && len(all) < 5; next = unescape(next) {
		all = append(all, next)
	}
	return all
}

// A window is six characters of a text, a byte each. Those before the text are zero.
const window = 1<<48 - 1

// windows yields the window at each character of text. Case, blanks, line breaks,
// what does not print, and the second of two quotes (SQL) do not count. A byte that
// is no UTF-8 counts as Latin-1.
func windows(text string) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		var w uint64
		for i, r := range text {
			if r == utf8.RuneError && text[i] != "\ufffd"[0] {
				r = rune(text[i])
			}
			r = unicode.ToLower(r)
			if r == ' ' || !unicode.IsPrint(r) || (r == '"' || r == '\'') && byte(w) == byte(r) {
				continue
			}
			if r >= utf8.RuneSelf {
				r |= 0x80 // the byte of no ASCII
			}
			if w = (w<<8 | uint64(byte(r))) & window; !yield(w) {
				return
			}
		}
	}
}

// unescape undoes, in one pass, the escapes of a URL, a form and HTML, and those
// with a backslash of JSON, Go, PHP and SQL.
func unescape(text string) string {
	b := make([]byte, 0, len(text))
	for text = strings.ReplaceAll(text, "+", " "); text != ""; {
		r, wide, size := rune(text[0]), false, 1 // wide: more than a byte
		switch r {
		case '&':
			name, _, _ := strings.Cut(text[1:min(len(text), 12)], ";")
			if c := entity(name); c > 0 {
				r, wide, size = c, true, min(len(name)+len("&;"), len(text))
			}
		case '%':
			if c, _, _, err := strconv.UnquoteChar(`\x`+text[1:min(len(text), 3)], 0); err == nil {
				r, size = c, 3
			}
		case '\\':
			switch c, character, rest, err := strconv.UnquoteChar(text, 0); {
			case err == nil:
				r, wide, size = c, character, len(text)-len(rest)
			case len(text) >= 12 && strings.EqualFold(text[:3]+text[6:9], `\ud\ud`): // a pair of UTF-16
				pair, _ := strconv.ParseUint(text[2:6]+text[8:12], 16, 32)
				r, wide, size = utf16.DecodeRune(rune(pair>>16), rune(pair&0xffff)), true, 12
			case len(text) > 1:
				r, size = rune(text[1]), 2
			}
		}
		if text = text[size:]; wide {
			b = utf8.AppendRune(b, r)
		} else {
			b = append(b, byte(r))
		}
	}
	return string(b)
}

// entities are what HTML calls characters: the usual ones, and those of Latin-1. Package
// html has all, and is heavy.
var entities = sync.OnceValue(func() map[string]rune {
	all := map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}
	for i, name := range strings.Fields(latin1) {
		all[name] = 0xa0 + rune(i)
	}
	return all
})

// The names of U+00A0 to U+00FF.
const latin1 = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 " +
	"acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml " +
	"Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc " +
	"Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml " +
	"aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc " +
	"otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml"

// entity returns the character that HTML gives a name or a number, or 0.
func entity(name string) rune {
	base := 10
	switch {
	case name == "nbsp":
		return ' '
	case !strings.HasPrefix(name, "#"):
		return entities()[name]
	case strings.ContainsAny(name, "xX"):
		base = 16
	}
	n, _ := strconv.ParseUint(strings.TrimLeft(name, "#xX"), base, 21)
	return rune(n)
}

// untag returns text without the tags of HTML. A <br> is a blank.
func untag(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "<") {
		if tag, after, closed := strings.Cut(part, ">"); closed && i > 0 {
			part = after
			if strings.HasPrefix(strings.ToLower(tag), "br") {
				part = " " + after
			}
		}
		b.WriteString(part)
	}
	return b.String()
}

// unbase64 decodes all of text, from each of its first four characters on: so it
// decodes what is base64 in it, wherever that begins. The rest comes out as noise.
func unbase64(text string) string {
	text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r != '+' && r != '/' && (r >= utf8.RuneSelf || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}), "") + "AAA"
	var b []byte
	for start := range 4 {
		part := []byte(text[start:])
		b, _ = base64.StdEncoding.AppendDecode(b, part[:len(part)/4*4])
	}
	return string(b)
}
