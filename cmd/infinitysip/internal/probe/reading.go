package probe

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/siptest"
)

// steps are what the probe does, in order.
func (p *prober) steps() []step {
	return []step{
		{"Looking for a limit of requests", p.lookForLimit, false},
		{"Reading the lists", p.readLists, false},
		{"Trying filters and paging", p.tryQueries, false},
		{"Trying formats, paths and errors", p.tryReads, false},
		{"Looking for the end of the lists", p.lookForCap, false},
		{"Looking at the connections", p.lookAtConnections, false},

		{"Choosing names and numbers", p.chooseKeys, true},
		{"Making things", p.makeThings, true},
		{"Reading what was made", p.readThings, true},
		{"Trying filters and paging", p.tryQueries, true},
		{"Making things a second time", p.tryDuplicates, true},
		{"Trying users in groups, and groups in queues", p.tryMembers, true},
		{"Trying forms", p.tryForms, true},
		{"Trying the paths of networks", p.tryPaths, true},
		{"Deleting", p.tryDeleting, true},
	}
}

// lookAtNumbers records how rows write numbers.
func (p *prober) lookAtNumbers(rows []row) {
	if p.known("numbers") {
		return
	}
	for _, r := range rows {
		for name, value := range r {
			if !strings.HasSuffix(name, "Id") {
				continue
			}
			const how = "the ids of a row"
			switch value.(type) {
			case string:
				p.find("numbers", Seen, how, `strings: "1"`)
				return
			case json.Number:
				p.options.BareNumbers = true
				p.find("numbers", Seen, how, "bare: 1")
				return
			}
		}
	}
}

// readLists reads every list of the domain, as it is before the probe changes it.
func (p *prober) readLists(ctx context.Context) {
	for _, k := range p.kinds {
		if rows, _, err := p.rows(ctx, k.list, nil); err == nil {
			p.lists[k.name] = rows
		}
	}
}

// A verdict says what a list does with a parameter of its query.
type verdict string

const (
	honoured verdict = "honoured"
	ignored  verdict = "ignored"
	rejected verdict = "refused"
)

// A query is what a list does with its query.
type query struct{ filter, sort, paging verdict }

func (q query) known() bool { return q != query{} }

func (q query) all(v verdict) bool { return q.filter == v && q.sort == v && q.paging == v }

func (q query) any(v verdict) bool { return q.filter == v || q.sort == v || q.paging == v }

func (q query) String() string {
	if q.all(q.filter) {
		return string(q.filter)
	}
	return fmt.Sprintf("filter %s, sort %s, limit and offset %s", q.filter, q.sort, q.paging)
}

// tryQuery tries filter, sort, limit and offset on a list that has these rows, at
// least two.
func (p *prober) tryQuery(ctx context.Context, path, id string, rows []row) (q query, err error) {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.id(id)
	}
	last := ids[len(ids)-1]
	try := func(query url.Values, honours func(got []int64) bool) (verdict, error) {
		got, a, err := p.rows(ctx, path, query)
		switch {
		case a.refused():
			return rejected, nil
		case err != nil:
			return "", err
		}
		gotIDs := make([]int64, len(got))
		for i, r := range got {
			gotIDs[i] = r.id(id)
		}
		if honours(gotIDs) {
			return honoured, nil
		}
		return ignored, nil
	}
	q.filter, err = try(url.Values{"filter[]": {id + "-eq-value-" + strconv.FormatInt(last, 10)}}, func(got []int64) bool {
		return len(got) == 1 && got[0] == last
	})
	if err != nil {
		return query{}, err
	}
	direction, extreme := "desc", slices.Max(ids)
	if ids[0] == extreme {
		direction, extreme = "asc", slices.Min(ids)
	}
	q.sort, err = try(url.Values{"sort[]": {id + "-" + direction}}, func(got []int64) bool {
		return len(got) > 0 && (direction == "desc" && got[0] >= extreme || direction == "asc" && got[0] <= extreme)
	})
	if err != nil {
		return query{}, err
	}
	q.paging, err = try(url.Values{"limit": {"1"}, "offset": {"1"}}, func(got []int64) bool {
		return len(got) == 1 && got[0] == ids[1]
	})
	if err != nil {
		return query{}, err
	}
	return q, nil
}

