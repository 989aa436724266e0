package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// Phones of small: the first is joe's, the second nobody's.
const phoneOfJoe, phoneOfNobody = "00:00:5E:00:53:01", "00:00:5E:00:53:02"

// count is how many calls of an operation have arrived.
func (a *acme) count(op string) (n int) {
	for _, r := range a.Requests() {
		if r.Op == op {
			n++
		}
	}
	return n
}

// The answer to a create is lost, and the server stores another name than was sent. So
// the thing is not found, and still it is not made again.
func TestLostAnswerOfAServerThatRewritesNames(t *testing.T) {
	t.Parallel()
	for kind, test := range map[string]struct {
		desired provision.State
		rows    func(*acme) int
	}{
		"Users": {provision.State{Users: []provision.User{{User: "ann", DisplayName: "Ann", ExtensionNumber: "201"}}},
			func(a *acme) int { return len(a.Users(a.domain)) }},
		"Groups": {provision.State{Groups: []provision.Group{{Name: "sales", ExtensionNumber: "202"}}},
			func(a *acme) int { return len(a.Groups(a.domain)) }},
		"Queues": {provision.State{Queues: []provision.Queue{{Name: "front", ExtensionNumber: "203"}}},
			func(a *acme) int { return len(a.Queues(a.domain)) }},
		"Devices": {provision.State{Devices: []provision.Device{{MACAddress: phoneOfJoe}}},
			func(a *acme) int { return len(a.Devices(a.domain)) }},
		"TrustedNetworks": {provision.State{TrustedNetworks: []provision.TrustedNetwork{{Network: "10.0.0.0/8"}}},
			func(a *acme) int { return len(a.TrustedNetworks(a.domain)) }},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				made := 0 // each gets another name, so that the server does not refuse a second one
				a := newAcme(t, siptest.Options{AllowDuplicates: true, RewriteKey: func(_, value string) string {
					made++
					return fmt.Sprintf("%s as %d", value, made)
				}})
				plan := a.plan(t, &test.desired, nil)
				a.Fail(siptest.On(kind + ".Create").Nth(1).CommitThenDrop())
				_, err := plan.Apply(t.Context(), a.client, nil)
				require.Equal(t, 1, test.rows(a))
				require.Equal(t, 1, a.count(kind+".Create"))
				if err != nil {
					require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
				}
			})
		})
	}
}

// Between the plan and Apply the phone that is to be deleted gets a user: it is in use.
func TestDeletedDeviceThatGotAUser(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := small()
	desired.Devices = desired.Devices[:1]
	plan := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 1})
	require.Equal(t, 1, plan.Deletes())
	_, err := a.client.Users.AddDevice(t.Context(), a.domain, a.Users(a.domain)[1].ID, a.Devices(a.domain)[1].ID)
	require.NoError(t, err)
	a.ResetRequests()
	_, err = plan.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, provision.ErrStale)
	require.ErrorContains(t, err, "ann")
	require.Empty(t, a.sent())
	require.Len(t, a.Devices(a.domain), 2)
}

// Apply waits for a limit that lets nothing through, but not for a working day.
func TestLimitIsGivenUpAfterAWhile(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"", "60"} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				fault := siptest.On("Groups.Create").Status(http.StatusTooManyRequests)
				if after != "" {
					fault = fault.Header("Retry-After", after)
				}
				a.Fail(fault)
				plan := a.plan(t, &provision.State{Groups: []provision.Group{{Name: "sales", ExtensionNumber: "202"}}}, nil)
				start := time.Now()
				results, err := plan.Apply(t.Context(), a.client, nil)
				require.ErrorIs(t, err, infinitysip.ErrRateLimited)
				require.Len(t, results, 1)
				require.Less(t, time.Since(start), time.Hour)
			})
		})
	}
}

