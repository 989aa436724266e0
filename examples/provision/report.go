package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/infinitysip/infinitysip"
)

// report is what came of a plan.
type report struct {
	counts   [kinds]counts
	failures []failure
	blocked  []string // not tried, because of a failure
	stopped  int      // not tried, because the program was stopped

	mu       sync.Mutex
	progress func(string)
	done     int
	total    int
}

type failure struct {
	kind kind
	name string
	err  error
}

// tried notes how a job went.
func (r *report) tried(j job, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.counts[j.kind]
	how := "ok    "
	switch failed, _ := errors.AsType[*infinitysip.Error](err); {
	case err == nil:
		c.created += j.size
	case errors.Is(err, context.Canceled) && failed != nil && failed.Outcome == infinitysip.NotApplied:
		c.notTried += j.size
		r.stopped += j.size
		return
	default:
		c.failed += j.size
		r.failures = append(r.failures, failure{j.kind, j.name, err})
		how = "FAILED"
	}
	r.done += j.size
	r.progress(fmt.Sprintf("[%*d/%d] %s %s", len(strconv.Itoa(r.total)), r.done, r.total, how, j.name))
}

// notTried notes a job that had to be left out.
func (r *report) notTried(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[j.kind].notTried += j.size
	if j.lacks == "" {
		r.stopped += j.size
	} else {
		r.blocked = append(r.blocked, fmt.Sprintf("%s: there is no %s", j.name, j.lacks))
	}
}

// complete reports whether all that is wanted is there.
func (r *report) complete() bool { return len(r.failures)+len(r.blocked)+r.stopped == 0 }

// sums returns how many things were there before, and how many were created.
func (r *report) sums() (before, created int) {
	for _, c := range r.counts {
		before += c.before
		created += c.created
	}
	return before, created
}

// printMissing writes a table of what a run would do.
func printMissing(w io.Writer, all [kinds]counts) {
	fmt.Fprintf(w, "%-18s %8s %14s %11s\n", "", "in file", "there before", "to create")
	for k, c := range all {
		if c.wanted > 0 {
			fmt.Fprintf(w, "%-18s %8d %14d %11d\n", kind(k), c.wanted, c.before, c.wanted-c.before)
		}
	}
}

// print writes the summary: a table, and what is left to do.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%-18s %8s %14s %9s %8s %11s\n", "", "in file", "there before", "created", "failed", "not tried")
	for k, c := range r.counts {
		if c.wanted > 0 {
			fmt.Fprintf(w, "%-18s %8d %14d %9d %8d %11d\n", kind(k), c.wanted, c.before, c.created, c.failed, c.notTried)
		}
	}
	if len(r.failures) > 0 {
		fmt.Fprintln(w, "\nFailed:")
	}
	for _, f := range r.failures {
		fmt.Fprintf(w, "  %s\n    %v\n    What to do: %s\n", f.name, f.err, f.advice())
	}
	switch {
	case r.stopped > 0:
		fmt.Fprintln(w, "\nStopped. To go on, run it again: what is there is not created again.")
	case len(r.blocked) > 0:
		fmt.Fprintln(w, "\nNot tried:")
		for _, text := range r.blocked {
			fmt.Fprintf(w, "  %s\n", text)
		}
	}
}

// advice tells what to do about a failure.
func (f failure) advice() string {
	failed, _ := errors.AsType[*infinitysip.Error](f.err)
	unsettled := failed != nil && failed.Outcome != infinitysip.NotApplied
	switch {
	case unsettled && f.kind == owners:
		return "if the user has the device now, its token is lost: take the device from the user in the Hub. Then run this again."
	case unsettled:
		return "run this again: it looks whether it is there now."
	case errors.Is(f.err, infinitysip.ErrConflict):
		return "something else has this name, extension, address or network: correct the file, or delete the other. Then run this again."
	case errors.Is(f.err, infinitysip.ErrInvalid):
		return "correct the file. Then run this again."
	case errors.Is(f.err, infinitysip.ErrUnauthorized), errors.Is(f.err, infinitysip.ErrForbidden):
		return "see to it that the credentials allow this. Then run this again."
	case errors.Is(f.err, infinitysip.ErrRateLimited):
		return "run this again with fewer -workers."
	}
	return "run this again: what is there is not created again."
}
