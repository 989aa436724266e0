package siptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestCloseIdle(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"HTTP 1": {}, "HTTP 2": {HTTP2: true}, "TLS": {TLS: &tls.Config{}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := New(t, o)
			srv.CloseIdle() // without a connection
			w := overSocket(t, srv)
			for want := range 3 {
				opened, open := srv.Connections()
				require.Equal(t, want, opened)
				require.Zero(t, open)
				if _, _, err := w.try(t.Context(), t, "GET", root, ""); err != nil {
					w.must(t, "GET", root, "") // the client had not noticed the close
				}
				_, open = srv.Connections()
				require.Equal(t, 1, open)
				srv.CloseIdle()
			}
			w.client.CloseIdleConnections()

			// A connection in use stays open.
			srv.Fail(On("*").SlowHeaders(time.Nanosecond).After(func(s *Server) {
				s.CloseIdle()
				_, open := s.Connections()
				require.Equal(t, 1, open)
			}))
			w.must(t, "GET", root, "")
		})
	}
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		w := inProcess(New(t))
		w.must(t, "GET", root, "")
		w.srv.CloseIdle()
		w.must(t, "GET", root, "")
	})
}

func TestConnectionsInProcess(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	opened, open := w.srv.Connections()
	require.Equal(t, len(w.srv.Requests()), opened)
	require.Zero(t, open)
	isOpen := func(want int) {
		t.Helper()
		_, open := w.srv.Connections()
		require.Equal(t, want, open)
	}
	first, err := w.client.Do(w.request(t, "GET", root, ""))
	require.NoError(t, err)
	second, err := w.client.Do(w.request(t, "GET", root, ""))
	require.NoError(t, err)
	isOpen(2)
	_, err = io.ReadAll(first.Body)
	require.NoError(t, err)
	isOpen(1)
	require.NoError(t, second.Body.Close())
	isOpen(0)
	require.NoError(t, first.Body.Close())
	_, err = first.Body.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)

	w.must(t, "POST", root+"/1/users/1", "email=x") // an answer without a body
	w.srv.Fail(On("*").Drop())
	_, _, err = w.try(t.Context(), t, "GET", root, "")
	require.Error(t, err)
	isOpen(0)
}

func TestCloseEndsABodyInProcess(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.Fail(On("*").Endless())
	resp, err := w.client.Do(w.request(t, "GET", root, ""))
	require.NoError(t, err)
	w.srv.Close()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, resp.Body.Close())
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	srv := New(t, Options{HTTP2: true})
	domain := srv.AddDomain(infinitysip.Domain{})
	require.True(t, strings.HasPrefix(srv.URL(), "https://127.0.0.1:"))
	client := srv.Client()
	for range 3 {
		_, err := client.Users.List(t.Context(), domain)
		require.NoError(t, err)
	}
	opened, _ := srv.Connections()
	require.Equal(t, 1, opened)

	w := overSocket(t, srv)
	resp, _, err := w.try(t.Context(), t, "GET", root, "")
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	old := &http.Transport{TLSClientConfig: w.client.Transport.(*http.Transport).TLSClientConfig.Clone()}
	old.TLSClientConfig.NextProtos = []string{"http/1.1"}
	t.Cleanup(old.CloseIdleConnections)
	w.client = &http.Client{Transport: old}
	resp, _, err = w.try(t.Context(), t, "GET", root, "")
	require.NoError(t, err)
	require.Equal(t, 1, resp.ProtoMajor)
}

func TestHTTP2IgnoresFraming(t *testing.T) {
	t.Parallel()
	for _, framing := range []Framing{FramingChunked, FramingLength, FramingClose} {
		w := overSocket(t, New(t, Options{HTTP2: true, Framing: framing}))
		addSamples(t, w)
		resp, body, err := w.try(t.Context(), t, "GET", root, "")
		require.NoError(t, err)
		require.Equal(t, framing == FramingLength, resp.ContentLength == int64(len(body)))
		require.Empty(t, resp.TransferEncoding)
		opened, _ := w.srv.Connections()
		require.Equal(t, 1, opened)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv := New(t, Options{TLS: &tls.Config{MinVersion: tls.VersionTLS13}})
	_, err := srv.Client().Domains.List(t.Context())
	require.NoError(t, err)
	once := infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1})
	stranger, err := infinitysip.NewClient(infinitysip.APIKey("api-key"), infinitysip.WithBaseURL(srv.URL()), once)
	require.NoError(t, err)
	_, err = stranger.Domains.List(t.Context())
	require.ErrorContains(t, err, "certificate signed by unknown authority")

	outdated := New(t, Options{TLS: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}})
	_, err = outdated.Client(once).Domains.List(t.Context())
	require.ErrorContains(t, err, "protocol version not supported")

	plain := New(t)
	confused, err := infinitysip.NewClient(infinitysip.APIKey("api-key"), infinitysip.WithBaseURL(strings.Replace(plain.URL(), "http:", "https:", 1)), once)
	require.NoError(t, err)
	_, err = confused.Domains.List(t.Context())
	require.ErrorContains(t, err, "server gave HTTP response to HTTPS client")
	for _, s := range []*Server{outdated, plain} {
		require.Empty(t, s.Requests())
	}
}

// TestGoroutines: closing a server ends all goroutines that wait in it.
func TestGoroutines(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"HTTP 1": {}, "HTTP 2": {HTTP2: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := NewServer(o)
			// All goroutines of the socket inherit the label of this one.
			pprof.Do(t.Context(), pprof.Labels("siptest", t.Name()), func(context.Context) { srv.URL() })
			running := func() int {
				var profile bytes.Buffer
				require.NoError(t, pprof.Lookup("goroutine").WriteTo(&profile, 1))
				return strings.Count(profile.String(), fmt.Sprintf("%q:%q", "siptest", t.Name()))
			}
			w := overSocket(t, srv)
			addSamples(t, w)
			require.Positive(t, running())

			arrived := make(chan bool)
			hook := func(*Server) { arrived <- true }
			var failed []<-chan error
			for _, f := range []Fault{
				On("*").Hang(), On("*").HangThenCommit(time.Hour), On("*").Latency(time.Hour), On("*").SlowHeaders(time.Hour),
			} {
				srv.Fail(f.Times(1).Before(hook))
				done := make(chan error, 1)
				failed = append(failed, done)
				go func() {
					_, err := w.client.Do(w.request(t, "POST", root+"/1/users", newUser)) //nolint:bodyclose // there is none
					done <- err
				}()
				<-arrived
			}
			for _, f := range []Fault{On("*").Endless(), On("*").SlowBody(1, time.Hour)} {
				srv.Fail(f.Times(1))
				resp, err := w.client.Do(w.request(t, "GET", root, ""))
				require.NoError(t, err)
				defer func() { _ = resp.Body.Close() }()
			}
			srv.Close()
			for _, done := range failed {
				require.Error(t, <-done)
			}
			require.Eventually(t, func() bool { return running() == 0 }, 10*time.Second, time.Millisecond)
			_, open := srv.Connections()
			require.Zero(t, open)
			require.Empty(t, srv.tasks)
		})
	}
}
