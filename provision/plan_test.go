package provision_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// become makes of the domain what is desired.
func (a *acme) become(t *testing.T, desired *provision.State) {
	t.Helper()
	_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1}) // so that ids are in order
	require.NoError(t, err)
	a.is(t, desired, nil)
	a.ResetRequests()
}

// is requires that there is nothing left to do.
func (a *acme) is(t *testing.T, desired *provision.State, opts *provision.PlanOptions) {
	t.Helper()
	changes := a.plan(t, desired, opts)
	require.True(t, changes.Empty(), "%v", changes)
}

func lines(text ...string) string { return strings.Join(text, "\n") + "\n" }

// small is a domain with a thing of each kind.
func small() *provision.State {
	return &provision.State{
		Users: []provision.User{
			{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", Email: new("joe@example.com")},
			{User: "ann", DisplayName: "Ann", ExtensionNumber: "0101", UKPhoneID: 3},
			{User: "eve", DisplayName: "Eve", ExtensionNumber: "0102"},
		},
		Groups: []provision.Group{
			{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0600", Members: []string{"joe", "ann"}},
			{Name: "support", ExtensionNumber: "0601", Members: []string{}},
			{Name: "night", ExtensionNumber: "0602"},
		},
		Queues: []provision.Queue{{Name: "front", ExtensionNumber: "0700", Members: []provision.QueueMember{{Group: "sales"}, {Group: "support"}, {Group: "night"}}}},
		TrustedNetworks: []provision.TrustedNetwork{
			{Network: "10.0.20.10/24", Description: new("Office")}, {Network: "10.0.21.0/24"},
		},
		Devices: []provision.Device{{MACAddress: "00-00-5e-00-53-01", Owner: new("joe")}, {MACAddress: "00:00:5E:00:53:02"}},
	}
}

func TestPlanIsADiff(t *testing.T) {
	t.Parallel()
	type state = provision.State
	for name, test := range map[string]struct {
		desired state
		opts    provision.PlanOptions
		want    []string
	}{
		"the same in other words": {state{
			Users:           []provision.User{{User: "JOE", Email: new("joe@example.com"), MobileNumber: new(""), Dashboard: new(false)}, {User: "ann", Groups: []string{"Sales"}}},
			Groups:          []provision.Group{{Name: "SALES", RingRetry: new(false), CallerNameFormat: new(provision.DefaultCallerNameFormat)}},
			TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.20.0/24", Description: new("Office")}},
			Devices:         []provision.Device{{MACAddress: "0000.5e00.5301", Owner: new("Joe")}},
		}, provision.PlanOptions{}, []string{
			"! 1 user is not in the state and stays, since nothing is pruned: eve",
			"! 2 groups are not in the state and stay, since nothing is pruned: support, night",
			"! 1 trusted network is not in the state and stays, since nothing is pruned: 10.0.21.0/24",
			"! 1 device is not in the state and stays, since nothing is pruned: 00:00:5E:00:53:02",
		}},
		"fields": {state{
			Users:           []provision.User{{User: "joe", Email: new(""), Dashboard: new(true), JobName: new("Clerk")}},
			Groups:          []provision.Group{{Name: "sales", DisplayName: "Sales Dept", RingRetry: new(true)}, {Name: "night", CallerNameFormat: new(infinitysip.CallerNameFormat(""))}},
			Queues:          []provision.Queue{{Name: "front", CallerNameFormat: new(infinitysip.CallerNameFormat("{dgrpName}"))}},
			TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.20.0/24", Description: new("")}},
			Devices:         []provision.Device{{MACAddress: "00:00:5E:00:53:01", Name: new("Desk")}},
		}, provision.PlanOptions{}, []string{
			`~ user joe: clears email ("joe@example.com" → ""), jobName "" → "Clerk", dashboard off → on`,
			`~ group sales: displayName "Sales" → "Sales Dept", ringRetry off → on`,
			`~ group night: clears callerNameFormat ("{displayName} - {srcPhoneNumber}" → "")`,
			`~ queue front: callerNameFormat "" → "{dgrpName}"`,
			`~ trusted network 10.0.20.10/24: clears description ("Office" → "")`,
			`~ device 00:00:5E:00:53:01: pbxDeviceName "Joe" → "Desk"`,
			"! 2 users are not in the state and stay, since nothing is pruned: ann, eve",
			"! 1 group is not in the state and stays, since nothing is pruned: support",
			"! 1 trusted network is not in the state and stays, since nothing is pruned: 10.0.21.0/24",
			"! 1 device is not in the state and stays, since nothing is pruned: 00:00:5E:00:53:02",
		}},
		"who is where": {state{
			Users:   []provision.User{{User: "eve", Groups: []string{"sales", "night"}}, {User: "new", DisplayName: "New", ExtensionNumber: "0103"}},
			Groups:  []provision.Group{{Name: "sales"}, {Name: "night"}, {Name: "support", Members: []string{"new", "eve"}}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("eve")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("new")}, {MACAddress: "00:00:5E:00:53:03", Owner: new("new")}},
		}, provision.PlanOptions{}, []string{
			`+ user new (extension 0103, displayName "New", password made up)`,
			`+ device 00:00:5E:00:53:03 "New"`,
			"+ into group support: new, eve",
			"+ into group sales: eve",
			"+ into group night: eve",
			`~ device 00:00:5E:00:53:01 goes from user joe to user eve`,
			"+ device 00:00:5E:00:53:02 goes to user new",
			"+ device 00:00:5E:00:53:03 goes to user new",
			"! 2 users are not in the state and stay, since nothing is pruned: joe, ann",
		}},
		"lists without prune": {state{
			Users: []provision.User{{User: "joe", Groups: []string{}}}, Groups: []provision.Group{{Name: "sales", Members: []string{}}}, TrustedNetworks: []provision.TrustedNetwork{},
			Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{}}}, Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("")}},
		}, provision.PlanOptions{}, []string{
			"! 2 users are not in the state and stay, since nothing is pruned: ann, eve",
			"! 2 groups are not in the state and stay, since nothing is pruned: support, night",
			"! 2 trusted networks are not in the state and stay, since nothing is pruned: 10.0.20.10/24, 10.0.21.0/24",
			"! 1 device is not in the state and stays, since nothing is pruned: 00:00:5E:00:53:02",
			"! 2 users stay in group sales, since nothing is pruned: joe, ann",
			"! 1 device stays with its user, since nothing is pruned: 00:00:5E:00:53:01",
			"! 3 places of queue front stay, since nothing is pruned: sales, support, night",
		}},
		"lists with prune": {state{
			Users: []provision.User{{User: "joe", Groups: []string{}}}, TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.21.0/24"}},
			Queues:  []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "night"}}}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("")}},
		}, provision.PlanOptions{Prune: true, MaxDeletes: 9}, []string{
			"~ out of group sales: joe (1 user stays in the domain)",
			"~ device 00:00:5E:00:53:01 is taken from user joe and is nobody's",
			"~ queue front no longer rings group sales",
			"~ queue front no longer rings group support",
			"- user ann, and with it: place in group sales",
			"- user eve",
			"- trusted network 10.0.20.10/24",
			"- device 00:00:5E:00:53:02",
		}},
		"a queue's order": {state{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "night", RingSecs: new(5)}, {Group: "sales"}}}}},
			provision.PlanOptions{}, []string{
				`~ queue front: group night ringSecs 20 → 5`,
				`~ queue front rings in this order: night, support, sales`,
				"! 1 place of queue front stays, since nothing is pruned: support",
			}},
		"a group twice in a queue": {state{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "sales"}, {Group: "night"}, {Group: "sales"}}}}},
			provision.PlanOptions{}, []string{
				`+ queue front rings group sales too (ringStrategy "all", ringAttempts 1, ringSecs 20, ringOrder 4)`,
				"! 1 place of queue front stays, since nothing is pruned: support",
			}},
		"secrets and tokens": {state{
			Users:   []provision.User{{User: "joe", Password: infinitysip.NewSecret("hunter2"), PIN: infinitysip.NewSecret("1234")}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("JOE")}},
		}, provision.PlanOptions{SetSecrets: true, RotateTokens: []string{"00-00-5e-00-53-01"}}, []string{
			"~ user joe: new password, new PIN",
			"~ device 00:00:5E:00:53:01 of user joe: new token",
			"! user joe: the API does not show passwords and PINs, so every plan that sets them has something to do",
			"! 2 users are not in the state and stay, since nothing is pruned: ann, eve",
			"! 1 device is not in the state and stays, since nothing is pruned: 00:00:5E:00:53:02",
		}},
		"a new token of a device that goes to another user": {state{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("eve")}}},
			provision.PlanOptions{RotateTokens: []string{"00:00:5E:00:53:01", "00:00:5E:00:53:02"}}, []string{
				"~ device 00:00:5E:00:53:01 goes from user joe to user ann",
				"+ device 00:00:5E:00:53:02 goes to user eve",
			}},
		"a device of a user who is deleted goes to another": {state{Users: []provision.User{{User: "ann"}, {User: "eve"}}, Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("eve")}, {MACAddress: "00:00:5E:00:53:02"}}},
			provision.PlanOptions{Prune: true, MaxDeletes: 2}, []string{
				"~ device 00:00:5E:00:53:01 is taken from user joe for the time in between",
				"+ device 00:00:5E:00:53:01 goes to user eve",
				"- user joe, and with it: place in group sales",
			}},
		"a group goes, and with it": {state{Groups: []provision.Group{{Name: "support"}, {Name: "night"}}}, provision.PlanOptions{Prune: true, MaxDeletes: 4}, []string{
			"- group sales, and with it: 2 users lose the group: joe, ann; queue front no longer rings it",
		}},
		"secrets once set": {state{Users: []provision.User{{User: "joe", Password: infinitysip.NewSecret("hunter2")}}}, provision.PlanOptions{}, []string{
			"! 2 users are not in the state and stay, since nothing is pruned: ann, eve",
		}},
		"what cannot be changed": {state{Users: []provision.User{{User: "ann", UKPhoneID: 4}, {User: "joe"}}}, provision.PlanOptions{}, []string{
			"! user ann: the API cannot change ukPhoneId",
			"! 1 user is not in the state and stays, since nothing is pruned: eve",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t, siptest.Options{EchoSecrets: true})
			a.become(t, small())

			changes := a.plan(t, &test.desired, &test.opts)

			want := ""
			if test.want != nil {
				want = lines(test.want...)
			}
			require.Equal(t, want, changes.String())
			require.Empty(t, a.sent())
			_, err := changes.Apply(t.Context(), a.client, nil)
			require.NoError(t, err)
			test.opts.SetSecrets, test.opts.RotateTokens = false, nil
			a.is(t, &test.desired, &test.opts)
		})
	}
}

