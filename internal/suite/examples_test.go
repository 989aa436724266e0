package suite_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exampled are the packages whose exported names have examples, by directory. Those of
// other modules are parsed, not compiled.
var exampled = []string{".", "siptest", "provision", "otel", "fleet"}

// noExample are the names that need no example. The reason of each names an example that
// shows what there is to see.
var noExample = []struct {
	dir    string
	names  string // a regular expression for whole names
	reason string
	see    string // an example
}{
	{".", `\w+ID\.(UnmarshalJSON|MarshalJSON|MarshalText|UnmarshalText)`, "ids of all kinds are read and written alike", "UserID_UnmarshalJSON"},
	{".", `(Domain|Group|GroupUser|Queue|QueueMember|TrustedNetwork|Device|UserDevice|UserDeviceToken|UserGroup)\.MarshalJSON`, "rows of all kinds are written alike", "User_MarshalJSON"},
	{".", `(Domain|User|Group|GroupUser|Queue|QueueMember|TrustedNetwork|UserDevice|UserDeviceToken|UserGroup)\.UnmarshalJSON`, "rows of all kinds are read alike", "Device_UnmarshalJSON"},
	{".", `\w+Params\.Validate`, "params of all kinds are checked alike", "UserCreateParams_Validate"},
	{".", `Secret\.(Format|LogValue|MarshalText)`, "fmt, log/slog and encoding/json call it", "Secret"},
	{".", `(Error|ValidationError)\.(Error|Is|Unwrap)`, "errors.Is and fmt call it", "Error_errInvalid"},
	{".", `Outcome\.String`, "fmt calls it", "Outcome"},
}

// Every exported name that a program calls, or tests an error for, has an example whose
// output is checked.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, dir := range exampled {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			shown := parseExamples(t, filepath.Join("../..", dir))
			missing := shown.missing()
			for _, except := range noExample {
				if except.dir != dir {
					continue
				}
				names := regexp.MustCompile("^(" + except.names + ")$")
				n := len(missing)
				missing = slices.DeleteFunc(missing, names.MatchString)
				require.Less(t, len(missing), n, "%s: each of these has an example", except.names)
				require.NotNil(t, shown.byName[except.see], "%s: the example %s that it refers to", except.names, except.see)
			}
			require.Empty(t, missing, "these have no example with an output")
			require.Empty(t, shown.astray(), "the documentation does not show these examples: it has no place for their names")
			fmt.Printf("figure: examples of %s: %d\n", shown.Name, len(shown.byName))
		})
	}
}

// Each call has an example under its own name, so that the documentation shows it there.
func TestExampleOfEachCall(t *testing.T) {
	t.Parallel()
	shown := parseExamples(t, "../..")
	require.NotEmpty(t, readEndpoints())
	for _, e := range readEndpoints() {
		service, method, _ := strings.Cut(e.SDK, ".")
		require.NotNil(t, shown.byName[service+"Service_"+method], "%s: there is no Example%sService_%s with an output", e.Title, service, method)
	}
}

// What has no example is found.
func TestExamplesAreMissed(t *testing.T) {
	t.Parallel()
	const source = `package p

import "errors"

type Option func()

func WithShown() Option   { return nil }
func WithMissing() Option { return nil }
func WithoutOutput()      {}
func hidden()             {}

var ErrShown, ErrMissing, errHidden error

type Client struct{}

func NewClient() *Client     { return nil }
func (c *Client) Shown()     {}
func (c *Client) Missing()   {}
func (c *Client) OfType()    {}
func (c *Client) hidden()    {}

type ThingsService struct{}

func (s ThingsService) Missing() {}

type Field[R any] string

func (f Field[R]) Shown() {}
func (f Field[R]) Missing() {}

var _ = errors.New
`
	const tests = `package p_test

import "p"

func ExampleNewClient() {
	p.NewClient().Missing()
	// Output:
}

func ExampleClient() {
	p.NewClient().OfType()
	// Output: x
}

func ExampleClient_Shown() {
	// Unordered output: x
}

func ExampleThingsService() {
	p.ThingsService{}.Missing()
	// Output: x
}

func ExampleWithShown() {
	_ = p.ErrShown
	// Output: x
}

func ExampleWithoutOutput() {
	_ = p.ErrMissing
}

func ExampleField_other() {
	p.Field[int]("").Shown()
	// Output: x
}

func ExampleErrShown() {
	// Output: x
}
`
	fset := token.NewFileSet()
	shown := newExamples(t, fset, []*ast.File{
		must(parser.ParseFile(fset, "p.go", source, parser.ParseComments)),
		must(parser.ParseFile(fset, "p_test.go", tests, parser.ParseComments)),
	})
	require.Equal(t, []string{"Client.Missing", "Client.OfType", "ErrMissing", "Field.Missing", "ThingsService.Missing", "WithMissing", "WithoutOutput"}, shown.missing())
	require.Equal(t, []string{"ErrShown"}, shown.astray())
}

