package suite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// badRaw is what Do and Rows refuse.
func badRaw() (list []badInput) {
	ctx := context.Background()
	type client = *infinitysip.Client
	add := func(name, fields string, do func(client) error) {
		list = append(list, badInput{name: name, fields: fields, do: do})
	}
	do := func(method, path string, form url.Values, with ...infinitysip.CallOption) func(client) error {
		return func(c client) error { return errorOf(c.Do(ctx, method, path, form, with...)) }
	}
	for _, method := range []string{"", "HEAD", "PATCH", "OPTIONS", "CONNECT", "get", "Post", "GET ", "GET\r\nX: y"} {
		add(fmt.Sprintf("method %q", method), "method", do(method, rawPath, nil))
	}
	for _, path := range []string{
		"", "config/v2/sip/domains", "https://evil.example/x", "//evil.example/x", "/", "/config//domains", "/config/v2/sip/domains/", "/..", "/config/../domains", "/config/./domains", "/config/.",
		"/config?password=canary-pass", "/config#x", "/config%2F..", "/config%", `/config\..\x`, "/config\r\nX: y", "/config\x00", "/config\x7f", "/config\u0085", "/config\u202e", "/\xff", " /config", "?x", "\\",
	} {
		add(fmt.Sprintf("path %q", path), "path", do("GET", path, nil))
		add(fmt.Sprintf("path %q", path), "path", func(c client) error {
			return errorOf(infinitysip.Collect(infinitysip.Rows[infinitysip.User](ctx, c, path, nil)))
		})
		add(fmt.Sprintf("path %q", path), "path", func(c client) error {
			return errorOf(infinitysip.Collect(infinitysip.Rows(ctx, c, path, &infinitysip.ListOptions[infinitysip.User]{PageSize: 5})))
		})
	}
	for name, values := range map[string][]string{
		"": {"x"}, "[]": {"x"}, "a b": {"x"}, "a.b": {"x"}, "a[": {"x"}, "é": {"x"}, "a\n": {"x"},
		"none": {}, "nil": nil, "lineBreak": {"x", canaryPassword + "\n"}, "nul": {canaryPassword + "\x00"}, "octet": {canaryPassword + "\xff"},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			add(fmt.Sprintf("form with %q", name), "form", do(method, rawPath, url.Values{name: values, "user": {"joe"}}))
		}
	}
	for _, method := range []string{"GET", "POST"} {
		add("a form that PHP cuts", "form", do(method, rawPath, url.Values{"x[]": slices.Repeat([]string{"1"}, 1001)}))
		add("a form that PHP cuts", "form", do(method, rawPath, url.Values{"x[]": slices.Repeat([]string{"1"}, 1000)}, infinitysip.CallParam("y", "1")))
		for _, name := range []string{"user", "user[]", "user[a]"} {
			add("a parameter in the form and as an option", "CallParam", do(method, rawPath, url.Values{"user": {"joe"}}, infinitysip.CallParam(name, "ann")))
		}
		add("format as an option", "CallParam", do(method, rawPath, nil, infinitysip.CallParam("format", "csv")))
	}
	add("all of a raw call at once", "path method CallParam form form CallParam", do("x", "x", url.Values{"": {"x"}, "y": nil, "z": {"1"}}, infinitysip.CallParam("", "x"), infinitysip.CallParam("z", "x")))
	add("nil Client", "client", func(client) error { return errorOf((client)(nil).Do(ctx, "GET", rawPath, nil)) })
	add("nil Client", "client", func(client) error { return rowsOf[infinitysip.User](nil)(ctx, nil) })
	add("nil Client", "client", func(client) error {
		return rowsOf(&infinitysip.ListOptions[infinitysip.User]{PageSize: 1})(ctx, nil)
	})
	for fields, opts := range map[string]infinitysip.ListOptions[infinitysip.User]{
		"limit": {Limit: -1}, "limit ": {Limit: -1, PageSize: 5}, "offset": {Offset: -1}, "offset ": {Offset: -1, PageSize: 5},
		"pageSize": {PageSize: -1}, "filter[0] sort[0]": {Filter: make([]infinitysip.Filter[infinitysip.User], 1), Sort: make([]infinitysip.Sort[infinitysip.User], 1)},
	} {
		add("options of rows", strings.TrimSpace(fields), func(c client) error { return rowsOf(&opts)(ctx, c) })
	}
	for _, size := range []int{0, 5} {
		for _, name := range []string{"limit", "offset", "filter[]", "sort[]"} {
			add("rows with an option of lists as a parameter", "CallParam", func(c client) error {
				return rowsOf(&infinitysip.ListOptions[infinitysip.User]{PageSize: size})(ctx, c, infinitysip.CallParam(name, "1"))
			})
		}
	}
	add("rows that are no structs", "R", func(c client) error { return rowsOf[int](nil)(ctx, c) })
	add("rows that are no structs", "R", func(c client) error { return rowsOf[map[string]any](nil)(ctx, c) })
	add("rows that are no structs", "R", func(c client) error { return rowsOf[any](nil)(ctx, c) })
	add("rows that are no structs", "R", func(c client) error { return rowsOf[*infinitysip.User](nil)(ctx, c) })
	add("rows that are no structs", "R", func(c client) error { return rowsOf(&infinitysip.ListOptions[string]{PageSize: 1})(ctx, c) })
	add("nothing to collect", "rows", func(client) error {
		var none iter.Seq2[int, error]
		return errorOf(infinitysip.Collect(none))
	})
	return list
}

