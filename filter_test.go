package infinitysip_test

import (
	"net/netip"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// sent returns the query of a list of devices, as a server decodes it.
func sent(t *testing.T, opts *infinitysip.DeviceListOptions) (url.Values, error) {
	t.Helper()
	s := always(200, "")
	_, err := stubClient(t, s).Devices.List(t.Context(), 1, opts)
	if err != nil {
		require.Zero(t, s.count())
		return nil, err
	}
	query, err := url.ParseQuery(s.hits[0].URL.RawQuery)
	require.NoError(t, err)
	return query, nil
}

func TestFilterOperands(t *testing.T) {
	t.Parallel()
	f := infinitysip.DeviceFields
	london := time.FixedZone("BST", 3600)
	for want, filter := range map[string]infinitysip.Filter[infinitysip.Device]{
		"pbxDeviceName-eq-value-Lobby":                       f.Name.Eq("Lobby"),
		"pbxDeviceName-ne-value-Lobby":                       f.Name.Ne("Lobby"),
		"pbxDeviceName-eqi-value-Lobby":                      f.Name.EqFold("Lobby"),
		"pbxDeviceName-nei-value-Lobby":                      f.Name.NeFold("Lobby"),
		"pbxDeviceId-gt-value-7":                             f.ID.Gt(infinitysip.DeviceID(7)),
		"pbxDeviceId-lt-value-7":                             f.ID.Lt(7),
		"pbxDeviceId-ge-value-7":                             f.ID.Ge(uint8(7)),
		"pbxDeviceId-le-value--7":                            f.ID.Le(int64(-7)),
		"pbxDeviceName-inc-value-b":                          f.Name.Contains("b"),
		"pbxDeviceName-ninc-value-b":                         f.Name.NotContains("b"),
		"pbxDeviceName-inci-value-b":                         f.Name.ContainsFold("b"),
		"pbxDeviceName-ninci-value-b":                        f.Name.NotContainsFold("b"),
		"pbxDeviceName-begins-value-b":                       f.Name.Begins("b"),
		"pbxDeviceName-beginsi-value-b":                      f.Name.BeginsFold("b"),
		"pbxDeviceName-nbegins-value-b":                      f.Name.NotBegins("b"),
		"pbxDeviceName-nbeginsi-value-b":                     f.Name.NotBeginsFold("b"),
		"pbxDeviceName-ends-value-b":                         f.Name.Ends("b"),
		"pbxDeviceName-endsi-value-b":                        f.Name.EndsFold("b"),
		"pbxDeviceName-re-value-^a.*b$":                      f.Name.Matches("^a.*b$"),
		"pbxDeviceName-nre-value-^a.*b$":                     f.Name.NotMatches("^a.*b$"),
		"userId-in-value-1,2,3":                              f.UserID.In(1, infinitysip.UserID(2), "3"),
		"userId-nin-value-1,2":                               f.UserID.NotIn(1, 2),
		"user-ini-value-a,b":                                 f.User.InFold("a", "b"),
		"user-nini-value-a":                                  f.User.NotInFold("a"),
		"ip-innet-value-10.0.0.0/8":                          infinitysip.Field[infinitysip.Device]("ip").InNetwork(netip.MustParsePrefix("10.0.0.0/8")),
		"pbxDeviceName-glob-value-a*?":                       f.Name.Glob("a*?"),
		"userId-bool-value-true":                             f.UserID.IsSet(true),
		"userId-bool-value-false":                            f.UserID.IsSet(false),
		"active-eq-value-1":                                  infinitysip.Field[infinitysip.Device]("active").Eq(true),
		"active-eq-value-0":                                  infinitysip.Field[infinitysip.Device]("active").Eq(false),
		"updateDatetime-ge-value-2026-06-01 11:30:00":        f.Updated.Ge(time.Date(2026, 6, 1, 12, 30, 0, 0, london)),
		"network-eq-value-10.0.20.10/24":                     infinitysip.Field[infinitysip.Device]("network").Eq(netip.MustParsePrefix("10.0.20.10/24")),
		"ringStrategy-eq-value-huntLongestIdle":              infinitysip.Field[infinitysip.Device]("ringStrategy").Eq(infinitysip.RingHuntLongestIdle),
		"pbxDeviceName-eq-value-":                            f.Name.Eq(""),
		"pbxDeviceName-eq-value-a-b--c-value-d":              f.Name.Eq("a-b--c-value-d"),
		"pbxDeviceName-eq-value- a+b & c=d; 100% 50%41 #?/é": f.Name.Eq(" a+b & c=d; 100% 50%41 #?/é"),
		"pbxDeviceName-eq-value-日本語,😀":                       f.Name.Eq("日本語,😀"),
	} {
		query, err := sent(t, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(filter)})
		require.NoError(t, err, want)
		require.Equal(t, url.Values{"filter[]": {want}}, query)
	}
}

func TestFilterOptionsTogether(t *testing.T) {
	t.Parallel()
	f := infinitysip.DeviceFields
	query, err := sent(t, &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(f.Name.Begins("Lobby"), f.UserID.Eq(7)),
		Sort:   infinitysip.OrderBy(f.Updated.Desc(), f.ID.Asc()),
		Limit:  50,
		Offset: 100,
	})
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"filter[]": {"pbxDeviceName-begins-value-Lobby", "userId-eq-value-7"},
		"sort[]":   {"updateDatetime-desc", "pbxDeviceId-asc"},
		"limit":    {"50"}, "offset": {"100"},
	}, query)

	for _, none := range []*infinitysip.DeviceListOptions{nil, {}} {
		query, err = sent(t, none)
		require.NoError(t, err)
		require.Empty(t, query)
	}
}

func TestFilterProblemsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	f := infinitysip.DeviceFields
	_, err := sent(t, &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(f.Name.Eq("x"), infinitysip.Field[infinitysip.Device]("a-b").Eq(1.5)), Limit: -1, Offset: -2,
	})
	require.EqualError(t, err, "infinitysip: Devices.List: invalid, nothing was sent: "+
		`filter[1]: a field name cannot hold a hyphen: "a-b"; filter[1]: cannot compare with a float64; limit: must not be negative: -1; offset: must not be negative: -2`)
}

// testdata/otherresource filters devices by a field of queues, or, with the
// tag "same", of devices.
func TestFilterOfAnotherResourceDoesNotCompile(t *testing.T) {
	t.Parallel()
	build := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"vet"}, args...)...).CombinedOutput()
		return string(out), err
	}
	out, err := build("-tags=same", "./testdata/otherresource")
	require.NoError(t, err, out)
	out, err = build("./testdata/otherresource")
	require.Error(t, err)
	require.Contains(t, out, "Filter[", out)
	require.Contains(t, out, "cannot use", out)
}

// Whatever the value, it arrives as it was given, or is refused.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"", "Lobby", "a-b", "-value-", "a+b c&d=e%41;#", "é日本😀", "\x00", "\r\n", "\xff", "a,b", "{}[]"} {
		f.Add("pbxDeviceName", seed)
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, field, value string) {
		query, err := sent(t, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(infinitysip.Field[infinitysip.Device](field).Eq(value))})
		bad := func(s string) bool { return strings.ContainsAny(s, "\r\n\x00") || !utf8.ValidString(s) }
		if field == "" || strings.Contains(field, "-") || bad(field) || bad(value) {
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
			return
		}
		require.NoError(t, err)
		require.Len(t, query, 1)
		require.Len(t, query["filter[]"], 1)
		parts := strings.SplitN(query["filter[]"][0], "-", 4)
		require.Equal(t, []string{field, "eq", "value", value}, parts)
	})
}
