package provision_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/provision"
	"github.com/stretchr/testify/require"
)

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	want := &provision.State{
		Users: []provision.User{
			{User: "ann", DisplayName: "Ann", ExtensionNumber: "201", Email: new(""), Dashboard: new(false), UKPhoneID: 3, Groups: []string{}},
			{User: "ben"},
		},
		Groups: []provision.Group{{Name: "sales", RingRetry: new(true), CallerNameFormat: new(infinitysip.CallerNameFormat("{dgrpName}")), Members: []string{"ann"}}},
		Queues: []provision.Queue{{Name: "front", Members: []provision.QueueMember{
			{Group: "sales", RingStrategy: infinitysip.RingAll, RingAttempts: new(0), RingSecs: new(20)}}}},
		TrustedNetworks: []provision.TrustedNetwork{},
		Devices:         []provision.Device{{MACAddress: "00:00:5E:00:53:01", Name: new("Desk <1>"), Owner: new("")}},
	}
	var file bytes.Buffer
	require.NoError(t, want.WriteJSON(&file))

	got, err := provision.ReadJSON(strings.NewReader("\xef\xbb\xbf" + file.String()))

	require.NoError(t, err)
	require.Empty(t, problems(t, got))
	require.EqualExportedValues(t, *want, *got)
	var asMember struct{ State *provision.State }
	require.NoError(t, json.Unmarshal([]byte(`{"State":`+file.String()+`}`), &asMember))
	require.Equal(t, want, asMember.State)
}

func TestReadJSONProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		want []string
	}{
		"unknown members": {`{"people":[],"users":[{"user":"ann","phone":1}]}`, []string{`line 1, user ann, "phone": unknown`, `line 1, "people": unknown`}},
		"twice":           {`{"users":[{"user":"ann","user":"ben"}],"users":[{"user":"cat"}]}`, []string{`line 1, "users": is there twice`}},
		"twice within":    {`{"users":[{"user":"ann","user":"ann"}]}`, []string{`line 1, user ann, "user": is there twice`}},
		"another case":    {`{"users":[{"User":"ann"}]}`, []string{`line 1, a user without a name, "User": unknown: did you mean user?`, "line 1, a user without a name, user: required"}},
		"wrong types": {`{"users":[{"user":1,"email":false,"dashboard":1,"ukPhoneId":"x","groups":"sales","password":7},null,"x"],"groups":{},"queues":[{"queueName":"q","members":[{"group":"g","ringSecs":1.5}]}]}`,
			[]string{"line 1, a user without a name, user: must be a text, in quotation marks, not 1", "line 1, a user without a name, password: must be a text, in quotation marks", "line 1, a user without a name, email: must be a text, in quotation marks, not false", "line 1, a user without a name, dashboard: must be true or false, not 1",
				"line 1, a user without a name, ukPhoneId: must be a whole number, not a text", "line 1, a user without a name, groups: must be a list, in brackets: [ ]", "line 1, users: null: write what it is, or take it out", "line 1, a user without a name: must be an object, in braces: { }", "line 1, groups: must be a list, in brackets: [ ]", "line 1, queue q, member g, ringSecs: must be a whole number, not 1.5",
				"line 1, a user without a name, user: required", "line 1, a user without a name, user: required", "line 1, a user without a name, user: required"}},
		"not an object": {`[]`, []string{"line 1: must be an object, in braces: { }"}},
		"half a character": {"{\"users\":[{\"user\":\"a\\ud800b\",\"displayName\":\"\ufffd\\uDC00\",\"password\":\"hunter2\\ud83d\",\"groups\":[\"\\ufffd\",\"\ufffd\",\"\\ud83d\\ude00\",\"\\\\ud800\"]}]}",
			[]string{"line 1, a user without a name, user: a \\u escape is no character", "line 1, a user without a name, displayName: a \\u escape is no character", "line 1, a user without a name, password: a \\u escape is no character", "line 1, a user without a name, groups: a \\u escape is no character",
				"line 1, a user without a name, user: required", "line 1, a user without a name, groups: a letter was lost when the file was saved, or the file is cut off: type it again: \"\ufffd\"", "line 1, a user without a name, groups: an empty name"}},
		"redacted": {`{"users":[{"user":"ann","pin":"[redacted]"}]}`, []string{"line 1, user ann, pin: this is what a secret is printed as, not the secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := provision.ReadJSON(strings.NewReader(test.file))
			require.NoError(t, err)
			require.Equal(t, test.want, problems(t, got))
		})
	}
	_, err := provision.ReadJSON(strings.NewReader("{"))
	require.ErrorContains(t, err, "not JSON")
	_, err = provision.ReadJSON(strings.NewReader(""))
	require.ErrorContains(t, err, "not JSON")
	_, err = provision.ReadJSON(strings.NewReader("{\"users\":[{\"user\":\"zo\xeb\"}]}"))
	require.EqualError(t, err, "provision: line 1: not UTF-8: save the file as UTF-8")
}

// named is a file with a name, as an *os.File is.
type named struct{ *strings.Reader }

func (named) Name() string { return "office.json" }