// What Do sends, and what it returns.
func TestDo(t *testing.T) {
	t.Parallel()
	form := func() url.Values { return url.Values{"name": {"a&b=é"}, "ids[]": {"1", "2"}} }
	const encoded = "ids%5B%5D=1&ids%5B%5D=2&name=a%26b%3D%C3%A9"
	for _, test := range []struct {
		method, path string
		form         url.Values
		status       int
		body         string
		sentPath     string
	}{
		{"GET", "/config/v2/sip/fax", nil, 200, `{"a":1}`, "/config/v2/sip/fax"},
		{"GET", "/config/v2/sip/fax", form(), 200, "plain text", "/config/v2/sip/fax"},
		{"GET", "/config/v2/sip/fax", nil, 204, "", "/config/v2/sip/fax"},
		{"GET", "/config/v2/sip/fax", nil, 201, "[]", "/config/v2/sip/fax"},
		{"POST", "/config/v2/sip/fax", form(), 201, `{"faxId":"1"}`, "/config/v2/sip/fax"},
		{"POST", "/config/v2/sip/fax", nil, 200, "", "/config/v2/sip/fax"},
		{"PUT", "/config/v2/sip/fax/a b:c@é;+&=…", form(), 204, "", "/config/v2/sip/fax/a%20b:c@%C3%A9;+&=%E2%80%A6"},
		{"DELETE", "/x", nil, 204, "", "/x"},
		{"DELETE", "/...", form(), 200, "\x00\xff", "/..."},
	} {
		name := fmt.Sprint(test.method, " ", test.path, " ", test.status)
		s := always(test.status, test.body, "X-Request-Id", "7")
		resp, err := stubClient(t, s, infinitysip.WithBaseURL("https://gw.example.com/api")).Do(t.Context(), test.method, test.path, test.form)
		require.NoError(t, err, name)
		require.Equal(t, test.status, resp.StatusCode, name)
		require.Equal(t, test.body, string(resp.Body), name)
		require.NotNil(t, resp.Body, name)
		require.Equal(t, "7", resp.RequestID)
		require.Equal(t, 1, resp.Attempts)
		req := s.hits[0]
		require.Equal(t, "Client.Do", infinitysip.OperationFromContext(req.Context()))
		require.Equal(t, test.method, req.Method)
		require.Equal(t, "gw.example.com", req.URL.Host)
		require.Equal(t, "/api"+test.sentPath, req.URL.EscapedPath(), name)
		wantQuery, wantForm := "", url.Values(nil)
		if test.form != nil && test.method == "GET" {
			wantQuery = encoded
		} else if test.form != nil {
			wantForm = form()
			require.Equal(t, "application/x-www-form-urlencoded", req.Header.Get("Content-Type"))
		}
		require.Equal(t, wantQuery, req.URL.RawQuery, name)
		require.Equal(t, wantForm, s.form(1), name)
	}
}

// A path is refused, or it is sent as it is, to the host of the base URL.
func FuzzRawPath(f *testing.F) {
	for _, path := range []string{"/", "/x", "//x", "/x/", "/../x", "/a/./b", "/x?y", "/x#y", "/%2e%2e/x", "/x%00", `/\x`, "/x\n", "/é", "/a b", "/\xff", "/a:b@c", "x", "https://evil.example/x", "/..;/x", "/\u202ex"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		s := always(204, "")
		_, err := stubClient(t, s, infinitysip.WithBaseURL("https://gw.example.com/api")).Do(t.Context(), "GET", path, nil)
		if err != nil {
			require.ErrorIs(t, err, infinitysip.ErrInvalid)
			require.Zero(t, s.count())
			return
		}
		sent, err := url.ParseRequestURI(s.hits[0].URL.String())
		require.NoError(t, err)
		require.Equal(t, "https://gw.example.com", sent.Scheme+"://"+sent.Host)
		require.Equal(t, "/api"+path, sent.Path)
		require.Equal(t, sent.Path, pathpkg.Clean(sent.Path))
		require.Empty(t, sent.RawQuery+sent.Fragment)
	})
}

