package infinitysip_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// listNetwork returns the network that a list of this one row gives.
func listNetwork(t *testing.T, row string) infinitysip.TrustedNetwork {
	t.Helper()
	rows, err := stubClient(t, always(200, row)).TrustedNetworks.List(t.Context(), 1, nil)
	require.NoError(t, err, row)
	require.Len(t, rows, 1, row)
	return rows[0]
}

func TestTrustedNetworkIDs(t *testing.T) {
	t.Parallel()
	names := []string{"trustedNetworkId", "trustednetworkId", "trustedNetworksId", "sipTrustedNetworkId", "networkId", "id"}
	for _, name := range names {
		row := listNetwork(t, `{"`+name+`":"5","description":"Leeds"}`)
		require.Equal(t, infinitysip.TrustedNetwork{ID: 5, Description: "Leeds"}, row, name)
	}
	for _, other := range names[1:] {
		for _, body := range []string{`{"` + other + `":"9","trustedNetworkId":"5"}`, `{"trustedNetworkId":"5","` + other + `":"9"}`} {
			row := listNetwork(t, body)
			require.Equal(t, infinitysip.TrustedNetworkID(5), row.ID, "the page's own name comes first: %s", body)
			require.JSONEq(t, `"9"`, string(row.Extra[other]), body)
		}
	}
}

func TestTrustedNetworkNetworks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.20.10/24": "10.0.20.10/24", "10.0.20.10": "10.0.20.10/32", "2001:db8::1": "2001:db8::1/128", "2001:db8::1/48": "2001:db8::1/48",
	} {
		row := listNetwork(t, `{"trustedNetworkId":"5","network":"`+text+`"}`)
		require.Equal(t, netip.MustParsePrefix(want), row.Network)
		require.Nil(t, row.Extra, text)
	}
	for _, text := range []string{"office", "fe80::1%eth0"} {
		row := listNetwork(t, `{"trustedNetworkId":"5","network":"`+text+`"}`)
		require.False(t, row.Network.IsValid(), text)
		require.JSONEq(t, `"`+text+`"`, string(row.Extra["network"]), "what the field cannot hold is kept")
	}
}
