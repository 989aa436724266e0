package suite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// appliedThenFailed are numbers 52 to 57: a create is applied, the server says that
// it is not, and what it lists does not show the thing.
func appliedThenFailed() []trial {
	return []trial{
		{52, "the list lags longer than the looks", inVirtualTime(aLongLag)},
		{53, "the list lags", inVirtualTime(aShortLag)},
		{54, "the list is cut at 100", inVirtualTime(func(t *testing.T) { aCut(t, 100) })},
		{55, "the list is cut at 1,000", inVirtualTime(func(t *testing.T) { aCut(t, 1000) })},
		{56, "the key is kept otherwise", inVirtualTime(anotherKey)},
		{57, "a cache serves the list of before", inVirtualTime(aCache)},
	}
}

// failure is how a server fails a create. A 503 of one that has just accepted
// another write is a refusal as too many, and any other is not.
type failure struct {
	status int
	busy   bool
}

var failures = []failure{{status: 500}, {status: 503}, {status: 503, busy: true}}

// fail makes the next call of op fail so, whether it is applied or not.
func (a *acme) fail(f failure, op string, applied bool) {
	if f.busy {
		must(0, a.client.Users.Update(context.Background(), a.domain, a.user, infinitysip.UserUpdateParams{FirstName: new("Busy")}))
	}
	if applied {
		a.Fail(siptest.On(op).Times(1).CommitThenStatus(f.status))
	} else {
		a.Fail(siptest.On(op).Times(1).Status(f.status))
	}
}

// The server refuses the second create, if keys are unique. If they are not, it
// takes it after its own 503: this is what remains of the ways to make a thing
// twice, as docs/reliability.md says.
func aLongLag(t *testing.T) {
	for _, failure := range failures {
		for _, duplicates := range []bool{false, true} {
			for _, c := range creates {
				where := fmt.Sprintf("%v, duplicates %t", failure, duplicates)
				a := newWorse(t, siptest.Options{ListLag: 5 * time.Second, AllowDuplicates: duplicates})
				a.fail(failure, c.op, true)
				again := failure.status == 503 && c.op != "Queues.CreateMember"
				if again && duplicates {
					m := a.create(t, where, c, 2)
					require.NoError(t, m.err, where)
					require.Len(t, m.rows, 2, "docs/reliability.md says that it is made twice")
					continue
				}
				m := a.create(t, where, c, 1)
				require.Len(t, m.rows, 1, where)
				switch {
				case !again:
					m.requireUnknown(t, where)
					require.Equal(t, 1, m.hits[c.op], where)
				case c.op == "Users.Create":
					m.requireUnknown(t, where, m.rows...)
				default:
					require.NoError(t, m.err, where)
				}
			}
		}
	}
}

func aShortLag(t *testing.T) {
	for _, failure := range failures {
		for _, duplicates := range []bool{false, true} {
			for _, settle := range []bool{false, true} {
				for _, c := range creates {
					where := fmt.Sprintf("%v, duplicates %t, settle %t", failure, duplicates, settle)
					a := newWorse(t, siptest.Options{ListLag: 2 * time.Second, AllowDuplicates: duplicates}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: settle}))
					a.fail(failure, c.op, true)
					m := a.create(t, where, c, 1)
					require.Len(t, m.rows, 1, where)
					require.Equal(t, 1, m.hits[c.op], where)
					if c.op == "Users.Create" && !settle {
						m.requireUnknown(t, where, m.rows...)
					} else {
						require.NoError(t, m.err, where)
					}
				}
			}
		}
	}
}

