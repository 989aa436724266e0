package provision

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/stretchr/testify/require"
)

// planned plans without a server: what is there is an argument.
func planned(there *snapshot, desired *State, opts PlanOptions) *differ {
	d := newDiffer(desired, opts)
	d.things(there)
	d.links()
	d.renames()
	d.items = d.sorted()
	return d
}

// brief is a change in few words.
func brief(c *Change) string {
	var parts []string
	for _, f := range c.Fields {
		parts = append(parts, fmt.Sprintf("%s=%v", f.Field, f.To))
	}
	for _, m := range c.Members {
		parts = append(parts, m.Name)
	}
	if c.From != nil {
		parts = append(parts, "from "+c.From.Name)
	}
	if c.To != nil {
		parts = append(parts, "to "+c.To.Name)
	}
	for _, l := range c.Takes {
		parts = append(parts, fmt.Sprintf("(%s %s %s)", l.Kind, l.Of.Name, l.Member.Name))
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", c.Op, c.Kind, c.Name, strings.Join(parts, " ")))
}

func briefs(d *differ) []string {
	var all []string
	for i := range d.items {
		all = append(all, brief(&d.items[i]))
	}
	return all
}

// office is what is there in these tests.
func office() *snapshot {
	return &snapshot{
		users: []infinitysip.User{
			{ID: 1, User: "ann", DisplayName: "Ann", ExtensionNumber: "101"}, {ID: 2, User: "ben", DisplayName: "Ben", ExtensionNumber: "102"},
			{ID: 3, User: "cat", DisplayName: "Cat", ExtensionNumber: "102"},
		},
		groups: []infinitysip.Group{{ID: 5, Name: "sales", ExtensionNumber: "105"}, {ID: 6, Name: "night"}, {ID: 4, Name: "Night"}},
		queues: []infinitysip.Queue{{ID: 9, Name: "front"}},
		devices: []infinitysip.Device{
			{ID: 7, MACAddress: "10:20:30:00:00:01", UserID: 1, User: "ann"}, {ID: 8, MACAddress: "10:20:30:00:00:02", UserID: 1, User: "ann"},
		},
		groupUsers: map[infinitysip.GroupID][]infinitysip.UserID{
			5: {1, 2, 8}, // of whom 8 came between two lists
		},
		queueMembers: map[infinitysip.QueueID][]infinitysip.QueueMember{
			9: {{ID: 20, GroupID: 5, RingOrder: 1}, {ID: 21, GroupID: 6, RingOrder: 1}, {ID: 22, GroupID: 7, RingOrder: 4}, {ID: 23, GroupID: 5, RingOrder: 5, RingSecs: 9}},
		},
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		desired  State
		opts     PlanOptions
		want     []string
		problems []string
	}{
		"nothing": {State{}, PlanOptions{Prune: true}, nil, nil},
		"a number that two have": {State{Users: []User{{User: "ann", ExtensionNumber: "102"}, {User: "ben", ExtensionNumber: "103"}}}, PlanOptions{}, []string{
			`update user ann: extensionNumber=102`, `update user ben: extensionNumber=103`,
		}, []string{`"102" is that of user cat on the server, which keeps it`}},
		"members that ring at one time": {State{Queues: []Queue{{Name: "front", Members: []QueueMember{{Group: "sales"}, {Group: "night"}}}}}, PlanOptions{}, []string{
			"update queue order front: sales night group 7 sales",
		}, nil},
		"a group that rings twice keeps its first place, for which the settings are": {
			State{Queues: []Queue{{Name: "front", Members: []QueueMember{{Group: "night"}, {Group: "sales"}}}}}, PlanOptions{}, []string{
				"update queue order front: night sales group 7 sales",
			}, nil},
		"a group that rings twice does not come before what the state has before it": {
			State{Groups: []Group{{Name: "late", ExtensionNumber: "106"}}, Queues: []Queue{{Name: "front", Members: []QueueMember{{Group: "Night"}, {Group: "late"}, {Group: "sales"}}}}}, PlanOptions{}, []string{
				"create group late: displayName=late extensionNumber=106 callerNameFormat={displayName} - {srcPhoneNumber}",
				"create queue member front: ringStrategy=all ringAttempts=1 ringSecs=20 ringOrder=6 Night",
				"create queue member front: ringStrategy=all ringAttempts=1 ringSecs=20 ringOrder=7 late",
				"update queue order front: Night night group 7 late sales sales",
			}, nil},
		"an unknown group in a queue, and one twice": {State{Queues: []Queue{{Name: "front", Members: []QueueMember{{Group: "sales"}}}}}, PlanOptions{Prune: true}, []string{
			"delete queue member front: night", "delete queue member front: group 7", "delete queue member front: sales",
		}, nil},
		"a reference in another case is to what is in the state": {State{Users: []User{{User: "cat", Groups: []string{"night"}}}, Groups: []Group{{Name: "Night"}}}, PlanOptions{}, []string{
			"create group members Night: cat",
		}, nil},
		"who is unknown in a group": {State{Groups: []Group{{Name: "sales", Members: []string{}}}}, PlanOptions{Prune: true}, []string{
			"delete group members sales: ann ben", "delete group night: (queue member front night)", "delete group Night:",
		}, nil},
		"a group goes, with those in it and its places": {State{Groups: []Group{{Name: "night"}}}, PlanOptions{Prune: true}, []string{
			"delete group sales: (group members sales ann) (group members sales ben) (queue member front sales) (queue member front sales)",
			"delete group Night:",
		}, nil},
		"a loss of a user and of a group is one": {State{Users: []User{{User: "ben"}, {User: "cat"}}, Groups: []Group{{Name: "night"}}}, PlanOptions{Prune: true}, []string{
			"delete user ann: (group members sales ann) (device owner 10:20:30:00:00:01 ann) (device owner 10:20:30:00:00:02 ann)",
			"delete group sales: (group members sales ben) (queue member front sales) (queue member front sales)",
			"delete group Night:",
		}, nil},
		"a phone that is given to another user is no loss": {
			State{Users: []User{{User: "ben"}, {User: "cat"}}, Devices: []Device{{MACAddress: "10:20:30:00:00:01", Owner: new("ben")}, {MACAddress: "10:20:30:00:00:02"}}}, PlanOptions{Prune: true}, []string{
				"update device owner 10:20:30:00:00:01: from ann",
				"create device owner 10:20:30:00:00:01: to ben",
				"delete user ann: (group members sales ann) (device owner 10:20:30:00:00:02 ann)",
			}, nil},
		"a phone that is deleted is counted once": {
			State{Users: []User{{User: "ben"}, {User: "cat"}}, Devices: []Device{}}, PlanOptions{Prune: true}, []string{
				"delete user ann: (group members sales ann)",
				"delete device 10:20:30:00:00:01: from ann", "delete device 10:20:30:00:00:02: from ann",
			}, nil},
		"a place that is taken away before its group goes is counted once": {
			State{Groups: []Group{{Name: "night"}}, Queues: []Queue{{Name: "front", Members: []QueueMember{{Group: "night"}}}}}, PlanOptions{Prune: true}, []string{
				"delete queue member front: sales", "delete queue member front: group 7", "delete queue member front: sales",
				"delete group sales: (group members sales ann) (group members sales ben)", "delete group Night:",
			}, nil},
		"a queue goes, with its places": {State{Queues: []Queue{}}, PlanOptions{Prune: true}, []string{
			"delete queue front: (queue member front sales) (queue member front night) (queue member front ) (queue member front sales)",
		}, nil},
		"a device takes its name from the user that is meant": {
			State{Users: []User{{User: "Ann", DisplayName: "Ann A."}}, Devices: []Device{{MACAddress: "10:20:30:00:00:03", Owner: new("ANN")}}}, PlanOptions{}, []string{
				"update user ann: displayName=Ann A.", "create device 10:20:30:00:00:03: pbxDeviceName=Ann A.", "create device owner 10:20:30:00:00:03: to ann",
			}, nil},
		"only new things": {State{
			Users:   []User{{User: "ann", DisplayName: "Anna", Groups: []string{"Night"}}, {User: "dan", DisplayName: "Dan", ExtensionNumber: "104", Groups: []string{"sales"}}},
			Groups:  []Group{{Name: "sales", Members: []string{"cat"}}, {Name: "new", ExtensionNumber: "106", Members: []string{"ann"}}, {Name: "Night"}},
			Queues:  []Queue{{Name: "front", Members: []QueueMember{{Group: "new"}}}, {Name: "back", ExtensionNumber: "107", Members: []QueueMember{{Group: "sales"}}}},
			Devices: []Device{{MACAddress: "10:20:30:00:00:01", Owner: new("dan")}, {MACAddress: "10:20:30:00:00:03", Owner: new("ann")}},
		}, PlanOptions{CreateOnly: true, Prune: true}, []string{
			"create user dan: displayName=Dan extensionNumber=104",
			"create group new: displayName=new extensionNumber=106 callerNameFormat={displayName} - {srcPhoneNumber}",
			"create queue back: displayName=back extensionNumber=107",
			"create device 10:20:30:00:00:03: pbxDeviceName=Ann",
			"create group members sales: dan",
			"create group members new: ann",
			"create device owner 10:20:30:00:00:03: to ann",
			"create queue member back: ringStrategy=all ringAttempts=1 ringSecs=20 ringOrder=1 sales",
			"delete user ben: (group members sales ben)", "delete user cat:", "delete group night: (queue member front night)",
			"delete device 10:20:30:00:00:02: from ann",
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := planned(office(), &test.desired, test.opts)
			require.Equal(t, test.want, briefs(d))
			var wrong []string
			for _, p := range d.problems {
				wrong = append(wrong, p.Text)
			}
			require.Equal(t, test.problems, wrong)
		})
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		desired State
		opts    PlanOptions
		want    []string
	}{
		"nothing is mentioned": {State{}, PlanOptions{}, nil},
		"what stays without pruning": {State{
			Users: []User{{User: "ann", Groups: []string{"Night"}}}, Groups: []Group{{Name: "Night"}, {Name: "sales", Members: []string{}}}, Queues: []Queue{{Name: "front", Members: []QueueMember{}}},
			Devices: []Device{{MACAddress: "10:20:30:00:00:01", Owner: new("")}},
		}, PlanOptions{}, []string{
			"2 users are not in the state and stay, since nothing is pruned: ben, cat",
			"1 group is not in the state and stays, since nothing is pruned: night",
			"1 device is not in the state and stays, since nothing is pruned: 10:20:30:00:00:02",
			"2 users stay in group sales, since nothing is pruned: ann, ben",
			"1 device stays with its user, since nothing is pruned: 10:20:30:00:00:01",
			"4 places of queue front stay, since nothing is pruned: sales, night, \"group 7\", sales",
		}},
		"a rename": {State{
			Users:   []User{{User: "ann.smith", DisplayName: "Ann", ExtensionNumber: "101"}, {User: "ben"}, {User: "cat"}},
			Devices: []Device{{MACAddress: "10:20:30:00:00:01", Owner: new("ann.smith")}, {MACAddress: "10:20:30:00:00:02"}},
		}, PlanOptions{Prune: true}, []string{
			"ann.smith: looks like ann renamed (same extension, same device): the account, its password and its tokens are new",
		}},
		"a group's rename": {State{Groups: []Group{{Name: "sales team", ExtensionNumber: "105"}, {Name: "night"}}}, PlanOptions{Prune: true}, []string{
			"\"sales team\": looks like sales renamed (same extension): what hangs on the old one goes with it",
		}},
		"what the API cannot change": {State{Users: []User{{User: "ann", UKPhoneID: 4}, {User: "ben", UKPhoneID: 5}, {User: "cat"}}}, PlanOptions{}, []string{
			"user ann, user ben: the API cannot change ukPhoneId",
		}},
		"only new things": {State{Users: []User{{User: "ann", DisplayName: "Anna"}, {User: "ben"}, {User: "cat"}}}, PlanOptions{CreateOnly: true}, []string{
			"user ann: it differs from the state and is left as it is, since only new things are made",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, planned(office(), &test.desired, test.opts).notes.list())
		})
	}
}

