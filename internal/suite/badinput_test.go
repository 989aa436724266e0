package suite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	for _, bad := range slices.Concat(badCredentials(), badURLs(), badClients(), badParams(), badOptions(), badAnswers()) {
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
	} {
		list = append(list, badInput{name: name, fields: "credentials", do: func(*infinitysip.Client) error {
			return errorOf(infinitysip.NewClient(credentials))
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
			name: "every option at once", fields: "WithHTTPClient WithUserAgent WithRateLimit WithRateLimit WithRetryPolicy WithLimits WithReadAhead WithReadAhead credentials WithBaseURL",
			do: func(*infinitysip.Client) error {
				return errorOf(infinitysip.NewClient(infinitysip.APIKey(""), infinitysip.WithBaseURL("x"), infinitysip.WithHTTPClient(nil), infinitysip.WithUserAgent("a\nb"),
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
	calls := maps.Clone(endpointIterators)
	for name, call := range endpointCalls {
		calls[name] = call.every
	}
	for _, call := range calls {
		list = append(list,
			badInput{name: "nil context", fields: "ctx", do: func(client *infinitysip.Client) error {
				var none context.Context
				return call(none, client)
			}},
			badInput{name: "zero Client", fields: "client", do: func(*infinitysip.Client) error {
				return call(context.Background(), new(infinitysip.Client))
			}},
			badInput{name: "zero service", fields: "client", do: func(*infinitysip.Client) error {
				return call(context.Background(), &infinitysip.Client{
					Domains: infinitysip.DomainsService{}, Users: infinitysip.UsersService{}, Groups: infinitysip.GroupsService{},
					Queues: infinitysip.QueuesService{}, TrustedNetworks: infinitysip.TrustedNetworksService{}, Devices: infinitysip.DevicesService{},
				})
			}},
		)
	}
	return list
}

func badParams() []badInput {
	ctx := context.Background()
	type client = *infinitysip.Client
	group := infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName}"}
	member := infinitysip.QueueMemberCreateParams{GroupID: 1, RingStrategy: infinitysip.RingAll}
	list := []badInput{
		{name: "zero id", fields: "userId", do: func(c client) error { return errorOf(c.Users.Get(ctx, 1, 0)) }},
		{name: "negative ids", fields: "domainId userId pbxDeviceId", do: func(c client) error { return c.Users.RemoveDevice(ctx, -1, 0, -2) }},
		{name: "zero id in a form", fields: "pbxDeviceId", do: func(c client) error { return errorOf(c.Users.AddDevice(ctx, 1, 1, 0)) }},
		{name: "zero id in an update", fields: "groupId", do: func(c client) error {
			return c.Queues.UpdateMember(ctx, 1, 1, 1, infinitysip.QueueMemberUpdateParams{GroupID: new(infinitysip.GroupID(0))})
		}},
		{name: "negative phone", fields: "ukPhoneId usPhoneId", do: func(c client) error {
			params := newUser()
			params.UKPhoneID, params.USPhoneID = -1, -2
			return errorOf(c.Users.Create(ctx, 1, params))
		}},

		{name: "user with nothing", fields: "user password displayName extensionNumber", do: func(c client) error {
			return errorOf(c.Users.Create(ctx, 1, infinitysip.UserCreateParams{}))
		}},
		{name: "group with nothing, in no domain", fields: "domainId groupName displayName extensionNumber callerNameFormat", do: func(c client) error {
			return errorOf(c.Groups.Create(ctx, 0, infinitysip.GroupCreateParams{}))
		}},
		{name: "queue with nothing", fields: "queueName displayName extensionNumber", do: func(c client) error {
			return errorOf(c.Queues.Create(ctx, 1, infinitysip.QueueCreateParams{}))
		}},
		{name: "member with nothing", fields: "groupId ringStrategy", do: func(c client) error {
			return errorOf(c.Queues.CreateMember(ctx, 1, 1, infinitysip.QueueMemberCreateParams{}))
		}},
		{name: "network with nothing", fields: "network", do: func(c client) error {
			return errorOf(c.TrustedNetworks.Create(ctx, 1, infinitysip.TrustedNetworkCreateParams{}))
		}},
		{name: "device with nothing", fields: "pbxDeviceName deviceMacAddress", do: func(c client) error {
			return errorOf(c.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{}))
		}},
		{name: "update of a domain with nothing", fields: "displayName", do: func(c client) error { return c.Domains.Update(ctx, 1, infinitysip.DomainUpdateParams{}) }},
		{name: "update of a group with nothing", fields: "groupName displayName extensionNumber", do: func(c client) error { return c.Groups.Update(ctx, 1, 1, infinitysip.GroupUpdateParams{}) }},
		{name: "update of a device with nothing", fields: "pbxDeviceName", do: func(c client) error { return c.Devices.Update(ctx, 1, 1, infinitysip.DeviceUpdateParams{}) }},
		{name: "update of a user with nothing", fields: "params", do: func(c client) error { return c.Users.Update(ctx, 1, 1, infinitysip.UserUpdateParams{}) }},
		{name: "update of a queue with nothing", fields: "params", do: func(c client) error { return c.Queues.Update(ctx, 1, 1, infinitysip.QueueUpdateParams{}) }},
		{name: "update of a member with nothing", fields: "params", do: func(c client) error {
			return c.Queues.UpdateMember(ctx, 1, 1, 1, infinitysip.QueueMemberUpdateParams{})
		}},
		{name: "update of a network with nothing", fields: "params", do: func(c client) error {
			return c.TrustedNetworks.Update(ctx, 1, 1, infinitysip.TrustedNetworkUpdateParams{})
		}},

		{name: "no CIDR in an update", fields: "network", do: func(c client) error {
			return c.TrustedNetworks.Update(ctx, 1, 1, infinitysip.TrustedNetworkUpdateParams{Network: new(netip.Prefix{})})
		}},
		{name: "no CIDR, of too many bits", fields: "network", do: func(c client) error {
			return errorOf(c.TrustedNetworks.Create(ctx, 1, infinitysip.TrustedNetworkCreateParams{Network: netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 33)}))
		}},
		{name: "another ring strategy", fields: "ringStrategy", do: func(c client) error {
			return c.Queues.UpdateMember(ctx, 1, 1, 1, infinitysip.QueueMemberUpdateParams{RingStrategy: new(infinitysip.RingStrategy("ALL"))})
		}},
		{name: "negative counts", fields: "ringAttempts ringSecs ringOrder", do: func(c client) error {
			params := member
			params.RingAttempts, params.RingSecs, params.RingOrder = -1, -2, -3
			return errorOf(c.Queues.CreateMember(ctx, 1, 1, params))
		}},
		{name: "negative counts in an update", fields: "ringAttempts ringSecs", do: func(c client) error {
			return c.Queues.UpdateMember(ctx, 1, 1, 1, infinitysip.QueueMemberUpdateParams{RingAttempts: new(-1), RingSecs: new(-1)})
		}},

		{name: "LF, NUL and invalid UTF-8 in a new user", fields: "user password email", do: func(c client) error {
			params := newUser()
			params.User, params.Password, params.Email = "joe\nblogs", infinitysip.NewSecret(canaryPassword+"\x00"), "\xff"
			return errorOf(c.Users.Create(ctx, 1, params))
		}},
		{name: "CR in an update", fields: "firstName", do: func(c client) error {
			return c.Users.Update(ctx, 1, 1, infinitysip.UserUpdateParams{FirstName: new("a\rb")})
		}},
		{name: "LF in a secret of an update", fields: "password pin", do: func(c client) error {
			return c.Users.Update(ctx, 1, 1, infinitysip.UserUpdateParams{Password: new(infinitysip.NewSecret(canaryPassword + "\n")), PIN: new(infinitysip.NewSecret(canaryPIN + "\r"))})
		}},
		{name: "NUL in a group", fields: "groupName displayName extensionNumber callerNameFormat", do: func(c client) error {
			return c.Groups.Update(ctx, 1, 1, infinitysip.GroupUpdateParams{Name: "\x00", DisplayName: "\x00", ExtensionNumber: "\x00", CallerNameFormat: "\x00"})
		}},
		{name: "LF in a description", fields: "description", do: func(c client) error {
			return c.TrustedNetworks.Update(ctx, 1, 1, infinitysip.TrustedNetworkUpdateParams{Description: new("a\nb")})
		}},

		{name: "no users to add", fields: "userSpec", do: func(c client) error { return c.Groups.AddUsers(ctx, 1, 1, nil) }},
		{name: "no users to remove", fields: "userSpec", do: func(c client) error { return c.Groups.RemoveUsers(ctx, 1, 1, []infinitysip.UserID{}) }},
		{name: "zero among the users to remove", fields: "userSpec", do: func(c client) error { return c.Groups.RemoveUsers(ctx, 1, 1, []infinitysip.UserID{1, 0}) }},
		{name: "zero as the last of many users", fields: "userSpec", do: func(c client) error {
			return c.Groups.AddUsers(ctx, 1, 1, append(numbered[infinitysip.UserID](1199), 0))
		}},
		{name: "no groups to add", fields: "groupSpec", do: func(c client) error { return c.Users.AddGroups(ctx, 1, 1, nil) }},
		{name: "negative group to add", fields: "groupSpec", do: func(c client) error { return c.Users.AddGroups(ctx, 1, 1, []infinitysip.GroupID{-1}) }},
		{name: "empty order", fields: "queueMemberId", do: func(c client) error { return c.Queues.SetMemberOrder(ctx, 1, 1, nil) }},
		{name: "doubled id in an order", fields: "queueMemberId", do: func(c client) error {
			return c.Queues.SetMemberOrder(ctx, 1, 1, []infinitysip.QueueMemberID{1, 2, 1})
		}},
		{name: "order of more than the server keeps", fields: "queueMemberId", do: func(c client) error {
			return c.Queues.SetMemberOrder(ctx, 1, 1, numbered[infinitysip.QueueMemberID](1001))
		}},
	}
	for _, mac := range []string{"02:00:5e:10:00:00:00:01", "10:20:30", "10:20:30:1a:2b", "10:20:30:1a:2b:3g", "x", " 10:20:30:1a:2b:3c", "10:20:30:1a:2b:3c\n"} {
		list = append(list, badInput{name: fmt.Sprintf("MAC %q", mac), fields: "deviceMacAddress", do: func(c client) error {
			return errorOf(c.Devices.Create(ctx, 1, infinitysip.DeviceCreateParams{Name: "x", MACAddress: mac}))
		}})
	}
	for _, format := range []infinitysip.CallerNameFormat{"{name}", "{displayName", "displayName}", "{displayName{dgrpName}}", "{}", "{ displayName }", "}{", "{displayName}}"} {
		list = append(list,
			badInput{name: fmt.Sprintf("format %q", format), fields: "callerNameFormat", do: func(c client) error {
				params := group
				params.CallerNameFormat = format
				return errorOf(c.Groups.Create(ctx, 1, params))
			}},
			badInput{name: fmt.Sprintf("format %q", format), fields: "callerNameFormat", do: func(c client) error {
				return c.Queues.Update(ctx, 1, 1, infinitysip.QueueUpdateParams{CallerNameFormat: new(format)})
			}},
		)
	}
	return list
}

func badOptions() []badInput {
	type field = infinitysip.Field[infinitysip.Device]
	f := infinitysip.DeviceFields
	where := infinitysip.Where[infinitysip.Device]
	var list []badInput
	for _, test := range []struct {
		name, fields string
		opts         infinitysip.DeviceListOptions
	}{
		{"negative limit", "limit", infinitysip.DeviceListOptions{Limit: -1}},
		{"negative offset", "offset", infinitysip.DeviceListOptions{Offset: -1}},
		{"zero filter", "filter[0]", infinitysip.DeviceListOptions{Filter: where(infinitysip.Filter[infinitysip.Device]{})}},
		{"filter on no field", "filter[0]", infinitysip.DeviceListOptions{Filter: where(field("").Eq(1))}},
		{"filter on a field with a hyphen", "filter[0]", infinitysip.DeviceListOptions{Filter: where(field("a-b").Eq(1))}},
		{"filter on a field with a line break", "filter[0]", infinitysip.DeviceListOptions{Filter: where(field("a\n").Eq(1))}},
		{"filter by nil", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Eq(nil))}},
		{"filter by a float", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Eq(1.5))}},
		{"filter by a pointer", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Eq(new("x")))}},
		{"filter by a slice", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Eq([]string{"x"}))}},
		{"filter by a secret", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Eq(infinitysip.NewSecret(canaryPassword)))}},
		{"comma in an element of In", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.In("a", "b,c"))}},
		{"In of nothing", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.In())}},
		{"float in an element of NotInFold", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.NotInFold("a", 1.5))}},
		{"filter by no network", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.InNetwork(netip.Prefix{}))}},
		{"filter by a line break", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Eq("a\r\nb"))}},
		{"filter by a NUL", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Contains("\x00"))}},
		{"filter by invalid UTF-8", "filter[0]", infinitysip.DeviceListOptions{Filter: where(f.Name.Contains("\xff"))}},
		{"zero sort", "sort[0]", infinitysip.DeviceListOptions{Sort: infinitysip.OrderBy(infinitysip.Sort[infinitysip.Device]{})}},
		{"sort by a field with a hyphen", "sort[0]", infinitysip.DeviceListOptions{Sort: infinitysip.OrderBy(field("a-b").Asc())}},
		{"all of an option at once", "filter[1] filter[1] limit offset", infinitysip.DeviceListOptions{Filter: where(f.Name.Eq("x"), field("a-b").Eq(1.5)), Limit: -1, Offset: -2}},
	} {
		list = append(list,
			badInput{name: test.name, fields: test.fields, do: func(c *infinitysip.Client) error {
				return errorOf(c.Devices.List(context.Background(), 1, &test.opts))
			}},
			badInput{name: test.name, fields: test.fields, do: func(c *infinitysip.Client) error {
				return firstRow(c.Devices.All(context.Background(), 1, &test.opts))
			}},
		)
	}
	return list
}

