package provision

import (
	"cmp"
	"errors"
	"fmt"
	"net/mail"
	"reflect"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// Check reports everything that is wrong with the state, as far as that shows without the
// server. It sends nothing. Plan calls Check, and reports the rest. The error is a
// *CheckError.
//
// It refuses what the client would refuse, and besides:
//
//   - a name, a network or a MAC address that is there twice, and an extension number
//     that two users, groups or queues have;
//   - a name, a display name or a password that begins or ends with a blank, which
//     nobody sees;
//   - an invisible character in a name, a display name, an e-mail address or a number;
//   - a text of more than 1,000 characters, or with a control character, or with letters
//     that were lost or garbled when a file was saved;
//   - a trusted network of all addresses;
//   - a reference to a user or a group that is not in a section that is given;
//   - an extension number with other characters than digits, * and #, a PIN with other
//     characters than digits, an invalid e-mail address or mobile number;
//   - an extension number that begins with 999, 112 or 911 and has at most one digit
//     more, unless EmergencyNumbers is set;
//   - more than 1,000 members of a queue, which the API cannot order.
//
// If the state was read from a file, Check also reports what was wrong with the file.
func (s *State) Check() error {
	if s == nil {
		return noState()
	}
	c := &checker{state: s, extensions: make(map[string]thingRef, len(s.Users)+len(s.Groups)+len(s.Queues))}
	c.check()
	return asError(append(slices.Clone(s.problems), c.problems...))
}

type checker struct {
	state      *State
	problems   []Problem
	extensions map[string]thingRef // what has each
}

// thingRef refers to a thing of the state. Its place, which is a text, is made only
// where there is a problem.
type thingRef struct {
	kind Kind
	i    int
}

// section is the things of one kind, and what Check must know of them.
type section[W any] struct {
	kind   Kind
	things []W
	named  string                   // the field that names one
	name   func(*W) string          // what it says
	key    func(name string) string // what two names of the same thing have in common
	texts  func(*W) (displayName, extension string)
	params func(*W) validator      // which create it; nil where none do
	more   func(at thingRef, w *W) // checks what only this kind has
}

// validator is params of the client.
type validator interface{ Validate() error }

// unsaid stands for what the state need not say.
const unsaid = "-"

func (c *checker) check() {
	s := c.state
	users := checkSection(c, section[User]{
		kind: KindUser, things: s.Users, named: "user",
		name:  func(u *User) string { return u.User },
		key:   fold,
		texts: func(u *User) (string, string) { return u.DisplayName, u.ExtensionNumber },
		params: func(u *User) validator {
			params := infinitysip.UserCreateParams{User: u.User, Password: infinitysip.NewSecret(unsaid), DisplayName: unsaid, ExtensionNumber: unsaid}
			fill(&params, u)
			return params
		},
		more: c.user,
	})
	groups := checkSection(c, section[Group]{
		kind: KindGroup, things: s.Groups, named: "groupName",
		name:  func(g *Group) string { return g.Name },
		key:   fold,
		texts: func(g *Group) (string, string) { return g.DisplayName, g.ExtensionNumber },
		params: func(g *Group) validator {
			params := infinitysip.GroupCreateParams{Name: g.Name, DisplayName: unsaid, ExtensionNumber: unsaid}
			fill(&params, g)
			params.CallerNameFormat = cmp.Or(params.CallerNameFormat, unsaid) // it may be cleared
			return params
		},
	})
	for i := range s.Users {
		c.names(thingRef{KindUser, i}, "groups", s.Users[i].Groups, s.Groups != nil, groups)
	}
	for i := range s.Groups {
		c.names(thingRef{KindGroup, i}, "members", s.Groups[i].Members, s.Users != nil, users)
	}
	checkSection(c, section[Queue]{
		kind: KindQueue, things: s.Queues, named: "queueName",
		name:  func(q *Queue) string { return q.Name },
		key:   fold,
		texts: func(q *Queue) (string, string) { return q.DisplayName, q.ExtensionNumber },
		params: func(q *Queue) validator {
			params := infinitysip.QueueCreateParams{Name: q.Name, DisplayName: unsaid, ExtensionNumber: unsaid}
			fill(&params, q)
			return params
		},
		more: func(at thingRef, q *Queue) { c.queueMembers(at.i, q, groups) },
	})
	checkSection(c, section[TrustedNetwork]{
		kind: KindTrustedNetwork, things: s.TrustedNetworks, named: "network",
		name: func(n *TrustedNetwork) string { return n.Network },
		key:  networkKey,
		params: func(n *TrustedNetwork) validator {
			network, ok := wire.Network(n.Network)
			if !ok {
				return nil
			}
			params := infinitysip.TrustedNetworkCreateParams{Network: network}
			fill(&params, n)
			return params
		},
		more: func(at thingRef, n *TrustedNetwork) {
			switch network, ok := wire.Network(n.Network); {
			case !ok:
				c.report(at, "network", "not a network in CIDR notation, such as 10.0.20.0/24: "+quote(n.Network))
			case network.Bits() == 0:
				c.report(at, "network", "this trusts every address there is: "+quote(n.Network))
			}
		},
	})
	checkSection(c, section[Device]{
		kind: KindDevice, things: s.Devices, named: "deviceMacAddress",
		name: func(d *Device) string { return d.MACAddress },
		key:  wire.MAC,
		params: func(d *Device) validator {
			params := infinitysip.DeviceCreateParams{Name: unsaid, MACAddress: d.MACAddress}
			fill(&params, d)
			return params
		},
		more: func(at thingRef, d *Device) {
			if d.Owner != nil && *d.Owner != "" && s.Users != nil && !has(users, *d.Owner) {
				c.report(at, "user", quote(*d.Owner)+" is not in the state")
			}
		},
	})
}

// checkSection checks the things of one kind, and returns where each name is.
func checkSection[W any](c *checker, s section[W]) map[string]int {
	seen := make(map[string]int, len(s.things))
	for i := range s.things {
		w, at := &s.things[i], thingRef{s.kind, i}
		if params := s.params(w); params != nil {
			c.refused(at, params.Validate())
		}
		name := s.name(w)
		if s.texts != nil { // a name that people give
			displayName, extension := s.texts(w)
			c.visible(at, s.named, name)
			c.visible(at, "displayName", displayName)
			c.extension(at, extension)
		}
		if key := s.key(name); key != "" {
			if first, twice := seen[key]; twice {
				here := c.state.at(s.kind, i)
				c.problems = append(c.problems, here.problem(s.named, fmt.Sprintf("%s is there twice, first in %s", quote(name), c.state.at(s.kind, first).name(here))))
			} else {
				seen[key] = i
			}
		}
		c.texts(at, reflect.ValueOf(w).Elem())
		if s.more != nil {
			s.more(at, w)
		}
	}
	return seen
}

// texts checks all the texts of a thing for what no text may hold.
func (c *checker) texts(at thingRef, thing reflect.Value) {
	for _, f := range layouts()[thing.Type()].fields {
		v := thing.Field(f.index)
		if v.Kind() == reflect.Pointer {
			v = v.Elem() // not valid where it is nil
		}
		switch {
		case f.secret:
			if wrong := wrongText(v.Interface().(infinitysip.Secret).Reveal()); wrong != "" && wrong != garbledText {
				c.report(at, f.name, wrong)
			}
		case v.Kind() == reflect.String:
			if wrong := wrongText(v.String()); wrong != "" {
				c.report(at, f.name, wrong+": "+quote(v.String()))
			}
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
			for i := range v.Len() {
				if wrong := wrongText(v.Index(i).String()); wrong != "" {
					c.report(at, indexed(f.name, i), wrong+": "+quote(v.Index(i).String()))
				}
			}
		}
	}
}

// has reports whether a name is in a section.
func has(seen map[string]int, name string) bool {
	_, ok := seen[fold(name)]
	return ok
}

func (c *checker) report(at thingRef, field, text string) {
	c.problems = append(c.problems, c.state.at(at.kind, at.i).problem(field, text))
}

// refused reports what the client says of params.
func (c *checker) refused(at thingRef, err error) {
	if err != nil {
		for _, f := range refusals(err) {
			c.report(at, f.Field, f.Problem)
		}
	}
}

func refusals(err error) []infinitysip.FieldError {
	if invalid, ok := errors.AsType[*infinitysip.ValidationError](err); ok {
		return invalid.Fields
	}
	return nil
}

// visible reports a text that looks like another one.
func (c *checker) visible(at thingRef, field, text string) {
	if problem := cmp.Or(blankEnds(text), invisible(text, field == "displayName")); problem != "" {
		c.report(at, field, problem+": "+quote(text))
	}
}

func (c *checker) extension(at thingRef, number string) {
	hidden := invisible(number, false)
	switch {
	case number == "":
	case hidden != "":
		c.report(at, "extensionNumber", hidden+": "+quote(number))
	case strings.Trim(number, "0123456789*#") != "":
		c.report(at, "extensionNumber", "not digits alone: "+quote(number))
	default:
		if emergency(number) && !c.state.EmergencyNumbers {
			is := "is an emergency number"
			if len(number) > 3 {
				is = "begins like the emergency number " + number[:3]
			}
			c.report(at, "extensionNumber", quote(number)+" "+is+": take another one, or say that emergency numbers are meant")
		}
		if holder, taken := c.extensions[number]; taken {
			c.report(at, "extensionNumber", quote(number)+" is that of "+c.call(holder)+" already")
			return
		}
		c.extensions[number] = at
	}
}

// call is what a message calls a thing that another one is in the way of.
func (c *checker) call(t thingRef) string {
	name, o := "", origin{}
	switch t.kind {
	case KindGroup:
		name, o = c.state.Groups[t.i].Name, c.state.Groups[t.i].origin
	case KindQueue:
		name, o = c.state.Queues[t.i].Name, c.state.Queues[t.i].origin
	default:
		name, o = c.state.Users[t.i].User, c.state.Users[t.i].origin
	}
	if o.torn {
		return fmt.Sprintf("the %s in line %d", t.kind, o.line)
	}
	return string(t.kind) + " " + printable(cut(name))
}

// emergency reports whether people dial a number in an emergency, or it begins like
// such a number and has one digit more: who dials 999 and holds on to the key rings it.
func emergency(number string) bool {
	if len(number) != 3 && len(number) != 4 {
		return false
	}
	switch number[:3] {
	case "999", "112", "911":
		return true
	}
	return false
}

// user checks what only users have.
func (c *checker) user(at thingRef, u *User) {
	if pin := u.PIN.Reveal(); strings.Trim(pin, "0123456789") != "" {
		c.report(at, "pin", "not digits alone")
	}
	if hidden := invisible(u.Password.Reveal(), true); hidden != "" {
		c.report(at, "password", hidden)
	}
	if blankEnds(u.Password.Reveal()) != "" {
		c.report(at, "password", "begins or ends with a blank: take it away")
	}
	if u.Email != nil && *u.Email != "" {
		address, err := mail.ParseAddress(*u.Email)
		switch hidden := invisible(*u.Email, false); {
		case hidden != "":
			c.report(at, "email", hidden+": "+quote(*u.Email))
		case err != nil || address.Address != *u.Email:
			c.report(at, "email", "not an e-mail address: "+quote(*u.Email))
		}
	}
	if u.MobileNumber != nil && *u.MobileNumber != "" {
		switch hidden := invisible(*u.MobileNumber, false); {
		case hidden != "":
			c.report(at, "mobileNumber", hidden+": "+quote(*u.MobileNumber))
		case !phoneNumber(*u.MobileNumber):
			c.report(at, "mobileNumber", "not a phone number: "+quote(*u.MobileNumber))
		}
	}
}

// names checks a list of names; those of known are in the state, if their
// section is given.
func (c *checker) names(at thingRef, field string, names []string, given bool, known map[string]int) {
	if len(names) == 0 {
		return
	}
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		report := func(text string) { c.report(at, indexed(field, i), text) }
		key := fold(name)
		_, ok := known[key]
		switch hidden := invisible(name, false); {
		case name == "":
			report("an empty name")
		case seen[key]:
			report(quote(name) + " is there twice")
		case hidden != "":
			report(hidden + ": " + quote(name))
		case given && !ok && field == "groups":
			report(quote(name) + " is not in the state" + groupHint(name))
		case given && !ok:
			report(quote(name) + " is not in the state")
		}
		seen[key] = true
	}
}

