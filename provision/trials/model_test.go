package trials

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"pgregory.net/rapid"
)

// model is a domain, in maps: what a server holds, or is to hold.
type model struct {
	Users    map[string]user
	Groups   map[string]group
	Queues   map[string]queue
	Networks map[string]string // their descriptions
	Devices  map[string]device
}

type user struct {
	DisplayName, Extension, Email, Mobile string
	Hotdesk                               bool
}

type group struct {
	DisplayName, Extension string
	RingRetry              bool
	Members                []string // sorted
}

type queue struct {
	DisplayName, Extension string
	Members                []member
}

type member struct {
	Group          string
	Attempts, Secs int

	Row   int64 // its id on the server, where it is known
	Order int   // as the server holds it
}

type device struct{ Name, Owner string }

// groupsOf are the groups that a user is in.
func (m model) groupsOf(user string) []string {
	var all []string
	for name, g := range m.Groups {
		if slices.Contains(g.Members, user) {
			all = append(all, name)
		}
	}
	return all
}

var (
	userNames  = []string{"ann", "ben", "cat", "dan", "eve", "zoë"}
	groupNames = []string{"sales", "support", "accounts", "été"}
	queueNames = []string{"front", "back"}
	networks   = []string{"10.0.1.0/24", "10.0.2.0/24", "2001:db8::/32"}
	macs       = []string{"10:20:30:00:00:01", "10:20:30:00:00:02", "10:20:30:00:00:03", "10:20:30:00:00:04"}
	words      = []string{"Alpha", "Beta", "Gamma"}
)

// fold is what two spellings of a name have in common.
func fold(name string) string { return strings.ToLower(norm.NFC.String(name)) }

// A speller writes names in one of the ways that mean the same; nil as they are.
type speller struct{ random *rand.Rand }

