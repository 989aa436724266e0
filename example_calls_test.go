package infinitysip_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// The calls, in the order of the API's page.

// The domains that the credentials give access to.
func ExampleDomainsService_List() {
	srv, client, _ := acmeOnSiptest()
	srv.AddDomain(infinitysip.Domain{DisplayName: "Globex", Rec: true})

	domains, err := client.Domains.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, domain := range domains {
		fmt.Printf("%d %s, calls are recorded: %t\n", domain.ID, domain.DisplayName, domain.Rec)
	}
	// Output:
	// 1 Acme, calls are recorded: false
	// 2 Globex, calls are recorded: true
}

// Members that no field decodes are in Extra. Here, it has the host name of the domain.
func ExampleDomainsService_Get() {
	srv, client, _ := acmeOnSiptest()
	id := srv.AddDomain(infinitysip.Domain{
		DisplayName: "Globex",
		Extra:       map[string]json.RawMessage{"domain": json.RawMessage(`"globex.sip.example.com"`)},
	})

	domain, err := client.Domains.Get(context.Background(), id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %s\n", domain.DisplayName, domain.Extra["domain"])
	// Output: Globex "globex.sip.example.com"
}

// The API wants both parameters each time. So start from the row.
func ExampleDomainsService_Update() {
	_, client, id := acmeOnSiptest()
	ctx := context.Background()

	domain, err := client.Domains.Get(ctx, id)
	if err != nil {
		log.Fatal(err)
	}
	params := domain.UpdateParams()
	params.Rec = true // record the calls
	if err := client.Domains.Update(ctx, id, params); err != nil {
		log.Fatal(err)
	}

	domain, err = client.Domains.Get(ctx, id)
	fmt.Println(domain.DisplayName, domain.Rec, err)
	// Output: Acme true <nil>
}

// The API has no filter for users. So choose in the loop.
func ExampleUsersService_List() {
	srv, client, domain := acmeOnSiptest()
	srv.AddUser(domain, infinitysip.User{User: "joe.blogs", ExtensionNumber: "0100", MobileNumber: "07700900123"})
	srv.AddUser(domain, infinitysip.User{User: "amira.khan", ExtensionNumber: "0101"})

	users, err := client.Users.List(context.Background(), domain)
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range users {
		if user.MobileNumber == "" {
			fmt.Println(user.ExtensionNumber, user.User, "has no mobile number")
		}
	}
	// Output: 0101 amira.khan has no mobile number
}

func ExampleUsersService_Get() {
	srv, client, domain := acmeOnSiptest()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0100", HotdeskAllowed: true})

	user, err := client.Users.Get(context.Background(), domain, joe)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(user.ExtensionNumber, user.DisplayName)
	fmt.Println("hot-desking:", user.HotdeskAllowed)
	fmt.Println("the row shows the PIN:", !user.PIN.IsZero())
	// Output:
	// 0100 Joe Blogs
	// hot-desking: true
	// the row shows the PIN: false
}

// The first four fields are required. The others are not sent if they are zero. A flag is a
// pointer, so that new(false) can be sent.
func ExampleUsersService_Create() {
	_, client, domain := acmeOnSiptest()

	id, err := client.Users.Create(context.Background(), domain, infinitysip.UserCreateParams{
		User:            "joe.blogs",
		Password:        infinitysip.NewSecret("correct horse battery staple"),
		DisplayName:     "Joe Blogs",
		ExtensionNumber: "0100",

		HotdeskAllowed: new(true), // he logs in at any phone with his extension and PIN
		PIN:            infinitysip.NewSecret("4711"),
		MobileNumber:   "07700900123",
		MobileFollow:   new(true), // his mobile rings when no phone answers
	})
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// A nil field stays as it is, and new("") clears one.
func ExampleUsersService_Update() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{
		User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0100", MobileNumber: "07700900123", MobileFollow: true,
	})

	err := client.Users.Update(ctx, domain, joe, infinitysip.UserUpdateParams{
		ExtensionNumber: new("0150"),
		MobileNumber:    new(""),
		MobileFollow:    new(false),
	})
	if err != nil {
		log.Fatal(err)
	}
	user, err := client.Users.Get(ctx, domain, joe)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, extension %q, mobile %q\n", user.DisplayName, user.ExtensionNumber, user.MobileNumber)
	fmt.Println("the mobile rings:", user.MobileFollow)
	// Output:
	// Joe Blogs, extension "0150", mobile ""
	// the mobile rings: false
}

