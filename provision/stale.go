package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// shelf finds the rows of one kind.
type shelf struct {
	*index
	whole bool                             // a thing that is not here is not on the server
	value func(t *thing, field string) any // what its row has
}

func shelve[R any](of rowsOf[R], rows []R) *shelf {
	s := &shelf{newIndex(of.key, len(rows), len(rows)), of.paged || len(rows) != wire.MaxRows, func(t *thing, field string) any { return valueIn(&rows[t.row], field) }}
	for i := range rows {
		s.add(&thing{kind: of.kind, name: of.name(&rows[i]), id: of.id(&rows[i]), extension: extensionOf(&rows[i]), row: i})
	}
	return s
}

// shelves finds the things of a snapshot.
func shelves(there *snapshot) map[Kind]*shelf {
	return map[Kind]*shelf{
		KindUser: shelve(userRows, there.users), KindGroup: shelve(groupRows, there.groups), KindQueue: shelve(queueRows, there.queues),
		KindTrustedNetwork: shelve(networkRows, there.networks), KindDevice: shelve(deviceRows, there.devices),
	}
}

// touched is what must be read to tell whether a plan still holds.
func touched(items []Change) wanted {
	w := wanted{}
	all := members{map[infinitysip.GroupID]bool{}, map[infinitysip.UserID]bool{}, map[infinitysip.QueueID]bool{}}
	deletes := false
	for i := range items {
		c := &items[i]
		w.list(c.Kind)
		for kind, ref := range c.parts {
			if ref.ID != 0 {
				w.list(kind)
			}
		}
		if c.takesNumber() != "" {
			w.users, w.groups, w.queues = true, true, true
		}
		if c.Op == OpDelete {
			deletes = deletes || c.Kind == KindUser || c.Kind == KindGroup || c.Kind == KindQueue
			w.groups = w.groups || c.Kind == KindUser
			w.users = w.users || c.Kind == KindGroup
			w.queues = w.queues || c.Kind == KindGroup
			w.groups = w.groups || c.Kind == KindQueue
			w.devices = w.devices || c.Kind == KindUser
			w.users = w.users || c.Kind == KindDevice
		}
		switch c.Kind {
		case KindGroupMembers:
			w.users = true // by whose names the rows may name them
			if c.ID != 0 {
				all.groups[infinitysip.GroupID(c.ID)] = true
			}
		case KindQueueMember, KindQueueOrder:
			w.groups = true // whose names the places have
			if c.ID != 0 {
				all.queues[infinitysip.QueueID(c.ID)] = true
			}
		}
	}
	w.lists = func(s *snapshot) members {
		if deletes {
			deletionsOf(items).read(s, &all)
		}
		return all
	}
	return w
}

// stale tells what differs from what was there when the plan was made; nil if nothing
// does that the plan touches.
func (c *Changes) stale(ctx context.Context, client *infinitysip.Client, workers int) (*snapshot, map[Kind]*shelf, error) {
	there, err := look(ctx, client, c.Domain, workers, touched(c.Items))
	if err != nil {
		return nil, nil, err
	}
	d := &comparison{plan: c, there: there, shelves: shelves(there), aside: map[target]bool{}, places: map[infinitysip.QueueMemberID]queuePlace{}}
	d.holders = d.holdersOfNumbers()
	for queue, rows := range there.queueMembers {
		for i := range rows {
			d.places[rows[i].ID] = queuePlace{queue, &rows[i]}
		}
	}
	for i := range c.Items {
		if item := &c.Items[i]; item.Between {
			d.aside[target{item.Kind, item.ID}] = true
		}
	}
	takes := losses(there, c.Items)
	for i := range c.Items {
		d.compare(&c.Items[i])
		d.losses(&c.Items[i], takes[c.Items[i].N])
	}
	d.rings()
	if d.more > 0 {
		d.differences = append(d.differences, fmt.Sprintf("and %d more", d.more))
	}
	if len(d.differences) > 0 {
		return nil, nil, fmt.Errorf("%w: %s", ErrStale, strings.Join(d.differences, "; "))
	}
	return there, d.shelves, nil
}

// queuePlace is a group in a queue.
type queuePlace struct {
	queue infinitysip.QueueID
	row   *infinitysip.QueueMember
}

// comparison compares a plan with what is there.
type comparison struct {
	plan    *Changes
	there   *snapshot
	shelves map[Kind]*shelf
	places  map[infinitysip.QueueMemberID]queuePlace
	holders map[string][]target // who has an extension number
	aside   map[target]bool     // which the plan changes for the time in between

	differences []string // the first few
	more        int
}

func (d *comparison) report(format string, args ...any) {
	const most = 10
	if len(d.differences) == most {
		d.more++
		return
	}
	d.differences = append(d.differences, fmt.Sprintf(format, args...))
}

