//go:build linux || darwin

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// No flag that writes a file takes away what another flag reads or keeps: that is
// found before anything is sent or written, also if the file has two names.
func TestOneFileOfTwoFlags(t *testing.T) {
	t.Parallel()
	person := []string{"users", "create", "ann", "--name", "Ann", "--extension", "301"}
	for name, test := range map[string]struct {
		args   []string
		writes []string
		reads  []string // FLAG, or FLAG @: its file is named so
	}{
		"plan":   {[]string{"plan"}, []string{"--out", "--skip-bad", "--secrets"}, []string{"", "--identity", "--age @", "--credentials-file"}},
		"apply":  {[]string{"apply", "--yes"}, []string{"--skip-bad", "--secrets"}, []string{"", "--identity", "--age @", "--credentials-file"}},
		"export": {[]string{"export", "--force"}, []string{"--out", "--csv"}, []string{"--credentials-file"}},
		"create": {person, []string{"--secrets"}, []string{"--identity", "--age @", "--credentials-file", "--password-file", "--pin-file"}},
		"rotate": {[]string{"devices", "rotate-token", "1", "--yes"}, []string{"--secrets"}, []string{"--identity", "--age @", "--credentials-file"}},
		"probe":  {[]string{"probe", "--yes"}, []string{"--options-out"}, []string{"--credentials-file"}},
		"server": {[]string{"siptest", "--tls"}, []string{"--ca-out"}, []string{"--seed", "--options"}},
	} {
		flag := func(flag, file string) []string {
			flag, at := strings.CutSuffix(flag, " @")
			switch {
			case flag == "":
				return []string{file}
			case at:
				return []string{flag, "@" + file}
			}
			return []string{flag, file}
		}
		for i, writes := range test.writes {
			for _, reads := range append(test.reads, test.writes[:i]...) {
				for _, there := range []bool{true, false} {
					isOutput := strings.Contains(strings.Join(test.writes[:i], " "), reads) && reads != ""
					if !there && !isOutput {
						continue
					}
					t.Run(name+" "+writes+" "+reads, func(t *testing.T) {
						t.Parallel()
						o := newOffice(t, smallPeople, false)
						one := filepath.Join(o.dir, "one")
						other := filepath.Join(o.dir, ".", "one")
						text := "precious"
						if there {
							if reads == "--age @" {
								text = o.key.Recipient().String()
							}
							if reads == "--options" {
								text = "{}"
							}
							o.write(t, "one", text)
							require.NoError(t, os.Symlink(one, one+".link"))
							other += ".link"
						}
						args := append(append(append([]string{}, test.args...), flag(writes, one)...), flag(reads, other)...)
						if name == "plan" || name == "apply" {
							args = append(args, o.write(t, "staff.csv", "user,displayName,extension\nann,Ann,2o1\n"))
						}
						p := o.program(args...)
						require.Equal(t, 64, p.run(t), "%s", &p.stderr)
						require.Contains(t, p.stderr.String(), "are the same file")
						require.Empty(t, p.stdout.String())
						require.Empty(t, o.Requests())
						now, err := os.ReadFile(one)
						if there {
							require.NoError(t, err)
							require.Equal(t, text, string(now))
						} else {
							require.ErrorIs(t, err, os.ErrNotExist)
						}
					})
				}
			}
		}
	}
	t.Run("the file of a run", func(t *testing.T) {
		t.Parallel()
		o := newOffice(t, smallPeople, true)
		p := o.process("--skip-bad", o.secrets+".part")
		require.Equal(t, 64, p.run(t))
		require.Contains(t, p.stderr.String(), "--skip-bad and the part file of --secrets are the same file")
	})
}

// What is written replaces an older one of its kind, and no other file.
func TestOutReplacesItsKindAlone(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, false)
	saved, ca, options := filepath.Join(o.dir, "plan.json"), filepath.Join(o.dir, "ca.pem"), filepath.Join(o.dir, "options.json")
	for _, test := range []struct {
		file string
		args []string
		code int
	}{
		{saved, []string{"plan", o.args[1], o.args[2], "--out", saved}, 2},
		{ca, []string{"siptest", "--tls", "--timeout", "2s", "--ca-out", ca}, 0},
		{options, []string{"probe", "--demo", "--rate", "0", "--options-out", options}, 0},
	} {
		for range 2 {
			p := o.program(test.args...)
			require.Equal(t, test.code, p.run(t), "%s", &p.stderr)
		}
		left, err := filepath.Glob(test.file + "*")
		require.NoError(t, err)
		require.Equal(t, []string{test.file}, left)
		o.ResetRequests()
		for _, text := range []string{"state,user,device,password,pin,token\n", `{"users": []}`, "{", "x"} {
			require.NoError(t, os.WriteFile(test.file, []byte(text), 0o600))
			p := o.program(test.args...)
			require.Equal(t, 64, p.run(t), "%v over %s: %s", test.args, text, &p.stderr)
			require.Contains(t, p.stderr.String(), "is there already, and ")
			now, err := os.ReadFile(test.file)
			require.NoError(t, err)
			require.Equal(t, text, string(now))
		}
		require.Empty(t, o.Requests())
	}
}

