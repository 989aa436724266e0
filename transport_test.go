package infinitysip

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestTransportGivesTheCredentialsToTheirHostAlone(t *testing.T) {
	t.Parallel()
	var got string
	client, err := NewClient(APIKey("key"), WithBaseURL("https://gw.example.com:8443"), WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			got = req.Header.Get("Authorization")
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
		}),
	}))
	require.NoError(t, err)
	for target, want := range map[string]string{
		"https://gw.example.com:8443/config/v2/sip/domains": "ApiKey key",
		"http://gw.example.com:8443/config/v2/sip/domains":  "",
		"https://gw.example.com/config/v2/sip/domains":      "",
		"https://example.com:8443/config/v2/sip/domains":    "",
	} {
		call := &call{op: "Domains.List", client: client}
		req, err := http.NewRequestWithContext(withCall(t.Context(), call), http.MethodGet, target, nil)
		require.NoError(t, err)
		resp, err := client.transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, got, target)
		require.Empty(t, req.Header, "the request that was passed in is not changed")
	}
}
