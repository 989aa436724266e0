package infinitysip_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// An *Error has the details of a call that failed. Here, a group has the extension number.
func ExampleError() {
	srv, client, domain := acmeOnSiptest()
	srv.AddGroup(domain, infinitysip.Group{Name: "sales", ExtensionNumber: "0200"})

	_, err := client.Queues.Create(context.Background(), domain, infinitysip.QueueCreateParams{
		Name: "support", DisplayName: "Support", ExtensionNumber: "0200",
	})
	if failed, ok := errors.AsType[*infinitysip.Error](err); ok {
		fmt.Println(failed.Op, failed.Method, failed.Path)
		fmt.Println(failed.StatusCode, failed.Message)
		fmt.Println("attempts:", failed.Attempts)
		fmt.Println("outcome:", failed.Outcome)
	}
	// Output:
	// Queues.Create POST /config/v2/sip/domains/1/queues
	// 409 extensionNumber is in use
	// attempts: 1
	// outcome: not applied
}

// The user gets the first extension number that is free.
func ExampleError_errConflict() {
	srv, client, domain := acmeOnSiptest()
	srv.AddUser(domain, infinitysip.User{User: "joe.blogs", ExtensionNumber: "0100"})
	srv.AddGroup(domain, infinitysip.Group{Name: "sales", ExtensionNumber: "0101"})

	params := infinitysip.UserCreateParams{
		User: "amira.khan", Password: infinitysip.NewSecret("correct horse battery staple"), DisplayName: "Amira Khan",
	}
	for number := 100; number < 200; number++ {
		params.ExtensionNumber = fmt.Sprintf("%04d", number)
		_, err := client.Users.Create(context.Background(), domain, params)
		if errors.Is(err, infinitysip.ErrConflict) && !errors.Is(err, infinitysip.ErrOutcomeUnknown) {
			continue // nothing was created
		}
		fmt.Println(params.ExtensionNumber, err)
		break
	}
	// Output: 0102 <nil>
}

// A user who is gone already need not be deleted.
func ExampleError_errNotFound() {
	srv, client, domain := acmeOnSiptest()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})

	for range 2 {
		err := client.Users.Delete(context.Background(), domain, joe)
		if err != nil && !errors.Is(err, infinitysip.ErrNotFound) {
			log.Fatal(err)
		}
		fmt.Println("gone:", err)
	}
	// Output:
	// gone: <nil>
	// gone: infinitysip: Users.Delete: DELETE /config/v2/sip/domains/1/users/1: 404 Not Found: no userId 1
}

// The key is wrong, or has ended. No error shows it.
func ExampleError_errUnauthorized() {
	srv := siptest.NewServer(siptest.Options{APIKey: "new-key"})
	client, err := infinitysip.NewClient(infinitysip.APIKey("old-key"), infinitysip.WithTransport(srv.Transport()))
	if err != nil {
		log.Fatal(err)
	}

	_, err = client.Domains.List(context.Background())
	if errors.Is(err, infinitysip.ErrUnauthorized) {
		fmt.Println(err)
		fmt.Println("make another key in the Hub")
	}
	// Output:
	// infinitysip: Domains.List: GET /config/v2/sip/domains: 401 Unauthorized: auth required
	// make another key in the Hub
}

// A program passes over the domains that its key may not change.
func ExampleError_errForbidden() {
	srv, client, domain := acmeOnSiptest()
	srv.Fail(siptest.On("Domains.Update").Status(403).Body("access denied"))

	err := client.Domains.Update(context.Background(), domain, infinitysip.DomainUpdateParams{DisplayName: "Acme", Rec: true})
	if errors.Is(err, infinitysip.ErrForbidden) {
		fmt.Println("not recorded:", err)
	}
	// Output: not recorded: infinitysip: Domains.Update: POST /config/v2/sip/domains/1: 403 Forbidden: access denied
}

