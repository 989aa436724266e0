package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/fleet"
)

func (a *app) resultsCommand() *cobra.Command {
	var plan, asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "results ACCOUNT/DOMAIN",
		Short: "Tell what came of the last runs of a domain",
		Long: `Results tells what came of the last runs of a domain, the newest first: when it ended,
how the domain was, how many changes were in the plan, of which state, and the error.`,
		Example: `  fleet results acme/North
  fleet results acme/North --plan --limit 1`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			named, err := domains(args)
			if err != nil {
				return err
			}
			if limit < 1 {
				return wrongUse("--limit must be 1 or more")
			}
			return a.inDatabase(cmd.Context(), func(db *fleet.DB) error {
				results, err := db.Results(cmd.Context(), named[0], limit)
				if err != nil {
					return err
				}
				if len(results) == 0 { // it may be forgotten, and have results all the same
					if _, err := known(cmd.Context(), db, named); err != nil {
						return err
					}
				}
				if asJSON {
					return writeJSON(a.stdout, append([]fleet.Result{}, results...))
				}
				if len(results) == 0 {
					fmt.Fprintln(a.stdout, "No run has ended yet.")
				}
				for _, r := range results {
					fmt.Fprintf(a.stdout, "%s  %-7s  %s  state %s\n", r.At.Local().Format(time.DateTime), r.Health, count(r.Changes, "change"), dash(r.Rev))
					if r.Error != "" {
						a.indented(r.Error)
					}
					if plan && r.Plan != nil {
						a.indented(r.Plan.String())
					}
				}
				return nil
			})
		},
	}
	a.databaseFlag(cmd)
	cmd.Flags().BoolVar(&plan, "plan", false, "show the plan of each run")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, with the plans")
	cmd.Flags().IntVar(&limit, "limit", 10, "tell of at most this `number` of runs")
	return cmd
}

// indented writes a text, if there is one.
func (a *app) indented(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Fprintf(a.stdout, "    %s\n", printable(unprefixed(strings.TrimRight(line, "\n"))))
	}
}
