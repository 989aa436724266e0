package main

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

const joe = `{"user": "joe", "password": "correct horse", "displayName": "Joe", "extensionNumber": "201"}`

// newTestService is a service with two tenants on a server of the test.
func newTestService(t *testing.T, socket bool) (*siptest.Server, http.Handler, *bytes.Buffer) {
	srv := siptest.New(t, siptest.Options{APIKey: "acme-key", Username: "globex", Password: "globex-password"})
	client, log := srv.InProcessClient(), new(bytes.Buffer)
	if socket {
		client = srv.Client()
	}
	service, err := newService(client, map[string]tenant{
		"acme":   {infinitysip.APIKey("acme-key"), srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})},
		"globex": {infinitysip.BasicAuth("globex", "globex-password"), srv.AddDomain(infinitysip.Domain{DisplayName: "Globex"})},
	}, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.NoError(t, err)
	return srv, service, log
}

// post asks a service for a user.
func post(ctx context.Context, service http.Handler, tenant, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	service.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/tenants/"+tenant+"/users", strings.NewReader(body)))
	return w
}

func TestEachTenantHasItsOwnAccount(t *testing.T) {
	t.Parallel()
	srv, service, _ := newTestService(t, true)
	health := httptest.NewRecorder()
	service.ServeHTTP(health, httptest.NewRequest("GET", "/health", nil))
	require.Equal(t, http.StatusOK, health.Code)
	require.Empty(t, srv.Requests(), "the health of the API is not that of the service")
	require.Equal(t, http.StatusCreated, post(t.Context(), service, "acme", joe).Code)
	require.Equal(t, http.StatusCreated, post(t.Context(), service, "globex", joe).Code)
	require.Equal(t, http.StatusNotFound, post(t.Context(), service, "initech", joe).Code)
	require.Equal(t, "correct horse", srv.Users(1)[0].Password.Reveal())
	require.Len(t, srv.Users(2), 1)
	require.Equal(t, "ApiKey [redacted]", srv.Requests()[0].Header.Get("Authorization"))
	require.Equal(t, "Basic [redacted]", srv.Requests()[1].Header.Get("Authorization"))
	opened, _ := srv.Connections()
	require.Equal(t, 1, opened, "the tenants share a connection")
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	create := siptest.On("Users.Create")
	for name, test := range map[string]struct {
		body               string // joe, unless it is set
		fault              siptest.Fault
		status             int
		answer, retryAfter string
	}{
		"created":         {status: 201, answer: `{"id":1}`, fault: create.Times(1).Status(429)}, // one wait, then it goes on
		"answer is lost":  {status: 502, answer: `{"problem":"the user may have been created: look before you try again","found":[1]}`, fault: create.CommitThenDrop()},
		"silence":         {status: 502, answer: `{"problem":"the user may have been created: look before you try again"}`, fault: siptest.On("*").Hang()},
		"id is lost":      {status: 502, answer: `{"problem":"the user may have been created: look before you try again"}`, fault: siptest.On("*").Rewrite(func([]byte) []byte { return []byte("<html>") })},
		"no JSON":         {status: 400, answer: `{"problem":"the body is not a user in JSON"}`, body: `{"password": "correct horse"`},
		"field missing":   {status: 400, answer: `{"problem":"invalid","fields":[{"field":"displayName","problem":"required"}]}`, body: strings.Replace(joe, "Joe", "", 1)},
		"API refuses":     {status: 400, answer: `{"problem":"extension too long"}`, fault: create.Status(422).Body("extension too long")},
		"in use":          {status: 409, answer: `{"problem":"user is in use"}`, fault: create.Status(409).Body("user is in use")},
		"too many":        {status: 503, answer: `{"problem":"not created: try again later"}`, fault: create.Status(429).Header("Retry-After", "600"), retryAfter: "601"},
		"no connection":   {status: 503, answer: `{"problem":"not created: try again later"}`, retryAfter: "6"},
		"key is revoked":  {status: 500, answer: `{"problem":"not created"}`, fault: create.Status(401)},
		"password echoed": {status: 400, answer: `{"problem":"[the server's text held a secret: 26 bytes]"}`, fault: create.Status(400).Body("bad password correct horse")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv, service, log := newTestService(t, false)
				switch {
				case name == "no connection":
					srv.Close()
				case test.body == "":
					srv.Fail(test.fault)
				}
				gone, cancel := context.WithCancel(t.Context())
				cancel() // that the caller has hung up changes nothing
				began := time.Now()
				w := post(gone, service, "acme", cmp.Or(test.body, joe))
				require.Equal(t, test.status, w.Code, "%s %s", w.Body, log)
				require.Equal(t, test.answer, strings.TrimSpace(w.Body.String()))
				require.Equal(t, test.retryAfter, w.Header().Get("Retry-After"))
				require.LessOrEqual(t, time.Since(began), deadline)
				for _, secret := range []string{"correct", "horse", "acme-key", "globex-password"} {
					require.NotContains(t, w.Body.String()+log.String(), secret)
				}
			})
		})
	}
}
