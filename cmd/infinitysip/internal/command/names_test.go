package command

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestNameOrID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		name string
		isID bool
	}{
		"7": {"7", true}, "007": {"007", true}, "joe.blogs": {"joe.blogs", false}, "=7": {"7", false}, "==7": {"=7", false}, "-7": {"-7", false}, "7a": {"7a", false}, "²": {"²", false},
	} {
		name, isID, err := nameOrID("user", text)
		require.NoError(t, err, text)
		require.Equal(t, want.name, name)
		require.Equal(t, want.isID, isID, text)
	}
	for _, text := range []string{"", "=", " ", "= ", "0", "00", "99999999999999999999"} {
		_, _, err := nameOrID("user", text)
		require.Equal(t, exitUsage, exitCode(err), "%q", text)
	}
}

func TestParseMAC(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"10:20:30:1A:2B:3C", "10-20-30-1a-2b-3c", "1020.301a.2b3c", "1020301A2B3C", "10 20 30 1a 2b 3c"} {
		require.Equal(t, "10:20:30:1A:2B:3C", parseMAC(text))
	}
	for _, text := range []string{"", "Lobby 1", "10:20:30:1A:2B", "10:20:30:1A:2B:3C:4D:5E", "facade", "10:20:30:1A:2B:3G"} {
		require.Empty(t, parseMAC(text))
	}
}

func TestParseNetwork(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"192.0.2.0/28": "192.0.2.0/28", " 10.0.20.10/24 ": "10.0.20.10/24", "2001:DB8::/48": "2001:db8::/48"} {
		network, err := parseNetwork(text)
		require.NoError(t, err)
		require.Equal(t, want, network.String())
	}
	for text, want := range map[string]string{
		"192.0.2.1":   "192.0.2.1 is an address, not a network: did you mean 192.0.2.1/32?",
		"2001:db8::1": "2001:db8::1 is an address, not a network: did you mean 2001:db8::1/128?",
		"office":      `"office" is not a network: write it like 192.0.2.0/28 or 2001:db8::/48`,
		"":            `"" is not a network: write it like 192.0.2.0/28 or 2001:db8::/48`,
	} {
		_, err := parseNetwork(text)
		require.EqualError(t, err, want)
		require.Equal(t, exitUsage, exitCode(err))
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"Ewa Liś": "Ewa Liś", "a\x1b[2Jb": `a\x1b[2Jb`, `Joe "J" \o/`: `Joe "J" \o/`, "a\nb": `a\nb`, "\u202e": `\u202e`} {
		require.Equal(t, want, printable(text))
	}
}

func TestAsName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "", "joe": "joe", "201": "=201", "=a": "==a"} {
		require.Equal(t, want, asName(name))
	}
}

func TestIDList(t *testing.T) {
	t.Parallel()
	require.Equal(t, "1, 2", idList([]int64{1, 2}))
	require.Regexp(t, `20 and 5 more$`, idList([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25}))
	require.Empty(t, idText(infinitysip.UserID(0)))
}
