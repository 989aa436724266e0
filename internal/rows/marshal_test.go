package rows

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMarshal(t *testing.T) {
	t.Parallel()
	raw := func(members ...string) map[string]json.RawMessage {
		extra := make(map[string]json.RawMessage)
		for i := 0; i < len(members); i += 2 {
			extra[members[i]] = json.RawMessage(members[i+1])
		}
		return extra
	}
	for name, test := range map[string]struct {
		row  everyKind
		want string
	}{
		"zero":    {everyKind{}, `{"user":"","s":"","d":"0","n":"0","f":"0","c":"0000-00-00 00:00:00","net":""}`},
		"all":     {everyKind{ID: 7, User: `a"b`, Strategy: "all", Domain: 1 << 62, Secs: -5, Flag: true, Created: time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC), Network: netip.MustParsePrefix("10.0.20.10/24"), PIN: NewSecret("4711")}, `{"userId":"7","user":"a\"b","s":"all","d":"4611686018427387904","n":"-5","f":"1","c":"2019-10-31 09:42:56","net":"10.0.20.10/24","pin":"[redacted]"}`},
		"a zone":  {everyKind{ID: 7, Created: time.Date(2019, 10, 31, 9, 42, 56, 120e6, time.FixedZone("", 3600))}, `{"userId":"7","user":"","s":"","d":"0","n":"0","f":"0","c":"2019-10-31 08:42:56.12","net":""}`},
		"Extra":   {everyKind{ID: 7, Extra: raw("z", "1", "a", `[1, "<"]`, "b&", ` "x"`)}, `{"userId":"7","user":"","s":"","d":"0","n":"0","f":"0","c":"0000-00-00 00:00:00","net":"","a":[1,"\u003c"],"b&":"x","z":1}`},
		"nil":     {everyKind{ID: 7, Extra: map[string]json.RawMessage{"x": nil}}, `{"userId":"7","user":"","s":"","d":"0","n":"0","f":"0","c":"0000-00-00 00:00:00","net":"","x":null}`},
		"no zero": {everyKind{ID: 7, User: "joe", Extra: raw("user", `"jane"`, "net", `"office"`)}, `{"userId":"7","user":"joe","s":"","d":"0","n":"0","f":"0","c":"0000-00-00 00:00:00","net":"office"}`},
		"hidden":  {everyKind{ID: 7, Extra: raw("PASSWORD", `"hunter2"`, "x", `{"pin":4711,"y":[{"Pin":[1]}]}`)}, `{"userId":"7","user":"","s":"","d":"0","n":"0","f":"0","c":"0000-00-00 00:00:00","net":"","PASSWORD":"[redacted]","x":{"pin":"[redacted]","y":[{"Pin":"[redacted]"}]}}`},
		"text":    {everyKind{ID: 7, User: "Zoë <z> & Söhne\u2028"}, `{"userId":"7","user":"Zoë <z> & Söhne\u2028","s":"","d":"0","n":"0","f":"0","c":"0000-00-00 00:00:00","net":""}`},
	} {
		text, err := LayoutOf[everyKind](format).Marshal(&test.row)
		require.NoError(t, err, name)
		require.Equal(t, test.want, string(text), name)
	}
}

