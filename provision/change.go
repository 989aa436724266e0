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

// What a change can do. With KindGroupMembers, KindQueueMember and KindOwner, OpCreate
// puts users into a group or a group into a queue, or gives a device to a user. OpDelete
// takes them out again, and the users, the group and the device stay.
const (
	OpCreate Op = "create"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
)

// Kind is what a change is about. The zero value is none of the kinds.
type Kind string

// What a change can be about: users, groups, queues, networks, devices, and how they
// belong together.
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

// Ref names a user, group, queue, network or device: one on the server by its ID, one that
// the plan makes by the change that makes it.
type Ref struct {
	Name   string `json:"name"`            // as the server spells it, or as the state does if it is not there yet; the MAC address of a device, the CIDR of a network
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

	// Fields are those that change, or that a new user, group, queue, network, device or
	// queue member gets. They hold no secrets.
	Fields []FieldChange `json:"fields,omitzero"`

	// Secrets names the secrets that the state gave and that the change sets:
	// "password", "pin". A new user gets a password in any case.
	Secrets []string `json:"secrets,omitzero"`

	// Between says that a later change of the plan replaces this one. Where several things
	// pass their extension numbers on in a circle, one gets a spare number in between.
	// And a device is taken from a user who is deleted, before another user gets it.
	Between bool `json:"between,omitzero"`

	// Members are the users of KindGroupMembers and the one group of KindQueueMember. For
	// KindQueueOrder they are the queue members in their new order: the names of their
	// groups, and the ids of the queue members.
	Members  []Ref `json:"members,omitzero"`
	MemberID int64 `json:"memberId,omitzero"` // of KindQueueMember: the id of the queue member, if it is there

	// From and To are the users of KindOwner; nil is nobody. A device that is deleted
	// has a From too, if it has a user. NewToken says that the user keeps the device, and
	// that it gets another token.
	From     *Ref `json:"from,omitzero"`
	To       *Ref `json:"to,omitzero"`
	NewToken bool `json:"newToken,omitzero"`

	// Takes is what a delete takes along. If two deletes cause the same loss, only one of
	// them has it.
	Takes []Loss `json:"takes,omitzero"`

	Needs []int `json:"needs,omitzero"` // the numbers (N) of the changes that must succeed before this one
	After []int `json:"after,omitzero"` // the numbers of those that must have ended before this one, done or failed
}

// Loss is what ends because a user, group, queue or device is deleted.
type Loss struct {
	// Kind says what ends. KindGroupMembers: the group Of loses the user Member.
	// KindQueueMember: the queue Of no longer rings the group Member. KindOwner: the
	// user Member no longer has the device Of.
	Kind   Kind `json:"kind"`
	Of     Ref  `json:"of"`
	Member Ref  `json:"member"`
}

// FieldChange is a field that gets another value. A value is a string, a bool or
// an int64. From is nil if the field belongs to something new.
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

// What errors of this package match with errors.Is, besides the errors of the client. An
// error about a wrong state or a wrong plan matches infinitysip.ErrInvalid; about a state
// it is a *CheckError.
var (
	// ErrStale is an error of Apply: the domain has changed since the plan was made, so
	// that the plan would be another now. Nothing was changed: plan again.
	ErrStale = errors.New("provision: the domain has changed since the plan was made: plan again")
	// ErrTooManyDeletes is an error of Plan and Apply: the plan would delete more than
	// MaxDeletes or MaxDeleteShare allows. Nothing was changed.
	ErrTooManyDeletes = errors.New("provision: too many deletes")
	// ErrBlocked is the Err of a Result with StatusBlocked: the change is incomplete,
	// because something that it needs failed. The error of Apply does not match it, but
	// matches the cause.
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

	// Notes tell what the plan does not do although the state says it, and what else a
	// reader must know. One note is one line.
	Notes []string

	// MaxDeletes is the most that Apply may delete, as Deletes counts. Plan sets it from
	// PlanOptions.MaxDeletes and MaxDeleteShare.
	MaxDeletes int

	// Rings are the members of each queue whose members change, in their order when the
	// plan was made: the names of the groups and the ids of the queue members. If Apply
	// finds others, the error is ErrStale.
	Rings map[infinitysip.QueueID][]Ref

	// Spares are PlanOptions.Spares: the extension numbers that may be used in between,
	// where several things pass theirs on in a circle. nil: any that is free.
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
