package provision

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/provision/internal/sheet"
)

// hidden are characters that nobody sees and that come into names by copying from a
// web page or a phone's contacts. The others of their kind have no name here.
var hidden = map[rune]string{
	'\u00a0': "no-break space",
	'\u00ad': "soft hyphen",
	'\u034f': "combining grapheme joiner",
	'\u061c': "Arabic letter mark",
	'\u180e': "Mongolian vowel separator",
	'\u2007': "figure space",
	'\u200b': "zero width space",
	'\u200c': "zero width non-joiner",
	'\u200d': "zero width joiner",
	'\u200e': "left-to-right mark",
	'\u200f': "right-to-left mark",
	'\u2028': "line separator",
	'\u2029': "paragraph separator",
	'\u202a': "left-to-right embedding",
	'\u202b': "right-to-left embedding",
	'\u202c': "pop directional formatting",
	'\u202d': "left-to-right override",
	'\u202e': "right-to-left override",
	'\u202f': "narrow no-break space",
	'\u2060': "word joiner",
	'\u2066': "left-to-right isolate",
	'\u2067': "right-to-left isolate",
	'\u2068': "first strong isolate",
	'\u2069': "pop directional isolate",
	'\u3000': "ideographic space",
	'\u3164': "Hangul filler",
	'\ufeff': "byte order mark",
}

// invisible tells of a character in a text that nobody sees; "" if there is none.
// Joiners may be between letters that are not ASCII where the text is shown to people:
// Persian and emoji need them.
func invisible(text string, joiners bool) string {
	before := ' '
	for i, r := range text {
		if r >= utf8.RuneSelf && unseen(r) {
			after, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
			if joiners && unicode.IsSpace(r) && r != '\u2028' && r != '\u2029' {
				before = r
				continue // a blank, if another one
			}
			if joiner := r == '\u200c' || r == '\u200d'; !joiners || !joiner || before < utf8.RuneSelf || after < utf8.RuneSelf || after == utf8.RuneError {
				return fmt.Sprintf("holds an invisible character, %s: type it again", named(r))
			}
		}
		before = r
	}
	return ""
}

func unseen(r rune) bool {
	switch r {
	case '\u00a0', '\u2007', '\u202f', '\u3000', '\u034f', '\u115f', '\u1160', '\u2028', '\u2029', '\u3164', '\uffa0':
		return true
	}
	return unicode.Is(unicode.Cf, r)
}

// named names a character: U+200B (zero width space).
func named(r rune) string {
	if name := hidden[r]; name != "" {
		return fmt.Sprintf("U+%04X (%s)", r, name)
	}
	return fmt.Sprintf("U+%04X", r)
}

// blankEnds tells of a blank at an end of a text; "" if there is none.
func blankEnds(text string) string {
	if strings.TrimSpace(text) == text {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	for _, r := range []rune{first, last} {
		if unicode.IsSpace(r) && r >= utf8.RuneSelf {
			return "begins or ends with a blank, " + named(r)
		}
	}
	return "begins or ends with a blank"
}

// errorsOfSheets are what a spreadsheet shows where a formula has no value.
var errorsOfSheets = lazily(`(?i)^#(N/A|NV|REF!|BEZUG!|VALUE!|WERT!|NAME\?|DIV/0!|NUM!|ZAHL!|NULL!|SPILL!|GETTING_DATA)$|^#{4,}$`)

// noValue tells of a cell that stands for none, as programs write it; "" if it is a value.
func noValue(cell string) string {
	cell = strings.TrimSpace(cell)
	text := sheet.Value(cell)
	switch text {
	case "NULL", "null", "N/A", "n/a", "None", "nil", "(blank)":
		return "this is no value: empty the cell"
	}
	switch {
	case cell == "-", cell == "--": // an apostrophe says that it is meant
		return "this is no value: empty the cell"
	case strings.HasPrefix(text, "#") && errorsOfSheets().MatchString(text):
		return "this is what a spreadsheet shows instead of a value: mend it there"
	}
	return ""
}

// longest is how many characters a text may have: one that is longer was swallowed by
// mistake, and a server that takes it may no longer list what is there.
const longest = 1000

const garbledText = "letters were garbled when the file was saved or opened: type them again, and save the file as CSV UTF-8"

// wrongText tells what is wrong with any text, be it a name or a secret; "" if nothing is.
func wrongText(text string) string {
	plain := len(text) <= longest
	for i := 0; plain && i < len(text); i++ {
		plain = text[i] >= ' ' && text[i] < 0x7f
	}
	if plain {
		return ""
	}
	if n := utf8.RuneCountInString(text); n > longest {
		return fmt.Sprintf("too long: %d characters, and at most %d are allowed", n, longest)
	}
	for _, r := range strings.TrimSpace(text) {
		switch {
		case r == utf8.RuneError:
			return "a letter was lost when the file was saved, or the file is cut off: type it again"
		case unicode.IsControl(r) && !strings.ContainsRune("\r\n\x00", r): // which the client refuses
			return "holds a control character, " + named(r)
		}
	}
	if garbled(text) {
		return garbledText
	}
	return ""
}

// windows1252 are the characters of Windows-1252 from 0x80 to 0x9f; those that it has not
// are as in Latin-1.
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

// garbled reports whether a text is UTF-8 that was read as Windows-1252: Ã¼ for ü.
func garbled(text string) bool {
	if !strings.ContainsAny(text, "ÂÃÄÅâ") { // as which the first bytes of Latin letters and of quotes are read
		return false
	}
	bytes := make([]byte, 0, len(text))
	table := []rune(windows1252)
	for _, r := range text {
		switch i := slices.Index(table, r); {
		case i >= 0:
			bytes = append(bytes, byte(0x80+i))
		case r < 0x100:
			bytes = append(bytes, byte(r))
		default:
			return false
		}
	}
	return utf8.Valid(bytes)
}
