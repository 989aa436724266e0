package suite_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// TestFaults tries the 44 faults that a client is to survive, by their
// numbers.
func TestFaults(t *testing.T) { // not parallel: what is tried on a socket counts goroutines
	numbered := make(map[int][]fault)
	for _, f := range listOfFaults() {
		numbered[f.n] = append(numbered[f.n], f)
	}
	require.Len(t, numbered, 44)
	for n := 1; n <= 44; n++ {
		t.Run(fmt.Sprintf("%02d", n), func(t *testing.T) {
			require.NotEmpty(t, numbered[n])
			counted.faults.Add(1)
			t.Cleanup(func() {
				if !t.Failed() {
					counted.survived.Add(1)
				}
			})
			for _, f := range numbered[n] {
				t.Run(f.name, f.run)
			}
		})
	}
}

// listOfFaults is the list, in the order of its numbers.
func listOfFaults() []fault {
	list := []fault{
		// 1-4: a create that is applied or not, whose connection ends.
		{
			n: 1, name: "create applied, then FIN", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenDrop()} },
			applied: true, outcome: found, is: []error{io.EOF}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 2, name: "create applied, then RST", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenReset()} },
			applied: true, outcome: found, is: []error{syscall.ECONNRESET}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 3, name: "create not applied, FIN", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, is: []error{io.EOF}, says: "absent", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 4, name: "create not applied, RST", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Reset()} },
			outcome: unknown, is: []error{syscall.ECONNRESET}, says: "absent", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 1, name: "on a socket", socket: true, calls: []call{usersCreate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenDrop()} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 2, name: "on a socket", socket: true, calls: []call{usersCreate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenReset()} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 3, name: "on a socket", socket: true, calls: []call{usersCreate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, hits: hits{"call": 1, "look": 2, "absent": 1},
		},
		{
			n: 4, name: "on a socket", socket: true, calls: []call{usersCreate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Reset()} },
			outcome: unknown, hits: hits{"call": 1, "look": 2, "absent": 1},
		},
		{
			n: 1, name: "the token is lost", calls: []call{usersAddDevice},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenDrop()} },
			applied: true, outcome: applied, is: []error{infinitysip.ErrTokenLost}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 3, name: "no association", calls: []call{usersAddDevice},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, is: []error{io.EOF}, hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},

		// 5-6: the same, with a gateway that answers for the server.
		{
			n: 5, name: "create applied, then 502", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(502)} },
			applied: true, outcome: found, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 5, name: "create not applied, 502", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(502)} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "502", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 6, name: "create applied, then 504", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(504)} },
			applied: true, outcome: found, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 6, name: "create not applied, 504", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(504)} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "504", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 6, name: "the token is lost", calls: []call{usersAddDevice},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(504)} },
			applied: true, outcome: applied, is: []error{infinitysip.ErrTokenLost}, hits: hits{"call": 1, "look": 1},
		},

		// 7-9: the server says that it cannot.
		{
			n: 7, name: "create applied, then 503", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(503)} },
			applied: true, outcome: found, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 7, name: "create applied, then 500", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(500)} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 8, name: "503, then healthy", everywhere: true, calls: keyed,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503)} },
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 8, name: "503, then healthy, and nothing identifies it", everywhere: true, calls: []call{queuesCreateMember},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503)} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "absent", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 8, name: "500, then healthy", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(500)} },
			outcome: unknown, says: "absent", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 8, name: "an association", calls: []call{usersAddDevice},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503)} },
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 8, name: "an association, 500", calls: []call{usersAddDevice},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(500)} },
			outcome: unknown, says: "absent", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			// A page of HTML is not the API's, so it does not say that there is none.
			n: 8, name: "an association, 503, and looks that a proxy answers", calls: []call{usersAddDevice},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Times(3).Status(404).Body("<html>Not found</html>")}
			},
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "failed", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			// A list that lags shows it to the last look.
			n: 8, name: "create applied, then 503, and lists lag", server: siptest.Options{ListLag: 2 * time.Second}, calls: keyed,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(503)} },
			applied: true, outcome: found, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 8, name: "create applied, then 503, and lists lag longer than is looked", setUp: listed, server: siptest.Options{ListLag: 10 * time.Second}, calls: []call{usersCreate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(503)} },
			applied: true, outcome: unknown, is: []error{infinitysip.ErrConflict}, says: "absent", hits: hits{"call": 2, "look": 6, "absent": 2}, least: 8 * time.Second, most: 8 * time.Second,
		},
		{
			// The only way to make a thing twice: the README says so.
			n: 8, name: "the same, on a server that allows duplicates", setUp: listed, server: siptest.Options{ListLag: 10 * time.Second, AllowDuplicates: true}, calls: []call{usersCreate}, others: sameJoe,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(503)} },
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 8, name: "503, which says when to come back", everywhere: true, calls: keyed,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "30")} },
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 4, "absent": 2}, least: 30 * time.Second, most: 30 * time.Second,
		},
		{
			n: 9, name: "503 twice", everywhere: true, calls: keyed,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(2).Status(503)} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 2, "look": 6, "absent": 2}, least: 8 * time.Second, most: 8 * time.Second,
		},
		{
			n: 9, name: "503, then 500", everywhere: true, calls: keyed,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.op).Times(1).Status(500)}
			},
			outcome: unknown, says: "sent at 00:00:00.000Z and 00:00:04.000Z", hits: hits{"call": 2, "look": 6, "absent": 2}, least: 8 * time.Second, most: 8 * time.Second,
		},

		// 10: there is no doubt about a 429.
		{
			n: 10, name: "429 twice, then 201", calls: slices.Concat(creates, []call{usersAddDevice}),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(2).Status(429)} },
			applied: true, outcome: succeeds, hits: hits{"call": 3}, most: 3 * time.Second,
		},
		{
			n: 10, name: "429 and no end", calls: every, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Status(429)} },
			outcome: notApplied, is: []error{infinitysip.ErrRateLimited}, says: "refused for 5m0s", least: 5 * time.Minute, most: 5 * time.Minute,
		},
		{
			// So there is no doubt about such a 503, but for what it may have applied.
			n: 10, name: "503 where others are accepted", calls: calls(keyed, afterAnUpdate),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(3).Status(503)} },
			applied: true, outcome: succeeds, hits: hits{"Users.Update": 1, "call": 4, "look": 9, "absent": 3}, least: 12 * time.Second, most: 20 * time.Second,
		},
		{
			n: 10, name: "503 where others are accepted, and it was applied", calls: calls(creates, afterAnUpdate),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(503)} },
			applied: true, outcome: found, is: []error{infinitysip.ErrUnavailable}, hits: hits{"Users.Update": 1, "call": 1, "look": 1},
		},
		{
			n: 10, name: "503 where others are accepted, and nothing identifies it", calls: calls([]call{queuesCreateMember}, afterAnUpdate), others: moved,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503)} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, hits: hits{"Users.Update": 1, "call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 20 * time.Second,
		},

		// 11-13: silence. Headers are waited for half a minute.
		{
			n: 11, name: "applied at once, and then silence", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenHang()} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1}, least: 30 * time.Second, most: 30 * time.Second,
		},
		{
			n: 11, name: "applied just before the timeout", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).HangThenCommit(29 * time.Second)} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1}, least: 30 * time.Second, most: 30 * time.Second,
		},
		{
			n: 12, name: "applied 5 s after the timeout", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).HangThenCommit(35 * time.Second)} },
			applied: true, outcome: unknown, says: "no answer for 30s", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 34 * time.Second, most: 34 * time.Second,
		},
		{
			n: 13, name: "applied between two looks", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).HangThenCommit(32 * time.Second)} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 3}, least: 34 * time.Second, most: 34 * time.Second,
		},
		{
			n: 13, name: "never applied", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Hang()} },
			outcome: unknown, says: "no answer for 30s", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 34 * time.Second, most: 34 * time.Second,
		},

		// 14-16: a 201 says that it is made. Which id it has may need a look.
		{
			n: 14, name: "201 cut", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Truncate(4)} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 14, name: "the token is cut", calls: []call{usersAddDevice},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(`{"pbxDeviceId":"1","userId":"1","pbxDeviceToken":"` + canaryPIN + `"}`).Truncate(58)}
			},
			applied: true, outcome: applied, is: []error{infinitysip.ErrTokenLost}, hits: hits{"call": 1},
		},
		{
			n: 15, name: "201 empty", everywhere: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Body("")} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 15, name: "no token", calls: []call{usersAddDevice},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Body("")} },
			applied: true, outcome: applied, is: []error{infinitysip.ErrTokenLost}, hits: hits{"call": 1},
		},
		{
			n: 15, name: "201 that tells the id in its Location alone",
			faults: func(c call) faults {
				path := map[string]string{"Users.Create": "users/2", "Groups.Create": "groups/2", "Queues.Create": "queues/2", "Queues.CreateMember": "queues/1/members/1", "TrustedNetworks.Create": "trustedNetworks/1", "Devices.Create": "devices/2"}
				return faults{faultOn(c.op).Times(1).Body("").Header("Location", "/config/v2/sip/domains/1/"+path[c.op])}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},
		{
			n: 15, name: "201 whose Location leads elsewhere", everywhere: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body("").Header("Location", "/config/v2/sip/domains/7/elsewhere/77")}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 15, name: "201 with the row of another", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(`{"userId":"1","user":"first","extensionNumber":"0101"}`)}
			},
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 15, name: "200 with the list, where a gateway made a GET of it", everywhere: true,
			faults: func(c call) faults {
				row := `{"userId":"1","user":"first","groupId":"1","groupName":"all","queueId":"1","queueName":"first","pbxDeviceId":"1","deviceMacAddress":"10:20:30:00:00:01"}`
				return faults{faultOn(c.op).Times(1).Status(200).Body(row + "\n" + row)}
			},
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 15, name: "200 with the only row of the list", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(200).Body(`{"userId":"1","user":"first","extensionNumber":"0101"}`)}
			},
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 15, name: "200 with the only member, of the same group", calls: []call{queuesCreateMember}, setUp: func(a *acme) { sameMember(a.Server) },
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(200).Body(`{"queueMemberId":"1","queueId":"1","groupId":"1"}`)}
			},
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 16, name: "201, then a look-up that is refused", everywhere: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(""), faultOn(c.look).Times(3 + c.before).Status(403)}
			},
			applied: true, outcome: applied, says: "created, but its id is not known", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 16, name: "201, then a look-up that is cut", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(""), faultOn(c.look).Times(3).Truncate(10)}
			},
			applied: true, outcome: applied, says: "created, but its id is not known", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 16, name: "201, then lists that show a namesake alone, and a look-up that is refused", calls: []call{usersCreate},
			server: siptest.Options{AllowDuplicates: true, ListLag: 2 * time.Second}, setUp: func(a *acme) { otherJoe(a.Server); listed(a) },
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(""), faultOn(c.look).Nth(3).Status(403)}
			},
			applied: true, outcome: applied, says: "created, but its id is not known", found: []int64{2}, hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},

		// 17-20: a look-up that fails is not absence, and a row that is there
		// need not be the one that was made.
		{
			n: 17, name: "the look-up is refused", everywhere: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Drop(), faultOn(c.look).Times(3 + c.before).Status(403)}
			},
			outcome: unknown, is: []error{io.EOF}, says: "failed", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 17, name: "the look-up is cut", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Times(3).Truncate(10)}
			},
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "cut short", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 17, name: "the look-up is a page of HTML", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Times(3).Body("<html>Log in</html>")}
			},
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "HTML", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			// The API's page does not list the fields of most rows: one that
			// does not show the key may be any of them.
			n: 17, name: "the look-up finds a row without its key", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Times(3).Body(`{"userId":"9","displayName":"Joe Blogs"}`)}
			},
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "a row does not say its user", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 17, name: "one good look is not two", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Nth(2).Times(2).Status(403)}
			},
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "absent, at", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 17, name: "the last look fails", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Nth(3).Status(403)}
			},
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "failed", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 17, name: "one look fails, two are good", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Nth(1).Status(403)}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 18, name: "the key is taken, and nothing fails", calls: []call{usersCreate}, setUp: func(a *acme) { otherJoe(a.Server) },
			outcome: notApplied, is: []error{infinitysip.ErrConflict}, hits: hits{"call": 1},
		},
		{
			n: 18, name: "the key is taken by another, and the create is lost", calls: []call{usersCreate}, setUp: func(a *acme) { otherJoe(a.Server) },
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, is: []error{infinitysip.ErrConflict, io.EOF}, found: []int64{2}, says: "the row with id 2 has the same name and another displayName, extensionNumber than was sent", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 18, name: "the very same is there already, and the create is lost", calls: []call{usersCreate}, setUp: func(a *acme) { sameJoe(a.Server) },
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: found, is: []error{io.EOF}, found: []int64{2}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 18, name: "the very same is there already with other secrets, and the create is lost", calls: []call{usersCreate}, setUp: func(a *acme) { secretJoe(a.Server) },
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: found, is: []error{io.EOF}, found: []int64{2}, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 18, name: "its secrets cannot be set", calls: []call{usersCreate}, settle: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).CommitThenDrop(), faultOn("Users.Update").Times(1).Status(403)}
			},
			applied: true, outcome: unknown, is: []error{io.EOF}, found: []int64{2}, says: "setting its secrets failed", hits: hits{"call": 1, "look": 1, "Users.Update": 1},
		},
		{
			n: 18, name: "members of the same group are there already", calls: []call{queuesCreateMember}, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenDrop()} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 18, name: "members of the same group are there already, and a 201 without an id", calls: []call{queuesCreateMember}, setUp: furnish, server: siptest.Options{CreateBody: siptest.CreateBodyNone},
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		},
		{
			// Absence is all that it could prove, and no absence lets a member be sent again.
			n: 18, name: "members of the same group are there already, and the create is lost", calls: []call{queuesCreateMember}, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, is: []error{io.EOF}, says: "absent", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 18, name: "it is not known which members are there already", calls: []call{queuesCreateMember},
			faults: func(c call) faults {
				return faults{faultOn(c.look).Times(1).Status(403), faultOn(c.op).Times(1).CommitThenDrop()}
			},
			applied: true, outcome: unknown, is: []error{io.EOF}, found: []int64{1}, says: "may have been there before", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 19, name: "somebody else's insert, and the create is lost", calls: []call{usersCreate}, others: otherJoe,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Before(otherJoe).Drop()} },
			outcome: unknown, is: []error{infinitysip.ErrConflict, io.EOF}, found: []int64{2}, says: "the row with id 2 has the same name and another displayName, extensionNumber than was sent", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 19, name: "somebody else's insert after the last look", calls: []call{usersCreate}, others: otherJoe,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Nth(5).After(otherJoe)}
			},
			outcome: unknown, is: []error{infinitysip.ErrConflict}, found: []int64{2}, says: "the row with id 2", hits: hits{"call": 2, "look": 4, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 19, name: "somebody else makes the very same after the last look", calls: []call{usersCreate}, others: sameJoe,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(503), faultOn(c.look).Nth(5).After(sameJoe)}
			},
			outcome: found, is: []error{infinitysip.ErrConflict}, found: []int64{2}, hits: hits{"call": 2, "look": 4, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 20, name: "two rows", calls: []call{usersCreate}, server: siptest.Options{AllowDuplicates: true}, setUp: func(a *acme) { sameJoe(a.Server) },
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenDrop()} },
			applied: true, outcome: unknown, is: []error{io.EOF}, found: []int64{2, 3}, says: "several rows match what was sent, with the ids [2 3]", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 20, name: "two rows, one of them another", calls: []call{usersCreate}, server: siptest.Options{AllowDuplicates: true}, setUp: func(a *acme) { otherJoe(a.Server) },
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenDrop()} },
			applied: true, outcome: unknown, is: []error{io.EOF}, found: []int64{2, 3}, says: "several rows match what was sent, with the ids [2 3]", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 20, name: "two rows, and a 201 without an id", calls: []call{usersCreate}, server: siptest.Options{AllowDuplicates: true}, setUp: func(a *acme) { sameJoe(a.Server) },
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Body("")} },
			applied: true, outcome: applied, found: []int64{2, 3}, says: "with the ids [2 3]", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 20, name: "two members, one of them somebody else's", calls: []call{queuesCreateMember}, others: sameMember,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Before(sameMember).CommitThenDrop()} },
			applied: true, outcome: unknown, is: []error{io.EOF}, found: []int64{1, 2}, says: "several rows match what was sent, with the ids [1 2]", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 20, name: "a row with a key that the server changed", calls: []call{usersCreate, groupsCreate, queuesCreate, devicesCreate}, server: siptest.Options{RewriteKey: renamed},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(503)} },
			applied: true, outcome: unknown, is: []error{infinitysip.ErrConflict, infinitysip.ErrUnavailable}, found: []int64{2}, says: "the row with id 2 has the same ", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		},
		{
			n: 20, name: "a 201 with a key that the server changed", server: siptest.Options{RewriteKey: renamed, CreateBody: siptest.CreateBodyRow},
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},

		// 21-22: what never left may be sent again, where that can help.
		{
			n: 21, name: "refused thrice, then healthy", calls: every, setUp: furnish, client: through(func(next http.RoundTripper) http.RoundTripper {
				return &unreachable{next: next, left: 3, err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
			}),
			applied: true, outcome: succeeds, hits: hits{"call": 1}, most: 3500 * time.Millisecond,
		},
		{
			n: 21, name: "refused four times", calls: slices.DeleteFunc(slices.Clone(every), func(c call) bool { return c.before > 0 }), setUp: furnish, client: through(func(next http.RoundTripper) http.RoundTripper {
				return &unreachable{next: next, left: 4, err: &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}}
			}),
			outcome: notApplied, is: []error{syscall.ECONNREFUSED}, hits: hits{}, attempts: 4, most: 3500 * time.Millisecond,
		},
		{
			n: 22, name: "no such host", calls: slices.DeleteFunc(slices.Clone(every), func(c call) bool { return c.before > 0 }), setUp: furnish, client: through(func(next http.RoundTripper) http.RoundTripper {
				return &unreachable{next: next, left: 1, err: &net.DNSError{Err: "no such host", Name: "siptest.invalid", IsNotFound: true}}
			}),
			outcome: notApplied, says: "no such host", hits: hits{}, attempts: 1,
		},
		{
			n: 22, name: "DNS that fails for a while", calls: every, setUp: furnish, client: through(func(next http.RoundTripper) http.RoundTripper {
				return &unreachable{next: next, left: 3, err: &net.DNSError{Err: "server misbehaving", Name: "siptest.invalid", IsTemporary: true}}
			}),
			applied: true, outcome: succeeds, hits: hits{"call": 1}, most: 3500 * time.Millisecond,
		},
		{
			n: 22, name: "a certificate that nobody signed", calls: []call{usersGet, usersUpdate, usersCreate, groupsAddUsers}, socket: true, server: siptest.Options{TLS: &tls.Config{}}, client: plainly(""),
			outcome: notApplied, says: "certificate", hits: hits{}, attempts: 1,
		},
		{
			n: 22, name: "old TLS", calls: []call{usersGet, usersUpdate, usersCreate, groupsAddUsers}, socket: true, server: siptest.Options{TLS: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}, client: plainly(""), //nolint:gosec // that is the fault
			outcome: notApplied, says: "protocol version", hits: hits{}, attempts: 4,
		},
		{
			n: 22, name: "a plain port", calls: []call{usersGet, usersUpdate, usersCreate, groupsAddUsers}, socket: true, client: plainly("https"),
			outcome: notApplied, says: "HTTP response to HTTPS client", hits: hits{}, attempts: 4,
		},

		// 23-25: what net/http might do on its own.
		{
			n: 23, name: "the server closed the idle connection", calls: []call{stale(usersList)}, socket: true,
			applied: true, outcome: succeeds, hits: hits{"Users.Get": 1, "call": 1},
		},
		{
			n: 23, name: "the server closes the connection at what may be repeated", calls: []call{afterAGet(usersList), afterAGet(usersUpdate), afterAGet(usersDelete)}, socket: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			applied: true, outcome: succeeds, hits: hits{"Users.Get": 1, "call": 2},
		},
		{
			n: 23, name: "the server closes the connection at every read", calls: []call{afterAGet(usersList)}, socket: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(5).Drop()} },
			outcome: notApplied, hits: hits{"Users.Get": 1, "call": 5}, // the first one is free
		},
		{
			n: 23, name: "the server applies a delete and closes the connection", calls: []call{afterAGet(usersDelete)}, socket: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenReset()} },
			applied: true, outcome: succeeds, hits: hits{"Users.Get": 1, "call": 2},
		},
		{
			n: 23, name: "the server closed the idle connection, then a create", calls: []call{stale(careful(usersCreate))}, socket: true,
			applied: true, outcome: succeeds,
		},
		{
			n: 23, name: "the server closes the connection at a create", calls: []call{afterAGet(usersCreate)}, socket: true,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, hits: hits{"Users.Get": 1, "call": 1, "look": 2, "absent": 1},
		},
		{
			n: 24, name: "HTTP/2 stream reset", calls: []call{usersCreate}, socket: true, server: siptest.Options{HTTP2: true},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).ResetStream()} },
			outcome: unknown, says: "stream error", hits: hits{"call": 1, "look": 2, "absent": 1},
		},
		{
			n: 24, name: "HTTP/2 create applied, then stream reset", calls: []call{usersCreate}, socket: true, server: siptest.Options{HTTP2: true},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenResetStream()} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 24, name: "HTTP/2 GOAWAY", calls: []call{usersCreate}, socket: true, server: siptest.Options{HTTP2: true},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).GoAway()} },
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 2, "absent": 1},
		},
		{
			n: 24, name: "HTTP/2 GOAWAY twice", calls: []call{usersCreate}, socket: true, server: siptest.Options{HTTP2: true},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(2).GoAway()} },
			applied: true, outcome: succeeds, hits: hits{"call": 3, "look": 4, "absent": 2},
		},
		{
			n: 24, name: "HTTP/2 GOAWAY each time", calls: []call{usersCreate}, socket: true, server: siptest.Options{HTTP2: true},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(4).GoAway()} },
			outcome: unknown, hits: hits{"call": 4, "look": 8, "absent": 4},
		},
		{
			n: 24, name: "HTTP/2 GOAWAY at a member", calls: []call{queuesCreateMember}, socket: true, server: siptest.Options{HTTP2: true},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).GoAway()} },
			outcome: unknown, hits: hits{"call": 1, "look": 2, "absent": 1},
		},
		{
			n: 24, name: "HTTP/2 create applied, then GOAWAY", calls: []call{usersCreate}, socket: true, server: siptest.Options{HTTP2: true},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenGoAway()} },
			applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 24, name: "HTTP/2 reset or GOAWAY on what may be repeated", calls: []call{usersList, usersGet, usersUpdate, usersDelete}, socket: true, server: siptest.Options{HTTP2: true},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).ResetStream(), faultOn(c.op).Times(1).GoAway()}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 3},
		},

		// 26-28: deletes.
		{
			n: 26, name: "delete applied, then EOF", calls: []call{usersDelete, usersRemoveDevice}, setUp: withDevice,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenDrop()} },
			applied: true, outcome: succeeds, hits: hits{"call": 2}, most: 500 * time.Millisecond,
		},
		{
			n: 26, name: "delete not applied, EOF", calls: []call{usersDelete, usersRemoveDevice}, setUp: withDevice,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			applied: true, outcome: succeeds, hits: hits{"call": 2}, most: 500 * time.Millisecond,
		},
		{
			n: 26, name: "no end of EOF", calls: []call{usersDelete},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(3).Drop()} },
			outcome: unknown, is: []error{io.EOF}, hits: hits{"call": 3}, most: 1500 * time.Millisecond,
		},
		{
			n: 27, name: "404 first", calls: []call{usersRemoveDevice},
			outcome: notApplied, is: []error{infinitysip.ErrNotFound}, hits: hits{"call": 1},
		},
		{
			n: 27, name: "404 after a 429, which cannot have applied it", calls: []call{usersRemoveDevice},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(429)} },
			outcome: notApplied, is: []error{infinitysip.ErrNotFound}, hits: hits{"call": 2}, most: 1500 * time.Millisecond,
		},
		{
			n: 27, name: "404 after a 503, which may have", calls: []call{usersRemoveDevice}, setUp: withDevice,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(503)} },
			applied: true, outcome: succeeds, hits: hits{"call": 2}, most: 500 * time.Millisecond,
		},
		{
			n: 27, name: "404 of a proxy, after what may have", calls: []call{usersDelete, usersRemoveDevice}, setUp: withDevice,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).CommitThenDrop(), faultOn(c.op).Times(1).Status(404).Body("<html>Not found</html>")}
			},
			applied: true, outcome: unknown, is: []error{infinitysip.ErrNotFound}, hits: hits{"call": 2}, most: 500 * time.Millisecond,
		},
		{
			n: 28, name: "a proxy strips the body of a delete", calls: []call{groupsRemoveUsers}, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).StripBody()} },
			outcome: notApplied, is: []error{infinitysip.ErrInvalid}, hits: hits{"call": 1},
		},
		{
			n: 28, name: "a delete that has none", calls: []call{usersDelete},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).StripBody()} },
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},

		// 29-32: adds send what is missing; an order and an update may be
		// sent again.
		{
			n: 29, name: "two of five added, then RST", calls: []call{groupsAddUsers}, setUp: furnish, others: twoOfFive,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Before(twoOfFive).Reset()} },
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 1}, most: 500 * time.Millisecond,
			also: func(t *testing.T, a *acme) {
				last := a.Requests()[len(a.Requests())-1]
				require.Equal(t, []string{"3", "4", "5"}, last.Form["userSpec[]"])
			},
		},
		{
			n: 29, name: "none added", calls: adds, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(2).Reset()} },
			applied: true, outcome: succeeds, hits: hits{"call": 3, "look": 2}, most: 1500 * time.Millisecond,
		},
		{
			n: 29, name: "none added, and no end", calls: adds, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(3).Reset()} },
			outcome: unknown, is: []error{syscall.ECONNRESET}, says: "of them were not there", hits: hits{"call": 3, "look": 3}, most: 1500 * time.Millisecond,
		},
		{
			n: 29, name: "none added, 500 and no end", calls: adds, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(2).Status(500)} },
			outcome: unknown, says: "of them were not there", hits: hits{"call": 2, "look": 2}, most: 500 * time.Millisecond,
		},
		{
			n: 29, name: "none added, 503, which says when to come back", calls: adds, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "30")} },
			applied: true, outcome: succeeds, hits: hits{"call": 2, "look": 1}, least: 30 * time.Second, most: 30500 * time.Millisecond,
		},
		{
			n: 30, name: "all added, then 504", calls: adds, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(504)} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 30, name: "all added, then 504, and the look-up fails", calls: adds, setUp: furnish,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).CommitThenStatus(504), faultOn(c.look).Times(1).Status(403)}
			},
			applied: true, outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "listing the members at 00:00:00.000Z failed", hits: hits{"call": 1, "look": 1},
		},
		{
			n: 31, name: "order applied, then RST", calls: []call{queuesSetMemberOrder}, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenReset()} },
			applied: true, outcome: succeeds, hits: hits{"call": 2}, most: 500 * time.Millisecond,
		},
		{
			n: 31, name: "order not applied, RST", calls: []call{queuesSetMemberOrder}, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(2).Reset()} },
			applied: true, outcome: succeeds, hits: hits{"call": 3}, most: 1500 * time.Millisecond,
		},
		{
			n: 32, name: "update applied, then 502", calls: []call{usersUpdate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(502)} },
			applied: true, outcome: succeeds, hits: hits{"call": 2}, most: 500 * time.Millisecond,
		},
		{
			n: 32, name: "update not applied, 502", calls: []call{usersUpdate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(2).Status(502)} },
			applied: true, outcome: succeeds, hits: hits{"call": 3}, most: 1500 * time.Millisecond,
		},
		{
			n: 32, name: "502 and no end", calls: []call{usersUpdate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(3).Status(502)} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 3}, most: 1500 * time.Millisecond,
		},

		// 35-36: what a file on its way may get.
		{
			n: 35, name: "CRLF", calls: reads, setUp: furnish, faults: rewritten("\n", "\r\n"),
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},
		{
			n: 35, name: "blank lines", calls: reads, setUp: furnish, faults: rewritten("\n", "\n\n \r\n\n"),
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},
		{
			n: 35, name: "CRLF after a create", faults: rewritten("\n", "\r\n\r\n"),
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},
		{
			n: 36, name: "BOM", calls: reads, setUp: furnish, faults: rewritten("", "\ufeff"),
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},
		{
			n: 36, name: "BOM and CRLF of an array", calls: reads, setUp: furnish, faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte {
					rows := strings.Split(strings.TrimSpace(string(body)), "\n")
					return []byte("\ufeff\r\n[" + strings.Join(rows, ",\r\n") + "]\r\n")
				})}
			},
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},
		{
			n: 36, name: "BOM after a create", faults: rewritten("", "\ufeff"),
			applied: true, outcome: succeeds, hits: hits{"call": 1},
		},

		// 37: too much.
		{
			n: 37, name: "a row of 2 MiB", calls: []call{usersList, usersAll}, setUp: furnish,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte {
					return append(body, `{"userId":"99","user":"`+strings.Repeat("x", 2<<20)+`"}`...)
				})}
			},
			outcome: notApplied, says: "row 6: too long: more than 1048576 bytes", hits: hits{"call": 1},
		},
		{
			n: 37, name: "one row of 2 MiB", calls: []call{usersGet},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(`{"userId":"1","user":"` + strings.Repeat("x", 2<<20) + `"}`)}
			},
			outcome: notApplied, says: "row 1: too long: more than 1048576 bytes", hits: hits{"call": 1},
		},
		{
			n: 37, name: "one row without end", calls: []call{usersGet},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Endless()} },
			outcome: notApplied, says: "more than one row", hits: hits{"call": 1},
		},
		{
			n: 37, name: "blank lines without end", calls: reads,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Body("").Endless()} },
			outcome: notApplied, says: "too long", hits: hits{"call": 1},
		},
		{
			n: 37, name: "a list without end, until the context's", calls: []call{usersList}, ctx: deadlineIn(time.Minute),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Endless().SlowBody(256, time.Second)} },
			outcome: notApplied, is: []error{context.DeadlineExceeded}, hits: hits{"call": 1}, least: time.Minute, most: time.Minute,
		},
		{
			n: 37, name: "a create's answer without end",
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Endless()} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		},
		{
			n: 37, name: "an update's answer without end", calls: []call{usersUpdate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(200).Body("x").Endless()} },
			applied: true, outcome: unknown, hits: hits{"call": 1},
		},
		{
			n: 37, name: "an error without end", calls: every, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(403).Body("no ").Endless()} },
			outcome: notApplied, is: []error{infinitysip.ErrForbidden}, hits: hits{"call": 1},
		},
		{
			n: 37, name: "a bomb of gzip", calls: []call{usersGet, usersList, usersAll},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(rowBomb()).Header("Content-Encoding", "gzip")}
			},
			outcome: notApplied, says: "too long", hits: hits{"call": 1},
		},
		{
			n: 37, name: "a bomb of gzip on a socket", calls: []call{usersList, usersCreate}, socket: true,
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Status(403).Body(textBomb()).Header("Content-Encoding", "gzip")}
			},
			outcome: notApplied, is: []error{infinitysip.ErrForbidden}, hits: hits{"call": 1},
		},

		// 38: too slow.
		{
			n: 38, name: "slow headers", calls: reads,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(4).SlowHeaders(time.Hour)} },
			outcome: notApplied, says: "no answer for 30s", hits: hits{"call": 4}, least: 2 * time.Minute, most: 2*time.Minute + 3500*time.Millisecond,
		},
		{
			n: 38, name: "headers byte by byte", calls: []call{usersCreate},
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Raw("HTTP/1.1 201 Created\r\n\r\n").SlowBody(1, 10*time.Second)}
			},
			outcome: unknown, says: "no answer for 30s", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 34 * time.Second, most: 34 * time.Second,
		},
		{
			n: 38, name: "a list byte by byte", calls: []call{usersList},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(3).SlowBody(1, time.Second)} },
			outcome: notApplied, says: "no more of the answer for 30s", hits: hits{"call": 3}, least: 90 * time.Second, most: 90*time.Second + 1500*time.Millisecond,
		},
		{
			n: 38, name: "a list byte by byte, with less patience", calls: []call{usersList}, opts: []infinitysip.Option{infinitysip.WithLimits(infinitysip.Limits{ProgressTimeout: 5 * time.Second})},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(3).SlowBody(1, time.Second)} },
			outcome: notApplied, says: "no more of the answer for 5s", hits: hits{"call": 3}, least: 15 * time.Second, most: 16500 * time.Millisecond,
		},
		{
			n: 38, name: "a list row by row is not slow", calls: []call{usersList, usersAll}, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).SlowBody(200, 5*time.Second)} },
			applied: true, outcome: succeeds, hits: hits{"call": 1}, least: 30 * time.Second, most: 5 * time.Minute,
		},
		{
			n: 38, name: "one row byte by byte", calls: []call{usersGet},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(3).SlowBody(1, 2*time.Second)} },
			outcome: notApplied, says: "no more of the answer for 1m0s", hits: hits{"call": 3}, least: 3 * time.Minute, most: 3*time.Minute + 1500*time.Millisecond,
		},
		{
			n: 38, name: "a create's answer byte by byte", calls: []call{usersCreate},
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).SlowBody(1, 10*time.Second)} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1}, least: time.Minute, most: time.Minute,
		},
		{
			n: 38, name: "an error byte by byte", calls: every, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(403).SlowBody(1, time.Second)} },
			outcome: notApplied, is: []error{infinitysip.ErrForbidden}, hits: hits{"call": 1}, least: 2 * time.Second, most: 2 * time.Second,
		},

		// 40: the caller's context ends.
		{
			n: 40, name: "cancelled before", calls: every, setUp: furnish, ctx: cancelAfter(0),
			outcome: notApplied, is: []error{context.Canceled}, hits: hits{},
		},
		{
			n: 40, name: "cancelled while a read is under way", calls: reads, ctx: cancelAfter(time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Hang()} },
			outcome: notApplied, is: []error{context.Canceled}, hits: hits{"call": 1}, least: time.Second, most: time.Second,
		},
		{
			n: 40, name: "cancelled while a write is under way", calls: writes, setUp: furnish, ctx: cancelAfter(time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenHang()} },
			applied: true, outcome: unknown, is: []error{context.Canceled}, hits: hits{"call": 1}, least: time.Second, most: time.Second,
		},
		{
			n: 40, name: "cancelled while rows come", calls: []call{usersList, usersAll}, setUp: furnish, ctx: cancelAfter(10 * time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).SlowBody(100, time.Second)} },
			outcome: notApplied, is: []error{context.Canceled}, hits: hits{"call": 1}, least: 10 * time.Second, most: 10 * time.Second,
		},
		{
			n: 40, name: "cancelled between attempts", calls: every, setUp: furnish, ctx: cancelAfter(time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(429).Header("Retry-After", "50")} },
			outcome: notApplied, is: []error{context.Canceled, infinitysip.ErrRateLimited}, hits: hits{"call": 1}, least: time.Second, most: time.Second,
		},
		{
			n: 40, name: "cancelled between attempts of an update, one of which may have been applied", calls: updates, setUp: furnish, ctx: cancelAfter(time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "50")} },
			outcome: unknown, is: []error{context.Canceled, infinitysip.ErrUnavailable}, hits: hits{"call": 1}, least: time.Second, most: time.Second,
		},
		{
			n: 40, name: "cancelled between attempts of an add, one of which may have been applied", calls: adds, setUp: furnish, ctx: cancelAfter(time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "50")} },
			outcome: unknown, is: []error{context.Canceled, infinitysip.ErrUnavailable}, says: "of them were not there", hits: hits{"call": 1, "look": 1}, least: time.Second, most: time.Second,
		},
		{
			n: 40, name: "cancelled between looks", ctx: cancelAfter(2 * time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, is: []error{context.Canceled, io.EOF}, hits: hits{"call": 1, "look": 2}, least: 2 * time.Second, most: 2 * time.Second,
		},
		{
			n: 40, name: "a deadline between looks", ctx: deadlineIn(2 * time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Drop()} },
			outcome: unknown, is: []error{context.DeadlineExceeded, io.EOF}, hits: hits{"call": 1, "look": 2}, least: 2 * time.Second, most: 2 * time.Second,
		},

		// 41: lists that change, or do not, from page to page.
		{
			n: 41, name: "a row inserted between pages", calls: []call{devicesAll}, setUp: tenDevices, others: insertDevice,
			faults:  func(c call) faults { return faults{faultOn(c.op).Nth(2).Before(insertDevice)} },
			applied: true, outcome: succeeds,
		},
		{
			n: 41, name: "a row deleted between pages, of what was read", calls: []call{devicesAll}, setUp: tenDevices, others: deleteDevice,
			faults:  func(c call) faults { return faults{faultOn(c.op).Nth(2).Before(deleteDevice)} },
			applied: true, outcome: succeeds,
		},
		{
			n: 41, name: "a page that repeats", calls: []call{devicesAll}, setUp: tenDevices,
			faults: func(c call) faults {
				var first []byte
				return faults{
					faultOn(c.op).Nth(2).Rewrite(func(body []byte) []byte { first = body; return body }),
					faultOn(c.op).Nth(3).Rewrite(func([]byte) []byte { return first }),
				}
			},
			applied: true, outcome: succeeds,
		},
		{
			n: 41, name: "limit and offset are ignored", calls: []call{devicesAll}, setUp: tenDevices, server: siptest.Options{IgnorePaging: true},
			applied: true, outcome: succeeds,
		},

		// 42: one client, many goroutines.
		{
			n: 42, name: "200 goroutines", calls: []call{manyAtOnce}, socket: true,
			applied: true, outcome: succeeds,
		},
		{
			n: 42, name: "200 goroutines, and faults", calls: []call{manyAtOnce}, socket: true, settle: true, server: siptest.Options{UndocumentedQuery: siptest.UndocumentedQueryHonoured},
			faults: func(call) faults {
				return faults{faultOn("Users.Create").Nth(50).CommitThenDrop(), faultOn("Users.Create").Nth(100).Status(503), faultOn("Users.Update").Nth(50).Reset(), faultOn("Users.Get").Nth(50).Truncate(9), faultOn("Users.Delete").Nth(50).CommitThenReset()}
			},
			applied: true, outcome: succeeds,
		},

		// 43: nothing answers for a minute.
		{
			n: 43, name: "a minute's outage", calls: []call{steadily}, setUp: furnish,
			faults:  func(call) faults { return faults{faultOn("*").For(time.Minute).Reset()} },
			applied: true, outcome: succeeds, least: time.Minute, most: 75 * time.Second,
		},
		{
			n: 43, name: "a minute's outage of which a create hears in the end", calls: []call{usersCreate},
			faults:  func(call) faults { return faults{faultOn("*").For(time.Minute).Status(503)} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "failed", least: 4 * time.Second, most: 20 * time.Second,
		},

		// 44: a RoundTripper that is none.
		{
			n: 44, name: "a RoundTripper that panics", calls: []call{usersCreate}, client: through(panics),
			outcome: unknown, says: "the transport panicked", hits: hits{}, attempts: 1, least: 4 * time.Second, most: 16 * time.Second,
		},
		{
			n: 44, name: "a RoundTripper that panics, at an update", calls: []call{usersUpdate, usersDelete}, client: through(panics),
			outcome: unknown, says: "the transport panicked", hits: hits{}, attempts: 3, most: 1500 * time.Millisecond,
		},
		{
			n: 44, name: "a RoundTripper that panics, at a read", calls: reads, client: through(panics),
			outcome: notApplied, says: "the transport panicked", hits: hits{}, attempts: 4, most: 3500 * time.Millisecond,
		},
		{
			n: 44, name: "a RoundTripper that returns nothing", calls: []call{usersCreate}, client: through(returnsNothing),
			outcome: unknown, says: "neither an answer nor an error", hits: hits{}, attempts: 1, least: 4 * time.Second, most: 16 * time.Second,
		},
		{
			n: 44, name: "a RoundTripper that returns nothing, at an update", calls: []call{usersUpdate, usersDelete}, client: through(returnsNothing),
			outcome: unknown, says: "neither an answer nor an error", hits: hits{}, attempts: 3, most: 1500 * time.Millisecond,
		},
		{
			n: 44, name: "a RoundTripper that returns nothing, at a read", calls: reads, client: through(returnsNothing),
			outcome: notApplied, says: "neither an answer nor an error", hits: hits{}, attempts: 4, most: 3500 * time.Millisecond,
		},
		{
			n: 44, name: "a RoundTripper whose error shows what was sent", calls: []call{usersUpdate}, client: through(tellsAll),
			outcome: unknown, says: "the server's text held a secret", hits: hits{}, attempts: 3, most: 1500 * time.Millisecond,
		},
	}
	return slices.Concat(list, redirects(), cuts(), retryAfters())
}

