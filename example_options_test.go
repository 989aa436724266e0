package infinitysip_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// Credentials, and the Clients that have them.

// The error lists everything that is wrong with the arguments.
func ExampleNewClient() {
	_, err := infinitysip.NewClient(infinitysip.APIKey(""), infinitysip.WithBaseURL("http://api.example.com"), infinitysip.WithReadAhead(1000))

	if invalid, ok := errors.AsType[*infinitysip.ValidationError](err); ok {
		for _, field := range invalid.Fields {
			fmt.Printf("%s: %s\n", field.Field, field.Problem)
		}
	}
	// Output:
	// WithReadAhead: must be 0 to 100
	// credentials: the API key is empty
	// WithBaseURL: plain http to a host that is not loopback: use https, or WithInsecureHTTP
}

// The key is one that was made in the Hub.
func ExampleAPIKey() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key"}) // os.Getenv("INFINITY_API_KEY") for the real API
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

// The user name and the password are those of the Hub.
func ExampleBasicAuth() {
	srv := siptest.NewServer(siptest.Options{Username: "joe@example.com", Password: "correct horse"})
	client, err := infinitysip.NewClient(infinitysip.BasicAuth("joe@example.com", "correct horse"), infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

// The key is in INFINITY_API_KEY, or the user name and the password are in INFINITY_USERNAME
// and INFINITY_PASSWORD.
func ExampleCredentialsFromEnv() {
	_ = os.Setenv("INFINITY_API_KEY", "key") // export INFINITY_API_KEY=key
	defer func() { _ = os.Unsetenv("INFINITY_API_KEY") }()

	credentials, err := infinitysip.CredentialsFromEnv()
	if err != nil {
		log.Fatal(err)
	}
	srv := siptest.NewServer(siptest.Options{APIKey: "key"})
	client, err := infinitysip.NewClient(credentials, infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

// The key is in a file that another program renews.
func ExampleCredentialSource() {
	srv := siptest.NewServer(siptest.Options{APIKey: "first"})
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "infinity-key")
	credentials := infinitysip.CredentialSource(func(context.Context) (infinitysip.Credentials, error) {
		key, err := os.ReadFile(file)
		return infinitysip.APIKey(strings.TrimSpace(string(key))), err
	})
	client, err := infinitysip.NewClient(credentials, infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}

	for _, key := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			log.Fatal(err)
		}
		srv.SetAPIKey(key)
		_, err := client.Domains.List(context.Background())
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
}

// A service has a Client for each of its tenants, and all of them share the connections.
func ExampleClient_WithCredentials() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key-of-acme"})
	shared, err := infinitysip.NewClient(infinitysip.APIKey("key-of-acme"), infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}

	for _, key := range []string{"key-of-acme", "key-of-globex"} {
		client, err := shared.WithCredentials(infinitysip.APIKey(key), infinitysip.WithRateLimit(10, 1))
		if err != nil {
			log.Fatal(err)
		}
		_, err = client.Domains.List(context.Background())
		fmt.Println(errors.Is(err, infinitysip.ErrUnauthorized))
	}
	// Output:
	// false
	// true
}

// A program that makes no calls for hours closes its connections.
func ExampleClient_CloseIdleConnections() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key"})
	defer srv.Close()
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithBaseURL(srv.URL()))
	if err != nil {
		log.Fatal(err)
	}

	for range 2 {
		if _, err := client.Domains.List(context.Background()); err != nil {
			log.Fatal(err)
		}
		client.CloseIdleConnections()
	}
	opened, _ := srv.Connections()
	fmt.Println("connections:", opened) // it is 1 without CloseIdleConnections
	// Output: connections: 2
}

// Where the calls go, and how.

// The calls go to a gateway, which has the API below a path of its own.
func ExampleWithBaseURL() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key"})
	gateway := roundTripper(func(req *http.Request) (*http.Response, error) {
		fmt.Println(req.Method, req.URL)
		req = req.Clone(req.Context())
		req.URL.Path = strings.TrimPrefix(req.URL.Path, "/infinity")
		return srv.Transport().RoundTrip(req)
	})
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"),
		infinitysip.WithBaseURL("https://gateway.example.com/infinity"),
		infinitysip.WithTransport(gateway))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output:
	// GET https://gateway.example.com/infinity/config/v2/sip/domains
	// <nil>
}

