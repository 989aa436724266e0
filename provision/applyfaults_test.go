package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	done    = provision.StatusDone
	failed  = provision.StatusFailed
	blocked = provision.StatusBlocked
	stopped = provision.StatusStopped
)

// A failure holds up those alone that need what failed.
func TestFailuresBlockOnlyWhatNeedsThem(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	a.Fail(siptest.On("Users.Create").Nth(1).Status(http.StatusForbidden))
	a.Fail(siptest.On("Groups.Create").Nth(1).Status(http.StatusForbidden))
	books := newLedger()
	var progress []provision.Progress
	results, err := a.whole().Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle,
		Progress: func(p provision.Progress) { progress = append(progress, p) }})
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.NotErrorIs(t, err, provision.ErrBlocked)
	require.Len(t, strings.Split(err.Error(), "\n"), 2)
	require.Equal(t, []provision.Status{
		failed, failed, done, done, done, done, done, done, done, done,
		blocked, blocked, blocked, done, blocked, done, blocked, blocked, done,
	}, statuses(results))
	require.EqualError(t, results[10].Err, "blocked: it needs what failed: create group team")
	require.EqualError(t, results[11].Err, "blocked for 1 of 1: user joe is not yet in the group to go to")
	require.Equal(t, []infinitysip.UserID{1, 2}, a.GroupUsers(a.domain, 1), "joe stays where he is")
	require.Equal(t, provision.CredentialRefused, books.after["new"])
	require.True(t, results[0].Password.IsZero())
	require.Len(t, progress, 19)
	for i, p := range progress {
		require.Equal(t, i+1, p.Done)
	}
	data, err := json.Marshal(results[1])
	require.NoError(t, err)
	require.Contains(t, string(data), `"name":"team"`)
	require.Contains(t, string(data), `"status":"failed","error":"infinitysip: Groups.Create`)
}

// Of users who go into a group, those who are there are put in. Those who leave
// another group for it leave only if they are in.
func TestGroupForThoseWhoAreThere(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	a.Fail(siptest.On("Users.Create").Nth(1).Status(http.StatusForbidden))
	results, err := a.changes(
		newUser("new", "0150"),
		change{Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "night", ID: 3}, Members: []ref{{Name: "new", MadeBy: 1}, {Name: "joe", ID: 1}}, After: []int{1}},
		change{Op: "delete", Kind: provision.KindGroupMembers, Ref: ref{Name: "sales", ID: 1}, Members: []ref{{Name: "joe", ID: 1}}, After: []int{2}},
	).Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrForbidden)
	require.Equal(t, []provision.Status{failed, blocked, done}, statuses(results))
	require.EqualError(t, results[1].Err, "blocked for 1 of 2: there is no user new")
	require.Equal(t, []infinitysip.UserID{1}, a.GroupUsers(a.domain, 3))
	require.Equal(t, []infinitysip.UserID{2}, a.GroupUsers(a.domain, 1))
}

// swap has joe and ann, or two groups, pass on their extension numbers.
func swap(kind provision.Kind, a, b string, numbers [2]string) []change {
	between := update(kind, a, 1, "extensionNumber", numbers[0], "9999")
	between.Between = true
	second, third := update(kind, b, 2, "extensionNumber", numbers[1], numbers[0]), update(kind, a, 1, "extensionNumber", numbers[0], numbers[1])
	second.Needs, third.Needs = []int{1}, []int{1, 2}
	return []change{between, second, third}
}

func TestNumbersInACircle(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refused int // how many numbers the server does not take
		spares  []string
		want    []string // tried
		err     string
	}{
		"any":              {0, nil, []string{"9999"}, ""},
		"two refused":      {2, nil, []string{"9999", "9989", "9988"}, ""},
		"own":              {1, []string{"9999", "0101", "8000"}, []string{"9999", "8000"}, ""},
		"own are used up":  {9, []string{"9999", "8000"}, []string{"9999", "8000"}, "the extension numbers for the time in between (9999, 8000): give spare numbers"},
		"none of them all": {99, nil, []string{"9999", "9989", "9988", "9987", "9986", "9985", "9984", "9983", "9982", "9981"}, "9982, 9981): give spare numbers"},
	} {
		for kind, plan := range map[provision.Kind][]change{
			provision.KindUser: swap(provision.KindUser, "joe", "ann", [2]string{"0100", "0101"}), provision.KindGroup: swap(provision.KindGroup, "sales", "support", [2]string{"0600", "0601"}),
		} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				a := newAcme(t)
				a.seed(t)
				op := map[provision.Kind]string{provision.KindUser: "Users.Update", provision.KindGroup: "Groups.Update"}[kind]
				if test.refused > 0 {
					a.Fail(siptest.On(op).Times(test.refused).Status(http.StatusUnprocessableEntity))
				}
				changes := a.changes(plan...)
				changes.Spares = test.spares
				results, err := changes.Apply(t.Context(), a.client, nil)
				var tried []string
				for _, r := range a.Requests() {
					if r.Op == op && len(tried) < len(test.want) {
						tried = append(tried, r.Form.Get("extensionNumber"))
					}
				}
				require.Equal(t, test.want, tried)
				require.Equal(t, "9999", changes.Items[0].Fields[0].To, "the plan stays as it is")
				if test.err != "" {
					require.ErrorContains(t, err, test.err)
					require.Equal(t, []provision.Status{failed, blocked, blocked}, statuses(results))
					return
				}
				require.NoError(t, err)
				require.Equal(t, tried[len(tried)-1], results[0].Change.Fields[0].To)
				if kind == provision.KindUser {
					require.Equal(t, "0101", a.Users(a.domain)[0].ExtensionNumber)
					require.Equal(t, "0100", a.Users(a.domain)[1].ExtensionNumber)
					return
				}
				require.Equal(t, "0601", a.Groups(a.domain)[0].ExtensionNumber)
				require.Equal(t, "sales", a.Groups(a.domain)[0].Name)
			})
		}
	}
}

