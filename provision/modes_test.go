package provision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// problems are those of a plan that is refused, and nothing is sent.
func (a *acme) problems(t *testing.T, desired *provision.State, opts *provision.PlanOptions) []string {
	t.Helper()
	changes, err := provision.Plan(t.Context(), a.client, a.domain, desired, opts)
	require.Nil(t, changes)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	invalid, ok := errors.AsType[*provision.CheckError](err)
	require.True(t, ok, "%v", err)
	var all []string
	for _, p := range invalid.Problems {
		all = append(all, p.String())
	}
	require.Empty(t, a.sent())
	return all
}

// Nothing panics because there is no state, no plan, no client.
func TestNilStatesAndPlans(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	ctx := t.Context()
	var (
		state   *provision.State
		changes *provision.Changes
		none    context.Context
		out     bytes.Buffer
	)
	invalid := func(err error, text string) {
		t.Helper()
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
		require.ErrorContains(t, err, text)
	}
	for _, f := range []func() error{
		state.Check,
		func() error { return state.WriteCSV(&out) },
		func() error { return state.WriteJSON(&out) },
		func() error { return state.WriteSkipped(&out) },
		func() error { return state.UnmarshalJSON([]byte(`{}`)) },
		func() error { _, err := provision.Plan(ctx, a.client, a.domain, state, nil); return err },
	} {
		invalid(f(), "there is no state")
	}
	require.Empty(t, out.String())
	require.Nil(t, state.Skipped())
	_, err := state.Secrets()("joe")
	invalid(err, `user "joe" is not in the state`)
	require.NoError(t, provision.Merge().Check())
	require.NoError(t, provision.Merge(nil, state).Check())

	_, err = provision.Plan(ctx, nil, a.domain, small(), nil)
	invalid(err, "the client is nil")
	_, err = provision.Plan(none, a.client, a.domain, small(), nil)
	require.Error(t, err)
	_, err = provision.Plan(ctx, a.client, 0, small(), nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	_, err = provision.ReadDomain(ctx, nil, a.domain)
	invalid(err, "the client is nil")
	_, err = provision.ReadDomain(none, a.client, a.domain)
	require.Error(t, err)
	_, err = provision.ReadJSON(nil)
	require.Error(t, err)
	_, err = provision.ReadCSV(nil, nil)
	require.Error(t, err)

	require.True(t, changes.Empty())
	require.Zero(t, changes.Deletes())
	require.Empty(t, changes.String())
	require.Empty(t, fmt.Sprint(changes))
	require.Equal(t, new(provision.Changes).Digest(), changes.Digest())
	require.Zero(t, changes.Summary())
	require.Zero(t, changes.Summary(provision.KindUser))
	require.NoError(t, provision.Printer{Color: true}.Print(&out, changes))
	require.Equal(t, "in all: 0 to create, 0 to change, 0 to delete\n", out.String())
	data, err := json.Marshal(changes)
	require.NoError(t, err)
	require.Equal(t, "null", string(data))
	invalid(changes.UnmarshalJSON([]byte(`{}`)), "there is no plan")
	_, err = changes.Only(func(*provision.Change) bool { return true })
	invalid(err, "there is no plan")
	_, err = new(provision.Changes).Only(nil)
	invalid(err, "nothing tells which changes to keep")
	_, err = changes.Apply(ctx, a.client, nil)
	invalid(err, "there is no plan")
	plan := a.plan(t, small(), nil)
	_, err = plan.Apply(ctx, nil, nil)
	invalid(err, "the client is nil")
	_, err = plan.Apply(none, a.client, nil)
	invalid(err, "the context is nil")
	_, err = new(provision.Changes).Apply(ctx, a.client, nil)
	invalid(err, "of which domain")
	require.NotPanics(t, func() {
		_ = provision.Change{}.String()
		_ = provision.Change{Kind: provision.KindOwner}.String()
		_, _ = json.Marshal(provision.Result{})
	})
	require.Empty(t, a.sent())
}

func (a *acme) calls() map[string]int {
	calls := map[string]int{}
	for _, r := range a.Requests() {
		calls[r.Op]++
	}
	return calls
}

// What a delete takes along is found with as few calls as may be: the groups of the
// user who goes, the members of the group that goes, not those of all.
func TestLossesReadWhatTheyNeed(t *testing.T) {
	t.Parallel()
	const groups = 200
	a := newAcme(t)
	for i := range 3 {
		a.AddUser(a.domain, infinitysip.User{User: fmt.Sprint("u", i), DisplayName: "U", ExtensionNumber: fmt.Sprint(100 + i)})
	}
	whole := &provision.State{Users: []provision.User{{User: "u0"}, {User: "u1"}, {User: "u2"}}, Groups: []provision.Group{}, Queues: []provision.Queue{{Name: "q", ExtensionNumber: "9"}}}
	for i := range groups {
		whole.Groups = append(whole.Groups, provision.Group{Name: fmt.Sprint("g", i), ExtensionNumber: fmt.Sprint(2000 + i)})
	}
	whole.Groups[7].Members, whole.Groups[9].Members = []string{"u0", "u1"}, []string{"u0"}
	_, err := a.plan(t, whole, nil).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1}) // so that ids are in order
	require.NoError(t, err)
	lists := func(more map[string]int, op string, n int) map[string]int {
		all := map[string]int{"Users.List": 1, "Groups.List": 1, "Queues.List": 2}
		for op, n := range more {
			all[op] = n
		}
		all[op] = n
		return all
	}
	devices := map[string]int{"Devices.List": 1} // an empty page
	for name, test := range map[string]struct {
		desired *provision.State
		deletes int
		want    map[string]int
	}{
		"a user":     {&provision.State{Users: whole.Users[1:]}, 3, lists(devices, "Users.ListGroups", 2)}, // a page, and one that is empty
		"two users":  {&provision.State{Users: whole.Users[2:]}, 5, lists(devices, "Users.ListGroups", 4)},
		"nobody":     {&provision.State{Users: whole.Users}, 0, map[string]int{"Users.List": 1, "Groups.List": 1, "Queues.List": 2, "Devices.List": 1}},
		"two groups": {&provision.State{Groups: append(whole.Groups[:7:7], whole.Groups[9:]...)}, 4, lists(map[string]int{"Groups.ListUsers": 3}, "Queues.ListMembers", 1)}, // those that go, and the one that gives a list
		"a queue":    {&provision.State{Queues: []provision.Queue{}}, 1, lists(nil, "Queues.ListMembers", 1)},
	} {
		a.ResetRequests()
		changes := a.plan(t, test.desired, &provision.PlanOptions{Prune: true, MaxDeletes: 9})
		require.Equal(t, test.deletes, changes.Deletes(), "%s: %v", name, changes)
		require.Equal(t, test.want, a.calls(), name)
	}

	// Apply looks again, at no more than that.
	changes := a.plan(t, &provision.State{Users: whole.Users[1:]}, &provision.PlanOptions{Prune: true, MaxDeletes: 3})
	require.Equal(t, "- user u0, and with it: places in groups g7, g9\n", changes.String())
	a.ResetRequests()
	_, err = changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"Users.List": 1, "Groups.List": 1, "Devices.List": 1, "Users.ListGroups": 2, "Users.Delete": 1}, a.calls())
}

