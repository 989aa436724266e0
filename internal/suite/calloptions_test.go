package suite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// optionsServer answers every call as the API's page has it, or with another
// status if that is set. Its answers have the ids "1", "2" and so on.
type optionsServer struct {
	*stub
	method    method
	endpoints map[string]endpoint
	status    int
}

func newOptionsServer(m method) *optionsServer {
	s := &optionsServer{method: m, endpoints: endpointsByOp()}
	if m.isFind() {
		s.endpoints[m.name] = s.endpoints[m.op]
	}
	s.stub = &stub{respond: func(n int, req *http.Request) (*http.Response, error) {
		resp := answer(s.status, "no", "X-Request-Id", strconv.Itoa(n))
		if e := s.endpoints[infinitysip.OperationFromContext(req.Context())]; s.status == 0 && e.Status == http.StatusNoContent {
			resp = answer(e.Status, "", "X-Request-Id", strconv.Itoa(n))
		} else if s.status == 0 && strings.Contains(req.URL.Query().Get("filter[]"), "-gt-") {
			resp = answer(e.Status, "", "X-Request-Id", strconv.Itoa(n)) // there is one page
		} else if s.status == 0 {
			resp = answer(e.Status, rowFor(s.form(n)), "X-Request-Id", strconv.Itoa(n))
		}
		return resp, nil
	}}
	return s
}

// do makes the call, and returns its error.
func (s *optionsServer) do(t *testing.T, with ...infinitysip.CallOption) error {
	return s.method.do(t.Context(), stubClient(t, s), with...)
}

// ops are the calls that the method makes. What is sent beside them looks.
func (s *optionsServer) ops() []string {
	switch {
	case s.method.makes != nil:
		return s.method.makes
	case s.method.isFind():
		return []string{s.method.name}
	}
	return []string{s.method.op}
}

// requests are those of the calls, or those of the looks, with their forms.
func (s *optionsServer) requests(looks bool) (hits []*http.Request, forms []url.Values) {
	for i, req := range s.hits {
		if slices.Contains(s.ops(), infinitysip.OperationFromContext(req.Context())) != looks {
			hits, forms = append(hits, req), append(forms, s.forms[i])
		}
	}
	return hits, forms
}

// looks reports whether a write whose answer is lost is looked after.
func (s *optionsServer) looks() bool {
	e := s.endpoints[s.method.op]
	return e.Status == http.StatusCreated || strings.Contains(s.method.op, ".Add")
}

// own are the names of the parameters that the calls have themselves.
func (s *optionsServer) own() (names []string) {
	for _, op := range s.ops() {
		for _, name := range s.endpoints[op].Query {
			names = append(names, name, name+"[]", name+"[0]")
		}
		for _, param := range s.endpoints[op].Form {
			names = append(names, param.Name, param.Name+"[]", param.Name+"[x]")
		}
	}
	return names
}

// ownHeaders are those that this package or net/http sets, and those that change
// what a request means.
var ownHeaders = []string{
	"Authorization", "authorization", "User-Agent", "Host", "Accept-Encoding", "Content-Type", "Content-Length", "Content-Encoding", "Connection",
	"Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Expect", "Range", "If-Match", "If-None-Match",
	"If-Range", "Idempotency-Key", "X-Idempotency-Key", "X-HTTP-Method-Override",
}

