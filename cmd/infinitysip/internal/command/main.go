package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Main runs the program with the arguments and the surroundings of the process,
// and returns its exit code.
//
// The first Ctrl-C, SIGTERM or closed window ends the context of the command: it
// begins nothing more, ends the calls under way and tells what was done. The
// second one ends the program at once. A closed pipe does not end the program:
// a command that changes something has to go on, and to tell what it did.
func Main() int {
	const patience = 300 * time.Millisecond // then the person hears that the program is ending
	signal.Ignore(syscall.SIGPIPE)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	ended := context.AfterFunc(ctx, func() {
		stop()
		signal.Ignore(syscall.SIGHUP) // a window that closes sends several
		time.AfterFunc(patience, func() {
			fmt.Fprintln(os.Stderr, "\nStopping. Ctrl-C again ends the program at once.")
		})
	})
	defer stop()
	defer ended()
	return run(ctx, &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:])
}
