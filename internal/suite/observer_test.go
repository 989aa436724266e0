package suite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// notes is an Observer that writes down what it is told. A context carries the call
// that it belongs to.
type notes struct {
	mu    sync.Mutex
	lines []string
	calls []infinitysip.CallResult
}

type noteKey struct{}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) observer() infinitysip.Observer {
	return infinitysip.Observer{
		Call: func(ctx context.Context, info infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
			n.add("begin %s %s %s domain %d", info.Op, info.Method, info.PathTemplate, info.Domain)
			return context.WithValue(ctx, noteKey{}, info.Op), func(r infinitysip.CallResult) {
				n.add("end %s: %s, %d, %d attempts, %d looks, ok %t", info.Op, r.Outcome, r.StatusCode, r.Attempts, r.Looks, r.Err == nil)
				n.mu.Lock()
				defer n.mu.Unlock()
				n.calls = append(n.calls, r)
			}
		},
		Attempt: func(ctx context.Context, info infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			of, _ := ctx.Value(noteKey{}).(string)
			info.Header.Set("Traceparent", of)
			info.Header.Set("Authorization", "stolen")
			return ctx, func(r infinitysip.AttemptResult) {
				n.add("  %d of %s in %s: %s %s, look %t: %d, sent %t, ok %t", info.Number, info.Op, of, info.Method, info.PathTemplate, info.Look, r.StatusCode, r.Sent, r.Err == nil)
			}
		},
	}
}

func TestObserver(t *testing.T) {
	t.Parallel()
	const users = "/config/v2/sip/domains/{domainId}/users"
	synctest.Test(t, func(t *testing.T) {
		n := new(notes)
		a := newAcme(t, siptest.Options{})
		client := a.InProcessClient(infinitysip.WithObserver(n.observer()))
		a.Fail(siptest.On("Users.Create").Nth(1).CommitThenDrop())
		params := newUser()
		_, err := client.Users.Create(t.Context(), a.domain, params)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, []string{
			"begin Users.Create POST " + users + " domain 1",
			"  1 of Users.Create in Users.Create: POST " + users + ", look false: 0, sent true, ok false",
			"  1 of Users.List in Users.Create: GET " + users + ", look true: 200, sent true, ok true",
			"end Users.Create: unknown, 0, 1 attempts, 1 looks, ok false",
		}, n.lines)
		for _, req := range a.Requests() {
			require.Equal(t, []string{"Users.Create"}, req.Header["Traceparent"])
			require.NotContains(t, req.Header.Get("Authorization"), "stolen")
		}

		n.lines = nil
		a.Fail(siptest.On("Users.Get").Nth(1).Status(http.StatusTooManyRequests).Header("Retry-After", "5"))
		_, err = client.Users.Get(t.Context(), a.domain, 1)
		require.NoError(t, err)
		require.Equal(t, []string{
			"begin Users.Get GET " + users + "/{userId} domain 1",
			"  1 of Users.Get in Users.Get: GET " + users + "/{userId}, look false: 429, sent true, ok true",
			"  2 of Users.Get in Users.Get: GET " + users + "/{userId}, look false: 200, sent true, ok true",
			"end Users.Get: not applied, 200, 2 attempts, 0 looks, ok true",
		}, n.lines)
		require.GreaterOrEqual(t, n.calls[1].ThrottleWait, 5*time.Second)
		a.Fail(siptest.On("Groups.Get").Header("X-Request-Id", "r-1"))
		_, err = client.Groups.Get(t.Context(), a.domain, a.group)
		require.NoError(t, err)
		require.Equal(t, "r-1", n.calls[2].RequestID)

		n.lines = nil
		_, err = client.Users.Get(t.Context(), a.domain, 0)
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
		require.Empty(t, n.lines, "a call that is refused for its input is none")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = client.Users.Get(ctx, a.domain, 1)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []string{
			"begin Users.Get GET " + users + "/{userId} domain 1",
			"end Users.Get: not applied, 0, 0 attempts, 0 looks, ok false",
		}, n.lines)
	})
}

