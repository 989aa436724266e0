package suite_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// stub answers the calls of a client, without a network.
type stub struct {
	mu      sync.Mutex
	hits    []*http.Request
	forms   []url.Values
	respond func(n int, req *http.Request) (*http.Response, error) // n counts from 1
}

func (s *stub) RoundTrip(req *http.Request) (*http.Response, error) {
	var form url.Values
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body)
		_ = req.Body.Close()
		form, _ = url.ParseQuery(string(body))
	}
	s.mu.Lock()
	s.hits = append(s.hits, req)
	s.forms = append(s.forms, form)
	n := len(s.hits)
	s.mu.Unlock()
	return s.respond(n, req)
}

func (s *stub) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.hits)
}

// form is that of the nth request, from 1.
func (s *stub) form(n int) url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forms[n-1]
}

// countOf counts the requests of one call, and leaves out the looks that go
// with it.
func (s *stub) countOf(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, req := range s.hits {
		if infinitysip.OperationFromContext(req.Context()) == op {
			n++
		}
	}
	return n
}

// answer makes an answer of a status and a body; headers are pairs.
func answer(status int, body string, headers ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

func always(status int, body string, headers ...string) *stub {
	return &stub{respond: func(int, *http.Request) (*http.Response, error) { return answer(status, body, headers...), nil }}
}

// atOnce is for tests on a real clock.
func atOnce() infinitysip.Option {
	return infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1, VerifyWaits: []time.Duration{0}})
}

const (
	canaryKey      = "canary-key-7Zq/+=x"
	canaryPassword = `canary-pass "wörd"/<&>+%`
	canaryPIN      = "p90210777"   // digits alone would now and then be in an address or a time
	canaryUser     = "hub.account" // of BasicAuth: with its colon three octets times four
	canaryHub      = "canary-hub:pass+/é"
	canaryBasic    = "Y2FuYXJ5LWh1" // how the password begins in what BasicAuth sends
	canaryToken    = "canary-token-432e1"
)

func stubClient(t testing.TB, transport http.RoundTripper, opts ...infinitysip.Option) *infinitysip.Client {
	t.Helper()
	opts = append([]infinitysip.Option{infinitysip.WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	client, err := infinitysip.NewClient(infinitysip.APIKey(canaryKey), opts...)
	require.NoError(t, err)
	return client
}

func newUser() infinitysip.UserCreateParams {
	return infinitysip.UserCreateParams{
		User: "joe.blogs", Password: infinitysip.NewSecret(canaryPassword), DisplayName: "Joe Blogs",
		ExtensionNumber: "0100", PIN: infinitysip.NewSecret(canaryPIN),
	}
}

// oneOfEach makes a call of every kind, by the name of the kind.
func oneOfEach(client *infinitysip.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"get":  func(ctx context.Context) error { _, err := client.Users.Get(ctx, 1, 2); return err },
		"list": func(ctx context.Context) error { _, err := client.Users.List(ctx, 1); return err },
		"all": func(ctx context.Context) error {
			for _, err := range client.Users.All(ctx, 1) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"update": func(ctx context.Context) error {
			return client.Users.Update(ctx, 1, 2, infinitysip.UserUpdateParams{Password: new(infinitysip.NewSecret(canaryPassword))})
		},
		"order": func(ctx context.Context) error {
			return client.Queues.SetMemberOrder(ctx, 1, 2, []infinitysip.QueueMemberID{3, 4})
		},
		"delete": func(ctx context.Context) error { return client.Users.Delete(ctx, 1, 2) },
		"add": func(ctx context.Context) error {
			return client.Groups.AddUsers(ctx, 1, 2, []infinitysip.UserID{3})
		},
		"create": func(ctx context.Context) error { _, err := client.Users.Create(ctx, 1, newUser()); return err },
		"addDevice": func(ctx context.Context) error {
			_, err := client.Users.AddDevice(ctx, 1, 2, 3)
			return err
		},
		"doGet":    func(ctx context.Context) error { return raw(ctx, client, http.MethodGet) },
		"doPost":   func(ctx context.Context) error { return raw(ctx, client, http.MethodPost) },
		"doPut":    func(ctx context.Context) error { return raw(ctx, client, http.MethodPut) },
		"doDelete": func(ctx context.Context) error { return raw(ctx, client, http.MethodDelete) },
	}
}

// raw makes a call of Client.Do, with secrets in its form.
func raw(ctx context.Context, client *infinitysip.Client, method string, with ...infinitysip.CallOption) error {
	form := url.Values{"userPassword1": {canaryPassword}, "fax[pinCode]": {canaryPIN}, "user": {"joe.blogs"}}
	_, err := client.Do(ctx, method, rawPath, form, with...)
	return err
}

const rawPath = "/config/v2/sip/domains/1/users"
