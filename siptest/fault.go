package siptest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Fault makes the server fail at some requests. It is a plain value. Build it
// from On:
//
//	siptest.On("Users.Create").Nth(3).CommitThenDrop()
//	siptest.On("*").Times(2).Status(503).Header("Retry-After", "1")
//
// Server.Fail adds it to a server. A fault strikes when it changes the handling
// of a request. Without Nth, Times and For it strikes at every match.
//
// A method whose name begins with CommitThen applies the request and then
// fails. The method of the same name without CommitThen does not apply it. The
// other methods do not change whether the request is applied.
//
// If two methods end the answer in different ways, the last one counts for the
// answer. If one of them does not apply the request, the request is not applied.
//
// Over the socket, net/http may repeat a request by itself after a fault that sends
// no answer. An infinitysip.Client does not let it: each of its attempts is one
// request, and it sends another by its own rules alone. What the methods say of such
// repeats is for other HTTP clients.
//
// The methods panic if an argument makes no sense, such as Nth(0) or Status(99).
type Fault struct {
	op         string
	nth, times int
	duration   time.Duration
	calls      []string // the calls of its methods, for String

	before, after []func(*Server)
	stripBody     bool
	latency       time.Duration
	commit        commit
	commitDelay   time.Duration // for commitLate
	headerDelay   time.Duration // before the answer

	status     int // 0: the status of the server's answer
	header     http.Header
	body       *string
	rewrites   []func([]byte) []byte
	framing    *Framing // nil: Options.Framing
	pace       pace
	ending     ending
	cutAfter   int  // for endCut: the bytes or rows to send
	cutRows    bool // cutAfter counts rows
	raw        string
	lastStream uint32 // for endGoAway: the last stream that the server has processed
	code       StreamCode

	stray      string // follows the answer
	strayAfter time.Duration
}

// A commit tells whether and when a request is applied.
type commit int

const (
	commitNow commit = iota
	commitNever
	commitLate
)

// An ending tells how the server ends an answer.
type ending int

const (
	endWhole       ending = iota
	endDrop               // the connection closes before the status line
	endReset              // the connection is reset before the status line
	endResetStream        // the stream is reset before the headers
	endGoAway             // the connection closes with a GOAWAY before the headers
	endGoAwayBelow        // a GOAWAY leaves out the request and all later ones
	endHang               // the server sends nothing
	endRaw                // the server sends other bytes instead
	endCut                // the connection breaks within the body
	endEndless            // the body never ends
)

// sendsStatus reports whether the server sends the status of a reply.
func (e ending) sendsStatus() bool { return e == endWhole || e == endCut || e == endEndless }

// A pace sends a number of bytes at each interval. With 0 bytes there is no pace.
type pace struct {
	bytes int
	every time.Duration
}

// On begins a fault for one call of package infinitysip, such as "Users.Create", for
// all calls of a service, such as "Users.*", for the calls of one pattern of Handle,
// or for all requests with "*". A fault needs a method that does something:
// Server.Fail panics without one.
func On(op string) Fault { return Fault{op: op} }

// Nth makes the fault strike only at the nth match after the call to Fail. The
// first match is 1. Other faults do not change the count. With Times(k) the
// fault strikes at k matches, beginning with the nth. With For(d) it strikes for
// d, beginning with the nth match.
func (f Fault) Nth(n int) Fault {
	if n < 1 {
		panic("siptest: Nth counts from 1")
	}
	f.nth = n
	return f
}

// Times makes the fault strike at n matches and no more. Matches at which an
// earlier fault strikes do not count.
func (f Fault) Times(n int) Fault {
	if n < 1 {
		panic("siptest: Times needs a number of at least 1")
	}
	f.times = n
	return f
}

// For makes the fault strike at every match for a time, like an outage. The time
// begins with the first match, by the server's clock. If that clock stands still,
// the fault strikes for ever.
func (f Fault) For(d time.Duration) Fault {
	if d <= 0 {
		panic("siptest: For needs a positive duration")
	}
	f.duration = d
	return f
}

