package infinitysip

import (
	"fmt"
	"strconv"

	"github.com/infinitysip/infinitysip/internal/rows"
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

// parseID is ParseID for an id that may be zero: 0, or no text.
func parseID[T ID](id *T, text string) error {
	var n T
	if text != "" && text != "0" {
		var err error
		if n, err = ParseID[T](text); err != nil {
			return err
		}
	}
	*id = n
	return nil
}

func marshalID[T ID](id T) ([]byte, error) { return strconv.AppendInt(nil, int64(id), 10), nil }

func unmarshalID[T ID](id *T, data []byte) error {
	text, ok := rows.Text(data)
	switch {
	case string(data) == "null":
		return nil
	case !ok:
		text = string(data[:min(1, len(data))]) + "…" // a list, an object, or no JSON
	}
	return parseID(id, text)
}

// MarshalJSON writes the id as a number.
func (id DomainID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *DomainID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id DomainID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *DomainID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }

// MarshalJSON writes the id as a number.
func (id UserID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *UserID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id UserID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *UserID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }

// MarshalJSON writes the id as a number.
func (id PhoneID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *PhoneID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id PhoneID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *PhoneID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }

// MarshalJSON writes the id as a number.
func (id GroupID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *GroupID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id GroupID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *GroupID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }

// MarshalJSON writes the id as a number.
func (id QueueID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *QueueID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id QueueID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *QueueID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }

// MarshalJSON writes the id as a number.
func (id QueueMemberID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *QueueMemberID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id QueueMemberID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *QueueMemberID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }

// MarshalJSON writes the id as a number.
func (id TrustedNetworkID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *TrustedNetworkID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id TrustedNetworkID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *TrustedNetworkID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }

// MarshalJSON writes the id as a number.
func (id DeviceID) MarshalJSON() ([]byte, error) { return marshalID(id) }

// UnmarshalJSON reads what ParseID does, as a number or a string, and zero.
func (id *DeviceID) UnmarshalJSON(data []byte) error { return unmarshalID(id, data) }

// MarshalText writes the id in decimal digits, also as a key of a map.
func (id DeviceID) MarshalText() ([]byte, error) { return marshalID(id) }

// UnmarshalText reads what ParseID does, and zero.
func (id *DeviceID) UnmarshalText(text []byte) error { return parseID(id, string(text)) }
