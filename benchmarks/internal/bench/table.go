package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// Machine tells where and when a run took place.
func Machine() string {
	return fmt.Sprintf("%s, %s/%s, %s, %d cores, %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, processor(), runtime.NumCPU(), time.Now().UTC().Format("2006-01-02 15:04 UTC"))
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor unknown"
}

// A Table is printed as Markdown that can be read as it is.
type Table struct {
	Title string
	Note  string // how it was measured
	Head  []string
	Rows  [][]string
	Goals []Goal
}

// Add adds a line.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// A Goal is met while Measured is at least Limit, or at most where AtMost.
type Goal struct {
	Text     string
	Measured float64
	Unit     string
	Limit    float64
	AtMost   bool
}

// AtLeast is a goal for what should be large.
func AtLeast(limit float64, unit, text string, measured float64) Goal {
	return Goal{text, measured, unit, limit, false}
}

// AtMost is a goal for what should be small.
func AtMost(limit float64, unit, text string, measured float64) Goal {
	return Goal{text, measured, unit, limit, true}
}

// Missed is what a goal that is not met is marked with.
const Missed = "**MISSED**"

func (g Goal) verdict() string {
	if g.AtMost && g.Measured <= g.Limit || !g.AtMost && g.Measured >= g.Limit {
		return "ok"
	}
	return Missed
}

func (g Goal) cells() []string {
	sign := "≥"
	if g.AtMost {
		sign = "≤"
	}
	return []string{g.Text, fmt.Sprintf("%s %s%s", sign, Number(g.Limit), g.Unit), Number(g.Measured) + g.Unit, g.verdict()}
}

// Print writes the table, and its goals below it.
func (t *Table) Print(w io.Writer) {
	fmt.Fprintf(w, "### %s\n\n", t.Title)
	if t.Note != "" {
		fmt.Fprintf(w, "%s\n\n", t.Note)
	}
	if len(t.Rows) > 0 {
		print(w, t.Head, t.Rows)
	}
	if len(t.Goals) > 0 {
		var rows [][]string
		for _, goal := range t.Goals {
			rows = append(rows, goal.cells())
		}
		print(w, []string{"goal", "", "measured", ""}, rows)
	}
}

// print writes lines in columns; all but the first are numbers.
func print(w io.Writer, head []string, rows [][]string) {
	widths := make([]int, len(head))
	for _, row := range append(rows, head) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(w, "| %s%s ", cell, space)
			} else {
				fmt.Fprintf(w, "| %s%s ", space, cell)
			}
		}
		fmt.Fprintln(w, "|")
	}
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = strings.Repeat("-", widths[i]-1) + ":"
	}
	rule[0] = strings.Repeat("-", widths[0])
	line(rule)
	for _, row := range rows {
		line(row)
	}
	fmt.Fprintln(w)
}

// Number writes three digits, or all that are before the point.
func Number(v float64) string {
	switch abs := max(v, -v); {
	case abs < 0.005:
		return "0"
	case abs < 0.995:
		return fmt.Sprintf("%.2f", v)
	case abs < 9.995:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
	case abs < 99.95:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	return fmt.Sprintf("%.0f", v)
}

// Ratio writes a ratio.
func Ratio(v float64) string { return fmt.Sprintf("%.2f ×", v) }

// CallTable shows creates and reads, the first way being what the others are
// compared with.
func CallTable(title string, creates, reads []Result) *Table {
	t := &Table{
		Title: title,
		Note:  "On a transport in memory: what the client side costs. Against a network it is little.",
		Head:  []string{"way", "create µs", "allocations", "against the first", "read µs", "allocations", "against the first"},
	}
	for i, create := range creates {
		read := reads[i]
		t.Add(create.Name, Number(create.Micros), Number(create.Allocs), Ratio(create.Against(creates[0])),
			Number(read.Micros), Number(read.Allocs), Ratio(read.Against(reads[0])))
	}
	return t
}
