package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// A memberRow is a member of a queue with the name of its group, which is in tables
// alone: as JSON it is the API's row.
type memberRow struct {
	infinitysip.QueueMember
	group string
}

func memberColumns() []output.Column[memberRow] {
	type row = memberRow
	return []output.Column[row]{
		{Name: "id", API: "queueMemberId", Value: func(m *row) string { return idText(m.ID) }},
		{Name: "group", API: "groupName", Value: func(m *row) string { return m.group }},
		{Name: "group-id", API: "groupId", More: true, Value: func(m *row) string { return idText(m.GroupID) }},
		{Name: "strategy", API: "ringStrategy", Value: func(m *row) string { return string(m.RingStrategy) }},
		{Name: "attempts", API: "ringAttempts", Value: func(m *row) string { return strconv.Itoa(m.RingAttempts) }},
		{Name: "secs", API: "ringSecs", Value: func(m *row) string { return strconv.Itoa(m.RingSecs) }},
		{Name: "order", API: "ringOrder", Value: func(m *row) string { return strconv.Itoa(m.RingOrder) }},
		{Name: "queue-id", API: "queueId", More: true, Value: func(m *row) string { return idText(m.QueueID) }},
	}
}

// namesNeeded reports whether the output may have the names of groups in it.
func (a *app) namesNeeded() bool {
	switch format, _, _ := strings.Cut(a.output.Format, "="); format {
	case "json", "ndjson", "yaml", "template":
		return len(a.list.where)+len(a.output.Sort) > 0
	}
	return true
}

// groupNames are the names of all groups of the domain.
func (s *session) groupNames(ctx context.Context) (map[infinitysip.GroupID]string, error) {
	names := map[infinitysip.GroupID]string{}
	for g, err := range s.client.Groups.All(ctx, s.domain) {
		if err != nil {
			return nil, err
		}
		names[g.ID] = g.Name
	}
	return names, nil
}

// ringing are the members of a queue in the order in which it rings them.
func (s *session) ringing(ctx context.Context, queue infinitysip.QueueID) ([]infinitysip.QueueMember, error) {
	members, err := infinitysip.Collect(s.client.Queues.AllMembers(ctx, s.domain, queue))
	slices.SortStableFunc(members, func(a, b infinitysip.QueueMember) int { return cmp.Compare(a.RingOrder, b.RingOrder) })
	return members, err
}

func (a *app) queueMembersCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "members",
		Short: "List, add, change and remove what a queue rings",
		Long: `List, add, change and remove what a queue rings.

A member of a queue is a group that the queue rings, with how and for how long. It is
named by its group, if the queue has that group once, or by the member's own id.`,
		Example: "  infinitysip queues members list front",
	}, a.membersListCommand(), a.membersGetCommand(), a.membersAddCommand(), a.membersUpdateCommand(), a.membersRemoveCommand())
}

func (a *app) membersListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:   "list QUEUE",
		Short: "List the members of a queue, in ringing order",
		Long: `List the members of a queue, in ringing order. Tables and CSV also have the name of
each group; JSON and YAML have what the API sends.`,
		Example:           "  infinitysip queues members list front",
		Args:              argsOf("queue"),
		ValidArgsFunction: completeArgs(a.completeQueues),
	}, memberColumns(), byClient, func(cmd *cobra.Command, s *session, args []string, _ *infinitysip.ListOptions[memberRow]) (iter.Seq2[memberRow, error], error) {
		ctx := cmd.Context()
		queue, err := s.queue(ctx, args[0])
		if err != nil {
			return nil, err
		}
		members, err := s.ringing(ctx, queue)
		if err != nil {
			return nil, err
		}
		var names map[infinitysip.GroupID]string
		if a.namesNeeded() && len(members) > 0 {
			if names, err = s.groupNames(ctx); err != nil {
				return nil, err
			}
		}
		return func(yield func(memberRow, error) bool) {
			for _, m := range members {
				if !yield(memberRow{m, names[m.GroupID]}, nil) {
					return
				}
			}
		}, nil
	})
}

func (a *app) membersGetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get QUEUE MEMBER",
		Short:             "Show one member of a queue",
		Example:           "  infinitysip queues members get front sales",
		Args:              argsOf("queue", "queue member"),
		ValidArgsFunction: completeArgs(a.completeQueues, a.completeMembers),
	}
	a.outputFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			queue, member, err := s.memberOf(ctx, args)
			if err != nil {
				return err
			}
			found, err := s.client.Queues.GetMember(ctx, s.domain, queue, member)
			if err != nil {
				return err
			}
			row := memberRow{QueueMember: *found}
			if a.namesNeeded() {
				group, err := s.client.Groups.Get(ctx, s.domain, found.GroupID)
				if err == nil {
					row.group = group.Name
				} else if !errors.Is(err, infinitysip.ErrNotFound) {
					return err
				}
			}
			return printRow(a, &row, memberColumns())
		})
	}
	return cmd
}

