package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

func (a *app) devicesRotateTokenCommand() *cobra.Command {
	var user string
	cmd := &cobra.Command{
		Use:   "rotate-token [DEVICE…]",
		Short: "Give devices another token",
		Long: `Give devices another token, or with --user all devices of a user.

A device registers with the token that it got with its user. The old token ends: a phone
cannot register until it has the new one. The server shows a token only once, so say
where it goes: --secrets FILE or --show-secrets.

The API has no call for this. The command takes the device from its user, and gives it
back. If it is cut between the two, it says so, and how to go on. It stops at the first
device that fails, and names those that it did not begin.`,
		Example: `  infinitysip devices rotate-token 10:20:30:1A:2B:3C --secrets tokens.csv
  infinitysip devices rotate-token --user joe.blogs --show-secrets --yes`,
		Args:              argsOf("device"),
		ValidArgsFunction: completeArgsOn(a.completeDevices),
	}
	cmd.Flags().StringVar(&user, "user", "", "all devices of this `user`, by name or id")
	_ = cmd.RegisterFlagCompletionFunc("user", a.completeUsers)
	a.yesFlag(cmd)
	a.secretFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		switch byUser := cmd.Flags().Changed("user"); {
		case byUser && len(args) > 0:
			return wrongUse("name devices, or a user with --user, but not both")
		case byUser:
			if _, _, err := nameOrID("user", user); err != nil {
				return err
			}
		case len(args) == 0:
			return wrongUse("name the devices, or a user with --user")
		}
		if err := a.canAsk("whether to end the old tokens"); err != nil {
			return err
		}
		keeper, err := a.openSecrets("the token of a device")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, keeper.Close()) }()
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			devices, err := s.toRotate(ctx, args, user)
			if err != nil || len(devices) == 0 {
				return err
			}
			titles := rotationTitles(devices)
			if !a.yes { // the domain's name costs a request
				question := "Give another token to " + titles[0]
				if n := len(titles); n > 1 {
					question = fmt.Sprintf("Give another token to each of %d devices: %s", n, strings.Join(titles, ", "))
				}
				if err := a.confirm(ctx, "%s, in domain %s? The old token ends.", question, s.domainName(ctx)); err != nil {
					return err
				}
			}
			for i := range devices {
				if ctx.Err() != nil {
					return fmt.Errorf("stopped: nothing was done with: %s", strings.Join(titles[i:], ", "))
				}
				if err := a.rotate(ctx, s, keeper, &devices[i]); err != nil {
					if left := titles[i+1:]; len(left) > 0 {
						err = withMend(err, "Nothing was done with: %s.", strings.Join(left, ", "))
					}
					return err
				}
				fmt.Fprintf(a.stderr, "%s%s has another token.\n", strings.ToUpper(titles[i][:1]), titles[i][1:])
			}
			return nil
		})
	}
	return cmd
}

// toRotate are the devices that get another token: those that texts name, or all of a
// user. Each has a user, or none is begun.
func (s *session) toRotate(ctx context.Context, texts []string, user string) ([]infinitysip.Device, error) {
	if len(texts) == 0 {
		return s.devicesOf(ctx, user)
	}
	found, err := s.devices().many(ctx, texts, false)
	if err != nil {
		return nil, err
	}
	var (
		devices  []infinitysip.Device
		problems []error
	)
	for _, f := range found {
		d, err := s.client.Devices.Get(ctx, s.domain, f.id)
		if err != nil {
			return nil, err
		}
		if d.UserID == 0 {
			problems = append(problems, withMend(fmt.Errorf("%s has no user, so it has no token", deviceTitle(d)),
				"infinitysip users devices add USER %s gives it to a user, with a token.", d.MACAddress))
		}
		devices = append(devices, *d)
	}
	if err := together(problems); err != nil {
		return nil, err
	}
	for i := range devices {
		if d := &devices[i]; d.User == "" { // the row names its user by id alone
			row, err := s.client.Users.Get(ctx, s.domain, d.UserID)
			if err != nil {
				return nil, err
			}
			d.User = row.User
		}
	}
	return devices, nil
}

