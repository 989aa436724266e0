// Package infinitysipotel makes traces and metrics of the calls of an
// infinitysip.Client, with OpenTelemetry. It does not wrap the transport. A transport that
// makes spans itself, such as that of otelhttp, makes a second span of each request.
//
//	observer, err := infinitysipotel.New()
//	...
//	client, err := infinitysip.NewClient(credentials, infinitysip.WithObserver(observer))
//
// Without a provider it costs about 1.3 µs and 12 allocations a call.
//
// The package is not named otel, because its users import go.opentelemetry.io/otel too.
//
// # Traces
//
// A call has an INTERNAL span, such as "Users.Create". The span of an All has the name of
// its List, and lasts until the loop ends. The attributes of these spans are
//
//   - infinitysip.operation: the name of the call
//   - infinitysip.domain.id: not if the call names no domain
//   - infinitysip.outcome: "ok", or the Outcome of a failure: "unknown", "not applied" or
//     "applied"
//   - infinitysip.attempts: the attempts made, also those that got no connection, but not
//     looks
//   - infinitysip.request.id: the X-Request-Id of the last answer, if it has one
//   - error.type: of a failure, whose text is the status of the span
//
// Each attempt has a CLIENT span below that, such as
// "POST /config/v2/sip/domains/{domainId}/users". It ends when the header of the answer
// has arrived. It has every attribute that version 1.43 of the HTTP conventions recommends,
// url.full without the query, url.template, and infinitysip.look if the attempt looks for
// what a lost answer left. The propagator adds the span to the header of the request. If a
// loop ends early, the spans of pages that an All has read ahead may end as canceled, while
// the call is ok. The spans of Client.Do and Rows have no url.template.
//
// # Metrics
//
// All are histograms. None has a domain, an id or a path as an attribute.
//
//   - http.client.request.duration: seconds that an attempt took, by the HTTP conventions
//   - infinitysip.client.call.duration: seconds that a call took, by infinitysip.operation,
//     infinitysip.outcome and error.type
//   - infinitysip.client.call.attempts: attempts that a call made, looks not counted, by
//     infinitysip.operation
//   - infinitysip.client.throttle.wait: seconds that the attempts of a call together waited
//     because of a limit of the client or the server, by infinitysip.operation
//
// # The values of error.type
//
// The value is the first one that fits:
//
//   - token_lost, pagination_stuck: the error matches ErrTokenLost or ErrPaginationStuck
//   - canceled, timeout: the context ended, or a wait for the server
//   - 300 and more: the status of the last answer, such as 404
//   - rate_limited, not_found, conflict: the error matches ErrRateLimited, ErrNotFound or
//     ErrConflict, without such a status
//   - invalid_response: the answer was a success that could not be read
//   - dns, tls: the host has no address, or the TLS handshake failed
//   - connection: no answer for another reason, such as a connection that was refused
//   - _OTHER: nothing was sent, such as when a source of credentials fails
package infinitysipotel

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/infinitysip/infinitysip"
)

const scope = "github.com/infinitysip/infinitysip/otel"

// Option changes where the traces and metrics go. By default they go to the global providers
// and the global propagator of OpenTelemetry, also if those are set after New.
type Option func(*settings)

type settings struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
}

// WithTracerProvider sets where the spans go.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(s *settings) { s.tracers = p }
}

// WithMeterProvider sets where the metrics go.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(s *settings) { s.meters = p }
}

// WithPropagator sets what writes the span into the header of each request, such as
// propagation.TraceContext{}.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(s *settings) { s.propagator = p }
}

type observer struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	requests   httpconv.ClientRequestDuration
	calls      metric.Float64Histogram
	attempts   metric.Int64Histogram
	waits      metric.Float64Histogram
}

// New returns an Observer for infinitysip.WithObserver. Several clients may share it.
// It returns an error if an option is given nil, or if the MeterProvider refuses a metric.
func New(opts ...Option) (infinitysip.Observer, error) {
	s := settings{otel.GetTracerProvider(), otel.GetMeterProvider(), otel.GetTextMapPropagator()}
	for _, option := range opts {
		if option != nil {
			option(&s)
		}
	}
	if s.tracers == nil || s.meters == nil || s.propagator == nil {
		return infinitysip.Observer{}, errors.New("infinitysipotel: a provider or propagator is nil: leave the option out for the global one")
	}
	o := &observer{tracer: s.tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)), propagator: s.propagator}
	meter := s.meters.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	seconds, upTo5Minutes := metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
	var errs [4]error
	o.requests, errs[0] = httpconv.NewClientRequestDuration(meter)
	o.calls, errs[1] = meter.Float64Histogram("infinitysip.client.call.duration", seconds, upTo5Minutes,
		metric.WithDescription("Duration of calls, with their retries, looks and waits."))
	o.attempts, errs[2] = meter.Int64Histogram("infinitysip.client.call.attempts", metric.WithUnit("{request}"),
		metric.WithExplicitBucketBoundaries(0, 1, 2, 3, 4, 5, 10, 20, 50, 100), metric.WithDescription("Attempts that a call made."))
	o.waits, errs[3] = meter.Float64Histogram("infinitysip.client.throttle.wait", seconds, upTo5Minutes,
		metric.WithDescription("Time that a call waited because of a limit."))
	return infinitysip.Observer{Call: o.call, Attempt: o.attempt}, errors.Join(errs[:]...)
}

