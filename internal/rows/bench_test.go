package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Rows as the server writes them, the id left open.
const (
	userRow = `{"userId":"%d","domainId":"1","user":"joe.bloggs.7","displayName":"Joe Bloggs 7","extensionNumber":"20107","email":"joe.bloggs.7@company.example","firstName":"Joe","lastName":"Bloggs","jobName":"Sales Manager","departmentName":"Sales North","companyName":"Company Ltd","officeName":"Leeds","ukCallerId":"01234567890","usCallerId":"12025550100","mobileNumber":"07700900123","mobileFollow":"1","ukPhoneId":"31","usPhoneId":"32","hotdeskAllowed":"1","dashboard":"0"}` + "\n"

	deviceRow = `{"pbxDeviceId":"%d","pbxDeviceName":"My PBX Device 1","domainId":"1","deviceMacAddress":"10:20:30:1A:2B:3C","createDatetime":"2019-10-31 09:42:56","updateDatetime":"2019-10-31 09:50:06","userId":"11","user":"test.user"}` + "\n"
)

// escapedRow has an escape where PHP's encoder writes one.
var escapedRow = strings.NewReplacer("Sales North", `Sales\/North`, "Joe Bloggs 7", `Jo\u00eb Bloggs 7`).Replace(userRow)

// echoedRow has the secrets too.
var echoedRow = strings.Replace(userRow, `"domainId"`, `"password":"correct horse","pin":"4711","domainId"`, 1)

// surplusRow has two members that no field decodes.
var surplusRow = strings.Replace(userRow, `"domainId"`, `"createDatetime":"2019-10-31 09:42:56","voicemail":"1","domainId"`, 1)

func listOf(row string, n int) []byte {
	var b bytes.Buffer
	for id := range n {
		fmt.Fprintf(&b, row, id+1)
	}
	return b.Bytes()
}

// The same rows by encoding/json, as people write it by hand.
type (
	userStrings struct {
		UserID          string `json:"userId"`
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
		Password        string `json:"password"`
		PIN             string `json:"pin"`
	}
	deviceStrings struct {
		ID         string `json:"pbxDeviceId"`
		Name       string `json:"pbxDeviceName"`
		DomainID   string `json:"domainId"`
		MACAddress string `json:"deviceMacAddress"`
		Created    string `json:"createDatetime"`
		Updated    string `json:"updateDatetime"`
		UserID     string `json:"userId"`
		User       string `json:"user"`
	}
)

// BenchmarkRows reads lists: an operation is a row. Beside this package it is
// encoding/json that reads them, so the ratio of two lines of one run counts.
func BenchmarkRows(b *testing.B) {
	for _, n := range []int{1, 2, 1000} {
		benchmarkRows[User, userStrings](b, "user", userRow, n)
		benchmarkRows[User, userStrings](b, "user-escaped", escapedRow, n)
		benchmarkRows[User, userStrings](b, "user-echoed", echoedRow, n)
		benchmarkRows[User, userStrings](b, "user-surplus", surplusRow, n)
		benchmarkRows[Device, deviceStrings](b, "device", deviceRow, n)
	}
}

func benchmarkRows[R, Strings any](b *testing.B, name, row string, n int) {
	body := listOf(row, n)
	b.Run(fmt.Sprintf("%s/%d/infinitysip", name, n), func(b *testing.B) {
		b.ReportAllocs()
		p := LayoutOf[R](format)
		for done := 0; done < b.N; {
			rows := NewReader[R](p, bytes.NewReader(body), maxRow)
			done += count(b, func() error { _, err := rows.Next(); return err })
			rows.Close()
		}
	})
	b.Run(fmt.Sprintf("%s/%d/json", name, n), func(b *testing.B) {
		b.ReportAllocs()
		for done := 0; done < b.N; {
			dec := json.NewDecoder(bytes.NewReader(body))
			done += count(b, func() error { return dec.Decode(new(Strings)) })
		}
	})
}

// count calls next until the end, and returns how often that was a row.
func count(tb testing.TB, next func() error) int {
	for n := 0; ; n++ {
		if err := next(); err == io.EOF {
			return n
		} else if err != nil {
			tb.Fatal(err)
		}
	}
}

// What a reader allocates for a row, in lists of 1 and of 1,000.
func TestRowsAllocations(t *testing.T) {
	users, devices := allocations[User], allocations[Device]
	for name, test := range map[string]struct {
		of   func(*testing.T, string, int) float64
		row  string
		most float64
	}{
		"users":                    {users, userRow, 1.05},
		"devices":                  {devices, deviceRow, 1.05},
		"users with escapes":       {users, escapedRow, 4.05}, // the text and two strings less their escapes; a race detector has encoding/json lose some more
		"users with two secrets":   {users, echoedRow, 5.05},  // the text and the func of each
		"users with two surpluses": {users, surplusRow, 5.05}, // a map and an array
	} {
		for _, n := range []int{1, 1000} {
			require.LessOrEqual(t, test.of(t, test.row, n), test.most, "%s, %d", name, n)
		}
	}
}

// allocations counts those of a reader that was used before, a row.
func allocations[R any](t *testing.T, row string, n int) float64 {
	text := listOf(row, n)
	body := bytes.NewReader(text)
	rows := NewReader[R](LayoutOf[R](format), body, maxRow)
	return testing.AllocsPerRun(10, func() {
		body.Reset(text)
		rows.open(body, maxRow)
		require.Equal(t, n, count(t, func() error { _, err := rows.Next(); return err }))
	}) / float64(n)
}

// A reader is used again. With the race detector a sync.Pool loses some.
func TestRowsReadersAreUsedAgain(t *testing.T) {
	t.Parallel()
	p := LayoutOf[User](format)
	again := false
	for range 100 {
		first := NewReader[User](p, strings.NewReader(""), maxRow)
		first.Close()
		again = again || NewReader[User](p, strings.NewReader(""), maxRow) == first
	}
	require.True(t, again)
}