// TestCallOptions gives every method each option.
func TestCallOptions(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			t.Run("CallHeader", func(t *testing.T) {
				s := newOptionsServer(m)
				require.NoError(t, s.do(t, infinitysip.CallHeader("x-caller", "somebody else"), infinitysip.CallHeader("X-Caller", "me"), nil))
				for _, req := range s.hits {
					require.Equal(t, []string{"me"}, req.Header["X-Caller"], infinitysip.OperationFromContext(req.Context()))
				}
			})
			t.Run("CallParam", func(t *testing.T) { requireCallParam(t, newOptionsServer(m)) })
			t.Run("CallResponse", func(t *testing.T) {
				s := newOptionsServer(m)
				var got infinitysip.Response
				require.NoError(t, s.do(t, infinitysip.CallResponse(&got)))
				requireResponse(t, s, s.endpoints[m.op].Status, got)

				s = newOptionsServer(m)
				s.status = http.StatusForbidden
				require.ErrorIs(t, s.do(t, infinitysip.CallResponse(&got)), infinitysip.ErrForbidden)
				requireResponse(t, s, http.StatusForbidden, got)
			})
			t.Run("CallAttempts", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newOptionsServer(m)
					s.status = http.StatusServiceUnavailable
					var got infinitysip.Response
					require.ErrorIs(t, s.do(t, infinitysip.CallAttempts(1), infinitysip.CallResponse(&got)), infinitysip.ErrUnavailable)
					calls, _ := s.requests(false)
					require.Len(t, calls, 1)
					require.Equal(t, 1, got.Attempts)
					if looks, _ := s.requests(true); s.looks() && m.makes == nil {
						require.NotEmpty(t, looks, "it is looked for all the same")
					}
				})
			})
			t.Run("sent again", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { requireOptionsAgain(t, newOptionsServer(m)) })
			})
			t.Run("refused", func(t *testing.T) {
				s := newOptionsServer(m)
				for _, name := range append(s.own(), "format", "format[]") {
					requireRefused(t, s, "CallParam", infinitysip.CallParam(name, "1"), name)
				}
				for _, name := range ownHeaders {
					requireRefused(t, s, "CallHeader", infinitysip.CallHeader(name, "1"), name)
				}
			})
		})
	}
}

// requireCallParam checks where a parameter goes: into the query of a read, into
// the form of a write, and nowhere else.
func requireCallParam(t *testing.T, s *optionsServer) {
	t.Helper()
	require.NoError(t, s.do(t, infinitysip.CallParam("newParam", "x"), infinitysip.CallParam("display[]", "a", "b")))
	plain := newOptionsServer(s.method)
	require.NoError(t, plain.do(t))

	calls, forms := s.requests(false)
	without, formsWithout := plain.requests(false)
	require.Len(t, calls, len(s.ops()))
	for i, req := range calls {
		query, form := without[i].URL.Query(), maps.Clone(formsWithout[i])
		if form == nil {
			form = make(url.Values)
		}
		into := form
		if req.Method == http.MethodGet {
			into = query
		}
		into["newParam"], into["display[]"] = []string{"x"}, []string{"a", "b"}
		require.Equal(t, query, req.URL.Query())
		if len(form) > 0 {
			require.Equal(t, form, forms[i])
			require.Equal(t, "application/x-www-form-urlencoded", req.Header.Get("Content-Type"))
		} else {
			require.Empty(t, forms[i])
		}
	}
	looks, forms := s.requests(true)
	for i, req := range looks {
		require.NotContains(t, req.URL.RawQuery, "newParam")
		require.NotContains(t, req.URL.RawQuery, "display")
		require.Empty(t, forms[i])
	}
}

// requireOptionsAgain checks that a call which fails once is sent again with its
// options, and that the response is the last one. What it looks for is not there. A
// member of a queue is sent again only after a refusal.
func requireOptionsAgain(t *testing.T, s *optionsServer) {
	t.Helper()
	respond, failed := s.respond, false
	s.respond = func(n int, req *http.Request) (*http.Response, error) {
		op := infinitysip.OperationFromContext(req.Context())
		switch called := slices.Contains(s.ops(), op); {
		case called && !failed:
			failed = true
			return answer(map[bool]int{true: 429, false: 503}[op == "Queues.CreateMember"], ""), nil
		case !called && strings.Contains(op, ".Get"):
			return answer(404, ""), nil
		case !called:
			return answer(200, ""), nil
		}
		return respond(n, req)
	}
	var got infinitysip.Response
	require.NoError(t, s.do(t, infinitysip.CallHeader("X-Caller", "me"), infinitysip.CallParam("newParam", "x"), infinitysip.CallResponse(&got)))
	calls, forms := s.requests(false)
	require.Len(t, calls, 1+len(s.ops()))
	for i, req := range calls {
		require.Equal(t, "me", req.Header.Get("X-Caller"))
		require.Equal(t, "x", req.URL.Query().Get("newParam")+forms[i].Get("newParam"))
	}
	require.Equal(t, strconv.Itoa(s.count()), got.RequestID)
	require.Equal(t, max(3-len(s.ops()), 1), got.Attempts)
}

