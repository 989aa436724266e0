package siptest

import (
	"maps"
	"time"
)

// A replica is the store that lists show if they lag. It repeats every change of
// the first store after a while.
type replica struct {
	store   *store
	lag     time.Duration
	changes []laterChange // the ones to come, in order
}

type laterChange struct {
	made   time.Time
	repeat func(*store)
}

// listed returns the store that lists show.
func (st *store) listed() *store {
	if st.replica == nil {
		return st
	}
	st.replica.catchUp(st.now())
	return st.replica.store
}

// repeat makes a change in the replica too, if there is one.
func (st *store) repeat(change func(*store)) {
	if rep := st.replica; rep != nil {
		now := st.now()
		rep.catchUp(now)
		rep.changes = append(rep.changes, laterChange{now, change})
	}
}

func (rep *replica) catchUp(now time.Time) {
	for len(rep.changes) > 0 && now.Sub(rep.changes[0].made) >= rep.lag {
		rep.changes[0].repeat(rep.store)
		rep.changes[0] = laterChange{} // the array stays in use
		rep.changes = rep.changes[1:]
	}
}

// saved repeats a new row or new cells.
func (st *store) saved(r *row) {
	if st.replica != nil {
		r = r.clone()
		st.repeat(func(behind *store) { behind.tables[r.res].put(r) })
	}
}

// showNow shows a row in lists at once.
func (st *store) showNow(r *row) {
	if st.replica != nil {
		st.replica.store.tables[r.res].put(r.clone())
	}
}

func (r *row) clone() *row {
	return &row{res: r.res, id: r.id, parent: r.parent, cells: maps.Clone(r.cells)}
}
