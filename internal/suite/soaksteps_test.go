package suite_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// step has a worker of the soak make a call, by the name of its method, and says
// what the server must hold after it.
type step func(w *worker, method string)

// soakSteps are the steps, by the names of their methods.
func soakSteps() map[string]step {
	steps := make(map[string]step)
	for _, m := range append(compounds(), finds()...) {
		steps[m.name] = m.soak
	}
	for _, call := range apiCalls() {
		steps[call.op] = call.soak
		if iterator := iteratorOf(call.op); iterator != "" {
			steps[iterator] = call.soak
		}
	}
	return steps
}

// nobody is an id that nothing has.
const nobody = 999_999

// kind is a kind of things that the workers make, read, change and remove, with
// rows R.
type kind[R any] struct {
	name   func(R) string         // of the kind, in a state
	all    func(*worker) []R      // what the server holds
	own    func(*worker, R) bool  // whether a thing is the worker's own
	ids    func(*worker, R) []any // those that a call on a thing names, its own at last
	create string                 // the method that makes another one
}

func is[R any](name string) func(R) string { return func(R) string { return name } }

// begins is for things whose name begins as the worker's own do.
func begins[R any](name func(R) string) func(*worker, R) bool {
	return func(w *worker, row R) bool { return strings.HasPrefix(name(row), w.name) }
}

var (
	domains = kind[infinitysip.Domain]{
		name: is[infinitysip.Domain]("domain"),
		all:  func(w *worker) []infinitysip.Domain { return w.srv.Domains() },
		own:  func(w *worker, d infinitysip.Domain) bool { return d.ID == w.home },
		ids:  func(_ *worker, d infinitysip.Domain) []any { return []any{d.ID} },
	}
	users = kind[infinitysip.User]{
		name:   is[infinitysip.User]("user"),
		all:    func(w *worker) []infinitysip.User { return w.srv.Users(w.domain) },
		own:    begins(func(u infinitysip.User) string { return u.User }),
		ids:    func(w *worker, u infinitysip.User) []any { return []any{w.domain, u.ID} },
		create: "Users.Create",
	}
	groups = kind[infinitysip.Group]{
		name:   is[infinitysip.Group]("group"),
		all:    func(w *worker) []infinitysip.Group { return w.srv.Groups(w.domain) },
		own:    begins(func(g infinitysip.Group) string { return g.Name }),
		ids:    func(w *worker, g infinitysip.Group) []any { return []any{w.domain, g.ID} },
		create: "Groups.Create",
	}
	queues = kind[infinitysip.Queue]{
		name:   is[infinitysip.Queue]("queue"),
		all:    func(w *worker) []infinitysip.Queue { return w.srv.Queues(w.domain) },
		own:    begins(func(q infinitysip.Queue) string { return q.Name }),
		ids:    func(w *worker, q infinitysip.Queue) []any { return []any{w.domain, q.ID} },
		create: "Queues.Create",
	}
	members = kind[infinitysip.QueueMember]{
		name: func(m infinitysip.QueueMember) string { return membersOf(m.QueueID) },
		all: func(w *worker) (all []infinitysip.QueueMember) {
			for _, queue := range queues.rows(w) {
				all = append(all, w.srv.QueueMembers(w.domain, queue.ID)...)
			}
			return all
		},
		own:    func(*worker, infinitysip.QueueMember) bool { return true },
		ids:    func(w *worker, m infinitysip.QueueMember) []any { return []any{w.domain, m.QueueID, m.ID} },
		create: "Queues.CreateMember",
	}
	networks = kind[infinitysip.TrustedNetwork]{
		name:   is[infinitysip.TrustedNetwork]("network"),
		all:    func(w *worker) []infinitysip.TrustedNetwork { return w.srv.TrustedNetworks(w.domain) },
		own:    begins(func(n infinitysip.TrustedNetwork) string { return n.Description }),
		ids:    func(w *worker, n infinitysip.TrustedNetwork) []any { return []any{w.domain, n.ID} },
		create: "TrustedNetworks.Create",
	}
	devices = kind[infinitysip.Device]{
		name:   is[infinitysip.Device]("device"),
		all:    func(w *worker) []infinitysip.Device { return w.srv.Devices(w.domain) },
		own:    begins(func(d infinitysip.Device) string { return d.Name }),
		ids:    func(w *worker, d infinitysip.Device) []any { return []any{w.domain, d.ID} },
		create: "Devices.Create",
	}
	// given are the devices that a user has.
	given = kind[infinitysip.Device]{
		name:   is[infinitysip.Device]("device"),
		all:    func(w *worker) []infinitysip.Device { return devices.rows(w) },
		own:    func(_ *worker, d infinitysip.Device) bool { return d.UserID != 0 },
		ids:    func(w *worker, d infinitysip.Device) []any { return []any{w.domain, d.UserID, d.ID} },
		create: "Users.AddDevice",
	}
)

