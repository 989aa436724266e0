package provision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// keptIn opens a file for credentials in a folder of its own.
func keptIn() (kept *provision.CredentialFile, name string, remove func()) {
	folder, err := os.MkdirTemp("", "provision")
	if err != nil {
		log.Fatal(err)
	}
	name = filepath.Join(folder, "secrets.csv")
	kept, err = provision.KeepCSV(name)
	if err != nil {
		log.Fatal(err)
	}
	return kept, name, func() { os.RemoveAll(folder) }
}

// Each password is on the disk before a user has it.
func ExampleCredentialFile() {
	client, domain := acmeOnSiptest()
	kept, name, remove := keptIn() // provision.KeepCSV("secrets.csv")
	defer remove()

	ctx := context.Background()
	desired := &provision.State{Users: []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}}}
	changes, err := provision.Plan(ctx, client, domain, desired, &provision.PlanOptions{Unsettled: kept.Unsettled()})
	if err != nil {
		log.Fatal(err)
	}
	_, err = changes.Apply(ctx, client, &provision.ApplyOptions{
		Keep: kept.Keep, Settle: kept.Settle,
		// Without Password, GeneratePassword makes it up.
		Password: func(string) (infinitysip.Secret, error) {
			return infinitysip.NewSecret("correct horse battery staple"), nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// state,user,device,password,pin,token
	// proposed,joe,,correct horse battery staple,,
	// confirmed,joe,,correct horse battery staple,,
}

// A program that hands out a password itself writes it down first.
func ExampleCredentialFile_Keep() {
	kept, name, remove := keptIn()
	defer remove()
	defer func() { _ = kept.Close() }()

	err := kept.Keep(provision.Credential{User: "joe", Password: infinitysip.NewSecret("hunter22"), PIN: infinitysip.NewSecret("270153")})
	if err != nil {
		log.Fatal(err) // do not use the password
	}
	text, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// state,user,device,password,pin,token
	// proposed,joe,,hunter22,270153,
}

// The last line of a user counts.
func ExampleCredentialFile_Settle() {
	kept, name, remove := keptIn()
	defer remove()
	defer func() { _ = kept.Close() }()

	joe := provision.Credential{User: "joe", Password: infinitysip.NewSecret("hunter22")}
	if err := kept.Keep(joe); err != nil {
		log.Fatal(err)
	}
	joe.State = provision.CredentialRefused
	if err := kept.Settle(joe); err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(text))
	// Output:
	// state,user,device,password,pin,token
	// proposed,joe,,hunter22,,
	// refused,joe,,hunter22,,
}

// After a crash the file tells which passwords to set again.
func ExampleCredentialFile_Unsettled() {
	kept, name, remove := keptIn()
	defer remove()
	if err := kept.Keep(provision.Credential{User: "joe", Password: infinitysip.NewSecret("hunter22")}); err != nil {
		log.Fatal(err)
	}
	_ = kept.Close() // the process dies here

	kept, err := provision.KeepCSV(name)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	for _, credential := range kept.Unsettled() {
		fmt.Println(credential.User, credential.State, credential.Password.Reveal())
	}
	// Output: joe proposed hunter22
}

func ExampleCredentialFile_Close() {
	kept, _, remove := keptIn()
	defer remove()

	fmt.Println(kept.Close())
	err := kept.Keep(provision.Credential{User: "joe", Password: infinitysip.NewSecret("hunter22")})
	fmt.Println("closed:", err != nil)
	// Output:
	// <nil>
	// closed: true
}

// A copy of the file is on another machine. The passwords that count are in it.
func ExampleReadCredentials() {
	file := strings.NewReader(`state,user,device,password,pin,token
proposed,joe,,first,,
confirmed,joe,,first,,
proposed,joe,,second,,
refused,joe,,second,,
`)
	told, err := provision.ReadCredentials(file)
	if err != nil {
		log.Fatal(err)
	}
	passwords := map[string]infinitysip.Secret{}
	for _, credential := range told {
		if credential.State == provision.CredentialConfirmed {
			passwords[credential.User] = credential.Password
		}
	}
	fmt.Println(passwords["joe"].Reveal(), len(provision.Unsettled(told)))
	// Output: first 0
}

// A program keeps credentials in a database of its own, in the order in which Apply
// tells them.
func ExampleUnsettled() {
	client, domain := acmeOnSiptest()
	var rows []provision.Credential // a table, in a real program
	ctx, kill := context.WithCancel(context.Background())
	changes, err := provision.Plan(ctx, client, domain, &provision.State{Users: joeAndAnn.Users[:1]}, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = changes.Apply(ctx, client, &provision.ApplyOptions{
		Keep: func(c provision.Credential) error {
			rows = append(rows, c)
			kill() // the program ends before the user is made
			return nil
		},
	})
	fmt.Println("cut:", errors.Is(err, context.Canceled))
	for _, credential := range provision.Unsettled(rows) { // for PlanOptions.Unsettled
		fmt.Println(credential.User, credential.State)
	}
	// Output:
	// cut: true
	// joe proposed
}

// A bar shows how far the run has come.
func ExampleApplyOptions_progress() {
	client, domain := acmeOnSiptest()
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = changes.Apply(context.Background(), client, &provision.ApplyOptions{
		Workers: 1,
		Progress: func(p provision.Progress) {
			fmt.Printf("%d %% %s %s\n", 100*p.Done/p.Total, p.Change.Kind, p.Change.Name)
		},
	})
	fmt.Println(err)
	// Output:
	// 25 % user joe
	// 50 % user ann
	// 75 % group sales
	// 100 % group members sales
	// <nil>
}

// The passwords come from the directory of the company, and every user gets a PIN.
func ExampleApplyOptions_password() {
	client, domain := acmeOnSiptest()
	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: joeAndAnn.Users}, nil)
	if err != nil {
		log.Fatal(err)
	}

	directory := map[string]string{"joe": "correct horse battery staple", "ann": "purple monkey dishwasher"}
	results, err := changes.Apply(context.Background(), client, &provision.ApplyOptions{
		Password: func(user string) (infinitysip.Secret, error) {
			password, ok := directory[user]
			if !ok {
				return infinitysip.Secret{}, fmt.Errorf("the directory has no password of %s", user) // the user is not made
			}
			return infinitysip.NewSecret(password), nil
		},
		PIN: func(string) (infinitysip.Secret, error) { return provision.GeneratePIN(), nil },
	})
	for _, result := range results {
		fmt.Println(result.Change.Name, result.Password.Reveal(), len(result.PIN.Reveal()))
	}
	fmt.Println(err)
	// Output:
	// joe correct horse battery staple 6
	// ann purple monkey dishwasher 6
	// <nil>
}