// A group's call sets every field: what an earlier change has set stays.
func TestGroupThatChangesTwice(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	plan := swap(provision.KindGroup, "sales", "support", [2]string{"0600", "0601"})
	plan[2].Fields = append(plan[2].Fields, provision.FieldChange{Field: "ringRetry", From: false, To: true})
	also := update(provision.KindGroup, "sales", 1, "displayName", "sales", "Sales")
	also.Needs = []int{1}
	plan = append(plan[:2], also, plan[2])
	plan[3].Needs = []int{1, 2, 3}
	_, err := a.changes(plan...).Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	group := a.Groups(a.domain)[0]
	require.Equal(t, "Sales", group.DisplayName)
	require.Equal(t, "0601", group.ExtensionNumber)
	require.True(t, group.RingRetry)
}

// A plan that was read back has no secrets: it is refused, unless they are given.
func TestSecretsOfAPlanThatWasReadBack(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	made := newUser("new", "0150")
	made.Secrets = []string{"password"}
	plan := func() *provision.Changes {
		return a.changes(made, change{Op: "update", Kind: provision.KindUser, Ref: ref{Name: "joe", ID: 1}, Secrets: []string{"password", "pin"}})
	}
	_, err := plan().Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorContains(t, err, "2 users that it does not hold")
	require.ErrorContains(t, err, "user new, user joe")
	closed := errors.New("the vault is closed")
	_, err = plan().Apply(t.Context(), a.client, &provision.ApplyOptions{Secrets: func(user string) (provision.Credential, error) {
		if user == "new" {
			return provision.Credential{Password: infinitysip.NewSecret("n")}, nil
		}
		return provision.Credential{}, closed
	}})
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.ErrorIs(t, err, closed)
	require.ErrorContains(t, err, "1 user that it does not hold")
	require.Empty(t, a.Requests())

	books := newLedger()
	results, err := plan().Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Secrets: func(user string) (provision.Credential, error) {
		return provision.Credential{Password: infinitysip.NewSecret("of " + user), PIN: infinitysip.NewSecret("48214821")}, nil
	}})
	require.NoError(t, err)
	users := a.Users(a.domain)
	require.Equal(t, "of joe", users[0].Password.Reveal())
	require.Equal(t, "48214821", users[0].PIN.Reveal())
	require.Equal(t, "of new", users[3].Password.Reveal())
	require.Empty(t, users[3].PIN.Reveal(), "the state gave none")
	require.Equal(t, "of joe", results[1].Password.Reveal())
	require.Equal(t, map[string]string{"joe": "of joe", "new": "of new"}, books.confirmed)
	require.Equal(t, books.proposed, books.settled)
}

// Passwords and PINs come from where the options say, and once only.
func TestSecretsOfNewUsers(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	hot := newUser("hot", "0102")
	hot.Fields = append(hot.Fields, provision.FieldChange{Field: "hotdeskAllowed", To: true})
	plan := a.changes(newUser("joe", "0100"), newUser("ann", "0101"), hot)
	sealed := errors.New("the vault is closed")
	books := newLedger()
	results, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Password: func(user string) (infinitysip.Secret, error) {
		switch user {
		case "ann":
			return infinitysip.Secret{}, sealed
		case "joe":
			return infinitysip.NewSecret("joe's own"), nil
		}
		return provision.GeneratePassword(), nil
	}})
	require.ErrorIs(t, err, sealed)
	require.EqualError(t, err, "create user ann: no password: the vault is closed")
	require.Equal(t, []provision.Status{done, failed, done}, statuses(results))
	require.Len(t, a.Users(a.domain), 2)
	require.Len(t, results[2].Password.Reveal(), 26)
	require.Len(t, results[2].PIN.Reveal(), 6)
	require.True(t, results[0].PIN.IsZero())
	for _, u := range a.Users(a.domain) {
		require.Equal(t, books.confirmed[u.User], u.Password.Reveal())
	}
	data, err := json.Marshal(results)
	require.NoError(t, err)
	text := fmt.Sprintf("%v %+v %s", results, books.all, data)
	for _, secret := range []string{"joe's own", results[2].Password.Reveal(), results[2].PIN.Reveal()} {
		require.NotContains(t, text, secret)
	}
}

