//go:build unix

package credentials

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkAccess refuses a file that is another's, or that others can use.
func checkAccess(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return &InsecureError{path, fmt.Sprintf("others than its owner can use it (mode %04o)", mode), fmt.Sprintf("Take their rights away with: chmod 600 '%s'", path)}
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return &InsecureError{path, "it belongs to another user", "Use a file of your own."}
	}
	return nil
}
