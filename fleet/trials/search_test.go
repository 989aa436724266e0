//go:build unix

package trials

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSearchFindsEverySpelling(t *testing.T) {
	t.Parallel()
	search := newSearch([]string{"correct horse battery", "another secret of ours"})
	require.Empty(t, search.in([]byte("the correct horse, another secret of our own")))
	require.Equal(t, []string{"as it is"}, search.in([]byte("the correct horse battery staple")))
	require.Equal(t, []string{"in hexadecimal digits"}, search.in([]byte(hex.EncodeToString([]byte("the correct horse battery staple")))))
	for _, before := range []string{"", "x", "xx", "xxx"} {
		for _, after := range []string{"", "x", "xx"} {
			text := []byte(before + "another secret of ours" + after)
			require.Equal(t, []string{"in base64"}, search.in([]byte(base64.StdEncoding.EncodeToString(text))), "%q", text)
			require.Equal(t, []string{"in base64"}, search.in([]byte(base64.RawURLEncoding.EncodeToString(text))), "%q", text)
		}
	}
}

// The states that the trials ask for are ones that can be had.
func TestWishesAreSound(t *testing.T) {
	t.Parallel()
	before := ""
	for rev := range 50 {
		w := wish{Seed: 7, Number: 300, Rev: rev, Users: 20}
		state, err := w.state()
		require.NoError(t, err)
		require.NoError(t, state.Check())
		require.Len(t, state.Users, 20)
		text, err := json.Marshal(state)
		require.NoError(t, err)
		require.NotEqual(t, before, string(text))
		before = string(text)
	}
}
