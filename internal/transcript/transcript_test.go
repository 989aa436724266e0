package transcript_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/transcript"
)

const secret = "hunter2hunter2"

// writes keeps what each call of Write got.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return 0, errors.New("the disk is full")
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func secrets() transcript.Secrets {
	return transcript.Secrets{Detector: redact.New([]string{secret}, nil, redact.Names{"pin"}), Named: redact.Sensitive}
}

func ask(t *testing.T, log *transcript.Log, target string, form url.Values, header http.Header) *transcript.Exchange {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, nil)
	require.NoError(t, err)
	req.Header = header
	return log.Request("Users.Create, attempt 2", req, form, secrets())
}

func answered(body io.Reader, length int64, headers ...string) *http.Response {
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: length}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Add(headers[i], headers[i+1])
	}
	return resp
}

// written is the record of an answer whose body is read to a size, or to its end.
func written(t *testing.T, resp *http.Response, most int64) string {
	t.Helper()
	var out writes
	ask(t, transcript.New(&out), "https://example.com/", nil, nil).Answered(resp)
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, most))
	require.Len(t, out, 1, "the record is written at the end")
	require.NoError(t, resp.Body.Close())
	require.NoError(t, resp.Body.Close())
	require.Len(t, out, 2)
	_, rest, _ := strings.Cut(out[1], "\n")
	return rest
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		target string
		form   url.Values
		header http.Header
		want   string
	}{
		"all": {
			"https://gw.example.com/a%2Fb/users?sort%5B%5D=a&b", url.Values{"z": {"1", "2"}, "a": {"Zoë & Co"}, "sipPassword": {"x"}, "note": {"it is " + secret}, "empty": {""}},
			http.Header{"Cookie": {"a=b"}, "X-Api-Key": {"k", "l"}, "Authorization": {"ApiKey x"}, "X-Note": {"a " + secret, "b"}, "X-" + secret: {"c"}},
			`
    POST /a%2Fb/users?sort%5B%5D=a&b
    Authorization: [redacted]
    Cookie: [redacted]
    X-Api-Key: [redacted]
    X-Api-Key: [redacted]
    X-Note: [redacted]
    X-Note: b
    [redacted]: c

    a=Zoë & Co
    empty=
    note=[redacted]
    sipPassword=[redacted]
    z=1
    z=2
`},
		"a secret by its name in the query":   {"https://example.com/?a=1&newPin=4&b=2", nil, nil, "\n    POST /?a=1&newPin=[redacted]&b=2\n"},
		"a secret by its name in a filter":    {"https://example.com/?filter%5B%5D=pin-eq-value-4", nil, nil, "\n    POST /?filter%5B%5D=[redacted]\n"},
		"a secret in the query":               {"https://example.com/?a=hunter2%68unter2", nil, nil, "\n    POST /?[redacted]\n"},
		"a secret in the path":                {"https://example.com/hunter2hunter2/", nil, nil, "\n    POST [redacted]\n"},
		"what does not print, in a form":      {"https://example.com/", url.Values{"a": {"b\nc=d\x1b[31m"}}, nil, "\n    POST /\n\n    a=b\\nc=d\\x1b[31m\n"},
		"what does not print, in the headers": {"https://example.com/", nil, http.Header{"A": {"b\r\nC: d\x1b"}}, "\n    POST /\n    A: b C: d\n"},
	} {
		var out writes
		ask(t, transcript.New(&out), test.target, test.form, test.header)
		require.Equal(t, writes{"--> #1 Users.Create, attempt 2" + test.want}, out, name)
	}
}

