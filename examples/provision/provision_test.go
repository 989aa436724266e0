package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"net/netip"
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
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

const header = "user,displayName,extension,email,groups,mac,mobile,pin,password\n"

// A bench is a server to run the program on. It passes for a live one, so that
// the program does not run twice by itself.
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

// run runs the program on a file, with the sample for "".
func (b *bench) run(t *testing.T, ctx context.Context, file string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "staff.csv")
	content := []byte(file)
	if file == "" {
		content = sample
	}
	require.NoError(t, os.WriteFile(path, content, 0o600))
	all := append([]string{"-live", "-domain", "7", "-csv", path, "-network", "203.0.113.0/24"}, args...)
	if !slices.Contains(args, "-passwords") {
		all = append(all, "-passwords", filepath.Join(dir, "secrets.csv"))
	}
	var out, errs bytes.Buffer
	code = run(ctx, all, &out, &errs, func(live bool, domain infinitysip.DomainID) (*demo.Target, error) {
		return &demo.Target{Client: b.client, Domain: domain, Live: live, Note: "Running on a test.", Close: func() {}}, nil
	})
	return code, out.String(), errs.String()
}

// sent counts the requests that may change something, by their names.
func (b *bench) sent() map[string]int {
	n := map[string]int{}
	for _, r := range b.Requests() {
		if r.Method != http.MethodGet {
			n[r.Op]++
		}
	}
	return n
}

// extensions tells who has which.
func (b *bench) extensions() map[string]string {
	all := map[string]string{}
	for _, u := range b.Users(b.domain) {
		all[u.ExtensionNumber] = u.User
	}
	for _, g := range b.Groups(b.domain) {
		all[g.ExtensionNumber] = g.Name
	}
	for _, q := range b.Queues(b.domain) {
		all[q.ExtensionNumber] = q.Name
	}
	return all
}

