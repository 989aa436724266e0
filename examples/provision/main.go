// Provision sets up a phone system from a CSV file of people: a user for each,
// their desk phones, the groups they are in, a queue that rings these groups,
// and the office's network.
//
//	go run ./examples/provision
//
// runs on siptest, a server in memory, with the file people.csv of this
// folder, and needs no account. Run it with a file of your own to see what is
// wrong with that:
//
//	go run ./examples/provision -csv staff.csv
//
// To set up your own account, put INFINITY_API_KEY (or INFINITY_USERNAME and
// INFINITY_PASSWORD) into the environment; take -dry-run away when you like
// what it says:
//
//	go run ./examples/provision -csv staff.csv -live -domain 7 -passwords secrets.csv -dry-run
//
// Nothing is sent before the whole file is found good, and nothing is created
// before all that is on the server has been compared with it. What is missing
// is then created; what is there is left as it is, even where the file has it
// otherwise, and told. So the program can be run again, after a failure
// or with a longer file.
//
// Users without a password in the file get a random one. The API gives a token
// for each device that gets a user, once. Neither is ever shown: -passwords
// names a file to keep them in, which only its owner can read. It must be a new
// file, lest the passwords of another run be lost. Without one, -live does not
// begin where there is a password or a token to lose.
//
// With -live the network is none unless -network names one: to trust a network
// is a decision of its own.
//
// A group or a queue needs an extension too. The groups get theirs in the order
// in which the file names them, from -group-extension on; the queue gets
// -queue-extension.
//
// For the columns, and for cells that a spreadsheet would take for a formula,
// see package people. In the -passwords file such cells are guarded too, but
// for the passwords, PINs and tokens, which must be to the letter.
//
// Ctrl-C begins nothing more, ends the calls under way and still tells what was
// done.
//
// The exit code is 0 when everything is there, 1 when something is wrong with
// the file or could not be made, and 2 for a wrong flag.
package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/examples/internal/people"
)

//go:embed people.csv
var sample []byte

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

// run is the program. connect finds what it runs on.
func run(ctx context.Context, args []string, stdout, stderr io.Writer,
	connect func(live bool, domain infinitysip.DomainID) (*demo.Target, error)) int {
	fail := func(code int, format string, a ...any) int {
		fmt.Fprintf(stderr, "provision: "+format+"\n", a...)
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

	name, w, problems, err := o.read()
	if err != nil {
		return fail(exitIncomplete, "%v", err)
	}
	if len(problems) > 0 {
		printProblems(stderr, name, problems)
		return fail(exitIncomplete, "%d wrong in %s: nothing was sent", len(problems), name)
	}
	fmt.Fprintf(stdout, "\n%s: %d people, %d groups, nothing wrong.\n", name, len(w.people), len(w.groups))

	p, problems, err := compare(ctx, target, w)
	if err != nil {
		return fail(exitIncomplete, "cannot read what is there: %v\nNothing was created.", err)
	}
	if len(problems) > 0 {
		printProblems(stderr, name, problems)
		return fail(exitIncomplete, "%d wrong in %s, as the server is: nothing was created", len(problems), name)
	}
	if len(p.differ) > 0 {
		fmt.Fprintf(stdout, "\nLeft as it is, though it differs from the file:\n  %s\n", strings.Join(p.differ, "\n  "))
	}
	if o.dryRun {
		fmt.Fprintf(stdout, "\nWithout -dry-run this would create %d:\n\n", p.missing())
		printMissing(stdout, p.counts)
		return 0
	}

	var secrets *os.File
	switch {
	case o.passwords != "":
		// Now, since afterwards it would be too late to find that it cannot
		// be written.
		if secrets, err = os.OpenFile(o.passwords, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return fail(exitUsage, "-passwords wants a new file: %v", err)
		}
	case target.Live && p.secrets > 0:
		return fail(exitUsage, "%d passwords or device tokens that nobody can read later: say with -passwords where to keep them. Nothing was created.", p.secrets)
	}

	if missing := p.missing(); missing > 0 {
		fmt.Fprintf(stdout, "\nCreating %d things, %d at a time:\n", missing, o.workers)
	} else {
		fmt.Fprintf(stdout, "\nThere is nothing to create.\n")
	}
	r := p.apply(ctx, target.Client, o.workers, func(line string) { fmt.Fprintln(stdout, line) })
	fmt.Fprintln(stdout)
	r.print(stdout)
	code := 0
	if !r.complete() {
		code = exitIncomplete
	}
	kept, err := p.keep(w, secrets)
	switch {
	case err != nil:
		code = fail(exitIncomplete, "passwords and tokens are lost: %v", err)
	case kept != "" && secrets != nil:
		fmt.Fprintf(stdout, "\n%s\nThey are in %s, which only you can read.\n", kept, o.passwords)
	case kept != "":
		fmt.Fprintf(stdout, "\n%s\nThey are gone with siptest: -passwords FILE keeps them.\n", kept)
	}

	if !target.Live && code == 0 {
		// A server in memory cannot show this in another run.
		again, _, err := compare(ctx, target, w)
		if err != nil {
			return fail(exitIncomplete, "the second run: %v", err)
		}
		before, created := again.apply(ctx, target.Client, o.workers, func(string) {}).sums()
		fmt.Fprintf(stdout, "\nA second run with the same file: %d there before, %d created.\n", before, created)
	}
	return code
}

type options struct {
	settings
	csv       string // empty: the one that is built in
	live      bool
	domain    infinitysip.DomainID
	passwords string
	dryRun    bool
}

// parseFlags reads the flags. What is wrong has been told when it returns.
func parseFlags(args []string, stderr io.Writer) (*options, error) {
	var (
		o       options
		network string
	)
	flags := flag.NewFlagSet("provision", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.csv, "csv", "", "the `file` of people; without it, the one of the example")
	flags.IntVar(&o.workers, "workers", 8, "how many calls to make at a time")
	flags.BoolVar(&o.live, "live", false, "run on your own account instead of siptest")
	domain := demo.DomainFlag(flags)
	flags.StringVar(&network, "network", "203.0.113.0/24", `the trusted network, "" for none; with -live there is none by default`)
	flags.StringVar(&o.queue, "queue", "reception", `the name of the queue, "" for none`)
	flags.StringVar(&o.queueExtension, "queue-extension", "600", "the `number` of the queue")
	flags.StringVar(&o.groupExtension, "group-extension", "601", "the `number` of the first group; the others follow")
	flags.StringVar(&o.passwords, "passwords", "", "a new `file` to keep passwords, PINs and device tokens in")
	flags.BoolVar(&o.dryRun, "dry-run", false, "tell what would be created, and create nothing")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.domain = *domain
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })

	var wrong []string
	check := func(ok bool, problem string) {
		if !ok {
			wrong = append(wrong, problem)
		}
	}
	check(flags.NArg() == 0, "there are flags only: what is "+strings.Join(flags.Args(), " ")+"?")
	check(o.workers > 0 && o.workers <= 64, "-workers must be from 1 to 64")
	check(extension(o.groupExtension), "-group-extension must be of 1 to 9 digits")
	check(extension(o.queueExtension) || o.queue == "", "-queue-extension must be of 1 to 9 digits")
	if network != "" && (!o.live || given["network"]) {
		var err error
		o.network, err = netip.ParsePrefix(network)
		check(err == nil, "-network must be in CIDR notation, such as 203.0.113.0/24")
	}
	if o.live {
		check(given["domain"], "-live needs -domain; the quickstart example lists your domains")
		check(given["csv"], "-live needs -csv: the people of the example are not for a real account")
	}
	if len(wrong) > 0 {
		err := errors.New(strings.Join(wrong, "; "))
		fmt.Fprintf(stderr, "provision: %v\n", err)
		return nil, err
	}
	return &o, nil
}

