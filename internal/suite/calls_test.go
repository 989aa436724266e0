package suite_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
)

// apiCall is one call of the API, and all that the tests of every call must know
// of it. Its method, path, status and parameters are in testdata/endpoints.json.
type apiCall struct {
	op     string      // the name of its method
	params any         // what the method takes beside ids: every parameter of the API's page
	want   any         // what it returns for the answer in testdata; nil: an error alone
	bad    []badParams // what it refuses
	soak   step        // how a worker of the soak makes it; a List… with its All…
}

// badParams are params with which a call is refused.
type badParams struct {
	name   string // of the bad input
	params any
	fields string // the names in the error, in their order
}

// The ids that the calls name. Each is another, so that a swap shows in the path.
const (
	domainID  = infinitysip.DomainID(1)
	userID    = infinitysip.UserID(12)
	groupID   = infinitysip.GroupID(21)
	queueID   = infinitysip.QueueID(41)
	memberID  = infinitysip.QueueMemberID(52)
	networkID = infinitysip.TrustedNetworkID(61)
	deviceID  = infinitysip.DeviceID(7)
)

// pathIDs puts them into a path.
var pathIDs = strings.NewReplacer("{domainId}", "1", "{userId}", "12", "{groupId}", "21", "{queueId}", "41",
	"{queueMemberId}", "52", "{trustedNetworkId}", "61", "{pbxDeviceId}", "7")

// A row that may be the row of any of them.
const anyRow = `{"domainId":"1","userId":"12","groupId":"21","queueId":"41","queueMemberId":"52","trustedNetworkId":"61","pbxDeviceId":"7","pbxDeviceToken":"t0ken",` +
	`"user":"joe.blogs","groupName":"sales","queueName":"sales","displayName":"Acme","deviceMacAddress":"10:20:30:1A:2B:3C","network":"10.0.20.10/24"}`

