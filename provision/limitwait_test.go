package provision_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// Who has other work to do says for how long Apply may wait for a limit.
func TestLimitWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wait  time.Duration
		after string // Retry-After
		done  bool
	}{
		"not at all":                     {-1, "400", false},
		"not at all, for a minute":       {-1, "", false},
		"less than it takes":             {399 * time.Second, "400", false},
		"less than is taken for unsaid":  {59 * time.Second, "", false},
		"as long as it takes":            {400 * time.Second, "400", true},
		"the default is less":            {0, "400", false},
		"the default, for a minute":      {0, "", true},
		"as long as is taken for unsaid": {time.Minute, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t)
				client := a.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Second}))
				fault := siptest.On("Users.Create").For(20 * time.Second).Status(http.StatusTooManyRequests)
				if test.after != "" {
					fault = fault.Header("Retry-After", test.after)
				}
				a.Fail(fault)
				books := newLedger()
				start := time.Now()
				results, err := a.changes(newUser("one", "0151"), newUser("two", "0152"), newUser("three", "0153")).
					Apply(t.Context(), client, &provision.ApplyOptions{Workers: 1, LimitWait: test.wait, Keep: books.Keep, Settle: books.Settle})
				require.Equal(t, books.proposed, books.settled)
				if test.done {
					require.NoError(t, err)
					require.Len(t, a.Users(a.domain), 3)
					return
				}
				require.ErrorIs(t, err, infinitysip.ErrRateLimited)
				refusal, ok := errors.AsType[*infinitysip.Error](err)
				require.True(t, ok)
				require.Equal(t, test.after == "400", refusal.RetryAfter == 400*time.Second)
				require.Equal(t, []provision.Status{failed, stopped, stopped}, statuses(results))
				for _, r := range results {
					require.ErrorIs(t, r.Err, infinitysip.ErrRateLimited)
					refusal, ok := errors.AsType[*infinitysip.Error](r.Err)
					require.True(t, ok)
					require.Equal(t, "Users.Create", refusal.Op)
				}
				require.Less(t, time.Since(start), 5*time.Second, "the client itself waits for a second")
				require.Empty(t, books.confirmed)
			})
		})
	}
}

// What is in doubt when a limit ends Apply is unknown, whether the limit refuses a
// change, the look at what is in doubt, or the second try of the same change.
func TestLimitWaitWithDoubts(t *testing.T) {
	t.Parallel()
	limited := func(op string) siptest.Fault {
		return siptest.On(op).Status(http.StatusTooManyRequests).Header("Retry-After", "400")
	}
	for name, faults := range map[string][]siptest.Fault{
		"another change": {siptest.On("Users.Create").Nth(1).CommitThenDrop(), limited("Groups.Create")},
		"the look": {siptest.On("Users.Create").Nth(1).CommitThenDrop().After(func(srv *siptest.Server) {
			time.AfterFunc(time.Second/2, func() { srv.Fail(limited("Users.List")) }) // the client looks at once, and sees the user
		})},
		"the client's own look": {siptest.On("Users.Create").Nth(1).CommitThenDrop().After(func(srv *siptest.Server) { srv.Fail(limited("Users.List")) })},
		"the second try":        {siptest.On("Users.Create").Nth(1).Drop(), siptest.On("Users.Create").Times(1000).Status(http.StatusTooManyRequests).Header("Retry-After", "400")},
	} {
		for _, alone := range []bool{false, true} {
			t.Run(fmt.Sprint(name, alone), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					a := newAcme(t)
					for _, fault := range faults {
						a.Fail(fault)
					}
					books := newLedger()
					start := time.Now()
					results, err := a.changes(newUser("one", "0151"), newGroup("team", "0650")).
						Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: 1, LimitWait: -1, Keep: books.Keep, Settle: books.Settle, Alone: alone})
					require.ErrorIs(t, err, infinitysip.ErrRateLimited)
					require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
					require.ErrorIs(t, results[0].Err, infinitysip.ErrOutcomeUnknown)
					require.Equal(t, failed, results[0].Status)
					require.Equal(t, provision.CredentialUnknown, books.after["one"])
					require.Equal(t, books.proposed, books.settled)
					if alone { // else it waits for its turn
						require.Less(t, time.Since(start), 20*time.Second)
					}
				})
			})
		}
	}
}

// quota is a limiter that gives so many turns.
type quota struct {
	left atomic.Int64
}

type quotaError struct{ account string }

func (e quotaError) Error() string { return "the quota of " + e.account + " is used up" }

func (q *quota) Wait(ctx context.Context) error {
	if q.left.Add(-1) < 0 {
		return quotaError{"Acme"}
	}
	return nil
}

// The client's limiter gives no turn: nothing is sent, and its error comes to light.
func TestLimiterThatGivesNoTurn(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{-1, 30 * time.Second, 0} {
		for _, turns := range []int64{0, 1, 3, 4, 5, 7} {
			t.Run(fmt.Sprint(wait, turns), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					a := newAcme(t)
					a.become(t, small())
					limiter := new(quota)
					client := a.InProcessClient(infinitysip.WithLimiter(limiter))
					desired := &provision.State{}
					for i := range 20 {
						desired.Users = append(desired.Users, provision.User{User: fmt.Sprintf("user%02d", i), DisplayName: "U", ExtensionNumber: fmt.Sprint(1000 + i)})
					}
					ofLimiter := func(err error) {
						t.Helper()
						require.ErrorIs(t, err, infinitysip.ErrRateLimited)
						cause, ok := errors.AsType[quotaError](err)
						require.True(t, ok)
						require.Equal(t, quotaError{"Acme"}, cause)
						require.ErrorContains(t, err, "the quota of Acme is used up")
					}
					_, err := provision.Plan(t.Context(), client, a.domain, desired, nil)
					ofLimiter(err)
					require.Empty(t, a.Requests())

					plan := a.plan(t, desired, nil)
					a.ResetRequests()
					limiter.left.Store(turns)
					books := newLedger()
					start := time.Now()
					results, err := plan.Apply(t.Context(), client, &provision.ApplyOptions{Workers: 2, LimitWait: wait, Keep: books.Keep, Settle: books.Settle})
					ofLimiter(err)
					require.Len(t, a.Requests(), int(turns))
					require.Equal(t, books.proposed, books.settled)
					for _, r := range results {
						if r.Status != done {
							ofLimiter(r.Err)
						}
					}
					if wait == 0 {
						require.LessOrEqual(t, time.Since(start), 5*time.Minute)
						return
					}
					require.Zero(t, time.Since(start))
				})
			})
		}
	}
}
