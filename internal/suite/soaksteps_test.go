package suite_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
)

// What a worker of the soak does, and what the server must hold after it.

// nobody is an id that nothing has.
const nobody = 999_999

// text shows a row less its id, its times and what is not in every answer.
func text(row any) string {
	switch r := row.(type) {
	case infinitysip.Domain:
		r.ID, r.Extra = 0, nil
		row = r
	case infinitysip.User:
		r.ID, r.Password, r.PIN, r.Extra = 0, infinitysip.Secret{}, infinitysip.Secret{}, nil
		row = r
	case infinitysip.Group:
		r.ID, r.Extra = 0, nil
		row = r
	case infinitysip.Queue:
		r.ID, r.Extra = 0, nil
		row = r
	case infinitysip.QueueMember:
		r.ID, r.Extra = 0, nil
		row = r
	case infinitysip.TrustedNetwork:
		r.ID, r.Extra = 0, nil
		row = r
	case infinitysip.Device:
		r.ID, r.Created, r.Updated, r.Extra = 0, time.Time{}, time.Time{}, nil
		row = r
	}
	return fmt.Sprintf("%+v", row)
}

// own are the rows whose name begins as this worker's do.
func own[R any](w *worker, rows []R, name func(R) string) []R {
	return slices.DeleteFunc(rows, func(row R) bool { return !strings.HasPrefix(name(row), w.name) })
}

func (w *worker) users() []infinitysip.User {
	return own(w, w.srv.Users(w.domain), func(u infinitysip.User) string { return u.User })
}

func (w *worker) groups() []infinitysip.Group {
	return own(w, w.srv.Groups(w.domain), func(g infinitysip.Group) string { return g.Name })
}

func (w *worker) queues() []infinitysip.Queue {
	return own(w, w.srv.Queues(w.domain), func(q infinitysip.Queue) string { return q.Name })
}

func (w *worker) members() (all []infinitysip.QueueMember) {
	for _, queue := range w.queues() {
		all = append(all, w.srv.QueueMembers(w.domain, queue.ID)...)
	}
	return all
}

func (w *worker) networks() []infinitysip.TrustedNetwork {
	return own(w, w.srv.TrustedNetworks(w.domain), func(n infinitysip.TrustedNetwork) string { return n.Description })
}

func (w *worker) devices() []infinitysip.Device {
	return own(w, w.srv.Devices(w.domain), func(d infinitysip.Device) string { return d.Name })
}

// given are the devices that a user has.
func (w *worker) given() []infinitysip.Device {
	return slices.DeleteFunc(w.devices(), func(d infinitysip.Device) bool { return d.UserID == 0 })
}

func (w *worker) devicesOf(user infinitysip.UserID) state {
	s := state{}
	for _, d := range w.devices() {
		if d.UserID == user {
			s.put("device", d.ID, d.Name)
		}
	}
	return s
}

// These make a state of rows.

func (w *worker) domainState(rows []infinitysip.Domain) state {
	s := state{}
	for _, row := range rows {
		if row.ID == w.home {
			s.put("domain", row.ID, text(row))
		}
	}
	return s
}

func (w *worker) userState(rows []infinitysip.User) state {
	s := state{}
	for _, row := range own(w, rows, func(u infinitysip.User) string { return u.User }) {
		s.put("user", row.ID, text(row))
	}
	return s
}

func (w *worker) groupState(rows []infinitysip.Group) state {
	s := state{}
	for _, row := range own(w, rows, func(g infinitysip.Group) string { return g.Name }) {
		s.put("group", row.ID, text(row))
	}
	return s
}

func (w *worker) queueState(rows []infinitysip.Queue) state {
	s := state{}
	for _, row := range own(w, rows, func(q infinitysip.Queue) string { return q.Name }) {
		s.put("queue", row.ID, text(row))
	}
	return s
}

func (w *worker) memberState(rows []infinitysip.QueueMember) state {
	s := state{}
	for _, row := range rows {
		s.put(membersOf(row.QueueID), row.ID, text(row))
	}
	return s
}

