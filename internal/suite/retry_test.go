package suite_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// How often each kind of call is tried, by what each attempt ends with.
func TestRetryTable(t *testing.T) {
	t.Parallel()
	const (
		no, unknown = infinitysip.OutcomeNotApplied, infinitysip.OutcomeUnknown
	)
	dropped := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	status := func(code int) *stub { return always(code, "no") }
	fails := func(err error) *stub {
		return &stub{respond: func(int, *http.Request) (*http.Response, error) { return nil, err }}
	}
	// A real http.Transport, whose connection fails, tells that nothing left.
	undialled := func(err error) http.RoundTripper {
		return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}

	for _, test := range []struct {
		name                            string
		transport                       func() http.RoundTripper
		read, update, remove, add, make int
		outcome                         infinitysip.Outcome // of writes
		is                              error
	}{
		{"400", func() http.RoundTripper { return status(400) }, 1, 1, 1, 1, 1, no, infinitysip.ErrInvalid},
		{"401", func() http.RoundTripper { return status(401) }, 1, 1, 1, 1, 1, no, infinitysip.ErrUnauthorized},
		{"403", func() http.RoundTripper { return status(403) }, 1, 1, 1, 1, 1, no, infinitysip.ErrForbidden},
		{"404", func() http.RoundTripper { return status(404) }, 1, 1, 1, 1, 1, no, infinitysip.ErrNotFound},
		{"409", func() http.RoundTripper { return status(409) }, 1, 1, 1, 1, 1, no, infinitysip.ErrConflict},
		{"410", func() http.RoundTripper { return status(410) }, 1, 1, 1, 1, 1, no, infinitysip.ErrNotFound},
		{"422", func() http.RoundTripper { return status(422) }, 1, 1, 1, 1, 1, no, infinitysip.ErrInvalid},
		{"501", func() http.RoundTripper { return status(501) }, 1, 1, 1, 1, 1, no, nil},
		{"503", func() http.RoundTripper { return status(503) }, 4, 3, 3, 1, 1, unknown, infinitysip.ErrUnavailable},
		{"500", func() http.RoundTripper { return status(500) }, 3, 2, 2, 1, 1, unknown, nil},
		{"502", func() http.RoundTripper { return status(502) }, 4, 3, 3, 1, 1, unknown, infinitysip.ErrUnavailable},
		{"504", func() http.RoundTripper { return status(504) }, 4, 3, 3, 1, 1, unknown, infinitysip.ErrUnavailable},
		{"408", func() http.RoundTripper { return status(408) }, 4, 3, 3, 1, 1, unknown, nil},
		{"520", func() http.RoundTripper { return status(520) }, 4, 3, 3, 1, 1, unknown, nil},
		{"301", func() http.RoundTripper { return always(301, "", "Location", "https://evil.example/") }, 1, 1, 1, 1, 1, unknown, nil},
		{"307", func() http.RoundTripper { return always(307, "", "Location", "https://evil.example/") }, 1, 1, 1, 1, 1, unknown, nil},
		{"202", func() http.RoundTripper { return status(202) }, 1, 1, 1, 1, 1, unknown, nil},
		{"206", func() http.RoundTripper { return status(206) }, 1, 1, 1, 1, 1, unknown, nil},
		{"999", func() http.RoundTripper { return status(999) }, 1, 1, 1, 1, 1, unknown, nil},
		{"EOF", func() http.RoundTripper { return fails(io.EOF) }, 4, 3, 3, 1, 1, unknown, io.EOF},
		{"reset", func() http.RoundTripper { return fails(dropped) }, 4, 3, 3, 1, 1, unknown, syscall.ECONNRESET},
		{"declined", func() http.RoundTripper {
			return fails(errors.New("stream error: stream ID 1; REFUSED_STREAM; received from peer"))
		}, 4, 3, 3, 1, 1, unknown, nil},
		// With a transport that does not tell, even this may have been sent.
		{"refused, says a mock", func() http.RoundTripper { return fails(refused) }, 4, 3, 3, 1, 1, unknown, syscall.ECONNREFUSED},
		{"refused", func() http.RoundTripper { return undialled(refused) }, 4, 4, 4, 4, 4, no, syscall.ECONNREFUSED},
		{"temporary DNS", func() http.RoundTripper { return undialled(&net.DNSError{IsTemporary: true}) }, 4, 4, 4, 4, 4, no, nil},
		{"unknown host", func() http.RoundTripper { return undialled(&net.DNSError{IsNotFound: true}) }, 1, 1, 1, 1, 1, no, nil},
		{"certificate", func() http.RoundTripper { return undialled(x509.UnknownAuthorityError{}) }, 1, 1, 1, 1, 1, no, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			attempts := map[string]int{
				"get": test.read, "list": test.read, "all": test.read, "update": test.update, "order": test.update,
				"delete": test.remove, "add": test.add, "create": test.make, "addDevice": test.make,
				"doGet": test.read, "doPut": test.update, "doDelete": test.remove, "doPost": test.make,
			}
			for kind, want := range attempts {
				synctest.Test(t, func(t *testing.T) {
					transport := test.transport()
					err := oneOfEach(stubClient(t, transport))[kind](t.Context())
					failed, ok := errors.AsType[*infinitysip.Error](err)
					require.True(t, ok, "%s: %v", kind, err)
					require.Equal(t, want, failed.Attempts, kind)
					if s, ok := transport.(*stub); ok {
						require.Equal(t, want, s.countOf(failed.Op), kind)
					}
					outcome := test.outcome
					if kind == "get" || kind == "list" || kind == "all" || kind == "doGet" {
						outcome = no
					}
					require.Equal(t, outcome, failed.Outcome, kind)
					require.Equal(t, outcome == unknown, errors.Is(err, infinitysip.ErrOutcomeUnknown), kind)
					if test.is != nil {
						require.ErrorIs(t, err, test.is, kind)
					}
				})
			}
		})
	}
}