// shortest is the kind with the shortest list of at least two rows, or nil.
func (p *prober) shortest(documented bool) (best *kind) {
	for _, k := range p.kinds {
		n := len(p.lists[k.name])
		if k.documented == documented && n >= 2 && p.ids(k) && (best == nil || n < len(p.lists[best.name])) {
			best = k
		}
	}
	return best
}

// ids reports whether the rows of a list have ids that differ.
func (p *prober) ids(k *kind) bool {
	rows := p.lists[k.name]
	return rows[0].id(k.id) != 0 && rows[0].id(k.id) != rows[1].id(k.id)
}

// tryQueries tries filter, sort, limit and offset on every list that is long enough.
func (p *prober) tryQueries(ctx context.Context) {
	const how = "a list of two rows or more, with an id as filter, sorted by id, and with limit=1&offset=1"
	if !p.documented.known() {
		if k := p.shortest(true); k == nil {
			const why = "no list with documented filters has two rows"
			p.unknown("paging", why)
			p.unknown("filters", why)
		} else if q, err := p.tryQuery(ctx, k.list, k.id, p.lists[k.name]); err != nil {
			p.failed("paging", err)
			p.failed("filters", err)
		} else {
			p.documented = q
			p.options.IgnorePaging = q.paging == ignored
			p.options.IgnoreFilters = q.filter == ignored && q.sort == ignored
			p.find("paging", Seen, how, "%s", q.paging)
			p.find("filters", Seen, how, "%s", query{q.filter, q.sort, q.filter}.filters())
		}
	}
	for _, name := range []string{"user", "group"} {
		k := p.kindOf(name)
		p.tryUndocumented(ctx, "query."+k.plural, k.list, k.id, p.lists[name])
	}
	if !p.known("query.domains") {
		rows, _, err := p.rows(ctx, "/config/v2/sip/domains", nil)
		if err != nil {
			p.failed("query.domains", err)
			return
		}
		p.tryUndocumented(ctx, "query.domains", "/config/v2/sip/domains", "domainId", rows)
	}
}

func (q query) filters() string {
	if q.filter == q.sort {
		return string(q.filter)
	}
	return fmt.Sprintf("filter %s, sort %s", q.filter, q.sort)
}

// tryUndocumented tries a list whose filters are not documented.
func (p *prober) tryUndocumented(ctx context.Context, key, path, id string, rows []row) {
	if p.known(key) {
		return
	}
	if len(rows) < 2 || rows[0].id(id) == rows[1].id(id) {
		p.unknown(key, "two rows are needed: the list has %d", len(rows))
		return
	}
	q, err := p.tryQuery(ctx, path, id, rows)
	if err != nil {
		p.failed(key, err)
		return
	}
	how := "an id as filter, sorted by id, and with limit=1&offset=1"
	found := q.String()
	if !p.undocumented.known() {
		p.undocumented = q
		checked := false
		if q.all(ignored) && p.documented.all(ignored) {
			// Where no list does anything with its query, a query that is wrong may
			// still tell a list that reads it from one that does not.
			a, err := p.get(ctx, path, url.Values{"limit": {"x"}})
			if checked = err == nil && a.refused(); checked {
				found, how = "read, but without effect", how+"; limit=x is refused"
			}
		}
		switch {
		case q.any(rejected):
			p.options.UndocumentedQuery = siptest.UndocumentedQueryRejected
		case q.any(honoured), checked:
			p.options.UndocumentedQuery = siptest.UndocumentedQueryHonoured
		}
	}
	p.find(key, Seen, how, "%s", found)
}

