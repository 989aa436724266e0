package command

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/infinitysip/infinitysip"
)

// optional adds a flag for a parameter that is sent only if it is given: *target is
// nil until then. T is a string, a bool, an int, an integer id, a netip.Prefix, or a
// type of one of the first three kinds.
func optional[T any](flags *pflag.FlagSet, target **T, name, usage string) {
	flag := flags.VarPF(optionalValue[T]{target}, name, "", usage)
	if reflect.TypeFor[T]().Kind() == reflect.Bool {
		flag.NoOptDefVal = "true"
	}
}

type optionalValue[T any] struct{ target **T }

// String is the value; "" if there is none yet.
func (v optionalValue[T]) String() string {
	if v.target == nil || *v.target == nil {
		return ""
	}
	return fmt.Sprint(**v.target)
}

// Type is the name of the value in the help.
func (v optionalValue[T]) Type() string {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "string"
	case reflect.Int, reflect.Int64:
		return "int"
	}
	return "network"
}

// Set reads the value.
func (v optionalValue[T]) Set(text string) error {
	value := new(T)
	switch into := reflect.ValueOf(value).Elem(); into.Kind() {
	case reflect.String:
		into.SetString(text)
	case reflect.Bool:
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("want true or false")
		}
		into.SetBool(yes)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, into.Type().Bits())
		if err != nil {
			return errors.New("want a whole number")
		}
		into.SetInt(n)
	default:
		network, ok := any(value).(*netip.Prefix)
		if !ok {
			return fmt.Errorf("a flag cannot hold a %T", *value)
		}
		parsed, err := parseNetwork(text)
		if err != nil {
			return err
		}
		*network = parsed
	}
	*v.target = value
	return nil
}

// wrongParams makes of what a Validate returns a wrong use of the flags: each problem
// on a line, under the name of its flag. flags has the flag of a parameter that is not
// called as the API calls it.
func wrongParams(err error, flags map[string]string) error {
	invalid, ok := errors.AsType[*infinitysip.ValidationError](err)
	if !ok {
		return err
	}
	lines := make([]string, len(invalid.Fields))
	for i, f := range invalid.Fields {
		flag, known := flags[f.Field]
		if !known {
			flag = "--" + kebab(f.Field)
		}
		lines[i] = flag + ": " + f.Problem
	}
	if len(lines) == 1 {
		return wrongUse("%s", lines[0])
	}
	return wrongUse("nothing was sent, because of %d problems:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// kebab writes a name of the API as a flag: "first-name" of "firstName".
func kebab(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('-')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// replace sets a value to that of a flag, if it was given.
func replace[T any](value *T, given *T) {
	if given != nil {
		*value = *given
	}
}

// somethingToChange refuses an update for which no flag is given. The targets are
// those of its optional flags.
func somethingToChange(targets ...any) error {
	for _, target := range targets {
		if !reflect.ValueOf(target).IsNil() {
			return nil
		}
	}
	return wrongUse("there is nothing to change: no flag says what")
}
