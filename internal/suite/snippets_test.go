package suite_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A snippet is a block of Go in a guide.
type snippet struct {
	place string // docs/start.md:41
	code  string
}

// A snippetModule is a module that guides speak of.
type snippetModule struct {
	dir, uses string
	packages  []string // those that a snippet uses without an import
}

// A snippet belongs to the first module whose package it uses.
var snippetModules = []snippetModule{
	{"fleet", "fleet.", []string{"github.com/infinitysip/infinitysip/fleet", "github.com/infinitysip/infinitysip/provision", "filippo.io/age"}},
	{"otel", "infinitysipotel.", []string{"github.com/infinitysip/infinitysip/otel"}},
	{".", "", []string{"github.com/infinitysip/infinitysip/provision", "github.com/stretchr/testify/require", "golang.org/x/time/rate"}},
}

var usualPackages = []string{
	"bytes", "cmp", "context", "encoding/csv", "encoding/json", "errors", "fmt", "io", "iter", "log", "log/slog", "maps", "net/http",
	"net/http/httptest", "net/netip", "net/url", "os", "os/signal", "slices", "strconv", "strings", "sync", "testing", "testing/synctest", "time",
	"github.com/infinitysip/infinitysip", "github.com/infinitysip/infinitysip/siptest",
}

// What the text around a snippet has introduced.
const snippetKnown = `
var ctx context.Context
var t *testing.T
var key, username, password string
var client *infinitysip.Client
var err error
var domain infinitysip.DomainID
var user *infinitysip.User
var group infinitysip.GroupID
var params infinitysip.UserCreateParams
var srv *siptest.Server
var w io.Writer
var file io.Reader
var state *provision.State
var changes *provision.Changes
var logger *slog.Logger
func currentKey(context.Context) (string, error) { panic("the reader's own") }
func setUp(context.Context, *infinitysip.Client, infinitysip.DomainID) error { panic("the reader's own") }
type keyStore interface { Get(ctx context.Context, account string) (string, error) }
type stateStore interface { Get(ctx context.Context, account, domain string) (*provision.State, string, error) }
`

// Every block of Go in the README and the guides compiles.
func TestSnippetsCompile(t *testing.T) {
	t.Parallel()
	needGoTool(t)
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	byModule := make([][]snippet, len(snippetModules))
	for _, file := range append([]string{"../../README.md"}, files...) {
		for _, s := range snippetsOf(t, file) {
			i := slices.IndexFunc(snippetModules, func(m snippetModule) bool { return strings.Contains(s.code, m.uses) })
			byModule[i] = append(byModule[i], s)
		}
	}
	for i, module := range snippetModules {
		t.Run(module.dir, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, byModule[i])
			world := newSnippetWorld(t, module.dir, append(module.packages, usualPackages...), byModule[i])
			for _, s := range byModule[i] {
				for _, problem := range world.check(s) {
					t.Errorf("%s: %s\n%s", s.place, problem, s.code)
				}
			}
		})
	}
}

// The check of snippets finds what does not compile.
func TestSnippetsThatDoNotCompile(t *testing.T) {
	t.Parallel()
	needGoTool(t)
	world := newSnippetWorld(t, ".", append([]string{"github.com/infinitysip/infinitysip/provision"}, usualPackages...), nil)
	for code, problem := range map[string]string{
		"user, err := client.Users.Get(ctx, domain, 7)":                   "",
		"func list() { fmt.Println(client) }":                             "",
		"package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }": "",
		"user, err := client.Users.Get(ctx, domain)":                      "not enough arguments",
		"client.Users.Fetch(ctx)":                                         "client.Users.Fetch undefined",
		"var a infinitysip.DomainID = group":                              "cannot use group",
		"user, err = client.Users.Get(ctx, domain, 7":                     "missing ','",
		"package main\n\nimport \"fmt\"\n\nfunc main() {}":                "imported and not used",
		"undeclared()": "undefined: undeclared",
		"func list() error { return client.Devices.List(ctx, domain, nil) }":         "too many return values",
		"id, err := client.Users.Create(ctx, domain, params)\nfmt.Printn(id, err)\n": "undefined: fmt.Printn",
	} {
		problems := world.check(snippet{"here", code})
		if problem == "" {
			require.Empty(t, problems, code)
		} else {
			require.Contains(t, fmt.Sprint(problems), problem, code)
		}
	}
}