// A plan as another program reads it.
func TestPlanOfSmallAsJSON(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	changes := a.plan(t, &provision.State{
		Users: []provision.User{
			{User: "joe", Password: infinitysip.NewSecret("hunter2"), DisplayName: "Joe B."},
			{User: "new", DisplayName: "New", ExtensionNumber: "0103", Password: infinitysip.NewSecret("hunter2"), Dashboard: new(true), Groups: []string{"sales"}},
		},
		Queues:  []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "sales", RingSecs: new(5)}, {Group: "support"}, {Group: "night"}}}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("new")}, {MACAddress: "00:00:5E:00:53:02"}},
	}, &provision.PlanOptions{SetSecrets: true, MaxDeletes: 7})
	changes.Notes = changes.Notes[:1]
	data, err := json.Marshal(changes)
	require.NoError(t, err)
	require.JSONEq(t, `{"version":1,"domain":1,"maxDeletes":7,"rings":{"1":[{"name":"sales","id":1},{"name":"support","id":2},{"name":"night","id":3}]},
		"notes":["user joe: the API does not show passwords and PINs, so every plan that sets them has something to do"],
		"changes":[
		{"n":1,"op":"update","kind":"user","name":"joe","id":1,"fields":[{"field":"displayName","from":"Joe","to":"Joe B."}],"secrets":["password"]},
		{"n":2,"op":"create","kind":"user","name":"new","fields":[{"field":"displayName","to":"New"},{"field":"extensionNumber","to":"0103"},{"field":"dashboard","to":true}],"secrets":["password"]},
		{"n":3,"op":"create","kind":"group members","name":"sales","id":1,"members":[{"name":"new","madeBy":2}],"after":[2]},
		{"n":4,"op":"update","kind":"device owner","name":"00:00:5E:00:53:01","id":1,"from":{"name":"joe","id":1},"to":{"name":"new","madeBy":2},"needs":[2]},
		{"n":5,"op":"update","kind":"queue member","name":"front","id":1,"fields":[{"field":"ringSecs","from":20,"to":5}],"members":[{"name":"sales","id":1}],"memberId":1}
	]}`, string(data))

	data, err = json.Marshal(a.plan(t, new(provision.State), nil))
	require.NoError(t, err)
	require.JSONEq(t, `{"version":1,"domain":1,"maxDeletes":0,"changes":[]}`, string(data))
}

