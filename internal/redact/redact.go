// Package redact clears text that came from outside of secrets: of those that a
// call sent, in whatever spelling, and of what is a secret by its name.
package redact

import (
	"errors"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Mark is what stands for a secret.
const Mark = "[redacted]"

// maxErrorText is how much is looked at of an error's text, in bytes: a library
// may repeat all that a server sent.
const maxErrorText = 16 << 10

// maxLine is how long a Line is, in bytes.
const maxLine = 512

const (
	longestSpelling = 18 // bytes as which one byte of a secret may be repeated: &DiacriticalGrave;
	longestEntity   = 33 // bytes that HTML has for a character by its name
)

// Scrubber clears text that came from outside of the secrets that a call sent,
// as text, JSON, Go syntax, a URL, a form or HTML spell them.
type Scrubber struct {
	names   Names
	secrets []string
	longest int // of those that may leave no piece behind, in bytes
}

// New returns a Scrubber of secrets, of others of which a piece may stay where
// text is cut, and of members by their names.
func New(secrets, others []string, names Names) *Scrubber {
	s := &Scrubber{names: names}
	for _, secret := range secrets {
		s.secrets = append(s.secrets, secret, strings.TrimSpace(secret))
		s.longest = max(s.longest, len(secret))
	}
	s.secrets = append(s.secrets, others...)
	slices.Sort(s.secrets)
	s.secrets = slices.DeleteFunc(slices.Compact(s.secrets), func(secret string) bool { return secret == "" })
	return s
}

// Text returns text without the secrets. Where two overlap, both go.
func (s *Scrubber) Text(text string) string {
	var all []span
	for _, secret := range s.secrets {
		all = append(all, spelled(text, secret)...)
	}
	slices.SortFunc(all, func(a, b span) int { return a.start - b.start })
	var b strings.Builder
	done := 0
	for _, next := range all {
		if next.start >= done {
			b.WriteString(text[done:next.start] + Mark)
		}
		done = max(done, next.end)
	}
	return b.String() + text[done:]
}

// span is a piece of a text.
type span struct{ start, end int }

// spelled returns where text spells secret. It goes through secret, and keeps
// where its characters so far are spelled. Of those that come to the same place
// it keeps the longest: there are never more of them than text has bytes.
func spelled(text, secret string) []span {
	var all, longer []span
	first, _ := utf8.DecodeRuneInString(secret)
	for i, c := range text {
		if c == first || c == utf8.RuneError || c == '\\' || c == '%' || c == '&' || c == '+' {
			all = append(all, span{i, i})
		}
	}
	for _, r := range secret {
		longer = longer[:0]
		for _, s := range all {
			longer = s.spell(longer, r, text)
		}
		all, longer = longer, all
	}
	return all
}

// spell adds to spans, which are in the order of their ends, s and what spells
// r after it: in text, JSON, Go syntax, a URL, a form or HTML. There may be
// several: a backslash may stand for itself, or begin an escape.
func (s span) spell(spans []span, r rune, text string) []span {
	add := func(n int) {
		i, end := len(spans), s.end+n
		for i > 0 && spans[i-1].end > end {
			i--
		}
		switch {
		case n == 0:
		case i > 0 && spans[i-1].end == end:
			spans[i-1].start = min(spans[i-1].start, s.start)
		default:
			spans = slices.Insert(spans, i, span{s.start, end})
		}
	}
	text = text[s.end:]
	c, size := utf8.DecodeRuneInString(text)
	if c == r || c == utf8.RuneError && size == 1 && rune(text[0]) == r { // Latin-1
		add(size)
	}
	switch c {
	case '+':
		if r == ' ' {
			add(1)
		}
	case '%':
		add(coded(text, "%", 2, utf8.AppendRune(nil, r)))
		add(coded(text, "%25", 2, utf8.AppendRune(nil, r))) // a form within a URL is escaped twice
		if r == ' ' {
			add(coded(text, "%", 2, []byte("+")))
		}
	case '\\':
		// JSON within JSON has up to three of them.
		for n := 1; n < len(text) && n <= 3 && text[n-1] == '\\'; n++ {
			switch prefix := text[:n+1]; text[n] {
			case 'u', 'U':
				add(coded(text, prefix, 4, utf16.AppendRune(nil, r)))
				add(coded(text, prefix, 8, []rune{r}))
			case 'x':
				add(coded(text, prefix, 2, utf8.AppendRune(nil, r)))
			}
			if i := strings.IndexRune("\a\b\f\n\r\t\v\"'\\/", r); i >= 0 && text[n] == `abfnrtv"'\/`[i] {
				add(n + 1)
			}
		}
	case '&':
		add(entity(text, "&#", strconv.FormatInt(int64(r), 10)))
		add(entity(text, "&#x", strconv.FormatInt(int64(r), 16)))
		if end := strings.IndexByte(text[:min(len(text), longestEntity)], ';') + 1; html.UnescapeString(text[:end]) == string(r) {
			add(end)
		}
	}
	return spans
}

// coded returns the length of codes at the start of text, each with so many
// hexadecimal digits after a prefix, or 0 if they are not there.
func coded[C byte | uint16 | rune](text, prefix string, digits int, codes []C) int {
	end := 0
	for _, code := range codes {
		start := end
		end += len(prefix) + digits
		if end > len(text) || !strings.EqualFold(text[start:end-digits], prefix) {
			return 0
		}
		got, err := strconv.ParseUint(text[end-digits:end], 16, 32)
		if err != nil || got != uint64(code) {
			return 0
		}
	}
	return end
}

// entity returns the length of a number in HTML at the start of text, or 0 if
// it is not there. Zeros may be before it.
func entity(text, prefix, number string) int {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return 0
	}
	rest := strings.TrimLeft(text[len(prefix):], "0")
	if len(rest) <= len(number) || !strings.EqualFold(rest[:len(number)], number) || rest[len(number)] != ';' {
		return 0
	}
	return len(text) - len(rest) + len(number) + 1
}

