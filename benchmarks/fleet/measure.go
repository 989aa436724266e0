//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// passes are what is measured of a way, in order.
func passes() []string { return []string{"made from nothing", "nothing has changed"} }

// runWay does all passes of a way, with a server and a database of its own.
func runWay(ctx context.Context, c config, w way) (done []pass, err error) {
	s, err := openSite(ctx, c, w, c.domains)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := s.close(); err == nil {
			err = closed
		}
	}()
	names := domainNames("domain", c.domains)
	for i, title := range passes() {
		var p pass
		if err := s.keep(ctx, names, &p); err != nil {
			return nil, err
		}
		want := usersOfDomain * c.domains
		if i > 0 {
			want = 0
		}
		if p.changes() != want {
			return nil, fmt.Errorf("%s, %s: %d requests changed something, instead of %d", w.name, title, p.changes(), want)
		}
		done = append(done, p)
	}
	return done, nil
}

// measure runs all ways by turns and prints a table for each pass.
func measure(ctx context.Context, out io.Writer, c config) error {
	all := ways(c)
	done := make([][][]pass, len(passes())) // by pass, way and round
	for i := range done {
		done[i] = make([][]pass, len(all))
	}
	for round := range c.rounds {
		for i := range all {
			w := (i + round) % len(all) // nobody is always first
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, c.rounds, all[w].name)
			of, err := runWay(ctx, c, all[w])
			if err != nil {
				return err
			}
			for pass, p := range of {
				done[pass][w] = append(done[pass][w], p)
			}
		}
	}
	note, err := diskNote()
	if err != nil {
		return err
	}
	for i, title := range passes() {
		table(fmt.Sprintf("Fleet: %d domains of %d users, %s", c.domains, usersOfDomain, title), note, c.domains, all, done[i]).Print(out)
		note = ""
	}
	return nil
}

func table(title, note string, domains int, all []way, done [][]pass) *bench.Table {
	t := &bench.Table{Title: title, Note: note, Head: []string{
		"way", "s", "from – to", "domains a second", "requests", "CPU s", "CPU s of the server", "peak MB", "against 8 at a time", "from – to", "CPU against it",
	}}
	base := slices.IndexFunc(all, func(w way) bool { return w.name == wayEight })
	for i, w := range all {
		var took, ratios, cpu, cpuRatios, server, peak []float64
		var requests []int
		for round, p := range done[i] {
			took = append(took, p.took.Seconds())
			ratios = append(ratios, p.took.Seconds()/done[base][round].took.Seconds())
			cpuRatios = append(cpuRatios, p.cpu.Seconds()/done[base][round].cpu.Seconds())
			cpu, server, peak = append(cpu, p.cpu.Seconds()), append(server, p.server.Seconds()), append(peak, p.peak)
			requests = append(requests, p.count())
		}
		t.Add(w.name, bench.Number(bench.Median(took)), fromTo(took), bench.Number(float64(domains)/bench.Median(took)), strconv.Itoa(bench.Median(requests)),
			bench.Number(bench.Median(cpu)), bench.Number(bench.Median(server)), bench.Number(slices.Max(peak)), bench.Ratio(bench.Median(ratios)), fromTo(ratios), bench.Ratio(bench.Median(cpuRatios)))
	}
	return t
}

func fromTo(values []float64) string {
	return bench.Number(slices.Min(values)) + " – " + bench.Number(slices.Max(values))
}

// diskNote tells how it was measured, and how long the disk takes for a sync.
func diskNote() (string, error) {
	dir, err := os.MkdirTemp("", "benchmark-fleet")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file, err := os.Create(filepath.Join(dir, "synced"))
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	var took []float64
	for range 200 {
		begun := time.Now()
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			return "", err
		}
		if err := file.Sync(); err != nil {
			return "", err
		}
		took = append(took, time.Since(begun).Seconds()*1e3)
	}
	return fmt.Sprintf("CPU is of the processes that do the work, without PostgreSQL. The server of the fake API is in the measuring process, on the same cores. "+
		"Peak memory is of the processes together. To write 4 kB and sync them takes %s ms on this disk.", bench.Number(bench.Median(took))), nil
}