func TestPlanProblems(t *testing.T) {
	t.Parallel()
	type state = provision.State
	for name, test := range map[string]struct {
		desired state
		opts    provision.PlanOptions
		want    []string
	}{
		"tokens of what is not in the state": {state{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01"}}},
			provision.PlanOptions{RotateTokens: []string{"0000.5e00.5301", "00:00:5E:00:53:02", "joe"}}, []string{
				`new tokens: the state does not say whose "0000.5e00.5301" is: if a run ended when the device is taken from its user and not yet given back, nothing would tell. Name its user`,
				`new tokens: "00:00:5E:00:53:02" is not the MAC address of a device in the state`,
				`new tokens: "joe" is not the MAC address of a device in the state`,
			}},
		"tokens of what is nobody's by the state, pruned or not": {state{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("")}}},
			provision.PlanOptions{Prune: true, MaxDeletes: 9, RotateTokens: []string{"00:00:5E:00:53:01", "00-00-5e-00-53-02"}}, []string{
				`new tokens: the state says that "00:00:5E:00:53:01" is nobody's, and a device of nobody has no token. Name its user`,
				`new tokens: the state says that "00-00-5e-00-53-02" is nobody's, and a device of nobody has no token. Name its user`,
			}},
		"missing for a new one": {desired: state{Users: []provision.User{{User: "new"}}, Groups: []provision.Group{{Name: "new"}, {Name: "x", ExtensionNumber: "1", CallerNameFormat: new(infinitysip.CallerNameFormat(""))}},
			Queues: []provision.Queue{{Name: "new"}}}, want: []string{
			`users[0] (new), displayName: required: user "new" is not on the server yet`,
			`users[0] (new), extensionNumber: required: user "new" is not on the server yet`,
			`groups[0] (new), extensionNumber: required: group "new" is not on the server yet`,
			`groups[1] (x), callerNameFormat: required: group "x" is not on the server yet`,
			`queues[0] (new), extensionNumber: required: queue "new" is not on the server yet`,
		}},
		"unknown on the server": {desired: state{
			Users: []provision.User{{User: "joe", Groups: []string{"salse"}}}, Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("joe")}},
			Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "salse"}}}},
		}, want: []string{
			`users[0] (joe), groups: there is no group "salse", neither in the state nor on the server`,
			`queues[0] (front), members[0] (salse), group: there is no group "salse", neither in the state nor on the server`,
		}},
		"a number that is kept": {desired: state{Users: []provision.User{{User: "joe", ExtensionNumber: "0600"}, {User: "new", DisplayName: "New", ExtensionNumber: "0101"}}}, want: []string{
			`users[0] (joe), extensionNumber: "0600" is that of group sales on the server, which keeps it`,
			`users[1] (new), extensionNumber: "0101" is that of user ann on the server, which keeps it: if ann was renamed, the API has no call for that. Give another number, or delete the old one first`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.become(t, small())
			_, err := provision.Plan(t.Context(), a.client, a.domain, &test.desired, &test.opts)
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
			invalid, _ := errors.AsType[*provision.CheckError](err)
			var got []string
			for _, p := range invalid.Problems {
				got = append(got, p.String())
			}
			require.Equal(t, test.want, got)
			require.Empty(t, a.sent())
		})
	}
}

