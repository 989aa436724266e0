//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package secrets

import (
	"errors"
	"os"
	"syscall"
)

func lock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return errors.New("another process has it open: wait until that has ended, or give the name of another file")
		}
		return err
	}
}

// unlock: a process that is being started has the file too until it runs its program,
// so closing alone would not always end the lock.
func unlock(file *os.File) { _ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
