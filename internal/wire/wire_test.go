package wire_test

import (
	"net/netip"
	"testing"

	"github.com/infinitysip/infinitysip/internal/verify"
	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/stretchr/testify/require"
)

func TestMAC(t *testing.T) { // not parallel: AllocsPerRun counts for all goroutines
	for text, want := range map[string]string{
		"10:20:30:1A:2B:3C":       "10:20:30:1A:2B:3C",
		"10:20:30:1a:2b:3c":       "10:20:30:1A:2B:3C",
		"10-20-30-1a-2B-3c":       "10:20:30:1A:2B:3C",
		"1020.301a.2b3c":          "10:20:30:1A:2B:3C",
		"1020301a2b3c":            "10:20:30:1A:2B:3C",
		"00:00:00:00:00:00":       "00:00:00:00:00:00",
		"":                        "",
		"10:20:30:1A:2B":          "",
		"10-20:30:1A:2B:3C":       "",
		"10:20:30:1A:2B-3C":       "",
		"10:20:30:1A:2B3:C":       "",
		"10:20:30:1A:2B:3/":       "",
		"10:20:30:1A:2B:3@":       "",
		"10:20:30:1A:2B:3G":       "",
		" 10:20:30:1A:2B:3C":      "",
		"10:20:30:1A:2B:3C:4D:5E": "", // EUI-64, which net.ParseMAC takes
		"softphone":               "",
	} {
		require.Equal(t, want, wire.MAC(text), text)
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { wire.MAC("10:20:30:1A:2B:3C") }), "a plan has thousands")
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.20.0/24":       "10.0.20.0/24",
		"10.0.20.10/24":      "10.0.20.10/24", // host bits and all
		"10.0.20.10":         "10.0.20.10/32",
		"0.0.0.0/0":          "0.0.0.0/0",
		"2001:db8::/32":      "2001:db8::/32",
		"2001:DB8::1":        "2001:db8::1/128",
		"::ffff:10.0.0.1":    "::ffff:10.0.0.1/128",
		"::ffff:10.0.0.1/96": "::ffff:10.0.0.1/96",
	} {
		network, ok := wire.Network(text)
		require.True(t, ok, text)
		require.Equal(t, netip.MustParsePrefix(want), network, text)
	}
	for _, text := range []string{
		"", "office", "10.0.20", "10.0.20/24", "10.0.20.010/24", "10.0.20.10/33", "10.0.20.10/024", "10.0.20.10/", " 10.0.20.10", "2001:db8::1/129",
		"fe80::1%eth0", "fe80::1%eth0/64", "fe80::1%eth0/128", // a prefix would lose the zone
	} {
		network, ok := wire.Network(text)
		require.False(t, ok, text)
		require.Zero(t, network, text)
	}
}

// A server may write a flag in words, and leave it out for no; anything else is
// as it was sent.
func TestSameValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sent, got string
		same      bool
	}{
		{"joe", "joe", true}, {"", "", true}, {"1", "1", true}, {"0", "0", true}, {"true", "true", true}, {"日本", "日本", true},
		{"1", "true", true}, {"0", "false", true}, {"0", "", true},
		{"joe", "Joe", false}, {"joe", " joe", false}, {"joe", "", false}, {"", "joe", false},
		{"1", "0", false}, {"1", "false", false}, {"1", "", false}, {"1", "TRUE", false}, {"1", "01", false},
		{"0", "1", false}, {"0", "true", false}, {"0", "no", false}, {"0", "FALSE", false},
		{"true", "1", false}, {"false", "0", false}, {"", "0", false}, {"", "false", false}, {"true", "", false}, {"false", "", false},
	} {
		require.Equal(t, test.same, wire.SameValue(test.sent, test.got), "%q and %q", test.sent, test.got)
	}
}

// A MAC address is the same in each form, a network with and without its host
// bits, an address with and without the length of a single one.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sent, got string
		same      bool
	}{
		{"10:20:30:1A:2B:3C", "10:20:30:1A:2B:3C", true},
		{"10:20:30:1A:2B:3C", "10:20:30:1a:2b:3c", true},
		{"10-20-30-1a-2b-3c", "1020301A2B3C", true},
		{"1020.301a.2b3c", "10-20-30-1A-2B-3C", true},
		{"10:20:30:1A:2B:3C", "10:20:30:1A:2B:3D", false},
		{"10:20:30:1A:2B:3C", "", false},
		{"10:20:30:1A:2B:3C", "softphone", false},
		{"10:20:30:1A:2B:3C", "10.0.20.10", false},

		{"10.0.20.0/24", "10.0.20.0/24", true},
		{"10.0.20.10/24", "10.0.20.10/24", true},
		{"10.0.20.10/24", "10.0.20.0/24", true},
		{"10.0.20.10/32", "10.0.20.10", true},
		{"10.0.20.10", "10.0.20.10/32", true},
		{"10.0.20.10", "10.0.20.10", true},
		{"2001:db8::1/48", "2001:DB8::/48", true},
		{"2001:db8::1/128", "2001:db8:0::1", true},
		{"10.0.20.0/24", "10.0.20.10/24", false}, // other host bits were not sent
		{"10.0.20.10/24", "10.0.20.11/24", false},
		{"10.0.20.0/24", "10.0.20.0/25", false},
		{"10.0.20.0/24", "10.0.20.0", false},
		{"10.0.20.10", "10.0.20.11", false},
		{"::ffff:10.0.0.1", "10.0.0.1", false},
		{"10.0.20.0/24", "", false},
		{"10.0.20.0/24", "office", false},
		{"10.0.20.0/24", "10:20:30:1A:2B:3C", false},

		{"", "", false},
		{"office", "office", false},
		{"", "10.0.20.0/24", false},
		{"fe80::1%eth0", "fe80::1%eth0", false},
	} {
		require.Equal(t, test.same, wire.SameAddress(test.sent, test.got), "%q and %q", test.sent, test.got)
	}
}

