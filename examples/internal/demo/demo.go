// Package demo finds the examples something to run on.
package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

// Target is what a program runs on.
type Target struct {
	Client      *infinitysip.Client
	Credentials infinitysip.Credentials // those of Client
	Domain      infinitysip.DomainID
	Live        bool
	Note        string // the first line to print
	Close       func()
}

// Connect returns the real API, with the credentials of the environment, or
// else siptest with one empty domain. It makes no call. A domain of 0 is for
// programs that do not need one.
func Connect(live bool, domain infinitysip.DomainID) (*Target, error) {
	if live {
		credentials, err := infinitysip.CredentialsFromEnv()
		if err != nil {
			return nil, err
		}
		client, err := infinitysip.NewClient(credentials, infinitysip.WithUserAgent("infinitysip-examples"))
		if err != nil {
			return nil, err
		}
		note := "Running against https://api.infinitycloud.com."
		if domain != 0 {
			note = fmt.Sprintf("Running against https://api.infinitycloud.com, domain %d.", domain)
		}
		return &Target{client, credentials, domain, true, note, client.CloseIdleConnections}, nil
	}
	// As far away as a real server, so that there is something to watch.
	srv := siptest.NewServer(siptest.Options{Latency: 20 * time.Millisecond, APIKey: "demo"})
	return &Target{
		Client:      srv.InProcessClient(),
		Credentials: infinitysip.APIKey("demo"),
		Domain:      srv.AddDomain(infinitysip.Domain{ID: domain, DisplayName: "Example Ltd"}),
		Note:        "Running on siptest, an in-memory server: nothing real is touched.",
		Close:       srv.Close,
	}, nil
}

// ConnectToDomain is Connect for programs that need a domain.
func ConnectToDomain(live bool, domain infinitysip.DomainID) (*Target, error) {
	if live && domain == 0 {
		return nil, errors.New("-live needs -domain; the quickstart example lists your domains")
	}
	return Connect(live, domain)
}

// Main parses the flags and runs a program, until it ends, Ctrl-C is pressed or
// SIGTERM arrives.
func Main(name string, run func(context.Context) error) {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program at once
	err := FlagsOnly(flag.CommandLine)
	if err == nil {
		err = run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// DomainFlag adds the flag -domain.
func DomainFlag(flags *flag.FlagSet) *infinitysip.DomainID {
	domain := new(infinitysip.DomainID)
	flags.Func("domain", "with -live, the `id` of the domain", func(text string) (err error) {
		*domain, err = infinitysip.ParseID[infinitysip.DomainID](text)
		return err
	})
	return domain
}

// FlagsOnly refuses arguments that are no flags.
func FlagsOnly(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return fmt.Errorf("there are flags only: what is %s?", strings.Join(flags.Args(), " "))
	}
	return nil
}

// Fill makes a few people, for a program that needs some to be there.
func Fill(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID) error {
	changes, err := provision.Plan(ctx, client, domain, &provision.State{
		Users: []provision.User{
			{User: "amira.khan", DisplayName: "Amira Khan", ExtensionNumber: "201", Email: new("amira.khan@example.com"), MobileNumber: new("+447700900101")},
			{User: "carys.hughes", DisplayName: "Carys Hughes", ExtensionNumber: "202", Email: new("carys.hughes@example.com")},
			{User: "ewa.lis", DisplayName: "Ewa Liś", ExtensionNumber: "203", Email: new("ewa.lis@example.com"), MobileNumber: new("07700 900105")},
			{User: "jack.whitlock", DisplayName: "Jack Whitlock, Jr", ExtensionNumber: "204", Email: new("jack.whitlock@example.com")},
		},
		Groups: []provision.Group{
			{Name: "sales", ExtensionNumber: "601", Members: []string{"amira.khan", "carys.hughes"}},
			{Name: "support", ExtensionNumber: "602", Members: []string{"carys.hughes", "ewa.lis"}},
		},
		Queues: []provision.Queue{
			{Name: "reception", ExtensionNumber: "600", Members: []provision.QueueMember{{Group: "sales"}, {Group: "support", RingSecs: new(30)}}},
		},
		TrustedNetworks: []provision.TrustedNetwork{{Network: "203.0.113.0/24", Description: new("Office")}},
		Devices: []provision.Device{
			{MACAddress: "00:00:5E:00:53:01", Owner: new("amira.khan")},
			{MACAddress: "00:00:5E:00:53:03", Owner: new("carys.hughes")},
			{MACAddress: "00:00:5E:00:53:05", Owner: new("ewa.lis")},
		},
	}, nil)
	if err != nil {
		return err
	}
	_, err = changes.Apply(ctx, client, nil)
	return err
}