// The next try would come after the deadline. Who waits for Apply learns that now.
func TestDeadlineBeforeTheNextTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.Fail(siptest.On("Groups.Create").Drop())
		plan := a.plan(t, &provision.State{Groups: []provision.Group{{Name: "sales", ExtensionNumber: "202"}}}, nil)
		const most = 9 * time.Second // the client's own looks take 4 s, and Apply waits for 6 s or more
		ctx, cancel := context.WithTimeout(t.Context(), most)
		defer cancel()
		start := time.Now()
		_, err := plan.Apply(ctx, a.client, nil)
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Less(t, time.Since(start), most)
		require.NoError(t, ctx.Err())
	})
}

// The answer is lost when a group is put into a queue. Somebody else puts it there in
// the same moment, to ring in another way: it is not put there a second time.
func TestMemberOfAQueueBySomebodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		desired := small()
		desired.Queues[0].Members = desired.Queues[0].Members[:1]
		a.become(t, desired)
		plan := a.plan(t, &provision.State{Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "sales"}, {Group: "night", RingSecs: new(10)}}}}}, nil)
		night := a.Groups(a.domain)[2].ID
		other := a.InProcessClient()
		a.Fail(siptest.On("Queues.CreateMember").Nth(1).Drop().After(func(*siptest.Server) {
			_, err := other.Queues.CreateMember(context.Background(), a.domain, a.Queues(a.domain)[0].ID, infinitysip.QueueMemberCreateParams{
				GroupID: night, RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 45, RingOrder: 2})
			if err != nil {
				t.Error(err)
			}
		}))
		_, err := plan.Apply(t.Context(), a.client, nil)
		require.Error(t, err)
		var secs []int
		for _, m := range a.QueueMembers(a.domain, a.Queues(a.domain)[0].ID) {
			if m.GroupID == night {
				secs = append(secs, m.RingSecs)
			}
		}
		require.Equal(t, []int{45}, secs)
	})
}

// A part of a plan does not leave a number or a phone where nobody asked for it.
func TestOnlyWhatEndsTheTimeInBetween(t *testing.T) {
	t.Parallel()
	swapped, moved := small(), small()
	swapped.Users[0].ExtensionNumber, swapped.Users[1].ExtensionNumber = "0101", "0100"
	moved.Users = moved.Users[1:]
	moved.Groups[0].Members = []string{"ann"}
	moved.Devices[0].Owner = new("ann")
	for name, desired := range map[string]*provision.State{"number": swapped, "phone": moved} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			a.become(t, small())
			plan := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 10})
			require.True(t, slices.ContainsFunc(plan.Items, func(c provision.Change) bool { return c.Between }), "%v", plan)
			_, err := plan.Only(func(c *provision.Change) bool { return c.Between })
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
			all, err := plan.Only(func(*provision.Change) bool { return true })
			require.NoError(t, err)
			require.Equal(t, plan.Digest(), all.Digest())
		})
	}
}

// The answer is lost when a phone is given to joe. Somebody gives it to ann meanwhile:
// it stays hers, and nothing more is tried.
func TestDeviceInDoubtThatGotAnotherUser(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"", "eve"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				before := small()
				before.Devices = []provision.Device{{MACAddress: phoneOfJoe, Owner: &from}}
				a.become(t, before)
				plan := a.plan(t, &provision.State{Devices: []provision.Device{{MACAddress: phoneOfJoe, Owner: new("joe")}}}, nil)
				ann, device := a.Users(a.domain)[1].ID, a.Devices(a.domain)[0].ID
				other := a.InProcessClient()
				a.Fail(siptest.On("Users.AddDevice").Nth(1).Drop().After(func(*siptest.Server) {
					if _, err := other.Users.AddDevice(context.Background(), a.domain, ann, device); err != nil {
						t.Error(err)
					}
				}))
				books := newLedger()
				_, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle})
				require.ErrorIs(t, err, infinitysip.ErrConflict)
				require.Equal(t, ann, a.Devices(a.domain)[0].UserID)
				require.Equal(t, 2, a.count("Users.AddDevice"), "the one whose answer was lost, and ann's")
				require.LessOrEqual(t, a.count("Users.RemoveDevice"), 1)
				require.Equal(t, books.proposed, books.settled)
			})
		})
	}
}

