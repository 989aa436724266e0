// Package graph runs steps that wait for each other. It does not know what they do.
package graph

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Graph is n steps, numbered from 0, and which of them wait for which. It keeps
// them in two slices, because there may be many.
type Graph struct {
	first []int32 // of each step, where those that wait for it begin in next
	next  []int32
}

// New makes the graph of n steps. waits calls its function with each step that step
// i waits for; one that it names twice counts as one.
func New(n int, waits func(i int, on func(j int))) *Graph {
	g := &Graph{first: make([]int32, n+1)}
	for i := range n {
		waits(i, func(j int) { g.first[j+1]++ })
	}
	for i := range n {
		g.first[i+1] += g.first[i]
	}
	g.next = make([]int32, g.first[n])
	at := make([]int32, n)
	copy(at, g.first)
	for i := range n {
		waits(i, func(j int) {
			g.next[at[j]] = int32(i) //nolint:gosec // more than two billion steps do not fit into memory
			at[j]++
		})
	}
	return g
}

// Circle returns the steps that are in a circle, or wait for one that is; nil if
// there are none.
func (g *Graph) Circle() []int {
	waiting, ready := g.start(nil)
	for at := 0; at < len(ready); at++ {
		for _, after := range g.after(ready[at]) {
			if waiting[after]--; waiting[after] == 0 {
				ready = append(ready, after)
			}
		}
	}
	var circle []int
	for i, n := range waiting {
		if n > 0 {
			circle = append(circle, i)
		}
	}
	return circle
}

// Run calls do for each step that todo names, at most workers at a time, when all of
// todo that it waits for are over. A nil todo is all steps. What do wrote before it
// returned, a step that waits for it sees. If do panics, no further step is begun, and Run
// panics with that when the others are over.
func (g *Graph) Run(workers int, todo []bool, do func(i int)) {
	var (
		mu             sync.Mutex
		waiting, ready = g.start(todo)
		left           = len(waiting)
		queue          = make(chan int32, len(waiting))
		group          sync.WaitGroup
	)
	for i := range todo {
		if !todo[i] {
			left--
		}
	}
	if left == 0 {
		return
	}
	for _, i := range ready {
		queue <- i
	}
	finish := func(i int32) {
		mu.Lock()
		defer mu.Unlock()
		for _, after := range g.after(i) {
			if waiting[after]--; waiting[after] == 0 && (todo == nil || todo[after]) {
				queue <- after
			}
		}
		if left--; left == 0 {
			close(queue)
		}
	}
	var panicked atomic.Pointer[string] // a panic of do is for whoever called Run, who may recover it
	step := func(i int32) {
		defer finish(i) // also when do ends its goroutine, as a test does that fails
		defer func() {
			if v := recover(); v != nil {
				panicked.CompareAndSwap(nil, new(fmt.Sprintf("%v\n\n%s", v, debug.Stack())))
			}
		}()
		if panicked.Load() == nil {
			do(int(i))
		}
	}
	for range min(workers, left) {
		group.Go(func() {
			for i := range queue {
				step(i)
			}
		})
	}
	group.Wait()
	if text := panicked.Load(); text != nil {
		panic(*text)
	}
}

// after are the steps that wait for a step.
func (g *Graph) after(i int32) []int32 { return g.next[g.first[i]:g.first[i+1]] }

// start tells how many steps each waits for, and which wait for none.
func (g *Graph) start(todo []bool) (waiting, ready []int32) {
	waiting = make([]int32, len(g.first)-1)
	for i := range waiting {
		if todo != nil && !todo[i] {
			continue
		}
		for _, after := range g.after(int32(i)) { //nolint:gosec // see New
			waiting[after]++
		}
	}
	for i, n := range waiting {
		if n == 0 && (todo == nil || todo[i]) {
			ready = append(ready, int32(i)) //nolint:gosec // see New
		}
	}
	return waiting, ready
}
