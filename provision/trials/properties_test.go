// Package trials puts package provision through domains and states drawn at
// random, and measures it at the size of a large company. It is a module of its
// own, because of rapid.
package trials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// drawn is what a trial is made of.
type drawn struct {
	options siptest.Options
	before  model
	names   *speller // as the server spells them
	desired *provision.State
	prune   bool
	want    model
	lists   uint64 // 0: the server's lists are as siptest has them
}

func drawOptions(t *rapid.T) siptest.Options {
	return siptest.Options{
		CreateBody:        rapid.SampledFrom([]siptest.CreateBody{siptest.CreateBodyID, siptest.CreateBodyRow, siptest.CreateBodyNone}).Draw(t, "create body"),
		UndocumentedQuery: rapid.SampledFrom([]siptest.UndocumentedQuery{siptest.UndocumentedQueryIgnored, siptest.UndocumentedQueryHonoured, siptest.UndocumentedQueryRejected}).Draw(t, "query"),
		BareNumbers:       rapid.Bool().Draw(t, "bare numbers"),
		EchoSecrets:       rapid.Bool().Draw(t, "echo secrets"),
		AllowDuplicates:   rapid.Bool().Draw(t, "allow duplicates"),
	}
}

func draw(t *rapid.T) *drawn {
	d := &drawn{options: drawOptions(t), before: drawModel(t), names: drawSpeller(t, "server's spelling"), prune: rapid.Bool().Draw(t, "prune")}
	d.draw(t, false)
	return d
}

// draw draws what is to be, for what is there.
func (d *drawn) draw(t *rapid.T, keepNumbers bool) {
	d.desired = drawState(t, d.before, d.prune, keepNumbers)
	d.want = after(d.before, d.desired, d.prune)
	if names := drawSpeller(t, "state's spelling"); names != nil {
		names.respell(d.desired)
	}
	if rapid.Bool().Draw(t, "odd lists") {
		d.lists = rapid.Uint64().Draw(t, "lists")
	}
}

// trial is a server, what it holds, and what it is to hold.
type trial struct {
	*siptest.Server
	*drawn
	domain infinitysip.DomainID
	opts   provision.PlanOptions
}

