package provision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision/internal/graph"
)

// Apply carries out the plan. opts may be nil. It first reads what the plan touches. If
// any of that has changed since the plan was made, the error matches ErrStale, and nothing
// was changed. If the plan cannot be carried out, the error matches infinitysip.ErrInvalid
// or ErrTooManyDeletes, and nothing was changed. Then the results are nil.
//
// A change that fails stops only those that need it. If the outcome of a call is unknown,
// Apply waits, looks again, and does what was not done, at most three times. If a limit
// refuses a call, Apply waits and goes on, or ends (see ApplyOptions.LimitWait). When the
// context ends or the server refuses the credentials, no other change begins. When
// ApplyOptions.Keep fails, no other change begins that needs it.
//
// The results are those of all changes, in the order of Items, whatever failed. They hold
// every secret that was set or may have been. The error tells what failed, with similar
// failures in one line. It matches their causes, and the error of the context if that has
// ended.
//
// After an error, make a new plan and apply that: nothing is done twice.
func (c *Changes) Apply(ctx context.Context, client *infinitysip.Client, opts *ApplyOptions) ([]Result, error) {
	order, err := c.applicable(ctx, client)
	if err != nil {
		return nil, err
	}
	x := &execution{ctx: ctx, client: client, plan: c, domain: c.Domain, graph: order}
	if opts != nil {
		x.opts = *opts
	}
	if len(c.Items) == 0 {
		return []Result{}, nil
	}
	if err := x.gatherSecrets(); err != nil {
		return nil, err
	}
	if x.there, x.shelves, err = c.stale(ctx, client, workers(x.opts.Workers)); err != nil {
		return nil, err
	}
	x.begin()
	x.run()
	return x.results, x.failures()
}

// execution is an Apply under way. What belongs to a change, by its index in the
// plan, is written by the worker that does it, and read by those that wait for it.
type execution struct {
	ctx     context.Context
	client  *infinitysip.Client
	domain  infinitysip.DomainID
	plan    *Changes
	opts    ApplyOptions
	secrets map[string]userSecrets // of the changes that name secrets

	there   *snapshot       // what was there when Apply began
	shelves map[Kind]*shelf // of that
	graph   *graph.Graph

	results []Result
	made    []int64     // the ids of what the changes made
	doubts  []error     // why a change is in doubt, or was
	tried   []time.Time // when its calls ended, unless it was only looked for since; of Alone
	marks   []mark

	mu        lock // of what follows, and held while Progress runs
	done      int
	refused   error                                                      // the server did not accept the credentials
	unkept    error                                                      // a secret could not be kept
	throttled time.Duration                                              // a limit lets nothing through for so long; 0: it does
	limit     error                                                      // the refusal that says so
	put       map[int][]bool                                             // of changes of who is in a group, those members for whom it was done
	groups    map[int64]*groupNow                                        // groups that are changed
	spares    *spareNumbers                                              // for the time in between
	known     map[infinitysip.QueueID]map[infinitysip.QueueMemberID]bool // members of queues that are not those of a lost answer

	spent, calls atomic.Int64 // the nanoseconds that calls for users, and Settle, took, and how many calls

	// Between two rounds these are written.
	closing error           // nothing is tried again, because of this
	seen    *snapshot       // what was there before this round; nil: it was not looked at
	among   map[Kind]*shelf // of seen
	before  map[int64]bool  // the users who were there when the wait before this round began; nil: it was not looked
	turnEnd time.Time       // when no password of a user who was found is set any more
	places  map[int]int     // of changes that make members of queues, the place

	keeping lock // held while Keep or Settle runs
	setting lock // before that, by who is to set a password next: so of all who wait only one is before those who have set theirs
}

// lock is a sync.Locker that is held while callbacks run. It is a channel of one and no
// Mutex, so that the clock of a test in a bubble of testing/synctest goes on when they
// sleep.
type lock chan struct{}

func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// mark is what to remember of a change that is under way.
type mark uint8

