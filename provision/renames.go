package provision

import (
	"fmt"
	"slices"
)

// renames notes users, groups and queues that look like others which are deleted.
func (d *differ) renames() {
	type pair struct{ made, gone *thing }
	var (
		pairs   []pair
		reasons = map[pair]string{}
	)
	same := func(made, gone *thing, what string) {
		if made == nil || gone == nil || made.make == 0 || gone.remove == 0 || made.kind != gone.kind {
			return
		}
		p := pair{made, gone}
		if reasons[p] == "" {
			pairs = append(pairs, p)
			reasons[p] = "same " + what
		} else {
			reasons[p] += ", same " + what
		}
	}
	if !slices.ContainsFunc(d.items, func(c Change) bool { return c.Op == OpDelete && c.Kind.isThing() }) {
		return
	}
	holders := map[string]*thing{}
	for _, t := range d.numbered {
		if t.remove != 0 {
			holders[string(t.kind)+t.extension] = t
		}
	}
	made := map[int]*thing{}
	for _, t := range d.numbered {
		if t.make != 0 {
			made[t.make] = t
			same(t, holders[string(t.kind)+t.takes], "extension")
		}
	}
	taken := map[int64]*thing{} // devices from users who are deleted
	for i := range d.items {
		switch c := &d.items[i]; {
		case c.Kind != KindOwner:
		case c.Between:
			taken[c.ID] = d.users.byID[c.From.ID]
		case c.To != nil && c.To.MadeBy != 0:
			same(made[c.To.MadeBy], taken[c.ID], "device")
		}
	}
	for _, p := range pairs {
		text := fmt.Sprintf("looks like %s renamed (%s)", printable(p.gone.name), reasons[p])
		if p.made.kind == KindUser {
			text += ": the account, its password and its tokens are new"
		} else {
			text += ": what hangs on the old one goes with it"
		}
		d.notes.add(printable(p.made.name), text)
	}
}
