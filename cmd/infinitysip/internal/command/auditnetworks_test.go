package command

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func trusted(id infinitysip.TrustedNetworkID, network string) infinitysip.TrustedNetwork {
	return infinitysip.TrustedNetwork{ID: id, Network: netip.MustParsePrefix(network), Description: "somebody's"}
}

func TestAuditOfOneNetwork(t *testing.T) {
	t.Parallel()
	for network, want := range map[string][]string{
		"8.8.8.0/24":           nil,
		"2a00:1450::/32":       nil,
		"2a00:1450:4000::/36":  nil,
		"8.8.8.8/32":           nil,
		"11.0.0.0/16":          nil,
		"0.0.0.0/0":            {"everything"},
		"::/0":                 {"everything"},
		"8.8.8.8/0":            {"everything", "host bits: it is 0.0.0.0/0"},
		"11.0.0.0/8":           {"very wide: a /8"},
		"8.0.0.0/6":            {"very wide: a /6"},
		"11.0.0.0/15":          {"very wide: a /15"},
		"2a00::/16":            {"very wide: a /16"},
		"10.0.0.0/8":           {"private", "very wide: a /8"},
		"10.0.20.10/24":        {"private", "host bits: it is 10.0.20.0/24"},
		"::ffff:10.0.20.0/120": {"private"},
		"172.31.255.0/24":      {"private"},
		"172.32.0.0/24":        nil,
		"192.168.1.0/24":       {"private"},
		"100.64.3.0/24":        {"private"},
		"fd00:1::/48":          {"private"},
		"192.0.2.0/28":         {"special: documentation"},
		"2001:db8:1::/48":      {"special: documentation"},
		"127.0.0.1/32":         {"special: loopback"},
		"::1/128":              {"special: loopback"},
		"169.254.0.0/16":       {"special: link-local"},
		"fe80::/64":            {"special: link-local"},
		"224.0.0.0/4":          {"special: multicast", "very wide: a /4"},
		"0.0.0.0/32":           {"special: no address of its own"},
	} {
		var seen seenNetworks
		var got []string
		for _, f := range seen.look(&infinitysip.Domain{ID: 1}, []infinitysip.TrustedNetwork{trusted(1, network)}) {
			text := f.Finding
			if f.Detail != "" {
				text += ": " + f.Detail
			}
			got = append(got, text)
			require.NotEmpty(t, f.Advice)
			require.Equal(t, network, f.Network)
		}
		require.Equal(t, want, got, network)
	}
}

func TestAuditOfSeveralDomains(t *testing.T) {
	t.Parallel()
	var seen seenNetworks
	look := func(domain infinitysip.Domain, networks ...infinitysip.TrustedNetwork) []string {
		var got []string
		for _, f := range seen.look(&domain, networks) {
			got = append(got, f.Network+" "+f.Finding+": "+f.Detail)
		}
		return got
	}
	acme, beta, last := infinitysip.Domain{ID: 1, DisplayName: "acme"}, infinitysip.Domain{ID: 2, DisplayName: "beta"}, infinitysip.Domain{ID: 3, DisplayName: "last"}
	require.Equal(t, []string{" no networks: "}, look(infinitysip.Domain{ID: 9}))
	require.Equal(t, []string{
		"8.8.8.0/24 same: 8.8.8.0/24 (id 1)",
		"8.8.8.8/32 overlaps: 8.8.8.0/24 (id 1), 8.8.8.0/24 (id 3)",
	}, look(acme, trusted(3, "8.8.8.0/24"), trusted(1, "8.8.8.0/24"), trusted(2, "8.8.4.0/24"), trusted(4, "8.8.8.8/32")))
	require.Equal(t, []string{
		"8.8.8.9/24 host bits: it is 8.8.8.0/24",
		"8.8.8.9/24 same: 8.8.8.0/24 (id 1) of domain acme (id 1), 8.8.8.0/24 (id 3) of domain acme (id 1)",
		"8.8.8.9/24 overlaps: 8.8.8.8/32 (id 4) of domain acme (id 1)",
	}, look(beta, trusted(5, "8.8.8.9/24"), trusted(6, "9.9.9.0/24"), trusted(7, "8.8.9.0/24")))
	require.Equal(t, []string{
		"8.8.0.0/16 overlaps: 8.8.4.0/24 (id 2) of domain acme (id 1), 8.8.8.0/24 (id 1) of domain acme (id 1), 8.8.8.0/24 (id 3) of domain acme (id 1), and 3 more",
	}, look(last, trusted(8, "8.8.0.0/16")))
}

func TestAuditOfUnreadableNetworks(t *testing.T) {
	t.Parallel()
	var seen seenNetworks
	found := seen.look(&infinitysip.Domain{ID: 1, DisplayName: "acme"}, []infinitysip.TrustedNetwork{{ID: 4, Extra: map[string]json.RawMessage{"network": json.RawMessage(`"10.0.0.0-10.0.0.9"`)}}})
	require.Len(t, found, 2)
	require.Equal(t, "10.0.0.0-10.0.0.9", found[0].Network)
	require.Equal(t, "unreadable", found[0].Finding)
	require.Equal(t, "no description", found[1].Finding)
}
