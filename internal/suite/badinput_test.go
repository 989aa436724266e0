package suite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip"
)

// badInput is something that a caller or a server may give, and that must end
// in a clear error. Those of one name are one input, tried in several ways.
type badInput struct {
	name string

	// The caller's: nothing is sent, and the error names every bad field.
	do     func(*infinitysip.Client) error
	fields string // all of them, in their order

	// The server's: tried as a fault is, with all that is checked there.
	answer fault
}

// TestBadInput tries everything that is to be answered with a clear error.
func TestBadInput(t *testing.T) {
	t.Parallel()
	named := make(map[string][]badInput)
	for _, bad := range slices.Concat(badCredentials(), badURLs(), badClients(), badIDs(), badCalls(), badRaw(), badAnswers()) {
		named[bad.name] = append(named[bad.name], bad)
	}
	for name, ways := range named {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counted.badInputs.Add(1)
			t.Cleanup(func() {
				if !t.Failed() {
					counted.answered.Add(1)
				}
			})
			for _, bad := range ways {
				if bad.do == nil {
					t.Run("answer", bad.answer.run)
				} else {
					bad.check(t)
				}
			}
		})
	}
}

func (bad badInput) check(t *testing.T) {
	s := always(204, "")
	err := bad.do(stubClient(t, s))
	invalid, ok := errors.AsType[*infinitysip.ValidationError](err)
	require.True(t, ok, "%v", err)
	require.ErrorIs(t, err, infinitysip.ErrInvalid)
	require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	var fields []string
	for _, f := range invalid.Fields {
		require.NotEmpty(t, f.Problem)
		require.Contains(t, err.Error(), f.Field+": "+f.Problem)
		fields = append(fields, f.Field)
	}
	require.Equal(t, bad.fields, strings.Join(fields, " "), "%v", err)
	requireNoSecret(t, bad.name, err)
	require.Zero(t, s.count(), "nothing is sent")
}

func badCredentials() []badInput {
	var list []badInput
	for name, credentials := range map[string]infinitysip.Credentials{
		"no credentials":            {},
		"empty key":                 infinitysip.APIKey(""),
		"CR in a key":               infinitysip.APIKey("canary-pass\rX: y"),
		"LF in a key":               infinitysip.APIKey("canary-pass\n"),
		"space in a key":            infinitysip.APIKey("canary-pass word"),
		"NUL in a key":              infinitysip.APIKey("canary-pass\x00"),
		"key that is not ASCII":     infinitysip.APIKey("canary-passé"),
		"colon in a user name":      infinitysip.BasicAuth("a:b", "canary-pass"),
		"empty user name":           infinitysip.BasicAuth("", "canary-pass"),
		"empty password":            infinitysip.BasicAuth("joe", ""),
		"line break in a password":  infinitysip.BasicAuth("joe", "canary-pass\n"),
		"user name not UTF-8":       infinitysip.BasicAuth("joe\xff", "canary-pass"),
		"control character in name": infinitysip.BasicAuth("joe\x7f", "canary-pass"),
		"nil source":                infinitysip.CredentialSource(nil),
	} {
		list = append(list, badInput{name: name, fields: "credentials", do: func(*infinitysip.Client) error {
			return errorOf(infinitysip.NewClient(credentials))
		}}, badInput{name: name, fields: "credentials", do: func(client *infinitysip.Client) error {
			return errorOf(client.WithCredentials(credentials))
		}})
	}
	return list
}

