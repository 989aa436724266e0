package suite_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// rowSecret has no character that JSON escapes.
const rowSecret = "hunter2-in-a-row"

// rowKinds are all types of rows, by name.
var rowKinds = []reflect.Type{
	reflect.TypeFor[infinitysip.Domain](), reflect.TypeFor[infinitysip.User](), reflect.TypeFor[infinitysip.UserDevice](),
	reflect.TypeFor[infinitysip.UserDeviceToken](), reflect.TypeFor[infinitysip.UserGroup](), reflect.TypeFor[infinitysip.Group](),
	reflect.TypeFor[infinitysip.GroupUser](), reflect.TypeFor[infinitysip.Queue](), reflect.TypeFor[infinitysip.QueueMember](),
	reflect.TypeFor[infinitysip.TrustedNetwork](), reflect.TypeFor[infinitysip.Device](),
}

// Every type that has Extra is among them.
func TestRowKindsAreAll(t *testing.T) {
	t.Parallel()
	n := 0
	for _, file := range must(filepath.Glob("../../*.go")) {
		n += len(regexp.MustCompile(`(?m)^\tExtra map\[string\]json\.RawMessage`).FindAll(must(os.ReadFile(file)), -1))
	}
	require.Equal(t, n, len(rowKinds))
}

// requireComesBack checks the law: a row that is written as JSON, in whatever way, and
// read again is the same, except for its secrets.
func requireComesBack(t *testing.T, row reflect.Value) {
	t.Helper()
	want := reflect.New(row.Type())
	want.Elem().Set(row)
	for i := range row.NumField() {
		if field := want.Elem().Field(i); field.Type() == reflect.TypeFor[infinitysip.Secret]() {
			field.SetZero()
		}
	}
	written := func(value any, escape bool, indent string) []byte {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(escape)
		enc.SetIndent("", indent)
		require.NoError(t, enc.Encode(value))
		return b.Bytes()
	}
	for _, way := range []struct {
		escape bool
		indent string
	}{{true, ""}, {false, ""}, {true, "\t"}} {
		text := written(row.Interface(), way.escape, way.indent)
		back := reflect.New(row.Type())
		require.NoError(t, json.Unmarshal(text, back.Interface()), "%s", text)
		require.Equal(t, want.Interface(), back.Interface(), "%s", text)
		require.NotContains(t, string(text), rowSecret)
	}
	text := written([]any{want.Interface(), row.Interface()}, true, "")
	require.Equal(t, string(text), string(written([]any{want.Interface(), row.Interface()}, true, "")), "it is always the same")
	list := reflect.New(reflect.SliceOf(row.Type()))
	require.NoError(t, json.Unmarshal(text, list.Interface()))
	for i := range 2 {
		require.Equal(t, want.Elem().Interface(), list.Elem().Index(i).Interface())
	}
}

// awkward are values that a server may give to any member.
var awkward = []string{
	`""`, `null`, `"0"`, `0`, `1`, `"1"`, `"7"`, `true`, `false`, `"9223372036854775807"`, `"all"`, `"Zo\u00eb & S\u00f6hne <x>"`, `"a\/b"`, "\"\u2028\u2029\u00a0\"",
	`"\ud83d\ude00\ud800"`, `"\u0000\b\f\n\r\t\\\""`, `"2019-10-31 09:42:56"`, `"2019-10-31 09:42:56.120"`, `"0000-00-00 00:00:00"`, `"0001-01-01 00:00:00"`,
	`"10.0.20.10\/24"`, `"10.0.20.10"`, `"::ffff:10.0.0.1"`, `"office"`, `"fe80::1%eth0"`, `"10.0.0.0/255.0.0.0"`, `"[redacted]"`, `-0.5E+7`, `1e3`,
	`[1, {"a" : [ ]}]`, `{ "pin": "4711", "<&>": "<\u003c>" }`, `{"a":"x y","password":{}}`, `[]`, `{}`, "[\n\t\"\u2028\"\r]",
}

