package form_test

import (
	"encoding/binary"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/form"
)

type (
	userID int64
	volume int
	colour string
	secret struct{ text string } // a type that package form does not know
)

func (s secret) IsZero() bool { return s.text == "" }

// problem is that of a type that knows its values.
func (c colour) problem() string {
	if c == "plaid" {
		return "not a colour"
	}
	return ""
}

// newFormat is that of the parameters below.
func newFormat() *form.Format {
	return &form.Format{
		Text: func(value any) (string, bool) {
			switch value := value.(type) {
			case secret:
				return value.text, true
			case netip.Prefix:
				if value.IsValid() {
					return value.String(), true
				}
				return "", true
			}
			return "", false
		},
		Secret: reflect.TypeFor[secret](),
		Problem: func(value any) string {
			if c, ok := value.(colour); ok {
				return c.problem()
			}
			return ""
		},
		Checks: map[string]func(string) (string, string){
			"upper": func(text string) (string, string) {
				if strings.ContainsAny(text, "0123456789") {
					return "", "holds a digit"
				}
				return strings.ToUpper(text), ""
			},
		},
		MaxOrder: 3,
	}
}

var format = newFormat()

// Parameters with one field.
type (
	text struct {
		Name string `url:"name"`
	}
	optionalText struct {
		Name string `url:"name,omitempty"`
	}
	emptyText struct {
		Name string `url:"name" check:"mayBeEmpty"`
	}
	newText struct {
		Name *string `url:"name,omitempty"`
	}
	newBare struct {
		Name     *string `url:"name"`
		Password *secret `url:"password"`
	}
	upperText struct {
		Name string `url:"name" check:"upper"`
	}
	newUpperText struct {
		Name *string `url:"name,omitempty" check:"upper"`
	}
	uncheckedText struct {
		Name string `url:"name" check:"nobodyKnows"`
	}
	id struct {
		User userID `url:"userId"`
	}
	optionalID struct {
		User userID `url:"userId,omitempty"`
	}
	newID struct {
		User *userID `url:"userId,omitempty"`
	}
	count struct {
		Volume volume `url:"volume"`
	}
	optionalCount struct {
		Volume volume `url:"volume,omitempty"`
	}
	newCount struct {
		Volume *volume `url:"volume,omitempty"`
	}
	flag struct {
		On bool `url:"on,int"`
	}
	newFlag struct {
		On *bool `url:"on,int,omitempty"`
	}
	password struct {
		Password secret `url:"password"`
	}
	optionalPassword struct {
		Password secret `url:"password,omitempty"`
	}
	newPassword struct {
		Password *secret `url:"password,omitempty"`
	}
	network struct {
		Network netip.Prefix `url:"network"`
	}
	optionalNetwork struct {
		Network netip.Prefix `url:"network,omitempty"`
	}
	painted struct {
		Colour colour `url:"colour"`
	}
	newPainted struct {
		Colour *colour `url:"colour,omitempty"`
	}
	list struct {
		Users []userID `url:"userId,brackets"`
	}
	order struct {
		Users []userID `url:"userId,brackets" check:"order"`
	}
	plainList struct {
		Users []userID `url:"userId"`
	}
)

