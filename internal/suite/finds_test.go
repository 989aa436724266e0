package suite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// findable is a kind of rows that are found by what names them.
type findable struct {
	find, list   string // the methods
	paged        bool   // the API's page has filters for the list
	column       string
	by           any // what is looked for
	exact, alike string
	others       []string
	add          func(s *siptest.Server, domain infinitysip.DomainID, value string) int64
}

func foundKinds() []findable {
	name := func(service, column string, paged bool, add func(*siptest.Server, infinitysip.DomainID, string) int64) findable {
		return findable{
			find: service + ".Find", list: service + ".List", paged: paged, column: column, by: "Joe-Blogs, É", exact: "Joe-Blogs, É", alike: "JOE-blogs, é",
			others: []string{"Joe-Blogs, É2", "Joe-Blogs", "joe blogs, é", "E", "Joe-Blogs, É "}, add: add,
		}
	}
	return []findable{
		name("Domains", "displayName", false, func(s *siptest.Server, _ infinitysip.DomainID, value string) int64 {
			return int64(s.AddDomain(infinitysip.Domain{DisplayName: value}))
		}),
		name("Users", "user", false, func(s *siptest.Server, d infinitysip.DomainID, value string) int64 {
			return int64(s.AddUser(d, infinitysip.User{User: value, Password: infinitysip.NewSecret(canaryPassword)}))
		}),
		name("Groups", "groupName", false, func(s *siptest.Server, d infinitysip.DomainID, value string) int64 {
			return int64(s.AddGroup(d, infinitysip.Group{Name: value}))
		}),
		name("Queues", "queueName", true, func(s *siptest.Server, d infinitysip.DomainID, value string) int64 {
			return int64(s.AddQueue(d, infinitysip.Queue{Name: value}))
		}),
		{
			find: "Devices.FindByMAC", list: "Devices.List", paged: true, column: "deviceMacAddress", by: "1020.301a.2b3c", exact: "10:20:30:1A:2B:3C", alike: "10-20-30-1a-2b-3c",
			others: []string{"10:20:30:1A:2B:3D", "", "10:20:30"},
			add: func(s *siptest.Server, d infinitysip.DomainID, value string) int64 {
				return int64(s.AddDevice(d, infinitysip.Device{MACAddress: value}))
			},
		},
		{
			find: "TrustedNetworks.FindByNetwork", list: "TrustedNetworks.List", paged: true, column: "network", by: netip.MustParsePrefix("10.0.20.10/24"), exact: "10.0.20.10/24", alike: "10.0.20.7/24",
			others: []string{"10.0.20.10/25", "10.0.21.10/24", "::/0", "192.0.2.1/255.255.255.0"},
			add: func(s *siptest.Server, d infinitysip.DomainID, value string) int64 {
				return int64(s.AddTrustedNetwork(d, infinitysip.TrustedNetwork{Extra: extra("network", fmt.Sprintf("%q", value))}))
			},
		},
	}
}

// findServer has a domain, and in it rows of the kind with these values.
type findServer struct {
	*siptest.Server
	findable
	domain infinitysip.DomainID
	ids    []int64
}

func (k findable) on(t *testing.T, o siptest.Options, values ...string) *findServer {
	o.AllowDuplicates = true
	s := &findServer{Server: siptest.New(t, o), findable: k}
	s.domain = s.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	for _, value := range values {
		s.ids = append(s.ids, k.add(s.Server, s.domain, value))
	}
	return s
}

// look finds the row, and returns its id.
func (s *findServer) look(t *testing.T, with ...infinitysip.CallOption) (int64, error) {
	t.Helper()
	row, err := invoke(t.Context(), s.InProcessClient(), s.find, idsOf(s.domain), s.by, with...)
	if err != nil {
		require.True(t, reflect.ValueOf(row).IsNil(), s.find)
		requireQuietFind(t, s.findable, err)
		return 0, err
	}
	return reflect.ValueOf(row).Elem().FieldByName("ID").Int(), nil
}

// requireQuietFind checks that an error does not show what was looked for.
func requireQuietFind(t *testing.T, k findable, err error) {
	t.Helper()
	for _, text := range []string{"Blogs", "blogs", "É", "10.0.20", "1020", "10:20"} {
		require.NotContains(t, err.Error(), text, k.find)
	}
}