// Do keeps nothing of the form that it is given, and adds what CallParam gives.
func TestDoCopiesItsForm(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		form, got := url.Values{"user": {"joe"}}, infinitysip.Response{}
		s := always(200, "x")
		resp, err := stubClient(t, s).Do(t.Context(), method, rawPath, form, infinitysip.CallParam("newParam", "1", "2"), infinitysip.CallHeader("X-Caller", "me"), infinitysip.CallResponse(&got))
		require.NoError(t, err, method)
		require.Equal(t, url.Values{"user": {"joe"}}, form, method)
		sent := s.form(1)
		if method == "GET" {
			sent = s.hits[0].URL.Query()
		}
		require.Equal(t, url.Values{"user": {"joe"}, "newParam": {"1", "2"}}, sent, method)
		require.Equal(t, "me", s.hits[0].Header.Get("X-Caller"))
		require.Equal(t, got, *resp)
		require.NotSame(t, &got, resp, "the next call may set it")
	}
}

// A call of the API goes through Do as through its method.
func TestDoOnTheAPI(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{})
	path := fmt.Sprintf("/config/v2/sip/domains/%d/users", a.domain)
	form := url.Values{"user": {"joe"}, "password": {canaryPassword}, "displayName": {"Joe"}, "extensionNumber": {"0100"}}
	resp, err := a.client.Do(t.Context(), "POST", path, form)
	require.NoError(t, err)
	require.Equal(t, 201, resp.StatusCode)
	require.Contains(t, string(resp.Body), "userId")
	require.Len(t, a.Users(a.domain), 2)

	_, err = a.client.Do(t.Context(), "POST", path, form)
	require.ErrorIs(t, err, infinitysip.ErrConflict)
	require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	_, err = a.client.Do(t.Context(), "POST", path+"/99", url.Values{"email": {"x"}})
	require.ErrorIs(t, err, infinitysip.ErrNotFound)
	require.ErrorContains(t, err, "infinitysip: Client.Do: POST /config/v2/sip/domains/1/users/99: 404 Not Found")

	resp, err = a.client.Do(t.Context(), "GET", path, nil)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(resp.Body), "userId"))
	_, err = a.client.Do(t.Context(), "DELETE", fmt.Sprint(path, "/", a.user), nil)
	require.NoError(t, err)
	require.Len(t, a.Users(a.domain), 1)
}

// A POST that may have arrived is not sent again, and its error says so.
func TestAPostIsNotSentTwice(t *testing.T) {
	t.Parallel()
	type effect = func(siptest.Fault) siptest.Fault
	for name, test := range map[string]struct {
		fault   effect
		applied bool
		tls     bool // of HTTP/2, on a socket
	}{
		"lost":                   {fault: siptest.Fault.Drop},
		"applied and lost":       {fault: siptest.Fault.CommitThenDrop, applied: true},
		"reset":                  {fault: siptest.Fault.Reset},
		"applied and reset":      {fault: siptest.Fault.CommitThenReset, applied: true},
		"silence":                {fault: siptest.Fault.Hang},
		"applied, then silence":  {fault: siptest.Fault.CommitThenHang, applied: true},
		"500":                    {fault: func(f siptest.Fault) siptest.Fault { return f.Status(500) }},
		"503":                    {fault: func(f siptest.Fault) siptest.Fault { return f.Status(503) }},
		"503, try again":         {fault: func(f siptest.Fault) siptest.Fault { return f.Status(503).Header("Retry-After", "1") }},
		"applied, then 502":      {fault: func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(502) }, applied: true},
		"408":                    {fault: func(f siptest.Fault) siptest.Fault { return f.Status(408) }},
		"307":                    {fault: func(f siptest.Fault) siptest.Fault { return f.Status(307).Header("Location", "/x") }},
		"202":                    {fault: func(f siptest.Fault) siptest.Fault { return f.CommitThenStatus(202) }, applied: true},
		"a proxy's page":         {fault: func(f siptest.Fault) siptest.Fault { return f.Status(200).Body("\ufeff\n<html>sign in</html>") }},
		"a page with 201":        {fault: func(f siptest.Fault) siptest.Fault { return f.Status(201).Body("<html>") }},
		"a stream is reset":      {fault: siptest.Fault.ResetStream, tls: true},
		"GOAWAY":                 {fault: siptest.Fault.GoAway, tls: true},
		"applied, then a reset":  {fault: siptest.Fault.CommitThenResetStream, applied: true, tls: true},
		"applied, then a GOAWAY": {fault: siptest.Fault.CommitThenGoAway, applied: true, tls: true},
	} {
		for _, quiet := range []bool{false, true} { // quiet: no call before it, so a 503 is no refusal
			try := func(t *testing.T) {
				a := newAcme(t, siptest.Options{HTTP2: test.tls})
				if test.tls {
					a.client = a.Client()
				} else if quiet {
					time.Sleep(time.Minute) // the bubble's clock
				}
				a.Fail(test.fault(siptest.On("Users.Create")))
				form := url.Values{"user": {"joe"}, "password": {canaryPassword}, "displayName": {"Joe"}, "extensionNumber": {"0100"}}
				var got infinitysip.Response
				resp, err := a.client.Do(t.Context(), "POST", fmt.Sprintf("/config/v2/sip/domains/%d/users", a.domain), form, infinitysip.CallAttempts(9), infinitysip.CallResponse(&got))
				require.Nil(t, resp, name)
				require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, name)
				require.ErrorContains(t, err, "(it may have taken effect: look before you send it again)", name)
				failed, ok := errors.AsType[*infinitysip.Error](err)
				require.True(t, ok, name)
				require.Equal(t, "Client.Do", failed.Op)
				require.Equal(t, 1, failed.Attempts, name)
				require.Equal(t, 1, got.Attempts, name)
				require.Equal(t, failed.StatusCode, got.StatusCode, name)
				require.Nil(t, got.Body, name)
				requireNoSecret(t, name, err)
				a.Wait()
				require.Equal(t, map[string]int{"Users.Create": 1}, a.hits(), name)
				require.Equal(t, test.applied, len(a.Users(a.domain)) == 2, name)
			}
			if test.tls {
				try(t)
			} else {
				synctest.Test(t, try)
			}
		}
	}
}

