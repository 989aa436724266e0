package provision_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// acme is a server with a domain, and a client on it.
type acme struct {
	*siptest.Server
	domain infinitysip.DomainID
	client *infinitysip.Client
}

func newAcme(t *testing.T, o ...siptest.Options) *acme {
	srv := siptest.New(t, o...)
	return &acme{srv, srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"}), srv.InProcessClient()}
}

// plan plans what there is no problem with.
func (a *acme) plan(t *testing.T, desired *provision.State, opts *provision.PlanOptions) *provision.Changes {
	t.Helper()
	changes, err := provision.Plan(t.Context(), a.client, a.domain, desired, opts)
	require.NoError(t, err)
	return changes
}

// become makes of the domain what is desired.
func (a *acme) become(t *testing.T, desired *provision.State) {
	t.Helper()
	_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1}) // so that ids are in order
	require.NoError(t, err)
	require.Empty(t, a.plan(t, desired, nil).String())
	a.ResetRequests()
}

// sent are the calls that may have changed something.
func (a *acme) sent() []string {
	var ops []string
	for _, r := range a.Requests() {
		if r.Method != http.MethodGet {
			ops = append(ops, r.Op)
		}
	}
	return ops
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
		}, provision.PlanOptions{}, nil},
		"fields": {state{
			Users:           []provision.User{{User: "joe", Email: new(""), Dashboard: new(true), JobName: new("Clerk")}},
			Groups:          []provision.Group{{Name: "sales", DisplayName: "Sales Dept", RingRetry: new(true)}, {Name: "night", CallerNameFormat: new(infinitysip.CallerNameFormat(""))}},
			Queues:          []provision.Queue{{Name: "front", CallerNameFormat: new(infinitysip.CallerNameFormat("{dgrpName}"))}},
			TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.20.0/24", Description: new("")}},
			Devices:         []provision.Device{{MACAddress: "00:00:5E:00:53:01", Name: new("Desk")}},
		}, provision.PlanOptions{}, []string{
			`~ user joe: email "joe@example.com" → "", jobName "" → "Clerk", dashboard false → true`,
			`~ group sales: displayName "Sales" → "Sales Dept", ringRetry false → true`,
			`~ group night: callerNameFormat "{displayName} - {srcPhoneNumber}" → ""`,
			`~ queue front: callerNameFormat "" → "{dgrpName}"`,
			`~ trusted network 10.0.20.10/24: description "Office" → ""`,
			`~ device 00:00:5E:00:53:01: pbxDeviceName "Joe" → "Desk"`,
		}},
		"who is where": {state{
			Users:   []provision.User{{User: "eve", Groups: []string{"sales", "night"}}, {User: "new", DisplayName: "New", ExtensionNumber: "0103"}},
			Groups:  []provision.Group{{Name: "sales"}, {Name: "night"}, {Name: "support", Members: []string{"new", "eve"}}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("eve")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("new")}, {MACAddress: "00:00:5E:00:53:03", Owner: new("new")}},
		}, provision.PlanOptions{}, []string{
			"+ user new (ext 0103)",
			"+ device 00:00:5E:00:53:03",
			"+ group support: members new, eve",
			"+ group sales: members eve",
			"+ group night: members eve",
			`~ device 00:00:5E:00:53:01: user "joe" → "eve"`,
			"+ device 00:00:5E:00:53:02: user new",
			"+ device 00:00:5E:00:53:03: user new",
		}},
		"lists without prune": {state{
			Users: []provision.User{{User: "joe", Groups: []string{}}}, Groups: []provision.Group{{Name: "sales", Members: []string{}}}, TrustedNetworks: []provision.TrustedNetwork{},
			Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{}}}, Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("")}},
		}, provision.PlanOptions{}, nil},
		"lists with prune": {state{
			Users: []provision.User{{User: "joe", Groups: []string{}}}, TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.21.0/24"}},
			Queues:  []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "night"}}}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("")}},
		}, provision.PlanOptions{Prune: true, MaxDeletes: 8}, []string{
			"- group sales: members joe",
			"- device 00:00:5E:00:53:01: user joe",
			"- queue front: member sales",
			"- queue front: member support",
			"- user ann",
			"- user eve",
			"- trusted network 10.0.20.10/24",
			"- device 00:00:5E:00:53:02",
		}},
		"a queue's order": {state{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "night", RingSecs: new(5)}, {Group: "sales"}}}}},
			provision.PlanOptions{}, []string{
				`~ queue front: member night: ringSecs 20 → 5`,
				`~ queue front: order night, support, sales`,
			}},
		"a group twice in a queue": {state{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "sales"}, {Group: "night"}, {Group: "sales"}}}}},
			provision.PlanOptions{}, []string{"+ queue front: member sales"}},
		"secrets and tokens": {state{
			Users:   []provision.User{{User: "joe", Password: infinitysip.NewSecret("hunter2"), PIN: infinitysip.NewSecret("1234")}},
			Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("JOE")}, {MACAddress: "00:00:5E:00:53:02", Owner: new("")}},
		}, provision.PlanOptions{SetSecrets: true, RotateTokens: []string{"00-00-5e-00-53-01", "00-00-5e-00-53-02"}}, []string{
			"~ user joe: new password, new pin",
			"~ device 00:00:5E:00:53:01: new token for user joe",
			"! device 00:00:5E:00:53:02: no user, so no new token",
		}},
		"a token of who keeps the device without prune": {state{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("")}}},
			provision.PlanOptions{RotateTokens: []string{"00:00:5E:00:53:01"}}, []string{"~ device 00:00:5E:00:53:01: new token for user joe"}},
		"a token of a device that is taken away": {state{Users: []provision.User{{User: "ann"}, {User: "eve"}}, Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("")}, {MACAddress: "00:00:5E:00:53:02"}}},
			provision.PlanOptions{Prune: true, MaxDeletes: 2, RotateTokens: []string{"00:00:5E:00:53:01"}}, []string{"- device 00:00:5E:00:53:01: user joe", "- user joe"}},
		"secrets once set": {state{Users: []provision.User{{User: "joe", Password: infinitysip.NewSecret("hunter2")}}}, provision.PlanOptions{}, nil},
		"what cannot be changed": {state{Users: []provision.User{{User: "ann", UKPhoneID: 4}, {User: "joe"}}}, provision.PlanOptions{}, []string{
			"! user ann: ukPhoneId 3 → 4 cannot be changed",
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
			again := a.plan(t, &test.desired, &test.opts)
			require.True(t, again.Empty(), again)
		})
	}
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
				`RotateTokens[0]: the state does not say whose "0000.5e00.5301" is: were the device taken from its user and not given back, nothing would tell`,
				`RotateTokens[1]: "00:00:5E:00:53:02" is not the MAC address of a device in the state`,
				`RotateTokens[2]: "joe" is not the MAC address of a device in the state`,
			}},
		"missing for a new one": {desired: state{Users: []provision.User{{User: "new"}}, Groups: []provision.Group{{Name: "new"}, {Name: "x", ExtensionNumber: "1", CallerNameFormat: new(infinitysip.CallerNameFormat(""))}},
			Queues: []provision.Queue{{Name: "new"}}}, want: []string{
			`users[0].displayName: required: user "new" is not on the server yet`,
			`users[0].extensionNumber: required: user "new" is not on the server yet`,
			`groups[0].extensionNumber: required: group "new" is not on the server yet`,
			`groups[1].callerNameFormat: required: group "x" is not on the server yet`,
			`queues[0].extensionNumber: required: queue "new" is not on the server yet`,
		}},
		"unknown on the server": {desired: state{
			Users: []provision.User{{User: "joe", Groups: []string{"salse"}}}, Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("joe")}},
			Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "salse"}}}},
		}, want: []string{
			`users[0].groups: there is no group "salse", neither in the state nor on the server`,
			`queues[0].members[0].group: there is no group "salse", neither in the state nor on the server`,
		}},
		"a number that is kept": {desired: state{Users: []provision.User{{User: "joe", ExtensionNumber: "0600"}, {User: "new", DisplayName: "New", ExtensionNumber: "0101"}}}, want: []string{
			`users[0].extensionNumber: "0600" is that of group sales on the server, which keeps it`,
			`users[1].extensionNumber: "0101" is that of user ann on the server, which keeps it`,
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
	people, err := provision.ReadCSV(strings.NewReader("user,groups,mac\njoe,sales,\nnew,nowhere,00:00:5E:00:53:09\n"))
	require.NoError(t, err)
	_, err = provision.Plan(t.Context(), a.client, a.domain, people, nil)
	require.EqualError(t, err, strings.TrimSpace(lines(
		"provision: 3 problems with the state, nothing was changed:",
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
		people, err := provision.ReadCSV(strings.NewReader(file))
		require.NoError(t, err)
		return people
	}
	people := read("user,displayName,extension,pin\njoe,Joe,0100,4821\ndan,Dan,0104,4822\nnew,New,0103,4823\n")
	const note = "! user joe: the PIN is not set, and hot-desking stays off, since the user is there already: SetSecrets sets both\n"

	changes := a.plan(t, people, nil)
	require.Equal(t, "+ user new (ext 0103)\n"+note, changes.String())
	_, err := changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	users := a.Users(a.domain)
	require.False(t, users[0].HotdeskAllowed)
	require.True(t, users[4].HotdeskAllowed)
	require.Equal(t, "4823", users[4].PIN.Reveal())
	require.Equal(t, note, a.plan(t, people, nil).String())

	changes = a.plan(t, people, &provision.PlanOptions{SetSecrets: true})
	require.Equal(t, lines("~ user joe: hotdeskAllowed false → true, new pin", "~ user dan: new pin", "~ user new: new pin"), changes.String())
	_, err = changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.True(t, a.Users(a.domain)[0].HotdeskAllowed)
	require.Equal(t, "4821", a.Users(a.domain)[0].PIN.Reveal())
	require.Empty(t, a.plan(t, people, nil).String())

	// What the list says itself is done.
	require.Equal(t, "~ user ann: hotdeskAllowed false → true\n", a.plan(t, read("user,pin,hotdeskAllowed\nann,4821,1\n"), nil).String())
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
	require.Equal(t, "~ group Sales: displayName \"Sales\" → \"S\"\n", changes.String())

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
		return []byte(strings.Repeat(`{"userId":"1","user":"u","displayName":"U","extensionNumber":"1"}`+"\n", 10_000))
	}))
	_, err := provision.Plan(t.Context(), a.client, a.domain, &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "2"}}}, nil)
	require.ErrorContains(t, err, "users[0].user: the server gave exactly 10000 rows")
}

