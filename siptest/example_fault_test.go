package siptest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"syscall"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// acme returns a server with one domain, and a client that reaches it in process.
func acme(opts ...infinitysip.Option) (*siptest.Server, *infinitysip.Client, infinitysip.DomainID) {
	srv := siptest.NewServer(siptest.Options{})
	return srv, srv.InProcessClient(opts...), srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
}

// joe and sales are what the examples create.
var (
	joe = infinitysip.UserCreateParams{
		User: "joe", Password: infinitysip.NewSecret("correct horse battery staple"), DisplayName: "Joe", ExtensionNumber: "201",
	}
	sales = infinitysip.GroupCreateParams{
		Name: "sales", DisplayName: "Sales", ExtensionNumber: "301", CallerNameFormat: "{displayName}",
	}
)

// A name chooses one call, all calls of a service, or all calls.
func ExampleOn() {
	srv, client, domain := acme() // siptest.New(t), srv.InProcessClient(), srv.AddDomain(…)
	srv.Fail(siptest.On("Users.List").Status(401))
	srv.Fail(siptest.On("Users.*").Status(403))

	ctx := context.Background()
	_, err := client.Users.List(ctx, domain)
	fmt.Println("list users:", errors.Is(err, infinitysip.ErrUnauthorized))
	_, err = client.Users.Get(ctx, domain, 1)
	fmt.Println("get a user:", errors.Is(err, infinitysip.ErrForbidden))
	_, err = client.Groups.List(ctx, domain)
	fmt.Println("list groups:", err)
	// Output:
	// list users: true
	// get a user: true
	// list groups: <nil>
}

// The import of a list stops halfway.
func ExampleFault_Nth() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Devices.Create").Nth(2).Status(403))

	for _, mac := range []string{"10:20:30:1A:2B:01", "10:20:30:1A:2B:02", "10:20:30:1A:2B:03"} {
		_, err := client.Devices.Create(context.Background(), domain, infinitysip.DeviceCreateParams{Name: "Desk", MACAddress: mac})
		fmt.Println(mac, errors.Is(err, infinitysip.ErrForbidden))
	}
	// Output:
	// 10:20:30:1A:2B:01 false
	// 10:20:30:1A:2B:02 true
	// 10:20:30:1A:2B:03 false
}

// The server is down for two requests. The client tries again, and the program
// does not notice.
func ExampleFault_Times() {
	srv, client, domain := acme(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))
	srv.Fail(siptest.On("*").Times(2).Status(502))

	_, err := client.Users.List(context.Background(), domain)
	fmt.Println("error:", err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// error: <nil>
	// Users.List 502
	// Users.List 502
	// Users.List 200
}

// An outage lasts a minute by the server's clock, which the test sets.
func ExampleFault_For() {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	srv := siptest.NewServer(siptest.Options{Now: func() time.Time { return now }})
	srv.Fail(siptest.On("*").For(time.Minute).Status(503))
	client := srv.InProcessClient()

	for range 3 {
		_, err := client.Domains.List(context.Background(), infinitysip.CallAttempts(1))
		fmt.Println(now.Format("15:04:05"), "down:", errors.Is(err, infinitysip.ErrUnavailable))
		now = now.Add(30 * time.Second)
	}
	// Output:
	// 09:00:00 down: true
	// 09:00:30 down: true
	// 09:01:00 down: false
}

// The server refuses a call. Nothing is applied.
func ExampleFault_Status() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.Delete").Status(403))

	err := client.Users.Delete(context.Background(), domain, joe)
	fmt.Println(errors.Is(err, infinitysip.ErrForbidden), len(srv.Users(domain)))
	// Output: true 1
}