// TestFind finds rows of every kind, and counts the requests.
func TestFind(t *testing.T) {
	t.Parallel()
	const whole = 3 // requests: by the filter, all of them, from the last one on
	for _, k := range foundKinds() {
		with := func(values ...string) []string { return append(values, k.others...) }
		less := k.alike // than exact, if both are there
		if k.column == "deviceMacAddress" {
			less = "02:00:00:00:00:01" // an address has no other spelling that counts less
		}
		for name, test := range map[string]struct {
			server   siptest.Options
			values   []string
			fault    siptest.Fault
			want     int // the row, from 1; 0: none
			requests int // 0: any number
		}{
			"exact":                                {values: with(less, k.exact), want: 2, requests: 1},
			"exact, by a filter":                   {server: siptest.Options{UndocumentedQuery: siptest.UndocumentedQueryHonoured}, values: with(less, k.exact), want: 2, requests: 1},
			"exact, no filter works":               {server: siptest.Options{IgnoreFilters: true}, values: with(less, k.exact), want: 2, requests: 1},
			"exact, behind where lists are cut":    {server: siptest.Options{IgnoreFilters: true, UndocumentedQuery: siptest.UndocumentedQueryHonoured, MaxRows: 2}, values: append(with(less), k.exact), want: 2 + len(k.others)},
			"alike":                                {values: with(k.alike), want: 1},
			"alike, no filter works":               {server: siptest.Options{IgnoreFilters: true}, values: with(k.alike), want: 1},
			"alike, the only one":                  {values: []string{k.alike}, want: 1},
			"none":                                 {values: with(), requests: whole},
			"none, and no other":                   {},
			"none, no filter and no paging":        {server: siptest.Options{IgnoreFilters: true, IgnorePaging: true}, values: with(), requests: whole},
			"none, in small pages":                 {server: siptest.Options{UndocumentedQuery: siptest.UndocumentedQueryHonoured, MaxRows: 2}, values: with()},
			"every query is refused, exact":        {fault: siptest.On(k.list).Times(1).Status(400), values: with(k.exact), want: 1, requests: 2},
			"the filter cannot be processed":       {fault: siptest.On(k.list).Times(1).Status(422), values: with(k.exact), want: 1, requests: 2},
			"a connection is lost":                 {fault: siptest.On(k.list).Times(1).Reset(), values: with(k.exact), want: 1, requests: 2},
			"bare numbers, and secrets":            {server: siptest.Options{BareNumbers: true, EchoSecrets: true}, values: with(k.exact), want: 1},
			"none, bare numbers, and secrets":      {server: siptest.Options{BareNumbers: true, EchoSecrets: true}, values: with(), requests: whole},
			"none, pages of one row, with secrets": {server: siptest.Options{EchoSecrets: true, UndocumentedQuery: siptest.UndocumentedQueryHonoured, MaxRows: 1}, values: with()},
		} {
			synctest.Test(t, func(t *testing.T) {
				s := k.on(t, test.server, test.values...)
				if !reflect.DeepEqual(test.fault, siptest.Fault{}) {
					s.Fail(test.fault)
				}
				id, err := s.look(t)
				if test.want > 0 {
					require.NoError(t, err, "%s: %s", k.find, name)
					require.Equal(t, s.ids[test.want-1], id, "%s: %s", k.find, name)
				} else {
					require.ErrorIs(t, err, infinitysip.ErrNotFound, "%s: %s", k.find, name)
					require.NotErrorIs(t, err, infinitysip.ErrInvalid)
					failed, ok := errors.AsType[*infinitysip.Error](err)
					require.True(t, ok, "%v", err)
					require.Equal(t, k.find, failed.Op)
					require.Equal(t, infinitysip.OutcomeNotApplied, failed.Outcome)
					require.Zero(t, failed.StatusCode, "the server did not say so")
					require.ErrorContains(t, err, ": not found: no row has this "+k.column)
				}
				if test.requests > 0 {
					require.Len(t, s.Requests(), test.requests, "%s: %s", k.find, name)
				}
				for _, req := range s.Requests() {
					require.Equal(t, k.list, req.Op)
				}
			})
		}
	}
}

