package provision

import (
	"cmp"

	"github.com/infinitysip/infinitysip"
)

// resource is what there is to know of one kind of things: W is one as the
// state has it, R its row, I its id.
type resource[W, R any, I infinitysip.ID] struct {
	kind  Kind
	named string // the field that names one
	wants []W
	rows  []R
	paged bool // the list has pages, so that it is certain to be whole
	at    func(i int) place

	key     func(name string) string // what two names of the same thing have in common
	shown   func(name string) string // the name as a plan has it
	name    func(*W) string
	rowName func(*R) string
	rowID   func(*R) I

	extension    func(*W) string // nil, both: it has none
	rowExtension func(*R) string
	moves        func(row *R, extension string) func(*execution) error // gives it another extension number

	complete func(*W)          // sets what a new one gets when the state does not say
	lacks    func(*W) []string // the fields without which it cannot be made
	differs  func(*W, *R) []FieldChange
	fixed    func(*W, *R) []FieldChange

	create func(*execution, *W, *Result) (I, error)
	update func(*execution, *W, *R, []FieldChange) error
	remove func(*execution, I) error
}

func same(name string) string { return name }

// without names the fields whose value is empty.
func without(fields ...[2]string) []string {
	var empty []string
	for _, f := range fields {
		if f[1] == "" {
			empty = append(empty, f[0])
		}
	}
	return empty
}

func users(d *differ) *resource[User, infinitysip.User, infinitysip.UserID] {
	return &resource[User, infinitysip.User, infinitysip.UserID]{
		kind: KindUser, named: "user", wants: d.desired.Users, rows: d.there.users, at: d.desired.userAt,
		key: fold, shown: same,
		name:         func(u *User) string { return u.User },
		rowName:      func(row *infinitysip.User) string { return row.User },
		rowID:        func(row *infinitysip.User) infinitysip.UserID { return row.ID },
		extension:    func(u *User) string { return u.ExtensionNumber },
		rowExtension: func(row *infinitysip.User) string { return row.ExtensionNumber },
		moves: func(row *infinitysip.User, extension string) func(*execution) error {
			return func(x *execution) error {
				return x.client.Users.Update(x.ctx, x.domain, row.ID, infinitysip.UserUpdateParams{ExtensionNumber: &extension})
			}
		},
		complete: func(*User) {},
		lacks: func(u *User) []string {
			return without([2]string{"displayName", u.DisplayName}, [2]string{"extensionNumber", u.ExtensionNumber})
		},
		differs: differences[infinitysip.UserUpdateParams, User, infinitysip.User],
		fixed:   fixed[infinitysip.UserUpdateParams, User, infinitysip.User],
		create:  (*execution).createUser,
		update: func(x *execution, u *User, row *infinitysip.User, changes []FieldChange) error {
			var params infinitysip.UserUpdateParams
			fill(&params, u, changes...)
			return x.client.Users.Update(x.ctx, x.domain, row.ID, params)
		},
		remove: func(x *execution, id infinitysip.UserID) error { return x.client.Users.Delete(x.ctx, x.domain, id) },
	}
}

func groups(d *differ) *resource[Group, infinitysip.Group, infinitysip.GroupID] {
	return &resource[Group, infinitysip.Group, infinitysip.GroupID]{
		kind: KindGroup, named: "groupName", wants: d.desired.Groups, rows: d.there.groups,
		at:  func(i int) place { return sectionAt("groups", i) },
		key: fold, shown: same,
		name:         func(g *Group) string { return g.Name },
		rowName:      func(row *infinitysip.Group) string { return row.Name },
		rowID:        func(row *infinitysip.Group) infinitysip.GroupID { return row.ID },
		extension:    func(g *Group) string { return g.ExtensionNumber },
		rowExtension: func(row *infinitysip.Group) string { return row.ExtensionNumber },
		moves: func(row *infinitysip.Group, extension string) func(*execution) error {
			return func(x *execution) error {
				params := row.UpdateParams()
				params.ExtensionNumber = extension
				return x.client.Groups.Update(x.ctx, x.domain, row.ID, params)
			}
		},
		complete: func(g *Group) {
			if g.DisplayName == "" {
				g.DisplayName = g.Name
			}
			if g.CallerNameFormat == nil || *g.CallerNameFormat == "" {
				g.CallerNameFormat = new(DefaultCallerNameFormat)
			}
		},
		lacks:   func(g *Group) []string { return without([2]string{"extensionNumber", g.ExtensionNumber}) },
		differs: differences[infinitysip.GroupUpdateParams, Group, infinitysip.Group],
		fixed:   fixed[infinitysip.GroupUpdateParams, Group, infinitysip.Group],
		create: func(x *execution, g *Group, _ *Result) (infinitysip.GroupID, error) {
			params := infinitysip.GroupCreateParams{Name: g.Name}
			fill(&params, g)
			return x.client.Groups.Create(x.ctx, x.domain, params)
		},
		update: func(x *execution, g *Group, row *infinitysip.Group, changes []FieldChange) error {
			params := row.UpdateParams()
			fill(&params, g, changes...)
			return x.client.Groups.Update(x.ctx, x.domain, row.ID, params)
		},
		remove: func(x *execution, id infinitysip.GroupID) error { return x.client.Groups.Delete(x.ctx, x.domain, id) },
	}
}

