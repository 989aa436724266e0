package suite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// keys are what a source of a test gives, one after the other, and the last again and
// again. No two have a piece in common.
type keys struct {
	mu    sync.Mutex
	given []string
	most  int
}

func (k *keys) source(context.Context) (infinitysip.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.given); n == 0 || n < k.most {
		k.given = append(k.given, fmt.Sprintf("%x", sha256.Sum256([]byte{byte(n), byte(n >> 8)}))[:20])
	}
	key := k.given[len(k.given)-1]
	if len(k.given)%2 == 0 {
		return infinitysip.BasicAuth("joe", key), nil
	}
	return infinitysip.APIKey(key), nil
}

// sourceClient makes a client whose source is s.
func sourceClient(t *testing.T, transport http.RoundTripper, s func(context.Context) (infinitysip.Credentials, error), opts ...infinitysip.Option) *infinitysip.Client {
	t.Helper()
	client, err := infinitysip.NewClient(infinitysip.CredentialSource(s), append(opts, infinitysip.WithTransport(transport))...)
	require.NoError(t, err)
	return client
}

// Every attempt and every look has another key. In each error, the server repeats one that the
// call was sent with, or the last one before it. It never shows, whatever the call.
func TestRotatingKeysDoNotShow(t *testing.T) {
	t.Parallel()
	hidden := 0
	for _, m := range methods() {
		for status, headers := range map[int][]string{502: nil, 503: {"Retry-After", "1"}, 429: {"Retry-After", "1"}, 403: nil} {
			synctest.Test(t, func(t *testing.T) {
				k, from := &keys{most: 1000}, 0
				seen := make(map[string]bool)
				s := &stub{respond: func(n int, req *http.Request) (*http.Response, error) {
					seen[req.Header.Get("Authorization")] = true
					sent := k.given[max(from-1, 0):]
					if m.op == "Queues.CreateMember" {
						sent = k.given[from:] // the key before is that before its list of the members
					}
					text := sent[7*n%len(sent)]
					return answer(status, "no longer valid: "+text, append(headers, "X-Request-Id", text)...), nil
				}}
				var log bytes.Buffer
				client := sourceClient(t, s, k.source, infinitysip.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
					infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: 10 * time.Second}))
				for range 2 {
					from = len(k.given)
					err := m.do(t.Context(), client)
					failed, ok := errors.AsType[*infinitysip.Error](err)
					require.True(t, ok, "%s: %v", m.name, err)
					if failed.Err == nil { // otherwise the last attempt had no answer
						require.Contains(t, failed.Message, "[the server's text held a secret: ", m.name)
						hidden++
					}
					counted.canaryCalls.Add(1)
					text := said(err, failed.RequestID) + log.String()
					for _, key := range k.given {
						if strings.Contains(text, key) {
							counted.leaks.Add(1)
							t.Errorf("%s, %d: %s shows", m.name, status, key)
						}
					}
				}
				require.Len(t, seen, s.count(), "each request has a key of its own")
				requireSecretsHidden(t, client, k.given)
			})
		}
	}
	require.Greater(t, hidden, 100)
}

// requireSecretsHidden checks that no printer shows the keys of a client.
func requireSecretsHidden(t *testing.T, client *infinitysip.Client, keys []string) {
	t.Helper()
	text := said(client, *client, infinitysip.APIKey(keys[0]))
	for _, key := range keys {
		require.NotContains(t, text, key)
	}
}

// A server may repeat the key of a call that went before.
func TestTheKeyBeforeDoesNotShow(t *testing.T) {
	t.Parallel()
	k := &keys{most: 2}
	s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
		if n == 1 {
			return answer(200, ""), nil
		}
		return answer(403, "replaced: "+k.given[0]), nil
	}}
	client := sourceClient(t, s, k.source)
	_, err := client.Domains.List(t.Context())
	require.NoError(t, err)
	for range 3 {
		_, err = client.Domains.List(t.Context())
		require.ErrorContains(t, err, "403 Forbidden: [the server's text held a secret: 30 bytes]")
	}
}