// A queue rings a group more often than the state says, and nothing is pruned. The
// plan leads to a domain of which there is nothing to plan.
func TestOrderOfAGroupThatRingsTwice(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, after []provision.QueueMember
	}{
		"another one first": {
			[]provision.QueueMember{{Group: "sales"}, {Group: "night"}, {Group: "sales", RingSecs: new(30)}},
			[]provision.QueueMember{{Group: "night"}, {Group: "sales", RingSecs: new(30)}}},
		"both twice": {
			[]provision.QueueMember{{Group: "sales"}, {Group: "sales", RingSecs: new(30)}, {Group: "night"}, {Group: "night", RingSecs: new(30)}},
			[]provision.QueueMember{{Group: "night"}, {Group: "sales"}}},
		"the second one last": {
			[]provision.QueueMember{{Group: "sales"}, {Group: "sales", RingSecs: new(30)}, {Group: "night"}},
			[]provision.QueueMember{{Group: "night"}, {Group: "sales", RingSecs: new(10)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			before := small()
			before.Queues[0].Members = test.before
			a.become(t, before)
			desired := &provision.State{Queues: []provision.Queue{{Name: "front", Members: test.after}}}
			_, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, nil)
			require.NoError(t, err)
			a.is(t, desired, nil)
			require.Len(t, a.QueueMembers(a.domain, a.Queues(a.domain)[0].ID), len(test.before))
		})
	}
}

// A phone leaves its user while that is deleted: it is taken before, however many calls
// are under way.
func TestDeviceIsTakenBeforeItsUserIsDeleted(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"", "eve"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				a.become(t, small())
				desired := small()
				desired.Users = desired.Users[1:]
				desired.Groups[0].Members = []string{"ann"}
				desired.Devices[0].Owner = &to
				plan := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 10})
				a.Fail(siptest.On("Users.RemoveDevice").Latency(5 * time.Second))
				user := infinitysip.UserID(-1)
				a.Fail(siptest.On("Users.Delete").Before(func(*siptest.Server) { user = a.Devices(a.domain)[0].UserID }))
				_, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 8})
				require.NoError(t, err)
				require.NotEqual(t, infinitysip.UserID(1), user, "it was still joe's")
				require.NotEqual(t, infinitysip.UserID(-1), user)
				require.Equal(t, to, a.Devices(a.domain)[0].User)
				require.Len(t, a.Users(a.domain), 2)
			})
		})
	}
}

// Of those who are to come into a group one is in doubt at first. The others are put
// into it at once, and not a second time when that one is there.
func TestOnlyWhoIsMissingIsPutIntoAGroupLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.become(t, small())
		plan := a.plan(t, &provision.State{
			Users:  []provision.User{{User: "joe"}, {User: "ann"}, {User: "new", DisplayName: "New", ExtensionNumber: "0150"}},
			Groups: []provision.Group{{Name: "night", Members: []string{"joe", "new", "ann"}}},
		}, nil)
		a.Fail(siptest.On("Users.Create").For(6 * time.Second).Drop())
		_, err := plan.Apply(t.Context(), a.client, nil)
		require.NoError(t, err)
		var calls [][]string
		for _, r := range a.Requests() {
			if r.Op == "Groups.AddUsers" {
				var ids []string
				for _, values := range r.Form {
					ids = append(ids, values...)
				}
				slices.Sort(ids)
				calls = append(calls, ids)
			}
		}
		require.Equal(t, [][]string{{"1", "2"}, {"4"}}, calls)
		require.Equal(t, []infinitysip.UserID{1, 2, 4}, a.GroupUsers(a.domain, a.Groups(a.domain)[2].ID))
	})
}

