package command

import (
	"errors"
	"syscall"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// closedPipe reports whether nobody reads standard output any more, as in
// "infinitysip users list | more". A pipe to the server is another matter.
func closedPipe(err error) bool {
	failed, ok := errors.AsType[*output.WriteError](err)
	const noData = syscall.Errno(232) // ERROR_NO_DATA
	return ok && (errors.Is(failed, syscall.EPIPE) || errors.Is(failed, syscall.ERROR_BROKEN_PIPE) || errors.Is(failed, noData))
}
