package provision

import (
	"fmt"
	"slices"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// differ makes a plan out of a snapshot and a state. It makes no call.
type differ struct {
	there    *snapshot
	desired  *State
	opts     PlanOptions
	items    []Change // numbered as they come; see sorted
	secrets  map[string]userSecrets
	rings    map[infinitysip.QueueID][]Ref
	notes    notes
	problems []Problem

	users, groups, queues, networks, devices *index
	numbered                                 []*thing // which have an extension number or are to get one
	unsettled                                map[string]userSecrets
	left                                     left
}

func newDiffer(desired *State, opts PlanOptions) *differ {
	d := &differ{desired: desired, opts: opts, secrets: map[string]userSecrets{}, unsettled: map[string]userSecrets{}, left: newLeft(desired)}
	for _, c := range opts.Unsettled {
		if c.Device == "" {
			d.unsettled[fold(c.User)] = userSecrets{c.Password, c.PIN}
		}
	}
	return d
}

// things compares the lists: what to create, what to update and, with Prune, what
// to delete.
func (d *differ) things(there *snapshot) {
	d.there = there
	// There may be many, and a slice that grows is copied each time.
	n := max(len(d.desired.Users)-len(there.users), 0) + 2*max(len(d.desired.Devices)-len(there.devices), 0)
	d.items = make([]Change, 0, n)
	for _, row := range there.devices {
		if len(d.left.words) > 0 && d.left.words[whoKey(wire.MAC(row.MACAddress))] {
			d.left.owners[row.UserID] = true
		}
	}
	d.users = compare(d, users(d))
	d.groups = compare(d, groups(d))
	d.queues = compare(d, queues(d))
	d.networks = compare(d, networks(d))
	d.devices = compare(d, devices(d))
	if d.opts.Prune && d.left.unnamed(d.desired) {
		d.problems = append(d.problems, Problem{Text: "rows of the file were skipped that do not say whose they are, so pruning could delete users who are in the file: mend these rows"})
	}
	d.extensions()
}

// links compares what hangs on what.
func (d *differ) links() {
	d.groupMembers()
	d.owners()
	d.queueMembers()
	d.leftUnsettled()
	for n, all := range losses(d.there, d.items) {
		d.change(n).Takes = all
	}
}

// sorted returns the changes, numbered: numbers in between first, so that a reader
// sees where they are from, and deletes of things last.
func (d *differ) sorted() []Change {
	const first, middle, last = 0, 1, 2
	place := func(c *Change) int {
		switch {
		case c.Between && c.Kind.isThing():
			return first
		case c.Op == OpDelete && c.Kind.isThing():
			return last
		}
		return middle
	}
	if !slices.ContainsFunc(d.items, func(c Change) bool { return place(&c) != middle }) {
		return d.items
	}
	all := make([]Change, 0, len(d.items))
	numbers := make([]int, len(d.items)+1)
	for want := first; want <= last; want++ {
		for i := range d.items {
			if place(&d.items[i]) == want {
				all = append(all, d.items[i])
				numbers[i+1] = len(all)
			}
		}
	}
	for i := range all {
		c := &all[i]
		c.N = numbers[c.N]
		// NewToken has one user for both.
		for _, ref := range []*Ref{&c.Ref, c.To} {
			if ref != nil {
				ref.MadeBy = numbers[ref.MadeBy]
			}
		}
		for j := range c.Members {
			c.Members[j].MadeBy = numbers[c.Members[j].MadeBy]
		}
		for _, list := range [][]int{c.Needs, c.After} {
			for j := range list {
				list[j] = numbers[list[j]]
			}
		}
	}
	return all
}

func (d *differ) report(at place, field, format string, args ...any) {
	d.problems = append(d.problems, at.problem(field, fmt.Sprintf(format, args...)))
}

// plan adds a change and returns its number.
func (d *differ) plan(c Change) int {
	c.N = len(d.items) + 1
	d.items = append(d.items, c)
	return c.N
}

func (d *differ) change(n int) *Change { return &d.items[n-1] }

// needs has a change wait for the success of others; 0 is none.
func (d *differ) needs(n int, others ...int) {
	c := d.change(n)
	for _, other := range others {
		if other != 0 {
			c.Needs = append(c.Needs, other)
		}
	}
}

// follows has a change wait until others are over; 0 is none.
func (d *differ) follows(n int, others ...int) {
	c := d.change(n)
	for _, other := range others {
		if other != 0 {
			c.After = append(c.After, other)
		}
	}
}

// compare compares one kind of things.
func compare[W, R, U any](d *differ, res *resource[W, R, U]) *index {
	all := newIndex(res.key, max(len(res.rows), len(res.desired)), len(res.rows))
	rows := make(map[*thing]*R, len(res.rows))
	there := make([]*thing, 0, len(res.rows)) // in the order of the rows
	for i := range res.rows {
		row := &res.rows[i]
		t := &thing{kind: res.kind, name: res.name(row), id: res.id(row), extension: extensionOf(row)}
		switch {
		case t.id == 0:
			d.problems = append(d.problems, Problem{Text: fmt.Sprintf("a row of a %s on the server does not show its id", res.kind)})
			continue
		case res.key(t.name) != "" || res.desired == nil:
		case res.kind == KindDevice: // a softphone, say
			d.notes.add(fmt.Sprintf("device %d", t.id), "it has no MAC address on the server and is left alone")
			continue
		default: // it may be any of those that seem to be missing
			d.problems = append(d.problems, Problem{Text: fmt.Sprintf("%s %d on the server does not show its %s", res.kind, t.id, columnOf(res.named))})
			continue
		}
		if row, ok := any(row).(*infinitysip.User); ok {
			t.display = row.DisplayName
		}
		all.add(t)
		rows[t], there = row, append(there, t)
		if t.extension != "" {
			d.numbered = append(d.numbered, t)
		}
	}

	for i := range res.desired {
		want := &res.desired[i]
		t, ambiguous := all.find(res.says(want))
		switch {
		case ambiguous != "":
			d.report(res.at(i), res.named, "%s", ambiguous)
			continue
		case t == nil:
			t = &thing{kind: res.kind, name: res.says(want), at: i}
			create(d, res, t, want)
		default:
			t.at = i
			update[U](d, t, want, rows[t])
		}
		if v := fieldOf(want, "displayName"); res.kind == KindUser && v.String() != "" && (!d.opts.CreateOnly || t.id == 0) {
			t.display = v.String()
		}
		t.named = true
		all.settle(t)
	}

	if res.desired != nil {
		for _, t := range there {
			t.left = d.skipped(t, rows[t], t.named)
			switch {
			case t.named:
			case t.left:
				d.notes.add(t.String(), "its row in the file has a problem and was skipped: it is left alone")
			case d.opts.Prune:
				c := Change{Op: OpDelete, Kind: res.kind, Ref: t.ref()}
				if row, ok := any(rows[t]).(*infinitysip.Device); ok && row.UserID != 0 {
					c.From = d.ownerOf(row)
				}
				t.remove = d.plan(c)
			default:
				d.notes.stay(fmt.Sprintf("%s is not in the state and stays", res.kind), fmt.Sprintf("%ss are not in the state and stay", res.kind), t.shown())
			}
		}
	}
	return all
}

// skipped reports whether a row of the server may be about whom a row of the file is that
// was skipped. One that the state has too is, where a skipped row has its name.
func (d *differ) skipped(t *thing, row any, kept bool) bool {
	if len(d.desired.skipped) == 0 {
		return false
	}
	switch row := row.(type) {
	case *infinitysip.User:
		if kept {
			return d.left.words[whoKey(t.name)]
		}
		return d.left.has(row.User, row.DisplayName, row.ExtensionNumber, row.Email) || d.left.owners[row.ID]
	case *infinitysip.Device:
		owner := d.users.byID[int64(row.UserID)]
		return !kept && (d.left.has(wire.MAC(row.MACAddress)) || owner != nil && owner.left)
	}
	return false
}

// create plans to make a thing.
func create[W, R, U any](d *differ, res *resource[W, R, U], t *thing, want *W) {
	if len(res.rows) == wire.MaxRows && !res.paged {
		d.report(d.desired.at(t.kind, t.at), res.named, "the server gave exactly %d rows, which may not be all, and %s is not among them", wire.MaxRows, quote(t.name))
		return
	}
	created := *want
	if res.defaults != nil {
		res.defaults(&created)
	}
	c := Change{Op: OpCreate, Kind: t.kind, Ref: t.ref(), Fields: newFields(&created)}
	for _, field := range res.required {
		if !slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return f.Field == field && f.To != "" }) {
			d.report(d.desired.at(t.kind, t.at), field, "required: %s %s is not on the server yet", t.kind, quote(t.name))
		}
	}
	if u, ok := any(want).(*User); ok {
		c.Secrets = d.takeSecrets(t.name, secretsOf(u), u)
	}
	t.make = d.plan(c)
	if t.takes = extensionOf(&created); t.takes != "" {
		d.numbered = append(d.numbered, t)
	}
}