// requireResponse checks that a Response is that of the last request of the call.
func requireResponse(t *testing.T, s *optionsServer, status int, got infinitysip.Response) {
	t.Helper()
	require.Equal(t, status, got.StatusCode)
	require.Equal(t, strconv.Itoa(s.count()), got.RequestID)
	require.Equal(t, got.RequestID, got.Header.Get("X-Request-Id"))
	require.Equal(t, 1, got.Attempts)
}

// requireRefused checks that a call with an option is refused for that alone.
func requireRefused(t *testing.T, s *optionsServer, field string, option infinitysip.CallOption, name string) {
	t.Helper()
	err := s.do(t, option)
	invalid, ok := errors.AsType[*infinitysip.ValidationError](err)
	require.True(t, ok, "%s: %v", name, err)
	require.Len(t, invalid.Fields, 1, name)
	require.Equal(t, field, invalid.Fields[0].Field, name)
	require.Zero(t, s.count(), "%s: nothing is sent", name)
}

// batchCalls take many ids, which go in several requests.
var batchCalls = []method{
	{name: "Groups.AddUsers", op: "Groups.AddUsers", params: numbered[infinitysip.UserID](1200)},
	{name: "Groups.RemoveUsers", op: "Groups.RemoveUsers", params: numbered[infinitysip.UserID](1200)},
	{name: "Users.AddGroups", op: "Users.AddGroups", params: numbered[infinitysip.GroupID](1200)},
}

func TestCallOptionsInBatches(t *testing.T) {
	t.Parallel()
	for _, m := range batchCalls {
		for _, fails := range []int{0, 2} { // the request that fails, from 1; 0: none
			s := newOptionsServer(m)
			respond := s.respond
			s.respond = func(n int, req *http.Request) (*http.Response, error) {
				if n == fails {
					return answer(http.StatusForbidden, "", "X-Request-Id", strconv.Itoa(n)), nil
				}
				return respond(n, req)
			}
			var got infinitysip.Response
			err := s.do(t, infinitysip.CallHeader("X-Caller", "me"), infinitysip.CallParam("newParam", "x"), infinitysip.CallResponse(&got))
			if fails == 0 {
				require.NoError(t, err, m.name)
				require.Equal(t, 3, s.count(), m.name)
				requireResponse(t, s, http.StatusNoContent, got)
			} else {
				require.ErrorIs(t, err, infinitysip.ErrForbidden, m.name)
				require.Equal(t, fails, s.count(), m.name)
				requireResponse(t, s, http.StatusForbidden, got)
			}
			for i, req := range s.hits {
				require.Equal(t, "me", req.Header.Get("X-Caller"), m.name)
				require.Equal(t, []string{"x"}, s.forms[i]["newParam"], m.name)
			}
		}
	}
}

