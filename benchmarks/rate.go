package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	xrate "golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
	"github.com/infinitysip/infinitysip/siptest"
)

const (
	perSecond   = 50
	rateWorkers = 16
)

// A limiter is what a server says yes by. Its budget is the most that it can
// have said in a run from began to ended.
type limiter struct {
	name   string
	allow  func() bool
	budget func(began, ended time.Time) float64
}

func limiters() []*limiter {
	return []*limiter{bucket(50), bucket(5), fixedWindow()}
}

func bucket(size int) *limiter {
	tokens := xrate.NewLimiter(perSecond, size)
	return &limiter{
		name:   fmt.Sprintf("bucket of %d", size),
		allow:  tokens.Allow,
		budget: func(began, ended time.Time) float64 { return float64(size) + perSecond*ended.Sub(began).Seconds() },
	}
}

func fixedWindow() *limiter {
	var mu sync.Mutex
	var window time.Time
	var used int
	return &limiter{
		name: "fixed window",
		allow: func() bool {
			mu.Lock()
			defer mu.Unlock()
			if now := time.Now().Truncate(time.Second); now != window {
				window, used = now, 0
			}
			used++
			return used <= perSecond
		},
		budget: func(began, ended time.Time) float64 {
			windows := ended.Truncate(time.Second).Sub(began.Truncate(time.Second)).Seconds() + 1
			return perSecond * windows
		},
	}
}

// A limited is a server that refuses what the limiter does not allow.
type limited struct {
	server  http.RoundTripper
	limiter *limiter
	refused atomic.Int64
}

// RoundTrip answers 429 with a Retry-After of a second, or hands on.
func (l *limited) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.limiter.allow() {
		return l.server.RoundTrip(req)
	}
	l.refused.Add(1)
	refusal := &bench.Memory{Answer: func(*http.Request) (int, io.Reader) {
		return http.StatusTooManyRequests, strings.NewReader("slow down")
	}}
	resp, err := refusal.RoundTrip(req)
	if err == nil {
		resp.Header.Set("Retry-After", "1")
	}
	return resp, err
}

const (
	wayRetryable = "retryablehttp, its defaults"
	wayLimit     = "this SDK, WithRateLimit(50, 1)"
	wayNoLimit   = "this SDK, no limit configured"
)

// A rateWay makes what creates user n.
type rateWay struct {
	name   string
	create func(transport http.RoundTripper) func(n int) error
}

func rateWays() []rateWay {
	return []rateWay{
		{wayRetryable, func(transport http.RoundTripper) func(int) error {
			client := retryablehttp.NewClient()
			client.Logger, client.HTTPClient = nil, &http.Client{Transport: transport}
			return func(n int) error {
				_, err := send(func(req *http.Request) (*http.Response, error) { return retry(client, req) }, formOf(userParams(n)).values())
				return err
			}
		}},
		{wayLimit, sdkCreates(infinitysip.WithRateLimit(perSecond, 1))},
		{wayNoLimit, sdkCreates()},
	}
}

func sdkCreates(opts ...infinitysip.Option) func(http.RoundTripper) func(int) error {
	return func(transport http.RoundTripper) func(int) error {
		client := bench.SDK(transport, opts...)
		return func(n int) error {
			_, err := client.Users.Create(context.Background(), 1, userParams(n))
			return err
		}
	}
}

type rated struct {
	perSecond, ofBudget float64
	refused             float64 // a 1,000 creates
	lost                int
}

// rateOne has workers create n users on a server with a limit.
func rateOne(create func(http.RoundTripper) func(int) error, limiter *limiter, n int) (rated, error) {
	server := siptest.NewServer(siptest.Options{APIKey: bench.Key, Latency: latency, AllowDuplicates: true})
	defer server.Close()
	server.AddDomain(infinitysip.Domain{ID: 1})
	transport := &limited{server: server.Transport(), limiter: limiter}
	one := create(transport)

	var lost atomic.Int64
	began := time.Now()
	bench.Workers(rateWorkers, n, func(i int) {
		if one(i) != nil {
			lost.Add(1)
		}
	})
	ended := time.Now()
	made := len(server.Users(1))
	if made+int(lost.Load()) != n {
		return rated{}, fmt.Errorf("%d users of %d, and %d calls that failed", made, n, lost.Load())
	}
	return rated{
		perSecond: float64(made) / ended.Sub(began).Seconds(),
		ofBudget:  float64(made) / limiter.budget(began, ended),
		refused:   float64(transport.refused.Load()) * 1000 / float64(n),
		lost:      int(lost.Load()),
	}, nil
}

