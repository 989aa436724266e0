package siptest

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	datetimeLayout = "2006-01-02 15:04:05"
	zeroDatetime   = "0000-00-00 00:00:00"
)

// A row holds its values as the texts that answers show.
type row struct {
	res    *resource
	id     int64
	parent int64 // 0 for domains
	cells  map[string]string
}

// A uniqueKey is a value that only one row may have.
type uniqueKey struct {
	column string
	domain int64
	value  string
}

type table struct {
	lastID   int64 // ids are never used again
	rows     map[int64]*row
	children map[int64][]*row // by parent, sorted by id
}

type membership struct{ group, user int64 }

// A store holds all rows. It does not know HTTP and does not lock.
type store struct {
	now             func() time.Time
	zone            *time.Location
	allowDuplicates bool // do not enforce unique keys
	duplicateStatus int
	tables          map[*resource]*table
	owners          map[uniqueKey]*row // the row that has each key
	memberships     map[membership]bool
	replica         *replica // nil without Options.ListLag
}

func newStore(o Options) *store {
	st := emptyStore()
	st.now, st.zone = o.Now, o.Zone
	st.allowDuplicates, st.duplicateStatus = o.AllowDuplicates, o.DuplicateStatus
	if o.ListLag > 0 {
		st.replica = &replica{store: emptyStore(), lag: o.ListLag}
	}
	return st
}

func emptyStore() *store {
	st := &store{
		tables:      map[*resource]*table{},
		owners:      map[uniqueKey]*row{},
		memberships: map[membership]bool{},
	}
	for _, res := range resources {
		st.tables[res] = &table{rows: map[int64]*row{}, children: map[int64][]*row{}}
	}
	return st
}

// copyTo adds all rows to an empty store. Its lists show them at once.
func (st *store) copyTo(to *store) {
	for _, res := range resources {
		t := to.tables[res]
		t.lastID = st.tables[res].lastID
		for _, rows := range st.tables[res].children {
			for _, r := range rows {
				r = r.clone()
				// Of rows with the same key, which st may allow, the first has it.
				_ = to.claim(r, r.uniqueKeys())
				t.put(r)
				to.showNow(r)
			}
		}
	}
	to.memberships = maps.Clone(st.memberships)
	if to.replica != nil {
		to.replica.store.memberships = maps.Clone(st.memberships)
	}
}

// find returns a row of a parent, or nil.
func (st *store) find(res *resource, parent, id int64) *row {
	r := st.tables[res].rows[id]
	if r == nil || r.parent != parent {
		return nil
	}
	return r
}

// children returns the rows of a parent in the order of their ids.
func (st *store) children(res *resource, parent int64) []*row {
	return st.tables[res].children[parent]
}

// insert adds a row with this id, or with the next id if it is 0.
func (st *store) insert(res *resource, parent, id int64, cells map[string]string) (*row, error) {
	t := st.tables[res]
	if id == 0 {
		id = t.lastID + 1
	}
	r := &row{res: res, id: id, parent: parent, cells: map[string]string{}}
	for _, c := range res.allColumns() {
		r.cells[c.name] = c.kind.zeroValue()
	}
	maps.Copy(r.cells, cells)
	r.cells[res.id] = strconv.FormatInt(id, 10)
	if res.parent != "" {
		r.cells[res.parent] = strconv.FormatInt(parent, 10)
	}
	if r.cells["createDatetime"] == zeroDatetime {
		r.cells["createDatetime"] = st.datetime()
	}
	if err := st.claim(r, r.uniqueKeys()); err != nil {
		return nil, err
	}
	t.lastID = max(t.lastID, id)
	t.put(r)
	st.saved(r)
	return r, nil
}

// change sets cells of a row. If it returns an error, it has set none.
func (st *store) change(r *row, cells map[string]string) error {
	after := &row{res: r.res, parent: r.parent, cells: maps.Clone(r.cells)}
	maps.Copy(after.cells, cells)
	if err := st.claim(r, after.uniqueKeys()); err != nil {
		return err
	}
	maps.Copy(r.cells, cells)
	if _, ok := r.cells["updateDatetime"]; ok {
		r.cells["updateDatetime"] = st.datetime()
	}
	st.saved(r)
	return nil
}

