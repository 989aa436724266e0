package pages

import (
	"hash/maphash"
	"io"
)

// Text sums up what the server sends for a page.
type Text struct {
	body io.Reader
	sum  maphash.Hash
}

// NewText returns a Text. Sums of one seed can be compared.
func NewText(seed maphash.Seed) *Text {
	t := new(Text)
	t.sum.SetSeed(seed)
	return t
}

// Of returns the body of an answer, which is summed up as it is read, from its
// beginning. Of a nil Text it returns the body alone.
func (t *Text) Of(body io.Reader) io.Reader {
	if t == nil {
		return body
	}
	t.body = body
	t.sum.Reset()
	return t
}

func (t *Text) Read(p []byte) (int, error) {
	n, err := t.body.Read(p)
	_, _ = t.sum.Write(p[:n]) // which never fails
	return n, err
}

// Progress tells the body that there was a row.
func (t *Text) Progress() {
	if body, ok := t.body.(interface{ Progress() }); ok {
		body.Progress()
	}
}

// Sum is the sum of what was read.
func (t *Text) Sum() uint64 { return t.sum.Sum64() }
