package bucket_test

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/fleet/internal/bucket"
	"github.com/infinitysip/infinitysip/fleet/internal/database"
	"github.com/infinitysip/infinitysip/fleet/internal/pgtest"
)

// childOf is the variable that has the test binary be another process, on the database
// that it names.
const childOf = "BUCKET_TEST_CHILD_OF"

const (
	testRate = 50
	burst    = 0.1 // seconds without turns that may be made up for
)

func TestMain(m *testing.M) {
	if where := os.Getenv(childOf); where != "" {
		if err := takeTurns(where, os.Args[1]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

// takeTurns takes turns from four goroutines for a time, and writes when each of them was.
func takeTurns(where, duration string) error {
	ctx := context.Background()
	db, err := database.Open(ctx, where)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	b := bucket.New(db, "a", testRate)
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var mutex sync.Mutex
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				taken := b.Take(ctx)
				mutex.Lock()
				switch {
				case taken == nil:
					fmt.Println(time.Now().UnixMicro())
				case ctx.Err() == nil:
					err = taken
				}
				mutex.Unlock()
				if taken != nil {
					return
				}
				time.Sleep(5 * time.Millisecond) // the request
			}
		})
	}
	group.Wait()
	return err
}

// each runs a test on each kind of database, which is open.
func each(t *testing.T, test func(t *testing.T, where string, db *database.DB)) {
	pgtest.Each(t, func(t *testing.T, where string) { test(t, where, open(t, where)) })
}

func open(t testing.TB, where string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), where)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.Exec(t.Context(), bucket.Tables)
	require.NoError(t, err)
	return db
}

// nextAt returns next_at of a name, in microseconds.
func nextAt(t *testing.T, db *database.DB, name string) int64 {
	t.Helper()
	var next int64
	require.NoError(t, db.Query(t.Context(), func(scan func(...any) error) error { return scan(&next) },
		"SELECT next_at FROM account WHERE account = $1", name))
	return next
}

func TestSpacing(t *testing.T) {
	each(t, func(t *testing.T, _ string, db *database.DB) {
		for _, test := range []struct {
			rate     float64
			interval int64 // in microseconds
		}{
			{100, 10_000}, {300, 3_334}, {1e9, 1}, {math.Inf(1), 1},
		} {
			name := strconv.FormatFloat(test.rate, 'g', -1, 64)
			b := bucket.New(db, name, test.rate)
			require.NoError(t, b.Take(t.Context()))
			first := nextAt(t, db, name)
			// The database gives the turns one after the other, whoever asks.
			for range 20 {
				require.NoError(t, bucket.New(db, name, test.rate).Take(t.Context()))
			}
			require.GreaterOrEqual(t, nextAt(t, db, name)-first, 20*test.interval, "at %v", test.rate)
		}
	})
}

func TestNoRate(t *testing.T) {
	each(t, func(t *testing.T, _ string, db *database.DB) {
		for _, rate := range []float64{0, -1, math.NaN()} {
			b := bucket.New(db, "a", rate)
			for range 10_000 {
				require.NoError(t, b.Take(t.Context()))
			}
			require.Zero(t, nextAt(t, db, "a"))
			queue, err := b.Queue(t.Context())
			require.NoError(t, err)
			require.Zero(t, queue)
		}
	})
}

func TestHold(t *testing.T) {
	for _, rate := range []float64{0, testRate} {
		t.Run(fmt.Sprint("rate ", rate), func(t *testing.T) {
			each(t, func(t *testing.T, _ string, db *database.DB) {
				b := bucket.New(db, "a", rate)
				require.NoError(t, b.Take(t.Context()))
				before := nextAt(t, db, "a")
				require.NoError(t, b.Hold(t.Context(), 0))
				require.NoError(t, b.Hold(t.Context(), -time.Hour))
				require.NoError(t, b.Take(t.Context()))
				requireHeld(t, b, 0)

				require.NoError(t, b.Hold(t.Context(), time.Hour))
				require.NoError(t, b.Hold(t.Context(), time.Minute))
				for _, other := range []*bucket.Bucket{b, bucket.New(db, "a", rate)} {
					requireHeld(t, other, time.Hour)
					var held *bucket.HeldError
					require.ErrorAs(t, other.Take(t.Context()), &held)
					require.InDelta(t, time.Hour, held.For, float64(time.Minute))
					require.ErrorContains(t, held, "refuses every request of the account for ")
					queue, err := other.Queue(t.Context())
					require.NoError(t, err)
					require.InDelta(t, time.Hour, queue, float64(time.Minute))
				}
				require.LessOrEqual(t, nextAt(t, db, "a")-before, int64(time.Second/time.Microsecond), "a refused turn is none")
				require.NoError(t, bucket.New(db, "another", rate).Take(t.Context()))

				require.NoError(t, b.Hold(t.Context(), math.MaxInt64))
				require.NoError(t, b.Hold(t.Context(), time.Hour))
				held, err := b.Held(t.Context())
				require.NoError(t, err)
				require.Greater(t, held, 24*time.Hour)
			})
		})
	}
}

func requireHeld(t *testing.T, b *bucket.Bucket, d time.Duration) {
	t.Helper()
	held, err := b.Held(t.Context())
	require.NoError(t, err)
	require.InDelta(t, d, held, float64(time.Minute))
}

func TestShortHold(t *testing.T) {
	each(t, func(t *testing.T, _ string, db *database.DB) {
		for _, rate := range []float64{0, testRate} {
			name := fmt.Sprint("rate ", rate)
			require.NoError(t, bucket.New(db, name, rate).Hold(t.Context(), time.Second))
			b := bucket.New(db, name, rate)
			require.NoError(t, b.Take(t.Context()))
			held, err := b.Held(t.Context())
			require.NoError(t, err)
			require.Zero(t, held)
		}
	})
}

