package command

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/demo"
	"github.com/infinitysip/infinitysip/siptest"
)

// A calledBy is a command, and the call of the API that it is there for, as the API's
// page has it.
type calledBy struct {
	args   []string
	op     string
	method string
	path   string     // in domain 1; or the whole of it
	query  url.Values // nil: any
	form   url.Values
}

func callTable(password, pin string) []calledBy {
	command := strings.Fields
	const root = "/config/v2/sip/domains"
	filtered := url.Values{"filter[]": {"pbxDeviceId-eq-value-1"}, "sort[]": {"pbxDeviceName-desc"}, "limit": {"1000"}}
	return []calledBy{
		{command("domains list"), "Domains.List", "GET", root, nil, nil},
		{command("domains get 1"), "Domains.Get", "GET", root + "/1", nil, nil},
		{command("domains update 1 --name acme2 --recorded"), "Domains.Update", "POST", root + "/1", nil, url.Values{"displayName": {"acme2"}, "rec": {"1"}}},

		{command("users list"), "Users.List", "GET", "/users", nil, nil},
		{command("users get 1"), "Users.Get", "GET", "/users/1", nil, nil},
		{append(command("users create x --extension 299 --name X --email x@example.com --first-name F --last-name L --job J --department D --company C --office O --uk-caller-id 1 --us-caller-id 2 --mobile 3 --mobile-follow --uk-phone-id 4 --us-phone-id 5 --hotdesk --dashboard=false"),
			"--password-file", password, "--pin-file", pin), "Users.Create", "POST", "/users", nil, url.Values{
			"user": {"x"}, "password": {"correct horse"}, "displayName": {"X"}, "pin": {"738291"}, "extensionNumber": {"299"}, "email": {"x@example.com"}, "firstName": {"F"}, "lastName": {"L"},
			"jobName": {"J"}, "departmentName": {"D"}, "companyName": {"C"}, "officeName": {"O"}, "ukCallerId": {"1"}, "usCallerId": {"2"}, "mobileNumber": {"3"}, "mobileFollow": {"1"},
			"ukPhoneId": {"4"}, "usPhoneId": {"5"}, "hotdeskAllowed": {"1"}, "dashboard": {"0"},
		}},
		{append(command("users update 1 --name X --email x@example.com --first-name F --last-name L --job J --department D --company C --office O --extension 298 --uk-caller-id 1 --us-caller-id 2 --mobile 3 --mobile-follow --hotdesk --dashboard=false"),
			"--password-file", password, "--pin-file", pin), "Users.Update", "POST", "/users/1", nil, url.Values{
			"password": {"correct horse"}, "displayName": {"X"}, "pin": {"738291"}, "email": {"x@example.com"}, "firstName": {"F"}, "lastName": {"L"},
			"jobName": {"J"}, "departmentName": {"D"}, "companyName": {"C"}, "officeName": {"O"}, "extensionNumber": {"298"}, "ukCallerId": {"1"}, "usCallerId": {"2"}, "mobileNumber": {"3"},
			"mobileFollow": {"1"}, "hotdeskAllowed": {"1"}, "dashboard": {"0"},
		}},
		{command("users delete 5 --yes"), "Users.Delete", "DELETE", "/users/5", nil, nil},

		{command("groups list"), "Groups.List", "GET", "/groups", nil, nil},
		{command("groups get 1"), "Groups.Get", "GET", "/groups/1", nil, nil},
		{command("groups create x --name X --extension 699 --ring-retry --ring-exclusive=false --caller-name {displayName}"), "Groups.Create", "POST", "/groups", nil, url.Values{
			"groupName": {"x"}, "displayName": {"X"}, "extensionNumber": {"699"}, "ringRetry": {"1"}, "ringExclusive": {"0"}, "callerNameFormat": {"{displayName}"},
		}},
		{command("groups update 1 --ring-retry=false"), "Groups.Update", "POST", "/groups/1", nil, url.Values{ // the API takes a group as a whole
			"groupName": {"sales"}, "displayName": {"Sales"}, "extensionNumber": {"601"}, "ringRetry": {"0"}, "ringExclusive": {"0"}, "callerNameFormat": {"{displayName} - {srcPhoneNumber}"},
		}},
		{command("groups delete 2 --yes"), "Groups.Delete", "DELETE", "/groups/2", nil, nil},
		{command("groups users list 1"), "Groups.ListUsers", "GET", "/groups/1/users", nil, nil},
		{command("groups users add 1 3 4"), "Groups.AddUsers", "POST", "/groups/1/users", nil, url.Values{"userSpec[]": {"3", "4"}}},
		{command("groups users remove 1 1 2"), "Groups.RemoveUsers", "DELETE", "/groups/1/users", nil, url.Values{"userSpec[]": {"1", "2"}}},

		{append(command("users devices list 1 --order-by -name --where"), "id = 1"), "Users.ListDevices", "GET", "/users/1/devices", filtered, nil},
		{command("users devices get 1 1"), "Users.GetDevice", "GET", "/users/1/devices/1", nil, nil},
		{command("users devices add 1 3 --show-secrets"), "Users.AddDevice", "POST", "/users/1/devices", nil, url.Values{"pbxDeviceId": {"3"}}},
		{command("users devices remove 1 1 --yes"), "Users.RemoveDevice", "DELETE", "/users/1/devices/1", nil, nil},
		{command("users groups list 1 --limit 7"), "Users.ListGroups", "GET", "/users/1/groups", url.Values{"limit": {"7"}, "sort[]": {"groupId-asc"}}, nil},
		{command("users groups add 1 1 2"), "Users.AddGroups", "POST", "/users/1/groups", nil, url.Values{"groupSpec[]": {"1", "2"}}},

		{command("queues list"), "Queues.List", "GET", "/queues", nil, nil},
		{command("queues get 1"), "Queues.Get", "GET", "/queues/1", nil, nil},
		{command("queues create x --name X --extension 799 --caller-name {displayName}"), "Queues.Create", "POST", "/queues", nil, url.Values{
			"queueName": {"x"}, "displayName": {"X"}, "extensionNumber": {"799"}, "callerNameFormat": {"{displayName}"},
		}},
		{command("queues update 1 --rename x --name X --extension 799 --caller-name {displayName}"), "Queues.Update", "POST", "/queues/1", nil, url.Values{
			"queueName": {"x"}, "displayName": {"X"}, "extensionNumber": {"799"}, "callerNameFormat": {"{displayName}"},
		}},
		{command("queues delete 1 --yes"), "Queues.Delete", "DELETE", "/queues/1", nil, nil},
		{command("queues members list 1 -o json"), "Queues.ListMembers", "GET", "/queues/1/members", nil, nil},
		{command("queues members get 1 1 -o json"), "Queues.GetMember", "GET", "/queues/1/members/1", nil, nil},
		{command("queues members add 1 1 --strategy huntLongestIdle --attempts 2 --secs 30 --order 4"), "Queues.CreateMember", "POST", "/queues/1/members", nil, url.Values{
			"groupId": {"1"}, "ringStrategy": {"huntLongestIdle"}, "ringAttempts": {"2"}, "ringSecs": {"30"}, "ringOrder": {"4"},
		}},
		{command("queues members update 1 1 --group 2 --strategy huntLongestIdle --attempts 2 --secs 30 --order 4"), "Queues.UpdateMember", "POST", "/queues/1/members/1", nil, url.Values{
			"groupId": {"2"}, "ringStrategy": {"huntLongestIdle"}, "ringAttempts": {"2"}, "ringSecs": {"30"}, "ringOrder": {"4"},
		}},
		{command("queues members remove 1 1 --yes"), "Queues.DeleteMember", "DELETE", "/queues/1/members/1", nil, nil},
		{command("queues order 1 2 1"), "Queues.SetMemberOrder", "PUT", "/queues/1/members/order", nil, url.Values{"queueMemberId[]": {"2", "1"}}},

		{command("networks list"), "TrustedNetworks.List", "GET", "/trustednetworks", nil, nil},
		{command("networks get 1"), "TrustedNetworks.Get", "GET", "/trustedNetworks/1", nil, nil},
		{command("networks create 10.0.20.10/24 --description X"), "TrustedNetworks.Create", "POST", "/trustedNetworks", nil, url.Values{"network": {"10.0.20.10/24"}, "description": {"X"}}},
		{command("networks update 1 --network 10.0.20.10/24 --description X"), "TrustedNetworks.Update", "POST", "/trustedNetwork/1", nil, url.Values{"network": {"10.0.20.10/24"}, "description": {"X"}}},
		{command("networks delete 1 --yes"), "TrustedNetworks.Delete", "DELETE", "/trustedNetwork/1", nil, nil},

		{command("devices list"), "Devices.List", "GET", "/devices", nil, nil},
		{command("devices get 1"), "Devices.Get", "GET", "/devices/1", nil, nil},
		{command("devices create 10-20-30-1a-2b-41 --name X"), "Devices.Create", "POST", "/devices", nil, url.Values{"pbxDeviceName": {"X"}, "deviceMacAddress": {"10:20:30:1A:2B:41"}}},
		{command("devices update 1 --name X"), "Devices.Update", "POST", "/devices/1", nil, url.Values{"pbxDeviceName": {"X"}}},
		{command("devices delete 5 --yes"), "Devices.Delete", "DELETE", "/devices/5", nil, nil},
	}
}

