package siptest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

func TestCreateBody(t *testing.T) {
	t.Parallel()
	creates := []struct{ path, form, id, row string }{
		{"/users", "user=u&password=p&displayName=U&extensionNumber=1", `{"userId":"1"}`, `"user":"u","displayName":"U"`},
		{"/groups", "groupName=g&displayName=G&extensionNumber=2&ringRetry=0&ringExclusive=0&callerNameFormat=", `{"groupId":"1"}`, `"groupName":"g"`},
		{"/queues", "queueName=q&displayName=Q&extensionNumber=3", `{"queueId":"1"}`, `"queueName":"q"`},
		{"/queues/1/members", "groupId=1&ringStrategy=all&ringAttempts=1&ringSecs=1&ringOrder=1", `{"queueMemberId":"1"}`, `"ringStrategy":"all"`},
		{"/trustedNetworks", "network=10.0.0.0/8", `{"trustedNetworkId":"1"}`, `"network":"10.0.0.0\/8"`},
	}
	for name, kind := range map[string]CreateBody{"id": CreateBodyID, "row": CreateBodyRow, "none": CreateBodyNone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := inProcess(New(t, Options{CreateBody: kind}))
			w.srv.addDomain(0, "", "", false)
			for _, create := range creates {
				status, body := w.do(t, "POST", root+"/1"+create.path, create.form)
				require.Equal(t, 201, status)
				switch kind {
				case CreateBodyID:
					require.Equal(t, create.id+"\n", body)
				case CreateBodyRow:
					require.Contains(t, body, strings.Trim(create.id, "{}"))
					require.Contains(t, body, create.row)
				case CreateBodyNone:
					require.Empty(t, body)
				}
			}
			// The API documents these answers.
			require.Equal(t, `{"pbxDeviceId":"1"}`+"\n", w.must(t, "POST", root+"/1/devices", "pbxDeviceName=d&deviceMacAddress=10:20:30:1A:2B:3C"))
			require.Regexp(t, `^\{"pbxDeviceId":"1","userId":"1","pbxDeviceToken":"[0-9a-f]{25}"\}\n$`,
				w.must(t, "POST", root+"/1/users/1/devices", "pbxDeviceId=1"))
		})
	}
}

func TestBareNumbers(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{BareNumbers: true, Now: atNoon}))
	addSamples(t, w)
	require.Equal(t, `{"domainId":1,"domain":"acme.sip.example.com","displayName":"Acme","rec":1,`+atNoonRow+"}\n",
		w.must(t, "GET", root+"/1", ""))
	require.Contains(t, w.must(t, "GET", root+"/1/users/1", ""), `"extensionNumber":"201"`)
	require.Contains(t, w.must(t, "GET", root+"/1/devices/2", ""), `"userId":0,"user":""`)
	require.Equal(t, `{"userId":3}`+"\n", w.must(t, "POST", root+"/1/users", "user=7&password=p&displayName=7&extensionNumber=7"))
	require.Equal(t, `[{"ringSecs":20,"ringStrategy":"all"},{"ringSecs":15,"ringStrategy":"huntLongestIdle"}]`,
		w.must(t, "GET", root+"/1/queues/1/members?format=jsonarray&display[]=ringSecs&display[]=ringStrategy", ""))
}

func TestEchoSecrets(t *testing.T) {
	t.Parallel()
	for _, echo := range []bool{false, true} {
		w := inProcess(New(t, Options{EchoSecrets: echo, CreateBody: CreateBodyRow, UndocumentedQuery: UndocumentedQueryHonoured}))
		w.srv.addDomain(0, "", "", false)
		body := w.must(t, "POST", root+"/1/users", "user=u&password=hunter2&displayName=U&extensionNumber=1&pin=4711")
		body += w.must(t, "GET", root+"/1/users", "") + w.must(t, "GET", root+"/1/users/1", "")
		want := 0
		if echo {
			want = 3
		}
		require.Equal(t, want, strings.Count(body, `"password":"hunter2","pin":"4711"`))
		status, _ := w.do(t, "GET", root+"/1/users?filter[]=password-eq-value-hunter2", "")
		require.Equal(t, echo, status == 200, "a hidden column cannot be filtered")
	}
}

