// Package secrets keeps passwords, PINs and tokens in a file that is encrypted with
// age, so that neither a crash nor a full disk loses one.
//
// While a file is open, each record is at once on the disk, in FILE.part: as an
// armored age message of its own. Close writes all of them as FILE, one usual age
// file, and takes FILE.part away. What is encrypted is the CSV of
// provision.KeepCSV. FILE.part begins with all that FILE had, so it never needs
// that.
package secrets

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/infinitysip/infinitysip/provision"
)

// ErrIdentity is an error of Open: there are secrets already, and nobody said with
// which key to read them.
var ErrIdentity = errors.New("it has secrets already")

// ErrChanged is an error of Keep and Settle: another program has removed, replaced or
// changed the file.
var ErrChanged = errors.New("another program has removed, replaced or changed the file while it was in use")

// A File is an open file. Its methods can be called concurrently.
type File struct {
	name, part string // absolute
	recipients []age.Recipient

	mu    sync.Mutex
	file  *os.File // FILE.part; nil: closed
	size  int64    // of its whole messages
	all   []provision.Credential
	dirty bool  // FILE.part has more than FILE
	err   error // the first of an append
}

// Open opens a file to be encrypted to the recipients, or goes on with one that is
// there, or with the FILE.part of a run that was cut off: for these it needs the
// identities. It makes FILE.part, so a folder that cannot be written is found at
// once. It refuses a file that another process has open, where the system has flock.
func Open(name string, recipients []age.Recipient, identities []age.Identity) (_ *File, err error) {
	if name, err = filepath.Abs(name); err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	f := &File{name: name, part: name + ".part", recipients: recipients}
	defer func() {
		if err != nil && f.file != nil {
			f.drop(f.size == 0)
		}
	}()
	if err := regular(name, os.Stat); err != nil {
		return nil, fmt.Errorf("secrets cannot be kept in %s: %w", name, err)
	}
	if err := f.openPart(); err != nil {
		return nil, fmt.Errorf("secrets cannot be kept in %s: %w", f.part, err)
	}
	if err := f.takeUp(identities); err != nil {
		return nil, err
	}
	if f.size == 0 {
		if f.err = f.write(header(), f.all...); f.err != nil {
			return nil, fmt.Errorf("secrets cannot be kept in %s: %w", f.part, f.err)
		}
		syncFolder(name)
	}
	return f, nil
}

// regular refuses what is no usual file.
func regular(name string, stat func(string) (fs.FileInfo, error)) error {
	info, err := stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a folder: give the name of a file")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file: give the name of one")
	}
	return nil
}

// openPart opens FILE.part and locks it.
func (f *File) openPart() error {
	if err := regular(f.part, os.Lstat); err != nil {
		return err
	}
	file, err := os.OpenFile(f.part, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	f.file = file
	if err := lock(file); err != nil {
		f.drop(false)
		return err
	}
	// The one who had it locked may have removed it.
	ours, err := file.Stat()
	if err == nil {
		var now fs.FileInfo
		if now, err = os.Lstat(f.part); err == nil && !os.SameFile(ours, now) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		f.drop(false)
		return fmt.Errorf("another program has it in use: %w", err)
	}
	return nil
}

// takeUp reads what is there.
func (f *File) takeUp(identities []age.Identity) error {
	data, err := io.ReadAll(f.file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.part, err)
	}
	whole := bytes.LastIndex(data, []byte(armor.Footer+"\n"))
	if whole >= 0 {
		whole += len(armor.Footer) + 1
	}
	whole = max(whole, 0)
	before, err := os.ReadFile(f.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", f.name, err)
	}
	f.size = int64(whole)
	if len(identities) == 0 {
		switch {
		case len(before) > 0:
			return fmt.Errorf("%s: %w", f.name, ErrIdentity)
		case whole > 0:
			return fmt.Errorf("%s, of a run that did not end: %w", f.part, ErrIdentity)
		}
	}
	old, err := read(before, identities)
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.name, err)
	}
	if whole == 0 {
		f.all = old
	} else {
		if f.all, err = read(data[:whole], identities); err != nil {
			return fmt.Errorf("reading %s: %w", f.part, err)
		}
		if len(old) > len(f.all) || !bytes.Equal(encode(old...), encode(f.all[:len(old)]...)) {
			return fmt.Errorf("%s and %s have different secrets, so neither goes on from the other: look at both with infinitysip secrets show, and put one of them elsewhere", f.name, f.part)
		}
		f.dirty = true
	}
	if whole == len(data) {
		return nil
	}
	// The end of a message that a crash or a full disk cut off: its Keep never returned
	// without an error, so nobody relied on it.
	if err := os.Truncate(f.part, f.size); err != nil {
		return fmt.Errorf("taking the end of a record from %s: %w", f.part, err)
	}
	return nil
}

// header is the first line of the CSV.
func header() []byte { return []byte("state,user,device,password,pin,token\n") }

// encode writes lines of the CSV.
func encode(all ...provision.Credential) []byte {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	for _, c := range all {
		_ = w.Write([]string{ // a Buffer takes everything
			string(c.State), provision.GuardCSV(c.User), provision.GuardCSV(c.Device),
			c.Password.Reveal(), c.PIN.Reveal(), c.Token.Reveal(),
		})
	}
	w.Flush()
	return text.Bytes()
}

