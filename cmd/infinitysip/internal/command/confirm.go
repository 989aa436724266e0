package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// errNothingChanged is the error of a question that was not answered with yes.
var errNothingChanged = errors.New("nothing was changed")

// yesFlag adds the flag --yes.
func (a *app) yesFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.yes, "yes", "y", false, "do not ask")
}

// confirm asks whether to go on, unless --yes says so: a question such as "Delete
// user joe.blogs (id 1) of domain acme?". Only y and yes go on. If there is nobody
// to ask, the error is a usageError.
func (a *app) confirm(ctx context.Context, format string, args ...any) error {
	if a.yes {
		return nil
	}
	question := fmt.Sprintf(format, args...)
	if !isTerminal(a.stdin) {
		return withMend(wrongUse("%s", question), "Nobody can be asked here, because standard input is not a terminal. Say --yes to go on. Nothing was changed.")
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	answer, err := readLine(ctx, a.stdin)
	if err != nil {
		fmt.Fprintln(a.stderr)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errNothingChanged
}

// readLine reads a line, and no byte after it, without its line break.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	return await(ctx, func() (string, error) {
		var text []byte
		for b := make([]byte, 1); ; {
			n, err := r.Read(b)
			if n > 0 && b[0] != '\n' {
				text = append(text, b[0])
			}
			if n > 0 && b[0] == '\n' || err == io.EOF && len(text) > 0 {
				return strings.TrimSuffix(string(text), "\r"), nil
			}
			if err != nil {
				return "", err
			}
		}
	})
}

// readAll reads all that there is.
func readAll(ctx context.Context, r io.Reader) (string, error) {
	return await(ctx, func() (string, error) {
		text, err := io.ReadAll(r)
		return string(text), err
	})
}

// await returns what read returns, or an error as soon as ctx ends. The read goes on
// then until the program ends, because the read of a terminal cannot be ended.
func await(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := read()
		done <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got := <-done:
		return got.text, got.err
	}
}
