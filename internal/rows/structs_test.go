package rows

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readRow reads a row of any kind.
func readRow[R any](t *testing.T, text string) (R, error) {
	t.Helper()
	require.Empty(t, LayoutOf[R](format).Problem())
	return ReadOne[R](LayoutOf[R](format), strings.NewReader(text), maxRow)
}

// level is a type with a method of encoding/json.
type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "panic":
		panic("a text that nobody may see")
	default:
		return errors.New("no such level: " + string(text))
	}
	return nil
}

// Every kind of field can be in a row, and a server's spellings are taken where they
// can be.
func TestAnyStructIsARow(t *testing.T) {
	t.Parallel()
	type flag bool
	type address struct{ City string }
	type row struct {
		Name     string `json:"name"`
		Enabled  flag   `json:"enabled"`
		Untagged int
		Wait     time.Duration    `json:"wait"`
		Price    float64          `json:"price"`
		Small    uint8            `json:"small"`
		Wide     int32            `json:"wide,omitempty"`
		Tags     []string         `json:"tags"`
		Counts   map[string]int   `json:"counts"`
		Address  address          `json:"address"`
		Raw      json.RawMessage  `json:"raw"`
		Whatever any              `json:"whatever"`
		Level    level            `json:"level"`
		Big      big.Int          `json:"big"`
		Owner    *UserID          `json:"owner"`
		Note     *string          `json:"note"`
		Since    *time.Time       `json:"since"`
		Network  *netip.Prefix    `json:"network"`
		Ratio    *float64         `json:"ratio"`
		Absent   *bool            `json:"absent"`
		Null     *bool            `json:"null"`
		Dash     string           `json:"-,"` //nolint:staticcheck // SA5008: encoding/json gives "-" a meaning here
		Skipped  string           `json:"-"`
		Addr     netip.Addr       `json:"addr"`
		hidden   string           // has no place here
		Devices  []map[string]any `json:"devices"`
	}
	got, err := readRow[row](t, `{"name":7,"enabled":"1","UNTAGGED":"3","wait":"5","price":"1.50","small":"200","wide":-4,"tags":["a","b"],"counts":{"x":1},`+
		`"address":{"City":"Leeds"},"raw":[1, 2],"whatever":"7","level":"low","big":12345678901234567890,"owner":"7","note":"","since":"2019-10-31 09:42:56",`+
		`"network":"10.0.0.1","ratio":0.5,"null":null,"-":"dash","Skipped":"x","hidden":"y","addr":"10.0.0.1","devices":[{"id":"1"}],"surplus":1}`)
	require.NoError(t, err)
	want := row{
		Name: "7", Enabled: true, Untagged: 3, Wait: 5, Price: 1.5, Small: 200, Wide: -4, Tags: []string{"a", "b"}, Counts: map[string]int{"x": 1},
		Address: address{"Leeds"}, Raw: json.RawMessage("[1, 2]"), Whatever: "7", Level: 1, Owner: new(UserID(7)), Note: new(""),
		Since: new(time.Date(2019, 10, 31, 9, 42, 56, 0, time.UTC)), Network: new(netip.MustParsePrefix("10.0.0.1/32")), Ratio: new(0.5),
		Dash: "dash", Addr: netip.MustParseAddr("10.0.0.1"), Devices: []map[string]any{{"id": "1"}},
	}
	want.Big.SetString("12345678901234567890", 10)
	require.Equal(t, want, got)
	require.Empty(t, got.hidden)

	got, err = readRow[row](t, `{"price":"","small":"","ratio":"","note":null,"tags":null,"name":null}`)
	require.NoError(t, err)
	require.Equal(t, row{Ratio: new(float64)}, got, "empty is zero")

	for text, want := range map[string]string{
		`{"price":"dear"}`:         "row 1: price: json: cannot unmarshal string into Go value of type float64",
		`{"small":"256"}`:          "row 1: small: json: cannot unmarshal number 256 into Go value of type uint8",
		`{"tags":"a"}`:             "row 1: tags: json: cannot unmarshal string into Go value of type []string",
		`{"level":"high"}`:         "row 1: level: no such level: high",
		`{"level":"panic"}`:        "row 1: level: reading a rows.level panicked with a string",
		`{"owner":"x"}`:            `row 1: owner: "x" is not a whole number of 64 bits`,
		`{"enabled":[]}`:           "row 1: enabled: want one value, not a list or an object",
		`{"network":"office"}`:     "row 1: network: the field cannot hold it, and this kind of row has no Extra",
		`{"Name":"x"}`:             "row 1: no field of this kind of row is in it",
		`{"skipped":1,"hidden":2}`: "row 1: no field of this kind of row is in it",
	} {
		_, err := readRow[row](t, text)
		require.EqualError(t, err, want)
	}
}