func TestPlanLeavesAloneWhatHasNoName(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.Fail(siptest.On("Devices.List").Nth(1).Rewrite(func([]byte) []byte {
		return []byte(`{"pbxDeviceId":"9","pbxDeviceName":"Softphone","deviceMacAddress":"","userId":"0"}` + "\n")
	}))
	changes := a.plan(t, &provision.State{Devices: []provision.Device{}}, &provision.PlanOptions{Prune: true})
	require.Equal(t, "! device 9 has no MAC address on the server and is left alone\n", changes.String())

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
		require.Equal(t, "~ user joe: email \"\" → \"joe@example.com\"\n", changes.String())
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
	require.Empty(t, a.plan(t, small(), &provision.PlanOptions{Prune: true}).String())
}

func TestChangesAsJSON(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	changes := a.plan(t, &provision.State{
		Users: []provision.User{
			{User: "joe", Password: infinitysip.NewSecret("hunter2"), DisplayName: "Joe B."},
			{User: "new", DisplayName: "New", ExtensionNumber: "0103", Password: infinitysip.NewSecret("hunter2"), Dashboard: new(true), Groups: []string{"sales"}},
		},
	}, &provision.PlanOptions{SetSecrets: true})
	data, err := json.Marshal(changes)
	require.NoError(t, err)
	require.JSONEq(t, `{"domain":1,"changes":[
		{"op":"update","kind":"user","name":"joe","fields":[{"field":"displayName","from":"Joe","to":"Joe B."},{"field":"password","from":null,"to":"[redacted]"}]},
		{"op":"create","kind":"user","name":"new","fields":[{"field":"displayName","from":null,"to":"New"},{"field":"extensionNumber","from":null,"to":"0103"},{"field":"dashboard","from":null,"to":true}]},
		{"op":"create","kind":"group members","name":"sales","members":["new"]}
	]}`, string(data))

	data, err = json.Marshal(a.plan(t, new(provision.State), nil))
	require.NoError(t, err)
	require.JSONEq(t, `{"domain":1,"changes":[]}`, string(data))
}