// Nor is one without a form, which net/http would send again by itself.
func TestAPostWithoutAForm(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(siptest.Fault) siptest.Fault{
		"reset": siptest.Fault.ResetStream, "goaway": siptest.Fault.GoAway, "drop": siptest.Fault.Drop,
	} {
		for _, http2 := range []bool{true, false} {
			if !http2 && name != "drop" {
				continue
			}
			a := newAcme(t, siptest.Options{HTTP2: http2})
			a.client = a.Client(infinitysip.WithRetryPolicy(quick))
			a.Fail(fault(siptest.On("Users.Create")))
			_, err := a.client.Users.Get(t.Context(), a.domain, a.user) // so that there is an idle connection
			require.NoError(t, err)
			_, err = a.client.Do(t.Context(), "POST", fmt.Sprintf("/config/v2/sip/domains/%d/users", a.domain), nil)
			require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown, name)
			require.Equal(t, 1, a.sent("Users.Create"), name)
			// What may be repeated is.
			a.Fail(fault(siptest.On("Users.Get").Times(1)))
			resp, err := a.client.Do(t.Context(), "GET", fmt.Sprintf("/config/v2/sip/domains/%d/users/%d", a.domain, a.user), nil)
			require.NoError(t, err, name)
			require.Contains(t, string(resp.Body), `"first"`)
		}
	}
}

// Nor is one that a transport makes, with the context of a call that it carries.
func TestAPostWithinACall(t *testing.T) {
	t.Parallel()
	s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(req.Context())
		trace.GetConn("api.infinitycloud.com:443")
		trace.WroteHeaders()
		trace.GetConn("api.infinitycloud.com:443") // net/http would send it again
		return nil, req.Context().Err()
	}}
	inner := stubClient(t, s)
	var err error
	outer := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
		_, err = inner.Do(context.WithoutCancel(req.Context()), "POST", rawPath, nil)
		return answer(204, ""), nil
	}}
	_ = stubClient(t, outer, atOnce()).Users.Delete(t.Context(), 1, 2)
	require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
	require.Equal(t, 1, s.count())
}

