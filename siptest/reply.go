package siptest

import (
	"bytes"
	"cmp"
	"context"
	"html"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// An answer is the status and the body that the server answers.
type answer struct {
	status      int
	contentType string
	body        []byte
	header      http.Header // of a handler of Handle
}

// answer returns an error in this format.
func (e ErrorBody) answer(status int, message string) answer {
	const plain, json, page = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"
	switch e {
	case ErrorBodyJSONString:
		return answer{status: status, contentType: json, body: appendString(nil, message)}
	case ErrorBodyJSONObject:
		return answer{status: status, contentType: json, body: appendRow(nil, []column{{name: "message"}}, map[string]string{"message": message}, false)}
	case ErrorBodyHTML:
		title := html.EscapeString(statusText(status))
		return answer{status: status, contentType: page, body: []byte("<html><head><title>" + title + "</title></head><body><h1>" + title +
			"</h1><p>" + html.EscapeString(message) + "</p></body></html>\n")}
	}
	return answer{status: status, contentType: plain, body: []byte(message)}
}

func statusText(status int) string {
	return strings.ToLower(cmp.Or(http.StatusText(status), "error"))
}

// A reply is an answer and the way to send it.
type reply struct {
	answer
	header     http.Header
	framing    Framing
	length     int // the Content-Length under FramingLength
	ending     ending
	pace       pace
	raw        string     // for endRaw
	lastStream uint32     // for endGoAway
	code       StreamCode // for endResetStream

	stray      string // follows the answer
	strayAfter time.Duration
}

// makeReply turns an answer into a reply with the fault in it.
func (f Fault) makeReply(a answer, o Options) reply {
	if f.status != 0 {
		a = answer{status: f.status}
		if f.status >= 400 {
			a = o.ErrorBody.answer(f.status, statusText(f.status))
		}
	}
	if f.body != nil {
		a.body = []byte(*f.body)
	}
	for _, change := range f.rewrites {
		a.body = change(a.body)
	}
	rep := reply{
		answer:     a,
		header:     http.Header{},
		framing:    o.Framing,
		length:     len(a.body),
		ending:     f.ending,
		pace:       f.pace,
		raw:        f.raw,
		lastStream: f.lastStream,
		code:       f.code,
		stray:      f.stray,
		strayAfter: f.strayAfter,
	}
	maps.Copy(rep.header, a.header)
	if a.contentType != "" {
		rep.header.Set("Content-Type", a.contentType)
	}
	maps.Copy(rep.header, f.header)
	if f.framing != nil {
		rep.framing = *f.framing
	}
	switch {
	case f.ending == endEndless && rep.framing == FramingLength:
		rep.framing = FramingChunked
	case f.ending == endCut:
		f.truncate(&rep)
	}
	return rep
}

// truncate cuts a reply's body short. The client must notice this, even if the
// cut is behind the last byte. Therefore FramingClose becomes FramingLength,
// unless the fault itself asks for FramingClose.
func (f Fault) truncate(rep *reply) {
	keep := f.cutAfter
	if f.cutRows {
		keep = endOfRows(rep.body, f.cutAfter)
	}
	rep.length = max(rep.length, keep+1)
	rep.body = rep.body[:min(keep, len(rep.body))]
	if rep.framing != FramingClose {
		return
	}
	if f.framing != nil {
		rep.ending = endWhole
		return
	}
	rep.framing = FramingLength
}

// endOfRows returns the length of the first n lines of a body.
func endOfRows(body []byte, n int) int {
	end := 0
	for range n {
		i := bytes.IndexByte(body[end:], '\n')
		if i < 0 {
			return len(body)
		}
		end += i + 1
	}
	return end
}

// hasBody reports whether HTTP allows a body with this status.
func (rep reply) hasBody(method string) bool {
	return method != http.MethodHead && rep.status != http.StatusNoContent && rep.status != http.StatusNotModified
}

// stream returns the bytes to send. They end in io.EOF, or in another error if
// the connection has to break.
func (rep reply) stream(ctx context.Context) *stream {
	st := &stream{ctx: ctx, pending: rep.body, end: io.EOF, pace: rep.pace}
	switch rep.ending {
	case endCut:
		st.end = io.ErrUnexpectedEOF
	case endRaw:
		st.pending = []byte(rep.raw)
	case endEndless:
		// Each read becomes a write, so a short body is repeated to make large
		// ones.
		const size = 32 << 10
		if st.repeat = rep.body; len(st.repeat) == 0 {
			st.repeat = []byte("\n")
		}
		st.repeat = bytes.Repeat(st.repeat, size/len(st.repeat)+1)
	}
	return st
}

// A stream returns its bytes at a pace, until its context ends.
type stream struct {
	ctx       context.Context
	pending   []byte // the next bytes
	repeat    []byte // follows pending, again and again; nil: end follows
	end       error
	pace      pace
	pieceLeft int // the bytes left in the current piece of pace
}

func (st *stream) Read(p []byte) (int, error) {
	if err := context.Cause(st.ctx); err != nil {
		return 0, err
	}
	if len(st.pending) == 0 {
		st.pending = st.repeat
	}
	if len(st.pending) == 0 {
		return 0, st.end
	}
	if st.pace.bytes > 0 {
		if st.pieceLeft == 0 {
			if err := wait(st.ctx, st.pace.every); err != nil {
				return 0, err
			}
			st.pieceLeft = st.pace.bytes
		}
		p = p[:min(len(p), st.pieceLeft)]
	}
	n := copy(p, st.pending)
	st.pending = st.pending[n:]
	st.pieceLeft -= min(n, st.pieceLeft)
	return n, nil
}
