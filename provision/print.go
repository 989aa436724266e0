package provision

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shownMembers is how many names of a list a plan shows when nobody says.
const shownMembers = 10

// String returns the change as a line of a diff. It begins with + for what is
// added, with - for a user, group, queue, network or device that is deleted, and
// with ~ for any other change. A long list of names is cut after ten:
//
//	~ user ann: displayName "Ann" → "Anna", new password
//	+ user joe.blogs (extension 0100, displayName "Joe Blogs", password made up)
//	~ out of group sales: carl, dora (2 users stay in the domain)
//	~ device 10:20:30:1A:2B:3C goes from user ann to user ben
//	- user bob, and with it: places in groups sales, support; device 10:20:30:1A:2B:3D loses its user
//
// For something new it shows the first eight fields, and of a long text the first 40
// characters. "password given" means that the state or an interrupted run gives it,
// "password made up" that Apply makes it up. So it is with PINs.
//
// A name that is more than one word, or that a terminal would not show as it is,
// has quotation marks.
func (c Change) String() string { return c.line(shownMembers) }

// line is String with that many names of a list.
func (c *Change) line(most int) string {
	sign := map[Op]string{OpCreate: "+ ", OpUpdate: "~ ", OpDelete: "- "}[c.Op]
	if sign == "" {
		sign = "? " // an op that is none: nothing that Plan makes
	}
	name := printable(c.Name)
	switch c.Kind {
	case KindGroupMembers:
		switch c.Op {
		case OpCreate:
			return sign + "into group " + name + ": " + names(c.Members, most, "users")
		case OpDelete: // whom nobody deletes
			return fmt.Sprintf("~ out of group %s: %s (%s in the domain)", name, names(c.Members, most, ""), several(len(c.Members), "1 user stays", "%d users stay"))
		}
		return sign + "users in group " + name + ": " + names(c.Members, most, "users")
	case KindQueueMember:
		group := "group " + names(c.Members, most, "groups")
		switch c.Op {
		case OpCreate:
			if c.ID != 0 {
				group += " too" // those that it rings stay
			}
			if len(c.Fields) > 0 {
				group += " (" + fields(c.Fields) + ")"
			}
			return sign + "queue " + name + " rings " + group
		case OpDelete:
			return "~ queue " + name + " no longer rings " + group
		}
		return sign + "queue " + name + ": " + group + " " + fields(c.Fields)
	case KindQueueOrder:
		return "~ queue " + name + " rings in this order: " + names(c.Members, most, "groups")
	case KindOwner:
		if c.Op != OpCreate {
			sign = "~ " // the device stays
		}
		return sign + "device " + name + c.owner()
	}
	line := sign + escaped(string(c.Kind), "") + " " + name
	switch c.Op {
	case OpCreate:
		return line + c.says()
	case OpDelete:
		if c.From != nil { // of a device
			line += " of user " + printable(c.From.Name)
		}
		return line + c.losses(most)
	}
	if all := c.updates(); all != "" {
		line += ": " + all
	}
	return line
}

// How much of a new thing a line tells: so many fields, and so much of a text.
const (
	shownFields = 8
	shownSigns  = 40
)

// says is what a line tells of a new thing: the name of a device, the extension
// number, the other fields, and where a user's password and PIN come from.
func (c *Change) says() string {
	var first string
	var all []string
	hotdesk := false
	for _, f := range c.Fields {
		switch {
		case f.Field == "extensionNumber":
			text, _ := f.To.(string)
			all = slices.Insert(all, 0, "extension "+printable(text))
		case f.Field == "pbxDeviceName" && c.Kind == KindDevice:
			first = " " + shown(shortened(f.To))
		case f.To == "", f.Field == "displayName" && f.To == c.Name: // as it is anyway
		default:
			hotdesk = hotdesk || f.Field == "hotdeskAllowed" && f.To == true
			all = append(all, f.String())
		}
	}
	if more := len(all) - shownFields; more > 0 {
		all = append(all[:shownFields], several(more, "1 more field", "%d more fields"))
	}
	if c.Kind == KindUser {
		origin := func(name string, made bool, word string) {
			switch {
			case slices.Contains(c.Secrets, name):
				all = append(all, word+" given")
			case made:
				all = append(all, word+" made up")
			}
		}
		origin("password", true, "password")
		origin("pin", hotdesk, "PIN")
	}
	if len(all) == 0 {
		return first
	}
	return first + " (" + strings.Join(all, ", ") + ")"
}

// shortened is a value without the end of a long text.
func shortened(value any) any {
	if text, ok := value.(string); ok {
		return cut(text)
	}
	return value
}

// updates are the fields and the secrets that an update sets.
func (c *Change) updates() string {
	all := fields(c.Fields)
	if c.Between {
		all += " for the time in between"
	}
	for _, name := range c.Secrets {
		if all != "" {
			all += ", "
		}
		if name == "pin" {
			name = "PIN"
		}
		all += "new " + printable(name)
	}
	return all
}

