package provision

import (
	"errors"
	"fmt"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// likeness is what failures have in common that are told in one line.
type likeness struct {
	op      Op
	kind    Kind
	status  int
	outcome infinitysip.Outcome
	causes  uint // of sentinels
	text    string
}

var sentinels = []error{
	infinitysip.ErrInvalid, infinitysip.ErrUnauthorized, infinitysip.ErrForbidden, infinitysip.ErrNotFound, infinitysip.ErrConflict,
	infinitysip.ErrRateLimited, infinitysip.ErrUnavailable, infinitysip.ErrOutcomeUnknown, infinitysip.ErrTokenLost,
}

// like tells what a failure has in common with others.
func like(r *Result) likeness {
	l := likeness{op: r.Change.Op, kind: r.Change.Kind}
	for i, sentinel := range sentinels {
		if errors.Is(r.Err, sentinel) {
			l.causes |= 1 << i
		}
	}
	failed, ofServer := errors.AsType[*infinitysip.Error](r.Err)
	_, unsettled := errors.AsType[settleError](r.Err)
	switch {
	case errors.Is(r.Err, infinitysip.ErrUnauthorized) && !errors.Is(r.Err, infinitysip.ErrOutcomeUnknown):
		return likeness{causes: l.causes} // whatever was called
	case errors.Is(r.Err, infinitysip.ErrRateLimited): // by whichever limit
	case ofServer:
		l.status, l.outcome, l.text = failed.StatusCode, failed.Outcome, failed.Message
	case unsettled || l.causes == 0:
		l.text = r.Err.Error()
	}
	return l
}

// failures is the error of an Apply: what failed, in the order of the plan, alike
// failures in one line, and the context's error.
func (x *execution) failures() error {
	type line struct {
		first *Result
		more  int
	}
	var (
		all     failuresError
		alike   = map[likeness]*line{}
		ordered []*line
	)
	for i := range x.results {
		r := &x.results[i]
		if r.Err == nil || r.Status != StatusFailed && r.Status != StatusDone {
			continue
		}
		all.causes = append(all.causes, r.Err)
		key := like(r)
		if l := alike[key]; l != nil {
			l.more++
			continue
		}
		alike[key] = &line{first: r}
		ordered = append(ordered, alike[key])
	}
	for _, l := range ordered {
		more := ""
		if l.more > 0 {
			more = fmt.Sprintf(" and %d more", l.more)
		}
		all.lines = append(all.lines, fmt.Sprintf("%s%s: %v", l.first.Change.title(), more, l.first.Err))
	}
	if err := x.ctx.Err(); err != nil {
		all.causes, all.lines = append(all.causes, err), append(all.lines, err.Error())
	}
	// What was in doubt failed, and a limit kept Apply from settling it.
	if errors.Is(x.closing, infinitysip.ErrRateLimited) && !errors.Is(&all, infinitysip.ErrRateLimited) {
		all.causes, all.lines = append(all.causes, x.closing), append(all.lines, x.closing.Error())
	}
	if x.refused != nil && len(all.lines) == 0 {
		all.causes, all.lines = append(all.causes, x.refused), append(all.lines, x.refused.Error())
	}
	for i := range x.results { // nothing failed, but not all was done
		if r := &x.results[i]; len(all.lines) == 0 && r.Err != nil {
			all.causes, all.lines = append(all.causes, r.Err), append(all.lines, r.Err.Error())
		}
	}
	if len(all.lines) == 0 {
		return nil
	}
	return &all
}

// failuresError says what failed.
type failuresError struct {
	lines  []string
	causes []error
}

func (e *failuresError) Error() string { return strings.Join(e.lines, "\n") }

func (e *failuresError) Unwrap() []error { return e.causes }