// memberOf finds the queue and the member that two arguments name.
func (s *session) memberOf(ctx context.Context, args []string) (infinitysip.QueueID, infinitysip.QueueMemberID, error) {
	queue, err := s.queue(ctx, args[0])
	if err != nil {
		return 0, 0, err
	}
	member, err := s.member(ctx, queue, args[1])
	return queue, member, err
}

// memberFlags are the flags of a parameter of a member.
func memberFlags() map[string]string {
	return map[string]string{"groupId": "--group", "ringStrategy": "--strategy", "ringAttempts": "--attempts", "ringSecs": "--secs", "ringOrder": "--order"}
}

const (
	strategyUsage = "in which `order` the users of the group ring: all (at the same time) or huntLongestIdle (one after the other)"
	attemptsUsage = "how often to try the group when all its users are busy, a `number`"
	secsUsage     = "how many `seconds` to ring before the next member"
	orderUsage    = "the `place` in the ringing order, the lowest first"
)

func completeStrategy(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{string(infinitysip.RingAll), string(infinitysip.RingHuntLongestIdle)}, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) membersAddCommand() *cobra.Command {
	p := infinitysip.QueueMemberCreateParams{}
	cmd := &cobra.Command{
		Use:   "add QUEUE GROUP",
		Short: "Let a queue ring a group too",
		Long: `Let a queue ring a group too. It prints the id of the new member. Without --order the
group comes last. A queue may have a group twice.`,
		Example:           "  infinitysip queues members add front support --secs 30",
		Args:              argsOf("queue", "group"),
		ValidArgsFunction: completeArgs(a.completeQueues, a.completeGroups),
	}
	flags := cmd.Flags()
	flags.StringVar((*string)(&p.RingStrategy), "strategy", string(infinitysip.RingAll), strategyUsage)
	flags.IntVar(&p.RingAttempts, "attempts", 1, attemptsUsage)
	flags.IntVar(&p.RingSecs, "secs", 20, secsUsage)
	var order *int
	optional(flags, &order, "order", orderUsage+" (default: after the last)")
	_ = cmd.RegisterFlagCompletionFunc("strategy", completeStrategy)
	a.idFlags(cmd, "queueMemberId")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.GroupID = 1 // any will do for the check
		if order != nil {
			p.RingOrder = *order
		}
		if err := p.Validate(); err != nil {
			return wrongParams(err, memberFlags())
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			queue, err := s.queue(ctx, args[0])
			if err != nil {
				return err
			}
			if p.GroupID, err = s.group(ctx, args[1]); err != nil {
				return err
			}
			if order == nil {
				members, err := s.ringing(ctx, queue)
				if err != nil {
					return err
				}
				p.RingOrder = 1
				if n := len(members); n > 0 {
					p.RingOrder = members[n-1].RingOrder + 1
				}
			}
			id, err := s.client.Queues.CreateMember(ctx, s.domain, queue, p)
			return made(a, "queueMemberId", id, err)
		})
	}
	return cmd
}

func (a *app) membersUpdateCommand() *cobra.Command {
	var (
		p  infinitysip.QueueMemberUpdateParams
		to *string
	)
	cmd := &cobra.Command{
		Use:   "update QUEUE MEMBER",
		Short: "Change how a queue rings a member",
		Long: `Change how a queue rings a member. What no flag names stays as it is. To change
the order of all members use infinitysip queues order.`,
		Example:           "  infinitysip queues members update front sales --strategy huntLongestIdle --attempts 2",
		Args:              argsOf("queue", "queue member"),
		ValidArgsFunction: completeArgs(a.completeQueues, a.completeMembers),
	}
	flags := cmd.Flags()
	optional(flags, &to, "group", "ring another `group` in its place, by name or id")
	optional(flags, &p.RingStrategy, "strategy", strategyUsage)
	optional(flags, &p.RingAttempts, "attempts", attemptsUsage)
	optional(flags, &p.RingSecs, "secs", secsUsage)
	optional(flags, &p.RingOrder, "order", orderUsage)
	_ = cmd.RegisterFlagCompletionFunc("strategy", completeStrategy)
	_ = cmd.RegisterFlagCompletionFunc("group", a.completeGroups)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := somethingToChange(to, p.RingStrategy, p.RingAttempts, p.RingSecs, p.RingOrder); err != nil {
			return err
		}
		if to != nil {
			if _, _, err := nameOrID("group", *to); err != nil {
				return err
			}
			p.GroupID = new(infinitysip.GroupID(1)) // any will do for the check
		}
		if err := p.Validate(); err != nil {
			return wrongParams(err, memberFlags())
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			queue, member, err := s.memberOf(ctx, args)
			if err != nil {
				return err
			}
			if to != nil {
				if *p.GroupID, err = s.group(ctx, *to); err != nil {
					return err
				}
			}
			return s.client.Queues.UpdateMember(ctx, s.domain, queue, member, p)
		})
	}
	return cmd
}

