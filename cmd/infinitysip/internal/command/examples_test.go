package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// words divides a line as a shell does, up to the end of the first command that is
// infinitysip. It returns what follows that word; nil if there is no such command.
func words(line string) []string {
	var all []string
	var word strings.Builder
	begun, quote := false, rune(0)
	end := func() {
		if begun {
			all = append(all, word.String())
		}
		begun = false
		word.Reset()
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t':
			end()
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	end()
	for i, w := range all {
		if w != "infinitysip" {
			continue
		}
		rest := all[i+1:]
		for j, w := range rest {
			if strings.ContainsAny(w[:min(1, len(w))], "<>|&;#") || w == "2>" {
				return rest[:j:j]
			}
		}
		return rest[:len(rest):len(rest)]
	}
	return nil
}

// commandLines are the command lines of infinitysip in a text, those within the
// quotes of another command too.
func commandLines(text string) [][]string {
	var lines [][]string
	for line := range strings.Lines(text) {
		for line = strings.TrimSpace(line); ; {
			i := strings.Index(line, "infinitysip ")
			if i < 0 {
				break
			}
			if args := words(line[i:]); args != nil && (i == 0 || strings.ContainsRune(" '\"(|&;", rune(line[i-1]))) {
				lines = append(lines, args)
			}
			line = line[i+1:]
		}
	}
	return lines
}

// used marks the flags that a command line has.
func used(root *cobra.Command, args []string, marked map[*pflag.Flag]bool) {
	cmd, rest, err := root.Find(args)
	if err != nil {
		return
	}
	cmd.InheritedFlags() // joins them with the others
	for _, arg := range rest {
		if arg == "--" {
			return
		}
		name, _, _ := strings.Cut(arg, "=")
		flag := cmd.Flags().Lookup(strings.TrimPrefix(name, "--"))
		if !strings.HasPrefix(name, "--") {
			flag = nil
			if strings.HasPrefix(name, "-") && len(name) > 1 {
				flag = cmd.Flags().ShorthandLookup(name[1:2])
			}
		}
		if flag != nil {
			marked[flag] = true
		}
	}
}

func TestEveryFlagIsInAScript(t *testing.T) {
	t.Parallel()
	root := New()
	marked := make(map[*pflag.Flag]bool)
	scripts, err := filepath.Glob("../../testdata/script/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, args := range commandLines(string(text)) {
			used(root, args, marked)
		}
	}
	var missing []string
	require.NoError(t, eachCommand(root, func(cmd *cobra.Command) error {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && !marked[f] {
				missing = append(missing, cmd.CommandPath()+" --"+f.Name)
			}
		})
		return nil
	}))
	require.Empty(t, missing, "no script has these flags:\n%s", strings.Join(missing, "\n"))
}

// Each example is a command line that the program takes. Those that only read work on
// the demo.
func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	require.NoError(t, eachCommand(New(), func(cmd *cobra.Command) error {
		if isTopic(cmd) && cmd.Name() != "help" {
			return nil
		}
		if !cmd.HasExample() {
			t.Errorf("%s has no example", cmd.CommandPath())
			return nil
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: two spaces do not begin the line %q", cmd.CommandPath(), line)
			}
		}
		own := false
		for _, args := range commandLines(cmd.Example) {
			own = checkExample(t, cmd.CommandPath(), args) || own
		}
		if !own {
			t.Errorf("%s: no example is of this command", cmd.CommandPath())
		}
		return nil
	}))
}

// checkExample reports whether the example is one of the command of that path, or of
// one below it.
func checkExample(t *testing.T, of string, args []string) bool {
	line := strings.Join(args, " ")
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, args: args}
	cmd, rest, err := a.root().Find(args)
	if err != nil {
		t.Errorf("%s: the example %q: %v", of, line, err)
		return false
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: the example %q: %v", of, line, err)
		return false
	}
	if !cmd.HasSubCommands() {
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: the example %q: %v", of, line, err)
		}
	}
	reads := (strings.HasPrefix(cmd.Short, "List") || strings.HasPrefix(cmd.Short, "Show")) && cmd.Name() != "plan" // which reads files
	if reads && !strings.HasPrefix(cmd.CommandPath(), "infinitysip profile") && !cmd.HasSubCommands() {
		a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
		if code := run(t.Context(), a, append(args, "--demo")); code != exitDone {
			t.Errorf("%s: the example %q on the demo: exit code %d: %s", of, line, code, errs.String())
		}
	}
	return cmd.CommandPath() == of || strings.HasPrefix(cmd.CommandPath(), of+" ")
}

func TestCommandLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][][]string{
		`exec infinitysip users get 'joe blogs' >x`:          {{"users", "get", "joe blogs"}},
		`! exec sh -c 'echo k | infinitysip users -o csv'`:   {{"users", "-o", "csv"}},
		`code 64 infinitysip users list --where "name is x"`: {{"users", "list", "--where", "name is x"}},
		`stderr 'infinitysip: no'`:                           nil,
		`exec infinitysip users list &list&`:                 {{"users", "list"}},
	} {
		require.Equal(t, want, commandLines(line), line)
	}
}
