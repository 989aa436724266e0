package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
	"github.com/infinitysip/infinitysip/provision"
)

const (
	provisionWorkers = 32
	mostGrowth       = 1.5 // leaves room for sorting, and for memory that no cache holds
)

// serveTrial is what a server's process does until its input ends. The trial is
// its name, its size and the latency of a request, with commas between them.
func serveTrial(text string, in io.Reader, out io.Writer) error {
	var n int
	var latency time.Duration
	name, rest, _ := strings.Cut(text, ",")
	size, wait, _ := strings.Cut(rest, ",")
	t, err := trialOf(name)
	if err == nil {
		n, err = strconv.Atoi(size)
	}
	if err == nil {
		latency, err = time.ParseDuration(wait)
	}
	if err != nil {
		return err
	}
	server, domain, err := t.start(n, latency)
	if err != nil {
		return err
	}
	defer server.Close()
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			server.ResetRequests() // nobody asks for them, and they fill the memory
		}
	}()
	fmt.Fprintln(out, server.URL(), domain)
	_, err = io.Copy(io.Discard, in)
	return err
}

// A site is the server of a trial, in a process of its own, and a client.
type site struct {
	client   *infinitysip.Client
	domain   infinitysip.DomainID
	requests atomic.Int64
	process  *exec.Cmd
	in       io.Closer
}

func openSite(t trial, n int, latency time.Duration) (*site, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &site{process: exec.Command(self, fmt.Sprintf("-serve=%s,%d,%v", t.name, n, latency))}
	s.process.Stderr = os.Stderr
	in, err := s.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.in = in
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	var url string
	if _, err := fmt.Fscanln(bufio.NewReader(out), &url, &s.domain); err != nil {
		return nil, errors.Join(fmt.Errorf("the server of %q does not begin: %w", t.name, err), s.close())
	}
	s.client, err = infinitysip.NewClient(infinitysip.APIKey(bench.Key), infinitysip.WithBaseURL(url), infinitysip.WithObserver(infinitysip.Observer{
		Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			s.requests.Add(1)
			return ctx, nil
		},
	}))
	return s, err
}

func (s *site) close() error {
	_ = s.in.Close()
	return s.process.Wait()
}

// A spending is what a piece of work costs this process.
type spending struct {
	wall, cpu time.Duration
	requests  int
}

func (s *site) spend(work func() error) (spending, error) {
	wall, cpu, requests := time.Now(), bench.CPUTime(), s.requests.Load()
	err := work()
	return spending{time.Since(wall), bench.CPUTime() - cpu, int(s.requests.Load() - requests)}, err
}

// A provisioned is what it costs to plan a domain, and to apply the plan.
type provisioned struct {
	plan, apply spending
	state, peak float64       // MB: the most that this process had held before, with the state, and after
	server      time.Duration // the processor's time, of the server's process
}

// run plans a domain, and applies the plan if it is to.
func (t trial) run(n int, latency time.Duration, apply bool) (p provisioned, changes *provision.Changes, err error) {
	s, err := openSite(t, n, latency)
	if err != nil {
		return p, nil, err
	}
	defer func() {
		err = errors.Join(err, s.close())
		p.server = s.process.ProcessState.UserTime() + s.process.ProcessState.SystemTime()
	}()
	ctx, desired := context.Background(), t.after(n)
	runtime.GC()
	p.state = bench.PeakMemory()
	p.plan, err = s.spend(func() (err error) {
		changes, err = provision.Plan(ctx, s.client, s.domain, desired, &provision.PlanOptions{Workers: provisionWorkers, Prune: t.prune, MaxDeletes: n})
		return err
	})
	if err == nil && changes.Empty() != t.same {
		err = fmt.Errorf("a plan of %d changes", len(changes.Items))
	}
	if err == nil && apply {
		p.apply, err = s.spend(func() error {
			_, err := changes.Apply(ctx, s.client, &provision.ApplyOptions{Workers: provisionWorkers})
			return err
		})
	}
	p.peak = bench.PeakMemory()
	if err != nil {
		err = fmt.Errorf("%s, %d: %w", t.name, n, err)
	}
	return p, changes, err
}

// byHand spends what a loop over the same calls does, without a plan.
func (t trial) byHand(n int, latency time.Duration, calls func(s *site) error) (spending, error) {
	s, err := openSite(t, n, latency)
	if err != nil {
		return spending{}, err
	}
	spent, err := s.spend(func() error { return calls(s) })
	return spent, errors.Join(err, s.close())
}

