package suite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestAClientDoesNotPrintItsCredentials(t *testing.T) {
	t.Parallel()
	client := stubClient(t, always(200, ""))
	requireNoSecret(t, "client", client, *client)
}

func TestSecretsDoNotPrint(t *testing.T) {
	t.Parallel()
	params := newUser()
	user := infinitysip.User{ID: 1, Password: params.Password, PIN: params.PIN}
	token := infinitysip.UserDeviceToken{DeviceID: 1, Token: params.Password}
	client := stubClient(t, always(200, ""))
	for name, value := range map[string]any{
		"secret": params.Password, "pointer": &params.Password, "params": params, "row": user, "rows": []infinitysip.User{user},
		"token": &token, "private": struct{ s infinitysip.Secret }{params.Password}, "map": map[string]any{"x": params.PIN},
		"update":      infinitysip.UserUpdateParams{Password: &params.Password},
		"credentials": infinitysip.BasicAuth("joe", canaryPassword), "key": infinitysip.APIKey(canaryKey),
	} {
		requireNoSecret(t, name, value)
	}
	require.NotContains(t, fmt.Sprint(client.Users), canaryPassword)

	out, err := json.Marshal(user)
	require.NoError(t, err)
	require.Contains(t, string(out), `"password":"[redacted]"`)
	out, err = json.Marshal(infinitysip.User{ID: 1})
	require.NoError(t, err)
	require.NotContains(t, string(out), "password")

	require.True(t, params.Password.Equal(infinitysip.NewSecret(canaryPassword)))
	require.False(t, params.Password.Equal(params.PIN))
	require.True(t, infinitysip.Secret{}.IsZero())
	require.Equal(t, canaryPassword, params.Password.Reveal())
}

// Nor does a printer show it that walks what no method shields.
func TestSecretsInPrintersOfMemory(t *testing.T) {
	t.Parallel()
	var printed recorder
	require.False(t, assert.Equal(&printed, infinitysip.User{ID: 1, Password: infinitysip.NewSecret(canaryPassword)}, infinitysip.User{ID: 2, Password: infinitysip.NewSecret(canaryPIN)}))
	require.False(t, assert.Contains(&printed, map[string]infinitysip.Secret{"x": infinitysip.NewSecret(canaryPassword)}, "y"))
	require.False(t, assert.Empty(&printed, []any{infinitysip.NewSecret(canaryPassword), newUser(), infinitysip.APIKey(canaryKey)}))
	require.Contains(t, string(printed), "Diff:")
	requireNoSecret(t, "testify", string(printed))
	// go-spew takes a struct in an interface that is one pointer for a pointer to
	// the struct, calls its methods with that, and crashes.
	require.Greater(t, reflect.TypeFor[infinitysip.Secret]().Size(), unsafe.Sizeof(uintptr(0)))
}

// recorder keeps what testify says.
type recorder string

func (r *recorder) Errorf(format string, args ...any) { *r += recorder(fmt.Sprintf(format, args...)) }

