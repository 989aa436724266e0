package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/internal/credentials"
)

func (a *app) profileCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "profile",
		Short: "Keep credentials under a name",
		Long: `A profile keeps the credentials of an account under a name, with its server and the
domain that commands work in. Profiles are files that only you can read, in the
folder of your configuration. "infinitysip help environment" says when they are used.`,
		Example: "  infinitysip profile add acme\n  infinitysip profile use acme\n  infinitysip users list",
	}, a.profileAddCommand(), a.profileUseCommand(), a.profileListCommand(), a.profileRemoveCommand())
}

// profiles are the profiles of the user.
func (a *app) profiles() (credentials.Profiles, error) {
	switch {
	case a.demo:
		return credentials.Profiles{}, wrongUse("the demo needs no profiles: leave out --demo")
	case a.profile != "":
		return credentials.Profiles{}, wrongUse("a command about profiles uses none: leave out --profile")
	case a.credentialsFile != "":
		return credentials.Profiles{}, wrongUse("a command about profiles reads no file of credentials: leave out --credentials-file")
	}
	p, err := credentials.UserProfiles()
	if err != nil {
		return p, fmt.Errorf("there is no folder for profiles: %w", err)
	}
	return p, nil
}

func (a *app) profileAddCommand() *cobra.Command {
	var username, baseURL, domain string
	var noCheck, force bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Keep credentials under a name",
		Long: `Asks for an API key, which you make in the Hub, and keeps it under a name. With
--username it asks for the password of that Hub user instead. What you type is not
shown. If standard input is not a terminal, the key or the password is read from it.

The credentials are tried with one request before they are kept. The first profile
is in use from then on.`,
		Example: `  infinitysip profile add acme
  infinitysip profile add leeds --username joe@example.com --default-domain leeds
  infinitysip profile add acme --force --no-check <key.txt`,
	}
	cmd.Flags().StringVar(&username, "username", "", "the `name` of a Hub user, whose password is kept instead of an API key")
	cmd.Flags().StringVar(&baseURL, "base-url", "", "the `URL` of the server (default: INFINITY_BASE_URL, or "+usualServer+")")
	cmd.Flags().StringVar(&domain, "default-domain", "", "the domain that commands work in, by its id or its display `name`")
	cmd.Flags().BoolVar(&noCheck, "no-check", false, "keep the credentials without trying them")
	cmd.Flags().BoolVar(&force, "force", false, "replace a profile of the same name")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := args[0]
		profiles, err := a.profiles()
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("username") && username == "" { // the password would be kept as an API key
			return wrongUse("--username is empty: give it a value, or leave it out")
		}
		if err := credentials.CheckName(name); err != nil {
			return wrongUse("%w", err)
		}
		names, err := profiles.Names()
		if err != nil {
			return err
		}
		if slices.Contains(names, name) && !force {
			return withMend(wrongUse("there is a profile %s already", name), "Replace it with --force, or choose another name.")
		}
		set := credentials.Set{Username: username, BaseURL: cmp.Or(baseURL, os.Getenv(credentials.BaseURL), usualServer), Domain: domain}
		what, secret := "API key", &set.APIKey
		if username != "" {
			what, secret = "password of "+username, &set.Password
		}
		if *secret, err = a.askSecret(cmd.Context(), what); err != nil {
			return err
		}
		from := account{Set: set, from: "what was given", urlFrom: "--base-url"}
		if baseURL == "" {
			from.urlFrom = credentials.BaseURL
		}
		if err := a.tryAccount(cmd.Context(), from, noCheck); err != nil {
			return withMend(err, "The profile was not kept.")
		}
		if err := profiles.Write(name, set); err != nil {
			return fmt.Errorf("the profile %s was not kept: %w", name, err)
		}
		current, err := profiles.Current()
		if err == nil && current == "" {
			current, err = name, profiles.Use(name)
		}
		if err != nil {
			return err
		}
		if current == name {
			fmt.Fprintf(a.stderr, "The profile %s is kept in %s, and in use.\n", name, profiles.Path(name))
		} else {
			fmt.Fprintf(a.stderr, "The profile %s is kept in %s. The one in use is %s; \"infinitysip profile use %[1]s\" changes that.\n", name, profiles.Path(name), current)
		}
		return nil
	}
	return cmd
}

// tryAccount makes a client of an account, and unless the server is not to be asked,
// lists the domains, among which its domain must be.
func (a *app) tryAccount(ctx context.Context, from account, noCheck bool) error {
	client, err := a.connect(from)
	if err != nil || noCheck {
		return err
	}
	defer client.CloseIdleConnections()
	if from.Domain != "" {
		_, err := a.findDomain(ctx, client, from.Domain)
		return err
	}
	_, err = client.Domains.List(ctx)
	return err
}