// A sheet of new people changes nobody who is there.
func TestCreateOnly(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	before := a.Users(a.domain)
	people, err := provision.ReadCSV(strings.NewReader(`user,displayName,extension,email,groups,mac,pin,password
joe,Joseph,0200,joseph@example.com,night;support,00:00:5E:00:53:02,4821,hunter2
new,New,0103,new@example.com,sales;night,00:00:5E:00:53:03,,
dan,Dan,0104,,,00:00:5E:00:53:01,,
`), nil)
	require.NoError(t, err)
	people.Groups = []provision.Group{{Name: "sales", DisplayName: "Another", Members: []string{"joe"}}, {Name: "night"}, {Name: "support"}, {Name: "team", ExtensionNumber: "0650", Members: []string{"joe", "new"}}}
	people.Queues = []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "team"}}}, {Name: "back", ExtensionNumber: "0701", Members: []provision.QueueMember{{Group: "team"}}}}
	opts := &provision.PlanOptions{CreateOnly: true, SetSecrets: true, RotateTokens: []string{"00:00:5E:00:53:01"}}

	changes := a.plan(t, people, opts)

	require.Equal(t, lines(
		`+ user new (extension 0103, displayName "New", email "new@example.com", password made up)`,
		`+ user dan (extension 0104, displayName "Dan", password made up)`,
		`+ group team (extension 0650, callerNameFormat "{displayName} - {srcPhoneNumber}")`,
		"+ queue back (extension 0701)",
		`+ device 00:00:5E:00:53:03 "New"`,
		"+ into group sales: new",
		"+ into group team: joe, new",
		"+ into group night: new",
		"+ device 00:00:5E:00:53:03 goes to user new",
		`+ queue back rings group team (ringStrategy "all", ringAttempts 1, ringSecs 20, ringOrder 1)`,
		"! user joe, group sales, device 00:00:5E:00:53:02, device 00:00:5E:00:53:01: it differs from the state and is left as it is, since only new things are made",
		"! user joe: the groups of who is there are left as they are, since only new things are made",
		"! queue front: what it rings is left as it is, since only new things are made",
		"! 2 users are not in the state and stay, since nothing is pruned: ann, eve",
	), changes.String())
	_, err = changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	for i := range before {
		require.Equal(t, before[i].DisplayName, a.Users(a.domain)[i].DisplayName)
		require.True(t, before[i].Password.Equal(a.Users(a.domain)[i].Password))
	}
	require.Equal(t, "joe", a.Devices(a.domain)[0].User)
	for _, user := range a.Users(a.domain) { // new and dan are made at once: either has the lower id
		if user.User == "new" {
			require.Equal(t, []infinitysip.UserID{1, user.ID}, a.GroupUsers(a.domain, 4))
		}
	}
	require.Len(t, a.QueueMembers(a.domain, 1), 3)
	a.is(t, people, &provision.PlanOptions{CreateOnly: true})
	there := &provision.State{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("JOE")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("")}, {MACAddress: "00:00:5E:00:53:03"}}}
	require.Empty(t, a.plan(t, there, &provision.PlanOptions{CreateOnly: true}).String())

	// Pruning goes with it.
	changes = a.plan(t, &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joseph"}, {User: "ann"}, {User: "new"}, {User: "dan"}}}, &provision.PlanOptions{CreateOnly: true, Prune: true, MaxDeletes: 1})
	require.Equal(t, lines("- user eve", "! user joe: it differs from the state and is left as it is, since only new things are made"), changes.String())
}

