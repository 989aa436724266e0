package infinitysipotel_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/infinitysip/infinitysip"
	infinitysipotel "github.com/infinitysip/infinitysip/otel"
)

// BenchmarkCall is what an Observer adds to a call of one attempt.
func BenchmarkCall(b *testing.B) {
	for name, opts := range map[string][]infinitysipotel.Option{
		"no provider": nil,
		"not sampled": {infinitysipotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))), infinitysipotel.WithPropagator(propagation.TraceContext{})},
		"metrics":     {infinitysipotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))},
		"traces":      {infinitysipotel.WithTracerProvider(sdktrace.NewTracerProvider()), infinitysipotel.WithPropagator(propagation.TraceContext{})},
	} {
		b.Run(name, func(b *testing.B) {
			observer, err := infinitysipotel.New(opts...)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				observeOne(b.Context(), observer)
			}
		})
	}
}

// BenchmarkClient is a whole call, with an Observer and without, on a transport that
// takes no time.
func BenchmarkClient(b *testing.B) {
	observer, err := infinitysipotel.New()
	require.NoError(b, err)
	for name, opts := range map[string][]infinitysip.Option{"without": nil, "no provider": {infinitysip.WithObserver(observer)}} {
		b.Run(name, func(b *testing.B) {
			client, err := infinitysip.NewClient(infinitysip.APIKey("key"), append(opts, infinitysip.WithHTTPClient(&http.Client{Transport: deleted{}}))...)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if err := client.Users.Delete(b.Context(), 1, 7); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type deleted struct{}

func (deleted) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// It is not parallel, because AllocsPerRun counts for all goroutines.
func TestNoProviderCostsLittle(t *testing.T) {
	observer, err := infinitysipotel.New()
	require.NoError(t, err)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { observeOne(t.Context(), observer) }), 8.0)
}

// observeOne tells an Observer of a call of one attempt that succeeds.
func observeOne(ctx context.Context, observer infinitysip.Observer) {
	const template = "/config/v2/sip/domains/{domainId}/users/{userId}"
	ctx, ended := observer.Call(ctx, infinitysip.CallInfo{Op: "Users.Get", Method: http.MethodGet, PathTemplate: template, Domain: 1})
	_, attemptEnded := observer.Attempt(ctx, infinitysip.AttemptInfo{
		Op: "Users.Get", Method: http.MethodGet, PathTemplate: template, URL: "https://api.infinitycloud.com/config/v2/sip/domains/1/users/7", Number: 1, Header: http.Header{},
	})
	if attemptEnded != nil {
		attemptEnded(infinitysip.AttemptResult{StatusCode: http.StatusOK, Sent: true})
	}
	if ended != nil {
		ended(infinitysip.CallResult{Outcome: infinitysip.OutcomeNotApplied, StatusCode: http.StatusOK, Attempts: 1})
	}
}
