package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A kind is a kind of thing that the probe makes.
type kind struct {
	name       string // "user"
	plural     string // "users"
	list       string // the path of the list
	make       string // the path that creates
	one        string // the path of one, without its id
	change     string // the path of one, to change and delete it
	id         string // the member with the id
	key        string // the member with the key
	title      string // the member that holds the thing's mark, which nothing rewrites
	documented bool   // the API documents filter, sort, limit and offset of the list
	command    string // of the command line, to delete one
}

// kinds are all kinds, in the order in which the clean-up deletes them.
func kinds() []*kind {
	return []*kind{
		{name: "queue", plural: "queues", list: "/queues", make: "/queues", one: "/queues", change: "/queues", id: "queueId", key: "queueName", title: "displayName", documented: true, command: "queues"},
		{name: "group", plural: "groups", list: "/groups", make: "/groups", one: "/groups", change: "/groups", id: "groupId", key: "groupName", title: "displayName", command: "groups"},
		{name: "device", plural: "devices", list: "/devices", make: "/devices", one: "/devices", change: "/devices", id: "pbxDeviceId", key: "deviceMacAddress", title: "pbxDeviceName", documented: true, command: "devices"},
		{name: "user", plural: "users", list: "/users", make: "/users", one: "/users", change: "/users", id: "userId", key: "user", title: "displayName", command: "users"},
		{name: "network", plural: "trusted networks", list: "/trustednetworks", make: "/trustedNetworks", one: "/trustedNetworks", change: "/trustedNetwork", id: "trustedNetworkId", key: "network", title: "description", documented: true, command: "networks"},
	}
}

// idOf is the id of a row. The name of a network's id is a guess of the SDK's.
func (k *kind) idOf(r row) int64 {
	if id := r.id(k.id); id != 0 || k.name != "network" {
		return id
	}
	for name := range r {
		if lower := strings.ToLower(name); strings.HasSuffix(lower, "networkid") || lower == "id" {
			return r.id(name)
		}
	}
	return 0
}

// A state says what became of a thing.
type state int

const (
	notMade state = iota // nothing was sent, or the server refused it
	doubtful
	made
	gone
)

// A thing is one that the probe made, or tried to make.
type thing struct {
	kind      *kind
	mark      string // its title, which begins with the probe's own
	key       string // as it was sent
	extension string
	id        int64 // 0: not known yet
	state     state
	at        time.Time // when the answer came
	date      time.Time // the server's clock then
	answered  bool      // its create, with whatever status
	why       error     // why it could not be taken away
}

// String names a thing, for people.
func (t *thing) String() string {
	if t.id == 0 {
		return fmt.Sprintf("%s %s", t.kind.name, t.mark)
	}
	return fmt.Sprintf("%s %s (id %d)", t.kind.name, t.mark, t.id)
}

func (t *thing) path() string { return t.kind.one + "/" + strconv.FormatInt(t.id, 10) }

func (t *thing) changePath() string { return t.kind.change + "/" + strconv.FormatInt(t.id, 10) }

// alive reports whether the thing is on the server and its id is known.
func (t *thing) alive() bool { return t != nil && t.state == made && t.id != 0 }

// mine reports whether a row is one that this probe made: its mark is in it. A row that
// does not show what has the mark is told by its key, which nobody had before.
func (p *prober) mine(k *kind, r row) bool {
	if strings.Contains(strings.ToLower(r.text(k.title)), p.mark) || strings.Contains(strings.ToLower(r.text(k.key)), p.mark) {
		return true
	}
	return r.text(k.title) == "" && slices.ContainsFunc(p.things, func(t *thing) bool {
		return t.kind == k && t.state != notMade && sameKey(k, t.key, r.text(k.key))
	})
}

// is reports whether a row is that of a thing.
func (t *thing) is(r row) bool {
	switch title := r.text(t.kind.title); {
	case t.id != 0 && t.kind.idOf(r) == t.id:
		return true
	case title != "":
		return strings.EqualFold(title, t.mark)
	}
	return t.id == 0 && sameKey(t.kind, t.key, r.text(t.kind.key))
}

// sameKey compares a key that was sent with one that the server shows.
func sameKey(k *kind, sent, shown string) bool {
	switch {
	case sent == "" || shown == "":
		return false
	case k.name == "device":
		return bareMAC(sent) == bareMAC(shown)
	case k.name == "network":
		a, err := netip.ParsePrefix(sent)
		b, err2 := netip.ParsePrefix(strings.TrimSpace(shown))
		return err == nil && err2 == nil && a.Masked() == b.Masked()
	}
	return strings.EqualFold(strings.TrimSpace(sent), strings.TrimSpace(shown))
}

// errNotMade is the error of a create that was not sent, because the clean-up could
// then need more requests than there are.
var errNotMade = errors.New("the requests are used up")

