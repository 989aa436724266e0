package verify_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/internal/verify"
)

// Rows of people, who have a name and a number, and rows of places, which have an
// address alone.
var (
	people = verify.Key{Name: "user", Number: "extensionNumber", Same: func(sent, got string) bool { return sent == got }}
	places = verify.Key{Name: "address", Same: people.Same, Address: func(sent, got string) bool {
		return strings.ReplaceAll(sent, ":", "") == strings.ReplaceAll(got, ":", "")
	}}
)

func row(t *testing.T, text string) (r verify.Row) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &r.Extra), text)
	return r
}

func sent(values url.Values) verify.Sent {
	return verify.Sent{Values: values, Hidden: func(name string) bool { return name == "password" }}
}

var joe = sent(url.Values{"user": {"joe"}, "extensionNumber": {"0100"}, "displayName": {"Joe"}, "password": {"hunter2"}})

func TestFits(t *testing.T) {
	t.Parallel()
	for text, fits := range map[string]bool{
		`{"userId":"7"}`:                                             true,
		`{"userId":"7","user":"joe"}`:                                true,
		`{"userId":"7","user":" JOE "}`:                              true,
		`{"userId":"7","user":"ann"}`:                                false,
		`{"userId":"7","user":""}`:                                   false,
		`{"userId":"7","extensionNumber":"0100"}`:                    true,
		`{"userId":"7","extensionNumber":100}`:                       true,
		`{"userId":"7","extensionNumber":"200"}`:                     false,
		`{"userId":"7","user":"joe","extensionNumber":"200"}`:        true,
		`{"userId":"7","user":"joe-1","extensionNumber":"0100"}`:     true,
		`{"userId":"7","user":"ann","extensionNumber":"0200"}`:       false,
		`{"userId":"7","displayName":"Ann"}`:                         true,
		`{"userId":"7","user":{"name":"ann"}}`:                       true,
		`{"userId":"7","user":null,"extensionNumber":"0100"}`:        true,
		`{"userId":"7","user":"joe","extensionNumber":"0100","x":1}`: true,
	} {
		require.Equal(t, fits, people.Fits(joe, row(t, text)), text)
	}
	office := sent(url.Values{"address": {"aa:bb"}})
	require.True(t, places.Fits(office, row(t, `{"address":"aabb"}`)))
	require.False(t, places.Fits(office, row(t, `{"address":"aacc"}`)))
	require.True(t, places.Fits(office, row(t, `{"id":"7","extensionNumber":"1"}`)))
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rows []string
		want []verify.Candidate
	}{
		"none":                    {nil, nil},
		"others":                  {[]string{`{"userId":"7","user":"ann"}`, `{"userId":"8","user":"joe2"}`}, nil},
		"one":                     {[]string{`{"userId":"7","user":"ann"}`, `{"userId":"8","user":"joe","displayName":"Joe"}`}, []verify.Candidate{equal(8)}},
		"its password is another": {[]string{`{"userId":"8","user":"joe","password":"another"}`}, []verify.Candidate{equal(8)}},
		"it differs": {
			[]string{`{"userId":"8","user":"joe","displayName":"Joseph","extensionNumber":"0200"}`},
			[]verify.Candidate{differs(8, "displayName", "extensionNumber")},
		},
		"two":                   {[]string{`{"userId":"8","user":"joe"}`, `{"userId":"9","user":"joe"}`}, []verify.Candidate{equal(8), equal(9)}},
		"another spelling":      {[]string{`{"userId":"8","user":"Joe "}`}, []verify.Candidate{differs(8, "spelling of user")}},
		"one before a spelling": {[]string{`{"userId":"8","user":"JOE"}`, `{"userId":"9","user":"joe"}`}, []verify.Candidate{equal(9)}},
		"no id":                 {[]string{`{"user":"joe"}`}, []verify.Candidate{equal(0)}},
	} {
		var list []verify.Row
		for _, text := range test.rows {
			list = append(list, row(t, text))
		}
		got, err := people.Candidates(joe, list, []string{"userId"})
		require.NoError(t, err, name)
		require.Equal(t, test.want, got, name)
	}
	_, err := people.Candidates(joe, []verify.Row{row(t, `{"userId":"7","user":"joe"}`), row(t, `{"userId":"8"}`)}, []string{"userId"})
	require.EqualError(t, err, "a row does not say its user")

	got, err := places.Candidates(sent(url.Values{"address": {"aa:bb"}}), []verify.Row{row(t, `{"id":"7","address":"aabb"}`)}, []string{"id"})
	require.NoError(t, err)
	require.Equal(t, []verify.Candidate{equal(7)}, got)
}

// Who has the number that was sent may be what was sent, under a name that the
// server has changed.
func TestRivals(t *testing.T) {
	t.Parallel()
	list := []verify.Row{
		row(t, `{"userId":"7","user":"ann","extensionNumber":"0200"}`), row(t, `{"userId":"8","user":"joe_blogs","extensionNumber":"0100"}`),
		row(t, `{"userId":"9","user":"j","extensionNumber":100}`), row(t, `{"userId":"10","user":"x"}`), row(t, `{"userId":"11","user":"y","extensionNumber":""}`),
	}
	require.Equal(t, []verify.Candidate{rival(8), rival(9)}, people.Rivals(joe, list, []string{"userId"}))
	require.Empty(t, people.Rivals(sent(url.Values{"user": {"joe"}}), list, []string{"userId"}), "no number was sent")
	require.Empty(t, places.Rivals(joe, list, []string{"userId"}), "there is none")
	zero := sent(url.Values{"user": {"joe"}, "extensionNumber": {"0"}})
	require.Empty(t, people.Rivals(zero, list, []string{"userId"}), "no number is not the number 0")
	desk := verify.Key{Name: "mac", Number: "name", Same: people.Same}
	require.Equal(t, []verify.Candidate{{ID: 8, Rival: "name", Differs: []string{"mac"}}},
		desk.Rivals(sent(url.Values{"mac": {"a"}, "name": {"Lobby"}}), []verify.Row{row(t, `{"id":"8","name":"lobby","mac":"b"}`)}, []string{"id"}))
}
