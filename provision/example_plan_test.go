package provision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// bring brings a domain to a state, as the examples need it.
func bring(client *infinitysip.Client, domain infinitysip.DomainID, desired *provision.State) {
	changes, err := provision.Plan(context.Background(), client, domain, desired, nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := changes.Apply(context.Background(), client, &provision.ApplyOptions{Workers: 1}); err != nil {
		log.Fatal(err)
	}
}

// joeAndAnn are two users of a group.
var joeAndAnn = &provision.State{
	Users: []provision.User{
		{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"},
		{User: "ann", DisplayName: "Ann", ExtensionNumber: "0101"},
	},
	Groups: []provision.Group{{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0600", Members: []string{"joe", "ann"}}},
}

// The state names one thing of one user. All else stays.
func ExamplePlan() {
	client, domain := acmeOnSiptest() // NewClient(APIKey(key)) for the real API
	bring(client, domain, joeAndAnn)

	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{
		Users: []provision.User{{User: "joe", Email: new("joe@example.com")}},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	// Output:
	// ~ user joe: email "" → "joe@example.com"
	// ! 1 user is not in the state and stays, since nothing is pruned: ann
}

// What is there belongs to others. Only what is missing is made.
func ExamplePlanOptions_createOnly() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)

	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: []provision.User{
		{User: "joe", DisplayName: "Another name", ExtensionNumber: "0100"},
		{User: "bob", DisplayName: "Bob", ExtensionNumber: "0102"},
	}}, &provision.PlanOptions{CreateOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	// Output:
	// + user bob (extension 0102, displayName "Bob", password made up)
	// ! user joe: it differs from the state and is left as it is, since only new things are made
	// ! 1 user is not in the state and stays, since nothing is pruned: ann
}

// A leaver is deleted, but not half of the staff.
func ExamplePlanOptions_maxDeleteShare() {
	client, domain := acmeOnSiptest()
	var staff []provision.User
	for i := range 50 {
		staff = append(staff, provision.User{User: fmt.Sprintf("user%d", i), DisplayName: "User", ExtensionNumber: fmt.Sprint(2000 + i)})
	}
	bring(client, domain, &provision.State{Users: staff})

	for _, remain := range []int{49, 25} {
		changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: staff[:remain]},
			&provision.PlanOptions{Prune: true, MaxDeleteShare: 0.02})
		fmt.Println(changes.Deletes(), err)
	}
	// Output:
	// 1 <nil>
	// 25 provision: too many deletes: 25, and the limit is 1 (2 % of the 50 that are there)
}

// A list of new passwords is sent to users who are there.
func ExamplePlanOptions_setSecrets() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)

	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: []provision.User{
		{User: "joe", Password: infinitysip.NewSecret("correct horse battery staple"), PIN: infinitysip.NewSecret("270153")},
	}}, &provision.PlanOptions{SetSecrets: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	// Output:
	// ~ user joe: new password, new PIN
	// ! user joe: the API does not show passwords and PINs, so every plan that sets them has something to do
	// ! 1 user is not in the state and stays, since nothing is pruned: ann
}

// A token was lost. The device gets another.
func ExamplePlanOptions_rotateTokens() {
	client, domain := acmeOnSiptest()
	desired := &provision.State{
		Users:   []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}},
		Devices: []provision.Device{{MACAddress: "10:20:30:1A:2B:3C", Owner: new("joe")}},
	}
	bring(client, domain, desired)

	ctx := context.Background()
	changes, err := provision.Plan(ctx, client, domain, desired, &provision.PlanOptions{RotateTokens: []string{"10:20:30:1A:2B:3C"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	results, err := changes.Apply(ctx, client, nil)
	fmt.Println(results[0].Status, !results[0].Token.IsZero(), err)
	// Output:
	// ~ device 10:20:30:1A:2B:3C of user joe: new token
	// done true <nil>
}

// Two users swap their extension numbers. The server has each number once, so one of
// them gets a spare number in between.
func ExamplePlanOptions_spares() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)

	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: []provision.User{
		{User: "joe", ExtensionNumber: "0101"},
		{User: "ann", ExtensionNumber: "0100"},
	}}, &provision.PlanOptions{Spares: []string{"0999"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	// Output:
	// ~ user joe: extensionNumber "0100" → "0999" for the time in between
	// ~ user joe: extensionNumber "0100" → "0101"
	// ~ user ann: extensionNumber "0101" → "0100"
}

// A run was cut before it knew whether the password of joe was set. The next one sets it
// again.
func ExamplePlanOptions_unsettled() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)

	cut := []provision.Credential{{State: provision.CredentialProposed, User: "joe", Password: infinitysip.NewSecret("hunter22hunter22")}}
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, &provision.PlanOptions{Unsettled: cut})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	// Output:
	// ~ user joe: new password
	// ! user joe: a run was cut when it set the password or the PIN, and nobody knows which is in force, so it is set again
}