// groupHint is to be added to what is said of a group that is not there, if its name
// looks like several.
func groupHint(name string) string {
	if strings.ContainsAny(name, ",|/\n") {
		return ": groups are separated by semicolons"
	}
	return ""
}

func (c *checker) queueMembers(queue int, q *Queue, groups map[string]int) {
	if len(q.Members) > wire.MaxOrder {
		c.report(thingRef{KindQueue, queue}, "members", fmt.Sprintf("%d of them: the API orders at most %d", len(q.Members), wire.MaxOrder))
	}
	for i := range q.Members {
		m := &q.Members[i]
		report := func(field, text string) {
			c.problems = append(c.problems, c.state.memberAt(queue, i).problem(field, text))
		}
		params := newMember(m)
		params.GroupID = 1
		for _, f := range refusals(params.Validate()) {
			report(f.Field, f.Problem)
		}
		switch {
		case m.Group == "":
			report("group", "required")
		case c.state.Groups != nil && !has(groups, m.Group):
			report("group", quote(m.Group)+" is not in the state")
		}
	}
}

// date is what a spreadsheet makes of some numbers.
var date = lazily(`^\d{4}-\d\d-\d\d$`)

func phoneNumber(text string) bool {
	const digits, least = "0123456789", 3
	if date().MatchString(text) {
		return false
	}
	text = strings.TrimPrefix(text, "+")
	n := 0
	for _, r := range text {
		if strings.ContainsRune(digits, r) {
			n++
		}
	}
	return n >= least && strings.Trim(text, digits+" -()") == ""
}