// An All over pages, and an add of many ids, are one call.
func TestObserverOfManyRequests(t *testing.T) {
	t.Parallel()
	n := new(notes)
	a := newAcme(t, siptest.Options{})
	client := a.InProcessClient(infinitysip.WithObserver(n.observer()), infinitysip.WithLimits(infinitysip.Limits{IDsPerRequest: 2}))
	for i := range 5 {
		_, err := client.Devices.Create(t.Context(), a.domain, infinitysip.DeviceCreateParams{Name: fmt.Sprint("d", i), MACAddress: fmt.Sprintf("00:00:5E:00:53:%02X", i)})
		require.NoError(t, err)
	}
	n.calls = nil
	for _, err := range client.Devices.All(t.Context(), a.domain, &infinitysip.DeviceListOptions{PageSize: 2}) {
		require.NoError(t, err)
	}
	require.Len(t, n.calls, 1)
	require.Greater(t, n.calls[0].Attempts, 2)

	n.calls = nil
	var ids []infinitysip.UserID
	for i := range 5 {
		ids = append(ids, a.AddUser(a.domain, infinitysip.User{User: fmt.Sprint("u", i), ExtensionNumber: fmt.Sprint(200 + i)}))
	}
	group := a.AddGroup(a.domain, infinitysip.Group{Name: "g", ExtensionNumber: "300"})
	require.NoError(t, client.Groups.AddUsers(t.Context(), a.domain, group, ids))
	require.NoError(t, client.Groups.RemoveUsers(t.Context(), a.domain, group, ids))
	require.Len(t, n.calls, 2)
	for _, call := range n.calls {
		require.Equal(t, 3, call.Attempts)
		require.Equal(t, infinitysip.OutcomeApplied, call.Outcome)
	}
}

// A rotation is one call, and the rotation of all devices is too.
func TestObserverOfRotations(t *testing.T) {
	t.Parallel()
	n := new(notes)
	a := newAcme(t, siptest.Options{})
	client := a.InProcessClient(infinitysip.WithObserver(n.observer()))
	_, err := client.Users.AddDevice(t.Context(), a.domain, a.user, a.device)
	require.NoError(t, err)
	n.lines, n.calls = nil, nil
	_, err = client.Users.RotateDeviceToken(t.Context(), a.domain, a.user, a.device)
	require.NoError(t, err)
	const devices = "/config/v2/sip/domains/{domainId}/users/{userId}/devices"
	require.Equal(t, []string{
		"begin Users.RotateDeviceToken POST " + devices + " domain 1",
		"  1 of Users.RemoveDevice in Users.RotateDeviceToken: DELETE " + devices + "/{pbxDeviceId}, look false: 204, sent true, ok true",
		"  1 of Users.AddDevice in Users.RotateDeviceToken: POST " + devices + ", look false: 201, sent true, ok true",
		"end Users.RotateDeviceToken: applied, 201, 2 attempts, 0 looks, ok true",
	}, n.lines)
	n.calls = nil
	for _, err := range client.Users.RotateDeviceTokens(t.Context(), a.domain, a.user) {
		require.NoError(t, err)
	}
	require.Len(t, n.calls, 1)
	require.Equal(t, infinitysip.OutcomeApplied, n.calls[0].Outcome)
	require.Zero(t, n.calls[0].Looks)
}

// An attempt whose context ended says so, and not with which cause.
func TestObserverOfACause(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{})
	var told []error
	client := a.InProcessClient(infinitysip.WithObserver(infinitysip.Observer{
		Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			return ctx, func(r infinitysip.AttemptResult) { told = append(told, r.Err) }
		},
	}))
	ctx, cancel := context.WithCancelCause(t.Context())
	a.Fail(siptest.On("Groups.Get").Before(func(*siptest.Server) { cancel(errors.New("another worker failed")) }).Hang())
	_, err := client.Groups.Get(ctx, a.domain, a.group)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, told, 1)
	require.ErrorIs(t, told[0], context.Canceled)
}

// An Observer that panics, or returns nothing or another context, does no harm.
func TestObserverThatMisbehaves(t *testing.T) {
	t.Parallel()
	type (
		call = func(context.Context, infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult))
		try  = func(context.Context, infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult))
	)
	callGives := func(ctx context.Context, ended func(infinitysip.CallResult)) call {
		return func(context.Context, infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
			return ctx, ended
		}
	}
	tryGives := func(ctx context.Context, ended func(infinitysip.AttemptResult)) try {
		return func(context.Context, infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			return ctx, ended
		}
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, o := range map[string]infinitysip.Observer{
		"panics": {
			Call: func(context.Context, infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
				panic(canaryKey)
			},
			Attempt: func(context.Context, infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
				panic(canaryKey)
			},
		},
		"panics at ends": {
			Call:    callGives(t.Context(), func(infinitysip.CallResult) { panic(canaryKey) }),
			Attempt: tryGives(t.Context(), func(infinitysip.AttemptResult) { panic(canaryKey) }),
		},
		"returns nothing":    {Call: callGives(nil, nil), Attempt: tryGives(nil, nil)},
		"another context":    {Call: callGives(context.Background(), nil), Attempt: tryGives(context.Background(), nil)},
		"a canceled context": {Call: callGives(canceled, nil), Attempt: tryGives(canceled, nil)},
		"calls alone":        {Call: callGives(context.Background(), nil)},
		"attempts alone":     {Attempt: tryGives(context.Background(), nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t, siptest.Options{})
			client := a.InProcessClient(infinitysip.WithObserver(o))
			id, err := client.Groups.Create(t.Context(), a.domain, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0201", CallerNameFormat: "{displayName}"})
			require.NoError(t, err)
			_, err = client.Groups.Get(t.Context(), a.domain, id)
			require.NoError(t, err)
			ended, cancel := context.WithCancel(t.Context())
			a.Fail(siptest.On("Groups.Get").Before(func(*siptest.Server) { cancel() }).Hang())
			_, err = client.Groups.Get(ended, a.domain, id)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// Every method is observed as one call, with its template, and ends as the caller hears.
func TestObserverOfAllCalls(t *testing.T) {
	t.Parallel()
	for _, m := range methods() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			n := new(notes)
			transport := always(http.StatusInternalServerError, "no")
			err := m.do(t.Context(), stubClient(t, transport, infinitysip.WithObserver(n.observer()),
				infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1, VerifyWaits: []time.Duration{}})))
			failed, ok := errors.AsType[*infinitysip.Error](err)
			require.True(t, ok, err)
			require.Len(t, n.calls, 1)
			require.Contains(t, n.lines[0], "begin "+m.seenAs()+" ")
			require.Contains(t, n.lines[0], " /config/v2/sip/")
			call := n.calls[0]
			require.Equal(t, err, call.Err)
			require.Equal(t, failed.Outcome, call.Outcome)
			require.Equal(t, http.StatusInternalServerError, call.StatusCode)
		})
	}
}

