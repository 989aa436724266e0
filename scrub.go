package infinitysip

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// scrubber clears text that came from outside of the secrets that a call sent,
// in every spelling that a server or a library may repeat them in.
type scrubber struct {
	spellings []string // the longest first, so that none leaves a piece of another
	replacer  *strings.Replacer
}

func newScrubber(secrets ...string) *scrubber {
	s := new(scrubber)
	for _, secret := range secrets {
		s.add(secret)
		s.add(strings.TrimSpace(secret))
	}
	slices.SortFunc(s.spellings, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(s.spellings))
	for _, spelling := range s.spellings {
		pairs = append(pairs, spelling, redacted)
	}
	s.replacer = strings.NewReplacer(pairs...)
	return s
}

func (s *scrubber) add(secret string) {
	if secret == "" {
		return
	}
	quoted, _ := json.Marshal(secret) // a string cannot fail
	for _, spelling := range []string{
		secret, html.EscapeString(secret), htmlSpecialChars(secret),
		url.QueryEscape(secret), url.PathEscape(secret),
		trimQuotes(strconv.Quote(secret)), trimQuotes(strconv.QuoteToASCII(secret)),
		trimQuotes(string(quoted)), escapeJSON(secret, true), escapeJSON(secret, false),
	} {
		s.spellings = append(s.spellings, spelling, hexCase(spelling, strings.ToLower), hexCase(spelling, strings.ToUpper))
	}
}

// text returns text without the secrets.
func (s *scrubber) text(text string) string { return s.replacer.Replace(text) }

// cut returns the first limit bytes of text without the secrets, and without a
// piece of a secret at the end when text was longer and may go on.
func (s *scrubber) cut(text string, limit int) string {
	if len(text) <= limit {
		return s.text(text)
	}
	text = text[:limit]
	end := len(text)
	for _, spelling := range s.spellings {
		for n := min(len(spelling)-1, len(text)); n > 0; n-- {
			if strings.HasSuffix(text, spelling[:n]) {
				end = min(end, len(text)-n)
				break
			}
		}
	}
	return s.text(text[:end])
}

// error returns err, or, where its text holds a secret, another error with
// the same text less the secret.
func (s *scrubber) error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := s.text(text); clean != text {
		return &scrubbedError{clean, func(target error) bool { return errors.Is(err, target) }}
	}
	return err
}

// scrubbedError is another error for errors.Is, and shows nothing else of it.
type scrubbedError struct {
	text string
	is   func(error) bool
}

func (e *scrubbedError) Error() string        { return e.text }
func (e *scrubbedError) Is(target error) bool { return e.is(target) }

// htmlSpecialChars escapes as PHP's function of that name does.
func htmlSpecialChars(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#039;").Replace(text)
}

// hexCase changes the case of the digits in escapes like %2f and \u00e9.
func hexCase(text string, change func(string) string) string {
	var b strings.Builder
	for {
		i := strings.IndexAny(text, `%\`)
		if i < 0 || i+1 == len(text) {
			return b.String() + text
		}
		from, to := i+1, min(i+3, len(text))
		if text[i] == '\\' {
			from, to = i+2, i+2
			if text[i+1] == 'u' {
				to = min(i+6, len(text))
			}
		}
		b.WriteString(text[:from])
		b.WriteString(change(text[from:to]))
		text = text[to:]
	}
}

func trimQuotes(quoted string) string { return quoted[1 : len(quoted)-1] }

// escapeJSON writes text as PHP's encoder does: slashes escaped, or not, and
// nothing beyond ASCII.
func escapeJSON(text string, slashes bool) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		switch {
		case unit == '"' || unit == '\\' || unit == '/' && slashes:
			b.WriteByte('\\')
			b.WriteByte(byte(unit))
		case unit == '\n':
			b.WriteString(`\n`)
		case unit == '\r':
			b.WriteString(`\r`)
		case unit == '\t':
			b.WriteString(`\t`)
		case unit < ' ' || unit > '~':
			fmt.Fprintf(&b, `\u%04x`, unit)
		default:
			b.WriteByte(byte(unit))
		}
	}
	return b.String()
}
