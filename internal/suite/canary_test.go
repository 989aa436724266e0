package suite_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// said is everything that can be made of values: printed with every verb,
// marshalled, logged, and of an error all that is behind it.
func said(values ...any) string {
	var out bytes.Buffer
	for _, value := range values {
		if text, ok := value.(string); ok {
			out.WriteString(text + "\n") // shows all that can be made of it
			continue
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		marshalled, _ := json.Marshal(value)
		out.Write(marshalled)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "value", value)
		err, ok := value.(error)
		if !ok {
			continue
		}
		if failed, ok := errors.AsType[*infinitysip.Error](err); ok {
			fmt.Fprintf(&out, "%s %s", failed.Message, failed.Body)
		}
		switch behind := err.(type) {
		case interface{ Unwrap() error }:
			if err := behind.Unwrap(); err != nil {
				out.WriteString(said(err))
			}
		case interface{ Unwrap() []error }:
			for _, err := range behind.Unwrap() {
				out.WriteString(said(err))
			}
		}
	}
	return out.String()
}

// escape finds a character that is written as its code.
var escape = regexp.MustCompile(`%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\x[0-9a-f]{2}`)

// escaped are how an escape of a letter or a digit begins. To look for them first
// saves most of the work.
var escaped = []string{"%3", "%6", `\u003`, `\u006`, `\x3`, `\x6`, "&#"}

// spellings are the canaries, also half of one, as they are, in hexadecimal and as
// the numbers of their octets.
var spellings = sync.OnceValue(func() (all []string) {
	for _, canary := range []string{"canary-pass", "p902107", "canary-key", "canary-hub", "canary-token", strings.ToLower(canaryBasic)} {
		octets := []byte(canary)
		all = append(all, canary, fmt.Sprintf("%x", octets), strings.Trim(fmt.Sprintf("%d", octets), "[]"),
			strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", octets), "[]byte{"), "}"))
	}
	return all
})

// secretsIn finds the canaries in text, in any case, and in the encodings that
// text, JSON, Go, HTML, a URL and Basic have.
func secretsIn(text string) (found []string) {
	text = strings.ToLower(text)
	plain := text
	if slices.ContainsFunc(escaped, func(begin string) bool { return strings.Contains(text, begin) }) {
		plain += html.UnescapeString(text) + escape.ReplaceAllStringFunc(text, func(escape string) string {
			code, _ := strconv.ParseUint(strings.TrimLeft(escape, `%\ux`), 16, 32)
			return string(rune(code))
		})
	}
	for _, spelling := range spellings() {
		if strings.Contains(plain, spelling) {
			found = append(found, spelling)
		}
	}
	return found
}

// requireNoSecret checks that nothing shows a secret, whatever is made of it.
func requireNoSecret(t *testing.T, name string, values ...any) {
	t.Helper()
	require.Empty(t, secretsIn(said(values...)), name)
}

// canaryFault is a way to fail, and to show what the client sent.
type canaryFault struct {
	effect    func(siptest.Fault) siptest.Fault
	transport http.RoundTripper // in place of effect: what carries the calls is at fault
}

const canaryBody = 1 << 10 // bytes that are read of an error's body

// echoed are the ways to write what was sent in an answer.
var echoed = map[string]func(string) string{
	"as it is":    func(s string) string { return s },
	"in a URL":    url.QueryEscape,
	"in a path":   url.PathEscape,
	"in HTML":     html.EscapeString,
	"in Go":       strconv.Quote,
	"in ASCII Go": strconv.QuoteToASCII,
	"in JSON":     inJSON,
	"in PHP's JSON": func(s string) string {
		return strings.ReplaceAll(strings.Trim(strconv.QuoteToASCII(s), `"`), "/", `\/`)
	},
	"in a message": func(s string) string { return `{"message":` + inJSON("no: "+s) + `}` },
	"in a title":   func(s string) string { return "<html><title>" + html.EscapeString(s) + "</title>" },
	"in entities":  func(s string) string { return everyRune(s, "&#x%x;") },
	"in escapes":   func(s string) string { return `"` + everyRune(s, `\u%04x`) + `"` },
	"in octets": func(s string) string {
		var b strings.Builder
		for _, octet := range []byte(s) {
			fmt.Fprintf(&b, "%%%02X", octet)
		}
		return b.String()
	},
	"behind a lot": func(s string) string { return strings.Repeat("x", canaryBody-20) + s },
}

func inJSON(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

func everyRune(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, format, r)
	}
	return b.String()
}

