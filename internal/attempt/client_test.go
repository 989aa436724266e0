package attempt_test

import (
	"net/http"
	"net/http/cookiejar"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

func TestCheckClient(t *testing.T) {
	t.Parallel()
	require.Empty(t, attempt.CheckClient(&http.Client{Transport: http.DefaultTransport}))
	problems := attempt.CheckClient(&http.Client{Timeout: time.Second, Jar: new(cookiejar.Jar), CheckRedirect: func(*http.Request, []*http.Request) error { return nil }})
	require.Len(t, problems, 3)
	require.Contains(t, problems[0], "context")
	require.Contains(t, problems[0], "Limits")
}

func TestIsNil(t *testing.T) {
	t.Parallel()
	for _, v := range []any{nil, (*http.Transport)(nil), roundTripper(nil), http.Header(nil), []int(nil), (chan int)(nil)} {
		require.True(t, attempt.IsNil(v), "%T", v)
	}
	for _, v := range []any{0, "", struct{}{}, new(int), roundTripper(http.DefaultTransport.RoundTrip), http.Header{}} {
		require.False(t, attempt.IsNil(v), "%T", v)
	}
}