func drawSpeller(t *rapid.T, label string) *speller {
	if !rapid.Bool().Draw(t, label) {
		return nil
	}
	return &speller{rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
}

func (s *speller) spell(name string) string {
	if s == nil {
		return name
	}
	switch s.random.IntN(4) {
	case 0:
		return strings.ToUpper(name)
	case 1:
		return norm.NFD.String(name)
	case 2:
		return norm.NFD.String(strings.ToUpper(name))
	}
	return name
}

// respell writes the names in a state anew, each where it is mentioned.
func (s *speller) respell(state *provision.State) {
	all := func(names []string) {
		for i := range names {
			names[i] = s.spell(names[i])
		}
	}
	for i := range state.Users {
		state.Users[i].User = s.spell(state.Users[i].User)
		all(state.Users[i].Groups)
	}
	for i := range state.Groups {
		state.Groups[i].Name = s.spell(state.Groups[i].Name)
		all(state.Groups[i].Members)
	}
	for i := range state.Queues {
		state.Queues[i].Name = s.spell(state.Queues[i].Name)
		for j := range state.Queues[i].Members {
			m := &state.Queues[i].Members[j]
			m.Group = s.spell(m.Group)
		}
	}
	for i := range state.Devices {
		if d := &state.Devices[i]; d.Owner != nil {
			d.Owner = new(s.spell(*d.Owner))
		}
	}
}

// titled is a display name; one that is the name of the thing is compared as names are.
func titled(name, display string) string {
	if fold(display) == fold(name) {
		return fold(name)
	}
	return display
}

// pool are the extension numbers: hardly more than there are things, so that
// they move from one to another.
func pool() []string {
	var all []string
	for i := range len(userNames) + len(groupNames) + len(queueNames) + 1 {
		all = append(all, fmt.Sprintf("2%02d", i))
	}
	return all
}

func some(t *rapid.T, label string, names []string) []string {
	chosen := []string{}
	for _, name := range names {
		if rapid.Bool().Draw(t, label+" "+name) {
			chosen = append(chosen, name)
		}
	}
	return chosen
}

func shuffled(t *rapid.T, label string, names []string) []string {
	if len(names) == 0 {
		return names
	}
	return rapid.Permutation(names).Draw(t, label)
}

func word(t *rapid.T, label string) string { return rapid.SampledFrom(words).Draw(t, label) }

// drawModel draws what a server holds before.
func drawModel(t *rapid.T) model {
	m := model{map[string]user{}, map[string]group{}, map[string]queue{}, map[string]string{}, map[string]device{}}
	numbers := shuffled(t, "numbers", pool())
	number := func() string {
		n := numbers[0]
		numbers = numbers[1:]
		return n
	}
	names := some(t, "has", userNames)
	for _, name := range names {
		m.Users[name] = user{DisplayName: word(t, name), Extension: number(), Hotdesk: rapid.Bool().Draw(t, "hotdesk")}
	}
	groups := some(t, "has", groupNames)
	for _, name := range groups {
		m.Groups[name] = group{DisplayName: word(t, name), Extension: number(), Members: some(t, name, names)}
	}
	for _, name := range some(t, "has", queueNames) {
		q := queue{DisplayName: word(t, name), Extension: number()}
		rings := some(t, name, groups)
		if len(rings) > 0 && rapid.IntRange(0, 3).Draw(t, "twice") == 0 {
			rings = append(rings, rapid.SampledFrom(rings).Draw(t, "group"))
		}
		step := rapid.SampledFrom([]int{2, 1, 0}).Draw(t, "step")
		for i, g := range shuffled(t, name, rings) {
			q.Members = append(q.Members, member{Group: g, Attempts: 1, Secs: rapid.IntRange(19, 20).Draw(t, "secs"), Order: step * i})
		}
		m.Queues[name] = q
	}
	for _, network := range some(t, "has", networks) {
		m.Networks[network] = word(t, network)
	}
	for _, mac := range some(t, "has", macs) {
		owner := ""
		if len(names) > 0 && rapid.Bool().Draw(t, "owned") {
			owner = rapid.SampledFrom(names).Draw(t, "owner")
		}
		m.Devices[mac] = device{word(t, mac), owner}
	}
	return m
}

// drawState draws what is to be, such that it can be. With keepNumbers no thing that
// is there gets another extension number.
func drawState(t *rapid.T, now model, prune, keepNumbers bool) *provision.State {
	s := new(provision.State)
	mention := func(label string) bool { return rapid.IntRange(0, 4).Draw(t, label) > 0 }
	var users, groups, queues []string
	if mention("users") {
		users = some(t, "wants", userNames)
		s.Users = []provision.User{}
	}
	if mention("groups") {
		groups = some(t, "wants", groupNames)
		s.Groups = []provision.Group{}
	}
	if mention("queues") {
		queues = some(t, "wants", queueNames)
		s.Queues = []provision.Queue{}
	}

	// Extension numbers of things that keep theirs cannot be had.
	numbers := pool()
	keeps := map[string]bool{}
	settle := func(name, extension string, wanted []string, section bool) {
		stays := keepNumbers || !slices.Contains(wanted, name) && (!section || !prune)
		if stays || slices.Contains(wanted, name) && rapid.Bool().Draw(t, "keeps number "+name) {
			keeps[name] = true
			numbers = slices.DeleteFunc(numbers, func(n string) bool { return n == extension })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.Users)) {
		settle(name, now.Users[name].Extension, users, s.Users != nil)
	}
	for _, name := range slices.Sorted(maps.Keys(now.Groups)) {
		settle(name, now.Groups[name].Extension, groups, s.Groups != nil)
	}
	for _, name := range slices.Sorted(maps.Keys(now.Queues)) {
		settle(name, now.Queues[name].Extension, queues, s.Queues != nil)
	}
	numbers = shuffled(t, "new numbers", numbers)
	number := func(name string) string {
		if keeps[name] {
			return ""
		}
		n := numbers[0]
		numbers = numbers[1:]
		return n
	}
	text := func(label string) *string {
		return rapid.SampledFrom([]*string{nil, new(""), new("07700 900101"), new("07700 900102")}).Draw(t, label)
	}
	for _, name := range users {
		u := provision.User{User: name, ExtensionNumber: number(name), MobileNumber: text("mobile")}
		if _, there := now.Users[name]; !there || rapid.Bool().Draw(t, "named") {
			u.DisplayName = word(t, name)
		}
		if rapid.Bool().Draw(t, "says hotdesk") {
			u.HotdeskAllowed = new(rapid.Bool().Draw(t, "hotdesk"))
		}
		if rapid.Bool().Draw(t, "says password") {
			u.Password = infinitysip.NewSecret("given to " + name)
		}
		if rapid.IntRange(0, 3).Draw(t, "says PIN") == 0 {
			u.PIN = infinitysip.NewSecret("4711")
		}
		s.Users = append(s.Users, u)
	}
	if s.Users == nil {
		users = slices.Sorted(maps.Keys(now.Users))
	}
	for _, name := range groups {
		g := provision.Group{Name: name, ExtensionNumber: number(name)}
		if rapid.Bool().Draw(t, "named") {
			g.DisplayName = word(t, name)
		}
		if rapid.Bool().Draw(t, "says retry") {
			g.RingRetry = new(rapid.Bool().Draw(t, "retry"))
		}
		if mention("members") {
			g.Members = some(t, name, users)
		}
		s.Groups = append(s.Groups, g)
	}
	if s.Groups == nil {
		groups = slices.Sorted(maps.Keys(now.Groups))
	}
	for i := range s.Users {
		if rapid.IntRange(0, 3).Draw(t, "says groups") == 0 {
			s.Users[i].Groups = some(t, "in", groups)
		}
	}
	for _, name := range queues {
		q := provision.Queue{Name: name, ExtensionNumber: number(name)}
		if rapid.Bool().Draw(t, "named") {
			q.DisplayName = word(t, name)
		}
		if mention("members") {
			q.Members = []provision.QueueMember{}
			for _, g := range shuffled(t, name, some(t, name, groups)) {
				m := provision.QueueMember{Group: g}
				if rapid.Bool().Draw(t, "says secs") {
					m.RingSecs = new(rapid.IntRange(10, 12).Draw(t, "secs"))
				}
				q.Members = append(q.Members, m)
			}
		}
		s.Queues = append(s.Queues, q)
	}
	if mention("networks") {
		s.TrustedNetworks = []provision.TrustedNetwork{}
		for _, network := range some(t, "wants", networks) {
			s.TrustedNetworks = append(s.TrustedNetworks, provision.TrustedNetwork{Network: network, Description: text("description")})
		}
	}
	if mention("devices") {
		s.Devices = []provision.Device{}
		for _, mac := range some(t, "wants", macs) {
			d := provision.Device{MACAddress: mac}
			if rapid.Bool().Draw(t, "named") {
				d.Name = new(word(t, mac))
			}
			if len(users) > 0 && mention("owner") {
				d.Owner = new(rapid.SampledFrom(append([]string{""}, users...)).Draw(t, "owner"))
			}
			s.Devices = append(s.Devices, d)
		}
	}
	return s
}

// load makes a server hold the model.
func load(ctx context.Context, srv *siptest.Server, domain infinitysip.DomainID, m model, names *speller) error {
	client := srv.InProcessClient()
	users, groups := map[string]infinitysip.UserID{}, map[string]infinitysip.GroupID{}
	for _, name := range slices.Sorted(maps.Keys(m.Users)) {
		u := m.Users[name]
		id, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{User: names.spell(name), Password: infinitysip.NewSecret("as before"),
			DisplayName: u.DisplayName, ExtensionNumber: u.Extension, Email: u.Email, MobileNumber: u.Mobile, HotdeskAllowed: new(u.Hotdesk)})
		if err != nil {
			return err
		}
		users[name] = id
	}
	for _, name := range slices.Sorted(maps.Keys(m.Groups)) {
		g := m.Groups[name]
		id, err := client.Groups.Create(ctx, domain, infinitysip.GroupCreateParams{Name: names.spell(name), DisplayName: g.DisplayName,
			ExtensionNumber: g.Extension, RingRetry: g.RingRetry, CallerNameFormat: "{displayName}"})
		if err != nil {
			return err
		}
		groups[name] = id
		var ids []infinitysip.UserID
		for _, name := range g.Members {
			ids = append(ids, users[name])
		}
		if len(ids) > 0 {
			if err := client.Groups.AddUsers(ctx, domain, id, ids); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Queues)) {
		q := m.Queues[name]
		id, err := client.Queues.Create(ctx, domain, infinitysip.QueueCreateParams{Name: names.spell(name), DisplayName: q.DisplayName, ExtensionNumber: q.Extension})
		if err != nil {
			return err
		}
		for _, member := range q.Members {
			if _, err := client.Queues.CreateMember(ctx, domain, id, infinitysip.QueueMemberCreateParams{GroupID: groups[member.Group],
				RingStrategy: infinitysip.RingAll, RingAttempts: member.Attempts, RingSecs: member.Secs, RingOrder: member.Order}); err != nil {
				return err
			}
		}
	}
	for _, network := range slices.Sorted(maps.Keys(m.Networks)) {
		description := m.Networks[network]
		if _, err := client.TrustedNetworks.Create(ctx, domain, infinitysip.TrustedNetworkCreateParams{
			Network: netip.MustParsePrefix(network), Description: description}); err != nil {
			return err
		}
	}
	for _, mac := range slices.Sorted(maps.Keys(m.Devices)) {
		d := m.Devices[mac]
		id, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: d.Name, MACAddress: mac})
		if err != nil {
			return err
		}
		if d.Owner != "" {
			if _, err := client.Users.AddDevice(ctx, domain, users[d.Owner], id); err != nil {
				return err
			}
		}
	}
	return nil
}

