package infinitysip_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// acmeOnSiptest is a client on a server in memory, so that the examples run.
func acmeOnSiptest() (*infinitysip.Client, infinitysip.DomainID) {
	srv := siptest.NewServer(siptest.Options{})
	return srv.InProcessClient(), srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
}

func Example() {
	client, domain := acmeOnSiptest() // NewClient(APIKey(key)) for the real API
	ctx := context.Background()

	id, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{
		User:            "joe.blogs",
		Password:        infinitysip.NewSecret("correct horse battery staple"),
		DisplayName:     "Joe Blogs",
		ExtensionNumber: "0100",
	})
	if err != nil {
		log.Fatal(err)
	}
	err = client.Users.Update(ctx, domain, id, infinitysip.UserUpdateParams{DisplayName: new("Joe B.")})
	if err != nil {
		log.Fatal(err)
	}
	for user, err := range client.Users.All(ctx, domain) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.ExtensionNumber, user.DisplayName)
	}
	// Output: 0100 Joe B.
}

func ExampleWhere() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	for i, name := range []string{"Lobby 1", "Hall", "Lobby 2"} {
		_, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: name, MACAddress: fmt.Sprintf("10-20-30-1A-2B-%02X", i)})
		if err != nil {
			log.Fatal(err)
		}
	}

	devices, err := client.Devices.List(ctx, domain, &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(infinitysip.DeviceFields.Name.Begins("Lobby")),
		Sort:   infinitysip.OrderBy(infinitysip.DeviceFields.Name.Desc()),
		Limit:  50,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, device := range devices {
		fmt.Println(device.Name, device.MACAddress)
	}
	// Output:
	// Lobby 2 10:20:30:1A:2B:02
	// Lobby 1 10:20:30:1A:2B:00
}

func ExampleGroup_UpdateParams() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	id, err := client.Groups.Create(ctx, domain, infinitysip.GroupCreateParams{
		Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName} - {srcPhoneNumber}",
	})
	if err != nil {
		log.Fatal(err)
	}

	group, err := client.Groups.Get(ctx, domain, id)
	if err != nil {
		log.Fatal(err)
	}
	params := group.UpdateParams() // the API wants every property each time
	params.DisplayName = "Sales Dept"
	if err := client.Groups.Update(ctx, domain, id, params); err != nil {
		log.Fatal(err)
	}

	group, err = client.Groups.Get(ctx, domain, id)
	fmt.Println(group.DisplayName, group.CallerNameFormat, err)
	// Output: Sales Dept {displayName} - {srcPhoneNumber} <nil>
}

func ExampleUsersService_Find() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	params := infinitysip.UserCreateParams{
		User: "joe.blogs", Password: infinitysip.NewSecret("correct horse battery staple"), DisplayName: "Joe Blogs", ExtensionNumber: "0100",
	}

	user, err := client.Users.Find(ctx, domain, params.User)
	if errors.Is(err, infinitysip.ErrNotFound) { // so it is safe to create it
		fmt.Println(err)
		if _, err = client.Users.Create(ctx, domain, params); err != nil {
			log.Fatal(err)
		}
		user, err = client.Users.Find(ctx, domain, "Joe.Blogs") // whatever the case
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(user.User, user.ExtensionNumber)
	// Output:
	// infinitysip: Users.Find: GET /config/v2/sip/domains/1/users: not found: no row has this user
	// joe.blogs 0100
}

func ExampleDevicesService_FindByMAC() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	if _, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:1A:2B:3C"}); err != nil {
		log.Fatal(err)
	}

	device, err := client.Devices.FindByMAC(ctx, domain, "1020.301a.2b3c") // in any notation
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Name, device.MACAddress)
	// Output: Lobby 10:20:30:1A:2B:3C
}

