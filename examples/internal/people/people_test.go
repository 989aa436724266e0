package people

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/infinitysip/infinitysip"
	"github.com/stretchr/testify/require"
)

const header = "user,displayName,extension,email,groups,mac,mobile,pin,password\n"

func TestReadProblems(t *testing.T) {
	t.Parallel()
	const good = "ann,Ann,201,ann@example.com,sales,00:00:5E:00:53:01,,,\n"
	for name, test := range map[string]struct {
		file string
		want []string // line, column and the beginning of what is wrong
	}{
		"empty file":        {"", []string{"line 1: the file is empty"}},
		"BOM alone":         {"\xef\xbb\xbf", []string{"line 1: the file is empty"}},
		"unknown column":    {"nickname," + header + "x," + good, []string{`line 1, "nickname": unknown column`}},
		"nameless column":   {strings.Replace(header, "\n", ",\n", 1) + strings.Replace(good, "\n", ",\n", 1), []string{`line 1, "": unknown column`}},
		"missing columns":   {"user,displayName\nann,Ann\n", []string{"line 1, extension: this column is missing", "line 1, email: this column is missing", "line 1, groups: this column is missing", "line 1, mac: this column is missing"}},
		"doubled column":    {"user,USER,displayName,extension,email,groups,mac\nann,ann,Ann,201,,,\n", []string{"line 1, user: this column is there twice"}},
		"semicolons":        {strings.ReplaceAll(header+good, ",", ";"), []string{"line 1: this is one column"}},
		"header misquoted":  {"user,\"displayName,extension\nann,Ann,201\n", []string{"line 1: a quotation mark"}},
		"header not UTF-8":  {"user,displayName,extension,email,groups,mac,caf\xe9\n", []string{`line 1, "caf\xe9": unknown column`}},
		"too few values":    {header + "ann,Ann\n" + good, []string{"line 2: 2 values, but the first row names 9 columns"}},
		"too many values":   {header + strings.Replace(good, "\n", ",\n", 1), []string{"line 2: 10 values"}},
		"unclosed quote":    {header + good + "ben,\"Ben,202,,,,,,\n", []string{"line 3: a quotation mark"}},
		"bare quote":        {header + "ben,B\"en,202,,,,,,\n" + good + "eve,Eve,x,,,,,,\n", []string{"line 2: a quotation mark", "line 4, extension: not digits"}},
		"user missing":      {header + ",Ann,201,,,,,,\n", []string{"line 2, user: missing"}},
		"all required":      {header + "  ,\t,,,,,,,x\n", []string{"line 2, user: missing", "line 2, displayName: holds a control", "line 2, extension: missing"}},
		"user twice":        {header + good + "ANN,Ann,202,,,,,,\n", []string{`line 3, user: "ANN" stands in line 2 already`}},
		"extension letters": {header + "ann,Ann,2o1,,,,,,\n", []string{`line 2, extension: not digits alone: "2o1"`}},
		"extension digits":  {header + "ann,Ann,２０１,,,,,,\n", []string{"line 2, extension: not digits alone"}},
		"extension twice":   {header + good + "\nben,Ben,201,,,,,,\n", []string{`line 4, extension: "201" stands in line 2 already`}},
		"email":             {header + "ann,Ann,201,ann.example.com,,,,,\n", []string{"line 2, email: not an e-mail address"}},
		"email with a name": {header + "ann,Ann,201,Ann <ann@example.com>,,,,,\n", []string{"line 2, email: not an e-mail address"}},
		"group empty":       {header + "ann,Ann,201,,sales;,,,,\n", []string{`line 2, groups: a group name is empty: "sales;"`}},
		"group blank":       {header + "ann,Ann,201,,sales; ;support,,,,\n", []string{"line 2, groups: a group name is empty"}},
		"group twice":       {header + "ann,Ann,201,,sales;Sales,,,,\n", []string{"line 2, groups: the same group twice"}},
		"MAC of 5 octets":   {header + "ann,Ann,201,,,00:00:5E:00:53,,,\n", []string{"line 2, mac: not six octets"}},
		"MAC of 8 octets":   {header + "ann,Ann,201,,,00:00:5E:00:53:01:02:03,,,\n", []string{"line 2, mac: not six octets"}},
		"MAC twice":         {header + good + "ben,Ben,202,,,00-00-5e-00-53-01,,,\n", []string{`line 3, mac: "00-00-5e-00-53-01" stands in line 2 already`}},
		"mobile":            {header + "ann,Ann,201,,,,none,,\n", []string{"line 2, mobile: not a phone number"}},
		"PIN":               {header + "ann,Ann,201,,,,,12a4,\n", []string{"line 2, pin: not digits alone"}},
		"line break":        {header + "ann,\"Ann\nAbel\",201,,,,,,\nben,Ben,x,,,,,,\n", []string{"line 2, displayName: holds a line break", "line 4, extension: not digits"}},
		"line of a field":   {header + "ann,\"Ann\nAbel\",x,,,,,,\n", []string{"line 2, displayName: holds a line break", "line 3, extension: not digits"}},
		"lone CR":           {header + "ann,An\rn,201,,,,,,\n", []string{"line 2, displayName: holds a line break"}},
		"only lone CR":      {strings.ReplaceAll(strings.ReplaceAll(header+good, ",", " "), "\n", "\r"), []string{"line 1: this is one column"}},
		"NUL":               {header + "ann,A\x00,201,,,,,,\n", []string{"line 2, displayName: holds a control character"}},
		"invalid UTF-8":     {header + "ann,Zo\xeb,201,,,,,,\n", []string{"line 2, displayName: not UTF-8"}},
		"password too":      {header + "ann,Ann,201,,,,,,se\xffcret\n", []string{"line 2, password: not UTF-8"}},
		"CRLF keeps count":  {strings.ReplaceAll(header+"\n\n"+good+"ben,Ben,x,,,,,,\n", "\n", "\r\n"), []string{"line 5, extension: not digits"}},
		"all at once":       {header + "ann,,2o1,x,;,y,z,q,\nann,Ann,201,,,,,,\n", []string{"line 2, displayName", "line 2, extension", "line 2, email", "line 2, groups: a group", "line 2, groups: a group", "line 2, mac", "line 2, mobile", "line 2, pin", "line 3, user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems, err := Read(strings.NewReader(test.file))
			require.NoError(t, err)
			require.Len(t, problems, len(test.want), "%v", problems)
			for i, want := range test.want {
				require.True(t, strings.HasPrefix(problems[i].String(), want), "%v\nwant %s", problems[i], want)
			}
		})
	}
}

