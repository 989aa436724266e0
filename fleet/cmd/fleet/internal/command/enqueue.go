package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/folder"
	"github.com/infinitysip/infinitysip/provision"
)

func (a *app) enqueueCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "enqueue [ACCOUNT[/DOMAIN]…|--all]",
		Short: "Have domains looked at soon, and from then on again and again",
		Long: `Enqueue has the workers look at domains soon, and from then on once in each --every
of theirs. Run it after each change of a state.

It reads the states first. If something is wrong with one of them, it tells
everything that is wrong with any of them, and enqueues none.`,
		Example: `  fleet enqueue --all --states states
  fleet enqueue acme --states states
  fleet enqueue acme/North acme/South --states states`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case a.states == "":
				return wrongUse("enqueue needs --states")
			case all == (len(args) > 0):
				return wrongUse("enqueue needs either --all or domains: ACCOUNT/DOMAIN, or ACCOUNT for all of an account")
			}
			return a.enqueue(cmd.Context(), args)
		},
	}
	a.databaseFlag(cmd)
	a.statesFlag(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "enqueue all domains that have a state")
	return cmd
}

// enqueue enqueues what the arguments name, or all domains if there are none.
func (a *app) enqueue(ctx context.Context, args []string) error {
	if _, err := a.where(); err != nil {
		return err
	}
	if err := checkArguments(args); err != nil {
		return err
	}
	states := folder.States(a.states)
	if err := folder.Check(a.states); err != nil {
		return err
	}
	found, err := list(states, args)
	var wrong []error
	if err != nil {
		wrong = append(wrong, err)
	}
	for i := range found.Domains {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := &found.Domains[i]
		state, rev, err := states.Read(d.Account, d.Name)
		if err == nil {
			err = state.Check()
		}
		if err != nil {
			wrong = append(wrong, problems(err))
		}
		d.Rev = rev
	}
	for _, file := range found.Ignored {
		fmt.Fprintf(a.stderr, "%s is not the state of a domain, and is ignored.\n", printable(file))
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("nothing is enqueued, because of what is wrong with the states:\n%w", err)
	}
	if len(found.Domains) == 0 {
		return fmt.Errorf("there is no state in %s: it needs files ACCOUNT/DOMAIN.json or .csv", a.states)
	}
	db, err := a.open(ctx, false)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Enqueue(ctx, found.Domains...); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s enqueued.\n", count(len(found.Domains), "domain"))
	if len(args) > 0 {
		return nil
	}
	return a.tellStateless(ctx, db, found.Domains)
}

// problems is an error without the line that only says how many there are.
func problems(err error) error {
	if of, ok := errors.AsType[*provision.CheckError](err); ok {
		if _, list, found := strings.Cut(of.Error(), "\n"); found {
			return errors.New(list)
		}
	}
	return err
}

// checkArguments tells which arguments are neither an account nor account/domain.
func checkArguments(args []string) error {
	var wrong []error
	for _, arg := range args {
		var err error
		if strings.Contains(arg, "/") {
			_, err = folder.ParseDomain(arg)
		} else {
			err = folder.CheckAccount(arg)
		}
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrongUses(wrong)
}

// list lists what the arguments name, or all domains if there are none.
func list(states folder.States, args []string) (folder.Listing, error) {
	if len(args) == 0 {
		return states.All()
	}
	var all folder.Listing
	var wrong []error
	listed := map[fleet.Domain]bool{}
	for _, arg := range args {
		var of folder.Listing
		var err error
		if account, _, one := strings.Cut(arg, "/"); one {
			var domain fleet.Domain
			domain, err = folder.ParseDomain(arg)
			of.Domains = []fleet.Domain{domain}
		} else {
			of, err = states.Account(account)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, d := range of.Domains {
			if !listed[d] {
				listed[d] = true
				all.Domains = append(all.Domains, d)
			}
		}
		all.Ignored = append(all.Ignored, of.Ignored...)
	}
	return all, errors.Join(wrong...)
}

// tellStateless tells which domains the fleet keeps although they have no state.
func (a *app) tellStateless(ctx context.Context, db *fleet.DB, stated []fleet.Domain) error {
	const most = 12
	has := map[string]bool{}
	for _, d := range stated {
		has[d.String()] = true
	}
	status, err := db.Status(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, s := range status {
		if !has[s.String()] {
			names = append(names, printable(s.String()))
		}
	}
	if len(names) == 0 {
		return nil
	}
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
	}
	fmt.Fprintf(a.stderr, "The fleet keeps %s without a state: %s%s. If you do not want that, fleet forget ends it.\n",
		count(len(names), "domain"), strings.Join(names[:min(len(names), most)], ", "), more)
	return nil
}
