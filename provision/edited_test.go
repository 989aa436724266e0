package provision_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// A plan does what its lines say, also one that somebody edited. Here the lines say
// something else than what would be sent.
func TestEditedPlansDoWhatTheySay(t *testing.T) {
	t.Parallel()
	with := func(c change, more ...provision.FieldChange) change {
		c.Fields = append(c.Fields, more...)
		return c
	}
	phone := ref{Name: "00:00:5E:00:53:01", ID: 1}
	for name, test := range map[string]struct {
		item change
		want error
	}{
		"another name among the fields": {with(newUser("nice", "0150"), provision.FieldChange{Field: "user", To: "evil"}), infinitysip.ErrInvalid},
		"another address":               {with(newDevice("00:00:5E:00:53:09"), provision.FieldChange{Field: "deviceMacAddress", To: "00:00:5E:00:53:66"}), infinitysip.ErrInvalid},
		"another group":                 {with(newGroup("nice", "0650"), provision.FieldChange{Field: "groupName", To: "evil"}), infinitysip.ErrInvalid},
		"a field twice":                 {with(newUser("nice", "0150"), provision.FieldChange{Field: "extensionNumber", To: "9990"}), infinitysip.ErrInvalid},
		"a password among the fields":   {with(newUser("nice", "0150"), provision.FieldChange{Field: "password", To: "x"}), infinitysip.ErrInvalid},
		"a queue's member of another name": {change{Op: "delete", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1},
			Members: []ref{{Name: "reception", ID: 1}}, MemberID: 1}, provision.ErrStale},
		"an owner of another name": {change{Op: "delete", Kind: provision.KindOwner, Ref: phone, From: &ref{Name: "bob", ID: 1}}, provision.ErrStale},
		"an order of other names": {change{Op: "update", Kind: provision.KindQueueOrder, Ref: ref{Name: "front", ID: 1},
			Members: []ref{{Name: "night", ID: 1}, {Name: "support", ID: 2}, {Name: "sales", ID: 3}}}, provision.ErrStale},
		"a phone that is taken in between, and never given": {change{Op: "update", Kind: provision.KindOwner, Between: true, Ref: phone, From: &ref{Name: "joe", ID: 1}}, infinitysip.ErrInvalid},
		"a number in between that stays": {change{Op: "update", Kind: provision.KindUser, Between: true, Ref: ref{Name: "joe", ID: 1},
			Fields: fields{{Field: "extensionNumber", From: "0100", To: "9989"}}}, infinitysip.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.seed(t)
			_, err := a.changes(test.item).Apply(t.Context(), a.client, nil)
			require.ErrorIs(t, err, test.want)
			require.Empty(t, a.sent())
		})
	}
}

// Other readers of JSON take another of two members, or none in another case.
func TestPlanFilesAreReadToTheLetter(t *testing.T) {
	t.Parallel()
	const item = `{"n":1,"op":"delete","kind":"user","name":"eve","id":3}`
	for text, want := range map[string]string{
		`{"version":1,"domain":1,"maxDeletes":9,"changes":[` + item + `]}`:                                         "",
		`{"version":1,"domain":1,"maxDeletes":0,"rings":{"7":[{"name":"sales","id":1}]},"changes":[]}`:             "",
		`{"version":1,"domain":1,"maxDeletes":0,"MaxDeletes":9,"changes":[` + item + `]}`:                          `"MaxDeletes" is not known`,
		`{"version":1,"domain":1,"maxDeletes":0,"maxDeletes":9,"changes":[` + item + `]}`:                          `"maxDeletes" is there twice`,
		`{"version":1,"domain":1,"maxDeletes":9,"changes":[` + strings.Replace(item, `"id":3`, `"ID":3`, 1) + `]}`: `"ID" is not known`,
		`{"version":1,"domain":1,"maxDeletes":9,"changes":[` + strings.Replace(item, `}`, `,"id":2}`, 1) + `]}`:    `"id" is there twice`,
		`{"version":1,"domain":1,"maxDeletes":9}`:                                                                  "it has no changes",
		`{"version":1,"domain":1,"maxDeletes":9,"changes":null}`:                                                   "it has no changes",
	} {
		var c provision.Changes
		err := json.Unmarshal([]byte(text), &c)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorIs(t, err, infinitysip.ErrInvalid, text)
		require.ErrorContains(t, err, want, text)
	}
}

