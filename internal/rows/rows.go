// Package rows reads JSON rows into structs as they arrive: one object a line, or one
// array. A number may come as a string, or the other way round. Members that no
// field decodes are kept. An answer that is cut short is an error. The package reads
// flat objects itself, faster than encoding/json, and accepts what that accepts.
package rows

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
)

const (
	byteOrderMark = "\xef\xbb\xbf"
	rowBuffer     = 64 << 10 // bytes that a reader begins with; it grows for a longer row
)

// ErrCut is the error of an answer that ended before it was complete. The rows
// before the cut are good, but there may be more.
var ErrCut = errors.New("the answer was cut short")

// Reader reads rows of type R.
type Reader[R any] struct {
	answer
	decoder
	row R // the decoder decodes into it
}

// NewReader returns a Reader of rows of at most limit bytes each. Close it, so that
// its buffers can be used again. If body has a Progress method, the Reader calls it
// after each row.
func NewReader[R any](l *Layout, body io.Reader, limit int) *Reader[R] {
	r, ok := l.idle.Get().(*Reader[R])
	if !ok {
		r = new(Reader[R])
		r.bind(l, reflect.ValueOf(&r.row).Elem())
	}
	r.open(body, limit)
	return r
}

// Close wipes the buffers and keeps them for the next reader.
func (r *Reader[R]) Close() {
	var none R
	r.row = none
	r.forget()
	r.layout.idle.Put(r)
}

// ReadAll reads a complete answer.
func ReadAll[R any](l *Layout, body io.Reader, limit int) ([]R, error) {
	var all pile[R]
	if err := ReadEach(l, body, limit, func(row R) bool { all.add(row); return true }); err != nil {
		return nil, err
	}
	return all.list(), nil
}

// Collect reads an iterator to its end.
func Collect[R any](list iter.Seq2[R, error]) ([]R, error) {
	var all pile[R]
	for row, err := range list {
		if err != nil {
			return nil, err
		}
		all.add(row)
	}
	return all.list(), nil
}

// pile collects rows in parts, and copies them once: a slice that grows by append
// copies many rows about five times.
type pile[R any] struct {
	full [][]R
	last []R
}

const partRows = 1024

func (p *pile[R]) add(row R) {
	if len(p.last) == partRows {
		p.full, p.last = append(p.full, p.last), make([]R, 0, partRows)
	}
	p.last = append(p.last, row)
}

func (p *pile[R]) list() []R {
	if p.full == nil {
		return p.last
	}
	return slices.Concat(append(p.full, p.last)...)
}

// ReadOne reads a complete answer of one row.
func ReadOne[R any](l *Layout, body io.Reader, limit int) (row R, err error) {
	n := 0
	err = ReadEach(l, body, limit, func(one R) bool { row, n = one, n+1; return n < 2 })
	switch {
	case err == nil && n == 0:
		err = errors.New("no row")
	case err == nil && n == 2:
		err = errors.New("more than one row")
	}
	return row, err
}

// ReadEach calls do with each row as it arrives, until do returns false.
func ReadEach[R any](l *Layout, body io.Reader, limit int, do func(R) bool) error {
	r := NewReader[R](l, body, limit)
	defer r.Close()
	for {
		switch row, err := r.Next(); {
		case err == io.EOF, err == nil && !do(row):
			return nil
		case err != nil:
			return err
		}
	}
}

// Next returns the next row. Its error is io.EOF after the last row of a
// complete answer, wraps ErrCut when the answer ends before that, and
// otherwise names the row and the field that are wrong.
func (r *Reader[R]) Next() (R, error) {
	var none R
	r.row = none
	if err := r.read(&r.decoder); err == io.EOF {
		return none, err
	} else if err != nil {
		return none, fmt.Errorf("row %d: %w", r.n+1, err)
	}
	r.n++
	if body, ok := r.body.(interface{ Progress() }); ok {
		body.Progress()
	}
	return r.row, nil
}

// answer is what the server sends, read row by row.
type answer struct {
	body  io.Reader
	limit int   // of a row, in bytes
	ended error // why there is nothing more to read
	array bool  // the rows are in an array that is still open
	n     int   // rows read

	buf        []byte
	start, end int // buf[start:end] was received and is not read yet
	used       int // how much of buf was ever written to
}

