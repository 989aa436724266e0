package provision

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/verify"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// do makes the calls of a change. One that is in doubt is looked at first: what is
// there is not made again.
func (x *execution) do(i int, c *Change) error {
	defer func() {
		if x.opts.Alone && !x.soon(i) {
			x.tried[i] = time.Now()
		}
	}()
	switch c.Kind {
	case KindGroupMembers:
		return x.groupMembers(i, c)
	case KindOwner:
		return x.owner(i, c)
	case KindQueueMember:
		return x.queueMember(i, c)
	case KindQueueOrder:
		return x.queueOrder(c)
	}
	switch c.Op {
	case OpCreate:
		if x.has(i, markDoubt) {
			id, err := x.made[i], error(nil)
			if id == 0 {
				id, err = x.find(i, c)
			}
			if x.soon(i) && (id == 0 || err != nil) {
				return x.doubts[i]
			}
			if err != nil {
				return err
			} else if id != 0 {
				err := x.settleFound(i, c, id)
				if _, unsettled := errors.AsType[settleError](err); err == nil || unsettled {
					x.made[i] = id
				}
				return err
			}
		}
		var err error
		x.made[i], err = x.create(i, c)
		return err
	case OpUpdate:
		if c.Between {
			return x.updateBetween(i, c)
		}
		return x.update(i, c)
	}
	err := x.remove(c)
	if x.has(i, markDoubt) && errors.Is(err, infinitysip.ErrNotFound) {
		return nil // it was done
	}
	return err
}

// id is the id of a thing; 0 if it is not there.
func (x *execution) id(ref *Ref) int64 {
	if ref.MadeBy == 0 {
		return ref.ID
	}
	i, _ := indexOf(x.plan.Items, ref.MadeBy)
	return x.made[i]
}

// create makes a thing.
func (x *execution) create(i int, c *Change) (int64, error) {
	switch c.Kind {
	case KindUser:
		id, err := x.createUser(i, c)
		return int64(id), err
	case KindGroup:
		return createBy(x, x.client.Groups.Create, infinitysip.GroupCreateParams{Name: c.Name}, c.Fields)
	case KindQueue:
		return createBy(x, x.client.Queues.Create, infinitysip.QueueCreateParams{Name: c.Name}, c.Fields)
	case KindTrustedNetwork:
		network, _ := wire.Network(c.Name)
		return createBy(x, x.client.TrustedNetworks.Create, infinitysip.TrustedNetworkCreateParams{Network: network}, c.Fields)
	default:
		return createBy(x, x.client.Devices.Create, infinitysip.DeviceCreateParams{MACAddress: c.Name}, c.Fields)
	}
}

// createBy makes a thing by a call of the client, whose params get the fields.
func createBy[I infinitysip.ID, P any](x *execution, call func(context.Context, infinitysip.DomainID, P, ...infinitysip.CallOption) (I, error), params P, fields []FieldChange) (int64, error) {
	if err := fillFields(&params, fields); err != nil {
		return 0, err
	}
	id, err := call(x.ctx, x.domain, params)
	return int64(id), err
}

// update changes a thing.
func (x *execution) update(i int, c *Change) error {
	switch c.Kind {
	case KindUser:
		return x.updateUser(i, c)
	case KindGroup:
		return x.updateGroup(c)
	case KindQueue:
		return updateBy(x, x.client.Queues.Update, c)
	case KindTrustedNetwork:
		return updateBy(x, x.client.TrustedNetworks.Update, c)
	default:
		return updateBy(x, x.client.Devices.Update, c)
	}
}

// updateBy changes a thing by a call of the client, whose params get the fields alone.
func updateBy[I infinitysip.ID, P any](x *execution, call func(context.Context, infinitysip.DomainID, I, P, ...infinitysip.CallOption) error, c *Change) error {
	var params P
	if err := fillFields(&params, c.Fields); err != nil {
		return err
	}
	return call(x.ctx, x.domain, I(c.ID), params)
}

// A groupNow is a group as it is, as far as this Apply knows.
type groupNow struct {
	turn   lock // held by the change that is made
	params infinitysip.GroupUpdateParams
}