func TestErrorsTellWhatAndHoldNoSecret(t *testing.T) {
	t.Parallel()
	quoted, _ := json.Marshal(canaryPassword)
	php := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&", "/", `\/`, "ö", `\u00f6`).Replace(string(quoted))
	for name, test := range map[string]struct{ body, want string }{
		"text":           {"extension in use", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: extension in use"},
		"JSON string":    {`"extension in use"`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: extension in use"},
		"JSON object":    {`{"code":7,"message":"extension in use"}`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: extension in use"},
		"HTML":           {"<html><head><title>409 Conflict</title></head><body>x</body></html>", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: 409 Conflict"},
		"nothing":        {"", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict"},
		"raw":            {"bad password " + canaryPassword, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: [the server's text held a secret: 38 bytes]"},
		"Go JSON":        {`{"error":` + string(quoted) + `}`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: [the server's text held a secret: 25 bytes]"},
		"PHP JSON":       {`{"error":` + php + `}`, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: [the server's text held a secret: 25 bytes]"},
		"form":           {"pin=" + canaryPIN + "&password=" + url.QueryEscape(canaryPassword), "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: [the server's text held a secret: 68 bytes]"},
		"the credential": {"no such key: " + canaryKey, "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: [the server's text held a secret: 31 bytes]"},
		"binary":         {"a\x00b\x1b[31mc\xff\r\nd", "infinitysip: Users.Create: POST /config/v2/sip/domains/1/users: 409 Conflict: a b [31mc d"},
	} {
		_, err := stubClient(t, always(409, test.body)).Users.Create(t.Context(), 1, newUser())
		require.EqualError(t, err, test.want, name)
		failed, _ := errors.AsType[*infinitysip.Error](err)
		requireNoSecret(t, name, failed, string(failed.Body))
	}
}

func TestTransportErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("malformed answer %q to %s", "password="+canaryPassword, req.Header.Get("Authorization"))
	}}
	_, err := stubClient(t, s, atOnce()).Users.Create(t.Context(), 1, newUser())
	requireNoSecret(t, "create", err)
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		requireNoSecret(t, "cause", cause)
	}
}

// A transport's error may hold the request, headers and all, and not show it.
func TestAnErrorOfATransportShowsItsTextAlone(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"a value":          requestError{"ApiKey " + canaryKey},
		"a pointer":        &requestError{"ApiKey " + canaryKey},
		"a pointer behind": fmt.Errorf("no: %w", &requestError{"ApiKey " + canaryKey}),
	} {
		s := &stub{respond: func(int, *http.Request) (*http.Response, error) { return nil, err }}
		_, err := stubClient(t, s, atOnce()).Users.Get(t.Context(), 1, 2)
		require.ErrorContains(t, err, "cannot send", name)
		for behind := err; behind != nil; behind = errors.Unwrap(behind) {
			requireNoSecret(t, name, behind)
		}
		require.ErrorIs(t, err, io.EOF, name)
		refused, ok := errors.AsType[net.Error](err)
		require.True(t, ok && refused.Timeout(), "who asks for it gets it")
	}
}

// requestError holds what its text does not show.
type requestError struct{ Authorization string }

func (requestError) Error() string { return "cannot send" }

func (requestError) Timeout() bool { return true }

func (requestError) Temporary() bool { return false }

func (requestError) Is(target error) bool {
	return target == io.EOF
}

func TestSecretsInEverySpelling(t *testing.T) {
	t.Parallel()
	params := newUser()
	params.Password = infinitysip.NewSecret(` s3cr3t'pa"ss<é/ `)
	for _, body := range []string{
		`s3cr3t&#039;pa&quot;ss&lt;é/`, `s3cr3t\u0027pa\u0022ss\u003C\u00e9\/`, `s3cr3t'pa\"ss\u003C\u00E9\/`, `s3cr3t'pa\"ss\u003c\u00e9\/`, `s3cr3t'pa"ss<é/`,
		`s3cr3t'pa\\\"ss\\u003c\\u00e9\\/`, `s3cr3t\x27pa\x22ss\x3C\xC3\xA9/`,
		`%2Bs3cr3t%2527pa%2522ss%253C%25C3%25A9%252F%2B`, `+s3cr3t%27pa%22ss%3C%C3%A9%2F+`, `+s3cr3t%27pa%22ss%3c%c3%a9%2f+`, `s3cr3t&#39;pa&#34;ss&lt;é/`,
		`s3cr3t&apos;pa&quot;ss&lt;&eacute;&sol;`, "s3cr3t'pa\"ss<\xe9/",
	} {
		_, err := stubClient(t, always(409, "no: "+body+".")).Users.Create(t.Context(), 1, params)
		failed, ok := errors.AsType[*infinitysip.Error](err)
		require.True(t, ok)
		require.NotContains(t, string(failed.Body), "s3cr3t", body)
		require.NotContains(t, err.Error(), "s3cr3t", body)
	}
}

// What a secret header says openly is no secret: the names of cookies, and the scheme
// of a credential.
func TestLabelsAreNoSecrets(t *testing.T) {
	t.Parallel()
	for text, test := range map[string]struct {
		header, value string
		shown         bool
	}{
		"Your session has expired":  {"Cookie", "session=s3cr3ts3cr3t; lang=en", true},
		"unknown language":          {"Cookie", "session=s3cr3ts3cr3t; lang=en", true},
		"a Bearer token is needed":  {"X-Auth", "Bearer s3cr3ts3cr3t", true},
		"session s3cr3t":            {"Cookie", "session=s3cr3ts3cr3t; lang=en", false},
		"the s3cr3t is none":        {"Cookie", "s3cr3ts3cr3t", false},
		"the s3cr3t is none of us":  {"X-Auth", "Bearer s3cr3ts3cr3t", false},
		"the key s3cr3t is unknown": {"X-Api-Key", "s3cr3t=s3cr3t", false},
	} {
		_, err := stubClient(t, always(400, text)).Users.Get(t.Context(), 1, 2, infinitysip.CallHeader(test.header, test.value))
		require.Equal(t, test.shown, strings.Contains(err.Error(), text), "%s: %v", text, err)
	}
}

// An error body that breaks off may end within a secret.
func TestASecretThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
		resp := answer(409, "")
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("no: "+canaryPassword[:len(canaryPassword)-3]), iotest.ErrReader(io.ErrUnexpectedEOF)))
		return resp, nil
	}}
	_, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.ErrorIs(t, err, infinitysip.ErrConflict)
	require.NotContains(t, string(failed.Body), "canary")
	require.NotContains(t, err.Error(), "canary")
}

// What the server gives, such as a device's token, is not in what the call
// sent. In the body of an error it is known by its name.
func TestSecretsByTheirName(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"pbxDeviceId":"3","pbxDeviceToken":"432e1","userId":"2"}`, `{"Password" : "a\"432e1", "PIN":432e1}`, `{"pin":["432e1","432e1"]}`,
		`{"pin":{"a":["}"],"b":"432e1"},"c":1}`, `{"pbxDeviceToken":"432e1`, `{"x":"{\"pin\":\"a\\\"432e1\\\\\",\"y\":1}"}`,
		`{"x":"{\"pin\":[\"432e1]\"],\"y\":1}"}`, "Array\n(\n    [pbxDeviceToken] => 432e1\n)", "pbxDeviceId=3&pbxDeviceToken=432e1",
		"UPDATE devices SET pbxDeviceToken = '432e1'", "<device><pbxDeviceToken>432e1</pbxDeviceToken></device>",
	} {
		_, err := stubClient(t, always(403, body)).Users.AddDevice(t.Context(), 1, 2, 3)
		failed, ok := errors.AsType[*infinitysip.Error](err)
		require.True(t, ok)
		want := fmt.Sprintf("[the server's text held a secret: %d bytes]", len(body))
		require.Equal(t, want, string(failed.Body))
		require.Equal(t, want, failed.Message)
	}
	const sentence = `{"error":"invalid","errors":{"password":["must not be empty"]},"pin":null}`
	_, err := stubClient(t, always(403, sentence)).Users.AddDevice(t.Context(), 1, 2, 3)
	honest, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.Equal(t, sentence, string(honest.Body))
	// Also where the call sent a secret that is that name.
	params := newUser()
	params.Password = infinitysip.NewSecret("password")
	_, err = stubClient(t, always(403, `{"password":"432e1"}`)).Users.Create(t.Context(), 1, params)
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.NotContains(t, string(failed.Body), "432e1")
}

// A secret that no field decodes does not print either.
func TestSecretsInExtra(t *testing.T) {
	t.Parallel()
	s := always(200, `{"userId":"1","groupId":"2","password":"`+canaryPIN+`","Pin":"`+canaryPIN+`","locale":"en",`+
		`"devices":[{"pbxDeviceId":"3","pbxDeviceToken":"`+canaryPIN+`"}],"phone":{"a":[{"pin" : "`+canaryPIN+`"}]}}`)
	users, err := stubClient(t, s).Groups.ListUsers(t.Context(), 1, 2)
	require.NoError(t, err)
	require.JSONEq(t, `"en"`, string(users[0].Extra["locale"]))
	require.Contains(t, users[0].Extra, "password")
	requireNoSecret(t, "row", users[0], string(users[0].Extra["password"]), string(users[0].Extra["Pin"]), string(users[0].Extra["devices"]), string(users[0].Extra["phone"]))
	require.JSONEq(t, `[{"pbxDeviceId":"3","pbxDeviceToken":"[redacted]"}]`, string(users[0].Extra["devices"]))
	// A text that holds the name of a secret is not a secret.
	const texts = `["\"pin\": [1","b",{"note":"my \"pin\": 5"}]`
	users, err = stubClient(t, always(200, `{"userId":"1","groupId":"2","x":`+texts+`}`)).Groups.ListUsers(t.Context(), 1, 2)
	require.NoError(t, err)
	require.Equal(t, texts, string(users[0].Extra["x"]))
}

// Hostile text and secrets that look like it, and long filters, are still searched
// well within a call's time.
func TestHostileText(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"&", "%", "%25", `\`, `\u005c`, "&amp;", "+", "a", "<", "pin ", `"pin":"`} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // of a slow machine
		client := stubClient(t, always(409, strings.Repeat(piece, 16<<10)), atOnce())
		params := newUser()
		params.Password, params.PIN = infinitysip.NewSecret(strings.Repeat("&%", 60)), infinitysip.NewSecret(strings.Repeat(piece, 100))
		_, err := client.Users.Create(ctx, 1, params)
		require.ErrorIs(t, err, infinitysip.ErrConflict)
		require.ErrorContains(t, err, "409 Conflict: [the server's text held a secret: ", piece)
		_, err = client.Devices.List(ctx, 1, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(infinitysip.DeviceFields.User.Eq(strings.Repeat("%&", 4000)))})
		require.ErrorIs(t, err, infinitysip.ErrConflict)
		require.NoError(t, ctx.Err(), piece)
		cancel()
	}
}