// held is what a server holds. Two things of one name are an error.
func held(srv *siptest.Server, domain infinitysip.DomainID) (model, error) {
	m := model{map[string]user{}, map[string]group{}, map[string]queue{}, map[string]string{}, map[string]device{}}
	var doubled error
	users, groups := map[infinitysip.UserID]string{}, map[infinitysip.GroupID]string{}
	extensions := map[string]string{}
	once := func(there bool, name, extension string) {
		if there {
			doubled = fmt.Errorf("%s is there twice", name)
		}
		if other := extensions[extension]; extension != "" && other != "" {
			doubled = fmt.Errorf("%s and %s have extension %s", name, other, extension)
		}
		extensions[extension] = name
	}
	for _, u := range srv.Users(domain) {
		name := fold(u.User)
		_, there := m.Users[name]
		once(there, name, u.ExtensionNumber)
		m.Users[name] = user{titled(name, u.DisplayName), u.ExtensionNumber, u.Email, u.MobileNumber, u.HotdeskAllowed}
		users[u.ID] = name
		if u.Password.IsZero() || u.HotdeskAllowed && u.Password.Reveal() != "as before" && u.PIN.IsZero() {
			doubled = fmt.Errorf("%s has no password or no PIN", u.User)
		}
	}
	for _, g := range srv.Groups(domain) {
		name := fold(g.Name)
		_, there := m.Groups[name]
		once(there, name, g.ExtensionNumber)
		members := []string{}
		for _, id := range srv.GroupUsers(domain, g.ID) {
			members = append(members, users[id])
		}
		slices.Sort(members)
		m.Groups[name] = group{titled(name, g.DisplayName), g.ExtensionNumber, g.RingRetry, members}
		groups[g.ID] = name
	}
	for _, q := range srv.Queues(domain) {
		name := fold(q.Name)
		_, there := m.Queues[name]
		once(there, name, q.ExtensionNumber)
		var members []member
		for _, row := range srv.QueueMembers(domain, q.ID) {
			members = append(members, member{groups[row.GroupID], row.RingAttempts, row.RingSecs, int64(row.ID), row.RingOrder})
		}
		slices.SortFunc(members, func(a, b member) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Row, b.Row)) })
		m.Queues[name] = queue{titled(name, q.DisplayName), q.ExtensionNumber, members}
	}
	for _, n := range srv.TrustedNetworks(domain) {
		_, there := m.Networks[n.Network.String()]
		once(there, n.Network.String(), "")
		m.Networks[n.Network.String()] = n.Description
	}
	for _, d := range srv.Devices(domain) {
		_, there := m.Devices[d.MACAddress]
		once(there, d.MACAddress, "")
		m.Devices[d.MACAddress] = device{d.Name, fold(d.User)}
	}
	return m, doubled
}