// A gateway gives up on a delete that the server then carries out. The client sends
// it again. The 404 says that the user is gone, so the call has succeeded.
func ExampleFault_CommitThenStatus() {
	srv, client, domain := acme(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.Delete").Times(1).CommitThenStatus(504))

	err := client.Users.Delete(context.Background(), domain, joe)
	fmt.Println("error:", err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// error: <nil>
	// Users.Delete 504
	// Users.Delete 404
}

// The text of the server is in the error.
func ExampleFault_Body() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Users.List").Status(403).Body("your plan has no users"))

	_, err := client.Users.List(context.Background(), domain)
	fmt.Println(err)

	// A new member of a row.
	srv.Fail(siptest.On("Users.Get").Status(200).Body(`{"userId": "7", "user": "joe", "voicemail": "1"}`))
	user, err := client.Users.Get(context.Background(), domain, 7)
	fmt.Println(user.User, string(user.Extra["voicemail"]), err)
	// Output:
	// infinitysip: Users.List: GET /config/v2/sip/domains/1/users: 403 Forbidden: your plan has no users
	// joe "1" <nil>
}

// The server asks for a longer wait than the program accepts.
func ExampleFault_Header() {
	srv, client, domain := acme(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Minute}))
	srv.Fail(siptest.On("*").Status(429).Header("Retry-After", "3600").Header("X-Request-Id", "a1b2"))

	_, err := client.Queues.List(context.Background(), domain, nil)
	if failure, ok := errors.AsType[*infinitysip.Error](err); ok {
		fmt.Println(errors.Is(err, infinitysip.ErrRateLimited), failure.RetryAfter, failure.RequestID)
	}
	// Output: true 1h0m0s a1b2
}

// The answers have the line ends of another system.
func ExampleFault_Rewrite() {
	srv, client, domain := acme()
	srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.AddUser(domain, infinitysip.User{User: "ann"})
	srv.Fail(siptest.On("Users.List").Rewrite(func(body []byte) []byte {
		return bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))
	}))

	users, err := client.Users.List(context.Background(), domain)
	fmt.Println(len(users), err)
	// Output: 2 <nil>
}

// The connection closes before the request is applied. The client sends it again.
func ExampleFault_Drop() {
	srv, client, domain := acme(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.Update").Nth(1).Drop())

	err := client.Users.Update(context.Background(), domain, joe, infinitysip.UserUpdateParams{Email: new("joe@example.com")})
	fmt.Println(err, srv.Users(domain)[0].Email)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status) // 0: no answer
	}
	// Output:
	// <nil> joe@example.com
	// Users.Update 0
	// Users.Update 204
}

// The group is there, but the answer with its id is lost. The client looks for the
// group, and finds it.
func ExampleFault_CommitThenDrop() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Groups.Create").CommitThenDrop())

	id, err := client.Groups.Create(context.Background(), domain, sales)
	fmt.Println("id:", id, "error:", err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// id: 1 error: <nil>
	// Groups.Create 0
	// Groups.List 200
}

// The error tells how the connection ended.
func ExampleFault_Reset() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("*").Reset())

	_, err := client.Users.List(context.Background(), domain, infinitysip.CallAttempts(1))
	fmt.Println(errors.Is(err, syscall.ECONNRESET))
	// Output: true
}

// The user is there, but no row shows whether the password is the one that was sent.
// So the program sets it.
func ExampleFault_CommitThenReset() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Users.Create").CommitThenReset())

	ctx := context.Background()
	_, err := client.Users.Create(ctx, domain, joe)
	failure, ok := errors.AsType[*infinitysip.Error](err)
	if !ok || !errors.Is(err, infinitysip.ErrOutcomeUnknown) || len(failure.Found) != 1 {
		log.Fatal(err)
	}
	id := infinitysip.UserID(failure.Found[0])
	err = client.Users.Update(ctx, domain, id, infinitysip.UserUpdateParams{Password: &joe.Password})
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// Over HTTP/2 only the stream ends. The next attempt has the same connection.
func ExampleFault_ResetStream() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true})
	defer srv.Close()
	srv.Fail(siptest.On("Domains.List").Times(1).ResetStream())
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	_, err := client.Domains.List(context.Background())
	opened, open := srv.Connections()
	fmt.Println(err, len(srv.Requests()), opened, open)
	// Output: <nil> 2 1 1
}

