package demo

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnectWithoutAccount(t *testing.T) {
	t.Parallel()
	target, err := Connect(false, 9)
	require.NoError(t, err)
	defer target.Close()
	require.False(t, target.Live)
	require.Contains(t, target.Note, "nothing real is touched")

	require.NoError(t, Fill(t.Context(), target.Client, target.Domain))
	users, err := target.Client.Users.List(t.Context(), 9)
	require.NoError(t, err)
	require.Len(t, users, 4)
}

func TestFlagsOnly(t *testing.T) {
	t.Parallel()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.Bool("live", false, "")
	require.NoError(t, flags.Parse([]string{"-live"}))
	require.NoError(t, FlagsOnly(flags))
	require.NoError(t, flags.Parse([]string{"domain.json", "-live"}))
	require.EqualError(t, FlagsOnly(flags), "there are flags only: what is domain.json -live?")
}

func TestConnectLive(t *testing.T) {
	t.Setenv("INFINITY_USERNAME", "")
	t.Setenv("INFINITY_API_KEY", "")
	_, err := Connect(true, 7)
	require.ErrorContains(t, err, "INFINITY_API_KEY")

	t.Setenv("INFINITY_API_KEY", "key")
	target, err := Connect(true, 7)
	require.NoError(t, err)
	defer target.Close()
	require.True(t, target.Live)
	require.Equal(t, "Running against https://api.infinitycloud.com, domain 7.", target.Note)
}