// login is what a client authenticates with.
type login struct {
	credentials           infinitysip.Credentials
	secret, authorization string
}

func logins() map[string]login {
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(canaryUser, canaryHub)
	return map[string]login{
		"key":   {infinitysip.APIKey(canaryKey), canaryKey, "ApiKey " + canaryKey},
		"basic": {infinitysip.BasicAuth(canaryUser, canaryHub), canaryHub, basic.Header.Get("Authorization")},
	}
}

// echo answers with all that the request held.
func echo(srv *siptest.Server, as login, written func(string) string) func([]byte) []byte {
	return func([]byte) []byte {
		requests := srv.Requests()
		sent := requests[len(requests)-1].Form
		lines := []string{as.secret, as.authorization}
		for name, values := range sent {
			lines = append(lines, name+"="+strings.Join(values, ","))
		}
		var body strings.Builder
		for _, line := range lines {
			body.WriteString(written(line) + "\n")
		}
		return []byte(body.String())
	}
}

// canaryFaults are all the words of siptest, on a server, and what else may
// show a secret.
func canaryFaults(srv *siptest.Server, as login) map[string]canaryFault {
	word := func(effect func(siptest.Fault) siptest.Fault) canaryFault { return canaryFault{effect: effect} }
	status := func(code int, written string) canaryFault {
		return word(func(f siptest.Fault) siptest.Fault {
			return f.Status(code).Rewrite(echo(srv, as, echoed[written])).
				Header("Location", "https://evil.example/?key="+url.QueryEscape(as.secret)).
				Header("X-Request-Id", "for "+as.authorization+" of "+as.secret).
				Header("Retry-After", "1")
		})
	}
	row := func(text string) canaryFault {
		return word(func(f siptest.Fault) siptest.Fault { return f.Body(text) })
	}
	raw := func(text string) canaryFault {
		return word(func(f siptest.Fault) siptest.Fault { return f.CommitThenRaw(text) })
	}
	device := `{"pbxDeviceId":"7","userId":"12","pbxDeviceToken":"` + canaryToken + `"}`
	faults := map[string]canaryFault{
		"none":                   word(func(f siptest.Fault) siptest.Fault { return f.Header("X-Fault", "none") }),
		"Drop":                   word(siptest.Fault.Drop),
		"CommitThenDrop":         word(siptest.Fault.CommitThenDrop),
		"Reset":                  word(siptest.Fault.Reset),
		"CommitThenReset":        word(siptest.Fault.CommitThenReset),
		"ResetStream":            word(siptest.Fault.ResetStream),
		"CommitThenResetStream":  word(siptest.Fault.CommitThenResetStream),
		"GoAway":                 word(siptest.Fault.GoAway),
		"CommitThenGoAway":       word(siptest.Fault.CommitThenGoAway),
		"Hang":                   word(siptest.Fault.Hang),
		"CommitThenHang":         word(siptest.Fault.CommitThenHang),
		"HangThenCommit":         word(func(f siptest.Fault) siptest.Fault { return f.HangThenCommit(5 * time.Second) }),
		"Latency":                word(func(f siptest.Fault) siptest.Fault { return f.Latency(time.Hour) }),
		"StripBody":              word(siptest.Fault.StripBody),
		"CommitThenStatus":       word(func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(502).Rewrite(echo(srv, as, inJSON)) }),
		"Truncate":               word(func(f siptest.Fault) siptest.Fault { return f.Truncate(60) }),
		"Truncate in the secret": word(func(f siptest.Fault) siptest.Fault { return f.Body(device).Truncate(len(device) - 9) }),
		"Truncate of an error": word(func(f siptest.Fault) siptest.Fault {
			return f.Status(409).Rewrite(echo(srv, as, url.QueryEscape)).Truncate(70)
		}),
		"TruncateRows":             word(func(f siptest.Fault) siptest.Fault { return f.TruncateRows(1) }),
		"Endless":                  word(func(f siptest.Fault) siptest.Fault { return f.Endless().SlowBody(1<<10, time.Second) }),
		"SlowHeaders":              word(func(f siptest.Fault) siptest.Fault { return f.SlowHeaders(time.Hour) }),
		"SlowBody":                 word(func(f siptest.Fault) siptest.Fault { return f.SlowBody(9, 10*time.Second) }),
		"Framing":                  word(func(f siptest.Fault) siptest.Fault { return f.Framing(siptest.FramingClose).Truncate(60) }),
		"nothing in the answer":    word(func(f siptest.Fault) siptest.Fault { return f.Rewrite(func([]byte) []byte { return nil }) }),
		"a row with a token":       row(device),
		"an id that is a key":      row(`{"userId":` + inJSON(as.secret) + `}`),
		"a password in a row":      row(`{"userId":"12","password":{"a":"` + canaryPIN + `"},"pin":["` + canaryPIN + `"]}`),
		"a secret nobody claims":   row(`{"userId":"12","groupId":"21","queueId":"41","domainId":"1","pbxDeviceId":"7","PIN":"` + canaryPIN + `","Password":"` + canaryPIN + `"}`),
		"a wrong row with a token": row(`{"pbxDeviceId":"x","pbxDeviceToken":"` + canaryToken + `"}`),
		"no JSON":                  word(func(f siptest.Fault) siptest.Fault { return f.Rewrite(echo(srv, as, echoed["as it is"])) }),
		"JSON of a secret":         row(inJSON(as.secret)),
		"Raw":                      raw(as.authorization + "\r\n\r\n"),
		"Raw, a header":            raw("HTTP/1.1 409 " + as.authorization + "\r\n" + as.authorization + "\r\n\r\n"),
		"Raw, a bad length":        raw("HTTP/1.1 200 OK\r\nContent-Length: " + as.secret + "\r\n\r\n"),
		"Raw, a bad encoding":      raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + as.secret + "\r\n\r\n"),
		"Raw, a bad chunk":         raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + as.secret + "\r\n"),
		"an answer turned into 203": word(func(f siptest.Fault) siptest.Fault {
			return f.CommitThenStatus(203).Body(device + "\n" + `{"userId":"12","password":"` + canaryPIN + `"}`)
		}),
		"a transport whose error shows the request": {transport: transportFunc(func(req *http.Request) (*http.Response, error) {
			body := bodyOf(req)
			return nil, fmt.Errorf("cannot send %v %s", req.Header, body)
		})},
		"a transport whose error holds the request": {transport: transportFunc(func(req *http.Request) (*http.Response, error) {
			body := bodyOf(req)
			return nil, requestError{fmt.Sprint(req.Header, body)}
		})},
		"a transport whose error leads to the request": {transport: transportFunc(func(req *http.Request) (*http.Response, error) {
			body := bodyOf(req)
			return nil, fmt.Errorf("cannot send: %w", &requestError{fmt.Sprint(req.Header, body)})
		})},
		"a transport that panics": {transport: transportFunc(func(req *http.Request) (*http.Response, error) {
			panic(fmt.Sprint(req.Header))
		})},
	}
	for written := range echoed {
		faults["409, with all that was sent "+written] = status(409, written)
	}
	for _, code := range []int{200, 201, 202, 203, 204, 206, 301, 307, 400, 401, 403, 404, 408, 410, 429, 500, 501, 502, 503, 504, 520, 999} {
		faults[fmt.Sprintf("%d, with all that was sent in Go", code)] = status(code, "in Go")
	}
	return faults
}

