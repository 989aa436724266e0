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
//	go run ./examples/provision -csv staff.csv -office office.json
//
// To set up your own account, put INFINITY_API_KEY (or INFINITY_USERNAME and
// INFINITY_PASSWORD) into the environment, and name your domain, by its display
// name or its id. That prints a plan and changes nothing; with -apply it is
// carried out:
//
//	go build ./examples/provision
//	./provision -live -domain acme -csv staff.csv -office office.json
//	./provision -live -domain acme -csv staff.csv -office office.json -apply -passwords secrets.csv
//
// What the files do not mention stays as it is. With -prune what they leave out
// is deleted, but no more than -max-deletes. For the columns, the members and
// all the rules see package provision: this program does nothing of its own. Its
// flags are told by -h.
//
// # A plan that is reviewed
//
// -out writes the plan to a file, and -apply with that file carries it out, on
// another machine if you like. If the domain is no longer as it was when the plan
// was made, nothing is changed. A plan has a digest, which both print. It holds no
// secrets: name the same -csv and -office, if passwords or PINs are in them.
//
//	./provision -live -domain acme -csv staff.csv -out plan.json
//	./provision -live -csv staff.csv -apply plan.json -passwords secrets.csv
//
// The first command prints the second one, with -digest, so that a plan that was
// changed meanwhile is refused. -plan -json prints the same plan, for another program.
//
// # Passwords
//
// Users without a password in the file get a random one. The API gives a token
// for each device that gets a user, once. Neither is ever shown: -passwords
// names a file to keep them in, which only its owner can read. Without one, -live
// makes no users and gives no devices. A password is written before it is set,
// and what became of it after: the last one of a user that is confirmed is in
// force. Name the same file each time: lines are added, and what an earlier run
// left open is settled. A device whose token was on its way when the program was
// killed gets another.
//
// # Stopping
//
// Ctrl-C, SIGTERM and a window that closes begin nothing more, end the calls under way and still tell
// what was done. To go on, run the same command again: what is there is not made
// again. So it is after a crash, a full disk or a power cut. A plan from a file is
// of the domain as it was: after one that was cut, make another, with the same
// -passwords. A second Ctrl-C ends the program at once.
//
// # Exit codes
//
//	0  there was nothing to do, or it is done
//	1  something is wrong with the flags or the files, or could not be done
//	2  there is something to do, and -plan (or -live without -apply) did not do it,
//	   or -skip-bad left rows out
//
// (go run itself makes 1 of 2.)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
)

const (
	exitDone    = 0
	exitError   = 1
	exitChanges = 2
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	ended := context.AfterFunc(ctx, func() {
		stop()                        // so that a second Ctrl-C ends the program at once
		signal.Ignore(syscall.SIGHUP) // a window that closes sends several
		fmt.Fprintln(os.Stderr, "\nStopping. Ctrl-C again ends the program at once.")
	})
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, demo.Connect)
	ended()
	stop()
	os.Exit(code)
}

// A connector finds what to run on, as demo.Connect does.
type connector func(ctx context.Context, live bool, domain string) (*demo.Target, error)

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, connect connector) int {
	o, err := parseFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		usage(stdout)
		return exitDone
	}
	code := exitError
	if err != nil {
		err = with(err, "provision -h tells the flags.")
	} else {
		out := &writer{w: stdout}
		p := &program{options: o, stdout: out, stderr: stderr, people: out, kept: keeper{name: o.passwords}}
		if o.json {
			p.people = stderr
		}
		code, err = p.run(ctx, connect)
		if code == exitDone && p.left > 0 {
			code = exitChanges
		}
		if out.err != nil && !errors.Is(err, out.err) {
			err = errors.Join(err, fmt.Errorf("not all of the output could be written: %w", out.err))
		}
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "provision: ") // the package's name, too
		fmt.Fprintf(stderr, "provision: %s\n", text)
		return exitError
	}
	return code
}

// with adds a line to an error.
func with(err error, line string) error { return fmt.Errorf("%w\n%s", err, line) }

// A program is one run.
type program struct {
	*options
	stdout, stderr io.Writer
	people         io.Writer // stdout, unless that is for a plan as JSON

	target *demo.Target
	state  *provision.State // what the files say; nil: there are none
	left   int              // rows that -skip-bad left out
	kept   keeper
}

