package siptest

import (
	"fmt"
	"slices"
	"strings"
)

// The words of the options that are a choice of a few. They are what JSON has, and
// what a flag of a program may take.
var (
	createBodyWords        = []string{"id", "row", "none"}
	undocumentedQueryWords = []string{"ignore", "honour", "reject"}
	groupUpdatesWords      = []string{"reject", "keep", "clear"}
	pathsWords             = []string{"exact", "anyCase"}
	errorBodyWords         = []string{"text", "jsonString", "jsonObject", "html"}
	framingWords           = []string{"chunked", "length", "close"}
	retryAfterWords        = []string{"none", "seconds", "date"}
)

// MarshalText returns id, row or none.
func (c CreateBody) MarshalText() ([]byte, error) { return wordOf(c, createBodyWords) }

// UnmarshalText reads a word of MarshalText.
func (c *CreateBody) UnmarshalText(text []byte) error { return readWord(c, text, createBodyWords) }

// MarshalText returns ignore, honour or reject.
func (u UndocumentedQuery) MarshalText() ([]byte, error) { return wordOf(u, undocumentedQueryWords) }

// UnmarshalText reads a word of MarshalText.
func (u *UndocumentedQuery) UnmarshalText(text []byte) error {
	return readWord(u, text, undocumentedQueryWords)
}

// MarshalText returns reject, keep or clear.
func (g GroupUpdates) MarshalText() ([]byte, error) { return wordOf(g, groupUpdatesWords) }

// UnmarshalText reads a word of MarshalText.
func (g *GroupUpdates) UnmarshalText(text []byte) error { return readWord(g, text, groupUpdatesWords) }

// MarshalText returns exact or anyCase.
func (paths Paths) MarshalText() ([]byte, error) { return wordOf(paths, pathsWords) }

// UnmarshalText reads a word of MarshalText.
func (paths *Paths) UnmarshalText(text []byte) error { return readWord(paths, text, pathsWords) }

// MarshalText returns text, jsonString, jsonObject or html.
func (e ErrorBody) MarshalText() ([]byte, error) { return wordOf(e, errorBodyWords) }

// UnmarshalText reads a word of MarshalText.
func (e *ErrorBody) UnmarshalText(text []byte) error { return readWord(e, text, errorBodyWords) }

// MarshalText returns chunked, length or close.
func (framing Framing) MarshalText() ([]byte, error) { return wordOf(framing, framingWords) }

// UnmarshalText reads a word of MarshalText.
func (framing *Framing) UnmarshalText(text []byte) error {
	return readWord(framing, text, framingWords)
}

// MarshalText returns none, seconds or date.
func (r RetryAfter) MarshalText() ([]byte, error) { return wordOf(r, retryAfterWords) }

// UnmarshalText reads a word of MarshalText.
func (r *RetryAfter) UnmarshalText(text []byte) error { return readWord(r, text, retryAfterWords) }

func wordOf[T ~int](choice T, words []string) ([]byte, error) {
	if choice < 0 || int(choice) >= len(words) {
		return nil, fmt.Errorf("siptest: there is no %T %d", choice, int(choice))
	}
	return []byte(words[choice]), nil
}

func readWord[T ~int](choice *T, text []byte, words []string) error {
	i := slices.Index(words, string(text))
	if i < 0 {
		return fmt.Errorf("%q is none of %s", text, strings.Join(words, ", "))
	}
	*choice = T(i)
	return nil
}
