package credentials

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want Set
	}{
		"a key":             {"INFINITY_API_KEY=abc\n", Set{APIKey: "abc"}},
		"spaces, no end":    {" INFINITY_API_KEY = abc", Set{APIKey: "abc"}},
		"as Windows has it": {"\uFEFFINFINITY_API_KEY=abc\r\n\r\nINFINITY_DOMAIN=acme\r\n", Set{APIKey: "abc", Domain: "acme"}},
		"comments":          {"# mine\n\nexport INFINITY_API_KEY=abc\n  # end", Set{APIKey: "abc"}},
		"a user": {`INFINITY_USERNAME=joe
INFINITY_PASSWORD='a "b" \ #c'  # his
INFINITY_BASE_URL="https://sip.example.com"
`, Set{Username: "joe", Password: `a "b" \ #c`, BaseURL: "https://sip.example.com"}},
		"double quotes":           {`INFINITY_API_KEY="a\"b\\c'd#"`, Set{APIKey: `a"b\c'd#`}},
		"a value with = and #":    {"INFINITY_API_KEY=a=b#c", Set{APIKey: "a=b#c"}},
		"an empty name is unset":  {"INFINITY_API_KEY=\nINFINITY_USERNAME=joe\nINFINITY_PASSWORD=x y", Set{Username: "joe", Password: "x y"}},
		"quotes within the value": {`INFINITY_API_KEY=a"b"`, Set{APIKey: `a"b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := Parse([]byte(test.text))
			require.NoError(t, err)
			require.Equal(t, test.want, set)
			text, err := set.format()
			require.NoError(t, err)
			again, err := Parse(text)
			require.NoError(t, err)
			require.Equal(t, set, again)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                             "neither INFINITY_API_KEY nor",
		"s3cret":                                       "line 1 is not NAME=VALUE",
		"\n# x\nS3CRET=s3cret":                         "line 3 has none of the names",
		"INFINITY_API_KEY=s3cret # mine":               "line 1: put the value in quotes",
		"INFINITY_API_KEY='s3cret":                     "line 1: the quote that begins",
		"INFINITY_API_KEY='s3cret' s3cret":             "line 1: there is more",
		`INFINITY_API_KEY="s3cret\n"`:                  "line 1: in double quotes a backslash",
		`INFINITY_API_KEY="s3cret\`:                    "line 1: in double quotes a backslash",
		"INFINITY_USERNAME=s3cret":                     "INFINITY_USERNAME without INFINITY_PASSWORD",
		"INFINITY_PASSWORD=s3cret":                     "INFINITY_PASSWORD without INFINITY_USERNAME",
		"I\x00N\x00":                                   "not text in UTF-8",
		"INFINITY_API_KEY=s3cret\xff":                  "not text in UTF-8",
		"INFINITY_API_KEY=a\nINFINITY_API_KEY=s3cret":  "on line 1 and on line 2",
		"INFINITY_API_KEY=a\nINFINITY_USERNAME=s3cret": "keep one of the two",
	} {
		_, err := Parse([]byte(text))
		require.ErrorContains(t, err, want, "%q", text)
		require.NotContains(t, strings.ToLower(err.Error()), "s3cret")
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	good := file("good", "INFINITY_API_KEY=abc", 0o600)
	set, err := ReadFile(good)
	require.NoError(t, err)
	require.Equal(t, Set{APIKey: "abc"}, set)
	require.NoError(t, os.Symlink(good, filepath.Join(dir, "link")))
	set, err = ReadFile(filepath.Join(dir, "link"))
	require.NoError(t, err)
	require.Equal(t, Set{APIKey: "abc"}, set)

	_, err = ReadFile(dir)
	require.ErrorContains(t, err, "a folder")
	_, err = ReadFile(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadFile(file("large", strings.Repeat("#\n", 40_000), 0o400))
	require.ErrorContains(t, err, "too large")
	_, err = ReadFile(file("strange", "\nx", 0o400))
	require.ErrorContains(t, err, "strange: line 2 is not")
	if runtime.GOOS == "windows" {
		return
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o601} {
		_, err = ReadFile(file("open", "INFINITY_API_KEY=abc", mode))
		require.IsType(t, &InsecureError{}, err)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	p := Profiles{filepath.Join(t.TempDir(), "config", "infinitysip")}
	names, err := p.Names()
	require.NoError(t, err)
	require.Empty(t, names)
	current, err := p.Current()
	require.NoError(t, err)
	require.Empty(t, current)
	require.ErrorIs(t, p.Use("acme"), ErrNoProfile)
	require.ErrorIs(t, p.Remove("acme"), ErrNoProfile)

	acme := Set{APIKey: "abc", BaseURL: "https://sip.example.com", Domain: `the "acme" \`}
	require.NoError(t, p.Write("acme", acme))
	require.NoError(t, p.Write("branch.2", Set{Username: "joe", Password: "x"}))
	require.Error(t, p.Write("no-key", Set{Username: "joe"}))
	names, err = p.Names()
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "branch.2"}, names)
	set, err := p.Read("acme")
	require.NoError(t, err)
	require.Equal(t, acme, set)
	if info, err := os.Stat(p.Path("acme")); runtime.GOOS != "windows" {
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())
	}

	require.NoError(t, p.Use("acme"))
	current, err = p.Current()
	require.NoError(t, err)
	require.Equal(t, "acme", current)
	require.NoError(t, p.Remove("acme"))
	current, err = p.Current()
	require.NoError(t, err)
	require.Empty(t, current)

	for _, name := range []string{"", ".", "..", "../x", "a/b", "-x", ".x", "a b", "ü", strings.Repeat("x", 65)} {
		require.Error(t, CheckName(name), name)
		_, err := p.Read(name)
		require.ErrorContains(t, err, "cannot be the name of a profile")
	}
}
