package suite_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// endpoint is one endpoint as testdata/endpoints.json has it.
type endpoint struct {
	SDK, Title, Method, Path string
	Status                   int
	Query                    []string
	Form                     []struct {
		Name, Type string
		Optional   bool
	}
}

// readEndpoints returns the endpoints by the names of their methods.
func readEndpoints(t *testing.T) map[string]endpoint {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/endpoints.json")
	require.NoError(t, err)
	var list []endpoint
	require.NoError(t, json.Unmarshal(raw, &list))
	require.Len(t, list, 43)
	byName := make(map[string]endpoint)
	for _, e := range list {
		byName[e.SDK] = e
	}
	require.Len(t, byName, 43)
	return byName
}

// The ids of the calls, each another, so that a swap shows in the path; and a
// row that may be the row of any of them.
var endpointIDs = strings.NewReplacer("{domainId}", "11", "{userId}", "22", "{groupId}", "33", "{queueId}", "44",
	"{queueMemberId}", "55", "{trustedNetworkId}", "66", "{pbxDeviceId}", "77")

const endpointRow = `{"domainId":"11","userId":"22","groupId":"33","queueId":"44","queueMemberId":"55","trustedNetworkId":"66","pbxDeviceId":"77","pbxDeviceToken":"t0ken"}`

// endpointCall calls a method with every parameter, and with the required
// ones alone: zero where the package takes zero. required is nil for a method
// that has no optional parameter.
type endpointCall struct {
	every, required func(context.Context, *infinitysip.Client) error
}

// errorOf drops the result of a call.
func errorOf[T any](_ T, err error) error { return err }

// everyOption sets all that a list takes.
func everyOption[R any](field infinitysip.Field[R]) *infinitysip.ListOptions[R] {
	return &infinitysip.ListOptions[R]{
		Filter: infinitysip.Where(field.Ge(1)),
		Sort:   infinitysip.OrderBy(field.Desc()),
		Limit:  5,
		Offset: 10,
	}
}

