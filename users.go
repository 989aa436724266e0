package infinitysip

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/infinitysip/infinitysip/internal/retry"
)

// UsersService makes the calls on SIP users, the devices associated with them
// and the groups they are in.
type UsersService struct{ caller *caller }

// User is a SIP user row.
type User struct {
	ID              UserID   `json:"userId" row:"id"`
	DomainID        DomainID `json:"domainId"`
	User            string   `json:"user"` // user name, such as joe.blogs
	DisplayName     string   `json:"displayName"`
	ExtensionNumber string   `json:"extensionNumber"` // callable within the domain
	Email           string   `json:"email"`
	FirstName       string   `json:"firstName"`
	LastName        string   `json:"lastName"`
	JobName         string   `json:"jobName"`
	DepartmentName  string   `json:"departmentName"`
	CompanyName     string   `json:"companyName"`
	OfficeName      string   `json:"officeName"`
	UKCallerID      string   `json:"ukCallerId"`     // shown when calling UK numbers
	USCallerID      string   `json:"usCallerId"`     // shown when calling US numbers
	MobileNumber    string   `json:"mobileNumber"`   // missed calls are forwarded to it
	MobileFollow    bool     `json:"mobileFollow"`   // ring the mobile when no device answers
	UKPhoneID       PhoneID  `json:"ukPhoneId"`      // 0: none
	USPhoneID       PhoneID  `json:"usPhoneId"`      // 0: none
	HotdeskAllowed  bool     `json:"hotdeskAllowed"` // hot-desking login with the PIN
	Dashboard       bool     `json:"dashboard"`      // shown on the real-time dashboard

	// Password and PIN are empty unless the server sends them back.
	Password Secret `json:"password,omitzero"`
	PIN      Secret `json:"pin,omitzero"`

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (u User) MarshalJSON() ([]byte, error) { return marshalRow(&u) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (u *User) UnmarshalJSON(text []byte) error { return unmarshalRow(u, text) }

// UserCreateParams are the parameters of a new user. The first four fields are
// required. The others are not sent if they are zero.
type UserCreateParams struct {
	User            string `url:"user" json:"user"` // user name, such as joe.blogs
	Password        Secret `url:"password" json:"password"`
	DisplayName     string `url:"displayName" json:"displayName"`
	ExtensionNumber string `url:"extensionNumber" json:"extensionNumber"` // callable within the domain

	PIN            Secret  `url:"pin,omitempty" json:"pin"` // for hot-desking
	Email          string  `url:"email,omitempty" json:"email"`
	FirstName      string  `url:"firstName,omitempty" json:"firstName"`
	LastName       string  `url:"lastName,omitempty" json:"lastName"`
	JobName        string  `url:"jobName,omitempty" json:"jobName"`
	DepartmentName string  `url:"departmentName,omitempty" json:"departmentName"`
	CompanyName    string  `url:"companyName,omitempty" json:"companyName"`
	OfficeName     string  `url:"officeName,omitempty" json:"officeName"`
	UKCallerID     string  `url:"ukCallerId,omitempty" json:"ukCallerId"`             // shown when calling UK numbers
	USCallerID     string  `url:"usCallerId,omitempty" json:"usCallerId"`             // shown when calling US numbers
	MobileNumber   string  `url:"mobileNumber,omitempty" json:"mobileNumber"`         // missed calls are forwarded to it
	MobileFollow   *bool   `url:"mobileFollow,int,omitempty" json:"mobileFollow"`     // ring the mobile when no device answers
	UKPhoneID      PhoneID `url:"ukPhoneId,omitempty" json:"ukPhoneId"`               // to provision for this user
	USPhoneID      PhoneID `url:"usPhoneId,omitempty" json:"usPhoneId"`               // to provision for this user
	HotdeskAllowed *bool   `url:"hotdeskAllowed,int,omitempty" json:"hotdeskAllowed"` // hot-desking login with the PIN
	Dashboard      *bool   `url:"dashboard,int,omitempty" json:"dashboard"`           // shown on the real-time dashboard
}

// Validate returns what Users.Create would refuse of the params, without a call.
func (p UserCreateParams) Validate() error { return validate("Users.Create", p) }

// UserUpdateParams change a user: nil leaves a field as it is, new("") clears it.
// The API cannot change the user name and the phone ids.
type UserUpdateParams struct {
	Password        *Secret `url:"password,omitempty" json:"password"`
	DisplayName     *string `url:"displayName,omitempty" json:"displayName"`
	PIN             *Secret `url:"pin,omitempty" json:"pin"` // for hot-desking
	Email           *string `url:"email,omitempty" json:"email"`
	FirstName       *string `url:"firstName,omitempty" json:"firstName"`
	LastName        *string `url:"lastName,omitempty" json:"lastName"`
	JobName         *string `url:"jobName,omitempty" json:"jobName"`
	DepartmentName  *string `url:"departmentName,omitempty" json:"departmentName"`
	CompanyName     *string `url:"companyName,omitempty" json:"companyName"`
	OfficeName      *string `url:"officeName,omitempty" json:"officeName"`
	ExtensionNumber *string `url:"extensionNumber,omitempty" json:"extensionNumber"`
	UKCallerID      *string `url:"ukCallerId,omitempty" json:"ukCallerId"`             // shown when calling UK numbers
	USCallerID      *string `url:"usCallerId,omitempty" json:"usCallerId"`             // shown when calling US numbers
	MobileNumber    *string `url:"mobileNumber,omitempty" json:"mobileNumber"`         // missed calls are forwarded to it
	MobileFollow    *bool   `url:"mobileFollow,int,omitempty" json:"mobileFollow"`     // ring the mobile when no device answers
	HotdeskAllowed  *bool   `url:"hotdeskAllowed,int,omitempty" json:"hotdeskAllowed"` // hot-desking login with the PIN
	Dashboard       *bool   `url:"dashboard,int,omitempty" json:"dashboard"`           // shown on the real-time dashboard
}

// Validate returns what Users.Update would refuse of the params, without a call.
func (p UserUpdateParams) Validate() error { return validate("Users.Update", p) }

// UserDevice is a row of the devices that a user is associated with.
type UserDevice struct {
	UserID   UserID    `json:"userId"`
	DeviceID DeviceID  `json:"pbxDeviceId" row:"id"`
	User     string    `json:"user"`           // user name
	Updated  time.Time `json:"updateDatetime"` // zero: never updated
	Name     string    `json:"pbxDeviceName"`

	// Token is empty unless the server sends it back; AddDevice returns it.
	Token Secret `json:"pbxDeviceToken,omitzero"`

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (u UserDevice) MarshalJSON() ([]byte, error) { return marshalRow(&u) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (u *UserDevice) UnmarshalJSON(text []byte) error { return unmarshalRow(u, text) }

// UserDeviceToken is what associating a device with a user gives.
type UserDeviceToken struct {
	DeviceID DeviceID `json:"pbxDeviceId" row:"id"`
	UserID   UserID   `json:"userId"`
	Token    Secret   `json:"pbxDeviceToken,omitzero"` // the API shows it this once

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (t UserDeviceToken) MarshalJSON() ([]byte, error) { return marshalRow(&t) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (t *UserDeviceToken) UnmarshalJSON(text []byte) error { return unmarshalRow(t, text) }

// UserGroup is a row of the groups that a user is in.
type UserGroup struct {
	UserID          UserID  `json:"userId"`
	GroupID         GroupID `json:"groupId" row:"id"`
	Name            string  `json:"groupName"`
	DisplayName     string  `json:"displayName"`
	ExtensionNumber string  `json:"extensionNumber"`

	Extra map[string]json.RawMessage `json:"-"` // members that no field above decodes
}

// MarshalJSON writes the row as the API does; a secret reads "[redacted]".
func (u UserGroup) MarshalJSON() ([]byte, error) { return marshalRow(&u) }

// UnmarshalJSON reads what MarshalJSON or the API writes. It sets every field.
func (u *UserGroup) UnmarshalJSON(text []byte) error { return unmarshalRow(u, text) }

// UserDeviceListOptions filter, sort and page Users.ListDevices.
type UserDeviceListOptions = ListOptions[UserDevice]

// UserGroupListOptions filter, sort and page Users.ListGroups.
type UserGroupListOptions = ListOptions[UserGroup]

// UserDeviceFields names the fields that Users.ListDevices filters and sorts by.
var UserDeviceFields = struct{ UserID, DeviceID, User, Updated, Name Field[UserDevice] }{
	"userId", "pbxDeviceId", "user", "updateDatetime", "pbxDeviceName",
}

// UserGroupFields names the fields that Users.ListGroups filters and sorts by.
var UserGroupFields = struct{ UserID, GroupID, Name, DisplayName, ExtensionNumber Field[UserGroup] }{
	"userId", "groupId", "groupName", "displayName", "extensionNumber",
}

type (
	groupSpec struct {
		Groups []GroupID `url:"groupSpec,brackets"`
	}
	deviceSpec struct {
		Device DeviceID `url:"pbxDeviceId"`
	}
)

// List returns the users of a domain. A list of 10,000 rows may not be whole: a
// server may give no more in one answer.
//
// API: List SIP Users
func (s UsersService) List(ctx context.Context, domain DomainID, with ...CallOption) ([]User, error) {
	return list[User](ctx, s.caller, "Users.List", path("/domains/{domainId}/users", domain), with)
}

// All is List as an iterator: one request, rows as they arrive.
//
// API: List SIP Users
func (s UsersService) All(ctx context.Context, domain DomainID, with ...CallOption) iter.Seq2[User, error] {
	return all[User](ctx, s.caller, "Users.List", path("/domains/{domainId}/users", domain), with)
}

// Get returns one user.
//
// API: Read SIP User
func (s UsersService) Get(ctx context.Context, domain DomainID, user UserID, with ...CallOption) (*User, error) {
	return get[User](ctx, s.caller, "Users.Get", path("/domains/{domainId}/users/{userId}", domain, user), with)
}

// Find returns the user of this user name, whatever its case if none has it exactly.
// The package documentation tells how it is found, and when it is not.
//
// API: List SIP Users
func (s UsersService) Find(ctx context.Context, domain DomainID, user string, with ...CallOption) (*User, error) {
	return find(ctx, s.caller, "Users.Find", path("/domains/{domainId}/users", domain), naturalKey{name: "user"}, user, "", func(row *User) string { return row.User }, with)
}

// Create adds a user to a domain and returns its id.
//
// If the answer is lost and the user is there, the error matches ErrOutcomeUnknown,
// and Found has its id: its row does not show whether the password and the PIN are
// those that were sent. Set them with Update, or set RetryPolicy.SettleSecrets.
//
// API: Create SIP User
func (s UsersService) Create(ctx context.Context, domain DomainID, params UserCreateParams, with ...CallOption) (UserID, error) {
	return create[UserID, User](ctx, s.caller, "Users.Create", path("/domains/{domainId}/users", domain), params, naturalKey{op: "Users.List", name: "user", number: "extensionNumber", update: "Users.Update"}, with)
}

// Update changes the fields that are not nil in params. If all are nil, it is refused.
//
// API: Update SIP User
func (s UsersService) Update(ctx context.Context, domain DomainID, user UserID, params UserUpdateParams, with ...CallOption) error {
	return exec(ctx, s.caller, "Users.Update", http.MethodPost, path("/domains/{domainId}/users/{userId}", domain, user), params, with)
}

// Delete removes a user.
//
// API: Delete SIP User
func (s UsersService) Delete(ctx context.Context, domain DomainID, user UserID, with ...CallOption) error {
	return exec(ctx, s.caller, "Users.Delete", http.MethodDelete, path("/domains/{domainId}/users/{userId}", domain, user), nil, with)
}

// ListDevices returns the devices that a user is associated with; opts may be
// nil. It is one request, so perhaps not all of them: AllDevices goes on.
//
// API: List PBX User Devices
func (s UsersService) ListDevices(ctx context.Context, domain DomainID, user UserID, opts *UserDeviceListOptions, with ...CallOption) ([]UserDevice, error) {
	return listPaged(ctx, s.caller, "Users.ListDevices", path("/domains/{domainId}/users/{userId}/devices", domain, user), opts, with)
}

// AllDevices is ListDevices as an iterator over every page; opts may be nil.
//
// API: List PBX User Devices
func (s UsersService) AllDevices(ctx context.Context, domain DomainID, user UserID, opts *UserDeviceListOptions, with ...CallOption) iter.Seq2[UserDevice, error] {
	return allPages(ctx, s.caller, "Users.ListDevices", path("/domains/{domainId}/users/{userId}/devices", domain, user), opts, with)
}

// GetDevice returns one device that a user is associated with.
//
// API: Read PBX User Device
func (s UsersService) GetDevice(ctx context.Context, domain DomainID, user UserID, device DeviceID, with ...CallOption) (*UserDevice, error) {
	return get[UserDevice](ctx, s.caller, "Users.GetDevice", path("/domains/{domainId}/users/{userId}/devices/{pbxDeviceId}", domain, user, device), with)
}

// AddDevice associates a device with a user and returns the token that the device
// registers with. The API shows the token only this once: keep it. If the answer
// is lost and the device is then associated, the error matches ErrTokenLost. It also
// does if the device was associated before the call, with a token that you may have.
//
// API: Create PBX User Device
func (s UsersService) AddDevice(ctx context.Context, domain DomainID, user UserID, device DeviceID, with ...CallOption) (*UserDeviceToken, error) {
	return associate[UserDeviceToken, UserDevice](ctx, s.caller, "Users.AddDevice", path("/domains/{domainId}/users/{userId}/devices", domain, user), deviceSpec{device},
		"Users.GetDevice", path("/domains/{domainId}/users/{userId}/devices/{pbxDeviceId}", domain, user, device),
		func(t *UserDeviceToken) bool {
			t.DeviceID, t.UserID = cmp.Or(t.DeviceID, device), cmp.Or(t.UserID, user) // an id that is missing is the one asked for
			return t.DeviceID == device && t.UserID == user && !t.Token.IsZero()
		}, with)
}

// RotateDeviceToken gives a device of a user another token: it ends the
// association and makes it again. Until the device has the new token, it cannot
// register. If a step fails, the error says which one. Then the device may have no
// user, or a token that nobody knows. After ErrTokenLost it has such a token; after
// ErrOutcomeUnknown, ask GetDevice whether it has its user. The options apply to both
// steps.
//
// When ctx ends after the first step, the second one still has as long as
// Limits.AttemptTimeout, so that the device is not left without a user. When ctx
// ends during the first step, there is no second one. If an attempt of the first step
// got no answer, a slow server may carry it out after the second, and end the new
// association.
//
// API: Delete PBX User Device, Create PBX User Device
func (s UsersService) RotateDeviceToken(ctx context.Context, domain DomainID, user UserID, device DeviceID, with ...CallOption) (token *UserDeviceToken, err error) {
	second := rotation(domain, user, device, with)
	if err := second.invalid(); err != nil {
		return nil, err
	}
	ctx, seen := s.caller.observe(ctx, "Users.RotateDeviceToken", http.MethodPost, second.route)
	err = errAborted // until a return says otherwise
	defer func() { seen.end(err) }()
	if err := s.RemoveDevice(ctx, domain, user, device, with...); err != nil {
		if failed, ok := errors.AsType[*Error](err); ok && failed.Outcome == OutcomeUnknown {
			failed.Err = join(errors.New("the device may have no user now"), failed.Err)
		}
		return nil, err
	}
	after, end := retry.Outlive(ctx, s.caller.limits.AttemptTimeout)
	defer end()
	token, err = s.AddDevice(after, domain, user, device, with...)
	if failed, ok := errors.AsType[*Error](err); ok {
		if after.Err() != nil && !errors.Is(err, ctx.Err()) {
			failed.Err = join(ctx.Err(), failed.Err)
		}
		failed.Err = join(errors.New("the device's old token is gone"), failed.Err)
		if failed.Outcome == OutcomeNotApplied {
			failed.Outcome = OutcomeUnknown // of the call as a whole, of which half was applied
		}
	}
	return token, err
}

// RotateDeviceTokens gives each device of a user another token. It first lists all of
// them, over every page. Then it does what RotateDeviceToken does with one after the
// other, in the order of their ids. It ends after the first error, which comes with the
// ids of the device and the user, and without a token. If the list fails, both ids are
// zero. After a break out of the loop no device is between two tokens: each has the new
// one, which the loop got, or is untouched. The options apply to the list, too.
//
// API: List PBX User Devices, Delete PBX User Device, Create PBX User Device
func (s UsersService) RotateDeviceTokens(ctx context.Context, domain DomainID, user UserID, with ...CallOption) iter.Seq2[UserDeviceToken, error] {
	with = slices.Clone(with)
	return func(yield func(UserDeviceToken, error) bool) {
		second := rotation(domain, user, 1, with) // any device will do
		ctx, seen := s.caller.observe(ctx, "Users.RotateDeviceTokens", http.MethodPost, second.route)
		ended := errAborted // until a return says otherwise
		defer func() { seen.end(ended) }()
		err := second.invalid()
		var devices map[int64]bool
		if err == nil {
			devices, err = idsOf(s.AllDevices(ctx, domain, user, nil, with...))
		}
		if err != nil && !ofCall(err) {
			err = readError("Users.ListDevices", path("/domains/{domainId}/users/{userId}/devices", domain, user), err)
		}
		at := UserDeviceToken{} // of which err is
		for _, id := range slices.Sorted(maps.Keys(devices)) {
			var token *UserDeviceToken
			if token, err = s.RotateDeviceToken(ctx, domain, user, DeviceID(id), with...); err != nil {
				at = UserDeviceToken{DeviceID: DeviceID(id), UserID: user}
				break
			}
			if !yield(*token, nil) {
				break
			}
		}
		if ended = err; err != nil {
			yield(at, err)
		}
	}
}

// rotation is the second step of a rotation, of which everything is checked before the
// first.
func rotation(domain DomainID, user UserID, device DeviceID, with []CallOption) *call {
	return newCall("Users.AddDevice", retry.Create, http.MethodPost, path("/domains/{domainId}/users/{userId}/devices", domain, user), deviceSpec{device}, with)
}

// RemoveDevice ends the association of a device with a user. The device
// itself stays.
//
// API: Delete PBX User Device
func (s UsersService) RemoveDevice(ctx context.Context, domain DomainID, user UserID, device DeviceID, with ...CallOption) error {
	return exec(ctx, s.caller, "Users.RemoveDevice", http.MethodDelete, path("/domains/{domainId}/users/{userId}/devices/{pbxDeviceId}", domain, user, device), nil, with)
}

// ListGroups returns the groups that a user is in; opts may be nil. It is one
// request, so perhaps not all of them: AllGroups goes on.
//
// API: List SIP User Groups
func (s UsersService) ListGroups(ctx context.Context, domain DomainID, user UserID, opts *UserGroupListOptions, with ...CallOption) ([]UserGroup, error) {
	return listPaged(ctx, s.caller, "Users.ListGroups", path("/domains/{domainId}/users/{userId}/groups", domain, user), opts, with)
}

// AllGroups is ListGroups as an iterator over every page; opts may be nil.
//
// API: List SIP User Groups
func (s UsersService) AllGroups(ctx context.Context, domain DomainID, user UserID, opts *UserGroupListOptions, with ...CallOption) iter.Seq2[UserGroup, error] {
	return allPages(ctx, s.caller, "Users.ListGroups", path("/domains/{domainId}/users/{userId}/groups", domain, user), opts, with)
}

// AddGroups puts a user into groups. More than 500 (Limits.IDsPerRequest) take several
// requests. If one of them fails, the error says which groups are done. An empty list is
// refused.
//
// API: Add SIP User Groups
func (s UsersService) AddGroups(ctx context.Context, domain DomainID, user UserID, groups []GroupID, with ...CallOption) error {
	return addMembers(ctx, s.caller, "Users.AddGroups", path("/domains/{domainId}/users/{userId}/groups", domain, user), groups,
		func(batch []GroupID) any { return groupSpec{batch} },
		func(ctx context.Context, with ...CallOption) iter.Seq2[UserGroup, error] {
			return s.AllGroups(ctx, domain, user, nil, with...)
		}, with)
}
