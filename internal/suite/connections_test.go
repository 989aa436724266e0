package suite_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
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
				opened, _ := srv.Connections()
				require.GreaterOrEqual(t, opened, workers)
				require.LessOrEqual(t, opened, workers+workers/4)
				require.Empty(t, srv.UnusedFaults())
			})
		}
	}
}

// A call whose connection breaks costs nobody else's.
func TestABrokenConnectionLeavesTheOthers(t *testing.T) { // not parallel: see above
	const workers = 16
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{})
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1}))
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
