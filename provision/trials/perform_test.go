package trials

import (
	"fmt"
	"maps"
	"slices"

	"github.com/infinitysip/infinitysip/provision"
)

// perform is what a server that holds now holds when a plan is done, by what the
// plan's data say and nothing else. An error tells where they do not fit.
func perform(now model, plan *provision.Changes) (model, error) {
	m := copied(now)
	var wrong error
	claim := func(ok bool, c *provision.Change, format string, args ...any) {
		if !ok && wrong == nil {
			wrong = fmt.Errorf("change %d, %s of %s %s: %s", c.N, c.Op, c.Kind, c.Name, fmt.Sprintf(format, args...))
		}
	}
	for i := range plan.Items {
		c := &plan.Items[i]
		name := fold(c.Name)
		if c.Between {
			continue // another change has the last word
		}
		there := map[provision.Kind]bool{}
		_, there[provision.KindUser] = m.Users[name]
		_, there[provision.KindGroup] = m.Groups[name]
		_, there[provision.KindQueue] = m.Queues[name]
		_, there[provision.KindTrustedNetwork] = m.Networks[c.Name]
		_, there[provision.KindDevice] = m.Devices[c.Name]
		if is, thing := there[c.Kind]; thing {
			claim(is == (c.Op != provision.OpCreate), c, "there: %v", is)
		}
		set := func(field string, to any) {
			for _, f := range c.Fields {
				if f.Field != field {
					continue
				}
				switch to := to.(type) {
				case *string:
					claim(c.Op == provision.OpCreate || titled(name, f.From.(string)) == *to, c, "%s was %v, not %s", field, f.From, *to)
					*to = titled(name, f.To.(string))
				case *bool:
					claim(c.Op == provision.OpCreate || f.From == *to, c, "%s was %v, not %v", field, f.From, *to)
					*to = f.To.(bool)
				case *int:
					claim(c.Op == provision.OpCreate || f.From == int64(*to), c, "%s was %v, not %v", field, f.From, *to)
					*to = int(f.To.(int64))
				}
			}
		}
		for _, loss := range c.Takes {
			of, who := fold(loss.Of.Name), fold(loss.Member.Name)
			switch loss.Kind {
			case provision.KindGroupMembers:
				claim(slices.Contains(now.Groups[of].Members, who), c, "%s is not in %s", who, of)
			case provision.KindQueueMember:
				claim(slices.ContainsFunc(now.Queues[of].Members, func(m member) bool { return m.Group == who }), c, "%s does not ring %s", of, who)
			case provision.KindOwner:
				claim(now.Devices[loss.Of.Name].Owner == who, c, "%s is not %s's", of, who)
			}
		}
		switch c.Kind {
		case provision.KindUser:
			u := m.Users[name]
			set("displayName", &u.DisplayName)
			set("extensionNumber", &u.Extension)
			set("email", &u.Email)
			set("mobileNumber", &u.Mobile)
			set("hotdeskAllowed", &u.Hotdesk)
			m.Users[name] = u
			if c.Op == provision.OpDelete {
				delete(m.Users, name)
				for of, g := range m.Groups {
					g.Members = without(g.Members, name)
					m.Groups[of] = g
				}
				for mac, d := range m.Devices {
					if d.Owner == name {
						m.Devices[mac] = device{d.Name, ""}
					}
				}
			}
		case provision.KindGroup:
			g := m.Groups[name]
			set("displayName", &g.DisplayName)
			set("extensionNumber", &g.Extension)
			set("ringRetry", &g.RingRetry)
			m.Groups[name] = g
			if c.Op == provision.OpDelete {
				delete(m.Groups, name)
				for of, q := range m.Queues {
					q.Members = slices.DeleteFunc(slices.Clone(q.Members), func(m member) bool { return m.Group == name })
					m.Queues[of] = q
				}
			}
		case provision.KindQueue:
			q := m.Queues[name]
			set("displayName", &q.DisplayName)
			set("extensionNumber", &q.Extension)
			m.Queues[name] = q
			if c.Op == provision.OpDelete {
				delete(m.Queues, name)
			}
		case provision.KindTrustedNetwork:
			d := m.Networks[c.Name]
			set("description", &d)
			m.Networks[c.Name] = d
			if c.Op == provision.OpDelete {
				delete(m.Networks, c.Name)
			}
		case provision.KindDevice:
			d := m.Devices[c.Name]
			set("pbxDeviceName", &d.Name)
			m.Devices[c.Name] = d
			if c.Op == provision.OpDelete {
				delete(m.Devices, c.Name)
			}
		case provision.KindGroupMembers:
			g := m.Groups[name]
			for _, ref := range c.Members {
				is := slices.Contains(g.Members, fold(ref.Name))
				claim(is == (c.Op == provision.OpDelete), c, "%s in it: %v", ref.Name, is)
				g.Members = without(g.Members, fold(ref.Name))
				if c.Op == provision.OpCreate {
					g.Members = append(g.Members, fold(ref.Name))
				}
			}
			slices.Sort(g.Members)
			m.Groups[name] = g
		case provision.KindOwner:
			d := m.Devices[c.Name]
			if c.From != nil {
				claim(d.Owner == fold(c.From.Name), c, "it is %q's", d.Owner)
			}
			d.Owner = ""
			if c.To != nil {
				d.Owner = fold(c.To.Name)
			}
			m.Devices[c.Name] = d
		case provision.KindQueueMember:
			q := m.Queues[name]
			q.Members = slices.Clone(q.Members)
			group := fold(c.Members[0].Name)
			at := slices.IndexFunc(q.Members, func(m member) bool { return m.Row == c.MemberID })
			if c.Op == provision.OpCreate {
				q.Members, at = append(q.Members, member{Group: group, Row: -int64(c.N)}), len(q.Members)
			}
			if claim(at >= 0 && q.Members[at].Group == group, c, "no such member"); wrong != nil {
				return m, wrong
			}
			set("ringAttempts", &q.Members[at].Attempts)
			set("ringSecs", &q.Members[at].Secs)
			if c.Op == provision.OpDelete {
				q.Members = slices.Delete(q.Members, at, at+1)
			}
			m.Queues[name] = q
		case provision.KindQueueOrder:
			q := m.Queues[name]
			var all []member
			for _, ref := range c.Members {
				row := ref.ID
				if ref.MadeBy != 0 {
					row = -int64(ref.MadeBy)
				}
				at := slices.IndexFunc(q.Members, func(m member) bool { return m.Row == row })
				if claim(at >= 0 && q.Members[at].Group == fold(ref.Name), c, "no such member"); wrong != nil {
					return m, wrong
				}
				all = append(all, q.Members[at])
			}
			claim(len(all) == len(q.Members), c, "%d of %d members", len(all), len(q.Members))
			q.Members = all
			m.Queues[name] = q
		}
	}
	return m, wrong
}

