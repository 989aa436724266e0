package siptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// recordingT stands in for the *testing.T that a test has.
type recordingT struct{ cleanups []func() }

func (*recordingT) Helper()                           {}
func (t *recordingT) Cleanup(f func())                { t.cleanups = append(t.cleanups, f) }
func (*recordingT) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func (t *recordingT) end() {
	for _, cleanup := range t.cleanups {
		cleanup()
	}
}

// The server closes when the test ends.
func ExampleNew() {
	t := &recordingT{} // in a test, its *testing.T
	srv := siptest.New(t, siptest.Options{BareNumbers: true})
	client := srv.Client()

	_, err := client.Domains.List(context.Background())
	fmt.Println(err)
	t.end()
	_, err = client.Domains.List(context.Background(), infinitysip.CallAttempts(1))
	fmt.Println("closed:", err != nil)
	// Output:
	// <nil>
	// closed: true
}

// A program that is no test has a server too, and closes it.
func ExampleNewServer() {
	srv := siptest.NewServer(siptest.Options{Username: "ops", Password: "secret"})
	defer srv.Close()
	srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	client, err := infinitysip.NewClient(infinitysip.BasicAuth("ops", "secret"),
		infinitysip.WithBaseURL(srv.URL()), infinitysip.WithInsecureHTTP())
	if err != nil {
		log.Fatal(err)
	}
	domains, err := client.Domains.List(context.Background())
	fmt.Println(len(domains), err)
	// Output: 1 <nil>
}

func ExampleServer_AddDomain() {
	srv := siptest.NewServer(siptest.Options{})
	acme := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	other := srv.AddDomain(infinitysip.Domain{ID: 40, DisplayName: "Other"})

	fmt.Println(acme, other)
	domain, err := srv.InProcessClient().Domains.Find(context.Background(), "Other")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(domain.ID, domain.DisplayName)
	// Output:
	// 1 40
	// 40 Other
}

// A group is empty at first. A client puts users into it.
func ExampleServer_AddGroup() {
	srv, client, domain := acme() // siptest.New(t), srv.InProcessClient(), srv.AddDomain(…)
	group := srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales", ExtensionNumber: "301"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})

	err := client.Users.AddGroups(context.Background(), domain, joe, []infinitysip.GroupID{group})
	fmt.Println(srv.GroupUsers(domain, group), err)
	// Output: [1] <nil>
}

func ExampleServer_AddQueue() {
	srv, client, domain := acme()
	queue := srv.AddQueue(domain, infinitysip.Queue{Name: "reception", DisplayName: "Reception", ExtensionNumber: "700"})

	err := client.Queues.Update(context.Background(), domain, queue, infinitysip.QueueUpdateParams{DisplayName: new("Front desk")})
	fmt.Println(srv.Queues(domain)[0].DisplayName, err)
	// Output: Front desk <nil>
}

// A row with a range, as no client could send it. The client reads it all the same.
func ExampleServer_AddTrustedNetwork() {
	srv, client, domain := acme()
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("203.0.113.0/24")})
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{
		Extra: map[string]json.RawMessage{"network": json.RawMessage(`"10.0.0.1-10.0.0.9"`)},
	})

	networks, err := client.TrustedNetworks.List(context.Background(), domain, nil)
	for _, network := range networks {
		fmt.Printf("%v %q\n", network.Network, string(network.Extra["network"]))
	}
	fmt.Println(err)
	// Output:
	// 203.0.113.0/24 ""
	// invalid Prefix "\"10.0.0.1-10.0.0.9\""
	// <nil>
}

// A device that a user has, and that was made years ago.
func ExampleServer_AddDevice() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	id := srv.AddDevice(domain, infinitysip.Device{
		Name: "Desk", MACAddress: "10:20:30:1A:2B:3C", UserID: joe, Created: time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC),
	})

	device, err := client.Devices.Get(context.Background(), domain, id)
	fmt.Println(device.Name, device.User, device.Created, device.Updated.IsZero(), err)
	// Output: Desk joe 2019-10-31 09:42:56 +0000 UTC true <nil>
}