// The phones of a user who leaves stay, without a user.
func ExampleUsersService_Delete() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	phone := srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", UserID: joe})

	if err := client.Users.Delete(ctx, domain, joe); err != nil {
		log.Fatal(err)
	}
	device, err := client.Devices.Get(ctx, domain, phone)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Name, "has a user:", device.UserID != 0)
	// Output: Desk 12 has a user: false
}

func ExampleGroupsService_List() {
	srv, client, domain := acmeOnSiptest()
	srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", RingExclusive: true})
	srv.AddGroup(domain, infinitysip.Group{Name: "support", DisplayName: "Support", ExtensionNumber: "0201"})

	groups, err := client.Groups.List(context.Background(), domain)
	if err != nil {
		log.Fatal(err)
	}
	for _, group := range groups {
		fmt.Printf("%s %s, calls queue: %t\n", group.ExtensionNumber, group.DisplayName, group.RingExclusive)
	}
	// Output:
	// 0200 Sales, calls queue: true
	// 0201 Support, calls queue: false
}

func ExampleGroupsService_Get() {
	srv, client, domain := acmeOnSiptest()
	sales := srv.AddGroup(domain, infinitysip.Group{
		Name: "sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName} - {srcPhoneNumber}",
	})

	group, err := client.Groups.Get(context.Background(), domain, sales)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(group.Name, group.ExtensionNumber, group.CallerNameFormat)
	// Output: sales 0200 {displayName} - {srcPhoneNumber}
}

// All fields are sent. A flag that is left out is off.
func ExampleGroupsService_Create() {
	_, client, domain := acmeOnSiptest()

	id, err := client.Groups.Create(context.Background(), domain, infinitysip.GroupCreateParams{
		Name:             "sales",
		DisplayName:      "Sales",
		ExtensionNumber:  "0200",
		RingRetry:        true,
		CallerNameFormat: "{displayName} - {srcPhoneNumber}", // a phone shows "Sales - 02079460123"
	})
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// The group gets another extension number. The other properties are sent as they are.
func ExampleGroupsService_Update() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", RingRetry: true})

	group, err := client.Groups.Find(ctx, domain, "sales")
	if err != nil {
		log.Fatal(err)
	}
	params := group.UpdateParams()
	params.ExtensionNumber = "0300"
	if err := client.Groups.Update(ctx, domain, group.ID, params); err != nil {
		log.Fatal(err)
	}

	group, err = client.Groups.Get(ctx, domain, group.ID)
	fmt.Println(group.ExtensionNumber, group.RingRetry, err)
	// Output: 0300 true <nil>
}

// The users of a group stay when it goes.
func ExampleGroupsService_Delete() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	temps := srv.AddGroup(domain, infinitysip.Group{Name: "temps"})
	if err := client.Groups.AddUsers(ctx, domain, temps, []infinitysip.UserID{joe}); err != nil {
		log.Fatal(err)
	}

	if err := client.Groups.Delete(ctx, domain, temps); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(srv.Groups(domain)), "groups,", len(srv.Users(domain)), "user")
	// Output: 0 groups, 1 user
}

func ExampleGroupsService_ListUsers() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	sales := srv.AddGroup(domain, infinitysip.Group{Name: "sales"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0100"})
	amira := srv.AddUser(domain, infinitysip.User{User: "amira.khan", DisplayName: "Amira Khan", ExtensionNumber: "0101"})
	if err := client.Groups.AddUsers(ctx, domain, sales, []infinitysip.UserID{joe, amira}); err != nil {
		log.Fatal(err)
	}

	members, err := client.Groups.ListUsers(ctx, domain, sales)
	if err != nil {
		log.Fatal(err)
	}
	for _, member := range members {
		fmt.Println(member.ExtensionNumber, member.DisplayName)
	}
	// Output:
	// 0100 Joe Blogs
	// 0101 Amira Khan
}

// A long list goes in batches of 500.
func ExampleGroupsService_AddUsers() {
	srv, client, domain := acmeOnSiptest()
	everybody := srv.AddGroup(domain, infinitysip.Group{Name: "everybody"})
	var users []infinitysip.UserID
	for i := range 1200 {
		users = append(users, srv.AddUser(domain, infinitysip.User{User: fmt.Sprintf("user.%d", i)}))
	}

	if err := client.Groups.AddUsers(context.Background(), domain, everybody, users); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(srv.GroupUsers(domain, everybody)), "users,", len(srv.Requests()), "requests")
	// Output: 1200 users, 3 requests
}

