package provision

import (
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/stretchr/testify/require"
)

// diff makes no call: what is there is an argument.
func TestDiff(t *testing.T) {
	t.Parallel()
	there := &snapshot{
		users:  []infinitysip.User{{ID: 1, User: "ann", ExtensionNumber: "1"}, {ID: 2, User: "ben", ExtensionNumber: "2"}, {ID: 3, User: "cat", ExtensionNumber: "2"}},
		groups: []infinitysip.Group{{ID: 5, Name: "sales"}, {ID: 6, Name: "night"}, {ID: 4, Name: "Night"}},
		queues: []infinitysip.Queue{{ID: 9, Name: "front"}},
		groupUsers: map[infinitysip.GroupID][]infinitysip.UserID{
			5: {1, 8}, // of whom 8 came between two lists
		},
		queueMembers: map[infinitysip.QueueID][]infinitysip.QueueMember{
			9: {{ID: 20, GroupID: 5, RingOrder: 1}, {ID: 21, GroupID: 6, RingOrder: 1}, {ID: 22, GroupID: 7, RingOrder: 4}, {ID: 23, GroupID: 5, RingOrder: 5}},
		},
	}
	for name, test := range map[string]struct {
		desired  State
		opts     PlanOptions
		want     []string
		problems []string
	}{
		"nothing": {State{}, PlanOptions{Prune: true}, nil, nil},
		"a number that two have": {State{Users: []User{{User: "ann", ExtensionNumber: "2"}, {User: "ben", ExtensionNumber: "3"}}}, PlanOptions{}, []string{
			`~ user ann: extensionNumber "1" → "2"`, `~ user ben: extensionNumber "2" → "3"`,
		}, []string{`users[0].extensionNumber: "2" is that of user cat on the server, which keeps it`}},
		"members that ring at one time": {State{Queues: []Queue{{Name: "front", Members: []QueueMember{{Group: "sales"}, {Group: "night"}}}}}, PlanOptions{}, []string{
			"~ queue front: order sales, night, group 7, sales",
		}, nil},
		"an unknown group in a queue, and one twice": {State{Queues: []Queue{{Name: "front", Members: []QueueMember{{Group: "sales"}}}}}, PlanOptions{Prune: true}, []string{
			"- queue front: member night", "- queue front: member group 7", "- queue front: member sales",
		}, nil},
		"a reference in another case is to what is in the state": {State{Users: []User{{User: "cat", Groups: []string{"night"}}}, Groups: []Group{{Name: "Night"}}}, PlanOptions{}, []string{
			"+ group Night: members cat",
		}, nil},
		"who is unknown in a group": {State{Groups: []Group{{Name: "sales", Members: []string{}}}}, PlanOptions{Prune: true}, []string{
			"- group sales: members ann", "- group night", "- group Night",
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes, _, problems := diff(there, &test.desired, test.opts)
			var got, wrong []string
			for _, c := range changes {
				got = append(got, c.String())
			}
			for _, p := range problems {
				wrong = append(wrong, p.String())
			}
			require.Equal(t, test.want, got)
			require.Equal(t, test.problems, wrong)
		})
	}
}

func TestFreeNumber(t *testing.T) {
	t.Parallel()
	used := map[string]bool{"99": true, "98": true}
	require.Equal(t, "97", freeNumber(used, "10"))
	require.Equal(t, "96", freeNumber(used, "10"))
	for _, digit := range "0123456789" {
		used[string(digit)] = true
	}
	require.Equal(t, "95", freeNumber(used, "1"), "there is none of one digit")
	require.Equal(t, "9", freeNumber(map[string]bool{}, ""))
	require.Len(t, freeNumber(map[string]bool{}, "0123456789012345678901"), 22)
}
