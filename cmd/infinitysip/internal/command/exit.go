package command

import (
	"errors"
	"fmt"

	"github.com/infinitysip/infinitysip"
)

// The exit codes of the program. The help of the root command and the topic exit-codes tell
// them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitChanges     = 2 // of plan alone: there is something to do
	exitUnknown     = 3 // something was sent, and nobody knows whether it took effect
	exitNotFound    = 4
	exitCredentials = 5 // there are none, or the server refuses them
	exitUsage       = 64
)

// A usageError is a wrong use of the command line: exit code 64.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// wrongUse makes a usageError.
func wrongUse(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// A credentialsError says that there are no credentials that could be used: exit
// code 5.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// A codeError chooses the exit code. Its err may be nil: everything is told then.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *codeError) Unwrap() error { return e.err }

// A mended error says after its text, on lines of their own, what to do.
type mended struct {
	err  error
	mend string
}

func (e *mended) Error() string { return e.err.Error() + "\n" + e.mend }
func (e *mended) Unwrap() error { return e.err }

// withMend adds what to do to an error.
func withMend(err error, format string, args ...any) error {
	return &mended{err, fmt.Sprintf(format, args...)}
}

// exitCode is the exit code that an error means.
func exitCode(err error) int {
	if chosen, ok := errors.AsType[*codeError](err); ok {
		return chosen.code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return exitCredentials
	}
	if _, ok := errors.AsType[*infinitysip.ValidationError](err); ok {
		return exitUsage
	}
	switch {
	case err == nil, closedPipe(err):
		return exitDone
	case errors.Is(err, infinitysip.ErrOutcomeUnknown):
		return exitUnknown
	case errors.Is(err, infinitysip.ErrUnauthorized), errors.Is(err, infinitysip.ErrForbidden):
		return exitCredentials
	case errors.Is(err, infinitysip.ErrNotFound):
		return exitNotFound
	}
	return exitFailed
}
