package fleet_test

import (
	"testing"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The metrics of jobs tell those that failed from the others, though a failed run ends its
// job and leaves another.
func TestMetrics(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		good := w.add("Good", "ann")
		w.want("Nowhere", "ann")
		reader := metric.NewManualReader()
		w.config.MeterProvider = metric.NewMeterProvider(metric.WithReader(reader))
		require.NoError(t, w.db.Enqueue(t.Context(), good, fleet.Domain{Account: "acme", Name: "Nowhere"}))
		w.run(over)

		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &all))
		status := map[string]int64{}
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				if m.Name != "river.work_count" {
					continue
				}
				for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
					kind, _ := point.Attributes.Value("kind")
					if kind.AsString() == "fleet_domain" {
						value, _ := point.Attributes.Value("status")
						status[value.AsString()] += point.Value
					}
				}
			}
		}
		require.EqualValues(t, 1, status["ok"])
		require.GreaterOrEqual(t, status["error"], int64(1), "it is tried again after two seconds")
		require.Len(t, status, 2)
	})
}
