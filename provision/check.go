package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// Problem is something wrong with a state.
type Problem struct {
	Path   string // in the state: users[3].extensionNumber
	Line   int    // of the CSV file that it is from, as an editor counts; 0: of none
	Column string // of that file; empty: the whole line
	Text   string
}

// String returns the problem as a person reads it.
func (p Problem) String() string {
	switch {
	case p.Line != 0 && p.Column != "":
		return fmt.Sprintf("line %d, %s: %s", p.Line, p.Column, p.Text)
	case p.Line != 0:
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	case p.Path != "":
		return p.Path + ": " + p.Text
	}
	return p.Text
}

// CheckError tells everything that is wrong with a state. It is
// infinitysip.ErrInvalid by errors.Is; nothing was changed.
type CheckError struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *CheckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "provision: %s with the state, nothing was changed:", count(len(e.Problems), "problem"))
	for _, p := range e.Problems {
		b.WriteString("\n" + p.String())
	}
	return b.String()
}

// Is reports whether target is infinitysip.ErrInvalid.
func (e *CheckError) Is(target error) bool { return target == infinitysip.ErrInvalid }

// asError is nil where there are no problems.
func asError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	// By line for those of a file, in the order of the state for the others.
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	return &CheckError{problems}
}

// Check tells everything that is wrong with the state, as far as it can be
// told without a look at the server; Plan tells the rest. It sends nothing.
// The error is a *CheckError.
//
// It refuses what the client would refuse, and besides:
//
//   - a name, address or extension number that is there twice, be it of a user,
//     a group or a queue;
//   - a name or a display name that begins or ends with a blank, which makes
//     another name of it that looks the same;
//   - a reference to what is not in a section that is given;
//   - an extension number that holds anything but digits, * and #, a PIN that
//     holds anything but digits, an e-mail address or a mobile number that is
//     none;
//   - more than 1,000 members of a queue, which the API cannot order.
func (s *State) Check() error {
	if s == nil {
		return asError([]Problem{{Text: "there is no state: it is nil"}})
	}
	c := newChecker(s)
	c.users()
	c.groups()
	c.memberships()
	c.queues()
	c.networks()
	c.devices()
	return asError(append(slices.Clone(s.problems), c.problems...))
}

// nowhere is a domain to which the client sends nothing: it refuses the id, and
// tells what else it would refuse.
const nowhere infinitysip.DomainID = 0

type checker struct {
	state    *State
	client   *infinitysip.Client
	ctx      context.Context
	problems []Problem

	// What has each name, and each extension.
	userNames, groupNames, extensions map[string]string
}

func newChecker(s *State) *checker {
	client, _ := infinitysip.NewClient(infinitysip.APIKey("none"))
	return &checker{state: s, client: client, ctx: context.Background(),
		userNames: map[string]string{}, groupNames: map[string]string{}, extensions: map[string]string{}}
}

// place is where a thing stands.
type place struct {
	path string
	line int
}

func (p place) problem(field, text string) Problem {
	return Problem{Path: strings.TrimSuffix(p.path+"."+field, "."), Line: p.line, Column: columnOf(field), Text: text}
}

func (s *State) userAt(i int) place {
	return place{fmt.Sprintf("users[%d]", i), s.Users[i].line}
}

func (s *State) deviceAt(i int) place {
	return place{fmt.Sprintf("devices[%d]", i), s.Devices[i].line}
}

// sectionAt tells where the things of a section stand.
func sectionAt(section string) func(i int) place {
	return func(i int) place { return place{path: fmt.Sprintf("%s[%d]", section, i)} }
}

func (c *checker) report(at place, field, text string) {
	c.problems = append(c.problems, at.problem(field, text))
}

// unsaid stands for what the state need not say.
const unsaid = "-"

// refused reports what the client says of params.
func (c *checker) refused(at place, err error) {
	invalid, ok := errors.AsType[*infinitysip.ValidationError](err)
	if !ok {
		return
	}
	for _, f := range invalid.Fields {
		if f.Field != "domainId" {
			c.report(at, f.Field, f.Problem)
		}
	}
}

// once reports a key that something has already.
func (c *checker) once(seen map[string]string, key, what string, at place, field, value string) {
	if key == "" {
		return
	}
	if other, ok := seen[key]; ok {
		c.report(at, field, fmt.Sprintf("%s is that of %s already", quote(value), other))
		return
	}
	seen[key] = what
}

// trimmed reports a name that looks like another one.
func (c *checker) trimmed(at place, field, name string) {
	if strings.TrimSpace(name) != name {
		c.report(at, field, "begins or ends with a blank: "+quote(name))
	}
}

func (c *checker) extension(at place, number, what string) {
	if number == "" {
		return
	}
	if strings.Trim(number, "0123456789*#") != "" {
		c.report(at, "extensionNumber", "not digits alone: "+quote(number))
		return
	}
	c.once(c.extensions, number, what, at, "extensionNumber", number)
}

func (c *checker) users() {
	for i := range c.state.Users {
		u, at := &c.state.Users[i], c.state.userAt(i)
		params := infinitysip.UserCreateParams{User: u.User, Password: infinitysip.NewSecret(unsaid), DisplayName: unsaid, ExtensionNumber: unsaid}
		fill(&params, u)
		_, err := c.client.Users.Create(c.ctx, nowhere, params)
		c.refused(at, err)
		c.trimmed(at, "user", u.User)
		c.trimmed(at, "displayName", u.DisplayName)
		c.once(c.userNames, fold(u.User), at.name(), at, "user", u.User)
		c.extension(at, u.ExtensionNumber, "user "+u.User)
		if pin := u.PIN.Reveal(); strings.Trim(pin, "0123456789") != "" {
			c.report(at, "pin", "not digits alone")
		}
		if u.Email != nil && *u.Email != "" {
			if address, err := mail.ParseAddress(*u.Email); err != nil || address.Address != *u.Email {
				c.report(at, "email", "not an e-mail address: "+quote(*u.Email))
			}
		}
		if u.MobileNumber != nil && *u.MobileNumber != "" && !phoneNumber(*u.MobileNumber) {
			c.report(at, "mobileNumber", "not a phone number: "+quote(*u.MobileNumber))
		}
	}
}

