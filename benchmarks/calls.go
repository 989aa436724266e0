package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"

	restyv2 "github.com/go-resty/resty/v2"
	"github.com/google/go-querystring/query"
	"github.com/hashicorp/go-retryablehttp"
	restyv3 "resty.dev/v3"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/benchmarks/internal/bench"
)

// A caller creates a user with all 20 fields, and reads one.
type caller struct {
	name   string
	create func() (id int64, err error)
	read   func() (row any, err error)
}

const (
	byHand     = "net/http by hand"
	viaQuery   = ", go-querystring"
	resty2Name = "resty v2"
	resty3Name = "resty v3"
	sdkName    = "this SDK"
	userPath   = usersPath + "/1000001" // of bench.UserID
)

func callers(transport http.RoundTripper) []caller {
	client := &http.Client{Transport: transport}
	retrying := retryablehttp.NewClient()
	retrying.HTTPClient, retrying.Logger = client, nil
	resty2, resty3 := restyv2.NewWithClient(client), restyv3.NewWithClient(client)
	again := func(req *http.Request) (*http.Response, error) { return retry(retrying, req) }
	sdk, params := bench.SDK(transport), bench.UserParams()
	form := formOf(params)
	return []caller{
		{
			name:   byHand,
			create: func() (int64, error) { return send(client.Do, form.values()) },
			read:   func() (any, error) { return receive(client.Do) },
		},
		{
			name:   byHand + viaQuery,
			create: func() (int64, error) { return sendQuery(client.Do, form) },
			read:   func() (any, error) { return receive(client.Do) },
		},
		{
			name:   "retryablehttp" + viaQuery,
			create: func() (int64, error) { return sendQuery(again, form) },
			read:   func() (any, error) { return receive(again) },
		},
		{
			name:   resty2Name,
			create: func() (int64, error) { return create2(resty2.R().SetFormData(form.strings())) },
			read:   func() (any, error) { return read2(resty2.R()) },
		},
		{
			name: resty2Name + viaQuery,
			create: func() (int64, error) {
				values, err := query.Values(form)
				if err != nil {
					return 0, err
				}
				return create2(resty2.R().SetFormDataFromValues(values))
			},
			read: func() (any, error) { return read2(resty2.R()) },
		},
		{
			name:   resty3Name,
			create: func() (int64, error) { return create3(resty3.R().SetFormData(form.strings())) },
			read:   func() (any, error) { return read3(resty3.R()) },
		},
		{
			name: resty3Name + viaQuery,
			create: func() (int64, error) {
				values, err := query.Values(form)
				if err != nil {
					return 0, err
				}
				return create3(resty3.R().SetFormDataFromValues(values))
			},
			read: func() (any, error) { return read3(resty3.R()) },
		},
		{
			name: sdkName,
			create: func() (int64, error) {
				id, err := sdk.Users.Create(context.Background(), 1, params)
				return int64(id), err
			},
			read: func() (any, error) {
				user, err := sdk.Users.Get(context.Background(), 1, bench.UserID)
				if err != nil {
					return nil, err
				}
				return *user, nil
			},
		},
	}
}

func create2(req *restyv2.Request) (int64, error) {
	var made created
	resp, err := req.SetHeader("Authorization", "ApiKey "+bench.Key).SetResult(&made).Post(bench.BaseURL + usersPath)
	if err != nil {
		return 0, err
	}
	return made.id(resp.StatusCode())
}

func read2(req *restyv2.Request) (any, error) {
	var row stringUser
	resp, err := req.SetHeader("Authorization", "ApiKey "+bench.Key).SetResult(&row).Get(bench.BaseURL + userPath)
	if err != nil {
		return nil, err
	}
	return row, expect(http.StatusOK, resp.StatusCode())
}

func create3(req *restyv3.Request) (int64, error) {
	var made created
	resp, err := req.SetHeader("Authorization", "ApiKey "+bench.Key).SetResult(&made).Post(bench.BaseURL + usersPath)
	if err != nil {
		return 0, err
	}
	return made.id(resp.StatusCode())
}

func read3(req *restyv3.Request) (any, error) {
	var row stringUser
	resp, err := req.SetHeader("Authorization", "ApiKey "+bench.Key).SetResult(&row).Get(bench.BaseURL + userPath)
	if err != nil {
		return nil, err
	}
	return row, expect(http.StatusOK, resp.StatusCode())
}

// created is the answer to a create.
type created struct {
	UserID string `json:"userId"`
}

func (c created) id(status int) (int64, error) {
	if err := expect(http.StatusCreated, status); err != nil {
		return 0, err
	}
	return strconv.ParseInt(c.UserID, 10, 64)
}

func expect(want, got int) error {
	if got != want {
		return fmt.Errorf("unexpected status %d", got)
	}
	return nil
}

type do func(*http.Request) (*http.Response, error)

func send(do do, form url.Values) (int64, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, bench.BaseURL+usersPath, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var made created
	status, err := exchange(do, req, &made)
	if err != nil {
		return 0, err
	}
	return made.id(status)
}