// examples are a package's, with what they are to show.
type examples struct {
	*doc.Package
	byName map[string]*doc.Example // those with an output
	all    []*doc.Example
}

// parseExamples reads the package in a directory, as it is built here.
func parseExamples(t *testing.T, dir string) *examples {
	pkg, err := build.ImportDir(dir, 0)
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(pkg.GoFiles, pkg.CgoFiles, pkg.TestGoFiles, pkg.XTestGoFiles) {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		require.NoError(t, err)
		files = append(files, file)
	}
	return newExamples(t, fset, files)
}

func newExamples(t *testing.T, fset *token.FileSet, files []*ast.File) *examples {
	shown := &examples{byName: make(map[string]*doc.Example)}
	for _, file := range files {
		if strings.HasSuffix(fset.Position(file.Package).Filename, "_test.go") {
			shown.all = append(shown.all, doc.Examples(file)...)
		}
	}
	for _, example := range shown.all {
		if isRun(example) {
			shown.byName[example.Name] = example
		}
	}
	var err error
	shown.Package, err = doc.NewFromFiles(fset, files, "p")
	require.NoError(t, err)
	return shown
}

// missing returns the names that have no example with an output, sorted.
func (shown *examples) missing() []string {
	var missing []string
	need := func(has bool, name string) {
		if !has {
			missing = append(missing, name)
		}
	}
	for _, f := range shown.Funcs {
		need(slices.ContainsFunc(f.Examples, isRun), f.Name)
	}
	for _, typ := range shown.Types {
		for _, f := range typ.Funcs { // which return the type
			need(slices.ContainsFunc(f.Examples, isRun), f.Name)
		}
		for _, method := range typ.Methods {
			// A call of the API is shown alone. A small method may be one of several in
			// an example of its type.
			large := typ.Name == "Client" || strings.HasSuffix(typ.Name, "Service")
			need(slices.ContainsFunc(method.Examples, isRun) || !large && uses(typ, method.Name), typ.Name+"."+method.Name)
		}
	}
	for _, value := range shown.vars() {
		for _, name := range value.Names {
			if strings.HasPrefix(name, "Err") {
				need(slices.ContainsFunc(shown.all, func(e *doc.Example) bool { return isRun(e) && selects(e, name) }), name)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// vars returns the variables of the package, of which go/doc puts some with their type.
func (shown *examples) vars() []*doc.Value {
	vars := slices.Clone(shown.Vars)
	for _, typ := range shown.Types {
		vars = append(vars, typ.Vars...)
	}
	return vars
}

// isRun reports whether go test runs an example: only if it has an output.
func isRun(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }

// uses reports whether an example of a type, or of one of its methods, calls a method.
func uses(typ *doc.Type, method string) bool {
	all := slices.Clone(typ.Examples)
	for _, m := range typ.Methods {
		all = append(all, m.Examples...)
	}
	return slices.ContainsFunc(all, func(e *doc.Example) bool { return isRun(e) && selects(e, method) })
}

// selects reports whether the body of an example has a name behind a dot.
func selects(e *doc.Example, name string) (found bool) {
	ast.Inspect(e.Code, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok && selector.Sel.Name == name {
			found = true
		}
		return !found
	})
	return found
}

// astray returns the names of the examples that belong to no exported name, sorted.
func (shown *examples) astray() []string {
	left := make(map[string]bool)
	for _, example := range shown.all {
		left[example.Name] = true
	}
	drop := func(placed []*doc.Example) {
		for _, e := range placed {
			delete(left, e.Name)
		}
	}
	drop(shown.Examples)
	funcs := slices.Clone(shown.Funcs)
	for _, typ := range shown.Types {
		drop(typ.Examples)
		funcs = append(funcs, slices.Concat(typ.Funcs, typ.Methods)...)
	}
	for _, f := range funcs {
		drop(f.Examples)
	}
	return slices.Sorted(maps.Keys(left))
}
