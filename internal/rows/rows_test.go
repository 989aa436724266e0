package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

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
		"spaced":  " { \"pbxDeviceId\" : 1 ,\t\"pbxDeviceName\": \"Lobby 1\", \"domainId\": 2, \"deviceMacAddress\":\"10:20:30:1A:2B:3C\", \"createDatetime\": \"2019-10-31 09:42:56\", \"userId\": 11, \"user\": \"joe\"\r} ",
		"lines":   "[\n{\n  \"pbxDeviceId\": 1,\n  \"pbxDeviceName\": \"Lobby 1\",\n  \"domainId\": 2, \"deviceMacAddress\":\"10:20:30:1A:2B:3C\", \"createDatetime\": \"2019-10-31 09:42:56\",\n  \"userId\": 11, \"user\": \"joe\"\n}\n]\n",
	} {
		rows, err := ReadAll[Device](LayoutOf[Device](format), iotest.OneByteReader(strings.NewReader(body)), maxRow)
		require.NoError(t, err, name)
		require.Equal(t, []Device{want}, rows, name)
	}
}

func TestRowsOfAnEmptyList(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "\n", "\xef\xbb\xbf", "[]", " [ ]\n"} {
		rows, err := ReadAll[Device](LayoutOf[Device](format), strings.NewReader(body), maxRow)
		require.NoError(t, err, "%q", body)
		require.Empty(t, rows, "%q", body)
	}
}

func TestRowsValues(t *testing.T) {
	t.Parallel()
	user := func(member string) (User, error) {
		rows, err := ReadAll[User](LayoutOf[User](format), strings.NewReader(`{"userId":"1",`+member+`}`), maxRow)
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
		rows, err := ReadAll[TrustedNetwork](LayoutOf[TrustedNetwork](format), bytes.NewReader(body), maxRow)
		require.NoError(t, err)
		require.Equal(t, netip.MustParsePrefix(want), rows[0].Network)
		require.Nil(t, rows[0].Extra)
	}

	for _, text := range []string{"office", "fe80::1%eth0"} {
		rows, err := ReadAll[TrustedNetwork](LayoutOf[TrustedNetwork](format), strings.NewReader(`{"trustedNetworkId":"1","network":"`+text+`"}`), maxRow)
		require.NoError(t, err)
		require.False(t, rows[0].Network.IsValid(), text)
		require.JSONEq(t, `"`+text+`"`, string(rows[0].Extra["network"]), "what the field cannot hold is not lost")
	}
}

func TestRowsNearSpellingsOfTheTrustedNetworkID(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"trustedNetworkId", "trustednetworkId", "trustedNetworksId", "sipTrustedNetworkId", "networkId", "id"} {
		rows, err := ReadAll[TrustedNetwork](LayoutOf[TrustedNetwork](format), strings.NewReader(`{"`+name+`":"5"}`), maxRow)
		require.NoError(t, err)
		require.Equal(t, TrustedNetworkID(5), rows[0].ID, name)
	}
	rows, err := ReadAll[TrustedNetwork](LayoutOf[TrustedNetwork](format), strings.NewReader(`{"id":"9","trustedNetworkId":"5"}`), maxRow)
	require.NoError(t, err)
	require.Equal(t, TrustedNetworkID(5), rows[0].ID, "the page's own way of naming ids comes first")
	require.Contains(t, rows[0].Extra, "id")
}

