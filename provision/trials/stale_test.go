package trials

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"pgregory.net/rapid"
)

// facts are what a server holds, one by one: a thing with its id, a field of a
// thing, who has an extension number, who is in a group, what a queue rings in
// which order, a row of that and how long it rings, and whose a device is.
type facts map[[3]string]string

func (tr *trial) facts() facts {
	f := facts{}
	users, groups := map[infinitysip.UserID]string{}, map[infinitysip.GroupID]string{}
	thing := func(kind provision.Kind, name string, id any, extension string, fields ...string) {
		f[[3]string{"thing", string(kind), name}] = fmt.Sprint(id)
		if extension != "" {
			f[[3]string{"number", extension}] += fmt.Sprintf("%s %s;", kind, name)
			fields = append(fields, "extensionNumber", extension)
		}
		for i := 0; i < len(fields); i += 2 {
			f[[3]string{"field " + fields[i], string(kind), name}] = fields[i+1]
		}
	}
	for _, u := range tr.Users(tr.domain) {
		users[u.ID] = fold(u.User)
		thing(provision.KindUser, fold(u.User), u.ID, u.ExtensionNumber, "displayName", u.DisplayName, "mobileNumber", u.MobileNumber,
			"hotdeskAllowed", fmt.Sprint(u.HotdeskAllowed))
	}
	for _, g := range tr.Groups(tr.domain) {
		groups[g.ID] = fold(g.Name)
		thing(provision.KindGroup, fold(g.Name), g.ID, g.ExtensionNumber, "displayName", g.DisplayName, "ringRetry", fmt.Sprint(g.RingRetry))
		for _, id := range tr.GroupUsers(tr.domain, g.ID) {
			f[[3]string{"in", fold(g.Name), users[id]}] = "yes"
		}
	}
	for _, q := range tr.Queues(tr.domain) {
		name := fold(q.Name)
		thing(provision.KindQueue, name, q.ID, q.ExtensionNumber, "displayName", q.DisplayName)
		rows := tr.QueueMembers(tr.domain, q.ID)
		slices.SortFunc(rows, func(a, b infinitysip.QueueMember) int { return a.RingOrder - b.RingOrder })
		for _, row := range rows {
			f[[3]string{"rings", name}] += fmt.Sprint(row.ID, " ")
			f[[3]string{"row", name, fmt.Sprint(row.ID)}] = groups[row.GroupID]
			f[[3]string{"secs", name, fmt.Sprint(row.ID)}] = fmt.Sprint(row.RingSecs)
		}
	}
	for _, n := range tr.TrustedNetworks(tr.domain) {
		thing(provision.KindTrustedNetwork, n.Network.String(), n.ID, "", "description", n.Description)
	}
	for _, d := range tr.Devices(tr.domain) {
		thing(provision.KindDevice, d.MACAddress, d.ID, "", "pbxDeviceName", d.Name)
		f[[3]string{"owner", d.MACAddress}] = fold(d.User)
	}
	return f
}

