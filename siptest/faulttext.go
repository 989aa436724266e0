package siptest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults as texts, for the flag of a program or a file.

// ParseFault reads a fault from its text form: what On takes, and then the methods of
// [Fault] as words, each with its arguments after an equals sign:
//
//	Users.Create nth=3 commit-then-drop
//	Devices.* latency=2s
//	* times=2 status=429 header=Retry-After:1
//	Users.List slow-body=100,50ms framing=length
//	Users.Get status=200 body="{\"userId\": \"7\"}\n"
//
// Spaces separate the words. An argument with spaces in it is quoted as a string of
// Go. Where a method has two arguments, a comma is between them; the two of header
// have a colon. A stream code is its number or its name in the RFC, such as
// REFUSED_STREAM. The texts of Framing are chunked, length and close.
//
// Before, After and Rewrite have no text form, nor has a pattern of Handle.
func ParseFault(text string) (Fault, error) {
	words, err := splitFault(text)
	if err != nil {
		return Fault{}, err
	}
	if len(words) == 0 {
		return Fault{}, errors.New("a fault begins with a call, such as Users.Create")
	}
	f := On(words[0].name)
	problems := []error{f.checkOp(words[0])}
	for _, w := range words[1:] {
		changed, err := w.apply(f)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		f = changed
	}
	if err := errors.Join(problems...); err != nil {
		return Fault{}, err
	}
	if len(f.calls) == 0 {
		return Fault{}, fmt.Errorf("the fault %q says when, but not what to do: add one of %s", text, faultWords())
	}
	return f, nil
}

// checkOp reports a call that the API does not have.
func (f Fault) checkOp(w faultWord) error {
	if w.hasArgument {
		return fmt.Errorf("a fault begins with a call, such as Users.Create, not with %q", w.name)
	}
	if f.hasCalls() {
		return nil
	}
	service, _, _ := strings.Cut(f.op, ".")
	var ops, services []string
	for _, rt := range routes {
		of, _, _ := strings.Cut(rt.op, ".")
		if of == service {
			ops = append(ops, rt.op)
		}
		if !slices.Contains(services, of+".*") {
			services = append(services, of+".*")
		}
	}
	if ops == nil {
		return fmt.Errorf("no call is named %q: use *, %s, or one call of these, such as Users.Create", f.op, strings.Join(services, ", "))
	}
	return fmt.Errorf("no call is named %q: use %s.* or one of %s", f.op, service, strings.Join(ops, ", "))
}

// A faultWord is a word of the text form: a name, and perhaps an argument.
type faultWord struct {
	name        string
	hasArgument bool
	argument    string
	quoted      bool   // argument was quoted
	rest        string // what follows a quoted argument
}

// splitFault splits the text form into its words.
func splitFault(text string) ([]faultWord, error) {
	const spaces = " \t\r\n"
	var words []faultWord
	for text = strings.TrimLeft(text, spaces); text != ""; text = strings.TrimLeft(text, spaces) {
		var w faultWord
		end := strings.IndexAny(text, spaces+"=")
		if end < 0 {
			end = len(text)
		}
		w.name, text = text[:end], text[end:]
		text, w.hasArgument = strings.CutPrefix(text, "=")
		if w.hasArgument && strings.HasPrefix(text, `"`) {
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				return nil, fmt.Errorf("%s: the quotes of %.60q are not closed, or hold what a string of Go cannot", w.name, text)
			}
			w.argument, _ = strconv.Unquote(quoted) // QuotedPrefix has checked it
			w.quoted, text = true, text[len(quoted):]
		}
		if w.hasArgument {
			end := strings.IndexAny(text, spaces)
			if end < 0 {
				end = len(text)
			}
			w.rest, text = text[:end], text[end:]
			if !w.quoted {
				w.argument, w.rest = w.rest, ""
			}
		}
		words = append(words, w)
	}
	return words, nil
}

// apply calls the method that the word names. The methods panic if an argument makes
// no sense.
func (w faultWord) apply(f Fault) (changed Fault, err error) {
	method, ok := faultMethods()[w.name]
	if !ok {
		return f, fmt.Errorf("a fault cannot %q: use one of %s", w.name, faultWords())
	}
	defer func() {
		switch problem := recover().(type) {
		case nil:
		case string:
			err = fmt.Errorf("%s: %s", w.name, strings.TrimPrefix(problem, "siptest: "))
		default:
			panic(problem)
		}
	}()
	if w.hasArgument != (method.takes != "") {
		if method.takes == "" {
			return f, fmt.Errorf("%s takes no argument", w.name)
		}
		return f, fmt.Errorf("%s needs an argument: %s=%s", w.name, w.name, method.takes)
	}
	changed, err = method.call(f, w)
	if err != nil {
		err = fmt.Errorf("%s: %w; it is %s=%s", w.name, err, w.name, method.takes)
	}
	return changed, err
}

// one returns the argument of a method that has one.
func (w faultWord) one() (string, error) {
	if w.rest != "" {
		return "", fmt.Errorf("%q follows the quotes", w.rest)
	}
	return w.argument, nil
}

// two returns the arguments of a method that has two.
func (w faultWord) two() (first, second string, err error) {
	if w.quoted {
		second, ok := strings.CutPrefix(w.rest, ",")
		if !ok {
			return "", "", errors.New("it has two arguments, with a comma between them")
		}
		return w.argument, second, nil
	}
	comma := strings.LastIndexByte(w.argument, ',')
	if comma < 0 {
		return "", "", errors.New("it has two arguments, with a comma between them")
	}
	return w.argument[:comma], w.argument[comma+1:], nil
}