func ExampleTrustedNetworksService_FindByNetwork() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	if _, err := client.TrustedNetworks.Create(ctx, domain, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.20.0/24"), Description: "Leeds"}); err != nil {
		log.Fatal(err)
	}

	network, err := client.TrustedNetworks.FindByNetwork(ctx, domain, netip.MustParsePrefix("10.0.20.10/24"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(network.Network, network.Description)
	// Output: 10.0.20.0/24 Leeds
}

func ExampleDomainsService_Find() {
	client, _ := acmeOnSiptest()
	ctx := context.Background()

	domain, err := client.Domains.Find(ctx, "acme")
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Groups.Find(ctx, domain.ID, "sales") // so with queues
	fmt.Println(domain.DisplayName, errors.Is(err, infinitysip.ErrNotFound))
	// Output: Acme true
}

// Each request of a call is printed, and how the call ended.
func ExampleWithObserver() {
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Users.List").Times(1).Status(502))
	client := srv.InProcessClient(
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

	if _, err := client.Users.List(context.Background(), domain); err != nil {
		log.Fatal(err)
	}
	// Output:
	// GET /config/v2/sip/domains/{domainId}/users 502
	// GET /config/v2/sip/domains/{domainId}/users 200
	// Users.List 2 attempts: <nil>
}

// A transport of your own may be any http.RoundTripper.
func ExampleWithTransport() {
	srv := siptest.NewServer(siptest.Options{APIKey: "key"})
	srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	recorder := roundTripper(func(req *http.Request) (*http.Response, error) {
		fmt.Println(infinitysip.OperationFromContext(req.Context()), req.Method, req.URL.Path)
		return srv.Transport().RoundTrip(req)
	})
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithTransport(recorder))
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.Domains.List(context.Background())
	fmt.Println(err)
	// Output:
	// Domains.List GET /config/v2/sip/domains
	// <nil>
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Ids are numbers in JSON, and are read from numbers and texts.
func ExampleUserID_UnmarshalJSON() {
	var ids []infinitysip.UserID
	err := json.Unmarshal([]byte(`[7, "8"]`), &ids)
	text, _ := json.Marshal(ids)
	fmt.Println(string(text), err)
	// Output: [7,8] <nil>
}

// A Secret is read from a config file, and is not written back.
func ExampleSecret_UnmarshalText() {
	var config struct{ Password infinitysip.Secret }
	err := json.Unmarshal([]byte(`{"password": "correct horse"}`), &config)
	text, _ := json.Marshal(config)
	fmt.Println(config.Password.Reveal(), string(text), err)
	// Output: correct horse {"Password":"[redacted]"} <nil>
}

func ExampleUsersService_RotateDeviceTokens() {
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	for _, mac := range []string{"10:20:30:1A:2B:00", "10:20:30:1A:2B:01"} {
		srv.AddDevice(domain, infinitysip.Device{MACAddress: mac, UserID: joe})
	}

	for token, err := range srv.InProcessClient().Users.RotateDeviceTokens(context.Background(), domain, joe) {
		if err != nil {
			log.Fatalf("device %d: %v", token.DeviceID, err) // it may have no user now
		}
		fmt.Println(token.DeviceID, len(token.Token.Reveal())) // keep the token: it is shown this once
	}
	// Output:
	// 1 25
	// 2 25
}

func ExampleUserCreateParams_Validate() {
	params := infinitysip.UserCreateParams{User: "joe.blogs", DisplayName: "Joe Blogs"}
	fmt.Println(params.Validate())
	// Output: infinitysip: Users.Create: invalid, nothing was sent: password: required; extensionNumber: required
}

// A row may be stored as JSON. What comes back is the same row without its secrets.
func ExampleUser_MarshalJSON() {
	user := infinitysip.User{
		ID: 7, User: "joe.blogs", Dashboard: true, Password: infinitysip.NewSecret("correct horse"),
		Extra: map[string]json.RawMessage{"voicemail": json.RawMessage(`"1"`)},
	}

	stored, err := json.Marshal(map[infinitysip.UserID]infinitysip.User{user.ID: user})
	if err != nil {
		log.Fatal(err)
	}
	var users map[infinitysip.UserID]infinitysip.User
	if err := json.Unmarshal(stored, &users); err != nil {
		log.Fatal(err)
	}

	back := users[7]
	fmt.Println(strings.Contains(string(stored), `"password":"[redacted]"`))
	fmt.Println(back.User, back.Dashboard, string(back.Extra["voicemail"]), back.Password.IsZero())
	// Output:
	// true
	// joe.blogs true "1" true
}

// A list of users as lines of JSON. One buffer serves all of them.
func ExampleAppendJSON() {
	users := []infinitysip.GroupUser{{UserID: 1, GroupID: 3, User: "joe.blogs"}, {UserID: 2, GroupID: 3, User: "amira.khan"}}

	var line []byte
	for i := range users {
		var err error
		if line, err = infinitysip.AppendJSON(line[:0], &users[i]); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", line)
	}
	// Output:
	// {"groupId":"3","userId":"1","user":"joe.blogs","displayName":"","extensionNumber":""}
	// {"groupId":"3","userId":"2","user":"amira.khan","displayName":"","extensionNumber":""}
}

func ExampleValidationError() {
	client, domain := acmeOnSiptest()

	_, err := client.Devices.Create(context.Background(), domain, infinitysip.DeviceCreateParams{MACAddress: "10:20:30"})

	if invalid, ok := errors.AsType[*infinitysip.ValidationError](err); ok {
		for _, field := range invalid.Fields {
			fmt.Printf("%s: %s\n", field.Field, field.Problem)
		}
	}
	// Output:
	// pbxDeviceName: required
	// deviceMacAddress: not a MAC address of six octets: "10:20:30"
}

func ExampleClient_Do() {
	client, domain := acmeOnSiptest()

	// As if this package had no Users.Create.
	response, err := client.Do(context.Background(), "POST", fmt.Sprintf("/config/v2/sip/domains/%d/users", domain), url.Values{
		"user":            {"joe.blogs"},
		"password":        {"correct horse battery staple"}, // in no error and no log, because of its name
		"displayName":     {"Joe Blogs"},
		"extensionNumber": {"0100"},
	})
	switch {
	case errors.Is(err, infinitysip.ErrOutcomeUnknown):
		log.Fatal("it may be there: ", err) // a POST that may have arrived is not sent again
	case err != nil:
		log.Fatal(err)
	}
	made, err := infinitysip.Row[struct {
		ID infinitysip.UserID `json:"userId"`
	}](response)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, made.ID)
	// Output: 201 1
}

func ExampleRows() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	for i, name := range []string{"Lobby 1", "Hall", "Lobby 2"} {
		_, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: name, MACAddress: fmt.Sprintf("10-20-30-1A-2B-%02X", i)})
		if err != nil {
			log.Fatal(err)
		}
	}

	// As if this package had no Devices.All.
	type device struct {
		ID         int64  `json:"pbxDeviceId"`
		Name       string `json:"pbxDeviceName"`
		MACAddress string `json:"deviceMacAddress"`
	}
	path := fmt.Sprintf("/config/v2/sip/domains/%d/devices", domain)
	opts := &infinitysip.ListOptions[device]{
		Filter:   infinitysip.Where(infinitysip.Field[device]("pbxDeviceName").Begins("Lobby")),
		PageSize: 100, // page by page; without it, all in one request
	}
	for row, err := range infinitysip.Rows(ctx, client, path, opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.ID, row.Name, row.MACAddress)
	}
	// Output:
	// 1 Lobby 1 10:20:30:1A:2B:00
	// 3 Lobby 2 10:20:30:1A:2B:02
}

