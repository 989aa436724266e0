package suite_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

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
	t.Setenv("INFINITY_API_KEY", canaryKey)
	require.Equal(t, "ApiKey "+canaryKey, authorization())
}

// A plain client uses no transport but its own, and keeps its connection also
// where calls fail.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	remotes := make(map[string]bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		remotes[req.RemoteAddr] = true
		if len(req.URL.Path)%2 == 0 {
			http.Error(w, strings.Repeat("no ", 1000), http.StatusConflict)
		}
	}))
	t.Cleanup(server.Close)
	client, err := infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(server.URL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	for id := infinitysip.UserID(1); id < 200; id += 9 {
		_, _ = client.Users.List(t.Context(), infinitysip.DomainID(id))
		_, _ = client.Users.Get(t.Context(), 1, id)
		_ = client.Users.Delete(t.Context(), 1, id)
	}
	require.Len(t, remotes, 1)
}

func TestUserAgent(t *testing.T) {
	t.Parallel()
	s := always(200, "")
	_, err := stubClient(t, s, infinitysip.WithUserAgent("acme/1.2")).Domains.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "acme/1.2 infinitysip-go", s.hits[0].Header.Get("User-Agent"))
}

func TestOperationFromContext(t *testing.T) {
	t.Parallel()
	require.Empty(t, infinitysip.OperationFromContext(t.Context()))
	s := always(200, "")
	_, err := stubClient(t, s).TrustedNetworks.List(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Equal(t, "TrustedNetworks.List", infinitysip.OperationFromContext(s.hits[0].Context()))
}

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := &stub{respond: func(n int, req *http.Request) (*http.Response, error) {
		switch n {
		case 1:
			return answer(409, "the password "+canaryPassword+" is in use"), nil
		case 2:
			return nil, errors.New("broken while sending " + url.QueryEscape(canaryPassword))
		}
		return nil, errors.New("no recording of " + req.URL.String())
	}}
	client := stubClient(t, s, infinitysip.WithLogger(logger), atOnce())
	_, err := client.Users.Create(t.Context(), 1, newUser())
	require.ErrorIs(t, err, infinitysip.ErrConflict)
	_, err = client.Users.Create(t.Context(), 1, newUser())
	require.Error(t, err)
	_, err = client.Devices.List(t.Context(), 1, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(infinitysip.DeviceFields.User.Eq("canary-query"))})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")

	require.NotContains(t, out.String(), "canary")
	var records []map[string]any
	for line := range strings.Lines(out.String()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		records = append(records, record)
	}
	require.Len(t, records, s.count(), "one for each attempt")
	require.Subset(t, records[0], map[string]any{"level": "WARN", "op": "Users.Create", "method": "POST", "path": "/config/v2/sip/domains/1/users", "attempt": 1.0, "status": 409.0})
	require.Subset(t, records[1], map[string]any{"error": "broken while sending [redacted]"})
}

func TestErrorsTellWhatAndHoldNoSecret(t *testing.T) {
	t.Parallel()
	quoted, _ := json.Marshal(canaryPassword)
	php := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", "/", `\/`, "ö", `\u00f6`).Replace(string(quoted))
	for name, test := range map[string]struct{ body, want string }{
		"text":           {"extension in use", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: extension in use"},
		"JSON string":    {`"extension in use"`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: extension in use"},
		"JSON object":    {`{"code":7,"message":"extension in use"}`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: extension in use"},
		"HTML":           {"<html><head><title>409 Conflict</title></head><body>x</body></html>", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: 409 Conflict"},
		"nothing":        {"", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict"},
		"raw":            {"bad password " + canaryPassword, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: bad password [redacted]"},
		"Go JSON":        {`{"error":` + string(quoted) + `}`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: [redacted]"},
		"PHP JSON":       {`{"error":` + php + `}`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: [redacted]"},
		"form":           {"pin=" + canaryPIN + "&password=" + url.QueryEscape(canaryPassword), "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: pin=[redacted]&password=[redacted]"},
		"the credential": {"no such key: " + canaryKey, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: no such key: [redacted]"},
		"binary":         {"a\x00b\x1b[31mc\xff\r\nd", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: a b [31mc d"},
	} {
		_, err := stubClient(t, always(409, test.body)).Users.Create(t.Context(), 1, newUser())
		require.EqualError(t, err, test.want, name)
		failed, _ := errors.AsType[*infinitysip.Error](err)
		requireNoSecret(t, name, failed, string(failed.Body))
	}
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	_, err := stubClient(t, always(409, strings.Repeat("é", 1<<20))).Users.Create(t.Context(), 1, newUser())
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.LessOrEqual(t, len(failed.Message), 512)
	require.LessOrEqual(t, len(failed.Body), 16<<10)

	// A secret across the end of what is read must not leave its first half.
	for n := range len(canaryPIN) {
		filler := strings.Repeat("x", 16<<10-n)
		_, err := stubClient(t, always(409, filler+canaryPIN+canaryPassword)).Users.Create(t.Context(), 1, newUser())
		failed, _ := errors.AsType[*infinitysip.Error](err)
		require.NotContains(t, string(failed.Body), "9")
	}
}

func TestTransportErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("malformed answer %q to %s", "password="+canaryPassword, req.Header.Get("Authorization"))
	}}
	_, err := stubClient(t, s, atOnce()).Users.Create(t.Context(), 1, newUser())
	requireNoSecret(t, "create", err)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		requireNoSecret(t, "cause", cause)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	params := newUser()
	user := infinitysip.User{ID: 1, Password: params.Password, PIN: params.PIN}
	token := infinitysip.UserDeviceToken{DeviceID: 1, Token: params.Password}
	client := stubClient(t, always(200, ""))
	for name, value := range map[string]any{
		"secret": params.Password, "pointer": &params.Password, "params": params, "row": user, "rows": []infinitysip.User{user},
		"token": &token, "private": struct{ s infinitysip.Secret }{params.Password}, "map": map[string]any{"x": params.PIN},
		"update":      infinitysip.UserUpdateParams{Password: &params.Password},
		"credentials": infinitysip.BasicAuth("joe", canaryPassword), "key": infinitysip.APIKey(canaryKey),
	} {
		requireNoSecret(t, name, value)
	}
	require.NotContains(t, fmt.Sprint(client.Users), canaryPassword)

	out, err := json.Marshal(user)
	require.NoError(t, err)
	require.Contains(t, string(out), `"password":"[redacted]"`)
	out, err = json.Marshal(infinitysip.User{ID: 1})
	require.NoError(t, err)
	require.NotContains(t, string(out), "password")

	require.True(t, params.Password.Equal(infinitysip.NewSecret(canaryPassword)))
	require.False(t, params.Password.Equal(params.PIN))
	require.True(t, infinitysip.Secret{}.IsZero())
	require.Equal(t, canaryPassword, params.Password.Reveal())
}