// A faultMethod is a method of Fault in the text form.
type faultMethod struct {
	takes string // the arguments, for people; empty: none
	call  func(Fault, faultWord) (Fault, error)
}

// faultMethods returns the methods by their words.
func faultMethods() map[string]faultMethod {
	return map[string]faultMethod{
		"nth":                           withNumber(Fault.Nth),
		"times":                         withNumber(Fault.Times),
		"for":                           withDuration(Fault.For),
		"strip-body":                    alone(Fault.StripBody),
		"latency":                       withDuration(Fault.Latency),
		"status":                        withNumber(Fault.Status),
		"commit-then-status":            withNumber(Fault.CommitThenStatus),
		"drop":                          alone(Fault.Drop),
		"commit-then-drop":              alone(Fault.CommitThenDrop),
		"reset":                         alone(Fault.Reset),
		"commit-then-reset":             alone(Fault.CommitThenReset),
		"reset-stream":                  alone(Fault.ResetStream),
		"commit-then-reset-stream":      alone(Fault.CommitThenResetStream),
		"reset-stream-with":             with("CODE", parseStreamCode, Fault.ResetStreamWith),
		"commit-then-reset-stream-with": with("CODE", parseStreamCode, Fault.CommitThenResetStreamWith),
		"go-away":                       alone(Fault.GoAway),
		"commit-then-go-away":           alone(Fault.CommitThenGoAway),
		"go-away-below":                 alone(Fault.GoAwayBelow),
		"commit-then-go-away-below":     alone(Fault.CommitThenGoAwayBelow),
		"hang":                          alone(Fault.Hang),
		"commit-then-hang":              alone(Fault.CommitThenHang),
		"hang-then-commit":              withDuration(Fault.HangThenCommit),
		"raw":                           withText(Fault.Raw),
		"commit-then-raw":               withText(Fault.CommitThenRaw),
		"truncate":                      withNumber(Fault.Truncate),
		"truncate-rows":                 withNumber(Fault.TruncateRows),
		"endless":                       alone(Fault.Endless),
		"slow-headers":                  withDuration(Fault.SlowHeaders),
		"slow-body":                     withTwo("NUMBER", parseNumber, Fault.SlowBody),
		"stray":                         withTwo("TEXT", parseText, Fault.Stray),
		"header":                        {"NAME:VALUE", setHeader},
		"body":                          withText(Fault.Body),
		"framing":                       with("WORD", parseFraming, Fault.Framing),
	}
}

// faultWords lists the methods, for people.
func faultWords() string {
	methods := faultMethods()
	words := slices.Sorted(maps.Keys(methods))
	for i, word := range words {
		if takes := methods[word].takes; takes != "" {
			words[i] = word + "=" + takes
		}
	}
	return strings.Join(words, ", ")
}

func alone(method func(Fault) Fault) faultMethod {
	return faultMethod{"", func(f Fault, _ faultWord) (Fault, error) { return method(f), nil }}
}

func with[A any](takes string, parse func(string) (A, error), method func(Fault, A) Fault) faultMethod {
	return faultMethod{takes, func(f Fault, w faultWord) (Fault, error) {
		text, err := w.one()
		if err != nil {
			return f, err
		}
		argument, err := parse(text)
		if err != nil {
			return f, err
		}
		return method(f, argument), nil
	}}
}

// withTwo is with for a method whose second argument is a duration.
func withTwo[A any](takes string, parse func(string) (A, error), method func(Fault, A, time.Duration) Fault) faultMethod {
	return faultMethod{takes + ",DURATION", func(f Fault, w faultWord) (Fault, error) {
		first, second, err := w.two()
		if err != nil {
			return f, err
		}
		argument, err := parse(first)
		if err != nil {
			return f, err
		}
		d, err := parseDuration(second)
		if err != nil {
			return f, err
		}
		return method(f, argument, d), nil
	}}
}

func withNumber(method func(Fault, int) Fault) faultMethod {
	return with("NUMBER", parseNumber, method)
}

func withDuration(method func(Fault, time.Duration) Fault) faultMethod {
	return with("DURATION", parseDuration, method)
}

func withText(method func(Fault, string) Fault) faultMethod { return with("TEXT", parseText, method) }

func setHeader(f Fault, w faultWord) (Fault, error) {
	text, err := w.one()
	if err != nil {
		return f, err
	}
	name, value, ok := strings.Cut(text, ":")
	notInName := func(c rune) bool {
		return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}
	if !ok || name == "" || strings.ContainsFunc(name, notInName) {
		return f, fmt.Errorf("%q is not a header", text)
	}
	return f.Header(name, strings.TrimSpace(value)), nil
}

func parseText(text string) (string, error) { return text, nil }

func parseNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}

func parseDuration(text string) (time.Duration, error) {
	var d durationText
	err := d.UnmarshalText([]byte(text))
	return time.Duration(d), err
}

func parseFraming(text string) (Framing, error) {
	var framing Framing
	err := framing.UnmarshalText([]byte(text))
	return framing, err
}

func parseStreamCode(text string) (StreamCode, error) {
	for _, code := range []StreamCode{StreamProtocolError, StreamInternalError, StreamRefused, StreamCancel} {
		if text == code.String() {
			return code, nil
		}
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a stream code", text)
	}
	return StreamCode(n), nil
}
