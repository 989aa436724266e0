package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/secrets"
	"github.com/infinitysip/infinitysip/provision"
)

// errNotKept is that a secret could not be written to the file of --secrets.
var errNotKept = errors.New("not written down")

// errFileChanged is that another program removed, replaced or changed that file.
var errFileChanged = errors.New("changed by another program")

// A keepError is errNotKept, and errFileChanged if that is why; the error in it tells
// all.
type keepError struct{ error }

func (e keepError) Is(target error) bool {
	return target == errNotKept || target == errFileChanged && strings.Contains(e.Error(), secrets.ErrChanged.Error())
}
func (e keepError) Unwrap() error { return e.error }

func notKept(err error) error {
	if err == nil {
		return nil
	}
	return keepError{err}
}

// A way is how a run was begun, for the advice on how to go on.
type way struct {
	planFile string             // that was carried out; empty: none
	secrets  string             // the file of --secrets; empty: none
	age      bool               // that file is encrypted
	text     func(error) string // an error for people
}

// statuses are the columns of the table of results.
func statuses() []provision.Status {
	return []provision.Status{provision.StatusDone, provision.StatusFailed, provision.StatusBlocked, provision.StatusStopped}
}

// printResults writes a table of what was done, and what is left to do. It reports
// whether anything is left.
func printResults(w io.Writer, results []provision.Result, o way) bool {
	type row struct {
		what string
		n    map[provision.Status]int
	}
	var rows []*row
	byWhat := map[string]*row{}
	for _, r := range results {
		what := whatOf(r.Change)
		if byWhat[what] == nil {
			byWhat[what] = &row{what, map[provision.Status]int{}}
			rows = append(rows, byWhat[what])
		}
		byWhat[what].n[r.Status]++
	}
	print := func(first string, cell func(provision.Status) any) {
		fmt.Fprintf(w, "%-24s", first)
		for _, status := range statuses() {
			fmt.Fprintf(w, " %8v", cell(status))
		}
		fmt.Fprintln(w)
	}
	if len(rows) > 0 {
		print("", func(s provision.Status) any { return s })
	}
	for _, row := range rows {
		print(row.what, func(s provision.Status) any { return row.n[s] })
	}
	troubles := troublesOf(results)
	slices.SortStableFunc(troubles, func(a, b *trouble) int {
		return cmp.Compare(slices.Index(statuses(), a.status), slices.Index(statuses(), b.status))
	})
	told := map[advice]bool{}
	for _, t := range troubles {
		if t.status == provision.StatusStopped && told[t.advice] {
			t.advice = ""
		}
		told[t.advice] = true
		t.print(w, o)
	}
	return len(troubles) > 0
}

// links are the words for changes between two things: nobody is deleted who is taken
// out of a group.
func links(kind provision.Kind) map[provision.Op]string {
	switch kind {
	case provision.KindGroupMembers:
		return map[provision.Op]string{provision.OpCreate: "users into group", provision.OpDelete: "users out of group"}
	case provision.KindOwner:
		return map[provision.Op]string{provision.OpCreate: "device to user", provision.OpDelete: "device from user", provision.OpUpdate: "device to other user"}
	case provision.KindQueueMember:
		return map[provision.Op]string{provision.OpCreate: "group into queue", provision.OpDelete: "group out of queue", provision.OpUpdate: "change group in queue"}
	case provision.KindQueueOrder:
		return map[provision.Op]string{provision.OpUpdate: "order of queue"}
	}
	return nil
}

// whatOf is what a change does, such as "create user".
func whatOf(c *provision.Change) string {
	if c.NewToken {
		return "new device token"
	}
	if words := links(c.Kind)[c.Op]; words != "" {
		return words
	}
	verb := string(c.Op)
	if c.Op == provision.OpUpdate {
		verb = "change"
	}
	return verb + " " + string(c.Kind)
}

// A trouble is changes that were not done and are alike.
type trouble struct {
	likeness
	first *provision.Change
	names []string
	err   error // of the first one
}

// A likeness is what the changes of a trouble have in common.
type likeness struct {
	status provision.Status
	what   string
	code   int // of the server's answer; 0: none
	advice advice
}

