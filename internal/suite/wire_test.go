package suite_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/h2non/gock.v1"

	"github.com/infinitysip/infinitysip"
)

// No test here is parallel: gock is global.

const wireHost = "https://api.infinitycloud.com"

// exchange is one request as it must go out, and the answer that it gets.
type exchange struct {
	method, path string
	query, form  url.Values
	header       http.Header // nil: what wireClient's credentials give
	status       int
	answer       string
}

// wireRequest is what is compared of a request. The header is compared whole:
// with an Idempotency-Key, or with GetBody, net/http may send a request again
// on its own.
type wireRequest struct {
	Method, URL string // the URL less its query
	Query, Form url.Values
	Header      http.Header
	GetBody     bool
}

func (e exchange) wanted() wireRequest {
	header := e.header.Clone()
	if header == nil {
		header = http.Header{"Authorization": {"ApiKey hub-key"}, "User-Agent": {"infinitysip-go/devel"}}
	}
	if e.form != nil {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return wireRequest{Method: e.method, URL: wireHost + e.path, Query: e.query, Form: e.form, Header: header}
}

// received reads a request as a server would.
func received(t *testing.T, req *http.Request) wireRequest {
	t.Helper()
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		assert.NoError(t, err)
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	assert.Equal(t, int64(len(body)), req.ContentLength)
	return wireRequest{
		Method:  req.Method,
		URL:     req.URL.Scheme + "://" + req.URL.Host + req.URL.EscapedPath(),
		Query:   decoded(t, req.URL.RawQuery),
		Form:    decoded(t, string(body)),
		Header:  req.Header.Clone(),
		GetBody: req.GetBody != nil,
	}
}

// decoded is nil for no parameters at all.
func decoded(t *testing.T, encoded string) url.Values {
	t.Helper()
	if encoded == "" {
		return nil
	}
	values, err := url.ParseQuery(encoded)
	assert.NoError(t, err)
	return values
}

// expect has gock take these requests, in this order, and no other.
func expect(t *testing.T, exchanges ...exchange) {
	t.Helper()
	t.Cleanup(gock.OffAll)
	t.Cleanup(func() {
		require.True(t, gock.IsDone(), "a request was not sent")
		require.False(t, gock.HasUnmatchedRequest(), "a request was sent that was not expected")
	})
	gock.Intercept()
	turn := 0
	for i, e := range exchanges {
		matcher := gock.NewEmptyMatcher()
		matcher.Add(func(req *http.Request, _ *gock.Request) (bool, error) {
			if i != turn {
				return false, nil
			}
			turn++
			return assert.Equal(t, e.wanted(), received(t, req), "request %d", i+1), nil
		})
		gock.New(wireHost).SetMatcher(matcher).Reply(e.status).BodyString(e.answer)
	}
}

// wireClient sends through gock. What does not match is not tried again, so
// that a failure is one failure.
func wireClient(t *testing.T, credentials infinitysip.Credentials, opts ...infinitysip.Option) *infinitysip.Client {
	t.Helper()
	opts = append(opts,
		infinitysip.WithHTTPClient(&http.Client{Transport: gock.NewTransport()}),
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1}))
	client, err := infinitysip.NewClient(credentials, opts...)
	require.NoError(t, err)
	return client
}

var hubKey = infinitysip.APIKey("hub-key")

// readData reads a file of testdata.
func readData(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../testdata", name))
	require.NoError(t, err)
	require.NotEmpty(t, data)
	return string(data)
}

// readPairs reads a form or a query of testdata: a decoded pair a line.
func readPairs(t *testing.T, name string) url.Values {
	t.Helper()
	pairs := make(url.Values)
	for line := range strings.Lines(readData(t, name)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		require.True(t, ok, line)
		pairs.Add(name, value)
	}
	return pairs
}

// requireResult compares what a call returned. Secrets are compared by what
// they reveal, and cleared, since a Secret equals no other.
func requireResult(t *testing.T, want, got any) {
	t.Helper()
	require.Equal(t, takeSecrets(reflect.ValueOf(want)), takeSecrets(reflect.ValueOf(got)))
	require.Equal(t, want, got)
}

func takeSecrets(v reflect.Value) (revealed []string) {
	switch v.Kind() {
	case reflect.Pointer:
		return takeSecrets(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			revealed = append(revealed, takeSecrets(v.Index(i))...)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			if secret, ok := field.Interface().(infinitysip.Secret); ok {
				revealed = append(revealed, secret.Reveal())
				field.SetZero()
			}
		}
	}
	return revealed
}