// A limit that answers 503 refuses, and a proxy may have handed the POST on. One that
// answers 429 has the POST wait for another turn.
func TestAPostAtALimit(t *testing.T) {
	t.Parallel()
	for status, sent := range map[int]int{503: 1, 429: 2} {
		synctest.Test(t, func(t *testing.T) {
			a := newAcme(t, siptest.Options{})
			time.Sleep(time.Minute) // the bubble's clock
			a.SetLimit(&siptest.Limit{Requests: 1, Per: 10 * time.Second, Status: status})
			require.NoError(t, a.client.Users.Update(t.Context(), a.domain, a.user, infinitysip.UserUpdateParams{Email: new("x@example.com")}))
			form := url.Values{"user": {"joe"}, "password": {canaryPassword}, "displayName": {"Joe"}, "extensionNumber": {"0100"}}
			_, err := a.client.Do(t.Context(), "POST", fmt.Sprintf("/config/v2/sip/domains/%d/users", a.domain), form)
			if status == 503 {
				require.ErrorIs(t, err, infinitysip.ErrOutcomeUnknown)
				require.ErrorIs(t, err, infinitysip.ErrUnavailable)
			} else {
				require.NoError(t, err)
			}
			var hits int
			for _, req := range a.Requests() {
				if strings.HasSuffix(req.Path, "/users") {
					hits++
				}
			}
			require.GreaterOrEqual(t, hits, sent, status)
			require.Equal(t, status == 503, hits == 1, status)
		})
	}
}

// A read of Do is as any other read, and a delete that finds nothing is done.
func TestDoSendsAgainWhatItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newAcme(t, siptest.Options{})
		path := fmt.Sprintf("/config/v2/sip/domains/%d/users/%d", a.domain, a.user)
		a.Fail(siptest.On("Users.Get").Times(2).Truncate(10))
		resp, err := a.client.Do(t.Context(), "GET", path, nil)
		require.NoError(t, err)
		require.Equal(t, 3, resp.Attempts)
		require.Contains(t, string(resp.Body), `"first"`)
		a.Fail(siptest.On("Users.Get").Times(3).Truncate(10))
		_, err = a.client.Do(t.Context(), "GET", path, nil)
		require.ErrorContains(t, err, "cut short")
		require.NotErrorIs(t, err, infinitysip.ErrOutcomeUnknown)

		a.Fail(siptest.On("Users.Delete").Times(1).CommitThenDrop())
		resp, err = a.client.Do(t.Context(), "DELETE", path, nil)
		require.NoError(t, err)
		require.Equal(t, 404, resp.StatusCode)
		require.Nil(t, resp.Body)
	})
}

// A status of success says that a write took effect, whatever comes of its body.
func TestABodyThatIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body func(context.Context) io.Reader
		says string
	}{
		"cut": {func(context.Context) io.Reader {
			return io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF))
		}, "cut short"},
		"long":  {func(context.Context) io.Reader { return strings.NewReader(strings.Repeat("x", 101)) }, "longer than Limits.RowBytes, 100 bytes"},
		"stuck": {func(ctx context.Context) io.Reader { return waitingReader{ctx} }, "cut short"},
	} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			synctest.Test(t, func(t *testing.T) {
				s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
					resp := answer(200, "")
					resp.Body, resp.ContentLength = io.NopCloser(test.body(req.Context())), -1
					return resp, nil
				}}
				client := stubClient(t, s, infinitysip.WithLimits(infinitysip.Limits{RowBytes: 100}))
				resp, err := client.Do(t.Context(), method, rawPath, url.Values{"x": {"1"}})
				require.Nil(t, resp)
				failed, ok := errors.AsType[*infinitysip.Error](err)
				require.True(t, ok, name)
				require.ErrorContains(t, err, test.says, name)
				require.Equal(t, 200, failed.StatusCode)
				want, sent := infinitysip.OutcomeApplied, 1
				if method == "GET" {
					want, sent = infinitysip.OutcomeNotApplied, map[string]int{"cut": 3, "long": 1, "stuck": 3}[name]
				} else {
					require.ErrorContains(t, err, "it took effect, but its answer is lost", name)
				}
				require.Equal(t, want, failed.Outcome, name+method)
				require.Equal(t, sent, s.count(), name+method)
			})
		}
	}
	// As much as the limit is no more than it.
	resp, err := stubClient(t, always(200, strings.Repeat("x", 100)), infinitysip.WithLimits(infinitysip.Limits{RowBytes: 100})).Do(t.Context(), "POST", rawPath, nil)
	require.NoError(t, err)
	require.Len(t, resp.Body, 100)
}