// After a call the test looks at the data of the server, and needs no client for that.
func ExampleServer_Domains() {
	srv, client, domain := acme()
	err := client.Domains.Update(context.Background(), domain, infinitysip.DomainUpdateParams{DisplayName: "Acme Ltd"})
	fmt.Println(srv.Domains()[0].DisplayName, err)
	// Output: Acme Ltd <nil>
}

// The server shows what no client can read: the password and the PIN.
func ExampleServer_Users() {
	srv, client, domain := acme()
	if _, err := client.Users.Create(context.Background(), domain, joe); err != nil {
		log.Fatal(err)
	}
	for _, user := range srv.Users(domain) {
		fmt.Println(user.User, user.Password.Reveal() == joe.Password.Reveal())
	}
	// Output: joe true
}

func ExampleServer_Groups() {
	srv, client, domain := acme()
	if _, err := client.Groups.Create(context.Background(), domain, sales); err != nil {
		log.Fatal(err)
	}
	for _, group := range srv.Groups(domain) {
		fmt.Println(group.ID, group.Name, group.CallerNameFormat)
	}
	// Output: 1 sales {displayName}
}

func ExampleServer_GroupUsers() {
	srv, client, domain := acme()
	if err := addTeam(context.Background(), client, domain, "support", "joe", "ann", "bob"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(srv.GroupUsers(domain, 1))
	// Output: [1 2 3]
}

func ExampleServer_Queues() {
	srv, client, domain := acme()
	srv.AddQueue(domain, infinitysip.Queue{Name: "reception"})
	night := srv.AddQueue(domain, infinitysip.Queue{Name: "night"})
	if err := client.Queues.Delete(context.Background(), domain, night); err != nil {
		log.Fatal(err)
	}
	for _, queue := range srv.Queues(domain) {
		fmt.Println(queue.Name)
	}
	// Output: reception
}

// The members are in the order in which they ring.
func ExampleServer_QueueMembers() {
	srv, client, domain := acme()
	queue := srv.AddQueue(domain, infinitysip.Queue{Name: "reception"})
	ctx := context.Background()
	var members []infinitysip.QueueMemberID
	for _, name := range []string{"sales", "support"} {
		id, err := client.Queues.CreateMember(ctx, domain, queue, infinitysip.QueueMemberCreateParams{
			GroupID: srv.AddGroup(domain, infinitysip.Group{Name: name}), RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20,
		})
		if err != nil {
			log.Fatal(err)
		}
		members = append(members, id)
	}
	if err := client.Queues.SetMemberOrder(ctx, domain, queue, []infinitysip.QueueMemberID{members[1], members[0]}); err != nil {
		log.Fatal(err)
	}
	for _, member := range srv.QueueMembers(domain, queue) {
		fmt.Println(member.RingOrder, member.GroupID)
	}
	// Output:
	// 1 2
	// 2 1
}

func ExampleServer_TrustedNetworks() {
	srv, client, domain := acme()
	_, err := client.TrustedNetworks.Create(context.Background(), domain, infinitysip.TrustedNetworkCreateParams{
		Network: netip.MustParsePrefix("203.0.113.0/24"), Description: "Office",
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, network := range srv.TrustedNetworks(domain) {
		fmt.Println(network.Network, network.Description)
	}
	// Output: 203.0.113.0/24 Office
}

func ExampleServer_Devices() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	device := srv.AddDevice(domain, infinitysip.Device{Name: "Desk", MACAddress: "10:20:30:1A:2B:3C"})

	_, err := client.Users.AddDevice(context.Background(), domain, joe, device)
	fmt.Println(srv.Devices(domain)[0].User, err)
	// Output: joe <nil>
}

// The test checks what the program has sent. It clears the requests of the part that
// does not matter.
func ExampleServer_Requests() {
	srv, client, domain := acme()
	ctx := context.Background()
	id, err := client.Users.Create(ctx, domain, joe)
	if err != nil {
		log.Fatal(err)
	}
	srv.ResetRequests()

	err = client.Users.Update(ctx, domain, id, infinitysip.UserUpdateParams{Email: new(""), MobileFollow: new(true)})
	for _, request := range srv.Requests() {
		fmt.Println(request.Method, request.Path, request.Form.Encode(), request.Status)
	}
	fmt.Println(err)
	// Output:
	// POST /config/v2/sip/domains/1/users/1 email=&mobileFollow=1 204
	// <nil>
}

func ExampleServer_ResetRequests() {
	srv, client, domain := acme()
	for range 3 {
		if _, err := client.Users.List(context.Background(), domain); err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(srv.Requests()))
		srv.ResetRequests()
	}
	// Output:
	// 1
	// 1
	// 1
}

// The client of the server has its address and its key. It takes the options of any
// client.
func ExampleServer_Client() {
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	client := srv.Client(infinitysip.WithUserAgent("phonebook/1.2"))

	_, err := client.Domains.List(context.Background())
	fmt.Println(err, strings.HasPrefix(srv.Requests()[0].Header.Get("User-Agent"), "phonebook/1.2"))
	// Output: <nil> true
}

// A client without a socket opens no port.
func ExampleServer_InProcessClient() {
	srv := siptest.NewServer(siptest.Options{})
	srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	domains, err := srv.InProcessClient().Domains.List(context.Background())
	fmt.Println(domains[0].DisplayName, err)
	// Output: Acme <nil>
}

// A program makes its client itself. The test gives it a transport.
func ExampleServer_Transport() {
	srv := siptest.NewServer(siptest.Options{APIKey: "k"})
	srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	client, err := infinitysip.NewClient(infinitysip.APIKey("k"), infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}
	domains, err := client.Domains.List(context.Background())
	fmt.Println(len(domains), err)
	// Output: 1 <nil>
}

// A program in any language reaches the server at its URL.
func ExampleServer_URL() {
	srv := siptest.NewServer(siptest.Options{APIKey: "k"})
	defer srv.Close()
	srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	req, err := http.NewRequest("GET", srv.URL()+"/config/v2/sip/domains?display[]=domainId&display[]=displayName", nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Authorization", "ApiKey k")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.Status, string(body), err)
	// Output:
	// 200 OK {"domainId":"1","displayName":"Acme"}
	//  <nil>
}

// The address may be in use already.
func ExampleServer_Listen() {
	first := siptest.NewServer(siptest.Options{})
	defer first.Close()
	fmt.Println(first.Listen())

	second := siptest.NewServer(siptest.Options{Addr: strings.TrimPrefix(first.URL(), "http://")})
	defer second.Close()
	fmt.Println("in use:", second.Listen() != nil)
	// Output:
	// <nil>
	// in use: true
}

// The server goes away. Its data can still be read.
func ExampleServer_Close() {
	srv, client, domain := acme()
	if _, err := client.Users.Create(context.Background(), domain, joe); err != nil {
		log.Fatal(err)
	}
	srv.Close()

	_, err := client.Users.List(context.Background(), domain, infinitysip.CallAttempts(1))
	fmt.Println(err != nil, len(srv.Users(domain)))
	// Output: true 1
}

// The server closes the connections that are idle. The next call opens another.
func ExampleServer_CloseIdle() {
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	for range 3 {
		_, err := client.Domains.List(context.Background())
		fmt.Println(err)
		srv.CloseIdle()
	}
	opened, _ := srv.Connections()
	fmt.Println("at least three:", opened >= 3) // net/http may open one more, and not use it
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// at least three: true
}

// A program keeps its client, and so its connection.
func ExampleServer_Connections() {
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	client := srv.Client()

	for range 5 {
		if _, err := client.Domains.List(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
	opened, open := srv.Connections()
	fmt.Println(opened, open)
	// Output: 1 1
}

// The key is replaced while the program runs. It asks for the key before each attempt.
func ExampleServer_SetAPIKey() {
	srv := siptest.NewServer(siptest.Options{APIKey: "old"})
	vault := "old"
	client, err := infinitysip.NewClient(infinitysip.CredentialSource(func(context.Context) (infinitysip.Credentials, error) {
		return infinitysip.APIKey(vault), nil
	}), infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}

	srv.SetAPIKey("new")
	_, err = client.Domains.List(context.Background())
	fmt.Println("unauthorized:", errors.Is(err, infinitysip.ErrUnauthorized))
	vault = "new"
	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output:
	// unauthorized: true
	// <nil>
}

// The server refuses more than one request an hour, until the test lifts the limit.
func ExampleServer_SetLimit() {
	srv, client, _ := acme(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Nanosecond}))
	srv.SetLimit(&siptest.Limit{Requests: 1, Per: time.Hour, RetryAfter: siptest.RetryAfterSeconds})

	ctx := context.Background()
	_, err := client.Domains.List(ctx)
	fmt.Println(err)
	_, err = client.Domains.List(ctx)
	fmt.Println("limited:", errors.Is(err, infinitysip.ErrRateLimited))

	srv.SetLimit(nil)
	_, err = srv.InProcessClient().Domains.List(ctx) // another client, which was not refused
	fmt.Println(err)
	// Output:
	// <nil>
	// limited: true
	// <nil>
}

// What the limit refused was not applied. It is among the requests.
func ExampleServer_Refused() {
	srv := siptest.NewServer(siptest.Options{Limit: &siptest.Limit{Requests: 2, Per: time.Hour, RetryAfter: siptest.RetryAfterSeconds}})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Nanosecond}))

	err := addTeam(context.Background(), client, domain, "sales", "joe", "ann", "bob")
	fmt.Println(errors.Is(err, infinitysip.ErrRateLimited))
	fmt.Println("refused:", srv.Refused(), "users:", len(srv.Users(domain)))
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// true
	// refused: 1 users: 2
	// Users.Create 201
	// Users.Create 201
	// Users.Create 429
}