func TestEveryCallHasItsCommand(t *testing.T) {
	t.Parallel()
	password, pin := filepath.Join(t.TempDir(), "password.txt"), filepath.Join(t.TempDir(), "pin.txt")
	require.NoError(t, os.WriteFile(password, []byte("correct horse\n"), 0o600))
	require.NoError(t, os.WriteFile(pin, []byte("738291\n"), 0o600))
	table := callTable(password, pin)
	ops := map[string]bool{}
	for _, c := range table {
		ops[c.op] = true
	}
	require.Len(t, ops, 43)
	for _, c := range table {
		t.Run(c.op, func(t *testing.T) {
			t.Parallel()
			srv := siptest.NewServer(siptest.Options{})
			t.Cleanup(srv.Close)
			_, err := demo.Office(t.Context(), srv)
			require.NoError(t, err)
			args := c.args
			if !strings.HasPrefix(c.path, "/config/") {
				args = append(args, "--domain", "1")
				c.path = "/config/v2/sip/domains/1" + c.path
			}
			got := onServer(t.Context(), t, srv, &app{}, args...)
			require.Zero(t, got.code, "%v", got)
			var found []siptest.Request
			for _, r := range srv.Requests() {
				if r.Op == c.op {
					found = append(found, r)
				}
			}
			require.NotEmpty(t, found)
			if c.method != http.MethodGet { // a list may take another request, to see that it has ended
				require.Len(t, found, 1)
			}
			r := found[0]
			require.Equal(t, c.method, r.Method)
			require.Equal(t, c.path, r.Path)
			if c.query != nil {
				require.Equal(t, c.query, r.Query)
			}
			if c.form == nil {
				require.Empty(t, r.Form)
			} else {
				require.Equal(t, c.form, r.Form)
			}
		})
	}
}
