// Export writes a whole domain: its users, groups, queues, trusted networks and
// devices, as the provision example reads them.
//
//	go run ./examples/export
//
// runs on siptest, a server in memory that it first puts a few people on, and
// needs no account. To export from your own account, put INFINITY_API_KEY (or
// INFINITY_USERNAME and INFINITY_PASSWORD) into the environment:
//
//	go run ./examples/export -live -domain 7 -o domain.json
//	go run ./examples/export -live -domain 7 -format csv -o people.csv
//
// It only reads. JSON has everything except passwords and PINs, which the API does
// not show. CSV has the users, for a spreadsheet, with the names of their groups
// and the MAC addresses of their devices. Given to the provision example for the
// same domain, neither changes anything. But CSV has no room for devices without a
// user, so -prune with CSV deletes these. For another domain, the groups that the
// file names must be there already, or in a JSON file next to it. If the domain
// holds something that the provision example takes for a mistake, such as an
// invalid e-mail address, that example reports it.
//
// The result goes to the standard output or to the file of -o. Everything else goes
// to the standard error.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
)

func main() {
	live := flag.Bool("live", false, "export from your own account instead of siptest")
	format := flag.String("format", "json", "`json` for everything, or csv for the people")
	output := flag.String("o", "", "the `file` to write, over an old one; without it, the standard output")
	domain := demo.DomainFlag(flag.CommandLine)
	demo.Main("export", func(ctx context.Context) error {
		return run(ctx, *live, *domain, *format, *output)
	})
}

func run(ctx context.Context, live bool, domain, format, output string) error {
	if format != "json" && format != "csv" {
		return errors.New("-format must be json or csv")
	}
	target, err := demo.ConnectToDomain(ctx, live, domain)
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
	// All of it in memory first: a file that is there is whole.
	var text bytes.Buffer
	state, err := export(ctx, target.Client, target.Domain, format, &text)
	if err != nil {
		return err
	}
	if output == "" {
		_, err = os.Stdout.Write(text.Bytes())
	} else {
		err = os.WriteFile(output, text.Bytes(), 0o644)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d users, %d groups, %d queues, %d trusted networks, %d devices.\n",
		len(state.Users), len(state.Groups), len(state.Queues), len(state.TrustedNetworks), len(state.Devices))
	return nil
}

// export writes a domain and returns what it wrote.
func export(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, format string, w io.Writer) (*provision.State, error) {
	state, err := provision.ReadDomain(ctx, client, domain)
	if err != nil {
		return nil, err
	}
	if format == "csv" {
		return state, state.WriteCSV(w)
	}
	return state, state.WriteJSON(w)
}