// usersIn gives the user names in a group.
func (b *bench) usersIn(group string) []string {
	var names []string
	for _, g := range b.Groups(b.domain) {
		for _, id := range b.GroupUsers(b.domain, g.ID) {
			for _, u := range b.Users(b.domain) {
				if g.Name == group && u.ID == id {
					names = append(names, u.User)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// ringing gives the groups of the only queue, in their order.
func (b *bench) ringing() []string {
	names := map[infinitysip.GroupID]string{}
	for _, g := range b.Groups(b.domain) {
		names[g.ID] = g.Name
	}
	var ringing []string
	for _, m := range b.QueueMembers(b.domain, b.Queues(b.domain)[0].ID) {
		ringing = append(ringing, names[m.GroupID])
	}
	return ringing
}

func TestSample(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]siptest.Options{
		"usual":        {},
		"no body":      {CreateBody: siptest.CreateBodyNone},
		"rows":         {CreateBody: siptest.CreateBodyRow, BareNumbers: true, EchoSecrets: true},
		"other query":  {UndocumentedQuery: siptest.RejectQuery, CreateBody: siptest.CreateBodyNone},
		"small pages":  {MaxRows: 1000, UndocumentedQuery: siptest.HonourQuery},
		"slow to tell": {Framing: siptest.FramingClose},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, o)
			secrets := filepath.Join(t.TempDir(), "secrets.csv")

			code, stdout, stderr := b.run(t, t.Context(), "", "-passwords", secrets)

			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			require.True(t, strings.HasPrefix(stdout, "Running on a test.\n"))
			require.Contains(t, stdout, "[55/55] ok")
			require.Len(t, b.Users(b.domain), 12)
			require.Equal(t, []string{"amira.khan", "ben.okoro", "carys.hughes", "dev.patel", "kezia.brown"}, b.usersIn("sales"))
			require.Equal(t, []string{"ines.moreau", "jack.whitlock", "kezia.brown"}, b.usersIn("accounts"))
			require.Equal(t, []string{"sales", "support", "accounts"}, b.ringing())
			require.Len(t, b.TrustedNetworks(b.domain), 1)
			require.Equal(t, "Office", b.TrustedNetworks(b.domain)[0].Description)
			for _, d := range b.Devices(b.domain) {
				require.NotZero(t, d.UserID)
			}
			extensions := b.extensions()
			require.Equal(t, "reception", extensions["600"])
			require.Equal(t, "accounts", extensions["603"])

			info, err := os.Stat(secrets)
			require.NoError(t, err)
			if runtime.GOOS != "windows" {
				require.Equal(t, os.FileMode(0o600), info.Mode())
			}
			kept := readCSV(t, secrets)
			require.Len(t, kept, 13)
			for i, u := range b.Users(b.domain) {
				row := kept[1+slices.IndexFunc(kept[1:], func(row []string) bool { return row[0] == u.User })]
				require.Equal(t, u.User, row[0], i)
				require.Equal(t, u.Password.Reveal(), row[1])
				require.Equal(t, u.PIN.Reveal(), row[2])
				require.Equal(t, !u.PIN.IsZero(), u.HotdeskAllowed)
				require.Equal(t, u.User != "liam.doyle", row[3] != "")
				require.NotContains(t, stdout, row[1])
			}

			b.ResetRequests()
			code, stdout, stderr = b.run(t, t.Context(), "", "-passwords", secrets+".2")
			require.Zero(t, code, stderr)
			require.Empty(t, b.sent())
			require.NotContains(t, stdout, "differs")
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
	require.Contains(t, out.String(), "A second run with the same file: 55 there before, 0 created.")
	require.Len(t, srv.Users(domain), 12)
}

func TestNothingIsSentForABadFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		args []string
		want []string
	}{
		"two rows": {header + "ann,Ann,2o1,,,,,,\nann,Ann,202,x,,,,,\n", nil,
			[]string{"line 2, extension:", "line 3, user:", "line 3, email:"}},
		"the queue's extension": {header + "ann,Ann,600,,,,,,\n", nil,
			[]string{"line 2, extension: 600 is what queue reception gets"}},
		"a group's extension": {header + "ann,Ann,602,,sales,,,,\nben,Ben,202,,support,,,,\neve,Eve,x,,,,,,\n", nil,
			[]string{"line 2, extension: 602 is what group support gets", "line 4, extension:"}},
		"group and queue": {header + "ann,Ann,201,,sales;support,,,,\n", []string{"-group-extension", "599"},
			[]string{"-group-extension: group support gets extension 600, and so does queue reception"}},
		"leading zeros": {header + "ann,Ann,0100,,sales;support,,,,\n", []string{"-group-extension", "0099"},
			[]string{"line 2, extension: 0100 is what group support gets"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			code, _, stderr := b.run(t, t.Context(), test.file, test.args...)
			require.Equal(t, exitIncomplete, code)
			require.Empty(t, b.Requests())
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			require.Len(t, lines, len(test.want)+1, stderr)
			for i, want := range test.want {
				require.Contains(t, lines[i], "staff.csv: "+want)
			}
			require.Contains(t, lines[len(test.want)], "nothing was sent")
		})
	}
}

func TestExtensionsTakenOnTheServer(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	_, err := b.client.Users.Create(t.Context(), b.domain, infinitysip.UserCreateParams{
		User: "old", Password: infinitysip.NewSecret("x"), DisplayName: "Old", ExtensionNumber: "201"})
	require.NoError(t, err)
	_, err = b.client.Queues.Create(t.Context(), b.domain, infinitysip.QueueCreateParams{Name: "q", DisplayName: "Q", ExtensionNumber: "601"})
	require.NoError(t, err)
	_, err = b.client.Groups.Create(t.Context(), b.domain, infinitysip.GroupCreateParams{
		Name: "g", DisplayName: "G", ExtensionNumber: "600", CallerNameFormat: "{displayName}"})
	require.NoError(t, err)
	b.ResetRequests()

	code, _, stderr := b.run(t, t.Context(), header+"ann,Ann,201,,,,,,\nold,Old,202,,sales,,,,\neve,Eve,601,,,,,,\n", "-group-extension", "610")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stderr, "staff.csv: -queue-extension: extension 600 of queue reception is taken by group g on the server\n")
	require.Contains(t, stderr, "staff.csv: line 2, extension: extension 201 of user ann is taken by user old on the server\n")
	require.Contains(t, stderr, "staff.csv: line 4, extension: extension 601 of user eve is taken by queue q on the server\n")
	require.Contains(t, stderr, "3 wrong in ")

	code, _, stderr = b.run(t, t.Context(), header+"ann,Ann,203,,sales,,,,\n")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stderr, "line 2, groups: extension 601 of group sales is taken by queue q on the server: see -group-extension\n")
	require.Empty(t, b.sent())
}

func TestWhatIsThereIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	ann, err := b.client.Users.Create(t.Context(), b.domain, infinitysip.UserCreateParams{
		User: "Ann", Password: infinitysip.NewSecret("x"), DisplayName: "Annie", ExtensionNumber: "209", Email: "ann@example.com"})
	require.NoError(t, err)
	device, err := b.client.Devices.Create(t.Context(), b.domain, infinitysip.DeviceCreateParams{Name: "Old", MACAddress: "00:00:5E:00:53:02"})
	require.NoError(t, err)
	_, err = b.client.Users.AddDevice(t.Context(), b.domain, ann, device)
	require.NoError(t, err)
	_, err = b.client.TrustedNetworks.Create(t.Context(), b.domain, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("203.0.113.9/24")})
	require.NoError(t, err)
	before := b.Users(b.domain)[0]

	code, stdout, stderr := b.run(t, t.Context(), header+
		"ann,Ann,201,,sales,00:00:5E:00:53:01,07700 900101,,\nben,Ben,202,,sales,00:00:5E:00:53:02,,,\n")

	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `line 2, user ann: displayName is "Ann" in the file and "Annie" on the server`)
	require.Contains(t, stdout, `line 2, user ann: extension is "201" in the file and "209" on the server`)
	require.Contains(t, stdout, `line 2, user ann: mobile is "07700 900101" in the file and "" on the server`)
	require.NotContains(t, stdout, "user ann: email")
	require.Contains(t, stdout, "line 3, device 00:00:5E:00:53:02: it is ben's in the file and Ann's on the server")
	after := b.Users(b.domain)[0]
	before.Password, before.PIN, after.Password, after.PIN = infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}
	require.Equal(t, before, after)
	require.Equal(t, []string{"Ann", "ben"}, b.usersIn("sales"))
	require.Equal(t, []infinitysip.UserID{ann, ann}, []infinitysip.UserID{b.Devices(b.domain)[0].UserID, b.Devices(b.domain)[1].UserID})
	require.Len(t, b.TrustedNetworks(b.domain), 1)
}

