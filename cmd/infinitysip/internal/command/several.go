package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
)

// inDomain runs a command in its domain.
func (a *app) inDomain(cmd *cobra.Command, run func(ctx context.Context, s *session) error) error {
	s, err := a.session(cmd.Context())
	if err != nil {
		return err
	}
	defer s.done()
	return run(cmd.Context(), s)
}

// getCommand fills in a command that shows the one thing that its argument names.
func getCommand[R any, I infinitysip.ID](a *app, cmd *cobra.Command, columns columnsOf[R], kindOf func(*session) kind[R, I]) *cobra.Command {
	a.outputFlags(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error { return argsOf(kindOf(&session{}).one)(cmd, args) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			row, err := kindOf(s).read(ctx, args[0])
			if err != nil {
				return err
			}
			return printRow(a, row, columns())
		})
	}
	return cmd
}

// findCommand fills in a command that shows the one thing of a name, also if that has
// digits alone.
func findCommand[R any, I infinitysip.ID](a *app, cmd *cobra.Command, columns columnsOf[R], kindOf func(*session) kind[R, I]) *cobra.Command {
	a.outputFlags(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error { return nameOfA(kindOf(&session{}).one)(cmd, args) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.noDomain = cmd.Flag("domain") == nil
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			row, err := kindOf(s).findRow(ctx, strings.TrimPrefix(args[0], "="))
			if err != nil {
				return err
			}
			return printRow(a, row, columns())
		})
	}
	return cmd
}

// deleteCommand fills in a command that deletes the things that its arguments name.
// All of them are looked up before the first is deleted. besides says what goes with
// them, in a sentence; "" is nothing.
func deleteCommand[R any, I infinitysip.ID](a *app, cmd *cobra.Command, besides string, kindOf func(*session) kind[R, I], remove func(ctx context.Context, s *session, id I) error) *cobra.Command {
	a.yesFlag(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error { return argsOf(kindOf(&session{}).one)(cmd, args) }
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.canAsk("whether to delete"); err != nil {
			return err
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			k := kindOf(s)
			things, err := k.many(ctx, args, !a.yes)
			if err != nil {
				return err
			}
			if !a.yes { // the domain's name costs a request
				if err := a.confirm(ctx, "%s", strings.TrimSpace("Delete "+countOf(k.one, things, " of domain "+s.domainName(ctx))+"? "+besides)); err != nil {
					return err
				}
			}
			return each(ctx, a, things, k.one, "deleting", "Deleted", func(thing named[I]) error { return remove(ctx, s, thing.id) })
		})
	}
	return cmd
}

// canAsk refuses a command that has to ask something, before anything is sent, if there
// is nobody to ask.
func (a *app) canAsk(what string) error {
	if a.yes || isTerminal(a.stdin) {
		return nil
	}
	return withMend(wrongUse("nobody can be asked %s, because standard input is not a terminal", what), "Say --yes to go on without a question. Nothing was sent.")
}

// countOf names things: "user joe.blogs (id 1) of domain acme", or "2 users of domain
// acme: joe.blogs (id 1), amira.khan (id 2)", at most twenty. of may be empty.
func countOf[I infinitysip.ID](one string, things []named[I], of string) string {
	if len(things) == 1 {
		return one + " " + things[0].String() + of
	}
	const most = 20
	texts := make([]string, 0, most+1)
	for i, thing := range things {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(things)-most))
			break
		}
		texts = append(texts, thing.String())
	}
	return fmt.Sprintf("%d %ss%s: %s", len(things), one, of, strings.Join(texts, ", "))
}

// idsOf are the ids of things.
func idsOf[I infinitysip.ID](things []named[I]) []I {
	ids := make([]I, len(things))
	for i, thing := range things {
		ids[i] = thing.id
	}
	return ids
}

// memberCommand fills in a command on one thing and several others, such as a group
// and users. All are looked up before anything is sent, and all that cannot be found
// are told at once.
func memberCommand[R, S any, I, J infinitysip.ID](a *app, cmd *cobra.Command, one func(*session) kind[R, I], others func(*session) kind[S, J], do func(context.Context, *session, named[I], []named[J]) error) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		none := &session{}
		return argsOf(one(none).one, others(none).one)(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			first, err := one(s).oneOf(ctx, args[0], false, nil)
			if err != nil && !bad(err) {
				return err
			}
			rest, errRest := others(s).many(ctx, args[1:], false)
			switch {
			case err != nil && errRest != nil:
				return together([]error{err, errRest})
			case err != nil || errRest != nil:
				return errors.Join(err, errRest)
			}
			return do(ctx, s, first, rest)
		})
	}
	return cmd
}

// each does something with things, one after the other, and tells on standard error
// which it was done with. After a failure it goes on, unless it is not known what came
// of it, or the next one would fail as well: then it says what it did not touch.
func each[I infinitysip.ID](ctx context.Context, a *app, things []named[I], one, doing, done string, do func(named[I]) error) error {
	var problems []error
	for i, thing := range things {
		err := do(thing)
		if err == nil {
			fmt.Fprintf(a.stderr, "%s %s %s.\n", done, one, thing)
			continue
		}
		if len(things) > 1 && thing.name != "" { // the error names it by its id
			err = fmt.Errorf("%s %s %s: %w", doing, one, thing, err)
		}
		problems = append(problems, err)
		code := exitCode(err)
		if left := things[i+1:]; len(left) > 0 && (ctx.Err() != nil || code == exitUnknown || code == exitCredentials || unreachable(err)) {
			problems = append(problems, &codeError{code, fmt.Errorf("not touched: %s", countOf(one, left, ""))})
			break
		}
	}
	return together(problems)
}

// unreachable reports whether a call failed because the service is not there, or takes
// no more requests for now.
func unreachable(err error) bool {
	failed, ok := errors.AsType[*infinitysip.Error](err)
	return ok && (failed.StatusCode == 0 && failed.Attempts > 0 || errors.Is(err, infinitysip.ErrUnavailable) || errors.Is(err, infinitysip.ErrRateLimited))
}

// together makes one error of several, one a line. It has the exit code of the worst.
func together(problems []error) error {
	if len(problems) < 2 {
		return errors.Join(problems...)
	}
	code := exitDone
	for _, err := range problems {
		if c := exitCode(err); badness(c) > badness(code) {
			code = c
		}
	}
	return &codeError{code, errors.Join(problems...)}
}

// badness orders exit codes.
func badness(code int) int {
	switch code {
	case exitDone:
		return 0
	case exitNotFound:
		return 1
	case exitUsage:
		return 2
	case exitCredentials:
		return 4
	case exitUnknown:
		return 5
	}
	return 3
}