func badURLs() []badInput {
	var list []badInput
	for name, rawURL := range map[string]string{
		"empty URL":                    "",
		"URL with no scheme":           "api.example.com",
		"URL with another scheme":      "ftp://api.example.com",
		"URL with no host":             "https:///x",
		"http URL":                     "http://api.example.com",
		"http URL of a private host":   "http://10.0.0.1",
		"http URL of localhost's name": "http://localhost.example.com",
		"user in a URL":                "https://joe:canary-pass@api.example.com",
		"query in a URL":               "https://api.example.com?key=canary-pass",
		"empty query in a URL":         "https://api.example.com?",
		"fragment in a URL":            "https://api.example.com#canary-pass",
		"bad port in a URL":            "https://api.example.com:canary-pass",
		"large port in a URL":          "https://api.example.com:70000",
		"no port in a URL":             "https://api.example.com:",
		"line break in a URL":          "https://api.example.com/canary-pass\n",
		"NUL in a URL":                 "https://api.example.com/\x00",
		"path of the API in a URL":     "https://api.example.com/config/v2/sip",
		"part of that path in a URL":   "https://api.example.com/gw/Config/V2/",
		"that path with escapes":       "https://api.example.com/con%66ig/v2",
	} {
		list = append(list, badInput{name: name, fields: "WithBaseURL", do: func(*infinitysip.Client) error {
			return errorOf(infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithBaseURL(rawURL)))
		}})
	}
	return list
}

func badClients() []badInput {
	list := []badInput{
		{
			name: "every option at once", fields: "WithHTTPClient WithTransport WithLimiter WithUserAgent WithRateLimit WithRateLimit WithRetryPolicy WithLimits WithReadAhead WithReadAhead credentials WithBaseURL",
			do: func(*infinitysip.Client) error {
				return errorOf(infinitysip.NewClient(infinitysip.APIKey(""), infinitysip.WithBaseURL("x"), infinitysip.WithHTTPClient(nil), infinitysip.WithTransport(nil), infinitysip.WithLimiter(nil), infinitysip.WithUserAgent("a\nb"),
					infinitysip.WithRateLimit(0, 1), infinitysip.WithRateLimit(1, 0), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: -1}), infinitysip.WithLimits(infinitysip.Limits{RowBytes: -1}),
					infinitysip.WithReadAhead(-1), infinitysip.WithReadAhead(101)))
			},
		},
		{name: "a wait of 292 years", fields: "WithRetryPolicy", do: func(*infinitysip.Client) error {
			return errorOf(infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: 1<<63 - 1})))
		}},
		{name: "a resend after one look", fields: "WithRetryPolicy", do: func(*infinitysip.Client) error {
			return errorOf(infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{ResendAfter: time.Minute, VerifyWaits: []time.Duration{0}})))
		}},
		{name: "more ids a request than the server keeps", fields: "WithLimits", do: func(*infinitysip.Client) error {
			return errorOf(infinitysip.NewClient(infinitysip.APIKey(canaryKey), infinitysip.WithLimits(infinitysip.Limits{IDsPerRequest: 1001})))
		}},
	}
	list = append(list, badConnections()...)
	for _, m := range slices.Concat(methods(), rawMethods()) {
		list = append(list,
			badInput{
				name: "call options", fields: "CallHeader CallHeader CallHeader CallParam CallParam CallParam CallParam CallParam CallAttempts CallAttempts CallResponse",
				do: func(client *infinitysip.Client) error {
					return m.do(context.Background(), client,
						infinitysip.CallHeader("", "x"), infinitysip.CallHeader("X Caller", "x"), infinitysip.CallHeader("X-Caller", canaryPIN+"\r\nX: y"),
						infinitysip.CallParam("", "x"), infinitysip.CallParam("[]", "x"), infinitysip.CallParam("newParam"), infinitysip.CallParam("new\nParam", "x"), infinitysip.CallParam("newParam", "x", canaryPassword+"\x00"),
						infinitysip.CallAttempts(0), infinitysip.CallAttempts(-1), infinitysip.CallResponse(nil))
				},
			},
			badInput{name: "nil context", fields: "ctx", do: func(client *infinitysip.Client) error {
				var none context.Context
				return m.do(none, client)
			}},
			badInput{name: "zero Client", fields: "client", do: func(*infinitysip.Client) error {
				return m.do(context.Background(), new(infinitysip.Client))
			}},
			badInput{name: "zero service", fields: "client", do: func(*infinitysip.Client) error {
				return m.do(context.Background(), &infinitysip.Client{
					Domains: infinitysip.DomainsService{}, Users: infinitysip.UsersService{}, Groups: infinitysip.GroupsService{},
					Queues: infinitysip.QueuesService{}, TrustedNetworks: infinitysip.TrustedNetworksService{}, Devices: infinitysip.DevicesService{},
				})
			}},
		)
	}
	return list
}

