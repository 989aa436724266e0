package provision

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/infinitysip/infinitysip"
)

// Plan compares a domain with its desired state, and returns the changes that are needed.
// opts may be nil. Plan only reads: each list once, then the users of each group and the
// members of each queue whose members the state gives, and what a delete would take along.
//
// If something is wrong with the state or the options, the error is a *CheckError. If the
// plan deletes more than opts allow, the error matches ErrTooManyDeletes. Then Plan returns
// the plan too, to look at, and Apply refuses it. If a list cannot be read, the error is
// the client's.
func Plan(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, desired *State, opts *PlanOptions) (*Changes, error) {
	if err := desired.Check(); err != nil {
		return nil, err
	}
	if opts == nil {
		opts = new(PlanOptions)
	}
	if err := asError(opts.problems(desired)); err != nil {
		return nil, err
	}
	d := newDiffer(desired, *opts)
	there, err := look(ctx, client, domain, workers(opts.Workers), wanted{
		users: true, groups: true, queues: true,
		networks: desired.TrustedNetworks != nil,
		devices:  desired.Devices != nil || opts.Prune && desired.Users != nil,
		lists: func(s *snapshot) members {
			d.things(s)
			return d.reads()
		},
	})
	if err != nil {
		return nil, err
	}
	d.there = there
	d.links()
	d.renames()
	if err := asError(d.problems); err != nil {
		return nil, err
	}
	most, why := opts.allowed(desired, there)
	c := &Changes{
		Domain: domain, Items: d.sorted(), Notes: d.notes.list(), MaxDeletes: most,
		Rings: d.rings, Spares: slices.Clone(opts.Spares), secrets: d.secrets,
	}
	if n := c.Deletes(); n > most {
		return c, fmt.Errorf("%w: %d, and the limit is %d%s", ErrTooManyDeletes, n, most, why)
	}
	return c, nil
}

// problems are those of the options.
func (o *PlanOptions) problems(desired *State) []Problem {
	var all []Problem
	if o.MaxDeletes < 0 {
		all = append(all, Problem{Text: fmt.Sprintf("the most that may be deleted must not be negative: %d", o.MaxDeletes)})
	}
	if o.MaxDeleteShare < 0 || o.MaxDeleteShare > 1 || math.IsNaN(o.MaxDeleteShare) {
		all = append(all, Problem{Text: fmt.Sprintf("the share that may be deleted must be from 0 to 1: %v", o.MaxDeleteShare)})
	}
	for _, number := range o.Spares {
		if number == "" || only(number, isDialled) != number {
			all = append(all, Problem{Text: "not an extension number to use in between: " + quote(number)})
		} else if emergency(number) && !desired.EmergencyNumbers {
			all = append(all, Problem{Text: fmt.Sprintf("%s is no number to use in between: it is, or begins like, an emergency number", quote(number))})
		}
	}
	if o.Prune && desired.skippedNoDevice() {
		all = append(all, Problem{Text: "rows of the file were skipped whose MAC addresses cannot be read, so pruning could delete devices that are in the file: mend these rows"})
	}
	return all
}

func isDialled(r rune) bool { return r >= '0' && r <= '9' || r == '*' || r == '#' }

// allowed is the most that may be deleted, and how that comes about.
func (o *PlanOptions) allowed(desired *State, there *snapshot) (most int, why string) {
	if o.MaxDeleteShare == 0 {
		return o.MaxDeletes, ""
	}
	all := 0
	section := func(given bool, n int) {
		if given {
			all += n
		}
	}
	section(desired.Users != nil, len(there.users))
	section(desired.Groups != nil, len(there.groups))
	section(desired.Queues != nil, len(there.queues))
	section(desired.TrustedNetworks != nil, len(there.networks))
	section(desired.Devices != nil, len(there.devices))
	// What a delete takes along counts too.
	for _, ids := range there.groupUsers {
		all += len(ids)
	}
	for _, ids := range there.userGroups {
		for _, group := range ids {
			if _, also := there.groupUsers[group]; !also { // whose list has the place too
				all++
			}
		}
	}
	for _, rows := range there.queueMembers {
		all += len(rows)
	}
	for i := range there.devices {
		if there.devices[i].UserID != 0 {
			all++
		}
	}
	// Not cut off where the product is a hair too small: 0.29 of 100 is 29.
	most = int(math.Floor(o.MaxDeleteShare*float64(all) + 1e-9))
	why = fmt.Sprintf(" (%g %% of the %d that are there)", 100*o.MaxDeleteShare, all)
	if o.MaxDeletes > 0 && o.MaxDeletes < most {
		return o.MaxDeletes, ""
	}
	return most, why
}

// reads are the groups and queues whose members must be known to plan.
func (d *differ) reads() members {
	all := members{groups: map[infinitysip.GroupID]bool{}, users: map[infinitysip.UserID]bool{}, queues: map[infinitysip.QueueID]bool{}}
	group := func(name string) {
		if t, _ := d.groups.find(name); t != nil {
			all.groups[infinitysip.GroupID(t.id)] = true
		}
	}
	for i := range d.desired.Users {
		u := &d.desired.Users[i]
		for _, name := range u.Groups {
			group(name)
		}
		if u.Groups != nil && d.opts.Prune && !d.opts.CreateOnly { // groups that it does not name count too
			for _, row := range d.there.groups {
				all.groups[row.ID] = true
			}
			break
		}
	}
	for i := range d.desired.Groups {
		if d.desired.Groups[i].Members != nil {
			group(d.desired.Groups[i].Name)
		}
	}
	if !d.opts.CreateOnly { // which leaves alone what a queue rings
		for i := range d.desired.Queues {
			if t, _ := d.queues.find(d.desired.Queues[i].Name); d.desired.Queues[i].Members != nil && t != nil {
				all.queues[infinitysip.QueueID(t.id)] = true
			}
		}
	}
	deletionsOf(d.items).read(d.there, &all)
	maps.DeleteFunc(all.groups, func(id infinitysip.GroupID, _ bool) bool { return id == 0 })
	return all
}

// Empty reports whether there is nothing to do.
func (c *Changes) Empty() bool { return c == nil || len(c.Items) == 0 }

// Deletes returns how much the plan deletes, counted as PlanOptions.MaxDeletes says.
func (c *Changes) Deletes() int {
	if c == nil {
		return 0
	}
	n := 0
	for i := range c.Items {
		n += c.Items[i].deletes()
	}
	return n
}

// deletes is what a change counts against MaxDeletes.
func (c *Change) deletes() int {
	switch {
	case c.Op != OpDelete:
		return 0
	case c.Kind == KindGroupMembers:
		return len(c.Members)
	}
	return 1 + len(c.Takes)
}
