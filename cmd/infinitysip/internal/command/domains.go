package command

import (
	"context"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// columnsOf gives the columns of one kind of row.
type columnsOf[R any] func() []output.Column[R]

func domainColumns() []output.Column[infinitysip.Domain] {
	return []output.Column[infinitysip.Domain]{
		{Name: "id", API: "domainId", Value: func(d *infinitysip.Domain) string { return idText(d.ID) }},
		{Name: "name", API: "displayName", Value: func(d *infinitysip.Domain) string { return d.DisplayName }},
		{Name: "recorded", API: "rec", Value: func(d *infinitysip.Domain) string { return strconv.FormatBool(d.Rec) }},
	}
}

func (a *app) domainsCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "domains",
		Short: "List, read and rename domains",
		Long: `List, read and rename the domains of the account.

Infinity makes and deletes domains; nobody else can.`,
		Example: "  infinitysip domains list",
	}, a.domainsListCommand(), a.domainsGetCommand(), a.domainsFindCommand(), a.domainsUpdateCommand())
}

func (a *app) domainsListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:     "list",
		Short:   "List the domains of the account",
		Example: "  infinitysip domains list\n  infinitysip domains list --where 'recorded is true' -o csv",
		Args:    cobra.NoArgs,
	}, domainColumns(), byClient, func(cmd *cobra.Command, s *session, _ []string, _ *infinitysip.ListOptions[infinitysip.Domain]) (iter.Seq2[infinitysip.Domain, error], error) {
		return s.client.Domains.All(cmd.Context()), nil
	})
}

// allDomains is what looking up a domain needs, for the session of a command that
// works in none.
func (s *session) allDomains() kind[infinitysip.Domain, infinitysip.DomainID] {
	return domainsOf(s.client)
}

func (a *app) domainsGetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get [DOMAIN]",
		Short: "Show one domain",
		Long: `Show one domain, by its id or its display name.

Without an argument it is the domain that the other commands work in.`,
		Example:           "  infinitysip domains get acme",
		Args:              argsOf("domain"),
		ValidArgsFunction: completeArgs(a.completeDomains),
	}
	a.outputFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			a.domain = args[0]
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			row, err := s.client.Domains.Get(ctx, s.domain)
			if err != nil {
				return err
			}
			return printRow(a, row, domainColumns())
		})
	}
	return cmd
}

func (a *app) domainsFindCommand() *cobra.Command {
	return findCommand(a, &cobra.Command{
		Use:               "find NAME",
		Short:             "Show the domain of a display name",
		Long:              "Show the domain that has a display name, also if the name has digits alone.",
		Example:           "  infinitysip domains find acme",
		ValidArgsFunction: completeArgs(a.completeDomains),
	}, domainColumns, (*session).allDomains)
}

func (a *app) domainsUpdateCommand() *cobra.Command {
	var (
		name     *string
		recorded *bool
	)
	cmd := &cobra.Command{
		Use:   "update DOMAIN",
		Short: "Change the display name of a domain, or whether its calls are recorded",
		Long: `Change the display name of a domain, or whether its calls are recorded.

The API takes only both together. So the command reads the domain first, and sends
what is not given as it is. If somebody else changes the domain in that moment,
their change may be undone.`,
		Example:           "  infinitysip domains update acme --name 'Acme Ltd' --recorded=false",
		Args:              argsOf("domain"),
		ValidArgsFunction: completeArgs(a.completeDomains),
	}
	optional(cmd.Flags(), &name, "name", "the new display `name`")
	optional(cmd.Flags(), &recorded, "recorded", "record calls; --recorded=false does not")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := somethingToChange(name, recorded); err != nil {
			return err
		}
		if name != nil {
			if err := wrongParams(infinitysip.DomainUpdateParams{DisplayName: *name}.Validate(), map[string]string{"displayName": "--name"}); err != nil {
				return err
			}
		}
		a.domain = args[0]
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			row, err := s.client.Domains.Get(ctx, s.domain)
			if err != nil {
				return err
			}
			params := row.UpdateParams()
			replace(&params.DisplayName, name)
			replace(&params.Rec, recorded)
			return wrongParams(s.client.Domains.Update(ctx, s.domain, params), map[string]string{"displayName": "--name"})
		})
	}
	return cmd
}
