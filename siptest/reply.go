package siptest

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// A reply is an answer and how it is to be sent.
type reply struct {
	answer
	header  http.Header
	framing Framing
	length  int // what FramingLength announces
	ending  ending
	pace    pace
	raw     string // for endRaw
	taken   uint32 // for endGoAway
}

// hasBody reports whether HTTP allows a body with this status.
func (rep reply) hasBody(method string) bool {
	return method != http.MethodHead && rep.status != http.StatusNoContent && rep.status != http.StatusNotModified
}

// stream is the body as it goes out. It ends in io.EOF, or in another error
// where the connection is to break.
func (rep reply) stream(ctx context.Context) *stream {
	st := &stream{ctx: ctx, rest: rep.body, end: io.EOF, pace: rep.pace}
	switch rep.ending {
	case endCut:
		st.end = io.ErrUnexpectedEOF
	case endRaw:
		st.rest = []byte(rep.raw)
	case endEndless:
		// Not by single bytes: each piece is a write of its own.
		const enough = 32 << 10
		if st.again = rep.body; len(st.again) == 0 {
			st.again = []byte("\n")
		}
		st.again = bytes.Repeat(st.again, enough/len(st.again)+1)
	}
	return st
}

// A stream gives bytes at its pace, until its context ends.
type stream struct {
	ctx   context.Context
	rest  []byte
	again []byte // what follows the rest, for ever
	end   error
	pace  pace
	due   int // bytes of the piece at hand that are left
}

func (st *stream) Read(p []byte) (int, error) {
	if err := context.Cause(st.ctx); err != nil {
		return 0, err
	}
	if len(st.rest) == 0 {
		st.rest = st.again
	}
	if len(st.rest) == 0 {
		return 0, st.end
	}
	if st.pace.bytes > 0 {
		if st.due == 0 {
			if err := wait(st.ctx, st.pace.every); err != nil {
				return 0, err
			}
			st.due = st.pace.bytes
		}
		p = p[:min(len(p), st.due)]
	}
	n := copy(p, st.rest)
	st.rest = st.rest[n:]
	st.due -= min(n, st.due)
	return n, nil
}
