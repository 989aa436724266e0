package infinitysip_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// stub answers a client without a network, and keeps what the client sent.
type stub struct {
	hits    []*http.Request
	forms   []url.Values
	respond func(n int, req *http.Request) (*http.Response, error) // n counts from 1
}

func (s *stub) RoundTrip(req *http.Request) (*http.Response, error) {
	form := url.Values(nil)
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body)
		form, _ = url.ParseQuery(string(body))
	}
	s.hits, s.forms = append(s.hits, req), append(s.forms, form)
	return s.respond(len(s.hits), req)
}

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func always(status int, body string) *stub {
	return &stub{respond: func(int, *http.Request) (*http.Response, error) { return answer(status, body), nil }}
}

const (
	key      = "canary-key"
	password = `canary-pass "wörd"/<&>+%`
	pin      = "90210777"
)

// stubClient makes a client whose calls fail at their first failure.
func stubClient(t *testing.T, s *stub, opts ...infinitysip.Option) *infinitysip.Client {
	t.Helper()
	opts = append(opts, infinitysip.WithHTTPClient(&http.Client{Transport: s}),
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1, VerifyWaits: []time.Duration{0}}))
	client, err := infinitysip.NewClient(infinitysip.APIKey(key), opts...)
	require.NoError(t, err)
	return client
}

func newUser() infinitysip.UserCreateParams {
	return infinitysip.UserCreateParams{
		User: "joe.blogs", Password: infinitysip.NewSecret(password), DisplayName: "Joe Blogs",
		ExtensionNumber: "0100", PIN: infinitysip.NewSecret(pin),
	}
}

func TestNewClientAccepts(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"https://api.infinitycloud.com":    "https://api.infinitycloud.com/config/v2/sip/domains",
		"https://gw.example.com/infinity/": "https://gw.example.com/infinity/config/v2/sip/domains",
		"http://127.0.0.1:8080":            "http://127.0.0.1:8080/config/v2/sip/domains",
		"http://[::1]:8080":                "http://[::1]:8080/config/v2/sip/domains",
		"http://localhost":                 "http://localhost/config/v2/sip/domains",
	} {
		s := always(200, "")
		_, err := stubClient(t, s, infinitysip.WithBaseURL(rawURL)).Domains.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, s.hits[0].URL.String())
	}
	s := always(200, "")
	_, err := stubClient(t, s, infinitysip.WithBaseURL("http://sip.example.com"), infinitysip.WithInsecureHTTP()).Domains.List(t.Context())
	require.NoError(t, err)
}

func TestCredentialsFromEnv(t *testing.T) { // not parallel: the environment is global
	authorization := func() string {
		credentials, err := infinitysip.CredentialsFromEnv()
		require.NoError(t, err)
		s := always(200, "")
		client, err := infinitysip.NewClient(credentials, infinitysip.WithHTTPClient(&http.Client{Transport: s}))
		require.NoError(t, err)
		_, err = client.Domains.List(t.Context())
		require.NoError(t, err)
		return s.hits[0].Header.Get("Authorization")
	}
	t.Setenv("INFINITY_API_KEY", "")
	t.Setenv("INFINITY_USERNAME", "joe")
	t.Setenv("INFINITY_PASSWORD", "")
	_, err := infinitysip.CredentialsFromEnv()
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "INFINITY_API_KEY")

	t.Setenv("INFINITY_PASSWORD", "pässword")
	require.Equal(t, "Basic am9lOnDDpHNzd29yZA==", authorization())
	t.Setenv("INFINITY_API_KEY", key)
	require.Equal(t, "ApiKey "+key, authorization())
}
