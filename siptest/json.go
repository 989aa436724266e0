package siptest

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// How options are written as JSON, so that another program can choose them.

// MarshalJSON writes the options that are not zero. A duration is a text such as
// "5s", and a choice is a word such as "row":
//
//	{"createBody":"row","listLag":"5s","rewrites":{"user":"lower"},"zone":"Europe/London"}
//
// TLS, RewriteKey, Now and Observe are left out. The APIKey and the Password are
// written: they open nothing but the fake.
func (o Options) MarshalJSON() ([]byte, error) { return marshalMembers(o.members()) }

// UnmarshalJSON reads what MarshalJSON wrote, and checks it as Validate does.
// Options that are not in the JSON keep their values. A member that is no option is
// an error.
func (o *Options) UnmarshalJSON(data []byte) error {
	read := *o
	read.Rewrites = maps.Clone(o.Rewrites)
	if o.Limit != nil {
		limit := *o.Limit
		read.Limit = &limit
	}
	if err := unmarshalMembers(data, read.members(), "an option"); err != nil {
		return err
	}
	if err := read.Validate(); err != nil {
		return err
	}
	*o = read
	return nil
}

// MarshalJSON writes the fields that are not zero, as Options has it.
func (l Limit) MarshalJSON() ([]byte, error) { return marshalMembers(l.members()) }

// UnmarshalJSON reads what MarshalJSON wrote. A member that is no field of a Limit
// is an error.
func (l *Limit) UnmarshalJSON(data []byte) error {
	read := *l
	if err := unmarshalMembers(data, read.members(), "a part of a limit"); err != nil {
		return err
	}
	*l = read
	return nil
}

// A member of a JSON object, and the variable that has it.
type member struct {
	name  string
	value any // a pointer
}

// members are the options that JSON has, in the order of the fields.
func (o *Options) members() []member {
	return []member{
		{"addr", &o.Addr},
		{"apiKey", &o.APIKey},
		{"username", &o.Username},
		{"password", &o.Password},
		{"bareNumbers", &o.BareNumbers},
		{"echoSecrets", &o.EchoSecrets},
		{"createBody", &o.CreateBody},
		{"undocumentedQuery", &o.UndocumentedQuery},
		{"ignorePaging", &o.IgnorePaging},
		{"ignoreFilters", &o.IgnoreFilters},
		{"allowDuplicates", &o.AllowDuplicates},
		{"duplicateStatus", &o.DuplicateStatus},
		{"groupUpdates", &o.GroupUpdates},
		{"paths", &o.Paths},
		{"maxRows", &o.MaxRows},
		{"listLag", (*durationText)(&o.ListLag)},
		{"rewrites", &o.Rewrites},
		{"limit", &o.Limit},
		{"maxInputVars", &o.MaxInputVars},
		{"errorBody", &o.ErrorBody},
		{"framing", &o.Framing},
		{"http2", &o.HTTP2},
		{"keepRequests", &o.KeepRequests},
		{"closeLate", &o.CloseLate},
		{"idleTimeout", (*durationText)(&o.IdleTimeout)},
		{"latency", (*durationText)(&o.Latency)},
		{"zone", &zoneText{&o.Zone}},
	}
}

func (l *Limit) members() []member {
	return []member{
		{"requests", &l.Requests},
		{"per", (*durationText)(&l.Per)},
		{"burst", &l.Burst},
		{"window", &l.Window},
		{"inFlight", &l.InFlight},
		{"status", &l.Status},
		{"retryAfter", &l.RetryAfter},
		{"retryAfterText", &l.RetryAfterText},
		{"delay", (*durationText)(&l.Delay)},
	}
}

type durationText time.Duration

func (d durationText) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *durationText) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 5s or 200ms", text)
	}
	*d = durationText(read)
	return nil
}

// A zoneText is a time zone by its name in the zone database.
type zoneText struct{ zone **time.Location }

func (z *zoneText) IsZero() bool { return *z.zone == nil }

func (z *zoneText) MarshalText() ([]byte, error) {
	name := (*z.zone).String()
	if _, err := time.LoadLocation(name); err != nil {
		return nil, fmt.Errorf("the zone %s has no name that can be looked up", name)
	}
	return []byte(name), nil
}

func (z *zoneText) UnmarshalText(text []byte) error {
	zone, err := time.LoadLocation(string(text))
	if err != nil {
		return fmt.Errorf("there is no time zone %q", text)
	}
	*z.zone = zone
	return nil
}

func marshalMembers(members []member) ([]byte, error) {
	out := []byte{'{'}
	for _, m := range members {
		if z, ok := m.value.(interface{ IsZero() bool }); ok && z.IsZero() || reflect.ValueOf(m.value).Elem().IsZero() {
			continue
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, "%q:%s", m.name, value)
	}
	return append(out, '}'), nil
}

// unmarshalMembers sets the members that an object has. It reports all problems.
func unmarshalMembers(data []byte, members []member, what string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return plainError(err)
	}
	var problems []error
	for _, m := range members {
		value, ok := object[m.name]
		if !ok {
			continue
		}
		delete(object, m.name)
		if bytes.Equal(value, []byte("null")) {
			problems = append(problems, fmt.Errorf("%s is null: leave it out", m.name))
		} else if err := json.Unmarshal(value, m.value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", m.name, plainError(err)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		problems = append(problems, fmt.Errorf("%q is not %s: use %s", name, what, memberNames(members)))
	}
	return errors.Join(problems...)
}

// plainError says what a JSON value should be, without the names of Go.
func plainError(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	// The type may be a pointer to what has UnmarshalText: Go 1.26 and 1.27 differ.
	text := reflect.TypeFor[encoding.TextUnmarshaler]()
	if wrong.Type.Implements(text) || reflect.PointerTo(wrong.Type).Implements(text) {
		return fmt.Errorf("a JSON %s is not a text", wrong.Value)
	}
	kinds := map[reflect.Kind]string{reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.String: "a text"}
	return fmt.Errorf("a JSON %s is not %s", wrong.Value, cmp.Or(kinds[wrong.Type.Kind()], "an object"))
}

func memberNames(members []member) string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.name
	}
	return strings.Join(names, ", ")
}