// The users with an extension that begins with 09 leave the group.
func ExampleGroupsService_RemoveUsers() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	sales := srv.AddGroup(domain, infinitysip.Group{Name: "sales"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs", ExtensionNumber: "0100"})
	temp := srv.AddUser(domain, infinitysip.User{User: "temp.1", ExtensionNumber: "0901"})
	if err := client.Groups.AddUsers(ctx, domain, sales, []infinitysip.UserID{joe, temp}); err != nil {
		log.Fatal(err)
	}

	var leave []infinitysip.UserID
	for member, err := range client.Groups.AllUsers(ctx, domain, sales) {
		if err != nil {
			log.Fatal(err)
		}
		if strings.HasPrefix(member.ExtensionNumber, "09") {
			leave = append(leave, member.UserID)
		}
	}
	if len(leave) > 0 { // an empty list is refused: to the server it might mean all
		if err := client.Groups.RemoveUsers(ctx, domain, sales, leave); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(srv.GroupUsers(domain, sales))
	// Output: [1]
}

func ExampleUsersService_ListDevices() {
	srv, client, domain := acmeOnSiptest()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	srv.AddDevice(domain, infinitysip.Device{Name: "Home", MACAddress: "10:20:30:1A:2B:3C", UserID: joe})
	srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", MACAddress: "10:20:30:1A:2B:3D", UserID: joe})

	devices, err := client.Users.ListDevices(context.Background(), domain, joe, &infinitysip.UserDeviceListOptions{
		Sort: infinitysip.OrderBy(infinitysip.UserDeviceFields.Name.Asc()),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, device := range devices {
		fmt.Println(device.DeviceID, device.Name)
	}
	// Output:
	// 2 Desk 12
	// 1 Home
}

// The row of a device that another user has is not found.
func ExampleUsersService_GetDevice() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	amira := srv.AddUser(domain, infinitysip.User{User: "amira.khan"})
	phone := srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", UserID: joe})

	device, err := client.Users.GetDevice(ctx, domain, joe, phone)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Name, device.User)
	_, err = client.Users.GetDevice(ctx, domain, amira, phone)
	fmt.Println(errors.Is(err, infinitysip.ErrNotFound))
	// Output:
	// Desk 12 joe.blogs
	// true
}

// The phone registers with the token. The API shows it this once: put it into the phone's
// configuration now.
func ExampleUsersService_AddDevice() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	phone := srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", MACAddress: "10:20:30:1A:2B:3C"})

	token, err := client.Users.AddDevice(ctx, domain, joe, phone)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("printed:", token.Token)
	fmt.Println("for the phone:", len(token.Token.Reveal()), "characters")

	device, err := client.Users.GetDevice(ctx, domain, joe, phone)
	fmt.Println("read later:", device.Token.IsZero(), err)
	// Output:
	// printed: [redacted]
	// for the phone: 25 characters
	// read later: true <nil>
}

// A phone goes from Joe to Amira. The token that it had ends, and it gets a new one.
func ExampleUsersService_RemoveDevice() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	amira := srv.AddUser(domain, infinitysip.User{User: "amira.khan"})
	phone := srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", UserID: joe})

	if err := client.Users.RemoveDevice(ctx, domain, joe, phone); err != nil {
		log.Fatal(err)
	}
	token, err := client.Users.AddDevice(ctx, domain, amira, phone)
	if err != nil {
		log.Fatal(err) // the phone has no user now
	}
	fmt.Println(token.DeviceID == phone, token.UserID == amira, token.Token.IsZero())
	// Output: true true false
}

