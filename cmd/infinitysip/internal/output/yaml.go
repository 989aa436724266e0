package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// yamlEncoder writes a list, a row at a time: the members of a row's JSON in their
// order. A text is written plain where no reader of YAML can take it for anything
// else, and otherwise as JSON writes it, which is YAML too. So the number 0123 of a
// phone, and the name "no", stay texts.
type yamlEncoder struct {
	w          writer
	appendJSON appender
	one        bool // not a list
	visible    bool
	begun      bool
	json       []byte
	buf        bytes.Buffer
}

func (e *yamlEncoder) row(row any) error {
	text, err := e.text(row)
	if err != nil {
		return err
	}
	e.begun = true
	_, err = e.w.Write(text)
	return err
}

func (e *yamlEncoder) text(row any) (text []byte, err error) {
	if e.json, err = e.appendJSON(e.json[:0], row); err != nil {
		return nil, err
	}
	e.buf.Reset()
	dec := json.NewDecoder(bytes.NewReader(e.json))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil { // the opening bracket
		return nil, err
	}
	indent := "- "
	if e.one {
		indent = ""
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		e.buf.WriteString(indent)
		if !e.one {
			indent = "  "
		}
		if err := e.scalar(name); err != nil {
			return nil, err
		}
		e.buf.WriteString(": ")
		if err := e.scalar(value); err != nil {
			return nil, err
		}
		e.buf.WriteByte('\n')
	}
	if e.buf.Len() == 0 {
		e.buf.WriteString(indent + "{}\n")
	}
	return e.buf.Bytes(), nil
}

func (e *yamlEncoder) scalar(value any) error {
	if text, ok := value.(string); ok && plainYAML(text) {
		e.buf.WriteString(text)
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	// YAML allows few control characters even in quotes.
	for _, r := range string(text) {
		if r >= 0x7f && r < 0xa0 || r == 0xfeff || e.visible && r >= 0x7f && harmful(r) {
			fmt.Fprintf(&e.buf, `\U%08x`, r)
			continue
		}
		e.buf.WriteRune(r)
	}
	return nil
}

// plainYAML reports whether a text is a text in YAML without quotes, in every version
// of it: it begins with a letter, has nothing but letters, digits and some signs, and
// is no word that means something.
func plainYAML(text string) bool {
	if text == "" || len(text) > 100 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		inside := i > 0 && (c >= '0' && c <= '9' || strings.IndexByte("._@/+-", c) >= 0 || c == ' ' && i < len(text)-1)
		if !letter && !inside {
			return false
		}
	}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return false
	}
	return true
}

func (e *yamlEncoder) flush() error { return nil }

func (e *yamlEncoder) end() (err error) {
	if !e.begun {
		_, err = e.w.WriteString("[]\n")
	}
	return err
}
