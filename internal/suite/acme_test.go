package suite_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// acme is a server of a kind with a domain that has one of everything in it,
// and a client of it.
type acme struct {
	*siptest.Server
	client *infinitysip.Client
	domain infinitysip.DomainID
	group  infinitysip.GroupID
	queue  infinitysip.QueueID
	user   infinitysip.UserID
	device infinitysip.DeviceID
}

func newAcme(t *testing.T, o siptest.Options, opts ...infinitysip.Option) *acme {
	t.Helper()
	a := &acme{Server: siptest.New(t, o)}
	a.client = a.InProcessClient(opts...)
	a.domain = a.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	var err error
	a.group, err = a.client.Groups.Create(t.Context(), a.domain, infinitysip.GroupCreateParams{Name: "all", DisplayName: "All", ExtensionNumber: "0200", CallerNameFormat: "{displayName}"})
	require.NoError(t, err)
	a.queue, err = a.client.Queues.Create(t.Context(), a.domain, infinitysip.QueueCreateParams{Name: "first", DisplayName: "First", ExtensionNumber: "0300"})
	require.NoError(t, err)
	params := newUser()
	params.User, params.ExtensionNumber = "first", "0101"
	a.user, err = a.client.Users.Create(t.Context(), a.domain, params)
	require.NoError(t, err)
	a.device, err = a.client.Devices.Create(t.Context(), a.domain, infinitysip.DeviceCreateParams{Name: "First", MACAddress: "10:20:30:00:00:01"})
	require.NoError(t, err)
	a.ResetRequests()
	return a
}

// sent counts the requests of a call.
func (a *acme) sent(op string) int { return a.hits()[op] }

// hits counts the requests of each call, less those of somebodyElse.
func (a *acme) hits() map[string]int {
	n := make(map[string]int)
	for _, req := range a.Requests() {
		if req.Header.Get("User-Agent") != somebodyElse+" infinitysip-go/devel" {
			n[req.Op]++
		}
	}
	return n
}

// holds lists all that the server holds, less its times and tokens.
func (a *acme) holds() []string {
	var all []string
	note := func(row any, more ...any) { all = append(all, fmt.Sprintf("%T%+v %v", row, row, more)) }
	for _, user := range a.Users(a.domain) {
		note(user, user.Password.Reveal() == canaryPassword, user.PIN.Reveal() == canaryPIN)
	}
	for _, group := range a.Groups(a.domain) {
		note(group, a.GroupUsers(a.domain, group.ID))
	}
	for _, queue := range a.Queues(a.domain) {
		note(queue, a.QueueMembers(a.domain, queue.ID))
	}
	for _, network := range a.TrustedNetworks(a.domain) {
		note(network)
	}
	for _, device := range a.Devices(a.domain) {
		device.Created, device.Updated = time.Time{}, time.Time{}
		note(device)
	}
	return all
}

// somebodyElse is the product name of another program on the same server.
const somebodyElse = "somebody-else/1"

// somebody is a client of somebody else, who has domain 1 too.
func somebody(s *siptest.Server) *infinitysip.Client {
	return s.InProcessClient(infinitysip.WithUserAgent(somebodyElse))
}

// must is for what a test's own doing depends on.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// call is a call of the API on acme.
type call struct {
	op      string
	look    string // what the client looks with, for what the call did
	before  int    // looks that come before the call
	pages   bool   // a look takes as many requests as there are pages
	secret  bool   // it sends a password and a PIN
	do      func(context.Context, *acme) (any, error)
	handsOn bool // rows as they arrive, before it is known that it succeeds
}

// proof counts the requests that a look takes beyond its first to prove that
// nothing is there: for the whole list, and for its last row.
func (c call) proof(a *acme) int {
	switch {
	case c.look == "Users.GetDevice":
		return 0
	case c.look == "Queues.ListMembers" && len(a.QueueMembers(a.domain, a.queue)) == 0, c.look == "TrustedNetworks.List" && len(a.TrustedNetworks(a.domain)) == 0:
		return 1
	}
	return 2
}

