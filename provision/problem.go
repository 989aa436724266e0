package provision

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip"
)

// Problem is something wrong with a state.
type Problem struct {
	File   string `json:"file,omitzero"`   // the file that it is in; empty: the file has no name, or there is none
	Line   int    `json:"line,omitzero"`   // the line of the file, from 1; 0: none
	Thing  string `json:"thing,omitzero"`  // what it is about: "user joe.blogs"; empty: a row of a spreadsheet, or the state
	Column string `json:"column,omitzero"` // the column of a spreadsheet, as its header has it; otherwise the field; empty: the whole thing
	Path   string `json:"path,omitzero"`   // the place in the state: users[3].extensionNumber
	Text   string `json:"text"`            // what is wrong, and what to do
}

// String returns the problem as a line for people:
//
//	staff.csv, line 7, Ext: not digits alone: "02o4"
//	office.json, line 12, user joe.blogs, email: not an e-mail address: "joe"
//	users[3] (joe.blogs), pin: not digits alone
func (p Problem) String() string {
	var at []string
	if p.File != "" {
		at = append(at, p.File)
	}
	if p.Line != 0 {
		at = append(at, "line "+strconv.Itoa(p.Line))
	}
	if p.Thing == "" && p.Line == 0 && p.Path != "" {
		at = append(at, p.Path)
	} else {
		at = append(at, slices.DeleteFunc([]string{p.Thing, p.Column}, func(s string) bool { return s == "" })...)
	}
	if len(at) == 0 {
		return p.Text
	}
	return strings.Join(at, ", ") + ": " + p.Text
}

// kind is what a problem has in common with those that an eye takes for the same: the
// column, if it is known, and the words less names and numbers.
func (p Problem) kind() string {
	const most = 24
	var words strings.Builder
	quoted := false
	for _, r := range p.Text {
		switch {
		case r == '"':
			quoted = !quoted
		case !quoted && !unicode.IsDigit(r):
			words.WriteRune(r)
		}
		if words.Len() >= most {
			break
		}
	}
	column := p.Column
	if strings.HasPrefix(column, `"`) { // one that is not known
		column = ""
	}
	return p.File + "\x00" + column + "\x00" + words.String()
}

// what is what a problem says, less the values.
func (p Problem) what() string {
	text, _, _ := strings.Cut(quotedValue().ReplaceAllString(p.Text, "…"), ":")
	if p.Column == "" || strings.HasPrefix(p.Column, `"`) {
		return text
	}
	return p.Column + ": " + text
}

// CheckError lists everything that is wrong with a state, or with PlanOptions, or that keeps
// a state from being written as CSV. Nothing was changed. It matches infinitysip.ErrInvalid.
type CheckError struct{ Problems []Problem }

// alike is how many problems of a kind a text lists.
const alike = 20

// Error lists the problems, one a line. Of similar problems it lists the first 20, and says
// how many more there are. Problems has all of them.
func (e *CheckError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "provision: %s, nothing was changed:", count(len(e.Problems), "problem"))
	left := map[string]int{} // of each kind
	for _, p := range e.Problems {
		left[p.kind()]++
	}
	listed := map[string]int{}
	for _, p := range e.Problems {
		kind := p.kind()
		switch listed[kind]++; {
		case listed[kind] <= alike:
			b.WriteString("\n" + p.String())
		case listed[kind] == alike+1:
			fmt.Fprintf(&b, "\nand %d more like it (%s)", left[kind]-alike, p.what())
		}
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
	// File by file, and by line in each; in the order of the state for the others.
	order := map[string]int{}
	for _, p := range problems {
		if _, ok := order[p.File]; !ok {
			order[p.File] = len(order)
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(order[a.File]-order[b.File], a.Line-b.Line)
	})
	return &CheckError{problems}
}

// noState is what a method of a nil state returns.
func noState() error { return asError([]Problem{{Text: "there is no state: it is nil"}}) }

// place is where a thing of a state is.
type place struct {
	path  string // users[3]
	thing string // as a person calls it
	origin
}

// thingAt makes the place of a thing that may have no name.
func thingAt(o origin, kind Kind, path, name string) place {
	return place{path, o.call(kind, path, name), o}
}