func TestPlanTellsLinesOfCSV(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	people, err := provision.ReadCSV(strings.NewReader("user,groups,mac\njoe,sales,\nnew,nowhere,00:00:5E:00:53:09\n"), nil)
	require.NoError(t, err)
	_, err = provision.Plan(t.Context(), a.client, a.domain, people, nil)
	require.EqualError(t, err, strings.TrimSpace(lines(
		"provision: 3 problems, nothing was changed:",
		`line 3, displayName: required: user "new" is not on the server yet`,
		`line 3, extension: required: user "new" is not on the server yet`,
		`line 3, groups: there is no group "nowhere", neither in the state nor on the server`)))
}

// The PIN of a list allows hot-desking where it is set, and nowhere else.
func TestPlanOfPINsOfCSV(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, &provision.State{Users: append(small().Users, provision.User{User: "dan", DisplayName: "Dan", ExtensionNumber: "0104", HotdeskAllowed: new(true)})})
	read := func(file string) *provision.State {
		people, err := provision.ReadCSV(strings.NewReader(file), nil)
		require.NoError(t, err)
		return people
	}
	people := read("user,displayName,extension,pin\njoe,Joe,0100,4821\ndan,Dan,0104,4822\nnew,New,0103,4823\n")
	const (
		hotdesk = "! user joe: the PIN is not set, and hot-desking stays off, since the user is there already: setting secrets too does both"
		secrets = "! user joe, user dan, user new: the API does not show passwords and PINs, so every plan that sets them has something to do"
		stay    = "! 2 users are not in the state and stay, since nothing is pruned: ann, eve"
	)

	changes := a.plan(t, people, nil)
	require.Equal(t, lines(`+ user new (extension 0103, displayName "New", hotdeskAllowed on, password made up, PIN given)`, hotdesk, stay), changes.String())
	_, err := changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	users := a.Users(a.domain)
	require.False(t, users[0].HotdeskAllowed)
	require.True(t, users[4].HotdeskAllowed)
	require.Equal(t, "4823", users[4].PIN.Reveal())
	require.Equal(t, lines(hotdesk, stay), a.plan(t, people, nil).String())

	changes = a.plan(t, people, &provision.PlanOptions{SetSecrets: true})
	require.Equal(t, lines("~ user joe: hotdeskAllowed off → on, new PIN", "~ user dan: new PIN", "~ user new: new PIN", secrets, stay), changes.String())
	_, err = changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.True(t, a.Users(a.domain)[0].HotdeskAllowed)
	require.Equal(t, "4821", a.Users(a.domain)[0].PIN.Reveal())
	require.Equal(t, lines(stay), a.plan(t, people, nil).String())

	// What the list says itself is done.
	changes = a.plan(t, read("user,pin,hotdeskAllowed\nann,4821,1\n"), nil)
	require.Equal(t, lines("~ user ann: hotdeskAllowed off → on", "! 4 users are not in the state and stay, since nothing is pruned: joe, eve, dan, new"), changes.String())
}

