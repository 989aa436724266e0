package infinitysip_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// Every problem of a call is told at once, and nothing is sent.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := always(204, "")
	client := stubClient(t, s)
	ctx := t.Context()
	ids := func(n int) []infinitysip.QueueMemberID {
		out := make([]infinitysip.QueueMemberID, n)
		for i := range out {
			out[i] = infinitysip.QueueMemberID(i + 1)
		}
		return out
	}
	first := func(_ any, err error) error { return err }
	group := infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName}"}
	format := func(f infinitysip.CallerNameFormat) infinitysip.GroupCreateParams {
		params := group
		params.CallerNameFormat = f
		return params
	}
	member := infinitysip.QueueMemberCreateParams{GroupID: 1, RingStrategy: infinitysip.RingAll}

	for want, do := range map[string]func() error{ // by the names of the bad fields
		"userId": func() error { return first(client.Users.Get(ctx, 1, 0)) },
		"domainId userId pbxDeviceId": func() error {
			return client.Users.RemoveDevice(ctx, -1, 0, -2)
		},
		"user password displayName extensionNumber": func() error {
			return first(client.Users.Create(ctx, 1, infinitysip.UserCreateParams{}))
		},
		"domainId groupName displayName extensionNumber callerNameFormat": func() error {
			return first(client.Groups.Create(ctx, 0, infinitysip.GroupCreateParams{}))
		},
		"groupName displayName extensionNumber": func() error { return client.Groups.Update(ctx, 1, 1, infinitysip.GroupUpdateParams{}) },
		"queueName displayName extensionNumber": func() error { return first(client.Queues.Create(ctx, 1, infinitysip.QueueCreateParams{})) },
		"displayName":                           func() error { return client.Domains.Update(ctx, 1, infinitysip.DomainUpdateParams{}) },
		"groupId ringStrategy": func() error {
			return first(client.Queues.CreateMember(ctx, 1, 1, infinitysip.QueueMemberCreateParams{}))
		},
		"network": func() error {
			return first(client.TrustedNetworks.Create(ctx, 1, infinitysip.TrustedNetworkCreateParams{}))
		},
		"pbxDeviceName deviceMacAddress": func() error { return first(client.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{})) },
		"pbxDeviceName":                  func() error { return client.Devices.Update(ctx, 1, 1, infinitysip.DeviceUpdateParams{}) },
		"pbxDeviceId":                    func() error { return first(client.Users.AddDevice(ctx, 1, 1, 0)) },

		"params #1": func() error { return client.Users.Update(ctx, 1, 1, infinitysip.UserUpdateParams{}) },
		"params #2": func() error { return client.Queues.Update(ctx, 1, 1, infinitysip.QueueUpdateParams{}) },
		"params #3": func() error { return client.Queues.UpdateMember(ctx, 1, 1, 1, infinitysip.QueueMemberUpdateParams{}) },
		"params #4": func() error {
			return client.TrustedNetworks.Update(ctx, 1, 1, infinitysip.TrustedNetworkUpdateParams{})
		},

		"network #1": func() error {
			return client.TrustedNetworks.Update(ctx, 1, 1, infinitysip.TrustedNetworkUpdateParams{Network: new(netip.Prefix{})})
		},
		"deviceMacAddress #1": func() error {
			return first(client.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{Name: "x", MACAddress: "02:00:5e:10:00:00:00:01"}))
		},
		"deviceMacAddress #2": func() error {
			return first(client.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{Name: "x", MACAddress: "10:20:30"}))
		},
		"ringStrategy": func() error {
			return client.Queues.UpdateMember(ctx, 1, 1, 1, infinitysip.QueueMemberUpdateParams{RingStrategy: new(infinitysip.RingStrategy("ALL"))})
		},
		"groupId": func() error {
			return client.Queues.UpdateMember(ctx, 1, 1, 1, infinitysip.QueueMemberUpdateParams{GroupID: new(infinitysip.GroupID(0))})
		},
		"ringAttempts ringSecs ringOrder": func() error {
			params := member
			params.RingAttempts, params.RingSecs, params.RingOrder = -1, -2, -3
			return first(client.Queues.CreateMember(ctx, 1, 1, params))
		},
		"callerNameFormat #1": func() error { return first(client.Groups.Create(ctx, 1, format("{name}"))) },
		"callerNameFormat #2": func() error { return first(client.Groups.Create(ctx, 1, format("{displayName"))) },
		"callerNameFormat #3": func() error { return first(client.Groups.Create(ctx, 1, format("displayName}"))) },
		"callerNameFormat #4": func() error { return first(client.Groups.Create(ctx, 1, format("{displayName{dgrpName}}"))) },
		"callerNameFormat #5": func() error { return first(client.Groups.Create(ctx, 1, format("{}"))) },
		"callerNameFormat #6": func() error { return first(client.Groups.Create(ctx, 1, format("{ displayName }"))) },
		"user password email": func() error {
			params := newUser()
			params.User, params.Password, params.Email = "joe\nblogs", infinitysip.NewSecret(canaryPassword+"\x00"), "\xff"
			return first(client.Users.Create(ctx, 1, params))
		},
		"ukPhoneId": func() error {
			params := newUser()
			params.UKPhoneID = -1
			return first(client.Users.Create(ctx, 1, params))
		},
		"firstName": func() error {
			return client.Users.Update(ctx, 1, 1, infinitysip.UserUpdateParams{FirstName: new("a\rb")})
		},

		"userSpec #1":      func() error { return client.Groups.AddUsers(ctx, 1, 1, nil) },
		"userSpec #2":      func() error { return client.Groups.RemoveUsers(ctx, 1, 1, []infinitysip.UserID{}) },
		"userSpec #3":      func() error { return client.Groups.RemoveUsers(ctx, 1, 1, append(make([]infinitysip.UserID, 0), 1, 0)) },
		"groupSpec":        func() error { return client.Users.AddGroups(ctx, 1, 1, []infinitysip.GroupID{-1}) },
		"queueMemberId #1": func() error { return client.Queues.SetMemberOrder(ctx, 1, 1, nil) },
		"queueMemberId #2": func() error { return client.Queues.SetMemberOrder(ctx, 1, 1, []infinitysip.QueueMemberID{1, 2, 1}) },
		"queueMemberId #3": func() error { return client.Queues.SetMemberOrder(ctx, 1, 1, ids(1001)) },
	} {
		err := do()
		invalid, ok := errors.AsType[*infinitysip.ValidationError](err)
		require.True(t, ok, "%s: %v", want, err)
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
		var fields []string
		for _, f := range invalid.Fields {
			fields = append(fields, f.Field)
		}
		name, _, _ := strings.Cut(want, " #")
		require.Equal(t, name, strings.Join(fields, " "), "%v", err)
		requireNoSecret(t, want, err)
	}
	require.Zero(t, s.count())

	// The last of many ids is looked at before the first is sent.
	users := make([]infinitysip.UserID, 1200)
	for i := range users {
		users[i] = infinitysip.UserID(i + 1)
	}
	users[1199] = 0
	require.ErrorIs(t, client.Groups.AddUsers(ctx, 1, 1, users), infinitysip.ErrInvalid)
	require.Zero(t, s.count())

	require.NoError(t, client.Queues.SetMemberOrder(ctx, 1, 1, ids(1000)))
}

