//go:build unix

package trials

import (
	"flag"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
)

var seedFlag = flag.Uint64("seed", 0, "what the events are drawn from; 0 is another each time")

// TestMain runs the tests or, in a process that they started, a worker.
func TestMain(m *testing.M) {
	if text := os.Getenv(workerVariable); text != "" {
		os.Exit(work(text))
	}
	pgtest.Main(m)
}

// draw returns the seed of a trial, and what its events are drawn from.
func draw(t *testing.T) (uint64, *rand.Rand) {
	t.Helper()
	seed := *seedFlag
	for seed == 0 {
		seed = uint64(rand.Uint32())
	}
	t.Logf("again: go test -run '%s' -seed %d .", "^"+t.Name()+"$", seed)
	name := fnv.New64a()
	_, _ = name.Write([]byte(t.Name()))
	return seed, rand.New(rand.NewPCG(seed, name.Sum64()))
}
