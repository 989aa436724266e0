package probe

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// tryMembers tries groups in queues, users in groups, and devices of users.
func (p *prober) tryMembers(ctx context.Context) {
	p.tryQueueMembers(ctx)
	p.tryGroupUsers(ctx)
	if !p.user1.alive() || !p.user2.alive() || !p.device1.alive() {
		p.cannot("device.second", p.user2, "user")
		return
	}
	device := url.Values{"pbxDeviceId": {strconv.FormatInt(p.device1.id, 10)}}
	a, err := p.write(ctx, http.MethodPost, p.user1.path()+"/devices", device)
	if err == nil && !a.ok() {
		err = statusError(a.status)
	}
	if err == nil {
		a, err = p.write(ctx, http.MethodPost, p.user2.path()+"/devices", device)
	}
	p.foundStatus("device.second", "a device that one of two users has", a, err)
}

// write makes a request that changes something of the probe's own.
func (p *prober) write(ctx context.Context, method, path string, form url.Values) (answer, error) {
	a, _, err := p.ask(ctx, request{method: method, path: path, form: form})
	return a, err
}

// foundStatus answers a question with whether a request was accepted.
func (p *prober) foundStatus(key, how string, a answer, err error) {
	switch {
	case err != nil:
		p.failed(key, err)
	case a.ok():
		p.find(key, Seen, how, "accepted (%d)", a.status)
	default:
		p.find(key, Seen, how, "refused (%d)", a.status)
	}
}

func (p *prober) tryQueueMembers(ctx context.Context) {
	if !p.queue.alive() || !p.group.alive() {
		for _, key := range []string{"create.member", "member.twice", "query.members"} {
			p.cannot(key, p.group, "group")
		}
		return
	}
	path := p.queue.path() + "/members"
	member := func(order string) (answer, error) {
		return p.write(ctx, http.MethodPost, path, url.Values{
			"groupId": {strconv.FormatInt(p.group.id, 10)}, "ringStrategy": {"all"}, "ringAttempts": {"1"}, "ringSecs": {"20"}, "ringOrder": {order},
		})
	}
	a, err := member("1")
	if err == nil && !a.ok() {
		err = statusError(a.status)
	}
	if err != nil {
		for _, key := range []string{"create.member", "member.twice", "query.members"} {
			p.failed(key, err)
		}
		return
	}
	found := "something else"
	switch rows, err := parseRows(a.body); {
	case len(strings.TrimSpace(string(a.body))) == 0:
		found = "nothing"
	case err == nil && len(rows) == 1 && rows[0].text("ringStrategy") != "":
		found = "the whole row"
	case err == nil && len(rows) == 1 && rows[0].id("queueMemberId") != 0:
		found = "the new id alone"
	}
	p.find("create.member", Seen, "the body of a 201", "%s", found)
	a, err = member("2")
	p.foundStatus("member.twice", "a second create with the same group", a, err)
	if err != nil || !a.ok() {
		p.unknown("query.members", "the list needs two members")
		return
	}
	p.tryLimit(ctx, "query.members", path)
}

// tryLimit tries limit on a list that has two rows of the probe.
func (p *prober) tryLimit(ctx context.Context, key, path string) {
	if err := sleep(ctx, max(p.lag, 0)); err != nil {
		p.failed(key, err)
		return
	}
	rows, a, err := p.rows(ctx, path, url.Values{"limit": {"1"}})
	switch {
	case a.refused():
		p.find(key, Seen, "limit=1", "refused (%d)", a.status)
	case err != nil:
		p.failed(key, err)
	case len(rows) == 1:
		p.find(key, Seen, "limit=1", "honoured")
	case len(rows) == 0:
		p.unknown(key, "the list does not show what was made")
	default:
		p.find(key, Seen, "limit=1", "ignored")
	}
}

func (p *prober) tryGroupUsers(ctx context.Context) {
	keys := []string{"user.twice", "query.groupUsers", "user.absent"}
	if !p.group.alive() || !p.user1.alive() || !p.user2.alive() {
		for _, key := range keys {
			p.cannot(key, p.user2, "user")
		}
		return
	}
	path := p.group.path() + "/users"
	users := func(things ...*thing) url.Values {
		form := url.Values{}
		for _, t := range things {
			form.Add("userSpec[]", strconv.FormatInt(t.id, 10))
		}
		return form
	}
	a, err := p.write(ctx, http.MethodPost, path, users(p.user1, p.user2))
	if err == nil && !a.ok() {
		err = statusError(a.status)
	}
	if err != nil {
		for _, key := range keys {
			p.failed(key, err)
		}
		return
	}
	a, err = p.write(ctx, http.MethodPost, path, users(p.user1))
	p.foundStatus("user.twice", "a second POST with the same user", a, err)
	p.tryLimit(ctx, "query.groupUsers", path)
	a, err = p.write(ctx, http.MethodDelete, path, users(p.user2))
	if err == nil && !a.ok() {
		err = statusError(a.status)
	}
	if err == nil {
		a, err = p.write(ctx, http.MethodDelete, path, users(p.user2))
	}
	p.foundStatus("user.absent", "a second DELETE with the same user", a, err)
}
