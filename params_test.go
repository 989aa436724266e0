package infinitysip_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/infinitysip/infinitysip/siptest"
)

// formOf returns the form that a call sends. Whatever it creates has the id 1.
func formOf(t *testing.T, do func(*infinitysip.Client) error) (url.Values, error) {
	t.Helper()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		if last := path.Base(req.URL.Path); unicode.IsDigit(rune(last[0])) || last == "order" {
			return answer(204, ""), nil
		}
		return answer(201, `{"userId":"1","groupId":"1","trustedNetworkId":"1","pbxDeviceId":"1"}`), nil
	}}
	if err := do(stubClient(t, s)); err != nil {
		require.Empty(t, s.hits)
		return nil, err
	}
	return s.forms[0], nil
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
			url.Values{"user": {"joe.blogs"}, "password": {password}, "displayName": {"Joe Blogs"}, "extensionNumber": {"0100"}},
		},
		"false of a create is": {
			func(c *infinitysip.Client) error {
				params := newUser()
				params.HotdeskAllowed, params.Dashboard = new(false), new(true)
				_, err := c.Users.Create(t.Context(), 1, params)
				return err
			},
			url.Values{"user": {"joe.blogs"}, "password": {password}, "displayName": {"Joe Blogs"}, "extensionNumber": {"0100"}, "pin": {pin}, "hotdeskAllowed": {"0"}, "dashboard": {"1"}},
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
				return c.Users.Update(t.Context(), 1, 2, infinitysip.UserUpdateParams{DisplayName: new("Zoë & Co. <a+b> 100%=;"), Password: new(infinitysip.NewSecret(password))})
			},
			url.Values{"displayName": {"Zoë & Co. <a+b> 100%=;"}, "password": {password}},
		},
	} {
		form, err := formOf(t, test.do)
		require.NoError(t, err, name)
		require.Equal(t, test.want, form, name)
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

// A MAC address is six octets in any form of net.ParseMAC, and goes out in one.
func FuzzMAC(f *testing.F) {
	for _, text := range []string{"10:20:30:1A:2B:3C", "10-20-30-1a-2b-3c", "1020.301a.2b3c", "10:20:30:1A:2B:3C:4D:5E", "10:20:30:1A:2B", "10-20:30:1A:2B:3C", "1020301A2B3C", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mac := wire.MAC(text)
		form, refused := formOf(t, func(c *infinitysip.Client) error {
			_, err := c.Devices.Create(t.Context(), 1, infinitysip.DeviceCreateParams{Name: "x", MACAddress: text})
			return err
		})
		want, err := net.ParseMAC(text)
		if err != nil || len(want) != 6 {
			require.Empty(t, mac)
			invalid, ok := errors.AsType[*infinitysip.ValidationError](refused)
			require.True(t, ok)
			require.Len(t, invalid.Fields, 1)
			return
		}
		require.NoError(t, refused)
		require.Regexp(t, `^([0-9A-F]{2}:){5}[0-9A-F]{2}$`, mac)
		require.Equal(t, mac, form.Get("deviceMacAddress"))
		require.Equal(t, mac, wire.MAC(mac))
		got, err := net.ParseMAC(mac)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.True(t, wire.SameAddress(text, strings.ToLower(mac)))
	})
}

// A network is a prefix or an address of package netip, and goes out as it is,
// host bits and all.
func FuzzNetwork(f *testing.F) {
	for _, text := range []string{"10.0.20.10/24", "10.0.20.10", "2001:db8::1/48", "::ffff:10.0.0.1/96", "::ffff:10.0.0.1", "fe80::1%eth0", "fe80::1%eth0/64", "10.0.20.10/33", "10.0.20.010/24", "10.0.20/24", "0.0.0.0/0", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		network, ok := wire.Network(text)
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); err != nil && addrErr == nil && addr.Zone() == "" { // no prefix has a zone
			prefix, err = addr.Prefix(addr.BitLen())
		}
		require.Equal(t, err == nil, ok)
		require.Equal(t, prefix, network)
		form, refused := formOf(t, func(c *infinitysip.Client) error {
			_, err := c.TrustedNetworks.Create(t.Context(), 1, infinitysip.TrustedNetworkCreateParams{Network: network})
			return err
		})
		require.Equal(t, ok, refused == nil)
		if !ok {
			return
		}
		back, err := netip.ParsePrefix(form.Get("network"))
		require.NoError(t, err)
		require.Equal(t, network, back)
		require.True(t, wire.SameAddress(back.String(), text))
		require.True(t, wire.SameAddress(back.String(), network.Masked().String()))
	})
}

