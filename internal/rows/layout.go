package rows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Format is what is particular about the rows of an API.
type Format struct {
	// Set sets a field of a type that this package does not know. to is a pointer
	// to the field. Set reports false if the field cannot hold the text; the text
	// then stays in Extra.
	Set func(to any, text []byte) bool

	// Hidden reports whether Mark is kept in Extra for the value of a member.
	Hidden func(name string) bool
	Mark   string

	layouts sync.Map // by reflect.Type
}

// Layout tells which field of a row type takes which member of a row.
type Layout struct {
	format *Format
	fields []field
	id     field     // the row's own id
	extra  int       // the index of Extra
	idle   sync.Pool // of *Reader: making one takes longer than reading a row
}

type field struct {
	index int
	names []string // of the member; the first one in the row counts
	id    bool     // the row's own id, which must be positive
}

// LayoutOf returns the layout of the row type R, a struct. The json tag of a field
// names its member. The tag row:"id" marks the row's own id, and may add other
// spellings of its name. json:"-" marks Extra, a map[string]json.RawMessage of the
// members that no field decodes.
func LayoutOf[R any](f *Format) *Layout {
	t := reflect.TypeFor[R]()
	if cached, ok := f.layouts.Load(t); ok {
		return cached.(*Layout)
	}
	l := &Layout{format: f}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			l.extra = i
			continue
		}
		tag := strings.Split(t.Field(i).Tag.Get("row"), ",")
		field := field{index: i, names: append([]string{name}, tag[1:]...), id: tag[0] == "id"}
		if field.id {
			l.id = field
		}
		l.fields = append(l.fields, field)
	}
	cached, _ := f.layouts.LoadOrStore(t, l)
	return cached.(*Layout)
}

// IDNames returns the names that the row's own id may have, the usual one first.
func (l *Layout) IDNames() []string { return l.id.names }

// ID returns the row's own id, or 0. row is a pointer to the row.
func (l *Layout) ID(row any) int64 {
	if l.id.names == nil {
		return 0
	}
	return reflect.ValueOf(row).Elem().Field(l.id.index).Int()
}

// decoder decodes one row after the other into the same struct.
type decoder struct {
	layout *Layout
	extra  *map[string]json.RawMessage
	claims []*member // the members that fields decode, in the order of the layout
	byName map[string]*member
	before member   // its next is the first one of a row
	rest   []member // the members of the row that no field decodes
	size   int      // how long the texts in the row are together
}

// member is a member of rows, and the place of its value in the current row.
type member struct {
	name  string
	next  *member // the claim that came after it in the row before
	to    any     // a pointer to its field; nil: no field decodes it
	field int     // its place in the layout
	id    bool

	start, end int  // 0: the row does not have it
	escaped    bool // a string with escapes
}

// bind lets d decode into row, a struct of the layout's type.
func (d *decoder) bind(l *Layout, row reflect.Value) {
	d.layout, d.byName = l, make(map[string]*member)
	d.extra = row.Field(l.extra).Addr().Interface().(*map[string]json.RawMessage)
	last := &d.before
	for i, field := range l.fields {
		for _, name := range field.names {
			m := &member{name: name, to: pointer(row.Field(field.index)), field: i, id: field.id}
			d.claims = append(d.claims, m)
			d.byName[name] = m
			last.next = m
			last = m
		}
	}
}

// pointer returns a pointer to a field: an *int64 to an id, and a *string to a
// field of any string type.
func pointer(field reflect.Value) any {
	p := field.Addr()
	switch field.Kind() {
	case reflect.String:
		p = p.Convert(reflect.TypeFor[*string]())
	case reflect.Int64:
		p = p.Convert(reflect.TypeFor[*int64]())
	}
	return p.Interface()
}

// find finds the members of the row at the start of t. It returns the length of
// the row.
func (d *decoder) find(t jsonText) (int, error) {
	if t.at(0) != '{' {
		return 0, errors.New("not an object")
	}
	d.size, d.rest = 0, d.rest[:0]
	for _, m := range d.claims {
		m.end = 0
	}
	i := t.space(1)
	if t.at(i) == '}' {
		return i + 1, nil
	}
	last := &d.before
	for {
		// Most rows have their members in the same order as the row before.
		m, err := last.next, error(nil)
		if m != nil && t.named(i, m.name) {
			i += len(m.name) + len(`""`)
		} else if m, i, err = d.lookUp(t, i); err != nil {
			return 0, err
		} else if m.to != nil {
			last.next = m
		}
		if i = t.space(i); t.at(i) != ':' {
			return 0, t.wrong(i)
		}
		i = t.space(i + 1)
		m.start = i
		if m.end, m.escaped, err = t.value(i); err != nil {
			return 0, fmt.Errorf("%s: %w", m.name, err)
		}
		if m.to != nil {
			last = m
		}
		if _, ok := m.to.(*string); ok {
			if d.size += m.end - i; t[i] == '"' {
				d.size -= len(`""`)
			}
		}
		switch i = t.space(m.end); t.at(i) {
		case '}':
			return i + 1, nil
		case ',':
			i = t.space(i + 1)
		default:
			return 0, t.wrong(i)
		}
	}
}