// A Client refuses plain http, except to the same machine: anybody on the way can read the
// passwords.
func ExampleWithInsecureHTTP() {
	key, inTheLab := infinitysip.APIKey("key"), infinitysip.WithBaseURL("http://pbx.lab.example.com")

	_, err := infinitysip.NewClient(key, inTheLab)
	fmt.Println(errors.Is(err, infinitysip.ErrInvalid))
	_, err = infinitysip.NewClient(key, inTheLab, infinitysip.WithInsecureHTTP())
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Any http.RoundTripper can be the transport. This one prints each answer.
func ExampleWithTransport() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key"})
	recorder := roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := srv.Transport().RoundTrip(req) // infinitysip.NewTransport() for the real API
		if err == nil {
			fmt.Println(req.Method, req.URL.Path, resp.Status)
		}
		return resp, err
	})
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithTransport(recorder))
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output:
	// GET /config/v2/sip/domains 200 OK
	// <nil>
}

// The calls go through a proxy, over at most 16 connections.
func ExampleNewTransport() {
	transport := infinitysip.NewTransport()
	transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.com:3128"})
	transport.MaxConnsPerHost = 16
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithTransport(transport))
	fmt.Println(client != nil, err)
	// Output: true <nil>
}

// Only the Transport of an http.Client is used. A timeout is the context's, or one of Limits.
func ExampleWithHTTPClient() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key"})
	hc := &http.Client{Transport: srv.Transport(), Timeout: time.Minute}

	_, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithHTTPClient(hc))
	fmt.Println(err)
	hc.Timeout = 0
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithHTTPClient(hc))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output:
	// infinitysip: NewClient: invalid, nothing was sent: WithHTTPClient: its Timeout is not used: give each call a context with a deadline, or set Limits
	// <nil>
}

// A transport counts the requests of each call of the API.
func ExampleOperationFromContext() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key"})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	requests := map[string]int{}
	counter := roundTripper(func(req *http.Request) (*http.Response, error) {
		requests[infinitysip.OperationFromContext(req.Context())]++
		return srv.Transport().RoundTrip(req)
	})
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithTransport(counter))
	if err != nil {
		log.Fatal(err)
	}

	for range 2 {
		if _, err := client.Users.List(context.Background(), domain); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(requests)
	// Output: map[Users.List:2]
}

// The product stands before the name of this package, so that the server's log shows who
// calls.
func ExampleWithUserAgent() {
	srv, client, _ := acmeOnSiptest(infinitysip.WithUserAgent("acme-provisioner/1.2"))

	if _, err := client.Domains.List(context.Background()); err != nil {
		log.Fatal(err)
	}
	product, ours, _ := strings.Cut(srv.Requests()[0].Header.Get("User-Agent"), " ")
	fmt.Println(product, strings.HasPrefix(ours, "infinitysip-go"))
	// Output: acme-provisioner/1.2 true
}

// What a program sees of its calls.

// A call that fails is one record. Calls that succeed are records of the debug level.
func ExampleWithLogger() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "error" { // to keep this example short
				return slog.Attr{}
			}
			return a
		},
	}))
	_, client, domain := acmeOnSiptest(infinitysip.WithLogger(logger))

	_, err := client.Users.Get(context.Background(), domain, 7)
	fmt.Println(errors.Is(err, infinitysip.ErrNotFound))
	// Output:
	// level=WARN msg="infinitysip: a call failed" op=Users.Get method=GET path=/config/v2/sip/domains/1/users/7 attempts=1 status=404 outcome="not applied"
	// true
}

