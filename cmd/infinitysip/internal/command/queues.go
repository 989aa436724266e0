package command

import (
	"cmp"
	"context"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

func queueColumns() []output.Column[infinitysip.Queue] {
	type row = infinitysip.Queue
	return []output.Column[row]{
		{Name: "id", API: "queueId", Value: func(q *row) string { return idText(q.ID) }},
		{Name: "queue", API: "queueName", Value: func(q *row) string { return q.Name }},
		{Name: "name", API: "displayName", Value: func(q *row) string { return q.DisplayName }},
		{Name: "extension", API: "extensionNumber", Value: func(q *row) string { return q.ExtensionNumber }},
		{Name: "caller-name", API: "callerNameFormat", More: true, Value: func(q *row) string { return string(q.CallerNameFormat) }},
		{Name: "domain-id", API: "domainId", More: true, Value: func(q *row) string { return idText(q.DomainID) }},
	}
}

// queueFlags are the flags of a parameter of a queue.
func queueFlags(name string) map[string]string {
	return map[string]string{"queueName": name, "displayName": "--name", "extensionNumber": "--extension", "callerNameFormat": "--caller-name"}
}

func (a *app) queuesCommand() *cobra.Command {
	queues := &cobra.Command{
		Use:   "queues",
		Short: "List, make, change and delete queues, and what they ring",
		Long: `List, make, change and delete queues, and what they ring.

A queue holds callers, and rings its members for them, one after the other. A member
is a group. A queue is named by its name or its id.`,
		Example: "  infinitysip queues list",
	}
	a.domainFlag(queues)
	return group(queues,
		a.queuesListCommand(), a.queuesGetCommand(), a.queuesFindCommand(),
		a.queuesCreateCommand(), a.queuesUpdateCommand(), a.queuesDeleteCommand(),
		a.queueMembersCommand(), a.queuesOrderCommand())
}

func (a *app) queuesListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:     "list",
		Short:   "List the queues of a domain",
		Example: "  infinitysip queues list --where 'extension begins 70' -o csv",
		Args:    cobra.NoArgs,
	}, queueColumns(), byServer, func(cmd *cobra.Command, s *session, _ []string, opts *infinitysip.QueueListOptions) (iter.Seq2[infinitysip.Queue, error], error) {
		return s.client.Queues.All(cmd.Context(), s.domain, opts), nil
	})
}

func (a *app) queuesGetCommand() *cobra.Command {
	return checked(getCommand(a, &cobra.Command{
		Use:               "get QUEUE",
		Short:             "Show one queue",
		Example:           "  infinitysip queues get front",
		ValidArgsFunction: completeArgs(a.completeQueues),
	}, queueColumns, (*session).queues), argsOf("queue"))
}

func (a *app) queuesFindCommand() *cobra.Command {
	return checked(findCommand(a, &cobra.Command{
		Use:   "find NAME",
		Short: "Show the queue of a name",
		Long: `Show the queue of a name, also if the name has digits alone. It is one request, where
"queues get" makes two for a name.`,
		Example:           "  infinitysip queues find front",
		ValidArgsFunction: completeArgs(a.completeQueues),
	}, queueColumns, (*session).queues), nameOfA("queue"))
}

func (a *app) queuesCreateCommand() *cobra.Command {
	var p infinitysip.QueueCreateParams
	cmd := &cobra.Command{
		Use:   "create QUEUE",
		Short: "Make a queue",
		Long: `Make a queue. It prints the id of the new queue. The queue rings nobody until it has
members: infinitysip queues members add.`,
		Example: "  infinitysip queues create reception --name Reception --extension 702",
		Args:    cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&p.DisplayName, "name", "", "the display `name`; that of the queue if it is not given")
	flags.StringVar(&p.ExtensionNumber, "extension", "", usageExtension+" (required)")
	flags.StringVar((*string)(&p.CallerNameFormat), "caller-name", "", usageCallerName)
	a.idFlags(cmd, "queueId")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.Name = strings.TrimPrefix(args[0], "=")
		p.DisplayName = cmp.Or(p.DisplayName, p.Name)
		if err := p.Validate(); err != nil {
			return wrongParams(err, queueFlags("QUEUE"))
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			id, err := s.client.Queues.Create(ctx, s.domain, p)
			return made(a, "queueId", id, err)
		})
	}
	return cmd
}

func (a *app) queuesUpdateCommand() *cobra.Command {
	var p infinitysip.QueueUpdateParams
	cmd := &cobra.Command{
		Use:               "update QUEUE",
		Short:             "Change a queue",
		Long:              "Change a queue. What no flag names stays as it is.",
		Example:           "  infinitysip queues update front --name 'Front desk' --extension 700",
		Args:              argsOf("queue"),
		ValidArgsFunction: completeArgs(a.completeQueues),
	}
	flags := cmd.Flags()
	optional(flags, &p.Name, "rename", "the new `name` of the queue")
	optional(flags, &p.DisplayName, "name", "the display `name`")
	optional(flags, &p.ExtensionNumber, "extension", usageExtension)
	optional(flags, &p.CallerNameFormat, "caller-name", usageCallerName)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := somethingToChange(p.Name, p.DisplayName, p.ExtensionNumber, p.CallerNameFormat); err != nil {
			return err
		}
		if err := p.Validate(); err != nil {
			return wrongParams(err, queueFlags("--rename"))
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			id, err := s.queue(ctx, args[0])
			if err != nil {
				return err
			}
			return s.client.Queues.Update(ctx, s.domain, id, p)
		})
	}
	return cmd
}

func (a *app) queuesDeleteCommand() *cobra.Command {
	return checked(deleteCommand(a, &cobra.Command{
		Use:   "delete QUEUE…",
		Short: "Delete queues",
		Long: `Delete queues. The members of a queue go with it. The groups that it rings stay, and
so do their users.

All queues are looked up before the first is deleted. After a failure the command goes
on with the next one, unless nobody knows what came of it.`,
		Example:           "  infinitysip queues delete front --yes",
		ValidArgsFunction: completeArgsOn(a.completeQueues),
	}, "Its members go with it; the groups that it rings stay.", (*session).queues,
		func(ctx context.Context, s *session, id infinitysip.QueueID) error {
			return s.client.Queues.Delete(ctx, s.domain, id)
		}), argsOf("queue"))
}
