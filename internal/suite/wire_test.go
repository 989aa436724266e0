package suite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
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
	"time"

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
		header = http.Header{"Authorization": {"ApiKey hub-key"}, "User-Agent": {"infinitysip-go"}}
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

// readData reads a file of testdata. No name gives nothing.
func readData(t *testing.T, name string) string {
	t.Helper()
	if name == "" {
		return ""
	}
	data, err := os.ReadFile(filepath.Join("../../testdata", name))
	require.NoError(t, err)
	require.NotEmpty(t, data)
	return string(data)
}

// readForm reads a form of testdata: a decoded pair a line.
func readForm(t *testing.T, name string) url.Values {
	t.Helper()
	if name == "" {
		return nil
	}
	form := make(url.Values)
	for line := range strings.Lines(readData(t, name)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		require.True(t, ok, line)
		form.Add(name, value)
	}
	return form
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

// extra gives the Extra of a row from pairs of a name and JSON text.
func extra(pairs ...string) map[string]json.RawMessage {
	fields := make(map[string]json.RawMessage)
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	return fields
}

func utc(year int, month time.Month, day, hour, minute, second int) time.Time {
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
}

func TestWireEndpoints(t *testing.T) {
	tests := []struct {
		name, method, path string
		query              url.Values
		form               string // a file of testdata
		status             int
		answer             string // a file of testdata
		call               func(context.Context, *infinitysip.Client) (any, error)
		want               any
	}{
		{
			name: "Domains.List", method: "GET", path: "/config/v2/sip/domains", status: 200, answer: "domains.list.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Domains.List(ctx) },
			want: []infinitysip.Domain{
				{ID: 1, DisplayName: "Acme / Leeds", Rec: true, Extra: extra("domain", `"acme.sip.example.com"`)},
				{ID: 2, DisplayName: "Zoë & Söhne", Extra: extra("domain", `"zoe.sip.example.com"`)},
			},
		},
		{
			name: "Domains.Get", method: "GET", path: "/config/v2/sip/domains/1", status: 200, answer: "domains.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Domains.Get(ctx, 1) },
			want: &infinitysip.Domain{ID: 1, DisplayName: "Acme / Leeds", Rec: true, Extra: extra("domain", `"acme.sip.example.com"`)},
		},
		{
			name: "Domains.Update", method: "POST", path: "/config/v2/sip/domains/1", form: "domains.update.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Domains.Update(ctx, 1, infinitysip.DomainUpdateParams{DisplayName: "Acme / Leeds", Rec: true})
			},
		},
		{
			name: "Users.List", method: "GET", path: "/config/v2/sip/domains/1/users", status: 200, answer: "users.list.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Users.List(ctx, 1) },
			want: []infinitysip.User{
				{
					ID: 12, DomainID: 1, User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0201",
					Email: "joe.blogs@company.com", FirstName: "Joe", LastName: "Blogs", JobName: "Buyer",
					DepartmentName: "Sales / North", CompanyName: "Company", OfficeName: "Leeds",
					UKCallerID: "0123456789", USCallerID: "12025550100", MobileNumber: "07700900123", MobileFollow: true,
					UKPhoneID: 31, USPhoneID: 32, HotdeskAllowed: true,
				},
				{ID: 13, DomainID: 1, User: "zoe", DisplayName: "Zoë", ExtensionNumber: "0202", Dashboard: true},
			},
		},
		{
			name: "Users.Get", method: "GET", path: "/config/v2/sip/domains/1/users/12", status: 200, answer: "users.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Users.Get(ctx, 1, 12) },
			want: &infinitysip.User{
				ID: 12, DomainID: 1, User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0201",
				Email: "joe.blogs@company.com", FirstName: "Joe", LastName: "Blogs", JobName: "Buyer",
				DepartmentName: "Sales / North", CompanyName: "Company", OfficeName: "Leeds",
				UKCallerID: "0123456789", USCallerID: "12025550100", MobileNumber: "07700900123", MobileFollow: true,
				UKPhoneID: 31, USPhoneID: 32, HotdeskAllowed: true,
				Password: infinitysip.NewSecret("pass/word é"), PIN: infinitysip.NewSecret("0042"),
				Extra: extra("createDatetime", `"2019-10-31 09:42:56"`),
			},
		},
		{
			name: "Users.Create", method: "POST", path: "/config/v2/sip/domains/1/users", form: "users.create.form", status: 201, answer: "users.create.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Users.Create(ctx, 1, infinitysip.UserCreateParams{
					User:            "joe.blogs",
					Password:        infinitysip.NewSecret("pass/word é"),
					DisplayName:     "Joe Blogs",
					ExtensionNumber: "0201",
					PIN:             infinitysip.NewSecret("0042"),
					Email:           "joe.blogs@company.com",
					FirstName:       "Joe",
					LastName:        "Blogs",
					JobName:         "Buyer",
					DepartmentName:  "Sales / North",
					CompanyName:     "Company",
					OfficeName:      "Leeds",
					UKCallerID:      "0123456789",
					USCallerID:      "12025550100",
					MobileNumber:    "07700900123",
					MobileFollow:    new(true),
					UKPhoneID:       31,
					USPhoneID:       32,
					HotdeskAllowed:  new(true),
					Dashboard:       new(false),
				})
			},
			want: infinitysip.UserID(12),
		},
		{
			name: "Users.Update", method: "POST", path: "/config/v2/sip/domains/1/users/12", form: "users.update.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Users.Update(ctx, 1, 12, infinitysip.UserUpdateParams{
					Password:        new(infinitysip.NewSecret("new pass+word")),
					DisplayName:     new("Joseph Blogs"),
					PIN:             new(infinitysip.NewSecret("0043")),
					Email:           new("joseph@company.com"),
					FirstName:       new("Joseph"),
					LastName:        new("Bloggs"),
					JobName:         new("Head Buyer"),
					DepartmentName:  new("Sales & Buying"),
					CompanyName:     new("Company Ltd"),
					OfficeName:      new("York"),
					ExtensionNumber: new("0203"),
					UKCallerID:      new("0123456780"),
					USCallerID:      new("12025550101"),
					MobileNumber:    new("07700900124"),
					MobileFollow:    new(false),
					HotdeskAllowed:  new(true),
					Dashboard:       new(false),
				})
			},
		},
		{
			name: "Users.Delete", method: "DELETE", path: "/config/v2/sip/domains/1/users/12", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return nil, c.Users.Delete(ctx, 1, 12) },
		},
		{
			name: "Groups.List", method: "GET", path: "/config/v2/sip/domains/1/groups", status: 200, answer: "groups.list.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Groups.List(ctx, 1) },
			want: []infinitysip.Group{
				{
					ID: 21, DomainID: 1, Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301",
					RingRetry: true, CallerNameFormat: "{displayName} - {srcPhoneNumber}",
				},
				{ID: 22, DomainID: 1, Name: "help", DisplayName: "Help / Desk", ExtensionNumber: "0302", RingExclusive: true},
			},
		},
		{
			name: "Groups.Get", method: "GET", path: "/config/v2/sip/domains/1/groups/21", status: 200, answer: "groups.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Groups.Get(ctx, 1, 21) },
			want: &infinitysip.Group{
				ID: 21, DomainID: 1, Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301",
				RingRetry: true, CallerNameFormat: "{displayName} - {srcPhoneNumber}",
			},
		},
		{
			name: "Groups.Create", method: "POST", path: "/config/v2/sip/domains/1/groups", form: "groups.create.form", status: 201, answer: "groups.create.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Groups.Create(ctx, 1, infinitysip.GroupCreateParams{
					Name:             "sales",
					DisplayName:      "Sales Dept",
					ExtensionNumber:  "0301",
					RingRetry:        true,
					RingExclusive:    false,
					CallerNameFormat: "{displayName} - {srcPhoneNumber}",
				})
			},
			want: infinitysip.GroupID(21),
		},
		{
			name: "Groups.Update", method: "POST", path: "/config/v2/sip/domains/1/groups/21", form: "groups.update.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Groups.Update(ctx, 1, 21, infinitysip.GroupUpdateParams{
					Name:            "help",
					DisplayName:     "Help / Desk",
					ExtensionNumber: "0302",
					RingRetry:       false,
					RingExclusive:   true,
				})
			},
		},
		{
			name: "Groups.Delete", method: "DELETE", path: "/config/v2/sip/domains/1/groups/21", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return nil, c.Groups.Delete(ctx, 1, 21) },
		},
		{
			name: "Groups.ListUsers", method: "GET", path: "/config/v2/sip/domains/1/groups/21/users", status: 200, answer: "groupusers.list.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Groups.ListUsers(ctx, 1, 21) },
			want: []infinitysip.GroupUser{
				{GroupID: 21, UserID: 12, User: "joe.blogs", DisplayName: "Joe Blogs", ExtensionNumber: "0201"},
				{GroupID: 21, UserID: 13, User: "zoe", DisplayName: "Zoë", ExtensionNumber: "0202"},
			},
		},
		{
			name: "Groups.AddUsers", method: "POST", path: "/config/v2/sip/domains/1/groups/21/users", form: "groupusers.add.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Groups.AddUsers(ctx, 1, 21, []infinitysip.UserID{12, 13})
			},
		},
		{
			name: "Groups.RemoveUsers", method: "DELETE", path: "/config/v2/sip/domains/1/groups/21/users", form: "groupusers.remove.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Groups.RemoveUsers(ctx, 1, 21, []infinitysip.UserID{13, 12})
			},
		},
		{
			name: "Users.ListDevices", method: "GET", path: "/config/v2/sip/domains/1/users/1/devices", status: 200, answer: "userdevices.list.json",
			query: url.Values{
				"filter[]": {"updateDatetime-ge-value-2001-01-01 00:00:00", "pbxDeviceName-begins-value-deviceName"},
				"sort[]":   {"pbxDeviceName-asc", "pbxDeviceId-desc"},
				"limit":    {"2"},
			},
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Users.ListDevices(ctx, 1, 1, &infinitysip.UserDeviceListOptions{
					Filter: infinitysip.Where(
						infinitysip.UserDeviceFields.Updated.Ge(utc(2001, 1, 1, 0, 0, 0)),
						infinitysip.UserDeviceFields.Name.Begins("deviceName")),
					Sort:  infinitysip.OrderBy(infinitysip.UserDeviceFields.Name.Asc(), infinitysip.UserDeviceFields.DeviceID.Desc()),
					Limit: 2,
				})
			},
			want: []infinitysip.UserDevice{
				{UserID: 1, DeviceID: 1, User: "user.name", Updated: utc(2001, 1, 1, 0, 0, 0), Name: "deviceName 1"},
				{UserID: 1, DeviceID: 2, User: "user.name", Updated: utc(2001, 1, 1, 0, 0, 0), Name: "deviceName 2"},
			},
		},
		{
			name: "Users.GetDevice", method: "GET", path: "/config/v2/sip/domains/1/users/1/devices/1", status: 200, answer: "userdevices.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Users.GetDevice(ctx, 1, 1, 1) },
			want: &infinitysip.UserDevice{UserID: 1, DeviceID: 1, User: "user.name", Updated: utc(2001, 1, 1, 0, 0, 0), Name: "deviceName 1"},
		},
		{
			name: "Users.AddDevice", method: "POST", path: "/config/v2/sip/domains/1/users/1/devices", form: "userdevices.create.form", status: 201, answer: "userdevices.create.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Users.AddDevice(ctx, 1, 1, 1) },
			want: &infinitysip.UserDeviceToken{DeviceID: 1, UserID: 1, Token: infinitysip.NewSecret("432e2286a22f28a3e3a4d2dde")},
		},
		{
			name: "Users.RemoveDevice", method: "DELETE", path: "/config/v2/sip/domains/1/users/11/devices/2", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Users.RemoveDevice(ctx, 1, 11, 2)
			},
		},
		{
			name: "Users.ListGroups", method: "GET", path: "/config/v2/sip/domains/1/users/12/groups", status: 200, answer: "usergroups.list.json",
			query: url.Values{"filter[]": {"groupName-in-value-sales,help"}, "sort[]": {"groupName-desc"}, "limit": {"10"}, "offset": {"20"}},
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Users.ListGroups(ctx, 1, 12, &infinitysip.UserGroupListOptions{
					Filter: infinitysip.Where(infinitysip.UserGroupFields.Name.In("sales", "help")),
					Sort:   infinitysip.OrderBy(infinitysip.UserGroupFields.Name.Desc()),
					Limit:  10,
					Offset: 20,
				})
			},
			want: []infinitysip.UserGroup{
				{UserID: 12, GroupID: 21, Name: "sales", DisplayName: "Sales Dept", ExtensionNumber: "0301"},
				{UserID: 12, GroupID: 22, Name: "help", DisplayName: "Help / Desk", ExtensionNumber: "0302"},
			},
		},
		{
			name: "Users.AddGroups", method: "POST", path: "/config/v2/sip/domains/1/users/12/groups", form: "usergroups.add.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Users.AddGroups(ctx, 1, 12, []infinitysip.GroupID{22, 21})
			},
		},
		{
			name: "Queues.List", method: "GET", path: "/config/v2/sip/domains/1/queues", status: 200, answer: "queues.list.json",
			query: url.Values{"filter[]": {"callerNameFormat-bool-value-true"}},
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Queues.List(ctx, 1, &infinitysip.QueueListOptions{
					Filter: infinitysip.Where(infinitysip.QueueFields.CallerNameFormat.IsSet(true)),
				})
			},
			want: []infinitysip.Queue{
				{ID: 41, DomainID: 1, Name: "sales", DisplayName: "Sales / All", ExtensionNumber: "0401", CallerNameFormat: "{dgrpName}"},
				{ID: 42, DomainID: 1, Name: "help", DisplayName: "Help", ExtensionNumber: "0402"},
			},
		},
		{
			name: "Queues.Get", method: "GET", path: "/config/v2/sip/domains/1/queues/41", status: 200, answer: "queues.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Queues.Get(ctx, 1, 41) },
			want: &infinitysip.Queue{ID: 41, DomainID: 1, Name: "sales", DisplayName: "Sales / All", ExtensionNumber: "0401", CallerNameFormat: "{dgrpName}"},
		},
		{
			name: "Queues.Create", method: "POST", path: "/config/v2/sip/domains/1/queues", form: "queues.create.form", status: 201, answer: "queues.create.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Queues.Create(ctx, 1, infinitysip.QueueCreateParams{
					Name: "sales", DisplayName: "Sales / All", ExtensionNumber: "0401", CallerNameFormat: "{dgrpName}",
				})
			},
			want: infinitysip.QueueID(41),
		},
		{
			name: "Queues.Update", method: "POST", path: "/config/v2/sip/domains/1/queues/41", form: "queues.update.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Queues.Update(ctx, 1, 41, infinitysip.QueueUpdateParams{
					Name:             new("support"),
					DisplayName:      new("Support"),
					ExtensionNumber:  new("0403"),
					CallerNameFormat: new(infinitysip.CallerNameFormat("{displayName} - {srcPhoneNumber}")),
				})
			},
		},
		{
			name: "Queues.Delete", method: "DELETE", path: "/config/v2/sip/domains/1/queues/41", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return nil, c.Queues.Delete(ctx, 1, 41) },
		},
		{
			name: "Queues.ListMembers", method: "GET", path: "/config/v2/sip/domains/1/queues/41/members", status: 200, answer: "queuemembers.list.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Queues.ListMembers(ctx, 1, 41) },
			want: []infinitysip.QueueMember{
				{ID: 51, QueueID: 41, GroupID: 21, RingStrategy: infinitysip.RingAll, RingAttempts: 2, RingSecs: 20},
				{ID: 52, QueueID: 41, GroupID: 22, RingStrategy: infinitysip.RingHuntLongestIdle, RingSecs: 15, RingOrder: 1},
			},
		},
		{
			name: "Queues.GetMember", method: "GET", path: "/config/v2/sip/domains/1/queues/41/members/52", status: 200, answer: "queuemembers.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Queues.GetMember(ctx, 1, 41, 52)
			},
			want: &infinitysip.QueueMember{ID: 52, QueueID: 41, GroupID: 22, RingStrategy: infinitysip.RingHuntLongestIdle, RingSecs: 15, RingOrder: 1},
		},
		{
			name: "Queues.CreateMember", method: "POST", path: "/config/v2/sip/domains/1/queues/41/members", form: "queuemembers.create.form", status: 201, answer: "queuemembers.create.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Queues.CreateMember(ctx, 1, 41, infinitysip.QueueMemberCreateParams{
					GroupID:      22,
					RingStrategy: infinitysip.RingHuntLongestIdle,
					RingAttempts: 0,
					RingSecs:     15,
					RingOrder:    1,
				})
			},
			want: infinitysip.QueueMemberID(52),
		},
		{
			name: "Queues.UpdateMember", method: "POST", path: "/config/v2/sip/domains/1/queues/41/members/52", form: "queuemembers.update.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Queues.UpdateMember(ctx, 1, 41, 52, infinitysip.QueueMemberUpdateParams{
					GroupID:      new(infinitysip.GroupID(23)),
					RingStrategy: new(infinitysip.RingAll),
					RingAttempts: new(3),
					RingSecs:     new(25),
					RingOrder:    new(0),
				})
			},
		},
		{
			name: "Queues.DeleteMember", method: "DELETE", path: "/config/v2/sip/domains/1/queues/41/members/52", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Queues.DeleteMember(ctx, 1, 41, 52)
			},
		},
		{
			name: "Queues.SetMemberOrder", method: "PUT", path: "/config/v2/sip/domains/1/queues/41/members/order", form: "queuemembers.order.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Queues.SetMemberOrder(ctx, 1, 41, []infinitysip.QueueMemberID{53, 51, 52})
			},
		},
		{
			name: "TrustedNetworks.List", method: "GET", path: "/config/v2/sip/domains/1/trustednetworks", status: 200, answer: "trustednetworks.list.json",
			query: url.Values{"filter[]": {"network-ne-value-192.168.0.0/16"}, "sort[]": {"trustedNetworkId-asc"}, "offset": {"3"}},
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.TrustedNetworks.List(ctx, 1, &infinitysip.TrustedNetworkListOptions{
					Filter: infinitysip.Where(infinitysip.TrustedNetworkFields.Network.Ne(netip.MustParsePrefix("192.168.0.0/16"))),
					Sort:   infinitysip.OrderBy(infinitysip.TrustedNetworkFields.ID.Asc()),
					Offset: 3,
				})
			},
			want: []infinitysip.TrustedNetwork{
				{ID: 61, DomainID: 1, Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Leeds / 2nd floor"},
				{ID: 62, DomainID: 1, Network: netip.MustParsePrefix("2001:db8::/32")},
			},
		},
		{
			name: "TrustedNetworks.Get", method: "GET", path: "/config/v2/sip/domains/1/trustedNetworks/61", status: 200, answer: "trustednetworks.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.TrustedNetworks.Get(ctx, 1, 61)
			},
			want: &infinitysip.TrustedNetwork{ID: 61, DomainID: 1, Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Leeds / 2nd floor"},
		},
		{
			name: "TrustedNetworks.Create", method: "POST", path: "/config/v2/sip/domains/1/trustedNetworks", form: "trustednetworks.create.form", status: 201, answer: "trustednetworks.create.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.TrustedNetworks.Create(ctx, 1, infinitysip.TrustedNetworkCreateParams{
					Network: netip.MustParsePrefix("10.0.20.10/24"), Description: "Leeds / 2nd floor",
				})
			},
			want: infinitysip.TrustedNetworkID(61),
		},
		{
			name: "TrustedNetworks.Update", method: "POST", path: "/config/v2/sip/domains/1/trustedNetwork/61", form: "trustednetworks.update.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.TrustedNetworks.Update(ctx, 1, 61, infinitysip.TrustedNetworkUpdateParams{
					Network: new(netip.MustParsePrefix("10.0.30.0/24")), Description: new("York"),
				})
			},
		},
		{
			name: "TrustedNetworks.Delete", method: "DELETE", path: "/config/v2/sip/domains/1/trustedNetwork/61", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.TrustedNetworks.Delete(ctx, 1, 61)
			},
		},
		{
			name: "Devices.List", method: "GET", path: "/config/v2/sip/domains/1/devices", status: 200, answer: "devices.list.json",
			query: url.Values{"filter[]": {"deviceMacAddress-beginsi-value-10:20:30", "userId-eq-value-11"}, "sort[]": {"createDatetime-asc"}, "limit": {"2"}, "offset": {"4"}},
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Devices.List(ctx, 1, &infinitysip.DeviceListOptions{
					Filter: infinitysip.Where(infinitysip.DeviceFields.MACAddress.BeginsFold("10:20:30"), infinitysip.DeviceFields.UserID.Eq(infinitysip.UserID(11))),
					Sort:   infinitysip.OrderBy(infinitysip.DeviceFields.Created.Asc()),
					Limit:  2,
					Offset: 4,
				})
			},
			want: []infinitysip.Device{
				{
					ID: 1, Name: "My PBX Device 1", DomainID: 1, MACAddress: "10:20:30:1A:2B:3C",
					Created: utc(2019, 10, 31, 9, 42, 56), Updated: utc(2019, 10, 31, 9, 50, 6), UserID: 11, User: "test.user",
				},
				{
					ID: 2, Name: "My PBX Device 2", DomainID: 1, MACAddress: "10:20:30:5C:4F:2A",
					Created: utc(2019, 10, 31, 14, 41, 10), Updated: utc(2019, 10, 31, 15, 54, 22), UserID: 11, User: "test.user",
				},
			},
		},
		{
			name: "Devices.Get", method: "GET", path: "/config/v2/sip/domains/1/devices/1", status: 200, answer: "devices.get.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return c.Devices.Get(ctx, 1, 1) },
			want: &infinitysip.Device{
				ID: 1, Name: "My PBX Device 1", DomainID: 1, MACAddress: "10:20:30:1A:2B:3C",
				Created: utc(2019, 10, 31, 9, 42, 56), Updated: utc(2019, 10, 31, 9, 50, 6), UserID: 11, User: "test.user",
			},
		},
		{
			name: "Devices.Create", method: "POST", path: "/config/v2/sip/domains/1/devices", form: "devices.create.form", status: 201, answer: "devices.create.json",
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return c.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{Name: "My PBX Device 1", MACAddress: "10:20:30:1A:2B:3C"})
			},
			want: infinitysip.DeviceID(1),
		},
		{
			name: "Devices.Update", method: "POST", path: "/config/v2/sip/domains/1/devices/1", form: "devices.update.form", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) {
				return nil, c.Devices.Update(ctx, 1, 1, infinitysip.DeviceUpdateParams{Name: "My PBX Device 1, moved"})
			},
		},
		{
			name: "Devices.Delete", method: "DELETE", path: "/config/v2/sip/domains/1/devices/1", status: 204,
			call: func(ctx context.Context, c *infinitysip.Client) (any, error) { return nil, c.Devices.Delete(ctx, 1, 1) },
		},
	}

	var names []string
	for _, tt := range tests {
		names = append(names, tt.name)
		t.Run(tt.name, func(t *testing.T) {
			expect(t, append(look(tt.method, tt.path, readForm(t, tt.form)), exchange{
				method: tt.method, path: tt.path, query: tt.query, form: readForm(t, tt.form),
				status: tt.status, answer: readData(t, tt.answer),
			})...)
			got, err := tt.call(t.Context(), wireClient(t, hubKey))
			require.NoError(t, err)
			requireResult(t, tt.want, got)
		})
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(readEndpoints(t))), names)
}

