package suite_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/siptest"
)

// ownHTTP2 makes a client whose transport is of its own kind, but that it trusts
// siptest's certificate.
func ownHTTP2(a *acme, opts []infinitysip.Option) *infinitysip.Client {
	transport := attempt.NewTransport()
	transport.TLSClientConfig.RootCAs = authority()
	opts = append(opts, infinitysip.WithBaseURL(a.URL()), infinitysip.WithHTTPClient(&http.Client{Transport: transport}))
	return must(infinitysip.NewClient(infinitysip.APIKey(canaryKey), opts...))
}

// authority is what has signed the certificate of every httptest.Server.
var authority = sync.OnceValue(func() *x509.CertPool {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	pool := x509.NewCertPool()
	pool.AddCert(certified.Certificate())
	return pool
})

// brokenStreams are numbers 47 to 50: HTTP/2 servers that end a stream or a
// connection. net/http would send what has no body again by itself, without end.
func brokenStreams() []trial {
	var list []fault
	for n, ending := range map[int]struct {
		name string
		end  func(siptest.Fault) siptest.Fault
		lie  func(siptest.Fault) siptest.Fault // the request was applied all the same
	}{
		47: {"PROTOCOL_ERROR", func(f siptest.Fault) siptest.Fault { return f.ResetStreamWith(siptest.StreamProtocolError) },
			func(f siptest.Fault) siptest.Fault { return f.CommitThenResetStreamWith(siptest.StreamProtocolError) }},
		48: {"REFUSED_STREAM", func(f siptest.Fault) siptest.Fault { return f.ResetStreamWith(siptest.StreamRefused) },
			func(f siptest.Fault) siptest.Fault { return f.CommitThenResetStreamWith(siptest.StreamRefused) }},
		49: {"GOAWAY below the stream", siptest.Fault.GoAwayBelow, siptest.Fault.CommitThenGoAwayBelow},
	} {
		declined := n != 47 // the server says that it did not take the request
		entry := func(name string, calls []call, strike func(siptest.Fault) siptest.Fault, always bool) fault {
			return fault{
				n: n, name: ending.name + ", " + name, socket: true, server: siptest.Options{HTTP2: true}, setUp: furnish, client: ownHTTP2, calls: calls,
				faults: func(c call) faults {
					if always {
						return faults{strike(faultOn(c.op))}
					}
					return faults{strike(faultOn(c.op).Times(1))}
				},
			}
		}
		once := entry("once", []call{usersGet, usersList, usersUpdate, usersDelete, groupsRemoveUsers}, ending.end, false)
		once.applied, once.outcome, once.hits = true, succeeds, hits{"call": 2}
		onceAdd := entry("once, an add", adds[:1], ending.end, false)
		onceAdd.applied, onceAdd.outcome, onceAdd.hits = true, succeeds, hits{"call": 2, "look": 1}
		alwaysGet := entry("always, a read", []call{usersGet, usersList}, ending.end, true)
		alwaysGet.outcome, alwaysGet.hits = notApplied, hits{"call": 4}
		alwaysDelete := entry("always, a delete or an update", []call{usersDelete, usersUpdate, groupsRemoveUsers}, ending.end, true)
		alwaysDelete.outcome, alwaysDelete.hits = unknown, hits{"call": 3}
		list = append(list, once, onceAdd, alwaysGet, alwaysDelete)

		created := entry("once, a create", creates[1:3], ending.end, false)
		if declined {
			created.applied, created.outcome = true, succeeds
		} else {
			created.outcome, created.attempts = unknown, 1
		}
		lost := entry("always, a create", []call{usersCreate}, ending.end, true)
		lost.outcome, lost.attempts = unknown, 1
		if declined {
			lost.attempts = 4
		}
		lied := entry("a create that was applied", creates[1:3], ending.lie, false)
		lied.server.AllowDuplicates, lied.applied, lied.outcome, lied.hits = true, true, succeeds, hits{"call": 1, "look": 1}
		list = append(list, created, lost, lied)
	}

	for name, strike := range map[string]func(siptest.Fault) siptest.Fault{
		"PROTOCOL_ERROR":          func(f siptest.Fault) siptest.Fault { return f.CommitThenResetStreamWith(siptest.StreamProtocolError) },
		"REFUSED_STREAM":          func(f siptest.Fault) siptest.Fault { return f.CommitThenResetStreamWith(siptest.StreamRefused) },
		"INTERNAL_ERROR":          siptest.Fault.CommitThenResetStream,
		"GOAWAY below the stream": siptest.Fault.CommitThenGoAwayBelow,
		"GOAWAY":                  siptest.Fault.CommitThenGoAway,
		"RST":                     siptest.Fault.CommitThenReset,
	} {
		list = append(list, fault{
			n: 50, name: "delete applied, then " + name, calls: []call{usersDelete, afterAGet(usersDelete), usersRemoveDevice}, socket: true, server: siptest.Options{HTTP2: true},
			setUp: withDevice, client: ownHTTP2,
			faults:  func(c call) faults { return faults{strike(faultOn(c.op).Times(1))} },
			applied: true, outcome: succeeds,
			also: func(t *testing.T, a *acme) {
				require.Equal(t, 2, a.sent("Users.Delete")+a.sent("Users.RemoveDevice"))
			},
		})
	}
	return trialsOf(list)
}