// After the first error of Keep nothing is begun that has a secret; the rest goes on.
func TestKeepFails(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	full := errors.New("the disk is full")
	secret := change{Op: "update", Kind: provision.KindUser, Ref: ref{Name: "eve", ID: 3}, Secrets: []string{"password"}}
	plan := a.changes(newUser("one", "0151"), newUser("two", "0152"), newUser("three", "0153"), newGroup("team", "0650"),
		change{Op: "create", Kind: provision.KindOwner, Ref: ref{Name: mac2, ID: 2}, To: &ref{Name: "ann", ID: 2}},
		change{Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "team", MadeBy: 4}, Members: []ref{{Name: "one", MadeBy: 1}, {Name: "two", MadeBy: 2}, {Name: "three", MadeBy: 3}}, Needs: []int{4}}, secret)
	n := 0
	books := newLedger()
	results, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1, Settle: books.Settle, Secrets: func(string) (provision.Credential, error) {
		return provision.Credential{Password: infinitysip.NewSecret("x")}, nil
	},
		Keep: func(c provision.Credential) error {
			if n++; n == 2 {
				return full
			}
			return books.Keep(c)
		}})
	require.ErrorIs(t, err, full)
	require.EqualError(t, err, "create user two: the password could not be kept, so the user was not made: the disk is full")
	require.Equal(t, []provision.Status{done, failed, stopped, done, stopped, blocked, stopped}, statuses(results))
	require.ErrorIs(t, results[2].Err, full)
	require.ErrorContains(t, results[4].Err, "it was not begun, because it has a secret to keep")
	require.Equal(t, 2, n)
	require.Len(t, a.Users(a.domain), 4)
	require.Equal(t, []infinitysip.UserID{4}, a.GroupUsers(a.domain, 4))
	require.Equal(t, provision.CredentialConfirmed, books.after["one"])
	require.Equal(t, provision.CredentialRefused, books.after["two"])
	require.Empty(t, a.Devices(a.domain)[1].User)
}

// A token that could not be kept is lost, but for the result.
func TestKeepFailsForAToken(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	full := errors.New("the disk is full")
	results, err := a.changes(change{Op: "create", Kind: provision.KindOwner, Ref: ref{Name: mac2, ID: 2}, To: &ref{Name: "ann", ID: 2}}).Apply(t.Context(), a.client,
		&provision.ApplyOptions{Keep: func(provision.Credential) error { return full }})
	require.ErrorIs(t, err, full)
	require.ErrorIs(t, err, infinitysip.ErrTokenLost)
	require.Equal(t, failed, results[0].Status)
	require.Len(t, results[0].Token.Reveal(), 25)
}

// What Settle cannot write down was done all the same, and the error says so.
func TestSettleFails(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	full := errors.New("the disk is full")
	results, err := a.changes(newUser("one", "0151"), newUser("two", "0152")).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1, Settle: func(provision.Credential) error { return full }})
	require.ErrorIs(t, err, full)
	require.Equal(t, []provision.Status{done, stopped}, statuses(results))
	require.ErrorIs(t, results[0].Err, full)
	require.Len(t, a.Users(a.domain), 1)
}

