package provision

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// thing is a user, a group, a queue, a network, a device or a queue's member,
// on the server or to be made.
type thing struct {
	kind      Kind
	name      string
	id        int64  // 0: not made yet
	extension string // that it has now

	make   *step                                      // makes it
	update *step                                      // changes it
	remove *step                                      // deletes it
	park   *step                                      // gives it an extension number in between, see extensions
	takes  string                                     // the extension number that it is to get
	moves  func(x *execution, extension string) error // gives it another one
	at     place                                      // in the state
}

func (t *thing) String() string { return string(t.kind) + " " + t.name }

// shown is the name as a plan has it.
func (t *thing) shown() string {
	if t.kind == KindDevice {
		return macKey(t.name)
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

// things finds things by name.
type things struct {
	key   func(string) string
	byKey map[string][]*thing
}

func (x *things) add(t *thing) { x.byKey[x.key(t.name)] = append(x.byKey[x.key(t.name)], t) }

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
	usersByID                                map[infinitysip.UserID]*thing
	groupsByID                               map[infinitysip.GroupID]*thing
	numbered                                 []*thing          // which have an extension number
	displayNames                             map[string]string // of users, as they are to be
}

// diff tells what to do to make of what is there what is desired, and what
// cannot be changed.
func diff(there *snapshot, desired *State, opts PlanOptions) ([]*change, []string, []Problem) {
	d := &differ{
		there: there, desired: desired, opts: opts,
		usersByID: map[infinitysip.UserID]*thing{}, groupsByID: map[infinitysip.GroupID]*thing{},
	}
	d.displayNames = make(map[string]string, len(there.users))
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
	for _, all := range d.users.byKey {
		for _, t := range all {
			if t.id != 0 {
				d.usersByID[infinitysip.UserID(t.id)] = t
			}
		}
	}
	for _, all := range d.groups.byKey {
		for _, t := range all {
			if t.id != 0 {
				d.groupsByID[infinitysip.GroupID(t.id)] = t
			}
		}
	}
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
	if c.Op == Delete && !slices.Contains([]Kind{KindGroupMembers, KindOwner, KindQueueMember}, c.Kind) {
		d.last = append(d.last, planned)
	} else {
		d.changes = append(d.changes, planned)
	}
	return planned
}

// knownCap is how many rows a list without pages may have been cut at.
const knownCap = pageRows

// compare makes one kind of thing what the state says: what to create, what to
// update and, with Prune, what to delete.
func compare[W, R any, I infinitysip.ID, C, U any](d *differ, res *resource[W, R, I, C, U]) *things {
	all := &things{key: res.key, byKey: map[string][]*thing{}}
	rows := make(map[*thing]*R, len(res.rows))
	there := make([]*thing, 0, len(res.rows)) // in the order of the rows
	for i := range res.rows {
		row := &res.rows[i]
		t := &thing{kind: res.kind, name: res.rowName(row), id: int64(res.rowID(row)), extension: extensionOf(row)}
		if res.key(t.name) == "" {
			if res.wants != nil {
				d.notes = append(d.notes, fmt.Sprintf("%s %d has no %s on the server and is left alone", res.kind, t.id, res.named))
			}
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
			all.add(t)
		default:
			t.at = res.at(i)
			update(d, res, t, want, rows[t])
		}
		kept[t] = true
	}

	if d.opts.Prune && res.wants != nil {
		for _, t := range there {
			if !kept[t] {
				c := d.plan(t.id, Change{Op: Delete, Kind: res.kind, Name: t.shown()})
				t.remove = c.step(func(x *execution) error { return res.calls(x.client).remove(x.ctx, x.domain, I(t.id)) })
			}
		}
	}
	return all
}

// create plans to make a thing.
func create[W, R any, I infinitysip.ID, C, U any](d *differ, res *resource[W, R, I, C, U], t *thing, want *W) {
	if len(res.rows) == knownCap && !res.paged {
		d.report(t.at, res.named, "the server gave exactly %d rows, which may not be all, and %s is not among them", knownCap, quote(t.name))
	}
	created := *want
	if res.complete != nil {
		res.complete(&created)
	}
	fields := newFields(&created)
	for _, field := range res.required {
		if !slices.ContainsFunc(fields, func(f FieldChange) bool { return f.Field == field }) {
			d.report(t.at, field, "required: %s %s is not on the server yet", t.kind, quote(t.name))
		}
	}
	c := d.plan(0, Change{Op: Create, Kind: t.kind, Name: t.shown(), Fields: fields})
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
		if failed, ok := errors.AsType[*infinitysip.Error](err); err != nil && (!ok || failed.Outcome == infinitysip.NotApplied) {
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
	}
	if len(changes) == 0 {
		return
	}
	c := d.plan(t.id, Change{Op: Update, Kind: t.kind, Name: t.shown(), Fields: changes})
	t.update = c.step(func(x *execution) error {
		params := res.unchanged(row)
		fill(&params, want, changes...)
		return res.calls(x.client).update(x.ctx, x.domain, I(t.id), params)
	})
	if slices.ContainsFunc(changes, func(f FieldChange) bool { return f.Field == "extensionNumber" }) {
		t.takes = extensionOf(want)
	}
}

// extensions has who takes an extension number wait until who has it now has
// given it up. Where they wait for each other in a circle, as two who change
// theirs do, one of them gets a free number in between.
func (d *differ) extensions() {
	holders := map[string][]*thing{}
	used := map[string]bool{}
	for _, t := range d.numbered {
		if t.id != 0 {
			holders[t.extension] = append(holders[t.extension], t)
		}
		used[t.extension], used[t.takes] = true, true
	}
	const (
		visiting = 1
		visited  = 2
	)
	state := map[*thing]int{}
	var visit func(t *thing)
	visit = func(t *thing) {
		state[t] = visiting
		for _, holder := range holders[t.takes] {
			switch {
			case holder == t:
				continue
			case holder.remove != nil:
				t.taking().needs(holder.remove)
				continue
			case holder.takes == "":
				d.report(t.at, "extensionNumber", "%s is that of %s on the server, which keeps it", quote(t.takes), holder)
				continue
			case state[holder] == 0:
				visit(holder)
			}
			if state[holder] == visiting && holder.park == nil { // a circle: the holder's own update waits for its end
				number := freeNumber(used, holder.extension)
				holder.park = holder.update.of.step(func(x *execution) error { return holder.moves(x, number) })
			}
			if holder.park != nil {
				t.taking().needs(holder.park)
			} else {
				t.taking().needs(holder.update)
			}
		}
		state[t] = visited
	}
	for _, t := range d.numbered {
		if t.takes != "" && state[t] == 0 {
			visit(t)
		}
	}
}

// taking is the step that gives a thing its extension number.
func (t *thing) taking() *step {
	if t.make != nil {
		return t.make
	}
	return t.update
}

// freeNumber finds a number that nobody has or is to get, as long as like, or
// longer when there is none.
func freeNumber(used map[string]bool, like string) string {
	for digits := max(len(like), 1); ; digits++ {
		number := []byte(strings.Repeat("9", digits))
		for range min(len(used)+1, pow10(digits)) {
			if !used[string(number)] {
				used[string(number)] = true
				return string(number)
			}
			for i := len(number) - 1; i >= 0; i-- {
				if number[i]--; number[i] >= '0' {
					break
				}
				number[i] = '9'
			}
		}
	}
}

func pow10(n int) int {
	power := 1
	for range min(n, 9) {
		power *= 10
	}
	return power
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

// groupMembers puts users into groups and, with Prune, takes them out.
func (d *differ) groupMembers() {
	type membership struct {
		group   *thing
		says    bool // the group gives a list
		desired map[*thing]bool
		order   []*thing // of desired, as the state names them
	}
	byGroup := map[*thing]*membership{}
	var inOrder []*membership
	of := func(group *thing) *membership {
		m := byGroup[group]
		if m == nil {
			m = &membership{group: group, desired: map[*thing]bool{}}
			byGroup[group] = m
			inOrder = append(inOrder, m)
		}
		return m
	}
	put := func(m *membership, user *thing) {
		if !m.desired[user] {
			m.desired[user] = true
			m.order = append(m.order, user)
		}
	}
	says := map[*thing]bool{} // users who give a list
	for i := range d.desired.Groups {
		g := &d.desired.Groups[i]
		if g.Members == nil {
			continue
		}
		at := sectionAt("groups")(i)
		group, _ := d.groups.find(g.Name)
		if group == nil {
			continue // it has been told
		}
		m := of(group)
		m.says = true
		for _, name := range g.Members {
			if user := d.resolve(d.users, name, KindUser, at, "members"); user != nil {
				put(m, user)
			}
		}
	}
	for i := range d.desired.Users {
		u := &d.desired.Users[i]
		if u.Groups == nil {
			continue
		}
		user, _ := d.users.find(u.User)
		if user == nil {
			continue // it has been told
		}
		says[user] = true
		for _, name := range u.Groups {
			if group := d.resolve(d.groups, name, KindGroup, d.desired.userAt(i), "groups"); group != nil {
				put(of(group), user)
			}
		}
	}
	if d.opts.Prune && len(says) > 0 {
		for _, row := range d.there.groups {
			if t := d.groupsByID[row.ID]; t != nil && t.remove == nil {
				of(t)
			}
		}
	}

	for _, m := range inOrder {
		var out []*thing
		in := map[*thing]bool{}
		for _, id := range d.there.groupUsers[infinitysip.GroupID(m.group.id)] {
			user := d.usersByID[id]
			if user == nil {
				continue // gone between two lists
			}
			in[user] = true
			if d.opts.Prune && !m.desired[user] && (m.says || says[user]) && user.remove == nil {
				out = append(out, user)
			}
		}
		missing := slices.DeleteFunc(m.order, func(user *thing) bool { return in[user] })
		if len(missing) > 0 {
			c := d.plan(m.group.id, Change{Op: Create, Kind: KindGroupMembers, Name: m.group.name, Members: namesOf(missing)})
			s := c.step(func(x *execution) error { return x.addUsers(m.group, missing) })
			s.needs(m.group.make)
			for _, user := range missing {
				s.follows(user.make)
			}
		}
		if len(out) > 0 {
			c := d.plan(m.group.id, Change{Op: Delete, Kind: KindGroupMembers, Name: m.group.name, Members: namesOf(out)})
			c.step(func(x *execution) error {
				return x.client.Groups.RemoveUsers(x.ctx, x.domain, infinitysip.GroupID(m.group.id), idsOf[infinitysip.UserID](out))
			})
		}
	}
}

func namesOf(all []*thing) []string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.name
	}
	return names
}

