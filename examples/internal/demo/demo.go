// Package demo finds the examples something to run on.
package demo

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// Target is what a program runs on.
type Target struct {
	Client *infinitysip.Client
	Domain infinitysip.DomainID
	Live   bool
	Note   string // the first line to print
	Close  func()
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
		return &Target{client, domain, true, note, client.CloseIdleConnections}, nil
	}
	// As far away as a real server, so that there is something to watch.
	srv := siptest.NewServer(siptest.Options{Latency: 20 * time.Millisecond})
	return &Target{
		Client: srv.InProcessClient(),
		Domain: srv.AddDomain(infinitysip.Domain{ID: domain, DisplayName: "Example Ltd"}),
		Note:   "Running on siptest, an in-memory server: nothing real is touched.",
		Close:  srv.Close,
	}, nil
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

// Fill makes a few people, for a program that needs some to be there.
func Fill(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID) error {
	groups := map[string]infinitysip.GroupID{}
	for i, name := range []string{"sales", "support"} {
		id, err := client.Groups.Create(ctx, domain, infinitysip.GroupCreateParams{
			Name:             name,
			DisplayName:      name,
			ExtensionNumber:  strconv.Itoa(601 + i),
			CallerNameFormat: "{displayName}",
		})
		if err != nil {
			return err
		}
		groups[name] = id
	}
	for i, p := range []struct {
		user, displayName, mobile, mac string
		groups                         []string
	}{
		{"amira.khan", "Amira Khan", "+447700900101", "00:00:5E:00:53:01", []string{"sales"}},
		{"carys.hughes", "Carys Hughes", "", "00:00:5E:00:53:03", []string{"sales", "support"}},
		{"ewa.lis", "Ewa Liś", "07700 900105", "00:00:5E:00:53:05", []string{"support"}},
		{"jack.whitlock", "Jack Whitlock, Jr", "", "", nil},
	} {
		user, err := client.Users.Create(ctx, domain, infinitysip.UserCreateParams{
			User:            p.user,
			Password:        infinitysip.NewSecret(rand.Text()),
			DisplayName:     p.displayName,
			ExtensionNumber: strconv.Itoa(201 + i),
			Email:           p.user + "@example.com",
			MobileNumber:    p.mobile,
		})
		if err != nil {
			return err
		}
		var in []infinitysip.GroupID
		for _, name := range p.groups {
			in = append(in, groups[name])
		}
		if len(in) > 0 {
			if err := client.Users.AddGroups(ctx, domain, user, in); err != nil {
				return err
			}
		}
		if p.mac == "" {
			continue
		}
		device, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: p.displayName, MACAddress: p.mac})
		if err != nil {
			return err
		}
		if _, err := client.Users.AddDevice(ctx, domain, user, device); err != nil {
			return err
		}
	}
	return nil
}