// What a form or a query of Do holds is in no error and in no log if its name may say
// that it is secret, whatever the server makes of it.
func TestSecretsOfDo(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"password", "PASSWORDS[]", "userpin2", "myPinCode", "registrationtokens", "apiKey", "clientSecret", "fax[token]"} {
		for _, option := range []bool{false, true} {
			t.Run(fmt.Sprint(name, option), func(t *testing.T) {
				t.Parallel()
				for written, write := range echoed {
					for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
						for _, status := range []int{200, 409, 502} {
							s := always(status, "<html>"+write(canaryPIN)+"\n"+write(canaryPassword))
							fails := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
								return nil, fmt.Errorf("cannot send %s %s", req.URL, bodyOf(req)+write(canaryPassword))
							}}
							for _, transport := range []*stub{s, fails} {
								var log strings.Builder
								client := stubClient(t, transport, atOnce(), infinitysip.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))), infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: canaryBody}))
								form, with := url.Values{"user": {"joe"}, name: {canaryPassword, canaryPIN}}, []infinitysip.CallOption(nil)
								if option {
									form, with = nil, []infinitysip.CallOption{infinitysip.CallParam(name, canaryPassword, canaryPIN)}
								}
								_, err := client.Do(t.Context(), method, rawPath, form, with...)
								require.Error(t, err)
								requireNoSecret(t, method+" "+written, err, log.String())
							}
						}
					}
				}
			})
		}
	}
	// Other names are open.
	for _, method := range []string{"GET", "POST"} {
		_, err := stubClient(t, always(409, "Joe Blogs is here")).Do(t.Context(), method, rawPath, url.Values{"displayName": {"Joe Blogs"}})
		require.ErrorContains(t, err, ": Joe Blogs is here")
	}
}

// A context that has ended sends nothing.
func TestRawCallsOfAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, m := range rawMethods() {
		s := always(200, "")
		err := m.do(ctx, stubClient(t, s))
		require.ErrorIs(t, err, context.Canceled, m.name)
		failed, ok := errors.AsType[*infinitysip.Error](err)
		require.True(t, ok, m.name)
		require.Equal(t, infinitysip.OutcomeNotApplied, failed.Outcome, m.name)
		require.Zero(t, s.count(), m.name)
	}
}

// The options of a call are for what is raw, too.
func TestCallOptionsOfRawCalls(t *testing.T) {
	t.Parallel()
	for _, m := range rawMethods() {
		synctest.Test(t, func(t *testing.T) {
			s := always(503, "", "X-Request-Id", "7")
			var got infinitysip.Response
			err := m.do(t.Context(), stubClient(t, s), infinitysip.CallAttempts(1), infinitysip.CallResponse(&got), infinitysip.CallHeader("X-Caller", "me"), infinitysip.CallParam("newParam", "1"))
			require.ErrorIs(t, err, infinitysip.ErrUnavailable, m.name)
			require.Equal(t, 1, s.count(), m.name)
			require.Equal(t, infinitysip.Response{StatusCode: 503, Header: http.Header{"X-Request-Id": {"7"}}, RequestID: "7", Attempts: 1}, got, m.name)
			req := s.hits[0]
			require.Equal(t, "me", req.Header.Get("X-Caller"), m.name)
			require.Equal(t, req.Method == "GET", req.URL.Query().Has("newParam"), m.name)
			require.Equal(t, req.Method != "GET", s.form(1).Has("newParam"), m.name)
		})
	}
}

// plainDevice is a row of a caller's own.
type plainDevice struct {
	ID    infinitysip.DeviceID       `json:"pbxDeviceId" row:"id"`
	Name  string                     `json:"pbxDeviceName"`
	Extra map[string]json.RawMessage `json:"-"`
}

// anonymous is a row that does not say its id.
type anonymous struct {
	Name  string                     `json:"pbxDeviceName"`
	Extra map[string]json.RawMessage `json:"-"`
}

func rowNames[R any](t *testing.T, rows iter.Seq2[R, error], name func(R) string) (names []string, err error) {
	t.Helper()
	for row, failed := range rows {
		if err = failed; err != nil {
			break
		}
		names = append(names, name(row))
		require.Less(t, len(names), 1000, "it does not end")
	}
	return names, err
}

// rowsServer gives numbered devices, as many as it is asked for.
type rowsServer struct {
	n                           int
	ignoresLimit, ignoresOffset bool
	row                         func(n int) string // nil: of devices
}

func (r rowsServer) stub() *stub {
	s := new(stub)
	s.respond = func(_ int, req *http.Request) (*http.Response, error) {
		query := req.URL.Query()
		offset, _ := strconv.Atoi(query.Get("offset"))
		limit, err := strconv.Atoi(query.Get("limit"))
		if err != nil || r.ignoresLimit {
			limit = r.n
		}
		if r.ignoresOffset {
			offset = 0
		}
		var body strings.Builder
		for n := offset + 1; n <= min(offset+limit, r.n); n++ {
			if r.row != nil {
				body.WriteString(r.row(n) + "\n")
				continue
			}
			fmt.Fprintf(&body, `{"pbxDeviceId":"%d","pbxDeviceName":"d%d","new":%d}`+"\n", n, n, n)
		}
		return answer(200, body.String(), "X-Request-Id", query.Get("offset")), nil
	}
	return s
}

