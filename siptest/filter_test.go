package siptest

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// addDevices adds devices with these names, in this order.
func addDevices(t testing.TB, s *Server, names ...string) {
	t.Helper()
	for i, name := range names {
		mac := "10:20:30:00:00:0" + strconv.Itoa(i)
		_, err := s.store.insert(devices, 1, 0, map[string]string{"pbxDeviceName": name, "deviceMacAddress": mac})
		require.NoError(t, err)
	}
}

func TestOperands(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.addDomain(0, "", "", false)
	addDevices(t, w.srv, "Lobby", "lobby 2", "Desk-9", "10", "9", "")
	tests := map[string]string{ // filter → names, comma-separated
		"pbxDeviceName-bool-value-true":         "Lobby,lobby 2,Desk-9,10,9",
		"pbxDeviceName-bool-value-false":        "",
		"pbxDeviceId-eq-value-1":                "Lobby",
		"pbxDeviceName-eq-value-Lobby":          "Lobby",
		"pbxDeviceName-eq-value-Desk-9":         "Desk-9", // a dash in the comparison
		"pbxDeviceName-eq-value-":               "",
		"pbxDeviceName-ne-value-Lobby":          "lobby 2,Desk-9,10,9,",
		"pbxDeviceName-eqi-value-LOBBY":         "Lobby",
		"pbxDeviceName-nei-value-LOBBY":         "lobby 2,Desk-9,10,9,",
		"pbxDeviceName-gt-value-9":              "Lobby,lobby 2,Desk-9,10",
		"pbxDeviceName-ge-value-9":              "Lobby,lobby 2,Desk-9,10,9",
		"pbxDeviceName-lt-value-10":             "9,",
		"pbxDeviceName-le-value-10":             "10,9,",
		"pbxDeviceName-lt-value-M":              "Lobby,Desk-9,10,9,",
		"pbxDeviceName-inc-value-obb":           "Lobby,lobby 2",
		"pbxDeviceName-inc-value-OBB":           "NONE",
		"pbxDeviceName-ninc-value-obb":          "Desk-9,10,9,",
		"pbxDeviceName-inci-value-OBB":          "Lobby,lobby 2",
		"pbxDeviceName-ninci-value-OBB":         "Desk-9,10,9,",
		"pbxDeviceName-begins-value-Lob":        "Lobby",
		"pbxDeviceName-beginsi-value-LOB":       "Lobby,lobby 2",
		"pbxDeviceName-nbegins-value-Lob":       "lobby 2,Desk-9,10,9,",
		"pbxDeviceName-nbeginsi-value-LOB":      "Desk-9,10,9,",
		"pbxDeviceName-ends-value-y":            "Lobby",
		"pbxDeviceName-ends-value-Y":            "NONE",
		"pbxDeviceName-endsi-value-Y":           "Lobby",
		"pbxDeviceName-re-value-^[Ll]ob+y":      "Lobby,lobby 2",
		"pbxDeviceName-re-value-/^LOB/i":        "Lobby,lobby 2", // as in PHP
		"pbxDeviceName-re-value-/^L/":           "Lobby",
		"pbxDeviceName-nre-value-[0-9]":         "Lobby,",
		"pbxDeviceName-in-value-Lobby,10":       "Lobby,10",
		"pbxDeviceName-ini-value-LOBBY,DESK-9":  "Lobby,Desk-9",
		"pbxDeviceName-nin-value-Lobby,10":      "lobby 2,Desk-9,9,",
		"pbxDeviceName-nini-value-LOBBY,DESK-9": "lobby 2,10,9,",
		"pbxDeviceName-glob-value-*obb?":        "Lobby",
		"pbxDeviceName-glob-value-*obby*":       "Lobby,lobby 2",
		"pbxDeviceName-glob-value-?":            "9",
		"pbxDeviceName-glob-value-[Ll]obby*":    "Lobby,lobby 2",
		"pbxDeviceName-glob-value-[!a-z]obby*":  "Lobby",
		"pbxDeviceName-glob-value-[^L]obby*":    "lobby 2",
		"deviceMacAddress-ends-value-:00":       "Lobby",
		"userId-eq-value-0":                     "Lobby,lobby 2,Desk-9,10,9,",
		"user-bool-value-true":                  "NONE",
		"updateDatetime-lt-value-2000-01-01":    "Lobby,lobby 2,Desk-9,10,9,",
	}
	seen := map[string]bool{"innet": true} // tested by TestInNetwork
	for filter, want := range tests {
		seen[strings.Split(filter, "-")[1]] = true
		got := w.values(t, root+"/1/devices?filter[]="+url.QueryEscape(filter), "pbxDeviceName")
		expected := strings.Split(want, ",")
		if want == "NONE" {
			expected = []string{}
		}
		require.Equal(t, expected, got, filter)
	}
	for operand := range operands {
		require.True(t, seen[operand], operand)
	}
	require.Len(t, operands, 27)
}

