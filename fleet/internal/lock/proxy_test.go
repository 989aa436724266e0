package lock_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/fleet/internal/lock"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
)

// A proxy stands before a server, and can let nothing through.
type proxy struct {
	url string

	mutex sync.Mutex
	gate  chan struct{} // closed when all goes through
}

func (p *proxy) freeze() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.gate = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

func (p *proxy) wait() {
	p.mutex.Lock()
	gate := p.gate
	p.mutex.Unlock()
	<-gate
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	parsed, err := url.Parse(server)
	require.NoError(t, err)
	target := parsed.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	parsed.Host = listener.Addr().String()
	p := &proxy{url: parsed.String()}
	p.freeze()
	p.thaw()

	var group sync.WaitGroup
	var mutex sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		p.thaw()
		_ = listener.Close()
		mutex.Lock()
		for _, connection := range open {
			_ = connection.Close()
		}
		mutex.Unlock()
		group.Wait()
	})
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			mutex.Lock()
			open = append(open, client, server)
			mutex.Unlock()
			group.Go(func() { p.copy(server, client) })
			group.Go(func() { p.copy(client, server) })
		}
	})
	return p
}

func (p *proxy) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		p.wait()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				_ = from.Close()
			}
			return
		}
	}
}

func TestServerHangs(t *testing.T) {
	t.Parallel()
	direct := pgtest.URL(t)
	proxy := newProxy(t, direct)
	locks, other := open(t, proxy.url), open(t, direct)
	a, b := take(t, locks, "a"), take(t, locks, "b")
	ctx := a.Context(t.Context())
	proxy.freeze()

	// Nobody waits for longer than the context.
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := locks.Try(short, "c")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	requireTaken(t, other)

	require.Eventually(t, func() bool { return errors.Is(b.Check(t.Context()), lock.ErrLost) }, soon, time.Millisecond)
	require.ErrorIs(t, requireEnds(t, ctx), lock.ErrLost)
	a.Release()
	proxy.thaw()
	b.Release()
	requireFree(t, other, "a")
	requireFree(t, locks, "b")
	requireFree(t, locks, "c")
}

func TestCloseWhileServerHangs(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t, pgtest.URL(t))
	locks := open(t, proxy.url)
	held := take(t, locks, "a")
	proxy.freeze()
	require.NoError(t, locks.Close())
	require.Error(t, held.Check(t.Context()))
	proxy.thaw()
}
