package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// tryDuplicates makes things a second time, with the same key.
func (p *prober) tryDuplicates(ctx context.Context) {
	// Those first whose lists can be searched: a failure of the server leaves doubts.
	p.tryDuplicate(ctx, "unique.network", p.network1, p.kindOf("network"), func(first *thing, form url.Values) bool {
		form.Set("network", first.key)
		return true
	})
	p.tryDuplicate(ctx, "unique.mac", p.device1, p.kindOf("device"), func(first *thing, form url.Values) bool {
		form.Set("deviceMacAddress", first.key)
		return true
	})
	for _, name := range []string{"queue", "group", "user"} {
		k := p.kindOf(name)
		p.tryDuplicate(ctx, "unique."+name, p.firstOf(name), k, func(first *thing, form url.Values) bool {
			extension, ok := take(&p.extensions)
			form.Set(k.key, first.key)
			form.Set("extensionNumber", extension)
			return ok
		})
	}
	for _, name := range []string{"queue", "group", "user"} {
		k := p.kindOf(name)
		p.tryDuplicate(ctx, "unique.extension."+name, p.user1, k, func(first *thing, form url.Values) bool {
			form.Set(k.key, fmt.Sprintf("%s-x%d", p.mark, p.count+1))
			form.Set("extensionNumber", first.extension)
			return true
		})
	}
	p.settleDoubts(ctx)
	p.judgeDuplicates()
}

func (p *prober) firstOf(name string) *thing {
	switch name {
	case "user":
		return p.user1
	case "group":
		return p.group
	case "queue":
		return p.queue
	}
	return nil
}

// A second is a second thing with the same key.
type second struct {
	key    string
	thing  *thing
	status int
	answer answer
}

func (p *prober) tryDuplicate(ctx context.Context, key string, first *thing, k *kind, fill func(first *thing, form url.Values) bool) {
	if !first.alive() {
		name := k.name
		if first != nil {
			name = first.kind.name
		}
		p.cannot(key, first, name)
		return
	}
	if why := p.cannotFind(k); why != "" {
		p.unknown(key, "%s", why)
		return
	}
	if p.failing != 0 && p.isCut(k, p.lists[k.name]) && !p.searchable(k) {
		p.unknown(key, "not tried: the server answers %d to a second thing, and the list of %s is cut, so it could not be seen whether it was made", p.failing, k.plural)
		return
	}
	for attempt := range 2 {
		form := url.Values{}
		switch k.name {
		case "user":
			form = p.userForm()
		case "group":
			form = groupForm()
		}
		if !fill(first, form) {
			p.unknown(key, noExtension)
			return
		}
		t, a, err := p.create(ctx, k, form.Get(k.key), form)
		switch {
		case err != nil && attempt == 0 && ctx.Err() == nil && !errors.Is(err, errNotMade):
			continue
		case err != nil:
			p.failed(key, err)
			return
		case a.status >= 500 && attempt == 0:
			continue // a failure of the server once, or its answer to this
		}
		if a.status >= 500 {
			p.failing = a.status
		}
		p.seconds = append(p.seconds, second{key, t, a.status, a})
		p.find(key, Seen, "", "") // counts the requests
		return
	}
}

// settleDoubts finds out whether things whose create got an error of the server are
// there.
func (p *prober) settleDoubts(ctx context.Context) {
	for _, k := range p.kinds {
		if _, ok := p.unseenSince(k); !ok {
			continue
		}
		if p.waitForLists(ctx) != nil {
			return
		}
		rows, conclusive, err := p.whole(ctx, k, false)
		if err != nil {
			continue
		}
		p.identify(k, rows)
		for _, t := range p.things {
			if t.kind == k && t.state == doubtful && t.answered && conclusive && p.lag >= 0 && !p.lagged {
				t.state = notMade
			}
		}
	}
	p.keepReserve()
}

func (p *prober) judgeDuplicates() {
	statuses := map[int]int{}
	allowed := 0
	for _, s := range p.seconds {
		how := "a second create with the same key"
		if s.thing.state == made {
			allowed++
			p.find(s.key, Seen, how, "allowed")
			continue
		}
		statuses[s.status]++
		p.find(s.key, Seen, how, "refused: %d", s.status)
		if s.status == http.StatusConflict || !p.known("error.409") {
			p.find("error.409", Seen, fmt.Sprintf("a second create with the same key, answered %d", s.status), "%s", bodyKind(s.answer))
		}
	}
	switch {
	case len(p.seconds) == 0:
		p.unknown("error.409", "nothing could be made")
	case allowed == len(p.seconds):
		p.options.AllowDuplicates = true
		p.unknown("error.409", "no second thing with the same key was refused")
	case len(statuses) > 0:
		most := 0
		for status, n := range statuses {
			if n > statuses[most] || n == statuses[most] && status < most {
				most = status
			}
		}
		if most != http.StatusConflict {
			p.options.DuplicateStatus = most
		}
	}
}
