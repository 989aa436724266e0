package redact_test

import (
	"errors"
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
		"nothing":             {"", ""},
		"blanks":              {" \r\n ", ""},
		"plain text":          {" extension\r\n in use ", "extension in use"},
		"a JSON string":       {`"extension \"100\" in use\n"`, `extension "100" in use`},
		"an empty string":     {`""`, ""},
		"a message":           {`{"title":"t","detail":"d","error":"e","message":"m"}`, "m"},
		"an error":            {`{"title":"t","detail":"d","error":"e"}`, "e"},
		"a detail":            {`{"title":"t","detail":"d"}`, "d"},
		"a title":             {`{"title":"t","type":"about:blank"}`, "t"},
		"an empty message":    {`{"message":"","error":"e"}`, "e"},
		"a message of null":   {`{"message":null,"error":"e"}`, "e"},
		"an error of others":  {`{"error":{"code":7},"detail":"d"}`, "d"},
		"another object":      {`{"reason":"no"}`, `{"reason":"no"}`},
		"an object of none":   {`{}`, `{}`},
		"an array":            {`["no"]`, `["no"]`},
		"a number":            {`7`, `7`},
		"half an object":      {`{"message":"no"`, `{"message":"no"`},
		"an object, and more": {`{"message":"no"} no`, `{"message":"no"} no`},
		"a page":              {"<!DOCTYPE html>\n<html><head><title>502 Bad\n Gateway</title></head></html>", "502 Bad Gateway"},
		"a page in blanks":    {"\n <title>502</title>", "502"},
		"two titles":          {"<title>one</title><title>two</title>", "one"},
		"a page without one":  {"<html><body>no</body></html>", "a page of HTML"},
		"half a title":        {"<html><title>502 Bad", "a page of HTML"},
		"text and a page":     {"no <title>502</title>", "no <title>502</title>"},
		"control characters":  {"a\x00b\x1b[31mc\u2028d\xffe", "a b [31mc d e"},
	} {
		body, message := redact.New(nil, nil, names).Body(strings.NewReader(test.body), 1000)
		require.Equal(t, test.message, message, name)
		require.Equal(t, test.body, string(body), name)
	}
}

// No secret is in the body or in the words, also not one that only taking JSON
// apart brings to light.
func TestBodyWithoutSecrets(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want, message string }{
		"plain text":            {"hunter2 is taken", "[redacted] is taken", "[redacted] is taken"},
		"a JSON string":         {`"hunter\u0032 is taken"`, `"[redacted] is taken"`, "[redacted] is taken"},
		"a message":             {`{"message":"hunter2 is taken"}`, `{"message":"[redacted] is taken"}`, "[redacted] is taken"},
		"a title":               {"<title>hunter2</title>", "<title>[redacted]</title>", "[redacted]"},
		"by name":               {`{"pin":4711,"message":"m"}`, `{"pin":"[redacted]","message":"m"}`, "m"},
		"by name, in a message": {`{"message":"{\"pin\":4711}"}`, `{"message":"{\"pin\":\"[redacted]\"}"}`, `{"pin":"[redacted]"}`},
		"by a name in escapes":  {`{"message":"{\"p\u0069n\":4711}"}`, `{"message":"{\"p\u0069n\":4711}"}`, `{"pin":"[redacted]"}`},
	} {
		body, message := redact.New([]string{"hunter2"}, nil, names).Body(strings.NewReader(test.body), 1000)
		require.Equal(t, test.want, string(body), name)
		require.Equal(t, test.message, message, name)
	}
}

// A body is read up to its limit, and no further than tells that it goes on.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size, limit, want int
	}{
		"shorter":     {5, 10, 5},
		"as long":     {10, 10, 10},
		"longer":      {11, 10, 10},
		"much longer": {1000, 10, 10},
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
	long := strings.Repeat("x", 500)
	for name, test := range map[string]struct {
		body    string
		secrets []string
		message string
	}{
		"no secrets":             {"extension in use", nil, "extension in us"},
		"nothing":                {"", nil, ""},
		"a secret, cut":          {long + "hunte", []string{"hunter2"}, "…"},
		"a secret that is whole": {"hunter2" + long, []string{"hunter2"}, "[redacted]xxx"},
	} {
		body, message := redact.New(test.secrets, nil, names).Body(io.MultiReader(strings.NewReader(test.body), reset), 1000)
		require.NotContains(t, string(body), "h", name)
		if test.message != "…" {
			require.True(t, strings.HasPrefix(message, test.message), "%s: %q", name, message)
			continue
		}
		require.Equal(t, strings.Repeat("x", len(body)), string(body), name)
		require.Less(t, len(body), len(long), name)
		require.NotEmpty(t, body, name)
	}
	// At the limit, too, it is not the end of the body that is cut.
	body, message := redact.New(nil, nil, nil).Body(io.MultiReader(strings.NewReader("12345678901"), reset), 10)
	require.Equal(t, "1234567890", string(body))
	require.Equal(t, "1234567890", message)
}
