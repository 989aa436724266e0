package provision

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// State is the desired state of a domain. Things are named by what people call them:
// users, groups and queues by name, networks by their CIDR, devices by MAC
// address. Names that differ only in case, or in how a letter with an accent is
// made up, are the same name.
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

	// EmergencyNumbers says that extensions such as 999 and 9112 are meant: those
	// that begin with an emergency number and have at most one digit more. Check
	// refuses them otherwise, because a call for help may ring such a phone.
	EmergencyNumbers bool `json:"emergencyNumbers,omitzero"`

	problems []Problem     // of reading
	skipped  []*skippedRow // what CSVOptions.SkipBad left out
}

// User is a user of the desired state. One who is made needs a DisplayName and an
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
	origin
}

// mayHaveLostZero reports whether a spreadsheet may have dropped a zero from the
// front of the user's numbers.
func (u *User) mayHaveLostZero() bool {
	return u.from != nil && u.from.sheet && !u.from.asWritten
}

// Group is a group of the desired state. One that is made needs an ExtensionNumber;
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

	origin
}

// DefaultCallerNameFormat is what a new group shows when the state does not
// say.
const DefaultCallerNameFormat infinitysip.CallerNameFormat = "{displayName} - {srcPhoneNumber}"

// Queue is a queue of the desired state. One that is made needs an ExtensionNumber;
// without a display name it gets its name for one.
type Queue struct {
	Name             string                        `json:"queueName" provision:"key"`
	DisplayName      string                        `json:"displayName,omitzero"`
	ExtensionNumber  string                        `json:"extensionNumber,omitzero"`
	CallerNameFormat *infinitysip.CallerNameFormat `json:"callerNameFormat,omitzero"`

	// Members are the groups that it rings, in that order. Those it rings
	// besides, unless they are pruned, keep their places among them.
	Members []QueueMember `json:"members,omitzero"`

	origin
}

// QueueMember is a group that a queue rings. A new one rings all its users,
// once, for 20 seconds, unless it is said otherwise.
type QueueMember struct {
	Group        string                   `json:"group" provision:"key"`
	RingStrategy infinitysip.RingStrategy `json:"ringStrategy,omitzero"`
	RingAttempts *int                     `json:"ringAttempts,omitzero"`
	RingSecs     *int                     `json:"ringSecs,omitzero"`
}

// TrustedNetwork is a network of the desired state. Host bits do not tell
// one from another: 10.0.20.10/24 is 10.0.20.0/24.
type TrustedNetwork struct {
	Network     string  `json:"network" provision:"key"`
	Description *string `json:"description,omitzero"`

	origin
}

// Device is a device of the desired state. One that is made without a name gets the
// display name of its user, or its MAC address.
type Device struct {
	MACAddress string  `json:"deviceMacAddress" provision:"key"` // six octets, with colons, hyphens, dots or none
	Name       *string `json:"pbxDeviceName,omitzero"`

	// Owner is the name of the user who has it; new("") is nobody. One that
	// is somebody else's is taken from them; to make it nobody's needs Prune.
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