const (
	broken   = "holds a line break or a NUL"
	notUTF8  = "is not valid UTF-8"
	required = "required"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	none := url.Values{}
	one := func(name string, values ...string) url.Values { return url.Values{name: values} }
	for name, test := range map[string]struct {
		params any
		want   url.Values
	}{
		"a text":                       {text{"joe & co"}, one("name", "joe & co")},
		"blanks":                       {text{" "}, one("name", " ")},
		"beyond ASCII":                 {text{"日本😀"}, one("name", "日本😀")},
		"a tab":                        {text{"a\tb"}, one("name", "a\tb")},
		"an optional text":             {optionalText{"joe"}, one("name", "joe")},
		"no optional text":             {optionalText{}, none},
		"a text that may be empty":     {emptyText{}, one("name", "")},
		"and is not":                   {emptyText{"joe"}, one("name", "joe")},
		"a new text":                   {newText{new("joe")}, one("name", "joe")},
		"a new text that is empty":     {newText{new("")}, one("name", "")},
		"no new text":                  {newText{}, none},
		"new ones, never left out":     {newBare{new(""), new(secret{})}, url.Values{"name": {""}, "password": {""}}},
		"a text that is rewritten":     {upperText{"joe"}, one("name", "JOE")},
		"a new text that is rewritten": {newUpperText{new("joe")}, one("name", "JOE")},
		"no new text for a check":      {newUpperText{}, none},
		"a check that nobody has":      {uncheckedText{"joe1"}, one("name", "joe1")},

		"an id":          {id{7}, one("userId", "7")},
		"the largest id": {id{1<<63 - 1}, one("userId", "9223372036854775807")},
		"an optional id": {optionalID{7}, one("userId", "7")},
		"no optional id": {optionalID{}, none},
		"a new id":       {newID{new(userID(7))}, one("userId", "7")},
		"no new id":      {newID{}, none},

		"a count":           {count{7}, one("volume", "7")},
		"a count of 0":      {count{}, one("volume", "0")},
		"no optional count": {optionalCount{}, none},
		"a new count of 0":  {newCount{new(volume(0))}, one("volume", "0")},
		"no new count":      {newCount{}, none},

		"a flag":         {flag{true}, one("on", "1")},
		"no flag":        {flag{}, one("on", "0")},
		"a new flag":     {newFlag{new(true)}, one("on", "1")},
		"a new no":       {newFlag{new(false)}, one("on", "0")},
		"no flag at all": {newFlag{}, none},

		"a password":           {password{secret{"hunter2"}}, one("password", "hunter2")},
		"an optional password": {optionalPassword{secret{"hunter2"}}, one("password", "hunter2")},
		"no optional password": {optionalPassword{}, none},
		"a new password":       {newPassword{new(secret{"hunter2"})}, one("password", "hunter2")},
		"no password any more": {newPassword{new(secret{})}, one("password", "")},
		"no new password":      {newPassword{}, none},
		"a network":            {network{netip.MustParsePrefix("10.0.20.10/24")}, one("network", "10.0.20.10/24")},
		"no optional network":  {optionalNetwork{}, none},

		"a colour":      {painted{"red"}, one("colour", "red")},
		"no new colour": {newPainted{}, none},

		"a list":                  {list{[]userID{3, 1, 3}}, one("userId[]", "3", "1", "3")},
		"a list without brackets": {plainList{[]userID{3, 1}}, one("userId", "3", "1")},
		"a list of many":          {list{slices.Repeat([]userID{7}, 5000)}, one("userId[]", slices.Repeat([]string{"7"}, 5000)...)},
		"an order":                {order{[]userID{3, 1, 2}}, one("userId[]", "3", "1", "2")},

		"no fields": {struct{}{}, none},
	} {
		got, problems := encode(t, test.params)
		require.Empty(t, problems, name)
		require.Equal(t, test.want, got.Values, name)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		params      any
		param, text string
	}{
		"no text":                      {text{}, "name", required},
		"a carriage return":            {text{"a\rb"}, "name", broken},
		"a line feed":                  {text{"a\n"}, "name", broken},
		"a NUL":                        {text{"\x00a"}, "name", broken},
		"half a character":             {text{"a\xffb"}, "name", notUTF8},
		"a bad optional text":          {optionalText{"a\x00"}, "name", broken},
		"and is bad":                   {emptyText{"\n"}, "name", broken},
		"a new text that is bad":       {newText{new("a\x00")}, "name", broken},
		"a text that its check knows":  {upperText{"joe1"}, "name", "holds a digit"},
		"no text for a check":          {upperText{}, "name", required},
		"a bad text, and a good check": {upperText{"joe\n"}, "name", broken},
		"a new bad one for a check":    {newUpperText{new("1")}, "name", "holds a digit"},
		"none for a check nobody has":  {uncheckedText{}, "name", required},

		"no id":                {id{}, "userId", "must be a positive id, not 0"},
		"a negative id":        {id{-1234}, "userId", "must be a positive id, not -1234"},
		"a bad optional id":    {optionalID{-1}, "userId", "must be a positive id, not -1"},
		"a new id that is 0":   {newID{new(userID(0))}, "userId", "must be a positive id, not 0"},
		"a new id that is bad": {newID{new(userID(-1))}, "userId", "must be a positive id, not -1"},

		"a negative count":        {count{-1}, "volume", "must not be negative: -1"},
		"a bad optional count":    {optionalCount{-1}, "volume", "must not be negative: -1"},
		"a new count that is bad": {newCount{new(volume(-1))}, "volume", "must not be negative: -1"},

		"no password":                {password{}, "password", required},
		"a bad password":             {password{secret{"hunter\n2"}}, "password", broken},
		"half a password":            {password{secret{"hunter\xff"}}, "password", notUTF8},
		"a new password that is bad": {newPassword{new(secret{"\x00"})}, "password", broken},
		"no network":                 {network{}, "network", required},

		"no colour":              {painted{}, "colour", required},
		"none that its type has": {painted{"plaid"}, "colour", "not a colour"},
		"a new one that is none": {newPainted{new(colour("plaid"))}, "colour", "not a colour"},

		"no list":                 {list{}, "userId", "an empty list of ids"},
		"an empty list":           {list{[]userID{}}, "userId", "an empty list of ids"},
		"a list with a 0":         {list{[]userID{7, 0, -1}}, "userId", "id 2 of the list must be positive, not 0"},
		"a list with a minus":     {list{[]userID{-7, 8}}, "userId", "id 1 of the list must be positive, not -7"},
		"an order that is long":   {order{[]userID{4, 3, 2, 1}}, "userId", "4 ids: the server takes an order of at most 3"},
		"an order with one twice": {order{[]userID{3, 1, 3}}, "userId", "id 3 is in the order twice"},
		"an order with a 0":       {order{[]userID{3, 0}}, "userId", "id 2 of the list must be positive, not 0"},
		"no order":                {order{}, "userId", "an empty list of ids"},
	} {
		_, problems := encode(t, test.params)
		require.Equal(t, []form.Problem{{Name: test.param, Text: test.text}}, problems, name)
	}
}