func TestAllowDuplicates(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{AllowDuplicates: true}))
	w.srv.addDomain(0, "", "", false)
	for range 2 {
		w.must(t, "POST", root+"/1/users", "user=u&password=p&displayName=U&extensionNumber=1")
		w.must(t, "POST", root+"/1/groups", "groupName=g&displayName=G&extensionNumber=1&ringRetry=0&ringExclusive=0&callerNameFormat=")
		w.must(t, "POST", root+"/1/queues", "queueName=q&displayName=Q&extensionNumber=1")
		w.must(t, "POST", root+"/1/trustedNetworks", "network=10.0.0.0/8")
		w.must(t, "POST", root+"/1/devices", "pbxDeviceName=d&deviceMacAddress=10:20:30:1A:2B:3C")
	}
	w.must(t, "DELETE", root+"/1/users/1", "")
	require.Equal(t, []string{"2"}, w.values(t, root+"/1/users", "userId"))
}

func TestIgnorePaging(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{IgnorePaging: true, UndocumentedQuery: UndocumentedQueryHonoured, MaxRows: 3}))
	w.srv.addDomain(0, "", "", false)
	addDevices(t, w.srv, "a", "b", "c", "d")
	require.Equal(t, []string{"a", "b", "c"}, w.values(t, root+"/1/devices?limit=1&offset=2", "pbxDeviceName"))
	require.Equal(t, []string{"d", "c", "b"}, w.values(t, root+"/1/devices?limit=1&sort[]=pbxDeviceName-desc", "pbxDeviceName"))
	require.Equal(t, []string{"b"}, w.values(t, root+"/1/devices?offset=1&filter[]=pbxDeviceName-eq-value-b", "pbxDeviceName"))
}

func TestIgnoreFilters(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{IgnoreFilters: true, UndocumentedQuery: UndocumentedQueryHonoured}))
	w.srv.addDomain(0, "", "", false)
	addDevices(t, w.srv, "a", "b", "c")
	require.Equal(t, []string{"b"}, w.values(t, root+"/1/devices?limit=1&offset=1&filter[]=pbxDeviceName-eq-value-c&sort[]=pbxDeviceName-desc", "pbxDeviceName"))
	status, _ := w.do(t, "GET", root+"/1/devices?filter[]=x", "")
	require.Equal(t, 400, status)
}

// TestMaxRowsCutsLast: the cut comes after filter, sort and offset, and says
// nothing.
func TestMaxRowsCutsLast(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{MaxRows: 2}))
	w.srv.addDomain(0, "", "", false)
	addDevices(t, w.srv, "a", "b", "c", "d", "e")
	require.Equal(t, []string{"a", "b"}, w.values(t, root+"/1/devices", "pbxDeviceName"))
	require.Equal(t, []string{"e", "d"}, w.values(t, root+"/1/devices?sort[]=pbxDeviceName-desc", "pbxDeviceName"))
	require.Equal(t, []string{"d", "e"}, w.values(t, root+"/1/devices?limit=10&filter[]=pbxDeviceName-ge-value-d", "pbxDeviceName"))
	require.Equal(t, []string{"c", "d"}, w.values(t, root+"/1/devices?limit=3&offset=2", "pbxDeviceName"))
}

func TestRewriteKey(t *testing.T) {
	t.Parallel()
	rewritten := map[string]string{}
	w := inProcess(New(t, Options{RewriteKey: func(column, value string) string {
		rewritten[column] = value
		if column == "deviceMacAddress" {
			return strings.ReplaceAll(value, ":", "")
		}
		return strings.ToLower(value) + "_x"
	}}))
	w.srv.addDomain(0, "", "", false)
	steps := []struct{ path, form, column, sent, again, stored string }{
		{"/users", "password=P&displayName=Joe&extensionNumber=A1&", "user", "Joe", "joe", "joe_x"},
		{"/groups", "displayName=S&extensionNumber=2&ringRetry=0&ringExclusive=0&callerNameFormat=&", "groupName", "Sales", "sales", "sales_x"},
		{"/queues", "displayName=I&extensionNumber=3&", "queueName", "In", "in", "in_x"},
		{"/trustedNetworks", "", "network", "10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8_x"},
		{"/devices", "pbxDeviceName=D&", "deviceMacAddress", "10-20-30-1a-2b-3c", "10:20:30:1A:2B:3C", "1020301A2B3C"},
	}
	for _, step := range steps {
		w.must(t, "POST", root+"/1"+step.path, step.form+step.column+"="+step.sent)
		require.Equal(t, []string{step.stored}, w.values(t, root+"/1"+strings.ToLower(step.path), step.column))
		status, body := w.do(t, "POST", root+"/1"+step.path, step.form+step.column+"="+step.again)
		require.Equal(t, 409, status)
		require.Equal(t, step.column+" is in use", body)
	}
	require.Equal(t, map[string]string{
		"user": "joe", "groupName": "sales", "queueName": "in", "network": "10.0.0.0/8", "deviceMacAddress": "10:20:30:1A:2B:3C",
	}, rewritten)
	require.Equal(t, []string{"A1"}, w.values(t, root+"/1/users", "extensionNumber"))
	w.must(t, "POST", root+"/1/queues/1", "queueName=Out")
	require.Equal(t, "out_x", w.srv.Queues(1)[0].Name)
	require.Equal(t, `"10.0.0.0\/8_x"`, string(w.srv.TrustedNetworks(1)[0].Extra["network"]))
	w.must(t, "POST", root+"/1/users/1/devices", "pbxDeviceId=1")
	require.Equal(t, "joe_x", w.srv.Devices(1)[0].User)
}