func usersOf(group infinitysip.GroupID) string   { return fmt.Sprintf("in %d", group) }
func membersOf(queue infinitysip.QueueID) string { return fmt.Sprintf("member %d", queue) }
func key(kind string, id any) string             { return fmt.Sprintf("%s %d", kind, id) }

// rows are the worker's own that the server holds.
func (k kind[R]) rows(w *worker) []R {
	return slices.DeleteFunc(k.all(w), func(row R) bool { return !k.own(w, row) })
}

// state makes a state of the worker's own among rows.
func (k kind[R]) state(w *worker, rows []R) state {
	s := state{}
	for _, row := range rows {
		if k.own(w, row) {
			s.put(k.name(row), k.id(w, row), text(row))
		}
	}
	return s
}

func (k kind[R]) id(w *worker, row R) any {
	ids := k.ids(w, row)
	return ids[len(ids)-1]
}

// text shows a row less its id, its times and what is not in every answer.
func text(row any) string {
	shown := reflect.New(reflect.TypeOf(row)).Elem()
	shown.Set(reflect.ValueOf(row))
	for _, name := range []string{"ID", "Password", "PIN", "Created", "Updated", "Extra"} {
		if field := shown.FieldByName(name); field.IsValid() {
			field.SetZero()
		}
	}
	return fmt.Sprintf("%+v", shown.Interface())
}

// now is what the server holds.
func (w *worker) now() state {
	s := state{}
	for _, user := range users.rows(w) {
		s.put("secrets", user.ID, user.Password.Reveal()+" "+user.PIN.Reveal())
	}
	for _, group := range groups.rows(w) {
		for _, user := range w.srv.GroupUsers(w.domain, group.ID) {
			s.put(usersOf(group.ID), user, "in")
		}
	}
	for _, more := range []state{
		domains.state(w, domains.rows(w)), users.state(w, users.rows(w)), groups.state(w, groups.rows(w)), queues.state(w, queues.rows(w)),
		members.state(w, members.rows(w)), networks.state(w, networks.rows(w)), devices.state(w, devices.rows(w)),
	} {
		maps.Copy(s, more)
	}
	return s
}

// These are parts of a state, and states of the rows that show them.

func (w *worker) groupsOf(user infinitysip.User) state {
	s := w.held.of("in")
	maps.DeleteFunc(s, func(key, _ string) bool { return !strings.HasSuffix(key, fmt.Sprintf(" %d", user.ID)) })
	return s
}

func (w *worker) devicesOf(user infinitysip.User) state {
	s := state{}
	for _, d := range devices.rows(w) {
		if d.UserID == user.ID {
			s.put("device", d.ID, d.Name)
		}
	}
	return s
}

func groupUserState(_ *worker, rows []infinitysip.GroupUser) state {
	s := state{}
	for _, row := range rows {
		s.put(usersOf(row.GroupID), row.UserID, "in")
	}
	return s
}

func userGroupState(_ *worker, rows []infinitysip.UserGroup) state {
	s := state{}
	for _, row := range rows {
		s.put(usersOf(row.GroupID), row.UserID, "in")
	}
	return s
}

func userDeviceState(_ *worker, rows []infinitysip.UserDevice) state {
	s := state{}
	for _, row := range rows {
		s.put("device", row.DeviceID, row.Name)
	}
	return s
}

func associated(device infinitysip.Device, user infinitysip.User) infinitysip.Device {
	device.UserID, device.User = user.ID, user.User
	return device
}

