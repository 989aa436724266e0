// Package near finds the name that somebody may have meant.
package near

import "strings"

// Of returns the candidate that is spelled most like text, or "" if none is close.
func Of(text string, candidates []string) string {
	n := len([]rune(text))
	best, least := "", 1+min(n-1, max(1, n/3)) // a single letter is no misspelling
	for _, candidate := range candidates {
		if d := Distance(text, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// Meant is Of as a question to put behind an error: ` (did you mean "name"?)`, or "".
func Meant(text string, candidates []string) string {
	if best := Of(text, candidates); best != "" {
		return ` (did you mean "` + best + `"?)`
	}
	return ""
}

// Distance counts the characters to insert, delete, change or swap with the next one,
// whatever their case. A text that begins with the other is at distance 1, so that
// an abbreviation is found.
func Distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b {
		return 0
	}
	const far = 1 << 20
	switch {
	case a == "" || b == "" || len(a) > 200 || len(b) > 200:
		return far
	case len(a) >= 3 && strings.HasPrefix(b, a), len(b) >= 3 && strings.HasPrefix(a, b):
		return 1
	}
	from, to := []rune(a), []rune(b)
	var before []int
	last := make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i := range from {
		row := make([]int, len(to)+1)
		row[0] = i + 1
		for j := range to {
			change := last[j]
			if from[i] != to[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && from[i] == to[j-1] && from[i-1] == to[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(to)]
}
