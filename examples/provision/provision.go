package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/people"
)

// What the program makes, in the order in which one thing needs another.
type kind int

const (
	groups kind = iota
	users
	devices
	memberships
	owners
	queues
	queueMembers
	networks
	kinds // how many there are
)

func (k kind) String() string {
	return [...]string{"groups", "users", "devices", "users in groups", "devices of users", "queues", "groups in queues", "trusted networks"}[k]
}

// settings are what the flags say.
type settings struct {
	workers        int
	groupExtension string // of the first group; the others follow
	queue          string // empty: none
	queueExtension string
	network        netip.Prefix // zero: none
}

// wanted is what the file and the flags ask for.
type wanted struct {
	settings
	people []people.Person
	groups []group // in the order in which the file names them
}

type group struct {
	name, extension string
	line            int // that names it first
}

// want gives the groups of the people their extensions, and tells which of
// these and the queue's collide with those in the file.
func want(everybody []people.Person, s settings) (*wanted, []people.Problem) {
	w := &wanted{settings: s, people: everybody}
	given := map[string]string{} // what has an extension that the file does not give
	if s.queue != "" {
		given[s.queueExtension] = "queue " + s.queue
	}
	var problems []people.Problem
	first, _ := strconv.Atoi(s.groupExtension) // digits, see main
	for _, p := range everybody {
		for _, name := range p.Groups {
			if slices.ContainsFunc(w.groups, func(g group) bool { return people.Key(g.name) == people.Key(name) }) {
				continue
			}
			g := group{name, fmt.Sprintf("%0*d", len(s.groupExtension), first+len(w.groups)), p.Line}
			w.groups = append(w.groups, g)
			if other := given[g.extension]; other != "" {
				problems = append(problems, people.Problem{Column: "-group-extension",
					Text: fmt.Sprintf("group %s gets extension %s, and so does %s", g.name, g.extension, other)})
			}
			given[g.extension] = "group " + g.name
		}
	}
	for _, p := range everybody {
		if other := given[p.Extension]; other != "" {
			problems = append(problems, people.Problem{Line: p.Line, Column: "extension",
				Text: fmt.Sprintf("%s is what %s gets: see -group-extension and -queue-extension", p.Extension, other)})
		}
	}
	return w, problems
}

// snapshot is what is on the server.
type snapshot struct {
	users    map[string]infinitysip.User   // by people.Key of the name
	groups   map[string]infinitysip.Group  // by people.Key of the name
	devices  map[string]infinitysip.Device // by MAC address
	queues   map[string]infinitysip.Queue  // by people.Key of the name
	networks []infinitysip.TrustedNetwork
	inGroup  map[infinitysip.GroupID]map[infinitysip.UserID]bool // of the groups that are wanted
	members  []infinitysip.QueueMember                           // of the queue that is wanted
}

