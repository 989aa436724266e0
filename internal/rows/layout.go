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
	"unicode/utf8"
)

// Format is what is particular about the rows of an API.
type Format struct {
	// Own reports whether this package reads and writes the fields of a type that has
	// JSON methods. It does so by their kind, or with Set and Text.
	Own func(reflect.Type) bool

	// Set sets a field of a type of Own that has no kind that this package knows. to is
	// a pointer to the field. Set reports false if the field cannot hold the text; the
	// text then stays in Extra.
	Set func(to any, text []byte) bool

	// Text returns the text that Set takes for the value that from points to. The member
	// is left out if Text reports false.
	Text func(from any) (text string, ok bool)

	// Hidden reports whether Mark is kept in Extra for the value of a member.
	Hidden func(name string) bool
	Mark   string

	layouts sync.Map // by reflect.Type
}

// Layout tells which field of a row type takes which member of a row.
type Layout struct {
	format  *Format
	fields  []field
	named   map[string]int // the fields that Marshal writes, by their names
	id      field          // the row's own id
	extra   []int          // the index of Extra; nil: the type has none
	problem string         // why the type cannot be a row
	idle    sync.Pool      // of *Reader: making one takes longer than reading a row
}

// LayoutOf returns the layout of the row type R: any struct.
//
// The json tag of a field names its member exactly. A field without one takes the
// member that has the name of the field, in upper or lower case. The tag json:"-" and
// unexported fields are skipped. Embedded structs are followed, and pointers to them,
// by the rules of encoding/json: of two fields with one name the outer one counts, and
// of two equals neither. Methods of R itself are not called, such as an UnmarshalJSON
// that it has from an embedded struct.
//
// Strings, bools, ints, int64s, times, types of Format.Own, and pointers to them take
// every spelling of their value. Fields of other types are left to encoding/json; a
// number among them may be in a string.
//
// The tag row:"id" marks the row's own id, and may add other spellings of its name.
// Members that no field decodes are kept in a map[string]json.RawMessage with the tag
// json:"-": the outer one, or the first of two equals. Without one they are dropped.
func LayoutOf[R any](f *Format) *Layout {
	t := reflect.TypeFor[R]()
	if cached, ok := f.layouts.Load(t); ok {
		return cached.(*Layout)
	}
	l := &Layout{format: f}
	if t.Kind() == reflect.Struct {
		l.collect(t, nil, nil, false)
		l.settle()
		if t.NumField() > 0 && len(l.fields) == 0 && l.extra == nil && l.problem == "" {
			l.problem = t.String() + " has no field that a member of a row can be put into"
		}
	} else {
		l.problem = t.String() + " is not a struct"
	}
	cached, _ := f.layouts.LoadOrStore(t, l)
	return cached.(*Layout)
}

// Problem tells why R cannot be a row, or is empty. Such a layout reads no row.
func (l *Layout) Problem() string { return l.problem }

// IDNames returns the names that the row's own id may have, the usual one first.
func (l *Layout) IDNames() []string { return l.id.names }

// ID returns the row's own id, or 0. row is a pointer to the row.
func (l *Layout) ID(row any) int64 {
	if l.id.names == nil {
		return 0
	}
	id, err := reflect.ValueOf(row).Elem().FieldByIndexErr(l.id.index)
	if err != nil {
		return 0 // it is behind a nil pointer
	}
	return id.Int()
}

// decoder decodes one row after the other into the same struct.
type decoder struct {
	layout *Layout
	row    reflect.Value // the struct
	claims []*member     // the members that fields decode, in the order of the layout
	byName map[string]*member
	byFold map[string]*member // by the name in lower case: fields without a tag
	before member             // its next is the first one of a row
	rest   []member           // the members of the row that no field decodes
	size   int                // how long the texts in the row are together
}

// member is a member of rows, and the place of its value in the current row.
type member struct {
	name  string
	next  *member // the claim that came after it in the row before
	to    any     // a pointer to its field; nil: no field decodes it
	late  *field  // the field, if to is not known before there is a value
	field int     // its place in the layout
	id    bool

	start, end int  // 0: the row does not have it
	escaped    bool // a string with escapes
}

