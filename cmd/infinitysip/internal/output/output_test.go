package output_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

type row struct {
	ID    string `json:"rowId"`
	Name  string `json:"displayName"`
	Extra string `json:"note"`
}

func columns() []output.Column[row] {
	return []output.Column[row]{
		{Name: "id", API: "rowId", Value: func(r *row) string { return r.ID }},
		{Name: "name", API: "displayName", Value: func(r *row) string { return r.Name }},
		{Name: "note", API: "note", Value: func(r *row) string { return r.Extra }},
		{Name: "length", More: true, Value: func(r *row) string { return fmt.Sprint(len(r.Name)) }},
	}
}

func list(rows ...row) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func lobbies() []row {
	return []row{{"9", "Lobby 9", "x"}, {"10", "Lobby 10, east", ""}, {"11", `He said "hi"`, "two\nlines"}}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options output.Options
		rows    []row
		want    string
	}{
		"table":           {output.Options{}, lobbies(), "ID  NAME            NOTE\n9   Lobby 9         x\n10  Lobby 10, east\n11  He said \"hi\"    two\\nlines\n"},
		"table, none":     {output.Options{Format: "table"}, nil, "ID  NAME  NOTE\n"},
		"table, no names": {output.Options{NoHeader: true}, lobbies()[:2], "9   Lobby 9         x\n10  Lobby 10, east\n"},
		"table, nothing":  {output.Options{NoHeader: true}, nil, ""},
		"bold":            {output.Options{Bold: true}, lobbies()[:1], "\x1b[1mID  NAME     NOTE\x1b[0m\n9   Lobby 9  x\n"},
		"columns":         {output.Options{Columns: []string{"displayName", "ID"}}, lobbies()[:1], "DISPLAYNAME  ID\nLobby 9      9\n"},
		"all columns":     {output.Options{Columns: []string{"all"}}, lobbies()[:1], "ID  NAME     NOTE  LENGTH\n9   Lobby 9  x     7\n"},
		"sorted":          {output.Options{Sort: []string{"-id"}}, lobbies()[:2], "ID  NAME            NOTE\n10  Lobby 10, east\n9   Lobby 9         x\n"},
		"sorted, limit":   {output.Options{Sort: []string{"note", "-name"}, Limit: 2, Columns: []string{"id"}}, lobbies(), "ID\n11\n9\n"},
		"limit":           {output.Options{Limit: 1, NoHeader: true}, lobbies(), "9  Lobby 9  x\n"},
		"json":            {output.Options{Format: "json"}, lobbies()[:2], "[\n{\"rowId\":\"9\",\"displayName\":\"Lobby 9\",\"note\":\"x\"},\n{\"rowId\":\"10\",\"displayName\":\"Lobby 10, east\",\"note\":\"\"}\n]\n"},
		"json, none":      {output.Options{Format: "json"}, nil, "[]\n"},
		"ndjson":          {output.Options{Format: "ndjson"}, lobbies()[:2], "{\"rowId\":\"9\",\"displayName\":\"Lobby 9\",\"note\":\"x\"}\n{\"rowId\":\"10\",\"displayName\":\"Lobby 10, east\",\"note\":\"\"}\n"},
		"ndjson, none":    {output.Options{Format: "ndjson"}, nil, ""},
		"yaml":            {output.Options{Format: "yaml"}, lobbies()[1:], "- rowId: \"10\"\n  displayName: \"Lobby 10, east\"\n  note: \"\"\n- rowId: \"11\"\n  displayName: \"He said \\\"hi\\\"\"\n  note: \"two\\nlines\"\n"},
		"yaml, none":      {output.Options{Format: "yaml"}, nil, "[]\n"},
		"csv":             {output.Options{Format: "csv"}, lobbies(), "id,name,note\n9,Lobby 9,x\n10,\"Lobby 10, east\",\n11,\"He said \"\"hi\"\"\",\"two\nlines\"\n"},
		"csv, none":       {output.Options{Format: "csv"}, nil, "id,name,note\n"},
		"csv, no names":   {output.Options{Format: "csv", NoHeader: true, Columns: []string{"note"}}, lobbies()[:2], "x\n\"\"\n"},
		"template":        {output.Options{Format: "template={{.rowId}}: {{.displayName}}"}, lobbies()[:2], "9: Lobby 9\n10: Lobby 10, east\n"},
		"template, lines": {output.Options{Format: "template={{.rowId}}\n"}, lobbies()[:2], "9\n10\n"},
	} {
		var b bytes.Buffer
		require.NoError(t, output.Write(&b, list(test.rows...), columns(), test.options), name)
		require.Equal(t, test.want, b.String(), name)
	}
}