// seenAs is the name that an Observer hears of a method: an All is its List.
func (m method) seenAs() string {
	if strings.Contains(m.name, ".All") {
		return m.op
	}
	return m.name
}

// The second step of a rotation fails, or the answer of a Do is lost: the Observer and
// the logger hear what the caller does.
func TestObserverHearsWhatTheCallerDoes(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(context.Context, *acme, *infinitysip.Client) error{
		"a rotation": func(ctx context.Context, a *acme, c *infinitysip.Client) error {
			a.Fail(siptest.On("Users.AddDevice").Status(403))
			return errorOf(c.Users.RotateDeviceToken(ctx, a.domain, a.user, a.device))
		},
		"a rotation whose first step is unknown": func(ctx context.Context, a *acme, c *infinitysip.Client) error {
			a.Fail(siptest.On("Users.RemoveDevice").Status(500))
			return errorOf(c.Users.RotateDeviceToken(ctx, a.domain, a.user, a.device))
		},
		"a Do whose answer is cut": func(ctx context.Context, a *acme, c *infinitysip.Client) error {
			a.Fail(siptest.On("Groups.Create").Truncate(3))
			form := url.Values{"groupName": {"x"}, "displayName": {"x"}, "extensionNumber": {"0777"}, "callerNameFormat": {"x"}, "ringRetry": {"0"}, "ringExclusive": {"0"}}
			return errorOf(c.Do(ctx, "POST", fmt.Sprintf("/config/v2/sip/domains/%d/groups", a.domain), form))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, log := new(notes), new(bytes.Buffer)
				a := newAcme(t, siptest.Options{})
				_, err := a.client.Users.AddDevice(t.Context(), a.domain, a.user, a.device)
				require.NoError(t, err)
				client := a.InProcessClient(infinitysip.WithObserver(n.observer()), infinitysip.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
				err = do(t.Context(), a, client)
				failed, ok := errors.AsType[*infinitysip.Error](err)
				require.True(t, ok, err)
				require.Len(t, n.calls, 1)
				require.Equal(t, err, n.calls[0].Err)
				require.Equal(t, failed.Outcome, n.calls[0].Outcome)
				require.Contains(t, log.String(), fmt.Sprintf("outcome=%s", strings.Trim(strconv.Quote(failed.Outcome.String()), `"`)))
			})
		})
	}
}

// A goroutine that ends within a call did not succeed.
func TestObserverOfACallThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	n := new(notes)
	client := stubClient(t, transportFunc(func(*http.Request) (*http.Response, error) {
		runtime.Goexit()
		return nil, nil
	}), infinitysip.WithObserver(n.observer()))
	var ended sync.WaitGroup
	ended.Go(func() { _, _ = client.Users.Create(t.Context(), 1, newUser()) })
	ended.Wait()
	require.Len(t, n.calls, 1)
	require.Error(t, n.calls[0].Err)
	require.Equal(t, infinitysip.OutcomeUnknown, n.calls[0].Outcome)
}