func idsOf[I infinitysip.ID](all []*thing) []I {
	ids := make([]I, len(all))
	for i, t := range all {
		ids[i] = I(t.id)
	}
	return ids
}

// owners gives devices to users.
func (d *differ) owners() {
	rows := map[int64]*infinitysip.Device{}
	for i := range d.there.devices {
		rows[int64(d.there.devices[i].ID)] = &d.there.devices[i]
	}
	rotate := map[string]bool{}
	for _, mac := range d.opts.RotateTokens {
		rotate[macKey(mac)] = true
	}
	for i := range d.desired.Devices {
		want, at := &d.desired.Devices[i], d.desired.deviceAt(i)
		device, _ := d.devices.find(want.MACAddress)
		if device == nil {
			continue // it has been told
		}
		mac := macKey(want.MACAddress)
		var from infinitysip.UserID
		fromName := ""
		if row := rows[device.id]; device.id != 0 && row != nil && row.UserID != 0 {
			from, fromName = row.UserID, row.User
			if owner := d.usersByID[from]; owner != nil {
				fromName = owner.name
			}
		}
		var to *thing
		if want.Owner != nil && *want.Owner != "" {
			if to = d.resolve(d.users, *want.Owner, KindUser, at, "user"); to == nil {
				continue
			}
		}
		stays := want.Owner == nil || to != nil && to.id != 0 && infinitysip.UserID(to.id) == from
		nobody := want.Owner != nil && to == nil
		if stays {
			if from != 0 && rotate[mac] {
				c := d.plan(device.id, Change{Op: Update, Kind: KindOwner, Name: mac, Token: true})
				c.step(func(x *execution) error { return x.rotateToken(from, fromName, device, c.result) })
			}
			continue
		}
		if from == 0 && nobody || nobody && !d.opts.Prune {
			continue
		}

		c := Change{Op: Update, Kind: KindOwner, Name: mac}
		field := FieldChange{Field: "user", From: fromName}
		switch {
		case nobody:
			c.Op, field.To = Delete, ""
		case from == 0:
			c.Op, field.From, field.To = Create, "", to.name
		default:
			field.To = to.name
		}
		c.Fields = []FieldChange{field}
		planned := d.plan(device.id, c)
		var release *step
		if from != 0 {
			release = planned.step(func(x *execution) error { return x.release(from, device) })
			if owner := d.usersByID[from]; owner != nil && owner.remove != nil {
				owner.remove.follows(release)
			}
		}
		if to != nil {
			add := planned.step(func(x *execution) error { return x.addDevice(to, device, planned.result) })
			add.needs(release, to.make, device.make)
		}
	}
}

