package suite_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// trial is a case of a numbered fault that is more than a table's entry.
type trial struct {
	n    int
	name string
	run  func(*testing.T)
}

// inVirtualTime is for a trial in process, on a fake clock.
func inVirtualTime(run func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, run)
	}
}

// trialsOf makes trials of the entries of a table.
func trialsOf(list []fault) []trial {
	trials := make([]trial, len(list))
	for i, f := range list {
		trials[i] = trial{f.n, f.name, f.run}
	}
	return trials
}

// TestWorseFaults tries the faults 45 to 70, which need more than one thing to go
// wrong: a server that fails and shows old lists, a gateway that answers for
// another, a connection that ends between two requests.
func TestWorseFaults(t *testing.T) { // not parallel: what is tried on a socket counts goroutines and connections
	slow(t)
	numbered := make(map[int][]trial)
	for _, one := range slices.Concat(
		trialsOf(answersOfAnother()), locations(), // 45 and 46
		brokenStreams(), staleReads(), // 47 to 51
		appliedThenFailed(), namesakes(), // 52 to 60
		trialsOf(pagesOfProxies()),    // 61
		secretsInPieces(),             // 62 to 64
		strayAnswers(), manyWorkers(), // 65 and 66
		hostileTexts(), revoked(), // 67 and 68
		insertedPages(), trialsOf(silence()), // 69 and 70
	) {
		numbered[one.n] = append(numbered[one.n], one)
	}
	require.Len(t, numbered, 26)
	for n := 45; n <= 70; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			require.NotEmpty(t, numbered[n])
			counted.faults.Add(1)
			t.Cleanup(func() {
				if !t.Failed() {
					counted.survived.Add(1)
				}
			})
			for _, one := range numbered[n] {
				t.Run(one.name, one.run)
			}
		})
	}
}

// creation is what came of a create.
type creation struct {
	id     int64 // that it returned
	err    error
	failed *infinitysip.Error // err, or nil
	rows   []int64            // ids of the rows that the server holds now, and did not before
	took   time.Duration
	hits   hits
}

// create has a create of one thing, and checks what holds of every one: it is made
// at the most as often as may be, it is there if the call says so, with the
// password that was sent, and a call that failed does not say that it is not there.
func (a *acme) create(t *testing.T, where string, c call, mostRows int) creation {
	t.Helper()
	before := a.idsOf(c.op)
	a.ResetRequests()
	began := time.Now()
	id, err := c.do(t.Context(), a)
	m := creation{err: err, took: time.Since(began), hits: a.hits()}
	a.Wait()
	m.failed, _ = errors.AsType[*infinitysip.Error](err)
	m.rows = slices.DeleteFunc(a.idsOf(c.op), func(id int64) bool { return slices.Contains(before, id) })
	where = fmt.Sprintf("%s %s: %v", c.op, where, err)

	require.LessOrEqual(t, len(m.rows), mostRows, where+": it is made too often")
	requireNoSecret(t, where, err)
	if err != nil {
		require.NotNil(t, m.failed, where)
		require.Equal(t, c.op, m.failed.Op, where)
		if len(m.rows) > 0 {
			require.NotEqual(t, notApplied, m.failed.Outcome, where+": it is there")
		}
		require.Equal(t, m.failed.Outcome == unknown, errors.Is(err, infinitysip.ErrOutcomeUnknown), where)
		require.Equal(t, m.hits[c.op], m.failed.Attempts, where)
		return m
	}
	if m.id = reflect.ValueOf(id).Int(); len(m.rows) > 0 {
		require.Contains(t, m.rows, m.id, where+": it is another's id")
	} else {
		require.Contains(t, before, m.id, where+": there is no such id")
	}
	for _, user := range a.Users(a.domain) {
		if c.op == "Users.Create" && int64(user.ID) == m.id {
			require.Equal(t, canaryPassword, user.Password.Reveal(), where+": nobody set this password")
			require.Equal(t, canaryPIN, user.PIN.Reveal(), where+": nobody set this PIN")
		}
	}
	return m
}

