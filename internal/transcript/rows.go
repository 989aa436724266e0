package transcript

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/rows"
)

// Rows returns what may be shown of the first limit bytes of a body. In a row of JSON
// the values whose names are hidden are replaced. A row that holds a secret all the
// same is replaced whole. So is all that is between two rows, because a secret may be
// wrapped over lines, and what is no text.
func Rows(d *redact.Detector, body string, limit int, hidden func(name string) bool) string {
	end := len(redact.Cut(body, limit))
	if len(body) > limit {
		body = wholeRunes(body)
	} else if text, ok := redactRow(body, hidden); ok { // a row, or a list of them, over several lines
		body, end = text, len(text)
	}
	var shown, all strings.Builder
	for _, p := range partsOf(body, hidden) {
		switch {
		case !utf8.ValidString(p.text) || strings.Contains(p.text, "\x00"):
			shown.WriteString("[" + strconv.Itoa(p.end-p.start) + " bytes that are no text]\n")
			continue
		case d.Holds(p.text, hidden):
			shown.WriteString(redact.Replaced(p.end-p.start) + "\n")
			continue
		case p.end <= end:
			shown.WriteString(p.text)
		case !p.row && p.start < end:
			shown.WriteString(p.text[:end-p.start])
		}
		all.WriteString(p.text)
	}
	if d.Holds(all.String(), hidden) {
		return redact.Replaced(len(body)) + "\n"
	}
	return shown.String()
}

// part is a row on a line of its own, or the lines between two rows.
type part struct {
	text       string // of a row without what is hidden
	row        bool
	start, end int
}

func partsOf(body string, hidden func(string) bool) (parts []part) {
	at := 0
	for line := range strings.Lines(body) {
		text, row := redactRow(line, hidden)
		p := part{text, row, at, at + len(line)}
		at = p.end
		if last := len(parts) - 1; !row && last >= 0 && !parts[last].row {
			parts[last].end, parts[last].text = p.end, body[parts[last].start:p.end]
			continue
		}
		parts = append(parts, p)
	}
	return parts
}

// redactRow replaces the values whose names are hidden in a row, or in a list of
// them. It reports whether line is one, with blanks and a comma around it.
func redactRow(line string, hidden func(string) bool) (text string, ok bool) {
	bare := strings.Trim(line, ", \t\r\n\ufeff")
	row, ok := rows.Redact([]byte(bare), hidden, redact.Mark)
	if !ok {
		return line, false
	}
	return strings.Replace(line, bare, string(row), 1), true
}

// wholeRunes cuts off what the end of a text has of a character that is cut.
func wholeRunes(text string) string {
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size != 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text
}
