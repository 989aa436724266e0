package infinitysip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
)

const (
	byteOrderMark = "\xef\xbb\xbf"
	rowBuffer     = 64 << 10 // of a reader, in bytes; it grows for a longer row
)

// errCut marks an answer that ended before it was complete. Rows that came
// before the cut are good; that they are all is what cannot be said.
var errCut = errors.New("the answer was cut short")

// rows reads rows of type R off the wire: JSON objects on a line each, or one
// array of them.
type rows[R any] struct {
	answer
	filler
	row R   // which the filler fills
	n   int // rows read
}

// newRows reads rows of at most limit bytes. Close them, so that another
// answer can be read with the same buffers.
func newRows[R any](p *plan, body io.Reader, limit int) *rows[R] {
	r, ok := p.idle.Get().(*rows[R])
	if !ok {
		r = new(rows[R])
		r.follow(p, reflect.ValueOf(&r.row).Elem())
	}
	r.open(body, limit)
	return r
}

func (r *rows[R]) open(body io.Reader, limit int) {
	r.answer = answer{body: body, limit: limit, buf: r.buf}
	r.n = 0
}

func (r *rows[R]) close() {
	var none R
	r.row = none
	r.answer.forget()
	r.filler.forget()
	r.plan.idle.Put(r)
}

// readRows reads a complete answer.
func readRows[R any](p *plan, body io.Reader, limit int) ([]R, error) {
	rows := newRows[R](p, body, limit)
	defer rows.close()
	var all []R
	for {
		row, err := rows.next()
		if err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
}

// next returns the next row. Its error is io.EOF after the last row of a
// complete answer, wraps errCut when the answer ends before that, and
// otherwise names the row and the field that are wrong.
func (r *rows[R]) next() (R, error) {
	var none R
	r.row = none
	if err := r.read(); err == io.EOF {
		return none, err
	} else if err != nil {
		return none, fmt.Errorf("row %d: %w", r.n+1, err)
	}
	r.n++
	if body, ok := r.body.(*watchedBody); ok {
		body.progress()
	}
	return r.row, nil
}

// read sets the fields to the next row.
func (r *rows[R]) read() error {
	if err := r.begin(); err != nil {
		return err
	}
	size, err := r.find(r.text())
	if err == errShort {
		if err = r.wait(); err != nil {
			return err
		}
		size, err = r.find(r.text())
	}
	switch {
	case err == errShort:
		return r.cut()
	case err != nil:
		return err
	case size > r.limit:
		return r.tooLong()
	}
	return r.set(r.take(size))
}

// answer is what the server sends, taken row by row.
type answer struct {
	body  io.Reader
	limit int   // of a row, in bytes
	ended error // why there is no more to read

	buf        []byte
	start, end int // what is read and not yet taken is buf[start:end]
	used       int // how much of buf was ever written to

	begun, array, closed bool // closed: the array has ended
}

// text is what is read and not yet taken.
func (a *answer) text() jsonText { return jsonText{a.buf[a.start:a.end], !a.array} }

// take takes the next size bytes.
func (a *answer) take(size int) []byte {
	a.start += size
	return a.buf[a.start-size : a.start]
}

// forget wipes the answer, of which something may be secret.
func (a *answer) forget() {
	a.body = nil
	clear(a.buf[:a.used])
	if len(a.buf) > rowBuffer {
		a.buf = nil
	}
}

// fill reads more and reports whether there is more.
func (a *answer) fill() bool {
	if a.start > 0 && (a.start == a.end || a.end == len(a.buf)) {
		a.end = copy(a.buf, a.buf[a.start:a.end])
		a.start = 0
	}
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
	if a.ended == io.EOF {
		return errCut
	}
	return fmt.Errorf("%w: %w", errCut, a.ended)
}

func (a *answer) tooLong() error { return fmt.Errorf("too long: more than %d bytes", a.limit) }

// wait reads on until the row at the start ends, or cannot be one any more.
func (a *answer) wait() error {
	var b brackets
	for seen := 0; ; {
		piece := a.buf[a.start+seen : a.end]
		_, closed := b.close(piece)
		if closed || !a.array && bytes.IndexByte(piece, '\n') >= 0 {
			return nil
		}
		if seen += len(piece); seen > a.limit {
			return a.tooLong()
		}
		if !a.fill() {
			return nil
		}
	}
}

// skip comes to what is not white space and tells what it is, and whether a
// line ended before it.
func (a *answer) skip() (c byte, newLine bool, err error) {
	for n := 0; n <= a.limit; n++ {
		if a.start == a.end && !a.fill() {
			if a.ended == io.EOF && (a.closed || !a.array) {
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

// begin comes to the next row. A row is on a new line, or follows a comma.
func (a *answer) begin() error {
	if !a.begun {
		return a.beginFirst()
	}
	c, newLine, err := a.skip()
	switch {
	case err != nil:
		return err
	case a.closed:
		return errors.New("something follows the array")
	case a.array && c == ']':
		a.closed = true
		a.start++
		return a.begin()
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

// beginFirst looks at how the answer begins.
func (a *answer) beginFirst() error {
	a.begun = true
	for a.end < len(byteOrderMark) && a.fill() {
	}
	if bytes.HasPrefix(a.buf[:a.end], []byte(byteOrderMark)) {
		a.start = len(byteOrderMark)
	}
	c, _, err := a.skip()
	switch {
	case err != nil:
		return err
	case c == '<':
		return errors.New("the answer is a page of HTML, not rows")
	case c != '[':
		return nil
	}
	a.array = true
	a.start++
	if c, _, err = a.skip(); err != nil || c != ']' {
		return err
	}
	return a.begin()
}
