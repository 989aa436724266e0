package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
	"github.com/infinitysip/infinitysip/provision"
)

// values are the members of a row as text, whatever its fields are. An empty
// number or time is as good as 0 or none.
func values(t *testing.T, row any) map[string]string {
	all := make(map[string]string)
	add(t, all, reflect.ValueOf(row))
	return all
}

func add(t *testing.T, all map[string]string, row reflect.Value) {
	for field, value := range row.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			add(t, all, value)
			continue
		case name == "" || name == "-":
			require.Zero(t, value.Len(), "members that no field claims")
			continue
		}
		var text string
		switch v := value.Interface().(type) {
		case infinitysip.Secret:
			text = v.Reveal()
		case time.Time:
			text = v.Format(datetimeLayout)
		case datetime:
			text = v.Format(datetimeLayout)
		default:
			switch {
			case value.CanInt():
				text = strconv.FormatInt(value.Int(), 10)
			case value.Kind() == reflect.Bool:
				text = bit(value.Bool())
			default:
				text = value.String()
			}
		}
		if text == "0" {
			text = ""
		}
		all[name] = text
	}
}

// Every way reads the same values out of the same rows.
func TestRowWays(t *testing.T) {
	t.Parallel()
	const n = 600 // so many that not all rows look alike
	tests := map[string]struct {
		rows  *bench.Rows
		ways  func(http.RoundTripper) []rowWay
		check func(t *testing.T, i int, row map[string]string)
	}{
		"users": {bench.UserRows(n), userWays, func(t *testing.T, i int, row map[string]string) {
			require.Len(t, row, 22)
			require.Equal(t, strconv.Itoa(bench.UserID+i), row["userId"])
			require.Equal(t, "Sales", row["departmentName"])
		}},
		"devices": {bench.DeviceRows(n), deviceWays, func(t *testing.T, i int, row map[string]string) {
			require.Len(t, row, 8)
			require.Equal(t, strconv.Itoa(bench.UserID+i), row["pbxDeviceId"])
			require.True(t, strings.HasPrefix(row["deviceMacAddress"], "10:20:30:1A:"))
		}},
		"escapes": {bench.EscapedUserRows(n), streamWays, func(t *testing.T, _ int, row map[string]string) {
			require.Equal(t, "Sales/EU", row["departmentName"])
			require.Equal(t, "Orléans", row["officeName"])
		}},
		"kept": {bench.UserRows(n), collectWays, func(t *testing.T, i int, row map[string]string) {
			require.Equal(t, strconv.Itoa(bench.UserID+i), row["userId"])
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first []map[string]string
			for _, way := range test.ways(test.rows.Memory()) {
				require.NoError(t, way.read(), way.name)
				if way.rows == nil {
					continue // it keeps nothing
				}
				rows, err := way.rows()
				require.NoError(t, err, way.name)
				require.Len(t, rows, n, way.name)
				for i, row := range rows {
					got := values(t, row)
					if len(first) < n {
						first = append(first, got)
						test.check(t, i, got)
					}
					require.Equal(t, first[i], got, "%s, row %d", way.name, i)
				}
			}
		})
	}
}

// The floors do not pass over what is wrong.
func TestFloors(t *testing.T) {
	t.Parallel()
	require.NoError(t, scan([]byte(`{"a":"b\\","c":"\""}`+"\n")))
	for _, line := range []string{`["a"]`, `{"a" "b"}`, `{"a":"b}`, `{"a":"b";`, `{"a":1}`} {
		require.Error(t, scan([]byte(line+"\n")), line)
		require.Error(t, valid([]byte(line[1:])), line)
	}
	require.Error(t, lineEnds([]byte("cut")))
}

// Sizes are those that the tables name.
func TestRowSizes(t *testing.T) {
	t.Parallel()
	for path, size := range map[string]struct {
		rows *bench.Rows
		want int
	}{
		usersPath:   {bench.UserRows(1000), 531},
		devicesPath: {bench.DeviceRows(1000), 237},
	} {
		resp, err := get(size.rows.Memory(), path)
		require.NoError(t, err)
		require.NoError(t, lines(resp.Body, func(line []byte) error {
			require.Len(t, line, size.want, "%s", line)
			return nil
		}))
	}
}

// Every caller sends the same, to the letter, and understands the answers.
func TestCallers(t *testing.T) {
	t.Parallel()
	type sent struct {
		method, url, authorization, contentType string
		form                                    url.Values
	}
	var last sent
	transport := bench.Fixed(http.StatusCreated, bench.Created(), bench.UserRow())
	transport.Watch = func(req *http.Request, body string) {
		form, err := url.ParseQuery(body)
		require.NoError(t, err)
		last = sent{req.Method, req.URL.String(), req.Header.Get("Authorization"), req.Header.Get("Content-Type"), form}
	}
	form := formOf(bench.UserParams()).values()
	require.Len(t, form, 20)
	var first map[string]string
	for _, caller := range callers(transport) {
		id, err := caller.create()
		require.NoError(t, err, caller.name)
		require.EqualValues(t, bench.UserID, id, caller.name)
		require.Equal(t, sent{"POST", bench.BaseURL + usersPath, "ApiKey " + bench.Key, "application/x-www-form-urlencoded", form}, last, caller.name)

		row, err := caller.read()
		require.NoError(t, err, caller.name)
		require.Equal(t, sent{"GET", bench.BaseURL + userPath, "ApiKey " + bench.Key, last.contentType, url.Values{}}, last, caller.name)
		if first == nil {
			first = values(t, row)
			require.Equal(t, "joe.blogs.0000", first["user"])
		}
		require.Equal(t, first, values(t, row), caller.name)
	}
}

