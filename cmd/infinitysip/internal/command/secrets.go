package command

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/secrets"
	"github.com/infinitysip/infinitysip/provision"
)

// secretOptions say where secrets go.
type secretOptions struct {
	file       string
	recipients []string // of age
	identity   string   // a file
	show       bool
}

// secretFlags adds the flags that say where secrets go: --secrets FILE, --age
// RECIPIENT, --identity FILE and --show-secrets.
func (a *app) secretFlags(cmd *cobra.Command) {
	a.secretFileFlags(cmd)
	cmd.Flags().BoolVar(&a.secrets.show, "show-secrets", false, "show passwords, PINs and tokens on standard error")
}

// secretFileFlags adds the flags of the file alone.
func (a *app) secretFileFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&a.secrets.file, "secrets", "", "the `file` to keep passwords, PINs and tokens in, as CSV; only you can read it, and one that is there is continued")
	flags.StringArrayVar(&a.secrets.recipients, "age", nil, "encrypt the file of --secrets to this `recipient`: age1…, or @FILE with one a line; may be repeated")
	flags.StringVar(&a.secrets.identity, "identity", "", "the `file` of the key that opens the file of --secrets, which is there already and encrypted")
}

// A secretKeeper keeps what nobody can read later. Keep is called before a secret is
// used, Settle when it is known what became of it. Both are for
// provision.ApplyOptions too.
type secretKeeper interface {
	Keep(provision.Credential) error
	Settle(provision.Credential) error
	Unsettled() []provision.Credential
	Close() error
}

// openSecrets opens what the flags say. Without any of the flags it is a usageError
// that says which there are: what (such as "the token of the device") would be lost.
// With --demo nothing is worth keeping, so nothing is asked for.
func (a *app) openSecrets(what string) (secretKeeper, error) {
	o := &a.secrets
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := wrongUses(oneFileTwice(a.usedFiles())); err != nil {
		return nil, err
	}
	if o.file == "" && !o.show && !a.demo {
		return nil, withMend(wrongUse("%s cannot be read later", what), "Say with --secrets FILE where to keep it, or with --show-secrets that it is to be shown here.")
	}
	keepers := manyKeepers{}
	if o.file != "" {
		file, err := o.open()
		if err != nil {
			return nil, err
		}
		keepers = append(keepers, file)
	}
	if o.show {
		keepers = append(keepers, &shownSecrets{w: a.stderr})
	}
	return keepers, nil
}

// check finds what is wrong with the flags. It looks at no file of secrets.
func (o *secretOptions) check() error {
	var wrong []error
	if o.file == "-" {
		wrong = append(wrong, errors.New("--secrets - names no file: --show-secrets shows the secrets"))
	}
	if o.file == "" && len(o.recipients) > 0 {
		wrong = append(wrong, errors.New("--age encrypts the file of --secrets, and there is none"))
	}
	if o.file == "" && o.identity != "" {
		wrong = append(wrong, errors.New("--identity opens the file of --secrets, and there is none"))
	}
	if _, err := secrets.Recipients(o.recipients); err != nil {
		wrong = append(wrong, fmt.Errorf("--age: %w", err))
	}
	return wrongUses(wrong)
}

// usedFiles are the files that the flags of secrets and of credentials name. The file
// of --secrets comes last.
func (a *app) usedFiles() []usedFile {
	o := &a.secrets
	used := []usedFile{{"--credentials-file", a.credentialsFile}, {"--identity", o.identity}}
	for _, recipient := range o.recipients {
		if name, ok := strings.CutPrefix(recipient, "@"); ok {
			used = append(used, usedFile{"--age", name})
		}
	}
	if o.file != "" {
		used = append(used, usedFile{"the part file of --secrets", o.file + ".part"})
	}
	return append(used, usedFile{"--secrets", o.file})
}

// wrongUses is all of them as one; nil if there are none.
func wrongUses(wrong []error) error {
	if len(wrong) == 0 {
		return nil
	}
	return &usageError{errors.Join(wrong...)}
}

// open opens the file of --secrets.
func (o *secretOptions) open() (secretKeeper, error) {
	recipients, err := secrets.Recipients(o.recipients)
	if err != nil {
		return nil, wrongUse("--age: %w", err)
	}
	encrypted := isEncrypted(o.file)
	switch {
	case len(recipients) > 0:
		return o.openEncrypted(recipients)
	case encrypted:
		return nil, withMend(wrongUse("%s is encrypted", o.file), "Say with --age for whom to encrypt it, and with --identity which key opens it; or give --secrets another name.")
	case o.identity != "":
		return nil, wrongUse("--identity opens a file that is encrypted, and %s is not: leave --identity out, or say with --age for whom to encrypt", o.file)
	}
	_, err = os.Stat(o.file)
	made := errors.Is(err, fs.ErrNotExist)
	file, err := provision.KeepCSV(o.file)
	if err != nil {
		return nil, err
	}
	return &plainSecrets{CredentialFile: file, name: o.file, empty: made}, nil
}

