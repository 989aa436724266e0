package infinitysipotel_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/infinitysip/infinitysip"
	infinitysipotel "github.com/infinitysip/infinitysip/otel"
	"github.com/infinitysip/infinitysip/siptest"
)

// telemetry is what an Observer tells the SDK.
type telemetry struct {
	observer infinitysip.Observer
	spans    *tracetest.SpanRecorder
	reader   *sdkmetric.ManualReader
}

func newTelemetry(t *testing.T) *telemetry {
	t.Helper()
	told := &telemetry{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	observer, err := infinitysipotel.New(
		infinitysipotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(told.spans))),
		infinitysipotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(told.reader))),
		infinitysipotel.WithPropagator(propagation.TraceContext{}),
	)
	require.NoError(t, err)
	told.observer = observer
	return told
}

// tree shows the spans that ended, each below its parent, in the order in which they
// began: kind, name, attributes, and the status if it is an error.
func (told *telemetry) tree() string {
	var b strings.Builder
	ended := told.spans.Ended()
	slices.SortStableFunc(ended, func(x, y sdktrace.ReadOnlySpan) int { return x.StartTime().Compare(y.StartTime()) })
	var below func(trace.SpanID, string)
	below = func(parent trace.SpanID, indent string) {
		for _, span := range ended {
			if span.Parent().SpanID() != parent {
				continue
			}
			fmt.Fprintf(&b, "%s%s %s %s", indent, span.SpanKind(), span.Name(), attributes(attribute.NewSet(span.Attributes()...)))
			if span.Status().Code == codes.Error {
				fmt.Fprintf(&b, " ERROR %s", span.Status().Description)
			}
			b.WriteString("\n")
			below(span.SpanContext().SpanID(), indent+"  ")
		}
	}
	below(trace.SpanID{}, "")
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

// measured shows each point of the metrics: its instrument, attributes, count and sum.
func (told *telemetry) measured(t *testing.T) string {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, told.reader.Collect(t.Context(), &all))
	var lines []string
	add := func(name, unit string, attrs attribute.Set, count uint64, sum any) {
		lines = append(lines, fmt.Sprintf("%s %s: %d, in all %v %s\n", name, attributes(attrs), count, sum, unit))
	}
	for _, scope := range all.ScopeMetrics {
		require.Equal(t, "github.com/infinitysip/infinitysip/otel", scope.Scope.Name)
		require.Equal(t, semconv.SchemaURL, scope.Scope.SchemaURL)
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					add(m.Name, m.Unit, point.Attributes, point.Count, point.Sum)
				}
			case metricdata.Histogram[int64]:
				for _, point := range data.DataPoints {
					add(m.Name, m.Unit, point.Attributes, point.Count, point.Sum)
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func attributes(set attribute.Set) string {
	var all []string
	for _, attr := range set.ToSlice() {
		all = append(all, string(attr.Key)+"="+attr.Value.String())
	}
	return "{" + strings.Join(all, " ") + "}"
}

const canaryPassword, canaryPIN, canaryKey = "canary-password-4711", "902107", "canary-key-4712"

func newUser(name string) infinitysip.UserCreateParams {
	return infinitysip.UserCreateParams{
		User: name, DisplayName: name, ExtensionNumber: "0100", Password: infinitysip.NewSecret(canaryPassword), PIN: infinitysip.NewSecret(canaryPIN),
	}
}

// What is told of calls against a server in memory, in virtual time.
func TestCalls(t *testing.T) {
	t.Parallel()
	get := func(ctx context.Context, client *infinitysip.Client) error {
		_, err := client.Users.Get(ctx, 1, 1)
		return err
	}
	create := func(ctx context.Context, client *infinitysip.Client) error {
		_, err := client.Users.Create(ctx, 1, newUser("joe"))
		return err
	}
	for name, test := range map[string]struct {
		opts    []infinitysip.Option
		faults  []siptest.Fault
		limit   *siptest.Limit
		users   int
		devices int
		call    func(context.Context, *infinitysip.Client) error
		err     error
		spans   string // all; "": not compared
		metrics string // all; "": not compared
		among   string // some of the metrics
	}{
		"a read": {
			call: get, users: 1,
			spans: `
internal Users.Get {infinitysip.attempts=1 infinitysip.domain.id=1 infinitysip.operation=Users.Get infinitysip.outcome=ok}
  client GET /domains/{domainId}/users/{userId} {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1 url.template=/domains/{domainId}/users/{userId}}
`,
			metrics: `
http.client.request.duration {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443}: 1, in all 0 s
infinitysip.client.call.attempts {infinitysip.operation=Users.Get}: 1, in all 1 {request}
infinitysip.client.call.duration {infinitysip.operation=Users.Get infinitysip.outcome=ok}: 1, in all 0 s
infinitysip.client.throttle.wait {infinitysip.operation=Users.Get}: 1, in all 0 s
`,
		},
		"no domain, and a request id": {
			faults: []siptest.Fault{siptest.On("Domains.List").Status(200).Header("X-Request-Id", "r-1").Body("[]")},
			call: func(ctx context.Context, client *infinitysip.Client) error {
				_, err := client.Domains.List(ctx)
				return err
			},
			spans: `
internal Domains.List {infinitysip.attempts=1 infinitysip.operation=Domains.List infinitysip.outcome=ok infinitysip.request.id=r-1}
  client GET /domains {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains url.template=/domains}
`,
		},
		"a call that the client does not have yet": {
			users: 1,
			call: func(ctx context.Context, client *infinitysip.Client) error {
				_, err := client.Do(ctx, http.MethodGet, "/config/v2/sip/domains/1/users/1", nil)
				return err
			},
			spans: `
internal Client.Do {infinitysip.attempts=1 infinitysip.domain.id=1 infinitysip.operation=Client.Do infinitysip.outcome=ok}
  client GET {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1}
`,
		},
		"a retry": {
			call: get, users: 1, faults: []siptest.Fault{siptest.On("Users.Get").Times(1).Status(503)},
			spans: `
internal Users.Get {infinitysip.attempts=2 infinitysip.domain.id=1 infinitysip.operation=Users.Get infinitysip.outcome=ok}
  client GET /domains/{domainId}/users/{userId} {error.type=503 http.request.method=GET http.response.status_code=503 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1 url.template=/domains/{domainId}/users/{userId}} ERROR
  client GET /domains/{domainId}/users/{userId} {http.request.method=GET http.request.resend_count=1 http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1 url.template=/domains/{domainId}/users/{userId}}
`,
		},
		"an answer that says no": {
			call: get, err: infinitysip.ErrNotFound,
			spans: `
internal Users.Get {error.type=404 infinitysip.attempts=1 infinitysip.domain.id=1 infinitysip.operation=Users.Get infinitysip.outcome=not applied} ERROR infinitysip: Users.Get: GET /domains/1/users/1: 404 Not Found: no userId 1
  client GET /domains/{domainId}/users/{userId} {error.type=404 http.request.method=GET http.response.status_code=404 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1 url.template=/domains/{domainId}/users/{userId}} ERROR
`,
			metrics: `
http.client.request.duration {error.type=404 http.request.method=GET http.response.status_code=404 network.protocol.version=1.1 server.address=siptest.invalid server.port=443}: 1, in all 0 s
infinitysip.client.call.attempts {infinitysip.operation=Users.Get}: 1, in all 1 {request}
infinitysip.client.call.duration {error.type=404 infinitysip.operation=Users.Get infinitysip.outcome=not applied}: 1, in all 0 s
infinitysip.client.throttle.wait {infinitysip.operation=Users.Get}: 1, in all 0 s
`,
		},
		"a redirect, which is not followed": {
			call: get, faults: []siptest.Fault{siptest.On("Users.Get").Status(302)}, err: errAny,
			spans: `
internal Users.Get {error.type=302 infinitysip.attempts=1 infinitysip.domain.id=1 infinitysip.operation=Users.Get infinitysip.outcome=not applied} ERROR infinitysip: Users.Get: GET /domains/1/users/1: 302 Found
  client GET /domains/{domainId}/users/{userId} {http.request.method=GET http.response.status_code=302 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1 url.template=/domains/{domainId}/users/{userId}}
`,
		},
		"a success that is not the API's": {
			call: get, faults: []siptest.Fault{siptest.On("Users.Get").Status(200).Body("<html>")}, err: errAny,
			among: `
infinitysip.client.call.duration {error.type=invalid_response infinitysip.operation=Users.Get infinitysip.outcome=not applied}: 1, in all 0 s
`,
		},
		"a create whose answer is lost, and the look for it": {
			call: create, faults: []siptest.Fault{siptest.On("Users.Create").CommitThenDrop()}, opts: []infinitysip.Option{infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true})},
			spans: `
internal Users.Create {infinitysip.attempts=2 infinitysip.domain.id=1 infinitysip.operation=Users.Create infinitysip.outcome=ok}
  client POST /domains/{domainId}/users {error.type=connection http.request.method=POST server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users url.template=/domains/{domainId}/users} ERROR EOF
  client GET /domains/{domainId}/users {http.request.method=GET http.response.status_code=200 infinitysip.look=true network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users url.template=/domains/{domainId}/users}
  client POST /domains/{domainId}/users/{userId} {http.request.method=POST http.response.status_code=204 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1 url.template=/domains/{domainId}/users/{userId}}
`,
		},
		"a create that nobody knows of": {
			call: create, faults: []siptest.Fault{siptest.On("Users.Create").CommitThenDrop()}, err: infinitysip.ErrOutcomeUnknown,
			metrics: `
http.client.request.duration {error.type=connection http.request.method=POST server.address=siptest.invalid server.port=443}: 1, in all 0 s
http.client.request.duration {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443}: 1, in all 0 s
infinitysip.client.call.attempts {infinitysip.operation=Users.Create}: 1, in all 1 {request}
infinitysip.client.call.duration {error.type=connection infinitysip.operation=Users.Create infinitysip.outcome=unknown}: 1, in all 0 s
infinitysip.client.throttle.wait {infinitysip.operation=Users.Create}: 1, in all 0 s
`,
		},
		"a token that is lost": {
			users: 1, faults: []siptest.Fault{siptest.On("Users.AddDevice").CommitThenDrop()}, err: infinitysip.ErrTokenLost,
			call: func(ctx context.Context, client *infinitysip.Client) error {
				device, err := client.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:1A:2B:01"})
				if err == nil {
					_, err = client.Users.AddDevice(ctx, 1, 1, device)
				}
				return err
			},
			among: `
infinitysip.client.call.duration {error.type=token_lost infinitysip.operation=Users.AddDevice infinitysip.outcome=applied}: 1, in all 0 s
`,
		},
		"a limit of the server": {
			users: 1, limit: &siptest.Limit{Requests: 1, Per: 10 * time.Second, RetryAfter: siptest.RetryAfterSeconds},
			call: func(ctx context.Context, client *infinitysip.Client) error {
				return errors.Join(get(ctx, client), get(ctx, client))
			},
			metrics: `
http.client.request.duration {error.type=429 http.request.method=GET http.response.status_code=429 network.protocol.version=1.1 server.address=siptest.invalid server.port=443}: 1, in all 0 s
http.client.request.duration {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443}: 2, in all 0 s
infinitysip.client.call.attempts {infinitysip.operation=Users.Get}: 2, in all 3 {request}
infinitysip.client.call.duration {infinitysip.operation=Users.Get infinitysip.outcome=ok}: 2, in all 10 s
infinitysip.client.throttle.wait {infinitysip.operation=Users.Get}: 2, in all 10 s
`,
		},
		"a limit of the client": {
			users: 1, opts: []infinitysip.Option{infinitysip.WithRateLimit(0.01, 1)}, err: infinitysip.ErrRateLimited,
			call: func(ctx context.Context, client *infinitysip.Client) error {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				return errors.Join(get(ctx, client), get(ctx, client))
			},
			among: `
infinitysip.client.call.duration {error.type=rate_limited infinitysip.operation=Users.Get infinitysip.outcome=not applied}: 1, in all 0 s
`,
		},
		"pages": {
			devices: 1001, opts: []infinitysip.Option{infinitysip.WithReadAhead(0)},
			call: func(ctx context.Context, client *infinitysip.Client) error {
				for _, err := range client.Devices.All(ctx, 1, nil) {
					if err != nil {
						return err
					}
				}
				return nil
			},
			spans: `
internal Devices.List {infinitysip.attempts=3 infinitysip.domain.id=1 infinitysip.operation=Devices.List infinitysip.outcome=ok}
  client GET /domains/{domainId}/devices {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/devices url.template=/domains/{domainId}/devices}
  client GET /domains/{domainId}/devices {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/devices url.template=/domains/{domainId}/devices}
  client GET /domains/{domainId}/devices {http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/devices url.template=/domains/{domainId}/devices}
`,
			among: `
infinitysip.client.call.attempts {infinitysip.operation=Devices.List}: 1, in all 3 {request}
`,
		},
		"a loop that is left, while pages are read ahead": {
			devices: 2001, faults: []siptest.Fault{siptest.On("Devices.List").Nth(2).Hang()},
			call: func(ctx context.Context, client *infinitysip.Client) error {
				for _, err := range client.Devices.All(ctx, 1, nil) {
					synctest.Wait() // the pages ahead are under way
					return err
				}
				return errors.New("no row")
			},
			among: `
http.client.request.duration {error.type=canceled http.request.method=GET server.address=siptest.invalid server.port=443}: 1, in all 0 s
infinitysip.client.call.duration {infinitysip.operation=Devices.List infinitysip.outcome=ok}: 1, in all 0 s
`,
		},
		"a call that is cancelled": {
			users: 1, faults: []siptest.Fault{siptest.On("Users.Get").Hang()}, err: context.Canceled,
			call: func(ctx context.Context, client *infinitysip.Client) error {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(3*time.Second, cancel)
				return get(ctx, client)
			},
			spans: `
internal Users.Get {error.type=canceled infinitysip.attempts=1 infinitysip.domain.id=1 infinitysip.operation=Users.Get infinitysip.outcome=not applied} ERROR infinitysip: Users.Get: GET /domains/1/users/1: context canceled
  client GET /domains/{domainId}/users/{userId} {error.type=canceled http.request.method=GET server.address=siptest.invalid server.port=443 url.full=https://siptest.invalid/domains/1/users/1 url.template=/domains/{domainId}/users/{userId}} ERROR context canceled
`,
			metrics: `
http.client.request.duration {error.type=canceled http.request.method=GET server.address=siptest.invalid server.port=443}: 1, in all 3 s
infinitysip.client.call.attempts {infinitysip.operation=Users.Get}: 1, in all 1 {request}
infinitysip.client.call.duration {error.type=canceled infinitysip.operation=Users.Get infinitysip.outcome=not applied}: 1, in all 3 s
infinitysip.client.throttle.wait {infinitysip.operation=Users.Get}: 1, in all 0 s
`,
		},
		"a server that does not answer": {
			users: 1, faults: []siptest.Fault{siptest.On("Users.Get").Hang()}, err: errAny,
			call: func(ctx context.Context, client *infinitysip.Client) error {
				_, err := client.Users.Get(ctx, 1, 1, infinitysip.CallAttempts(1))
				return err
			},
			metrics: `
http.client.request.duration {error.type=timeout http.request.method=GET server.address=siptest.invalid server.port=443}: 1, in all 30 s
infinitysip.client.call.attempts {infinitysip.operation=Users.Get}: 1, in all 1 {request}
infinitysip.client.call.duration {error.type=timeout infinitysip.operation=Users.Get infinitysip.outcome=not applied}: 1, in all 30 s
infinitysip.client.throttle.wait {infinitysip.operation=Users.Get}: 1, in all 0 s
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				srv, told := siptest.NewServer(siptest.Options{Limit: test.limit, APIKey: canaryKey}), newTelemetry(t)
				defer srv.Close()
				domain := srv.AddDomain(infinitysip.Domain{})
				for n := range test.users {
					srv.AddUser(domain, infinitysip.User{User: fmt.Sprint("user", n), Password: infinitysip.NewSecret(canaryPassword)})
				}
				for n := range test.devices {
					srv.AddDevice(domain, infinitysip.Device{Name: "Lobby", MACAddress: fmt.Sprintf("10-20-30-1A-%02X-%02X", n/256, n%256)})
				}
				for _, fault := range test.faults {
					srv.Fail(fault)
				}
				client := srv.InProcessClient(append(test.opts, infinitysip.WithObserver(told.observer))...)

				err := test.call(t.Context(), client)

				if test.err == errAny {
					require.Error(t, err)
				} else {
					require.ErrorIs(t, err, test.err)
				}
				short := func(s string) string { return strings.ReplaceAll(s, "/config/v2/sip", "") }
				spans, metrics := told.tree(), told.measured(t)
				if test.spans != "" {
					require.Equal(t, test.spans, "\n"+short(spans))
				}
				if test.metrics != "" {
					require.Equal(t, test.metrics, "\n"+metrics)
				}
				for line := range strings.Lines(strings.TrimPrefix(test.among, "\n")) {
					require.Contains(t, metrics, line)
				}
				require.Len(t, told.spans.Ended(), len(told.spans.Started()), "every span ends")
				require.NotContains(t, metrics, "/", "nothing of a path")
			})
		})
	}
}

// errAny stands for any error.
var errAny = errors.New("any")

// Over a socket, the connection tells more.
func TestConnections(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options siptest.Options
		version string
	}{
		"plain":  {siptest.Options{}, "network.protocol.version=1.1 "},
		"TLS":    {siptest.Options{TLS: new(tls.Config)}, "network.protocol.version=1.1 "},
		"HTTP/2": {siptest.Options{HTTP2: true}, "network.protocol.version=2 "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, told := siptest.NewServer(test.options), newTelemetry(t)
			defer srv.Close()
			base, err := url.Parse(srv.URL())
			require.NoError(t, err)

			_, err = srv.Client(infinitysip.WithObserver(told.observer)).Domains.List(t.Context())

			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf(`
internal Domains.List {infinitysip.attempts=1 infinitysip.operation=Domains.List infinitysip.outcome=ok}
  client GET /config/v2/sip/domains {http.request.method=GET http.response.status_code=200 network.peer.address=127.0.0.1 network.peer.port=%[1]s %[2]sserver.address=127.0.0.1 server.port=%[1]s url.full=%[3]s/config/v2/sip/domains url.template=/config/v2/sip/domains}
`, base.Port(), test.version, base), "\n"+told.tree())
			require.Contains(t, told.measured(t), fmt.Sprintf("{http.request.method=GET http.response.status_code=200 %sserver.address=127.0.0.1 server.port=%s}: 1, ", test.version, base.Port()))
		})
	}
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	srv := siptest.NewServer(siptest.Options{TLS: new(tls.Config)})
	defer srv.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for baseURL, want := range map[string]string{
		"http://" + closed.Addr().String(): "connection",
		"https://host.invalid":             "dns",
		srv.URL():                          "tls", // its certificate is unknown
	} {
		told := newTelemetry(t)
		client, err := infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(baseURL), infinitysip.WithObserver(told.observer),
			infinitysip.WithHTTPClient(&http.Client{Transport: &http.Transport{}}))
		require.NoError(t, err)
		_, err = client.Domains.List(t.Context(), infinitysip.CallAttempts(1))
		require.Error(t, err)
		spans := told.spans.Ended()
		require.Len(t, spans, 2)
		for _, span := range spans {
			require.Contains(t, span.Attributes(), attribute.String("error.type", want), baseURL)
			require.Equal(t, codes.Error, span.Status().Code)
		}
		require.Contains(t, told.measured(t), "http.client.request.duration {error.type="+want+" http.request.method=GET server.address=")
	}
}

// The kinds of errors that calls against siptest do not show.
func TestErrorType(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		result infinitysip.CallResult
		want   string
	}{
		{infinitysip.CallResult{Err: infinitysip.ErrPaginationStuck, StatusCode: 200, Attempts: 3}, "pagination_stuck"},
		{infinitysip.CallResult{Err: infinitysip.ErrNotFound, StatusCode: 200, Attempts: 1}, "not_found"},
		{infinitysip.CallResult{Err: infinitysip.ErrConflict, StatusCode: 200, Attempts: 1}, "conflict"},
		{infinitysip.CallResult{Err: fmt.Errorf("%w: %w", infinitysip.ErrRateLimited, errAny), StatusCode: 429, Attempts: 1}, "429"},
		{infinitysip.CallResult{Err: context.Canceled, StatusCode: 503, Attempts: 1}, "canceled"},
		{infinitysip.CallResult{Err: context.DeadlineExceeded, Attempts: 1}, "timeout"},
		{infinitysip.CallResult{Err: &net.DNSError{IsTimeout: true}, Attempts: 1}, "timeout"},
		{infinitysip.CallResult{Err: tls.RecordHeaderError{}, Attempts: 1}, "tls"},
		{infinitysip.CallResult{Err: errAny}, "_OTHER"},
	} {
		told := newTelemetry(t)
		_, ended := told.observer.Call(t.Context(), infinitysip.CallInfo{Op: "Users.Get"})
		test.result.Outcome = infinitysip.OutcomeUnknown
		ended(test.result)
		require.Contains(t, told.tree(), "{error.type="+test.want+" ", test.result.Err)
		require.Contains(t, told.measured(t), "{error.type="+test.want+" infinitysip.operation=Users.Get infinitysip.outcome=unknown}")
	}
}

// Two things are not as in every request: no template, as Client.Do has none, and a
// host of IPv6.
func TestARequestWithoutATemplate(t *testing.T) {
	t.Parallel()
	told := newTelemetry(t)
	ctx, ended := told.observer.Attempt(t.Context(), infinitysip.AttemptInfo{Method: http.MethodPut, URL: "http://[::1]/x", Number: 1})
	httptrace.ContextClientTrace(ctx).GotConn(httptrace.GotConnInfo{}) // a transport that tells nothing
	httptrace.ContextClientTrace(ctx).GotConn(httptrace.GotConnInfo{Conn: unixConn{}})
	ended(infinitysip.AttemptResult{StatusCode: 204, Sent: true})
	require.Equal(t, "client PUT {http.request.method=PUT http.response.status_code=204 network.peer.address=/run/gateway server.address=::1 server.port=80 url.full=http://[::1]/x}\n", told.tree())
}

type unixConn struct{ net.Conn }

func (unixConn) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "/run/gateway", Net: "unix"} }

func TestMetricsAreDescribed(t *testing.T) {
	t.Parallel()
	told := newTelemetry(t)
	observeOne(t.Context(), told.observer)
	var all metricdata.ResourceMetrics
	require.NoError(t, told.reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics[0].Metrics, 4)
	for _, m := range all.ScopeMetrics[0].Metrics {
		require.NotEmpty(t, m.Description)
		if m.Name == "http.client.request.duration" {
			require.Equal(t, []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}, m.Data.(metricdata.Histogram[float64]).DataPoints[0].Bounds)
		}
	}
}

// Each request carries its own span, also if that is not recorded.
func TestPropagation(t *testing.T) {
	t.Parallel()
	for name, sampler := range map[string]sdktrace.Sampler{"recorded": sdktrace.AlwaysSample(), "not recorded": sdktrace.NeverSample()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := siptest.New(t)
			domain := srv.AddDomain(infinitysip.Domain{})
			spans := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler), sdktrace.WithSpanProcessor(spans))
			observer, err := infinitysipotel.New(infinitysipotel.WithTracerProvider(provider), infinitysipotel.WithPropagator(propagation.TraceContext{}))
			require.NoError(t, err)
			srv.Fail(siptest.On("Users.List").Times(1).Drop())
			ctx, outer := provider.Tracer("test").Start(t.Context(), "outer")

			_, err = srv.Client(infinitysip.WithObserver(observer), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: 1})).Users.List(ctx, domain)

			require.NoError(t, err)
			requests := srv.Requests()
			require.Len(t, requests, 2)
			var sent []trace.SpanContext
			for _, request := range requests {
				at := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(t.Context(), propagation.HeaderCarrier(request.Header)))
				require.Equal(t, outer.SpanContext().TraceID(), at.TraceID())
				require.Equal(t, name == "recorded", at.IsSampled())
				sent = append(sent, at)
			}
			require.NotEqual(t, sent[0].SpanID(), sent[1].SpanID())
			if name == "not recorded" {
				require.Empty(t, spans.Ended())
				return
			}
			ended := spans.Ended() // the two requests, then the call
			require.Len(t, ended, 3)
			for i, at := range sent {
				require.Equal(t, ended[i].SpanContext().SpanID(), at.SpanID())
				require.Equal(t, ended[2].SpanContext().SpanID(), ended[i].Parent().SpanID())
			}
			require.Equal(t, outer.SpanContext().SpanID(), ended[2].Parent().SpanID())
		})
	}
}

// A server, or a transport, may show what was sent.
func TestNoSecrets(t *testing.T) {
	t.Parallel()
	echo := strings.Join([]string{canaryPassword, canaryPIN, canaryKey}, " ")
	for name, fault := range map[string]siptest.Fault{
		"in an error":      siptest.On("*").Status(400).Body(echo),
		"in a success":     siptest.On("*").Status(200).Body(echo),
		"in a request id":  siptest.On("*").Status(500).Header("X-Request-Id", "for "+echo),
		"in a redirect":    siptest.On("*").Status(302).Header("Location", "https://evil.example/?key="+canaryKey),
		"in no HTTP":       siptest.On("*").Raw(echo + "\r\n\r\n"),
		"in a lost answer": siptest.On("Users.Create").CommitThenDrop(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, told := siptest.NewServer(siptest.Options{APIKey: canaryKey, EchoSecrets: true}), newTelemetry(t)
			defer srv.Close()
			domain := srv.AddDomain(infinitysip.Domain{})
			srv.Fail(fault)
			client := srv.Client(infinitysip.WithObserver(told.observer), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: 1, MaxAttempts: 2, VerifyWaits: []time.Duration{0}}))
			_, err := client.Users.Create(t.Context(), domain, newUser("joe"))
			require.Error(t, err)
			_, _ = client.Users.Get(t.Context(), domain, 1, infinitysip.CallParam("pin", canaryPIN), infinitysip.CallHeader("X-Token", canaryPassword))

			require.NotEmpty(t, told.spans.Ended())
			said := told.tree() + told.measured(t)
			for _, span := range told.spans.Ended() {
				said += fmt.Sprintf("%+v", tracetest.SpanStubFromReadOnlySpan(span))
			}
			for _, canary := range strings.Fields(echo) {
				require.NotContains(t, said, canary)
			}
		})
	}
}

func TestNoProvider(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]infinitysipotel.Option{
		"global": nil,
		"noop": {infinitysipotel.WithTracerProvider(nooptrace.NewTracerProvider()), infinitysipotel.WithMeterProvider(noopmetric.NewMeterProvider()),
			infinitysipotel.WithPropagator(propagation.Baggage{})},
	} {
		observer, err := infinitysipotel.New(opts...)
		require.NoError(t, err)
		ctx, err := baggageOf(t.Context(), "tenant", "7")
		require.NoError(t, err)
		ctx, ended := observer.Call(ctx, infinitysip.CallInfo{Op: "Users.Get"})
		require.Nil(t, ended, name)
		header := http.Header{}
		_, attemptEnded := observer.Attempt(ctx, infinitysip.AttemptInfo{Method: http.MethodGet, URL: "https://api.infinitycloud.com", Header: header})
		require.Nil(t, attemptEnded, name)
		require.Equal(t, name == "noop", header.Get("Baggage") == "tenant=7", name)
	}
}

func baggageOf(ctx context.Context, key, value string) (context.Context, error) {
	member, err := baggage.NewMember(key, value)
	if err != nil {
		return nil, err
	}
	all, err := baggage.New(member)
	return baggage.ContextWithBaggage(ctx, all), err
}

func TestNewFails(t *testing.T) {
	t.Parallel()
	for _, option := range []infinitysipotel.Option{infinitysipotel.WithTracerProvider(nil), infinitysipotel.WithMeterProvider(nil), infinitysipotel.WithPropagator(nil)} {
		_, err := infinitysipotel.New(option)
		require.ErrorContains(t, err, "is nil")
	}
	_, err := infinitysipotel.New(infinitysipotel.WithMeterProvider(refusing{}))
	require.ErrorIs(t, err, errAny)
	_, err = infinitysipotel.New(nil)
	require.NoError(t, err)
}

// refusing is a provider that refuses a metric.
type refusing struct{ noopmetric.MeterProvider }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

type refusingMeter struct{ noopmetric.Meter }

func (refusingMeter) Int64Histogram(string, ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	return nil, errAny
}
