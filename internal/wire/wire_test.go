package wire_test

import (
	"net/netip"
	"testing"

	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/stretchr/testify/require"
)

func TestMAC(t *testing.T) {
	t.Parallel()
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
		"10:20:30:1A:2B:3G":       "",
		" 10:20:30:1A:2B:3C":      "",
		"10:20:30:1A:2B:3C:4D:5E": "", // EUI-64, which net.ParseMAC takes
		"softphone":               "",
	} {
		require.Equal(t, want, wire.MAC(text), text)
	}
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