// A message says the file, the line and the thing, also of what only Check or another
// state shows.
func TestReadJSONSaysWhere(t *testing.T) {
	t.Parallel()
	state, err := provision.ReadJSON(named{strings.NewReader(`{
  "users": [
    {"user": "ann", "extensionNumber": "01o0"},
    {
      "user": "zoe\u0308", "displayName": "Zoe\u0308", "pin": "x1",
      "mobilenumber": "07700 900123", "password": " \u00a0"
    },
    {"user": "ANN", "password": "hunter2 "}
  ],
  "groups": [{"groupName": "sales",
    "members": ["bob"], "ringRetry": "yes"}],
  "queues": [{"queueName": "front", "members": [
    {"group": "sales"},
    {"group": "night", "ringSecs": "20"}]}],
  "devices": [{"deviceMacAddress": "001565-abcd01", "user": "zoë"}, {"deviceMacAddress": "0:15:65:ab:cd:2"}]
}`)})
	require.NoError(t, err)
	require.Equal(t, []string{
		`office.json, line 3, user ann, extensionNumber: not digits alone: "01o0"`,
		"office.json, line 4, user zoë, pin: not digits alone",
		`office.json, line 6, user zoë, "mobilenumber": unknown: did you mean mobileNumber?`,
		`office.json, line 8, user ANN, user: "ANN" is there twice, first in line 3`,
		"office.json, line 8, user ANN, password: begins or ends with a blank: take it away",
		`office.json, line 10, group sales, members: "bob" is not in the state`,
		"office.json, line 11, group sales, ringRetry: must be true or false, not a text",
		`office.json, line 12, queue front, member night, group: "night" is not in the state`,
		"office.json, line 14, queue front, member night, ringSecs: must be a whole number, not a text",
	}, problems(t, state))
	require.Equal(t, "zo\u00eb", state.Users[1].User)
	require.Equal(t, "Zo\u00eb", state.Users[1].DisplayName)
	require.True(t, state.Users[1].Password.IsZero())
	require.Equal(t, []string{"00:15:65:AB:CD:01", "00:15:65:AB:CD:02"}, []string{state.Devices[0].MACAddress, state.Devices[1].MACAddress})

	for file, want := range map[string]string{
		"{\n\"users\": [}":                         "provision: office.json, line 2: not JSON: invalid character '}' looking for beginning of value",
		"{\n\"users\": [\n{\"user\":\"zo\xeb\"}]}": "provision: office.json, line 3: not UTF-8: save the file as UTF-8",
		"PK\x03\x04xl/":                            "provision: office.json: this is an Excel workbook (.xlsx), not JSON",
	} {
		_, err := provision.ReadJSON(named{strings.NewReader(file)})
		require.EqualError(t, err, want)
	}

	// In a state that is a part of other JSON the lines would mislead.
	var part struct{ State provision.State }
	require.NoError(t, json.Unmarshal([]byte("{\"State\":\n{\"users\":[{\"user\":\"ann\",\"pin\":\"x\",\"Email\":\"\"}],\"queues\":[{\"queueName\":\"q\",\"members\":[{\"group\":\"g\",\"ringSecs\":true}]}]}}"), &part))
	require.Equal(t, []string{`users[0] (ann), "Email": unknown: did you mean email?`, "queues[0] (q), members[0] (g), ringSecs: must be a whole number, not true", "users[0] (ann), pin: not digits alone"}, problems(t, &part.State))
}

func TestReadJSONInUTF16(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("\xff\xfe")
	for _, r := range `{"users":[{"user":"zoë"}]}` {
		file.WriteString(string([]byte{byte(r), 0}))
	}
	state, err := provision.ReadJSON(strings.NewReader(file.String()))
	require.NoError(t, err)
	require.Equal(t, "zoë", state.Users[0].User)
}

func TestReadJSONSecrets(t *testing.T) {
	t.Parallel()
	got, err := provision.ReadJSON(strings.NewReader(`{"users":[{"user":"ann","password":"hunter2","pin":"1234"}]}`))
	require.NoError(t, err)
	require.Equal(t, "hunter2", got.Users[0].Password.Reveal())
	require.Equal(t, "1234", got.Users[0].PIN.Reveal())

	var file bytes.Buffer
	require.NoError(t, got.WriteJSON(&file))
	require.JSONEq(t, `{"users":[{"user":"ann"}]}`, file.String())
}

func FuzzReadJSON(f *testing.F) {
	f.Add(`{"users":[{"user":"ann","password":"p","email":"","groups":[]}],"queues":[{"queueName":"q","extensionNumber":"1","members":[{"group":"g","ringSecs":1}]}]}`)
	f.Add(`{"trustedNetworks":[{"network":"10.0.0.1/8"}],"devices":[{"deviceMacAddress":"00-00-5e-00-53-01","user":null}]}`)
	f.Fuzz(func(t *testing.T, file string) {
		state, err := provision.ReadJSON(strings.NewReader(file))
		if err != nil || state.Check() != nil {
			return
		}
		var first, again bytes.Buffer
		require.NoError(t, state.WriteJSON(&first))
		read, err := provision.ReadJSON(strings.NewReader(first.String()))
		require.NoError(t, err)
		require.NoError(t, read.Check())
		require.NoError(t, read.WriteJSON(&again))
		require.Equal(t, first.String(), again.String())
	})
}
