package trials

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

var domains atomic.Int64 // that were drawn, each on a server of its own

// TestMain prints how many domains there were, for the table of .ci/run.
func TestMain(m *testing.M) {
	code := m.Run()
	fmt.Printf("figure: random domains: %d\n", domains.Load())
	os.Exit(code)
}
