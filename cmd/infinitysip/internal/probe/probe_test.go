package probe

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// office fills a server as the office of the demo is, whatever its options.
func office(t *testing.T, srv *siptest.Server) infinitysip.DomainID {
	t.Helper()
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "acme"})
	srv.AddDomain(infinitysip.Domain{DisplayName: "globex"})
	for n, name := range []string{"joe.blogs", "amira.khan", "carys.hughes"} {
		srv.AddUser(domain, infinitysip.User{User: name, DisplayName: name, ExtensionNumber: fmt.Sprint(201 + n), Password: infinitysip.NewSecret("secret-of-" + name)})
		srv.AddDevice(domain, infinitysip.Device{Name: name, MACAddress: fmt.Sprintf("10:20:30:1A:2B:%02X", n), UserID: infinitysip.UserID(n + 1)})
	}
	srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales", ExtensionNumber: "601", CallerNameFormat: "{displayName}"})
	srv.AddGroup(domain, infinitysip.Group{Name: "support", DisplayName: "Support", ExtensionNumber: "602", CallerNameFormat: "{displayName}"})
	srv.AddQueue(domain, infinitysip.Queue{Name: "front", DisplayName: "Front desk", ExtensionNumber: "701"})
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("192.0.2.0/28"), Description: "Head office"})
	srv.AddTrustedNetwork(domain, infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("198.51.100.0/24"), Description: "Warehouse"})
	for path, form := range map[string]url.Values{
		"groups/1/users":   {"userSpec[]": {"1", "2"}},
		"queues/1/members": {"groupId": {"1"}, "ringStrategy": {"all"}, "ringAttempts": {"1"}, "ringSecs": {"20"}, "ringOrder": {"1"}},
	} {
		_, err := srv.InProcessClient().Do(t.Context(), http.MethodPost, fmt.Sprintf("/config/v2/sip/domains/%d/%s", domain, path), form)
		require.NoError(t, err)
	}
	srv.ResetRequests()
	return domain
}

// long makes the lists of users and devices longer than the cap of a server.
func long(srv *siptest.Server, domain infinitysip.DomainID) {
	for n := range 15 {
		srv.AddUser(domain, infinitysip.User{User: fmt.Sprintf("user%d", n), ExtensionNumber: fmt.Sprint(300 + n)})
		srv.AddDevice(domain, infinitysip.Device{Name: fmt.Sprintf("Desk %d", n), MACAddress: fmt.Sprintf("10:20:30:00:00:%02X", n)})
	}
}

// snapshot is everything that a server has, a row a line, to see whether it changed.
func snapshot(t *testing.T, srv *siptest.Server) (lines []string) {
	t.Helper()
	add := func(what string, row any) {
		text, err := json.Marshal(row)
		require.NoError(t, err)
		lines = append(lines, what+" "+string(text))
	}
	for _, d := range srv.Domains() {
		add("domain", d)
		for _, u := range srv.Users(d.ID) {
			add("user "+u.Password.Reveal()+" "+u.PIN.Reveal(), u)
		}
		for _, g := range srv.Groups(d.ID) {
			add("group", g)
			add("its users", srv.GroupUsers(d.ID, g.ID))
		}
		for _, q := range srv.Queues(d.ID) {
			add("queue", q)
			add("its members", srv.QueueMembers(d.ID, q.ID))
		}
		for _, n := range srv.TrustedNetworks(d.ID) {
			add("network", n)
		}
		for _, d := range srv.Devices(d.ID) {
			add("device", d)
		}
	}
	return lines
}

// requireUnchanged fails unless a server has what it had.
func requireUnchanged(t *testing.T, srv *siptest.Server, before []string, args ...any) {
	t.Helper()
	after := snapshot(t, srv)
	for _, line := range after {
		if !slices.Contains(before, line) {
			t.Error("new:", line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Error("missing:", line)
		}
	}
	if t.Failed() {
		t.Fatal(args...)
	}
}

// config is the configuration of a probe in process.
func config(srv *siptest.Server, domain infinitysip.DomainID) Config {
	meter := NewMeter(srv.Transport(), Most)
	return Config{Client: srv.InProcessClient(meter.ClientOptions()...), Meter: meter, Domain: domain, Mark: "probe-k3x9qa"}
}

func (r *Report) finding(t *testing.T, key string) Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Key == key {
			return f
		}
	}
	t.Fatalf("no finding %s", key)
	return Finding{}
}

func (r *Report) String() string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-24s %-7s %3d  %s | %s\n", f.Key, f.Sure, f.Requests, f.Found, f.How)
	}
	return b.String()
}

