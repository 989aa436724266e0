package siptest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// A program is tested with both answers to a question that the API's page leaves open.
func ExampleOptions() {
	for name, options := range map[string]siptest.Options{
		"usual":          {},
		"whole row":      {CreateBody: siptest.CreateBodyRow, BareNumbers: true},
		"nothing":        {CreateBody: siptest.CreateBodyNone},
		"other statuses": {DuplicateStatus: 400, ErrorBody: siptest.ErrorBodyHTML},
	} {
		srv := siptest.NewServer(options)
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		err := addTeam(context.Background(), srv.InProcessClient(), domain, "sales", "joe", "ann")
		fmt.Println(name, err, len(srv.Users(domain)))
	}
	// Unordered output:
	// usual <nil> 2
	// whole row <nil> 2
	// nothing <nil> 2
	// other statuses <nil> 2
}

// A list does not show a new row for a while. The test sets the clock.
func ExampleOptions_listLag() {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	srv := siptest.NewServer(siptest.Options{ListLag: 5 * time.Second, Now: func() time.Time { return now }})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client, ctx := srv.InProcessClient(), context.Background()

	id, err := client.Users.Create(ctx, domain, joe)
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.Users.Get(ctx, domain, id)
	fmt.Println("read:", err)
	for range 2 {
		users, err := client.Users.List(ctx, domain)
		fmt.Println("listed:", len(users), err)
		now = now.Add(5 * time.Second)
	}
	// Output:
	// read: <nil>
	// listed: 0 <nil>
	// listed: 1 <nil>
}

// The server drops the rows after the hundredth, and does not say so.
func ExampleOptions_maxRows() {
	srv := siptest.NewServer(siptest.Options{MaxRows: 100})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	for i := range 150 {
		srv.AddDevice(domain, infinitysip.Device{MACAddress: fmt.Sprintf("10:20:30:1A:2B:%02X", i)})
	}
	client, ctx := srv.InProcessClient(), context.Background()

	one, err := client.Devices.List(ctx, domain, nil)
	fmt.Println("one request:", len(one), err)
	all, err := infinitysip.Collect(client.Devices.All(ctx, domain, nil))
	fmt.Println("page after page:", len(all), err)
	// Output:
	// one request: 100 <nil>
	// page after page: 150 <nil>
}

// The server changes what it stores. A program that compares names must know.
func ExampleOptions_rewrites() {
	srv := siptest.NewServer(siptest.Options{Rewrites: siptest.Rewrites{
		"user": siptest.RewriteLower, "deviceMacAddress": siptest.RewriteBare,
	}})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
	client, ctx := srv.InProcessClient(), context.Background()

	params := joe
	params.User = "Joe.Blogs"
	if _, err := client.Users.Create(ctx, domain, params); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Devices.Create(ctx, domain, infinitysip.DeviceCreateParams{Name: "Desk", MACAddress: "10:20:30:1A:2B:3C"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(srv.Users(domain)[0].User, srv.Devices(domain)[0].MACAddress)
	// Output: joe.blogs 1020301A2B3C
}

// A server of your own making: it numbers names that repeat.
func ExampleOptions_rewriteKey() {
	seen := map[string]int{}
	srv := siptest.NewServer(siptest.Options{RewriteKey: func(column, value string) string {
		if seen[value]++; column == "groupName" && seen[value] > 1 {
			return fmt.Sprintf("%s-%d", value, seen[value])
		}
		return value
	}})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	for _, extension := range []string{"301", "302"} {
		params := sales
		params.ExtensionNumber = extension
		if _, err := srv.InProcessClient().Groups.Create(context.Background(), domain, params); err != nil {
			log.Fatal(err)
		}
	}
	for _, group := range srv.Groups(domain) {
		fmt.Println(group.ExtensionNumber, group.Name)
	}
	// Output:
	// 301 sales
	// 302 sales-2
}

// A connection serves two requests. The last one of each connection crosses with its
// end, and the client sends it again.
func ExampleOptions_keepRequests() {
	srv := siptest.NewServer(siptest.Options{KeepRequests: 2, CloseLate: true})
	defer srv.Close()
	client := srv.Client(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{BaseWait: time.Millisecond}))

	for range 4 {
		_, err := client.Domains.List(context.Background())
		fmt.Println(err)
	}
	opened, _ := srv.Connections()
	fmt.Println("more than one:", opened > 1)
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// <nil>
	// more than one: true
}

// The server has the protocols of the real one.
func ExampleOptions_http2() {
	srv := siptest.NewServer(siptest.Options{HTTP2: true, TLS: &tls.Config{MinVersion: tls.VersionTLS13}})
	defer srv.Close()
	client := srv.Client(infinitysip.WithObserver(infinitysip.Observer{
		Attempt: func(ctx context.Context, _ infinitysip.AttemptInfo) (context.Context, func(infinitysip.AttemptResult)) {
			return ctx, func(result infinitysip.AttemptResult) { fmt.Println(result.Proto, result.StatusCode) }
		},
	}))

	_, err := client.Domains.List(context.Background())
	fmt.Println(strings.HasPrefix(srv.URL(), "https://127.0.0.1:"), err)
	// Output:
	// HTTP/2.0 200
	// true <nil>
}

// Every request is logged as it ends.
func ExampleOptions_observe() {
	srv := siptest.NewServer(siptest.Options{Observe: func(request siptest.Request) {
		fmt.Println(request.Status, request.Method, request.Path, request.Form.Get("extensionNumber"))
	}})
	domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})

	if err := addTeam(context.Background(), srv.InProcessClient(), domain, "sales", "joe"); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 201 POST /config/v2/sip/domains/1/users 201
	// 201 POST /config/v2/sip/domains/1/groups 301
	// 204 POST /config/v2/sip/domains/1/groups/1/users
}

