package redact

import (
	"bytes"
	"io"
	"strings"

	"github.com/infinitysip/infinitysip/internal/rows"
)

// Body reads at most limit bytes of an error's body, and finds the server's words
// in it. What can be read is enough: a read error is ignored, since the status
// matters more.
func (d *Detector) Body(r io.Reader, limit int) (body []byte, message string) {
	body, message = d.Answer(r, limit)
	switch text := strings.TrimSpace(string(body)); {
	case message != "" || strings.HasPrefix(text, `"`):
	case strings.HasPrefix(text, "<"):
		message = "a page of HTML"
	default:
		message = Line(text)
	}
	return body, message
}

// Answer is Body for an answer that should have been rows. Its message is empty if
// there are no words in it.
func (d *Detector) Answer(r io.Reader, limit int) (body []byte, message string) {
	read, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		limit = min(limit, max(len(read)-1, 0)) // what breaks off is cut too
	}
	text, shown := d.cut(string(read), limit)
	// Again, because taking JSON apart undoes its escapes.
	return []byte(shown), Line(d.Text(words(text)))
}

// words finds the words in plain text, in a string or an object of JSON, in a page,
// and in a warning of PHP that stands before rows or in their place.
func words(text string) string {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	switch {
	case strings.HasPrefix(text, "["):
		return ""
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, `"`) && !quotes(text):
		return message([]byte(text), 3)
	case strings.HasPrefix(text, "<"):
		for i := range max(len(text)-len("<title"), 0) {
			if strings.EqualFold(text[i:i+len("<title")], "<title") {
				_, title, _ := strings.Cut(text[i:], ">")
				if title, _, closed := strings.Cut(title, "<"); closed {
					return title
				}
			}
		}
		if start := strings.ToLower(text[:min(len(text), 3)]); start != "<br" && start != "<b>" {
			return ""
		}
		text = untag(text)
	}
	text, _, _ = strings.Cut(text, "\n{")
	text, _, _ = strings.Cut(text, "\n[{")
	return text
}

// quotes reports whether a text that begins with a quotation mark is no string of
// JSON, but words of which the first are quoted: "pin" is too short.
func quotes(text string) bool {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i < len(text)-1
		}
	}
	return false
}

// message finds the words in JSON, down to a depth of objects.
func message(raw []byte, depth int) string {
	if text, _ := rows.Text(raw); bytes.HasPrefix(raw, []byte(`"`)) {
		return text
	}
	if depth == 0 {
		return ""
	}
	members := rows.Members(raw)
	for _, key := range []string{"message", "error", "detail", "title"} {
		if text := message(members[key], depth-1); text != "" {
			return text
		}
	}
	return ""
}