func queues(d *differ) *resource[Queue, infinitysip.Queue, infinitysip.QueueID] {
	return &resource[Queue, infinitysip.Queue, infinitysip.QueueID]{
		kind: KindQueue, named: "queueName", wants: d.desired.Queues, rows: d.there.queues, paged: true,
		at:  func(i int) place { return sectionAt("queues", i) },
		key: fold, shown: same,
		name:         func(q *Queue) string { return q.Name },
		rowName:      func(row *infinitysip.Queue) string { return row.Name },
		rowID:        func(row *infinitysip.Queue) infinitysip.QueueID { return row.ID },
		extension:    func(q *Queue) string { return q.ExtensionNumber },
		rowExtension: func(row *infinitysip.Queue) string { return row.ExtensionNumber },
		moves: func(row *infinitysip.Queue, extension string) func(*execution) error {
			return func(x *execution) error {
				return x.client.Queues.Update(x.ctx, x.domain, row.ID, infinitysip.QueueUpdateParams{ExtensionNumber: &extension})
			}
		},
		complete: func(q *Queue) {
			if q.DisplayName == "" {
				q.DisplayName = q.Name
			}
		},
		lacks:   func(q *Queue) []string { return without([2]string{"extensionNumber", q.ExtensionNumber}) },
		differs: differences[infinitysip.QueueUpdateParams, Queue, infinitysip.Queue],
		fixed:   fixed[infinitysip.QueueUpdateParams, Queue, infinitysip.Queue],
		create: func(x *execution, q *Queue, _ *Result) (infinitysip.QueueID, error) {
			params := infinitysip.QueueCreateParams{Name: q.Name}
			fill(&params, q)
			return x.client.Queues.Create(x.ctx, x.domain, params)
		},
		update: func(x *execution, q *Queue, row *infinitysip.Queue, changes []FieldChange) error {
			var params infinitysip.QueueUpdateParams
			fill(&params, q, changes...)
			return x.client.Queues.Update(x.ctx, x.domain, row.ID, params)
		},
		remove: func(x *execution, id infinitysip.QueueID) error { return x.client.Queues.Delete(x.ctx, x.domain, id) },
	}
}

func networks(d *differ) *resource[TrustedNetwork, infinitysip.TrustedNetwork, infinitysip.TrustedNetworkID] {
	return &resource[TrustedNetwork, infinitysip.TrustedNetwork, infinitysip.TrustedNetworkID]{
		kind: KindTrustedNetwork, named: "network", wants: d.desired.TrustedNetworks, rows: d.there.networks, paged: true,
		at:  func(i int) place { return sectionAt("trustedNetworks", i) },
		key: networkKey, shown: same,
		name:     func(n *TrustedNetwork) string { return n.Network },
		rowName:  func(row *infinitysip.TrustedNetwork) string { return row.Network.String() },
		rowID:    func(row *infinitysip.TrustedNetwork) infinitysip.TrustedNetworkID { return row.ID },
		complete: func(*TrustedNetwork) {},
		lacks:    func(*TrustedNetwork) []string { return nil },
		differs:  differences[infinitysip.TrustedNetworkUpdateParams, TrustedNetwork, infinitysip.TrustedNetwork],
		fixed:    fixed[infinitysip.TrustedNetworkUpdateParams, TrustedNetwork, infinitysip.TrustedNetwork],
		create: func(x *execution, n *TrustedNetwork, _ *Result) (infinitysip.TrustedNetworkID, error) {
			network, _ := parseNetwork(n.Network) // Check has
			params := infinitysip.TrustedNetworkCreateParams{Network: network}
			fill(&params, n)
			return x.client.TrustedNetworks.Create(x.ctx, x.domain, params)
		},
		update: func(x *execution, n *TrustedNetwork, row *infinitysip.TrustedNetwork, changes []FieldChange) error {
			var params infinitysip.TrustedNetworkUpdateParams
			fill(&params, n, changes...)
			return x.client.TrustedNetworks.Update(x.ctx, x.domain, row.ID, params)
		},
		remove: func(x *execution, id infinitysip.TrustedNetworkID) error {
			return x.client.TrustedNetworks.Delete(x.ctx, x.domain, id)
		},
	}
}

func devices(d *differ) *resource[Device, infinitysip.Device, infinitysip.DeviceID] {
	return &resource[Device, infinitysip.Device, infinitysip.DeviceID]{
		kind: KindDevice, named: "deviceMacAddress", wants: d.desired.Devices, rows: d.there.devices, paged: true, at: d.desired.deviceAt,
		key: macKey, shown: macKey,
		name:    func(want *Device) string { return want.MACAddress },
		rowName: func(row *infinitysip.Device) string { return row.MACAddress },
		rowID:   func(row *infinitysip.Device) infinitysip.DeviceID { return row.ID },
		complete: func(want *Device) {
			if want.Name == nil {
				want.Name = new(macKey(want.MACAddress))
				if want.Owner != nil {
					want.Name = new(cmp.Or(d.displayNames[fold(*want.Owner)], *want.Name))
				}
			}
		},
		lacks:   func(*Device) []string { return nil },
		differs: differences[infinitysip.DeviceUpdateParams, Device, infinitysip.Device],
		fixed:   fixed[infinitysip.DeviceUpdateParams, Device, infinitysip.Device],
		create: func(x *execution, want *Device, _ *Result) (infinitysip.DeviceID, error) {
			params := infinitysip.DeviceCreateParams{MACAddress: want.MACAddress}
			fill(&params, want)
			return x.client.Devices.Create(x.ctx, x.domain, params)
		},
		update: func(x *execution, want *Device, row *infinitysip.Device, changes []FieldChange) error {
			var params infinitysip.DeviceUpdateParams
			fill(&params, want, changes...)
			return x.client.Devices.Update(x.ctx, x.domain, row.ID, params)
		},
		remove: func(x *execution, id infinitysip.DeviceID) error { return x.client.Devices.Delete(x.ctx, x.domain, id) },
	}
}

// newMember are the params of a new member of a queue, less its group.
func newMember(m *QueueMember) infinitysip.QueueMemberCreateParams {
	params := infinitysip.QueueMemberCreateParams{RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20}
	fill(&params, m)
	return params
}
