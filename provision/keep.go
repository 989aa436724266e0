package provision

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/internal/wire"
	"github.com/infinitysip/infinitysip/provision/internal/journal"
	"github.com/infinitysip/infinitysip/provision/internal/sheet"
)

// credentialColumns are the columns of a CredentialFile.
var credentialColumns = []string{"state", "user", "device", "password", "pin", "token"}

// CredentialFile is a CSV file that keeps credentials, also if the process is killed. Make
// one with KeepCSV. Any number of goroutines may use it.
type CredentialFile struct {
	mu    sync.Mutex
	file  *journal.Journal
	users map[string]*attempts // by folded name
	order []*attempts          // as the file has the users first

	devices map[string][]Credential // by address, the attempts to give it a token of which the file has none, the latest last
	macs    []string                // as the file has the devices first
}

// attempts are the secrets of a user of which nobody knows whether they are in
// force, the latest last.
type attempts struct {
	user            string
	passwords, pins []secretTried
}

type secretTried struct {
	state  CredentialState
	secret infinitysip.Secret
}

// KeepCSV opens a file for ApplyOptions.Keep and ApplyOptions.Settle, or makes it. name is
// its path. The file is CSV with the columns
//
//	state     proposed, confirmed, refused or unknown
//	user      user name
//	device    MAC address, if the secret is a token
//	password
//	pin
//	token
//
// Keep writes a line with the state proposed, before a secret is used, or before a
// device gets a token, which the line cannot have yet. Settle writes another line with the
// secret, when Apply knows what became of it. So a reader needs only the lines that say
// confirmed; if there are several for a user or a device, the last one counts. If a later
// line says proposed or unknown, that one may be in force instead, until the next run sets
// it again. A user name that a spreadsheet would take for a formula has an apostrophe before
// it, see GuardCSV. Secrets are written exactly as they are.
//
// Each line is on the disk before Keep or Settle returns. After a crash, open the same file
// again: new lines follow the old ones, and Unsettled returns what to pass as
// PlanOptions.Unsettled.
//
// Only the owner can read the file. KeepCSV refuses one that others can read, a
// file of another kind, and, on systems that have flock (not on Windows), a file
// that another process has open.
func KeepCSV(name string) (*CredentialFile, error) {
	f := newCredentialFile()
	file, err := journal.Open(name, credentialColumns, func(record []string) bool { return credential(record, f.note) })
	if err != nil {
		return nil, fmt.Errorf("provision: secrets cannot be kept in %s: %w", name, err)
	}
	f.file = file
	return f, nil
}

func newCredentialFile() *CredentialFile {
	return &CredentialFile{users: map[string]*attempts{}, devices: map[string][]Credential{}}
}

// credential hands what a record says to note. It reports whether the record is one.
func credential(record []string, note func(Credential)) bool {
	c := Credential{
		State: CredentialState(record[0]), User: sheet.Unguard(record[1]), Device: sheet.Unguard(record[2]),
		Password: infinitysip.NewSecret(record[3]), PIN: infinitysip.NewSecret(record[4]), Token: infinitysip.NewSecret(record[5]),
	}
	if c.State != CredentialProposed && !c.settled() {
		return false
	}
	note(c)
	return true
}

// ReadCredentials reads a copy of the file of a [CredentialFile]. It returns one Credential
// for each line, in their order. It leaves out a last line that a crash cut off.
func ReadCredentials(r io.Reader) ([]Credential, error) {
	data, err := io.ReadAll(r)
	var all []Credential
	if err == nil {
		err = journal.Read(data, credentialColumns, func(record []string) bool {
			return credential(record, func(c Credential) { all = append(all, c) })
		})
	}
	if err != nil {
		return nil, fmt.Errorf("provision: credentials cannot be read: %w", err)
	}
	return all, nil
}

// Unsettled returns, for PlanOptions.Unsettled, the credentials of which nobody knows
// whether they are in force. told is what ApplyOptions.Keep and ApplyOptions.Settle were
// called with, in that order. It is for programs that keep credentials in another place
// than a [CredentialFile], which has a method of that name.
func Unsettled(told []Credential) []Credential {
	f := newCredentialFile()
	for _, c := range told {
		f.note(c)
	}
	return f.Unsettled()
}

// settled reports whether the state is one that Settle is told.
func (c *Credential) settled() bool {
	return slices.Contains([]CredentialState{CredentialConfirmed, CredentialRefused, CredentialUnknown}, c.State)
}

// Keep is for ApplyOptions.Keep: it writes the credential down as proposed,
// whatever its State.
//
// If that fails, every later Keep and Settle fails too. On a full disk nothing that was
// written before is lost. If another program has removed, replaced or changed the file, Keep
// and Settle fail and write nothing more.
func (f *CredentialFile) Keep(c Credential) error {
	c.State = CredentialProposed
	err := f.add(c)
	switch {
	case err == nil:
		return nil
	case c.Device != "" && c.Token.IsZero():
		return fmt.Errorf("provision: it is not written down that device %s, of user %s, is to get a token: %w. "+
			"So it does not get one. %s",
			printable(c.Device), printable(c.User), err, advice(err, "Nothing that was written before is lost", "run the same again"))
	case c.Device != "":
		return f.tokenLost(c, err)
	}
	return fmt.Errorf("provision: the password or PIN of user %s is not written down: %w. "+
		"So it is not used, and the user is not made or changed. %s",
		printable(c.User), err, advice(err, "Nothing that was written before is lost", "run the same again"))
}

