// Package redact keeps secrets out of text that came from outside. It does not edit
// text: a text is shown as it is, or replaced whole.
package redact

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mark is printed in place of a secret.
const Mark = "[redacted]"

// Detector finds secrets in text, however they are spelled.
type Detector struct {
	names  Names
	pieces map[uint64]bool // windows that only secrets have, and whole secrets that are shorter
	masks  []uint64        // of a window, and of what is shorter
}

// New returns a Detector of secrets, and of values by their names. open are values
// that the call sends openly, and names of the API: a piece of a secret that is in
// one of them is no evidence.
func New(secrets, open []string, names Names) *Detector {
	d := &Detector{names, make(map[uint64]bool), []uint64{window}}
	for _, secret := range secrets {
		for _, reading := range unescaped(secret) {
			var last uint64
			for last = range windows(reading) {
				if last > window>>8 {
					d.pieces[last] = true
				}
			}
			if 0 < last && last <= window>>8 {
				d.pieces[last] = true
				d.masks = append(d.masks, 1<<((bits.Len64(last)+7)/8*8)-1)
			}
		}
	}
	for _, value := range open {
		for _, reading := range unescaped(value) {
			for w := range windows(reading) {
				for _, mask := range d.masks {
					delete(d.pieces, w&mask)
				}
			}
		}
	}
	return d
}

// Text returns text, or what replaces a text that holds a secret.
func (d *Detector) Text(text string) string {
	_, shown := d.cut(text, len(text))
	return shown
}

// cut returns the first limit bytes of text, and what may be shown of them.
func (d *Detector) cut(text string, limit int) (cut, shown string) {
	if cut = Cut(text, limit); d.Holds(text, d.names.Has) {
		return cut, Replaced(len(text))
	}
	return cut, cut
}

// Cut returns the first limit bytes of text. If text is longer, a secret may begin
// at the end of which too little is left to know it. So five characters go, in
// escapes if there are some.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	plain, escaped := max(limit-20, 0), max(limit-64, 0)
	if strings.ContainsAny(text[escaped:limit], `%&\`) {
		return text[:escaped]
	}
	return text[:plain]
}

// Replaced is shown in place of a text that held a secret.
func Replaced(bytes int) string {
	return "[the server's text held a secret: " + strconv.Itoa(bytes) + " bytes]"
}

// Holds reports whether text shows a piece of a secret, or a value whose name is that
// of one.
func (d *Detector) Holds(text string, named func(name string) bool) bool {
	for _, reading := range readings(text) {
		for w := range windows(reading) {
			for _, mask := range d.masks {
				if d.pieces[w&mask] {
					return true
				}
			}
		}
		if given(reading, named) {
			return true
		}
	}
	return false
}

// Foreign is Error for an error that no server caused. It may hold other secrets than
// those of the call, so its text is replaced whole if it has a URL with a query or a
// user, or a value whose name is that of a secret.
func (d *Detector) Foreign(err error, named func(name string) bool) error {
	text := err.Error()
	_, address, found := strings.Cut(text, "://")
	if end := strings.IndexAny(address, " \"'"); end >= 0 {
		address = address[:end]
	}
	if found && strings.ContainsAny(address, "@?") || d.Holds(text, named) {
		text = "[a text that may hold a secret: " + strconv.Itoa(len(text)) + " bytes]"
	}
	return &shownError{Line(text), func() error { return err }}
}

// Error returns an error that shows the text of err as one line, if it may be shown,
// and nothing else of it: another's error may hold a whole request. Before that it
// takes cuts out of the text, such as a query.
func (d *Detector) Error(err error, cuts ...string) error {
	const limit = 16 << 10 // a library may repeat all that a server sent
	text := err.Error()
	for _, cut := range cuts {
		text = strings.ReplaceAll(text, cut, "")
	}
	_, shown := d.cut(text[:min(len(text), limit+1)], limit)
	return &shownError{Line(shown), func() error { return err }}
}

// shownError is another error for errors.Is and errors.As.
type shownError struct {
	text string
	err  func() error // a func does not print
}

func (e *shownError) Error() string        { return e.text }
func (e *shownError) Is(target error) bool { return errors.Is(e.err(), target) }
func (e *shownError) As(target any) bool   { return errors.As(e.err(), target) }

// Line makes text one printable line, of 512 bytes at most.
func Line(text string) string {
	const limit, ellipsis = 512, "…"
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) }), " ")
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit-len(ellipsis)], "") + ellipsis
	}
	return text
}