// cutServers are the kinds of servers that cut a list in silence. Those that honour
// an offset show the rest when they are asked for it.
func cutServers(rows int) map[string]siptest.Options {
	kinds := make(map[string]siptest.Options)
	for query, policy := range map[string]siptest.UndocumentedQuery{"ignores": siptest.UndocumentedQueryIgnored, "honours": siptest.UndocumentedQueryHonoured, "rejects": siptest.UndocumentedQueryRejected} {
		for _, ignorePaging := range []bool{false, true} {
			kinds[fmt.Sprintf("cut at %d, %s queries, ignores paging %t", rows, query, ignorePaging)] = siptest.Options{
				MaxRows: rows, IgnoreFilters: true, IgnorePaging: ignorePaging, UndocumentedQuery: policy, AllowDuplicates: true,
			}
		}
	}
	return kinds
}

// fill adds rows of a kind, so that what a create makes is behind so many.
func (a *acme) fill(op string, rows int) {
	for i := range rows - len(a.idsOf(op)) {
		name, extension := fmt.Sprint("x", i), fmt.Sprint(100_000+i)
		switch op {
		case "Users.Create":
			a.AddUser(a.domain, infinitysip.User{User: name, ExtensionNumber: extension})
		case "Groups.Create":
			a.AddGroup(a.domain, infinitysip.Group{Name: name, ExtensionNumber: extension})
		case "Queues.Create":
			a.AddQueue(a.domain, infinitysip.Queue{Name: name, ExtensionNumber: extension})
		case "Queues.CreateMember":
			must(queuesCreateMember.do(context.Background(), a))
		case "TrustedNetworks.Create":
			a.AddTrustedNetwork(a.domain, infinitysip.TrustedNetwork{Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 0}), 24)})
		case "Devices.Create":
			a.AddDevice(a.domain, infinitysip.Device{Name: name, MACAddress: fmt.Sprintf("10:20:30:09:%02X:%02X", i>>8, i&0xff)})
		}
	}
}

func aCut(t *testing.T, rows int) {
	for kind, server := range cutServers(rows) {
		for _, c := range creates {
			if rows > 100 && c.op != "Users.Create" && c.op != "Devices.Create" {
				continue // a thousand rows take long to make; these have a query that is documented, and one that is not
			}
			documented := !slices.Contains([]string{"Users.Create", "Groups.Create", "Queues.CreateMember"}, c.op)
			goesOn := !server.IgnorePaging && (documented || server.UndocumentedQuery == siptest.UndocumentedQueryHonoured) // where it is asked to
			for _, failure := range failures {
				if rows > 100 && failure.status == 500 {
					continue // the list proves no more after it
				}
				for _, applied := range []bool{true, false} {
					where := fmt.Sprintf("%s, %v, applied %t", kind, failure, applied)
					a := newWorse(t, server)
					a.fill(c.op, rows)
					a.fail(failure, c.op, applied)
					m := a.create(t, where, c, 1)
					switch {
					case c.op == "Queues.CreateMember" || !goesOn:
						m.requireUnknown(t, where)
						require.Equal(t, 1, m.hits[c.op], where)
					case applied && c.op == "Users.Create":
						m.requireUnknown(t, where, m.rows...)
					case applied:
						require.NoError(t, m.err, where)
						require.Equal(t, 1, m.hits[c.op], where)
					case failure.status == 503:
						require.NoError(t, m.err, where)
						require.Len(t, m.rows, 1, where)
					default:
						m.requireUnknown(t, where)
					}
				}
			}
		}
	}
}

// rewritings are the ways in which a server may keep a name.
var rewritings = map[string]func(string) string{
	"cut at 32":                func(s string) string { return s[:min(32, len(s))] },
	"cut at 32 characters":     func(s string) string { r := []rune(s); return string(r[:min(32, len(r))]) },
	"transliterated":           strings.NewReplacer("é", "e", "ö", "oe").Replace,
	"with a suffix":            func(s string) string { return s + "-1" },
	"a domain behind it":       func(s string) string { return s + "@acme.example" },
	"_ for a blank":            strings.NewReplacer(" ", "_").Replace,
	"nothing for a blank":      strings.NewReplacer(" ", "").Replace,
	"HTML-escaped":             html.EscapeString,
	"HTML-escaped, all of it":  strings.NewReplacer("&", "&amp;", "é", "&eacute;", "ö", "&ouml;").Replace,
	"percent-encoded":          strings.NewReplacer(" ", "%20", "é", "%C3%A9").Replace,
	"read as Latin-1":          strings.NewReplacer("é", "Ã©", "ö", "Ã¶").Replace,
	"a question mark for each": strings.NewReplacer("é", "?", "ö", "?").Replace,
}

