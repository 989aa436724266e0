package infinitysip

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRowsTakeEverySpelling(t *testing.T) {
	t.Parallel()
	want := Device{
		ID: 1, Name: "Lobby 1", DomainID: 2, MACAddress: "10:20:30:1A:2B:3C", UserID: 11, User: "joe",
		Created: time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC),
	}
	for name, body := range map[string]string{
		"strings": `{"pbxDeviceId":"1","pbxDeviceName":"Lobby 1","domainId":"2","deviceMacAddress":"10:20:30:1A:2B:3C","createDatetime":"2019-10-31 09:42:56","updateDatetime":"0000-00-00 00:00:00","userId":"11","user":"joe"}` + "\n",
		"numbers": `{"pbxDeviceId":1,"pbxDeviceName":"Lobby 1","domainId":2,"deviceMacAddress":"10:20:30:1A:2B:3C","createDatetime":"2019-10-31 09:42:56","updateDatetime":null,"userId":11,"user":"joe"}`,
		"array":   ` [ {"pbxDeviceId":"1","pbxDeviceName":"Lobby 1","domainId":"2","deviceMacAddress":"10:20:30:1A:2B:3C","createDatetime":"2019-10-31 09:42:56","updateDatetime":"","userId":"11","user":"joe"} ] ` + "\r\n",
		"escapes": "\xef\xbb\xbf\r\n\n" + `{"pbxDeviceId":"1","pbxDeviceName":"\u004cobby 1","domainId":"2","deviceMacAddress":"10:20:30:1A:2B:3C","createDatetime":"2019-10-31 09:42:56","userId":"11","user":"j\u006fe"}` + "\r\n\r\n",
		"lines":   "{\n  \"pbxDeviceId\": 1,\n  \"pbxDeviceName\": \"Lobby 1\",\n  \"domainId\": 2, \"deviceMacAddress\":\"10:20:30:1A:2B:3C\", \"createDatetime\": \"2019-10-31 09:42:56\",\n  \"userId\": 11, \"user\": \"joe\"}",
	} {
		rows, err := readRows[Device](planFor(reflect.TypeFor[Device]()), iotest.OneByteReader(strings.NewReader(body)), maxRow)
		require.NoError(t, err, name)
		require.Equal(t, []Device{want}, rows, name)
	}
}

func TestRowsOfAnEmptyList(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "\n", "\xef\xbb\xbf", "[]", " [ ]\n"} {
		rows, err := readRows[Device](planFor(reflect.TypeFor[Device]()), strings.NewReader(body), maxRow)
		require.NoError(t, err, "%q", body)
		require.Empty(t, rows, "%q", body)
	}
}

func TestRowsValues(t *testing.T) {
	t.Parallel()
	user := func(member string) (User, error) {
		rows, err := readRows[User](planFor(reflect.TypeFor[User]()), strings.NewReader(`{"userId":"1",`+member+`}`), maxRow)
		if err != nil {
			return User{}, err
		}
		return rows[0], nil
	}

	for member, want := range map[string]bool{
		`"dashboard":"1"`: true, `"dashboard":1`: true, `"dashboard":true`: true, `"dashboard":"true"`: true,
		`"dashboard":"0"`: false, `"dashboard":0`: false, `"dashboard":false`: false, `"dashboard":""`: false, `"dashboard":null`: false,
	} {
		row, err := user(member)
		require.NoError(t, err, member)
		require.Equal(t, want, row.Dashboard, member)
		require.Nil(t, row.Extra, member)
	}
	for member, want := range map[string]PhoneID{
		`"ukPhoneId":"7"`: 7, `"ukPhoneId":7`: 7, `"ukPhoneId":""`: 0, `"ukPhoneId":null`: 0, `"ukPhoneId":"0"`: 0, `"ukPhoneId":"9223372036854775807"`: 1<<63 - 1,
	} {
		row, err := user(member)
		require.NoError(t, err, member)
		require.Equal(t, want, row.UKPhoneID, member)
	}
	for member, want := range map[string]string{
		`"extensionNumber":"0100"`: "0100", `"extensionNumber":100`: "100", `"extensionNumber":null`: "", `"extensionNumber":1e3`: "1e3",
		`"extensionNumber":"\/\u00e9\ud83d\ude00"`: "/é😀",
	} {
		row, err := user(member)
		require.NoError(t, err, member)
		require.Equal(t, want, row.ExtensionNumber, member)
	}

	row, err := user(`"password":"hunter2","pin":1234,"locale":"en\/GB","tags":["a"]`)
	require.NoError(t, err)
	require.Equal(t, "hunter2", row.Password.Reveal())
	require.Equal(t, "1234", row.PIN.Reveal())
	require.Equal(t, map[string]json.RawMessage{"locale": json.RawMessage(`"en\/GB"`), "tags": json.RawMessage(`["a"]`)}, row.Extra)
}