func TestOneRow(t *testing.T) {
	t.Parallel()
	one := row{ID: "9", Name: "Lobby\x1b[2J"}
	for format, want := range map[string]string{
		"":                     "id      9\nname    Lobby\\x1b[2J\nnote\nlength  9\n",
		"json":                 "{\n  \"rowId\": \"9\",\n  \"displayName\": \"Lobby\\u001b[2J\",\n  \"note\": \"\"\n}\n",
		"ndjson":               "{\"rowId\":\"9\",\"displayName\":\"Lobby\\u001b[2J\",\"note\":\"\"}\n",
		"yaml":                 "rowId: \"9\"\ndisplayName: \"Lobby\\u001b[2J\"\nnote: \"\"\n",
		"csv":                  "id,name,note,length\n9,Lobby\x1b[2J,,9\n",
		"template={{.rowId}}!": "9!\n",
	} {
		var b bytes.Buffer
		require.NoError(t, output.WriteOne(&b, &one, columns(), output.Options{Format: format}), format)
		require.Equal(t, want, b.String(), format)
	}
	err := output.WriteOne(full{}, &one, columns(), output.Options{})
	require.EqualError(t, err, "writing to standard output: no space left on device")
	var b bytes.Buffer
	require.Error(t, output.WriteOne(&b, &one, columns(), output.Options{Format: "template={{.nope}}"}))
}

// full is a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

func TestProblemsAreAllTold(t *testing.T) {
	t.Parallel()
	for want, options := range map[string]output.Options{
		"--output jsno: there is no such format (did you mean \"json\"?)\nThere are table, json, ndjson, yaml, csv and template=TEXT.": {Format: "jsno"},
		"--output json=x: json takes no text after it":                                                                        {Format: "json=x"},
		"--output template: it needs a text, such as --output 'template={{.displayName}}'":                                    {Format: "template"},
		"--columns is for tables and CSV: json always has every field\n--no-header is for tables and CSV: json has no header": {Format: "json", Columns: []string{"id"}, NoHeader: true},
		"--columns: there is no column \"nam\" (did you mean \"name\"?)\nThere are id, name, note, length.":                   {Columns: []string{"id", "nam"}},
		"--columns names no column": {Columns: []string{}},
		"--columns: there is no column \"a\"\nThere are id, name, note, length.\n--sort: there is no column \"b\"\nThere are id, name, note, length.": {Columns: []string{"a"}, Sort: []string{"-b"}},
		"the template: bad character U+007D '}'\n  {{.rowId} x\n  ^":                                                                                  {Format: "template={{.rowId} x"},
		"the template: function \"upcase\" not defined\n  {{.rowId}} {{upcase .note}}\n               ^":                                              {Format: "template={{.rowId}} {{upcase .note}}"},
		"the template: unexpected {{end}}\n  {{.rowId}}{{end}}\n            ^":                                                                        {Format: "template={{.rowId}}{{end}}"},
		"the template: bad character U+007D '}'\n  b {{.note} {{.rowId}}\n    ^":                                                                      {Format: "template=a {{.rowId}}\nb {{.note} {{.rowId}}"},
	} {
		require.EqualError(t, output.Check(columns(), options), want)
		require.Error(t, output.Write(io.Discard, list(), columns(), options))
	}
	require.NoError(t, output.Check(columns(), output.Options{Columns: []string{"ROWID", " length", "all"}, Sort: []string{"-note", "length"}}))
}