// bodyOf is the body of a request.
func bodyOf(req *http.Request) string {
	if req.Body == nil {
		return ""
	}
	body, _ := io.ReadAll(req.Body)
	return string(body)
}

// TestCanary makes all calls under all faults, with secrets that are easy to
// find, and searches all that the package says: its errors in every form, its
// log, and what the process prints. With a key, every request of a call meets
// the fault, with a password only the first.
func TestCanary(t *testing.T) { // not parallel: it takes what the process prints
	slow(t)
	printed := takePrinted(t)
	calls := slices.Concat(methods(), rawMethods())
	slices.SortFunc(calls, func(a, b method) int { // what deletes comes last
		return cmp.Or(cmp.Compare(strings.Count(a.name, ".Delete"), strings.Count(b.name, ".Delete")), cmp.Compare(a.name, b.name))
	})

	t.Run("faults", func(t *testing.T) {
		for i, name := range slices.Sorted(maps.Keys(canaryFaults(nil, login{}))) {
			for with, as := range logins() {
				if raceDetector && (i%2 == 0) == (with == "key") {
					continue // it makes this slow, and half of it races as well
				}
				t.Run(name+", "+with, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						srv := canaryServer(t, siptest.Options{EchoSecrets: true, Username: canaryUser, Password: canaryHub, APIKey: canaryKey})
						fault := canaryFaults(srv, as)[name]
						var log bytes.Buffer
						var debug records
						client := canaryClient(t, srv, as.credentials, fault.transport, &log, &debug)
						if fault.effect != nil && with == "key" {
							srv.Fail(fault.effect(siptest.On("*")))
						}
						for _, call := range calls {
							srv.ResetRequests()
							if fault.effect != nil && with == "basic" && call.op != "" {
								srv.Fail(fault.effect(siptest.On(call.op).Times(1)))
							}
							ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
							err := call.do(ctx, client)
							cancel()
							counted.canaryCalls.Add(1)
							requireQuiet(t, call.name, said(err)+log.String())
							log.Reset()
							records := debug.take()
							require.True(t, strings.Contains(records, "--> #") || errors.Is(err, infinitysip.ErrRateLimited), call.name)
							requireQuiet(t, call.name+" in the debug log", records)
							if err != nil {
								require.NotContains(t, err.Error(), "%!", call.name)
							}
						}
					})
				})
			}
		}
	})
	requireQuiet(t, "printed", printed())
}

