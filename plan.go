package infinitysip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"time"
)

// So many names of members that no field takes are learned, if they are no
// longer than so many bytes: a server can send others without end.
const maxLearned, longestLearned = 100, 64

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
	claims []member // that the fields take, in the order of the plan
	byName map[string]*member
	before member // its next is the first one of a row

	serial int       // of the row
	size   int       // of the text in it
	rest   []*member // that no field takes
	plain  []byte    // a string less its escapes
}

// member is a member of rows, and where it is in the last row that had it.
type member struct {
	name  string
	next  *member // the one that came after it last time
	to    any     // what points to the field that takes it; nil: none does
	field int     // its place in the plan
	id    bool
	text  bool // the field needs text

	serial     int // of that row
	start, end int
	escaped    bool // a string with escapes
}

// follow has f fill row by p.
func (f *filler) follow(p *plan, row reflect.Value) {
	f.plan, f.byName = p, make(map[string]*member)
	f.extra = row.Field(p.extra).Addr().Interface().(*map[string]json.RawMessage)
	for i, field := range p.fields {
		to, text := pointer(row.Field(field.index))
		for _, name := range field.names {
			f.claims = append(f.claims, member{name: name, to: to, field: i, id: field.id, text: text})
		}
	}
	last := &f.before
	for i := range f.claims {
		m := &f.claims[i]
		f.byName[m.name] = m
		last.next = m
		last = m
	}
}

// pointer points to a field: to an id as to an int64, and to a field of any
// string type as to a string. It reports whether the field needs text.
func pointer(field reflect.Value) (to any, text bool) {
	p := field.Addr()
	switch field.Kind() {
	case reflect.String:
		return p.Convert(reflect.TypeFor[*string]()).Interface(), true
	case reflect.Int64:
		return p.Convert(reflect.TypeFor[*int64]()).Interface(), false
	}
	_, text = p.Interface().(*netip.Prefix) // it is read from a string
	return p.Interface(), text
}

// forget wipes what may be secret.
func (f *filler) forget() {
	clear(f.plain[:cap(f.plain)])
	if cap(f.plain) > rowBuffer {
		f.plain = nil
	}
}

// find finds the members of the row that t begins with, and its length.
func (f *filler) find(t jsonText) (int, error) {
	if strings.IndexByte(`"[tfn-0123456789`, t.at(0)) >= 0 {
		return 0, errors.New("not an object")
	} else if t.at(0) != '{' {
		return 0, t.wrong(0)
	}
	f.serial++
	f.size, f.rest = 0, f.rest[:0]
	i := t.space(1)
	if t.at(i) == '}' {
		return i + 1, nil
	}
	for last := &f.before; ; {
		// Most rows have their members in the order of the row before.
		m, err := last.next, error(nil)
		if m != nil && t.named(i, m.name) {
			i += len(m.name) + 2
		} else if m, i, err = f.lookUp(t, i, last); err != nil {
			return 0, err
		}
		if i = t.space(i); t.at(i) != ':' {
			return 0, t.wrong(i)
		}
		i = t.space(i + 1)
		end, escaped, err := t.value(i)
		if err == errShort {
			return 0, err
		} else if err != nil {
			return 0, fmt.Errorf("%s: %w", m.name, err)
		}
		f.note(m, t, i, end, escaped)
		last = m
		switch i = t.space(end); t.at(i) {
		case '}':
			return i + 1, nil
		case ',':
			i = t.space(i + 1)
		default:
			return 0, t.wrong(i)
		}
	}
}

// lookUp returns the member whose name is at i, and where the name ends. The
// member is what is expected after last from now on.
func (f *filler) lookUp(t jsonText, i int, last *member) (*member, int, error) {
	if t.at(i) != '"' {
		return nil, 0, t.wrong(i)
	}
	end, escaped, err := t.value(i)
	if err != nil {
		return nil, 0, err
	}
	name := t.json[i+1 : end-1]
	if escaped {
		name = unescape(nil, name)
	}
	m, known := f.byName[string(name)]
	if !known {
		m = &member{name: string(name)}
		if escaped || len(name) > longestLearned || len(f.byName) >= len(f.claims)+maxLearned {
			return m, end, nil
		}
		f.byName[m.name] = m
	}
	last.next = m
	return m, end, nil
}

