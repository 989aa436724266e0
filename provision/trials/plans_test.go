package trials

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"pgregory.net/rapid"
)

// plan plans, and reads back what was written of it.
func (tr *trial) plan(t *rapid.T) (plan, saved *provision.Changes) {
	plan, err := provision.Plan(t.Context(), tr.client(), tr.domain, tr.desired, &tr.opts)
	if err != nil {
		t.Fatal("plan:", err)
	}
	if saved, err = readBack(plan); err != nil {
		t.Fatal(err, plan)
	}
	return plan, saved
}

func (tr *trial) held(t *rapid.T) model {
	got, err := held(tr.Server, tr.domain)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// done applies a plan, which is to do what its data say.
func (tr *trial) done(t *rapid.T, plan *provision.Changes, secrets func(string) (provision.Credential, error)) {
	expected, err := perform(tr.held(t), plan)
	if err != nil {
		t.Fatal("the plan does not fit:", err, plan)
	}
	results, err := plan.Apply(t.Context(), tr.client(), &provision.ApplyOptions{Workers: 4, Secrets: secrets})
	if err != nil {
		t.Fatal(err, plan)
	}
	for i, r := range results {
		if r.Status != provision.StatusDone || r.Change == nil || r.Change.N != plan.Items[i].N {
			t.Fatal("result", i, r.Status, r.Err)
		}
	}
	if err := differ(tr.held(t), expected); err != nil {
		t.Fatal(err, plan)
	}
}

// A plan says by its data alone what it does, and does that, also when the state
// has changed since.
func TestPlanIsWhatIsDone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := draw(rt).begin(rt)
		before := tr.held(rt)
		plan, saved := tr.plan(rt)
		expected, err := perform(before, plan)
		if err != nil {
			rt.Fatal("the plan does not fit:", err, plan)
		}
		if err := differ(expected, tr.want); err != nil {
			rt.Fatal("the plan's data:", err, plan)
		}
		secrets, desired := tr.desired.Secrets(), deepCopy(reflect.ValueOf(tr.desired)).Interface().(*provision.State)
		spoil(reflect.ValueOf(tr.desired))
		if again, err := readBack(plan); err != nil || again.Digest() != saved.Digest() || !reflect.DeepEqual(public(again), public(saved)) {
			rt.Fatal("the plan changes with its state", err)
		}
		if rapid.Bool().Draw(rt, "read back") {
			tr.done(rt, saved, secrets)
		} else {
			tr.done(rt, plan, nil)
		}
		tr.desired = desired
		if err := tr.settled(rt.Context()); err != nil {
			rt.Fatal(err)
		}
	})
}

// deepCopy shares nothing with what it is of.
func deepCopy(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		c.Set(reflect.New(v.Type().Elem()))
		c.Elem().Set(deepCopy(v.Elem()))
	case v.Kind() == reflect.Slice && !v.IsNil():
		c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			c.Index(i).Set(deepCopy(v.Index(i)))
		}
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[infinitysip.Secret]():
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(deepCopy(v.Field(i)))
			}
		}
	}
	return c
}

// spoil overwrites all that a state says, where it is.
func spoil(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[infinitysip.Secret]():
		v.Set(reflect.ValueOf(infinitysip.NewSecret("spoilt")))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		spoil(v.Elem())
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				spoil(v.Field(i))
			}
		}
	case v.Kind() == reflect.String:
		v.SetString("spoilt")
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.CanInt():
		v.SetInt(v.Int() + 1)
	}
}

// What a plan with Prune would delete is just what is not there afterwards, each
// once, and that much must be allowed.
func TestDeletesAreWhatIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		if !d.prune {
			d.prune = true
			d.draw(rt, false)
		}
		tr := d.begin(rt)
		before := tr.held(rt)
		plan, _ := tr.plan(rt)
		losses := lost(before, tr.want)
		if plan.Deletes() != losses {
			rt.Fatalf("%d deletes, %d are lost\n%v", plan.Deletes(), losses, plan)
		}
		if losses > 0 {
			tr.opts.MaxDeletes = losses - 1
			tr.ResetRequests()
			less, err := provision.Plan(rt.Context(), tr.client(), tr.domain, tr.desired, &tr.opts)
			if !errors.Is(err, provision.ErrTooManyDeletes) || less.Deletes() != losses {
				rt.Fatal(err)
			}
			saved, err := readBack(less)
			if err != nil {
				rt.Fatal(err)
			}
			for _, plan := range []*provision.Changes{less, saved} {
				if _, err := plan.Apply(rt.Context(), tr.client(), nil); !errors.Is(err, provision.ErrTooManyDeletes) {
					rt.Fatal(err)
				}
			}
			if sent := tr.sent(); sent != "" {
				rt.Fatal("sent", sent)
			}
		}
		tr.opts.MaxDeletes = losses
		_, saved := tr.plan(rt)
		tr.done(rt, saved, tr.desired.Secrets())
		if got := lost(before, tr.held(rt)); got != losses {
			rt.Fatalf("%d are lost, not %d", got, losses)
		}
		if err := tr.settled(rt.Context()); err != nil {
			rt.Fatal(err)
		}
	})
}

