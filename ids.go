package infinitysip

import (
	"errors"
	"fmt"
	"strconv"
)

// ID is any of the id types. Each is a type of its own, so that the id of a
// group cannot be passed for the id of a user.
type ID interface {
	DomainID | UserID | GroupID | QueueID | QueueMemberID | TrustedNetworkID | DeviceID | PhoneID
}

// ParseID reads an id from text, such as a command-line argument:
//
//	user, err := infinitysip.ParseID[infinitysip.UserID]("7")
//
// An id is a positive whole number in decimal digits; for anything else the
// error is one of ErrInvalid.
func ParseID[T ID](text string) (T, error) {
	n, err := parseDigits(text)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("infinitysip: %w: %s is not an id: want a positive whole number", ErrInvalid, quote(text))
	}
	return T(n), nil
}

// parseDigits reads what strconv.ParseInt does, less the signs.
func parseDigits(text string) (int64, error) {
	for _, r := range text {
		if r < '0' || r > '9' {
			return 0, errors.New("not a whole number")
		}
	}
	return strconv.ParseInt(text, 10, 64)
}
