// Package folder finds the states of domains and the credentials of accounts in
// folders:
//
//	STATES/<account>/<domain>.json or .csv
//	ACCOUNTS/<account>.env
package folder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/infinitysip/infinitysip/fleet"
	"github.com/infinitysip/infinitysip/internal/credentials"
	"github.com/infinitysip/infinitysip/provision"
)

// Check says what is wrong with a folder that has to be there.
func Check(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return readError(dir, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file, not a folder", dir)
	}
	return nil
}

// readError says what cannot be read, and why, without the name of a system call.
func readError(path string, err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		err = of.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// Accounts is a folder with a file of credentials for each account.
type Accounts string

// Read reads the credentials of an account.
func (a Accounts) Read(account string) (credentials.Set, error) {
	if err := CheckAccount(account); err != nil {
		return credentials.Set{}, err
	}
	path := filepath.Join(string(a), account+".env")
	if err := regular(path); err != nil {
		return credentials.Set{}, err
	}
	set, err := credentials.ReadFile(path)
	if insecure, ok := errors.AsType[*credentials.InsecureError](err); ok {
		return set, fmt.Errorf("%w. %s", err, strings.TrimSuffix(insecure.Mend, "."))
	}
	return set, err
}

// regular says what is wrong with a file that has to be one with a beginning and an end: whoever
// reads a pipe may wait forever.
func regular(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return readError(path, err)
	case info.IsDir():
		return fmt.Errorf("%s is a folder, not a file", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	}
	return nil
}

// most is the largest file of a state, in bytes.
const most = 64 << 20

// readFile reads the file of a state.
func readFile(path string) ([]byte, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, readError(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, readError(path, err)
	}
	if len(text) > most {
		return nil, fmt.Errorf("%s is too large for a state: more than %d MiB", path, most>>20)
	}
	return text, nil
}

// Names are the accounts that have a file, in order.
func (a Accounts) Names() ([]string, error) {
	entries, err := os.ReadDir(string(a))
	if err != nil {
		return nil, readError(string(a), err)
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".env")
		if ok && CheckAccount(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// States is a folder with a folder for each account, which has a file for each domain.
type States string

// A Listing is what a folder of states has.
type Listing struct {
	Domains []fleet.Domain // in order, without Rev
	Ignored []string       // files that are of no domain
}

// All lists the domains of all accounts. Names that begin with a dot are left out.
func (s States) All() (Listing, error) {
	var all Listing
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return all, readError(string(s), err)
	}
	var wrong []error
	for _, e := range entries {
		path := filepath.Join(string(s), e.Name())
		info, err := os.Stat(path) // of what a link leads to
		switch {
		case strings.HasPrefix(e.Name(), "."):
			continue
		case err != nil:
			wrong = append(wrong, readError(path, err))
			continue
		case !info.IsDir():
			all.Ignored = append(all.Ignored, path)
			continue
		}
		of, err := s.Account(e.Name())
		if err != nil {
			wrong = append(wrong, err)
		}
		all.Domains = append(all.Domains, of.Domains...)
		all.Ignored = append(all.Ignored, of.Ignored...)
	}
	return all, errors.Join(wrong...)
}

// Account lists the domains of an account.
func (s States) Account(account string) (Listing, error) {
	var all Listing
	if err := CheckAccount(account); err != nil {
		return all, err
	}
	dir := filepath.Join(string(s), account)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return all, readError(dir, err)
	}
	var wrong []error
	listed := map[string]bool{}
	for _, e := range entries {
		path, ending := filepath.Join(dir, e.Name()), filepath.Ext(e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			continue
		case ending != ".json" && ending != ".csv":
			all.Ignored = append(all.Ignored, path)
			continue
		}
		name, err := domainOf(strings.TrimSuffix(e.Name(), ending))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", path, err))
			continue
		}
		if !listed[name] { // with two files: Read says so
			listed[name] = true
			all.Domains = append(all.Domains, fleet.Domain{Account: account, Name: name})
		}
	}
	return all, errors.Join(wrong...)
}

// Read reads the state of a domain. Its rev is the beginning of the SHA-256 of the
// file. What is wrong with the state itself, its Check tells.
func (s States) Read(account, domain string) (state *provision.State, rev string, err error) {
	if err := CheckAccount(account); err != nil {
		return nil, "", err
	}
	name, err := FileName(domain)
	if err != nil {
		return nil, "", err
	}
	base := filepath.Join(string(s), account, name)
	var path string
	var text []byte
	for _, ending := range []string{".json", ".csv"} {
		data, err := readFile(base + ending)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, "", err
		case path != "":
			return nil, "", fmt.Errorf("%s and %s are both of the domain %s: keep one of them", path, base+ending, domain)
		}
		path, text = base+ending, data
	}
	if path == "" {
		return nil, "", fmt.Errorf("there is no state of %s/%s: neither %s.json nor %s.csv is there", account, domain, base, name)
	}
	sum := sha256.Sum256(text)
	if filepath.Ext(path) == ".csv" {
		state, err = provision.ReadCSV(bytes.NewReader(text), &provision.CSVOptions{File: path})
	} else {
		state, err = provision.ReadJSON(named{bytes.NewReader(text), path})
	}
	if err != nil {
		return nil, "", err
	}
	return state, hex.EncodeToString(sum[:6]), nil
}

// named is a reader that messages have a name for.
type named struct {
	io.Reader
	name string
}

func (n named) Name() string { return n.name }
