package command

import (
	"os"
	"strconv"

	"golang.org/x/term"
)

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}

// width is how many columns the terminal of standard output has; 0: it is none.
// The variable COLUMNS goes before what the terminal says of itself.
func (a *app) width() int {
	const (
		usual = 80 // of a terminal that does not know
		least = 20
	)
	if !isTerminal(a.stdout) {
		return 0
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return max(columns, least)
	}
	columns, _, err := term.GetSize(int(a.stdout.(interface{ Fd() uintptr }).Fd()))
	if err != nil || columns <= 0 {
		return usual
	}
	return max(columns, least)
}

// colored reports whether standard output takes colours: a terminal does, unless
// NO_COLOR is set (https://no-color.org) or it says that it is a dumb one.
func (a *app) colored() bool {
	return isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
