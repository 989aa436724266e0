//go:build linux || darwin

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/siptest"
)

// The files of examples/provision make an office on servers of any habits, and a
// second run changes nothing.
func TestSample(t *testing.T) {
	t.Parallel()
	people, err := os.ReadFile("../../examples/provision/people.csv")
	require.NoError(t, err)
	for name, habits := range map[string]siptest.Options{
		"usual":       {},
		"no body":     {CreateBody: siptest.CreateBodyNone},
		"rows":        {CreateBody: siptest.CreateBodyRow, BareNumbers: true, EchoSecrets: true},
		"other query": {UndocumentedQuery: siptest.UndocumentedQueryRejected, CreateBody: siptest.CreateBodyNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOfficeOn(t, habits, string(people), false)
			o.args[2] = filepath.Join("..", "..", "examples", "provision", "office.json")
			p := o.process()
			require.Equal(t, 0, p.run(t), "%s%s", &p.stdout, &p.stderr)
			require.Regexp(t, `(?m)^create user +12 +0 +0 +0$`, p.stdout.String())
			require.Regexp(t, `(?m)^device to user +11 +0 +0 +0$`, p.stdout.String())
			require.Contains(t, p.stdout.String(), "Passwords set: 12. Device tokens: 11. They are in "+o.secrets)
			require.Len(t, o.QueueMembers(o.domain, o.Queues(o.domain)[0].ID), 3)
			info, err := os.Stat(o.secrets)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
			for _, u := range o.Users(o.domain) {
				require.Equal(t, !u.PIN.IsZero(), u.HotdeskAllowed)
				require.NotContains(t, p.stdout.String()+p.stderr.String(), u.Password.Reveal())
			}
			before, err := os.ReadFile(o.secrets)
			require.NoError(t, err)
			o.requireWhole(t, 12)
			after, err := os.ReadFile(o.secrets)
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))
		})
	}
}

// The samples can be tried without an account.
func TestSampleOnDemo(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, false)
	people, things := "../../examples/provision/people.csv", "../../examples/provision/office.json"
	for _, files := range [][]string{{people, things}, {"../../examples/staff.csv"}} {
		for command, code := range map[string]int{"check": 0, "plan": 2, "apply": 0} {
			args := append([]string{command}, files...)
			if command != "check" {
				args = append(args, "--demo")
			}
			p := o.program(args...)
			require.Equal(t, code, p.run(t), "%v: %s%s", args, &p.stdout, &p.stderr)
			if command == "apply" {
				require.Contains(t, p.stdout.String(), "Planning again with the same files: 0 changes.")
			}
		}
	}
	require.Empty(t, o.Requests())
}