func TestMaxDeleteShare(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	for i := range 100 {
		a.AddUser(a.domain, infinitysip.User{User: fmt.Sprintf("u%02d", i), DisplayName: "U", ExtensionNumber: fmt.Sprint(1000 + i)})
	}
	a.AddGroup(a.domain, infinitysip.Group{Name: "g", DisplayName: "g", ExtensionNumber: "1", CallerNameFormat: "{displayName}"}) // which the state does not mention
	but := func(n int) *provision.State {
		state := &provision.State{Users: []provision.User{}}
		for i := range 100 - n {
			state.Users = append(state.Users, provision.User{User: fmt.Sprintf("u%02d", i)})
		}
		return state
	}
	for _, test := range []struct {
		share float64
		most  int
		want  int
	}{
		{0.02, 0, 2}, {0.025, 0, 2}, {0.009, 0, 0}, {1, 0, 100}, {0.02, 1, 1}, {0.02, 50, 2}, {0, 3, 3},
		{0.29, 0, 29}, {0.57, 0, 57}, {0.07, 0, 7}, // whose products are a hair below
	} {
		opts := &provision.PlanOptions{Prune: true, MaxDeleteShare: test.share, MaxDeletes: test.most}
		changes := a.plan(t, but(test.want), opts)
		require.Equal(t, test.want, changes.Deletes(), "%v", test)
		require.Equal(t, test.want, changes.MaxDeletes)
		if test.want == 100 {
			continue
		}
		changes, err := provision.Plan(t.Context(), a.client, a.domain, but(test.want+1), opts)
		require.ErrorIs(t, err, provision.ErrTooManyDeletes, "%v", test)
		why := ""
		if test.share > 0 && (test.most == 0 || test.most > test.want) {
			why = fmt.Sprintf(" (%g %% of the 100 that are there)", 100*test.share)
		}
		require.EqualError(t, err, fmt.Sprintf("provision: too many deletes: %d, and the limit is %d%s", test.want+1, test.want, why))
		_, err = changes.Apply(t.Context(), a.client, nil)
		require.ErrorIs(t, err, provision.ErrTooManyDeletes)
	}
	for _, share := range []float64{-0.1, 1.01, 2, math.NaN(), math.Inf(1), math.Inf(-1)} {
		require.Equal(t, []string{fmt.Sprintf("the share that may be deleted must be from 0 to 1: %v", share)}, a.problems(t, but(1), &provision.PlanOptions{Prune: true, MaxDeleteShare: share}))
	}
}

// What hangs on what is there is there, too: who leaves takes a place in a group and
// a phone along.
func TestMaxDeleteShareCountsWhatHangsOnThings(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	state := &provision.State{Groups: []provision.Group{{Name: "all", ExtensionNumber: "900", Members: []string{}}}, Devices: []provision.Device{}}
	for i := range 20 {
		name := fmt.Sprintf("u%02d", i)
		state.Users = append(state.Users, provision.User{User: name, DisplayName: "U", ExtensionNumber: fmt.Sprint(200 + i)})
		state.Groups[0].Members = append(state.Groups[0].Members, name)
		state.Devices = append(state.Devices, provision.Device{MACAddress: fmt.Sprintf("00:00:5E:00:53:%02d", i), Owner: &name})
	}
	a.become(t, state)
	changes := a.plan(t, &provision.State{Users: state.Users[1:]}, &provision.PlanOptions{Prune: true, MaxDeleteShare: 0.05})
	require.Equal(t, 3, changes.Deletes())
	require.Equal(t, 3, changes.MaxDeletes, "of 20 users, 20 places in the group and 20 phones that have a user")
}

// A place in a group counts once, also where Plan reads it twice: in the group's list,
// which the state gives, and among the groups of who is deleted.
func TestMaxDeleteShareCountsAPlaceOnce(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	state := &provision.State{Groups: []provision.Group{{Name: "all", ExtensionNumber: "900", Members: []string{}}, {Name: "g1", ExtensionNumber: "901"}, {Name: "g2", ExtensionNumber: "902"}, {Name: "g3", ExtensionNumber: "903"}}}
	for i := range 20 {
		name := fmt.Sprintf("u%02d", i)
		state.Users = append(state.Users, provision.User{User: name, DisplayName: "U", ExtensionNumber: fmt.Sprint(200 + i)})
		state.Groups[0].Members = append(state.Groups[0].Members, name)
	}
	a.become(t, state)
	state.Users, state.Groups[0].Members = state.Users[1:], state.Groups[0].Members[1:]
	changes, err := provision.Plan(t.Context(), a.client, a.domain, state, &provision.PlanOptions{Prune: true, MaxDeleteShare: 0.0445})
	require.EqualError(t, err, "provision: too many deletes: 2, and the limit is 1 (4.45 % of the 44 that are there)")
	require.Equal(t, 2, changes.Deletes(), "the user and the place in the group")
}