func extension(text string) bool {
	return len(text) > 0 && len(text) <= 9 && strings.Trim(text, "0123456789") == ""
}

// read reads the file and tells everything that is wrong with it.
func (o *options) read() (name string, w *wanted, problems []people.Problem, err error) {
	name = "people.csv"
	var in io.Reader = bytes.NewReader(sample)
	if o.csv != "" {
		name = o.csv
		file, err := os.Open(o.csv)
		if err != nil {
			return name, nil, nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	everybody, problems, err := people.Read(in)
	if err != nil {
		return name, nil, nil, err
	}
	w, more := want(everybody, o.settings)
	return name, w, append(problems, more...), nil
}

// compare reads what is there and plans what is missing.
func compare(ctx context.Context, target *demo.Target, w *wanted) (*plan, []people.Problem, error) {
	there, err := look(ctx, target.Client, target.Domain, w)
	if err != nil {
		return nil, nil, err
	}
	p, problems := w.plan(target.Domain, there)
	return p, problems, nil
}

func printProblems(w io.Writer, name string, problems []people.Problem) {
	slices.SortStableFunc(problems, func(a, b people.Problem) int { return cmp.Compare(a.Line, b.Line) })
	for _, p := range problems {
		fmt.Fprintf(w, "%s: %v\n", name, p)
	}
}

// keep writes what cannot be read later into the file, if there is one, and
// tells what there is.
func (p *plan) keep(w *wanted, file *os.File) (string, error) {
	rows := [][]string{{"user", "password", "pin", "device token"}}
	passwords, tokens := 0, 0
	for _, person := range w.people {
		c, ok := p.credentials[people.Key(person.User)]
		if !ok {
			continue
		}
		rows = append(rows, []string{people.Guard(person.User), c.password.Reveal(), c.pin.Reveal(), c.token.Reveal()})
		if c.madeUp {
			passwords++
		}
		if !c.token.IsZero() {
			tokens++
		}
	}
	told := ""
	if len(rows) > 1 {
		told = fmt.Sprintf("Passwords made up: %d. Device tokens received: %d; the API shows them this once.", passwords, tokens)
	}
	if file == nil {
		return told, nil
	}
	if told == "" { // nothing to keep
		return "", errors.Join(file.Close(), os.Remove(file.Name()))
	}
	return told, errors.Join(csv.NewWriter(file).WriteAll(rows), file.Close())
}