// Names that differ in case alone are told apart by their spelling, if need be.
func TestNamesOnTheServer(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{AllowDuplicates: true})
	for i, name := range []string{"sales", "Sales", "night", "night"} {
		_, err := a.client.Groups.Create(t.Context(), a.domain, infinitysip.GroupCreateParams{
			Name: name, DisplayName: name, ExtensionNumber: "060" + string(rune('0'+i)), CallerNameFormat: "{displayName}"})
		require.NoError(t, err)
	}
	changes := a.plan(t, &provision.State{Groups: []provision.Group{{Name: "Sales", DisplayName: "S"}}}, nil)
	require.Equal(t, lines(`~ group Sales: displayName "Sales" → "S"`, "! 3 groups are not in the state and stay, since nothing is pruned: sales, night, night"), changes.String())

	for _, name := range []string{"SALES", "night"} {
		_, err := provision.Plan(t.Context(), a.client, a.domain, &provision.State{Groups: []provision.Group{{Name: name}}}, nil)
		require.ErrorContains(t, err, "2 of them on the server are called")
	}
}

func TestPlanReadsEachListOnce(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	a.plan(t, small(), nil)
	calls := map[string]int{}
	for _, r := range a.Requests() {
		calls[r.Op]++
	}
	require.Equal(t, map[string]int{
		"Users.List": 1, "Groups.List": 1,
		"Queues.List": 2, "TrustedNetworks.List": 2, "Devices.List": 2, // a page, and one that is empty
		"Groups.ListUsers": 2, "Queues.ListMembers": 1, // of those whose members are given
	}, calls)
}

