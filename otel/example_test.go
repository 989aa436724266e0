package infinitysipotel_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/infinitysip/infinitysip"
	infinitysipotel "github.com/infinitysip/infinitysip/otel"
	"github.com/infinitysip/infinitysip/siptest"
)

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
