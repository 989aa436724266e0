package attempt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/attempt"
)

func TestParseBaseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://gw.example.com":              "https://gw.example.com",
		"https://gw.example.com/":             "https://gw.example.com",
		"https://gw.example.com///":           "https://gw.example.com",
		"HTTPS://gw.example.com":              "https://gw.example.com",
		"https://gw.example.com:8443":         "https://gw.example.com:8443",
		"https://gw.example.com:1/":           "https://gw.example.com:1",
		"https://gw.example.com:65535":        "https://gw.example.com:65535",
		"https://gw.example.com/pbx":          "https://gw.example.com/pbx",
		"https://gw.example.com/pbx/eu//":     "https://gw.example.com/pbx/eu",
		"https://192.0.2.7":                   "https://192.0.2.7",
		"https://[2001:db8::1]:8443/pbx":      "https://[2001:db8::1]:8443/pbx",
		"https://localhost.example.com":       "https://localhost.example.com",
		"http://localhost":                    "http://localhost",
		"http://localhost:8080/pbx/":          "http://localhost:8080/pbx",
		"http://127.0.0.1":                    "http://127.0.0.1",
		"http://127.0.0.1:80":                 "http://127.0.0.1:80",
		"http://127.255.0.9:8080":             "http://127.255.0.9:8080",
		"http://[::1]":                        "http://[::1]",
		"http://[::1]:8080/":                  "http://[::1]:8080",
		"http://[0:0:0:0:0:0:0:1]":            "http://[0:0:0:0:0:0:0:1]",
		"https://user.example.com/not@a-user": "https://user.example.com/not@a-user",
	} {
		for _, insecure := range []bool{false, true} {
			base, problem := attempt.ParseBaseURL(raw, insecure)
			require.Empty(t, problem, raw)
			require.Equal(t, want, base.String(), raw)
		}
	}
}

// The problem is told, and nothing of the URL.
func TestParseBaseURLRefuses(t *testing.T) {
	t.Parallel()
	const (
		noURL    = "not a URL"
		scheme   = "the scheme must be https"
		noHost   = "no host"
		escapes  = "the path must not hold escapes"
		more     = "must hold no user name, password, query or fragment"
		noPort   = "not a port"
		insecure = "plain http to a host that is not loopback: use https, or WithInsecureHTTP"
	)
	for raw, want := range map[string]string{
		"": "empty",

		" https://hunter2.example":     noURL,
		"https://hunter2.example ":     noURL,
		"https://hunter2.example/a b":  noURL,
		"https://hunter2.example\n":    noURL,
		"https://hunter2.example/\x00": noURL,
		"https://hunter2.example/\x7f": noURL,
		"https://hunter2.example/\t":   noURL,
		"https://hunter2.example:port": noURL,
		"https://hunter2.example:-1":   noURL,
		"https://hunter2.example/%zz":  noURL,
		"https://[::1":                 noURL,
		"https://hunter2 .example":     noURL,
		"https://u:hunter2%zz@gw":      noURL,
		"://hunter2.example":           noURL,

		"hunter2.example":          scheme,
		"hunter2.example/pbx":      scheme,
		"//hunter2.example":        scheme,
		"/hunter2":                 scheme,
		"ftp://hunter2.example":    scheme,
		"httpss://hunter2.example": scheme,
		"file:///hunter2":          scheme,

		"https:":                noHost,
		"https://":              noHost,
		"https:///hunter2":      noHost,
		"https:hunter2.example": noHost,
		"https://:8443":         noHost,
		"http://:8080":          noHost,

		"https://gw.example.com/hunter2%2f": escapes,
		"https://gw.example.com/a%2Fb":      escapes,

		"https://hunter2@gw.example.com":       more,
		"https://user:hunter2@gw.example.com":  more,
		"https://@gw.example.com":              more,
		"https://gw.example.com?key=hunter2":   more,
		"https://gw.example.com/?":             more,
		"https://gw.example.com/pbx?":          more,
		"https://gw.example.com/#hunter2":      more,
		"https://gw.example.com/#":             more,
		"http://hunter2@localhost":             more,
		"http://user:hunter2@gw.example.com:0": more,

		"https://gw.example.com:":      noPort,
		"https://gw.example.com:/pbx":  noPort,
		"https://gw.example.com:0":     noPort,
		"https://gw.example.com:65536": noPort,
		"https://gw.example.com:99999": noPort,
		"https://[::1]:":               noPort,
		"http://localhost:0":           noPort,
	} {
		for _, allowed := range []bool{false, true} {
			base, problem := attempt.ParseBaseURL(raw, allowed)
			require.Nil(t, base, raw)
			require.Equal(t, want, problem, "%q", raw)
		}
	}

	// Plain http is for hosts that are this machine, or if it is asked for.
	for _, raw := range []string{
		"http://gw.example.com", "http://localhost.example.com", "http://localhost.", "http://notlocalhost", "http://127.0.0.1.example.com",
		"http://192.0.2.7", "http://0.0.0.0", "http://[::]", "http://[2001:db8::1]:8080", "http://127.1", "http://2130706433", "http://10.127.0.1",
	} {
		base, problem := attempt.ParseBaseURL(raw, false)
		require.Nil(t, base, raw)
		require.Equal(t, insecure, problem, raw)
		base, problem = attempt.ParseBaseURL(raw, true)
		require.Empty(t, problem, raw)
		require.Equal(t, raw, base.String())
	}
}

func TestCheckPath(t *testing.T) {
	t.Parallel()
	const (
		slash   = "must begin with a slash, as a page of the API writes it"
		alone   = `must be a path alone, without escapes: no ?, #, % or \, and nothing that does not print`
		segment = `must have no empty segment, and neither "." nor ".."`
	)
	for path, want := range map[string]string{
		"/users": "", "/config/v2/sip/domains/1/users": "", "/a..b/...": "", "/.a": "", "/é": "", "/\ufffd": "",

		"": slash, "users": slash, "users/1": slash, "./users": slash, "https://gw.example.com/users": slash,

		"/users?key=hunter2": alone, "/users#hunter2": alone, "/a%2fb": alone, `/a\b`: alone, "/a\nb": alone, "/a\u00a0b": alone, "/a\xffb": alone,

		"/": segment, "//": segment, "//gw.example.com": segment, "/users//1": segment, "/users/": segment,
		"/.": segment, "/./users": segment, "/..": segment, "/users/../hunter2": segment,
	} {
		require.Equal(t, want, attempt.CheckPath(path), "%q", path)
	}
}
