package attempt

import "runtime/debug"

// Version returns the version of a module that a program was built with, or "" if the
// program does not tell. It is "devel" if the module is in a directory of its user.
func Version(built *debug.BuildInfo, module string) string {
	if built == nil {
		return ""
	}
	for _, m := range append([]*debug.Module{&built.Main}, built.Deps...) {
		switch {
		case m.Path != module:
			continue
		case m.Replace != nil:
			m = m.Replace
		}
		if m.Version == "(devel)" {
			return "devel"
		}
		return m.Version
	}
	return ""
}