func (w *worker) networkState(rows []infinitysip.TrustedNetwork) state {
	s := state{}
	for _, row := range own(w, rows, func(n infinitysip.TrustedNetwork) string { return n.Description }) {
		s.put("network", row.ID, text(row))
	}
	return s
}

func (w *worker) deviceState(rows []infinitysip.Device) state {
	s := state{}
	for _, row := range own(w, rows, func(d infinitysip.Device) string { return d.Name }) {
		s.put("device", row.ID, text(row))
	}
	return s
}

func (w *worker) groupUserState(rows []infinitysip.GroupUser) state {
	s := state{}
	for _, row := range rows {
		s.put(usersOf(row.GroupID), row.UserID, "in")
	}
	return s
}

func (w *worker) userGroupState(rows []infinitysip.UserGroup) state {
	s := state{}
	for _, row := range rows {
		s.put(usersOf(row.GroupID), row.UserID, "in")
	}
	return s
}

func (w *worker) userDeviceState(rows []infinitysip.UserDevice) state {
	s := state{}
	for _, row := range rows {
		s.put("device", row.DeviceID, row.Name)
	}
	return s
}

func usersOf(group infinitysip.GroupID) string   { return fmt.Sprintf("in %d", group) }
func membersOf(queue infinitysip.QueueID) string { return fmt.Sprintf("member %d", queue) }
func key(kind string, id any) string             { return fmt.Sprintf("%s %d", kind, id) }

// now is what the server holds.
func (w *worker) now() state {
	s := w.userState(w.users())
	for _, user := range w.users() {
		s.put("secrets", user.ID, user.Password.Reveal()+" "+user.PIN.Reveal())
	}
	for _, group := range w.groups() {
		for _, user := range w.srv.GroupUsers(w.domain, group.ID) {
			s.put(usersOf(group.ID), user, "in")
		}
	}
	for _, more := range []state{
		w.domainState(w.srv.Domains()), w.groupState(w.groups()), w.queueState(w.queues()), w.memberState(w.members()),
		w.networkState(w.networks()), w.deviceState(w.devices()),
	} {
		maps.Copy(s, more)
	}
	return s
}

// groupsOf are the memberships of a user.
func (w *worker) groupsOf(user infinitysip.UserID) state {
	s := w.held.of("in")
	maps.DeleteFunc(s, func(key, _ string) bool { return !strings.HasSuffix(key, fmt.Sprintf(" %d", user)) })
	return s
}

// on does something with one of rows, or, where there is none, makes one.
func on[R any](w *worker, rows []R, create func(*worker), do func(R)) {
	if len(rows) == 0 {
		create(w)
		return
	}
	do(rows[w.rng.IntN(len(rows))])
}

// some are up to seven of rows, in any order.
func some[R any, I infinitysip.ID](w *worker, rows []R, id func(R) I) (ids []I) {
	w.rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for _, row := range rows[:min(1+w.rng.IntN(7), len(rows))] {
		ids = append(ids, id(row))
	}
	return ids
}

// readOne reads a thing, or now and then one that is not there.
func readOne[R any, I infinitysip.ID](w *worker, kind string, id I, get func(context.Context, I) (*R, error)) {
	want := state{key(kind, id): w.held[key(kind, id)]}
	if w.rng.IntN(10) == 0 {
		id, want = nobody, nil
	}
	w.read(want, func(ctx context.Context) (state, error) {
		row, err := get(ctx, id)
		if err != nil {
			return nil, err
		}
		return state{key(kind, id): text(*row)}, nil
	})
}

// readAll reads a list, or what an iterator yields.
func readAll[R any](w *worker, want state, of func([]R) state, list func(context.Context) ([]R, error)) {
	w.read(want, func(ctx context.Context) (state, error) {
		rows, err := list(ctx)
		return of(rows), err
	})
}

func collect[R any](rows iter.Seq2[R, error]) (all []R, err error) {
	for row, err := range rows {
		if err != nil {
			return all, err
		}
		all = append(all, row)
	}
	return all, nil
}

// update sets something.
func (w *worker) update(sets state, do func(context.Context) error) {
	w.write(effect{sets: sets}, func(ctx context.Context) (int64, error) { return 0, do(ctx) })
}

