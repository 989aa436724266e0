package command

import (
	"iter"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// A staleDevice is a device whose record nobody has changed for a while.
type staleDevice struct {
	infinitysip.Device
	last time.Time // zero: the row has no date
	days int       // since then
}

// MarshalJSON adds what was found out to the API's row.
func (d staleDevice) MarshalJSON() ([]byte, error) {
	row, err := d.Device.MarshalJSON()
	if err != nil {
		return nil, err
	}
	row = append(row[:len(row)-1], `,"neverUpdated":`...)
	row = strconv.AppendBool(row, d.Updated.IsZero())
	if !d.last.IsZero() {
		row = append(row, `,"days":`...)
		row = strconv.AppendInt(row, int64(d.days), 10)
	}
	return append(row, '}'), nil
}

func staleColumns() []output.Column[staleDevice] {
	type row = staleDevice
	return []output.Column[row]{
		{Name: "id", API: "pbxDeviceId", More: true, Value: func(d *row) string { return idText(d.ID) }},
		{Name: "mac", API: "deviceMacAddress", Value: func(d *row) string { return d.MACAddress }},
		{Name: "name", API: "pbxDeviceName", Value: func(d *row) string { return d.Name }},
		{Name: "user", API: "user", Value: func(d *row) string { return d.User }},
		{Name: "user-id", API: "userId", More: true, Value: func(d *row) string { return idText(d.UserID) }},
		{Name: "created", API: "createDatetime", More: true, Value: func(d *row) string { return timeText(d.Created) }},
		{Name: "updated", API: "updateDatetime", Value: func(d *row) string { return timeText(d.Updated) }},
		{Name: "days", API: "days", Value: func(d *row) string {
			if d.last.IsZero() {
				return ""
			}
			return strconv.Itoa(d.days)
		}},
		{Name: "never", API: "neverUpdated", Value: func(d *row) string { return strconv.FormatBool(d.Updated.IsZero()) }},
		{Name: "domain-id", API: "domainId", More: true, Value: func(d *row) string { return idText(d.DomainID) }},
	}
}

func (a *app) devicesStaleCommand() *cobra.Command {
	var (
		days       int
		unassigned bool
	)
	cmd := &cobra.Command{
		Use:   "stale",
		Short: "List devices whose records nobody has changed for long",
		Long: `List devices whose records nobody has changed for long: not renamed, and neither given
to a user nor taken from one.

The API tells when the record of a device was last changed, and not when the phone was
last used. A phone that rings every day may be in this list. So take it as a list of
devices to ask about, and not as one to delete.

A device that was never changed counts from the day when it was made; never is true
then. One without any date is in the list too.`,
		Example: `  infinitysip devices stale --days 365
  infinitysip devices stale --unassigned -o csv`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return err
			}
			if days < 1 || days > 100_000 {
				return wrongUse("--days %d: want a number from 1 to 100000", days)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&days, "days", 90, "for how many `days` at least")
	cmd.Flags().BoolVar(&unassigned, "unassigned", false, "only devices without a user")
	return listCommand(a, cmd, staleColumns(), byClient, func(cmd *cobra.Command, s *session, _ []string, _ *infinitysip.ListOptions[staleDevice]) (iter.Seq2[staleDevice, error], error) {
		now := a.clock().UTC()
		before := now.AddDate(0, 0, -days)
		// A device is made before it is changed. So a server may leave out those that
		// were made since, but not those that were changed since: how it compares a
		// device that was never changed is not known.
		rows := s.client.Devices.All(cmd.Context(), s.domain, &infinitysip.DeviceListOptions{
			Filter: infinitysip.Where(infinitysip.DeviceFields.Created.Le(before)),
		})
		return func(yield func(staleDevice, error) bool) {
			for d, err := range rows {
				if err != nil {
					yield(staleDevice{}, err)
					return
				}
				last := d.Updated
				if last.IsZero() {
					last = d.Created
				}
				if last.After(before) || unassigned && d.UserID != 0 {
					continue
				}
				if !yield(staleDevice{d, last, int(now.Sub(last) / (24 * time.Hour))}, nil) {
					return
				}
			}
		}, nil
	})
}

// clock is the time.
func (a *app) clock() time.Time {
	if a.now != nil {
		return a.now()
	}
	return time.Now()
}