// Settle is for ApplyOptions.Settle: it writes down what became of a credential. It fails
// as Keep does.
func (f *CredentialFile) Settle(c Credential) error {
	if !c.settled() {
		return fmt.Errorf("provision: %w: a credential of user %s cannot be settled as %s", infinitysip.ErrInvalid, printable(c.User), quote(string(c.State)))
	}
	err := f.add(c)
	switch {
	case err == nil:
		return nil
	case !c.Token.IsZero():
		return f.tokenLost(c, err)
	case c.Device != "":
		return fmt.Errorf("provision: it is not written down that the token of device %s, of user %s, is %s: %w. %s",
			printable(c.Device), printable(c.User), c.State, err, advice(err, "All that was written before is in the file", "run the same again"))
	}
	return fmt.Errorf("provision: it is not written down that the password or PIN of user %s is %s: %w. %s",
		printable(c.User), c.State, err, advice(err, "The secret itself, and all that was written before, is in the file", "run the same again: it sets the secret again"))
}

// advice is what to do after a line could not be written, and what there is still.
func advice(err error, there, then string) string {
	if errors.Is(err, journal.ErrChanged) {
		return "What was written before may be lost: put the file back, or a copy of it, then " + then
	}
	return there + ". Make room if the disk is full, then " + then
}

func (f *CredentialFile) tokenLost(c Credential, err error) error {
	return fmt.Errorf("provision: the token of device %s, of user %s, is not written down: %w. "+
		"The server does not show it again. %s",
		printable(c.Device), printable(c.User), err, advice(err, "Nothing that was written before is lost", "run the same again: the device gets a new token"))
}

// add writes a line.
func (f *CredentialFile) add(c Credential) error {
	if f == nil {
		return errors.New("there is no file")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return errors.New("the file is closed")
	}
	err := f.file.Append([]string{
		string(c.State), GuardCSV(c.User), GuardCSV(c.Device),
		c.Password.Reveal(), c.PIN.Reveal(), c.Token.Reveal(),
	})
	if err != nil {
		return err
	}
	f.note(c)
	return nil
}

// note remembers what a line says.
func (f *CredentialFile) note(c Credential) {
	if c.Device != "" {
		mac := cmp.Or(wire.MAC(c.Device), c.Device)
		all, known := f.devices[mac]
		if !known {
			f.macs = append(f.macs, mac)
		}
		last := len(all) - 1
		if c.Token.IsZero() && c.State == CredentialConfirmed {
			c.State = CredentialUnknown // the file was cut off before the token
		}
		switch {
		case !c.Token.IsZero():
			all = nil // and a token from before is no longer in force
		case c.State == CredentialProposed, c.State == CredentialUnknown && last < 0:
			all = append(all, c)
		case c.State == CredentialUnknown:
			all[last] = c
		case last >= 0: // Refused is this attempt alone: an earlier one may have given it a token.
			all = all[:last]
		}
		f.devices[mac] = all
		return
	}
	u := f.users[fold(c.User)]
	if u == nil {
		u = &attempts{}
		f.users[fold(c.User)] = u
		f.order = append(f.order, u)
	}
	u.user = c.User
	u.passwords = settle(u.passwords, c.State, c.Password)
	u.pins = settle(u.pins, c.State, c.PIN)
}

// settle adds what a line says of a secret.
func settle(all []secretTried, state CredentialState, secret infinitysip.Secret) []secretTried {
	if secret.IsZero() {
		return all
	}
	last := len(all) - 1
	for last >= 0 && !all[last].secret.Equal(secret) {
		last--
	}
	switch {
	case state == CredentialConfirmed:
		return nil // and what was there before is no longer in force
	case state == CredentialProposed, state == CredentialUnknown && last < 0:
		return append(all, secretTried{state, secret})
	case state == CredentialUnknown:
		all[last].state = state
	case last >= 0: // Refused is this attempt alone: an earlier one may have set the same secret.
		return slices.Delete(all, last, last+1)
	}
	return all
}

// Unsettled returns, for PlanOptions.Unsettled, the passwords and PINs in the file of which
// nobody knows whether they are in force. For each user that is the last one that is
// proposed or unknown, unless a later line confirms or refuses it. The users come in the
// order in which the file first has them. After them come the devices that may have a token
// that is not in the file.
func (f *CredentialFile) Unsettled() []Credential {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Credential
	for _, u := range f.order {
		c := Credential{User: u.user}
		if n := len(u.pins); n > 0 {
			c.State, c.PIN = u.pins[n-1].state, u.pins[n-1].secret
		}
		if n := len(u.passwords); n > 0 {
			c.State, c.Password = u.passwords[n-1].state, u.passwords[n-1].secret
		}
		if c.State != "" {
			all = append(all, c)
		}
	}
	for _, mac := range f.macs {
		if open := f.devices[mac]; len(open) > 0 {
			all = append(all, open[len(open)-1])
		}
	}
	return all
}

// Close closes the file. The secrets stay in it.
func (f *CredentialFile) Close() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	if err := file.Close(); err != nil {
		return fmt.Errorf("provision: close the file of secrets: %w", err)
	}
	return nil
}