// owner tells whose a device becomes.
func (c *Change) owner() string {
	user := func(ref *Ref) string { return "user " + printable(ref.Name) }
	switch {
	case c.NewToken && c.To != nil:
		return " of " + user(c.To) + ": new token"
	case c.From != nil && c.To != nil:
		return " goes from " + user(c.From) + " to " + user(c.To)
	case c.To != nil:
		return " goes to " + user(c.To)
	case c.Between && c.From != nil:
		return " is taken from " + user(c.From) + " for the time in between"
	case c.From != nil:
		return " is taken from " + user(c.From) + " and is nobody's"
	}
	return " is nobody's"
}

// losses tells what a delete takes along.
func (c *Change) losses(most int) string {
	if len(c.Takes) == 0 {
		return ""
	}
	var members, places, owners []Ref
	for _, loss := range c.Takes {
		other := loss.Of // what loses the thing
		if c.Kind == KindGroup && loss.Kind == KindGroupMembers || c.Kind == KindQueue {
			other = loss.Member // what the thing has
		}
		switch loss.Kind {
		case KindGroupMembers:
			members = append(members, other)
		case KindQueueMember:
			places = append(places, other)
		default:
			owners = append(owners, other)
		}
	}
	var told []string
	switch n := len(members); {
	case n == 0:
	case c.Kind == KindGroup:
		told = append(told, several(n, "1 user loses", "%d users lose")+" the group: "+names(members, most, ""))
	default:
		told = append(told, several(n, "place in group ", "places in groups ")+names(members, most, "groups"))
	}
	switch n := len(places); {
	case n == 0:
	case c.Kind == KindQueue:
		told = append(told, several(n, "place of group ", "places of groups ")+names(places, most, "groups"))
	default:
		told = append(told, several(n, "queue ", "queues ")+names(places, most, "queues")+several(n, " no longer rings it", " no longer ring it"))
	}
	if n := len(owners); n > 0 {
		told = append(told, several(n, "device ", "devices ")+names(owners, most, "devices")+several(n, " loses its user", " lose their user"))
	}
	return ", and with it: " + strings.Join(told, "; ")
}

// several is one, or more with the number in it.
func several(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return strings.Replace(more, "%d", strconv.Itoa(n), 1)
}

// names lists the first names, and how many more there are; things says of what,
// unless the line says so elsewhere.
func names(refs []Ref, most int, things string) string {
	var b strings.Builder
	for i := range refs {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most {
			fmt.Fprintf(&b, "…and %d more", len(refs)-most)
			if things != "" {
				fmt.Fprintf(&b, " (%d %s)", len(refs), things)
			}
			break
		}
		b.WriteString(printable(refs[i].Name))
	}
	return b.String()
}

// fields lists what fields get.
func fields(all []FieldChange) string {
	var b strings.Builder
	for i, f := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// String returns a text such as `displayName "Ann" → "Anna"`, "hotdeskAllowed off → on" or
// `clears email ("ann@example.com" → "")`. For a field of something new it is "ringSecs 20",
// and a long text is cut.
func (f FieldChange) String() string {
	field := printable(f.Field)
	switch {
	case f.From == nil:
		return field + " " + shown(shortened(f.To))
	case f.To == "":
		return "clears " + field + " (" + shown(f.From) + ` → "")`
	}
	return field + " " + shown(f.From) + " → " + shown(f.To)
}

// shown is a value of a field as a line shows it.
func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case bool:
		if v {
			return "on"
		}
		return "off"
	case int64:
		return strconv.FormatInt(v, 10)
	case int:
		return strconv.Itoa(v)
	}
	return quoted(fmt.Sprint(value))
}

// printable is a name as a line shows it: with quotation marks, and with escapes
// for what cannot be seen, if it could be taken for something else.
func printable(name string) string {
	if name == "" || !utf8.ValidString(name) || strings.HasSuffix(name, ":") {
		return quoted(name)
	}
	for i, r := range name {
		switch {
		case unicode.IsLetter(r) && !ignorable(r), unicode.IsNumber(r), strings.ContainsRune("._-@+/:&#", r):
		case unicode.IsMark(r) && i > 0 && !ignorable(r): // the first would change what is before the name
		default:
			return quoted(name)
		}
	}
	return name
}

// quoted puts text in quotation marks and escapes what cannot be seen.
func quoted(text string) string { return `"` + escaped(text, `"`) + `"` }

// escaped writes as in Go what a terminal obeys or does not show: control
// characters, those that turn the direction of the text, and invisible ones. So
// it does with those that are given, and with backslashes where they are.
func escaped(text, also string) string {
	plain := func(r rune) bool {
		return unicode.IsPrint(r) && !ignorable(r) && !strings.ContainsRune(also, r) && (also == "" || r != '\\')
	}
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	out := make([]byte, 0, len(text)+8)
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case plain(r):
			out = append(out, text[:size]...)
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case ignorable(r): // which strconv shows as it is
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			escape := strconv.QuoteRune(r)
			out = append(out, escape[1:len(escape)-1]...)
		}
		text = text[size:]
	}
	return string(out)
}