// requireUnknown checks that a create says that it does not know, and which rows it
// found.
func (m creation) requireUnknown(t *testing.T, where string, found ...int64) {
	t.Helper()
	require.ErrorIs(t, m.err, infinitysip.ErrOutcomeUnknown, where)
	require.Equal(t, found, m.failed.Found, where)
}

// idsOf lists the ids of what a create makes.
func (a *acme) idsOf(op string) (ids []int64) {
	note := func(id int64) { ids = append(ids, id) }
	switch op {
	case "Users.Create":
		for _, row := range a.Users(a.domain) {
			note(int64(row.ID))
		}
	case "Groups.Create":
		for _, row := range a.Groups(a.domain) {
			note(int64(row.ID))
		}
	case "Queues.Create":
		for _, row := range a.Queues(a.domain) {
			note(int64(row.ID))
		}
	case "Queues.CreateMember":
		for _, row := range a.QueueMembers(a.domain, a.queue) {
			note(int64(row.ID))
		}
	case "TrustedNetworks.Create":
		for _, row := range a.TrustedNetworks(a.domain) {
			note(int64(row.ID))
		}
	case "Devices.Create":
		for _, row := range a.Devices(a.domain) {
			note(int64(row.ID))
		}
	default:
		panic("what does " + op + " make?")
	}
	return ids
}

// newWorse is an acme whose rows show in every list, however long a list lags, and
// whose client has made no call.
func newWorse(t *testing.T, o siptest.Options, opts ...infinitysip.Option) *acme {
	t.Helper()
	o.APIKey = canaryKey
	a := newAcme(t, o, opts...)
	time.Sleep(o.ListLag)
	a.client = a.InProcessClient(opts...)
	return a
}

// named are the creates of what has a name, under another name.
func named(name string) []call {
	return []call{
		{op: "Users.Create", look: "Users.List", do: func(ctx context.Context, a *acme) (any, error) {
			params := newUser()
			params.User = name
			return a.client.Users.Create(ctx, a.domain, params)
		}},
		{op: "Groups.Create", look: "Groups.List", do: func(ctx context.Context, a *acme) (any, error) {
			return a.client.Groups.Create(ctx, a.domain, infinitysip.GroupCreateParams{Name: name, DisplayName: "Sales", ExtensionNumber: "0201", CallerNameFormat: "{displayName}"})
		}},
		{op: "Queues.Create", look: "Queues.List", do: func(ctx context.Context, a *acme) (any, error) {
			return a.client.Queues.Create(ctx, a.domain, infinitysip.QueueCreateParams{Name: name, DisplayName: "Sales", ExtensionNumber: "0301"})
		}},
	}
}

// pathOf is where a create posts to, in a domain.
func pathOf(op string, domain int) string {
	return fmt.Sprintf("/config/v2/sip/domains/%d/", domain) + map[string]string{
		"Users.Create": "users", "Groups.Create": "groups", "Queues.Create": "queues", "Queues.CreateMember": "queues/1/members",
		"TrustedNetworks.Create": "trustedNetworks", "Devices.Create": "devices",
	}[op]
}

// rowOf is a row as a create of op may answer with: of the id, and else as what the
// create sends, but for the members that are given.
func rowOf(op string, id int, but string) string {
	names := map[string][2]string{ // of the id, and what else is sent
		"Users.Create":           {"userId", `"user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"0100"`},
		"Groups.Create":          {"groupId", `"groupName":"sales","displayName":"Sales","extensionNumber":"0201"`},
		"Queues.Create":          {"queueId", `"queueName":"sales","displayName":"Sales","extensionNumber":"0301"`},
		"Queues.CreateMember":    {"queueMemberId", `"queueId":"1","groupId":"1"`},
		"TrustedNetworks.Create": {"trustedNetworkId", `"network":"10.0.20.10\/24","description":"Office"`},
		"Devices.Create":         {"pbxDeviceId", `"deviceMacAddress":"10:20:30:00:00:02","pbxDeviceName":"Lobby"`},
	}[op]
	row := fmt.Sprintf(`{%q:"%d",%s}`, names[0], id, names[1])
	return strings.TrimSuffix(row, "}") + but + "}\n" // of members twice, the last counts
}

