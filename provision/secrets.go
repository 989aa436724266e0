package provision

import (
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/infinitysip/infinitysip"
)

// Secrets returns a func for ApplyOptions.Secrets, which returns the passwords and PINs of
// the state as it is now. Where the state gives none, it returns those of unsettled, which
// were PlanOptions.Unsettled when the plan was made. For a user who is in neither, its
// error matches infinitysip.ErrInvalid.
func (s *State) Secrets(unsettled ...Credential) func(user string) (Credential, error) {
	all := map[string]Credential{}
	for _, c := range unsettled {
		if c.Device == "" {
			all[fold(c.User)] = Credential{User: c.User, Password: c.Password, PIN: c.PIN}
		}
	}
	if s != nil {
		for i := range s.Users {
			u := &s.Users[i]
			c := all[fold(u.User)]
			c.User = u.User
			if !u.Password.IsZero() {
				c.Password = u.Password
			}
			if !u.PIN.IsZero() {
				c.PIN = u.PIN
			}
			all[fold(u.User)] = c
		}
	}
	return func(user string) (Credential, error) {
		c, ok := all[fold(user)]
		if !ok {
			return c, fmt.Errorf("%w: user %s is not in the state", infinitysip.ErrInvalid, quote(user))
		}
		return c, nil
	}
}

// GeneratePassword makes up a password: 26 characters of A to Z and 2 to 7,
// which hold 130 random bits of crypto/rand. None of them has a meaning in a shell, a form
// or a spreadsheet.
func GeneratePassword() infinitysip.Secret { return infinitysip.NewSecret(rand.Text()) }

// GeneratePIN makes up a PIN of six digits with crypto/rand. Each PIN is equally likely.
func GeneratePIN() infinitysip.Secret {
	n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // never fails
	return infinitysip.NewSecret(fmt.Sprintf("%06d", n))
}