func anotherKey(t *testing.T) {
	const name = `Café "Zur Schönen Aussicht" <Köln> & Söhne`
	type rewriting struct {
		name string
		call call
		kept func(string) string
	}
	server := func(r rewriting) siptest.Options {
		return siptest.Options{AllowDuplicates: true, RewriteKey: func(column, key string) string {
			if key == name || key == "10:20:30:00:00:02" || column == "network" {
				return r.kept(key)
			}
			return key
		}}
	}
	var all []rewriting
	for how, kept := range rewritings {
		for _, c := range named(name) {
			all = append(all, rewriting{how, c, kept})
		}
	}
	for how, kept := range map[string]func(string) string{
		"with blanks": strings.NewReplacer(":", " ").Replace,
		"cut":         func(s string) string { return s[:12] },
	} {
		all = append(all, rewriting{how, devicesCreate, kept})
	}
	for _, kept := range []string{"10.0.20.0/255.255.255.0", "10.0.20.10", "10.0.20.0", "10.0.20.*", "10.0.20.1/24", "::ffff:10.0.20.0/120", "010.000.020.010/24"} {
		all = append(all, rewriting{"as " + kept, trustedNetworksCreate, func(string) string { return kept }})
	}
	for _, r := range all {
		for _, query := range []siptest.UndocumentedQuery{siptest.UndocumentedQueryIgnored, siptest.UndocumentedQueryHonoured, siptest.UndocumentedQueryRejected} {
			for _, failure := range failures {
				where := fmt.Sprintf("%s, queries %d, %v", r.name, query, failure)
				options := server(r)
				options.UndocumentedQuery = query
				a := newWorse(t, options)
				a.fail(failure, r.call.op, true)
				m := a.create(t, where, r.call, 1)
				require.Len(t, m.rows, 1, where)
				m.requireUnknown(t, where, m.rows...)
				require.ErrorIs(t, m.err, infinitysip.ErrConflict, where)
				require.Equal(t, 1, m.hits[r.call.op], where)
			}
		}
	}

	// What the server says in its 201 is believed, and what it does not say is not.
	for how, kept := range rewritings {
		for _, c := range named(name) {
			options := server(rewriting{how, c, kept})
			options.CreateBody = siptest.CreateBodyNone
			a := newWorse(t, options)
			m := a.create(t, how+", a bare 201", c, 1)
			require.Len(t, m.rows, 1, how)
			require.Error(t, m.err, how)
			require.Equal(t, infinitysip.OutcomeApplied, m.failed.Outcome, how)
			require.Equal(t, m.rows, m.failed.Found, how)
		}
	}

	// Other spellings of the same.
	for how, r := range map[string]rewriting{
		"a network without host bits":  {call: trustedNetworksCreate, kept: func(string) string { return "10.0.20.0/24" }},
		"a MAC address in lower case":  {call: devicesCreate, kept: strings.ToLower},
		"a MAC address without colons": {call: devicesCreate, kept: strings.NewReplacer(":", "").Replace},
		"a MAC address with hyphens":   {call: devicesCreate, kept: strings.NewReplacer(":", "-").Replace},
	} {
		for _, failure := range failures {
			a := newWorse(t, server(r))
			a.fail(failure, r.call.op, true)
			m := a.create(t, how, r.call, 1)
			require.NoError(t, m.err, how)
		}
	}
}

