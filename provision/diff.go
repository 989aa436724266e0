package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// thing is a user, a group, a queue, a network, a device or a queue's member,
// on the server or to be made.
type thing struct {
	kind      Kind
	name      string
	id        int64  // 0: not made yet
	extension string // that it has now

	at place // in the state

	make, update, remove *step // what is done with it; nil: not that

	takes string                                     // the extension number that it is to get
	moves func(x *execution, extension string) error // gives it another one
	park  *step                                      // gives it one in between, see extensions
}

func (t *thing) String() string { return string(t.kind) + " " + printable(t.name) }

// shown is the name as a plan has it.
func (t *thing) shown() string {
	if t.kind == KindDevice {
		return wire.MAC(t.name)
	}
	return t.name
}

// change is a Change with the steps that do it, and what came of it.
type change struct {
	*Change
	id     int64
	all    []*step
	steps  int     // how many are still to do
	result *Result // once it is under way
}

// things finds things by name and, those on the server, by id.
type things struct {
	key   func(string) string
	byKey map[string][]*thing
	byID  map[int64]*thing
}

func (x *things) add(t *thing) {
	x.byKey[x.key(t.name)] = append(x.byKey[x.key(t.name)], t)
	if t.id != 0 {
		x.byID[t.id] = t
	}
}

// find returns the thing of that name, or nil. Several that share it but for
// case are told apart by case; if that does not help there is a problem.
func (x *things) find(name string) (t *thing, problem string) {
	all := x.byKey[x.key(name)]
	if len(all) > 1 {
		if exact := slices.DeleteFunc(slices.Clone(all), func(t *thing) bool { return t.name != name }); len(exact) == 1 {
			all = exact
		}
	}
	switch len(all) {
	case 0:
		return nil, ""
	case 1:
		return all[0], ""
	}
	var ids []string
	for _, t := range all {
		ids = append(ids, fmt.Sprint(t.id))
	}
	return nil, fmt.Sprintf("%d of them on the server are called %s, ids %s: delete or rename all but one", len(all), quote(name), strings.Join(ids, ", "))
}

// differ makes a plan out of a snapshot and a state. It makes no call.
type differ struct {
	there    *snapshot
	desired  *State
	opts     PlanOptions
	changes  []*change
	last     []*change // deletes of things, which come last in the list
	notes    []string
	problems []Problem

	users, groups, queues, networks, devices *things
	numbered                                 []*thing          // which have an extension number
	displayNames                             map[string]string // of users, as they are to be
}

// diff tells what to do to make of what is there what is desired, and what
// cannot be changed.
func diff(there *snapshot, desired *State, opts PlanOptions) ([]*change, []string, []Problem) {
	d := &differ{there: there, desired: desired, opts: opts, displayNames: make(map[string]string, len(there.users))}
	for _, row := range there.users {
		d.displayNames[fold(row.User)] = row.DisplayName
	}
	for _, u := range desired.Users {
		if u.DisplayName != "" {
			d.displayNames[fold(u.User)] = u.DisplayName
		}
	}
	d.users = compare(d, users(d))
	d.groups = compare(d, groups(d))
	d.queues = compare(d, queues(d))
	d.networks = compare(d, networks(d))
	d.devices = compare(d, devices(d))
	d.extensions()
	d.groupMembers()
	d.owners()
	d.queueMembers()
	return append(d.changes, d.last...), d.notes, d.problems
}

func (d *differ) report(at place, field, format string, args ...any) {
	d.problems = append(d.problems, at.problem(field, fmt.Sprintf(format, args...)))
}

// plan adds a change of what is on the server under id, or is not there yet.
func (d *differ) plan(id int64, c Change) *change {
	planned := &change{Change: &c, id: id}
	if c.Op == OpDelete && !slices.Contains([]Kind{KindGroupMembers, KindOwner, KindQueueMember}, c.Kind) {
		d.last = append(d.last, planned)
	} else {
		d.changes = append(d.changes, planned)
	}
	return planned
}

