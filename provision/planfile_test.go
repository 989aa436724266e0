package provision_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// A plan that was saved and read back is the same plan.
func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	plan := a.whole()
	plan.Notes = []string{"a note"}
	plan.Spares = []string{"0999"}
	plan.Items[18].Takes = []provision.Loss{{Kind: provision.KindGroupMembers, Of: ref{Name: "sales", ID: 1}, Member: ref{Name: "eve", ID: 3}}}
	data, err := json.Marshal(plan)
	require.NoError(t, err)
	var back provision.Changes
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, *plan, back)
	require.Equal(t, plan.Digest(), back.Digest())
	require.Regexp(t, `^sha256:[0-9a-f]{64}$`, plan.Digest())

	back.Notes = nil
	require.Equal(t, plan.Digest(), back.Digest(), "notes do not count")
	back.MaxDeletes++
	require.NotEqual(t, plan.Digest(), back.Digest())
	back.MaxDeletes--
	back.Items[5].Fields[0].From = "Eva"
	require.NotEqual(t, plan.Digest(), back.Digest())
	require.NotEmpty(t, (*provision.Changes)(nil).Digest())

	data, err = json.Marshal(new(provision.Changes))
	require.NoError(t, err)
	require.JSONEq(t, `{"version":1,"domain":0,"maxDeletes":0,"changes":[]}`, string(data))
}

func TestPlanThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"version":2,"domain":1,"news":true,"changes":[]}`: "the plan is of version 2, and this program reads version 1: plan again with this program",
		`{"users":[]}`: "this is not a plan: it has no version",
		`[]`:           "this is not a plan: it has no version",
		`null`:         "this is not a plan: it has no version",
		`{"version":1,"domain":1,"colour":"red","changes":[]}`:                                   `unknown field "colour"`,
		`{"version":1,"domain":1,"changes":[{"n":1,"colour":"red"}]}`:                            `unknown field "colour"`,
		`{"version":1,"domain":1,"changes":[{"n":1,"fields":[{"field":"x","to":1,"c":"red"}]}]}`: `unknown field "c"`,
		`{"version":1,"domain":1,"changes":[{"n":1,"fields":[{"field":"x","to":1.5}]}]}`:         "field x",
		`{"version":1,"domain":1,"changes":[{"n":1,"fields":[{"field":"x","to":[]}]}]}`:          "field x: not a string, a number or a flag",
	} {
		var c provision.Changes
		err := json.Unmarshal([]byte(text), &c)
		require.ErrorContains(t, err, want, "%s", text)
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
	}
}

// What is wrong with a plan in itself is told all at once, and nothing is sent.
func TestPlanThatCannotBeCarriedOut(t *testing.T) {
	t.Parallel()
	joe := ref{Name: "joe", ID: 1}
	one := func(c change) []change { return []change{c} }
	for name, test := range map[string]struct {
		items []change
		want  string
	}{
		"a kind":           {one(change{Op: "create", Kind: "robot"}), `there is no kind "robot"`},
		"an op":            {one(change{Op: "paint", Kind: provision.KindUser, Ref: joe}), `"paint" of a user is nothing that can be done`},
		"numbers":          {[]change{{N: 2, Op: "delete", Kind: provision.KindUser, Ref: joe}, {N: 2, Op: "delete", Kind: provision.KindUser, Ref: ref{Name: "ann", ID: 2}}}, "its number is not above that of the change before"},
		"a need":           {one(change{Op: "delete", Kind: provision.KindUser, Ref: joe, Needs: []int{7}}), "it waits for change 7, which is none of the others"},
		"itself":           {one(change{Op: "delete", Kind: provision.KindUser, Ref: joe, After: []int{1}}), "it waits for change 1, which is none of the others"},
		"a circle":         {[]change{{Op: "delete", Kind: provision.KindUser, Ref: joe, After: []int{2}}, {Op: "delete", Kind: provision.KindUser, Ref: ref{Name: "ann", ID: 2}, Needs: []int{1}}}, "in a circle: 1 (delete user joe), 2 (delete user ann)"},
		"no id":            {one(change{Op: "delete", Kind: provision.KindUser, Ref: ref{Name: "joe"}}), `user "joe" has no id, and no change makes it`},
		"no such maker":    {[]change{newUser("new", "0150"), {Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "team", MadeBy: 1}, Members: []ref{joe}}}, `change 1 does not make group "team"`},
		"a new id":         {one(change{Op: "create", Kind: provision.KindUser, Ref: joe, Fields: newUser("joe", "0100").Fields}), "has no id yet"},
		"a field":          {one(update(provision.KindUser, "joe", 1, "shoeSize", nil, int64(43))), `there is no field "shoeSize"`},
		"a value":          {one(update(provision.KindUser, "joe", 1, "displayName", "JOE", true)), "field displayName: a value of the wrong type"},
		"a secret as such": {one(update(provision.KindUser, "joe", 1, "password", nil, "hunter2")), "field password: a value of the wrong type"},
		"a secret":         {one(change{Op: "update", Kind: provision.KindUser, Ref: joe, Secrets: []string{"token"}}), `there is no secret "token"`},
		"no change":        {one(change{Op: "update", Kind: provision.KindUser, Ref: joe}), "nothing changes"},
		"a network":        {one(change{Op: "create", Kind: provision.KindTrustedNetwork, Ref: ref{Name: "home"}}), `"home" is no network`},
		"nobody":           {one(change{Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "sales", ID: 1}}), "it names nobody"},
		"an owner":         {one(change{Op: "update", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &joe}), "to whom it is given, is wrong"},
		"a token":          {one(change{Op: "update", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &joe, To: &joe}), "a new token is for the user who has the device"},
		"a queue member":   {one(change{Op: "delete", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{{Name: "sales", ID: 1}}}), "the id of the queue's member is wrong"},
		"in between":       {one(change{Op: "update", Kind: provision.KindUser, Ref: joe, Between: true, Fields: fields{{Field: "displayName", From: "JOE", To: "J"}}}), "it cannot be for the time in between"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			_, err := a.changes(test.items...).Apply(t.Context(), a.client, nil)
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter2")
			require.Empty(t, a.Requests())
		})
	}

	a := newAcme(t)
	var many []change
	for range 30 {
		many = append(many, change{Op: "create", Kind: "robot"})
	}
	_, err := a.changes(many...).Apply(t.Context(), a.client, nil)
	require.Len(t, strings.Split(err.Error(), "\n"), 12, "the first ten, and a count")
	require.ErrorContains(t, err, "and 20 more")
	_, err = (*provision.Changes)(nil).Apply(t.Context(), a.client, nil)
	require.EqualError(t, err, "provision: invalid: there is no plan")
	_, err = a.changes().Apply(t.Context(), nil, nil)
	require.EqualError(t, err, "provision: invalid: the client is nil")
	_, err = new(provision.Changes).Apply(t.Context(), a.client, nil)
	require.EqualError(t, err, "provision: invalid: the plan does not say of which domain it is")
	results, err := a.changes().Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Empty(t, results)

	plan := a.changes(change{Op: "delete", Kind: provision.KindUser, Ref: joe, Takes: []provision.Loss{{Kind: provision.KindGroupMembers, Of: ref{Name: "sales", ID: 1}, Member: joe}}})
	plan.MaxDeletes = 1
	_, err = plan.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, provision.ErrTooManyDeletes)
	require.ErrorContains(t, err, "the plan deletes 2, with what they take along, and the limit is 1")
	require.Empty(t, a.Requests())
}

func TestOnly(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	whole := a.whole()
	whole.Notes = []string{"a note"}
	ofKind := func(kinds ...provision.Kind) func(*change) bool {
		return func(c *change) bool {
			for _, kind := range kinds {
				if c.Kind == kind && c.Op != provision.OpDelete {
					return true
				}
			}
			return false
		}
	}
	cut, err := whole.Only(ofKind(provision.KindUser, provision.KindDevice, provision.KindOwner))
	require.NoError(t, err)
	var numbers []int
	for _, c := range cut.Items {
		numbers = append(numbers, c.N)
	}
	require.Equal(t, []int{1, 5, 6, 10, 13, 14}, numbers)
	require.Nil(t, cut.Rings)
	require.Equal(t, whole.Notes, cut.Notes)
	_, err = cut.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Equal(t, "new", a.Devices(a.domain)[2].User)

	for name, test := range map[string]struct {
		without int
		want    string
	}{
		"a need":                         {17, "change 18 (order the groups of queue front) needs change 17 (take group sales out of queue front)"},
		"the user who is put into":       {1, "change 11 (put 2 users into group team) needs change 1 (create user new)"},
		"the group to go to":             {11, "change 12 (take user joe out of group sales) needs change 11 (put 2 users into group team)"},
		"the place that replaces":        {15, "change 17 (take group sales out of queue front) needs change 15 (put group team into queue front)"},
		"the device that is to be given": {5, "change 13 (give device 00:00:5E:00:53:03 to user new) needs change 5 (create device 00:00:5E:00:53:03)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := whole.Only(func(c *change) bool { return c.N != test.without })
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
			require.ErrorContains(t, err, test.want)
		})
	}
	_, err = (*provision.Changes)(nil).Only(nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	_, err = whole.Only(nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
}

// A loss that two deletes bring about is counted with one. If that is cut, it is
// counted with the other, and the plan is not stale.
func TestOnlyMovesLosses(t *testing.T) {
	t.Parallel()
	joe, sales, support, night := ref{Name: "joe", ID: 1}, ref{Name: "sales", ID: 1}, ref{Name: "support", ID: 2}, ref{Name: "night", ID: 3}
	ann, front, one := ref{Name: "ann", ID: 2}, ref{Name: "front", ID: 1}, ref{Name: mac1, ID: 1}
	in := func(user ref) provision.Loss {
		return provision.Loss{Kind: provision.KindGroupMembers, Of: sales, Member: user}
	}
	rings := func(group ref) provision.Loss {
		return provision.Loss{Kind: provision.KindQueueMember, Of: front, Member: group}
	}
	for kept, deletes := range map[provision.Kind]int{provision.KindUser: 3, provision.KindGroup: 4, provision.KindQueue: 4} {
		t.Run(string(kept), func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.seed(t)
			plan := a.changes(
				change{Op: "update", Kind: provision.KindOwner, Ref: one, From: &joe, To: &ann},
				change{Op: "delete", Kind: provision.KindUser, Ref: joe, Takes: []provision.Loss{in(joe)}, After: []int{1}},
				change{Op: "delete", Kind: provision.KindGroup, Ref: sales, Takes: []provision.Loss{in(ann)}},
				change{Op: "delete", Kind: provision.KindQueue, Ref: front, Takes: []provision.Loss{rings(sales), rings(support), rings(night)}},
			)
			require.Equal(t, 8, plan.Deletes())
			cut, err := plan.Only(func(c *change) bool { return c.Kind == kept })
			require.NoError(t, err)
			require.Equal(t, deletes, cut.Deletes())
			_, err = cut.Apply(t.Context(), a.client, nil)
			require.NoError(t, err)
			require.Equal(t, 8, plan.Deletes())
		})
	}
}

// Without what goes before it, a delete takes along more.
func TestOnlyTheDelete(t *testing.T) {
	t.Parallel()
	joe, sales, support, front, one := ref{Name: "joe", ID: 1}, ref{Name: "sales", ID: 1}, ref{Name: "support", ID: 2}, ref{Name: "front", ID: 1}, ref{Name: mac1, ID: 1}
	in := provision.Loss{Kind: provision.KindGroupMembers, Of: sales, Member: joe}
	for name, test := range map[string]struct {
		before, whole change
		want          []provision.Loss
	}{
		"a place in a queue": {
			change{Op: "delete", Kind: provision.KindQueueMember, Ref: front, Members: []ref{support}, MemberID: 2}, change{Op: "delete", Kind: provision.KindGroup, Ref: support},
			[]provision.Loss{{Kind: provision.KindQueueMember, Of: front, Member: support}},
		},
		"the user of a device": {
			change{Op: "delete", Kind: provision.KindDevice, Ref: one, From: &joe}, change{Op: "delete", Kind: provision.KindUser, Ref: joe, Takes: []provision.Loss{in}},
			[]provision.Loss{{Kind: provision.KindOwner, Of: one, Member: joe}, in},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.seed(t)
			test.whole.After = []int{1}
			plan := a.changes(test.before, test.whole)
			plan.Rings = map[infinitysip.QueueID][]provision.Ref{1: {{Name: "sales", ID: 1}, {Name: "support", ID: 2}, {Name: "night", ID: 3}}}
			cut, err := plan.Only(func(c *change) bool { return c.N == 2 })
			require.NoError(t, err)
			require.Equal(t, test.want, cut.Items[0].Takes)
			_, err = cut.Apply(t.Context(), a.client, nil)
			require.NoError(t, err)
		})
	}
}

// A number for the time in between does not stay.
func TestOnlyInBetween(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	between := update(provision.KindUser, "joe", 1, "extensionNumber", "0100", "9989")
	between.Between = true
	last := update(provision.KindUser, "joe", 1, "extensionNumber", "0100", "0101")
	last.Needs = []int{2}
	plan := a.changes(last, between)
	_, err := plan.Only(func(c *change) bool { return c.Between })
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "change 2 (change user joe) needs change 1 (change user joe)")
	none, err := plan.Only(func(*change) bool { return false })
	require.NoError(t, err)
	require.NotNil(t, none.Items, "a plan that is written and read has a list, too")
}

// Apply refuses a plan whose domain is another by now, says how it differs, and
// changes nothing.
func TestStalePlan(t *testing.T) {
	t.Parallel()
	joe, ann, sales := ref{Name: "joe", ID: 1}, ref{Name: "ann", ID: 2}, ref{Name: "sales", ID: 1}
	user := func(f func(*infinitysip.UserUpdateParams)) func(*testing.T, *acme) {
		return func(t *testing.T, a *acme) {
			var params infinitysip.UserUpdateParams
			f(&params)
			require.NoError(t, a.client.Users.Update(t.Context(), a.domain, 1, params))
		}
	}
	display := update(provision.KindUser, "joe", 1, "displayName", "JOE", "Joseph")
	for name, test := range map[string]struct {
		change    change
		meanwhile func(*testing.T, *acme)
		want      string // empty: it is not stale
	}{
		"nothing": {display, func(*testing.T, *acme) {}, ""},
		"somebody else's affair": {display, func(t *testing.T, a *acme) {
			require.NoError(t, a.client.Users.Update(t.Context(), a.domain, 2, infinitysip.UserUpdateParams{DisplayName: new("Anna")}))
		}, ""},
		"another field": {display, user(func(p *infinitysip.UserUpdateParams) { p.Email = new("joe@example.com") }), ""},
		"the same field": {display, user(func(p *infinitysip.UserUpdateParams) { p.DisplayName = new("J.") }),
			`user joe: displayName is "J." now, and was "JOE" when the plan was made`},
		"the user is gone": {display, func(t *testing.T, a *acme) { require.NoError(t, a.client.Users.Delete(t.Context(), a.domain, 1)) },
			"user joe is gone (its id was 1)"},
		"the number is taken": {newUser("new", "0150"), user(func(p *infinitysip.UserUpdateParams) { p.ExtensionNumber = new("0150") }),
			"the extension number 0150, which new is to get, is that of user joe"},
		"it is there already":         {newUser("JOE", "0150"), func(*testing.T, *acme) {}, "user joe is there already"},
		"the device is there already": {newDevice("00-00-5e-00-53-01"), func(*testing.T, *acme) {}, "device " + mac1 + " is there already"},
		"the group is renamed": {update(provision.KindGroup, "sales", 1, "ringRetry", false, true), func(t *testing.T, a *acme) {
			params := a.Groups(a.domain)[0].UpdateParams()
			params.Name = "market"
			require.NoError(t, a.client.Groups.Update(t.Context(), a.domain, 1, params))
		}, "group sales is called market now"},
		"the network": {update(provision.KindTrustedNetwork, "10.0.20.0/24", 1, "description", "", "HQ"), func(*testing.T, *acme) {}, `description is "Office" now`},
		"who is in":   {change{Op: "create", Kind: provision.KindGroupMembers, Ref: sales, Members: []ref{joe}}, func(*testing.T, *acme) {}, "user joe is in group sales already"},
		"who is out": {change{Op: "delete", Kind: provision.KindGroupMembers, Ref: sales, Members: []ref{joe, {Name: "eve", ID: 3}}}, func(*testing.T, *acme) {},
			"user eve is not in group sales"},
		"whose device it is": {change{Op: "create", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, To: &ann}, func(*testing.T, *acme) {},
			"device " + mac1 + " has the user joe now, and had nobody when the plan was made"},
		"what a delete takes along": {change{Op: "delete", Kind: provision.KindUser, Ref: ref{Name: "eve", ID: 3}}, func(t *testing.T, a *acme) {
			require.NoError(t, a.client.Groups.AddUsers(t.Context(), a.domain, 2, []infinitysip.UserID{3}))
		}, "delete user eve: this takes along now that user eve is in group support"},
		"what a delete no longer takes along": {change{Op: "delete", Kind: provision.KindUser, Ref: ref{Name: "eve", ID: 3}, Takes: []provision.Loss{{Kind: provision.KindOwner, Of: ref{Name: mac2, ID: 2}, Member: ref{Name: "eve", ID: 3}}}},
			func(*testing.T, *acme) {}, "this no longer takes along that device " + mac2 + " is that of user eve"},
		"the order of a queue": {change{Op: "delete", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{sales}, MemberID: 1}, func(t *testing.T, a *acme) {
			require.NoError(t, a.client.Queues.SetMemberOrder(t.Context(), a.domain, 1, []infinitysip.QueueMemberID{2, 1, 3}))
		}, "queue front rings other groups now, or in another order"},
		"how a queue rings": {change{Op: "update", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{sales}, MemberID: 1, Fields: fields{{Field: "ringSecs", From: int64(7), To: int64(9)}}},
			func(*testing.T, *acme) {}, "group sales in queue front: ringSecs is 20 now, and was 7 when the plan was made"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.seed(t)
			plan := a.changes(test.change)
			test.meanwhile(t, a)
			a.ResetRequests()
			_, err := plan.Apply(t.Context(), a.client, nil)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, provision.ErrStale)
			require.ErrorContains(t, err, test.want)
			require.Empty(t, a.sent())
		})
	}
}

// Two things of the server may have names that differ in case alone.
func TestNamesThatDifferInCase(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{AllowDuplicates: true})
	a.seed(t)
	a.AddUser(a.domain, infinitysip.User{User: "JOE", DisplayName: "Other", ExtensionNumber: "0199"})
	_, err := a.changes(update(provision.KindUser, "JOE", 4, "displayName", "Other", "Another"), update(provision.KindUser, "joe", 1, "displayName", "JOE", "Joe")).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
}

// Apply reads no more than the plan touches.
func TestSecondLookIsSmall(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	for i := range 260 {
		a.AddGroup(a.domain, infinitysip.Group{Name: "group" + strings.Repeat("x", i), DisplayName: "G", ExtensionNumber: strings.Repeat("6", 4+i)})
	}
	a.seed(t)
	_, err := a.changes(update(provision.KindUser, "joe", 1, "displayName", "JOE", "Joe"), update(provision.KindUser, "ann", 2, "displayName", "ANN", "Ann")).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Len(t, a.Requests(), 3, "the users, and two changes")

	a.ResetRequests()
	_, err = a.changes(change{Op: "delete", Kind: provision.KindUser, Ref: ref{Name: "eve", ID: 3}}).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Len(t, a.Requests(), 6, "users, groups, devices and what follows, the groups of one user, and a delete")
}

// Apply knows what the queues ring, so it does not read them again for each group that
// it adds: that would grow with the square.
func TestQueuesAreReadOnce(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	state := &provision.State{Queues: []provision.Queue{{Name: "front", ExtensionNumber: "0700", Members: []provision.QueueMember{}}}}
	for i := range 20 {
		name := fmt.Sprint("group", i)
		state.Groups = append(state.Groups, provision.Group{Name: name, ExtensionNumber: fmt.Sprint(600 + i)})
		if i < 10 {
			state.Queues[0].Members = append(state.Queues[0].Members, provision.QueueMember{Group: name})
		}
	}
	reads := func(opts *provision.PlanOptions) int {
		t.Helper()
		plan := a.plan(t, state, opts)
		before := a.count("Queues.ListMembers")
		_, err := plan.Apply(t.Context(), a.client, nil)
		require.NoError(t, err)
		return a.count("Queues.ListMembers") - before
	}
	require.Zero(t, reads(nil), "the queue is new")

	members := []provision.QueueMember{}
	for i := range 10 {
		members = append(members, provision.QueueMember{Group: fmt.Sprint("group", 10+i)})
	}
	state.Queues[0].Members = members
	require.Equal(t, 1, reads(&provision.PlanOptions{Prune: true, MaxDeletes: 10}), "to see whether the plan still holds")
	a.is(t, state, nil)
	require.Len(t, a.QueueMembers(a.domain, 1), 10)
}