// troublesOf are the troubles. All that was stopped is one.
func troublesOf(results []provision.Result) []*trouble {
	var all []*trouble
	known := map[likeness]*trouble{}
	for _, r := range results {
		if r.Status == provision.StatusDone && r.Err == nil {
			continue
		}
		key := likeness{status: r.Status}
		if r.Status != provision.StatusStopped {
			key.what, key.advice = whatOf(r.Change), adviceOn(r.Err)
			if failed, ok := errors.AsType[*infinitysip.Error](r.Err); ok && r.Status == provision.StatusFailed {
				key.code = failed.StatusCode
			}
		}
		t := known[key]
		if t == nil {
			t = &trouble{likeness: key, first: r.Change, err: r.Err}
			known[key] = t
			all = append(all, t)
		}
		t.names = append(t.names, r.Change.Name)
		// What stopped it all says more than that the context ended.
		if key.status == provision.StatusStopped && t.advice == "" {
			if t.advice = adviceOn(r.Err); t.advice != "" {
				t.err = r.Err
			}
		}
	}
	return all
}

// maxNames is how many names of a list are told.
const maxNames = 5

// some names the first of many.
func some(names []string) string {
	shown := slices.Clone(names[:min(len(names), maxNames)])
	for i, name := range shown {
		shown[i] = printable(name)
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (t *trouble) print(w io.Writer, o way) {
	what := fmt.Sprint(t.first)
	if len(t.names) > 1 {
		what = fmt.Sprintf("%s, %d times: %s", t.what, len(t.names), some(t.names))
	}
	var reason string
	if t.err != nil {
		err := t.err
		if kept, ok := errors.AsType[keepError](err); ok { // it tells all
			err = kept
		}
		text := strings.TrimPrefix(o.text(err), provision.ErrBlocked.Error()+": ")
		text = strings.TrimPrefix(text, "provision: ")
		reason = "\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	switch t.status {
	case provision.StatusDone: // and nobody could write that down
		fmt.Fprintf(w, "\nDone, but: %s%s\n  What to do: %s\n", what, reason, t.advice.text(t.names, o))
	case provision.StatusFailed:
		fmt.Fprintf(w, "\nFailed: %s%s\n  What to do: %s\n", what, reason, t.advice.text(t.names, o))
	case provision.StatusBlocked:
		fmt.Fprintf(w, "\nBlocked: %s%s\n", what, reason)
	default:
		if t.advice == "" {
			reason = ""
		}
		fmt.Fprintf(w, "\nStopped: %s incomplete, or not begun.%s\n  To go on: %s\n", count(len(t.names), "change"), reason, t.advice.text(nil, o))
	}
}

// An advice is what to do about failures of a kind, with {file} of --secrets, how to
// run it {again}, and how to get another {token}; empty: the usual.
type advice string

// adviceOn is the advice on an error. Of several that fit, the first one is taken.
func adviceOn(err error) advice {
	for _, known := range []struct {
		is error
		do advice
	}{
		{errFileChanged, "see to it that no other program touches {file} while this runs. Then {again}."},
		{errNotKept, "make room on the disk of {file}, or see to it that it can be written. Then {again}."},
		{infinitysip.ErrTokenLost, "{token}"},
		{infinitysip.ErrOutcomeUnknown, "{again}: it looks whether it is there now."},
		{infinitysip.ErrConflict, "something else has this name, extension, address or network, or somebody was first: {again}. If that does not help, correct the file."},
		{infinitysip.ErrInvalid, "correct the file. Then {again}."},
		{infinitysip.ErrUnauthorized, "see to it that the credentials are right. Then {again}."},
		{infinitysip.ErrForbidden, "see to it that the credentials allow this. Then {again}."},
		{infinitysip.ErrRateLimited, "{again}, with fewer --workers."},
	} {
		if errors.Is(err, known.is) {
			return known.do
		}
	}
	return ""
}

func (a advice) text(names []string, o way) string {
	do := string(cmp.Or(a, "{again}: what is there is not made again."))
	again := "run the same command again"
	switch {
	case o.planFile != "" && o.secrets != "": // the plan is of a domain that is no more
		again = "make another plan, with the same --secrets, and apply that"
	case o.planFile != "":
		again = "make another plan, and apply that"
	case o.age:
		again += ", with --identity"
	}
	token := again + ": the device gets another token."
	if o.secrets == "" { // so nothing remembers the device
		token = "get another token: plan with --rotate " + strings.Join(names, ",")
	}
	return strings.NewReplacer("{token}", token, "{file}", o.secrets, "{again}", again).Replace(do)
}

// resultCode is the exit code of results that are not all done.
func resultCode(results []provision.Result, err error) int {
	for _, r := range results {
		if r.Status != provision.StatusDone && errors.Is(r.Err, infinitysip.ErrOutcomeUnknown) {
			return exitUnknown
		}
	}
	if errors.Is(err, infinitysip.ErrUnauthorized) {
		return exitCredentials
	}
	return exitFailed
}
