package pages_test

import (
	"hash/maphash"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/pages"
)

// Two texts are the same if their sums are, however they arrive, and whatever was read
// before.
func TestText(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	sum := func(bodies ...io.Reader) uint64 {
		text := pages.NewText(seed)
		for _, body := range bodies {
			_, err := io.Copy(io.Discard, text.Of(body))
			require.NoError(t, err)
		}
		return text.Sum()
	}
	a := sum(strings.NewReader("rows"))
	require.Equal(t, a, sum(iotest.OneByteReader(strings.NewReader("rows"))))
	require.Equal(t, a, sum(strings.NewReader("ro"), strings.NewReader("rows")), "an attempt before it was cut")
	require.NotEqual(t, a, sum(strings.NewReader("row")))
	require.NotEqual(t, a, sum(strings.NewReader("rows "), strings.NewReader("")))
}

// progress counts the rows that a reader tells of.
type progress struct {
	io.Reader
	rows int
}

func (p *progress) Progress() { p.rows++ }

func TestTextPassesProgressOn(t *testing.T) {
	t.Parallel()
	body := &progress{Reader: strings.NewReader("")}
	text := pages.NewText(maphash.MakeSeed())
	text.Of(body)
	text.Progress()
	require.Equal(t, 1, body.rows)
	text.Of(body.Reader)
	text.Progress() // which nobody wants to know

	var none *pages.Text
	require.Same(t, body, none.Of(body))
}