// queueMembers puts groups into queues, in order, and, with Prune, takes them
// out.
func (d *differ) queueMembers() {
	for i := range d.desired.Queues {
		want := &d.desired.Queues[i]
		queue, _ := d.queues.find(want.Name)
		if want.Members == nil || queue == nil {
			continue
		}
		d.ring(queue, want, sectionAt("queues")(i))
	}
}

// slot is a place in a queue's order.
type slot struct {
	member *thing
	row    *infinitysip.QueueMember // nil: to be made
	rank   int                      // in the state; -1: it is not there
}

func (d *differ) ring(queue *thing, want *Queue, at place) {
	var slots []slot
	free := map[infinitysip.GroupID][]int{} // of slots, those not yet claimed
	top := 0
	for i := range d.there.queueMembers[infinitysip.QueueID(queue.id)] {
		row := &d.there.queueMembers[infinitysip.QueueID(queue.id)][i]
		name := fmt.Sprintf("group %d", row.GroupID)
		if group := d.groupsByID[row.GroupID]; group != nil {
			name = group.name
		}
		slots = append(slots, slot{&thing{kind: KindQueueMember, name: name, id: int64(row.ID)}, row, -1})
		free[row.GroupID] = append(free[row.GroupID], i)
		top = max(top, row.RingOrder)
	}

	// Members of one queue are changed one after the other: those that ring
	// the same group could not be told apart otherwise.
	var chain *step
	next := func(c *change, do func(x *execution) error) *step {
		s := c.step(do)
		s.follows(chain)
		chain = s
		return s
	}
	for rank := range want.Members {
		m := &want.Members[rank]
		group := d.resolve(d.groups, m.Group, KindGroup, place{path: fmt.Sprintf("%s.members[%d]", at.path, rank)}, "group")
		if group == nil {
			continue
		}
		id := infinitysip.GroupID(group.id)
		if taken := free[id]; group.id != 0 && len(taken) > 0 {
			slots[taken[0]].rank = rank
			row := slots[taken[0]].row
			free[id] = taken[1:]
			changes, _ := differences[infinitysip.QueueMemberUpdateParams](m, row)
			if len(changes) > 0 {
				c := d.plan(queue.id, Change{Op: Update, Kind: KindQueueMember, Name: queue.name, Members: []string{group.name}, Fields: changes})
				next(c, func(x *execution) error {
					var params infinitysip.QueueMemberUpdateParams
					fill(&params, m, changes...)
					return x.client.Queues.UpdateMember(x.ctx, x.domain, infinitysip.QueueID(queue.id), row.ID, params)
				})
			}
			continue
		}
		top++
		params := newMember(m)
		params.RingOrder = top
		t := &thing{kind: KindQueueMember, name: group.name}
		c := d.plan(queue.id, Change{Op: Create, Kind: KindQueueMember, Name: queue.name, Members: []string{group.name}, Fields: []FieldChange{
			{Field: "ringStrategy", To: params.RingStrategy}, {Field: "ringAttempts", To: params.RingAttempts}, {Field: "ringSecs", To: params.RingSecs},
		}})
		t.make = next(c, func(x *execution) error {
			params := params
			params.GroupID = infinitysip.GroupID(group.id)
			id, err := x.client.Queues.CreateMember(x.ctx, x.domain, infinitysip.QueueID(queue.id), params)
			t.id = int64(id)
			return err
		})
		t.make.needs(queue.make, group.make)
		slots = append(slots, slot{t, nil, rank})
	}

	var removals []*step
	if d.opts.Prune {
		for _, s := range slots {
			if s.rank >= 0 {
				continue
			}
			group := d.groupsByID[s.row.GroupID]
			c := d.plan(queue.id, Change{Op: Delete, Kind: KindQueueMember, Name: queue.name, Members: []string{s.member.name}})
			removal := c.step(func(x *execution) error {
				return x.client.Queues.DeleteMember(x.ctx, x.domain, infinitysip.QueueID(queue.id), s.row.ID)
			})
			removals = append(removals, removal)
			if group != nil && group.remove != nil {
				group.remove.follows(removal)
			}
		}
		slots = slices.DeleteFunc(slots, func(s slot) bool { return s.rank < 0 })
	}
	d.order(queue, at, slots, append(removals, chain))
}

