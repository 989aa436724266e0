package infinitysip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/infinitysip/infinitysip/internal/wire"
)

// plan tells, for a row type, which of its fields takes which member of a row.
type plan struct {
	fields []field
	id     field     // the row's own id
	extra  int       // the index of Extra
	idle   sync.Pool // of *rows: to make one takes longer than to read a row
}

type field struct {
	index int
	names []string // of the member; the first that is there is taken
	id    bool     // the row's own id: it must be one
}

// planFor reads the tags of a row type. json names the member that a field
// takes; row:"id" marks the row's own id, and may add other spellings of its
// name.
func planFor(t reflect.Type) *plan {
	p := new(plan)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			p.extra = i
			continue
		}
		tag := strings.Split(t.Field(i).Tag.Get("row"), ",")
		f := field{index: i, names: append([]string{name}, tag[1:]...), id: tag[0] == "id"}
		if f.id {
			p.id = f
		}
		p.fields = append(p.fields, f)
	}
	return p
}

// planOf is planFor, once for each Client and type.
func planOf[R any](c *Client) *plan { return once(c, reflect.TypeFor[R](), planFor) }

// once makes the plan of a type, once for each Client.
func once[P any](c *Client, t reflect.Type, plan func(reflect.Type) P) P {
	if c == nil {
		return plan(t)
	}
	p, ok := c.plans.Load(t)
	if !ok {
		p, _ = c.plans.LoadOrStore(t, plan(t))
	}
	return p.(P)
}

// idOf returns the own id of a row.
func (p *plan) idOf(row any) int64 {
	return reflect.ValueOf(row).Elem().Field(p.id.index).Int()
}

// filler fills one row by a plan, again and again.
type filler struct {
	plan   *plan
	extra  *map[string]json.RawMessage
	claims []*member // that the fields take, in the order of the plan
	byName map[string]*member
	before member   // its next is the first one of a row
	rest   []member // of the row, that no field takes
	size   int      // of the text in the row
}

// member is a member of rows, and where its value is in the row that is read.
type member struct {
	name  string
	next  *member // the claim that came after it last time
	to    any     // what points to the field that takes it; nil: none does
	field int     // its place in the plan
	id    bool

	start, end int  // 0: the row has none
	escaped    bool // a string with escapes
}

// follow has f fill row by p.
func (f *filler) follow(p *plan, row reflect.Value) {
	f.plan, f.byName = p, make(map[string]*member)
	f.extra = row.Field(p.extra).Addr().Interface().(*map[string]json.RawMessage)
	last := &f.before
	for i, field := range p.fields {
		for _, name := range field.names {
			m := &member{name: name, to: pointer(row.Field(field.index)), field: i, id: field.id}
			f.claims = append(f.claims, m)
			f.byName[name] = m
			last.next = m
			last = m
		}
	}
}

// pointer points to a field: to an id as to an int64, and to a field of any
// string type as to a string.
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

