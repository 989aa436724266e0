package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
	"github.com/infinitysip/infinitysip/provision"
)

func userColumns() []output.Column[infinitysip.User] {
	type user = infinitysip.User
	return []output.Column[user]{
		{Name: "id", API: "userId", Value: func(u *user) string { return idText(u.ID) }},
		{Name: "user", API: "user", Value: func(u *user) string { return u.User }},
		{Name: "name", API: "displayName", Value: func(u *user) string { return u.DisplayName }},
		{Name: "extension", API: "extensionNumber", Value: func(u *user) string { return u.ExtensionNumber }},
		{Name: "email", API: "email", Value: func(u *user) string { return u.Email }},
		{Name: "first-name", API: "firstName", More: true, Value: func(u *user) string { return u.FirstName }},
		{Name: "last-name", API: "lastName", More: true, Value: func(u *user) string { return u.LastName }},
		{Name: "job", API: "jobName", More: true, Value: func(u *user) string { return u.JobName }},
		{Name: "department", API: "departmentName", More: true, Value: func(u *user) string { return u.DepartmentName }},
		{Name: "company", API: "companyName", More: true, Value: func(u *user) string { return u.CompanyName }},
		{Name: "office", API: "officeName", More: true, Value: func(u *user) string { return u.OfficeName }},
		{Name: "uk-caller-id", API: "ukCallerId", More: true, Value: func(u *user) string { return u.UKCallerID }},
		{Name: "us-caller-id", API: "usCallerId", More: true, Value: func(u *user) string { return u.USCallerID }},
		{Name: "mobile", API: "mobileNumber", More: true, Value: func(u *user) string { return u.MobileNumber }},
		{Name: "mobile-follow", API: "mobileFollow", More: true, Value: func(u *user) string { return strconv.FormatBool(u.MobileFollow) }},
		{Name: "uk-phone-id", API: "ukPhoneId", More: true, Value: func(u *user) string { return idText(u.UKPhoneID) }},
		{Name: "us-phone-id", API: "usPhoneId", More: true, Value: func(u *user) string { return idText(u.USPhoneID) }},
		{Name: "hotdesk", API: "hotdeskAllowed", More: true, Value: func(u *user) string { return strconv.FormatBool(u.HotdeskAllowed) }},
		{Name: "dashboard", API: "dashboard", More: true, Value: func(u *user) string { return strconv.FormatBool(u.Dashboard) }},
		{Name: "domain-id", API: "domainId", More: true, Value: func(u *user) string { return idText(u.DomainID) }},
	}
}

func userDeviceColumns() []output.Column[infinitysip.UserDevice] {
	type device = infinitysip.UserDevice
	return []output.Column[device]{
		{Name: "id", API: "pbxDeviceId", Value: func(d *device) string { return idText(d.DeviceID) }},
		{Name: "name", API: "pbxDeviceName", Value: func(d *device) string { return d.Name }},
		{Name: "updated", API: "updateDatetime", Value: func(d *device) string { return timeText(d.Updated) }},
		{Name: "user", API: "user", More: true, Value: func(d *device) string { return d.User }},
		{Name: "user-id", API: "userId", More: true, Value: func(d *device) string { return idText(d.UserID) }},
	}
}

func userGroupColumns() []output.Column[infinitysip.UserGroup] {
	type member = infinitysip.UserGroup
	return []output.Column[member]{
		{Name: "id", API: "groupId", Value: func(g *member) string { return idText(g.GroupID) }},
		{Name: "group", API: "groupName", Value: func(g *member) string { return g.Name }},
		{Name: "name", API: "displayName", Value: func(g *member) string { return g.DisplayName }},
		{Name: "extension", API: "extensionNumber", Value: func(g *member) string { return g.ExtensionNumber }},
		{Name: "user-id", API: "userId", More: true, Value: func(g *member) string { return idText(g.UserID) }},
	}
}

// timeText is a time as the API writes it, in UTC; "" for the time that never was.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}

func (a *app) usersCommand() *cobra.Command {
	users := &cobra.Command{
		Use:   "users",
		Short: "List, make, change and delete users, their devices and their groups",
		Long: `List, make, change and delete users, their devices and their groups.

A user is named by the user name or by the id. A name of digits alone is written
=201, because 201 is the id.`,
		Example: "  infinitysip users list --domain acme",
	}
	a.domainFlag(users)
	return group(users, a.usersListCommand(), a.usersGetCommand(), a.usersFindCommand(), a.usersCreateCommand(), a.usersUpdateCommand(), a.usersDeleteCommand(),
		a.userDevicesCommand(), a.userGroupsCommand())
}

