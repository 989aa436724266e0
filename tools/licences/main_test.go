package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	t.Parallel()
	mit, err := os.ReadFile("../../LICENSE")
	require.NoError(t, err)
	const agpl = `This program is free software: you can redistribute it and/or modify it under the terms of the GNU Affero General Public
License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.`
	tests := map[string]struct {
		files   map[string]string
		kinds   []string
		problem string
	}{
		"one file":                {map[string]string{"LICENSE": string(mit)}, []string{"MIT"}, ""},
		"another spelling":        {map[string]string{"LICENCE.txt": string(mit)}, []string{"MIT"}, ""},
		"in a folder that counts": {map[string]string{"LICENSE": string(mit), "sub/COPYING": agpl}, nil, "the licence AGPL-3.0"},
		"in another folder":       {map[string]string{"LICENSE": string(mit), "other/COPYING": agpl}, []string{"MIT"}, ""},
		"none":                    {map[string]string{"README.md": string(mit)}, nil, "there is no file with a licence"},
		"unknown":                 {map[string]string{"LICENSE": "You may use this on Sundays."}, nil, "the licence is unknown"},
		"mostly unknown":          {map[string]string{"LICENSE": string(mit) + longTerms}, nil, "the licence is unknown"},
		"a condition more":        {map[string]string{"LICENSE": string(mit) + "\nNobody may use the Software in a commercial product without paying the author.\n"}, nil, "the licence is unknown"},
		"one that is not allowed": {map[string]string{"LICENSE": agpl}, nil, "is not among those allowed"},
		"allowed beside another":  {map[string]string{"LICENSE": string(mit), "LICENSE-DATA": agpl}, nil, "is not among those allowed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, content := range test.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
			}
			m := module{path: "example.com/m", version: "v1.0.0", dir: dir, folders: map[string]bool{filepath.Join(dir, "sub", "deep"): true}}
			require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub", "deep"), 0o700))
			err := m.read()
			if test.problem != "" {
				require.ErrorContains(t, err, test.problem)
				require.ErrorContains(t, err, "example.com/m v1.0.0")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.kinds, m.kinds)
		})
	}
}

const longTerms = `
You may use this program in any house with a garden, provided that the garden has at least two trees, one of which bears fruit, and
provided that you share a third of that fruit with the author every autumn. The author decides which third. If the tree bears no
fruit in a year, you owe a cake. You may not use this program in a house without a garden, except on public holidays, and not at all
in a boat. You may pass it on to a neighbour, and to a neighbour's neighbour, but to nobody further away than an hour on foot.
`

func TestPage(t *testing.T) {
	t.Parallel()
	page := page(map[string]*module{
		"a@v1": {path: "example.com/a", version: "v1.2.3", kinds: []string{"MIT"}, in: []string{".", "cmd/infinitysip"}},
		"b@v0": {path: "example.com/b", version: "v0.0.0-20200101000000-0123456789ab", kinds: []string{"BSD-3-Clause", "MIT"}, in: []string{"fleet"}},
	})
	require.Contains(t, page, "| example.com/a | v1.2.3 | MIT | the client, infinitysip |\n| example.com/b | 0123456789ab | BSD-3-Clause, MIT | fleet |\n")
}