// A create that is refused is no success for anybody.
func TestCallersRefused(t *testing.T) {
	t.Parallel()
	for _, caller := range callers(bench.Fixed(http.StatusConflict, `{}`, bench.UserRow())) {
		_, err := caller.create()
		require.Error(t, err, caller.name)
	}
}

// A new client, a further account and another call read the same user.
func TestFirstCalls(t *testing.T) {
	t.Parallel()
	baseURL, stop, err := serveRow()
	require.NoError(t, err)
	defer stop()
	for _, way := range firstCalls(baseURL) {
		require.NoError(t, way.Run(2), way.Name)
	}
}

// Every way of a long list reads all pages, each row once.
func TestListWays(t *testing.T) {
	t.Parallel()
	for _, way := range listWays(bench.DeviceRows(2*pageRows + 10).Memory()) {
		n, first, err := way.read()
		require.NoError(t, err, way.name)
		require.Equal(t, 2*pageRows+10, n, way.name)
		require.Positive(t, first, way.name)
	}
}

// Every writer reaches a server over TLS, writes each user once and sees the
// failures.
func TestWriters(t *testing.T) { // not parallel: it sets SSL_CERT_FILE
	t.Setenv("SSL_CERT_FILE", "") // and back to what it was
	certificate, err := trusted(t.TempDir())
	require.NoError(t, err)
	for _, way := range writers() {
		result, err := writeAll(certificate, way, 8, 4, 0)
		require.NoError(t, err, way.name)
		require.Equal(t, 8, result.requests, way.name)

		tried := map[string]int{wayDefault: 1, wayTuned: 1}[way.name]
		if tried == 0 {
			tried = attempts
		}
		result, err = writeAll(certificate, way, 8, 4, 4)
		require.NoError(t, err, way.name)
		require.Equal(t, 6+2*tried, result.requests, way.name)
	}
}

// The limited servers refuse what is too much, and the runs count it.
func TestRateWays(t *testing.T) {
	t.Parallel()
	for _, limiter := range limiters() {
		allowed := 0
		for range 200 { // the window may change meanwhile
			if limiter.allow() {
				allowed++
			}
		}
		require.LessOrEqual(t, allowed, 2*perSecond, limiter.name)
		require.GreaterOrEqual(t, allowed, 5, limiter.name)
	}
	for _, way := range rateWays() {
		result, err := rateOne(way.create, bucket(50), 20)
		require.NoError(t, err, way.name)
		require.Zero(t, result.lost, way.name)
		require.Zero(t, result.refused, way.name)
		require.Positive(t, result.ofBudget, way.name)
	}
}

// Every trial has a server that differs from its state as it says, and is
// provisioned until nothing is left to do.
func TestTrials(t *testing.T) {
	t.Parallel()
	for _, trial := range trials() {
		t.Run(trial.name, func(t *testing.T) {
			t.Parallel()
			const n = 204
			server, domain, err := trial.start(n, 0)
			require.NoError(t, err)
			t.Cleanup(server.Close)
			s := &site{client: server.InProcessClient(), domain: domain}
			opts := &provision.PlanOptions{Prune: trial.prune, MaxDeletes: n}
			changes, err := provision.Plan(t.Context(), s.client, domain, trial.after(n), opts)
			require.NoError(t, err)
			require.Equal(t, trial.same, changes.Empty(), "%v", changes)
			_, err = changes.Apply(t.Context(), s.client, nil)
			require.NoError(t, err)
			changes, err = provision.Plan(t.Context(), s.client, domain, trial.after(n), opts)
			require.NoError(t, err)
			require.True(t, changes.Empty(), "%v", changes)
			require.NoError(t, s.readAll())

			for _, group := range server.Groups(domain) {
				for row, err := range s.client.Groups.AllUsers(t.Context(), domain, group.ID) {
					require.NoError(t, err)
					require.Equal(t, trial.noIDs, row.UserID == 0, "%v", row)
				}
			}
		})
	}
}

// A server of a trial serves until its input ends.
func TestServeTrial(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, serveTrial("new users,0,1ms", strings.NewReader(""), &out))
	require.Regexp(t, `^http://\S+ 1\n$`, out.String())
	for _, text := range []string{"", "same", "same,x,1ms", "same,1,x", "other,1,1ms"} {
		require.Error(t, serveTrial(text, strings.NewReader(""), &out), text)
	}
}

func TestIntoReadme(t *testing.T) {
	t.Parallel()
	const begin, other, end = "<!-- tables: written by go run . -readme -->\n", "<!-- tables: written by another -->\n", "<!-- end of tables -->\n"
	file := filepath.Join(t.TempDir(), "README.md")
	require.Error(t, bench.IntoReadme(file, "go run . -readme", []byte("tables\n")), "there is no README.md")
	require.NoError(t, os.WriteFile(file, []byte("before\n"+begin+"old\n"+end+other+end+"after\n"), 0o600))
	require.NoError(t, bench.IntoReadme(file, "go run . -readme", []byte("new\n")))
	require.Error(t, bench.IntoReadme(file, "no command", []byte("new\n")), "there is no place")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "before\n"+begin+"new\n"+end+other+end+"after\n", string(text))
}