// The response is that of the page whose rows the loop gets, also where the pages
// after it have been read.
func TestCallResponseOfPages(t *testing.T) {
	t.Parallel()
	const rows, limit = 20, 4
	byName := infinitysip.OrderBy(infinitysip.DeviceFields.Name.Asc())
	for name, test := range map[string]struct {
		sort  []infinitysip.Sort[infinitysip.Device]
		page  func(row int) int // the offset of the page that a row, from 1, comes from
		fails int               // the offset of a page that fails; 0: none
	}{
		"by id": {page: func(row int) int { // a page begins with the last row of the one before
			return max(row-2, 0) / (limit - 1) * (limit - 1)
		}},
		"in the caller's order":              {sort: byName, page: func(row int) int { return (row - 1) / limit * limit }},
		"by id, to an error":                 {page: func(row int) int { return max(row-2, 0) / (limit - 1) * (limit - 1) }, fails: 9},
		"in the caller's order, to an error": {sort: byName, page: func(row int) int { return (row - 1) / limit * limit }, fails: 8},
	} {
		for _, ahead := range []int{0, 4} {
			t.Run(fmt.Sprintf("%s, %d ahead", name, ahead), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
						offset, _ := strconv.Atoi(req.URL.Query().Get("offset"))
						if strings.Contains(req.URL.Query().Get("filter[]"), "-gt-") {
							return answer(200, "", "X-Request-Id", "behind the last"), nil
						}
						time.Sleep(time.Minute / time.Duration(offset+1)) // the bubble's clock: the later the sooner
						if offset == test.fails && offset > 0 {
							return answer(403, "", "X-Request-Id", strconv.Itoa(offset)), nil
						}
						var body strings.Builder
						for id := offset + 1; id <= min(offset+limit, rows); id++ {
							fmt.Fprintf(&body, `{"pbxDeviceId":"%d"}`+"\n", id)
						}
						return answer(200, body.String(), "X-Request-Id", strconv.Itoa(offset)), nil
					}}
					client := stubClient(t, s, infinitysip.WithReadAhead(ahead), infinitysip.WithLimits(infinitysip.Limits{HeaderTimeout: time.Hour}))
					var got infinitysip.Response
					var last error
					n := 0
					for device, err := range client.Devices.All(t.Context(), 1, &infinitysip.DeviceListOptions{PageSize: limit, Sort: test.sort}, infinitysip.CallResponse(&got)) {
						if last = err; err != nil {
							break
						}
						n++
						synctest.Wait() // until all that is asked for ahead is there or waits
						require.EqualValues(t, n, device.ID)
						require.Equal(t, strconv.Itoa(test.page(n)), got.RequestID, n)
						require.Equal(t, 200, got.StatusCode)
						require.Equal(t, 1, got.Attempts)
					}
					if test.fails > 0 {
						require.ErrorIs(t, last, infinitysip.ErrForbidden)
						require.Equal(t, 403, got.StatusCode)
						require.Equal(t, strconv.Itoa(test.fails), got.RequestID)
						return
					}
					require.NoError(t, last)
					require.Equal(t, rows, n)
				})
			})
		}
	}
}

// lostServer applies what is sent to it, and answers 502. What it then lists is
// what was sent, but for what it shows otherwise.
func lostServer(show map[string]string) *stub {
	var mu sync.Mutex
	var made string // rows
	s := new(stub)
	s.respond = func(n int, req *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if req.Method == http.MethodGet {
			if strings.Contains(req.URL.RawQuery, "-gt-value-") {
				return answer(200, "", "X-Request-Id", "look"), nil // there is no other page
			}
			return answer(200, made, "X-Request-Id", "look"), nil
		}
		row := map[string]string{}
		if err := json.Unmarshal([]byte(anyRow), &row); err != nil {
			return nil, err
		}
		form := s.forms[n-1]
		for name, values := range form {
			row[name] = values[0]
		}
		maps.Copy(row, show)
		ids := slices.Sorted(slices.Values(slices.Concat(form["userSpec[]"], form["groupSpec[]"])))
		for _, id := range ids {
			row["userId"], row["groupId"] = id, id
			text, _ := json.Marshal(row)
			made += string(text) + "\n"
		}
		if len(ids) == 0 {
			text, _ := json.Marshal(row)
			made = string(text)
		}
		return answer(502, "bad gateway", "X-Request-Id", "post"), nil
	}
	return s
}

