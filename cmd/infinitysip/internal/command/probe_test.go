package command

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/probe"
)

// Where a table has no room, all that was found is shown under what it is.
func TestFindingsOnANarrowTerminal(t *testing.T) {
	t.Parallel()
	findings := []probe.Finding{
		{What: "Second user of the same name", Found: "refused: 409", How: "a second create with the same key", Sure: probe.Seen},
		{What: "Most rows in one list", Found: "it cannot be found out here: the longest list has 7 rows, and no row is missing", Sure: probe.Unknown},
		{What: "Errors", Found: "a text\x1b[31m of " + strings.Repeat("x", 100), Sure: probe.Seen},
	}
	require.False(t, tooWide(findings, 0), "that is no terminal")
	require.False(t, tooWide(findings, 300))
	for _, width := range []int{40, 80} {
		require.True(t, tooWide(findings, width))
		text := paragraphs(findings, width, false)
		require.NotContains(t, text, "\x1b")
		require.Contains(t, strings.Join(strings.Fields(text), " "), "Second user of the same name refused: 409 (a second create with the same key) Most rows in one list unknown: it cannot be found out here: the longest list has 7 rows, and no row is missing Errors")
		for line := range strings.Lines(text) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), width)
		}
	}
	require.True(t, strings.HasPrefix(paragraphs(findings, 80, true), "\x1b[1mSecond user of the same name\x1b[0m\n  refused"))
}