// readAll reads what the plan of a company reads.
func (s *site) readAll() error {
	ctx := context.Background()
	var groups []infinitysip.Group
	var queues []infinitysip.Queue
	lists := []func() error{
		func() (err error) { _, err = s.client.Users.List(ctx, s.domain); return err },
		func() (err error) { groups, err = s.client.Groups.List(ctx, s.domain); return err },
		func() (err error) { queues, err = s.client.Queues.List(ctx, s.domain, nil); return err },
		func() (err error) { _, err = s.client.TrustedNetworks.List(ctx, s.domain, nil); return err },
		func() (err error) { _, err = s.client.Devices.List(ctx, s.domain, nil); return err },
	}
	if err := together(len(lists), func(i int) error { return lists[i]() }); err != nil {
		return err
	}
	return together(len(groups)+len(queues), func(i int) (err error) {
		if i < len(groups) {
			_, err = s.client.Groups.ListUsers(ctx, s.domain, groups[i].ID)
		} else {
			_, err = s.client.Queues.ListMembers(ctx, s.domain, queues[i-len(groups)].ID)
		}
		return err
	})
}

// createUsers makes the new users of a plan.
func (s *site) createUsers(n int) error {
	all := users(n).Users
	return together(n, func(i int) error {
		u := all[i]
		_, err := s.client.Users.Create(context.Background(), s.domain, infinitysip.UserCreateParams{
			User: u.User, Password: provision.GeneratePassword(), DisplayName: u.DisplayName, ExtensionNumber: u.ExtensionNumber,
			Email: *u.Email, DepartmentName: *u.DepartmentName,
		})
		return err
	})
}

// together has the workers call f with 0 to n-1.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	bench.Workers(provisionWorkers, n, func(i int) { errs[i-1] = f(i - 1) })
	return errors.Join(errs...)
}

// provisions prints the tables on whole domains.
func provisions(w io.Writer, c config) error {
	table := &bench.Table{
		Title: fmt.Sprintf("Provision: plan and apply, %d workers", provisionWorkers),
		Note: "The server is a process of its own. CPU is of the client's process, with all that it collects. " +
			"The ideal is requests × latency ÷ workers. By hand are the same calls without a plan. Of several rounds the shortest.",
		Head: []string{"work", "requests", "s", "against the ideal", "CPU s"},
	}
	// The first one tells how much memory this process has ever held.
	for _, trials := range []func(*bench.Table, config) error{fromNothing, nothingToDo, littleToDo, manyCreates} {
		if err := trials(table, c); err != nil {
			return err
		}
	}
	table.Print(w)
	return growths(w, c)
}

// addSpending adds a line; without a latency there is no ideal.
func addSpending(table *bench.Table, work string, latency time.Duration, s spending) {
	against := "-"
	if latency > 0 {
		work = fmt.Sprintf("%s, %v a request", work, latency)
		ideal := time.Duration(s.requests) * latency / provisionWorkers
		against = bench.Ratio(s.wall.Seconds() / ideal.Seconds())
	}
	table.Add(work, strconv.Itoa(s.requests), bench.Number(s.wall.Seconds()), against, bench.Number(s.cpu.Seconds()))
}

func fromNothing(table *bench.Table, c config) error {
	n := c.pick(100_000, 10_000)
	p, changes, err := trialNewDevices.run(n, 0, true)
	if err != nil {
		return err
	}
	work := fmt.Sprintf("%d new users and as many devices", n)
	addSpending(table, work+", plan", 0, p.plan)
	addSpending(table, work+", apply", 0, p.apply)
	table.Goals = append(table.Goals,
		bench.AtMost(350*float64(n)/100_000, " MB", work+", peak memory of the process", p.peak),
		bench.AtMost(25*float64(n)/100_000, " s", work+", CPU", (p.plan.cpu+p.apply.cpu).Seconds()))
	table.Note += fmt.Sprintf(" Of the %s the state alone holds %s MB, and the server took %s s of CPU.", work, bench.Number(p.state), bench.Number(p.server.Seconds()))
	return savePlan(table, work, changes)
}

// savePlan adds what it costs to write a plan as JSON and to read it back.
func savePlan(table *bench.Table, work string, changes *provision.Changes) error {
	var none site // which no request is made to
	var text []byte
	wrote, err := none.spend(func() (err error) { text, err = json.Marshal(changes); return err })
	if err != nil {
		return err
	}
	addSpending(table, fmt.Sprintf("%s, plan to JSON (%s MB)", work, bench.Number(float64(len(text))/1e6)), 0, wrote)
	var back provision.Changes
	if _, ok := any(&back).(json.Unmarshaler); !ok {
		return nil // a plan cannot be read back
	}
	read, err := none.spend(func() error { return json.Unmarshal(text, &back) })
	if err != nil {
		return err
	}
	addSpending(table, work+", plan from JSON", 0, read)
	if again, err := json.Marshal(&back); err != nil || !bytes.Equal(again, text) {
		return errors.Join(err, errors.New("a plan that is read back is another"))
	}
	return nil
}

