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
	require.Equal(t, want, got)
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
		"unknown members": {`{"people":[],"users":[{"user":"ann","phone":1}]}`, []string{`users[0]."phone": unknown`, `"people": unknown`}},
		"twice":           {`{"users":[{"user":"ann","user":"ben"}],"users":[{"user":"cat"}]}`, []string{`"users": is there twice`}},
		"twice within":    {`{"users":[{"user":"ann","user":"ann"}]}`, []string{`users[0]."user": is there twice`}},
		"another case":    {`{"users":[{"User":"ann"}]}`, []string{`users[0]."User": unknown`, "users[0].user: required"}},
		"wrong types": {`{"users":[{"user":1,"email":false,"dashboard":1,"ukPhoneId":"x","groups":"sales","password":7},null,"x"],"groups":{},"queues":[{"queueName":"q","members":[{"group":"g","ringSecs":1.5}]}]}`,
			[]string{"users[0].user: want a string", "users[0].password: want a string", "users[0].email: want a string", "users[0].dashboard: want true or false",
				"users[0].ukPhoneId: want a whole number", "users[0].groups: want an array", "users[1]: null", "users[2]: want an object", "groups: want an array", "queues[0].members[0].ringSecs: want a whole number",
				"users[0].user: required", "users[1].user: required", "users[2].user: required"}},
		"not an object": {`[]`, []string{"want an object"}},
		"half a character": {"{\"users\":[{\"user\":\"a\\ud800b\",\"displayName\":\"\ufffd\\uDC00\",\"password\":\"hunter2\\ud83d\",\"groups\":[\"\\ufffd\",\"\ufffd\",\"\\ud83d\\ude00\",\"\\\\ud800\"]}]}",
			[]string{`users[0].user: a \u escape is no character`, `users[0].displayName: a \u escape is no character`, `users[0].password: a \u escape is no character`, `users[0].groups[0]: a \u escape is no character`,
				"users[0].user: required", "users[0].groups[0]: an empty name"}},
		"redacted": {`{"users":[{"user":"ann","pin":"[redacted]"}]}`, []string{"users[0].pin: this is what a secret is printed as, not the secret"}},
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
	require.EqualError(t, err, "provision: not UTF-8: save the file as UTF-8")
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