// touches tells which change of a plan a fact that has changed touches; nil if none.
func touches(plan *provision.Changes, fact [3]string, was, is string) *provision.Change {
	const (
		user, group, queue, device = provision.KindUser, provision.KindGroup, provision.KindQueue, provision.KindDevice
	)
	deleted := func(c *provision.Change, kind provision.Kind, name string) bool {
		return c.Op == provision.OpDelete && c.Kind == kind && fold(c.Name) == name && name != ""
	}
	for i := range plan.Items {
		c := &plan.Items[i]
		name := fold(c.Name)
		ofQueue := (c.Kind == provision.KindQueueMember || c.Kind == provision.KindQueueOrder) && name == fact[1]
		hit := false
		switch what, rest, _ := strings.Cut(fact[0], " "); what {
		case "thing":
			is := is // a new one matters to who makes it; one that is gone to all who name it
			named := func(kind provision.Kind, ref *provision.Ref) bool {
				return ref != nil && string(kind) == fact[1] && (fold(ref.Name) == fact[2] || kind == device && ref.Name == fact[2])
			}
			own, members := c.Kind, provision.Kind("")
			switch c.Kind {
			case provision.KindGroupMembers:
				own, members = group, user
			case provision.KindQueueMember:
				own, members = queue, group
			case provision.KindQueueOrder:
				own = queue
			case provision.KindOwner:
				own = device
			}
			if is != "" {
				hit = c.Kind == own && c.Op == provision.OpCreate && (named(own, &c.Ref) || c.Kind == provision.KindTrustedNetwork && c.Name == fact[2])
				break
			}
			hit = named(own, &c.Ref) || string(own) == fact[1] && c.Name == fact[2] || c.Kind == provision.KindOwner && (named(user, c.From) || named(user, c.To))
			for m := range c.Members {
				hit = hit || named(members, &c.Members[m])
			}
			for _, loss := range c.Takes {
				switch loss.Kind {
				case provision.KindGroupMembers:
					hit = hit || named(group, &loss.Of) || named(user, &loss.Member)
				case provision.KindQueueMember:
					hit = hit || named(queue, &loss.Of) || named(group, &loss.Member)
				case provision.KindOwner:
					hit = hit || named(device, &loss.Of) || named(user, &loss.Member)
				}
			}
		case "field":
			hit = was != "" && is != "" || c.Op == provision.OpUpdate // a field may be cleared
			hit = hit && c.Op == provision.OpUpdate && string(c.Kind) == fact[1] && (name == fact[2] || c.Name == fact[2]) &&
				slices.ContainsFunc(c.Fields, func(f provision.FieldChange) bool { return f.Field == rest })
		case "number":
			hit = c.Op != provision.OpDelete && strings.Count(is, ";") >= max(1, strings.Count(was, ";")) &&
				slices.ContainsFunc(c.Fields, func(f provision.FieldChange) bool { return f.Field == "extensionNumber" && f.To == fact[1] })
		case "in":
			hit = deleted(c, group, fact[1]) || deleted(c, user, fact[2]) || c.Kind == provision.KindGroupMembers && name == fact[1] &&
				slices.ContainsFunc(c.Members, func(ref provision.Ref) bool { return fold(ref.Name) == fact[2] })
		case "rings":
			hit = ofQueue
		case "row":
			hit = ofQueue || deleted(c, queue, fact[1]) || deleted(c, group, was) || deleted(c, group, is)
		case "secs":
			hit = was != "" && is != "" && ofQueue && c.Op == provision.OpUpdate && fmt.Sprint(c.MemberID) == fact[2] &&
				slices.ContainsFunc(c.Fields, func(f provision.FieldChange) bool { return f.Field == "ringSecs" })
		case "owner":
			hit = (c.Kind == provision.KindOwner || deleted(c, device, fold(fact[1]))) && c.Name == fact[1] || deleted(c, user, was) || deleted(c, user, is)
		}
		if hit {
			return c
		}
	}
	return nil
}

