package infinitysipotel_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/infinitysip/infinitysip"
	infinitysipotel "github.com/infinitysip/infinitysip/otel"
	"github.com/infinitysip/infinitysip/siptest"
)

// The server is not available at first. The call succeeds at its second attempt, and the
// trace has both.
func Example() {
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Users.List").Times(1).Status(503))
	exporter := tracetest.NewInMemoryExporter() // in a program, that of OTLP

	observer, err := infinitysipotel.New(
		infinitysipotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))),
		infinitysipotel.WithPropagator(propagation.TraceContext{}),
	)
	if err != nil {
		log.Fatal(err)
	}
	client := srv.Client(infinitysip.WithObserver(observer)) // NewClient(APIKey(key), WithObserver(observer)) for the real API
	if _, err := client.Users.List(context.Background(), domain); err != nil {
		log.Fatal(err)
	}

	for _, span := range exporter.GetSpans() {
		fmt.Println(span.SpanKind, span.Name, span.Status.Code)
	}
	// Output:
	// client GET /config/v2/sip/domains/{domainId}/users Error
	// client GET /config/v2/sip/domains/{domainId}/users Unset
	// internal Users.List Unset
}

// Clients of two accounts share an Observer.
func ExampleNew() {
	srv := siptest.NewServer(siptest.Options{APIKey: "k", Username: "ops", Password: "p"})
	exporter := tracetest.NewInMemoryExporter()
	observer, err := infinitysipotel.New(infinitysipotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))))
	if err != nil {
		log.Fatal(err)
	}

	for _, account := range []infinitysip.Credentials{infinitysip.APIKey("k"), infinitysip.BasicAuth("ops", "p")} {
		client, err := infinitysip.NewClient(account, infinitysip.WithTransport(srv.Transport()), infinitysip.WithObserver(observer))
		if err != nil {
			log.Fatal(err)
		}
		if _, err := client.Domains.List(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(exporter.GetSpans()), "spans") // of two calls and two requests

	_, err = infinitysipotel.New(infinitysipotel.WithTracerProvider(nil))
	fmt.Println("no provider:", err != nil)
	// Output:
	// 4 spans
	// no provider: true
}

// The attributes of a call that failed.
func ExampleWithTracerProvider() {
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	exporter := tracetest.NewInMemoryExporter() // in a program, that of OTLP
	observer, err := infinitysipotel.New(infinitysipotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))))
	if err != nil {
		log.Fatal(err)
	}

	_, err = srv.InProcessClient(infinitysip.WithObserver(observer)).Users.Get(context.Background(), domain, 7)
	spans := exporter.GetSpans()
	call := spans[len(spans)-1] // it ends after its requests
	fmt.Println(err)
	fmt.Println(call.Name, call.Status.Code)
	for _, a := range call.Attributes {
		fmt.Println(a.Key, a.Value)
	}
	// Unordered output:
	// infinitysip: Users.Get: GET /config/v2/sip/domains/1/users/7: 404 Not Found: no userId 7
	// Users.Get Error
	// infinitysip.operation Users.Get
	// infinitysip.domain.id 1
	// error.type 404
	// infinitysip.outcome not applied
	// infinitysip.attempts 1
}

// The server gets the trace in a header. A span of the program is the root of the trace.
func ExampleWithPropagator() {
	srv := siptest.NewServer(siptest.Options{})
	tracers := sdktrace.NewTracerProvider()
	observer, err := infinitysipotel.New(infinitysipotel.WithTracerProvider(tracers), infinitysipotel.WithPropagator(propagation.TraceContext{}))
	if err != nil {
		log.Fatal(err)
	}

	ctx, span := tracers.Tracer("phonebook").Start(context.Background(), "sync")
	defer span.End()
	if _, err := srv.InProcessClient(infinitysip.WithObserver(observer)).Domains.List(ctx); err != nil {
		log.Fatal(err)
	}
	header := srv.Requests()[0].Header.Get("Traceparent")
	fmt.Println(strings.Contains(header, span.SpanContext().TraceID().String()))
	// Output: true
}

// The names of the metrics.
func ExampleWithMeterProvider() {
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	reader := sdkmetric.NewManualReader() // in a program, a periodic one
	observer, err := infinitysipotel.New(infinitysipotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := srv.Client(infinitysip.WithObserver(observer)).Users.List(context.Background(), domain); err != nil {
		log.Fatal(err)
	}

	var measured metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &measured); err != nil {
		log.Fatal(err)
	}
	for _, metric := range measured.ScopeMetrics[0].Metrics {
		fmt.Println(metric.Name, metric.Unit)
	}
	// Unordered output:
	// http.client.request.duration s
	// infinitysip.client.call.duration s
	// infinitysip.client.call.attempts {request}
	// infinitysip.client.throttle.wait s
}

// How many requests the calls of each name needed.
func ExampleWithMeterProvider_attempts() {
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Users.List").Times(2).Status(502))
	reader := sdkmetric.NewManualReader()
	observer, err := infinitysipotel.New(infinitysipotel.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	if err != nil {
		log.Fatal(err)
	}
	client := srv.InProcessClient(infinitysip.WithObserver(observer), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))
	for range 2 {
		if _, err := client.Users.List(context.Background(), domain); err != nil {
			log.Fatal(err)
		}
	}

	var measured metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &measured); err != nil {
		log.Fatal(err)
	}
	for _, metric := range measured.ScopeMetrics[0].Metrics {
		if attempts, ok := metric.Data.(metricdata.Histogram[int64]); ok {
			point := attempts.DataPoints[0]
			operation, _ := point.Attributes.Value(attribute.Key("infinitysip.operation"))
			fmt.Println(operation.AsString(), point.Count, "calls,", point.Sum, "requests")
		}
	}
	// Output: Users.List 2 calls, 4 requests
}
