package redact_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/redact"
)

func TestLine(t *testing.T) {
	t.Parallel()
	const limit = 512
	for name, test := range map[string]struct{ text, want string }{
		"nothing":                   {"", ""},
		"blanks":                    {" \t\r\n ", ""},
		"a line":                    {"a line", "a line"},
		"lines":                     {"one\r\ntwo\n\n three\t", "one two three"},
		"control characters":        {"a\x00b\x1b[31m\x7fc\u0085d", "a b [31m c d"},
		"separators":                {"a\u2028b\u2029c\u00a0d", "a b c d"},
		"directions of text":        {"a\u202eb\u200ec\ufeffd", "a b c d"},
		"what is no UTF-8":          {"a\xffb\xe6\x97c\ufffdd", "a b c d"},
		"beyond ASCII":              {"日本 é😀", "日本 é😀"},
		"the longest":               {strings.Repeat("x", limit), strings.Repeat("x", limit)},
		"longer":                    {strings.Repeat("x", limit+1), strings.Repeat("x", limit-3) + "…"},
		"long in blanks":            {strings.Repeat(" x", limit) + strings.Repeat(" ", limit), strings.Repeat("x ", 254) + "x…"},
		"the longest, in blanks":    {" " + strings.Repeat("x", limit) + "\n", strings.Repeat("x", limit)},
		"cut between characters":    {"xx" + strings.Repeat("日", limit), "xx" + strings.Repeat("日", 169) + "…"},
		"cut after a byte of one":   {"x" + strings.Repeat("日", limit), "x" + strings.Repeat("日", 169) + "…"},
		"cut after two bytes":       {strings.Repeat("日", limit), strings.Repeat("日", 169) + "…"},
		"cut after three bytes":     {strings.Repeat("😀", limit), strings.Repeat("😀", 127) + "…"},
		"the longest, beyond ASCII": {strings.Repeat("é", limit/2), strings.Repeat("é", limit/2)},
	} {
		line := redact.Line(test.text)
		require.Equal(t, test.want, line, name)
		require.LessOrEqual(t, len(line), limit, name)
		require.True(t, utf8.ValidString(line), name)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	n := redact.Names{"password", "pbxDeviceToken"}
	for name, want := range map[string]bool{
		"password": true, "Password": true, "PASSWORD": true, "pbxdevicetoken": true, "pbxDeviceToken": true,
		"": false, "pass": false, "passwords": false, "password ": false, "pin": false, "pbxDevice": false,
	} {
		require.Equal(t, want, n.Has(name), name)
	}
	require.False(t, redact.Names(nil).Has("password"))
}

// leak is an error that shows a secret, in its text and in itself.
type leak struct{ request string }

func (e *leak) Error() string { return "cannot send " + e.request }

func TestError(t *testing.T) {
	t.Parallel()
	detector := redact.New([]string{"hunter2"}, nil, redact.Names{"pin"})
	cause := &leak{"password=hunter2"}
	err := detector.Error(fmt.Errorf("no:\r\n\x00 %w, %w", cause, io.ErrUnexpectedEOF))
	require.EqualError(t, err, hidden(51))
	require.EqualError(t, detector.Error(errors.New(`{"pin":4711}`)), hidden(12))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, err, cause)
	require.NotErrorIs(t, err, io.EOF)
	got, ok := errors.AsType[*leak](err)
	require.True(t, ok)
	require.Same(t, cause, got)
	_, ok = errors.AsType[net.Error](err)
	require.False(t, ok)
	require.NoError(t, errors.Unwrap(err), "who prints a chain prints nothing more")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, err), "hunter2", verb)
	}

	timeout, ok := errors.AsType[net.Error](detector.Error(context.DeadlineExceeded))
	require.True(t, ok)
	require.True(t, timeout.Timeout())
}

// What the caller cuts out, such as a query with a secret in it, hides nothing else.
func TestErrorWithoutCuts(t *testing.T) {
	t.Parallel()
	detector := redact.New([]string{"hunter2"}, nil, nil)
	err := detector.Error(errors.New("GET https://pbx.example/users?token=hunter2:\r\n\x00 no answer to token=hunter2"), "?token=hunter2", "token=hunter2", "")
	require.EqualError(t, err, "GET https://pbx.example/users: no answer to")
}

// However long an error is, it is a line, and its end is no piece of a secret.
func TestALongError(t *testing.T) {
	t.Parallel()
	detector := redact.New([]string{"hunter2"}, nil, nil)
	for n := range 40 {
		err := detector.Error(errors.New(strings.Repeat(" ", 16<<10-n) + "hunter2"))
		if n >= 5 {
			require.EqualError(t, err, hidden(min(16<<10+7-n, 16<<10+1)), n)
			continue
		}
		require.EqualError(t, err, "", n)
	}
	require.Len(t, detector.Error(errors.New(strings.Repeat("hunted ", 3000))).Error(), 512)
}