// mixed are parameters of a kind each, in an order that is not that of the names.
type mixed struct {
	Name     string   `url:"name"`
	Users    []userID `url:"userId,brackets" check:"order"`
	Group    userID   `url:"groupId"`
	Password secret   `url:"password"`
	Colour   colour   `url:"colour,omitempty"`
	Volume   volume   `url:"volume"`
	PIN      *secret  `url:"pin,omitempty"`
	Alias    string   `url:"alias" check:"upper"`
	On       bool     `url:"on,int"`
	Note     *string  `url:"note,omitempty"`
}

// All problems come at once, in the order of the fields, each field's once.
func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	_, problems := encode(t, mixed{
		Name: "\xff\n", Users: []userID{1, 2, 3, 0}, Group: -1, Colour: "plaid", Volume: -5, PIN: &secret{"\r"}, Alias: "4\n",
	})
	require.Equal(t, []form.Problem{
		{Name: "name", Text: broken}, {Name: "userId", Text: "4 ids: the server takes an order of at most 3"}, {Name: "groupId", Text: "must be a positive id, not -1"},
		{Name: "password", Text: required}, {Name: "colour", Text: "not a colour"}, {Name: "volume", Text: "must not be negative: -5"},
		{Name: "pin", Text: broken}, {Name: "alias", Text: "holds a digit"},
	}, problems)
}

func TestAllFieldsAtOnce(t *testing.T) {
	t.Parallel()
	params := mixed{Name: "joe", Users: []userID{2, 1}, Group: 3, Password: secret{"hunter2"}, PIN: &secret{"4711"}, Alias: "joe", Note: new("n")}
	got, problems := encode(t, params)
	require.Empty(t, problems)
	require.Equal(t, url.Values{
		"name": {"joe"}, "userId[]": {"2", "1"}, "groupId": {"3"}, "password": {"hunter2"}, "volume": {"0"}, "pin": {"4711"}, "alias": {"JOE"}, "on": {"0"}, "note": {"n"},
	}, got.Values)
	require.Equal(t, []string{"password", "pin"}, got.Hidden)
	require.Equal(t, []string{"hunter2", "4711"}, got.Secrets())
	require.Equal(t, "joe", params.Alias, "what was passed in is not changed")

	got, problems = encode(t, mixed{Name: "joe", Users: []userID{2}, Group: 3, Password: secret{"hunter2"}, Alias: "joe"})
	require.Empty(t, problems)
	require.Equal(t, []string{"hunter2"}, got.Secrets(), "what is not given is no secret")
	require.Empty(t, form.Form{}.Secrets())
}

// No problem repeats a text, which may be secret.
func TestProblemsRepeatNoText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"hunter2\n", "hunter2\xff"} {
		_, problems := encode(t, mixed{Name: text, Password: secret{text}, PIN: &secret{text}, Alias: text})
		require.Len(t, problems, 6)
		for _, problem := range problems {
			require.NotContains(t, problem.Text, "hunter2")
		}
		require.NotContains(t, form.TextProblem(text), "hunter2")
	}
}

func TestNotAStruct(t *testing.T) {
	t.Parallel()
	got, problems := format.Encode(7)
	require.Len(t, problems, 1)
	require.Equal(t, "params", problems[0].Name)
	require.Zero(t, got)
}