// apiCalls are the calls, in the order of testdata/endpoints.json. For each
// there is testdata/<op>.form, .query and .json: what it sends, and the answer, if
// there are any.
func apiCalls() []apiCall {
	return []apiCall{
		{
			op: "Domains.List",
			want: []infinitysip.Domain{
				{ID: 1, DisplayName: "Acme / Leeds", Rec: true, Extra: extra("domain", `"acme.sip.example.com"`)},
				{ID: 2, DisplayName: "Zoë & Söhne", Extra: extra("domain", `"zoe.sip.example.com"`)},
			},
			soak: listStep(domains, nil),
		},
		{
			op:   "Domains.Get",
			want: &infinitysip.Domain{ID: 1, DisplayName: "Acme / Leeds", Rec: true, Extra: extra("domain", `"acme.sip.example.com"`)},
			soak: getStep(domains),
		},
		{
			op:     "Domains.Update",
			params: infinitysip.DomainUpdateParams{DisplayName: "Acme / Leeds", Rec: true},
			bad:    []badParams{{"update of a domain with nothing", infinitysip.DomainUpdateParams{}, "displayName"}},
			soak: updateStep(domains, func(w *worker, row *infinitysip.Domain) (any, state) {
				row.DisplayName, row.Rec = w.mark(), w.rng.IntN(2) == 0
				return row.UpdateParams(), nil
			}),
		},

		{
			op: "Users.List",
			want: []infinitysip.User{
				joe(),
				{ID: 13, DomainID: 1, User: "zoe", DisplayName: "Zoë", ExtensionNumber: "0202", Dashboard: true},
			},
			soak: listStep(users, nil),
		},
		{
			op: "Users.Get",
			want: func() *infinitysip.User {
				row := joe()
				row.Password, row.PIN = infinitysip.NewSecret("pass/word é"), infinitysip.NewSecret("0042")
				row.Extra = extra("createDatetime", `"2019-10-31 09:42:56"`)
				return &row
			}(),
			soak: getStep(users),
		},
		{
			op: "Users.Create",
			params: infinitysip.UserCreateParams{
				User:            "joe.blogs",
				Password:        infinitysip.NewSecret(canaryPassword),
				DisplayName:     "Joe Blogs",
				ExtensionNumber: "0201",
				PIN:             infinitysip.NewSecret(canaryPIN),
				Email:           "joe.blogs@company.com",
				FirstName:       "Joe",
				LastName:        "Blogs",
				JobName:         "Buyer",
				DepartmentName:  "Sales / North",
				CompanyName:     "Company",
				OfficeName:      "Leeds",
				UKCallerID:      "0123456789",
				USCallerID:      "12025550100",
				MobileNumber:    "07700900123",
				MobileFollow:    new(true),
				UKPhoneID:       31,
				USPhoneID:       32,
				HotdeskAllowed:  new(true),
				Dashboard:       new(false),
			},
			want: userID,
			bad: []badParams{
				{"user with nothing", infinitysip.UserCreateParams{}, "user password displayName extensionNumber"},
				{"negative phone", func() any {
					params := newUser()
					params.UKPhoneID, params.USPhoneID = -1, -2
					return params
				}(), "ukPhoneId usPhoneId"},
				{"LF, NUL and invalid UTF-8 in a new user", func() any {
					params := newUser()
					params.User, params.Password, params.Email = "joe\nblogs", infinitysip.NewSecret(canaryPassword+"\x00"), "\xff"
					return params
				}(), "user password email"},
			},
			soak: createUser,
		},
		{
			op: "Users.Update",
			params: infinitysip.UserUpdateParams{
				Password:        new(infinitysip.NewSecret(canaryPassword + " is new")),
				DisplayName:     new("Joseph Blogs"),
				PIN:             new(infinitysip.NewSecret(canaryPIN)),
				Email:           new("joseph@company.com"),
				FirstName:       new("Joseph"),
				LastName:        new("Bloggs"),
				JobName:         new("Head Buyer"),
				DepartmentName:  new("Sales & Buying"),
				CompanyName:     new("Company Ltd"),
				OfficeName:      new("York"),
				ExtensionNumber: new("0203"),
				UKCallerID:      new("0123456780"),
				USCallerID:      new("12025550101"),
				MobileNumber:    new("07700900124"),
				MobileFollow:    new(false),
				HotdeskAllowed:  new(true),
				Dashboard:       new(false),
			},
			bad: []badParams{
				{"update of a user with nothing", infinitysip.UserUpdateParams{}, "params"},
				{"CR in an update", infinitysip.UserUpdateParams{FirstName: new("a\rb")}, "firstName"},
				{"LF in a secret of an update", infinitysip.UserUpdateParams{
					Password: new(infinitysip.NewSecret(canaryPassword + "\n")), PIN: new(infinitysip.NewSecret(canaryPIN + "\r")),
				}, "password pin"},
			},
			soak: updateStep(users, func(w *worker, row *infinitysip.User) (any, state) {
				row.Email = w.mark() + "@example.com"
				password := canaryPassword + row.Email
				return infinitysip.UserUpdateParams{
					Email: new(row.Email), Password: new(infinitysip.NewSecret(password)), PIN: new(infinitysip.Secret{}),
				}, state{key("secrets", row.ID): password + " "}
			}),
		},
		{
			op: "Users.Delete",
			soak: deleteStep(users, func(w *worker, row infinitysip.User) state {
				gone := state{key("secrets", row.ID): ""}
				for membership := range w.groupsOf(row) {
					gone[membership] = ""
				}
				for _, device := range devices.rows(w) {
					if device.UserID == row.ID {
						gone.put("device", device.ID, text(associated(device, infinitysip.User{})))
					}
				}
				return gone
			}),
		},

		{
			op:   "Groups.List",
			want: []infinitysip.Group{sales(), {ID: 22, DomainID: 1, Name: "help", DisplayName: "Help / Desk", ExtensionNumber: "0302", RingExclusive: true}},
			soak: listStep(groups, nil),
		},
		{op: "Groups.Get", want: new(sales()), soak: getStep(groups)},
		{
			op: "Groups.Create",
			params: infinitysip.GroupCreateParams{
				Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301", RingRetry: true, CallerNameFormat: "{displayName} - {srcPhoneNumber}",
			},
			want: groupID,
			bad: badFormats(func(format infinitysip.CallerNameFormat) any {
				return infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: format}
			}),
			soak: createGroup,
		},
		{
			op:     "Groups.Update",
			params: infinitysip.GroupUpdateParams{Name: "help", DisplayName: "Help / Desk", ExtensionNumber: "0302", RingExclusive: true},
			bad: []badParams{
				{"update of a group with nothing", infinitysip.GroupUpdateParams{}, "groupName displayName extensionNumber"},
				{
					"NUL in a group", infinitysip.GroupUpdateParams{Name: "\x00", DisplayName: "\x00", ExtensionNumber: "\x00", CallerNameFormat: "\x00"},
					"groupName displayName extensionNumber callerNameFormat",
				},
			},
			soak: updateStep(groups, func(w *worker, row *infinitysip.Group) (any, state) {
				row.DisplayName, row.CallerNameFormat = w.mark(), ""
				return row.UpdateParams(), nil
			}),
		},
		{
			op: "Groups.Delete",
			soak: deleteStep(groups, func(w *worker, row infinitysip.Group) state {
				gone := state{}
				for membership := range w.held.of(usersOf(row.ID)) {
					gone[membership] = ""
				}
				for _, member := range members.rows(w) {
					if member.GroupID == row.ID {
						gone[key(membersOf(member.QueueID), member.ID)] = ""
					}
				}
				return gone
			}),
		},
		{
			op: "Groups.ListUsers",
			want: []infinitysip.GroupUser{
				{GroupID: 21, UserID: 12, User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0201"},
				{GroupID: 21, UserID: 13, User: "zoe", DisplayName: "Zoë", ExtensionNumber: "0202"},
			},
			soak: listOfStep(groups, func(w *worker, row infinitysip.Group) state { return w.held.of(usersOf(row.ID)) }, groupUserState, nil),
		},
		{
			op:     "Groups.AddUsers",
			params: []infinitysip.UserID{12, 13},
			bad: []badParams{
				{"no users to add", []infinitysip.UserID(nil), "userSpec"},
				{"zero as the last of many users", append(numbered[infinitysip.UserID](1199), 0), "userSpec"},
			},
			soak: changeUsers,
		},
		{
			op:     "Groups.RemoveUsers",
			params: []infinitysip.UserID{13, 12},
			bad: []badParams{
				{"no users to remove", []infinitysip.UserID{}, "userSpec"},
				{"zero among the users to remove", []infinitysip.UserID{1, 0}, "userSpec"},
			},
			soak: changeUsers,
		},

		{
			op: "Users.ListDevices",
			params: &infinitysip.UserDeviceListOptions{
				Filter: infinitysip.Where(
					infinitysip.UserDeviceFields.Updated.Ge(utc(2001, 1, 1, 0, 0, 0)),
					infinitysip.UserDeviceFields.Name.Begins("deviceName")),
				Sort:   infinitysip.OrderBy(infinitysip.UserDeviceFields.Name.Asc(), infinitysip.UserDeviceFields.DeviceID.Desc()),
				Limit:  2,
				Offset: 40,
			},
			want: []infinitysip.UserDevice{
				{UserID: 12, DeviceID: 7, User: "user.name", Updated: utc(2001, 1, 1, 0, 0, 0), Name: "deviceName 1"},
				{UserID: 12, DeviceID: 8, User: "user.name", Updated: utc(2001, 1, 1, 0, 0, 0), Name: "deviceName 2"},
			},
			soak: listOfStep(users, (*worker).devicesOf, userDeviceState, onePerPage[infinitysip.UserDevice]),
		},
		{
			op:   "Users.GetDevice",
			want: &infinitysip.UserDevice{UserID: 12, DeviceID: 7, User: "user.name", Updated: utc(2001, 1, 1, 0, 0, 0), Name: "deviceName 1"},
			soak: getDevice,
		},
		{
			op:   "Users.AddDevice",
			want: &infinitysip.UserDeviceToken{DeviceID: 7, UserID: 12, Token: infinitysip.NewSecret("432e2286a22f28a3e3a4d2dde")},
			soak: addDevice,
		},
		{
			op: "Users.RemoveDevice",
			soak: deleteStep(given, func(_ *worker, row infinitysip.Device) state {
				return state{key("device", row.ID): text(associated(row, infinitysip.User{}))}
			}),
		},
		{
			op: "Users.ListGroups",
			params: &infinitysip.UserGroupListOptions{
				Filter: infinitysip.Where(infinitysip.UserGroupFields.Name.In("sales", "help")),
				Sort:   infinitysip.OrderBy(infinitysip.UserGroupFields.Name.Desc()),
				Limit:  10,
				Offset: 20,
			},
			want: []infinitysip.UserGroup{
				{UserID: 12, GroupID: 21, Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301"},
				{UserID: 12, GroupID: 22, Name: "help", DisplayName: "Help / Desk", ExtensionNumber: "0302"},
			},
			soak: listOfStep(users, (*worker).groupsOf, userGroupState, onePerPage[infinitysip.UserGroup]),
		},
		{
			op:     "Users.AddGroups",
			params: []infinitysip.GroupID{22, 21},
			bad: []badParams{
				{"no groups to add", []infinitysip.GroupID(nil), "groupSpec"},
				{"negative group to add", []infinitysip.GroupID{-1}, "groupSpec"},
			},
			soak: addGroups,
		},

		{
			op: "Queues.List",
			params: &infinitysip.QueueListOptions{
				Filter: infinitysip.Where(infinitysip.QueueFields.CallerNameFormat.IsSet(true)),
				Sort:   infinitysip.OrderBy(infinitysip.QueueFields.Name.Asc()),
				Limit:  100,
				Offset: 1,
			},
			want: []infinitysip.Queue{reception(), {ID: 42, DomainID: 1, Name: "help", DisplayName: "Help", ExtensionNumber: "0402"}},
			soak: listStep(queues, ownPages(infinitysip.QueueFields.Name)),
		},
		{op: "Queues.Get", want: new(reception()), soak: getStep(queues)},
		{
			op:     "Queues.Create",
			params: infinitysip.QueueCreateParams{Name: "sales", DisplayName: "Sales / All", ExtensionNumber: "0401", CallerNameFormat: "{dgrpName}"},
			want:   queueID,
			bad:    []badParams{{"queue with nothing", infinitysip.QueueCreateParams{}, "queueName displayName extensionNumber"}},
			soak:   createQueue,
		},
		{
			op: "Queues.Update",
			params: infinitysip.QueueUpdateParams{
				Name:             new("support"),
				DisplayName:      new("Support"),
				ExtensionNumber:  new("0403"),
				CallerNameFormat: new(infinitysip.CallerNameFormat("{displayName} - {srcPhoneNumber}")),
			},
			bad: append(badFormats(func(format infinitysip.CallerNameFormat) any {
				return infinitysip.QueueUpdateParams{CallerNameFormat: &format}
			}),
				badParams{"update of a queue with nothing", infinitysip.QueueUpdateParams{}, "params"}),
			soak: updateStep(queues, func(w *worker, row *infinitysip.Queue) (any, state) {
				row.DisplayName = w.mark()
				return infinitysip.QueueUpdateParams{DisplayName: new(row.DisplayName)}, nil
			}),
		},
		{
			op: "Queues.Delete",
			soak: deleteStep(queues, func(w *worker, row infinitysip.Queue) state {
				gone := state{}
				for member := range w.held.of(membersOf(row.ID)) {
					gone[member] = ""
				}
				return gone
			}),
		},
		{
			op: "Queues.ListMembers",
			want: []infinitysip.QueueMember{
				{ID: 51, QueueID: 41, GroupID: 21, RingStrategy: infinitysip.RingAll, RingAttempts: 2, RingSecs: 20},
				{ID: 52, QueueID: 41, GroupID: 22, RingStrategy: infinitysip.RingHuntLongestIdle, RingSecs: 15, RingOrder: 1},
			},
			soak: listOfStep(queues, func(w *worker, row infinitysip.Queue) state { return w.held.of(membersOf(row.ID)) }, members.state, nil),
		},
		{
			op:   "Queues.GetMember",
			want: &infinitysip.QueueMember{ID: 52, QueueID: 41, GroupID: 22, RingStrategy: infinitysip.RingHuntLongestIdle, RingSecs: 15, RingOrder: 1},
			soak: getStep(members),
		},
		{
			op:     "Queues.CreateMember",
			params: infinitysip.QueueMemberCreateParams{GroupID: 22, RingStrategy: infinitysip.RingHuntLongestIdle, RingSecs: 15, RingOrder: 1},
			want:   memberID,
			bad: []badParams{
				{"member with nothing", infinitysip.QueueMemberCreateParams{}, "groupId ringStrategy"},
				{
					"negative counts", infinitysip.QueueMemberCreateParams{GroupID: 1, RingStrategy: infinitysip.RingAll, RingAttempts: -1, RingSecs: -2, RingOrder: -3},
					"ringAttempts ringSecs ringOrder",
				},
			},
			soak: createMember,
		},
		{
			op: "Queues.UpdateMember",
			params: infinitysip.QueueMemberUpdateParams{
				GroupID: new(infinitysip.GroupID(23)), RingStrategy: new(infinitysip.RingAll), RingAttempts: new(3), RingSecs: new(25), RingOrder: new(0),
			},
			bad: []badParams{
				{"update of a member with nothing", infinitysip.QueueMemberUpdateParams{}, "params"},
				{"zero id in an update", infinitysip.QueueMemberUpdateParams{GroupID: new(infinitysip.GroupID(0))}, "groupId"},
				{"another ring strategy", infinitysip.QueueMemberUpdateParams{RingStrategy: new(infinitysip.RingStrategy("ALL"))}, "ringStrategy"},
				{"negative counts in an update", infinitysip.QueueMemberUpdateParams{RingAttempts: new(-1), RingSecs: new(-1)}, "ringAttempts ringSecs"},
			},
			soak: updateStep(members, func(w *worker, row *infinitysip.QueueMember) (any, state) {
				w.serial++
				row.RingSecs, row.RingStrategy = w.serial, infinitysip.RingHuntLongestIdle
				return infinitysip.QueueMemberUpdateParams{RingSecs: new(row.RingSecs), RingStrategy: new(row.RingStrategy)}, nil
			}),
		},
		{op: "Queues.DeleteMember", soak: deleteStep(members, nil)},
		{
			op:     "Queues.SetMemberOrder",
			params: []infinitysip.QueueMemberID{53, 51, 52},
			bad: []badParams{
				{"empty order", []infinitysip.QueueMemberID(nil), "queueMemberId"},
				{"doubled id in an order", []infinitysip.QueueMemberID{1, 2, 1}, "queueMemberId"},
				{"order of more than the server keeps", numbered[infinitysip.QueueMemberID](1001), "queueMemberId"},
			},
			soak: setOrder,
		},

		{
			op: "TrustedNetworks.List",
			params: &infinitysip.TrustedNetworkListOptions{
				Filter: infinitysip.Where(infinitysip.TrustedNetworkFields.Network.Ne(netip.MustParsePrefix("192.168.0.0/16"))),
				Sort:   infinitysip.OrderBy(infinitysip.TrustedNetworkFields.ID.Asc()),
				Limit:  7,
				Offset: 3,
			},
			want: []infinitysip.TrustedNetwork{office(), {ID: 62, DomainID: 1, Network: netip.MustParsePrefix("2001:db8::/32")}},
			soak: listStep(networks, ownPages(infinitysip.TrustedNetworkFields.Description)),
		},
		{op: "TrustedNetworks.Get", want: new(office()), soak: getStep(networks)},
		{
			op:     "TrustedNetworks.Create",
			params: infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Leeds / 2nd floor"},
			want:   networkID,
			bad: []badParams{
				{"network with nothing", infinitysip.TrustedNetworkCreateParams{}, "network"},
				{"no CIDR, of too many bits", infinitysip.TrustedNetworkCreateParams{Network: netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 33)}, "network"},
			},
			soak: createNetwork,
		},
		{
			op:     "TrustedNetworks.Update",
			params: infinitysip.TrustedNetworkUpdateParams{Network: new(netip.MustParsePrefix("10.0.30.0/24")), Description: new("York")},
			bad: []badParams{
				{"update of a network with nothing", infinitysip.TrustedNetworkUpdateParams{}, "params"},
				{"no CIDR in an update", infinitysip.TrustedNetworkUpdateParams{Network: new(netip.Prefix{})}, "network"},
				{"LF in a description", infinitysip.TrustedNetworkUpdateParams{Description: new("a\nb")}, "description"},
			},
			soak: updateStep(networks, func(w *worker, row *infinitysip.TrustedNetwork) (any, state) {
				row.Description = w.mark()
				return infinitysip.TrustedNetworkUpdateParams{Description: new(row.Description)}, nil
			}),
		},
		{op: "TrustedNetworks.Delete", soak: deleteStep(networks, nil)},

		{
			op: "Devices.List",
			params: &infinitysip.DeviceListOptions{
				Filter: infinitysip.Where(infinitysip.DeviceFields.MACAddress.BeginsFold("10:20:30"), infinitysip.DeviceFields.UserID.Eq(infinitysip.UserID(11))),
				Sort:   infinitysip.OrderBy(infinitysip.DeviceFields.Created.Asc()),
				Limit:  2,
				Offset: 4,
			},
			want: []infinitysip.Device{lobby(), {
				ID: 8, Name: "My PBX Device 2", DomainID: 1, MACAddress: "10:20:30:5C:4F:2A",
				Created: utc(2019, 10, 31, 14, 41, 10), Updated: utc(2019, 10, 31, 15, 54, 22), UserID: 11, User: "test.user",
			}},
			bad:  badOptions(),
			soak: listStep(devices, ownPages(infinitysip.DeviceFields.Name)),
		},
		{op: "Devices.Get", want: new(lobby()), soak: getStep(devices)},
		{
			op:     "Devices.Create",
			params: infinitysip.DeviceCreateParams{Name: "My PBX Device 1", MACAddress: "10:20:30:1A:2B:3C"},
			want:   deviceID,
			bad:    append(badMACs(), badParams{"device with nothing", infinitysip.DeviceCreateParams{}, "pbxDeviceName deviceMacAddress"}),
			soak:   createDevice,
		},
		{
			op:     "Devices.Update",
			params: infinitysip.DeviceUpdateParams{Name: "My PBX Device 1, moved"},
			bad:    []badParams{{"update of a device with nothing", infinitysip.DeviceUpdateParams{}, "pbxDeviceName"}},
			soak: updateStep(devices, func(w *worker, row *infinitysip.Device) (any, state) {
				row.Name = w.mark()
				return infinitysip.DeviceUpdateParams{Name: row.Name}, nil
			}),
		},
		{op: "Devices.Delete", soak: deleteStep(devices, nil)},
	}
}

