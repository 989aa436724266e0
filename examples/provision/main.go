// Provision sets up a phone system from two files: a CSV of people, with the
// groups that they are in and their desk phones, and a JSON of the office, with
// groups, queues and trusted networks.
//
//	go run ./examples/provision
//
// runs on siptest, a server in memory, with the files people.csv and office.json
// of this folder, and needs no account. Run it with files of your own to see
// what is wrong with them and what would be done:
//
//	go run ./examples/provision -csv staff.csv -json office.json
//
// To set up your own account, put INFINITY_API_KEY (or INFINITY_USERNAME and
// INFINITY_PASSWORD) into the environment, and name your domain. That prints a
// plan and changes nothing; with -apply it is carried out:
//
//	go run ./examples/provision -live -domain 7 -csv staff.csv -json office.json
//	go run ./examples/provision -live -domain 7 -csv staff.csv -json office.json -apply -passwords secrets.csv
//
// What the files do not mention stays as it is. With -prune what they leave out
// is deleted, but no more than -max-deletes. For the columns, the members and
// all the rules see package provision: this program does nothing of its own.
//
// Users without a password in the file get a random one. The API gives a token
// for each device that gets a user, once. Neither is ever shown: -passwords
// names a file to keep them in, which only its owner can read. A password is
// written before its user is made, and a token as it comes, so that nothing is
// lost when the program is stopped. So it may hold one of a user who could not be
// made. It must be a new file, lest the passwords of another run be lost. Without
// one, -live makes no users and gives no devices. If a token is lost all the
// same, -rotate gets another.
//
// Ctrl-C begins nothing more, ends the calls under way and still tells what was
// done. To go on, run it again: what is there is not made again.
//
// The exit code is 0 when everything is as it is to be, 1 when something is
// wrong with the files or could not be done, and 2 for a wrong flag.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
)

var (
	//go:embed people.csv
	samplePeople []byte
	//go:embed office.json
	sampleOffice []byte
)

const (
	exitIncomplete = 1
	exitUsage      = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, demo.Connect)
	stop()
	os.Exit(code)
}

type options struct {
	csv, json string // files; both empty: those that are built in
	live      bool
	domain    infinitysip.DomainID
	planOnly  bool
	passwords string
	workers   int
	provision.PlanOptions
}

// run is the program. connect finds what it runs on.
func run(ctx context.Context, args []string, stdout, stderr io.Writer,
	connect func(live bool, domain infinitysip.DomainID) (*demo.Target, error)) int {
	fail := func(code int, format string, a ...any) int {
		text := strings.TrimPrefix(fmt.Sprintf(format, a...), "provision: ") // the package's name, too
		fmt.Fprintf(stderr, "provision: %s\n", text)
		return code
	}
	o, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage // it has been told
	}
	target, err := connect(o.live, o.domain)
	if err != nil {
		return fail(exitUsage, "%v", err)
	}
	defer target.Close()
	fmt.Fprintln(stdout, target.Note)

	desired, err := o.read()
	if err == nil {
		err = desired.Check()
	}
	if err != nil {
		return fail(exitIncomplete, "%v", err)
	}
	changes, err := provision.Plan(ctx, target.Client, target.Domain, desired, &o.PlanOptions)
	if changes != nil {
		fmt.Fprintf(stdout, "\n%v\n", changes)
	}
	if err != nil {
		return fail(exitIncomplete, "%v\nNothing was changed.", err)
	}
	switch {
	case changes.Empty():
		fmt.Fprintln(stdout, "There is nothing to do.")
		return 0
	case o.planOnly:
		fmt.Fprintf(stdout, "With -apply these %d changes would be made.\n", len(changes.Items))
		return 0
	}

	var kept keeper
	switch {
	case o.passwords != "":
		// Now, since afterwards it would be too late to find that it cannot
		// be written.
		if err := kept.open(o.passwords); err != nil {
			return fail(exitUsage, "-passwords wants a new file: %v", err)
		}
	case target.Live && losesSecrets(changes):
		return fail(exitUsage, "there are passwords or device tokens that nobody can read later: say with -passwords where to keep them. Nothing was changed.")
	}
	bar := newBar(stderr)
	results, err := changes.Apply(ctx, target.Client, &provision.ApplyOptions{Workers: o.workers, Progress: bar.show, Keep: kept.keep})
	bar.end()
	code := 0
	if err != nil {
		code = exitIncomplete
	}
	if results == nil {
		code = fail(exitIncomplete, "%v\nNothing was changed.", err)
	}
	printSummary(stdout, results)
	told := secretsOf(results)
	if err := kept.close(told != ""); err != nil {
		code = fail(exitIncomplete, "%s: %v", o.passwords, err)
	} else if told != "" && o.passwords != "" {
		fmt.Fprintf(stdout, "\n%s They are in %s, which only you can read.\n", told, o.passwords)
	} else if told != "" {
		fmt.Fprintf(stdout, "\n%s They are gone with siptest: -passwords FILE keeps them.\n", told)
	}
	if !target.Live && code == 0 {
		// A server in memory cannot show this in another run.
		o.RotateTokens, o.SetSecrets = nil, false
		again, err := provision.Plan(ctx, target.Client, target.Domain, desired, &o.PlanOptions)
		if err != nil {
			return fail(exitIncomplete, "planning again: %v", err)
		}
		fmt.Fprintf(stdout, "\nPlanning again with the same files: %d changes.\n", len(again.Items))
	}
	return code
}

