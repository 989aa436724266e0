package command

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// printable is a text as a terminal may show it: what it would obey is escaped.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != '\t' {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// count is a number of things, such as "1 domain" and "1,234 domains".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

// are is a number of domains that are something, such as "1 domain is".
func are(n int) string {
	if n == 1 {
		return "1 domain is"
	}
	return count(n, "domain") + " are"
}

// thousands is a number that is not negative, with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// ago says how long ago a time was; "never" for none.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	d := now.Sub(at)
	switch {
	case d < time.Second:
		return "now"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s ago"
	case d < 2*time.Hour:
		return count(int(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return count(int(d/time.Hour), "hour") + " ago"
	}
	return count(int(d/(24*time.Hour)), "day") + " ago"
}

// firstLine is the first line of a text, and says whether there are more.
func firstLine(text string) string {
	first, rest, more := strings.Cut(unprefixed(strings.TrimSpace(text)), "\n")
	if more {
		first += fmt.Sprintf(" (and %s)", count(strings.Count(rest, "\n")+1, "line"))
	}
	return printable(first)
}

// table writes rows in columns.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "\t", " ")
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	if r, ok := stream.(*remembering); ok {
		stream = r.to
	}
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
