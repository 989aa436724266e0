package provision_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

// refs are things on the server, by name.
func refs(names ...string) []provision.Ref {
	all := make([]provision.Ref, len(names))
	for i, name := range names {
		all[i] = provision.Ref{Name: name, ID: int64(i + 1)}
	}
	return all
}

// manyRefs are n things with a number in the name.
func manyRefs(prefix string, n int) []provision.Ref {
	all := make([]provision.Ref, n)
	for i := range all {
		all[i] = provision.Ref{Name: fmt.Sprintf("%s%d", prefix, i+1), ID: int64(i + 1)}
	}
	return all
}

// lossesOf are losses of one kind: of each of the things, the member.
func lossesOf(kind provision.Kind, of, members []provision.Ref) []provision.Loss {
	var all []provision.Loss
	for _, o := range of {
		for _, m := range members {
			all = append(all, provision.Loss{Kind: kind, Of: o, Member: m})
		}
	}
	return all
}

const (
	phone      = "10:20:30:1A:2B:3C"
	otherPhone = "10:20:30:1A:2B:3D"
)

func TestChangeString(t *testing.T) {
	t.Parallel()
	type fields = []provision.FieldChange
	ref := func(name string) provision.Ref { return provision.Ref{Name: name, ID: 7} }
	user := func(name string) *provision.Ref { return &provision.Ref{Name: name, ID: 8} }
	for _, test := range []struct {
		change provision.Change
		want   string
	}{
		// What is made.
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindUser, Ref: provision.Ref{Name: "joe.blogs", MadeBy: 1},
			Fields: fields{{Field: "displayName", To: "Joe Blogs"}, {Field: "extensionNumber", To: "0100"}}, Secrets: []string{"password"}},
			`+ user joe.blogs (extension 0100, displayName "Joe Blogs", password given)`},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindGroup, Ref: ref("Sales Dept"), Fields: fields{{Field: "extensionNumber", To: "0600"}}},
			`+ group "Sales Dept" (extension 0600)`},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindQueue, Ref: ref("reception")}, "+ queue reception"},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindTrustedNetwork, Ref: ref("203.0.113.0/24"), Fields: fields{{Field: "description", To: "Office"}}},
			`+ trusted network 203.0.113.0/24 (description "Office")`},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindTrustedNetwork, Ref: ref("2001:db8::/32")}, "+ trusted network 2001:db8::/32"},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindDevice, Ref: ref(phone), Fields: fields{{Field: "pbxDeviceName", To: "Joe Blogs"}}},
			`+ device 10:20:30:1A:2B:3C "Joe Blogs"`},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindUser, Ref: provision.Ref{Name: "ann", MadeBy: 1}, Fields: fields{
			{Field: "displayName", To: "ann"}, {Field: "email", To: ""}, {Field: "jobName", To: strings.Repeat("ü", 39) + "\x1b" + strings.Repeat("x", 1e6)}, {Field: "hotdeskAllowed", To: true}}},
			`+ user ann (jobName "` + strings.Repeat("ü", 39) + `\x1b…", hotdeskAllowed on, password made up, PIN made up)`},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindUser, Ref: provision.Ref{Name: "ann", MadeBy: 1}, Secrets: []string{"pin"}, Fields: fields{
			{Field: "a", To: "1"}, {Field: "b", To: "2"}, {Field: "c", To: "3"}, {Field: "d", To: "4"}, {Field: "e", To: "5"}, {Field: "f", To: "6"}, {Field: "g", To: "7"},
			{Field: "extensionNumber", To: "0100"}, {Field: "hotdeskAllowed", To: true}, {Field: "h", To: "9"}}},
			`+ user ann (extension 0100, a "1", b "2", c "3", d "4", e "5", f "6", g "7", 2 more fields, password made up, PIN given)`},

		// What changes.
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindUser, Ref: ref("ann"), Fields: fields{
			{Field: "displayName", From: "Ann", To: "Anna"}, {Field: "hotdeskAllowed", From: false, To: true},
			{Field: "dashboard", From: true, To: false}, {Field: "email", From: "a@example.com", To: ""}}, Secrets: []string{"password", "pin"}},
			`~ user ann: displayName "Ann" → "Anna", hotdeskAllowed off → on, dashboard on → off, clears email ("a@example.com" → ""), new password, new PIN`},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindUser, Ref: ref("ann"), Secrets: []string{"pin"}}, "~ user ann: new PIN"},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindUser, Ref: ref("ann"), Between: true,
			Fields: fields{{Field: "extensionNumber", From: "0101", To: "9989"}}},
			`~ user ann: extensionNumber "0101" → "9989" for the time in between`},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindUser, Ref: ref("ann"), Fields: fields{{Field: "mobileNumber", From: "", To: "07700 900101"}, {Field: "mobileFollow", To: true}}},
			`~ user ann: mobileNumber "" → "07700 900101", mobileFollow on`},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindDevice, Ref: ref(phone), Fields: fields{{Field: "pbxDeviceName", From: `Ann's "old"`, To: "Ann\u202ebob"}}},
			`~ device 10:20:30:1A:2B:3C: pbxDeviceName "Ann's \"old\"" → "Ann\u202ebob"`},

		// What is deleted, and what goes with it.
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindUser, Ref: ref("bob")}, "- user bob"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindDevice, Ref: ref(phone)}, "- device 10:20:30:1A:2B:3C"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindUser, Ref: ref("bob"), Takes: append(
			lossesOf(provision.KindGroupMembers, refs("sales", "support"), refs("bob")),
			lossesOf(provision.KindOwner, refs(phone), refs("bob"))...)},
			"- user bob, and with it: places in groups sales, support; device 10:20:30:1A:2B:3C loses its user"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindUser, Ref: ref("bob"), Takes: append(
			lossesOf(provision.KindGroupMembers, refs("sales"), refs("bob")),
			lossesOf(provision.KindOwner, refs(phone, otherPhone), refs("bob"))...)},
			"- user bob, and with it: place in group sales; devices 10:20:30:1A:2B:3C, 10:20:30:1A:2B:3D lose their user"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindUser, Ref: ref("bob"), Takes: lossesOf(provision.KindGroupMembers, manyRefs("g", 12), refs("bob"))},
			"- user bob, and with it: places in groups g1, g2, g3, g4, g5, g6, g7, g8, g9, g10, …and 2 more (12 groups)"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindGroup, Ref: ref("sales"), Takes: append(
			lossesOf(provision.KindGroupMembers, refs("sales"), manyRefs("u", 12)),
			lossesOf(provision.KindQueueMember, refs("reception"), refs("sales"))...)},
			"- group sales, and with it: 12 users lose the group: u1, u2, u3, u4, u5, u6, u7, u8, u9, u10, …and 2 more; queue reception no longer rings it"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindGroup, Ref: ref("sales"), Takes: append(
			lossesOf(provision.KindGroupMembers, refs("sales"), refs("ann")),
			lossesOf(provision.KindQueueMember, refs("reception", "night"), refs("sales"))...)},
			"- group sales, and with it: 1 user loses the group: ann; queues reception, night no longer ring it"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindQueue, Ref: ref("reception"), Takes: lossesOf(provision.KindQueueMember, refs("reception"), refs("sales", "support"))},
			"- queue reception, and with it: places of groups sales, support"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindQueue, Ref: ref("reception"), Takes: lossesOf(provision.KindQueueMember, refs("reception"), refs("sales"))},
			"- queue reception, and with it: place of group sales"},

		// Users and groups.
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindGroupMembers, Ref: ref("sales"), Members: refs("ann", "ben")}, "+ into group sales: ann, ben"},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindGroupMembers, Ref: ref("sales"), Members: manyRefs("u", 10)},
			"+ into group sales: u1, u2, u3, u4, u5, u6, u7, u8, u9, u10"},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindGroupMembers, Ref: ref("sales"), Members: manyRefs("u", 1200)},
			"+ into group sales: u1, u2, u3, u4, u5, u6, u7, u8, u9, u10, …and 1190 more (1200 users)"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindGroupMembers, Ref: ref("sales"), Members: refs("carl", "dora")},
			"~ out of group sales: carl, dora (2 users stay in the domain)"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindGroupMembers, Ref: ref("sales"), Members: refs("carl")},
			"~ out of group sales: carl (1 user stays in the domain)"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindGroupMembers, Ref: ref("sales"), Members: manyRefs("u", 12)},
			"~ out of group sales: u1, u2, u3, u4, u5, u6, u7, u8, u9, u10, …and 2 more (12 users stay in the domain)"},

		// Whose a device is.
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindOwner, Ref: ref(phone), To: user("ann")}, "+ device 10:20:30:1A:2B:3C goes to user ann"},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindOwner, Ref: ref(phone), From: user("ann"), To: user("ben")},
			"~ device 10:20:30:1A:2B:3C goes from user ann to user ben"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindOwner, Ref: ref(phone), From: user("ann")},
			"~ device 10:20:30:1A:2B:3C is taken from user ann and is nobody's"},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindOwner, Ref: ref(phone), From: user("ann"), To: user("ann"), NewToken: true},
			"~ device 10:20:30:1A:2B:3C of user ann: new token"},

		// What a queue rings.
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindQueueMember, Ref: ref("reception"), Members: refs("sales"), Fields: fields{{Field: "ringStrategy", To: "all"}, {Field: "ringSecs", To: int64(20)}}},
			`+ queue reception rings group sales too (ringStrategy "all", ringSecs 20)`},
		{provision.Change{Op: provision.OpCreate, Kind: provision.KindQueueMember, Ref: provision.Ref{Name: "reception", MadeBy: 3}, Members: refs("sales")},
			"+ queue reception rings group sales"},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindQueueMember, Ref: ref("reception"), Members: refs("sales"), Fields: fields{{Field: "ringSecs", From: int64(20), To: int64(30)}}},
			"~ queue reception: group sales ringSecs 20 → 30"},
		{provision.Change{Op: provision.OpDelete, Kind: provision.KindQueueMember, Ref: ref("reception"), Members: refs("sales")},
			"~ queue reception no longer rings group sales"},
		{provision.Change{Op: provision.OpUpdate, Kind: provision.KindQueueOrder, Ref: ref("reception"), Members: refs("sales", "support", "accounts")},
			"~ queue reception rings in this order: sales, support, accounts"},
	} {
		require.Equal(t, test.want, test.change.String())
		require.Equal(t, test.want, fmt.Sprint(test.change), "a value prints so too")
		require.Equal(t, test.want, fmt.Sprint(&test.change), "and a pointer")
	}
}

