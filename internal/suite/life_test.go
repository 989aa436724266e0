package suite_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// servers are kinds of servers that the real one may be.
func servers() map[string]siptest.Options {
	return map[string]siptest.Options{
		"usual":                  {},
		"rows, bare numbers":     {CreateBody: siptest.CreateBodyRow, BareNumbers: true, EchoSecrets: true, Framing: siptest.FramingLength},
		"no bodies":              {CreateBody: siptest.CreateBodyNone, ErrorBody: siptest.ErrorBodyHTML},
		"no bodies, honours all": {CreateBody: siptest.CreateBodyNone, UndocumentedQuery: siptest.UndocumentedQueryHonoured, ErrorBody: siptest.ErrorBodyJSONObject},
		"no bodies, rejects":     {CreateBody: siptest.CreateBodyNone, UndocumentedQuery: siptest.UndocumentedQueryRejected, ErrorBody: siptest.ErrorBodyJSONString},
		"small pages":            {MaxRows: 3},
	}
}

// The life of every resource, on every kind of server.
func TestLifeOfADomain(t *testing.T) {
	t.Parallel()
	kinds := servers()
	kinds["ends each answer with the connection"] = siptest.Options{Framing: siptest.FramingClose} // after a 503, its lists prove nothing
	for name, options := range kinds {
		for _, in := range []string{"socket", "process"} {
			t.Run(name+", "+in, func(t *testing.T) {
				t.Parallel()
				srv := siptest.New(t, options)
				client := srv.Client
				if in == "process" {
					client = srv.InProcessClient
				}
				c := client()
				t.Cleanup(c.CloseIdleConnections)
				live(t, srv, c)
			})
		}
	}
}