var (
	usersCreate = call{op: "Users.Create", look: "Users.List", secret: true, do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Users.Create(ctx, a.domain, newUser())
	}}
	groupsCreate = call{op: "Groups.Create", look: "Groups.List", do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Groups.Create(ctx, a.domain, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0201", RingRetry: true, CallerNameFormat: "{displayName}"})
	}}
	queuesCreate = call{op: "Queues.Create", look: "Queues.List", do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Queues.Create(ctx, a.domain, infinitysip.QueueCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0301"})
	}}
	// A queue may ring the same group twice, so a create of a member looks
	// first who is there.
	queuesCreateMember = call{op: "Queues.CreateMember", look: "Queues.ListMembers", before: 1, do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Queues.CreateMember(ctx, a.domain, a.queue, infinitysip.QueueMemberCreateParams{GroupID: a.group, RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: 1})
	}}
	trustedNetworksCreate = call{op: "TrustedNetworks.Create", look: "TrustedNetworks.List", do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.TrustedNetworks.Create(ctx, a.domain, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Office"})
	}}
	devicesCreate = call{op: "Devices.Create", look: "Devices.List", do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Devices.Create(ctx, a.domain, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:00:00:02"})
	}}
	usersAddDevice = call{op: "Users.AddDevice", look: "Users.GetDevice", do: func(ctx context.Context, a *acme) (any, error) {
		token, err := a.client.Users.AddDevice(ctx, a.domain, a.user, a.device)
		if err != nil {
			return token, err
		}
		if token.Token.IsZero() {
			return nil, errors.New("no token")
		}
		return token.DeviceID, nil // each server has tokens of its own
	}}

	usersGet = call{op: "Users.Get", do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Users.Get(ctx, a.domain, a.user)
	}}
	usersList = call{op: "Users.List", do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Users.List(ctx, a.domain)
	}}
	usersAll = call{op: "Users.List", handsOn: true, do: func(ctx context.Context, a *acme) (any, error) {
		rows := []infinitysip.User{}
		for row, err := range a.client.Users.All(ctx, a.domain) {
			if err != nil {
				return rows, err
			}
			rows = append(rows, row)
		}
		return rows, nil
	}}
	usersUpdate = call{op: "Users.Update", do: func(ctx context.Context, a *acme) (any, error) {
		return nil, a.client.Users.Update(ctx, a.domain, a.user, infinitysip.UserUpdateParams{Email: new("joe@example.com"), Password: new(infinitysip.NewSecret(canaryPassword))})
	}}
	usersDelete = call{op: "Users.Delete", do: func(ctx context.Context, a *acme) (any, error) {
		return nil, a.client.Users.Delete(ctx, a.domain, a.user)
	}}
	// queuesSetMemberOrder turns the order of the members round; see furnish.
	queuesSetMemberOrder = call{op: "Queues.SetMemberOrder", do: func(ctx context.Context, a *acme) (any, error) {
		return nil, a.client.Queues.SetMemberOrder(ctx, a.domain, a.queue, []infinitysip.QueueMemberID{2, 1})
	}}
	groupsAddUsers = call{op: "Groups.AddUsers", look: "Groups.ListUsers", do: func(ctx context.Context, a *acme) (any, error) {
		return nil, a.client.Groups.AddUsers(ctx, a.domain, a.group, a.userIDs())
	}}
	usersAddGroups = call{op: "Users.AddGroups", look: "Users.ListGroups", pages: true, do: func(ctx context.Context, a *acme) (any, error) {
		return nil, a.client.Users.AddGroups(ctx, a.domain, a.user, []infinitysip.GroupID{a.group})
	}}
	// groupsRemoveUsers empties the team; see furnish.
	groupsRemoveUsers = call{op: "Groups.RemoveUsers", do: func(ctx context.Context, a *acme) (any, error) {
		return nil, a.client.Groups.RemoveUsers(ctx, a.domain, team, a.userIDs())
	}}

	usersRemoveDevice = call{op: "Users.RemoveDevice", do: func(ctx context.Context, a *acme) (any, error) {
		return nil, a.client.Users.RemoveDevice(ctx, a.domain, a.user, a.device)
	}}
	devicesList = call{op: "Devices.List", do: func(ctx context.Context, a *acme) (any, error) {
		return a.client.Devices.List(ctx, a.domain, nil)
	}}
	// devicesAll pages, three by three; see tenDevices.
	devicesAll = call{op: "Devices.List", handsOn: true, do: func(ctx context.Context, a *acme) (any, error) {
		return a.pageDevices(ctx, &infinitysip.DeviceListOptions{PageSize: 3})
	}}
	// manyAtOnce has 200 goroutines each make a user, change it, read it and
	// delete it.
	manyAtOnce = call{op: "Users.Create", do: func(ctx context.Context, a *acme) (any, error) {
		failed := make([]error, 200)
		var workers sync.WaitGroup
		for i := range failed {
			workers.Go(func() { failed[i] = a.live(ctx, fmt.Sprint("worker", i), fmt.Sprint(1000+i)) })
		}
		workers.Wait()
		return nil, errors.Join(failed...)
	}}
	// steadily reads a user each second, for a minute, and then makes one. What
	// fails must not be tried so often that it adds to the trouble: beyond the
	// first attempts a new client has a quota of 100, of which each costs 5.
	steadily = call{op: "Users.Create", do: func(ctx context.Context, a *acme) (any, error) {
		reads := 0
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(time.Second) { // the bubble's clock
			reads++
			if _, err := a.client.Users.Get(ctx, a.domain, a.user); errors.Is(err, infinitysip.ErrOutcomeUnknown) {
				return nil, err
			}
		}
		if n := a.sent("Users.Get"); n > reads+100/5 {
			return nil, fmt.Errorf("%d calls made %d requests", reads, n)
		}
		return usersCreate.do(ctx, a)
	}}

	creates = []call{usersCreate, groupsCreate, queuesCreate, queuesCreateMember, trustedNetworksCreate, devicesCreate}
	keyed   = slices.DeleteFunc(slices.Clone(creates), func(c call) bool { return c.op == queuesCreateMember.op }) // what a key identifies
	reads   = []call{usersGet, usersList, usersAll}
	updates = []call{usersUpdate, queuesSetMemberOrder, usersDelete, groupsRemoveUsers}
	adds    = []call{groupsAddUsers, usersAddGroups}
	writes  = slices.Concat(creates, []call{usersAddDevice}, updates, adds)
	every   = slices.Concat(reads, writes)
)