func TestTemplateOfAFieldThatIsNotThere(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := output.Write(&b, list(lobbies()...), columns(), output.Options{Format: "template={{.rowId}}\n{{.nam}}"})
	require.EqualError(t, err, "the template: a row has no field nam\n  {{.nam}}\n    ^\nThe fields of this row are displayName, note, rowId.")
	require.ErrorAs(t, err, new(*output.RowError))
	require.Empty(t, b.String(), "half a row is none")
}

func TestErrorInTheMiddle(t *testing.T) {
	t.Parallel()
	broken := errors.New("the answer was cut short")
	rows := func(yield func(row, error) bool) {
		_ = yield(lobbies()[0], nil) && yield(lobbies()[1], nil) && yield(row{}, broken)
	}
	for format, want := range map[string]string{
		"json":   "[\n{\"rowId\":\"9\",\"displayName\":\"Lobby 9\",\"note\":\"x\"},\n{\"rowId\":\"10\",\"displayName\":\"Lobby 10, east\",\"note\":\"\"}",
		"table":  "ID  NAME            NOTE\n9   Lobby 9         x\n10  Lobby 10, east\n",
		"csv":    "id,name,note\n9,Lobby 9,x\n10,\"Lobby 10, east\",\n",
		"ndjson": "{\"rowId\":\"9\",\"displayName\":\"Lobby 9\",\"note\":\"x\"}\n{\"rowId\":\"10\",\"displayName\":\"Lobby 10, east\",\"note\":\"\"}\n",
	} {
		var b bytes.Buffer
		n, err := output.WriteWith(&b, rows, columns(), output.Options{Format: format}, asJSON)
		require.Equal(t, broken, err)
		require.Equal(t, 2, n)
		require.Equal(t, want, b.String())
		require.Equal(t, format == "json", !json.Valid(b.Bytes()) && b.Bytes()[0] == '[')

		b.Reset()
		n, err = output.WriteWith(&b, rows, columns(), output.Options{Format: format, Sort: []string{"id"}}, asJSON)
		require.Equal(t, broken, err)
		require.Zero(t, n)
		require.Empty(t, b.String())
	}
}

func asJSON(text []byte, r *row) ([]byte, error) {
	more, err := json.Marshal(r)
	return append(text, more...), err
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	many := func(yield func(row, error) bool) {
		for i := 0; yield(row{ID: fmt.Sprint(i), Name: strings.Repeat("x", 1000)}, nil); i++ {
			if i > 10_000 {
				panic("it reads on")
			}
		}
	}
	for _, format := range []string{"table", "json", "ndjson", "yaml", "csv", "template={{.displayName}}"} {
		for _, rows := range []iter.Seq2[row, error]{many, list(lobbies()...)} {
			err := output.Write(full{}, rows, columns(), output.Options{Format: format})
			require.EqualError(t, err, "writing to standard output: no space left on device", format)
			require.ErrorAs(t, err, new(*output.WriteError))
			require.ErrorIs(t, err, syscall.ENOSPC)
		}
	}
}

// Whoever looks at a slow list sees the rows that are there.
func TestSlowListsAreFlushed(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"table", "json", "ndjson", "yaml", "csv", "template={{.rowId}}"} {
		synctest.Test(t, func(t *testing.T) {
			var b bytes.Buffer
			var seen []int
			rows := func(yield func(row, error) bool) {
				for i := range 3 {
					time.Sleep(time.Minute)
					synctest.Wait() // for the flush that the timer makes
					seen = append(seen, strings.Count(b.String(), "Lobby")+strings.Count(b.String(), "\n"))
					if !yield(row{ID: fmt.Sprint(i), Name: "Lobby"}, nil) {
						return
					}
				}
			}
			require.NoError(t, output.Write(&b, rows, columns(), output.Options{Format: format}))
			require.Zero(t, seen[0])
			require.Positive(t, seen[1], format)
			require.Greater(t, seen[2], seen[1], format)
		})
	}
}

