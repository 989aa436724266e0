package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/command"
)

// The command lines in the README and the guides are ones that the program takes.
func TestCommandLinesOfGuides(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	found := 0
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
				if !strings.HasPrefix(line, "infinitysip ") {
					continue
				}
				found++
				if err := takes(line); err != nil {
					t.Errorf("%s: %s: %v", file, strings.TrimSpace(line), err)
				}
			}
		}
	}
	require.GreaterOrEqual(t, found, 7)
}

func TestCommandLinesThatAreWrong(t *testing.T) {
	t.Parallel()
	for line, problem := range map[string]string{
		"infinitysip users list --where 'name begins Ada' -o csv": "",
		"infinitysip siptest >url & until [ -s url ]; do sleep 1": "",
		"infinitysip users list | sort | head # by hand":          "",
		"infinitysip export --out=a.json && infinitysip none":     "",
		"infinitysip export >out.json 2>/dev/null":                "",
		"infinitysip --demo devices get 00-00-5e-00-53-11":        "",
		"infinitysip --help":                      "",
		"infinitysip plann staff.csv":             "there is no command",
		"infinitysip users lst":                   "there is no command",
		"infinitysip users":                       "names no command to run",
		"infinitysip export --output-file a.json": "unknown flag",
		"infinitysip probe --rate many":           "invalid argument",
		"infinitysip devices get":                 "DEVICE is missing",
		"infinitysip users list 'open":            "quote",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			err := takes(line)
			if problem == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, problem)
			}
		})
	}
}

// takes tells why the program does not take a command line.
func takes(line string) error {
	words, err := shellWords(line)
	if err != nil {
		return err
	}
	root := command.New()
	root.InitDefaultHelpFlag()
	root.InitDefaultVersionFlag()
	cmd, rest, err := root.Find(words[1:])
	if err != nil {
		return errors.New("there is no command: " + err.Error())
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	for _, flag := range []string{"help", "version"} {
		if f := cmd.Flags().Lookup(flag); f != nil && f.Changed {
			return nil
		}
	}
	args := cmd.Flags().Args()
	switch {
	case cmd.HasSubCommands() && len(args) > 0:
		return errors.New("there is no command " + args[0])
	case cmd.HasSubCommands() || !cmd.Runnable():
		return errors.New(cmd.CommandPath() + " names no command to run")
	}
	return errors.Join(cmd.ValidateArgs(args), cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
}

// shellWords are the words of a command, up to a comment, a pipe, a redirection or the
// next command.
func shellWords(line string) (words []string, err error) {
	var word strings.Builder
	in, quote := false, rune(0)
	end := func() {
		if in {
			words, in = append(words, word.String()), false
			word.Reset()
		}
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			in, quote = true, r
		case r == ' ' || r == '\t' || r == '\n':
			end()
		case r == '#' && !in, strings.ContainsRune("|&;", r):
			end()
			return words, nil
		case r == '>' || r == '<':
			if word.String() != "2" { // of 2>file
				end()
			}
			return words, nil
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is open")
	}
	end()
	return words, nil
}
