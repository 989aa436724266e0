package infinitysip_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The README's table is what the client does.
func TestReadmeListsEveryCall(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	data, err := os.ReadFile("testdata/endpoints.json")
	require.NoError(t, err)
	var endpoints []struct{ SDK, Title, Method, Path string }
	require.NoError(t, json.Unmarshal(data, &endpoints))
	require.NotEmpty(t, endpoints)
	for _, e := range endpoints {
		require.Contains(t, string(readme), fmt.Sprintf("| `%s` | %s | `%s %s` |\n", e.SDK, e.Title, e.Method, strings.TrimPrefix(e.Path, "/config/v2/sip")))
	}
}