// call is what a message calls a thing; empty: its line or its path says it.
func (o origin) call(kind Kind, path, name string) string {
	switch {
	case o.from == nil && name == "":
		return ""
	case o.from == nil:
		return path + " (" + printable(cut(name)) + ")"
	case o.from.sheet:
		return ""
	case name == "":
		return "a " + string(kind) + " without a name"
	}
	return string(kind) + " " + printable(cut(name))
}

// quotedValue is a value in a message.
var quotedValue = lazily(`"(\\.|[^"\\])*"`)

// shown is a message less the values of a row that is torn.
func (o origin) shown(text string) string {
	if o.torn {
		return quotedValue().ReplaceAllString(text, "(not shown)")
	}
	return text
}

// problem makes a problem of the thing.
func (p place) problem(field, text string) Problem {
	column, _, _ := strings.Cut(field, "[")
	problem := Problem{Line: p.line, Thing: p.thing, Column: column, Path: strings.TrimSuffix(p.path+"."+field, "."), Text: p.shown(text)}
	if p.from != nil {
		problem.File = p.from.file
		if p.from.sheet {
			problem.Column = p.from.header(columnOf(column))
		}
	}
	return problem
}

// header is what the file calls a column.
func (s *source) header(column string) string {
	if header, ok := s.headers[column]; ok {
		return header
	}
	return column
}

// name is how another place in the state calls this one.
func (p place) name(other place) string {
	switch {
	case p.line == 0:
		return p.path
	case other.from != nil && other.from.file != p.from.file:
		return fmt.Sprintf("line %d of %s", p.line, p.from.file)
	}
	return fmt.Sprintf("line %d", p.line)
}

// at is the place of a thing.
func (s *State) at(kind Kind, i int) place {
	switch kind {
	case KindGroup:
		return s.groupAt(i)
	case KindQueue:
		return s.queueAt(i)
	case KindTrustedNetwork:
		return s.networkAt(i)
	case KindDevice:
		return s.deviceAt(i)
	}
	return s.userAt(i)
}

func (s *State) userAt(i int) place {
	return thingAt(s.Users[i].origin, KindUser, indexed("users", i), s.Users[i].User)
}

func (s *State) groupAt(i int) place {
	return thingAt(s.Groups[i].origin, KindGroup, indexed("groups", i), s.Groups[i].Name)
}

func (s *State) queueAt(i int) place {
	return thingAt(s.Queues[i].origin, KindQueue, indexed("queues", i), s.Queues[i].Name)
}

func (s *State) networkAt(i int) place {
	return thingAt(s.TrustedNetworks[i].origin, KindTrustedNetwork, indexed("trustedNetworks", i), s.TrustedNetworks[i].Network)
}

func (s *State) deviceAt(i int) place {
	return thingAt(s.Devices[i].origin, KindDevice, indexed("devices", i), s.Devices[i].MACAddress)
}

// memberAt is the place of a group in a queue.
func (s *State) memberAt(queue, i int) place {
	in := s.queueAt(queue)
	path := indexed("members", i)
	member := in.call(kindMember, path, s.Queues[queue].Members[i].Group)
	return place{in.path + "." + path, within(in.thing, member), in.origin}
}

// within is what a message calls a part of a thing.
func within(thing, part string) string {
	if thing == "" || part == "" {
		return ""
	}
	return thing + ", " + part
}

func indexed(section string, i int) string { return section + "[" + strconv.Itoa(i) + "]" }

// quote shows a piece of a state, bounded.
func quote(text string) string { return fmt.Sprintf("%q", cut(text)) }

// cut bounds a text.
func cut(text string) string {
	const most = 40
	if len(text) > most {
		if runes := []rune(text[:min(len(text), most*utf8.UTFMax)]); len(runes) > most {
			return string(runes[:most]) + "…"
		}
	}
	return text
}

func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// enumerate lists texts, the first few of them.
func enumerate(texts []string, separator string) string {
	const most = 10
	if len(texts) <= most {
		return strings.Join(texts, separator)
	}
	return strings.Join(texts[:most], separator) + separator + fmt.Sprintf("and %d more", len(texts)-most)
}
