package suite_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
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
