package fleet_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// Two offices of one account get a user each.
func Example() {
	server := siptest.NewServer(siptest.Options{}) // stands in for the API
	defer server.Close()
	server.AddDomain(infinitysip.Domain{DisplayName: "Head Office"})
	server.AddDomain(infinitysip.Domain{DisplayName: "Warehouse"})

	folder, err := os.MkdirTemp("", "fleet")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	db, err := fleet.Open(ctx, filepath.Join(folder, "fleet.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	identity, err := age.GenerateX25519Identity() // kept where the fleet does not run
	if err != nil {
		log.Fatal(err)
	}
	f, err := fleet.New(db, fleet.Config{
		Clients: func(_ context.Context, _ string, opts ...infinitysip.Option) (*infinitysip.Client, error) {
			return server.Client(opts...), nil
		},
		Desired: func(context.Context, string, string) (*provision.State, string, error) {
			return &provision.State{Users: []provision.User{{User: "reception", DisplayName: "Reception", ExtensionNumber: "200"}}}, "", nil
		},
		Recipients: []age.Recipient{identity.Recipient()},
		Rate:       50,
	})
	if err != nil {
		log.Fatal(err)
	}

	err = f.Enqueue(ctx, fleet.Domain{Account: "acme", Name: "Head Office"}, fleet.Domain{Account: "acme", Name: "Warehouse"})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer stop()
		for right := 0; right < 2 && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			right = 0
			status, _ := db.Status(ctx)
			for _, domain := range status {
				if domain.Health == fleet.HealthRight {
					right++
				}
			}
		}
	}()
	if err := f.Run(ctx); err != nil {
		log.Fatal(err)
	}

	ctx = context.Background()
	status, err := db.Status(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, domain := range status {
		fmt.Println(domain, domain.Health, domain.Changes)
	}
	secrets, err := db.Secrets(ctx, identity)
	if err != nil {
		log.Fatal(err)
	}
	for _, secret := range secrets {
		fmt.Println(secret.Domain, secret.User, secret.Password.IsZero())
	}
	// Output:
	// acme/Head Office right 1
	// acme/Warehouse right 1
	// Head Office reception false
	// Warehouse reception false
}
