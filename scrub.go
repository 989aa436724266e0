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
		if secret == "" {
			continue
		}
		s.spellings = append(s.spellings, secret, url.QueryEscape(secret), url.PathEscape(secret),
			html.EscapeString(secret), trimQuotes(strconv.Quote(secret)), trimQuotes(strconv.QuoteToASCII(secret)),
			escapeJSON(secret, true), escapeJSON(secret, false))
		if quoted, err := json.Marshal(secret); err == nil {
			s.spellings = append(s.spellings, trimQuotes(string(quoted)))
		}
	}
	slices.SortFunc(s.spellings, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(s.spellings))
	for _, spelling := range s.spellings {
		pairs = append(pairs, spelling, redacted)
	}
	s.replacer = strings.NewReplacer(pairs...)
	return s
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
		return errors.New(clean)
	}
	return err
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