// Between the plan and Apply two users appear whose names differ in case alone: nobody
// knows which one is meant, and a third one is not what anybody wants.
func TestNewUserWhoIsThereTwice(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{AllowDuplicates: true})
	plan := a.plan(t, &provision.State{Users: []provision.User{{User: "Max", DisplayName: "Max", ExtensionNumber: "0150"}}}, nil)
	a.AddUser(a.domain, infinitysip.User{User: "max", DisplayName: "Max", ExtensionNumber: "0151"})
	a.AddUser(a.domain, infinitysip.User{User: "MAX", DisplayName: "Max", ExtensionNumber: "0152"})
	_, err := plan.Apply(t.Context(), a.client, nil)
	require.ErrorIs(t, err, provision.ErrStale)
	require.ErrorContains(t, err, "Max")
	require.Empty(t, a.sent())
	require.Len(t, a.Users(a.domain), 2)
}

// Somebody who looks at a plan may allow fewer deletes. What they take along counts.
func TestApplyCountsTheDeletes(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := small()
	desired.Users = desired.Users[1:]
	desired.Groups[0].Members = []string{"ann"}
	desired.Devices = []provision.Device{{MACAddress: phoneOfJoe}, {MACAddress: phoneOfNobody}}
	plan := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 10})
	// joe alone is no delete too many: his place in sales and his phone are.
	require.Equal(t, 3, plan.Deletes())
	saved, err := json.Marshal(plan)
	require.NoError(t, err)
	for _, most := range []int{2, 1, 0, -1} {
		edited := new(provision.Changes)
		require.NoError(t, json.Unmarshal(saved, edited))
		edited.MaxDeletes = most
		_, err = edited.Apply(t.Context(), a.client, nil)
		require.ErrorIs(t, err, provision.ErrTooManyDeletes, most)
		require.Empty(t, a.sent())
	}
	plan.MaxDeletes = 3
	_, err = plan.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Len(t, a.Users(a.domain), 2)
}

// Who is deleted leaves the groups by that: this is one call, and one line of the plan.
func TestGroupsOfADeletedUser(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := small()
	desired.Users = append(desired.Users[:1:1], desired.Users[2:]...) // without ann
	desired.Groups[0].Members = []string{"joe"}
	plan := a.plan(t, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 10})
	require.Len(t, plan.Items, 1)
	require.Equal(t, provision.KindUser, plan.Items[0].Kind)
	require.Len(t, plan.Items[0].Takes, 1)
	require.Equal(t, 2, plan.Deletes())
	_, err := plan.Apply(t.Context(), a.client, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Users.Delete"}, a.sent())
	a.is(t, desired, &provision.PlanOptions{Prune: true})
}

// The process is killed between the call that gives a phone its token and the line
// that has the token. The file tells the next run, which gives the phone another one.
func TestKilledBeforeTheTokenIsWrittenDown(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"", "eve"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			a := newAcme(t)
			before := small()
			before.Devices = []provision.Device{{MACAddress: phoneOfJoe, Owner: &from}}
			a.become(t, before)
			owner := a.Devices(a.domain)[0].UserID
			path := filepath.Join(t.TempDir(), "secrets.csv")
			file := keepIn(t, path)
			var killed []byte // the file then
			a.Fail(siptest.On("Users.AddDevice").Nth(1).After(func(*siptest.Server) {
				var err error
				if killed, err = os.ReadFile(path); err != nil {
					t.Error(err)
				}
			}))
			desired := &provision.State{Devices: []provision.Device{{MACAddress: phoneOfJoe, Owner: new("joe")}}}
			told := 0
			results, err := a.plan(t, desired, nil).Apply(t.Context(), a.client, &provision.ApplyOptions{Settle: file.Settle, Keep: func(c provision.Credential) error {
				if told++; c.State != provision.CredentialProposed || c.User != "joe" || c.Device != phoneOfJoe || !c.Token.IsZero() {
					return errors.New("it is not what is about to happen")
				}
				if a.Devices(a.domain)[0].UserID != owner {
					return errors.New("it comes too late")
				}
				return file.Keep(c)
			}})
			require.NoError(t, err)
			require.Equal(t, 1, told)
			require.Empty(t, file.Unsettled())

			path = filepath.Join(t.TempDir(), "killed.csv")
			require.NoError(t, os.WriteFile(path, killed, 0o600))
			file = keepIn(t, path)
			require.Equal(t, []string{"proposed|joe|" + phoneOfJoe + "|||"}, revealed(file.Unsettled()))
			again, err := a.plan(t, desired, &provision.PlanOptions{Unsettled: file.Unsettled()}).Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: file.Keep, Settle: file.Settle})
			require.NoError(t, err)
			require.Len(t, again, 1)
			require.False(t, again[0].Token.IsZero())
			require.False(t, again[0].Token.Equal(results[0].Token))
			require.Empty(t, file.Unsettled())
			a.is(t, desired, &provision.PlanOptions{Unsettled: file.Unsettled()})
		})
	}
}