func TestReadTakes(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"plain":             header + "ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,\n",
		"no line end":       header + "ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,",
		"BOM":               "\xef\xbb\xbf" + header + "ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,\n",
		"BOM, quoted":       "\xef\xbb\xbf\"user\"" + strings.TrimPrefix(header, "user") + "ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,\n",
		"CRLF":              strings.ReplaceAll(header+"ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,\n", "\n", "\r\n"),
		"blank lines":       "\n\n" + header + "\n   \n,,,,,,,,\nann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,\n\n",
		"quotes and blanks": header + `" ann","Ann",201 , a@example.com ,"sales ; help desk",00-00-5e-00-53-01,"07700 900101",1234,` + "\n",
		"another order":     "PIN,mac,Groups,email,extension,displayname,user,mobile\n1234,0000.5e00.5301,sales;help desk,a@example.com,201,Ann,ann,07700 900101\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everybody, problems, err := Read(strings.NewReader(file))
			require.NoError(t, err)
			require.Empty(t, problems)
			require.Len(t, everybody, 1)
			got := everybody[0]
			require.Equal(t, "1234", got.PIN.Reveal())
			require.True(t, got.Password.IsZero())
			got.Line, got.PIN, got.Password = 0, infinitysip.Secret{}, infinitysip.Secret{}
			require.Equal(t, Person{
				User: "ann", DisplayName: "Ann", Extension: "201", Email: "a@example.com",
				Groups: []string{"sales", "help desk"}, MAC: "00:00:5E:00:53:01", Mobile: "07700 900101",
			}, got)
		})
	}
}