func ExampleRow() {
	client, domain := acmeOnSiptest()

	// As if this package had no Domains.Get.
	response, err := client.Do(context.Background(), "GET", fmt.Sprintf("/config/v2/sip/domains/%d", domain), nil)
	if err != nil {
		log.Fatal(err)
	}
	row, err := infinitysip.Row[struct {
		Name string `json:"displayName"`
		Rec  bool   `json:"rec"`
	}](response)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%+v\n", *row)
	// Output: {Name:Acme Rec:false}
}

func ExampleCollect() {
	client, domain := acmeOnSiptest()

	users, err := infinitysip.Collect(client.Users.All(context.Background(), domain))

	fmt.Println(len(users), err)
	// Output: 0 <nil>
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

// The calls go through a proxy, over at most 16 connections.
func ExampleNewTransport() {
	transport := infinitysip.NewTransport()
	transport.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.com:3128"})
	transport.MaxConnsPerHost = 16
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithTransport(transport))
	fmt.Println(client != nil, err)
	// Output: true <nil>
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

func ExampleWithLimiter() {
	perSecond := make(slots, 10)
	for range cap(perSecond) {
		perSecond <- struct{}{}
	}
	srv := siptest.NewServer(siptest.Options{})
	srv.Fail(siptest.On("Domains.List").Times(1).Status(429))
	client := srv.InProcessClient(infinitysip.WithLimiter(perSecond))

	_, err := client.Domains.List(context.Background())
	fmt.Println(err)
	// Output:
	// refused, try again after 0s
	// <nil>
}

func ExampleWithDebugLog() {
	var out strings.Builder // or os.Stderr
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient(infinitysip.WithDebugLog(&out))

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

func ExampleWithLogger() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "error" { // to keep this example short
				return slog.Attr{}
			}
			return a
		},
	}))
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient(infinitysip.WithLogger(logger))

	_, err := client.Users.Get(context.Background(), domain, 7)
	fmt.Println(errors.Is(err, infinitysip.ErrNotFound))
	// Output:
	// level=WARN msg="infinitysip: a call failed" op=Users.Get method=GET path=/config/v2/sip/domains/1/users/7 attempts=1 status=404 outcome="not applied"
	// true
}
