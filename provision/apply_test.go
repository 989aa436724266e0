package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// outcome is what came of the changes, by their text.
func outcome(results []provision.Result) map[string]provision.Status {
	all := map[string]provision.Status{}
	for _, r := range results {
		all[r.Change.String()] = r.Status
	}
	return all
}

func (a *acme) extensions() map[string]string {
	all := map[string]string{}
	for _, u := range a.Users(a.domain) {
		all[u.User] = u.ExtensionNumber
	}
	for _, g := range a.Groups(a.domain) {
		all[g.Name] = g.ExtensionNumber
	}
	for _, q := range a.Queues(a.domain) {
		all[q.Name] = q.ExtensionNumber
	}
	return all
}

// The server refuses a number that somebody has, so each of these needs an
// order of its own.
func TestExtensionsMove(t *testing.T) {
	t.Parallel()
	type state = provision.State
	for name, test := range map[string]struct {
		desired state
		prune   bool
		between string // the numbers in between, as the plan has them
	}{
		"along a chain":  {desired: state{Users: []provision.User{{User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0102"}, {User: "eve", ExtensionNumber: "0103"}}}},
		"two users swap": {desired: state{Users: []provision.User{{User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0100"}}}, between: "joe 9989"},
		"a circle of all kinds": {desired: state{
			Users:  []provision.User{{User: "joe", ExtensionNumber: "0600"}},
			Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0700"}}, Queues: []provision.Queue{{Name: "front", ExtensionNumber: "0100"}},
		}, between: "joe 9989"},
		"two circles": {desired: state{
			Users:  []provision.User{{User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0100"}},
			Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0601"}, {Name: "support", ExtensionNumber: "0600"}},
		}, between: "joe 9989 sales 9988"},
		"a circle with a tail": {desired: state{Users: []provision.User{
			{User: "new", DisplayName: "New", ExtensionNumber: "0102"}, {User: "eve", ExtensionNumber: "0100"}, {User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0104"}}}},
		"from who is deleted": {desired: state{Users: []provision.User{{User: "new", DisplayName: "New", ExtensionNumber: "0100"}, {User: "ann", ExtensionNumber: "0102"}}}, prune: true},
		"where 9989 is taken": {desired: state{Users: []provision.User{
			{User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0100"}, {User: "new", DisplayName: "New", ExtensionNumber: "9989"}}}, between: "joe 9988"},
		"where 9999 is meant": {desired: state{EmergencyNumbers: true, Users: []provision.User{
			{User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0100"}, {User: "new", DisplayName: "New", ExtensionNumber: "9999"}}}, between: "joe 9989"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, workers := range []int{1, 8} {
				a := newAcme(t)
				a.become(t, small())
				opts := &provision.PlanOptions{Prune: test.prune, MaxDeletes: 4} // two users, a place in a group, a device's user
				changes := a.plan(t, &test.desired, opts)
				var between []string
				for _, c := range changes.Items {
					if c.Between && c.Kind != provision.KindOwner {
						between = append(between, c.Name, fmt.Sprint(c.Fields[0].To))
					}
				}
				require.Equal(t, test.between, strings.Join(between, " "))
				_, err := changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: workers})
				require.NoError(t, err)
				require.Len(t, a.sent(), len(changes.Items), "%v", a.sent())
				a.is(t, &test.desired, opts)
				got := a.extensions()
				for _, u := range test.desired.Users {
					require.Equal(t, u.ExtensionNumber, got[u.User])
				}
			}
		})
	}
}

// A run that ends between the two steps of a swap leaves a number that nobody
// asked for; the next one puts that right.
func TestSwapThatIsCutShort(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Users: []provision.User{{User: "joe", ExtensionNumber: "0101"}, {User: "ann", ExtensionNumber: "0100"}}}
	a.Fail(siptest.On("Users.Update").Nth(2).Status(http.StatusForbidden))

	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)

	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.Equal(t, map[string]provision.Status{
		`~ user joe: extensionNumber "0100" → "9989" for the time in between`: provision.StatusDone,
		`~ user joe: extensionNumber "0100" → "0101"`:                         provision.StatusBlocked,
		`~ user ann: extensionNumber "0101" → "0100"`:                         provision.StatusFailed,
	}, outcome(results))
	require.Equal(t, "9989", a.extensions()["joe"])
	require.Equal(t, lines(`~ user joe: extensionNumber "9989" → "0101"`, `~ user ann: extensionNumber "0101" → "0100"`,
		"! 1 user is not in the state and stays, since nothing is pruned: eve"), a.plan(t, desired, nil).String())
	a.become(t, desired)
}

// A run may end there, and nobody is to have the number that is dialled in need.
func TestSwapLeavesEmergencyNumbersAlone(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	users := func(joe, ann string) *provision.State {
		return &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: joe}, {User: "ann", DisplayName: "Ann", ExtensionNumber: ann}}}
	}
	a.become(t, users("201", "202"))
	a.Fail(siptest.On("Users.Update").Nth(2).Status(http.StatusForbidden))
	_, err := a.plan(t, users("202", "201"), nil).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.Equal(t, "998", a.extensions()["joe"])
}

// A list says the same in whatever order it comes.
func TestPlanIsNotStaleForAnotherOrder(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Groups: []provision.Group{{Name: "sales", Members: []string{}}}}
	changes := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 6})
	require.Equal(t, lines("~ out of group sales: joe, ann (2 users stay in the domain)",
		"- group support, and with it: queue front no longer rings it", "- group night, and with it: queue front no longer rings it"), changes.String())
	for _, op := range []string{"Users.List", "Groups.List", "Groups.ListUsers"} {
		a.Fail(siptest.On(op).Rewrite(func(body []byte) []byte {
			rows := slices.Collect(strings.Lines(string(body)))
			slices.Reverse(rows)
			return []byte(strings.Join(rows, ""))
		}))
	}
	_, err := changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
}

// A plan whose changes miss each other is none, and one that is about other things
// than are there is stale.
func TestPlanThatWasEdited(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	changes := a.plan(t, small(), nil)
	changes.Items = changes.Items[1:]
	_, err := changes.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "(put 2 users into group sales): it waits for change 1, which is none of the others")
	require.NotErrorIs(t, err, provision.ErrStale)
	require.Empty(t, a.sent())

	a.become(t, small())
	for name, edit := range map[string]func(c *provision.Change){
		"what was there": func(c *provision.Change) { c.Fields[0].From = "Joseph" },
		"its name":       func(c *provision.Change) { c.Name = "ann" },
		"its id":         func(c *provision.Change) { c.ID = 99 },
	} {
		changes = a.plan(t, &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe B."}}}, nil)
		edit(&changes.Items[0])
		_, err = changes.Apply(t.Context(), a.client, nil)
		require.ErrorIs(t, err, provision.ErrStale, name)
		require.Empty(t, a.sent())
	}
}

func TestApplyTwice(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	changes := a.plan(t, small(), nil)
	_, err := changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	a.ResetRequests()
	_, err = changes.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, provision.ErrStale)
	require.Empty(t, a.sent())
}

func TestProgressAndResults(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.Fail(siptest.On("TrustedNetworks.Create").Nth(2).Status(http.StatusForbidden))
	changes := a.plan(t, small(), nil)
	var (
		inside atomic.Int32
		seen   []provision.Progress
	)
	results, err := changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 8, Progress: func(p provision.Progress) {
		if inside.Add(1) != 1 {
			t.Error("two at a time")
		}
		seen = append(seen, p)
		inside.Add(-1)
	}})
	require.Error(t, err)
	require.Len(t, seen, len(changes.Items))
	failed := 0
	for i, p := range seen {
		require.Equal(t, i+1, p.Done)
		require.Equal(t, len(changes.Items), p.Total)
		if p.Err != nil {
			failed++
		}
	}
	require.Equal(t, 1, failed)
	for i, r := range results {
		require.Same(t, &changes.Items[i], r.Change)
	}
	data, err := json.Marshal(results[0])
	require.NoError(t, err)
	require.Contains(t, string(data), `"name":"joe"`)
	require.Contains(t, string(data), `"status":"done"`)
}

func TestSecretsComeBackOnce(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	desired := &provision.State{
		Users: []provision.User{
			{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", HotdeskAllowed: new(true)},
			{User: "ann", DisplayName: "Ann", ExtensionNumber: "0101", Password: infinitysip.NewSecret("from the file"), PIN: infinitysip.NewSecret("48214821")},
			{User: "eve", DisplayName: "Eve", ExtensionNumber: "0102"},
		},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("joe")}},
	}
	var kept []provision.Credential
	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, &provision.ApplyOptions{
		Keep: func(c provision.Credential) error {
			if c.Device == "" {
				for _, u := range a.Users(a.domain) {
					require.NotEqual(t, c.User, u.User, "kept before the user is made")
				}
			}
			kept = append(kept, c)
			return nil
		},
	})
	require.NoError(t, err)

	passwords, pins, tokens := map[string]string{}, map[string]string{}, 0
	for _, r := range results {
		switch r.Change.Kind {
		case provision.KindUser:
			passwords[r.Change.Name], pins[r.Change.Name] = r.Password.Reveal(), r.PIN.Reveal()
		case provision.KindOwner:
			require.Len(t, r.Token.Reveal(), 25)
			tokens++
		}
	}
	require.Equal(t, 1, tokens)
	require.Len(t, passwords["joe"], 26)
	require.NotEqual(t, passwords["joe"], passwords["eve"])
	require.Equal(t, "from the file", passwords["ann"])
	require.Len(t, pins["joe"], 6)
	require.Equal(t, "48214821", pins["ann"])
	require.Empty(t, pins["eve"])
	for _, u := range a.Users(a.domain) {
		require.Equal(t, passwords[u.User], u.Password.Reveal())
		require.Equal(t, pins[u.User], u.PIN.Reveal())
	}
	require.Len(t, kept, 4)

	// Nothing of it can be printed.
	data, err := json.Marshal(results)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", results, results, results), fmt.Sprintf("%v %+v", kept, kept), string(data), fmt.Sprint(desired)} {
		for _, secret := range []string{passwords["joe"], passwords["eve"], "from the file", "48214821", pins["joe"]} {
			require.NotContains(t, text, secret)
		}
	}
}

func TestSetSecrets(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Users: []provision.User{{User: "joe", Password: infinitysip.NewSecret("hunter2"), PIN: infinitysip.NewSecret("1234")}}}
	_, err := a.plan(t, desired, &provision.PlanOptions{SetSecrets: true}).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Users.Update"}, a.sent())
	require.Equal(t, "hunter2", a.Users(a.domain)[0].Password.Reveal())
	require.Equal(t, "1234", a.Users(a.domain)[0].PIN.Reveal())
}

func TestSecretsFromFuncs(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	desired := &provision.State{Users: []provision.User{
		{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}, {User: "ann", DisplayName: "Ann", ExtensionNumber: "0101"}, {User: "eve", DisplayName: "Eve", ExtensionNumber: "0102"}}}
	broken := errors.New("the vault is closed")
	opts := &provision.ApplyOptions{
		Workers: 1, // in turn: after a Keep that failed, nothing begins that needs one
		Password: func(user string) (infinitysip.Secret, error) {
			if user == "ann" {
				return infinitysip.Secret{}, broken
			}
			return infinitysip.NewSecret("of " + user), nil
		},
		PIN: func(user string) (infinitysip.Secret, error) { return infinitysip.NewSecret("77"), nil },
		Keep: func(c provision.Credential) error {
			if c.User == "eve" {
				return broken
			}
			return nil
		},
	}
	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, opts)
	require.ErrorIs(t, err, broken)
	require.Equal(t, map[string]provision.Status{
		`+ user joe (extension 0100, displayName "Joe", password made up)`: provision.StatusDone, `+ user ann (extension 0101, displayName "Ann", password made up)`: provision.StatusFailed, `+ user eve (extension 0102, displayName "Eve", password made up)`: provision.StatusFailed,
	}, outcome(results))
	require.Len(t, a.Users(a.domain), 1)
	require.Equal(t, "of joe", a.Users(a.domain)[0].Password.Reveal())
	require.Equal(t, "77", a.Users(a.domain)[0].PIN.Reveal())
}

// What is in doubt says so, has its password, and is seen by the next plan.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for name, applied := range map[string]bool{"it was made": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				fault := siptest.On("Users.Create").Nth(1).Drop()
				if applied {
					fault = siptest.On("Users.Create").Nth(1).CommitThenDrop()
				}
				a.Fail(fault)
				desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}}}
				changes := a.plan(t, desired, nil)
				// The looks after the create fail: the two plans have theirs.
				a.Fail(siptest.On("Users.List").Nth(2).Times(100).Status(http.StatusForbidden))

				results, err := changes.Apply(t.Context(), a.client, nil)

				require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
				require.Equal(t, provision.StatusFailed, results[0].Status)
				require.ErrorIs(t, results[0].Err, infinitysip.ErrOutcomeUnknown)
				require.Len(t, results[0].Password.Reveal(), 26)
				require.NotContains(t, err.Error(), results[0].Password.Reveal())
				client := a.InProcessClient()
				for range 100 - 3 {
					_, _ = client.Users.List(t.Context(), a.domain) // until the server is well again
				}
				again, err := provision.Plan(t.Context(), client, a.domain, desired, nil)
				require.NoError(t, err)
				require.Equal(t, applied, again.Empty())
				if applied {
					require.Equal(t, results[0].Password.Reveal(), a.Users(a.domain)[0].Password.Reveal())
				}
			})
		})
	}
}