// Between the plan and its Apply somebody gave a place of the queue to another group.
func TestOrderOfOtherGroups(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	plan := a.plan(t, &provision.State{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "night"}, {Group: "support"}, {Group: "sales"}}}}}, nil)
	added := a.plan(t, &provision.State{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "sales"}, {Group: "support"}, {Group: "night"}, {Group: "night"}}}}}, nil)
	members := a.QueueMembers(a.domain, 1)
	require.NoError(t, a.client.Queues.UpdateMember(t.Context(), a.domain, 1, members[1].ID, infinitysip.QueueMemberUpdateParams{GroupID: &members[0].GroupID}))
	a.ResetRequests()
	_, err := plan.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, provision.ErrStale)
	require.Empty(t, a.sent())
	_, err = added.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, provision.ErrStale, "the queue rings other groups than when it was reviewed")
	require.Empty(t, a.sent())
}

// What is lost is counted also where rows say by name what they are of, or the plan
// cannot be made.
func TestLossesOfRowsWithoutIDs(t *testing.T) {
	t.Parallel()
	for op, test := range map[string]struct {
		field   string
		desired provision.State
		err     string
	}{
		"Users.ListGroups":   {"groupId", provision.State{Users: []provision.User{{User: "ann"}, {User: "eve"}}}, ""},
		"Devices.List":       {"userId", provision.State{Users: []provision.User{{User: "ann"}, {User: "eve"}}}, ""},
		"Queues.ListMembers": {"groupId", provision.State{Groups: []provision.Group{{Name: "support"}, {Name: "night"}}}, "does not say which group it rings"},
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.become(t, small())
			plan := func() (*provision.Changes, error) {
				return provision.Plan(t.Context(), a.client, a.domain, &test.desired, &provision.PlanOptions{Prune: true, MaxDeletes: 100})
			}
			before, err := plan()
			require.NoError(t, err)
			a.Fail(siptest.On(op).Rewrite(func(body []byte) []byte {
				return []byte(strings.ReplaceAll(string(body), fmt.Sprintf("%q", test.field), `"x"`))
			}))
			after, err := plan()
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, before.String(), after.String())
			require.Equal(t, before.Deletes(), after.Deletes())
		})
	}
}

// The secrets of a run that was cut are not the state's: both make a saved plan whole.
func TestSavedPlanWithUnsettledSecrets(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Users: []provision.User{{User: "joe"}, {User: "new", DisplayName: "New", ExtensionNumber: "0103", Password: infinitysip.NewSecret("of the state")}}}
	unsettled := []provision.Credential{
		{State: provision.CredentialUnknown, User: "JOE", Password: infinitysip.NewSecret("of joe")},
		{State: provision.CredentialProposed, User: "new", Password: infinitysip.NewSecret("of an earlier run"), PIN: infinitysip.NewSecret("4711")},
	}
	data, err := json.Marshal(a.plan(t, desired, &provision.PlanOptions{Unsettled: unsettled}))
	require.NoError(t, err)
	var plan provision.Changes
	require.NoError(t, json.Unmarshal(data, &plan))
	_, err = plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Secrets: desired.Secrets()})
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.Empty(t, a.sent())
	_, err = plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Secrets: desired.Secrets(unsettled...)})
	require.NoError(t, err)
	users := a.Users(a.domain)
	require.Equal(t, "of joe", users[0].Password.Reveal())
	require.Equal(t, "of the state", users[3].Password.Reveal())
	require.Equal(t, "4711", users[3].PIN.Reveal())
}

// A note has a name as it is, whatever is in it.
func TestNotesOfOddNames(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.AddUser(a.domain, infinitysip.User{User: "ann", DisplayName: "Ann", ExtensionNumber: "1"})
	group := a.AddGroup(a.domain, infinitysip.Group{Name: "sales|night", DisplayName: "S", ExtensionNumber: "2", CallerNameFormat: "{displayName}"})
	require.NoError(t, a.client.Groups.AddUsers(t.Context(), a.domain, group, []infinitysip.UserID{1}))
	plan := a.plan(t, &provision.State{Groups: []provision.Group{{Name: "sales|night", Members: []string{}}}}, nil)
	require.Equal(t, []string{`1 user stays in group "sales|night", since nothing is pruned: ann`}, plan.Notes)
}

// What is wrong with a user is told once.
func TestOneProblemAUser(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Users: []provision.User{{User: "new", DisplayName: "New", ExtensionNumber: "0103"}}}
	plan := a.plan(t, desired, nil)
	a.AddUser(a.domain, infinitysip.User{User: "NEW", DisplayName: "New", ExtensionNumber: "0103"})
	_, err := plan.Apply(t.Context(), a.client, nil)
	require.EqualError(t, err, provision.ErrStale.Error()+": user NEW is there already")

	a.Fail(siptest.On("Users.List").Rewrite(func([]byte) []byte {
		return manyUsers()
	}))
	_, err = provision.Plan(t.Context(), a.client, a.domain, &provision.State{Users: []provision.User{{User: "other"}}}, nil)
	require.ErrorContains(t, err, "may not be all")
	require.NotContains(t, err.Error(), "required")
	require.NotContains(t, fmt.Sprint(a.sent()), http.MethodPost)
}