func (a *app) usersListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:     "list",
		Short:   "List the users of a domain",
		Example: "  infinitysip users list --domain acme --where 'name begins J' -o csv",
		Args:    cobra.NoArgs,
	}, userColumns(), byClient, func(cmd *cobra.Command, s *session, _ []string, _ *infinitysip.ListOptions[infinitysip.User]) (iter.Seq2[infinitysip.User, error], error) {
		return s.client.Users.All(cmd.Context(), s.domain), nil
	})
}

func (a *app) usersGetCommand() *cobra.Command {
	return getCommand(a, &cobra.Command{
		Use:               "get USER",
		Short:             "Show one user",
		Example:           "  infinitysip users get joe.blogs\n  infinitysip users get 1 -o json",
		ValidArgsFunction: completeArgs(a.completeUsers),
	}, userColumns, (*session).users)
}

func (a *app) usersFindCommand() *cobra.Command {
	return findCommand(a, &cobra.Command{
		Use:   "find NAME",
		Short: "Show the user of a user name",
		Long: `Show the user of a user name, also if the name has digits alone. It is one request,
where "users get" makes two for a name.`,
		Example:           "  infinitysip users find joe.blogs",
		ValidArgsFunction: completeArgs(a.completeUsers),
	}, userColumns, (*session).users)
}

// userFlags are the flags of a parameter of a user, where they are not those that
// wrongParams makes up.
func userFlags() map[string]string {
	return map[string]string{
		"user": "USER", "displayName": "--name", "extensionNumber": "--extension", "password": "the password", "pin": "the PIN",
		"jobName": "--job", "departmentName": "--department", "companyName": "--company", "officeName": "--office",
		"mobileNumber": "--mobile", "hotdeskAllowed": "--hotdesk",
	}
}

// The usage of the flags that create and update have in common.
const (
	usageExtension  = "the extension `number`, callable within the domain"
	usageEmail      = "the email `address`"
	usageFirstName  = "the first `name`"
	usageLastName   = "the last `name`"
	usageJob        = "the `title` of the job"
	usageDepartment = "the `name` of the department"
	usageCompany    = "the `name` of the company"
	usageOffice     = "the `name` of the office"
	usageUKCallerID = "the `number` that is shown when calling UK numbers"
	usageUSCallerID = "the `number` that is shown when calling US numbers"
	usageMobile     = "the mobile `number`, to which missed calls are forwarded"
	usageFollow     = "ring the mobile when no device answers"
	usageHotdesk    = "allow the hot-desking login, with the PIN"
	usageDashboard  = "show the user on the real-time dashboard"
)

