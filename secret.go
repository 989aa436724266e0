package infinitysip

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/infinitysip/infinitysip/internal/redact"
)

// secretNames are the members of rows that are secrets, also in a row type that
// has no field for them.
var secretNames = redact.Names{"password", "pin", "pbxDeviceToken"}

// Secret holds a password, a PIN, a device token or the like. Printed, logged or
// marshalled it reads "[redacted]". Only Reveal gives the value. The zero Secret
// is empty.
//
// Compare two Secrets with Equal; == and reflect.DeepEqual do not work.
type Secret struct {
	// A func, because a printer that walks unexported fields, such as the diff of
	// a test, shows a func as an address. The second field, because go-spew, which
	// testify uses, crashes on a struct that is a pointer and no more.
	reveal func() string
	_      bool
}

// NewSecret keeps value as a Secret.
func NewSecret(value string) Secret {
	return Secret{reveal: func() string { return value }}
}

// Reveal returns the value. It is empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the value is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal reports whether both hold the same value. It takes the same time wherever
// they differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns "[redacted]", or "" for an empty Secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redact.Mark
}

// Format prints what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText returns what String returns; encoding/json uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the value from text, such as that of a config file, unless it is
// what String prints in its place.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret{}
	if value := string(text); value != "" && strings.TrimSpace(value) != redact.Mark {
		*s = NewSecret(value)
	}
	return nil
}

// LogValue logs what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