func (p *program) run(ctx context.Context, connect connector) (code int, err error) {
	defer func() {
		if p.target != nil {
			p.target.Close()
		}
		err = errors.Join(err, p.kept.file.Close())
	}()
	changes, err := p.prepare(ctx, connect)
	switch {
	case err != nil && ctx.Err() != nil:
		return exitError, errors.New("stopped before anything was begun: nothing was changed")
	case err != nil:
		return exitError, with(err, "Nothing was changed.")
	case changes.Empty():
		fmt.Fprintln(p.people, "There is nothing to do.")
		return exitDone, nil
	case p.plan:
		fmt.Fprintln(p.people, "Nothing was changed: -apply carries out the plan.")
		return exitChanges, nil
	}
	return p.carryOut(ctx, changes)
}

// prepare makes or reads the plan, tells it, and sees to all that could stand in
// the way of carrying it out. It changes nothing on the server.
func (p *program) prepare(ctx context.Context, connect connector) (changes *provision.Changes, err error) {
	if err := p.checkFiles(); err != nil {
		return nil, err
	}
	if p.state, err = p.readState(); err != nil {
		return nil, p.withMeans(err)
	}
	domain := *p.domain
	if p.state != nil || p.apply.plan == "" {
		if err := p.state.Check(); err != nil {
			return nil, p.withMeans(err)
		}
	}
	if p.apply.plan != "" {
		if changes, err = readPlan(p.apply.plan); err != nil {
			return nil, err
		}
		if digest := changes.Digest(); p.digest != "" && p.digest != digest {
			return nil, fmt.Errorf("%s is not the plan of that -digest, but %s", p.apply.plan, digest)
		}
		switch siptest := slices.Contains(changes.Notes, onSiptest); {
		case p.live && siptest:
			return nil, fmt.Errorf("%s was %s: plan again with -live", p.apply.plan, onSiptest)
		case !p.live && !siptest:
			return nil, fmt.Errorf("%s was made on a real account, and without -live nothing real would be done: say -live to carry it out there", p.apply.plan)
		case domain == "":
			domain = fmt.Sprint(changes.Domain)
		}
	}
	if p.target, err = connect(ctx, p.live, domain); err != nil {
		return nil, err
	}
	fmt.Fprintln(p.people, p.target.Note)
	if err := p.kept.open(false); err != nil {
		return nil, err
	}
	if changes == nil {
		if changes, err = p.makePlan(ctx); err != nil {
			return nil, err
		}
	} else if changes.Domain != p.target.Domain {
		return nil, fmt.Errorf("%s is a plan for domain %d, and -domain is %d", p.apply.plan, changes.Domain, p.target.Domain)
	}
	if err := p.tellPlan(changes); err != nil {
		return nil, err
	}
	if p.plan || changes.Empty() {
		return changes, nil
	}
	if p.apply.plan != "" {
		if users := p.lacking(changes); len(users) > 0 {
			return nil, fmt.Errorf("%s sets passwords or PINs that are not in it, of %s: name the -csv, -office and -passwords that it was made with", p.apply.plan, some(users))
		}
	}
	if p.target.Live && p.passwords == "" && losesSecrets(changes) {
		return nil, errors.New("there are passwords or device tokens that nobody can read later: say with -passwords where to keep them")
	}
	// Now, since afterwards it would be too late to find that it cannot be written.
	return changes, p.kept.open(true)
}

// withMeans adds to the problems of a spreadsheet how to say that they are none.
func (p *program) withMeans(err error) error {
	if _, ok := errors.AsType[*provision.CheckError](err); !ok || p.csv == "" {
		return err
	}
	return with(err, "If the file is right as it is, say so with -column, -ignore-columns, -numbers-as-written or -emergency-numbers. To go on without the rows that are wrong: -skip-bad FILE. See -h.")
}

// makePlan plans. A plan that deletes too much is told, so that one can see what.
func (p *program) makePlan(ctx context.Context) (*provision.Changes, error) {
	p.Unsettled = p.kept.file.Unsettled()
	changes, err := provision.Plan(ctx, p.target.Client, p.target.Domain, p.state, &p.PlanOptions)
	if err != nil && changes != nil && !p.json {
		_ = p.printer().Print(p.people, changes)
	}
	if errors.Is(err, provision.ErrTooManyDeletes) {
		err = with(err, "If that is what you want, allow it with -max-deletes.")
	}
	return changes, err
}

// tellPlan prints the plan, and writes it to the file of -out.
func (p *program) tellPlan(changes *provision.Changes) error {
	var err error
	if p.json {
		err = printPlan(p.stdout, p.marked(changes))
	} else {
		fmt.Fprintln(p.people)
		err = p.printer().Print(p.people, changes)
		fmt.Fprintln(p.people)
	}
	if err != nil {
		return err // which says that it is about printing
	}
	if p.out != "" {
		if err := writePlan(p.out, p.marked(changes)); err != nil {
			return err
		}
		fmt.Fprintf(p.people, "The plan is in %s. This carries it out:\n  %s\n", p.out, p.command(changes, p.target.Live))
	}
	if p.out != "" || p.apply.plan != "" {
		fmt.Fprintf(p.people, "Digest of the plan: %s\n", changes.Digest())
	}
	return nil
}