// The response of a write that is looked after is that of the write. The looks
// have its header, and not its parameter.
func TestCallOptionsOfAWriteWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		if s := newOptionsServer(m); !s.looks() || m.makes != nil {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &optionsServer{stub: lostServer(nil), method: m}
				var got infinitysip.Response
				err := s.do(t, infinitysip.CallHeader("X-Caller", "me"), infinitysip.CallParam("newParam", "x"), infinitysip.CallResponse(&got))
				switch m.op {
				case "Users.AddDevice":
					require.ErrorIs(t, err, infinitysip.ErrTokenLost)
				case "Users.Create": // its password may be another one
					failed, ok := errors.AsType[*infinitysip.Error](err)
					require.True(t, ok, "%v", err)
					require.Equal(t, infinitysip.OutcomeUnknown, failed.Outcome)
					require.Equal(t, []int64{12}, failed.Found)
				default:
					require.NoError(t, err)
				}
				require.Equal(t, 502, got.StatusCode)
				require.Equal(t, "post", got.RequestID)
				require.Equal(t, 1, got.Attempts)

				calls, forms := s.requests(false)
				require.Len(t, calls, 1)
				require.Equal(t, "me", calls[0].Header.Get("X-Caller"))
				require.Equal(t, []string{"x"}, forms[0]["newParam"])
				looks, forms := s.requests(true)
				require.NotEmpty(t, looks)
				for i, look := range looks {
					require.Equal(t, "me", look.Header.Get("X-Caller"))
					require.Equal(t, "no-cache", look.Header.Get("Cache-Control"))
					require.NotContains(t, look.URL.RawQuery, "newParam")
					require.Empty(t, forms[i])
				}
			})
		})
	}
}

// A secret is not compared with what the server shows of it, which may be a mask.
// That it is set, the row does not show; settling sets it.
func TestCallParamThatIsSecretInALook(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]bool{"voicemailPin": true, "voicemail": false} {
		synctest.Test(t, func(t *testing.T) {
			secret := infinitysip.CallParam(name, "7007")
			_, err := stubClient(t, lostServer(map[string]string{name: "****"})).Users.Create(t.Context(), 1, newUser(), secret)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, name)
			require.Equal(t, !found, errors.Is(err, infinitysip.ErrConflict), name)

			s := lostServer(map[string]string{name: "****"})
			lost := s.respond
			s.respond = func(n int, req *http.Request) (*http.Response, error) {
				if infinitysip.OperationFromContext(req.Context()) == "Users.Update" {
					return answer(204, ""), nil
				}
				return lost(n, req)
			}
			client := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true}))
			id, err := client.Users.Create(t.Context(), 1, newUser(), secret)
			if !found {
				require.ErrorIs(t, err, infinitysip.ErrConflict, name)
				require.Zero(t, s.countOf("Users.Update"), "it is not this user's row")
				return
			}
			require.NoError(t, err, name)
			require.Equal(t, infinitysip.UserID(12), id)
			require.Equal(t, url.Values{"password": {canaryPassword}, "pin": {canaryPIN}, name: {"7007"}}, s.forms[len(s.forms)-1])
		})
	}
}

// A request that had no answer has no response.
func TestCallResponseOfNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(503, "", "X-Request-Id", "1"), nil
			}
			return nil, errors.New("dropped")
		}}
		var got infinitysip.Response
		_, err := stubClient(t, s).Users.Get(t.Context(), 1, 2, infinitysip.CallResponse(&got))
		require.Error(t, err)
		require.Equal(t, infinitysip.Response{Attempts: 4}, got)
	})
	// What is tried again and succeeds says how often it was tried.
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			return answer(map[bool]int{true: 503, false: 200}[n < 3], `{"userId":"2"}`, "X-Request-Id", strconv.Itoa(n)), nil
		}}
		var got infinitysip.Response
		_, err := stubClient(t, s).Users.Get(t.Context(), 1, 2, infinitysip.CallResponse(&got))
		require.NoError(t, err)
		require.Equal(t, 200, got.StatusCode)
		require.Equal(t, "3", got.RequestID)
		require.Equal(t, 3, got.Attempts)
	})
}

