package infinitysip

import (
	"encoding/binary"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/stretchr/testify/require"
)

var digits = regexp.MustCompile(`^[0-9]+$`)

// An id is what strconv reads from decimal digits alone, above 0.
func FuzzParseID(f *testing.F) {
	for _, text := range []string{"7", "007", "0", "", "-1", "+1", " 1", "1_0", "0x1", "1.0", "٣", "9223372036854775807", "9223372036854775808", strings.Repeat("9", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := strconv.ParseInt(text, 10, 64)
		id, got := ParseID[UserID](text)
		if err == nil && n > 0 && digits.MatchString(text) {
			require.NoError(t, got)
			require.EqualValues(t, n, id)
			return
		}
		require.ErrorIs(t, got, ErrInvalid)
		require.Zero(t, id)
		require.Less(t, len(got.Error()), 500)
		require.True(t, utf8.ValidString(got.Error()))
	})
}

// A MAC address is six octets in any form of net.ParseMAC, and goes out in one.
func FuzzMAC(f *testing.F) {
	for _, text := range []string{"10:20:30:1A:2B:3C", "10-20-30-1a-2b-3c", "1020.301a.2b3c", "10:20:30:1A:2B:3C:4D:5E", "10:20:30:1A:2B", "10-20:30:1A:2B:3C", "1020301A2B3C", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mac := wire.MAC(text)
		sent, problems := encode(DeviceCreateParams{Name: "x", MACAddress: text}, nil)
		want, err := net.ParseMAC(text)
		if err != nil || len(want) != 6 {
			require.Empty(t, mac)
			require.Len(t, problems, 1)
			return
		}
		require.Empty(t, problems)
		require.Regexp(t, `^([0-9A-F]{2}:){5}[0-9A-F]{2}$`, mac)
		require.Equal(t, mac, sent.Values.Get("deviceMacAddress"))
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
		sent, problems := encode(TrustedNetworkCreateParams{Network: network}, nil)
		require.Equal(t, ok, len(problems) == 0)
		if !ok {
			return
		}
		back, err := netip.ParsePrefix(sent.Values.Get("network"))
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
		requireForm(t, user, needed(name) && needed(secret) && needed(extension) && good(optional) && phone >= 0, UserCreateParams{
			User: name, Password: NewSecret(secret), DisplayName: name, ExtensionNumber: extension,
			PIN: NewSecret(optional), Email: optional, UKPhoneID: PhoneID(phone), MobileFollow: &flag,
		})

		requireForm(t, url.Values{"password": {secret}, "pin": {optional}, "email": {name}, "dashboard": {flagged}}, good(secret) && good(optional) && good(name), UserUpdateParams{
			Password: new(NewSecret(secret)), PIN: new(NewSecret(optional)), Email: &name, Dashboard: &flag,
		})

		known := strings.NewReplacer("{displayName}", "", "{srcPhoneNumber}", "", "{dgrpName}", "").Replace(format)
		requireForm(t, url.Values{
			"groupName": {name}, "displayName": {secret}, "extensionNumber": {extension}, "ringRetry": {flagged}, "ringExclusive": {"0"}, "callerNameFormat": {format},
		}, needed(name) && needed(secret) && needed(extension) && needed(format) && !strings.ContainsAny(known, "{}"), GroupCreateParams{
			Name: name, DisplayName: secret, ExtensionNumber: extension, RingRetry: flag, CallerNameFormat: CallerNameFormat(format),
		})

		var ids []QueueMemberID
		var texts []string
		for pair := range slices.Chunk(order, 2) {
			id := QueueMemberID(int16(binary.BigEndian.Uint16(append(pair, 0)[:2])))
			ids, texts = append(ids, id), append(texts, strconv.Itoa(int(id)))
		}
		unique := slices.Compact(slices.Sorted(slices.Values(ids)))
		requireForm(t, url.Values{"queueMemberId[]": texts}, len(ids) > 0 && len(ids) <= 1000 && len(unique) == len(ids) && unique[0] > 0, memberOrder{ids})
	})
}

func requireForm(t *testing.T, want url.Values, good bool, params any) {
	t.Helper()
	form, problems := encode(params, nil)
	require.Equal(t, good, len(problems) == 0, "%+v: %v", params, problems)
	if !good {
		return
	}
	got, err := url.ParseQuery(form.Values.Encode())
	require.NoError(t, err)
	require.Equal(t, want, got)
}