func TestPlanOfAFailedListIsNone(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Users.List", "Groups.List", "Queues.List", "TrustedNetworks.List", "Devices.List", "Groups.ListUsers", "Queues.ListMembers"} {
		a := newAcme(t)
		a.become(t, small())
		a.Fail(siptest.On(op).Status(http.StatusForbidden))
		changes, err := provision.Plan(t.Context(), a.client, a.domain, small(), nil)
		require.ErrorIs(t, err, infinitysip.ErrForbidden, op)
		require.Nil(t, changes)
	}
}

// Where the lists that have no pages may have been cut, nobody is taken to be
// missing.
func TestPlanDoesNotTrustALongList(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.Fail(siptest.On("Users.List").Rewrite(func([]byte) []byte {
		return manyUsers()
	}))
	_, err := provision.Plan(t.Context(), a.client, a.domain, &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "2"}}}, nil)
	require.ErrorContains(t, err, "users[0] (joe), user: the server gave exactly 10000 rows")
}

func TestPlanLeavesAloneWhatHasNoName(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.Fail(siptest.On("Devices.List").Nth(1).Rewrite(func([]byte) []byte {
		return []byte(`{"pbxDeviceId":"9","pbxDeviceName":"Softphone","deviceMacAddress":"","userId":"0"}` + "\n")
	}))
	changes := a.plan(t, &provision.State{Devices: []provision.Device{}}, &provision.PlanOptions{Prune: true})
	require.Equal(t, "! device 9: it has no MAC address on the server and is left alone\n", changes.String())

	a.Fail(siptest.On("Groups.ListUsers").Rewrite(func([]byte) []byte { return []byte(`{"groupId":"1"}` + "\n") }))
	a.become(t, &provision.State{Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0600"}}})
	_, err := provision.Plan(t.Context(), a.client, a.domain, &provision.State{Groups: []provision.Group{{Name: "sales", Members: []string{}}}}, nil)
	require.ErrorContains(t, err, `a row of the users in group "sales" does not say who it is`)
}

// What the server does not show counts as empty.
func TestPlanSendsWhatIsNotShown(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	a.Fail(siptest.On("Users.List").Rewrite(func(body []byte) []byte {
		return []byte(strings.ReplaceAll(string(body), `"email"`, `"mail"`))
	}))
	desired := &provision.State{Users: []provision.User{{User: "joe", Email: new("joe@example.com")}, {User: "ann", Email: new("")}}}
	for range 2 {
		changes := a.plan(t, desired, nil)
		require.Equal(t, lines(`~ user joe: email "" → "joe@example.com"`, "! 1 user is not in the state and stays, since nothing is pruned: eve"), changes.String())
		_, err := changes.Apply(t.Context(), a.client, nil)
		require.NoError(t, err)
	}
}

// A row that does not say what it is of may be of what seems to be missing.
func TestPlanRefusesRowsThatSayNothing(t *testing.T) {
	t.Parallel()
	desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}}}
	for row, want := range map[string]string{
		`{"userId":"7","displayName":"Joe"}`: "user 7 on the server does not show its user",
		`{"user":"joe","displayName":"Joe"}`: "a row of a user on the server does not show its id",
	} {
		a := newAcme(t)
		a.Fail(siptest.On("Users.List").Rewrite(func([]byte) []byte { return []byte(row + "\n") }))
		_, err := provision.Plan(t.Context(), a.client, a.domain, desired, nil)
		require.ErrorContains(t, err, want)
		require.Empty(t, a.sent())
	}
}

