package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
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
	domain  infinitysip.DomainID
	client  *infinitysip.Client
	dir     string
	secrets string // the file of -passwords
}

func newBench(t *testing.T, o siptest.Options) *bench {
	srv := siptest.New(t, o)
	dir := t.TempDir()
	return &bench{srv, srv.AddDomain(infinitysip.Domain{ID: 7, DisplayName: "Acme"}), srv.InProcessClient(infinitysip.WithRetryPolicy(
		infinitysip.RetryPolicy{VerifyWaits: []time.Duration{0, time.Millisecond}})), dir, filepath.Join(dir, "secrets.csv")}
}

// write writes a file and returns its path.
func (b *bench) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(b.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// start runs the program with these arguments alone.
func (b *bench) start(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs, func(_ context.Context, live bool, domain string) (*demo.Target, error) {
		id, err := infinitysip.ParseID[infinitysip.DomainID](domain)
		return &demo.Target{Client: b.client, Domain: id, Live: live, Note: "Running on a test.", Close: func() {}}, err
	})
	return code, out.String(), errs.String()
}

// run runs the program on people, with the sample for "", and the sample's office.
// It applies unless the arguments say otherwise.
func (b *bench) run(t *testing.T, people string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if people == "" {
		people = string(samplePeople)
	}
	all := append([]string{"-live", "-domain", "7", "-csv", b.write(t, "staff.csv", people), "-office", b.write(t, "office.json", string(sampleOffice))}, args...)
	if !slices.Contains(args, "-passwords") {
		all = append(all, "-passwords", b.secrets)
	}
	if !slices.Contains(args, "-plan") && !slices.Contains(args, "-apply") {
		all = append(all, "-apply")
	}
	return b.start(t.Context(), all...)
}

// ann is the user of that name: which one is made first is not said.
func (b *bench) ann(t *testing.T) infinitysip.User {
	t.Helper()
	all := b.Users(b.domain)
	i := slices.IndexFunc(all, func(u infinitysip.User) bool { return u.User == "ann" })
	require.GreaterOrEqual(t, i, 0)
	return all[i]
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

// A kept is a line of the file of -passwords.
type kept map[string]string

// readKept reads the file of -passwords: for each user and each device, the line
// that counts, which is the last one that is confirmed, or else the last one.
func readKept(t require.TestingT, path string) (passwords, tokens map[string]kept) {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err, "%s", text)
	passwords, tokens = map[string]kept{}, map[string]kept{}
	for _, row := range rows[1:] {
		line := kept{}
		for i, column := range rows[0] {
			line[column] = row[i]
		}
		all, key := passwords, line["user"]
		if line["device"] != "" {
			all, key = tokens, line["device"]
		}
		state := provision.CredentialState(line["state"])
		if state == provision.CredentialRefused || all[key]["state"] == string(provision.CredentialConfirmed) && state != provision.CredentialConfirmed {
			continue
		}
		all[key] = line
	}
	return passwords, tokens
}

// requireKept requires that the file of -passwords has the password and the PIN of
// each user on the server.
func (b *bench) requireKept(t require.TestingT) {
	passwords, _ := readKept(t, b.secrets)
	for _, u := range b.Users(b.domain) {
		require.Equal(t, u.Password.Reveal(), passwords[u.User]["password"], "the password of %s", u.User)
		require.Equal(t, u.PIN.Reveal(), passwords[u.User]["pin"], "the PIN of %s", u.User)
		require.Equal(t, "confirmed", passwords[u.User]["state"], "of %s", u.User)
	}
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

			code, stdout, stderr := b.run(t, "")

			require.Equal(t, exitDone, code, stderr)
			require.Empty(t, stderr)
			require.Contains(t, stdout, "+ into group accounts: ines.moreau, jack.whitlock, kezia.brown")
			require.Regexp(t, `(?m)^create user +12 +0 +0 +0$`, stdout)
			require.Regexp(t, `(?m)^device to user +11 +0 +0 +0$`, stdout)
			require.Contains(t, stdout, "Passwords set: 12. Device tokens: 11. They are in "+b.secrets)
			require.NotContains(t, stdout, "\x1b", "that is no terminal")
			require.Len(t, b.Users(b.domain), 12)
			require.Equal(t, "reception", b.Queues(b.domain)[0].Name)
			require.Len(t, b.QueueMembers(b.domain, b.Queues(b.domain)[0].ID), 3)

			info, err := os.Stat(b.secrets)
			require.NoError(t, err)
			if runtime.GOOS != "windows" {
				require.Equal(t, os.FileMode(0o600), info.Mode())
			}
			b.requireKept(t)
			passwords, tokens := readKept(t, b.secrets)
			require.Len(t, passwords, 12)
			require.Len(t, tokens, 11)
			for _, u := range b.Users(b.domain) {
				require.Equal(t, !u.PIN.IsZero(), u.HotdeskAllowed)
				require.NotContains(t, stdout, u.Password.Reveal())
			}

			b.ResetRequests()
			before, err := os.ReadFile(b.secrets)
			require.NoError(t, err)
			code, stdout, stderr = b.run(t, "")
			require.Equal(t, exitDone, code, stderr)
			require.Contains(t, stdout, "There is nothing to do.")
			require.Zero(t, b.sent())
			after, err := os.ReadFile(b.secrets)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))

			code, _, stderr = b.run(t, "", "-passwords", b.secrets+".2")
			require.Equal(t, exitDone, code, stderr)
			require.NoFileExists(t, b.secrets+".2", "there was nothing to keep")
		})
	}
}