func (a *answer) open(body io.Reader, limit int) {
	*a = answer{body: body, limit: limit, buf: a.buf}
}

// forget wipes the answer, because it may hold secrets.
func (a *answer) forget() {
	a.body = nil
	clear(a.buf[:a.used])
	if len(a.buf) > rowBuffer {
		a.buf = nil
	}
}

// read lets d decode the next row, as soon as its last bracket has arrived: what
// follows may come late, or never.
func (a *answer) read(d *decoder) error {
	if err := a.begin(); err != nil {
		return err
	}
	for waited := false; ; waited = true {
		text := a.buf[a.start:a.end]
		text = text[:min(len(text), a.limit)]
		line, ended := text, false
		if !a.array {
			line, _, ended = bytes.Cut(text, []byte("\n"))
		}
		size, err := d.find(line)
		switch {
		case err == nil:
			a.start += size
			return d.fill(line[:size])
		case ended || !errors.Is(err, errShort):
			return err
		case len(text) == a.limit:
			return a.tooLong()
		case waited:
			return a.cut()
		}
		a.wait()
	}
}

// wait receives more until the row at the start ends, or cannot be a row.
func (a *answer) wait() {
	var b brackets
	for seen := 0; seen < a.limit; {
		piece := a.buf[a.start+seen : a.end]
		if b.close(piece) > 0 || !a.array && bytes.IndexByte(piece, '\n') >= 0 || !a.more() {
			return
		}
		seen += len(piece)
	}
}

// more receives more, and reports whether there was any.
func (a *answer) more() bool {
	a.start, a.end = 0, copy(a.buf, a.buf[a.start:a.end])
	if a.end == len(a.buf) {
		a.buf = append(a.buf, make([]byte, max(len(a.buf), rowBuffer))...)
	}
	for range 100 {
		if a.ended != nil {
			return false
		}
		var n int
		if n, a.ended = a.body.Read(a.buf[a.end:]); n > 0 {
			a.end += n
			a.used = max(a.used, a.end)
			return true
		}
	}
	a.ended = io.ErrNoProgress
	return false
}

func (a *answer) cut() error {
	if a.ended != io.EOF {
		return fmt.Errorf("%w: %w", ErrCut, a.ended)
	}
	return ErrCut
}

func (a *answer) tooLong() error { return fmt.Errorf("too long: more than %d bytes", a.limit) }

// skip skips white space. It returns the character after it, and whether a line
// ended before that.
func (a *answer) skip() (c byte, newLine bool, err error) {
	for n := 0; n <= a.limit; n++ {
		if a.start == a.end && !a.more() {
			if a.ended == io.EOF && !a.array {
				return 0, newLine, io.EOF
			}
			return 0, newLine, a.cut()
		}
		switch c = a.buf[a.start]; c {
		case '\n':
			newLine = true
		case ' ', '\t', '\r':
		default:
			return c, newLine, nil
		}
		a.start++
	}
	return 0, newLine, a.tooLong()
}

// begin goes to the next row. A row is on a new line, or follows a comma.
func (a *answer) begin() error {
	first := a.n == 0
	if first {
		for a.end < len(byteOrderMark) && a.more() {
		}
		if text := string(a.buf[:min(a.end, len(byteOrderMark))]); text == byteOrderMark {
			a.start = len(byteOrderMark)
		} else if text != "" && strings.HasPrefix(byteOrderMark, text) {
			return a.cut()
		}
	}
	c, newLine, err := a.skip()
	if first && c == '[' {
		a.array = true
		a.start++
		c, _, err = a.skip()
	}
	switch {
	case err != nil:
		return err
	case a.array && c == ']':
		a.array = false
		a.start++
		if _, _, err = a.skip(); err == nil {
			err = errors.New("something follows the array")
		}
		return err
	case first && c == '<':
		return errors.New("the answer is a page of HTML, not rows")
	case first:
		return nil
	case a.array && c == ',':
		a.start++
		_, _, err = a.skip()
		return err
	case a.array:
		return fmt.Errorf("not JSON: %q for a comma", c)
	case !newLine:
		return errors.New("not on a line of its own")
	}
	return nil
}
