package provision

import (
	"github.com/infinitysip/infinitysip"
)

// membership is who is to be in a group.
type membership struct {
	group   *thing
	says    bool // the group gives a list
	desired map[*thing]bool
	order   []*thing // of desired, as the state names them

	add    int // the change that puts users in
	remove int // the change that takes users out
	out    []*thing
}

// groupMembers puts users into groups and, with Prune, takes them out. Who goes
// from one group to another is put in first, and only then taken out.
func (d *differ) groupMembers() {
	all, lists := d.memberships()
	joins := map[*thing][]int{} // of users, the changes that put them in
	left := map[*thing]bool{}   // users whose groups CreateOnly leaves as they are
	for _, m := range all {
		in := map[*thing]bool{}
		for _, id := range d.there.groupUsers[infinitysip.GroupID(m.group.id)] {
			user := d.users.byID[int64(id)]
			if user == nil {
				continue // gone between two lists
			}
			in[user] = true
			switch {
			case d.opts.CreateOnly || m.desired[user] || !m.says && !lists[user] || user.remove != 0 || user.left:
			case d.opts.Prune:
				m.out = append(m.out, user)
			default:
				d.notes.stay("user stays in "+m.group.String(), "users stay in "+m.group.String(), user.name)
			}
		}
		var missing []*thing
		for _, user := range m.order {
			switch {
			case in[user]:
			case d.opts.CreateOnly && user.id != 0 && m.group.id != 0:
				if !left[user] {
					left[user] = true
					d.notes.add(user.String(), "the groups of who is there are left as they are, since only new things are made")
				}
			default:
				missing = append(missing, user)
			}
		}
		if len(missing) > 0 {
			m.add = d.plan(Change{Op: OpCreate, Kind: KindGroupMembers, Ref: m.group.ref(), Members: refs(missing)})
			d.needs(m.add, m.group.make)
			for _, user := range missing {
				d.follows(m.add, user.make)
				joins[user] = append(joins[user], m.add)
			}
		}
		if len(m.out) > 0 {
			m.remove = d.plan(Change{Op: OpDelete, Kind: KindGroupMembers, Ref: m.group.ref(), Members: refs(m.out)})
		}
	}
	for _, m := range all {
		seen := map[int]bool{}
		for _, user := range m.out {
			for _, add := range joins[user] {
				if !seen[add] {
					seen[add] = true
					d.follows(m.remove, add)
				}
			}
		}
	}
}

// memberships are those of the groups that the state says something of, and the
// users who give a list of their groups.
func (d *differ) memberships() (inOrder []*membership, lists map[*thing]bool) {
	byGroup := map[*thing]*membership{}
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
	for i := range d.desired.Groups {
		g := &d.desired.Groups[i]
		group, _ := d.groups.find(g.Name)
		if g.Members == nil || group == nil { // it has been told
			continue
		}
		m := of(group)
		m.says = true
		for _, name := range g.Members {
			if user := d.resolve(d.users, name, KindUser, func() place { return d.desired.groupAt(i) }, "members"); user != nil {
				put(m, user)
			}
		}
	}
	lists = map[*thing]bool{}
	for i := range d.desired.Users {
		u := &d.desired.Users[i]
		user, _ := d.users.find(u.User)
		if u.Groups == nil || user == nil { // it has been told
			continue
		}
		lists[user] = true
		for _, name := range u.Groups {
			if group := d.resolve(d.groups, name, KindGroup, func() place { return d.desired.userAt(i) }, "groups"); group != nil {
				put(of(group), user)
			}
		}
	}
	if d.opts.Prune && len(lists) > 0 && !d.opts.CreateOnly {
		for _, row := range d.there.groups {
			if t := d.groups.byID[int64(row.ID)]; t != nil && t.remove == 0 {
				of(t)
			}
		}
	}
	return inOrder, lists
}

func refs(all []*thing) []Ref {
	list := make([]Ref, len(all))
	for i, t := range all {
		list[i] = t.ref()
	}
	return list
}