// The server in memory shows the second run in the first.
func TestRunsTwiceOnSiptest(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, stdout, stderr := b.start(t.Context(), "-domain", "7")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "Planning again with the same files: 0 changes.")
	require.Contains(t, stdout, "They are gone with siptest: -passwords FILE keeps them.")
	require.Len(t, b.Users(b.domain), 12)
}

func TestNothingIsSentForABadFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, _, stderr := b.run(t, header+"ann,Ann,2o1,,,,,,\nann,Ann,600,x,salse,,,,\n")
	require.Equal(t, exitError, code)
	require.Empty(t, b.Requests())
	for _, want := range []string{"line 2", "extension", "line 3", "email", "groups", "600", "\nNothing was changed.\n"} {
		require.Contains(t, stderr, want)
	}
}

// A plan alone tells by its exit code whether there is something to do.
func TestPlanChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, stdout, stderr := b.run(t, "", "-plan")
	require.Equal(t, exitChanges, code, stderr)
	require.Contains(t, stdout, "Nothing was changed: -apply carries out the plan.")
	require.Zero(t, b.sent())
	require.NoFileExists(t, b.secrets)

	code, _, stderr = b.start(t.Context(), "-live", "-domain", "7", "-csv", filepath.Join(b.dir, "staff.csv"), "-office", filepath.Join(b.dir, "office.json"))
	require.Equal(t, exitChanges, code, "on a real account, that is so without -apply: %s", stderr)
	require.Zero(t, b.sent())

	code, _, stderr = b.run(t, "")
	require.Equal(t, exitDone, code, stderr)
	code, stdout, stderr = b.run(t, "", "-plan")
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "There is nothing to do.")
}

// What -plan -json prints is what -out writes, and what -apply takes.
func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	saved := filepath.Join(b.dir, "plan.json")
	code, stdout, stderr := b.run(t, "", "-plan", "-json", "-out", saved)
	require.Equal(t, exitChanges, code, stderr)
	require.Contains(t, stderr, "Running on a test.\n")
	file, err := os.ReadFile(saved)
	require.NoError(t, err)
	require.Equal(t, string(file), stdout)

	var changes provision.Changes
	require.NoError(t, json.Unmarshal(file, &changes))
	require.Contains(t, stderr, "Digest of the plan: "+changes.Digest())
	require.Equal(t, b.domain, changes.Domain)
	require.NotEmpty(t, changes.Items)

	code, stdout, stderr = b.start(t.Context(), "-domain", "7", "-plan", "-json", "-csv", b.write(t, "none.csv", header))
	require.Equal(t, exitDone, code, stderr)
	require.True(t, json.Valid([]byte(stdout)), "an empty plan is JSON too: %s", stdout)
}

func TestSavedPlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	people := header + "ann,Ann,201,,sales,00:00:5E:00:53:01,,1234,chosen by hand\nben,Ben,202,,,,,,\n"
	saved := filepath.Join(b.dir, "plan.json")
	code, stdout, stderr := b.run(t, people, "-plan", "-out", saved)
	require.Equal(t, exitChanges, code, stderr)
	file, err := os.ReadFile(saved)
	require.NoError(t, err)
	require.NotContains(t, string(file), "chosen by hand")
	_, digest, _ := strings.Cut(stdout, "Digest of the plan: ")
	digest, _, _ = strings.Cut(digest, "\n")
	require.NotEmpty(t, digest)

	staff, office := filepath.Join(b.dir, "staff.csv"), filepath.Join(b.dir, "office.json")
	for want, args := range map[string][]string{
		saved + " sets passwords or PINs that are not in it, of ann: name the -csv, -office and -passwords that it was made with\nNothing": {"-live", "-apply", saved, "-passwords", b.secrets},
		"is a plan for domain 7, and -domain is 8": {"-live", "-domain", "8", "-apply", saved, "-passwords", b.secrets},
		"say with -passwords":                      {"-live", "-apply", saved, "-csv", staff},
		"is not the plan of that -digest":          {"-live", "-apply", saved, "-csv", staff, "-digest", "sha256:0"},
		"the first row must name the columns":      {"-live", "-apply", saved, "-csv", b.write(t, "wrong.csv", "usr,password\nann,secret\n")},
		"staff.csv is no plan that -out wrote":     {"-live", "-apply", staff},
		"no such file":                             {"-live", "-apply", saved + ".2"},
	} {
		code, _, stderr = b.start(t.Context(), args...)
		require.Equal(t, exitError, code, stderr)
		require.Contains(t, stderr, want)
		require.Contains(t, stderr, "\nNothing was changed.")
		require.Zero(t, b.sent())
	}

	code, stdout, stderr = b.start(t.Context(), "-live", "-apply", saved, "-csv", staff, "-office", office, "-passwords", b.secrets)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "Digest of the plan: "+digest+"\n")
	require.Contains(t, stdout, "+ user ann")
	require.Equal(t, "chosen by hand", b.ann(t).Password.Reveal())
	b.requireKept(t)

	b.ResetRequests()
	code, _, stderr = b.start(t.Context(), "-live", "-apply="+saved, "-csv", staff, "-office", office, "-passwords", b.secrets)
	require.Equal(t, exitError, code, "the domain is no longer as it was")
	require.Contains(t, stderr, "the domain has changed since the plan was made")
	require.Zero(t, b.sent())
}

// Of a plan that was reviewed, either that is done or nothing.
func TestStalePlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	saved := filepath.Join(b.dir, "plan.json")
	code, _, stderr := b.run(t, "", "-plan", "-out", saved)
	require.Equal(t, exitChanges, code, stderr)
	b.AddUser(b.domain, infinitysip.User{User: "ben.okoro", DisplayName: "Another Ben", ExtensionNumber: "999"})

	code, _, stderr = b.run(t, "", "-apply", saved)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "the domain has changed since the plan was made")
	require.Contains(t, stderr, "\nNothing was changed.")
	require.Zero(t, b.sent())
}

func TestPruneIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, _, stderr := b.run(t, "")
	require.Equal(t, exitDone, code, stderr)
	shorter := strings.Join(strings.SplitAfter(string(samplePeople), "\n")[:12], "") // less liam.doyle

	code, stdout, stderr := b.run(t, shorter)
	require.Equal(t, exitDone, code, stderr)
	require.Contains(t, stdout, "There is nothing to do.")

	for _, most := range []string{"0", "1%", "0%"} {
		b.ResetRequests()
		code, stdout, stderr = b.run(t, shorter, "-prune", "-max-deletes", most)
		require.Equal(t, exitError, code)
		require.Contains(t, stdout, "- user liam.doyle")
		require.Contains(t, stderr, "too many deletes")
		require.Contains(t, stderr, "allow it with -max-deletes.\nNothing was changed.")
		require.NotContains(t, stderr, "MaxDelete")
		require.Zero(t, b.sent())
	}

	code, stdout, stderr = b.run(t, shorter, "-prune", "-max-deletes", "5%")
	require.Equal(t, exitDone, code, stderr)
	require.Regexp(t, `(?m)^delete user +1 +0 +0 +0$`, stdout)
	require.Len(t, b.Users(b.domain), 11)
}

