package suite_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// A transport that goes to the network again, under the same context, after it
// has sent the call must not make the call look unsent.
func TestSentStaysSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(req.Context())
			trace.GetConn("primary")
			trace.GotConn(httptrace.GotConnInfo{})
			trace.GetConn("secondary") // which refuses
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}}
		_, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 1, s.countOf("Users.Create"))
	})
}

func TestAClientDoesNotPrintItsCredentials(t *testing.T) {
	t.Parallel()
	client := stubClient(t, always(200, ""))
	requireNoSecret(t, "client", client, *client)
}

// A 404 after a removal of members that may have been applied says nothing of
// the members.
func TestRemoveUsersThatFindsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(503, ""), nil
			}
			return answer(404, "user 999 is not in the group"), nil
		}}
		err := stubClient(t, s).Groups.RemoveUsers(t.Context(), 1, 2, []infinitysip.UserID{998, 999})
		require.ErrorIs(t, err, infinitysip.ErrNotFound)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	})
}

// What went wrong with a look-up is not what went wrong with the create.
func TestALookUpsErrorIsNotTheCreates(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403, 404, 503} {
		synctest.Test(t, func(t *testing.T) {
			srv := siptest.New(t, siptest.Options{CreateBody: siptest.CreateBodyNone})
			domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
			srv.Fail(siptest.On("Users.List").Status(status))
			_, err := srv.InProcessClient().Users.Create(t.Context(), domain, newUser())
			require.Error(t, err)
			for _, sentinel := range []error{infinitysip.ErrInvalid, infinitysip.ErrForbidden, infinitysip.ErrNotFound, infinitysip.ErrUnavailable, infinitysip.ErrOutcomeUnknown} {
				require.NotErrorIs(t, err, sentinel)
			}
		})
	}
}

func TestSecretsInEverySpelling(t *testing.T) {
	t.Parallel()
	params := newUser()
	params.Password = infinitysip.NewSecret(` s3cr3t'pa"ss<é/ `)
	for _, body := range []string{
		`s3cr3t&#039;pa&quot;ss&lt;é/`, `s3cr3t\u0027pa\u0022ss\u003C\u00e9\/`, `s3cr3t'pa\"ss\u003C\u00E9\/`, `s3cr3t'pa\"ss\u003c\u00e9\/`, `s3cr3t'pa"ss<é/`,
		`s3cr3t'pa\\\"ss\\u003c\\u00e9\\/`, `s3cr3t\x27pa\x22ss\x3C\xC3\xA9/`,
		`%2Bs3cr3t%2527pa%2522ss%253C%25C3%25A9%252F%2B`, `+s3cr3t%27pa%22ss%3C%C3%A9%2F+`, `+s3cr3t%27pa%22ss%3c%c3%a9%2f+`, `s3cr3t&#39;pa&#34;ss&lt;é/`,
		`s3cr3t&apos;pa&quot;ss&lt;&eacute;&sol;`, "s3cr3t'pa\"ss<\xe9/",
	} {
		_, err := stubClient(t, always(409, "no: "+body+".")).Users.Create(t.Context(), 1, params)
		failed, ok := errors.AsType[*infinitysip.Error](err)
		require.True(t, ok)
		require.NotContains(t, string(failed.Body), "s3cr3t", body)
		require.NotContains(t, err.Error(), "s3cr3t", body)
	}
}

// An error body that breaks off may end within a secret.
func TestASecretThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
		resp := answer(409, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("no: "+canaryPassword[:len(canaryPassword)-3]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp, nil
	}}
	_, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.ErrorIs(t, err, infinitysip.ErrConflict)
	require.NotContains(t, string(failed.Body), "canary")
	require.NotContains(t, err.Error(), "canary")
}