const (
	markOver    mark = 1 << iota // it is not tried again
	markDoubt                    // a call of it was sent, and nobody knows whether it took effect
	markTold                     // Keep was told its secrets
	markSettled                  // and Settle what became of them
	markMade                     // the server said that this Apply made it
)

func (x *execution) has(i int, m mark) bool { return x.marks[i]&m != 0 }

// begin makes room for what belongs to the changes.
func (x *execution) begin() {
	items := x.plan.Items
	x.results, x.made, x.doubts, x.marks = make([]Result, len(items)), make([]int64, len(items)), make([]error, len(items)), make([]mark, len(items))
	if x.opts.Alone {
		x.tried = make([]time.Time, len(items))
	}
	x.put, x.groups, x.places = map[int][]bool{}, map[int64]*groupNow{}, map[int]int{}
	x.mu, x.keeping, x.setting = make(lock, 1), make(lock, 1), make(lock, 1)
	x.known = map[infinitysip.QueueID]map[infinitysip.QueueMemberID]bool{}
	between := false
	for i := range items {
		x.results[i].Change = &items[i]
		between = between || items[i].Between
	}
	last := map[Ref]int{} // places in queues
	for id, rows := range x.there.queueMembers {
		for _, row := range rows {
			x.know(id, row.ID)
			last[Ref{ID: int64(id)}] = max(last[Ref{ID: int64(id)}], row.RingOrder)
		}
	}
	for i := range items {
		if items[i].Kind == KindQueueMember && items[i].Op == OpCreate {
			queue := Ref{ID: items[i].ID, MadeBy: items[i].MadeBy}
			last[queue]++
			x.places[i] = last[queue]
		}
	}
	if between {
		x.spares = &spareNumbers{used: map[string]bool{}, own: slices.Clone(x.plan.Spares)}
		for _, kind := range []Kind{KindUser, KindGroup, KindQueue} {
			for _, t := range x.shelves[kind].byID {
				x.spares.used[t.extension] = true
			}
		}
		for i := range items {
			x.spares.used[items[i].takesNumber()] = true
		}
	}
}

// Waits of Apply between its rounds. Those of users are explained at settleFound.
const (
	maxRounds    = 3                // of looks at what is in doubt
	roundWait    = 10 * time.Second // before the first one, or a little more; doubled for each
	aloneWait    = time.Second      // who is alone looks after this, and after twice as long, before the first of those
	aloneRounds  = 2                // of these looks, besides
	turnWait     = 15 * time.Second // besides, for each of those who go first, or more
	maxTurns     = 6                // of those who are counted
	anyTurn      = 8                // one of so many turns, for who does not know its own
	freshMade    = roundWait / 2    // from when a create was sent to when Settle is told
	freshSet     = time.Second      // the same of an update, unless calls are slower than that
	limitedWait  = time.Minute      // after a refusal by a limit that does not say how long
	longestLimit = 5 * time.Minute  // the longest refusal for which Apply waits, unless LimitWait says another
	maxLimited   = 3                // waits in a row after which nothing got through
)

// run carries out the changes, again and again while some are in doubt, or were
// refused by a limit.
func (x *execution) run() {
	rounds, limited, done := 0, 0, 0
	todo := []bool(nil)
	for {
		x.throttled, x.limit = 0, nil // no worker is at it
		x.graph.Run(workers(x.opts.Workers), todo, x.step)
		var doubts []int
		todo = make([]bool, len(x.results))
		open := false
		for i := range x.results {
			if todo[i] = !x.has(i, markOver); todo[i] {
				open = true
				if x.has(i, markDoubt) {
					doubts = append(doubts, i)
				}
			}
		}
		if !open {
			return
		}
		if x.throttled > 0 {
			limited++
			if x.done > done {
				limited = 1
			}
			done = x.done
		}
		x.seen, x.among, x.before = nil, nil, nil
		look := len(doubts) > 0 && rounds < x.mostRounds()
		switch {
		case x.ctx.Err() != nil:
			x.closing = x.ctx.Err()
		case x.refused != nil:
			x.closing = x.refused
		case x.throttled > x.longestLimit():
			x.closing = tooLong(x.limit)
		case x.throttled > 0 && limited > maxLimited:
			x.closing = fmt.Errorf("the limit let nothing through, however long it was waited for: %w", x.limit)
		case x.throttled == 0 && !look:
			x.closing = errors.New("what was in doubt could not be settled")
		default:
			x.wait(doubts, look, rounds)
		}
		if x.closing == nil && look {
			rounds++
			x.lookAgain(doubts)
		}
	}
}