// A hyphen is standard output or nothing, and never a file of that name.
func TestHyphenIsNoFile(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, false)
	for _, args := range [][]string{
		{"plan", o.args[1], "--out", "-"}, {"apply", o.args[1], "--yes", "--secrets", "-"}, {"apply", o.args[1], "--yes", "--skip-bad", "-"},
		{"siptest", "--tls", "--ca-out", "-"}, {"probe", "--demo", "--options-out", "-"}, {"devices", "rotate-token", "1", "--yes", "--secrets", "-"},
	} {
		p := o.program(args...)
		p.Dir = o.dir
		require.Equal(t, 64, p.run(t), "%v: %s", args, &p.stderr)
		require.Contains(t, p.stderr.String(), "- names no file")
		require.NoFileExists(t, filepath.Join(o.dir, "-"))
	}
	require.Empty(t, o.Requests())
}

// Names of domains and of files are shown without what a terminal would obey, and the
// files of domains have names that every system takes.
func TestNamesOfDomains(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, false)
	for id, name := range map[infinitysip.DomainID]string{8: "a/../b\x1b[31m", 9: "..", 10: "Twin", 11: "Twin", 12: "CON", 13: "=x"} {
		o.AddDomain(infinitysip.Domain{ID: id, DisplayName: name})
	}
	out := filepath.Join(o.dir, "out")
	p := o.program("export", "--all-domains", "--out", out)
	require.Equal(t, 0, p.run(t), "%s", &p.stderr)
	files, err := filepath.Glob(filepath.Join(out, "*"))
	require.NoError(t, err)
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	require.Equal(t, []string{"10-Twin.json", "11-Twin.json", "12-CON.json", "13-x.json", "7-Acme.json", "8-a-b-31m.json", "9.json"}, files)

	for _, name := range files {
		require.NoError(t, os.Rename(filepath.Join(out, name), filepath.Join(out, strings.TrimSuffix(name, ".json")+"\x1b[31m.json")))
	}
	o.write(t, "out/x\x1b[31m.json", `{"groups": [{"groupName": "x"}]}`)
	for _, args := range [][]string{
		{"plan", "--all-domains", out}, {"check", "--all-domains", out},
		{"plan", o.args[1], "--domain", "a/../b\x1b[31m"},
		{"apply", o.args[1], "--domain", "a/../b\x1b[31m", "--yes", "--show-secrets"},
		{"export", "--domain", "a/../b\x1b[31m", "--out", filepath.Join(o.dir, "one.json")},
		{"probe", "--domain", "a/../b\x1b[31m"},
	} {
		p := o.program(args...)
		p.run(t)
		require.NotContains(t, p.stdout.String()+p.stderr.String(), "\x1b", "%v", args)
	}
}

// No name of a package of Go is in what people read.
func TestNoPackagesInErrors(t *testing.T) {
	t.Parallel()
	o := newOffice(t, smallPeople, false)
	bad := o.write(t, "bad.json", `{"groups": [{"groupName": "a", "extensionNumber": "2o1"}]}`)
	folder := filepath.Join(o.dir, "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	for _, args := range [][]string{
		{"apply", o.args[1], "--secrets", folder, "--yes"},
		{"apply", o.args[1], "--secrets", o.write(t, "old.csv", "precious"), "--yes"},
		{"users", "create", "ann", "--name", "Ann", "--extension", "301", "--secrets", folder},
		{"siptest", "--seed", bad}, {"siptest", "--seed", o.args[1]}, {"siptest", "--seed", folder},
		{"siptest", "--listen", "127.0.0.1:99999"}, {"siptest", "--listen", strings.TrimPrefix(o.URL(), "http://")},
		{"secrets", "show", o.args[1]}, {"secrets", "show", folder},
		{"check", bad}, {"check", folder}, {"export", "--out", folder, "--force"},
	} {
		p := o.program(args...)
		require.NotZero(t, p.run(t), "%v", args)
		require.NotContains(t, p.stderr.String(), "provision: ", "%v", args)
		require.NotContains(t, p.stderr.String(), "siptest: listen tcp", "%v", args)
		require.NotContains(t, p.stderr.String(), "siptest: siptest", "%v", args)
	}
}
