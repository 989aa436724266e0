package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// openTemp opens a database in a folder of its own. remove closes and removes it.
func openTemp() (db *fleet.DB, remove func()) {
	folder, err := os.MkdirTemp("", "fleet")
	if err != nil {
		log.Fatal(err)
	}
	db, err = fleet.Open(context.Background(), filepath.Join(folder, "fleet.db"))
	if err != nil {
		log.Fatal(err)
	}
	return db, func() {
		if err := db.Close(); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(folder)
	}
}

// headOffice is the domain of the examples.
var headOffice = fleet.Domain{Account: "acme", Name: "Head Office", Rev: "r1"}

// offices returns a Config for a server that has one domain, which should have a
// reception.
func offices(recipients ...age.Recipient) (fleet.Config, *siptest.Server) {
	server := siptest.NewServer(siptest.Options{})
	server.AddDomain(infinitysip.Domain{DisplayName: "Head Office"})
	return fleet.Config{
		Clients: func(_ context.Context, _ string, opts ...infinitysip.Option) (*infinitysip.Client, error) {
			return server.InProcessClient(opts...), nil
		},
		Desired: func(context.Context, string, string) (*provision.State, string, error) {
			return &provision.State{Users: []provision.User{{User: "reception", DisplayName: "Reception", ExtensionNumber: "200"}}}, "r1", nil
		},
		Recipients: recipients,
		Every:      -1,
		Logger:     slog.New(slog.DiscardHandler),
	}, server
}

// runAll runs a fleet until no domain waits for its turn.
func runAll(db *fleet.DB, config fleet.Config) {
	f, err := fleet.New(db, config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		for busy := true; busy; time.Sleep(10 * time.Millisecond) {
			status, err := db.Status(ctx)
			busy = err != nil
			for _, domain := range status {
				busy = busy || domain.Health == fleet.HealthNew || domain.Job == fleet.JobWaiting || domain.Job == fleet.JobRunning
			}
		}
	}()
	if err := f.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// newIdentity makes a key for secrets. In earnest it is kept where the fleet does not run.
func newIdentity() *age.X25519Identity {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		log.Fatal(err)
	}
	return identity
}

// A database on this machine. The next program that opens it finds what the first one has
// written.
func ExampleOpen() {
	folder, err := os.MkdirTemp("", "fleet")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()

	for range 2 {
		db, err := fleet.Open(ctx, filepath.Join(folder, "fleet.db"))
		if err != nil {
			log.Fatal(err)
		}
		status, err := db.Status(ctx)
		fmt.Println(status, err)
		if err := db.Enqueue(ctx, headOffice); err != nil {
			log.Fatal(err)
		}
		if err := db.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// [] <nil>
	// [acme/Head Office] <nil>
}

// The pipeline of a repository opens the database, enqueues what a commit has changed,
// and ends.
func ExampleDB_Enqueue() {
	db, remove := openTemp() // fleet.Open(ctx, "postgres://fleet@db.example.com/fleet")
	defer remove()
	ctx := context.Background()

	err := db.Enqueue(ctx,
		fleet.Domain{Account: "acme", Name: "Head Office", Rev: "4f2a"},
		fleet.Domain{Account: "acme", Name: "Warehouse", Rev: "4f2a"},
	)
	if err != nil {
		log.Fatal(err)
	}
	status, err := db.Status(ctx)
	for _, domain := range status {
		fmt.Println(domain, domain.Wanted, domain.Health, domain.Job)
	}
	fmt.Println(err)
	// Output:
	// acme/Head Office 4f2a new waiting
	// acme/Warehouse 4f2a new waiting
	// <nil>
}

// A page shows how the domains are.
func ExampleDB_Status() {
	db, remove := openTemp()
	defer remove()
	config, _ := offices(newIdentity().Recipient())
	ctx := context.Background()
	if err := db.Enqueue(ctx, headOffice, fleet.Domain{Account: "acme", Name: "Moved out"}); err != nil {
		log.Fatal(err)
	}
	runAll(db, config)

	status, err := db.Status(ctx)
	for _, domain := range status {
		fmt.Println(domain, domain.Health)
		if domain.Health == fleet.HealthFailing {
			fmt.Println("  ", domain.Error)
		}
	}
	fmt.Println(err)
	// Output:
	// acme/Head Office right
	// acme/Moved out failing
	//    find domain "Moved out" of account "acme": infinitysip: Domains.Find: GET /config/v2/sip/domains: not found: no row has this displayName
	// <nil>
}

// What the last run has done.
func ExampleDB_Results() {
	db, remove := openTemp()
	defer remove()
	config, _ := offices(newIdentity().Recipient())
	ctx := context.Background()
	for range 2 {
		if err := db.Enqueue(ctx, headOffice); err != nil {
			log.Fatal(err)
		}
		runAll(db, config)
	}

	results, err := db.Results(ctx, headOffice, 10)
	for _, result := range results { // the newest first
		fmt.Println(result.Rev, result.Health, result.Changes)
		fmt.Print(result.Plan)
	}
	fmt.Println(err)
	// Output:
	// r1 right 0
	// r1 right 1
	// + user reception (extension 200, displayName "Reception", password made up)
	// <nil>
}

// Whoever has the identity reads the passwords. A process of the fleet cannot.
func ExampleDB_Secrets() {
	db, remove := openTemp()
	defer remove()
	identity := newIdentity() // kept where the fleet does not run
	config, server := offices(identity.Recipient())
	ctx := context.Background()
	if err := db.Enqueue(ctx, headOffice); err != nil {
		log.Fatal(err)
	}
	runAll(db, config)

	secrets, err := db.Secrets(ctx, identity)
	for _, secret := range secrets {
		fmt.Println(secret.Account, secret.Domain, secret.User, secret.State)
		fmt.Println("in force:", secret.Password.Equal(server.Users(1)[0].Password))
	}
	fmt.Println(err)

	secrets, err = db.Secrets(ctx, newIdentity())
	fmt.Println("another identity:", len(secrets), err != nil)
	// Output:
	// acme Head Office reception confirmed
	// in force: true
	// <nil>
	// another identity: 0 true
}

// A customer leaves. The domain stays as it is.
func ExampleDB_Forget() {
	db, remove := openTemp()
	defer remove()
	config, server := offices(newIdentity().Recipient())
	ctx := context.Background()
	if err := db.Enqueue(ctx, headOffice); err != nil {
		log.Fatal(err)
	}
	runAll(db, config)

	if err := db.Forget(ctx, headOffice); err != nil {
		log.Fatal(err)
	}
	status, err := db.Status(ctx)
	fmt.Println(status, err, len(server.Users(1)))
	results, err := db.Results(ctx, headOffice, 1)
	fmt.Println(len(results), err)
	// Output:
	// [] <nil> 1
	// 1 <nil>
}

func ExampleDB_Close() {
	db, remove := openTemp()
	defer remove()
	fmt.Println(db.Close())
	_, err := db.Status(context.Background())
	fmt.Println("closed:", err != nil)
	// Output:
	// <nil>
	// closed: true
}

// A Config with mistakes: the error names all of them.
func ExampleNew() {
	db, remove := openTemp()
	defer remove()
	config, _ := offices() // there is nobody who could read the passwords
	config.Plan.MaxDeleteShare = 2

	_, err := fleet.New(db, config)
	fmt.Println(errors.Is(err, infinitysip.ErrInvalid))
	fmt.Println(err)
	// Output:
	// true
	// fleet: invalid: Config.Recipients is empty: the passwords of new users would be lost
	// Config.Plan.MaxDeleteShare is not from 0 to 1
}

// A host of repositories calls the program when a state has changed.
func ExampleFleet_Enqueue() {
	db, remove := openTemp()
	defer remove()
	config, _ := offices(newIdentity().Recipient())
	f, err := fleet.New(db, config)
	if err != nil {
		log.Fatal(err)
	}
	pushed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := f.Enqueue(r.Context(), fleet.Domain{Account: "acme", Name: r.FormValue("domain"), Rev: r.FormValue("commit")})
		if err != nil {
			http.Error(w, "not enqueued", http.StatusServiceUnavailable)
		}
	})

	answer := httptest.NewRecorder()
	pushed.ServeHTTP(answer, httptest.NewRequest("POST", "/pushed?domain=Warehouse&commit=4f2a", nil))
	status, err := db.Status(context.Background())
	fmt.Println(answer.Code, status[0], status[0].Wanted, err)
	// Output: 200 acme/Warehouse 4f2a <nil>
}

