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
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
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
		{"501", func() http.RoundTripper { return status(501) }, 1, 1, 1, 1, 1, no, nil},
		{"429", func() http.RoundTripper { return status(429) }, 4, 4, 4, 4, 4, no, infinitysip.ErrRateLimited},
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
					if kind == "get" || kind == "list" || kind == "all" {
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

func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(503, "")
		_, err := stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1})).Users.List(t.Context(), 1)
		require.Error(t, err)
		require.Equal(t, 1, s.count())

		s = always(429, "", "Retry-After", "120")
		start := time.Now()
		_, err = stubClient(t, s, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 2, MaxRetryAfter: time.Hour})).Users.List(t.Context(), 1)
		require.Error(t, err)
		require.Equal(t, 2, s.count())
		require.GreaterOrEqual(t, time.Since(start), 2*time.Minute)
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(200, "")
		client := stubClient(t, s, infinitysip.WithRateLimit(10, 1))
		start := time.Now()
		for range 21 {
			_, err := client.Domains.List(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, 2*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err := client.Users.Create(ctx, 1, newUser())
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 21, s.count())
	})
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

// A context that ends in the wait after an answer does not hide that answer.
func TestTheLastAnswerIsInTheError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := stubClient(t, always(429, "slow down")).Users.Get(ctx, 1, 2)
		require.ErrorIs(t, err, context.DeadlineExceeded)
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
