package siptest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRefusals checks the answers to malformed and conflicting requests, and to
// requests with unknown ids. Such a request changes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		user   = "user=u&password=p&displayName=U&extensionNumber=299"
		group  = "groupName=g&displayName=G&extensionNumber=399&ringRetry=0&ringExclusive=0&callerNameFormat="
		queue  = "queueName=q&displayName=Q&extensionNumber=499"
		member = "groupId=1&ringStrategy=all&ringAttempts=1&ringSecs=1&ringOrder=1"
	)
	tests := []struct {
		op, path, form string
		status         int
		message        string
	}{
		// Required and undocumented fields.
		{"Users.Create", "/1/users", "", 400, "user is required"},
		{"Users.Create", "/1/users", "user=u&password=p&displayName=U", 400, "extensionNumber is required"},
		{"Users.Create", "/1/users", user + "&nickname=x", 400, `"nickname" is not a parameter`},
		{"Users.Create", "/1/users", user + "&userId=7", 400, `"userId" is not a parameter`},
		{"Users.Update", "/1/users/1", "user=other", 400, `"user" is not a parameter`},
		{"Users.Update", "/1/users/1", "ukPhoneId=1", 400, `"ukPhoneId" is not a parameter`},
		{"Users.Delete", "/1/users/1", "force=1", 400, `"force" is not a parameter`},
		{"Devices.Update", "/1/devices/1", "pbxDeviceName=x&deviceMacAddress=10:20:30:1A:2B:99", 400, `"deviceMacAddress" is not a parameter`},
		{"Domains.Update", "/1", "rec=1", 400, "displayName is required"},
		{"Groups.Create", "/1/groups", strings.TrimSuffix(group, "&callerNameFormat="), 400, "callerNameFormat is required"},
		{"Groups.Update", "/1/groups/1", "groupName=x", 400, "displayName is required"},
		{"Groups.AddUsers", "/1/groups/1/users", "", 400, "userSpec is required"},
		{"Queues.SetMemberOrder", "/1/queues/1/members/order", "", 400, "queueMemberId is required"},

		// Updates without parameters.
		{"Users.Update", "/1/users/1", "", 400, "nothing to update"},
		{"Queues.Update", "/1/queues/1", "", 400, "nothing to update"},
		{"Queues.UpdateMember", "/1/queues/1/members/1", "", 400, "nothing to update"},
		{"TrustedNetworks.Update", "/1/trustedNetwork/1", "", 400, "nothing to update"},
		{"Devices.Update", "/1/devices/1", "", 400, "pbxDeviceName is required"},

		// Empty texts.
		{"Users.Create", "/1/users", "user=&password=p&displayName=U&extensionNumber=299", 400, "user must not be empty"},
		{"Users.Create", "/1/users", "user=u&password=&displayName=U&extensionNumber=299", 400, "password must not be empty"},
		{"Users.Update", "/1/users/1", "password=", 400, "password must not be empty"},
		{"Users.Update", "/1/users/1", "displayName=", 400, "displayName must not be empty"},
		{"Users.Update", "/1/users/1", "extensionNumber=", 400, "extensionNumber must not be empty"},
		{"Queues.Update", "/1/queues/1", "queueName=", 400, "queueName must not be empty"},
		{"Queues.UpdateMember", "/1/queues/1/members/1", "ringStrategy=", 400, "ringStrategy must be all or huntLongestIdle"},
		{"Groups.Update", "/1/groups/1", "groupName=&displayName=G&extensionNumber=1&ringRetry=0&ringExclusive=0&callerNameFormat=", 400, "groupName must not be empty"},
		{"Domains.Update", "/1", "displayName=&rec=1", 400, "displayName must not be empty"},
		{"Devices.Update", "/1/devices/1", "pbxDeviceName=", 400, "pbxDeviceName must not be empty"},

		// Arrays and texts.
		{"Users.Create", "/1/users", user + "&email[]=x", 400, "email must not be an array"},
		{"Users.AddDevice", "/1/users/1/devices", "pbxDeviceId[]=2", 400, "pbxDeviceId must not be an array"},
		{"Groups.AddUsers", "/1/groups/1/users", "userSpec=2", 400, "userSpec must be an array: userSpec[]=…"},
		{"Groups.AddUsers", "/1/groups/1/users", "userSpec[]=2&userSpec=2", 400, "userSpec must be an array: userSpec[]=…"},
		{"Groups.AddUsers", "/1/groups/1/users", "userSpec[0][a]=2", 400, "userSpec must be an array: userSpec[]=…"},
		{"Groups.RemoveUsers", "/1/groups/1/users", "userSpec=1", 400, "userSpec must be an array: userSpec[]=…"},
		{"Users.AddGroups", "/1/users/1/groups", "groupSpec=2", 400, "groupSpec must be an array: groupSpec[]=…"},
		{"Queues.SetMemberOrder", "/1/queues/1/members/order", "queueMemberId=2", 400, "queueMemberId must be an array: queueMemberId[]=…"},

		// Values.
		{"Domains.Update", "/1", "displayName=x&rec=true", 400, "rec must be 0 or 1"},
		{"Users.Create", "/1/users", user + "&mobileFollow=2", 400, "mobileFollow must be 0 or 1"},
		{"Users.Update", "/1/users/1", "dashboard=", 400, "dashboard must be 0 or 1"},
		{"Users.Create", "/1/users", user + "&ukPhoneId=abc", 400, "ukPhoneId must be a whole number"},
		{"Users.Create", "/1/users", user + "&usPhoneId=-1", 400, "usPhoneId must be a whole number"},
		{"Users.Create", "/1/users", user + "&email=%ff", 400, "email must be UTF-8"},
		{"Queues.CreateMember", "/1/queues/1/members", strings.Replace(member, "all", "ringAll", 1), 400, "ringStrategy must be all or huntLongestIdle"},
		{"Queues.CreateMember", "/1/queues/1/members", strings.Replace(member, "ringSecs=1", "ringSecs=1.5", 1), 400, "ringSecs must be a whole number"},
		{"Queues.UpdateMember", "/1/queues/1/members/1", "ringAttempts=-1", 400, "ringAttempts must be a whole number"},
		{"Queues.UpdateMember", "/1/queues/1/members/1", "ringOrder=", 400, "ringOrder must be a whole number"},
		{"Groups.AddUsers", "/1/groups/1/users", "userSpec[]=2&userSpec[]=", 400, "userSpec must hold whole numbers"},
		{"Groups.AddUsers", "/1/groups/1/users", "userSpec[]=2,3", 400, "userSpec must hold whole numbers"},
		{"Groups.Create", "/1/groups", group + "{nobody}", 400, "callerNameFormat may hold {displayName}, {srcPhoneNumber} and {dgrpName} only"},
		{"Queues.Update", "/1/queues/1", "callerNameFormat={displayName", 400, "callerNameFormat may hold {displayName}, {srcPhoneNumber} and {dgrpName} only"},
		{"TrustedNetworks.Create", "/1/trustedNetworks", "network=10.0.0.1", 400, "network must be a CIDR network such as 10.0.20.10/24"},
		{"TrustedNetworks.Update", "/1/trustedNetwork/1", "network=", 400, "network must be a CIDR network such as 10.0.20.10/24"},
		{"Devices.Create", "/1/devices", "pbxDeviceName=x&deviceMacAddress=10:20:30:1A:2B", 400, "deviceMacAddress must be a MAC address such as 10:20:30:1A:2B:3C"},
		{"Devices.Create", "/1/devices", "pbxDeviceName=x&deviceMacAddress=02:00:5e:10:00:00:00:01", 400, "deviceMacAddress must be a MAC address such as 10:20:30:1A:2B:3C"},

		// An order must name every member once.
		{"Queues.SetMemberOrder", "/1/queues/1/members/order", "queueMemberId[]=2", 400, "queueMemberId must name each of the 2 members once"},
		{"Queues.SetMemberOrder", "/1/queues/1/members/order", "queueMemberId[]=2&queueMemberId[]=2", 400, "queueMemberId must name each of the 2 members once"},
		{"Queues.SetMemberOrder", "/1/queues/1/members/order", "queueMemberId[]=2&queueMemberId[]=1&queueMemberId[]=2", 400, "queueMemberId must name each of the 2 members once"},
		{"Queues.SetMemberOrder", "/1/queues/1/members/order", "queueMemberId[a]=2&queueMemberId[b]=1", 400, "queueMemberId must have whole numbers for keys"},

		// Rows that do not exist.
		{"Groups.AddUsers", "/1/groups/1/users", "userSpec[]=2&userSpec[]=9", 404, "userSpec: no userId 9"},
		{"Groups.RemoveUsers", "/1/groups/1/users", "userSpec[]=1&userSpec[]=0", 404, "userSpec: no userId 0"},
		{"Users.AddGroups", "/1/users/1/groups", "groupSpec[]=2&groupSpec[]=9", 404, "groupSpec: no groupId 9"},
		{"Users.AddDevice", "/1/users/1/devices", "pbxDeviceId=9", 404, "pbxDeviceId: no pbxDeviceId 9"},
		{"Queues.CreateMember", "/1/queues/1/members", strings.Replace(member, "groupId=1", "groupId=9", 1), 404, "groupId: no groupId 9"},
		{"Queues.UpdateMember", "/1/queues/1/members/1", "ringSecs=99&groupId=9", 404, "groupId: no groupId 9"},
		{"Queues.SetMemberOrder", "/1/queues/1/members/order", "queueMemberId[]=2&queueMemberId[]=9", 404, "queueMemberId: no queueMemberId 9"},
		{"Queues.SetMemberOrder", "/1/queues/2/members/order", "queueMemberId[]=2", 404, "queueMemberId: no queueMemberId 2"},
		{"Users.Update", "/1/users/9", "email=x", 404, "no userId 9"},
		{"Users.Create", "/9/users", user, 404, "no domainId 9"},

		// Conflicts.
		{"Users.Create", "/1/users", strings.Replace(user, "user=u", "user=ann", 1), 409, "user is in use"},
		{"Users.Create", "/1/users", strings.Replace(user, "299", "202", 1), 409, "extensionNumber is in use"},
		{"Users.Create", "/1/users", strings.Replace(user, "299", "301", 1), 409, "extensionNumber is in use"},
		{"Users.Update", "/1/users/1", "email=x&extensionNumber=401", 409, "extensionNumber is in use"},
		{"Groups.Create", "/1/groups", strings.Replace(group, "groupName=g", "groupName=help", 1), 409, "groupName is in use"},
		{"Groups.Create", "/1/groups", strings.Replace(group, "399", "402", 1), 409, "extensionNumber is in use"},
		{"Groups.Update", "/1/groups/1", strings.Replace(group, "399", "201", 1), 409, "extensionNumber is in use"},
		{"Queues.Create", "/1/queues", strings.Replace(queue, "queueName=q", "queueName=out", 1), 409, "queueName is in use"},
		{"Queues.Create", "/1/queues", strings.Replace(queue, "499", "301", 1), 409, "extensionNumber is in use"},
		{"Queues.Update", "/1/queues/1", "displayName=x&queueName=out", 409, "queueName is in use"},
		{"TrustedNetworks.Create", "/1/trustedNetworks", "network=10.0.20.99/24", 409, "network is in use"},
		{"TrustedNetworks.Update", "/1/trustedNetwork/2", "network=10.0.20.0/24&description=x", 409, "network is in use"},
		{"Devices.Create", "/1/devices", "pbxDeviceName=x&deviceMacAddress=1020.301A.2B3C", 409, "deviceMacAddress is in use"},
		{"Users.AddDevice", "/1/users/1/devices", "pbxDeviceId=1", 409, "the device is associated with a user already"},
		{"Users.AddDevice", "/1/users/2/devices", "pbxDeviceId=1", 409, "the device is associated with a user already"},
	}
	for _, tt := range tests {
		t.Run(tt.op+" "+tt.message, func(t *testing.T) {
			t.Parallel()
			w := inProcess(New(t, Options{Now: atNoon}))
			addSamples(t, w)
			before := w.dump(t)
			w.srv.ResetRequests()
			status, body := w.do(t, methodOf(t, tt.op), root+tt.path, tt.form)
			require.Equal(t, tt.message, body)
			require.Equal(t, tt.status, status)
			require.Equal(t, tt.op, w.srv.Requests()[0].Op)
			require.Equal(t, before, w.dump(t))
		})
	}
}