func ExampleUsersService_ListGroups() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	sales := srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200"})
	fire := srv.AddGroup(domain, infinitysip.Group{Name: "fire", DisplayName: "Fire wardens", ExtensionNumber: "0299"})
	if err := client.Users.AddGroups(ctx, domain, joe, []infinitysip.GroupID{sales, fire}); err != nil {
		log.Fatal(err)
	}

	groups, err := client.Users.ListGroups(ctx, domain, joe, &infinitysip.UserGroupListOptions{
		Filter: infinitysip.Where(infinitysip.UserGroupFields.Name.Ne("fire")),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, group := range groups {
		fmt.Println(group.ExtensionNumber, group.DisplayName)
	}
	// Output: 0200 Sales
}

// A new colleague is put into the groups of another one.
func ExampleUsersService_AddGroups() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	amira := srv.AddUser(domain, infinitysip.User{User: "amira.khan"})
	sales := srv.AddGroup(domain, infinitysip.Group{Name: "sales"})
	if err := client.Users.AddGroups(ctx, domain, joe, []infinitysip.GroupID{sales}); err != nil {
		log.Fatal(err)
	}

	var groups []infinitysip.GroupID
	for group, err := range client.Users.AllGroups(ctx, domain, joe, nil) {
		if err != nil {
			log.Fatal(err)
		}
		groups = append(groups, group.GroupID)
	}
	if err := client.Users.AddGroups(ctx, domain, amira, groups); err != nil {
		log.Fatal(err)
	}
	fmt.Println(srv.GroupUsers(domain, sales))
	// Output: [1 2]
}