func TestValidationErrorText(t *testing.T) {
	t.Parallel()
	_, err := stubClient(t, always(204, "")).Devices.Create(t.Context(), 0, infinitysip.DeviceCreateParams{MACAddress: "x"})
	require.EqualError(t, err, "infinitysip: Devices.Create: invalid, nothing was sent: domainId: must be a positive id, not 0; pbxDeviceName: required; "+
		`deviceMacAddress: not a MAC address of six octets: "x"`)
}

func TestParamsAsSent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do   func(*infinitysip.Client) error
		want url.Values
	}{
		"zero of a create is not sent": {
			func(c *infinitysip.Client) error {
				params := newUser()
				params.PIN = infinitysip.NewSecret("")
				_, err := c.Users.Create(t.Context(), 1, params)
				return err
			},
			url.Values{"user": {"joe.blogs"}, "password": {canaryPassword}, "displayName": {"Joe Blogs"}, "extensionNumber": {"0100"}},
		},
		"false of a create is": {
			func(c *infinitysip.Client) error {
				params := newUser()
				params.HotdeskAllowed, params.Dashboard = new(false), new(true)
				_, err := c.Users.Create(t.Context(), 1, params)
				return err
			},
			url.Values{"user": {"joe.blogs"}, "password": {canaryPassword}, "displayName": {"Joe Blogs"}, "extensionNumber": {"0100"}, "pin": {canaryPIN}, "hotdeskAllowed": {"0"}, "dashboard": {"1"}},
		},
		"an update clears": {
			func(c *infinitysip.Client) error {
				return c.Users.Update(t.Context(), 1, 2, infinitysip.UserUpdateParams{Email: new(""), PIN: new(infinitysip.Secret{}), MobileFollow: new(false)})
			},
			url.Values{"email": {""}, "pin": {""}, "mobileFollow": {"0"}},
		},
		"zero counts of an update": {
			func(c *infinitysip.Client) error {
				return c.Queues.UpdateMember(t.Context(), 1, 2, 3, infinitysip.QueueMemberUpdateParams{RingSecs: new(0), RingStrategy: new(infinitysip.RingAll)})
			},
			url.Values{"ringSecs": {"0"}, "ringStrategy": {"all"}},
		},
		"a group's update repeats the row": {
			func(c *infinitysip.Client) error {
				row := infinitysip.Group{ID: 5, Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", RingExclusive: true}
				params := row.UpdateParams()
				params.DisplayName = "Sales Dept"
				return c.Groups.Update(t.Context(), 1, row.ID, params)
			},
			url.Values{"groupName": {"sales"}, "displayName": {"Sales Dept"}, "extensionNumber": {"0200"}, "ringRetry": {"0"}, "ringExclusive": {"1"}, "callerNameFormat": {""}},
		},
		"a domain's update repeats the row": {
			func(c *infinitysip.Client) error {
				return c.Domains.Update(t.Context(), 1, infinitysip.Domain{DisplayName: "Acme", Rec: true}.UpdateParams())
			},
			url.Values{"displayName": {"Acme"}, "rec": {"1"}},
		},
		"host bits of a network are kept": {
			func(c *infinitysip.Client) error {
				return c.TrustedNetworks.Update(t.Context(), 1, 2, infinitysip.TrustedNetworkUpdateParams{Network: new(netip.MustParsePrefix("10.0.20.10/24"))})
			},
			url.Values{"network": {"10.0.20.10/24"}},
		},
		"text arrives whole": {
			func(c *infinitysip.Client) error {
				return c.Users.Update(t.Context(), 1, 2, infinitysip.UserUpdateParams{DisplayName: new("Zoë & Co. <a+b> 100%=;"), Password: new(infinitysip.NewSecret(canaryPassword))})
			},
			url.Values{"displayName": {"Zoë & Co. <a+b> 100%=;"}, "password": {canaryPassword}},
		},
	} {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/users") {
				return answer(201, `{"userId":"1"}`), nil
			}
			return answer(204, ""), nil
		}}
		require.NoError(t, test.do(stubClient(t, s)), name)
		require.Equal(t, test.want, s.forms[0], name)
	}
}