func TestWireEndpoints(t *testing.T) {
	endpoints := endpointsByOp()
	for _, call := range apiCalls() {
		t.Run(call.op, func(t *testing.T) {
			e := endpoints[call.op]
			sent := exchange{method: e.Method, path: pathIDs.Replace(e.Path), status: e.Status}
			if len(e.Query) > 0 {
				sent.query = readPairs(t, call.op+".query")
			}
			if len(e.Form) > 0 {
				sent.form = readPairs(t, call.op+".form")
			}
			if e.Status != http.StatusNoContent {
				sent.answer = readData(t, call.op+".json")
			}
			expect(t, append(look(sent.method, sent.path, sent.form), sent)...)
			got, err := invoke(t.Context(), wireClient(t, hubKey), call.op, namedIDs(), call.params)
			require.NoError(t, err)
			requireResult(t, call.want, got)
		})
	}
}

// look is what goes before the create of a queue member: a queue may ring one
// group twice, so what is there already has to be known.
func look(method, path string, form url.Values) []exchange {
	if method != "POST" || !strings.HasSuffix(path, "/members") {
		return nil
	}
	header := http.Header{"Authorization": {"ApiKey hub-key"}, "User-Agent": {"infinitysip-go/devel"}, "Cache-Control": {"no-cache"}}
	return []exchange{{method: "GET", path: path, query: url.Values{"filter[]": {"groupId-eqi-value-" + form.Get("groupId")}}, header: header, status: 200}}
}

func TestWireBasicAuthAndProduct(t *testing.T) {
	expect(t, exchange{
		method: "POST", path: "/config/v2/sip/domains/1", form: url.Values{"displayName": {"Acme"}, "rec": {"0"}}, status: 204,
		header: http.Header{
			"Authorization": {"Basic am9lQGNvbXBhbnkuY29tOnA6w6Qgc3M="},
			"User-Agent":    {"acme-provisioner/1.2 infinitysip-go/devel"},
		},
	})
	client := wireClient(t, infinitysip.BasicAuth("joe@company.com", "p:ä ss"), infinitysip.WithUserAgent("acme-provisioner/1.2"))
	require.NoError(t, client.Domains.Update(t.Context(), 1, infinitysip.DomainUpdateParams{DisplayName: "Acme"}))
}

func TestWireValuesArriveWhole(t *testing.T) {
	for _, value := range []string{
		" leading and trailing ", "+44 123+456", "a&b=c", "a;b", "-a--value-", "100%", "%20%2B", "a=b", "#?/\\", `"quoted" 'so'`,
		"Zoë Žižek", "電話 ☎️", "a[]=b[0]", "tab\there", "<b>&amp;</b>", "[]", "0",
	} {
		t.Run(value, func(t *testing.T) {
			expect(t,
				exchange{
					method: "POST", path: "/config/v2/sip/domains/1/users", status: 201, answer: `{"userId":"12"}`,
					form: url.Values{
						"user": {value}, "password": {value}, "displayName": {value}, "extensionNumber": {value},
						"pin": {value}, "email": {value}, "officeName": {value},
					},
				},
				exchange{
					method: "GET", path: "/config/v2/sip/domains/1/devices", status: 200,
					query: url.Values{"filter[]": {"pbxDeviceName-eq-value-" + value, "user-in-value-" + value + ",b"}},
				},
			)
			client := wireClient(t, hubKey)
			_, err := client.Users.Create(t.Context(), 1, infinitysip.UserCreateParams{
				User: value, Password: infinitysip.NewSecret(value), DisplayName: value, ExtensionNumber: value,
				PIN: infinitysip.NewSecret(value), Email: value, OfficeName: value,
			})
			require.NoError(t, err)
			_, err = client.Devices.List(t.Context(), 1, &infinitysip.DeviceListOptions{
				Filter: infinitysip.Where(infinitysip.DeviceFields.Name.Eq(value), infinitysip.DeviceFields.User.In(value, "b")),
			})
			require.NoError(t, err)
		})
	}
}

// texts gives the numbers from first to last as a form has them.
func texts(first, last int) []string {
	var all []string
	for n := first; n <= last; n++ {
		all = append(all, strconv.Itoa(n))
	}
	return all
}