// The options of a server are in a file of the project.
func ExampleOptions_UnmarshalJSON() {
	options := siptest.Options{Username: "ops", Password: "secret"}
	err := json.Unmarshal([]byte(`{"createBody": "row", "listLag": "5s", "limit": {"requests": 10, "retryAfter": "seconds"}}`), &options)
	fmt.Println(options.Username, options.CreateBody == siptest.CreateBodyRow, options.ListLag, options.Limit.Requests, err)

	err = json.Unmarshal([]byte(`{"createBodies": "row"}`), &options)
	fmt.Println("a member that is no option:", err != nil)
	// Output:
	// ops true 5s 10 <nil>
	// a member that is no option: true
}

// What a failed test ran with is written to its log, to be used again.
func ExampleOptions_MarshalJSON() {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(siptest.Options{
		Zone: zone, Latency: 20 * time.Millisecond, GroupUpdates: siptest.GroupUpdatesKeep, Paths: siptest.PathsAnyCase,
	})
	fmt.Println(string(text), err)
	// Output: {"groupUpdates":"keep","paths":"anyCase","latency":"20ms","zone":"Europe/London"} <nil>
}

// NewServer panics with options that make no sense. A program that reads them from
// a file asks first.
func ExampleOptions_Validate() {
	err := siptest.Options{MaxRows: -1, Latency: -time.Second}.Validate()
	fmt.Println(err)
	// Output:
	// maxRows is negative
	// latency is negative
}