func methodOf(t testing.TB, op string) string {
	for _, rt := range routes {
		if rt.op == op {
			return rt.method
		}
	}
	require.Fail(t, "no such call", op)
	return ""
}

// dump reads all of domain 1.
func (w wire) dump(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"", "/users", "/groups", "/groups/1/users", "/groups/2/users", "/queues", "/queues/1/members",
		"/queues/2/members", "/trustednetworks", "/devices", "/users/1/devices", "/users/1/groups"} {
		all.WriteString(path + "\n" + w.must(t, "GET", root+"/1"+path, ""))
	}
	return all.String()
}

func TestEmptyTextClears(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{EchoSecrets: true}))
	addSamples(t, w)
	w.must(t, "POST", root+"/1/users/1", "email=joe@example.com&pin=9999&mobileFollow=1")
	row := w.must(t, "GET", root+"/1/users/1", "")
	require.Contains(t, row, `"email":"joe@example.com"`)
	require.Contains(t, row, `"password":"pw1","pin":"9999"}`)
	w.must(t, "POST", root+"/1/users/1", "email=&pin=&mobileFollow=0")
	row = w.must(t, "GET", root+"/1/users/1", "")
	require.Contains(t, row, `"email":""`)
	require.Contains(t, row, `"mobileFollow":"0"`)
	require.Contains(t, row, `"password":"pw1","pin":""}`)

	w.must(t, "POST", root+"/1/queues/1", "callerNameFormat=x")
	w.must(t, "POST", root+"/1/queues/1", "callerNameFormat=")
	require.Contains(t, w.must(t, "GET", root+"/1/queues/1", ""), `"callerNameFormat":""`)
	w.must(t, "POST", root+"/1/users", "user=u&password=p&displayName=U&extensionNumber=299&email=&pin=")
}

