package verify

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"

	"github.com/infinitysip/infinitysip/internal/rows"
)

// Row is a row of any kind: its members are all in Extra.
type Row struct {
	Extra map[string]json.RawMessage `json:"-"`
}

// Value returns the text of a member, and whether the row has one that is a
// string, a number, a bool or null.
func (r Row) Value(name string) (text string, ok bool) {
	return rows.Text(r.Extra[name])
}

// Same reports whether two rows say the same.
func Same(a, b Row) bool {
	return maps.EqualFunc(a.Extra, b.Extra, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// ID returns the id that is under the first of names which the row has, or 0.
func (r Row) ID(names []string) int64 {
	for _, name := range names {
		if text, ok := r.Value(name); ok {
			if n, err := strconv.ParseUint(text, 10, 63); err == nil {
				return int64(n)
			}
			return 0
		}
	}
	return 0
}