// The answer to a create of a user is lost, and the user is there. It was not there
// before, so Apply sets its secrets, and goes on: whoever made it, what is kept is
// so.
func TestApplyAfterALostAnswer(t *testing.T) {
	t.Parallel()
	byAnother := func(params infinitysip.UserCreateParams) siptest.Fault {
		return siptest.On("Users.Create").Nth(1).Drop().Before(func(srv *siptest.Server) {
			_, err := srv.InProcessClient().Users.Create(context.Background(), 1, params)
			require.NoError(t, err)
		})
	}
	same := infinitysip.UserCreateParams{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", Password: infinitysip.NewSecret("the other's"), HotdeskAllowed: new(true)}
	other := same
	other.DisplayName = "Joseph"
	for name, test := range map[string]struct {
		faults   []siptest.Fault
		sent     []string
		is       []error // empty: it is done
		password string  // on the server, if it is not the one that is kept
	}{
		"it was made": {[]siptest.Fault{siptest.On("Users.Create").Nth(1).CommitThenDrop()},
			[]string{"Users.Create", "Devices.Create", "Users.Update", "Users.AddDevice"}, nil, ""},
		"it was made, a list was late, and it is refused the second time": {[]siptest.Fault{siptest.On("Users.Create").Nth(1).CommitThenStatus(503), siptest.On("Users.List").Nth(2).Times(4).Body("")},
			[]string{"Users.Create", "Devices.Create", "Users.Update", "Users.AddDevice"}, nil, ""},
		"somebody else made it at the same time": {[]siptest.Fault{byAnother(same)},
			[]string{"Users.Create", "Devices.Create", "Users.Update", "Users.AddDevice"}, nil, ""},
		"somebody else made another of its name": {[]siptest.Fault{byAnother(other)},
			[]string{"Users.Create", "Devices.Create"}, []error{infinitysip.ErrOutcomeUnknown, infinitysip.ErrConflict}, "the other's"},
		"its secrets cannot be set": {[]siptest.Fault{byAnother(same), siptest.On("Users.Update").Status(http.StatusForbidden)},
			[]string{"Users.Create", "Devices.Create", "Users.Update"}, []error{infinitysip.ErrOutcomeUnknown, infinitysip.ErrForbidden}, "the other's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				desired := &provision.State{
					Users:   []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", HotdeskAllowed: new(true)}},
					Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("joe")}},
				}
				changes := a.plan(t, desired, nil)
				for _, fault := range test.faults {
					a.Fail(fault)
				}
				var kept provision.Credential
				results, err := changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1, Keep: func(c provision.Credential) error {
					if c.Device == "" {
						kept = c
					}
					return nil
				}})

				require.Equal(t, test.sent, slices.Compact(a.sent()), "somebody else's create is beside the own one")
				user := a.Users(a.domain)[0]
				require.Len(t, a.Users(a.domain), 1)
				require.True(t, results[0].Password.Equal(kept.Password))
				require.True(t, results[0].PIN.Equal(kept.PIN))
				if test.password == "" {
					require.NoError(t, err)
					require.Equal(t, provision.StatusDone, results[0].Status)
					require.Equal(t, provision.StatusDone, results[2].Status)
					require.True(t, user.Password.Equal(kept.Password), "what is kept is on the server")
					require.True(t, user.PIN.Equal(kept.PIN))
					require.Len(t, kept.PIN.Reveal(), 6)
					return
				}
				for _, target := range test.is {
					require.ErrorIs(t, err, target)
				}
				require.Equal(t, provision.StatusFailed, results[0].Status)
				require.Equal(t, provision.StatusBlocked, results[2].Status)
				require.Equal(t, test.password, user.Password.Reveal())
				require.NotContains(t, err.Error(), kept.Password.Reveal())
			})
		})
	}
}

