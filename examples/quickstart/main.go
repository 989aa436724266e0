// Quickstart makes a user and a phone, looks at them, and deletes them again:
// the calls to begin with.
//
//	go run ./examples/quickstart
//
// runs on siptest, a server in memory, and needs no account. To run on your
// own account, put INFINITY_API_KEY (or INFINITY_USERNAME and
// INFINITY_PASSWORD) into the environment. Then
//
//	go run ./examples/quickstart -live
//
// lists your domains, and
//
//	go run ./examples/quickstart -live -domain 7
//
// runs in one of them. It deletes what it made, by the ids that it was given,
// and nothing else, also when a step fails or Ctrl-C stops it.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
)

func run(ctx context.Context, w io.Writer, client *infinitysip.Client, domain infinitysip.DomainID, extension string) (err error) {
	domains, err := client.Domains.List(ctx)
	if err != nil {
		return err
	}
	for _, d := range domains {
		fmt.Fprintf(w, "Domain %d: %s\n", d.ID, d.DisplayName)
	}
	if domain == 0 {
		return errors.New("choose one of these domains with -domain")
	}

	name := "quickstart." + strings.ToLower(rand.Text()[:6]) // nobody else's
	userID, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{
		User:            name,
		Password:        infinitysip.NewSecret(rand.Text()),
		DisplayName:     "Quick Start",
		ExtensionNumber: extension,
	})
	if err != nil {
		return fmt.Errorf("user %s: %w", name, err)
	}
	fmt.Fprintf(w, "Created user %d\n", userID)
	defer cleanUp(ctx, w, &err, "user", domain, userID, client.Users.Delete)

	user, err := client.Users.Get(ctx, domain, userID)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Read it back: %s, %s, extension %s\n", user.User, user.DisplayName, user.ExtensionNumber)

	deviceID, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{
		Name:       "Lobby " + name,
		MACAddress: randomMAC(),
	})
	if err != nil {
		return fmt.Errorf("device Lobby %s: %w", name, err)
	}
	fmt.Fprintf(w, "Created device %d\n", deviceID)
	defer cleanUp(ctx, w, &err, "device", domain, deviceID, client.Devices.Delete)

	lobby := &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(infinitysip.DeviceFields.Name.Begins("Lobby")),
	}
	for device, err := range client.Devices.All(ctx, domain, lobby) {
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "A device whose name begins with Lobby: %d, %s, %s\n", device.ID, device.Name, device.MACAddress)
	}
	return nil
}

// cleanUp deletes what was made. Ctrl-C may have ended ctx; this goes on.
func cleanUp[ID infinitysip.ID](ctx context.Context, w io.Writer, err *error, what string, domain infinitysip.DomainID, id ID,
	del func(context.Context, infinitysip.DomainID, ID, ...infinitysip.CallOption) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if failed := del(ctx, domain, id); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("%s %d is left behind: %w", what, id, failed))
		return
	}
	fmt.Fprintf(w, "Deleted %s %d\n", what, id)
}

// randomMAC returns an address of the kind that no manufacturer gives.
func randomMAC() string {
	mac := make(net.HardwareAddr, 6)
	_, _ = rand.Read(mac) // never fails
	mac[0] = mac[0]&^1 | 2
	return mac.String()
}

func connect(ctx context.Context, live bool, domain, extension string) error {
	target, err := demo.Connect(ctx, live, domain)
	if err != nil {
		return err
	}
	defer target.Close()
	fmt.Println(target.Note)
	return run(ctx, os.Stdout, target.Client, target.Domain, extension)
}

func main() {
	live := flag.Bool("live", false, "run on your own account instead of siptest")
	extension := flag.String("extension", "7999", "the `number` of the new user, a free one")
	domain := demo.DomainFlag(flag.CommandLine)
	demo.Main("quickstart", func(ctx context.Context) error {
		return connect(ctx, *live, *domain, *extension)
	})
}
