package siptest

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// A refusal is an error that the client gets. A refused request changes nothing.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

func malformed(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &refusal{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &refusal{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// A call is a request with its path and form read and checked, for a handler.
type call struct {
	opts  Options
	store *store
	route *route
	query string

	pathIDs  map[string]int64 // by the names in the path
	pathRows map[string]*row  // the rows that these ids name

	cells    map[string]string // the form's texts
	formIDs  []int64           // the ids of the form's array
	formKeys []string          // the keys of that array
}

// A handler applies one call. If it returns an error, it has changed nothing.
type handler func(c *call) (answer, error)

var noContent = answer{status: http.StatusNoContent}

// The handlers that all resources share.

func list(res *resource) handler {
	return func(c *call) (answer, error) {
		return c.answerList(c.columns(res), c.childRows(res))
	}
}

func get(res *resource) handler {
	return func(c *call) (answer, error) {
		return c.answerRow(c.columns(res), c.pathRows[res.id].cells)
	}
}

func create(res *resource) handler {
	return func(c *call) (answer, error) {
		r, err := c.store.insert(res, c.pathIDs[res.parent], 0, c.cells)
		if err != nil {
			return answer{}, err
		}
		columns := res.idColumn()
		if !res.createAnswersID {
			switch c.opts.CreateBody {
			case CreateBodyRow:
				columns = c.columns(res)
			case CreateBodyNone:
				return answer{status: http.StatusCreated}, nil
			}
		}
		return c.answerCreated(columns, r.cells), nil
	}
}

func update(res *resource) handler {
	return func(c *call) (answer, error) {
		if len(c.cells) == 0 {
			return answer{}, malformed("nothing to update")
		}
		return noContent, c.store.change(c.pathRows[res.id], c.cells)
	}
}

func remove(res *resource) handler {
	return func(c *call) (answer, error) {
		c.store.remove(c.pathRows[res.id])
		return noContent, nil
	}
}

// The users of a group, and the groups of a user.

// membership returns the membership of a row of res and the row of the path. If
// res is users, the path has a group; if it is groups, the path has a user.
func (c *call) membership(res *resource, id int64) membership {
	if res == groups {
		return membership{group: id, user: c.pathIDs["userId"]}
	}
	return membership{group: c.pathIDs["groupId"], user: id}
}

// listMemberships lists the rows of res that share a membership with the row of
// the path. Each row also has the id of the path's row, in the column pathID.
func listMemberships(res *resource, pathID string, columns []column) handler {
	return func(c *call) (answer, error) {
		var rows []map[string]string
		st := c.store.listed()
		for _, r := range st.children(res, c.pathIDs["domainId"]) {
			if !st.memberships[c.membership(res, r.id)] {
				continue
			}
			cells := maps.Clone(r.cells)
			cells[pathID] = strconv.FormatInt(c.pathIDs[pathID], 10)
			rows = append(rows, cells)
		}
		return c.answerList(columns, rows)
	}
}

func addMemberships(res *resource) handler {
	return func(c *call) (answer, error) {
		for _, id := range c.formIDs {
			c.store.setMember(c.membership(res, id), true)
		}
		return noContent, nil
	}
}

func removeMemberships(res *resource) handler {
	return func(c *call) (answer, error) {
		for _, id := range c.formIDs {
			c.store.setMember(c.membership(res, id), false)
		}
		return noContent, nil
	}
}

// The devices of a user. A device's row has its user.

func listUserDevices(c *call) (answer, error) {
	rows := slices.DeleteFunc(c.childRows(devices), func(cells map[string]string) bool {
		return cells["userId"] != c.pathRows["userId"].cells["userId"]
	})
	return c.answerList(userDeviceColumns, rows)
}

func getUserDevice(c *call) (answer, error) {
	device, err := c.userDevice()
	if err != nil {
		return answer{}, err
	}
	return c.answerRow(userDeviceColumns, device.cells)
}

func addUserDevice(c *call) (answer, error) {
	id, _ := wholeNumber(c.cells["pbxDeviceId"])
	device := c.store.find(devices, c.pathIDs["domainId"], id)
	if device.cells["userId"] != "0" {
		return answer{}, conflict("the device is associated with a user already")
	}
	c.store.associate(device, c.pathRows["userId"])
	return c.answerCreated(deviceTokenColumns, map[string]string{
		"pbxDeviceId":    device.cells["pbxDeviceId"],
		"userId":         device.cells["userId"],
		"pbxDeviceToken": newToken(),
	}), nil
}

func removeUserDevice(c *call) (answer, error) {
	device, err := c.userDevice()
	if err != nil {
		return answer{}, err
	}
	c.store.associate(device, nil)
	return noContent, nil
}

func (c *call) userDevice() (*row, error) {
	device := c.pathRows["pbxDeviceId"]
	if device.cells["userId"] != c.pathRows["userId"].cells["userId"] {
		return nil, notFound("the device is not associated with this user")
	}
	return device, nil
}

// newToken returns 25 hexadecimal digits, like the token on the API's page.
func newToken() string {
	var random [13]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])[:25]
}

// The members of a queue, in ringing order.

func listQueueMembers(c *call) (answer, error) {
	rows := c.childRows(queueMembers)
	slices.SortStableFunc(rows, func(a, b map[string]string) int {
		return compareForSort(a["ringOrder"], b["ringOrder"])
	})
	return c.answerList(c.columns(queueMembers), rows)
}

// setMemberOrder numbers the members from 1, in the order of the keys of the
// form's array. The API's page does not say what happens to members that are not
// in the array, or twice in it. This server refuses both.
func setMemberOrder(c *call) (answer, error) {
	places := map[int64]int64{}
	for i, id := range c.formIDs {
		place, ok := wholeNumber(c.formKeys[i])
		if !ok {
			return answer{}, malformed("queueMemberId must have whole numbers for keys")
		}
		places[id] = place
	}
	all := slices.Clone(c.store.children(queueMembers, c.pathIDs["queueId"]))
	if len(c.formIDs) != len(all) || len(places) != len(all) {
		return answer{}, malformed("queueMemberId must name each of the %d members once", len(all))
	}
	slices.SortFunc(all, func(a, b *row) int { return cmp.Compare(places[a.id], places[b.id]) })
	for i, member := range all {
		member.cells["ringOrder"] = strconv.Itoa(i + 1)
		c.store.saved(member)
	}
	return noContent, nil
}

// Helpers of the handlers.

// columns returns the columns that the rows of a resource show.
func (c *call) columns(res *resource) []column {
	if c.opts.EchoSecrets {
		return res.allColumns()
	}
	return res.columns
}

// childRows returns the rows that a list shows: those of a resource whose parent
// is in the path.
func (c *call) childRows(res *resource) []map[string]string {
	children := c.store.listed().children(res, c.pathIDs[res.parent])
	rows := make([]map[string]string, len(children))
	for i, r := range children {
		rows[i] = r.cells
	}
	return rows
}

// answerList answers a list.
func (c *call) answerList(columns []column, rows []map[string]string) (answer, error) {
	policy := honourListParams
	if !c.route.listParams {
		switch c.opts.UndocumentedQuery {
		case UndocumentedQueryIgnored:
			policy = ignoreListParams
		case UndocumentedQueryRejected:
			policy = refuseListParams
		}
	}
	q, err := parseQuery(c.query, columns, policy)
	if err != nil {
		return answer{}, err
	}
	if c.opts.IgnorePaging {
		q.limit, q.offset = -1, 0
	}
	if c.opts.IgnoreFilters {
		q.filters, q.sorts = nil, nil
	}
	rows = q.apply(rows)
	rows = rows[:min(len(rows), c.opts.MaxRows)]
	return c.answerJSON(http.StatusOK, q, rows), nil
}

// answerRow answers a read.
func (c *call) answerRow(columns []column, cells map[string]string) (answer, error) {
	q, err := parseQuery(c.query, columns, refuseListParams)
	if err != nil {
		return answer{}, err
	}
	return c.answerJSON(http.StatusOK, q, []map[string]string{cells}), nil
}

func (c *call) answerCreated(columns []column, cells map[string]string) answer {
	return c.answerJSON(http.StatusCreated, &listQuery{columns: columns}, []map[string]string{cells})
}

func (c *call) answerJSON(status int, q *listQuery, rows []map[string]string) answer {
	return answer{
		status:      status,
		contentType: "application/json",
		body:        appendRows(nil, q.columns, rows, c.opts.BareNumbers, q.asArray),
	}
}

// resolve finds the rows of the path.
func (c *call) resolve() error {
	c.pathRows = map[string]*row{}
	for _, segment := range c.route.segments {
		name, isParam := paramName(segment)
		if !isParam {
			continue
		}
		res := resourceOf(name)
		r := c.store.find(res, c.pathIDs[res.parent], c.pathIDs[name])
		if r == nil {
			return notFound("no %s %d", name, c.pathIDs[name])
		}
		c.pathRows[name] = r
	}
	return nil
}

// readForm checks the params of a form against the route's fields. It reports all
// malformed params before ids that do not exist.
func (c *call) readForm(params []*param) error {
	byName := map[string]*param{}
	for _, p := range params {
		if !slices.ContainsFunc(c.route.form, func(f field) bool { return f.name == p.name }) {
			return malformed("%q is not a parameter", p.name)
		}
		byName[p.name] = p
	}
	c.cells = map[string]string{}
	for _, f := range c.route.form {
		p := byName[f.name]
		if p == nil {
			switch {
			case f.optional:
			case c.route.op != "Groups.Update" || c.opts.GroupUpdates == GroupUpdatesReject:
				return malformed("%s is required", f.name)
			case c.opts.GroupUpdates == GroupUpdatesClear && len(params) > 0:
				c.cells[f.name] = f.kind.zeroValue()
			}
			continue
		}
		if err := c.readField(f, p); err != nil {
			return err
		}
	}
	for _, f := range c.route.form {
		if f.refs == "" || byName[f.name] == nil {
			continue
		}
		res := resourceOf(f.refs)
		for _, id := range c.referencedIDs(f) {
			if c.store.find(res, c.pathIDs[res.parent], id) == nil {
				return notFound("%s: no %s %d", f.name, f.refs, id)
			}
		}
	}
	return nil
}

// rewritable are the columns of Options.RewriteKey and Options.Rewrites.
var rewritable = []string{"user", "groupName", "queueName", "network", "deviceMacAddress"}

func (c *call) readField(f field, p *param) error {
	if f.kind == kindIDs {
		if !p.isArray || p.nested {
			return malformed("%s must be an array: %s[]=…", f.name, f.name)
		}
		for _, item := range p.items {
			id, ok := wholeNumber(item)
			if !ok {
				return malformed("%s must hold whole numbers", f.name)
			}
			c.formIDs = append(c.formIDs, id)
		}
		c.formKeys = p.keys
		return nil
	}
	if p.isArray {
		return malformed("%s must not be an array", f.name)
	}
	if p.text == "" && f.required {
		return malformed("%s must not be empty", f.name)
	}
	value, problem := f.kind.normalize(p.text)
	if problem != "" {
		return malformed("%s %s", f.name, problem)
	}
	if slices.Contains(rewritable, f.name) {
		value = c.opts.rewriteKey(f.name, value)
	}
	c.cells[f.name] = value
	return nil
}

func (c *call) referencedIDs(f field) []int64 {
	if f.kind == kindIDs {
		return c.formIDs
	}
	id, _ := wholeNumber(c.cells[f.name])
	return []int64{id}
}