func without(all []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == name })
}

func copied(m model) model {
	return model{maps.Clone(m.Users), maps.Clone(m.Groups), maps.Clone(m.Queues), maps.Clone(m.Networks), maps.Clone(m.Devices)}
}

// lost is how much of before is not there after: things, and of things that are
// there still or not, who was in which group, what queues rang, and whose devices
// were that are there still.
func lost(before, after model) int {
	n := gone(before.Users, after.Users) + gone(before.Groups, after.Groups) + gone(before.Queues, after.Queues) +
		gone(before.Networks, after.Networks) + gone(before.Devices, after.Devices)
	for name, g := range before.Groups {
		for _, user := range g.Members {
			if !slices.Contains(after.Groups[name].Members, user) {
				n++
			}
		}
	}
	for name, q := range before.Queues {
		left := map[string]int{}
		for _, m := range after.Queues[name].Members {
			left[m.Group]++
		}
		for _, m := range q.Members {
			if left[m.Group]--; left[m.Group] < 0 {
				n++
			}
		}
	}
	for mac, d := range before.Devices {
		if now, there := after.Devices[mac]; there && d.Owner != "" && now.Owner == "" {
			n++
		}
	}
	return n
}

func gone[T any](before, after map[string]T) (n int) {
	for name := range before {
		if _, there := after[name]; !there {
			n++
		}
	}
	return n
}