var endpointCalls = map[string]endpointCall{
	"Domains.List": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Domains.List(ctx))
	}},
	"Domains.Get": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Domains.Get(ctx, 11))
	}},
	"Domains.Update": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Domains.Update(ctx, 11, infinitysip.DomainUpdateParams{DisplayName: "Acme", Rec: true})
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Domains.Update(ctx, 11, infinitysip.DomainUpdateParams{DisplayName: "Acme"})
		},
	},

	"Users.List": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Users.List(ctx, 11))
	}},
	"Users.Get": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Users.Get(ctx, 11, 22))
	}},
	"Users.Create": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.Create(ctx, 11, infinitysip.UserCreateParams{
				User:            "joe.blogs",
				Password:        infinitysip.NewSecret(canaryPassword),
				DisplayName:     "Joe Blogs",
				ExtensionNumber: "0201",
				PIN:             infinitysip.NewSecret(canaryPIN),
				Email:           "joe.blogs@company.com",
				FirstName:       "Joe",
				LastName:        "Blogs",
				JobName:         "Buyer",
				DepartmentName:  "Sales",
				CompanyName:     "Company",
				OfficeName:      "Leeds",
				UKCallerID:      "0123456789",
				USCallerID:      "12025550100",
				MobileNumber:    "07700900123",
				MobileFollow:    new(true),
				UKPhoneID:       88,
				USPhoneID:       99,
				HotdeskAllowed:  new(true),
				Dashboard:       new(true),
			}))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.Create(ctx, 11, infinitysip.UserCreateParams{
				User:            "joe.blogs",
				Password:        infinitysip.NewSecret(canaryPassword),
				DisplayName:     "Joe Blogs",
				ExtensionNumber: "0201",
			}))
		},
	},
	"Users.Update": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Users.Update(ctx, 11, 22, infinitysip.UserUpdateParams{
				Password:        new(infinitysip.NewSecret(canaryPassword)),
				DisplayName:     new("Joe Blogs"),
				PIN:             new(infinitysip.NewSecret(canaryPIN)),
				Email:           new("joe.blogs@company.com"),
				FirstName:       new("Joe"),
				LastName:        new("Blogs"),
				JobName:         new("Buyer"),
				DepartmentName:  new("Sales"),
				CompanyName:     new("Company"),
				OfficeName:      new("Leeds"),
				ExtensionNumber: new("0201"),
				UKCallerID:      new("0123456789"),
				USCallerID:      new("12025550100"),
				MobileNumber:    new("07700900123"),
				MobileFollow:    new(true),
				HotdeskAllowed:  new(true),
				Dashboard:       new(true),
			})
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Users.Update(ctx, 11, 22, infinitysip.UserUpdateParams{})
		},
	},
	"Users.Delete": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Users.Delete(ctx, 11, 22)
	}},
	"Users.ListDevices": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.ListDevices(ctx, 11, 22, everyOption(infinitysip.UserDeviceFields.DeviceID)))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.ListDevices(ctx, 11, 22, nil))
		},
	},
	"Users.GetDevice": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Users.GetDevice(ctx, 11, 22, 77))
	}},
	"Users.AddDevice": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Users.AddDevice(ctx, 11, 22, 77))
	}},
	"Users.RemoveDevice": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Users.RemoveDevice(ctx, 11, 22, 77)
	}},
	"Users.ListGroups": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.ListGroups(ctx, 11, 22, everyOption(infinitysip.UserGroupFields.GroupID)))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Users.ListGroups(ctx, 11, 22, nil))
		},
	},
	"Users.AddGroups": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Users.AddGroups(ctx, 11, 22, []infinitysip.GroupID{33})
	}},

	"Groups.List": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Groups.List(ctx, 11))
	}},
	"Groups.Get": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Groups.Get(ctx, 11, 33))
	}},
	"Groups.Create": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Groups.Create(ctx, 11, infinitysip.GroupCreateParams{
				Name:             "sales",
				DisplayName:      "Sales Dept",
				ExtensionNumber:  "0301",
				RingRetry:        true,
				RingExclusive:    true,
				CallerNameFormat: "{displayName}",
			}))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Groups.Create(ctx, 11, infinitysip.GroupCreateParams{
				Name:             "sales",
				DisplayName:      "Sales Dept",
				ExtensionNumber:  "0301",
				CallerNameFormat: "{displayName}",
			}))
		},
	},
	"Groups.Update": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Groups.Update(ctx, 11, 33, infinitysip.GroupUpdateParams{
				Name:             "sales",
				DisplayName:      "Sales Dept",
				ExtensionNumber:  "0301",
				RingRetry:        true,
				RingExclusive:    true,
				CallerNameFormat: "{displayName}",
			})
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Groups.Update(ctx, 11, 33, infinitysip.GroupUpdateParams{
				Name:            "sales",
				DisplayName:     "Sales Dept",
				ExtensionNumber: "0301",
			})
		},
	},
	"Groups.Delete": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Groups.Delete(ctx, 11, 33)
	}},
	"Groups.ListUsers": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Groups.ListUsers(ctx, 11, 33))
	}},
	"Groups.AddUsers": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Groups.AddUsers(ctx, 11, 33, []infinitysip.UserID{22})
	}},
	"Groups.RemoveUsers": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Groups.RemoveUsers(ctx, 11, 33, []infinitysip.UserID{22})
	}},

	"Queues.List": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Queues.List(ctx, 11, everyOption(infinitysip.QueueFields.ID)))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Queues.List(ctx, 11, nil))
		},
	},
	"Queues.Get": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Queues.Get(ctx, 11, 44))
	}},
	"Queues.Create": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Queues.Create(ctx, 11, infinitysip.QueueCreateParams{
				Name:             "sales",
				DisplayName:      "Sales Dept",
				ExtensionNumber:  "0401",
				CallerNameFormat: "{displayName}",
			}))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Queues.Create(ctx, 11, infinitysip.QueueCreateParams{
				Name:            "sales",
				DisplayName:     "Sales Dept",
				ExtensionNumber: "0401",
			}))
		},
	},
	"Queues.Update": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Queues.Update(ctx, 11, 44, infinitysip.QueueUpdateParams{
				Name:             new("sales"),
				DisplayName:      new("Sales Dept"),
				ExtensionNumber:  new("0401"),
				CallerNameFormat: new(infinitysip.CallerNameFormat("{displayName}")),
			})
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Queues.Update(ctx, 11, 44, infinitysip.QueueUpdateParams{})
		},
	},
	"Queues.Delete": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Queues.Delete(ctx, 11, 44)
	}},
	"Queues.ListMembers": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Queues.ListMembers(ctx, 11, 44))
	}},
	"Queues.GetMember": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Queues.GetMember(ctx, 11, 44, 55))
	}},
	"Queues.CreateMember": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Queues.CreateMember(ctx, 11, 44, infinitysip.QueueMemberCreateParams{
				GroupID:      33,
				RingStrategy: infinitysip.RingHuntLongestIdle,
				RingAttempts: 2,
				RingSecs:     20,
				RingOrder:    1,
			}))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Queues.CreateMember(ctx, 11, 44, infinitysip.QueueMemberCreateParams{
				GroupID:      33,
				RingStrategy: infinitysip.RingAll,
			}))
		},
	},
	"Queues.UpdateMember": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Queues.UpdateMember(ctx, 11, 44, 55, infinitysip.QueueMemberUpdateParams{
				GroupID:      new(infinitysip.GroupID(33)),
				RingStrategy: new(infinitysip.RingAll),
				RingAttempts: new(2),
				RingSecs:     new(20),
				RingOrder:    new(1),
			})
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return c.Queues.UpdateMember(ctx, 11, 44, 55, infinitysip.QueueMemberUpdateParams{})
		},
	},
	"Queues.DeleteMember": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Queues.DeleteMember(ctx, 11, 44, 55)
	}},
	"Queues.SetMemberOrder": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Queues.SetMemberOrder(ctx, 11, 44, []infinitysip.QueueMemberID{55})
	}},

	"TrustedNetworks.List": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.TrustedNetworks.List(ctx, 11, everyOption(infinitysip.TrustedNetworkFields.ID)))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.TrustedNetworks.List(ctx, 11, nil))
		},
	},
	"TrustedNetworks.Get": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.TrustedNetworks.Get(ctx, 11, 66))
	}},
	"TrustedNetworks.Create": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.TrustedNetworks.Create(ctx, 11, infinitysip.TrustedNetworkCreateParams{
				Network:     netip.MustParsePrefix("10.0.20.10/24"),
				Description: "office",
			}))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.TrustedNetworks.Create(ctx, 11, infinitysip.TrustedNetworkCreateParams{
				Network: netip.MustParsePrefix("10.0.20.10/24"),
			}))
		},
	},
	"TrustedNetworks.Update": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return c.TrustedNetworks.Update(ctx, 11, 66, infinitysip.TrustedNetworkUpdateParams{
				Network:     new(netip.MustParsePrefix("10.0.20.10/24")),
				Description: new("office"),
			})
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return c.TrustedNetworks.Update(ctx, 11, 66, infinitysip.TrustedNetworkUpdateParams{})
		},
	},
	"TrustedNetworks.Delete": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.TrustedNetworks.Delete(ctx, 11, 66)
	}},

	"Devices.List": {
		every: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Devices.List(ctx, 11, everyOption(infinitysip.DeviceFields.ID)))
		},
		required: func(ctx context.Context, c *infinitysip.Client) error {
			return errorOf(c.Devices.List(ctx, 11, nil))
		},
	},
	"Devices.Get": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Devices.Get(ctx, 11, 77))
	}},
	"Devices.Create": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return errorOf(c.Devices.Create(ctx, 11, infinitysip.DeviceCreateParams{Name: "My PBX Device 1", MACAddress: "10:20:30:1A:2B:3C"}))
	}},
	"Devices.Update": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Devices.Update(ctx, 11, 77, infinitysip.DeviceUpdateParams{Name: "My PBX Device 1"})
	}},
	"Devices.Delete": {every: func(ctx context.Context, c *infinitysip.Client) error {
		return c.Devices.Delete(ctx, 11, 77)
	}},
}

