// Api prints the public API of the package in a directory: a line for each exported
// constant, field, func, method, type and variable. A field has its name in JSON. It
// prints the same on every machine, and for every version of Go.
//
//	go run ./internal/api ./provision
//	go run ./internal/api -write
//	go run ./internal/api -check
//
// -write writes the records of all packages, in api/. -check compares the code with the
// records. It also finds what breaks programs that compile with the last release, and
// wants a line in CHANGELOG.md for each.
package main

import (
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("api: ")
	write := flag.Bool("write", false, "write the records")
	checks := flag.Bool("check", false, "compare the code with the records and the last release")
	flag.Parse()
	var err error
	switch {
	case *write:
		err = writeRecords()
	case *checks:
		var tool string
		if tool, err = filepath.Abs(".ci/tool"); err == nil {
			err = check(".", tool, records, os.Stdout)
		}
	case flag.NArg() == 1:
		err = printAPI(flag.Arg(0))
	default:
		err = errors.New("name a directory, or -write, or -check")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func printAPI(dir string) error {
	lines, err := api(dir)
	for _, line := range lines {
		fmt.Println(line)
	}
	return err
}

func writeRecords() error {
	for _, r := range records {
		lines, err := api(r.dir)
		if err != nil {
			return err
		}
		if err := os.WriteFile(r.file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// api lists the public API of the package in a directory.
func api(dir string) ([]string, error) {
	pkg, err := load(dir)
	if err != nil {
		return nil, err
	}
	return lines(pkg), nil
}

// load compiles the package in a directory and reads its export data.
func load(dir string) (*types.Package, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var path string // go list prints the package itself last
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		var file string
		path, file, _ = strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
	return importer.ForCompiler(token.NewFileSet(), "gc", open).Import(path)
}

// A lister collects the lines of a package.
type lister struct {
	pkg   *types.Package
	lines []string
}

func lines(pkg *types.Package) []string {
	l := &lister{pkg: pkg}
	for _, name := range pkg.Scope().Names() {
		if token.IsExported(name) {
			l.object(pkg.Scope().Lookup(name))
		}
	}
	slices.Sort(l.lines)
	return l.lines
}

func (l *lister) add(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// text writes a type. Packages have their whole path.
func (l *lister) text(t types.Type) string { return types.TypeString(t, types.RelativeTo(l.pkg)) }

func (l *lister) signature(f types.Object) string {
	return strings.TrimPrefix(l.text(f.Type()), "func")
}

func (l *lister) object(object types.Object) {
	name := object.Name()
	switch object := object.(type) {
	case *types.Const:
		l.add("const %s %s = %s", name, l.text(object.Type()), object.Val().ExactString())
	case *types.Func:
		l.add("func %s%s", name, l.signature(object))
	case *types.Var:
		if fields, ok := object.Type().(*types.Struct); ok {
			l.add("var %s struct", name)
			l.fields(name, fields)
			return
		}
		l.add("var %s %s", name, l.text(object.Type()))
	case *types.TypeName:
		l.typeName(object)
	}
}

func (l *lister) typeName(object *types.TypeName) {
	if alias, ok := object.Type().(*types.Alias); ok {
		l.add("type %s = %s", l.text(alias), l.text(alias.Rhs()))
		return
	}
	t := object.Type()
	if fields, ok := t.Underlying().(*types.Struct); ok {
		l.add("type %s struct%s", l.text(t), kind(fields))
		l.fields(object.Name(), fields)
	} else {
		l.add("type %s %s", l.text(t), l.text(t.Underlying()))
	}
	if types.IsInterface(t) {
		return // its methods are in the line
	}
	methods := types.NewMethodSet(types.NewPointer(t))
	for method := range methods.Methods() {
		if f := method.Obj(); f.Exported() {
			receiver := l.text(t)
			if named, ok := t.(*types.Named); ok {
				receiver = object.Name() + arguments(named)
			}
			if types.NewMethodSet(t).Lookup(f.Pkg(), f.Name()) == nil {
				receiver = "*" + receiver
			}
			l.add("method (%s) %s%s", receiver, f.Name(), l.signature(f))
		}
	}
}

// kind says of a struct what a change of its unexported fields may break.
func kind(fields *types.Struct) string {
	var text string
	for field := range fields.Fields() {
		if !field.Exported() {
			text = ", with unexported fields"
		}
	}
	if !types.Comparable(fields) {
		text += ", not comparable"
	}
	return text
}

// arguments writes the type parameters of a generic type, without constraints.
func arguments(named *types.Named) string {
	var names []string
	for param := range named.TypeParams().TypeParams() {
		names = append(names, param.Obj().Name())
	}
	if names == nil {
		return ""
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func (l *lister) fields(name string, fields *types.Struct) {
	for i := range fields.NumFields() {
		field, inJSON := fields.Field(i), ""
		if tag, ok := reflect.StructTag(fields.Tag(i)).Lookup("json"); ok {
			inJSON = fmt.Sprintf(" json:%q", tag)
		}
		switch {
		case !field.Exported():
		case field.Embedded():
			l.add("field %s.%s embedded %s%s", name, field.Name(), l.text(field.Type()), inJSON)
		default:
			l.add("field %s.%s %s%s", name, field.Name(), l.text(field.Type()), inJSON)
		}
	}
}
