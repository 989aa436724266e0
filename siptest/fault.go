package siptest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Fault makes the server fail, for the requests that it matches. It is a
// plain value, built up from On:
//
//	siptest.On("Users.Create").Nth(3).CommitThenDrop()
//	siptest.On("*").Times(2).Status(503).Header("Retry-After", "1")
//
// Server.Fail puts it to work. With neither Nth nor Times nor For it strikes
// at every match.
//
// Words that begin with CommitThen apply the request before they fail; the
// same words without it do not apply it. All other words leave it as it is.
// Of two words that say how the answer ends the last one counts.
type Fault struct {
	op         string
	nth, times int
	duration   time.Duration
	calls      []string // what it does, as it was written

	before, after []func(*Server)
	stripBody     bool // of the request's body
	latency       time.Duration
	commit        commit
	commitDelay   time.Duration // for commitLate
	headerDelay   time.Duration // between the request's being applied and the answer

	status     int // 0: the server's own
	header     http.Header
	body       *string
	rewrites   []func([]byte) []byte
	framing    *Framing // nil: the server's own
	pace       pace
	ending     ending
	cutAfter   int  // bytes of the body, or rows, before endCut
	cutRows    bool // keep counts rows
	raw        string
	lastStream uint32 // the last stream that endGoAway says was taken
}

// A commit is whether a request is applied.
type commit int

const (
	commitNow commit = iota
	commitNever
	commitLate
)

// An ending is how the sending of an answer ends.
type ending int

const (
	endWhole       ending = iota
	endDrop               // the connection closes before the status line
	endReset              // the connection is reset before the status line
	endResetStream        // the stream is reset before the headers
	endGoAway             // the connection closes with a GOAWAY before the headers
	endHang               // nothing comes
	endRaw                // other bytes come instead
	endCut                // the connection breaks within the body
	endEndless            // the body goes on for ever
)

// answers reports whether a status goes out that the server knows.
func (e ending) sendsStatus() bool { return e == endWhole || e == endCut || e == endEndless }

// A pace is a number of bytes each so often; none for 0 bytes.
type pace struct {
	bytes int
	every time.Duration
}

// On begins a fault for one call, by the name that it has in the SDK, such as
// "Users.Create", or for all requests with "*".
func On(op string) Fault { return Fault{op: op} }

// Nth makes the fault strike at the nth match only, counted from 1 and from
// the call to Fail; other faults do not change the count. With Times(k) it
// strikes at k matches from the nth on, with For(d) from the nth on for d.
func (f Fault) Nth(n int) Fault {
	if n < 1 {
		panic("siptest: Nth counts from 1")
	}
	f.nth = n
	return f
}

// Times makes the fault strike at the first n matches that the faults before
// it leave over, and then step aside.
func (f Fault) Times(n int) Fault {
	if n < 1 {
		panic("siptest: Times needs a number from 1 up")
	}
	f.times = n
	return f
}

// For makes the fault strike at every match from the first one on for so long,
// by the server's clock: an outage. On a clock that stands still it has no end.
func (f Fault) For(d time.Duration) Fault {
	if d <= 0 {
		panic("siptest: For needs a time")
	}
	f.duration = d
	return f
}

// Before runs a hook when the request has arrived, before it is applied: to
// let somebody else's request come in between, or to cancel the client's.
//
// The server holds no lock meanwhile. What the hook asks of it are requests
// like any other: a fault on "*" meets them too. It must not call Wait or
// Close.
func (f Fault) Before(hook func(*Server)) Fault {
	f.before = append(slices.Clip(f.before), hook)
	return f.withCall("Before(…)")
}

// After runs a hook, as Before does, when the request has been applied and the
// answer is not yet under way. With a word that does not apply the request it
// runs at the same point, with HangThenCommit when the request is applied.
func (f Fault) After(hook func(*Server)) Fault {
	f.after = append(slices.Clip(f.after), hook)
	return f.withCall("After(…)")
}

// StripBody takes the request's body away before the server sees it, as some
// proxies do to a DELETE. Its Request shows no Form.
func (f Fault) StripBody() Fault {
	f.stripBody = true
	return f.withCall("StripBody()")
}

// Latency waits before the request is applied, or would be. A request whose
// context ends meanwhile is not applied.
func (f Fault) Latency(d time.Duration) Fault {
	f.latency = d
	return f.withCall("Latency(%v)", d)
}

// Status answers with a status code. The request is not applied.
func (f Fault) Status(code int) Fault {
	f.commit = commitNever
	return f.withStatus(code).withCall("Status(%d)", code)
}

// CommitThenStatus applies the request and then answers with a status code
// all the same, as a proxy does that has lost patience.
func (f Fault) CommitThenStatus(code int) Fault {
	return f.withStatus(code).withCall("CommitThenStatus(%d)", code)
}

