package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

func (a *app) applyCommand() *cobra.Command {
	p := &provisioner{app: a}
	cmd := &cobra.Command{
		Use:   "apply FILE…",
		Short: "Make a domain as the files say, or carry out a plan",
		Long: `Apply plans as plan does, shows the plan, asks, and carries it out. Given a plan that
plan --out wrote, it carries out that one or nothing: if the domain is no longer as it
was when the plan was made, nothing is changed. A plan holds no secrets: give the
files too that it was made of, if they have passwords or PINs.

Users without a password in the files get a random one. The API gives a token for
each device that gets a user, once. --secrets names a file to keep them in. A password
is written there before it is set, and what became of it after: nothing is lost if
the program is killed. Run the same again with the same file, and it goes on.
--show-secrets shows them at the end instead, or as well: a run that is killed before
has shown none.

--age encrypts the file. While it runs, each secret is in FILE.part, encrypted as well;
at the end all are in FILE, which "age --decrypt" reads, or "infinitysip secrets show".
To go on with a file that is there, or with the FILE.part of a run that was killed, say
with --identity which key opens it.

With --all-domains, --secrets is a folder, with a file for each domain.

Ctrl-C begins nothing more, ends the calls under way and still tells what was done. To
go on, run the same command again: what is there is not made again.

The exit code is 0 if all is done, 3 if nobody knows whether a change took effect, and
1 if something else failed.`,
		Example: `  infinitysip apply staff.csv office.json --domain acme --secrets secrets.csv
  infinitysip apply plan.json --secrets secrets.csv --yes
  infinitysip apply staff.csv --prune --max-deletes 5% --secrets secrets.age --age @admins.txt
  infinitysip apply --all-domains domains/ --secrets secrets/`,
		Args: cobra.ArbitraryArgs,
	}
	p.cmd = cmd
	p.files.flags(cmd)
	p.plans.flags(cmd)
	p.allFlag(cmd)
	a.domainFlag(cmd)
	a.secretFileFlags(cmd)
	a.yesFlag(cmd)
	cmd.Flags().BoolVar(&a.secrets.show, "show-secrets", false, "show passwords, PINs and tokens on standard error, at the end")
	cmd.Flags().StringVar(&p.digest, "digest", "", "the `digest` of the plan that was reviewed; another plan is refused")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := p.checkFlags(args, true)
		if !a.yes && !a.demo && !isTerminal(a.stdin) {
			err = wrongUses(slices.DeleteFunc([]error{err, errors.New("nobody can be asked here, because standard input is not a terminal: say --yes to carry out the plan")}, func(err error) bool { return err == nil }))
		}
		if err != nil {
			return err
		}
		if p.all {
			return p.applyAll(cmd.Context(), args)
		}
		return p.applyOne(cmd.Context(), args)
	}
	return cmd
}

// applyOne plans one domain, asks, and carries the plan out.
func (p *provisioner) applyOne(ctx context.Context, files []string) (err error) {
	t := &job{secrets: p.secrets}
	if t.input, err = p.read(ctx, files); err != nil {
		return nothingChanged(ctx, err)
	}
	defer func() {
		if t.keeper != nil {
			err = joinCode(err, t.keeper.Close())
		}
	}()
	// Now, since after planning it would be late to find that it cannot be written.
	if err := p.openKeeper(t); err != nil {
		return nothingChanged(ctx, err)
	}
	if t.plan != nil {
		t.changes = t.plan
		if err := p.ready(t); err != nil {
			return nothingChanged(ctx, err)
		}
	}
	if err := p.connect(ctx, t); err != nil {
		return nothingChanged(ctx, err)
	}
	defer t.session.done()
	if err := p.makePlan(ctx, t); err != nil {
		return nothingChanged(ctx, err)
	}
	// What cannot be shown is not done.
	err = p.printer().Print(p.stdout, t.changes)
	if err == nil {
		_, err = fmt.Fprintln(p.stdout)
	}
	if err != nil {
		return &codeError{exitFailed, nothingChanged(ctx, plainError(err))}
	}
	if t.changes.Empty() {
		if _, err := fmt.Fprintln(p.stdout, "There is nothing to do."); err != nil {
			return written(err)
		}
		return t.leftOut()
	}
	if err := p.ready(t); err != nil {
		return nothingChanged(ctx, err)
	}
	if !p.demo {
		if err := p.confirm(ctx, "Carry out %s in %s?", count(len(t.changes.Items), "change"), t.title); err != nil {
			return err
		}
	}
	return p.carryOut(ctx, t)
}

// joinCode adds an error of the end to an error that may have chosen an exit code.
func joinCode(err, end error) error {
	switch {
	case end == nil:
		return err
	case err == nil:
		return end
	}
	code := exitCode(err)
	if err.Error() == "" {
		return &codeError{code, end}
	}
	return &codeError{code, errors.Join(err, end)}
}

// openKeeper opens the file of --secrets, if there is one.
func (p *provisioner) openKeeper(t *job) (err error) {
	if t.secrets.file != "" {
		t.keeper, err = t.secrets.open()
	}
	return err
}