// queries are those that were asked for.
func (s *stub) queries() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, req := range s.hits {
		all = append(all, req.URL.RawQuery)
	}
	return all
}

// Rows in one request, or in pages by the offset.
func TestRows(t *testing.T) {
	t.Parallel()
	names := func(first, last int) (all []string) {
		for n := first; n <= last; n++ {
			all = append(all, fmt.Sprint("d", n))
		}
		return all
	}
	type options = infinitysip.ListOptions[plainDevice]
	name := infinitysip.Field[plainDevice]("pbxDeviceName")
	for what, test := range map[string]struct {
		server rowsServer
		opts   *options
		want   []string
		asked  []string
		err    error
	}{
		"no options":                  {rowsServer{n: 7}, nil, names(1, 7), []string{""}, nil},
		"no rows":                     {rowsServer{}, nil, nil, []string{""}, nil},
		"a filter and a sort":         {rowsServer{n: 2}, &options{Filter: infinitysip.Where(name.Begins("d")), Sort: infinitysip.OrderBy(name.Desc())}, names(1, 2), []string{"filter%5B%5D=pbxDeviceName-begins-value-d&sort%5B%5D=pbxDeviceName-desc"}, nil},
		"an offset":                   {rowsServer{n: 7}, &options{Offset: 5}, names(6, 7), []string{"offset=5"}, nil},
		"a limit":                     {rowsServer{n: 7}, &options{Limit: 3}, names(1, 3), []string{"limit=3"}, nil},
		"a limit that is ignored":     {rowsServer{n: 7, ignoresLimit: true}, &options{Limit: 3}, names(1, 3), []string{"limit=3"}, nil},
		"a limit of more":             {rowsServer{n: 2}, &options{Limit: 3}, names(1, 2), []string{"limit=3"}, nil},
		"pages":                       {rowsServer{n: 7}, &options{PageSize: 3}, names(1, 7), []string{"limit=3", "limit=3&offset=3", "limit=3&offset=6", "limit=3&offset=7"}, nil},
		"pages from an offset":        {rowsServer{n: 7}, &options{PageSize: 3, Offset: 3}, names(4, 7), []string{"limit=3&offset=3", "limit=3&offset=6", "limit=3&offset=7"}, nil},
		"pages up to a limit":         {rowsServer{n: 7}, &options{PageSize: 3, Limit: 5}, names(1, 5), []string{"limit=3", "limit=2&offset=3"}, nil},
		"pages in an order":           {rowsServer{n: 3}, &options{PageSize: 3, Sort: infinitysip.OrderBy(name.Asc())}, names(1, 3), []string{"limit=3&sort%5B%5D=pbxDeviceName-asc", "limit=3&offset=3&sort%5B%5D=pbxDeviceName-asc"}, nil},
		"pages whose size is ignored": {rowsServer{n: 7, ignoresLimit: true}, &options{PageSize: 3}, names(1, 7), []string{"limit=3", "limit=3&offset=7"}, nil},
		"an offset that is ignored":   {rowsServer{n: 7, ignoresOffset: true}, &options{PageSize: 3}, names(1, 3), []string{"limit=3", "limit=3&offset=3", "limit=3&offset=6"}, infinitysip.ErrPaginationStuck},
	} {
		s := test.server.stub()
		client := stubClient(t, s, infinitysip.WithReadAhead(0))
		got, err := rowNames(t, infinitysip.Rows(t.Context(), client, "/config/v2/sip/domains/1/devices", test.opts), func(row plainDevice) string {
			require.Equal(t, row.Name, fmt.Sprint("d", row.ID))
			require.Len(t, row.Extra, 1)
			return row.Name
		})
		require.Equal(t, test.want, got, what)
		require.Equal(t, test.asked, s.queries(), what)
		if test.err == nil {
			require.NoError(t, err, what)
			continue
		}
		require.ErrorIs(t, err, test.err, what)
		require.ErrorContains(t, err, "infinitysip: Rows: GET /config/v2/sip/domains/1/devices: ", what)
	}
}

