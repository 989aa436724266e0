package siptest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// create sends newUser in a request that net/http cannot repeat.
func (w wire) create(t testing.TB) error {
	t.Helper()
	req := w.request(t, "POST", root+"/1/users", newUser)
	req.GetBody = nil
	resp, err := w.client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

func TestResetStreamWith(t *testing.T) {
	t.Parallel()
	for _, code := range []StreamCode{StreamProtocolError, StreamRefused, StreamInternalError, StreamCancel, 0x99} {
		for _, apply := range []bool{false, true} {
			name, fault := code.String(), On("Users.Create").ResetStreamWith(code)
			if apply {
				name, fault = name+" after", On("Users.Create").CommitThenResetStreamWith(code)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				onAllTransports(t, func(t *testing.T, w wire) {
					addSamples(t, w)
					opened, _ := w.srv.Connections()
					w.srv.ResetRequests()
					w.srv.Fail(fault)
					err := w.create(t)
					require.Error(t, err)
					require.Len(t, w.srv.Requests(), 1)
					if w.srv.socket != nil && !w.srv.opts.HTTP2 {
						require.ErrorIs(t, err, io.EOF)
					} else {
						require.ErrorContains(t, err, "stream error: stream ID ")
						require.ErrorContains(t, err, "; "+code.String()+"; received from peer")
						if code != StreamProtocolError { // Go 1.26 and 1.27 differ
							require.Equal(t, code == StreamRefused, strings.Contains(err.Error(), "cannot retry"))
						}
					}
					require.Equal(t, apply, w.applied(t))
					if w.srv.opts.HTTP2 && code != StreamProtocolError { // net/http drops the connection then
						after, _ := w.srv.Connections()
						require.Equal(t, opened, after)
					}
				})
			})
		}
	}
}

// TestRefusedStreamIsRepeated: net/http repeats a request that it can repeat.
func TestRefusedStreamIsRepeated(t *testing.T) {
	t.Parallel()
	w := overSocket(t, New(t, Options{HTTP2: true}))
	addSamples(t, w)
	w.srv.ResetRequests()
	w.srv.Fail(On("Users.Get").Times(1).ResetStreamWith(StreamRefused))
	w.must(t, "GET", root+"/1/users/1", "")
	seen := w.srv.Requests()
	require.Len(t, seen, 2)
	require.Zero(t, seen[0].Status)
}

// background runs a request until the hook of a fault has it.
func (w wire) background(t testing.TB, wg *sync.WaitGroup, op string, add func(Fault, func(*Server)) Fault, request func()) (release func()) {
	t.Helper()
	arrived, released := make(chan bool), make(chan bool)
	w.srv.Fail(add(On(op).Times(1), func(*Server) { close(arrived); <-released }))
	wg.Go(request)
	<-arrived
	return func() { close(released) }
}

func TestGoAwayBelow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault   func(Fault) Fault
		applied bool
	}{"before": {Fault.GoAwayBelow, false}, "after": {Fault.CommitThenGoAwayBelow, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onAllTransports(t, func(t *testing.T, w wire) {
				addSamples(t, w)
				opened, _ := w.srv.Connections()
				var wg sync.WaitGroup
				release := w.background(t, &wg, "Users.List", Fault.Before, func() {
					require.Len(t, w.values(t, root+"/1/users", "userId"), 2+map[bool]int{true: 1}[tt.applied])
				})
				w.srv.Fail(tt.fault(On("Users.Create")))
				err := w.create(t)
				if w.srv.socket != nil && !w.srv.opts.HTTP2 {
					require.ErrorIs(t, err, io.EOF)
				} else {
					require.ErrorContains(t, err, "cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written")
				}
				release()
				wg.Wait() // the earlier request gets its answer
				require.Equal(t, tt.applied, w.applied(t))
				if w.srv.opts.HTTP2 {
					after, _ := w.srv.Connections()
					require.Equal(t, opened+1, after, "a new connection")
				}
			})
		})
	}
}

// TestGoAwayBelowLaterRequests: a GOAWAY is true of the requests that came after.
func TestGoAwayBelowLaterRequests(t *testing.T) {
	t.Parallel()
	for _, apply := range []bool{false, true} {
		t.Run(map[bool]string{true: "applied", false: "not applied"}[apply], func(t *testing.T) {
			t.Parallel()
			w := overSocket(t, New(t, Options{HTTP2: true}))
			addSamples(t, w)
			w.srv.ResetRequests()
			var wg sync.WaitGroup
			var failed error
			goAway := w.background(t, &wg, "Users.Create", func(f Fault, hook func(*Server)) Fault {
				return f.GoAwayBelow().Before(hook)
			}, func() { failed = w.create(t) })
			add := Fault.Before
			if apply {
				add = Fault.After
			}
			answer := w.background(t, &wg, "Users.Update", add, func() { w.must(t, "POST", root+"/1/users/1", "email=x") })
			goAway()
			if !apply {
				// The server has sent its GOAWAY when the client repeats the update.
				require.Eventually(t, func() bool { return len(w.srv.Requests()) == 3 }, waitLong, waitShort)
			}
			answer()
			wg.Wait()
			seen := w.srv.Requests()
			if apply {
				require.ErrorContains(t, failed, "REFUSED_STREAM")
				require.Len(t, seen, 2)
				require.Equal(t, 204, seen[1].Status)
			} else {
				require.ErrorContains(t, failed, "GOAWAY")
				require.Len(t, seen, 3)
				require.Zero(t, seen[1].Status)
				require.Equal(t, 204, seen[2].Status, "the second time")
			}
			require.False(t, w.applied(t))
		})
	}
}