func (a *app) membersRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove QUEUE MEMBER…",
		Short: "Let a queue no longer ring a group",
		Long: `Let a queue no longer ring a group. The group stays, and so do its users. All members
are looked up before the first one is removed.`,
		Example:           "  infinitysip queues members remove front support --yes",
		Args:              argsOf("queue", "queue member"),
		ValidArgsFunction: completeArgsOn(a.completeQueues, a.completeMembers),
	}
	a.yesFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.canAsk("whether to remove"); err != nil {
			return err
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			roll, err := s.roll(ctx, args[0])
			if err != nil {
				return err
			}
			members, err := roll.pick(args[1:])
			if err != nil {
				return err
			}
			if err := a.confirm(ctx, "Remove %s?", countOf("member", members, " of queue "+roll.queue.String())); err != nil {
				return err
			}
			return each(ctx, a, members, "member", "removing", "Removed", func(member named[infinitysip.QueueMemberID]) error {
				return s.client.Queues.DeleteMember(ctx, s.domain, roll.queue.id, member.id)
			})
		})
	}
	return cmd
}

func (a *app) queuesOrderCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "order QUEUE MEMBER…",
		Short: "Set the order in which a queue rings its members",
		Long: `Set the order in which a queue rings its members. Name all of them, the first to ring
first: by their groups, or by the ids of the members. If the queue has a group twice,
only the ids tell its members apart.`,
		Example:           "  infinitysip queues order front support sales",
		Args:              argsOf("queue", "queue member"),
		ValidArgsFunction: completeArgsOn(a.completeQueues, a.completeMembers),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inDomain(cmd, func(ctx context.Context, s *session) error {
				roll, err := s.roll(ctx, args[0])
				if err != nil {
					return err
				}
				order, err := roll.pick(args[1:])
				if err != nil {
					return err
				}
				if left := roll.without(order); len(left) > 0 {
					return withMend(wrongUse("the order of queue %s lacks %s", roll.queue, countOf("member", left, "")),
						"Name every member of the queue. To take one out: infinitysip queues members remove.")
				}
				return s.client.Queues.SetMemberOrder(ctx, s.domain, roll.queue.id, idsOf(order))
			})
		},
	}
}

// A roll is who is in a queue, with names.
type roll struct {
	queue   named[infinitysip.QueueID]
	members []named[infinitysip.QueueMemberID] // in ringing order, by the names of their groups
}

// roll reads the members of a queue and the names of their groups.
func (s *session) roll(ctx context.Context, text string) (*roll, error) {
	queue, err := s.queues().oneOf(ctx, text, false, nil)
	if err != nil {
		return nil, err
	}
	members, err := s.ringing(ctx, queue.id)
	if err != nil {
		return nil, err
	}
	groups, err := s.groupNames(ctx)
	if err != nil {
		return nil, err
	}
	r := &roll{queue: queue}
	for _, m := range members {
		r.members = append(r.members, named[infinitysip.QueueMemberID]{m.ID, groups[m.GroupID]})
	}
	return r, nil
}

// without are the members that are not among others.
func (r *roll) without(others []named[infinitysip.QueueMemberID]) []named[infinitysip.QueueMemberID] {
	return slices.DeleteFunc(slices.Clone(r.members), func(m named[infinitysip.QueueMemberID]) bool { return slices.Contains(others, m) })
}

// pick finds the members that texts name. It tells all that is wrong.
func (r *roll) pick(texts []string) ([]named[infinitysip.QueueMemberID], error) {
	var (
		picked   []named[infinitysip.QueueMemberID]
		problems []error
	)
	for _, text := range texts {
		member, err := r.one(text)
		switch {
		case err != nil:
			problems = append(problems, err)
		case slices.Contains(picked, member):
			problems = append(problems, wrongUse("member %s is named twice", member))
		default:
			picked = append(picked, member)
		}
	}
	return picked, together(problems)
}

// one finds the member that a text names.
func (r *roll) one(text string) (member named[infinitysip.QueueMemberID], err error) {
	name, isID, err := nameOrID("queue member", text)
	if err != nil {
		return member, err
	}
	what := "group " + quoted(name)
	found := alike(r.members, name, func(m *named[infinitysip.QueueMemberID]) string { return m.name })
	if isID {
		what = "member " + name
		found = alike(r.members, name, func(m *named[infinitysip.QueueMemberID]) string { return idText(m.id) })
	}
	switch len(found) {
	case 1:
		return *found[0], nil
	case 0:
		mend := "It has no members."
		if len(r.members) > 0 {
			mend = "It has " + countOf("member", r.members, "") + "."
		}
		return member, notFound(fmt.Errorf("queue %s has no %s", r.queue, what), "%s", mend)
	}
	ids := make([]int64, len(found))
	for i, m := range found {
		ids[i] = int64(m.id)
	}
	return member, wrongUse("queue %s has %s %d times: name its members by their ids: %s", r.queue, what, len(found), idList(ids))
}
