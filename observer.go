package infinitysip

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/redact"
)

// Observer holds two funcs that hear of calls and attempts. The Client calls Call when a
// call begins. Call returns a context for the attempts of the call, made from the one that
// it gets, and a func that the Client calls when the call has ended. Attempt does the same
// for one request. Each func may be nil, and so may what it returns.
//
// They run in the goroutine of the call, or of a page that is read ahead, and the call
// waits for them. Several may run at a time. Their panics are dropped. Nothing that they
// get holds a secret.
type Observer struct {
	Call    func(context.Context, CallInfo) (context.Context, func(CallResult))
	Attempt func(context.Context, AttemptInfo) (context.Context, func(AttemptResult))
}

// CallInfo describes a call of a method, before its first attempt. An All over pages, an
// AddUsers of many ids and a rotation are one call of several requests. An Observer does
// not hear of a call whose input is refused.
type CallInfo struct {
	Op           string   // "Users.Create"; an All has the name of its List
	Method       string   // "POST"
	PathTemplate string   // "/config/v2/sip/domains/{domainId}/users"; "" if the package does not know the path
	Domain       DomainID // 0 if the call names none
}

// CallResult is how a call ended.
type CallResult struct {
	Err          error         // nil: it succeeded
	Outcome      Outcome       // of the error; of a success OutcomeApplied if the call writes, else OutcomeNotApplied
	StatusCode   int           // of the last answer, except those of looks; 0 if there was none
	RequestID    string        // its X-Request-Id
	Attempts     int           // the attempts made, of all pages, batches and steps, also those that got no connection; looks do not count
	Looks        int           // the attempts of looks for what a lost answer left
	ThrottleWait time.Duration // the sum of the times that attempts waited for their turns, because of a limit
}

// AttemptInfo is one request, which has its turn and is about to be sent.
type AttemptInfo struct {
	Op           string      // "Users.Create", or of a look the call that it makes: "Users.List"
	Method       string      // "POST"
	PathTemplate string      // as in CallInfo
	URL          string      // without the query
	Number       int         // 1 for the first attempt of a request, 2 for the next
	Look         bool        // the request looks for what a lost answer left
	Header       http.Header // empty; add headers to it, such as traceparent, and the request has them, except those that CallHeader refuses
}

// AttemptResult is how an attempt ended. It ends when the header of its answer has
// arrived: the body is not part of it.
type AttemptResult struct {
	StatusCode int    // 0 if there was no answer
	Proto      string // of the answer, such as "HTTP/2.0"; "" if there was none
	Err        error  // nil if there was an answer
	Sent       bool   // the server may have got the request, or a part of it
}

// observation is of one call of a method, with its looks, pages and batches.
type observation struct {
	caller *caller
	ctx    context.Context // of the caller of the method
	warned atomic.Bool     // the logger knows that it waits long
	info   CallInfo
	begin  sync.Once
	values context.Context // that the Observer returned
	ended  func(CallResult)
	mu     sync.Mutex // pages are read ahead
	result CallResult
}

// errAborted is told of a call whose goroutine panicked or ended within it.
var errAborted = errors.New("the goroutine panicked or ended within the call")

// observe begins an observation, unless there is neither an Observer nor a logger, or a
// call of a method makes this one.
func (c *caller) observe(ctx context.Context, op, method string, r route) (context.Context, *observation) {
	if c == nil || ctx == nil || !c.account.Observed && c.account.Logger == nil || c.observation(ctx) != nil {
		return ctx, nil
	}
	seen := &observation{caller: c, ctx: ctx, info: CallInfo{Op: op, Method: method, PathTemplate: r.pathTemplate(), Domain: r.domain}}
	return attempt.WithObservation(ctx, seen), seen
}

// observation returns the one that a context of this caller belongs to, or nil.
func (c *caller) observation(ctx context.Context) *observation {
	if seen, _ := attempt.Observation(ctx).(*observation); seen != nil && seen.caller == c {
		return seen
	}
	return nil
}