// look reads what is on the server. It changes nothing.
func look(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, w *wanted) (*snapshot, error) {
	s := &snapshot{inGroup: map[infinitysip.GroupID]map[infinitysip.UserID]bool{}}
	err := each(w.workers, []func() error{
		func() (err error) {
			s.users, err = index(client.Users.All(ctx, domain), func(u infinitysip.User) string { return people.Key(u.User) })
			return err
		},
		func() (err error) {
			s.groups, err = index(client.Groups.All(ctx, domain), func(g infinitysip.Group) string { return people.Key(g.Name) })
			return err
		},
		func() (err error) {
			s.devices, err = index(client.Devices.All(ctx, domain, nil), func(d infinitysip.Device) string { return people.MAC(d.MACAddress) })
			return err
		},
		func() (err error) {
			s.queues, err = index(client.Queues.All(ctx, domain, nil), func(q infinitysip.Queue) string { return people.Key(q.Name) })
			return err
		},
		func() error {
			for network, err := range client.TrustedNetworks.All(ctx, domain, nil) {
				if err != nil {
					return err
				}
				s.networks = append(s.networks, network)
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}

	var (
		mu    sync.Mutex
		tasks []func() error
	)
	for _, g := range w.groups {
		there, ok := s.groups[people.Key(g.name)]
		if !ok {
			continue
		}
		tasks = append(tasks, func() error {
			rows, err := client.Groups.ListUsers(ctx, domain, there.ID)
			in := map[infinitysip.UserID]bool{}
			for _, row := range rows {
				if row.UserID != 0 { // the API does not list the fields of this row
					in[row.UserID] = true
				}
			}
			mu.Lock()
			defer mu.Unlock()
			s.inGroup[there.ID] = in
			return err
		})
	}
	if queue, ok := s.queues[people.Key(w.queue)]; ok {
		tasks = append(tasks, func() (err error) {
			s.members, err = client.Queues.ListMembers(ctx, domain, queue.ID)
			return err
		})
	}
	return s, each(w.workers, tasks)
}

// plan is what is missing on the server.
type plan struct {
	domain  infinitysip.DomainID
	counts  [kinds]counts
	phases  []func() []job
	differ  []string // what is there, but not as the file has it
	secrets int      // passwords to make up and tokens to receive

	mu          sync.Mutex                      // of what follows: what the phases made
	userIDs     map[string]infinitysip.UserID   // by people.Key of the name
	groupIDs    map[string]infinitysip.GroupID  // by people.Key of the name
	deviceIDs   map[string]infinitysip.DeviceID // by MAC address
	queueID     infinitysip.QueueID
	credentials map[string]*credential // by people.Key of the user
}

type counts struct{ wanted, before, created, failed, notTried int }

// A job is one call that makes something.
type job struct {
	kind  kind
	name  string
	size  int    // how many things it makes
	lacks string // what it needs and what could not be had; empty: nothing
	do    func(context.Context, *infinitysip.Client) error
}

// credential is what cannot be read from the server later.
type credential struct {
	password, pin, token infinitysip.Secret
	madeUp               bool // the password is not from the file
}

// plan compares what is wanted with what is there. Where there are problems,
// the plan cannot be carried out.
func (w *wanted) plan(domain infinitysip.DomainID, s *snapshot) (*plan, []people.Problem) {
	p := &plan{
		domain:      domain,
		userIDs:     map[string]infinitysip.UserID{},
		groupIDs:    map[string]infinitysip.GroupID{},
		deviceIDs:   map[string]infinitysip.DeviceID{},
		credentials: map[string]*credential{},
	}
	problems := w.taken(s)
	p.planGroups(w, s)
	p.planUsersAndDevices(w, s)
	p.planMemberships(w, s)
	p.planOwners(w, s)
	p.planQueue(w, s)
	p.planNetwork(w, s)
	return p, problems
}

// taken tells which extensions somebody else on the server has.
func (w *wanted) taken(s *snapshot) []people.Problem {
	type holder struct{ what, name string }
	by := map[string]holder{}
	for _, u := range s.users {
		by[u.ExtensionNumber] = holder{"user", u.User}
	}
	for _, g := range s.groups {
		by[g.ExtensionNumber] = holder{"group", g.Name}
	}
	for _, q := range s.queues {
		by[q.ExtensionNumber] = holder{"queue", q.Name}
	}
	var problems []people.Problem
	check := func(line int, column, extension, what, name, hint string) {
		if h, ok := by[extension]; ok && (h.what != what || people.Key(h.name) != people.Key(name)) {
			problems = append(problems, people.Problem{Line: line, Column: column,
				Text: fmt.Sprintf("extension %s of %s %s is taken by %s %s on the server%s", extension, what, name, h.what, h.name, hint)})
		}
	}
	for _, p := range w.people {
		check(p.Line, "extension", p.Extension, "user", p.User, "")
	}
	for _, g := range w.groups {
		if _, there := s.groups[people.Key(g.name)]; !there {
			check(g.line, "groups", g.extension, "group", g.name, ": see -group-extension")
		}
	}
	if _, there := s.queues[people.Key(w.queue)]; w.queue != "" && !there {
		check(0, "-queue-extension", w.queueExtension, "queue", w.queue, "")
	}
	return problems
}

func (p *plan) planGroups(w *wanted, s *snapshot) {
	var missing []group
	for _, g := range w.groups {
		p.counts[groups].wanted++
		if there, ok := s.groups[people.Key(g.name)]; ok {
			p.counts[groups].before++
			p.groupIDs[people.Key(g.name)] = there.ID
			continue
		}
		missing = append(missing, g)
	}
	p.phase(func() (jobs []job) {
		for _, g := range missing {
			jobs = append(jobs, job{kind: groups, name: fmt.Sprintf("group %s, extension %s", g.name, g.extension), size: 1,
				do: func(ctx context.Context, client *infinitysip.Client) error {
					id, err := client.Groups.Create(ctx, p.domain, infinitysip.GroupCreateParams{
						Name:             g.name,
						DisplayName:      title(g.name),
						ExtensionNumber:  g.extension,
						CallerNameFormat: "{displayName} - {srcPhoneNumber}",
					})
					return put(p, p.groupIDs, people.Key(g.name), id, err)
				}})
		}
		return jobs
	})
}

func (p *plan) planUsersAndDevices(w *wanted, s *snapshot) {
	var missingUsers, missingDevices []people.Person
	for _, person := range w.people {
		p.counts[users].wanted++
		if there, ok := s.users[people.Key(person.User)]; ok {
			p.counts[users].before++
			p.userIDs[people.Key(person.User)] = there.ID
			p.compare(person, there)
		} else {
			missingUsers = append(missingUsers, person)
			if person.Password.IsZero() {
				p.secrets++
			}
		}
		if person.MAC == "" {
			continue
		}
		p.counts[devices].wanted++
		if there, ok := s.devices[person.MAC]; ok {
			p.counts[devices].before++
			p.deviceIDs[person.MAC] = there.ID
		} else {
			missingDevices = append(missingDevices, person)
		}
	}
	p.phase(func() (jobs []job) {
		for _, person := range missingUsers {
			jobs = append(jobs, job{kind: users, name: fmt.Sprintf("user %s, extension %s", person.User, person.Extension), size: 1,
				do: func(ctx context.Context, client *infinitysip.Client) error { return p.createUser(ctx, client, person) }})
		}
		for _, person := range missingDevices {
			jobs = append(jobs, job{kind: devices, name: fmt.Sprintf("device %s", person.MAC), size: 1,
				do: func(ctx context.Context, client *infinitysip.Client) error {
					id, err := client.Devices.Create(ctx, p.domain, infinitysip.DeviceCreateParams{Name: person.DisplayName, MACAddress: person.MAC})
					return put(p, p.deviceIDs, person.MAC, id, err)
				}})
		}
		return jobs
	})
}

func (p *plan) createUser(ctx context.Context, client *infinitysip.Client, person people.Person) error {
	password := person.Password
	if password.IsZero() {
		password = infinitysip.NewSecret(rand.Text())
	}
	params := infinitysip.UserCreateParams{
		User:            person.User,
		Password:        password,
		DisplayName:     person.DisplayName,
		ExtensionNumber: person.Extension,
		PIN:             person.PIN,
		Email:           person.Email,
		MobileNumber:    person.Mobile,
	}
	if !person.PIN.IsZero() {
		params.HotdeskAllowed = new(true) // what the PIN is for
	}
	id, err := client.Users.Create(ctx, p.domain, params)
	// A user that may exist needs its password as much as one that does.
	if failed, ok := errors.AsType[*infinitysip.Error](err); err == nil || ok && failed.Outcome != infinitysip.NotApplied {
		p.keepFor(person.User, func(c *credential) {
			c.password, c.pin, c.madeUp = password, person.PIN, person.Password.IsZero()
		})
	}
	return put(p, p.userIDs, people.Key(person.User), id, err)
}

// compare notes what the file has otherwise than the server. What the file
// leaves empty it does not ask for.
func (p *plan) compare(person people.Person, there infinitysip.User) {
	for _, field := range []struct{ name, file, server string }{
		{"displayName", person.DisplayName, there.DisplayName},
		{"extension", person.Extension, there.ExtensionNumber},
		{"email", person.Email, there.Email},
		{"mobile", person.Mobile, there.MobileNumber},
	} {
		if field.file != "" && field.file != field.server {
			p.differ = append(p.differ, fmt.Sprintf("line %d, user %s: %s is %q in the file and %q on the server",
				person.Line, person.User, field.name, field.file, field.server))
		}
	}
}

func (p *plan) planMemberships(w *wanted, s *snapshot) {
	type missing struct {
		group group
		users []string
	}
	var all []missing
	for _, g := range w.groups {
		m := missing{group: g}
		in := s.inGroup[s.groups[people.Key(g.name)].ID]
		for _, person := range w.people {
			if !slices.ContainsFunc(person.Groups, func(name string) bool { return people.Key(name) == people.Key(g.name) }) {
				continue
			}
			p.counts[memberships].wanted++
			if in[s.users[people.Key(person.User)].ID] {
				p.counts[memberships].before++
			} else {
				m.users = append(m.users, person.User)
			}
		}
		all = append(all, m)
	}
	p.phase(func() (jobs []job) {
		for _, m := range all {
			var ids []infinitysip.UserID
			groupID := p.groupIDs[people.Key(m.group.name)]
			for _, user := range m.users {
				id := p.userIDs[people.Key(user)]
				if lacks := absent(groupID == 0, "group "+m.group.name, id == 0, "user "+user); lacks != "" {
					jobs = append(jobs, job{kind: memberships, name: fmt.Sprintf("user %s into group %s", user, m.group.name), size: 1, lacks: lacks})
					continue
				}
				ids = append(ids, id)
			}
			if len(ids) > 0 {
				jobs = append(jobs, job{kind: memberships, name: fmt.Sprintf("users into group %s: %d", m.group.name, len(ids)), size: len(ids),
					do: func(ctx context.Context, client *infinitysip.Client) error {
						return client.Groups.AddUsers(ctx, p.domain, groupID, ids)
					}})
			}
		}
		return jobs
	})
}

func (p *plan) planOwners(w *wanted, s *snapshot) {
	var missing []people.Person
	for _, person := range w.people {
		if person.MAC == "" {
			continue
		}
		p.counts[owners].wanted++
		device := s.devices[person.MAC]
		if device.UserID == 0 {
			missing = append(missing, person)
			p.secrets++
			continue
		}
		if device.UserID != s.users[people.Key(person.User)].ID {
			p.differ = append(p.differ, fmt.Sprintf("line %d, device %s: it is %s's in the file and %s's on the server",
				person.Line, person.MAC, person.User, cmp.Or(device.User, fmt.Sprintf("user %d", device.UserID))))
		}
		p.counts[owners].before++
	}
	p.phase(func() (jobs []job) {
		for _, person := range missing {
			user, device := p.userIDs[people.Key(person.User)], p.deviceIDs[person.MAC]
			jobs = append(jobs, job{kind: owners, name: fmt.Sprintf("device %s to user %s", person.MAC, person.User), size: 1,
				lacks: absent(user == 0, "user "+person.User, device == 0, "device "+person.MAC),
				do: func(ctx context.Context, client *infinitysip.Client) error {
					added, err := client.Users.AddDevice(ctx, p.domain, user, device)
					if err == nil {
						p.keepFor(person.User, func(c *credential) { c.token = added.Token })
					}
					return err
				}})
		}
		return jobs
	})
}

func (p *plan) planQueue(w *wanted, s *snapshot) {
	if w.queue == "" {
		return
	}
	p.counts[queues].wanted++
	p.counts[queueMembers].wanted = len(w.groups)
	if there, ok := s.queues[people.Key(w.queue)]; ok {
		p.counts[queues].before++
		p.queueID = there.ID
	} else {
		p.phase(func() []job {
			return []job{{kind: queues, name: fmt.Sprintf("queue %s, extension %s", w.queue, w.queueExtension), size: 1,
				do: func(ctx context.Context, client *infinitysip.Client) (err error) {
					p.queueID, err = client.Queues.Create(ctx, p.domain, infinitysip.QueueCreateParams{
						Name:            w.queue,
						DisplayName:     title(w.queue),
						ExtensionNumber: w.queueExtension,
					})
					return err
				}}}
		})
	}

	// Groups that are in the queue and not in the file keep their place. Those
	// of the file ring after them, each at its own place, so that one that
	// fails now gets it later.
	places := map[infinitysip.GroupID]int{}
	for _, m := range s.members {
		places[m.GroupID] = m.RingOrder
	}
	others := maps.Clone(places)
	for _, id := range p.groupIDs {
		delete(others, id)
	}
	last := 0
	for _, place := range others {
		last = max(last, place)
	}
	before := 0 // the place of the group before
	for i, g := range w.groups {
		if id, there := p.groupIDs[people.Key(g.name)]; there {
			if place, there := places[id]; there {
				p.counts[queueMembers].before++
				if place < before {
					p.differ = append(p.differ, fmt.Sprintf("queue %s: group %s does not ring in the order of the file", w.queue, g.name))
				}
				before = place
				continue
			}
		}
		p.phase(func() []job { // one after the other, as they are to ring
			id := p.groupIDs[people.Key(g.name)]
			return []job{{kind: queueMembers, name: fmt.Sprintf("group %s into queue %s, place %d", g.name, w.queue, last+i+1), size: 1,
				lacks: absent(p.queueID == 0, "queue "+w.queue, id == 0, "group "+g.name),
				do: func(ctx context.Context, client *infinitysip.Client) error {
					_, err := client.Queues.CreateMember(ctx, p.domain, p.queueID, infinitysip.QueueMemberCreateParams{
						GroupID:      id,
						RingStrategy: infinitysip.RingAll,
						RingAttempts: 2,
						RingSecs:     20,
						RingOrder:    last + i + 1,
					})
					return err
				}}}
		})
	}
}

func (p *plan) planNetwork(w *wanted, s *snapshot) {
	if !w.network.IsValid() {
		return
	}
	p.counts[networks].wanted++
	if slices.ContainsFunc(s.networks, func(n infinitysip.TrustedNetwork) bool { return n.Network.Masked() == w.network.Masked() }) {
		p.counts[networks].before++
		return
	}
	p.phase(func() []job {
		return []job{{kind: networks, name: fmt.Sprintf("trusted network %s", w.network), size: 1,
			do: func(ctx context.Context, client *infinitysip.Client) error {
				_, err := client.TrustedNetworks.Create(ctx, p.domain, infinitysip.TrustedNetworkCreateParams{Network: w.network, Description: "Office"})
				return err
			}}}
	})
}

// phase adds jobs that do not need each other. They are asked for when the
// phases before are over, and what these made is known.
func (p *plan) phase(jobs func() []job) { p.phases = append(p.phases, jobs) }

func (p *plan) missing() int {
	n := 0
	for _, c := range p.counts {
		n += c.wanted - c.before
	}
	return n
}

func (p *plan) keepFor(user string, keep func(*credential)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.credentials[people.Key(user)]
	if c == nil {
		c = new(credential)
		p.credentials[people.Key(user)] = c
	}
	keep(c)
}

// put notes the id of what was made.
func put[ID infinitysip.ID](p *plan, ids map[string]ID, key string, id ID, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids[key] = id
	return err
}

// apply carries out the plan: it does what can be done, whatever fails, and
// begins nothing more once ctx has ended. It tells progress of every job.
func (p *plan) apply(ctx context.Context, client *infinitysip.Client, workers int, progress func(string)) *report {
	r := &report{counts: p.counts, total: p.missing(), progress: progress}
	for _, phase := range p.phases {
		var tasks []func() error
		for _, j := range phase() {
			tasks = append(tasks, func() error {
				if j.lacks != "" || ctx.Err() != nil {
					r.notTried(j)
				} else {
					r.tried(j, j.do(ctx, client))
				}
				return nil
			})
		}
		_ = each(workers, tasks) // the report has the errors
	}
	return r
}

// each runs tasks, at most workers at a time, and waits for all. It returns
// the error of the first that has one.
func each(workers int, tasks []func() error) error {
	errs := make([]error, len(tasks))
	next := make(chan int)
	var group sync.WaitGroup
	for range min(workers, len(tasks)) {
		group.Go(func() {
			for i := range next {
				errs[i] = tasks[i]()
			}
		})
	}
	for i := range tasks {
		next <- i
	}
	close(next)
	group.Wait()
	return cmp.Or(errs...)
}

// index reads rows to the end and keeps them by key.
func index[R any](rows iter.Seq2[R, error], key func(R) string) (map[string]R, error) {
	all := map[string]R{}
	for row, err := range rows {
		if err != nil {
			return nil, err
		}
		all[key(row)] = row
	}
	return all, nil
}

// title begins a name with a capital.
func title(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToTitle(first)) + name[size:]
}

// absent names the first of two things that is not there.
func absent(noA bool, a string, noB bool, b string) string {
	switch {
	case noA:
		return a
	case noB:
		return b
	}
	return ""
}
