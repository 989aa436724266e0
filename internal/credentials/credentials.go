// Package credentials reads credentials from files, and keeps them under names in a
// folder. No error of it shows what a file holds.
package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// The names that a file and the environment have.
const (
	APIKey   = "INFINITY_API_KEY"
	Username = "INFINITY_USERNAME"
	Password = "INFINITY_PASSWORD"
	BaseURL  = "INFINITY_BASE_URL"
	Domain   = "INFINITY_DOMAIN"
)

// most is the largest file, in bytes.
const most = 64 << 10

// A Set is an account: an API key, or a user name and a password, and what goes with
// them.
type Set struct {
	APIKey             string
	Username, Password string
	BaseURL            string // "" is the usual server
	Domain             string // the id or the name of the domain that commands work in; "" is none
}

// An InsecureError says that others than the owner could read a file, or change it.
type InsecureError struct {
	Path, Problem, Mend string
}

func (e *InsecureError) Error() string {
	return e.Path + ": " + e.Problem + ", so it is not used"
}

// ReadFile reads a file of lines such as INFINITY_API_KEY=…. It refuses one that
// others can read. A link is followed, and a pipe is read to its end.
func ReadFile(path string) (Set, error) {
	file, err := os.Open(path)
	if err != nil {
		return Set{}, fileError(path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return Set{}, fileError(path, err)
	}
	if info.IsDir() {
		return Set{}, fmt.Errorf("%s: it is a folder, not a file", path)
	}
	if err := checkAccess(path, info); err != nil {
		return Set{}, err
	}
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return Set{}, fileError(path, err)
	}
	if len(text) > most {
		return Set{}, fmt.Errorf("%s: it is too large for a file of credentials: more than %d KiB", path, most>>10)
	}
	set, err := Parse(text)
	if err != nil {
		return Set{}, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

// fileError says which file cannot be read, and why, without the name of a system
// call.
func fileError(path string, err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		err = of.Err
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// Parse reads lines of NAME=VALUE. A value may be in single or double quotes; a
// backslash before a double quote or a backslash makes it one of the value. A line
// may begin with "export ". Empty lines and those that begin with # are left out.
func Parse(text []byte) (Set, error) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return Set{}, errors.New("it is not text in UTF-8")
	}
	var set Set
	at := map[string]int{} // the lines on which the names are
	for n, line := range strings.Split(string(text), "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		field := set.field(name)
		switch {
		case !found:
			return Set{}, fmt.Errorf("line %d is not NAME=VALUE", n)
		case field == nil:
			return Set{}, fmt.Errorf("line %d has none of the names %s, %s, %s, %s and %s before its =", n, APIKey, Username, Password, BaseURL, Domain)
		case at[name] > 0:
			return Set{}, fmt.Errorf("%s is on line %d and on line %d", name, at[name], n)
		}
		at[name] = n
		value, problem := unquote(strings.TrimSpace(value))
		if problem != "" {
			return Set{}, fmt.Errorf("line %d: %s", n, problem)
		}
		*field = value
	}
	return set, set.problem()
}

// field is the field of a name; nil if there is none.
func (s *Set) field(name string) *string {
	switch name {
	case APIKey:
		return &s.APIKey
	case Username:
		return &s.Username
	case Password:
		return &s.Password
	case BaseURL:
		return &s.BaseURL
	case Domain:
		return &s.Domain
	}
	return nil
}

// problem says what is missing, or too much.
func (s *Set) problem() error {
	switch {
	case s.APIKey != "" && (s.Username != "" || s.Password != ""):
		return fmt.Errorf("it has both %s and a user name or a password: keep one of the two", APIKey)
	case s.APIKey != "":
		return nil
	case s.Username != "" && s.Password == "":
		return fmt.Errorf("it has %s without %s", Username, Password)
	case s.Username == "" && s.Password != "":
		return fmt.Errorf("it has %s without %s", Password, Username)
	case s.Username == "":
		return fmt.Errorf("it has neither %s nor %s and %s", APIKey, Username, Password)
	}
	return nil
}

// unquote takes the quotes off a value.
func unquote(text string) (value, problem string) {
	if text == "" {
		return "", ""
	}
	quote := text[0]
	if quote != '\'' && quote != '"' {
		if strings.Contains(text, " #") || strings.Contains(text, "\t#") {
			return "", "put the value in quotes, because it has a # after a space"
		}
		return text, ""
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			if rest := strings.TrimSpace(text[i+1:]); rest != "" && rest[0] != '#' {
				return "", "there is more after the quote that ends the value"
			}
			return b.String(), ""
		case c == '\\' && quote == '"':
			if i++; i == len(text) || text[i] != '"' && text[i] != '\\' {
				return "", `in double quotes a backslash needs a " or another backslash after it; single quotes take it as it is`
			}
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "the quote that begins the value has no end"
}

// format is the text of a Set, which Parse reads.
func (s *Set) format() ([]byte, error) {
	var b bytes.Buffer
	for _, name := range []string{APIKey, Username, Password, BaseURL, Domain} {
		value := *s.field(name)
		if value == "" {
			continue
		}
		if strings.ContainsAny(value, "\x00\n\r") || !utf8.ValidString(value) {
			return nil, fmt.Errorf("the value of %s holds a line break or is not UTF-8", name)
		}
		fmt.Fprintf(&b, "%s=\"%s\"\n", name, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value))
	}
	return b.Bytes(), s.problem()
}
