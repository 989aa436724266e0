package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// The server finds a domain in another case too. Two names of one domain would be two runs at
// once.
func TestNameInAnotherCase(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		right := w.add("Head Office", "ann")
		w.want("head office", "ann", "bob")
		require.NoError(t, w.db.Enqueue(t.Context(), right, fleet.Domain{Account: "acme", Name: "head office"}))
		status := w.run(over)
		require.Equal(t, fleet.HealthRight, status[0].Health, status[0].Error)
		require.Equal(t, fleet.HealthFailing, status[1].Health)
		require.Contains(t, status[1].Error, `the server calls the domain "Head Office"`)
		require.Len(t, w.server.Users(w.server.Domains()[0].ID), 1)
	})
}

// One run lists the domains for all others, and again when names have changed.
func TestDomainsAreListedOnce(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		w.config.Plan = provision.PlanOptions{Prune: true, MaxDeletes: 1}
		lists := func() (n int) {
			for _, r := range w.server.Requests() {
				if r.Op == "Domains.List" {
					n++
				}
			}
			w.server.ResetRequests()
			return n
		}
		var all []fleet.Domain
		for i := range 20 {
			all = append(all, w.add(fmt.Sprint("Office ", i), fmt.Sprint("user", i)))
		}
		require.NoError(t, w.db.Enqueue(t.Context(), all...))
		defer w.start()()
		right := func(since time.Time) func(status []fleet.DomainStatus) bool {
			return func(status []fleet.DomainStatus) bool {
				for _, d := range status {
					if d.Health != fleet.HealthRight || d.At.Before(since) || d.Job != fleet.JobNone {
						return false
					}
				}
				return true
			}
		}
		w.wait(right(time.Time{}))
		require.Equal(t, 1, lists())

		// Two domains swap their names.
		domains := w.server.Domains()
		for i, name := range []string{"Office 1", "Office 0"} {
			require.NoError(t, w.server.InProcessClient().Domains.Update(t.Context(), domains[i].ID, infinitysip.DomainUpdateParams{DisplayName: name}))
		}
		now := time.Now()
		require.NoError(t, w.db.Enqueue(t.Context(), all...))
		w.wait(right(now))
		require.LessOrEqual(t, lists(), 2)
		for i, user := range []string{"user1", "user0"} {
			users := w.server.Users(domains[i].ID)
			require.Len(t, users, 1)
			require.Equal(t, user, users[0].User)
		}

		// There may be two of a name.
		w.server.AddDomain(infinitysip.Domain{DisplayName: "Annex"})
		annex := w.add("Annex", "ann")
		require.NoError(t, w.db.Enqueue(t.Context(), annex))
		status := w.wait(func(status []fleet.DomainStatus) bool { return status[0].Health != fleet.HealthNew })
		require.Equal(t, fleet.HealthFailing, status[0].Health)
		require.Contains(t, status[0].Error, `find domain "Annex"`)
	})
}
