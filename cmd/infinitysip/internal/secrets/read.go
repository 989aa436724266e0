package secrets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/infinitysip/infinitysip/provision"
)

const binary = "age-encryption.org/v1\n" // what a file of age begins with

// Encrypted reports whether a text is one of age, or several.
func Encrypted(text []byte) bool {
	return bytes.HasPrefix(text, []byte(binary)) || bytes.HasPrefix(text, []byte(armor.Header))
}

// Load reads the credentials of a file, plain or encrypted, and of the FILE.part of a
// run that did not end. It changes nothing. A file that is not there has none.
func Load(name string, identities []age.Identity) ([]provision.Credential, error) {
	for _, name := range []string{name + ".part", name} { // which has all of the file, and more
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
			continue
		}
		if err == nil && Encrypted(data) {
			if len(identities) == 0 {
				return nil, fmt.Errorf("%s: %w, which are encrypted", name, ErrIdentity)
			}
			if data, err = Decrypt(data, identities); err == nil && len(data) == 0 {
				continue // it was cut off in its first record
			}
		}
		var all []provision.Credential
		if err == nil {
			all, err = provision.ReadCredentials(bytes.NewReader(data))
		}
		if err != nil {
			return nil, fmt.Errorf("reading the secrets of %s: %s", name, strings.TrimPrefix(err.Error(), "provision: "))
		}
		return all, nil
	}
	return nil, nil
}

// read reads what a File wrote: FILE or FILE.part. Nothing at all has no credentials.
func read(data []byte, identities []age.Identity) ([]provision.Credential, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if !Encrypted(data) {
		return nil, errors.New("it is not encrypted with age: give the name of another file")
	}
	text, err := Decrypt(data, identities)
	if err != nil {
		return nil, err
	}
	all, err := provision.ReadCredentials(bytes.NewReader(text))
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "provision: "))
	}
	return all, nil
}

// Decrypt decrypts a text of age: one file, or several armored messages one after
// another. The end of a message that was cut off does not count.
func Decrypt(data []byte, identities []age.Identity) ([]byte, error) {
	if bytes.HasPrefix(data, []byte(binary)) {
		return decrypt(bytes.NewReader(data), identities)
	}
	var all []byte
	for n := 1; ; n++ {
		end := bytes.Index(data, []byte(armor.Footer))
		if end < 0 {
			return all, nil
		}
		end += len(armor.Footer)
		text, err := decrypt(armor.NewReader(bytes.NewReader(data[:end])), identities)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", n, err)
		}
		all = append(all, text...)
		data = bytes.TrimLeft(data[end:], "\r\n")
	}
}

func decrypt(from io.Reader, identities []age.Identity) ([]byte, error) {
	r, err := age.Decrypt(from, identities...)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, errors.New("the identity is not one that it is encrypted to")
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	return text, nil
}

// Recipients reads recipients: age1…, or @FILE with one a line. No error holds what was
// given, which may be a secret key by mistake.
func Recipients(texts []string) ([]age.Recipient, error) {
	var all []age.Recipient
	for _, text := range texts {
		file, isFile := strings.CutPrefix(text, "@")
		lines := text
		if isFile {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("the recipients cannot be read: %w", err)
			}
			lines = string(data)
		}
		if strings.Contains(lines, "AGE-SECRET-KEY-") || strings.Contains(lines, "PRIVATE KEY") {
			return nil, errors.New("that is a secret key, and nobody else may see it: give the recipient that belongs to it, which begins with age1")
		}
		n := len(all)
		for line := range strings.Lines(lines) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			recipient, err := recipient(line)
			if err != nil {
				return nil, errors.New("this is no recipient of age: want age1…, or @FILE with one a line")
			}
			all = append(all, recipient)
		}
		if len(all) == n {
			return nil, errors.New("there is no recipient of age: want age1…, or @FILE with one a line")
		}
	}
	return all, nil
}

func recipient(line string) (age.Recipient, error) {
	all, err := age.ParseRecipients(strings.NewReader(line))
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Identities reads the keys of a file that age-keygen made.
func Identities(file string) ([]age.Identity, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the identity cannot be read: %w", err)
	}
	all, err := age.ParseIdentities(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s has no identity of age: it needs one a line, as age-keygen writes it", file)
	}
	return all, nil
}