// A turn that comes after a hold began is none.
func TestHoldWhileWaiting(t *testing.T) {
	each(t, func(t *testing.T, _ string, db *database.DB) {
		waiting, refused := bucket.New(db, "a", 0.2), bucket.New(db, "a", 0.2)
		require.NoError(t, waiting.Take(t.Context()))
		before := nextAt(t, db, "a")
		result := make(chan error, 1)
		go func() { result <- waiting.Take(t.Context()) }()
		require.Eventually(t, func() bool { return nextAt(t, db, "a") > before }, 10*time.Second, time.Millisecond)
		require.NoError(t, refused.Hold(t.Context(), time.Hour))
		var held *bucket.HeldError
		require.ErrorAs(t, <-result, &held)
	})
}

func TestQueue(t *testing.T) {
	each(t, func(t *testing.T, _ string, db *database.DB) {
		b := bucket.New(db, "a", 0.01)
		queue, err := b.Queue(t.Context())
		require.NoError(t, err)
		require.Zero(t, queue)
		require.NoError(t, b.Take(t.Context()))
		queue, err = b.Queue(t.Context())
		require.NoError(t, err)
		require.InDelta(t, 100*time.Second, queue, float64(20*time.Second))

		ctx, cancel := context.WithCancel(t.Context())
		before := nextAt(t, db, "a")
		result := make(chan error, 1)
		go func() { result <- b.Take(ctx) }()
		require.Eventually(t, func() bool { return nextAt(t, db, "a") > before }, 10*time.Second, time.Millisecond)
		cancel()
		require.ErrorIs(t, <-result, context.Canceled)
		require.ErrorIs(t, b.Take(ctx), context.Canceled)
		require.ErrorIs(t, b.Hold(ctx, time.Second), context.Canceled)
	})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, _ string, db *database.DB) {
		names := []string{"", "a", "A", "a ", "ä", "'; DROP TABLE account; --", "$1", "🦆", strings.Repeat("long", 500)}
		for _, name := range names {
			require.NoError(t, bucket.New(db, name, 0).Hold(t.Context(), time.Hour), name)
		}
		for _, name := range names {
			requireHeld(t, bucket.New(db, name, 0), time.Hour)
			requireHeld(t, bucket.New(db, name+"x", 0), 0)
		}
	})
}

func TestDatabaseFails(t *testing.T) {
	each(t, func(t *testing.T, _ string, db *database.DB) {
		for _, rate := range []float64{0, testRate} {
			b := bucket.New(db, "a", rate)
			require.NoError(t, db.Close())
			require.ErrorContains(t, b.Take(t.Context()), `account "a"`)
			require.ErrorContains(t, b.Hold(t.Context(), time.Second), `account "a"`)
			_, err := b.Held(t.Context())
			require.ErrorContains(t, err, `account "a"`)
			_, err = b.Queue(t.Context())
			require.ErrorContains(t, err, `account "a"`)
		}
	})
}

// Four processes use the whole rate, and never more than it.
func TestProcesses(t *testing.T) {
	each(t, func(t *testing.T, where string, _ *database.DB) {
		program, err := os.Executable()
		require.NoError(t, err)
		const processes, seconds = 4, 5
		var commands []*exec.Cmd
		var outputs []*bufio.Scanner
		for range processes {
			command := exec.Command(program, fmt.Sprint(seconds, "s"))
			command.Env = append(os.Environ(), childOf+"="+where)
			command.Stderr = os.Stderr
			output, err := command.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, command.Start())
			commands = append(commands, command)
			outputs = append(outputs, bufio.NewScanner(output))
		}
		var turns []float64 // in seconds
		for i, output := range outputs {
			for output.Scan() {
				at, err := strconv.ParseInt(output.Text(), 10, 64)
				require.NoError(t, err)
				turns = append(turns, float64(at)/1e6)
			}
			require.NoError(t, commands[i].Wait())
		}
		slices.Sort(turns)
		require.NotEmpty(t, turns)

		// A window of the length t has at most rate*t turns, and a small burst. A process on a
		// busy machine goes on after its turn, so that turns of before come in the window, too.
		const slack = 0.5
		most := 0.0
		for i, from := range turns {
			for j, to := range turns[i:] {
				over := float64(j+1) - testRate*(to-from)
				most = max(most, over)
			}
		}
		took := turns[len(turns)-1] - turns[0]
		t.Logf("%d turns in %.2f s: %.3f of the rate; at most %.1f above it in any window", len(turns), took, float64(len(turns)-1)/took/testRate, most)
		require.LessOrEqual(t, most, 1+testRate*(burst+slack))
	})
}

func BenchmarkTake(b *testing.B) {
	for _, test := range []struct {
		name  string
		where func() string
	}{
		{"PostgreSQL", func() string { return pgtest.URL(b) }},
		{"SQLite", func() string { return filepath.Join(b.TempDir(), "fleet.db") }},
	} {
		b.Run(test.name, func(b *testing.B) {
			db := open(b, test.where())
			for _, rate := range []float64{0, math.Inf(1)} {
				b.Run(fmt.Sprint("rate=", rate), func(b *testing.B) {
					bucket := bucket.New(db, fmt.Sprint(rate), rate)
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							if err := bucket.Take(b.Context()); err != nil {
								b.Fatal(err)
							}
						}
					})
				})
			}
		})
	}
}
