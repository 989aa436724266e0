package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"
)

// A rowTemplate is a template for rows: the syntax of text/template with fields, if
// and some functions. It is run here, since text/template finds methods by their
// names, and a program that does so holds every method that there is.
type rowTemplate struct {
	text string
	root *parse.ListNode
}

// A placeError is what is wrong at a byte of a template.
type placeError struct {
	at      parse.Pos
	message string
}

func (e *placeError) Error() string { return e.message }

func wrongAt(at parse.Pos, format string, args ...any) error {
	return &placeError{at, fmt.Sprintf(format, args...)}
}

func parseTemplate(text string) (*rowTemplate, error) {
	root, err := templateTree(text)
	if err == nil {
		err = checkNode(text, root)
	}
	if wrong, ok := errors.AsType[*placeError](err); ok {
		return nil, templateError(text, wrong.message, int(wrong.at))
	}
	if err != nil {
		// template: NAME:LINE: what is wrong
		message := strings.TrimPrefix(err.Error(), "template: "+ofText+":")
		if line, after, ok := strings.Cut(message, ": "); ok {
			if _, err := strconv.Atoi(line); err == nil {
				message = after
			}
		}
		return nil, templateError(text, message, wrongAction(text, message))
	}
	return &rowTemplate{text, root}, nil
}

// templateTree parses a template, and refuses others in it.
func templateTree(text string) (*parse.ListNode, error) {
	known := make(map[string]any)
	for _, name := range functionNames() {
		known[name] = true
	}
	tree, set := parse.New(ofText), make(map[string]*parse.Tree)
	if _, err := tree.Parse(text, "", "", set, known); err != nil {
		return nil, err
	}
	for _, other := range set {
		if other != tree {
			return nil, wrongAt(actionOf(text, other.Root.Pos), "{{define}} cannot be used here")
		}
	}
	return tree.Root, nil
}

// actionOf is where the action begins that something of it is in.
func actionOf(text string, at parse.Pos) parse.Pos {
	return parse.Pos(max(0, strings.LastIndex(text[:min(int(at), len(text))], "{{")))
}

// checkNode refuses what cannot be run.
func checkNode(text string, node parse.Node) error {
	switch node := node.(type) {
	case *parse.ListNode:
		if node == nil { // there is no {{else}}
			return nil
		}
		for _, n := range node.Nodes {
			if err := checkNode(text, n); err != nil {
				return err
			}
		}
	case *parse.TextNode:
	case *parse.ActionNode:
		return checkPipe(node.Pipe)
	case *parse.IfNode:
		for _, n := range []parse.Node{node.List, node.ElseList} {
			if err := checkNode(text, n); err != nil {
				return err
			}
		}
		return checkPipe(node.Pipe)
	case *parse.RangeNode:
		return wrongAt(actionOf(text, node.Pos), "{{range}} cannot be used here")
	case *parse.WithNode:
		return wrongAt(actionOf(text, node.Pos), "{{with}} cannot be used here")
	case *parse.TemplateNode:
		return wrongAt(actionOf(text, node.Pos), "{{template}} and {{block}} cannot be used here")
	default:
		return wrongAt(node.Position(), "%s cannot be used here", node)
	}
	return nil
}