// anothersRow is the row of something else of the kind.
func anothersRow(op string) string {
	return rowOf(op, 1, map[string]string{
		"Users.Create": `,"user":"first","extensionNumber":"0101"`, "Groups.Create": `,"groupName":"all","extensionNumber":"0200"`,
		"Queues.Create": `,"queueName":"first","extensionNumber":"0300"`, "Queues.CreateMember": `,"groupId":"7"`,
		"TrustedNetworks.Create": `,"network":"10.0.99.0\/24"`, "Devices.Create": `,"deviceMacAddress":"10:20:30:00:00:01","pbxDeviceName":"First"`,
	}[op])
}

// alike are the creates of what has a key.
var alike = []call{usersCreate, groupsCreate, queuesCreate, trustedNetworksCreate, devicesCreate}

// asGets is a gateway that makes a GET of each POST but an update, as one that
// follows a redirect.
func asGets(next http.RoundTripper) http.RoundTripper {
	return transportFunc(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost && infinitysip.OperationFromContext(req.Context()) != "Users.Update" {
			_ = req.Body.Close()
			req = req.Clone(req.Context())
			req.Method, req.Body, req.ContentLength = http.MethodGet, nil, 0
			req.URL.Path = strings.ReplaceAll(req.URL.Path, "trustedNetworks", "trustednetworks") // the API's page lists them there
			req.Header.Del("Content-Type")
		}
		return next.RoundTrip(req)
	})
}

// alone leaves no row but the one that each create makes, as somebody else made it.
func alone(a *acme) {
	ctx := context.Background()
	must(0, a.client.Users.Delete(ctx, a.domain, a.user))
	must(0, a.client.Groups.Delete(ctx, a.domain, a.group))
	must(0, a.client.Queues.Delete(ctx, a.domain, a.queue))
	must(0, a.client.Devices.Delete(ctx, a.domain, a.device))
	for _, c := range alike {
		must(c.do(ctx, a))
	}
}

// aloneOtherwise does the same, with rows that have the same key and are otherwise
// not the same.
func aloneOtherwise(a *acme) {
	alone(a)
	ctx := context.Background()
	must(0, a.client.Users.Update(ctx, a.domain, 2, infinitysip.UserUpdateParams{DisplayName: new("Another Joe")}))
	must(0, a.client.Groups.Update(ctx, a.domain, 2, infinitysip.GroupUpdateParams{Name: "sales", DisplayName: "Other", ExtensionNumber: "0201", CallerNameFormat: "{displayName}"}))
	must(0, a.client.Queues.Update(ctx, a.domain, 2, infinitysip.QueueUpdateParams{DisplayName: new("Other")}))
	must(0, a.client.TrustedNetworks.Update(ctx, a.domain, 1, infinitysip.TrustedNetworkUpdateParams{Description: new("Other")}))
	must(0, a.client.Devices.Update(ctx, a.domain, 2, infinitysip.DeviceUpdateParams{Name: "Other"}))
}

// remove deletes what a create made.
func (a *acme) remove(op string, id any) {
	ctx := context.Background()
	must(0, map[string]func() error{
		"Users.Create":  func() error { return a.client.Users.Delete(ctx, a.domain, id.(infinitysip.UserID)) },
		"Groups.Create": func() error { return a.client.Groups.Delete(ctx, a.domain, id.(infinitysip.GroupID)) },
		"Queues.Create": func() error { return a.client.Queues.Delete(ctx, a.domain, id.(infinitysip.QueueID)) },
		"Queues.CreateMember": func() error {
			return a.client.Queues.DeleteMember(ctx, a.domain, a.queue, id.(infinitysip.QueueMemberID))
		},
		"TrustedNetworks.Create": func() error {
			return a.client.TrustedNetworks.Delete(ctx, a.domain, id.(infinitysip.TrustedNetworkID))
		},
		"Devices.Create": func() error { return a.client.Devices.Delete(ctx, a.domain, id.(infinitysip.DeviceID)) },
	}[op]())
}
