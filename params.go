package infinitysip

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/google/go-querystring/query"

	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/rows"
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

// formPlan tells, for a type of parameters, what its fields must be.
type formPlan struct {
	fields []param  // as they stand in the type
	secret []string // the names of those
}

type param struct {
	name     string
	optional bool
	rule     string // of the check tag
}

var formPlans sync.Map // by reflect.Type

func formPlanOf(t reflect.Type) *formPlan {
	cached, ok := formPlans.Load(t)
	if !ok {
		cached, _ = formPlans.LoadOrStore(t, formPlanFor(t))
	}
	return cached.(*formPlan)
}

// formPlanFor reads the tags that encode goes by.
func formPlanFor(t reflect.Type) *formPlan {
	p := new(formPlan)
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("url"), ",")
		optional := field.Type.Kind() == reflect.Pointer || strings.Contains(options, "omitempty")
		p.fields = append(p.fields, param{name, optional, field.Tag.Get("check")})
		if field.Type == reflect.TypeFor[Secret]() || field.Type == reflect.TypeFor[*Secret]() {
			p.secret = append(p.secret, name)
		}
	}
	return p
}

// encode checks params and writes them as a form. What a field must be follows
// from its type and its url tag:
//
//   - without omitempty it is required: a text must not be empty, unless the
//     field says check:"mayBeEmpty";
//   - an id is positive, a count is not negative, a flag is 1 or 0;
//   - a pointer is an optional field of an update; one at least must be given;
//   - a list of ids is not empty; check:"order" forbids a doubled id;
//   - check:"mac" is a MAC address.
func encode(params any) (form, []FieldError) {
	if params == nil {
		return form{}, nil
	}
	values, err := query.Values(params)
	if err != nil {
		return form{}, []FieldError{{"params", err.Error()}}
	}
	plan, all := formPlanOf(reflect.TypeOf(params)), reflect.ValueOf(params)
	f := form{values: values, secret: plan.secret}
	var problems []FieldError
	for i, p := range plan.fields {
		v := all.Field(i)
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				continue
			}
			v = v.Elem()
		}
		if problem := f.check(p, v); problem != "" {
			problems = append(problems, FieldError{p.name, problem})
		}
	}
	if len(f.values) == 0 && len(problems) == 0 {
		problems = append(problems, FieldError{"params", "nothing to update: every field is nil"})
	}
	return f, problems
}

// check tells what is wrong with one field, and finishes what the query
// package does not know how to write.
func (f *form) check(p param, v reflect.Value) string {
	switch value := v.Interface().(type) {
	case Secret:
		if value.IsZero() && !p.optional {
			return "required"
		}
		return textProblem(value.Reveal())
	case netip.Prefix:
		if !value.IsValid() {
			return "required: a network in CIDR notation, such as 10.0.20.0/24"
		}
		f.values.Set(p.name, value.String())
		return ""
	case RingStrategy:
		if value != RingAll && value != RingHuntLongestIdle {
			return fmt.Sprintf("must be %q or %q", RingAll, RingHuntLongestIdle)
		}
		return ""
	case CallerNameFormat:
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
			return fmt.Sprintf("id %d stands in the order twice", id)
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

func (f CallerNameFormat) problem() string {
	known := []string{"displayName", "srcPhoneNumber", "dgrpName"}
	rest := string(f)
	for {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			return ""
		}
		end := strings.IndexAny(rest[i+1:], "{}")
		if rest[i] == '}' || end < 0 || rest[i+1+end] == '{' {
			return "unbalanced brace in " + quote(string(f))
		}
		if name := rest[i+1 : i+1+end]; !slices.Contains(known, name) {
			return fmt.Sprintf("unknown variable %s: the API knows {%s}", quote("{"+name+"}"), strings.Join(known, "}, {"))
		}
		rest = rest[i+2+end:]
	}
}

// rowFormat is how the rows of this API are written.
var rowFormat = &rows.Format{
	Set: func(to any, text []byte) bool {
		switch to := to.(type) {
		case *Secret:
			*to = NewSecret(string(text))
			return true
		case *netip.Prefix:
			var taken bool
			*to, taken = wire.Network(string(text))
			return taken
		}
		return false
	},
	Hidden: secretNames.Has,
	Mark:   redact.Mark,
}