// update plans to change what differs of a thing.
func update[U, W, R any](d *differ, t *thing, want *W, row *R) {
	changes, fixed := differences[U](want, row)
	if d.opts.CreateOnly {
		if len(changes)+len(fixed) > 0 {
			d.notes.add(t.String(), leftAsItIs)
		}
		// A run that was cut perhaps made the user, with a password that is to be known.
		changes, fixed = nil, nil
	}
	for _, f := range fixed {
		d.notes.add(t.String(), fmt.Sprintf("the API cannot change %s", f.Field))
	}
	c := Change{Op: OpUpdate, Kind: t.kind, Ref: t.ref()}
	if u, ok := any(want).(*User); ok {
		changes, c.Secrets = d.updateUser(t, u, changes)
	}
	for _, f := range changes {
		if rewritten(f) {
			d.notes.add(t.String(), fmt.Sprintf("the server has another form of %s: if this change comes back after it was done, the server rewrites what it is sent, and no plan will be empty until the state says what the server has", f.Field))
		}
	}
	if len(changes)+len(c.Secrets) == 0 {
		return
	}
	c.Fields = changes
	t.update = d.plan(c)
	if slices.ContainsFunc(changes, func(f FieldChange) bool { return f.Field == "extensionNumber" }) {
		t.takes = extensionOf(want)
	}
}