// What the server gives, such as a device's token, is not in what the call
// sent. In the body of an error it is known by its name.
func TestSecretsByTheirName(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"pbxDeviceId":"3","pbxDeviceToken":"432e1","userId":"2"}`: `{"pbxDeviceId":"3","pbxDeviceToken":"[redacted]","userId":"2"}`,
		`{"Password" : "a\"432e1", "PIN":432e1}`:                    `{"Password" : "[redacted]", "PIN":"[redacted]"}`,
		`{"pin":["432e1","432e1"]}`:                                 `{"pin":"[redacted]"}`,
		`{"pin":{"a":["}"],"b":"432e1"},"c":1}`:                     `{"pin":"[redacted]","c":1}`,
		`{"pbxDeviceToken":"432e1`:                                  `{"pbxDeviceToken":"[redacted]"`,
		`{"x":"{\"pin\":\"a\\\"432e1\\\\\",\"y\":1}"}`:              `{"x":"{\"pin\":\"[redacted]\",\"y\":1}"}`,
		`{"x":"{\"pin\":[\"432e1]\"],\"y\":1}"}`:                    `{"x":"{\"pin\":\"[redacted]\",\"y\":1}"}`,
		`password: too short; "pin": required`:                      `password: too short; "pin": "[redacted]"`,
	} {
		_, err := stubClient(t, always(403, body)).Users.AddDevice(t.Context(), 1, 2, 3)
		failed, ok := errors.AsType[*infinitysip.Error](err)
		require.True(t, ok)
		require.Equal(t, want, string(failed.Body))
		require.NotContains(t, err.Error(), "432e1")
	}
	// Also where the call sent a secret that is that name.
	params := newUser()
	params.Password = infinitysip.NewSecret("password")
	_, err := stubClient(t, always(403, `{"password":"432e1"}`)).Users.Create(t.Context(), 1, params)
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.NotContains(t, string(failed.Body), "432e1")
}

// A transport's error may hold the request, headers and all, and not show it.
func TestAnErrorOfATransportShowsItsTextAlone(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"a value":          requestError{"ApiKey " + canaryKey},
		"a pointer":        &requestError{"ApiKey " + canaryKey},
		"a pointer behind": fmt.Errorf("no: %w", &requestError{"ApiKey " + canaryKey}),
	} {
		s := &stub{respond: func(int, *http.Request) (*http.Response, error) { return nil, err }}
		_, err := stubClient(t, s, atOnce()).Users.Get(t.Context(), 1, 2)
		require.ErrorContains(t, err, "cannot send", name)
		for behind := err; behind != nil; behind = errors.Unwrap(behind) {
			requireNoSecret(t, name, behind)
		}
		require.ErrorIs(t, err, io.EOF, name)
		refused, ok := errors.AsType[net.Error](err)
		require.True(t, ok && refused.Timeout(), "who asks for it gets it")
	}
}

// requestError holds what its text does not show.
type requestError struct{ Authorization string }

func (requestError) Error() string   { return "cannot send" }
func (requestError) Timeout() bool   { return true }
func (requestError) Temporary() bool { return false }
func (requestError) Is(target error) bool {
	return target == io.EOF
}

// A secret that no field claims does not print either.
func TestSecretsInExtra(t *testing.T) {
	t.Parallel()
	s := always(200, `{"userId":"1","groupId":"2","password":"`+canaryPIN+`","Pin":"`+canaryPIN+`","locale":"en",`+
		`"devices":[{"pbxDeviceId":"3","pbxDeviceToken":"`+canaryPIN+`"}],"phone":{"a":[{"pin" : "`+canaryPIN+`"}]}}`)
	users, err := stubClient(t, s).Groups.ListUsers(t.Context(), 1, 2)
	require.NoError(t, err)
	require.JSONEq(t, `"en"`, string(users[0].Extra["locale"]))
	require.Contains(t, users[0].Extra, "password")
	requireNoSecret(t, "row", users[0], string(users[0].Extra["password"]), string(users[0].Extra["Pin"]), string(users[0].Extra["devices"]), string(users[0].Extra["phone"]))
	require.JSONEq(t, `[{"pbxDeviceId":"3","pbxDeviceToken":"[redacted]"}]`, string(users[0].Extra["devices"]))
	// A text that holds the name of a secret is not a secret.
	const texts = `["\"pin\": [1","b",{"note":"my \"pin\": 5"}]`
	users, err = stubClient(t, always(200, `{"userId":"1","groupId":"2","x":`+texts+`}`)).Groups.ListUsers(t.Context(), 1, 2)
	require.NoError(t, err)
	require.Equal(t, texts, string(users[0].Extra["x"]))
}

