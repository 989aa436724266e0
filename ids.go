package infinitysip

import (
	"fmt"
	"strconv"
)

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
