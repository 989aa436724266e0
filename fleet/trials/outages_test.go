//go:build unix

package trials

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// An account whose server refuses everything for a while waits without failing, and holds up nobody.
// A client waits for 15 seconds at most, and fails at once if the server wants more: so on SQLite it
// wants less, and on PostgreSQL more.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		wait := 8 * time.Second
		if url != "" {
			wait = 17 * time.Second
		}
		shut, open := newAccount(t, "shut", siptest.Options{}), newAccount(t, "open", siptest.Options{})
		tr := begin(t, url, shut, open)
		var waiting, others []fleet.Domain
		for range 20 {
			waiting = append(waiting, tr.add("shut", wish{Users: 5}))
			others = append(others, tr.add("open", wish{Users: 5}))
		}
		tr.orders.Rate = 200
		require.NoError(t, tr.db.Enqueue(t.Context(), waiting...))
		tr.start()
		tr.start()
		require.Eventually(t, func() bool { return len(shut.requests()) > 100 }, 30*time.Second, 5*time.Millisecond)
		refusing := siptest.Limit{Requests: 1, Per: time.Hour, RetryAfterText: fmt.Sprint(int(wait.Seconds()))}
		shut.srv.SetLimit(&refusing)
		from := time.Now()
		require.NoError(t, tr.db.Enqueue(t.Context(), others...))
		took := tr.whole(time.Minute, others...) // while the account is still refused

		_, refused, _ := shut.count(from, time.Now())
		most := tr.mostAttempts()
		time.Sleep(time.Until(from.Add(wait - time.Second)))
		_, later, _ := shut.count(from, time.Now())
		fmt.Printf("figure: %s: %d requests were refused at first, %d in all; the most attempts of a job: %d\n", t.Name(), refused, later, most)
		fmt.Printf("%s: in %.0f s; the other account's domains were right after %.1f s\n", t.Name(), time.Since(from).Seconds(), took.Seconds())
		require.LessOrEqual(t, most, 1, "waiting used up attempts")
		require.LessOrEqual(t, max(most, tr.mostAttempts()), 1, "waiting used up attempts")
		require.Less(t, later, 100, "the server is asked again and again")
		for d, s := range tr.status() {
			require.NotEqual(t, fleet.HealthFailing, s.Health, "%s: %s", d, s.Error)
		}
		require.Less(t, tr.right(waiting), len(waiting), "there was nothing left to wait")

		shut.srv.SetLimit(nil)
		took = tr.whole(time.Minute, tr.domains...)
		fmt.Printf("%s: the account's domains were right %.1f s after the time was over\n", t.Name(), took.Seconds()-1)
		tr.finish(tr.domains)
	})
}

// mostAttempts are the most that a job has used up.
func (tr *trial) mostAttempts() (most int) {
	tr.Helper()
	require.NoError(tr, tr.raw.Query(tr.Context(), func(scan func(...any) error) error { return scan(&most) }, "SELECT coalesce(max(attempt), 0) FROM river_job WHERE kind = 'fleet_domain'"))
	return most
}

