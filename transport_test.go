package infinitysip

import (
	"io"
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
		call := &call{op: "Domains.List", caller: client.caller}
		req, err := http.NewRequestWithContext(withCall(t.Context(), call), http.MethodGet, target, nil)
		require.NoError(t, err)
		resp, err := client.caller.transport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, got, target)
		require.Empty(t, req.Header, "the request that was passed in is not changed")
	}
}

// A RoundTripper may break the contract of one.
func TestTransportsThatAreOdd(t *testing.T) {
	t.Parallel()
	closed := false
	for name, test := range map[string]struct {
		transport roundTripper
		check     func(error)
	}{
		"an answer and an error": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 204, Body: closer(func() { closed = true })}, io.ErrClosedPipe
		}, func(err error) { require.ErrorIs(t, err, io.ErrClosedPipe) }},
		"an answer with no body": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 204, Header: http.Header{}}, nil
		}, func(err error) { require.NoError(t, err) }},
	} {
		client, err := NewClient(APIKey("key"), WithHTTPClient(&http.Client{Transport: test.transport}), WithRetryPolicy(RetryPolicy{MaxAttempts: 1}))
		require.NoError(t, err, name)
		test.check(client.Users.Delete(t.Context(), 1, 2))
	}
	require.True(t, closed)
}

type closer func()

func (c closer) Read([]byte) (int, error) { return 0, io.EOF }
func (c closer) Close() error             { c(); return nil }