// Whatever a server sends: what a row keeps of it comes back.
func TestRowsComeBackFromJSON(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(12, 7))
	for _, kind := range rowKinds {
		t.Run(kind.Name(), func(t *testing.T) {
			names := []string{"surplus", "Extra", "extra", "<&>\u2028", "", "PIN", "Password", "password", "pbxDeviceToken", "id", "createDatetime", "USERID", "networkId", "\ufffd"}
			for i := range kind.NumField() {
				if name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ","); name != "-" {
					names = append(names, name)
				}
			}
			read := 0
			for range 300 {
				var row strings.Builder
				for i := range 1 + random.IntN(8) {
					fmt.Fprintf(&row, `%s%s: %s`, map[bool]string{true: "{", false: ", "}[i == 0], must(json.Marshal(names[random.IntN(len(names))])), awkward[random.IntN(len(awkward))])
				}
				back := reflect.New(kind)
				if err := json.Unmarshal([]byte(row.String()+"}"), back.Interface()); err != nil {
					require.ErrorContains(t, err, "infinitysip: reading a "+kind.Name()+" from JSON: ")
					continue
				}
				read++
				requireComesBack(t, back.Elem())
			}
			require.Greater(t, read, 20)
			requireComesBack(t, reflect.Zero(kind))
		})
	}
}

// FuzzRowJSON: a row of any kind that can be read comes back, and what cannot be read
// changes nothing.
func FuzzRowJSON(f *testing.F) {
	for _, file := range must(filepath.Glob("../../testdata/*.json")) {
		for line := range strings.Lines(string(must(os.ReadFile(file)))) {
			f.Add(line)
		}
	}
	for i, value := range awkward {
		f.Add(fmt.Sprintf(`{"userId": "1", "domainId": %s, "x": %s, "network":%s, "createDatetime": %[1]s, "<": {"y": [%[2]s, %[3]s]}}`, value, awkward[(i+5)%len(awkward)], awkward[(i+9)%len(awkward)]))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range rowKinds {
			row := reflect.New(kind)
			row.Elem().FieldByName("Extra").Set(reflect.ValueOf(map[string]json.RawMessage{"old": nil}))
			old := row.Elem().Interface()
			err := row.Interface().(json.Unmarshaler).UnmarshalJSON([]byte(text))
			if err != nil {
				require.True(t, strings.HasPrefix(err.Error(), "infinitysip: reading a "), err.Error())
			}
			if err != nil || strings.TrimSpace(text) == "null" {
				require.Equal(t, old, row.Elem().Interface())
				continue
			}
			require.True(t, json.Valid([]byte(text)))
			requireComesBack(t, row.Elem())
		}
	})
}

// The rows that the API's page shows are read, and written as the page has them.
func TestThePagesRowsAsJSON(t *testing.T) {
	t.Parallel()
	day := func(day, hour, minute, second int) time.Time {
		return time.Date(2019, 10, day, hour, minute, second, 0, time.UTC)
	}
	for text, want := range map[string]any{
		`{"userId":"1","pbxDeviceId":"2","user":"user.name","updateDatetime":"2001-01-01 00:00:00","pbxDeviceName":"deviceName 2"}`: &infinitysip.UserDevice{
			UserID: 1, DeviceID: 2, User: "user.name", Updated: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), Name: "deviceName 2",
		},
		`{"pbxDeviceId":"1","pbxDeviceName":"My PBX Device 1","domainId":"1","deviceMacAddress":"10:20:30:1A:2B:3C","createDatetime":"2019-10-31 09:42:56","updateDatetime":"2019-10-31 09:50:06","userId":"11","user":"test.user"}`: &infinitysip.Device{
			ID: 1, Name: "My PBX Device 1", DomainID: 1, MACAddress: "10:20:30:1A:2B:3C", Created: day(31, 9, 42, 56), Updated: day(31, 9, 50, 6), UserID: 11, User: "test.user",
		},
		`{"pbxDeviceId":"2","pbxDeviceName":"My PBX Device 2","domainId":"1","deviceMacAddress":"10:20:30:5C:4F:2A","createDatetime":"2019-10-31 14:41:10","updateDatetime":"2019-10-31 15:54:22","userId":"11","user":"test.user"}`: &infinitysip.Device{
			ID: 2, Name: "My PBX Device 2", DomainID: 1, MACAddress: "10:20:30:5C:4F:2A", Created: day(31, 14, 41, 10), Updated: day(31, 15, 54, 22), UserID: 11, User: "test.user",
		},
	} {
		row := reflect.New(reflect.TypeOf(want).Elem())
		require.NoError(t, json.Unmarshal([]byte(text), row.Interface()))
		require.Equal(t, want, row.Interface())
		require.Equal(t, text, string(must(json.Marshal(row.Interface()))))
	}
	var token infinitysip.UserDeviceToken
	require.NoError(t, json.Unmarshal([]byte(`{"pbxDeviceId":"1","userId":"1","pbxDeviceToken":"432e2286a22f28a3e3a4d2dde"}`), &token))
	require.Equal(t, "432e2286a22f28a3e3a4d2dde", token.Token.Reveal())
	require.Equal(t, `{"pbxDeviceId":"1","userId":"1","pbxDeviceToken":"[redacted]"}`, string(must(json.Marshal(token))))
}