func (a *app) usersCreateCommand() *cobra.Command {
	var (
		p       infinitysip.UserCreateParams
		secrets userSecrets
	)
	cmd := &cobra.Command{
		Use:   "create USER",
		Short: "Make a user",
		Long: `Make a user, and print its id.

The password is read from a file, or from standard input ("-"), or else it is made
up. What is made up is kept in the file of --secrets before the user is made, or it
is shown with --show-secrets: nobody can read it later.`,
		Example: `  infinitysip users create lee.wong --name 'Lee Wong' --extension 206 --secrets secrets.csv
  infinitysip users create lee.wong --name 'Lee Wong' --extension 206 --password-file password.txt`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&p.DisplayName, "name", "", "the display `name` (required)")
	flags.StringVar(&p.ExtensionNumber, "extension", "", usageExtension+" (required)")
	flags.StringVar(&p.Email, "email", "", usageEmail)
	flags.StringVar(&p.FirstName, "first-name", "", usageFirstName)
	flags.StringVar(&p.LastName, "last-name", "", usageLastName)
	flags.StringVar(&p.JobName, "job", "", usageJob)
	flags.StringVar(&p.DepartmentName, "department", "", usageDepartment)
	flags.StringVar(&p.CompanyName, "company", "", usageCompany)
	flags.StringVar(&p.OfficeName, "office", "", usageOffice)
	flags.StringVar(&p.UKCallerID, "uk-caller-id", "", usageUKCallerID)
	flags.StringVar(&p.USCallerID, "us-caller-id", "", usageUSCallerID)
	flags.StringVar(&p.MobileNumber, "mobile", "", usageMobile)
	optional(flags, &p.MobileFollow, "mobile-follow", usageFollow)
	flags.Int64Var((*int64)(&p.UKPhoneID), "uk-phone-id", 0, "the `id` of the UK phone number to provision for the user")
	flags.Int64Var((*int64)(&p.USPhoneID), "us-phone-id", 0, "the `id` of the US phone number to provision for the user")
	optional(flags, &p.HotdeskAllowed, "hotdesk", usageHotdesk)
	optional(flags, &p.Dashboard, "dashboard", usageDashboard)
	secrets.flags(a, cmd)
	a.idFlags(cmd, "userId")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		p.User = strings.TrimPrefix(args[0], "=")
		given, err := secrets.read(cmd.Context(), a, true)
		if err != nil {
			return err
		}
		p.Password, p.PIN = given.Password, given.PIN
		if err := wrongParams(p.Validate(), userFlags()); err != nil {
			return err
		}
		given.User = p.User
		var id infinitysip.UserID
		err = a.withSecrets(cmd, &secrets, given, nil, func(ctx context.Context, s *session) (err error) {
			id, err = s.client.Users.Create(ctx, s.domain, p)
			return err
		})
		if id != 0 {
			return made(a, "userId", id, err)
		}
		if failed, ok := errors.AsType[*infinitysip.Error](err); ok && failed.Outcome == infinitysip.OutcomeUnknown && len(failed.Found) == 1 {
			return withMend(err, "A user of that name is there, with the id %[1]d, perhaps with another password. Look at it with \"infinitysip users get %[1]d\".\n"+
				"Give it a password with \"infinitysip users update %[1]d --make-password --secrets FILE\".", failed.Found[0])
		}
		return err
	}
	return cmd
}

func (a *app) usersUpdateCommand() *cobra.Command {
	var (
		p       infinitysip.UserUpdateParams
		secrets userSecrets
	)
	cmd := &cobra.Command{
		Use:   "update USER",
		Short: "Change a user",
		Long: `Change a user. Only what a flag gives is changed; an empty text clears it
(--mobile ""). The API cannot change the user name.

A new password is read from a file, or from standard input ("-"), or made up with
--make-password. What is made up is kept in the file of --secrets before it is set, or
it is shown with --show-secrets: nobody can read it later.`,
		Example: `  infinitysip users update joe.blogs --mobile '' --hotdesk=false
  infinitysip users update joe.blogs --make-password --secrets secrets.csv`,
		Args:              argsOf("user"),
		ValidArgsFunction: completeArgs(a.completeUsers),
	}
	flags := cmd.Flags()
	optional(flags, &p.DisplayName, "name", "the display `name`")
	optional(flags, &p.Email, "email", usageEmail)
	optional(flags, &p.FirstName, "first-name", usageFirstName)
	optional(flags, &p.LastName, "last-name", usageLastName)
	optional(flags, &p.JobName, "job", usageJob)
	optional(flags, &p.DepartmentName, "department", usageDepartment)
	optional(flags, &p.CompanyName, "company", usageCompany)
	optional(flags, &p.OfficeName, "office", usageOffice)
	optional(flags, &p.ExtensionNumber, "extension", usageExtension)
	optional(flags, &p.UKCallerID, "uk-caller-id", usageUKCallerID)
	optional(flags, &p.USCallerID, "us-caller-id", usageUSCallerID)
	optional(flags, &p.MobileNumber, "mobile", usageMobile)
	optional(flags, &p.MobileFollow, "mobile-follow", usageFollow)
	optional(flags, &p.HotdeskAllowed, "hotdesk", usageHotdesk)
	optional(flags, &p.Dashboard, "dashboard", usageDashboard)
	secrets.flags(a, cmd)
	flags.BoolVar(&secrets.makePassword, "make-password", false, "make up a password")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		given, err := secrets.read(cmd.Context(), a, false)
		if err != nil {
			return err
		}
		if !given.Password.IsZero() {
			p.Password = &given.Password
		}
		if !given.PIN.IsZero() {
			p.PIN = &given.PIN
		}
		if err := somethingToChange(p.DisplayName, p.Email, p.FirstName, p.LastName, p.JobName, p.DepartmentName, p.CompanyName, p.OfficeName, p.ExtensionNumber,
			p.UKCallerID, p.USCallerID, p.MobileNumber, p.MobileFollow, p.HotdeskAllowed, p.Dashboard, p.Password, p.PIN); err != nil {
			return err
		}
		if err := wrongParams(p.Validate(), userFlags()); err != nil {
			return err
		}
		var user named[infinitysip.UserID]
		return a.withSecrets(cmd, &secrets, given, func(ctx context.Context, s *session, c *provision.Credential) (err error) {
			user, err = s.users().oneOf(ctx, args[0], secrets.kept(cmd), nil)
			c.User = user.name
			return err
		}, func(ctx context.Context, s *session) error {
			return s.client.Users.Update(ctx, s.domain, user.id, p)
		})
	}
	return cmd
}