// A write that fails while the next row is late ends the list at that row.
func TestSlowListOnAFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		rows := func(yield func(row, error) bool) {
			for yield(row{ID: "1"}, nil) {
				n++
				time.Sleep(time.Minute)
			}
		}
		require.ErrorIs(t, output.Write(full{}, rows, columns(), output.Options{Format: "ndjson"}), syscall.ENOSPC)
		require.Equal(t, 1, n)
	})
}

func TestTheFirstRowsMakeTheWidths(t *testing.T) {
	t.Parallel()
	rows := func(yield func(row, error) bool) {
		for i := range 1000 {
			name := "Lobby"
			if i == 700 {
				name = "A very long name"
			}
			if !yield(row{ID: fmt.Sprint(i), Name: name, Extra: "x"}, nil) {
				return
			}
		}
	}
	var b bytes.Buffer
	require.NoError(t, output.Write(&b, rows, columns(), output.Options{}))
	lines := strings.Split(b.String(), "\n")
	require.Len(t, lines, 1002)
	require.Equal(t, "ID   NAME   NOTE", lines[0])
	require.Equal(t, "0    Lobby  x", lines[1])
	require.Equal(t, "700  A very long name  x", lines[701])
	require.Equal(t, "999  Lobby  x", lines[1000])
}

func TestTerminals(t *testing.T) {
	t.Parallel()
	rows := []row{{"1", "Zoë 日本", "a note that is rather long"}, {"2", "a very long name that stays", "日本語日本語日本語日本語日本語"}, {"3", "👩‍👩‍👧", "e\u0301\u202egpj.exe\x1b]0;x\a"}}
	for width, want := range map[int]string{
		0:  "ID  NAME                         NOTE\n1   Zoë 日本                     a note that is rather long\n2   a very long name that stays  日本語日本語日本語日本語日本語\n3   👩‍👩‍👧                           e\u0301\\u202egpj.exe\\x1b]0;x\\x07\n",
		50: "ID  NAME                         NOTE\n1   Zoë 日本                     a note that is r…\n2   a very long name that stays  日本語日本語日本…\n3   👩‍👩‍👧                           e\u0301\\u202egpj.exe\\x…\n",
		40: "ID  NAME                         NOTE\n1   Zoë 日本                     a note…\n2   a very long name that stays  日本語…\n3   👩‍👩‍👧                           e\u0301\\u202…\n",
		20: "ID  NAME                         NOTE\n1   Zoë 日本                     a n…\n2   a very long name that stays  日…\n3   👩‍👩‍👧                           e\u0301\\u…\n",
	} {
		var b bytes.Buffer
		require.NoError(t, output.Write(&b, list(rows...), columns(), output.Options{Width: width}))
		require.Equal(t, want, b.String(), width)
	}
}

// On a terminal no format lets pass what a terminal obeys. In a pipe the values are
// as they are.
func TestControlCharacters(t *testing.T) {
	t.Parallel()
	bad := row{ID: "1", Name: "a\x1b[31m\u009b\x7f\u202e\U000e0001b", Extra: "\xff"}
	for _, format := range []string{"table", "json", "ndjson", "yaml", "csv", "template={{.displayName}}"} {
		var b, piped bytes.Buffer
		require.NoError(t, output.Write(&b, list(bad), columns(), output.Options{Format: format, Width: 80}))
		require.NotRegexp(t, "[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f\u202e\U000e0001]", b.String(), format)
		require.NoError(t, output.Write(&piped, list(bad), columns(), output.Options{Format: format}))
		switch format {
		case "table":
			require.Equal(t, b.String(), piped.String(), "a table is for people, wherever it goes")
		case "csv":
			require.Contains(t, piped.String(), bad.Name)
		case "json", "yaml":
			var a, c []row
			unmarshal := json.Unmarshal
			if format == "yaml" {
				unmarshal = func(text []byte, to any) error {
					return yaml.NewDecoder(bytes.NewReader(text), yaml.UseJSONUnmarshaler()).Decode(to)
				}
			}
			require.NoError(t, unmarshal(b.Bytes(), &a), b.String())
			require.NoError(t, unmarshal(piped.Bytes(), &c), piped.String())
			require.Equal(t, c, a, "the escapes are the same text")
		}
	}
}