// The three answers to the same create.
func ExampleCreateBody() {
	monday := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for _, body := range []siptest.CreateBody{siptest.CreateBodyID, siptest.CreateBodyRow, siptest.CreateBodyNone} {
		srv := siptest.NewServer(siptest.Options{CreateBody: body, Now: func() time.Time { return monday }})
		srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		response, err := srv.InProcessClient().Do(context.Background(), "POST", "/config/v2/sip/domains/1/trustedNetworks",
			url.Values{"network": {"203.0.113.0/24"}, "description": {"Office"}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", response.StatusCode, bytes.TrimSpace(response.Body))
	}
	// Output:
	// 201 {"trustedNetworkId":"1"}
	// 201 {"trustedNetworkId":"1","domainId":"1","network":"203.0.113.0\/24","description":"Office","createDatetime":"2026-01-05 09:00:00","updateDatetime":"0000-00-00 00:00:00"}
	// 201
}

func ExampleCreateBody_MarshalText() {
	text, err := siptest.CreateBodyRow.MarshalText()
	fmt.Println(string(text), err)
	// Output: row <nil>
}

// The choice is a flag of a program.
func ExampleCreateBody_UnmarshalText() {
	var body siptest.CreateBody
	flags := flag.NewFlagSet("fake", flag.ContinueOnError)
	flags.TextVar(&body, "create-body", siptest.CreateBodyID, "answer to a create: id, row or none")

	err := flags.Parse([]string{"-create-body", "none"})
	fmt.Println(body == siptest.CreateBodyNone, err)
	fmt.Println(body.UnmarshalText([]byte("all")))
	// Output:
	// true <nil>
	// "all" is none of id, row, none
}

// The four formats of the same refusal. The client reads its text from each of them.
func ExampleErrorBody() {
	for _, format := range []siptest.ErrorBody{siptest.ErrorBodyText, siptest.ErrorBodyJSONString, siptest.ErrorBodyJSONObject, siptest.ErrorBodyHTML} {
		srv := siptest.NewServer(siptest.Options{ErrorBody: format})
		_, err := srv.InProcessClient().Domains.Get(context.Background(), 7)
		if failure, ok := errors.AsType[*infinitysip.Error](err); ok {
			fmt.Printf("%q %s\n", failure.Message, failure.Body)
		}
	}
	// Output:
	// "no domainId 7" no domainId 7
	// "no domainId 7" "no domainId 7"
	// "no domainId 7" {"message":"no domainId 7"}
	// "not found" <html><head><title>not found</title></head><body><h1>not found</h1><p>no domainId 7</p></body></html>
}

func ExampleErrorBody_MarshalText() {
	text, err := json.Marshal(map[string]siptest.ErrorBody{"errorBody": siptest.ErrorBodyJSONObject})
	fmt.Println(string(text), err)
	// Output: {"errorBody":"jsonObject"} <nil>
}

func ExampleErrorBody_UnmarshalText() {
	var format siptest.ErrorBody
	fmt.Println(format.UnmarshalText([]byte("html")), format == siptest.ErrorBodyHTML)
	// Output: <nil> true
}

// How a client learns where an answer ends.
func ExampleFraming() {
	for _, framing := range []siptest.Framing{siptest.FramingChunked, siptest.FramingLength, siptest.FramingClose} {
		srv := siptest.NewServer(siptest.Options{Framing: framing})
		srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		req, err := http.NewRequest("GET", "http://siptest.invalid/config/v2/sip/domains", nil)
		if err != nil {
			log.Fatal(err)
		}
		req.Header.Set("Authorization", "ApiKey siptest-api-key")
		resp, err := srv.Transport().RoundTrip(req)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resp.TransferEncoding, resp.ContentLength, resp.Close)
		resp.Body.Close()
	}
	// Output:
	// [chunked] -1 false
	// [] 161 false
	// [] -1 true
}

func ExampleFraming_MarshalText() {
	text, err := siptest.FramingLength.MarshalText()
	fmt.Println(string(text), err)
	// Output: length <nil>
}

func ExampleFraming_UnmarshalText() {
	var framing siptest.Framing
	fmt.Println(framing.UnmarshalText([]byte("close")), framing == siptest.FramingClose)
	fmt.Println(framing.UnmarshalText([]byte("gzip")))
	// Output:
	// <nil> true
	// "gzip" is none of chunked, length, close
}

// Three servers get an update of a group that leaves out the format of the caller's name.
func ExampleGroupUpdates() {
	for _, updates := range []siptest.GroupUpdates{siptest.GroupUpdatesReject, siptest.GroupUpdatesKeep, siptest.GroupUpdatesClear} {
		srv := siptest.NewServer(siptest.Options{GroupUpdates: updates})
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		srv.AddGroup(domain, infinitysip.Group{Name: "sales", DisplayName: "Sales", CallerNameFormat: "{displayName}"})

		_, err := srv.InProcessClient().Do(context.Background(), "POST", "/config/v2/sip/domains/1/groups/1", url.Values{"displayName": {"Sales Dept"}})
		group := srv.Groups(domain)[0]
		fmt.Printf("refused: %t, %q %q\n", errors.Is(err, infinitysip.ErrInvalid), group.DisplayName, group.CallerNameFormat)
	}
	// Output:
	// refused: true, "Sales" "{displayName}"
	// refused: false, "Sales Dept" "{displayName}"
	// refused: false, "Sales Dept" ""
}

func ExampleGroupUpdates_MarshalText() {
	text, err := siptest.GroupUpdatesClear.MarshalText()
	fmt.Println(string(text), err)
	// Output: clear <nil>
}

func ExampleGroupUpdates_UnmarshalText() {
	var updates siptest.GroupUpdates
	fmt.Println(updates.UnmarshalText([]byte("keep")), updates == siptest.GroupUpdatesKeep)
	// Output: <nil> true
}

// A path in another case is not found, unless the server is lenient.
func ExamplePaths() {
	for _, paths := range []siptest.Paths{siptest.PathsExact, siptest.PathsAnyCase} {
		srv := siptest.NewServer(siptest.Options{Paths: paths})
		srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		_, err := srv.InProcessClient().Do(context.Background(), "GET", "/config/v2/sip/Domains/1", nil)
		fmt.Println("not found:", errors.Is(err, infinitysip.ErrNotFound))
	}
	// Output:
	// not found: true
	// not found: false
}

func ExamplePaths_MarshalText() {
	text, err := siptest.PathsAnyCase.MarshalText()
	fmt.Println(string(text), err)
	// Output: anyCase <nil>
}

func ExamplePaths_UnmarshalText() {
	var paths siptest.Paths
	fmt.Println(paths.UnmarshalText([]byte("anyCase")), paths == siptest.PathsAnyCase)
	// Output: <nil> true
}

// The page does not say that a list of users has a limit. A program that sends one must
// work with any of these servers.
func ExampleUndocumentedQuery() {
	for _, query := range []siptest.UndocumentedQuery{siptest.UndocumentedQueryIgnored, siptest.UndocumentedQueryHonoured, siptest.UndocumentedQueryRejected} {
		srv := siptest.NewServer(siptest.Options{UndocumentedQuery: query})
		domain := srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		srv.AddUser(domain, infinitysip.User{User: "joe"})
		srv.AddUser(domain, infinitysip.User{User: "ann"})
		users, err := srv.InProcessClient().Users.List(context.Background(), domain, infinitysip.CallParam("limit", "1"))
		fmt.Println(len(users), errors.Is(err, infinitysip.ErrInvalid))
	}
	// Output:
	// 2 false
	// 1 false
	// 0 true
}

func ExampleUndocumentedQuery_MarshalText() {
	text, err := siptest.UndocumentedQueryHonoured.MarshalText()
	fmt.Println(string(text), err)
	// Output: honour <nil>
}

func ExampleUndocumentedQuery_UnmarshalText() {
	var query siptest.UndocumentedQuery
	fmt.Println(query.UnmarshalText([]byte("reject")), query == siptest.UndocumentedQueryRejected)
	// Output: <nil> true
}

// A bucket of two requests a minute, by the clock of the test. What is refused is told
// when to come back.
func ExampleLimit() {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	srv := siptest.NewServer(siptest.Options{
		Limit: &siptest.Limit{Requests: 2, Per: time.Minute, RetryAfter: siptest.RetryAfterSeconds},
		Now:   func() time.Time { return now },
	})
	client := srv.InProcessClient(infinitysip.WithRetryPolicy(infinitysip.RetryPolicy{MaxThrottleWait: time.Nanosecond}))

	for range 4 {
		_, err := client.Domains.List(context.Background())
		failure, _ := errors.AsType[*infinitysip.Error](err)
		if failure != nil {
			fmt.Println("wait for", failure.RetryAfter)
			now = now.Add(failure.RetryAfter)
			continue
		}
		fmt.Println(err)
	}
	fmt.Println("refused:", srv.Refused())
	// Output:
	// <nil>
	// <nil>
	// wait for 30s
	// <nil>
	// refused: 1
}

func ExampleLimit_MarshalJSON() {
	text, err := json.Marshal(siptest.Limit{Requests: 60, Per: time.Minute, Window: true, Status: 503})
	fmt.Println(string(text), err)
	// Output:
	// {"requests":60,"per":"1m0s","window":true,"status":503} <nil>
}

func ExampleLimit_UnmarshalJSON() {
	var limit siptest.Limit
	err := json.Unmarshal([]byte(`{"inFlight": 4, "status": 503, "delay": "20ms"}`), &limit)
	fmt.Println(limit.InFlight, limit.Status, limit.Delay, err)
	// Output: 4 503 20ms <nil>
}

// The three ways to say when the next request will be accepted.
func ExampleRetryAfter() {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	for _, kind := range []siptest.RetryAfter{siptest.RetryAfterNone, siptest.RetryAfterSeconds, siptest.RetryAfterDate} {
		srv := siptest.NewServer(siptest.Options{
			Limit: &siptest.Limit{Requests: 1, Per: time.Minute, RetryAfter: kind},
			Now:   func() time.Time { return now },
		})
		for range 2 {
			resp, err := srv.Transport().RoundTrip(&http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: "siptest.invalid", Path: "/"}})
			if err != nil {
				log.Fatal(err)
			}
			if resp.StatusCode == http.StatusTooManyRequests {
				fmt.Printf("%q\n", resp.Header.Get("Retry-After"))
			}
			resp.Body.Close()
		}
	}
	// Output:
	// ""
	// "60"
	// "Mon, 05 Jan 2026 09:01:00 GMT"
}

func ExampleRetryAfter_MarshalText() {
	text, err := siptest.RetryAfterDate.MarshalText()
	fmt.Println(string(text), err)
	// Output: date <nil>
}

func ExampleRetryAfter_UnmarshalText() {
	var kind siptest.RetryAfter
	fmt.Println(kind.UnmarshalText([]byte("seconds")), kind == siptest.RetryAfterSeconds)
	// Output: <nil> true
}

// The rewritings that the server knows by a name.
func ExampleRewrites() {
	for _, network := range []siptest.Rewrite{siptest.RewriteTrim, siptest.RewriteMask} {
		srv := siptest.NewServer(siptest.Options{Rewrites: siptest.Rewrites{"network": network}})
		srv.AddDomain(infinitysip.Domain{DisplayName: "Acme"})
		_, err := srv.InProcessClient().Do(context.Background(), "POST", "/config/v2/sip/domains/1/trustedNetworks",
			url.Values{"network": {"203.0.113.7/24"}, "description": {"Office"}})
		fmt.Println(srv.TrustedNetworks(1)[0].Network, err)
	}
	// Output:
	// 203.0.113.7/24 <nil>
	// 203.0.113.0/24 <nil>
}
