package command

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/near"
)

// Names are taken wherever an id is: a text of digits is an id, and anything else
// is looked up. "=201" is the name 201.

// wholeList is how long a list is that may go on after its last row: a server may
// give no more rows in one answer.
const wholeList = 10_000

// A named is a thing that was found: its id, and its name if that is known.
type named[I infinitysip.ID] struct {
	id   I
	name string
}

// String is how a person is told of it: "joe.blogs (id 1)", or "1".
func (n named[I]) String() string {
	if n.name == "" {
		return idText(n.id)
	}
	return fmt.Sprintf("%s (id %d)", printable(n.name), n.id)
}

// A kind is what looking up one kind of thing needs.
type kind[R any, I infinitysip.ID] struct {
	one   string // "user"
	where string // "domain 1"
	show  string // the command that shows them all

	find func(ctx context.Context, name string) (*R, error)
	get  func(ctx context.Context, id I) (*R, error)
	all  func(ctx context.Context) iter.Seq2[R, error]
	id   func(*R) I
	name func(*R) string
	also func(*R) []string // other texts that a person may take for the name
}

func (s *session) users() kind[infinitysip.User, infinitysip.UserID] {
	return kind[infinitysip.User, infinitysip.UserID]{
		one: "user", where: s.where(), show: "infinitysip users list",
		find: func(ctx context.Context, name string) (*infinitysip.User, error) {
			return s.client.Users.Find(ctx, s.domain, name)
		},
		get: func(ctx context.Context, id infinitysip.UserID) (*infinitysip.User, error) {
			return s.client.Users.Get(ctx, s.domain, id)
		},
		all: func(ctx context.Context) iter.Seq2[infinitysip.User, error] {
			return s.client.Users.All(ctx, s.domain)
		},
		id:   func(u *infinitysip.User) infinitysip.UserID { return u.ID },
		name: func(u *infinitysip.User) string { return u.User },
		also: func(u *infinitysip.User) []string { return []string{u.DisplayName, u.ExtensionNumber} },
	}
}

func (s *session) groups() kind[infinitysip.Group, infinitysip.GroupID] {
	return kind[infinitysip.Group, infinitysip.GroupID]{
		one: "group", where: s.where(), show: "infinitysip groups list",
		find: func(ctx context.Context, name string) (*infinitysip.Group, error) {
			return s.client.Groups.Find(ctx, s.domain, name)
		},
		get: func(ctx context.Context, id infinitysip.GroupID) (*infinitysip.Group, error) {
			return s.client.Groups.Get(ctx, s.domain, id)
		},
		all: func(ctx context.Context) iter.Seq2[infinitysip.Group, error] {
			return s.client.Groups.All(ctx, s.domain)
		},
		id:   func(g *infinitysip.Group) infinitysip.GroupID { return g.ID },
		name: func(g *infinitysip.Group) string { return g.Name },
		also: func(g *infinitysip.Group) []string { return []string{g.DisplayName, g.ExtensionNumber} },
	}
}

func (s *session) queues() kind[infinitysip.Queue, infinitysip.QueueID] {
	return kind[infinitysip.Queue, infinitysip.QueueID]{
		one: "queue", where: s.where(), show: "infinitysip queues list",
		find: func(ctx context.Context, name string) (*infinitysip.Queue, error) {
			return s.client.Queues.Find(ctx, s.domain, name)
		},
		get: func(ctx context.Context, id infinitysip.QueueID) (*infinitysip.Queue, error) {
			return s.client.Queues.Get(ctx, s.domain, id)
		},
		all: func(ctx context.Context) iter.Seq2[infinitysip.Queue, error] {
			return s.client.Queues.All(ctx, s.domain, nil)
		},
		id:   func(q *infinitysip.Queue) infinitysip.QueueID { return q.ID },
		name: func(q *infinitysip.Queue) string { return q.Name },
		also: func(q *infinitysip.Queue) []string { return []string{q.DisplayName, q.ExtensionNumber} },
	}
}

