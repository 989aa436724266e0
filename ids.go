package infinitysip

import (
	"fmt"
	"strconv"
)

// DomainID is the id of a SIP domain. Every call except Domains.List and
// Domains.All names one.
type DomainID int64

// UserID is the id of a SIP user.
type UserID int64

// PhoneID is the id of a phone number of the account, as in a user's UKPhoneID and
// USPhoneID. This API has no calls for phone numbers.
type PhoneID int64

// GroupID is the id of a SIP group.
type GroupID int64

// QueueID is the id of a SIP queue.
type QueueID int64

// QueueMemberID is the id of a queue's member. A member is a group in one
// queue; the same group has another id in another queue.
type QueueMemberID int64

// TrustedNetworkID is the id of a trusted network.
type TrustedNetworkID int64

// DeviceID is the id of a PBX device.
type DeviceID int64

// ID is any of the id types. Each thing has an id type of its own, so that the id
// of a group cannot be passed as the id of a user.
type ID interface {
	DomainID | UserID | GroupID | QueueID | QueueMemberID | TrustedNetworkID | DeviceID | PhoneID
}

// ParseID reads an id from text, such as a command-line argument:
//
//	user, err := infinitysip.ParseID[infinitysip.UserID]("7")
//
// An id is a positive whole number in decimal digits. For anything else the error
// matches ErrInvalid.
func ParseID[T ID](text string) (T, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("infinitysip: %w: %s is not an id: want a positive whole number", ErrInvalid, quote(text))
	}
	return T(n), nil
}