// The queues whose name has "sales" in it, the highest extension first, at most 10.
func ExampleQueuesService_List() {
	srv, client, domain := acmeOnSiptest()
	srv.AddQueue(domain, infinitysip.Queue{Name: "sales-uk", DisplayName: "Sales UK", ExtensionNumber: "0500"})
	srv.AddQueue(domain, infinitysip.Queue{Name: "support", DisplayName: "Support", ExtensionNumber: "0501"})
	srv.AddQueue(domain, infinitysip.Queue{Name: "sales-us", DisplayName: "Sales US", ExtensionNumber: "0502"})

	queues, err := client.Queues.List(context.Background(), domain, &infinitysip.QueueListOptions{
		Filter: infinitysip.Where(infinitysip.QueueFields.Name.Contains("sales")),
		Sort:   infinitysip.OrderBy(infinitysip.QueueFields.ExtensionNumber.Desc()),
		Limit:  10,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, queue := range queues {
		fmt.Println(queue.ExtensionNumber, queue.DisplayName)
	}
	// Output:
	// 0502 Sales US
	// 0500 Sales UK
}

func ExampleQueuesService_Get() {
	srv, client, domain := acmeOnSiptest()
	id := srv.AddQueue(domain, infinitysip.Queue{Name: "support", DisplayName: "Support", ExtensionNumber: "0500"})

	queue, err := client.Queues.Get(context.Background(), domain, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(queue.ExtensionNumber, queue.DisplayName)
	// Output: 0500 Support
}

// A queue without members rings nobody: see CreateMember.
func ExampleQueuesService_Create() {
	_, client, domain := acmeOnSiptest()

	id, err := client.Queues.Create(context.Background(), domain, infinitysip.QueueCreateParams{
		Name:             "support",
		DisplayName:      "Support",
		ExtensionNumber:  "0500",
		CallerNameFormat: "{dgrpName}: {srcPhoneNumber}",
	})
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// The queue loses its format for callers' names. Its other fields stay.
func ExampleQueuesService_Update() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	id := srv.AddQueue(domain, infinitysip.Queue{Name: "support", DisplayName: "Support", CallerNameFormat: "{dgrpName}: {srcPhoneNumber}"})

	err := client.Queues.Update(ctx, domain, id, infinitysip.QueueUpdateParams{CallerNameFormat: new(infinitysip.CallerNameFormat(""))})
	if err != nil {
		log.Fatal(err)
	}
	queue, err := client.Queues.Get(ctx, domain, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %q\n", queue.DisplayName, queue.CallerNameFormat)
	// Output: Support ""
}

// The groups that a queue rang stay when it goes.
func ExampleQueuesService_Delete() {
	srv, client, domain := acmeOnSiptest()
	srv.AddGroup(domain, infinitysip.Group{Name: "first-line"})
	id := srv.AddQueue(domain, infinitysip.Queue{Name: "support"})

	if err := client.Queues.Delete(context.Background(), domain, id); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(srv.Queues(domain)), "queues,", len(srv.Groups(domain)), "group")
	// Output: 0 queues, 1 group
}

// supportQueue makes a queue that rings three groups in turn, each for 20 seconds.
func supportQueue(srv *siptest.Server, client *infinitysip.Client, domain infinitysip.DomainID) infinitysip.QueueID {
	queue := srv.AddQueue(domain, infinitysip.Queue{Name: "support"})
	for i, name := range []string{"first-line", "second-line", "managers"} {
		_, err := client.Queues.CreateMember(context.Background(), domain, queue, infinitysip.QueueMemberCreateParams{
			GroupID:      srv.AddGroup(domain, infinitysip.Group{Name: name}),
			RingStrategy: infinitysip.RingAll,
			RingSecs:     20,
			RingOrder:    i + 1,
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	return queue
}

func ExampleQueuesService_ListMembers() {
	srv, client, domain := acmeOnSiptest()
	queue := supportQueue(srv, client, domain) // it rings three groups in turn

	members, err := client.Queues.ListMembers(context.Background(), domain, queue)
	if err != nil {
		log.Fatal(err)
	}
	for _, member := range members {
		fmt.Printf("%d. group %d, %d seconds\n", member.RingOrder, member.GroupID, member.RingSecs)
	}
	// Output:
	// 1. group 1, 20 seconds
	// 2. group 2, 20 seconds
	// 3. group 3, 20 seconds
}

// A member has an id of its own, which is not that of its group.
func ExampleQueuesService_GetMember() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	queue := srv.AddQueue(domain, infinitysip.Queue{Name: "support"})
	firstLine := srv.AddGroup(domain, infinitysip.Group{ID: 12, Name: "first-line"})
	params := infinitysip.QueueMemberCreateParams{GroupID: firstLine, RingStrategy: infinitysip.RingHuntLongestIdle}
	id, err := client.Queues.CreateMember(ctx, domain, queue, params)
	if err != nil {
		log.Fatal(err)
	}

	member, err := client.Queues.GetMember(ctx, domain, queue, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(member.ID, member.GroupID, member.RingStrategy)
	// Output: 1 12 huntLongestIdle
}

// The queue rings the group for 20 seconds, all phones at once. If all are busy, it tries
// three times. Then the member with the next RingOrder has its turn.
func ExampleQueuesService_CreateMember() {
	srv, client, domain := acmeOnSiptest()
	queue := srv.AddQueue(domain, infinitysip.Queue{Name: "support"})
	firstLine := srv.AddGroup(domain, infinitysip.Group{Name: "first-line"})

	id, err := client.Queues.CreateMember(context.Background(), domain, queue, infinitysip.QueueMemberCreateParams{
		GroupID:      firstLine,
		RingStrategy: infinitysip.RingAll,
		RingAttempts: 3,
		RingSecs:     20,
		RingOrder:    1,
	})
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// Each member of the queue rings for 10 seconds longer.
func ExampleQueuesService_UpdateMember() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	queue := supportQueue(srv, client, domain) // each member rings for 20 seconds

	members, err := client.Queues.ListMembers(ctx, domain, queue)
	if err != nil {
		log.Fatal(err)
	}
	for _, member := range members {
		params := infinitysip.QueueMemberUpdateParams{RingSecs: new(member.RingSecs + 10)}
		if err := client.Queues.UpdateMember(ctx, domain, queue, member.ID, params); err != nil {
			log.Fatal(err)
		}
	}
	for _, member := range srv.QueueMembers(domain, queue) {
		fmt.Println(member.GroupID, member.RingSecs, member.RingStrategy)
	}
	// Output:
	// 1 30 all
	// 2 30 all
	// 3 30 all
}

// The queue does not ring the managers any more. Their group stays.
func ExampleQueuesService_DeleteMember() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	queue := supportQueue(srv, client, domain)
	managers, err := client.Groups.Find(ctx, domain, "managers")
	if err != nil {
		log.Fatal(err)
	}

	for member, err := range client.Queues.AllMembers(ctx, domain, queue) {
		if err != nil {
			log.Fatal(err)
		}
		if member.GroupID == managers.ID { // it may be in the queue more than once
			if err := client.Queues.DeleteMember(ctx, domain, queue, member.ID); err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Println(len(srv.QueueMembers(domain, queue)), "members,", len(srv.Groups(domain)), "groups")
	// Output: 2 members, 3 groups
}

// The member that rang last rings first. Name every member of the queue.
func ExampleQueuesService_SetMemberOrder() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	queue := supportQueue(srv, client, domain) // it rings three groups in turn

	members, err := client.Queues.ListMembers(ctx, domain, queue)
	if err != nil {
		log.Fatal(err)
	}
	var order []infinitysip.QueueMemberID
	for _, member := range members {
		order = append(order, member.ID)
	}
	order = slices.Insert(order[:len(order)-1], 0, order[len(order)-1])
	if err := client.Queues.SetMemberOrder(ctx, domain, queue, order); err != nil {
		log.Fatal(err)
	}
	for _, member := range srv.QueueMembers(domain, queue) {
		fmt.Println(member.RingOrder, member.ID)
	}
	// Output:
	// 1 3
	// 2 1
	// 3 2
}

func ExampleTrustedNetworksService_List() {
	srv, client, domain := acmeOnSiptest()
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("10.0.20.0/24"), Description: "Leeds office"})
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("203.0.113.7/32")})

	networks, err := client.TrustedNetworks.List(context.Background(), domain, &infinitysip.TrustedNetworkListOptions{
		Filter: infinitysip.Where(infinitysip.TrustedNetworkFields.Description.IsSet(false)),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, network := range networks {
		fmt.Println(network.Network, "has no description")
	}
	// Output: 203.0.113.7/32 has no description
}

// A network is a netip.Prefix, which tells whether an address is in it.
func ExampleTrustedNetworksService_Get() {
	srv, client, domain := acmeOnSiptest()
	leeds := infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("10.0.20.0/24"), Description: "Leeds office"}
	id := srv.AddTrustedNetwork(domain, leeds)

	network, err := client.TrustedNetworks.Get(context.Background(), domain, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(network.Description, network.Network.Contains(netip.MustParseAddr("10.0.20.77")))
	// Output: Leeds office true
}

func ExampleTrustedNetworksService_Create() {
	_, client, domain := acmeOnSiptest()

	id, err := client.TrustedNetworks.Create(context.Background(), domain, infinitysip.TrustedNetworkCreateParams{
		Network:     netip.MustParsePrefix("2001:db8:20::/48"),
		Description: "Leeds office",
	})
	fmt.Println(id, err)
	// Output: 1 <nil>
}

// The office gets a larger network. The description stays.
func ExampleTrustedNetworksService_Update() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	leeds := infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("10.0.20.0/24"), Description: "Leeds office"}
	id := srv.AddTrustedNetwork(domain, leeds)

	err := client.TrustedNetworks.Update(ctx, domain, id, infinitysip.TrustedNetworkUpdateParams{
		Network: new(netip.MustParsePrefix("10.0.20.0/23")),
	})
	if err != nil {
		log.Fatal(err)
	}
	network, err := client.TrustedNetworks.Get(ctx, domain, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(network.Network, network.Description)
	// Output: 10.0.20.0/23 Leeds office
}

func ExampleTrustedNetworksService_Delete() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("10.0.20.0/24")})

	network, err := client.TrustedNetworks.FindByNetwork(ctx, domain, netip.MustParsePrefix("10.0.20.0/24"))
	if err != nil {
		log.Fatal(err)
	}
	if err := client.TrustedNetworks.Delete(ctx, domain, network.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(srv.TrustedNetworks(domain)))
	// Output: 0
}

