package provision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// Who keeps credentials so that it cannot read them hands over new ones for those that a
// run which was cut left unsettled. They are set, and Keep and Settle are told of them.
func TestUnsettledWithNewSecrets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		saved, createOnly bool
		faults            []siptest.Fault
	}{
		"at once":                {},
		"a saved plan":           {saved: true},
		"only new things":        {createOnly: true},
		"the answers are lost":   {faults: []siptest.Fault{siptest.On("Users.Update").Nth(1).CommitThenDrop(), siptest.On("Users.Create").CommitThenDrop()}},
		"they are not taken yet": {faults: []siptest.Fault{siptest.On("Users.Update").Times(5).Drop(), siptest.On("Users.Create").Times(1).Drop()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				desired := small()
				desired.Users[0].HotdeskAllowed = new(true)
				desired.Devices[1].Owner = new("ann")
				a.become(t, desired)
				// eve is to go, and was not deleted: nothing of hers is changed.
				desired.Users = append(desired.Users[:2:2], provision.User{User: "new", DisplayName: "New", ExtensionNumber: "0150"})
				before := map[string]infinitysip.User{}
				for _, u := range a.Users(a.domain) {
					before[u.User] = u
				}
				fresh := func(c provision.Credential) provision.Credential {
					c.State, c.Password = provision.CredentialProposed, provision.GeneratePassword()
					return c
				}
				unsettled := []provision.Credential{
					fresh(provision.Credential{User: "JOE", PIN: provision.GeneratePIN()}),
					fresh(provision.Credential{User: "new"}),
					fresh(provision.Credential{User: "eve"}),
					fresh(provision.Credential{User: "nobody"}),
					{State: provision.CredentialProposed, User: "ann", Device: phoneOfNobody},
					{State: provision.CredentialProposed, User: "eve", Device: "00:00:5E:00:53:99"},
				}
				plan := a.plan(t, desired, &provision.PlanOptions{Unsettled: unsettled, CreateOnly: test.createOnly})
				require.Len(t, plan.Items, 3, "%v", plan)
				for _, c := range unsettled {
					if !c.Password.IsZero() {
						require.NotContains(t, fmt.Sprintf("%v %+v", plan, plan), c.Password.Reveal())
					}
				}
				if test.saved {
					data, err := json.Marshal(plan)
					require.NoError(t, err)
					plan = new(provision.Changes)
					require.NoError(t, json.Unmarshal(data, plan))
				}
				for _, fault := range test.faults {
					a.Fail(fault)
				}
				books := newLedger()
				results, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Alone: true, Secrets: desired.Secrets(unsettled...)})
				require.NoError(t, err)
				require.Equal(t, books.proposed, books.settled)

				there := map[string]infinitysip.User{}
				for _, u := range a.Users(a.domain) {
					there[u.User] = u
				}
				require.Len(t, there, 4)
				require.Equal(t, unsettled[0].Password.Reveal(), there["joe"].Password.Reveal())
				require.Equal(t, unsettled[0].PIN.Reveal(), there["joe"].PIN.Reveal())
				require.Equal(t, unsettled[0].Password.Reveal(), books.confirmed["joe"])
				require.Equal(t, unsettled[1].Password.Reveal(), there["new"].Password.Reveal())
				require.Equal(t, unsettled[1].Password.Reveal(), books.confirmed["new"])
				for _, user := range []string{"ann", "eve"} {
					require.True(t, before[user].Password.Equal(there[user].Password), user)
					require.NotContains(t, books.confirmed, user)
				}
				var told []provision.Credential
				for _, c := range books.all {
					if c.Device != "" {
						told = append(told, c)
					}
				}
				require.Len(t, told, 2)
				require.Equal(t, provision.CredentialProposed, told[0].State)
				require.Equal(t, provision.CredentialConfirmed, told[1].State)
				for _, c := range told {
					require.Equal(t, phoneOfNobody, c.Device)
					require.Equal(t, "ann", c.User)
				}
				require.False(t, told[1].Token.IsZero())
				require.Equal(t, "ann", a.Devices(a.domain)[1].User)
				require.Len(t, results, 3)
				require.Empty(t, provision.Unsettled(books.all))
				a.is(t, desired, nil)
			})
		})
	}
}

// The run that sets what was left is cut as well: the next one sets yet another, and the
// passwords of both runs are no longer in force.
func TestUnsettledTwice(t *testing.T) {
	t.Parallel()
	for _, fault := range []siptest.Fault{siptest.On("Users.Update").Nth(1).CommitThenDrop(), siptest.On("Users.Update").Nth(1).Drop()} {
		a := newAcme(t)
		a.become(t, small())
		books := newLedger()
		run := func(ctx context.Context) error {
			left := []provision.Credential{{State: provision.CredentialProposed, User: "joe", Password: provision.GeneratePassword()}}
			_, err := a.plan(t, small(), &provision.PlanOptions{Unsettled: left}).Apply(ctx, a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Alone: true})
			return err
		}
		ctx, cancel := context.WithCancel(t.Context())
		a.Fail(fault.After(func(*siptest.Server) { cancel() }))
		require.ErrorIs(t, run(ctx), context.Canceled)
		require.Equal(t, provision.CredentialUnknown, books.after["joe"])
		require.NoError(t, run(t.Context()))
		require.Equal(t, a.Users(a.domain)[0].Password.Reveal(), books.confirmed["joe"])
		require.Empty(t, provision.Unsettled(books.all))
		require.Len(t, books.proposed, 2)
	}
}