// rung is what a queue rings when it was told to ring the wanted.
func rung(now []member, wanted []provision.QueueMember, prune bool) []member {
	claimed := make([]bool, len(now)) // each of the wanted takes the first that rings its group
	var next []member
	for _, want := range wanted {
		got := member{Group: want.Group, Attempts: 1, Secs: 20}
		for i, old := range now {
			if old.Group == want.Group && !claimed[i] {
				got, claimed[i] = old, true
				break
			}
		}
		if want.RingSecs != nil {
			got.Secs = *want.RingSecs
		}
		next = append(next, got)
	}
	// Those that the state does not name keep their places; new ones come last.
	var all []member
	var named []bool
	for i, old := range now {
		switch {
		case claimed[i]:
			old, next = next[0], next[1:]
		case prune:
			continue
		}
		all, named = append(all, old), append(named, claimed[i])
	}
	for _, m := range next {
		all, named = append(all, m), append(named, true)
	}
	// Those that the state does not name come after those of their group that it names.
	var sorted []member
	for i, m := range all {
		later := func(j int) bool { return all[j].Group == m.Group && named[j] }
		if !named[i] && slices.ContainsFunc(indexes(i+1, len(all)), later) {
			continue
		}
		sorted = append(sorted, m)
		if named[i] && !slices.ContainsFunc(indexes(i+1, len(all)), later) {
			for j, other := range all[:i] {
				if !named[j] && other.Group == m.Group {
					sorted = append(sorted, other)
				}
			}
		}
	}
	return sorted
}