// badConnections are transports and limiters that cannot be used, and further accounts that
// cannot be made.
func badConnections() (list []badInput) {
	jar, err := cookiejar.New(nil)
	further := func(client *infinitysip.Client) error {
		return errors.Join(err, errorOf(client.WithCredentials(infinitysip.APIKey(canaryKey))))
	}
	for _, test := range []struct {
		name, fields string
		opt          infinitysip.Option
	}{
		{"nil pointer for a transport", "WithTransport", infinitysip.WithTransport((*http.Transport)(nil))},
		{"nil func for a transport", "WithTransport", infinitysip.WithTransport(transportFunc(nil))},
		{"nil pointer in an HTTP client", "WithHTTPClient", infinitysip.WithHTTPClient(&http.Client{Transport: (*http.Transport)(nil)})},
		{"nil pointer for a limiter", "WithLimiter", infinitysip.WithLimiter((*rate.Limiter)(nil))},
		{"nil pointer for a writer", "WithDebugLog", infinitysip.WithDebugLog((*bytes.Buffer)(nil))},
		{"nil func for a limiter", "WithLimiter", infinitysip.WithLimiter(limiterFunc(nil))},
		{"HTTP client with a Timeout", "WithHTTPClient", infinitysip.WithHTTPClient(&http.Client{Timeout: time.Second})},
		{"HTTP client with a Jar", "WithHTTPClient", infinitysip.WithHTTPClient(&http.Client{Jar: jar})},
		{"HTTP client with a CheckRedirect", "WithHTTPClient", infinitysip.WithHTTPClient(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }})},
		{"HTTP client with all of them", "WithHTTPClient WithHTTPClient WithHTTPClient", infinitysip.WithHTTPClient(&http.Client{Timeout: 1, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }})},
	} {
		list = append(list, badInput{name: test.name, fields: test.fields, do: func(*infinitysip.Client) error {
			return errorOf(infinitysip.NewClient(infinitysip.APIKey(canaryKey), test.opt))
		}})
	}
	for name, opt := range map[string]infinitysip.Option{
		"WithTransport": infinitysip.WithTransport(infinitysip.NewTransport()), "WithHTTPClient": infinitysip.WithHTTPClient(http.DefaultClient),
	} {
		list = append(list, badInput{name: "further account with a transport", fields: name, do: func(client *infinitysip.Client) error {
			err := errorOf(client.WithCredentials(infinitysip.APIKey(canaryKey), opt))
			if !strings.Contains(err.Error(), "Client.WithCredentials: invalid") {
				return fmt.Errorf("not the name of the call: %w", err)
			}
			return err
		}})
	}
	return append(list,
		badInput{name: "further account with bad options", fields: "WithLimits credentials WithBaseURL", do: func(client *infinitysip.Client) error {
			return errorOf(client.WithCredentials(infinitysip.Credentials{}, infinitysip.WithLimits(infinitysip.Limits{RowBytes: -1}), infinitysip.WithBaseURL("x")))
		}},
		badInput{name: "further account of nil", fields: "client", do: func(*infinitysip.Client) error { return further(nil) }},
		badInput{name: "further account of the zero Client", fields: "client", do: func(*infinitysip.Client) error { return further(new(infinitysip.Client)) }},
	)
}