// The answer to a create of a user is lost, and the user is there.
func TestUserWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	byAnother := func(params infinitysip.UserCreateParams) siptest.Fault {
		return siptest.On("Users.Create").Nth(1).Drop().Before(func(srv *siptest.Server) {
			_, err := srv.InProcessClient().Users.Create(context.Background(), 1, params)
			require.NoError(t, err)
		})
	}
	same := infinitysip.UserCreateParams{User: "new", DisplayName: "new", ExtensionNumber: "0150", Password: infinitysip.NewSecret("the other's")}
	other := same
	other.DisplayName = "Another"
	for name, test := range map[string]struct {
		faults []siptest.Fault
		is     []error // empty: it is done
		state  provision.CredentialState
	}{
		"it was made":             {[]siptest.Fault{siptest.On("Users.Create").Nth(1).CommitThenDrop()}, nil, provision.CredentialConfirmed},
		"it was not":              {[]siptest.Fault{siptest.On("Users.Create").Nth(1).Drop()}, nil, provision.CredentialConfirmed},
		"somebody else made it":   {[]siptest.Fault{byAnother(same)}, nil, provision.CredentialConfirmed},
		"it is refused":           {[]siptest.Fault{siptest.On("Users.Create").Nth(1).Status(http.StatusConflict)}, []error{infinitysip.ErrConflict}, provision.CredentialRefused},
		"somebody else's another": {[]siptest.Fault{byAnother(other)}, []error{infinitysip.ErrOutcomeUnknown, infinitysip.ErrConflict}, provision.CredentialUnknown},
		"its password cannot be set": {[]siptest.Fault{byAnother(same), siptest.On("Users.Update").Status(http.StatusForbidden)},
			[]error{infinitysip.ErrOutcomeUnknown, infinitysip.ErrForbidden}, provision.CredentialUnknown},
		"it is created, without an id": {[]siptest.Fault{siptest.On("Users.Create").Nth(1).Body("").After(func(srv *siptest.Server) {
			srv.Fail(siptest.On("Users.List").For(10 * time.Second).Status(http.StatusForbidden))
		})}, nil, provision.CredentialConfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				a.seed(t)
				for _, fault := range test.faults {
					a.Fail(fault)
				}
				books := newLedger()
				results, err := a.changes(newUser("new", "0150"), newDevice(mac3),
					change{Op: "create", Kind: provision.KindOwner, Ref: ref{Name: mac3, MadeBy: 2}, To: &ref{Name: "new", MadeBy: 1}, Needs: []int{1, 2}},
				).Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle})
				require.Equal(t, books.proposed, books.settled)
				for _, target := range test.is {
					require.ErrorIs(t, err, target)
				}
				if len(test.is) == 0 {
					require.NoError(t, err)
					require.Equal(t, books.confirmed["new"], a.Users(a.domain)[3].Password.Reveal())
					require.Equal(t, "new", a.Devices(a.domain)[2].User)
					return
				}
				require.Equal(t, []provision.Status{failed, done, blocked}, statuses(results))
				require.Equal(t, test.state, books.after["new"])
				require.Equal(t, test.state == provision.CredentialRefused, results[0].Password.IsZero())
			})
		})
	}
}

// What stays in doubt is looked at three times, and then said.
func TestDoubtThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.seed(t)
		plan := a.changes(newUser("new", "0150"), change{Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "night", ID: 3}, Members: []ref{{Name: "new", MadeBy: 1}, {Name: "joe", ID: 1}}, After: []int{1}})
		a.Fail(siptest.On("Users.Create").Drop())
		looks := 0
		a.Fail(siptest.On("Users.List").Nth(2).Times(1000).Status(http.StatusForbidden).Before(func(*siptest.Server) { looks++ }))
		books := newLedger()
		progress := 0
		results, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Progress: func(provision.Progress) { progress++ }})
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, []provision.Status{failed, blocked}, statuses(results))
		require.Equal(t, 2, progress)
		require.Equal(t, provision.CredentialUnknown, books.after["new"])
		require.Len(t, results[0].Password.Reveal(), 26, "the user may have it")
		require.NotContains(t, err.Error(), results[0].Password.Reveal())
		require.Equal(t, []infinitysip.UserID{1}, a.GroupUsers(a.domain, 3))
		require.Equal(t, 1, len(slices.DeleteFunc(a.sent(), func(op string) bool { return op != "Users.Create" })), "it is not sent again")
	})
}

// A list that may be cut proves nothing: what is not in it is not made again.
func TestDoubtAndAListThatMayBeCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.Fail(siptest.On("Groups.Create").Nth(1).Drop().After(func(*siptest.Server) {}))
		var rows strings.Builder
		for i := range 10_000 {
			fmt.Fprintf(&rows, `{"groupId":"%d","groupName":"g%[1]d"}`+"\n", i+1)
		}
		a.Fail(siptest.On("Groups.List").Nth(2).Times(1000).Rewrite(func([]byte) []byte { return []byte(rows.String()) }))
		_, err := a.changes(newGroup("team", "0650")).Apply(t.Context(), a.client, nil)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, []string{"Groups.Create"}, a.sent())
	})
}