// The numbers for the time in between are those that the options name.
func TestSpares(t *testing.T) {
	t.Parallel()
	desired := &provision.State{Users: []provision.User{{User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0100"}, {User: "eve"}}}
	both := &provision.State{Users: desired.Users, Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0601"}, {Name: "support", ExtensionNumber: "0600"}, {Name: "night"}}}
	const line = `~ user joe: extensionNumber "0100" → "%s" for the time in between`
	for name, test := range map[string]struct {
		desired *provision.State
		spares  []string
		refused int      // that many the server does not take
		planned string   // in between
		used    string   // in between
		err     string   // of Apply
		want    []string // problems
	}{
		"the first":               {desired: desired, spares: []string{"801", "802"}, planned: "801", used: "801"},
		"one that somebody has":   {desired: desired, spares: []string{"0102", "0600", "802"}, planned: "802", used: "802"},
		"one is refused":          {desired: desired, spares: []string{"801", "802"}, refused: 1, planned: "801", used: "802"},
		"all are refused":         {desired: desired, spares: []string{"801", "802"}, refused: 2, planned: "801", err: "the server takes none of the extension numbers for the time in between (801, 802): give spare numbers"},
		"any, and one is refused": {desired: desired, refused: 1, planned: "9989", used: "9988"},
		"enough for two circles":  {desired: both, spares: []string{"801", "802"}, planned: "801", used: "801"},
		"not enough for two":      {desired: both, spares: []string{"801"}, want: []string{"groups[0] (sales), extensionNumber: group sales and others pass their numbers on in a circle, and none of the spare numbers is free for the time in between: name others"}},
		"all are in use":          {desired: desired, spares: []string{"0100", "0700"}, want: []string{"users[0] (joe), extensionNumber: user joe and others pass their numbers on in a circle, and none of the spare numbers is free for the time in between: name others"}},
		"none at all":             {desired: desired, spares: []string{}, want: []string{"users[0] (joe), extensionNumber: user joe and others pass their numbers on in a circle, and none of the spare numbers is free for the time in between: name others"}},
		"bad ones": {desired: desired, spares: []string{"", "80a", "9991", "801"}, want: []string{
			`not an extension number to use in between: ""`, `not an extension number to use in between: "80a"`, `"9991" is no number to use in between: it is, or begins like, an emergency number`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.become(t, small())
			opts := &provision.PlanOptions{Spares: test.spares}
			if test.want != nil {
				require.Equal(t, test.want, a.problems(t, test.desired, opts))
				return
			}
			changes := a.plan(t, test.desired, opts)
			require.Contains(t, changes.String(), fmt.Sprintf(line, test.planned))
			if test.refused > 0 {
				a.Fail(siptest.On("Users.Update").Times(test.refused).Status(http.StatusConflict))
			}
			results, err := changes.Apply(t.Context(), a.client, nil)
			require.Contains(t, changes.String(), fmt.Sprintf(line, test.planned), "the plan stays as it is")
			if test.err != "" {
				require.ErrorIs(t, err, infinitysip.ErrConflict)
				require.ErrorContains(t, err, test.err)
				require.Equal(t, map[string]string{"joe": "0100", "ann": "0101", "eve": "0102"}, map[string]string{"joe": a.extensions()["joe"], "ann": a.extensions()["ann"], "eve": a.extensions()["eve"]})
				return
			}
			require.NoError(t, err)
			require.Contains(t, outcome(results), fmt.Sprintf(line, test.used))
			require.Equal(t, "0101", a.extensions()["joe"])
			require.Equal(t, "0100", a.extensions()["ann"])
		})
	}
}

// Nobody gets a number that is dialled in need, unless the state says that it is meant.
func TestEmergencyNumbers(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	desired := &provision.State{
		Users:  []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "999"}, {User: "ann", DisplayName: "Ann", ExtensionNumber: "99912"}},
		Groups: []provision.Group{{Name: "sales", ExtensionNumber: "1123"}},
		Queues: []provision.Queue{{Name: "front", ExtensionNumber: "911"}},
	}
	got := a.problems(t, desired, nil)
	require.Len(t, got, 3, "%v", got)
	for i, want := range []string{"users[0] (joe), extensionNumber: ", "groups[0] (sales), extensionNumber: ", "queues[0] (front), extensionNumber: "} {
		require.True(t, strings.HasPrefix(got[i], want), got[i])
		require.NotContains(t, got[i], "EmergencyNumbers")
	}

	for _, meant := range []*provision.State{
		{Users: desired.Users, Groups: desired.Groups, Queues: desired.Queues, EmergencyNumbers: true},
		provision.Merge(desired, &provision.State{EmergencyNumbers: true}),
	} {
		changes := a.plan(t, meant, nil)
		if !changes.Empty() {
			_, err := changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1}) // so that joe is the first
			require.NoError(t, err)
		}
		a.is(t, meant, nil)
	}
	require.Equal(t, map[string]string{"joe": "999", "ann": "99912", "sales": "1123", "front": "911"}, a.extensions())

	// Who has one already may keep it, if the state does not say the number.
	a.is(t, &provision.State{Users: []provision.User{{User: "joe"}, {User: "ann"}}}, nil)

	// What is used in between is none of them, unless it is named.
	swap := &provision.State{EmergencyNumbers: true, Users: []provision.User{{User: "joe", ExtensionNumber: "99912"}, {User: "ann", ExtensionNumber: "999"}}}
	require.Contains(t, a.plan(t, swap, nil).String(), `"998" for the time in between`)
	require.Contains(t, a.plan(t, swap, &provision.PlanOptions{Spares: []string{"9112"}}).String(), `"9112" for the time in between`)

	people, err := provision.ReadCSV(strings.NewReader("user,displayName,extension\njoe,Joe,999\n"), &provision.CSVOptions{EmergencyNumbers: true})
	require.NoError(t, err)
	a.is(t, people, nil)
	people, err = provision.ReadCSV(strings.NewReader("user,displayName,extension\njoe,Joe,999\n"), nil)
	require.NoError(t, err)
	a.ResetRequests()
	got = a.problems(t, people, nil)
	require.Len(t, got, 1)
	require.True(t, strings.HasPrefix(got[0], "line 2, extension: "), got[0])
}

