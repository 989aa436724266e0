// Package command is the command line of fleet: a tree of cobra commands.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/fleet/cmd/fleet/internal/folder"
)

// An app is one run of the program: what it has from outside, and the flags that
// several commands take.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	executable     func() (string, error)

	begun    bool // a command runs: a problem before that is a wrong use
	database string
	states   string
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "fleet",
		Short: "Keep the domains of many accounts as they should be",
		Long: `fleet keeps domains on Infinity's hosted SIP platform as they should be: any number
of them, by any number of processes that share a database.

What a domain should be is in a file, STATES/ACCOUNT/DOMAIN.json or .csv, as the
commands plan and apply of infinitysip read it. The credentials of an account are in
ACCOUNTS/ACCOUNT.env, with lines such as INFINITY_API_KEY=…, which only its owner may
be able to read. DOMAIN is the display name of the domain, in the case that the server
has. In the name of its file, %XX stands for each byte that a file cannot have:
/ \ : * ? " < > | %, what is not printed, such as a tab or a hard space, a dot at the
beginning, and a dot or a space at the end. So the file of North/South is
North%2FSouth.json. On the command line it is ACCOUNT/North/South.

The database is an SQLite file, for processes on one machine, or a PostgreSQL
server. --db names it, or the variable FLEET_DB, which keeps the password of a
server out of the list of processes.

The exit code is 0 if the command did what it should, 1 if it failed, 2 if status
finds a domain that is not as it should be, and 64 if the command line is wrong.`,
		Example: `  fleet demo
  export FLEET_DB=fleet.db
  fleet work --accounts accounts --states states --recipient age1…
  fleet enqueue --all --states states
  fleet status`,
		Version:           version(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(a.workCommand(), a.enqueueCommand(), a.statusCommand(), a.retryCommand(), a.forgetCommand(),
		a.resultsCommand(), a.secretsCommand(), a.demoCommand())
	for _, cmd := range root.Commands() {
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.begun = true
			if err := notEmpty(cmd); err != nil {
				return err
			}
			return run(cmd, args)
		}
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%s: %w\n%q shows how it is used", cmd.Name(), err, cmd.CommandPath()+" --help")
	})
	return root
}

// notEmpty refuses flags whose value is an empty text, as that of --out "$FILE" is if FILE is
// not set: whoever gives a flag means something else than the default.
func notEmpty(cmd *cobra.Command) error {
	var wrong []error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if several, ok := f.Value.(pflag.SliceValue); ok {
			values = several.GetSlice()
		}
		if slices.Contains(values, "") {
			wrong = append(wrong, fmt.Errorf("--%s is given and empty", f.Name))
		}
	})
	return wrongUses(wrong)
}

// version is the version of the module that the program was built from.
func version() string {
	built, ok := debug.ReadBuildInfo()
	if !ok || built.Main.Version == "" || built.Main.Version == "(devel)" {
		return "devel"
	}
	return built.Main.Version
}

func (a *app) databaseFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.database, "db", "", "the `database`: postgres://user:password@host/name, or the path of an SQLite file; without it, FLEET_DB says so")
}

func (a *app) statesFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.states, "states", "", "the `folder` of the states: ACCOUNT/DOMAIN.json or .csv")
}

// where is the database that the flag or the environment names.
func (a *app) where() (string, error) {
	where := a.database
	if where == "" {
		where = a.getenv("FLEET_DB")
	}
	switch {
	case where == "":
		return "", wrongUse("no database is named: give --db, or set FLEET_DB, to the path of a file or to postgres://…")
	case !isURL(where) && strings.Contains(where, "="): // as in password=…
		return "", wrongUse("the database has an = and does not begin with postgres://: write postgres://user:password@host/name, or the path of a file without =")
	case !isURL(where) && strings.Contains(where, "@"): // which may be followed by a password
		return "", wrongUse("the database has an @ and does not begin with postgres://: write postgres://user:password@host/name")
	}
	return where, nil
}

func isURL(where string) bool { return strings.Contains(where, "://") }

// open opens the database. If it has to be there already, a file that is not there is
// an error.
func (a *app) open(ctx context.Context, there bool) (*fleet.DB, error) {
	where, err := a.where()
	if err != nil {
		return nil, err
	}
	if !isURL(where) {
		if err := checkFile(ctx, strings.TrimPrefix(where, "sqlite:"), there); err != nil {
			return nil, err
		}
	}
	return fleet.Open(ctx, where)
}

// inDatabase runs with the database, which has to be there already.
func (a *app) inDatabase(ctx context.Context, with func(*fleet.DB) error) (err error) {
	db, err := a.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return with(db)
}

// domains reads arguments that are account/domain each, and leaves each once.
func domains(args []string) ([]fleet.Domain, error) {
	var all []fleet.Domain
	var wrong []error
	for _, arg := range args {
		domain, err := folder.ParseDomain(arg)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if !slices.Contains(all, domain) {
			all = append(all, domain)
		}
	}
	return all, wrongUses(wrong)
}

// known are the statuses of some domains. Those that the fleet does not keep are an
// error.
func known(ctx context.Context, db *fleet.DB, domains []fleet.Domain) ([]fleet.DomainStatus, error) {
	all, err := db.Status(ctx)
	if err != nil {
		return nil, err
	}
	kept := map[string]fleet.DomainStatus{}
	for _, s := range all {
		kept[s.String()] = s
	}
	var found []fleet.DomainStatus
	var wrong []error
	for _, d := range domains {
		s, ok := kept[d.String()]
		if !ok {
			wrong = append(wrong, fmt.Errorf("the fleet does not keep %s: fleet status --domains lists those that it keeps", d))
			continue
		}
		found = append(found, s)
	}
	return found, errors.Join(wrong...)
}