func TestTokenThatIsLost(t *testing.T) {
	t.Parallel()
	for name, plan := range map[string]change{
		"a new owner": {Op: "update", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &ref{Name: "joe", ID: 1}, To: &ref{Name: "ann", ID: 2}},
		"a new token": {Op: "update", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &ref{Name: "joe", ID: 1}, To: &ref{Name: "joe", ID: 1}, NewToken: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				a.seed(t)
				a.Fail(siptest.On("Users.AddDevice").Nth(1).CommitThenDrop())
				results, err := a.changes(plan).Apply(t.Context(), a.client, nil)
				require.ErrorIs(t, err, infinitysip.ErrTokenLost)
				require.Equal(t, failed, results[0].Status)
				require.Equal(t, plan.To.Name, a.Devices(a.domain)[0].User)
			})
		})
	}
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	books := newLedger()
	joe := ref{Name: "joe", ID: 1}
	results, err := a.changes(change{Op: "update", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &joe, To: &joe, NewToken: true},
		change{Op: "delete", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &joe, After: []int{1}}).
		Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle})
	require.NoError(t, err)
	require.Len(t, results[0].Token.Reveal(), 25)
	require.Len(t, books.all, 2)
	require.Equal(t, provision.CredentialConfirmed, books.all[1].State)
	require.Equal(t, mac1, books.all[1].Device)
	require.Equal(t, "joe", books.all[1].User)
	require.Empty(t, a.Devices(a.domain)[0].User)
}

// The server's limit lets nothing through for longer than the client waits.
func TestLimitIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		var plan []change
		for i := range 50 {
			plan = append(plan, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(100+i)))
		}
		a.Fail(siptest.On("Users.Create").For(7 * time.Minute).Status(http.StatusTooManyRequests))
		books := newLedger()
		progress := 0
		results, err := a.changes(plan...).Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Progress: func(p provision.Progress) { progress++; assert.NoError(t, p.Err) }})
		require.NoError(t, err)
		require.Len(t, results, 50)
		require.Equal(t, 50, progress)
		require.Len(t, a.Users(a.domain), 50)
		require.Equal(t, books.proposed, books.settled)
	})
}

// A limit that never ends is given up.
func TestLimitThatNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.seed(t)
		a.Fail(siptest.On("Users.Create").Status(http.StatusTooManyRequests))
		books := newLedger()
		progress := 0
		var plan []change
		for i := range 20 {
			plan = append(plan, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(1000+i)))
		}
		plan = append(plan, change{Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "night", ID: 3}, Members: []ref{{Name: "user19", MadeBy: 20}, {Name: "joe", ID: 1}}, After: []int{20}})
		results, err := a.changes(plan...).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 4, Keep: books.Keep, Settle: books.Settle, Progress: func(p provision.Progress) { progress++; require.Equal(t, progress, p.Done) }})
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.Len(t, strings.Split(err.Error(), "\n"), 1)
		require.Equal(t, books.proposed, books.settled)
		count := map[provision.Status]int{}
		for _, r := range results {
			count[r.Status]++
			require.Error(t, r.Err)
		}
		require.Equal(t, count[failed]+count[blocked], progress)
		require.Positive(t, count[stopped])
		require.Positive(t, count[failed])
		require.Equal(t, 21, count[stopped]+count[failed])
		require.Less(t, len(a.sent()), 500)
	})
}

// Credentials are revoked while many calls are under way: nothing is begun after that,
// and the error says it once.
func TestCredentialsRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const workers = 8
		a := newAcme(t, siptest.Options{Latency: time.Second})
		var posts, refused atomic.Int64
		client := a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost && posts.Add(1) >= 13 {
				refused.Add(1)
				time.Sleep(time.Second) // the bubble's clock
				return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
			}
			return a.Transport().RoundTrip(req)
		})}))
		var plan []change
		for i := range 40 {
			plan = append(plan, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(100+i)))
		}
		plan = append(plan, newGroup("sales", "0600"), change{Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "sales", MadeBy: 41}, Members: []ref{{Name: "user00", MadeBy: 1}, {Name: "user39", MadeBy: 40}}, Needs: []int{41}})
		results, err := a.changes(plan...).Apply(t.Context(), client, &provision.ApplyOptions{Workers: workers})
		require.ErrorIs(t, err, infinitysip.ErrUnauthorized)
		require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, 1, strings.Count(err.Error(), "401 Unauthorized"), "%v", err)
		require.Len(t, strings.Split(err.Error(), "\n"), 1)
		require.LessOrEqual(t, refused.Load(), int64(workers), "those under way")
		count := map[provision.Status]int{}
		for _, r := range results {
			count[r.Status]++
			if r.Status != done {
				require.ErrorIs(t, r.Err, infinitysip.ErrUnauthorized)
				require.True(t, r.Password.IsZero(), "nobody has it")
			}
		}
		require.Equal(t, map[provision.Status]int{done: len(a.Users(a.domain)), failed: int(refused.Load()), stopped: 42 - len(a.Users(a.domain)) - int(refused.Load())}, count)
	})
}

