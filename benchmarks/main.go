// Benchmarks measures this SDK beside what else one might use, on the same
// work, and prints tables with ratios and goals. See README.md.
//
//	go run .                        everything
//	go run . -only rows,calls       some of it
//	go run . -quick                 less of everything
//	go run . -compare main HEAD     the Go benchmarks of two commits, by benchstat
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// A config is how much to measure.
type config struct {
	quick       bool
	count       int // rounds; 0: as many as each part thinks good
	peersWeight bool
}

func (c config) pick(whole, quick int) int {
	if c.quick {
		return quick
	}
	return whole
}

func (c config) rounds(whole int) int {
	if c.count > 0 {
		return c.count
	}
	return c.pick(whole, min(whole, 3))
}

func (c config) rows() int  { return c.pick(100_000, 10_000) }
func (c config) calls() int { return c.pick(1_000, 500) }

// callRounds are many short ones: a call is quick, and what else the machine
// does comes and goes.
func (c config) callRounds() int {
	if c.count > 0 {
		return c.count
	}
	return c.pick(40, 10)
}

func (c config) flags() []string {
	return []string{"-quick=" + strconv.FormatBool(c.quick), "-count=" + strconv.Itoa(c.count), "-peers-weight=" + strconv.FormatBool(c.peersWeight)}
}

// parts are what can be run, in order.
func parts() []string {
	return []string{"rows", "calls", "lists", "writes", "rate", "provision", "weight"}
}

func run(part string, w io.Writer, c config) error {
	switch part {
	case "rows":
		return rows(w, c)
	case "calls":
		return calls(w, c)
	case "lists":
		return lists(w, c)
	case "writes":
		return writes(w, c)
	case "rate":
		return rate(w, c)
	case "provision":
		return provisions(w, c)
	case "weight":
		return weights(w, c)
	}
	return fmt.Errorf("there is no part %q: choose from %s", part, strings.Join(parts(), ", "))
}

func main() {
	if err := mainErr(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

func mainErr() error {
	var c config
	flag.BoolVar(&c.quick, "quick", false, "measure less")
	flag.IntVar(&c.count, "count", 0, "rounds; 0: as many as each part thinks good")
	flag.BoolVar(&c.peersWeight, "peers-weight", false, "weigh the peer SDKs too, which takes minutes")
	only := flag.String("only", strings.Join(parts(), ","), "parts to run")
	readme := flag.Bool("readme", false, "put the tables into README.md")
	pair := flag.Bool("compare", false, "compare the Go benchmarks of two commits, which are the arguments")
	pattern := flag.String("bench", ".", "with -compare: the benchmarks, as for go test")
	part := flag.String("part", "", "run one part in this process, and print its tables alone")
	serve := flag.String("serve", "", "be the server of a trial of the part provision: its name, its size and the latency, such as same,100,20ms")
	flag.Parse()
	if *serve != "" {
		return serveTrial(*serve, os.Stdin, os.Stdout)
	}
	if *part != "" {
		return run(*part, os.Stdout, c)
	}
	if *pair {
		if flag.NArg() != 2 {
			return errors.New("-compare wants two commits, after all flags")
		}
		rounds := c.count
		if rounds == 0 {
			rounds = c.pick(10, 6) // benchstat wants six
		}
		return compare(os.Stdout, flag.Arg(0), flag.Arg(1), *pattern, rounds)
	}

	// Each part has a process of its own, so that none finds another's heap.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var all bytes.Buffer
	out := io.MultiWriter(os.Stdout, &all)
	fmt.Fprintf(out, "`go run . %s`: %s\n\n", strings.Join(os.Args[1:], " "), bench.Machine())
	for name := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(parts(), name) {
			return fmt.Errorf("there is no part %q: choose from %s", name, strings.Join(parts(), ", "))
		}
		cmd := exec.Command(self, append(c.flags(), "-part="+name)...)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	fmt.Fprintf(out, "Goals missed: %d\n", strings.Count(all.String(), bench.Missed))
	if *readme {
		return bench.IntoReadme("README.md", "go run . -readme", all.Bytes())
	}
	return nil
}