func begin(ctx context.Context, d *drawn) (*trial, error) {
	domains.Add(1)
	srv := siptest.NewServer(d.options)
	tr := &trial{srv, d, srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"}), provision.PlanOptions{Prune: d.prune, MaxDeletes: 1000}}
	if err := load(ctx, srv, tr.domain, d.before, d.names); err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	srv.ResetRequests()
	return tr, nil
}

func (d *drawn) begin(t *rapid.T) *trial {
	tr, err := begin(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// transport is the way to the server, whose lists may be in any order and need not
// show the ids of users in groups.
func (tr *trial) transport() http.RoundTripper {
	if tr.lists == 0 {
		return tr.Transport()
	}
	return &oddLists{RoundTripper: tr.Transport(), random: rand.New(rand.NewPCG(tr.lists, 2)), withoutIDs: tr.lists%2 == 1}
}

func over(transport http.RoundTripper) infinitysip.Option {
	return infinitysip.WithHTTPClient(&http.Client{Transport: transport})
}

func (tr *trial) client() *infinitysip.Client { return tr.InProcessClient(over(tr.transport())) }

// oddLists shuffles the rows of answers.
type oddLists struct {
	http.RoundTripper
	mu         sync.Mutex
	random     *rand.Rand
	withoutIDs bool
}

var userID = regexp.MustCompile(`"userId":("\d+"|\d+),?`)

func (o *oddLists) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.RoundTripper.RoundTrip(req)
	if err != nil || req.Method != http.MethodGet || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	rows := strings.SplitAfter(string(body), "\n")
	rows = slices.DeleteFunc(rows, func(row string) bool { return row == "" })
	if o.withoutIDs && strings.HasSuffix(req.URL.Path, "/users") && strings.Contains(req.URL.Path, "/groups/") {
		for i := range rows {
			rows[i] = userID.ReplaceAllString(rows[i], "")
		}
	}
	o.mu.Lock()
	o.random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	o.mu.Unlock()
	text := strings.Join(rows, "")
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return resp, nil
}

// settle plans and applies, after which all is to be as it should.
func (tr *trial) settle(ctx context.Context, t *rapid.T) {
	if _, err := tr.once(ctx, tr.client(), nil); err != nil {
		t.Fatal(err)
	}
	if err := tr.settled(ctx); err != nil {
		t.Fatal(err)
	}
}

// once plans and applies what is left of the plan when it was written and read. It
// tells whether there was nothing to do.
func (tr *trial) once(ctx context.Context, client *infinitysip.Client, opts *provision.ApplyOptions) (empty bool, err error) {
	changes, err := provision.Plan(ctx, client, tr.domain, tr.desired, &tr.opts)
	if err != nil {
		return false, fmt.Errorf("plan: %w", err)
	}
	saved, err := readBack(changes)
	if err != nil {
		return false, fmt.Errorf("%w\n%v", err, changes)
	}
	if saved.Empty() {
		return true, nil
	}
	if opts == nil {
		opts = &provision.ApplyOptions{Workers: 4}
	}
	opts.Secrets = tr.secrets()
	_, err = saved.Apply(ctx, client, opts)
	return false, err
}

// secrets are those of the state, and before them those that were left unsettled.
func (tr *trial) secrets() func(string) (provision.Credential, error) {
	given := tr.desired.Secrets()
	return func(user string) (provision.Credential, error) {
		c, err := given(user)
		for _, left := range tr.opts.Unsettled {
			if fold(left.User) != fold(user) {
				continue
			}
			if !left.Password.IsZero() {
				c.Password = left.Password
			}
			if !left.PIN.IsZero() {
				c.PIN = left.PIN
			}
		}
		return c, err
	}
}

// readBack is a plan that was written and read.
func readBack(plan *provision.Changes) (*provision.Changes, error) {
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("the plan is not written: %w", err)
	}
	for _, secret := range []string{"given to ", "4711"} {
		if strings.Contains(string(text), secret) {
			return nil, fmt.Errorf("the plan tells a secret: %s", text)
		}
	}
	saved := new(provision.Changes)
	if err := json.Unmarshal(text, saved); err != nil {
		return nil, fmt.Errorf("the plan is not read: %w: %s", err, text)
	}
	if !reflect.DeepEqual(public(plan), public(saved)) || plan.String() != saved.String() || plan.Digest() != saved.Digest() || plan.Deletes() != saved.Deletes() {
		return nil, fmt.Errorf("the plan that was read is another: %s", text)
	}
	return saved, nil
}

// public is all of a plan but the secrets of its state.
func public(plan *provision.Changes) provision.Changes {
	return provision.Changes{Domain: plan.Domain, Items: plan.Items, Notes: plan.Notes, MaxDeletes: plan.MaxDeletes, Rings: plan.Rings, Spares: plan.Spares}
}

// settled tells what is not as it should be when all is done.
func (tr *trial) settled(ctx context.Context) error {
	tr.ResetRequests()
	empty, err := tr.once(ctx, tr.client(), nil)
	if err != nil || !empty {
		changes, _ := provision.Plan(ctx, tr.client(), tr.domain, tr.desired, &tr.opts)
		return fmt.Errorf("the plan afterwards: %w, %v", err, changes)
	}
	if sent := tr.sent(); sent != "" {
		return fmt.Errorf("an empty plan sent %s", sent)
	}
	got, err := held(tr.Server, tr.domain)
	if err != nil {
		return err
	}
	if err := differ(got, tr.want); err != nil {
		return err
	}
	return tr.secretsSet()
}

// sent is a request that may have changed something; "" if there was none.
func (tr *trial) sent() string {
	for _, r := range tr.Requests() {
		if r.Method != http.MethodGet {
			return r.Op
		}
	}
	return ""
}

// secretsSet tells which user has not the password or the PIN that the state gives.
func (tr *trial) secretsSet() error {
	given := tr.desired.Secrets()
	for _, u := range tr.Users(tr.domain) {
		c, err := given(u.User)
		if _, old := tr.before.Users[fold(u.User)]; err != nil || old {
			continue
		}
		if !c.Password.IsZero() && !c.Password.Equal(u.Password) || !c.PIN.IsZero() && !c.PIN.Equal(u.PIN) {
			return fmt.Errorf("user %s has another password or PIN than the state says", u.User)
		}
	}
	return nil
}

func differ(got, want model) error {
	if !reflect.DeepEqual(plain(got), plain(want)) {
		return fmt.Errorf("the server holds\n%+v, not\n%+v", plain(got), plain(want))
	}
	return nil
}

// plain makes nil of empty lists, and leaves out what a state does not say.
func plain(m model) model {
	m = copied(m)
	for name, g := range m.Groups {
		g.Members = append([]string(nil), g.Members...)
		m.Groups[name] = g
	}
	for name, q := range m.Queues {
		q.Members = append([]member(nil), q.Members...)
		for i := range q.Members {
			q.Members[i].Row, q.Members[i].Order = 0, 0
		}
		m.Queues[name] = q
	}
	return m
}

func TestApplySettlesEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := draw(rt).begin(rt)
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

	conflicts bool // it also says that something is there which is not
}

