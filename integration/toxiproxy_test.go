// Package integration puts what nobody here wrote between a client and a server:
// toxiproxy, which spoils the connections, and nginx, which limits the calls,
// ends connections, and loses its own. The module is separate, so that package
// infinitysip does not depend on toxiproxy.
//
// TestNginx needs nginx, with TLS and HTTP/2 (Debian's package nginx-light is
// enough). Without it the test is skipped, or fails if it runs with -nginx.
package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

const (
	key      = "canary-key-7Zq"
	password = "canary-pass-9Xw"
	rounds   = 4
	workers  = 8
	// soon is when that comes which needs no time but the machine's.
	soon = time.Minute
)

// toxics are the kinds of trouble, as toxiproxy's own API writes them.
var toxics = []string{
	`{"type":"reset_peer","stream":"upstream"}`,
	`{"type":"reset_peer","stream":"downstream"}`,
	`{"type":"reset_peer","stream":"downstream","attributes":{"timeout":40}}`,
	`{"type":"timeout","stream":"upstream"}`,
	`{"type":"timeout","stream":"downstream"}`,
	`{"type":"timeout","stream":"downstream","attributes":{"timeout":40}}`,
	`{"type":"limit_data","stream":"upstream","attributes":{"bytes":300}}`,
	`{"type":"limit_data","stream":"downstream","attributes":{"bytes":150}}`,
	`{"type":"limit_data","stream":"downstream","attributes":{"bytes":2000}}`,
	`{"type":"slow_close","stream":"downstream","attributes":{"delay":100}}`,
	`{"type":"latency","stream":"upstream","attributes":{"latency":80,"jitter":80}}`,
	`{"type":"latency","stream":"downstream","attributes":{"latency":80,"jitter":80}}`,
	`{"type":"bandwidth","stream":"upstream","attributes":{"rate":1}}`,
	`{"type":"bandwidth","stream":"downstream","attributes":{"rate":4}}`,
}

func TestMain(m *testing.M) {
	flag.Parse()
	zerolog.SetGlobalLevel(zerolog.Disabled)
	// The tests wait for most of their time, so more of them may do so at once
	// than there are processors.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestToxiproxy makes calls through every kind of trouble, on all connections
// and on some, and holds what they claimed against what the server has when
// all is over. Toxiproxy draws which connections it spoils itself, from a
// source that cannot be seeded; no check depends on the draw.
func TestToxiproxy(t *testing.T) {
	before := goroutines()
	sum := new(figures)
	t.Run("toxics", func(t *testing.T) {
		for _, toxic := range toxics {
			for _, toxicity := range []float32{1, 0.3} {
				spoilt := fmt.Sprintf(`%s,"toxicity":%v}`, strings.TrimSuffix(toxic, "}"), toxicity)
				t.Run(spoilt, func(t *testing.T) {
					t.Parallel()
					through(t, spoilt, sum)
				})
			}
		}
	})
	fmt.Printf("figure: toxiproxy: %v\n", sum)
	require.Positive(t, sum.successes.Load())
	require.Positive(t, sum.unknown.Load(), "no call was in trouble")
	for deadline := time.Now().Add(soon); goroutines() > before; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "goroutines are left")
	}
}

// goroutines counts those that are not toxiproxy's own, some of which wait for
// ever for a connection that is gone.
func goroutines() (n int) {
	stacks := make([]byte, 8<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if !strings.Contains(stack, "Shopify/toxiproxy") {
			n++
		}
	}
	return n
}

type figures struct {
	calls, successes, unknown, duplicates, falseSuccesses, hiddenCreates, wrongOutcomes, leaks atomic.Int64
}

func (f *figures) String() string {
	return fmt.Sprintf("%d calls through %d kinds of trouble, %d successes, %d errors of unknown outcome; "+
		"duplicates %d, false successes %d, hidden creates %d, wrong outcomes %d, leaks %d",
		f.calls.Load(), 2*len(toxics), f.successes.Load(), f.unknown.Load(),
		f.duplicates.Load(), f.falseSuccesses.Load(), f.hiddenCreates.Load(), f.wrongOutcomes.Load(), f.leaks.Load())
}

// claim is a call, and what the server must have of it when all is over: none
// of it, or all of it. Every call is about things of its own.
type claim struct {
	name  string
	do    func(context.Context) (int64, error)
	found func() (ids []int64) // what it was to make, one id for each
	whole int                  // how many of them there are when it was applied
	reads bool                 // it changes nothing: its own error is all there is to it

	id  int64
	err error
}