// Somebody else is first with a create: that fails, and the next plan sees it.
func TestConflict(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}}}
	a.Fail(siptest.On("Users.Create").Nth(1).Before(func(srv *siptest.Server) {
		_, err := srv.InProcessClient().Users.Create(t.Context(), a.domain, infinitysip.UserCreateParams{
			User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", Password: infinitysip.NewSecret("the other's")})
		require.NoError(t, err)
	}))
	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrConflict)
	require.True(t, results[0].Password.IsZero(), "it is not the user's")
	a.is(t, desired, nil)
}

func TestLostToken(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	desired := &provision.State{
		Users:   []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("joe")}},
	}
	a.Fail(siptest.On("Users.AddDevice").Nth(1).CommitThenDrop())
	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrTokenLost)
	require.Equal(t, provision.StatusFailed, results[2].Status)
	a.is(t, desired, nil)

	changes := a.plan(t, desired, &provision.PlanOptions{RotateTokens: []string{results[2].Change.Name}})
	require.Equal(t, "~ device 00:00:5E:00:53:01 of user joe: new token\n", changes.String())
	var kept []provision.Credential
	results, err = changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: func(c provision.Credential) error {
		kept = append(kept, c)
		return nil
	}})
	require.NoError(t, err)
	require.Len(t, results[0].Token.Reveal(), 25)
	require.Equal(t, "joe", kept[0].User)
	require.Equal(t, "00:00:5E:00:53:01", kept[0].Device)
	require.True(t, kept[0].Token.Equal(results[0].Token))
}