// staleReads are number 51: reads on connections that the server closed idle.
func staleReads() []trial {
	const workers, gets = 8, 400
	// No read fails, and none costs anything of a quota that is too small for one.
	try := func(t *testing.T, url string, between func(n int)) {
		client := must(infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(url),
			infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{Quota: 1, BaseWait: time.Microsecond, MaxWait: time.Microsecond})))
		defer client.CloseIdleConnections()
		var failed [workers][]error
		var working sync.WaitGroup
		for w := range workers {
			working.Go(func() {
				for n := range gets / workers {
					if _, err := client.Users.Get(context.Background(), 1, 1); err != nil {
						failed[w] = append(failed[w], err)
					}
					between(n)
				}
			})
		}
		working.Wait()
		for _, of := range failed {
			require.NoError(t, errors.Join(of...))
		}
	}
	var trials []trial
	for _, keep := range []int{1, 2, 5} {
		trials = append(trials, trial{51, fmt.Sprintf("after %d requests", keep), func(t *testing.T) {
			a := newAcme(t, siptest.Options{APIKey: canaryKey, KeepRequests: keep})
			try(t, a.URL(), func(int) {})
			require.GreaterOrEqual(t, len(a.Requests()), gets)
		}})
	}
	for _, pause := range []time.Duration{500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond} {
		trials = append(trials, trial{51, fmt.Sprintf("idle for a millisecond, with pauses of %v", pause), func(t *testing.T) {
			a := newAcme(t, siptest.Options{APIKey: canaryKey, IdleTimeout: time.Millisecond})
			try(t, a.URL(), func(int) { time.Sleep(pause) })
		}})
	}
	return append(trials,
		trial{51, "all at once, again and again", func(t *testing.T) {
			a := newAcme(t, siptest.Options{APIKey: canaryKey})
			together := newBarrier(workers, a.CloseIdle)
			try(t, a.URL(), func(int) { together.wait() })
		}},
		trial{51, "always when a request is on its way", func(t *testing.T) {
			url, _, lost := closesUnderRequests(t, 1)
			try(t, url, func(int) {})
			require.Positive(t, lost())
		}},
		trial{51, "a read that finds nothing else", func(t *testing.T) {
			const idle = 20
			url, received, lost := closesUnderRequests(t, idle)
			client := must(infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(url), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{Quota: 1})))
			defer client.CloseIdleConnections()
			var working sync.WaitGroup
			for range idle {
				working.Go(func() {
					if _, err := client.Users.Get(context.Background(), 1, 1); err != nil {
						t.Error(err)
					}
				})
			}
			working.Wait()
			attempts := idle
			for range 3 {
				var response infinitysip.Response
				_, err := client.Users.Get(t.Context(), 1, 1, infinitysip.CallResponse(&response))
				require.NoError(t, err)
				attempts += response.Attempts
			}
			require.LessOrEqual(t, received(), attempts, "an attempt is one request")
			require.Greater(t, lost(), 5, "more than the table gives a call")
		}},
	)
}

// barrier has so many goroutines wait for each other, as often as they like. The last
// to come does something.
type barrier struct {
	mu      sync.Mutex
	size, n int
	last    func()
	open    chan struct{}
}

func newBarrier(size int, last func()) *barrier {
	return &barrier{size: size, last: last, open: make(chan struct{})}
}

func (b *barrier) wait() {
	b.mu.Lock()
	open := b.open
	if b.n++; b.n == b.size {
		b.last()
		b.n, b.open = 0, make(chan struct{})
		close(open)
	}
	b.mu.Unlock()
	<-open
}