// The phones that nobody has.
func ExampleDevicesService_List() {
	srv, client, domain := acmeOnSiptest()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", MACAddress: "10:20:30:1A:2B:3C", UserID: joe})
	srv.AddDevice(domain, infinitysip.Device{Name: "Lobby", MACAddress: "10:20:30:1A:2B:3D"})

	devices, err := client.Devices.List(context.Background(), domain, &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(infinitysip.DeviceFields.UserID.Eq(0)),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, device := range devices {
		fmt.Println(device.Name, device.MACAddress)
	}
	// Output: Lobby 10:20:30:1A:2B:3D
}

// Times are UTC. One that the server does not have is the zero time.
func ExampleDevicesService_Get() {
	srv, client, domain := acmeOnSiptest()
	id := srv.AddDevice(domain, infinitysip.Device{
		Name: "Lobby", MACAddress: "10:20:30:1A:2B:3C", Created: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
	})

	device, err := client.Devices.Get(context.Background(), domain, id)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(device.Name, device.MACAddress)
	fmt.Println("created", device.Created)
	fmt.Println("never updated:", device.Updated.IsZero())
	// Output:
	// Lobby 10:20:30:1A:2B:3C
	// created 2026-03-02 09:30:00 +0000 UTC
	// never updated: true
}

// A MAC address may be written in any way. It is sent with colons and in capitals.
func ExampleDevicesService_Create() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()

	for name, mac := range map[string]string{"Lobby": "10-20-30-1a-2b-3c", "Hall": "1020.301a.2b3d"} {
		if _, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: name, MACAddress: mac}); err != nil {
			log.Fatal(err)
		}
	}
	for _, device := range srv.Devices(domain) {
		fmt.Println(device.Name, device.MACAddress)
	}
	// Unordered output:
	// Lobby 10:20:30:1A:2B:3C
	// Hall 10:20:30:1A:2B:3D
}