// What an Observer calls is a call of its own, whichever of its funcs makes it.
func TestCallsWithinCalls(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"Call", "Attempt"} {
		t.Run(in, func(t *testing.T) {
			t.Parallel()
			n := new(notes)
			a := newAcme(t, siptest.Options{})
			var client *infinitysip.Client
			called := false
			inner := func(ctx context.Context) {
				if !called {
					called = true
					_, err := client.Groups.Get(ctx, a.domain, a.group)
					require.NoError(t, err)
				}
			}
			o := n.observer()
			begin, attempt := o.Call, o.Attempt
			o.Call = func(ctx context.Context, info infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
				if in == "Call" {
					inner(ctx)
				}
				return begin(ctx, info)
			}
			o.Attempt = func(ctx context.Context, info infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
				if in == "Attempt" {
					inner(ctx)
				}
				return attempt(ctx, info)
			}
			client = a.InProcessClient(infinitysip.WithObserver(o))
			_, err := client.Users.Get(t.Context(), a.domain, a.user)
			require.NoError(t, err)
			require.Len(t, n.calls, 2)
			for _, call := range n.calls {
				require.Equal(t, 1, call.Attempts)
			}
		})
	}
}

// A context that an Observer kept from an attempt before does not make a call another one.
func TestAnObserverThatKeepsAContext(t *testing.T) {
	t.Parallel()
	var kept context.Context
	var ops []string
	client := stubClient(t, transportFunc(func(req *http.Request) (*http.Response, error) {
		ops = append(ops, infinitysip.OperationFromContext(req.Context()))
		return answer(http.StatusNoContent, ""), nil
	}), infinitysip.WithObserver(infinitysip.Observer{
		Call: func(ctx context.Context, _ infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
			return kept, nil
		},
		Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			before := kept
			kept = ctx
			return before, nil
		},
	}))
	require.NoError(t, client.Users.Delete(t.Context(), 1, 2))
	require.NoError(t, client.Groups.Delete(t.Context(), 1, 2))
	require.Equal(t, []string{"Users.Delete", "Groups.Delete"}, ops)
}

// A loop over a rotation that panics did not succeed.
func TestObserverOfALoopThatPanics(t *testing.T) {
	t.Parallel()
	n := new(notes)
	a := newAcme(t, siptest.Options{})
	client := a.InProcessClient(infinitysip.WithObserver(n.observer()))
	_, err := client.Users.AddDevice(t.Context(), a.domain, a.user, a.device)
	require.NoError(t, err)
	n.calls = nil
	require.Panics(t, func() {
		for _, err := range client.Users.RotateDeviceTokens(t.Context(), a.domain, a.user) {
			require.NoError(t, err)
			panic("the user's own")
		}
	})
	require.Len(t, n.calls, 1)
	require.Error(t, n.calls[0].Err)
	require.Equal(t, infinitysip.OutcomeUnknown, n.calls[0].Outcome)
}

// If the context ends before the request goes out, nothing was sent, and the call says so.
func TestAContextThatEndsBeforeTheRequest(t *testing.T) {
	t.Parallel()
	s := always(http.StatusCreated, `{"userId":"7"}`)
	ctx, cancel := context.WithCancel(t.Context())
	client := stubClient(t, s, infinitysip.WithObserver(infinitysip.Observer{
		Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			cancel()
			return ctx, nil
		},
	}))
	_, err := client.Users.Create(ctx, 1, newUser())
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok, err)
	require.Equal(t, infinitysip.OutcomeNotApplied, failed.Outcome)
	require.Zero(t, s.count())
}

// A request that an Observer makes with the context of an attempt is not that attempt.
func TestARequestOfAnObserver(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{})
	client := a.Client(infinitysip.WithObserver(infinitysip.Observer{
		Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			req := must(http.NewRequestWithContext(ctx, http.MethodGet, a.URL(), nil))
			require.NoError(t, must(http.DefaultClient.Do(req)).Body.Close())
			return ctx, nil
		},
	}))
	_, err := client.Groups.Get(t.Context(), a.domain, a.group)
	require.NoError(t, err)
	require.Equal(t, 1, a.sent("Groups.Get"))
}

// An attempt is one request, also on a spare connection of HTTP/2: one that net/http opened
// for an attempt that had ended by then. net/http does not tell that it looks for that one.
// There are many if an Observer gives the context of an attempt an end of its own, because
// net/http learns of the attempt's end a little later.
func TestOneRequestOnASpareConnection(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, made := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"a value": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithValue(ctx, key{}, 1), func() {}
		},
		"an end of its own": context.WithCancel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t, siptest.Options{HTTP2: true, APIKey: canaryKey})
			a.Fail(siptest.On("Users.Get").ResetStreamWith(siptest.StreamProtocolError))
			attempts := 0
			client := ownHTTP2(a, []infinitysip.Option{infinitysip.WithRetryPolicy(quick), infinitysip.WithObserver(infinitysip.Observer{
				Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
					attempts++
					ctx, cancel := made(ctx)
					return ctx, func(infinitysip.AttemptResult) { cancel() }
				},
			})})
			for range 50 {
				_, err := client.Users.Get(t.Context(), a.domain, 1)
				require.Error(t, err)
			}
			require.Len(t, a.Requests(), attempts)
		})
	}
}