// observed tells the Observer that a call begins, once it is known that it will, and
// returns the context for its attempts.
func (c *caller) observed(ctx context.Context) (context.Context, *observation) {
	seen := c.observation(ctx)
	if seen == nil || !c.account.Observed {
		return ctx, seen
	}
	seen.begin.Do(func() { seen.values, seen.ended = told(seen.ctx, c.observer.Call, seen.info) })
	return attempt.WithValues(ctx, seen.values), seen
}

// waiting returns what tells whether the logger knows that the call waits long.
func (seen *observation) waiting() *atomic.Bool {
	if seen == nil {
		return nil
	}
	return &seen.warned
}

// end warns of a call that failed, unless its context was cancelled and it changed
// nothing, and tells the Observer how it ended. Neither hears of a call whose input was
// refused.
func (seen *observation) end(err error) {
	if seen == nil {
		return
	}
	failed, ok := errors.AsType[*Error](err)
	if ok && (seen.ctx.Err() != context.Canceled || failed.Outcome != OutcomeNotApplied) {
		seen.caller.account.Log(attempt.WithValues(seen.ctx, seen.values), slog.LevelWarn, "infinitysip: a call failed", failed.attrs()...)
	}
	if seen.ended == nil {
		return
	}
	seen.mu.Lock()
	result := seen.result
	seen.mu.Unlock()
	result.Err, result.Outcome = err, OutcomeNotApplied
	switch writes := seen.info.Method != http.MethodGet; {
	case ok:
		result.Outcome = failed.Outcome
	case writes && err == nil:
		result.Outcome = OutcomeApplied
	case writes:
		result.Outcome = OutcomeUnknown
	}
	tell(seen.ended, result)
}

// AttemptBegins tells the Observer that an attempt begins.
func (call *call) AttemptBegins(ctx context.Context, u *url.URL) (context.Context, http.Header) {
	seen := call.seen
	info := AttemptInfo{Op: call.Op, Method: call.Method, PathTemplate: seen.info.PathTemplate, URL: u.Scheme + "://" + u.Host + u.EscapedPath(), Number: call.Attempts, Look: call.looks(), Header: make(http.Header)}
	if call.Op != seen.info.Op {
		info.PathTemplate = call.route.pathTemplate()
	}
	values, ended := told(ctx, seen.caller.observer.Attempt, info)
	call.attemptEnded = ended
	for name, header := range info.Header {
		if pieces := redact.Pieces(name, header...); len(pieces) > 0 {
			call.with.secrets, call.found = append(slices.Clip(call.with.secrets), pieces...), nil
		}
	}
	return values, info.Header
}

// looks reports whether a call looks for what another one left.
func (call *call) looks() bool { return call.with.ring != nil && !call.kind.Writes() }

// AttemptEnds tells the Observer how an attempt ended.
func (call *call) AttemptEnds(err error) {
	if call.attemptEnded != nil {
		tell(call.attemptEnded, AttemptResult{StatusCode: call.Status(), Proto: call.Proto(), Err: call.Clean(err), Sent: call.Sent()})
	}
	seen := call.seen
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if call.looks() {
		seen.result.Looks++
	} else {
		seen.result.Attempts++
		if call.Status() != 0 { // else the attempt had no answer
			seen.result.StatusCode, seen.result.RequestID = call.Status(), attempt.RequestID(call)
		}
	}
}

// waited adds how long a call's attempts waited for their turns.
func (seen *observation) waited(call *call) {
	if seen != nil {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		seen.result.ThrottleWait += call.Waited
	}
}

// told calls a func of an Observer. What it panics with is dropped. values is nil if the
// context is the one that it got.
func told[Info, Result any](ctx context.Context, tell func(context.Context, Info) (context.Context, func(Result)), info Info) (values context.Context, ended func(Result)) {
	defer func() { _ = recover() }()
	if tell == nil {
		return nil, nil
	}
	if values, ended = tell(ctx, info); values == ctx { // which panics for some types
		values = nil
	}
	return values, ended
}

func tell[Result any](ended func(Result), result Result) {
	defer func() { _ = recover() }()
	ended(result)
}