func live(t *testing.T, srv *siptest.Server, client *infinitysip.Client) {
	ctx := t.Context()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.AddDomain(infinitysip.Domain{DisplayName: "Somebody else"})

	row, err := client.Domains.Get(ctx, domain)
	require.NoError(t, err)
	params := row.UpdateParams()
	params.Rec = true
	require.NoError(t, client.Domains.Update(ctx, domain, params))
	domains, err := client.Domains.List(ctx)
	require.NoError(t, err)
	require.Equal(t, "Acme", domains[0].DisplayName)
	require.True(t, domains[0].Rec)

	// Users.
	var users []infinitysip.UserID
	for i, name := range []string{"joe", "zoë & co", "a+b"} {
		params := newUser()
		params.User, params.ExtensionNumber = name, fmt.Sprintf("010%d", i)
		params.HotdeskAllowed, params.UKPhoneID = new(i == 0), infinitysip.PhoneID(i)
		id, err := client.Users.Create(ctx, domain, params)
		require.NoError(t, err)
		users = append(users, id)
	}
	user, err := client.Users.Get(ctx, domain, users[1])
	require.NoError(t, err)
	require.Equal(t, users[1], user.ID)
	require.Equal(t, domain, user.DomainID)
	require.Equal(t, "zoë & co", user.User)
	require.Equal(t, infinitysip.PhoneID(1), user.UKPhoneID)
	require.False(t, user.HotdeskAllowed)
	require.Equal(t, canaryPassword, srv.Users(domain)[1].Password.Reveal())
	_, err = client.Users.Create(ctx, domain, newUser())
	require.ErrorIs(t, err, infinitysip.ErrConflict)
	require.NoError(t, client.Users.Update(ctx, domain, users[0], infinitysip.UserUpdateParams{Email: new("joe@example.com"), PIN: new(infinitysip.NewSecret(""))}))
	require.Equal(t, "joe@example.com", srv.Users(domain)[0].Email)
	require.True(t, srv.Users(domain)[0].PIN.IsZero())

	// Groups and their users.
	var groups []infinitysip.GroupID
	for i, name := range []string{"sales", "support"} {
		id, err := client.Groups.Create(ctx, domain, infinitysip.GroupCreateParams{
			Name: name, DisplayName: name, ExtensionNumber: fmt.Sprintf("020%d", i), RingRetry: true, CallerNameFormat: "{displayName} - {srcPhoneNumber}",
		})
		require.NoError(t, err)
		groups = append(groups, id)
	}
	group, err := client.Groups.Get(ctx, domain, groups[0])
	require.NoError(t, err)
	update := group.UpdateParams()
	update.DisplayName = "Sales Dept"
	require.NoError(t, client.Groups.Update(ctx, domain, groups[0], update))
	group, err = client.Groups.Get(ctx, domain, groups[0])
	require.NoError(t, err)
	require.Equal(t, update, group.UpdateParams())
	require.NoError(t, client.Groups.AddUsers(ctx, domain, groups[0], users))
	require.NoError(t, client.Groups.RemoveUsers(ctx, domain, groups[0], users[:1]))
	members, err := client.Groups.ListUsers(ctx, domain, groups[0])
	require.NoError(t, err)
	require.Len(t, members, 2)
	require.NoError(t, client.Users.AddGroups(ctx, domain, users[0], groups))
	in, err := client.Users.ListGroups(ctx, domain, users[0], &infinitysip.UserGroupListOptions{Sort: infinitysip.OrderBy(infinitysip.UserGroupFields.Name.Desc())})
	require.NoError(t, err)
	require.Equal(t, []infinitysip.GroupID{groups[1], groups[0]}, []infinitysip.GroupID{in[0].GroupID, in[1].GroupID})

	// A queue and its members.
	queue, err := client.Queues.Create(ctx, domain, infinitysip.QueueCreateParams{Name: "reception", DisplayName: "Reception", ExtensionNumber: "0300"})
	require.NoError(t, err)
	var order []infinitysip.QueueMemberID
	for i, group := range groups {
		id, err := client.Queues.CreateMember(ctx, domain, queue, infinitysip.QueueMemberCreateParams{
			GroupID: group, RingStrategy: infinitysip.RingHuntLongestIdle, RingAttempts: 2, RingSecs: 20, RingOrder: i + 1,
		})
		require.NoError(t, err)
		order = append(order, id)
	}
	slices.Reverse(order)
	require.NoError(t, client.Queues.SetMemberOrder(ctx, domain, queue, order))
	require.NoError(t, client.Queues.UpdateMember(ctx, domain, queue, order[0], infinitysip.QueueMemberUpdateParams{RingSecs: new(0)}))
	ring, err := client.Queues.ListMembers(ctx, domain, queue)
	require.NoError(t, err)
	require.Equal(t, order, []infinitysip.QueueMemberID{ring[0].ID, ring[1].ID})
	one, err := client.Queues.GetMember(ctx, domain, queue, order[0])
	require.NoError(t, err)
	require.Equal(t, ring[0], *one)
	require.Zero(t, one.RingSecs)
	require.NoError(t, client.Queues.DeleteMember(ctx, domain, queue, order[0]))
	require.NoError(t, client.Queues.Update(ctx, domain, queue, infinitysip.QueueUpdateParams{CallerNameFormat: new(infinitysip.CallerNameFormat("{dgrpName}"))}))
	got, err := client.Queues.Get(ctx, domain, queue)
	require.NoError(t, err)
	require.Equal(t, infinitysip.CallerNameFormat("{dgrpName}"), got.CallerNameFormat)

	// Trusted networks, in the three spellings.
	network, err := client.TrustedNetworks.Create(ctx, domain, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Office"})
	require.NoError(t, err)
	require.NoError(t, client.TrustedNetworks.Update(ctx, domain, network, infinitysip.TrustedNetworkUpdateParams{Description: new("Old office")}))
	trusted, err := client.TrustedNetworks.Get(ctx, domain, network)
	require.NoError(t, err)
	require.Equal(t, "Old office", trusted.Description)
	require.Equal(t, netip.MustParsePrefix("10.0.20.10/24"), trusted.Network)

	// Devices, and whose they are.
	var devices []infinitysip.DeviceID
	for i := range 7 {
		id, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: fmt.Sprintf("Lobby %d", i), MACAddress: fmt.Sprintf("10-20-30-1a-2b-%02x", i)})
		require.NoError(t, err)
		devices = append(devices, id)
	}
	require.NoError(t, client.Devices.Update(ctx, domain, devices[6], infinitysip.DeviceUpdateParams{Name: "Hall"}))
	lobby := &infinitysip.DeviceListOptions{Filter: infinitysip.Where(infinitysip.DeviceFields.Name.Begins("Lobby"))}
	var names []string
	for device, err := range client.Devices.All(ctx, domain, lobby) {
		require.NoError(t, err)
		names = append(names, device.Name)
	}
	require.Equal(t, []string{"Lobby 0", "Lobby 1", "Lobby 2", "Lobby 3", "Lobby 4", "Lobby 5"}, names)
	token, err := client.Users.AddDevice(ctx, domain, users[0], devices[0])
	require.NoError(t, err)
	require.Equal(t, devices[0], token.DeviceID)
	require.Len(t, token.Token.Reveal(), 25)
	device, err := client.Devices.Get(ctx, domain, devices[0])
	require.NoError(t, err)
	require.Equal(t, users[0], device.UserID)
	require.Equal(t, "10:20:30:1A:2B:00", device.MACAddress)
	require.WithinDuration(t, time.Now(), device.Created, time.Hour)
	require.True(t, device.Updated.IsZero() || device.Updated.After(device.Created.Add(-time.Second)))
	own, err := client.Users.GetDevice(ctx, domain, users[0], devices[0])
	require.NoError(t, err)
	require.Equal(t, "Lobby 0", own.Name)
	require.NoError(t, client.Users.RemoveDevice(ctx, domain, users[0], devices[0]))
	none, err := client.Users.ListDevices(ctx, domain, users[0], nil)
	require.NoError(t, err)
	require.Empty(t, none)

	// The end of it.
	require.NoError(t, client.Devices.Delete(ctx, domain, devices[0]))
	require.NoError(t, client.TrustedNetworks.Delete(ctx, domain, network))
	require.NoError(t, client.Queues.Delete(ctx, domain, queue))
	require.NoError(t, client.Groups.Delete(ctx, domain, groups[0]))
	require.NoError(t, client.Users.Delete(ctx, domain, users[0]))
	_, err = client.Users.Get(ctx, domain, users[0])
	require.ErrorIs(t, err, infinitysip.ErrNotFound)
	require.Len(t, srv.Users(domain), 2)
	require.Len(t, srv.Groups(domain), 1)
	require.Empty(t, srv.Queues(domain))
	require.Empty(t, srv.TrustedNetworks(domain))
	require.Len(t, srv.Devices(domain), 6)
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	for _, credentials := range []infinitysip.Credentials{infinitysip.APIKey("wrong"), infinitysip.BasicAuth("siptest", "wrong")} {
		client, err := infinitysip.NewClient(credentials, infinitysip.WithBaseURL(srv.URL()))
		require.NoError(t, err)
		t.Cleanup(client.CloseIdleConnections)
		_, err = client.Domains.List(t.Context())
		require.ErrorIs(t, err, infinitysip.ErrUnauthorized)
	}
}