// The queue is there. The client finds it.
func ExampleFault_CommitThenResetStream() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Queues.Create").CommitThenResetStream())

	id, err := client.Queues.Create(context.Background(), domain, infinitysip.QueueCreateParams{
		Name: "reception", DisplayName: "Reception", ExtensionNumber: "700", CallerNameFormat: "{displayName}",
	})
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// With REFUSED_STREAM the server says that it has not processed the request.
func ExampleFault_ResetStreamWith() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true})
	defer srv.Close()
	srv.Fail(siptest.On("Domains.List").Times(1).ResetStreamWith(siptest.StreamRefused))
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	_, err := client.Domains.List(context.Background())
	fmt.Println("error:", err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// error: <nil>
	// Domains.List 0
	// Domains.List 200
}

// The server lies: it says that it has not processed the request, but the group is
// there. The client looks before it sends a create again.
func ExampleFault_CommitThenResetStreamWith() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Groups.Create").CommitThenResetStreamWith(siptest.StreamRefused))

	id, err := srv.Client().Groups.Create(context.Background(), domain, sales)
	fmt.Println(id, err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// 1 <nil>
	// Groups.Create 0
	// Groups.List 200
}

// A server that shuts down says that it has not processed the request. The client
// sends the delete again, over a new connection.
func ExampleFault_GoAway() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.Delete").Times(1).GoAway())
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	err := client.Users.Delete(context.Background(), domain, joe)
	opened, _ := srv.Connections()
	fmt.Println(err, len(srv.Users(domain)), "users, another connection:", opened > 1)
	// Output: <nil> 0 users, another connection: true
}

// The server says that it has processed the request, but there is no answer. The
// client looks for the network.
func ExampleFault_CommitThenGoAway() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("TrustedNetworks.Create").CommitThenGoAway())

	id, err := srv.Client().TrustedNetworks.Create(context.Background(), domain, infinitysip.TrustedNetworkCreateParams{
		Network: netip.MustParsePrefix("203.0.113.0/24"), Description: "Office",
	})
	fmt.Println(id, err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// 1 <nil>
	// TrustedNetworks.Create 0
	// TrustedNetworks.List 200
}

// The server shuts down between two requests of a connection. It answers the first.
func ExampleFault_GoAwayBelow() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Groups.List").Times(1).GoAwayBelow())
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	ctx := context.Background()
	_, first := client.Users.List(ctx, domain)
	_, second := client.Groups.List(ctx, domain)
	fmt.Println(first, second)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// <nil> <nil>
	// Users.List 200
	// Groups.List 0
	// Groups.List 200
}

// The server lies: it has deleted the user, and says that it has not. The client sends
// the delete again, and takes the 404 for a success.
func ExampleFault_CommitThenGoAwayBelow() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.Delete").Times(1).CommitThenGoAwayBelow())
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	err := client.Users.Delete(context.Background(), domain, joe)
	fmt.Println("error:", err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// error: <nil>
	// Users.Delete 0
	// Users.Delete 404
}

// The server takes a request and never answers. The caller gives up.
func ExampleFault_Hang() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	ctx, giveUp := context.WithCancel(context.Background())
	srv.Fail(siptest.On("Users.Delete").Before(func(*siptest.Server) { giveUp() }).Hang())

	err := client.Users.Delete(ctx, domain, joe)
	fmt.Println(errors.Is(err, context.Canceled), errors.Is(err, infinitysip.ErrOutcomeUnknown))
	fmt.Println(len(srv.Users(domain)))
	// Output:
	// true true
	// 1
}

