// Package trials puts package provision through domains and states drawn at
// random, and measures it at the size of a large company. It is a module of its
// own, because of rapid.
package trials

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"pgregory.net/rapid"
)

// trial is a server, what it holds, and what it is to hold.
type trial struct {
	*siptest.Server
	domain  infinitysip.DomainID
	before  model
	desired *provision.State
	opts    provision.PlanOptions
	want    model
}

func drawOptions(t *rapid.T) siptest.Options {
	return siptest.Options{
		CreateBody:        rapid.SampledFrom([]siptest.CreateBody{siptest.CreateBodyID, siptest.CreateBodyRow, siptest.CreateBodyNone}).Draw(t, "create body"),
		UndocumentedQuery: rapid.SampledFrom([]siptest.UndocumentedQuery{siptest.IgnoreQuery, siptest.HonourQuery, siptest.RejectQuery}).Draw(t, "query"),
		BareNumbers:       rapid.Bool().Draw(t, "bare numbers"),
		EchoSecrets:       rapid.Bool().Draw(t, "echo secrets"),
		AllowDuplicates:   rapid.Bool().Draw(t, "allow duplicates"),
	}
}

func draw(t *rapid.T) (siptest.Options, model, *provision.State, bool) {
	before := drawModel(t)
	prune := rapid.Bool().Draw(t, "prune")
	return drawOptions(t), before, drawState(t, before, prune), prune
}

func begin(ctx context.Context, options siptest.Options, before model, desired *provision.State, prune bool) (*trial, error) {
	srv := siptest.NewServer(options)
	tr := &trial{srv, srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"}), before, desired,
		provision.PlanOptions{Prune: prune, MaxDeletes: 1000}, after(before, desired, prune)}
	if err := load(ctx, srv, tr.domain, before); err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	srv.ResetRequests()
	return tr, nil
}

func drawTrial(ctx context.Context, t *rapid.T) *trial {
	options, before, desired, prune := draw(t)
	tr, err := begin(ctx, options, before, desired, prune)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// settle plans and applies, after which all is to be as it should.
func (tr *trial) settle(ctx context.Context, t *rapid.T) {
	if _, err := tr.once(ctx, tr.InProcessClient()); err != nil {
		t.Fatal(err)
	}
	if err := tr.settled(ctx); err != nil {
		t.Fatal(err)
	}
}

// once plans and applies. It tells whether there was nothing to do.
func (tr *trial) once(ctx context.Context, client *infinitysip.Client) (empty bool, err error) {
	changes, err := provision.Plan(ctx, client, tr.domain, tr.desired, &tr.opts)
	if err != nil {
		return false, fmt.Errorf("plan: %w", err)
	}
	if changes.Empty() {
		return true, nil
	}
	_, err = changes.Apply(ctx, client, &provision.ApplyOptions{Workers: 4})
	return false, err
}

// settled tells what is not as it should be when all is done.
func (tr *trial) settled(ctx context.Context) error {
	tr.ResetRequests()
	empty, err := tr.once(ctx, tr.InProcessClient())
	if err != nil || !empty {
		changes, _ := provision.Plan(ctx, tr.InProcessClient(), tr.domain, tr.desired, &tr.opts)
		return fmt.Errorf("the plan afterwards: %w, %v", err, changes)
	}
	for _, r := range tr.Requests() {
		if r.Method != http.MethodGet {
			return fmt.Errorf("an empty plan sent %s", r.Op)
		}
	}
	got, err := held(tr.Server, tr.domain)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(plain(got), plain(tr.want)) {
		return fmt.Errorf("the server holds\n%+v, not\n%+v", plain(got), plain(tr.want))
	}
	return nil
}

// plain makes nil of empty lists.
func plain(m model) model {
	for name, g := range m.Groups {
		g.Members = append([]string(nil), g.Members...)
		m.Groups[name] = g
	}
	for name, q := range m.Queues {
		q.Members = append([]member(nil), q.Members...)
		m.Queues[name] = q
	}
	return m
}

func TestApplySettlesEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := drawTrial(t.Context(), rt)
		tr.settle(t.Context(), rt)
	})
}

// crash is a transport that ends with its request number at, before that is
// sent or before its answer is read.
type crash struct {
	http.RoundTripper
	mu      sync.Mutex
	n, at   int
	applied bool
	end     context.CancelFunc
}

