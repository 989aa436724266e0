package siptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// addTeam is an example of a program's function. It creates users and a group
// with these users.
func addTeam(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, team string, names ...string) error {
	var ids []infinitysip.UserID
	for i, name := range names {
		id, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{
			User:            name,
			Password:        infinitysip.NewSecret("changeme-" + name),
			DisplayName:     name,
			ExtensionNumber: fmt.Sprint(201 + i),
		})
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	group, err := client.Groups.Create(ctx, domain, infinitysip.GroupCreateParams{
		Name: team, DisplayName: team, ExtensionNumber: "301", CallerNameFormat: "{dgrpName}",
	})
	if err != nil {
		return err
	}
	return client.Groups.AddUsers(ctx, domain, group, ids)
}

// This tests a function of a program without an account.
func Example() {
	srv := siptest.NewServer(siptest.Options{}) // in a test: siptest.New(t)
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	err := addTeam(context.Background(), srv.Client(), domain, "sales", "joe", "ann")
	fmt.Println("error:", err)

	// The data of the server.
	for _, user := range srv.Users(domain) {
		fmt.Println(user.ID, user.User, user.ExtensionNumber, user.Password.Reveal())
	}
	for _, group := range srv.Groups(domain) {
		fmt.Println(group.Name, srv.GroupUsers(domain, group.ID))
	}
	// The requests to the server.
	for _, request := range srv.Requests() {
		fmt.Println(request.Op, request.Status)
	}
	// Output:
	// error: <nil>
	// 1 joe 201 changeme-joe
	// 2 ann 202 changeme-ann
	// sales [1 2]
	// Users.Create 201
	// Users.Create 201
	// Groups.Create 201
	// Groups.AddUsers 204
}

// This tests the same function with a server that fails at the second user.
func ExampleServer_Fail() {
	srv := siptest.NewServer(siptest.Options{})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Users.Create").Nth(2).Status(403).Body("access denied"))

	err := addTeam(context.Background(), srv.Client(), domain, "sales", "joe", "ann")

	fmt.Println("forbidden:", errors.Is(err, infinitysip.ErrForbidden))
	fmt.Println("left behind:", len(srv.Users(domain)), "user,", len(srv.Groups(domain)), "groups")
	// Output:
	// forbidden: true
	// left behind: 1 user, 0 groups
}

// This tests a function with rows that exist already, and with a list that does
// not show its writes at once.
func ExampleServer_AddUser() {
	srv := siptest.NewServer(siptest.Options{ListLag: time.Hour})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	joe := srv.AddUser(domain, infinitysip.User{ID: 40, User: "joe", DisplayName: "Joe", ExtensionNumber: "240"})
	srv.AddDevice(domain, infinitysip.Device{Name: "Desk", MACAddress: "10:20:30:1A:2B:3C", UserID: joe})

	err := addTeam(context.Background(), srv.Client(), domain, "sales", "ann")
	fmt.Println("error:", err)

	found, err := srv.Client().Users.List(context.Background(), domain)
	fmt.Println("listed:", len(found), err)
	for _, user := range srv.Users(domain) {
		fmt.Println(user.ID, user.User)
	}
	for _, device := range srv.Devices(domain) {
		fmt.Println(device.Name, device.UserID, device.User)
	}
	// Output:
	// error: <nil>
	// listed: 1 <nil>
	// 40 joe
	// 41 ann
	// Desk 40 joe
}

// This adds a call that the server does not have. The credentials are checked
// before the handler runs.
func ExampleServer_Handle() {
	srv := siptest.NewServer(siptest.Options{APIKey: "k"})
	defer srv.Close()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.AddUser(domain, infinitysip.User{User: "joe"})
	srv.Handle("GET /config/v2/sip/domains/{id}/voicemail", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, user := range srv.Users(domain) {
			fmt.Fprintf(w, `{"domainId":%q,"user":%q,"messages":"2"}`+"\n", r.PathValue("id"), user.User)
		}
	}))

	for _, key := range []string{"k", "another"} {
		req, _ := http.NewRequest("GET", "https://siptest.invalid/config/v2/sip/domains/1/voicemail", nil)
		req.Header.Set("Authorization", "ApiKey "+key)
		resp, err := srv.Transport().RoundTrip(req)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		fmt.Println(resp.StatusCode, strings.TrimSpace(string(body)))
	}
	fmt.Println(srv.Requests()[0].Op)
	// Output:
	// 200 {"domainId":"1","user":"joe","messages":"2"}
	// 401 auth required
	// GET /config/v2/sip/domains/{id}/voicemail
}

// Options and faults come from outside the program, as texts.
func ExampleParseFault() {
	var options siptest.Options
	if err := json.Unmarshal([]byte(`{"createBody": "row", "maxRows": 100, "rewrites": {"user": "lower"}}`), &options); err != nil {
		log.Fatal(err)
	}
	srv := siptest.NewServer(options)
	defer srv.Close()

	fault, err := siptest.ParseFault("Users.* nth=3 status=429 header=Retry-After:1")
	if err != nil {
		log.Fatal(err)
	}
	srv.Fail(fault)
	fmt.Println(fault)

	_, err = siptest.ParseFault("Devices.Make drop")
	fmt.Println(err)
	// Output:
	// On("Users.*").Nth(3).Status(429).Header("Retry-After", "1")
	// no call is named "Devices.Make": use Devices.* or one of Devices.List, Devices.Get, Devices.Create, Devices.Update, Devices.Delete
}

// A server is filled once. Each test gets a copy of it, and may change that.
func ExampleServer_Copy() {
	filled := siptest.NewServer(siptest.Options{})
	domain := filled.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	filled.AddUser(domain, infinitysip.User{User: "joe.blogs"})

	srv := filled.Copy(siptest.Options{BareNumbers: true})
	defer srv.Close()
	if err := srv.InProcessClient().Users.Delete(context.Background(), domain, 1); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(srv.Users(domain)), len(filled.Users(domain)))
	// Output: 0 1
}