// badAnswers are the server's.
func badAnswers() []badInput {
	// body has the server give this in place of its own answer, once, without
	// doing what it was asked.
	body := func(status int, text string) func(call) faults {
		return func(c call) faults { return faults{faultOn(c.op).Times(1).Status(status).Body(text)} }
	}
	once := hits{"call": 1}
	list := []badInput{
		{name: "HTML with 200", answer: fault{
			calls: reads, faults: body(200, "\n <!DOCTYPE html><html><body>Log in</body></html>"),
			outcome: notApplied, says: "HTML", hits: once,
		}},
		{name: "HTML with 200", answer: fault{
			calls: slices.Concat(updates, adds), setUp: furnish, faults: body(200, "<html><body>Log in</body></html>"),
			outcome: unknown, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "HTML with 200", answer: fault{
			calls: slices.Concat(creates, []call{usersAddDevice}), faults: body(200, "<html><body>Log in</body></html>"),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		{name: "HTML with 201", answer: fault{
			calls: []call{usersUpdate}, faults: body(201, "<html>"),
			outcome: unknown, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "an error with 200", answer: fault{
			calls: reads, faults: body(200, `{"error":"access denied"}`),
			outcome: notApplied, says: "row 1: no field of this kind of row is in it", hits: once,
		}},
		{name: "an error with 200", answer: fault{
			calls: []call{usersUpdate, usersDelete, groupsAddUsers}, faults: body(200, `{"error":"access denied"}`),
			outcome: unknown, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "an error with 200", answer: fault{
			calls: slices.Concat(creates, []call{usersAddDevice}), faults: body(200, `{"error":"exists"}`),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		{name: "204 for a create", answer: fault{
			calls: slices.Concat(creates, []call{usersAddDevice}), faults: body(204, ""),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		{name: "204 for a read", answer: fault{
			calls: reads, faults: body(204, ""),
			outcome: notApplied, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "invalid UTF-8", answer: fault{
			calls: reads, faults: body(200, "{\"userId\":\"1\",\"user\":\"\xff\"}"),
			outcome: notApplied, says: "row 1: ", hits: once,
		}},
		{name: "nesting of 20,000", answer: fault{
			calls: reads, faults: body(200, `{"userId":"1","x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`),
			outcome: notApplied, says: "row 1: ", hits: once,
		}},
		{name: "PHP's last words", answer: fault{
			calls: []call{usersList, usersAll}, setUp: furnish, faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte { return append(body, "Fatal error: out of memory"...) })}
			},
			outcome: notApplied, says: "row 6: ", hits: once,
		}},
		{name: "two objects on a line", answer: fault{
			calls: []call{usersList, usersAll}, setUp: furnish, faults: rewritten("}\n{", "}{"),
			outcome: notApplied, says: "row ", hits: once,
		}},
		{name: "two objects on a line", answer: fault{
			calls: []call{usersList, usersAll}, setUp: furnish, faults: rewritten("}\n{", "} {"),
			outcome: notApplied, says: "row ", hits: once,
		}},
		{name: "an object over several lines", answer: fault{
			calls: []call{usersList, usersAll}, faults: body(200, "{\n  \"userId\": \"1\"\n}\n"),
			outcome: notApplied, says: "row 1: ", hits: once,
		}},

		{name: "no row", answer: fault{calls: []call{usersGet}, faults: body(200, ""), outcome: notApplied, says: "no row", hits: once}},
		{name: "no row", answer: fault{calls: []call{usersGet}, faults: body(200, "[]"), outcome: notApplied, says: "no row", hits: once}},
		{name: "two rows", answer: fault{calls: []call{usersGet}, faults: body(200, `{"userId":"1"}`+"\n"+`{"userId":"1"}`), outcome: notApplied, says: "more than one row", hits: once}},
		{name: "two rows", answer: fault{calls: []call{usersGet}, faults: body(200, `[{"userId":"1"},{"userId":"1"}]`), outcome: notApplied, says: "more than one row", hits: once}},
		{name: "another id's row", answer: fault{calls: []call{usersGet}, faults: body(200, `{"userId":"11"}`), outcome: notApplied, says: "this is the row of another id, 11", hits: once}},

		{name: "201 without the id", answer: fault{
			calls: []call{devicesCreate}, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).Body("{}")} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1}, // which finds it
		}},
		{name: "201 without the id", answer: fault{
			calls: []call{devicesCreate}, faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(`{"pbxDeviceId":""}`), faultOn(c.look).Times(3).Status(403)}
			},
			applied: true, outcome: applied, says: "created, but its id is not known", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		}},
	}
	for name, text := range map[string]string{
		"201 of an association without anything": `{}`, "201 of an association without a token": `{"pbxDeviceId":"1","userId":"1"}`,
		"201 of another association": `{"pbxDeviceId":"9","userId":"8","pbxDeviceToken":"` + canaryPIN + `"}`, "201 of an association, HTML": "<html>",
	} {
		list = append(list, badInput{name: name, answer: fault{
			calls: []call{usersAddDevice}, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).Body(text)} },
			applied: true, outcome: applied, is: []error{infinitysip.ErrTokenLost}, hits: once,
		}})
	}

	// Rows that are none, after one that is.
	for name, row := range map[string]string{"null": "null", "number": "7", "string": `"x"`, "bool": "true", "array": `[{"userId":"2"}]`} {
		list = append(list, badInput{name: "row that is " + name, answer: fault{
			calls: []call{usersList, usersAll}, faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte { return append(body, row...) })}
			},
			outcome: notApplied, says: "row 2: ", hits: once,
		}})
		list = append(list, badInput{name: "row that is " + name, answer: fault{
			calls: []call{usersList}, faults: body(200, `[{"userId":"1"},`+row+`]`),
			outcome: notApplied, says: "row 2: ", hits: once,
		}})
	}
	// Values that their field cannot hold.
	for name, test := range map[string]struct{ member, says string }{
		"id that is empty":        {`"userId":""`, `userId: "" is not an id`},
		"id that is text":         {`"userId":"abc"`, `userId: "abc" is not a whole number`},
		"id that is a fraction":   {`"userId":"1.5"`, `userId: "1.5" is not a whole number`},
		"id that is 2^63":         {`"userId":"9223372036854775808"`, `userId: "9223372036854775808" is not a whole number of 64 bits`},
		"id that is a bare 2^63":  {`"userId":9223372036854775808`, `userId: "9223372036854775808" is not a whole number of 64 bits`},
		"id that is zero":         {`"userId":0`, `userId: "0" is not an id`},
		"id that is negative":     {`"userId":"-1"`, `userId: "-1" is not an id`},
		"id that is a list":       {`"userId":[1]`, `userId: want one value`},
		"other id that is text":   {`"userId":"1","domainId":"abc"`, `domainId: "abc" is not a whole number`},
		"name that is an object":  {`"userId":"1","user":{}`, `user: want one value`},
		"flag that is neither":    {`"userId":"1","dashboard":"2"`, `dashboard: "2" is not a flag`},
		"row of something else's": {`"mapId":"3"`, `no field of this kind of row is in it`},
	} {
		list = append(list,
			badInput{name: name, answer: fault{
				calls: reads, faults: body(200, "{"+test.member+"}"),
				outcome: notApplied, says: "row 1: " + test.says, hits: once,
			}},
			badInput{name: name, answer: fault{
				calls: []call{usersList, usersAll}, faults: func(c call) faults {
					return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte { return append(body, "{"+test.member+"}"...) })}
				},
				outcome: notApplied, says: "row 2: " + test.says, hits: once,
			}},
		)
	}
	for _, date := range []string{"2019-02-30 00:00:00", "2019-13-01 00:00:00", "31/10/2019", "yesterday"} {
		list = append(list, badInput{name: "impossible date " + date, answer: fault{
			calls: []call{devicesList}, faults: body(200, `{"pbxDeviceId":"1","createDatetime":"`+date+`"}`),
			outcome: notApplied, says: `row 1: createDatetime: "` + date + `" is not a time`, hits: once,
		}})
	}

	// Answers that the page does not have.
	for _, status := range []int{202, 205, 206, 999} {
		name := fmt.Sprintf("status %d", status)
		list = append(list,
			badInput{name: name, answer: fault{
				calls: reads, faults: body(status, `{"userId":"1"}`),
				outcome: notApplied, says: fmt.Sprintf(": %d", status), hits: once,
			}},
			badInput{name: name, answer: fault{
				calls: slices.Concat(updates, adds), setUp: furnish, faults: body(status, ""),
				outcome: unknown, says: fmt.Sprintf(": %d", status), hits: once,
			}},
			badInput{name: name, answer: fault{
				calls: []call{usersCreate, devicesCreate, usersAddDevice}, faults: body(status, ""),
				outcome: unknown, says: fmt.Sprintf(": %d", status), hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
			}},
		)
	}
	list = append(list, badInput{name: "status 202", answer: fault{ // and it is made all the same
		everywhere: true, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(202)} },
		applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
	}})
	raw := func(text string, times int) func(call) faults {
		return func(c call) faults { return faults{faultOn(c.op).Times(times).Raw(text)} }
	}
	const nothing = "HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nhi"
	const lengths = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Length: 2\r\n\r\n{\"userId\":\"1\"}"
	list = append(list,
		badInput{name: "status 000", answer: fault{calls: reads, faults: raw(nothing, 1), outcome: notApplied, says: "hi", hits: once}},
		badInput{name: "status 000", answer: fault{calls: []call{usersUpdate, groupsAddUsers}, faults: raw(nothing, 1), outcome: unknown, says: "hi", hits: once}},
		badInput{name: "status 000", answer: fault{
			calls: creates, faults: raw(nothing, 1),
			outcome: unknown, says: "hi", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		badInput{name: "two Content-Lengths", answer: fault{calls: reads, faults: raw(lengths, 4), outcome: notApplied, says: "Content-Length", hits: hits{"call": 4}, most: 3500 * time.Millisecond}},
		badInput{name: "two Content-Lengths", answer: fault{calls: []call{usersUpdate}, faults: raw(lengths, 3), outcome: unknown, says: "Content-Length", hits: hits{"call": 3}, most: 1500 * time.Millisecond}},
		badInput{name: "two Content-Lengths", answer: fault{
			calls: creates, faults: raw(lengths, 1),
			outcome: unknown, says: "Content-Length", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		}},
	)
	for name, text := range map[string]string{
		"answer that is no HTTP":           "SSH-2.0-OpenSSH_9.6\r\n",
		"answer that is no HTTP, and long": strings.Repeat("x", 1<<20) + "\r\n",
		"status that is no number":         "HTTP/1.1 2\x1b[31m\xff0 OK\r\n\r\n",
		"header that is none, and long":    "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"header that echoes the password":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x01" + canaryPassword + "\r\n\r\n",
	} {
		list = append(list, badInput{name: name, answer: fault{
			calls: []call{usersUpdate}, faults: raw(text, 3), outcome: unknown, says: "HTTP", hits: hits{"call": 3}, most: 1500 * time.Millisecond,
		}})
	}

	// Bodies of errors.
	quoted, _ := json.Marshal(canaryPassword)
	for name, test := range map[string]struct{ body, says string }{
		"error body that is huge":                         {strings.Repeat("é", 1<<20), "…"},
		"error body that is binary":                       {"a\x00b\x1b[31mc\xff\r\nd", ": 409 Conflict: a b [31mc d"},
		"error body that is empty":                        {"", ": 409 Conflict"},
		"error body that is HTML":                         {"<html><head><title>No</title></head><body><script>x</script></body></html>", ": 409 Conflict: No"},
		"error body that echoes the password":             {"the password " + canaryPassword + " is bad", ": the password [redacted] is bad"},
		"error body that echoes the password, in JSON":    {`{"message":` + string(quoted) + `}`, ": [redacted]"},
		"error body that echoes the password, in a form":  {"password=" + url.QueryEscape(canaryPassword) + "&x=1", ": password=[redacted]&x=1"},
		"error body that echoes the credential":           {"no key " + canaryKey, ": no key [redacted]"},
		"error body that echoes the password at its end":  {strings.Repeat("x", 16<<10-5) + canaryPassword, "…"},
		"error body that echoes the password a 100 times": {strings.Repeat(canaryPassword+"\n", 100), "[redacted] [redacted]"},
	} {
		list = append(list, badInput{name: name, answer: fault{
			calls: []call{usersCreate, usersUpdate}, faults: body(409, test.body),
			outcome: notApplied, is: []error{infinitysip.ErrConflict}, says: test.says, hits: once,
		}})
	}
	return list
}
