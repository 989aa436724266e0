package transcript_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/transcript"
)

const rowSecret = `s3cr3t-pass "wörd"/<&>+%`

func named(name string) bool { return redact.Names{"pin"}.Has(name) || redact.Sensitive(name) }

func rowDetector() *redact.Detector {
	return redact.New([]string{rowSecret, "4711"}, []string{"joe"}, redact.Names{"pin", "password"})
}

func TestRows(t *testing.T) {
	t.Parallel()
	held := func(text string) string {
		return "[the server's text held a secret: " + strconv.Itoa(len(text)) + " bytes]\n"
	}
	for name, test := range map[string]struct{ body, want string }{
		"nothing":                 {"", ""},
		"a row":                   {`{"userId":"1","user":"joe"}`, `{"userId":"1","user":"joe"}`},
		"a hidden member":         {`{"userId":"1","Password":"x","a":{"apiKey":[1,{"b":2}],"c":"d"}}`, `{"userId":"1","Password":"[redacted]","a":{"apiKey":"[redacted]","c":"d"}}`},
		"an escaped name":         {`{"pass\u0077ord":"x"}`, `{"pass\u0077ord":"[redacted]"}`},
		"a number":                {`{"pin":123}` + "\n", `{"pin":"[redacted]"}` + "\n"},
		"a bad row of three":      {`{"a":"1"}` + "\n" + `{"a":"s3cr3t-p"}` + "\r\n" + `{"a":"3"}`, `{"a":"1"}` + "\n" + held(`{"a":"s3cr3t-p"}`+"\r\n") + `{"a":"3"}`},
		"an array, a row a line":  {"[\n" + `{"pin":"1"},` + "\n" + `{"pin":"2"}` + "\n]\n", "[\n" + `{"pin":"[redacted]"},` + "\n" + `{"pin":"[redacted]"}` + "\n]\n"},
		"an array on a line":      {`[{"pin":"1"},{"a":"b"}]`, `[{"pin":"[redacted]"},{"a":"b"}]`},
		"an indented row":         {"{\n  \"pin\":\n    \"1\",\n  \"a\": \"b\"\n}", "{\n  \"pin\":\n    \"[redacted]\",\n  \"a\": \"b\"\n}"},
		"rows after a mark":       {"\ufeff" + `{"pin":"1"}`, "\ufeff" + `{"pin":"[redacted]"}`},
		"a row that breaks off":   {`{"a":"1"}` + "\n" + `{"a":"2","apiKey":"x`, `{"a":"1"}` + "\n" + held(`{"a":"2","apiKey":"x`)},
		"a value on another line": {"pin:\n  9", held("pin:\n  9")},
		"text":                    {"extension in use\nby joe", "extension in use\nby joe"},
		"text before rows":        {"Warning: pin=4711 is bad\n" + `{"a":"1"}`, held("Warning: pin=4711 is bad\n") + `{"a":"1"}`},
		"a sentence":              {"password: must be longer", "password: must be longer"},
		"a secret over two lines": {"no: s3cr3\nt-pas", held("no: s3cr3\nt-pas")},
		"indented":                {"no: s3c\n    r3t-\n    pass", held("no: s3c\n    r3t-\n    pass")},
		"base64 over two lines":   {"czNjcjN0\n  LXBhc3M", held("czNjcjN0\n  LXBhc3M")},
		"a short one":             {`{"a":"4711"}`, held(`{"a":"4711"}`)},
		"JSON in JSON":            {`{"error":"{\"pin\":\"99\"}"}`, held(`{"error":"{\"pin\":\"99\"}"}`)},
		"binary":                  {"\x1f\x8b\x08\x00abc", "[7 bytes that are no text]\n"},
		"Latin-1 between rows":    {`{"a":"1"}` + "\nZo\xeb\n" + `{"a":"2"}`, `{"a":"1"}` + "\n[4 bytes that are no text]\n" + `{"a":"2"}`},
		"in two rows":             {`{"a":"s3cr3t-p"}` + "\n" + `{"a":"ass \"w\u00f6rd"}`, held(`{"a":"s3cr3t-p"}`+"\n") + held(`{"a":"ass \"w\u00f6rd"}`)},
	} {
		require.Equal(t, test.want, transcript.Rows(rowDetector(), test.body, 1<<20, named), name)
	}
}

// A secret at the cut is not shown in part, however it is written and wherever the cut is.
func TestRowsThatAreCut(t *testing.T) {
	t.Parallel()
	const limit = 200
	for name, secret := range map[string]string{
		"plain": rowSecret, "over lines": "s3cr\n3t-p\nass", "in a URL": "s3cr3t-pass+%22w%C3%B6rd%22", "in a row": `","note":"s3cr3t-pass"}`,
		"in a member": `","password":"` + rowSecret[:11] + `"}`, "by another name": `","apiKey":"unknown to the call"}`,
	} {
		for at := 100; at < limit+10; at++ {
			body := `{"a":"1"}` + "\n" + `{"b":"` + strings.Repeat("x", at-16)
			body += secret + strings.Repeat("y", 40)
			body = body[:min(len(body), limit+1)]
			shown := transcript.Rows(rowDetector(), body, limit, named)
			require.True(t, strings.HasPrefix(shown, `{"a":"1"}`+"\n") || at < 100, "%s at %d: %s", name, at, shown)
			for _, piece := range []string{"s3", "unk", "t-p", "ass"} {
				require.NotContains(t, shown, piece, "%s at %d", name, at)
			}
		}
	}
	// A whole row is shown, or nothing of it.
	body := strings.Repeat(`{"a":"1234567","pin":"1"}`+"\n", 20)
	require.Equal(t, strings.Repeat(`{"a":"1234567","pin":"[redacted]"}`+"\n", 6), transcript.Rows(rowDetector(), body[:limit+1], limit, named))
	require.Equal(t, "é"[:0], transcript.Rows(rowDetector(), "éé"[:3], 2, named))
	require.Equal(t, strings.Repeat("é", 90), transcript.Rows(rowDetector(), strings.Repeat("é", 101)[:limit+1], limit, named))
}

var markers = regexp.MustCompile(`\[(the server's text held a secret: )?\d+ bytes( that are no text)?\]\n`)

// FuzzRows: whatever a body is and wherever it is cut, what is shown holds no secret.
func FuzzRows(f *testing.F) {
	for _, body := range []string{
		`{"a":"1","pin":2}` + "\n" + `{"a":"s3cr3t-p"}`, "no: s3c\n    r3t-\n    pass", "[\n" + `{"password":["4711"]},` + "\n]", "a\x00b\nc\xff",
		`{"a":"s3cr3` + "\n" + `t-pass"}`, "czNjcjN0\nLXBhc3M", "pin=\n{\"a\":\"b\"}", "apiKey:\n\n x", `{"a":"47` + "\n" + `11"}`,
	} {
		for _, limit := range []uint{10, 30, 1000} {
			f.Add(body, limit)
		}
	}
	d := rowDetector()
	f.Fuzz(func(t *testing.T, body string, limit uint) {
		shown := transcript.Rows(d, body, int(min(limit, 1<<20)), named)
		if bare := markers.ReplaceAllString(shown, ""); d.Holds(bare, named) {
			t.Errorf("%q shows %q", body, bare)
		}
	})
}