func TestWireBatches(t *testing.T) {
	tests := []struct {
		name, method, path, param string
		call                      func(context.Context, *infinitysip.Client, int) error
	}{
		{"Groups.AddUsers", "POST", "/config/v2/sip/domains/1/groups/21/users", "userSpec[]", func(ctx context.Context, c *infinitysip.Client, n int) error {
			return c.Groups.AddUsers(ctx, 1, 21, numbered[infinitysip.UserID](n))
		}},
		{"Groups.RemoveUsers", "DELETE", "/config/v2/sip/domains/1/groups/21/users", "userSpec[]", func(ctx context.Context, c *infinitysip.Client, n int) error {
			return c.Groups.RemoveUsers(ctx, 1, 21, numbered[infinitysip.UserID](n))
		}},
		{"Users.AddGroups", "POST", "/config/v2/sip/domains/1/users/12/groups", "groupSpec[]", func(ctx context.Context, c *infinitysip.Client, n int) error {
			return c.Users.AddGroups(ctx, 1, 12, numbered[infinitysip.GroupID](n))
		}},
	}
	for _, tt := range tests {
		for _, batches := range [][][2]int{
			{{1, 1}},
			{{1, 500}},
			{{1, 500}, {501, 501}},
			{{1, 500}, {501, 1000}, {1001, 1200}},
		} {
			n := batches[len(batches)-1][1]
			t.Run(fmt.Sprintf("%s of %d", tt.name, n), func(t *testing.T) {
				var exchanges []exchange
				for _, batch := range batches {
					exchanges = append(exchanges, exchange{
						method: tt.method, path: tt.path, form: url.Values{tt.param: texts(batch[0], batch[1])}, status: 204,
					})
				}
				expect(t, exchanges...)
				require.NoError(t, tt.call(t.Context(), wireClient(t, hubKey), n))
			})
		}
	}
}

func TestWireMemberOrder(t *testing.T) {
	// The longest order that the server takes, and one that no sort would
	// leave as it is.
	order := numbered[infinitysip.QueueMemberID](1000)
	want := texts(1, 1000)
	slices.Reverse(order[:600])
	slices.Reverse(want[:600])
	expect(t, exchange{
		method: "PUT", path: "/config/v2/sip/domains/1/queues/41/members/order", form: url.Values{"queueMemberId[]": want}, status: 204,
	})
	require.NoError(t, wireClient(t, hubKey).Queues.SetMemberOrder(t.Context(), 1, 41, order))
}

