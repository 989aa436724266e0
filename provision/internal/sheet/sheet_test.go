package sheet_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/infinitysip/infinitysip/provision/internal/sheet"
	"github.com/stretchr/testify/require"
)

func known(cell string) bool { return slices.Contains([]string{"name", "number", "note"}, cell) }

func TestRead(t *testing.T) {
	t.Parallel()
	want := []sheet.Row{{Line: 1, Cells: []string{"name", "number"}}, {Line: 2, Cells: []string{"ann", "1"}}}
	later := []sheet.Row{{Line: 2, Cells: []string{"name", "number"}}, {Line: 3, Cells: []string{"ann", "1"}}}
	for name, test := range map[string]struct {
		text  string
		comma rune
		want  []sheet.Row
	}{
		"commas":              {"name,number\nann,1\n", ',', want},
		"semicolons":          {"name;number\nann;1\n", ';', want},
		"tabs":                {"name\tnumber\nann\t1\n", '\t', want},
		"bars":                {"name|number\nann|1\n", '|', want},
		"sep":                 {"sep=;\nname;number\nann;1\n", ';', later},
		"sep, CRLF":           {"SEP=^\r\nname^number\r\nann^1\r\n", '^', later},
		"CRLF":                {"name,number\r\nann,1\r\n", ',', want},
		"CR":                  {"name,number\rann,1\r", ',', want},
		"no line end":         {"name,number\nann,1", ',', want},
		"a CR at the end":     {"name,number\nann,1\r", ',', want},
		"quotes":              {"\"name\",\"number\"\r\n\"ann\",\"1\"\r\n", ',', want},
		"blanks about quotes": {"name, \"number\"\nann , \"1\" \n", ',', []sheet.Row{want[0], {Line: 2, Cells: []string{"ann ", "1"}}}},
		"blank rows":          {"\nname,number\n \n,,\nann,1\n\n", ',', []sheet.Row{{Line: 2, Cells: []string{"name", "number"}}, {Line: 5, Cells: []string{"ann", "1"}}}},
		"under a title":       {"List, of people, of 2024\nname;number\nann;1\n", ';', []sheet.Row{{Line: 1, Cells: []string{"List, of people, of 2024"}}, {Line: 2, Cells: []string{"name", "number"}}, {Line: 3, Cells: []string{"ann", "1"}}}},
		"no known name":       {"nom;numéro\n", ';', []sheet.Row{{Line: 1, Cells: []string{"nom", "numéro"}}}},
		"formula of a text":   {"name,number\nann,=\"01\"\n", ',', []sheet.Row{want[0], {Line: 2, Cells: []string{"ann", `="01"`}}}},
		"quotes in quotes":    {"name,number\n\"a \"\"b\"\"\",1\n", ',', []sheet.Row{want[0], {Line: 2, Cells: []string{`a "b"`, "1"}}}},
		"rows go on":          {"name,number\nb\"b,1\n\"c\"c,1\nann,1\n", ',', []sheet.Row{want[0], {Line: 2, Broken: true}, {Line: 3, Broken: true}, {Line: 4, Cells: []string{"ann", "1"}}}},
		"unclosed":            {"name,number\n\"b,1\nann,1\n", ',', []sheet.Row{want[0], {Line: 2, Broken: true}, {Line: 3, Cells: []string{"ann", "1"}}}},
		"nothing":             {"", ',', nil},
		"nothing but commas":  {"\r\n,,\r\n", ',', nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, err := sheet.Read(test.text, 0, known)
			require.NoError(t, err)
			require.Equal(t, string(test.comma), string(table.Comma))
			require.Equal(t, test.want, slices.Collect(table.Rows()))
		})
	}

	table, err := sheet.Read("name#number\n\"a\r\nb\"#1\nann#1\n", '#', known)
	require.NoError(t, err)
	rows := slices.Collect(table.Rows())
	require.Equal(t, []string{"a\nb", "1"}, rows[1].Cells)
	require.Equal(t, []int{2, 3}, []int{rows[1].LineOf(0), rows[1].LineOf(1)})
	require.Equal(t, 4, rows[2].Line)

	for _, comma := range "\"'=\r\n\ufffd" {
		_, err = sheet.Read("name\n", comma, known)
		require.Error(t, err)
	}
}

const sample = "user\tname\r\nzoë\tZoë 山田\r\n"

