package infinitysip_test

import (
	"net/netip"
	"net/url"
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
		require.Empty(t, s.hits)
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
	g := infinitysip.Field[infinitysip.Device]("f")
	var all []infinitysip.Filter[infinitysip.Device]
	var wanted []string
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

		"f-bool-value-true":              g.IsSet(true),
		"f-bool-value-false":             g.IsSet(false),
		"f-eq-value-a-b,c":               g.Eq("a-b,c"),
		"f-ne-value-":                    g.Ne(""),
		"f-eqi-value-A":                  g.EqFold("A"),
		"f-nei-value-A":                  g.NeFold("A"),
		"f-gt-value--1":                  g.Gt(-1),
		"f-lt-value-200":                 g.Lt(uint8(200)),
		"f-ge-value-9007199254740993":    g.Ge(infinitysip.DeviceID(9007199254740993)),
		"f-le-value-2019-10-30 23:02:03": g.Le(time.Date(2019, 10, 31, 1, 2, 3, 0, time.FixedZone("", 2*60*60))),
		"f-inc-value-a":                  g.Contains("a"),
		"f-ninc-value-a":                 g.NotContains("a"),
		"f-inci-value-a":                 g.ContainsFold("a"),
		"f-ninci-value-a":                g.NotContainsFold("a"),
		"f-begins-value-a":               g.Begins("a"),
		"f-beginsi-value-a":              g.BeginsFold("a"),
		"f-nbegins-value-a":              g.NotBegins("a"),
		"f-nbeginsi-value-a":             g.NotBeginsFold("a"),
		"f-ends-value-a":                 g.Ends("a"),
		"f-endsi-value-a":                g.EndsFold("a"),
		"f-re-value-^a.*[0-9]$":          g.Matches("^a.*[0-9]$"),
		"f-nre-value-a|b":                g.NotMatches("a|b"),
		"f-in-value-1,b,1":               g.In(1, "b", true),
		"f-nin-value-a,b":                g.NotIn("a", "b"),
		"f-ini-value-a":                  g.InFold("a"),
		"f-nini-value-a,0":               g.NotInFold("a", false),
		"f-innet-value-10.0.20.10/24":    g.InNetwork(netip.MustParsePrefix("10.0.20.10/24")),
		"f-glob-value-10:20:*:?A":        g.Glob("10:20:*:?A"),
	} {
		query, err := sent(t, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(filter)})
		require.NoError(t, err, want)
		require.Equal(t, url.Values{"filter[]": {want}}, query)
		all, wanted = append(all, filter), append(wanted, want)
	}
	query, err := sent(t, &infinitysip.DeviceListOptions{Filter: all})
	require.NoError(t, err)
	require.Equal(t, url.Values{"filter[]": wanted}, query, "all of them, in their order")
}

func TestListOptions(t *testing.T) {
	t.Parallel()
	f := infinitysip.DeviceFields
	for name, test := range map[string]struct {
		opts *infinitysip.DeviceListOptions
		want url.Values
	}{
		"nil":  {nil, url.Values{}},
		"zero": {&infinitysip.DeviceListOptions{}, url.Values{}},
		"filters, sort and limit": {
			&infinitysip.DeviceListOptions{Filter: infinitysip.Where(f.Name.Begins("Lobby"), f.UserID.Eq(7)), Sort: infinitysip.OrderBy(f.Updated.Desc()), Limit: 50},
			url.Values{"filter[]": {"pbxDeviceName-begins-value-Lobby", "userId-eq-value-7"}, "sort[]": {"updateDatetime-desc"}, "limit": {"50"}},
		},
		"everything": {
			&infinitysip.DeviceListOptions{Filter: infinitysip.Where(f.Name.Begins("Lobby"), f.UserID.Eq(7)), Sort: infinitysip.OrderBy(f.Updated.Desc(), f.ID.Asc()), Limit: 50, Offset: 100},
			url.Values{
				"filter[]": {"pbxDeviceName-begins-value-Lobby", "userId-eq-value-7"}, "sort[]": {"updateDatetime-desc", "pbxDeviceId-asc"},
				"limit": {"50"}, "offset": {"100"},
			},
		},
		"the size of a page, which is for an iterator": {&infinitysip.DeviceListOptions{Limit: 50, PageSize: 10}, url.Values{"limit": {"50"}}},
		"sorts in turn, and an offset": {
			&infinitysip.DeviceListOptions{Sort: infinitysip.OrderBy(f.User.Asc(), f.ID.Desc(), f.Created.Asc()), Offset: 100},
			url.Values{"sort[]": {"user-asc", "pbxDeviceId-desc", "createDatetime-asc"}, "offset": {"100"}},
		},
		"a field nobody named": {
			&infinitysip.DeviceListOptions{
				Filter: infinitysip.Where(infinitysip.Field[infinitysip.Device]("firmware[0]").Eq("1.0")),
				Sort:   infinitysip.OrderBy(infinitysip.Field[infinitysip.Device]("firmware").Desc()),
			},
			url.Values{"filter[]": {"firmware[0]-eq-value-1.0"}, "sort[]": {"firmware-desc"}},
		},
	} {
		query, err := sent(t, test.opts)
		require.NoError(t, err, name)
		require.Equal(t, test.want, query, name)
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