// A device can be renamed. For another MAC address, delete it and create another.
func ExampleDevicesService_Update() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	srv.AddDevice(domain, infinitysip.Device{Name: "Spare", MACAddress: "10:20:30:1A:2B:3C"})

	device, err := client.Devices.FindByMAC(ctx, domain, "10-20-30-1A-2B-3C") // as on its label
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Devices.Update(ctx, domain, device.ID, infinitysip.DeviceUpdateParams{Name: "Lobby"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(srv.Devices(domain)[0].Name)
	// Output: Lobby
}

// A broken phone is replaced. The new one takes its name and its user.
func ExampleDevicesService_Delete() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	broken := srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12", MACAddress: "10:20:30:1A:2B:3C", UserID: joe})

	if err := client.Devices.Delete(ctx, domain, broken); err != nil {
		log.Fatal(err)
	}
	phone, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: "Desk 12", MACAddress: "10:20:30:1A:2B:3D"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Users.AddDevice(ctx, domain, joe, phone) // which returns the token
	fmt.Println(srv.Devices(domain)[0].MACAddress, srv.Devices(domain)[0].User, err)
	// Output: 10:20:30:1A:2B:3D joe.blogs <nil>
}

// The iterators over lists.

// Every domain of the account, and how many users each has.
func ExampleDomainsService_All() {
	srv, client, acme := acmeOnSiptest()
	ctx := context.Background()
	srv.AddDomain(infinitysip.Domain{DisplayName: "Globex"})
	srv.AddUser(acme, infinitysip.User{User: "joe.blogs"})

	for domain, err := range client.Domains.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		users, err := client.Users.List(ctx, domain.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(domain.DisplayName, len(users))
	}
	// Output:
	// Acme 1
	// Globex 0
}

// The loop may end when it has what it wants: here, the first user on the dashboard.
func ExampleUsersService_All() {
	srv, client, domain := acmeOnSiptest()
	srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	srv.AddUser(domain, infinitysip.User{User: "amira.khan", Dashboard: true})
	srv.AddUser(domain, infinitysip.User{User: "sam.lee", Dashboard: true})

	for user, err := range client.Users.All(context.Background(), domain) {
		if err != nil {
			log.Fatal(err) // there are no more rows after an error
		}
		if user.Dashboard {
			fmt.Println(user.User)
			break
		}
	}
	// Output: amira.khan
}

// The extension numbers that groups have.
func ExampleGroupsService_All() {
	srv, client, domain := acmeOnSiptest()
	srv.AddGroup(domain, infinitysip.Group{Name: "sales", ExtensionNumber: "0200"})
	srv.AddGroup(domain, infinitysip.Group{Name: "support", ExtensionNumber: "0201"})

	taken := map[string]string{}
	for group, err := range client.Groups.All(context.Background(), domain) {
		if err != nil {
			log.Fatal(err)
		}
		taken[group.ExtensionNumber] = group.Name
	}
	fmt.Println(taken)
	// Output: map[0200:sales 0201:support]
}

func ExampleGroupsService_AllUsers() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	sales := srv.AddGroup(domain, infinitysip.Group{Name: "sales"})
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	if err := client.Groups.AddUsers(ctx, domain, sales, []infinitysip.UserID{joe}); err != nil {
		log.Fatal(err)
	}

	for member, err := range client.Groups.AllUsers(ctx, domain, sales) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(member.UserID, member.User)
	}
	// Output: 1 joe.blogs
}

func ExampleUsersService_AllDevices() {
	srv, client, domain := acmeOnSiptest()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	for _, name := range []string{"Desk 12", "Home", "Lab"} {
		srv.AddDevice(domain, infinitysip.Device{Name: name, UserID: joe})
	}

	opts := &infinitysip.UserDeviceListOptions{Filter: infinitysip.Where(infinitysip.UserDeviceFields.Name.NotBegins("Desk"))}
	for device, err := range client.Users.AllDevices(context.Background(), domain, joe, opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(device.DeviceID, device.Name)
	}
	// Output:
	// 2 Home
	// 3 Lab
}

