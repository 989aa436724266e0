package where

import (
	"errors"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/near"
)

// An Error is a condition that cannot be read.
type Error struct {
	Text    string // the condition
	At      int    // the byte where it goes wrong
	Problem string
	Hint    string // a sentence more, or ""
}

func (e *Error) Error() string { return e.Problem }

// Operators are the operators as people write them, for a help text.
func Operators() []string {
	return []string{"is", "is not", "begins", "ends", "contains", "in", "like", "matches", "within", ">", ">=", "<", "<=", "after", "before", "is set", "is not set"}
}

// words are the operators that are words.
func words() map[string]Op {
	return map[string]Op{
		"is": Is, "begins": Begins, "starts": Begins, "ends": Ends, "contains": Contains, "in": In,
		"matches": Matches, "like": Like, "within": Within, "before": Less, "after": Greater,
	}
}

// signs are the other operators, the longer ones first.
func signs() []string { return []string{"!=", "==", ">=", "<=", "=", ">", "<"} }

// Parse reads a condition: FIELD OPERATOR VALUE. now is the time that "90 days ago" is
// counted from. The error is an *Error.
func Parse(text string, fields []Field, now time.Time) (*Condition, error) {
	p := &parser{text: text, fields: fields, now: now}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return &p.c, nil
}

type parser struct {
	text   string
	at     int
	fields []Field
	now    time.Time
	c      Condition
	isWord bool // the operator is "is", not "="
}

func (p *parser) fail(at int, problem, hint string) error {
	return &Error{Text: p.text, At: min(at, len(p.text)), Problem: problem, Hint: hint}
}

func (p *parser) space() {
	p.at = len(p.text) - len(strings.TrimLeftFunc(p.text[p.at:], unicode.IsSpace))
}

// word takes what stands before the next white space or sign.
func (p *parser) word() (word string, start int) {
	p.space()
	start = p.at
	for p.at < len(p.text) {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		if unicode.IsSpace(r) || strings.ContainsRune("=!<>", r) {
			break
		}
		p.at += size
	}
	return p.text[start:p.at], start
}

func (p *parser) parse() error {
	if err := p.field(); err != nil {
		return err
	}
	opAt, err := p.operator()
	if err != nil {
		return err
	}
	p.space()
	if p.isWord {
		if rest := strings.TrimSpace(p.text[p.at:]); rest == "set" {
			p.c.Op = IsSet
			if p.c.kind == Flag {
				return p.fail(p.at, "a flag is always set", "Write is true or is false.")
			}
			return nil
		}
	}
	if err := p.fits(opAt); err != nil {
		return err
	}
	return p.values()
}

func (p *parser) names() []string {
	names := make([]string, len(p.fields))
	for i, f := range p.fields {
		names[i] = f.Name
	}
	return names
}

func (p *parser) field() error {
	name, start := p.word()
	hint := "There are " + strings.Join(p.names(), ", ") + "."
	if name == "" {
		return p.fail(start, "a condition begins with the name of a field", hint)
	}
	find := func(by func(Field) string) int {
		return slices.IndexFunc(p.fields, func(f Field) bool { return strings.EqualFold(by(f), name) })
	}
	if p.c.Field = find(func(f Field) string { return f.Name }); p.c.Field < 0 {
		p.c.Field = find(func(f Field) string { return f.Other })
	}
	if p.c.Field < 0 {
		return p.fail(start, "there is no field "+strconv.Quote(name)+near.Meant(name, p.names()), hint)
	}
	p.c.kind = p.fields[p.c.Field].Kind
	return nil
}

func (p *parser) operator() (start int, err error) {
	p.space()
	start = p.at
	for _, sign := range signs() {
		if strings.HasPrefix(p.text[p.at:], sign) {
			p.at += len(sign)
			switch sign {
			case "!=":
				p.c.Op, p.c.Not = Is, true
			case ">=":
				p.c.Op = GreaterOrEqual
			case "<=":
				p.c.Op = LessOrEqual
			case ">":
				p.c.Op = Greater
			case "<":
				p.c.Op = Less
			default:
				p.c.Op = Is
			}
			return start, nil
		}
	}
	hint := "There are " + strings.Join(Operators(), ", ") + "."
	word, at := p.word()
	if word == "not" {
		p.c.Not = true
		word, at = p.word()
	}
	op, ok := words()[strings.ToLower(word)]
	switch {
	case !ok && word == "":
		return start, p.fail(at, "an operator is missing", hint)
	case !ok:
		names := append(Operators(), "starts")
		return start, p.fail(at, "there is no operator "+strconv.Quote(word)+near.Meant(word, names), hint)
	case p.c.Not && (op == Is || op == Less || op == Greater):
		return start, p.fail(at, "not does not go before "+word, "Write is not, or the opposite operator.")
	}
	p.c.Op = op
	switch op {
	case Is:
		p.isWord = true
		return start, p.afterIs()
	case Begins, Ends:
		before := p.at
		if with, _ := p.word(); with != "with" {
			p.at = before
		}
	}
	return start, nil
}