// A new token takes the device from its user and gives it back. What fails between the
// two is made good by the same run, or else by the next one.
func TestNewTokenThatIsCutShort(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault siptest.Fault
		err   error
	}{
		"once":   {siptest.On("Users.AddDevice").Nth(1).Status(http.StatusForbidden), nil},
		"always": {siptest.On("Users.AddDevice").Times(2).Status(http.StatusForbidden), infinitysip.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				a.become(t, small())
				desired := &provision.State{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("joe")}, {MACAddress: "00:00:5E:00:53:02"}}}
				a.Fail(test.fault)
				opts := &provision.PlanOptions{RotateTokens: []string{"00:00:5E:00:53:01"}}
				results, err := a.plan(t, desired, opts).Apply(t.Context(), a.client, nil)
				if test.err == nil {
					require.NoError(t, err)
					require.Len(t, results[0].Token.Reveal(), 25)
					require.Equal(t, "joe", a.Devices(a.domain)[0].User)
					return
				}
				require.ErrorIs(t, err, test.err)
				require.ErrorContains(t, err, "the device was taken from user joe and is nobody's now")
				require.Equal(t, provision.StatusFailed, results[0].Status)
				require.Empty(t, a.Devices(a.domain)[0].User)
				// With or without the wish for a new token, the state says who has it.
				a.givesToken(t, a.plan(t, desired, nil), "+ device 00:00:5E:00:53:01 goes to user joe\n")
			})
		})
	}
}

// A token is for somebody: a plan that would give it to somebody else by now is
// another plan.
func TestNewTokenOfADeviceThatIsGivenAwayMeanwhile(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("joe")}, {MACAddress: "00:00:5E:00:53:02"}}}
	changes := a.plan(t, desired, &provision.PlanOptions{RotateTokens: []string{"00:00:5E:00:53:01"}})
	require.Equal(t, "~ device 00:00:5E:00:53:01 of user joe: new token\n", changes.String())
	require.NoError(t, a.client.Users.RemoveDevice(t.Context(), a.domain, 1, 1))
	_, err := a.client.Users.AddDevice(t.Context(), a.domain, 2, 1)
	require.NoError(t, err)
	a.ResetRequests()

	_, err = changes.Apply(t.Context(), a.client, nil)

	require.ErrorIs(t, err, provision.ErrStale)
	require.Empty(t, a.sent())
}