// When the context ends nothing more is begun, and what was made is told.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{Latency: time.Second})
		var plan []change
		for i := range 20 {
			plan = append(plan, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(100+i)))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		last := provision.Progress{}
		var end time.Time
		results, err := a.changes(plan...).Apply(ctx, a.client, &provision.ApplyOptions{Workers: 2, Progress: func(p provision.Progress) {
			last = p
			if p.Done == 4 {
				end = time.Now()
				cancel()
			}
		}})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, end, time.Now(), "at once")
		count := map[provision.Status]int{}
		for _, r := range results {
			count[r.Status]++
			if r.Status == stopped {
				require.ErrorIs(t, r.Err, context.Canceled)
			}
		}
		require.GreaterOrEqual(t, count[done], 4)
		require.GreaterOrEqual(t, count[stopped], 14)
		require.Equal(t, count[done]+count[failed], last.Done, "what was stopped is not done")
		require.Equal(t, 20, count[done]+count[stopped]+count[failed])
	})
}

// What needs a change that was not begun is not blocked by it: nothing failed.
func TestStoppedIsNotBlocked(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results, err := a.changes(newUser("joe", "0100"), newUser("ann", "0101"), newDevice(mac1),
		change{Op: "create", Kind: provision.KindOwner, Ref: ref{Name: mac1, MadeBy: 3}, To: &ref{Name: "ann", MadeBy: 2}, Needs: []int{2, 3}},
	).Apply(ctx, a.client, &provision.ApplyOptions{Workers: 1, Progress: func(provision.Progress) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, provision.ErrBlocked)
	require.Equal(t, []provision.Status{done, stopped, stopped, stopped}, statuses(results))
}

// A chain of what was stopped says why once, not once for each that is before it.
func TestLongChainIsStopped(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var plan []change
	for i := range 2000 {
		c := newUser(fmt.Sprintf("user%04d", i), fmt.Sprint(2000+i))
		if i > 0 {
			c.Needs = []int{i}
		}
		plan = append(plan, c)
	}
	group := newGroup("x", "9000")
	group.Needs = []int{2000}
	plan = append(plan, group, change{Op: "create", Kind: provision.KindGroupMembers, Ref: ref{Name: "x", MadeBy: 2001}, Members: []ref{{Name: "user1999", MadeBy: 2000}}, After: []int{2001}})
	results, err := a.changes(plan...).Apply(ctx, a.client, &provision.ApplyOptions{Workers: 1, Progress: func(provision.Progress) { cancel() }})
	require.EqualError(t, err, "context canceled")
	require.EqualError(t, results[1].Err, "context canceled")
	for _, r := range results[2:] {
		require.Equal(t, stopped, r.Status)
		require.ErrorIs(t, r.Err, context.Canceled)
		require.Less(t, len(r.Err.Error()), 100)
	}
	require.EqualError(t, results[1999].Err, "it needs what was not done (create user user1998): context canceled")
}

// Keep takes long, and the context ends while all but one worker wait for it: nothing
// is kept any more.
func TestContextEndsWhileKeepIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		var plan []change
		for i := range 8 {
			plan = append(plan, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(100+i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		start := time.Now()
		late := 0
		results, err := a.changes(plan...).Apply(ctx, a.client, &provision.ApplyOptions{Workers: 8, Keep: func(provision.Credential) error {
			if ctx.Err() != nil {
				late++
			}
			time.Sleep(10 * time.Second)
			return nil
		}})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, late)
		require.Equal(t, 20*time.Second, time.Since(start))
		for _, r := range results[2:] {
			if r.Status == stopped {
				require.True(t, r.Password.IsZero())
			}
		}
		require.Len(t, slices.DeleteFunc(statuses(results), func(s provision.Status) bool { return s != stopped }), 6)
	})
}

// Progress may sleep in a test that runs in a bubble. Nothing begins meanwhile.
func TestProgressThatSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{Latency: time.Millisecond})
		var plan []change
		for i := range 20 {
			plan = append(plan, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(100+i)))
		}
		start := time.Now()
		_, err := a.changes(plan...).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 4, Progress: func(provision.Progress) { time.Sleep(time.Second) }})
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), 20*time.Second)
	})
}

// What was in doubt stays so when a limit delays it and the context ends, or when the
// second call is refused: nobody knows what became of the first.
func TestDoubtThatIsDelayedOrRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		a.Fail(siptest.On("Users.Create").Nth(1).Drop())
		a.Fail(siptest.On("Users.Create").Nth(2).CommitThenDrop())
		a.Fail(siptest.On("Users.Create").Nth(3).Times(1000).Status(http.StatusTooManyRequests).Header("Retry-After", "3600"))
		results, err := a.changes(newUser("one", "0151"), newUser("two", "0152")).Apply(ctx, a.client, &provision.ApplyOptions{Workers: 1})
		require.Equal(t, []provision.Status{failed, failed}, statuses(results))
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		for _, r := range results {
			require.ErrorIs(t, r.Err, infinitysip.ErrOutcomeUnknown)
		}
		require.Len(t, a.Users(a.domain), 1)
	})
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t)
			a.seed(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			client := a.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1}))
			for _, op := range []string{"Users.Delete", "Users.Update"} {
				a.Fail(siptest.On(op).Nth(1).CommitThenDrop())
				a.Fail(siptest.On(op).Nth(2).Times(1000).Status(code).Header("Retry-After", "3600"))
			}
			results, err := a.changes(update(provision.KindUser, "joe", 1, "displayName", "JOE", "Joe"),
				change{Op: "delete", Kind: provision.KindUser, Ref: ref{Name: "eve", ID: 3}}).Apply(ctx, client, nil)
			require.Equal(t, []provision.Status{failed, failed}, statuses(results), "%d", code)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
			for _, r := range results {
				require.ErrorIs(t, r.Err, infinitysip.ErrOutcomeUnknown, "%d", code)
			}
			require.Len(t, a.Users(a.domain), 2)
		})
	}
}