// afterIs takes the not of "is not", and refuses what may be an operator or a text.
func (p *parser) afterIs() error {
	before := p.at
	word, at := p.word()
	if word == "not" {
		p.c.Not = true
		before = p.at
		word, at = p.word()
	}
	p.at = before
	if op, ok := words()[word]; ok && op != Is && strings.TrimSpace(p.text[at+len(word):]) != "" {
		rest := strings.TrimSpace(p.text[at:])
		not := ""
		if p.c.Not {
			not = "not "
		}
		name := p.fields[p.c.Field].Name
		return p.fail(at, strconv.Quote(word)+" is an operator of its own", "Write "+name+" "+not+rest+", or, if it is a text, "+name+" is "+not+"'"+rest+"'.")
	}
	return nil
}

// fits refuses an operator that means nothing for this kind of field.
func (p *parser) fits(at int) error {
	var problem string
	switch op := p.c.Op; p.c.kind {
	case Flag:
		if op != Is {
			problem = "a flag is true or false: the operators are is and is not"
		}
	case Time:
		if op != Is && op != Greater && op != GreaterOrEqual && op != Less && op != LessOrEqual {
			problem = "a date takes is, before, after, <, <=, >, >= and is set"
		}
	case Number:
		if op == Within || op == Begins || op == Ends || op == Contains || op == Matches || op == Like {
			problem = "a number takes is, in, <, <=, >, >= and is set"
		}
	}
	if problem != "" {
		return p.fail(at, problem, "")
	}
	return nil
}

const anyCase = "any case"

// values takes the rest.
func (p *parser) values() error {
	p.space()
	start := p.at
	if p.at == len(p.text) {
		return p.fail(p.at, "a value is missing", "A value that is empty is written ''.")
	}
	for {
		value, at, err := p.value(p.c.Op == In)
		if err != nil {
			return err
		}
		if value, err = p.asKind(value, at); err != nil {
			return err
		}
		p.c.Values = append(p.c.Values, value)
		p.space()
		if p.c.Op != In || p.at == len(p.text) || p.text[p.at] != ',' {
			break
		}
		p.at++
	}
	if rest := strings.TrimSpace(p.text[p.at:]); rest == anyCase {
		p.c.Fold = true
	} else if rest != "" {
		return p.fail(p.at, "something follows the value", "Only the words any case may follow. Write two conditions as two --where.")
	}
	if p.c.Fold && p.c.kind != Text {
		return p.fail(p.at, "only a text has a case", "")
	}
	return p.compile(start)
}

// value takes one value: in quotes, or as it stands.
func (p *parser) value(list bool) (value string, start int, err error) {
	p.space()
	start = p.at
	if p.at == len(p.text) {
		return "", start, p.fail(start, "a value is missing", "A value that is empty is written ''.")
	}
	if quote := p.text[p.at]; quote == '\'' || quote == '"' {
		var b strings.Builder
		for i := p.at + 1; i < len(p.text); i++ {
			switch c := p.text[i]; {
			case c == quote && i+1 < len(p.text) && p.text[i+1] == quote: // twice for one
				b.WriteByte(quote)
				i++
			case c == quote:
				p.at = i + 1
				return b.String(), start, nil
			default:
				b.WriteByte(c)
			}
		}
		return "", start, p.fail(start, "this quote is not closed", "")
	}
	rest := p.text[p.at:]
	end := len(rest)
	if p.c.Op == Matches && rest[0] == '/' {
		p.at += end
		trimmed := strings.TrimRightFunc(rest, unicode.IsSpace)
		if without, ok := strings.CutSuffix(trimmed, " "+anyCase); ok {
			p.at -= end - len(without)
			trimmed = strings.TrimRightFunc(without, unicode.IsSpace)
		}
		return trimmed, start, nil
	}
	if list {
		if comma := strings.IndexByte(rest, ','); comma >= 0 {
			end = comma
		}
	}
	value = strings.TrimRightFunc(rest[:end], unicode.IsSpace)
	if without, ok := strings.CutSuffix(value, " "+anyCase); ok && end == len(rest) {
		value = strings.TrimRightFunc(without, unicode.IsSpace)
		end = len(without)
	}
	p.at += end
	if value == "" {
		return "", start, p.fail(start, "a value is missing", "A value that is empty is written ''.")
	}
	return value, start, nil
}