func TestUniqueKeysFollowTheirRows(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	// A row may keep its keys.
	w.must(t, "POST", root+"/1/users/1", "extensionNumber=201")
	w.must(t, "POST", root+"/1/trustedNetwork/1", "network=10.0.20.99/24")
	// The old key of a row is free again, the new one is in use.
	w.must(t, "POST", root+"/1/users/1", "extensionNumber=250")
	w.must(t, "POST", root+"/1/users/2", "extensionNumber=201")
	status, _ := w.do(t, "POST", root+"/1/queues/1", "extensionNumber=250")
	require.Equal(t, 409, status)
	// The keys of a deleted row are free.
	w.must(t, "DELETE", root+"/1/users/1", "")
	w.must(t, "POST", root+"/1/queues/1", "extensionNumber=250")
	w.must(t, "DELETE", root+"/1/devices/1", "")
	w.must(t, "POST", root+"/1/devices", "pbxDeviceName=x&deviceMacAddress=10:20:30:1A:2B:3C")

	// Another domain may have the same keys, except for devices.
	w.srv.addDomain(0, "", "", false)
	w.must(t, "POST", root+"/2/users", "user=ann&password=p&displayName=Ann&extensionNumber=201")
	w.must(t, "POST", root+"/2/trustedNetworks", "network=192.168.0.0/16")
	status, _ = w.do(t, "POST", root+"/2/devices", "pbxDeviceName=x&deviceMacAddress=10:20:30:1A:2B:3C")
	require.Equal(t, 409, status)
}

