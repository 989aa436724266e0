package infinitysip_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestUserAgent(t *testing.T) {
	t.Parallel()
	s := always(200, "")
	_, err := stubClient(t, s, infinitysip.WithUserAgent("acme/1.2")).Domains.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "acme/1.2 infinitysip-go/devel", s.hits[0].Header.Get("User-Agent"))
}

func TestLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := &stub{respond: func(n int, req *http.Request) (*http.Response, error) {
		switch n {
		case 1:
			return answer(409, "the password "+password+" is in use"), nil
		case 2:
			return nil, errors.New("broken while sending " + url.QueryEscape(password))
		}
		return nil, errors.New("no recording of " + req.URL.String())
	}}
	client := stubClient(t, s, infinitysip.WithLogger(logger))
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
	attempts, warnings := records[:0:0], records[:0:0]
	for _, record := range records {
		if record["level"] == "DEBUG" {
			attempts = append(attempts, record)
		} else {
			warnings = append(warnings, record)
		}
	}
	require.Len(t, attempts, len(s.hits), "one for each attempt")
	require.Subset(t, attempts[0], map[string]any{"op": "Users.Create", "method": "POST", "path": "/config/v2/sip/domains/1/users", "attempt": 1.0, "status": 409.0})
	require.Subset(t, attempts[1], map[string]any{"error": fmt.Sprintf("[the server's text held a secret: %d bytes]", len("broken while sending ")+len(url.QueryEscape(password)))})
	require.Subset(t, attempts[len(attempts)-1], map[string]any{"error": "no recording of https://api.infinitycloud.com/config/v2/sip/domains/1/devices"})
	require.Len(t, warnings, 3, "one for each call")
	require.Subset(t, warnings[0], map[string]any{"level": "WARN", "op": "Users.Create", "method": "POST", "path": "/config/v2/sip/domains/1/users", "attempts": 1.0, "status": 409.0, "outcome": "not applied"})
	require.Subset(t, warnings[1], map[string]any{"level": "WARN", "op": "Users.Create", "outcome": "unknown"})
	require.Subset(t, warnings[2], map[string]any{"level": "WARN", "op": "Devices.List", "outcome": "not applied", "error": err.Error()})
}

func TestDebugLogNeedsAWriter(t *testing.T) {
	t.Parallel()
	for _, w := range []io.Writer{nil, (*bytes.Buffer)(nil)} {
		_, err := infinitysip.NewClient(infinitysip.APIKey("k3y"), infinitysip.WithDebugLog(w))
		require.EqualError(t, err, "infinitysip: NewClient: invalid, nothing was sent: WithDebugLog: nil")
	}
}