// updateGroup changes a group. The call sets every field, so those that do not
// change are sent as they are, after what this Apply has changed of them before. So
// the changes of a group take turns.
func (x *execution) updateGroup(c *Change) error {
	x.mu.Lock()
	g := x.groups[c.ID]
	if g == nil {
		g = &groupNow{turn: make(lock, 1), params: x.there.groups[x.shelves[KindGroup].byID[c.ID].row].UpdateParams()}
		x.groups[c.ID] = g
	}
	x.mu.Unlock()
	g.turn.Lock()
	defer g.turn.Unlock()
	params := g.params
	if err := fillFields(&params, c.Fields); err != nil {
		return err
	}
	if err := x.client.Groups.Update(x.ctx, x.domain, infinitysip.GroupID(c.ID), params); err != nil {
		return err
	}
	g.params = params
	return nil
}

// updateBetween gives a thing an extension number for the time in between. A server
// may refuse one for a reason that its API does not show, so others are tried.
func (x *execution) updateBetween(i int, c *Change) error {
	const most = 10
	tried := []string{c.takesNumber()}
	for {
		err := x.update(i, c)
		failed, ofServer := errors.AsType[*infinitysip.Error](err)
		switch {
		case err == nil:
			x.results[i].Change = c
			return nil
		case !ofServer || failed.Outcome != infinitysip.OutcomeNotApplied || !errors.Is(err, infinitysip.ErrConflict) && !errors.Is(err, infinitysip.ErrInvalid):
			x.results[i].Change = c // it may have been that number
			return err
		}
		x.mu.Lock()
		number, ok := x.spares.find(tried[0])
		x.mu.Unlock()
		if !ok || len(tried) == most {
			return fmt.Errorf("the server takes none of the extension numbers for the time in between (%s): give spare numbers for that, which it takes and nobody has: %w", strings.Join(tried, ", "), err)
		}
		other := *c
		other.Fields = slices.Clone(c.Fields)
		for f := range other.Fields {
			if other.Fields[f].Field == "extensionNumber" {
				other.Fields[f].To = number
			}
		}
		c, tried = &other, append(tried, number)
	}
}

// remove deletes a thing.
func (x *execution) remove(c *Change) error {
	switch c.Kind {
	case KindUser:
		return x.client.Users.Delete(x.ctx, x.domain, infinitysip.UserID(c.ID))
	case KindGroup:
		return x.client.Groups.Delete(x.ctx, x.domain, infinitysip.GroupID(c.ID))
	case KindQueue:
		return x.client.Queues.Delete(x.ctx, x.domain, infinitysip.QueueID(c.ID))
	case KindTrustedNetwork:
		return x.client.TrustedNetworks.Delete(x.ctx, x.domain, infinitysip.TrustedNetworkID(c.ID))
	default:
		return x.client.Devices.Delete(x.ctx, x.domain, infinitysip.DeviceID(c.ID))
	}
}

// missing is why a change cannot be done, or not for all, because of another: how is
// what blocks it, in words.
func (x *execution) missing(by int, how string) error {
	other := &x.results[by]
	err := fmt.Errorf("%w%s", ErrBlocked, how)
	switch {
	case !x.has(by, markOver):
		return waitingError{err}
	case other.Status == StatusStopped:
		return stopped("incomplete"+how, other.Err)
	}
	return err
}

// unmade is why a change cannot be done for want of a thing that another makes.
func (x *execution) unmade(ref *Ref, how string) error {
	by, _ := indexOf(x.plan.Items, ref.MadeBy)
	return x.missing(by, how)
}