// bind lets d decode into row, of the layout's type.
func (d *decoder) bind(l *Layout, row reflect.Value) {
	d.layout, d.row, d.byName = l, row, make(map[string]*member)
	last := &d.before
	for i := range l.fields {
		field := &l.fields[i]
		for _, name := range field.names {
			m := &member{name: name, field: i, id: field.id}
			if field.late {
				m.to, m.late = field, field
			} else {
				m.to = pointer(row.FieldByIndex(field.index))
			}
			d.claims = append(d.claims, m)
			d.byName[name] = m
			if !field.tagged {
				if d.byFold == nil {
					d.byFold = make(map[string]*member)
				}
				d.byFold[strings.ToLower(name)] = m
			}
			last.next = m
			last = m
		}
	}
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
	m, ok := d.byName[string(name)]
	if !ok && d.byFold != nil {
		m, ok = d.byFold[strings.ToLower(string(name))]
	}
	if ok {
		return m, end, nil
	}
	n := len(d.rest)
	d.rest = slices.Grow(d.rest, 1)[:n+1]
	m = &d.rest[n]
	m.to = nil
	if m.name != string(name) { // it is mostly the name in the row before
		m.name = string(name)
	}
	return m, end, nil
}

// fill sets the fields to the members that find found, and Extra to the rest. One
// string holds the texts of all fields, except secrets.
func (d *decoder) fill(row []byte) error {
	if d.layout.problem != "" {
		return errors.New(d.layout.problem)
	}
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
			value, err := row[m.start:m.end], error(nil)
			if m.late != nil {
				taken, err = d.setLate(*m, value, &text)
			} else if value, err = scalar(value, m.escaped); err == nil {
				taken, err = d.set(m, value, &text)
			}
			if err != nil && d.layout.format.Hidden(m.name) {
				err = errors.New("its value does not fit the field") // the error may show the value
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
	if len(d.rest) > 0 && d.layout.extra != nil {
		*place(d.row, d.layout.extra).Addr().Interface().(*map[string]json.RawMessage) = d.keep(row)
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
		value := row[m.start:m.end]
		if c := value[0]; c == '{' || c == '[' || !plain(value) || d.layout.format.Hidden(m.name) {
			kept[m.name] = slices.Clip(d.layout.format.kept(m.name, value))
			continue
		}
		start := len(values)
		values = append(values, value...)
		kept[m.name] = slices.Clip(values[start:])
	}
	return kept
}

// kept returns what Extra keeps of a value: nothing that is hidden, and in the form in
// which json.Marshal writes it, so that it is the same when it is read again.
func (f *Format) kept(name string, value []byte) json.RawMessage {
	if f.Hidden(name) {
		return json.RawMessage(`"` + f.Mark + `"`)
	}
	kept := f.redact(value)
	if plain(kept) {
		return kept
	}
	marshalled, err := json.Marshal(kept)
	if err != nil {
		return kept // it is nested more deeply than json.Marshal writes
	}
	return marshalled
}

// plain reports whether json.Marshal surely writes value as it is. It escapes < > & and
// two line separators, and takes white space out of lists and objects.
func plain(value []byte) bool {
	nested := value[0] == '{' || value[0] == '['
	for i, c := range value {
		switch {
		case c == '<', c == '>', c == '&', c == 0xE2 && i+2 < len(value) && value[i+1] == 0x80 && value[i+2]&^1 == 0xA8:
			return false
		case nested && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return false
		}
	}
	return true
}

// Redact copies a list or an object of JSON, with a mark in place of the values whose
// names are hidden. It reports false if text is neither.
func Redact(text []byte, hidden func(name string) bool, mark string) (redacted []byte, ok bool) {
	if c := jsonText(text).at(0); c != '{' && c != '[' || !utf8.Valid(text) || !json.Valid(text) {
		return nil, false
	}
	return (&Format{Hidden: hidden, Mark: mark}).redact(text), true
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

// setLate is set for a field whose place is not known before, or that encoding/json
// reads.
func (d *decoder) setLate(m member, value []byte, text *strings.Builder) (taken bool, err error) {
	f, to := d.layout.format, place(d.row, m.late.index)
	if to.Kind() == reflect.Pointer && f.reads(to.Type().Elem()) {
		if value[0] == 'n' {
			return true, nil
		}
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	if !f.reads(to.Type()) {
		return true, unmarshal(value, to)
	}
	if value, err = scalar(value, m.escaped); err != nil {
		return false, err
	}
	m.to = pointer(to)
	return d.set(&m, value, text)
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
		if bytes.HasPrefix(value, []byte("-0001-11-30")) { // what PHP makes of 0000-00-00
			return d.layout.extra == nil, nil
		}
		*to, err = parseDatetime(value)
	default:
		taken = len(value) == 0 || d.layout.format.Set(to, value)
		if !taken && d.layout.extra == nil {
			err = errors.New("the field cannot hold it, and this kind of row has no Extra")
		}
		return taken, err
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
	if whole, fraction, found := strings.Cut(string(text), "."); found && strings.Trim(fraction, "0") == "" && fraction != "" {
		text = []byte(whole) // 1.0
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || len(text) == 0 || text[0] == '+' {
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
	for _, layout := range []string{time.DateTime, time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time: want %s", text, time.DateTime)
}