func TestRowsNetworks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.20.10/24": "10.0.20.10/24", "10.0.20.10": "10.0.20.10/32", "2001:db8::1": "2001:db8::1/128", "2001:db8::/32": "2001:db8::/32",
	} {
		body, _ := json.Marshal(map[string]string{"trustedNetworkId": "1", "network": text})
		rows, err := readRows[TrustedNetwork](planFor(reflect.TypeFor[TrustedNetwork]()), bytes.NewReader(body), maxRow)
		require.NoError(t, err)
		require.Equal(t, netip.MustParsePrefix(want), rows[0].Network)
		require.Nil(t, rows[0].Extra)
	}

	rows, err := readRows[TrustedNetwork](planFor(reflect.TypeFor[TrustedNetwork]()), strings.NewReader(`{"trustedNetworkId":"1","network":"office"}`), maxRow)
	require.NoError(t, err)
	require.False(t, rows[0].Network.IsValid())
	require.JSONEq(t, `"office"`, string(rows[0].Extra["network"]), "what the field cannot hold is not lost")
}

func TestRowsNearSpellingsOfTheTrustedNetworkID(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trustedNetworkId", "trustednetworkId", "trustedNetworksId", "sipTrustedNetworkId", "networkId", "id"} {
		rows, err := readRows[TrustedNetwork](planFor(reflect.TypeFor[TrustedNetwork]()), strings.NewReader(`{"`+name+`":"5"}`), maxRow)
		require.NoError(t, err)
		require.Equal(t, TrustedNetworkID(5), rows[0].ID, name)
	}
	rows, err := readRows[TrustedNetwork](planFor(reflect.TypeFor[TrustedNetwork]()), strings.NewReader(`{"id":"9","trustedNetworkId":"5"}`), maxRow)
	require.NoError(t, err)
	require.Equal(t, TrustedNetworkID(5), rows[0].ID, "the page's own way of naming ids comes first")
	require.Contains(t, rows[0].Extra, "id")
}