// utf16 is the text of TestText in UTF-16.
func utf16(low, high int) string {
	var b strings.Builder
	for _, r := range sample {
		unit := [2]byte{}
		unit[low], unit[high] = byte(r), byte(r>>8)
		b.Write(unit[:])
	}
	return b.String()
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"UTF-8": sample, "UTF-8 with its mark": "\xef\xbb\xbf" + sample,
		"UTF-16LE": "\xff\xfe" + utf16(0, 1), "UTF-16BE": "\xfe\xff" + utf16(1, 0),
		"UTF-16LE without a mark": utf16(0, 1), "UTF-16BE without a mark": utf16(1, 0),
	} {
		require.Equal(t, sample, sheet.Text([]byte(data)), name)
	}
	require.Equal(t, "a\x00b", sheet.Text([]byte("a\x00b")))
	require.Equal(t, "zo\xeb", sheet.Text([]byte("zo\xeb")))
}

func TestFile(t *testing.T) {
	t.Parallel()
	for begin, want := range map[string]string{
		"PK\x03\x04....[Content_Types].xml":                                    "an Excel workbook (.xlsx)",
		"PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet": "a spreadsheet (.ods)",
		"PK\x03\x04....":                      "a zip archive, or a workbook such as .xlsx",
		"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...": "an old Excel workbook (.xls)",
		"%PDF-1.7":                            "a PDF",
		"user,displayName\n":                  "",
		"":                                    "",
		"{\"users\":[]}":                      "",
		"\xff\xfeu\x00":                       "",
		"\x1f\x8b\x08":                        "a gzip archive",
	} {
		require.Equal(t, want, sheet.File([]byte(begin)), begin)
	}
	for text, want := range map[string]string{
		" { \"users\": []}": "JSON", "[[": "JSON", "[]": "JSON", "{}": "JSON", "<?xml version=": "XML", "\n<table border=1>": "a web page (HTML), even where its name ends in .xls",
		"user,x": "", "[x],y": "", "<,>": "", "": "",
	} {
		require.Equal(t, want, sheet.Markup(text), text)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"": "", " ": "", "ann": "ann", " ann\u00a0": "ann", `="0201"`: "0201", ` ="0201" `: "0201", `="a ""b"""`: `a "b"`, `=""`: "", `="a"&"b"`: `="a"&"b"`,
		"'0201": "0201", "'+44": "+44", "'=x": "=x", "''=x": "'=x", "''0": "'0", "'t Hooft": "'t Hooft", "'": "'", "''": "''", "=1+1": "=1+1",
	} {
		require.Equal(t, want, sheet.Value(cell), cell)
	}
	require.Equal(t, []string{"sales", "=cmd", "", "0201"}, sheet.Elements(" sales; '=cmd;;'0201 "))
	require.Equal(t, []string{"a", "b"}, sheet.Elements(`="a;b"`))
	require.Empty(t, sheet.Elements(" "))
	require.Equal(t, "sales;'=cmd;'\n=cmd", sheet.Join([]string{"sales", "=cmd", "\n=cmd"}))
	require.Equal(t, []string{"A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"}, []string{sheet.Letter(0), sheet.Letter(25), sheet.Letter(26), sheet.Letter(51), sheet.Letter(52), sheet.Letter(701), sheet.Letter(702)})
}

// No guarded cell is a formula, and what was guarded comes back.
func FuzzGuard(f *testing.F) {
	for _, cell := range []string{"=cmd", "\n=cmd", "\r=", "\t", " =", "'=", "''0", "＝x", "+1", "-", "@", "'t", `="x"`, "a;=b;'0; '@"} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		guarded := sheet.Guard(cell)
		if guarded != "" {
			require.NotContains(t, "=+-@\t\r\n", guarded[:1])
			if text := strings.TrimSpace(guarded); text != "" {
				require.NotContains(t, "=+-@", text[:1])
			}
		}
		if cell == strings.TrimSpace(cell) {
			require.Equal(t, cell, sheet.Value(guarded))
		}
		require.Equal(t, cell, sheet.Unguard(guarded))
		for piece := range strings.SplitSeq(guarded, sheet.Separator) {
			if text := strings.TrimSpace(piece); text != "" {
				require.NotContains(t, "=+-@", text[:1])
			}
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add("name,number\n\"a\"\"b\",1\r\n'0,=\"1\"\n\"x\n", uint8(0))
	f.Add("sep=;\nname;number\r\"\r", uint8(1))
	f.Fuzz(func(t *testing.T, text string, comma uint8) {
		table, err := sheet.Read(text, []rune{0, ',', ';', ' ', 'é'}[comma%5], known)
		require.NoError(t, err)
		line := 0
		for row := range table.Rows() {
			require.Greater(t, row.Line, line)
			line = row.Line
			for i, cell := range row.Cells {
				require.GreaterOrEqual(t, row.LineOf(i), line)
				if utf8.ValidString(text) {
					require.True(t, utf8.ValidString(cell))
				}
			}
		}
		require.LessOrEqual(t, line, 1+strings.Count(text, "\n")+strings.Count(text, "\r"))
	})
}