func (f Fault) withStatus(code int) Fault {
	if code < 200 || code > 999 {
		panic("siptest: no final status: " + strconv.Itoa(code) + "; Raw sends anything")
	}
	f.status = code
	return f
}

// Drop closes the connection (FIN) without an answer. The request is not
// applied. Over HTTP/2 all other requests on the connection go down with it.
//
// On a socket, net/http itself may send a GET once more after a drop, a reset
// or a GOAWAY, if the connection had been used before.
func (f Fault) Drop() Fault {
	f.commit = commitNever
	return f.withEnding(endDrop).withCall("Drop()")
}

// CommitThenDrop applies the request and closes the connection without an
// answer.
func (f Fault) CommitThenDrop() Fault { return f.withEnding(endDrop).withCall("CommitThenDrop()") }

// Reset is Drop with a reset of the connection (RST), which the client sees as
// ECONNRESET. Over HTTP/2 net/http may take it for a close.
func (f Fault) Reset() Fault {
	f.commit = commitNever
	return f.withEnding(endReset).withCall("Reset()")
}

// CommitThenReset applies the request and resets the connection.
func (f Fault) CommitThenReset() Fault { return f.withEnding(endReset).withCall("CommitThenReset()") }

// ResetStream resets the request's stream of HTTP/2 with INTERNAL_ERROR and
// leaves the connection as it is. The request is not applied. A connection of
// HTTP/1.1 is closed. In process the error reads as net/http's.
func (f Fault) ResetStream() Fault {
	f.commit = commitNever
	return f.withEnding(endResetStream).withCall("ResetStream()")
}

// CommitThenResetStream applies the request and resets its stream.
func (f Fault) CommitThenResetStream() Fault {
	return f.withEnding(endResetStream).withCall("CommitThenResetStream()")
}

// GoAway closes a connection of HTTP/2 with a GOAWAY which says that no request
// on it was taken. The request is not applied. net/http then sends a request
// again of its own accord, a POST too if its GetBody is set. A connection of
// HTTP/1.1 is closed. In process the error reads as net/http's, and nothing is
// sent again.
//
// A GOAWAY that is no fault, after a whole answer, comes with
// Header("Connection", "close").
func (f Fault) GoAway() Fault {
	f.commit, f.lastStream = commitNever, 0
	return f.withEnding(endGoAway).withCall("GoAway()")
}

// CommitThenGoAway applies the request and closes the connection with a GOAWAY
// which says that all requests on it were taken.
func (f Fault) CommitThenGoAway() Fault {
	f.lastStream = 1<<31 - 1
	return f.withEnding(endGoAway).withCall("CommitThenGoAway()")
}

// Hang never answers, until the client gives up or the server is closed. The
// request is not applied.
func (f Fault) Hang() Fault {
	f.commit = commitNever
	return f.withEnding(endHang).withCall("Hang()")
}

// CommitThenHang applies the request and never answers.
func (f Fault) CommitThenHang() Fault { return f.withEnding(endHang).withCall("CommitThenHang()") }

// HangThenCommit never answers, and applies the request d after it arrived,
// whether or not the client is still there. Server.Wait waits for that; a
// server that is closed before does not apply it.
func (f Fault) HangThenCommit(d time.Duration) Fault {
	if d < 0 {
		panic("siptest: HangThenCommit needs a time from now on")
	}
	f.commit, f.commitDelay = commitLate, d
	return f.withEnding(endHang).withCall("HangThenCommit(%v)", d)
}

// Raw sends these bytes in place of an answer, status line and all, and closes
// the connection: for what net/http's server would not send. The request is not
// applied. Of the other words on answers SlowHeaders and SlowBody still hold,
// SlowBody for the status line and the headers too. The Status of its Request
// stays 0.
//
// In process the bytes become the answer or the error that net/http would make
// of them. Over HTTP/2 they are no frames, which breaks the connection.
func (f Fault) Raw(text string) Fault {
	f.commit, f.raw = commitNever, text
	return f.withEnding(endRaw).withCall("Raw(%.60q)", text)
}

// CommitThenRaw applies the request and sends these bytes in place of an
// answer.
func (f Fault) CommitThenRaw(text string) Fault {
	f.raw = text
	return f.withEnding(endRaw).withCall("CommitThenRaw(%.60q)", text)
}

// Truncate applies the request, answers, and breaks the connection, over
// HTTP/2 the stream, after n bytes of the body, so that reading it ends in an
// error. Under Options.Framing of FramingClose, which cannot show a break, the
// answer has a Content-Length after all; with the word Framing(FramingClose)
// it does not, and the client cannot see that anything is missing. An answer
// that has no body, such as a 204, arrives whole.
func (f Fault) Truncate(n int) Fault { return f.withCut(n, false).withCall("Truncate(%d)", n) }

