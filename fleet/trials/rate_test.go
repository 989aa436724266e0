//go:build unix

package trials

import (
	"fmt"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// count tells how many requests of a stretch of time were accepted and refused, and by how
// many workers they were made.
func (a *account) count(from, to time.Time) (accepted, refused, workers int) {
	by := map[string]bool{}
	for _, r := range a.requests() {
		switch {
		case r.at.Before(from) || !r.at.Before(to):
			continue
		case r.status == 429:
			refused++
		default:
			accepted++
		}
		by[r.from] = true
	}
	return accepted, refused, len(by)
}

// Four processes share the rate of an account.
func TestRate(t *testing.T) {
	const rate, seconds = 50, 6
	onBoth(t, func(t *testing.T, url string) {
		a := newAccount(t, "north", siptest.Options{Limit: &siptest.Limit{Requests: rate}})
		tr := begin(t, url, a)
		for range 40 {
			tr.add("north", wish{Users: 15})
		}
		tr.orders.Rate, tr.orders.Grace = rate, time.Second
		require.NoError(t, tr.db.Enqueue(t.Context(), tr.domains...))
		for range 4 {
			tr.start()
		}
		tr.allAtWork(a)
		from := time.Now()
		time.Sleep(seconds * time.Second)
		accepted, refused, workers := a.count(from, from.Add(seconds*time.Second))
		share, refusals := float64(accepted)/(rate*seconds), 1000*float64(refused)/float64(accepted+refused)
		fmt.Printf("figure: %s: four processes use %.3f of %d/s, with %.1f refusals a 1,000\n", t.Name(), share, rate, refusals)
		require.Equal(t, 4, workers)
		require.GreaterOrEqual(t, share, 0.95)
		require.LessOrEqual(t, refusals, 5.0)
		require.Less(t, tr.right(tr.domains), len(tr.domains), "the work was too little to measure by")
		tr.stop()
		tr.requireNoSecretShown()
	})
}

// allAtWork waits until each worker has sent a request.
func (tr *trial) allAtWork(a *account) {
	tr.Helper()
	require.Eventually(tr, func() bool {
		_, _, workers := a.count(time.Time{}, time.Now())
		return workers == len(tr.workers)
	}, 30*time.Second, 20*time.Millisecond, "not all workers send requests")
}

// right is how many of the domains are.
func (tr *trial) right(domains []fleet.Domain) int {
	tr.Helper()
	return len(domains) - len(tr.wrong(domains))
}

// Many domains of an account that is slow do not hold up those of another.
func TestSlowAccount(t *testing.T) {
	t.Parallel()
	for _, how := range []struct {
		name  string
		rate  float64
		slow  siptest.Options
		users int
	}{
		{"the server refuses", 0, siptest.Options{Limit: &siptest.Limit{Requests: 2, Burst: 1}}, 4},
		{"the server refuses and says when", 50, siptest.Options{Limit: &siptest.Limit{Requests: 2, Burst: 1, RetryAfter: siptest.RetryAfterSeconds}}, 4},
		{"its rate is used up", 10, siptest.Options{}, 20},
	} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, url string) {
				slow, quick := newAccount(t, "slow", how.slow), newAccount(t, "quick", siptest.Options{})
				tr := begin(t, url, slow, quick)
				var first, others []fleet.Domain
				for range 3 {
					others = append(others, tr.add("quick", wish{Users: 4, Bare: true}))
				}
				for range 60 {
					first = append(first, tr.add("slow", wish{Users: how.users, Bare: true}))
				}
				tr.orders.Rate, tr.orders.Grace = how.rate, time.Second
				require.NoError(t, tr.db.Enqueue(t.Context(), others...))
				tr.start()
				tr.start()
				tr.whole(30*time.Second, others...)
				require.NoError(t, tr.db.Enqueue(t.Context(), first...))
				require.Eventually(t, func() bool { return len(slow.requests()) > 10 }, 30*time.Second, 20*time.Millisecond)
				tr.bump(others...)
				took := tr.whole(2*time.Minute, others...)
				done := tr.right(first)
				fmt.Printf("figure: %s: right are all %d domains of the quick account, and %d of %d of the slow one\n", t.Name(), len(others), done, len(first))
				fmt.Printf("%s: they were right after %.1f s\n", t.Name(), took.Seconds())
				require.Less(t, done, len(first)/2)
				tr.stop()
				tr.requirePlansEmpty(others)
				tr.requireNoSecretShown()
			})
		})
	}
}
