package provision

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// spareNumbers finds extension numbers that nobody has or is to get.
type spareNumbers struct {
	used map[string]bool
	own  []string      // to choose from; nil: any
	next map[int]int64 // by digits, the highest that may be free
}

// find returns a free number, as long as like, or longer when there is none. ok is
// false if none is left.
func (s *spareNumbers) find(like string) (number string, ok bool) {
	if s.own != nil {
		for len(s.own) > 0 {
			number, s.own = s.own[0], s.own[1:]
			if !s.used[number] {
				s.used[number] = true
				return number, true
			}
		}
		return "", false
	}
	if s.next == nil {
		s.next = map[int]int64{}
	}
	for digits := max(len(like), 1); ; digits++ {
		if _, begun := s.next[digits]; !begun {
			s.next[digits] = int64(math.Pow10(min(digits, 18))) - 1
		}
		for s.next[digits] >= 0 {
			number := fmt.Sprintf("%0*d", digits, s.next[digits])
			s.next[digits]--
			if !s.used[number] && !emergency(number) {
				s.used[number] = true
				return number, true
			}
		}
	}
}

// visit is how far extensions has come with a thing.
type visit uint8

const (
	unvisited visit = iota
	visiting
	visited
)

// extensions has who takes an extension number wait until who has it now has
// given it up. Where they wait for each other in a circle, as two who change
// theirs do, one of them gets a free number in between.
func (d *differ) extensions() {
	holders := map[string][]*thing{}
	for _, t := range d.numbered {
		if t.id != 0 {
			holders[t.extension] = append(holders[t.extension], t)
		}
	}
	spare := sync.OnceValue(func() *spareNumbers { // which are seldom needed
		spare := &spareNumbers{used: make(map[string]bool, len(d.numbered)), own: d.opts.Spares}
		for _, t := range d.numbered {
			spare.used[t.extension], spare.used[t.takes] = true, true
		}
		return spare
	})
	var follow func(t *thing)
	follow = func(t *thing) {
		t.visit = visiting
		for _, holder := range holders[t.takes] {
			switch {
			case holder == t:
				continue
			case holder.remove != 0:
				d.needs(t.taking(), holder.remove)
				continue
			case holder.takes == "":
				d.report(d.desired.at(t.kind, t.at), "extensionNumber", "%s is that of %s on the server, which keeps it%s", quote(t.takes), holder, d.whyKept(t, holder))
				continue
			case holder.visit == unvisited:
				follow(holder)
			}
			if holder.visit == visiting && holder.aside == 0 { // a circle: the holder's own update waits for its end
				d.moveAside(holder, spare())
			}
			if holder.aside != 0 {
				d.needs(t.taking(), holder.aside)
			} else {
				d.needs(t.taking(), holder.update)
			}
		}
		t.visit = visited
	}
	for _, t := range d.numbered {
		if t.takes != "" && t.visit == unvisited {
			follow(t)
		}
	}
}

// moveAside plans a number in between.
func (d *differ) moveAside(t *thing, spare *spareNumbers) {
	number, ok := spare.find(t.extension)
	if !ok {
		d.report(d.desired.at(t.kind, t.at), "extensionNumber", "%s and others pass their numbers on in a circle, and none of the spare numbers is free for the time in between: name others", t)
		return
	}
	t.aside = d.plan(Change{Op: OpUpdate, Kind: t.kind, Ref: t.ref(), Between: true,
		Fields: []FieldChange{{Field: "extensionNumber", From: t.extension, To: number}}})
	d.needs(t.update, t.aside)
	// What else changes of it is a change of its own. If the server refused that, the
	// thing would be left with the number in between.
	c := d.change(t.update)
	if i := slices.IndexFunc(c.Fields, func(f FieldChange) bool { return f.Field == "extensionNumber" }); len(c.Fields)+len(c.Secrets) > 1 {
		rest := Change{Op: OpUpdate, Kind: t.kind, Ref: t.ref(), Fields: slices.Concat(c.Fields[:i], c.Fields[i+1:]), Secrets: c.Secrets}
		c.Fields, c.Secrets = []FieldChange{c.Fields[i]}, nil
		d.plan(rest)
	}
}

// whyKept tells what may be behind a number that a new thing is to get, and that
// another keeps.
func (d *differ) whyKept(t, holder *thing) string {
	switch {
	case t.make == 0 || t.kind != holder.kind:
		return ""
	case rewritten(FieldChange{From: holder.name, To: t.name}) || strings.ReplaceAll(t.name, " ", "_") == holder.name:
		return fmt.Sprintf(": the server seems to write the name so. Call it %s in the state", printable(holder.name))
	case !holder.named:
		return fmt.Sprintf(": if %s was renamed, the API has no call for that. Give another number, or delete the old one first", printable(holder.name))
	}
	return ""
}
