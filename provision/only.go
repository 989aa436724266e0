package provision

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/infinitysip/infinitysip"
)

// Only returns the plan cut down to the changes for which keep returns true. They keep
// their numbers. If the cut leaves out what one of them needs, the error names both, and
// matches infinitysip.ErrInvalid. If the cut leaves out the delete that has a loss in its
// Takes, and leaves in another that causes the same loss, that one has it then.
func (c *Changes) Only(keep func(*Change) bool) (*Changes, error) {
	switch {
	case c == nil:
		return nil, invalid("there is no plan")
	case keep == nil:
		return nil, invalid("nothing tells which changes to keep")
	}
	kept := make([]bool, len(c.Items))
	cut := &Changes{Domain: c.Domain, Items: []Change{}, Notes: slices.Clone(c.Notes), MaxDeletes: c.MaxDeletes, Spares: slices.Clone(c.Spares), secrets: c.secrets}
	last := map[target]int{} // the changes that give things their last extension number, and devices to users
	for i := range c.Items {
		item := &c.Items[i]
		if kept[i] = keep(item); !item.Between && (item.Op == OpUpdate && item.takesNumber() != "" || item.Op == OpCreate && item.Kind == KindOwner) {
			last[target{item.Kind, item.ID}] = i
		}
	}
	var problems []string
	for i := range c.Items {
		if !kept[i] {
			continue
		}
		item := c.Items[i]
		for _, j := range c.lacks(i, kept, last) {
			problems = append(problems, fmt.Sprintf("change %d (%s) needs change %d (%s)", item.N, item.title(), c.Items[j].N, c.Items[j].title()))
		}
		item.After = slices.DeleteFunc(slices.Clone(item.After), func(n int) bool {
			j, ok := indexOf(c.Items, n)
			return ok && !kept[j]
		})
		if len(item.After) == 0 {
			item.After = nil
		}
		cut.Items = append(cut.Items, item)
		if (item.Kind == KindQueueMember || item.Kind == KindQueueOrder) && item.ID != 0 {
			if cut.Rings == nil {
				cut.Rings = map[infinitysip.QueueID][]Ref{}
			}
			id := infinitysip.QueueID(item.ID)
			cut.Rings[id] = slices.Clone(c.Rings[id])
		}
	}
	if len(problems) > 0 {
		return nil, invalid("the plan cannot be cut so:\n%s", enumerate(problems, "\n"))
	}
	c.moveLosses(cut, kept)
	return cut, nil
}

// lacks are the changes that a change cannot do without, and that are not kept.
func (c *Changes) lacks(i int, kept []bool, last map[target]int) (lacking []int) {
	item := &c.Items[i]
	told := map[int]bool{}
	lack := func(n int) {
		if j, ok := indexOf(c.Items, n); ok && !kept[j] && !told[j] {
			told[j] = true
			lacking = append(lacking, j)
		}
	}
	for _, n := range item.Needs {
		lack(n)
	}
	for _, ref := range item.parts {
		if ref.MadeBy != 0 {
			lack(ref.MadeBy)
		}
	}
	for _, n := range item.After {
		// A user goes to another group, or a queue gets another member.
		if j, ok := indexOf(c.Items, n); ok && c.Items[j].Op == OpCreate && (c.Items[j].Kind == KindGroupMembers || c.Items[j].Kind == KindQueueMember) {
			lack(n)
		}
	}
	if item.Between { // what nobody asked for is not to stay
		if j, ok := last[target{item.Kind, item.ID}]; ok {
			lack(c.Items[j].N)
		}
	}
	return lacking
}

// moveLosses gives the losses of deletes that were cut to those that bring them
// about, too.
func (c *Changes) moveLosses(cut *Changes, kept []bool) {
	deletes := map[target]*Change{}
	for i := range cut.Items {
		if item := &cut.Items[i]; item.Op == OpDelete {
			deletes[target{item.Kind, item.ID}] = item
		}
	}
	grown := map[*Change]bool{}
	carry := func(by *Change, loss Loss) {
		if by == nil {
			return
		}
		if !grown[by] {
			by.Takes, grown[by] = slices.Clone(by.Takes), true
		}
		by.Takes = append(by.Takes, loss)
	}
	for i := range c.Items {
		item := &c.Items[i]
		if kept[i] {
			continue
		}
		for _, loss := range item.Takes {
			switch {
			case loss.Kind == KindGroupMembers && item.Kind == KindUser:
				carry(deletes[target{KindGroup, loss.Of.ID}], loss)
			case loss.Kind == KindGroupMembers && item.Kind == KindGroup:
				carry(deletes[target{KindUser, loss.Member.ID}], loss)
			case loss.Kind == KindQueueMember && item.Kind == KindQueue:
				carry(deletes[target{KindGroup, loss.Member.ID}], loss)
			case loss.Kind == KindQueueMember && item.Kind == KindGroup:
				carry(deletes[target{KindQueue, loss.Of.ID}], loss)
			}
		}
		// So does a place in a queue.
		if item.Kind == KindQueueMember && item.Op == OpDelete {
			carry(deletes[target{KindGroup, item.Members[0].ID}], Loss{KindQueueMember, Ref{Name: item.Name, ID: item.ID}, Ref{Name: item.Members[0].Name, ID: item.Members[0].ID}})
		}
		// A device that stays its user's ends with the user.
		if (item.Kind == KindOwner || item.Kind == KindDevice && item.Op == OpDelete) && item.From != nil {
			carry(deletes[target{KindUser, item.From.ID}], Loss{KindOwner, Ref{Name: item.Name, ID: item.ID}, Ref{Name: item.From.Name, ID: item.From.ID}})
		}
	}
	for item := range grown {
		slices.SortFunc(item.Takes, compareLosses)
	}
}

// compareLosses puts losses into an order, whichever it is.
func compareLosses(a, b Loss) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Of.ID, b.Of.ID), cmp.Compare(a.Member.ID, b.Member.ID),
		cmp.Compare(a.Of.Name, b.Of.Name), cmp.Compare(a.Member.Name, b.Member.Name))
}