func (s *session) networks() kind[infinitysip.TrustedNetwork, infinitysip.TrustedNetworkID] {
	return kind[infinitysip.TrustedNetwork, infinitysip.TrustedNetworkID]{
		one: "trusted network", where: s.where(), show: "infinitysip networks list",
		find: func(ctx context.Context, name string) (*infinitysip.TrustedNetwork, error) {
			network, err := parseNetwork(name)
			if err != nil {
				return nil, err
			}
			return s.client.TrustedNetworks.FindByNetwork(ctx, s.domain, network)
		},
		get: func(ctx context.Context, id infinitysip.TrustedNetworkID) (*infinitysip.TrustedNetwork, error) {
			return s.client.TrustedNetworks.Get(ctx, s.domain, id)
		},
		all: func(ctx context.Context) iter.Seq2[infinitysip.TrustedNetwork, error] {
			return s.client.TrustedNetworks.All(ctx, s.domain, nil)
		},
		id:   func(n *infinitysip.TrustedNetwork) infinitysip.TrustedNetworkID { return n.ID },
		name: networkText,
		also: func(n *infinitysip.TrustedNetwork) []string { return []string{n.Description} },
	}
}

// networkText is the network of a row in CIDR; "" if its text is none.
func networkText(n *infinitysip.TrustedNetwork) string {
	if !n.Network.IsValid() {
		return ""
	}
	return n.Network.String()
}

// devices are found by MAC address in any spelling, and else by name.
func (s *session) devices() kind[infinitysip.Device, infinitysip.DeviceID] {
	return kind[infinitysip.Device, infinitysip.DeviceID]{
		one: "device", where: s.where(), show: "infinitysip devices list",
		find: s.findDevice,
		get: func(ctx context.Context, id infinitysip.DeviceID) (*infinitysip.Device, error) {
			return s.client.Devices.Get(ctx, s.domain, id)
		},
		all: func(ctx context.Context) iter.Seq2[infinitysip.Device, error] {
			return s.client.Devices.All(ctx, s.domain, nil)
		},
		id:   func(d *infinitysip.Device) infinitysip.DeviceID { return d.ID },
		name: func(d *infinitysip.Device) string { return d.MACAddress },
		also: func(d *infinitysip.Device) []string { return []string{d.Name} },
	}
}

func (s *session) findDevice(ctx context.Context, name string) (*infinitysip.Device, error) {
	if mac := parseMAC(name); mac != "" {
		return s.client.Devices.FindByMAC(ctx, s.domain, mac)
	}
	rows, err := infinitysip.Collect(s.client.Devices.All(ctx, s.domain, &infinitysip.DeviceListOptions{
		Filter: infinitysip.Where(infinitysip.DeviceFields.Name.EqFold(name)),
	}))
	if errors.Is(err, infinitysip.ErrInvalid) { // a filter cannot hold that name, or the server does not take it
		rows, err = infinitysip.Collect(s.client.Devices.All(ctx, s.domain, nil))
	}
	if err != nil {
		return nil, err
	}
	found := alike(rows, name, func(d *infinitysip.Device) string { return d.Name })
	switch len(found) {
	case 0:
		return nil, infinitysip.ErrNotFound
	case 1:
		return found[0], nil
	}
	failed := &infinitysip.Error{Op: "Devices.List", Outcome: infinitysip.OutcomeNotApplied}
	for _, d := range found {
		failed.Found = append(failed.Found, int64(d.ID))
	}
	return nil, failed
}

// alike are the rows of a name: those that have it to the letter, or else those that
// differ in case alone.
func alike[R any](rows []R, name string, text func(*R) string) []*R {
	var exact, fold []*R
	for i := range rows {
		switch got := text(&rows[i]); {
		case got == name:
			exact = append(exact, &rows[i])
		case strings.EqualFold(got, name):
			fold = append(fold, &rows[i])
		}
	}
	if exact != nil {
		return exact
	}
	return fold
}

// where says in which domain something is looked for.
func (s *session) where() string { return fmt.Sprintf("domain %d", s.domain) }

// user finds a user by id or user name.
func (s *session) user(ctx context.Context, text string) (infinitysip.UserID, error) {
	return s.users().find1(ctx, text)
}

// group finds a group by id or name.
func (s *session) group(ctx context.Context, text string) (infinitysip.GroupID, error) {
	return s.groups().find1(ctx, text)
}

// queue finds a queue by id or name.
func (s *session) queue(ctx context.Context, text string) (infinitysip.QueueID, error) {
	return s.queues().find1(ctx, text)
}

// network finds a trusted network by id or CIDR.
func (s *session) network(ctx context.Context, text string) (infinitysip.TrustedNetworkID, error) {
	return s.networks().find1(ctx, text)
}

// device finds a device by id, MAC address in any spelling, or name.
func (s *session) device(ctx context.Context, text string) (infinitysip.DeviceID, error) {
	return s.devices().find1(ctx, text)
}