// A name must not look like a part of the line.
func TestChangeStringQuotesNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, want string }{
		{"joe.blogs", "joe.blogs"},
		{"o_neil-2@example.com", "o_neil-2@example.com"},
		{"Zoë", "Zoë"},
		{"Zoe\u0308", "Zoe\u0308"},
		{"山田", "山田"},
		{"", `""`},
		{"two words", `"two words"`},
		{" ann", `" ann"`},
		{"ann, ben", `"ann, ben"`},
		{"ann:", `"ann:"`},
		{"…and", `"…and"`},
		{`a"b\c`, `"a\"b\\c"`},
		{"\x1b[31mred", `"\x1b[31mred"`},
		{"a\nb\tc\x00\u007f\u009b", `"a\nb\tc\x00\x7f\u009b"`},
		{"\u202emoor", `"\u202emoor"`},                     // turns the direction
		{"\u2066a\u2069", `"\u2066a\u2069"`},               // so do these
		{"a\u200bb", `"a\u200bb"`},                         // zero width
		{"\u00a0", `"\u00a0"`},                             // a blank that does not break
		{"a\u3164", `"a\u3164"`},                           // a letter by Unicode, and empty
		{"a\u2800", `"a\u2800"`},                           // so is this symbol
		{"a\ufe0f", `"a\ufe0f"`},                           // a selector of variants
		{"\U000e0061", `"\U000e0061"`},                     // a tag
		{"\u0301nn", "\"\u0301nn\""},                       // would put an accent on the blank before
		{"a\xff", `"a\xff"`},                               // no UTF-8
		{"a\ufffd", "\"a\ufffd\""},                         // UTF-8
		{"<b>$(x)`y`;'", "\"<b>$(x)`y`;'\""},               // a shell's
		{"=1+1", `"=1+1"`},                                 // a formula
		{"\u001b]8;;https://x\a", `"\x1b]8;;https://x\a"`}, // a link
	} {
		change := provision.Change{Op: provision.OpDelete, Kind: provision.KindUser, Ref: provision.Ref{Name: test.name}}
		require.Equal(t, "- user "+test.want, change.String())
	}
}