// compounds are the methods that make several of the API's calls.
func compounds() []method {
	return []method{
		{name: "Users.RotateDeviceToken", op: "Users.AddDevice", makes: []string{"Users.RemoveDevice", "Users.AddDevice"}, soak: rotateToken},
		{name: "Users.RotateDeviceTokens", op: "Users.AddDevice", soak: rotateTokens, makes: []string{"Users.ListDevices", "Users.ListDevices", "Users.RemoveDevice", "Users.AddDevice"}}, // and an empty page
	}
}

// finds are the methods that find a row by what names it. They make the call of a
// list, in their own name.
func finds() []method {
	return []method{
		{name: "Domains.Find", op: "Domains.List", params: "Acme", soak: findStep(domains, func(d infinitysip.Domain) any { return d.DisplayName })},
		{name: "Users.Find", op: "Users.List", params: "joe.blogs", soak: findStep(users, func(u infinitysip.User) any { return u.User })},
		{name: "Groups.Find", op: "Groups.List", params: "sales", soak: findStep(groups, func(g infinitysip.Group) any { return g.Name })},
		{name: "Queues.Find", op: "Queues.List", params: "sales", soak: findStep(queues, func(q infinitysip.Queue) any { return q.Name })},
		{name: "Devices.FindByMAC", op: "Devices.List", params: "10-20-30-1a-2b-3c", soak: findStep(devices, func(d infinitysip.Device) any { return d.MACAddress })},
		{
			name: "TrustedNetworks.FindByNetwork", op: "TrustedNetworks.List", params: netip.MustParsePrefix("10.0.20.10/24"),
			soak: findStep(networks, func(n infinitysip.TrustedNetwork) any { return n.Network }),
		},
	}
}

