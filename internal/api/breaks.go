package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A broken is a change that breaks programs.
type broken struct {
	symbol string // infinitysip.Client.Do
	text   string // what changed, as apidiff or jsonBreaks says it
}

var incompatible = regexp.MustCompile(`^- (?:\./)?(.*?): (.*)$`)

// parseBreaks reads what apidiff -incompatible prints for a package.
func parseBreaks(name, output string) ([]broken, error) {
	var breaks []broken
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line == "Incompatible changes:" {
			continue
		}
		match := incompatible.FindStringSubmatch(line)
		if match == nil {
			return nil, fmt.Errorf("apidiff: a line that nobody understands: %q", line)
		}
		symbol := strings.NewReplacer("(", "", ")", "", "*", "").Replace(match[1])
		breaks = append(breaks, broken{name + "." + symbol, match[2]})
	}
	return breaks, nil
}

var fieldLine = regexp.MustCompile(`^field (\S+) .*?(?: json:(".*"))?$`)

// jsonBreaks compares records: a field that remains, but has another name in JSON, is a
// break that apidiff does not see.
func jsonBreaks(name string, before, after []string) []broken {
	inJSON := func(lines []string) map[string]string {
		names := map[string]string{}
		for _, line := range lines {
			if match := fieldLine.FindStringSubmatch(line); match != nil {
				names[match[1]] = match[2]
			}
		}
		return names
	}
	var breaks []broken
	was := inJSON(before)
	for field, now := range inJSON(after) {
		if old, ok := was[field]; ok && old != now {
			breaks = append(breaks, broken{name + "." + field, fmt.Sprintf("in JSON changed from %s to %s", orNone(old), orNone(now))})
		}
	}
	slices.SortFunc(breaks, func(a, b broken) int { return strings.Compare(a.symbol, b.symbol) })
	return breaks
}

func orNone(tag string) string {
	if tag == "" {
		return "no tag"
	}
	return tag
}

var (
	section = regexp.MustCompile(`^## \[([^]]+)\]`)
	quoted  = regexp.MustCompile("`([^`]+)`")
)

// announced gives the symbols that a change log names under "### Breaking", in the
// sections above that of release. With no release those are all sections.
func announced(changelog, release string) (map[string]bool, error) {
	symbols := map[string]bool{}
	sections, breaking, fenced := 0, false, false
	for line := range strings.Lines(changelog) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		if match := section.FindStringSubmatch(line); match != nil {
			if release != "" && match[1] == strings.TrimPrefix(release, "v") {
				return symbols, nil
			}
			sections++
			breaking = false
		} else if strings.HasPrefix(line, "#") {
			breaking = sections > 0 && line == "### Breaking"
		}
		if !breaking {
			continue
		}
		for _, match := range quoted.FindAllStringSubmatch(line, -1) {
			symbols[match[1]] = true
		}
	}
	switch {
	case release != "":
		return nil, fmt.Errorf("CHANGELOG.md has no section for the release %s", release)
	case sections == 0:
		return nil, fmt.Errorf("CHANGELOG.md has no section such as ## [Unreleased]")
	}
	return symbols, nil
}

// unannounced gives the breaks that are not in the change log.
func unannounced(breaks []broken, symbols map[string]bool) []broken {
	return slices.DeleteFunc(slices.Clone(breaks), func(b broken) bool { return symbols[b.symbol] })
}
