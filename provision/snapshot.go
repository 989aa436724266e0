package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// snapshot is what is on the server, sorted, so that the same plan comes
// of it in whatever order the server gives its rows.
type snapshot struct {
	users    []infinitysip.User
	groups   []infinitysip.Group
	queues   []infinitysip.Queue
	networks []infinitysip.TrustedNetwork
	devices  []infinitysip.Device

	groupUsers   map[infinitysip.GroupID][]infinitysip.UserID      // of the groups that were read
	userGroups   map[infinitysip.UserID][]infinitysip.GroupID      // of the users whose groups were read
	queueMembers map[infinitysip.QueueID][]infinitysip.QueueMember // of the queues that were read, in ringing order
}

// wanted tells what of the server must be known.
type wanted struct {
	users, groups, queues, networks, devices bool // lists

	// lists tells whose members must be known besides, when the lists are there.
	lists func(*snapshot) members
}

// list wants the list of a kind of things.
func (w *wanted) list(kind Kind) {
	switch kind {
	case KindUser:
		w.users = true
	case KindGroup:
		w.groups = true
	case KindQueue:
		w.queues = true
	case KindTrustedNetwork:
		w.networks = true
	case KindDevice:
		w.devices = true
	}
}

// members are whose members to read.
type members struct {
	groups map[infinitysip.GroupID]bool // for their users
	users  map[infinitysip.UserID]bool  // for their groups
	queues map[infinitysip.QueueID]bool
}

// pageRows is how many rows to ask for at a time where a list has pages: more
// than there will be, so that no page is full and none is asked for ahead.
const pageRows = wire.MaxRows + 1

// look reads what is on the server, as far as it is wanted, at most workers
// calls at a time: the lists, and then the members of groups and queues. It
// changes nothing.
func look(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, workers int, w wanted) (*snapshot, error) {
	if client == nil {
		return nil, fmt.Errorf("provision: %w: the client is nil", infinitysip.ErrInvalid)
	}
	s := &snapshot{
		groupUsers:   map[infinitysip.GroupID][]infinitysip.UserID{},
		userGroups:   map[infinitysip.UserID][]infinitysip.GroupID{},
		queueMembers: map[infinitysip.QueueID][]infinitysip.QueueMember{},
	}
	var tasks []func() error
	list := func(wanted bool, read func() error) {
		if wanted {
			tasks = append(tasks, read)
		}
	}
	list(w.users, func() error {
		rows, err := client.Users.List(ctx, domain) // which is read again when it is cut
		for i := range rows {
			rows[i].Extra, rows[i].Password, rows[i].PIN = nil, infinitysip.Secret{}, infinitysip.Secret{}
		}
		s.users = rows
		return err
	})
	list(w.groups, func() (err error) {
		s.groups, err = client.Groups.List(ctx, domain)
		return err
	})
	list(w.queues, func() (err error) {
		s.queues, err = infinitysip.Collect(client.Queues.All(ctx, domain, &infinitysip.QueueListOptions{PageSize: pageRows}))
		return err
	})
	list(w.networks, func() (err error) {
		s.networks, err = infinitysip.Collect(client.TrustedNetworks.All(ctx, domain, &infinitysip.TrustedNetworkListOptions{PageSize: pageRows}))
		return err
	})
	list(w.devices, func() (err error) {
		s.devices, err = infinitysip.Collect(client.Devices.All(ctx, domain, &infinitysip.DeviceListOptions{PageSize: pageRows}))
		return err
	})
	if err := each(workers, tasks); err != nil {
		return nil, err
	}
	s.users = byID(s.users, func(row *infinitysip.User) infinitysip.UserID { return row.ID })
	s.groups = byID(s.groups, func(row *infinitysip.Group) infinitysip.GroupID { return row.ID })
	s.queues = byID(s.queues, func(row *infinitysip.Queue) infinitysip.QueueID { return row.ID })
	s.networks = byID(s.networks, func(row *infinitysip.TrustedNetwork) infinitysip.TrustedNetworkID { return row.ID })
	s.devices = byID(s.devices, func(row *infinitysip.Device) infinitysip.DeviceID { return row.ID })
	for _, n := range s.networks {
		if !n.Network.IsValid() {
			return nil, fmt.Errorf("provision: trusted network %d is not in CIDR notation on the server", n.ID)
		}
	}
	if err := s.nameOwners(w.users); err != nil {
		return nil, err
	}
	if w.lists == nil {
		return s, nil
	}

	tasks = nil
	var (
		mu    sync.Mutex
		whose = w.lists(s)
		names = sync.OnceValue(s.userIDs)

		groupNames = sync.OnceValue(func() map[string]infinitysip.GroupID {
			ids := map[string]infinitysip.GroupID{}
			for i := range s.groups {
				ids[s.groups[i].Name] = s.groups[i].ID
			}
			return ids
		})
	)
	for _, g := range s.groups {
		list(whose.groups[g.ID], func() error {
			rows, err := client.Groups.ListUsers(ctx, domain, g.ID)
			if err != nil {
				return err
			}
			ids, err := idsOfUsers(g, rows, names)
			mu.Lock()
			defer mu.Unlock()
			s.groupUsers[g.ID] = ids
			return err
		})
	}
	for i := range s.users { // one who is gone by now has no groups
		id := s.users[i].ID
		list(whose.users[id], func() error {
			rows, err := infinitysip.Collect(client.Users.AllGroups(ctx, domain, id, &infinitysip.UserGroupListOptions{PageSize: pageRows}))
			ids := make([]infinitysip.GroupID, len(rows))
			for i, row := range rows {
				if ids[i] = row.GroupID; ids[i] == 0 {
					ids[i] = groupNames()[row.Name]
				}
				if ids[i] == 0 && err == nil {
					err = fmt.Errorf("provision: a row of the groups of user %s does not say which group it is", quote(s.users[i].User))
				}
			}
			slices.Sort(ids)
			mu.Lock()
			defer mu.Unlock()
			s.userGroups[id] = slices.Compact(ids)
			return err
		})
	}
	for _, q := range s.queues {
		list(whose.queues[q.ID], func() error {
			rows, err := client.Queues.ListMembers(ctx, domain, q.ID)
			if err == nil && slices.ContainsFunc(rows, func(row infinitysip.QueueMember) bool { return row.GroupID == 0 }) {
				err = fmt.Errorf("provision: a row of the members of queue %s does not say which group it rings", quote(q.Name))
			}
			rows = byID(rows, func(row *infinitysip.QueueMember) infinitysip.QueueMemberID { return row.ID })
			slices.SortStableFunc(rows, func(a, b infinitysip.QueueMember) int {
				return cmp.Or(cmp.Compare(a.RingOrder, b.RingOrder), cmp.Compare(a.ID, b.ID))
			})
			mu.Lock()
			defer mu.Unlock()
			s.queueMembers[q.ID] = rows
			return err
		})
	}
	if err := each(workers, tasks); err != nil {
		return nil, err
	}
	return s, nil
}