// The log has each request and each answer, without secrets. Here is the form of one.
func ExampleWithDebugLog() {
	var out strings.Builder // or os.Stderr
	_, client, domain := acmeOnSiptest(infinitysip.WithDebugLog(&out))

	_, err := client.Users.Create(context.Background(), domain, infinitysip.UserCreateParams{
		User:            "joe.blogs",
		Password:        infinitysip.NewSecret("correct horse battery staple"),
		DisplayName:     "Joe Blogs",
		ExtensionNumber: "0100",
	})
	if err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.ContainsAny(line, "/=") && !strings.Contains(line, ": ") { // without the headers
			fmt.Println(strings.TrimSpace(line))
		}
	}
	// Output:
	// POST /config/v2/sip/domains/1/users
	// displayName=Joe Blogs
	// extensionNumber=0100
	// password=[redacted]
	// user=joe.blogs
}

// Each request of a call is printed, and how the call ended.
func ExampleWithObserver() {
	srv, client, domain := acmeOnSiptest(
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Nanosecond}),
		infinitysip.WithObserver(infinitysip.Observer{
			Call: func(ctx context.Context, call infinitysip.CallInfo) (context.Context, func(infinitysip.CallResult)) {
				return ctx, func(r infinitysip.CallResult) { fmt.Println(call.Op, r.Attempts, "attempts:", r.Err) }
			},
			Attempt: func(ctx context.Context, attempt infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
				attempt.Header.Set("X-Trace", "7")
				return ctx, func(r infinitysip.AttemptResult) { fmt.Println(attempt.Method, attempt.PathTemplate, r.StatusCode) }
			},
		}))
	srv.Fail(siptest.On("Users.List").Times(1).Status(502))

	if _, err := client.Users.List(context.Background(), domain); err != nil {
		log.Fatal(err)
	}
	// Output:
	// GET /config/v2/sip/domains/{domainId}/users 502
	// GET /config/v2/sip/domains/{domainId}/users 200
	// Users.List 2 attempts: <nil>
}

// How much a call may take, and how often it is sent.

// A program whose user waits gives up sooner: two attempts, and a short wait between them.
func ExampleWithRetryPolicy() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{
		MaxAttempts: 2,
		BaseWait:    10 * time.Millisecond,
	}))
	srv.Fail(siptest.On("Users.List").Status(502))

	_, err := client.Users.List(context.Background(), domain)
	fmt.Println(err)
	// Output: infinitysip: Users.List: GET /config/v2/sip/domains/1/users: 502 Bad Gateway: bad gateway (after 2 attempts)
}

// The answer to a create is lost. Nobody else creates users here, so the client may set the
// password of the user that it finds. The call succeeds.
func ExampleRetryPolicy_settleSecrets() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true}))
	srv.Fail(siptest.On("Users.Create").Times(1).CommitThenDrop())

	id, err := client.Users.Create(context.Background(), domain, infinitysip.UserCreateParams{
		User: "joe.blogs", Password: infinitysip.NewSecret("correct horse battery staple"), DisplayName: "Joe Blogs", ExtensionNumber: "0100",
	})
	fmt.Println(id, err)
	for _, request := range srv.Requests() {
		fmt.Println(request.Op)
	}
	// Output:
	// 1 <nil>
	// Users.Create
	// Users.List
	// Users.Update
}

// A create is lost on its way. This server never takes longer than ResendAfter for a
// request. So the client looks, and sends the create once more.
func ExampleRetryPolicy_resendAfter() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{
		VerifyWaits: []time.Duration{0, 5 * time.Millisecond},
		ResendAfter: 10 * time.Millisecond, // a minute, say, for a real server
	}))
	srv.Fail(siptest.On("Devices.Create").Times(1).Drop())

	params := infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:1A:2B:3C"}
	id, err := client.Devices.Create(context.Background(), domain, params)
	fmt.Println(id, err, len(srv.Devices(domain)))
	// Output: 1 <nil> 1
}

// Adds go in batches of 100, and an answer must begin within 5 seconds.
func ExampleWithLimits() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithLimits(infinitysip.Limits{
		IDsPerRequest: 100,
		HeaderTimeout: 5 * time.Second,
	}))
	everybody := srv.AddGroup(domain, infinitysip.Group{Name: "everybody"})
	var users []infinitysip.UserID
	for i := range 250 {
		users = append(users, srv.AddUser(domain, infinitysip.User{User: fmt.Sprintf("user.%d", i)}))
	}

	err := client.Groups.AddUsers(context.Background(), domain, everybody, users)
	fmt.Println(len(srv.Requests()), "requests:", err)
	// Output: 3 requests: <nil>
}

