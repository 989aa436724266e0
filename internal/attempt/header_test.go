package attempt_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"X-Trace": "X-Trace", "x-trace": "X-Trace", "X-TRACE": "X-Trace", "accept": "Accept", "Accept-Language": "Accept-Language",
		"traceparent": "Traceparent", "x_trace": "X_trace", "X-!#$%&'*+.^_`|~9": "X-!#$%&'*+.^_`|~9",
		"Contents": "Contents", "Iffy": "Iffy", "Proxying": "Proxying", "X-Content-Type": "X-Content-Type", "X-Authorization": "X-Authorization",
	} {
		name, problem := attempt.CheckHeader(key, "value")
		require.Empty(t, problem, key)
		require.Equal(t, want, name)
	}
}

// Headers that are the client's, or that change what a request means.
func TestCheckHeaderRefuses(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"Authorization", "User-Agent", "Host", "Accept-Encoding",
		"Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Expect", "Range", "Idempotency-Key", "X-Idempotency-Key", "X-Http-Method-Override",
		"Content-Type", "Content-Length", "Content-Encoding", "Content-Md5",
		"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
		"Proxy-Authorization", "Proxy-Connection",
	} {
		for _, key := range []string{header, strings.ToLower(header), strings.ToUpper(header)} {
			name, problem := attempt.CheckHeader(key, "hunter2")
			require.Empty(t, name, key)
			require.Equal(t, header+" is not the caller's to set", problem, key)
		}
	}
}

func TestCheckHeaderNames(t *testing.T) {
	t.Parallel()
	keys := []string{"", " ", "X Trace", "X-Trace ", " X-Trace", "X-Trace:", "X-Tracé", "X-日", "X-\xff", "Content Type", "Host\r\nX"}
	for _, c := range "\x00\t\n\r\x1f\x7f\"(),/:;<=>?@[\\]{}" {
		keys = append(keys, "X"+string(c)+"Y")
	}
	for _, key := range keys {
		name, problem := attempt.CheckHeader(key, "hunter2")
		require.Empty(t, name, "%q", key)
		require.True(t, strings.HasPrefix(problem, `not the name of a header: "`), "%q: %s", key, problem)
		require.False(t, strings.ContainsFunc(problem, func(r rune) bool { return r < ' ' || r > '~' }), "%q: %s", key, problem)
		require.NotContains(t, problem, "hunter2")
	}
	_, problem := attempt.CheckHeader(strings.Repeat("é", 1000), "")
	require.Equal(t, `not the name of a header: "`+strings.Repeat(`\u00e9`, 32)+`"`, problem, "the first 64 bytes of it")
	_, problem = attempt.CheckHeader(strings.Repeat("@", 64), "")
	require.Equal(t, `not the name of a header: "`+strings.Repeat("@", 64)+`"`, problem)
}

func TestCheckHeaderValues(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", " ", "a\tb", "a, b;q=1 \"c\"", "é 日 😀", "\xff", "\u0085", "~"} {
		name, problem := attempt.CheckHeader("X-Trace", value)
		require.Empty(t, problem, "%q", value)
		require.Equal(t, "X-Trace", name)
	}
	for _, value := range []string{"hunter2\r\nHost: evil.example", "hunter2\r", "\nhunter2", "hunter2\x00", "\x01hunter2", "\x1fhunter2", "\x7fhunter2", "\bhunter2", "\vhunter2"} {
		name, problem := attempt.CheckHeader("x-trace", value)
		require.Empty(t, name, "%q", value)
		require.Equal(t, "the value of X-Trace holds a line break or another control character", problem, "%q", value)
	}
}
