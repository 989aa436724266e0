package provision

import (
	"fmt"
	"html"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// notes are what a reader of a plan must know besides the changes. What holds of
// many things is one note.
type notes struct {
	texts []string            // in the order in which they came
	about map[string][]string // the things that each is about
	stays []stay              // what stays although the state does not name it
	kept  map[stay][]string   // the names of what stays
}

// stay says what stays, of one and of many: "user stays", "users stay".
type stay struct{ one, many string }

func (n *notes) add(about, text string) {
	if n.about == nil {
		n.about = map[string][]string{}
	}
	if n.about[text] == nil {
		n.texts = append(n.texts, text)
	}
	n.about[text] = append(n.about[text], about)
}

// stay notes that something stays that Prune would take away.
func (n *notes) stay(one, many, name string) {
	how := stay{one, many}
	if n.kept == nil {
		n.kept = map[stay][]string{}
	}
	if n.kept[how] == nil {
		n.stays = append(n.stays, how)
	}
	n.kept[how] = append(n.kept[how], printable(name))
}

// list returns the notes as a person reads them.
func (n *notes) list() []string {
	var all []string
	for _, text := range n.texts {
		all = append(all, some(n.about[text])+": "+text)
	}
	for _, how := range n.stays {
		names := n.kept[how]
		what := how.one
		if len(names) > 1 {
			what = how.many
		}
		all = append(all, fmt.Sprintf("%d %s, since nothing is pruned: %s", len(names), what, some(names)))
	}
	return all
}

// some names the first of many.
func some(names []string) string {
	const most = 5
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// rewritten reports whether a field differs in a way in which servers change what
// they are sent.
func rewritten(f FieldChange) bool {
	from, ok := f.From.(string)
	to, _ := f.To.(string)
	if !ok || from == "" || to == "" {
		return false
	}
	const cut = 16 // no server cuts shorter
	switch {
	case len(from) >= cut && strings.HasPrefix(to, from),
		html.UnescapeString(from) == to,
		strings.Join(strings.Fields(from), " ") == strings.Join(strings.Fields(to), " "),
		norm.NFC.String(from) == norm.NFC.String(to),
		f.Field == "email" && strings.EqualFold(from, to),
		f.Field == "mobileNumber" && only(from, unicode.IsDigit) == only(to, unicode.IsDigit):
		return true
	}
	return from == plainLetters(to)
}

// only returns the runes of a text that are so.
func only(text string, so func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if so(r) {
			return r
		}
		return -1
	}, text)
}

// plainLetters is a text without the marks on its letters.
func plainLetters(text string) string {
	return only(norm.NFD.String(text), func(r rune) bool { return !unicode.Is(unicode.Mn, r) })
}
