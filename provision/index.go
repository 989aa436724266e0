package provision

import (
	"fmt"
	"strings"

	"github.com/infinitysip/infinitysip/internal/wire"
)

// thing is a user, a group, a queue, a network or a device, on the server or to be
// made.
type thing struct {
	kind      Kind
	name      string // as the server spells it, or the state
	id        int64  // 0: not made yet
	row       int    // its place among the rows of its kind
	extension string // that it has now
	display   string // of a user: the display name that it is to have
	at        int    // its place among the things of its kind in the state, if that names it or it is made
	takes     string // the extension number that it is to get

	named bool  // by the state
	left  bool  // it is not in the state, but may be in a row that was skipped
	visit visit // of extensions

	// The numbers of the changes that do something with it; 0: none does.
	make, update, remove int
	aside                int // gives it an extension number in between
}

func (t *thing) String() string { return string(t.kind) + " " + printable(t.name) }

// ref refers to it in a change.
func (t *thing) ref() Ref { return Ref{Name: t.shown(), ID: t.id, MadeBy: t.make} }

// shown is the name as a plan has it.
func (t *thing) shown() string {
	if t.kind == KindDevice {
		return wire.MAC(t.name)
	}
	return t.name
}

// taking is the change that gives it its new extension number.
func (t *thing) taking() int {
	if t.make != 0 {
		return t.make
	}
	return t.update
}

// index finds things by name and, those on the server, by id. It is the one place
// that knows when two names are the same.
type index struct {
	key   func(string) string // what two names of the same thing have in common
	byKey map[string]*thing
	more  map[string][]*thing // all that share a key, where they are several
	byID  map[int64]*thing
}

// newIndex makes an index with room for so many names, and so many things on the server.
func newIndex(key func(string) string, names, rows int) *index {
	return &index{key, make(map[string]*thing, names), map[string][]*thing{}, make(map[int64]*thing, rows)}
}

func (x *index) add(t *thing) {
	key := x.key(t.name)
	if first := x.byKey[key]; first != nil {
		if x.more[key] == nil {
			x.more[key] = []*thing{first}
		}
		x.more[key] = append(x.more[key], t)
	} else {
		x.byKey[key] = t
	}
	if t.id != 0 {
		x.byID[t.id] = t
	}
}

// settle has a name mean one thing from here on, in whatever case.
func (x *index) settle(t *thing) {
	key := x.key(t.name)
	x.byKey[key] = t
	delete(x.more, key)
}

// find returns the thing of that name, or nil. Several that share it but for
// case are told apart by case; if that does not help there is a problem.
func (x *index) find(name string) (t *thing, problem string) {
	key := x.key(name)
	all := x.more[key]
	if all == nil {
		return x.byKey[key], ""
	}
	exact := 0
	for _, other := range all {
		if other.name == name {
			exact++
			t = other
		}
	}
	if exact == 1 {
		return t, ""
	}
	const most = 10
	var ids []string
	for _, t := range all[:min(len(all), most)] {
		ids = append(ids, fmt.Sprint(t.id))
	}
	if len(all) > most {
		ids = append(ids, "…")
	}
	return nil, fmt.Sprintf("%d of them on the server are called %s, ids %s: delete or rename all but one", len(all), quote(name), strings.Join(ids, ", "))
}
