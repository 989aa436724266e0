package siptest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// onAllTransports is like onBothTransports, and also runs the test over HTTP/2.
func onAllTransports(t *testing.T, test func(t *testing.T, w wire)) {
	t.Helper()
	onBothTransports(t, Options{}, test)
	t.Run("HTTP 2", func(t *testing.T) {
		t.Parallel()
		test(t, overSocket(t, New(t, Options{HTTP2: true})))
	})
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	isEOF := func(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
	for name, tt := range map[string]struct {
		fault, committed func(Fault) Fault
		want             func(error) bool
	}{
		"drop": {Fault.Drop, Fault.CommitThenDrop, isEOF},
		"reset": {Fault.Reset, Fault.CommitThenReset, func(err error) bool {
			op, ok := errors.AsType[*net.OpError](err)
			return ok && op.Op == "read" && errors.Is(err, syscall.ECONNRESET)
		}},
	} {
		for _, apply := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " after"}[apply], func(t *testing.T) {
				t.Parallel()
				onAllTransports(t, func(t *testing.T, w wire) {
					addSamples(t, w)
					// Use a new connection, because net/http reports another error for
					// an old one.
					w.client.CloseIdleConnections()
					w.srv.ResetRequests()
					fault := tt.fault
					if apply {
						fault = tt.committed
					}
					w.srv.Fail(fault(On("Users.Create")))
					_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
					require.Error(t, err)
					// Over HTTP/2 net/http may report either error.
					require.True(t, w.srv.opts.HTTP2 || tt.want(err), "%v", err)
					seen := w.srv.Requests()
					require.Len(t, seen, 1)
					require.Zero(t, seen[0].Status)
					require.Equal(t, apply, w.applied(t))
				})
			})
		}
	}
}

func TestResetStream(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   Fault
		applied bool
	}{
		"before": {On("Users.Create").ResetStream(), false},
		"after":  {On("Users.Create").CommitThenResetStream(), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onAllTransports(t, func(t *testing.T, w wire) {
				addSamples(t, w)
				opened, _ := w.srv.Connections()
				w.srv.Fail(tt.fault)
				_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
				if w.srv.socket != nil && !w.srv.opts.HTTP2 {
					require.ErrorIs(t, err, io.EOF)
				} else {
					require.ErrorContains(t, err, "stream error: stream ID")
					require.ErrorContains(t, err, "INTERNAL_ERROR; received from peer")
				}
				require.Equal(t, tt.applied, w.applied(t))
				if w.srv.opts.HTTP2 {
					after, open := w.srv.Connections()
					require.Equal(t, opened, after, "the connection stays open")
					require.Equal(t, 1, open)
				}
			})
		})
	}
}

func TestGoAway(t *testing.T) {
	t.Parallel()
	onAllTransports(t, func(t *testing.T, w wire) {
		addSamples(t, w)
		w.srv.ResetRequests()
		w.srv.Fail(On("Users.Create").Times(1).GoAway())
		w.srv.Fail(On("Groups.Create").CommitThenGoAway())
		_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
		_, _, err2 := w.try(t.Context(), t, "POST", root+"/1/groups", "groupName=g&displayName=G&extensionNumber=9&ringRetry=0&ringExclusive=0&callerNameFormat=")
		require.Error(t, err2)
		if w.srv.opts.HTTP2 {
			require.NoError(t, err, "net/http repeats a request that was not processed")
			require.Equal(t, "Users.Create", w.srv.Requests()[1].Op)
			require.ErrorContains(t, err2, "server sent GOAWAY and closed the connection; LastStreamID=2147483647, ErrCode=NO_ERROR")
		} else {
			require.Error(t, err)
		}
		require.Equal(t, w.srv.opts.HTTP2, w.applied(t))
		require.Len(t, w.values(t, root+"/1/groups", "groupId"), 3)
	})
	t.Run("a form that net/http cannot repeat", func(t *testing.T) {
		t.Parallel()
		w := overSocket(t, New(t, Options{HTTP2: true}))
		addSamples(t, w)
		w.srv.ResetRequests()
		w.srv.Fail(On("Users.Create").GoAway())
		req := w.request(t, "POST", root+"/1/users", newUser)
		req.GetBody = nil
		_, err := w.client.Do(req) //nolint:bodyclose // there is none
		require.Error(t, err)
		require.Len(t, w.srv.Requests(), 1)
	})
	t.Run("after a whole answer", func(t *testing.T) {
		t.Parallel()
		w := overSocket(t, New(t, Options{HTTP2: true}))
		addSamples(t, w)
		w.srv.Fail(On("Users.Get").Times(1).Header("Connection", "close"))
		for _, want := range []int{1, 2, 2} {
			opened, _ := w.srv.Connections()
			require.Equal(t, want, opened)
			w.must(t, "GET", root+"/1/users/1", "")
			w.must(t, "GET", root+"/1/users/1", "")
		}
	})
}

