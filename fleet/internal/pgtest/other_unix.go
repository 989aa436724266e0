//go:build unix

package pgtest

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// other is the user who runs the server when root runs the tests.
func other() *syscall.Credential {
	if found, err := user.Lookup("postgres"); err == nil {
		uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534} // nobody
}

// give gives a folder to the user who runs the server.
func give(folder string) error {
	if os.Getuid() != 0 {
		return nil
	}
	to := other()
	return os.Chown(folder, int(to.Uid), int(to.Gid))
}
