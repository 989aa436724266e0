package bench

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/infinitysip/infinitysip"
)

// Rows are rows as the server sends them, newline-delimited, every value a
// string. A body of them is made as it is read, so that the heap stays small
// and the garbage collector as busy as in a real program.
type Rows struct {
	templates []string // each begins with its id
	N         int      // how many there are, over all pages
}

const (
	firstID = 1000001
	kinds   = 1000 // different rows, but for the id
)

// UserRows are n rows of 22 fields and 531 bytes. Five values are empty: the
// secrets among them, as a server answers that hides them.
func UserRows(n int) *Rows {
	return newRows(n, func(i int) string {
		return fmt.Sprintf(`{"userId":"%d","domainId":"1","user":"joe.blogs.%04d","displayName":"Joe Blogs %04d","extensionNumber":"2%04d",`+
			`"email":"joe.blogs.%04d@company.example.com","firstName":"Joe","lastName":"Blogs-Williams-Ray","jobName":"Senior Sales Executive, United Kingdom",`+
			`"departmentName":"Sales","companyName":"Company Example Limited","officeName":"London Bridge","ukCallerId":"02079460%03d","usCallerId":"",`+
			`"mobileNumber":"","mobileFollow":"%d","ukPhoneId":"%d","usPhoneId":"","hotdeskAllowed":"1","dashboard":"0","password":"","pin":""}`+"\n",
			firstID, i, i, i, i, i, i%2, 1001+i)
	})
}

// EscapedUserRows are UserRows with escapes in two values of every row, as PHP
// writes a slash and an accent.
func EscapedUserRows(n int) *Rows {
	rows := UserRows(n)
	for i, row := range rows.templates {
		row = strings.Replace(row, `"Sales"`, `"Sales\/EU"`, 1)
		rows.templates[i] = strings.Replace(row, `"London Bridge"`, `"Orl\u00e9ans"`, 1)
	}
	return rows
}

// DeviceRows are n rows of 8 fields and 237 bytes.
func DeviceRows(n int) *Rows {
	return newRows(n, func(i int) string {
		return fmt.Sprintf(`{"pbxDeviceId":"%d","pbxDeviceName":"Meeting room %04d","domainId":"1","deviceMacAddress":"10:20:30:1A:%02X:%02X",`+
			`"createDatetime":"2019-10-31 09:42:%02d","updateDatetime":"2024-02-29 17:05:%02d","userId":"%d","user":"joe.blogs.%04d"}`+"\n",
			firstID, i, i/256, i%256, i%60, i%60, 2000001+i, i)
	})
}

func newRows(n int, template func(i int) string) *Rows {
	rows := &Rows{N: n, templates: make([]string, kinds)}
	for i := range rows.templates {
		rows.templates[i] = template(i)
	}
	return rows
}

// Memory serves the rows: all of them, those after an id by the filter -gt-, or
// a page where the request has a limit and an offset.
func (r *Rows) Memory() *Memory {
	return &Memory{Answer: func(req *http.Request) (int, io.Reader) {
		query := req.URL.Query()
		offset, _ := strconv.Atoi(query.Get("offset"))
		if _, id, found := strings.Cut(query.Get("filter[]"), "-gt-value-"); found {
			last, _ := strconv.Atoi(id)
			offset += last - firstID + 1
		}
		end := r.N
		if limit, err := strconv.Atoi(query.Get("limit")); err == nil {
			end = min(end, offset+limit)
		}
		return http.StatusOK, &body{rows: r, next: offset, end: end}
	}}
}

type body struct {
	rows      *Rows
	next, end int
	row       []byte
	left      []byte // of row
}

func (b *body) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(b.left) == 0 {
			if b.next >= b.end {
				return n, io.EOF
			}
			b.row = append(b.row[:0], b.rows.templates[b.next%kinds]...)
			start := strings.IndexByte(b.rows.templates[0], ':') + 2
			strconv.AppendInt(b.row[start:start], int64(firstID+b.next), 10)
			b.left = b.row
			b.next++
		}
		copied := copy(p[n:], b.left)
		n += copied
		b.left = b.left[copied:]
	}
	return n, nil
}

// UserID is the id of the user that UserRow shows, and that a create makes.
const UserID = firstID

// UserRow is one user.
func UserRow() string { return strings.TrimSpace(UserRows(1).templates[0]) }

// Created is the answer to a create of a user.
func Created() string { return fmt.Sprintf(`{"userId":"%d"}`, UserID) }

// UserParams are those of a create with all 20 fields.
func UserParams() infinitysip.UserCreateParams {
	return infinitysip.UserCreateParams{
		User: "joe.blogs.0000", Password: infinitysip.NewSecret("correct horse battery"), DisplayName: "Joe Blogs 0000", ExtensionNumber: "20000",
		PIN: infinitysip.NewSecret("4711"), Email: "joe.blogs.0000@company.example.com", FirstName: "Joe", LastName: "Blogs-Williams",
		JobName: "Sales Executive", DepartmentName: "Sales", CompanyName: "Company Example Ltd", OfficeName: "London",
		UKCallerID: "02079460000", USCallerID: "2025550100", MobileNumber: "07700900000", MobileFollow: new(true),
		UKPhoneID: 1001, USPhoneID: 1002, HotdeskAllowed: new(true), Dashboard: new(false),
	}
}

// SDK returns a client of this SDK on a transport. It panics when an option is
// wrong.
func SDK(transport http.RoundTripper, opts ...infinitysip.Option) *infinitysip.Client {
	opts = append([]infinitysip.Option{infinitysip.WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	client, err := infinitysip.NewClient(infinitysip.APIKey(Key), opts...)
	if err != nil {
		panic(err)
	}
	return client
}

// Key and BaseURL are what all ways of a call use.
const (
	Key     = "benchmarkkey"
	BaseURL = "https://api.infinitycloud.com"
)
