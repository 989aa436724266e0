package siptest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// A Fault makes the server fail, for the requests that it matches. It is a
// plain value, built up from On:
//
//	siptest.On("Users.Create").Nth(3).CommitThenDrop()
//	siptest.On("*").Times(2).Status(503).Header("Retry-After", "1")
//
// Server.Fail puts it to work. With neither Nth nor Times it strikes at every
// match.
type Fault struct {
	op         string
	nth, times int

	latency time.Duration
	skip    bool // the request is not applied
	status  int  // 0: the server's own
	header  http.Header
	body    *string
	ending  ending
	keep    int // of the body, before endCut
}

// An ending is how the sending of an answer ends.
type ending int

const (
	endWhole ending = iota
	endDrop         // the connection closes before the status line
	endCut          // the connection breaks within the body
)

// On begins a fault for one call, by the name that it has in the SDK, such as
// "Users.Create", or for all requests with "*".
func On(op string) Fault { return Fault{op: op} }

// Nth makes the fault strike at the nth match only, counted from 1 and from
// the call to Fail; other faults do not change the count. With Times(k) it
// strikes at k matches from the nth on.
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

// Status answers with a status code. The request is not applied.
func (f Fault) Status(code int) Fault {
	f.skip = true
	return f.CommitThenStatus(code)
}

// CommitThenStatus applies the request and then answers with a status code
// all the same, as a proxy does that has lost patience.
func (f Fault) CommitThenStatus(code int) Fault {
	if code < 200 || code > 999 {
		panic("siptest: no final status: " + strconv.Itoa(code))
	}
	f.status = code
	return f
}

// Drop closes the connection without an answer. The request is not applied.
//
// On a socket, net/http itself may send a GET once more after a drop, if the
// connection had been used before.
func (f Fault) Drop() Fault {
	f.skip = true
	return f.CommitThenDrop()
}

// CommitThenDrop applies the request and closes the connection without an
// answer.
func (f Fault) CommitThenDrop() Fault {
	f.ending = endDrop
	return f
}

// Truncate applies the request, answers, and breaks the connection after n
// bytes of the body, so that reading it ends in an error. Under FramingClose,
// which cannot show a break, the answer has a Content-Length after all. An
// answer that has no body, such as a 204, arrives whole.
func (f Fault) Truncate(n int) Fault {
	if n < 0 {
		panic("siptest: Truncate needs a number of bytes")
	}
	f.ending, f.keep = endCut, n
	return f
}

// Latency waits before it does anything else. A request whose context ends
// meanwhile is not applied.
func (f Fault) Latency(d time.Duration) Fault {
	f.latency = d
	return f
}

// Header sets a header of the answer, such as Retry-After.
func (f Fault) Header(key, value string) Fault {
	f.header = f.header.Clone()
	if f.header == nil {
		f.header = http.Header{}
	}
	f.header.Set(key, value)
	return f
}

// Body replaces the body of the answer.
func (f Fault) Body(text string) Fault {
	f.body = &text
	return f
}

// Fail adds a fault. Of several that match a request the one added first
// strikes, until it is used up. Fail panics when the fault names no call or
// does nothing: a test that waits for it would wait in vain.
func (s *Server) Fail(f Fault) {
	known := f.op == "*" || slices.ContainsFunc(routes, func(rt *route) bool { return rt.op == f.op })
	if !known {
		panic("siptest: no call is named " + strconv.Quote(f.op))
	}
	if f.status == 0 && f.ending == endWhole && f.latency == 0 && f.header == nil && f.body == nil {
		panic("siptest: the fault on " + strconv.Quote(f.op) + " does nothing")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &armed{Fault: f})
}

// armed is a fault at work.
type armed struct {
	Fault
	seen, taken int
}

// due counts a match and reports whether the fault is to strike at it.
func (a *armed) due() bool {
	a.seen++
	switch {
	case a.times > 0:
		return a.seen >= a.nth && a.taken < a.times
	case a.nth > 0:
		return a.seen == a.nth
	}
	return true
}

// faultFor picks the fault that strikes at a request. It needs s.mu.
func (s *Server) faultFor(op string) Fault {
	var struck *armed
	for _, a := range s.faults {
		if a.op != "*" && a.op != op {
			continue
		}
		// Every match counts, also one that another fault takes.
		if a.due() && struck == nil {
			struck = a
			a.taken++
		}
	}
	if struck == nil {
		return Fault{}
	}
	return struck.Fault
}

// alter gives the reply that the fault makes of an answer.
func (f Fault) alter(a answer, style ErrorBody) reply {
	if f.status != 0 {
		a = answer{status: f.status}
		if f.status >= 400 {
			a = style.answer(f.status, statusText(f.status))
		}
	}
	if f.body != nil {
		a.body = []byte(*f.body)
	}
	rep := reply{answer: a, header: http.Header{}, ending: f.ending, keep: f.keep}
	if a.contentType != "" {
		rep.header.Set("Content-Type", a.contentType)
	}
	maps.Copy(rep.header, f.header)
	return rep
}