// badCalls are the bad params in the table of the calls, given to a list and to
// its iterator.
func badCalls() (list []badInput) {
	for _, call := range apiCalls() {
		for _, bad := range call.bad {
			for _, m := range []method{{name: call.op, params: bad.params}, {name: iteratorOf(call.op), params: bad.params}} {
				if m.name != "" {
					list = append(list, badInput{name: bad.name, fields: bad.fields, do: func(c *infinitysip.Client) error {
						return m.do(context.Background(), c)
					}})
				}
			}
		}
	}
	return append(list, badFinds()...)
}

// badFinds are what nothing is found by.
func badFinds() (list []badInput) {
	values := map[string]map[string]any{}
	for name, text := range map[string]string{"nothing": "", "CR": "joe\r", "LF": "joe\n", "NUL": "\x00", "invalid UTF-8": "\xff"} {
		values[name] = map[string]any{"user": text, "groupName": text, "queueName": text, "displayName": text, "deviceMacAddress": text, "network": netip.Prefix{}}
	}
	for _, mac := range badMACs() {
		values[mac.name] = map[string]any{"deviceMacAddress": mac.params.(infinitysip.DeviceCreateParams).MACAddress}
	}
	fields := map[string]string{
		"Domains.Find": "displayName", "Users.Find": "user", "Groups.Find": "groupName", "Queues.Find": "queueName",
		"Devices.FindByMAC": "deviceMacAddress", "TrustedNetworks.FindByNetwork": "network",
	}
	for name, by := range values {
		for _, m := range finds() {
			field := fields[m.name]
			if m.params = by[field]; m.params != nil {
				list = append(list, badInput{name: "find by " + name, fields: field, do: func(c *infinitysip.Client) error { return m.do(context.Background(), c) }})
			}
		}
	}
	return list
}

// badFormats are caller name formats that every call refuses.
func badFormats(params func(infinitysip.CallerNameFormat) any) (all []badParams) {
	for _, format := range []infinitysip.CallerNameFormat{"{name}", "{displayName", "displayName}", "{displayName{dgrpName}}", "{}", "{ displayName }", "}{", "{displayName}}"} {
		all = append(all, badParams{fmt.Sprintf("format %q", format), params(format), "callerNameFormat"})
	}
	return all
}

func badMACs() (all []badParams) {
	for _, mac := range []string{"02:00:5e:10:00:00:00:01", "10:20:30", "10:20:30:1a:2b", "10:20:30:1a:2b:3g", "x", " 10:20:30:1a:2b:3c", "10:20:30:1a:2b:3c\n"} {
		all = append(all, badParams{fmt.Sprintf("MAC %q", mac), infinitysip.DeviceCreateParams{Name: "x", MACAddress: mac}, "deviceMacAddress"})
	}
	return all
}