func (d *comparison) holdersOfNumbers() map[string][]target {
	holders := map[string][]target{}
	for _, kind := range []Kind{KindUser, KindGroup, KindQueue} {
		for id, t := range d.shelves[kind].byID {
			if number := t.extension; number != "" {
				holders[number] = append(holders[number], target{kind, id})
			}
		}
	}
	return holders
}

// compare compares what one change says with what is there.
func (d *comparison) compare(c *Change) {
	for kind, ref := range c.parts {
		if s := d.shelves[kind]; s != nil && ref.ID != 0 && ref != c.From && (c.Kind != KindQueueMember || kind == KindQueue || c.Op == OpCreate) {
			d.named(s, kind, ref)
		}
	}
	s := d.shelves[c.Kind]
	switch {
	case s != nil && c.Op == OpCreate:
		switch t, several := s.find(c.Name); {
		case several != "":
			d.report("%s", several)
		case t != nil:
			d.report("%s %s is there already", c.Kind, printable(t.shown()))
		case !s.whole:
			d.report("the server gave exactly %d %ss, which may not be all, and %s is not among them", wire.MaxRows, c.Kind, printable(c.Name))
		}
	case s != nil && c.Op == OpUpdate:
		if t := s.byID[c.ID]; t != nil {
			d.fields(c, t.String(), func(field string) any { return s.value(t, field) })
		}
	}
	switch c.Kind {
	case KindGroupMembers:
		if c.ID != 0 {
			d.members(c)
		}
	case KindOwner:
		d.owner(c)
	case KindDevice:
		if c.Op == OpDelete {
			d.owner(c)
		}
	case KindQueueMember:
		d.queueMember(c)
	case KindQueueOrder:
		d.queueOrder(c)
	}
	d.number(c)
}

// named compares the name of a thing.
func (d *comparison) named(s *shelf, kind Kind, ref *Ref) {
	t := s.byID[ref.ID]
	written := kind == KindTrustedNetwork || kind == KindDevice // in several ways, by people
	switch {
	case t == nil:
		d.report("%s %s is gone (its id was %d)", kind, printable(ref.Name), ref.ID)
	case t.name != ref.Name && (!written || s.key(t.name) != s.key(ref.Name)):
		d.report("%s %s is called %s now", kind, printable(ref.Name), printable(t.name))
	}
}

// fields compares what fields were.
func (d *comparison) fields(c *Change, what string, value func(field string) any) {
	for i := range c.Fields {
		f := &c.Fields[i]
		now := value(f.Field)
		if same(now, f.From) || f.Field == "extensionNumber" && !c.Between && d.aside[target{c.Kind, c.ID}] {
			continue // or it is moved before; that change tells
		}
		d.report("%s: %s is %s now, and was %s when the plan was made", what, f.Field, shown(now), shown(f.From))
	}
}

// same reports whether two values of a field are the same, whatever kind of a whole
// number they are.
func same(a, b any) bool {
	if n, ok := a.(int); ok {
		a = int64(n)
	}
	if n, ok := b.(int); ok {
		b = int64(n)
	}
	return a == b
}

// members compares who is in a group.
func (d *comparison) members(c *Change) {
	in := d.there.groupUsers[infinitysip.GroupID(c.ID)]
	for i := range c.Members {
		if c.Members[i].ID == 0 {
			continue
		}
		switch _, is := slices.BinarySearch(in, infinitysip.UserID(c.Members[i].ID)); {
		case is && c.Op == OpCreate:
			d.report("user %s is in group %s already", printable(c.Members[i].Name), printable(c.Name))
		case !is && c.Op == OpDelete:
			d.report("user %s is not in group %s", printable(c.Members[i].Name), printable(c.Name))
		}
	}
}

// owner compares whose a device is.
func (d *comparison) owner(c *Change) {
	t := d.shelves[KindDevice].byID[c.ID]
	if t == nil || !c.Between && d.aside[target{KindOwner, c.ID}] {
		return // it is new, or it has been told, or it is taken before: that change tells
	}
	row, from := &d.there.devices[t.row], Ref{}
	if c.From != nil {
		from = *c.From
	}
	user := row.User
	if t := d.shelves[KindUser].byID[int64(row.UserID)]; t != nil {
		user = t.name
	}
	if int64(row.UserID) == from.ID && (from.ID == 0 || user == from.Name) {
		return
	}
	name := func(id int64, name string) string {
		if id == 0 {
			return "nobody"
		}
		return printable(name)
	}
	d.report("device %s has the user %s now, and had %s when the plan was made", printable(c.Name), name(int64(row.UserID), user), name(from.ID, from.Name))
}