func through(t *testing.T, toxic string, sum *figures) {
	// On a server that allows duplicates they would show.
	srv := siptest.NewServer(siptest.Options{AllowDuplicates: true, APIKey: key})
	defer srv.Close()
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), toxic, "127.0.0.1:0", strings.TrimPrefix(srv.URL(), "http://"))
	require.NoError(t, proxy.Start())
	defer proxy.Stop()
	_, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic))
	require.NoError(t, err)

	log := new(lockedBuffer)
	client, err := infinitysip.NewClient(infinitysip.APIKey(key),
		infinitysip.WithBaseURL("http://"+proxy.Listen),
		infinitysip.WithLogger(slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		infinitysip.WithLimits(infinitysip.Limits{HeaderTimeout: 250 * time.Millisecond, ProgressTimeout: 250 * time.Millisecond, AttemptTimeout: 400 * time.Millisecond, ErrorTimeout: 100 * time.Millisecond}),
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{
			MaxAttempts: 3, BaseWait: 5 * time.Millisecond, MaxWait: 20 * time.Millisecond, Quota: 1_000_000,
			VerifyWaits: []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond},
		}))
	require.NoError(t, err)

	claims := prepare(t, srv, client)
	next := make(chan *claim)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for c := range next {
				c.id, c.err = c.do(t.Context())
				client.CloseIdleConnections() // what is spoilt is a connection: take another
			}
		})
	}
	for i := range claims {
		next <- &claims[i]
	}
	close(next)
	group.Wait()

	// Nothing more comes of what is under way.
	client.CloseIdleConnections()
	proxy.Toxics.ResetToxics(t.Context()) // which ends what waits in it
	proxy.Stop()
	idle(t, srv)
	for i := range claims {
		claims[i].judge(t, sum)
	}
	search(t, sum, "the log", log.String())
}

// idle waits until the server has no connections and no calls.
func idle(t *testing.T, srv *siptest.Server) {
	for deadline := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		if _, open := srv.Connections(); open == 0 {
			break
		}
		require.True(t, time.Now().Before(deadline), "connections are left open")
	}
	srv.Wait()
}

func (c *claim) judge(t *testing.T, sum *figures) {
	sum.calls.Add(1)
	failed, ok := errors.AsType[*infinitysip.Error](c.err)
	switch {
	case c.err == nil:
		sum.successes.Add(1)
	case errors.Is(c.err, errLacks):
		sum.falseSuccesses.Add(1)
		t.Errorf("%s: %v", c.name, c.err)
		return
	case !ok:
		t.Errorf("%s: no *Error: %v", c.name, c.err)
		return
	case failed.Outcome == infinitysip.OutcomeUnknown:
		sum.unknown.Add(1)
	}
	if c.err != nil {
		marshalled, _ := json.Marshal(c.err)
		search(t, sum, c.name, fmt.Sprintf("%v %+v %#v %q %x %s", c.err, c.err, c.err, c.err, c.err, marshalled))
	}
	if c.reads {
		if ok && failed.Outcome != infinitysip.OutcomeNotApplied {
			sum.wrongOutcomes.Add(1)
			t.Errorf("%s only reads: %v", c.name, c.err)
		}
		return
	}
	ids := c.found()
	lied := func(count *atomic.Int64) {
		count.Add(1)
		t.Errorf("%s: id %d, there are %v: %v", c.name, c.id, ids, c.err)
	}
	switch {
	case len(ids) > c.whole:
		lied(&sum.duplicates)
	case (c.err == nil || failed.Outcome == infinitysip.OutcomeApplied) && len(ids) != c.whole,
		c.err == nil && c.id != 0 && ids[0] != c.id:
		lied(&sum.falseSuccesses)
	case c.err == nil || failed.Outcome != infinitysip.OutcomeNotApplied || len(ids) == 0:
	case strings.HasSuffix(c.name, ".Create"):
		lied(&sum.hiddenCreates)
	default:
		lied(&sum.wrongOutcomes)
	}
}

func search(t *testing.T, sum *figures, name, text string) {
	for _, secret := range []string{key, password, fmt.Sprintf("%x", key), fmt.Sprintf("%x", password)} {
		if strings.Contains(text, secret) {
			sum.leaks.Add(1)
			t.Errorf("%s shows %s", name, secret)
		}
	}
}

// errLacks is a list that is complete, by its own word, and is not.
var errLacks = errors.New("rows are missing")

func user(name string) infinitysip.UserCreateParams {
	return infinitysip.UserCreateParams{User: name, Password: infinitysip.NewSecret(password), DisplayName: name, ExtensionNumber: name}
}