// Rows are found by their member's order in the row before. That must not
// show.
func TestRowsInAnyOrder(t *testing.T) {
	t.Parallel()
	const body = `{"userId":"1","user":"a","x":"1","email":"a@x","y":2}
{"y":3,"email":"b@x","user":"b","userId":"2"}
{"userId":"3"}
{}
`
	rows, err := ReadAll[User](LayoutOf[User](format), strings.NewReader(strings.Replace(body, "{}", `{"user":"d","z":null}`, 1)), maxRow)
	require.NoError(t, err)
	require.Equal(t, []User{
		{ID: 1, User: "a", Email: "a@x", Extra: map[string]json.RawMessage{"x": json.RawMessage(`"1"`), "y": json.RawMessage("2")}},
		{ID: 2, User: "b", Email: "b@x", Extra: map[string]json.RawMessage{"y": json.RawMessage("3")}},
		{ID: 3},
		{User: "d", Extra: map[string]json.RawMessage{"z": json.RawMessage("null")}},
	}, rows)

	_, err = ReadAll[User](LayoutOf[User](format), strings.NewReader(body), maxRow)
	require.EqualError(t, err, "row 4: no field of this kind of row is in it")
}

// As in encoding/json the last member of a name counts, and only that one need
// be good.
func TestRowsWithAMemberTwice(t *testing.T) {
	t.Parallel()
	rows, err := ReadAll[User](LayoutOf[User](format), strings.NewReader(`{"userId":"x","user":"a","z":1,"\u007a":2,"userId":"7","us\u0065r":"b"}`), maxRow)
	require.NoError(t, err)
	require.Equal(t, []User{{ID: 7, User: "b", Extra: map[string]json.RawMessage{"z": json.RawMessage("2")}}}, rows)
}

// Many names that nobody knows are kept like few.
func TestRowsWithManyUnknownMembers(t *testing.T) {
	t.Parallel()
	p := LayoutOf[Any](format)
	for range 2 {
		var body strings.Builder
		for row := range 3 {
			for name := range 300 {
				fmt.Fprintf(&body, `%s"%d%s":%d`, map[bool]string{true: "{", false: ","}[name == 0], name, strings.Repeat("x", name%128), row+name)
			}
			body.WriteString("}\n")
		}
		rows, err := ReadAll[Any](p, strings.NewReader(body.String()), maxRow)
		require.NoError(t, err)
		require.Len(t, rows, 3)
		for row, any := range rows {
			require.Len(t, any.Extra, 300)
			for name := range 300 {
				require.Equal(t, fmt.Sprint(row+name), string(any.Extra[fmt.Sprint(name)+strings.Repeat("x", name%128)]))
			}
		}
	}
}

// The fields of a row share one string, and the values in Extra one array.
// Neither holds a secret, nor gives a way from one value to another.
func TestRowsKeepSecretsApart(t *testing.T) {
	t.Parallel()
	rows, err := ReadAll[UserDevice](LayoutOf[UserDevice](format), strings.NewReader(`{"pbxDeviceId":"1","a":"one","PIN":"4711","password":["hunter2"],"pbxDeviceToken":"t0ken","b":"two","user":"joe"}`), maxRow)
	require.NoError(t, err)
	row := rows[0]
	require.Equal(t, "t0ken", row.Token.Reveal())
	require.Equal(t, map[string]json.RawMessage{
		"a": json.RawMessage(`"one"`), "b": json.RawMessage(`"two"`), "PIN": json.RawMessage(`"[redacted]"`), "password": json.RawMessage(`"[redacted]"`),
	}, row.Extra)
	for name, value := range row.Extra {
		require.Equal(t, len(value), cap(value), name)
	}
	_ = append(row.Extra["a"], "overwritten"...)
	require.Equal(t, `"two"`, string(row.Extra["b"]))
}

// Nothing of an answer is in the buffers that the next one gets.
func TestRowsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	for _, row := range []string{`{"userId":"1","password":"hunter2\n","pin":"hunter2","user":"hunter2"}`, `{"userId":"1","x":{"y":"hunter2"},"password":"hunter2`, `{"userId":"1","user":"` + strings.Repeat("hunter2", rowBuffer) + `"}`} {
		rows := NewReader[User](LayoutOf[User](format), iotest.HalfReader(strings.NewReader(strings.Repeat(`{"userId":"1","user":"hunter2"}`+"\n", 5000)+row)), maxRow)
		for err := error(nil); err == nil; {
			_, err = rows.Next()
		}
		rows.Close()
		require.NotContains(t, string(rows.buf[:cap(rows.buf)]), "hunter2")
		require.LessOrEqual(t, len(rows.buf), rowBuffer)
		require.Zero(t, rows.row)
	}
}