// A plan that deletes too much is returned, to be looked at. Apply refuses it.
func ExamplePlan_errTooManyDeletes() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)

	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: []provision.User{}}, &provision.PlanOptions{Prune: true})
	if errors.Is(err, provision.ErrTooManyDeletes) { // the plan is there, to be looked at
		fmt.Print(changes)
	}
	_, err = changes.Apply(context.Background(), client, nil)
	fmt.Println("refused:", errors.Is(err, provision.ErrTooManyDeletes))
	// Output:
	// - user joe, and with it: place in group sales
	// - user ann, and with it: place in group sales
	// refused: true
}

// Somebody changes the domain between the plan and its approval.
func ExampleChanges_Apply_errStale() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)
	ctx := context.Background()
	desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe Blogs"}}}
	changes, err := provision.Plan(ctx, client, domain, desired, nil)
	if err != nil {
		log.Fatal(err)
	}

	joe, err := client.Users.Find(ctx, domain, "joe")
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Users.Update(ctx, domain, joe.ID, infinitysip.UserUpdateParams{DisplayName: new("J. Blogs")}); err != nil {
		log.Fatal(err)
	}
	_, err = changes.Apply(ctx, client, nil)
	if errors.Is(err, provision.ErrStale) {
		changes, err = provision.Plan(ctx, client, domain, desired, nil)
	}
	fmt.Println(err)
	fmt.Print(changes)
	// Output:
	// <nil>
	// ~ user joe: displayName "J. Blogs" → "Joe Blogs"
	// ! 1 user is not in the state and stays, since nothing is pruned: ann
}

// The server refuses a user. The rest is done, except for the place of that user in
// the group.
func ExampleResult_errBlocked() {
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Users.Create").Nth(1).Status(403).Body("no more licences"))
	client := srv.InProcessClient()
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
	if err != nil {
		log.Fatal(err)
	}

	results, err := changes.Apply(context.Background(), client, &provision.ApplyOptions{Workers: 1})
	for _, result := range results {
		switch {
		case errors.Is(result.Err, provision.ErrBlocked):
			fmt.Printf("%s\n  %v\n", result.Change, result.Err)
		case result.Err != nil:
			fmt.Printf("%s\n  refused: %t\n", result.Change, errors.Is(err, infinitysip.ErrForbidden))
		}
	}
	// Output:
	// + user joe (extension 0100, displayName "Joe", password made up)
	//   refused: true
	// + into group sales: joe, ann
	//   blocked for 1 of 2: there is no user joe
}

// A message for the team: how much will be done.
func ExampleChanges_Summary() {
	client, domain := acmeOnSiptest()
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("users:", changes.Summary(provision.KindUser))
	fmt.Println("users in groups:", changes.Summary(provision.KindGroupMembers).Create)
	fmt.Println("in all:", changes.Summary())
	// Output:
	// users: 2 to create, 0 to change, 0 to delete
	// users in groups: 2
	// in all: 5 to create, 0 to change, 0 to delete
}

func ExampleSummary_String() {
	fmt.Println(provision.Summary{Create: 12, Change: 3})
	// Output: 12 to create, 3 to change, 0 to delete
}

// A job that runs each night says nothing if there is nothing to do.
func ExampleChanges_Empty() {
	client, domain := acmeOnSiptest()
	for _, night := range []string{"Monday", "Tuesday"} {
		changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
		if err != nil {
			log.Fatal(err)
		}
		if changes.Empty() {
			fmt.Println(night, "nothing to do")
			continue
		}
		fmt.Println(night, changes.Summary())
		if _, err := changes.Apply(context.Background(), client, nil); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// Monday 5 to create, 0 to change, 0 to delete
	// Tuesday nothing to do
}

// The server ends what hangs on a user. That counts too.
func ExampleChanges_Deletes() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)

	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{
		Users: []provision.User{{User: "joe"}},
	}, &provision.PlanOptions{Prune: true, MaxDeletes: 5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)
	fmt.Println("deletes:", changes.Deletes())
	// Output:
	// - user ann, and with it: place in group sales
	// deletes: 2
}

// Someone approves a plan by its digest. The program applies just that.
func ExampleChanges_Digest() {
	client, domain := acmeOnSiptest()
	plan := func(desired *provision.State) string {
		changes, err := provision.Plan(context.Background(), client, domain, desired, nil)
		if err != nil {
			log.Fatal(err)
		}
		return changes.Digest()
	}
	approved := plan(joeAndAnn)

	fmt.Println("the same plan:", plan(joeAndAnn) == approved)
	fmt.Println("another plan:", plan(&provision.State{Users: joeAndAnn.Users}) == approved)
	// Output:
	// the same plan: true
	// another plan: false
}

// The users are made today, and the rest on Sunday. A cut must hold what its changes
// need.
func ExampleChanges_Only() {
	client, domain := acmeOnSiptest()
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
	if err != nil {
		log.Fatal(err)
	}

	users, err := changes.Only(func(c *provision.Change) bool { return c.Kind == provision.KindUser })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(users)
	_, err = changes.Only(func(c *provision.Change) bool { return c.Kind != provision.KindGroup })
	fmt.Println(err)
	// Output:
	// + user joe (extension 0100, displayName "Joe", password made up)
	// + user ann (extension 0101, displayName "Ann", password made up)
	// provision: invalid: the plan cannot be cut so:
	// change 4 (put 2 users into group sales) needs change 3 (create group sales)
}