func TestIDsAreNeverReused(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	w.must(t, "DELETE", root+"/1/users/2", "")
	require.Equal(t, `{"userId":"3"}`+"\n", w.must(t, "POST", root+"/1/users", "user=ann&password=p&displayName=A&extensionNumber=202"))
}

func TestDeletesCascade(t *testing.T) {
	t.Parallel()
	withSamples := func(t *testing.T) wire {
		w := inProcess(New(t))
		addSamples(t, w)
		w.must(t, "POST", root+"/1/queues/2/members", "groupId=1&ringStrategy=all&ringAttempts=1&ringSecs=1&ringOrder=1")
		return w
	}
	t.Run("user", func(t *testing.T) {
		t.Parallel()
		w := withSamples(t)
		w.must(t, "DELETE", root+"/1/users/1", "")
		require.Empty(t, w.must(t, "GET", root+"/1/groups/1/users", ""))
		require.Equal(t, []string{"", ""}, w.values(t, root+"/1/devices", "user"))
		require.Equal(t, []string{"0", "0"}, w.values(t, root+"/1/devices", "userId"))
		w.must(t, "POST", root+"/1/users/2/devices", "pbxDeviceId=1")
	})
	t.Run("group", func(t *testing.T) {
		t.Parallel()
		w := withSamples(t)
		w.must(t, "DELETE", root+"/1/groups/1", "")
		require.Empty(t, w.must(t, "GET", root+"/1/users/1/groups", ""))
		require.Equal(t, []string{"2"}, w.values(t, root+"/1/queues/1/members", "queueMemberId"))
		require.Empty(t, w.must(t, "GET", root+"/1/queues/2/members", ""))
		require.Empty(t, w.srv.store.memberships)
	})
	t.Run("queue", func(t *testing.T) {
		t.Parallel()
		w := withSamples(t)
		w.must(t, "DELETE", root+"/1/queues/1", "")
		status, _ := w.do(t, "GET", root+"/1/queues/1/members", "")
		require.Equal(t, 404, status)
		require.Len(t, w.srv.store.tables[queueMembers].rows, 1)
	})
	t.Run("device", func(t *testing.T) {
		t.Parallel()
		w := withSamples(t)
		w.must(t, "DELETE", root+"/1/devices/1", "")
		require.Empty(t, w.must(t, "GET", root+"/1/users/1/devices", ""))
	})
	t.Run("association", func(t *testing.T) {
		t.Parallel()
		w := withSamples(t)
		w.must(t, "DELETE", root+"/1/users/1/devices/1", "")
		first := w.must(t, "POST", root+"/1/users/1/devices", "pbxDeviceId=1")
		w.must(t, "DELETE", root+"/1/users/1/devices/1", "")
		require.NotEqual(t, first, w.must(t, "POST", root+"/1/users/1/devices", "pbxDeviceId=1"), "a new token")
		require.NotContains(t, w.must(t, "GET", root+"/1/users/1/devices/1", ""), "oken")
	})
}