// removeOne removes a thing, or now and then one that is not there.
func removeOne[I infinitysip.ID](w *worker, id I, sets state, remove func(context.Context, I) error) {
	e := effect{sets: sets}
	if w.rng.IntN(10) == 0 {
		id, e = nobody, effect{missing: true}
	}
	w.write(e, func(ctx context.Context) (int64, error) { return 0, remove(ctx, id) })
}

// mark is another text each time.
func (w *worker) mark() string {
	w.serial++
	return fmt.Sprint(w.name, w.serial)
}

func (w *worker) extension() string { return fmt.Sprintf("%02d%03d", w.n, w.serial) }

// taken returns the key of something that is there, now and then, for another
// thing of the same key.
func taken[R, K any](w *worker, rows []R, keyOf func(R) K, free K) (K, bool) {
	if len(rows) == 0 || w.rng.IntN(7) > 0 {
		return free, false
	}
	return keyOf(rows[w.rng.IntN(len(rows))]), true
}

func createUser(w *worker) {
	mark := w.mark()
	user := infinitysip.User{DomainID: w.domain, User: mark, DisplayName: mark, ExtensionNumber: w.extension(), HotdeskAllowed: w.rng.IntN(2) == 0}
	var again bool
	user.User, again = taken(w, w.users(), func(u infinitysip.User) string { return u.User }, mark)
	params := infinitysip.UserCreateParams{
		User: user.User, Password: infinitysip.NewSecret(canaryPassword), DisplayName: mark, ExtensionNumber: user.ExtensionNumber,
		PIN: infinitysip.NewSecret(canaryPIN), HotdeskAllowed: new(user.HotdeskAllowed),
	}
	w.write(effect{makes: state{"user": text(user), "secrets": canaryPassword + " " + canaryPIN}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Users.Create(ctx, w.domain, params)
		return int64(id), err
	})
}

func createGroup(w *worker) {
	mark := w.mark()
	group := infinitysip.Group{DomainID: w.domain, DisplayName: mark, ExtensionNumber: w.extension(), RingRetry: w.rng.IntN(2) == 0, CallerNameFormat: "{displayName}"}
	var again bool
	group.Name, again = taken(w, w.groups(), func(g infinitysip.Group) string { return g.Name }, mark)
	w.write(effect{makes: state{"group": text(group)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Groups.Create(ctx, w.domain, infinitysip.GroupCreateParams(group.UpdateParams()))
		return int64(id), err
	})
}

func createQueue(w *worker) {
	mark := w.mark()
	queue := infinitysip.Queue{DomainID: w.domain, DisplayName: mark, ExtensionNumber: w.extension(), CallerNameFormat: "{dgrpName}"}
	var again bool
	queue.Name, again = taken(w, w.queues(), func(q infinitysip.Queue) string { return q.Name }, mark)
	w.write(effect{makes: state{"queue": text(queue)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Queues.Create(ctx, w.domain, infinitysip.QueueCreateParams{
			Name: queue.Name, DisplayName: mark, ExtensionNumber: queue.ExtensionNumber, CallerNameFormat: queue.CallerNameFormat,
		})
		return int64(id), err
	})
}

func createMember(w *worker) {
	on(w, w.queues(), createQueue, func(queue infinitysip.Queue) {
		on(w, w.groups(), createGroup, func(group infinitysip.Group) {
			w.serial++
			member := infinitysip.QueueMember{
				QueueID: queue.ID, GroupID: group.ID, RingStrategy: infinitysip.RingAll,
				RingAttempts: w.rng.IntN(3), RingSecs: w.serial, RingOrder: w.rng.IntN(5),
			}
			w.write(effect{makes: state{membersOf(queue.ID): text(member)}}, func(ctx context.Context) (int64, error) {
				id, err := w.client.Queues.CreateMember(ctx, w.domain, queue.ID, infinitysip.QueueMemberCreateParams{
					GroupID: group.ID, RingStrategy: member.RingStrategy, RingAttempts: member.RingAttempts, RingSecs: member.RingSecs, RingOrder: member.RingOrder,
				})
				return int64(id), err
			})
		})
	})
}

func createNetwork(w *worker) {
	network := infinitysip.TrustedNetwork{DomainID: w.domain, Description: w.mark()}
	var again bool
	network.Network, again = taken(w, w.networks(), func(n infinitysip.TrustedNetwork) netip.Prefix { return n.Network },
		netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(w.n), byte(w.serial), 1}), 24))
	w.write(effect{makes: state{"network": text(network)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.TrustedNetworks.Create(ctx, w.domain, infinitysip.TrustedNetworkCreateParams{Network: network.Network, Description: network.Description})
		return int64(id), err
	})
}

