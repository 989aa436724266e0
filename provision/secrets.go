package provision

import (
	"crypto/rand"
	"fmt"
	"math/big"

	"github.com/infinitysip/infinitysip"
)

// GeneratePassword makes up a password: 26 characters of A to Z and 2 to 7,
// which hold 130 random bits of crypto/rand. None of them is easily taken for
// another, and none means anything to a shell, a form or a spreadsheet.
func GeneratePassword() infinitysip.Secret { return infinitysip.NewSecret(rand.Text()) }

// GeneratePIN makes up a PIN: six digits of crypto/rand, each number as likely
// as any other.
func GeneratePIN() infinitysip.Secret {
	n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // never fails
	return infinitysip.NewSecret(fmt.Sprintf("%06d", n))
}
