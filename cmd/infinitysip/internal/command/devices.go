package command

import (
	"context"
	"iter"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

func deviceColumns() []output.Column[infinitysip.Device] {
	type row = infinitysip.Device
	return []output.Column[row]{
		{Name: "id", API: "pbxDeviceId", Value: func(d *row) string { return idText(d.ID) }},
		{Name: "mac", API: "deviceMacAddress", Value: func(d *row) string { return d.MACAddress }},
		{Name: "name", API: "pbxDeviceName", Value: func(d *row) string { return d.Name }},
		{Name: "user", API: "user", Value: func(d *row) string { return d.User }},
		{Name: "user-id", API: "userId", More: true, Value: func(d *row) string { return idText(d.UserID) }},
		{Name: "created", API: "createDatetime", More: true, Value: func(d *row) string { return timeText(d.Created) }},
		{Name: "updated", API: "updateDatetime", Value: func(d *row) string { return timeText(d.Updated) }},
		{Name: "domain-id", API: "domainId", More: true, Value: func(d *row) string { return idText(d.DomainID) }},
	}
}

func deviceFlags() map[string]string {
	return map[string]string{"pbxDeviceName": "--name", "deviceMacAddress": "MAC"}
}

func (a *app) devicesCommand() *cobra.Command {
	devices := &cobra.Command{
		Use:   "devices",
		Short: "List, make, change and delete PBX devices",
		Long: `List, make, change and delete PBX devices: the phones.

A device is named by its MAC address in any spelling, by its name, or by its id. To give
a device to a user use infinitysip users devices add.`,
		Example: "  infinitysip devices list",
	}
	a.domainFlag(devices)
	return group(devices,
		a.devicesListCommand(), a.devicesGetCommand(), a.devicesFindCommand(),
		a.devicesCreateCommand(), a.devicesUpdateCommand(), a.devicesDeleteCommand(),
		a.devicesRotateTokenCommand(), a.devicesStaleCommand())
}

func (a *app) devicesListCommand() *cobra.Command {
	return listCommand(a, &cobra.Command{
		Use:   "list",
		Short: "List the devices of a domain",
		Long:  "List the devices of a domain. Dates are UTC. A device that was never changed has no date\nunder updated.",
		Example: `  infinitysip devices list --where 'user is joe.blogs'
  infinitysip devices list --order-by name --columns mac,name,user`,
		Args: cobra.NoArgs,
	}, deviceColumns(), byServer, func(cmd *cobra.Command, s *session, _ []string, opts *infinitysip.DeviceListOptions) (iter.Seq2[infinitysip.Device, error], error) {
		return s.client.Devices.All(cmd.Context(), s.domain, opts), nil
	})
}

func (a *app) devicesGetCommand() *cobra.Command {
	return checked(getCommand(a, &cobra.Command{
		Use:               "get DEVICE",
		Short:             "Show one device",
		Example:           "  infinitysip devices get 10:20:30:1A:2B:3C\n  infinitysip devices get 'Lobby 1'",
		ValidArgsFunction: completeArgs(a.completeDevices),
	}, deviceColumns, (*session).devices), argsOf("device"))
}

func (a *app) devicesFindCommand() *cobra.Command {
	return checked(findCommand(a, &cobra.Command{
		Use:   "find MAC",
		Short: "Show the device of a MAC address or a name",
		Long: `Show the device of a MAC address, in any spelling, or of a name, also if that has digits
alone. It is one request, where "devices get" makes two for a name.`,
		Example:           "  infinitysip devices find 1020301a2b3c",
		ValidArgsFunction: completeArgs(a.completeDevices),
	}, deviceColumns, (*session).devices), nameOfA("device"))
}

func (a *app) devicesCreateCommand() *cobra.Command {
	var p infinitysip.DeviceCreateParams
	cmd := &cobra.Command{
		Use:   "create MAC",
		Short: "Make a device",
		Long: `Make a device. It prints the id of the new device. The MAC address may have colons,
hyphens, dots or nothing between its digits. Nobody has the device until
infinitysip users devices add gives it to a user.`,
		Example: "  infinitysip devices create 10:20:30:1A:2B:41 --name 'Meeting room'",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&p.Name, "name", "", "the `name`, such as 'Lobby 1' (required)")
	a.idFlags(cmd, "pbxDeviceId")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if p.MACAddress = parseMAC(args[0]); p.MACAddress == "" {
			p.MACAddress = args[0]
		}
		if err := p.Validate(); err != nil {
			return wrongParams(err, deviceFlags())
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			id, err := s.client.Devices.Create(ctx, s.domain, p)
			return made(a, "pbxDeviceId", id, err)
		})
	}
	return cmd
}

func (a *app) devicesUpdateCommand() *cobra.Command {
	var p infinitysip.DeviceUpdateParams
	cmd := &cobra.Command{
		Use:   "update DEVICE",
		Short: "Rename a device",
		Long: `Rename a device. The API changes nothing else of it: a phone with another MAC address
is another device.`,
		Example:           "  infinitysip devices update 10:20:30:1A:2B:3E --name 'Lobby, left'",
		Args:              argsOf("device"),
		ValidArgsFunction: completeArgs(a.completeDevices),
	}
	cmd.Flags().StringVar(&p.Name, "name", "", "the `name`, such as 'Lobby 1' (required)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.Validate(); err != nil {
			return wrongParams(err, deviceFlags())
		}
		return a.inDomain(cmd, func(ctx context.Context, s *session) error {
			id, err := s.device(ctx, args[0])
			if err != nil {
				return err
			}
			return s.client.Devices.Update(ctx, s.domain, id, p)
		})
	}
	return cmd
}

func (a *app) devicesDeleteCommand() *cobra.Command {
	return checked(deleteCommand(a, &cobra.Command{
		Use:   "delete DEVICE…",
		Short: "Delete devices",
		Long: `Delete devices. If a device belongs to a user, the user no longer has it, and its token
ends.

All devices are looked up before the first is deleted. After a failure the command goes
on with the next one, unless nobody knows what came of it.`,
		Example:           "  infinitysip devices delete 10:20:30:1A:2B:40 --yes",
		ValidArgsFunction: completeArgsOn(a.completeDevices),
	}, "If a user has it, it cannot register any more.", (*session).devices,
		func(ctx context.Context, s *session, id infinitysip.DeviceID) error {
			return s.client.Devices.Delete(ctx, s.domain, id)
		}), argsOf("device"))
}

// deviceTitle is how a person is told of a device: by its name too.
func deviceTitle(d *infinitysip.Device) string {
	title := "device "
	if d.Name != "" {
		title += quoted(d.Name) + " "
	}
	return title + named[infinitysip.DeviceID]{d.ID, d.MACAddress}.String()
}

// deviceUser is how a person is told of the user of a device.
func deviceUser(d *infinitysip.Device) string {
	return "user " + named[infinitysip.UserID]{d.UserID, d.User}.String()
}