func TestRewritten(t *testing.T) {
	t.Parallel()
	for _, f := range []FieldChange{
		{"displayName", "Bartholomew Fothe", "Bartholomew Fotheringay"}, // cut
		{"displayName", "Smith &amp; Sons", "Smith & Sons"},
		{"displayName", "Ann Abel", "Ann  Abel "},
		{"displayName", "Zoe", "Zoë"},
		{"displayName", "Zoe\u0308", "Zo\u00eb"},
		{"email", "joe@example.com", "Joe@Example.com"},
		{"mobileNumber", "07700900101", "07700 900-101"},
	} {
		require.True(t, rewritten(f), f)
	}
	for _, f := range []FieldChange{
		{"displayName", "Ann", "Anna"}, {"displayName", "ann", "Ann"}, {"email", "", "joe@example.com"}, {"email", "joe@example.com", ""},
		{"hotdeskAllowed", true, false}, {"extensionNumber", "101", "0101"}, {"ringSecs", int64(1), int64(2)}, {"mobileNumber", "07700900101", "07700900102"},
	} {
		require.False(t, rewritten(f), f)
	}
}

func TestSpareNumbers(t *testing.T) {
	t.Parallel()
	find := func(s *spareNumbers, like string) string {
		number, ok := s.find(like)
		require.True(t, ok)
		return number
	}
	s := &spareNumbers{used: map[string]bool{"99": true, "98": true}}
	require.Equal(t, "97", find(s, "10"))
	require.Equal(t, "96", find(s, "10"))
	for digit := range 10 {
		s.used[fmt.Sprint(digit)] = true
	}
	require.Equal(t, "95", find(s, "1"), "there is none of one digit")
	s = &spareNumbers{used: map[string]bool{}}
	require.Equal(t, "9", find(s, ""))
	require.Equal(t, "998", find(s, "201"), "999 is dialled in need")
	require.Equal(t, "9989", find(s, "0201"), "so is what begins with it")
	require.Len(t, find(s, "0123456789012345678901"), 22)

	s = &spareNumbers{used: map[string]bool{"800": true}, own: []string{"800", "801"}}
	require.Equal(t, "801", find(s, "0100"))
	_, ok := s.find("0100")
	require.False(t, ok)
}

