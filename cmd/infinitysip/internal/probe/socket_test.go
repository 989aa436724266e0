package probe

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// What shows over a socket alone: HTTP, and when connections are closed.
func TestOverTheSocket(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]siptest.Options{
		"default":        {},
		"length":         {Framing: siptest.FramingLength},
		"close":          {Framing: siptest.FramingClose},
		"HTTP/2":         {HTTP2: true},
		"keep":           {KeepRequests: 7},
		"keep one":       {KeepRequests: 1},
		"keep, late":     {KeepRequests: 7, CloseLate: true},
		"keep, creates":  {KeepRequests: 5, CreateBody: siptest.CreateBodyNone},
		"some latency":   {Latency: 15 * time.Millisecond},
		"HTTP/2, length": {HTTP2: true, BareNumbers: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := siptest.NewServer(o)
			defer srv.Close()
			domain := office(t, srv)
			before := snapshot(t, srv)
			inner := infinitysip.NewTransport()
			inner.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
			defer inner.CloseIdleConnections()
			meter := NewMeter(inner, Most)
			client, err := infinitysip.NewClient(infinitysip.APIKey("siptest-api-key"), append(meter.ClientOptions(), infinitysip.WithBaseURL(srv.URL()))...)
			require.NoError(t, err)

			report, err := Run(t.Context(), Config{Client: client, Meter: meter, Domain: domain})

			require.NoError(t, err)
			requireUnchanged(t, srv, before, report)
			if o.Latency > 0 {
				require.InDelta(t, o.Latency, report.Options.Latency, float64(40*time.Millisecond), report)
			}
			report.Options.Latency = o.Latency // of a machine that may be busy
			require.Equal(t, o, report.Options, report)
			want := "HTTP/1.1, without TLS"
			if o.HTTP2 {
				want = "HTTP/2.0, TLS 1.3"
			}
			require.Equal(t, want, report.finding(t, "http").Found)
			require.LessOrEqual(t, len(srv.Requests()), Most)
		})
	}
}