// A process runs until it gets a signal. Here it is until the domain is right.
func ExampleFleet_Run() {
	db, remove := openTemp()
	defer remove()
	config, server := offices(newIdentity().Recipient())
	f, err := fleet.New(db, config)
	if err != nil {
		log.Fatal(err)
	}
	if err := f.Enqueue(context.Background(), headOffice); err != nil {
		log.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.Background()) // signal.NotifyContext in a program
	go func() {
		defer stop()
		for {
			if status, err := db.Status(ctx); err == nil && status[0].Health == fleet.HealthRight {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	fmt.Println(f.Run(ctx), server.Users(1)[0].User)
	// Output: <nil> reception
}

// A fleet that only looks. It tells what somebody has changed by hand.
func ExampleConfig_planOnly() {
	db, remove := openTemp()
	defer remove()
	config, server := offices()
	server.AddUser(1, infinitysip.User{User: "reception", DisplayName: "Front desk", ExtensionNumber: "200"})
	config.PlanOnly = true
	ctx := context.Background()
	if err := db.Enqueue(ctx, headOffice); err != nil {
		log.Fatal(err)
	}
	runAll(db, config)

	results, err := db.Results(ctx, headOffice, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(results[0].Health)
	fmt.Print(results[0].Plan)
	// Output:
	// drifted
	// ~ user reception: displayName "Front desk" → "Reception"
}

// A file of somebody was empty. The domain is left alone, because it would lose too
// much.
func ExampleConfig_plan() {
	db, remove := openTemp()
	defer remove()
	config, server := offices(newIdentity().Recipient())
	server.AddUser(1, infinitysip.User{User: "joe", DisplayName: "Joe", ExtensionNumber: "201"})
	config.Plan = provision.PlanOptions{Prune: true, MaxDeleteShare: 0.02}
	ctx := context.Background()
	if err := db.Enqueue(ctx, headOffice); err != nil {
		log.Fatal(err)
	}
	runAll(db, config)

	status, err := db.Status(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(status[0].Health, status[0].Error)
	fmt.Println(len(server.Users(1)))
	// Output:
	// drifted provision: too many deletes: 1, and the limit is 0 (2 % of the 1 that are there)
	// 1
}

func ExampleDomain_String() {
	fmt.Println(fleet.Domain{Account: "acme", Name: "Head Office", Rev: "4f2a"})
	// Output: acme/Head Office
}
