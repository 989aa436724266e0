package infinitysip_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestParseID(t *testing.T) {
	t.Parallel()
	id, err := infinitysip.ParseID[infinitysip.UserID]("7")
	require.NoError(t, err)
	require.Equal(t, infinitysip.UserID(7), id)
	for _, text := range []string{"", "0", "-1", "+1", " 1", "1.0", "1e3", "0x1", "abc", "9223372036854775808", "٣"} {
		id, err := infinitysip.ParseID[infinitysip.DeviceID](text)
		require.ErrorIs(t, err, infinitysip.ErrInvalid, text)
		require.Zero(t, id)
	}
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// An id is what strconv reads from decimal digits alone, above 0.
func FuzzParseID(f *testing.F) {
	for _, text := range []string{"7", "007", "0", "", "-1", "+1", " 1", "1_0", "0x1", "1.0", "٣", "9223372036854775807", "9223372036854775808", strings.Repeat("9", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := strconv.ParseInt(text, 10, 64)
		id, got := infinitysip.ParseID[infinitysip.UserID](text)
		if err == nil && n > 0 && digits.MatchString(text) {
			require.NoError(t, got)
			require.EqualValues(t, n, id)
			return
		}
		require.ErrorIs(t, got, infinitysip.ErrInvalid)
		require.Zero(t, id)
		require.Less(t, len(got.Error()), 500)
		require.True(t, utf8.ValidString(got.Error()))
	})
}
