package command

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) checkCommand() *cobra.Command {
	p := &provisioner{app: a}
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Look for mistakes in files that plan and apply take",
		Long: `Check reads the files that plan and apply take, and tells all that is wrong with them:
with the file, the line, and what to do about it. It asks no server and needs no
account, so it does not see what only the domain can tell, such as a name that is
there already.

The exit code is 1 if anything is wrong.`,
		Example: `  infinitysip check staff.csv office.json
  infinitysip check staff.csv --column "Staff no=user" --ignore-columns
  infinitysip check --all-domains domains/`,
		Args: cobra.ArbitraryArgs,
	}
	p.cmd, p.plans.workers = cmd, 1
	p.files.flags(cmd)
	p.allFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.checkFlags(args, false); err != nil {
			return err
		}
		if p.all {
			return p.checkAll(cmd.Context(), args)
		}
		in, err := p.readFiles(cmd.Context(), &p.files, args)
		if err != nil && cmd.Context().Err() != nil {
			return nothingChanged(cmd.Context(), err)
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(p.stdout, in.summary()); err != nil {
			return written(err)
		}
		if in.left > 0 {
			return &codeError{exitFailed, nil}
		}
		return nil
	}
	return cmd
}

// summary says what files that are right have.
func (in *input) summary() string {
	if in.plan != nil && in.state == nil {
		return fmt.Sprintf("The plan can be read: %s in the domain with the id %d.", count(len(in.plan.Items), "change"), in.plan.Domain)
	}
	return "No mistakes: " + contents(in.state) + "."
}
