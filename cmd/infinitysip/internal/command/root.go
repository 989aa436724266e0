// Package command is the command line of infinitysip: a tree of cobra commands,
// one file for each resource of the API, and what they share.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// An app is one run of the program: what it has from outside, and the flags that
// every command takes.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	args           []string

	demo            bool
	profile         string
	credentialsFile string
	domain          string // an id or a display name; "" is the profile's, or the only one
	timeout         time.Duration
	debug           bool
	yes             bool
	profileDomain   string // the domain that the credentials go with
	credentialsFrom string // what they are, such as "the profile acme"; "" before they are found
	server          string // the base URL, and where it is from
	noDomain        bool   // the command works on the account as a whole
	begun           bool   // a command runs: a problem before that is a wrong use
	helpErr         error  // of writing a help

	now func() time.Time // nil: time.Now

	overDemo func(http.RoundTripper) infinitysip.Option // puts a transport over that of --demo; nil: none

	output output.Options
	list   listFlags

	secrets secretOptions
}

// New is the tree of commands, for the documentation.
func New() *cobra.Command { return (&app{}).root() }

// run runs the program and returns its exit code.
func run(ctx context.Context, a *app, args []string) int {
	a.args = args
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.begun {
		err = a.usage(cmd, err)
	}
	if err == nil {
		err = written(a.helpErr)
	}
	code := exitCode(err)
	if code != exitDone && err.Error() != "" {
		fmt.Fprintf(a.stderr, "infinitysip: %s\n", printableLines(a.plain(err)))
	}
	return code
}

func (a *app) root() *cobra.Command {
	var showVersion bool
	root := &cobra.Command{
		Use:   "infinitysip",
		Short: "Manage phone systems on Infinity's hosted SIP platform",
		Long: `infinitysip manages phone systems on Infinity's hosted SIP platform: the users of
a domain, their groups, queues and devices, and the networks that are trusted.

Try any command on an office that exists in memory only, without an account: add
--demo to it. For the real one, keep your API key with "infinitysip profile add
NAME", or put it in the variable INFINITY_API_KEY.

The result of a command goes to standard output, and all else to standard error.
The exit code is 0 if the command did what it should, 1 if it failed, 2 if a plan
has changes, 3 if nobody knows whether a change took effect, 4 if a thing is not
there, 5 if the credentials are missing or refused, and 64 if the command line is
wrong.`,
		Example: `  infinitysip users list --demo
  infinitysip profile add acme
  infinitysip users get joe.blogs --domain acme`,
		Args:              cobra.ArbitraryArgs,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(a.flagError)
	root.SetHelpFunc(a.help)
	root.Flags().BoolVar(&showVersion, "version", false, "show the version of the program")
	flags := root.PersistentFlags()
	flags.BoolVar(&a.demo, "demo", false, "run on a server in memory with an office in it: needs no account, and nothing real is touched")
	flags.StringVar(&a.profile, "profile", "", "the `name` of the profile that has the credentials")
	flags.StringVar(&a.credentialsFile, "credentials-file", "", "the `file` that has the credentials; only you may be able to read it")
	flags.DurationVar(&a.timeout, "timeout", 0, "how long the command may take: a `time` such as 30s; 0 is any")
	flags.BoolVar(&a.debug, "debug", false, "tell every request and answer on standard error; secrets are hidden, names and numbers are not")
	if err := root.RegisterFlagCompletionFunc("profile", a.completeProfiles); err != nil {
		panic(err) // there is no such flag: a mistake in this func
	}
	flags.BoolP("help", "h", false, "show the help of the command")
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"things", "Things", []*cobra.Command{a.domainsCommand(), a.usersCommand(), a.groupsCommand(), a.queuesCommand(), a.networksCommand(), a.devicesCommand()}},
		{"whole", "Whole domains", []*cobra.Command{a.exportCommand(), a.checkCommand(), a.planCommand(), a.applyCommand(), a.auditCommand()}},
		{"tools", "Tools", []*cobra.Command{a.profileCommand(), a.secretsCommand(), a.rawCommand(), a.siptestCommand(), a.probeCommand(), a.completionCommand(), a.manCommand()}},
		{"topics", "Topics", a.topics()},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title + ":"})
		for _, cmd := range g.commands {
			cmd.GroupID = g.id
		}
		root.AddCommand(g.commands...)
	}
	group(root)
	helpOrError := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if showVersion && len(args) == 0 {
			_, err := fmt.Fprintf(a.stdout, "infinitysip %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return written(err)
		}
		return helpOrError(cmd, args)
	}
	help := a.helpCommand()
	root.SetHelpCommand(help)
	a.prepare(root)
	a.prepare(help)
	return root
}

// errTimedOut is the cause of a context that --timeout ended.
var errTimedOut = errors.New("the time of --timeout is over")

// prepare makes a command, and those below it, take the arguments that its Use line
// has and no others, and obey --timeout.
func (a *app) prepare(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		a.prepare(below)
	}
	run := cmd.RunE
	if run == nil {
		return
	}
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if cmd.HasSubCommands() {
			return nil // group says what is wrong with them
		}
		if err := checkArgs(cmd, args); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		return check(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.begun = true
		if a.timeout < 0 {
			return wrongUse("--timeout must not be negative")
		}
		if err := emptyFlags(cmd); err != nil {
			return err
		}
		if a.timeout == 0 {
			return run(cmd, args)
		}
		ctx, cancel := context.WithTimeoutCause(cmd.Context(), a.timeout, errTimedOut)
		defer cancel()
		cmd.SetContext(ctx)
		err := run(cmd, args)
		if a.timedOut(ctx, err) {
			err = &timedOutError{err}
		}
		return err
	}
}

// timedOut reports whether --timeout ended what failed. The client ends a call early if the
// server lets nothing through until then.
func (a *app) timedOut(ctx context.Context, err error) bool {
	return err != nil && a.timeout > 0 && (errors.Is(context.Cause(ctx), errTimedOut) || errors.Is(err, infinitysip.ErrRateLimited))
}

// domainFlag adds the flag -d, --domain to a command and those below it.
func (a *app) domainFlag(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&a.domain, "domain", "d", "", "the domain, by its id or its display `name`; not needed if the account has but one")
	if err := cmd.RegisterFlagCompletionFunc("domain", a.completeDomains); err != nil {
		panic(err) // there is no such flag: a mistake in this func
	}
}

// group makes a command that only has commands below it.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(below...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return cmd.Help()
	}
	return cmd
}
