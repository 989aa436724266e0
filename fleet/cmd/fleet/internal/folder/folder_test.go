package folder

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/fleet"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{
		"acme":             "acme",
		"Acme Ltd (North)": "Acme Ltd (North)",
		"Łódź & Söhne":     "Łódź & Söhne",
		"North/South":      "North%2FSouth",
		`a\b:c*?"<>|`:      "a%5Cb%3Ac%2A%3F%22%3C%3E%7C",
		"..":               "%2E%2E",
		".":                "%2E",
		"../x":             "%2E.%2Fx",
		"a.b.":             "a.b%2E",
		"100% ":            "100%25%20",
		"a%2Fb":            "a%252Fb",
		"a\x00b\u0085":     "a%00b%C2%85",
		"a\u200bb\u202ec":  "a%E2%80%8Bb%E2%80%AEc",
		"a\u00a0b":         "a%C2%A0b",
		"a.json":           "a.json",
		"a+b":              "a+b",
	} {
		file, err := FileName(domain)
		require.NoError(t, err)
		require.Equal(t, want, file)
		back, err := domainOf(file)
		require.NoError(t, err)
		require.Equal(t, domain, back)
	}
	for domain, want := range map[string]string{"": "is empty", "a\xff": "not UTF-8"} {
		_, err := FileName(domain)
		require.ErrorContains(t, err, want)
	}
	for file, want := range map[string]string{
		"a%2":   "hexadecimal digits",
		"a%zz":  "hexadecimal digits",
		"a%FF":  "hexadecimal digits",
		"a%20b": "rename it to a b",
		"a%2fb": "rename it to a%2Fb",
		"":      "is empty",
	} {
		_, err := domainOf(file)
		require.ErrorContains(t, err, want, "%q", file)
	}
}

func FuzzFileName(f *testing.F) {
	for _, domain := range []string{"acme", "../x", "a/b", ".", "a%2Fb ", "Ł\x00"} {
		f.Add(domain)
	}
	f.Fuzz(func(t *testing.T, domain string) {
		file, err := FileName(domain)
		if err != nil {
			return
		}
		require.Equal(t, file, filepath.Base(file))
		require.NotContains(t, []string{".", ".."}, file)
		require.True(t, filepath.IsLocal(file+".json"))
		back, err := domainOf(file)
		require.NoError(t, err)
		require.Equal(t, domain, back)
	})
}