// A callback that panics does so for whoever called Apply, who may recover it.
func TestCallbackPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{Latency: time.Second})
		var plan []change
		for i := range 50 {
			plan = append(plan, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(100+i)))
		}
		defer func() {
			require.Contains(t, recover(), "the vault is mad")
			require.Less(t, len(a.Users(a.domain)), 20)
		}()
		_, _ = a.changes(plan...).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 4, Keep: func(c provision.Credential) error {
			if c.User == "user03" {
				panic("the vault is mad")
			}
			return nil
		}})
		t.Error("it returned")
	})
}

// A limit says that it lets nothing through for hours: Apply does not wait for that.
func TestLimitOfHours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.seed(t)
		a.Fail(siptest.On("Users.Update").Status(http.StatusTooManyRequests).Header("Retry-After", "3600"))
		start := time.Now()
		results, err := a.changes(update(provision.KindUser, "joe", 1, "displayName", "JOE", "J"), update(provision.KindUser, "ann", 2, "displayName", "ANN", "A")).Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1})
		require.ErrorIs(t, err, infinitysip.ErrRateLimited)
		require.Equal(t, []provision.Status{failed, stopped}, statuses(results))
		require.ErrorContains(t, results[1].Err, "the server's limit lets nothing through for 1h0m0s: try again after that")
		require.Less(t, time.Since(start), time.Minute)
	})
}

// The context ends while Apply waits to look again.
func TestContextEndsInAWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.Fail(siptest.On("Groups.Create").Drop())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(8*time.Second, cancel) // the client's own looks take 4 s
		start := time.Now()
		results, err := a.changes(newGroup("team", "0650"), change{Op: "create", Kind: provision.KindQueueMember, Ref: ref{Name: "x", MadeBy: 3}, Members: []ref{{Name: "team", MadeBy: 1}}, Needs: []int{1, 3}},
			change{Op: "create", Kind: provision.KindQueue, Ref: ref{Name: "x"}, Fields: fields{{Field: "displayName", To: "X"}, {Field: "extensionNumber", To: "0700"}}}).Apply(ctx, a.client, nil)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, []provision.Status{failed, blocked, done}, statuses(results))
		require.Equal(t, 8*time.Second, time.Since(start))
	})
}

// Five hundred failures of a kind are one line.
func TestAlikeFailures(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	var plan []change
	for i := range 500 {
		plan = append(plan, newUser(fmt.Sprintf("user%03d", i), fmt.Sprint(1000+i)))
	}
	plan = append(plan, newGroup("one", "0650"), newGroup("two", "0651"))
	a.Fail(siptest.On("Users.Create").Status(http.StatusConflict).Body("extension in use"))
	a.Fail(siptest.On("Groups.Create").Nth(1).Status(http.StatusForbidden))
	a.Fail(siptest.On("Groups.Create").Nth(2).Status(http.StatusBadRequest))
	_, err := a.changes(plan...).Apply(t.Context(), a.client, nil)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 3)
	require.Equal(t, "create user user000 and 499 more: infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: extension in use", lines[0])
	for _, target := range []error{infinitysip.ErrConflict, infinitysip.ErrForbidden, infinitysip.ErrInvalid} {
		require.ErrorIs(t, err, target)
	}
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.Equal(t, http.StatusConflict, failed.StatusCode)
}

// Calls are as many at a time as there are workers, and no more.
func TestWorkersBoundTheCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{Latency: 20 * time.Millisecond})
		var plan []change
		for i := range 1000 {
			plan = append(plan, newUser(fmt.Sprintf("user%03d", i), fmt.Sprint(1000+i)))
		}
		var now, most atomic.Int64
		client := a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			defer now.Add(-1)
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			return a.Transport().RoundTrip(req)
		})}))
		start := time.Now()
		_, err := a.changes(plan...).Apply(t.Context(), client, &provision.ApplyOptions{Workers: 32})
		require.NoError(t, err)
		require.Equal(t, int64(32), most.Load())
		require.Less(t, time.Since(start), 1000*20*time.Millisecond/32*107/100)
	})
}