func TestHas(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"name": true, "userId": true, "userId[]": true, "userId[0]": true, "name[]": true, "password": true, "pin": true, "on": true,
		"Name": false, "user": false, "userIds": false, "": false, "[]": false,
	} {
		require.Equal(t, want, format.Has(mixed{}, name), name)
	}
	require.False(t, format.Has(struct{}{}, "name"))
}

func TestFormHas(t *testing.T) {
	t.Parallel()
	f := form.Form{Values: url.Values{"name": {"x"}, "ids[]": {"1"}}}
	for name, want := range map[string]bool{"name": true, "name[]": true, "ids": true, "ids[a]": true, "Name": false, "": false} {
		require.Equal(t, want, f.Has(name), name)
	}
	require.False(t, form.Form{}.Has("name"))
}

// What is kept of a type is of that type alone, also of one that has the same
// name, and of that format alone.
func TestTypesAreApart(t *testing.T) {
	t.Parallel()
	one, other := newFormat(), newFormat()
	other.Secret = reflect.TypeFor[colour]()
	for range 2 {
		func() {
			type params struct {
				A secret `url:"a"`
			}
			got, problems := one.Encode(params{secret{"1"}})
			require.Empty(t, problems)
			require.Equal(t, []string{"a"}, got.Hidden)
			require.True(t, one.Has(params{}, "a"))
		}()
		func() {
			type params struct {
				B colour `url:"b"`
			}
			got, problems := one.Encode(params{"red"})
			require.Empty(t, problems)
			require.Empty(t, got.Hidden)
			require.False(t, one.Has(params{}, "a"))
			got, problems = other.Encode(params{"red"})
			require.Empty(t, problems)
			require.Equal(t, []string{"b"}, got.Hidden)
		}()
	}
}

// A type is taken apart once. Not parallel: AllocsPerRun does not allow it.
func TestATypeIsTakenApartOnce(t *testing.T) {
	var params any = mixed{}
	first := testing.AllocsPerRun(1, func() { newFormat().Has(params, "nobody") })
	f := newFormat()
	f.Has(params, "nobody")
	require.Less(t, testing.AllocsPerRun(10, func() { f.Has(params, "nobody") }), first/4)
}

// A Format is for all who call at once.
func TestAFormatIsShared(t *testing.T) {
	t.Parallel()
	f := newFormat()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			got, problems := f.Encode(text{"joe"})
			if len(problems) > 0 || got.Values.Get("name") != "joe" || f.Has(list{}, "name") || !f.Has(list{}, "userId") {
				t.Error(got, problems)
			}
		})
	}
	all.Wait()
}

func TestTextProblem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "joe": "", " a\tb ": "", "日本😀": "", "\u2028": "", "\x1b[31m": "", "\ufffd": "",
		"a\r": broken, "\nb": broken, "a\x00b": broken, "\xff": notUTF8, "日\xe6": notUTF8, "\xed\xa0\x80": notUTF8, "\xff\n": broken,
	} {
		require.Equal(t, want, form.TextProblem(text), "%q", text)
	}
}

func TestCountProblem(t *testing.T) {
	t.Parallel()
	require.Empty(t, form.CountProblem(0))
	require.Empty(t, form.CountProblem(1<<63-1))
	require.Equal(t, "must not be negative: -1", form.CountProblem(-1))
	require.Equal(t, "must not be negative: -9223372036854775808", form.CountProblem(-1<<63))
}

