package provision

import (
	"fmt"
	"slices"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// membership is who is to be in a group.
type membership struct {
	group   *thing
	says    bool // the group gives a list
	desired map[*thing]bool
	order   []*thing // of desired, as the state names them

	add   *step // puts users in
	added bool  // it did, those who are there

	remove *step // takes users out
	out    []*thing
}

// groupMembers puts users into groups and, with Prune, takes them out. Who goes
// from one group to another is put in first, and only then taken out.
func (d *differ) groupMembers() {
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
			if t := d.groups.byID[int64(row.ID)]; t != nil && t.remove == nil {
				of(t)
			}
		}
	}

	joins := map[*thing][]*membership{} // of users, what they come into
	for _, m := range inOrder {
		in := map[*thing]bool{}
		for _, id := range d.there.groupUsers[infinitysip.GroupID(m.group.id)] {
			user := d.users.byID[int64(id)]
			if user == nil {
				continue // gone between two lists
			}
			in[user] = true
			if d.opts.Prune && !m.desired[user] && (m.says || says[user]) && user.remove == nil {
				m.out = append(m.out, user)
			}
		}
		missing := slices.DeleteFunc(m.order, func(user *thing) bool { return in[user] })
		if len(missing) > 0 {
			c := d.plan(m.group.id, Change{Op: OpCreate, Kind: KindGroupMembers, Name: m.group.name, Members: namesOf(missing)})
			m.add = c.step(func(x *execution) (err error) {
				m.added, err = x.addUsers(m.group, missing)
				return err
			})
			m.add.needs(m.group.make)
			for _, user := range missing {
				m.add.follows(user.make)
				joins[user] = append(joins[user], m)
			}
		}
		if len(m.out) > 0 {
			c := d.plan(m.group.id, Change{Op: OpDelete, Kind: KindGroupMembers, Name: m.group.name, Members: namesOf(m.out)})
			m.remove = c.step(func(x *execution) error { return x.removeUsers(m.group, m.out, joins) })
		}
	}
	for _, m := range inOrder {
		for _, user := range m.out {
			for _, to := range joins[user] {
				m.remove.follows(to.add)
			}
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
	rotate := d.rotated()
	for i := range d.desired.Devices {
		want, at := &d.desired.Devices[i], d.desired.deviceAt(i)
		device, _ := d.devices.find(want.MACAddress)
		if device == nil {
			continue // it has been told
		}
		mac := wire.MAC(want.MACAddress)
		var (
			from     infinitysip.UserID
			fromName string
			leaves   *step // deletes that user
		)
		if row := rows[device.id]; row != nil && row.UserID != 0 {
			from, fromName = row.UserID, row.User
			if owner := d.users.byID[int64(from)]; owner != nil {
				fromName, leaves = owner.name, owner.remove
			}
		}
		var to *thing
		if want.Owner != nil && *want.Owner != "" {
			if to = d.resolve(d.users, *want.Owner, KindUser, at, "user"); to == nil {
				continue
			}
		}
		c := Change{Op: OpUpdate, Kind: KindOwner, Name: mac}
		switch {
		case to != nil && from == 0:
			c.Op = OpCreate
			c.Fields = []FieldChange{{Field: "user", From: "", To: to.name}}
		case to != nil && infinitysip.UserID(to.id) != from:
			c.Fields = []FieldChange{{Field: "user", From: fromName, To: to.name}}
		case want.Owner != nil && to == nil && from != 0 && d.opts.Prune:
			c.Op = OpDelete
			c.Fields = []FieldChange{{Field: "user", From: fromName, To: ""}}
		case rotate[mac] && from != 0:
			c.Token, c.Fields = true, []FieldChange{{Field: "user", From: fromName, To: fromName}}
			planned := d.plan(device.id, c)
			planned.step(func(x *execution) error { return x.rotateToken(from, fromName, device, planned.result) })
			continue
		case rotate[mac]:
			d.notes = append(d.notes, fmt.Sprintf("%s: no user, so no new token", device))
			continue
		default: // it keeps its owner
			continue
		}
		planned := d.plan(device.id, c)
		var release *step
		if from != 0 {
			release = planned.step(func(x *execution) error { return x.release(from, device) })
			switch {
			case leaves != nil: // perhaps with the number that the new owner takes: no waiting for who gets it
				leaves.follows(release)
			case to != nil:
				release.needs(to.make)
			}
		}
		if to != nil {
			add := planned.step(func(x *execution) error { return x.addDevice(to, device, planned.result) })
			add.needs(release, to.make, device.make)
		}
	}
}

// rotated are the devices that are to get another token.
func (d *differ) rotated() map[string]bool {
	inState := map[string]*Device{}
	for i := range d.desired.Devices {
		inState[wire.MAC(d.desired.Devices[i].MACAddress)] = &d.desired.Devices[i]
	}
	rotate := map[string]bool{}
	for i, mac := range d.opts.RotateTokens {
		at := place{path: fmt.Sprintf("RotateTokens[%d]", i)}
		switch want := inState[wire.MAC(mac)]; {
		case want == nil:
			d.report(at, "", "%s is not the MAC address of a device in the state", quote(mac))
		case want.Owner == nil:
			d.report(at, "", "the state does not say whose %s is: were the device taken from its user and not given back, nothing would tell", quote(mac))
		}
		rotate[wire.MAC(mac)] = true
	}
	return rotate
}

// queueMembers puts groups into queues, in order, and, with Prune, takes them
// out. A queue is to ring somebody all along: what it rings is taken out when all
// that is new is there, unless the group itself is deleted.
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
		if group := d.groups.byID[int64(row.GroupID)]; group != nil {
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
				c := d.plan(queue.id, Change{Op: OpUpdate, Kind: KindQueueMember, Name: queue.name, Members: []string{group.name}, Fields: changes})
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
		c := d.plan(queue.id, Change{Op: OpCreate, Kind: KindQueueMember, Name: queue.name, Members: []string{group.name}, Fields: []FieldChange{
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
			group := d.groups.byID[int64(s.row.GroupID)]
			c := d.plan(queue.id, Change{Op: OpDelete, Kind: KindQueueMember, Name: queue.name, Members: []string{s.member.name}})
			removal := c.step(func(x *execution) error {
				return x.client.Queues.DeleteMember(x.ctx, x.domain, infinitysip.QueueID(queue.id), s.row.ID)
			})
			removals = append(removals, removal)
			if group != nil && group.remove != nil {
				// Perhaps with the number that a new member's group takes: no waiting for that.
				group.remove.follows(removal)
				continue
			}
			for _, in := range slots {
				removal.needs(in.member.make)
			}
		}
		slots = slices.DeleteFunc(slots, func(s slot) bool { return s.rank < 0 })
	}
	d.order(queue, at, slots, removals, chain)
}

// order has a queue ring its members as the state has them, which take the
// places that they have among them; the others stay where they are. An order
// names every member, so it needs the removals.
func (d *differ) order(queue *thing, at place, slots []slot, removals []*step, after *step) {
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
	if len(slots) > wire.MaxOrder {
		d.report(at, "members", "%d of them with those on the server: the API orders at most %d", len(slots), wire.MaxOrder)
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
	s := d.plan(queue.id, Change{Op: OpUpdate, Kind: KindQueueOrder, Name: queue.name, Members: namesOf(members)}).step(func(x *execution) error {
		return x.client.Queues.SetMemberOrder(x.ctx, x.domain, infinitysip.QueueID(queue.id), idsOf[infinitysip.QueueMemberID](members))
	})
	for _, member := range members {
		s.needs(member.make)
	}
	s.needs(removals...)
	s.follows(after)
}
