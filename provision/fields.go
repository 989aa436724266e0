package provision

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"sync"

	"github.com/infinitysip/infinitysip"
)

// A thing of a State, its row on the server, and the params that create or
// update it name a field alike: by its name in the API, which is in the tag json.
// So what differs is found, and sent, field by field, whatever the thing is.

var secretType = reflect.TypeFor[infinitysip.Secret]()

// field is one of a struct.
type field struct {
	index  int
	name   string // in the API
	secret bool
	stated bool // of a thing of a State: it goes into params. Keys and lists do not.
}

// layout is a struct's fields that the API has.
type layout struct {
	fields []field
	byName map[string]int // indexes in the struct
}

// layouts are those of all types here, found once because that is slow.
var layouts = sync.OnceValue(func() map[reflect.Type]layout {
	return layoutsOf(User{}, Group{}, Queue{}, QueueMember{}, TrustedNetwork{}, Device{},
		infinitysip.User{}, infinitysip.UserCreateParams{}, infinitysip.UserUpdateParams{},
		infinitysip.Group{}, infinitysip.GroupCreateParams{}, infinitysip.GroupUpdateParams{},
		infinitysip.Queue{}, infinitysip.QueueCreateParams{}, infinitysip.QueueUpdateParams{},
		infinitysip.QueueMember{}, infinitysip.QueueMemberCreateParams{}, infinitysip.QueueMemberUpdateParams{},
		infinitysip.TrustedNetwork{}, infinitysip.TrustedNetworkCreateParams{}, infinitysip.TrustedNetworkUpdateParams{},
		infinitysip.Device{}, infinitysip.DeviceCreateParams{}, infinitysip.DeviceUpdateParams{})
})

func layoutsOf(structs ...any) map[reflect.Type]layout {
	all := map[reflect.Type]layout{}
	for _, of := range structs {
		l := layout{byName: map[string]int{}}
		for f := range reflect.TypeOf(of).Fields() {
			name := jsonName(f)
			if !f.IsExported() || name == "" || name == "-" {
				continue
			}
			l.fields = append(l.fields, field{f.Index[0], name, f.Type == secretType,
				f.Tag.Get("provision") == "" && f.Type.Kind() != reflect.Slice})
			l.byName[name] = f.Index[0]
		}
		all[reflect.TypeOf(of)] = l
	}
	return all
}

// jsonName is the name of a field in JSON, which is the API's.
func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// fieldOf is the field of a struct with that name in the API; the zero Value if
// it has none.
func fieldOf[T any](of *T, name string) reflect.Value {
	v := reflect.ValueOf(of).Elem()
	if i, ok := layouts()[v.Type()].byName[name]; ok {
		return v.Field(i)
	}
	return reflect.Value{}
}

// plain is a value as a FieldChange has it.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int64:
		return v.Int()
	}
	return v.Interface()
}

// valueIn is what a row has in a field, as a FieldChange has it; nil if it has no
// such field.
func valueIn[R any](row *R, name string) any {
	if v := fieldOf(row, name); v.IsValid() {
		return plain(v)
	}
	return nil
}

// mentioned yields the fields of a thing that say something, with what they
// say.
func mentioned[W any](thing *W) iter.Seq2[field, reflect.Value] {
	return func(yield func(field, reflect.Value) bool) {
		all := reflect.ValueOf(thing).Elem()
		for _, f := range layouts()[all.Type()].fields {
			v := all.Field(f.index)
			if !f.stated || v.IsZero() || f.secret && v.Interface().(infinitysip.Secret).IsZero() {
				continue
			}
			if v.Kind() == reflect.Pointer {
				v = v.Elem()
			}
			if !yield(f, v) {
				return
			}
		}
	}
}

// differences tells what params of type P would change to make of a row what a
// thing says of it, and what of that they cannot change. Secrets are left out:
// a row does not show them.
func differences[P, W, R any](want *W, row *R) (changes, fixed []FieldChange) {
	can := layouts()[reflect.TypeFor[P]()].byName
	for f, v := range mentioned(want) {
		if f.secret {
			continue
		}
		from, to := valueIn(row, f.name), plain(v)
		if from == to {
			continue
		}
		if _, ok := can[f.name]; ok {
			changes = append(changes, FieldChange{f.name, from, to})
		} else {
			fixed = append(fixed, FieldChange{f.name, from, to})
		}
	}
	return changes, fixed
}

// newFields tells what a new thing gets, less its secrets.
func newFields[W any](thing *W) []FieldChange {
	n := 0 // counted first, since there are many of them and they are kept
	for range mentioned(thing) {
		n++
	}
	all := make([]FieldChange, 0, n)
	for f, v := range mentioned(thing) {
		if !f.secret {
			all = append(all, FieldChange{Field: f.name, To: plain(v)})
		}
	}
	return all
}

// secretsOf names the secrets that a thing says.
func secretsOf[W any](want *W) []string {
	var names []string
	for f := range mentioned(want) {
		if f.secret {
			names = append(names, f.name)
		}
	}
	return names
}

// fill puts into params what a thing says.
func fill[P, W any](params *P, want *W) {
	for f, v := range mentioned(want) {
		set(fieldOf(params, f.name), v)
	}
}

// fillFields puts into params what fields get. One that they do not have, or a
// value of another type, is an error.
func fillFields[P any](params *P, fields []FieldChange) error {
	for _, f := range fields {
		to, v := fieldOf(params, f.Field), reflect.ValueOf(f.To)
		if !to.IsValid() {
			return fmt.Errorf("%w: there is no field %s", infinitysip.ErrInvalid, quote(f.Field))
		}
		kind := to.Type()
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if kind == secretType || !v.IsValid() || v.Kind() != kind.Kind() && (!v.CanInt() || !reflect.Zero(kind).CanInt()) {
			return fmt.Errorf("%w: field %s: a value of the wrong type", infinitysip.ErrInvalid, f.Field)
		}
		set(to, v.Convert(kind))
	}
	return nil
}

// describe puts into a thing what its row shows, less what is empty.
func describe[W, R any](thing *W, row *R) {
	all := reflect.ValueOf(thing).Elem()
	for _, f := range layouts()[all.Type()].fields {
		if !f.stated || f.secret {
			continue
		}
		if shown := fieldOf(row, f.name); shown.IsValid() && !shown.IsZero() {
			set(all.Field(f.index), shown)
		}
	}
}

// set sets a field, which may be a pointer or may not be there, to a value.
func set(to, value reflect.Value) {
	switch {
	case !to.IsValid():
	case to.Kind() == reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		to.Elem().Set(value)
	default:
		to.Set(value)
	}
}

// extensionOf is the extension number of a thing or a row; "" if it has none.
func extensionOf[T any](thing *T) string {
	if v := fieldOf(thing, "extensionNumber"); v.IsValid() {
		return v.String()
	}
	return ""
}