// askSecret reads a secret: a line that is not shown, or the only line of standard
// input if that is not a terminal.
func (a *app) askSecret(ctx context.Context, what string) (string, error) {
	const most = 64 << 10
	if !isTerminal(a.stdin) {
		text, err := readAll(ctx, io.LimitReader(a.stdin, most))
		if err != nil {
			return "", fmt.Errorf("reading the %s from standard input: %w", what, err)
		}
		text = strings.TrimRight(text, "\r\n")
		if text == "" {
			return "", wrongUse("the %s is read from standard input, which is empty", what)
		}
		if strings.ContainsAny(text, "\r\n") {
			return "", wrongUse("the %s is read from standard input, which has more than one line", what)
		}
		return text, nil
	}
	fd := int(a.stdin.(interface{ Fd() uintptr }).Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(a.stderr, "%s (it is not shown): ", strings.ToUpper(what[:1])+what[1:])
	text, err := await(ctx, func() (string, error) {
		text, err := term.ReadPassword(fd)
		return string(text), err
	})
	fmt.Fprintln(a.stderr)
	if ctx.Err() != nil {
		_ = term.Restore(fd, before) // the terminal would show nothing that is typed
		return "", errNothingChanged
	}
	if err == nil && text == "" || errors.Is(err, io.EOF) {
		return "", wrongUse("no %s was given", what)
	}
	return text, err
}

func (a *app) profileUseCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "use NAME",
		Short:   "Choose the profile that commands use",
		Example: "  infinitysip profile use acme",
		RunE: func(_ *cobra.Command, args []string) error {
			profiles, err := a.profiles()
			if err != nil {
				return err
			}
			if _, err := readProfile(profiles, args[0], ""); err != nil {
				return profileNotThere(err)
			}
			return profiles.Use(args[0])
		},
		ValidArgsFunction: completeArgs(a.completeProfiles),
	}
}

// completeProfiles completes the name of a profile.
func (a *app) completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	profiles, err := credentials.UserProfiles()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := profiles.Names() // nothing is completed then
	return names, cobra.ShellCompDirectiveNoFileComp
}

// A profileRow is a profile without its secrets.
type profileRow struct {
	Name     string `json:"name"`
	Server   string `json:"baseUrl"`
	Username string `json:"username"`
	Domain   string `json:"domain"`
	InUse    bool   `json:"inUse"`
}

func profileColumns() []output.Column[profileRow] {
	return []output.Column[profileRow]{
		{Name: "name", API: "name", Value: func(p *profileRow) string { return p.Name }},
		{Name: "server", API: "baseUrl", Value: func(p *profileRow) string { return p.Server }},
		{Name: "username", API: "username", Value: func(p *profileRow) string { return p.Username }},
		{Name: "domain", API: "domain", Value: func(p *profileRow) string { return p.Domain }},
		{Name: "in use", API: "inUse", Value: func(p *profileRow) string { return strconv.FormatBool(p.InUse) }},
	}
}

func (a *app) profileListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the profiles, without their secrets",
		Example: "  infinitysip profile list\n  infinitysip profile list -o json",
	}
	a.outputFlags(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		profiles, err := a.profiles()
		if err != nil {
			return err
		}
		names, err := profiles.Names()
		if err != nil {
			return err
		}
		current, err := profiles.Current()
		if err != nil {
			return err
		}
		var rows iter.Seq2[profileRow, error] = func(yield func(profileRow, error) bool) {
			for _, name := range names {
				set, err := profiles.Read(name)
				if err != nil {
					fmt.Fprintf(a.stderr, "infinitysip: the profile %s: %s\n", name, translated(err))
				}
				if !yield(profileRow{name, set.BaseURL, set.Username, set.Domain, name == current}, nil) {
					return
				}
			}
		}
		return output.Write(a.stdout, rows, profileColumns(), a.output)
	}
	return cmd
}

func (a *app) profileRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "remove NAME",
		Short:             "Take a profile away",
		Example:           "  infinitysip profile remove acme --yes",
		ValidArgsFunction: completeArgs(a.completeProfiles),
	}
	a.yesFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		profiles, err := a.profiles()
		if err != nil {
			return err
		}
		if _, err := readProfile(profiles, args[0], ""); errors.Is(err, credentials.ErrNoProfile) {
			return profileNotThere(err)
		}
		if err := a.confirm(cmd.Context(), "Remove the profile %s?", args[0]); err != nil {
			return err
		}
		return profiles.Remove(args[0])
	}
	return cmd
}

// profileNotThere gives the error of a profile that is not there the exit code of
// other things that are not: the command does not need it for its credentials.
func profileNotThere(err error) error {
	if errors.Is(err, credentials.ErrNoProfile) {
		return &codeError{exitNotFound, err}
	}
	return err
}