// endpointIterators are the All… methods, each taken to its first row.
var endpointIterators = map[string]func(context.Context, *infinitysip.Client) error{
	"Domains.All": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Domains.All(ctx))
	},
	"Users.All": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Users.All(ctx, 11))
	},
	"Users.AllDevices": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Users.AllDevices(ctx, 11, 22, nil))
	},
	"Users.AllGroups": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Users.AllGroups(ctx, 11, 22, nil))
	},
	"Groups.All": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Groups.All(ctx, 11))
	},
	"Groups.AllUsers": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Groups.AllUsers(ctx, 11, 33))
	},
	"Queues.All": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Queues.All(ctx, 11, nil))
	},
	"Queues.AllMembers": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Queues.AllMembers(ctx, 11, 44))
	},
	"TrustedNetworks.All": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.TrustedNetworks.All(ctx, 11, nil))
	},
	"Devices.All": func(ctx context.Context, c *infinitysip.Client) error {
		return firstRow(c.Devices.All(ctx, 11, nil))
	},
}

func firstRow[R any](rows iter.Seq2[R, error]) error {
	next, stop := iter.Pull2(rows)
	defer stop()
	_, err, ok := next()
	if !ok {
		return errors.New("no row")
	}
	return err
}

// listOf names the List… method of an All… one.
func listOf(name string) string { return strings.Replace(name, ".All", ".List", 1) }