// rateRounds has every way work against every server a few times, each begun
// at another part of a second, since a server may count by those. All of them
// go on at once: they wait, most of the time.
func rateRounds(ways []rateWay, rounds, n int) (results [][]rated, err error) {
	results = make([][]rated, len(ways)*len(limiters()))
	errs := make(chan error, rounds*len(results))
	var group sync.WaitGroup
	for i, way := range ways {
		for j := range limiters() {
			all := make([]rated, rounds)
			results[i*len(limiters())+j] = all
			for round := range rounds {
				group.Go(func() {
					time.Sleep(time.Second * time.Duration(round) / time.Duration(rounds))
					var err error
					if all[round], err = rateOne(way.create, limiters()[j], n); err != nil {
						errs <- err
					}
				})
			}
		}
	}
	group.Wait()
	close(errs)
	return results, <-errs
}

// usual is the median of the rounds, and the most that one of them lost.
func usual(rounds []rated) rated {
	median := func(of func(rated) float64) float64 {
		var all []float64
		for _, one := range rounds {
			all = append(all, of(one))
		}
		return bench.Median(all)
	}
	lost := 0
	for _, one := range rounds {
		lost = max(lost, one.lost)
	}
	return rated{
		perSecond: median(func(r rated) float64 { return r.perSecond }),
		ofBudget:  median(func(r rated) float64 { return r.ofBudget }),
		refused:   median(func(r rated) float64 { return r.refused }),
		lost:      lost,
	}
}

// rate prints the table on servers with a limit.
func rate(w io.Writer, c config) error {
	n, rounds := c.pick(1_000, 300), c.rounds(5)
	ways := rateWays()
	results, err := rateRounds(ways, rounds, n)
	if err != nil {
		return err
	}
	table := &bench.Table{
		Title: fmt.Sprintf("Rate limit: %d creates by %d workers, servers that allow %d a second", n, rateWorkers, perSecond),
		Note: fmt.Sprintf("A refusal is a 429 with a Retry-After of 1 s. The budget is the most that the server could have accepted in the time, its first burst included. "+
			"Lost are calls that ended in an error. Medians of %d runs, and the most that one of them lost.", rounds),
		Head: []string{"way", "server", "creates a second", "of the limit", "of the budget", "refused a 1,000", "lost"},
	}
	for i, way := range ways {
		least, most := rated{perSecond: math.Inf(1), ofBudget: math.Inf(1)}, rated{}
		for j, limiter := range limiters() {
			r := usual(results[i*len(limiters())+j])
			table.Add(way.name, limiter.name, fmt.Sprintf("%.1f", r.perSecond), fmt.Sprintf("%.2f", r.perSecond/perSecond), fmt.Sprintf("%.2f", r.ofBudget),
				bench.Number(r.refused), fmt.Sprint(r.lost))
			least = rated{perSecond: min(least.perSecond, r.perSecond), ofBudget: min(least.ofBudget, r.ofBudget)}
			most = rated{refused: max(most.refused, r.refused), lost: max(most.lost, r.lost)}
		}
		switch on := way.name + ", worst of the three: "; way.name {
		case wayLimit:
			table.Goals = append(table.Goals,
				bench.AtLeast(0.95, "", on+"share of the limit", least.perSecond/perSecond),
				bench.AtMost(5, "", on+"refused a 1,000", most.refused),
				bench.AtMost(0, "", on+"lost", float64(most.lost)))
		case wayNoLimit:
			table.Goals = append(table.Goals,
				bench.AtLeast(0.90, "", on+"share of the budget", least.ofBudget),
				bench.AtMost(60, "", on+"refused a 1,000", most.refused),
				bench.AtMost(0, "", on+"lost", float64(most.lost)))
		}
	}
	table.Print(w)
	return nil
}
