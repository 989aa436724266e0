package siptest

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func extra(members ...string) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	for i := 0; i < len(members); i += 2 {
		m[members[i]] = appendString(nil, members[i+1])
	}
	return m
}

func TestSeededRows(t *testing.T) {
	t.Parallel()
	srv := New(t, Options{Now: atNoon})
	w := inProcess(srv)
	other := srv.AddDomain(infinitysip.Domain{ID: 3})
	domain := srv.AddDomain(infinitysip.Domain{ID: 2, Extra: extra("updateDatetime", "2018-01-01 00:00:00")})

	full := infinitysip.User{
		ID: 7, DomainID: domain, User: "full", DisplayName: "d", ExtensionNumber: "9", Email: "a", FirstName: "b", LastName: "c",
		JobName: "e", DepartmentName: "f", CompanyName: "g", OfficeName: "h", UKCallerID: "i", USCallerID: "j", MobileNumber: "k",
		MobileFollow: true, UKPhoneID: 5, USPhoneID: 6, HotdeskAllowed: true, Dashboard: true,
		Password: infinitysip.NewSecret("hunter2"), PIN: infinitysip.NewSecret("4711"),
	}
	require.EqualValues(t, 7, srv.AddUser(domain, full))
	got := srv.Users(domain)
	require.Len(t, got, 1)
	require.Equal(t, "hunter2", got[0].Password.Reveal())
	require.Equal(t, "4711", got[0].PIN.Reveal())
	full.Password, full.PIN, got[0].Password, got[0].PIN = infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}
	require.Equal(t, full, got[0])
	require.EqualValues(t, 8, srv.AddUser(other, infinitysip.User{DomainID: 99, Extra: extra("createDatetime", "2011-01-01 00:00:00", "unknown", "x")}))
	require.EqualValues(t, 9, srv.AddUser(other, infinitysip.User{}), "empty keys are not in use")
	require.EqualValues(t, 1, srv.AddUser(other, infinitysip.User{ID: 1, User: "full", ExtensionNumber: "9"}), "unique in the other domain")
	require.Equal(t, []string{"2019-10-31 12:00:00", "2011-01-01 00:00:00", "2019-10-31 12:00:00"}, w.values(t, root+"/3/users", "createDatetime"))
	require.Equal(t, []string{zeroDatetime, zeroDatetime, zeroDatetime}, w.values(t, root+"/3/users", "updateDatetime"))
	require.Equal(t, []string{"2018-01-01 00:00:00", zeroDatetime}, w.values(t, root, "updateDatetime"))

	group := infinitysip.Group{DomainID: domain, Name: "g", DisplayName: "G", ExtensionNumber: "2", RingRetry: true, CallerNameFormat: "{unknown}"}
	group.ID = srv.AddGroup(domain, group)
	require.Equal(t, []infinitysip.Group{group}, srv.Groups(domain))
	queue := infinitysip.Queue{DomainID: domain, Name: "q", DisplayName: "Q", ExtensionNumber: "3", CallerNameFormat: "x"}
	queue.ID = srv.AddQueue(domain, queue)
	require.Equal(t, []infinitysip.Queue{queue}, srv.Queues(domain))

	network := infinitysip.TrustedNetwork{DomainID: domain, Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "office"}
	network.ID = srv.AddTrustedNetwork(domain, network)
	odd := infinitysip.TrustedNetwork{DomainID: domain, Extra: extra("network", "10.0.20.10-99")}
	odd.ID = srv.AddTrustedNetwork(domain, odd)
	require.Equal(t, []infinitysip.TrustedNetwork{network, odd}, srv.TrustedNetworks(domain))

	day := time.Date(2012, 1, 2, 3, 4, 5, 0, time.UTC)
	owned := infinitysip.Device{
		ID: 5, Name: "Desk", DomainID: domain, MACAddress: "1020305c4f2a", UserID: 7, User: "full",
		Created: day, Updated: day.Add(time.Hour),
	}
	given := owned
	given.User, given.Created = "", day.In(time.FixedZone("", 3600))
	require.EqualValues(t, 5, srv.AddDevice(domain, given))
	orphan := infinitysip.Device{ID: 6, DomainID: domain, UserID: 1, User: "nobody", Created: noon}
	srv.AddDevice(domain, infinitysip.Device{UserID: 1, User: "nobody"})
	require.Equal(t, []infinitysip.Device{owned, orphan}, srv.Devices(domain))
	require.Equal(t, []string{"5"}, w.values(t, root+"/2/users/7/devices", "pbxDeviceId"))

	// The rules of uniqueness know seeded rows.
	for path, form := range map[string]string{
		"/users":           "user=full&password=p&displayName=x&extensionNumber=1",
		"/queues":          "queueName=x&displayName=x&extensionNumber=2",
		"/trustedNetworks": "network=10.0.20.0/24",
		"/devices":         "pbxDeviceName=x&deviceMacAddress=10:20:30:5C:4F:2A",
	} {
		status, _ := w.do(t, "POST", root+"/2"+path, form)
		require.Equal(t, 409, status, path)
	}
	require.Equal(t, `{"pbxDeviceId":"7"}`+"\n", w.must(t, "POST", root+"/2/devices", "pbxDeviceName=x&deviceMacAddress=10:20:30:5C:4F:2B"))
}

func TestImpossibleSeedsPanic(t *testing.T) {
	t.Parallel()
	srv := New(t)
	domain := srv.AddDomain(infinitysip.Domain{})
	srv.AddUser(domain, infinitysip.User{User: "joe", ExtensionNumber: "201"})
	for want, add := range map[string]func(){
		"siptest: domain 1 exists already": func() { srv.AddDomain(infinitysip.Domain{ID: 1}) },
		"siptest: domain 9 does not exist": func() { srv.AddQueue(9, infinitysip.Queue{}) },
		"siptest: user 1 exists already": func() {
			srv.AddUser(srv.AddDomain(infinitysip.Domain{}), infinitysip.User{ID: 1})
		},
		"siptest: group -1: an id is not negative":                      func() { srv.AddGroup(domain, infinitysip.Group{ID: -1}) },
		"siptest: the new user of domain 1: user is in use":             func() { srv.AddUser(domain, infinitysip.User{User: "joe"}) },
		"siptest: the new group of domain 1: extensionNumber is in use": func() { srv.AddGroup(domain, infinitysip.Group{ExtensionNumber: "201"}) },
	} {
		require.PanicsWithValue(t, want, add)
	}
	require.Len(t, srv.Users(domain), 1)

	many := New(t, Options{AllowDuplicates: true})
	domain = many.AddDomain(infinitysip.Domain{})
	for range 2 {
		many.AddUser(domain, infinitysip.User{User: "joe"})
	}
	require.Len(t, many.Users(domain), 2)
}