// The rows that the answers hold more than once.

func joe() infinitysip.User {
	return infinitysip.User{
		ID: 12, DomainID: 1, User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0201",
		Email: "joe.blogs@company.com", FirstName: "Joe", LastName: "Blogs", JobName: "Buyer",
		DepartmentName: "Sales / North", CompanyName: "Company", OfficeName: "Leeds",
		UKCallerID: "0123456789", USCallerID: "12025550100", MobileNumber: "07700900123", MobileFollow: true,
		UKPhoneID: 31, USPhoneID: 32, HotdeskAllowed: true,
	}
}

func sales() infinitysip.Group {
	return infinitysip.Group{
		ID: 21, DomainID: 1, Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301", RingRetry: true, CallerNameFormat: "{displayName} - {srcPhoneNumber}",
	}
}

func reception() infinitysip.Queue {
	return infinitysip.Queue{ID: 41, DomainID: 1, Name: "sales", DisplayName: "Sales / All", ExtensionNumber: "0401", CallerNameFormat: "{dgrpName}"}
}

func office() infinitysip.TrustedNetwork {
	return infinitysip.TrustedNetwork{ID: 61, DomainID: 1, Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Leeds / 2nd floor"}
}

func lobby() infinitysip.Device {
	return infinitysip.Device{
		ID: 7, Name: "My PBX Device 1", DomainID: 1, MACAddress: "10:20:30:1A:2B:3C",
		Created: utc(2019, 10, 31, 9, 42, 56), Updated: utc(2019, 10, 31, 9, 50, 6), UserID: 11, User: "test.user",
	}
}

// extra gives the Extra of a row from pairs of a name and JSON text.
func extra(pairs ...string) map[string]json.RawMessage {
	fields := make(map[string]json.RawMessage)
	for pair := range slices.Chunk(pairs, 2) {
		fields[pair[0]] = json.RawMessage(pair[1])
	}
	return fields
}

func utc(year int, month time.Month, day, hour, minute, second int) time.Time {
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
}

// numbered gives the ids 1 to n.
func numbered[I ~int64](n int) []I {
	ids := make([]I, n)
	for i := range ids {
		ids[i] = I(i + 1)
	}
	return ids
}
