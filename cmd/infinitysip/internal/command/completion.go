package command

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
)

// completionTime is how long a shell may wait for names.
const completionTime = 2 * time.Second

// completeArgs completes the first argument by the first func, and so on. There are no
// more arguments than funcs.
func completeArgs(funcs ...cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(funcs) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return funcs[len(args)](cmd, args, typed)
	}
}

// completeArgsOn is completeArgs, but the last func goes on.
func completeArgsOn(funcs ...cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return funcs[min(len(args), len(funcs)-1)](cmd, args, typed)
	}
}

// completeUsers completes the name of a user.
func (a *app) completeUsers(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeNames(a, cmd, args, typed, (*session).users, func(u *infinitysip.User) string { return u.DisplayName })
}

// completeGroups completes the name of a group.
func (a *app) completeGroups(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeNames(a, cmd, args, typed, (*session).groups, func(g *infinitysip.Group) string { return g.DisplayName })
}

// completeQueues completes the name of a queue.
func (a *app) completeQueues(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeNames(a, cmd, args, typed, (*session).queues, func(q *infinitysip.Queue) string { return q.DisplayName })
}

// completeNetworks completes a trusted network.
func (a *app) completeNetworks(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeNames(a, cmd, args, typed, (*session).networks, func(n *infinitysip.TrustedNetwork) string { return n.Description })
}

// completeDevices completes the MAC address of a device.
func (a *app) completeDevices(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return completeNames(a, cmd, args, typed, (*session).devices, func(d *infinitysip.Device) string { return d.Name })
}

// completeDomains completes the display name of a domain.
func (a *app) completeDomains(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completed(cmd, args, typed, func(ctx context.Context) (iter.Seq[[2]string], error) {
		client, done, err := a.client(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
		rows, err := client.Domains.List(ctx, infinitysip.CallAttempts(1))
		return func(yield func([2]string) bool) {
			for i := range rows {
				if !yield([2]string{rows[i].DisplayName, "id " + idText(rows[i].ID)}) {
					return
				}
			}
		}, err
	})
}

// completeMembers completes the name of a group that a queue rings. The queue is the
// first argument.
func (a *app) completeMembers(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completed(cmd, args, typed, func(ctx context.Context) (iter.Seq[[2]string], error) {
		if len(args) == 0 {
			return nil, errors.New("there is no queue yet")
		}
		s, err := a.session(ctx)
		if err != nil {
			return nil, err
		}
		defer s.done()
		queue, err := s.queue(ctx, args[0])
		if err != nil {
			return nil, err
		}
		members, err := s.client.Queues.ListMembers(ctx, s.domain, queue, infinitysip.CallAttempts(1))
		if err != nil {
			return nil, err
		}
		groups, err := s.client.Groups.List(ctx, s.domain, infinitysip.CallAttempts(1))
		return func(yield func([2]string) bool) {
			for i := range groups {
				is := func(m infinitysip.QueueMember) bool { return m.GroupID == groups[i].ID }
				if slices.ContainsFunc(members, is) && !yield([2]string{groups[i].Name, groups[i].DisplayName}) {
					return
				}
			}
		}, err
	})
}

// completeNames completes the names of one kind of thing.
func completeNames[R any, I infinitysip.ID](a *app, cmd *cobra.Command, args []string, typed string, kindOf func(*session) kind[R, I], describe func(*R) string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completed(cmd, args, typed, func(ctx context.Context) (iter.Seq[[2]string], error) {
		s, err := a.session(ctx)
		if err != nil {
			return nil, err
		}
		defer s.done()
		k := kindOf(s)
		var names [][2]string
		for row, err := range k.all(ctx) {
			if err != nil {
				return nil, err
			}
			names = append(names, [2]string{k.name(&row), describe(&row)})
		}
		return slices.Values(names), nil
	})
}

// completed are the names that begin with what was typed, whatever its case, and are
// not on the line yet. A shell cannot show what went wrong, so nothing is said of it.
func (a *app) completed(cmd *cobra.Command, args []string, typed string, list func(context.Context) (iter.Seq[[2]string], error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	names, err := list(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for pair := range names {
		name := asName(pair[0])
		if name == "" || printable(name) != name || slices.Contains(args, name) || len(name) < len(typed) || !strings.EqualFold(name[:len(typed)], typed) {
			continue
		}
		all = append(all, cobra.CompletionWithDesc(name, printable(pair[1])))
	}
	slices.Sort(all)
	return all, cobra.ShellCompDirectiveNoFileComp
}

// asName is a name as it has to be written as an argument, so that it is not taken for
// an id.
func asName(name string) string {
	if name != "" && (name[0] == '=' || strings.Trim(name, "0123456789") == "") {
		return "=" + name
	}
	return name
}