// A cell that looks empty is no password.
func TestPasswordOfBlanks(t *testing.T) {
	t.Parallel()
	for password, good := range map[string]bool{" ": false, "\t \t": false, "\u00a0": false, " secret": false, "secret\n": false, "two words": true} {
		desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", Password: infinitysip.NewSecret(password)}}}
		err := desired.Check()
		if good {
			require.NoError(t, err, "%q", password)
			continue
		}
		require.Error(t, err, "%q", password)
		require.ErrorContains(t, err, "password", "%q", password)
	}
}

// A digest tells whether a plan is the one that was agreed to: what it does, not what
// is said of it.
func TestDigestIsOfWhatAPlanDoes(t *testing.T) {
	t.Parallel()
	a := newAcme(t)
	a.become(t, small())
	desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joseph"}}, Groups: []provision.Group{{Name: "sales", Members: []string{"joe"}}}}
	plan := a.plan(t, desired, nil)
	require.NotEmpty(t, plan.Notes)
	digest := plan.Digest()
	plan.Notes = append(plan.Notes, "agreed to by Eve")
	require.Equal(t, digest, plan.Digest())
	plan.Notes = nil
	require.Equal(t, digest, plan.Digest())
	plan.MaxDeletes++
	require.NotEqual(t, digest, plan.Digest())
}

// Two programs make the same users at once, while answers are lost. All users are
// there, once each, and of nearly all a password is confirmed: the one in force.
func TestTwoMakeTheSameUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const users = 100
		random := rand.New(rand.NewPCG(7, 1))
		a := newAcme(t, siptest.Options{Latency: 20 * time.Millisecond})
		for range 10 {
			a.Fail(siptest.On("Users.Create").Nth(1 + random.IntN(2*users)).CommitThenDrop())
			a.Fail(siptest.On("Users.Create").Nth(1 + random.IntN(2*users)).Drop())
			a.Fail(siptest.On("Users.Create").Nth(1 + random.IntN(2*users)).CommitThenStatus(http.StatusInternalServerError))
		}
		desired := &provision.State{}
		for i := range users {
			desired.Users = append(desired.Users, provision.User{User: fmt.Sprintf("user%03d", i), DisplayName: "U", ExtensionNumber: fmt.Sprint(1000 + i)})
		}
		books := newLedger()
		plans := []*provision.Changes{a.plan(t, desired, nil), a.plan(t, desired, nil)}
		var group sync.WaitGroup
		for _, plan := range plans {
			group.Go(func() {
				_, err := plan.Apply(t.Context(), a.InProcessClient(), &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle})
				if errors.Is(err, provision.ErrStale) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		require.Len(t, a.Users(a.domain), users)
		confirmed := 0
		for _, u := range a.Users(a.domain) {
			if password, ok := books.confirmed[u.User]; ok {
				confirmed++
				require.Equal(t, password, u.Password.Reveal(), u.User)
			}
		}
		require.GreaterOrEqual(t, confirmed, users*95/100)
		require.Equal(t, books.proposed, books.settled)
	})
}