// nameOwners finds the users of devices whose rows show a name and no id.
func (s *snapshot) nameOwners(users bool) error {
	var ids map[string]infinitysip.UserID
	for i := range s.devices {
		row := &s.devices[i]
		if row.UserID != 0 || row.User == "" {
			continue
		}
		if ids == nil && users {
			ids = s.userIDs()
		}
		if row.UserID = ids[row.User]; row.UserID == 0 {
			return fmt.Errorf("provision: the row of device %s does not say which user %s is", quote(row.MACAddress), quote(row.User))
		}
	}
	return nil
}

// userIDs are the ids of the users by name, as the server spells it.
func (s *snapshot) userIDs() map[string]infinitysip.UserID {
	ids := make(map[string]infinitysip.UserID, len(s.users))
	for i := range s.users {
		ids[s.users[i].User] = s.users[i].ID
	}
	return ids
}

// idsOfUsers tells who is in a group, sorted. The API does not say how its rows
// name them.
func idsOfUsers(g infinitysip.Group, rows []infinitysip.GroupUser, names func() map[string]infinitysip.UserID) ([]infinitysip.UserID, error) {
	ids := make([]infinitysip.UserID, len(rows))
	for i, row := range rows {
		if ids[i] = row.UserID; ids[i] == 0 && row.User != "" {
			ids[i] = names()[row.User]
		}
		if ids[i] == 0 {
			return nil, fmt.Errorf("provision: a row of the users in group %s does not say who it is", quote(g.Name))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// byID sorts rows. One that the server gives again is one.
func byID[R any, I infinitysip.ID](rows []R, id func(*R) I) []R {
	ascending := true
	for i := 1; i < len(rows) && ascending; i++ {
		ascending = id(&rows[i-1]) < id(&rows[i])
	}
	if ascending { // as nearly always, and a sort copies rows
		return rows
	}
	slices.SortStableFunc(rows, func(a, b R) int { return cmp.Compare(id(&a), id(&b)) })
	return slices.CompactFunc(rows, func(a, b R) bool { return id(&a) == id(&b) && id(&a) != 0 })
}

// each runs tasks, at most workers at a time, until one fails, and waits for
// those that have begun.
func each(workers int, tasks []func() error) error {
	var (
		mu    sync.Mutex
		next  int
		errs  []error
		group sync.WaitGroup
	)
	for range min(workers, len(tasks)) {
		group.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= len(tasks) || len(errs) > 0
				mu.Unlock()
				if stop {
					return
				}
				if err := tasks[i](); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// ReadDomain reads a whole domain as a state. A plan from that state is empty, except that
// it orders queue members that share a place in their queue. The state holds no passwords
// and no PINs, because the API does not show them. It leaves out empty fields. Everything
// is sorted by name, except the members of queues, so that two states of a domain compare
// line by line.
//
// ReadDomain leaves out a device without a MAC address, because nothing else names it. If
// the domain has something that Check refuses, such as two groups whose names differ only in
// case, or an invalid e-mail address, the state has it too.
//
// If a list without pages has exactly 10,000 rows, which is where the sibling APIs cut, it
// may not be whole, and ReadDomain returns an error.
func ReadDomain(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID) (*State, error) {
	s, err := look(ctx, client, domain, defaultWorkers, wanted{users: true, groups: true, queues: true, networks: true, devices: true,
		lists: func(s *snapshot) members {
			all := members{groups: map[infinitysip.GroupID]bool{}, queues: map[infinitysip.QueueID]bool{}}
			for _, g := range s.groups {
				all.groups[g.ID] = true
			}
			for _, q := range s.queues {
				all.queues[q.ID] = true
			}
			return all
		}})
	if err != nil {
		return nil, err
	}
	if list := s.perhapsCut(); list != "" {
		return nil, fmt.Errorf("provision: the server gave exactly %d %s, which may not be all", wire.MaxRows, list)
	}
	return s.state(), nil
}

// perhapsCut names a list without pages that is as long as the API's siblings
// give at most; "" if there is none.
func (s *snapshot) perhapsCut() string {
	switch {
	case len(s.users) == wire.MaxRows:
		return "users"
	case len(s.groups) == wire.MaxRows:
		return "groups"
	}
	for _, g := range s.groups {
		if len(s.groupUsers[g.ID]) == wire.MaxRows {
			return "users in group " + quote(g.Name)
		}
	}
	for _, q := range s.queues {
		if len(s.queueMembers[q.ID]) == wire.MaxRows {
			return "members of queue " + quote(q.Name)
		}
	}
	return ""
}

func (s *snapshot) state() *State {
	all := &State{Users: []User{}, Groups: []Group{}, Queues: []Queue{}, TrustedNetworks: []TrustedNetwork{}, Devices: []Device{}}
	userNames := map[infinitysip.UserID]string{}
	for i := range s.users {
		u := User{User: s.users[i].User}
		describe(&u, &s.users[i])
		all.Users = append(all.Users, u)
		userNames[s.users[i].ID] = u.User
	}
	groupNames := map[infinitysip.GroupID]string{}
	for i := range s.groups {
		row := &s.groups[i]
		g := Group{Name: row.Name, Members: []string{}}
		describe(&g, row)
		for _, id := range s.groupUsers[row.ID] {
			if name, ok := userNames[id]; ok {
				g.Members = append(g.Members, name)
			}
		}
		slices.Sort(g.Members)
		all.Groups = append(all.Groups, g)
		groupNames[row.ID] = g.Name
	}
	for i := range s.queues {
		row := &s.queues[i]
		q := Queue{Name: row.Name, Members: []QueueMember{}}
		describe(&q, row)
		for _, member := range s.queueMembers[row.ID] {
			if name, ok := groupNames[member.GroupID]; ok {
				q.Members = append(q.Members, QueueMember{name, member.RingStrategy, new(member.RingAttempts), new(member.RingSecs)})
			}
		}
		all.Queues = append(all.Queues, q)
	}
	for i := range s.networks {
		n := TrustedNetwork{Network: s.networks[i].Network.String()}
		describe(&n, &s.networks[i])
		all.TrustedNetworks = append(all.TrustedNetworks, n)
	}
	for i := range s.devices {
		row := &s.devices[i]
		if wire.MAC(row.MACAddress) == "" {
			continue
		}
		d := Device{MACAddress: row.MACAddress}
		describe(&d, row)
		if name, ok := userNames[row.UserID]; ok {
			d.Owner = new(name)
		}
		all.Devices = append(all.Devices, d)
	}
	for i := range s.users {
		all.EmergencyNumbers = all.EmergencyNumbers || emergency(s.users[i].ExtensionNumber)
	}
	for i := range s.groups {
		all.EmergencyNumbers = all.EmergencyNumbers || emergency(s.groups[i].ExtensionNumber)
	}
	for i := range s.queues {
		all.EmergencyNumbers = all.EmergencyNumbers || emergency(s.queues[i].ExtensionNumber)
	}
	sortBy(all.Users, func(u User) string { return u.User })
	sortBy(all.Groups, func(g Group) string { return g.Name })
	sortBy(all.Queues, func(q Queue) string { return q.Name })
	sortBy(all.TrustedNetworks, func(n TrustedNetwork) string { return n.Network })
	sortBy(all.Devices, func(d Device) string { return d.MACAddress })
	return all
}

func sortBy[T any, K cmp.Ordered](all []T, key func(T) K) {
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}
