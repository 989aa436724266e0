package infinitysip

import (
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"slices"

	"github.com/infinitysip/infinitysip/internal/form"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// formFormat is how the forms of this API are written, and what it asks of their
// values. A type of this package says by its problem method what is wrong with a
// value of it.
var formFormat = &form.Format{
	Text: func(value any) (string, bool) {
		switch value := value.(type) {
		case Secret:
			return value.Reveal(), true
		case netip.Prefix:
			if value.IsValid() {
				return value.String(), true
			}
			return "", true
		}
		return "", false
	},
	Secret: reflect.TypeFor[Secret](),
	Problem: func(value any) string {
		switch value := value.(type) {
		case interface{ problem() string }:
			return value.problem()
		case netip.Prefix:
			if !value.IsValid() {
				return "required: a network in CIDR notation, such as 10.0.20.0/24"
			}
		}
		return ""
	},
	Checks: map[string]func(string) (string, string){
		"mac": func(text string) (string, string) {
			mac := wire.MAC(text)
			if mac == "" {
				return "", "not a MAC address of six octets: " + quote(text)
			}
			return mac, ""
		},
	},
	MaxOrder: wire.MaxOrder,
}

// encode checks params, a struct or nil, and writes them and more as a form.
func encode(params any, more url.Values) (f form.Form, problems []FieldError) {
	if params != nil {
		var wrong []form.Problem
		f, wrong = formFormat.Encode(params)
		for _, p := range wrong {
			problems = append(problems, FieldError{p.Name, p.Text})
		}
	}
	for _, name := range sortedNames(more) {
		if params != nil && formFormat.Has(params, name) {
			problems = append(problems, FieldError{"CallParam", quote(name) + " is a parameter of this call: set it there"})
		}
		if f.Values == nil {
			f.Values = make(url.Values)
		}
		f.Values[name] = more[name]
	}
	if params != nil && len(f.Values) == 0 && len(problems) == 0 {
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