// redirects are number 25. None is followed, wherever it leads.
func redirects() []fault {
	var list []fault
	for _, status := range []int{300, 301, 302, 303, 304, 305, 306, 307, 308} {
		for where, location := range map[string]string{
			"same host": "https://siptest.invalid/config/v2/sip/domains/1/users", "other host": "https://evil.example/config/v2/sip/domains/1/users",
			"other port": "https://siptest.invalid:8443/", "http": "http://siptest.invalid/config/v2/sip/domains/1/users", "a path alone": "/config/v2/sip/domains/1/users",
		} {
			strike := func(c call) faults { return faults{faultOn(c.op).Times(1).Status(status).Header("Location", location)} }
			list = append(list,
				fault{
					n: 25, name: fmt.Sprintf("read, %d to %s", status, where), calls: reads, faults: strike,
					outcome: notApplied, says: fmt.Sprint(status), hits: hits{"call": 1},
				},
				fault{
					n: 25, name: fmt.Sprintf("write, %d to %s", status, where), calls: updates, setUp: furnish, faults: strike,
					outcome: unknown, says: fmt.Sprint(status), hits: hits{"call": 1},
				},
				fault{
					n: 25, name: fmt.Sprintf("add, %d to %s", status, where), calls: adds, setUp: furnish, faults: strike,
					outcome: unknown, says: fmt.Sprint(status), hits: hits{"call": 1, "look": 1},
				},
				fault{
					n: 25, name: fmt.Sprintf("create, %d to %s", status, where), calls: []call{usersCreate, queuesCreateMember, usersAddDevice}, faults: strike,
					outcome: unknown, says: fmt.Sprint(status), hits: hits{"call": 1, "look": 1, "absent": 1},
				},
			)
		}
	}
	return list
}

