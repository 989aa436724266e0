package siptest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// lists are the paths of all lists, with a column whose value tells rows apart.
var lists = map[string]string{
	root:                         "domainId",
	root + "/1/users":            "userId",
	root + "/1/groups":           "groupId",
	root + "/1/groups/1/users":   "userId",
	root + "/1/users/1/groups":   "groupId",
	root + "/1/users/1/devices":  "pbxDeviceId",
	root + "/1/queues":           "queueId",
	root + "/1/queues/1/members": "queueMemberId",
	root + "/1/trustednetworks":  "trustedNetworkId",
	root + "/1/devices":          "pbxDeviceId",
}

func TestListLag(t *testing.T) {
	t.Parallel()
	clock := noon
	w := inProcess(New(t, Options{ListLag: 5 * time.Second, Now: func() time.Time { return clock }}))
	addSamples(t, w)
	all := func() map[string]string {
		bodies := map[string]string{}
		for path := range lists {
			bodies[path] = w.must(t, "GET", path, "")
		}
		return bodies
	}
	for path, body := range all() {
		require.Equal(t, path == root, body != "", "only the domain is there: %s", path)
	}
	clock = clock.Add(5*time.Second - 1)
	require.Empty(t, w.values(t, root+"/1/users", "userId"))
	clock = clock.Add(1)
	before := all()
	for path, column := range lists {
		require.NotEmpty(t, w.values(t, path, column), path)
	}

	clock = clock.Add(time.Minute)
	for _, step := range []string{
		"POST /users/1 displayName=Other",
		"DELETE /groups/1/users userSpec[]=1",
		"DELETE /users/1/devices/1 ",
		"PUT /queues/1/members/order queueMemberId[]=2&queueMemberId[]=1",
		"POST  displayName=Other&rec=0",
		"DELETE /groups/2 ",
		"DELETE /trustedNetwork/1 ",
		"DELETE /devices/1 ",
		"POST /queues/2 displayName=Other",
		"POST /queues queueName=new&displayName=new&extensionNumber=9",
	} {
		f := strings.SplitN(step, " ", 3)
		w.must(t, f[0], root+"/1"+f[1], f[2])
	}
	require.Equal(t, before, all(), "as it was")
	require.Contains(t, w.must(t, "GET", root+"/1/users/1", ""), `"displayName":"Other"`, "a read does not lag")
	status, _ := w.do(t, "GET", root+"/1/devices/1", "")
	require.Equal(t, 404, status)
	status, _ = w.do(t, "POST", root+"/1/users", "user=ann&password=p&displayName=x&extensionNumber=9")
	require.Equal(t, 409, status, "a write does not lag")

	clock = clock.Add(5 * time.Second)
	after := all()
	for path := range lists {
		require.NotEqual(t, before[path], after[path], path)
	}
	// With everything repeated, the lists are those of a server without lag.
	w.srv.store.replica = nil
	require.Equal(t, after, all())
}

func TestListLagOfDeletedParents(t *testing.T) {
	t.Parallel()
	clock := noon
	w := inProcess(New(t, Options{ListLag: time.Second, Now: func() time.Time { return clock }}))
	addSamples(t, w)
	clock = clock.Add(time.Second)
	w.must(t, "DELETE", root+"/1/users/1", "")
	w.must(t, "DELETE", root+"/1/groups/1", "")
	require.Equal(t, []string{"1", "2"}, w.values(t, root+"/1/users", "userId"))
	require.Equal(t, []string{"1", "0"}, w.values(t, root+"/1/devices", "userId"))
	status, _ := w.do(t, "GET", root+"/1/users/1/devices", "")
	require.Equal(t, 404, status, "the path is that of now")
	clock = clock.Add(time.Second)
	require.Equal(t, []string{"2"}, w.values(t, root+"/1/users", "userId"))
	require.Equal(t, []string{"0", "0"}, w.values(t, root+"/1/devices", "userId"))
	require.Equal(t, []string{"2"}, w.values(t, root+"/1/queues/1/members", "groupId"))
	require.Empty(t, w.values(t, root+"/1/groups/2/users", "userId"))
	require.Empty(t, w.srv.store.replica.changes)
	require.Equal(t, w.srv.store.memberships, w.srv.store.replica.store.memberships)
}

func TestSeededRowsDoNotLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := New(t, Options{ListLag: 5 * time.Second})
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		id := srv.AddUser(domain, infinitysip.User{User: "joe"})
		w := inProcess(srv)
		require.Equal(t, []string{"joe"}, w.values(t, root+"/1/users", "user"))
		require.Contains(t, w.must(t, "GET", root, ""), "domain1.sip.example.com")

		client := srv.InProcessClient()
		require.NoError(t, client.Users.Delete(t.Context(), domain, id))
		time.Sleep(4 * time.Second)
		require.Equal(t, []string{"joe"}, w.values(t, root+"/1/users", "user"))
		time.Sleep(time.Second)
		require.Empty(t, w.values(t, root+"/1/users", "user"))
	})
}

// TestListLagWithOtherOptions: a lagging list is cut, and ignores its query.
func TestListLagWithOtherOptions(t *testing.T) {
	t.Parallel()
	clock := noon
	w := inProcess(New(t, Options{
		ListLag: time.Second, MaxRows: 2, IgnorePaging: true, IgnoreFilters: true, AllowDuplicates: true,
		RewriteKey: func(_, value string) string { return value[:1] }, Now: func() time.Time { return clock },
	}))
	w.srv.addDomain(0, "", "", false)
	addDevices(t, w.srv, "a", "b", "c")
	w.must(t, "POST", root+"/1/users", "user=ann&password=p&displayName=x&extensionNumber=9")
	require.Empty(t, w.values(t, root+"/1/devices", "pbxDeviceName"))
	clock = clock.Add(time.Second)
	require.Equal(t, []string{"a", "b"}, w.values(t, root+"/1/devices?limit=1&offset=2&filter[]=pbxDeviceName-eq-value-c&sort[]=pbxDeviceName-desc", "pbxDeviceName"))
	require.Equal(t, []string{"a"}, w.values(t, root+"/1/users?filter[]=user-eq-value-x", "user"))
}
