package command

import (
	"net/netip"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestOptional(t *testing.T) {
	t.Parallel()
	var p struct {
		name     *string
		yes, no  *bool
		secs     *int
		group    *infinitysip.GroupID
		strategy *infinitysip.RingStrategy
		network  *netip.Prefix
		left     *string
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	optional(flags, &p.name, "name", "the display `name`")
	optional(flags, &p.yes, "yes", "")
	optional(flags, &p.no, "no", "")
	optional(flags, &p.secs, "secs", "")
	optional(flags, &p.group, "group", "")
	optional(flags, &p.strategy, "strategy", "")
	optional(flags, &p.network, "network", "")
	optional(flags, &p.left, "left", "")
	require.NoError(t, flags.Parse([]string{"--name=", "--yes", "--no=false", "--secs", "20", "--group=7", "--strategy", "all", "--network=192.0.2.0/28"}))
	require.Equal(t, new(""), p.name)
	require.Equal(t, new(true), p.yes)
	require.Equal(t, new(false), p.no)
	require.Equal(t, new(20), p.secs)
	require.Equal(t, new(infinitysip.GroupID(7)), p.group)
	require.Equal(t, new(infinitysip.RingAll), p.strategy)
	require.Equal(t, new(netip.MustParsePrefix("192.0.2.0/28")), p.network)
	require.Nil(t, p.left)
	require.Regexp(t, `--name name +the display name\n`, flags.FlagUsages())

	for _, args := range [][]string{{"--yes=perhaps"}, {"--secs=many"}, {"--group=99999999999999999999"}, {"--network=192.0.2.1"}} {
		require.Error(t, flags.Parse(args))
	}
}

func TestWrongParams(t *testing.T) {
	t.Parallel()
	err := wrongParams(infinitysip.UserCreateParams{User: "joe", DisplayName: "Joe", ExtensionNumber: "201"}.Validate(), nil)
	require.EqualError(t, err, "--password: required")
	require.Equal(t, exitUsage, exitCode(err))
	err = wrongParams(infinitysip.UserCreateParams{}.Validate(), map[string]string{"user": "USER", "displayName": "--name"})
	require.EqualError(t, err, "nothing was sent, because of 4 problems:\n  USER: required\n  --password: required\n  --name: required\n  --extension-number: required")
	require.NoError(t, wrongParams(nil, nil))
}