// cuts are numbers 33 and 34. A cut shows in the framing, or in half a row. At
// a row's end, where nothing tells how long the answer is, it cannot show.
func cuts() []fault {
	var list []fault
	for _, framing := range []siptest.Framing{siptest.FramingChunked, siptest.FramingLength, siptest.FramingClose} {
		for n, cut := range map[int]func(siptest.Fault) siptest.Fault{
			33: func(f siptest.Fault) siptest.Fault { return f.Truncate(300) },
			34: func(f siptest.Fault) siptest.Fault { return f.TruncateRows(2) },
		} {
			strike := func(times int) func(call) faults {
				return func(c call) faults { return faults{cut(faultOn(c.op).Times(times)).Framing(framing)} }
			}
			of := map[siptest.Framing]string{siptest.FramingChunked: "chunked", siptest.FramingLength: "by length", siptest.FramingClose: "by close"}[framing]
			if n == 34 && framing == siptest.FramingClose {
				list = append(list, fault{
					n: n, name: "list " + of + ", cut once", calls: []call{usersList, usersAll}, setUp: furnish, faults: strike(1),
					outcome: succeeds, hits: hits{"call": 1},
				})
				continue
			}
			list = append(list,
				fault{
					n: n, name: "list " + of + ", cut twice", calls: []call{usersList}, setUp: furnish, faults: strike(2),
					applied: true, outcome: succeeds, hits: hits{"call": 3}, most: 1500 * time.Millisecond,
				},
				fault{
					n: n, name: "list " + of + ", cut always", calls: []call{usersList}, setUp: furnish, faults: strike(3),
					outcome: notApplied, says: "the answer was cut short", hits: hits{"call": 3}, most: 1500 * time.Millisecond,
				},
				fault{
					n: n, name: "rows handed on " + of + ", cut once", calls: []call{usersAll}, setUp: furnish, faults: strike(1),
					outcome: notApplied, says: "the answer was cut short", hits: hits{"call": 1},
				},
				fault{
					n: n, name: "list " + of + ", cut once, on a socket", calls: []call{usersList}, socket: true, setUp: furnish, faults: strike(1),
					applied: true, outcome: succeeds, hits: hits{"call": 2},
				},
			)
		}
	}
	return append(list, fault{
		n: 34, name: "list by HTTP/2, cut once", calls: []call{usersList}, socket: true, server: siptest.Options{HTTP2: true}, setUp: furnish,
		faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).TruncateRows(2)} },
		applied: true, outcome: succeeds, hits: hits{"call": 2},
	})
}

