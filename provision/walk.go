package provision

import "sort"

// indexOf finds a change by its number; the numbers ascend.
func indexOf(items []Change, n int) (int, bool) {
	if n > 0 && n <= len(items) && items[n-1].N == n { // of a plan that is whole
		return n - 1, true
	}
	i := sort.Search(len(items), func(i int) bool { return items[i].N >= n })
	return i, i < len(items) && items[i].N == n
}

// parts yields the things that a change is about and that it does not make.
func (c *Change) parts(yield func(what Kind, ref *Ref) bool) {
	var own, members Kind
	switch c.Kind {
	case KindGroupMembers:
		own, members = KindGroup, KindUser
	case KindQueueMember:
		own, members = KindQueue, KindGroup
	case KindQueueOrder:
		own, members = KindQueue, KindQueueMember
	case KindOwner:
		own = KindDevice
	}
	switch {
	case own != "":
		if !yield(own, &c.Ref) {
			return
		}
	case c.Op != OpCreate:
		if !yield(c.Kind, &c.Ref) {
			return
		}
	}
	for i := range c.Members {
		if !yield(members, &c.Members[i]) {
			return
		}
	}
	for _, user := range []*Ref{c.From, c.To} {
		if user != nil && !yield(KindUser, user) {
			return
		}
	}
}

// waits calls on with the index of each change that a change waits for: those that
// it needs, those that it goes after, and those that make what it is about.
func waits(items []Change, i int, on func(j int)) {
	c := &items[i]
	number := func(n int) {
		if j, ok := indexOf(items, n); ok {
			on(j)
		}
	}
	for _, n := range c.Needs {
		number(n)
	}
	for _, n := range c.After {
		number(n)
	}
	for _, ref := range c.parts {
		if ref.MadeBy != 0 {
			number(ref.MadeBy)
		}
	}
}

// takesNumber is the extension number that a change gives to a thing; "" if it gives
// none.
func (c *Change) takesNumber() string {
	if c.Op == OpDelete {
		return ""
	}
	for i := range c.Fields {
		if c.Fields[i].Field == "extensionNumber" {
			number, _ := c.Fields[i].To.(string)
			return number
		}
	}
	return ""
}

// target is one that is on the server.
type target struct {
	kind Kind
	id   int64
}
