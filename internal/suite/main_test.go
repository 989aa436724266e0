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
}

func (f *figures) print() {
	if f.faults.Load()+f.badInputs.Load()+f.soakCalls.Load()+f.canaryCalls.Load() == 0 {
		return
	}
	fmt.Printf("reliability: %d of %d faults survived, %d of %d bad inputs answered clearly, %d calls in the soak, %d calls searched for secrets; "+
		"duplicates %d, false successes %d, hidden creates %d, leaks %d\n",
		f.survived.Load(), f.faults.Load(), f.answered.Load(), f.badInputs.Load(), f.soakCalls.Load(), f.canaryCalls.Load(),
		f.duplicates.Load(), f.falseSuccesses.Load(), f.hiddenCreates.Load(), f.leaks.Load())
}

func TestMain(m *testing.M) {
	if flag.Parse(); flag.Lookup("test.bench").Value.String() == "" {
		debug.SetGCPercent(300) // the tests make much garbage and hold little: a quarter less to do
	}
	code := m.Run()
	counted.print()
	os.Exit(code)
}