// An option is a way in which a server may behave, set by name.
type option struct {
	name string
	set  func(*siptest.Options)
	long bool // the lists must be longer than the cap
	upTo int  // look for a limit
}

func zone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

func rewrite(column string, to siptest.Rewrite) func(*siptest.Options) {
	return func(o *siptest.Options) {
		if o.Rewrites == nil {
			o.Rewrites = siptest.Rewrites{}
		}
		o.Rewrites[column] = to
	}
}

func options() []option {
	return []option{
		{name: "bare numbers", set: func(o *siptest.Options) { o.BareNumbers = true }},
		{name: "secrets", set: func(o *siptest.Options) { o.EchoSecrets = true }},
		{name: "create: row", set: func(o *siptest.Options) { o.CreateBody = siptest.CreateBodyRow }},
		{name: "create: none", set: func(o *siptest.Options) { o.CreateBody = siptest.CreateBodyNone }},
		{name: "query honoured", set: func(o *siptest.Options) { o.UndocumentedQuery = siptest.UndocumentedQueryHonoured }},
		{name: "query refused", set: func(o *siptest.Options) { o.UndocumentedQuery = siptest.UndocumentedQueryRejected }},
		{name: "no paging", set: func(o *siptest.Options) { o.IgnorePaging = true }},
		{name: "no filters", set: func(o *siptest.Options) { o.IgnoreFilters = true }},
		{name: "duplicates", set: func(o *siptest.Options) { o.AllowDuplicates = true }},
		{name: "duplicates: 400", set: func(o *siptest.Options) { o.DuplicateStatus = 400 }},
		{name: "duplicates: 422", set: func(o *siptest.Options) { o.DuplicateStatus = 422 }},
		{name: "duplicates: 500", set: func(o *siptest.Options) { o.DuplicateStatus = 500 }},
		{name: "groups keep", set: func(o *siptest.Options) { o.GroupUpdates = siptest.GroupUpdatesKeep }},
		{name: "groups clear", set: func(o *siptest.Options) { o.GroupUpdates = siptest.GroupUpdatesClear }},
		{name: "paths", set: func(o *siptest.Options) { o.Paths = siptest.PathsAnyCase }},
		{name: "zone", set: func(o *siptest.Options) { o.Zone = zone("Etc/GMT-2") }},
		{name: "zone of half an hour", set: func(o *siptest.Options) { o.Zone = zone("Asia/Kolkata") }},
		{name: "user: lower", set: rewrite("user", siptest.RewriteLower)},
		{name: "user: upper", set: rewrite("user", siptest.RewriteUpper)},
		{name: "user: trim", set: rewrite("user", siptest.RewriteTrim)},
		{name: "group: lower", set: rewrite("groupName", siptest.RewriteLower)},
		{name: "group: upper", set: rewrite("groupName", siptest.RewriteUpper)},
		{name: "group: trim", set: rewrite("groupName", siptest.RewriteTrim)},
		{name: "queue: lower", set: rewrite("queueName", siptest.RewriteLower)},
		{name: "queue: upper", set: rewrite("queueName", siptest.RewriteUpper)},
		{name: "queue: trim", set: rewrite("queueName", siptest.RewriteTrim)},
		{name: "network: mask", set: rewrite("network", siptest.RewriteMask)},
		{name: "MAC: lower", set: rewrite("deviceMacAddress", siptest.RewriteLower)},
		{name: "MAC: bare", set: rewrite("deviceMacAddress", siptest.RewriteBare)},
		{name: "MAC: hyphens", set: rewrite("deviceMacAddress", siptest.RewriteHyphens)},
		{name: "cap", set: func(o *siptest.Options) { o.MaxRows = 12 }, long: true},
		{name: "lag 5s", set: func(o *siptest.Options) { o.ListLag = 5 * time.Second }},
		{name: "lag 500ms", set: func(o *siptest.Options) { o.ListLag = 500 * time.Millisecond }},
		{name: "form 50", set: func(o *siptest.Options) { o.MaxInputVars = 50 }},
		{name: "form 4000", set: func(o *siptest.Options) { o.MaxInputVars = 4000 }},
		{name: "error: string", set: func(o *siptest.Options) { o.ErrorBody = siptest.ErrorBodyJSONString }},
		{name: "error: object", set: func(o *siptest.Options) { o.ErrorBody = siptest.ErrorBodyJSONObject }},
		{name: "error: HTML", set: func(o *siptest.Options) { o.ErrorBody = siptest.ErrorBodyHTML }},
		{name: "framing: length", set: func(o *siptest.Options) { o.Framing = siptest.FramingLength }},
		{name: "framing: close", set: func(o *siptest.Options) { o.Framing = siptest.FramingClose }},
		{name: "latency", set: func(o *siptest.Options) { o.Latency = 120 * time.Millisecond }},
		{name: "limit: 20/s", upTo: 40, set: func(o *siptest.Options) { o.Limit = &siptest.Limit{Requests: 20} }},
		{name: "limit: 5/s, 503", upTo: 40, set: func(o *siptest.Options) {
			o.Limit = &siptest.Limit{Requests: 5, Status: 503, RetryAfter: siptest.RetryAfterSeconds}
		}},
		{name: "limit: 30/min window", upTo: 40, set: func(o *siptest.Options) {
			o.Limit = &siptest.Limit{Requests: 30, Per: time.Minute, Window: true, RetryAfter: siptest.RetryAfterDate}
		}},
	}
}