// ignorable reports whether a character that unicode.IsPrint takes for a visible
// one is none: a filler, a selector of variants, an empty pattern of Braille.
func ignorable(r rune) bool {
	return r == '\u2800' || r > 0x2FF && unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// String returns the plan as a diff, one line a change, and then its notes, each
// after a "!". It is empty if there are no changes and no notes.
func (c *Changes) String() string {
	var b strings.Builder
	_ = Printer{}.lines(&b, c) // a Builder takes everything
	return b.String()
}

// Printer prints plans.
type Printer struct {
	Color   bool // with the color codes of a terminal
	Members int  // how many names of a list to show before "…and 12 more"; 0: 10
}

// Print writes the plan as a diff, one line a change, then its notes, then a
// summary of each kind and in all. Its error is that of w.
//
// With Color, what is added is green, and a change is yellow. Everything that counts as a
// delete is red, also a user who is taken out of a group.
func (p Printer) Print(w io.Writer, c *Changes) error {
	out := bufio.NewWriter(w)
	err := p.lines(out, c)
	if err == nil && c != nil && len(c.Items)+len(c.Notes) > 0 {
		err = out.WriteByte('\n')
	}
	if err == nil {
		_, err = out.WriteString(c.table())
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("provision: the plan could not be printed to its end: %w", err)
	}
	return nil
}

// lines writes the changes and the notes.
func (p Printer) lines(w io.StringWriter, c *Changes) error {
	if c == nil {
		return nil
	}
	most := p.Members
	if most <= 0 {
		most = shownMembers
	}
	for i := range c.Items {
		item := &c.Items[i]
		line := item.line(most)
		if p.Color {
			line = item.color() + line + "\x1b[0m"
		}
		if _, err := w.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	for _, note := range c.Notes {
		if _, err := w.WriteString("! " + escaped(note, "") + "\n"); err != nil {
			return err
		}
	}
	return nil
}

// color begins the color of a change.
func (c *Change) color() string {
	switch {
	case c.deletes() > 0:
		return "\x1b[31m"
	case c.Op == OpCreate:
		return "\x1b[32m"
	}
	return "\x1b[33m"
}

// summaryRows are the kinds as a summary calls them, in its order.
var summaryRows = []struct {
	kind  Kind
	title string
}{
	{KindUser, "users"},
	{KindGroup, "groups"},
	{KindQueue, "queues"},
	{KindTrustedNetwork, "trusted networks"},
	{KindDevice, "devices"},
	{KindGroupMembers, "users in groups"},
	{KindOwner, "users of devices"},
	{KindQueueMember, "groups in queues"},
	{KindQueueOrder, "orders of queues"},
}

// table is the summary that Print writes.
func (c *Changes) table() string {
	var b strings.Builder
	byKind := c.summaries()
	for _, row := range summaryRows {
		s := byKind[row.kind]
		if s == (Summary{}) {
			continue
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "%-16s %8s %8s %8s\n", "", "create", "change", "delete")
		}
		fmt.Fprintf(&b, "%-16s %8d %8d %8d\n", row.title, s.Create, s.Change, s.Delete)
	}
	return b.String() + "in all: " + c.Summary().String() + "\n"
}

// Summary counts the changes of a plan. Each user who comes into a group or is taken out
// counts as one. So do each group of a queue and each user of a device. What a delete takes
// along counts as in Changes.Deletes. A change with Change.Between does not count.
type Summary struct {
	Create int `json:"create"`
	Change int `json:"change"`
	Delete int `json:"delete"`
}

// String returns a text such as "12 to create, 3 to change, 0 to delete".
func (s Summary) String() string {
	return fmt.Sprintf("%d to create, %d to change, %d to delete", s.Create, s.Change, s.Delete)
}

// Summary counts the changes of some kinds, or without kinds all changes. If a user is
// deleted, the end of its place in a group counts under KindGroupMembers.
func (c *Changes) Summary(kinds ...Kind) Summary {
	var all Summary
	for kind, s := range c.summaries() {
		if len(kinds) == 0 || slices.Contains(kinds, kind) {
			all.Create += s.Create
			all.Change += s.Change
			all.Delete += s.Delete
		}
	}
	return all
}

// summaries tells how much the plan does of each kind.
func (c *Changes) summaries() map[Kind]Summary {
	byKind := map[Kind]Summary{}
	if c == nil {
		return byKind
	}
	for i := range c.Items {
		item := &c.Items[i]
		if item.Between {
			continue
		}
		n := 1
		if item.Kind == KindGroupMembers {
			n = len(item.Members)
		}
		s := byKind[item.Kind]
		switch item.Op {
		case OpCreate:
			s.Create += n
		case OpDelete:
			s.Delete += n
		default:
			s.Change += n
		}
		byKind[item.Kind] = s
		if item.Op != OpDelete {
			continue
		}
		for _, loss := range item.Takes {
			s := byKind[loss.Kind]
			s.Delete++
			byKind[loss.Kind] = s
		}
	}
	return byKind
}
