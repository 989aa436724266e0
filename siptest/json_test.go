package siptest

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fullOptions has a value in every option that JSON has.
func fullOptions(t *testing.T) Options {
	t.Helper()
	london, err := time.LoadLocation("Europe/London")
	require.NoError(t, err)
	return Options{
		Addr: "127.0.0.1:8080", APIKey: "key", Username: "name", Password: "word",
		BareNumbers: true, EchoSecrets: true, CreateBody: CreateBodyRow, UndocumentedQuery: UndocumentedQueryRejected,
		IgnorePaging: true, IgnoreFilters: true, AllowDuplicates: true, DuplicateStatus: 422,
		GroupUpdates: GroupUpdatesClear, Paths: PathsAnyCase, MaxRows: 100, ListLag: 5 * time.Second,
		Rewrites: Rewrites{"user": RewriteLower, "network": RewriteMask},
		Limit: &Limit{
			Requests: 20, Per: time.Minute, Burst: 3, Window: true, InFlight: 4, Status: 503,
			RetryAfter: RetryAfterDate, RetryAfterText: "61", Delay: 20 * time.Millisecond,
		},
		MaxInputVars: 50, ErrorBody: ErrorBodyHTML, Framing: FramingClose, HTTP2: true, KeepRequests: 2, CloseLate: true,
		IdleTimeout: time.Minute, Latency: 1500 * time.Microsecond, Zone: london,
	}
}

func TestOptionsJSON(t *testing.T) {
	t.Parallel()
	full := fullOptions(t)
	data, err := json.Marshal(full)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"addr":"127.0.0.1:8080","apiKey":"key","username":"name","password":"word","bareNumbers":true,"echoSecrets":true,
		"createBody":"row","undocumentedQuery":"reject","ignorePaging":true,"ignoreFilters":true,"allowDuplicates":true,
		"duplicateStatus":422,"groupUpdates":"clear","paths":"anyCase","maxRows":100,"listLag":"5s",
		"rewrites":{"network":"mask","user":"lower"},
		"limit":{"requests":20,"per":"1m0s","burst":3,"window":true,"inFlight":4,"status":503,"retryAfter":"date","retryAfterText":"61","delay":"20ms"},
		"maxInputVars":50,"errorBody":"html","framing":"close","http2":true,"keepRequests":2,"closeLate":true,
		"idleTimeout":"1m0s","latency":"1.5ms","zone":"Europe/London"
	}`, string(data))
	var read Options
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, full, read)

	data, err = json.Marshal(Options{Now: time.Now, RewriteKey: func(_, value string) string { return value }, Observe: func(Request) {}})
	require.NoError(t, err)
	require.Equal(t, "{}", string(data))
}

// An option that is new has to be in JSON too.
func TestOptionsJSONHasAllOptions(t *testing.T) {
	t.Parallel()
	full := fullOptions(t)
	for _, tt := range []struct {
		of      any
		members []member
		without []string
	}{
		{full, full.members(), []string{"TLS", "RewriteKey", "Now", "Observe"}},
		{*full.Limit, full.Limit.members(), nil},
	} {
		v := reflect.ValueOf(tt.of)
		var names []string
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			require.Equal(t, slices.Contains(tt.without, name), v.Field(i).IsZero(), "%s: set it in fullOptions", name)
			if !slices.Contains(tt.without, name) {
				names = append(names, strings.ToLower(name))
			}
		}
		var written []string
		for _, m := range tt.members {
			written = append(written, strings.ToLower(m.name))
		}
		require.ElementsMatch(t, names, written)
	}
}

func TestOptionsFromJSON(t *testing.T) {
	t.Parallel()
	o := Options{MaxRows: 7, Limit: &Limit{Requests: 1, Burst: 2}, Rewrites: Rewrites{"user": RewriteTrim}}
	before := Options{MaxRows: 7, Limit: o.Limit, Rewrites: o.Rewrites}
	require.NoError(t, json.Unmarshal([]byte(`{"limit":{"requests":5},"rewrites":{"network":"mask"},"framing":"length"}`), &o))
	require.Equal(t, Options{
		MaxRows: 7, Limit: &Limit{Requests: 5, Burst: 2}, Framing: FramingLength,
		Rewrites: Rewrites{"user": RewriteTrim, "network": RewriteMask},
	}, o)
	require.Equal(t, Limit{Requests: 1, Burst: 2}, *before.Limit, "an Options shares nothing with what it was read over")
	require.Equal(t, Rewrites{"user": RewriteTrim}, before.Rewrites)
	require.NoError(t, json.Unmarshal([]byte(`null`), &o))
}

func TestOptionsJSONProblems(t *testing.T) {
	t.Parallel()
	for text, wants := range map[string][]string{
		`{"maxrows":1,"createBody":"all","zone":"Mars/Olympus"}`: {
			`"maxrows" is not an option: use addr, apiKey, `,
			`createBody: "all" is none of id, row, none`,
			`zone: there is no time zone "Mars/Olympus"`,
		},
		`{"listLag":5}`:                  {"listLag: a JSON number is not a text"},
		`{"createBody":1}`:               {"createBody: a JSON number is not a text"},
		`{"listLag":"5"}`:                {`listLag: "5" is not a duration such as 5s or 200ms`},
		`{"http2":"yes"}`:                {"http2: a JSON string is not true or false"},
		`{"maxRows":1.5}`:                {"maxRows: a JSON number 1.5 is not a whole number"},
		`{"rewrites":["user"]}`:          {"rewrites: a JSON array is not an object"},
		`{"limit":20}`:                   {"limit: a JSON number is not an object"},
		`{"limit":null}`:                 {"limit is null: leave it out"},
		`{"limit":{"per":"x","rate":1}}`: {`limit: per: "x" is not a duration`, `"rate" is not a part of a limit: use requests, per`},
		`{"limit":{"requests":-1,"per":"-1s","burst":-1,"inFlight":-1,"delay":"-1s","status":399}}`: {
			"limit.requests is negative", "limit.per is negative", "limit.burst is negative", "limit.inFlight is negative",
			"limit.delay is negative", "limit.status is 399: use one from 400 to 599",
		},
		`{"maxRows":-1,"latency":"-1s"}`:  {"maxRows is negative", "latency is negative"},
		`{"duplicateStatus":200}`:         {"duplicateStatus is 200: use one from 400 to 599"},
		`{"rewrites":{"user":"mask"}}`:    {"the rewrite mask is for network, not for user"},
		`{"rewrites":{"user":"x"}}`:       {`"x" is not a rewrite: use one of [bare hyphens lower mask trim upper]`},
		`{"rewrites":{"email":"lower"}}`:  {`"email" is not the column of a key: use one of [user groupName queueName network deviceMacAddress]`},
		`{"rewrites":{"network":"bare"}}`: {"the rewrite bare is for deviceMacAddress, not for network"},
		`[]`:                              {"a JSON array is not an object"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			o := Options{MaxRows: 7}
			err := json.Unmarshal([]byte(text), &o)
			for _, want := range wants {
				require.ErrorContains(t, err, want)
			}
			require.Equal(t, Options{MaxRows: 7}, o)
		})
	}
	_, err := json.Marshal(Options{Zone: time.FixedZone("x", 60)})
	require.ErrorContains(t, err, "zone: ")
	_, err = json.Marshal(Options{Paths: 9})
	require.ErrorContains(t, err, "paths: ")
}