// meddle has somebody else change one thing on the server. It tells what, or "" if
// the server refused that.
func (tr *trial) meddle(t *rapid.T) string {
	client, ctx := tr.InProcessClient(), t.Context()
	users, groups, queues := tr.Users(tr.domain), tr.Groups(tr.domain), tr.Queues(tr.domain)
	nets, devices := tr.TrustedNetworks(tr.domain), tr.Devices(tr.domain)
	number := rapid.SampledFrom(append(pool(), "998", "999", "300")).Draw(t, "number")
	var err error
	what := ""
	try := func(text string, f func() error) {
		what, err = text, f()
	}
	var kinds []string
	has := func(n int, all ...string) {
		if n > 0 {
			kinds = append(kinds, all...)
		}
	}
	has(1, "new user", "new group", "new queue", "new network", "new device")
	has(len(users), "user's name", "user's number", "user's mobile", "user's hotdesk", "user goes")
	has(len(groups), "group's name", "group's number", "group's retry", "group goes")
	has(len(groups)*len(users), "in", "out")
	has(len(queues), "queue's name", "queue's number", "queue goes")
	has(len(queues)*len(groups), "rings", "rings not", "secs", "order")
	has(len(nets), "description", "network goes")
	has(len(devices), "device's name", "device goes", "taken")
	has(len(devices)*len(users), "given")
	kind := rapid.SampledFrom(kinds).Draw(t, "somebody else")
	text := rapid.SampledFrom(append(words, "Omega")).Draw(t, "text")
	pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "which") }
	missing := func(all []string, there func(string) bool) string {
		return rapid.SampledFrom(append(slices.DeleteFunc(slices.Clone(all), there), "other")).Draw(t, "name")
	}
	user := func(f func(*infinitysip.UserUpdateParams)) {
		u := users[pick(len(users))]
		var params infinitysip.UserUpdateParams
		f(&params)
		try(kind+" "+u.User, func() error { return client.Users.Update(ctx, tr.domain, u.ID, params) })
	}
	group := func(f func(*infinitysip.GroupUpdateParams)) {
		g := groups[pick(len(groups))]
		params := g.UpdateParams()
		f(&params)
		try(kind+" "+g.Name, func() error { return client.Groups.Update(ctx, tr.domain, g.ID, params) })
	}
	queue := func(f func(*infinitysip.QueueUpdateParams)) {
		q := queues[pick(len(queues))]
		var params infinitysip.QueueUpdateParams
		f(&params)
		try(kind+" "+q.Name, func() error { return client.Queues.Update(ctx, tr.domain, q.ID, params) })
	}
	row := func(f func(infinitysip.Queue, []infinitysip.QueueMember) error) {
		q := queues[pick(len(queues))]
		if rows := tr.QueueMembers(tr.domain, q.ID); len(rows) > 0 {
			try(kind+" "+q.Name, func() error { return f(q, rows) })
		}
	}
	switch kind {
	case "new user":
		name := missing(userNames, func(name string) bool {
			return slices.ContainsFunc(users, func(u infinitysip.User) bool { return fold(u.User) == name })
		})
		try(kind+" "+name, func() error {
			_, err := client.Users.Create(ctx, tr.domain, infinitysip.UserCreateParams{User: strings.ToUpper(name), Password: infinitysip.NewSecret("as before"), DisplayName: text, ExtensionNumber: number})
			return err
		})
	case "new group":
		name := missing(groupNames, func(name string) bool {
			return slices.ContainsFunc(groups, func(g infinitysip.Group) bool { return fold(g.Name) == name })
		})
		try(kind+" "+name, func() error {
			_, err := client.Groups.Create(ctx, tr.domain, infinitysip.GroupCreateParams{Name: strings.ToUpper(name), DisplayName: text, ExtensionNumber: number, CallerNameFormat: "{displayName}"})
			return err
		})
	case "new queue":
		name := missing(queueNames, func(name string) bool {
			return slices.ContainsFunc(queues, func(q infinitysip.Queue) bool { return fold(q.Name) == name })
		})
		try(kind+" "+name, func() error {
			_, err := client.Queues.Create(ctx, tr.domain, infinitysip.QueueCreateParams{Name: strings.ToUpper(name), DisplayName: text, ExtensionNumber: number})
			return err
		})
	case "new network":
		name := rapid.SampledFrom(append(networks, "10.0.9.0/24")).Draw(t, "network")
		try(kind+" "+name, func() error {
			_, err := client.TrustedNetworks.Create(ctx, tr.domain, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix(name), Description: text})
			return err
		})
	case "new device":
		mac := rapid.SampledFrom(append(macs, "10:20:30:00:00:99")).Draw(t, "mac")
		if slices.ContainsFunc(devices, func(d infinitysip.Device) bool { return d.MACAddress == mac }) {
			return "" // where duplicates are allowed, there would be two
		}
		try(kind+" "+mac, func() error {
			_, err := client.Devices.Create(ctx, tr.domain, infinitysip.DeviceCreateParams{Name: text, MACAddress: mac})
			return err
		})
	case "user's name":
		user(func(p *infinitysip.UserUpdateParams) { p.DisplayName = &text })
	case "user's number":
		user(func(p *infinitysip.UserUpdateParams) { p.ExtensionNumber = &number })
	case "user's mobile":
		user(func(p *infinitysip.UserUpdateParams) { p.MobileNumber = new("07700 900103") })
	case "user's hotdesk":
		u := users[pick(len(users))]
		try(kind+" "+u.User, func() error {
			return client.Users.Update(ctx, tr.domain, u.ID, infinitysip.UserUpdateParams{HotdeskAllowed: new(!u.HotdeskAllowed)})
		})
	case "user goes":
		u := users[pick(len(users))]
		try(kind+" "+u.User, func() error { return client.Users.Delete(ctx, tr.domain, u.ID) })
	case "group's name":
		group(func(p *infinitysip.GroupUpdateParams) { p.DisplayName = text })
	case "group's number":
		group(func(p *infinitysip.GroupUpdateParams) { p.ExtensionNumber = number })
	case "group's retry":
		group(func(p *infinitysip.GroupUpdateParams) { p.RingRetry = !p.RingRetry })
	case "group goes":
		g := groups[pick(len(groups))]
		try(kind+" "+g.Name, func() error { return client.Groups.Delete(ctx, tr.domain, g.ID) })
	case "in", "out":
		g, u := groups[pick(len(groups))], users[pick(len(users))]
		call := client.Groups.AddUsers
		if kind == "out" {
			call = client.Groups.RemoveUsers
		}
		try(kind+" "+g.Name+" "+u.User, func() error { return call(ctx, tr.domain, g.ID, []infinitysip.UserID{u.ID}) })
	case "queue's name":
		queue(func(p *infinitysip.QueueUpdateParams) { p.DisplayName = &text })
	case "queue's number":
		queue(func(p *infinitysip.QueueUpdateParams) { p.ExtensionNumber = &number })
	case "queue goes":
		q := queues[pick(len(queues))]
		try(kind+" "+q.Name, func() error { return client.Queues.Delete(ctx, tr.domain, q.ID) })
	case "rings":
		q, g := queues[pick(len(queues))], groups[pick(len(groups))]
		try(kind+" "+q.Name+" "+g.Name, func() error {
			_, err := client.Queues.CreateMember(ctx, tr.domain, q.ID, infinitysip.QueueMemberCreateParams{GroupID: g.ID, RingStrategy: infinitysip.RingAll, RingAttempts: 1, RingSecs: 20, RingOrder: 50})
			return err
		})
	case "rings not":
		row(func(q infinitysip.Queue, rows []infinitysip.QueueMember) error {
			return client.Queues.DeleteMember(ctx, tr.domain, q.ID, rows[pick(len(rows))].ID)
		})
	case "secs":
		row(func(q infinitysip.Queue, rows []infinitysip.QueueMember) error {
			return client.Queues.UpdateMember(ctx, tr.domain, q.ID, rows[pick(len(rows))].ID, infinitysip.QueueMemberUpdateParams{RingSecs: new(33)})
		})
	case "order":
		row(func(q infinitysip.Queue, rows []infinitysip.QueueMember) error {
			var ids []infinitysip.QueueMemberID
			for _, row := range rows {
				ids = append(ids, row.ID)
			}
			return client.Queues.SetMemberOrder(ctx, tr.domain, q.ID, rapid.Permutation(ids).Draw(t, "order"))
		})
	case "description":
		n := nets[pick(len(nets))]
		try(kind+" "+n.Network.String(), func() error {
			return client.TrustedNetworks.Update(ctx, tr.domain, n.ID, infinitysip.TrustedNetworkUpdateParams{Description: &text})
		})
	case "network goes":
		n := nets[pick(len(nets))]
		try(kind+" "+n.Network.String(), func() error { return client.TrustedNetworks.Delete(ctx, tr.domain, n.ID) })
	case "device's name":
		d := devices[pick(len(devices))]
		try(kind+" "+d.MACAddress, func() error {
			return client.Devices.Update(ctx, tr.domain, d.ID, infinitysip.DeviceUpdateParams{Name: text})
		})
	case "device goes":
		d := devices[pick(len(devices))]
		try(kind+" "+d.MACAddress, func() error { return client.Devices.Delete(ctx, tr.domain, d.ID) })
	case "taken", "given":
		d := devices[pick(len(devices))]
		try(kind+" "+d.MACAddress, func() error {
			if d.UserID != 0 {
				if err := client.Users.RemoveDevice(ctx, tr.domain, d.UserID, d.ID); err != nil {
					return err
				}
			}
			if kind == "taken" {
				return nil
			}
			_, err := client.Users.AddDevice(ctx, tr.domain, users[pick(len(users))].ID, d.ID)
			return err
		})
	}
	if err != nil {
		return ""
	}
	return what
}

