package suite_test

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"testing"
)

var (
	soakCalls = flag.Int("soak", 1000, "TestSoak: the calls, of all its servers together")
	long      = flag.Duration("long", 0, "TestSoak: run again and again, each time with another seed, for so long")
	seed      = flag.Uint64("seed", 1, "TestSoak: the seed")
	allStorms = flag.Bool("storms", false, "TestStorms: every storm, and print what came of each")
	goTool    = flag.Bool("gotool", false, "make the tests that run the go command, too")
)

// slow skips with -short what takes many seconds.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes many seconds")
	}
}

// counted is what the reliability tests of this package count, each its own
// part; TestMain prints it.
var counted figures

type figures struct {
	faults, survived    atomic.Int64 // numbered faults that were tried, and those whose case passed
	badInputs, answered atomic.Int64 // bad inputs that were tried, and those with a clear answer
	soakCalls           atomic.Int64
	duplicates          atomic.Int64 // things that were created twice
	falseSuccesses      atomic.Int64 // calls that claimed a success which was none
	hiddenCreates       atomic.Int64 // creates reported as failed that exist, without ErrOutcomeUnknown
	canaryCalls, leaks  atomic.Int64 // calls whose every word was searched for secrets, and secrets found
	storms, held        atomic.Int64 // storms that were tried, and those that met their goals
}

// print prints the figures of what ran, for the table of .ci/run.
func (f *figures) print() {
	figure := func(what string, of *atomic.Int64, value string) {
		if of.Load() > 0 {
			fmt.Printf("figure: %s: %s\n", what, value)
		}
	}
	figure("faults survived", &f.faults, fmt.Sprintf("%d of %d", f.survived.Load(), f.faults.Load()))
	figure("bad inputs answered clearly", &f.badInputs, fmt.Sprintf("%d of %d", f.answered.Load(), f.badInputs.Load()))
	figure("calls in the soak", &f.soakCalls, fmt.Sprint(f.soakCalls.Load()))
	figure("calls searched for secrets", &f.canaryCalls, fmt.Sprint(f.canaryCalls.Load()))
	if f.faults.Load()+f.badInputs.Load()+f.soakCalls.Load()+f.canaryCalls.Load() > 0 {
		fmt.Printf("figure: duplicates, false successes, hidden creates, leaks: %d, %d, %d, %d\n",
			f.duplicates.Load(), f.falseSuccesses.Load(), f.hiddenCreates.Load(), f.leaks.Load())
	}
	figure("storms within their goals", &f.storms, fmt.Sprintf("%d of %d", f.held.Load(), f.storms.Load()))
}

func TestMain(m *testing.M) {
	if flag.Parse(); flag.Lookup("test.bench").Value.String() == "" {
		debug.SetGCPercent(300) // the tests make much garbage and hold little: a quarter less to do
	}
	code := m.Run()
	counted.print()
	os.Exit(code)
}