// What is like what is looked for takes one request where the filter works for it.
func TestFindAlikeByAFilter(t *testing.T) {
	t.Parallel()
	for _, k := range foundKinds() {
		if k.column == "network" || k.column == "deviceMacAddress" {
			continue // which are asked for in the spellings that the API is known for
		}
		s := k.on(t, siptest.Options{UndocumentedQuery: siptest.UndocumentedQueryHonoured}, append(k.others, k.alike)...)
		id, err := s.look(t)
		require.NoError(t, err, k.find)
		require.Equal(t, s.ids[len(s.ids)-1], id, k.find)
		require.Len(t, s.Requests(), 1, k.find)
		require.Equal(t, []string{k.column + "-eqi-value-Joe-Blogs, É"}, s.Requests()[0].Query["filter[]"])
	}
}

// Several rows that match are an error, which has their ids.
func TestFindSeveral(t *testing.T) {
	t.Parallel()
	for _, k := range foundKinds() {
		for _, value := range []string{k.exact, k.alike} {
			for _, n := range []int{2, 7} {
				var values []string
				for range n {
					values = append(values, value)
				}
				s := k.on(t, siptest.Options{}, append(values, k.others...)...)
				_, err := s.look(t)
				failed, ok := errors.AsType[*infinitysip.Error](err)
				require.True(t, ok, "%v", err)
				require.NotErrorIs(t, err, infinitysip.ErrNotFound)
				require.Equal(t, s.ids[:n], failed.Found)
				require.ErrorContains(t, err, fmt.Sprintf("%d rows have this %s, the first with the ids %v", n, k.column, s.ids[:min(n, 5)]))
			}
		}
	}
}

// A list that may not be whole, or whose rows do not say enough, does not show that
// there is no such row.
func TestFindCannotTell(t *testing.T) {
	t.Parallel()
	for _, k := range foundKinds() {
		for name, test := range map[string]struct {
			server siptest.Options
			values []string
			fault  siptest.Fault
			says   string
		}{
			"cut at a round number": {
				server: siptest.Options{IgnoreFilters: true, IgnorePaging: true, MaxRows: 20}, values: append(numberedValues(k, 30), k.exact), says: "20 rows, which may not be all",
			},
			"as long as a list can be": {
				fault: siptest.On(k.list).Rewrite(func([]byte) []byte { return bytes.Repeat([]byte(`{"`+k.column+`":"192.0.2.0/24"}`+"\n"), 10_000) }),
				says:  "10000 rows, which may not be all",
			},
			"it ends with the connection": {
				fault: siptest.On(k.list).Framing(siptest.FramingClose).TruncateRows(0), values: []string{k.exact},
				says: "the end of the connection alone ends this list",
			},
			"no row says it": {
				fault:  siptest.On(k.list).Rewrite(func(body []byte) []byte { return bytes.ReplaceAll(body, []byte(`"`+k.column+`"`), []byte(`"ref"`)) }),
				values: []string{k.exact, k.alike}, says: "cannot be told whether a row has this " + k.column + ": no row says it",
			},
		} {
			s := k.on(t, test.server, test.values...)
			if !reflect.DeepEqual(test.fault, siptest.Fault{}) {
				s.Fail(test.fault)
			}
			_, err := s.look(t)
			require.ErrorContains(t, err, test.says, "%s: %s", k.find, name)
			require.NotErrorIs(t, err, infinitysip.ErrNotFound, "%s: %s", k.find, name)
			failed, ok := errors.AsType[*infinitysip.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, k.find, failed.Op)
			require.Equal(t, infinitysip.OutcomeNotApplied, failed.Outcome)
			require.Empty(t, failed.Found)
		}
	}
}

// numberedValues are as many values that are not looked for.
func numberedValues(k findable, n int) (values []string) {
	for i := range n {
		switch k.column {
		case "network":
			values = append(values, fmt.Sprintf("192.0.2.%d/32", i))
		case "deviceMacAddress":
			values = append(values, fmt.Sprintf("02:00:00:00:00:%02X", i))
		default:
			values = append(values, fmt.Sprint("someone ", i))
		}
	}
	return values
}

