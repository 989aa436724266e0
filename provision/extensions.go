package provision

import (
	"fmt"
	"math"
)

// extensions has who takes an extension number wait until who has it now has
// given it up. Where they wait for each other in a circle, as two who change
// theirs do, one of them gets a free number in between.
func (d *differ) extensions() {
	holders := map[string][]*thing{}
	used := map[string]bool{"999": true, "911": true, "112": true} // which people dial in need
	for _, t := range d.numbered {
		if t.id != 0 {
			holders[t.extension] = append(holders[t.extension], t)
		}
		used[t.extension], used[t.takes] = true, true
	}
	const (
		visiting = 1
		visited  = 2
	)
	state := map[*thing]int{}
	var visit func(t *thing)
	visit = func(t *thing) {
		state[t] = visiting
		for _, holder := range holders[t.takes] {
			switch {
			case holder == t:
				continue
			case holder.remove != nil:
				t.taking().needs(holder.remove)
				continue
			case holder.takes == "":
				d.report(t.at, "extensionNumber", "%s is that of %s on the server, which keeps it", quote(t.takes), holder)
				continue
			case state[holder] == 0:
				visit(holder)
			}
			if state[holder] == visiting && holder.park == nil { // a circle: the holder's own update waits for its end
				number := freeNumber(used, holder.extension)
				holder.park = holder.update.of.step(func(x *execution) error { return holder.moves(x, number) })
			}
			if holder.park != nil {
				t.taking().needs(holder.park)
			} else {
				t.taking().needs(holder.update)
			}
		}
		state[t] = visited
	}
	for _, t := range d.numbered {
		if t.takes != "" && state[t] == 0 {
			visit(t)
		}
	}
}

// taking is the step that gives a thing its extension number.
func (t *thing) taking() *step {
	if t.make != nil {
		return t.make
	}
	return t.update
}

// freeNumber finds a number that nobody has or is to get, as long as like, or
// longer when there is none.
func freeNumber(used map[string]bool, like string) string {
	for digits := max(len(like), 1); ; digits++ {
		for n := int64(math.Pow10(min(digits, 18))) - 1; n >= 0; n-- {
			if number := fmt.Sprintf("%0*d", digits, n); !used[number] {
				used[number] = true
				return number
			}
		}
	}
}
