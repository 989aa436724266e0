//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package journal

import "os"

// lock is for systems that have flock.
func lock(*os.File) error { return nil }

func unlock(*os.File) {}