// What a run that was cut left in doubt is set again, and then it is known.
func TestUnsettledSecrets(t *testing.T) {
	t.Parallel()
	secret := infinitysip.NewSecret
	joe := provision.User{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}
	own, pin := joe, joe
	own.Password = secret("the state's")
	pin.PIN = secret("9999")
	both := provision.Credential{State: provision.CredentialUnknown, User: "Joe", Password: secret("left over"), PIN: secret("4821")}
	for name, test := range map[string]struct {
		user          provision.User
		left          provision.Credential
		opts          provision.PlanOptions
		there         bool
		line          string
		password, pin string // in force; "": what it was, or a new one
	}{
		"not there":                           {user: joe, left: both, line: `+ user joe (extension 0100, displayName "Joe", password given, PIN given)`, password: "left over", pin: "4821"},
		"there":                               {user: joe, left: both, there: true, line: "~ user joe: new password, new PIN", password: "left over", pin: "4821"},
		"there, and only new things":          {user: joe, left: both, opts: provision.PlanOptions{CreateOnly: true}, there: true, line: "~ user joe: new password, new PIN", password: "left over", pin: "4821"},
		"the state's own, not there":          {user: own, left: both, line: `+ user joe (extension 0100, displayName "Joe", password given, PIN given)`, password: "the state's", pin: "4821"},
		"the state's own, there":              {user: own, left: both, there: true, line: "~ user joe: new password, new PIN", password: "the state's", pin: "4821"},
		"the state's own, and it is set":      {user: own, left: both, opts: provision.PlanOptions{SetSecrets: true}, there: true, line: "~ user joe: new password, new PIN", password: "the state's", pin: "4821"},
		"the state's PIN, and it is set":      {user: pin, left: both, opts: provision.PlanOptions{SetSecrets: true}, there: true, line: "~ user joe: new password, new PIN", password: "left over", pin: "9999"},
		"a PIN alone, there":                  {user: joe, left: provision.Credential{User: "joe", PIN: secret("4821")}, there: true, line: "~ user joe: new PIN", pin: "4821"},
		"a PIN alone, with the state's":       {user: own, left: provision.Credential{User: "joe", PIN: secret("4821")}, there: true, line: "~ user joe: new PIN", pin: "4821"},
		"a PIN alone, not there":              {user: joe, left: provision.Credential{User: "joe", PIN: secret("4821")}, line: `+ user joe (extension 0100, displayName "Joe", password made up, PIN given)`, pin: "4821"},
		"a token of what is not in the state": {user: joe, left: provision.Credential{User: "joe", Device: "00:00:5E:00:53:01", Token: secret("t")}, there: true},
		"somebody who is not in the state":    {user: joe, left: provision.Credential{User: "zoe", Password: secret("z")}, there: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			if test.there {
				_, err := a.client.Users.Create(t.Context(), a.domain, infinitysip.UserCreateParams{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", Password: secret("before"), PIN: secret("1")})
				require.NoError(t, err)
			}
			test.opts.Unsettled = []provision.Credential{test.left}
			changes := a.plan(t, &provision.State{Users: []provision.User{test.user}}, &test.opts)
			require.NotContains(t, changes.String(), "left over")
			if test.line == "" {
				require.True(t, changes.Empty(), "%v", changes)
				return
			}
			require.Equal(t, test.line, strings.Split(changes.String(), "\n")[0])
			require.Equal(t, test.there, strings.Contains(changes.String(), "! user joe: a run was cut when it set the password or the PIN"))
			books := newLedger()
			results, err := changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle})
			require.NoError(t, err)
			user := a.Users(a.domain)[0]
			switch {
			case test.password != "":
				require.Equal(t, test.password, user.Password.Reveal())
				require.Equal(t, test.password, books.confirmed["joe"])
			case test.there:
				require.Equal(t, "before", user.Password.Reveal())
			default:
				require.Len(t, user.Password.Reveal(), 26)
			}
			require.Equal(t, test.pin, user.PIN.Reveal())
			require.True(t, results[0].PIN.Equal(user.PIN))
			require.Equal(t, provision.CredentialConfirmed, books.after["joe"])
		})
	}
}