// requireQuiet counts the secrets in a text, and wants none.
func requireQuiet(t *testing.T, name, text string) {
	t.Helper()
	found := secretsIn(text)
	counted.leaks.Add(int64(len(found)))
	if len(found) > 0 {
		t.Errorf("%s shows %q", name, found)
	}
}

// canaryServer has the user and the device that the table of the calls
// names.
func canaryServer(t *testing.T, o siptest.Options) *siptest.Server {
	srv := siptest.New(t, o)
	client := srv.InProcessClient()
	srv.AddDomain(infinitysip.Domain{ID: domainID, DisplayName: "Acme"})
	for i := range deviceID {
		_, err := client.Devices.Create(t.Context(), domainID, infinitysip.DeviceCreateParams{Name: "x", MACAddress: fmt.Sprintf("00:00:00:00:00:%02x", i)})
		require.NoError(t, err)
	}
	for i := range userID {
		params := newUser()
		params.User, params.ExtensionNumber = fmt.Sprint("user", i), fmt.Sprint(1000+i)
		_, err := client.Users.Create(t.Context(), domainID, params)
		require.NoError(t, err)
	}
	return srv
}

// canaryClient logs everything, in both forms that slog has, and in the debug log.
func canaryClient(t *testing.T, srv *siptest.Server, credentials infinitysip.Credentials, transport http.RoundTripper, log, debug io.Writer) *infinitysip.Client {
	if transport == nil {
		transport = srv.Transport()
	}
	level := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	client, err := infinitysip.NewClient(credentials,
		infinitysip.WithHTTPClient(&http.Client{Transport: transport}),
		infinitysip.WithLogger(slog.New(slog.NewMultiHandler(slog.NewTextHandler(log, level), slog.NewJSONHandler(log, level)))),
		infinitysip.WithDebugLog(debug),
		infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: canaryBody}),
		infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{Quota: 1_000_000, VerifyWaits: []time.Duration{0, time.Second}}))
	require.NoError(t, err)
	return client
}