// openEncrypted opens the file of --secrets for --age.
func (o *secretOptions) openEncrypted(recipients []age.Recipient) (secretKeeper, error) {
	identities, err := o.identities()
	if err != nil {
		return nil, err
	}
	file, err := secrets.Open(o.file, recipients, identities)
	if errors.Is(err, secrets.ErrIdentity) {
		return nil, withMend(&usageError{err}, "Say with --identity FILE which key opens it, to go on with it; or give --secrets another name.")
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// unsettled are the credentials that an earlier run left open in the file of
// --secrets. It changes nothing.
func (o *secretOptions) unsettled() ([]provision.Credential, error) {
	if o.file == "" {
		return nil, nil
	}
	identities, err := o.identities()
	if err != nil {
		return nil, err
	}
	told, err := secrets.Load(o.file, identities)
	if errors.Is(err, secrets.ErrIdentity) {
		return nil, withMend(&usageError{err}, "Say with --identity FILE which key opens it.")
	}
	if err != nil {
		return nil, err
	}
	return provision.Unsettled(told), nil
}

// identities are those of --identity.
func (o *secretOptions) identities() ([]age.Identity, error) {
	if o.identity == "" {
		return nil, nil
	}
	return secrets.Identities(o.identity)
}

// isEncrypted reports whether a file, or what a run left of it that did not end, is
// encrypted.
func isEncrypted(name string) bool {
	for _, name := range []string{name, name + ".part"} {
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() { // a pipe would wait
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			continue
		}
		start := make([]byte, 64)
		n, _ := io.ReadFull(file, start)
		_ = file.Close()
		if secrets.Encrypted(start[:n]) {
			return true
		}
	}
	return false
}

// plainSecrets are a CSV file. One that was made for nothing goes away again.
type plainSecrets struct {
	*provision.CredentialFile
	name  string
	mu    sync.Mutex
	empty bool // this run made it, and has written nothing
}

func (p *plainSecrets) Keep(c provision.Credential) error {
	p.written()
	return p.CredentialFile.Keep(c)
}

func (p *plainSecrets) Settle(c provision.Credential) error {
	p.written()
	return p.CredentialFile.Settle(c)
}

func (p *plainSecrets) written() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty = false
}

func (p *plainSecrets) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.empty {
		p.empty = false
		_ = os.Remove(p.name) // while it is locked: nobody else has begun to use it
	}
	return p.CredentialFile.Close()
}

// shownSecrets shows secrets to people, a line each, as soon as they are in force.
type shownSecrets struct {
	mu sync.Mutex
	w  io.Writer
}

// Keep shows nothing: it is not known yet what becomes of it.
func (s *shownSecrets) Keep(provision.Credential) error { return nil }

// Settle shows a secret that is in force, or that may be.
func (s *shownSecrets) Settle(c provision.Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.State {
	case provision.CredentialConfirmed:
		return showSecrets(s.w, c, "")
	case provision.CredentialUnknown:
		return showSecrets(s.w, c, ", if it was set: nobody knows")
	}
	return nil
}

// showSecrets writes the secrets of a credential, a line each.
func showSecrets(w io.Writer, c provision.Credential, doubt string) error {
	var err error
	show := func(what, secret string) {
		if secret != "" && err == nil {
			_, err = fmt.Fprintf(w, "%s%s: %s\n", what, doubt, secret)
		}
	}
	user := printable(c.User)
	show("Password of user "+user, c.Password.Reveal())
	show("PIN of user "+user, c.PIN.Reveal())
	device := "Token of device " + printable(c.Device)
	if c.User != "" {
		device += ", of user " + user
	}
	show(device, c.Token.Reveal())
	if err != nil {
		return fmt.Errorf("a secret could not be shown: %w", err)
	}
	return nil
}

// Unsettled is empty: what was shown is not known any more.
func (s *shownSecrets) Unsettled() []provision.Credential { return nil }

// Close does nothing.
func (s *shownSecrets) Close() error { return nil }

// manyKeepers are several places, and none of them keeps nothing.
type manyKeepers []secretKeeper

func (m manyKeepers) Keep(c provision.Credential) error {
	for _, k := range m {
		if err := k.Keep(c); err != nil {
			return err
		}
	}
	return nil
}

func (m manyKeepers) Settle(c provision.Credential) error {
	errs := make([]error, len(m))
	for i, k := range m {
		errs[i] = k.Settle(c)
	}
	return errors.Join(errs...)
}

func (m manyKeepers) Unsettled() (all []provision.Credential) {
	for _, k := range m {
		all = append(all, k.Unsettled()...)
	}
	return all
}

func (m manyKeepers) Close() error {
	errs := make([]error, len(m))
	for i, k := range m {
		errs[i] = k.Close()
	}
	return errors.Join(errs...)
}
