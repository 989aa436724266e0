package provision_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
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

type (
	change = provision.Change
	ref    = provision.Ref
	fields = []provision.FieldChange
)

// seed fills the domain: joe, ann and eve are the users 1 to 3, sales, support and
// night the groups 1 to 3, of which joe and ann are in sales, and the queue front
// rings all three, as its members 1 to 3. Device 1 is joe's, device 2 nobody's.
func (a *acme) seed(t *testing.T) {
	t.Helper()
	for i, name := range []string{"joe", "ann", "eve"} {
		a.AddUser(a.domain, infinitysip.User{User: name, DisplayName: strings.ToUpper(name), ExtensionNumber: fmt.Sprintf("010%d", i)})
	}
	for i, name := range []string{"sales", "support", "night"} {
		a.AddGroup(a.domain, infinitysip.Group{Name: name, DisplayName: name, ExtensionNumber: fmt.Sprintf("060%d", i), CallerNameFormat: "{displayName}"})
	}
	a.AddQueue(a.domain, infinitysip.Queue{Name: "front", DisplayName: "front", ExtensionNumber: "0700"})
	a.AddDevice(a.domain, infinitysip.Device{Name: "one", MACAddress: "00:00:5E:00:53:01"})
	a.AddDevice(a.domain, infinitysip.Device{Name: "two", MACAddress: "00:00:5E:00:53:02"})
	prefix := infinitysip.TrustedNetworkCreateParams{Description: "Office"}
	require.NoError(t, prefix.Network.UnmarshalText([]byte("10.0.20.10/24")))
	_, err := a.client.TrustedNetworks.Create(t.Context(), a.domain, prefix)
	require.NoError(t, err)
	require.NoError(t, a.client.Groups.AddUsers(t.Context(), a.domain, 1, []infinitysip.UserID{1, 2}))
	for i := range 3 {
		_, err := a.client.Queues.CreateMember(t.Context(), a.domain, 1, infinitysip.QueueMemberCreateParams{
			GroupID: infinitysip.GroupID(i + 1), RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: i + 1})
		require.NoError(t, err)
	}
	_, err = a.client.Users.AddDevice(t.Context(), a.domain, 1, 1)
	require.NoError(t, err)
	a.ResetRequests()
}

// changes is a plan of the domain.
func (a *acme) changes(items ...change) *provision.Changes {
	rings := map[infinitysip.QueueID][]provision.Ref{1: {{Name: "sales", ID: 1}, {Name: "support", ID: 2}, {Name: "night", ID: 3}}}
	c := &provision.Changes{Domain: a.domain, Items: items, MaxDeletes: 100, Rings: rings}
	for i := range items {
		if items[i].N == 0 {
			items[i].N = i + 1
		}
	}
	return c
}

func newUser(name, number string) change {
	return change{Op: provision.OpCreate, Kind: provision.KindUser, Ref: ref{Name: name}, Fields: fields{{Field: "displayName", To: name}, {Field: "extensionNumber", To: number}}}
}

func newGroup(name, number string) change {
	return change{Op: provision.OpCreate, Kind: provision.KindGroup, Ref: ref{Name: name}, Fields: fields{{Field: "displayName", To: name}, {Field: "extensionNumber", To: number}, {Field: "callerNameFormat", To: "{displayName}"}}}
}

func newDevice(mac string) change {
	return change{Op: provision.OpCreate, Kind: provision.KindDevice, Ref: ref{Name: mac}, Fields: fields{{Field: "pbxDeviceName", To: mac}}}
}

func update(kind provision.Kind, name string, id int64, field string, from, to any) change {
	return change{Op: provision.OpUpdate, Kind: kind, Ref: ref{Name: name, ID: id}, Fields: fields{{Field: field, From: from, To: to}}}
}

// statuses are those of the results, in order.
func statuses(results []provision.Result) []provision.Status {
	var all []provision.Status
	for _, r := range results {
		all = append(all, r.Status)
	}
	return all
}

// ledger is what Keep and Settle of one or more Applies were told.
type ledger struct {
	slow      time.Duration // the most that Settle takes
	mu        sync.Mutex
	proposed  map[string]int
	settled   map[string]int
	confirmed map[string]string // the last password of a user
	after     map[string]provision.CredentialState
	all       []provision.Credential
}

func newLedger() *ledger {
	return &ledger{proposed: map[string]int{}, settled: map[string]int{}, confirmed: map[string]string{}, after: map[string]provision.CredentialState{}}
}

// secretOf identifies a credential. Keep is told of a device before there is a token.
func secretOf(c provision.Credential) string {
	return c.User + " " + c.Device + " " + c.Password.Reveal() + " " + c.PIN.Reveal()
}

func (l *ledger) Keep(c provision.Credential) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.State != provision.CredentialProposed {
		return errors.New("it is not proposed")
	}
	l.proposed[secretOf(c)]++
	l.all = append(l.all, c)
	return nil
}

