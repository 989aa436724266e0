package infinitysip_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// acmeOnSiptest is a server in memory that has the domain Acme, and a client of it, so that
// the examples run.
func acmeOnSiptest(opts ...infinitysip.Option) (*siptest.Server, *infinitysip.Client, infinitysip.DomainID) {
	srv := siptest.NewServer(siptest.Options{})
	return srv, srv.InProcessClient(opts...), srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
}

func Example() {
	_, client, domain := acmeOnSiptest() // NewClient(APIKey(key)) for the real API
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

// A small office: a user with a phone, a group that rings it, and a queue that rings the
// group.
func Example_office() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()

	user, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{
		User: "joe.blogs", Password: infinitysip.NewSecret("correct horse battery staple"), DisplayName: "Joe Blogs", ExtensionNumber: "0100",
	})
	if err != nil {
		log.Fatal(err)
	}
	phone, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: "Desk 12", MACAddress: "10:20:30:1A:2B:3C"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := client.Users.AddDevice(ctx, domain, user, phone)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the phone registers with a token:", token.Token) // token.Token.Reveal() gives it

	group, err := client.Groups.Create(ctx, domain, infinitysip.GroupCreateParams{
		Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName} - {srcPhoneNumber}",
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Groups.AddUsers(ctx, domain, group, []infinitysip.UserID{user}); err != nil {
		log.Fatal(err)
	}
	queue, err := client.Queues.Create(ctx, domain, infinitysip.QueueCreateParams{
		Name: "main", DisplayName: "Main number", ExtensionNumber: "0500",
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Queues.CreateMember(ctx, domain, queue, infinitysip.QueueMemberCreateParams{
		GroupID: group, RingStrategy: infinitysip.RingAll, RingAttempts: 3, RingSecs: 20, RingOrder: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, member := range srv.QueueMembers(domain, queue) {
		fmt.Println("the queue rings users", srv.GroupUsers(domain, member.GroupID))
	}
	// Output:
	// the phone registers with a token: [redacted]
	// the queue rings users [1]
}

// The finds, by name, MAC address or network.

func ExampleDomainsService_Find() {
	_, client, _ := acmeOnSiptest()

	domain, err := client.Domains.Find(context.Background(), "acme") // whatever the case
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(domain.ID, domain.DisplayName)
	// Output: 1 Acme
}

// A user is created unless there is one of this name.
func ExampleUsersService_Find() {
	_, client, domain := acmeOnSiptest()
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

// The exact name counts before one that differs in case alone.
func ExampleGroupsService_Find() {
	srv, client, domain := acmeOnSiptest()
	srv.AddGroup(domain, infinitysip.Group{Name: "Sales", ExtensionNumber: "0200"})
	srv.AddGroup(domain, infinitysip.Group{Name: "sales", ExtensionNumber: "0201"})

	group, err := client.Groups.Find(context.Background(), domain, "sales")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(group.Name, group.ExtensionNumber)
	// Output: sales 0201
}

// A group is added to a queue. Both are found by name.
func ExampleQueuesService_Find() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	srv.AddGroup(domain, infinitysip.Group{Name: "first-line"})
	srv.AddQueue(domain, infinitysip.Queue{Name: "support"})

	queue, err := client.Queues.Find(ctx, domain, "support")
	if err != nil {
		log.Fatal(err)
	}
	group, err := client.Groups.Find(ctx, domain, "first-line")
	if err != nil {
		log.Fatal(err)
	}
	params := infinitysip.QueueMemberCreateParams{GroupID: group.ID, RingStrategy: infinitysip.RingAll, RingSecs: 20, RingOrder: 1}
	member, err := client.Queues.CreateMember(ctx, domain, queue.ID, params)
	fmt.Println(member, err)
	// Output: 1 <nil>
}

// The network is found without its host bits, too.
func ExampleTrustedNetworksService_FindByNetwork() {
	srv, client, domain := acmeOnSiptest()
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("10.0.20.0/24"), Description: "Leeds office"})

	network, err := client.TrustedNetworks.FindByNetwork(context.Background(), domain, netip.MustParsePrefix("10.0.20.10/24"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(network.Network, network.Description)
	// Output: 10.0.20.0/24 Leeds office
}

// The address is as on the phone's label, in any notation.
func ExampleDevicesService_FindByMAC() {
	srv, client, domain := acmeOnSiptest()
	srv.AddDevice(domain, infinitysip.Device{Name: "Lobby", MACAddress: "10:20:30:1A:2B:3C"})

	device, err := client.Devices.FindByMAC(context.Background(), domain, "1020.301a.2b3c")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Name, device.MACAddress)
	// Output: Lobby 10:20:30:1A:2B:3C
}

// Filters, sorts and pages.

// A row must satisfy all filters: here, phones of the lobby that were created in 2026.
func ExampleWhere() {
	srv, client, domain := acmeOnSiptest()
	newYear := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	srv.AddDevice(domain, infinitysip.Device{Name: "Lobby 1", MACAddress: "10:20:30:1A:2B:00", Created: newYear.AddDate(-2, 0, 0)})
	srv.AddDevice(domain, infinitysip.Device{Name: "Lobby 2", MACAddress: "10:20:30:1A:2B:01", Created: newYear.AddDate(0, 3, 0)})
	srv.AddDevice(domain, infinitysip.Device{Name: "Hall", MACAddress: "10:20:30:1A:2B:02", Created: newYear.AddDate(0, 3, 0)})

	devices, err := client.Devices.List(context.Background(), domain, &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(
			infinitysip.DeviceFields.Name.Begins("Lobby"),
			infinitysip.DeviceFields.Created.Ge(newYear),
		),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, device := range devices {
		fmt.Println(device.Name, device.MACAddress)
	}
	// Output: Lobby 2 10:20:30:1A:2B:01
}

// The first sort is by user. The phones of one user are sorted by name, from Z to A.
func ExampleOrderBy() {
	srv, client, domain := acmeOnSiptest()
	amira := srv.AddUser(domain, infinitysip.User{User: "amira.khan"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", UserID: joe})
	srv.AddDevice(domain, infinitysip.Device{Name: "Desk 14", UserID: amira})
	srv.AddDevice(domain, infinitysip.Device{Name: "Home", UserID: joe})

	fields := infinitysip.DeviceFields
	opts := &infinitysip.DeviceListOptions{Sort: infinitysip.OrderBy(fields.User.Asc(), fields.Name.Desc())}
	for device, err := range client.Devices.All(context.Background(), domain, opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(device.User, device.Name)
	}
	// Output:
	// amira.khan Desk 14
	// joe.blogs Home
	// joe.blogs Desk 12
}

// The phones that were created first and last.
func ExampleField_Desc() {
	srv, client, domain := acmeOnSiptest()
	newYear := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, name := range []string{"Lobby", "Hall", "Desk 12"} {
		srv.AddDevice(domain, infinitysip.Device{Name: name, Created: newYear.AddDate(0, i, 0)})
	}

	created := infinitysip.DeviceFields.Created
	for _, sort := range []infinitysip.Sort[infinitysip.Device]{created.Asc(), created.Desc()} {
		opts := &infinitysip.DeviceListOptions{Sort: infinitysip.OrderBy(sort), Limit: 1}
		devices, err := client.Devices.List(context.Background(), domain, opts)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(devices[0].Name, devices[0].Created.Format(time.DateOnly))
	}
	// Output:
	// Lobby 2026-01-01
	// Desk 12 2026-03-01
}

// The loop gets the fourth to the eighth row. The client asks for two rows at a time.
func ExampleListOptions() {
	srv, client, domain := acmeOnSiptest()
	for i := range 9 {
		srv.AddDevice(domain, infinitysip.Device{Name: fmt.Sprintf("Desk %d", i+1)})
	}

	devices, err := infinitysip.Collect(client.Devices.All(context.Background(), domain, &infinitysip.DeviceListOptions{
		Offset:   3,
		Limit:    5,
		PageSize: 2, // the default is 1,000
	}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(devices[0].Name, "to", devices[len(devices)-1].Name)
	// Output: Desk 4 to Desk 8
}

// printPhones prints which of the phones Lobby 1 to 3, LOBBY 4 and Hall a filter gives.
func printPhones(filter infinitysip.Filter[infinitysip.Device]) {
	srv, client, domain := acmeOnSiptest()
	for i, name := range []string{"Lobby 1", "Lobby 2", "Lobby 3", "LOBBY 4", "Hall"} {
		srv.AddDevice(domain, infinitysip.Device{Name: name, MACAddress: fmt.Sprintf("10:20:30:1A:2B:%02X", i)})
	}
	devices, err := client.Devices.List(context.Background(), domain, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(filter)})
	if err != nil {
		log.Fatal(err)
	}
	var names []string
	for _, device := range devices {
		names = append(names, device.Name)
	}
	fmt.Println(strings.Join(names, ", "))
}

// A field compares as a number, a text or a time. The phones are Lobby 1 to 3, LOBBY 4 and
// Hall, with the ids 1 to 5.
func ExampleField() {
	fields := infinitysip.DeviceFields

	printPhones(fields.Name.Eq("Lobby 1"))
	printPhones(fields.Name.Ne("Lobby 1"))
	printPhones(fields.Name.EqFold("lobby 4"))
	printPhones(fields.Name.NeFold("HALL"))
	printPhones(fields.ID.Gt(3))
	printPhones(fields.ID.Ge(3))
	printPhones(fields.ID.Lt(3))
	printPhones(fields.ID.Le(3))
	printPhones(fields.User.IsSet(true)) // no phone has a user
	printPhones(infinitysip.Field[infinitysip.Device]("pbxDeviceId").Eq(5))
	// Output:
	// Lobby 1
	// Lobby 2, Lobby 3, LOBBY 4, Hall
	// LOBBY 4
	// Lobby 1, Lobby 2, Lobby 3, LOBBY 4
	// LOBBY 4, Hall
	// Lobby 3, LOBBY 4, Hall
	// Lobby 1, Lobby 2
	// Lobby 1, Lobby 2, Lobby 3
	//
	// Hall
}

// Conditions on a part of a text. The phones are Lobby 1 to 3, LOBBY 4 and Hall.
func ExampleField_Contains() {
	name := infinitysip.DeviceFields.Name

	printPhones(name.Contains("bb"))
	printPhones(name.ContainsFold("bb"))
	printPhones(name.NotContains("bb"))
	printPhones(name.NotContainsFold("bb"))
	printPhones(name.Begins("Lob"))
	printPhones(name.BeginsFold("lob"))
	printPhones(name.NotBegins("Lob"))
	printPhones(name.NotBeginsFold("lob"))
	printPhones(name.Ends("y 4"))
	printPhones(name.EndsFold("y 4"))
	// Output:
	// Lobby 1, Lobby 2, Lobby 3
	// Lobby 1, Lobby 2, Lobby 3, LOBBY 4
	// LOBBY 4, Hall
	// Hall
	// Lobby 1, Lobby 2, Lobby 3
	// Lobby 1, Lobby 2, Lobby 3, LOBBY 4
	// LOBBY 4, Hall
	// Hall
	//
	// LOBBY 4
}

// One of several values. The phones are Lobby 1 to 3, LOBBY 4 and Hall, with the ids 1 to 5.
func ExampleField_In() {
	fields := infinitysip.DeviceFields

	printPhones(fields.ID.In(1, 3, 9))
	printPhones(fields.ID.NotIn(1, 3, 9))
	printPhones(fields.Name.InFold("hall", "lobby 4"))
	printPhones(fields.Name.NotInFold("hall", "lobby 4"))
	// Output:
	// Lobby 1, Lobby 3
	// Lobby 2, LOBBY 4, Hall
	// LOBBY 4, Hall
	// Lobby 1, Lobby 2, Lobby 3
}

// Patterns. A regular expression is one of PHP, which may want delimiters. The phones are
// Lobby 1 to 3, LOBBY 4 and Hall.
func ExampleField_Matches() {
	name := infinitysip.DeviceFields.Name

	printPhones(name.Glob("Lobby ?"))
	printPhones(name.Matches("/^lobby [2-9]$/i"))
	printPhones(name.NotMatches("/^lobby [2-9]$/i"))
	// Output:
	// Lobby 1, Lobby 2, Lobby 3
	// Lobby 2, Lobby 3, LOBBY 4
	// Lobby 1, Hall
}

// The trusted networks that are within 10.0.0.0/8.
func ExampleField_InNetwork() {
	srv, client, domain := acmeOnSiptest()
	for _, network := range []string{"10.0.20.0/24", "192.168.7.0/24", "10.0.21.7/32"} {
		srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix(network)})
	}

	opts := &infinitysip.TrustedNetworkListOptions{
		Filter: infinitysip.Where(infinitysip.TrustedNetworkFields.Network.InNetwork(netip.MustParsePrefix("10.0.0.0/8"))),
	}
	for network, err := range client.TrustedNetworks.All(context.Background(), domain, opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(network.Network)
	}
	// Output:
	// 10.0.20.0/24
	// 10.0.21.7/32
}

func ExampleCollect() {
	srv, client, domain := acmeOnSiptest()
	srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	srv.AddUser(domain, infinitysip.User{User: "amira.khan"})

	users, err := infinitysip.Collect(client.Users.All(context.Background(), domain))
	fmt.Println(len(users), err)
	// Output: 2 <nil>
}

// Params, rows and ids.

// The parameters of a new user, read from JSON. The names are those of the API.
func ExampleUserCreateParams() {
	var params infinitysip.UserCreateParams
	err := json.Unmarshal([]byte(`{
		"user": "joe.blogs", "password": "correct horse battery staple", "displayName": "Joe Blogs", "extensionNumber": "0100",
		"hotdeskAllowed": true, "pin": "4711"
	}`), &params)
	if err != nil {
		log.Fatal(err)
	}
	_, client, domain := acmeOnSiptest()
	id, err := client.Users.Create(context.Background(), domain, params)
	fmt.Println(id, err, *params.HotdeskAllowed, params.PIN)
	// Output: 1 <nil> true [redacted]
}

// What a call would refuse, before it is made.
func ExampleUserCreateParams_Validate() {
	params := infinitysip.UserCreateParams{User: "joe.blogs", DisplayName: "Joe Blogs"}
	fmt.Println(params.Validate())
	// Output: infinitysip: Users.Create: invalid, nothing was sent: password: required; extensionNumber: required
}

func ExampleDomain_UpdateParams() {
	domain := infinitysip.Domain{ID: 1, DisplayName: "Acme", Rec: true} // from Domains.Get
	params := domain.UpdateParams()
	params.DisplayName = "Acme Ltd"
	fmt.Printf("%+v\n", params)
	// Output: {DisplayName:Acme Ltd Rec:true}
}

func ExampleGroup_UpdateParams() {
	group := infinitysip.Group{ // from Groups.Get
		ID: 3, Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", RingRetry: true, CallerNameFormat: "{srcPhoneNumber}",
	}
	params := group.UpdateParams()
	params.DisplayName = "Sales Dept"
	fmt.Printf("%+v\n", params)
	// Output: {Name:sales DisplayName:Sales Dept ExtensionNumber:0200 RingRetry:true RingExclusive:false CallerNameFormat:{srcPhoneNumber}}
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

// A row reads what the API sends: numbers and flags as texts, a time that never was, and a
// member that no field has.
func ExampleDevice_UnmarshalJSON() {
	const row = `{"pbxDeviceId": "7", "pbxDeviceName": "Lobby", "userId": null, "model": "T46",
		"createDatetime": "2026-03-02 09:30:00", "updateDatetime": "0000-00-00 00:00:00"}`
	var device infinitysip.Device
	if err := json.Unmarshal([]byte(row), &device); err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.ID, device.Name, device.UserID, device.Created.Year(), device.Updated.IsZero())
	fmt.Printf("%s\n", device.Extra["model"])
	// Output:
	// 7 Lobby 0 2026 true
	// "T46"
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

// It reads an id from an argument of a command, for example.
func ExampleParseID() {
	user, err := infinitysip.ParseID[infinitysip.UserID]("7")
	fmt.Println(user, err)

	_, err = infinitysip.ParseID[infinitysip.UserID]("joe")
	fmt.Println(err)
	fmt.Println(errors.Is(err, infinitysip.ErrInvalid))
	// Output:
	// 7 <nil>
	// infinitysip: invalid: "joe" is not an id: want a positive whole number
	// true
}

// Ids are numbers in JSON, and are read from numbers and texts.
func ExampleUserID_UnmarshalJSON() {
	var ids []infinitysip.UserID
	err := json.Unmarshal([]byte(`[7, "8"]`), &ids)
	text, _ := json.Marshal(ids)
	fmt.Println(string(text), err)
	// Output: [7,8] <nil>
}

// Secrets.

// Only Reveal gives the value.
func ExampleSecret() {
	pin := infinitysip.NewSecret("4711")
	fmt.Println(pin)
	fmt.Printf("%q %+v\n", pin, struct{ PIN infinitysip.Secret }{pin})
	slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { // no time, to keep this example short
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})).Info("a new user", "pin", pin)

	fmt.Println(pin.String(), pin.IsZero(), pin.Equal(infinitysip.NewSecret("4711")), pin.Reveal())
	// Output:
	// [redacted]
	// [redacted] {PIN:[redacted]}
	// level=INFO msg="a new user" pin=[redacted]
	// [redacted] false true 4711
}

// The new password of a user is in no error, no log and no dump of the params.
func ExampleNewSecret() {
	srv, client, domain := acmeOnSiptest()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})

	params := infinitysip.UserUpdateParams{Password: new(infinitysip.NewSecret("correct horse battery staple"))}
	fmt.Println(params.Password)
	fmt.Println(client.Users.Update(context.Background(), domain, joe, params))
	// Output:
	// [redacted]
	// <nil>
}

// A Secret is read from a config file, and is not written back.
func ExampleSecret_UnmarshalText() {
	var config struct{ Password infinitysip.Secret }
	err := json.Unmarshal([]byte(`{"password": "correct horse"}`), &config)
	text, _ := json.Marshal(config)
	fmt.Println(config.Password.Reveal(), string(text), err)
	// Output: correct horse {"Password":"[redacted]"} <nil>
}

// Calls that this package does not have.

// As if this package had no Users.Create.
func ExampleClient_Do() {
	_, client, domain := acmeOnSiptest()

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

// As if this package had no Devices.All.
func ExampleRows() {
	srv, client, domain := acmeOnSiptest()
	for i, name := range []string{"Lobby 1", "Hall", "Lobby 2"} {
		srv.AddDevice(domain, infinitysip.Device{Name: name, MACAddress: fmt.Sprintf("10:20:30:1A:2B:%02X", i)})
	}

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
	for row, err := range infinitysip.Rows(context.Background(), client, path, opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.ID, row.Name, row.MACAddress)
	}
	// Output:
	// 1 Lobby 1 10:20:30:1A:2B:00
	// 3 Lobby 2 10:20:30:1A:2B:02
}

// As if this package had no Domains.Get.
func ExampleRow() {
	_, client, domain := acmeOnSiptest()

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