// What one change needs is as long as the plan, not as its square.
func TestNeedsGrowInProportion(t *testing.T) {
	t.Parallel()
	edges := func(n int) int {
		there := &snapshot{queues: []infinitysip.Queue{{ID: 1, Name: "front"}}, queueMembers: map[infinitysip.QueueID][]infinitysip.QueueMember{}}
		state := &State{Queues: []Queue{{Name: "front"}}}
		for i := range n {
			old, fresh := infinitysip.GroupID(2*i+1), infinitysip.GroupID(2*i+2)
			there.groups = append(there.groups, infinitysip.Group{ID: old, Name: fmt.Sprint("old", i)}, infinitysip.Group{ID: fresh, Name: fmt.Sprint("new", i)})
			there.queueMembers[1] = append(there.queueMembers[1], infinitysip.QueueMember{ID: infinitysip.QueueMemberID(i + 1), GroupID: old, RingOrder: i + 1})
			state.Queues[0].Members = append(state.Queues[0].Members, QueueMember{Group: fmt.Sprint("new", i)})
		}
		for i := range n { // who swap their numbers in pairs
			there.users = append(there.users, infinitysip.User{ID: infinitysip.UserID(i + 1), User: fmt.Sprint("u", i), ExtensionNumber: fmt.Sprintf("1%05d", i)})
			state.Users = append(state.Users, User{User: fmt.Sprint("u", i), ExtensionNumber: fmt.Sprintf("1%05d", i^1)})
		}
		d := planned(there, state, PlanOptions{Prune: true})
		require.Empty(t, d.problems)
		sum := 0
		for i := range d.items {
			sum += len(d.items[i].Needs) + len(d.items[i].After)
		}
		require.Len(t, d.items, 2*n+n+n/2)
		return sum
	}
	require.Equal(t, 4*edges(100)+6, edges(400), "less at the ends of chains")
}