// member finds the member of a queue by its id, or by the name of the group that it
// rings, if the queue rings that group once.
func (s *session) member(ctx context.Context, queue infinitysip.QueueID, text string) (infinitysip.QueueMemberID, error) {
	name, isID, err := nameOrID("queue member", text)
	if err != nil {
		return 0, err
	}
	if isID {
		return infinitysip.ParseID[infinitysip.QueueMemberID](name)
	}
	group, err := s.groups().lookUp(ctx, name)
	if err != nil {
		return 0, err
	}
	var found []int64
	for row, err := range s.client.Queues.AllMembers(ctx, s.domain, queue) {
		if err != nil {
			return 0, fmt.Errorf("looking for group %s in queue %d: %w", printable(name), queue, err)
		}
		if row.GroupID == group.id {
			found = append(found, int64(row.ID))
		}
	}
	switch len(found) {
	case 0:
		return 0, notFound(fmt.Errorf("queue %d does not ring group %s", queue, group), "infinitysip queues members list shows the groups that it rings.")
	case 1:
		return infinitysip.QueueMemberID(found[0]), nil
	}
	return 0, wrongUse("queue %d rings group %s %d times: give the id of one of its members: %s", queue, group, len(found), idList(found))
}

// find1 is the id that a text means. An id is not looked up.
func (k kind[R, I]) find1(ctx context.Context, text string) (I, error) {
	name, isID, err := nameOrID(k.one, text)
	if err != nil {
		return 0, err
	}
	if isID {
		return infinitysip.ParseID[I](name)
	}
	found, err := k.lookUp(ctx, name)
	return found.id, err
}

// read is the row that a text means.
func (k kind[R, I]) read(ctx context.Context, text string) (*R, error) {
	id, err := k.find1(ctx, text)
	if err != nil {
		return nil, err
	}
	return k.get(ctx, id)
}

// findRow is the row of a name.
func (k kind[R, I]) findRow(ctx context.Context, name string) (*R, error) {
	if strings.TrimSpace(name) == "" {
		return nil, wrongUse("the name of a %s is empty", k.one)
	}
	row, err := k.find(ctx, name)
	if err != nil {
		return nil, k.explain(ctx, name, err, k.all)
	}
	return row, nil
}

// many are the things that several texts mean, each once. withNames reads the names of
// those that an id names. Whatever cannot be found is told at once.
func (k kind[R, I]) many(ctx context.Context, texts []string, withNames bool) ([]named[I], error) {
	var (
		all      []named[I]
		problems []error
		list     func() ([]R, error) // all rows, read once
	)
	if len(texts) > 3 {
		rows, err, read := []R(nil), error(nil), false
		list = func() ([]R, error) {
			if !read {
				read = true
				rows, err = infinitysip.Collect(k.all(ctx))
			}
			return rows, err
		}
	}
	for _, text := range texts {
		found, err := k.oneOf(ctx, text, withNames, list)
		if err != nil && !bad(err) {
			return nil, err // the next one would fail as well
		}
		if err != nil {
			problems = append(problems, err)
		} else if !slices.ContainsFunc(all, func(n named[I]) bool { return n.id == found.id }) {
			all = append(all, found)
		}
	}
	return all, together(problems)
}

// bad reports whether an error says that a text means nothing, or too much.
func bad(err error) bool { return exitCode(err) == exitUsage || exitCode(err) == exitNotFound }

// oneOf is the thing that a text means. list may be nil: then the server is asked for
// that name.
func (k kind[R, I]) oneOf(ctx context.Context, text string, withName bool, list func() ([]R, error)) (named[I], error) {
	name, isID, err := nameOrID(k.one, text)
	if err != nil {
		return named[I]{}, err
	}
	if isID {
		id, err := infinitysip.ParseID[I](name)
		if err != nil || !withName {
			return named[I]{id: id}, err
		}
		row, err := k.get(ctx, id)
		if err != nil {
			return named[I]{}, err
		}
		return named[I]{id, k.name(row)}, nil
	}
	if list != nil {
		rows, err := list()
		if err != nil {
			return named[I]{}, k.explain(ctx, name, err, nil)
		}
		if found := alike(rows, k.spell(name), k.name); len(found) == 1 {
			return named[I]{k.id(found[0]), k.name(found[0])}, nil
		}
	}
	return k.lookUp(ctx, name)
}