// remove deletes a row and everything that depends on it.
func (st *store) remove(r *row) {
	st.release(r)
	st.tables[r.res].drop(r)
	st.repeat(func(behind *store) { behind.tables[r.res].drop(r) })
	switch r.res {
	case users:
		st.removeMembers(func(m membership) bool { return m.user == r.id })
		for _, d := range st.children(devices, r.parent) {
			if d.cells["userId"] == r.cells["userId"] {
				st.associate(d, nil)
			}
		}
	case groups:
		st.removeMembers(func(m membership) bool { return m.group == r.id })
		for _, q := range st.children(queues, r.parent) {
			for _, m := range slices.Clone(st.children(queueMembers, q.id)) {
				if m.cells["groupId"] == r.cells["groupId"] {
					st.remove(m)
				}
			}
		}
	case queues:
		for _, m := range slices.Clone(st.children(queueMembers, r.id)) {
			st.remove(m)
		}
	}
}

// setMember adds a user to a group, or removes it.
func (st *store) setMember(m membership, isMember bool) {
	set := func(st *store) {
		if isMember {
			st.memberships[m] = true
		} else {
			delete(st.memberships, m)
		}
	}
	set(st)
	st.repeat(set)
}

func (st *store) removeMembers(which func(membership) bool) {
	for m := range st.memberships {
		if which(m) {
			st.setMember(m, false)
		}
	}
}

// associate gives a device to a user, or frees it if user is nil.
func (st *store) associate(device, user *row) {
	cells := map[string]string{"userId": "0", "user": ""}
	if user != nil {
		cells["userId"], cells["user"] = user.cells["userId"], user.cells["user"]
	}
	// This cannot fail, because no cell is part of a unique key.
	_ = st.change(device, cells)
}

// claim gives keys to r. It fails if another row has one of them.
func (st *store) claim(r *row, keys []uniqueKey) error {
	if st.allowDuplicates {
		return nil
	}
	for _, k := range keys {
		if owner := st.owners[k]; owner != nil && owner != r {
			return &refusal{st.duplicateStatus, k.column + " is in use"}
		}
	}
	st.release(r)
	for _, k := range keys {
		st.owners[k] = r
	}
	return nil
}

func (st *store) release(r *row) {
	for _, k := range r.uniqueKeys() {
		if st.owners[k] == r {
			delete(st.owners, k)
		}
	}
}

func (st *store) datetime() string { return st.now().In(st.zone).Format(datetimeLayout) }

// datetimeText returns the zero date for the zero Time.
func (st *store) datetimeText(t time.Time) string {
	if t.IsZero() {
		return zeroDatetime
	}
	return t.In(st.zone).Format(datetimeLayout)
}

func (r *row) uniqueKeys() []uniqueKey {
	keys := make([]uniqueKey, 0, len(r.res.unique))
	for _, name := range r.res.unique {
		k := uniqueKey{column: name, domain: r.parent, value: r.cells[name]}
		if k.value == "" {
			continue // only in a row of AddUser and the like
		}
		switch name {
		case "deviceMacAddress":
			k.domain = 0 // unique among all domains
			k.value = strings.ToUpper(macSeparators.Replace(k.value))
		case "network":
			if prefix, err := netip.ParsePrefix(k.value); err == nil {
				k.value = prefix.Masked().String()
			}
		}
		keys = append(keys, k)
	}
	return keys
}

var macSeparators = strings.NewReplacer(":", "", "-", "", ".", "")

// put adds a row, or replaces the one that has its id.
func (t *table) put(r *row) {
	siblings := t.children[r.parent]
	i, found := slices.BinarySearchFunc(siblings, r.id, byID)
	if found {
		siblings[i] = r
	} else {
		t.children[r.parent] = slices.Insert(siblings, i, r)
	}
	t.rows[r.id] = r
}

func (t *table) drop(r *row) {
	delete(t.rows, r.id)
	siblings := t.children[r.parent]
	if i, found := slices.BinarySearchFunc(siblings, r.id, byID); found {
		t.children[r.parent] = slices.Delete(siblings, i, i+1)
	}
}

func byID(r *row, id int64) int { return cmp.Compare(r.id, id) }