// Nothing sets the password again of a user whom the state no longer names, so the plan
// says so.
func TestUnsettledOfWhoIsNotInTheState(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	opts := &provision.PlanOptions{Unsettled: []provision.Credential{
		{User: "Joe", Password: infinitysip.NewSecret("left over")}, {User: "ann", PIN: infinitysip.NewSecret("4821")}, {User: "joe", PIN: infinitysip.NewSecret("4821")},
		{User: "zoe", Password: infinitysip.NewSecret("left over")}, {User: "joe", Device: "00:00:5E:00:53:09"}, // who is not there, and a token
	}}
	const note = "! user joe, user ann: a run that was cut may have set the password or the PIN, and the state does not name the user: nobody knows which is in force\n"
	require.Contains(t, a.plan(t, &provision.State{Users: []provision.User{{User: "eve"}}}, opts).String(), note)
	require.Contains(t, a.plan(t, &provision.State{Groups: []provision.Group{}}, opts).String(), note)
	opts.Prune, opts.MaxDeletes = true, 20
	require.NotContains(t, a.plan(t, &provision.State{Users: []provision.User{{User: "eve"}}}, opts).String(), "a run that was cut may have set", "they go")
}

// A run ends when nobody knows whether a user was made. The file of passwords tells
// the next one, and after that there is nothing left to tell.
func TestUnsettledFromTheFile(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]siptest.Fault{"made": siptest.On("Users.Create").Nth(1).CommitThenDrop(), "not made": siptest.On("Users.Create").Nth(1).Drop()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "secrets.csv")
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", HotdeskAllowed: new(true)}}}
				file, err := provision.KeepCSV(path)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				a.Fail(fault.After(func(*siptest.Server) { cancel() }))
				_, err = a.plan(t, desired, nil).Apply(ctx, a.client, &provision.ApplyOptions{Keep: file.Keep, Settle: file.Settle})
				require.ErrorIs(t, err, context.Canceled)
				require.NoError(t, file.Close())

				file, err = provision.KeepCSV(path)
				require.NoError(t, err)
				left := file.Unsettled()
				require.Len(t, left, 1)
				changes := a.plan(t, desired, &provision.PlanOptions{CreateOnly: true, Unsettled: left})
				require.Len(t, changes.Items, 1)
				_, err = changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: file.Keep, Settle: file.Settle})
				require.NoError(t, err)
				require.True(t, left[0].Password.Equal(a.Users(a.domain)[0].Password))
				require.True(t, left[0].PIN.Equal(a.Users(a.domain)[0].PIN))
				require.Empty(t, file.Unsettled())
				require.NoError(t, file.Close())
			})
		})
	}
}

// Who is in a row that was skipped is not deleted, nor is what is theirs.
func TestSkippedAreNotPruned(t *testing.T) {
	t.Parallel()
	const header = "user,displayName,extension,groups,mac\n"
	a := newAcme(t)
	a.become(t, small())
	read := func(rows string) *provision.State {
		state, err := provision.ReadCSV(strings.NewReader(header+rows), &provision.CSVOptions{SkipBad: true})
		require.NoError(t, err)
		return state
	}
	opts := &provision.PlanOptions{Prune: true, MaxDeletes: 9}
	const leftAlone = ": its row in the file has a problem and was skipped: it is left alone"
	for name, test := range map[string]struct {
		rows string
		want []string
	}{
		"with the device of the row": {"joe,Joe,01o0,sales,00:00:5E:00:53:02\nANN,Ann,010l,sales,\neve,Eve,0102,,\n", []string{
			"! user joe, user ann, device 00:00:5E:00:53:01, device 00:00:5E:00:53:02" + leftAlone,
		}},
		"the others are deleted": {"JOE,Joe,01o0,sales,00:00:5E:00:53:01\n", []string{
			"- user ann, and with it: place in group sales", "- user eve", "- device 00:00:5E:00:53:02",
			"! user joe, device 00:00:5E:00:53:01" + leftAlone,
		}},
		"with the device on the server": {"joe,Joe,01o0,,\nann,Ann,0101,sales,\neve,Eve,0102,,\n", []string{
			"- device 00:00:5E:00:53:02",
			"! user joe, device 00:00:5E:00:53:01" + leftAlone,
		}},
		"with the places in groups": {"joe,Joe,01o0,night,00:00:5E:00:53:01\nann,Ann,0101,night,00:00:5E:00:53:02\neve,Eve,0102,,\n", []string{
			"+ into group night: ann",
			"~ out of group sales: ann (1 user stays in the domain)",
			"+ device 00:00:5E:00:53:02 goes to user ann",
			"! user joe, device 00:00:5E:00:53:01" + leftAlone,
		}},
	} {
		state := read(test.rows)
		require.NotEmpty(t, state.Skipped(), name)
		require.Equal(t, lines(test.want...), a.plan(t, state, opts).String(), name)
	}
	require.Equal(t, []string{"rows of the file were skipped that do not say whose they are, so pruning could delete users who are in the file: mend these rows"},
		a.problems(t, read("joe,Joe,0100,sales,00:00:5E:00:53:01\n,Anne,0108,,\n"), opts))
	require.Equal(t, []string{"rows of the file were skipped whose MAC addresses cannot be read, so pruning could delete devices that are in the file: mend these rows"},
		a.problems(t, read("joe,Joe,0100,sales,00:00:5E\nann,Ann,0101,,\neve,Eve,0102,,\n"), opts))
}

