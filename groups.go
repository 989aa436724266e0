package infinitysip

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
)

// CallerNameFormat formats the caller's name that a called device shows. It may
// hold the variables {displayName}, {srcPhoneNumber} and {dgrpName}:
// "{displayName} - {srcPhoneNumber}" becomes "Sales Dept - 0123456789".
type CallerNameFormat string

// problem tells what is wrong with the format.
func (f CallerNameFormat) problem() string {
	for rest := string(f); ; {
		before, after, opened := strings.Cut(rest, "{")
		name, tail, closed := strings.Cut(after, "}")
		switch {
		case strings.Contains(before, "}"), opened && !closed, strings.Contains(name, "{"):
			return "unbalanced brace in " + quote(string(f))
		case !opened:
			return ""
		case name != "displayName" && name != "srcPhoneNumber" && name != "dgrpName":
			return "unknown variable " + quote("{"+name+"}") + ": the API knows {displayName}, {srcPhoneNumber}, {dgrpName}"
		}
		rest = tail
	}
}

// GroupsService makes the calls on SIP groups and the users in them.
type GroupsService struct{ caller *caller }

// Group is a SIP group row.
type Group struct {
	ID               GroupID          `json:"groupId" row:"id"`
	DomainID         DomainID         `json:"domainId"`
	Name             string           `json:"groupName"`
	DisplayName      string           `json:"displayName"`
	ExtensionNumber  string           `json:"extensionNumber"`
	RingRetry        bool             `json:"ringRetry"`
	RingExclusive    bool             `json:"ringExclusive"` // calls queue for this group
	CallerNameFormat CallerNameFormat `json:"callerNameFormat"`

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (g Group) MarshalJSON() ([]byte, error) { return marshalRow(&g) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (g *Group) UnmarshalJSON(text []byte) error { return unmarshalRow(g, text) }

// UpdateParams returns params that leave the group as it is in this row. Change
// what you want, and pass them to Update. A flag that the server left out of the
// row is off in them.
func (g Group) UpdateParams() GroupUpdateParams {
	return GroupUpdateParams{
		Name:             g.Name,
		DisplayName:      g.DisplayName,
		ExtensionNumber:  g.ExtensionNumber,
		RingRetry:        g.RingRetry,
		RingExclusive:    g.RingExclusive,
		CallerNameFormat: g.CallerNameFormat,
	}
}

// GroupCreateParams are the parameters of a new group. All are sent; every
// text is required.
type GroupCreateParams struct {
	Name             string           `url:"groupName" json:"groupName"`     // such as sales
	DisplayName      string           `url:"displayName" json:"displayName"` // such as Sales Dept
	ExtensionNumber  string           `url:"extensionNumber" json:"extensionNumber"`
	RingRetry        bool             `url:"ringRetry,int" json:"ringRetry"`
	RingExclusive    bool             `url:"ringExclusive,int" json:"ringExclusive"` // queue calls for this group
	CallerNameFormat CallerNameFormat `url:"callerNameFormat" json:"callerNameFormat"`
}

// Validate returns what Groups.Create would refuse of the params, without a call.
func (p GroupCreateParams) Validate() error { return validate("Groups.Create", p) }

// GroupUpdateParams are always all sent, because the API has no optional
// parameter here. Start from Group.UpdateParams. Only CallerNameFormat may be
// empty.
type GroupUpdateParams struct {
	Name             string           `url:"groupName" json:"groupName"`
	DisplayName      string           `url:"displayName" json:"displayName"`
	ExtensionNumber  string           `url:"extensionNumber" json:"extensionNumber"`
	RingRetry        bool             `url:"ringRetry,int" json:"ringRetry"`
	RingExclusive    bool             `url:"ringExclusive,int" json:"ringExclusive"` // queue calls for this group
	CallerNameFormat CallerNameFormat `url:"callerNameFormat" json:"callerNameFormat" check:"mayBeEmpty"`
}

// Validate returns what Groups.Update would refuse of the params, without a call.
func (p GroupUpdateParams) Validate() error { return validate("Groups.Update", p) }

// GroupUser is a row of the users who are in a group.
type GroupUser struct {
	GroupID         GroupID `json:"groupId"`
	UserID          UserID  `json:"userId" row:"id"`
	User            string  `json:"user"` // user name
	DisplayName     string  `json:"displayName"`
	ExtensionNumber string  `json:"extensionNumber"`

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (g GroupUser) MarshalJSON() ([]byte, error) { return marshalRow(&g) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (g *GroupUser) UnmarshalJSON(text []byte) error { return unmarshalRow(g, text) }

type userSpec struct {
	Users []UserID `url:"userSpec,brackets"`
}

// List returns the groups of a domain. A list of 10,000 rows may not be whole: a
// server may give no more in one answer.
//
// API: List SIP Groups
func (s GroupsService) List(ctx context.Context, domain DomainID, with ...CallOption) ([]Group, error) {
	return list[Group](ctx, s.caller, "Groups.List", path("/domains/{domainId}/groups", domain), with)
}

// All is List as an iterator: one request, rows as they arrive.
//
// API: List SIP Groups
func (s GroupsService) All(ctx context.Context, domain DomainID, with ...CallOption) iter.Seq2[Group, error] {
	return all[Group](ctx, s.caller, "Groups.List", path("/domains/{domainId}/groups", domain), with)
}

// Get returns one group.
//
// API: Read SIP Group
func (s GroupsService) Get(ctx context.Context, domain DomainID, group GroupID, with ...CallOption) (*Group, error) {
	return get[Group](ctx, s.caller, "Groups.Get", path("/domains/{domainId}/groups/{groupId}", domain, group), with)
}

// Find returns the group of this name, whatever its case if none has it exactly.
// The package documentation tells how it is found, and when it is not.
//
// API: List SIP Groups
func (s GroupsService) Find(ctx context.Context, domain DomainID, name string, with ...CallOption) (*Group, error) {
	return find(ctx, s.caller, "Groups.Find", path("/domains/{domainId}/groups", domain), naturalKey{name: "groupName"}, name, "", func(row *Group) string { return row.Name }, with)
}

// Create adds a group to a domain and returns its id.
//
// API: Create SIP Group
func (s GroupsService) Create(ctx context.Context, domain DomainID, params GroupCreateParams, with ...CallOption) (GroupID, error) {
	return create[GroupID, Group](ctx, s.caller, "Groups.Create", path("/domains/{domainId}/groups", domain), params, naturalKey{op: "Groups.List", name: "groupName", number: "extensionNumber"}, with)
}

// Update sets every property of a group.
//
// API: Update SIP Group
func (s GroupsService) Update(ctx context.Context, domain DomainID, group GroupID, params GroupUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "Groups.Update", http.MethodPost, path("/domains/{domainId}/groups/{groupId}", domain, group), params, with)
}

// Delete removes a group. Its users stay.
//
// API: Delete SIP Group
func (s GroupsService) Delete(ctx context.Context, domain DomainID, group GroupID, with ...CallOption) error {
	return exec(ctx, s.caller, "Groups.Delete", http.MethodDelete, path("/domains/{domainId}/groups/{groupId}", domain, group), nil, with)
}

// ListUsers returns the users who are in a group. A list of 10,000 rows may not be
// whole: a server may give no more in one answer.
//
// API: List SIP Group Users
func (s GroupsService) ListUsers(ctx context.Context, domain DomainID, group GroupID, with ...CallOption) ([]GroupUser, error) {
	return list[GroupUser](ctx, s.caller, "Groups.ListUsers", path("/domains/{domainId}/groups/{groupId}/users", domain, group), with)
}

// AllUsers is ListUsers as an iterator: one request, rows as they arrive.
//
// API: List SIP Group Users
func (s GroupsService) AllUsers(ctx context.Context, domain DomainID, group GroupID, with ...CallOption) iter.Seq2[GroupUser, error] {
	return all[GroupUser](ctx, s.caller, "Groups.ListUsers", path("/domains/{domainId}/groups/{groupId}/users", domain, group), with)
}

// AddUsers puts users into a group. More than 500 (Limits.IDsPerRequest) take several
// requests. If one of them fails, the error says which users are done. An empty list is
// refused.
//
// API: Add SIP Group Users
func (s GroupsService) AddUsers(ctx context.Context, domain DomainID, group GroupID, users []UserID, with ...CallOption) error {
	return addMembers(ctx, s.caller, "Groups.AddUsers", path("/domains/{domainId}/groups/{groupId}/users", domain, group), users,
		func(batch []UserID) any { return userSpec{batch} },
		func(ctx context.Context, with ...CallOption) iter.Seq2[GroupUser, error] {
			return s.AllUsers(ctx, domain, group, with...)
		}, with)
}

// RemoveUsers takes users out of a group, in several requests as AddUsers does. The users
// themselves stay. An empty list is refused: to the server it might mean all.
//
// API: Delete SIP Group Users
func (s GroupsService) RemoveUsers(ctx context.Context, domain DomainID, group GroupID, users []UserID, with ...CallOption) error {
	return removeMembers(ctx, s.caller, "Groups.RemoveUsers", path("/domains/{domainId}/groups/{groupId}/users", domain, group), users,
		func(batch []UserID) any { return userSpec{batch} }, with)
}