// A loop that panics, or a test that fails within one, leaves no connection.
func TestALoopThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	closed := 0
	s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = &countedBody{strings.NewReader(strings.Repeat(`{"userId":"1"}`+"\n", 10)), &closed}
		return resp, nil
	}}
	client := stubClient(t, s)
	for range 3 {
		func() {
			defer func() { require.NotNil(t, recover()) }()
			for range client.Users.All(t.Context(), 1) { //nolint:errcheck // the loop does not look
				panic("in the caller's loop")
			}
		}()
	}
	require.Equal(t, 3, closed)
}

type countedBody struct {
	io.Reader
	closed *int
}

func (b *countedBody) Close() error { *b.closed++; return nil }

// The end of an answer may come apart from its row; a create waits for it a
// little, and keeps the connection.
func TestCreatesKeepTheirConnection(t *testing.T) {
	t.Parallel()
	remotes := make(map[string]bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		remotes[req.RemoteAddr] = true
		_, _ = io.Copy(io.Discard, req.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"userId":"1"}`)
		_ = http.NewResponseController(w).Flush()
	}))
	t.Cleanup(server.Close)
	client, err := infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(server.URL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	for range 50 {
		_, err := client.Users.Create(t.Context(), 1, newUser())
		require.NoError(t, err)
	}
	require.Len(t, remotes, 1)
}

// An answer of one row that goes on for ever is not read to its end.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{"rows": `{"userId":"2"}` + "\n", "blank lines": "\n", "one row": `{"a":"`, "blanks in a row": `{ `} {
		synctest.Test(t, func(t *testing.T) {
			read := 0
			s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
				resp := answer(200, "")
				resp.Body = readerFunc(func(p []byte) (int, error) {
					n := copy(p, line)
					if name == "one row" || name == "blanks in a row" {
						for i := n; i < len(p) && read > 0; i++ {
							p[i] = ' '
							n++
						}
					}
					read += n
					return n, nil
				})
				return resp, nil
			}}
			_, err := stubClient(t, s).Users.Get(t.Context(), 1, 2)
			require.Error(t, err, name)
			require.Less(t, read, 8<<20, name)
		})
	}
}

func TestMoreAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(503, "")
		client := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 10}))
		_, err := client.Users.List(t.Context(), 1)
		require.Error(t, err)
		require.Equal(t, 10, s.count())
		require.Error(t, client.Users.Delete(t.Context(), 1, 2))
		require.Equal(t, 19, s.count())
	})
}

// A server may call the id of a trusted network otherwise than this package
// thinks: the list then pages all the same.
func TestPagesOfRowsWhoseIDIsNotKnown(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		if req.URL.Query().Has("sort[]") {
			return answer(400, "no such field"), nil
		}
		var offset int
		_, _ = fmt.Sscan(req.URL.Query().Get("offset"), &offset)
		if offset == 3 {
			return answer(200, ""), nil
		}
		return answer(200, fmt.Sprintf(`{"odd":"%d","network":"10.0.%d.0/24"}`, offset, offset)), nil
	}}
	n := 0
	for network, err := range stubClient(t, s).TrustedNetworks.All(t.Context(), 1, &infinitysip.TrustedNetworkListOptions{Limit: 1}) {
		require.NoError(t, err)
		require.True(t, network.Network.IsValid())
		n++
	}
	require.Equal(t, 3, n)
}