// asKind writes a value as the texts of the field are.
func (p *parser) asKind(value string, at int) (string, error) {
	if p.c.Op == Within {
		return value, nil
	}
	switch p.c.kind {
	case Number:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return strconv.FormatInt(n, 10), nil
		}
		return "", p.fail(at, "this is not a whole number", "")
	case Flag:
		switch strings.ToLower(value) {
		case "true", "yes", "on", "1":
			return "1", nil
		case "false", "no", "off", "0":
			return "0", nil
		}
		return "", p.fail(at, "this is neither true nor false", "")
	case Time:
		t, day, err := p.time(value)
		if err != nil {
			return "", p.fail(at, "this is not a date", "Write 2026-01-31, 2026-01-31 14:30, 2026-01-31T14:30:00Z or 90 days ago. Times are in UTC.")
		}
		p.c.Day = day
		return t.UTC().Format(time.DateTime), nil
	case Network:
		if p.c.Op == Is || p.c.Op == In {
			network, err := netip.ParsePrefix(value)
			if err != nil {
				return "", p.fail(at, "this is not a network in CIDR notation", "Write 192.0.2.0/24.")
			}
			return network.String(), nil
		}
	}
	return value, nil
}

// time reads a time, or a whole day.
func (p *parser) time(text string) (t time.Time, day bool, err error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, true, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, false, nil
		}
	}
	parts := strings.Fields(text)
	if len(parts) == 3 && parts[2] == "ago" {
		n, err := strconv.Atoi(parts[0])
		if err == nil && n >= 0 && n <= 100_000 {
			switch strings.TrimSuffix(parts[1], "s") {
			case "minute":
				return p.now.Add(-time.Duration(n) * time.Minute), false, nil
			case "hour":
				return p.now.Add(-time.Duration(n) * time.Hour), false, nil
			case "day":
				return p.now.AddDate(0, 0, -n), false, nil
			case "week":
				return p.now.AddDate(0, 0, -7*n), false, nil
			}
		}
	}
	return time.Time{}, false, errors.New("not a time")
}

// compile makes what the operator needs of the value at start.
func (p *parser) compile(start int) error {
	value := p.c.Values[0]
	switch p.c.Op {
	case Within:
		network, err := netip.ParsePrefix(value)
		if err != nil {
			return p.fail(start, "this is not a network in CIDR notation", "Write 192.0.2.0/24.")
		}
		p.c.network = network.Masked()
		p.c.Values[0] = p.c.network.String()
	case Like:
		expression := likeExpression(value)
		if p.c.Fold {
			expression = "(?i)" + expression
		}
		re, err := regexp.Compile(expression)
		if err != nil {
			return p.fail(start, "this is not a pattern", "* is any text, ? any character, [abc] one of those.")
		}
		p.c.re = re
	case Matches:
		return p.expression(value, start)
	}
	return nil
}

// expression compiles a regular expression, which may be between slashes, with flags
// behind.
func (p *parser) expression(value string, start int) error {
	body, flags := value, ""
	shift := 0
	if end := strings.LastIndexByte(value, '/'); value != "" && value[0] == '/' {
		if end == 0 {
			return p.fail(start, "the second slash is missing", "Write /^Lobby/.")
		}
		body, flags, shift = value[1:end], value[end+1:], 1
		if strings.Trim(flags, "ims") != "" {
			return p.fail(start+end+1, "behind the expression only the flags i, m and s may follow", "")
		}
	}
	if p.c.Fold && !strings.Contains(flags, "i") {
		flags += "i"
	}
	expression := body
	if flags != "" {
		expression = "(?" + flags + ")" + body
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		at := start
		problem := "this is not a regular expression"
		if wrong, ok := errors.AsType[*syntax.Error](err); ok {
			problem += ": " + wrong.Code.String()
			if i := strings.LastIndex(body, wrong.Expr); i >= 0 && wrong.Expr != "" && p.text[start] != '\'' && p.text[start] != '"' {
				at = start + shift + i
			}
		}
		return p.fail(at, problem, "It is written as in Go: no look-around and no back-references.")
	}
	p.c.re = re
	return nil
}