func checkPipe(pipe *parse.PipeNode) error {
	if len(pipe.Decl) > 0 {
		return wrongAt(pipe.Decl[0].Pos, "variables cannot be used here")
	}
	for i, cmd := range pipe.Cmds {
		args := len(cmd.Args) - 1
		if i > 0 {
			args++ // the value of the command before it
		}
		switch first := cmd.Args[0].(type) {
		case *parse.IdentifierNode:
			if err := checkArgs(first, args); err != nil {
				return err
			}
		default:
			if args > 0 {
				return wrongAt(first.Position(), "%s is no function, and takes no arguments", first)
			}
			if err := checkArg(first); err != nil {
				return err
			}
		}
		for _, arg := range cmd.Args[1:] {
			if err := checkArg(arg); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkArg(arg parse.Node) error {
	switch arg := arg.(type) {
	case *parse.IdentifierNode:
		return checkArgs(arg, 0)
	case *parse.PipeNode:
		return checkPipe(arg)
	case *parse.VariableNode:
		return wrongAt(arg.Pos, "variables cannot be used here")
	case *parse.NumberNode:
		if !arg.IsInt && !arg.IsFloat {
			return wrongAt(arg.Pos, "%s is no number that can be used here", arg.Text)
		}
	case *parse.DotNode, *parse.FieldNode, *parse.StringNode, *parse.BoolNode, *parse.NilNode:
	default:
		return wrongAt(arg.Position(), "%s cannot be used here", arg)
	}
	return nil
}

func functionNames() []string {
	return []string{"and", "eq", "len", "ne", "not", "or", "print", "printf", "println", "slice"}
}

// checkArgs checks how many arguments a function is given.
func checkArgs(function *parse.IdentifierNode, n int) error {
	least, most := 1, math.MaxInt
	switch function.Ident {
	case "len", "not":
		most = 1
	case "eq":
		least = 2
	case "ne":
		least, most = 2, 2
	case "slice":
		least, most = 2, 3
	case "print", "println":
		least = 0
	}
	if n < least {
		return wrongAt(function.Pos, "%s needs %s", function.Ident, arguments(least))
	}
	if n > most {
		return wrongAt(function.Pos, "%s takes no more than %s", function.Ident, arguments(most))
	}
	return nil
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}

// appendRow appends the text of a row, of which the JSON is given.
func (t *rowTemplate) appendRow(text, row []byte, isVisible bool) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(row))
	dec.UseNumber() // an id must not become 1e+06
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return text, err
	}
	if isVisible {
		for name, value := range fields {
			if value, ok := value.(string); ok {
				fields[name] = visible(value)
			}
		}
	}
	run := &templateRun{fields, text}
	if err := run.list(t.root); err != nil {
		if wrong, ok := errors.AsType[*placeError](err); ok {
			err = templateError(t.text, wrong.message, int(wrong.at))
		}
		names := strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
		message := fmt.Sprintf("%s\nThe fields of this row are %s.", err, names)
		return text, &RowError{errors.New(message)}
	}
	if n := len(run.text); n == 0 || run.text[n-1] != '\n' {
		run.text = append(run.text, '\n')
	}
	return run.text, nil
}

// A templateRun writes one row.
type templateRun struct {
	fields map[string]any
	text   []byte
}

func (r *templateRun) list(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.TextNode:
			r.text = append(r.text, node.Text...)
		case *parse.ActionNode:
			value, err := r.pipe(node.Pipe)
			if err != nil {
				return err
			}
			r.text = fmt.Append(r.text, printable(value))
		case *parse.IfNode:
			value, err := r.pipe(node.Pipe)
			if err != nil {
				return err
			}
			chosen := node.ElseList
			if isTrue(value) {
				chosen = node.List
			}
			if err := r.list(chosen); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *templateRun) pipe(pipe *parse.PipeNode) (value any, err error) {
	for i, cmd := range pipe.Cmds {
		var last []any
		if i > 0 {
			last = []any{value}
		}
		if function, ok := cmd.Args[0].(*parse.IdentifierNode); ok {
			value, err = r.call(function, cmd.Args[1:], last)
		} else {
			value, err = r.arg(cmd.Args[0])
		}
		if err != nil {
			return nil, err
		}
	}
	return value, nil
}

func (r *templateRun) arg(arg parse.Node) (any, error) {
	switch arg := arg.(type) {
	case *parse.FieldNode:
		return r.field(arg)
	case *parse.StringNode:
		return arg.Text, nil
	case *parse.NumberNode:
		if arg.IsInt {
			return int(arg.Int64), nil
		}
		return arg.Float64, nil
	case *parse.BoolNode:
		return arg.True, nil
	case *parse.DotNode:
		return r.fields, nil
	case *parse.PipeNode:
		return r.pipe(arg)
	case *parse.IdentifierNode:
		return r.call(arg, nil, nil)
	}
	return nil, nil // the word nil
}