func sendQuery(do do, form userForm) (int64, error) {
	values, err := query.Values(form)
	if err != nil {
		return 0, err
	}
	return send(do, values)
}

func receive(do do) (any, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, bench.BaseURL+userPath, nil)
	if err != nil {
		return nil, err
	}
	var row stringUser
	status, err := exchange(do, req, &row)
	if err != nil {
		return nil, err
	}
	return row, expect(http.StatusOK, status)
}

func exchange(do do, req *http.Request, into any) (status int, err error) {
	req.Header.Set("Authorization", "ApiKey "+bench.Key)
	resp, err := do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, json.NewDecoder(resp.Body).Decode(into)
}

func retry(client *retryablehttp.Client, req *http.Request) (*http.Response, error) {
	again, err := retryablehttp.FromRequest(req)
	if err != nil {
		return nil, err
	}
	return client.Do(again)
}

// userForm is what a create sends, in the types that one would choose by hand.
type userForm struct {
	User            string `url:"user"`
	Password        string `url:"password"`
	DisplayName     string `url:"displayName"`
	ExtensionNumber string `url:"extensionNumber"`
	PIN             string `url:"pin,omitempty"`
	Email           string `url:"email,omitempty"`
	FirstName       string `url:"firstName,omitempty"`
	LastName        string `url:"lastName,omitempty"`
	JobName         string `url:"jobName,omitempty"`
	DepartmentName  string `url:"departmentName,omitempty"`
	CompanyName     string `url:"companyName,omitempty"`
	OfficeName      string `url:"officeName,omitempty"`
	UKCallerID      string `url:"ukCallerId,omitempty"`
	USCallerID      string `url:"usCallerId,omitempty"`
	MobileNumber    string `url:"mobileNumber,omitempty"`
	MobileFollow    bool   `url:"mobileFollow,int"`
	UKPhoneID       int64  `url:"ukPhoneId,omitempty"`
	USPhoneID       int64  `url:"usPhoneId,omitempty"`
	HotdeskAllowed  bool   `url:"hotdeskAllowed,int"`
	Dashboard       bool   `url:"dashboard,int"`
}

func formOf(p infinitysip.UserCreateParams) userForm {
	return userForm{
		User:            p.User,
		Password:        p.Password.Reveal(),
		DisplayName:     p.DisplayName,
		ExtensionNumber: p.ExtensionNumber,
		PIN:             p.PIN.Reveal(),
		Email:           p.Email,
		FirstName:       p.FirstName,
		LastName:        p.LastName,
		JobName:         p.JobName,
		DepartmentName:  p.DepartmentName,
		CompanyName:     p.CompanyName,
		OfficeName:      p.OfficeName,
		UKCallerID:      p.UKCallerID,
		USCallerID:      p.USCallerID,
		MobileNumber:    p.MobileNumber,
		MobileFollow:    *p.MobileFollow,
		UKPhoneID:       int64(p.UKPhoneID),
		USPhoneID:       int64(p.USPhoneID),
		HotdeskAllowed:  *p.HotdeskAllowed,
		Dashboard:       *p.Dashboard,
	}
}

// values sets one value after the other.
func (f userForm) values() url.Values {
	form := url.Values{}
	form.Set("user", f.User)
	form.Set("password", f.Password)
	form.Set("displayName", f.DisplayName)
	form.Set("extensionNumber", f.ExtensionNumber)
	form.Set("pin", f.PIN)
	form.Set("email", f.Email)
	form.Set("firstName", f.FirstName)
	form.Set("lastName", f.LastName)
	form.Set("jobName", f.JobName)
	form.Set("departmentName", f.DepartmentName)
	form.Set("companyName", f.CompanyName)
	form.Set("officeName", f.OfficeName)
	form.Set("ukCallerId", f.UKCallerID)
	form.Set("usCallerId", f.USCallerID)
	form.Set("mobileNumber", f.MobileNumber)
	form.Set("mobileFollow", bit(f.MobileFollow))
	form.Set("ukPhoneId", strconv.FormatInt(f.UKPhoneID, 10))
	form.Set("usPhoneId", strconv.FormatInt(f.USPhoneID, 10))
	form.Set("hotdeskAllowed", bit(f.HotdeskAllowed))
	form.Set("dashboard", bit(f.Dashboard))
	return form
}

// strings is for resty, which takes a map.
func (f userForm) strings() map[string]string {
	return map[string]string{
		"user":            f.User,
		"password":        f.Password,
		"displayName":     f.DisplayName,
		"extensionNumber": f.ExtensionNumber,
		"pin":             f.PIN,
		"email":           f.Email,
		"firstName":       f.FirstName,
		"lastName":        f.LastName,
		"jobName":         f.JobName,
		"departmentName":  f.DepartmentName,
		"companyName":     f.CompanyName,
		"officeName":      f.OfficeName,
		"ukCallerId":      f.UKCallerID,
		"usCallerId":      f.USCallerID,
		"mobileNumber":    f.MobileNumber,
		"mobileFollow":    bit(f.MobileFollow),
		"ukPhoneId":       strconv.FormatInt(f.UKPhoneID, 10),
		"usPhoneId":       strconv.FormatInt(f.USPhoneID, 10),
		"hotdeskAllowed":  bit(f.HotdeskAllowed),
		"dashboard":       bit(f.Dashboard),
	}
}