// The delete is applied, and the caller does not hear of it.
func ExampleFault_CommitThenHang() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	ctx, giveUp := context.WithCancel(context.Background())
	srv.Fail(siptest.On("Users.Delete").After(func(*siptest.Server) { giveUp() }).CommitThenHang())

	err := client.Users.Delete(ctx, domain, joe)
	fmt.Println(errors.Is(err, context.Canceled), errors.Is(err, infinitysip.ErrOutcomeUnknown))
	fmt.Println(len(srv.Users(domain)))
	// Output:
	// true true
	// 0
}

// A slow server applies the delete long after the caller has given up. Wait waits for
// that.
func ExampleFault_HangThenCommit() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	ctx, giveUp := context.WithCancel(context.Background())
	srv.Fail(siptest.On("Users.Delete").Before(func(*siptest.Server) { giveUp() }).HangThenCommit(20 * time.Millisecond))

	err := client.Users.Delete(ctx, domain, joe)
	fmt.Println(errors.Is(err, infinitysip.ErrOutcomeUnknown))
	srv.Wait()
	fmt.Println(len(srv.Users(domain)))
	// Output:
	// true
	// 0
}

// The request takes a long time to arrive. The caller's deadline comes first, and
// nothing is applied.
func ExampleFault_Latency() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.Delete").Latency(time.Hour))

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := client.Users.Delete(ctx, domain, joe)
	srv.Wait()
	fmt.Println(errors.Is(err, context.DeadlineExceeded), len(srv.Users(domain)))
	// Output: true 1
}

// The answer begins late.
func ExampleFault_SlowHeaders() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Groups.Create").SlowHeaders(20 * time.Millisecond))

	began := time.Now()
	id, err := client.Groups.Create(context.Background(), domain, sales)
	fmt.Println(id, err, time.Since(began) >= 20*time.Millisecond)
	// Output: 1 <nil> true
}

// The rows of a long list trickle in. An All hands on each row as it arrives.
func ExampleFault_SlowBody() {
	srv, client, domain := acme()
	srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.AddUser(domain, infinitysip.User{User: "ann"})
	srv.Fail(siptest.On("Users.List").SlowBody(64, time.Millisecond))

	for user, err := range client.Users.All(context.Background(), domain) {
		fmt.Println(user.User, err)
	}
	// Output:
	// joe <nil>
	// ann <nil>
}

// The connection breaks within the body. The client reads the list again.
func ExampleFault_Truncate() {
	srv, client, domain := acme(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))
	srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.List").Times(1).Truncate(20))

	users, err := client.Users.List(context.Background(), domain)
	fmt.Println(len(users), err, len(srv.Requests()))
	// Output: 1 <nil> 2
}

// The connection breaks after a whole row, each time. A List is an error then, never
// a shorter list. An All has handed on the row, and ends with the error.
func ExampleFault_TruncateRows() {
	srv, client, domain := acme(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))
	srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.AddUser(domain, infinitysip.User{User: "ann"})
	srv.Fail(siptest.On("Users.List").TruncateRows(1))

	ctx := context.Background()
	users, err := client.Users.List(ctx, domain)
	fmt.Println(len(users), err != nil)
	for user, err := range client.Users.All(ctx, domain) {
		fmt.Println(user.User, err != nil)
	}
	// Output:
	// 0 true
	// joe false
	//  true
}

// Without a length and without chunks no client can notice that rows are missing.
func ExampleFault_Framing() {
	srv, client, domain := acme()
	srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.AddUser(domain, infinitysip.User{User: "ann"})
	srv.Fail(siptest.On("Users.List").TruncateRows(1).Framing(siptest.FramingClose))

	users, err := client.Users.List(context.Background(), domain)
	fmt.Println(len(users), err)
	// Output: 1 <nil>
}

