package infinitysip_test

import (
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