// queueMember compares a group that a queue rings.
func (d *comparison) queueMember(c *Change) {
	if c.Op == OpCreate {
		return
	}
	what := fmt.Sprintf("group %s in queue %s", printable(c.Members[0].Name), printable(c.Name))
	row := d.placeOf(c, c.MemberID, &c.Members[0], what)
	if row != nil && int64(row.GroupID) != c.Members[0].ID {
		d.report("%s is another group now", what)
	} else if row != nil && c.Op == OpUpdate {
		d.fields(c, what, func(field string) any { return valueIn(row, field) })
	}
}

// placeOf is a group in the queue of a change, if it is there, and the group has the
// name that the change says.
func (d *comparison) placeOf(c *Change, id int64, group *Ref, what string) *infinitysip.QueueMember {
	place := d.places[infinitysip.QueueMemberID(id)]
	switch {
	case place.row == nil || int64(place.queue) != c.ID:
		d.report("%s is gone", what)
	case groupName(d.shelves[KindGroup].index, place.row.GroupID) != group.Name:
		d.report("%s is another group now", what)
	default:
		return place.row
	}
	return nil
}

// groupName is what a plan calls a group that a queue rings, which may be gone.
func groupName(groups *index, id infinitysip.GroupID) string {
	if group := groups.byID[int64(id)]; group != nil {
		return group.name
	}
	return fmt.Sprintf("group %d", id)
}

// queueOrder compares the places of a queue.
func (d *comparison) queueOrder(c *Change) {
	for i := range c.Members {
		if m := &c.Members[i]; m.ID != 0 {
			d.placeOf(c, m.ID, m, fmt.Sprintf("group %s in queue %s", printable(m.Name), printable(c.Name)))
		}
	}
}

// number compares who has the extension number that a change gives to a thing.
func (d *comparison) number(c *Change) {
	number := c.takesNumber()
	for _, holder := range d.holders[number] {
		if number == "" || holder == (target{c.Kind, c.ID}) && c.Op == OpUpdate || d.freed(c, holder) {
			continue
		}
		if s := d.shelves[c.Kind]; c.Op == OpCreate && holder.kind == c.Kind && s.key(s.byID[holder.id].name) == s.key(c.Name) {
			continue // it is there already, which has been told
		}
		d.report("the extension number %s, which %s is to get, is that of %s", number, printable(c.Name), d.shelves[holder.kind].byID[holder.id])
	}
}

// freed reports whether a change needs one that takes the extension number of its
// holder.
func (d *comparison) freed(c *Change, holder target) bool {
	return slices.ContainsFunc(c.Needs, func(n int) bool {
		j, ok := indexOf(d.plan.Items, n)
		if !ok {
			return false
		}
		other := &d.plan.Items[j]
		return other.Kind == holder.kind && other.ID == holder.id && (other.Op == OpDelete || other.Op == OpUpdate && other.takesNumber() != "")
	})
}

// losses compares what a delete takes along.
func (d *comparison) losses(c *Change, now []Loss) {
	if c.Op != OpDelete || len(now)+len(c.Takes) == 0 {
		return
	}
	was, is := slices.SortedFunc(slices.Values(c.Takes), compareLosses), slices.SortedFunc(slices.Values(now), compareLosses)
	if slices.Equal(was, is) {
		return
	}
	var texts []string
	for _, loss := range is {
		if len(texts) < 3 && !slices.Contains(was, loss) {
			texts = append(texts, "takes along now that "+loss.text())
		}
	}
	for _, loss := range was {
		if len(texts) < 3 && !slices.Contains(is, loss) {
			texts = append(texts, "no longer takes along that "+loss.text())
		}
	}
	if len(texts) == 0 {
		texts = []string{fmt.Sprintf("takes along %d now, and took %d when the plan was made", len(is), len(was))}
	}
	d.report("%s: this %s", c.title(), strings.Join(texts, ", and "))
}

// text tells what is lost.
func (l Loss) text() string {
	of, member := printable(l.Of.Name), printable(l.Member.Name)
	switch l.Kind {
	case KindGroupMembers:
		return fmt.Sprintf("user %s is in group %s", member, of)
	case KindQueueMember:
		return fmt.Sprintf("queue %s rings group %s", of, member)
	}
	return fmt.Sprintf("device %s is that of user %s", of, member)
}

// rings compares what the queues ring whose members change.
func (d *comparison) rings() {
	seen := map[infinitysip.QueueID]bool{}
	for i := range d.plan.Items {
		c := &d.plan.Items[i]
		id := infinitysip.QueueID(c.ID)
		if c.Kind != KindQueueMember && c.Kind != KindQueueOrder || id == 0 || seen[id] {
			continue
		}
		seen[id] = true
		now := rung(d.shelves[KindGroup].index, d.there.queueMembers[id])
		if !slices.Equal(now, d.plan.Rings[id]) {
			d.report("queue %s rings other groups now, or in another order", printable(c.Name))
		}
	}
}
