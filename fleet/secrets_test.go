package fleet_test

import (
	"bytes"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
	"github.com/stretchr/testify/require"
)

// An old password is not taken for the one in force when the newer one cannot be
// decrypted.
func TestSecretsOfSeveralRecipients(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		w := newWorld(t, where)
		other, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		tables := w.tables(where)
		put := func(to *age.X25519Identity, has, plain string) {
			var box bytes.Buffer
			sealed, err := age.Encrypt(&box, to.Recipient())
			require.NoError(t, err)
			_, err = sealed.Write([]byte(plain))
			require.NoError(t, err)
			require.NoError(t, sealed.Close())
			_, err = tables.Exec(t.Context(), `INSERT INTO secret (account, domain, username, device, state, has, sealed, at)
				VALUES ('acme', 'Office', 'ann', '', 'confirmed', $1, $2, $3)`, has, box.Bytes(), time.Now().UTC())
			require.NoError(t, err)
		}
		put(w.identity, "password, PIN", `{"password":"old","pin":"1234"}`)
		put(other, "password", `{"password":"new"}`)

		all, err := w.db.Secrets(t.Context(), w.identity, other)
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.Equal(t, "new 1234", all[0].Password.Reveal()+" "+all[0].PIN.Reveal())

		all, err = w.db.Secrets(t.Context(), w.identity)
		require.ErrorContains(t, err, "1 of 2")
		require.Len(t, all, 1)
		require.Equal(t, " 1234", all[0].Password.Reveal()+" "+all[0].PIN.Reveal())
	})
}
