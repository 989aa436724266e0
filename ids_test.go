package infinitysip_test

import (
	"encoding"
	"encoding/json"
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

// An id in JSON is a number. It is read from a number or a string, and as a key.
func TestIDsAsJSON(t *testing.T) {
	t.Parallel()
	testIDAsJSON[infinitysip.DomainID](t)
	testIDAsJSON[infinitysip.UserID](t)
	testIDAsJSON[infinitysip.PhoneID](t)
	testIDAsJSON[infinitysip.GroupID](t)
	testIDAsJSON[infinitysip.QueueID](t)
	testIDAsJSON[infinitysip.QueueMemberID](t)
	testIDAsJSON[infinitysip.TrustedNetworkID](t)
	testIDAsJSON[infinitysip.DeviceID](t)
}

func testIDAsJSON[T infinitysip.ID](t *testing.T) {
	type stored struct {
		ID    T
		Maybe *T `json:",omitempty"`
		List  []T
		ByID  map[T]string
	}
	before := stored{ID: 7, List: []T{1<<63 - 1, 0}, ByID: map[T]string{7: "a", 0: "b"}}
	text, err := json.Marshal(before)
	require.NoError(t, err)
	require.Equal(t, `{"ID":7,"List":[9223372036854775807,0],"ByID":{"0":"b","7":"a"}}`, string(text))
	var after stored
	require.NoError(t, json.Unmarshal(text, &after))
	require.Equal(t, before, after)

	for text, want := range map[string]T{`7`: 7, `"7"`: 7, `"007"`: 7, `0`: 0, `"0"`: 0, `""`: 0, `null`: 5, ` 7 `: 7, `"\u0037"`: 7} {
		id := T(5)
		require.NoError(t, json.Unmarshal([]byte(text), &id), text)
		require.Equal(t, want, id, text)
	}
	for _, text := range []string{`-1`, `1.0`, `1e3`, `9223372036854775808`, `"-1"`, `"+7"`, `" 7"`, `"x"`, `true`, `[7]`, `{"pin":4711}`, `"null"`, `"00"`} {
		id := T(5)
		err := json.Unmarshal([]byte(text), &id)
		require.ErrorIs(t, err, infinitysip.ErrInvalid, text)
		require.True(t, strings.HasPrefix(err.Error(), "infinitysip: "), err.Error())
		require.NotContains(t, err.Error(), "4711")
		require.Equal(t, T(5), id, text)
	}
	id := T(5)
	unmarshaler, ok := any(&id).(interface {
		json.Unmarshaler
		encoding.TextUnmarshaler
	})
	require.True(t, ok)
	require.ErrorIs(t, unmarshaler.UnmarshalJSON(nil), infinitysip.ErrInvalid)
	require.ErrorIs(t, unmarshaler.UnmarshalText([]byte("x")), infinitysip.ErrInvalid)
	require.NoError(t, unmarshaler.UnmarshalText([]byte("7")))
	require.EqualValues(t, 7, id)
	require.NoError(t, unmarshaler.UnmarshalText(nil))
	require.Zero(t, id)
}