// Before runs a hook when the request has arrived, before it is applied. Use it
// to make another client's request at that moment, or to cancel the client's.
//
// The hook may use the server, except for Wait and Close. Its requests are like
// any others: a fault on "*" strikes at them too.
func (f Fault) Before(hook func(*Server)) Fault {
	f.before = append(slices.Clip(f.before), hook)
	return f.withCall("Before(…)")
}

// After runs a hook, as Before does, after the request is applied and before the
// answer is sent. If the request is not applied, the hook runs at the same
// point. With HangThenCommit it runs when the request is applied.
func (f Fault) After(hook func(*Server)) Fault {
	f.after = append(slices.Clip(f.after), hook)
	return f.withCall("After(…)")
}

// StripBody removes the body of the request before the server reads it, as some
// proxies do with a DELETE. The Request has no Form.
func (f Fault) StripBody() Fault {
	f.stripBody = true
	return f.withCall("StripBody()")
}

// Latency waits before the request is applied. If the request's context ends
// before that, the request is not applied.
func (f Fault) Latency(d time.Duration) Fault {
	f.latency = d
	return f.withCall("Latency(%v)", d)
}

// Status answers with a status code. The request is not applied.
func (f Fault) Status(code int) Fault {
	f.commit = commitNever
	return f.withStatus(code).withCall("Status(%d)", code)
}

// CommitThenStatus applies the request and answers with a status code, as a
// proxy does when its own timeout ends.
func (f Fault) CommitThenStatus(code int) Fault {
	return f.withStatus(code).withCall("CommitThenStatus(%d)", code)
}

func (f Fault) withStatus(code int) Fault {
	if code < 200 || code > 999 {
		panic("siptest: " + strconv.Itoa(code) + " is not a final status; use Raw to send it")
	}
	f.status = code
	return f
}

// Drop closes the connection (FIN) without an answer. The request is not
// applied. Over HTTP/2 all other requests on the connection fail too.
//
// Over the socket, an http.Client may repeat a GET by itself after a drop, a
// reset or a GOAWAY, if the connection was used before: see Fault.
func (f Fault) Drop() Fault {
	f.commit = commitNever
	return f.withEnding(endDrop).withCall("Drop()")
}

// CommitThenDrop applies the request and closes the connection without an
// answer.
func (f Fault) CommitThenDrop() Fault { return f.withEnding(endDrop).withCall("CommitThenDrop()") }

// Reset is like Drop but resets the connection (RST). The client's error is
// ECONNRESET. Over HTTP/2, net/http may report a closed connection instead.
func (f Fault) Reset() Fault {
	f.commit = commitNever
	return f.withEnding(endReset).withCall("Reset()")
}

// CommitThenReset applies the request and resets the connection.
func (f Fault) CommitThenReset() Fault { return f.withEnding(endReset).withCall("CommitThenReset()") }

// ResetStream resets the HTTP/2 stream of the request with INTERNAL_ERROR. The
// connection stays open. The request is not applied. An HTTP/1.1 connection is
// closed. In process the error has the text of net/http's error.
func (f Fault) ResetStream() Fault {
	f.commit = commitNever
	return f.withReset(StreamInternalError).withCall("ResetStream()")
}

// CommitThenResetStream applies the request and resets its stream.
func (f Fault) CommitThenResetStream() Fault {
	return f.withReset(StreamInternalError).withCall("CommitThenResetStream()")
}

// ResetStreamWith is like ResetStream with another code.
//
// Over the socket, an http.Client of your own repeats the request by itself if it
// has no body, or if its GetBody is set: after StreamRefused up to six times, with
// growing waits. Go 1.26 repeats it after StreamProtocolError too, each time on a
// new connection, as often as it is reset. An infinitysip.Client does not: see
// Fault.
func (f Fault) ResetStreamWith(code StreamCode) Fault {
	f.commit = commitNever
	return f.withReset(code).withCall("ResetStreamWith(%d)", code)
}

