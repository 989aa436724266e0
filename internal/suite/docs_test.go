package suite_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// The timelines of docs/reliability.md are what the client does.
func TestTimelines(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/reliability.md")
	require.NoError(t, err)
	unknown := []error{infinitysip.ErrOutcomeUnknown}
	unavailable := append(unknown, infinitysip.ErrUnavailable)
	create := siptest.On("Users.Create")
	for _, test := range []struct {
		server, sends string // as the table has them
		faults        []siptest.Fault
		is            []error // empty: success
		attempts      int
		retryAfter    time.Duration
		found         []int64
		busy, settle  bool // it has just accepted a write; RetryPolicy.SettleSecrets is set
	}{
		{server: "503, nothing created, then healthy", sends: "0 POST, 0, 1 lists, 4 proof, 4 POST: 201, success",
			faults: []siptest.Fault{create.Times(1).Status(503)}},
		{server: "503, but created", sends: "0 POST, 0 list: `ErrOutcomeUnknown`, `ErrUnavailable`, `Found` has the id",
			faults: []siptest.Fault{create.Times(1).CommitThenStatus(503)}, is: unavailable, attempts: 1, found: []int64{2}},
		{server: "503, but created, with `SettleSecrets`", sends: "0 POST, 0 list, 0 update: success",
			faults: []siptest.Fault{create.Times(1).CommitThenStatus(503)}, settle: true},
		{server: "503 each time, nothing created", sends: "0 POST, 0, 1 lists, 4 proof, 4 POST, 4, 5 lists, 8 proof: `ErrOutcomeUnknown`, `ErrUnavailable`, `Attempts` 2",
			faults: []siptest.Fault{create.Status(503)}, is: unavailable, attempts: 2},
		{server: "503 twice, while it accepts others", sends: "0 POST, 0, 1 lists, 4 proof, 4 POST, 4, 5 lists, 8 proof, 8 POST: 201, success",
			faults: []siptest.Fault{create.Times(2).Status(503)}, busy: true},
		{server: "503, and lists answer 403", sends: "0 POST, 0, 1, 4 lists: `ErrOutcomeUnknown`, `ErrUnavailable` (the status is that of the POST)",
			faults: []siptest.Fault{create.Status(503), siptest.On("Users.List").Status(403)}, is: unavailable, attempts: 1},
		{server: "503 with `Retry-After: 20`, nothing created", sends: "0 POST, 0, 1 lists, 4 proof, 20 proof, 20 POST: 201, success",
			faults: []siptest.Fault{create.Times(1).Status(503).Header("Retry-After", "20")}},
		{server: "503 with `Retry-After: 600`, nothing created", sends: "0 POST, 0 proof: `ErrOutcomeUnknown`, `RetryAfter` 600 s",
			faults: []siptest.Fault{create.Status(503).Header("Retry-After", "600")}, is: unknown, attempts: 1, retryAfter: 600 * time.Second},
		{server: "500 or 502, nothing created", sends: "0 POST, 0, 1 lists, 4 proof: `ErrOutcomeUnknown`",
			faults: []siptest.Fault{create.Status(500)}, is: unknown, attempts: 1},
		{server: "500 or 502, nothing created", sends: "0 POST, 0, 1 lists, 4 proof: `ErrOutcomeUnknown`",
			faults: []siptest.Fault{create.Status(502)}, is: unavailable, attempts: 1},
		{server: "429 with `Retry-After: 5`, then healthy", sends: "0, 5 POSTs: 201, success",
			faults: []siptest.Fault{create.Times(1).Status(429).Header("Retry-After", "5")}},
	} {
		require.Contains(t, string(docs), fmt.Sprintf("| %s | %s |\n", test.server, test.sends))
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{})
			var sent []string
			start := time.Now()
			policy := infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: test.settle})
			client := a.InProcessClient(policy, infinitysip.WithHTTPClient(&http.Client{Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
				what := "POST"
				switch query := req.URL.Query(); {
				case infinitysip.OperationFromContext(req.Context()) == "Users.Update":
					what = "update"
				case query.Has("filter[]"):
					what = "list"
				case query.Has("offset"), len(sent) > 0 && strings.HasSuffix(sent[len(sent)-1], "whole"): // from the only row on
					what = "rest"
				case req.Method == http.MethodGet:
					what = "whole"
				}
				sent = append(sent, fmt.Sprintf("%.0f %s", time.Since(start).Seconds(), what))
				return a.Transport().RoundTrip(req)
			})}))
			if test.busy {
				require.NoError(t, client.Users.Update(t.Context(), a.domain, a.user, infinitysip.UserUpdateParams{Email: new("x@example.com")}))
				sent = nil
			}
			for _, fault := range test.faults {
				a.Fail(fault)
			}
			_, err := client.Users.Create(t.Context(), a.domain, newUser())
			written, _, _ := strings.Cut(test.sends, ":")
			require.Equal(t, timeline(written), sent, test.server)
			if len(test.is) == 0 {
				require.NoError(t, err, test.server)
				return
			}
			var failed *infinitysip.Error
			require.ErrorAs(t, err, &failed)
			for _, target := range test.is {
				require.ErrorIs(t, err, target, test.server)
			}
			require.Equal(t, test.attempts, failed.Attempts, test.server)
			require.Equal(t, test.retryAfter, failed.RetryAfter, test.server)
			require.Equal(t, test.found, failed.Found, test.server)
		})
	}
}

// timeline writes "0 POST, 0, 1 lists, 4 proof" as one entry for each request.
func timeline(text string) (all []string) {
	var times []string
	for part := range strings.SplitSeq(text, ", ") {
		at, what, named := strings.Cut(part, " ")
		times = append(times, at)
		if !named {
			continue
		}
		for _, at := range times {
			if what == "proof" {
				all = append(all, at+" list", at+" whole", at+" rest")
			} else {
				all = append(all, at+" "+strings.TrimSuffix(what, "s"))
			}
		}
		times = nil
	}
	return all
}