// A job ends at once if the server refuses it for long, and its worker goes on with
// another domain.
func ExampleApplyOptions_limitWait() {
	nine := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	srv := siptest.NewServer(siptest.Options{Now: func() time.Time { return nine }})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Second}))
	changes, err := provision.Plan(context.Background(), client, domain, joeAndAnn, nil)
	if err != nil {
		log.Fatal(err)
	}

	srv.SetLimit(&siptest.Limit{Requests: 4, Per: time.Hour, RetryAfter: siptest.RetryAfterSeconds})
	results, err := changes.Apply(context.Background(), client, &provision.ApplyOptions{LimitWait: -1, Workers: 1})
	for _, result := range results {
		fmt.Println(result.Status, result.Change.Kind, result.Change.Name)
	}
	if refusal, ok := errors.AsType[*infinitysip.Error](err); ok {
		fmt.Println("again in", refusal.RetryAfter)
	}
	// Output:
	// done user joe
	// failed user ann
	// stopped group sales
	// stopped group members sales
	// again in 15m0s
}

// A lock keeps other programs away. So a password whose answer was lost is settled
// at once.
func ExampleApplyOptions_alone() {
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	srv.Fail(siptest.On("Users.Create").Nth(1).CommitThenDrop())
	client := srv.InProcessClient()
	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: joeAndAnn.Users[:1]}, nil)
	if err != nil {
		log.Fatal(err)
	}

	nothing := func(provision.Credential) error { return nil } // a real program writes it down, as KeepCSV does
	results, err := changes.Apply(context.Background(), client, &provision.ApplyOptions{
		Alone: true, Keep: nothing, Settle: func(c provision.Credential) error {
			fmt.Println(c.User, c.State)
			return nil
		},
	})
	fmt.Println(results[0].Password.Reveal() == srv.Users(domain)[0].Password.Reveal(), err)
	// Output:
	// joe confirmed
	// true <nil>
}

// The report of a run goes to a log. It holds no secret.
func ExampleResult_MarshalJSON() {
	client, domain := acmeOnSiptest()
	changes, err := provision.Plan(context.Background(), client, domain, &provision.State{Users: joeAndAnn.Users[:1]}, nil)
	if err != nil {
		log.Fatal(err)
	}
	results, err := changes.Apply(context.Background(), client, nil)
	if err != nil {
		log.Fatal(err)
	}
	report, err := json.MarshalIndent(results[0], "", "  ")
	fmt.Println(string(report), err)
	// Output:
	// {
	//   "n": 1,
	//   "op": "create",
	//   "kind": "user",
	//   "name": "joe",
	//   "fields": [
	//     {
	//       "field": "displayName",
	//       "to": "Joe"
	//     },
	//     {
	//       "field": "extensionNumber",
	//       "to": "0100"
	//     }
	//   ],
	//   "status": "done"
	// } <nil>
}

// The answer with a token is lost. The device has it, and nobody knows it. The next run
// gets another.
func ExampleResult_errTokenLost() {
	srv := siptest.NewServer(siptest.Options{})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient()
	srv.Fail(siptest.On("Users.AddDevice").Nth(1).CommitThenDrop())
	desired := &provision.State{
		Users:   []provision.User{{User: "joe", DisplayName: "Joe", ExtensionNumber: "0100"}},
		Devices: []provision.Device{{MACAddress: "10:20:30:1A:2B:3C", Owner: new("joe")}},
	}

	var again provision.PlanOptions
	for range 2 {
		changes, err := provision.Plan(context.Background(), client, domain, desired, &again)
		if err != nil {
			log.Fatal(err)
		}
		results, _ := changes.Apply(context.Background(), client, nil)
		for _, result := range results {
			if errors.Is(result.Err, infinitysip.ErrTokenLost) {
				again.RotateTokens = append(again.RotateTokens, result.Change.Name)
			}
			if !result.Token.IsZero() {
				fmt.Println(result.Change, result.Status)
			}
		}
	}
	fmt.Println(again.RotateTokens)
	// Output:
	// ~ device 10:20:30:1A:2B:3C of user joe: new token done
	// [10:20:30:1A:2B:3C]
}

func ExampleGeneratePassword() {
	password := provision.GeneratePassword()
	fmt.Println(len(password.Reveal()), password)
	// Output: 26 [redacted]
}

func ExampleGeneratePIN() {
	pin := provision.GeneratePIN()
	fmt.Println(len(pin.Reveal()), pin)
	// Output: 6 [redacted]
}