// Each op of each kind has words, also those that no plan has.
func TestChangeStringOfAll(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, op := range []provision.Op{provision.OpCreate, provision.OpUpdate, provision.OpDelete, ""} {
		for _, kind := range []provision.Kind{provision.KindUser, provision.KindGroup, provision.KindQueue, provision.KindTrustedNetwork, provision.KindDevice,
			provision.KindGroupMembers, provision.KindOwner, provision.KindQueueMember, provision.KindQueueOrder, "", "\x1b[31m"} {
			what := fmt.Sprintf("%s %s", op, kind)
			bare := provision.Change{Op: op, Kind: kind}.String()
			require.NotEmpty(t, bare, what)
			full := provision.Change{Op: op, Kind: kind, Ref: provision.Ref{Name: "thing", ID: 4},
				Fields: []provision.FieldChange{{Field: "f", From: "a", To: "b"}}, Secrets: []string{"pin"}, Members: refs("one"),
				From: &refs("two")[0], To: &refs("three")[0],
				Takes: []provision.Loss{{Kind: provision.KindGroupMembers}, {Kind: provision.KindQueueMember}, {Kind: provision.KindOwner}, {}}}.String()
			require.Contains(t, full, "thing", what)
			require.Contains(t, []string{"+ ", "~ ", "- ", "? "}, full[:2], what)
			require.NotContains(t, full, "\x1b", what)
			if kind != provision.KindQueueOrder && kind != provision.KindOwner && op != "" { // an order is only ever new, and the users tell of an owner
				require.Empty(t, seen[full], "%s reads like %s", what, seen[full])
			}
			seen[full] = what
		}
	}
}

