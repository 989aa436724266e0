package trials

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// store keeps credentials, as the file of KeepCSV does, of one run or of several at
// once.
type store struct {
	mu   sync.Mutex
	dead bool // the process is: nothing more is written
	all  []provision.Credential
}

var errDead = errors.New("the process is dead")

func (s *store) Keep(c provision.Credential) error   { return s.add(c) }
func (s *store) Settle(c provision.Credential) error { return s.add(c) }

func (s *store) add(c provision.Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errDead
	}
	s.all = append(s.all, c)
	return nil
}

// passwords are those that were written down last, by user: confirmed, and of
// those who have none, proposed. Open are those that were kept and not settled.
func (s *store) passwords() (confirmed, proposed map[string]infinitysip.Secret, open int) {
	confirmed, proposed = map[string]infinitysip.Secret{}, map[string]infinitysip.Secret{}
	settled := map[string]bool{}
	for _, c := range s.all {
		key := c.Device + " " + c.Password.Reveal() + c.PIN.Reveal() + c.Token.Reveal()
		if settled[key] = c.State != provision.CredentialProposed; c.Password.IsZero() {
			continue
		}
		switch c.State {
		case provision.CredentialConfirmed:
			confirmed[fold(c.User)] = c.Password
		case provision.CredentialProposed:
			proposed[fold(c.User)] = c.Password
		}
	}
	for _, is := range settled {
		if !is {
			open++
		}
	}
	return confirmed, proposed, open
}

// unsettled are what nobody knows of, for PlanOptions.Unsettled: of each user the last that
// was proposed or is unknown, and that no later one confirms or refuses.
func (s *store) unsettled() []provision.Credential {
	last := map[string][]provision.Credential{}
	var users []string
	for _, c := range s.all {
		if c.Device != "" {
			continue
		}
		key := fold(c.User)
		if last[key] == nil {
			users = append(users, key)
		}
		left := append([]provision.Credential{}, last[key]...)
		for i := range left {
			if left[i].Password.Equal(c.Password) && left[i].PIN.Equal(c.PIN) {
				left = append(left[:i], left[i+1:]...)
				break
			}
		}
		switch c.State {
		case provision.CredentialConfirmed:
			left = []provision.Credential{}
		case provision.CredentialProposed, provision.CredentialUnknown:
			left = append(left, c)
		}
		last[key] = left
	}
	var all []provision.Credential
	for _, user := range users {
		if left := last[user]; len(left) > 0 {
			all = append(all, left[len(left)-1])
		}
	}
	return all
}

// Two programs make the same users at once, 1,200 in all, while a fifth of the requests
// fail. Nobody is made twice, and who has a password that was confirmed has that one.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	var all tally
	for _, run := range []struct {
		name      string
		passwords [2]string // that the states give, before the user's name; "": none
		conflicts bool
	}{
		{"the same state", [2]string{}, false},
		{"the same passwords", [2]string{"given to ", "given to "}, true},
		{"states that contradict", [2]string{"first for ", "second for "}, false},
		{"one gives passwords", [2]string{"first for ", ""}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			one := twoWorkers(t, run.passwords, run.conflicts)
			require.Equal(t, workerUsers, one.users, run.name)
			require.Zero(t, one.open, run.name)
			all.add(one)
		})
	}
	t.Logf("two workers: %d users, %d confirmed, %d wrong, %d kept and not settled; %d requests, %d faults",
		all.users, all.confirmed, all.wrong, all.open, all.requests, all.faults)
	// The two keep apart in time, which is no proof: one of very many may meet by chance.
	require.LessOrEqual(t, all.wrong, 1)
}

const workerUsers = 300

// tally is what came of a run.
type tally struct{ users, confirmed, wrong, open, requests, faults int }

func (a *tally) add(b tally) {
	*a = tally{a.users + b.users, a.confirmed + b.confirmed, a.wrong + b.wrong, a.open + b.open, a.requests + b.requests, a.faults + b.faults}
}

func twoWorkers(t *testing.T, passwords [2]string, conflicts bool) (sum tally) {
	srv := siptest.NewServer(siptest.Options{Latency: 20 * time.Millisecond})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	kept := new(store)
	var both sync.WaitGroup
	var broken [2]*flaky
	for worker, password := range passwords {
		broken[worker] = &flaky{RoundTripper: srv.Transport(), random: rand.New(rand.NewPCG(rand.Uint64(), uint64(worker))), conflicts: conflicts}
		both.Go(func() {
			desired := new(provision.State)
			for i := range workerUsers {
				u := provision.User{User: fmt.Sprintf("user%04d", i), DisplayName: "User", ExtensionNumber: fmt.Sprint(10_000 + i)}
				if password != "" {
					u.Password = infinitysip.NewSecret(password + u.User)
				}
				desired.Users = append(desired.Users, u)
			}
			until(t.Context(), t, srv.InProcessClient(over(broken[worker])), domain, desired, kept)
		})
	}
	both.Wait()
	confirmed, _, open := kept.passwords()
	for _, u := range srv.Users(domain) {
		sum.users++
		password, ok := confirmed[u.User]
		switch {
		case !ok:
		case password.Equal(u.Password):
			sum.confirmed++
		default:
			sum.wrong++
		}
	}
	sum.open, sum.requests, sum.faults = open, len(srv.Requests()), broken[0].faults+broken[1].faults
	return sum
}

// until plans and applies until there is nothing to do.
func until(ctx context.Context, t *testing.T, client *infinitysip.Client, domain infinitysip.DomainID, desired *provision.State, kept *store) {
	for range 50 {
		plan, err := provision.Plan(ctx, client, domain, desired, nil)
		if err == nil && plan.Empty() {
			return
		}
		if err == nil {
			_, err = plan.Apply(ctx, client, &provision.ApplyOptions{Workers: 16, Keep: kept.Keep, Settle: kept.Settle})
		}
		if err != nil {
			time.Sleep(time.Minute)
		}
	}
	t.Error("not done")
}
