package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// userSecrets are the flags that give a user a password and a PIN.
type userSecrets struct {
	passwordFile, pinFile string
	makePassword, makePIN bool
	made                  bool // read has made one up
}

// flags adds the flags. --make-password is for those who need it.
func (u *userSecrets) flags(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&u.passwordFile, "password-file", "", `the `+"`file`"+` that has the password; "-" is standard input`)
	flags.StringVar(&u.pinFile, "pin-file", "", `the `+"`file`"+` that has the PIN for hot-desking; "-" is standard input`)
	flags.BoolVar(&u.makePIN, "make-pin", false, "make up a PIN of six digits")
	a.secretFlags(cmd)
}

// read reads the secrets, or makes them up. Those of a new user have a password.
func (u *userSecrets) read(ctx context.Context, a *app, isNew bool) (c provision.Credential, err error) {
	switch {
	case u.passwordFile == "-" && u.pinFile == "-":
		return c, wrongUse("--password-file and --pin-file cannot both be standard input")
	case u.passwordFile != "" && u.makePassword:
		return c, wrongUse("--password-file and --make-password do not go together")
	case u.pinFile != "" && u.makePIN:
		return c, wrongUse("--pin-file and --make-pin do not go together")
	}
	used := append([]usedFile{{"--password-file", u.passwordFile}, {"--pin-file", u.pinFile}}, a.usedFiles()...)
	if err := wrongUses(oneFileTwice(used)); err != nil {
		return c, err
	}
	if u.passwordFile != "" {
		if c.Password, err = a.readSecret(ctx, "the password", u.passwordFile); err != nil {
			return c, err
		}
	} else if isNew || u.makePassword {
		c.Password, u.made = provision.GeneratePassword(), true
	}
	if u.pinFile != "" {
		if c.PIN, err = a.readSecret(ctx, "the PIN", u.pinFile); err != nil {
			return c, err
		}
	} else if u.makePIN {
		c.PIN, u.made = provision.GeneratePIN(), true
	}
	return c, nil
}

// kept reports whether the secrets are to be kept: those that were made up are, and
// all if a flag says so.
func (u *userSecrets) kept(cmd *cobra.Command) bool { return u.made || keepingAsked(cmd) }

// keepingAsked reports whether a flag of secretFlags is given.
func keepingAsked(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"secrets", "show-secrets", "age", "identity"}, cmd.Flags().Changed)
}

// what names the secrets that are kept.
func (u *userSecrets) what(c provision.Credential) string {
	switch {
	case c.Password.IsZero():
		return "the PIN of the user"
	case c.PIN.IsZero():
		return "the password of the user"
	}
	return "the password and the PIN of the user"
}

// withSecrets makes a call that sets secrets, in its domain. They are kept before, if
// they have to be. prepare may be nil; it comes before all that, and says whose they
// are.
func (a *app) withSecrets(cmd *cobra.Command, u *userSecrets, c provision.Credential, prepare func(context.Context, *session, *provision.Credential) error, call func(context.Context, *session) error) (err error) {
	if c.Password.IsZero() && c.PIN.IsZero() && keepingAsked(cmd) {
		return wrongUse("there is no secret to keep: no flag gives a password or a PIN")
	}
	keeper := secretKeeper(noKeeper{})
	if u.kept(cmd) {
		if keeper, err = a.openSecrets(u.what(c)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, keeper.Close()) }()
	}
	return a.inDomain(cmd, func(ctx context.Context, s *session) error {
		if prepare != nil {
			if err := prepare(ctx, s, &c); err != nil {
				return err
			}
		}
		return keep(keeper, c, func() (token infinitysip.Secret, err error) { return token, call(ctx, s) })
	})
}

// keep keeps a credential, makes the call that puts it in force, and settles what
// became of it. The call gives a token, if that is what the credential is.
func keep(keeper secretKeeper, c provision.Credential, call func() (infinitysip.Secret, error)) error {
	if err := keeper.Keep(c); err != nil {
		return err
	}
	token, err := call()
	c.Token = token
	failed, _ := errors.AsType[*infinitysip.Error](err)
	switch {
	case errors.Is(err, infinitysip.ErrTokenLost):
		c.State = provision.CredentialUnknown
	case err == nil, failed != nil && failed.Outcome == infinitysip.OutcomeApplied:
		c.State = provision.CredentialConfirmed
	case failed != nil && failed.Outcome == infinitysip.OutcomeNotApplied, failed == nil && errors.Is(err, infinitysip.ErrInvalid):
		c.State = provision.CredentialRefused
	default:
		c.State = provision.CredentialUnknown
	}
	lost := keeper.Settle(c)
	switch {
	case lost != nil && !token.IsZero():
		return fmt.Errorf("%w: %w", infinitysip.ErrTokenLost, lost)
	case lost != nil && err == nil:
		return fmt.Errorf("it was done, but %w", lost)
	}
	return errors.Join(err, lost)
}

// noKeeper keeps nothing.
type noKeeper struct{}

func (noKeeper) Keep(provision.Credential) error   { return nil }
func (noKeeper) Settle(provision.Credential) error { return nil }
func (noKeeper) Unsettled() []provision.Credential { return nil }
func (noKeeper) Close() error                      { return nil }

// readSecret reads the one line of a file; "-" is standard input.
func (a *app) readSecret(ctx context.Context, what, name string) (infinitysip.Secret, error) {
	text, err := a.readInput(ctx, what, name)
	if err != nil {
		return infinitysip.Secret{}, err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	switch {
	case text == "":
		return infinitysip.Secret{}, wrongUse("%s cannot be read from %s: it is empty", what, inputName(name))
	case strings.ContainsAny(text, "\r\n"):
		return infinitysip.Secret{}, wrongUse("%s cannot be read from %s: it has more than one line", what, inputName(name))
	}
	return infinitysip.NewSecret(text), nil
}

// inputName is how a message names a file; "-" is standard input.
func inputName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return printable(name)
}

// readInput reads a whole file, of at most 64 KiB; "-" is standard input, which must be
// no terminal, since that would show it.
func (a *app) readInput(ctx context.Context, what, name string) (string, error) {
	const most = 64 << 10
	if name == "-" && isTerminal(a.stdin) {
		return "", wrongUse("%s is not read from a terminal, which would show it: give a file, or a pipe", what)
	}
	type input struct {
		data   []byte
		noFile error
		err    error
	}
	read := make(chan input, 1)
	go func() { // a pipe may never open, or never end; the program does
		from := a.stdin
		if name != "-" {
			file, err := os.Open(name)
			if err != nil {
				read <- input{noFile: err}
				return
			}
			defer func() { _ = file.Close() }() // it was only read
			from = file
		}
		data, err := io.ReadAll(io.LimitReader(from, most+1))
		read <- input{data: data, err: err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("%s was not read: %w", what, context.Cause(ctx))
	case in := <-read:
		switch {
		case in.noFile != nil:
			return "", wrongUse("%s cannot be read: %w", what, in.noFile)
		case in.err != nil:
			return "", wrongUse("%s cannot be read from %s: %w", what, inputName(name), in.err)
		case len(in.data) > most:
			return "", wrongUse("%s cannot be read from %s: it is longer than %d bytes", what, inputName(name), most)
		}
		return string(in.data), nil
	}
}