// A form gives back what was put into it, and nothing that was not. It is refused
// if, and only if, something in it is missing or not to be sent, and then all of
// that is named.
func FuzzForm(f *testing.F) {
	f.Add("joe.bloggs", `pa"ss wörd&=+%/`, "", "red", int64(3), int64(0), int(0), false, uint8(0), []byte{0, 1, 0, 2})
	f.Add("a\x00b", "c\nd", "e\rf", "\xff", int64(-1), int64(-1), int(-1), true, uint8(1), []byte{0, 1, 0, 1})
	f.Add("", "", "", "plaid", int64(0), int64(7), int(1), false, uint8(2), []byte{})
	f.Add("日本", "&amp;", "a=b&c=d", "", int64(1), int64(1), int(0), true, uint8(255), []byte{0, 1, 0, 2, 0, 3, 0, 4})
	f.Fuzz(func(t *testing.T, name, password, optional, paint string, group, phone int64, loud int, on bool, given uint8, users []byte) {
		type create struct {
			Name     string   `url:"name"`
			Password secret   `url:"password"`
			Optional string   `url:"optional,omitempty"`
			PIN      secret   `url:"pin,omitempty"`
			Colour   colour   `url:"colour" check:"mayBeEmpty"`
			Group    userID   `url:"groupId"`
			Phone    userID   `url:"phoneId,omitempty"`
			Volume   volume   `url:"volume"`
			On       bool     `url:"on,int"`
			Users    []userID `url:"userId,brackets"`
			Order    []userID `url:"order,brackets" check:"order"`
		}
		type update struct {
			Name     *string `url:"name,omitempty"`
			Password *secret `url:"password,omitempty"`
			Colour   *colour `url:"colour,omitempty"`
			Group    *userID `url:"groupId,omitempty"`
			Volume   *volume `url:"volume,omitempty"`
			On       *bool   `url:"on,int,omitempty"`
		}
		good := func(text string) bool { return utf8.ValidString(text) && !strings.ContainsAny(text, "\r\n\x00") }
		flagged := map[bool]string{true: "1", false: "0"}[on]

		var ids []userID
		var texts []string
		for pair := range slices.Chunk(users, 2) {
			id := userID(int16(binary.BigEndian.Uint16(append(pair, 0)[:2])))
			ids, texts = append(ids, id), append(texts, strconv.Itoa(int(id)))
		}
		unique := slices.Compact(slices.Sorted(slices.Values(ids)))
		positive := len(ids) > 0 && unique[0] > 0

		want := url.Values{
			"name": {name}, "password": {password}, "colour": {paint}, "groupId": {strconv.FormatInt(group, 10)}, "volume": {strconv.Itoa(loud)},
			"on": {flagged}, "userId[]": texts, "order[]": texts,
		}
		if optional != "" {
			want["optional"], want["pin"] = []string{optional}, []string{optional}
		}
		if phone != 0 {
			want.Set("phoneId", strconv.FormatInt(phone, 10))
		}
		var wrong []string
		wants := func(good bool, name string) {
			if !good {
				wrong = append(wrong, name)
			}
		}
		wants(good(name) && name != "", "name")
		wants(good(password) && password != "", "password")
		wants(good(optional), "optional")
		wants(good(optional), "pin")
		wants(good(paint) && paint != "plaid", "colour")
		wants(group > 0, "groupId")
		wants(phone >= 0, "phoneId")
		wants(loud >= 0, "volume")
		wants(positive, "userId")
		wants(positive && len(ids) <= 3 && len(unique) == len(ids), "order")
		requireForm(t, want, wrong, create{
			name, secret{password}, optional, secret{optional}, colour(paint), userID(group), userID(phone), volume(loud), on, ids, ids,
		})

		var changes update
		want, wrong = url.Values{}, nil
		for i, change := range []struct {
			name, text string
			good       bool
			set        func()
		}{
			{"name", name, good(name), func() { changes.Name = &name }},
			{"password", password, good(password), func() { changes.Password = &secret{password} }},
			{"colour", paint, good(paint) && paint != "plaid", func() { changes.Colour = new(colour(paint)) }},
			{"groupId", strconv.FormatInt(group, 10), group > 0, func() { changes.Group = new(userID(group)) }},
			{"volume", strconv.Itoa(loud), loud >= 0, func() { changes.Volume = new(volume(loud)) }},
			{"on", flagged, true, func() { changes.On = &on }},
		} {
			if given>>i&1 == 0 {
				continue
			}
			change.set()
			want.Set(change.name, change.text)
			wants(change.good, change.name)
		}
		requireForm(t, want, wrong, changes)
	})
}

// encode encodes params. It requires that Check tells the same of them.
func encode(t *testing.T, params any) (form.Form, []form.Problem) {
	t.Helper()
	got, problems := format.Encode(params)
	checked, given := format.Check(params)
	require.Equal(t, problems, checked)
	if len(problems) == 0 {
		require.Equal(t, len(got.Values) > 0, given, "%+v", params)
	}
	return got, problems
}

// requireForm requires that params give these pairs, or that these names are
// wrong.
func requireForm(t *testing.T, want url.Values, wrong []string, params any) {
	t.Helper()
	got, problems := encode(t, params)
	var names []string
	for _, problem := range problems {
		names = append(names, problem.Name)
	}
	require.Equal(t, wrong, names, "%+v: %v", params, problems)
	if len(wrong) > 0 {
		return
	}
	back, err := url.ParseQuery(got.Values.Encode())
	require.NoError(t, err)
	require.Equal(t, want, back)
}