func TestFieldChangeString(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change provision.FieldChange
		want   string
	}{
		{provision.FieldChange{Field: "displayName", From: "Ann", To: "Anna"}, `displayName "Ann" → "Anna"`},
		{provision.FieldChange{Field: "displayName", From: "on", To: "off"}, `displayName "on" → "off"`},
		{provision.FieldChange{Field: "email", From: "x", To: ""}, `clears email ("x" → "")`},
		{provision.FieldChange{Field: "email", To: ""}, `email ""`},
		{provision.FieldChange{Field: "dashboard", From: true, To: false}, "dashboard on → off"},
		{provision.FieldChange{Field: "ringSecs", To: int64(20)}, "ringSecs 20"},
		{provision.FieldChange{Field: "ringSecs", From: 10, To: 20}, "ringSecs 10 → 20"},
		{provision.FieldChange{Field: "\x1b", From: "a\x1b", To: 1.5}, `"\x1b" "a\x1b" → "1.5"`},
		{provision.FieldChange{Field: "email", From: "x"}, `email "x" → nothing`},
	} {
		require.Equal(t, test.want, test.change.String())
	}
}

// samplePlan has a change of each sort.
func samplePlan() *provision.Changes {
	return &provision.Changes{
		Items: []provision.Change{
			{N: 1, Op: provision.OpCreate, Kind: provision.KindUser, Ref: provision.Ref{Name: "joe.blogs", MadeBy: 1}, Fields: []provision.FieldChange{{Field: "extensionNumber", To: "0100"}}},
			{N: 2, Op: provision.OpUpdate, Kind: provision.KindUser, Ref: provision.Ref{Name: "ann", ID: 1}, Secrets: []string{"password"}},
			{N: 3, Op: provision.OpCreate, Kind: provision.KindGroupMembers, Ref: provision.Ref{Name: "sales", ID: 1}, Members: manyRefs("u", 4)},
			{N: 4, Op: provision.OpDelete, Kind: provision.KindGroupMembers, Ref: provision.Ref{Name: "support", ID: 2}, Members: refs("carl", "dora")},
			{N: 5, Op: provision.OpDelete, Kind: provision.KindOwner, Ref: provision.Ref{Name: phone, ID: 3}, From: &provision.Ref{Name: "ann", ID: 1}},
			{N: 6, Op: provision.OpUpdate, Kind: provision.KindQueueOrder, Ref: provision.Ref{Name: "reception", ID: 1}, Members: refs("sales", "support")},
			{N: 7, Op: provision.OpDelete, Kind: provision.KindUser, Ref: provision.Ref{Name: "bob", ID: 4}, Takes: append(
				lossesOf(provision.KindGroupMembers, refs("sales"), refs("bob")), lossesOf(provision.KindOwner, refs(otherPhone), refs("bob"))...)},
		},
		Notes: []string{"3 users stay,\nthough the list does not have them"},
	}
}