func TestReadTakesPasswordsToTheLetter(t *testing.T) {
	t.Parallel()
	for _, password := range []string{" spaced ", "'=1", "=1", "'", `a"b,c`} {
		everybody, problems, err := Read(strings.NewReader(header + `ann,Ann,201,,,,,,"` + strings.ReplaceAll(password, `"`, `""`) + "\"\n"))
		require.NoError(t, err)
		require.Empty(t, problems)
		require.Equal(t, password, everybody[0].Password.Reveal())
	}
}

func TestReadShowsNoSecret(t *testing.T) {
	t.Parallel()
	_, problems, err := Read(strings.NewReader(header + "ann,Ann,201,,,,,hunter2,hun\x01ter2\n"))
	require.NoError(t, err)
	require.Len(t, problems, 2)
	for _, p := range problems {
		require.NotContains(t, p.String(), "ter2")
	}
}

func TestReadFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, _, err := Read(io.MultiReader(strings.NewReader(header), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}

func TestWriterRoundTrip(t *testing.T) {
	t.Parallel()
	want := []Person{
		{User: "ann", DisplayName: `Ann "A", Abel`, Extension: "201", Email: "a@example.com", Groups: []string{"sales", "help desk"}, MAC: "00:00:5E:00:53:01", Mobile: "+447700900101"},
		{User: "=x", DisplayName: `=HYPERLINK("http://example.com")`, Extension: "0202"},
		{User: "-y", DisplayName: "'+1", Extension: "203", Groups: []string{"@home"}},
		{User: "'z", DisplayName: "''=", Extension: "204"},
		{User: "zoë", DisplayName: "Zoë 山田", Extension: "205"},
	}
	var file bytes.Buffer
	w := NewWriter(&file)
	for _, p := range want {
		require.NoError(t, w.Write(p))
	}
	require.NoError(t, w.Flush())
	cells, err := csv.NewReader(strings.NewReader(file.String())).ReadAll()
	require.NoError(t, err)
	for _, cell := range slices.Concat(cells...) {
		require.False(t, strings.IndexAny(cell, "=+-@") == 0, cell)
	}

	got, problems, err := Read(&file)

	require.NoError(t, err)
	require.Empty(t, problems)
	for i := range got {
		require.Equal(t, i+2, got[i].Line)
		got[i].Line = 0
	}
	require.Equal(t, want, got)
}

func FuzzRead(f *testing.F) {
	f.Add(header + "ann,Ann,201,a@example.com,sales;help desk,00:00:5E:00:53:01,07700 900101,1234,\n")
	f.Add("user,\"displayName\n")
	f.Fuzz(func(t *testing.T, file string) {
		everybody, problems, err := Read(strings.NewReader(file))
		require.NoError(t, err)
		if len(problems) > 0 {
			return
		}
		// What is good is good again once written.
		var written bytes.Buffer
		w := NewWriter(&written)
		for _, p := range everybody {
			require.NoError(t, w.Write(p))
		}
		require.NoError(t, w.Flush())
		again, problems, err := Read(&written)
		require.NoError(t, err)
		require.Empty(t, problems)
		require.Len(t, again, len(everybody))
		for i, p := range again {
			p.Line, p.PIN, p.Password = everybody[i].Line, everybody[i].PIN, everybody[i].Password
			p.PIN, p.Password, everybody[i].PIN, everybody[i].Password = infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}, infinitysip.Secret{}
			require.Equal(t, everybody[i], p)
		}
	})
}