func indexes(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// after is what a server that holds now is to hold when the state is applied.
// It says the same as package provision in the plainest way.
func after(now model, s *provision.State, prune bool) model {
	m := model{maps.Clone(now.Users), maps.Clone(now.Groups), maps.Clone(now.Queues), maps.Clone(now.Networks), maps.Clone(now.Devices)}
	text := func(to *string, from string) {
		if from != "" {
			*to = from
		}
	}
	// Users.
	names := map[string]bool{}
	for _, u := range s.Users {
		names[u.User] = true
		to := m.Users[u.User]
		text(&to.DisplayName, u.DisplayName)
		text(&to.Extension, u.ExtensionNumber)
		if u.MobileNumber != nil {
			to.Mobile = *u.MobileNumber
		}
		if u.HotdeskAllowed != nil {
			to.Hotdesk = *u.HotdeskAllowed
		}
		m.Users[u.User] = to
	}
	if s.Users != nil && prune {
		maps.DeleteFunc(m.Users, func(name string, _ user) bool { return !names[name] })
	}
	// Groups and who is in them.
	names = map[string]bool{}
	lists, listed := map[string]bool{}, map[string]bool{} // groups and users that say who is in which
	wanted := map[[2]string]bool{}
	for _, g := range s.Groups {
		names[g.Name] = true
		to, there := m.Groups[g.Name]
		if !there {
			to.DisplayName = g.Name
		}
		text(&to.DisplayName, g.DisplayName)
		text(&to.Extension, g.ExtensionNumber)
		if g.RingRetry != nil {
			to.RingRetry = *g.RingRetry
		}
		m.Groups[g.Name] = to
		lists[g.Name] = g.Members != nil
		for _, name := range g.Members {
			wanted[[2]string{g.Name, name}] = true
		}
	}
	for _, u := range s.Users {
		listed[u.User] = u.Groups != nil
		for _, name := range u.Groups {
			wanted[[2]string{name, u.User}] = true
		}
	}
	if s.Groups != nil && prune {
		maps.DeleteFunc(m.Groups, func(name string, _ group) bool { return !names[name] })
	}
	for name, g := range m.Groups {
		members := []string{}
		for u := range m.Users {
			removed := prune && (lists[name] || listed[u])
			if slices.Contains(g.Members, u) && !removed || wanted[[2]string{name, u}] {
				members = append(members, u)
			}
		}
		slices.Sort(members)
		g.Members = members
		m.Groups[name] = g
	}
	// Queues and what they ring.
	names = map[string]bool{}
	for _, q := range s.Queues {
		names[q.Name] = true
		to, there := m.Queues[q.Name]
		if !there {
			to.DisplayName = q.Name
		}
		text(&to.DisplayName, q.DisplayName)
		text(&to.Extension, q.ExtensionNumber)
		if q.Members != nil {
			to.Members = rung(to.Members, q.Members, prune)
		}
		m.Queues[q.Name] = to
	}
	if s.Queues != nil && prune {
		maps.DeleteFunc(m.Queues, func(name string, _ queue) bool { return !names[name] })
	}
	for name, q := range m.Queues { // a group that is gone rings nowhere
		q.Members = slices.DeleteFunc(slices.Clone(q.Members), func(mb member) bool { _, there := m.Groups[mb.Group]; return !there })
		m.Queues[name] = q
	}
	// Networks.
	names = map[string]bool{}
	for _, n := range s.TrustedNetworks {
		names[n.Network] = true
		if n.Description != nil {
			m.Networks[n.Network] = *n.Description
		} else {
			m.Networks[n.Network] += ""
		}
	}
	if s.TrustedNetworks != nil && prune {
		maps.DeleteFunc(m.Networks, func(name, _ string) bool { return !names[name] })
	}
	// Devices and whose they are.
	names = map[string]bool{}
	for _, d := range s.Devices {
		names[d.MACAddress] = true
		to, there := m.Devices[d.MACAddress]
		switch {
		case d.Name != nil:
			to.Name = *d.Name
		case !there && d.Owner != nil && *d.Owner != "":
			to.Name = m.Users[*d.Owner].DisplayName
		case !there:
			to.Name = d.MACAddress
		}
		if d.Owner != nil && (*d.Owner != "" || prune) {
			to.Owner = *d.Owner
		}
		m.Devices[d.MACAddress] = to
	}
	if s.Devices != nil && prune {
		maps.DeleteFunc(m.Devices, func(name string, _ device) bool { return !names[name] })
	}
	for mac, d := range m.Devices { // what was of a user who is gone is nobody's
		if _, there := m.Users[d.Owner]; !there {
			d.Owner = ""
		}
		m.Devices[mac] = d
	}
	return m
}
