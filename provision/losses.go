package provision

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// deletions are the things that a plan deletes and that others hang on.
type deletions struct {
	users  map[infinitysip.UserID]bool
	groups map[infinitysip.GroupID]bool
	queues map[infinitysip.QueueID]bool
}

func deletionsOf(items []Change) deletions {
	d := deletions{map[infinitysip.UserID]bool{}, map[infinitysip.GroupID]bool{}, map[infinitysip.QueueID]bool{}}
	for i := range items {
		c := &items[i]
		switch {
		case c.Op != OpDelete:
		case c.Kind == KindUser:
			d.users[infinitysip.UserID(c.ID)] = true
		case c.Kind == KindGroup:
			d.groups[infinitysip.GroupID(c.ID)] = true
		case c.Kind == KindQueue:
			d.queues[infinitysip.QueueID(c.ID)] = true
		}
	}
	return d
}

// read adds what must be read to tell the losses. The groups of a user are in the
// lists of all groups or in one of the user: whichever are fewer are read.
func (d deletions) read(s *snapshot, all *members) {
	if len(d.users) > 0 && len(d.users) < len(s.groups)-len(all.groups) {
		maps.Copy(all.users, d.users)
	} else if len(d.users) > 0 {
		for _, g := range s.groups {
			all.groups[g.ID] = true
		}
	}
	maps.Copy(all.groups, d.groups)
	maps.Copy(all.queues, d.queues)
	if len(d.groups) > 0 {
		for _, q := range s.queues {
			all.queues[q.ID] = true
		}
	}
}

// losses tells what the deletes among the changes take along, by the numbers of
// the changes, each loss once. What other changes of the plan take care of is none:
// a device that is deleted or given to another user, a place in a queue that is
// taken away before.
func losses(there *snapshot, items []Change) map[int][]Loss {
	dead := deletionsOf(items)
	takes := map[int][]Loss{}
	if len(dead.users)+len(dead.groups)+len(dead.queues) == 0 {
		return takes
	}
	devices, places := map[infinitysip.DeviceID]bool{}, map[infinitysip.QueueMemberID]bool{}
	for i := range items {
		switch c := &items[i]; {
		case c.Kind == KindOwner, c.Kind == KindDevice && c.Op == OpDelete:
			devices[infinitysip.DeviceID(c.ID)] = true
		case c.Kind == KindQueueMember && c.Op == OpDelete:
			places[infinitysip.QueueMemberID(c.MemberID)] = true
		}
	}
	users, groups := map[infinitysip.UserID]Ref{}, map[infinitysip.GroupID]Ref{}
	for i := range there.users {
		users[there.users[i].ID] = Ref{Name: there.users[i].User, ID: int64(there.users[i].ID)}
	}
	for i := range there.groups {
		groups[there.groups[i].ID] = Ref{Name: there.groups[i].Name, ID: int64(there.groups[i].ID)}
	}

	// Sorted by the ids of what hangs on what.
	ofUser, ofGroup := map[infinitysip.UserID][]Loss{}, map[infinitysip.GroupID][]Loss{}
	ofQueue := map[infinitysip.QueueID][]Loss{}
	leaves := func(group infinitysip.GroupID, user infinitysip.UserID) {
		if _, listed := users[user]; !listed && len(there.users) == wire.MaxRows { // the list may be cut
			users[user] = Ref{Name: fmt.Sprintf("user %d", user), ID: int64(user)}
		}
		loss := Loss{KindGroupMembers, groups[group], users[user]}
		switch {
		case users[user].ID == 0 || groups[group].ID == 0: // gone between two lists
		case dead.users[user]:
			ofUser[user] = append(ofUser[user], loss)
		case dead.groups[group]:
			ofGroup[group] = append(ofGroup[group], loss)
		}
	}
	for i := range there.groups {
		for _, user := range there.groupUsers[there.groups[i].ID] {
			if _, also := there.userGroups[user]; !also {
				leaves(there.groups[i].ID, user)
			}
		}
	}
	for _, user := range slices.Sorted(maps.Keys(there.userGroups)) {
		for _, group := range there.userGroups[user] {
			leaves(group, user)
		}
	}
	for i := range there.queues {
		q := &there.queues[i]
		for _, row := range there.queueMembers[q.ID] {
			loss := Loss{KindQueueMember, Ref{Name: q.Name, ID: int64(q.ID)}, groups[row.GroupID]}
			switch {
			case places[row.ID]:
			case dead.queues[q.ID]:
				ofQueue[q.ID] = append(ofQueue[q.ID], loss)
			case dead.groups[row.GroupID]:
				ofGroup[row.GroupID] = append(ofGroup[row.GroupID], loss)
			}
		}
	}
	for i := range there.devices {
		row := &there.devices[i]
		if dead.users[row.UserID] && !devices[row.ID] {
			ofUser[row.UserID] = append(ofUser[row.UserID], Loss{KindOwner, Ref{Name: cmp.Or(wire.MAC(row.MACAddress), row.MACAddress, row.Name, fmt.Sprintf("device %d", row.ID)), ID: int64(row.ID)}, users[row.UserID]})
		}
	}
	for i := range items {
		c := &items[i]
		var all []Loss
		switch {
		case c.Op != OpDelete:
		case c.Kind == KindUser:
			all = ofUser[infinitysip.UserID(c.ID)]
		case c.Kind == KindGroup:
			all = ofGroup[infinitysip.GroupID(c.ID)]
		case c.Kind == KindQueue:
			all = ofQueue[infinitysip.QueueID(c.ID)]
		}
		if len(all) > 0 {
			takes[c.N] = all
		}
	}
	return takes
}
