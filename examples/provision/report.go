package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
)

// bar shows how far it is, on one line, if that is a terminal's.
type bar struct {
	w      io.Writer
	on     bool
	failed int
}

func newBar(w io.Writer) *bar {
	file, ok := w.(*os.File)
	if !ok {
		return &bar{w: w}
	}
	info, err := file.Stat()
	return &bar{w: w, on: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (b *bar) show(p provision.Progress) {
	if p.Err != nil {
		b.failed++
	}
	if b.on {
		const width = 40
		full := width * p.Done / p.Total
		fmt.Fprintf(b.w, "\r[%s%s] %d/%d, %d failed ", strings.Repeat("#", full), strings.Repeat(".", width-full), p.Done, p.Total, b.failed)
	}
}

func (b *bar) end() {
	if b.on {
		fmt.Fprintln(b.w)
	}
}

// printSummary writes a table of what was done, and what is left to do.
func printSummary(w io.Writer, results []provision.Result) {
	if len(results) == 0 {
		return
	}
	var kinds []string
	count := map[string]map[provision.Status]int{}
	stopped := false
	for _, r := range results {
		kind := fmt.Sprintf("%s %s", r.Change.Op, r.Change.Kind)
		if count[kind] == nil {
			count[kind] = map[provision.Status]int{}
			kinds = append(kinds, kind)
		}
		count[kind][r.Status]++
		stopped = stopped || r.Status == provision.StatusStopped
	}
	fmt.Fprintf(w, "%-24s %8s %8s %8s %8s\n", "", "done", "failed", "blocked", "stopped")
	for _, kind := range kinds {
		n := count[kind]
		fmt.Fprintf(w, "%-24s %8d %8d %8d %8d\n", kind, n[provision.StatusDone], n[provision.StatusFailed], n[provision.StatusBlocked], n[provision.StatusStopped])
	}
	for _, r := range results {
		switch r.Status {
		case provision.StatusFailed:
			fmt.Fprintf(w, "\nFailed: %s\n  %v\n  What to do: %s\n", r.Change, r.Err, advice(r))
		case provision.StatusBlocked:
			fmt.Fprintf(w, "\nBlocked: %s\n  %v\n", r.Change, r.Err)
		}
	}
	if stopped {
		fmt.Fprintln(w, "\nStopped. To go on, run it again: what is there is not made again.")
	}
}

// advice tells what to do about a failure.
func advice(r provision.Result) string {
	switch {
	case errors.Is(r.Err, infinitysip.ErrTokenLost):
		return "get another token: run it again with -rotate " + r.Change.Name
	case errors.Is(r.Err, infinitysip.ErrOutcomeUnknown):
		return "run it again: it looks whether it is there now."
	case errors.Is(r.Err, infinitysip.ErrConflict):
		return "something else has this name, extension, address or network, or somebody was first: run it again. If that does not help, correct the file."
	case errors.Is(r.Err, infinitysip.ErrInvalid):
		return "correct the file. Then run it again."
	case errors.Is(r.Err, infinitysip.ErrUnauthorized), errors.Is(r.Err, infinitysip.ErrForbidden):
		return "see to it that the credentials allow this. Then run it again."
	case errors.Is(r.Err, infinitysip.ErrRateLimited):
		return "run it again with fewer -workers."
	}
	return "run it again: what is there is not made again."
}