func (c *crash) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.n++
	n := c.n
	c.mu.Unlock()
	if n > c.at || n == c.at && !c.applied {
		c.end()
		return nil, errors.New("the power is gone")
	}
	resp, err := c.RoundTripper.RoundTrip(req)
	if n == c.at {
		if err == nil {
			_ = resp.Body.Close()
		}
		c.end()
		return nil, errors.New("the power is gone")
	}
	return resp, err
}

func TestCrashAtAnyRequest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := drawTrial(t.Context(), rt)
		for range rapid.IntRange(1, 3).Draw(rt, "crashes") {
			ctx, cancel := context.WithCancel(t.Context())
			broken := &crash{RoundTripper: tr.Transport(), at: rapid.IntRange(1, 60).Draw(rt, "at"), applied: rapid.Bool().Draw(rt, "applied"), end: cancel}
			_, err := tr.once(ctx, tr.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: broken})))
			cancel()
			if err == nil && broken.n >= broken.at {
				rt.Fatal("a crash passed for a success")
			}
		}
		tr.settle(t.Context(), rt)
	})
}

// flaky is a transport of which a fifth of the requests fail, in all the ways
// in which one can.
type flaky struct {
	http.RoundTripper
	mu     sync.Mutex
	random *rand.Rand
	faults int
}

func (f *flaky) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	fails, how := f.random.IntN(5) == 0, f.random.IntN(6)
	if fails {
		f.faults++
	}
	f.mu.Unlock()
	answer := func(status int) (*http.Response, error) {
		return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader("out of order")), Request: req}, nil
	}
	if !fails {
		return f.RoundTripper.RoundTrip(req)
	}
	if how%2 == 1 { // it is carried out all the same
		resp, err := f.RoundTripper.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	switch how {
	case 0, 1:
		return nil, io.ErrUnexpectedEOF
	case 2, 3:
		return answer(http.StatusServiceUnavailable)
	case 4:
		return answer(http.StatusTooManyRequests)
	}
	return answer(http.StatusBadGateway)
}

func TestFaultsUntilItIsDone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		options, before, desired, prune := draw(rt)
		seed := rapid.Uint64().Draw(rt, "seed")
		var failed error
		// Out here no failure may leave the bubble but as an error.
		synctest.Test(t, func(t *testing.T) { failed = untilDone(t.Context(), seed, options, before, desired, prune) })
		if failed != nil {
			rt.Fatal(failed)
		}
	})
}

func untilDone(ctx context.Context, seed uint64, options siptest.Options, before model, desired *provision.State, prune bool) error {
	tr, err := begin(ctx, options, before, desired, prune)
	if err != nil {
		return err
	}
	defer tr.Close()
	client := tr.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: &flaky{RoundTripper: tr.Transport(), random: rand.New(rand.NewPCG(seed, 1))}}))
	for round := 0; ; round++ {
		empty, err := tr.once(ctx, client)
		if err == nil && empty {
			break
		}
		if round == 200 {
			return fmt.Errorf("not done after %d rounds: %w", round, err)
		}
		if err != nil {
			time.Sleep(time.Minute) // for the client's quota, and for latecomers
		}
	}
	return tr.settled(ctx)
}