func TestRowsErrorsNameRowAndField(t *testing.T) {
	t.Parallel()
	const good = `{"pbxDeviceId":"1"}` + "\n"
	for name, test := range map[string]struct{ body, want string }{
		"text for an id":         {good + `{"pbxDeviceId":"abc"}`, `row 2: pbxDeviceId: "abc" is not a whole number of 64 bits`},
		"fraction":               {good + `{"pbxDeviceId":1.5}`, `row 2: pbxDeviceId: "1.5" is not a whole number of 64 bits`},
		"2^63":                   {`{"pbxDeviceId":"9223372036854775808"}`, `row 1: pbxDeviceId: "9223372036854775808" is not a whole number of 64 bits`},
		"beyond 2^64":            {`{"userId":18446744073709551617}`, `row 1: userId: "18446744073709551617" is not a whole number of 64 bits`},
		"a sign alone":           {`{"userId":"-"}`, `row 1: userId: "-" is not a whole number of 64 bits`},
		"a plus":                 {`{"userId":"+1"}`, `row 1: userId: "+1" is not a whole number of 64 bits`},
		"empty own id":           {`{"pbxDeviceId":""}`, `row 1: pbxDeviceId: "" is not an id`},
		"negative own id":        {`{"pbxDeviceId":-1}`, `row 1: pbxDeviceId: "-1" is not an id`},
		"object for a name":      {good + `{"pbxDeviceName":{}}`, `row 2: pbxDeviceName: want one value`},
		"impossible date":        {`{"createDatetime":"2019-02-30 00:00:00"}`, `row 1: createDatetime: "2019-02-30 00:00:00" is not a time`},
		"a date of another kind": {`{"createDatetime":"20.2.2019"}`, `row 1: createDatetime: "20.2.2019" is not a time`},
		"a null row":             {good + "null\n", "row 2: not an object"},
		"a number as a row":      {"7", "row 1: not an object"},
		"a string in the array":  {`[{"pbxDeviceId":"1"},"x"]`, "row 2: not an object"},
		"an array in the array":  {`[[{"pbxDeviceId":"1"}]]`, "row 1: not an object"},
		"an array after a row":   {good + `[{"pbxDeviceId":"1"}]`, "row 2: not an object"},
		"HTML":                   {"\n <html><body>Log in</body></html>", "row 1: the answer is a page of HTML, not rows"},
		"no JSON":                {good + "Fatal error: out of memory", "row 2: not an object"},
		"two on a line":          {`{"pbxDeviceId":"1"} {"pbxDeviceId":"2"}`, "row 2: not on a line of its own"},
		"a comma after a row":    {`{"pbxDeviceId":"1"},` + "\n" + good, "row 2: not on a line of its own"},
		"one on two lines":       {good + "{\"pbxDeviceId\":\n\"1\"}", "row 2: pbxDeviceId: a row must be on one line"},
		"a list on two lines":    {good + "{\"pbxDeviceId\":\"1\",\"x\":[1,\n2]}", "row 2: x: a row must be on one line"},
		"a name on two lines":    {good + "{\"pbxDevice\nId\":\"1\"}", "row 2: a row must be on one line"},
		"cut by its line's end":  {"{\"pbxDeviceId\":\"1\n" + good, "row 1: pbxDeviceId: a row must be on one line"},
		"invalid UTF-8":          {"{\"pbxDeviceName\":\"\xff\"}", "row 1: pbxDeviceName: not valid UTF-8"},
		"invalid UTF-8 in Extra": {"{\"pbxDeviceName\":\"a\",\"x\":[\"\xff\"]}", "row 1: x: not valid UTF-8"},
		"invalid UTF-8 in names": {"{\"pbx\xc0\":\"a\"}", "row 1: not valid UTF-8"},
		"control character":      {"{\"user\":\"a\tb\"}", "row 1: user: not JSON: the value at byte 9"},
		"unknown escape":         {`{"user":"\x41"}`, "row 1: user: not JSON: the value at byte 9"},
		"half an escape":         {`{"user":"\u00g0"}`, `row 1: user: not JSON`},
		"leading zero":           {`{"userId":01}`, "row 1: userId: not JSON: the value at byte 11"},
		"a word":                 {`{"user":nil}`, "row 1: user: not JSON: the value at byte 9"},
		"no value":               {`{"user":}`, "row 1: user: not JSON: the value at byte 9"},
		"no colon":               {`{"user"}`, `row 1: not JSON: '}' at byte 8`},
		"a comma too many":       {`{"user":"a",}`, `row 1: not JSON: '}' at byte 13`},
		"a comma for no row":     {`[{"user":"a"},]`, "row 2: not an object"},
		"text after the array":   {`[{"pbxDeviceId":"1"}] true`, "row 2: something follows the array"},
		"two arrays":             {"[]\n[]", "row 1: something follows the array"},
		"a missing comma":        {`[{"pbxDeviceId":"1"} {"pbxDeviceId":"2"}]`, "row 2: not JSON: '{' for a comma"},
		"deep nesting":           {`{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "row 1: x: not JSON"},
		"an endless row":         {good + `{"pbxDeviceName":"` + strings.Repeat("x", 2*maxRow) + `"}`, "row 2: too long: more than 1048576 bytes"},
		"endless white space":    {good + strings.Repeat("\n ", maxRow), "row 2: too long: more than 1048576 bytes"},
		"an unknown long name":   {`{"` + strings.Repeat("x", 1000) + `":nil}`, "row 1: " + strings.Repeat("x", 1000) + ": not JSON"},
	} {
		for _, reader := range []func(io.Reader) io.Reader{asItIs, iotest.HalfReader, iotest.DataErrReader} {
			rows, err := ReadAll[Device](LayoutOf[Device](format), reader(strings.NewReader(test.body)), maxRow)
			require.ErrorContains(t, err, test.want, name)
			require.NotErrorIs(t, err, ErrCut, name)
			require.Nil(t, rows, name)
		}
	}

	_, err := ReadAll[User](LayoutOf[User](format), strings.NewReader(`{"userId":"1","dashboard":"2"}`), maxRow)
	require.EqualError(t, err, `row 1: dashboard: "2" is not a flag: want 1 or 0`)
}

// A reader that gives nothing, and no error either, does not hang the call.
func TestRowsOfAReaderThatGivesNothing(t *testing.T) {
	t.Parallel()
	_, err := ReadAll[Device](LayoutOf[Device](format), nothing{}, maxRow)
	require.ErrorIs(t, err, ErrCut)
	require.ErrorIs(t, err, io.ErrNoProgress)
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// A row is given as soon as its last bracket is there: what comes after it may
// come late, or never.
func TestRowsDoNotWaitForTheNext(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"pbxDeviceId":"1"}`, `[{"pbxDeviceId":"1"}`} {
		rows := NewReader[Device](LayoutOf[Device](format), io.MultiReader(iotest.OneByteReader(strings.NewReader(body)), iotest.ErrReader(io.ErrUnexpectedEOF)), maxRow)
		row, err := rows.Next()
		require.NoError(t, err)
		require.Equal(t, DeviceID(1), row.ID)
		_, err = rows.Next()
		require.ErrorIs(t, err, ErrCut)
	}
}

func TestRowsALongRowIsNotLost(t *testing.T) {
	t.Parallel()
	const row = `{"pbxDeviceId":"1"}`
	for limit, want := range map[int]int{len(row) - 1: 0, len(row): 2} {
		for _, body := range []string{row + "\r\n\r\n" + row + "\n", "[ " + row + " , " + row + " ]"} {
			for _, reader := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.DataErrReader} {
				rows, err := ReadAll[Device](LayoutOf[Device](format), reader(strings.NewReader(body)), limit)
				require.Equal(t, want == 0, err != nil, "%d: %v", limit, err)
				require.Len(t, rows, want)
			}
		}
	}
	long := strings.Repeat("x", maxRow-100)
	rows, err := ReadAll[Device](LayoutOf[Device](format), strings.NewReader(`{"pbxDeviceName":"`+long+`"}`+"\n"+`{"pbxDeviceName":"`+long+`"}`), maxRow)
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Len(t, rows[1].Name, len(long))
}