// A source that fails ends the call at once, and sends nothing.
func TestACredentialSourceThatFails(t *testing.T) {
	t.Parallel()
	errSealed := errors.New("sealed")
	type given = infinitysip.Credentials
	for name, test := range map[string]struct {
		source func(context.Context) (given, error)
		want   string
	}{
		"an error": {func(context.Context) (given, error) { return given{}, fmt.Errorf("vault: %w", errSealed) }, "the credential source failed: vault: sealed"},
		"an error and a key": {func(context.Context) (given, error) {
			return infinitysip.APIKey(canaryKey), errors.New("not renewed: " + canaryKey)
		}, "[a text that may hold a secret: "},
		"its own timeout": {func(context.Context) (given, error) { return given{}, context.DeadlineExceeded }, "the credential source failed: context deadline exceeded"},
		"nothing":         {func(context.Context) (given, error) { return given{}, nil }, "the credential source gave no credentials"},
		"an empty key":    {func(context.Context) (given, error) { return infinitysip.APIKey(""), nil }, "the credential source gave what cannot be used: the API key is empty"},
		"a bad key":       {func(context.Context) (given, error) { return infinitysip.APIKey(canaryKey + "\r\nX: y"), nil }, "the credential source gave what cannot be used: the API key holds a space"},
		"another source":  {func(context.Context) (given, error) { return infinitysip.CredentialSource(new(keys).source), nil }, "the credential source gave another credential source"},
		"no source":       {func(context.Context) (given, error) { return infinitysip.CredentialSource(nil), nil }, "the credential source gave what cannot be used: the credential source is nil"},
		"a panic":         {func(context.Context) (given, error) { panic(canaryKey) }, "the credential source panicked (string)"},
		"Goexit":          {func(context.Context) (given, error) { runtime.Goexit(); return given{}, nil }, "the credential source ended its goroutine"},
		"silence":         {func(ctx context.Context) (given, error) { <-ctx.Done(); return given{}, ctx.Err() }, "the credential source gave nothing for 1m0s"},
	} {
		counted.badInputs.Add(1)
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			s := always(204, "")
			client := sourceClient(t, s, test.source, infinitysip.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			for kind, do := range oneOfEach(client) {
				began := time.Now()
				err := do(t.Context())
				failed, ok := errors.AsType[*infinitysip.Error](err)
				require.True(t, ok, "%s, %s: %v", name, kind, err)
				require.ErrorContains(t, err, test.want, kind)
				require.Equal(t, infinitysip.OutcomeNotApplied, failed.Outcome, kind)
				require.Zero(t, failed.Attempts, kind)
				require.LessOrEqual(t, time.Since(began), time.Minute, "%s, %s", name, kind)
				require.Equal(t, name == "an error", errors.Is(err, errSealed))
				requireNoSecret(t, name, err, log.String())
			}
			require.Zero(t, s.count(), name)
			counted.answered.Add(1)
		})
	}
}

// The key that a source gave before may be in the text of its error.
func TestASourceThatTellsItsKey(t *testing.T) {
	t.Parallel()
	expired := false
	client := sourceClient(t, always(200, ""), func(context.Context) (infinitysip.Credentials, error) {
		if expired {
			return infinitysip.Credentials{}, &requestError{"ApiKey " + canaryKey}
		}
		return infinitysip.APIKey(canaryKey), nil
	})
	_, err := client.Domains.List(t.Context())
	require.NoError(t, err)
	expired = true
	_, err = client.Domains.List(t.Context())
	require.ErrorContains(t, err, "the credential source failed: cannot send")
	requireNoSecret(t, "held", err)
	for behind := err; behind != nil; behind = errors.Unwrap(behind) {
		requireNoSecret(t, "behind", behind)
	}
}

// If an attempt before may have been applied, a source that fails does not make it not
// applied.
func TestASourceThatFailsAfterADoubtfulAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := always(502, "")
		client := sourceClient(t, s, func(context.Context) (infinitysip.Credentials, error) {
			if asked++; asked > 1 {
				return infinitysip.Credentials{}, errors.New("sealed")
			}
			return infinitysip.APIKey(canaryKey), nil
		})
		err := client.Users.Update(t.Context(), 1, 2, infinitysip.UserUpdateParams{DisplayName: new("Joe")})
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.ErrorContains(t, err, "the credential source failed: sealed")
		failed, _ := errors.AsType[*infinitysip.Error](err)
		require.Equal(t, 1, failed.Attempts)
		require.Equal(t, 502, failed.StatusCode, "that of the attempt")
		require.Equal(t, 1, s.count())
		require.Equal(t, 2, asked)
	})
}