func bit(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// ofCalls are the ways of the creates and of the reads.
func ofCalls(callers []caller) (creates, reads []bench.Way) {
	for _, caller := range callers {
		creates = append(creates, bench.Way{Name: caller.name, Run: bench.Times(func() error { _, err := caller.create(); return err })})
		reads = append(reads, bench.Way{Name: caller.name, Run: bench.Times(func() error { _, err := caller.read(); return err })})
	}
	return creates, reads
}

// The ways of a service to an account's first call.
const (
	wayNew     = "NewClient"
	wayFurther = "a further account (WithCredentials)"
	waySame    = "another call of the same account"
)

// firstCalls are the ways over connections to a server on this machine. A new Client has a
// connection of its own.
func firstCalls(baseURL string) []bench.Way {
	one := func(client *infinitysip.Client, err error) error {
		if err == nil {
			_, err = client.Users.Get(context.Background(), 1, bench.UserID)
		}
		return err
	}
	credentials, base := infinitysip.APIKey(bench.Key), infinitysip.WithBaseURL(baseURL)
	shared, err := infinitysip.NewClient(credentials, base)
	return []bench.Way{
		{Name: wayNew, Run: bench.Times(func() error {
			client, err := infinitysip.NewClient(credentials, base)
			defer client.CloseIdleConnections()
			return one(client, err)
		})},
		{Name: wayFurther, Run: bench.Times(func() error { return one(shared.WithCredentials(credentials)) })},
		{Name: waySame, Run: bench.Times(func() error { return one(shared, err) })},
	}
}

// serveRow answers every request with a row, and allocates nothing for it, so that what is
// counted is the client's.
func serveRow() (baseURL string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(bench.UserRow()), bench.UserRow())
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		request := bufio.NewReaderSize(conn, 1<<10)
		for {
			line, err := request.ReadSlice('\n')
			if err == nil && len(line) == len("\r\n") {
				_, err = conn.Write(answer)
			}
			if err != nil {
				return
			}
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return "http://" + listener.Addr().String(), func() { _ = listener.Close() }, nil
}

// accounts prints the table on what an account costs until its first answer.
func accounts(w io.Writer, c config) error {
	baseURL, stop, err := serveRow()
	if err != nil {
		return err
	}
	defer stop()
	results, err := bench.Measure(firstCalls(baseURL), c.callRounds(), c.pick(200, 50))
	if err != nil {
		return err
	}
	table := &bench.Table{
		Title: "Calls: the first call of an account, which reads a user",
		Note:  "Over HTTP/1.1 to a server on this machine. A further account has the connections of the first.",
		Head:  []string{"way", "µs", "allocations", "KB allocated"},
	}
	for _, result := range results {
		table.Add(result.Name, bench.Number(result.Micros), bench.Number(result.Allocs), bench.Number(result.Bytes/1e3))
	}
	table.Goals = []bench.Goal{bench.AtMost(10, " KB", "first call of "+wayFurther, bench.Find(results, wayFurther).Bytes/1e3)}
	table.Print(w)
	return nil
}

// calls prints the tables on single calls: those of other libraries, and those
// of peer SDKs, which another program makes, so that whoever wants no peers
// need not compile them.
func calls(w io.Writer, c config) error {
	creates, reads := ofCalls(callers(bench.Fixed(http.StatusCreated, bench.Created(), bench.UserRow())))
	create, err := bench.Measure(creates, c.callRounds(), c.calls())
	if err != nil {
		return err
	}
	read, err := bench.Measure(reads, c.callRounds(), c.calls())
	if err != nil {
		return err
	}
	table := bench.CallTable("Calls: create a user with 20 fields, read one", create, read)
	against := func(results []bench.Result, name string) float64 {
		return bench.Find(results, sdkName).Against(bench.Find(results, name))
	}
	table.Goals = []bench.Goal{
		bench.AtMost(2, " ×", "create, time against by hand", against(create, byHand)),
		bench.AtMost(1, " ×", "create, time against "+resty2Name+viaQuery, against(create, resty2Name+viaQuery)),
		bench.AtMost(1, " ×", "create, time against "+resty3Name+viaQuery, against(create, resty3Name+viaQuery)),
		bench.AtMost(0.7, " ×", "read, time against by hand", against(read, byHand)),
	}
	table.Print(w)
	if err := accounts(w, c); err != nil {
		return err
	}

	peers := exec.Command("go", "run", "./peers", "-rounds="+strconv.Itoa(c.callRounds()), "-calls="+strconv.Itoa(c.calls()))
	var out bytes.Buffer
	peers.Stdout, peers.Stderr = &out, os.Stderr
	if err := peers.Run(); err != nil {
		return fmt.Errorf("go run ./peers: %w", err)
	}
	_, err = out.WriteTo(w)
	return err
}