func TestModesOfPlanning(t *testing.T) {
	t.Parallel()
	two := func(t *testing.T) *bench {
		b := newBench(t, siptest.Options{})
		code, _, stderr := b.run(t, header+"ann,Ann,201,,,,,,\nben,Ben,202,,,,,,\n")
		require.Equal(t, exitDone, code, stderr)
		b.ResetRequests()
		return b
	}

	t.Run("create only", func(t *testing.T) {
		t.Parallel()
		b := two(t)
		code, _, stderr := b.run(t, header+"ann,Ann Other,201,,,,,,\ncarl,Carl,203,,,,,,\n", "-create-only")
		require.Equal(t, exitDone, code, stderr)
		require.Equal(t, "Ann", b.ann(t).DisplayName, "HR's sheet does not overwrite it")
		require.Len(t, b.Users(b.domain), 3)
	})
	t.Run("spare", func(t *testing.T) {
		t.Parallel()
		b := two(t)
		code, _, stderr := b.run(t, header+"ann,Ann,202,,,,,,\nben,Ben,201,,,,,,\n", "-spare", "777,778")
		require.Equal(t, exitDone, code, stderr)
		require.True(t, slices.ContainsFunc(b.Requests(), func(r siptest.Request) bool { return r.Form.Get("extensionNumber") == "777" }))
		require.Equal(t, "202", b.ann(t).ExtensionNumber)
	})
	t.Run("set secrets", func(t *testing.T) {
		t.Parallel()
		b := two(t)
		people := header + "ann,Ann,201,,,,,,a new one\n"
		code, _, stderr := b.run(t, people)
		require.Equal(t, exitDone, code, stderr)
		require.NotEqual(t, "a new one", b.ann(t).Password.Reveal())
		code, _, stderr = b.run(t, people, "-set-secrets")
		require.Equal(t, exitDone, code, stderr)
		require.Equal(t, "a new one", b.ann(t).Password.Reveal())
		b.requireKept(t)
		code, stdout, stderr := b.run(t, people, "-set-secrets", "-passwords", "")
		require.Equal(t, exitDone, code, stderr)
		require.Contains(t, stdout, "Passwords set: 1. They are those of the files.\n")
	})
}

func TestOneFailureLeavesTheRestDone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault  siptest.Fault
		advice string
	}{
		{siptest.On("Users.Create").Nth(1).Status(409), "something else has this name"},
		{siptest.On("Users.Create").Nth(1).Status(403), "the credentials allow this"},
		{siptest.On("Users.Create").Nth(1).Status(400), "correct the file"},
	} {
		t.Run(test.advice, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			b.Fail(test.fault)

			code, stdout, stderr := b.run(t, "", "-workers", "1")

			require.Equal(t, exitError, code, stderr)
			require.Len(t, b.Users(b.domain), 11)
			require.Regexp(t, `(?m)^create user +11 +1 +0 +0$`, stdout)
			require.Regexp(t, `(?m)^device to user +10 +0 +1 +0$`, stdout)
			require.Contains(t, stdout, "\nFailed: + user amira.khan (extension 201, ")
			require.Contains(t, stdout, test.advice)
			require.Contains(t, stdout, "\nBlocked: + device 00:00:5E:00:53:01 goes to user amira.khan\n")

			b.ResetRequests()
			code, _, stderr = b.run(t, "")
			require.Equal(t, exitDone, code, stderr)
			require.Equal(t, 3, b.sent(), "the user, the membership and the device")
			b.requireKept(t)
		})
	}
}

// Failures that are alike are one, not a wall of lines.
func TestAlikeFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	b.Fail(siptest.On("Users.Create").Status(403))
	var people strings.Builder
	people.WriteString(header)
	for i := range 200 {
		fmt.Fprintf(&people, "user%03d,User,%d,,sales,,,,\n", i, 2000+i)
	}
	code, stdout, _ := b.run(t, people.String())
	require.Equal(t, exitError, code)
	_, report, _ := strings.Cut(stdout, "  done ")
	require.Less(t, strings.Count(report, "\n"), 30, report)
	require.Equal(t, 1, strings.Count(report, "What to do:"), report)
	require.Contains(t, report, "\nFailed: create user, 200 times: user0")
	require.Contains(t, report, " and 195 more\n")
	require.NotContains(t, report, "Passwords set")
}