func TestPrinter(t *testing.T) {
	t.Parallel()
	const summary = `
                   create   change   delete
users                   1        1        1
users in groups         4        0        3
users of devices        0        0        2
orders of queues        0        1        0
in all: 5 to create, 2 to change, 6 to delete
`
	print := func(p provision.Printer, c *provision.Changes) string {
		var out bytes.Buffer
		require.NoError(t, p.Print(&out, c))
		return out.String()
	}
	const lines = `+ user joe.blogs (extension 0100, password made up)
~ user ann: new password
+ into group sales: u1, u2, u3, u4
~ out of group support: carl, dora (2 users stay in the domain)
~ device 10:20:30:1A:2B:3C is taken from user ann and is nobody's
~ queue reception rings in this order: sales, support
- user bob, and with it: place in group sales; device 10:20:30:1A:2B:3D loses its user
! 3 users stay,\nthough the list does not have them
`
	require.Equal(t, lines+summary, print(provision.Printer{}, samplePlan()))
	require.Equal(t, lines, samplePlan().String())
	require.Equal(t, lines, fmt.Sprint(samplePlan()))

	short := strings.Replace(lines, "u1, u2, u3, u4", "u1, u2, u3, …and 1 more (4 users)", 1)
	require.Equal(t, short+summary, print(provision.Printer{Members: 3}, samplePlan()))

	var colored strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(lines, "\n"), "\n") {
		if i < 7 {
			line = "\x1b[" + []string{"32m", "33m", "32m", "31m", "31m", "33m", "31m"}[i] + line + "\x1b[0m"
		}
		colored.WriteString(line + "\n")
	}
	require.Equal(t, colored.String()+summary, print(provision.Printer{Color: true}, samplePlan()))

	const nothing = "in all: 0 to create, 0 to change, 0 to delete\n"
	require.Equal(t, nothing, print(provision.Printer{}, nil))
	require.Equal(t, nothing, print(provision.Printer{}, &provision.Changes{}))
	require.Equal(t, "! so it is\n\n"+nothing, print(provision.Printer{}, &provision.Changes{Notes: []string{"so it is"}}))
	require.Empty(t, (&provision.Changes{}).String())
	require.Empty(t, (*provision.Changes)(nil).String())
}