// A change that is needed is in the plan, and no two wait for each other.
func TestNumbersAreOfThePlan(t *testing.T) {
	t.Parallel()
	d := planned(office(), &State{
		Users:   []User{{User: "ann", ExtensionNumber: "104"}, {User: "dan", DisplayName: "Dan", ExtensionNumber: "101", Groups: []string{"new"}}},
		Groups:  []Group{{Name: "new", ExtensionNumber: "105"}},
		Devices: []Device{{MACAddress: "10:20:30:00:00:01", Owner: new("dan")}},
	}, PlanOptions{Prune: true})
	require.Empty(t, d.problems)
	for i, c := range d.items {
		require.Equal(t, i+1, c.N)
		for _, n := range slices.Concat(c.Needs, c.After) {
			require.Positive(t, n)
			require.LessOrEqual(t, n, len(d.items))
			require.NotEqual(t, c.N, n)
		}
	}
	need := func(n int, want string) {
		t.Helper()
		require.Equal(t, want, brief(&d.items[n-1]))
	}
	byText := map[string]*Change{}
	for i := range d.items {
		byText[brief(&d.items[i])] = &d.items[i]
	}
	need(byText["create user dan: displayName=Dan extensionNumber=101"].Needs[0], "update user ann: extensionNumber=104")
	need(byText["create group members new: dan"].Members[0].MadeBy, "create user dan: displayName=Dan extensionNumber=101")
	need(byText["create group members new: dan"].Needs[0], brief(&d.items[byText["create group members new: dan"].MadeBy-1]))
}