func (l *ledger) Settle(c provision.Credential) error {
	if l.slow > 0 {
		time.Sleep(rand.N(l.slow))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled[secretOf(c)]++
	l.all = append(l.all, c)
	if c.State == provision.CredentialConfirmed && c.Device == "" {
		l.confirmed[c.User] = c.Password.Reveal()
	}
	l.after[c.User] = c.State
	return nil
}

// Two programs make the same users at once, and the network fails. What was confirmed
// last of a user is what the server has.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	seeds := 6
	if testing.Short() {
		seeds = 3
	}
	const users = 200
	wrong, unknown := 0, 0
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 1))
			a := newAcme(t, siptest.Options{Latency: 20 * time.Millisecond})
			for _, fault := range []func(siptest.Fault) siptest.Fault{
				siptest.Fault.CommitThenDrop, siptest.Fault.Drop,
				func(f siptest.Fault) siptest.Fault { return f.Status(http.StatusServiceUnavailable) },
				func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(http.StatusInternalServerError) },
				func(f siptest.Fault) siptest.Fault { return f.Status(http.StatusConflict) },
				func(f siptest.Fault) siptest.Fault {
					return f.Latency(time.Duration(random.IntN(900)) * time.Millisecond)
				},
			} {
				for range 30 {
					a.Fail(fault(siptest.On("Users.Create").Nth(1 + random.IntN(2*users))))
				}
				for range 20 {
					a.Fail(fault(siptest.On("Users.Update").Nth(1 + random.IntN(60))))
				}
			}
			books := newLedger()
			books.slow = 30 * time.Millisecond
			var group sync.WaitGroup
			for range 2 {
				var items []change
				for i := range users {
					items = append(items, newUser(fmt.Sprintf("user%03d", i), fmt.Sprint(1000+i)))
				}
				plan := a.changes(items...)
				group.Go(func() {
					client := a.InProcessClient()
					_, err := plan.Apply(t.Context(), client, &provision.ApplyOptions{Workers: 8, Keep: books.Keep, Settle: books.Settle})
					if errors.Is(err, provision.ErrStale) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			there := a.Users(a.domain)
			require.LessOrEqual(t, len(there), users)
			for _, u := range there {
				switch password, ok := books.confirmed[u.User]; {
				case !ok:
					unknown++
				case password != u.Password.Reveal():
					wrong++
				}
			}
			require.Equal(t, books.proposed, books.settled)
		})
	}
	// The rule is no proof: turns may meet by chance, which happened once in 150,000
	// users. Without it one in 2,700 is wrong.
	require.LessOrEqual(t, wrong, 1, "of %d", seeds*users)
	t.Log("not confirmed", unknown)
}

// The first of two programs makes the user, but is told so late, or its answer comes in
// time and it waits long until it can tell Settle. The other, whose create was lost, has
// set its own password meanwhile. And each may set it late, too.
func TestAnswerThatIsLate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults []siptest.Fault
		users  int
		slow   time.Duration // what Keep and Settle of the first take
	}{
		"the create's":      {[]siptest.Fault{siptest.On("Users.Create").Nth(1).SlowHeaders(20 * time.Second), siptest.On("Users.Create").Nth(2).Drop()}, 1, 0},
		"the update's, too": {[]siptest.Fault{siptest.On("Users.Create").Nth(1).SlowHeaders(20 * time.Second), siptest.On("Users.Create").Nth(2).Drop(), siptest.On("Users.Update").Nth(1).SlowHeaders(28 * time.Second)}, 1, 0},
		"its id is looked for": {[]siptest.Fault{siptest.On("Users.Create").Nth(1).Body("").After(func(srv *siptest.Server) {
			srv.Fail(siptest.On("Users.List").For(20 * time.Second).Status(http.StatusBadGateway))
		}), siptest.On("Users.Create").Nth(2).Drop()}, 1, 0},
		"Settle, who ends late": {[]siptest.Fault{siptest.On("Users.Create").Nth(1).Times(32).Drop()}, 32, 500 * time.Millisecond},
		"both answers are lost": {[]siptest.Fault{siptest.On("Users.Create").For(time.Minute).CommitThenDrop()}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t, siptest.Options{Latency: 20 * time.Millisecond})
				for _, fault := range test.faults {
					a.Fail(fault)
				}
				books := newLedger()
				var both sync.WaitGroup
				for program := range 2 {
					var items []change
					for i := range test.users {
						items = append(items, newUser(fmt.Sprintf("user%02d", i), fmt.Sprint(100+i)))
					}
					plan := a.changes(items...)
					slowly := func(tell func(provision.Credential) error) func(provision.Credential) error {
						return func(c provision.Credential) error {
							if program == 0 {
								time.Sleep(test.slow)
							}
							return tell(c)
						}
					}
					both.Go(func() {
						time.Sleep(time.Duration(program) * time.Millisecond)
						_, err := plan.Apply(t.Context(), a.InProcessClient(), &provision.ApplyOptions{Workers: 32, Keep: slowly(books.Keep), Settle: slowly(books.Settle)})
						if errors.Is(err, provision.ErrStale) {
							t.Error(err)
						}
					})
				}
				both.Wait()
				for _, u := range a.Users(a.domain) {
					require.Equal(t, books.confirmed[u.User], u.Password.Reveal(), u.User)
				}
				require.Len(t, a.Users(a.domain), test.users)
				require.Equal(t, books.proposed, books.settled)
			})
		})
	}
}

