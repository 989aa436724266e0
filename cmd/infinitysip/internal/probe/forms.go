package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/infinitysip/infinitysip/siptest"
)

// tryForms tries what the server makes of forms.
func (p *prober) tryForms(ctx context.Context) {
	p.tryPartialUpdate(ctx)
	if !p.user1.alive() {
		p.cannot("form.most", p.user1, "user")
		p.cannot("form.query", p.user1, "user")
		return
	}
	p.tryLongForm(ctx)
	const key, how, value = "form.query", "an update with an empty body and its parameter in the query string", "probe in the query"
	a, err := p.read(ctx, request{method: http.MethodPost, path: p.user1.path(), query: url.Values{"officeName": {value}}.Encode()})
	switch {
	case err != nil:
		p.failed(key, err)
	case !a.ok():
		p.find(key, Seen, how, "refused (%d)", a.status)
	default:
		r, err := p.row(ctx, p.user1.path())
		switch {
		case err != nil:
			p.failed(key, err)
		case r.text("officeName") == value:
			p.find(key, Seen, how, "read")
		default:
			p.find(key, Seen, how, "ignored")
		}
	}
}

func (p *prober) tryPartialUpdate(ctx context.Context) {
	const key, how = "group.partial", "an update with displayName alone"
	if !p.group.alive() {
		p.cannot(key, p.group, "group")
		return
	}
	a, err := p.write(ctx, http.MethodPost, p.group.path(), url.Values{"displayName": {p.group.mark}})
	switch {
	case err != nil:
		p.failed(key, err)
		return
	case !a.ok():
		p.find(key, Seen, how, "refused (%d): all parameters are needed", a.status)
		return
	}
	r, err := p.row(ctx, p.group.path())
	format, retry := r.text("callerNameFormat"), r.text("ringRetry")
	switch {
	case err != nil:
		p.failed(key, err)
	case format != "" && retry == "1":
		p.options.GroupUpdates = siptest.GroupUpdatesKeep
		p.find(key, Seen, how, "accepted: the others stay as they are")
	case format == "" && retry != "1":
		p.options.GroupUpdates = siptest.GroupUpdatesClear
		p.find(key, Seen, how, "accepted: the others become empty")
	default:
		p.find(key, Seen, how, "accepted: some of the others stay, some become empty")
	}
}

// tryLongForm sends one parameter many times, with another value each time. PHP takes
// the last one that it reads, so the row tells where it stopped.
func (p *prober) tryLongForm(ctx context.Context) {
	const key, most = "form.most", 5001
	how := fmt.Sprintf("a form with one parameter %d times: the row has the last one that was read", most)
	var body strings.Builder
	for n := 1; n <= most; n++ {
		fmt.Fprintf(&body, "jobName=%d&", n)
	}
	a, _, err := p.ask(ctx, request{method: http.MethodPost, path: p.user1.path(), form: url.Values{"jobName": {"1"}}, body: []byte(strings.TrimSuffix(body.String(), "&"))})
	if err == nil && !a.ok() {
		p.find(key, Seen, how, "such a form is refused (%d)", a.status)
		return
	}
	var r row
	if err == nil {
		r, err = p.row(ctx, p.user1.path())
	}
	if err != nil {
		p.failed(key, err)
		return
	}
	switch n := int(r.id("jobName")); {
	case n < 1:
		p.unknown(key, "the row does not show the parameter")
	case n == most:
		p.options.MaxInputVars = most - 1
		p.find(key, Seen, how, "%d or more", most-1)
	case n == 1:
		p.find(key, Likely, how, "the first value counts: it cannot be found out so")
	default:
		if n-1 != 1000 {
			p.options.MaxInputVars = n - 1
		}
		p.find(key, Seen, how, "%d", n-1)
	}
}