// inFlight is a transport that notes how many calls were under way at a time.
type inFlight struct {
	http.RoundTripper
	ops []string // which count; none: all

	mu        sync.Mutex
	now, most int
}

func (f *inFlight) RoundTrip(req *http.Request) (*http.Response, error) {
	if len(f.ops) == 0 || slices.Contains(f.ops, infinitysip.OperationFromContext(req.Context())) {
		f.add(1)
		defer f.add(-1)
	}
	return f.RoundTripper.RoundTrip(req)
}

func (f *inFlight) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now += n
	f.most = max(f.most, f.now)
}

// Plan and Apply make as many calls at a time as they are told.
func TestWorkersOfPlanAndApply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{Latency: time.Second})
		calls := &inFlight{RoundTripper: a.Transport()}
		a.client = a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: calls}))
		changes := a.plan(t, small(), &provision.PlanOptions{Workers: 1})
		require.Equal(t, 1, calls.most)
		_, err := changes.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 3})
		require.NoError(t, err)
		require.Equal(t, 3, calls.most)
	})
}

// Whom a failure held up is made by the next plan.
func TestPlanAfterFailures(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.Fail(siptest.On("Users.Create").Nth(1).Status(http.StatusForbidden))
	a.Fail(siptest.On("Groups.Create").Nth(2).Status(http.StatusForbidden))

	results, err := a.plan(t, small(), nil).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1})

	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.NotErrorIs(t, err, provision.ErrBlocked)
	require.Len(t, strings.Split(err.Error(), "\n"), 2)
	got := outcome(results)
	want := map[string]provision.Status{
		`+ user joe (extension 0100, displayName "Joe", email "joe@example.com", password made up)`: failed,
		`+ group support (extension 0601, callerNameFormat "{displayName} - {srcPhoneNumber}")`:     failed,
		"+ into group sales: joe, ann":                blocked, // of ann it was done
		"+ device 00:00:5E:00:53:01 goes to user joe": blocked,
	}
	for text, status := range got {
		switch {
		case strings.Contains(text, "front rings group support"):
			require.Equal(t, blocked, status, text)
		case want[text] != "":
			require.Equal(t, want[text], status, text)
		default:
			require.Equal(t, done, status, text)
		}
	}
	require.Len(t, got, 16)
	require.Len(t, a.GroupUsers(a.domain, 1), 1)
	i := slices.IndexFunc(results, func(r provision.Result) bool { return r.Change.Kind == provision.KindOwner })
	require.EqualError(t, results[i].Err, "blocked: it needs what failed: create user joe")

	// The group that comes late gets its place all the same.
	a.become(t, small())
	var order []infinitysip.GroupID
	for _, m := range a.QueueMembers(a.domain, 1) {
		order = append(order, m.GroupID)
	}
	require.Equal(t, []infinitysip.GroupID{1, 3, 2}, order, "sales, support and night by the ids that they got")
	require.Equal(t, "joe", a.Devices(a.domain)[0].User)
	require.Len(t, a.GroupUsers(a.domain, 1), 2)
}

// What was stopped is done by the next plan.
func TestPlanAfterAStop(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	desired := &provision.State{
		Users:   small().Users[:2],
		Groups:  []provision.Group{{Name: "sales", ExtensionNumber: "0600", Members: []string{"joe", "ann"}}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results, err := a.plan(t, desired, nil).Apply(ctx, a.client, &provision.ApplyOptions{Workers: 1, Progress: func(provision.Progress) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, provision.ErrBlocked)
	require.Equal(t, []provision.Status{done, stopped, stopped, stopped, stopped, stopped}, statuses(results))
	for _, r := range results[1:] {
		require.ErrorIs(t, r.Err, context.Canceled)
	}
	a.become(t, desired)
}

// Credentials are refused for a while. With others the next plan does the rest.
func TestPlanAfterRevokedCredentials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{Latency: time.Second})
		var posts atomic.Int64
		revoked := atomic.Bool{}
		a.client = a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost && posts.Add(1) == 13 {
				revoked.Store(true)
			}
			if revoked.Load() {
				time.Sleep(time.Second) // the bubble's clock
				return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
			}
			return a.Transport().RoundTrip(req)
		})}))
		desired := &provision.State{Groups: []provision.Group{{Name: "sales", ExtensionNumber: "0600", Members: []string{"user00", "user39"}}}}
		for i := range 40 {
			desired.Users = append(desired.Users, provision.User{User: fmt.Sprintf("user%02d", i), DisplayName: "U", ExtensionNumber: fmt.Sprint(100 + i)})
		}
		desired.Users[12].ExtensionNumber = "0112" // 112 is dialled in need
		_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
		require.ErrorIs(t, err, infinitysip.ErrUnauthorized)
		_, err = provision.Plan(t.Context(), a.client, a.domain, desired, nil)
		require.ErrorIs(t, err, infinitysip.ErrUnauthorized)

		revoked.Store(false)
		a.become(t, desired)
		require.Len(t, a.Users(a.domain), 40)
		require.Len(t, a.GroupUsers(a.domain, 1), 2)
	})
}

