//go:build !windows

package command

import (
	"errors"
	"syscall"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// closedPipe reports whether nobody reads standard output any more, as in
// "infinitysip users list | head -1". A pipe to the server is another matter.
func closedPipe(err error) bool {
	failed, ok := errors.AsType[*output.WriteError](err)
	return ok && errors.Is(failed, syscall.EPIPE)
}