// A form gives back what was put into it, and nothing that was not; it is
// refused if, and only if, some text in it is missing or not to be sent.
func FuzzForm(f *testing.F) {
	f.Add("joe.blogs", `pa"ss wörd&=+%/`, "0100", "", "{displayName} - {srcPhoneNumber}", int64(0), false, []byte{0, 1, 0, 2})
	f.Add("a\x00b", "c\nd", "e\rf", "\xff", "{unknown}", int64(-1), true, []byte{0, 1, 0, 1})
	f.Add("a", "c\nd", "1", "", "b", int64(0), false, []byte{0, 1})
	f.Add("a", " ", "1", "d\x00", "b", int64(0), false, []byte{0, 1, 0, 2})
	f.Add("a", " ", "1", " ", "}displayName}", int64(0), false, []byte{0, 2, 0, 1})
	f.Add("日本", "&amp;", "0", "a=b&c=d", "}{", int64(7), true, []byte{0})
	f.Fuzz(func(t *testing.T, name, secret, extension, optional, format string, phone int64, flag bool, order []byte) {
		good := func(text string) bool { return utf8.ValidString(text) && !strings.ContainsAny(text, "\r\n\x00") }
		needed := func(text string) bool { return good(text) && text != "" }
		flagged := map[bool]string{true: "1", false: "0"}[flag]

		user := url.Values{"user": {name}, "password": {secret}, "displayName": {name}, "extensionNumber": {extension}, "mobileFollow": {flagged}}
		for name, value := range map[string]string{"pin": optional, "email": optional} {
			if value != "" {
				user.Set(name, value)
			}
		}
		if phone != 0 {
			user.Set("ukPhoneId", strconv.FormatInt(phone, 10))
		}
		requireForm(t, user, needed(name) && needed(secret) && needed(extension) && good(optional) && phone >= 0, func(c *infinitysip.Client) error {
			_, err := c.Users.Create(t.Context(), 1, infinitysip.UserCreateParams{
				User: name, Password: infinitysip.NewSecret(secret), DisplayName: name, ExtensionNumber: extension,
				PIN: infinitysip.NewSecret(optional), Email: optional, UKPhoneID: infinitysip.PhoneID(phone), MobileFollow: &flag,
			})
			return err
		})

		requireForm(t, url.Values{"password": {secret}, "pin": {optional}, "email": {name}, "dashboard": {flagged}}, good(secret) && good(optional) && good(name), func(c *infinitysip.Client) error {
			return c.Users.Update(t.Context(), 1, 2, infinitysip.UserUpdateParams{
				Password: new(infinitysip.NewSecret(secret)), PIN: new(infinitysip.NewSecret(optional)), Email: &name, Dashboard: &flag,
			})
		})

		known := strings.NewReplacer("{displayName}", "", "{srcPhoneNumber}", "", "{dgrpName}", "").Replace(format)
		requireForm(t, url.Values{
			"groupName": {name}, "displayName": {secret}, "extensionNumber": {extension}, "ringRetry": {flagged}, "ringExclusive": {"0"}, "callerNameFormat": {format},
		}, needed(name) && needed(secret) && needed(extension) && needed(format) && !strings.ContainsAny(known, "{}"), func(c *infinitysip.Client) error {
			_, err := c.Groups.Create(t.Context(), 1, infinitysip.GroupCreateParams{
				Name: name, DisplayName: secret, ExtensionNumber: extension, RingRetry: flag, CallerNameFormat: infinitysip.CallerNameFormat(format),
			})
			return err
		})

		var ids []infinitysip.QueueMemberID
		var texts []string
		for pair := range slices.Chunk(order, 2) {
			id := infinitysip.QueueMemberID(int16(binary.BigEndian.Uint16(append(pair, 0)[:2])))
			ids, texts = append(ids, id), append(texts, strconv.Itoa(int(id)))
		}
		unique := slices.Compact(slices.Sorted(slices.Values(ids)))
		requireForm(t, url.Values{"queueMemberId[]": texts}, len(ids) > 0 && len(ids) <= 1000 && len(unique) == len(ids) && unique[0] > 0, func(c *infinitysip.Client) error {
			return c.Queues.SetMemberOrder(t.Context(), 1, 2, ids)
		})
	})
}

