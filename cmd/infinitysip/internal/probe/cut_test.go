package probe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/siptest"
)

// cuts are ways in which a request may go wrong.
func cuts() map[string]func(f siptest.Fault, cancel func()) siptest.Fault {
	return map[string]func(siptest.Fault, func()) siptest.Fault{
		"lost before":       func(f siptest.Fault, _ func()) siptest.Fault { return f.Drop() },
		"lost after":        func(f siptest.Fault, _ func()) siptest.Fault { return f.CommitThenDrop() },
		"failed before":     func(f siptest.Fault, _ func()) siptest.Fault { return f.Status(500) },
		"failed after":      func(f siptest.Fault, _ func()) siptest.Fault { return f.CommitThenStatus(502) },
		"hangs":             func(f siptest.Fault, _ func()) siptest.Fault { return f.CommitThenHang() },
		"takes effect late": func(f siptest.Fault, _ func()) siptest.Fault { return f.HangThenCommit(2 * time.Second) },
		"breaks off":        func(f siptest.Fault, _ func()) siptest.Fault { return f.Truncate(3) },
		"empty":             func(f siptest.Fault, _ func()) siptest.Fault { return f.Body("") },
		"a page":            func(f siptest.Fault, _ func()) siptest.Fault { return f.Body("<html><title>Busy</title></html>") },
		"stopped before": func(f siptest.Fault, cancel func()) siptest.Fault {
			return f.Before(func(*siptest.Server) { cancel() })
		},
		"stopped after": func(f siptest.Fault, cancel func()) siptest.Fault { return f.After(func(*siptest.Server) { cancel() }) },
		"stopped and lost": func(f siptest.Fault, cancel func()) siptest.Fault {
			return f.After(func(*siptest.Server) { cancel() }).CommitThenDrop()
		},
		"lost three times":   func(f siptest.Fault, _ func()) siptest.Fault { return f.Times(3).CommitThenDrop() },
		"failed three times": func(f siptest.Fault, _ func()) siptest.Fault { return f.Times(3).Status(503) },
	}
}

// servers are those that a probe is cut at.
func servers() map[string]siptest.Options {
	return map[string]siptest.Options{
		"default":                  {},
		"creates answer nothing":   {CreateBody: siptest.CreateBodyNone},
		"lists lag, no answers":    {CreateBody: siptest.CreateBodyNone, ListLag: 2 * time.Second},
		"duplicates, lists lag":    {AllowDuplicates: true, ListLag: 2 * time.Second},
		"errors of the server":     {DuplicateStatus: 500, UndocumentedQuery: siptest.UndocumentedQueryRejected},
		"names in lower case, all": {Rewrites: siptest.Rewrites{"user": "lower", "groupName": "upper", "queueName": "trim"}, BareNumbers: true},
	}
}

// Whichever request goes wrong, and however: nothing is left on the server, and what was
// there before is as it was. With INFINITYSIP_TEST_ALL=1 each request goes wrong in each
// way on each server, which takes minutes. Without it, each request goes wrong in one
// way.
func TestCutAtEveryRequest(t *testing.T) {
	t.Parallel()
	all := os.Getenv("INFINITYSIP_TEST_ALL") != ""
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var names [][2]string
	for server := range servers() {
		for cut := range cuts() {
			names = append(names, [2]string{server, cut})
		}
	}
	for n, more := 1, true; more; n++ {
		more = false
		chosen := names
		if !all {
			i := random.IntN(len(names))
			chosen = names[i : i+1]
		}
		for _, name := range chosen {
			t.Run(fmt.Sprintf("%d/%s/%s", n, name[0], name[1]), func(t *testing.T) {
				more = probeCut(t, servers()[name[0]], n, cuts()[name[1]]) || more
			})
		}
		require.True(t, more || n > 80, "the probe made only %d requests", n)
	}
}

// probeCut runs a probe whose request n goes wrong. It returns false if there are not as
// many requests.
func probeCut(t *testing.T, o siptest.Options, n int, cut func(siptest.Fault, func()) siptest.Fault) (struck bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := siptest.NewServer(o)
		defer srv.Close()
		domain := office(t, srv)
		time.Sleep(time.Minute)
		before := snapshot(t, srv)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		srv.Fail(cut(siptest.On("*").Nth(n), cancel))
		report, err := Run(ctx, config(srv, domain))
		srv.Wait()
		struck = len(srv.Requests()) >= n
		requireUnchanged(t, srv, before, fmt.Sprintf("request %d, %v\n%s", n, err, report))
		require.Empty(t, report.Left, "request %d, %v", n, err)
		require.LessOrEqual(t, len(srv.Requests()), Most)
	})
	return struck
}