// spell writes a name as k.name writes that of a row.
func (k kind[R, I]) spell(name string) string {
	if k.one == "device" {
		return cmp.Or(parseMAC(name), name)
	}
	return name
}

// lookUp finds a thing by name, by one request if it is there.
func (k kind[R, I]) lookUp(ctx context.Context, name string) (named[I], error) {
	row, err := k.findRow(ctx, name)
	if err != nil {
		return named[I]{}, err
	}
	return named[I]{k.id(row), k.name(row)}, nil
}

// explain says why a name was not found. It reads the list, if there may be a name
// like that in it.
func (k kind[R, I]) explain(ctx context.Context, name string, err error, all func(context.Context) iter.Seq2[R, error]) error {
	failed, _ := errors.AsType[*infinitysip.Error](err)
	switch {
	case exitCode(err) == exitUsage:
		return err
	case errors.Is(err, infinitysip.ErrNotFound) && all != nil:
		missing := fmt.Errorf("%s has no %s called %s", k.where, k.one, quoted(name))
		if like := k.near(ctx, name, all); len(like) > 0 {
			return notFound(missing, "Did you mean %s?", strings.Join(like, " or "))
		}
		return notFound(missing, "%s shows them all.", k.show)
	case failed != nil && len(failed.Found) > 1:
		return wrongUse("%s has %d %ss called %s: give the id of one of them: %s", k.where, len(failed.Found), k.one, quoted(name), idList(failed.Found))
	case failed != nil && (failed.StatusCode == 404 || failed.StatusCode == 410) && k.one != "domain":
		return notFound(fmt.Errorf("looking for %s %s: the server has no %s (%d)", k.one, quoted(name), k.where, failed.StatusCode), "infinitysip domains list shows the domains of the account.")
	}
	return fmt.Errorf("looking for %s %s: %w", k.one, quoted(name), err)
}

// notFound is an error with the exit code for things that are not there.
func notFound(err error, mend string, args ...any) error {
	return &codeError{exitNotFound, withMend(err, mend, args...)}
}

// near are the things whose names are like one that nothing has, at most three.
func (k kind[R, I]) near(ctx context.Context, name string, all func(context.Context) iter.Seq2[R, error]) []string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var like []string
	best := 1 + len(name)/4 // more is another name
	n := 0
	for row, err := range all(ctx) {
		if n++; err != nil || n > wholeList {
			break
		}
		away := near.Distance(name, k.name(&row))
		for _, text := range k.also(&row) {
			away = min(away, near.Distance(name, text))
		}
		if away < best {
			best, like = away, nil
		}
		if away == best {
			like = append(like, named[I]{k.id(&row), asName(k.name(&row))}.String()) // as it has to be written
		}
	}
	if len(like) > 3 {
		return nil // none of them is more likely than another
	}
	return like
}

// nameOrID says whether an argument is an id or a name, and gives it without its "=".
func nameOrID(one, text string) (name string, isID bool, err error) {
	if after, ok := strings.CutPrefix(text, "="); ok {
		text = after
	} else if text != "" && strings.Trim(text, "0123456789") == "" {
		if n, err := strconv.ParseUint(text, 10, 63); err != nil || n == 0 {
			return "", false, wrongUse("%s %s: that is no id; if it is the name, write =%s", one, text, text)
		}
		return text, true, nil
	}
	if strings.TrimSpace(text) == "" {
		return "", false, wrongUse("the name of a %s is empty", one)
	}
	return text, false, nil
}

// parseMAC writes a MAC address as the API does; "" if the text is none. It takes
// colons, hyphens, dots, spaces and nothing between the digits.
func parseMAC(text string) string {
	digits := strings.NewReplacer(":", "", "-", "", ".", "", " ", "").Replace(text)
	octets, err := hex.DecodeString(digits)
	if err != nil || len(octets) != 6 {
		return ""
	}
	return strings.ToUpper(fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2], octets[3], octets[4], octets[5]))
}

// parseNetwork reads a network in CIDR notation. An address alone is refused, with what
// it may mean.
func parseNetwork(text string) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	network, err := netip.ParsePrefix(text)
	if err == nil {
		return network, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.Prefix{}, wrongUse("%s is an address, not a network: did you mean %s/%d?", text, text, addr.BitLen())
	}
	return netip.Prefix{}, wrongUse("%s is not a network: write it like 192.0.2.0/28 or 2001:db8::/48", quoted(text))
}

