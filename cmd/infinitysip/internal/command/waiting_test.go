package command

import (
	"bytes"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// failing answers as a proxy before a service that is down, for a time.
type failing struct {
	http.RoundTripper
	until  time.Time
	status int
	after  string
}

func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if time.Now().Before(f.until) {
		return &http.Response{StatusCode: f.status, Header: http.Header{"Retry-After": {f.after}}, Body: http.NoBody, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
	}
	return f.RoundTripper.RoundTrip(r)
}

func TestLongWaitsAreTold(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		down   time.Duration
		status int
		after  string
		want   string
	}{
		{"short", time.Second, 503, "1", ""},
		{"long", 8 * time.Second, 503, "4", "The server answers 503 Service Unavailable. It is asked again; Ctrl-C ends that.\n"},
		{"limit", 6 * time.Second, 429, "6", "The server answers 429 Too Many Requests. It is asked again; Ctrl-C ends that.\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var stdout, stderr bytes.Buffer
				a := &app{stdin: new(bytes.Buffer), stdout: &stdout, stderr: &stderr}
				a.overDemo = func(inner http.RoundTripper) infinitysip.Option {
					return infinitysip.WithTransport(failing{inner, time.Now().Add(test.down), test.status, test.after})
				}
				require.Zero(t, run(t.Context(), a, []string{"users", "list", "-d", "1", "--demo", "-o", "csv", "--columns", "user", "--limit", "1"}), stderr.String())
				require.Contains(t, stdout.String(), "joe.blogs")
				require.Equal(t, test.want, stderr.String())
			})
		})
	}
}
