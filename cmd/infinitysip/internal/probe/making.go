package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/siptest"
)

// chooseKeys looks for extension numbers, networks and MAC addresses that nobody uses.
func (p *prober) chooseKeys(context.Context) {
	used := map[string]bool{}
	for _, rows := range p.lists {
		for _, r := range rows {
			used[r.text("extensionNumber")] = true
			used[bareMAC(r.text("deviceMacAddress"))] = true
		}
	}
	p.extensions = slices.DeleteFunc(slices.Clone(p.extensions), func(number string) bool { return used[number] })
	for n := range 256 {
		if mac := fmt.Sprintf("00005e0053%02x", n); !used[mac] {
			p.macs = append(p.macs, mac)
		}
	}
	shuffle(p.macs)
	p.networks = freeNetworks(p.lists["network"])
	switch {
	case len(p.extensions) < ExtensionsNeeded:
		p.stopped = &ExtensionsError{Free: len(p.extensions)}
	case len(p.networks) < 2:
		p.stopped = errors.New("probing: the networks for documentation (RFC 5737) are all in use, so none can be made to try")
	}
}

// freeNetworks are networks for documentation that overlap with none of the rows.
func freeNetworks(rows []row) []netip.Prefix {
	var free []netip.Prefix
	for _, text := range []string{"203.0.113.0", "198.51.100.0", "192.0.2.0"} {
		block := netip.MustParseAddr(text).As4()
		for n := range 16 {
			block[3] = byte(n * 16)
			network := netip.PrefixFrom(netip.AddrFrom4(block), 28)
			if !slices.ContainsFunc(rows, func(r row) bool {
				other, err := netip.ParsePrefix(strings.TrimSpace(r.text("network")))
				return err == nil && other.Overlaps(network)
			}) {
				free = append(free, network)
			}
		}
	}
	shuffle(free)
	return free
}

func shuffle[T any](all []T) {
	for i := len(all) - 1; i > 0; i-- {
		var random [1]byte
		_, _ = rand.Read(random[:]) // never fails
		j := int(random[0]) % (i + 1)
		all[i], all[j] = all[j], all[i]
	}
}

func bareMAC(text string) string {
	return strings.ToLower(strings.NewReplacer(":", "", "-", "", ".", "", " ", "").Replace(text))
}

// mac is a bare MAC address with a separator between its pairs.
func mac(bare, separator string) string {
	var pairs []string
	for i := 0; i < len(bare); i += 2 {
		pairs = append(pairs, bare[i:i+2])
	}
	return strings.Join(pairs, separator)
}

func take[T any](from *[]T) (T, bool) {
	if len(*from) == 0 {
		var none T
		return none, false
	}
	first := (*from)[0]
	*from = (*from)[1:]
	return first, true
}

// makeThings makes two devices, two networks, a queue, a group and two users.
func (p *prober) makeThings(ctx context.Context) {
	p.device1 = p.makeDevice(ctx, ":", strings.ToLower)
	p.measureLag(ctx)
	p.network1 = p.makeNetwork(ctx, true)
	p.network2 = p.makeNetwork(ctx, false)
	p.device2 = p.makeDevice(ctx, "-", strings.ToUpper)
	p.queue = p.makeNamed(ctx, p.kindOf("queue"), url.Values{})
	p.group = p.makeNamed(ctx, p.kindOf("group"), groupForm())
	p.user1 = p.makeNamed(ctx, p.kindOf("user"), p.userForm())
	p.user2 = p.makeNamed(ctx, p.kindOf("user"), p.userForm())
	p.judgeCreated()
	p.marked = p.meter.Used() // making things is nobody's question
	p.findIDs(ctx)
}

func groupForm() url.Values {
	return url.Values{"ringRetry": {"1"}, "ringExclusive": {"0"}, "callerNameFormat": {"{displayName}"}}
}

func (p *prober) userForm() url.Values {
	return url.Values{"password": {"pA1-" + rand.Text()}, "pin": {fmt.Sprint(481_000 + len(p.things))}}
}

func (p *prober) makeDevice(ctx context.Context, separator string, spell func(string) string) *thing {
	for range 3 { // another domain may have the address
		bare, ok := take(&p.macs)
		if !ok {
			return nil
		}
		key := spell(mac(bare, separator))
		t, a, err := p.create(ctx, p.kindOf("device"), key, url.Values{"deviceMacAddress": {key}})
		if err != nil || !a.refused() {
			return t
		}
	}
	return nil
}

func (p *prober) makeNetwork(ctx context.Context, hostBits bool) *thing {
	network, ok := take(&p.networks)
	if !ok {
		return nil
	}
	k := p.kindOf("network")
	if hostBits {
		key := netip.PrefixFrom(network.Addr().Next().Next().Next(), network.Bits()).String()
		t, a, err := p.create(ctx, k, key, url.Values{"network": {key}})
		if err != nil || !a.refused() {
			return t
		}
		p.hostBits = a.status
	}
	key := network.String()
	t, _, _ := p.create(ctx, k, key, url.Values{"network": {key}})
	return t
}

// makeNamed makes a user, a group or a queue. The name of the first of a kind has
// capitals and spaces around it, to see what becomes of them.
func (p *prober) makeNamed(ctx context.Context, k *kind, form url.Values) *thing {
	if why := p.cannotFind(k); why != "" {
		p.skipped[k.name] = why
		return nil
	}
	plain := "P" + p.mark[1:] + "-" + strings.ToUpper(k.name[:1]) + strconv.Itoa(p.count+1)
	name := " " + plain + " "
	if p.everMade(k) {
		name = plain
	}
	var t *thing
	for range 3 {
		extension, ok := take(&p.extensions)
		if !ok {
			p.skipped[k.name] = noExtension
			return t
		}
		form.Set(k.key, name)
		form.Set("extensionNumber", extension)
		var a answer
		var err error
		t, a, err = p.create(ctx, k, name, form)
		t.extension = extension
		if err != nil || !a.refused() {
			return t
		}
		if name != plain && a.status != http.StatusConflict { // the spaces, not the number
			p.spaces[k.name] = a.status
			name = plain
		}
	}
	return t
}