// retryAfters are number 39. In a bubble it is midnight of 1 January 2000.
func retryAfters() []fault {
	const jitter = 5 * time.Second // at most, in two waits
	var list []fault
	for _, test := range []struct {
		name, value string
		clock       string // the server's
		least, most time.Duration
		says        string // by a call that fails at once
	}{
		{name: "none", most: jitter},
		{name: "0", value: "0", most: jitter},
		{name: "seconds", value: "7", least: 14 * time.Second, most: 14*time.Second + jitter},
		{name: "a minute", value: "60", least: 2 * time.Minute, most: 2*time.Minute + jitter},
		{name: "less than five minutes, together", value: "149", least: 298 * time.Second, most: 298*time.Second + jitter},
		{name: "more than five minutes", value: "301", says: "(try again in 5m1s)"},
		{name: "277 hours", value: "999999", says: "(try again in 277h46m39s)"},
		{name: "absurd", value: "99999999999999999999999", most: jitter},
		{name: "more than a year", value: "99999999", most: jitter},
		{name: "negative", value: "-5", most: jitter},
		{name: "nonsense", value: "soon", most: jitter},
		{name: "a fraction", value: "1.5", most: jitter},
		{name: "a date", value: "Sat, 01 Jan 2000 01:00:09 GMT", clock: "Sat, 01 Jan 2000 01:00:00 GMT", least: 18 * time.Second, most: 18*time.Second + jitter},
		{name: "a date, by our own clock", value: "Sat, 01 Jan 2000 00:00:09 GMT", clock: "no idea", least: 9 * time.Second, most: 9*time.Second + jitter},
		{name: "a date that has passed", value: "Fri, 31 Dec 1999 23:59:00 GMT", most: jitter},
		{name: "a date in 2099", value: "Thu, 01 Jan 2099 00:00:00 GMT", most: jitter},
	} {
		f := fault{
			n: 39, name: test.name, calls: []call{usersCreate, usersGet, usersUpdate, groupsAddUsers},
			applied: true, outcome: succeeds, hits: hits{"call": 3}, least: test.least, most: test.most,
		}
		if test.says != "" {
			f.applied, f.outcome, f.is, f.says, f.hits = false, notApplied, []error{infinitysip.ErrRateLimited}, test.says, hits{"call": 1}
		}
		times := f.hits["call"]
		f.faults = func(c call) faults {
			refusal := faultOn(c.op).Times(min(times, 2)).Status(429)
			if test.value != "" {
				refusal = refusal.Header("Retry-After", test.value)
			}
			if test.clock != "" {
				refusal = refusal.Header("Date", test.clock)
			}
			return faults{refusal}
		}
		list = append(list, f)
	}
	return append(list,
		fault{
			n: 39, name: "past the deadline", calls: []call{usersGet, usersCreate}, ctx: deadlineIn(20 * time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(429).Header("Retry-After", "30")} },
			outcome: notApplied, is: []error{infinitysip.ErrRateLimited}, says: "(try again in 30s)", hits: hits{"call": 1},
		},
		fault{
			n: 39, name: "longer than a create waits",
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "3600")} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "(try again in 1h0m0s)", hits: hits{"call": 1, "look": 1, "absent": 1},
		},
		fault{
			n: 39, name: "longer than a create waits, and it was applied",
			faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).CommitThenStatus(503).Header("Retry-After", "3600")}
			},
			applied: true, outcome: found, is: []error{infinitysip.ErrUnavailable}, hits: hits{"call": 1, "look": 1},
		},
		fault{
			n: 39, name: "past the deadline of a create", ctx: deadlineIn(20 * time.Second),
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "30")} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "(try again in 30s)", hits: hits{"call": 1, "look": 1, "absent": 1},
		},
		fault{
			n: 39, name: "longer than an add waits", calls: adds,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "3600")} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "(try again in 1h0m0s)", hits: hits{"call": 1, "look": 1},
		},
		fault{
			n: 39, name: "longer than an update waits", calls: updates, setUp: furnish,
			faults:  func(c call) faults { return faults{faultOn(c.op).Times(1).Status(503).Header("Retry-After", "3600")} },
			outcome: unknown, is: []error{infinitysip.ErrUnavailable}, says: "(try again in 1h0m0s)", hits: hits{"call": 1},
		},
	)
}

