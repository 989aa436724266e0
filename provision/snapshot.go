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

	groupUsers   map[infinitysip.GroupID][]infinitysip.UserID
	queueMembers map[infinitysip.QueueID][]infinitysip.QueueMember // in ringing order
}

// pageRows is how many rows to ask for at a time where a list has pages: more
// than there will be, so that no page is full and none is asked for ahead.
const pageRows = wire.MaxRows + 1

// look reads what is on the server: each list, and then the members of the
// groups and queues that wanted names, at most workers calls at a time. It
// changes nothing.
func look(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, workers int, w *wanted) (*snapshot, error) {
	if client == nil {
		return nil, fmt.Errorf("provision: %w: the client is nil", infinitysip.ErrInvalid)
	}
	s := &snapshot{
		groupUsers:   map[infinitysip.GroupID][]infinitysip.UserID{},
		queueMembers: map[infinitysip.QueueID][]infinitysip.QueueMember{},
	}
	tasks := []func() error{
		func() error {
			rows, err := client.Users.List(ctx, domain) // which is read again when it is cut
			for i := range rows {
				rows[i].Extra, rows[i].Password, rows[i].PIN = nil, infinitysip.Secret{}, infinitysip.Secret{}
			}
			s.users = rows
			return err
		},
		func() error {
			rows, err := client.Groups.List(ctx, domain)
			s.groups = rows
			return err
		},
		func() (err error) {
			s.queues, err = infinitysip.Collect(client.Queues.All(ctx, domain, &infinitysip.QueueListOptions{PageSize: pageRows}))
			return err
		},
	}
	if w.networks {
		tasks = append(tasks, func() (err error) {
			s.networks, err = infinitysip.Collect(client.TrustedNetworks.All(ctx, domain, &infinitysip.TrustedNetworkListOptions{PageSize: pageRows}))
			return err
		})
	}
	if w.devices {
		tasks = append(tasks, func() (err error) {
			s.devices, err = infinitysip.Collect(client.Devices.All(ctx, domain, &infinitysip.DeviceListOptions{PageSize: pageRows}))
			return err
		})
	}
	if err := each(workers, tasks); err != nil {
		return nil, err
	}
	sortBy(s.users, func(row infinitysip.User) infinitysip.UserID { return row.ID })
	sortBy(s.groups, func(row infinitysip.Group) infinitysip.GroupID { return row.ID })
	sortBy(s.queues, func(row infinitysip.Queue) infinitysip.QueueID { return row.ID })
	sortBy(s.networks, func(row infinitysip.TrustedNetwork) infinitysip.TrustedNetworkID { return row.ID })
	sortBy(s.devices, func(row infinitysip.Device) infinitysip.DeviceID { return row.ID })
	for _, n := range s.networks {
		if !n.Network.IsValid() {
			return nil, fmt.Errorf("provision: trusted network %d is not in CIDR notation on the server", n.ID)
		}
	}

	tasks = nil
	var mu sync.Mutex
	for _, g := range s.groups {
		if w.membersOf(g.Name) {
			tasks = append(tasks, func() error {
				rows, err := client.Groups.ListUsers(ctx, domain, g.ID)
				if err != nil {
					return err
				}
				ids, err := s.idsOf(g, rows)
				slices.Sort(ids)
				mu.Lock()
				defer mu.Unlock()
				s.groupUsers[g.ID] = ids
				return err
			})
		}
	}
	for _, q := range s.queues {
		if w.ringing(q.Name) {
			tasks = append(tasks, func() error {
				rows, err := client.Queues.ListMembers(ctx, domain, q.ID)
				slices.SortStableFunc(rows, func(a, b infinitysip.QueueMember) int {
					return cmp.Or(cmp.Compare(a.RingOrder, b.RingOrder), cmp.Compare(a.ID, b.ID))
				})
				mu.Lock()
				defer mu.Unlock()
				s.queueMembers[q.ID] = rows
				return err
			})
		}
	}
	if err := each(workers, tasks); err != nil {
		return nil, err
	}
	return s, nil
}

// idsOf tells who is in a group. The API does not say how its rows name them.
func (s *snapshot) idsOf(g infinitysip.Group, rows []infinitysip.GroupUser) ([]infinitysip.UserID, error) {
	ids := make([]infinitysip.UserID, len(rows))
	for i, row := range rows {
		ids[i] = row.UserID
		if row.UserID == 0 {
			n := slices.IndexFunc(s.users, func(u infinitysip.User) bool { return row.User != "" && u.User == row.User })
			if n < 0 {
				return nil, fmt.Errorf("provision: a row of the users in group %s does not say who it is", quote(g.Name))
			}
			ids[i] = s.users[n].ID
		}
	}
	return ids, nil
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

// wanted tells what of the server must be known.
type wanted struct {
	networks, devices bool
	allMembers        bool            // of the groups
	groups            map[string]bool // whose members are mentioned
	allQueues         bool
	queues            map[string]bool // whose members are mentioned
}

func (w *wanted) membersOf(group string) bool { return w.allMembers || w.groups[fold(group)] }
func (w *wanted) ringing(queue string) bool   { return w.allQueues || w.queues[fold(queue)] }

// needs is what must be known to make a plan for the state.
func (s *State) needs(prune bool) *wanted {
	w := &wanted{networks: s.TrustedNetworks != nil, devices: s.Devices != nil, groups: map[string]bool{}, queues: map[string]bool{}}
	for _, u := range s.Users {
		if u.Groups != nil && prune { // groups that it does not name count too
			w.allMembers = true
		}
		for _, g := range u.Groups {
			w.groups[fold(g)] = true
		}
	}
	for _, g := range s.Groups {
		if g.Members != nil {
			w.groups[fold(g.Name)] = true
		}
	}
	for _, q := range s.Queues {
		if q.Members != nil {
			w.queues[fold(q.Name)] = true
		}
	}
	return w
}

// ReadDomain reads what a domain is, whole, as a state that plans to nothing.
// It holds no password and no PIN: the API does not show them. Empty fields are
// not mentioned. All is sorted by name, but the members of queues, so that two
// states of a domain compare line by line.
//
// A device without a MAC address is left out, since nothing else names one.
// Where the domain holds what Check refuses, such as two groups whose names
// differ in case alone or an e-mail address that is none, so does the state.
//
// A list that has no pages and exactly 10,000 rows, which is where the sibling
// APIs cut, may not be whole, and is an error.
func ReadDomain(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID) (*State, error) {
	s, err := look(ctx, client, domain, defaultWorkers, &wanted{networks: true, devices: true, allMembers: true, allQueues: true})
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
