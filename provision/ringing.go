package provision

import (
	"slices"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// slot is a place in a queue's order.
type slot struct {
	group string
	id    int64                    // of the group
	row   *infinitysip.QueueMember // nil: to be made
	by    int                      // the change that makes it
	rank  int                      // in the state; -1: it is not there
}

// queueMembers puts groups into queues, in order, and, with Prune, takes them
// out. A queue is to ring somebody all along: what it rings is taken out when all
// that is new is there, unless the group itself is deleted.
func (d *differ) queueMembers() {
	for i := range d.desired.Queues {
		want := &d.desired.Queues[i]
		queue, _ := d.queues.find(want.Name)
		switch {
		case want.Members == nil || queue == nil: // it has been told
			continue
		case d.opts.CreateOnly && queue.id != 0:
			d.notes.add(queue.String(), "what it rings is left as it is, since only new things are made")
			continue
		}
		before := len(d.items)
		d.ring(queue, want, i)
		if len(d.items) > before && queue.id != 0 {
			id := infinitysip.QueueID(queue.id)
			if d.rings == nil {
				d.rings = map[infinitysip.QueueID][]Ref{}
			}
			d.rings[id] = rung(d.groups, d.there.queueMembers[id])
		}
	}
}

// rung is what a queue rings, as Changes.Rings has it.
func rung(groups *index, rows []infinitysip.QueueMember) []Ref {
	refs := make([]Ref, len(rows))
	for i, row := range rows {
		refs[i] = Ref{Name: groupName(groups, row.GroupID), ID: int64(row.ID)}
	}
	return refs
}

func (d *differ) ring(queue *thing, want *Queue, i int) {
	var slots []slot
	free := map[int64][]int{} // of slots, those not yet claimed
	top := 0
	rows := d.there.queueMembers[infinitysip.QueueID(queue.id)]
	for i := range rows {
		row := &rows[i]
		slots = append(slots, slot{group: groupName(d.groups, row.GroupID), id: int64(row.GroupID), row: row, rank: -1})
		free[int64(row.GroupID)] = append(free[int64(row.GroupID)], i)
		top = max(top, row.RingOrder)
	}

	// Members of one queue are changed one after the other: those that ring
	// the same group could not be told apart otherwise.
	last := 0
	var made []int
	for rank := range want.Members {
		m := &want.Members[rank]
		group := d.resolve(d.groups, m.Group, KindGroup, func() place { return d.desired.memberAt(i, rank) }, "group")
		if group == nil {
			continue
		}
		c := Change{Op: OpCreate, Kind: KindQueueMember, Ref: queue.ref(), Members: []Ref{group.ref()}}
		if taken := free[group.id]; group.id != 0 && len(taken) > 0 {
			slots[taken[0]].rank = rank
			row := slots[taken[0]].row
			free[group.id] = taken[1:]
			c.Op, c.MemberID = OpUpdate, int64(row.ID)
			if c.Fields, _ = differences[infinitysip.QueueMemberUpdateParams](m, row); len(c.Fields) == 0 {
				continue
			}
		} else {
			top++
			params := newMember(m)
			c.Fields = []FieldChange{{Field: "ringStrategy", To: string(params.RingStrategy)}, {Field: "ringAttempts", To: int64(params.RingAttempts)},
				{Field: "ringSecs", To: int64(params.RingSecs)}, {Field: "ringOrder", To: int64(top)}}
		}
		n := d.plan(c)
		if c.Op == OpCreate {
			d.needs(n, queue.make, group.make)
			made = append(made, n)
			slots = append(slots, slot{group: group.name, id: group.id, by: n, rank: rank})
		}
		d.follows(n, last)
		last = n
	}

	var removals []int
	for _, s := range slots {
		switch {
		case s.rank >= 0:
			continue
		case !d.opts.Prune:
			d.notes.stay("place of "+queue.String()+" stays", "places of "+queue.String()+" stay", s.group)
			continue
		}
		n := d.plan(Change{Op: OpDelete, Kind: KindQueueMember, Ref: queue.ref(), Members: []Ref{{Name: s.group, ID: s.id}}, MemberID: int64(s.row.ID)})
		if group := d.groups.byID[s.id]; group != nil && group.remove != 0 {
			// Perhaps with the number that a new member's group takes: no waiting for that.
			d.follows(group.remove, n)
			removals = append(removals, n)
			continue
		}
		// One after the other, so that not each of many waits for each of many.
		d.needs(n, made...)
		made = []int{n}
		removals = append(removals, n)
	}
	if d.opts.Prune {
		slots = slices.DeleteFunc(slots, func(s slot) bool { return s.rank < 0 })
	}
	d.order(queue, func() place { return d.desired.queueAt(i) }, slots, removals, last)
}

// order has a queue ring its members as the state has them, which take the
// places that they have among them; the others stay where they are. An order
// names every member, so it needs the removals.
func (d *differ) order(queue *thing, at func() place, slots []slot, removals []int, after int) {
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
		d.report(at(), "members", "%d of them with those on the server: the API orders at most %d", len(slots), wire.MaxOrder)
		return
	}
	slices.SortStableFunc(named, func(a, b slot) int { return a.rank - b.rank })
	for i := range slots {
		if slots[i].rank >= 0 {
			slots[i], named = named[0], named[1:]
		}
	}
	slots = namedFirst(slots)
	c := Change{Op: OpUpdate, Kind: KindQueueOrder, Ref: queue.ref()}
	for _, s := range slots {
		ref := Ref{Name: s.group, MadeBy: s.by}
		if s.row != nil {
			ref.ID = int64(s.row.ID)
		}
		c.Members = append(c.Members, ref)
	}
	n := d.plan(c)
	for _, s := range slots {
		d.needs(n, s.by)
	}
	d.needs(n, removals...)
	d.follows(n, after)
}

// namedFirst has the places that the state names come before the others of the same
// group, where a queue rings a group more often than the state says: the next plan
// takes the first ones for those that are meant.
func namedFirst(slots []slot) []slot {
	named := map[int64]int{} // by group, those to come
	for _, s := range slots {
		if s.rank >= 0 {
			named[s.id]++
		}
	}
	all := make([]slot, 0, len(slots))
	later := map[int64][]slot{}
	for _, s := range slots {
		if s.rank < 0 && named[s.id] > 0 {
			later[s.id] = append(later[s.id], s)
			continue
		}
		all = append(all, s)
		if s.rank >= 0 {
			if named[s.id]--; named[s.id] == 0 {
				all = append(all, later[s.id]...)
				delete(later, s.id) // several that are to be made have no id
			}
		}
	}
	return all
}