// success answers as the API's page has it for an endpoint.
func success(e endpoint) *stub {
	if e.Status == http.StatusNoContent {
		return always(e.Status, "")
	}
	return always(e.Status, endpointRow+"\n")
}

// requireEndpoint checks what does not depend on the parameters: one request,
// by this name, with this method, to this path.
func requireEndpoint(t *testing.T, e endpoint, s *stub) {
	t.Helper()
	require.Equal(t, 1, s.countOf(e.SDK))
	req := s.hits[len(s.hits)-1] // a look may go before it
	require.Equal(t, e.SDK, infinitysip.OperationFromContext(req.Context()))
	require.Equal(t, e.Method, req.Method)
	require.Equal(t, endpointIDs.Replace(e.Path), req.URL.EscapedPath())
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	endpoints := readEndpoints(t)
	require.ElementsMatch(t, slices.Collect(maps.Keys(endpoints)), slices.Collect(maps.Keys(endpointCalls)))

	for name, e := range endpoints {
		var query, form, required []string
		types := make(map[string]string)
		for _, param := range e.Query {
			if param == "filter" || param == "sort" {
				param += "[]"
			}
			query = append(query, param)
		}
		for _, param := range e.Form {
			if param.Type == "array" {
				param.Name += "[]"
			}
			types[param.Name] = param.Type
			form = append(form, param.Name)
			if !param.Optional {
				required = append(required, param.Name)
			}
		}
		call := endpointCalls[name]

		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := success(e)
			require.NoError(t, call.every(t.Context(), stubClient(t, s)))
			requireEndpoint(t, e, s)
			requireParams(t, query, form, types, s)
		})
		if call.required == nil {
			require.Empty(t, query, name)
			require.Equal(t, form, required, name)
			continue
		}
		t.Run(name+" with what is required", func(t *testing.T) {
			t.Parallel()
			s := success(e)
			err := call.required(t.Context(), stubClient(t, s))
			if len(form) > 0 && len(required) == 0 {
				// Not one name would go out, so nothing does.
				require.ErrorIs(t, err, infinitysip.ErrInvalid)
				require.Zero(t, s.count())
				return
			}
			require.NoError(t, err)
			requireEndpoint(t, e, s)
			requireParams(t, nil, required, types, s)
		})
	}
}

// requireParams checks that these parameters went out, and no more.
func requireParams(t *testing.T, query, form []string, types map[string]string, s *stub) {
	t.Helper()
	values, err := url.ParseQuery(s.hits[len(s.hits)-1].URL.RawQuery)
	require.NoError(t, err)
	require.ElementsMatch(t, query, slices.Collect(maps.Keys(values)))
	require.ElementsMatch(t, form, slices.Collect(maps.Keys(s.forms[len(s.forms)-1])))
	for name, values := range s.forms[len(s.forms)-1] {
		require.Len(t, values, 1, name)
		if types[name] != "string" {
			_, err := strconv.Atoi(values[0])
			require.NoError(t, err, name)
		}
	}
}

