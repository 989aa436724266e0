package rows

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// field is a field of a row type.
type field struct {
	index  []int    // through embedded structs
	names  []string // of the member; the first one in the row counts
	tagged bool     // a json tag names it; if not, its name is read in any case
	id     bool     // the row's own id, which must be positive
	late   bool     // its place is not known before there is a value, or encoding/json reads it

	kind valueKind // how it is written
	key  []byte    // its name and a colon, as JSON has them
}

// collect adds the fields of the struct t, which is at index in the row. outer are the
// structs that it is in; late: a pointer is on the way to it.
func (l *Layout) collect(t reflect.Type, index []int, outer []reflect.Type, late bool) {
	if slices.Contains(outer, t) {
		return // it embeds itself: the outer fields hide those in it
	}
	outer = append(outer, t)
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(slices.Clone(index), i)
		tag, spellings := f.Tag.Get("json"), strings.Split(f.Tag.Get("row"), ",")
		name, _, _ := strings.Cut(tag, ",")
		inner := f.Type
		if f.Anonymous && inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case tag == "-":
			if f.IsExported() && f.Type == reflect.TypeFor[map[string]json.RawMessage]() && (l.extra == nil || len(at) < len(l.extra)) {
				l.extra = at
			}
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			if !f.IsExported() && f.Type != inner {
				l.problem = fmt.Sprintf("%s embeds a pointer to %s, which is not exported", t, inner)
			} else {
				l.collect(inner, at, outer, late || f.Type != inner)
			}
		case f.IsExported():
			reads := l.format.reads(f.Type)
			field := field{index: at, names: []string{name}, tagged: name != "", late: late || !reads, kind: l.format.kindOf(f.Type)}
			if !field.tagged {
				field.names[0] = f.Name
			}
			field.names = append(field.names, spellings[1:]...)
			field.id = spellings[0] == "id" && reads && f.Type.Kind() == reflect.Int64
			l.fields = append(l.fields, field)
		}
	}
}

// settle gives each name to one field: the outer one, or the one with a tag. Of two
// equals, none has it.
func (l *Layout) settle() {
	all := l.fields
	l.fields, l.named = nil, make(map[string]int)
	for i, field := range all {
		field.names = slices.DeleteFunc(slices.Clone(field.names), func(name string) bool {
			for k, other := range all {
				outer := len(other.index) - len(field.index)
				if k != i && slices.Contains(other.names, name) && (outer < 0 || outer == 0 && (other.tagged || !field.tagged)) {
					return true
				}
			}
			return false
		})
		if len(field.names) == 0 {
			continue
		}
		if field.id && (l.id.names == nil || len(field.index) < len(l.id.index)) {
			l.id = field
		}
		field.key = append(appendString(nil, field.names[0]), ':')
		if _, ok := l.named[field.names[0]]; !ok {
			l.named[field.names[0]] = len(l.fields)
		}
		l.fields = append(l.fields, field)
	}
}

// reads reports whether this package reads values of type t itself.
func (f *Format) reads(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Time]() || f.Own != nil && f.Own(t) {
		return true
	}
	kind := t.Kind()
	return !readsItself(t) && (kind == reflect.String || kind == reflect.Bool || kind == reflect.Int || kind == reflect.Int64)
}

// readsItself reports whether encoding/json calls methods of t.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// pointer returns a pointer to a field: a *string to a field of any string type, and so
// on.
func pointer(field reflect.Value) any {
	p := field.Addr()
	switch field.Kind() {
	case reflect.String:
		p = p.Convert(reflect.TypeFor[*string]())
	case reflect.Bool:
		p = p.Convert(reflect.TypeFor[*bool]())
	case reflect.Int:
		p = p.Convert(reflect.TypeFor[*int]())
	case reflect.Int64:
		p = p.Convert(reflect.TypeFor[*int64]())
	}
	return p.Interface()
}

// place returns a field of row. It sets nil pointers that are on the way.
func place(row reflect.Value, index []int) reflect.Value {
	for _, i := range index {
		if row.Kind() == reflect.Pointer {
			if row.IsNil() {
				row.Set(reflect.New(row.Type().Elem()))
			}
			row = row.Elem()
		}
		row = row.Field(i)
	}
	return row
}

// unmarshal lets encoding/json read a value. The methods that it calls are others'
// code.
func unmarshal(value []byte, to reflect.Value) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("reading a %s panicked with a %T", to.Type(), v)
		}
	}()
	if value[0] == '"' && isNumber(to.Type()) {
		switch inside, _ := Text(value); {
		case inside == "":
			value = []byte("0")
		case json.Valid([]byte(inside)):
			value = []byte(inside)
		}
	}
	return json.Unmarshal(value, to.Addr().Interface())
}

// isNumber reports whether t is a number that encoding/json reads, or a pointer to one.
func isNumber(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return reflect.Int <= t.Kind() && t.Kind() <= reflect.Float64 && !readsItself(t)
}
