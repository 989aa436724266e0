// Package bench is what the benchmarks share: a way to measure, a server in
// memory, sample rows and tables.
package bench

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Way is one way of doing a piece of work. Run does the work n times.
type Way struct {
	Name string
	Run  func(n int) error
}

// A Result is what one piece of the work took: medians of all rounds.
type Result struct {
	Name   string
	Micros float64 // time
	Allocs float64
	Bytes  float64   // allocated
	rounds []float64 // the time in each
}

// Against is how much longer r took than other, both of one Measure: the
// median of what it was in each round.
func (r Result) Against(other Result) float64 {
	ratios := make([]float64, len(r.rounds))
	for i, micros := range r.rounds {
		ratios[i] = micros / other.rounds[i]
	}
	return Median(ratios)
}

// Find returns the result of a way.
func Find(results []Result, name string) Result {
	for _, result := range results {
		if result.Name == name {
			return result
		}
	}
	panic("no way is called " + name)
}

// Measure has every way do n pieces of the work in each round, one way after
// the other, so that whatever else the machine does meets all of them.
func Measure(ways []Way, rounds, n int) ([]Result, error) {
	micros, allocs, bytes := make([][]float64, len(ways)), make([][]float64, len(ways)), make([][]float64, len(ways))
	for round := range rounds + 1 {
		for i := range ways {
			way := (i + round) % len(ways) // nobody is always first
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			err := ways[way].Run(n)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ways[way].Name, err)
			}
			if round == 0 {
				continue // to warm up
			}
			micros[way] = append(micros[way], float64(took.Nanoseconds())/1e3/float64(n))
			allocs[way] = append(allocs[way], float64(after.Mallocs-before.Mallocs)/float64(n))
			bytes[way] = append(bytes[way], float64(after.TotalAlloc-before.TotalAlloc)/float64(n))
		}
	}
	results := make([]Result, len(ways))
	for i, way := range ways {
		results[i] = Result{way.Name, Median(micros[i]), Median(allocs[i]), Median(bytes[i]), micros[i]}
	}
	return results, nil
}

// Times makes a Run of one piece of work.
func Times(f func() error) func(n int) error {
	return func(n int) error {
		for range n {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

// Workers has as many workers call f with 1 to n, each with the next that no
// other has had.
func Workers(workers, n int, f func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				f(i)
			}
		})
	}
	group.Wait()
}

// Median returns the middle value.
func Median[T int | int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// PeakHeap runs f and returns by how much the heap grew beyond what it was
// before: objects in use and those not yet swept, looked at every 200 µs.
func PeakHeap(f func() error) (bytes int64, err error) {
	runtime.GC()
	runtime.GC()
	start := heap()
	peak, stop, stopped := start, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for {
			peak = max(peak, heap())
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	err = f()
	close(stop)
	<-stopped
	return peak - start, err
}

// Held runs f and returns by how much what it returned lets the heap grow.
func Held[T any](f func() (T, error)) (bytes int64, err error) {
	runtime.GC()
	runtime.GC()
	start := heap()
	kept, err := f()
	runtime.GC()
	runtime.GC()
	grown := heap() - start
	runtime.KeepAlive(kept)
	return grown, err
}

func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
