package infinitysip

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxErrorText is how much is looked at of an error's text, in bytes: a library
// may repeat all that a server sent.
const maxErrorText = 16 << 10

// longestSpelling is how many bytes one byte of a secret may be repeated as.
const longestSpelling = 12

// scrubber clears text that came from outside of the secrets that a call sent,
// in every spelling that a server or a library may repeat them in.
type scrubber struct {
	pattern *regexp.Regexp // nil: nothing to clear
	longest int            // secret, in bytes
}

// newScrubber clears secrets however they are spelled, and literals as they
// are.
func newScrubber(secrets, literals []string) *scrubber {
	for _, secret := range secrets {
		secrets = append(secrets, strings.TrimSpace(secret))
	}
	// The longest first, so that none leaves a piece of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	s := new(scrubber)
	var patterns []string
	for _, literal := range literals {
		if literal != "" {
			patterns = append(patterns, regexp.QuoteMeta(literal))
		}
	}
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		s.longest = max(s.longest, len(secret))
		var b strings.Builder
		for _, r := range secret {
			b.WriteString(spelled(r))
		}
		patterns = append(patterns, b.String())
	}
	if len(patterns) > 0 {
		// A secret too long for a pattern is one that no server repeats.
		s.pattern, _ = regexp.Compile(strings.Join(patterns, "|"))
	}
	return s
}

// spelled is a pattern for the ways to write a character in text, JSON, Go
// syntax, a URL, a form and HTML.
func spelled(r rune) string {
	ways := []string{regexp.QuoteMeta(string(r)), fmt.Sprintf(`(?i:&#0*%d;|&#x0*%x;|\\U%08x)`, r, r, r)}
	var units, octets strings.Builder
	for _, unit := range utf16.AppendRune(nil, r) {
		fmt.Fprintf(&units, `\\u%04x`, unit)
	}
	for _, octet := range utf8.AppendRune(nil, r) {
		fmt.Fprintf(&octets, `%%(?:25)?%02x`, octet) // a form within a URL is escaped twice
	}
	ways = append(ways, "(?i:"+units.String()+"|"+octets.String()+")")
	if quoted := strconv.QuoteRune(r); strings.HasPrefix(quoted, `'\`) {
		ways = append(ways, regexp.QuoteMeta(strings.Trim(quoted, "'"))) // \t, \x7f
	}
	switch r {
	case ' ':
		ways = append(ways, `\+`, `(?i:%2b)`)
	case '"':
		ways = append(ways, `\\"`, "&quot;")
	case '\'':
		ways = append(ways, `\\'`, "&apos;")
	case '\\', '/':
		ways = append(ways, `\\`+regexp.QuoteMeta(string(r)))
	case '&':
		ways = append(ways, "&amp;")
	case '<':
		ways = append(ways, "&lt;")
	case '>':
		ways = append(ways, "&gt;")
	}
	slices.SortStableFunc(ways, func(a, b string) int { return len(b) - len(a) })
	return "(?:" + strings.Join(ways, "|") + ")"
}

// text returns text without the secrets.
func (s *scrubber) text(text string) string {
	if s.pattern == nil {
		return text
	}
	return s.pattern.ReplaceAllLiteralString(text, redacted)
}

// cut returns the first limit bytes of text without the secrets, those by name
// too. When text is longer, a secret may begin in them that ends beyond: so
// much is left out at the end.
func (s *scrubber) cut(text string, limit int) string {
	if len(text) <= limit {
		return s.text(members(text))
	}
	text = s.text(members(text[:max(limit, 0)]))
	return text[:max(len(text)-longestSpelling*s.longest, 0)]
}

// secretMember is what JSON calls a secret, and its value, which may be cut.
var secretMember = regexp.MustCompile(`(?i)("(?:password|pin|pbxDeviceToken)"\s*:\s*)("(?:[^"\\]|\\.)*"?|[\[{][^\]}]*[\]}]?|[^\s,\]}]+)`)

// members returns text without what is a secret by its name in it, such as a
// token that the server gave.
func members(text string) string {
	return secretMember.ReplaceAllString(text, `${1}"`+redacted+`"`)
}

// error returns an error that shows the text of err, less the secrets and as
// one line, and nothing else of it: another's error may hold a whole request.
func (s *scrubber) error(err error) error {
	if err == nil {
		return nil
	}
	return &scrubbedError{
		printable(s.cut(err.Error(), maxErrorText)),
		func(target error) bool { return errors.Is(err, target) },
		func(target any) bool { return errors.As(err, target) },
	}
}

// scrubbedError is another error for errors.Is and errors.As.
type scrubbedError struct {
	text string
	is   func(error) bool
	as   func(any) bool
}

func (e *scrubbedError) Error() string        { return e.text }
func (e *scrubbedError) Is(target error) bool { return e.is(target) }
func (e *scrubbedError) As(target any) bool   { return e.as(target) }