func TestSetAPIKey(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		w.must(t, "GET", root, "")
		for _, key := range []string{"next", ""} {
			w.srv.SetAPIKey(key)
			status, _ := w.do(t, "GET", root, "")
			require.Equal(t, 401, status)
		}
		req := w.request(t, "GET", root, "")
		req.Header.Set("Authorization", "ApiKey ")
		require.Equal(t, 401, w.send(t, req).StatusCode)
		req = w.request(t, "GET", root, "")
		req.SetBasicAuth("siptest", "siptest-password")
		require.Equal(t, 200, w.send(t, req).StatusCode)

		w.srv.SetAPIKey("next")
		_, err := w.srv.InProcessClient().Domains.List(t.Context())
		require.NoError(t, err)
	})
}

func TestMaxRows(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.addDomain(0, "", "", false)
	addUsers(t, w.srv, 10_001)
	require.Equal(t, 10_000, strings.Count(w.must(t, "GET", root+"/1/users", ""), "\n"))
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	own := Options{APIKey: "k", Username: "u", Password: "p:q"}
	tests := []struct {
		name   string
		o      Options
		sign   func(*http.Request)
		status int
	}{
		{"default key", Options{}, func(r *http.Request) { r.Header.Set("Authorization", "ApiKey siptest-api-key") }, 200},
		{"default password", Options{}, func(r *http.Request) { r.SetBasicAuth("siptest", "siptest-password") }, 200},
		{"own key", own, func(r *http.Request) { r.Header.Set("Authorization", "ApiKey k") }, 200},
		{"own password", own, func(r *http.Request) { r.SetBasicAuth("u", "p:q") }, 200},
		{"default key of a server with its own", own, func(r *http.Request) { r.Header.Set("Authorization", "ApiKey siptest-api-key") }, 401},
		{"no credentials", Options{}, func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"wrong key", Options{}, func(r *http.Request) { r.Header.Set("Authorization", "ApiKey siptest-api-ke") }, 401},
		{"other scheme", Options{}, func(r *http.Request) { r.Header.Set("Authorization", "Bearer siptest-api-key") }, 401},
		{"wrong password", Options{}, func(r *http.Request) { r.SetBasicAuth("siptest", "x") }, 401},
		{"wrong user", Options{}, func(r *http.Request) { r.SetBasicAuth("x", "siptest-password") }, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onBothTransports(t, tt.o, func(t *testing.T, w wire) {
				req := w.request(t, "GET", root, "")
				tt.sign(req)
				resp := w.send(t, req)
				require.Equal(t, tt.status, resp.StatusCode)
			})
		})
	}
	t.Run("credentials are checked first", func(t *testing.T) {
		t.Parallel()
		w := inProcess(New(t))
		w.srv.opts.APIKey = "other"
		for path, method := range map[string]string{root: "GET", "/none": "GET", root + "/1": "PUT"} {
			req := w.request(t, method, path, "")
			req.Header.Set("Authorization", "ApiKey wrong")
			resp := w.send(t, req)
			require.Equal(t, 401, resp.StatusCode)
		}
	})
}

