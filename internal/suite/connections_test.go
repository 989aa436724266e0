package suite_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/siptest"
)

// However many workers there are, none of them opens a second connection: not
// when calls fail, and not when the answers of those that fail are long. On a
// busy machine net/http itself gives up a few connections: it waits no longer
// than 50 ms to hear from its own goroutine that a request was written.
func TestOneConnectionForEachWorker(t *testing.T) { // not parallel: that would make the machine busy
	const creates = 10 // by each worker
	long := strings.Repeat("no ", 33_000)
	for _, workers := range []int{16, 64} {
		for name, fault := range map[string]*siptest.Fault{
			"no failure":                   nil,
			"503":                          new(siptest.On("Devices.Create").Status(503)),
			"503 and a long body":          new(siptest.On("Devices.Create").Status(503).Body(long)),
			"429 and a long body":          new(siptest.On("Devices.Create").Status(429).Body(long)),
			"409 and a long body":          new(siptest.On("Devices.Create").Status(409).Body(long)),
			"applied, 500 and a long body": new(siptest.On("Devices.Create").CommitThenStatus(500).Body(long)),
			"a success that goes on":       new(siptest.On("Devices.Create").Rewrite(func(body []byte) []byte { return append(body, strings.Repeat("\n", 100_000)...) })),
		} {
			t.Run(fmt.Sprintf("%d workers, %s", workers, name), func(t *testing.T) {
				try := func() int {
					srv := siptest.New(t)
					domain := srv.AddDomain(infinitysip.Domain{})
					client := srv.Client(
						infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond, MaxWait: time.Millisecond, VerifyWaits: []time.Duration{0, 0}, Quota: 1e6}),
						infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: 1024, ErrorTimeout: time.Hour}), // however slow the machine is
						infinitysip.WithRateLimit(1e6, 1e6)) // not one that is learnt
					t.Cleanup(client.CloseIdleConnections)

					// Each worker has a connection before the first of them is
					// free again, and there is no call for another.
					var arrived sync.WaitGroup
					arrived.Add(workers)
					srv.Fail(siptest.On("Devices.Create").Times(workers).Before(func(*siptest.Server) {
						arrived.Done()
						arrived.Wait()
					}))
					for n := workers + 1; fault != nil && n <= workers*creates; n += 10 {
						srv.Fail(fault.Nth(n))
					}
					var working sync.WaitGroup
					for w := range workers {
						working.Go(func() {
							for i := range creates {
								// Whether it succeeds is not the question here.
								_, _ = client.Devices.Create(context.Background(), domain, infinitysip.DeviceCreateParams{
									Name: "d", MACAddress: fmt.Sprintf("10:20:30:00:%02x:%02x", w, i),
								})
							}
						})
					}
					working.Wait()
					require.Empty(t, srv.UnusedFaults())
					opened, _ := srv.Connections()
					require.GreaterOrEqual(t, opened, workers)
					return opened
				}
				most := workers + workers/4
				opened := try()
				for n := 0; opened > most && n < 3; n++ {
					opened = try() // a busy machine is not so each time
				}
				require.LessOrEqual(t, opened, most)
			})
		}
	}
}

// A call whose connection breaks costs nobody else's.
func TestABrokenConnectionLeavesTheOthers(t *testing.T) { // not parallel: see above
	const workers = 16
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{})
	client := srv.Client(atOnce())
	t.Cleanup(client.CloseIdleConnections)
	together := func(n int) {
		var arrived, working sync.WaitGroup
		arrived.Add(n)
		srv.Fail(siptest.On("Devices.Create").Times(n).Before(func(*siptest.Server) {
			arrived.Done()
			arrived.Wait()
		}))
		for i := range n {
			working.Go(func() {
				_, err := client.Devices.Create(context.Background(), domain, infinitysip.DeviceCreateParams{Name: "d", MACAddress: fmt.Sprintf("10:20:30:00:%02x:%02x", n, i)})
				if err != nil {
					t.Error(err)
				}
			})
		}
		working.Wait()
	}
	together(workers)
	srv.Fail(siptest.On("Devices.Create").Times(1).Reset())
	_, err := client.Devices.Create(t.Context(), domain, infinitysip.DeviceCreateParams{Name: "d", MACAddress: "10:20:30:00:00:00"})
	require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	together(workers - 1)
	opened, _ := srv.Connections()
	require.GreaterOrEqual(t, opened, workers)
	require.LessOrEqual(t, opened, workers+workers/4)
}