// cut returns the first limit bytes of text without the secrets, those by name
// too. When text is longer, a secret may begin in them that ends beyond: so
// much is left out at the end.
func (s *Scrubber) cut(text string, limit int) string {
	if len(text) <= limit {
		return s.Text(s.members(text))
	}
	text = s.Text(s.members(text[:max(limit, 0)]))
	return text[:max(len(text)-longestSpelling*s.longest, 0)]
}

// space is what may stand between the parts of JSON.
const space = " \t\n\f\r"

// members returns text without what is a secret by its name in it, such as a
// token that the server gave.
func (s *Scrubber) members(text string) string {
	var b strings.Builder
	for rest := text; ; {
		_, name, quoted := strings.Cut(rest, `"`)
		if !quoted {
			break
		}
		rest = name
		name, after, _ := strings.Cut(name, `"`)
		bare := strings.TrimRight(name, `\`) // JSON within JSON
		if !s.names.Has(bare) {
			continue
		}
		value, ok := strings.CutPrefix(strings.TrimLeft(after, space), ":")
		value = strings.TrimLeft(value, space)
		slashes := name[len(bare):]
		size := valueSize(value, slashes)
		if !ok || size == 0 {
			continue
		}
		quote := slashes + `"`
		b.WriteString(text[:len(text)-len(value)] + quote + Mark + quote)
		text = value[size:]
		rest = text
	}
	return b.String() + text
}

// valueSize returns how much of text is the JSON value that it begins with,
// which may be cut. Its quotes have slashes before them.
func valueSize(text, slashes string) int {
	if !strings.HasPrefix(text, slashes+`"`) && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		if end := strings.IndexAny(text, space+",]}"); end >= 0 {
			return end
		}
		return len(text)
	}
	open, quoted, before := 0, false, 0
	for i := range len(text) {
		c := text[i]
		if c == '\\' {
			before++
			continue
		}
		switch {
		case c == '"':
			// A backslash of the value itself has grown to more of them.
			if n := len(slashes); (before-n)%(2*n+2) == 0 {
				quoted = !quoted
			}
		case quoted:
		case c == '[' || c == '{':
			open++
		case c == ']' || c == '}':
			open--
		}
		before = 0
		if open == 0 && !quoted {
			return i + 1
		}
	}
	return len(text)
}

// Error returns an error that shows the text of err, less the secrets and as
// one line, and nothing else of it: another's error may hold a whole request.
func (s *Scrubber) Error(err error) error {
	if err == nil {
		return nil
	}
	return &scrubbedError{
		Line(s.cut(err.Error(), maxErrorText)),
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

// Line makes text one printable line, of 512 bytes at most.
func Line(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxLine {
		return text
	}
	const ellipsis = "…"
	end := maxLine - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
