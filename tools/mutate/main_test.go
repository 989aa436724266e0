package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of a package whose test looks at one of two conditions, the mutants of the other
// survive, and are known or not.
func TestSurvivors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("go.mod", "module example.com/ring\n\ngo 1.26\n")
	write("ring.go", `package ring

// Rings reports whether a phone rings: it is not engaged, and it is day.
func Rings(engaged bool, hour int) bool {
	switch {
	case engaged:
		return false
	case hour >= 8 && hour < 18:
		return true
	}
	return false
}
`)
	write("ring_test.go", `package ring

import "testing"

func TestRings(t *testing.T) {
	if !Rings(false, 8) || Rings(false, 7) || Rings(true, 8) {
		t.Fail()
	}
}
`)
	known := write("survivors.txt", `ring.go: Rings: hour >= 8 && hour < 18 → hour >= 8 # the evening is not looked at
ring.go: Rings: hour < 18 → hour <= 18 # as above
ring.go: Rings: 18 → int(18 + 1) # as above
ring.go: Rings: hour >= 8 → hour > 8 # a test finds it
`)
	survivors := func(matching string) bool {
		temp := t.TempDir()
		r := run{root: dir, temp: temp, longest: time.Minute, matching: regexp.MustCompile(matching)}
		ok, err := r.all([]string{"."}, "", known)
		require.NoError(t, err)
		return ok
	}
	require.True(t, survivors("18"), "the survivors are known")
	require.True(t, survivors("engaged"), "a condition of a switch is changed, and a test finds it")
	require.False(t, survivors("hour >= 8 → hour > 8"), "a known survivor does not survive")
	write("survivors.txt", "")
	require.False(t, survivors("18"), "the survivors are not known")
	write("survivors.txt", "ring.go: Rings: 18 → int(18 + 1)\n")
	_, err := (&run{root: dir, temp: t.TempDir(), longest: time.Minute, matching: regexp.MustCompile("18")}).all([]string{"."}, "", known)
	require.ErrorContains(t, err, "has no reason")
}