// compare makes one kind of thing what the state says: what to create, what to
// update and, with Prune, what to delete.
func compare[W, R any, I infinitysip.ID, C, U any](d *differ, res *resource[W, R, I, C, U]) *things {
	all := &things{key: res.key, byKey: map[string][]*thing{}, byID: map[int64]*thing{}}
	rows := make(map[*thing]*R, len(res.rows))
	there := make([]*thing, 0, len(res.rows)) // in the order of the rows
	for i := range res.rows {
		row := &res.rows[i]
		t := &thing{kind: res.kind, name: res.rowName(row), id: int64(res.rowID(row)), extension: extensionOf(row)}
		switch {
		case t.id == 0:
			d.problems = append(d.problems, Problem{Text: fmt.Sprintf("a row of a %s on the server does not show its id", res.kind)})
			continue
		case res.key(t.name) != "" || res.wants == nil:
		case res.kind == KindDevice: // a softphone, say
			d.notes = append(d.notes, fmt.Sprintf("device %d has no MAC address on the server and is left alone", t.id))
			continue
		default: // it may be any of those that seem to be missing
			d.problems = append(d.problems, Problem{Text: fmt.Sprintf("%s %d on the server does not show its %s", res.kind, t.id, res.named)})
			continue
		}
		t.moves = func(x *execution, extension string) error {
			params := res.unchanged(row)
			setExtension(&params, extension)
			return res.calls(x.client).update(x.ctx, x.domain, I(t.id), params)
		}
		all.add(t)
		rows[t], there = row, append(there, t)
		if t.extension != "" {
			d.numbered = append(d.numbered, t)
		}
	}

	kept := map[*thing]bool{}
	for i := range res.wants {
		want := &res.wants[i]
		t, ambiguous := all.find(res.name(want))
		switch {
		case ambiguous != "":
			d.report(res.at(i), res.named, "%s", ambiguous)
			continue
		case t == nil:
			t = &thing{kind: res.kind, name: res.name(want), at: res.at(i)}
			create(d, res, t, want)
		default:
			t.at = res.at(i)
			update(d, res, t, want, rows[t])
		}
		kept[t] = true
		all.byKey[res.key(t.name)] = []*thing{t} // which the name means from here on, in whatever case
	}

	if d.opts.Prune && res.wants != nil {
		for _, t := range there {
			if !kept[t] {
				c := d.plan(t.id, Change{Op: OpDelete, Kind: res.kind, Name: t.shown()})
				t.remove = c.step(func(x *execution) error { return res.calls(x.client).remove(x.ctx, x.domain, I(t.id)) })
			}
		}
	}
	return all
}

// create plans to make a thing.
func create[W, R any, I infinitysip.ID, C, U any](d *differ, res *resource[W, R, I, C, U], t *thing, want *W) {
	if len(res.rows) == wire.MaxRows && !res.paged {
		d.report(t.at, res.named, "the server gave exactly %d rows, which may not be all, and %s is not among them", wire.MaxRows, quote(t.name))
	}
	created := *want
	if res.complete != nil {
		res.complete(&created)
	}
	fields := newFields(&created)
	for _, field := range res.required {
		if !slices.ContainsFunc(fields, func(f FieldChange) bool { return f.Field == field && show(f.To) != `""` }) {
			d.report(t.at, field, "required: %s %s is not on the server yet", t.kind, quote(t.name))
		}
	}
	c := d.plan(0, Change{Op: OpCreate, Kind: t.kind, Name: t.shown(), Fields: fields})
	t.make = c.step(func(x *execution) error {
		params := res.creates(&created)
		fill(&params, &created)
		if res.secrets != nil {
			if err := res.secrets(x, &params, c.result); err != nil {
				return err
			}
		}
		id, err := res.calls(x.client).create(x.ctx, x.domain, params)
		t.id = int64(id)
		// What may be there needs its secrets as much as what is.
		if failed, ok := errors.AsType[*infinitysip.Error](err); err != nil && (!ok || failed.Outcome == infinitysip.OutcomeNotApplied) {
			c.result.Password, c.result.PIN = infinitysip.Secret{}, infinitysip.Secret{}
		}
		return err
	})
	if t.takes = extensionOf(&created); t.takes != "" {
		d.numbered = append(d.numbered, t)
	}
}

// update plans to change what differs of a thing.
func update[W, R any, I infinitysip.ID, C, U any](d *differ, res *resource[W, R, I, C, U], t *thing, want *W, row *R) {
	changes, fixed := differences[U](want, row)
	for _, f := range fixed {
		d.notes = append(d.notes, fmt.Sprintf("%s: %s cannot be changed", t, f))
	}
	if d.opts.SetSecrets {
		changes = append(changes, secretsOf(want)...)
	} else if i := slices.IndexFunc(changes, func(f FieldChange) bool { return res.withPIN != nil && res.withPIN(want, f) }); i >= 0 {
		changes = slices.Delete(changes, i, i+1)
		d.notes = append(d.notes, fmt.Sprintf("%s: the PIN is not set, and hot-desking stays off, since the user is there already: SetSecrets sets both", t))
	}
	if len(changes) == 0 {
		return
	}
	c := d.plan(t.id, Change{Op: OpUpdate, Kind: t.kind, Name: t.shown(), Fields: changes})
	t.update = c.step(func(x *execution) error {
		params := res.unchanged(row)
		fill(&params, want, changes...)
		return res.calls(x.client).update(x.ctx, x.domain, I(t.id), params)
	})
	if slices.ContainsFunc(changes, func(f FieldChange) bool { return f.Field == "extensionNumber" }) {
		t.takes = extensionOf(want)
	}
}

// resolve finds what a name in the state refers to.
func (d *differ) resolve(all *things, name string, kind Kind, at place, field string) *thing {
	t, problem := all.find(name)
	switch {
	case problem != "":
		d.report(at, field, "%s", problem)
	case t == nil:
		d.report(at, field, "there is no %s %s, neither in the state nor on the server", kind, quote(name))
	}
	return t
}