var needed = regexp.MustCompile(`needs change (\d+)`)

// only cuts a plan to changes drawn, and to what they need.
func only(t *rapid.T, plan *provision.Changes) *provision.Changes {
	keep := map[int]bool{}
	for i := range plan.Items {
		keep[plan.Items[i].N] = rapid.Bool().Draw(t, fmt.Sprint("keep ", plan.Items[i].N))
	}
	for {
		cut, err := plan.Only(func(c *provision.Change) bool { return keep[c.N] })
		if err == nil {
			return cut
		}
		if !errors.Is(err, infinitysip.ErrInvalid) {
			t.Fatal(err)
		}
		had := maps.Clone(keep)
		for _, match := range needed.FindAllStringSubmatch(err.Error(), -1) {
			n, _ := strconv.Atoi(match[1])
			if had[n] {
				t.Fatal("it has what it needs:", err)
			}
			keep[n] = true
		}
	}
}

// A cut that Only allows can be carried out whole, loses what it says, and leaves
// what another plan can finish.
func TestCutPlansAreWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tr := draw(rt).begin(rt)
		plan, saved := tr.plan(rt)
		digest := plan.Digest()
		before := tr.held(rt)
		cut := only(rt, rapid.SampledFrom([]*provision.Changes{plan, saved}).Draw(rt, "which"))
		if plan.Digest() != digest || saved.Digest() != digest {
			rt.Fatal("Only changes the plan")
		}
		if _, err := readBack(cut); err != nil {
			rt.Fatal(err)
		}
		tr.done(rt, cut, tr.desired.Secrets())
		if n := lost(before, tr.held(rt)); n != cut.Deletes() {
			rt.Fatalf("%d are lost, %d deletes\n%v\nof\n%v", n, cut.Deletes(), cut, plan)
		}
		tr.settle(rt.Context(), rt)
	})
}

// With CreateOnly nothing that is there changes.
func TestCreateOnlyLeavesWhatIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		d.prune = false
		d.draw(rt, true)
		tr := d.begin(rt)
		tr.opts.CreateOnly = true
		before := tr.held(rt)
		plan, saved := tr.plan(rt)
		for i := range plan.Items {
			if c := &plan.Items[i]; c.Op == provision.OpDelete || c.Op == provision.OpUpdate {
				rt.Fatal("not a create:", plan)
			}
		}
		tr.done(rt, saved, tr.desired.Secrets())
		got := tr.held(rt)
		for name, u := range before.Users {
			if got.Users[name] != u {
				rt.Fatal("user", name, plan)
			}
		}
		for name, g := range before.Groups {
			now := got.Groups[name]
			now.Members = slices.DeleteFunc(now.Members, func(user string) bool { _, old := before.Users[user]; return !old })
			if !reflect.DeepEqual(now, g) {
				rt.Fatal("group", name, now, g, plan)
			}
		}
		for name, q := range before.Queues {
			if !reflect.DeepEqual(got.Queues[name], q) {
				rt.Fatal("queue", name, plan)
			}
		}
		for name, n := range before.Networks {
			if got.Networks[name] != n {
				rt.Fatal("network", name, plan)
			}
		}
		for name, d := range before.Devices {
			if got.Devices[name] != d {
				rt.Fatal("device", name, plan)
			}
		}
		// What is new is as it is to be.
		for name, u := range tr.want.Users {
			if _, old := before.Users[name]; !old && got.Users[name] != u {
				rt.Fatal("new user", name, got.Users[name], u)
			}
		}
		for name, g := range tr.want.Groups {
			if _, old := before.Groups[name]; !old && !reflect.DeepEqual(append([]string{}, got.Groups[name].Members...), append([]string{}, g.Members...)) {
				rt.Fatal("new group", name, got.Groups[name], g)
			}
		}
		for name := range tr.want.Devices {
			if _, old := before.Devices[name]; !old && got.Devices[name].Owner != tr.want.Devices[name].Owner {
				rt.Fatal("new device", name, got.Devices[name], tr.want.Devices[name])
			}
		}
		if again, _ := tr.plan(rt); !again.Empty() {
			rt.Fatal("the plan afterwards:", again)
		}
	})
}
