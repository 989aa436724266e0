// Package form checks parameters by the tags of their fields, and writes them as
// a form. What a field must be follows from its type and its url tag:
//
//   - without omitempty it is required: a text must not be empty, unless the field
//     says check:"mayBeEmpty";
//   - an int64 is an id: positive; an int is a count: not negative; a bool is a
//     flag: 1 or 0, which go-querystring writes;
//   - a pointer with omitempty is an optional field of an update: nil is not sent;
//   - a slice is a list of ids, and not empty; check:"order" forbids a doubled id.
package form

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/go-querystring/query"
)

// Format is what the forms of an API have of their own.
type Format struct {
	// Problem tells what is wrong with a value of a type of the API's own. It is
	// asked first.
	Problem func(value any) string

	// Text writes a value of a type that this package does not know, and reports
	// whether it is one. An empty text means no value. Secret is the type of the
	// values that no error may show.
	Text   func(value any) (text string, known bool)
	Secret reflect.Type

	// Checks rewrite a text by the name in its check tag, or tell what is wrong.
	Checks map[string]func(text string) (rewritten, problem string)

	// MaxOrder is the most ids that an order may name.
	MaxOrder int

	layouts sync.Map // by reflect.Type
}

// Form is what a call sends: the pairs, and which of them are secret.
type Form struct {
	Values url.Values
	Hidden []string // the names of those that are secret
}

// Secrets returns the values that are secret.
func (f Form) Secrets() []string {
	var all []string
	for _, name := range f.Hidden {
		all = append(all, f.Values[name]...)
	}
	return all
}

// Len counts the values.
func (f Form) Len() (n int) {
	for _, values := range f.Values {
		n += len(values)
	}
	return n
}

// Has reports whether there is a value of this name, brackets aside.
func (f Form) Has(name string) bool {
	for own := range f.Values {
		if bare(own) == bare(name) {
			return true
		}
	}
	return false
}

// Problem is what is wrong with a parameter.
type Problem struct{ Name, Text string }

// layout tells, for a type of parameters, what its fields must be.
type layout struct {
	params []param // in the order of the type
	hidden []string
}

type param struct {
	name     string // as it is written, with the brackets of an array
	optional bool
	omitted  bool // if it is zero
	pointer  bool // nil: not given
	basic    bool // of a type of Go's own, which Problem and Text know nothing of
	check    string
}

// bare is a name as people write it: without the brackets of an array.
func bare(name string) string {
	name, _, _ = strings.Cut(name, "[")
	return name
}

func (f *Format) layoutOf(t reflect.Type) *layout {
	if cached, ok := f.layouts.Load(t); ok {
		return cached.(*layout)
	}
	l := new(layout)
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("url"), ",")
		if strings.Contains(options, "brackets") {
			name += "[]"
		}
		of, pointer := field.Type, field.Type.Kind() == reflect.Pointer
		if pointer {
			of = of.Elem()
		}
		omitted, basic := strings.Contains(options, "omitempty"), of.Name() != "" && of.PkgPath() == ""
		l.params = append(l.params, param{name, pointer || omitted, omitted, pointer, basic, field.Tag.Get("check")})
		if of == f.Secret {
			l.hidden = append(l.hidden, name)
		}
	}
	cached, _ := f.layouts.LoadOrStore(t, l)
	return cached.(*layout)
}

// Has reports whether params, a struct, have a parameter of this name, brackets
// aside.
func (f *Format) Has(params any, name string) bool {
	return slices.ContainsFunc(f.layoutOf(reflect.TypeOf(params)).params, func(p param) bool { return bare(p.name) == bare(name) })
}

// Encode checks params, a struct, and writes them as a form. It finds all problems
// at once.
func (f *Format) Encode(params any) (Form, []Problem) {
	values, err := query.Values(params)
	if err != nil {
		return Form{}, []Problem{{"params", err.Error()}}
	}
	l := f.layoutOf(reflect.TypeOf(params))
	problems, _ := f.checkAll(params, l, values.Set)
	return Form{Values: values, Hidden: l.hidden}, problems
}

// Check finds the problems that Encode finds. It does not write the form, which would take
// most of the time. If there are no problems, given tells whether the form would have
// values.
func (f *Format) Check(params any) (problems []Problem, given bool) {
	return f.checkAll(params, f.layoutOf(reflect.TypeOf(params)), func(string, string) {})
}

// checkAll checks params, and sets what go-querystring does not know how to write.
func (f *Format) checkAll(params any, l *layout, set func(name, text string)) (problems []Problem, given bool) {
	all := reflect.ValueOf(params)
	for i := range l.params {
		p, v := &l.params[i], all.Field(i)
		given = given || !p.omitted || !v.IsZero()
		if p.pointer {
			if v.IsNil() {
				continue
			}
			v = v.Elem()
		}
		if problem := f.check(p, v, set); problem != "" {
			problems = append(problems, Problem{bare(p.name), problem})
		}
	}
	return problems, given
}

// check tells what is wrong with one field.
func (f *Format) check(p *param, v reflect.Value, set func(name, text string)) string {
	if !p.basic {
		value := v.Interface()
		if problem := f.Problem(value); problem != "" {
			return problem
		}
		if text, known := f.Text(value); known {
			if text == "" && !p.optional {
				return "required"
			}
			if text != "" || p.pointer {
				set(p.name, text)
			}
			return TextProblem(text)
		}
	}
	switch v.Kind() {
	case reflect.String:
		text := v.String()
		if text == "" && !p.optional && p.check != "mayBeEmpty" {
			return "required"
		}
		if check, ok := f.Checks[p.check]; ok {
			rewritten, problem := check(text)
			if problem != "" {
				return problem
			}
			set(p.name, rewritten)
		}
		return TextProblem(text)
	case reflect.Int64:
		if v.Int() < 0 || v.Int() == 0 && (!p.optional || p.pointer) {
			return "must be a positive id, not " + strconv.FormatInt(v.Int(), 10)
		}
	case reflect.Int:
		return CountProblem(v.Int())
	case reflect.Slice:
		return f.idsProblem(v, p.check == "order")
	}
	return ""
}

func (f *Format) idsProblem(ids reflect.Value, order bool) string {
	if ids.Len() == 0 {
		return "an empty list of ids"
	}
	if order && ids.Len() > f.MaxOrder {
		return fmt.Sprintf("%d ids: the server takes an order of at most %d", ids.Len(), f.MaxOrder)
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

// CountProblem refuses a negative count.
func CountProblem(n int64) string {
	if n < 0 {
		return fmt.Sprintf("must not be negative: %d", n)
	}
	return ""
}

// TextProblem refuses what no field of a form should hold, and what a log or a
// header further on would trip over. It does not repeat the text.
func TextProblem(text string) string {
	switch {
	case strings.Contains(text, "\r") || strings.Contains(text, "\n") || strings.Contains(text, "\x00"): // quicker than ContainsAny
		return "holds a line break or a NUL"
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	}
	return ""
}

// NameProblem refuses names that a server may take for another name. PHP drops
// blanks before a name, and turns blanks and dots into underscores.
func NameProblem(name string) string {
	base, brackets, array := strings.Cut(name, "[")
	word := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	switch {
	case base == "":
		return "no name"
	case strings.ContainsFunc(base, func(r rune) bool { return !word(r) }),
		array && strings.ContainsFunc(brackets, func(r rune) bool { return !word(r) && r != '[' && r != ']' }),
		array && !strings.HasSuffix(brackets, "]"):
		return "not the name of a parameter: want letters, digits, _ and -, and brackets for an array"
	}
	return ""
}