// on does something with one of the worker's own things, or, where there is none,
// makes one.
func on[R any](w *worker, k kind[R], do func(R)) {
	rows := k.rows(w)
	if len(rows) == 0 {
		w.steps[k.create](w, k.create)
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

// elsewhere are the same ids but the last, which is now and then that of nothing.
func (w *worker) elsewhere(ids []any) (changed []any, missing bool) {
	if w.rng.IntN(10) > 0 {
		return ids, false
	}
	last := len(ids) - 1
	none := reflect.New(reflect.TypeOf(ids[last])).Elem()
	none.SetInt(nobody)
	return append(slices.Clone(ids[:last]), none.Interface()), true
}

// listStep reads a list of the worker's own things, or what an iterator over it
// yields. pages are the options of the iterator, if it has any.
func listStep[R any](k kind[R], pages func(*worker) any) step {
	return func(w *worker, method string) {
		var none R
		w.list(method, []any{w.domain}, w.held.of(k.name(none)), pages, func(rows any) state { return k.state(w, rows.([]R)) })
	}
}

// listOfStep reads a list of what one thing has.
func listOfStep[P, R any](parents kind[P], want func(*worker, P) state, of func(*worker, []R) state, pages func(*worker) any) step {
	return func(w *worker, method string) {
		on(w, parents, func(parent P) {
			w.list(method, parents.ids(w, parent), want(w, parent), pages, func(rows any) state { return of(w, rows.([]R)) })
		})
	}
}

func (w *worker) list(method string, named []any, want state, pages func(*worker) any, of func(any) state) {
	var params any
	if pages != nil && strings.Contains(method, ".All") {
		params = pages(w)
	}
	w.read(want, func(ctx context.Context) (state, error) {
		rows, err := invoke(ctx, w.client, method, idsOf(named...), params)
		if all, ok := rows.(iterated); ok {
			rows, err = all.take(-1)
		}
		return of(rows), err
	})
}

// ownPages asks for this worker's rows, two at a time. Between two pages of
// everybody's rows somebody else may add or remove one.
func ownPages[R any](name infinitysip.Field[R]) func(*worker) any {
	return func(w *worker) any {
		return &infinitysip.ListOptions[R]{Filter: infinitysip.Where(name.Begins(w.name)), PageSize: 2}
	}
}

// onePerPage asks for one row at a time.
func onePerPage[R any](*worker) any { return &infinitysip.ListOptions[R]{PageSize: 1} }

// getStep reads a thing, or now and then one that is not there.
func getStep[R any](k kind[R]) step {
	return func(w *worker, method string) {
		on(w, k, func(row R) {
			name := key(k.name(row), k.id(w, row))
			want := state{name: w.held[name]}
			named, missing := w.elsewhere(k.ids(w, row))
			if missing {
				want = nil
			}
			w.read(want, func(ctx context.Context) (state, error) {
				got, err := invoke(ctx, w.client, method, idsOf(named...), nil)
				if err != nil {
					return nil, err
				}
				return state{name: text(*got.(*R))}, nil
			})
		})
	}
}

// findStep finds a thing by what names it, which several may share.
func findStep[R any](k kind[R], by func(R) any) step {
	return func(w *worker, method string) {
		on(w, k, func(row R) {
			want := state{}
			for _, one := range k.rows(w) {
				if by(one) == by(row) {
					want.put(k.name(one), k.id(w, one), text(one))
				}
			}
			w.read(want, func(ctx context.Context) (state, error) {
				got, err := invoke(ctx, w.client, method, idsOf(w.domain), by(row))
				found, failed := state{}, new(infinitysip.Error)
				switch {
				case err == nil:
					found.put(k.name(*got.(*R)), k.id(w, *got.(*R)), text(*got.(*R)))
					return found, nil
				case errors.As(err, &failed) && len(failed.Found) > 1:
					for _, id := range failed.Found {
						found[key(k.name(row), id)] = want[key(k.name(row), id)]
					}
					return found, nil
				case errors.Is(err, infinitysip.ErrNotFound) && failed.StatusCode == 0:
					w.lied(&w.sum.falseSuccesses, "did not find what is there: %v", err)
				}
				return nil, err
			})
		})
	}
}

// updateStep changes a thing. change returns the params for it, and what else changes
// with it.
func updateStep[R any](k kind[R], change func(*worker, *R) (params any, more state)) step {
	return func(w *worker, method string) {
		on(w, k, func(row R) {
			params, more := change(w, &row)
			sets := state{key(k.name(row), k.id(w, row)): text(row)}
			maps.Copy(sets, more)
			w.update(sets, func(ctx context.Context) error {
				_, err := invoke(ctx, w.client, method, idsOf(k.ids(w, row)...), params)
				return err
			})
		})
	}
}

// deleteStep removes a thing, or now and then one that is not there. also is what
// else changes with it.
func deleteStep[R any](k kind[R], also func(*worker, R) state) step {
	return func(w *worker, method string) {
		on(w, k, func(row R) {
			e := effect{sets: state{key(k.name(row), k.id(w, row)): ""}}
			if also != nil {
				maps.Copy(e.sets, also(w, row))
			}
			named, missing := w.elsewhere(k.ids(w, row))
			if missing {
				e = effect{missing: true}
			}
			w.write(e, func(ctx context.Context) (int64, error) {
				_, err := invoke(ctx, w.client, method, idsOf(named...), nil)
				return 0, err
			})
		})
	}
}

// update sets something.
func (w *worker) update(sets state, do func(context.Context) error) {
	w.write(effect{sets: sets}, func(ctx context.Context) (int64, error) { return 0, do(ctx) })
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

func createUser(w *worker, _ string) {
	mark := w.mark()
	user := infinitysip.User{DomainID: w.domain, User: mark, DisplayName: mark, ExtensionNumber: w.extension(), HotdeskAllowed: w.rng.IntN(2) == 0}
	var again bool
	user.User, again = taken(w, users.rows(w), func(u infinitysip.User) string { return u.User }, mark)
	params := infinitysip.UserCreateParams{
		User: user.User, Password: infinitysip.NewSecret(canaryPassword), DisplayName: mark, ExtensionNumber: user.ExtensionNumber,
		PIN: infinitysip.NewSecret(canaryPIN), HotdeskAllowed: new(user.HotdeskAllowed),
	}
	w.write(effect{makes: state{"user": text(user), "secrets": canaryPassword + " " + canaryPIN}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Users.Create(ctx, w.domain, params)
		return int64(id), err
	})
}

func createGroup(w *worker, _ string) {
	mark := w.mark()
	group := infinitysip.Group{DomainID: w.domain, DisplayName: mark, ExtensionNumber: w.extension(), RingRetry: w.rng.IntN(2) == 0, CallerNameFormat: "{displayName}"}
	var again bool
	group.Name, again = taken(w, groups.rows(w), func(g infinitysip.Group) string { return g.Name }, mark)
	w.write(effect{makes: state{"group": text(group)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Groups.Create(ctx, w.domain, infinitysip.GroupCreateParams(group.UpdateParams()))
		return int64(id), err
	})
}

func createQueue(w *worker, _ string) {
	mark := w.mark()
	queue := infinitysip.Queue{DomainID: w.domain, DisplayName: mark, ExtensionNumber: w.extension(), CallerNameFormat: "{dgrpName}"}
	var again bool
	queue.Name, again = taken(w, queues.rows(w), func(q infinitysip.Queue) string { return q.Name }, mark)
	w.write(effect{makes: state{"queue": text(queue)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Queues.Create(ctx, w.domain, infinitysip.QueueCreateParams{
			Name: queue.Name, DisplayName: mark, ExtensionNumber: queue.ExtensionNumber, CallerNameFormat: queue.CallerNameFormat,
		})
		return int64(id), err
	})
}

func createMember(w *worker, _ string) {
	on(w, queues, func(queue infinitysip.Queue) {
		on(w, groups, func(group infinitysip.Group) {
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

func createNetwork(w *worker, _ string) {
	network := infinitysip.TrustedNetwork{DomainID: w.domain, Description: w.mark()}
	var again bool
	network.Network, again = taken(w, networks.rows(w), func(n infinitysip.TrustedNetwork) netip.Prefix { return n.Network },
		netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(w.n), byte(w.serial), 1}), 24))
	w.write(effect{makes: state{"network": text(network)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.TrustedNetworks.Create(ctx, w.domain, infinitysip.TrustedNetworkCreateParams{Network: network.Network, Description: network.Description})
		return int64(id), err
	})
}

func createDevice(w *worker, _ string) {
	device := infinitysip.Device{DomainID: w.domain, Name: w.mark()}
	var again bool
	device.MACAddress, again = taken(w, devices.rows(w), func(d infinitysip.Device) string { return d.MACAddress },
		fmt.Sprintf("0A:00:00:00:%02X:%02X", w.n, w.serial%256))
	w.write(effect{makes: state{"device": text(device)}, taken: again}, func(ctx context.Context) (int64, error) {
		id, err := w.client.Devices.Create(ctx, w.domain, infinitysip.DeviceCreateParams{Name: device.Name, MACAddress: strings.ToLower(device.MACAddress)})
		return int64(id), err
	})
}

func addDevice(w *worker, _ string) {
	on(w, users, func(user infinitysip.User) {
		on(w, devices, func(device infinitysip.Device) {
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

func getDevice(w *worker, _ string) {
	on(w, given, func(device infinitysip.Device) {
		want := state{key("device", device.ID): device.Name}
		w.read(want, func(ctx context.Context) (state, error) {
			row, err := w.client.Users.GetDevice(ctx, w.domain, device.UserID, device.ID)
			if err != nil {
				return nil, err
			}
			return userDeviceState(w, []infinitysip.UserDevice{*row}), nil
		})
	})
}

func rotateToken(w *worker, _ string) {
	on(w, given, func(device infinitysip.Device) {
		e := effect{between: state{key("device", device.ID): text(associated(device, infinitysip.User{}))}}
		w.write(e, func(ctx context.Context) (int64, error) {
			token, err := w.client.Users.RotateDeviceToken(ctx, w.domain, device.UserID, device.ID)
			if err == nil && token.Token.IsZero() {
				w.lied(&w.sum.falseSuccesses, "gave no token: %+v", token)
			}
			return 0, err
		})
	})
}

func rotateTokens(w *worker, _ string) {
	on(w, given, func(device infinitysip.Device) {
		e := effect{between: state{}}
		all := 0
		for _, one := range given.rows(w) {
			if one.UserID == device.UserID {
				e.between.put("device", one.ID, text(associated(one, infinitysip.User{})))
				all++
			}
		}
		w.write(e, func(ctx context.Context) (int64, error) {
			for token, err := range w.client.Users.RotateDeviceTokens(ctx, w.domain, device.UserID) {
				if err != nil {
					return 0, err
				}
				if all--; token.Token.IsZero() || token.UserID != device.UserID {
					w.lied(&w.sum.falseSuccesses, "gave no token: %+v", token)
				}
			}
			if all != 0 {
				w.lied(&w.sum.falseSuccesses, "passed over %d devices", all)
			}
			return 0, nil
		})
	})
}

func addGroups(w *worker, _ string) {
	on(w, users, func(user infinitysip.User) {
		on(w, groups, func(infinitysip.Group) {
			some := some(w, groups.rows(w), func(g infinitysip.Group) infinitysip.GroupID { return g.ID })
			sets := state{}
			for _, group := range some {
				sets.put(usersOf(group), user.ID, "in")
			}
			w.update(sets, func(ctx context.Context) error {
				return w.client.Users.AddGroups(ctx, w.domain, user.ID, some)
			})
		})
	})
}

// changeUsers adds some users to a group or removes them, in requests of three
// each.
func changeUsers(w *worker, method string) {
	sets := map[string]string{"Groups.AddUsers": "in", "Groups.RemoveUsers": ""}[method]
	on(w, groups, func(group infinitysip.Group) {
		on(w, users, func(infinitysip.User) {
			some := some(w, users.rows(w), func(u infinitysip.User) infinitysip.UserID { return u.ID })
			changes := state{}
			for _, user := range some {
				changes[key(usersOf(group.ID), user)] = sets
			}
			w.update(changes, func(ctx context.Context) error {
				_, err := invoke(ctx, w.client, method, idsOf(w.domain, group.ID), some)
				return err
			})
		})
	})
}

func setOrder(w *worker, _ string) {
	on(w, members, func(one infinitysip.QueueMember) {
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
}