func ExampleUsersService_AllGroups() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	sales := srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales"})
	if err := client.Users.AddGroups(ctx, domain, joe, []infinitysip.GroupID{sales}); err != nil {
		log.Fatal(err)
	}

	for group, err := range client.Users.AllGroups(ctx, domain, joe, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(group.GroupID, group.DisplayName)
	}
	// Output: 1 Sales
}

// Limit is the most rows in all.
func ExampleQueuesService_All() {
	srv, client, domain := acmeOnSiptest()
	for i := range 5 {
		srv.AddQueue(domain, infinitysip.Queue{Name: fmt.Sprintf("queue-%d", i), ExtensionNumber: fmt.Sprintf("050%d", i)})
	}

	opts := &infinitysip.QueueListOptions{Offset: 1, Limit: 3}
	for queue, err := range client.Queues.All(context.Background(), domain, opts) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(queue.ExtensionNumber, queue.Name)
	}
	// Output:
	// 0501 queue-1
	// 0502 queue-2
	// 0503 queue-3
}

// How long a caller waits at most, if each group rings once.
func ExampleQueuesService_AllMembers() {
	srv, client, domain := acmeOnSiptest()
	queue := supportQueue(srv, client, domain) // three groups, each for 20 seconds

	var wait time.Duration
	for member, err := range client.Queues.AllMembers(context.Background(), domain, queue) {
		if err != nil {
			log.Fatal(err)
		}
		wait += time.Duration(member.RingSecs) * time.Second
	}
	fmt.Println(wait)
	// Output: 1m0s
}

// The networks that have more addresses than an office needs.
func ExampleTrustedNetworksService_All() {
	srv, client, domain := acmeOnSiptest()
	for _, network := range []string{"10.0.20.0/24", "10.0.0.0/8", "203.0.113.7/32"} {
		srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix(network)})
	}

	for network, err := range client.TrustedNetworks.All(context.Background(), domain, nil) {
		if err != nil {
			log.Fatal(err)
		}
		if network.Network.Addr().Is4() && network.Network.Bits() < 20 {
			fmt.Println(network.ID, network.Network)
		}
	}
	// Output: 2 10.0.0.0/8
}

// The loop may delete what it is given: no row is passed over.
func ExampleDevicesService_All() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	for i := range 5 {
		srv.AddDevice(domain, infinitysip.Device{Name: fmt.Sprintf("Old %d", i), MACAddress: fmt.Sprintf("10:20:30:1A:2B:%02X", i)})
	}

	opts := &infinitysip.DeviceListOptions{
		Filter:   infinitysip.Where(infinitysip.DeviceFields.Name.Begins("Old ")),
		PageSize: 2, // the default is 1,000
	}
	for device, err := range client.Devices.All(ctx, domain, opts) {
		if err != nil {
			log.Fatal(err)
		}
		if err := client.Devices.Delete(ctx, domain, device.ID); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(srv.Devices(domain)))
	// Output: 0
}

// New tokens.

// A phone was out of the office for a day. It gets a new token, and the old one ends.
func ExampleUsersService_RotateDeviceToken() {
	srv, client, domain := acmeOnSiptest()
	ctx := context.Background()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	phone := srv.AddDevice(domain, infinitysip.Device{Name: "Desk 12"})
	old, err := client.Users.AddDevice(ctx, domain, joe, phone)
	if err != nil {
		log.Fatal(err)
	}

	token, err := client.Users.RotateDeviceToken(ctx, domain, joe, phone)
	if err != nil {
		log.Fatal(err) // the phone may have no user now
	}
	fmt.Println("another token:", !token.Token.Equal(old.Token))
	fmt.Println("still of", srv.Devices(domain)[0].User)
	// Output:
	// another token: true
	// still of joe.blogs
}

func ExampleUsersService_RotateDeviceTokens() {
	srv, client, domain := acmeOnSiptest()
	joe := srv.AddUser(domain, infinitysip.User{User: "joe.blogs"})
	for _, mac := range []string{"10:20:30:1A:2B:00", "10:20:30:1A:2B:01"} {
		srv.AddDevice(domain, infinitysip.Device{MACAddress: mac, UserID: joe})
	}

	for token, err := range client.Users.RotateDeviceTokens(context.Background(), domain, joe) {
		if err != nil {
			log.Fatalf("device %d: %v", token.DeviceID, err) // it may have no user now
		}
		fmt.Println(token.DeviceID, len(token.Token.Reveal())) // keep the token: it is shown this once
	}
	// Output:
	// 1 25
	// 2 25
}