// Two requests a minute. The third call would wait for longer than its context lasts, so it
// fails at once, and nothing is sent.
func ExampleWithRateLimit() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithRateLimit(2.0/60, 2))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	for range 3 {
		_, err := client.Users.List(ctx, domain)
		fmt.Println(errors.Is(err, infinitysip.ErrRateLimited))
	}
	fmt.Println(len(srv.Requests()), "requests")
	// Output:
	// false
	// false
	// true
	// 2 requests
}

// slots is a Limiter that several Clients share: a request takes a slot, and a timer gives
// one back. That of golang.org/x/time/rate can be used as it is.
type slots chan struct{}

func (s slots) Wait(ctx context.Context) error {
	select {
	case <-s:
		time.AfterFunc(time.Second, func() { s <- struct{}{} })
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Refused is not needed. With it, the server's own limit is seen.
func (s slots) Refused(after time.Duration) { fmt.Println("refused, try again after", after) }

// A Limiter has a method Wait, as that of golang.org/x/time/rate. This one is told, too, when
// the server refuses a request.
func ExampleWithLimiter() {
	perSecond := make(slots, 10)
	for range cap(perSecond) {
		perSecond <- struct{}{}
	}
	srv, client, _ := acmeOnSiptest(infinitysip.WithLimiter(perSecond))
	srv.Fail(siptest.On("Domains.List").Times(1).Status(429))

	_, err := client.Domains.List(context.Background())
	fmt.Println(err)
	// Output:
	// refused, try again after 0s
	// <nil>
}

// The client asks for a page when the loop needs it. So a loop that ends early makes no
// request in vain.
func ExampleWithReadAhead() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithReadAhead(0))
	for i := range 10 {
		srv.AddDevice(domain, infinitysip.Device{Name: fmt.Sprintf("Desk %d", i+1)})
	}

	for device, err := range client.Devices.All(context.Background(), domain, &infinitysip.DeviceListOptions{PageSize: 4}) {
		if err != nil {
			log.Fatal(err)
		}
		if device.Name == "Desk 3" {
			break
		}
	}
	fmt.Println(len(srv.Requests()), "request")
	// Output: 1 request
}

// Options for one call.

// A header for a gateway, which goes with every request of the call.
func ExampleCallHeader() {
	srv, client, domain := acmeOnSiptest()

	_, err := client.Users.List(context.Background(), domain, infinitysip.CallHeader("X-Correlation-Id", "order-4711"))
	fmt.Println(srv.Requests()[0].Header.Get("X-Correlation-Id"), err)
	// Output: order-4711 <nil>
}

// The rows have only the members that are named. The others are zero.
func ExampleCallParam() {
	srv, client, domain := acmeOnSiptest()
	srv.AddUser(domain, infinitysip.User{User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0100"})

	users, err := client.Users.List(context.Background(), domain, infinitysip.CallParam("display[]", "userId", "extensionNumber"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %q %q\n", users[0].ID, users[0].ExtensionNumber, users[0].DisplayName)
	// Output: 1 "0100" ""
}

// A health check is sent once, and tells at once.
func ExampleCallAttempts() {
	srv, client, _ := acmeOnSiptest()
	srv.Fail(siptest.On("Domains.List").Times(1).Status(503))

	_, err := client.Domains.List(context.Background(), infinitysip.CallAttempts(1))
	fmt.Println(errors.Is(err, infinitysip.ErrUnavailable), len(srv.Requests()))
	// Output: true 1
}

// The request id of an answer, for a question to the vendor's support.
func ExampleCallResponse() {
	srv, client, domain := acmeOnSiptest()
	srv.Fail(siptest.On("Devices.Create").Header("X-Request-Id", "7f3a9c"))

	var response infinitysip.Response
	_, err := client.Devices.Create(context.Background(), domain,
		infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:1A:2B:3C"},
		infinitysip.CallResponse(&response))
	fmt.Println(response.StatusCode, response.RequestID, response.Attempts, err)
	// Output: 201 7f3a9c 1 <nil>
}