// No error shows the value of a hidden member, whatever its field is.
func TestErrorsOfHiddenMembers(t *testing.T) {
	t.Parallel()
	type row struct {
		PIN      int   `json:"pin"`
		Password level `json:"password"`
	}
	for _, text := range []string{`{"pin":"hunter2"}`, `{"password":"hunter2"}`, `{"password":"panic"}`} {
		_, err := readRow[row](t, text)
		require.ErrorContains(t, err, ": its value does not fit the field", text)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// unmarshaled is a row type with a method that embedding promotes.
type unmarshaled struct {
	ID    UserID `json:"userId" row:"id"`
	Name  string `json:"name"`
	Inner string `json:"inner"`

	Extra map[string]json.RawMessage `json:"-"`
}

func (unmarshaled) UnmarshalJSON([]byte) error { return errors.New("it is not called") }

type (
	base struct {
		Inner string `json:"inner"`
		Base  string `json:"base"`
	}
	left  struct{ Same, A string }
	right struct{ Same, B string }
)

// Embedded structs are followed by the rules of encoding/json.
func TestEmbeddedStructs(t *testing.T) {
	t.Parallel()
	extra := func(name, value string) map[string]json.RawMessage {
		return map[string]json.RawMessage{name: json.RawMessage(value)}
	}
	const text = `{"userId":"7","name":"joe","inner":"i","voicemail":"1","surplus":2,"base":"b"}`

	type voicemail struct {
		unmarshaled
		Voicemail string `json:"voicemail"`
		Surplus   int    `json:"surplus"`
	}
	got, err := readRow[voicemail](t, text)
	require.NoError(t, err)
	require.Equal(t, voicemail{unmarshaled{7, "joe", "i", extra("base", `"b"`)}, "1", 2}, got, "the inner Extra takes what nobody claims")
	require.EqualValues(t, 7, LayoutOf[voicemail](format).ID(&got))
	require.Equal(t, []string{"userId"}, LayoutOf[voicemail](format).IDNames())
	_, err = readRow[voicemail](t, `{"userId":"0","voicemail":"1"}`)
	require.EqualError(t, err, `row 1: userId: "0" is not an id`)

	type twoExtras struct {
		unmarshaled
		Extra map[string]json.RawMessage `json:"-"`
	}
	two, err := readRow[twoExtras](t, `{"name":"joe","x":1}`)
	require.NoError(t, err)
	require.Equal(t, twoExtras{unmarshaled{Name: "joe"}, extra("x", "1")}, two, "the outer Extra takes all")

	type outer struct {
		unmarshaled
		User  string `json:"name"`
		Inner int    `json:"inner"`
	}
	hidden, err := readRow[outer](t, `{"name":"joe","inner":"5"}`)
	require.NoError(t, err)
	require.Equal(t, outer{User: "joe", Inner: 5}, hidden, "outer fields hide those inside")

	type ambiguous struct {
		unmarshaled
		left
		right
	}
	both, err := readRow[ambiguous](t, `{"Same":"s","A":"a","B":"b"}`)
	require.NoError(t, err)
	require.Equal(t, ambiguous{unmarshaled{Extra: extra("Same", `"s"`)}, left{A: "a"}, right{B: "b"}}, both, "of two equals neither has it")

	type named struct {
		base `json:"nested"`
		Name string `json:"name"`
	}
	inside, err := readRow[named](t, `{"name":"joe","nested":{"inner":"i"},"inner":"x"}`)
	require.NoError(t, err)
	require.Equal(t, named{Name: "joe"}, inside, "with a tag it is a field, and not exported")

	type tagged struct {
		base
		Other string `json:"Base"`
		Base  string
	}
	exact, err := readRow[tagged](t, `{"Base":"o","base":"b"}`)
	require.NoError(t, err)
	require.Equal(t, tagged{base{Base: "b"}, "o", ""}, exact, "a tag counts more than a name")
}

// Base and its like are behind pointers, which are set if a member is behind them.
type (
	Base struct {
		ID    UserID `json:"userId" row:"id"`
		Name  string `json:"name"`
		Score *int8  `json:"score"`

		Extra map[string]json.RawMessage `json:"-"`
	}
	Loop struct {
		*Loop
		Name string `json:"name"`
	}
)

func TestEmbeddedPointers(t *testing.T) {
	t.Parallel()
	type row struct {
		*Base
		User string `json:"user"`
	}
	layout := LayoutOf[row](format)
	list, err := ReadAll[row](layout, strings.NewReader(`{"userId":"7","name":"a","score":"3","x":1}`+"\n"+`{"user":"b"}`+"\n"+`{"user":"c","y":1}`+"\n"+`{"name":"d"}`), maxRow)
	require.NoError(t, err)
	require.Equal(t, []row{
		{Base: &Base{ID: 7, Name: "a", Score: new(int8(3)), Extra: map[string]json.RawMessage{"x": json.RawMessage("1")}}},
		{User: "b"},
		{Base: &Base{Extra: map[string]json.RawMessage{"y": json.RawMessage("1")}}, User: "c"},
		{Base: &Base{Name: "d"}},
	}, list)
	require.EqualValues(t, 7, layout.ID(&list[0]))
	require.Zero(t, layout.ID(&list[1]))
	_, err = readRow[row](t, `{"userId":"0"}`)
	require.EqualError(t, err, `row 1: userId: "0" is not an id`)

	loop, err := readRow[Loop](t, `{"name":"joe"}`)
	require.NoError(t, err)
	require.Equal(t, Loop{Name: "joe"}, loop)
}

// What encoding/json reads into a plain struct, a row has too.
func TestStructsAsInEncodingJSON(t *testing.T) {
	t.Parallel()
	type Deep struct {
		A, B string
		C    []int `json:"c"`
	}
	type Middle struct {
		Deep
		B string `json:"b"`
		D *Deep  `json:"d"`
	}
	type row struct {
		Middle
		*Base
		C map[string]int `json:"c"`
		a string
	}
	for _, text := range []string{
		`{"a":"1","b":"2","c":{"x":1}}`, `{"A":"1","B":"2"}`, `{"d":{"A":"x","c":[1]},"name":"n"}`, `{"name":null}`, `{"d":null,"a":"x"}`, `{"score":5}`,
	} {
		var want row
		require.NoError(t, json.Unmarshal([]byte(text), &want), text)
		got, err := readRow[row](t, text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		require.Empty(t, got.a)
	}
}

// What is not a struct is refused, and nothing panics.
func TestProblemsOfRowTypes(t *testing.T) {
	t.Parallel()
	type hidden struct{ *base }
	for want, problem := range map[string]func() (string, error){
		"map[string]interface {} is not a struct":                          func() (string, error) { return problemOf[map[string]any]() },
		"time.Time has no field that a member of a row can be put into":    func() (string, error) { return problemOf[time.Time]() },
		"string is not a struct":                                           func() (string, error) { return problemOf[string]() },
		"*rows.User is not a struct":                                       func() (string, error) { return problemOf[*User]() },
		"interface {} is not a struct":                                     func() (string, error) { return problemOf[any]() },
		"rows.hidden embeds a pointer to rows.base, which is not exported": func() (string, error) { return problemOf[hidden]() },
	} {
		said, err := problem()
		require.Equal(t, want, said)
		require.EqualError(t, err, "row 1: "+want)
	}
	_, err := readRow[struct{}](t, `{"a":1}`)
	require.NoError(t, err, "nothing is asked of the row")
	type strange struct {
		F func()   `json:"f"`
		C chan int `json:"c"`
		N string   `json:"n" row:"id"` // an id that is no number is a field like others
	}
	got, err := readRow[strange](t, `{"n":""}`)
	require.NoError(t, err)
	require.Zero(t, LayoutOf[strange](format).ID(&got))
	_, err = readRow[strange](t, `{"c":1}`)
	require.ErrorContains(t, err, "row 1: c: json: cannot unmarshal")
}

func problemOf[R any]() (string, error) {
	l := LayoutOf[R](format)
	_, err := ReadOne[R](l, strings.NewReader(`{"userId":"1"}`), maxRow)
	return l.Problem(), err
}