func TestErrorBody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		style             ErrorBody
		contentType, body string
	}{
		"text":   {ErrorBodyText, "text/plain; charset=utf-8", `"a<b" is not a query parameter`},
		"string": {ErrorBodyJSONString, "application/json", `"\"a<b\" is not a query parameter"`},
		"object": {ErrorBodyJSONObject, "application/json", `{"message":"\"a<b\" is not a query parameter"}`},
		"html": {ErrorBodyHTML, "text/html; charset=utf-8", "<html><head><title>bad request</title></head><body><h1>bad request</h1>" +
			"<p>&#34;a&lt;b&#34; is not a query parameter</p></body></html>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := inProcess(New(t, Options{ErrorBody: tt.style}))
			resp, body, err := w.try(t.Context(), t, "GET", root+"?a%3Cb=1", "")
			require.NoError(t, err)
			require.Equal(t, 400, resp.StatusCode)
			require.Equal(t, tt.contentType, resp.Header.Get("Content-Type"))
			require.Equal(t, tt.body, body)
		})
	}
}

func TestErrorsEchoNoPassword(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	for _, form := range []string{
		"user=ann&password=hunter2&displayName=x&extensionNumber=9",
		"user=x&password=hunter2&displayName=x",
		"user=x&password[]=hunter2&displayName=x&extensionNumber=9",
		"user=x&password=hunter2%ff&displayName=x&extensionNumber=9",
		"user=x&password=hunter2&displayName=x&extensionNumber=9&dashboard=hunter2",
	} {
		status, body := w.do(t, "POST", root+"/1/users", form)
		require.GreaterOrEqual(t, status, 400)
		require.NotContains(t, body, "hunter2")
	}
}

func TestFraming(t *testing.T) {
	t.Parallel()
	for name, framing := range map[string]Framing{"chunked": FramingChunked, "length": FramingLength, "close": FramingClose} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBothTransports(t, Options{Framing: framing}, func(t *testing.T, w wire) {
				addSamples(t, w)
				for _, path := range []string{root + "/1/users", root + "/1/users/2/devices", root + "/9"} { // some rows, no rows, an error
					resp := w.send(t, w.request(t, "GET", path, ""))
					empty := path == root+"/1/users/2/devices"
					switch framing {
					case FramingChunked:
						require.Equal(t, []string{"chunked"}, resp.TransferEncoding, path)
						require.EqualValues(t, -1, resp.ContentLength)
					case FramingLength:
						require.Empty(t, resp.TransferEncoding)
						require.Equal(t, empty, resp.ContentLength == 0)
						require.GreaterOrEqual(t, resp.ContentLength, int64(0))
					case FramingClose:
						require.Empty(t, resp.TransferEncoding)
						require.EqualValues(t, -1, resp.ContentLength, path)
						require.True(t, resp.Close)
					}
					require.NotEmpty(t, resp.Header.Get("Date"))
				}
				w.must(t, "POST", root+"/1/users/1", "email=x")
			})
		})
	}
}

func TestNow(t *testing.T) {
	t.Parallel()
	now := noon.In(time.FixedZone("", 3600))
	w := inProcess(New(t, Options{Now: func() time.Time { now = now.Add(time.Second); return now }}))
	addSamples(t, w)
	created := w.values(t, root+"/1/users", "createDatetime")
	require.Regexp(t, `^2019-10-31 12:00:\d\d$`, created[0], "UTC")
	require.Less(t, created[0], created[1])
	require.Equal(t, []string{zeroDatetime, zeroDatetime}, w.values(t, root+"/1/users", "updateDatetime"))
	w.must(t, "POST", root+"/1/users/2", "email=x")
	updated := w.values(t, root+"/1/users", "updateDatetime")
	require.Equal(t, zeroDatetime, updated[0])
	require.Greater(t, updated[1], created[1])
	require.Equal(t, created, w.values(t, root+"/1/users", "createDatetime"))
}

func TestDuplicateStatus(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{DuplicateStatus: 422}))
	addSamples(t, w)
	for path, form := range map[string]string{
		"/users":           "user=ann&password=p&displayName=x&extensionNumber=9",
		"/groups/1":        "groupName=help&displayName=x&extensionNumber=301&ringRetry=0&ringExclusive=0&callerNameFormat=",
		"/trustedNetworks": "network=10.0.20.0/24",
	} {
		status, body := w.do(t, "POST", root+"/1"+path, form)
		require.Equal(t, 422, status, body)
	}
	status, _ := w.do(t, "POST", root+"/1/users/2/devices", "pbxDeviceId=1")
	require.Equal(t, 409, status, "a device has one user")
}