// onSiptest is the note in a plan that was not made on a real account.
const onSiptest = "made on siptest, a server in memory: it is for no real account"

// marked is the plan with that note, if it is such a one.
func (p *program) marked(changes *provision.Changes) *provision.Changes {
	if p.target.Live || slices.Contains(changes.Notes, onSiptest) {
		return changes
	}
	c := *changes
	c.Notes = append(slices.Clone(c.Notes), onSiptest)
	return &c
}

func (p *program) printer() provision.Printer { return provision.Printer{Color: p.colored(p.stdout)} }

// carryOut applies the plan and tells what came of it.
func (p *program) carryOut(ctx context.Context, changes *provision.Changes) (int, error) {
	progress := newProgress(p.stderr)
	results, err := changes.Apply(ctx, p.target.Client, &provision.ApplyOptions{
		Workers:  p.workers,
		Progress: progress.show,
		Secrets:  p.secrets(),
		Keep:     p.kept.keep,
		Settle:   p.kept.settle,
	})
	progress.end()
	if results == nil && err != nil {
		return exitError, with(err, "Nothing was changed.")
	}
	told := printResults(p.people, results, p.options)
	p.tellSecrets(results)
	if err != nil {
		if told {
			err = nil
		}
		return exitError, err
	}
	if !p.target.Live {
		return exitDone, p.planAgain(ctx)
	}
	return exitDone, nil
}

// secrets gives the passwords and PINs of the files to a plan that was read, and
// those that an earlier run left open.
func (p *program) secrets() func(string) (provision.Credential, error) {
	if p.apply.plan == "" {
		return nil // the plan has them
	}
	return p.state.Secrets(p.kept.file.Unsettled()...)
}

// lacking are the users whose passwords or PINs a plan that was read sets, and the
// files do not have.
func (p *program) lacking(changes *provision.Changes) []string {
	var users []string
	secrets := p.secrets()
	for i := range changes.Items {
		c := &changes.Items[i]
		if len(c.Secrets) == 0 {
			continue
		}
		has, _ := secrets(c.Name)
		if slices.Contains(c.Secrets, "password") && has.Password.IsZero() || slices.Contains(c.Secrets, "pin") && has.PIN.IsZero() {
			users = append(users, c.Name)
		}
	}
	return users
}

// planAgain shows what a second run would do: a server in memory is gone by then.
func (p *program) planAgain(ctx context.Context) error {
	if p.state == nil {
		return nil
	}
	o := p.PlanOptions
	o.RotateTokens, o.SetSecrets, o.Unsettled = nil, false, nil
	again, err := provision.Plan(ctx, p.target.Client, p.target.Domain, p.state, &o)
	if err != nil {
		return fmt.Errorf("planning again: %w", err)
	}
	fmt.Fprintf(p.people, "\nPlanning again with the same files: %s.\n", count(len(again.Items), "change"))
	return nil
}

// losesSecrets reports whether carrying out the plan gives what nobody can read
// later.
func losesSecrets(changes *provision.Changes) bool {
	for i := range changes.Items {
		c := &changes.Items[i]
		if c.Kind == provision.KindUser && c.Op == provision.OpCreate || c.Kind == provision.KindOwner && c.To != nil {
			return true
		}
	}
	return false
}

// tellSecrets tells how many passwords and tokens came up, and where they are.
func (p *program) tellSecrets(results []provision.Result) {
	passwords, tokens := 0, 0
	for _, r := range results {
		switch {
		case errors.Is(r.Err, errNotKept):
		case !r.Token.IsZero():
			tokens++
		case !r.Password.IsZero() && !errors.Is(r.Err, infinitysip.ErrOutcomeUnknown):
			passwords++
		}
	}
	switch {
	case passwords+tokens == 0:
	case p.passwords == "" && p.target.Live:
		fmt.Fprintf(p.people, "\nPasswords set: %d. They are those of the files.\n", passwords)
	case p.passwords != "":
		fmt.Fprintf(p.people, "\nPasswords set: %d. Device tokens: %d. They are in %s, which only you can read.\n", passwords, tokens, p.passwords)
	default:
		fmt.Fprintf(p.people, "\nPasswords set: %d. Device tokens: %d. They are gone with siptest: -passwords FILE keeps them.\n", passwords, tokens)
	}
}