// Wherever the buffer ends, rows are whole.
func TestRowsOfALongList(t *testing.T) {
	t.Parallel()
	lines := listOf(echoedRow, 2000)
	array := fmt.Sprintf("[%s]", bytes.ReplaceAll(bytes.TrimSpace(lines), []byte("\n"), []byte(", ")))
	for _, body := range []string{string(lines), array} {
		for _, reader := range []func(io.Reader) io.Reader{asItIs, iotest.HalfReader, iotest.OneByteReader, iotest.DataErrReader} {
			rows, err := ReadAll[User](LayoutOf[User](format), reader(strings.NewReader(body)), maxRow)
			require.NoError(t, err)
			require.Len(t, rows, 2000)
			for i, row := range rows {
				require.Equal(t, UserID(i+1), row.ID)
				require.Equal(t, "correct horse", row.Password.Reveal())
				require.Equal(t, "joe.bloggs.7@company.example", row.Email)
				require.Equal(t, PhoneID(32), row.USPhoneID)
				require.Nil(t, row.Extra)
			}
		}
	}
}

func asItIs(r io.Reader) io.Reader { return r }

const maxRow = 1 << 20

// A cut shows whether the transport tells of it or the text just stops.
func TestRowsCutIsAnError(t *testing.T) {
	t.Parallel()
	const whole = `{"pbxDeviceId":"1","user":"a"}` + "\n" + `{"pbxDeviceId":"2","user":"b"}` + "\n"
	const array = `[{"pbxDeviceId":"1","user":"a"},{"pbxDeviceId":"2","user":"b"}]`
	for _, body := range []string{whole, array, byteOrderMark} {
		for n := range len(body) + 1 {
			rows, err := ReadAll[Device](LayoutOf[Device](format), io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(io.ErrUnexpectedEOF)), maxRow)
			require.ErrorIs(t, err, ErrCut, "%q", body[:n])
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", body[:n])
			require.Nil(t, rows)
		}
	}
	for n := 1; n < len(array); n++ {
		_, err := ReadAll[Device](LayoutOf[Device](format), strings.NewReader(array[:n]), maxRow)
		require.ErrorIs(t, err, ErrCut, "%q", array[:n])
	}
	for n := 1; n < len(whole)-1; n++ {
		if whole[n-1] == '}' || whole[n-1] == '\n' {
			continue // with no framing, a cut between two rows cannot show
		}
		_, err := ReadAll[Device](LayoutOf[Device](format), strings.NewReader(whole[:n]), maxRow)
		require.ErrorIs(t, err, ErrCut, "%q", whole[:n])
	}
}

