package redact_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/redact"
)

var names = redact.Names{"password", "pin"}

// The server's words are found in whatever an error's body is.
func TestBodyMessage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, message string }{
		"nothing":               {"", ""},
		"blanks":                {" \r\n ", ""},
		"plain text":            {" extension\r\n in use ", "extension in use"},
		"a JSON string":         {`"extension \"100\" in use\n"`, `extension "100" in use`},
		"an empty string":       {`""`, ""},
		"half a string":         {`"extension \"100`, ""},
		"a string, and more":    {`"extension \"100\"" is in use`, `"extension \"100\"" is in use`},
		"a word in quotes":      {`"colour" is not a parameter`, `"colour" is not a parameter`},
		"a message":             {`{"title":"t","detail":"d","error":"e","message":"m"}`, "m"},
		"an error":              {`{"title":"t","detail":"d","error":"e"}`, "e"},
		"a detail":              {`{"title":"t","detail":"d"}`, "d"},
		"a title":               {`{"title":"t","type":"about:blank"}`, "t"},
		"an empty message":      {`{"message":"","error":"e"}`, "e"},
		"a message of null":     {`{"message":null,"error":"e"}`, "e"},
		"an error of others":    {`{"error":{"code":7},"detail":"d"}`, "d"},
		"another object":        {`{"reason":"no"}`, `{"reason":"no"}`},
		"an object of none":     {`{}`, `{}`},
		"an error within":       {`{"error":{"code":7,"message":"m"},"detail":"d"}`, "m"},
		"a number for an error": {`{"error":{"error":{"error":7}}}`, `{"error":{"error":{"error":7}}}`},
		"an error in lines":     {"{\n  \"code\": 7,\n  \"error\": {\n    \"message\": \"\\u006d\\ud83d\\ude00\"\n  }\n}\n", "m😀"},
		"an error far within":   {`{"error":{"error":{"error":{"message":"m"}}}}`, `{"error":{"error":{"error":{"message":"m"}}}}`},
		"an array":              {`["no"]`, `["no"]`},
		"a number":              {`7`, `7`},
		"half an object":        {`{"message":"no"`, `{"message":"no"`},
		"an object, and more":   {`{"message":"no"} no`, `{"message":"no"} no`},
		"a page":                {"<!DOCTYPE html>\n<html><head><title>502 Bad\n Gateway</title></head></html>", "502 Bad Gateway"},
		"a page in blanks":      {"\n <title>502</title>", "502"},
		"two titles":            {"<title>one</title><title>two</title>", "one"},
		"a page without one":    {"<html><body>no</body></html>", "a page of HTML"},
		"half a title":          {"<html><title>502 Bad", "a page of HTML"},
		"a title in capitals":   {"<HTML><HEAD><TITLE lang=\"en\">502 Bad</TITLE>", "502 Bad"},
		"a wide title":          {"<html><title\n class='x' >502</title >", "502"},
		"text and a page":       {"no <title>502</title>", "no <title>502</title>"},
		"a warning of PHP":      {"<br />\n<b>Warning</b>:  mysqli_query(): Too many connections in <b>/var/www/x.php</b> on line <b>7</b><br />\n", "Warning: mysqli_query(): Too many connections in /var/www/x.php on line 7"},
		"warnings, then rows":   {"<br />\n<b>Notice</b>:  a in <b>x</b><br />\n<br />\n<b>Warning</b>:  b<br />\n{\"userId\":\"1\"}\n{}", "Notice: a in x Warning: b"},
		"a fatal error":         {"PHP Fatal error:  Uncaught PDOException in /var/www/x.php:7\nStack trace:\n#0 {main}\n  thrown in /var/www/x.php on line 7", "PHP Fatal error: Uncaught PDOException in /var/www/x.php:7 Stack trace: #0 {main} thrown in /var/www/x.php on line 7"},
		"an error, then rows":   {"\nFatal error: no memory\n[{\"userId\":\"1\"}]", "Fatal error: no memory"},
		"a byte order mark":     {"\ufeff{\"message\":\"m\"}", "m"},
		"control characters":    {"a\x00b\x1b[31mc\u2028d\xffe", "a b [31mc d e"},
	} {
		body, message := redact.New(nil, nil, names).Body(strings.NewReader(test.body), 1000)
		require.Equal(t, test.message, message, name)
		require.Equal(t, test.body, string(body), name)
	}
}

// hidden is what replaces a text of so many bytes.
func hidden(size int) string {
	return fmt.Sprintf("[the server's text held a secret: %d bytes]", size)
}