// cannotFind says why a thing of a kind must not be made: its id could not be found,
// and so nobody could take it away.
func (p *prober) cannotFind(k *kind) string {
	if p.created["network"] != "none" || !p.isCut(k, p.lists[k.name]) || p.searchable(k) {
		return ""
	}
	return fmt.Sprintf("a create does not answer an id, and the list of %s may be cut at %d rows: what is made could not be found again", k.plural, len(p.lists[k.name]))
}

// searchable reports whether things of a kind can be found in a list that is cut.
func (p *prober) searchable(k *kind) bool {
	q := p.undocumented
	if k.documented {
		q = p.documented
	}
	return q.filter == honoured || q.paging == honoured
}

// lookAtCreated reads the answer to a create.
func (p *prober) lookAtCreated(t *thing, a answer) {
	kind := "something else"
	rows, err := parseRows(a.body)
	switch {
	case len(strings.TrimSpace(string(a.body))) == 0:
		kind = "none"
	case err == nil && len(rows) == 1 && t.kind.idOf(rows[0]) != 0:
		t.id = t.kind.idOf(rows[0])
		if kind = "id"; rows[0].text(t.kind.title) != "" || rows[0].text(t.kind.key) != "" {
			kind = "row"
		}
	}
	if p.created[t.kind.name] == "" {
		p.created[t.kind.name] = kind
	}
}

func (p *prober) judgeCreated() {
	text := map[string]string{"id": "the new id alone", "row": "the whole row", "none": "nothing", "something else": "something else"}
	for _, k := range p.kinds {
		if kind := p.created[k.name]; kind != "" {
			p.find("create."+k.name, Seen, "the body of a 201", "%s", text[kind])
		} else if why := p.skipped[k.name]; why != "" {
			p.unknown("create."+k.name, "%s", why)
		} else {
			p.unknown("create."+k.name, "%s", p.noneMade(k.name))
		}
	}
	counts := map[string]int{}
	for name, kind := range p.created {
		if name != "device" {
			counts[kind]++
		}
	}
	switch {
	case counts["row"] > max(counts["id"], counts["none"]):
		p.options.CreateBody = siptest.CreateBodyRow
	case counts["none"] > counts["id"]:
		p.options.CreateBody = siptest.CreateBodyNone
	}
}

// measureLag looks until a list shows the first device.
func (p *prober) measureLag(ctx context.Context) {
	t := p.device1
	if t == nil || t.state != made {
		p.unknown("lag", "no device could be made")
		return
	}
	query := url.Values{}
	if p.documented.filter == honoured {
		query.Set("filter[]", "pbxDeviceName-eq-value-"+t.mark)
	}
	const how = "the list of devices, from the answer to a create on"
	last := time.Duration(0)
	for _, after := range []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond, 2 * time.Second,
		3 * time.Second, 4 * time.Second, 5 * time.Second, 7 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second, 45 * time.Second, time.Minute} {
		if after > p.wait {
			break
		}
		if err := sleep(ctx, after-time.Since(t.at)); err != nil {
			p.failed("lag", err)
			return
		}
		at := time.Since(t.at)
		rows, _, err := p.rowsUnpaced(ctx, t.kind.list, query)
		if err != nil {
			p.failed("lag", err)
			return
		}
		if p.identify(t.kind, rows) {
			if p.lag = 0; after == 0 {
				p.find("lag", Seen, how, "none: it shows it at once")
			} else {
				p.lag = at.Round(time.Millisecond)
				p.options.ListLag = p.lag
				p.find("lag", Seen, how, "more than %s, at most %s", last.Round(time.Millisecond), p.lag)
			}
			return
		}
		last = at
	}
	if p.isCut(t.kind, p.lists["device"]) && query.Get("filter[]") == "" {
		p.unknown("lag", "the list of devices is cut, so it may never show what is new")
		return
	}
	p.lag, p.lagged = p.wait, true
	p.options.ListLag = p.wait
	p.find("lag", Likely, how, "more than %s: the list still did not show it", p.wait)
}

func (p *prober) rowsUnpaced(ctx context.Context, path string, query url.Values) ([]row, answer, error) {
	rate := p.rate
	p.rate = 0
	defer func() { p.rate = rate }()
	return p.rows(ctx, path, query)
}

// waitForLists waits until the lists show what was made.
func (p *prober) waitForLists(ctx context.Context) error {
	var last time.Time
	for _, t := range p.things {
		if t.at.After(last) {
			last = t.at
		}
	}
	return sleep(ctx, max(p.lag, 0)-time.Since(last))
}

// findIDs reads the lists again: for the ids that creates did not answer, and to see
// whether a list is cut.
func (p *prober) findIDs(ctx context.Context) {
	if p.waitForLists(ctx) != nil {
		return
	}
	for _, k := range p.kinds {
		if !p.everMade(k) {
			continue
		}
		rows, _, err := p.rows(ctx, k.list, nil)
		if err != nil {
			continue
		}
		p.lists[k.name] = rows
		if p.identify(k, rows) || p.lagged || p.lag < 0 && !p.isCut(k, rows) {
			continue
		}
		p.foundCut(k, len(rows), "a new row is not in the list of "+k.plural)
		if rows, _, err := p.whole(ctx, k, false); err == nil {
			p.identify(k, rows)
		}
	}
	p.noCap()
}