func TestParseDomain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fleet.Domain{
		"acme/North":       {Account: "acme", Name: "North"},
		"acme/North/South": {Account: "acme", Name: "North/South"},
		"acme/../x":        {Account: "acme", Name: "../x"},
	} {
		domain, err := ParseDomain(text)
		require.NoError(t, err)
		require.Equal(t, want, domain)
		require.Equal(t, text, domain.String())
	}
	for _, text := range []string{"", "acme", "/x", "acme/", "../x", "./x", "-a/x", "a b/x", "ü/x", strings.Repeat("a", 65) + "/x", `a\b/x`} {
		_, err := ParseDomain(text)
		require.Error(t, err, text)
	}
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestStates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	states := States(dir)
	write(t, filepath.Join(dir, "readme.md"), "")
	write(t, filepath.Join(dir, ".git", "x.json"), "")
	write(t, filepath.Join(dir, "acme", "North%2FSouth.json"), `{"users": [{"user": "joe"}]}`)
	write(t, filepath.Join(dir, "acme", "East.csv"), "user,displayName,extension\njoe,Joe,201\n")
	write(t, filepath.Join(dir, "acme", ".new-1.json"), "")
	write(t, filepath.Join(dir, "acme", "notes.txt"), "")
	write(t, filepath.Join(dir, "zeta", "a.json"), `{}`)
	all, err := states.All()
	require.NoError(t, err)
	require.Equal(t, []fleet.Domain{{Account: "acme", Name: "East"}, {Account: "acme", Name: "North/South"}, {Account: "zeta", Name: "a"}}, all.Domains)
	require.Equal(t, []string{filepath.Join(dir, "acme", "notes.txt"), filepath.Join(dir, "readme.md")}, all.Ignored)

	state, rev, err := states.Read("acme", "East")
	require.NoError(t, err)
	require.NoError(t, state.Check())
	require.Equal(t, "Joe", state.Users[0].DisplayName)
	require.Regexp(t, "^[0-9a-f]{12}$", rev)
	write(t, filepath.Join(dir, "acme", "East.csv"), "user,displayName,extension\njoe,Joseph,201\n")
	_, other, err := states.Read("acme", "East")
	require.NoError(t, err)
	require.NotEqual(t, rev, other)
	state, _, err = states.Read("acme", "North/South")
	require.NoError(t, err)
	require.Equal(t, "joe", state.Users[0].User)

	_, _, err = states.Read("acme", "None")
	require.ErrorContains(t, err, "None.json nor None.csv is there")
	_, _, err = states.Read("acme", "../zeta/a")
	require.ErrorContains(t, err, "there is no state of acme/../zeta/a")
	_, _, err = states.Read("..", "a")
	require.ErrorContains(t, err, "cannot be the name of an account")
	write(t, filepath.Join(dir, "acme", "East.json"), "{}")
	_, _, err = states.Read("acme", "East")
	require.ErrorContains(t, err, "keep one of them")
	all, err = states.Account("acme")
	require.NoError(t, err)
	require.Len(t, all.Domains, 2)

	write(t, filepath.Join(dir, "acme", "folder.json", "x"), "")
	_, _, err = states.Read("acme", "folder")
	require.ErrorContains(t, err, "folder.json is a folder, not a file")
	write(t, filepath.Join(dir, "acme", "large.json"), "")
	require.NoError(t, os.Truncate(filepath.Join(dir, "acme", "large.json"), most+1))
	_, _, err = states.Read("acme", "large")
	require.ErrorContains(t, err, "large.json is too large for a state: more than 64 MiB")

	write(t, filepath.Join(dir, "acme", "a%20b.json"), "{}")
	write(t, filepath.Join(dir, "a b", "x.json"), "{}")
	_, err = states.All()
	require.ErrorContains(t, err, "rename it to a b")
	require.ErrorContains(t, err, "cannot be the name of an account")
	_, err = States(filepath.Join(dir, "none")).All()
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = states.Account("none")
	require.ErrorContains(t, err, filepath.Join(dir, "none")+" cannot be read: no such file")
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	accounts := Accounts(dir)
	write(t, filepath.Join(dir, "acme.env"), "INFINITY_API_KEY=abc\nINFINITY_BASE_URL=https://sip.example.com\n")
	write(t, filepath.Join(dir, "zeta.env"), "INFINITY_API_KEY=abc\n")
	write(t, filepath.Join(dir, "readme"), "")
	require.NoError(t, os.Chmod(filepath.Join(dir, "zeta.env"), 0o644))
	names, err := accounts.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "zeta"}, names)
	set, err := accounts.Read("acme")
	require.NoError(t, err)
	require.Equal(t, "abc", set.APIKey)
	require.Equal(t, "https://sip.example.com", set.BaseURL)
	_, err = accounts.Read("none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = accounts.Read("../x")
	require.ErrorContains(t, err, "cannot be the name of an account")
	if runtime.GOOS != "windows" {
		_, err = accounts.Read("zeta")
		require.ErrorContains(t, err, "others than its owner can use it (mode 0644), so it is not used. Take their rights away with: chmod 600 ")
	}
	require.NoError(t, Check(dir))
	require.ErrorContains(t, Check(filepath.Join(dir, "readme")), "is a file, not a folder")
	require.ErrorIs(t, Check(filepath.Join(dir, "none")), fs.ErrNotExist)
}