// A server may keep a key otherwise than it was sent.
func TestFindAKeyThatTheServerRewrote(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	mac := func(c *infinitysip.Client, d infinitysip.DomainID) error {
		_, err := c.Devices.Create(ctx, d, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: "10:20:30:1A:2B:3C"})
		return errors.Join(err, errorOf(c.Devices.FindByMAC(ctx, d, "10-20-30-1a-2b-3c")))
	}
	network := func(text string) func(*infinitysip.Client, infinitysip.DomainID) error {
		return func(c *infinitysip.Client, d infinitysip.DomainID) error {
			_, err := c.TrustedNetworks.Create(ctx, d, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix(text)})
			return errors.Join(err, errorOf(c.TrustedNetworks.FindByNetwork(ctx, d, netip.MustParsePrefix(text))))
		}
	}
	for _, test := range []struct {
		stored string
		do     func(*infinitysip.Client, infinitysip.DomainID) error
		says   string // "": it is found
	}{
		{"JOE.blogs", func(c *infinitysip.Client, d infinitysip.DomainID) error {
			_, err := c.Users.Create(ctx, d, newUser())
			return errors.Join(err, errorOf(c.Users.Find(ctx, d, "joe.blogs")))
		}, ""},
		{"10:20:30:1a:2b:3c", mac, ""},
		{"10-20-30-1A-2B-3C", mac, ""},
		{"1020.301a.2b3c", mac, ""},
		{"1020301A2B3C", mac, ""},
		{"1020301A2B3", mac, "no row has this deviceMacAddress"},
		{"10.0.20.0/24", network("10.0.20.10/24"), ""},
		{"10.0.20.1", network("10.0.20.1/32"), ""},
		{"10.0.20.0/255.255.255.0", network("10.0.20.0/24"), "it cannot be told whether a row has this network: 1 of the rows say it in a notation that is not known"},
		{"the office", network("10.0.20.0/24"), "in a notation that is not known"},
		{"10.0.21.0/255.255.255.0", network("10.0.20.0/24"), "not found: no row has this network"},
	} {
		srv := siptest.New(t, siptest.Options{RewriteKey: func(string, string) string { return test.stored }})
		err := test.do(srv.InProcessClient(), srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"}))
		if test.says == "" {
			require.NoError(t, err, test.stored)
			continue
		}
		require.ErrorContains(t, err, test.says, test.stored)
		require.Equal(t, strings.Contains(test.says, "no row has"), errors.Is(err, infinitysip.ErrNotFound), test.stored)
	}
}

// A list that lags does not have what was just created.
func TestFindInAListThatLags(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{ListLag: 3 * time.Second})
		want, err := a.client.Users.Create(t.Context(), a.domain, newUser())
		require.NoError(t, err)
		_, err = a.client.Users.Find(t.Context(), a.domain, "joe.blogs")
		require.ErrorIs(t, err, infinitysip.ErrNotFound)
		time.Sleep(4 * time.Second)
		user, err := a.client.Users.Find(t.Context(), a.domain, "joe.blogs")
		require.NoError(t, err)
		require.Equal(t, want, user.ID)
	})
}

// An error of the server is an error of the Find. A 404 is that of the list: it does not
// say that the list has no such row.
func TestFindFails(t *testing.T) {
	t.Parallel()
	for _, k := range foundKinds() {
		for status, is := range map[int]error{401: infinitysip.ErrUnauthorized, 403: infinitysip.ErrForbidden, 404: nil, 410: nil} {
			for nth := range 2 { // the first request, or the second, which is for all rows
				s := k.on(t, siptest.Options{}, k.others...)
				s.Fail(siptest.On(k.list).Nth(1 + nth).Status(status))
				_, err := s.look(t)
				if is != nil {
					require.ErrorIs(t, err, is, k.find)
				}
				require.NotErrorIs(t, err, infinitysip.ErrNotFound, k.find)
				failed, ok := errors.AsType[*infinitysip.Error](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, status, failed.StatusCode, k.find)
				require.Len(t, s.Requests(), 1+nth)
			}
		}
	}
}