func TestGroupUsersByName(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	a.Fail(siptest.On("Groups.ListUsers").Rewrite(func(body []byte) []byte {
		return []byte(strings.ReplaceAll(string(body), `"userId"`, `"memberId"`))
	}))
	a.is(t, small(), &provision.PlanOptions{Prune: true})
}

func TestMaxDeletesBelowZero(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	_, err := provision.Plan(t.Context(), a.client, a.domain, small(), &provision.PlanOptions{MaxDeletes: -1})
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "the most that may be deleted must not be negative: -1")
	require.Empty(t, a.Requests())
}

func TestMaxDeletes(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Groups: []provision.Group{{Name: "sales", Members: []string{}}}}
	text := lines("~ out of group sales: joe, ann (2 users stay in the domain)",
		"- group support, and with it: queue front no longer rings it", "- group night, and with it: queue front no longer rings it")
	for _, allowed := range []int{0, 3, 5} {
		changes, err := provision.Plan(t.Context(), a.client, a.domain, desired, &provision.PlanOptions{Prune: true, MaxDeletes: allowed})
		require.ErrorIs(t, err, provision.ErrTooManyDeletes)
		require.EqualError(t, err, fmt.Sprintf("provision: too many deletes: 6, and the limit is %d", allowed))
		require.Equal(t, text, changes.String())
		require.Equal(t, 6, changes.Deletes())

		_, err = changes.Apply(t.Context(), a.client, nil)
		require.ErrorIs(t, err, provision.ErrTooManyDeletes)
		require.Empty(t, a.sent())
	}
	changes := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 6})
	require.Equal(t, text, changes.String())
}

// A run was killed when a device was about to get its token. The next one gets it
// another, if the state says who has it.
func TestPlanOfATokenThatIsUnsettled(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	const mac = "00:00:5E:00:53:01"
	cut := []provision.Credential{{State: provision.CredentialProposed, User: "joe", Device: mac}}
	device := func(owner *string) *provision.State {
		return &provision.State{Devices: []provision.Device{{MACAddress: mac, Owner: owner}, {MACAddress: "00:00:5E:00:53:02"}}}
	}
	for want, state := range map[string]*provision.State{
		"~ device " + mac + " of user joe: new token\n":         device(new("joe")),
		"~ device " + mac + " goes from user joe to user ann\n": device(new("ann")), // which brings another
		"! device " + mac + ": a run that was cut may have lost its token, and the state does not name its user: it keeps the token that it has\n": device(nil),
	} {
		require.Equal(t, want, a.plan(t, state, &provision.PlanOptions{Unsettled: cut}).String())
	}

	var kept, settled []provision.Credential
	_, err := a.plan(t, device(new("joe")), &provision.PlanOptions{Unsettled: cut}).Apply(t.Context(), a.client, &provision.ApplyOptions{
		Keep:   func(c provision.Credential) error { kept = append(kept, c); return nil },
		Settle: func(c provision.Credential) error { settled = append(settled, c); return nil },
	})
	require.NoError(t, err)
	require.Equal(t, cut, kept, "before there is a token")
	require.Len(t, settled, 1)
	require.Equal(t, provision.CredentialConfirmed, settled[0].State)
	require.Len(t, settled[0].Token.Reveal(), 25)
}

// What a domain holds is what it is to hold, also a number that people dial in need.
func TestReadDomainWithEmergencyNumbers(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.AddGroup(a.domain, infinitysip.Group{Name: "help", DisplayName: "Help", ExtensionNumber: "9991", CallerNameFormat: "{displayName}"})
	state, err := provision.ReadDomain(t.Context(), a.client, a.domain)
	require.NoError(t, err)
	require.True(t, state.EmergencyNumbers)
	require.NoError(t, state.Check())
}

// manyUsers are as many rows as the sibling APIs give at most.
func manyUsers() []byte {
	var rows strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&rows, `{"userId":"%d","user":"u%[1]d","displayName":"U","extensionNumber":"%[1]d"}`+"\n", i+1)
	}
	return []byte(rows.String())
}
