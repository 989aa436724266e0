package command

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/provision"
)

func groupColumns() []output.Column[infinitysip.Group] {
	type group = infinitysip.Group
	return []output.Column[group]{
		{Name: "id", API: "groupId", Value: func(g *group) string { return idText(g.ID) }},
		{Name: "group", API: "groupName", Value: func(g *group) string { return g.Name }},
		{Name: "name", API: "displayName", Value: func(g *group) string { return g.DisplayName }},
		{Name: "extension", API: "extensionNumber", Value: func(g *group) string { return g.ExtensionNumber }},
		{Name: "ring-retry", API: "ringRetry", Value: func(g *group) string { return strconv.FormatBool(g.RingRetry) }},
		{Name: "ring-exclusive", API: "ringExclusive", Value: func(g *group) string { return strconv.FormatBool(g.RingExclusive) }},
		{Name: "caller-name", API: "callerNameFormat", More: true, Value: func(g *group) string { return string(g.CallerNameFormat) }},
		{Name: "domain-id", API: "domainId", More: true, Value: func(g *group) string { return idText(g.DomainID) }},
	}
}

func groupUserColumns() []output.Column[infinitysip.GroupUser] {
	type member = infinitysip.GroupUser
	return []output.Column[member]{
		{Name: "id", API: "userId", Value: func(u *member) string { return idText(u.UserID) }},
		{Name: "user", API: "user", Value: func(u *member) string { return u.User }},
		{Name: "name", API: "displayName", Value: func(u *member) string { return u.DisplayName }},
		{Name: "extension", API: "extensionNumber", Value: func(u *member) string { return u.ExtensionNumber }},
		{Name: "group-id", API: "groupId", More: true, Value: func(u *member) string { return idText(u.GroupID) }},
	}
}

func (a *app) groupsCommand() *cobra.Command {
	groups := &cobra.Command{
		Use:   "groups",
		Short: "List, make, change and delete groups, and who is in them",
		Long: `List, make, change and delete groups, and say which users are in them.

A group is named by its name or by its id. A name of digits alone is written =601,
because 601 is the id.`,
		Example: "  infinitysip groups list --domain acme",
	}
	a.domainFlag(groups)
	return group(groups, a.groupsListCommand(), a.groupsGetCommand(), a.groupsFindCommand(), a.groupsCreateCommand(), a.groupsUpdateCommand(), a.groupsDeleteCommand(),
		a.groupUsersCommand())
}

func (a *app) groupsListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:     "list",
		Short:   "List the groups of a domain",
		Example: "  infinitysip groups list --domain acme --columns group,extension",
		Args:    cobra.NoArgs,
	}, groupColumns(), byClient, func(cmd *cobra.Command, s *session, _ []string, _ *infinitysip.ListOptions[infinitysip.Group]) (iter.Seq2[infinitysip.Group, error], error) {
		return s.client.Groups.All(cmd.Context(), s.domain), nil
	})
}

func (a *app) groupsGetCommand() *cobra.Command {
	return getCommand(a, &cobra.Command{
		Use:               "get GROUP",
		Short:             "Show one group",
		Example:           "  infinitysip groups get sales",
		ValidArgsFunction: completeArgs(a.completeGroups),
	}, groupColumns, (*session).groups)
}

func (a *app) groupsFindCommand() *cobra.Command {
	return findCommand(a, &cobra.Command{
		Use:   "find NAME",
		Short: "Show the group of a name",
		Long: `Show the group of a name, also if the name has digits alone. It is one request,
where "groups get" makes two for a name.`,
		Example:           "  infinitysip groups find sales",
		ValidArgsFunction: completeArgs(a.completeGroups),
	}, groupColumns, (*session).groups)
}

// groupFlags are the flags of a parameter of a group.
func groupFlags(name string) map[string]string {
	return map[string]string{"groupName": name, "displayName": "--name", "extensionNumber": "--extension", "callerNameFormat": "--caller-name"}
}

const (
	usageRingRetry     = "ring the users again if nobody answers"
	usageRingExclusive = "queue the calls for this group"
	usageCallerName    = "the `format` of the caller's name that a device shows; it may hold {displayName}, {srcPhoneNumber} and {dgrpName}"
)

func (a *app) groupsCreateCommand() *cobra.Command {
	var p infinitysip.GroupCreateParams
	cmd := &cobra.Command{
		Use:     "create GROUP",
		Short:   "Make a group",
		Long:    "Make a group, and print its id.",
		Example: "  infinitysip groups create night --name 'Night shift' --extension 603 --ring-retry",
		Args:    cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&p.DisplayName, "name", "", "the display `name`; that of the group if it is not given")
	flags.StringVar(&p.ExtensionNumber, "extension", "", usageExtension+" (required)")
	flags.BoolVar(&p.RingRetry, "ring-retry", false, usageRingRetry)
	flags.BoolVar(&p.RingExclusive, "ring-exclusive", false, usageRingExclusive)
	flags.StringVar((*string)(&p.CallerNameFormat), "caller-name", string(provision.DefaultCallerNameFormat), usageCallerName)
	a.idFlags(cmd, "groupId")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.Name = strings.TrimPrefix(args[0], "=")
		p.DisplayName = cmp.Or(p.DisplayName, p.Name)
		if err := wrongParams(p.Validate(), groupFlags("GROUP")); err != nil {
			return err
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			id, err := s.client.Groups.Create(ctx, s.domain, p)
			return made(a, "groupId", id, err)
		})
	}
	return cmd
}

