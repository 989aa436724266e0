package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
)

// argsOf checks that each argument can be an id or a name of its kind: "queue", "queue
// member", and the last kind for all that follow. Nothing is sent before that.
func argsOf(kinds ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		var problems []error
		for i, text := range args {
			one := kinds[min(i, len(kinds)-1)]
			name, isID, err := nameOrID(one, text)
			if err == nil && !isID && one == "trusted network" {
				_, err = parseNetwork(name)
			}
			if err != nil {
				problems = append(problems, err)
			}
		}
		return together(problems)
	}
}

// nameOfA checks that an argument can be a name of its kind, also if it is a number.
func nameOfA(one string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return argsOf(one)(cmd, []string{"=" + strings.TrimPrefix(args[0], "=")})
	}
}

// checked makes a command check its arguments.
func checked(cmd *cobra.Command, args cobra.PositionalArgs) *cobra.Command {
	cmd.Args = args
	return cmd
}

// made prints the id of what was made, also if something went wrong after that. If it
// cannot be printed, the error says it: a failure alone would have people make another.
func made[I infinitysip.ID](a *app, name string, id I, err error) error {
	if id == 0 {
		return err
	}
	told := printID(a, name, id)
	switch {
	case told == nil, closedPipe(told) && err != nil: // what went wrong is news to those who stopped reading, too
		return err
	case closedPipe(told):
		return told
	}
	return joinCode(err, &codeError{exitFailed, fmt.Errorf("it was done, and the id is %d, but that could not be printed: %w", id, told)})
}

// counted is a number of things: "1 member", "2 members".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