// pageDevices reads the ids of the devices that are there all the time: not of
// what insertDevice inserts and deleteDevice deletes.
func (a *acme) pageDevices(ctx context.Context, opts *infinitysip.DeviceListOptions) ([]infinitysip.DeviceID, error) {
	ids := []infinitysip.DeviceID{}
	for device, err := range a.client.Devices.All(ctx, a.domain, opts) {
		if err != nil {
			return ids, err
		}
		if device.ID != 1 && device.ID <= 10 {
			ids = append(ids, device.ID)
		}
	}
	return ids, nil
}

// live makes a user, changes it, reads it and deletes it.
func (a *acme) live(ctx context.Context, name, extension string) error {
	params := newUser()
	params.User, params.ExtensionNumber = name, extension
	id, err := a.client.Users.Create(ctx, a.domain, params)
	if err != nil {
		return err
	}
	if err := a.client.Users.Update(ctx, a.domain, id, infinitysip.UserUpdateParams{Email: new(name + "@example.com")}); err != nil {
		return err
	}
	user, err := a.client.Users.Get(ctx, a.domain, id)
	if err != nil {
		return err
	}
	if user.User != name || user.Email != name+"@example.com" {
		return fmt.Errorf("read %s where %s was made", user.User, name)
	}
	return a.client.Users.Delete(ctx, a.domain, id)
}

// afterAGet makes a call on a connection that has been used before.
func afterAGet(c call) call {
	do := c.do
	c.do = func(ctx context.Context, a *acme) (any, error) {
		if got, err := usersGet.do(ctx, a); err != nil {
			return got, err
		}
		return do(ctx, a)
	}
	return c
}

// afterAnUpdate makes a call on a server that has just accepted a write.
func afterAnUpdate(c call) call {
	do := c.do
	c.do = func(ctx context.Context, a *acme) (any, error) {
		if err := move(ctx, a.client); err != nil {
			return nil, err
		}
		return do(ctx, a)
	}
	return c
}

// move updates user 1.
func move(ctx context.Context, c *infinitysip.Client) error {
	return c.Users.Update(ctx, 1, 1, infinitysip.UserUpdateParams{OfficeName: new("London")})
}

func moved(s *siptest.Server) { must(0, move(context.Background(), somebody(s))) }

// calls changes calls.
func calls(list []call, by func(call) call) []call {
	changed := make([]call, len(list))
	for i, c := range list {
		changed[i] = by(c)
	}
	return changed
}

// stale makes a call on a connection that the server closed meanwhile.
func stale(c call) call {
	do := c.do
	c.do = func(ctx context.Context, a *acme) (any, error) {
		if got, err := usersGet.do(ctx, a); err != nil {
			return got, err
		}
		a.CloseIdle()
		return do(ctx, a)
	}
	return c
}