// parseFlags reads the flags. What is wrong has been told when it returns.
func parseFlags(args []string, stderr io.Writer) (*options, error) {
	var (
		o      options
		apply  bool
		rotate string
	)
	flags := flag.NewFlagSet("provision", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.csv, "csv", "", "the `file` of people")
	flags.StringVar(&o.json, "json", "", "the `file` of groups, queues and networks, and of people too if you like; without any file, those of the example")
	flags.BoolVar(&o.live, "live", false, "run on your own account instead of siptest")
	domain := demo.DomainFlag(flags)
	flags.BoolVar(&o.planOnly, "plan", false, "tell what would be done, and change nothing; so it is with -live without -apply")
	flags.BoolVar(&apply, "apply", false, "carry out the plan; so it is on siptest without -plan")
	flags.BoolVar(&o.Prune, "prune", false, "delete what the files leave out, as far as -max-deletes allows")
	flags.IntVar(&o.MaxDeletes, "max-deletes", 0, "the most that -prune may delete")
	flags.BoolVar(&o.SetSecrets, "set-secrets", false, "set the passwords and PINs of the files for users who are there already, too")
	flags.StringVar(&rotate, "rotate", "", "`MAC` addresses, with commas between, of devices that are to get another token")
	flags.StringVar(&o.passwords, "passwords", "", "a new `file` to keep passwords, PINs and device tokens in")
	flags.IntVar(&o.workers, "workers", 8, "how many calls to make at a time")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.domain, o.Workers = *domain, o.workers
	if rotate != "" {
		o.RotateTokens = strings.Split(rotate, ",")
	}
	var wrong []string
	if err := demo.FlagsOnly(flags); err != nil {
		wrong = append(wrong, err.Error())
	}
	check := func(ok bool, problem string) {
		if !ok {
			wrong = append(wrong, problem)
		}
	}
	check(o.workers > 0 && o.workers <= 64, "-workers must be from 1 to 64")
	check(o.MaxDeletes >= 0, "-max-deletes must not be negative")
	check(!o.planOnly || !apply, "-plan or -apply, not both")
	check(!o.live || o.domain != 0, "-live needs -domain; the quickstart example lists your domains")
	check(!o.live || o.csv+o.json != "", "-live needs -csv or -json: the people of the example are not for a real account")
	if len(wrong) > 0 {
		err := errors.New(strings.Join(wrong, "; "))
		fmt.Fprintf(stderr, "provision: %v\n", err)
		return nil, err
	}
	o.planOnly = o.planOnly || o.live && !apply
	return &o, nil
}

// read reads the files.
func (o *options) read() (*provision.State, error) {
	people, office := samplePeople, sampleOffice
	var err error
	if o.csv+o.json != "" {
		people, office = nil, nil
	}
	if o.csv != "" {
		if people, err = os.ReadFile(o.csv); err != nil {
			return nil, err
		}
	}
	if o.json != "" {
		if office, err = os.ReadFile(o.json); err != nil {
			return nil, err
		}
	}
	var states []*provision.State
	if people != nil {
		state, err := provision.ReadCSV(bytes.NewReader(people))
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	if office != nil {
		state, err := provision.ReadJSON(bytes.NewReader(office))
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return provision.Merge(states...), nil
}

// losesSecrets reports whether carrying out the plan gives what nobody can read
// later.
func losesSecrets(changes *provision.Changes) bool {
	for _, c := range changes.Items {
		if c.Kind == provision.KindUser && c.Op == provision.OpCreate || c.Kind == provision.KindOwner && c.Op != provision.OpDelete {
			return true
		}
	}
	return false
}

// secretsOf tells how many passwords and tokens came up; "" for none.
func secretsOf(results []provision.Result) string {
	passwords, tokens := 0, 0
	for _, r := range results {
		if !r.Password.IsZero() {
			passwords++
		}
		if !r.Token.IsZero() {
			tokens++
		}
	}
	if passwords+tokens == 0 {
		return ""
	}
	return fmt.Sprintf("Passwords of new users: %d. Device tokens: %d.", passwords, tokens)
}

// keeper writes credentials into a file, if there is one.
type keeper struct {
	file  *os.File
	begun bool
}

func (k *keeper) open(name string) (err error) {
	k.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return err
}

// keep writes a row at once.
func (k *keeper) keep(c provision.Credential) error {
	if k.file == nil {
		return nil
	}
	rows := csv.NewWriter(k.file)
	if !k.begun {
		k.begun = true
		_ = rows.Write([]string{"user", "password", "pin", "device", "token"}) // Flush keeps the error
	}
	// The names are guarded against spreadsheets; secrets must be to the letter.
	_ = rows.Write([]string{provision.GuardCSV(c.User), c.Password.Reveal(), c.PIN.Reveal(), c.Device, c.Token.Reveal()})
	rows.Flush()
	return rows.Error()
}

// close ends the file. One of which nothing came to anything is removed: it holds
// passwords of users who were not made, if any.
func (k *keeper) close(wanted bool) error {
	switch {
	case k.file == nil:
		return nil
	case !wanted:
		return errors.Join(k.file.Close(), os.Remove(k.file.Name()))
	}
	return k.file.Close()
}
