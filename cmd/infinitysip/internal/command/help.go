package command

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// help writes the help of a command.
func (a *app) help(cmd *cobra.Command, _ []string) {
	var b bytes.Buffer
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	b.WriteString(text + "\n")
	if isTopic(cmd) {
		_, a.helpErr = cmd.OutOrStdout().Write(b.Bytes())
		return
	}
	fmt.Fprintf(&b, "\nUsage:\n  %s\n", usageLine(cmd))
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if len(cmd.Groups()) > 0 {
		for _, g := range cmd.Groups() {
			writeCommands(&b, g.Title, cmd, g.ID)
		}
	} else if cmd.HasSubCommands() {
		writeCommands(&b, "Commands:", cmd, "")
	}
	width := a.width()
	if local := cmd.LocalFlags(); local.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", local.FlagUsagesWrapped(width))
	}
	if inherited := cmd.InheritedFlags(); inherited.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags of every command:\n%s", inherited.FlagUsagesWrapped(width))
	}
	if cmd.HasSubCommands() {
		fmt.Fprintf(&b, "\n\"%s COMMAND -h\" shows the help of a command.\n", cmd.CommandPath())
	}
	_, a.helpErr = cmd.OutOrStdout().Write(b.Bytes())
}

// isTopic reports whether a command is there for its help alone.
func isTopic(cmd *cobra.Command) bool { return cmd.GroupID == "topics" }

// usageLine is how a command is called.
func usageLine(cmd *cobra.Command) string {
	if cmd.HasSubCommands() {
		return cmd.CommandPath() + " COMMAND [flags]"
	}
	return cmd.UseLine()
}

// writeCommands writes the commands of a group below a command, or all if the group
// is "".
func writeCommands(b *bytes.Buffer, title string, cmd *cobra.Command, group string) {
	fmt.Fprintf(b, "\n%s\n", title)
	for _, below := range cmd.Commands() {
		if !below.Hidden && below.GroupID == group {
			fmt.Fprintf(b, "  %-*s  %s\n", max(cmd.NamePadding(), 11), below.Name(), below.Short)
		}
	}
}

// helpCommand is "infinitysip help COMMAND".
func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND…]",
		Short:   "Show the help of a command or a topic",
		Example: "  infinitysip help users create\n  infinitysip help exit-codes",
		GroupID: "topics",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begins string) ([]string, cobra.ShellCompDirective) {
			above, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, below := range above.Commands() {
				if !below.Hidden && strings.HasPrefix(below.Name(), begins) {
					names = append(names, below.Name()+"\t"+below.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found := cmd.Root()
			for _, name := range args {
				below := commandBelow(found, name)
				if below == nil {
					return unknownCommand(found, name)
				}
				found = below
			}
			a.help(found, nil)
			return nil
		},
	}
}

// commandBelow is the command of a name below another; nil if there is none.
func commandBelow(cmd *cobra.Command, name string) *cobra.Command {
	for _, below := range cmd.Commands() {
		if below.Name() == name || below.HasAlias(name) {
			return below
		}
	}
	return nil
}