// takePrinted takes what the process prints, until the function that it
// returns is called, which returns it.
func takePrinted(t *testing.T) func() string {
	file, err := os.Create(filepath.Join(t.TempDir(), "printed"))
	require.NoError(t, err)
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = file, file
	log.SetOutput(file)
	restore := sync.OnceFunc(func() {
		os.Stdout, os.Stderr = stdout, stderr
		log.SetOutput(stderr)
		require.NoError(t, file.Close())
	})
	t.Cleanup(restore)
	return func() string {
		restore()
		text, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		return string(text)
	}
}

// Rows and parameters with secrets in them do not show them either.
func TestCanaryInRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := canaryServer(t, siptest.Options{EchoSecrets: true, APIKey: canaryKey, CreateBody: siptest.CreateBodyRow})
		withToken := func(body []byte) []byte {
			body = bytes.ReplaceAll(body, []byte(`"pbxDeviceToken"`), []byte(`"other"`))
			return bytes.ReplaceAll(body, []byte(`{"`), []byte(`{"pbxDeviceToken":"`+canaryToken+`","Pin":"`+canaryPIN+`","`))
		}
		srv.Fail(siptest.On("*").Rewrite(withToken))
		var debug records
		client := srv.InProcessClient(infinitysip.WithDebugLog(&debug))
		token, err := client.Users.AddDevice(t.Context(), domainID, userID, deviceID)
		require.NoError(t, err)
		require.Equal(t, canaryToken, token.Token.Reveal())
		requireNoSecret(t, "AddDevice", token, *token)
		users, err := client.Users.List(t.Context(), domainID)
		require.NoError(t, err)
		require.Equal(t, canaryPassword, users[0].Password.Reveal())
		requireNoSecret(t, "Users.List", users, users[0], &users[0], users[0].Extra)
		user, err := client.Users.Get(t.Context(), domainID, userID)
		require.NoError(t, err)
		requireNoSecret(t, "Users.Get", user, *user)
		given, err := client.Users.GetDevice(t.Context(), domainID, userID, deviceID)
		require.NoError(t, err)
		require.Equal(t, canaryToken, given.Token.Reveal())
		requireNoSecret(t, "Users.GetDevice", given, *given)
		devices, err := client.Devices.List(t.Context(), domainID, nil)
		require.NoError(t, err)
		require.Contains(t, devices[0].Extra, "pbxDeviceToken")
		requireNoSecret(t, "Devices.List", devices, devices[0])
		written := debug.take()
		requireNoSecret(t, "the debug log", written)
		for _, shown := range []string{`"pbxDeviceToken":"[redacted]"`, `"Pin":"[redacted]"`, `"password":"[redacted]"`, `"extensionNumber":"1000"`} {
			require.Contains(t, written, shown)
		}
		requireNoSecret(t, "params", newUser(), infinitysip.UserUpdateParams{Password: new(infinitysip.NewSecret(canaryPassword)), PIN: new(infinitysip.NewSecret(canaryPIN))})
		requireNoSecret(t, "credentials", infinitysip.APIKey(canaryKey), infinitysip.BasicAuth(canaryUser, canaryHub))
	})
}
