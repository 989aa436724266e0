// Package metrics serves the metrics of OpenTelemetry in the form of Prometheus.
package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// A Server serves metrics over HTTP.
type Server struct {
	url      string
	provider *sdk.MeterProvider
	server   *http.Server
	done     chan struct{}
}

// Serve begins to serve metrics at an address such as 127.0.0.1:9464, under /metrics.
func Serve(address string) (*Server, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, err
	}
	if err := registry.Register(collectors.NewGoCollector()); err != nil {
		return nil, err
	}
	if err := registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	s := &Server{
		url:      "http://" + listener.Addr().String() + "/metrics",
		provider: sdk.NewMeterProvider(sdk.WithReader(reader)),
		server:   &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second},
		done:     make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.server.Serve(listener) // it ends when Close is called
	}()
	return s, nil
}

// URL is where the metrics are.
func (s *Server) URL() string { return s.url }

// Provider is where the metrics come from.
func (s *Server) Provider() metric.MeterProvider { return s.provider }

// Close ends it.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.done
	return errors.Join(err, s.provider.Shutdown(context.Background()))
}