// caching is a cache that keeps each answer to a GET, whatever its query, and serves
// it unless it is told not to.
type caching struct {
	next  http.RoundTripper
	mu    sync.Mutex
	kept  map[string][]byte
	asked int // requests that it was told to pass on
}

func (c *caching) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		return c.next.RoundTrip(req)
	}
	c.mu.Lock()
	body, ok := c.kept[req.URL.Path]
	if fresh := req.Header.Get("Cache-Control") == "no-cache"; fresh {
		c.asked++
		ok = false
	}
	c.mu.Unlock()
	if ok {
		return answer(200, string(body), "Age", "60"), nil
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil || resp.StatusCode != 200 {
		return resp, err
	}
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[req.URL.Path] = body
	return resp, nil
}

// list reads the list that a create of op looks in.
func (a *acme) list(op string) {
	ctx := context.Background()
	switch op {
	case "Users.Create":
		must(a.client.Users.List(ctx, a.domain))
	case "Groups.Create":
		must(a.client.Groups.List(ctx, a.domain))
	case "Queues.Create":
		must(a.client.Queues.List(ctx, a.domain, nil))
	case "Queues.CreateMember":
		must(a.client.Queues.ListMembers(ctx, a.domain, a.queue))
	case "TrustedNetworks.Create":
		must(a.client.TrustedNetworks.List(ctx, a.domain, nil))
	case "Devices.Create":
		must(a.client.Devices.List(ctx, a.domain, nil))
	}
}

func aCache(t *testing.T) {
	for _, failure := range failures {
		for _, c := range creates {
			where := fmt.Sprint("through a cache, ", failure)
			a := newWorse(t, siptest.Options{AllowDuplicates: true})
			cache := &caching{next: a.Transport(), kept: make(map[string][]byte)}
			a.client = a.InProcessClient(infinitysip.WithHTTPClient(&http.Client{Transport: cache}))
			a.list(c.op)
			a.fail(failure, c.op, true)
			m := a.create(t, where, c, 1)
			require.Len(t, m.rows, 1, where)
			require.Equal(t, 1, m.hits[c.op], where)
			require.Positive(t, cache.asked, where)
			if c.op == "Users.Create" {
				m.requireUnknown(t, where, m.rows...)
			} else {
				require.NoError(t, m.err, where)
			}
		}
	}
}

// namesakes are numbers 58 to 60: a row of the same name, made with another
// password, is no success.
func namesakes() []trial {
	return []trial{
		{58, "a create is lost", inVirtualTime(lostBesideANamesake)},
		{58, "its secrets cannot be set", inVirtualTime(unsettled)},
		{59, "two clients at once", inVirtualTime(twoAtOnce)},
		{60, "deleted, and made again with a list that lags", inVirtualTime(deletedAndMadeAgain)},
	}
}

const (
	othersPassword = "another-0ne"
	othersPIN      = "4711"
)

// namesake makes the user that usersCreate makes, but with other secrets.
func (a *acme) namesake() infinitysip.UserID {
	params := newUser()
	params.Password, params.PIN = infinitysip.NewSecret(othersPassword), infinitysip.NewSecret(othersPIN)
	return must(somebody(a.Server).Users.Create(context.Background(), a.domain, params))
}

// requireSecrets looks at the secrets of a user at the server.
func (a *acme) requireSecrets(t *testing.T, where string, user int64, password, pin string) {
	t.Helper()
	for _, row := range a.Users(a.domain) {
		if int64(row.ID) == user {
			require.Equal(t, password, row.Password.Reveal(), where)
			require.Equal(t, pin, row.PIN.Reveal(), where)
			return
		}
	}
	t.Fatalf("%s: there is no user %d", where, user)
}