func TestWireForms(t *testing.T) {
	const domain = "/config/v2/sip/domains/1"
	format := infinitysip.CallerNameFormat("{dgrpName}")
	tests := map[string]struct {
		path   string
		form   url.Values
		status int
		answer string
		call   func(context.Context, *infinitysip.Client) error
	}{
		"zero of a user's create is not sent": {
			domain + "/users",
			url.Values{"user": {"joe.blogs"}, "password": {"password"}, "displayName": {"Joe Blogs"}, "extensionNumber": {"0201"}},
			201, `{"userId":"12"}`,
			func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Users.Create(ctx, 1, infinitysip.UserCreateParams{
					User: "joe.blogs", Password: infinitysip.NewSecret("password"), DisplayName: "Joe Blogs", ExtensionNumber: "0201",
				}))
			},
		},
		"false of a user's create is sent": {
			domain + "/users",
			url.Values{
				"user": {"joe.blogs"}, "password": {"password"}, "displayName": {"Joe Blogs"}, "extensionNumber": {"0201"},
				"mobileFollow": {"0"}, "hotdeskAllowed": {"0"}, "dashboard": {"0"},
			},
			201, `{"userId":"12"}`,
			func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Users.Create(ctx, 1, infinitysip.UserCreateParams{
					User: "joe.blogs", Password: infinitysip.NewSecret("password"), DisplayName: "Joe Blogs", ExtensionNumber: "0201",
					MobileFollow: new(false), HotdeskAllowed: new(false), Dashboard: new(false),
				}))
			},
		},
		"empty of a user's update is sent": {
			domain + "/users/12",
			url.Values{
				"displayName": {""}, "pin": {""}, "email": {""}, "firstName": {""}, "lastName": {""}, "jobName": {""},
				"departmentName": {""}, "companyName": {""}, "officeName": {""}, "extensionNumber": {""},
				"ukCallerId": {""}, "usCallerId": {""}, "mobileNumber": {""},
			},
			204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Users.Update(ctx, 1, 12, infinitysip.UserUpdateParams{
					DisplayName: new(""), PIN: new(infinitysip.NewSecret("")), Email: new(""), FirstName: new(""), LastName: new(""),
					JobName: new(""), DepartmentName: new(""), CompanyName: new(""), OfficeName: new(""), ExtensionNumber: new(""),
					UKCallerID: new(""), USCallerID: new(""), MobileNumber: new(""),
				})
			},
		},
		"a zero Secret of a user's update is sent": {
			domain + "/users/12", url.Values{"pin": {""}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Users.Update(ctx, 1, 12, infinitysip.UserUpdateParams{PIN: new(infinitysip.Secret{})})
			},
		},
		"false of a user's update is sent": {
			domain + "/users/12", url.Values{"mobileFollow": {"0"}, "hotdeskAllowed": {"0"}, "dashboard": {"0"}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Users.Update(ctx, 1, 12, infinitysip.UserUpdateParams{
					MobileFollow: new(false), HotdeskAllowed: new(false), Dashboard: new(false),
				})
			},
		},
		"one field of a user's update is sent alone": {
			domain + "/users/12", url.Values{"usCallerId": {"12025550100"}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Users.Update(ctx, 1, 12, infinitysip.UserUpdateParams{USCallerID: new("12025550100")})
			},
		},
		"false of a domain's update is sent": {
			domain, url.Values{"displayName": {"Acme"}, "rec": {"0"}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Domains.Update(ctx, 1, infinitysip.Domain{ID: 1, DisplayName: "Acme"}.UpdateParams())
			},
		},
		"true of a domain's update is sent": {
			domain, url.Values{"displayName": {"Acme"}, "rec": {"1"}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Domains.Update(ctx, 1, infinitysip.Domain{ID: 1, DisplayName: "Acme", Rec: true}.UpdateParams())
			},
		},
		"zero of a group's create is sent": {
			domain + "/groups",
			url.Values{
				"groupName": {"sales"}, "displayName": {"Sales Dept"}, "extensionNumber": {"0301"},
				"ringRetry": {"0"}, "ringExclusive": {"0"}, "callerNameFormat": {"{dgrpName}"},
			},
			201, `{"groupId":"21"}`,
			func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Groups.Create(ctx, 1, infinitysip.GroupCreateParams{
					Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301", CallerNameFormat: format,
				}))
			},
		},
		"everything of a group's update is sent": {
			domain + "/groups/21",
			url.Values{
				"groupName": {"sales"}, "displayName": {"Sales"}, "extensionNumber": {"0301"},
				"ringRetry": {"1"}, "ringExclusive": {"0"}, "callerNameFormat": {"{dgrpName}"},
			},
			204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				params := infinitysip.Group{
					ID: 21, DomainID: 1, Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301",
					RingRetry: true, CallerNameFormat: format,
				}.UpdateParams()
				params.DisplayName = "Sales"
				return c.Groups.Update(ctx, 1, 21, params)
			},
		},
		"zero of a group's update is sent": {
			domain + "/groups/21",
			url.Values{
				"groupName": {"sales"}, "displayName": {"Sales Dept"}, "extensionNumber": {"0301"},
				"ringRetry": {"0"}, "ringExclusive": {"0"}, "callerNameFormat": {""},
			},
			204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Groups.Update(ctx, 1, 21, infinitysip.Group{
					ID: 21, Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301",
				}.UpdateParams())
			},
		},
		"zero of a queue's create is not sent": {
			domain + "/queues",
			url.Values{"queueName": {"sales"}, "displayName": {"Sales"}, "extensionNumber": {"0401"}}, 201, `{"queueId":"41"}`,
			func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Queues.Create(ctx, 1, infinitysip.QueueCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0401"}))
			},
		},
		"empty of a queue's update is sent": {
			domain + "/queues/41", url.Values{"callerNameFormat": {""}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Queues.Update(ctx, 1, 41, infinitysip.QueueUpdateParams{CallerNameFormat: new(infinitysip.CallerNameFormat(""))})
			},
		},
		"zero of a member's create is sent": {
			domain + "/queues/41/members",
			url.Values{"groupId": {"21"}, "ringStrategy": {"all"}, "ringAttempts": {"0"}, "ringSecs": {"0"}, "ringOrder": {"0"}},
			201, `{"queueMemberId":"51"}`,
			func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.Queues.CreateMember(ctx, 1, 41, infinitysip.QueueMemberCreateParams{GroupID: 21, RingStrategy: infinitysip.RingAll}))
			},
		},
		"zero of a member's update is sent": {
			domain + "/queues/41/members/51", url.Values{"ringAttempts": {"0"}, "ringSecs": {"0"}, "ringOrder": {"0"}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.Queues.UpdateMember(ctx, 1, 41, 51, infinitysip.QueueMemberUpdateParams{
					RingAttempts: new(0), RingSecs: new(0), RingOrder: new(0),
				})
			},
		},
		"zero of a network's create is not sent, host bits are kept": {
			domain + "/trustedNetworks", url.Values{"network": {"10.0.20.10/24"}}, 201, `{"trustedNetworkId":"61"}`,
			func(ctx context.Context, c *infinitysip.Client) error {
				return errorOf(c.TrustedNetworks.Create(ctx, 1, infinitysip.TrustedNetworkCreateParams{Network: netip.MustParsePrefix("10.0.20.10/24")}))
			},
		},
		"empty of a network's update is sent": {
			domain + "/trustedNetwork/61", url.Values{"description": {""}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.TrustedNetworks.Update(ctx, 1, 61, infinitysip.TrustedNetworkUpdateParams{Description: new("")})
			},
		},
		"a network's update keeps host bits": {
			domain + "/trustedNetwork/61", url.Values{"network": {"2001:db8::10/64"}}, 204, "",
			func(ctx context.Context, c *infinitysip.Client) error {
				return c.TrustedNetworks.Update(ctx, 1, 61, infinitysip.TrustedNetworkUpdateParams{Network: new(netip.MustParsePrefix("2001:db8::10/64"))})
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			expect(t, append(look("POST", tt.path, tt.form), exchange{method: "POST", path: tt.path, form: tt.form, status: tt.status, answer: tt.answer})...)
			require.NoError(t, tt.call(t.Context(), wireClient(t, hubKey)))
		})
	}
}