// prepare fills the server, and returns the calls to make on it.
func prepare(t *testing.T, srv *siptest.Server, client *infinitysip.Client) (claims []claim) {
	ctx := t.Context()
	direct := srv.InProcessClient()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	group := func(name string) infinitysip.GroupCreateParams {
		return infinitysip.GroupCreateParams{Name: name, DisplayName: name, ExtensionNumber: name, CallerNameFormat: "{displayName}"}
	}
	var lasting []infinitysip.UserID
	for i := range 20 {
		id, err := direct.Users.Create(ctx, domain, user(fmt.Sprint("lasting", i)))
		require.NoError(t, err)
		lasting = append(lasting, id)
	}
	for i := range 5 {
		_, err := direct.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: "lasting", MACAddress: fmt.Sprintf("0a:00:00:00:01:%02x", i)})
		require.NoError(t, err)
	}
	usersWhere := func(is func(infinitysip.User) bool) func() []int64 {
		return func() (ids []int64) {
			for _, u := range srv.Users(domain) {
				if is(u) {
					ids = append(ids, int64(u.ID))
				}
			}
			return ids
		}
	}
	for i := range rounds {
		name := fmt.Sprint("new", i)
		network := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 24)
		mac := fmt.Sprintf("0A:00:00:00:00:%02X", i)
		changed, err := direct.Users.Create(ctx, domain, user(fmt.Sprint("changed", i)))
		require.NoError(t, err)
		deleted, err := direct.Users.Create(ctx, domain, user(fmt.Sprint("deleted", i)))
		require.NoError(t, err)
		joined, err := direct.Groups.Create(ctx, domain, group(fmt.Sprint("joined", i)))
		require.NoError(t, err)

		claims = append(claims,
			claim{name: "Users.Create", whole: 1,
				do: func(ctx context.Context) (int64, error) {
					id, err := client.Users.Create(ctx, domain, user(name))
					return int64(id), err
				},
				found: usersWhere(func(u infinitysip.User) bool { return u.User == name })},
			claim{name: "Groups.Create", whole: 1,
				do: func(ctx context.Context) (int64, error) {
					id, err := client.Groups.Create(ctx, domain, group(name))
					return int64(id), err
				},
				found: func() (ids []int64) {
					for _, g := range srv.Groups(domain) {
						if g.Name == name {
							ids = append(ids, int64(g.ID))
						}
					}
					return ids
				}},
			claim{name: "TrustedNetworks.Create", whole: 1,
				do: func(ctx context.Context) (int64, error) {
					id, err := client.TrustedNetworks.Create(ctx, domain, infinitysip.TrustedNetworkCreateParams{Network: network, Description: name})
					return int64(id), err
				},
				found: func() (ids []int64) {
					for _, n := range srv.TrustedNetworks(domain) {
						if n.Network == network {
							ids = append(ids, int64(n.ID))
						}
					}
					return ids
				}},
			claim{name: "Devices.Create", whole: 1,
				do: func(ctx context.Context) (int64, error) {
					id, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: name, MACAddress: mac})
					return int64(id), err
				},
				found: func() (ids []int64) {
					for _, d := range srv.Devices(domain) {
						if d.MACAddress == mac {
							ids = append(ids, int64(d.ID))
						}
					}
					return ids
				}},
			claim{name: "Users.Update", whole: 1,
				do: func(ctx context.Context) (int64, error) {
					return 0, client.Users.Update(ctx, domain, changed, infinitysip.UserUpdateParams{Email: new(name), Password: new(infinitysip.NewSecret(password))})
				},
				found: usersWhere(func(u infinitysip.User) bool { return u.Email == name })},
			claim{name: "Users.Delete", whole: 1, // one that is gone
				do: func(ctx context.Context) (int64, error) { return 0, client.Users.Delete(ctx, domain, deleted) },
				found: func() []int64 {
					if len(usersWhere(func(u infinitysip.User) bool { return u.ID == deleted })()) > 0 {
						return nil
					}
					return []int64{int64(deleted)}
				}},
			claim{name: "Groups.AddUsers", whole: 5,
				do: func(ctx context.Context) (int64, error) {
					return 0, client.Groups.AddUsers(ctx, domain, joined, lasting[:5])
				},
				found: func() (ids []int64) {
					for _, id := range srv.GroupUsers(domain, joined) {
						ids = append(ids, int64(id))
					}
					return ids
				}},
			claim{name: "Users.List", reads: true, do: func(ctx context.Context) (int64, error) {
				rows, err := client.Users.List(ctx, domain)
				kept := 0
				for _, row := range rows {
					if strings.HasPrefix(row.User, "lasting") {
						kept++
					}
				}
				if err == nil && kept != len(lasting) {
					return 0, errLacks
				}
				return 0, err
			}},
			claim{name: "Devices.All", reads: true, do: func(ctx context.Context) (int64, error) {
				kept, err := count(client.Devices.All(ctx, domain, nil), func(d infinitysip.Device) bool { return d.Name == "lasting" })
				if err == nil && kept != 5 {
					return 0, errLacks
				}
				return 0, err
			}},
		)
	}
	return claims
}

func count[R any](rows iter.Seq2[R, error], is func(R) bool) (n int, err error) {
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		if is(row) {
			n++
		}
	}
	return n, nil
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}
