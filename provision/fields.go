package provision

import (
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// A thing of a State, its row on the server, and the params that create or
// update it call a field by the same name, in Go and in the API. So what differs
// is found, and sent, field by field, whatever the thing is.

var secretType = reflect.TypeFor[infinitysip.Secret]()

// FieldChange is a field that gets another value. A secret has no From, and a
// To that prints as "[redacted]".
type FieldChange struct {
	Field string // as the API spells it
	From  any
	To    any

	name string // of the field in Go
}

// String returns such as: displayName "Sales" → "Sales Dept".
func (f FieldChange) String() string {
	if _, secret := f.To.(infinitysip.Secret); secret {
		return "new " + f.Field
	}
	return fmt.Sprintf("%s %s → %s", f.Field, show(f.From), show(f.To))
}

// MarshalJSON writes {"field":…,"from":…,"to":…}.
func (f FieldChange) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Field string `json:"field"`
		From  any    `json:"from"`
		To    any    `json:"to"`
	}{f.Field, f.From, f.To})
}

func show(value any) string {
	if v := reflect.ValueOf(value); v.Kind() == reflect.String {
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprint(value)
}

// statedField is a field of a thing of a State that goes into its params: not
// its name, and not a list of other things.
type statedField struct {
	index  int
	name   string // in Go
	field  string // as the API spells it
	secret bool
}

// statedFields are those of each type of thing, found once because that is slow.
var statedFields = map[reflect.Type][]statedField{
	reflect.TypeFor[User]():           statedFieldsOf[User](),
	reflect.TypeFor[Group]():          statedFieldsOf[Group](),
	reflect.TypeFor[Queue]():          statedFieldsOf[Queue](),
	reflect.TypeFor[QueueMember]():    statedFieldsOf[QueueMember](),
	reflect.TypeFor[TrustedNetwork](): statedFieldsOf[TrustedNetwork](),
	reflect.TypeFor[Device]():         statedFieldsOf[Device](),
}

func statedFieldsOf[W any]() []statedField {
	var all []statedField
	for field := range reflect.TypeFor[W]().Fields() {
		if field.IsExported() && field.Tag.Get("provision") == "" && field.Type.Kind() != reflect.Slice {
			all = append(all, statedField{field.Index[0], field.Name, jsonName(field), field.Type == secretType})
		}
	}
	return all
}

// mentioned yields the fields of a thing that say something, with what they
// say.
func mentioned[W any](thing *W) iter.Seq2[statedField, reflect.Value] {
	return func(yield func(statedField, reflect.Value) bool) {
		all := reflect.ValueOf(thing).Elem()
		for _, s := range statedFields[all.Type()] {
			v := all.Field(s.index)
			if v.IsZero() || s.secret && v.Interface().(infinitysip.Secret).IsZero() {
				continue
			}
			if v.Kind() == reflect.Pointer {
				v = v.Elem()
			}
			if !yield(s, v) {
				return
			}
		}
	}
}

// differences tells what params of type P would change to make of a row what a
// thing says of it, and what of that they cannot change. Secrets are left out:
// a row does not show them.
func differences[P, W, R any](want *W, row *R) (changes, fixed []FieldChange) {
	there := reflect.ValueOf(row).Elem()
	for s, v := range mentioned(want) {
		if s.secret {
			continue
		}
		from := there.FieldByName(s.name).Interface()
		if from == v.Interface() {
			continue
		}
		f := FieldChange{Field: s.field, From: from, To: v.Interface(), name: s.name}
		if _, ok := reflect.TypeFor[P]().FieldByName(s.name); ok {
			changes = append(changes, f)
		} else {
			fixed = append(fixed, f)
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
	for s, v := range mentioned(thing) {
		if !s.secret {
			all = append(all, FieldChange{Field: s.field, To: v.Interface(), name: s.name})
		}
	}
	return all
}

// secretsOf tells which secrets a thing says.
func secretsOf[W any](want *W) []FieldChange {
	var all []FieldChange
	for s, v := range mentioned(want) {
		if s.secret {
			all = append(all, FieldChange{Field: s.field, To: v.Interface(), name: s.name})
		}
	}
	return all
}

// fill puts into params what a thing says, or, where changes are given, these
// fields of it.
func fill[P, W any](params *P, want *W, changes ...FieldChange) {
	to := reflect.ValueOf(params).Elem()
	for s, v := range mentioned(want) {
		if len(changes) > 0 && !slices.ContainsFunc(changes, func(c FieldChange) bool { return c.name == s.name }) {
			continue
		}
		set(to.FieldByName(s.name), v)
	}
}

// describe puts into a thing what its row shows, less what is empty.
func describe[W, R any](thing *W, row *R) {
	from := reflect.ValueOf(row).Elem()
	for field, v := range reflect.ValueOf(thing).Elem().Fields() {
		if !field.IsExported() || field.Tag.Get("provision") != "" || field.Type == secretType {
			continue
		}
		if shown := from.FieldByName(field.Name); shown.IsValid() && !shown.IsZero() {
			set(v, shown)
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
	if v := reflect.ValueOf(thing).Elem().FieldByName("ExtensionNumber"); v.IsValid() {
		return v.String()
	}
	return ""
}

// setExtension puts an extension number into params.
func setExtension[P any](params *P, number string) {
	set(reflect.ValueOf(params).Elem().FieldByName("ExtensionNumber"), reflect.ValueOf(number))
}

// jsonName is the name of a field in JSON, which is the API's.
func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}