// Both this package and the server refuse input. A *ValidationError says that nothing was
// sent.
func ExampleError_errInvalid() {
	srv, client, domain := acmeOnSiptest()
	srv.Fail(siptest.On("Devices.Create").Status(400).Body("this make of phone is not supported"))

	for _, mac := range []string{"10:20:30", "10:20:30:1A:2B:3C"} {
		_, err := client.Devices.Create(context.Background(), domain, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: mac})
		_, notSent := errors.AsType[*infinitysip.ValidationError](err)
		fmt.Println(errors.Is(err, infinitysip.ErrInvalid), notSent)
		fmt.Println(err)
	}
	// Output:
	// true true
	// infinitysip: Devices.Create: invalid, nothing was sent: deviceMacAddress: not a MAC address of six octets: "10:20:30"
	// true false
	// infinitysip: Devices.Create: POST /config/v2/sip/domains/1/devices: 400 Bad Request: this make of phone is not supported
}

// The server refuses calls for ten minutes. That is longer than a call waits, so it fails at
// once, and says when to come back.
func ExampleError_errRateLimited() {
	srv, client, domain := acmeOnSiptest()
	srv.Fail(siptest.On("*").Status(429).Header("Retry-After", "600"))

	_, err := client.Users.List(context.Background(), domain)
	if failed, ok := errors.AsType[*infinitysip.Error](err); ok && errors.Is(err, infinitysip.ErrRateLimited) {
		fmt.Println("again in", failed.RetryAfter)
	}
	// Output: again in 10m0s
}

// A website shows the rows that it has, until the service is back.
func ExampleError_errUnavailable() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))
	srv.Fail(siptest.On("*").Status(503).Body("down for maintenance"))

	_, err := client.Users.List(context.Background(), domain)
	if errors.Is(err, infinitysip.ErrUnavailable) {
		fmt.Println("here is the list of an hour ago:")
		fmt.Println(err)
	}
	// Output:
	// here is the list of an hour ago:
	// infinitysip: Users.List: GET /config/v2/sip/domains/1/users: 503 Service Unavailable: down for maintenance (after 4 attempts)
}

// The answer to a create is lost, but the client has looked: there is a user of this name. It
// may be another program's, so the client does not know whether it has this password. Here
// no other program creates users, so the password can be set. After ErrConflict it cannot: the
// user that was found has other values.
func ExampleError_errOutcomeUnknown() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	srv.Fail(siptest.On("Users.Create").CommitThenDrop())
	params := infinitysip.UserCreateParams{
		User: "joe.blogs", Password: infinitysip.NewSecret("correct horse battery staple"), DisplayName: "Joe Blogs", ExtensionNumber: "0100",
	}

	id, err := client.Users.Create(ctx, domain, params)
	failed, _ := errors.AsType[*infinitysip.Error](err)
	switch {
	case errors.Is(err, infinitysip.ErrOutcomeUnknown) && !errors.Is(err, infinitysip.ErrConflict) && len(failed.Found) == 1:
		id = infinitysip.UserID(failed.Found[0])
		err = client.Users.Update(ctx, domain, id, infinitysip.UserUpdateParams{Password: &params.Password})
	case errors.Is(err, infinitysip.ErrOutcomeUnknown):
		log.Fatal("look before you create it again: ", err)
	}
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// The phone has its user, but the answer with the token was lost. So it gets another token.
func ExampleError_errTokenLost() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	phone := srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12"})
	srv.Fail(siptest.On("Users.AddDevice").Times(1).CommitThenDrop())

	token, err := client.Users.AddDevice(ctx, domain, joe, phone)
	if errors.Is(err, infinitysip.ErrTokenLost) {
		fmt.Println("the token was lost")
		token, err = client.Users.RotateDeviceToken(ctx, domain, joe, phone)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(token.Token.Reveal()), "characters")
	// Output:
	// the token was lost
	// 25 characters
}

