package provision

import (
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// State is what a domain is to be. Things are named by what people call them:
// users, groups and queues by name, networks by their CIDR, devices by MAC
// address. Names that differ in case alone are the same name.
//
// A section that is nil is not mentioned: Plan leaves its things alone. One
// that is given, even an empty one, names them all, but what it leaves out is
// deleted only with Prune. The same holds for every list within. A field is not
// mentioned when it is nil or, where it is no pointer, has its zero value.
//
// Read one with ReadJSON, ReadCSV or ReadDomain, or write it in Go.
type State struct {
	Users           []User           `json:"users,omitzero"`
	Groups          []Group          `json:"groups,omitzero"`
	Queues          []Queue          `json:"queues,omitzero"`
	TrustedNetworks []TrustedNetwork `json:"trustedNetworks,omitzero"`
	Devices         []Device         `json:"devices,omitzero"`

	problems []Problem // of reading
}

// User is a user who is to be. One who is made needs a DisplayName and an
// ExtensionNumber.
type User struct {
	User            string `json:"user" provision:"key"`
	DisplayName     string `json:"displayName,omitzero"`
	ExtensionNumber string `json:"extensionNumber,omitzero"`

	// Password and PIN are set when the user is made; for one who exists, see
	// PlanOptions.SetSecrets. They are never written.
	Password infinitysip.Secret `json:"password,omitzero"`
	PIN      infinitysip.Secret `json:"pin,omitzero"`

	// Of these nil leaves what is, new("") clears it.
	Email          *string `json:"email,omitzero"`
	FirstName      *string `json:"firstName,omitzero"`
	LastName       *string `json:"lastName,omitzero"`
	JobName        *string `json:"jobName,omitzero"`
	DepartmentName *string `json:"departmentName,omitzero"`
	CompanyName    *string `json:"companyName,omitzero"`
	OfficeName     *string `json:"officeName,omitzero"`
	UKCallerID     *string `json:"ukCallerId,omitzero"`
	USCallerID     *string `json:"usCallerId,omitzero"`
	MobileNumber   *string `json:"mobileNumber,omitzero"`
	MobileFollow   *bool   `json:"mobileFollow,omitzero"`
	HotdeskAllowed *bool   `json:"hotdeskAllowed,omitzero"`
	Dashboard      *bool   `json:"dashboard,omitzero"`

	// UKPhoneID and USPhoneID are set when the user is made: the API cannot
	// change them.
	UKPhoneID infinitysip.PhoneID `json:"ukPhoneId,omitzero"`
	USPhoneID infinitysip.PhoneID `json:"usPhoneId,omitzero"`

	// Groups are the names of those that the user is in: the same fact as a
	// group's Members. It is enough to say it on one side, and who is in a group
	// by either side is in it.
	Groups []string `json:"groups,omitzero"`

	hotdeskWithPIN bool // HotdeskAllowed is for the PIN's sake alone
	line           int  // of a CSV file; 0: of none
}

// Group is a group that is to be. One that is made needs an ExtensionNumber;
// without the rest it gets its name for a display name, flags that are off,
// and DefaultCallerNameFormat.
type Group struct {
	Name             string                        `json:"groupName" provision:"key"`
	DisplayName      string                        `json:"displayName,omitzero"`
	ExtensionNumber  string                        `json:"extensionNumber,omitzero"`
	RingRetry        *bool                         `json:"ringRetry,omitzero"`
	RingExclusive    *bool                         `json:"ringExclusive,omitzero"`
	CallerNameFormat *infinitysip.CallerNameFormat `json:"callerNameFormat,omitzero"`

	// Members are the names of the users in it.
	Members []string `json:"members,omitzero"`
}

// DefaultCallerNameFormat is what a new group shows when the state does not
// say.
const DefaultCallerNameFormat infinitysip.CallerNameFormat = "{displayName} - {srcPhoneNumber}"

// Queue is a queue that is to be. One that is made needs an ExtensionNumber;
// without a display name it gets its name for one.
type Queue struct {
	Name             string                        `json:"queueName" provision:"key"`
	DisplayName      string                        `json:"displayName,omitzero"`
	ExtensionNumber  string                        `json:"extensionNumber,omitzero"`
	CallerNameFormat *infinitysip.CallerNameFormat `json:"callerNameFormat,omitzero"`

	// Members are the groups that it rings, in that order. Those it rings
	// besides, unless they are pruned, keep their places among them.
	Members []QueueMember `json:"members,omitzero"`
}

// QueueMember is a group that a queue rings. A new one rings all its users,
// once, for 20 seconds, unless it is said otherwise.
type QueueMember struct {
	Group        string                   `json:"group" provision:"key"`
	RingStrategy infinitysip.RingStrategy `json:"ringStrategy,omitzero"`
	RingAttempts *int                     `json:"ringAttempts,omitzero"`
	RingSecs     *int                     `json:"ringSecs,omitzero"`
}

// TrustedNetwork is a network that is to be trusted. Host bits do not tell
// one from another: 10.0.20.10/24 is 10.0.20.0/24.
type TrustedNetwork struct {
	Network     string  `json:"network" provision:"key"`
	Description *string `json:"description,omitzero"`
}

// Device is a device that is to be. One that is made without a name gets the
// display name of its user, or its MAC address.
type Device struct {
	MACAddress string  `json:"deviceMacAddress" provision:"key"` // in any form that net.ParseMAC takes
	Name       *string `json:"pbxDeviceName,omitzero"`

	// Owner is the name of the user who has it; new("") is nobody. One that
	// is somebody else's is taken from them; to make it nobody's needs Prune.
	Owner *string `json:"user,omitzero" provision:"owner"`

	line int // of a CSV file; 0: of none
}

// Merge returns a state with the things of all of them: of people in CSV and
// of groups and queues in JSON, say. Check tells when two name the same thing.
func Merge(states ...*State) *State {
	var all State
	for _, s := range states {
		if s == nil {
			continue
		}
		all.Users = merge(all.Users, s.Users)
		all.Groups = merge(all.Groups, s.Groups)
		all.Queues = merge(all.Queues, s.Queues)
		all.TrustedNetworks = merge(all.TrustedNetworks, s.TrustedNetworks)
		all.Devices = merge(all.Devices, s.Devices)
		all.problems = merge(all.problems, s.problems)
	}
	return &all
}

// merge is nil only when both are.
func merge[T any](a, b []T) []T {
	if a == nil && b != nil {
		a = []T{}
	}
	return append(a, b...)
}

// fold is what two names have in common when they are the same name.
func fold(name string) string { return strings.ToLower(name) }

// networkKey is a network without its host bits; "" is for what is none.
func networkKey(text string) string {
	network, ok := wire.Network(text)
	if !ok {
		return ""
	}
	return network.Masked().String()
}