// create makes a thing. The answer tells whether it did; the thing is in p.things
// whatever happened.
func (p *prober) create(ctx context.Context, k *kind, key string, form url.Values) (*thing, answer, error) {
	p.count++
	t := &thing{kind: k, mark: fmt.Sprintf("%s-%s%d", p.mark, k.name[:1], p.count), key: key}
	if p.meter.left() < 1+perThing {
		return t, answer{}, errNotMade
	}
	t.state = doubtful // from here on it may be there
	p.things = append(p.things, t)
	p.keepReserve()
	form.Set(k.title, t.mark)
	a, sent, err := p.ask(ctx, request{method: http.MethodPost, path: k.make, form: form})
	t.at = time.Now()
	t.answered = err == nil
	switch {
	case !sent || err == nil && a.refused():
		t.state = notMade
		p.refusals[k.name] = a.status
	case err == nil && a.ok():
		t.state = made
		t.date, _ = http.ParseTime(a.header.Get("Date"))
		p.lookAtCreated(t, a)
	}
	p.keepReserve()
	return t, a, err
}

// What the clean-up keeps of the requests: the lists twice, and for each thing two
// attempts to delete it and a look.
const perThing, forLists = 3, 12

func (p *prober) keepReserve() {
	n := 0
	for _, t := range p.things {
		if t.state == made || t.state == doubtful {
			n++
		}
	}
	reserve := 0
	if n > 0 {
		reserve = forLists + perThing*n
	}
	p.meter.setReserve(reserve)
}

// identify takes the ids of things from the rows of a list, and reports whether each
// thing that was surely made is in it.
func (p *prober) identify(k *kind, rows []row) (complete bool) {
	complete = true
	for _, t := range p.things {
		if t.kind != k || t.state != made && t.state != doubtful {
			continue
		}
		found := false
		for _, r := range rows {
			if t.is(r) {
				t.id, t.state, found = k.idOf(r), made, true
				break
			}
		}
		complete = complete && (found || t.state == doubtful)
	}
	return complete
}

// cleanUp deletes whatever the probe made, and returns what may be left. It goes on
// after ctx has ended, for at most Config.CleanUp.
func (p *prober) cleanUp(ctx context.Context) (left []*thing, err error) {
	if len(p.things) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cleanUpTime)
	defer cancel()
	p.meter.setReserve(0)
	p.progress("Taking away what was made")
	for _, k := range p.kinds {
		for _, t := range p.things {
			if t.kind == k && t.state == made && t.id != 0 {
				p.takeAway(ctx, t)
			}
		}
	}
	unseen := map[*kind]error{} // lists that could not be read
	for _, k := range p.kinds {
		if p.everMade(k) {
			unseen[k] = p.lookForLeft(ctx, k)
		}
	}
	for _, t := range p.things {
		switch {
		case t.state == made:
			left = append(left, t)
		case t.state == doubtful && unseen[t.kind] != nil:
			t.why = unseen[t.kind]
			left = append(left, t)
		}
	}
	return left, nil
}

func (p *prober) everMade(k *kind) bool {
	for _, t := range p.things {
		if t.kind == k && t.state != notMade {
			return true
		}
	}
	return false
}

// lookForLeft looks into a list for things of the probe that are still there, and
// deletes them. It looks again and again while a create is in doubt, because it may
// take effect late, or show late.
func (p *prober) lookForLeft(ctx context.Context, k *kind) error {
	var failed error
	looks := []time.Duration{0, 0} // the second only if the first one finds something
	if since, ok := p.unseenSince(k); ok {
		wait := p.lagBound()
		looks = []time.Duration{0, wait/4 - time.Since(since), wait / 4, wait / 4, wait / 4}
	}
	for i, wait := range looks {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		rows, conclusive, err := p.whole(ctx, k, true)
		failed = err
		if err != nil {
			continue
		}
		found := false
		for _, r := range rows {
			if !p.mine(k, r) {
				continue
			}
			found = true
			if t := p.thingOf(k, r); t.state != gone || p.isThere(ctx, t) {
				p.takeAway(ctx, t)
			}
		}
		if conclusive {
			p.dropGone(ctx, k, rows)
		}
		_, unseen := p.unseenSince(k)
		if !unseen && (!found || i > 0) {
			break
		}
		if !conclusive && unseen {
			failed = fmt.Errorf("the list of %s is cut, and may have it behind its end", k.plural)
		}
	}
	return failed
}

// dropGone looks at things that could not be deleted and are not in the list: the answer
// to their delete may be lost.
func (p *prober) dropGone(ctx context.Context, k *kind, rows []row) {
	for _, t := range p.things {
		if t.kind != k || !t.alive() || slices.ContainsFunc(rows, func(r row) bool { return k.idOf(r) == t.id }) {
			continue
		}
		if a, err := p.read(ctx, request{method: http.MethodGet, path: t.path(), cleaning: true}); err == nil && isGone(a) {
			t.state, t.why = gone, nil
		}
	}
}