func TestRowsErrorsNameRowAndField(t *testing.T) {
	t.Parallel()
	const good = `{"pbxDeviceId":"1"}` + "\n"
	for name, test := range map[string]struct{ body, want string }{
		"text for an id":        {good + `{"pbxDeviceId":"abc"}`, `row 2: pbxDeviceId: "abc" is not a whole number of 64 bits`},
		"fraction":              {good + `{"pbxDeviceId":1.5}`, `row 2: pbxDeviceId: "1.5" is not a whole number of 64 bits`},
		"2^63":                  {`{"pbxDeviceId":"9223372036854775808"}`, `row 1: pbxDeviceId: "9223372036854775808" is not a whole number of 64 bits`},
		"empty own id":          {`{"pbxDeviceId":""}`, `row 1: pbxDeviceId: "" is not an id`},
		"negative own id":       {`{"pbxDeviceId":-1}`, `row 1: pbxDeviceId: "-1" is not an id`},
		"object for a name":     {good + `{"pbxDeviceName":{}}`, `row 2: pbxDeviceName: want one value`},
		"impossible date":       {`{"createDatetime":"2019-02-30 00:00:00"}`, `row 1: createDatetime: "2019-02-30 00:00:00" is not a time`},
		"a null row":            {good + "null\n", "row 2: not an object"},
		"a number as a row":     {"7", "row 1: not an object"},
		"a string in the array": {`[{"pbxDeviceId":"1"},"x"]`, "row 2: not an object"},
		"HTML":                  {"\n <html><body>Log in</body></html>", "row 1: the answer is a page of HTML, not rows"},
		"no JSON":               {good + "Fatal error: out of memory", "row 2: not JSON"},
		"invalid UTF-8":         {"{\"pbxDeviceName\":\"\xff\"}", "row 1: not valid UTF-8"},
		"text after the array":  {`[{"pbxDeviceId":"1"}] true`, "row 2: something follows the array"},
		"a missing comma":       {`[{"pbxDeviceId":"1"} {"pbxDeviceId":"2"}]`, "row 2: not JSON"},
		"deep nesting":          {`{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "row 1: not JSON"},
		"an endless row":        {good + `{"pbxDeviceName":"` + strings.Repeat("x", 2*maxRow) + `"}`, "row 2: too long: more than 1048576 bytes"},
		"an odd flag":           {`{"pbxDeviceId":"1"}`, ""},
	} {
		rows, err := readRows[Device](planFor(reflect.TypeFor[Device]()), strings.NewReader(test.body), maxRow)
		if test.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, test.want, name)
		require.NotErrorIs(t, err, errCut, name)
		require.Nil(t, rows, name)
	}

	_, err := readRows[User](planFor(reflect.TypeFor[User]()), strings.NewReader(`{"userId":"1","dashboard":"2"}`), maxRow)
	require.EqualError(t, err, `row 1: dashboard: "2" is not a flag: want 1 or 0`)
}

func TestRowsALongRowIsNotLost(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRow-100)
	rows, err := readRows[Device](planFor(reflect.TypeFor[Device]()), strings.NewReader(`{"pbxDeviceName":"`+long+`"}`+"\n"+`{"pbxDeviceName":"`+long+`"}`), maxRow)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Len(t, rows[1].Name, len(long))
}

const maxRow = 1 << 20

// A cut shows whether the transport tells of it or the text just stops.
func TestRowsCutIsAnError(t *testing.T) {
	t.Parallel()
	const whole = `{"pbxDeviceId":"1","user":"a"}` + "\n" + `{"pbxDeviceId":"2","user":"b"}` + "\n"
	const array = `[{"pbxDeviceId":"1","user":"a"},{"pbxDeviceId":"2","user":"b"}]`
	for _, body := range []string{whole, array} {
		for n := range len(body) + 1 {
			rows, err := readRows[Device](planFor(reflect.TypeFor[Device]()), io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(io.ErrUnexpectedEOF)), maxRow)
			require.ErrorIs(t, err, errCut, "%q", body[:n])
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", body[:n])
			require.Nil(t, rows)
		}
	}
	for n := 1; n < len(array); n++ {
		_, err := readRows[Device](planFor(reflect.TypeFor[Device]()), strings.NewReader(array[:n]), maxRow)
		require.ErrorIs(t, err, errCut, "%q", array[:n])
	}
	for n := 1; n < len(whole)-1; n++ {
		if whole[n-1] == '}' || whole[n-1] == '\n' {
			continue // with no framing, a cut between two rows cannot show
		}
		_, err := readRows[Device](planFor(reflect.TypeFor[Device]()), strings.NewReader(whole[:n]), maxRow)
		require.ErrorIs(t, err, errCut, "%q", whole[:n])
	}
}

// Whatever the bytes: rows that are given agree with encoding/json, and no
// error means that the whole of it was rows.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		"", "[]", "null", "[null]", "{}", `[{}]`, "{}\n{}", "{}{}", "[{}", `{"pbxDeviceId":"1"`, `{"pbxDeviceId":"1","pbxDeviceName":"a\/b\u00e9"}`,
		`[{"pbxDeviceId":1},{"pbxDeviceId":"2"}]`, `{"pbxDeviceId":""}`, `{"userId":null,"user":false}`, "{\"user\":\"\xff\"}", `{"x":{"y":[1,2]}}`,
		"\xef\xbb\xbf{}\r\n\r\n{}", `{"user":"a","user":"b"}`, "<html>", `[{}] []`, `{"createDatetime":"0000-00-00 00:00:00"}`, `{"createDatetime":"2019-10-31 09:42:56"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var (
			given []Device
			err   error
		)
		for rows := newRows[Device](planFor(reflect.TypeFor[Device]()), bytes.NewReader(body), maxRow); ; {
			var row Device
			if row, err = rows.next(); err != nil {
				break
			}
			given = append(given, row)
		}

		var objects []map[string]json.RawMessage
		text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
		if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("[")) {
			if err == io.EOF {
				require.NoError(t, json.Unmarshal(text, &objects))
			}
		} else {
			dec := json.NewDecoder(bytes.NewReader(text))
			for range given {
				var object map[string]json.RawMessage
				require.NoError(t, dec.Decode(&object))
				objects = append(objects, object)
			}
			if err == io.EOF {
				require.ErrorIs(t, dec.Decode(new(any)), io.EOF)
			}
		}
		if err == io.EOF {
			require.Len(t, given, len(objects))
		}
		for i := range min(len(given), len(objects)) {
			for name, got := range map[string]string{
				"pbxDeviceName": given[i].Name, "deviceMacAddress": given[i].MACAddress, "user": given[i].User,
				"pbxDeviceId": fmt.Sprint(int64(given[i].ID)), "userId": fmt.Sprint(int64(given[i].UserID)),
			} {
				raw, sent := objects[i][name]
				if !sent || raw[0] != '"' {
					continue
				}
				var want string
				require.NoError(t, json.Unmarshal(raw, &want))
				if strings.HasSuffix(name, "Id") {
					n, err := parseNumber(want)
					require.NoError(t, err)
					want = fmt.Sprint(n)
				}
				require.Equal(t, want, got, name)
			}
			for name := range objects[i] {
				if _, kept := given[i].Extra[name]; !kept {
					require.Contains(t, []string{"pbxDeviceId", "pbxDeviceName", "domainId", "deviceMacAddress", "createDatetime", "updateDatetime", "userId", "user"}, name, "lost")
				}
			}
		}
		if errors.Is(err, errCut) {
			require.NotEmpty(t, body)
		}
	})
}
