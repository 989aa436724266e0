package infinitysip

import (
	"encoding/binary"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/stretchr/testify/require"
)

var digits = regexp.MustCompile(`^[0-9]+$`)

// A wait is what the header says, never negative, and none where the header
// makes no sense.
func FuzzRetryAfter(f *testing.F) {
	const date = "Tue, 24 Nov 2026 12:00:00 GMT"
	for _, after := range []string{
		"", "0", "7", "007", "-1", "+1", "1.5", " 5", "1e3", "٣", "31622400", "31622401", "99999999999999999999",
		"Tue, 24 Nov 2026 12:00:09 GMT", "Tue, 24 Nov 2026 11:00:00 GMT", "Tuesday, 24-Nov-26 12:00:09 GMT", "Tue Nov 24 12:00:09 2026",
		"Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "soon",
	} {
		f.Add(after, date)
	}
	f.Add(date, "")
	f.Add(date, "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		wait := retryAfter(&http.Response{Header: http.Header{"Retry-After": {after}, "Date": {date}}})
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, longestWait)

		seconds := new(big.Int)
		if digits.MatchString(after) {
			seconds.SetString(after, 10)
		} else {
			then, ok := httpDate(after)
			if !ok {
				require.Zero(t, wait)
				return
			}
			now, ok := httpDate(date)
			if !ok {
				return // by this machine's clock
			}
			seconds.SetInt64(max(then.Unix()-now.Unix(), 0))
		}
		if seconds.Cmp(big.NewInt(int64(longestWait/time.Second))) > 0 {
			seconds.SetInt64(0)
		}
		require.Equal(t, seconds.Int64(), int64(wait/time.Second))
	})
}

func httpDate(text string) (time.Time, bool) {
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

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
		sent, problems := encode(DeviceCreateParams{Name: "x", MACAddress: text})
		want, err := net.ParseMAC(text)
		if err != nil || len(want) != 6 {
			require.Empty(t, mac)
			require.Len(t, problems, 1)
			return
		}
		require.Empty(t, problems)
		require.Regexp(t, `^([0-9A-F]{2}:){5}[0-9A-F]{2}$`, mac)
		require.Equal(t, mac, sent.values.Get("deviceMacAddress"))
		require.Equal(t, mac, wire.MAC(mac))
		got, err := net.ParseMAC(mac)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.True(t, sameAddress(text, strings.ToLower(mac)))
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
		sent, problems := encode(TrustedNetworkCreateParams{Network: network})
		require.Equal(t, ok, len(problems) == 0)
		if !ok {
			return
		}
		back, err := netip.ParsePrefix(sent.values.Get("network"))
		require.NoError(t, err)
		require.Equal(t, network, back)
		require.True(t, sameAddress(back.String(), text))
		require.True(t, sameAddress(back.String(), network.Masked().String()))
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
	form, problems := encode(params)
	require.Equal(t, good, len(problems) == 0, "%+v: %v", params, problems)
	if !good {
		return
	}
	got, err := url.ParseQuery(form.values.Encode())
	require.NoError(t, err)
	require.Equal(t, want, got)
}