// everyKind has a field of each kind that a row may have.
type everyKind struct {
	ID       UserID       `json:"userId" row:"id,uid,id"`
	User     string       `json:"user"`
	Strategy RingStrategy `json:"s"`
	Domain   DomainID     `json:"d"`
	Secs     int          `json:"n"`
	Flag     bool         `json:"f"`
	Created  time.Time    `json:"c"`
	Network  netip.Prefix `json:"net"`
	PIN      Secret       `json:"pin,omitzero"`

	Extra map[string]json.RawMessage `json:"-"`
}

// byJSON reads rows with encoding/json: those before the first that is wrong,
// and whether there is none.
func byJSON(body []byte) (rows []everyKind, complete bool) {
	body = bytes.TrimPrefix(body, []byte(byteOrderMark))
	take := func(dec *json.Decoder) bool {
		var raw json.RawMessage
		if dec.Decode(&raw) != nil || raw[0] != '{' || !utf8.Valid(raw) {
			return false
		}
		row, ok := rowByJSON(raw)
		if ok {
			rows = append(rows, row)
		}
		return ok
	}
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		dec := json.NewDecoder(bytes.NewReader(body))
		for _, _ = dec.Token(); dec.More(); {
			if !take(dec) {
				return rows, false
			}
		}
		end, err := dec.Token()
		_, after := dec.Token()
		return rows, err == nil && end == json.Delim(']') && after == io.EOF
	}
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if line = bytes.Trim(line, " \t\r"); len(line) == 0 {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(line))
		if !take(dec) || dec.Decode(new(any)) != io.EOF {
			return rows, false
		}
	}
	return rows, true
}

