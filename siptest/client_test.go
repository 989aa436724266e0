package siptest

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestClients(t *testing.T) {
	t.Parallel()
	srv := New(t, Options{APIKey: "another-key"})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme", Rec: true})
	for name, client := range map[string]*infinitysip.Client{"socket": srv.Client(), "in process": srv.InProcessClient()} {
		t.Run(name, func(t *testing.T) {
			got, err := client.Domains.Get(t.Context(), domain)
			require.NoError(t, err)
			require.Equal(t, "Acme", got.DisplayName)
			require.True(t, got.Rec)
			require.JSONEq(t, `"domain1.sip.example.com"`, string(got.Extra["domain"]))
		})
	}
	seen := srv.Requests()
	require.Len(t, seen, 2)

	require.Panics(t, func() { srv.Client(infinitysip.WithHTTPClient(nil)) })
	srv.InProcessClient(infinitysip.WithUserAgent("mine"))
}

func TestOptionsOfTheCallerComeLast(t *testing.T) {
	t.Parallel()
	asked, other := New(t), New(t)
	client := asked.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: other.Transport()}))
	_, err := client.Domains.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, asked.Requests())
	require.Len(t, other.Requests(), 1)
}

func TestAddDomain(t *testing.T) {
	t.Parallel()
	srv := New(t)
	require.EqualValues(t, 40, srv.AddDomain(infinitysip.Domain{
		ID: 40, DisplayName: "Acme", Extra: map[string]json.RawMessage{"domain": json.RawMessage(`"acme.example.com"`)},
	}))
	require.EqualValues(t, 41, srv.AddDomain(infinitysip.Domain{}))
	require.Panics(t, func() { srv.AddDomain(infinitysip.Domain{ID: 40}) })
	w := inProcess(srv)
	require.Equal(t, []string{"acme.example.com", "domain41.sip.example.com"}, w.values(t, root, "domain"))
	require.Equal(t, []string{"Acme", ""}, w.values(t, root, "displayName"))

	w.must(t, "POST", root+"/41", "displayName=Other&rec=1")
	require.Equal(t, []infinitysip.Domain{
		{ID: 40, DisplayName: "Acme", Extra: map[string]json.RawMessage{"domain": json.RawMessage(`"acme.example.com"`)}},
		{ID: 41, DisplayName: "Other", Rec: true, Extra: map[string]json.RawMessage{"domain": json.RawMessage(`"domain41.sip.example.com"`)}},
	}, srv.Domains())
}

// TestReaders sends data to a server and reads it with Users, Groups and so on.
func TestReaders(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{Now: atNoon}))
	addSamples(t, w)
	w.must(t, "POST", root+"/1/users", "user=full&password=hunter2&displayName=d&extensionNumber=9&pin=4711&email=a&firstName=b&lastName=c"+
		"&jobName=e&departmentName=f&companyName=g&officeName=h&ukCallerId=i&usCallerId=j&mobileNumber=k&mobileFollow=1"+
		"&ukPhoneId=5&usPhoneId=6&hotdeskAllowed=1&dashboard=1")
	srv := w.srv

	found := srv.Users(1)
	require.Len(t, found, 3)
	full := found[2]
	require.Equal(t, "hunter2", full.Password.Reveal())
	require.Equal(t, "4711", full.PIN.Reveal())
	full.Password, full.PIN = infinitysip.Secret{}, infinitysip.Secret{}
	require.Equal(t, infinitysip.User{
		ID: 3, DomainID: 1, User: "full", DisplayName: "d", ExtensionNumber: "9", Email: "a", FirstName: "b", LastName: "c",
		JobName: "e", DepartmentName: "f", CompanyName: "g", OfficeName: "h", UKCallerID: "i", USCallerID: "j", MobileNumber: "k",
		MobileFollow: true, UKPhoneID: 5, USPhoneID: 6, HotdeskAllowed: true, Dashboard: true,
	}, full)

	require.Equal(t, []infinitysip.Group{
		{ID: 1, DomainID: 1, Name: "sales", DisplayName: "Sales", ExtensionNumber: "301", RingRetry: true},
		{ID: 2, DomainID: 1, Name: "help", DisplayName: "Help", ExtensionNumber: "302", RingExclusive: true, CallerNameFormat: "{dgrpName}"},
	}, srv.Groups(1))
	require.Equal(t, []infinitysip.UserID{1}, srv.GroupUsers(1, 1))
	require.Empty(t, srv.GroupUsers(1, 2))
	require.Equal(t, []infinitysip.Queue{
		{ID: 1, DomainID: 1, Name: "in", DisplayName: "In", ExtensionNumber: "401"},
		{ID: 2, DomainID: 1, Name: "out", DisplayName: "Out", ExtensionNumber: "402"},
	}, srv.Queues(1))
	w.must(t, "PUT", root+"/1/queues/1/members/order", "queueMemberId[]=2&queueMemberId[]=1")
	require.Equal(t, []infinitysip.QueueMember{
		{ID: 2, QueueID: 1, GroupID: 2, RingStrategy: infinitysip.RingHuntLongestIdle, RingSecs: 15, RingOrder: 1},
		{ID: 1, QueueID: 1, GroupID: 1, RingStrategy: infinitysip.RingAll, RingAttempts: 2, RingSecs: 20, RingOrder: 2},
	}, srv.QueueMembers(1, 1))
	require.Equal(t, []infinitysip.TrustedNetwork{
		{ID: 1, DomainID: 1, Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "office"},
		{ID: 2, DomainID: 1, Network: netip.MustParsePrefix("192.168.0.0/16")},
	}, srv.TrustedNetworks(1))
	require.Equal(t, []infinitysip.Device{
		{ID: 1, Name: "Lobby", DomainID: 1, MACAddress: "10:20:30:1A:2B:3C", Created: noon, Updated: noon, UserID: 1, User: "joe.blogs"},
		{ID: 2, Name: "Desk", DomainID: 1, MACAddress: "10:20:30:5C:4F:2A", Created: noon},
	}, srv.Devices(1))

	require.Empty(t, srv.Users(2))
	require.Empty(t, srv.GroupUsers(2, 1))
	require.Empty(t, srv.QueueMembers(2, 1), "the queue is in domain 1")
	require.Empty(t, srv.QueueMembers(1, 2))
}

// TestClientOnAFakeClock: a client's retries take no real time.
func TestClientOnAFakeClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := New(t)
		domain := srv.AddDomain(infinitysip.Domain{})
		srv.Fail(On("Users.List").Times(2).Status(503).Header("Retry-After", "30"))
		began := time.Now()
		_, err := srv.InProcessClient().Users.List(t.Context(), domain)
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), time.Minute)
		require.Len(t, srv.Requests(), 3)
	})
}