// longestLimit is the longest refusal by a limit for which Apply waits.
func (x *execution) longestLimit() time.Duration {
	return max(cmp.Or(x.opts.LimitWait, longestLimit), 0)
}

// limitOf tells for how long a limit lets nothing through, if an error is its refusal.
func limitOf(err error) (wait time.Duration, limited bool) {
	if !errors.Is(err, infinitysip.ErrRateLimited) {
		return 0, false
	}
	if failed, ok := errors.AsType[*infinitysip.Error](err); ok && failed.RetryAfter > 0 {
		return failed.RetryAfter, true
	}
	return limitedWait, true
}

// tooLong is why nothing is tried again after a refusal.
func tooLong(refusal error) error {
	if failed, ok := errors.AsType[*infinitysip.Error](refusal); ok && failed.RetryAfter > 0 {
		return fmt.Errorf("the server's limit lets nothing through for %v: try again after that: %w", failed.RetryAfter.Round(time.Second), refusal)
	}
	return fmt.Errorf("a limit lets nothing through: try again later: %w", refusal)
}

// wait waits for the limit, and before a look for the turn of this program.
func (x *execution) wait(doubts []int, look bool, rounds int) {
	wait, turn := x.throttled, time.Duration(0)
	if look {
		var before time.Duration
		// The first round is for all else that is in doubt, which needs no turn.
		if !x.opts.Alone && (rounds > 0 || !slices.ContainsFunc(doubts, func(i int) bool { return !x.results[i].Change.makesUser() })) {
			before, turn = x.turn(doubts)
		}
		wait = max(wait, x.roundWait(rounds)+before)
	}
	if deadline, bounded := x.ctx.Deadline(); bounded && time.Until(deadline) < wait {
		x.closing = fmt.Errorf("the context's deadline comes before it can be tried again: %w", context.DeadlineExceeded)
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-x.ctx.Done():
		x.closing = x.ctx.Err()
	case <-timer.C:
		x.turnEnd = time.Now().Add(turn * 3 / 4)
	}
}

// mostRounds is how often what is in doubt is looked at.
func (x *execution) mostRounds() int {
	if x.opts.Alone {
		return aloneRounds + maxRounds
	}
	return maxRounds
}

// roundWait is how long to wait before a look. Who is alone looks a little after what is
// in doubt was done, and then as late as everybody: after 1, 3, 10, 30 and 70 seconds in all.
func (x *execution) roundWait(round int) time.Duration {
	switch {
	case !x.opts.Alone:
		return roundWait<<round + rand.N(roundWait/2) //nolint:gosec // it need not be unpredictable
	case round < aloneRounds:
		return aloneWait << round
	case round == aloneRounds:
		return roundWait - (aloneWait<<aloneRounds - aloneWait)
	}
	return roundWait << (round - aloneRounds)
}

// soon reports whether a look at a change that is in doubt comes so early that it proves
// only what it shows. What it does not show may be there all the same, because lists lag or
// the call is still under way. So it is not done again yet.
func (x *execution) soon(i int) bool {
	return x.opts.Alone && x.has(i, markDoubt) && time.Since(x.tried[i]) < roundWait
}

func (c *Change) makesUser() bool { return c.Kind == KindUser && c.Op == OpCreate }

