package redact

import (
	"encoding/json"
	"io"
	"strings"
)

// Body reads at most limit bytes of an error's body, and finds the server's words
// in it. What can be read is enough: a read error is ignored, since the status
// matters more.
func (s *Scrubber) Body(r io.Reader, limit int) (body []byte, message string) {
	read, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		limit = min(limit, len(read)-1) // what breaks off may end within a secret
	}
	body = []byte(s.cut(string(read), limit))
	// Again, because taking JSON apart undoes its escapes.
	return body, Line(s.Text(s.members(words(body))))
}

// words finds the words in an error's body: plain text, a JSON string, a JSON
// object, or a proxy's page.
func words(body []byte) string {
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<") {
		_, title, found := strings.Cut(text, "<title>")
		if title, _, closed := strings.Cut(title, "</title>"); found && closed {
			return title
		}
		return "a page of HTML"
	}
	var message string
	if json.Unmarshal(body, &message) == nil {
		return message
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) == nil {
		for _, key := range []string{"message", "error", "detail", "title"} {
			if json.Unmarshal(object[key], &message) == nil && message != "" {
				return message
			}
		}
	}
	return text
}
