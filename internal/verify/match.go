package verify

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Key tells what identifies the rows of one kind.
type Key struct {
	Name   string // the member that identifies a row
	Number string // another one that no two rows should share, or ""

	// Same reports whether a row's value is what was sent, though the server may
	// write it in another way.
	Same func(sent, got string) bool

	// Address does so for the values of Name if they are addresses of some kind; else
	// it is nil.
	Address func(sent, got string) bool

	// Near reports whether a row's value of Name may be what was sent, though it is not
	// the same: the server may write it in a way that nobody foresees. nil: it is not.
	Near func(sent, got string) bool
}

// Sent is what a create sent, and the names in it whose values no row shows.
type Sent struct {
	Values url.Values
	Hidden func(name string) bool
}

// Fits reports whether the row that a create answered with may be that of what was
// sent: not all that identifies it is another's, since a server may change a name.
func (k Key) Fits(sent Sent, row Row) bool {
	shown, same := 0, 0
	for _, name := range []string{k.Name, k.Number} {
		want := sent.Values.Get(name)
		if got, ok := row.Value(name); ok && want != "" {
			shown++
			if k.alike(name, want, got) {
				same++
			}
		}
	}
	return same > 0 || shown == 0
}

// alike reports whether a row's value is what was sent, but for what a server may
// change in it: case and blanks, the spelling of an address, zeros in front of a
// number.
func (k Key) alike(name, sent, got string) bool {
	if name == k.Name && k.Address != nil {
		return k.Address(sent, got)
	}
	sent, got = strings.TrimSpace(sent), strings.TrimSpace(got)
	if name == k.Number && sent != "" && got != "" && strings.Trim(sent+got, "0123456789") == "" {
		return strings.TrimLeft(sent, "0") == strings.TrimLeft(got, "0")
	}
	return strings.EqualFold(sent, got)
}

// Candidates returns the rows that have the key that was sent, or else those that
// have it but for case and blanks. ids are the names that an id may have.
func (k Key) Candidates(sent Sent, list []Row, ids []string) (exact []Candidate, err error) {
	want, same := sent.Values.Get(k.Name), k.Address
	if same == nil {
		same = k.Same
	}
	var alike []Candidate
	for _, row := range list {
		got, ok := row.Value(k.Name)
		switch {
		case !ok:
			return nil, fmt.Errorf("a row does not say its %s", k.Name)
		case same(want, got):
			match := Candidate{ID: row.ID(ids)}
			for name, values := range sent.Values {
				if got, ok := row.Value(name); ok && name != k.Name && !sent.Hidden(name) && !k.Same(values[0], got) {
					match.Differs = append(match.Differs, name)
				}
			}
			slices.Sort(match.Differs)
			exact = append(exact, match)
		case k.alike(k.Name, want, got):
			alike = append(alike, Candidate{ID: row.ID(ids), Differs: []string{"spelling of " + k.Name}})
		}
	}
	if len(exact) == 0 {
		return alike, nil
	}
	return exact, nil
}

// Rivals returns the rows that have another key, and the number that was sent or a
// key that is near: the server may have changed the key.
func (k Key) Rivals(sent Sent, list []Row, ids []string) (rivals []Candidate) {
	want := sent.Values.Get(k.Number)
	for _, row := range list {
		if got, ok := row.Value(k.Number); ok && want != "" && k.alike(k.Number, want, got) {
			rivals = append(rivals, Candidate{ID: row.ID(ids), Rival: k.Number, Differs: []string{k.Name}})
		}
		if got, _ := row.Value(k.Name); k.Near != nil && k.Near(sent.Values.Get(k.Name), got) {
			rivals = append(rivals, Candidate{ID: row.ID(ids), Rival: k.Name + ", perhaps,", Differs: []string{"spelling of it"}})
		}
	}
	return rivals
}