// If somebody else changes something between Plan and Apply that the plan names,
// Apply changes nothing. If it is something else, Apply does just what the plan says.
func TestStaleOrAsPlanned(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		d.options.AllowDuplicates = false
		tr := d.begin(rt)
		plan, saved := tr.plan(rt)
		before := tr.facts()
		what := tr.meddle(rt)
		now := tr.facts()
		var by *provision.Change
		var fact [3]string
		for key := range union(before, now) {
			if before[key] != now[key] && by == nil {
				by, fact = touches(plan, key, before[key], now[key]), key
			}
		}
		tr.ResetRequests()
		if by == nil {
			tr.done(rt, saved, tr.desired.Secrets())
			return
		}
		_, err := saved.Apply(rt.Context(), tr.client(), &provision.ApplyOptions{Secrets: tr.desired.Secrets()})
		if !errors.Is(err, provision.ErrStale) {
			rt.Fatalf("%s: %v of %v was %q, is %q: %v\n%v", what, fact, by, before[fact], now[fact], err, plan)
		}
		if sent := tr.sent(); sent != "" {
			rt.Fatal("stale, and sent", sent)
		}
	})
}

func union(a, b facts) map[[3]string]bool {
	all := map[[3]string]bool{}
	for _, f := range []facts{a, b} {
		for key := range f {
			all[key] = true
		}
	}
	return all
}
