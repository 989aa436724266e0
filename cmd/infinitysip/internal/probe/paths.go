package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/infinitysip/infinitysip/siptest"
)

// tryPaths tries the paths of networks that the page has for other methods.
func (p *prober) tryPaths(ctx context.Context) {
	t := p.network1
	if !t.alive() {
		for _, key := range []string{"path.read", "path.create", "path.update"} {
			p.cannot(key, t, "network")
		}
		return
	}
	below := func(name string) string { return fmt.Sprintf("/%s/%d", name, t.id) }
	p.tryPath("path.read", "a GET of one", []string{below("trustednetworks"), below("trustedNetwork")}, func(path string) (answer, error) {
		return p.get(ctx, path, nil)
	})
	p.tryPath("path.update", "a POST of one", []string{below("trustednetworks"), below("trustedNetworks")}, func(path string) (answer, error) {
		return p.write(ctx, http.MethodPost, path, url.Values{"description": {t.mark}})
	})
	// A create without a network makes nothing: the path is known if it is refused as
	// that of the page is.
	var expected int
	if a, ok := p.createNothing(ctx, "/trustedNetworks"); !ok || !a.refused() {
		p.unknown("path.create", "a create without a network is not refused")
		return
	} else {
		expected = a.status
	}
	var accepted, refused []string
	for _, name := range []string{"trustednetworks", "trustedNetwork"} {
		a, ok := p.createNothing(ctx, "/"+name)
		switch {
		case !ok:
			p.unknown("path.create", "there was no answer that could be read")
			return
		case a.status == expected && expected != http.StatusNotFound, a.ok():
			accepted = append(accepted, name)
		default:
			refused = append(refused, fmt.Sprintf("%s (%d)", name, a.status))
		}
	}
	p.foundPaths("path.create", "a create that has no network", accepted, refused)
}

// createNothing sends a create without what it must have. Should it be accepted, the
// clean-up finds what it made by its mark.
func (p *prober) createNothing(ctx context.Context, path string) (answer, bool) {
	k := *p.kindOf("network")
	k.make = path
	t, a, err := p.create(ctx, &k, "", url.Values{})
	t.kind = p.kindOf("network")
	return a, err == nil
}

// tryDeleting deletes the networks: by the paths that the page has for other methods,
// and then by its own, twice.
func (p *prober) tryDeleting(ctx context.Context) {
	if !p.network1.alive() || !p.network2.alive() {
		p.cannot("path.delete", p.network2, "network")
		p.cannot("status.deleted", p.network2, "network")
		return
	}
	targets := map[string]*thing{"trustednetworks": p.network1, "trustedNetworks": p.network2}
	p.tryPath("path.delete", "a DELETE", []string{"/trustednetworks", "/trustedNetworks"}, func(path string) (answer, error) {
		t := targets[strings.TrimPrefix(path, "/")]
		a, _, err := p.ask(ctx, request{method: http.MethodDelete, path: path + "/" + strconv.FormatInt(t.id, 10)})
		if err == nil && a.ok() {
			t.state = gone
		}
		return a, err
	})
	p.judgePaths()
	t := p.network2
	if t.state != gone {
		a, _, err := p.ask(ctx, request{method: http.MethodDelete, path: t.changePath()})
		if err == nil && !a.ok() {
			err = statusError(a.status)
		}
		if err != nil {
			p.failed("status.deleted", err)
			return
		}
		t.state = gone
	}
	read, err := p.get(ctx, t.path(), nil)
	if err != nil {
		p.failed("status.deleted", err)
		return
	}
	again, _, err := p.ask(ctx, request{method: http.MethodDelete, path: t.changePath()})
	if err != nil {
		p.failed("status.deleted", err)
		return
	}
	p.find("status.deleted", Seen, "a network that was deleted", "%d to a read, %d to another delete", read.status, again.status)
}

// judgePaths decides whether all paths are accepted.
func (p *prober) judgePaths() {
	all := true
	for _, key := range []string{"path.list", "path.read", "path.create", "path.update", "path.delete"} {
		all = all && p.otherPaths[key]
	}
	if all {
		p.options.Paths = siptest.PathsAnyCase
	}
}

// rewrites records what becomes of the values of a column.
func (p *prober) rewrites(column, rewrite string) {
	if rewrite == "" {
		return
	}
	if p.options.Rewrites == nil {
		p.options.Rewrites = siptest.Rewrites{}
	}
	p.options.Rewrites[column] = siptest.Rewrite(rewrite)
}
