package trials

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"pgregory.net/rapid"
)

// One program at a time keeps a domain, while requests fail and lists lag. It cannot
// read what it has kept, so it sets new secrets for those that are unsettled. In the end all
// is as it should be, nothing is there twice, and each password that was confirmed last is
// the one in force.
func TestAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		d.options.ListLag = rapid.SampledFrom([]time.Duration{0, 0, 2 * time.Second}).Draw(rt, "list lag")
		seed := rapid.Uint64().Draw(rt, "seed")
		var failed error
		// Out here no failure may leave the bubble but as an error.
		synctest.Test(t, func(t *testing.T) { failed = alone(t.Context(), seed, d) })
		if failed != nil {
			rt.Fatal(failed)
		}
	})
}

func alone(ctx context.Context, seed uint64, d *drawn) error {
	tr, err := begin(ctx, d)
	if err != nil {
		return err
	}
	defer tr.Close()
	client := tr.InProcessClient(over(&flaky{RoundTripper: tr.transport(), random: rand.New(rand.NewPCG(seed, 1))}))
	kept := new(store)
	for round := 0; ; round++ {
		time.Sleep(time.Minute) // for the client's quota, and until the lists show everything
		tr.opts.Unsettled = renewed(kept.unsettled(), round)
		changes, err := provision.Plan(ctx, client, tr.domain, tr.desired, &tr.opts)
		if err == nil && changes.Empty() {
			break
		}
		if round == 200 {
			return fmt.Errorf("not done after %d rounds: %w", round, err)
		}
		if err != nil {
			continue
		}
		began := time.Now()
		_, err = changes.Apply(ctx, client, &provision.ApplyOptions{Workers: 4, Keep: kept.Keep, Settle: kept.Settle, Alone: true, LimitWait: -1})
		if took := time.Since(began); took > time.Hour {
			return fmt.Errorf("it took %v: %w", took, err)
		}
		for _, c := range kept.unsettled() {
			if c.State != provision.CredentialUnknown {
				return fmt.Errorf("%s was kept and not settled: %w", c.User, err)
			}
		}
	}
	tr.opts.Unsettled = nil
	if err := tr.settled(ctx); err != nil {
		return err
	}
	return tr.inForce(kept)
}

// renewed are credentials with other secrets.
func renewed(all []provision.Credential, round int) []provision.Credential {
	for i := range all {
		if !all[i].Password.IsZero() {
			all[i].Password = infinitysip.NewSecret(fmt.Sprintf("renewed in %d for %d", round, i))
		}
		if !all[i].PIN.IsZero() {
			all[i].PIN = infinitysip.NewSecret(fmt.Sprint(4000 + round))
		}
	}
	return all
}