func TestGroupUpdates(t *testing.T) {
	t.Parallel()
	before := infinitysip.Group{
		ID: 2, DomainID: 1, Name: "help", DisplayName: "Help", ExtensionNumber: "302", RingExclusive: true, CallerNameFormat: "{dgrpName}",
	}
	kept, cleared := before, infinitysip.Group{ID: 2, DomainID: 1, DisplayName: "Aid", RingRetry: true}
	kept.DisplayName, kept.RingRetry = "Aid", true
	for _, tt := range []struct {
		updates GroupUpdates
		status  int
		after   infinitysip.Group
	}{
		{GroupUpdatesReject, 400, before},
		{GroupUpdatesKeep, 204, kept},
		{GroupUpdatesClear, 204, cleared},
	} {
		w := inProcess(New(t, Options{GroupUpdates: tt.updates}))
		addSamples(t, w)
		status, _ := w.do(t, "POST", root+"/1/groups/2", "")
		require.Equal(t, 400, status, "nothing to update")
		status, _ = w.do(t, "POST", root+"/1/groups/2", "displayName=")
		require.Equal(t, 400, status, "it must not be empty")
		status, _ = w.do(t, "POST", root+"/1/groups", "displayName=Aid&ringRetry=1")
		require.Equal(t, 400, status, "a create needs them all")
		status, body := w.do(t, "POST", root+"/1/groups/2", "displayName=Aid&ringRetry=1")
		require.Equal(t, tt.status, status, body)
		require.Equal(t, tt.after, w.srv.Groups(1)[1])
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, path, form string
		exact, anyCase     int
	}{
		{"GET", "/config/v2/sip/domains/1/users", "", 200, 200},
		{"GET", "/Config/V2/SIP/Domains/1/USERS", "", 404, 200},
		{"GET", "/config/v2/sip/domains/1/trustedNetworks", "", 405, 200},
		{"GET", "/config/v2/sip/domains/1/trustedNetwork", "", 404, 200},
		{"POST", "/config/v2/sip/domains/1/trustednetworks", "network=10.1.0.0/16", 405, 201},
		{"GET", "/config/v2/sip/domains/1/trustednetwork/1", "", 404, 200},
		{"GET", "/config/v2/sip/domains/1/trustedNetwork/1", "", 405, 200},
		{"POST", "/config/v2/sip/domains/1/trustedNetworks/1", "description=x", 405, 204},
		{"POST", "/config/v2/sip/domains/1/trustedNetwork/1", "description=x", 204, 204},
		{"DELETE", "/config/v2/sip/domains/1/TRUSTEDNETWORKS/2", "", 404, 204},
		{"PUT", "/config/v2/sip/domains/1/trustednetworks", "", 405, 405},
		{"GET", "/config/v2/sip/domains/1/user", "", 404, 404},
		{"GET", "/config/v2/sip/domains/1/trustednetworkss", "", 404, 404},
		{"GET", "/config/v2/sip//domains/1/users", "", 404, 404},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			for paths, want := range map[Paths]int{PathsExact: tt.exact, PathsAnyCase: tt.anyCase} {
				w := inProcess(New(t, Options{Paths: paths}))
				addSamples(t, w)
				status, body := w.do(t, tt.method, tt.path, tt.form)
				require.Equal(t, want, status, "%v: %s", paths, body)
			}
		})
	}
	srv := New(t, Options{Paths: PathsAnyCase})
	require.PanicsWithValue(t, `siptest: Handle("GET /config/v2/sip/DOMAINS"): Domains.List has this path; use Fail to change its answers`, func() {
		srv.Handle("GET /config/v2/sip/DOMAINS", http.NotFoundHandler())
	})
}