// A device that was taken when the run ended is given by the next plan.
func TestPlanAfterAMoveThatWasCutShort(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")}, {MACAddress: "00:00:5E:00:53:02"}}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := a.Transport().RoundTrip(req)
		if infinitysip.OperationFromContext(req.Context()) == "Users.RemoveDevice" {
			cancel()
		}
		return resp, err
	})}))
	results, err := a.plan(t, desired, nil).Apply(ctx, client, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, provision.StatusStopped, results[0].Status)
	require.Empty(t, a.Devices(a.domain)[0].User)
	a.givesToken(t, a.plan(t, desired, nil), "+ device 00:00:5E:00:53:01 goes to user ann\n")
}

// A queue rings one group several times. These members have nothing else to tell them
// apart, so they are made one after the other, and an answer is lost.
func TestQueueThatRingsAGroupSeveralTimes(t *testing.T) {
	t.Parallel()
	for name, before := range map[string][]provision.QueueMember{
		"all new":      nil,
		"one is there": {{Group: "sales", RingSecs: new(7)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t, siptest.Options{Latency: time.Second, CreateBody: siptest.CreateBodyNone})
				state := small()
				state.Queues[0].Members = before
				a.become(t, state)
				calls := &inFlight{RoundTripper: a.Transport(), ops: []string{"Queues.CreateMember", "Queues.UpdateMember"}}
				a.client = a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: calls}))
				a.Fail(siptest.On("Queues.CreateMember").Nth(1).CommitThenDrop())
				desired := &provision.State{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{
					{Group: "sales", RingSecs: new(10)}, {Group: "sales", RingSecs: new(30)}, {Group: "night"}, {Group: "sales", RingSecs: new(20)}}}}}

				_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)

				require.NoError(t, err)
				a.is(t, desired, nil)
				var rings []string
				for _, m := range a.QueueMembers(a.domain, 1) {
					rings = append(rings, fmt.Sprint(m.GroupID, " for ", m.RingSecs))
				}
				require.Equal(t, []string{"1 for 10", "1 for 30", "3 for 20", "1 for 20"}, rings)
				require.Equal(t, 1, calls.most)
			})
		})
	}
}

// Only what differs is sent, but of a group, of which the API wants it all.
func TestUpdatesSendWhatDiffers(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{
		Users:           []provision.User{{User: "joe", DisplayName: "Joseph", Email: new("joe@example.com"), Dashboard: new(false)}},
		Groups:          []provision.Group{{Name: "SALES", RingRetry: new(true), DisplayName: "Sales"}},
		Queues:          []provision.Queue{{Name: "front", DisplayName: "Front", Members: []provision.QueueMember{{Group: "sales", RingSecs: new(5), RingAttempts: new(1)}}}},
		TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.20.0/24", Description: new("HQ")}},
	}
	_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	forms := map[string]string{}
	for _, r := range a.Requests() {
		if r.Method == http.MethodPost {
			forms[r.Op] = r.Form.Encode()
		}
	}
	require.Equal(t, map[string]string{
		"Users.Update":           "displayName=Joseph",
		"Groups.Update":          "callerNameFormat=%7BdisplayName%7D+-+%7BsrcPhoneNumber%7D&displayName=Sales&extensionNumber=0600&groupName=sales&ringExclusive=0&ringRetry=1",
		"Queues.Update":          "displayName=Front",
		"Queues.UpdateMember":    "ringSecs=5",
		"TrustedNetworks.Update": "description=HQ",
	}, forms)
}

func TestDeviceThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")}}}
	a.Fail(siptest.On("Users.RemoveDevice").Status(http.StatusForbidden))
	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.Equal(t, provision.StatusFailed, results[0].Status)
	require.Equal(t, []string{"Users.RemoveDevice"}, a.sent())
}

func TestDeviceThatCannotBeGiven(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")}, {MACAddress: "00:00:5E:00:53:02"}}}
	a.Fail(siptest.On("Users.AddDevice").Nth(1).Status(http.StatusForbidden))
	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.ErrorContains(t, err, "the device was taken from user joe and is nobody's now")
	require.Equal(t, provision.StatusFailed, results[0].Status)
	require.Empty(t, a.Devices(a.domain)[0].User)
	a.givesToken(t, a.plan(t, desired, nil), "+ device 00:00:5E:00:53:01 goes to user ann\n")
}