func createDevice(w *worker) {
	device := infinitysip.Device{DomainID: w.domain, Name: w.mark()}
	var again bool
	device.MACAddress, again = taken(w, w.devices(), func(d infinitysip.Device) string { return d.MACAddress },
		fmt.Sprintf("0A:00:00:00:%02X:%02X", w.n, w.serial%256))
	w.write(effect{makes: state{"device": text(device)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Devices.Create(ctx, w.domain, infinitysip.DeviceCreateParams{Name: device.Name, MACAddress: strings.ToLower(device.MACAddress)})
		return int64(id), err
	})
}

func addDevice(w *worker) {
	on(w, w.users(), createUser, func(user infinitysip.User) {
		on(w, w.devices(), createDevice, func(device infinitysip.Device) {
			e := effect{sets: state{key("device", device.ID): text(associated(device, user))}, taken: device.UserID != 0}
			w.write(e, func(ctx context.Context) (int64, error) {
				token, err := w.client.Users.AddDevice(ctx, w.domain, user.ID, device.ID)
				if err == nil && (token.DeviceID != device.ID || token.Token.IsZero()) {
					w.lied(&w.sum.falseSuccesses, "gave no token: %+v", token)
				}
				return 0, err
			})
		})
	})
}

func associated(device infinitysip.Device, user infinitysip.User) infinitysip.Device {
	device.UserID, device.User = user.ID, user.User
	return device
}

// soakSteps are the calls, by their names.
func soakSteps() map[string]func(*worker) {
	return map[string]func(*worker){
		"Domains.List": func(w *worker) {
			readAll(w, w.held.of("domain"), w.domainState, func(ctx context.Context) ([]infinitysip.Domain, error) {
				return w.client.Domains.List(ctx)
			})
		},
		"Domains.All": func(w *worker) {
			readAll(w, w.held.of("domain"), w.domainState, func(ctx context.Context) ([]infinitysip.Domain, error) {
				return collect(w.client.Domains.All(ctx))
			})
		},
		"Domains.Get": func(w *worker) {
			readOne(w, "domain", w.home, func(ctx context.Context, id infinitysip.DomainID) (*infinitysip.Domain, error) {
				return w.client.Domains.Get(ctx, id)
			})
		},
		"Domains.Update": func(w *worker) {
			home := infinitysip.Domain{DisplayName: w.mark(), Rec: w.rng.IntN(2) == 0}
			w.update(state{key("domain", w.home): text(home)}, func(ctx context.Context) error {
				return w.client.Domains.Update(ctx, w.home, home.UpdateParams())
			})
		},

		"Users.List": func(w *worker) {
			readAll(w, w.held.of("user"), w.userState, func(ctx context.Context) ([]infinitysip.User, error) {
				return w.client.Users.List(ctx, w.domain)
			})
		},
		"Users.All": func(w *worker) {
			readAll(w, w.held.of("user"), w.userState, func(ctx context.Context) ([]infinitysip.User, error) {
				return collect(w.client.Users.All(ctx, w.domain))
			})
		},
		"Users.Get": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				readOne(w, "user", user.ID, func(ctx context.Context, id infinitysip.UserID) (*infinitysip.User, error) {
					return w.client.Users.Get(ctx, w.domain, id)
				})
			})
		},
		"Users.Create": createUser,
		"Users.Update": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				user.Email = w.mark() + "@example.com"
				password := canaryPassword + user.Email
				w.update(state{key("user", user.ID): text(user), key("secrets", user.ID): password + " "}, func(ctx context.Context) error {
					return w.client.Users.Update(ctx, w.domain, user.ID, infinitysip.UserUpdateParams{
						Email: new(user.Email), Password: new(infinitysip.NewSecret(password)), PIN: new(infinitysip.Secret{}),
					})
				})
			})
		},
		"Users.Delete": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				sets := state{key("user", user.ID): "", key("secrets", user.ID): ""}
				for membership := range w.groupsOf(user.ID) {
					sets[membership] = ""
				}
				for _, device := range w.devices() {
					if device.UserID == user.ID {
						sets.put("device", device.ID, text(associated(device, infinitysip.User{})))
					}
				}
				removeOne(w, user.ID, sets, func(ctx context.Context, id infinitysip.UserID) error {
					return w.client.Users.Delete(ctx, w.domain, id)
				})
			})
		},
		"Users.ListDevices": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				readAll(w, w.devicesOf(user.ID), w.userDeviceState, func(ctx context.Context) ([]infinitysip.UserDevice, error) {
					return w.client.Users.ListDevices(ctx, w.domain, user.ID, nil)
				})
			})
		},
		"Users.AllDevices": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				readAll(w, w.devicesOf(user.ID), w.userDeviceState, func(ctx context.Context) ([]infinitysip.UserDevice, error) {
					return collect(w.client.Users.AllDevices(ctx, w.domain, user.ID, &infinitysip.UserDeviceListOptions{Limit: 1}))
				})
			})
		},
		"Users.GetDevice": func(w *worker) {
			on(w, w.given(), addDevice, func(device infinitysip.Device) {
				want := state{key("device", device.ID): device.Name}
				w.read(want, func(ctx context.Context) (state, error) {
					row, err := w.client.Users.GetDevice(ctx, w.domain, device.UserID, device.ID)
					if err != nil {
						return nil, err
					}
					return w.userDeviceState([]infinitysip.UserDevice{*row}), nil
				})
			})
		},
		"Users.AddDevice": addDevice,
		"Users.RotateDeviceToken": func(w *worker) {
			on(w, w.given(), addDevice, func(device infinitysip.Device) {
				e := effect{between: state{key("device", device.ID): text(associated(device, infinitysip.User{}))}}
				w.write(e, func(ctx context.Context) (int64, error) {
					token, err := w.client.Users.RotateDeviceToken(ctx, w.domain, device.UserID, device.ID)
					if err == nil && token.Token.IsZero() {
						w.lied(&w.sum.falseSuccesses, "gave no token: %+v", token)
					}
					return 0, err
				})
			})
		},
		"Users.RemoveDevice": func(w *worker) {
			on(w, w.given(), addDevice, func(device infinitysip.Device) {
				removeOne(w, device.ID, state{key("device", device.ID): text(associated(device, infinitysip.User{}))}, func(ctx context.Context, id infinitysip.DeviceID) error {
					return w.client.Users.RemoveDevice(ctx, w.domain, device.UserID, id)
				})
			})
		},
		"Users.ListGroups": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				readAll(w, w.groupsOf(user.ID), w.userGroupState, func(ctx context.Context) ([]infinitysip.UserGroup, error) {
					return w.client.Users.ListGroups(ctx, w.domain, user.ID, nil)
				})
			})
		},
		"Users.AllGroups": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				readAll(w, w.groupsOf(user.ID), w.userGroupState, func(ctx context.Context) ([]infinitysip.UserGroup, error) {
					return collect(w.client.Users.AllGroups(ctx, w.domain, user.ID, &infinitysip.UserGroupListOptions{Limit: 1}))
				})
			})
		},
		"Users.AddGroups": func(w *worker) {
			on(w, w.users(), createUser, func(user infinitysip.User) {
				on(w, w.groups(), createGroup, func(infinitysip.Group) {
					groups := some(w, w.groups(), func(g infinitysip.Group) infinitysip.GroupID { return g.ID })
					sets := state{}
					for _, group := range groups {
						sets.put(usersOf(group), user.ID, "in")
					}
					w.update(sets, func(ctx context.Context) error {
						return w.client.Users.AddGroups(ctx, w.domain, user.ID, groups)
					})
				})
			})
		},

		"Groups.List": func(w *worker) {
			readAll(w, w.held.of("group"), w.groupState, func(ctx context.Context) ([]infinitysip.Group, error) {
				return w.client.Groups.List(ctx, w.domain)
			})
		},
		"Groups.All": func(w *worker) {
			readAll(w, w.held.of("group"), w.groupState, func(ctx context.Context) ([]infinitysip.Group, error) {
				return collect(w.client.Groups.All(ctx, w.domain))
			})
		},
		"Groups.Get": func(w *worker) {
			on(w, w.groups(), createGroup, func(group infinitysip.Group) {
				readOne(w, "group", group.ID, func(ctx context.Context, id infinitysip.GroupID) (*infinitysip.Group, error) {
					return w.client.Groups.Get(ctx, w.domain, id)
				})
			})
		},
		"Groups.Create": createGroup,
		"Groups.Update": func(w *worker) {
			on(w, w.groups(), createGroup, func(group infinitysip.Group) {
				group.DisplayName, group.CallerNameFormat = w.mark(), ""
				w.update(state{key("group", group.ID): text(group)}, func(ctx context.Context) error {
					return w.client.Groups.Update(ctx, w.domain, group.ID, group.UpdateParams())
				})
			})
		},
		"Groups.Delete": func(w *worker) {
			on(w, w.groups(), createGroup, func(group infinitysip.Group) {
				sets := state{key("group", group.ID): ""}
				for membership := range w.held.of(usersOf(group.ID)) {
					sets[membership] = ""
				}
				for _, member := range w.members() {
					if member.GroupID == group.ID {
						sets[key(membersOf(member.QueueID), member.ID)] = ""
					}
				}
				removeOne(w, group.ID, sets, func(ctx context.Context, id infinitysip.GroupID) error {
					return w.client.Groups.Delete(ctx, w.domain, id)
				})
			})
		},
		"Groups.ListUsers": func(w *worker) {
			on(w, w.groups(), createGroup, func(group infinitysip.Group) {
				readAll(w, w.held.of(usersOf(group.ID)), w.groupUserState, func(ctx context.Context) ([]infinitysip.GroupUser, error) {
					return w.client.Groups.ListUsers(ctx, w.domain, group.ID)
				})
			})
		},
		"Groups.AllUsers": func(w *worker) {
			on(w, w.groups(), createGroup, func(group infinitysip.Group) {
				readAll(w, w.held.of(usersOf(group.ID)), w.groupUserState, func(ctx context.Context) ([]infinitysip.GroupUser, error) {
					return collect(w.client.Groups.AllUsers(ctx, w.domain, group.ID))
				})
			})
		},
		"Groups.AddUsers": func(w *worker) {
			w.withUsers("in", w.client.Groups.AddUsers)
		},
		"Groups.RemoveUsers": func(w *worker) {
			w.withUsers("", w.client.Groups.RemoveUsers)
		},

		"Queues.List": func(w *worker) {
			readAll(w, w.held.of("queue"), w.queueState, func(ctx context.Context) ([]infinitysip.Queue, error) {
				return w.client.Queues.List(ctx, w.domain, nil)
			})
		},
		"Queues.All": func(w *worker) {
			readAll(w, w.held.of("queue"), w.queueState, func(ctx context.Context) ([]infinitysip.Queue, error) {
				return collect(w.client.Queues.All(ctx, w.domain, ownPages(w, infinitysip.QueueFields.Name)))
			})
		},
		"Queues.Get": func(w *worker) {
			on(w, w.queues(), createQueue, func(queue infinitysip.Queue) {
				readOne(w, "queue", queue.ID, func(ctx context.Context, id infinitysip.QueueID) (*infinitysip.Queue, error) {
					return w.client.Queues.Get(ctx, w.domain, id)
				})
			})
		},
		"Queues.Create": createQueue,
		"Queues.Update": func(w *worker) {
			on(w, w.queues(), createQueue, func(queue infinitysip.Queue) {
				queue.DisplayName = w.mark()
				w.update(state{key("queue", queue.ID): text(queue)}, func(ctx context.Context) error {
					return w.client.Queues.Update(ctx, w.domain, queue.ID, infinitysip.QueueUpdateParams{DisplayName: new(queue.DisplayName)})
				})
			})
		},
		"Queues.Delete": func(w *worker) {
			on(w, w.queues(), createQueue, func(queue infinitysip.Queue) {
				sets := state{key("queue", queue.ID): ""}
				for member := range w.held.of(membersOf(queue.ID)) {
					sets[member] = ""
				}
				removeOne(w, queue.ID, sets, func(ctx context.Context, id infinitysip.QueueID) error {
					return w.client.Queues.Delete(ctx, w.domain, id)
				})
			})
		},
		"Queues.ListMembers": func(w *worker) {
			on(w, w.queues(), createQueue, func(queue infinitysip.Queue) {
				readAll(w, w.held.of(membersOf(queue.ID)), w.memberState, func(ctx context.Context) ([]infinitysip.QueueMember, error) {
					return w.client.Queues.ListMembers(ctx, w.domain, queue.ID)
				})
			})
		},
		"Queues.AllMembers": func(w *worker) {
			on(w, w.queues(), createQueue, func(queue infinitysip.Queue) {
				readAll(w, w.held.of(membersOf(queue.ID)), w.memberState, func(ctx context.Context) ([]infinitysip.QueueMember, error) {
					return collect(w.client.Queues.AllMembers(ctx, w.domain, queue.ID))
				})
			})
		},
		"Queues.GetMember": func(w *worker) {
			on(w, w.members(), createMember, func(member infinitysip.QueueMember) {
				readOne(w, membersOf(member.QueueID), member.ID, func(ctx context.Context, id infinitysip.QueueMemberID) (*infinitysip.QueueMember, error) {
					return w.client.Queues.GetMember(ctx, w.domain, member.QueueID, id)
				})
			})
		},
		"Queues.CreateMember": createMember,
		"Queues.UpdateMember": func(w *worker) {
			on(w, w.members(), createMember, func(member infinitysip.QueueMember) {
				w.serial++
				member.RingSecs, member.RingStrategy = w.serial, infinitysip.RingHuntLongestIdle
				w.update(state{key(membersOf(member.QueueID), member.ID): text(member)}, func(ctx context.Context) error {
					return w.client.Queues.UpdateMember(ctx, w.domain, member.QueueID, member.ID, infinitysip.QueueMemberUpdateParams{
						RingSecs: new(member.RingSecs), RingStrategy: new(member.RingStrategy),
					})
				})
			})
		},
		"Queues.DeleteMember": func(w *worker) {
			on(w, w.members(), createMember, func(member infinitysip.QueueMember) {
				removeOne(w, member.ID, state{key(membersOf(member.QueueID), member.ID): ""}, func(ctx context.Context, id infinitysip.QueueMemberID) error {
					return w.client.Queues.DeleteMember(ctx, w.domain, member.QueueID, id)
				})
			})
		},
		"Queues.SetMemberOrder": func(w *worker) {
			on(w, w.members(), createMember, func(one infinitysip.QueueMember) {
				members := w.srv.QueueMembers(w.domain, one.QueueID)
				w.rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
				var order []infinitysip.QueueMemberID
				sets := state{}
				for i, member := range members {
					order = append(order, member.ID)
					member.RingOrder = i + 1
					sets.put(membersOf(one.QueueID), member.ID, text(member))
				}
				w.update(sets, func(ctx context.Context) error {
					return w.client.Queues.SetMemberOrder(ctx, w.domain, one.QueueID, order)
				})
			})
		},

		"TrustedNetworks.List": func(w *worker) {
			readAll(w, w.held.of("network"), w.networkState, func(ctx context.Context) ([]infinitysip.TrustedNetwork, error) {
				return w.client.TrustedNetworks.List(ctx, w.domain, nil)
			})
		},
		"TrustedNetworks.All": func(w *worker) {
			readAll(w, w.held.of("network"), w.networkState, func(ctx context.Context) ([]infinitysip.TrustedNetwork, error) {
				return collect(w.client.TrustedNetworks.All(ctx, w.domain, ownPages(w, infinitysip.TrustedNetworkFields.Description)))
			})
		},
		"TrustedNetworks.Get": func(w *worker) {
			on(w, w.networks(), createNetwork, func(network infinitysip.TrustedNetwork) {
				readOne(w, "network", network.ID, func(ctx context.Context, id infinitysip.TrustedNetworkID) (*infinitysip.TrustedNetwork, error) {
					return w.client.TrustedNetworks.Get(ctx, w.domain, id)
				})
			})
		},
		"TrustedNetworks.Create": createNetwork,
		"TrustedNetworks.Update": func(w *worker) {
			on(w, w.networks(), createNetwork, func(network infinitysip.TrustedNetwork) {
				network.Description = w.mark()
				w.update(state{key("network", network.ID): text(network)}, func(ctx context.Context) error {
					return w.client.TrustedNetworks.Update(ctx, w.domain, network.ID, infinitysip.TrustedNetworkUpdateParams{Description: new(network.Description)})
				})
			})
		},
		"TrustedNetworks.Delete": func(w *worker) {
			on(w, w.networks(), createNetwork, func(network infinitysip.TrustedNetwork) {
				removeOne(w, network.ID, state{key("network", network.ID): ""}, func(ctx context.Context, id infinitysip.TrustedNetworkID) error {
					return w.client.TrustedNetworks.Delete(ctx, w.domain, id)
				})
			})
		},

		"Devices.List": func(w *worker) {
			readAll(w, w.held.of("device"), w.deviceState, func(ctx context.Context) ([]infinitysip.Device, error) {
				return w.client.Devices.List(ctx, w.domain, nil)
			})
		},
		"Devices.All": func(w *worker) {
			readAll(w, w.held.of("device"), w.deviceState, func(ctx context.Context) ([]infinitysip.Device, error) {
				return collect(w.client.Devices.All(ctx, w.domain, ownPages(w, infinitysip.DeviceFields.Name)))
			})
		},
		"Devices.Get": func(w *worker) {
			on(w, w.devices(), createDevice, func(device infinitysip.Device) {
				readOne(w, "device", device.ID, func(ctx context.Context, id infinitysip.DeviceID) (*infinitysip.Device, error) {
					return w.client.Devices.Get(ctx, w.domain, id)
				})
			})
		},
		"Devices.Create": createDevice,
		"Devices.Update": func(w *worker) {
			on(w, w.devices(), createDevice, func(device infinitysip.Device) {
				device.Name = w.mark()
				w.update(state{key("device", device.ID): text(device)}, func(ctx context.Context) error {
					return w.client.Devices.Update(ctx, w.domain, device.ID, infinitysip.DeviceUpdateParams{Name: device.Name})
				})
			})
		},
		"Devices.Delete": func(w *worker) {
			on(w, w.devices(), createDevice, func(device infinitysip.Device) {
				removeOne(w, device.ID, state{key("device", device.ID): ""}, func(ctx context.Context, id infinitysip.DeviceID) error {
					return w.client.Devices.Delete(ctx, w.domain, id)
				})
			})
		},
	}
}

// ownPages asks for this worker's rows, two at a time. Between two pages of
// everybody's rows somebody else may add or remove one.
func ownPages[R any](w *worker, name infinitysip.Field[R]) *infinitysip.ListOptions[R] {
	return &infinitysip.ListOptions[R]{Filter: infinitysip.Where(name.Begins(w.name)), Limit: 2}
}

// withUsers adds some users to a group or removes them, in requests of three
// each.
func (w *worker) withUsers(sets string, do func(context.Context, infinitysip.DomainID, infinitysip.GroupID, []infinitysip.UserID, ...infinitysip.CallOption) error) {
	on(w, w.groups(), createGroup, func(group infinitysip.Group) {
		on(w, w.users(), createUser, func(infinitysip.User) {
			users := some(w, w.users(), func(u infinitysip.User) infinitysip.UserID { return u.ID })
			changes := state{}
			for _, user := range users {
				changes[key(usersOf(group.ID), user)] = sets
			}
			w.update(changes, func(ctx context.Context) error { return do(ctx, w.domain, group.ID, users) })
		})
	})
}
