package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestList(t *testing.T) {
	t.Parallel()
	const source = `package p

const A, b = 1 << 3, "b"

type Kind string

const K Kind = "k"

type Row[R any] struct {
	ID Kind
	r  R
}

func (r Row[R]) Value() R { return r.r }
func (r *Row[R]) Set(value R) {}
func (r Row[R]) hidden() {}

type Rows = Row[[]int]

type Embeds struct {
	*Rest
	Call func(n int) (x, y error)
}

type Rest struct{}

func (*Rest) Close() {}

type Doer interface {
	Do(Kind) error
	private()
}

type Number interface{ ~int | Kind }

func New[T Number](value T, more ...Kind) (*Rest, error) { return nil, nil }

var Fields = struct{ ID, Name Kind }{}
var Err, err error
`
	const want = `const A untyped int = 8
const K Kind = "k"
field Embeds.Call func(n int) (x error, y error)
field Embeds.Rest embedded *Rest
field Fields.ID Kind
field Fields.Name Kind
field Row.ID Kind
func New[T Number](value T, more ...Kind) (*Rest, error)
method (*Rest) Close()
method (*Row[R]) Set(value R)
method (Embeds) Close()
method (Row[R]) Value() R
type Doer interface{Do(Kind) error; private()}
type Embeds struct, not comparable
type Kind string
type Number interface{~int | Kind}
type Rest struct
type Row[R any] struct, with unexported fields, not comparable
type Rows = Row[[]int]
var Err error
var Fields struct`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", source, 0)
	require.NoError(t, err)
	pkg, err := new(types.Config).Check("example.com/p", fset, []*ast.File{file}, nil)
	require.NoError(t, err)
	require.Equal(t, want, strings.Join(lines(pkg), "\n"))
}
