package suite_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// needGoTool skips what takes long because it runs the go command. CI runs it.
func needGoTool(t *testing.T) {
	if !*goTool {
		t.Skip("runs the go command: see the flag -gotool")
	}
}

// The Go code of the README compiles: its program as it stands, the rest with
// what the text around it speaks of.
func TestReadmeCompiles(t *testing.T) {
	t.Parallel()
	needGoTool(t)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.NotEmpty(t, blocks)
	require.Contains(t, blocks[0][1], "package main", "the first program is whole")
	dir := t.TempDir()
	var files []string
	for i, block := range blocks {
		name := filepath.Join(dir, fmt.Sprintf("block%d.go", i))
		require.NoError(t, os.WriteFile(name, []byte(program(block[1])), 0o600))
		files = append(files, name)
	}
	for i, name := range files {
		vet := exec.CommandContext(t.Context(), "go", "vet", name)
		if strings.Contains(blocks[i][1], "infinitysipotel.") {
			vet.Dir = "../../otel" // a module of its own
		}
		out, err := vet.CombinedOutput()
		require.NoError(t, err, "%s\n%s", blocks[i][1], out)
	}
}

// program makes a whole program of a piece of one.
func program(code string) string {
	const (
		imports = `package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
)

var (
	_ = errors.Is
	_ = fmt.Sprint
	_ io.Reader
	_ json.Number
	_ netip.Prefix
	_ testing.TB
	_ url.Values
	_ provision.State
	_ siptest.Options
)

func currentKey(context.Context) (string, error) { return "", nil }

func setUp(context.Context, *infinitysip.Client, infinitysip.DomainID) error { return nil }

`
		known = `func main() {
	var (
		ctx                     context.Context
		key, username, password string
		client                  *infinitysip.Client
		err                     error
		domain                  infinitysip.DomainID
		group                   infinitysip.GroupID
		params                  infinitysip.UserCreateParams
		user                    *infinitysip.User
	)
	_, _, _, _, _, _, _, _, _, _ = ctx, key, username, password, client, err, domain, group, params, user
	{
`
	)
	switch {
	case strings.HasPrefix(code, "package "):
		return code
	case strings.Contains(code, "infinitysipotel."): // a module that does not know what provision needs
		return strings.NewReplacer("import (", "import (\n\tinfinitysipotel \"github.com/infinitysip/infinitysip/otel\"",
			"\t\"github.com/infinitysip/infinitysip/provision\"\n", "", "\t_ provision.State\n", "").Replace(imports) + code + "\nfunc main() {}\n"
	case strings.HasPrefix(code, "func "), strings.HasPrefix(code, "type ") && strings.Contains(code, "\nfunc "):
		return imports + code + "\nfunc main() {}\n"
	}
	var uses strings.Builder
	for _, name := range regexp.MustCompile(`(?m)^(\w+)(?:, err)? :=|^\w+, err := `).FindAllStringSubmatch(code, -1) {
		if name[1] != "" {
			uses.WriteString("_ = " + name[1] + "\n")
		}
	}
	return imports + known + code + uses.String() + "_ = err\n}\n}\n"
}

// testdata/otherresource filters devices by a field of queues, or, with the
// tag "same", of devices.
func TestFilterOfAnotherResourceDoesNotCompile(t *testing.T) {
	t.Parallel()
	needGoTool(t)
	build := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "go", append([]string{"vet"}, args...)...).CombinedOutput()
		return string(out), err
	}
	out, err := build("-tags=same", "../../testdata/otherresource")
	require.NoError(t, err, out)
	out, err = build("../../testdata/otherresource")
	require.Error(t, err)
	require.Contains(t, out, "Filter[", out)
	require.Contains(t, out, "cannot use", out)
}
