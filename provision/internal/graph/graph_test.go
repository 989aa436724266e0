package graph

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func of(waits ...[]int) *Graph {
	return New(len(waits), func(i int, on func(int)) {
		for _, j := range waits[i] {
			on(j)
		}
	})
}

func TestRunKeepsTheOrder(t *testing.T) {
	t.Parallel()
	g := of([]int{3, 3}, nil, []int{0, 1}, []int{1})
	require.Nil(t, g.Circle())
	for workers := 1; workers < 5; workers++ {
		var (
			mu   sync.Mutex
			done []int
		)
		g.Run(workers, nil, func(i int) {
			mu.Lock()
			defer mu.Unlock()
			done = append(done, i)
		})
		require.Equal(t, []int{1, 3, 0, 2}, done)
	}
}

func TestRunSome(t *testing.T) {
	t.Parallel()
	g := of(nil, []int{0}, []int{1}, []int{2})
	var done []int
	g.Run(1, []bool{false, true, false, true}, func(i int) { done = append(done, i) })
	require.Equal(t, []int{1, 3}, done)
	g.Run(1, make([]bool, 4), func(int) { t.Error("nothing is to do") })
	of().Run(1, nil, func(int) { t.Error("there is nothing") })
}

func TestCircle(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{1, 2, 3}, of(nil, []int{2}, []int{0, 1}, []int{2}).Circle())
	require.Equal(t, []int{0}, of([]int{0}).Circle())
}

func TestPanicReachesTheCaller(t *testing.T) {
	t.Parallel()
	g := New(100, func(i int, on func(int)) {
		if i > 50 {
			on(i - 50)
		}
	})
	var begun atomic.Int64
	defer func() {
		require.Contains(t, recover(), "step 7 is bad")
		require.Less(t, begun.Load(), int64(60))
	}()
	g.Run(4, nil, func(i int) {
		begun.Add(1)
		if i == 7 {
			panic("step 7 is bad")
		}
		time.Sleep(time.Millisecond)
	})
	t.Error("it returned")
}
