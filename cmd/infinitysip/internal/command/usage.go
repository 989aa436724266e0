package command

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/near"
)

// usage is the error of a command line that no command could run: what cobra says of
// it, in the words of this program.
func (a *app) usage(cmd *cobra.Command, err error) error {
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*codeError](err); ok {
		return err
	}
	text := err.Error()
	names := regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(text, -1)
	switch {
	case strings.HasPrefix(text, "required flag(s)"):
		flags := make([]string, len(names))
		for i, name := range names {
			flags[i] = "--" + name[1]
		}
		return misused(cmd, "%s must be given", strings.Join(flags, " and "))
	case strings.HasPrefix(text, "if any flags in the group ["), strings.HasPrefix(text, "at least one of the flags in the group ["):
		_, list, _ := strings.Cut(text, "[")
		list, rest, _ := strings.Cut(list, "]")
		given := "--" + strings.Join(strings.Fields(list), ", --")
		switch {
		case strings.Contains(rest, "none of the others can be"):
			return misused(cmd, "only one of %s can be given", given)
		case strings.Contains(rest, "is required"):
			return misused(cmd, "one of %s must be given", given)
		}
		return misused(cmd, "%s must be given together", given)
	}
	return misused(cmd, "%w", err)
}

// misused is a wrong use of a command.
func misused(cmd *cobra.Command, format string, args ...any) error {
	return withMend(wrongUse("%s: %w", nameOf(cmd), fmt.Errorf(format, args...)), "%s", seeHelp(cmd))
}

func seeHelp(cmd *cobra.Command) string {
	return fmt.Sprintf(`"%s -h" shows how it is used.`, cmd.CommandPath())
}

// nameOf is a command without the name of the program, such as "users get".
func nameOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// unknownCommand says that a command has no command of a name below it.
func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, below := range cmd.Commands() {
		if !below.Hidden {
			names = append(append(names, below.Name()), below.Aliases...)
		}
	}
	err := wrongUse("there is no command %q", name)
	if cmd.HasParent() {
		err = wrongUse("%s: there is no command %q below it", nameOf(cmd), name)
	}
	close := near.Of(name, names)
	if close == "" {
		return withMend(err, `"%s -h" lists the commands.`, cmd.CommandPath())
	}
	return withMend(err, "Did you mean \"%s %s\"? \"%[1]s -h\" lists the commands.", cmd.CommandPath(), close)
}

// flagError says what is wrong with a flag.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if missing, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if cmd.HasSubCommands() { // the flag may be that of a command that was misspelled
			if name := firstArg(cmd, a.args); name != "" {
				return unknownCommand(cmd, name)
			}
		}
		name := missing.GetSpecifiedName()
		if shorthands := missing.GetSpecifiedShortnames(); shorthands != "" {
			return misused(cmd, "there is no flag -%s", name)
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if close := near.Of(name, names); close != "" {
			return withMend(wrongUse("%s: there is no flag --%s", nameOf(cmd), name), "Did you mean --%s? %s", close, seeHelp(cmd))
		}
		return misused(cmd, "there is no flag --%s", name)
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return misused(cmd, "%s needs a value", flagName(missing.GetFlag()))
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag, kind := wrong.GetFlag(), ""
		switch flag.Value.Type() {
		case "int", "int64":
			kind = "a whole number"
		case "uint", "uint64", "uint16", "uint32":
			kind = "a whole number that is not negative"
		case "float64":
			kind = "a number"
		case "duration":
			kind = "a time such as 30s, 5m or 1h30m"
		case "bool":
			kind = "true or false"
		default:
			return misused(cmd, "%s %q: %w", flagName(flag), wrong.GetValue(), errors.Unwrap(err))
		}
		return misused(cmd, "%s %q: it must be %s", flagName(flag), wrong.GetValue(), kind)
	}
	return misused(cmd, "%w", err)
}

func flagName(f *pflag.Flag) string { return "--" + f.Name }

// emptyFlags refuses flags whose empty value would do what their absence does. It comes
// from a variable of a script that is not set, and without --digest or --profile the
// command does more, or does it elsewhere.
func emptyFlags(cmd *cobra.Command) error {
	var wrong []error
	for _, name := range []string{
		"profile", "credentials-file", "domain", "base-url", "default-domain",
		"digest", "rotate", "secrets", "identity", "password-file", "pin-file",
		"skip-bad", "out", "csv", "options", "options-out", "ca-out",
	} {
		f := cmd.Flags().Lookup(name)
		if f != nil && f.Changed && strings.Trim(f.Value.String(), "[]") == "" {
			wrong = append(wrong, fmt.Errorf("%s is empty: give it a value, or leave it out", flagName(f)))
		}
	}
	return wrongUses(wrong)
}

// firstArg is the first argument after a command that is no flag, nor the value of
// one; "" if there is none.
func firstArg(cmd *cobra.Command, args []string) string {
	path := strings.Fields(cmd.CommandPath())[1:]
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return ""
		case !strings.HasPrefix(arg, "-"):
			if len(path) == 0 {
				return arg
			}
			path = path[1:]
		case !strings.Contains(arg, "="):
			flag := cmd.Flags().Lookup(strings.TrimLeft(arg, "-"))
			if len(arg) == 2 {
				flag = cmd.Flags().ShorthandLookup(arg[1:])
			}
			if flag != nil && flag.NoOptDefVal == "" {
				i++
			}
		}
	}
	return ""
}

// checkArgs compares the arguments with the Use line of a command: USER is one
// argument, [USER] is at most one, and USER… or USER... any number from one.
func checkArgs(cmd *cobra.Command, args []string) error {
	words := strings.Fields(strings.ReplaceAll(cmd.Use, "...", "…"))[1:]
	words = slices.DeleteFunc(words, func(word string) bool { return word == "[flags]" || strings.HasPrefix(strings.Trim(word, "["), "-") })
	least, any := 0, false
	for _, word := range words {
		if !strings.HasPrefix(word, "[") {
			least++
		}
		any = any || strings.Contains(word, "…")
	}
	if len(args) < least {
		return misused(cmd, "%s is missing", strings.Join(words[len(args):least], " "))
	}
	if len(args) > len(words) && !any {
		if len(words) == 0 {
			return misused(cmd, "it takes no argument, and got %q", args[0])
		}
		return misused(cmd, "it takes %s alone, and got %q as well", strings.Join(words, " "), args[len(words)])
	}
	return nil
}