// A refused call is no failed call: it waits for another turn, and that uses up no
// attempt and no quota.
func TestARefusalIsNoAttempt(t *testing.T) {
	t.Parallel()
	const refusals = 6
	for kind := range oneOfEach(nil) {
		synctest.Test(t, func(t *testing.T) {
			var failed *infinitysip.Error
			s := &stub{}
			s.respond = func(n int, req *http.Request) (*http.Response, error) {
				switch {
				case n <= refusals:
					return answer(429, ""), nil
				case kind == "create":
					return answer(201, `{"userId":"5"}`), nil
				case kind == "addDevice":
					return answer(201, `{"pbxDeviceToken":"`+canaryToken+`"}`), nil
				case req.Method == http.MethodGet:
					return answer(200, `{"userId":"2"}`), nil
				}
				return answer(204, ""), nil
			}
			client := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1, Quota: 1}))
			require.NoError(t, oneOfEach(client)[kind](t.Context()), kind)
			require.Equal(t, refusals+1, s.count(), kind)

			// Refused all the time, it ends with its patience, and says what the server said.
			s = always(429, "slow down")
			client = stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: 20 * time.Second}))
			start := time.Now()
			err := oneOfEach(client)[kind](t.Context())
			require.ErrorAs(t, err, &failed, kind)
			require.ErrorIs(t, err, infinitysip.ErrRateLimited, kind)
			require.Equal(t, 20*time.Second, time.Since(start), kind)
			require.Equal(t, 429, failed.StatusCode, kind)
			require.Equal(t, infinitysip.OutcomeNotApplied, failed.Outcome, kind)
			require.Equal(t, s.count(), failed.Attempts, kind)
			require.Greater(t, failed.Attempts, 4, kind)
		})
	}
}