// find finds the members of the row that t begins with, and its length.
func (f *filler) find(t jsonText) (int, error) {
	if t.at(0) != '{' {
		return 0, errors.New("not an object")
	}
	f.size, f.rest = 0, f.rest[:0]
	for _, m := range f.claims {
		m.end = 0
	}
	i := t.space(1)
	if t.at(i) == '}' {
		return i + 1, nil
	}
	last := &f.before
	for {
		// Most rows have their members in the order of the row before.
		m, err := last.next, error(nil)
		if m != nil && t.named(i, m.name) {
			i += len(m.name) + len(`""`)
		} else if m, i, err = f.lookUp(t, i); err != nil {
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
			if f.size += m.end - i; t[i] == '"' {
				f.size -= len(`""`)
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
func (f *filler) lookUp(t jsonText, i int) (*member, int, error) {
	if t.at(i) != '"' {
		return nil, 0, t.wrong(i)
	}
	end, escaped, err := t.value(i)
	if err != nil {
		return nil, 0, err
	}
	name, _ := scalar(t[i:end], escaped) // a string is one
	if m, ok := f.byName[string(name)]; ok {
		return m, end, nil
	}
	n := len(f.rest)
	f.rest = slices.Grow(f.rest, 1)[:n+1]
	m := &f.rest[n]
	m.to = nil
	if m.name != string(name) { // it is most often that of the row before
		m.name = string(name)
	}
	return m, end, nil
}

// fill sets the fields to the members that were found, and Extra to those that
// no field takes. One string holds the text of all fields, but for the secrets.
func (f *filler) fill(row []byte) error {
	var text strings.Builder
	text.Grow(f.size)
	field := -1
	for _, m := range f.claims {
		if m.end == 0 {
			continue
		}
		taken := false
		if m.field != field {
			field = m.field
			value, err := scalar(row[m.start:m.end], m.escaped)
			if err == nil {
				taken, err = m.set(value, &text)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
		if !taken {
			f.rest = append(f.rest, *m)
		}
	}
	if field < 0 && len(f.claims) > 0 {
		return errors.New("no field of this kind of row is in it")
	}
	if len(f.rest) > 0 {
		*f.extra = f.keep(row)
	}
	return nil
}

// keep returns the rest of row. The values share one array. As in
// encoding/json, the last one of a name counts.
func (f *filler) keep(row []byte) map[string]json.RawMessage {
	size := 0
	for _, m := range f.rest {
		size += m.end - m.start
	}
	kept, values := make(map[string]json.RawMessage, len(f.rest)), make([]byte, 0, size)
	for _, m := range f.rest {
		if secretName(m.name) {
			kept[m.name] = json.RawMessage(`"` + redacted + `"`)
			continue
		}
		if c := row[m.start]; c == '{' || c == '[' {
			kept[m.name] = jsonText(row[m.start:m.end]).redact()
			continue
		}
		start := len(values)
		values = append(values, row[m.start:m.end]...)
		kept[m.name] = slices.Clip(values[start:])
	}
	return kept
}

// redact copies a list or an object, less what is a secret by its name in it.
func (t jsonText) redact() json.RawMessage {
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
		if t.at(i) == ':' && secretName(string(name)) {
			i = t.space(i + 1)
			kept = append(append(kept, t[done:i]...), `"`+redacted+`"`...)
			done, _, _ = t.value(i)
			i = done
		}
	}
	return append(kept, t[done:]...)
}

// secretName reports whether a member that no field claims is a secret all the
// same: some row type has a Secret of this name.
func secretName(name string) bool {
	return strings.EqualFold(name, "password") || strings.EqualFold(name, "pin") || strings.EqualFold(name, "pbxDeviceToken")
}

// set takes a value as the field needs it, whether the server sent a string, a
// number, a bool or null. It reports false for a value that is kept in Extra
// instead.
func (m *member) set(value []byte, text *strings.Builder) (taken bool, err error) {
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
	case *netip.Prefix:
		*to, taken = wire.Network(string(value))
		return taken || len(value) == 0, nil
	case *Secret:
		if len(value) > 0 {
			*to = NewSecret(string(value))
		}
	}
	return true, err
}

// scalar returns what is in a JSON string, a number or a bool as it is written,
// and nothing for null.
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
	// The standard library is quickest with its own layout.
	if len(text) == len(datetimeLayout) && text[len("2006-01-02")] == ' ' {
		var t time.Time
		rfc3339 := [len(time.DateTime) + 1]byte{}
		copy(rfc3339[:], text)
		rfc3339[len("2006-01-02")], rfc3339[len(text)] = 'T', 'Z'
		if t.UnmarshalText(rfc3339[:]) == nil {
			return t, nil
		}
	}
	t, err := time.Parse(datetimeLayout, string(text))
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time: want %s", text, datetimeLayout)
	}
	return t, nil
}
