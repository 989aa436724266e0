package credentials

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoProfile says that there is no profile of that name.
var ErrNoProfile = errors.New("there is no such profile")

// Profiles are a folder of Sets, each under a name, of which one may be in use. The
// folder need not be there: nothing is made before something is written.
type Profiles struct{ dir string }

// UserProfiles are those of the user. They are in the folder that the system has for
// configuration. The error says which variable is missing.
func UserProfiles() (Profiles, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return Profiles{}, err
	}
	return Profiles{filepath.Join(dir, "infinitysip")}, nil
}

// Path is the file of a profile.
func (p Profiles) Path(name string) string { return filepath.Join(p.dir, "profiles", name) }

// CurrentPath is the file with the name of the profile in use.
func (p Profiles) CurrentPath() string { return filepath.Join(p.dir, "profile") }

// CheckName says what is wrong with a name.
func CheckName(name string) error {
	letters := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
	if name == "" || len(name) > 64 || letters != "" || strings.ContainsAny(name[:1], ".-") {
		return fmt.Errorf("%q cannot be the name of a profile: letters, digits, dots, hyphens and underscores can, up to 64 of them, and a letter, a digit or an underscore comes first", name)
	}
	return nil
}

// Read reads a profile. The error is ErrNoProfile if there is none.
func (p Profiles) Read(name string) (Set, error) {
	if err := CheckName(name); err != nil {
		return Set{}, err
	}
	set, err := ReadFile(p.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Set{}, ErrNoProfile
	}
	return set, err
}

// Names are the names of the profiles, in order.
func (p Profiles) Names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(p.dir, "profiles"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fileError(filepath.Join(p.dir, "profiles"), err)
	}
	var names []string
	for _, e := range entries {
		if CheckName(e.Name()) == nil && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Current is the name of the profile in use; "" is none.
func (p Profiles) Current() (string, error) {
	text, err := os.ReadFile(p.CurrentPath())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fileError(p.CurrentPath(), err)
	}
	name := strings.TrimSpace(string(text))
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("%s: %w", p.CurrentPath(), err)
	}
	return name, nil
}

// Write keeps a profile. It replaces one of the same name.
func (p Profiles) Write(name string, set Set) error {
	if err := CheckName(name); err != nil {
		return err
	}
	text, err := set.format()
	if err != nil {
		return err
	}
	return write(p.Path(name), text)
}

// Use makes a profile the one in use. The error is ErrNoProfile if there is none.
func (p Profiles) Use(name string) error {
	if _, err := p.Read(name); err != nil {
		return err
	}
	return write(p.CurrentPath(), []byte(name+"\n"))
}

// Remove takes a profile away. If it is the one in use, none is in use then. The
// error is ErrNoProfile if there is none.
func (p Profiles) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	err := os.Remove(p.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNoProfile
	}
	if err != nil {
		return err
	}
	if current, err := p.Current(); err != nil || current != name {
		return err
	}
	return os.Remove(p.CurrentPath())
}

// write writes a file that only the user can read: as a whole, or not at all.
func write(path string, text []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()           // the error before it matters
			_ = os.Remove(file.Name()) // it may be gone
		}
	}()
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