// note keeps where the value of a member is. As in encoding/json, the last
// one of a name counts.
func (f *filler) note(m *member, t jsonText, start, end int, escaped bool) {
	if m.to == nil && m.serial != f.serial {
		f.rest = append(f.rest, m)
	}
	if m.text {
		f.size += end - start
		if t.at(start) == '"' {
			f.size -= len(`""`)
		}
	}
	m.serial, m.start, m.end, m.escaped = f.serial, start, end, escaped
}

// set sets the fields to the members of row, and Extra to those that no field
// takes. One string holds the text of all fields, but for the secrets.
func (f *filler) set(row []byte) error {
	var text strings.Builder
	text.Grow(f.size)
	field := -1
	for i := range f.claims {
		m := &f.claims[i]
		if m.serial != f.serial {
			continue
		}
		taken := false
		if m.field != field {
			field = m.field
			value, err := scalar(row[m.start:m.end])
			if m.escaped {
				f.plain = unescape(f.plain[:0], value)
				value = f.plain
			}
			if err == nil {
				taken, err = m.set(value, &text)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
		if !taken {
			f.rest = append(f.rest, m)
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

// keep returns the rest of row. The values share one array, of which none
// reaches into the next.
func (f *filler) keep(row []byte) map[string]json.RawMessage {
	size := 0
	for _, m := range f.rest {
		size += m.end - m.start
	}
	rest, values := make(map[string]json.RawMessage, len(f.rest)), make([]byte, 0, size)
	for _, m := range f.rest {
		if secretName(m.name) {
			rest[m.name] = json.RawMessage(`"` + redacted + `"`)
			continue
		}
		start := len(values)
		values = append(values, row[m.start:m.end]...)
		rest[m.name] = values[start:len(values):len(values)]
	}
	return rest
}

// secretName reports whether a member that no field claims is a secret all the
// same: some row type has a Secret of this name.
func secretName(name string) bool {
	return strings.EqualFold(name, "password") || strings.EqualFold(name, "pin") || strings.EqualFold(name, "pbxDeviceToken")
}

// set takes a value as the field needs it, whether the server sent a string, a
// number, a bool or null. It reports false for a value that is kept in Extra
// instead.
func (m *member) set(value []byte, text *strings.Builder) (bool, error) {
	switch to := m.to.(type) {
	case *string:
		*to = shared(value, text)
	case *bool:
		switch string(value) {
		case "", "0", "false":
		case "1", "true":
			*to = true
		default:
			return false, fmt.Errorf("%q is not a flag: want 1 or 0", value)
		}
	case *int64: // an id
		n, err := parseNumber(value)
		if err == nil && m.id && n <= 0 {
			err = fmt.Errorf("%q is not an id", value)
		}
		*to = n
		return true, err
	case *int:
		n, err := parseNumber(value)
		*to = int(n)
		return true, err
	case *time.Time:
		t, err := parseDatetime(value)
		*to = t
		return true, err
	case *netip.Prefix:
		if len(value) == 0 {
			return true, nil
		}
		prefix, ok := parseNetwork(shared(value, text))
		*to = prefix
		return ok, nil
	case *Secret:
		if len(value) > 0 {
			*to = NewSecret(string(value))
		}
	}
	return true, nil
}

// shared returns value as a part of text.
func shared(value []byte, text *strings.Builder) string {
	start := text.Len()
	text.Write(value)
	return text.String()[start:]
}

// scalar returns what is in a JSON string, which may hold escapes, a number or
// a bool as it is written, and nothing for null.
func scalar(value []byte) ([]byte, error) {
	switch value[0] {
	case '"':
		return value[1 : len(value)-1], nil
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
	digits := bytes.TrimPrefix(text, []byte("-"))
	good, n := len(digits) > 0, int64(0)
	for _, c := range digits {
		good = good && c >= '0' && c <= '9' && n <= math.MaxInt64/10
		n = n*10 + int64(c-'0')
	}
	switch {
	case !good || n < 0: // below zero is beyond 64 bits
		return 0, fmt.Errorf("%q is not a whole number of 64 bits", text)
	case len(digits) < len(text):
		return -n, nil
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

// parseNetwork reads a network in CIDR notation, or an address alone.
func parseNetwork(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, true
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	return netip.Prefix{}, false
}
