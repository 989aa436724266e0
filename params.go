package infinitysip

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/go-querystring/query"

	"github.com/infinitysip/infinitysip/internal/wire"
)

// form is what a call sends: the pairs, and which of them are secret.
type form struct {
	values url.Values
	secret []string // the names of those
}

// secrets returns the values that are secret.
func (f form) secrets() []string {
	var all []string
	for _, name := range f.secret {
		all = append(all, f.values[name]...)
	}
	return all
}

// formLayout tells, for a type of parameters, what its fields must be.
type formLayout struct {
	fields []param  // in the order of the type
	secret []string // the names of those that are
}

type param struct {
	name     string
	optional bool
	pointer  bool   // nil: not given
	rule     string // of the check tag
}

var formLayouts sync.Map // by reflect.Type

// formLayoutOf reads the tags that encode goes by.
func formLayoutOf(t reflect.Type) *formLayout {
	if cached, ok := formLayouts.Load(t); ok {
		return cached.(*formLayout)
	}
	l := new(formLayout)
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("url"), ",")
		if strings.Contains(options, "brackets") {
			name += "[]"
		}
		pointer := field.Type.Kind() == reflect.Pointer
		l.fields = append(l.fields, param{name, pointer || strings.Contains(options, "omitempty"), pointer, field.Tag.Get("check")})
		if field.Type == reflect.TypeFor[Secret]() || field.Type == reflect.TypeFor[*Secret]() {
			l.secret = append(l.secret, name)
		}
	}
	cached, _ := formLayouts.LoadOrStore(t, l)
	return cached.(*formLayout)
}

// has reports whether a parameter, less its brackets, is one of the layout.
func (l *formLayout) has(name string) bool {
	name, _, _ = strings.Cut(name, "[")
	return slices.ContainsFunc(l.fields, func(p param) bool { return p.bare() == name })
}

// bare is the name as the API's page has it: without the brackets of an array.
func (p param) bare() string { return strings.TrimSuffix(p.name, "[]") }

// encode checks params, which may be nil, and writes them and more as a form.
// What a field must be follows from its type and its url tag:
//
//   - without omitempty it is required: a text must not be empty, unless the
//     field says check:"mayBeEmpty";
//   - an id is positive, a count is not negative, a flag is 1 or 0;
//   - a pointer is an optional field of an update; one at least must be given;
//   - a list of ids is not empty; check:"order" forbids a doubled id;
//   - check:"mac" is a MAC address;
//   - a value with a problem method says itself what is wrong with it.
func encode(params any, more url.Values) (form, []FieldError) {
	var (
		f        form
		problems []FieldError
		layout   *formLayout
	)
	if params != nil {
		values, err := query.Values(params)
		if err != nil {
			return form{}, []FieldError{{"params", err.Error()}}
		}
		layout = formLayoutOf(reflect.TypeOf(params))
		f = form{values: values, secret: layout.secret}
		given := reflect.ValueOf(params)
		for i, p := range layout.fields {
			v := given.Field(i)
			if p.pointer {
				if v.IsNil() {
					continue
				}
				v = v.Elem()
			}
			if problem := f.check(p, v); problem != "" {
				problems = append(problems, FieldError{p.bare(), problem})
			}
		}
	}
	for _, name := range sortedNames(more) {
		if layout != nil && layout.has(name) {
			problems = append(problems, FieldError{"CallParam", quote(name) + " is a parameter of this call: set it there"})
		}
		if f.values == nil {
			f.values = make(url.Values)
		}
		f.values[name] = more[name]
	}
	if params != nil && len(f.values) == 0 && len(problems) == 0 {
		problems = append(problems, FieldError{"params", "nothing to update: every field is nil"})
	}
	return f, problems
}

// sortedNames are the names of params, so that problems come in one order.
func sortedNames(params url.Values) []string {
	if params == nil {
		return nil // most calls have none, and the iterator would be allocated
	}
	return slices.Sorted(maps.Keys(params))
}

// check tells what is wrong with one field, and finishes what the query
// package does not know how to write.
func (f *form) check(p param, v reflect.Value) string {
	switch value := v.Interface().(type) {
	case Secret:
		if value.IsZero() && !p.pointer {
			if p.optional {
				return ""
			}
			return "required"
		}
		f.values.Set(p.name, value.Reveal())
		return textProblem(value.Reveal())
	case netip.Prefix:
		if !value.IsValid() {
			return "required: a network in CIDR notation, such as 10.0.20.0/24"
		}
		f.values.Set(p.name, value.String())
		return ""
	case interface{ problem() string }:
		if problem := value.problem(); problem != "" {
			return problem
		}
	}

	switch v.Kind() {
	case reflect.String:
		text := v.String()
		switch {
		case text == "" && !p.optional && p.rule != "mayBeEmpty":
			return "required"
		case p.rule == "mac":
			mac := wire.MAC(text)
			if mac == "" {
				return "not a MAC address of six octets: " + quote(text)
			}
			f.values.Set(p.name, mac)
		}
		return textProblem(text)
	case reflect.Int64: // an id
		if v.Int() < 0 || v.Int() == 0 && !p.optional || v.Int() == 0 && f.values.Has(p.name) {
			return "must be a positive id, not " + strconv.FormatInt(v.Int(), 10)
		}
	case reflect.Int: // a count
		return countProblem(v.Int())
	case reflect.Slice:
		return idsProblem(v, p.rule == "order")
	}
	return ""
}

func idsProblem(ids reflect.Value, order bool) string {
	if ids.Len() == 0 {
		return "an empty list of ids"
	}
	if order && ids.Len() > wire.MaxOrder {
		return fmt.Sprintf("%d ids: the server takes an order of at most %d", ids.Len(), wire.MaxOrder)
	}
	seen := make(map[int64]bool, ids.Len())
	for i := range ids.Len() {
		id := ids.Index(i).Int()
		if id <= 0 {
			return fmt.Sprintf("id %d of the list must be positive, not %d", i+1, id)
		}
		if order && seen[id] {
			return fmt.Sprintf("id %d is in the order twice", id)
		}
		seen[id] = true
	}
	return ""
}

func countProblem(n int64) string {
	if n < 0 {
		return fmt.Sprintf("must not be negative: %d", n)
	}
	return ""
}

// textProblem refuses what no field of a phone system holds, and what a log or
// a header further on would trip over. It does not repeat the text.
func textProblem(text string) string {
	switch {
	case strings.Contains(text, "\r") || strings.Contains(text, "\n") || strings.Contains(text, "\x00"): // quicker than ContainsAny
		return "holds a line break or a NUL"
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	}
	return ""
}