// badOptions are options that a list refuses.
func badOptions() (all []badParams) {
	type field = infinitysip.Field[infinitysip.Device]
	type options = infinitysip.DeviceListOptions
	f := infinitysip.DeviceFields
	where := infinitysip.Where[infinitysip.Device]
	for _, test := range []struct {
		name, fields string
		opts         options
	}{
		{"negative limit", "limit", options{Limit: -1}},
		{"negative page size", "pageSize", options{PageSize: -1}},
		{"negative offset", "offset", options{Offset: -1}},
		{"zero filter", "filter[0]", options{Filter: where(infinitysip.Filter[infinitysip.Device]{})}},
		{"filter on no field", "filter[0]", options{Filter: where(field("").Eq(1))}},
		{"filter on a field with a hyphen", "filter[0]", options{Filter: where(field("a-b").Eq(1))}},
		{"filter on a field with a line break", "filter[0]", options{Filter: where(field("a\n").Eq(1))}},
		{"filter by nil", "filter[0]", options{Filter: where(f.Name.Eq(nil))}},
		{"filter by a float", "filter[0]", options{Filter: where(f.Name.Eq(1.5))}},
		{"filter by a pointer", "filter[0]", options{Filter: where(f.Name.Eq(new("x")))}},
		{"filter by a slice", "filter[0]", options{Filter: where(f.Name.Eq([]string{"x"}))}},
		{"filter by a secret", "filter[0]", options{Filter: where(f.Name.Eq(infinitysip.NewSecret(canaryPassword)))}},
		{"comma in an element of In", "filter[0]", options{Filter: where(f.Name.In("a", "b,c"))}},
		{"In of nothing", "filter[0]", options{Filter: where(f.Name.In())}},
		{"float in an element of NotInFold", "filter[0]", options{Filter: where(f.Name.NotInFold("a", 1.5))}},
		{"filter by no network", "filter[0]", options{Filter: where(f.Name.InNetwork(netip.Prefix{}))}},
		{"filter by a line break", "filter[0]", options{Filter: where(f.Name.Eq("a\r\nb"))}},
		{"filter by a NUL", "filter[0]", options{Filter: where(f.Name.Contains("\x00"))}},
		{"filter by invalid UTF-8", "filter[0]", options{Filter: where(f.Name.Contains("\xff"))}},
		{"zero sort", "sort[0]", options{Sort: infinitysip.OrderBy(infinitysip.Sort[infinitysip.Device]{})}},
		{"sort by a field with a hyphen", "sort[0]", options{Sort: infinitysip.OrderBy(field("a-b").Asc())}},
		{"all of an option at once", "filter[1] filter[1] limit pageSize offset", options{Filter: where(f.Name.Eq("x"), field("a-b").Eq(1.5)), Limit: -1, PageSize: -3, Offset: -2}},
	} {
		all = append(all, badParams{test.name, &test.opts, test.fields})
	}
	return all
}

// pathID finds the ids of a path.
var pathID = regexp.MustCompile(`\{(\w+)\}`)

func badIDs() []badInput {
	ctx := context.Background()
	type client = *infinitysip.Client
	list := []badInput{
		{name: "zero id", fields: "userId", do: func(c client) error { return errorOf(c.Users.Get(ctx, 1, 0)) }},
		{name: "negative ids", fields: "domainId userId pbxDeviceId", do: func(c client) error { return c.Users.RemoveDevice(ctx, -1, 0, -2) }},
		{name: "no id", fields: "domainId userId pbxDeviceId", do: func(c client) error { return errorOf(c.Users.RotateDeviceToken(ctx, 0, 0, 0)) }},
		{name: "no id", fields: "domainId userId", do: func(c client) error {
			for _, err := range c.Users.RotateDeviceTokens(ctx, 0, 0) {
				return err
			}
			return nil
		}},
		{name: "zero id in a form", fields: "pbxDeviceId", do: func(c client) error { return errorOf(c.Users.AddDevice(ctx, 1, 1, 0)) }},
		{name: "group with nothing, in no domain", fields: "domainId groupName displayName extensionNumber callerNameFormat", do: func(c client) error {
			return errorOf(c.Groups.Create(ctx, 0, infinitysip.GroupCreateParams{}))
		}},
	}
	none, endpoints := namedIDs(), endpointsByOp()
	for of := range none {
		none[of] = reflect.Zero(of)
	}
	for _, m := range methods() {
		m.ids = none
		e := endpoints[m.op]
		if m.makes != nil {
			continue
		}
		var fields []string
		for _, name := range pathID.FindAllStringSubmatch(e.Path, -1) {
			fields = append(fields, name[1])
		}
		if m.params == nil { // what is in the form is an id, too
			for _, param := range e.Form {
				fields = append(fields, param.Name)
			}
		}
		if len(fields) > 0 {
			list = append(list, badInput{name: "no id", fields: strings.Join(fields, " "), do: func(c client) error { return m.do(ctx, c) }})
		}
	}
	return list
}

// errorOf drops the result of a call.
func errorOf[T any](_ T, err error) error { return err }
