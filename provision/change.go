package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/infinitysip/infinitysip"
)

// Op is what a change does. The zero value is none of the ops.
type Op string

// What a change can do. Of what hangs on things, OpCreate puts a user into a group or
// a group into a queue, or gives a device to a user, and OpDelete takes it away again:
// the user, the group and the device stay.
const (
	OpCreate Op = "create"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
)

// Kind is what a change is of.
type Kind string

// What a change can be of: things, and what hangs on them.
const (
	KindUser           Kind = "user"
	KindGroup          Kind = "group"
	KindQueue          Kind = "queue"
	KindTrustedNetwork Kind = "trusted network"
	KindDevice         Kind = "device"
	KindGroupMembers   Kind = "group members" // users in a group
	KindOwner          Kind = "device owner"  // the user who has a device
	KindQueueMember    Kind = "queue member"  // a group that a queue rings
	KindQueueOrder     Kind = "queue order"   // the order in which a queue rings
)

// Ref names a thing: one on the server by its ID, one that the plan makes by the
// change that makes it.
type Ref struct {
	Name   string `json:"name"`            // as the server spells it, or as the state does if it is not there yet
	ID     int64  `json:"id,omitzero"`     // 0: it is not there yet
	MadeBy int    `json:"madeBy,omitzero"` // the number of the change that makes it
}

// Change is one thing to do: one call, or the two that take a device from one
// user and give it to another.
type Change struct {
	N    int  `json:"n"` // its number in the plan, from 1; a plan that is cut keeps the numbers
	Op   Op   `json:"op"`
	Kind Kind `json:"kind"`

	// Ref is the user, group, queue, network or device. Of KindGroupMembers it is
	// the group, of KindQueueMember and KindQueueOrder the queue, of KindOwner the
	// device.
	Ref

	// Fields are those that change, or that a new thing gets; no secrets.
	Fields []FieldChange `json:"fields,omitzero"`

	// Secrets names the secrets that the state gave and that the change sets:
	// "password", "pin". A new user gets a password in any case.
	Secrets []string `json:"secrets,omitzero"`

	// Between: the change is for the time in between. Of several things that pass
	// their extension numbers on in a circle, one gets a spare number; a device is
	// taken from a user who is deleted, before another user gets it.
	Between bool `json:"between,omitzero"`

	// Members are the users of KindGroupMembers, the one group of
	// KindQueueMember, and the places of KindQueueOrder in their new order: with
	// the names of their groups, and the ids of the queue members.
	Members  []Ref `json:"members,omitzero"`
	MemberID int64 `json:"memberId,omitzero"` // of KindQueueMember: the queue member, if it is there

	// From and To are the users of KindOwner; nil is nobody. A device that is
	// deleted has a From too, if it has a user. NewToken: the user keeps the device,
	// which gets another token.
	From     *Ref `json:"from,omitzero"`
	To       *Ref `json:"to,omitzero"`
	NewToken bool `json:"newToken,omitzero"`

	// Takes is what a delete takes along. A loss is there once, even if two
	// deletes bring it about.
	Takes []Loss `json:"takes,omitzero"`

	Needs []int `json:"needs,omitzero"` // the numbers of the changes that must succeed before
	After []int `json:"after,omitzero"` // of those that must be over before, however they end
}

// Loss is what ends because a thing is deleted.
type Loss struct {
	// Kind says what: KindGroupMembers that the group Of loses the user Member,
	// KindQueueMember that the queue Of no longer rings the group Member,
	// KindOwner that the device Of is no longer the user Member's.
	Kind   Kind `json:"kind"`
	Of     Ref  `json:"of"`
	Member Ref  `json:"member"`
}

// FieldChange is a field that gets another value. A value is a string, a bool or
// an int64; From is nil where the thing is new.
type FieldChange struct {
	Field string `json:"field"` // as the API spells it
	From  any    `json:"from,omitempty"`
	To    any    `json:"to"`
}

// UnmarshalJSON reads what encoding/json writes, numbers as int64.
func (f *FieldChange) UnmarshalJSON(data []byte) error {
	type plain FieldChange
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	in.DisallowUnknownFields()
	if err := in.Decode((*plain)(f)); err != nil {
		return err
	}
	for _, value := range []*any{&f.From, &f.To} {
		switch v := (*value).(type) {
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return fmt.Errorf("field %s: %w", f.Field, err)
			}
			*value = n
		case nil, string, bool:
		default:
			return fmt.Errorf("field %s: not a string, a number or a flag", f.Field)
		}
	}
	return nil
}

// What an error of this package is, by errors.Is. What is wrong with a state or
// with a plan is infinitysip.ErrInvalid; of a state it is a *CheckError.
var (
	// ErrStale: the domain has changed since the plan was made, so that the
	// plan would be another now. Nothing was changed: plan again.
	ErrStale = errors.New("provision: the domain has changed since the plan was made: plan again")
	// ErrTooManyDeletes: the plan would delete more than is allowed.
	// Nothing was changed.
	ErrTooManyDeletes = errors.New("provision: too many deletes")
	// ErrBlocked: a change is incomplete, because what it needs could
	// not be had.
	ErrBlocked = errors.New("blocked")
)

// Changes is a plan: the changes that bring a domain to a state. It is plain data and
// holds no secret. It can be written as JSON, read back and applied by another
// process.
type Changes struct {
	Domain infinitysip.DomainID

	// Items are the changes, in an order that a reader can follow. Apply does
	// them in the order in which one needs another.
	Items []Change

	// Notes tell what the state says and the plan does not do, and what else a
	// reader must know.
	Notes []string

	// MaxDeletes is the most that may be deleted, as Deletes counts.
	MaxDeletes int

	// Rings are the queues whose members change, with what they rang when the plan
	// was made, in order: the names of the groups and the ids of the queue members.
	// Apply compares them.
	Rings map[infinitysip.QueueID][]Ref

	// Spares are the extension numbers that may be used in between, where several
	// things pass theirs on in a circle; nil: any that is free.
	Spares []string

	secrets map[string]userSecrets // that the state gave, by user name
}

// userSecrets are the secrets that a state gives of a user.
type userSecrets struct{ password, pin infinitysip.Secret }

// planVersion is the version of the JSON format. A plan of another is refused.
const planVersion = 1

// planJSON is how Changes are written.
type planJSON struct {
	Version    int                           `json:"version"`
	Domain     infinitysip.DomainID          `json:"domain"`
	MaxDeletes int                           `json:"maxDeletes"`
	Notes      []string                      `json:"notes,omitzero"`
	Rings      map[infinitysip.QueueID][]Ref `json:"rings,omitzero"`
	Spares     []string                      `json:"spares,omitzero"`
	Items      []Change                      `json:"changes"`
}
