package near_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/near"
)

func TestOf(t *testing.T) {
	t.Parallel()
	names := []string{"name", "extension", "json", "ndjson", "Zoë"}
	for text, want := range map[string]string{
		"nam": "name", "NAME": "name", "extnsion": "extension", "jsno": "json", "zoe": "Zoë", "ext": "extension",
		"": "", "x": "", "colour": "", strings.Repeat("mane", 60): "",
	} {
		require.Equal(t, want, near.Of(text, names), text)
	}
	require.Equal(t, ` (did you mean "json"?)`, near.Meant("jsn", names))
	require.Empty(t, near.Meant("jsn", nil))
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"joe.blogs", "joe.blogs", 0}, {"Joe.Blogs", "joe.blogs", 0}, {"joe", "joe.blogs", 1}, {"jo.blogs", "joe.blogs", 1},
		{"kitten", "sitting", 3}, {"jeo.blogs", "joe.blogs", 1}, {"ewa.lis", "ewa.liś", 1}, {"jo", "joe.blogs", 7},
	} {
		require.Equal(t, c.want, near.Distance(c.a, c.b), "%s %s", c.a, c.b)
		require.Equal(t, c.want, near.Distance(c.b, c.a), "%s %s", c.b, c.a)
	}
	require.Greater(t, near.Distance("", "a"), 1000)
}
