package fleet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// A Secret is a password, a PIN or a token that a run set, with its user and device.
type Secret struct {
	Account, Domain string
	provision.Credential
	At time.Time // when it was settled, in UTC
}

// sealed is what is encrypted of a credential.
type sealed struct {
	Password string `json:"password,omitzero"`
	PIN      string `json:"pin,omitzero"`
	Token    string `json:"token,omitzero"`
}

func seal(recipients []age.Recipient, c provision.Credential) ([]byte, error) {
	plain, err := json.Marshal(sealed{c.Password.Reveal(), c.PIN.Reveal(), c.Token.Reveal()})
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unseal(identities []age.Identity, from []byte, c *provision.Credential) error {
	r, err := age.Decrypt(bytes.NewReader(from), identities...)
	if err != nil {
		return err
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	defer clear(plain)
	var s sealed
	if err := json.Unmarshal(plain, &s); err != nil {
		return errors.New("it holds no credential")
	}
	c.Password, c.PIN, c.Token = infinitysip.NewSecret(s.Password), infinitysip.NewSecret(s.PIN), infinitysip.NewSecret(s.Token)
	return nil
}

// A part is one secret of a credential, with its name in the column has.
type part struct {
	name string
	*infinitysip.Secret
}

func parts(c *provision.Credential) []part {
	return []part{{"password", &c.Password}, {"PIN", &c.PIN}, {"token", &c.Token}}
}

// has names what is in a credential.
func has(c provision.Credential) string {
	var names []string
	for _, p := range parts(&c) {
		if !p.IsZero() {
			names = append(names, p.name)
		}
	}
	return strings.Join(names, ", ")
}

// keeper writes the secrets of one run down.
type keeper struct {
	db         *DB
	domain     Domain
	recipients []age.Recipient
	ctx        context.Context // it does not end with the run: what was set must be settled

	mu   sync.Mutex
	rows map[string]int64 // the last row of each user or device of this run
}

// keyOf is what a credential is of.
func keyOf(c provision.Credential) string { return c.Device + "\x00" + c.User }

// keep is for ApplyOptions.Keep.
func (k *keeper) keep(c provision.Credential) error {
	c.State = provision.CredentialProposed
	return k.add(c)
}

func (k *keeper) add(c provision.Credential) error {
	box, err := seal(k.recipients, c)
	if err != nil {
		return fmt.Errorf("encrypt a secret of user %q: %w", c.User, err)
	}
	ctx, cancel := context.WithTimeout(k.ctx, databaseWait)
	defer cancel()
	var id int64
	err = k.db.db.Query(ctx, func(scan func(...any) error) error { return scan(&id) },
		`INSERT INTO secret (account, domain, username, device, state, has, sealed, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
		k.domain.Account, k.domain.Name, c.User, c.Device, string(c.State), has(c), box, time.Now().UTC())
	if err == nil {
		err = k.db.db.Sync() // it must be there after a power cut too
	}
	if err != nil {
		return fmt.Errorf("write a secret of user %q to the database: %w", c.User, away(err))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rows[keyOf(c)] = id
	return nil
}

// settle is for ApplyOptions.Settle.
func (k *keeper) settle(c provision.Credential) error {
	k.mu.Lock()
	id := k.rows[keyOf(c)]
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(k.ctx, databaseWait)
	defer cancel()
	var err error
	switch {
	case id == 0: // it was not proposed
		return k.add(c)
	case c.State == provision.CredentialRefused:
		_, err = k.db.db.Exec(ctx, "DELETE FROM secret WHERE id = $1", id)
	case !c.Token.IsZero(): // which nobody knew before
		box, failed := seal(k.recipients, c)
		if failed != nil {
			return fmt.Errorf("encrypt the token of device %q: %w", c.Device, failed)
		}
		_, err = k.db.db.Exec(ctx, "UPDATE secret SET state = $2, at = $3, has = $4, sealed = $5 WHERE id = $1", id, string(c.State), time.Now().UTC(), has(c), box)
		err = errors.Join(err, k.db.db.Sync())
	default:
		_, err = k.db.db.Exec(ctx, "UPDATE secret SET state = $2, at = $3 WHERE id = $1", id, string(c.State), time.Now().UTC())
	}
	if err != nil {
		return fmt.Errorf("write to the database that a secret of user %q is %s: %w", c.User, c.State, away(err))
	}
	return nil
}

// unsettled are the credentials of which nobody knows whether they are in force, with other
// secrets in them: the old ones cannot be read here, and are set again anyway.
func (db *DB) unsettled(ctx context.Context, domain Domain) ([]provision.Credential, error) {
	var told []provision.Credential
	err := db.db.Query(ctx, func(scan func(...any) error) error {
		var (
			id int64
			in string
			c  provision.Credential
		)
		if err := scan(&id, &c.User, &c.Device, &c.State, &in); err != nil {
			return err
		}
		// The number of the row stands in for each secret, to tell them apart.
		as := infinitysip.NewSecret(strconv.FormatInt(id, 10))
		names := strings.Split(in, ", ")
		for _, p := range parts(&c) {
			if slices.Contains(names, p.name) {
				*p.Secret = as
			}
		}
		told = append(told, c)
		return nil
	}, "SELECT id, username, device, state, has FROM secret WHERE account = $1 AND domain = $2 ORDER BY id", domain.Account, domain.Name)
	if err != nil {
		return nil, err
	}
	open := provision.Unsettled(told)
	for i := range open {
		c := &open[i]
		if !c.Password.IsZero() {
			c.Password = provision.GeneratePassword()
		}
		if !c.PIN.IsZero() {
			c.PIN = provision.GeneratePIN()
		}
	}
	return open, nil
}

// Secrets decrypts the secrets that are in force, sorted by account, domain, device and
// user: for each user the password and the PIN that were confirmed last, and for each
// device the token. It returns them also for users and devices that are deleted by now. If
// a later secret is proposed or unknown, that one may be in force instead, until the next
// run of the domain sets another.
//
// If the identities cannot decrypt some, Secrets returns the others and an error that says
// how many are missing.
func (db *DB) Secrets(ctx context.Context, identities ...age.Identity) ([]Secret, error) {
	type key struct{ account, domain, device, user string }
	type box struct {
		key
		Secret
		sealed []byte
		names  []string // of what is in force of it
	}
	var boxes []box
	found := map[key][]string{} // what is known of each
	err := db.db.Query(ctx, func(scan func(...any) error) error {
		var (
			b  box
			in string
		)
		if err := scan(&b.Account, &b.Domain, &b.User, &b.Device, &b.State, &in, &b.sealed, &b.At); err != nil {
			return err
		}
		b.At = b.At.UTC()
		b.key = key{b.Account, b.Domain, b.Device, strings.ToLower(b.User)}
		if b.Device != "" {
			b.user = ""
		}
		for name := range strings.SplitSeq(in, ", ") {
			if name != "" && !slices.Contains(found[b.key], name) {
				b.names = append(b.names, name)
			}
		}
		if len(b.names) > 0 {
			found[b.key] = append(found[b.key], b.names...)
			boxes = append(boxes, b)
		}
		return nil
	}, "SELECT account, domain, username, device, state, has, sealed, at FROM secret WHERE state = 'confirmed' ORDER BY id DESC")
	if err != nil {
		return nil, fmt.Errorf("fleet: read the secrets: %w", err)
	}
	merged, failed, first := map[key]*Secret{}, 0, error(nil)
	for _, b := range boxes {
		if err := unseal(identities, b.sealed, &b.Credential); err != nil {
			failed, first = failed+1, cmp.Or(first, err)
			continue
		}
		// What a newer one has too is not in force, even if that one cannot be decrypted.
		for _, p := range parts(&b.Credential) {
			if !slices.Contains(b.names, p.name) {
				*p.Secret = infinitysip.Secret{}
			}
		}
		newest := merged[b.key]
		if newest == nil {
			merged[b.key] = &b.Secret
			continue
		}
		older := parts(&b.Credential)
		for i, p := range parts(&newest.Credential) {
			if p.IsZero() {
				*p.Secret = *older[i].Secret
			}
		}
	}
	all := make([]Secret, 0, len(merged))
	for _, s := range merged {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Secret) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Domain, b.Domain), strings.Compare(a.Device, b.Device), strings.Compare(a.User, b.User))
	})
	if failed > 0 {
		return all, fmt.Errorf("fleet: %d of %d secrets cannot be decrypted: use the identities of all that Config.Recipients ever had: %w", failed, len(boxes), first)
	}
	return all, nil
}
