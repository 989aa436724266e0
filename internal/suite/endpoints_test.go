package suite_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// endpoint is one endpoint as testdata/endpoints.json has it.
type endpoint struct {
	SDK, Title, Method, Path string
	Status                   int
	Query                    []string
	Form                     []formParam
}

type formParam struct {
	Name, Type string
	Optional   bool
}

// key is the name as it is sent: with the brackets of an array.
func (p formParam) key() string {
	if p.Type == "array" {
		return p.Name + "[]"
	}
	return p.Name
}

// readEndpoints returns the endpoints in their order.
var readEndpoints = sync.OnceValue(func() (list []endpoint) {
	if err := json.Unmarshal(must(os.ReadFile("../../testdata/endpoints.json")), &list); err != nil {
		panic(err)
	}
	return list
})

// endpointsByOp returns the endpoints by the names of their methods.
func endpointsByOp() map[string]endpoint {
	byOp := make(map[string]endpoint)
	for _, e := range readEndpoints() {
		byOp[e.SDK] = e
	}
	return byOp
}

// success answers as the API's page has it for an endpoint.
func success(e endpoint) *stub {
	if e.Status == http.StatusNoContent {
		return always(e.Status, "")
	}
	s := &stub{}
	s.respond = func(n int, _ *http.Request) (*http.Response, error) {
		return answer(e.Status, rowFor(s.form(n))), nil
	}
	return s
}

// rowFor is the answer to a call with this form. The answer to a create is believed
// only if it fits what was sent.
func rowFor(form url.Values) string {
	row := anyRow
	if group := form.Get("groupId"); group != "" {
		row = strings.Replace(row, `"groupId":"21"`, `"groupId":"`+group+`"`, 1)
	}
	return row + "\n"
}

// requireEndpoint checks what does not depend on the parameters: one request,
// by this name, with this method, to this path.
func requireEndpoint(t *testing.T, e endpoint, s *stub) {
	t.Helper()
	require.Equal(t, 1, s.countOf(e.SDK))
	req := s.hits[len(s.hits)-1] // a look may go before it
	require.Equal(t, e.SDK, infinitysip.OperationFromContext(req.Context()))
	require.Equal(t, e.Method, req.Method)
	require.Equal(t, pathIDs.Replace(e.Path), req.URL.EscapedPath())
}

// TestEndpointTable holds the table of the calls against testdata/endpoints.json.
func TestEndpointTable(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, e := range readEndpoints() {
		want = append(want, e.SDK)
	}
	require.NotEmpty(t, want)
	require.Len(t, endpointsByOp(), len(want), "each once")
	for _, call := range apiCalls() {
		got = append(got, call.op)
	}
	require.Equal(t, want, got)
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	endpoints := endpointsByOp()
	for _, call := range apiCalls() {
		e, ok := endpoints[call.op]
		require.True(t, ok, call.op)
		var query, form, required []string
		types := make(map[string]string)
		for _, param := range e.Query {
			if param == "filter" || param == "sort" {
				param += "[]"
			}
			query = append(query, param)
		}
		for _, param := range e.Form {
			types[param.key()] = param.Type
			form = append(form, param.key())
			if !param.Optional {
				required = append(required, param.key())
			}
		}

		t.Run(call.op, func(t *testing.T) {
			t.Parallel()
			s := success(e)
			_, err := invoke(t.Context(), stubClient(t, s), call.op, namedIDs(), call.params)
			require.NoError(t, err)
			requireEndpoint(t, e, s)
			requireParams(t, query, form, types, s)
		})
		least := leastParams(e, call.params)
		if reflect.DeepEqual(least, call.params) {
			require.Empty(t, query, call.op)
			require.Equal(t, form, required, call.op)
			continue
		}
		t.Run(call.op+" with what is required", func(t *testing.T) {
			t.Parallel()
			s := success(e)
			_, err := invoke(t.Context(), stubClient(t, s), call.op, namedIDs(), least)
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

// leastParams are params of which only what the page requires is set: no options,
// no field that is optional, and of those that are required, no flag and no count,
// which are sent also when they are zero.
func leastParams(e endpoint, params any) any {
	if len(e.Query) > 0 {
		return nil
	}
	given := reflect.ValueOf(params)
	if given.Kind() != reflect.Struct {
		return params
	}
	least := reflect.New(given.Type()).Elem()
	least.Set(given)
	for _, param := range e.Form {
		for i := range least.NumField() {
			name, _, _ := strings.Cut(least.Type().Field(i).Tag.Get("url"), ",")
			field := least.Field(i)
			if name == param.Name && (param.Optional || field.Kind() == reflect.Bool || field.Kind() == reflect.Int) {
				field.SetZero()
			}
		}
	}
	return least.Interface()
}

// requireParams checks that these parameters went out, and no more.
func requireParams(t *testing.T, query, form []string, types map[string]string, s *stub) {
	t.Helper()
	values, err := url.ParseQuery(s.hits[len(s.hits)-1].URL.RawQuery)
	require.NoError(t, err)
	require.ElementsMatch(t, query, slices.Collect(maps.Keys(values)))
	require.ElementsMatch(t, form, slices.Collect(maps.Keys(s.forms[len(s.forms)-1])))
	for name, values := range s.forms[len(s.forms)-1] {
		if types[name] != "array" {
			require.Len(t, values, 1, name)
		}
		for _, value := range values {
			if types[name] != "string" {
				_, err := strconv.Atoi(value)
				require.NoError(t, err, name)
			}
		}
	}
}

func TestEndpointIterators(t *testing.T) {
	t.Parallel()
	endpoints := endpointsByOp()
	for _, m := range methods() {
		if m.name != iteratorOf(m.op) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := success(endpoints[m.op])
			require.NoError(t, m.do(t.Context(), stubClient(t, s)))
			requireEndpoint(t, endpoints[m.op], s)
		})
	}
}

// TestEndpointMethods finds a method that is not in the table, and a list without
// its iterator.
func TestEndpointMethods(t *testing.T) {
	t.Parallel()
	var want, got []string
	for service := range reflect.TypeFor[infinitysip.Client]().Fields() {
		if !service.IsExported() {
			continue
		}
		for method := range service.Type.Methods() {
			want = append(want, service.Name+"."+method.Name)
		}
	}
	for _, m := range methods() {
		got = append(got, m.name)
	}
	require.ElementsMatch(t, want, got)
}

// TestEndpointDocs holds the "API: …" line of every method against the page's
// title.
func TestEndpointDocs(t *testing.T) {
	t.Parallel()
	endpoints := endpointsByOp()
	titles := make(map[string][]string)
	for _, m := range methods() {
		makes := m.makes
		if makes == nil {
			makes = []string{m.op}
		}
		var of []string
		for _, op := range slices.Compact(slices.Clone(makes)) {
			of = append(of, endpoints[op].Title)
		}
		titles[m.name] = []string{strings.Join(of, ", ")}
	}

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