// The context ends the wait for a source that hangs, and nothing stays behind if the source
// obeys its own.
func TestTheContextEndsTheWaitForASource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := always(204, "")
		client := sourceClient(t, s, func(ctx context.Context) (infinitysip.Credentials, error) {
			<-ctx.Done()
			return infinitysip.Credentials{}, ctx.Err()
		})
		for kind := range oneOfEach(client) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			err := oneOfEach(client)[kind](ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded, kind)
			require.Equal(t, time.Second, time.Since(began), kind)
			cancel()
		}
		require.Zero(t, s.count())
	})
}

// A 401 is no reason to send a call again: the next call has another key.
func TestKeysRotateAtASiptestServer(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t, siptest.Options{APIKey: "first"})
	srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	key := "first"
	client := sourceClient(t, srv.Transport(), func(context.Context) (infinitysip.Credentials, error) { return infinitysip.APIKey(key), nil })
	_, err := client.Domains.List(t.Context())
	require.NoError(t, err)
	srv.SetAPIKey("second")
	_, err = client.Domains.List(t.Context())
	require.ErrorIs(t, err, infinitysip.ErrUnauthorized)
	key = "second"
	domains, err := client.Domains.List(t.Context())
	require.NoError(t, err)
	require.Len(t, domains, 1)
}

// A further account takes over the settings, which options may change, and nothing of what
// the first account used up.
func TestAFurtherAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log, otherLog bytes.Buffer
		logTo := func(out *bytes.Buffer) infinitysip.Option {
			return infinitysip.WithLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		}
		limited := 0
		s := always(500, "")
		client := stubClient(t, s,
			infinitysip.WithBaseURL("https://gw.example.com/x"), infinitysip.WithUserAgent("acme/1"), logTo(&log), infinitysip.WithRateLimit(1, 1),
			infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 2, Quota: 5, BaseWait: 1, MaxWait: 1}),
			infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: 100}),
			infinitysip.WithLimiter(limiterFunc(func(context.Context) error { limited++; return nil })))
		began := time.Now()
		attempts := func(client *infinitysip.Client) int {
			_, err := client.Domains.Get(t.Context(), 1)
			failed, ok := errors.AsType[*infinitysip.Error](err)
			require.True(t, ok)
			return failed.Attempts
		}
		require.Equal(t, 2, attempts(client))
		require.Equal(t, 1, attempts(client), "the quota is at its end")
		require.Equal(t, 2*time.Second, time.Since(began).Truncate(time.Second), "the rate")
		require.Equal(t, 3, limited)

		log.Reset()
		began = time.Now()
		further, err := client.WithCredentials(infinitysip.APIKey("further"))
		require.NoError(t, err)
		require.Equal(t, 2, attempts(further), "a quota of its own")
		require.Equal(t, time.Second, time.Since(began).Truncate(time.Second), "a rate of its own")
		require.Equal(t, 3, limited, "the limiter counts for one account")
		last := s.hits[len(s.hits)-1]
		require.Equal(t, "https://gw.example.com/x/config/v2/sip/domains/1", last.URL.String())
		require.Equal(t, "acme/1 infinitysip-go/devel", last.Header.Get("User-Agent"))
		require.Equal(t, "ApiKey further", last.Header.Get("Authorization"))
		require.NotEmpty(t, log.String())

		log.Reset()
		changed, err := further.WithCredentials(infinitysip.BasicAuth("joe", "further"), infinitysip.WithBaseURL("https://other.example.com"), logTo(&otherLog),
			infinitysip.WithUserAgent("joe/2"), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1}))
		require.NoError(t, err)
		require.Equal(t, 1, attempts(changed))
		last = s.hits[len(s.hits)-1]
		require.Equal(t, "https://other.example.com/config/v2/sip/domains/1", last.URL.String())
		require.Equal(t, "joe/2 infinitysip-go/devel", last.Header.Get("User-Agent"))
		require.Equal(t, "Basic am9lOmZ1cnRoZXI=", last.Header.Get("Authorization"))
		require.Empty(t, log.String())
		require.NotEmpty(t, otherLog.String())
	})
}

