package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Main runs the program with the arguments and the surroundings of the process, and
// returns its exit code. The first Ctrl-C or SIGTERM ends the context of the command, the
// second one ends the program at once.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	return run(ctx, &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, executable: os.Executable}, os.Args[1:])
}

// run runs the program and returns its exit code.
func run(ctx context.Context, a *app, args []string) int {
	stdout := &remembering{to: a.stdout}
	a.stdout = stdout
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.begun {
		err = &usageError{err}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("it was stopped before it was done")
	}
	if failed := stdout.failed; failed != nil && (err == nil || errors.Is(err, errNotRight) || errors.Is(err, failed)) {
		err = fmt.Errorf("the output cannot be written: %w", failed)
	}
	code := exitCode(err)
	if err != nil && err.Error() != "" {
		fmt.Fprintf(a.stderr, "fleet: %s\n", plain(err))
	}
	return code
}

// A remembering writer stays with its first error, so that a table that could not be written
// whole is no success.
type remembering struct {
	to     io.Writer
	mu     sync.Mutex
	failed error
}

func (r *remembering) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return 0, r.failed
	}
	n, err := r.to.Write(p)
	r.failed = err
	return n, err
}
