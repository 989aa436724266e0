// Package verify looks for a thing that may have been created: at once and again
// after a while, until it is found or known to be absent. It keeps what it saw, for
// the error of a create whose outcome stays unknown.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/internal/retry"
)

// Candidate is a row that may be the one which a create made.
type Candidate struct {
	ID      int64    // 0: the row does not say
	Differs []string // the fields that are not as they were sent
	Rival   string   // it has another key, and the same of this field, which no two should share
}

// Verdict is the result of the looks for a thing.
type Verdict int

// The verdicts.
const (
	Undecided Verdict = iota // a look failed, or something else is there
	Absent                   // two looks were answered, and it was in none
	Present
)

// Search looks for one thing.
type Search struct {
	// Look finds the rows that have the key of what was sent, or, if prove is set
	// and there are none, its rivals. No rows and no error mean that none was seen,
	// and, if prove is set, that there is none. An error means that this is not
	// known.
	Look     func(ctx context.Context, prove bool) ([]Candidate, error)
	Where    string // the call that looks: "Users.List"
	Conflict error  // the error if the only row with the key has other values

	Found []int64 // the ids of the rows that the last look found

	before map[int64]bool      // ids that were there before the create
	known  func(id int64) bool // the same, from who knows it; or nil
	blind  bool                // it is not known what was there before
	sent   []time.Time
	notes  []string
	good   int     // looks that were answered, since it was sent the last time
	causes []error // what the create failed with, and what was found in its place
}

// Sent notes when the create was sent, and what it failed with, or nil.
func (s *Search) Sent(sent time.Time, err error) {
	s.sent, s.good = append(s.sent, sent), 0
	s.addCause(err)
}

func (s *Search) addCause(err error) {
	if err != nil {
		s.causes = append(s.causes, err)
	}
}

type knownKey struct{}

// WithKnown returns a context for the creates of a package of this module that knows
// which rows were there before: has reports whether a row was. So nobody looks.
func WithKnown(ctx context.Context, has func(id int64) bool) context.Context {
	return context.WithValue(ctx, knownKey{}, has)
}

// Before notes what has the key before the create, where several may have it.
func (s *Search) Before(ctx context.Context) {
	if ctx != nil { // which the look refuses
		s.known, _ = ctx.Value(knownKey{}).(func(int64) bool)
	}
	if s.known != nil {
		return
	}
	there, err := s.Look(ctx, false)
	s.blind = err != nil
	s.before = make(map[int64]bool, len(there))
	for _, row := range there {
		if row.ID == 0 {
			s.blind = true // it cannot be told from the one that is made
		} else {
			s.before[row.ID] = true
		}
	}
}

// New reports whether the row with this id was not there before the create.
func (s *Search) New(id int64) bool { return !s.blind && !s.wasThere(id) }

func (s *Search) wasThere(id int64) bool { return s.before[id] || s.known != nil && s.known(id) }

// Run looks after each of the waits until the thing is found, and returns its
// id, or 0 if its row has none. The last look must prove that it is absent. A look
// that got no answer in time is the last one: then the server is silent. created is
// whether the server said that the thing is there: then the one row of its key is
// it, whatever else the row says, if no look shows one that is as it was sent.
func (s *Search) Run(ctx context.Context, created bool, waits []time.Duration) (Verdict, int64) {
	answered := false
	var rewritten *Candidate // the one row of its key, which differs
	for i, wait := range waits {
		if err := retry.Sleep(ctx, wait); err != nil {
			s.addCause(err)
			return Undecided, 0
		}
		found, err := s.Look(ctx, i == len(waits)-1)
		now := Clock(time.Now())
		if answered = err == nil; !answered {
			s.notes = append(s.notes, now+" failed ("+err.Error()+")")
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				break
			}
			continue
		}
		s.good++
		found = slices.DeleteFunc(found, func(row Candidate) bool { return s.wasThere(row.ID) })
		s.Found, rewritten = nil, nil
		for _, row := range found {
			s.Found = append(s.Found, row.ID)
		}
		equal := slices.DeleteFunc(slices.Clone(found), func(row Candidate) bool { return len(row.Differs) > 0 })
		switch {
		case len(found) == 0:
			s.notes = append(s.notes, now+" absent")
			continue
		case s.blind:
			s.addCause(errors.New("rows match what was sent, and may have been there before"))
		case len(equal) == 1 && (len(found) == 1 || created):
			return Present, equal[0].ID
		case len(found) == 1 && created && found[0].Rival == "":
			rewritten = &found[0]
			s.notes = append(s.notes, now+" found otherwise")
			continue
		case len(found) == 1:
			s.addCause(fmt.Errorf("%w: the row with id %d has the same %s and another %s than was sent", s.Conflict, found[0].ID, cmp.Or(found[0].Rival, "name"), strings.Join(found[0].Differs, ", ")))
		default:
			s.addCause(fmt.Errorf("several rows match what was sent, with the ids %v", s.Found))
		}
		s.notes = append(s.notes, now+" found")
		return Undecided, 0
	}
	switch {
	case answered && rewritten != nil: // a list that lags shows a namesake from before, until it shows the row itself
		return Present, rewritten.ID
	case answered && s.good >= 2:
		return Absent, 0
	}
	return Undecided, 0
}

// Err returns the error of a create that the search did not settle. It tells what
// the looks saw and when, later ones too.
func (s *Search) Err() error { return (*searchError)(s) }

type searchError Search

// Error tells what the looks saw, and when.
func (e *searchError) Error() string {
	parts := make([]string, 0, len(e.causes)+2)
	for _, err := range e.causes {
		if text := err.Error(); !slices.Contains(parts, text) { // the end of a context fails a call and the look for it alike
			parts = append(parts, text)
		}
	}
	sent := make([]string, len(e.sent))
	for i, t := range e.sent {
		sent[i] = Clock(t)
	}
	parts = append(parts, "sent at "+strings.Join(sent, " and "))
	if len(e.notes) > 0 {
		parts = append(parts, "looked for with "+e.Where+" at "+strings.Join(e.notes, ", at "))
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns what the create failed with, and what was found in its place.
func (e *searchError) Unwrap() []error { return e.causes }

// Clock writes a time of the day as errors have it.
func Clock(t time.Time) string { return t.UTC().Format("15:04:05.000Z") }
