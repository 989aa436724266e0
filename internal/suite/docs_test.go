package suite_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

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
		{server: "503 each time, nothing created", sends: "0 POST, 0, 1 lists, 4 proof, 4 POST, 4, 5 lists, 8 proof: `ErrOutcomeUnknown`",
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

// guides are the texts of README.md and those beside it, of docs and of docs/cli.
func guides(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/cli/*.md"} {
		paths, err := filepath.Glob(filepath.Join("../..", pattern))
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			name, err := filepath.Rel("../..", path)
			require.NoError(t, err)
			all[filepath.ToSlash(name)] = string(text)
		}
	}
	return all
}

// Each link in a guide leads to a file, and to a heading of it.
func TestGuidesLink(t *testing.T) {
	t.Parallel()
	found := 0
	for name, text := range guides(t) {
		for _, link := range regexp.MustCompile(`\]\(([^()\s]+)\)`).FindAllStringSubmatch(prose(text), -1) {
			target, err := url.Parse(link[1])
			require.NoError(t, err, name)
			if target.Scheme != "" {
				continue
			}
			found++
			path := filepath.Join("../..", filepath.Dir(name), filepath.FromSlash(target.Path))
			if target.Path == "" {
				path = filepath.Join("../..", name)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s: %v", name, link[1], err)
				continue
			}
			if target.Fragment == "" {
				continue
			}
			linked, err := os.ReadFile(path)
			if err != nil || !headings(string(linked))[target.Fragment] {
				t.Errorf("%s links to %s, which has no such heading", name, link[1])
			}
		}
	}
	require.Greater(t, found, 20)
}

// prose is a text without its blocks of code.
func prose(text string) string {
	return regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(text, "")
}

// headings are the fragments by which a code host finds the headings of a text.
func headings(text string) map[string]bool {
	all := make(map[string]bool)
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(prose(text), -1) {
		fragment := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, heading[1])
		for n, once := 1, fragment; all[fragment]; n++ {
			fragment = once + "-" + strconv.Itoa(n)
		}
		all[fragment] = true
	}
	return all
}

func TestHeadings(t *testing.T) {
	t.Parallel()
	text := "# How `it` is tested, and more\n## A-b_c\n```sh\n# none\n```\n## A-b_c\n"
	require.Equal(t, map[string]bool{"how-it-is-tested-and-more": true, "a-b_c": true, "a-b_c-1": true}, headings(text))
}

// A guide is read in one go, in any window, and the README tells of it.
func TestGuidesAreShort(t *testing.T) {
	t.Parallel()
	all := guides(t)
	for name, text := range all {
		if filepath.Dir(name) != "docs" {
			continue
		}
		require.Less(t, strings.Count(text, "\n"), 150, name)
		require.Contains(t, all["README.md"], "]("+name+") |", "the README's table of guides")
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "|") { // a table cannot be wrapped
				require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), 140, "%s: %s", name, line)
			}
		}
	}
}

// The program of docs/start.md prints what the guide says.
func TestFirstProgram(t *testing.T) {
	t.Parallel()
	needGoTool(t)
	text := guides(t)["docs/start.md"]
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindStringSubmatch(text)
	require.NotNil(t, program)
	prints := regexp.MustCompile("prints\\s+`([^`]+)`").FindStringSubmatch(text)
	require.NotNil(t, prints)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program[1]), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "run", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, prints[1]+"\n", string(out))
}