// In an order of your own, an All reads page after page by the offset. This server ignores
// it, so the loop ends with an error. Without a Sort, an All goes by the ids, which works
// here too.
func ExampleError_errPaginationStuck() {
	srv := siptest.NewServer(siptest.Options{IgnorePaging: true, MaxRows: 2})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	for i := range 4 {
		srv.AddDevice(domain, infinitysip.Device{Name: fmt.Sprintf("Desk %d", i+1)})
	}
	client := srv.InProcessClient()

	opts := &infinitysip.DeviceListOptions{PageSize: 2, Sort: infinitysip.OrderBy(infinitysip.DeviceFields.Name.Asc())}
	devices, err := infinitysip.Collect(client.Devices.All(context.Background(), domain, opts))
	if errors.Is(err, infinitysip.ErrPaginationStuck) {
		opts.Sort = nil // and sort them in the program
		devices, err = infinitysip.Collect(client.Devices.All(context.Background(), domain, opts))
	}
	fmt.Println(len(devices), err)
	// Output: 4 <nil>
}

// Two users have names that differ in case alone, and neither has the exact name.
func ExampleError_found() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	srv.AddUser(domain, infinitysip.User{User: "Joe.Blogs", ExtensionNumber: "0100"})
	srv.AddUser(domain, infinitysip.User{User: "JOE.BLOGS", ExtensionNumber: "0200"})

	_, err := client.Users.Find(ctx, domain, "joe.blogs")
	failed, ok := errors.AsType[*infinitysip.Error](err)
	if !ok {
		log.Fatal(err)
	}
	for _, id := range failed.Found {
		user, err := client.Users.Get(ctx, domain, infinitysip.UserID(id))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.ID, user.User, user.ExtensionNumber)
	}
	// Output:
	// 1 Joe.Blogs 0100
	// 2 JOE.BLOGS 0200
}

// An error wraps its cause, such as that of a context.
func ExampleError_cause() {
	srv, client, domain := acmeOnSiptest()
	srv.Fail(siptest.On("Users.List").Hang())
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()

	_, err := client.Users.List(ctx, domain)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// What a program does with a change that failed depends on whether it was made.
func ExampleOutcome() {
	srv, client, domain := acmeOnSiptest(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1}))
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	srv.Fail(siptest.On("Users.Update").Nth(1).Status(403))
	srv.Fail(siptest.On("Users.Update").Nth(2).CommitThenDrop())

	for _, office := range []string{"Leeds", "York"} {
		err := client.Users.Update(context.Background(), domain, joe, infinitysip.UserUpdateParams{OfficeName: &office})
		if failed, ok := errors.AsType[*infinitysip.Error](err); ok {
			switch failed.Outcome {
			case infinitysip.OutcomeNotApplied:
				fmt.Println(office, failed.Outcome, "- nothing to undo")
			case infinitysip.OutcomeUnknown:
				fmt.Println(office, failed.Outcome, "- look first")
			case infinitysip.OutcomeApplied:
				fmt.Println(office, failed.Outcome, "- do not repeat it")
			}
		}
	}
	// Output:
	// Leeds not applied - nothing to undo
	// York unknown - look first
}

// It lists every problem of the input. A web form can show them beside its fields.
func ExampleValidationError() {
	_, client, domain := acmeOnSiptest()

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

// The problems as JSON, for the client of a web service.
func ExampleFieldError() {
	err := infinitysip.QueueCreateParams{Name: "support", DisplayName: "Support", CallerNameFormat: "{caller}"}.Validate()

	if invalid, ok := errors.AsType[*infinitysip.ValidationError](err); ok {
		text, err := json.MarshalIndent(invalid.Fields, "", "  ")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(text))
	}
	// Output:
	// [
	//   {
	//     "field": "extensionNumber",
	//     "problem": "required"
	//   },
	//   {
	//     "field": "callerNameFormat",
	//     "problem": "unknown variable \"{caller}\": the API knows {displayName}, {srcPhoneNumber}, {dgrpName}"
	//   }
	// ]
}
