package suite_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/attempt"
)

// pipes is a listener of connections in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// fading is a connection that may die in silence: what is written goes nowhere.
type fading struct {
	net.Conn
	dead *atomic.Bool
}

func (c fading) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A connection of HTTP/2 that has died in silence, as behind a router that
// forgot it, costs one attempt and not every call from then on.
func TestADeadConnectionOfHTTP2IsLeft(t *testing.T) {
	t.Parallel()
	certified := httptest.NewTLSServer(nil)
	t.Cleanup(certified.Close)
	authorities := x509.NewCertPool()
	authorities.AddCert(certified.Certificate())
	synctest.Test(t, func(t *testing.T) {
		listener := make(pipes)
		server := &http.Server{
			TLSConfig: &tls.Config{Certificates: certified.TLS.Certificates},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, 2, r.ProtoMajor)
				_, _ = io.WriteString(w, `{"domainId":"1"}`+"\n")
			}),
		}
		go func() { _ = server.ServeTLS(listener, "", "") }()
		defer func() { _ = server.Close() }()

		opened := 0
		var dead *atomic.Bool // the connection that was opened last
		transport := attempt.NewTransport()
		transport.TLSClientConfig.RootCAs = authorities
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			listener <- theirs
			opened++
			dead = new(atomic.Bool)
			return fading{ours, dead}, nil
		}
		defer transport.CloseIdleConnections()
		client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithBaseURL("https://example.com"), infinitysip.WithHTTPClient(&http.Client{Transport: transport}))
		require.NoError(t, err)

		_, err = client.Domains.List(t.Context())
		require.NoError(t, err)
		dead.Store(true)
		start := time.Now()
		for range 2 {
			_, err = client.Domains.List(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, 2, opened)
		require.Less(t, time.Since(start), 20*time.Second)
	})
}