func rowByJSON(raw []byte) (row everyKind, ok bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return row, false
	}
	claimed := false
	take := func(set func(text string) bool, names ...string) {
		for _, name := range names {
			value, sent := members[name]
			if !sent {
				continue
			}
			var text string
			claimed = true
			switch {
			case value[0] == '"':
				ok = ok && json.Unmarshal(value, &text) == nil
			case value[0] == '{' || value[0] == '[':
				ok = false
			case string(value) != "null":
				text = string(value)
			}
			if set(text) {
				delete(members, name)
			}
			return
		}
	}
	number := func(text string) int64 {
		n, found := map[string]int64{"": 0, "false": 0, "true": 1}[text]
		if !found {
			var err error
			n, err = strconv.ParseInt(text, 10, 64)
			ok = ok && err == nil && !strings.HasPrefix(text, "+")
		}
		return n
	}
	ok = true
	take(func(text string) bool { row.ID = UserID(number(text)); ok = ok && row.ID > 0; return true }, "userId", "uid", "id")
	take(func(text string) bool { row.User = text; return true }, "user")
	take(func(text string) bool { row.Strategy = RingStrategy(text); return true }, "s")
	take(func(text string) bool { row.Domain = DomainID(number(text)); return true }, "d")
	take(func(text string) bool { row.Secs = int(number(text)); return true }, "n")
	take(func(text string) bool {
		row.Flag = text == "1" || text == "true"
		ok = ok && (row.Flag || text == "" || text == "0" || text == "false")
		return true
	}, "f")
	take(func(text string) bool {
		if text != "" && text != "0" && !strings.HasPrefix(text, "0000-00-00") {
			var err error
			row.Created, err = time.Parse(time.DateTime, text)
			ok = ok && err == nil
		}
		return true
	}, "c")
	take(func(text string) (taken bool) { row.Network, taken = parseNetwork(text); return taken || text == "" }, "net")
	take(func(text string) bool {
		if text != "[redacted]" {
			row.PIN = NewSecret(text)
		}
		return true
	}, "pin")
	for name, value := range members {
		if members[name] = redactByJSON(value); format.Hidden(name) {
			members[name] = json.RawMessage(`"[redacted]"`)
		}
		members[name], _ = json.Marshal(members[name])
	}
	if len(members) > 0 {
		row.Extra = members
	}
	return row, ok && claimed
}

// redactByJSON takes a list or an object apart, and puts it together again less
// what is a secret by its name.
func redactByJSON(raw json.RawMessage) (kept json.RawMessage) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	open, _ := dec.Token()
	if _, nested := open.(json.Delim); !nested {
		return raw
	}
	done := 0
	for dec.More() {
		var name string
		if open == json.Delim('{') {
			token, _ := dec.Token()
			name, _ = token.(string)
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return raw
		}
		end := int(dec.InputOffset())
		kept = append(kept, raw[done:end-len(value)]...)
		if value = redactByJSON(value); format.Hidden(name) {
			value = json.RawMessage(`"[redacted]"`)
		}
		kept, done = append(kept, value...), end
	}
	return append(kept, raw[done:]...)
}

