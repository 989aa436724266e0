// Package demo finds the examples something to run on.
package demo

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
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

// liveURL is the real API, unless INFINITY_BASE_URL names another server.
const liveURL = "https://api.infinitycloud.com"

// Connect returns the real API, with the credentials of the environment, or
// else siptest with one empty domain. The domain is an id or a display name; a
// call looks it up. An empty one is for programs that do not need one.
//
// INFINITY_BASE_URL names another server than the real one: a proxy, or a server
// of a test. It must be https, unless its host is this machine.
func Connect(ctx context.Context, live bool, domain string) (*Target, error) {
	if !live {
		return inMemory(domain), nil
	}
	credentials, err := infinitysip.CredentialsFromEnv()
	if err != nil {
		return nil, err
	}
	url := cmp.Or(os.Getenv("INFINITY_BASE_URL"), liveURL)
	client, err := infinitysip.NewClient(credentials, infinitysip.WithUserAgent("infinitysip-examples"), infinitysip.WithBaseURL(url))
	if err != nil && strings.Contains(err.Error(), "WithBaseURL") { // a name that the user of a program does not know
		return nil, errors.New("INFINITY_BASE_URL is no https address of a server, nor an http address of this machine")
	}
	if err != nil {
		return nil, err
	}
	target := &Target{Client: client, Credentials: credentials, Live: true, Close: client.CloseIdleConnections}
	target.Note = fmt.Sprintf("Running against %s.", url)
	if domain == "" {
		return target, nil
	}
	row, err := findDomain(ctx, client, domain)
	if errors.Is(err, infinitysip.ErrUnauthorized) {
		err = fmt.Errorf("the server refuses the credentials of INFINITY_API_KEY, or of INFINITY_USERNAME and INFINITY_PASSWORD: %w", err)
	}
	if err != nil {
		target.Close()
		return nil, err
	}
	target.Domain = row.ID
	target.Note = fmt.Sprintf("Running against %s, domain %d.", url, row.ID)
	if row.DisplayName != "" {
		target.Note = fmt.Sprintf("Running against %s, domain %d (%s).", url, row.ID, strings.Trim(strconv.Quote(row.DisplayName), `"`))
	}
	return target, nil
}

// inMemory is a server as far away as a real one, so that there is something to
// watch.
func inMemory(domain string) *Target {
	srv := siptest.NewServer(siptest.Options{Latency: 20 * time.Millisecond, APIKey: "demo"})
	row := infinitysip.Domain{DisplayName: "Example Ltd"}
	if id, err := infinitysip.ParseID[infinitysip.DomainID](domain); err == nil {
		row.ID = id
	} else if domain != "" {
		row.DisplayName = domain
	}
	return &Target{
		Client:      srv.InProcessClient(),
		Credentials: infinitysip.APIKey("demo"),
		Domain:      srv.AddDomain(row),
		Note:        "Running on siptest, an in-memory server: nothing real is touched.",
		Close:       srv.Close,
	}
}

// findDomain returns the domain that has this id or this display name.
func findDomain(ctx context.Context, client *infinitysip.Client, domain string) (*infinitysip.Domain, error) {
	if id, err := infinitysip.ParseID[infinitysip.DomainID](domain); err == nil {
		return domainOf(ctx, client, id, domain)
	}
	row, err := client.Domains.Find(ctx, domain)
	failed, _ := errors.AsType[*infinitysip.Error](err)
	switch {
	case err == nil:
		return row, nil
	case errors.Is(err, infinitysip.ErrNotFound):
		return nil, fmt.Errorf("no domain of this account is called %q: give -domain its display name or its id; the quickstart example lists your domains", domain)
	case failed != nil && len(failed.Found) > 1:
		ids := make([]string, len(failed.Found))
		for i, id := range failed.Found {
			ids[i] = strconv.FormatInt(id, 10)
		}
		return nil, fmt.Errorf("%d domains are called %q: give -domain the id of one of them: %s", len(ids), domain, strings.Join(ids, ", "))
	}
	return nil, fmt.Errorf("looking for the domain %q: %w", domain, err)
}

// domainOf returns the domain that has this id. It refuses a number that another
// domain is called, because nobody can tell which is meant. Without the right to
// list domains, only the id is known.
func domainOf(ctx context.Context, client *infinitysip.Client, id infinitysip.DomainID, text string) (*infinitysip.Domain, error) {
	all, err := client.Domains.List(ctx)
	if errors.Is(err, infinitysip.ErrForbidden) || errors.Is(err, infinitysip.ErrNotFound) {
		return &infinitysip.Domain{ID: id}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the domain %q: %w", text, err)
	}
	var found, called *infinitysip.Domain
	for i := range all {
		switch row := &all[i]; {
		case row.ID == id:
			found = row
		case row.DisplayName == text:
			called = row
		}
	}
	switch {
	case found != nil && called != nil:
		return nil, fmt.Errorf("%s is the id of the domain %q, and the display name of the domain %d: give -domain %d for that one, or let one of them be renamed", text, found.DisplayName, called.ID, called.ID)
	case found != nil:
		return found, nil
	case len(all) >= 10_000: // it may be one of those that the server left out
		return &infinitysip.Domain{ID: id}, nil
	case called != nil:
		return nil, fmt.Errorf("no domain of this account has the id %s; the domain %d is called %q: give -domain %d, if that is meant", text, called.ID, text, called.ID)
	}
	return nil, fmt.Errorf("no domain of this account has the id %s: give -domain its display name or its id; the quickstart example lists your domains", text)
}

// ConnectToDomain is Connect for programs that need a domain.
func ConnectToDomain(ctx context.Context, live bool, domain string) (*Target, error) {
	if live && domain == "" {
		return nil, errors.New("-live needs -domain; the quickstart example lists your domains")
	}
	return Connect(ctx, live, domain)
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
func DomainFlag(flags *flag.FlagSet) *string {
	return flags.String("domain", "", "the domain, by its `id` or its display name")
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
