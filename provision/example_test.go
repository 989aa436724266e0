package provision_test

import (
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

// acmeOnSiptest is a client on a server in memory, so that the examples run.
func acmeOnSiptest() (*infinitysip.Client, infinitysip.DomainID) {
	srv := siptest.NewServer(siptest.Options{})
	return srv.InProcessClient(), srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
}

const staff = `user,displayName,extension,groups,mac
joe.blogs,Joe Blogs,0100,sales,10:20:30:1A:2B:3C
ann.other,Ann Other,0101,sales;support,
`

const office = `{
	"groups": [
		{"groupName": "sales", "extensionNumber": "0600", "displayName": "Sales Dept"},
		{"groupName": "support", "extensionNumber": "0601"}
	],
	"queues": [{"queueName": "reception", "extensionNumber": "0700", "members": [{"group": "sales"}, {"group": "support", "ringSecs": 30}]}],
	"trustedNetworks": [{"network": "203.0.113.0/24", "description": "Office"}]
}`

func Example() {
	client, domain := acmeOnSiptest() // NewClient(APIKey(key)) for the real API
	ctx := context.Background()

	people, err := provision.ReadCSV(strings.NewReader(staff), nil)
	if err != nil {
		log.Fatal(err)
	}
	rest, err := provision.ReadJSON(strings.NewReader(office))
	if err != nil {
		log.Fatal(err)
	}
	desired := provision.Merge(people, rest)

	changes, err := provision.Plan(ctx, client, domain, desired, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(changes)

	results, err := changes.Apply(ctx, client, &provision.ApplyOptions{Workers: 16})
	for _, result := range results { // also after an error: nobody can read the secrets later
		if !result.Password.IsZero() || !result.Token.IsZero() {
			fmt.Println("a secret for", result.Change.Kind, result.Change.Name) // result.Password.Reveal() gives it
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	changes, err = provision.Plan(ctx, client, domain, desired, nil)
	fmt.Println("nothing left to do:", changes.Empty(), err)
	// Output:
	// + user joe.blogs (extension 0100, displayName "Joe Blogs", password made up)
	// + user ann.other (extension 0101, displayName "Ann Other", password made up)
	// + group sales (extension 0600, displayName "Sales Dept", callerNameFormat "{displayName} - {srcPhoneNumber}")
	// + group support (extension 0601, callerNameFormat "{displayName} - {srcPhoneNumber}")
	// + queue reception (extension 0700)
	// + trusted network 203.0.113.0/24 (description "Office")
	// + device 10:20:30:1A:2B:3C "Joe Blogs"
	// + into group sales: joe.blogs, ann.other
	// + into group support: ann.other
	// + device 10:20:30:1A:2B:3C goes to user joe.blogs
	// + queue reception rings group sales (ringStrategy "all", ringAttempts 1, ringSecs 20, ringOrder 1)
	// + queue reception rings group support (ringStrategy "all", ringAttempts 1, ringSecs 30, ringOrder 2)
	// a secret for user joe.blogs
	// a secret for user ann.other
	// a secret for device owner 10:20:30:1A:2B:3C
	// nothing left to do: true <nil>
}

// Another plan settles everything: what failed, what was left in doubt, what somebody else
// did meanwhile.
func ExampleChanges_Apply() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	desired := &provision.State{Users: []provision.User{
		{User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0100", HotdeskAllowed: new(true)},
	}}

	provisionOnce := func() (done bool, err error) {
		changes, err := provision.Plan(ctx, client, domain, desired, nil)
		if err != nil || changes.Empty() {
			return err == nil, err
		}
		results, err := changes.Apply(ctx, client, &provision.ApplyOptions{
			Keep: func(c provision.Credential) error {
				// Write it down: nobody can read it later.
				fmt.Println("keep for", c.User, len(c.Password.Reveal()), len(c.PIN.Reveal()))
				return nil
			},
			Progress: func(p provision.Progress) { fmt.Printf("[%d/%d] %s\n", p.Done, p.Total, p.Change) },
		})
		for _, r := range results {
			if errors.Is(r.Err, infinitysip.ErrOutcomeUnknown) {
				fmt.Println("in doubt, the next plan tells:", r.Change)
			}
		}
		return false, err
	}
	for range 5 { // a real program pauses between two of them
		done, err := provisionOnce()
		if done {
			break
		}
		if errors.Is(err, infinitysip.ErrInvalid) || errors.Is(err, infinitysip.ErrUnauthorized) {
			log.Fatal(err) // it would be the same again
		}
	}
	// Output:
	// keep for joe.blogs 26 6
	// [1/1] + user joe.blogs (extension 0100, displayName "Joe Blogs", hotdeskAllowed on, password made up, PIN made up)
}

func ExamplePlan_prune() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	for _, desired := range []*provision.State{
		{Users: []provision.User{{User: "joe.blogs", DisplayName: "Joe", ExtensionNumber: "0100"}, {User: "ann.other", DisplayName: "Ann", ExtensionNumber: "0101"}}},
		{Users: []provision.User{{User: "joe.blogs", DisplayName: "Joe Blogs", MobileNumber: new("07700 900101")}}},
	} {
		changes, err := provision.Plan(ctx, client, domain, desired, &provision.PlanOptions{Prune: true, MaxDeletes: 1})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(changes)
		if _, err := changes.Apply(ctx, client, nil); err != nil {
			log.Fatal(err)
		}
	}

	none := &provision.State{Users: []provision.User{}}
	_, err := provision.Plan(ctx, client, domain, none, &provision.PlanOptions{Prune: true})
	fmt.Println(err)
	// Output:
	// + user joe.blogs (extension 0100, displayName "Joe", password made up)
	// + user ann.other (extension 0101, displayName "Ann", password made up)
	// ~ user joe.blogs: displayName "Joe" → "Joe Blogs", mobileNumber "" → "07700 900101"
	// - user ann.other
	// provision: too many deletes: 1, and the limit is 0
}

func ExampleState_Check() {
	desired, err := provision.ReadCSV(strings.NewReader(`user,displayName,extension,mac
joe.blogs,Joe Blogs,0100,10:20:30
ann.other,,0100,
`), nil)
	if err != nil {
		log.Fatal(err)
	}
	if problems, ok := errors.AsType[*provision.CheckError](desired.Check()); ok {
		for _, problem := range problems.Problems {
			fmt.Println(problem)
		}
	}
	// Output:
	// line 2, mac: not a MAC address of six octets: "10:20:30"
	// line 3, displayName: missing
	// line 3, extension: "0100" is that of user joe.blogs already
}

func ExampleChanges_MarshalJSON() {
	client, domain := acmeOnSiptest()
	desired := &provision.State{TrustedNetworks: []provision.TrustedNetwork{{Network: "203.0.113.0/24", Description: new("Office")}}}
	changes, err := provision.Plan(context.Background(), client, domain, desired, nil)
	if err != nil {
		log.Fatal(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(changes)
	// Output:
	// {"version":1,"domain":1,"maxDeletes":0,"changes":[{"n":1,"op":"create","kind":"trusted network","name":"203.0.113.0/24","fields":[{"field":"description","to":"Office"}]}]}
}

func ExampleReadDomain() {
	client, domain := acmeOnSiptest()
	ctx := context.Background()
	people, err := provision.ReadCSV(strings.NewReader(staff), nil)
	if err != nil {
		log.Fatal(err)
	}
	people.Groups = []provision.Group{{Name: "sales", ExtensionNumber: "0600"}, {Name: "support", ExtensionNumber: "0601"}}
	changes, err := provision.Plan(ctx, client, domain, people, nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := changes.Apply(ctx, client, nil); err != nil {
		log.Fatal(err)
	}

	state, err := provision.ReadDomain(ctx, client, domain)
	if err != nil {
		log.Fatal(err)
	}
	if err := state.WriteCSV(os.Stdout); err != nil { // or WriteJSON, which has room for all of it
		log.Fatal(err)
	}
	// Output:
	// user,displayName,extension,email,groups,mac,mobile,pin,password
	// ann.other,Ann Other,0101,,sales;support,,,,
	// joe.blogs,Joe Blogs,0100,,sales,10:20:30:1A:2B:3C,,,
}
