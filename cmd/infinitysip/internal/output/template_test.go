package output_test

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	const one = `{"id":"17","name":"Zoë","note":"","count":0,"on":true,"off":false,"none":null,"list":["a","b"],"in":{"side":1000000}}`
	asIs := func(text []byte, row *string) ([]byte, error) { return append(text, *row...), nil }
	rows := func(yield func(string, error) bool) { yield(one, nil) }
	for template, want := range map[string]string{
		`{{.id}}{{"\t"}}{{.name}}`:                                                                       "17\tZoë\n",
		"{{- /* a note */ -}} {{.id -}}   \n\n":                                                          "17\n",
		`{{if .note}}a{{else if .name}}b{{else}}c{{end}}`:                                                "b\n",
		`{{if .note}}a{{end}}`:                                                                           "\n",
		`{{if .count}}"0" is a text{{end}}`:                                                              "\"0\" is a text\n",
		`{{if .none}}a{{else}}b{{end}}`:                                                                  "b\n",
		`{{if len .note}}a{{else}}b{{end}}`:                                                              "b\n",
		`{{if and .on (not .off) .list .in 1.5}}a{{end}}`:                                                "a\n",
		`{{or .note .none "nobody"}} {{and .id .name}}`:                                                  "nobody Zoë\n",
		`{{or .id .nothing}} {{and .note .nothing}}`:                                                     "17 \n",
		`{{eq .id 17}} {{eq .id "x" "17"}} {{ne .id "17"}}`:                                              "true true false\n",
		`{{eq .none nil}} {{eq .note nil}} {{ne .on true}}`:                                              "true false false\n",
		`{{len .name}} {{len .list}} {{len .in}} {{.count}}`:                                             "3 2 1 0\n",
		`{{printf "%-5s|%03d|%q" .name (len .id) .none}}`:                                                "Zoë  |002|\"\"\n",
		`{{.name | printf "%5s"}} {{.in.side}} {{.none}}.`:                                               "  Zoë 1000000 .\n",
		`{{print .id "," .name}}{{println .id}}`:                                                         "17,Zoë17\n",
		`{{slice .name 1}} {{slice .name 0 2}} {{slice .name 1 9}} {{slice .name 9}}{{slice .name 2 1}}`: "oë Zo oë \n",
		`{{print}}{{.list}} {{if print}}a{{end}}`:                                                        "[a b] \n",
	} {
		var b bytes.Buffer
		_, err := output.WriteWith(&b, rows, nil, output.Options{Format: "template=" + template}, asIs)
		require.NoError(t, err, template)
		require.Equal(t, want, b.String(), template)
	}
	for template, want := range map[string]string{
		`{{.in.nope}}`:         "a row has no field in.nope\n  {{.in.nope}}\n       ^",
		`{{.id.nope}}`:         "a row has no field id.nope\n  {{.id.nope}}\n       ^",
		`x {{printf .on}}`:     "the first argument of printf must be a text\n  x {{printf .on}}\n      ^",
		`{{slice .id "1"}}`:    "slice needs whole numbers: the first character, and the one after the last\n  {{slice .id \"1\"}}\n    ^",
		`{{.id}} {{not .nam}}`: "a row has no field nam\n  {{.id}} {{not .nam}}\n                ^",
	} {
		_, err := output.WriteWith(io.Discard, rows, nil, output.Options{Format: "template=" + template}, asIs)
		require.EqualError(t, err, "the template: "+want+"\nThe fields of this row are count, id, in, list, name, none, note, off, on.")
		require.ErrorAs(t, err, new(*output.RowError))
	}
}

// What is there in text/template and not here is refused before anything is asked.
func TestTemplatesThatAreRefused(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"a\n{{range .list}}{{end}}":            "{{range}} cannot be used here\n  {{range .list}}{{end}}\n  ^",
		`{{if .a}}{{with .b}}{{end}}{{end}}`:   "{{with}} cannot be used here\n  {{if .a}}{{with .b}}{{end}}{{end}}\n           ^",
		`{{.a}}{{define "x"}}b{{end}}`:         "{{define}} cannot be used here\n  {{.a}}{{define \"x\"}}b{{end}}\n        ^",
		`{{define "template"}}b{{end}}`:        "{{define}} cannot be used here\n  {{define \"template\"}}b{{end}}\n  ^",
		`a {{template "x"}}`:                   "{{template}} and {{block}} cannot be used here\n  a {{template \"x\"}}\n    ^",
		`{{$x := .a}}`:                         "variables cannot be used here\n  {{$x := .a}}\n    ^",
		`{{if eq $ .b}}{{end}}`:                "variables cannot be used here\n  {{if eq $ .b}}{{end}}\n          ^",
		`{{.a 1}}`:                             ".a is no function, and takes no arguments\n  {{.a 1}}\n    ^",
		`{{len .a | .b}}`:                      ".b is no function, and takes no arguments\n  {{len .a | .b}}\n             ^",
		`{{len}}`:                              "len needs 1 argument\n  {{len}}\n    ^",
		`{{if eq .a}}{{end}}`:                  "eq needs 2 arguments\n  {{if eq .a}}{{end}}\n       ^",
		`{{.a | not .b}}`:                      "not takes no more than 1 argument\n  {{.a | not .b}}\n         ^",
		`{{print len}}`:                        "len needs 1 argument\n  {{print len}}\n          ^",
		`{{(print .a).b}}`:                     "(print .a).b cannot be used here\n  {{(print .a).b}}\n              ^",
		`{{print 1i}}`:                         "1i is no number that can be used here\n  {{print 1i}}\n          ^",
		`{{html .a}}`:                          "function \"html\" not defined\n  {{html .a}}\n    ^",
		`{{if .a}}{{else}}{{range .b}}{{end}}`: "unexpected EOF\n  {{if .a}}{{else}}{{range .b}}{{end}}\n                                      ^",
	} {
		require.EqualError(t, output.Options{Format: "template=" + template}.CheckFormat(), "the template: "+want, template)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{`{{if .a}}{{.a | printf "%s"}}{{else}}{{len .b}}{{end}}`, `{{slice .a 1}}`, "{{define `x`}}", `{{(print .a).b}}`, `{{nil}}`} {
		f.Add(text)
	}
	rows := func(yield func(row, error) bool) { yield(row{ID: "1"}, nil) }
	f.Fuzz(func(t *testing.T, text string) {
		o := output.Options{Format: "template=" + text}
		err := o.CheckFormat()
		_, ran := output.WriteWith(io.Discard, rows, columns(), o, func(text []byte, r *row) ([]byte, error) {
			more, err := json.Marshal(r)
			return append(text, more...), err
		})
		if err != nil {
			require.Error(t, ran)
		}
	})
}