func TestMACAddressesAreWrittenOneWay(t *testing.T) {
	t.Parallel()
	for _, mac := range []string{"10:20:30:1a:2b:3c", "10-20-30-1A-2B-3C", "1020.301a.2b3c", "10:20:30:1A:2B:3C"} {
		s := always(201, `{"pbxDeviceId":"1"}`)
		_, err := stubClient(t, s).Devices.Create(t.Context(), 1, infinitysip.DeviceCreateParams{Name: "x", MACAddress: mac})
		require.NoError(t, err)
		require.Equal(t, "10:20:30:1A:2B:3C", s.forms[0].Get("deviceMacAddress"), mac)
	}
}

func TestCallerNameFormats(t *testing.T) {
	t.Parallel()
	for _, format := range []infinitysip.CallerNameFormat{"Sales", "{displayName}", "{displayName} - {srcPhoneNumber}", "{dgrpName}{displayName}", "a $ b"} {
		s := always(204, "")
		require.NoError(t, stubClient(t, s).Queues.Update(t.Context(), 1, 2, infinitysip.QueueUpdateParams{CallerNameFormat: &format}))
		require.Equal(t, string(format), s.forms[0].Get("callerNameFormat"))
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	id, err := infinitysip.ParseID[infinitysip.UserID]("7")
	require.NoError(t, err)
	require.Equal(t, infinitysip.UserID(7), id)
	for _, text := range []string{"", "0", "-1", "+1", " 1", "1.0", "1e3", "0x1", "abc", "9223372036854775808", "٣"} {
		id, err := infinitysip.ParseID[infinitysip.DeviceID](text)
		require.ErrorIs(t, err, infinitysip.ErrInvalid, text)
		require.Zero(t, id)
	}
}

// Batches keep the order and the number of the ids.
func TestMembersGoInBatches(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]int{1: {1}, 500: {500}, 501: {500, 1}, 1200: {500, 500, 200}} {
		s := always(204, "")
		users := make([]infinitysip.UserID, n)
		var texts, got []string
		for i := range users {
			users[i] = infinitysip.UserID(i + 1)
			texts = append(texts, fmt.Sprint(i+1))
		}
		require.NoError(t, stubClient(t, s).Groups.RemoveUsers(t.Context(), 1, 2, users))
		var sizes []int
		for _, form := range s.forms {
			sizes = append(sizes, len(form["userSpec[]"]))
			got = append(got, form["userSpec[]"]...)
		}
		require.Equal(t, want, sizes)
		require.True(t, slices.Equal(texts, got))
	}
}