func TestEndpointIterators(t *testing.T) {
	t.Parallel()
	endpoints := readEndpoints(t)
	for name, call := range endpointIterators {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, ok := endpoints[listOf(name)]
			require.True(t, ok)
			s := success(e)
			require.NoError(t, call(t.Context(), stubClient(t, s)))
			requireEndpoint(t, e, s)
		})
	}
}

// compound is the one method that makes two of the API's calls.
const compound = "Users.RotateDeviceToken"

// TestEndpointMethods finds a method that no table calls.
func TestEndpointMethods(t *testing.T) {
	t.Parallel()
	var methods []string
	for service := range reflect.TypeFor[infinitysip.Client]().Fields() {
		if !service.IsExported() {
			continue
		}
		for method := range service.Type.Methods() {
			methods = append(methods, service.Name+"."+method.Name)
		}
	}
	called := slices.Concat(slices.Collect(maps.Keys(endpointCalls)), slices.Collect(maps.Keys(endpointIterators)))
	require.ElementsMatch(t, methods, append(called, compound))

	// Every list has its iterator.
	for name := range endpointCalls {
		if service, rest, ok := strings.Cut(name, ".List"); ok {
			require.Contains(t, endpointIterators, service+".All"+rest)
		}
	}
}

// TestEndpointDocs holds the "API: …" line of every method against the page's
// title.
func TestEndpointDocs(t *testing.T) {
	t.Parallel()
	titles := make(map[string][]string)
	for name, e := range readEndpoints(t) {
		titles[name] = []string{e.Title}
	}
	for name := range endpointIterators {
		titles[name] = titles[listOf(name)]
	}

	titles[compound] = []string{"Delete PBX User Device, Create PBX User Device"}

	files, err := filepath.Glob("../../*.go")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^API: (.*)$`)
	found := make(map[string][]string)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range tree.Decls {
			method, ok := decl.(*ast.FuncDecl)
			if !ok || method.Recv == nil || !method.Name.IsExported() {
				continue
			}
			receiver, ok := method.Recv.List[0].Type.(*ast.Ident)
			if !ok {
				continue
			}
			service, ok := strings.CutSuffix(receiver.Name, "Service")
			if !ok {
				continue
			}
			name := service + "." + method.Name.Name
			found[name] = []string{}
			for _, match := range line.FindAllStringSubmatch(method.Doc.Text(), -1) {
				found[name] = append(found[name], match[1])
			}
		}
	}
	require.Equal(t, titles, found)
}

func TestEndpointFields(t *testing.T) {
	t.Parallel()
	t.Run("DeviceFields", requireFields[infinitysip.Device](infinitysip.DeviceFields))
	t.Run("UserDeviceFields", requireFields[infinitysip.UserDevice](infinitysip.UserDeviceFields))
	t.Run("UserGroupFields", requireFields[infinitysip.UserGroup](infinitysip.UserGroupFields))
	t.Run("QueueFields", requireFields[infinitysip.Queue](infinitysip.QueueFields))
	t.Run("TrustedNetworkFields", requireFields[infinitysip.TrustedNetwork](infinitysip.TrustedNetworkFields))
}

// requireFields checks that fields names what the rows R have, by the names
// that they have there: all but secrets, which nobody may filter by.
func requireFields[R any](fields any) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		want, got := make(map[string]string), make(map[string]string)
		for field := range reflect.TypeFor[R]().Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" && field.Type != reflect.TypeFor[infinitysip.Secret]() {
				want[field.Name] = name
			}
		}
		for field, value := range reflect.ValueOf(fields).Fields() {
			require.IsType(t, infinitysip.Field[R](""), value.Interface())
			got[field.Name] = value.String()
		}
		require.NotEmpty(t, want)
		require.Equal(t, want, got)
	}
}

func TestOperationFromContext(t *testing.T) {
	t.Parallel()
	require.Empty(t, infinitysip.OperationFromContext(t.Context()))
	s := always(200, "")
	_, err := stubClient(t, s).TrustedNetworks.List(t.Context(), 1, nil)
	require.NoError(t, err)
	require.Equal(t, "TrustedNetworks.List", infinitysip.OperationFromContext(s.hits[0].Context()))
}