// call begins the span of a call.
func (o *observer) call(ctx context.Context, info infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
	operation := attribute.String("infinitysip.operation", info.Op)
	attrs := append(make([]attribute.KeyValue, 0, 2), operation)
	if info.Domain != 0 {
		attrs = append(attrs, attribute.Int64("infinitysip.domain.id", int64(info.Domain)))
	}
	ctx, span := o.tracer.Start(ctx, info.Op, trace.WithAttributes(attrs...)) // INTERNAL is the default
	measured := o.calls.Enabled(ctx) || o.attempts.Enabled(ctx) || o.waits.Enabled(ctx)
	if !measured && !span.IsRecording() {
		return ctx, nil
	}
	began := time.Now()
	return ctx, func(r infinitysip.CallResult) {
		took := time.Since(began)
		outcome := "ok"
		ended := append(make([]attribute.KeyValue, 0, 5), operation)
		if r.Err != nil {
			outcome = r.Outcome.String()
			ended = append(ended, errorType(r.Err, r.StatusCode, r.Attempts > 0))
			span.SetStatus(codes.Error, r.Err.Error())
		}
		ended = append(ended, attribute.String("infinitysip.outcome", outcome))
		if measured {
			o.calls.Record(ctx, took.Seconds(), metric.WithAttributes(ended...))
			byOperation := metric.WithAttributes(operation)
			o.attempts.Record(ctx, int64(r.Attempts), byOperation)
			o.waits.Record(ctx, r.ThrottleWait.Seconds(), byOperation)
		}
		ended = append(ended, attribute.Int("infinitysip.attempts", r.Attempts))
		if r.RequestID != "" {
			ended = append(ended, attribute.String("infinitysip.request.id", r.RequestID))
		}
		span.SetAttributes(ended...)
		span.End()
	}
}

// attempt begins the span of a request.
func (o *observer) attempt(ctx context.Context, info infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
	measured := o.requests.Enabled(ctx)
	if !measured && !trace.SpanContextFromContext(ctx).IsValid() {
		o.inject(ctx, info.Header)
		return ctx, nil // the call has no span, not even one that is not recorded: there is no provider
	}
	address, port := server(info.URL)
	attrs := append(make([]attribute.KeyValue, 0, 7), semconv.HTTPRequestMethodKey.String(info.Method), semconv.URLFull(info.URL), semconv.ServerAddress(address), semconv.ServerPort(port))
	name := info.Method
	if info.PathTemplate != "" {
		name += " " + info.PathTemplate
		attrs = append(attrs, semconv.URLTemplate(info.PathTemplate))
	}
	if info.Number > 1 {
		attrs = append(attrs, semconv.HTTPRequestResendCount(info.Number-1))
	}
	if info.Look {
		attrs = append(attrs, attribute.Bool("infinitysip.look", true))
	}
	ctx, span := o.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	injected := false
	defer func() {
		if !injected {
			span.End() // the propagator panics, so nobody is told of the end
		}
	}()
	o.inject(ctx, info.Header)
	if injected = true; !measured && !span.IsRecording() {
		return ctx, nil
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		span.SetAttributes(peer(got.Conn)...)
	}})
	began := time.Now()
	return ctx, func(r infinitysip.AttemptResult) {
		took := time.Since(began)
		ended := make([]attribute.KeyValue, 0, 3)
		if version, ok := strings.CutPrefix(r.Proto, "HTTP/"); ok {
			if !strings.HasPrefix(version, "1") {
				version = strings.TrimSuffix(version, ".0") // "2", "3"
			}
			ended = append(ended, semconv.NetworkProtocolVersion(version))
		}
		if r.StatusCode != 0 {
			ended = append(ended, semconv.HTTPResponseStatusCode(r.StatusCode))
		}
		if r.Err != nil || r.StatusCode >= http.StatusBadRequest {
			ended = append(ended, errorType(r.Err, r.StatusCode, true))
			text := "" // as the conventions have it: the status code says it
			if r.Err != nil {
				text = r.Err.Error()
			}
			span.SetStatus(codes.Error, text)
		}
		o.requests.Record(ctx, took.Seconds(), httpconv.RequestMethodAttr(info.Method), address, port, ended...)
		span.SetAttributes(ended...)
		span.End()
	}
}

func (o *observer) inject(ctx context.Context, header http.Header) {
	if header != nil {
		o.propagator.Inject(ctx, propagation.HeaderCarrier(header))
	}
}