// step does a change, unless it cannot be done now, and notes how it went.
func (x *execution) step(i int) {
	err := x.try(i)
	if x.sent(i, err) && !x.has(i, markDoubt) {
		x.marks[i] |= markDoubt
		x.doubts[i] = err
	}
	over := x.closing != nil || !x.open(i, err)
	if over {
		err = x.doubtful(i, err)
		x.settle(i, &err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r := &x.results[i]
	r.Err, r.Status = err, StatusFailed
	switch _, unsettled := errors.AsType[settleError](err); {
	case err == nil:
		r.Status = StatusDone
	case isStopped(err): // perhaps because Settle failed for another
		r.Status = StatusStopped
	case unsettled:
		r.Status = StatusDone
	case isThrottled(err):
		r.Status = ""
	case errors.Is(err, ErrBlocked):
		r.Status = StatusBlocked
	}
	if errors.Is(err, infinitysip.ErrUnauthorized) && x.refused == nil && !isStopped(err) {
		x.refused = fmt.Errorf("the server refused the credentials: %w", infinitysip.ErrUnauthorized)
	}
	if !over {
		return
	}
	x.marks[i] |= markOver
	if r.Status == StatusStopped {
		return
	}
	x.done++
	if x.opts.Progress != nil {
		x.opts.Progress(Progress{Done: x.done, Total: len(x.results), Change: r.Change, Err: r.Err})
	}
}

// doubtful is the error of a change that is over. One that was in doubt stays so, if what
// failed now does not tell what became of the call before.
func (x *execution) doubtful(i int, err error) error {
	_, unsettled := errors.AsType[settleError](err)
	if err == nil || unsettled || !x.has(i, markDoubt) || errors.Is(err, x.doubts[i]) || errors.Is(err, infinitysip.ErrOutcomeUnknown) {
		return err
	}
	return fmt.Errorf("%w; and of a call before: %w", err, x.doubts[i])
}

// try does a change, unless what it needs is missing, or nothing is begun any more.
func (x *execution) try(i int) error {
	c := x.results[i].Change
	var stoppedBy, blockedBy *Result
	waiting := false
	for _, n := range c.Needs {
		j, _ := indexOf(x.plan.Items, n) // which applicable has seen to
		switch other := &x.results[j]; {
		case other.Status == StatusDone:
		case !x.has(j, markOver):
			waiting = true
			blockedBy = other
		case other.Status == StatusStopped:
			stoppedBy = other
		default:
			blockedBy = other
		}
	}
	switch {
	case stoppedBy != nil && (blockedBy == nil || waiting):
		return stopped(fmt.Sprintf("it needs what was not done (%s)", stoppedBy.Change.title()), stoppedBy.Err)
	case waiting:
		return waitingError{blocked("it needs what was not done yet: %s", blockedBy.Change.title())}
	case blockedBy != nil:
		return blocked("it needs what failed: %s", blockedBy.Change.title())
	case x.closing != nil && x.results[i].Status == StatusFailed:
		return x.results[i].Err // it was tried
	case x.closing != nil && x.results[i].Status == StatusBlocked && c.Kind == KindGroupMembers:
		return x.do(i, c) // which sends nothing any more, and says who is missing
	}
	if err := x.stop(c, x.has(i, markTold)); err != nil {
		if x.has(i, markDoubt) {
			return decidedError{x.doubts[i]}
		}
		return err
	}
	x.mu.Lock()
	throttled := x.throttled > 0
	x.mu.Unlock()
	if throttled {
		return waitingError{errThrottled}
	}
	return x.do(i, c)
}

var errThrottled = errors.New("it waits for the server's limit")

func isThrottled(err error) bool { return errors.Is(err, errThrottled) }

// stop is why a change is not to be begun, or not to be gone on with once its secret
// was kept; nil if it may be.
func (x *execution) stop(c *Change, kept bool) error {
	if err := x.ctx.Err(); err != nil {
		return stopped("", err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.refused != nil:
		return stopped("", x.refused)
	case x.closing != nil:
		return stopped("", x.closing)
	case x.unkept != nil && !kept && c.keeps():
		return stopped("it was not begun, because it has a secret to keep, and one before could not be kept", x.unkept)
	}
	return nil
}

// keeps reports whether secrets come of a change.
func (c *Change) keeps() bool {
	switch c.Kind {
	case KindUser:
		return c.Op == OpCreate || c.Op == OpUpdate && len(c.Secrets) > 0
	case KindOwner:
		return c.To != nil
	}
	return false
}

// stoppedError is why a change was not begun, or not gone on with.
type stoppedError struct {
	how   string
	cause error
}

func (e stoppedError) Error() string { return e.how + e.cause.Error() }

func (e stoppedError) Unwrap() error { return e.cause }

// stopped makes a stoppedError. What was stopped by another that was stopped has the
// cause of that, and not its text: a chain of thousands would say all those before.
func stopped(how string, by error) error {
	if how != "" {
		how += ": "
	}
	if other, ok := errors.AsType[stoppedError](by); ok {
		by = other.cause
	}
	return stoppedError{how, by}
}

func isStopped(err error) bool {
	_, ok := errors.AsType[stoppedError](err)
	return ok
}

// waitingError is why a change waits to be tried again.
type waitingError struct{ error }

func (e waitingError) Unwrap() error { return e.error }

// decidedError is an error of a change that is not tried again, although its outcome
// may be unknown.
type decidedError struct{ error }

func (e decidedError) Unwrap() error { return e.error }

func blocked(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBlocked, fmt.Sprintf(format, args...))
}

// outcome tells whether a call that failed changed anything. One that this package
// or the client refused did not.
func outcome(err error) infinitysip.Outcome {
	if errors.Is(err, infinitysip.ErrOutcomeUnknown) {
		return infinitysip.OutcomeUnknown
	}
	if failed, ok := errors.AsType[*infinitysip.Error](err); ok {
		return failed.Outcome
	}
	return infinitysip.OutcomeNotApplied
}

// sent reports whether a change is in doubt after an error.
func (x *execution) sent(i int, err error) bool {
	if _, unsettled := errors.AsType[settleError](err); err == nil || unsettled || isStopped(err) || errors.Is(err, ErrBlocked) {
		return false
	}
	switch outcome(err) {
	case infinitysip.OutcomeUnknown:
		return true
	case infinitysip.OutcomeApplied: // and its id is not known
		return x.results[i].Change.Op == OpCreate && x.results[i].Change.Kind != KindOwner
	}
	// It was sent before, and now it is refused because it is there.
	return x.has(i, markDoubt) && x.results[i].Change.Op == OpCreate && errors.Is(err, infinitysip.ErrConflict)
}

// open reports whether a change is to be tried again after an error.
func (x *execution) open(i int, err error) bool {
	if err == nil || isStopped(err) {
		return false
	}
	if _, decided := errors.AsType[decidedError](err); decided {
		return false
	}
	if _, waiting := errors.AsType[waitingError](err); waiting {
		return true
	}
	if _, unsettled := errors.AsType[settleError](err); unsettled {
		return false
	}
	if errors.Is(err, ErrBlocked) || errors.Is(err, infinitysip.ErrUnauthorized) && outcome(err) == infinitysip.OutcomeNotApplied {
		return false
	}
	if errors.Is(err, infinitysip.ErrTokenLost) {
		return false
	}
	refused := outcome(err) == infinitysip.OutcomeNotApplied
	// One that is in doubt waits for a look, unless Apply is to end.
	if wait, limited := limitOf(err); limited && (refused || wait > x.longestLimit()) {
		x.mu.Lock()
		defer x.mu.Unlock()
		if wait > x.throttled {
			x.throttled, x.limit = wait, err
		}
		return refused || x.sent(i, err)
	}
	return x.sent(i, err)
}