func TestManyMembers(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	client := srv.InProcessClient()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	group, err := client.Groups.Create(t.Context(), domain, infinitysip.GroupCreateParams{Name: "all", DisplayName: "All", ExtensionNumber: "1", CallerNameFormat: "{displayName}"})
	require.NoError(t, err)
	var users []infinitysip.UserID
	for i := range 1501 {
		params := newUser()
		params.User, params.ExtensionNumber = fmt.Sprintf("u%d", i), fmt.Sprint(1000+i)
		id, err := client.Users.Create(t.Context(), domain, params)
		require.NoError(t, err)
		users = append(users, id)
	}
	require.NoError(t, client.Groups.AddUsers(t.Context(), domain, group, users))
	require.Equal(t, users, srv.GroupUsers(domain, group))
	require.NoError(t, client.Groups.RemoveUsers(t.Context(), domain, group, users[1:]))
	require.Equal(t, users[:1], srv.GroupUsers(domain, group))

	// A failure on the way says how far it got.
	srv.Fail(siptest.On("Groups.AddUsers").Nth(2).Status(403))
	err = client.Groups.AddUsers(t.Context(), domain, group, users)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "ids 501 to 1000 of 1501 failed, those before are done")
	require.NotContains(t, err.Error(), "%!")
	require.Len(t, srv.GroupUsers(domain, group), 500)
}

// Rows reach the caller while the server is still writing the list.
func TestAllDoesNotHoldTheList(t *testing.T) {
	t.Parallel()
	const rows = 50_000
	written := 0
	body := readerFunc(func(p []byte) (int, error) {
		if written == rows {
			return 0, errors.New("read past what the test looks at")
		}
		written++
		return copy(p, fmt.Sprintf(`{"userId":"%d","user":"joe"}`+"\n", written)), nil
	})
	s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = body
		return resp, nil
	}}
	n := 0
	for user, err := range stubClient(t, s).Users.All(t.Context(), 1) {
		require.NoError(t, err)
		n++
		require.Equal(t, infinitysip.UserID(n), user.ID)
		require.Less(t, written-n, 1000)
		if n == rows-1000 {
			break
		}
	}
	require.Equal(t, rows-1000, n)
}