// Keep is for provision.ApplyOptions.Keep: the credential is on the disk when it
// returns. After an error, every later Keep and Settle has that error.
func (f *File) Keep(c provision.Credential) error {
	c.State = provision.CredentialProposed
	err := f.add(c)
	switch {
	case err == nil:
		return nil
	case c.Device != "":
		return fmt.Errorf("it is not written down that device %s is to get a token: %w. So it does not get one. %s", name(c.Device), err, mend(err))
	}
	return fmt.Errorf("the password or PIN of user %s is not written down: %w. So it is not used. %s", name(c.User), err, mend(err))
}

// Settle is for provision.ApplyOptions.Settle.
func (f *File) Settle(c provision.Credential) error {
	err := f.add(c)
	switch {
	case err == nil:
		return nil
	case !c.Token.IsZero():
		return fmt.Errorf("the token of device %s is not written down: %w. The server does not show it again. %s The device gets a new token then", name(c.Device), err, mend(err))
	case c.Device != "":
		return fmt.Errorf("it is not written down that the token of device %s is %s: %w. %s", name(c.Device), c.State, err, mend(err))
	}
	return fmt.Errorf("it is not written down that the password or PIN of user %s is %s: %w. The secret itself is written down. %s", name(c.User), c.State, err, mend(err))
}

// name is a name as a terminal can show it.
func name(text string) string {
	if quoted := strconv.Quote(text); len(quoted) > len(text)+2 {
		return quoted
	}
	return text
}

func mend(err error) string {
	if errors.Is(err, ErrChanged) {
		return "All that was written before is written to the file at the end. Run the same again then."
	}
	return "Nothing that was written before is lost. Make room if the disk is full, then run the same again."
}

func (f *File) add(c provision.Credential) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	if f.file == nil {
		return fs.ErrClosed
	}
	if f.err = f.unchanged(); f.err == nil {
		f.err = f.write(nil, c)
	}
	if f.err == nil {
		f.all, f.dirty = append(f.all, c), true
	}
	return f.err
}

// unchanged tells whether FILE.part is as this File left it.
func (f *File) unchanged() error {
	ours, err := f.file.Stat()
	if err != nil {
		return err
	}
	now, err := os.Lstat(f.part)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrChanged
	case err != nil:
		return err
	case !os.SameFile(ours, now), now.Size() != f.size:
		return ErrChanged
	}
	return nil
}

// write appends one message, and waits until the disk has it. After an error the file
// has what it had before, as far as can be.
func (f *File) write(first []byte, all ...provision.Credential) error {
	var message bytes.Buffer
	armored := armor.NewWriter(&message)
	if err := encrypt(armored, f.recipients, append(first, encode(all...)...)); err != nil {
		return err
	}
	if err := armored.Close(); err != nil {
		return err
	}
	_, err := f.file.Write(message.Bytes())
	if err == nil {
		err = f.file.Sync()
	}
	if err != nil {
		_ = os.Truncate(f.part, f.size) // else the next Open does it
		return err
	}
	f.size += int64(message.Len())
	return nil
}

func encrypt(to io.Writer, recipients []age.Recipient, text []byte) error {
	w, err := age.Encrypt(to, recipients...)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
}

// Unsettled are the credentials of which nobody knows whether they are in force, for
// provision.PlanOptions.Unsettled.
func (f *File) Unsettled() []provision.Credential {
	f.mu.Lock()
	defer f.mu.Unlock()
	return provision.Unsettled(slices.Clone(f.all))
}

// Close writes FILE, if there is anything new, and takes FILE.part away. After an
// error, FILE.part has all there is.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	if !f.dirty {
		f.drop(true)
		return nil
	}
	if err := f.finish(); err != nil {
		f.drop(false)
		return fmt.Errorf("the secrets could not be written to %s: %w. They are in %s: make room if the disk is full, and run the same again with --identity, or look at them with infinitysip secrets show", f.name, err, f.part)
	}
	f.drop(true)
	syncFolder(f.name)
	return nil
}

// finish writes FILE as a whole or not at all.
func (f *File) finish() (err error) {
	name := f.name + "." + rand.Text()
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(name)
		}
	}()
	out := bufio.NewWriter(file)
	if err := encrypt(out, f.recipients, append(header(), encode(f.all...)...)); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(name, f.name); err != nil {
		return err
	}
	syncFolder(f.name)
	return nil
}

// drop closes FILE.part, and removes it if remove is set and it is still ours.
func (f *File) drop(remove bool) {
	remove = remove && f.unchanged() == nil
	left := false
	if remove {
		left = os.Remove(f.part) != nil // while it is locked: nobody else has begun to use it
	}
	unlock(f.file)
	_ = f.file.Close()
	f.file = nil
	if left {
		_ = os.Remove(f.part) // Windows removes no file that is open
	}
}

// syncFolder sees to it that a name survives a crash. Where a folder cannot be
// synced, the system does that.
func syncFolder(of string) {
	if folder, err := os.Open(filepath.Dir(of)); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
}