func TestOneFailureLeavesTheRestDone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fault  siptest.Fault
		users  int // there after the run
		kept   int // passwords, of users that may be there
		advice string
	}{
		{siptest.On("Users.Create").Nth(1).Status(409), 11, 11, "something else has this name"},
		{siptest.On("Users.Create").Nth(1).Drop(), 11, 12, "it looks whether it is there now"},
		{siptest.On("Users.Create").Nth(1).Status(403), 11, 11, "the credentials allow this"},
		{siptest.On("Users.Create").Nth(1).Status(400), 11, 11, "correct the file"},
	} {
		t.Run(test.advice, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			b.Fail(test.fault)
			secrets := filepath.Join(t.TempDir(), "secrets.csv")

			code, stdout, stderr := b.run(t, t.Context(), "", "-workers", "1", "-passwords", secrets)

			require.Equal(t, exitIncomplete, code, stderr)
			require.Len(t, b.Users(b.domain), test.users)
			require.Regexp(t, `(?m)^users +12 +0 +11 +1 +0$`, stdout)
			require.Regexp(t, `(?m)^users in groups +13 +0 +12 +0 +1$`, stdout)
			require.Regexp(t, `(?m)^devices of users +11 +0 +10 +0 +1$`, stdout)
			require.Regexp(t, `(?m)^groups in queues +3 +0 +3 +0 +0$`, stdout)
			require.Contains(t, stdout, "FAILED user amira.khan, extension 201")
			require.Contains(t, stdout, test.advice)
			require.Contains(t, stdout, "device 00:00:5E:00:53:01 to user amira.khan: there is no user amira.khan")
			require.Len(t, readCSV(t, secrets), 1+test.kept)

			b.ResetRequests()
			code, _, stderr = b.run(t, t.Context(), "")
			require.Zero(t, code, stderr)
			require.Equal(t, map[string]int{"Users.Create": 1, "Groups.AddUsers": 1, "Users.AddDevice": 1}, b.sent())
			require.Len(t, b.usersIn("sales"), 5)
		})
	}
}

func TestGroupAndQueueFail(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	b.Fail(siptest.On("Groups.Create").Nth(2).Status(409))
	code, stdout, _ := b.run(t, t.Context(), "", "-workers", "1")
	require.Equal(t, exitIncomplete, code)
	require.Regexp(t, `(?m)^users in groups +13 +0 +8 +0 +5$`, stdout)
	require.Contains(t, stdout, "user ewa.lis into group support: there is no group support")
	require.Contains(t, stdout, "group support into queue reception, place 2: there is no group support")
	require.Equal(t, []string{"sales", "accounts"}, b.ringing())

	// What comes later still gets its place.
	code, _, _ = b.run(t, t.Context(), "")
	require.Zero(t, code)
	require.Equal(t, []string{"sales", "support", "accounts"}, b.ringing())

	b = newBench(t, siptest.Options{})
	b.Fail(siptest.On("Queues.Create").Status(403))
	code, stdout, _ = b.run(t, t.Context(), "")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stdout, "group sales into queue reception, place 1: there is no queue reception")
	require.Len(t, b.TrustedNetworks(b.domain), 1)
}

func TestQueueThatHasGroups(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	const first = header + "ann,Ann,201,,night,,,,\n"
	code, _, stderr := b.run(t, t.Context(), first, "-group-extension", "650")
	require.Zero(t, code, stderr)
	code, _, stderr = b.run(t, t.Context(), "")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stderr, "extension 201 of user amira.khan is taken by user ann")
	code, _, stderr = b.run(t, t.Context(), header+"ben,Ben,202,,sales;support,,,,\n")
	require.Zero(t, code, stderr)
	require.Equal(t, []string{"night", "sales", "support"}, b.ringing())

	code, stdout, _ := b.run(t, t.Context(), header+"ben,Ben,202,,support;sales,,,,\n")
	require.Zero(t, code)
	require.Contains(t, stdout, "queue reception: group sales does not ring in the order of the file")
}

func TestLostToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	b.Fail(siptest.On("Users.AddDevice").Nth(1).CommitThenDrop())
	code, stdout, _ := b.run(t, t.Context(), "")
	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stdout, "its token is lost")
	require.Contains(t, stdout, "Device tokens received: 10;")
}

func TestStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	// The third user's call stops the program, as Ctrl-C would within it.
	var calls atomic.Int32
	b.client = b.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		if infinitysip.OperationFromContext(req.Context()) == "Users.Create" {
			if calls.Add(1) == 3 {
				stop()
			}
		}
		return b.Transport().RoundTrip(req)
	})}))
	secrets := filepath.Join(t.TempDir(), "secrets.csv")

	code, stdout, _ := b.run(t, ctx, "", "-workers", "1", "-passwords", secrets)

	require.Equal(t, exitIncomplete, code)
	require.Contains(t, stdout, "Stopped. To go on, run it again")
	require.Regexp(t, `(?m)^groups +3 +0 +3 +0 +0$`, stdout)
	require.Regexp(t, `(?m)^devices +11 +0 +0 +0 +11$`, stdout)
	require.Len(t, b.Users(b.domain), 2)
	require.Len(t, readCSV(t, secrets), 1+3)
	require.Equal(t, map[string]int{"Groups.Create": 3, "Users.Create": 2}, b.sent())

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
	require.Contains(t, stderr, "Nothing was created.")
	require.Empty(t, b.sent())
}

func TestSecretsWantAFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, _, stderr := b.run(t, t.Context(), "", "-passwords", "")
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "23 passwords or device tokens")
	require.Empty(t, b.sent())

	old := filepath.Join(t.TempDir(), "old.csv")
	require.NoError(t, os.WriteFile(old, []byte("precious"), 0o600))
	code, _, stderr = b.run(t, t.Context(), "", "-passwords", old)
	require.Equal(t, exitUsage, code)
	require.Contains(t, stderr, "-passwords wants a new file")
	require.Empty(t, b.sent())
	content, err := os.ReadFile(old)
	require.NoError(t, err)
	require.Equal(t, "precious", string(content))

	// A password of the file's own is not lost.
	code, _, stderr = b.run(t, t.Context(), header+"ann,Ann,201,,,,,,=secret\n", "-passwords", "")
	require.Zero(t, code, stderr)
	require.Equal(t, "=secret", b.Users(b.domain)[0].Password.Reveal())
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, stdout, stderr := b.run(t, t.Context(), "", "-dry-run", "-passwords", "")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "would create 55")
	require.Regexp(t, `(?m)^users +12 +0 +12$`, stdout)
	require.Empty(t, b.sent())
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-live -csv x":            "-live needs -domain",
		"-live -domain 7":         "-live needs -csv",
		"-domain seven":           "not an id",
		"-workers 0":              "-workers must be",
		"-network office":         "-network must be",
		"-group-extension 6a":     "-group-extension must be",
		"-queue-extension ×":      "-queue-extension must be",
		"people.csv":              "what is people.csv?",
		"-csv /does/not/exist":    "no such file",
		"-group-extension=":       "-group-extension must be",
		"-nonsense":               "not defined",
		"-workers 65 -network 10": "-workers must be from 1 to 64; -network must be",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			var errs bytes.Buffer
			code := run(t.Context(), strings.Fields(args), io.Discard, &errs, func(live bool, domain infinitysip.DomainID) (*demo.Target, error) {
				return &demo.Target{Client: b.client, Domain: b.domain, Close: func() {}}, nil
			})
			require.NotZero(t, code)
			require.Contains(t, errs.String(), want)
			require.Empty(t, b.Requests())
		})
	}
}

// With -live, a network is trusted only by name.
func TestLiveTrustsNoNetworkByDefault(t *testing.T) {
	t.Parallel()
	o, err := parseFlags([]string{"-live", "-domain", "7", "-csv", "x"}, io.Discard)
	require.NoError(t, err)
	require.False(t, o.network.IsValid())
	o, err = parseFlags(nil, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "203.0.113.0/24", o.network.String())
}

// The test of the export example sees to it that this file is what it writes of
// the people of Fill.
func TestExportedFileCreatesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	require.NoError(t, demo.Fill(t.Context(), b.client, b.domain))
	exported, err := os.ReadFile("../export/testdata/people.csv")
	require.NoError(t, err)
	b.ResetRequests()

	code, stdout, stderr := b.run(t, t.Context(), string(exported), "-queue", "", "-network", "", "-passwords", "")

	require.Zero(t, code, stderr)
	require.Empty(t, b.sent())
	require.NotContains(t, stdout, "differs")
	require.Contains(t, stdout, "4 people, 2 groups")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	return rows
}