// Apply sees to passwords whose answer is lost, so that the client does not, which
// keeps apart from nobody.
func TestClientThatSettlesSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		a.Fail(siptest.On("Users.Create").Nth(1).CommitThenDrop())
		start, set := time.Now(), time.Duration(0)
		a.Fail(siptest.On("Users.Update").Nth(1).Before(func(*siptest.Server) { set = time.Since(start) }))
		client := a.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true}))
		books := newLedger()
		_, err := a.changes(newUser("new", "0150")).Apply(t.Context(), client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle})
		require.NoError(t, err)
		require.Equal(t, []string{"Users.Create", "Users.Update"}, a.sent())
		require.Equal(t, books.confirmed["new"], a.Users(a.domain)[0].Password.Reveal())
		require.Greater(t, set, 10*time.Second, "not in the seconds after the create")
	})
}

const mac1, mac2, mac3 = "00:00:5E:00:53:01", "00:00:5E:00:53:02", "00:00:5E:00:53:03"

// whole is a plan with a change of each sort, to seed.
func (a *acme) whole() *provision.Changes {
	joe, ann, eve := ref{Name: "joe", ID: 1}, ref{Name: "ann", ID: 2}, ref{Name: "eve", ID: 3}
	maker := func(name string, by int) ref { return ref{Name: name, MadeBy: by} }
	return a.changes(
		newUser("new", "0150"),   // 1
		newGroup("team", "0650"), // 2
		change{Op: "create", Kind: provision.KindQueue, Ref: ref{Name: "back"}, Fields: fields{{Field: "displayName", To: "Back"}, {Field: "extensionNumber", To: "0701"}}}, // 3
		change{Op: "create", Kind: provision.KindTrustedNetwork, Ref: ref{Name: "10.0.21.0/24"}, Fields: fields{{Field: "description", To: "HQ"}}},                          // 4
		newDevice(mac3), // 5
		update(provision.KindUser, "eve", 3, "displayName", "EVE", "Eve"),                     // 6
		update(provision.KindGroup, "sales", 1, "ringRetry", false, true),                     // 7
		update(provision.KindQueue, "front", 1, "displayName", "front", "Front"),              // 8
		update(provision.KindTrustedNetwork, "10.0.20.10/24", 1, "description", "Office", ""), // 9
		update(provision.KindDevice, mac2, 2, "pbxDeviceName", "two", "Two"),                  // 10
		change{Op: "create", Kind: provision.KindGroupMembers, Ref: maker("team", 2), Members: []ref{joe, maker("new", 1)}, Needs: []int{2}, After: []int{1}},
		change{Op: "delete", Kind: provision.KindGroupMembers, Ref: ref{Name: "sales", ID: 1}, Members: []ref{joe}, After: []int{11}},
		change{Op: "create", Kind: provision.KindOwner, Ref: maker(mac3, 5), To: new(maker("new", 1)), Needs: []int{1, 5}},
		change{Op: "update", Kind: provision.KindOwner, Ref: ref{Name: mac1, ID: 1}, From: &joe, To: &ann},
		change{Op: "create", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{maker("team", 2)}, Fields: fields{{Field: "ringSecs", To: int64(7)}}, Needs: []int{2}},
		change{Op: "update", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{{Name: "support", ID: 2}}, MemberID: 2, Fields: fields{{Field: "ringSecs", From: int64(20), To: int64(9)}}, After: []int{15}},
		change{Op: "delete", Kind: provision.KindQueueMember, Ref: ref{Name: "front", ID: 1}, Members: []ref{{Name: "sales", ID: 1}}, MemberID: 1, Needs: []int{15}},
		change{Op: "update", Kind: provision.KindQueueOrder, Ref: ref{Name: "front", ID: 1}, Members: []ref{maker("team", 15), {Name: "support", ID: 2}, {Name: "night", ID: 3}}, Needs: []int{15, 17}, After: []int{16}},
		change{Op: "delete", Kind: provision.KindUser, Ref: eve, Needs: []int{6}},
	)
}

