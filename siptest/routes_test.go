package siptest

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRoutesMatchTheAPI compares the routes with endpoints.json, which has the
// data of the API's page.
func TestRoutesMatchTheAPI(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../testdata/endpoints.json")
	require.NoError(t, err)
	var endpoints []struct {
		SDK, Method, Path string
		Query             []string
		Form              []struct {
			Name, Type string
			Optional   bool
		}
	}
	require.NoError(t, json.Unmarshal(raw, &endpoints))
	require.NotEmpty(t, endpoints)
	require.Len(t, routes, len(endpoints))

	types := map[kind][]string{
		kindFlag:   {"int", "tinyint"},
		kindNumber: {"int"},
		kindID:     {"int"},
		kindIDs:    {"array"},
	}
	for i, want := range endpoints {
		got := routes[i]
		require.Equal(t, want.SDK, got.op)
		require.Equal(t, want.Method, got.method, got.op)
		require.Equal(t, want.Path, got.path, got.op)
		require.Equal(t, len(want.Query) > 0, got.listParams, got.op)
		require.Len(t, got.form, len(want.Form), got.op)
		for j, field := range want.Form {
			require.Equal(t, field.Name, got.form[j].name, got.op)
			require.Equal(t, field.Optional, got.form[j].optional, "%s %s", got.op, field.Name)
			allowed, ok := types[got.form[j].kind]
			if !ok {
				allowed = []string{"string"}
			}
			require.Contains(t, allowed, field.Type, "%s %s", got.op, field.Name)
		}
	}
}

const (
	never     = `"updateDatetime":"0000-00-00 00:00:00"`
	atNoonRow = `"createDatetime":"2019-10-31 12:00:00",` + never
	domainRow = `{"domainId":"1","domain":"acme.sip.example.com","displayName":"Acme","rec":"1",` + atNoonRow + "}\n"
	joeRow    = `{"userId":"1","domainId":"1","user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"201",` +
		`"email":"","firstName":"","lastName":"","jobName":"","departmentName":"","companyName":"","officeName":"",` +
		`"ukCallerId":"","usCallerId":"","mobileNumber":"","mobileFollow":"0","ukPhoneId":"0","usPhoneId":"0",` +
		`"hotdeskAllowed":"0","dashboard":"0",` + atNoonRow + "}\n"
	annRow = `{"userId":"2","domainId":"1","user":"ann","displayName":"Ann","extensionNumber":"202",` +
		`"email":"","firstName":"","lastName":"","jobName":"","departmentName":"","companyName":"","officeName":"",` +
		`"ukCallerId":"","usCallerId":"","mobileNumber":"","mobileFollow":"0","ukPhoneId":"0","usPhoneId":"0",` +
		`"hotdeskAllowed":"0","dashboard":"0",` + atNoonRow + "}\n"
	salesRow = `{"groupId":"1","domainId":"1","groupName":"sales","displayName":"Sales","extensionNumber":"301",` +
		`"ringRetry":"1","ringExclusive":"0","callerNameFormat":"",` + atNoonRow + "}\n"
	helpRow = `{"groupId":"2","domainId":"1","groupName":"help","displayName":"Help","extensionNumber":"302",` +
		`"ringRetry":"0","ringExclusive":"1","callerNameFormat":"{dgrpName}",` + atNoonRow + "}\n"
	groupUserRow  = `{"groupId":"1","userId":"1","user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"201"}` + "\n"
	userGroupRow  = `{"userId":"1","groupId":"1","groupName":"sales","displayName":"Sales","extensionNumber":"301"}` + "\n"
	userDeviceRow = `{"userId":"1","pbxDeviceId":"1","user":"joe.blogs","updateDatetime":"2019-10-31 12:00:00","pbxDeviceName":"Lobby"}` + "\n"
	queueRow      = `{"queueId":"1","domainId":"1","queueName":"in","displayName":"In","extensionNumber":"401","callerNameFormat":"",` +
		atNoonRow + "}\n"
	queue2Row = `{"queueId":"2","domainId":"1","queueName":"out","displayName":"Out","extensionNumber":"402","callerNameFormat":"",` +
		atNoonRow + "}\n"
	memberRow  = `{"queueMemberId":"1","queueId":"1","groupId":"1","ringStrategy":"all","ringAttempts":"2","ringSecs":"20","ringOrder":"1"}` + "\n"
	member2Row = `{"queueMemberId":"2","queueId":"1","groupId":"2","ringStrategy":"huntLongestIdle","ringAttempts":"0","ringSecs":"15","ringOrder":"2"}` + "\n"
	networkRow = `{"trustedNetworkId":"1","domainId":"1","network":"10.0.20.10\/24","description":"office",` + atNoonRow + "}\n"
	network2   = `{"trustedNetworkId":"2","domainId":"1","network":"192.168.0.0\/16","description":"",` + atNoonRow + "}\n"
	deviceRow  = `{"pbxDeviceId":"1","pbxDeviceName":"Lobby","domainId":"1","deviceMacAddress":"10:20:30:1A:2B:3C",` +
		`"createDatetime":"2019-10-31 12:00:00","updateDatetime":"2019-10-31 12:00:00","userId":"1","user":"joe.blogs"}` + "\n"
	device2Row = `{"pbxDeviceId":"2","pbxDeviceName":"Desk","domainId":"1","deviceMacAddress":"10:20:30:5C:4F:2A",` +
		atNoonRow + `,"userId":"0","user":""}` + "\n"
)

