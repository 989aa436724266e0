package main

import (
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip/siptest"
	"github.com/stretchr/testify/require"
)

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-live -csv x":                             "-live needs -domain",
		"-live -domain 7":                          "-live needs -csv or -office",
		"-workers 0":                               "-workers must be",
		"-workers 65 -plan -apply":                 "-workers must be from 1 to 64; -plan or -apply, not both",
		"-plan -apply plan.json":                   "-plan or -apply, not both",
		"-max-deletes -1":                          "want a number such as 20, or a part such as 5%",
		"-max-deletes 101%":                        "want a part from 0% to 100%",
		"-max-deletes NaN%":                        "want a part from 0% to 100%",
		"people.csv":                               "what is people.csv?",
		"-apply plan.json more.json":               "what is more.json?",
		"-apply=plan.json more.json":               "what is more.json?",
		"-apply=false plan.json":                   "what is plan.json?",
		"-apply -- plan.json":                      "what is plan.json?",
		"-csv -apply plan.json":                    "what is plan.json?",
		"-csv /does/not/exist":                     "no such file",
		"-office /does/not/exist":                  "no such file",
		"-nonsense":                                "not defined",
		"-digest x -apply":                         "-digest goes with -apply and the file of a plan",
		"-json":                                    "-json goes with -plan",
		"-skip-bad bad.csv":                        "-skip-bad needs -csv",
		"-color blue":                              "-color must be",
		"-comma ab":                                "want one character, or tab",
		"-column Name":                             "want Header=column",
		"-rotate 00:00:5E:00:53:01,":               "there is nothing between two commas",
		"-apply p.json -prune -set-secrets -out x": "-out writes the plan that is made now, and -apply p.json makes none; -prune is for planning, and p.json is a plan already; -set-secrets is",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, siptest.Options{})
			code, stdout, stderr := b.start(t.Context(), strings.Fields(args)...)
			require.Equal(t, exitError, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, want)
			require.Empty(t, b.Requests())
		})
	}
}

func TestFlagsAreRead(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]func(*options) bool{
		"":                               func(o *options) bool { return !o.plan && !o.apply.on },
		"-live -domain 7 -csv x":         func(o *options) bool { return o.plan },
		"-live -domain 7 -csv x -apply":  func(o *options) bool { return !o.plan && o.apply == applyFlag{on: true} },
		"-live -apply plan.json":         func(o *options) bool { return !o.plan && o.apply == applyFlag{true, "plan.json"} },
		"-live --apply plan.json -csv x": func(o *options) bool { return o.csv == "x" && o.apply == applyFlag{true, "plan.json"} },
		"-apply=plan.json -workers 3":    func(o *options) bool { return o.workers == 3 && o.apply == applyFlag{true, "plan.json"} },
		"-apply=false":                   func(o *options) bool { return o.apply == applyFlag{} },
		"-max-deletes 20":                func(o *options) bool { return o.MaxDeletes == 20 && o.MaxDeleteShare == 0 },
		"-max-deletes 2.5%":              func(o *options) bool { return o.MaxDeletes == 0 && o.MaxDeleteShare == 0.025 },
		"-rotate a,b -rotate c":          func(o *options) bool { return strings.Join(o.RotateTokens, " ") == "a b c" },
		"-rotate a;b":                    func(o *options) bool { return strings.Join(o.RotateTokens, " ") == "a b" },
		"-comma ;":                       func(o *options) bool { return o.sheet.Comma == ';' },
		"-comma tab":                     func(o *options) bool { return o.sheet.Comma == '\t' },
		"-column Name=displayName -column Ext=extension": func(o *options) bool {
			return o.sheet.Columns["Name"] == "displayName" && o.sheet.Columns["Ext"] == "extension"
		},
		"-skip-bad bad.csv -csv staff.csv": func(o *options) bool { return o.sheet.SkipBad && o.sheet.File == "staff.csv" },
	} {
		o, err := parseFlags(strings.Fields(args))
		require.NoError(t, err, args)
		require.True(t, want(o), args)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	b := newBench(t, siptest.Options{})
	code, stdout, stderr := b.start(t.Context(), "-h")
	require.Equal(t, exitDone, code)
	require.Empty(t, stderr)
	for _, want := range []string{"\n  provision -live -domain acme", "\nExit codes:\n  0  ", "INFINITY_BASE_URL", "-max-deletes number", "-apply [plan.json]"} {
		require.Contains(t, stdout, want)
	}
}