// tryReads tries what a read shows of formats, paths and errors.
func (p *prober) tryReads(ctx context.Context) {
	if a, err := p.get(ctx, "", url.Values{"format": {"jsonarray"}}); err != nil {
		p.failed("format", err)
	} else {
		const how = "a read of the domain"
		switch rows, err := parseRows(a.body); {
		case a.refused():
			p.find("format", Seen, how, "refused (%d)", a.status)
		case err == nil && len(rows) == 1 && strings.HasPrefix(strings.TrimSpace(string(a.body)), "["):
			p.find("format", Seen, how, "honoured: an array")
		default:
			p.find("format", Seen, how, "ignored")
		}
	}
	if a, err := p.get(ctx, "", url.Values{"display[]": {"domainId"}}); err != nil {
		p.failed("display", err)
	} else {
		const how = "a read of the domain with display[]=domainId"
		switch rows, err := parseRows(a.body); {
		case a.refused():
			p.find("display", Seen, how, "refused (%d)", a.status)
		case err == nil && len(rows) == 1 && len(rows[0]) == 1:
			p.find("display", Seen, how, "honoured: that member alone")
		default:
			p.find("display", Seen, how, "ignored")
		}
	}
	p.tryPath("path.list", "a GET", []string{"/trustedNetworks", "/trustedNetwork"}, func(path string) (answer, error) {
		return p.get(ctx, path, nil)
	})
	p.tryPath("path.case", "a GET", []string{"/Users"}, func(path string) (answer, error) {
		return p.get(ctx, path, nil)
	})
	p.lookAtError(ctx, "error.404", http.StatusNotFound, request{method: http.MethodGet, path: "/users/2147483646"})
	p.lookAtError(ctx, "error.400", http.StatusBadRequest, request{method: http.MethodGet, path: "/queues", form: url.Values{"limit": {"x"}}})
	if a, err := p.read(ctx, request{method: http.MethodPut, path: "/users"}); err != nil {
		p.failed("status.method", err)
	} else {
		p.find("status.method", Seen, "a PUT of the list of users", "%d", a.status)
	}
}