// TestEveryRoute calls each route once on both transports. It checks the effect
// with another route.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	tests := []struct {
		op, path, form string
		status         int
		body           string // after "~": a regular expression
		after          string // a path to read afterwards
		afterBody      string
	}{
		{op: "Domains.List", path: "", status: 200, body: domainRow},
		{op: "Domains.Get", path: "/1", status: 200, body: domainRow},
		{op: "Domains.Update", path: "/1", form: "displayName=Acme+Ltd&rec=0", status: 204, after: "/1",
			afterBody: `{"domainId":"1","domain":"acme.sip.example.com","displayName":"Acme Ltd","rec":"0",` +
				`"createDatetime":"2019-10-31 12:00:00","updateDatetime":"2019-10-31 12:00:00"}` + "\n"},
		{op: "Users.List", path: "/1/users", status: 200, body: joeRow + annRow},
		{op: "Users.Get", path: "/1/users/2", status: 200, body: annRow},
		{op: "Users.Create", path: "/1/users", form: "user=new&password=p&displayName=New&extensionNumber=203&mobileFollow=1&ukPhoneId=9",
			status: 201, body: `{"userId":"3"}` + "\n", after: "/1/users/3",
			afterBody: `~"user":"new","displayName":"New","extensionNumber":"203".*"mobileFollow":"1","ukPhoneId":"9"`},
		{op: "Users.Update", path: "/1/users/1", form: "email=joe@example.com", status: 204, after: "/1/users/1",
			afterBody: `~"user":"joe.blogs".*"email":"joe@example.com".*"updateDatetime":"2019-10-31 12:00:00"`},
		{op: "Users.Delete", path: "/1/users/1", status: 204, after: "/1/users", afterBody: annRow},
		{op: "Groups.List", path: "/1/groups", status: 200, body: salesRow + helpRow},
		{op: "Groups.Get", path: "/1/groups/1", status: 200, body: salesRow},
		{op: "Groups.Create", path: "/1/groups",
			form:   "groupName=new&displayName=New&extensionNumber=303&ringRetry=0&ringExclusive=0&callerNameFormat={displayName}+-+{srcPhoneNumber}",
			status: 201, body: `{"groupId":"3"}` + "\n", after: "/1/groups/3",
			afterBody: `~"groupName":"new".*"callerNameFormat":"\{displayName\} - \{srcPhoneNumber\}"`},
		{op: "Groups.Update", path: "/1/groups/1",
			form:   "groupName=sell&displayName=Sell&extensionNumber=301&ringRetry=0&ringExclusive=1&callerNameFormat=",
			status: 204, after: "/1/groups/1",
			afterBody: `~"groupName":"sell","displayName":"Sell","extensionNumber":"301","ringRetry":"0","ringExclusive":"1"`},
		{op: "Groups.Delete", path: "/1/groups/2", status: 204, after: "/1/groups", afterBody: salesRow},
		{op: "Groups.ListUsers", path: "/1/groups/1/users", status: 200, body: groupUserRow},
		{op: "Groups.AddUsers", path: "/1/groups/2/users", form: "userSpec[]=1&userSpec[]=2", status: 204,
			after: "/1/groups/2/users", afterBody: `~"userId":"1"(.|\n)*"userId":"2"`},
		{op: "Groups.RemoveUsers", path: "/1/groups/1/users", form: "userSpec[]=1", status: 204,
			after: "/1/groups/1/users", afterBody: ""},
		{op: "Users.ListDevices", path: "/1/users/1/devices", status: 200, body: userDeviceRow},
		{op: "Users.GetDevice", path: "/1/users/1/devices/1", status: 200, body: userDeviceRow},
		{op: "Users.AddDevice", path: "/1/users/2/devices", form: "pbxDeviceId=2", status: 201,
			body:  `~^\{"pbxDeviceId":"2","userId":"2","pbxDeviceToken":"[0-9a-f]{25}"\}` + "\n$",
			after: "/1/devices/2", afterBody: `~"userId":"2","user":"ann"`},
		{op: "Users.RemoveDevice", path: "/1/users/1/devices/1", status: 204, after: "/1/devices/1",
			afterBody: `~"userId":"0","user":""`},
		{op: "Users.ListGroups", path: "/1/users/1/groups", status: 200, body: userGroupRow},
		{op: "Users.AddGroups", path: "/1/users/2/groups", form: "groupSpec[]=2&groupSpec[]=1", status: 204,
			after: "/1/users/2/groups", afterBody: `~"groupId":"1"(.|\n)*"groupId":"2"`},
		{op: "Queues.List", path: "/1/queues", status: 200, body: queueRow + queue2Row},
		{op: "Queues.Get", path: "/1/queues/2", status: 200, body: queue2Row},
		{op: "Queues.Create", path: "/1/queues", form: "queueName=new&displayName=New&extensionNumber=403", status: 201,
			body: `{"queueId":"3"}` + "\n", after: "/1/queues/3", afterBody: `~"queueName":"new"`},
		{op: "Queues.Update", path: "/1/queues/1", form: "callerNameFormat={dgrpName}", status: 204, after: "/1/queues/1",
			afterBody: `~"queueName":"in".*"callerNameFormat":"\{dgrpName\}"`},
		{op: "Queues.Delete", path: "/1/queues/1", status: 204, after: "/1/queues", afterBody: queue2Row},
		{op: "Queues.ListMembers", path: "/1/queues/1/members", status: 200, body: memberRow + member2Row},
		{op: "Queues.GetMember", path: "/1/queues/1/members/2", status: 200, body: member2Row},
		{op: "Queues.CreateMember", path: "/1/queues/2/members",
			form:   "groupId=1&ringStrategy=all&ringAttempts=1&ringSecs=10&ringOrder=5",
			status: 201, body: `{"queueMemberId":"3"}` + "\n", after: "/1/queues/2/members",
			afterBody: `{"queueMemberId":"3","queueId":"2","groupId":"1","ringStrategy":"all","ringAttempts":"1","ringSecs":"10","ringOrder":"5"}` + "\n"},
		{op: "Queues.UpdateMember", path: "/1/queues/1/members/1", form: "ringSecs=0&ringOrder=7", status: 204,
			after: "/1/queues/1/members", afterBody: member2Row + strings.NewReplacer(`"ringSecs":"20"`, `"ringSecs":"0"`,
				`"ringOrder":"1"`, `"ringOrder":"7"`).Replace(memberRow)},
		{op: "Queues.DeleteMember", path: "/1/queues/1/members/1", status: 204, after: "/1/queues/1/members", afterBody: member2Row},
		{op: "Queues.SetMemberOrder", path: "/1/queues/1/members/order", form: "queueMemberId[]=2&queueMemberId[]=1", status: 204,
			after: "/1/queues/1/members", afterBody: strings.Replace(member2Row, `"ringOrder":"2"`, `"ringOrder":"1"`, 1) +
				strings.Replace(memberRow, `"ringOrder":"1"`, `"ringOrder":"2"`, 1)},
		{op: "TrustedNetworks.List", path: "/1/trustednetworks", status: 200, body: networkRow + network2},
		{op: "TrustedNetworks.Get", path: "/1/trustedNetworks/1", status: 200, body: networkRow},
		{op: "TrustedNetworks.Create", path: "/1/trustedNetworks", form: "network=2001:db8::1/64", status: 201,
			body: `{"trustedNetworkId":"3"}` + "\n", after: "/1/trustedNetworks/3", afterBody: `~"network":"2001:db8::1\\/64"`},
		{op: "TrustedNetworks.Update", path: "/1/trustedNetwork/1", form: "description=", status: 204,
			after: "/1/trustedNetworks/1", afterBody: `~"network":"10.0.20.10\\/24","description":""`},
		{op: "TrustedNetworks.Delete", path: "/1/trustedNetwork/1", status: 204, after: "/1/trustednetworks", afterBody: network2},
		{op: "Devices.List", path: "/1/devices", status: 200, body: deviceRow + device2Row},
		{op: "Devices.Get", path: "/1/devices/2", status: 200, body: device2Row},
		{op: "Devices.Create", path: "/1/devices", form: "pbxDeviceName=New&deviceMacAddress=1020.301a.2b3d", status: 201,
			body: `{"pbxDeviceId":"3"}` + "\n", after: "/1/devices/3", afterBody: `~"deviceMacAddress":"10:20:30:1A:2B:3D"`},
		{op: "Devices.Update", path: "/1/devices/2", form: "pbxDeviceName=Front+desk", status: 204, after: "/1/devices/2",
			afterBody: `~"pbxDeviceName":"Front desk"`},
		{op: "Devices.Delete", path: "/1/devices/1", status: 204, after: "/1/users/1/devices", afterBody: ""},
	}
	require.Len(t, tests, len(routes))
	same := func(t *testing.T, want, got string) {
		if re, ok := strings.CutPrefix(want, "~"); ok {
			require.Regexp(t, re, got)
			return
		}
		require.Equal(t, want, got)
	}
	for i, tt := range tests {
		require.Equal(t, routes[i].op, tt.op)
		t.Run(tt.op, func(t *testing.T) {
			t.Parallel()
			onBothTransports(t, Options{Now: atNoon}, func(t *testing.T, w wire) {
				addSamples(t, w)
				w.srv.ResetRequests()
				status, body := w.do(t, routes[i].method, root+tt.path, tt.form)
				require.Equal(t, tt.status, status, body)
				same(t, tt.body, body)
				seen := w.srv.Requests()
				require.Len(t, seen, 1)
				require.Equal(t, tt.op, seen[0].Op)
				require.Equal(t, tt.status, seen[0].Status)
				if tt.after != "" {
					same(t, tt.afterBody, w.must(t, "GET", root+tt.after, ""))
				}
			})
		})
	}
}

