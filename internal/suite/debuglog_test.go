package suite_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// records keeps what is written, each piece by itself.
type records struct {
	mu  sync.Mutex
	all []string
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, string(p))
	return len(p), nil
}

// take returns what was written since the last take.
func (r *records) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := strings.Join(r.all, "")
	r.all = nil
	return text
}

// TestDebugLog compares whole exchanges: an update whose first two attempts fail, and
// a read.
func TestDebugLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(n int, req *http.Request) (*http.Response, error) {
			switch n {
			case 1:
				time.Sleep(35 * time.Millisecond)
				return answer(503, "<html>\n<title>no: "+canaryPassword+"</title>", "Set-Cookie", "a=b", "Via", "gw"), nil
			case 2:
				return nil, fmt.Errorf("cannot send %v", req.Header)
			case 3:
				return answer(204, "", "X-Request-Id", "r1"), nil
			}
			return answer(200, `{"userId":"12","password":"`+canaryToken+`","displayName":"Zoë"}`+"\n"+`{"userId":"13","jobName":"`+canaryKey+`"}`+"\n"+`{"userId":"14","a":{"pin":1}}`+"\n"), nil
		}}
		var log records
		client := stubClient(t, s, infinitysip.WithDebugLog(&log))
		err := client.Users.Update(t.Context(), 1, 2, infinitysip.UserUpdateParams{Password: new(infinitysip.NewSecret(canaryPassword)), PIN: new(infinitysip.NewSecret(canaryPIN)), DisplayName: new("Zoë & Co"), Email: new("")},
			infinitysip.CallHeader("X-Api-Key", canaryPIN), infinitysip.CallHeader("X-Trace", "abc"), infinitysip.CallParam("newToken", canaryToken))
		require.NoError(t, err)
		users, err := client.Users.List(t.Context(), 1, infinitysip.CallParam("display[]", "user"), infinitysip.CallParam("token", "x"))
		require.NoError(t, err)
		require.Len(t, users, 3)
		const update = `POST /config/v2/sip/domains/1/users/2
    Authorization: [redacted]
    Content-Type: application/x-www-form-urlencoded
    User-Agent: infinitysip-go
    X-Api-Key: [redacted]
    X-Trace: abc

    displayName=Zoë & Co
    email=
    newToken=[redacted]
    password=[redacted]
    pin=[redacted]
`
		agent := s.hits[0].Header.Get("User-Agent")
		require.Equal(t, `--> #1 Users.Update, attempt 1
    `+update+`<-- #1 Users.Update, attempt 1, after 35ms
    503 Service Unavailable
    Set-Cookie: [redacted]
    Via: gw

    [the server's text held a secret: 51 bytes]
--> #2 Users.Update, attempt 2
    `+update+`<-- #2 Users.Update, attempt 2, after 0s
    [the server's text held a secret: 177 bytes]
--> #3 Users.Update, attempt 3
    `+update+`<-- #3 Users.Update, attempt 3, after 0s
    204 No Content
    X-Request-Id: r1
--> #4 Users.List, attempt 1
    GET /config/v2/sip/domains/1/users?display%5B%5D=user&token=[redacted]
    Authorization: [redacted]
    User-Agent: infinitysip-go
<-- #4 Users.List, attempt 1, after 0s
    200 OK

    {"userId":"12","password":"[redacted]","displayName":"Zoë"}
    [the server's text held a secret: 47 bytes]
    {"userId":"14","a":{"pin":"[redacted]"}}
`, strings.ReplaceAll(log.take(), agent, "infinitysip-go"))
	})
}

// Every request that a server sees is in the debug log, and every answer, of all
// calls, with the values that are not secret. Each is one Write.
func TestDebugLogHasAllCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := canaryServer(t, siptest.Options{EchoSecrets: true, APIKey: canaryKey})
		var log records
		client := canaryClient(t, srv, infinitysip.APIKey(canaryKey), nil, &strings.Builder{}, &log)
		for _, call := range methods() {
			srv.ResetRequests()
			_ = call.do(t.Context(), client) // some things are gone by then
			requests := srv.Requests()
			require.NotEmpty(t, requests, call.name)
			log.mu.Lock()
			pieces := slices.Clone(log.all)
			log.mu.Unlock()
			require.Len(t, pieces, 2*len(requests), "%s: %s", call.name, pieces)
			for i, piece := range pieces {
				require.Contains(t, piece[:4], map[bool]string{true: "--> ", false: "<-- "}[i%2 == 0], call.name)
			}
			written := log.take()
			requireNoSecret(t, call.name, written)
			for _, req := range requests {
				require.Contains(t, written, req.Method+" "+req.Path, call.name)
				for name, values := range req.Form {
					for _, value := range values {
						if len(secretsIn(value)) > 0 {
							value = "[redacted]"
						}
						require.Contains(t, written, "    "+name+"="+value+"\n", call.name)
					}
				}
			}
		}
	})
}

// One writer of two clients gets one record at a time. The race detector looks on.
func TestDebugLogOfTwoClients(t *testing.T) {
	t.Parallel()
	var n int // no mutex
	option := infinitysip.WithDebugLog(writerFunc(func(p []byte) (int, error) { n++; return len(p), nil }))
	var wg sync.WaitGroup
	for range 2 {
		client := stubClient(t, always(200, `{"userId":"2"}`), option)
		for range 5 {
			wg.Go(func() { _, _ = client.Users.Get(t.Context(), 1, 2) })
		}
	}
	wg.Wait()
	require.Equal(t, 2*10, n)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// The debug log reads nothing of an answer that its reader does not read, and an All
// that is left early stays one.
func TestDebugLogOfAListThatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := canaryServer(t, siptest.Options{})
		var log records
		client := srv.InProcessClient(infinitysip.WithDebugLog(&log))
		srv.Fail(siptest.On("Users.List").Endless().SlowBody(1<<10, time.Second))
		for _, err := range client.Users.All(t.Context(), domainID) {
			require.NoError(t, err)
			require.NotContains(t, strings.Join(log.all, ""), "<-- ", "the answer is not at its end")
			break
		}
		written := log.take()
		require.Contains(t, written, "<-- #1 Users.List, attempt 1, after 0s\n    200 OK\n")
		require.Contains(t, written, `"displayName":"Joe Blogs"`)
		require.Contains(t, written, " bytes were read, and perhaps not all]\n")
	})
}
