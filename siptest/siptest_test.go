package siptest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// A wire sends plain HTTP requests to a server, over its socket or in process.
type wire struct {
	srv    *Server
	base   string
	client *http.Client
}

func inProcess(srv *Server) wire {
	return wire{srv, "https://siptest.invalid", &http.Client{Transport: srv.Transport()}}
}

func overSocket(t testing.TB, srv *Server) wire {
	// Each wire has its own transport, so that no connection is shared or stale.
	base := srv.URL()
	tr := srv.socket.Client().Transport.(*http.Transport).Clone()
	t.Cleanup(tr.CloseIdleConnections)
	return wire{srv, base, &http.Client{Transport: tr}}
}

// onBothTransports runs a test over the socket and in process. Each run has its
// own server.
func onBothTransports(t *testing.T, o Options, test func(t *testing.T, w wire)) {
	t.Helper()
	t.Run("socket", func(t *testing.T) {
		t.Parallel()
		test(t, overSocket(t, New(t, o)))
	})
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		test(t, inProcess(New(t, o)))
	})
}

func (w wire) request(t testing.TB, method, path, form string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.base+path, strings.NewReader(form))
	require.NoError(t, err)
	req.Header.Set("Authorization", "ApiKey "+w.srv.opts.APIKey)
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req
}

// do sends a request and returns the status and the body of the answer.
func (w wire) do(t testing.TB, method, path, form string) (int, string) {
	t.Helper()
	resp, body, err := w.try(t.Context(), t, method, path, form)
	require.NoError(t, err)
	return resp.StatusCode, body
}

// send sends a request and closes the answer's body unread.
func (w wire) send(t testing.TB, req *http.Request) *http.Response {
	t.Helper()
	resp, err := w.client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp
}

// try is like do for a request that may fail, even within the body.
func (w wire) try(ctx context.Context, t testing.TB, method, path, form string) (*http.Response, string, error) {
	t.Helper()
	resp, err := w.client.Do(w.request(t, method, path, form).WithContext(ctx))
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, resp.Body.Close())
	return resp, string(body), err
}

// must is like do for a request that must succeed.
func (w wire) must(t testing.TB, method, path, form string) string {
	t.Helper()
	status, body := w.do(t, method, path, form)
	require.Lessf(t, status, 300, "%s %s: %s", method, path, body)
	return body
}

// values returns one field of every row of a list.
func (w wire) values(t testing.TB, path, field string) []string {
	t.Helper()
	values := []string{}
	lines := bufio.NewScanner(strings.NewReader(w.must(t, "GET", path, "")))
	for lines.Scan() {
		var cells map[string]string
		require.NoError(t, json.Unmarshal(lines.Bytes(), &cells))
		require.Contains(t, cells, field)
		values = append(values, cells[field])
	}
	return values
}

var noon = time.Date(2019, 10, 31, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// addDomain adds a domain. An empty host becomes one that the server makes.
func (s *Server) addDomain(id int64, host, displayName string, rec bool) int64 {
	return int64(s.AddDomain(infinitysip.Domain{
		ID: infinitysip.DomainID(id), DisplayName: displayName, Rec: rec,
		Extra: map[string]json.RawMessage{"domain": appendString(nil, host)},
	}))
}

// addSamples adds a domain with two rows of everything, with the ids 1 and 2.
func addSamples(t testing.TB, w wire) {
	t.Helper()
	w.srv.addDomain(0, "acme.sip.example.com", "Acme", true)
	for _, step := range []struct{ path, form string }{
		{"/users", "user=joe.blogs&password=pw1&displayName=Joe+Blogs&extensionNumber=201&pin=1234"},
		{"/users", "user=ann&password=pw2&displayName=Ann&extensionNumber=202"},
		{"/groups", "groupName=sales&displayName=Sales&extensionNumber=301&ringRetry=1&ringExclusive=0&callerNameFormat="},
		{"/groups", "groupName=help&displayName=Help&extensionNumber=302&ringRetry=0&ringExclusive=1&callerNameFormat={dgrpName}"},
		{"/groups/1/users", "userSpec[]=1"},
		{"/queues", "queueName=in&displayName=In&extensionNumber=401"},
		{"/queues", "queueName=out&displayName=Out&extensionNumber=402"},
		{"/queues/1/members", "groupId=1&ringStrategy=all&ringAttempts=2&ringSecs=20&ringOrder=1"},
		{"/queues/1/members", "groupId=2&ringStrategy=huntLongestIdle&ringAttempts=0&ringSecs=15&ringOrder=2"},
		{"/trustedNetworks", "network=10.0.20.10/24&description=office"},
		{"/trustedNetworks", "network=192.168.0.0/16"},
		{"/devices", "pbxDeviceName=Lobby&deviceMacAddress=10:20:30:1a:2b:3c"},
		{"/devices", "pbxDeviceName=Desk&deviceMacAddress=10-20-30-5C-4F-2A"},
		{"/users/1/devices", "pbxDeviceId=1"},
	} {
		w.must(t, "POST", root+"/1"+step.path, step.form)
	}
}
