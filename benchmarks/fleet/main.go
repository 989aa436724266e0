//go:build unix

// Fleet measures what it costs to keep many domains with package fleet, beside the same
// plans without it, and prints tables. See README.md of the folder above.
//
//	go run .                    without PostgreSQL
//	./with-postgres go run .    on a PostgreSQL server that is thrown away
//	go run . -quick             fewer domains
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// postgresVariable is the variable of the environment that has the URL of PostgreSQL.
const postgresVariable = "BENCHMARK_POSTGRES"

// A config is how much to measure.
type config struct {
	domains  int
	rounds   int
	postgres string // a URL; empty: not on PostgreSQL
	profile  string // a directory for profiles; empty: none are made
}

func main() {
	if text := os.Getenv(workerVariable); text != "" {
		os.Exit(work(text))
	}
	if err := mainErr(); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks/fleet:", err)
		os.Exit(1)
	}
}

func mainErr() error {
	var c config
	quick := flag.Bool("quick", false, "measure 100 domains in one round, unless other flags say how many")
	flag.IntVar(&c.domains, "domains", 0, "domains; 0: 1,000")
	flag.IntVar(&c.rounds, "count", 0, "rounds; 0: 3")
	flag.StringVar(&c.postgres, "postgres", os.Getenv(postgresVariable), "URL of PostgreSQL, of a user who may make databases; default $"+postgresVariable+"; empty: not on PostgreSQL")
	flag.StringVar(&c.profile, "profile", "", "a directory: put a CPU profile of each process into it")
	readme := flag.Bool("readme", false, "put the tables into ../README.md")
	flag.Parse()
	domains, rounds := 1000, 3
	if *quick {
		domains, rounds = 100, 1
	}
	if c.domains <= 0 {
		c.domains = domains
	}
	if c.rounds <= 0 {
		c.rounds = rounds
	}

	var all bytes.Buffer
	out := io.MultiWriter(os.Stdout, &all)
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(out, "`go run . %s`: %s, load before it %s\n\n", shown(os.Args[1:]), bench.Machine(), strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " "))
	if err := measure(context.Background(), out, c); err != nil {
		return err
	}
	if *readme {
		return bench.IntoReadme("../README.md", "fleet: go run . -readme", all.Bytes())
	}
	return nil
}

// shown are arguments without a URL, which may hold a password.
func shown(args []string) string {
	var kept []string
	for _, arg := range args {
		if !strings.Contains(arg, "://") {
			kept = append(kept, arg)
		}
	}
	return strings.Join(kept, " ")
}
