package trials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"pgregory.net/rapid"
)

// crash is a transport that ends with its request number at, before that is
// sent or before its answer is read.
type crash struct {
	http.RoundTripper
	mu      sync.Mutex
	n, at   int
	applied bool
	end     func()
}

var errPower = errors.New("the power is gone")

func (c *crash) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.n++
	n := c.n
	c.mu.Unlock()
	if n > c.at || n == c.at && !c.applied {
		c.end()
		return nil, errPower
	}
	resp, err := c.RoundTripper.RoundTrip(req)
	if n == c.at {
		if err == nil {
			_ = resp.Body.Close()
		}
		c.end()
		return nil, errPower
	}
	return resp, err
}

// crashed runs something that ends with a request drawn, after which nothing of it
// goes on, if it comes so far.
func (tr *trial) crashed(t *rapid.T, kept *store, run func(context.Context, *infinitysip.Client) error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	broken := &crash{RoundTripper: tr.transport(), at: rapid.IntRange(1, 60).Draw(t, "at"), applied: rapid.Bool().Draw(t, "applied"), end: func() {
		kept.die()
		cancel()
	}}
	err := run(ctx, tr.InProcessClient(over(broken)))
	if err == nil && broken.n >= broken.at {
		t.Fatal("a crash passed for a success")
	}
	kept.revive()
}

func (s *store) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
}

func (s *store) revive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = false
}

// After crashes at any request another run takes it up and settles everything, and
// the passwords that are written down are those that are in force.
func TestCrashAtAnyRequest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := draw(rt).begin(rt)
		kept, alone := new(store), rapid.Bool().Draw(rt, "alone")
		keep := func() *provision.ApplyOptions {
			return &provision.ApplyOptions{Workers: 4, Keep: kept.Keep, Settle: kept.Settle, Alone: alone}
		}
		for range rapid.IntRange(1, 3).Draw(rt, "crashes") {
			tr.opts.Unsettled = kept.unsettled()
			tr.crashed(rt, kept, func(ctx context.Context, client *infinitysip.Client) error {
				_, err := tr.once(ctx, client, keep())
				return err
			})
		}
		tr.opts.Unsettled = kept.unsettled()
		if _, err := tr.once(rt.Context(), tr.client(), keep()); err != nil {
			rt.Fatal(err)
		}
		if tr.opts.Unsettled = kept.unsettled(); len(tr.opts.Unsettled) > 0 && !tr.nobody(tr.opts.Unsettled) {
			rt.Fatal("left unsettled:", tr.opts.Unsettled)
		}
		if err := tr.settled(rt.Context()); err != nil {
			rt.Fatal(err)
		}
		if err := tr.inForce(kept); err != nil {
			rt.Fatal(err)
		}
	})
}

// nobody reports whether the credentials are of users who are not in the state.
func (tr *trial) nobody(all []provision.Credential) bool {
	in := tr.desired.Secrets()
	for _, c := range all {
		if _, err := in(c.User); err == nil {
			return false
		}
	}
	return true
}

// inForce tells who has another password than the one that was written down: the
// last that is confirmed or, if none is, the last that was proposed.
func (tr *trial) inForce(kept *store) error {
	confirmed, proposed, _ := kept.passwords()
	for _, u := range tr.Users(tr.domain) {
		password, ok := confirmed[fold(u.User)]
		if !ok {
			password, ok = proposed[fold(u.User)]
		}
		_, old := tr.before.Users[fold(u.User)]
		switch {
		case !ok && !old:
			return fmt.Errorf("no password of %s is written down", u.User)
		case ok && !password.Equal(u.Password):
			return fmt.Errorf("%s has another password than the one that is written down", u.User)
		}
	}
	return nil
}

// A saved plan of which a part was done does nothing, or all of it if none was.
func TestSavedPlanAfterACrash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := draw(rt).begin(rt)
		kept := new(store)
		_, saved := tr.plan(rt)
		if saved.Empty() {
			return
		}
		options := &provision.ApplyOptions{Workers: 4, Keep: kept.Keep, Settle: kept.Settle, Secrets: tr.desired.Secrets()}
		before := tr.held(rt)
		tr.crashed(rt, kept, func(ctx context.Context, client *infinitysip.Client) error {
			_, err := saved.Apply(ctx, client, options)
			return err
		})
		cut := tr.held(rt)
		tr.ResetRequests()
		_, err := saved.Apply(rt.Context(), tr.client(), options)
		switch {
		case errors.Is(err, provision.ErrStale):
			if sent := tr.sent(); sent != "" {
				rt.Fatal("stale, and sent", sent)
			}
			if differ(before, cut) == nil {
				rt.Fatal("nothing was done, and it is stale:", err)
			}
		case err != nil:
			rt.Fatal(err)
		case differ(before, cut) != nil:
			// What was done left nothing that the plan names.
			if err := differ(tr.held(rt), tr.want); err != nil {
				rt.Fatal("applied to something else:", err, saved)
			}
		default:
			if err := differ(tr.held(rt), tr.want); err != nil {
				rt.Fatal(err)
			}
		}
		tr.opts.Unsettled = kept.unsettled()
		if _, err := tr.once(rt.Context(), tr.client(), options); err != nil {
			rt.Fatal(err)
		}
		tr.opts.Unsettled = nil
		if err := tr.settled(rt.Context()); err != nil {
			rt.Fatal(err)
		}
		if err := tr.inForce(kept); err != nil {
			rt.Fatal(err)
		}
	})
}
