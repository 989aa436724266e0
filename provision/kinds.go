package provision

import (
	"cmp"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// isThing reports whether a change of the kind is of a thing itself, not of what
// hangs on it.
func (k Kind) isThing() bool {
	switch k {
	case KindUser, KindGroup, KindQueue, KindTrustedNetwork, KindDevice:
		return true
	}
	return false
}

// rowsOf is what there is to know of the rows of one kind.
type rowsOf[R any] struct {
	kind  Kind
	id    func(*R) int64
	name  func(*R) string
	key   func(name string) string // what two names of the same thing have in common
	paged bool                     // the list has pages, so that it is certain to be whole
}

var (
	userRows = rowsOf[infinitysip.User]{KindUser,
		func(row *infinitysip.User) int64 { return int64(row.ID) }, func(row *infinitysip.User) string { return row.User }, fold, false}
	groupRows = rowsOf[infinitysip.Group]{KindGroup,
		func(row *infinitysip.Group) int64 { return int64(row.ID) }, func(row *infinitysip.Group) string { return row.Name }, fold, false}
	queueRows = rowsOf[infinitysip.Queue]{KindQueue,
		func(row *infinitysip.Queue) int64 { return int64(row.ID) }, func(row *infinitysip.Queue) string { return row.Name }, fold, true}
	networkRows = rowsOf[infinitysip.TrustedNetwork]{KindTrustedNetwork,
		func(row *infinitysip.TrustedNetwork) int64 { return int64(row.ID) }, func(row *infinitysip.TrustedNetwork) string { return row.Network.String() }, networkKey, true}
	deviceRows = rowsOf[infinitysip.Device]{KindDevice,
		func(row *infinitysip.Device) int64 { return int64(row.ID) }, func(row *infinitysip.Device) string { return row.MACAddress }, wire.MAC, true}
)

// resource is what a plan must know of one kind of things: W is one as the state
// has it, R its row. What W says goes into params of type U by the names of the
// fields.
type resource[W, R, U any] struct {
	rowsOf[R]
	rows    []R
	named   string // the field that names one
	desired []W
	at      func(i int) place
	says    func(*W) string // its name

	required []string // the fields without which one cannot be created
	defaults func(*W) // says of a new one what the state does not; nil: nothing
}

func users(d *differ) *resource[User, infinitysip.User, infinitysip.UserUpdateParams] {
	return &resource[User, infinitysip.User, infinitysip.UserUpdateParams]{
		rowsOf: userRows, rows: d.there.users, named: "user", desired: d.desired.Users, at: d.desired.userAt,
		says:     func(u *User) string { return u.User },
		required: []string{"displayName", "extensionNumber"},
	}
}

func groups(d *differ) *resource[Group, infinitysip.Group, infinitysip.GroupUpdateParams] {
	return &resource[Group, infinitysip.Group, infinitysip.GroupUpdateParams]{
		rowsOf: groupRows, rows: d.there.groups, named: "groupName", desired: d.desired.Groups, at: d.desired.groupAt,
		says:     func(g *Group) string { return g.Name },
		required: []string{"extensionNumber", "callerNameFormat"},
		defaults: func(g *Group) {
			g.DisplayName = cmp.Or(g.DisplayName, g.Name)
			if g.CallerNameFormat == nil {
				g.CallerNameFormat = new(DefaultCallerNameFormat)
			}
		},
	}
}

func queues(d *differ) *resource[Queue, infinitysip.Queue, infinitysip.QueueUpdateParams] {
	return &resource[Queue, infinitysip.Queue, infinitysip.QueueUpdateParams]{
		rowsOf: queueRows, rows: d.there.queues, named: "queueName", desired: d.desired.Queues, at: d.desired.queueAt,
		says:     func(q *Queue) string { return q.Name },
		required: []string{"extensionNumber"},
		defaults: func(q *Queue) { q.DisplayName = cmp.Or(q.DisplayName, q.Name) },
	}
}

func networks(d *differ) *resource[TrustedNetwork, infinitysip.TrustedNetwork, infinitysip.TrustedNetworkUpdateParams] {
	return &resource[TrustedNetwork, infinitysip.TrustedNetwork, infinitysip.TrustedNetworkUpdateParams]{
		rowsOf: networkRows, rows: d.there.networks, named: "network", desired: d.desired.TrustedNetworks, at: d.desired.networkAt,
		says: func(n *TrustedNetwork) string { return n.Network },
	}
}

func devices(d *differ) *resource[Device, infinitysip.Device, infinitysip.DeviceUpdateParams] {
	return &resource[Device, infinitysip.Device, infinitysip.DeviceUpdateParams]{
		rowsOf: deviceRows, rows: d.there.devices, named: "deviceMacAddress", desired: d.desired.Devices, at: d.desired.deviceAt,
		says: func(want *Device) string { return want.MACAddress },
		defaults: func(want *Device) {
			if want.Name != nil {
				return
			}
			name := wire.MAC(want.MACAddress)
			if want.Owner != nil {
				if owner, _ := d.users.find(*want.Owner); owner != nil {
					name = cmp.Or(owner.display, name)
				}
			}
			want.Name = &name
		},
	}
}

// newMember are the params of a new member of a queue, less its group.
func newMember(m *QueueMember) infinitysip.QueueMemberCreateParams {
	params := infinitysip.QueueMemberCreateParams{RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20}
	fill(&params, m)
	return params
}