// TruncateRows is Truncate after n whole rows, counted by their line ends.
func (f Fault) TruncateRows(n int) Fault { return f.withCut(n, true).withCall("TruncateRows(%d)", n) }

func (f Fault) withCut(n int, rows bool) Fault {
	if n < 0 {
		panic("siptest: Truncate needs a number from 0 up")
	}
	f.cutAfter, f.cutRows = n, rows
	return f.withEnding(endCut)
}

// Endless applies the request and answers with a body that has no end: what the
// body would have been, over and over, or line ends where it would have been
// empty. It stops when the client goes away or the server is closed. Under
// FramingLength it is chunked. An answer that has no body, such as a 204,
// arrives whole.
//
// In process reading it takes no time. Who reads it until a time has passed
// needs SlowBody with it.
func (f Fault) Endless() Fault { return f.withEnding(endEndless).withCall("Endless()") }

// SlowHeaders applies the request and keeps silent for so long before it
// answers, or fails in the way that another word tells.
func (f Fault) SlowHeaders(d time.Duration) Fault {
	f.headerDelay = d
	return f.withCall("SlowHeaders(%v)", d)
}

// SlowBody sends n bytes of the body each d, the first of them d after the
// headers. In process a piece comes d after the client began to wait for it.
func (f Fault) SlowBody(n int, d time.Duration) Fault {
	if n < 1 {
		panic("siptest: SlowBody needs a number from 1 up")
	}
	f.pace = pace{n, d}
	return f.withCall("SlowBody(%d, %v)", n, d)
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

// Rewrite replaces the body of the answer by what change makes of it: other
// line ends, a row twice, an id that is another, gzip with
// Header("Content-Encoding", "gzip"). Several work one after another. A
// Content-Length is that of the new body.
func (f Fault) Rewrite(change func(body []byte) []byte) Fault {
	f.rewrites = append(slices.Clip(f.rewrites), change)
	return f.withCall("Rewrite(…)")
}

// Framing answers with another framing than Options.Framing. HTTP/2 has a
// framing of its own; of this it takes a Content-Length and nothing else.
func (f Fault) Framing(framing Framing) Fault {
	f.framing = &framing
	return f.withCall("Framing(%s)", framing.name())
}

func (f Fault) withEnding(e ending) Fault {
	f.ending = e
	return f
}

// does notes a word for String.
func (f Fault) withCall(format string, args ...any) Fault {
	f.calls = append(slices.Clip(f.calls), fmt.Sprintf(format, args...))
	return f
}

// String writes the fault as a program would. Hooks are left out, and all but
// the beginning of long texts.
func (f Fault) String() string {
	words := []string{fmt.Sprintf("On(%q)", f.op)}
	if f.nth > 0 {
		words = append(words, fmt.Sprintf("Nth(%d)", f.nth))
	}
	if f.times > 0 {
		words = append(words, fmt.Sprintf("Times(%d)", f.times))
	}
	if f.duration > 0 {
		words = append(words, fmt.Sprintf("For(%v)", f.duration))
	}
	return strings.Join(append(words, f.calls...), ".")
}

// Fail adds a fault. Of several that match a request the one added first
// strikes, until it is used up. Fail panics when the fault names no call or
// does nothing: a test that waits for it would wait in vain.
func (s *Server) Fail(f Fault) {
	known := f.op == "*" || slices.ContainsFunc(routes, func(rt *route) bool { return rt.op == f.op })
	if !known {
		panic("siptest: no call is named " + strconv.Quote(f.op))
	}
	if len(f.calls) == 0 {
		panic("siptest: the fault on " + strconv.Quote(f.op) + " does nothing")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &activeFault{Fault: f})
}

// UnusedFaults tells, one line each, which faults have not struck as often as
// they were to: those with Times or Nth that have strikes left, and those with
// For that never struck. A fault on every match may well not strike.
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

// activeFault is a fault at work.
type activeFault struct {
	Fault
	matched, struck int
	started         bool
	startedAt       time.Time // when the span began
}

// due counts a match and reports whether the fault is to strike at it.
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

// strikes is how often the fault is to strike at the least.
func (a *activeFault) minStrikes() int {
	switch {
	case a.times > 0:
		return a.times
	case a.nth > 0 || a.duration > 0:
		return 1
	}
	return 0
}

// faultFor picks the fault that strikes at a request. It needs s.mu.
func (s *Server) faultFor(op string) Fault {
	var struck *activeFault
	for _, a := range s.faults {
		if a.op != "*" && a.op != op {
			continue
		}
		// Every match counts, also one that another fault takes.
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

// run runs hooks.
func (s *Server) runHooks(hooks []func(*Server)) {
	for _, hook := range hooks {
		hook(s)
	}
}