// ready sees to all that could stand in the way of carrying out a plan.
func (p *provisioner) ready(t *job) error {
	if t.plan != nil {
		if users := lacking(t.changes, t.secretsOfFiles()); len(users) > 0 {
			return wrongUse("%s sets passwords or PINs that are not in it, of %s: give the files too, and the --secrets, that it was made with", t.planFile, some(users))
		}
	}
	if t.secrets.file == "" && !p.secrets.show && !p.demo && losesSecrets(t.changes) {
		return withMend(wrongUse("there are passwords or device tokens that nobody can read later"), "Say with --secrets FILE where to keep them, or with --show-secrets that they are to be shown here.")
	}
	return nil
}

// secretsOfFiles gives the passwords and PINs of the files to a plan that was read,
// and those that an earlier run left open.
func (t *job) secretsOfFiles() func(string) (provision.Credential, error) {
	if t.plan == nil {
		return nil // the plan has them
	}
	var open []provision.Credential
	if t.keeper != nil {
		open = t.keeper.Unsettled()
	}
	return t.state.Secrets(open...)
}

// leftOut is the end of a run that did all there was to do.
func (t *job) leftOut() error {
	if t.left > 0 {
		return &codeError{exitFailed, nil} // told already
	}
	return nil
}

// carryOut applies a plan and tells what came of it.
func (p *provisioner) carryOut(ctx context.Context, t *job) error {
	progress := newProgress(p.stderr)
	o := &provision.ApplyOptions{Workers: p.plans.workers, Progress: progress.show, Secrets: t.secretsOfFiles()}
	if t.keeper != nil {
		o.Keep = func(c provision.Credential) error { return notKept(t.keeper.Keep(c)) }
		o.Settle = func(c provision.Credential) error { return notKept(t.keeper.Settle(c)) }
	}
	results, err := t.changes.Apply(ctx, t.session.client, o)
	progress.end()
	if results == nil && err != nil {
		if ctx.Err() != nil {
			return nothingChanged(ctx, err)
		}
		return nothingChanged(ctx, fmt.Errorf("carrying out the plan for %s: %w", t.title, plainError(err)))
	}
	var text strings.Builder
	told := printResults(&text, results, way{
		planFile: t.planFile, secrets: t.secrets.file, age: len(t.secrets.recipients) > 0,
		text: teller{p.timedOut(ctx, err)}.text,
	})
	p.tellSecrets(&text, t, results)
	_, writeErr := io.WriteString(p.stdout, text.String())
	if p.secrets.show {
		writeErr = errors.Join(writeErr, tellAll(p.stderr, results))
	}
	switch {
	case err != nil && told:
		err = &codeError{resultCode(results, err), nil}
	case err != nil:
		err = &codeError{resultCode(results, err), plainError(err)}
	default:
		err = t.leftOut()
	}
	if writeErr != nil { // also where a pipe was closed: it is not the whole truth that was told
		return joinCode(err, &codeError{exitFailed, fmt.Errorf("what was done could not be told to its end: %w", writeErr)})
	}
	if err == nil && p.demo && !p.all {
		err = p.planAgain(ctx, t)
	}
	return err
}

// planAgain shows what a second run would do: a server in memory is gone by then.
func (p *provisioner) planAgain(ctx context.Context, t *job) error {
	if t.state == nil {
		return nil
	}
	o := p.plans.PlanOptions
	o.RotateTokens, o.SetSecrets, o.Unsettled = nil, false, nil
	again, err := provision.Plan(ctx, t.session.client, t.session.domain, t.state, &o)
	if err != nil {
		return fmt.Errorf("planning again: %w", plainError(err))
	}
	fmt.Fprintf(p.stdout, "\nPlanning again with the same files: %s.\n", count(len(again.Items), "change"))
	return nil
}

// tellSecrets tells how many passwords and tokens came up, and where they are.
func (p *provisioner) tellSecrets(w io.Writer, t *job, results []provision.Result) {
	passwords, tokens, changed := 0, 0, false
	for _, r := range results {
		changed = changed || errors.Is(r.Err, errFileChanged)
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
	case changed && len(t.secrets.recipients) == 0: // one that is encrypted is written anew at the end
		fmt.Fprintf(w, "\nPasswords set: %d. Device tokens: %d. They were written to %s, which another program has touched since: look whether they are there.\n", passwords, tokens, t.secrets.file)
	case t.secrets.file != "":
		fmt.Fprintf(w, "\nPasswords set: %d. Device tokens: %d. They are in %s, which only you can read.\n", passwords, tokens, t.secrets.file)
	case p.secrets.show:
	case p.demo:
		fmt.Fprintf(w, "\nPasswords set: %d. Device tokens: %d. They are gone with the demo: --secrets FILE keeps them.\n", passwords, tokens)
	default:
		fmt.Fprintf(w, "\nPasswords set: %d. They are those of the files.\n", passwords)
	}
}

// tellAll shows the secrets, for --show-secrets.
func tellAll(w io.Writer, results []provision.Result) error {
	var errs []error
	for _, r := range results {
		c := provision.Credential{User: r.Change.Name, Password: r.Password, PIN: r.PIN, Token: r.Token}
		if r.Change.Kind == provision.KindOwner {
			c.Device, c.User = r.Change.Name, ""
			if r.Change.To != nil {
				c.User = r.Change.To.Name
			}
		}
		doubt := ""
		if r.Status != provision.StatusDone {
			doubt = ", if it was set: nobody knows"
		}
		errs = append(errs, showSecrets(w, c, doubt))
	}
	return errors.Join(errs...)
}