func TestWireMACAddress(t *testing.T) {
	for _, mac := range []string{"10:20:30:1A:2B:3C", "10:20:30:1a:2b:3c", "10-20-30-1A-2B-3C", "1020.301a.2b3c"} {
		t.Run(mac, func(t *testing.T) {
			expect(t, exchange{
				method: "POST", path: "/config/v2/sip/domains/1/devices",
				form:   url.Values{"pbxDeviceName": {"Lobby"}, "deviceMacAddress": {"10:20:30:1A:2B:3C"}},
				status: 201, answer: `{"pbxDeviceId":"1"}`,
			})
			_, err := wireClient(t, hubKey).Devices.Create(t.Context(), 1, infinitysip.DeviceCreateParams{Name: "Lobby", MACAddress: mac})
			require.NoError(t, err)
		})
	}
}

// TestWirePages: by id a page begins with the last row of the one before, and
// after a short one an iterator goes on behind it; in the caller's order it
// goes on by the rows that it got. Either way it ends with a page that is
// empty.
func TestWirePages(t *testing.T) {
	const byUser = "userId-eq-value-11"
	type pages []struct {
		filter []string
		offset string
		answer string
	}
	first := readData(t, "Devices.List.json") // 7 and 8
	for _, tt := range []struct {
		name  string
		sort  []infinitysip.Sort[infinitysip.Device]
		sent  string
		pages pages
	}{
		{"by id", nil, "pbxDeviceId-asc", pages{
			{[]string{byUser}, "", first},
			{[]string{byUser}, "1", `{"pbxDeviceId":"8"}` + "\n" + `{"pbxDeviceId":"9"}`},
			{[]string{byUser}, "2", `{"pbxDeviceId":"9"}`},
			{[]string{byUser, "pbxDeviceId-gt-value-9"}, "", ""},
		}},
		{"in the caller's order", infinitysip.OrderBy(infinitysip.DeviceFields.Name.Desc()), "pbxDeviceName-desc", pages{
			{[]string{byUser}, "", first},
			{[]string{byUser}, "2", `{"pbxDeviceId":"9"}`},
			{[]string{byUser}, "3", ""},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []exchange
			for _, page := range tt.pages {
				query := url.Values{"filter[]": page.filter, "sort[]": {tt.sent}, "limit": {"2"}}
				if page.offset != "" {
					query.Set("offset", page.offset)
				}
				all = append(all, exchange{method: "GET", path: "/config/v2/sip/domains/1/devices", query: query, status: 200, answer: page.answer})
			}
			expect(t, all...)
			opts := &infinitysip.DeviceListOptions{
				Filter:   infinitysip.Where(infinitysip.DeviceFields.UserID.Eq(11)),
				Sort:     tt.sort,
				PageSize: 2,
			}
			var ids []infinitysip.DeviceID
			for device, err := range wireClient(t, hubKey, infinitysip.WithReadAhead(0)).Devices.All(t.Context(), 1, opts) {
				require.NoError(t, err)
				ids = append(ids, device.ID)
			}
			require.Equal(t, []infinitysip.DeviceID{7, 8, 9}, ids)
			require.Zero(t, opts.Offset)
			require.Equal(t, tt.sort, opts.Sort)
			require.Len(t, opts.Filter, 1)
		})
	}
}