// careful makes a user as the error of an unknown outcome says: look before
// you send it again.
func careful(c call) call {
	do := c.do
	c.do = func(ctx context.Context, a *acme) (any, error) {
		id, err := do(ctx, a)
		if !errors.Is(err, infinitysip.ErrOutcomeUnknown) {
			return id, err
		}
		users, err := a.client.Users.List(ctx, a.domain)
		if err != nil {
			return nil, err
		}
		for _, user := range users {
			if user.User == newUser().User {
				return user.ID, nil
			}
		}
		return do(ctx, a)
	}
	return c
}

func (a *acme) userIDs() []infinitysip.UserID {
	var ids []infinitysip.UserID
	for _, user := range a.Users(a.domain) {
		ids = append(ids, user.ID)
	}
	return ids
}

// team is the group that furnish makes.
const team infinitysip.GroupID = 2

// furnish makes what every call needs to have something to do: five users of
// the one, all of them in the team, and the members 1 and 2 of the queue.
func furnish(a *acme) {
	ctx := context.Background()
	for i := range 4 {
		params := newUser()
		params.User, params.ExtensionNumber = fmt.Sprint("u", i), fmt.Sprint(110+i)
		must(a.client.Users.Create(ctx, a.domain, params))
	}
	must(a.client.Groups.Create(ctx, a.domain, infinitysip.GroupCreateParams{Name: "team", DisplayName: "Team", ExtensionNumber: "0202", CallerNameFormat: "{displayName}"}))
	must(0, a.client.Groups.AddUsers(ctx, a.domain, team, a.userIDs()))
	for range 2 {
		must(queuesCreateMember.do(ctx, a))
	}
}

// tenDevices makes ten devices of the one.
func tenDevices(a *acme) {
	for i := range 9 {
		must(a.client.Devices.Create(context.Background(), a.domain, infinitysip.DeviceCreateParams{Name: fmt.Sprint("d", i), MACAddress: fmt.Sprintf("10:20:30:00:01:%02x", i)}))
	}
}

// sameJoe makes the very user that usersCreate makes.
func sameJoe(s *siptest.Server) { must(somebody(s).Users.Create(context.Background(), 1, newUser())) }

// secretJoe makes the same user, with secrets that are not those of usersCreate.
func secretJoe(s *siptest.Server) {
	params := newUser()
	params.Password, params.PIN = infinitysip.NewSecret("somebody else's"), infinitysip.NewSecret("907531")
	must(somebody(s).Users.Create(context.Background(), 1, params))
}

// setSecrets gives a user the secrets of usersCreate.
func setSecrets(a *acme, id infinitysip.UserID) {
	must(0, a.client.Users.Update(context.Background(), a.domain, id, infinitysip.UserUpdateParams{
		Password: new(infinitysip.NewSecret(canaryPassword)), PIN: new(infinitysip.NewSecret(canaryPIN)),
	}))
}

// otherJoe makes another user of the same name.
func otherJoe(s *siptest.Server) {
	params := newUser()
	params.DisplayName, params.Email, params.ExtensionNumber = "Another Joe", "joe@example.com", "0199"
	must(somebody(s).Users.Create(context.Background(), 1, params))
}

// listed waits until lists that lag show all that there is.
func listed(*acme) { time.Sleep(time.Minute) } // the bubble's clock

// renamed is a key of two parts where a server has but one. Addresses stay.
func renamed(column, key string) string {
	switch column {
	case "network":
		return key
	case "deviceMacAddress":
		return "SEP" + strings.ReplaceAll(key, ":", "")
	}
	return key + "@acme"
}

// sameMember adds the very member that queuesCreateMember adds.
func sameMember(s *siptest.Server) {
	must(queuesCreateMember.do(context.Background(), &acme{Server: s, client: somebody(s), domain: 1, queue: 1, group: 1}))
}

// withDevice associates the device with the user.
func withDevice(a *acme) { must(usersAddDevice.do(context.Background(), a)) }

// twoOfFive adds two users to the group.
func twoOfFive(s *siptest.Server) {
	must(0, somebody(s).Groups.AddUsers(context.Background(), 1, 1, []infinitysip.UserID{1, 2}))
}

// insertDevice makes a device that is the first by name and the last by id.
func insertDevice(s *siptest.Server) {
	must(somebody(s).Devices.Create(context.Background(), 1, infinitysip.DeviceCreateParams{Name: "A new one", MACAddress: "10:20:30:00:02:00"}))
}

// deleteDevice deletes device 1, which is the first by either.
func deleteDevice(s *siptest.Server) { must(0, somebody(s).Devices.Delete(context.Background(), 1, 1)) }