// CommitThenResetStreamWith applies the request and resets its stream with a code.
// With StreamRefused the server lies.
func (f Fault) CommitThenResetStreamWith(code StreamCode) Fault {
	return f.withReset(code).withCall("CommitThenResetStreamWith(%d)", code)
}

func (f Fault) withReset(code StreamCode) Fault {
	f.code = code
	return f.withEnding(endResetStream)
}

// GoAway closes an HTTP/2 connection with a GOAWAY that says that the server has
// processed none of its requests. The request is not applied. An HTTP/1.1
// connection is closed. In process the error has the text of net/http's error.
//
// Over the socket, an http.Client of your own then repeats the request by itself,
// even a POST if its GetBody is set. An infinitysip.Client does not: see Fault.
//
// For a normal GOAWAY, after a whole answer, use Header("Connection", "close").
func (f Fault) GoAway() Fault {
	f.commit, f.lastStream = commitNever, 0
	return f.withEnding(endGoAway).withCall("GoAway()")
}

// CommitThenGoAway applies the request and closes the connection with a GOAWAY
// that says that the server has processed all of its requests.
func (f Fault) CommitThenGoAway() Fault {
	f.lastStream = 1<<31 - 1
	return f.withEnding(endGoAway).withCall("CommitThenGoAway()")
}

// GoAwayBelow sends a GOAWAY that says that the server has processed the earlier
// requests of the HTTP/2 connection, but not this one. It finishes the earlier
// ones, and then the client closes the connection. The request is not applied, nor
// are later ones that come on this connection. If a later one was applied already,
// the GOAWAY names that, and the stream of this request is reset with
// StreamRefused.
//
// An http.Client of your own may repeat the request by itself, as with GoAway.
func (f Fault) GoAwayBelow() Fault {
	f.commit, f.lastStream = commitNever, 0
	return f.withEnding(endGoAwayBelow).withCall("GoAwayBelow()")
}

// CommitThenGoAwayBelow applies the request and says that it has not.
func (f Fault) CommitThenGoAwayBelow() Fault {
	f.lastStream = 0
	return f.withEnding(endGoAwayBelow).withCall("CommitThenGoAwayBelow()")
}

// Hang never answers. It ends when the client gives up or the server is closed.
// The request is not applied.
func (f Fault) Hang() Fault {
	f.commit = commitNever
	return f.withEnding(endHang).withCall("Hang()")
}

// CommitThenHang applies the request and never answers.
func (f Fault) CommitThenHang() Fault { return f.withEnding(endHang).withCall("CommitThenHang()") }

// HangThenCommit never answers, and applies the request when d has passed since
// its arrival, even if the client has given up. Server.Wait waits for that. If
// the server is closed first, the request is not applied.
func (f Fault) HangThenCommit(d time.Duration) Fault {
	if d < 0 {
		panic("siptest: HangThenCommit needs a duration of at least 0")
	}
	f.commit, f.commitDelay = commitLate, d
	return f.withEnding(endHang).withCall("HangThenCommit(%v)", d)
}

// Raw sends these bytes instead of an answer, beginning with the status line, and
// closes the connection. Use it for answers that net/http's server cannot send.
// The request is not applied. The Status of its Request stays 0.
//
// SlowHeaders and SlowBody work with Raw; SlowBody also slows the status line and
// the headers. The other methods that change the answer have no effect.
//
// In process the bytes give the same answer or error as with net/http. Over
// HTTP/2 they are not valid frames, so the connection breaks.
func (f Fault) Raw(text string) Fault {
	f.commit, f.raw = commitNever, text
	return f.withEnding(endRaw).withCall("Raw(%.60q)", text)
}

// CommitThenRaw applies the request and sends these bytes instead of an answer.
func (f Fault) CommitThenRaw(text string) Fault {
	f.raw = text
	return f.withEnding(endRaw).withCall("CommitThenRaw(%.60q)", text)
}