// Credentials that end in the middle end the run: nobody is asked 200 times.
func TestCredentialsThatEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	b.Fail(siptest.On("Users.Create").Nth(3).Before(func(s *siptest.Server) { s.SetAPIKey("") }))
	code, stdout, stderr := b.run(t, "", "-workers", "1")
	require.Equal(t, exitError, code, stderr)
	require.Contains(t, stdout, "see to it that the credentials are right")
	require.Contains(t, stdout, "\nStopped: ")
}

func TestLostToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	b.Fail(siptest.On("Users.AddDevice").Nth(1).CommitThenDrop())
	code, stdout, _ := b.run(t, "", "-workers", "1")
	require.Equal(t, exitError, code)
	require.Contains(t, stdout, "run the same command again: the device gets another token.")
	require.Contains(t, stdout, "Device tokens: 10.")

	for _, args := range [][]string{nil, {"-rotate", "00:00:5E:00:53:01"}} {
		code, stdout, stderr := b.run(t, "", args...)
		require.Equal(t, exitDone, code, stderr)
		require.Contains(t, stdout, "device 00:00:5E:00:53:01 of user amira.khan: new token")
	}
	_, tokens := readKept(t, b.secrets)
	require.Len(t, tokens, 11)
	require.Len(t, tokens["00:00:5E:00:53:01"]["token"], 25)
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
	args := []string{"-live", "-domain", "7", "-csv", b.write(t, "staff.csv", string(samplePeople)), "-office", b.write(t, "office.json", string(sampleOffice)),
		"-workers", "1", "-passwords", b.secrets, "-apply"}

	code, stdout, stderr := b.start(ctx, args...)

	require.Equal(t, exitError, code, stderr)
	require.Contains(t, stdout, "To go on: run the same command again")
	require.Regexp(t, `(?m)^create user +2 +1 +0 +9$`, stdout)
	require.Len(t, b.Users(b.domain), 2)

	b.client = b.InProcessClient()
	code, _, stderr = b.start(t.Context(), args...)
	require.Equal(t, exitDone, code, stderr)
	require.Len(t, b.Users(b.domain), 12)
	b.requireKept(t)
}

func TestStoppedWhileReading(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	code, _, stderr := b.start(ctx, "-live", "-domain", "7", "-csv", b.write(t, "staff.csv", header+"ann,Ann,201,,,,,,\n"), "-apply", "-passwords", b.secrets)
	require.Equal(t, exitError, code)
	require.Equal(t, "provision: stopped before anything was begun: nothing was changed\n", stderr)
	require.Zero(t, b.sent())
}

func TestSecretsWantAFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	for file, want := range map[string]string{
		"":                                   "say with -passwords where to keep them",
		filepath.Join(b.dir, "no", "folder"): "secrets cannot be kept in",
		b.write(t, "old.csv", "precious\n1"): "secrets cannot be kept in",
	} {
		code, _, stderr := b.run(t, "", "-passwords", file)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, want)
		require.Contains(t, stderr, "\nNothing was changed.")
		require.Zero(t, b.sent())
	}
	content, err := os.ReadFile(filepath.Join(b.dir, "old.csv"))
	require.NoError(t, err)
	require.Equal(t, "precious\n1", string(content))

	// A password of the file's own is to the letter.
	code, _, stderr := b.run(t, header+"ann,Ann,201,,,,,,=secret\n")
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, "=secret", b.Users(b.domain)[0].Password.Reveal())
}

func TestColor(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	for when, want := range map[string]bool{"auto": false, "never": false, "always": true} {
		code, stdout, stderr := b.run(t, "", "-plan", "-color", when)
		require.Equal(t, exitChanges, code, stderr)
		require.Equal(t, want, strings.Contains(stdout, "\x1b["), when)
	}
}

// What cannot be shown is not done.
func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	for _, json := range []bool{false, true} {
		var errs bytes.Buffer
		args := []string{"-domain", "7"}
		if json {
			args = append(args, "-plan", "-json")
		}
		code := run(t.Context(), args, full{}, &errs, func(context.Context, bool, string) (*demo.Target, error) {
			return &demo.Target{Client: b.client, Domain: b.domain, Close: func() {}}, nil
		})
		require.Equal(t, exitError, code)
		_, text, _ := strings.Cut(errs.String(), "provision: ")
		require.Equal(t, "the plan could not be printed to its end: short write\nNothing was changed.\n", text)
		require.Zero(t, b.sent())
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
