package provision_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// Who is alone has the password of a user whose answer was lost in seconds, and needs
// no second call after a late answer.
func TestAloneSettlesSoon(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options siptest.Options
		faults  []siptest.Fault
		most    time.Duration // that Apply takes; the client's own looks take 4 s
		updates int
	}{
		"the answer is lost":             {faults: []siptest.Fault{siptest.On("Users.Create").CommitThenDrop()}, most: 6 * time.Second, updates: 3},
		"an error, and it was made":      {faults: []siptest.Fault{siptest.On("Users.Create").CommitThenStatus(http.StatusInternalServerError)}, most: 6 * time.Second, updates: 3},
		"lists lag":                      {options: siptest.Options{ListLag: 6 * time.Second}, faults: []siptest.Fault{siptest.On("Users.Create").CommitThenDrop()}, most: 8 * time.Second, updates: 3},
		"lists lag for longer":           {options: siptest.Options{ListLag: 30 * time.Second}, faults: []siptest.Fault{siptest.On("Users.Create").CommitThenDrop()}, most: 40 * time.Second, updates: 3},
		"it was not made":                {faults: []siptest.Fault{siptest.On("Users.Create").Times(3).Drop()}, most: 16 * time.Second},
		"the answer is late":             {faults: []siptest.Fault{siptest.On("Users.Create").SlowHeaders(20 * time.Second)}, most: 21 * time.Second},
		"the create is carried out late": {faults: []siptest.Fault{siptest.On("Users.Create").Latency(20 * time.Second)}, most: 21 * time.Second},
		"the answer to the update, too":  {faults: []siptest.Fault{siptest.On("Users.Create").CommitThenDrop(), siptest.On("Users.Update").SlowHeaders(20 * time.Second)}, most: 26 * time.Second, updates: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAcme(t, test.options)
				for _, fault := range test.faults {
					a.Fail(fault)
				}
				books := newLedger()
				start := time.Now()
				results, err := a.changes(newUser("one", "0151"), newUser("two", "0152"), newUser("three", "0153")).
					Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Alone: true})
				require.NoError(t, err)
				require.Equal(t, []provision.Status{done, done, done}, statuses(results))
				require.LessOrEqual(t, time.Since(start), test.most)
				require.Len(t, a.Users(a.domain), 3)
				for _, u := range a.Users(a.domain) {
					require.Equal(t, books.confirmed[u.User], u.Password.Reveal())
				}
				require.Equal(t, books.proposed, books.settled)
				require.Equal(t, test.updates, a.count("Users.Update"))
			})
		})
	}
}

// What is not in a list is not made again soon: the list may lag. Here the server would
// take it twice.
func TestAloneMakesNothingTwice(t *testing.T) {
	t.Parallel()
	for op, desired := range map[string]provision.State{
		"Users.Create":           {Users: []provision.User{{User: "joe"}, {User: "ann"}, {User: "eve"}, {User: "new", DisplayName: "New", ExtensionNumber: "0150"}}},
		"Groups.Create":          {Groups: []provision.Group{{Name: "team", ExtensionNumber: "0650", Members: []string{"joe"}}}},
		"Queues.Create":          {Queues: []provision.Queue{{Name: "back", ExtensionNumber: "0750"}}},
		"Queues.CreateMember":    {Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{{Group: "sales"}, {Group: "night"}, {Group: "sales", RingSecs: new(31)}}}}},
		"Devices.Create":         {Devices: []provision.Device{{MACAddress: "00:00:5E:00:53:77", Owner: new("joe")}}},
		"TrustedNetworks.Create": {TrustedNetworks: []provision.TrustedNetwork{{Network: "10.99.0.0/16"}}},
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			for _, lost := range []siptest.Fault{siptest.On(op).Nth(1).CommitThenDrop(), siptest.On(op).Nth(1).CommitThenStatus(http.StatusBadGateway), siptest.On(op).Nth(1).Drop()} {
				synctest.Test(t, func(t *testing.T) {
					a := newAcme(t, siptest.Options{AllowDuplicates: true, ListLag: 8 * time.Second})
					_, err := a.plan(t, small(), nil).Apply(t.Context(), a.client, nil)
					require.NoError(t, err)
					time.Sleep(time.Minute)
					plan := a.plan(t, &desired, nil)
					a.ResetRequests()
					a.Fail(lost)
					before := a.rows()
					_, err = plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Alone: true})
					require.NoError(t, err)
					time.Sleep(time.Minute)
					require.True(t, a.plan(t, &desired, nil).Empty())
					require.Equal(t, before+1, a.rows())
				})
			}
		})
	}
}

// rows is how many things there are, and places in queues.
func (a *acme) rows() int {
	n := len(a.Users(a.domain)) + len(a.Groups(a.domain)) + len(a.Queues(a.domain)) + len(a.Devices(a.domain)) + len(a.TrustedNetworks(a.domain))
	for _, q := range a.Queues(a.domain) {
		n += len(a.QueueMembers(a.domain, q.ID))
	}
	return n
}

// What stays in doubt is unknown, after little more than a minute.
func TestAloneAndDoubtThatStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t)
		books := newLedger()
		plan := a.changes(newUser("one", "0151"))
		a.Fail(siptest.On("Users.Create").Drop())
		start := time.Now()
		_, err := plan.Apply(t.Context(), a.client, &provision.ApplyOptions{Keep: books.Keep, Settle: books.Settle, Alone: true})
		require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
		require.Equal(t, provision.CredentialUnknown, books.after["one"])
		require.Less(t, time.Since(start), 2*time.Minute)
		require.LessOrEqual(t, a.count("Users.Create"), 4, fmt.Sprint(a.sent()))
	})
}