func TestMarshalRefuses(t *testing.T) {
	t.Parallel()
	layout := LayoutOf[everyKind](format)
	for want, row := range map[string]everyKind{
		"c: the year 10000 does not have four digits": {Created: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"c: the year -1 does not have four digits":    {Created: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)},
		"x: its value in Extra is not JSON":           {Extra: map[string]json.RawMessage{"x": json.RawMessage(`"hunter2`)}},
		"y: its value in Extra is not JSON":           {Extra: map[string]json.RawMessage{"y": json.RawMessage("\"\xff\"")}},
		"z: its value in Extra is not JSON":           {Extra: map[string]json.RawMessage{"z": {}}},
	} {
		_, err := layout.Marshal(&row)
		require.EqualError(t, err, want)
	}
	_, err := LayoutOf[struct{ F float64 }](format).Marshal(&struct{ F float64 }{})
	require.EqualError(t, err, "F: a float64 is not written")
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	layout := LayoutOf[Device](format)
	old := Device{ID: 3, Name: "old", MACAddress: "old", Extra: map[string]json.RawMessage{"x": nil}}
	for _, text := range []string{`{"pbxDeviceId":"1","user":"joe"}`, " \n{\n\t\"pbxDeviceId\": 1,\r\n \"user\"\n:\n\"joe\" }\n"} {
		row := old
		require.NoError(t, Unmarshal(layout, []byte(text), &row))
		require.Equal(t, Device{ID: 1, User: "joe"}, row, "every field is set")
	}
	row := old
	require.NoError(t, Unmarshal(layout, []byte(" null\n"), &row))
	require.Equal(t, old, row)
	for text, want := range map[string]string{
		"":                            "not an object",
		"[]":                          "not an object",
		"{}":                          "no field of this kind of row is in it",
		`{"user":`:                    "not JSON: the text ends within the row",
		`{"user":"a`:                  "not JSON: the text ends within the row",
		`{"user":"a"} {`:              "something follows the row",
		`{"pbxDeviceId":0}`:           `pbxDeviceId: "0" is not an id`,
		`{"user":{}}`:                 "user: want one value, not a list or an object",
		"{\"user\":\"\xff\"}":         "user: not valid UTF-8",
		`{"createDatetime":"now"}`:    `createDatetime: "now" is not a time: want 2006-01-02 15:04:05`,
		`{"user":"a"}` + "\u00a0":     "something follows the row",
		"\xef\xbb\xbf{\"user\":\"\"}": "not an object",
	} {
		row := old
		require.EqualError(t, Unmarshal(layout, []byte(text), &row), want, text)
		require.Equal(t, old, row, "an error leaves the row as it is")
	}
	var user User
	require.NoError(t, Unmarshal(LayoutOf[User](format), []byte(`{"userId":"1","password":"[redacted]","pin":"4711"}`), &user))
	require.Empty(t, user.Password.Reveal(), "it is never the secret")
	require.Equal(t, "4711", user.PIN.Reveal())
}

// Extra is in the form that encoders write, so that it comes back byte for byte, and
// what they do not change stays as it was sent.
func TestExtraHasTheFormOfJSON(t *testing.T) {
	t.Parallel()
	for sent, want := range map[string]string{
		`"a b"`: `"a b"`, `"\/\u00e9é"`: `"\/\u00e9é"`, `1.0E+2`: `1.0E+2`, `[1,2]`: `[1,2]`, `{"a":"b"}`: `{"a":"b"}`, `"\u003C"`: `"\u003C"`, `"…"`: `"…"`,
		`[1, 2]`: `[1,2]`, "{ \"a\" :\t\"b c\" }": `{"a":"b c"}`, `"<&>"`: `"\u003c\u0026\u003e"`, "\"\u2028\u2029\u202a\"": "\"\\u2028\\u2029\u202a\"", `["<", "pin"]`: `["\u003c","pin"]`,
		`{"pin": "<"}`: `{"pin":"[redacted]"}`, `{"<": {"pin":[1]}}`: `{"\u003c":{"pin":"[redacted]"}}`,
	} {
		rows, err := ReadAll[Any](LayoutOf[Any](format), strings.NewReader(`{"x":`+sent+`}`), maxRow)
		require.NoError(t, err)
		require.Equal(t, want, string(rows[0].Extra["x"]))
		require.Equal(t, len(want), cap(rows[0].Extra["x"]))
		var indented, again bytes.Buffer
		require.NoError(t, json.Indent(&indented, rows[0].Extra["x"], "", "  "))
		json.HTMLEscape(&again, indented.Bytes())
		rows, err = ReadAll[Any](LayoutOf[Any](format), strings.NewReader(`[{"x":`+again.String()+`}]`), maxRow)
		require.NoError(t, err)
		require.Equal(t, want, string(rows[0].Extra["x"]))
	}
}

// FuzzAppendString checks that a string is written as encoding/json writes it.
func FuzzAppendString(f *testing.F) {
	for _, text := range []string{"", "joe.blogs", `"`, `a\b`, "a\x00b", "\x7f", "Zoë", "1234567Zoë", "\u2028", "12345678\u2029x", "\u202a", "\xff", "a\xe2\x80", "\xe2", "<&>", "\U0001F600"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(text))
		require.Equal(t, strings.TrimSuffix(want.String(), "\n"), string(appendString(nil, text)))
		require.Equal(t, `before"`+want.String(), string(appendString([]byte(`before"`), text))+"\n")
	})
}

func TestAppendMakesNoGarbage(t *testing.T) {
	layout, row := LayoutOf[everyKind](format), &everyKind{ID: 7, User: "joe", Secs: 20, Created: time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC), Extra: map[string]json.RawMessage{"x": json.RawMessage(`"y"`)}}
	text, err := layout.Append(nil, row)
	require.NoError(t, err)
	allocs := testing.AllocsPerRun(100, func() {
		text, _ = layout.Append(text[:0], row)
	})
	require.LessOrEqual(t, allocs, 1.0, "the text of a secret or a network")
}