// A fault that never struck may be a test that tests nothing.
func ExampleServer_RequireFaultsUsed() {
	t := &recordingT{} // in a test, its *testing.T
	srv := siptest.New(t)
	srv.RequireFaultsUsed(t)
	srv.Fail(siptest.On("Users.Create").Nth(3).CommitThenDrop())

	t.end()
	// Output: siptest: On("Users.Create").Nth(3).CommitThenDrop() struck 0 times of 1
}

func ExampleServer_UnusedFaults() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Users.List").Times(2).Status(403))
	srv.Fail(siptest.On("Groups.*").Nth(1).Drop())

	_, err := client.Users.List(context.Background(), domain)
	fmt.Println(errors.Is(err, infinitysip.ErrForbidden))
	for _, unused := range srv.UnusedFaults() {
		fmt.Println(unused)
	}
	// Output:
	// true
	// On("Users.List").Times(2).Status(403) struck 1 times of 2
	// On("Groups.*").Nth(1).Drop() struck 0 times of 1
}

// A caller has given up on a create. Wait returns when it changes nothing more.
func ExampleServer_Wait() {
	srv, client, domain := acme()
	ctx, giveUp := context.WithCancel(context.Background())
	srv.Fail(siptest.On("Groups.Create").Before(func(*siptest.Server) { giveUp() }).HangThenCommit(10 * time.Millisecond))

	_, err := client.Groups.Create(ctx, domain, sales)
	fmt.Println(errors.Is(err, infinitysip.ErrOutcomeUnknown))
	srv.Wait()
	fmt.Println(len(srv.Groups(domain)))
	// Output:
	// true
	// 1
}