func TestApplyAll(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 8} {
		a := newAcme(t)
		a.seed(t)
		books := newLedger()
		total := 0
		results, err := a.whole().Apply(t.Context(), a.client, &provision.ApplyOptions{Workers: workers, Keep: books.Keep, Settle: books.Settle, Progress: func(p provision.Progress) {
			total++
			require.Equal(t, total, p.Done)
			require.Equal(t, 19, p.Total)
			require.NoError(t, p.Err)
		}})
		require.NoError(t, err)
		require.Len(t, results, 19)
		require.Equal(t, 19, total)
		users := a.Users(a.domain)
		require.Len(t, users, 3)
		require.Equal(t, "new", users[2].User)
		require.Equal(t, results[0].Password.Reveal(), users[2].Password.Reveal())
		require.Equal(t, []infinitysip.UserID{2}, a.GroupUsers(a.domain, 1))
		require.Equal(t, []infinitysip.UserID{1, 4}, a.GroupUsers(a.domain, 4))
		require.True(t, a.Groups(a.domain)[0].RingRetry)
		require.Equal(t, "0600", a.Groups(a.domain)[0].ExtensionNumber)
		devices := a.Devices(a.domain)
		require.Equal(t, []string{"ann", "", "new"}, []string{devices[0].User, devices[1].User, devices[2].User})
		require.Equal(t, "Two", devices[1].Name)
		require.Len(t, results[12].Token.Reveal(), 25)
		var ring []string
		for _, m := range a.QueueMembers(a.domain, 1) {
			ring = append(ring, fmt.Sprint(m.GroupID, " for ", m.RingSecs))
		}
		require.Equal(t, []string{"4 for 7", "2 for 9", "3 for 20"}, ring)
		require.Len(t, a.TrustedNetworks(a.domain), 2)
		require.Empty(t, a.TrustedNetworks(a.domain)[0].Description)
		require.Equal(t, "Front", a.Queues(a.domain)[0].DisplayName)
		require.Equal(t, books.proposed, books.settled)
		require.Len(t, books.proposed, 3)
	}
}

// Each call of the whole plan loses its answer once, before or after the server has
// carried it out, and so do the looks that the client makes. Apply finds out, and all
// is as if nothing had been.
func TestApplySettles(t *testing.T) {
	t.Parallel()
	ops := []string{"Users.Create", "Groups.Create", "Queues.Create", "TrustedNetworks.Create", "Devices.Create", "Users.Update", "Groups.Update", "Queues.Update",
		"TrustedNetworks.Update", "Devices.Update", "Groups.AddUsers", "Groups.RemoveUsers", "Users.RemoveDevice", "Queues.CreateMember",
		"Queues.UpdateMember", "Queues.DeleteMember", "Queues.SetMemberOrder", "Users.Delete"}
	for _, op := range ops {
		for name, fault := range map[string]func(siptest.Fault) siptest.Fault{
			"applied": siptest.Fault.CommitThenDrop, "not applied": siptest.Fault.Drop, "applied, then 500": func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(500) },
		} {
			t.Run(op+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					a := newAcme(t)
					a.seed(t)
					plan := a.whole()
					// All calls fail for a while, reads too: neither the client's
					// retries nor its looks help.
					var down atomic.Int64 // until when, in nanoseconds; 0: it was not down yet
					client := a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
						if infinitysip.OperationFromContext(req.Context()) == op && down.CompareAndSwap(0, time.Now().Add(5*time.Second).UnixNano()) {
							a.Fail(fault(siptest.On(op).For(5 * time.Second)))
						}
						if req.Method == http.MethodGet && time.Now().UnixNano() < down.Load() {
							return nil, errors.New("the network is down")
						}
						return a.Transport().RoundTrip(req)
					})}))
					books := newLedger()
					progress := 0
					results, err := plan.Apply(t.Context(), client, &provision.ApplyOptions{Workers: 1, Keep: books.Keep, Settle: books.Settle,
						Progress: func(p provision.Progress) { progress++; require.Equal(t, progress, p.Done) }})
					require.NoError(t, err)
					require.Equal(t, 19, progress)
					require.Len(t, results, 19)
					users := a.Users(a.domain)
					require.Len(t, users, 3)
					require.Equal(t, books.confirmed["new"], users[2].Password.Reveal())
					require.Equal(t, []infinitysip.UserID{1, 4}, a.GroupUsers(a.domain, 4))
					require.Len(t, a.Groups(a.domain), 4)
					require.Len(t, a.Queues(a.domain), 2)
					require.Len(t, a.TrustedNetworks(a.domain), 2)
					require.Len(t, a.QueueMembers(a.domain, 1), 3)
					require.Equal(t, "ann", a.Devices(a.domain)[0].User)
					require.Equal(t, "new", a.Devices(a.domain)[2].User)
					require.Equal(t, books.proposed, books.settled)
				})
			})
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