// Pages of rows that do not say their ids are told apart by their text, whatever of it
// the rows decode.
func TestRowsWithoutAnID(t *testing.T) {
	t.Parallel()
	alike := func(text string) func(int) string { return func(n int) string { return fmt.Sprintf(text, n) } }
	for what, test := range map[string]struct {
		server rowsServer
		want   int
		err    error
	}{
		"pages":                                {rowsServer{n: 50}, 50, nil},
		"rows that differ in what is not read": {rowsServer{n: 50, row: alike(`{"pbxDeviceName":"Lobby","x":%d}`)}, 50, nil},
		"an offset that is ignored":            {rowsServer{n: 50, ignoresOffset: true}, 5, infinitysip.ErrPaginationStuck},
		"no pages at all":                      {rowsServer{n: 50, ignoresOffset: true, ignoresLimit: true}, 50, infinitysip.ErrPaginationStuck},
		"rows that are all the same":           {rowsServer{n: 50, row: func(int) string { return `{"pbxDeviceName":"Lobby"}` }}, 5, infinitysip.ErrPaginationStuck},
	} {
		for _, ahead := range []int{0, 4} {
			client := stubClient(t, test.server.stub(), infinitysip.WithReadAhead(ahead))
			got, err := rowNames(t, infinitysip.Rows(t.Context(), client, rawPath, &infinitysip.ListOptions[anonymous]{PageSize: 5}), func(row anonymous) string { return row.Name })
			require.Len(t, got, test.want, what)
			require.ErrorIs(t, err, test.err, what)
		}
	}
}

// Rows come as they arrive, and the end of the loop ends the request.
func TestRowsAsTheyArrive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			resp := answer(200, "")
			resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(`{"pbxDeviceName":"a"}`+"\n"+`{"pbxDeviceName":"b"}`+"\n"), waitingReader{req.Context()})), -1
			return resp, nil
		}}
		start := time.Now()
		client := stubClient(t, s)
		for row, err := range infinitysip.Rows[anonymous](t.Context(), client, rawPath, nil) {
			require.NoError(t, err)
			if row.Name == "b" {
				break
			}
		}
		require.Equal(t, start, time.Now())
		// What is behind the last row that is asked for does not matter, and is not waited
		// for longer than for the rest of an error.
		got, err := infinitysip.Collect(infinitysip.Rows(t.Context(), client, rawPath, &infinitysip.ListOptions[anonymous]{Limit: 2}))
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, 2*time.Second, time.Since(start))
		got, err = infinitysip.Collect(infinitysip.Rows(t.Context(), client, rawPath, &infinitysip.ListOptions[anonymous]{Limit: 3}))
		require.ErrorContains(t, err, "row 3: the answer was cut short")
		require.Nil(t, got)
	})
}

// Rows keep their options, and can be read again.
func TestRowsKeepTheirOptions(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 2} {
		s := rowsServer{n: 3}.stub()
		opts := &infinitysip.ListOptions[plainDevice]{PageSize: size, Sort: infinitysip.OrderBy(infinitysip.Field[plainDevice]("a").Asc())}
		var got infinitysip.Response
		with := []infinitysip.CallOption{infinitysip.CallParam("x", "1"), infinitysip.CallResponse(&got)}
		rows := infinitysip.Rows(t.Context(), stubClient(t, s), rawPath, opts, with...)
		opts.Sort[0], opts.PageSize, with[0] = infinitysip.Field[plainDevice]("b").Asc(), 100, nil
		for range 2 {
			all, err := infinitysip.Collect(rows)
			require.NoError(t, err)
			require.Len(t, all, 3)
		}
		require.Equal(t, 200, got.StatusCode)
		require.Nil(t, got.Body)
		for _, query := range s.queries() {
			require.Contains(t, query, "sort%5B%5D=a-asc")
			require.Contains(t, query, "x=1")
			require.NotContains(t, query, "limit=100")
		}
	}
}

// The rows of the API are those of its method.
func TestRowsOfTheAPI(t *testing.T) {
	t.Parallel()
	a := newAcme(t, siptest.Options{})
	want, err := a.client.Devices.List(t.Context(), a.domain, nil)
	require.NoError(t, err)
	for _, opts := range []*infinitysip.DeviceListOptions{nil, {PageSize: 1}, {Filter: infinitysip.Where(infinitysip.DeviceFields.Name.Eq("First")), Limit: 1}} {
		got, err := infinitysip.Collect(infinitysip.Rows(t.Context(), a.client, fmt.Sprintf("/config/v2/sip/domains/%d/devices", a.domain), opts))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = infinitysip.Collect(infinitysip.Rows[infinitysip.Device](t.Context(), a.client, "/config/v2/sip/domains/99/devices", nil))
	require.ErrorIs(t, err, infinitysip.ErrNotFound)
}

func TestCollect(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	seq := func(n int, err error) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
			if err != nil && yield(0, err) {
				panic("it goes on after an error")
			}
		}
	}
	got, err := infinitysip.Collect(seq(3, nil))
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2}, got)
	got, err = infinitysip.Collect(seq(0, nil))
	require.NoError(t, err)
	require.Nil(t, got)
	for _, n := range []int{0, 3} {
		got, err = infinitysip.Collect(seq(n, failed))
		require.ErrorIs(t, err, failed)
		require.Nil(t, got)
	}
}
