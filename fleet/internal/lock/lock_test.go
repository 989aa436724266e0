package lock_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/infinitysip/infinitysip/fleet/internal/lock"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
)

// childOf is the variable that has the test binary be another process, on the database
// that it names.
const childOf = "LOCK_TEST_CHILD_OF"

const soon = 30 * time.Second

func TestMain(m *testing.M) {
	if where := os.Getenv(childOf); where != "" {
		if err := serve(where); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

// serve does what the lines of the standard input say, and answers with a line each.
func serve(where string) error {
	ctx := context.Background()
	db, err := database.Open(ctx, where)
	if err != nil {
		return err
	}
	locks := lock.New(db)
	var held *lock.Held
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var answer any
		switch command, name, _ := strings.Cut(lines.Text(), " "); command {
		case "try":
			var got *lock.Held
			if got, err = locks.Try(ctx, name); err != nil {
				return err
			}
			if got != nil {
				held = got
			}
			answer = got != nil
		case "check":
			answer = held.Check(ctx)
		case "wait":
			lockContext := held.Context(ctx)
			<-lockContext.Done()
			answer = context.Cause(lockContext)
		case "release":
			held.Release()
		}
		fmt.Println(answer)
	}
	return lines.Err()
}

// A child is another process.
type child struct {
	command *exec.Cmd
	in      io.Writer
	out     *bufio.Reader
}

func newChild(t *testing.T, where string) *child {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	c := &child{command: exec.Command(program)}
	c.command.Env = append(os.Environ(), childOf+"="+where)
	c.command.Stderr = os.Stderr
	in, err := c.command.StdinPipe()
	require.NoError(t, err)
	out, err := c.command.StdoutPipe()
	require.NoError(t, err)
	c.in, c.out = in, bufio.NewReader(out)
	require.NoError(t, c.command.Start())
	t.Cleanup(c.kill)
	return c
}

func (c *child) kill() {
	_ = c.command.Process.Kill()
	_ = c.command.Wait()
}

func (c *child) ask(t *testing.T, command string) string {
	t.Helper()
	_, err := fmt.Fprintln(c.in, command)
	require.NoError(t, err)
	line, err := c.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(line, "\n")
}

func open(t *testing.T, where string) *lock.Locks {
	t.Helper()
	db, err := database.Open(t.Context(), where)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	locks := lock.New(db)
	t.Cleanup(func() { _ = locks.Close() })
	return locks
}

func take(t *testing.T, locks *lock.Locks, name string) *lock.Held {
	t.Helper()
	held, err := locks.Try(t.Context(), name)
	require.NoError(t, err)
	require.NotNil(t, held, "another has the lock %q", name)
	require.NoError(t, held.Check(t.Context()))
	return held
}

// requireTaken wants that another has the lock "a".
func requireTaken(t *testing.T, locks *lock.Locks) {
	t.Helper()
	held, err := locks.Try(t.Context(), "a")
	require.NoError(t, err)
	require.Nil(t, held, "the lock is free")
}

// requireFree waits until the lock can be taken, and takes it.
func requireFree(t *testing.T, locks *lock.Locks, name string) {
	t.Helper()
	require.Eventually(t, func() bool {
		held, err := locks.Try(t.Context(), name)
		return err == nil && held != nil
	}, soon, time.Millisecond)
}

func requireEnds(t *testing.T, ctx context.Context) error {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(soon):
		require.Fail(t, "the context does not end")
	}
	return context.Cause(ctx)
}

func TestExclusion(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		one, two := open(t, where), open(t, where)
		for _, other := range []*lock.Locks{one, two} {
			held := take(t, one, "a")
			requireTaken(t, other)
			take(t, other, "b").Release()
			take(t, other, "").Release()
			take(t, other, "a\x00/../ä\xff"+strings.Repeat("x", 5000)).Release()

			held.Release()
			held.Release()
			require.Error(t, held.Check(t.Context()))
			take(t, other, "a").Release()
		}

		// A second Release must not free the lock of who took it meanwhile.
		first := take(t, one, "a")
		first.Release()
		second := take(t, one, "a")
		first.Release()
		requireTaken(t, two)
		require.NoError(t, second.Check(t.Context()))
	})
}

func TestContext(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		locks := open(t, where)
		held := take(t, locks, "a")
		outer, cancel := context.WithCancelCause(t.Context())
		short, long := held.Context(outer), held.Context(t.Context())
		require.NoError(t, short.Err())
		cancel(io.ErrUnexpectedEOF)
		require.Equal(t, io.ErrUnexpectedEOF, requireEnds(t, short))
		require.NoError(t, long.Err())
		held.Release()
		cause := requireEnds(t, long)
		require.ErrorContains(t, cause, "released")
		require.NotErrorIs(t, cause, lock.ErrLost)
		require.Error(t, requireEnds(t, held.Context(t.Context())))

		over, cancelOver := context.WithCancel(t.Context())
		cancelOver()
		_, err := locks.Try(over, "a")
		require.ErrorIs(t, err, context.Canceled)
		take(t, locks, "a")
	})
}

func TestClose(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		one, two := open(t, where), open(t, where)
		a, b := take(t, one, "a"), take(t, one, "b")
		ctx := a.Context(t.Context())
		require.NoError(t, one.Close())
		require.NotErrorIs(t, requireEnds(t, ctx), lock.ErrLost)
		require.Error(t, b.Check(t.Context()))
		take(t, two, "a")
		take(t, two, "b")
		a.Release()
		b.Release()
		requireTaken(t, two)

		_, err := one.Try(t.Context(), "c")
		require.ErrorContains(t, err, "closed")
		require.NoError(t, one.Close())
		require.NoError(t, open(t, where).Close())
	})
}

func TestGoroutines(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		var holders, turns atomic.Int32
		var group sync.WaitGroup
		for range 4 {
			locks := open(t, where)
			for range 25 {
				group.Go(func() {
					for {
						held, err := locks.Try(t.Context(), "a")
						if err != nil {
							t.Error(err)
							return
						}
						if held == nil {
							continue
						}
						if count := holders.Add(1); count != 1 {
							t.Errorf("%d hold the lock", count)
						}
						if err := held.Check(t.Context()); err != nil {
							t.Error(err)
						}
						turns.Add(1)
						holders.Add(-1)
						held.Release()
						return
					}
				})
			}
		}
		group.Wait()
		require.EqualValues(t, 100, turns.Load())
	})
}

// A caller who does not wait for the lock does not have it.
func TestTryUntilContextEnds(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		locks := open(t, where)
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				if held, err := locks.Try(ctx, "a"); held != nil && err == nil {
					held.Release()
				}
			})
		}
		group.Wait()
		requireFree(t, locks, "a")
		take(t, locks, "b")
	})
}

func TestProcesses(t *testing.T) {
	pgtest.Each(t, func(t *testing.T, where string) {
		locks := open(t, where)
		held := take(t, locks, "a")
		other := newChild(t, where)
		require.Equal(t, "false", other.ask(t, "try a"))
		held.Release()
		require.Equal(t, "true", other.ask(t, "try a"))
		requireTaken(t, locks)
		other.ask(t, "release")
		take(t, locks, "a").Release()

		require.Equal(t, "true", other.ask(t, "try a"))
		other.kill()
		killed := time.Now()
		requireFree(t, locks, "a")
		t.Logf("free %s after kill -9", time.Since(killed))
	})
}