// tryPath tries paths other than the documented one.
func (p *prober) tryPath(key, how string, paths []string, try func(path string) (answer, error)) {
	var accepted, refused []string
	for _, path := range paths {
		a, err := try(path)
		if err != nil {
			p.failed(key, err)
			return
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if a.ok() {
			accepted = append(accepted, name)
		} else {
			refused = append(refused, fmt.Sprintf("%s (%d)", name, a.status))
		}
	}
	p.foundPaths(key, how, accepted, refused)
}

func (p *prober) foundPaths(key, how string, accepted, refused []string) {
	var parts []string
	if len(accepted) > 0 {
		parts = append(parts, "accepted: "+strings.Join(accepted, ", "))
	}
	if len(refused) > 0 {
		parts = append(parts, "refused: "+strings.Join(refused, ", "))
	}
	p.otherPaths[key] = len(refused) == 0
	p.find(key, Seen, how, "%s", strings.Join(parts, "; "))
}

// lookAtError records the body of an error that a request is to get.
func (p *prober) lookAtError(ctx context.Context, key string, status int, r request) {
	a, err := p.read(ctx, r)
	switch {
	case err != nil:
		p.failed(key, err)
	case a.status == status:
		p.foundError(key, a)
	case a.refused():
		p.find(key, Seen, "", "%s, of a %d", bodyKind(a), a.status)
	default:
		p.unknown(key, "the server answered %d to what was to be refused", a.status)
	}
}

func (p *prober) foundError(key string, a answer) {
	kind := bodyKind(a)
	how := "a request that is to be refused"
	if contentType := a.header.Get("Content-Type"); contentType != "" {
		how += ", answered as " + contentType
	}
	p.find(key, Seen, how, "%s", kind)
	if key != "error.404" {
		return
	}
	switch {
	case kind == "HTML":
		p.options.ErrorBody = siptest.ErrorBodyHTML
	case kind == "a JSON string":
		p.options.ErrorBody = siptest.ErrorBodyJSONString
	case strings.HasPrefix(kind, "a JSON object"):
		p.options.ErrorBody = siptest.ErrorBodyJSONObject
	}
}

// lookForCap asks for rows behind the end of the longest lists.
func (p *prober) lookForCap(ctx context.Context) {
	for _, documented := range []bool{true, false} {
		q := p.undocumented
		if documented {
			q = p.documented
		}
		k := p.longest(func(k *kind) bool { return k.documented == documented })
		if k == nil || q.paging != honoured {
			continue
		}
		n := len(p.lists[k.name])
		rows, _, err := p.rows(ctx, k.list, url.Values{"limit": {"1"}, "offset": {strconv.Itoa(n)}})
		if err != nil {
			p.failed("cap", err)
			return
		}
		if len(rows) > 0 {
			p.foundCut(k, n, "there are rows behind the end of the list of "+k.plural)
		}
	}
	p.noCap()
}

// longest is the kind with the longest list, or nil if all are empty.
func (p *prober) longest(which func(*kind) bool) *kind {
	best := slices.MaxFunc(p.kinds, func(a, b *kind) int {
		return cmp.Compare(lengthIf(which(a), p.lists[a.name]), lengthIf(which(b), p.lists[b.name]))
	})
	if lengthIf(which(best), p.lists[best.name]) == 0 {
		return nil
	}
	return best
}

func lengthIf(is bool, rows []row) int {
	if !is {
		return 0
	}
	return len(rows)
}

func (p *prober) foundCut(k *kind, n int, how string) {
	p.cut[k.name] = n
	if n != 10_000 {
		p.options.MaxRows = n
	}
	p.find("cap", Seen, how, "%d", n)
}

func (p *prober) noCap() {
	if p.known("cap") {
		return
	}
	n := 0
	for _, rows := range p.lists {
		n = max(n, len(rows))
	}
	p.unknown("cap", "it cannot be found out here: the longest list has %d rows, and no row is missing", n)
}

// isCut reports whether rows may be missing from a list.
func (p *prober) isCut(k *kind, rows []row) bool {
	n := len(rows)
	if p.cut[k.name] > 0 || n >= 100 && n%100 == 0 {
		return true
	}
	for _, cut := range p.cut {
		if n == cut {
			return true
		}
	}
	return false
}

// lookAtConnections finds out after how many requests the server closes a connection.
func (p *prober) lookAtConnections(ctx context.Context) {
	const most = 15 // requests to reach the next closing
	ended, _, served := p.meter.closings()
	if len(ended) == 0 {
		return
	}
	keep := slices.Min(ended)
	p.meter.beCareful(keep)
	if keep != slices.Max(ended) || p.meter.closesAfterBodies() || keep-served > most {
		return
	}
	// Before the request that the connection does not serve, there is a pause: a server
	// that closes at once has done so then.
	p.meter.beCareful(0)
	defer p.meter.beCareful(keep)
	for {
		before, crossed, served := p.meter.closings()
		last := served >= keep
		if last && sleep(ctx, 500*time.Millisecond) != nil {
			return
		}
		if _, err := p.get(ctx, "", nil); err != nil {
			return
		}
		after, crossedNow, _ := p.meter.closings()
		if len(after) == len(before) && !last {
			continue
		}
		if last && len(after) > len(before) && after[len(after)-1] == keep {
			p.options.KeepRequests, p.options.CloseLate = keep, crossedNow > crossed
			found := "closed right after %d requests"
			if p.options.CloseLate {
				found = "closed after %d requests, when the next one comes"
			}
			p.find("connections", Seen, "a pause after that many requests", found, keep)
		}
		return
	}
}
