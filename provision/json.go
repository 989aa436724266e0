package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
)

// redacted is what a secret is printed as, and so what it is not.
const redacted = "[redacted]"

// ReadJSON reads a state from JSON:
//
//	{
//	  "users":  [{"user": "joe.blogs", "displayName": "Joe Blogs", "extensionNumber": "0100", "email": "joe@example.com"}],
//	  "groups": [{"groupName": "sales", "extensionNumber": "0600", "members": ["joe.blogs"]}],
//	  "queues": [{"queueName": "reception", "extensionNumber": "0700", "members": [{"group": "sales", "ringSecs": 20}]}],
//	  "trustedNetworks": [{"network": "203.0.113.0/24", "description": "Office"}],
//	  "devices": [{"deviceMacAddress": "10:20:30:1A:2B:3C", "user": "joe.blogs"}]
//	}
//
// The members are spelled as the API spells them. What is left out, or null,
// is not mentioned. The error is one of reading, or of what is no JSON; a
// member that is unknown, there twice or of the wrong type, or holds an escape
// that is no character (\ud800 alone, or \ufffd), is a problem that Check tells,
// with its path.
func ReadJSON(r io.Reader) (*State, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	s := new(State)
	if err := s.UnmarshalJSON(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))); err != nil {
		return nil, err
	}
	return s, nil
}

// WriteJSON writes the state as ReadJSON reads it, less passwords and PINs.
func (s *State) WriteJSON(w io.Writer) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// UnmarshalJSON reads what ReadJSON does.
func (s *State) UnmarshalJSON(data []byte) error {
	if !utf8.Valid(data) { // of which encoding/json would make something
		return errors.New("provision: not UTF-8: save the file as UTF-8")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("provision: not JSON: %w", err)
	}
	var read State
	in := jsonReader{report: func(path, text string) {
		read.problems = append(read.problems, Problem{Path: path, Text: text})
	}}
	in.value("", raw, reflect.ValueOf(&read).Elem())
	*s = read
	return nil
}

// MarshalJSON writes the user less the password and the PIN.
func (u User) MarshalJSON() ([]byte, error) {
	type plain User
	u.Password, u.PIN = infinitysip.Secret{}, infinitysip.Secret{}
	return json.Marshal(plain(u))
}

// jsonReader reads JSON as encoding/json does, and goes on after a problem.
type jsonReader struct{ report func(path, text string) }

func (in jsonReader) value(path string, raw json.RawMessage, v reflect.Value) {
	if string(raw) == "null" {
		return
	}
	if lost(raw) {
		in.report(path, `a \u escape is no character`)
		return
	}
	switch {
	case v.Type() == secretType:
		var text string
		switch err := json.Unmarshal(raw, &text); {
		case err != nil:
			in.report(path, "want a string")
		case text == redacted:
			in.report(path, "this is what a secret is printed as, not the secret")
		default:
			v.Set(reflect.ValueOf(infinitysip.NewSecret(text)))
		}
	case v.Kind() == reflect.Struct:
		in.object(path, raw, v)
	case v.Kind() == reflect.Slice:
		var elements []json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			in.report(path, "want an array")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(elements), len(elements)))
		for i, element := range elements {
			at := fmt.Sprintf("%s[%d]", path, i)
			if string(element) == "null" {
				in.report(at, "null")
				continue
			}
			in.value(at, element, v.Index(i))
		}
	default:
		target := reflect.New(v.Type())
		if err := json.Unmarshal(raw, target.Interface()); err != nil {
			kind := v.Type()
			if kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			in.report(path, "want "+map[reflect.Kind]string{
				reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a whole number",
			}[kind.Kind()])
			return
		}
		v.Set(target.Elem())
	}
}

// lost reports whether encoding/json would put U+FFFD in place of an escape: of
// half a character, \ud800 say.
func lost(raw json.RawMessage) bool {
	if raw[0] != '"' || !bytes.Contains(raw, []byte(`\u`)) {
		return false
	}
	var text string
	_ = json.Unmarshal(raw, &text) // which is JSON
	return strings.Count(text, "\ufffd") > bytes.Count(raw, []byte("\ufffd"))
}

func (in jsonReader) object(path string, raw json.RawMessage, v reflect.Value) {
	object := json.NewDecoder(bytes.NewReader(raw)) // which is JSON: nothing here can fail
	if first, _ := object.Token(); first != json.Delim('{') {
		in.report(path, "want an object")
		return
	}
	dot := "."
	if path == "" {
		dot = ""
	}
	members := map[string]json.RawMessage{}
	for object.More() {
		token, _ := object.Token()
		name, _ := token.(string)
		var member json.RawMessage
		_ = object.Decode(&member)
		if _, twice := members[name]; twice { // encoding/json would take the last
			in.report(path+dot+quote(name), "is there twice")
		}
		members[name] = member
	}
	for field, value := range v.Fields() {
		if !field.IsExported() {
			continue
		}
		if member, ok := members[jsonName(field)]; ok {
			in.value(path+dot+jsonName(field), member, value)
			delete(members, jsonName(field))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		in.report(path+dot+quote(name), "unknown")
	}
}