// devicesOf are all devices of a user.
func (s *session) devicesOf(ctx context.Context, text string) ([]infinitysip.Device, error) {
	user, err := s.users().read(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := infinitysip.Collect(s.client.Users.AllDevices(ctx, s.domain, user.ID, nil))
	if err != nil {
		return nil, err
	}
	var devices []infinitysip.Device
	for _, row := range rows { // which have no MAC addresses
		d, err := s.client.Devices.Get(ctx, s.domain, row.DeviceID)
		if err != nil {
			return nil, err
		}
		d.UserID, d.User = user.ID, user.User
		devices = append(devices, *d)
	}
	if len(devices) == 0 {
		return nil, notFound(fmt.Errorf("user %s has no devices", named[infinitysip.UserID]{user.ID, user.User}),
			"infinitysip users devices add %s DEVICE gives one to the user.", shellWord(user.User))
	}
	return devices, nil
}

func rotationTitles(devices []infinitysip.Device) []string {
	titles := make([]string, len(devices))
	for i := range devices {
		titles[i] = deviceTitle(&devices[i]) + " of " + deviceUser(&devices[i])
	}
	return titles
}

// rotate gives one device another token, and keeps it.
func (a *app) rotate(ctx context.Context, s *session, keeper secretKeeper, d *infinitysip.Device) error {
	kept := provision.Credential{User: d.User, Device: d.MACAddress}
	if d.MACAddress == "" {
		kept.Device = idText(d.ID)
	}
	if err := keeper.Keep(kept); err != nil {
		return err
	}
	token, err := s.client.Users.RotateDeviceToken(ctx, s.domain, d.UserID, d.ID)
	if err == nil {
		kept.State, kept.Token = provision.CredentialConfirmed, token.Token
		return keeper.Settle(kept)
	}
	kept.State = provision.CredentialUnknown
	failed, ok := errors.AsType[*infinitysip.Error](err)
	if !ok || failed.Outcome == infinitysip.OutcomeNotApplied {
		kept.State = provision.CredentialRefused
	}
	err = withMend(fmt.Errorf("giving %s another token: %w", deviceTitle(d), err), "%s", a.afterRotation(ctx, s, d, err))
	return errors.Join(err, keeper.Settle(kept))
}

// afterRotation says what a failure left of a device, and how to go on.
func (a *app) afterRotation(ctx context.Context, s *session, d *infinitysip.Device, err error) string {
	device := cmp.Or(d.MACAddress, idText(d.ID))
	again := a.again("devices", "rotate-token", device)
	giveBack := a.again("users", "devices", "add", d.User, device)
	failed, ok := errors.AsType[*infinitysip.Error](err)
	switch {
	case !ok, failed.Outcome == infinitysip.OutcomeNotApplied:
		return "Its old token is still good."
	case errors.Is(err, infinitysip.ErrTokenLost):
		return fmt.Sprintf("It is with %s, but nobody has its token. To give it another:\n  %s", deviceUser(d), again)
	}
	state := errors.New("nobody looked")
	if ctx.Err() == nil {
		look, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		_, state = s.client.Users.GetDevice(look, s.domain, d.UserID, d.ID)
	}
	switch {
	case state == nil:
		return fmt.Sprintf("It is with %s, but nobody knows whether its old token is still good. To give it another:\n  %s", deviceUser(d), again)
	case errors.Is(state, infinitysip.ErrNotFound):
		return fmt.Sprintf("It was taken from %s and not given back: it has no token now. To give it back, with another token:\n  %s", deviceUser(d), giveBack)
	}
	return fmt.Sprintf("It may have been taken from %s and not given back. Look whether it has a user:\n  %s\nIf it has none, give it back, with another token:\n  %s\nIf it has one, give it another token:\n  %s",
		deviceUser(d), a.command("devices", "get", device), giveBack, again)
}

// again is the line of another command with the flags of this one for the secrets.
func (a *app) again(words ...string) string {
	o := &a.secrets
	if o.file == "" {
		return a.command(append(words, "--show-secrets")...)
	}
	words = append(words, "--secrets", o.file)
	for _, recipient := range o.recipients {
		words = append(words, "--age", recipient)
	}
	if len(o.recipients) > 0 { // the file is there now, and has to be opened
		words = append(words, "--identity", cmp.Or(o.identity, "KEY"))
	}
	return a.command(words...)
}

// command is the line of another command in the same domain, for a shell.
func (a *app) command(words ...string) string {
	if a.domain != "" {
		words = append(words, "--domain", a.domain)
	}
	line := "infinitysip"
	for _, word := range append(words, a.accountWords()...) {
		line += " " + shellWord(word)
	}
	return line
}

// accountWords are the flags that choose the account, as they were given: a command
// that is told is to be of the same one.
func (a *app) accountWords() (words []string) {
	if a.profile != "" {
		words = append(words, "--profile", a.profile)
	}
	if a.credentialsFile != "" {
		words = append(words, "--credentials-file", a.credentialsFile)
	}
	return words
}
