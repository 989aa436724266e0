package provision

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"github.com/infinitysip/infinitysip"
)

// file is the plan as it is written, less its changes.
func (c *Changes) file() planJSON {
	return planJSON{Version: planVersion, Domain: c.Domain, MaxDeletes: c.MaxDeletes, Notes: c.Notes, Rings: c.Rings, Spares: c.Spares, Items: []Change{}}
}

// MarshalJSON writes the plan, without the secrets that its state gave.
func (c Changes) MarshalJSON() ([]byte, error) {
	file := c.file()
	if c.Items != nil {
		file.Items = c.Items
	}
	return json.Marshal(file)
}

// UnmarshalJSON reads what MarshalJSON writes. It refuses a member that it does not
// know, and a plan of another version, because a program that applies a plan must
// understand all of it. The plan then has no secrets: see ApplyOptions.Secrets.
func (c *Changes) UnmarshalJSON(data []byte) error {
	if c == nil {
		return invalid("there is no plan to read into")
	}
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	var file planJSON
	err := in.Decode(&file)
	if err == nil {
		err = spelled(data)
	}
	if err == nil && file.Items == nil {
		err = errors.New("it has no changes, not even an empty list of them")
	}
	if err != nil || file.Version != planVersion {
		var of struct {
			Version *int `json:"version"`
		}
		_ = json.Unmarshal(data, &of) // as far as it goes
		switch {
		case of.Version == nil:
			return fmt.Errorf("provision: %w: this is not a plan: it has no version", infinitysip.ErrInvalid)
		case *of.Version != planVersion:
			return fmt.Errorf("provision: %w: the plan is of version %d, and this program reads version %d: plan again with this program", infinitysip.ErrInvalid, *of.Version, planVersion)
		}
		return fmt.Errorf("provision: %w: the plan cannot be read: %w", infinitysip.ErrInvalid, err)
	}
	*c = Changes{Domain: file.Domain, Items: file.Items, Notes: file.Notes, MaxDeletes: file.MaxDeletes, Rings: file.Rings, Spares: file.Spares}
	return nil
}

// spelled refuses members that encoding/json would take and that others read in
// another way: one that is there twice, and one in another case than ours.
func spelled(data []byte) error {
	known := map[string]bool{}
	for _, t := range []reflect.Type{reflect.TypeFor[planJSON](), reflect.TypeFor[Change](), reflect.TypeFor[Ref](), reflect.TypeFor[FieldChange](), reflect.TypeFor[Loss]()} {
		for f := range t.Fields() {
			known[jsonName(f)] = true
		}
	}
	in := json.NewDecoder(bytes.NewReader(data))
	var open []map[string]bool // of each object and array that is open, its members; nil: an array
	key := false               // the next token is the name of a member
	for {
		token, err := in.Token()
		switch token {
		case json.Delim('{'):
			open, key = append(open, map[string]bool{}), true
			continue
		case json.Delim('['):
			open, key = append(open, nil), false
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
		if err != nil || len(open) == 0 {
			return nil // it is JSON
		}
		inObject := open[len(open)-1]
		if name, ok := token.(string); ok && key {
			_, number := strconv.ParseInt(name, 10, 64) // a queue
			if inObject[name] {
				return fmt.Errorf("%s is there twice", quote(name))
			} else if !known[name] && number != nil {
				return fmt.Errorf("%s is not known", quote(name))
			}
			inObject[name], key = true, false
			continue
		}
		key = inObject != nil
	}
}

// Digest returns a text such as "sha256:9f86d0…" that identifies the plan: what it does, to
// what, in which domain. Two plans with the same digest do the same, except for passwords
// and PINs, which are not in a plan. The notes do not count.
func (c *Changes) Digest() string {
	if c == nil {
		c = &Changes{}
	}
	h := sha256.New()
	file := c.file()
	file.Notes = nil
	write := func(v any) {
		if err := json.NewEncoder(h).Encode(v); err != nil {
			_, _ = io.WriteString(h, err.Error()) // a value that no plan can have
		}
	}
	write(file)
	for i := range c.Items { // one by one, since there may be many
		write(&c.Items[i])
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}