// A device is taken from one user and not yet given to the next when the run ends.
func TestMoveThatIsCutShort(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.seed(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := a.Transport().RoundTrip(req)
		if infinitysip.OperationFromContext(req.Context()) == "Users.RemoveDevice" {
			cancel()
		}
		return resp, err
	})}))
	results, err := a.changes(change{Op: "update", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &ref{Name: "joe", ID: 1}, To: &ref{Name: "ann", ID: 2}}).Apply(ctx, client, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []provision.Status{stopped}, statuses(results))
	require.Empty(t, a.Devices(a.domain)[0].User)
}

// Members of one queue that ring the same group: the answer to the first is lost.
func TestGroupTwiceInAQueueWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]siptest.Fault{"made": siptest.On("Queues.CreateMember").Nth(1).CommitThenDrop(), "not made": siptest.On("Queues.CreateMember").Nth(1).Drop()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t, siptest.Options{CreateBody: siptest.CreateBodyNone})
				a.seed(t)
				a.Fail(fault)
				a.Fail(siptest.On("Queues.ListMembers").Nth(3).Times(3).Status(http.StatusForbidden))
				ring := func(secs int64, after ...int) change {
					return change{Op: "create", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{{Name: "sales", ID: 1}}, Fields: fields{{Field: "ringSecs", To: secs}}, After: after}
				}
				_, err := a.changes(ring(10), ring(30, 1), ring(10, 2)).Apply(t.Context(), a.client, nil)
				require.NoError(t, err)
				var rings []string
				for _, m := range a.QueueMembers(a.domain, 1)[3:] {
					rings = append(rings, fmt.Sprint(m.RingOrder, ": ", m.GroupID, " for ", m.RingSecs))
				}
				require.Equal(t, []string{"4: 1 for 10", "5: 1 for 30", "6: 1 for 10"}, rings)
			})
		})
	}
}

// Whatever fails, and however: each change is reported once, each secret is settled
// once, what is done is there, nothing is there twice, and nobody falls between two
// groups or two phones.
func TestApplyUnderFaults(t *testing.T) {
	t.Parallel()
	for seed := range 60 {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 2))
			a := newAcme(t, siptest.Options{AllowDuplicates: seed%2 == 0, Latency: 20 * time.Millisecond})
			a.seed(t)
			plan := a.whole()
			for range 12 {
				fault := siptest.On("*").Nth(6 + random.IntN(50)).Times(1 + random.IntN(4))
				fault = []func() siptest.Fault{fault.Drop, fault.CommitThenDrop, fault.Reset,
					func() siptest.Fault { return fault.Status([]int{403, 409, 422, 429, 500, 502, 503}[random.IntN(7)]) },
					func() siptest.Fault { return fault.CommitThenStatus([]int{500, 502, 504}[random.IntN(3)]) },
				}[random.IntN(5)]()
				a.Fail(fault)
			}
			books := newLedger()
			seen := map[int]int{}
			results, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 4, Keep: books.Keep, Settle: books.Settle, Progress: func(p provision.Progress) { seen[p.Change.N]++ }})
			if results == nil {
				require.Error(t, err)
				require.Empty(t, a.sent())
				return
			}
			require.Equal(t, books.proposed, books.settled)
			ok := true
			for i, r := range results {
				require.NotEmpty(t, r.Status)
				require.Equal(t, r.Status == done, r.Err == nil, "%v", r.Err)
				require.Equal(t, r.Status != stopped, seen[i+1] == 1, "%s %v", r.Status, r.Err)
				ok = ok && r.Status == done
			}
			require.Equal(t, ok, err == nil)
			names := map[string]int{}
			for _, u := range a.Users(a.domain) {
				names["user "+u.User]++
			}
			for _, g := range a.Groups(a.domain) {
				names["group "+g.Name]++
			}
			for _, q := range a.Queues(a.domain) {
				names["queue "+q.Name]++
			}
			for _, d := range a.Devices(a.domain) {
				names["device "+d.MACAddress]++
			}
			for name, n := range names {
				require.Equal(t, 1, n, name)
			}
			require.Equal(t, results[0].Status == done && true, results[0].Status == done && names["user new"] == 1)
			if results[0].Status == done {
				users := a.Users(a.domain)
				require.Equal(t, books.confirmed["new"], users[len(users)-1].Password.Reveal())
			}
			in := slices.Contains(a.GroupUsers(a.domain, 1), 1)
			for _, g := range a.Groups(a.domain) {
				in = in || g.Name == "team" && slices.Contains(a.GroupUsers(a.domain, g.ID), 1)
			}
			require.True(t, in, "joe is in one of them")
			require.LessOrEqual(t, len(a.QueueMembers(a.domain, 1)), 4)
			if results[18].Status == done {
				require.Zero(t, names["user eve"])
			}
		})
	}
}