// What a plan is about is gone by now, by the hand of somebody else.
func TestPlanOfWhatIsGone(t *testing.T) {
	t.Parallel()
	desired := &provision.State{
		Users: []provision.User{{User: "joe", DisplayName: "Joe B."}, {User: "eve"}}, Groups: []provision.Group{{Name: "sales", Members: []string{"joe", "eve"}}, {Name: "support"}},
		Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "support"}, {Group: "sales"}}}}, TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.21.0/24"}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:02", Owner: new("joe")}},
	}
	for name, test := range map[string]struct {
		gone func(ctx context.Context, a *acme) error
		want string
	}{
		"a user to delete":    {func(ctx context.Context, a *acme) error { return a.client.Users.Delete(ctx, a.domain, 2) }, "user ann is gone"},
		"a user to change":    {func(ctx context.Context, a *acme) error { return a.client.Users.Delete(ctx, a.domain, 1) }, "user joe is gone"},
		"a user to put in":    {func(ctx context.Context, a *acme) error { return a.client.Users.Delete(ctx, a.domain, 3) }, "user eve is gone"},
		"a group to delete":   {func(ctx context.Context, a *acme) error { return a.client.Groups.Delete(ctx, a.domain, 3) }, "group night is gone"},
		"a group to fill":     {func(ctx context.Context, a *acme) error { return a.client.Groups.Delete(ctx, a.domain, 1) }, "group sales is gone"},
		"a queue":             {func(ctx context.Context, a *acme) error { return a.client.Queues.Delete(ctx, a.domain, 1) }, "queue front is gone"},
		"a place in a queue":  {func(ctx context.Context, a *acme) error { return a.client.Queues.DeleteMember(ctx, a.domain, 1, 1) }, "queue front rings other groups now"},
		"a network to delete": {func(ctx context.Context, a *acme) error { return a.client.TrustedNetworks.Delete(ctx, a.domain, 1) }, "trusted network 10.0.20.10/24 is gone"},
		"a device to delete":  {func(ctx context.Context, a *acme) error { return a.client.Devices.Delete(ctx, a.domain, 1) }, "device 00:00:5E:00:53:01 is gone"},
		"a device to give":    {func(ctx context.Context, a *acme) error { return a.client.Devices.Delete(ctx, a.domain, 2) }, "device 00:00:5E:00:53:02 is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.become(t, small())
			changes := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 20})
			require.NoError(t, test.gone(t.Context(), a))
			a.ResetRequests()
			_, err := changes.Apply(t.Context(), a.client, nil)
			require.ErrorIs(t, err, provision.ErrStale)
			require.ErrorContains(t, err, test.want)
			require.Empty(t, a.sent())
		})
	}
}

func TestDeviceThatIsGivenAwayMeanwhile(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("ann")}}}
	a.Fail(siptest.On("Users.RemoveDevice").Nth(1).Before(func(srv *siptest.Server) {
		require.NoError(t, srv.InProcessClient().Users.RemoveDevice(t.Context(), a.domain, 1, 1))
	}))
	_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Equal(t, "ann", a.Devices(a.domain)[0].User)
}

// A phone keeps its owner until there is somebody to give it to.
func TestDeviceForWhoCannotBeMade(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{
		Users:   []provision.User{{User: "new", DisplayName: "New", ExtensionNumber: "0150"}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("new")}},
	}
	a.Fail(siptest.On("Users.Create").Nth(1).Status(http.StatusForbidden))
	results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.Equal(t, map[string]provision.Status{
		`+ user new (extension 0150, displayName "New", password made up)`: provision.StatusFailed, `~ device 00:00:5E:00:53:01 goes from user joe to user new`: provision.StatusBlocked,
	}, outcome(results))
	require.Equal(t, "joe", a.Devices(a.domain)[0].User)

	a.become(t, desired)
	require.Equal(t, "new", a.Devices(a.domain)[0].User)
}

// Who leaves is deleted after the phone is somebody else's or nobody's.
func TestDeviceOfWhoIsDeleted(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{
		Users:   []provision.User{{User: "ann"}, {User: "eve"}, {User: "new", DisplayName: "New", ExtensionNumber: "0100"}},
		Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:01", Owner: new("new")}, {MACAddress: "00:00:5E:00:53:02"}},
	}
	opts := &provision.PlanOptions{Prune: true, MaxDeletes: 2}
	_, err := a.plan(t, desired, opts).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	a.is(t, desired, opts)
	sent := a.sent()
	require.Less(t, slices.Index(sent, "Users.RemoveDevice"), slices.Index(sent, "Users.Delete"))
	require.Equal(t, "new", a.Devices(a.domain)[0].User)
}

// What a queue rings is not taken out before there is what replaces it.
func TestQueueWhoseNewMemberCannotBeMade(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]siptest.Fault{
		"no group":  siptest.On("Groups.Create").Nth(1).Status(http.StatusForbidden),
		"no member": siptest.On("Queues.CreateMember").Nth(1).Status(http.StatusForbidden),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.become(t, small())
			a.Fail(fault)
			// The place of night ends with the group, which the new one may need
			// to be gone.
			desired := &provision.State{
				Groups: []provision.Group{{Name: "sales"}, {Name: "support"}, {Name: "team", ExtensionNumber: "0650"}},
				Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "team"}, {Group: "support"}}}},
			}
			opts := &provision.PlanOptions{Prune: true, MaxDeletes: 9}
			results, err := a.plan(t, desired, opts).Apply(t.Context(), a.client, nil)
			require.ErrorIs(t, err, infinitysip.ErrForbidden)
			got := outcome(results)
			require.Equal(t, provision.StatusBlocked, got["~ queue front no longer rings group sales"])
			require.Equal(t, provision.StatusDone, got["~ queue front no longer rings group night"])
			require.Equal(t, provision.StatusDone, got["- group night"])
			require.Equal(t, provision.StatusBlocked, got["~ queue front rings in this order: team, support"])
			require.Len(t, a.QueueMembers(a.domain, 1), 2)

			_, err = a.plan(t, desired, opts).Apply(t.Context(), a.client, nil)
			require.NoError(t, err)
			a.is(t, desired, opts)
			require.Len(t, a.QueueMembers(a.domain, 1), 2)
		})
	}
}