func (a *app) usersDeleteCommand() *cobra.Command {
	return deleteCommand(a, &cobra.Command{
		Use:   "delete USER…",
		Short: "Delete users",
		Long: `Delete users. They leave their groups, and their devices have no user then. The
devices themselves stay.

All users are looked up before the first is deleted. After a failure the command goes
on with the next one, unless nobody knows what came of it.`,
		Example:           "  infinitysip users delete joe.blogs amira.khan --yes",
		ValidArgsFunction: completeArgsOn(a.completeUsers),
	}, "Users leave their groups, and their devices have no user then.", (*session).users,
		func(ctx context.Context, s *session, id infinitysip.UserID) error {
			return s.client.Users.Delete(ctx, s.domain, id)
		})
}

func (a *app) userDevicesCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "devices",
		Short:   "Say which devices a user has",
		Example: "  infinitysip users devices list joe.blogs",
	}, a.userDevicesListCommand(), a.userDevicesGetCommand(), a.userDevicesAddCommand(), a.userDevicesRemoveCommand())
}

func (a *app) userDevicesListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:               "list USER",
		Short:             "List the devices of a user",
		Example:           "  infinitysip users devices list joe.blogs",
		Args:              argsOf("user"),
		ValidArgsFunction: completeArgs(a.completeUsers),
	}, userDeviceColumns(), byServer, func(cmd *cobra.Command, s *session, args []string, opts *infinitysip.ListOptions[infinitysip.UserDevice]) (iter.Seq2[infinitysip.UserDevice, error], error) {
		user, err := s.user(cmd.Context(), args[0])
		if err != nil {
			return nil, err
		}
		return s.client.Users.AllDevices(cmd.Context(), s.domain, user, opts), nil
	})
}

func (a *app) userDevicesGetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get USER DEVICE",
		Short:             "Show one device of a user",
		Example:           "  infinitysip users devices get joe.blogs 10:20:30:1A:2B:3C",
		Args:              argsOf("user", "device"),
		ValidArgsFunction: completeArgs(a.completeUsers, a.completeDevices),
	}
	a.outputFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			user, device, err := s.userAndDevice(ctx, args, false)
			if err != nil {
				return err
			}
			row, err := s.client.Users.GetDevice(ctx, s.domain, user.id, device.id)
			if err != nil {
				return err
			}
			return printRow(a, row, userDeviceColumns())
		})
	}
	return cmd
}

// userAndDevice finds the user and the device that two arguments name, and tells at
// once what cannot be found.
func (s *session) userAndDevice(ctx context.Context, args []string, withNames bool) (user named[infinitysip.UserID], device named[infinitysip.DeviceID], err error) {
	user, err = s.users().oneOf(ctx, args[0], withNames, nil)
	if err != nil && !bad(err) {
		return user, device, err
	}
	device, errDevice := s.devices().oneOf(ctx, args[1], withNames, nil)
	if err == nil || errDevice == nil {
		return user, device, errors.Join(err, errDevice)
	}
	return user, device, together([]error{err, errDevice})
}

func (a *app) userDevicesAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add USER DEVICE",
		Short: "Give a device to a user",
		Long: `Give a device to a user, and print the id of the device.

The server gives the device a token, and shows it this once. It is kept in the file
of --secrets, or shown with --show-secrets.`,
		Example:           "  infinitysip users devices add joe.blogs 'Lobby 1' --secrets secrets.csv",
		Args:              argsOf("user", "device"),
		ValidArgsFunction: completeArgs(a.completeUsers, a.completeDevices),
	}
	a.secretFlags(cmd)
	a.idFlags(cmd, "pbxDeviceId")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		keeper, err := a.openSecrets("the token of the device")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, keeper.Close()) }()
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			user, device, err := s.userAndDevice(ctx, args, true)
			if err != nil {
				return err
			}
			err = keep(keeper, provision.Credential{User: user.name, Device: device.name}, func() (infinitysip.Secret, error) {
				added, err := s.client.Users.AddDevice(ctx, s.domain, user.id, device.id)
				if err != nil {
					return infinitysip.Secret{}, err
				}
				return added.Token, nil
			})
			if errors.Is(err, infinitysip.ErrTokenLost) {
				return withMend(err, "Give it another token with \"infinitysip devices rotate-token %s --secrets FILE\".", cmp.Or(asName(device.name), idText(device.id)))
			}
			if err != nil {
				return err
			}
			return made(a, "pbxDeviceId", device.id, nil)
		})
	}
	return cmd
}

