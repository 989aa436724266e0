package command

import (
	"errors"
	"strings"
)

// The exit codes of the program, which the help of the root command tells.
const (
	exitDone     = 0
	exitFailed   = 1
	exitNotRight = 2 // of status alone
	exitUsage    = 64
)

// errNotRight says that some domains are not as they should be. All is told then.
var errNotRight = errors.New("")

// A usageError is a wrong use of the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// wrongUse makes a usageError.
func wrongUse(text string) error { return &usageError{errors.New(text)} }

// wrongUses makes a usageError of several errors, or nil of none.
func wrongUses(wrong []error) error {
	if err := errors.Join(wrong...); err != nil {
		return &usageError{err}
	}
	return nil
}

func exitCode(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNotRight):
		return exitNotRight
	}
	return exitFailed
}

// plain is the text of an error without the names of packages, as a terminal may show
// it.
func plain(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = printable(unprefixed(line))
	}
	return strings.Join(lines, "\n")
}

// unprefixed is a line without the names of the packages that made it, in which flags stand
// for the fields of fleet.Config.
func unprefixed(line string) string {
	for _, name := range []string{"fleet: ", "infinitysip: ", "provision: "} {
		line = strings.ReplaceAll(strings.TrimPrefix(line, name), ": "+name, ": ")
	}
	return strings.NewReplacer("Config.Recipients", "--recipient", "Config.Timeout", "--timeout").Replace(line)
}