// Truncate applies the request and breaks the answer after n bytes of the body.
// The connection breaks, or over HTTP/2 the stream. The client gets an error when
// it reads the body. An answer without a body, such as a 204, is not changed.
//
// FramingClose cannot show a break. If Options.Framing is FramingClose, this
// answer has a Content-Length instead. If the fault has Framing(FramingClose), it
// has none, and the client cannot notice that a part is missing.
func (f Fault) Truncate(n int) Fault { return f.withCut(n, false).withCall("Truncate(%d)", n) }

// TruncateRows is like Truncate but cuts after n whole rows. It counts line ends.
func (f Fault) TruncateRows(n int) Fault { return f.withCut(n, true).withCall("TruncateRows(%d)", n) }

func (f Fault) withCut(n int, rows bool) Fault {
	if n < 0 {
		panic("siptest: Truncate needs a number of at least 0")
	}
	f.cutAfter, f.cutRows = n, rows
	return f.withEnding(endCut)
}

// Endless applies the request and repeats the body of its answer without end. It
// repeats a line end if the body is empty. It stops when the client goes away or
// the server is closed. FramingLength becomes FramingChunked. An answer
// without a body, such as a 204, is not changed.
//
// In process, reading the body takes no time. If the client reads until a timeout,
// add SlowBody.
func (f Fault) Endless() Fault { return f.withEnding(endEndless).withCall("Endless()") }

// SlowHeaders applies the request and waits for d. Then the server answers, or
// fails as another method of the fault says.
func (f Fault) SlowHeaders(d time.Duration) Fault {
	f.headerDelay = d
	return f.withCall("SlowHeaders(%v)", d)
}

// SlowBody sends n bytes of the body at a time and waits for d before each piece.
// In process the wait begins when the client reads.
func (f Fault) SlowBody(n int, d time.Duration) Fault {
	if n < 1 {
		panic("siptest: SlowBody needs a number of at least 1")
	}
	f.pace = pace{n, d}
	return f.withCall("SlowBody(%d, %v)", n, d)
}

// Stray sends a text on the connection after the whole answer, when d has passed:
// bytes that no request asked for, such as a second answer. If the client has sent
// another request by then, it takes the text for the answer to that.
//
// It works over HTTP/1.1 on the socket. Over HTTP/2, in process, and if the answer
// ends the connection, Stray has no effect.
func (f Fault) Stray(text string, d time.Duration) Fault {
	if text == "" || d < 0 {
		panic("siptest: Stray needs a text and a duration of at least 0")
	}
	f.stray, f.strayAfter = text, d
	return f.withCall("Stray(%.60q, %v)", text, d)
}

// Header sets a header of the answer, such as Retry-After.
func (f Fault) Header(key, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Set(key, value)
	return f.withCall("Header(%q, %.60q)", key, value)
}

// Body replaces the body of the answer.
func (f Fault) Body(text string) Fault {
	f.body = &text
	return f.withCall("Body(%.60q)", text)
}

// Rewrite replaces the body of the answer by the result of change. Use it for
// other line ends, a repeated row, a wrong id, or gzip with
// Header("Content-Encoding", "gzip"). Several changes run in the order given.
// Content-Length is the length of the new body.
func (f Fault) Rewrite(change func(body []byte) []byte) Fault {
	f.rewrites = append(slices.Clip(f.rewrites), change)
	return f.withCall("Rewrite(…)")
}

// Framing overrides Options.Framing. HTTP/2 has its own framing, but FramingLength
// still sets a Content-Length there.
func (f Fault) Framing(framing Framing) Fault {
	f.framing = &framing
	return f.withCall("Framing(%s)", framing.name())
}

func (f Fault) withEnding(e ending) Fault {
	f.ending = e
	return f
}

// withCall adds the call of a method, for String.
func (f Fault) withCall(format string, args ...any) Fault {
	f.calls = append(slices.Clip(f.calls), fmt.Sprintf(format, args...))
	return f
}