// closesUnderRequests is a server that closes each connection when the second
// request on it has arrived. It counts all requests, and those. The first answers
// wait until there are so many connections at once.
func closesUnderRequests(t *testing.T, atOnce int) (url string, received, lost func() int) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { _ = listener.Close() })
	var all, second atomic.Int64
	var first sync.WaitGroup
	first.Add(atOnce)
	go func() {
		for opened := 1; ; opened++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				reader := bufio.NewReader(conn)
				if _, err := http.ReadRequest(reader); err != nil {
					return
				}
				all.Add(1)
				if opened <= atOnce {
					first.Done()
				}
				first.Wait()
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"userId\":\"1\"}")
				if _, err := http.ReadRequest(reader); err != nil {
					return
				}
				all.Add(1)
				second.Add(1)
			}()
		}
	}()
	count := func(n *atomic.Int64) func() int { return func() int { return int(n.Load()) } }
	return "http://" + listener.Addr().String(), count(&all), count(&second)
}

// strayAnswers are number 65: an extra answer on an idle connection, which net/http
// would log, token and all.
func strayAnswers() []trial {
	var trials []trial
	for name, text := range map[string]string{
		"another answer":   "HTTP/1.1 201 Created\r\nContent-Length: 41\r\n\r\n{\"pbxDeviceToken\":\"" + canaryToken + "\"}\n",
		"a timeout":        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n" + canaryToken,
		"rows":             "{\"pbxDeviceToken\":\"" + canaryToken + "\"}\n",
		"not even a line":  canaryToken,
		"what we had sent": "authorization: ApiKey " + canaryKey + "\r\n\r\n",
	} {
		trials = append(trials, trial{65, name, func(t *testing.T) { // not parallel: it takes the log
			a := newAcme(t, siptest.Options{APIKey: canaryKey})
			var logged bytes.Buffer
			log.SetOutput(&logged)
			defer log.SetOutput(os.Stderr)
			client := plainly("")(a, nil)
			for range 3 {
				a.Fail(siptest.On("Users.Get").Times(1).Stray(text, 20*time.Millisecond))
				_, err := client.Users.Get(t.Context(), a.domain, a.user)
				require.NoError(t, err)
				eventually(t, func() bool { _, open := a.Connections(); return open == 0 }, "the connection is left open")
				_, err = client.Users.AddDevice(t.Context(), a.domain, a.user, a.device)
				require.NoError(t, err)
				require.NoError(t, client.Users.RemoveDevice(t.Context(), a.domain, a.user, a.device))
			}
			client.CloseIdleConnections()
			a.Close()
			log.SetOutput(os.Stderr)
			require.Empty(t, logged.String())
		}})
	}
	return trials
}

// manyWorkers are number 66: more goroutines than a process may open files.
func manyWorkers() []trial {
	return []trial{{66, "3,000 goroutines", threeThousand}, {66, "1,024 open files", withFewFiles}}
}

// threeThousand has as many goroutines each make a device and read it. With the race
// detector they are fewer, and still more than there are files.
func threeThousand(t *testing.T) {
	workers := 3000
	if raceDetector {
		workers = 1200
	}
	a := newAcme(t, siptest.Options{APIKey: canaryKey, Latency: 5 * time.Millisecond})
	var most atomic.Int64 // connections at a time
	a.Fail(siptest.On("*").Before(func(s *siptest.Server) {
		_, open := s.Connections()
		for was := most.Load(); int64(open) > was && !most.CompareAndSwap(was, int64(open)); was = most.Load() {
		}
	}))
	client := plainly("")(a, nil)
	failed := make([]error, workers)
	var start, working sync.WaitGroup
	start.Add(len(failed))
	for i := range failed {
		working.Go(func() {
			start.Done()
			start.Wait()
			id, err := client.Devices.Create(context.Background(), a.domain, infinitysip.DeviceCreateParams{Name: fmt.Sprint("d", i), MACAddress: fmt.Sprintf("10:20:30:01:%02x:%02x", i>>8, i&0xff)})
			if err == nil {
				_, err = client.Devices.Get(context.Background(), a.domain, id)
			}
			failed[i] = err
		})
	}
	working.Wait()
	require.NoError(t, errors.Join(failed...))
	require.Len(t, a.Devices(a.domain), 1+len(failed))
	require.LessOrEqual(t, most.Load(), int64(256+32), "some of them have ended, and the server does not know yet")
	require.Len(t, a.Requests(), 2*len(failed), "none is sent twice")
	client.CloseIdleConnections()
}