// lost are the ways to lose a create that was not applied.
var lost = map[string]func(siptest.Fault) siptest.Fault{
	"FIN":     siptest.Fault.Drop,
	"RST":     siptest.Fault.Reset,
	"silence": siptest.Fault.Hang,
	"500":     func(f siptest.Fault) siptest.Fault { return f.Status(500) },
	"502":     func(f siptest.Fault) siptest.Fault { return f.Status(502) },
	"503":     func(f siptest.Fault) siptest.Fault { return f.Status(503) },
	"504":     func(f siptest.Fault) siptest.Fault { return f.Status(504) },
	"200":     func(f siptest.Fault) siptest.Fault { return f.Status(200).Body("<html>Log in</html>") },
	"302":     func(f siptest.Fault) siptest.Fault { return f.Status(302).Header("Location", "/") },
	"201 of another": func(f siptest.Fault) siptest.Fault {
		return f.Status(201).Body(anothersRow("Users.Create"))
	},
}

func lostBesideANamesake(t *testing.T) {
	for name, strike := range lost {
		for _, settle := range []bool{false, true} {
			for _, duplicates := range []bool{false, true} {
				where := fmt.Sprintf("%s, settle %t, duplicates %t", name, settle, duplicates)
				a := newWorse(t, siptest.Options{AllowDuplicates: duplicates}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: settle}))
				there := int64(a.namesake())
				a.Fail(strike(siptest.On("Users.Create").Times(1)))
				m := a.create(t, where, usersCreate, 0)
				require.Equal(t, 1, m.hits["Users.Create"], where)
				if settle {
					require.NoError(t, m.err, where)
					require.Equal(t, there, m.id, where)
					require.Equal(t, 1, m.hits["Users.Update"], where)
					a.requireSecrets(t, where, there, canaryPassword, canaryPIN)
					continue
				}
				m.requireUnknown(t, where, there)
				require.ErrorContains(t, m.err, "somebody else may have made it", where)
				require.Zero(t, m.hits["Users.Update"], where)
				a.requireSecrets(t, where, there, othersPassword, othersPIN)
			}
		}
	}

	// Two of the name: which of them it is, is not known, and neither is changed.
	for _, settle := range []bool{false, true} {
		a := newWorse(t, siptest.Options{AllowDuplicates: true}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: settle}))
		there := int64(a.namesake())
		a.Fail(siptest.On("Users.Create").Times(1).CommitThenDrop())
		m := a.create(t, "two", usersCreate, 1)
		m.requireUnknown(t, "two", there, m.rows[0])
		a.requireSecrets(t, "two", there, othersPassword, othersPIN)
	}
}

func unsettled(t *testing.T) {
	for name, strike := range map[string]func(siptest.Fault) siptest.Fault{
		"403":     func(f siptest.Fault) siptest.Fault { return f.Status(403) },
		"404":     func(f siptest.Fault) siptest.Fault { return f.Status(404) },
		"500":     func(f siptest.Fault) siptest.Fault { return f.Status(500) },
		"503":     func(f siptest.Fault) siptest.Fault { return f.Status(503) },
		"302":     func(f siptest.Fault) siptest.Fault { return f.Status(302) },
		"FIN":     siptest.Fault.Drop,
		"silence": siptest.Fault.Hang,
		"a page":  func(f siptest.Fault) siptest.Fault { return f.Status(200).Body("<html>Log in</html>") },
	} {
		a := newWorse(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true}))
		there := int64(a.namesake())
		a.Fail(siptest.On("Users.Create").Times(1).Drop())
		a.Fail(strike(siptest.On("Users.Update")))
		m := a.create(t, name, usersCreate, 0)
		m.requireUnknown(t, name, there)
		require.Contains(t, m.err.Error(), "setting its secrets failed", name)
		a.requireSecrets(t, name, there, othersPassword, othersPIN)
	}

	// The context ends before the secrets are set.
	a := newWorse(t, siptest.Options{}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: true}))
	there := int64(a.namesake())
	a.Fail(siptest.On("Users.Create").Times(1).Drop())
	a.Fail(siptest.On("Users.Update").Hang())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := usersCreate.do(ctx, a)
	require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	a.requireSecrets(t, "a deadline", there, othersPassword, othersPIN)
}

