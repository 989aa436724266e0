package command

import (
	"cmp"
	"runtime/debug"
)

// version is the version of the module that the program was built from; "devel" if
// the build does not know it.
func version() string {
	built, ok := debug.ReadBuildInfo()
	if !ok || built.Main.Version == "(devel)" {
		return "devel"
	}
	return cmp.Or(built.Main.Version, "devel")
}
