package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseBreaks(t *testing.T) {
	t.Parallel()
	const output = `- (*Client).Do: changed from func(string) to func(int)
- Row[R].Value: removed
- UsersService.Create: removed
- ./Kind: changed from string to int
- User.Name: changed from map[string: int] to string
- ErrConflict: removed
`
	breaks, err := parseBreaks("infinitysip", output)
	require.NoError(t, err)
	require.Equal(t, []broken{
		{"infinitysip.Client.Do", "changed from func(string) to func(int)"},
		{"infinitysip.Row[R].Value", "removed"},
		{"infinitysip.UsersService.Create", "removed"},
		{"infinitysip.Kind", "changed from string to int"},
		{"infinitysip.User.Name", "changed from map[string: int] to string"},
		{"infinitysip.ErrConflict", "removed"},
	}, breaks)

	breaks, err = parseBreaks("fleet", "")
	require.NoError(t, err)
	require.Empty(t, breaks)

	_, err = parseBreaks("fleet", "panic\n")
	require.EqualError(t, err, `apidiff: a line that nobody understands: "panic"`)
}

func TestJSONBreaks(t *testing.T) {
	t.Parallel()
	before := []string{
		`field User.Name string json:"user"`,
		`field User.Email string json:"email,omitempty"`,
		`field User.Gone string json:"gone"`,
		`field User.Call func(n int) error`,
		`type User struct`,
	}
	after := []string{
		`field User.Name string json:"name"`,
		`field User.Email string`,
		`field User.New string json:"new"`,
		`field User.Call func(n int) error`,
		`type User struct`,
	}
	require.Equal(t, []broken{
		{"provision.User.Email", `in JSON changed from "email,omitempty" to no tag`},
		{"provision.User.Name", `in JSON changed from "user" to "name"`},
	}, jsonBreaks("provision", before, after))
	require.Empty(t, jsonBreaks("provision", before, before))
}

const changes = `# Changelog

### Breaking

- ` + "`provision.Prose`" + ` is above all sections.

## [Unreleased]

### Added

- ` + "`provision.Added`" + `

### Breaking

- ` + "`provision.Plan`" + ` takes options: write ` + "`provision.Plan(ctx, nil)`" + `.
- Users have one name. ` + "`provision.User.First`, `provision.User.Last`" + ` are gone.

` + "```go\n// `provision.Sample`\n```" + `

### Fixed

- ` + "`provision.Fixed`" + `

## [0.2.0] - 2026-01-02

### Breaking

- ` + "`provision.Second`" + `

## [0.1.0] - 2026-01-01

### Breaking

- ` + "`provision.First`" + `
`

func TestAnnounced(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		log, release string
		symbols      []string
		problem      string
	}{
		"since the last release": {changes, "v0.2.0", []string{"provision.Plan", "provision.Plan(ctx, nil)", "provision.User.First", "provision.User.Last"}, ""},
		"since an older one":     {changes, "v0.1.0", []string{"provision.Plan", "provision.Plan(ctx, nil)", "provision.Second", "provision.User.First", "provision.User.Last"}, ""},
		"before any release":     {"## [Unreleased]\n### Breaking\n- `fleet.A`", "", []string{"fleet.A"}, ""},
		"no breaks":              {"## [Unreleased]\n### Added\n- `fleet.A`", "", nil, ""},
		"a deeper heading":       {"## [Unreleased]\n### Breaking\n#### More\n- `fleet.A`", "", nil, ""},
		"a release without one":  {changes, "v0.3.0", nil, "CHANGELOG.md has no section for the release v0.3.0"},
		"no section":             {"# Changelog\n", "", nil, "CHANGELOG.md has no section such as ## [Unreleased]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			symbols, err := announced(test.log, test.release)
			if test.problem != "" {
				require.EqualError(t, err, test.problem)
				return
			}
			require.NoError(t, err)
			var got []string
			for symbol := range symbols {
				got = append(got, symbol)
			}
			slices.Sort(got)
			require.Equal(t, test.symbols, got)
		})
	}
}

func TestUnannounced(t *testing.T) {
	t.Parallel()
	breaks := []broken{{"fleet.State", "removed"}, {"provision.State", "removed"}, {"provision.State.Users", "removed"}}
	// A line names its package, and a type does not speak for its fields.
	require.Equal(t, []broken{breaks[0], breaks[2]}, unannounced(breaks, map[string]bool{"provision.State": true, "State": true}))
}
