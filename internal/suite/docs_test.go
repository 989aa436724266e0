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
	}{
		{"503, nothing created, then healthy", "0 POST, 0 list, 1 list, 4 list, 4 POST: 201, success",
			[]siptest.Fault{create.Times(1).Status(503)}, nil, 0, 0},
		{"503, but created", "0 POST, 0 list: success",
			[]siptest.Fault{create.Times(1).CommitThenStatus(503)}, nil, 0, 0},
		{"503 each time, nothing created", "0 POST, 0, 1, 4 lists, 4 POST, 4, 5, 8 lists: `ErrOutcomeUnknown`, `ErrUnavailable`, `Attempts` 2",
			[]siptest.Fault{create.Status(503)}, unavailable, 2, 0},
		{"503, and lists answer 403", "0 POST, 0, 1, 4 lists: `ErrOutcomeUnknown`, `ErrUnavailable` (the status is that of the POST)",
			[]siptest.Fault{create.Status(503), siptest.On("Users.List").Status(403)}, unavailable, 1, 0},
		{"503 with `Retry-After: 20`, nothing created", "0 POST, 0, 1, 4 lists, 20 list, 20 POST",
			[]siptest.Fault{create.Times(1).Status(503).Header("Retry-After", "20")}, nil, 0, 0},
		{"503 with `Retry-After: 300`, nothing created", "0 POST, 0 list: `ErrOutcomeUnknown`, `RetryAfter` 300 s",
			[]siptest.Fault{create.Status(503).Header("Retry-After", "300")}, unknown, 1, 300 * time.Second},
		{"502, nothing created", "0 POST, 0, 1, 4 lists: `ErrOutcomeUnknown`, `ErrUnavailable`",
			[]siptest.Fault{create.Status(502)}, unavailable, 1, 0},
	} {
		require.Contains(t, string(docs), fmt.Sprintf("| %s | %s |\n", test.server, test.sends))
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{})
			for _, fault := range test.faults {
				a.Fail(fault)
			}
			start := time.Now()
			var sent []string
			client := a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: transportFunc(func(req *http.Request) (*http.Response, error) {
				what := map[string]string{http.MethodPost: "POST", http.MethodGet: "list"}[req.Method]
				sent = append(sent, fmt.Sprintf("%.0f %s", time.Since(start).Seconds(), what))
				return a.Transport().RoundTrip(req)
			})}))
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
		})
	}
}

// timeline writes "0 POST, 0, 1 lists" as one entry for each request.
func timeline(text string) (all []string) {
	var times []string
	for part := range strings.SplitSeq(text, ", ") {
		at, what, named := strings.Cut(part, " ")
		times = append(times, at)
		if !named {
			continue
		}
		for _, at := range times {
			all = append(all, at+" "+strings.TrimSuffix(what, "s"))
		}
		times = nil
	}
	return all
}