// TestErrorsOfAGoAway: the error is the same over the socket and in process.
func TestErrorsOfAGoAway(t *testing.T) {
	t.Parallel()
	for _, w := range []wire{overSocket(t, New(t, Options{HTTP2: true})), inProcess(New(t))} {
		addSamples(t, w)
		w.srv.Fail(On("Users.Create").Nth(1).GoAway())
		w.srv.Fail(On("Users.Create").Nth(2).CommitThenGoAway())
		require.ErrorContains(t, w.create(t), "cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY]")
		require.ErrorContains(t, w.create(t), "http2: server sent GOAWAY and closed the connection; LastStreamID=2147483647, ErrCode=NO_ERROR")
	}
}

func TestNothingIsRepeatedInProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t))
		w.srv.Fail(On("*").Times(1).ResetStreamWith(StreamRefused))
		w.srv.Fail(On("*").Times(1).GoAwayBelow())
		_, _, err := w.try(t.Context(), t, "GET", root, "")
		require.ErrorContains(t, err, "stream error: stream ID 1; REFUSED_STREAM; received from peer")
		_, _, err = w.try(t.Context(), t, "GET", root, "")
		require.ErrorContains(t, err, "http2: Transport received Server's graceful shutdown GOAWAY")
		require.Len(t, w.srv.Requests(), 2)
	})
}

// A recorder is a connection that keeps what is written to it.
type recorder struct {
	net.Conn
	bytes.Buffer
	err error
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.Buffer.Write(p)
}
func (r *recorder) Read([]byte) (int, error) { return 0, io.EOF }
func (r *recorder) Close() error             { return nil }

// TestFrameConn writes frames in two pieces, with a frame of the test's own in
// between. That waits for the first frame, because a client takes no other before the
// server's SETTINGS.
func TestFrameConn(t *testing.T) {
	t.Parallel()
	data := func(n int) []byte {
		return append([]byte{0, 0, byte(n), 0, 0, 0, 0, 0, 1}, bytes.Repeat([]byte{'x'}, n)...)
	}
	frames := bytes.Join([][]byte{data(3), data(0), data(200)}, nil)
	ends := map[int]bool{12: true, 21: true, 230: true}
	own := resetFrame(7, StreamRefused)
	for at := range len(frames) + 1 {
		rec := &recorder{}
		f := newFrameConn(rec)
		_, err := f.Write(frames[:at])
		require.NoError(t, err)
		done := make(chan bool)
		go func() { f.resetStream(7, StreamRefused); close(done) }()
		if ends[at] {
			<-done
		} else {
			require.Eventually(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.queue) > 0 }, waitLong, waitShort)
		}
		n, err := f.Write(frames[at:])
		require.NoError(t, err)
		require.Equal(t, len(frames)-at, n)
		<-done
		end := at
		for !ends[end] {
			end++
		}
		require.Equal(t, bytes.Join([][]byte{frames[:end], own, frames[end:]}, nil), rec.Bytes(), at)
	}

	// A connection that breaks ends the wait.
	for _, breakIt := range []func(*frameConn, *recorder){
		func(f *frameConn, _ *recorder) { _ = f.Close() },
		func(f *frameConn, rec *recorder) {
			f.mu.Lock()
			rec.err = errors.New("broken")
			f.mu.Unlock()
			_, err := f.Write(frames[5:])
			require.Error(t, err)
		},
	} {
		rec := &recorder{}
		f := newFrameConn(rec)
		_, _ = f.Write(frames[:5])
		done := make(chan bool)
		go func() { f.goAway(1); close(done) }()
		breakIt(f, rec)
		<-done
	}
}

// TestLargeAnswersAroundFrames: the server's frames and its own do not mix.
func TestLargeAnswersAroundFrames(t *testing.T) {
	t.Parallel()
	w := overSocket(t, New(t, Options{HTTP2: true}))
	addSamples(t, w)
	body := strings.Repeat("x", 200_000)
	w.srv.Fail(On("Domains.List").Body(body))
	w.srv.Fail(On("Users.Get").ResetStreamWith(StreamCancel))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				require.Equal(t, body, w.must(t, "GET", root, ""))
			}
		})
		wg.Go(func() {
			for range 40 {
				_, _, err := w.try(t.Context(), t, "GET", root+"/1/users/1", "")
				require.ErrorContains(t, err, "CANCEL; received from peer")
			}
		})
	}
	wg.Wait()
	opened, _ := w.srv.Connections()
	require.Equal(t, 1, opened)
}

func TestStreamID(t *testing.T) {
	t.Parallel()
	require.Zero(t, streamID(nil))
	require.Zero(t, streamID(struct{ http.ResponseWriter }{}))
}