func TestALargeForm(t *testing.T) {
	t.Parallel()
	var out writes
	form := url.Values{"password": {strings.Repeat("x", 1<<20)}}
	for i := range 2000 {
		form.Add("userIds[]", fmt.Sprint(10_000+i))
	}
	ask(t, transcript.New(&out), "https://example.com/", form, nil)
	require.Contains(t, out[0], "    password=[redacted]\n")
	require.Contains(t, out[0], "    userIds[]=10900\n")
	require.NotContains(t, out[0], "    userIds[]=11999\n")
	require.True(t, strings.HasSuffix(out[0], "    [cut: the form has 32020 bytes]\n"), out[0][len(out[0])-100:])
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(`{"a":"0123456789","sipPin":"1"}`+"\n", 1000) // 32 bytes a row
	rows := func(n int) string { return strings.Repeat("    "+`{"a":"0123456789","sipPin":"[redacted]"}`+"\n", n) }
	for name, test := range map[string]struct {
		resp *http.Response
		read int64
		want string
	}{
		"a row":      {answered(strings.NewReader(`{"a":"b","sipPin":1}`), 20, "X-B", "c", "Set-Cookie", "d", "X-A", secret), 1 << 20, "    200 OK\n    Set-Cookie: [redacted]\n    X-A: [redacted]\n    X-B: c\n\n    {\"a\":\"b\",\"sipPin\":\"[redacted]\"}\n"},
		"no body":    {answered(http.NoBody, 0), 0, "    200 OK\n"},
		"nil":        {&http.Response{StatusCode: 999}, 0, "    999\n"},
		"blank":      {answered(strings.NewReader("a\r\n\r\n\nb\n"), -1), 1 << 20, "    200 OK\n\n    a\n\n\n    b\n"},
		"a forgery":  {answered(strings.NewReader("<-- #2 x\n--> #3 y\x1b[2J"), -1), 1 << 20, "    200 OK\n\n    <-- #2 x\n    --> #3 y\\x1b[2J\n"},
		"a secret":   {answered(strings.NewReader("a\nhunter2\n  hunter2\nb"), -1), 1 << 20, "    200 OK\n\n    [the server's text held a secret: 21 bytes]\n"},
		"compressed": {answered(strings.NewReader("a"+secret), 15, "Content-Encoding", "br"), 1 << 20, "    200 OK\n    Content-Encoding: br\n\n    [15 bytes, encoded]\n"},
		"binary":     {answered(strings.NewReader("\x00\x01\x1b"), 3), 1 << 20, "    200 OK\n\n    [3 bytes that are no text]\n"},
		"cut":        {answered(strings.NewReader(long), -1), 1 << 20, "    200 OK\n\n" + rows(511) + "    [cut: the body has 32000 bytes]\n"},
		"left":       {answered(strings.NewReader(long), 32000), 100, "    200 OK\n\n" + rows(2) + "    [100 of 32000 bytes were read]\n"},
		"left late":  {answered(strings.NewReader(long), -1), 20000, "    200 OK\n\n" + rows(511) + "    [20000 bytes were read, and perhaps not all]\n"},
		"broken":     {answered(io.MultiReader(strings.NewReader("the beginning of what I say: hunte"), iotest.ErrReader(errors.New("it said hunter2hunter2"))), 99), 1 << 20, "    200 OK\n\n    the beginning\n    [it broke off after 34 bytes: [the server's text held a secret: 22 bytes]]\n"},
	} {
		require.Equal(t, test.want, written(t, test.resp, test.read), name)
	}
}

// A request and its answer have the same number, whatever comes between them, and the
// time until the answer was there.
func TestNumbers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out writes
		log := transcript.New(&out)
		first := ask(t, log, "https://example.com/", nil, nil)
		time.Sleep(1500 * time.Millisecond)
		second := ask(t, log, "https://example.com/", nil, nil)
		resp := answered(strings.NewReader("{}"), 2)
		first.Answered(resp)
		time.Sleep(time.Minute)
		second.Failed(errors.New("no\nanswer"))
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "<-- #2 Users.Create, attempt 2, after 1m0s\n    no answer\n", out[2])
		require.Equal(t, "<-- #1 Users.Create, attempt 2, after 1.5s\n    200 OK\n    [0 of 2 bytes were read]\n", out[3])
	})
}

// Nothing is read but what the reader reads, and it gets what there is.
func TestBodiesAreStreams(t *testing.T) {
	t.Parallel()
	var out writes
	x := ask(t, transcript.New(&out), "https://example.com/", nil, nil)
	closed := errors.New("closed")
	source := &source{Reader: iotest.OneByteReader(strings.NewReader("abc")), err: closed}
	resp := &http.Response{StatusCode: 200, Body: source, ContentLength: -1}
	x.Answered(resp)
	require.Zero(t, source.reads)
	n, err := resp.Body.Read(make([]byte, 10))
	require.Equal(t, 1, n)
	require.NoError(t, err)
	require.Equal(t, 1, source.reads)
	require.Equal(t, closed, resp.Body.Close())
	require.Equal(t, 1, source.reads)
}

type source struct {
	io.Reader
	reads int
	err   error
}

func (s *source) Read(p []byte) (int, error) { s.reads++; return s.Reader.Read(p) }
func (s *source) Close() error               { return s.err }

// A writer that panics is no reason to fail, and the next record is written.
func TestAWriterThatPanics(t *testing.T) {
	t.Parallel()
	n := 0
	log := transcript.New(writerFunc(func([]byte) (int, error) {
		n++
		panic(secret)
	}))
	ask(t, log, "https://example.com/", nil, nil).Failed(io.EOF)
	require.Equal(t, 2, n)
}

// Records are written one at a time, each by one Write. The race detector looks on.
func TestRecordsOfManyGoroutines(t *testing.T) {
	t.Parallel()
	var out writes
	log := transcript.New(&out)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				x := ask(t, log, "https://example.com/", url.Values{"a": {"b"}}, nil)
				resp := answered(strings.NewReader("{}"), 2)
				x.Answered(resp)
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	require.Len(t, out, 2*400)
	for number := 1; number <= 400; number++ {
		require.Equal(t, 2, strings.Count(strings.Join(out, ""), fmt.Sprintf("- #%d ", number))+strings.Count(strings.Join(out, ""), fmt.Sprintf("> #%d ", number)))
	}
}