// A rename is a new account and a deleted one, and the plan says so.
func TestRenames(t *testing.T) {
	t.Parallel()
	const before = `{
		"users": [
			{"user": "ann", "displayName": "Ann", "extensionNumber": "0201"},
			{"user": "ben", "displayName": "Ben", "extensionNumber": "0202"},
			{"user": "cat", "displayName": "Cat", "extensionNumber": "0203"}],
		"groups": [
			{"groupName": "sales", "extensionNumber": "0601", "members": ["ann", "ben"]},
			{"groupName": "support", "extensionNumber": "0602", "members": ["cat"]}],
		"queues": [{"queueName": "reception", "extensionNumber": "0700", "members": [{"group": "sales"}, {"group": "support"}]}],
		"devices": [
			{"deviceMacAddress": "00:15:65:AB:CD:01", "pbxDeviceName": "p1", "user": "ann"},
			{"deviceMacAddress": "00:15:65:AB:CD:02", "pbxDeviceName": "p2", "user": "ben"}]
	}`
	was, err := provision.ReadJSON(strings.NewReader(before))
	require.NoError(t, err)
	user, err := provision.ReadCSV(strings.NewReader(`user,displayName,extension,groups,mac
ann.smith,Ann Smith,0201,sales,00:15:65:AB:CD:01
ben,Ben,0202,sales,00:15:65:AB:CD:02
cat,Cat,0203,support,
`), nil)
	require.NoError(t, err)
	group, err := provision.ReadJSON(strings.NewReader(`{"groups": [
		{"groupName": "Sales Team", "extensionNumber": "0601", "members": ["ann", "ben"]},
		{"groupName": "support", "extensionNumber": "0602"}]}`))
	require.NoError(t, err)
	for name, test := range map[string]struct {
		desired *provision.State
		deletes int
		want    []string
	}{
		"a user": {user, 2, []string{
			`+ user ann.smith (extension 0201, displayName "Ann Smith", password made up)`,
			"+ into group sales: ann.smith",
			"~ device 00:15:65:AB:CD:01 is taken from user ann for the time in between",
			"+ device 00:15:65:AB:CD:01 goes to user ann.smith",
			"- user ann, and with it: place in group sales",
			"! ann.smith: looks like ann renamed (same extension, same device): the account, its password and its tokens are new",
		}},
		"a group": {group, 4, []string{
			`+ group "Sales Team" (extension 0601, callerNameFormat "{displayName} - {srcPhoneNumber}")`,
			`+ into group "Sales Team": ann, ben`,
			"- group sales, and with it: 2 users lose the group: ann, ben; queue reception no longer rings it",
			`! "Sales Team": looks like sales renamed (same extension): what hangs on the old one goes with it`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.become(t, was)
			changes := a.plan(t, test.desired, &provision.PlanOptions{Prune: true, MaxDeletes: test.deletes})
			require.Equal(t, lines(test.want...), changes.String())
			require.Equal(t, test.deletes, changes.Deletes())
			results, err := changes.Apply(t.Context(), a.client, nil)
			require.NoError(t, err)
			a.is(t, test.desired, &provision.PlanOptions{Prune: true})
			if name == "a user" {
				require.Equal(t, "ann.smith", a.Devices(a.domain)[0].User)
				require.Len(t, results[3].Token.Reveal(), 25)
				require.Equal(t, []infinitysip.UserID{2, 4}, a.GroupUsers(a.domain, 1))
			} else {
				require.Len(t, a.QueueMembers(a.domain, 1), 1)
			}
			_, err = provision.Plan(t.Context(), a.client, a.domain, was, &provision.PlanOptions{Prune: true, MaxDeletes: 1})
			require.ErrorIs(t, err, provision.ErrTooManyDeletes)
		})
	}
}

