package infinitysip

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
)

// RingStrategy is the order in which the users of a queue member ring. A row keeps a value
// that this package does not name, and params refuse one.
type RingStrategy string

// The ring strategies.
const (
	RingAll             RingStrategy = "all"             // all users at the same time
	RingHuntLongestIdle RingStrategy = "huntLongestIdle" // one after the other, the longest idle first
)

// problem tells what is wrong with the strategy.
func (r RingStrategy) problem() string {
	if r != RingAll && r != RingHuntLongestIdle {
		return fmt.Sprintf("must be %q or %q", RingAll, RingHuntLongestIdle)
	}
	return ""
}

// QueuesService makes the calls on SIP queues and their members.
type QueuesService struct{ caller *caller }

// Queue is a SIP queue row.
type Queue struct {
	ID               QueueID          `json:"queueId" row:"id"`
	DomainID         DomainID         `json:"domainId"`
	Name             string           `json:"queueName"`
	DisplayName      string           `json:"displayName"`
	ExtensionNumber  string           `json:"extensionNumber"`
	CallerNameFormat CallerNameFormat `json:"callerNameFormat"`

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (q Queue) MarshalJSON() ([]byte, error) { return marshalRow(&q) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (q *Queue) UnmarshalJSON(text []byte) error { return unmarshalRow(q, text) }

// QueueCreateParams are the parameters of a new queue. All but CallerNameFormat are
// required.
type QueueCreateParams struct {
	Name             string           `url:"queueName" json:"queueName"`     // such as sales
	DisplayName      string           `url:"displayName" json:"displayName"` // such as Sales Dept
	ExtensionNumber  string           `url:"extensionNumber" json:"extensionNumber"`
	CallerNameFormat CallerNameFormat `url:"callerNameFormat,omitempty" json:"callerNameFormat"` // not sent when empty
}

// Validate returns what Queues.Create would refuse of the params, without a call.
func (p QueueCreateParams) Validate() error { return validate("Queues.Create", p) }

// QueueUpdateParams change a queue: nil leaves a field as it is, new("")
// clears it.
type QueueUpdateParams struct {
	Name             *string           `url:"queueName,omitempty" json:"queueName"`
	DisplayName      *string           `url:"displayName,omitempty" json:"displayName"`
	ExtensionNumber  *string           `url:"extensionNumber,omitempty" json:"extensionNumber"`
	CallerNameFormat *CallerNameFormat `url:"callerNameFormat,omitempty" json:"callerNameFormat"`
}

// Validate returns what Queues.Update would refuse of the params, without a call.
func (p QueueUpdateParams) Validate() error { return validate("Queues.Update", p) }

// QueueMember is a SIP queue member row: a group that a queue rings.
type QueueMember struct {
	ID           QueueMemberID `json:"queueMemberId" row:"id"`
	QueueID      QueueID       `json:"queueId"`
	GroupID      GroupID       `json:"groupId"`
	RingStrategy RingStrategy  `json:"ringStrategy"`
	RingAttempts int           `json:"ringAttempts"` // how often to try when all users are busy
	RingSecs     int           `json:"ringSecs"`     // seconds to ring before the next member
	RingOrder    int           `json:"ringOrder"`    // lowest first

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (q QueueMember) MarshalJSON() ([]byte, error) { return marshalRow(&q) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (q *QueueMember) UnmarshalJSON(text []byte) error { return unmarshalRow(q, text) }

// QueueMemberCreateParams are the parameters of a new queue member. All are sent. GroupID
// and RingStrategy are required; the numbers may be 0.
type QueueMemberCreateParams struct {
	GroupID      GroupID      `url:"groupId" json:"groupId"`
	RingStrategy RingStrategy `url:"ringStrategy" json:"ringStrategy"`
	RingAttempts int          `url:"ringAttempts" json:"ringAttempts"` // how often to try when all users are busy
	RingSecs     int          `url:"ringSecs" json:"ringSecs"`         // seconds to ring before the next member
	RingOrder    int          `url:"ringOrder" json:"ringOrder"`       // lowest first
}

// Validate returns what Queues.CreateMember would refuse of the params, without a call.
func (p QueueMemberCreateParams) Validate() error { return validate("Queues.CreateMember", p) }

// QueueMemberUpdateParams change a queue member: nil leaves a field as it is.
type QueueMemberUpdateParams struct {
	GroupID      *GroupID      `url:"groupId,omitempty" json:"groupId"`
	RingStrategy *RingStrategy `url:"ringStrategy,omitempty" json:"ringStrategy"`
	RingAttempts *int          `url:"ringAttempts,omitempty" json:"ringAttempts"` // how often to try when all users are busy
	RingSecs     *int          `url:"ringSecs,omitempty" json:"ringSecs"`         // seconds to ring before the next member
	RingOrder    *int          `url:"ringOrder,omitempty" json:"ringOrder"`       // lowest first
}

// Validate returns what Queues.UpdateMember would refuse of the params, without a call.
func (p QueueMemberUpdateParams) Validate() error { return validate("Queues.UpdateMember", p) }

// QueueListOptions filter, sort and page Queues.List.
type QueueListOptions = ListOptions[Queue]

// QueueFields names the fields that Queues.List filters and sorts by.
var QueueFields = struct {
	ID, DomainID, Name, DisplayName, ExtensionNumber, CallerNameFormat Field[Queue]
}{
	"queueId", "domainId", "queueName", "displayName", "extensionNumber", "callerNameFormat",
}

type memberOrder struct {
	Members []QueueMemberID `url:"queueMemberId,brackets" check:"order"`
}

// List returns the queues of a domain; opts may be nil. It is one request, so
// perhaps not all of them: All goes on.
//
// API: List SIP queues
func (s QueuesService) List(ctx context.Context, domain DomainID, opts *QueueListOptions, with ...CallOption) ([]Queue, error) {
	return listPaged(ctx, s.caller, "Queues.List", path("/domains/{domainId}/queues", domain), opts, with)
}

// All is List as an iterator over every page; opts may be nil.
//
// API: List SIP queues
func (s QueuesService) All(ctx context.Context, domain DomainID, opts *QueueListOptions, with ...CallOption) iter.Seq2[Queue, error] {
	return allPages(ctx, s.caller, "Queues.List", path("/domains/{domainId}/queues", domain), opts, with)
}

// Get returns one queue.
//
// API: Read SIP queue
func (s QueuesService) Get(ctx context.Context, domain DomainID, queue QueueID, with ...CallOption) (*Queue, error) {
	return get[Queue](ctx, s.caller, "Queues.Get", path("/domains/{domainId}/queues/{queueId}", domain, queue), with)
}

// Find returns the queue of this name, whatever its case if none has it exactly.
// The package documentation tells how it is found, and when it is not.
//
// API: List SIP queues
func (s QueuesService) Find(ctx context.Context, domain DomainID, name string, with ...CallOption) (*Queue, error) {
	return find(ctx, s.caller, "Queues.Find", path("/domains/{domainId}/queues", domain), naturalKey{name: "queueName"}, name, "", func(row *Queue) string { return row.Name }, with)
}

// Create adds a queue to a domain and returns its id.
//
// API: Create SIP queue
func (s QueuesService) Create(ctx context.Context, domain DomainID, params QueueCreateParams, with ...CallOption) (QueueID, error) {
	return create[QueueID, Queue](ctx, s.caller, "Queues.Create", path("/domains/{domainId}/queues", domain), params, naturalKey{op: "Queues.List", name: "queueName", number: "extensionNumber"}, with)
}

// Update changes the fields that are not nil in params. If all are nil, it is refused.
//
// API: Update SIP queue
func (s QueuesService) Update(ctx context.Context, domain DomainID, queue QueueID, params QueueUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "Queues.Update", http.MethodPost, path("/domains/{domainId}/queues/{queueId}", domain, queue), params, with)
}

// Delete removes a queue. The groups that it rings stay.
//
// API: Delete SIP queue
func (s QueuesService) Delete(ctx context.Context, domain DomainID, queue QueueID, with ...CallOption) error {
	return exec(ctx, s.caller, "Queues.Delete", http.MethodDelete, path("/domains/{domainId}/queues/{queueId}", domain, queue), nil, with)
}

// ListMembers returns the members of a queue. A list of 10,000 rows may not be
// whole: a server may give no more in one answer.
//
// API: List SIP queue members
func (s QueuesService) ListMembers(ctx context.Context, domain DomainID, queue QueueID, with ...CallOption) ([]QueueMember, error) {
	return list[QueueMember](ctx, s.caller, "Queues.ListMembers", path("/domains/{domainId}/queues/{queueId}/members", domain, queue), with)
}

// AllMembers is ListMembers as an iterator: one request, rows as they arrive.
//
// API: List SIP queue members
func (s QueuesService) AllMembers(ctx context.Context, domain DomainID, queue QueueID, with ...CallOption) iter.Seq2[QueueMember, error] {
	return all[QueueMember](ctx, s.caller, "Queues.ListMembers", path("/domains/{domainId}/queues/{queueId}/members", domain, queue), with)
}

// GetMember returns one member of a queue.
//
// API: Read SIP queue member
func (s QueuesService) GetMember(ctx context.Context, domain DomainID, queue QueueID, member QueueMemberID, with ...CallOption) (*QueueMember, error) {
	return get[QueueMember](ctx, s.caller, "Queues.GetMember", path("/domains/{domainId}/queues/{queueId}/members/{queueMemberId}", domain, queue, member), with)
}

// CreateMember adds a group to a queue and returns the id of the member.
//
// API: Create SIP queue member
func (s QueuesService) CreateMember(ctx context.Context, domain DomainID, queue QueueID, params QueueMemberCreateParams, with ...CallOption) (QueueMemberID, error) {
	return create[QueueMemberID, QueueMember](ctx, s.caller, "Queues.CreateMember", path("/domains/{domainId}/queues/{queueId}/members", domain, queue), params, naturalKey{op: "Queues.ListMembers", name: "groupId", shared: true}, with)
}

// UpdateMember changes the fields that are not nil in params. If all are nil, it is refused.
//
// API: Update SIP queue member
func (s QueuesService) UpdateMember(ctx context.Context, domain DomainID, queue QueueID, member QueueMemberID, params QueueMemberUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "Queues.UpdateMember", http.MethodPost, path("/domains/{domainId}/queues/{queueId}/members/{queueMemberId}", domain, queue, member), params, with)
}

// DeleteMember takes a member out of a queue. The group stays.
//
// API: Delete SIP queue member
func (s QueuesService) DeleteMember(ctx context.Context, domain DomainID, queue QueueID, member QueueMemberID, with ...CallOption) error {
	return exec(ctx, s.caller, "Queues.DeleteMember", http.MethodDelete, path("/domains/{domainId}/queues/{queueId}/members/{queueMemberId}", domain, queue, member), nil, with)
}

// SetMemberOrder sets the order in which a queue rings its members, first to last. Name
// every member once. More than 1,000 are refused: the server would silently drop all of
// them.
//
// API: Set SIP queue member order
func (s QueuesService) SetMemberOrder(ctx context.Context, domain DomainID, queue QueueID, members []QueueMemberID, with ...CallOption) error {
	return exec(ctx, s.caller, "Queues.SetMemberOrder", http.MethodPut, path("/domains/{domainId}/queues/{queueId}/members/order", domain, queue), memberOrder{members}, with)
}