func TestPathsAreExact(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	tests := []struct {
		method, path string
		status       int
	}{
		{"GET", root + "/1/trustedNetworks", 405}, // this path is only for Create
		{"POST", root + "/1/trustednetworks", 405},
		{"GET", root + "/1/trustedNetwork/1", 405},
		{"POST", root + "/1/trustedNetworks/1", 405},
		{"DELETE", root + "/1/trustedNetworks/1", 405},
		{"GET", root + "/1/trustednetworks/1", 404},
		{"GET", root + "/1/trustedNetwork", 404},
		{"GET", root + "/1/TrustedNetworks/1", 404},
		{"GET", root + "/1/Users", 404},
		{"GET", root + "/", 404},
		{"GET", root + "/1/users/", 404},
		{"GET", root + "//1", 404},
		{"GET", "/config/v2/sip", 404},
		{"GET", "/", 404},
		{"GET", root + "/1/users%2F1", 404},
		{"GET", root + "/1/%75sers", 404},
		{"GET", root + "/0", 404},
		{"GET", root + "/-1", 404},
		{"GET", root + "/+1", 404},
		{"GET", root + "/01", 404},
		{"GET", root + "/1.0", 404},
		{"GET", root + "/abc", 404},
		{"GET", root + "/9223372036854775808", 404},
		{"GET", root + "/2", 404},
		{"GET", root + "/2/users", 404},
		{"GET", root + "/1/users/99", 404},
		{"GET", root + "/1/queues/2/members/1", 404}, // a member of queue 1
		{"GET", root + "/1/users/2/devices/1", 404},  // a device of user 1
		{"DELETE", root + "/1/users/2/devices/1", 404},
		{"DELETE", root + "/1/users/1/devices/2", 404},
		{"GET", root + "/1/queues/1/members/order", 405},
		{"PUT", root + "/1/queues/1/members/1", 405},
		{"PUT", root + "/1/queues/9/members/order", 404},
		{"DELETE", root + "/1", 405},
		{"POST", root, 405},
		{"PATCH", root + "/1/users/1", 405},
		{"HEAD", root, 405},
	}
	for _, tt := range tests {
		status, body := w.do(t, tt.method, tt.path, "")
		require.Equal(t, tt.status, status, "%s %s: %s", tt.method, tt.path, body)
	}
	for _, seen := range w.srv.Requests()[14:] {
		if seen.Status == http.StatusMethodNotAllowed {
			require.Empty(t, seen.Op)
		}
	}
}

func TestIDsOfAnotherDomain(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	w.srv.addDomain(0, "", "", false)
	require.Contains(t, w.must(t, "GET", root+"/2", ""), `"domain":"domain2.sip.example.com"`)
	for _, path := range []string{"/users/1", "/groups/1", "/groups/1/users", "/queues/1", "/queues/1/members",
		"/trustedNetworks/1", "/devices/1", "/users/1/devices", "/users/1/groups"} {
		status, _ := w.do(t, "GET", root+"/2"+path, "")
		require.Equal(t, 404, status, path)
	}
	w.must(t, "POST", root+"/2/groups", "groupName=sales&displayName=S&extensionNumber=301&ringRetry=0&ringExclusive=0&callerNameFormat=")
	status, _ := w.do(t, "POST", root+"/2/groups/3/users", "userSpec[]=1")
	require.Equal(t, 404, status)
}
