package provision

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/infinitysip/infinitysip"
)

// defaultWorkers is how many calls are made at a time when options do not say.
const defaultWorkers = 8

// What an error of this package is, by errors.Is. What is wrong with a state is
// infinitysip.ErrInvalid, a *CheckError.
var (
	// ErrStale: the domain has changed since the plan was made, so that the
	// plan would be another now. Nothing was changed: plan again.
	ErrStale = errors.New("provision: the domain has changed since the plan was made: plan again")
	// ErrTooManyDeletes: pruning would delete more than MaxDeletes allows.
	// Nothing was changed.
	ErrTooManyDeletes = errors.New("provision: too many deletes")
	// ErrBlocked: a change is incomplete, because what it needs could
	// not be had.
	ErrBlocked = errors.New("blocked")
)

// PlanOptions say how to plan; nil is the zero value.
type PlanOptions struct {
	// Prune deletes what the state does not name: the things of a section that
	// it gives, and whom it leaves out of a list that it gives.
	Prune bool

	// MaxDeletes is the most that Prune may delete; 0 allows none, and a
	// negative number is refused. A thing, a user taken out of a group, a device
	// taken from a user and a group taken out of a queue count as one each.
	MaxDeletes int

	// SetSecrets plans to set the password and the PIN that the state gives
	// of users who exist already. The API does not show them, so such a plan
	// is never empty.
	SetSecrets bool

	// RotateTokens names devices of the state, by MAC address, that are to get
	// another token: because theirs was lost, say. Until the device has it, it
	// cannot register. The API has no call for that: the device is taken from
	// its user and given back. So the state must name its owner, lest a run
	// that ends in between be the end of that. A device of nobody has no token:
	// the plan's Notes tell.
	RotateTokens []string

	// Workers is how many calls to make at a time; default 8.
	Workers int
}

// Op is what a change does. The zero value is none of the ops.
type Op string

// The ops.
const (
	OpCreate Op = "create"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
)

// Kind is what a change is of.
type Kind string

// The kinds.
const (
	KindUser           Kind = "user"
	KindGroup          Kind = "group"
	KindQueue          Kind = "queue"
	KindTrustedNetwork Kind = "trusted network"
	KindDevice         Kind = "device"
	KindGroupMembers   Kind = "group members" // users in a group
	KindOwner          Kind = "device owner"  // whose a device is
	KindQueueMember    Kind = "queue member"  // a group in a queue
	KindQueueOrder     Kind = "queue order"
)

// Change is one thing that is to be done.
type Change struct {
	Op      Op            `json:"op"`
	Kind    Kind          `json:"kind"`
	Name    string        `json:"name"`              // of the user, group, queue, network or device
	Fields  []FieldChange `json:"fields,omitzero"`   // what changes, or what a new thing gets
	Members []string      `json:"members,omitzero"`  // users in a group, or groups in a queue
	Token   bool          `json:"newToken,omitzero"` // of KindOwner: the user keeps the device, which gets a new token
}

// String returns the change as a line of a diff: "+ user joe.blogs (ext 0100)",
// `~ group sales: displayName "Sales" → "Sales Dept"`, "- user ann.other".
func (c Change) String() string {
	members := make([]string, len(c.Members))
	for i, name := range c.Members {
		members[i] = printable(name)
	}
	list := strings.Join(members, ", ")
	line := map[Op]string{OpCreate: "+ ", OpUpdate: "~ ", OpDelete: "- "}[c.Op]
	switch c.Kind {
	case KindGroupMembers:
		line += fmt.Sprintf("group %s: members %s", printable(c.Name), list)
	case KindQueueMember:
		line += fmt.Sprintf("queue %s: member %s", printable(c.Name), list)
	case KindQueueOrder:
		line += fmt.Sprintf("queue %s: order %s", printable(c.Name), list)
	case KindOwner:
		line += "device " + printable(c.Name)
	default:
		line += fmt.Sprintf("%s %s", c.Kind, printable(c.Name))
	}
	if c.Token {
		line += ": new token"
	}
	for i, f := range c.Fields {
		switch {
		case c.Token:
			line += fmt.Sprintf(" for user %s", printable(fmt.Sprint(f.To)))
		case c.Op == OpUpdate && i == 0:
			line += ": " + f.String()
		case c.Op == OpUpdate:
			line += ", " + f.String()
		case c.Kind == KindOwner && c.Op == OpCreate:
			line += fmt.Sprintf(": user %s", printable(fmt.Sprint(f.To)))
		case c.Kind == KindOwner && c.Op == OpDelete:
			line += fmt.Sprintf(": user %s", printable(fmt.Sprint(f.From)))
		case c.Op == OpCreate && f.Field == "extensionNumber":
			line += fmt.Sprintf(" (ext %s)", printable(fmt.Sprint(f.To)))
		}
	}
	return line
}