func TestHang(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   Fault
		applied bool
	}{
		"before":       {On("Users.Create").Hang(), false},
		"after":        {On("Users.Create").CommitThenHang(), true},
		"slow headers": {On("Users.Create").SlowHeaders(time.Hour), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onAllTransports(t, func(t *testing.T, w wire) {
				addSamples(t, w)
				ctx, cancel := context.WithCancel(t.Context())
				w.srv.Fail(tt.fault.After(func(*Server) { cancel() }))
				_, _, err := w.try(ctx, t, "POST", root+"/1/users", newUser)
				require.ErrorIs(t, err, context.Canceled)
				w.srv.Wait()
				require.Equal(t, tt.applied, w.applied(t))
			})
		})
	}
}

func TestHangOnAFakeClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t))
		addSamples(t, w)
		w.srv.Fail(On("Users.Create").CommitThenHang())
		w.client.Timeout = time.Minute
		began := time.Now()
		_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
		require.True(t, w.applied(t))
	})
}

func TestCloseEndsHanging(t *testing.T) {
	t.Parallel()
	onAllTransports(t, func(t *testing.T, w wire) {
		arrived := make(chan bool)
		w.srv.Fail(On("*").Before(func(*Server) { close(arrived) }).Hang())
		failed := make(chan error)
		go func() {
			_, err := w.client.Do(w.request(t, "POST", root+"/1/users", newUser)) //nolint:bodyclose // there is none
			failed <- err
		}()
		<-arrived
		w.srv.Close()
		require.Error(t, <-failed)
		w.srv.Wait()
	})
}

func TestHangThenCommit(t *testing.T) {
	t.Parallel()
	t.Run("on a fake clock", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inProcess(New(t))
			addSamples(t, w)
			hooked := 0
			w.srv.Fail(On("Users.Create").HangThenCommit(65 * time.Second).After(func(s *Server) { hooked += len(s.Users(1)) }))
			w.client.Timeout = time.Minute
			began := time.Now()
			_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Minute, time.Since(began))
			require.False(t, w.applied(t))
			w.srv.Wait()
			require.Equal(t, 65*time.Second, time.Since(began))
			require.True(t, w.applied(t))
			require.Equal(t, 3, hooked)
		})
	})
	t.Run("the client is still there", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inProcess(New(t))
			addSamples(t, w)
			w.srv.Fail(On("Users.Create").HangThenCommit(time.Second))
			w.client.Timeout = time.Minute
			_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.True(t, w.applied(t))
		})
	})
	onAllTransports(t, func(t *testing.T, w wire) {
		addSamples(t, w)
		ctx, cancel := context.WithCancel(t.Context())
		w.srv.Fail(On("Users.Create").Before(func(*Server) { cancel() }).HangThenCommit(time.Millisecond))
		_, _, err := w.try(ctx, t, "POST", root+"/1/users", newUser)
		require.ErrorIs(t, err, context.Canceled)
		w.srv.Wait()
		require.True(t, w.applied(t))
	})
	t.Run("closed before", func(t *testing.T) {
		t.Parallel()
		onBothTransports(t, Options{}, func(t *testing.T, w wire) {
			addSamples(t, w)
			ctx, cancel := context.WithCancel(t.Context())
			w.srv.Fail(On("Users.Create").Before(func(*Server) { cancel() }).HangThenCommit(time.Hour))
			_, _, err := w.try(ctx, t, "POST", root+"/1/users", newUser)
			require.ErrorIs(t, err, context.Canceled)
			w.srv.Close()
			w.srv.Wait()
			require.Len(t, w.srv.Users(1), 2)
		})
	})
}

