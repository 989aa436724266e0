package provision_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// pick takes some of all, in any order.
func pick(r *rand.Rand, n int, all []string) []string {
	out := []string{}
	for _, i := range r.Perm(len(all))[:min(n, len(all))] {
		out = append(out, all[i])
	}
	return out
}

// randomState is a small state, most of whose names and numbers others have too.
func randomState(r *rand.Rand) *provision.State {
	s := &provision.State{}
	numbers := r.Perm(14)
	num := func() string { n := numbers[0]; numbers = numbers[1:]; return fmt.Sprintf("2%02d", n) }
	users := pick(r, 1+r.IntN(5), []string{"ann", "ben", "cat", "dan", "eve", "fay"})
	groups := pick(r, r.IntN(4), []string{"g1", "g2", "g3", "g4"})
	for _, u := range users {
		w := provision.User{User: u, DisplayName: fmt.Sprint("D", r.IntN(3)), ExtensionNumber: num()}
		if r.IntN(3) == 0 {
			w.Groups = pick(r, r.IntN(3), groups)
		}
		if r.IntN(3) == 0 {
			w.Password = infinitysip.NewSecret(fmt.Sprint("p", r.IntN(100)))
		}
		s.Users = append(s.Users, w)
	}
	s.Groups = []provision.Group{}
	for _, g := range groups {
		w := provision.Group{Name: g, ExtensionNumber: num()}
		if r.IntN(2) == 0 {
			w.Members = pick(r, r.IntN(4), users)
		}
		s.Groups = append(s.Groups, w)
	}
	for _, q := range pick(r, r.IntN(3), []string{"q1", "q2"}) {
		w := provision.Queue{Name: q, ExtensionNumber: num()}
		if r.IntN(3) > 0 && len(groups) > 0 {
			w.Members = []provision.QueueMember{}
			for range r.IntN(4) {
				w.Members = append(w.Members, provision.QueueMember{Group: groups[r.IntN(len(groups))], RingSecs: new(10 + r.IntN(3))})
			}
		}
		s.Queues = append(s.Queues, w)
	}
	for i := range 4 {
		if r.IntN(2) == 0 {
			d := provision.Device{MACAddress: fmt.Sprintf("00:00:5E:00:53:%02d", i)}
			switch r.IntN(3) {
			case 0:
				d.Owner = new(users[r.IntN(len(users))])
			case 1:
				d.Owner = new("")
			}
			s.Devices = append(s.Devices, d)
		}
	}
	if r.IntN(5) == 0 {
		s.Groups = nil
	}
	if r.IntN(5) == 0 {
		s.Devices = nil
	}
	return s
}

// held is how many things there are, and how many hang on others.
func (a *acme) held() int {
	n := len(a.Users(a.domain)) + len(a.Groups(a.domain)) + len(a.Queues(a.domain)) + len(a.Devices(a.domain))
	for _, g := range a.Groups(a.domain) {
		n += len(a.GroupUsers(a.domain, g.ID))
	}
	for _, q := range a.Queues(a.domain) {
		n += len(a.QueueMembers(a.domain, q.ID))
	}
	for _, d := range a.Devices(a.domain) {
		if d.UserID != 0 {
			n++
		}
	}
	return n
}

// Between any two states: what the plan says it deletes is what goes, a plan that is
// saved or cut can be applied, and after it there is nothing left to do.
func TestFromStateToState(t *testing.T) {
	t.Parallel()
	skipped, cuts, applied := 0, 0, 0
	for seed := range 120 {
		r := rand.New(rand.NewPCG(uint64(seed), 9))
		a := newAcme(t)
		one, two := randomState(r), randomState(r)
		p, err := provision.Plan(t.Context(), a.client, a.domain, one, nil)
		if err != nil {
			skipped++
			continue
		}
		_, err = p.Apply(t.Context(), a.client, nil)
		require.NoError(t, err, "seed %d", seed)
		opts := &provision.PlanOptions{Prune: r.IntN(3) > 0, MaxDeletes: 1000, CreateOnly: r.IntN(5) == 0, SetSecrets: r.IntN(4) == 0}
		if r.IntN(4) == 0 {
			opts.Unsettled = []provision.Credential{{User: "ann", Password: infinitysip.NewSecret("x")}, {User: "ben", PIN: infinitysip.NewSecret("12")}}
		}
		p, err = provision.Plan(t.Context(), a.client, a.domain, two, opts)
		if err != nil {
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
			skipped++
			continue
		}
		if r.IntN(3) == 0 {
			share := r.Float64()
			cut, err := p.Only(func(c *provision.Change) bool { return r.Float64() < share })
			if err == nil {
				cuts++
				_, err := cut.Apply(t.Context(), a.client, nil)
				require.NoError(t, err, "seed %d cut\n%v\nof\n%v", seed, cut, p)
				p, err = provision.Plan(t.Context(), a.client, a.domain, two, opts)
				require.NoError(t, err, "seed %d", seed)
			}
		}
		data, err := json.Marshal(p)
		require.NoError(t, err)
		var back provision.Changes
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, p.Digest(), back.Digest())
		before := a.held()
		more := 0 // than Deletes says
		for _, c := range p.Items {
			switch {
			case c.Op == provision.OpCreate && c.Kind == provision.KindGroupMembers:
				more += len(c.Members)
			case c.Op == provision.OpCreate:
				more++
			case c.Op == provision.OpDelete && c.Kind == provision.KindDevice && c.From != nil:
				more-- // its user loses it, too
			case c.Between && c.Kind == provision.KindOwner:
				more-- // and it is given again
			}
		}
		of := two.Secrets()
		_, err = back.Apply(t.Context(), a.client, &provision.ApplyOptions{Secrets: func(u string) (provision.Credential, error) {
			c, err := of(u)
			if c.Password.IsZero() {
				c.Password = infinitysip.NewSecret("x")
			}
			if c.PIN.IsZero() {
				c.PIN = infinitysip.NewSecret("12")
			}
			return c, err
		}})
		require.NoError(t, err, "seed %d\n%v", seed, p)
		applied++
		require.Equal(t, before+more-p.Deletes(), a.held(), "seed %d\n%v", seed, p)
		o := *opts
		o.SetSecrets, o.Unsettled = false, nil
		again, err := provision.Plan(t.Context(), a.client, a.domain, two, &o)
		require.NoError(t, err, "seed %d", seed)
		require.True(t, again.Empty(), "seed %d\n%v\nthen\n%v", seed, p, again)
	}
	require.Positive(t, cuts)
	require.Greater(t, applied, skipped/2)
}
