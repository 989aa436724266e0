package command

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/demo"
	"github.com/infinitysip/infinitysip/siptest"
)

func TestServerThatDoesNotSort(t *testing.T) {
	t.Parallel()
	const note = "The server did not sort by "
	for _, test := range []struct {
		ignore bool
		args   []string
		noted  bool
	}{
		{false, []string{"--order-by", "-id"}, false},
		{false, []string{"--order-by", "-updated"}, false},
		{false, []string{"--order-by", "updated,-id"}, false},
		{true, []string{"--order-by", "-id"}, true},
		{true, []string{"--order-by", "-pbxDeviceId", "--where", "name begins Lobby"}, true},
		{true, []string{"--order-by", "updated"}, true},
		{true, []string{"--order-by", "id"}, false},
		{true, []string{"--order-by", "-name"}, false}, // nobody knows how it orders texts
		{true, []string{"--order-by", "-id", "--sort", "-id"}, false},
	} {
		srv := siptest.NewServer(siptest.Options{IgnoreFilters: test.ignore})
		t.Cleanup(srv.Close)
		_, err := demo.Office(t.Context(), srv)
		require.NoError(t, err)
		got := onServer(t.Context(), t, srv, &app{}, append([]string{"devices", "list", "-d", "1"}, test.args...)...)
		require.Zero(t, got.code, "%v", got)
		if test.noted {
			require.Contains(t, got.stderr, note, "%v", test)
		} else {
			require.Empty(t, got.stderr, "%v", test)
		}
	}
}