// memberships checks who is said to be in which group, from both sides.
func (c *checker) memberships() {
	for i := range c.state.Users {
		c.names(c.state.userAt(i), "groups", c.state.Users[i].Groups, c.state.Groups != nil, c.groupNames)
	}
	for i := range c.state.Groups {
		c.names(sectionAt("groups")(i), "members", c.state.Groups[i].Members, c.state.Users != nil, c.userNames)
	}
}

// names checks a list of names; those of known are in the state, if their
// section is given.
func (c *checker) names(at place, field string, names []string, given bool, known map[string]string) {
	seen := map[string]string{}
	for i, name := range names {
		report := func(text string) {
			path := fmt.Sprintf("%s.%s[%d]", at.path, field, i)
			c.problems = append(c.problems, Problem{Path: path, Line: at.line, Column: columnOf(field), Text: text})
		}
		switch _, twice := seen[fold(name)]; {
		case name == "":
			report("an empty name")
		case twice:
			report(quote(name) + " is there twice")
		case given && known[fold(name)] == "":
			report(quote(name) + " is not in the state")
		}
		seen[fold(name)] = name
	}
}

func (c *checker) groups() {
	for i := range c.state.Groups {
		g, at := &c.state.Groups[i], sectionAt("groups")(i)
		params := infinitysip.GroupCreateParams{Name: g.Name, DisplayName: unsaid, ExtensionNumber: unsaid}
		fill(&params, g)
		params.CallerNameFormat = cmp.Or(params.CallerNameFormat, unsaid) // it may be cleared
		_, err := c.client.Groups.Create(c.ctx, nowhere, params)
		c.refused(at, err)
		c.trimmed(at, "groupName", g.Name)
		c.trimmed(at, "displayName", g.DisplayName)
		c.once(c.groupNames, fold(g.Name), at.name(), at, "groupName", g.Name)
		c.extension(at, g.ExtensionNumber, "group "+g.Name)
	}
}

func (c *checker) queues() {
	seen := map[string]string{}
	for i := range c.state.Queues {
		q, at := &c.state.Queues[i], sectionAt("queues")(i)
		params := infinitysip.QueueCreateParams{Name: q.Name, DisplayName: unsaid, ExtensionNumber: unsaid}
		fill(&params, q)
		_, err := c.client.Queues.Create(c.ctx, nowhere, params)
		c.refused(at, err)
		c.trimmed(at, "queueName", q.Name)
		c.trimmed(at, "displayName", q.DisplayName)
		c.once(seen, fold(q.Name), at.name(), at, "queueName", q.Name)
		c.extension(at, q.ExtensionNumber, "queue "+q.Name)
		if len(q.Members) > wire.MaxOrder {
			c.report(at, "members", fmt.Sprintf("%d of them: the API orders at most %d", len(q.Members), wire.MaxOrder))
		}
		for j := range q.Members {
			m, at := &q.Members[j], place{path: fmt.Sprintf("%s.members[%d]", at.path, j)}
			params := newMember(m)
			params.GroupID = 1
			_, err := c.client.Queues.CreateMember(c.ctx, nowhere, 1, params)
			c.refused(at, err)
			if m.Group == "" {
				c.report(at, "group", "required")
			} else if c.state.Groups != nil && c.groupNames[fold(m.Group)] == "" {
				c.report(at, "group", quote(m.Group)+" is not in the state")
			}
		}
	}
}

func (c *checker) networks() {
	seen := map[string]string{}
	for i := range c.state.TrustedNetworks {
		n, at := &c.state.TrustedNetworks[i], sectionAt("trustedNetworks")(i)
		network, ok := wire.Network(n.Network)
		if !ok {
			c.report(at, "network", "not a network in CIDR notation, such as 10.0.20.0/24: "+quote(n.Network))
			continue
		}
		params := infinitysip.TrustedNetworkCreateParams{Network: network}
		fill(&params, n)
		_, err := c.client.TrustedNetworks.Create(c.ctx, nowhere, params)
		c.refused(at, err)
		c.once(seen, networkKey(n.Network), at.name(), at, "network", n.Network)
	}
}

func (c *checker) devices() {
	seen := map[string]string{}
	for i := range c.state.Devices {
		d, at := &c.state.Devices[i], c.state.deviceAt(i)
		params := infinitysip.DeviceCreateParams{Name: unsaid, MACAddress: d.MACAddress}
		fill(&params, d)
		_, err := c.client.Devices.Create(c.ctx, nowhere, params)
		c.refused(at, err)
		c.once(seen, wire.MAC(d.MACAddress), at.name(), at, "deviceMacAddress", d.MACAddress)
		if d.Owner != nil && *d.Owner != "" && c.state.Users != nil && c.userNames[fold(*d.Owner)] == "" {
			c.report(at, "user", quote(*d.Owner)+" is not in the state")
		}
	}
}

// name is how a place is called in a sentence.
func (p place) name() string {
	if p.line != 0 {
		return fmt.Sprintf("line %d", p.line)
	}
	return p.path
}

func phoneNumber(text string) bool {
	text = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(strings.TrimPrefix(text, "+"))
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// quote shows a piece of a state, bounded.
func quote(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