// requireForm checks that a call sends this form if it is good, and else nothing.
func requireForm(t *testing.T, want url.Values, good bool, do func(*infinitysip.Client) error) {
	t.Helper()
	got, err := formOf(t, do)
	require.Equal(t, good, err == nil, "%v", err)
	if good {
		require.Equal(t, want, got)
	} else {
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
	}
}

// Params have the names of the API in JSON, too.
func TestParamsAsJSON(t *testing.T) {
	t.Parallel()
	for _, params := range []any{
		infinitysip.DomainUpdateParams{}, infinitysip.UserCreateParams{}, infinitysip.UserUpdateParams{},
		infinitysip.GroupCreateParams{}, infinitysip.GroupUpdateParams{}, infinitysip.QueueCreateParams{}, infinitysip.QueueUpdateParams{},
		infinitysip.QueueMemberCreateParams{}, infinitysip.QueueMemberUpdateParams{}, infinitysip.TrustedNetworkCreateParams{},
		infinitysip.TrustedNetworkUpdateParams{}, infinitysip.DeviceCreateParams{}, infinitysip.DeviceUpdateParams{},
	} {
		for field := range reflect.TypeOf(params).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("url"), ",")
			require.Equal(t, name, field.Tag.Get("json"), "%T.%s", params, field.Name)
		}
	}
	var update infinitysip.UserUpdateParams
	require.NoError(t, json.Unmarshal([]byte(`{"password": "hunter2", "email": "", "mobileFollow": false}`), &update))
	require.Equal(t, "hunter2", update.Password.Reveal())
	update.Password = nil
	require.Equal(t, infinitysip.UserUpdateParams{Email: new(""), MobileFollow: new(false)}, update)
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	for _, user := range []infinitysip.User{
		{},
		{ID: 7, User: "joe.blogs", DisplayName: "Zoë \"<z>\" \u2028", Dashboard: true, Password: infinitysip.NewSecret("hunter2"), UKPhoneID: 31},
		{ID: 7, Extra: map[string]json.RawMessage{"voicemail": json.RawMessage(`"1"`), "domainId": json.RawMessage(`"x"`), "list": json.RawMessage(`[1, {"pin": "4711"}]`)}},
	} {
		want, err := user.MarshalJSON()
		require.NoError(t, err)
		text, err := infinitysip.AppendJSON([]byte("before "), &user)
		require.NoError(t, err)
		require.Equal(t, "before "+string(want), string(text))
	}

	_, err := infinitysip.AppendJSON[infinitysip.User](nil, nil)
	require.EqualError(t, err, "infinitysip: writing a row as JSON: invalid: it is nil")
	_, err = infinitysip.AppendJSON(nil, new(7))
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	_, err = infinitysip.AppendJSON(nil, &infinitysip.Device{Created: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.EqualError(t, err, "infinitysip: writing a Device as JSON: createDatetime: the year 10000 does not have four digits")
}

// A Client, options and parameters are only read, so that goroutines may share them.
func TestGoroutinesShareParameters(t *testing.T) {
	t.Parallel()
	server := siptest.New(t)
	domain := server.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := server.InProcessClient()
	fields := infinitysip.DeviceFields
	opts := infinitysip.DeviceListOptions{
		Filter:   infinitysip.Where(fields.Name.Glob("Desk*")),
		Sort:     infinitysip.OrderBy(fields.Name.Desc()),
		PageSize: 2,
	}
	params := infinitysip.UserUpdateParams{Email: new("e@example.com"), Password: new(infinitysip.NewSecret(password)), MobileFollow: new(true)}
	users := make([]infinitysip.UserID, 8)
	for i := range users {
		users[i] = server.AddUser(domain, infinitysip.User{User: fmt.Sprint("user", i), DisplayName: "User", ExtensionNumber: fmt.Sprint(100 + i)})
		server.AddDevice(domain, infinitysip.Device{MACAddress: fmt.Sprint("00:00:5E:00:53:0", i), Name: fmt.Sprint("Desk ", i)})
	}
	var group sync.WaitGroup
	for _, user := range users {
		group.Go(func() {
			assert.NoError(t, params.Validate())
			assert.NoError(t, client.Users.Update(t.Context(), domain, user, params))
			devices, err := infinitysip.Collect(client.Devices.All(t.Context(), domain, &opts))
			assert.NoError(t, err)
			assert.Len(t, devices, len(users))
		})
	}
	group.Wait()
}
