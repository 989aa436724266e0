package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is one small change: text that stands for a part of a file.
type mutant struct {
	number     int
	file       int // in source.files
	start, end int // the part, in bytes
	alt        string
	form       form
	name       string // file: func: what → what
}

// A form is how a mutant and the code as it is are written beside each other.
type form int

const (
	boolean   form = iota // a condition: only the one that counts is evaluated
	value                 // a value without effects: both are evaluated
	statement             // a statement that is left out
)

func (m mutant) write(original string) string {
	switch m.form {
	case boolean:
		return fmt.Sprintf("(mutantOn(%d) && (%s) || !mutantOn(%d) && (%s))", m.number, m.alt, m.number, original)
	case value:
		return fmt.Sprintf("mutantPick(%d, %s, %s)", m.number, original, m.alt)
	default:
		return fmt.Sprintf("if !mutantOn(%d) { %s }", m.number, original)
	}
}

const helpers = `package %s

import (
	mutantOS "os"
	mutantStrconv "strconv"
	mutantSync "sync"
)

var (
	mutantActive, _ = mutantStrconv.Atoi(mutantOS.Getenv("MUTANT"))
	mutantReached   = mutantOS.Getenv("REACHED")
	mutantSeen      mutantSync.Map
)

func mutantOn(n int) bool {
	if mutantReached != "" {
		if _, seen := mutantSeen.LoadOrStore(n, true); !seen {
			file, err := mutantOS.OpenFile(mutantReached, mutantOS.O_APPEND|mutantOS.O_CREATE|mutantOS.O_WRONLY, 0o600)
			if err == nil {
				_, _ = file.WriteString(mutantStrconv.Itoa(n) + "\n")
				_ = file.Close()
			}
		}
	}
	return n == mutantActive
}

func mutantPick[T any](n int, original, mutant T) T {
	if mutantOn(n) {
		return mutant
	}
	return original
}
`

// A source is the package whose code is changed.
type source struct {
	dir      string
	name     string
	importer types.Importer
	exports  map[string]string
	set      *token.FileSet
	paths    []string
	texts    [][]byte
	files    []*ast.File
	info     types.Info
	mutants  []mutant
	keep     []string
}

// load parses a package, checks its types, and lists the mutants that compile.
func load(dir string, keep []string) (*source, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}|{{.Name}}|{{.Export}}|{{range .GoFiles}}{{.}} {{end}}", "os", "strconv", "sync", ".")
	list.Dir, list.Stderr = dir, os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	s := &source{dir: dir, exports: map[string]string{}, set: token.NewFileSet(), keep: keep}
	var names []string
	for line := range strings.Lines(string(out)) { // the package itself comes last
		fields := strings.Split(strings.TrimSpace(line), "|")
		s.exports[fields[0]], s.name, names = fields[2], fields[1], strings.Fields(fields[3])
	}
	s.importer = importer.ForCompiler(s.set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(s.exports[path]) })
	for _, name := range names {
		path, err := filepath.Abs(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(s.set, path, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.paths, s.texts, s.files = append(s.paths, path), append(s.texts, text), append(s.files, file)
	}
	helper, err := parser.ParseFile(s.set, "mutant", fmt.Sprintf(helpers, s.name), 0)
	if err != nil {
		return nil, err
	}
	s.files = append(s.files, helper)
	s.info = types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	if _, err := (&types.Config{Importer: s.importer}).Check(s.name, s.set, s.files, &s.info); err != nil {
		return nil, err
	}
	for i, path := range s.paths {
		if s.mutates(filepath.Base(path)) {
			s.find(i)
		}
	}
	s.dropUncompilable()
	s.nameApart()
	return s, nil
}

// mutates reports whether a file of the package is one whose code is changed.
func (s *source) mutates(base string) bool {
	return (s.keep == nil || slices.Contains(s.keep, base)) &&
		slices.ContainsFunc(s.paths, func(path string) bool { return filepath.Base(path) == base })
}

// nameApart numbers the mutants, and tells those of one name apart.
func (s *source) nameApart() {
	seen := map[string]int{}
	for i := range s.mutants {
		m := &s.mutants[i]
		m.number = i + 1
		seen[m.name]++
		if n := seen[m.name]; n > 1 {
			m.name += fmt.Sprintf(" (%d)", n)
		}
	}
}

// dropUncompilable checks the types of the package with each mutant alone.
func (s *source) dropUncompilable() {
	s.mutants = slices.DeleteFunc(s.mutants, func(m mutant) bool {
		text := s.texts[m.file]
		changed := string(text[:m.start]) + m.write(string(text[m.start:m.end])) + string(text[m.end:])
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, s.paths[m.file], changed, parser.SkipObjectResolution)
		if err != nil {
			return true
		}
		files := slices.Clone(s.files)
		files[m.file] = file
		_, err = (&types.Config{Importer: s.importer}).Check(s.name, s.set, files, nil)
		return err != nil
	})
}

// instrument writes the files with all mutants in them, and the overlay.
func (s *source) instrument(temp string) (overlay string, err error) {
	replace := map[string]string{}
	write := func(path, text string) error {
		stand := filepath.Join(temp, filepath.Base(path))
		replace[path] = stand
		return os.WriteFile(stand, []byte(text), 0o600)
	}
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return "", err
	}
	if err := write(filepath.Join(dir, "zz_mutant.go"), fmt.Sprintf(helpers, s.name)); err != nil {
		return "", err
	}
	for i, path := range s.paths {
		var here []mutant
		for _, m := range s.mutants {
			if m.file == i {
				here = append(here, m)
			}
		}
		if here == nil {
			continue
		}
		// The outer ones first; of one part, the statement first.
		slices.SortStableFunc(here, func(a, b mutant) int {
			if a.start != b.start {
				return a.start - b.start
			}
			if a.end != b.end {
				return b.end - a.end
			}
			return int(b.form - a.form)
		})
		text, rest := s.weave(i, 0, len(s.texts[i]), here)
		if len(rest) > 0 {
			return "", fmt.Errorf("%s: mutants overlap: %s", path, rest[0].name)
		}
		if err := write(path, text); err != nil {
			return "", err
		}
	}
	return writeOverlay(temp, replace)
}