type fullDisk struct{ room int }

func (w *fullDisk) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestPrinterError(t *testing.T) {
	t.Parallel()
	plan := &provision.Changes{}
	for range 1000 {
		plan.Items = append(plan.Items, samplePlan().Items...)
		plan.Notes = append(plan.Notes, samplePlan().Notes...)
	}
	require.NoError(t, provision.Printer{}.Print(&fullDisk{1 << 30}, plan))
	for _, room := range []int{0, 5_000, 100_000, 400_000} {
		require.EqualError(t, provision.Printer{}.Print(&fullDisk{room}, plan), "provision: the plan could not be printed to its end: no space left")
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	plan := samplePlan()
	// Nobody asked for what is done for the time in between.
	plan.Items = append(plan.Items, provision.Change{N: 8, Op: provision.OpUpdate, Kind: provision.KindUser, Ref: refs("ann")[0], Between: true},
		provision.Change{N: 9, Op: provision.OpUpdate, Kind: provision.KindOwner, Ref: refs(phone)[0], From: &refs("ann")[0], Between: true})
	require.Equal(t, provision.Summary{Create: 5, Change: 2, Delete: 6}, plan.Summary())
	require.Equal(t, plan.Deletes(), plan.Summary().Delete)
	require.Equal(t, provision.Summary{Create: 1, Change: 1, Delete: 1}, plan.Summary(provision.KindUser))
	require.Equal(t, provision.Summary{Create: 4, Delete: 5}, plan.Summary(provision.KindGroupMembers, provision.KindOwner))
	require.Equal(t, "4 to create, 0 to change, 5 to delete", plan.Summary(provision.KindGroupMembers, provision.KindOwner).String())
	require.Zero(t, plan.Summary(provision.KindTrustedNetwork))
	require.Zero(t, (*provision.Changes)(nil).Summary())

	// The kinds together are all, and the deletes are those that are counted
	// against the limit, whatever a plan holds.
	var all int
	for _, kind := range []provision.Kind{provision.KindUser, provision.KindGroup, provision.KindQueue, provision.KindTrustedNetwork, provision.KindDevice,
		provision.KindGroupMembers, provision.KindOwner, provision.KindQueueMember, provision.KindQueueOrder} {
		for _, op := range []provision.Op{provision.OpCreate, provision.OpUpdate, provision.OpDelete} {
			plan.Items = append(plan.Items, provision.Change{Op: op, Kind: kind, Members: refs("a", "b", "c")})
		}
	}
	for _, kind := range []provision.Kind{provision.KindUser, provision.KindGroup, provision.KindQueue, provision.KindTrustedNetwork, provision.KindDevice,
		provision.KindGroupMembers, provision.KindOwner, provision.KindQueueMember, provision.KindQueueOrder} {
		all += plan.Summary(kind).Delete
	}
	require.Equal(t, plan.Deletes(), all)
	require.Equal(t, plan.Deletes(), plan.Summary().Delete)
}

// A plan ten times as large takes ten times as much. It runs alone, because it
// measures.
func TestPrintingGrowsInProportion(t *testing.T) {
	cost := func(n int) uint64 {
		plan := &provision.Changes{}
		for range n {
			plan.Items = append(plan.Items, samplePlan().Items...)
			plan.Notes = append(plan.Notes, samplePlan().Notes...)
		}
		plan.Items = append(plan.Items, provision.Change{Op: provision.OpCreate, Kind: provision.KindGroupMembers, Members: manyRefs("u", n)},
			provision.Change{Op: provision.OpDelete, Kind: provision.KindGroup, Takes: lossesOf(provision.KindGroupMembers, refs("g"), manyRefs("u", n))})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, provision.Printer{Members: 1 << 30, Color: true}.Print(&fullDisk{1 << 30}, plan))
		_ = plan.String()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := cost(300), cost(3_000)
	require.Less(t, large, 15*small)
}

// What names, fields and notes hold, no character of it moves the cursor, changes
// a color, begins a line or is invisible.
func FuzzChangesString(f *testing.F) {
	for _, seed := range []string{"joe", "\x1b[2J", "a\nb", "a\r", "\u202eb", "\u200b", "\xff\xfe", "\u3164", "\ufe0f", "\u009b", "\u2028", `\x1b`, `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref := provision.Ref{Name: text, ID: 1}
		plan := &provision.Changes{Notes: []string{text}}
		for _, op := range []provision.Op{provision.OpCreate, provision.OpUpdate, provision.OpDelete, provision.Op(text)} {
			for _, kind := range []provision.Kind{provision.KindUser, provision.KindGroup, provision.KindQueue, provision.KindTrustedNetwork, provision.KindDevice,
				provision.KindGroupMembers, provision.KindOwner, provision.KindQueueMember, provision.KindQueueOrder, provision.Kind(text)} {
				plan.Items = append(plan.Items, provision.Change{Op: op, Kind: kind, Ref: ref,
					Fields:  []provision.FieldChange{{Field: text, From: text, To: text + "x"}, {Field: "extensionNumber", To: text}, {Field: "pbxDeviceName", To: text}, {Field: "email", From: text, To: ""}},
					Secrets: []string{text}, Members: []provision.Ref{ref, ref}, From: &ref, To: &ref,
					Takes: []provision.Loss{{Kind: provision.KindGroupMembers, Of: ref, Member: ref}, {Kind: provision.KindQueueMember, Of: ref, Member: ref}, {Kind: provision.Kind(text), Of: ref, Member: ref}}})
			}
		}
		var out bytes.Buffer
		require.NoError(t, provision.Printer{}.Print(&out, plan))
		require.True(t, strings.HasPrefix(out.String(), plan.String()))
		require.Equal(t, len(plan.Items)+1, strings.Count(plan.String(), "\n"), "one line a change and a note")
		require.True(t, utf8.ValidString(out.String()))
		for _, r := range strings.ReplaceAll(out.String(), "\n", "") {
			require.True(t, unicode.IsPrint(r) && r != '\u3164' && r != '\u2800' && r != '\ufe0f', "%U in %q", r, out.String())
		}
	})
}

func ExamplePrinter() {
	plan := &provision.Changes{Items: []provision.Change{ // of Plan, or read back
		{Op: provision.OpCreate, Kind: provision.KindUser, Ref: provision.Ref{Name: "joe.blogs"},
			Fields: []provision.FieldChange{{Field: "displayName", To: "Joe Blogs"}, {Field: "extensionNumber", To: "0100"}}},
		{Op: provision.OpUpdate, Kind: provision.KindUser, Ref: provision.Ref{Name: "ann", ID: 3},
			Fields: []provision.FieldChange{{Field: "displayName", From: "Ann", To: "Anna"}}},
		{Op: provision.OpDelete, Kind: provision.KindGroupMembers, Ref: provision.Ref{Name: "sales", ID: 5},
			Members: []provision.Ref{{Name: "carl", ID: 8}, {Name: "dora", ID: 9}, {Name: "emil", ID: 10}}},
	}}
	if err := (provision.Printer{Members: 2}).Print(os.Stdout, plan); err != nil { // Color: true on a terminal
		fmt.Println(err)
	}
	fmt.Println("users:", plan.Summary(provision.KindUser))
	// Output:
	// + user joe.blogs (extension 0100, displayName "Joe Blogs", password made up)
	// ~ user ann: displayName "Ann" → "Anna"
	// ~ out of group sales: carl, dora, …and 1 more (3 users stay in the domain)
	//
	//                    create   change   delete
	// users                   1        1        0
	// users in groups         0        0        3
	// in all: 1 to create, 1 to change, 3 to delete
	// users: 1 to create, 1 to change, 0 to delete
}
