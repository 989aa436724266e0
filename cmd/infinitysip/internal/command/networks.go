package command

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

func networkColumns() []output.Column[infinitysip.TrustedNetwork] {
	type row = infinitysip.TrustedNetwork
	return []output.Column[row]{
		{Name: "id", API: "trustedNetworkId", Value: func(n *row) string { return idText(n.ID) }},
		{Name: "network", API: "network", Value: networkAsKept},
		{Name: "description", API: "description", Value: func(n *row) string { return n.Description }},
		{Name: "domain-id", API: "domainId", More: true, Value: func(n *row) string { return idText(n.DomainID) }},
	}
}

// networkAsKept is the network of a row as the server has it, also if it is no CIDR.
func networkAsKept(n *infinitysip.TrustedNetwork) string {
	if n.Network.IsValid() {
		return n.Network.String()
	}
	var text string
	if json.Unmarshal(n.Extra["network"], &text) != nil {
		return string(n.Extra["network"])
	}
	return text
}

func networkFlags(name string) map[string]string {
	return map[string]string{"network": name, "description": "--description"}
}

func (a *app) networksCommand() *cobra.Command {
	networks := &cobra.Command{
		Use:   "networks",
		Short: "List, make, change and delete trusted networks",
		Long: `List, make, change and delete trusted networks.

A network is named by its id or in CIDR, such as 192.0.2.0/28. A network that differs
only in its host bits is found too: 10.0.20.10/24 finds 10.0.20.0/24, unless both are
there. To look over the networks of all domains use infinitysip audit networks.`,
		Example: "  infinitysip networks list",
	}
	a.domainFlag(networks)
	return group(networks,
		a.networksListCommand(), a.networksGetCommand(), a.networksFindCommand(),
		a.networksCreateCommand(), a.networksUpdateCommand(), a.networksDeleteCommand())
}

func (a *app) networksListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:     "list",
		Short:   "List the trusted networks of a domain",
		Example: "  infinitysip networks list --where 'description contains office'",
		Args:    cobra.NoArgs,
	}, networkColumns(), byServer, func(cmd *cobra.Command, s *session, _ []string, opts *infinitysip.TrustedNetworkListOptions) (iter.Seq2[infinitysip.TrustedNetwork, error], error) {
		return s.client.TrustedNetworks.All(cmd.Context(), s.domain, opts), nil
	})
}

func (a *app) networksGetCommand() *cobra.Command {
	return checked(getCommand(a, &cobra.Command{
		Use:               "get NETWORK",
		Short:             "Show one trusted network",
		Example:           "  infinitysip networks get 192.0.2.0/28",
		ValidArgsFunction: completeArgs(a.completeNetworks),
	}, networkColumns, (*session).networks), argsOf("trusted network"))
}

func (a *app) networksFindCommand() *cobra.Command {
	return checked(findCommand(a, &cobra.Command{
		Use:   "find CIDR",
		Short: "Show the trusted network of a CIDR",
		Long: `Show the trusted network of a CIDR, or else the one that differs only in its host bits.
It is one request, where "networks get" makes two for a CIDR.`,
		Example:           "  infinitysip networks find 192.0.2.0/28",
		ValidArgsFunction: completeArgs(a.completeNetworks),
	}, networkColumns, (*session).networks), nameOfA("trusted network"))
}

const descriptionUsage = "whose network it is, a `text` such as 'Head office'"

func (a *app) networksCreateCommand() *cobra.Command {
	var p infinitysip.TrustedNetworkCreateParams
	cmd := &cobra.Command{
		Use:   "create CIDR",
		Short: "Make a trusted network",
		Long: `Make a trusted network. It prints the id of the new network. Host bits are sent as they
are given: 10.0.20.10/24 stays 10.0.20.10/24.`,
		Example: "  infinitysip networks create 192.0.2.64/28 --description 'Branch office'",
		Args:    nameOfA("trusted network"),
	}
	cmd.Flags().StringVar(&p.Description, "description", "", descriptionUsage)
	a.idFlags(cmd, "trustedNetworkId")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if p.Network, err = parseNetwork(args[0]); err != nil {
			return err
		}
		if err := p.Validate(); err != nil {
			return wrongParams(err, networkFlags("CIDR"))
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			id, err := s.client.TrustedNetworks.Create(ctx, s.domain, p)
			return made(a, "trustedNetworkId", id, err)
		})
	}
	return cmd
}

func (a *app) networksUpdateCommand() *cobra.Command {
	var p infinitysip.TrustedNetworkUpdateParams
	cmd := &cobra.Command{
		Use:               "update NETWORK",
		Short:             "Change a trusted network",
		Long:              "Change a trusted network. What no flag names stays as it is.",
		Example:           "  infinitysip networks update 192.0.2.0/28 --description 'Head office, ground floor'",
		Args:              argsOf("trusted network"),
		ValidArgsFunction: completeArgs(a.completeNetworks),
	}
	optional(cmd.Flags(), &p.Network, "network", "another network, in `CIDR`")
	optional(cmd.Flags(), &p.Description, "description", descriptionUsage+"; '' is none")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := somethingToChange(p.Network, p.Description); err != nil {
			return err
		}
		if err := p.Validate(); err != nil {
			return wrongParams(err, networkFlags("--network"))
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			id, err := s.network(ctx, args[0])
			if err != nil {
				return err
			}
			return s.client.TrustedNetworks.Update(ctx, s.domain, id, p)
		})
	}
	return cmd
}

func (a *app) networksDeleteCommand() *cobra.Command {
	return checked(deleteCommand(a, &cobra.Command{
		Use:   "delete NETWORK…",
		Short: "Delete trusted networks",
		Long: `Delete trusted networks. The domain does not trust them any more.

All networks are looked up before the first is deleted. After a failure the command goes
on with the next one, unless nobody knows what came of it.`,
		Example:           "  infinitysip networks delete 192.0.2.0/28 --yes",
		ValidArgsFunction: completeArgsOn(a.completeNetworks),
	}, "The domain does not trust it any more.", (*session).networks,
		func(ctx context.Context, s *session, id infinitysip.TrustedNetworkID) error {
			return s.client.TrustedNetworks.Delete(ctx, s.domain, id)
		}), argsOf("trusted network"))
}