// An order names every member, so it waits for those that are to go.
func TestOrderOfAQueueWhoseMemberStays(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	a.Fail(siptest.On("Queues.DeleteMember").Nth(1).Status(http.StatusForbidden))
	desired := &provision.State{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "night"}, {Group: "support"}}}}}
	results, err := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 1}).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.Equal(t, map[string]provision.Status{
		"~ queue front no longer rings group sales": provision.StatusFailed, "~ queue front rings in this order: night, support": provision.StatusBlocked,
	}, outcome(results))
}

// Who goes from one group to another is not taken out of the one before being in
// the other.
func TestUsersWhoGoToAnotherGroup(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	a.Fail(siptest.On("Groups.AddUsers").Nth(1).Status(http.StatusForbidden)) // night: the groups are changed in order
	desired := &provision.State{Users: []provision.User{
		{User: "joe", Groups: []string{"night"}}, {User: "ann", Groups: []string{}}, {User: "eve"},
	}}
	opts := &provision.PlanOptions{Prune: true, MaxDeletes: 2}
	results, err := a.plan(t, desired, opts).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.Equal(t, map[string]provision.Status{
		"+ into group night: joe": provision.StatusFailed, "~ out of group sales: joe, ann (2 users stay in the domain)": provision.StatusBlocked, // of ann it was done
	}, outcome(results))
	require.EqualError(t, results[1].Err, "blocked for 1 of 2: user joe is not yet in the group to go to")
	require.Equal(t, []infinitysip.UserID{1}, a.GroupUsers(a.domain, 1))

	a.ResetRequests()
	_, err = a.plan(t, desired, opts).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Groups.AddUsers", "Groups.RemoveUsers"}, a.sent())
	require.Empty(t, a.GroupUsers(a.domain, 1))
	require.Equal(t, []infinitysip.UserID{1}, a.GroupUsers(a.domain, 3))
}

// A group that waits for others holds up nobody who has come into it.
func TestUsersWhoGoToAGroupThatIsBlockedForOthers(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	a.Fail(siptest.On("Users.Create").Nth(1).Status(http.StatusForbidden))
	desired := &provision.State{Users: []provision.User{
		{User: "joe", Groups: []string{"night"}}, {User: "ann"}, {User: "eve"}, {User: "new", DisplayName: "New", ExtensionNumber: "0150", Groups: []string{"night"}},
	}}
	results, err := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 1}).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	got := outcome(results)
	require.Equal(t, provision.StatusBlocked, got["+ into group night: joe, new"]) // of joe it was done
	require.Equal(t, provision.StatusDone, got["~ out of group sales: joe (1 user stays in the domain)"])
	require.Equal(t, []infinitysip.UserID{1}, a.GroupUsers(a.domain, 3))
}

func TestGenerated(t *testing.T) {
	t.Parallel()
	for range 100 {
		password, pin := provision.GeneratePassword().Reveal(), provision.GeneratePIN().Reveal()
		require.Regexp(t, `^[A-Z2-7]{26}$`, password)
		require.Regexp(t, `^[0-9]{6}$`, pin)
	}
}

func TestReadDomainPlansToNothing(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{BareNumbers: true, EchoSecrets: true})
	a.become(t, small())
	state, err := provision.ReadDomain(t.Context(), a.client, a.domain)
	require.NoError(t, err)
	a.is(t, state, &provision.PlanOptions{Prune: true})
	data, err := json.Marshal(state)
	require.NoError(t, err)
	require.NotContains(t, string(data), "password")

	// It makes another domain of it, but for devices, which are in one only.
	state.Devices = nil
	other := &acme{a.Server, a.AddDomain(infinitysip.Domain{DisplayName: "Copy"}), a.client}
	other.become(t, state)
	copied, err := provision.ReadDomain(t.Context(), a.client, other.domain)
	require.NoError(t, err)
	copied.Devices = nil
	a.is(t, copied, nil)
}

// A list that may have been cut is not taken for the whole.
func TestReadDomainDoesNotTrustALongList(t *testing.T) {
	t.Parallel()
	for op, test := range map[string]struct{ row, want string }{
		"Users.List":         {`{"userId":"%d","user":"u%[1]d"}`, "users"},
		"Groups.List":        {`{"groupId":"%d","groupName":"g%[1]d"}`, "groups"},
		"Groups.ListUsers":   {`{"groupId":"1","userId":"%d"}`, `users in group "sales"`},
		"Queues.ListMembers": {`{"queueMemberId":"%d","groupId":"1"}`, `members of queue "front"`},
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			state := small()
			state.Groups, state.Queues[0].Members = state.Groups[:1], nil
			a.become(t, state)
			var rows strings.Builder
			for i := range 10_000 {
				fmt.Fprintf(&rows, test.row+"\n", i+1)
			}
			a.Fail(siptest.On(op).Nth(1).Rewrite(func([]byte) []byte { return []byte(rows.String()) }))
			if op == "Groups.List" {
				a.Fail(siptest.On("Groups.ListUsers").Body(``).Status(http.StatusOK))
			}
			_, err := provision.ReadDomain(t.Context(), a.client, a.domain)
			require.EqualError(t, err, "provision: the server gave exactly 10000 "+test.want+", which may not be all")
		})
	}
}

// givesToken applies a plan of one line, which gives a device a token.
func (a *acme) givesToken(t *testing.T, changes *provision.Changes, line string) {
	t.Helper()
	require.Equal(t, line, changes.String())
	results, err := changes.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Len(t, results[0].Token.Reveal(), 25)
}
