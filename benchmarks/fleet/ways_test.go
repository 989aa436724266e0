//go:build unix

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain runs the tests or, in a process that they started, a worker.
func TestMain(m *testing.M) {
	if text := os.Getenv(workerVariable); text != "" {
		os.Exit(work(text))
	}
	os.Exit(m.Run())
}

// Every way has the same domains in the end, by the same requests: the passes look at what the
// server has. The second pass changes nothing.
func TestWays(t *testing.T) {
	t.Parallel()
	c := config{domains: 10, postgres: os.Getenv(postgresVariable)}
	var first []pass
	for _, w := range ways(c) {
		done, err := runWay(t.Context(), c, w)
		require.NoError(t, err, w.name)
		require.Len(t, done, len(passes()), w.name)
		require.Equal(t, 10*usersOfDomain, done[0].requests["Users.Create"], w.name)
		require.Equal(t, 10*usersOfDomain, done[0].changes(), w.name)
		require.Zero(t, done[1].changes(), w.name)
		for i := range done {
			// A process that has not seen a domain yet lists the domains, and another reads it.
			r := done[i].requests
			r["Domains"] = r["Domains.List"] + r["Domains.Get"]
			delete(r, "Domains.List")
			delete(r, "Domains.Get")
			require.Equal(t, 10, r["Domains"], "%s: %v", w.name, r)
			require.Positive(t, done[i].took, w.name)
			require.Positive(t, done[i].cpu, w.name)
			require.Greater(t, done[i].peak, 5.0, w.name)
		}
		if first == nil {
			first = done
		}
		for i := range done {
			require.Equal(t, first[i].requests, done[i].requests, w.name)
		}
	}
}

// What differs from the work is told.
func TestHasAll(t *testing.T) {
	t.Parallel()
	require.Error(t, hasAll("domain", nil))
	s, err := openSite(t.Context(), config{}, way{wayOne, 1, 1, noDatabase}, 1)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	rows := s.server.Users(s.ids["warm-up-0000"])
	require.NoError(t, hasAll("warm-up-0000", rows))
	require.Error(t, hasAll("warm-up-0001", rows), "their addresses differ")
	require.Error(t, hasAll("warm-up-0000", append(rows, rows[0])), "one is there twice")
	require.Error(t, hasAll("warm-up-0000", rows[1:]), "one is missing")
}

func TestShown(t *testing.T) {
	t.Parallel()
	require.Equal(t, "-quick -count 2", shown([]string{"-quick", "-postgres=postgres://u:secret@h/d", "-count", "2"}))
}