// look is what goes before the create of a queue member: a queue may ring one
// group twice, so what is there already has to be known.
func look(method, path string, form url.Values) []exchange {
	if method != "POST" || !strings.HasSuffix(path, "/members") {
		return nil
	}
	return []exchange{{method: "GET", path: path, query: url.Values{"filter[]": {"groupId-eqi-value-" + form.Get("groupId")}}, status: 200}}
}

func TestWireBasicAuthAndProduct(t *testing.T) {
	expect(t, exchange{
		method: "POST", path: "/config/v2/sip/domains/1", form: url.Values{"displayName": {"Acme"}, "rec": {"0"}}, status: 204,
		header: http.Header{
			"Authorization": {"Basic am9lQGNvbXBhbnkuY29tOnA6w6Qgc3M="},
			"User-Agent":    {"acme-provisioner/1.2 infinitysip-go"},
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

// numbered gives the ids 1 to n.
func numbered[I ~int64](n int) []I {
	ids := make([]I, n)
	for i := range ids {
		ids[i] = I(i + 1)
	}
	return ids
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
	first := readData(t, "devices.list.json") // 1 and 2
	for _, tt := range []struct {
		name  string
		sort  []infinitysip.Sort[infinitysip.Device]
		sent  string
		pages pages
	}{
		{"by id", nil, "pbxDeviceId-asc", pages{
			{[]string{byUser}, "", first},
			{[]string{byUser}, "1", `{"pbxDeviceId":"2"}` + "\n" + `{"pbxDeviceId":"3"}`},
			{[]string{byUser}, "2", `{"pbxDeviceId":"3"}`},
			{[]string{byUser, "pbxDeviceId-gt-value-3"}, "", ""},
		}},
		{"in the caller's order", infinitysip.OrderBy(infinitysip.DeviceFields.Name.Desc()), "pbxDeviceName-desc", pages{
			{[]string{byUser}, "", first},
			{[]string{byUser}, "2", `{"pbxDeviceId":"3"}`},
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
				Filter: infinitysip.Where(infinitysip.DeviceFields.UserID.Eq(11)),
				Sort:   tt.sort,
				Limit:  2,
			}
			var ids []infinitysip.DeviceID
			for device, err := range wireClient(t, hubKey, infinitysip.WithReadAhead(0)).Devices.All(t.Context(), 1, opts) {
				require.NoError(t, err)
				ids = append(ids, device.ID)
			}
			require.Equal(t, []infinitysip.DeviceID{1, 2, 3}, ids)
			require.Zero(t, opts.Offset)
			require.Equal(t, tt.sort, opts.Sort)
			require.Len(t, opts.Filter, 1)
		})
	}
}
