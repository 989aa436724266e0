package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

func TestResultsTellEverything(t *testing.T) {
	t.Parallel()
	change := func(name string) *provision.Change {
		return &provision.Change{Op: provision.OpCreate, Kind: provision.KindUser, Ref: provision.Ref{Name: name}}
	}
	for _, test := range []struct {
		results []provision.Result
		want    []string
	}{
		{[]provision.Result{{Change: change("ann"), Status: provision.StatusDone}}, nil},
		{[]provision.Result{
			{Change: change("ann"), Status: provision.StatusFailed, Err: infinitysip.ErrRateLimited},
			{Change: change("ben"), Status: provision.StatusFailed, Err: errors.New("something")},
		}, []string{"Failed: + user ann (password made up)\n", "with fewer --workers", "Failed: + user ben (password made up)\n  something\n", "what is there is not made again"}},
		{[]provision.Result{
			{Change: change("00:01"), Status: provision.StatusFailed, Err: infinitysip.ErrTokenLost},
			{Change: change("00:02"), Status: provision.StatusFailed, Err: infinitysip.ErrTokenLost},
		}, []string{"create user, 2 times: 00:01, 00:02\n", "run the same command again: the device gets another token.\n"}},
		{[]provision.Result{
			{Change: change("00:01"), Status: provision.StatusFailed, Err: errors.Join(infinitysip.ErrTokenLost, keepError{io.ErrShortWrite})},
		}, []string{"make room on the disk of secrets.csv, or see to it that it can be written. Then run the same command again.\n"}},
		{[]provision.Result{
			{Change: change("ann"), Status: provision.StatusStopped, Err: errors.New("not begun")},
			{Change: change("ben"), Status: provision.StatusStopped, Err: keepError{errors.New("no space left")}},
		}, []string{"Stopped: 2 changes incomplete, or not begun.\n  no space left\n", "make room on the disk of secrets.csv"}},
		{[]provision.Result{
			{Change: change("ann"), Status: provision.StatusDone, Err: fmt.Errorf("it could not be kept: %w", keepError{errors.New("provision: no space left")})},
		}, []string{"Done, but: + user ann (password made up)\n  no space left\n", "make room on the disk of secrets.csv"}},
		{[]provision.Result{
			{Change: change("ann"), Status: provision.StatusStopped, Err: errors.New("one\ntwo")},
		}, []string{"Stopped: 1 change incomplete", "To go on: run the same command again"}},
	} {
		var out bytes.Buffer
		require.Equal(t, len(test.want) > 0, printResults(&out, test.results, way{secrets: "secrets.csv", text: translated}))
		for _, want := range test.want {
			require.Contains(t, out.String(), want)
		}
	}
}

// What --timeout ended says so, beside what happened before.
func TestTheEndOfTheTime(t *testing.T) {
	t.Parallel()
	lost := &infinitysip.Error{Op: "Users.Create", Method: "POST", Path: "/x", Attempts: 1, Outcome: infinitysip.OutcomeUnknown,
		Err: fmt.Errorf("502 Bad Gateway; %w; sent at 12:00", context.DeadlineExceeded)}
	require.Contains(t, teller{timedOut: true}.text(lost), "nobody knows whether it took effect; 502 Bad Gateway; the time of --timeout is over; sent at 12:00 (POST /x)")
	require.Contains(t, teller{}.text(lost), "502 Bad Gateway; context deadline exceeded; sent at 12:00 (POST /x)")
}

// The bar fits on the line, on a narrow terminal, too.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, width := range []int{80, 40, 30} {
			var out bytes.Buffer
			p := newProgress(&out)
			p.width = width
			for i := range 120 {
				p.show(provision.Progress{Done: i + 1, Total: 120, Err: map[bool]error{true: io.EOF}[i == 0]})
				time.Sleep(50 * time.Millisecond)
			}
			p.end()
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\r")
			require.Greater(t, len(lines), 20)
			require.Less(t, len(lines), 300)
			for _, line := range lines {
				require.Less(t, len(line), width)
			}
			require.Contains(t, lines[len(lines)-1], "]  120/120, 1 failed")
			require.Contains(t, lines[len(lines)-1], "100% [#")
		}
	})
}

// The words of the table do not say that somebody is deleted who is not.
func TestWordsOfResults(t *testing.T) {
	t.Parallel()
	results := func(kind provision.Kind, ops ...provision.Op) (all []provision.Result) {
		for _, op := range ops {
			all = append(all, provision.Result{Change: &provision.Change{Op: op, Kind: kind}, Status: provision.StatusDone})
		}
		return all
	}
	const create, update, del = provision.OpCreate, provision.OpUpdate, provision.OpDelete
	all := slices.Concat(results(provision.KindUser, create, update, del), results(provision.KindGroupMembers, create, del),
		results(provision.KindOwner, create, update, del), results(provision.KindQueueMember, create, update, del), results(provision.KindQueueOrder, update),
		[]provision.Result{{Change: &provision.Change{Op: update, Kind: provision.KindOwner, NewToken: true}, Status: provision.StatusDone}})
	var out bytes.Buffer
	printResults(&out, all, way{})
	var words []string
	for line := range strings.Lines(out.String()) {
		words = append(words, strings.TrimSpace(line[:24]))
	}
	require.Equal(t, []string{"", "create user", "change user", "delete user", "users into group", "users out of group", "device to user", "device to other user", "device from user",
		"group into queue", "change group in queue", "group out of queue", "order of queue", "new device token"}, words)
}

// Without a terminal there is a line now and then, not one a change.
func TestProgressWithoutTerminal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out)
		for i := range 500 {
			time.Sleep(50 * time.Millisecond)
			p.show(provision.Progress{Done: i + 1, Total: 500})
		}
		p.end()
		require.Equal(t, "200/500, 0 failed\n400/500, 0 failed\n", out.String())
	})
}

// Without a file that remembers the devices, --rotate gets other tokens.
func TestAdviceOnTokens(t *testing.T) {
	t.Parallel()
	require.Equal(t, "get another token: plan with --rotate 00:01,00:02", adviceOn(infinitysip.ErrTokenLost).text([]string{"00:01", "00:02"}, way{}))
}

// A plan that was saved is of a domain that is no more, once it has begun.
func TestAdviceOnASavedPlan(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errNotKept, infinitysip.ErrConflict, io.EOF} {
		require.Contains(t, adviceOn(err).text(nil, way{planFile: "plan.json", secrets: "secrets.csv"}), "make another plan, with the same --secrets, and apply that", "%v", err)
		require.Contains(t, adviceOn(err).text(nil, way{planFile: "plan.json"}), "make another plan, and apply that", "%v", err)
		require.Contains(t, adviceOn(err).text(nil, way{secrets: "secrets.age", age: true}), "run the same command again, with --identity", "%v", err)
	}
}