func TestGlob(t *testing.T) {
	t.Parallel()
	for pattern, tests := range map[string]map[string]bool{
		`[a-c]1`:   {"a1": true, "c1": true, "d1": false, "-1": false},
		`[!a-c]1`:  {"a1": false, "d1": true},
		`[]x]`:     {"]": true, "x": true, "]x": false},
		`[!]x]`:    {"]": false, "y": true},
		`[[^]`:     {"[": true, "^": true, "a": false},
		`[é]?`:     {"éa": true, "é": false, "aa": false},
		`a[b`:      {"a[b": true, "ab": false},
		`é+*.`:     {"é+.": true, "é+ x.": true, "é+x": false},
		`\*\[a]\\`: {`*[a]\`: true, `x[a]\`: false},
		`a\`:       {`a\`: true},
	} {
		test, err := glob(pattern)
		require.NoError(t, err, pattern)
		for value, want := range tests {
			require.Equal(t, want, test(value), "%s %s", pattern, value)
		}
	}
	_, err := glob("[z-a]")
	require.Error(t, err)
}

func TestInNetwork(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	w.must(t, "POST", root+"/1/trustedNetworks", "network=2001:db8::1/64")
	for comparison, want := range map[string][]string{
		"10.0.0.0/8":    {"1"},
		"10.0.20.0/24":  {"1"},
		"10.0.20.99/24": {"1"},
		"10.0.20.0/25":  {}, // the network is larger than the comparison
		"0.0.0.0/0":     {"1", "2"},
		"2001:db8::/32": {"3"},
		"::/0":          {"3"},
	} {
		require.Equal(t, want, w.values(t, root+"/1/trustednetworks?filter[]=network-innet-value-"+comparison, "trustedNetworkId"), comparison)
	}
	require.Empty(t, w.values(t, root+"/1/trustednetworks?filter[]=description-innet-value-0.0.0.0/0", "trustedNetworkId"))

	test, err := inNetwork("10.0.0.0/8")
	require.NoError(t, err)
	require.True(t, test("10.1.2.3"), "an address without a prefix")
	require.False(t, test("11.1.2.3"))
}

func TestSortAndPage(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{MaxRows: 4}))
	w.srv.addDomain(0, "", "", false)
	addDevices(t, w.srv, "b", "10", "a", "9", "b")
	for query, want := range map[string]string{
		"":                 "1 2 3 4", // MaxRows
		"limit=2":          "1 2",
		"limit=0":          "",
		"limit=2&offset=1": "2 3",
		"offset=4":         "5",
		"offset=5":         "",
		"offset=9223372036854775807&limit=9223372036854775807": "",
		"limit=9&offset=1":                                                  "2 3 4 5",
		"sort[]=pbxDeviceId-desc":                                           "5 4 3 2",
		"sort[]=pbxDeviceName-asc":                                          "4 2 3 1", // numbers first; equal rows keep their order
		"sort[]=pbxDeviceName-asc&offset=3":                                 "1 5",
		"sort[]=pbxDeviceName-desc":                                         "1 5 3 2",
		"sort[]=pbxDeviceName-desc&sort[]=pbxDeviceId-desc":                 "5 1 3 2",
		"sort[]=domainId-asc&sort[]=pbxDeviceId-desc&limit=1":               "5",
		"filter[]=pbxDeviceName-eq-value-b":                                 "1 5",
		"filter[]=pbxDeviceName-eq-value-b&offset=1":                        "5",
		"filter[]=pbxDeviceName-eq-value-b&filter[]=pbxDeviceId-gt-value-1": "5",
		"limit=1&limit=2":                                                   "1 2", // the last one counts
	} {
		got := w.values(t, root+"/1/devices?"+query, "pbxDeviceId")
		require.Equal(t, want, strings.Join(got, " "), query)
	}
}

func TestSortOrderIsTransitive(t *testing.T) {
	t.Parallel()
	sorted := []string{"-1", "1.5", "2", "10", "", "1a", "A", "a"}
	for i, a := range sorted {
		for j, b := range sorted {
			got := compareForSort(a, b)
			require.Equal(t, i < j, got < 0, "%s %s", a, b)
			require.Equal(t, i > j, got > 0, "%s %s", a, b)
		}
	}
}

func TestDisplayAndFormat(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{Now: atNoon}))
	addSamples(t, w)
	for query, want := range map[string]string{
		"/1/devices?display[]=pbxDeviceId":                                     `{"pbxDeviceId":"1"}` + "\n" + `{"pbxDeviceId":"2"}` + "\n",
		"/1/devices?display[]=user-owner&display[]=pbxDeviceId-a-b&limit=1":    `{"owner":"joe.blogs","a-b":"1"}` + "\n",
		"/1/devices?display[]=pbxDeviceName&sort[]=pbxDeviceId-desc&limit=1":   `{"pbxDeviceName":"Desk"}` + "\n",
		"/1/devices?format=jsonarray&display[]=pbxDeviceId":                    `[{"pbxDeviceId":"1"},{"pbxDeviceId":"2"}]`,
		"/1/devices?format=jsonarray&filter[]=pbxDeviceId-eq-value-9":          `[]`,
		"/1/devices?filter[]=pbxDeviceId-eq-value-9":                           ``,
		"/1/users?display[]=user":                                              `{"user":"joe.blogs"}` + "\n" + `{"user":"ann"}` + "\n",
		"/1/users/2?display[]=user&display[]=extensionNumber-ext":              `{"user":"ann","ext":"202"}` + "\n",
		"/1/users/2?display[]=user&format=jsonarray":                           `[{"user":"ann"}]`,
		"/1/users/1/groups?display[]=groupName&filter[]=groupName-eq-value-no": ``,
	} {
		require.Equal(t, want, w.must(t, "GET", root+query, ""), query)
	}
}

func TestMalformedQueries(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	for query, want := range map[string]string{
		"filter=pbxDeviceId-eq-value-1":          "filter must be an array: filter[]=…",
		"filter[][]=pbxDeviceId-eq-value-1":      "filter must be an array: filter[]=…",
		"filter[]=pbxDeviceId-eq-1":              "filter must be {field}-{operand}-value-{comparison}",
		"filter[]=pbxDeviceId-eq-valu-1":         "filter must be {field}-{operand}-value-{comparison}",
		"filter[]=":                              "filter must be {field}-{operand}-value-{comparison}",
		"filter[]=pbxdeviceid-eq-value-1":        `"pbxdeviceid" is not a field of these rows`,
		"filter[]=password-eq-value-1":           `"password" is not a field of these rows`,
		"filter[]=pbxDeviceId-is-value-1":        `"is" is not an operand`,
		"filter[]=pbxDeviceId-nends-value-1":     `"nends" is not an operand`,
		"filter[]=pbxDeviceId-re-value-(":        "not a regular expression",
		"filter[]=pbxDeviceId-nre-value-/a/q":    "not a regular expression",
		"filter[]=pbxDeviceId-bool-value-1":      "bool compares with true or false",
		"filter[]=pbxDeviceId-innet-value-1.2.3": "innet compares with a CIDR network",
		"sort=pbxDeviceId-asc":                   "sort must be an array: sort[]=…",
		"sort[]=pbxDeviceId":                     "sort must be {field}-asc or {field}-desc",
		"sort[]=pbxDeviceId-up":                  "sort must be {field}-asc or {field}-desc",
		"sort[]=nothing-asc":                     `"nothing" is not a field of these rows`,
		"limit=":                                 "limit must be a whole number",
		"limit=-1":                               "limit must be a whole number",
		"limit=1.5":                              "limit must be a whole number",
		"limit[]=1":                              "limit must not be an array",
		"offset=x":                               "offset must be a whole number",
		"display=user":                           "display must be an array: display[]=…",
		"display[]=nothing":                      `"nothing" is not a field of these rows`,
		"display[]=user-":                        "display: empty alias of user",
		"format=csv":                             "format must be jsonarray",
		"format=":                                "format must be jsonarray",
		"page=2":                                 `"page" is not a query parameter`,
		"Limit=2":                                `"Limit" is not a query parameter`,
	} {
		status, body := w.do(t, "GET", root+"/1/devices?"+strings.NewReplacer("(", "%28").Replace(query), "")
		require.Equal(t, 400, status, query)
		require.Equal(t, want, body, query)
	}
	for _, query := range []string{"limit=1", "offset=0", "sort[]=userId-asc", "filter[]=userId-eq-value-1"} {
		status, _ := w.do(t, "GET", root+"/1/users/1?"+query, "")
		require.Equal(t, 400, status, query)
	}
	for _, method := range []string{"POST", "DELETE"} {
		status, body := w.do(t, method, root+"/1/users/1?format=jsonarray", "email=x")
		require.Equal(t, 400, status)
		require.Equal(t, "a "+method+" takes no query", body)
	}
}

func TestUndocumentedQuery(t *testing.T) {
	t.Parallel()
	paths := []string{"", "/1/users", "/1/groups", "/1/groups/1/users", "/1/queues/1/members"}
	for _, tt := range []struct {
		name string
		with UndocumentedQuery
		rows []int // the rows for each path, with a query that selects none
	}{
		{"ignored", UndocumentedQueryIgnored, []int{1, 2, 2, 1, 2}},
		{"honoured", UndocumentedQueryHonoured, []int{0, 0, 0, 0, 0}},
		{"rejected", UndocumentedQueryRejected, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := inProcess(New(t, Options{UndocumentedQuery: tt.with}))
			addSamples(t, w)
			for i, path := range paths {
				for _, query := range []string{"limit=0", "offset=9", "filter[]=displayName-eq-value-zz", "sort[]=displayName-asc&offset=9"} {
					if path == "/1/queues/1/members" {
						query = strings.ReplaceAll(query, "displayName", "ringStrategy")
					}
					status, body := w.do(t, "GET", root+path+"?"+query, "")
					if tt.rows == nil {
						require.Equal(t, 400, status, path)
						continue
					}
					require.Equal(t, 200, status, "%s?%s: %s", path, query, body)
					require.Equal(t, tt.rows[i], strings.Count(body, "\n"), "%s?%s", path, query)
				}
			}
			for _, path := range []string{"/1/queues", "/1/devices", "/1/trustednetworks", "/1/users/1/devices", "/1/users/1/groups"} {
				require.Empty(t, w.must(t, "GET", root+path+"?limit=0", ""), path)
			}
		})
	}
}
