package pgtest

import (
	"os"
	"syscall"
)

// attributes has the server run as another user than root, whom it refuses, and end with
// the process of the tests.
func attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() == 0 {
		attributes.Credential = other()
	}
	return attributes
}
