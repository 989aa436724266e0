package infinitysip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip/internal/rows"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// found is a row that may be the one which a create made.
type found struct {
	id      int64    // 0: the row does not say
	differs []string // the fields that are not as they were sent
}

// look finds the rows that have the natural key of what was sent. No rows and
// no error mean that there is none; an error means that this is not known.
type look func(ctx context.Context, sent form) ([]found, error)

// sameValue reports whether a row's value is what was sent, allowing for the
// ways in which a server may write a flag.
func sameValue(sent, got string) bool {
	return sent == got || sent == "1" && got == "true" || sent == "0" && (got == "false" || got == "")
}

// sameAddress reports whether two texts are the same MAC address or network.
func sameAddress(sent, got string) bool {
	if mac := wire.MAC(sent); mac != "" {
		return mac == wire.MAC(got)
	}
	a, ok := wire.Network(sent)
	b, okToo := wire.Network(got)
	return ok && okToo && (b == a || b == a.Masked())
}

// addresses are the ways in which a server may keep a MAC address or a network.
func addresses(sent string) []any {
	if mac := wire.MAC(sent); mac != "" {
		return []any{mac, strings.ToLower(mac)}
	}
	network, _ := wire.Network(sent)
	ways := []any{sent, network.Masked().String()}
	if network.IsSingleIP() {
		ways = append(ways, network.Addr().String())
	}
	return ways
}

// anyRow is a row of which nothing is claimed.
type anyRow struct {
	Extra map[string]json.RawMessage `json:"-"`
}

func (r anyRow) value(name string) (string, bool) {
	raw, sent := r.Extra[name]
	if !sent {
		return "", false
	}
	text, err := rows.Text(raw)
	return text, err == nil
}

func (r anyRow) id(names []string) int64 {
	for _, name := range names {
		if text, ok := r.value(name); ok {
			n, _ := rows.Number(text)
			return n
		}
	}
	return 0
}

// naturalKey tells how a row R that was created is found again.
type naturalKey[R any] struct {
	op      string // the call that lists them
	list    route  // where; empty: the path of the create
	name    string // of the field that tells one from another
	address bool   // that is a MAC address or a network
	shared  bool   // several rows may have the same key, so those before count
}

// among looks in a list for the rows whose key is as it was sent.
func among[R any](c *caller, key naturalKey[R]) look {
	return func(ctx context.Context, sent form) ([]found, error) {
		ids := rows.LayoutOf[R](rowFormat).IDNames()
		want := sent.values.Get(key.name)
		field := Field[anyRow](key.name)
		where, same := field.EqFold(want), sameValue
		if key.address {
			where, same = field.In(addresses(want)...), sameAddress
		} else if bare := strings.TrimSpace(want); bare != want {
			where = field.ContainsFold(bare) // the server may have taken the blanks off
		}
		list, err := narrowed(ctx, c, key.op, key.list, where)
		if err != nil {
			return nil, err
		}
		var all, alike []found // alike: but for case and blanks, which a server may change
		for _, row := range list {
			got, ok := row.value(key.name)
			if !ok {
				return nil, fmt.Errorf("a row does not say its %s", key.name)
			}
			if !same(want, got) {
				if strings.EqualFold(strings.TrimSpace(want), strings.TrimSpace(got)) {
					alike = append(alike, found{id: row.id(ids), differs: []string{"spelling of " + key.name}})
				}
				continue
			}
			match := found{id: row.id(ids)}
			for name, values := range sent.values {
				if got, ok := row.value(name); ok && name != key.name && !slices.Contains(sent.secret, name) && !sameValue(values[0], got) {
					match.differs = append(match.differs, name)
				}
			}
			slices.Sort(match.differs)
			all = append(all, match)
		}
		if len(all) == 0 {
			all = alike
		}
		if len(all) == 0 && len(list) >= wire.MaxRows {
			return nil, fmt.Errorf("%d rows, which may not be all", len(list))
		}
		return all, nil
	}
}

// narrowed reads the rows at r that satisfy where, in one request. A server may
// ignore a filter, where the API's page does not have one, and one that refuses
// it is asked for all rows.
func narrowed[R any](ctx context.Context, c *caller, op string, r route, where Filter[R]) ([]R, error) {
	all, err := list(ctx, c, op, r, &ListOptions[R]{Filter: Where(where)})
	if errors.Is(err, ErrInvalid) {
		all, err = list[R](ctx, c, op, r, nil)
	}
	return all, err
}

// alone looks for the one row at a path of its own.
func alone[R any](c *caller, op string, r route) look {
	return func(ctx context.Context, _ form) ([]found, error) {
		row, err := get[R](ctx, c, op, r)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []found{{id: rows.LayoutOf[R](rowFormat).ID(row)}}, nil
	}
}