// Whatever the bytes, and however they come: the rows are those of
// encoding/json, up to the first that it refuses, and no error means that the
// whole of it was rows. A cut is never silent.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		"", "[]", "null", "[null]", "{}", `[{}]`, "{}\n{}", "{}{}", "[{}", `{"userId":"1"`, `{"userId":"1","user":"a\/b\u00e9"}`,
		`[{"userId":1},{"uid":"2", "x":3}]`, `{"userId":""}`, `{"d":null,"user":false}`, "{\"user\":\"\xff\"}", `{"user":1,"x":{"y":[1,"]\"\\"]}}`,
		"\xef\xbb\xbf{\"d\":1}\r\n\r\n{\"d\":2}", `{"user":"a","user":"b"}`, "<html>", `[{"d":1}] []`, `{"c":"0000-00-00 00:00:00"}`, `{"c":"2019-10-31 09:42:56"}`,
		"{\"user\":\"a\",\n\"x\":1}", "[\n{\"user\"\t:\r\"a\"\n}\n]\n", `{"net":"10.0.20.10","net":"office","pin":"4711","PIN":1,"n":-5,"f":true,"s":"all"}`,
		`{"id":"3","uid":"2","userId":"1","user":"\ud83d\ude00\ud83d\u0041\ude00\b\f\n\r\t\\\""}`, `{"user":1e3,"x":-0.5E+7,"y":01}`, "{\"d\":1}\n{\"\\u0064\":2,\"x\":3}\n{\"x\":4,\"d\":5}",
		`{"d":1,"x":{"note":"my \"pin\": 5"},"y":["\"pin\":"],"z":["\"pin\": [1","b"]}`, "{\"d\":1,\"x\":\"a<b>&\u2028\",\"y\":[ 1,\t{ } ],\"pin\":\"[redacted]\"}", `{"d":1,"x":[{"p\u0069n" : {"a":[1]}, "b":2}]}`,
	} {
		f.Add([]byte(seed), uint16(len(seed)/2))
	}
	// One plan for all, since its readers must not remember an answer.
	p := LayoutOf[everyKind](format)
	read := func(body io.Reader, limit int) (given []everyKind, err error) {
		rows := NewReader[everyKind](p, body, limit)
		defer rows.Close()
		for {
			row, err := rows.Next()
			if err != nil {
				return given, err
			}
			given = append(given, row)
		}
	}
	equal := func(t *testing.T, want, got []everyKind) {
		require.Equal(t, len(want), len(got))
		for i, row := range got {
			require.Equal(t, want[i].PIN.Reveal(), row.PIN.Reveal())
			row.PIN = want[i].PIN
			if !reflect.DeepEqual(want[i].Extra, row.Extra) {
				require.Equal(t, want[i].Extra, row.Extra)
			}
			w := want[i]
			w.PIN, row.PIN, w.Extra, row.Extra = Secret{}, Secret{}, nil, nil
			require.Equal(t, w, row)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		want, complete := byJSON(body)
		given, err := read(bytes.NewReader(body), maxRow)
		equal(t, want, given)
		require.Equal(t, complete, err == io.EOF, "%v", err)

		for _, chunks := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
			again, errAgain := read(chunks(bytes.NewReader(body)), maxRow)
			equal(t, given, again)
			require.Equal(t, err.Error(), errAgain.Error())
		}

		short, err := read(iotest.HalfReader(bytes.NewReader(body)), 32)
		equal(t, given[:len(short)], short)
		if err == io.EOF {
			require.Len(t, short, len(given))
		}

		body = body[:min(int(cut), len(body))]
		short, err = read(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(io.ErrUnexpectedEOF)), maxRow)
		equal(t, given[:min(len(short), len(given))], short)
		require.NotErrorIs(t, err, io.EOF)
		if complete {
			require.ErrorIs(t, err, ErrCut)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	})
}