// No secret is in the body or in the words, also not one that only taking JSON
// apart brings to light. Words without a secret are shown all the same.
func TestBodyWithoutSecrets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, message string }{
		"plain text":             {" hunter2 is taken", hidden(16)},
		"a JSON string":          {`"hunter\u0032 is taken"`, hidden(16)},
		"a message":              {`{"message":"hunter2 is taken"}`, hidden(16)},
		"a title":                {"<title>hunter2</title>", hidden(7)},
		"a page":                 {"<html>hunter2", hidden(13)},
		"in tags":                {"<br /><b>hun<i>ter2</i>", hidden(8)},
		"by name":                {`{"pin":4711,"message":"m"}`, "m"},
		"by name, in a message":  {`{"message":"{\"pin\":4711}"}`, hidden(12)},
		"by a name in escapes":   {`{"message":"{\"p\u0069n\":4711}"}`, hidden(12)},
		"beside a message":       {`{"message":"m","trace":"login('hunter2')"}`, "m"},
		"beside PHP's last word": {"Fatal error: no\n{\"password\":\"x\"}", "Fatal error: no"},
	} {
		body, message := redact.New([]string{"hunter2"}, nil, names).Body(strings.NewReader(test.body), 1000)
		require.Equal(t, hidden(len(test.body)), string(body), name)
		require.Equal(t, test.message, message, name)
	}
}

// Of an answer that should have been rows only words are a message.
func TestAnswer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":"access denied"}`: "access denied", "access denied": "access denied", "<TITLE>Log in</TITLE>": "Log in", "\nWarning: x\n{}": "Warning: x",
		`{"userId":"x"}`: "", `[{"userId":"x"}]`: "", "<html>": "", "": "", `""`: "",
	} {
		got, message := redact.New(nil, nil, names).Answer(strings.NewReader(body), 1000)
		require.Equal(t, want, message, body)
		require.Equal(t, body, string(got), body)
	}
}

// A body is read up to its limit, and no further than tells that it goes on. Where
// it goes on, a few bytes more are left out.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size, limit, want int
	}{
		"shorter":     {50, 100, 50},
		"as long":     {100, 100, 100},
		"longer":      {101, 100, 80},
		"much longer": {1000, 100, 80},
		"hardly any":  {50, 10, 0},
		"none of it":  {5, 0, 0},
		"nothing":     {0, 0, 0},
	} {
		rest := strings.NewReader(strings.Repeat("x", test.size))
		body, message := redact.New(nil, nil, nil).Body(rest, test.limit)
		require.Equal(t, strings.Repeat("x", test.want), string(body), name)
		require.Equal(t, string(body), message, name)
		require.Equal(t, max(test.size-test.limit-1, 0), rest.Len(), name)
	}
}

// A body that breaks off is as good as what came of it, unless a secret may be
// cut in two.
func TestBodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	reset := iotest.ErrReader(errors.New("reset"))
	const text = "the extension is in use: ask for another one"
	for name, test := range map[string]struct{ body, want, message string }{
		"no secret":            {text, text[:len(text)-21], text[:len(text)-21]},
		"nothing":              {"", "", ""},
		"a piece, at its end":  {text + "hunter", hidden(len(text) + 6), text[:len(text)-15]}, // the message is what is left of the text
		"a secret before":      {"hunter2" + text, hidden(len(text) + 7), hidden(len(text) - 14)},
		"its beginning":        {text + "hunte", text[:len(text)-16], text[:len(text)-16]},
		"its beginning, coded": {strings.Repeat("x", 100) + "&#x68;&#x75;&#x6e;&#x74;", strings.Repeat("x", 59), strings.Repeat("x", 59)},
	} {
		body, message := redact.New([]string{"hunter2"}, nil, names).Body(io.MultiReader(strings.NewReader(test.body), reset), 1000)
		require.Equal(t, test.want, string(body), name)
		require.Equal(t, strings.TrimSpace(test.message), message, name)
	}
}

// Wherever a body is cut, no beginning of a secret is left, however it is spelled.
func TestBodyCutInASecret(t *testing.T) {
	t.Parallel()
	d := redact.New([]string{"hunter2hunter2"}, nil, names)
	for _, spelled := range []string{
		"hunter2hunter2", "aHVudGVyMmh1bnRlcjI=", "%68%75%6e%74%65%72%32%68%75%6e%74%65%72%32", "%2568%2575%256e%2574%2565%2572%2532%2568%2575",
		`\\u0068\\u0075\\u006e\\u0074\\u0065\\u0072\\u0032`, "&#x68;&#x75;&#x6e;&#x74;&#x65;&#x72;&#x32;",
	} {
		for n := range len(spelled) {
			body, _ := d.Body(strings.NewReader(strings.Repeat("-", 200)+spelled+"more"), 200+n)
			if shown := strings.Trim(string(body), "-"); !strings.HasPrefix(shown, "[the server's text") {
				require.Empty(t, shown, "%d of %s", n, spelled)
			}
		}
	}
}