// probed runs a probe in a bubble, checks that it leaves nothing, and returns the
// report.
func probed(t *testing.T, which ...option) *Report {
	t.Helper()
	var report *Report
	synctest.Test(t, func(t *testing.T) {
		var o siptest.Options
		isLong, upTo := false, 0
		for _, w := range which {
			w.set(&o)
			isLong, upTo = isLong || w.long, max(upTo, w.upTo)
		}
		srv := siptest.NewServer(o)
		defer srv.Close()
		limit := o.Limit
		srv.SetLimit(nil)
		domain := office(t, srv)
		if isLong {
			long(srv, domain)
		}
		time.Sleep(time.Minute) // the lists show what the demo made
		srv.SetLimit(limit)
		before := snapshot(t, srv)
		c := config(srv, domain)
		c.LimitUpTo = upTo
		var err error
		report, err = Run(t.Context(), c)
		require.NoError(t, err)
		requireUnchanged(t, srv, before, report)
		require.Empty(t, report.Left)
		require.LessOrEqual(t, len(srv.Requests()), Most)
		text, err := json.Marshal(report.Options)
		require.NoError(t, err)
		var read siptest.Options
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, report.Options, read)
	})
	return report
}

// wanted are the options that a probe is to find.
func wanted(which ...option) siptest.Options {
	var want siptest.Options
	for _, w := range which {
		w.set(&want)
	}
	return want
}

func TestEachOption(t *testing.T) {
	t.Parallel()
	most := 0
	t.Run("default", func(t *testing.T) {
		report := probed(t)
		require.Equal(t, wanted(), report.Options)
		t.Logf("%d requests\n%s", report.Requests, report)
	})
	for _, o := range options() {
		t.Run(o.name, func(t *testing.T) {
			report := probed(t, o)
			require.Equal(t, wanted(o), report.Options, report)
			most = max(most, report.Requests)
		})
	}
	t.Logf("at most %d requests", most)
}

// compatible reports whether two options can be set together, so that both show.
func compatible(a, b option) bool {
	duplicates := func(o option) bool { return strings.HasPrefix(o.name, "duplicates") }
	if a.name == "latency" && b.name == "limit: 20/s" {
		return false // requests one after the other do not reach the limit
	}
	return (!duplicates(a) || !duplicates(b)) && reflect.DeepEqual(wanted(a, b), wanted(b, a))
}

// Every two options that are set are found, and nothing else. All pairs take a while:
// each run of the test takes some, and INFINITYSIP_TEST_ALL=1 takes all.
func TestPairsOfOptions(t *testing.T) {
	t.Parallel()
	all := options()
	var pairs [][2]option
	for i, a := range all {
		for _, b := range all[i+1:] {
			if compatible(a, b) {
				pairs = append(pairs, [2]option{a, b})
			}
		}
	}
	if os.Getenv("INFINITYSIP_TEST_ALL") == "" {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		random.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		pairs = pairs[:30]
	}
	most := 0
	for _, pair := range pairs {
		t.Run(pair[0].name+" and "+pair[1].name, func(t *testing.T) {
			report := probed(t, pair[:]...)
			require.Equal(t, wanted(pair[:]...), report.Options, report)
			most = max(most, report.Requests)
		})
	}
	t.Logf("%d pairs, at most %d requests", len(pairs), most)
}

