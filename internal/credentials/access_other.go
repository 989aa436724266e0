//go:build !unix

package credentials

import "io/fs"

// checkAccess does nothing: the mode of a file does not say here who can read it.
func checkAccess(string, fs.FileInfo) error { return nil }
