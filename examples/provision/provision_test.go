package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

const header = "user,displayName,extension,email,groups,mac,mobile,pin,password\n"

// A bench is a server to run the program on. It passes for a live one.
type bench struct {
	*siptest.Server
	domain infinitysip.DomainID
	client *infinitysip.Client
}

func newBench(t *testing.T, o siptest.Options) *bench {
	srv := siptest.New(t, o)
	return &bench{srv, srv.AddDomain(infinitysip.Domain{ID: 7, DisplayName: "Acme"}), srv.InProcessClient(infinitysip.WithRetryPolicy(
		infinitysip.RetryPolicy{VerifyWaits: []time.Duration{0, time.Millisecond}}))}
}

// run runs the program on people, with the sample for "", and applies unless
// the arguments say -plan.
func (b *bench) run(t *testing.T, ctx context.Context, people string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	if people == "" {
		people = string(samplePeople)
	}
	staff, office := filepath.Join(dir, "staff.csv"), filepath.Join(dir, "office.json")
	require.NoError(t, os.WriteFile(staff, []byte(people), 0o600))
	require.NoError(t, os.WriteFile(office, sampleOffice, 0o600))
	all := append([]string{"-live", "-domain", "7", "-csv", staff, "-json", office}, args...)
	if !slices.Contains(args, "-passwords") {
		all = append(all, "-passwords", filepath.Join(dir, "secrets.csv"))
	}
	if !slices.Contains(args, "-plan") {
		all = append(all, "-apply")
	}
	var out, errs bytes.Buffer
	code = run(ctx, all, &out, &errs, func(live bool, domain infinitysip.DomainID) (*demo.Target, error) {
		return &demo.Target{Client: b.client, Domain: domain, Live: live, Note: "Running on a test.", Close: func() {}}, nil
	})
	return code, out.String(), errs.String()
}

// sent counts the requests that may change something.
func (b *bench) sent() int {
	n := 0
	for _, r := range b.Requests() {
		if r.Method != http.MethodGet {
			n++
		}
	}
	return n
}

func TestSample(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]siptest.Options{
		"usual":       {},
		"no body":     {CreateBody: siptest.CreateBodyNone},
		"rows":        {CreateBody: siptest.CreateBodyRow, BareNumbers: true, EchoSecrets: true},
		"other query": {UndocumentedQuery: siptest.RejectQuery, CreateBody: siptest.CreateBodyNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o)
			secrets := filepath.Join(t.TempDir(), "secrets.csv")

			code, stdout, stderr := b.run(t, t.Context(), "", "-passwords", secrets)

			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			require.Contains(t, stdout, "+ group accounts: members ines.moreau, jack.whitlock, kezia.brown\n")
			require.Regexp(t, `(?m)^create user +12 +0 +0 +0$`, stdout)
			require.Regexp(t, `(?m)^create device owner +11 +0 +0 +0$`, stdout)
			require.Len(t, b.Users(b.domain), 12)
			require.Equal(t, "reception", b.Queues(b.domain)[0].Name)
			require.Len(t, b.QueueMembers(b.domain, b.Queues(b.domain)[0].ID), 3)

			info, err := os.Stat(secrets)
			require.NoError(t, err)
			if runtime.GOOS != "windows" {
				require.Equal(t, os.FileMode(0o600), info.Mode())
			}
			passwords, tokens := readSecrets(t, secrets)
			require.Len(t, passwords, 12)
			require.Len(t, tokens, 11)
			for _, u := range b.Users(b.domain) {
				require.Equal(t, u.Password.Reveal(), passwords[u.User][0])
				require.Equal(t, u.PIN.Reveal(), passwords[u.User][1])
				require.Equal(t, !u.PIN.IsZero(), u.HotdeskAllowed)
				require.NotContains(t, stdout, u.Password.Reveal())
			}

			b.ResetRequests()
			code, stdout, stderr = b.run(t, t.Context(), "", "-passwords", secrets+".2")
			require.Zero(t, code, stderr)
			require.Contains(t, stdout, "There is nothing to do.")
			require.Zero(t, b.sent())
			require.NoFileExists(t, secrets+".2", "there was nothing to keep")
		})
	}
}

// The server in memory shows the second run in the first.
func TestRunsTwiceOnSiptest(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	var out, errs bytes.Buffer
	code := run(t.Context(), nil, &out, &errs, func(bool, infinitysip.DomainID) (*demo.Target, error) {
		return &demo.Target{Client: srv.InProcessClient(), Domain: domain, Note: "Note.", Close: func() {}}, nil
	})
	require.Zero(t, code, errs.String())
	require.Contains(t, out.String(), "Planning again with the same files: 0 changes.")
	require.Len(t, srv.Users(domain), 12)
}

func TestNothingIsSentForABadFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, _, stderr := b.run(t, t.Context(), header+"ann,Ann,2o1,,,,,,\nann,Ann,600,x,salse,,,,\n")
	require.Equal(t, exitIncomplete, code)
	require.Empty(t, b.Requests())
	require.Regexp(t, `^provision: 5 problems with the state, nothing was changed:\n`, stderr)
	for _, want := range []string{"line 2, extension: not digits", "line 3, user:", "line 3, email:", "line 3, groups:", `queues[0].extensionNumber: "600" is that of user ann already`} {
		require.Contains(t, stderr, want)
	}
}

func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, stdout, stderr := b.run(t, t.Context(), "", "-plan", "-passwords", "")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "With -apply these 45 changes would be made.")
	require.Zero(t, b.sent())

	o, err := parseFlags([]string{"-live", "-domain", "7", "-csv", "x"}, io.Discard)
	require.NoError(t, err)
	require.True(t, o.planOnly, "so it is on a real account")
}

func TestPruneIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, _, stderr := b.run(t, t.Context(), "")
	require.Zero(t, code, stderr)
	shorter := strings.Join(strings.SplitAfter(string(samplePeople), "\n")[:11], "") // less kezia.brown and liam.doyle

	code, stdout, _ := b.run(t, t.Context(), shorter)
	require.Zero(t, code)
	require.Contains(t, stdout, "There is nothing to do.")

	b.ResetRequests()
	code, stdout, stderr = b.run(t, t.Context(), shorter, "-prune", "-max-deletes", "2")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stdout, "- user liam.doyle\n")
	require.Contains(t, stderr, "too many deletes: 3, and MaxDeletes is 2\nNothing was changed.")
	require.Zero(t, b.sent())

	code, stdout, stderr = b.run(t, t.Context(), shorter, "-prune", "-max-deletes", "3")
	require.Zero(t, code, stderr)
	require.Regexp(t, `(?m)^delete user +2 +0 +0 +0$`, stdout)
	require.Len(t, b.Users(b.domain), 10)
}

func TestOneFailureLeavesTheRestDone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault  siptest.Fault
		advice string
	}{
		{siptest.On("Users.Create").Nth(1).Status(409), "something else has this name"},
		{siptest.On("Users.Create").Nth(1).Drop(), "it looks whether it is there now"},
		{siptest.On("Users.Create").Nth(1).Status(403), "the credentials allow this"},
		{siptest.On("Users.Create").Nth(1).Status(400), "correct the file"},
	} {
		t.Run(test.advice, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			b.Fail(test.fault)

			code, stdout, stderr := b.run(t, t.Context(), "", "-workers", "1")

			require.Equal(t, exitIncomplete, code, stderr)
			require.Len(t, b.Users(b.domain), 11)
			require.Regexp(t, `(?m)^create user +11 +1 +0 +0$`, stdout)
			require.Regexp(t, `(?m)^create device owner +10 +0 +1 +0$`, stdout)
			require.Contains(t, stdout, "\nFailed: + user amira.khan (ext 201)\n")
			require.Contains(t, stdout, test.advice)
			require.Contains(t, stdout, "\nBlocked: + device 00:00:5E:00:53:01: user amira.khan\n")

			b.ResetRequests()
			code, _, stderr = b.run(t, t.Context(), "")
			require.Zero(t, code, stderr)
			require.Equal(t, 3, b.sent(), "the user, the membership and the device")
		})
	}
}

// What is told and kept is of users who are there.
func TestPasswordsOfWhoWasNotMade(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	b.Fail(siptest.On("Users.Create").Times(2).Status(403))
	secrets := filepath.Join(t.TempDir(), "secrets.csv")
	code, stdout, _ := b.run(t, t.Context(), "", "-workers", "1", "-passwords", secrets)
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stdout, "Passwords of new users: 10. Device tokens: 9. They are in "+secrets)

	b = newBench(t, siptest.Options{})
	b.Fail(siptest.On("Users.Create").Status(403))
	code, stdout, _ = b.run(t, t.Context(), "", "-passwords", secrets+".2")
	require.Equal(t, exitIncomplete, code)
	require.NotContains(t, stdout, "Passwords of")
	require.NoFileExists(t, secrets+".2", "it would hold nobody's passwords")
}

func TestLostToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	b.Fail(siptest.On("Users.AddDevice").Nth(1).CommitThenDrop())
	code, stdout, _ := b.run(t, t.Context(), "", "-workers", "1")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stdout, "run it again with -rotate 00:00:5E:00:53:01")
	require.Contains(t, stdout, "Device tokens: 10.")

	secrets := filepath.Join(t.TempDir(), "secrets.csv")
	code, stdout, stderr := b.run(t, t.Context(), "", "-rotate", "00:00:5E:00:53:01", "-passwords", secrets)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "~ device 00:00:5E:00:53:01: new token for user amira.khan\n")
	_, tokens := readSecrets(t, secrets)
	require.Len(t, tokens["00:00:5E:00:53:01"], 25)
}

func TestStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	// The third user's call stops the program, as Ctrl-C would within it.
	var calls atomic.Int32
	b.client = b.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		if infinitysip.OperationFromContext(req.Context()) == "Users.Create" && calls.Add(1) == 3 {
			stop()
		}
		return b.Transport().RoundTrip(req)
	})}))
	secrets := filepath.Join(t.TempDir(), "secrets.csv")

	code, stdout, _ := b.run(t, ctx, "", "-workers", "1", "-passwords", secrets)

	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stdout, "Stopped. To go on, run it again")
	require.Regexp(t, `(?m)^create user +2 +1 +0 +9$`, stdout)
	require.Len(t, b.Users(b.domain), 2)
	passwords, _ := readSecrets(t, secrets)
	require.Len(t, passwords, 3, "of the third too, who might have been made")

	b.client = b.InProcessClient()
	code, _, stderr := b.run(t, t.Context(), "")
	require.Zero(t, code, stderr)
	require.Len(t, b.Users(b.domain), 12)
}

func TestStoppedWhileReading(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	code, _, stderr := b.run(t, ctx, "")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stderr, "Nothing was changed.")
	require.Zero(t, b.sent())
}

func TestSecretsWantAFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, _, stderr := b.run(t, t.Context(), "", "-passwords", "")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "say with -passwords where to keep them")
	require.Zero(t, b.sent())

	old := filepath.Join(t.TempDir(), "old.csv")
	require.NoError(t, os.WriteFile(old, []byte("precious"), 0o600))
	code, _, stderr = b.run(t, t.Context(), "", "-passwords", old)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "-passwords wants a new file")
	require.Zero(t, b.sent())
	content, err := os.ReadFile(old)
	require.NoError(t, err)
	require.Equal(t, "precious", string(content))

	// A password of the file's own is to the letter.
	code, _, stderr = b.run(t, t.Context(), header+"ann,Ann,201,,,,,,=secret\n")
	require.Zero(t, code, stderr)
	require.Equal(t, "=secret", b.Users(b.domain)[0].Password.Reveal())
}

func TestSummaryTellsEverything(t *testing.T) {
	t.Parallel()
	change := provision.Change{Op: provision.OpCreate, Kind: provision.KindUser, Name: "ann"}
	var out bytes.Buffer
	printSummary(&out, []provision.Result{
		{Change: change, Status: provision.StatusFailed, Err: infinitysip.ErrRateLimited},
		{Change: change, Status: provision.StatusFailed, Err: errors.New("something")},
	})
	require.Contains(t, out.String(), "fewer -workers")
	require.Contains(t, out.String(), "what is there is not made again")
}

func TestBar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := newBar(&out)
	b.show(provision.Progress{Done: 1, Total: 2})
	b.end()
	require.Empty(t, out.String(), "that is no terminal")

	b.on = true
	b.show(provision.Progress{Done: 1, Total: 4, Err: io.EOF})
	b.end()
	require.Equal(t, "\r["+strings.Repeat("#", 10)+strings.Repeat(".", 30)+"] 1/4, 1 failed \n", out.String())
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-live -csv x":                "-live needs -domain",
		"-live -domain 7":             "-live needs -csv or -json",
		"-domain seven":               "not an id",
		"-workers 0":                  "-workers must be",
		"-plan -apply":                "-plan or -apply, not both",
		"-max-deletes -1":             "-max-deletes must not",
		"people.csv":                  "what is people.csv?",
		"-csv /does/not/exist":        "no such file",
		"-json /does/not/exist":       "no such file",
		"-nonsense":                   "not defined",
		"-workers 65 -max-deletes -1": "-workers must be from 1 to 64; -max-deletes must",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			var errs bytes.Buffer
			code := run(t.Context(), strings.Fields(args), io.Discard, &errs, func(bool, infinitysip.DomainID) (*demo.Target, error) {
				return &demo.Target{Client: b.client, Domain: b.domain, Close: func() {}}, nil
			})
			require.NotZero(t, code)
			require.Contains(t, errs.String(), want)
			require.Empty(t, b.Requests())
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// readSecrets reads the file of -passwords: password and PIN by user, token by
// device.
func readSecrets(t *testing.T, path string) (passwords map[string][2]string, tokens map[string]string) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"user", "password", "pin", "device", "token"}, rows[0])
	passwords, tokens = map[string][2]string{}, map[string]string{}
	for _, row := range rows[1:] {
		if row[3] == "" {
			passwords[row[0]] = [2]string{row[1], row[2]}
		} else {
			tokens[row[3]] = row[4]
		}
	}
	return passwords, tokens
}
