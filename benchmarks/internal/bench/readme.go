package bench

import (
	"bytes"
	"fmt"
	"os"
	"slices"
)

// IntoReadme puts the tables where a README has a place for those of a command:
// between the lines
//
//	<!-- tables: written by go run . -readme -->
//	<!-- end of tables -->
func IntoReadme(file, command string, tables []byte) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin := []byte("<!-- tables: written by " + command + " -->\n")
	before, rest, begins := bytes.Cut(text, begin)
	_, after, ends := bytes.Cut(rest, []byte("<!-- end of tables -->\n"))
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the tables of %q", file, command)
	}
	return os.WriteFile(file, slices.Concat(before, begin, tables, []byte("<!-- end of tables -->\n"), after), 0o644)
}