// String returns the fault as Go code. It leaves out hooks and the end of long
// texts.
func (f Fault) String() string {
	calls := []string{fmt.Sprintf("On(%q)", f.op)}
	if f.nth > 0 {
		calls = append(calls, fmt.Sprintf("Nth(%d)", f.nth))
	}
	if f.times > 0 {
		calls = append(calls, fmt.Sprintf("Times(%d)", f.times))
	}
	if f.duration > 0 {
		calls = append(calls, fmt.Sprintf("For(%v)", f.duration))
	}
	return strings.Join(append(calls, f.calls...), ".")
}

// Fail adds a fault. If several faults match a request, the one added first
// strikes, until it has struck as often as it should. Faults strike before the
// server checks the credentials.
//
// Fail panics if the server has no call of that name, or if the fault does nothing.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !f.hasCalls() && !slices.Contains(s.patterns, f.op) {
		panic("siptest: no call is named " + strconv.Quote(f.op))
	}
	if len(f.calls) == 0 {
		panic("siptest: the fault on " + strconv.Quote(f.op) + " does nothing")
	}
	s.faults = append(s.faults, &activeFault{Fault: f})
}

// hasCalls reports whether the API has calls that the fault strikes at.
func (f Fault) hasCalls() bool {
	return f.op == "*" || slices.ContainsFunc(routes, func(rt *route) bool { return f.matches(rt.op) })
}

// matches reports whether the fault is for a call, or a pattern of Handle.
func (f Fault) matches(op string) bool {
	if f.op == "*" || f.op == op {
		return true
	}
	service, ok := strings.CutSuffix(f.op, "*")
	return ok && strings.HasSuffix(service, ".") && strings.HasPrefix(op, service)
}

// UnusedFaults returns a line for each fault that has not struck as often as it
// should. With Times it should strike that often, with only Nth or For at least
// once. Without any of them it need not strike.
func (s *Server) UnusedFaults() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var unused []string
	for _, a := range s.faults {
		if want := a.minStrikes(); a.struck < want {
			unused = append(unused, fmt.Sprintf("%v struck %d times of %d", a.Fault, a.struck, want))
		}
	}
	return unused
}

// RequireFaultsUsed makes the test fail at its end if there are UnusedFaults
// then. New does not do this by itself, because Times may also mean "at most".
// *testing.T and *testing.B have the methods of t.
func (s *Server) RequireFaultsUsed(t interface {
	TB
	Errorf(format string, args ...any)
}) {
	t.Helper()
	t.Cleanup(func() {
		t.Helper()
		for _, unused := range s.UnusedFaults() {
			t.Errorf("siptest: %s", unused)
		}
	})
}

// An activeFault is a fault that was added to a server.
type activeFault struct {
	Fault
	matched, struck int
	started         bool
	startedAt       time.Time // when the duration began
}

// strikesNow counts a match and reports whether the fault strikes at it.
func (a *activeFault) strikesNow(now func() time.Time) bool {
	a.matched++
	if a.matched < a.nth {
		return false
	}
	if a.duration > 0 {
		t := now()
		if !a.started {
			a.started, a.startedAt = true, t
		}
		if t.Sub(a.startedAt) >= a.duration {
			return false
		}
	}
	if a.times > 0 {
		return a.struck < a.times
	}
	return a.nth == 0 || a.duration > 0 || a.matched == a.nth
}

// minStrikes returns how often the fault should at least strike.
func (a *activeFault) minStrikes() int {
	switch {
	case a.times > 0:
		return a.times
	case a.nth > 0 || a.duration > 0:
		return 1
	}
	return 0
}

// faultFor picks the fault that strikes at a request. The caller holds s.mu.
func (s *Server) faultFor(op string) Fault {
	var struck *activeFault
	for _, a := range s.faults {
		if !a.matches(op) {
			continue
		}
		// Every match counts, even if another fault strikes at it.
		if a.strikesNow(s.opts.Now) && struck == nil {
			struck = a
			a.struck++
		}
	}
	if struck == nil {
		return Fault{}
	}
	return struck.Fault
}

func (s *Server) runHooks(hooks []func(*Server)) {
	for _, hook := range hooks {
		hook(s)
	}
}
