package verify_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/verify"
)

func TestRow(t *testing.T) {
	t.Parallel()
	var row verify.Row
	require.NoError(t, json.Unmarshal([]byte(
		`{"id":"7","n":7,"minus":-7,"yes":true,"no":false,"none":null,"empty":"","text":"a\/b\u00e9","list":[1],"object":{"id":1},"huge":9223372036854775808,"word":"seven"}`), &row.Extra))
	for name, want := range map[string]string{
		"id": "7", "n": "7", "minus": "-7", "yes": "true", "no": "false", "none": "", "empty": "", "text": "a/bé",
		"huge": "9223372036854775808", "word": "seven",
	} {
		got, ok := row.Value(name)
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	for _, name := range []string{"list", "object", "ID", "", "other"} {
		_, ok := row.Value(name)
		require.False(t, ok, name)
	}
	for name, test := range map[string]struct {
		names []string
		want  int64
	}{
		"a string":                         {[]string{"id"}, 7},
		"a number":                         {[]string{"n"}, 7},
		"the first that is there":          {[]string{"userId", "id", "minus"}, 7},
		"the first, though another is one": {[]string{"word", "id"}, 0},
		"a list is none":                   {[]string{"list", "object", "id"}, 7},
		"null":                             {[]string{"none"}, 0},
		"an empty one":                     {[]string{"empty"}, 0},
		"beyond 64 bits":                   {[]string{"huge"}, 0},
		"a negative one":                   {[]string{"minus"}, 0},
		"none of them":                     {[]string{"userId"}, 0},
		"no names":                         {nil, 0},
	} {
		require.Equal(t, test.want, row.ID(test.names), name)
	}
	_, ok := verify.Row{}.Value("id")
	require.False(t, ok)
	require.Zero(t, verify.Row{}.ID([]string{"id"}))
}
