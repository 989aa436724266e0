//go:build unix && !linux

package pgtest

import (
	"os"
	"syscall"
)

// attributes has the server run as another user than root, whom it refuses.
func attributes() *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.SysProcAttr{Credential: other()}
}
