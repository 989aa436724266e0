//go:build unix

package trials

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// events are what is done to the processes of a trial.
type events struct {
	processes, domains, kills, stops int

	// lost is how many answers each server loses in each thousand requests.
	lost int
}

// Two processes keep 60 domains. Twenty times one of them is killed, and five times one is
// stopped for seconds, while what is wanted changes. In the end everything is there
// once, and nothing is lost.
func TestKills(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		events{processes: 2, domains: 60, kills: 20, stops: 5}.run(t, url)
	})
}

// Four processes are killed and stopped, and the servers lose answers: of requests that they have
// carried out, and of ones that they have not.
func TestKillsAndLostAnswers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, url string) {
		events{processes: 4, domains: 12, kills: 5, stops: 2, lost: 2}.run(t, url)
	})
}

func (e events) run(t *testing.T, url string) {
	options := siptest.Options{Latency: 3 * time.Millisecond}
	north, south := newAccount(t, "north", options), newAccount(t, "south", options)
	tr := begin(t, url, north, south)
	for i := range e.domains {
		tr.add([]string{"north", "south"}[i%2], wish{Users: 20})
	}
	if e.lost > 0 {
		tr.loseAnswers(north, e.lost)
		tr.loseAnswers(south, e.lost)
	}
	require.NoError(t, tr.db.Enqueue(t.Context(), tr.domains...))
	for range e.processes {
		tr.start()
	}
	begun := time.Now()
	all := slices.Concat(slices.Repeat([]string{"kill"}, e.kills-1), slices.Repeat([]string{"stop"}, e.stops))
	tr.rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	cut := 0 // how many events met a run
	for _, event := range append(all, "kill") {
		tr.pause(50*time.Millisecond, 500*time.Millisecond)
		tr.bump(tr.some(3)...)
		tr.pause(time.Millisecond, 100*time.Millisecond)
		if tr.jobs()["running"] > 0 {
			cut++
		}
		w := tr.workers[tr.rand.IntN(len(tr.workers))]
		if event == "kill" {
			tr.lose(w)
			tr.start()
		} else {
			tr.halt(w)
		}
	}
	took := tr.whole(time.Minute, tr.domains...)
	requests := 0
	for _, a := range tr.accounts {
		requests += len(a.requests())
	}
	fmt.Printf("figure: %s, seed %d: %d kills and %d stops, %d of them during runs; %d domains right; %d requests\n",
		t.Name(), tr.seed, e.kills, e.stops, cut, len(tr.domains), requests)
	fmt.Printf("%s: it took %.1f s; the domains were right %.1f s after the last kill\n", t.Name(), time.Since(begun).Seconds()-took.Seconds(), took.Seconds())
	tr.finish(tr.domains)
}

// loseAnswers has the server of an account lose so many of each thousand answers, of writes ten times as many.
func (tr *trial) loseAnswers(a *account, lost int) {
	for _, op := range []string{"*", "Users.Create", "Users.Update", "Users.AddDevice", "Devices.Create", "Groups.Create"} {
		apart := 2000 / lost
		if op != "*" {
			apart /= 10
		}
		for n := 1; n < 10_000; n += 1 + tr.rand.IntN(apart) {
			fault := siptest.On(op).Nth(n).Rewrite(a.token)
			switch tr.rand.IntN(8) {
			case 0:
				fault = fault.Drop()
			case 1:
				fault = fault.Reset()
			case 2:
				fault = fault.Status(502)
			case 3:
				fault = fault.CommitThenStatus(504)
			case 4:
				fault = fault.Truncate(3)
			case 5:
				fault = fault.CommitThenReset()
			default:
				fault = fault.CommitThenDrop()
			}
			a.srv.Fail(fault)
		}
	}
}

// halt stops a worker for one to three seconds. Meanwhile its jobs may be put back, as River
// does with jobs that run for too long, and it may lose its sessions.
func (tr *trial) halt(w *worker) {
	tr.Helper()
	w.signal(syscall.SIGSTOP)
	defer func() {
		tr.halted[w.name] = time.Now()
		w.signal(syscall.SIGCONT)
	}()
	tr.pause(300*time.Millisecond, time.Second)
	if tr.rand.IntN(3) > 0 {
		tr.putBack()
	}
	// One that has not begun may end for want of a session, as Run says.
	if cut := tr.rand.IntN(2) == 0; cut && tr.raw.Pool != nil && tr.hasSent(w) {
		_, err := tr.raw.Exec(tr.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", w.name)
		require.NoError(tr, err)
	}
	tr.pause(700*time.Millisecond, 2*time.Second)
}

// hasSent reports whether a worker has sent a request.
func (tr *trial) hasSent(w *worker) bool {
	for _, a := range tr.accounts {
		if slices.ContainsFunc(a.requests(), func(r arrival) bool { return r.from == w.name }) {
			return true
		}
	}
	return false
}

// putBack puts all jobs that run back into the queue. It does nothing if the process that is
// stopped has the file of SQLite locked.
func (tr *trial) putBack() {
	tr.Helper()
	patience := func(ms int) {
		if tr.raw.File != nil {
			_, err := tr.raw.File.ExecContext(tr.Context(), fmt.Sprintf("PRAGMA busy_timeout = %d", ms))
			require.NoError(tr, err)
		}
	}
	patience(300)
	defer patience(10_000)
	_, err := tr.raw.Exec(tr.Context(), "UPDATE river_job SET state = 'available' WHERE state = 'running' AND kind = 'fleet_domain'")
	if err != nil && !strings.Contains(err.Error(), "SQLITE_BUSY") {
		require.NoError(tr, err)
	}
}

// What is wanted changes fast, and each change is said. The last one wins, whenever it
// meets the run before it. Now and then jobs that run are put back, so that another worker gets
// them: only the lock keeps it from running the domain too.
func TestEnqueueDuringRuns(t *testing.T) {
	t.Parallel()
	times := 40
	if *longFlag {
		times = 200
	}
	for _, try := range []struct {
		name                      string
		processes, domains, times int
		pause                     time.Duration
	}{
		{"many domains", 2, 20, 4, 15 * time.Millisecond},
		{"one domain", 4, 1, times, 40 * time.Millisecond},
	} {
		t.Run(try.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(t *testing.T, url string) {
				tr := begin(t, url, newAccount(t, "north", siptest.Options{Latency: 5 * time.Millisecond}))
				for range try.domains {
					tr.add("north", wish{Users: 4, Bare: true})
				}
				tr.orders.Workers = try.domains
				for range try.processes {
					tr.start()
				}
				begun := time.Now()
				var longest time.Duration
				for range try.times {
					for range 1 + tr.rand.IntN(5*try.domains) {
						tr.bump(tr.some(1)...)
						tr.pause(0, try.pause)
						if tr.rand.IntN(4) == 0 {
							tr.putBack()
						}
					}
					tr.bump(tr.domains...)
					longest = max(longest, tr.whole(time.Minute, tr.domains...))
					tr.requirePlansEmpty(tr.domains)
				}
				fmt.Printf("figure: %s, seed %d: %d changes of %d domains\n", t.Name(), tr.seed, tr.changes(), try.domains)
				fmt.Printf("%s: in %.1f s; the last ones took %.1f s at most\n", t.Name(), time.Since(begun).Seconds(), longest.Seconds())
				tr.finish(tr.domains)
			})
		})
	}
}

func (tr *trial) changes() (n int) {
	for _, d := range tr.domains {
		n += tr.wish(d).Rev
	}
	return n
}