func nothingToDo(table *bench.Table, c config) error {
	n := c.pick(10_200, 2_040)
	var hand, plan []spending
	for range c.rounds(4) {
		spent, err := trialSame.byHand(n, latency, (*site).readAll)
		if err != nil {
			return err
		}
		p, _, err := trialSame.run(n, latency, false)
		if err != nil {
			return err
		}
		hand, plan = append(hand, spent), append(plan, p.plan)
	}
	work := fmt.Sprintf("%d users, nothing to do", n)
	addSpending(table, work+", by hand", latency, shortest(hand))
	addSpending(table, work+", plan", latency, shortest(plan))
	table.Goals = append(table.Goals, bench.AtMost(0.6, " s", work+", plan", shortest(plan).wall.Seconds()))
	return nil
}

func littleToDo(table *bench.Table, c config) error {
	n := c.pick(10_200, 2_040)
	p, _, err := trialRenamed.run(n, 0, true)
	if err != nil {
		return err
	}
	work := fmt.Sprintf("%d users, one in 100 gets another name", n)
	addSpending(table, work+", plan", 0, p.plan)
	addSpending(table, work+", apply", 0, p.apply)
	table.Goals = append(table.Goals, bench.AtMost(500, "", work+", requests", float64(p.plan.requests+p.apply.requests)))
	return nil
}

func manyCreates(table *bench.Table, c config) error {
	n := c.pick(10_000, 1_000)
	var hand, apply []spending
	for range c.rounds(2) {
		spent, err := trialNewUsers.byHand(n, latency, func(s *site) error { return s.createUsers(n) })
		if err != nil {
			return err
		}
		p, _, err := trialNewUsers.run(n, latency, true)
		if err != nil {
			return err
		}
		hand, apply = append(hand, spent), append(apply, p.apply)
	}
	work := fmt.Sprintf("%d new users", n)
	addSpending(table, work+", by hand", latency, shortest(hand))
	addSpending(table, work+", apply", latency, shortest(apply))
	ideal := time.Duration(n) * latency / provisionWorkers
	table.Goals = append(table.Goals, bench.AtMost(1.07, " ×", work+", apply, against the ideal of the creates", shortest(apply).wall.Seconds()/ideal.Seconds()))
	return nil
}

// shortest is the round that took least: whatever else the machine does only
// adds to it.
func shortest(rounds []spending) spending {
	return slices.MinFunc(rounds, func(a, b spending) int { return cmp.Compare(a.wall, b.wall) })
}

// growths prints the table on what becomes of the cost when a domain grows.
func growths(w io.Writer, c config) error {
	const times = 4
	table := &bench.Table{
		Title: "Provision: growth",
		Note:  fmt.Sprintf("CPU of the client's process, the least of several rounds, and against proportion: 1 × is %d times as much CPU for %[1]d times as many, %[1]d × is growth with the square.", times),
		Head:  []string{"work", "of", "CPU s", "of", "CPU s", "against proportion"},
	}
	for _, g := range []struct {
		trial trial
		n     int
		work  string
		apply bool
	}{
		{trialSwapped, c.pick(4_000, 1_000), "users swap extension numbers in pairs", false},
		{trialIDs, c.pick(10_000, 2_500), "users in groups", false},
		{trialNoIDs, c.pick(10_000, 2_500), "users in groups, rows without their ids", false},
		{trialReplaced, c.pick(250, 100), "places in a queue replaced", true},
	} {
		var plan, apply [2][]float64
		for range c.rounds(2) {
			for i, n := range []int{g.n, times * g.n} {
				p, _, err := g.trial.run(n, 0, g.apply)
				if err != nil {
					return err
				}
				plan[i], apply[i] = append(plan[i], p.plan.cpu.Seconds()), append(apply[i], p.apply.cpu.Seconds())
			}
		}
		add := func(work string, cpu [2][]float64) {
			small, large := slices.Min(cpu[0]), slices.Min(cpu[1])
			growth := large / small / times
			table.Add(work, strconv.Itoa(g.n), bench.Number(small), strconv.Itoa(times*g.n), bench.Number(large), bench.Ratio(growth))
			table.Goals = append(table.Goals, bench.AtMost(mostGrowth, " ×", work+", growth against proportion", growth))
			if g.trial.name == trialSwapped.name {
				table.Goals = append(table.Goals, bench.AtMost(1, " s", fmt.Sprintf("%d %s, CPU", times*g.n, work), large))
			}
		}
		add(g.work+", plan", plan)
		if g.apply {
			add(g.work+", apply", apply)
		}
	}
	table.Print(w)
	return nil
}