// The text of an error never ends. The client reads no more of it than it needs.
func ExampleFault_Endless() {
	srv, client, domain := acme(infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: 1000}))
	srv.Fail(siptest.On("Users.List").Status(403).Body("no entry ").Endless())

	_, err := client.Users.List(context.Background(), domain)
	if failure, ok := errors.AsType[*infinitysip.Error](err); ok {
		fmt.Println(failure.StatusCode, len(failure.Body) <= 1000)
	}
	// Output: 403 true
}

// What answers is not the API.
func ExampleFault_Raw() {
	srv, client, _ := acme()
	srv.Fail(siptest.On("*").Raw("SSH-2.0-OpenSSH_9.6\r\n"))

	_, err := client.Domains.List(context.Background(), infinitysip.CallAttempts(1))
	failure, ok := errors.AsType[*infinitysip.Error](err)
	fmt.Println(ok, failure.StatusCode)
	// Output: true 0
}

// A proxy answers for the server, in HTTP/1.0, and with a page. The client finds the
// group all the same.
func ExampleFault_CommitThenRaw() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Groups.Create").CommitThenRaw("HTTP/1.0 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<h1>Bad Gateway</h1>"))

	id, err := client.Groups.Create(context.Background(), domain, sales)
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// A proxy gives an answer that nobody asked for, as some do when a connection is idle
// for long. The next call does not take it for its own answer.
func ExampleFault_Stray() {
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Domains.List").Stray("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", 0))
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	ctx := context.Background()
	_, err := client.Domains.List(ctx)
	fmt.Println(err)
	_, err = client.Users.List(ctx, domain)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

// A proxy removes the body of a DELETE. So the server does not know who should
// leave the group.
func ExampleFault_StripBody() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	group := srv.AddGroup(domain, infinitysip.Group{Name: "sales"})
	ctx := context.Background()
	if err := client.Groups.AddUsers(ctx, domain, group, []infinitysip.UserID{joe}); err != nil {
		log.Fatal(err)
	}
	srv.Fail(siptest.On("Groups.RemoveUsers").StripBody())

	err := client.Groups.RemoveUsers(ctx, domain, group, []infinitysip.UserID{joe})
	fmt.Println(errors.Is(err, infinitysip.ErrInvalid), srv.GroupUsers(domain, group))
	// Output: true [1]
}

// Somebody else deletes a user right before this program changes it.
func ExampleFault_Before() {
	srv, client, domain := acme()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Fail(siptest.On("Users.Update").Before(func(srv *siptest.Server) {
		if err := srv.InProcessClient().Users.Delete(context.Background(), domain, joe); err != nil {
			log.Fatal(err)
		}
	}))

	err := client.Users.Update(context.Background(), domain, joe, infinitysip.UserUpdateParams{DisplayName: new("Joe")})
	fmt.Println(errors.Is(err, infinitysip.ErrNotFound))
	// Output: true
}

// The key is replaced right after a list was made.
func ExampleFault_After() {
	srv, client, domain := acme()
	srv.Fail(siptest.On("Users.List").After(func(srv *siptest.Server) { srv.SetAPIKey("another") }))

	ctx := context.Background()
	_, err := client.Users.List(ctx, domain)
	fmt.Println(err)
	_, err = client.Users.Create(ctx, domain, joe)
	fmt.Println(errors.Is(err, infinitysip.ErrUnauthorized))
	// Output:
	// <nil>
	// true
}

// A test that fails shows the fault.
func ExampleFault_String() {
	fmt.Println(siptest.On("Users.Create").Nth(3).CommitThenDrop())
	fmt.Println(siptest.On("*").For(time.Minute).Status(503).Header("Retry-After", "1"))
	// Output:
	// On("Users.Create").Nth(3).CommitThenDrop()
	// On("*").For(1m0s).Status(503).Header("Retry-After", "1")
}

func ExampleStreamCode_String() {
	fmt.Println(siptest.StreamRefused, siptest.StreamCancel)
	// Output: REFUSED_STREAM CANCEL
}