func TestAddTwiceAndRemoveAbsent(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	w.must(t, "POST", root+"/1/groups/1/users", "userSpec[]=1&userSpec[]=1")
	w.must(t, "POST", root+"/1/users/1/groups", "groupSpec[]=1")
	require.Equal(t, []string{"1"}, w.values(t, root+"/1/groups/1/users", "userId"))
	w.must(t, "DELETE", root+"/1/groups/1/users", "userSpec[]=2") // not in the group
	require.Equal(t, []string{"1"}, w.values(t, root+"/1/groups/1/users", "userId"))
}

func TestMemberOrder(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	w.must(t, "POST", root+"/1/queues/1/members", "groupId=1&ringStrategy=all&ringAttempts=1&ringSecs=1&ringOrder=1")
	members := func(field string) string {
		return strings.Join(w.values(t, root+"/1/queues/1/members", field), " ")
	}
	require.Equal(t, "1 3 2", members("queueMemberId"), "by ringOrder, then by id")
	w.must(t, "PUT", root+"/1/queues/1/members/order", "queueMemberId[]=3&queueMemberId[]=2&queueMemberId[]=1")
	require.Equal(t, "3 2 1", members("queueMemberId"))
	require.Equal(t, "1 2 3", members("ringOrder"))
	w.must(t, "PUT", root+"/1/queues/1/members/order", "queueMemberId[9]=1&queueMemberId[]=2&queueMemberId[0]=3")
	require.Equal(t, "3 1 2", members("queueMemberId"), "by the keys, not by the order in the form")
	require.Equal(t, "1 2 3", members("ringOrder"))
	w.must(t, "POST", root+"/1/queues/1/members/3", "ringOrder=10")
	require.Equal(t, "1 2 3", members("queueMemberId"))
	w.must(t, "PUT", root+"/1/queues/1/members/order", "queueMemberId[]=3&queueMemberId[]=2&queueMemberId[]=1")
	for _, id := range []string{"1", "2", "3"} {
		w.must(t, "POST", root+"/1/queues/1/members/"+id, "ringOrder=4")
	}
	require.Equal(t, "1 2 3", members("queueMemberId"), "by id again")
}
