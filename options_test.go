package infinitysip_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	require.Equal(t, "acme/1.2 infinitysip-go", s.hits[0].Header.Get("User-Agent"))
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
	require.Len(t, records, len(s.hits), "one for each attempt")
	require.Subset(t, records[0], map[string]any{"level": "WARN", "op": "Users.Create", "method": "POST", "path": "/config/v2/sip/domains/1/users", "attempt": 1.0, "status": 409.0})
	require.Subset(t, records[1], map[string]any{"error": fmt.Sprintf("[the server's text held a secret: %d bytes]", len("broken while sending ")+len(url.QueryEscape(password)))})
	require.Subset(t, records[len(records)-1], map[string]any{"error": "no recording of https://api.infinitycloud.com/config/v2/sip/domains/1/devices"})
}