// Each way in which a server may keep what was sent is one that is the same.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string][]any{
		"10:20:30:1A:2B:3C":  {"10:20:30:1A:2B:3C", "10:20:30:1a:2b:3c"},
		"10-20-30-1a-2b-3c":  {"10:20:30:1A:2B:3C", "10:20:30:1a:2b:3c"},
		"10.0.20.0/24":       {"10.0.20.0/24", "10.0.20.0/24"},
		"10.0.20.10/24":      {"10.0.20.10/24", "10.0.20.0/24"},
		"10.0.20.10/32":      {"10.0.20.10/32", "10.0.20.10/32", "10.0.20.10"},
		"10.0.20.10":         {"10.0.20.10", "10.0.20.10/32", "10.0.20.10"},
		"2001:db8::1/48":     {"2001:db8::1/48", "2001:db8::/48"},
		"2001:db8::1/128":    {"2001:db8::1/128", "2001:db8::1/128", "2001:db8::1"},
		"::ffff:10.0.0.1/96": {"::ffff:10.0.0.1/96", "::ffff:0.0.0.0/96"},
	} {
		got := wire.Addresses(sent)
		require.Equal(t, want, got, sent)
		for _, way := range got {
			require.True(t, wire.SameAddress(sent, way.(string)), "%s and %s", sent, way)
		}
	}
}

// What cannot be read may be any network. Networks within the one that was sent, and
// around it, are others.
func TestLikeName(t *testing.T) {
	t.Parallel()
	for got, like := range map[string]verify.Likeness{
		"": verify.Unsaid, "Zoë": verify.Exact, "ZOË": verify.Alike, "zoë ": verify.Other, "Zoe": verify.Other, "\xff": verify.Other,
	} {
		require.Equal(t, like, wire.LikeName("Zoë", got), got)
	}
}

func TestLikeAddress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		want, got string
		like      verify.Likeness
	}{
		{"10:20:30:1A:2B:3C", "10:20:30:1A:2B:3C", verify.Exact},
		{"10:20:30:1A:2B:3C", "10-20-30-1a-2b-3c", verify.Exact},
		{"10:20:30:1A:2B:3C", "1020.301a.2b3c", verify.Exact},
		{"10:20:30:1A:2B:3C", "1020301A2B3C", verify.Exact},
		{"10:20:30:1A:2B:3C", "10:20:30:1A:2B:3D", verify.Other},
		{"10:20:30:1A:2B:3C", "Lobby", verify.Other},
		{"10:20:30:1A:2B:3C", "", verify.Unsaid},
		{"10.0.20.10/24", "10.0.20.10/24", verify.Exact},
		{"10.0.20.10/24", "10.0.20.0/24", verify.Alike},
		{"10.0.20.0/24", "10.0.20.9/24", verify.Alike},
		{"10.0.20.0/24", "10.0.20.0/25", verify.Other},
		{"10.0.20.0/24", "10.0.21.0/24", verify.Other},
		{"10.0.20.1/32", "10.0.20.1", verify.Exact},
		{"2001:db8::/64", "2001:DB8:0::/64", verify.Exact},
		{"10.0.20.0/24", "10.0.20.0/255.255.255.0", verify.Unclear},
		{"10.0.20.10/24", "10.0.20.10", verify.Unclear},
		{"10.0.20.10/24", "10.0.20.7", verify.Other},
		{"10.0.20.0/24", "10.0.21.0/255.255.255.0", verify.Other},
		{"10.0.20.0/24", "the office", verify.Unclear},
		{"10.0.20.0/24", "", verify.Unsaid},
	} {
		require.Equal(t, test.like, wire.LikeAddress(test.want, test.got), "%s, %s", test.want, test.got)
	}
}

func TestNearNetwork(t *testing.T) {
	t.Parallel()
	for got, near := range map[string]bool{
		"10.0.20.0/255.255.255.0": true, "10.0.20.10/255.255.255.0": true, "10.0.20.10": true, "10.0.20.0": true, "10.0.20.1/24": true,
		"::ffff:10.0.20.0/120": true, "10.0.20.*": true, "010.000.020.010/24": true, "office": true, "/24": true,
		"": false, "10.0.21.0/24": false, "10.0.0.0/16": false, "10.0.20.5": false, "10.0.20.128/25": false, "2001:db8::/32": false, "10.0.21.0/255.255.255.0": false,
	} {
		require.Equal(t, near, wire.NearNetwork("10.0.20.10/24", got), got)
	}
}