// More attempts raise the lower counts too, and replace those of the policy.
func TestCallAttemptsRaise(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		most   int // of the policy
		do     func(context.Context, *infinitysip.Client, infinitysip.CallOption) error
		want   int
	}{
		"a read": {503, 0, func(ctx context.Context, c *infinitysip.Client, with infinitysip.CallOption) error {
			return errorOf(c.Users.Get(ctx, 1, 2, with))
		}, 6},
		"a read, 500": {500, 0, func(ctx context.Context, c *infinitysip.Client, with infinitysip.CallOption) error {
			return errorOf(c.Users.Get(ctx, 1, 2, with))
		}, 5},
		"a delete": {503, 0, func(ctx context.Context, c *infinitysip.Client, with infinitysip.CallOption) error {
			return c.Users.Delete(ctx, 1, 2, with)
		}, 5},
		"a create, 500": {500, 0, func(ctx context.Context, c *infinitysip.Client, with infinitysip.CallOption) error {
			return errorOf(c.Users.Create(ctx, 1, newUser(), with))
		}, 1},
		"a read, of a policy with 1": {503, 1, func(ctx context.Context, c *infinitysip.Client, with infinitysip.CallOption) error {
			return errorOf(c.Users.Get(ctx, 1, 2, with))
		}, 6},
		"a delete, of a policy with 9": {503, 9, func(ctx context.Context, c *infinitysip.Client, with infinitysip.CallOption) error {
			return c.Users.Delete(ctx, 1, 2, with)
		}, 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := always(test.status, "")
			client := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: test.most}))
			err := test.do(t.Context(), client, infinitysip.CallAttempts(6))
			failed, ok := errors.AsType[*infinitysip.Error](err)
			require.True(t, ok, name)
			require.Equal(t, test.want, failed.Attempts, name)
			require.Equal(t, test.want, s.countOf(failed.Op), name)
		})
	}
}

// What a header or a parameter holds is in no error and in no log, whatever the
// server makes of it, if its name says that it is secret.
func TestCallOptionsThatAreSecret(t *testing.T) {
	t.Parallel()
	secrets, headers := make(map[string]infinitysip.CallOption), make(map[string]bool)
	for _, name := range []string{"X-Api-Key", "Cookie", "x-token", "X-Client-Secret"} {
		secrets[name], headers[name] = infinitysip.CallHeader(name, canaryPassword), true
	}
	for _, name := range []string{"sipPassword", "newPin", "registrationToken[]", "clientSecret", "apiKey", "authCode"} {
		secrets[name] = infinitysip.CallParam(name, canaryPIN, canaryPassword)
	}
	for name, secret := range secrets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				params := newUser()
				params.Password, params.PIN = infinitysip.NewSecret("x7"), infinitysip.Secret{} // so that nothing else hides the canaries
				for written, write := range echoed {
					echo := write(canaryPassword)
					if !headers[name] {
						echo = write(canaryPIN) + "\n" + echo
					}
					refused := always(409, echo)
					lost := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
						if req.Method == http.MethodPost {
							return answer(502, echo), nil
						}
						return answer(403, echo), nil
					}}
					var log strings.Builder
					client := func(s *stub) *infinitysip.Client {
						return stubClient(t, s, infinitysip.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))), infinitysip.WithDebugLog(&log), infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: canaryBody}))
					}
					for op, err := range map[string]error{
						"Users.Get":    errorOf(client(refused).Users.Get(t.Context(), 1, 2, secret)),
						"Users.Update": client(refused).Users.Update(t.Context(), 1, 2, infinitysip.UserUpdateParams{Email: new("x")}, secret),
						"Users.Delete": client(refused).Users.Delete(t.Context(), 1, 2, secret),
						"Users.Create": errorOf(client(lost).Users.Create(t.Context(), 1, params, secret)),
					} {
						require.Error(t, err, op)
						requireNoSecret(t, op+" "+written, err, log.String())
					}
				}
			})
		})
	}
}

// An update of nothing but a parameter of the caller's is sent.
func TestCallParamAlone(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		e := endpointsByOp()[m.op]
		if len(e.Form) == 0 || slices.ContainsFunc(e.Form, func(p formParam) bool { return !p.Optional }) {
			continue
		}
		m.params = leastParams(e, m.params)
		s := newOptionsServer(m)
		require.ErrorIs(t, s.do(t), infinitysip.ErrInvalid, m.name)
		require.NoError(t, s.do(t, infinitysip.CallParam("newParam", "x")), m.name)
		require.Equal(t, []url.Values{{"newParam": {"x"}}}, s.forms, m.name)
	}
}
