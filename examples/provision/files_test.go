package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

// No flag that writes a file takes away what another flag reads or keeps.
func TestOneFileOfTwoFlags(t *testing.T) {
	t.Parallel()
	flags := map[string]string{"-csv": "staff.csv", "-office": "office.json", "-skip-bad": "bad.csv", "-out": "plan.json", "-passwords": "pw.csv"}
	for a := range flags {
		for b := range flags {
			for _, there := range []bool{true, false} {
				if a >= b || !there && (a == "-csv" || a == "-office" || b == "-csv" || b == "-office") {
					continue
				}
				t.Run(a+" "+b, func(t *testing.T) {
					t.Parallel()
					o := newBench(t, siptest.Options{})
					args := []string{"-live", "-domain", "7", "-csv", o.write(t, "staff.csv", header+"ann,Ann,2o1,,,,,,\n"), "-office", o.write(t, "office.json", "{}")}
					one := filepath.Join(o.dir, "one")
					if there {
						o.write(t, "one", "precious")
						require.NoError(t, os.Symlink(one, one+".link"))
					}
					other := filepath.Join(o.dir, ".", "one")
					if there {
						other += ".link" // the same file by another name
					}
					code, _, stderr := o.start(t.Context(), append(args, a, one, b, other)...)
					require.Equal(t, exitError, code)
					require.Contains(t, stderr, "are the same file", "%s %s", a, b)
					require.Contains(t, stderr, "\nNothing was changed.")
					require.Empty(t, o.Requests())
					if text, err := os.ReadFile(one); there {
						require.NoError(t, err)
						require.Equal(t, "precious", string(text))
					} else {
						require.ErrorIs(t, err, os.ErrNotExist)
					}
				})
			}
		}
	}
	t.Run("-apply", func(t *testing.T) {
		t.Parallel()
		o := newBench(t, siptest.Options{})
		plan := o.write(t, "plan.json", "{}")
		code, _, stderr := o.start(t.Context(), "-live", "-apply", plan, "-passwords", plan)
		require.Equal(t, exitError, code)
		require.Contains(t, stderr, "-apply and -passwords are the same file")
	})
}

// -out replaces a plan, and no other file.
func TestOutReplacesPlansAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	saved := filepath.Join(b.dir, "plan.json")
	for range 2 {
		code, _, stderr := b.run(t, "", "-plan", "-out", saved)
		require.Equal(t, exitChanges, code, stderr)
	}
	left, err := filepath.Glob(saved + "*")
	require.NoError(t, err)
	require.Equal(t, []string{saved}, left)

	b.ResetRequests()
	for _, text := range []string{"state,user,device,password,pin,token\n", `{"users": []}`, "{", "x"} {
		other := b.write(t, "other", text)
		for _, mode := range []string{"-plan", "-apply"} {
			code, _, stderr := b.run(t, "", mode, "-out", other)
			require.Equal(t, exitError, code)
			require.Contains(t, stderr, "other is there already, and is no plan: give -out another name\nNothing was changed.")
			now, err := os.ReadFile(other)
			require.NoError(t, err)
			require.Equal(t, text, string(now))
		}
	}
	require.Empty(t, b.Requests())

	code, _, stderr := b.run(t, "", "-plan", "-out", b.write(t, "empty", ""))
	require.Equal(t, exitChanges, code, stderr)
}

// Somebody may be mending the rows of -skip-bad: they are not written over.
func TestSkipBadReplacesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	people := header + "ann,Ann,201,,,,,,\nben,Ben,2o2,,,,,,\n"
	bad := filepath.Join(b.dir, "bad.csv")
	for range 2 { // the same rows are there already
		code, stdout, stderr := b.run(t, people, "-plan", "-skip-bad", bad)
		require.Equal(t, exitChanges, code, stderr)
		require.Contains(t, stdout, "They are in "+bad)
	}
	text, err := os.ReadFile(bad)
	require.NoError(t, err)
	mended := strings.Replace(string(text), "2o2", "202", 1)
	b.write(t, "bad.csv", mended)
	code, _, stderr := b.run(t, people, "-plan", "-skip-bad", bad)
	require.Equal(t, exitError, code)
	require.Contains(t, stderr, "bad.csv is there already, and holds something else: give -skip-bad another name, or take that file away\nNothing was changed.")
	text, err = os.ReadFile(bad)
	require.NoError(t, err)
	require.Equal(t, mended, string(text))
}