// What the client reads from a server is what is read from JSON.
func TestRowsFromTheServerComeBack(t *testing.T) {
	t.Parallel()
	body := `{"trustedNetworkId":"5","network":"office","pin":"` + rowSecret + `","x":[1, "<"]}`
	network, err := stubClient(t, always(200, body)).TrustedNetworks.Get(t.Context(), 1, 5)
	require.NoError(t, err)
	require.Equal(t, map[string]json.RawMessage{"network": json.RawMessage(`"office"`), "pin": json.RawMessage(`"[redacted]"`), "x": json.RawMessage(`[1,"\u003c"]`)}, network.Extra)
	requireComesBack(t, reflect.ValueOf(*network))

	user, err := stubClient(t, always(200, `{"userId":"5","password":"[redacted]","pin":"`+rowSecret+`"}`)).Users.Get(t.Context(), 1, 5)
	require.NoError(t, err)
	require.True(t, user.Password.IsZero(), "the mark is no secret, whoever sent it")
	require.Equal(t, rowSecret, user.PIN.Reveal())
	requireComesBack(t, reflect.ValueOf(*user))
}

// Rows that are made by hand are written too, or refused by the name of the member.
func TestRowsByHandAsJSON(t *testing.T) {
	t.Parallel()
	for _, row := range []any{
		infinitysip.User{User: "joe", Password: infinitysip.NewSecret(rowSecret), MobileFollow: true, UKPhoneID: 31},
		infinitysip.TrustedNetwork{Network: netip.MustParsePrefix("2001:db8::/32"), Extra: map[string]json.RawMessage{"a": json.RawMessage(`1`)}},
		infinitysip.Device{Created: time.Date(2019, 10, 31, 9, 42, 56, 1, time.UTC)},
		infinitysip.QueueMember{RingStrategy: infinitysip.RingAll, RingOrder: -1},
	} {
		requireComesBack(t, reflect.ValueOf(row))
	}
	text, err := json.Marshal(infinitysip.Group{ID: 1, Extra: map[string]json.RawMessage{"Pin": json.RawMessage(`"` + rowSecret + `"`), "groupName": json.RawMessage(`"sales"`)}})
	require.NoError(t, err)
	require.Equal(t, `{"groupId":"1","domainId":"0","displayName":"","extensionNumber":"","ringRetry":"0","ringExclusive":"0","callerNameFormat":"","Pin":"[redacted]","groupName":"sales"}`, string(text))

	_, err = infinitysip.Device{Created: time.Date(12019, 1, 1, 0, 0, 0, 0, time.UTC)}.MarshalJSON()
	require.EqualError(t, err, "infinitysip: writing a Device as JSON: createDatetime: the year 12019 does not have four digits")
	_, err = json.Marshal(infinitysip.Domain{Extra: map[string]json.RawMessage{"x": json.RawMessage(rowSecret)}})
	require.ErrorContains(t, err, "infinitysip: writing a Domain as JSON: x: its value in Extra is not JSON")
	require.NotContains(t, err.Error(), rowSecret)
	for text, want := range map[string]string{
		`{"userId":"x"}`:                `infinitysip: reading a User from JSON: userId: "x" is not a whole number of 64 bits`,
		`{"userId":0}`:                  `infinitysip: reading a User from JSON: userId: "0" is not an id`,
		`{}`:                            "infinitysip: reading a User from JSON: no field of this kind of row is in it",
		`7`:                             "infinitysip: reading a User from JSON: not an object",
		`{"pin":["` + rowSecret + `"]}`: "infinitysip: reading a User from JSON: pin: its value does not fit the field",
	} {
		require.EqualError(t, json.Unmarshal([]byte(text), new(infinitysip.User)), want)
	}
	row := infinitysip.User{ID: 7}
	require.NoError(t, json.Unmarshal([]byte("null"), &row))
	require.Equal(t, infinitysip.User{ID: 7}, row)
	var pointers struct{ A, B *infinitysip.User }
	require.NoError(t, json.Unmarshal([]byte(`{"A":null,"B":{"userId":"7"}}`), &pointers))
	require.Nil(t, pointers.A)
	require.Equal(t, row, *pointers.B)
}
