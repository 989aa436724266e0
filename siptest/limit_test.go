package siptest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// burst sends n requests, one after the other, and returns their statuses and the
// last Retry-After.
func (w wire) burst(t testing.TB, n int) (statuses, retryAfter string) {
	t.Helper()
	var all []string
	for range n {
		resp := w.send(t, w.request(t, "GET", root, ""))
		all = append(all, fmt.Sprint(resp.StatusCode))
		retryAfter = resp.Header.Get("Retry-After")
	}
	return strings.Join(all, " "), retryAfter
}

func TestLimitBucket(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t, Options{Limit: &Limit{Requests: 2, RetryAfter: RetryAfterSeconds}}))
		statuses, after := w.burst(t, 4)
		require.Equal(t, "200 200 429 429", statuses)
		require.Equal(t, "1", after)
		time.Sleep(500*time.Millisecond - 1)
		statuses, _ = w.burst(t, 1)
		require.Equal(t, "429", statuses)
		time.Sleep(time.Nanosecond)
		statuses, _ = w.burst(t, 2)
		require.Equal(t, "200 429", statuses)
		time.Sleep(time.Hour)
		statuses, _ = w.burst(t, 3)
		require.Equal(t, "200 200 429", statuses, "the bucket is not larger after a pause")
		require.Equal(t, 5, w.srv.Refused())

		seen := w.srv.Requests()
		require.Len(t, seen, 10)
		require.Equal(t, 429, seen[3].Status)
		require.Equal(t, "Domains.List", seen[3].Op)

		// One in five seconds.
		w.srv.SetLimit(&Limit{Requests: 1, Per: 5 * time.Second, RetryAfter: RetryAfterSeconds, Status: 503})
		time.Sleep(time.Millisecond)
		statuses, after = w.burst(t, 2)
		require.Equal(t, "200 503", statuses)
		require.Equal(t, "5", after)
		time.Sleep(4 * time.Second)
		_, after = w.burst(t, 1)
		require.Equal(t, "1", after)
		// A bucket larger and smaller than its rate.
		w.srv.SetLimit(&Limit{Requests: 2, Burst: 3, RetryAfter: RetryAfterSeconds})
		statuses, _ = w.burst(t, 4)
		require.Equal(t, "200 200 200 429", statuses)
		w.srv.SetLimit(&Limit{Requests: 2, Burst: 1})
		statuses, after = w.burst(t, 2)
		require.Equal(t, "200 429", statuses)
		require.Empty(t, after)
		w.srv.SetLimit(nil)
		statuses, _ = w.burst(t, 3)
		require.Equal(t, "200 200 200", statuses)
	})
}

func TestLimitWindow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limit Limit
		want  string
	}{
		"silent":  {Limit{}, ""},
		"seconds": {Limit{RetryAfter: RetryAfterSeconds}, "20"},
		"date":    {Limit{RetryAfter: RetryAfterDate}, "Thu, 31 Oct 2019 12:01:00 GMT"},
		"text":    {Limit{RetryAfterText: "61", RetryAfter: RetryAfterDate}, "61"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := noon.Add(39*time.Second + time.Millisecond)
			tt.limit.Requests, tt.limit.Per, tt.limit.Window = 3, time.Minute, true
			o := Options{Limit: &tt.limit, Now: func() time.Time { return clock }}
			w := inProcess(New(t, o))
			statuses, _ := w.burst(t, 2)
			require.Equal(t, "200 200", statuses)
			clock = clock.Add(time.Second)
			statuses, after := w.burst(t, 3)
			require.Equal(t, "200 429 429", statuses)
			require.Equal(t, tt.want, after)
			clock = noon.Add(time.Minute - 1)
			statuses, _ = w.burst(t, 1)
			require.Equal(t, "429", statuses)
			clock = noon.Add(time.Minute)
			statuses, _ = w.burst(t, 4)
			require.Equal(t, "200 200 200 429", statuses, "a new minute")
		})
	}
}

func TestLimitInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := inProcess(New(t, Options{
			Latency: time.Second,
			Limit:   &Limit{InFlight: 4, Status: 503, RetryAfter: RetryAfterSeconds, Delay: 20 * time.Millisecond},
		}))
		var wg sync.WaitGroup
		var mu sync.Mutex
		count := map[int]int{}
		for range 10 {
			wg.Go(func() {
				began := time.Now()
				resp := w.send(t, w.request(t, "GET", root, ""))
				mu.Lock()
				defer mu.Unlock()
				count[resp.StatusCode]++
				if resp.StatusCode == 503 {
					require.Equal(t, "1", resp.Header.Get("Retry-After"))
					require.Equal(t, 20*time.Millisecond, time.Since(began))
				}
			})
		}
		wg.Wait()
		require.Equal(t, map[int]int{200: 4, 503: 6}, count)
		require.Zero(t, w.srv.inFlight)

		// A client that gives up has its place until then.
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		w.srv.SetLimit(&Limit{InFlight: 1, Delay: time.Hour})
		wg.Go(func() {
			_, _, err := w.try(ctx, t, "GET", root, "")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		_, _, err := w.try(ctx, t, "GET", root, "")
		require.ErrorIs(t, err, context.DeadlineExceeded, "a slow refusal")
		wg.Wait()
		w.must(t, "GET", root, "")
	})
}

func TestLimitInFlightOverTheSocket(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{"HTTP 1": {}, "length": {Framing: FramingLength}, "HTTP 2": {HTTP2: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Limit = &Limit{InFlight: 2}
			w := overSocket(t, New(t, o))
			addSamples(t, w)
			arrived, release := make(chan bool), make(chan bool)
			w.srv.Fail(On("Users.List").Times(2).Before(func(*Server) { arrived <- true; <-release }))
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() { w.must(t, "GET", root+"/1/users", "") })
				<-arrived
			}
			w.srv.RequireFaultsUsed(t)
			status, _ := w.do(t, "GET", root+"/1/users", "")
			require.Equal(t, 429, status)
			close(release)
			wg.Wait()
			statuses, _ := w.burst(t, 20)
			require.NotContains(t, statuses, "429", "one at a time")
			require.Equal(t, 1, w.srv.Refused())
		})
	}
}

// TestLimitComesFirst: a refused request changes nothing and meets no fault.
func TestLimitComesFirst(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{Latency: time.Millisecond}, func(t *testing.T, w wire) {
		addSamples(t, w)
		w.srv.Fail(On("Users.Create").Nth(1).CommitThenStatus(502))
		w.srv.SetLimit(&Limit{Requests: 1, Per: time.Hour, Burst: 0})
		w.must(t, "GET", root, "")
		status, body := w.do(t, "POST", root+"/1/users", newUser)
		require.Equal(t, 429, status)
		require.Equal(t, "too many requests", body)
		req := w.request(t, "GET", "/none", "")
		req.Header.Del("Authorization")
		require.Equal(t, 429, w.send(t, req).StatusCode)
		w.srv.SetLimit(nil)
		require.False(t, w.applied(t))
		status, _ = w.do(t, "POST", root+"/1/users", newUser)
		require.Equal(t, 502, status)
		require.True(t, w.applied(t))
	})
}

func TestLimitsTogether(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{Now: atNoon, ErrorBody: ErrorBodyJSONObject, Limit: &Limit{Requests: 2, InFlight: 1}}))
	w.srv.Fail(On("*").Times(1).Before(func(s *Server) {
		status, body := inProcess(s).do(t, "GET", root, "")
		require.Equal(t, http.StatusTooManyRequests, status)
		require.Equal(t, `{"message":"too many requests"}`, body, "in flight")
	}))
	statuses, _ := w.burst(t, 3)
	require.Equal(t, "200 200 429", statuses)
}

func TestImpossibleLimitsPanic(t *testing.T) {
	t.Parallel()
	for _, l := range []Limit{{Requests: -1}, {Per: -1}, {Burst: -1}, {InFlight: -1}, {Delay: -1}, {Status: 200}} {
		require.Panics(t, func() { NewServer(Options{Limit: &l}) })
	}
	srv := New(t)
	require.Panics(t, func() { srv.SetLimit(&Limit{Status: 1000}) })
	require.NotPanics(t, func() { srv.SetLimit(&Limit{}) })
	inProcess(srv).must(t, "GET", root, "")
}