// A 503 is a refusal where a call of its class was just accepted. A create is then
// looked for, and takes another turn if it is not there; only what nothing
// identifies is not sent again.
func TestA503ThatIsARefusal(t *testing.T) {
	t.Parallel()
	const refusals = 2
	for kind, op := range map[string]string{"update": "Users.Update", "delete": "Users.Delete", "add": "Groups.AddUsers", "create": "Users.Create", "member": "Queues.CreateMember", "post": "Users.Create"} {
		for _, recent := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1, Quota: 1}))
				if !recent {
					time.Sleep(time.Minute) // the bubble's clock
				}
				a.Fail(siptest.On(op).Times(refusals).Status(503))
				err := map[string]func() error{
					"update": func() error {
						return a.client.Users.Update(t.Context(), a.domain, a.user, infinitysip.UserUpdateParams{Email: new("x@example.com")})
					},
					"delete": func() error { return a.client.Users.Delete(t.Context(), a.domain, a.user) },
					"add": func() error {
						return a.client.Groups.AddUsers(t.Context(), a.domain, a.group, []infinitysip.UserID{a.user})
					},
					"create": func() error { return errorOf(a.client.Users.Create(t.Context(), a.domain, newUser())) },
					"member": func() error { return errorOf(queuesCreateMember.do(t.Context(), a)) },
					"post":   func() error { return raw(t.Context(), a.client, http.MethodPost) },
				}[kind]()
				if recent && kind != "member" && kind != "post" {
					require.NoError(t, err, kind)
					require.Equal(t, refusals+1, a.sent(op), kind)
					require.Equal(t, map[string]int{"create": 2, "delete": 0}[kind]+map[bool]int{true: 1}[kind != "create" && kind != "delete"], len(a.Users(a.domain)), kind)
					return
				}
				require.ErrorIs(t, err, infinitysip.ErrUnavailable, kind)
				require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, kind)
				require.Equal(t, 1, a.sent(op), kind)
			})
		}
	}
}

// After a refusal, MaxAttempts counts as if there had been none.
func TestNoMoreThanMaxAttempts(t *testing.T) {
	t.Parallel()
	const refusals = 3
	for most, test := range map[int]struct{ creates, adds int }{1: {1, 1}, 2: {2, 2}, 4: {2, 3}} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: most}))
			time.Sleep(time.Minute) // the bubble's clock: a 503 is no refusal then
			for _, op := range []string{"Users.Create", "Groups.AddUsers"} {
				a.Fail(siptest.On(op).Times(refusals).Status(429))
				a.Fail(siptest.On(op).Status(503))
			}
			var failed *infinitysip.Error
			_, err := a.client.Users.Create(t.Context(), a.domain, newUser())
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
			require.ErrorAs(t, err, &failed)
			require.Equal(t, refusals+test.creates, a.sent("Users.Create"), most)
			require.Equal(t, refusals+test.creates, failed.Attempts, most)
			err = a.client.Groups.AddUsers(t.Context(), a.domain, a.group, []infinitysip.UserID{a.user})
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
			require.ErrorAs(t, err, &failed)
			require.Equal(t, refusals+test.adds, a.sent("Groups.AddUsers"), most)
			require.Equal(t, refusals+test.adds, failed.Attempts, most)
		})
	}
}

func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(503, "")
		_, err := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1})).Users.List(t.Context(), 1)
		require.Error(t, err)
		require.Equal(t, 1, s.count())

		// A Retry-After of up to MaxThrottleWait is obeyed, to the second.
		s = &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(429, "", "Retry-After", "120"), nil
			}
			return answer(200, ""), nil
		}}
		start := time.Now()
		_, err = stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Hour})).Users.List(t.Context(), 1)
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), 2*time.Minute)
		require.Less(t, time.Since(start), 2*time.Minute+time.Second)

		// A longer one fails the call at once.
		for _, status := range []int{429, 503} {
			s = always(status, "", "Retry-After", "61")
			start = time.Now()
			err = stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Minute})).Users.Delete(t.Context(), 1, 2)
			failed, ok := errors.AsType[*infinitysip.Error](err)
			require.True(t, ok)
			require.Equal(t, start, time.Now(), status)
			require.Equal(t, 1, s.count(), status)
			require.Equal(t, status, failed.StatusCode)
			require.Equal(t, 61*time.Second, failed.RetryAfter, status)
			require.Equal(t, status == 429, errors.Is(err, infinitysip.ErrRateLimited))
		}
	})
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

func TestQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(503, "")
		client := stubClient(t, s)
		for range 100 {
			_, err := client.Users.List(t.Context(), 1)
			require.ErrorIs(t, err, infinitysip.ErrUnavailable)
		}
		require.Equal(t, 100+20, s.count(), "100 calls, and 100 / 5 attempts again")

		// A server that says when to come back is no dead server.
		s = &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			switch {
			case n > 60:
				return answer(503, ""), nil
			case n%3 > 0:
				return answer(429, ""), nil
			}
			return answer(200, ""), nil
		}}
		client = stubClient(t, s)
		for range 20 {
			_, err := client.Users.List(t.Context(), 1)
			require.NoError(t, err)
		}
		time.Sleep(time.Minute) // the bubble's clock: a 503 is no refusal then
		for range 100 {
			_, err := client.Users.List(t.Context(), 1)
			require.ErrorIs(t, err, infinitysip.ErrUnavailable)
		}
		require.Equal(t, 60+100+20, s.count())
	})
	// A timeout costs 10, of an add too, each of whose looks gives 1 back: 100
	// goes down by 17 with every call, and does not pay for all of the sixth.
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		a.Fail(siptest.On("Groups.AddUsers").Hang())
		for range 6 {
			err := a.client.Groups.AddUsers(t.Context(), a.domain, a.group, []infinitysip.UserID{a.user})
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		}
		require.Equal(t, 5*3+2, a.sent("Groups.AddUsers"))
	})
	// A delete that finds nothing because it was carried out is a success.
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n%2 == 1 {
				return nil, io.EOF
			}
			return answer(404, ""), nil
		}}
		client := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{Quota: 9}))
		require.NoError(t, client.Users.Delete(t.Context(), 1, 2))
		require.NoError(t, client.Users.Delete(t.Context(), 1, 2), "9 - 5 + 1 is enough for one more")
		require.ErrorIs(t, client.Users.Delete(t.Context(), 1, 2), infinitysip.ErrOutcomeUnknown)
	})
}

func TestContextEndsEveryWait(t *testing.T) {
	t.Parallel()
	silent := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}}
	for name, test := range map[string]struct {
		transport http.RoundTripper
		opts      []infinitysip.Option
	}{
		"between attempts": {transport: always(429, "", "Retry-After", "50")},
		"for an answer":    {transport: silent},
		"for its turn":     {transport: always(429, ""), opts: []infinitysip.Option{infinitysip.WithRateLimit(0.001, 1)}},
		"for more of the body": {transport: &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			resp := answer(200, "")
			resp.Body = io.NopCloser(waitingReader{req.Context()})
			return resp, nil
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client := stubClient(t, test.transport, test.opts...)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start := time.Now()
				_, err := client.Users.List(ctx, 1)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, time.Second, time.Since(start))
			})
		})
	}
}

type waitingReader struct{ ctx context.Context }

func (r waitingReader) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