// groupMembers puts users into a group, or takes them out of it. Who goes to another
// group and is not in it yet stays.
func (x *execution) groupMembers(i int, c *Change) error {
	group := infinitysip.GroupID(x.id(&c.Ref))
	if group == 0 {
		return x.unmade(&c.Ref, fmt.Sprintf(": there is no group %s", printable(c.Name)))
	}
	x.mu.Lock()
	put := x.put[i]
	if put == nil {
		put = make([]bool, len(c.Members))
	}
	x.mu.Unlock()
	if x.has(i, markDoubt) && x.closing == nil {
		if x.seen == nil || x.soon(i) {
			return x.doubts[i]
		}
		for m := range c.Members {
			_, in := slices.BinarySearch(x.seen.groupUsers[group], infinitysip.UserID(x.id(&c.Members[m])))
			put[m] = put[m] || in == (c.Op == OpCreate)
		}
	}
	stays := map[int64]int{}
	if c.Op == OpDelete {
		stays = x.notArrived(c)
	}
	var (
		ids     []infinitysip.UserID
		at      []int
		lacking []int // members
		by      int   // what the first of them waits for
	)
	for m := range c.Members {
		id := x.id(&c.Members[m])
		because, staying := stays[id]
		switch {
		case put[m]:
		case id != 0 && !staying:
			ids, at = append(ids, infinitysip.UserID(id)), append(at, m)
		default:
			if id == 0 {
				because, _ = indexOf(x.plan.Items, c.Members[m].MadeBy)
			}
			if len(lacking) == 0 || x.has(by, markOver) && !x.has(because, markOver) {
				by = because
			}
			lacking = append(lacking, m)
		}
	}
	if len(ids) > 0 && x.closing == nil {
		call := x.client.Groups.AddUsers
		if c.Op == OpDelete {
			call = x.client.Groups.RemoveUsers
		}
		if err := call(x.ctx, x.domain, group, ids); err != nil {
			return err
		}
		for _, m := range at {
			put[m] = true
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(lacking) == 0 {
		delete(x.put, i)
		return nil
	}
	x.put[i] = put
	how := fmt.Sprintf(" for %d of %d: ", len(lacking), len(c.Members))
	name := printable(c.Members[lacking[0]].Name)
	if c.Op == OpDelete {
		return x.missing(by, how+fmt.Sprintf("user %s is not yet in the group to go to", name))
	}
	return x.missing(by, how+fmt.Sprintf("there is no user %s", name))
}

// notArrived are the users who go from a group to another, and are not in that, with
// the change that was to put them into it.
func (x *execution) notArrived(c *Change) map[int64]int {
	stays := map[int64]int{}
	for _, n := range c.After {
		j, _ := indexOf(x.plan.Items, n)
		other := &x.plan.Items[j]
		if other.Kind != KindGroupMembers || other.Op != OpCreate || x.results[j].Status == StatusDone {
			continue
		}
		x.mu.Lock()
		put := x.put[j]
		x.mu.Unlock()
		for m := range other.Members {
			if other.Members[m].ID != 0 && (put == nil || !put[m]) {
				stays[other.Members[m].ID] = j
			}
		}
	}
	return stays
}

// owner gives a device to a user, or takes it from one.
func (x *execution) owner(i int, c *Change) error {
	device := infinitysip.DeviceID(x.id(&c.Ref))
	var from, to infinitysip.UserID
	if c.From != nil {
		from = infinitysip.UserID(x.id(c.From))
	}
	if device == 0 {
		return x.unmade(&c.Ref, fmt.Sprintf(": there is no device %s", printable(c.Name)))
	}
	if c.To != nil {
		if to = infinitysip.UserID(x.id(c.To)); to == 0 {
			return x.unmade(c.To, fmt.Sprintf(": there is no user %s", printable(c.To.Name)))
		}
	}
	rotate := c.NewToken
	if x.has(i, markDoubt) {
		if x.seen == nil || x.soon(i) {
			return x.doubts[i]
		}
		t, has := x.among[KindDevice].byID[int64(device)], infinitysip.UserID(0)
		if t != nil {
			has = x.seen.devices[t.row].UserID
		}
		switch {
		case t == nil:
			return decidedError{fmt.Errorf("device %s is gone: %w", printable(c.Name), x.doubts[i])}
		case has == to && to != 0 && !rotate:
			return decidedError{fmt.Errorf("%w: %w", infinitysip.ErrTokenLost, x.doubts[i])}
		case has == to && to == 0:
			return nil
		case has == 0:
			from, rotate = 0, false
		case has != from:
			return decidedError{fmt.Errorf("device %s has another user by now: %w: %w", printable(c.Name), infinitysip.ErrConflict, x.doubts[i])}
		}
	}
	if to != 0 {
		if err := x.announce(i); err != nil {
			return err
		}
	}
	if rotate {
		added, err := x.client.Users.RotateDeviceToken(x.ctx, x.domain, to, device)
		if err != nil {
			return err
		}
		return x.keepToken(i, added.Token)
	}
	if from != 0 {
		err := x.client.Users.RemoveDevice(x.ctx, x.domain, from, device)
		if err != nil && !errors.Is(err, infinitysip.ErrNotFound) { // the user may have lost it by now
			return err
		}
		if to == 0 {
			return nil
		}
		if err := x.stop(c, true); err != nil {
			return err
		}
	}
	added, err := x.client.Users.AddDevice(x.ctx, x.domain, to, device)
	if err != nil {
		if c.From != nil && outcome(err) == infinitysip.OutcomeNotApplied {
			return fmt.Errorf("the device was taken from user %s and is nobody's now: %w", printable(c.From.Name), err)
		}
		return err
	}
	return x.keepToken(i, added.Token)
}

// know notes a member of a queue that is not that of a lost answer.
func (x *execution) know(queue infinitysip.QueueID, member infinitysip.QueueMemberID) {
	if x.known[queue] == nil {
		x.known[queue] = map[infinitysip.QueueMemberID]bool{}
	}
	x.known[queue][member] = true
}

// queueMember puts a group into a queue, changes how it rings there, or takes it out.
func (x *execution) queueMember(i int, c *Change) error {
	queue, group := infinitysip.QueueID(x.id(&c.Ref)), infinitysip.GroupID(x.id(&c.Members[0]))
	member := infinitysip.QueueMemberID(c.MemberID)
	switch {
	case c.Op == OpDelete:
		err := x.client.Queues.DeleteMember(x.ctx, x.domain, queue, member)
		if x.has(i, markDoubt) && errors.Is(err, infinitysip.ErrNotFound) {
			return nil
		}
		return err
	case c.Op == OpUpdate:
		var params infinitysip.QueueMemberUpdateParams
		if err := fillFields(&params, c.Fields); err != nil {
			return err
		}
		return x.client.Queues.UpdateMember(x.ctx, x.domain, queue, member, params)
	case queue == 0:
		return x.unmade(&c.Ref, fmt.Sprintf(": there is no queue %s", printable(c.Name)))
	case group == 0:
		return x.unmade(&c.Members[0], fmt.Sprintf(": there is no group %s", printable(c.Members[0].Name)))
	}
	if x.has(i, markDoubt) {
		switch id, err := x.findMember(i, c, queue, group); {
		case x.soon(i) && (id == 0 || err != nil):
			return x.doubts[i]
		case id != 0 || err != nil:
			x.made[i] = int64(id)
			return err
		}
	}
	params := newMember(&QueueMember{})
	params.RingOrder = x.places[i]
	if err := fillFields(&params, c.Fields); err != nil {
		return err
	}
	params.GroupID = group
	id, err := x.client.Queues.CreateMember(x.knowing(queue), x.domain, queue, params)
	if err != nil {
		return err
	}
	x.made[i] = int64(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.know(queue, id)
	return nil
}

// knowing returns a context with which the client need not read what a queue rings
// before each group that is added to it.
func (x *execution) knowing(queue infinitysip.QueueID) context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known[queue][0] { // a row that does not say its id, so that others could not be told from it
		return x.ctx
	}
	return verify.WithKnown(x.ctx, func(id int64) bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.known[queue][infinitysip.QueueMemberID(id)]
	})
}

// findMember finds the member of a queue whose making is in doubt. A member has no
// key, but it rings that group, was not there before, and nobody else has claimed it.
func (x *execution) findMember(i int, c *Change, queue infinitysip.QueueID, group infinitysip.GroupID) (infinitysip.QueueMemberID, error) {
	if x.seen == nil || len(x.seen.queueMembers[queue]) == wire.MaxRows {
		return 0, x.doubts[i]
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	others := 0
	for r := range x.seen.queueMembers[queue] {
		row := &x.seen.queueMembers[queue][r]
		if row.GroupID != group || x.known[queue][row.ID] {
			continue
		}
		if !slices.ContainsFunc(c.Fields, func(f FieldChange) bool { return !same(valueIn(row, f.Field), f.To) }) {
			x.know(queue, row.ID)
			return row.ID, nil
		}
		others++
	}
	if others > 0 {
		return 0, decidedError{fmt.Errorf("group %s is in queue %s with other values, perhaps by somebody else: %w: %w", printable(c.Members[0].Name), printable(c.Name), infinitysip.ErrConflict, x.doubts[i])}
	}
	// A call that nobody answered in time may still be carried out, and nothing keeps
	// the group from being there twice then. The next plan sees which it is.
	if late, ok := errors.AsType[net.Error](x.doubts[i]); ok && late.Timeout() {
		return 0, decidedError{x.doubts[i]}
	}
	return 0, nil
}

// queueOrder has a queue ring its groups in another order.
func (x *execution) queueOrder(c *Change) error {
	ids := make([]infinitysip.QueueMemberID, len(c.Members))
	for m := range c.Members {
		ids[m] = infinitysip.QueueMemberID(x.id(&c.Members[m]))
		if ids[m] == 0 {
			return x.unmade(&c.Members[m], fmt.Sprintf(": group %s is not in queue %s", printable(c.Members[m].Name), printable(c.Name)))
		}
	}
	return x.client.Queues.SetMemberOrder(x.ctx, x.domain, infinitysip.QueueID(x.id(&c.Ref)), ids)
}