// A change that fails leaves nobody with nothing: a queue rings somebody, who
// goes to another group is in one of the two, and a phone is somebody's. It is
// otherwise only where what was before is deleted.
func TestFailureLeavesNobodyWithNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := drawTrial(t.Context(), rt)
		op := rapid.SampledFrom([]string{"Users.Create", "Users.Update", "Users.Delete", "Groups.Create", "Groups.Update", "Groups.Delete",
			"Groups.AddUsers", "Groups.RemoveUsers", "Queues.CreateMember", "Queues.UpdateMember", "Queues.DeleteMember"}).Draw(rt, "op")
		tr.Fail(siptest.On(op).Nth(rapid.IntRange(1, 3).Draw(rt, "nth")).Status(http.StatusForbidden))
		if _, err := tr.once(t.Context(), tr.InProcessClient()); err != nil && !errors.Is(err, infinitysip.ErrForbidden) {
			rt.Fatal(err)
		}
		got, err := held(tr.Server, tr.domain)
		if err != nil {
			rt.Fatal(err)
		}
		for name, before := range tr.before.Queues {
			stays := slices.ContainsFunc(before.Members, func(m member) bool { _, ok := tr.want.Groups[m.Group]; return ok })
			if stays && len(tr.want.Queues[name].Members) > 0 && len(got.Queues[name].Members) == 0 {
				rt.Fatal("queue without members:", name)
			}
		}
		for name := range tr.want.Users {
			stays := slices.ContainsFunc(tr.before.groupsOf(name), func(group string) bool { _, ok := tr.want.Groups[group]; return ok })
			if stays && len(tr.want.groupsOf(name)) > 0 && len(got.groupsOf(name)) == 0 {
				rt.Fatal("user without groups:", name)
			}
		}
		for mac, before := range tr.before.Devices {
			_, stays := tr.want.Users[before.Owner]
			if stays && tr.want.Devices[mac].Owner != "" && got.Devices[mac].Owner == "" {
				rt.Fatal("device without owner:", mac)
			}
		}
		tr.settle(t.Context(), rt)
	})
}

// Two at once may get into each other's way, and nothing worse: what the server
// keeps unique stays so, and a plan again settles it.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		options, before, desired, prune := draw(rt)
		options.AllowDuplicates = false
		for i := range desired.Queues {
			desired.Queues[i].Members = nil // which have no key
		}
		tr, err := begin(t.Context(), options, before, desired, prune)
		if err != nil {
			rt.Fatal(err)
		}
		defer tr.Close()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { _, _ = tr.once(t.Context(), tr.InProcessClient()) })
		}
		both.Wait()
		tr.settle(t.Context(), rt)
	})
}

func TestMaxDeletesBoundsPrune(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		options, before, desired, _ := draw(rt)
		tr, err := begin(t.Context(), options, before, desired, false)
		if err != nil {
			rt.Fatal(err)
		}
		defer tr.Close()
		opts := &provision.PlanOptions{Prune: true, MaxDeletes: rapid.IntRange(0, 5).Draw(rt, "max")}
		changes, err := provision.Plan(t.Context(), tr.InProcessClient(), tr.domain, desired, opts)
		if errors.Is(err, infinitysip.ErrInvalid) {
			rt.Skip("what is drawn here may want a number that is kept")
		}
		over := changes.Deletes() > opts.MaxDeletes
		if over != errors.Is(err, provision.ErrTooManyDeletes) {
			rt.Fatal(changes, err)
		}
		if !over {
			return
		}
		tr.ResetRequests()
		if _, err := changes.Apply(t.Context(), tr.InProcessClient(), nil); !errors.Is(err, provision.ErrTooManyDeletes) {
			rt.Fatal(err)
		}
		for _, r := range tr.Requests() {
			if r.Method != http.MethodGet {
				rt.Fatal("sent", r.Op)
			}
		}
	})
}

// The state of a domain plans to nothing, also when it has been written and
// read.
func TestReadDomainPlansToNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr, err := begin(t.Context(), drawOptions(rt), drawModel(rt), new(provision.State), false)
		if err != nil {
			rt.Fatal(err)
		}
		defer tr.Close()
		state, err := provision.ReadDomain(t.Context(), tr.InProcessClient(), tr.domain)
		if err != nil {
			rt.Fatal(err)
		}
		var asJSON, asCSV strings.Builder
		if err := errors.Join(state.WriteJSON(&asJSON), state.WriteCSV(&asCSV)); err != nil {
			rt.Fatal(err)
		}
		fromJSON, err := provision.ReadJSON(strings.NewReader(asJSON.String()))
		if err != nil {
			rt.Fatal(err)
		}
		fromCSV, err := provision.ReadCSV(strings.NewReader(asCSV.String()))
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(state, fromJSON) {
			rt.Fatal("JSON changed it")
		}
		for name, s := range map[string]*provision.State{"as it is": state, "as JSON": fromJSON, "as CSV": fromCSV} {
			opts := &provision.PlanOptions{Prune: name != "as CSV"} // which leaves out devices of nobody
			changes, err := provision.Plan(t.Context(), tr.InProcessClient(), tr.domain, s, opts)
			if err != nil || !changes.Empty() {
				rt.Fatal(name, err, changes)
			}
		}
	})
}