// weave writes a part of a file with the mutants inside it, and gives back those behind it.
func (s *source) weave(file, start, end int, mutants []mutant) (string, []mutant) {
	var b strings.Builder
	for len(mutants) > 0 && mutants[0].end <= end {
		m := mutants[0]
		b.Write(s.texts[file][start:m.start])
		var inner string
		inner, mutants = s.weave(file, m.start, m.end, mutants[1:])
		b.WriteString(m.write(inner))
		start = m.end
	}
	b.Write(s.texts[file][start:end])
	return b.String(), mutants
}

// find lists the mutants of a file.
func (s *source) find(i int) {
	var where string
	file, base := s.files[i], s.set.File(s.files[i].Pos())
	text := func(n ast.Node) string {
		return string(s.texts[i][base.Offset(n.Pos()):base.Offset(n.End())])
	}
	add := func(n ast.Node, form form, alt string) {
		start, end := base.Offset(n.Pos()), base.Offset(n.End())
		written := alt
		if form == statement {
			written = "nothing"
		}
		s.mutants = append(s.mutants, mutant{
			file: i, start: start, end: end, alt: alt, form: form,
			name: fmt.Sprintf("%s: %s: %s → %s", filepath.Base(s.paths[i]), where, oneLine(text(n)), oneLine(written)),
		})
	}
	condition := func(e ast.Expr) { // negated, unless its parts have mutants that say as much
		switch e := ast.Unparen(e).(type) {
		case nil:
		case *ast.BinaryExpr:
		default:
			if s.info.Types[e].Value == nil {
				add(e, boolean, "!("+text(e)+")")
			}
		}
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		where = f.Name.Name
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				s.binary(n, text, add)
			case *ast.IfStmt:
				condition(n.Cond)
			case *ast.SwitchStmt:
				if n.Tag == nil {
					for _, clause := range n.Body.List {
						for _, e := range clause.(*ast.CaseClause).List {
							condition(e)
						}
					}
				}
			case *ast.ReturnStmt:
				for _, e := range n.Results {
					switch t := s.info.Types[e]; {
					case isBool(t.Type) && t.Value != nil:
						add(e, value, "!"+text(e))
					case isBool(t.Type):
						condition(e)
					case t.Type != nil && t.Type.String() == "error" && !t.IsNil():
						add(e, value, "nil")
					}
				}
			case *ast.ExprStmt, *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
				add(n, statement, "")
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					add(n, statement, "")
				}
			case *ast.BranchStmt:
				if n.Tok == token.BREAK || n.Tok == token.CONTINUE {
					add(n, statement, "")
				}
			case *ast.BasicLit:
				if n.Kind == token.INT { // one more
					typed := types.TypeString(s.info.Types[n].Type, func(p *types.Package) string {
						if p.Name() == s.name {
							return ""
						}
						return p.Name()
					})
					add(n, value, fmt.Sprintf("%s(%s + 1)", typed, n.Value))
				}
			}
			return true
		})
	}
}

// binary lists the mutants of an expression with two operands.
func (s *source) binary(e *ast.BinaryExpr, text func(ast.Node) string, add func(ast.Node, form, string)) {
	x, y := text(e.X), text(e.Y)
	with := func(op string) string { return x + " " + op + " " + y }
	switch e.Op {
	case token.LAND, token.LOR:
		add(e, boolean, x)
		add(e, boolean, y)
	case token.EQL:
		add(e, boolean, with("!="))
	case token.NEQ:
		add(e, boolean, with("=="))
	case token.LSS:
		add(e, boolean, with("<="))
		add(e, boolean, with(">="))
	case token.LEQ:
		add(e, boolean, with("<"))
		add(e, boolean, with(">"))
	case token.GTR:
		add(e, boolean, with(">="))
		add(e, boolean, with("<="))
	case token.GEQ:
		add(e, boolean, with(">"))
		add(e, boolean, with("<"))
	case token.ADD, token.SUB, token.MUL, token.QUO, token.REM, token.AND, token.OR, token.SHL, token.SHR:
		t := s.info.Types[e]
		if t.Value == nil && isNumber(t.Type) && !hasEffects(e) {
			add(e, value, with(map[token.Token]string{
				token.ADD: "-", token.SUB: "+", token.MUL: "+", token.QUO: "*", token.REM: "*",
				token.AND: "|", token.OR: "&", token.SHL: "+", token.SHR: "+",
			}[e.Op]))
		}
	}
}

func isBool(t types.Type) bool   { return is(t, types.IsBoolean) }
func isNumber(t types.Type) bool { return is(t, types.IsNumeric) }

func is(t types.Type, what types.BasicInfo) bool {
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&what != 0
}

// hasEffects reports whether an expression calls anything but len and conversions.
func hasEffects(e ast.Expr) (effects bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			name, ok := call.Fun.(*ast.Ident)
			effects = effects || !ok || !slices.Contains([]string{"len", "cap", "min", "max", "int", "int64", "float64"}, name.Name)
		}
		return true
	})
	return effects
}

// oneLine writes code on a line, at most 100 bytes of it.
func oneLine(code string) string {
	code = string(bytes.Join(bytes.Fields([]byte(code)), []byte(" ")))
	if len(code) > 100 {
		code = code[:97] + "..."
	}
	return code
}