// TestRaw: Transport returns the same as net/http for raw bytes.
func TestRaw(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	const broken = "net/http: HTTP/1.x transport connection broken: "
	for name, tt := range map[string]struct {
		raw    string
		status int
		body   string
		err    string // the end of the error
	}{
		"nothing":               {"", 0, "", ": EOF"},
		"000":                   {"HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nhi", 0, "hi", ""},
		"999":                   {"HTTP/1.1 999 Too Many\r\nContent-Length: 2\r\n\r\nhi", 999, "hi", ""},
		"a status of letters":   {"HTTP/1.1 2oo OK\r\n\r\n", 0, "", broken + `malformed HTTP status code "2oo"`},
		"no HTTP":               {"SSH-2.0-OpenSSH_9.6\r\n", 0, "", broken + `malformed HTTP response "SSH-2.0-OpenSSH_9.6"`},
		"half a status line":    {"HTTP/1.", 0, "", broken + `malformed HTTP response "HTTP/1."`},
		"half a header":         {ok + "Content-Length: 2\r\n", 0, "", broken + "unexpected EOF"},
		"two lengths":           {ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", 0, "", broken + `http: message cannot contain multiple Content-Length headers; got ["2" "3"]`},
		"the same length twice": {ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", ""},
		"a length of letters":   {ok + "Content-Length: two\r\n\r\nhi", 0, "", `bad Content-Length "two"`},
		"a body too short":      {ok + "Content-Length: 9\r\n\r\nhi", 200, "hi", "unexpected EOF"},
		"no framing":            {ok + "\r\nhi", 200, "hi", ""},
		"chunks":                {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "hi", ""},
		"broken chunks":         {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nno number\r\n", 200, "hi", "invalid byte in chunk length"},
		"a cut chunk":           {ok + "Transfer-Encoding: chunked\r\n\r\n9\r\nhi", 200, "hi", "unexpected EOF"},
		"no last chunk":         {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", 200, "hi", "unexpected EOF"},
		"unknown coding":        {ok + "Transfer-Encoding: rot13\r\n\r\nhi", 0, "", broken + `unsupported transfer encoding: "rot13"`},
		"a colon is missing":    {ok + "Content-Length 2\r\n\r\nhi", 0, "", broken + `malformed MIME header: missing colon: "Content-Length 2"`},
		"early hints":           {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 2\r\n\r\nhi", 200, "hi", ""},
		"HTTP 1.0":              {"HTTP/1.0 204 No Content\r\n\r\n", 204, "", ""},
		"a large header":        {ok + "X: " + strings.Repeat("x", 1<<20) + "\r\n\r\nhi", 200, "hi", ""},
		"an oversized header": {ok + "X: " + strings.Repeat("x", maxHeader) + "\r\n\r\nhi", 0, "",
			broken + "net/http: server response headers exceeded 10485760 bytes; aborted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var responses []*http.Response
			for i, fault := range []Fault{On("Users.Create").Raw(tt.raw), On("Users.Create").CommitThenRaw(tt.raw)} {
				for _, front := range []func(*Server) wire{inProcess, func(s *Server) wire { return overSocket(t, s) }} {
					srv := New(t)
					addSamples(t, inProcess(srv))
					srv.ResetRequests()
					srv.Fail(fault)
					w := front(srv)
					resp, body, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
					if tt.err == "" {
						require.NoError(t, err)
					} else {
						require.Error(t, err)
						require.Equal(t, tt.err, err.Error()[max(0, len(err.Error())-len(tt.err)):])
					}
					require.Equal(t, tt.body, body)
					require.Len(t, srv.Requests(), 1)
					require.Zero(t, srv.Requests()[0].Status)
					require.Equal(t, i == 1, w.applied(t))
					if resp != nil {
						require.Equal(t, tt.status, resp.StatusCode)
						resp.Request, resp.Body = nil, nil
					}
					responses = append(responses, resp)
				}
			}
			for _, resp := range responses {
				require.Equal(t, responses[0], resp)
			}
		})
	}
}

func TestRawOverHTTP2BreaksTheConnection(t *testing.T) {
	t.Parallel()
	w := overSocket(t, New(t, Options{HTTP2: true}))
	addSamples(t, w)
	w.srv.Fail(On("Users.Create").CommitThenRaw("HTTP/1.1 201 Created\r\n\r\n"))
	_, _, err := w.try(t.Context(), t, "POST", root+"/1/users", newUser)
	require.Error(t, err)
	require.True(t, w.applied(t))
}

func TestSlowRaw(t *testing.T) {
	t.Parallel()
	const raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	t.Run("on a fake clock", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inProcess(New(t))
			w.srv.Fail(On("*").Raw(raw).SlowBody(1, time.Second).SlowHeaders(time.Minute))
			began := time.Now()
			status, body := w.do(t, "GET", root, "")
			require.Equal(t, 200, status)
			require.Equal(t, "hi", body)
			require.Equal(t, time.Minute+time.Duration(len(raw))*time.Second, time.Since(began))

			w.client.Timeout = 70 * time.Second
			_, _, err := w.try(t.Context(), t, "GET", root, "")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
	t.Run("socket", func(t *testing.T) {
		t.Parallel()
		w := overSocket(t, New(t))
		w.srv.Fail(On("*").Raw(raw).SlowBody(7, time.Nanosecond))
		_, body := w.do(t, "GET", root, "")
		require.Equal(t, "hi", body)
	})
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	onAllTransports(t, func(t *testing.T, w wire) {
		w.srv.Fail(On("*").Times(1).Status(500).Body("not so fast").SlowBody(4, time.Nanosecond))
		w.srv.Fail(On("*").Status(500).Body("not so fast").SlowBody(4, time.Hour))
		status, body := w.do(t, "GET", root, "")
		require.Equal(t, 500, status)
		require.Equal(t, "not so fast", body)

		// The headers are not slow.
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := w.client.Do(w.request(t, "GET", root, "").WithContext(ctx))
		require.NoError(t, err)
		require.Equal(t, 500, resp.StatusCode)
		cancel()
		_, err = io.ReadAll(resp.Body)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, resp.Body.Close())
	})
	t.Run("on a fake clock", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := inProcess(New(t))
			w.srv.Fail(On("*").Status(500).Body("not so fast").SlowBody(4, time.Second).Truncate(9))
			began := time.Now()
			_, body, err := w.try(t.Context(), t, "GET", root, "")
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, "not so fa", body)
			require.Equal(t, 3*time.Second, time.Since(began))

			// Small reads do not take longer.
			resp, err := w.client.Do(w.request(t, "GET", root, ""))
			require.NoError(t, err)
			began = time.Now()
			for range 5 {
				_, err = io.ReadFull(resp.Body, make([]byte, 1))
				require.NoError(t, err)
			}
			require.Equal(t, 2*time.Second, time.Since(began))
			require.NoError(t, resp.Body.Close())
		})
	})
	t.Run("closed during a read", func(t *testing.T) {
		t.Parallel()
		w := inProcess(New(t))
		w.srv.Fail(On("*").Body("x").SlowBody(1, time.Hour))
		resp, err := w.client.Do(w.request(t, "GET", root, ""))
		require.NoError(t, err)
		read := make(chan error)
		go func() {
			_, err := resp.Body.Read(make([]byte, 1))
			read <- err
		}()
		require.NoError(t, resp.Body.Close())
		require.ErrorIs(t, <-read, http.ErrBodyReadAfterClose)
	})
}