// A domain with nothing in it, and one that is alone.
func TestEmptyDomain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []siptest.Options{{}, {UndocumentedQuery: siptest.UndocumentedQueryHonoured, IgnorePaging: true}, {IgnoreFilters: true, CreateBody: siptest.CreateBodyNone}, {ListLag: time.Second}} {
			srv := siptest.NewServer(o)
			domain := srv.AddDomain(infinitysip.Domain{DisplayName: "new"})
			time.Sleep(time.Minute)
			report, err := Run(t.Context(), config(srv, domain))
			require.NoError(t, err)
			require.Equal(t, o, report.Options, report)
			requireUnchanged(t, srv, snapshot(t, srv))
			require.Empty(t, srv.Users(domain))
			require.Empty(t, srv.TrustedNetworks(domain))
			srv.Close()
		}
	})
}

// In summer the time of London tells it from UTC.
func TestZoneInSummer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(180 * 24 * time.Hour) // the clock begins in January
		srv := siptest.New(t, siptest.Options{Zone: zone("Europe/London")})
		report, err := Run(t.Context(), config(srv, office(t, srv)))
		require.NoError(t, err)
		require.Equal(t, siptest.Options{Zone: zone("Europe/London")}, report.Options)
		require.Equal(t, "UTC+01:00 now", report.finding(t, "zone").Found)
	})
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := siptest.New(t, siptest.Options{BareNumbers: true, UndocumentedQuery: siptest.UndocumentedQueryRejected, ErrorBody: siptest.ErrorBodyHTML})
		c := config(srv, office(t, srv))
		c.ReadOnly = true
		report, err := Run(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, siptest.Options{BareNumbers: true, UndocumentedQuery: siptest.UndocumentedQueryRejected, ErrorBody: siptest.ErrorBodyHTML}, report.Options)
		require.Equal(t, "not looked at: it cannot be found out by reading alone", report.finding(t, "unique.user").Found)
		for _, r := range srv.Requests() {
			if r.Method != http.MethodGet { // what must not be there has no such method
				require.Equal(t, http.StatusMethodNotAllowed, r.Status)
			}
		}
	})
}

// However few the requests are, the clean-up has its own.
func TestFewRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for n := 1; n <= 130; n += 3 {
			for _, o := range []siptest.Options{{}, {CreateBody: siptest.CreateBodyNone, AllowDuplicates: true, ListLag: time.Second}} {
				srv := siptest.NewServer(o)
				domain := office(t, srv)
				time.Sleep(time.Minute)
				before := snapshot(t, srv)
				meter := NewMeter(srv.Transport(), n)
				report, err := Run(t.Context(), Config{Client: srv.InProcessClient(meter.ClientOptions()...), Meter: meter, Domain: domain})
				require.NoError(t, err)
				requireUnchanged(t, srv, before, n, report)
				require.LessOrEqual(t, len(srv.Requests()), n)
				require.LessOrEqual(t, report.Requests, n)
				srv.Close()
			}
		}
	})
}

// A domain that has no room for what is made is not touched.
func TestNoExtensions(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	c := config(srv, office(t, srv))
	c.Extensions, _ = ParseExtensions("200-205")
	before := snapshot(t, srv)
	_, err := Run(t.Context(), c)
	var few *ExtensionsError
	require.ErrorAs(t, err, &few)
	require.Equal(t, 3, few.Free)
	requireUnchanged(t, srv, before)
}

// What the server refuses to delete is told, with the command that deletes it.
func TestWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := siptest.New(t)
		c := config(srv, office(t, srv))
		srv.Fail(siptest.On("Groups.Delete").Times(50).Status(500))
		report, err := Run(t.Context(), c)
		require.NoError(t, err)
		require.Len(t, report.Left, 1)
		left := report.Left[0]
		require.Equal(t, "group", left.Kind)
		require.Equal(t, "the server answered 500 Internal Server Error", left.Why)
		require.Equal(t, fmt.Sprintf("infinitysip groups delete --domain 1 %d", left.ID), left.Command(1))
		require.Len(t, srv.Groups(1), 3)
	})
}

func TestParseExtensions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"9900-9902":      {"9900", "9901", "9902"},
		"0098-0100":      {"0098", "0099", "0100"},
		"7, 12-13":       {"7", "12", "13"},
		"":               nil,
		"x":              nil,
		"12-":            nil,
		"-12":            nil,
		"13-12":          nil,
		"1-99999":        nil,
		"99-100":         nil,
		"+1-2":           nil,
		"1-2-3":          nil,
		"9900-9902,9901": {"9900", "9901", "9902"},
	} {
		got, err := ParseExtensions(text)
		require.Equal(t, want, got, text)
		require.Equal(t, want == nil, err != nil, text)
	}
}
