package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision/internal/sheet"
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
// The names of the members are those of the API. A plan leaves alone what is left out or
// null. "emergencyNumbers": true sets State.EmergencyNumbers. The file is UTF-8 or UTF-16.
// ReadJSON puts letters into Unicode's composed form (NFC), except in passwords.
//
// ReadJSON returns an error if r does, or if the file is not JSON. The error names the
// file, if r has a method Name, and the line. If a member is unknown, there twice or of the
// wrong type, or holds an escape that is no character (\ud800 alone, or \ufffd),
// State.Check reports it, with its line.
func ReadJSON(r io.Reader) (*State, error) {
	if r == nil {
		return nil, errors.New("provision: the reader of the JSON is nil")
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	from := &source{file: nameOf(r)}
	if what := sheet.File(data); what != "" {
		return nil, from.notJSON(0, "this is "+what+", not JSON")
	}
	return readState([]byte(sheet.Text(data)), from)
}

// notJSON is the error of a file that is no JSON.
func (s *source) notJSON(line int, text string) error {
	p := Problem{Line: line, Text: text}
	if s != nil {
		p.File = s.file
	}
	return errors.New("provision: " + p.String())
}

// WriteJSON writes the state as ReadJSON reads it, without passwords and PINs. It does not
// write what was wrong with the file that the state was read from, nor the rows that
// CSVOptions.SkipBad left out. So a plan with Prune from the written state deletes the
// users of these rows.
func (s *State) WriteJSON(w io.Writer) error {
	if s == nil {
		return noState()
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// UnmarshalJSON reads what ReadJSON does. Problems have no line, since the state may be
// a part of other JSON.
func (s *State) UnmarshalJSON(data []byte) error {
	if s == nil {
		return noState()
	}
	read, err := readState(data, nil)
	if err != nil {
		return err
	}
	*s = *read
	return nil
}

// readState reads a state from a file, or from no file where from is nil.
func readState(data []byte, from *source) (*State, error) {
	in := &jsonReader{from: from, state: new(State)}
	if from != nil {
		in.lines = []int{0}
		for i, b := range data {
			if b == '\n' {
				in.lines = append(in.lines, i+1)
			}
		}
	}
	if !utf8.Valid(data) { // of which encoding/json would make something
		bad := 0
		for bad < len(data) {
			r, size := utf8.DecodeRune(data[bad:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			bad += size
		}
		return nil, from.notJSON(in.line(bad), "not UTF-8: save the file as UTF-8")
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		line := 0
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line = in.line(int(syntax.Offset) - 1)
		}
		return nil, from.notJSON(line, "not JSON: "+err.Error())
	}
	blanks := len(data) - len(bytes.TrimLeft(data, " \t\r\n"))
	in.value(jsonPlace{offset: blanks}, raw, reflect.ValueOf(in.state).Elem())
	for i := range in.state.Devices {
		in.state.Devices[i].MACAddress = readMAC(in.state.Devices[i].MACAddress)
	}
	return in.state, nil
}

// MarshalJSON writes the user less the password and the PIN.
func (u User) MarshalJSON() ([]byte, error) {
	type plain User
	u.Password, u.PIN = infinitysip.Secret{}, infinitysip.Secret{}
	return json.Marshal(plain(u))
}

// jsonReader reads JSON as encoding/json does, and goes on after a problem.
type jsonReader struct {
	from  *source // nil: of no file
	lines []int   // where each begins
	state *State
}

// jsonPlace is where a value is.
type jsonPlace struct {
	path   string
	thing  string // the thing that it is in
	column string // the member of the thing
	offset int
}

// member is the place of a member of the value here.
func (p jsonPlace) member(name string, offset int) jsonPlace {
	p.path, p.column, p.offset = strings.TrimPrefix(p.path+"."+name, "."), name, p.offset+offset
	return p
}

// line is the line of an offset; 0 where there is no file.
func (in *jsonReader) line(offset int) int {
	return sort.Search(len(in.lines), func(i int) bool { return in.lines[i] > offset })
}

func (in *jsonReader) report(at jsonPlace, text string) {
	p := Problem{Line: in.line(at.offset), Thing: at.thing, Column: at.column, Path: at.path, Text: text}
	if in.from != nil {
		p.File = in.from.file
	}
	in.state.problems = append(in.state.problems, p)
}

func (in *jsonReader) value(at jsonPlace, raw json.RawMessage, v reflect.Value) {
	if string(raw) == "null" {
		return
	}
	if lost(raw) {
		in.report(at, `a \u escape is no character`)
		return
	}
	switch {
	case v.Type() == secretType:
		var text string
		switch err := json.Unmarshal(raw, &text); {
		case err != nil:
			in.report(at, "must be a text, in quotation marks")
		case text == redacted:
			in.report(at, "this is what a secret is printed as, not the secret")
		case strings.TrimSpace(text) != "":
			v.Set(reflect.ValueOf(infinitysip.NewSecret(text)))
		}
	case v.Kind() == reflect.Struct:
		in.object(at, raw, v)
	case v.Kind() == reflect.Slice:
		in.list(at, raw, v)
	default:
		target := reflect.New(v.Type())
		if err := json.Unmarshal(raw, target.Interface()); err != nil {
			in.report(at, "must be "+valuesOf(v.Type())+", not "+kindOfJSON(raw))
			return
		}
		v.Set(target.Elem())
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() == reflect.String {
			v.SetString(composed(v.String()))
		}
	}
}

// valuesOf is what a message calls the values of a type.
func valuesOf(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return "a text, in quotation marks"
	case reflect.Bool:
		return "true or false"
	}
	return "a whole number"
}

// kindOfJSON is a value of the wrong type, as a message has it.
func kindOfJSON(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	}
	return string(raw[:min(len(raw), 20)])
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

func (in *jsonReader) list(at jsonPlace, raw json.RawMessage, v reflect.Value) {
	if raw[0] != '[' {
		in.report(at, "must be a list, in brackets: [ ]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	elements := json.NewDecoder(bytes.NewReader(raw)) // which is JSON: nothing here can fail
	_, _ = elements.Token()
	for elements.More() {
		element, offset := next(elements, raw)
		here := at
		here.path, here.offset = indexed(at.path, v.Len()), at.offset+offset
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		if string(element) == "null" {
			in.mark(v.Index(v.Len()-1), here)
			in.report(here, "null: write what it is, or take it out")
			continue
		}
		in.value(here, element, v.Index(v.Len()-1))
	}
}

// next reads the next value, and tells where in raw it begins.
func next(values *json.Decoder, raw json.RawMessage) (value json.RawMessage, offset int) {
	for offset = int(values.InputOffset()); strings.IndexByte(" \t\r\n:,", raw[offset]) >= 0; {
		offset++
	}
	_ = values.Decode(&value)
	return value, offset
}

// jsonThings are what the types of a state are called.
var jsonThings = map[reflect.Type]Kind{
	reflect.TypeFor[User]():           KindUser,
	reflect.TypeFor[Group]():          KindGroup,
	reflect.TypeFor[Queue]():          KindQueue,
	reflect.TypeFor[QueueMember]():    kindMember,
	reflect.TypeFor[TrustedNetwork](): KindTrustedNetwork,
	reflect.TypeFor[Device]():         KindDevice,
}

// kindMember is what messages call a group in a queue.
const kindMember Kind = "member"

type jsonMember struct {
	raw    json.RawMessage
	offset int
}

func (in *jsonReader) object(at jsonPlace, raw json.RawMessage, v reflect.Value) {
	in.mark(v, at)
	if raw[0] != '{' {
		in.report(in.inside(at, v.Type(), nil), "must be an object, in braces: { }")
		return
	}
	members := map[string]jsonMember{}
	var twice []string
	object := json.NewDecoder(bytes.NewReader(raw))
	_, _ = object.Token()
	for object.More() {
		token, _ := object.Token()
		name, _ := token.(string)
		member, offset := next(object, raw)
		if _, ok := members[name]; ok { // encoding/json would take the last
			twice = append(twice, name)
		}
		members[name] = jsonMember{member, offset}
	}
	at = in.inside(at, v.Type(), members)
	for _, name := range twice {
		in.report(at.member(quote(name), members[name].offset), "is there twice")
	}
	var known []string
	for field, value := range v.Fields() {
		if !field.IsExported() {
			continue
		}
		name := jsonName(field)
		known = append(known, name)
		if member, ok := members[name]; ok {
			in.value(at.member(name, member.offset), member.raw, value)
			delete(members, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		text := "unknown"
		if i := slices.IndexFunc(known, func(k string) bool { return distance(headerKey(name), headerKey(k)) <= 1 }); i >= 0 {
			text = "unknown: did you mean " + known[i] + "?"
		}
		in.report(at.member(quote(name), members[name].offset), text)
	}
}

// mark notes where a thing was read.
func (in *jsonReader) mark(v reflect.Value, at jsonPlace) {
	if thing, ok := v.Addr().Interface().(interface{ readFrom(*source, int) }); ok && in.from != nil {
		thing.readFrom(in.from, in.line(at.offset))
	}
}

// inside is the place of an object, as what is in it sees it.
func (in *jsonReader) inside(at jsonPlace, t reflect.Type, members map[string]jsonMember) jsonPlace {
	at.column = ""
	kind, ok := jsonThings[t]
	if !ok {
		return at
	}
	name := ""
	for field := range t.Fields() {
		if field.Tag.Get("provision") == "key" {
			if raw := members[jsonName(field)].raw; raw != nil && !lost(raw) {
				_ = json.Unmarshal(raw, &name)
			}
		}
	}
	path := at.path[strings.LastIndexByte(at.path, '.')+1:]
	thing := origin{from: in.from}.call(kind, path, composed(name))
	if kind == kindMember {
		thing = within(at.thing, thing)
	}
	at.thing = thing
	return at
}