func TestChangeIsOneLine(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]provision.Change{
		"- user \"a\\n- user b\"":             {Op: provision.OpDelete, Kind: provision.KindUser, Name: "a\n- user b"},
		"+ group sales: members \"\\x1b[2J\"": {Op: provision.OpCreate, Kind: provision.KindGroupMembers, Name: "sales", Members: []string{"\x1b[2J"}},
		"- group \" sales\"":                  {Op: provision.OpDelete, Kind: provision.KindGroup, Name: " sales"},
		"+ device x":                          {Op: provision.OpCreate, Kind: provision.KindOwner, Name: "x"},
		"\"\"":                                {},
		"device y":                            {Kind: provision.KindOwner, Name: "y", Fields: []provision.FieldChange{{Field: "user", From: "joe", To: "ann"}}},
		"user ann":                            {Kind: provision.KindUser, Name: "ann", Fields: []provision.FieldChange{{Field: "extensionNumber", To: "0101"}}},
	} {
		require.Equal(t, want, strings.TrimSpace(c.String()))
	}
}

func TestMaxDeletesBelowZero(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	_, err := provision.Plan(t.Context(), a.client, a.domain, small(), &provision.PlanOptions{MaxDeletes: -1})
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "MaxDeletes: must not be negative: -1")
	require.Empty(t, a.Requests())
}

func TestMaxDeletes(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Groups: []provision.Group{{Name: "sales", Members: []string{}}}}
	changes, err := provision.Plan(t.Context(), a.client, a.domain, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 3})
	require.ErrorIs(t, err, provision.ErrTooManyDeletes)
	require.EqualError(t, err, "provision: too many deletes: 4, and MaxDeletes is 3")
	require.Equal(t, lines("- group sales: members joe, ann", "- group support", "- group night"), changes.String())
	require.Equal(t, 4, changes.Deletes())

	_, err = changes.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, provision.ErrTooManyDeletes)
	require.Empty(t, a.sent())
}