// The database goes away during runs and comes back.
func TestDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	try := func(t *testing.T, url string, away func(tr *trial)) {
		t.Parallel()
		a := newAccount(t, "north", siptest.Options{Latency: 5 * time.Millisecond})
		tr := begin(t, url, a)
		for range 30 {
			tr.add("north", wish{Users: 10})
		}
		require.NoError(t, tr.db.Enqueue(t.Context(), tr.domains...))
		tr.start()
		tr.start()
		tr.allAtWork(a)
		for range 3 {
			require.Eventually(t, func() bool { return tr.jobs()["running"] > 0 }, 30*time.Second, time.Millisecond)
			tr.pause(100*time.Millisecond, 500*time.Millisecond)
			away(tr)
			tr.bump(tr.domains[:10]...)
		}
		took := tr.whole(2*time.Minute, tr.domains...)
		fmt.Printf("%s, seed %d: the domains were right %.1f s after the database was back\n", t.Name(), tr.seed, took.Seconds())
		tr.finish(tr.domains)
	}
	t.Run("SQLite", func(t *testing.T) {
		try(t, "", func(tr *trial) { // another program holds the lock for writing
			connection, err := tr.raw.File.Conn(tr.Context())
			require.NoError(tr, err)
			defer func() { require.NoError(tr, connection.Close()) }()
			_, err = connection.ExecContext(tr.Context(), "BEGIN IMMEDIATE")
			require.NoError(tr, err)
			time.Sleep(3 * time.Second)
			_, err = connection.ExecContext(tr.Context(), "ROLLBACK")
			require.NoError(tr, err)
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := pgtest.New(t)
		try(t, server.URL(t), func(tr *trial) {
			server.Stop(tr)
			tr.pause(500*time.Millisecond, 3*time.Second)
			server.Start(tr)
			require.Eventually(tr, func() bool { // the connections of this process
				_, err := tr.db.Status(tr.Context())
				return err == nil && tr.raw.Pool.Ping(context.WithoutCancel(tr.Context())) == nil
			}, 10*time.Second, 20*time.Millisecond)
		})
	})
}

// What cannot be done says so, shows no secret, and holds up nothing else.
func TestBadInput(t *testing.T) {
	const secret = "the-password-in-the-panic"
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		a := newAccount(t, "north", siptest.Options{})
		tr := begin(t, url, a)
		var good []fleet.Domain
		for range 10 {
			good = append(good, tr.add("north", wish{Users: 5}))
		}
		odd := func(how string) fleet.Domain { return tr.add("north", wish{Users: 5, Odd: how, Secret: secret}) }
		texts := map[fleet.Domain]string{
			odd("fails"):                            "the store of states is closed for the night",
			odd("panics"):                           "panic",
			odd("problems"):                         "Ann",
			{Account: "north", Name: "nowhere"}:     "not found",
			{Account: "nobody's", Name: "domain-1"}: "nobody's",
		}
		require.NoError(t, tr.orders.Wishes.write("north", "nowhere", wish{Users: 5}))
		require.NoError(t, tr.orders.Wishes.write("nobody's", "domain-1", wish{Users: 5}))
		all := append([]fleet.Domain{}, good...)
		for d := range texts {
			all = append(all, d)
		}
		require.NoError(t, tr.db.Enqueue(t.Context(), all...))
		tr.start()
		tr.start()
		tr.whole(time.Minute, good...)
		require.Eventually(t, func() bool {
			for d, s := range tr.status() {
				if texts[d] != "" && s.Health == fleet.HealthNew {
					return false
				}
			}
			return true
		}, 30*time.Second, 20*time.Millisecond)
		for d, s := range tr.status() {
			if want := texts[d]; want != "" {
				require.Equal(t, fleet.HealthFailing, s.Health, d)
				require.Contains(t, s.Error, want, d)
				tr.Logf("%s: %s", d, s.Error)
				results, err := tr.db.Results(t.Context(), d, 10)
				require.NoError(t, err)
				require.NotEmpty(t, results, d)
				require.Contains(t, results[0].Error, want, d)
			}
		}
		// What is mended is right at the next run.
		var mended []fleet.Domain
		for _, d := range tr.domains[len(good):] {
			w := tr.wish(d)
			w.Odd, w.Rev = "", w.Rev+1
			require.NoError(t, tr.orders.Wishes.write(d.Account, d.Name, w))
			mended = append(mended, d)
		}
		tr.ids[fleet.Domain{Account: "north", Name: "nowhere"}] = a.srv.AddDomain(infinitysip.Domain{DisplayName: "nowhere"})
		mended = append(mended, fleet.Domain{Account: "north", Name: "nowhere"})
		require.NoError(t, tr.db.Enqueue(t.Context(), mended...))
		took := tr.whole(30*time.Second, mended...)
		fmt.Printf("figure: %s: %d domains failed and said why\n", t.Name(), len(texts))
		fmt.Printf("%s: what was mended was right after %.1f s\n", t.Name(), took.Seconds())
		lines := strings.Count(fmt.Sprint(tr.status()), secret)
		require.Zero(t, lines)
		// The account that nobody knows goes on failing: its job is not looked at.
		require.NoError(t, tr.db.Forget(t.Context(), fleet.Domain{Account: "nobody's", Name: "domain-1"}))
		tr.stop()
		tr.requirePlansEmpty(append(good, mended...))
		tr.requireNoDuplicates()
		tr.requireSecretsInForce(append(good, mended...))
		tr.requireNoSecretShown()
	})
}
