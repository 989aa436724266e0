package provision

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// State is the desired state of a domain. It has no ids: users, groups and queues are
// named by their names, networks by their CIDR, devices by their MAC addresses. Names that
// differ only in case, or in how Unicode composes a letter, are the same name.
//
// The five lists are the sections of a state. Plan leaves alone what a section that is nil
// stands for. A section that is given, even an empty one, names everything, but what it
// leaves out is deleted only with PlanOptions.Prune. The same holds for every list within.
// Plan leaves a field as it is on the server if it is nil or, where it is no pointer, has
// its zero value.
//
// Read one with ReadJSON, ReadCSV or ReadDomain, or write it in Go.
type State struct {
	Users           []User           `json:"users,omitzero"`
	Groups          []Group          `json:"groups,omitzero"`
	Queues          []Queue          `json:"queues,omitzero"`
	TrustedNetworks []TrustedNetwork `json:"trustedNetworks,omitzero"`
	Devices         []Device         `json:"devices,omitzero"`

	// EmergencyNumbers allows extensions such as 999 and 9112: those that begin with 999,
	// 112 or 911 and have at most one digit more. Check refuses them by default, because
	// a call for help may ring such a phone.
	EmergencyNumbers bool `json:"emergencyNumbers,omitzero"`

	problems []Problem     // of reading
	skipped  []*skippedRow // what CSVOptions.SkipBad left out
}

// User is a user of the desired state. A new user needs a DisplayName and an
// ExtensionNumber.
type User struct {
	User            string `json:"user" provision:"key"`
	DisplayName     string `json:"displayName,omitzero"`
	ExtensionNumber string `json:"extensionNumber,omitzero"`

	// Password and PIN are set when the user is made; for one who exists, see
	// PlanOptions.SetSecrets. WriteJSON and WriteCSV leave them out.
	Password infinitysip.Secret `json:"password,omitzero"`
	PIN      infinitysip.Secret `json:"pin,omitzero"`

	// For these fields nil leaves what is on the server, and new("") clears it.
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

	// Groups are the names of the groups that the user is in, the same fact as
	// Group.Members. Say it on one side or on both: a user is in a group if one of them
	// says so.
	Groups []string `json:"groups,omitzero"`

	hotdeskWithPIN bool // HotdeskAllowed is for the PIN's sake alone
	origin
}

// mayHaveLostZero reports whether a spreadsheet may have dropped a zero from the
// front of the user's numbers.
func (u *User) mayHaveLostZero() bool {
	return u.from != nil && u.from.sheet && !u.from.asWritten
}

// Group is a group of the desired state. A new group needs an ExtensionNumber. By default
// its display name is its name, its flags are off, and it has DefaultCallerNameFormat.
type Group struct {
	Name             string                        `json:"groupName" provision:"key"`
	DisplayName      string                        `json:"displayName,omitzero"`
	ExtensionNumber  string                        `json:"extensionNumber,omitzero"`
	RingRetry        *bool                         `json:"ringRetry,omitzero"`
	RingExclusive    *bool                         `json:"ringExclusive,omitzero"`
	CallerNameFormat *infinitysip.CallerNameFormat `json:"callerNameFormat,omitzero"`

	// Members are the names of the users in it.
	Members []string `json:"members,omitzero"`

	origin
}

// DefaultCallerNameFormat is the CallerNameFormat of a new group if the state gives none.
const DefaultCallerNameFormat infinitysip.CallerNameFormat = "{displayName} - {srcPhoneNumber}"

// Queue is a queue of the desired state. A new queue needs an ExtensionNumber. By default
// its display name is its name.
type Queue struct {
	Name             string                        `json:"queueName" provision:"key"`
	DisplayName      string                        `json:"displayName,omitzero"`
	ExtensionNumber  string                        `json:"extensionNumber,omitzero"`
	CallerNameFormat *infinitysip.CallerNameFormat `json:"callerNameFormat,omitzero"`

	// Members are the groups that it rings, in that order. Without Prune, other groups
	// that it rings keep their places among them.
	Members []QueueMember `json:"members,omitzero"`

	origin
}

// QueueMember is a group that a queue rings. By default a new one rings all its users
// (infinitysip.RingAll), once, for 20 seconds.
type QueueMember struct {
	Group        string                   `json:"group" provision:"key"`
	RingStrategy infinitysip.RingStrategy `json:"ringStrategy,omitzero"`
	RingAttempts *int                     `json:"ringAttempts,omitzero"`
	RingSecs     *int                     `json:"ringSecs,omitzero"` // seconds
}

// TrustedNetwork is a network of the desired state.
type TrustedNetwork struct {
	// Network is in CIDR notation. Host bits make no difference: 10.0.20.10/24 is the same
	// network as 10.0.20.0/24.
	Network     string  `json:"network" provision:"key"`
	Description *string `json:"description,omitzero"`

	origin
}

// Device is a device of the desired state. By default the name of a new device is the
// display name of its user, or its MAC address if it has no user.
type Device struct {
	MACAddress string  `json:"deviceMacAddress" provision:"key"` // six octets, with colons, hyphens, dots or none
	Name       *string `json:"pbxDeviceName,omitzero"`

	// Owner is the name of the user who has it; new("") means nobody, and nil leaves the
	// owner as it is. A device that another user has is taken from that user. To leave a
	// device without a user needs Prune.
	Owner *string `json:"user,omitzero" provision:"owner"`

	origin
}

// origin is where a thing was read. It is zero for a thing that was written in Go.
type origin struct {
	from *source
	line int

	// torn: the row of the spreadsheet ends before its password or PIN, and is perhaps
	// the rest of a row in which somebody put a line break; or one of its values does
	// not have the form of its column, and they are perhaps shifted. Any of them may be
	// the password: no message shows them.
	torn bool
}

func (o *origin) readFrom(from *source, line int) { *o = origin{from: from, line: line} }

// source is a file that a state was read from.
type source struct {
	file      string            // its name; empty: it has none
	sheet     bool              // it is a spreadsheet
	asWritten bool              // its numbers are as they are meant
	headers   map[string]string // what the header calls each column
}

// Merge returns a state that holds everything of all states, such as users from CSV and
// groups and queues from JSON. If two of them name the same thing, Check reports it.
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
		all.EmergencyNumbers = all.EmergencyNumbers || s.EmergencyNumbers
		all.problems = merge(all.problems, s.problems)
		all.skipped = merge(all.skipped, s.skipped)
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
func fold(name string) string { return strings.ToLower(composed(name)) }

// composed returns a text with its letters in one piece each (NFC): "ë" may also be
// written as an e and a mark, which looks the same.
func composed(text string) string {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return norm.NFC.String(text)
		}
	}
	return text
}

// networkKey is a network without its host bits; "" is for what is none.
func networkKey(text string) string {
	network, ok := wire.Network(text)
	if !ok {
		return ""
	}
	return network.Masked().String()
}