// Many accounts have as many connections as there are callers at a time.
func TestAccountsShareConnections(t *testing.T) { // not parallel: see TestOneConnectionForEachWorker
	const accounts, workers, calls, siptestKey = 500, 16, 3, "siptest-api-key"
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	first := srv.Client()
	t.Cleanup(first.CloseIdleConnections)
	var arrived, working sync.WaitGroup
	arrived.Add(workers)
	srv.Fail(siptest.On("Domains.Get").Times(workers).Before(func(*siptest.Server) {
		arrived.Done()
		arrived.Wait()
	}))
	next := make(chan int, accounts)
	for n := range accounts {
		next <- n
	}
	close(next)
	for range workers {
		working.Go(func() {
			for n := range next {
				client, err := first.WithCredentials(infinitysip.APIKey(siptestKey), infinitysip.WithUserAgent(fmt.Sprint("tenant/", n)))
				for range calls {
					if err == nil {
						_, err = client.Domains.Get(context.Background(), domain)
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	require.Len(t, srv.Requests(), accounts*calls)
	opened, _ := srv.Connections()
	require.GreaterOrEqual(t, opened, workers)
	require.LessOrEqual(t, opened, accounts/4, "a busy machine opens some more, and not one for each account")

	further, err := first.WithCredentials(infinitysip.APIKey(siptestKey))
	require.NoError(t, err)
	further.CloseIdleConnections()
	before := opened
	_, err = first.Domains.Get(t.Context(), domain)
	require.NoError(t, err)
	opened, _ = srv.Connections()
	require.Greater(t, opened, before, "each of them closes the connections of all")
}

type limiterFunc func(context.Context) error

func (f limiterFunc) Wait(ctx context.Context) error { return f(ctx) }

// Attempts and looks wait for the limiter, here that of golang.org/x/time.
func TestLimiterOfXTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := siptest.New(t)
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		client := srv.InProcessClient(infinitysip.WithLimiter(rate.NewLimiter(rate.Every(10*time.Second), 1)))
		srv.Fail(siptest.On("Groups.Create").Times(1).CommitThenStatus(502))
		began := time.Now()
		_, err := client.Groups.Create(t.Context(), domain, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName}"})
		require.NoError(t, err)
		require.Len(t, srv.Requests(), 2, "the create and one look")
		require.Equal(t, 10*time.Second, time.Since(began))

		// Its turn would come after the deadline.
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = client.Domains.List(ctx)
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "infinitysip: Domains.List: GET /config/v2/sip/domains: rate limited: the limiter gave no turn: rate: Wait(n=1) would exceed context deadline")
		failed, _ := errors.AsType[*infinitysip.Error](err)
		require.Zero(t, failed.Attempts)
		require.Equal(t, infinitysip.OutcomeNotApplied, failed.Outcome)
		require.Len(t, srv.Requests(), 2)
	})
}

// told is a limiter that knows what it is told.
type told struct {
	limiterFunc
	after []time.Duration
}

func (l *told) Refused(after time.Duration) { l.after = append(l.after, after) }

// A limiter is told of refusals, and its error ends a call at once.
func TestLimiterIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errEmpty := errors.New("the budget is spent, " + canaryKey)
		budget := 3
		l := &told{limiterFunc: func(context.Context) error {
			if budget--; budget < 0 {
				return errEmpty
			}
			return nil
		}}
		s := always(429, "", "Retry-After", "2")
		_, err := stubClient(t, s, infinitysip.WithLimiter(l)).Users.Create(t.Context(), 1, newUser())
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.ErrorIs(t, err, errEmpty)
		require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		requireNoSecret(t, "the limiter's words", err)
		require.Equal(t, 3, s.count())
		require.Equal(t, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second}, l.after)

		_, err = stubClient(t, s, infinitysip.WithLimiter(limiterFunc(func(context.Context) error { panic(canaryKey) }))).Domains.List(t.Context())
		require.ErrorContains(t, err, "rate limited: the limiter gave no turn: it panicked (string)")
		require.Equal(t, 3, s.count())
	})
}
