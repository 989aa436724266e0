package provision

import (
	"cmp"
	"context"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// resource is what there is to know of one kind of things: W is one as the
// state has it, R its row, I its id, C and U the params that create and update
// it. What W says goes into the params by the names of the fields.
type resource[W, R any, I infinitysip.ID, C, U any] struct {
	kind  Kind
	named string // the field that names one
	wants []W
	rows  []R
	at    func(i int) place
	paged bool // the list has pages, so that it is certain to be whole

	name    func(*W) string
	rowName func(*R) string
	rowID   func(*R) I
	key     func(name string) string // what two names of the same thing have in common

	required []string // the fields without which one cannot be created
	complete func(*W) // says of a new one what the state does not; nil: nothing

	creates func(*W) C // params with the name in place
	updates func(*R) U // params that leave a row as it is; nil: the zero value does

	// secrets, which only users have, makes up what the params of a new one
	// lack, and notes it in the result.
	secrets func(*execution, *C, *Result) error

	// withPIN, which only users have, tells of a change that is for the PIN's
	// sake, and not to be made without it.
	withPIN func(*W, FieldChange) bool

	calls func(*infinitysip.Client) calls[I, C, U]
}

// unchanged returns params that leave a row as it is.
func (res *resource[W, R, I, C, U]) unchanged(row *R) U {
	if res.updates != nil {
		return res.updates(row)
	}
	var none U
	return none
}

// calls are the methods of a service.
type calls[I infinitysip.ID, C, U any] struct {
	create func(context.Context, infinitysip.DomainID, C, ...infinitysip.CallOption) (I, error)
	update func(context.Context, infinitysip.DomainID, I, U, ...infinitysip.CallOption) error
	remove func(context.Context, infinitysip.DomainID, I, ...infinitysip.CallOption) error
}

type (
	userResource           = resource[User, infinitysip.User, infinitysip.UserID, infinitysip.UserCreateParams, infinitysip.UserUpdateParams]
	groupResource          = resource[Group, infinitysip.Group, infinitysip.GroupID, infinitysip.GroupCreateParams, infinitysip.GroupUpdateParams]
	queueResource          = resource[Queue, infinitysip.Queue, infinitysip.QueueID, infinitysip.QueueCreateParams, infinitysip.QueueUpdateParams]
	trustedNetworkResource = resource[TrustedNetwork, infinitysip.TrustedNetwork, infinitysip.TrustedNetworkID, infinitysip.TrustedNetworkCreateParams, infinitysip.TrustedNetworkUpdateParams]
	deviceResource         = resource[Device, infinitysip.Device, infinitysip.DeviceID, infinitysip.DeviceCreateParams, infinitysip.DeviceUpdateParams]

	userCalls           = calls[infinitysip.UserID, infinitysip.UserCreateParams, infinitysip.UserUpdateParams]
	groupCalls          = calls[infinitysip.GroupID, infinitysip.GroupCreateParams, infinitysip.GroupUpdateParams]
	queueCalls          = calls[infinitysip.QueueID, infinitysip.QueueCreateParams, infinitysip.QueueUpdateParams]
	trustedNetworkCalls = calls[infinitysip.TrustedNetworkID, infinitysip.TrustedNetworkCreateParams, infinitysip.TrustedNetworkUpdateParams]
	deviceCalls         = calls[infinitysip.DeviceID, infinitysip.DeviceCreateParams, infinitysip.DeviceUpdateParams]
)

func users(d *differ) *userResource {
	return &userResource{
		kind: KindUser, named: "user", wants: d.desired.Users, rows: d.there.users, at: d.desired.userAt,
		name:     func(u *User) string { return u.User },
		rowName:  func(row *infinitysip.User) string { return row.User },
		rowID:    func(row *infinitysip.User) infinitysip.UserID { return row.ID },
		key:      fold,
		required: []string{"displayName", "extensionNumber"},
		creates:  func(u *User) infinitysip.UserCreateParams { return infinitysip.UserCreateParams{User: u.User} },
		secrets:  (*execution).secretsOfUser,
		withPIN:  func(u *User, f FieldChange) bool { return u.hotdeskWithPIN && f.Field == "hotdeskAllowed" },
		calls: func(c *infinitysip.Client) userCalls {
			create := func(ctx context.Context, domain infinitysip.DomainID, params infinitysip.UserCreateParams, _ ...infinitysip.CallOption) (infinitysip.UserID, error) {
				return createUser(ctx, c, domain, params)
			}
			return userCalls{create, c.Users.Update, c.Users.Delete}
		},
	}
}

func groups(d *differ) *groupResource {
	return &groupResource{
		kind: KindGroup, named: "groupName", wants: d.desired.Groups, rows: d.there.groups, at: sectionAt("groups"),
		name:     func(g *Group) string { return g.Name },
		rowName:  func(row *infinitysip.Group) string { return row.Name },
		rowID:    func(row *infinitysip.Group) infinitysip.GroupID { return row.ID },
		key:      fold,
		required: []string{"extensionNumber", "callerNameFormat"},
		complete: func(g *Group) {
			g.DisplayName = cmp.Or(g.DisplayName, g.Name)
			if g.CallerNameFormat == nil {
				g.CallerNameFormat = new(DefaultCallerNameFormat)
			}
		},
		creates: func(g *Group) infinitysip.GroupCreateParams { return infinitysip.GroupCreateParams{Name: g.Name} },
		updates: func(row *infinitysip.Group) infinitysip.GroupUpdateParams { return row.UpdateParams() },
		calls: func(c *infinitysip.Client) groupCalls {
			return groupCalls{c.Groups.Create, c.Groups.Update, c.Groups.Delete}
		},
	}
}

func queues(d *differ) *queueResource {
	return &queueResource{
		kind: KindQueue, named: "queueName", wants: d.desired.Queues, rows: d.there.queues, at: sectionAt("queues"), paged: true,
		name:     func(q *Queue) string { return q.Name },
		rowName:  func(row *infinitysip.Queue) string { return row.Name },
		rowID:    func(row *infinitysip.Queue) infinitysip.QueueID { return row.ID },
		key:      fold,
		required: []string{"extensionNumber"},
		complete: func(q *Queue) { q.DisplayName = cmp.Or(q.DisplayName, q.Name) },
		creates:  func(q *Queue) infinitysip.QueueCreateParams { return infinitysip.QueueCreateParams{Name: q.Name} },
		calls: func(c *infinitysip.Client) queueCalls {
			return queueCalls{c.Queues.Create, c.Queues.Update, c.Queues.Delete}
		},
	}
}

func networks(d *differ) *trustedNetworkResource {
	return &trustedNetworkResource{
		kind: KindTrustedNetwork, named: "network", wants: d.desired.TrustedNetworks, rows: d.there.networks, at: sectionAt("trustedNetworks"), paged: true,
		name:    func(n *TrustedNetwork) string { return n.Network },
		rowName: func(row *infinitysip.TrustedNetwork) string { return row.Network.String() },
		rowID:   func(row *infinitysip.TrustedNetwork) infinitysip.TrustedNetworkID { return row.ID },
		key:     networkKey,
		creates: func(n *TrustedNetwork) infinitysip.TrustedNetworkCreateParams {
			network, _ := wire.Network(n.Network) // Check has
			return infinitysip.TrustedNetworkCreateParams{Network: network}
		},
		calls: func(c *infinitysip.Client) trustedNetworkCalls {
			return trustedNetworkCalls{c.TrustedNetworks.Create, c.TrustedNetworks.Update, c.TrustedNetworks.Delete}
		},
	}
}

func devices(d *differ) *deviceResource {
	return &deviceResource{
		kind: KindDevice, named: "deviceMacAddress", wants: d.desired.Devices, rows: d.there.devices, at: d.desired.deviceAt, paged: true,
		name:    func(want *Device) string { return want.MACAddress },
		rowName: func(row *infinitysip.Device) string { return row.MACAddress },
		rowID:   func(row *infinitysip.Device) infinitysip.DeviceID { return row.ID },
		key:     wire.MAC,
		complete: func(want *Device) {
			if want.Name == nil {
				want.Name = new(wire.MAC(want.MACAddress))
				if want.Owner != nil {
					want.Name = new(cmp.Or(d.displayNames[fold(*want.Owner)], *want.Name))
				}
			}
		},
		creates: func(want *Device) infinitysip.DeviceCreateParams {
			return infinitysip.DeviceCreateParams{MACAddress: want.MACAddress}
		},
		calls: func(c *infinitysip.Client) deviceCalls {
			return deviceCalls{c.Devices.Create, c.Devices.Update, c.Devices.Delete}
		},
	}
}

// newMember are the params of a new member of a queue, less its group.
func newMember(m *QueueMember) infinitysip.QueueMemberCreateParams {
	params := infinitysip.QueueMemberCreateParams{RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20}
	fill(&params, m)
	return params
}