func (a *app) userDevicesRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove USER DEVICE",
		Short: "Take a device from a user",
		Long: `Take a device from a user. The device itself stays, and cannot register until it is
given to a user again, with another token.`,
		Example:           "  infinitysip users devices remove joe.blogs 10:20:30:1A:2B:3C --yes",
		Args:              argsOf("user", "device"),
		ValidArgsFunction: completeArgs(a.completeUsers, a.completeDevices),
	}
	a.yesFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := a.canAsk("whether to take a device away"); err != nil {
			return err
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			user, device, err := s.userAndDevice(ctx, args, !a.yes)
			if err != nil {
				return err
			}
			if err := a.confirm(ctx, "Take device %s from user %s? Its token ends, so it cannot register then.", device, user); err != nil {
				return err
			}
			if err := s.client.Users.RemoveDevice(ctx, s.domain, user.id, device.id); err != nil {
				return err
			}
			fmt.Fprintf(a.stderr, "Took device %s from user %s.\n", device, user)
			return nil
		})
	}
	return cmd
}

func (a *app) userGroupsCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "groups",
		Short:   "Say which groups a user is in",
		Example: "  infinitysip users groups list joe.blogs",
	}, a.userGroupsListCommand(), a.userGroupsAddCommand(), a.userGroupsRemoveCommand())
}

func (a *app) userGroupsListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:               "list USER",
		Short:             "List the groups that a user is in",
		Example:           "  infinitysip users groups list joe.blogs",
		Args:              argsOf("user"),
		ValidArgsFunction: completeArgs(a.completeUsers),
	}, userGroupColumns(), byServer, func(cmd *cobra.Command, s *session, args []string, opts *infinitysip.ListOptions[infinitysip.UserGroup]) (iter.Seq2[infinitysip.UserGroup, error], error) {
		user, err := s.user(cmd.Context(), args[0])
		if err != nil {
			return nil, err
		}
		return s.client.Users.AllGroups(cmd.Context(), s.domain, user, opts), nil
	})
}

func (a *app) userGroupsAddCommand() *cobra.Command {
	return memberCommand(a, &cobra.Command{
		Use:               "add USER GROUP…",
		Short:             "Put a user into groups",
		Example:           "  infinitysip users groups add joe.blogs sales support",
		ValidArgsFunction: completeArgsOn(a.completeUsers, a.completeGroups),
	}, (*session).users, (*session).groups, func(ctx context.Context, s *session, user named[infinitysip.UserID], groups []named[infinitysip.GroupID]) error {
		if err := s.client.Users.AddGroups(ctx, s.domain, user.id, idsOf(groups)); err != nil {
			return err
		}
		fmt.Fprintf(a.stderr, "Put user %s into %s.\n", user, countOf("group", groups, ""))
		return nil
	})
}

func (a *app) userGroupsRemoveCommand() *cobra.Command {
	return memberCommand(a, &cobra.Command{
		Use:   "remove USER GROUP…",
		Short: "Take a user out of groups",
		Long: `Take a user out of groups, by one request a group. After a failure the command goes
on with the next group, unless nobody knows what came of it.`,
		Example:           "  infinitysip users groups remove joe.blogs sales",
		ValidArgsFunction: completeArgsOn(a.completeUsers, a.completeGroups),
	}, (*session).users, (*session).groups, func(ctx context.Context, s *session, user named[infinitysip.UserID], groups []named[infinitysip.GroupID]) error {
		return each(ctx, a, groups, "group", fmt.Sprintf("taking user %s out of", user), fmt.Sprintf("Took user %s out of", user), func(group named[infinitysip.GroupID]) error {
			return s.client.Groups.RemoveUsers(ctx, s.domain, group.id, []infinitysip.UserID{user.id})
		})
	})
}