// twoAtOnce has two clients make the same users, each with passwords of its own,
// through a server that loses answers. A success means that the user has the
// password which that client sent. Where the clients set what they find, the last one
// wins, and that is one which says that it succeeded.
func twoAtOnce(t *testing.T) {
	const users = 200
	for _, settle := range []bool{false, true} {
		a := newWorse(t, siptest.Options{Latency: time.Millisecond})
		for n := 3; n < 2*users; n += 7 {
			a.Fail(siptest.On("Users.Create").Nth(n).CommitThenDrop())
			a.Fail(siptest.On("Users.Create").Nth(n + 1).Drop())
			a.Fail(siptest.On("Users.Create").Nth(n + 3).CommitThenStatus(503))
			a.Fail(siptest.On("Users.Create").Nth(n + 4).Status(503))
		}
		var succeeded [2][users]bool
		var working sync.WaitGroup
		password := func(who, i int) string { return fmt.Sprintf("of-%d-%d", who, i) }
		for who := range 2 {
			client := a.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: settle, Quota: 1e6}))
			for i := range users {
				working.Go(func() {
					params := newUser()
					params.User, params.ExtensionNumber, params.Password = fmt.Sprint("u", i), fmt.Sprint(1000+i), infinitysip.NewSecret(password(who, i))
					_, err := client.Users.Create(context.Background(), a.domain, params)
					succeeded[who][i] = err == nil
				})
			}
		}
		working.Wait()
		a.Wait()
		there := make(map[string]string)
		for _, user := range a.Users(a.domain) {
			require.Empty(t, there[user.User], "twice")
			there[user.User] = user.Password.Reveal()
		}
		claims := 0
		for i := range users {
			var by []string
			for who := range 2 {
				if succeeded[who][i] {
					by = append(by, password(who, i))
				}
			}
			claims += len(by)
			if len(by) > 0 {
				require.Contains(t, by, there[fmt.Sprint("u", i)], "a password that nobody set")
			}
			if !settle {
				require.LessOrEqual(t, len(by), 1, "both say that they made it")
			}
		}
		require.Greater(t, claims, users/2)
	}
}

// deletedAndMadeAgain: the list still shows the user that was deleted, which is as
// it was sent but for its password.
func deletedAndMadeAgain(t *testing.T) {
	again := func(t *testing.T, where string, settle bool, strike func(siptest.Fault) siptest.Fault) (old infinitysip.UserID, m creation) {
		t.Helper()
		const lag = 10 * time.Second
		a := newWorse(t, siptest.Options{ListLag: lag}, infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{SettleSecrets: settle}))
		old = a.namesake()
		time.Sleep(lag) // the bubble's clock
		require.NoError(t, a.client.Users.Delete(t.Context(), a.domain, old))
		a.Fail(strike(siptest.On("Users.Create").Times(1)))
		return old, a.create(t, where, usersCreate, 1)
	}
	for name, strike := range lost {
		for _, settle := range []bool{false, true} {
			where := fmt.Sprintf("%s, settle %t", name, settle)
			old, m := again(t, where, settle, strike)
			if name == "silence" {
				continue // by then the list shows what there is
			}
			m.requireUnknown(t, where, int64(old))
			require.Empty(t, m.rows, where)
		}
	}
	for name, strike := range map[string]func(siptest.Fault) siptest.Fault{
		"FIN": siptest.Fault.CommitThenDrop,
		"500": func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(500) },
		"503": func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(503) },
	} {
		for _, settle := range []bool{false, true} {
			where := fmt.Sprintf("applied, %s, settle %t", name, settle)
			old, m := again(t, where, settle, strike)
			require.Len(t, m.rows, 1, where)
			m.requireUnknown(t, where, int64(old))
		}
	}
}