func TestRewrites(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rewrite                          Rewrite
		path, form, column, sent, stored string
	}{
		{RewriteLower, "/users", "password=p&displayName=A&extensionNumber=A1&", "user", "Joe.Blogs", "joe.blogs"},
		{RewriteUpper, "/groups", "displayName=B&extensionNumber=2&ringRetry=0&ringExclusive=0&callerNameFormat=&", "groupName", "sales", "SALES"},
		{RewriteTrim, "/queues", "displayName=C&extensionNumber=3&", "queueName", "+In+", "In"},
		{RewriteMask, "/trustedNetworks", "", "network", "10.0.20.10/24", "10.0.20.0/24"},
		{RewriteMask, "/trustedNetworks", "", "network", "2001:db8::1/32", "2001:db8::/32"},
		{RewriteLower, "/devices", "pbxDeviceName=D&", "deviceMacAddress", "10-20-30-1A-2B-3C", "10:20:30:1a:2b:3c"},
		{RewriteBare, "/devices", "pbxDeviceName=D&", "deviceMacAddress", "10-20-30-1a-2b-3c", "1020301A2B3C"},
		{RewriteHyphens, "/devices", "pbxDeviceName=D&", "deviceMacAddress", "1020.301a.2b3c", "10-20-30-1A-2B-3C"},
	} {
		w := inProcess(New(t, Options{Rewrites: Rewrites{tt.column: tt.rewrite}}))
		w.srv.addDomain(0, "", "", false)
		w.must(t, "POST", root+"/1"+tt.path, tt.form+tt.column+"="+tt.sent)
		require.Equal(t, []string{tt.stored}, w.values(t, root+"/1"+strings.ToLower(tt.path), tt.column))
		status, _ := w.do(t, "POST", root+"/1"+tt.path, tt.form+tt.column+"="+tt.sent)
		require.Equal(t, 409, status)
	}
	w := inProcess(New(t, Options{
		Rewrites: Rewrites{"user": RewriteUpper}, RewriteKey: func(_, value string) string { return value + "_x" },
	}))
	w.srv.addDomain(0, "", "", false)
	w.must(t, "POST", root+"/1/users", "password=p&displayName=A&extensionNumber=A1&user=joe")
	require.Equal(t, "joe_x", w.srv.Users(1)[0].User)
}

func TestZone(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 2*3600)
	w := inProcess(New(t, Options{Zone: zone, Now: atNoon}))
	addSamples(t, w)
	w.must(t, "POST", root+"/1/users/1", "email=x")
	require.Contains(t, w.must(t, "GET", root+"/1/users/1", ""), `"createDatetime":"2019-10-31 14:00:00","updateDatetime":"2019-10-31 14:00:00"`)
	w.srv.AddDevice(1, infinitysip.Device{Name: "x", Created: noon.AddDate(-1, 0, 0)})
	require.Equal(t, "2018-10-31 14:00:00", w.values(t, root+"/1/devices", "createDatetime")[2])
	require.Equal(t, noon.AddDate(-1, 0, 0), w.srv.Devices(1)[2].Created)
	require.Zero(t, w.srv.Devices(1)[2].Updated)
	resp := w.send(t, w.request(t, "GET", root, ""))
	require.Equal(t, "Thu, 31 Oct 2019 12:00:00 GMT", resp.Header.Get("Date"))
}

func TestObserve(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		observed := make(chan Request, 10)
		w.srv.opts.Observe = func(r Request) {
			w.srv.ResetRequests()
			observed <- r
		}
		w.srv.Fail(On("Domains.Get").Drop())
		w.do(t, "GET", root+"?display[]=rec", "")
		w.do(t, "GET", root+"/1/nothing", "")
		_, _, err := w.try(t.Context(), t, "GET", root+"/1", "")
		require.Error(t, err)
		for _, want := range []Request{{Op: "Domains.List", Path: root, Status: 200}, {Path: root + "/1/nothing", Status: 404}, {Op: "Domains.Get", Path: root + "/1"}} {
			got := <-observed
			require.Equal(t, want, Request{Op: got.Op, Path: got.Path, Status: got.Status})
			require.Equal(t, "ApiKey [redacted]", got.Header.Get("Authorization"))
		}
		require.Empty(t, w.srv.Requests())
	})
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	require.NoError(t, Options{}.Validate())
	require.NoError(t, fullOptions(t).Validate())
	err := Options{MaxRows: -1, IdleTimeout: -1, KeepRequests: -1, MaxInputVars: -1, ListLag: -1, Limit: &Limit{Status: 200}}.Validate()
	require.EqualError(t, err, "maxRows is negative\nlistLag is negative\nmaxInputVars is negative\nkeepRequests is negative\nidleTimeout is negative\nlimit.status is 200: use one from 400 to 599")
	require.PanicsWithValue(t, "siptest: latency is negative", func() { NewServer(Options{Latency: -1}) })
}
