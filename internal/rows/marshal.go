package rows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Marshal writes the row that row points to as the API does: its fields, whose values
// are strings, then Extra in the order of the names. It knows the types that LayoutOf
// does not leave to encoding/json.
//
// Unmarshal gives an equal row. So the row's own id is left out if it is zero, because
// Unmarshal accepts none. If a field is zero and Extra has its member, Marshal writes
// what is in Extra.
func (l *Layout) Marshal(row any) ([]byte, error) {
	return l.Append(make([]byte, 0, l.Size()), row)
}

// Size is about how many bytes Marshal writes.
func (l *Layout) Size() int { return 64 + 32*len(l.fields) }

// Append is Marshal that appends to text. Drop text if there is an error.
func (l *Layout) Append(text []byte, row any) (_ []byte, err error) {
	v := reflect.ValueOf(row).Elem()
	var (
		extra   map[string]json.RawMessage
		names   = make([]string, 0, 8) // of extra
		claimed []int                  // the fields that extra has members of
	)
	if l.extra != nil {
		extra = *place(v, l.extra).Addr().Interface().(*map[string]json.RawMessage)
	}
	for name := range extra {
		names = append(names, name)
		if i, ok := l.named[name]; ok {
			claimed = append(claimed, i)
		}
	}
	text = append(text, '{')
	start := len(text)
	for i := range l.fields {
		field, end := &l.fields[i], len(text)
		var value reflect.Value
		if len(field.index) == 1 {
			value = v.Field(field.index[0]) // quicker than place
		} else {
			value = place(v, field.index)
		}
		inExtra := claimed != nil && slices.Contains(claimed, i)
		if (inExtra || field.id) && value.IsZero() {
			continue
		}
		if end > start {
			text = append(text, ',')
		}
		text = append(text, field.key...)
		ok := true
		if field.kind == stringValue { // as most are
			text = appendString(text, value.String())
		} else if text, ok, err = l.format.appendField(text, value, field.kind); err != nil {
			return nil, fmt.Errorf("%s: %w", field.names[0], err)
		}
		if !ok {
			text = text[:end]
		} else if inExtra {
			names = slices.DeleteFunc(names, func(name string) bool { return name == field.names[0] })
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if len(text) > start {
			text = append(text, ',')
		}
		if text, err = l.format.appendKept(append(appendString(text, name), ':'), name, extra[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return append(text, '}'), nil
}

// appendKept appends the value of a member of Extra.
func (f *Format) appendKept(text []byte, name string, value json.RawMessage) ([]byte, error) {
	if value == nil {
		return append(text, "null"...), nil // as encoding/json does
	}
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' && simple(jsonText(value[:len(value)-1]), 1) && plain(value) && !f.Hidden(name) {
		return append(text, value...), nil
	}
	value = bytes.TrimSpace(value)
	if !json.Valid(value) || !utf8.Valid(value) {
		return nil, errors.New("its value in Extra is not JSON")
	}
	return appendEncoded(text, f.kept(name, value)), nil
}

// appendString appends a string as encoding/json writes it.
func appendString(text []byte, value string) []byte {
	start := len(text)
	text = append(append(text, '"'), value...)
	if simple(text, start+1) {
		return append(text, '"')
	}
	return appendEncoded(text[:start], value)
}

// simple reports whether what is in text from i on is the same in a JSON string. Broken
// UTF-8 is not, and neither are two line separators that encoding/json escapes.
func simple(t jsonText, i int) bool {
	i = t.special(i)
	if i < len(t) && t[i] >= utf8.RuneSelf && !utf8.Valid(t[i:]) {
		return false
	}
	for ; i < len(t); i = t.special(i + 1) {
		if t[i] < utf8.RuneSelf || t[i] == 0xE2 && t[i+1] == 0x80 && t[i+2]&^1 == 0xA8 {
			return false
		}
	}
	return true
}

// appendEncoded appends a string or a json.RawMessage as encoding/json writes it, but
// without the escapes for HTML: the encoder that this is for may do them.
func appendEncoded(text []byte, value any) []byte {
	buf := bytes.NewBuffer(text)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // neither can fail
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// valueKind tells how the value of a field is written.
type valueKind int

const (
	noValue  valueKind = iota // not at all
	ownValue                  // by Format.Text
	stringValue
	numberValue
	boolValue
	timeValue
)

// kindOf returns how this package writes values of type t.
func (f *Format) kindOf(t reflect.Type) valueKind {
	if t == reflect.TypeFor[time.Time]() {
		return timeValue
	}
	switch t.Kind() {
	case reflect.String:
		return stringValue
	case reflect.Int, reflect.Int64:
		return numberValue
	case reflect.Bool:
		return boolValue
	}
	if f.Own != nil && f.Own(t) {
		return ownValue
	}
	return noValue
}

// appendField appends the value of a field, or reports false if its member is left out.
func (f *Format) appendField(text []byte, field reflect.Value, kind valueKind) (_ []byte, ok bool, err error) {
	switch kind {
	case stringValue:
		return appendString(text, field.String()), true, nil
	case numberValue:
		text = append(text, '"')
		text = strconv.AppendInt(text, field.Int(), 10)
		return append(text, '"'), true, nil
	case boolValue:
		if field.Bool() {
			return append(text, `"1"`...), true, nil
		}
		return append(text, `"0"`...), true, nil
	case timeValue:
		text, err = appendDatetime(append(text, '"'), *field.Addr().Interface().(*time.Time))
		return append(text, '"'), true, err
	}
	if kind != ownValue {
		return text, false, errors.New("a " + field.Type().String() + " is not written")
	}
	written, ok := f.Text(field.Addr().Interface())
	if !ok {
		return text, false, nil
	}
	return appendString(text, written), true, nil
}

func appendDatetime(text []byte, t time.Time) ([]byte, error) {
	switch t = t.UTC(); {
	case t.IsZero():
		return append(text, "0000-00-00 00:00:00"...), nil
	case t.Year() < 0 || t.Year() > 9999:
		return text, fmt.Errorf("the year %d does not have four digits", t.Year())
	}
	return t.AppendFormat(text, "2006-01-02 15:04:05.999999999"), nil
}

// Unmarshal reads one row from text, in which any white space may be. It sets every
// field of row: those that are not in the text are zero then. null, or an error, leaves
// row as it is.
func Unmarshal[R any](l *Layout, text []byte, row *R) error {
	t := jsonText(text)
	start := t.space(0)
	if string(bytes.TrimSpace(text)) == "null" {
		return nil
	}
	r := NewReader[R](l, nil, 0)
	defer r.Close()
	size, err := r.find(t[start:])
	switch {
	case errors.Is(err, errShort):
		return errors.New("not JSON: the text ends within the row")
	case err != nil:
		return err
	case t.space(start+size) < len(t):
		return errors.New("something follows the row")
	}
	if err := r.fill(t[start : start+size]); err != nil {
		return err
	}
	*row = r.row
	return nil
}