// A body that is longer than is worth reading costs a connection, and no more.
func TestABodyIsReadWithinBounds(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{})
	client := srv.Client(atOnce(), infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: 1024, ErrorTimeout: time.Hour}))
	t.Cleanup(client.CloseIdleConnections)
	srv.Fail(siptest.On("Devices.Get").Status(404).Endless())
	for n := 1; n <= 3; n++ {
		_, err := client.Devices.Get(t.Context(), domain, 1)
		require.ErrorIs(t, err, infinitysip.ErrNotFound)
		opened, _ := srv.Connections()
		require.Equal(t, n, opened)
	}
}

// A plain client uses no transport but its own, and keeps its connection also
// where calls fail.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	remotes := make(map[string]bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		remotes[req.RemoteAddr] = true
		if len(req.URL.Path)%2 == 0 {
			http.Error(w, strings.Repeat("no ", 1000), http.StatusConflict)
		}
	}))
	t.Cleanup(server.Close)
	client, err := infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(server.URL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	for id := infinitysip.UserID(1); id < 200; id += 9 {
		_, _ = client.Users.List(t.Context(), infinitysip.DomainID(id))
		_, _ = client.Users.Get(t.Context(), 1, id)
		_ = client.Users.Delete(t.Context(), 1, id)
	}
	require.Len(t, remotes, 1)
}

// The end of an answer may come apart from its row; a create waits for it a
// little, and keeps the connection.
func TestCreatesKeepTheirConnection(t *testing.T) {
	t.Parallel()
	remotes := make(map[string]bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		remotes[req.RemoteAddr] = true
		_, _ = io.Copy(io.Discard, req.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"userId":"1"}`)
		_ = http.NewResponseController(w).Flush()
	}))
	t.Cleanup(server.Close)
	client, err := infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(server.URL))
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	for range 50 {
		_, err := client.Users.Create(t.Context(), 1, newUser())
		require.NoError(t, err)
	}
	require.Len(t, remotes, 1)
}

// A loop that panics, or a test that fails within one, leaves no connection.
func TestALoopThatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	closed := 0
	s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
		resp := answer(200, "")
		resp.Body = &countedBody{strings.NewReader(strings.Repeat(`{"userId":"1"}`+"\n", 10)), &closed}
		return resp, nil
	}}
	client := stubClient(t, s)
	for range 3 {
		func() {
			defer func() { require.NotNil(t, recover()) }()
			for range client.Users.All(t.Context(), 1) { //nolint:errcheck // the loop does not look
				panic("in the caller's loop")
			}
		}()
	}
	require.Equal(t, 3, closed)
}

type countedBody struct {
	io.Reader
	closed *int
}

func (b *countedBody) Close() error { *b.closed++; return nil }

func TestNothingIsLeftBehind(t *testing.T) { // not parallel: it counts goroutines
	before := runtime.NumGoroutine()
	srv := siptest.NewServer(siptest.Options{})
	client := srv.Client(atOnce())
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	for i := range 20 {
		params := newUser()
		params.User, params.ExtensionNumber = fmt.Sprint("u", i), fmt.Sprint(100+i)
		_, err := client.Users.Create(t.Context(), domain, params)
		require.NoError(t, err)
	}
	srv.Fail(siptest.On("Users.Create").Drop())
	srv.Fail(siptest.On("Users.Get").Status(502))
	for range 5 {
		_, err := client.Users.Create(t.Context(), domain, newUser())
		require.Error(t, err)
		_, err = client.Users.Get(t.Context(), domain, 1)
		require.Error(t, err)
		for _, err := range client.Users.All(t.Context(), domain) {
			require.NoError(t, err)
			break
		}
	}
	client.CloseIdleConnections()
	srv.Close()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "goroutines are left")
	}
}

// pipes is a listener of connections in memory.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error { close(p); return nil }

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