func (r *templateRun) field(field *parse.FieldNode) (any, error) {
	var value any = r.fields
	for i, name := range field.Ident {
		fields, ok := value.(map[string]any)
		if ok {
			value, ok = fields[name]
		}
		if !ok {
			return nil, wrongAt(field.Pos, "a row has no field %s", strings.Join(field.Ident[:i+1], "."))
		}
	}
	return value, nil
}

// call calls a function. The last argument may come from the command before it.
func (r *templateRun) call(function *parse.IdentifierNode, nodes []parse.Node, last []any) (any, error) {
	decides := function.Ident == "or" // what isTrue must say of an argument of and, or
	isLogic := decides || function.Ident == "and"
	var args []any
	for i := range len(nodes) + len(last) {
		var value any
		if i < len(nodes) {
			var err error
			if value, err = r.arg(nodes[i]); err != nil {
				return nil, err
			}
		} else {
			value = last[0]
		}
		if isLogic && isTrue(value) == decides {
			return value, nil // the others do not count
		}
		args = append(args, value)
	}
	switch function.Ident {
	case "and", "or":
		return args[len(args)-1], nil
	case "not":
		return !isTrue(args[0]), nil
	case "eq":
		return slices.ContainsFunc(args[1:], func(other any) bool { return same(args[0], other) }), nil
	case "ne":
		return !same(args[0], args[1]), nil
	case "len":
		switch value := args[0].(type) {
		case map[string]any:
			return len(value), nil
		case []any:
			return len(value), nil
		}
		return utf8.RuneCountInString(fmt.Sprint(printable(args[0]))), nil
	case "slice":
		return sliced(function, args)
	}
	for i, arg := range args {
		args[i] = printable(arg)
	}
	switch function.Ident {
	case "print":
		return fmt.Sprint(args...), nil
	case "println":
		return fmt.Sprintln(args...), nil
	}
	format, ok := args[0].(string)
	if !ok {
		return nil, wrongAt(function.Pos, "the first argument of printf must be a text")
	}
	return fmt.Sprintf(format, args[1:]...), nil
}

// sliced is some characters of a text: from one, before another. It ends where the
// text ends.
func sliced(function *parse.IdentifierNode, args []any) (any, error) {
	text := []rune(fmt.Sprint(printable(args[0])))
	from, to := 0, len(text)
	for i, bound := range []*int{&from, &to} {
		if i+1 == len(args) {
			break
		}
		n, ok := args[i+1].(int)
		if !ok || n < 0 {
			return nil, wrongAt(function.Pos, "slice needs whole numbers: the first character, and the one after the last")
		}
		*bound = min(n, len(text))
	}
	return string(text[from:max(from, to)]), nil
}

// isTrue is what if says of a value: nothing, no text and the number 0 are false. A
// number that the API gives is a text.
func isTrue(value any) bool {
	switch value := value.(type) {
	case nil:
		return false
	case bool:
		return value
	case string:
		return value != ""
	case int:
		return value != 0
	case float64:
		return value != 0
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	}
	return true
}

// same compares values as they are printed, so that 17 is the same as "17".
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// printable is a value as it is printed: nothing is no text.
func printable(value any) any {
	if value == nil {
		return ""
	}
	return value
}

// templateError says what is wrong with a template, and points at the place.
func templateError(text, message string, at int) error {
	return fmt.Errorf("the template: %s\n%s", message, pointInto(text, at))
}

// wrongAction finds the place of what the parser does not like. It says only what
// that is, so look which {{…}} is the first that makes it say so.
func wrongAction(text, message string) int {
	if message == "unexpected EOF" { // there is no {{end}}
		return len(text)
	}
	for start := 0; ; {
		end := len(text)
		if i := strings.Index(text[start:], "}}"); i >= 0 {
			end = start + i + len("}}")
		}
		_, err := templateTree(text[:end])
		if err == nil || !strings.HasSuffix(err.Error(), message) {
			if end == len(text) {
				return end
			}
			start = end
			continue
		}
		if i := strings.Index(text[start:end], "{{"); i >= 0 {
			start += i
		}
		if _, quoted, ok := strings.Cut(message, `"`); ok {
			word, _, _ := strings.Cut(quoted, `"`)
			if i := strings.Index(text[start:end], word); i >= 0 {
				start += i
			}
		}
		return start
	}
}