// What the client would refuse is refused before anything is sent.
func TestEditedValues(t *testing.T) {
	t.Parallel()
	for name, item := range map[string]change{
		"a line break in a name":   newUser("bad\n", "0150"),
		"no address":               newDevice("nonsense"),
		"an unknown ring strategy": {Op: "update", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{{Name: "sales", ID: 1}}, MemberID: 1, Fields: fields{{Field: "ringStrategy", From: "all", To: "some"}}},
		"an unbalanced brace":      update(provision.KindGroup, "sales", 1, "callerNameFormat", "{displayName}", "{displayName"),
	} {
		a := newAcme(t)
		a.seed(t)
		_, err := a.changes(newUser("first", "0149"), item).Apply(t.Context(), a.client, nil)
		require.ErrorIs(t, err, infinitysip.ErrInvalid, name)
		require.Empty(t, a.sent(), name)
	}
}

// A number that another keeps is a riddle to who has renamed somebody.
func TestWhyANumberIsKept(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.AddGroup(a.domain, infinitysip.Group{Name: "help_desk", DisplayName: "H", ExtensionNumber: "0600", CallerNameFormat: "{displayName}"})
	a.AddUser(a.domain, infinitysip.User{User: "ann.jones", DisplayName: "Ann", ExtensionNumber: "0100"})
	for want, desired := range map[string]*provision.State{
		`"0600" is that of group help_desk on the server, which keeps it: the server seems to write the name so. Call it help_desk in the state`: {
			Groups: []provision.Group{{Name: "help desk", ExtensionNumber: "0600"}}},
		`"0100" is that of user ann.jones on the server, which keeps it: if ann.jones was renamed, the API has no call for that`: {
			Users: []provision.User{{User: "ann.smith", DisplayName: "Ann", ExtensionNumber: "0100"}}},
	} {
		_, err := provision.Plan(t.Context(), a.client, a.domain, desired, nil)
		require.ErrorContains(t, err, want)
	}
}

// A row that a list repeats is one thing.
func TestRowsThatRepeat(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Users.List", "Groups.List", "Queues.List", "TrustedNetworks.List", "Devices.List", "Groups.ListUsers", "Queues.ListMembers"} {
		a := newAcme(t)
		a.become(t, small())
		a.Fail(siptest.On(op).Rewrite(func(body []byte) []byte { return append(body, body...) }))
		plan := a.plan(t, small(), &provision.PlanOptions{Prune: true, MaxDeletes: 100})
		require.True(t, plan.Empty(), "%s: %s", op, plan)
	}
}

// A reference says what the change that it names makes.
func TestEditedReferences(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	plan := a.plan(t, small(), nil)
	i := slices.IndexFunc(plan.Items, func(c change) bool { return c.Kind == provision.KindGroupMembers })
	other := slices.IndexFunc(plan.Items, func(c change) bool { return c.Name == "eve" })
	plan.Items[i].Members[0].MadeBy = plan.Items[other].N // which is printed as before
	_, err := plan.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.Empty(t, a.sent())
}

// Two who swap keep numbers that people know, even if the server refuses what else is
// to change of one of them.
func TestSwapWithAFieldThatIsRefused(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Users: []provision.User{{User: "joe", ExtensionNumber: "0101", Email: new("joe@refused.example")}, {User: "ann", ExtensionNumber: "0100"}, {User: "eve"}}}
	plan := a.plan(t, desired, nil)
	require.Equal(t, lines(
		`~ user joe: extensionNumber "0100" → "9989" for the time in between`,
		`~ user joe: extensionNumber "0100" → "0101"`,
		`~ user ann: extensionNumber "0101" → "0100"`,
		`~ user joe: email "joe@example.com" → "joe@refused.example"`,
	), plan.String())
	a.Fail(siptest.On("Users.Update").Nth(2).Status(http.StatusUnprocessableEntity)) // the address, which waits for nothing
	_, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1})
	require.Error(t, err)
	require.Equal(t, "0100", a.extensions()["ann"])
	require.Equal(t, "0101", a.extensions()["joe"])
}

// A group in a queue has no key. So one whose answer never came is not put there again
// in the same run: the server may be late.
func TestQueueMemberWhoseAnswerIsLate(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{46 * time.Second, 100 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t)
			a.become(t, small())
			desired := &provision.State{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "sales"}, {Group: "support"}, {Group: "night"}, {Group: "night"}}}}}
			a.Fail(siptest.On("Queues.CreateMember").Nth(1).HangThenCommit(late))
			_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
			a.Wait()
			if err != nil {
				require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
			}
			require.Len(t, a.QueueMembers(a.domain, 1), 4)
			require.True(t, a.plan(t, desired, nil).Empty())
		})
	}
}
