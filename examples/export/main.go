// Export writes the people of a domain as a CSV file: the users, with the
// groups that they are in and the MAC address of their phone.
//
//	go run ./examples/export
//
// runs on siptest, a server in memory that it first puts a few people on, and
// needs no account. To export from your own account, put INFINITY_API_KEY (or
// INFINITY_USERNAME and INFINITY_PASSWORD) into the environment:
//
//	go run ./examples/export -live -domain 7 -o people.csv
//
// It only reads. The rows are those that the provision example takes, less
// passwords and PINs, and are written as they arrive. They go to the standard
// output or to the file of -o; all that is not rows goes to the standard error.
//
// A cell that a spreadsheet would take for a formula gets an apostrophe before
// it; see package people.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/examples/internal/people"
)

func main() {
	live := flag.Bool("live", false, "export from your own account instead of siptest")
	output := flag.String("o", "", "the `file` to write, over an old one; without it, the standard output")
	domain := demo.DomainFlag(flag.CommandLine)
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program at once
	err := run(ctx, *live, *domain, *output)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "export:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, live bool, domain infinitysip.DomainID, output string) (err error) {
	if live && domain == 0 {
		return errors.New("-live needs -domain; the quickstart example lists your domains")
	}
	target, err := demo.Connect(live, domain)
	if err != nil {
		return err
	}
	defer target.Close()
	fmt.Fprintln(os.Stderr, target.Note)
	if !live {
		if err := demo.Fill(ctx, target.Client, target.Domain); err != nil {
			return err
		}
	}

	w := os.Stdout
	if output != "" {
		if w, err = os.Create(output); err != nil {
			return err
		}
		defer func() {
			if closed := w.Close(); err == nil {
				err = closed
			}
		}()
	}
	n, notes, err := export(ctx, target.Client, target.Domain, w)
	for _, note := range notes {
		fmt.Fprintln(os.Stderr, "Not in the file:", note)
	}
	if err != nil {
		return fmt.Errorf("incomplete, after %d people: %w", n, err)
	}
	fmt.Fprintf(os.Stderr, "%d people.\n", n)
	return nil
}

// export writes the people of a domain. The notes tell what a row has no room
// for.
func export(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, w io.Writer) (n int, notes []string, err error) {
	in := map[infinitysip.UserID][]string{}
	for group, err := range client.Groups.All(ctx, domain) {
		if err != nil {
			return 0, nil, err
		}
		if strings.Contains(group.Name, ";") {
			notes = append(notes, fmt.Sprintf("group %s, since a semicolon separates names", group.Name))
			continue
		}
		for user, err := range client.Groups.AllUsers(ctx, domain, group.ID) {
			if err != nil {
				return 0, nil, err
			}
			in[user.UserID] = append(in[user.UserID], group.Name)
		}
	}
	phone := map[infinitysip.UserID]string{}
	for device, err := range client.Devices.All(ctx, domain, nil) {
		switch first := phone[device.UserID]; {
		case err != nil:
			return 0, nil, err
		case device.UserID == 0: // nobody's
		case first != "":
			notes = append(notes, fmt.Sprintf("device %s of user %s, who has %s too", device.MACAddress, device.User, first))
		default:
			phone[device.UserID] = device.MACAddress
		}
	}

	rows := people.NewWriter(w)
	for user, err := range client.Users.All(ctx, domain) {
		if err != nil {
			_ = rows.Flush()
			return n, notes, err
		}
		n++
		if err := rows.Write(people.Person{
			User:        user.User,
			DisplayName: user.DisplayName,
			Extension:   user.ExtensionNumber,
			Email:       user.Email,
			Groups:      in[user.ID],
			MAC:         phone[user.ID],
			Mobile:      user.MobileNumber,
		}); err != nil {
			return n, notes, err
		}
	}
	return n, notes, rows.Flush()
}
