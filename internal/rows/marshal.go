package rows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	v := reflect.ValueOf(row).Elem()
	var extra map[string]json.RawMessage
	if l.extra != nil {
		extra = *place(v, l.extra).Addr().Interface().(*map[string]json.RawMessage)
	}
	w := newWriter()
	for _, field := range l.fields {
		value, name := place(v, field.index), field.names[0]
		if _, kept := extra[name]; value.IsZero() && (kept || field.id) {
			continue
		}
		text, ok, err := l.format.text(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if ok {
			w.member(name, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		value := bytes.TrimSpace(extra[name])
		switch {
		case w.written[name]:
			continue
		case extra[name] == nil:
			value = []byte("null") // as encoding/json does
		case !json.Valid(value) || !utf8.Valid(value):
			return nil, fmt.Errorf("%s: its value in Extra is not JSON", name)
		}
		w.member(name, l.format.kept(name, value))
	}
	w.text.WriteByte('}')
	return w.text.Bytes(), nil
}

// writer writes an object.
type writer struct {
	text    bytes.Buffer
	enc     *json.Encoder // to text
	written map[string]bool
}

func newWriter() *writer {
	w := &writer{written: make(map[string]bool)}
	w.text.WriteByte('{')
	w.enc = json.NewEncoder(&w.text)
	w.enc.SetEscapeHTML(false) // the encoder that this is for may do it
	return w
}

// member writes a string or a json.RawMessage.
func (w *writer) member(name string, value any) {
	if len(w.written) > 0 {
		w.text.WriteByte(',')
	}
	w.written[name] = true
	_ = w.enc.Encode(name) // neither can fail
	w.text.Truncate(w.text.Len() - len("\n"))
	w.text.WriteByte(':')
	_ = w.enc.Encode(value)
	w.text.Truncate(w.text.Len() - len("\n"))
}

// text returns the text of a field, or false if its member is left out.
func (f *Format) text(field reflect.Value) (text string, ok bool, err error) {
	if t, ok := field.Interface().(time.Time); ok {
		text, err = formatDatetime(t)
		return text, true, err
	}
	switch field.Kind() {
	case reflect.String:
		return field.String(), true, nil
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(field.Int(), 10), true, nil
	case reflect.Bool:
		if field.Bool() {
			return "1", true, nil
		}
		return "0", true, nil
	}
	if f.Own == nil || !f.Own(field.Type()) {
		return "", false, errors.New("a " + field.Type().String() + " is not written")
	}
	text, ok = f.Text(field.Interface())
	return text, ok, nil
}

func formatDatetime(t time.Time) (string, error) {
	switch t = t.UTC(); {
	case t.IsZero():
		return "0000-00-00 00:00:00", nil
	case t.Year() < 0 || t.Year() > 9999:
		return "", fmt.Errorf("the year %d does not have four digits", t.Year())
	}
	return t.Format("2006-01-02 15:04:05.999999999"), nil
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
