package attempt

import (
	"bytes"
	"io"
	"time"
)

// Opening is the body of an answer. It keeps the first bytes, those of a success
// until there is a row: they may be the words of an error.
type Opening struct {
	io.ReadCloser
	kept []byte
	left int // bytes to keep; -1: none any more
}

// NewOpening returns a body that keeps so many bytes.
func NewOpening(body io.ReadCloser, keep int) *Opening { return &Opening{body, nil, keep} }

func (o *Opening) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	if keep := min(n, o.left); keep > 0 {
		o.kept = append(o.kept, p[:keep]...)
		o.left -= keep
	}
	return n, err
}

// Progress notes that there was a row.
func (o *Opening) Progress() {
	o.Drop()
	if body, ok := o.ReadCloser.(interface{ Progress() }); ok {
		body.Progress()
	}
}

// Kept are the first bytes.
func (o *Opening) Kept() []byte { return o.kept }

// Again reads the body from its beginning.
func (o *Opening) Again() io.Reader { return io.MultiReader(bytes.NewReader(o.kept), o.ReadCloser) }

// Drop wipes what was kept, because rows may hold secrets.
func (o *Opening) Drop() {
	clear(o.kept)
	o.kept, o.left = nil, -1
}

// Dropped reports whether Drop was called.
func (o *Opening) Dropped() bool { return o.left < 0 }

// Within bounds how long the rest of an answer may take that is read only to know
// how it goes on.
func Within(body io.Reader, wait time.Duration) {
	if o, ok := body.(*Opening); ok {
		body = o.ReadCloser
	}
	if b, ok := body.(*watchedBody); ok {
		b.left = min(b.left, wait)
	}
}
