package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/examples/internal/demo"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// What is exported plans to nothing.
func TestExport(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient()
	require.NoError(t, demo.Fill(t.Context(), client, domain))
	for _, format := range []string{"json", "csv"} {
		var file bytes.Buffer
		_, err := export(t.Context(), client, domain, format, &file)
		require.NoError(t, err)
		want, err := os.ReadFile("testdata/domain." + format)
		require.NoError(t, err)
		require.Equal(t, string(want), file.String())

		read := provision.ReadJSON
		if format == "csv" {
			read = func(r io.Reader) (*provision.State, error) { return provision.ReadCSV(r, nil) }
		}
		state, err := read(&file)
		require.NoError(t, err)
		require.NoError(t, state.Check())
		changes, err := provision.Plan(t.Context(), client, domain, state, &provision.PlanOptions{Prune: true})
		require.NoError(t, err)
		require.True(t, changes.Empty(), "%s: %v", format, changes)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "people.csv")
	require.NoError(t, run(t.Context(), false, "", "csv", file))
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	want, err := os.ReadFile("testdata/domain.csv")
	require.NoError(t, err)
	require.Equal(t, string(want), string(content))

	require.ErrorContains(t, run(t.Context(), true, "", "csv", file), "-live needs -domain")
	require.ErrorContains(t, run(t.Context(), false, "", "xml", file), "-format must be")
}

// A file that cannot be whole is not written at all.
func TestExportThatIsCutShort(t *testing.T) {
	t.Parallel()
	srv := siptest.New(t)
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client := srv.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxAttempts: 1}))
	require.NoError(t, demo.Fill(t.Context(), client, domain))
	srv.Fail(siptest.On("Users.List").Truncate(700))

	var file bytes.Buffer
	_, err := export(t.Context(), client, domain, "csv", &file)

	require.Error(t, err)
	require.Empty(t, file.String())
}