// order has a queue ring its members as the state has them, which take the
// places that they have among them; the others stay where they are.
func (d *differ) order(queue *thing, at place, slots []slot, after []*step) {
	var named []slot
	for _, s := range slots {
		if s.rank >= 0 {
			named = append(named, s)
		}
	}
	ordered := true
	for i := 1; i < len(named); i++ {
		a, b := named[i-1], named[i]
		if a.rank > b.rank || a.row != nil && b.row != nil && a.row.RingOrder == b.row.RingOrder {
			ordered = false
		}
	}
	if ordered {
		return
	}
	if len(slots) > maxQueueMembers {
		d.report(at, "members", "%d of them with those on the server: the API orders at most %d", len(slots), maxQueueMembers)
		return
	}
	slices.SortStableFunc(named, func(a, b slot) int { return a.rank - b.rank })
	var members []*thing
	for _, s := range slots {
		if s.rank >= 0 {
			s, named = named[0], named[1:]
		}
		members = append(members, s.member)
	}
	s := d.plan(queue.id, Change{Op: Update, Kind: KindQueueOrder, Name: queue.name, Members: namesOf(members)}).step(func(x *execution) error {
		return x.client.Queues.SetMemberOrder(x.ctx, x.domain, infinitysip.QueueID(queue.id), idsOf[infinitysip.QueueMemberID](members))
	})
	for _, member := range members {
		s.needs(member.make)
	}
	s.follows(after...)
}
