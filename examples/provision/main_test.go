package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	t.Parallel()
	target, err := demo.Connect(t.Context(), false, "acme")
	require.NoError(t, err)
	defer target.Close()
	desired, err := read("", "")
	require.NoError(t, err)
	secrets := filepath.Join(t.TempDir(), "secrets.csv")

	var out bytes.Buffer
	require.NoError(t, run(t.Context(), target, desired, false, secrets, &out))
	require.Contains(t, out.String(), "+ user amira.khan (extension 202, ")
	require.NoFileExists(t, secrets, "a plan changes nothing")

	out.Reset()
	require.NoError(t, run(t.Context(), target, desired, true, secrets, &out))
	require.Contains(t, out.String(), "done     + group sales")
	require.NotContains(t, out.String(), "failed")
	kept, err := os.ReadFile(secrets)
	require.NoError(t, err)
	require.Contains(t, string(kept), "confirmed,liam.doyle,")

	out.Reset()
	require.NoError(t, run(t.Context(), target, desired, true, secrets, &out))
	require.Equal(t, "in all: 0 to create, 0 to change, 0 to delete\n", out.String(), "what is there is not made again")
}

func TestRead(t *testing.T) {
	t.Parallel()
	wrong := filepath.Join(t.TempDir(), "staff.csv")
	require.NoError(t, os.WriteFile(wrong, []byte("user,displayName,extension\nann,Ann,2o1\n"), 0o600))
	_, err := read(wrong, "")
	require.ErrorContains(t, err, "staff.csv, line 2")
	_, err = read("", "/does/not/exist.json")
	require.ErrorContains(t, err, "no such file")
}