// A page that comes again is known by its rows where they do not say their ids.
func TestTheSamePageOfRowsWhoseIDIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 4} {
		s := always(200, `{"user":"a","pbxDeviceToken":"t0ken"}`+"\n"+`{"user":"b","pbxDeviceToken":"t0ken"}`+"\n")
		n := 0
		for _, err := range stubClient(t, s, infinitysip.WithReadAhead(ahead)).Users.AllDevices(t.Context(), 1, 1, &infinitysip.UserDeviceListOptions{Limit: 2}) {
			if err != nil {
				require.ErrorIs(t, err, infinitysip.ErrPaginationStuck)
				break
			}
			n++
			require.LessOrEqual(t, n, 2)
		}
		require.Equal(t, 2, n)
	}
}

func TestNothingIsLeftBehind(t *testing.T) { // not parallel: it counts goroutines
	before := runtime.NumGoroutine()
	srv := siptest.NewServer(siptest.Options{})
	client := srv.Client(atOnce())
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	for i := range 20 {
		params := newUser()
		params.User, params.ExtensionNumber = fmt.Sprint("u", i), fmt.Sprint(100+i)
		_, err := client.Users.Create(t.Context(), domain, params)
		require.NoError(t, err)
	}
	srv.Fail(siptest.On("Users.Create").Drop())
	srv.Fail(siptest.On("Users.Get").Status(503))
	for range 5 {
		_, err := client.Users.Create(t.Context(), domain, newUser())
		require.Error(t, err)
		_, err = client.Users.Get(t.Context(), domain, 1)
		require.Error(t, err)
		for _, err := range client.Users.All(t.Context(), domain) {
			require.NoError(t, err)
			break
		}
	}
	client.CloseIdleConnections()
	srv.Close()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "goroutines are left")
	}
}

// A token that came is not thrown away for ids that are not repeated with it.
func TestATokenWithoutIDs(t *testing.T) {
	t.Parallel()
	token, err := stubClient(t, always(201, `{"pbxDeviceToken":"`+canaryPIN+`"}`)).Users.AddDevice(t.Context(), 1, 2, 3)
	require.NoError(t, err)
	require.Equal(t, canaryPIN, token.Token.Reveal())
	require.Equal(t, infinitysip.DeviceID(3), token.DeviceID)
	require.Equal(t, infinitysip.UserID(2), token.UserID)
}

func TestOutcomesInWords(t *testing.T) {
	t.Parallel()
	require.Equal(t, "unknown, not applied, applied", fmt.Sprintf("%v, %v, %v", infinitysip.OutcomeUnknown, infinitysip.OutcomeNotApplied, infinitysip.OutcomeApplied))
}

// A server that fails a look-up may show what the create before it sent.
func TestALookUpShowsNoSecretOfItsCreate(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			return answer(502, ""), nil
		}
		return answer(403, "last seen: "+canaryPassword), nil
	}}
	_, err := stubClient(t, s, atOnce()).Users.Create(t.Context(), 1, newUser())
	require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "last seen: [redacted]")
	requireNoSecret(t, "Users.Create", err)
}

// Of what is wrong with a row as much is shown as there is room for, and of a
// secret in it nothing.
func TestAWrongRowShowsNoPieceOfASecret(t *testing.T) {
	t.Parallel()
	before := strings.Repeat("x", 60)
	for _, row := range []string{
		`{"userId":"` + before + canaryKey + `"}`,
		`{"userId":"1","dashboard":"` + before + canaryKey + `"}`,
		`{"pbxDeviceId":"1","createDatetime":"` + before + canaryKey + `"}`,
		`{"userId":"1","` + strings.Repeat("x", 500) + canaryKey + `":x}`,
	} {
		client := stubClient(t, always(200, row), atOnce())
		_, errOfUser := client.Users.Get(t.Context(), 1, 1)
		_, errOfDevice := client.Devices.Get(t.Context(), 1, 1)
		err := errors.Join(errOfUser, errOfDevice)
		require.ErrorContains(t, err, "xxx[r", row)
		require.NotContains(t, err.Error(), canaryKey[:4], row)
	}
}