// leftAsItIs is the note on what CreateOnly does not change.
const leftAsItIs = "it differs from the state and is left as it is, since only new things are made"

// updateUser is what only users have: secrets, and numbers from spreadsheets.
func (d *differ) updateUser(t *thing, u *User, changes []FieldChange) ([]FieldChange, []string) {
	if u.mayHaveLostZero() {
		for _, f := range changes {
			if text, ok := f.To.(string); ok && text != "" && f.From == "0"+text {
				d.report(d.desired.at(t.kind, t.at), f.Field, "%s has %s on the server: the spreadsheet has taken away the 0 at the beginning. Format the column as text, or say that the numbers are meant as they are written", t, quote("0"+text))
			}
		}
	}
	var secrets []string
	if d.opts.SetSecrets && !d.opts.CreateOnly {
		if secrets = secretsOf(u); len(secrets) > 0 {
			d.notes.add(t.String(), "the API does not show passwords and PINs, so every plan that sets them has something to do")
		}
	}
	secrets = d.takeSecrets(t.name, secrets, u)
	if left := d.unsettled[fold(t.name)]; !left.password.IsZero() || !left.pin.IsZero() {
		d.notes.add(t.String(), "a run was cut when it set the password or the PIN, and nobody knows which is in force, so it is set again")
	}
	if i := slices.IndexFunc(changes, func(f FieldChange) bool { return u.hotdeskWithPIN && f.Field == "hotdeskAllowed" }); i >= 0 && !slices.Contains(secrets, "pin") {
		changes = slices.Delete(changes, i, i+1)
		d.notes.add(t.String(), "the PIN is not set, and hot-desking stays off, since the user is there already: setting secrets too does both")
	}
	return changes, secrets
}

// takeSecrets notes the secrets of a user that a change sets, by their names: those
// that the state gives, where they are to be set, and those that a run that was cut
// left unsettled. Of these the state's own goes first.
func (d *differ) takeSecrets(user string, stated []string, u *User) []string {
	var s userSecrets
	if len(stated) > 0 {
		s = userSecrets{u.Password, u.PIN}
	}
	own := func(stated, left infinitysip.Secret) infinitysip.Secret {
		if stated.IsZero() {
			return left
		}
		return stated
	}
	left := d.unsettled[fold(user)]
	if !left.password.IsZero() {
		s.password = own(u.Password, left.password)
	}
	if !left.pin.IsZero() {
		s.pin = own(u.PIN, left.pin)
	}
	var names []string
	if !s.password.IsZero() {
		names = append(names, "password")
	}
	if !s.pin.IsZero() {
		names = append(names, "pin")
	}
	if names != nil {
		d.secrets[fold(user)] = s
	}
	return names
}

// leftUnsettled notes users of whom a run that was cut left a password or a PIN in
// doubt, and whom the state does not name, so that nothing sets it again.
func (d *differ) leftUnsettled() {
	noted := map[*thing]bool{}
	for _, c := range d.opts.Unsettled {
		t, _ := d.users.find(c.User)
		if t == nil || t.id == 0 || t.named || t.remove != 0 || noted[t] || c.Password.IsZero() && c.PIN.IsZero() {
			continue
		}
		noted[t] = true
		d.notes.add(t.String(), "a run that was cut may have set the password or the PIN, and the state does not name the user: nobody knows which is in force")
	}
}

// resolve finds what a name in the state refers to.
func (d *differ) resolve(all *index, name string, kind Kind, at func() place, field string) *thing {
	t, problem := all.find(name)
	hint := ""
	if kind == KindGroup {
		hint = groupHint(name)
	}
	switch {
	case problem != "":
		d.report(at(), field, "%s", problem)
	case t == nil:
		d.report(at(), field, "there is no %s %s, neither in the state nor on the server%s", kind, quote(name), hint)
	}
	return t
}