func (a *app) groupsUpdateCommand() *cobra.Command {
	var (
		rename, name, extension  *string
		ringRetry, ringExclusive *bool
		callerName               *infinitysip.CallerNameFormat
	)
	cmd := &cobra.Command{
		Use:   "update GROUP",
		Short: "Change a group",
		Long: `Change a group. What no flag gives stays as it is.

The API takes only all properties together. So the command reads the group first, and
sends what is not given as it is. If somebody else changes the group in that moment,
their change may be undone.`,
		Example:           "  infinitysip groups update sales --name 'Sales Dept' --ring-retry=false",
		Args:              argsOf("group"),
		ValidArgsFunction: completeArgs(a.completeGroups),
	}
	flags := cmd.Flags()
	optional(flags, &rename, "rename", "the new `name` of the group")
	optional(flags, &name, "name", "the display `name`")
	optional(flags, &extension, "extension", usageExtension)
	optional(flags, &ringRetry, "ring-retry", usageRingRetry)
	optional(flags, &ringExclusive, "ring-exclusive", usageRingExclusive)
	optional(flags, &callerName, "caller-name", usageCallerName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := somethingToChange(rename, name, extension, ringRetry, ringExclusive, callerName); err != nil {
			return err
		}
		change := func(p *infinitysip.GroupUpdateParams) error {
			replace(&p.Name, rename)
			replace(&p.DisplayName, name)
			replace(&p.ExtensionNumber, extension)
			replace(&p.RingRetry, ringRetry)
			replace(&p.RingExclusive, ringExclusive)
			replace(&p.CallerNameFormat, callerName)
			return wrongParams(p.Validate(), groupFlags("--rename"))
		}
		if err := change(&infinitysip.GroupUpdateParams{Name: "x", DisplayName: "x", ExtensionNumber: "1"}); err != nil {
			return err
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			row, err := s.groups().read(ctx, args[0])
			if err != nil {
				return err
			}
			params := row.UpdateParams()
			if err := change(&params); err != nil {
				return withMend(err, "The group has none now, and the API wants one with every change.")
			}
			return s.client.Groups.Update(ctx, s.domain, row.ID, params)
		})
	}
	return cmd
}

func (a *app) groupsDeleteCommand() *cobra.Command {
	return deleteCommand(a, &cobra.Command{
		Use:   "delete GROUP…",
		Short: "Delete groups",
		Long: `Delete groups. The users in them stay. Queues do not ring the groups any more.

All groups are looked up before the first is deleted. After a failure the command goes
on with the next one, unless nobody knows what came of it.`,
		Example:           "  infinitysip groups delete sales --yes",
		ValidArgsFunction: completeArgsOn(a.completeGroups),
	}, "Queues do not ring it any more; the users in it stay.", (*session).groups,
		func(ctx context.Context, s *session, id infinitysip.GroupID) error {
			return s.client.Groups.Delete(ctx, s.domain, id)
		})
}

func (a *app) groupUsersCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "users",
		Short:   "Say which users are in a group",
		Example: "  infinitysip groups users list sales",
	}, a.groupUsersListCommand(), a.groupUsersAddCommand(), a.groupUsersRemoveCommand())
}

func (a *app) groupUsersListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:               "list GROUP",
		Short:             "List the users in a group",
		Example:           "  infinitysip groups users list sales",
		Args:              argsOf("group"),
		ValidArgsFunction: completeArgs(a.completeGroups),
	}, groupUserColumns(), byClient, func(cmd *cobra.Command, s *session, args []string, _ *infinitysip.ListOptions[infinitysip.GroupUser]) (iter.Seq2[infinitysip.GroupUser, error], error) {
		id, err := s.group(cmd.Context(), args[0])
		if err != nil {
			return nil, err
		}
		return s.client.Groups.AllUsers(cmd.Context(), s.domain, id), nil
	})
}

func (a *app) groupUsersAddCommand() *cobra.Command {
	return memberCommand(a, &cobra.Command{
		Use:   "add GROUP USER…",
		Short: "Put users into a group",
		Long: `Put users into a group. All names are looked up before anything is sent, and all that
cannot be found are told at once.`,
		Example:           "  infinitysip groups users add sales joe.blogs amira.khan",
		ValidArgsFunction: completeArgsOn(a.completeGroups, a.completeUsers),
	}, (*session).groups, (*session).users, func(ctx context.Context, s *session, group named[infinitysip.GroupID], users []named[infinitysip.UserID]) error {
		if err := s.client.Groups.AddUsers(ctx, s.domain, group.id, idsOf(users)); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "Put %s.\n", countOf("user", users, " into group "+group.String()))
		return nil
	})
}

func (a *app) groupUsersRemoveCommand() *cobra.Command {
	return memberCommand(a, &cobra.Command{
		Use:   "remove GROUP USER…",
		Short: "Take users out of a group",
		Long: `Take users out of a group. All names are looked up before anything is sent, and all
that cannot be found are told at once. The users themselves stay.`,
		Example:           "  infinitysip groups users remove sales joe.blogs",
		ValidArgsFunction: completeArgsOn(a.completeGroups, a.completeUsers),
	}, (*session).groups, (*session).users, func(ctx context.Context, s *session, group named[infinitysip.GroupID], users []named[infinitysip.UserID]) error {
		if err := s.client.Groups.RemoveUsers(ctx, s.domain, group.id, idsOf(users)); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "Took %s.\n", countOf("user", users, " out of group "+group.String()))
		return nil
	})
}