var (
	rowBomb  = sync.OnceValue(func() string { return bomb(`{"userId":"1","user":"`) })
	textBomb = sync.OnceValue(func() string { return bomb("no") })
)

// bomb is 64 MiB of blanks after some text, packed.
func bomb(text string) string {
	var packed bytes.Buffer
	w := must(gzip.NewWriterLevel(&packed, gzip.BestSpeed))
	must(io.WriteString(w, text))
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for range 64 {
		must(w.Write(blanks))
	}
	must(0, w.Close())
	return packed.String()
}

// plainly makes a client with a transport of its own, which trusts nobody in
// particular, and with another scheme than the server's, if one is given.
func plainly(scheme string) func(*acme, []infinitysip.Option) *infinitysip.Client {
	return func(a *acme, opts []infinitysip.Option) *infinitysip.Client {
		target := a.URL()
		if _, rest, _ := strings.Cut(target, ":"); scheme != "" {
			target = scheme + ":" + rest
		}
		return must(infinitysip.NewClient(infinitysip.APIKey(canaryKey), append(opts, infinitysip.WithBaseURL(target))...))
	}
}

// panics shows a secret while it is at it.
func panics(http.RoundTripper) http.RoundTripper {
	return transportFunc(func(*http.Request) (*http.Response, error) { panic(fmt.Errorf("with %s", canaryPassword)) })
}

func returnsNothing(http.RoundTripper) http.RoundTripper {
	return transportFunc(func(*http.Request) (*http.Response, error) { return nil, nil })
}

// tellsAll shows the credentials and the form in its error.
func tellsAll(http.RoundTripper) http.RoundTripper {
	return transportFunc(func(req *http.Request) (*http.Response, error) {
		form, _ := io.ReadAll(req.Body)
		return nil, fmt.Errorf("cannot send %s with %s", form, req.Header.Get("Authorization"))
	})
}

// unreachable cannot get a connection for the first requests.
type unreachable struct {
	next http.RoundTripper
	left int
	err  error
}

func (u *unreachable) RoundTrip(req *http.Request) (*http.Response, error) {
	if u.left == 0 {
		return u.next.RoundTrip(req)
	}
	u.left--
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, u.err }}
	return transport.RoundTrip(req)
}