func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t))
		addSamples(t, w)
		w.srv.Fail(On("Users.Create").SlowHeaders(time.Hour).CommitThenDrop())
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotFirstResponseByte: func() { t.Error("an answer") }})
		began := time.Now()
		_, _, err := w.try(ctx, t, "POST", root+"/1/users", newUser)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, time.Hour, time.Since(began))
		require.True(t, w.applied(t))
	})
}

func TestEndless(t *testing.T) {
	t.Parallel()
	for _, framing := range []Framing{FramingChunked, FramingLength, FramingClose} {
		onBothTransports(t, Options{Framing: framing}, endless)
	}
	t.Run("HTTP 2", func(t *testing.T) {
		t.Parallel()
		endless(t, overSocket(t, New(t, Options{HTTP2: true})))
	})
}

func endless(t *testing.T, w wire) {
	addSamples(t, w)
	w.srv.Fail(On("Users.Create").Endless())
	w.srv.Fail(On("Users.List").Times(1).Body("").Endless())
	w.srv.Fail(On("Users.Update").Endless())
	for _, tt := range []struct {
		method, path, form string
		want               string
	}{
		{"POST", root + "/1/users", newUser, `{"userId":"3"}` + "\n"},
		{"GET", root + "/1/users", "", "\n"},
	} {
		resp, err := w.client.Do(w.request(t, tt.method, tt.path, tt.form))
		require.NoError(t, err)
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		require.NoError(t, err)
		require.Equal(t, strings.Repeat(tt.want, 1<<20/len(tt.want)), string(body[:1<<20/len(tt.want)*len(tt.want)]))
		require.NoError(t, resp.Body.Close())
	}
	require.True(t, w.applied(t))
	w.must(t, "POST", root+"/1/users/1", "email=x") // a 204

	// The server can be closed while nobody reads the body.
	resp, err := w.client.Do(w.request(t, "POST", root+"/1/users", "user=u&password=p&displayName=U&extensionNumber=1"))
	require.NoError(t, err)
	w.srv.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil {
		require.True(t, resp.Close, "only FramingClose hides the break")
	}
	require.NoError(t, resp.Body.Close())
}