// printable quotes a name that could be taken for something else on a terminal.
func printable(name string) string {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}

// deletes is what a change counts against MaxDeletes.
func (c Change) deletes() int {
	switch {
	case c.Op != OpDelete:
		return 0
	case c.Kind == KindGroupMembers:
		return len(c.Members)
	}
	return 1
}

// Changes is a plan: what is to be done to make of a domain what a state says.
type Changes struct {
	// Items are the changes, in an order that a reader can follow. Apply does
	// them in the order in which one needs another, and all of them: when they
	// are no longer as Plan made them it is ErrStale.
	Items []Change

	// Notes tell what is otherwise than the state says and cannot be changed.
	Notes []string

	domain  infinitysip.DomainID
	desired *State
	opts    PlanOptions
	ids     []int64 // of what each item is about; 0: of what is not there
}

// Empty reports whether there is nothing to do.
func (c *Changes) Empty() bool { return len(c.Items) == 0 }

// Deletes is how much would be deleted, as MaxDeletes counts it.
func (c *Changes) Deletes() int {
	n := 0
	for _, item := range c.Items {
		n += item.deletes()
	}
	return n
}

// String returns the plan as a diff, one line a change; it is empty for an
// empty plan.
func (c *Changes) String() string {
	var b strings.Builder
	for _, item := range c.Items {
		b.WriteString(item.String() + "\n")
	}
	for _, note := range c.Notes {
		b.WriteString("! " + note + "\n")
	}
	return b.String()
}

// MarshalJSON writes {"domain":…,"changes":[…],"notes":[…]}.
func (c *Changes) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Domain  infinitysip.DomainID `json:"domain"`
		Changes []Change             `json:"changes"`
		Notes   []string             `json:"notes,omitzero"`
	}{c.domain, merge([]Change{}, c.Items), c.Notes})
}

// Plan compares a domain with what it is to be. It only reads: each list once,
// and then the users of each group and the members of each queue whose
// members the state gives.
//
// A state with a problem gives a *CheckError. More deletes than allowed are
// ErrTooManyDeletes; the plan is returned all the same, to be looked at, and
// Apply refuses it.
//
// The plan is for the state as it is now: do not change it before Apply.
func Plan(ctx context.Context, client *infinitysip.Client, domain infinitysip.DomainID, desired *State, opts *PlanOptions) (*Changes, error) {
	if err := desired.Check(); err != nil {
		return nil, err
	}
	c := &Changes{domain: domain, desired: desired}
	if opts != nil {
		c.opts = *opts
		c.opts.RotateTokens = slices.Clone(opts.RotateTokens)
	}
	if most := c.opts.MaxDeletes; most < 0 {
		return nil, asError([]Problem{{Path: "MaxDeletes", Text: fmt.Sprintf("must not be negative: %d", most)}})
	}
	work, notes, err := c.toDo(ctx, client)
	if err != nil {
		return nil, err
	}
	c.Notes = notes
	c.Items, c.ids = make([]Change, len(work)), make([]int64, len(work))
	for i, w := range work {
		c.Items[i], c.ids[i] = *w.Change, w.id
	}
	return c, c.tooManyDeletes()
}

// toDo finds what there is to do now.
func (c *Changes) toDo(ctx context.Context, client *infinitysip.Client) ([]*change, []string, error) {
	there, err := look(ctx, client, c.domain, workers(c.opts.Workers), c.desired.needs(c.opts.Prune))
	if err != nil {
		return nil, nil, err
	}
	work, notes, problems := diff(there, c.desired, c.opts)
	return work, notes, asError(problems)
}

func workers(n int) int { return cmp.Or(max(n, 0), defaultWorkers) }

func (c *Changes) tooManyDeletes() error {
	if n := c.Deletes(); n > c.opts.MaxDeletes {
		return fmt.Errorf("%w: %d, and MaxDeletes is %d", ErrTooManyDeletes, n, c.opts.MaxDeletes)
	}
	return nil
}

// same reports whether work does what the plan says, to the same things.
func (c *Changes) same(work []*change) bool {
	if len(work) != len(c.Items) || len(work) != len(c.ids) {
		return false
	}
	for i, w := range work {
		if w.id != c.ids[i] || w.String() != c.Items[i].String() {
			return false
		}
	}
	return true
}