// Who approves the plan gets it in an e-mail.
func ExampleChanges_String() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)
	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{
		Groups: []provision.Group{{Name: "sales", RingRetry: new(true), Members: []string{"ann"}}},
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	body := changes.String()
	fmt.Printf("Subject: %s\n\n%s", changes.Summary(), body)
	// Output:
	// Subject: 0 to create, 1 to change, 0 to delete
	//
	// ~ group sales: ringRetry off → on
	// ! 1 user stays in group sales, since nothing is pruned: joe
}

// A plan is written by one program, and read and applied by another. The passwords are
// not in the file: the second program has them from the same state.
func ExampleChanges_UnmarshalJSON() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	desired := &provision.State{Users: []provision.User{
		{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100", Password: infinitysip.NewSecret("correct horse battery staple")},
	}}
	changes, err := provision.Plan(ctx, client, domain, desired, nil)
	if err != nil {
		log.Fatal(err)
	}
	file, err := json.Marshal(changes)
	if err != nil {
		log.Fatal(err)
	}

	var approved provision.Changes
	if err := json.Unmarshal(file, &approved); err != nil {
		log.Fatal(err)
	}
	_, err = approved.Apply(ctx, client, nil)
	fmt.Println("without the passwords:", err)
	results, err := approved.Apply(ctx, client, &provision.ApplyOptions{Secrets: desired.Secrets()})
	fmt.Println(results[0].Status, err)
	// Output:
	// without the passwords: provision: invalid: the plan sets passwords or PINs of 1 user that it does not hold, because a saved plan holds no secret: apply it together with the state that it was made from, and with what earlier runs left unsettled; nothing was changed: user joe
	// done <nil>
}

// A terminal gets colours, and all names of long lists.
func ExamplePrinter_color() {
	client, domain := acmeOnSiptest()
	bring(client, domain, joeAndAnn)
	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{
		Groups: []provision.Group{{Name: "sales", DisplayName: "Sales Dept", Members: []string{"joe"}}},
	}, &provision.PlanOptions{Prune: true, MaxDeletes: 1})
	if err != nil {
		log.Fatal(err)
	}
	var out bytes.Buffer
	if err := (provision.Printer{Color: true, Members: 100}).Print(&out, changes); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		fmt.Printf("%q\n", line)
	}
	// Output:
	// "\x1b[33m~ group sales: displayName \"Sales\" → \"Sales Dept\"\x1b[0m\n"
	// "\x1b[31m~ out of group sales: ann (1 user stays in the domain)\x1b[0m\n"
	// "\n"
	// "                   create   change   delete\n"
	// "groups                  0        1        0\n"
	// "users in groups         0        0        1\n"
	// "in all: 0 to create, 1 to change, 1 to delete\n"
}

func ExamplePrinter_Print() {
	client, domain := acmeOnSiptest()
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := (provision.Printer{}).Print(os.Stdout, changes); err != nil {
		log.Fatal(err)
	}
	// Output:
	// + user joe (extension 0100, displayName "Joe", password made up)
	// + user ann (extension 0101, displayName "Ann", password made up)
	// + group sales (extension 0600, displayName "Sales", callerNameFormat "{displayName} - {srcPhoneNumber}")
	// + into group sales: joe, ann
	//
	//                    create   change   delete
	// users                   2        0        0
	// groups                  1        0        0
	// users in groups         2        0        0
	// in all: 5 to create, 0 to change, 0 to delete
}

func ExampleChange_String() {
	client, domain := acmeOnSiptest()
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, change := range changes.Items {
		fmt.Printf("%d. %s, after %v\n", change.N, change, change.Needs)
	}
	// Output:
	// 1. + user joe (extension 0100, displayName "Joe", password made up), after []
	// 2. + user ann (extension 0101, displayName "Ann", password made up), after []
	// 3. + group sales (extension 0600, displayName "Sales", callerNameFormat "{displayName} - {srcPhoneNumber}"), after []
	// 4. + into group sales: joe, ann, after [3]
}

func ExampleFieldChange_String() {
	fmt.Println(provision.FieldChange{Field: "displayName", From: "Ann", To: "Anna"})
	fmt.Println(provision.FieldChange{Field: "hotdeskAllowed", From: false, To: true})
	fmt.Println(provision.FieldChange{Field: "email", From: "ann@example.com", To: ""})
	// Output:
	// displayName "Ann" → "Anna"
	// hotdeskAllowed off → on
	// clears email ("ann@example.com" → "")
}

// A number of a plan that was read back is whole.
func ExampleFieldChange_UnmarshalJSON() {
	var field provision.FieldChange
	err := json.Unmarshal([]byte(`{"field": "ringSecs", "from": 20, "to": 30}`), &field)
	fmt.Printf("%s, %T %v\n", field, field.To, err)
	// Output: ringSecs 20 → 30, int64 <nil>
}