func TestStateSecrets(t *testing.T) {
	t.Parallel()
	state := &provision.State{Users: []provision.User{
		{User: "Joe", Password: infinitysip.NewSecret("hunter2")}, {User: "ann", PIN: infinitysip.NewSecret("4821")}, {User: "Zoe\u0308"},
	}}
	secrets := state.Secrets()
	state.Users[0].Password = infinitysip.NewSecret("later") // which is another state
	state.Users[0].User = "joseph"
	for name, want := range map[string]string{"joe": "hunter2 ", "JOE": "hunter2 ", "ann": " 4821", "zo\u00eb": " "} {
		c, err := secrets(name)
		require.NoError(t, err)
		require.Equal(t, want, c.Password.Reveal()+" "+c.PIN.Reveal(), name)
		require.Empty(t, c.State)
		require.Empty(t, c.Device)
	}
	for _, name := range []string{"joseph", "", "eve"} {
		_, err := secrets(name)
		require.ErrorIs(t, err, infinitysip.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("user %q is not in the state", name))
	}
}

// A plan is what was planned, whatever becomes of the state and the options.
func TestStateThatIsEditedAfterPlan(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	desired := small()
	desired.Users[0].Password = infinitysip.NewSecret("hunter2")
	spares := []string{"801"}
	changes := a.plan(t, desired, &provision.PlanOptions{Spares: spares})
	text, digest := changes.String(), changes.Digest()
	desired.Users[0].Password, desired.Users[0].DisplayName, *desired.Users[0].Email = infinitysip.NewSecret("later"), "Later", "later@example.com"
	desired.Groups[0].Members[0], *desired.Devices[0].Owner, desired.Queues[0].Members[0].Group = "eve", "eve", "night"
	spares[0] = "999"
	require.Equal(t, text, changes.String())
	require.Equal(t, digest, changes.Digest())
	_, err := changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1}) // so that joe is the first
	require.NoError(t, err)
	a.is(t, small(), nil)
	require.Equal(t, "hunter2", a.Users(a.domain)[0].Password.Reveal())
}

// What one process plans and saves, another applies: with the secrets of the state, as
// it was reviewed, or not at all.
func TestSavedPlanIsAppliedByAnotherProcess(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{
		Users: []provision.User{
			{User: "JOE", DisplayName: "Joe B.", ExtensionNumber: "0101", Password: infinitysip.NewSecret("hunter2")},
			{User: "ann", ExtensionNumber: "0100", Groups: []string{"night"}},
			{User: "new", DisplayName: "New", ExtensionNumber: "0103", Password: infinitysip.NewSecret("of the file"), PIN: infinitysip.NewSecret("48214821"), HotdeskAllowed: new(true)},
			{User: "dan", DisplayName: "Dan", ExtensionNumber: "0104"},
		},
		Groups:  []provision.Group{{Name: "sales"}, {Name: "support"}, {Name: "night"}, {Name: "team", ExtensionNumber: "0650", Members: []string{"new", "joe"}}},
		Queues:  []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "team", RingSecs: new(30)}, {Group: "support"}}}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("dan")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("joe")}, {MACAddress: "00:00:5E:00:53:03", Owner: new("new")}},
	}
	opts := &provision.PlanOptions{Prune: true, MaxDeletes: 9, SetSecrets: true, Spares: []string{"0777"}}
	plan := a.plan(t, desired, opts)
	data, err := json.Marshal(plan)
	require.NoError(t, err)
	for _, secret := range []string{"hunter2", "of the file", "48214821"} {
		require.NotContains(t, string(data), secret)
	}

	var read provision.Changes
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, plan.String(), read.String())
	require.Equal(t, plan.Digest(), read.Digest())
	require.Equal(t, plan.Summary(), read.Summary())
	again, err := json.Marshal(read)
	require.NoError(t, err)
	require.Equal(t, string(data), string(again))

	client := a.InProcessClient() // of another process
	_, err = read.Apply(t.Context(), client, nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "passwords or PINs of 2 users that it does not hold")
	require.ErrorContains(t, err, "user new, user joe")
	_, err = read.Apply(t.Context(), client, &provision.ApplyOptions{Secrets: small().Secrets()})
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.Empty(t, a.sent())

	results, err := read.Apply(t.Context(), client, &provision.ApplyOptions{Secrets: desired.Secrets()})
	require.NoError(t, err)
	require.Len(t, results, len(plan.Items))
	a.is(t, desired, &provision.PlanOptions{Prune: true})
	passwords := map[string]string{}
	for _, u := range a.Users(a.domain) {
		passwords[u.User] = u.Password.Reveal()
	}
	require.Equal(t, "hunter2", passwords["joe"])
	require.Equal(t, "of the file", passwords["new"])
	require.Len(t, passwords["dan"], 26)
	require.NotContains(t, passwords, "eve")

	// Twice is once too often.
	_, err = read.Apply(t.Context(), client, &provision.ApplyOptions{Secrets: desired.Secrets()})
	require.ErrorIs(t, err, provision.ErrStale)
}