func (f *flaky) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	fails, how := f.random.IntN(5) == 0, f.random.IntN(6)
	if f.conflicts && f.random.IntN(7) == 0 {
		how = 6
	}
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
	case 6:
		return answer(http.StatusConflict)
	}
	return answer(http.StatusBadGateway)
}

func TestFaultsUntilItIsDone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		seed := rapid.Uint64().Draw(rt, "seed")
		var failed error
		// Out here no failure may leave the bubble but as an error.
		synctest.Test(t, func(t *testing.T) { failed = untilDone(t.Context(), seed, d) })
		if failed != nil {
			rt.Fatal(failed)
		}
	})
}

func untilDone(ctx context.Context, seed uint64, d *drawn) error {
	tr, err := begin(ctx, d)
	if err != nil {
		return err
	}
	defer tr.Close()
	client := tr.InProcessClient(over(&flaky{RoundTripper: tr.transport(), random: rand.New(rand.NewPCG(seed, 1))}))
	for round := 0; ; round++ {
		empty, err := tr.once(ctx, client, nil)
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
		tr := draw(rt).begin(rt)
		op := rapid.SampledFrom([]string{"Users.Create", "Users.Update", "Users.Delete", "Groups.Create", "Groups.Update", "Groups.Delete",
			"Groups.AddUsers", "Groups.RemoveUsers", "Queues.CreateMember", "Queues.UpdateMember", "Queues.DeleteMember"}).Draw(rt, "op")
		tr.Fail(siptest.On(op).Nth(rapid.IntRange(1, 3).Draw(rt, "nth")).Status(http.StatusForbidden))
		if _, err := tr.once(t.Context(), tr.client(), nil); err != nil && !errors.Is(err, infinitysip.ErrForbidden) {
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
		d := draw(rt)
		d.options.AllowDuplicates = false
		for i := range d.desired.Queues {
			q := &d.desired.Queues[i]
			q.Members = nil // which have no key
			want := d.want.Queues[fold(q.Name)]
			want.Members = slices.DeleteFunc(slices.Clone(d.before.Queues[fold(q.Name)].Members), func(m member) bool {
				_, there := d.want.Groups[m.Group]
				return !there
			})
			d.want.Queues[fold(q.Name)] = want
		}
		tr := d.begin(rt)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { _, _ = tr.once(t.Context(), tr.client(), nil) })
		}
		both.Wait()
		tr.settle(t.Context(), rt)
	})
}

func TestMaxDeletesBoundsPrune(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := draw(rt).begin(rt)
		opts := &provision.PlanOptions{Prune: true, MaxDeletes: rapid.IntRange(0, 5).Draw(rt, "max")}
		changes, err := provision.Plan(t.Context(), tr.client(), tr.domain, tr.desired, opts)
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
		if sent := tr.sent(); sent != "" {
			rt.Fatal("sent", sent)
		}
	})
}

// The state of a domain plans to nothing, also when it has been written and
// read.
func TestReadDomainPlansToNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := (&drawn{options: drawOptions(rt), before: drawModel(rt), names: drawSpeller(rt, "spelling"), lists: rapid.Uint64().Draw(rt, "lists")}).begin(rt)
		for _, q := range tr.Queues(tr.domain) { // members of one place have no order
			for i, row := range tr.QueueMembers(tr.domain, q.ID) {
				if err := tr.client().Queues.UpdateMember(t.Context(), tr.domain, q.ID, row.ID, infinitysip.QueueMemberUpdateParams{RingOrder: new(i)}); err != nil {
					rt.Fatal(err)
				}
			}
		}
		state, err := provision.ReadDomain(t.Context(), tr.client(), tr.domain)
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
		fromCSV, err := provision.ReadCSV(strings.NewReader(asCSV.String()), nil)
		if err != nil {
			rt.Fatal(err)
		}
		var again strings.Builder
		if err := fromJSON.WriteJSON(&again); err != nil || again.String() != norm.NFC.String(asJSON.String()) {
			rt.Fatal("JSON changed it", err)
		}
		for name, s := range map[string]*provision.State{"as it is": state, "as JSON": fromJSON, "as CSV": fromCSV} {
			opts := &provision.PlanOptions{Prune: name != "as CSV"} // which leaves out devices of nobody
			changes, err := provision.Plan(t.Context(), tr.client(), tr.domain, s, opts)
			if err != nil || !changes.Empty() {
				rt.Fatal(name, err, changes)
			}
		}
	})
}
