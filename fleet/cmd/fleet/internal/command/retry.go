package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/fleet"
)

func (a *app) retryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry [ACCOUNT/DOMAIN…]",
		Short: "Have the domains that fail looked at now",
		Long: `Retry has the workers look at the domains that fail now, and not when their time
comes. With arguments, it is those domains, whether they fail or not.`,
		Example: `  fleet retry
  fleet retry acme/North acme/South`,
		RunE: func(cmd *cobra.Command, args []string) error {
			named, err := domains(args)
			if err != nil {
				return err
			}
			return a.inDatabase(cmd.Context(), func(db *fleet.DB) error {
				var all []fleet.DomainStatus
				if len(named) > 0 {
					all, err = known(cmd.Context(), db, named)
				} else {
					all, err = db.Status(cmd.Context())
				}
				if err != nil {
					return err
				}
				var again []fleet.Domain
				for _, s := range all {
					if len(named) > 0 || s.Health == fleet.HealthFailing {
						again = append(again, fleet.Domain{Account: s.Account, Name: s.Name, Rev: s.Wanted})
					}
				}
				if len(again) == 0 {
					fmt.Fprintln(a.stdout, "No domain fails.")
					return nil
				}
				if err := db.Enqueue(cmd.Context(), again...); err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "%s enqueued.\n", count(len(again), "domain"))
				return nil
			})
		},
	}
	a.databaseFlag(cmd)
	return cmd
}

func (a *app) forgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget ACCOUNT/DOMAIN…",
		Short: "End that domains are looked at",
		Long: `Forget ends that the workers look at domains. Nothing is changed in them, and their
results and secrets stay in the database. Take their states away too: otherwise
"fleet enqueue --all" has them looked at again.`,
		Example: "  fleet forget acme/North",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			named, err := domains(args)
			if err != nil {
				return err
			}
			return a.inDatabase(cmd.Context(), func(db *fleet.DB) error {
				if _, err := known(cmd.Context(), db, named); err != nil {
					return err
				}
				if err := db.Forget(cmd.Context(), named...); err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "%s forgotten. Nothing was changed in them.\n", count(len(named), "domain"))
				return nil
			})
		},
	}
	a.databaseFlag(cmd)
	return cmd
}