// lookUp returns the member whose name is at i, and where the name ends.
func (d *decoder) lookUp(t jsonText, i int) (*member, int, error) {
	if t.at(i) != '"' {
		return nil, 0, t.wrong(i)
	}
	end, escaped, err := t.value(i)
	if err != nil {
		return nil, 0, err
	}
	name, _ := scalar(t[i:end], escaped) // it is a string, so there is no error
	if m, ok := d.byName[string(name)]; ok {
		return m, end, nil
	}
	n := len(d.rest)
	d.rest = slices.Grow(d.rest, 1)[:n+1]
	m := &d.rest[n]
	m.to = nil
	if m.name != string(name) { // it is mostly the name in the row before
		m.name = string(name)
	}
	return m, end, nil
}

// fill sets the fields to the members that find found, and Extra to the rest. One
// string holds the texts of all fields, except secrets.
func (d *decoder) fill(row []byte) error {
	var text strings.Builder
	text.Grow(d.size)
	field := -1
	for _, m := range d.claims {
		if m.end == 0 {
			continue
		}
		taken := false
		if m.field != field {
			field = m.field
			value, err := scalar(row[m.start:m.end], m.escaped)
			if err == nil {
				taken, err = d.set(m, value, &text)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
		if !taken {
			d.rest = append(d.rest, *m)
		}
	}
	if field < 0 && len(d.claims) > 0 {
		return errors.New("no field of this kind of row is in it")
	}
	if len(d.rest) > 0 {
		*d.extra = d.keep(row)
	}
	return nil
}

// keep returns the rest of row. Its values share one array. As in encoding/json,
// the last member of a name counts.
func (d *decoder) keep(row []byte) map[string]json.RawMessage {
	size := 0
	for _, m := range d.rest {
		size += m.end - m.start
	}
	kept, values := make(map[string]json.RawMessage, len(d.rest)), make([]byte, 0, size)
	for _, m := range d.rest {
		if d.layout.format.Hidden(m.name) {
			kept[m.name] = slices.Clip(json.RawMessage(`"` + d.layout.format.Mark + `"`))
			continue
		}
		if c := row[m.start]; c == '{' || c == '[' {
			kept[m.name] = d.layout.format.redact(jsonText(row[m.start:m.end]))
			continue
		}
		start := len(values)
		values = append(values, row[m.start:m.end]...)
		kept[m.name] = slices.Clip(values[start:])
	}
	return kept
}

// redact copies a list or an object, with the mark in place of what is hidden.
func (f *Format) redact(t jsonText) json.RawMessage {
	var kept []byte
	done := 0
	for i := 0; i < len(t); {
		if t[i] != '"' {
			i++
			continue
		}
		end := i + new(brackets).close(t[i:])
		name, _ := scalar(t[i:end], true)
		i = t.space(end)
		if t.at(i) == ':' && f.Hidden(string(name)) {
			i = t.space(i + 1)
			kept = append(append(kept, t[done:i]...), `"`+f.Mark+`"`...)
			done, _, _ = t.value(i)
			i = done
		}
	}
	return append(kept, t[done:]...)
}

// set sets the field of m, whether the server sent a string, a number, a bool or
// null. It reports false for a value that is kept in Extra instead.
func (d *decoder) set(m *member, value []byte, text *strings.Builder) (taken bool, err error) {
	switch to := m.to.(type) {
	case *string:
		start := text.Len()
		text.Write(value)
		*to = text.String()[start:]
	case *bool:
		switch string(value) {
		case "", "0", "false":
		case "1", "true":
			*to = true
		default:
			err = fmt.Errorf("%q is not a flag: want 1 or 0", value)
		}
	case *int64:
		if *to, err = parseNumber(value); err == nil && m.id && *to <= 0 {
			err = fmt.Errorf("%q is not an id", value)
		}
	case *int:
		var n int64
		n, err = parseNumber(value)
		*to = int(n)
	case *time.Time:
		*to, err = parseDatetime(value)
	default:
		return len(value) == 0 || d.layout.format.Set(to, value), nil
	}
	return true, err
}

// scalar returns the content of a JSON string, the text of a number or a bool, and
// nothing for null.
func scalar(value []byte, escaped bool) ([]byte, error) {
	switch value[0] {
	case '"':
		value = value[1 : len(value)-1]
		if escaped {
			value = unescape(value)
		}
		return value, nil
	case '{', '[':
		return nil, errors.New("want one value, not a list or an object")
	case 'n':
		return nil, nil
	}
	return value, nil
}

func parseNumber(text []byte) (int64, error) {
	switch string(text) {
	case "", "false":
		return 0, nil
	case "true":
		return 1, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || text[0] == '+' {
		return 0, fmt.Errorf("%q is not a whole number of 64 bits", text)
	}
	return n, nil
}

func parseDatetime(text []byte) (time.Time, error) {
	if len(text) == 0 || string(text) == "0" || bytes.HasPrefix(text, []byte("0000-00-00")) {
		return time.Time{}, nil
	}
	// The standard library is fastest with its own layout.
	if len(text) == len(time.DateTime) && text[len("2006-01-02")] == ' ' {
		var t time.Time
		rfc3339 := [len(time.DateTime) + 1]byte{}
		copy(rfc3339[:], text)
		rfc3339[len("2006-01-02")], rfc3339[len(text)] = 'T', 'Z'
		if t.UnmarshalText(rfc3339[:]) == nil {
			return t, nil
		}
	}
	t, err := time.Parse(time.DateTime, string(text))
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time: want %s", text, time.DateTime)
	}
	return t, nil
}
