package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every peer sends a create with about as many values as the SDK's has, and a
// read, and takes the ids out of the answers.
func TestPeers(t *testing.T) {
	t.Parallel()
	all, err := peers()
	require.NoError(t, err)
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			var methods []string
			var values int
			p.transport.Watch = func(req *http.Request, body string) {
				methods = append(methods, req.Method)
				if body != "" {
					values = count(t, req.Header.Get("Content-Type"), body)
				}
			}
			id, err := p.create()
			require.NoError(t, err)
			require.Contains(t, p.created, id)
			require.Equal(t, http.MethodPost, methods[len(methods)-1])
			require.InDelta(t, 20, values, 4)

			id, err = p.read()
			require.NoError(t, err)
			require.Contains(t, p.row, id)
			require.Equal(t, http.MethodGet, methods[len(methods)-1])
			require.InDelta(t, 560, len(p.row), 150)
		})
	}
}

// count tells how many values a body holds.
func count(t *testing.T, contentType, body string) int {
	if strings.Contains(contentType, "json") {
		var value any
		require.NoError(t, json.Unmarshal([]byte(body), &value))
		return leaves(value)
	}
	form, err := url.ParseQuery(body)
	require.NoError(t, err)
	return len(form)
}

func leaves(value any) (n int) {
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			n += leaves(member)
		}
		return n
	case []any:
		for _, element := range v {
			n += leaves(element)
		}
		return n
	}
	return 1
}