// The options of a Find go to each of its requests, and are not changed.
func TestFindOptions(t *testing.T) {
	t.Parallel()
	for _, k := range foundKinds() {
		s := k.on(t, siptest.Options{}, k.others...)
		var got infinitysip.Response
		with := make([]infinitysip.CallOption, 2, 9)
		with[0], with[1] = infinitysip.CallHeader("X-Caller", "me"), infinitysip.CallResponse(&got)
		_, err := s.look(t, with...)
		require.ErrorIs(t, err, infinitysip.ErrNotFound, k.find)
		require.Equal(t, 200, got.StatusCode)
		require.Nil(t, with[:3][2], "the slice is the caller's")
		require.NotEmpty(t, s.Requests())
		for _, req := range s.Requests() {
			require.Equal(t, "me", req.Header.Get("X-Caller"))
			require.Empty(t, req.Header.Get("Cache-Control"))
		}
	}
}

// A Find of many rows gives its one row as a List does, its secrets too.
func TestFindGivesTheRow(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t, siptest.Options{EchoSecrets: true})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient()
	for i := range 3 {
		params := newUser()
		params.User, params.ExtensionNumber = fmt.Sprint("user", i), fmt.Sprint(100+i)
		_, err := client.Users.Create(t.Context(), domain, params)
		require.NoError(t, err)
	}
	listed, err := client.Users.List(t.Context(), domain)
	require.NoError(t, err)
	user, err := client.Users.Find(t.Context(), domain, "user1")
	require.NoError(t, err)
	require.Equal(t, canaryPassword, user.Password.Reveal())
	require.True(t, user.Password.Equal(listed[1].Password))
	user.Password, user.PIN, listed[1].Password, listed[1].PIN = infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}
	require.Equal(t, listed[1], *user)
}

// The calls of a transport know which method they are of.
func TestFindOperation(t *testing.T) {
	t.Parallel()
	for _, m := range finds() {
		s := &stub{respond: func(int, *http.Request) (*http.Response, error) { return answer(200, rowFor(nil)), nil }}
		require.NoError(t, m.do(t.Context(), stubClient(t, s)))
		require.Equal(t, 1, s.countOf(m.name))
	}
}

// Validate says what the call would refuse of its params, in the same words.
func TestValidate(t *testing.T) {
	t.Parallel()
	kinds := map[reflect.Type]int{}
	for _, call := range apiCalls() {
		if _, ok := call.params.(interface{ Validate() error }); !ok {
			continue
		}
		kinds[reflect.TypeOf(call.params)]++
		for _, given := range append([]badParams{{name: "good", params: call.params}, {name: "zero", params: reflect.Zero(reflect.TypeOf(call.params)).Interface()}}, call.bad...) {
			s := success(endpointsByOp()[call.op])
			_, want := invoke(t.Context(), stubClient(t, s), call.op, namedIDs(), given.params)
			err := given.params.(interface{ Validate() error }).Validate()
			require.Equal(t, want, err, "%s: %s", call.op, given.name)
			if err != nil {
				requireNoSecret(t, call.op, err)
				require.IsType(t, &infinitysip.ValidationError{}, err)
			}
		}
	}
	require.Contains(t, kinds, reflect.TypeFor[infinitysip.UserCreateParams]())
	text, err := json.Marshal(infinitysip.UserCreateParams{}.Validate())
	require.NoError(t, err)
	require.Contains(t, string(text), `"Op":"Users.Create"`)
}

// The filter knows some notations of a network. So the row of the same network, without
// the host's bits, is not taken before all rows are seen.
func TestFindTheExactNetwork(t *testing.T) {
	t.Parallel()
	row := func(id int, network string) string {
		return fmt.Sprintf(`{"trustedNetworkId":"%d","network":%q}`+"\n", id, network)
	}
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		if len(req.URL.Query()["filter[]"]) > 0 {
			return answer(200, row(1, "2001:db8::/64")), nil
		}
		return answer(200, row(1, "2001:db8::/64")+row(2, "2001:DB8::10/64")), nil
	}}
	found, err := stubClient(t, s).TrustedNetworks.FindByNetwork(t.Context(), 1, netip.MustParsePrefix("2001:db8::10/64"))
	require.NoError(t, err)
	require.EqualValues(t, 2, found.ID)
}