// domains look up domains. They are in no domain.
func domainsOf(client *infinitysip.Client) kind[infinitysip.Domain, infinitysip.DomainID] {
	return kind[infinitysip.Domain, infinitysip.DomainID]{
		one: "domain", where: "the account", show: "infinitysip domains list",
		find: func(ctx context.Context, name string) (*infinitysip.Domain, error) {
			return client.Domains.Find(ctx, name)
		},
		get: func(ctx context.Context, id infinitysip.DomainID) (*infinitysip.Domain, error) {
			return client.Domains.Get(ctx, id)
		},
		all:  func(ctx context.Context) iter.Seq2[infinitysip.Domain, error] { return client.Domains.All(ctx) },
		id:   func(d *infinitysip.Domain) infinitysip.DomainID { return d.ID },
		name: func(d *infinitysip.Domain) string { return d.DisplayName },
		also: func(*infinitysip.Domain) []string { return nil },
	}
}

// findDomain finds a domain by its id or its display name. "" is that of
// INFINITY_DOMAIN, or else of the profile, or else the only one of the account. With
// --demo it is that of the demo. A command that needs none gets 0.
func (a *app) findDomain(ctx context.Context, client *infinitysip.Client, text string) (infinitysip.DomainID, error) {
	if a.noDomain {
		return 0, nil
	}
	if text == "" && !a.demo {
		if a.profile == "" && a.credentialsFile == "" { // what a flag names goes before the environment
			text = os.Getenv("INFINITY_DOMAIN")
		}
		text = cmp.Or(text, a.profileDomain)
	}
	if text == "" {
		return onlyDomain(ctx, client)
	}
	id, err := domainsOf(client).find1(ctx, text)
	if unlisted(err) {
		err = withMend(err, "These credentials cannot list the domains: name the domain by its id.")
	}
	return id, err
}

// unlisted reports whether the credentials cannot list the domains.
func unlisted(err error) bool {
	failed, ok := errors.AsType[*infinitysip.Error](err)
	return ok && (failed.StatusCode == 403 || failed.StatusCode == 404)
}

// onlyDomain finds the domain of an account that has but one.
func onlyDomain(ctx context.Context, client *infinitysip.Client) (infinitysip.DomainID, error) {
	rows, err := client.Domains.List(ctx)
	switch {
	case unlisted(err):
		return 0, withMend(fmt.Errorf("looking for the domain: %w", err), "These credentials cannot list the domains: say with --domain which it is, by its id.")
	case err != nil:
		return 0, fmt.Errorf("looking for the domain: %w", err)
	case len(rows) == 0:
		return 0, notFound(errors.New("the account has no domain"), "Infinity makes the domains. Ask them for one, or use other credentials.")
	case len(rows) == 1:
		return rows[0].ID, nil
	}
	const most = 20
	var list strings.Builder
	for i := range rows[:min(len(rows), most)] {
		fmt.Fprintf(&list, "\n  %d  %s", rows[i].ID, printable(rows[i].DisplayName))
	}
	if more := len(rows) - most; more > 0 {
		fmt.Fprintf(&list, "\n  and %d more, which infinitysip domains list shows", more)
	}
	return 0, wrongUse("the account has %d domains: say with --domain, or with INFINITY_DOMAIN, which is meant%s", len(rows), list.String())
}

// domainName is how a question names the domain: "acme", or "1" if nobody can say.
func (s *session) domainName(ctx context.Context) string {
	row, err := s.client.Domains.Get(ctx, s.domain)
	if err != nil || row.DisplayName == "" {
		return idText(s.domain)
	}
	return printable(row.DisplayName)
}

// idText is an id as text; "" for the id 0, which is none.
func idText[I infinitysip.ID](id I) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(int64(id), 10)
}

// idList are ids as a person reads them, at most twenty.
func idList(ids []int64) string {
	var b strings.Builder
	for i, id := range ids {
		if i == 20 {
			fmt.Fprintf(&b, " and %d more", len(ids)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatInt(id, 10))
	}
	return b.String()
}

// printable is a text of the server or the command line as a terminal may show it.
func printable(text string) string {
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), `\\`, `\`)
}

// printableLines is printable for a text of several lines.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) && r != '\t' }) {
			lines[i] = strings.ReplaceAll(printable(line), `\t`, "\t")
		}
	}
	return strings.Join(lines, "\n")
}

// quoted is printable, in quotation marks.
func quoted(text string) string { return `"` + printable(text) + `"` }
