package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) planCommand() *cobra.Command {
	p := &provisioner{app: a}
	cmd := &cobra.Command{
		Use:   "plan FILE…",
		Short: "Show what would make a domain as the files say, and change nothing",
		Long: `Plan reads files that say how a domain is to be, and shows what would have to change,
as a diff. It changes nothing. The files are a CSV file of people, with the groups
that they are in and their desk phones, a JSON file of the office, with groups,
queues, trusted networks and devices, or both. They are told apart by .csv and
.json, or by what is in them; "-" is standard input.

What the files do not mention stays as it is. With --prune what they leave out is
deleted, but no more than --max-deletes.

It prints the command that carries out just this plan. With --out the plan goes to a
file, to be reviewed and carried out elsewhere. A plan holds no secrets.

The exit code is 0 if there is nothing to do, and 2 if there is.`,
		Example: `  infinitysip plan staff.csv office.json --domain acme
  infinitysip plan staff.csv --out plan.json
  infinitysip plan staff.csv --prune --max-deletes 5%
  infinitysip plan --all-domains domains/`,
		Args: cobra.ArbitraryArgs,
	}
	p.cmd = cmd
	p.files.flags(cmd)
	p.plans.flags(cmd)
	p.allFlag(cmd)
	a.domainFlag(cmd)
	a.secretFileFlags(cmd)
	cmd.Flags().BoolVar(&p.json, "json", false, "print the plan as JSON, and all else to standard error")
	cmd.Flags().StringVar(&p.out, "out", "", "write the plan to this `file`, which apply takes")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.checkFlags(args, true); err != nil {
			return err
		}
		if p.all {
			return p.planAll(cmd.Context(), args)
		}
		return p.planOne(cmd.Context(), args)
	}
	return cmd
}

// planOne plans one domain.
func (p *provisioner) planOne(ctx context.Context, files []string) error {
	t := &job{secrets: p.secrets}
	var err error
	if t.input, err = p.read(ctx, files); err != nil {
		return nothingChanged(ctx, err)
	}
	if t.plan != nil {
		return wrongUse("%s is a plan already: infinitysip apply carries it out", t.planFile)
	}
	if err := p.connect(ctx, t); err != nil {
		return nothingChanged(ctx, err)
	}
	defer t.session.done()
	if err := p.makePlan(ctx, t); err != nil {
		return nothingChanged(ctx, err)
	}
	if err := p.tellPlan(t); err != nil {
		return err
	}
	if t.changes.Empty() && t.left == 0 {
		return nil
	}
	return &codeError{exitChanges, nil}
}

// tellPlan prints a plan and the command that carries it out, and writes it to the
// file of --out.
func (p *provisioner) tellPlan(t *job) error {
	text, err := planText(p.marked(t.changes))
	if err != nil {
		return err
	}
	if p.out != "" {
		if err := replaceFile(p.out, text, 0o644); err != nil {
			return fmt.Errorf("the plan could not be written to %s: %w", p.out, err)
		}
	}
	switch {
	case p.json:
		_, err = p.stdout.Write(text)
	case t.changes.Empty():
		if len(t.changes.Notes) > 0 {
			err = p.printer().Print(p.stdout, t.changes)
		}
		if err == nil {
			_, err = fmt.Fprintln(p.stdout, "There is nothing to do.")
		}
	default:
		err = p.printer().Print(p.stdout, t.changes)
	}
	if err = written(err); err != nil && !closedPipe(err) {
		return err
	}
	if t.changes.Empty() {
		return nil
	}
	if p.out != "" {
		fmt.Fprintf(p.stderr, "\nThe plan is in %s. This carries it out:\n", p.out)
	} else {
		fmt.Fprintln(p.stderr, "\nNothing was changed. This carries out the plan:")
	}
	fmt.Fprintf(p.stderr, "  %s\n", p.command(t))
	return nil
}