func TestSort(t *testing.T) {
	t.Parallel()
	sorted := []string{"0", "2", "010", "10", "10.0.0.9/32", "10.0.0.10/32", "100", "99999999999999999999999", "Lobby 2", "lobby 2", "lobby 10", "Zoë", "zoë"}
	shuffled := slices.Clone(sorted)
	slices.Reverse(shuffled)
	rows := []row{{ID: "none"}}
	for _, name := range shuffled {
		rows = append(rows, row{Name: name})
	}
	names := func(by string) (names []string) {
		var b bytes.Buffer
		require.NoError(t, output.Write(&b, list(rows...), columns(), output.Options{Format: "ndjson", Sort: []string{by}}))
		for line := range strings.Lines(b.String()) {
			var r row
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			names = append(names, r.Name)
		}
		return names
	}
	require.Equal(t, append(slices.Clone(sorted), ""), names("name"))
	require.Equal(t, append(shuffled, ""), names("-displayname"))
}

// FuzzFormats checks that what is written is what is read.
func FuzzFormats(f *testing.F) {
	for _, text := range []string{"", "joe", "no", "NULL", "~", "0123", "1e3", "12:30:45", "2026-01-31", "- x", "a: b", "a #b", " a", "a ", "'a'", "\"", "a\nb", "é", "\u2028", "<&>", "\\", "=1+1", "\U0001F600", "\u0085", "\ufeff", "true", "0x1f", ".inf", "%", "@a", "`", "|", ">", "!x", "&a", "*a", "?", "{}", "[]", "a,b", "---", "..."} {
		f.Add(text, text+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		a, b = strings.ToValidUTF8(a, "?"), strings.ToValidUTF8(b, "?")
		rows := []row{{a, b, ""}, {b, a, a}}
		written := func(o output.Options) string {
			var b bytes.Buffer
			require.NoError(t, output.Write(&b, list(rows...), columns(), o))
			return b.String()
		}
		var array, fromYAML, lines []row
		require.NoError(t, json.Unmarshal([]byte(written(output.Options{Format: "json"})), &array))
		require.Equal(t, rows, array)
		for line := range strings.Lines(written(output.Options{Format: "ndjson"})) {
			var r row
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			lines = append(lines, r)
		}
		require.Equal(t, rows, lines)
		text := written(output.Options{Format: "yaml"})
		require.NoError(t, yaml.NewDecoder(strings.NewReader(text), yaml.UseJSONUnmarshaler()).Decode(&fromYAML), text)
		require.Equal(t, rows, fromYAML, text)
		records, err := csv.NewReader(strings.NewReader(written(output.Options{Format: "csv", NoHeader: true}))).ReadAll()
		require.NoError(t, err)
		lf := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") } // encoding/csv reads it so
		require.Equal(t, [][]string{{lf(a), lf(b), ""}, {lf(b), lf(a), lf(a)}}, records)
		one, err := csv.NewReader(strings.NewReader(written(output.Options{Format: "csv", NoHeader: true, Columns: []string{"id"}}))).ReadAll()
		require.NoError(t, err)
		require.Equal(t, [][]string{{lf(a)}, {lf(b)}}, one)
		require.Equal(t, 3, strings.Count(written(output.Options{Width: 40}), "\n"), "a row of a table is a line")
	})
}