// A server that fails a look-up may show what the create before it sent.
func TestALookUpShowsNoSecretOfItsCreate(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			return answer(502, ""), nil
		}
		return answer(403, "last seen: "+canaryPassword), nil
	}}
	_, err := stubClient(t, s, atOnce()).Users.Create(t.Context(), 1, newUser())
	require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "403 Forbidden: [the server's text held a secret: 36 bytes]")
	requireNoSecret(t, "Users.Create", err)
}

// What is wrong with a row is not told if there is a secret in it.
func TestAWrongRowShowsNoPieceOfASecret(t *testing.T) {
	t.Parallel()
	before := strings.Repeat("x", 60)
	for _, row := range []string{
		`{"userId":"` + before + canaryKey + `"}`,
		`{"userId":"1","dashboard":"` + before + canaryKey + `"}`,
		`{"pbxDeviceId":"1","createDatetime":"` + before + canaryKey + `"}`,
		`{"userId":"1","` + strings.Repeat("x", 500) + canaryKey + `":x}`,
	} {
		client := stubClient(t, always(200, row), atOnce())
		_, errOfUser := client.Users.Get(t.Context(), 1, 1)
		_, errOfDevice := client.Devices.Get(t.Context(), 1, 1)
		err := errors.Join(errOfUser, errOfDevice)
		require.ErrorContains(t, err, "[the server's text held a secret: ", row)
		require.NotContains(t, err.Error(), canaryKey[:4], row)
	}
}

// The query of a call is taken out of the text of a cause, and nothing else is.
func TestCausesWithoutTheQuery(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		return nil, errors.New("is it " + req.URL.RequestURI() + "? no")
	}}
	client := stubClient(t, s, atOnce())
	_, err := client.Domains.Get(t.Context(), 1)
	require.ErrorContains(t, err, ": is it /config/v2/sip/domains/1? no")
	_, err = client.Devices.List(t.Context(), 1, &infinitysip.DeviceListOptions{Limit: 7})
	require.ErrorContains(t, err, ": is it /config/v2/sip/domains/1/devices? no")
}
