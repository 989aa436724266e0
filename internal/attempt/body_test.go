package attempt_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

// counted is a body that counts what its reader does. Each read takes a while, and does not
// end with the context.
type counted struct {
	io.Reader
	took          time.Duration
	reads, closes int
	err           error // of Close
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads++
	time.Sleep(c.took)
	return c.Reader.Read(p)
}

func (c *counted) Close() error { c.closes++; return c.err }

// bodyOf returns the body of an answer that has one.
func bodyOf(t *testing.T, o *owner, status int, body io.ReadCloser) io.ReadCloser {
	t.Helper()
	resp, err := try(t, o, answers(&http.Response{StatusCode: status, Header: http.Header{}, Body: body}), ownURL, nil)
	require.NoError(t, err)
	return resp.Body
}

// A body is closed once. Its error is the caller's, and nothing is read after it.
func TestABodyIsClosedOnce(t *testing.T) {
	t.Parallel()
	errBroken := errors.New("broken")
	under := &counted{Reader: strings.NewReader("text"), err: errBroken}
	body := bodyOf(t, newOwner(), 200, under)
	require.Equal(t, errBroken, body.Close())
	require.NoError(t, body.Close())
	require.Equal(t, 1, under.closes)
	n, err := body.Read(make([]byte, 8))
	require.Zero(t, n)
	require.Equal(t, http.ErrBodyReadAfterClose, err)
}

// What is left of an answer is not read if it failed, if it is whole, or if it is a list.
func TestNothingIsRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		long bool
		from io.Reader
		read int
	}{
		"a failure": {false, iotest.ErrReader(errors.New("broken")), 1},
		"its end":   {false, strings.NewReader(""), 1},
		"a list":    {true, strings.NewReader("[]"), 0},
	} {
		o, under := newOwner(), &counted{Reader: test.from}
		o.Long = test.long
		body := bodyOf(t, o, 200, under)
		for range test.read {
			_, err := body.Read(make([]byte, 8))
			require.Error(t, err, name)
		}
		require.NoError(t, body.Close(), name)
		require.Equal(t, test.read, under.reads, name)
	}
}

// The time between two reads is that of the reader, and not of the server.
func TestASlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		resp, err := try(t, newOwner(), func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &slow{req.Context(), time.Second, 3}}, nil
		}, ownURL, nil)
		require.NoError(t, err)
		for range 3 {
			_, err := resp.Body.Read(make([]byte, 8))
			require.NoError(t, err)
			time.Sleep(time.Minute)
		}
		require.NoError(t, resp.Body.Close())
	})
}

// What a transport still reads after the time is there all the same.
func TestALateEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body := bodyOf(t, newOwner(), 200, &counted{Reader: strings.NewReader("text"), took: 5 * time.Second})
		text, err := io.ReadAll(body)
		require.NoError(t, err)
		require.Equal(t, "text", string(text))
		require.NoError(t, body.Close())
	})
}

// An answer without a body is an empty one.
func TestNoBody(t *testing.T) {
	t.Parallel()
	text, err := io.ReadAll(bodyOf(t, newOwner(), 204, nil))
	require.NoError(t, err)
	require.Empty(t, text)
}

// A body whose first bytes are kept is read as it is without.
func TestOpeningOfAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, began := newOwner(), time.Now()
		o.Long = true
		resp, err := try(t, o, func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &slow{req.Context(), 1900 * time.Millisecond, 10}}, nil
		}, ownURL, nil)
		require.NoError(t, err)
		body := attempt.NewOpening(resp.Body, 2)
		for n := range 10 { // each byte is a row, and the time begins again
			_, err := body.Read(make([]byte, 8))
			require.NoError(t, err)
			require.Equal(t, n == 0, string(body.Kept()) == "x")
			body.Progress()
		}
		_, err = body.Read(make([]byte, 8))
		require.Equal(t, io.EOF, err)
		require.Equal(t, 19*time.Second, time.Since(began))
		require.NoError(t, body.Close())
	})
	attempt.NewOpening(io.NopCloser(strings.NewReader("")), 1).Progress() // of a body that is not an attempt's
	_, err := attempt.NewOpening(io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), 1).Read(make([]byte, 8))
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

// The rest of an answer may be given less time than the whole.
func TestWithin(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wrap   func(io.ReadCloser) io.ReadCloser
		within time.Duration
		took   time.Duration
	}{
		"less":            {func(body io.ReadCloser) io.ReadCloser { return body }, time.Second, time.Second},
		"less, kept":      {func(body io.ReadCloser) io.ReadCloser { return attempt.NewOpening(body, 1) }, time.Second, time.Second},
		"more, not given": {func(body io.ReadCloser) io.ReadCloser { return body }, time.Minute, 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			resp, err := try(t, newOwner(), func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: &slow{req.Context(), time.Hour, 1}}, nil
			}, ownURL, nil)
			require.NoError(t, err)
			body, began := test.wrap(resp.Body), time.Now()
			attempt.Within(body, test.within)
			_, err = body.Read(make([]byte, 8))
			require.ErrorContains(t, err, "no more of the answer", name)
			require.Equal(t, test.took, time.Since(began), name)
			require.NoError(t, body.Close())
		})
	}
	other := bytes.NewReader([]byte("text"))
	attempt.Within(other, time.Second)
	require.Equal(t, 4, other.Len())
}