func snippetsOf(t *testing.T, file string) (all []snippet) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, at := range regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllSubmatchIndex(text, -1) {
		line := strings.Count(string(text[:at[2]]), "\n") + 1
		all = append(all, snippet{fmt.Sprintf("%s:%d", strings.TrimPrefix(file, "../../"), line), string(text[at[2]:at[3]])})
	}
	blocks := regexp.MustCompile("(?mi)^[ \t>]*(```|~~~) *go").FindAll(text, -1)
	require.Len(t, all, len(blocks), "%s: a block of Go that is not checked: it begins with ```go, at the beginning of a line", file)
	return all
}

// A snippetWorld is what the snippets of one module can import.
type snippetWorld struct {
	files    *token.FileSet
	importer types.Importer
	usual    map[string]string // the path of a package that needs no import, by its name
}

// newSnippetWorld has the go command compile the packages that need no import, and
// those that the snippets import.
func newSnippetWorld(t *testing.T, dir string, usual []string, snippets []snippet) snippetWorld {
	wanted := slices.Clone(usual)
	for _, s := range snippets {
		if parsed, err := parser.ParseFile(token.NewFileSet(), "", s.code, parser.ImportsOnly); err == nil {
			for _, spec := range parsed.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				wanted = append(wanted, path)
			}
		}
	}
	list := exec.CommandContext(t.Context(), "go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Name}} {{.Export}}"}, wanted...)...)
	list.Dir, list.Stderr = filepath.Join("../..", dir), os.Stderr
	out, err := list.Output()
	require.NoError(t, err)
	exports, world := map[string]string{}, snippetWorld{files: token.NewFileSet(), usual: map[string]string{}}
	for line := range strings.Lines(string(out)) {
		fields := append(strings.Fields(line), "", "")
		path, name := fields[0], fields[1]
		exports[path] = fields[2]
		if slices.Contains(usual, path) {
			world.usual[name] = path
		}
	}
	world.importer = importer.ForCompiler(world.files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return world
}

// check compiles a snippet: a whole file, declarations, or statements.
func (w snippetWorld) check(s snippet) (problems []string) {
	code, whole := s.code, strings.HasPrefix(s.code, "package ")
	if !whole {
		code = "package guide\n" + s.code
		if _, err := parser.ParseFile(w.files, s.place, code, parser.SkipObjectResolution); err != nil {
			code = "package guide\nfunc _() {\n" + s.code + "\n}\n"
		}
	}
	file, err := parser.ParseFile(w.files, s.place, code, 0)
	if err != nil {
		return []string{err.Error()}
	}
	files := []*ast.File{file}
	if !whole {
		w.importUsual(file)
		known := "package guide\n"
		for line := range strings.Lines(snippetKnown) {
			fields := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '(' })
			declared := len(fields) > 1 && file.Scope.Lookup(fields[1]) != nil
			if _, ok := w.usual["provision"]; !declared && (ok || !strings.Contains(line, "provision.")) {
				known += line
			}
		}
		introduced, err := parser.ParseFile(w.files, "known", known, 0)
		if err != nil {
			return []string{err.Error()}
		}
		w.importUsual(introduced)
		files = append(files, introduced)
	}
	config := types.Config{Importer: w.importer, Error: func(err error) {
		// What a snippet is about is what it makes, not what is done with it.
		if !strings.Contains(err.Error(), "declared and not used") {
			problems = append(problems, err.Error())
		}
	}}
	_, _ = config.Check("guide", w.files, files, nil) // its errors went to Error
	return problems
}

// importUsual gives a file the imports of the usual packages that it uses.
func (w snippetWorld) importUsual(file *ast.File) {
	used := map[string]bool{}
	for _, unresolved := range file.Unresolved {
		if path, ok := w.usual[unresolved.Name]; ok {
			used[path] = true
		}
	}
	decl := &ast.GenDecl{Tok: token.IMPORT, Lparen: 1}
	for _, path := range slices.Sorted(maps.Keys(used)) {
		spec := &ast.ImportSpec{Path: &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(path)}}
		decl.Specs, file.Imports = append(decl.Specs, spec), append(file.Imports, spec)
	}
	file.Decls = append([]ast.Decl{decl}, file.Decls...)
}
