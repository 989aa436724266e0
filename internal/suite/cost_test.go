package suite_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// canned answers every request with a status and a body, in memory.
func canned(status int, body string) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		if req.Body != nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_ = req.Body.Close()
		}
		return &http.Response{
			StatusCode: status, ProtoMajor: 1, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
		}, nil
	}
}

// fullUser has all twenty fields of a create.
func fullUser() infinitysip.UserCreateParams {
	return infinitysip.UserCreateParams{
		User: "joe.blogs", Password: infinitysip.NewSecret("hunter2hunter2"), DisplayName: "Joe Blogs", ExtensionNumber: "0100",
		Email: "joe@example.com", FirstName: "Joe", LastName: "Blogs", JobName: "Engineer", DepartmentName: "R&D", CompanyName: "Acme",
		OfficeName: "London", UKCallerID: "02071234567", USCallerID: "12125550100", MobileNumber: "07700900123", MobileFollow: new(true),
		UKPhoneID: 11, USPhoneID: 12, HotdeskAllowed: new(true), Dashboard: new(false), PIN: infinitysip.NewSecret("4711"),
	}
}

// createByHand is what a program without this package would write.
func createByHand(client *http.Client) error {
	form := url.Values{}
	form.Set("user", "joe.blogs")
	form.Set("password", "hunter2hunter2")
	form.Set("displayName", "Joe Blogs")
	form.Set("extensionNumber", "0100")
	form.Set("email", "joe@example.com")
	form.Set("firstName", "Joe")
	form.Set("lastName", "Blogs")
	form.Set("jobName", "Engineer")
	form.Set("departmentName", "R&D")
	form.Set("companyName", "Acme")
	form.Set("officeName", "London")
	form.Set("ukCallerId", "02071234567")
	form.Set("usCallerId", "12125550100")
	form.Set("mobileNumber", "07700900123")
	form.Set("mobileFollow", "1")
	form.Set("ukPhoneId", "11")
	form.Set("usPhoneId", "12")
	form.Set("hotdeskAllowed", "1")
	form.Set("dashboard", "0")
	form.Set("pin", "4711")
	req, err := http.NewRequest(http.MethodPost, "https://api.infinitycloud.com/config/v2/sip/domains/1/users", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "ApiKey "+canaryKey)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var created struct {
		ID string `json:"userId"`
	}
	return json.NewDecoder(resp.Body).Decode(&created)
}

func getByHand(client *http.Client) error {
	req, err := http.NewRequest(http.MethodGet, "https://api.infinitycloud.com/config/v2/sip/domains/1/users/7", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "ApiKey "+canaryKey)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var user struct {
		ID              string `json:"userId"`
		DomainID        string `json:"domainId"`
		User            string `json:"user"`
		DisplayName     string `json:"displayName"`
		ExtensionNumber string `json:"extensionNumber"`
		Email           string `json:"email"`
		FirstName       string `json:"firstName"`
		LastName        string `json:"lastName"`
		JobName         string `json:"jobName"`
		DepartmentName  string `json:"departmentName"`
		CompanyName     string `json:"companyName"`
		OfficeName      string `json:"officeName"`
		UKCallerID      string `json:"ukCallerId"`
		USCallerID      string `json:"usCallerId"`
		MobileNumber    string `json:"mobileNumber"`
		MobileFollow    string `json:"mobileFollow"`
		UKPhoneID       string `json:"ukPhoneId"`
		USPhoneID       string `json:"usPhoneId"`
		HotdeskAllowed  string `json:"hotdeskAllowed"`
		Dashboard       string `json:"dashboard"`
	}
	return json.NewDecoder(resp.Body).Decode(&user)
}

const (
	createdAnswer = `{"userId":"7"}`
	userAnswer    = `{"userId":"7","domainId":"1","user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"0100","email":"joe@example.com",` +
		`"firstName":"Joe","lastName":"Blogs","jobName":"Engineer","departmentName":"R&D","companyName":"Acme","officeName":"London",` +
		`"ukCallerId":"02071234567","usCallerId":"12125550100","mobileNumber":"07700900123","mobileFollow":"1","ukPhoneId":"11","usPhoneId":"12",` +
		`"hotdeskAllowed":"1","dashboard":"0"}` + "\n"
)

func BenchmarkCreate(b *testing.B) {
	transport, params := canned(201, createdAnswer), fullUser()
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		client := &http.Client{Transport: transport}
		for b.Loop() {
			require.NoError(b, createByHand(client))
		}
	})
	b.Run("Users.Create", func(b *testing.B) {
		b.ReportAllocs()
		client := stubClient(b, transport)
		for b.Loop() {
			_, err := client.Users.Create(b.Context(), 1, params)
			require.NoError(b, err)
		}
	})
}

func BenchmarkGet(b *testing.B) {
	transport := canned(200, userAnswer)
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		client := &http.Client{Transport: transport}
		for b.Loop() {
			require.NoError(b, getByHand(client))
		}
	})
	b.Run("Users.Get", func(b *testing.B) {
		b.ReportAllocs()
		client := stubClient(b, transport)
		for b.Loop() {
			_, err := client.Users.Get(b.Context(), 1, 7)
			require.NoError(b, err)
		}
	})
}

// TestAllocations keeps calls from growing. It leaves room for other versions
// of Go, and for the race detector, with which a sync.Pool loses some.
func TestAllocations(t *testing.T) { // not parallel: it counts for the whole process
	client, params := stubClient(t, canned(201, createdAnswer)), fullUser()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		_, err := client.Users.Create(t.Context(), 1, params)
		require.NoError(t, err)
	}), 170.0)
	client = stubClient(t, canned(200, userAnswer))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		_, err := client.Users.Get(t.Context(), 1, 7)
		require.NoError(t, err)
	}), 65.0)
}

// A service may have an account for each of many tenants: one more, with its first call,
// costs little more than the call.
func TestAllocationsOfAFurtherAccount(t *testing.T) { // not parallel: it counts for the whole process
	client, least := stubClient(t, canned(200, userAnswer)), uint64(1<<60)
	for range 50 { // now and then a sync.Pool has lost what it had
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		further, err := client.WithCredentials(infinitysip.APIKey(canaryKey))
		require.NoError(t, err)
		_, err = further.Users.Get(t.Context(), 1, 7)
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	require.LessOrEqual(t, least, uint64(10<<10))
}

// TestFrames keeps the way from a method to the transport short: it counts the
// functions of this module on the stack there, less the test's own.
func TestFrames(t *testing.T) {
	t.Parallel()
	var frames []string
	transport := func(answered roundTripper) roundTripper {
		return func(req *http.Request) (*http.Response, error) {
			frames = nil
			pcs := make([]uintptr, 200)
			callers := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
			for frame, more := callers.Next(); more; frame, more = callers.Next() {
				if module, own := "github.com/infinitysip/infinitysip", "/internal/suite_test."; strings.HasPrefix(frame.Function, module) && !strings.HasPrefix(frame.Function, module+own) {
					frames = append(frames, frame.Function)
				}
			}
			return answered(req)
		}
	}
	_, err := stubClient(t, transport(canned(200, userAnswer))).Users.Get(t.Context(), 1, 7)
	require.NoError(t, err)
	require.NotEmpty(t, frames)
	require.LessOrEqual(t, len(frames), 4, frames)
	_, err = stubClient(t, transport(canned(201, createdAnswer))).Users.Create(t.Context(), 1, fullUser())
	require.NoError(t, err)
	require.LessOrEqual(t, len(frames), 6, frames)
}