// An answer that does not come is a timeout, but not that of the caller's
// context, which is alive.
func TestSilenceTimesOut(t *testing.T) {
	t.Parallel()
	for name, respond := range map[string]func(int, *http.Request) (*http.Response, error){
		"headers": func(_ int, req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		},
		"body": func(_ int, req *http.Request) (*http.Response, error) {
			resp := answer(200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"userId":"1"}`+"\n"), waitingReader{req.Context()}))
			return resp, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				client := stubClient(t, &stub{respond: respond}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1}))
				_, err := client.Users.List(t.Context(), 1)
				timeout, ok := errors.AsType[net.Error](err)
				require.True(t, ok, "%v", err)
				require.True(t, timeout.Timeout())
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, context.Canceled)
				require.Equal(t, 30*time.Second, time.Since(start))
			})
		})
	}
}

// The time that the caller takes over a row is not the server's silence.
func TestASlowReaderIsNotSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			resp := answer(200, "")
			resp.Body = io.NopCloser(&slowRows{ctx: req.Context(), left: 3})
			return resp, nil
		}}
		n := 0
		for _, err := range stubClient(t, s).Users.All(t.Context(), 1) {
			require.NoError(t, err)
			time.Sleep(10 * time.Minute) // the bubble's clock
			n++
		}
		require.Equal(t, 3, n)
	})
}

type slowRows struct {
	ctx  context.Context
	left int
}

func (r *slowRows) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, r.ctx.Err()
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	r.left--
	time.Sleep(20 * time.Second) // the bubble's clock
	return copy(p, `{"userId":"1"}`+"\n"), nil
}

// What must not happen below this package's own retries.
func TestNothingBelowSendsAgain(t *testing.T) {
	t.Parallel()
	s := always(204, "")
	client := stubClient(t, s, atOnce())
	for kind, do := range oneOfEach(client) {
		_ = do(t.Context())
		req := s.hits[len(s.hits)-1]
		require.Nil(t, req.GetBody, kind)
		require.Empty(t, req.Header.Values("Idempotency-Key"), kind)
	}
}

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

// A context that ends in the wait after an answer does not hide that answer.
func TestTheLastAnswerIsInTheError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := stubClient(t, always(429, "slow down")).Users.Get(ctx, 1, 2)
		require.NoError(t, ctx.Err(), "there is no turn before it ends")
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.ErrorContains(t, err, "429 Too Many Requests")

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		_, err = stubClient(t, always(429, "slow down")).Users.Get(ctx, 1, 2)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.ErrorContains(t, err, "429 Too Many Requests")

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err = stubClient(t, always(503, "maintenance", "Retry-After", "50")).Users.Delete(ctx, 1, 2)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, infinitysip.ErrUnavailable)

		// An attempt that has no answer has none.
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(429, ""), nil
			}
			return nil, io.EOF
		}}
		_, err = stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.ErrorIs(t, err, io.EOF)
		require.NotErrorIs(t, err, infinitysip.ErrRateLimited, "it is not what to go by")
	})
}

// What is not there any more after a lost answer was deleted, whichever way the
// server says so.
func TestDeletedAndGone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 410} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
				if n == 1 {
					return nil, io.EOF
				}
				return answer(status, ""), nil
			}}
			require.NoError(t, stubClient(t, s).Users.Delete(t.Context(), 1, 2), status)
			require.Equal(t, 2, s.count(), status)
		})
	}
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

// A context that is cancelled with a timeout of another call as its cause, as
// an errgroup does, is not a timeout of this one.
func TestCalledOffForAnothersTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}}
		var log bytes.Buffer
		client := stubClient(t, s, atOnce(), infinitysip.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		_, timeout := client.Users.List(t.Context(), 1)
		require.ErrorContains(t, timeout, "no answer for 30s")
		log.Reset()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(timeout) })
		_, err := client.Users.List(ctx, 1)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, log.String())
	})
}

// Nothing is remembered of credentials that the server refused: they may be
// accepted again.
func TestCredentialsThatAreAcceptedAgain(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
		return answer(map[bool]int{true: 401, false: 200}[n <= 3], ""), nil
	}}
	client := stubClient(t, s)
	for range 3 {
		_, err := client.Users.List(t.Context(), 1)
		require.ErrorIs(t, err, infinitysip.ErrUnauthorized)
	}
	_, err := client.Users.List(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, 4, s.count())
}

// A page of HTML is a proxy's: its 404 after a doubtful delete settles nothing.
func TestA404OfAProxy(t *testing.T) {
	t.Parallel()
	for body, settled := range map[string]bool{"": true, `{"error":"no such user"}`: true, "not found": true, "\n <!DOCTYPE html><h1>404</h1>": false, "<html>": false} {
		synctest.Test(t, func(t *testing.T) {
			s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
				if n == 1 {
					return answer(502, ""), nil
				}
				return answer(404, body), nil
			}}
			err := stubClient(t, s).Users.Delete(t.Context(), 1, 2)
			if settled {
				require.NoError(t, err, body)
				return
			}
			require.ErrorIs(t, err, infinitysip.ErrNotFound, body)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, body)
		})
	}
}