func isGone(a answer) bool {
	return a.status == http.StatusNotFound || a.status == http.StatusGone
}

// isThere looks whether a thing that was deleted is still there: a list may lag, but a
// delete may also have missed.
func (p *prober) isThere(ctx context.Context, t *thing) bool {
	a, err := p.read(ctx, request{method: http.MethodGet, path: t.path(), cleaning: true})
	if err == nil && a.ok() {
		t.state = made
		return true
	}
	return false
}

// unseenSince says since when a thing of a kind is not known to be there or not.
func (p *prober) unseenSince(k *kind) (since time.Time, ok bool) {
	for _, t := range p.things {
		if t.kind == k && (t.state == doubtful || t.state == made && t.id == 0) {
			since, ok = t.at, true
		}
	}
	return since, ok
}

// thingOf is the thing of a row that the probe made, a new one if it is not known.
func (p *prober) thingOf(k *kind, r row) *thing {
	id := k.idOf(r)
	var unknown *thing
	for _, t := range p.things {
		switch {
		case t.kind != k:
		case t.id == id:
			return t
		case t.id == 0 && t.is(r):
			unknown = t
		}
	}
	if unknown == nil {
		unknown = &thing{kind: k, mark: cmp.Or(r.text(k.title), r.text(k.key))}
		p.things = append(p.things, unknown)
	}
	unknown.id, unknown.state = id, made
	return unknown
}

// whole reads a list, and what is behind its end if it may be cut. conclusive reports
// whether all things of the probe that are there are among the rows.
func (p *prober) whole(ctx context.Context, k *kind, cleaning bool) (rows []row, conclusive bool, err error) {
	read := func(query url.Values) ([]row, error) {
		a, err := p.read(ctx, request{method: http.MethodGet, path: k.list, form: query, cleaning: cleaning})
		if err != nil {
			return nil, err
		}
		if !a.ok() {
			return nil, statusError(a.status)
		}
		return parseRows(a.body)
	}
	rows, err = read(nil)
	if err != nil || !p.isCut(k, rows) {
		return rows, err == nil, err
	}
	q := p.undocumented
	if k.documented {
		q = p.documented
	}
	switch {
	case q.filter == honoured:
		for _, t := range p.things {
			if t.kind == k && (t.state == made || t.state == doubtful) {
				more, err := read(url.Values{"filter[]": {k.title + "-eq-value-" + t.mark}})
				if err != nil {
					return rows, false, err
				}
				rows = append(rows, more...)
			}
		}
		return rows, true, nil
	case q.paging == honoured:
		more, err := read(url.Values{"offset": {strconv.Itoa(len(rows))}})
		return append(rows, more...), err == nil && !p.isCut(k, more), err
	}
	return rows, false, nil
}

// takeAway deletes one thing. If the server refuses that, what hangs on the thing is
// taken from it first.
func (p *prober) takeAway(ctx context.Context, t *thing) {
	for attempt := range 3 {
		if sleep(ctx, time.Duration(attempt)*500*time.Millisecond) != nil {
			return
		}
		a, _, err := p.ask(ctx, request{method: http.MethodDelete, path: t.changePath(), cleaning: true})
		switch {
		case err != nil:
			t.why = err
			if errors.Is(err, errBudget) || ctx.Err() != nil {
				return
			}
		case a.ok() || isGone(a):
			t.state, t.why = gone, nil
			return
		default:
			t.why = statusError(a.status)
			if a.refused() && attempt == 0 {
				p.strip(ctx, t)
			}
		}
	}
}

// strip takes from a thing what may keep the server from deleting it.
func (p *prober) strip(ctx context.Context, t *thing) {
	remove := func(path string, form url.Values) {
		_, _, _ = p.ask(ctx, request{method: http.MethodDelete, path: path, form: form, cleaning: true}) // the delete that follows tells
	}
	list := func(path string) []row {
		a, err := p.read(ctx, request{method: http.MethodGet, path: path, cleaning: true})
		if err != nil || !a.ok() {
			return nil
		}
		rows, _ := parseRows(a.body)
		return rows
	}
	switch t.kind.name {
	case "queue":
		for _, member := range list(t.path() + "/members") {
			remove(t.path()+"/members/"+member.text("queueMemberId"), nil)
		}
	case "group":
		var ids []string
		for _, user := range list(t.path() + "/users") {
			ids = append(ids, user.text("userId"))
		}
		if len(ids) > 0 {
			remove(t.path()+"/users", url.Values{"userSpec[]": ids})
		}
	case "user":
		for _, device := range list(t.path() + "/devices") {
			remove(t.path()+"/devices/"+device.text("pbxDeviceId"), nil)
		}
	case "device":
		for _, owner := range p.things {
			if owner.kind.name == "user" && owner.alive() {
				remove(owner.path()+"/devices/"+strconv.FormatInt(t.id, 10), nil)
			}
		}
	}
}
