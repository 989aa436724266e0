//go:build unix

package command

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/cmd/infinitysip/internal/output"
)

// listed answers each request with the same rows, from memory.
type listed []byte

func (l listed) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(l)), ContentLength: int64(len(l)), Request: req,
	}, nil
}

// manyUsers are n rows as the server writes them.
func manyUsers(n int) listed {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"userId":"%d","domainId":"1","user":"joe.bloggs.%[1]d","displayName":"Joe Bloggs %[1]d","extensionNumber":"%[1]d","email":"joe.bloggs.%[1]d@company.example","firstName":"Joe","lastName":"Bloggs","jobName":"Sales Manager","departmentName":"Sales North","companyName":"Company Ltd","officeName":"Leeds","ukCallerId":"01234567890","usCallerId":"12025550100","mobileNumber":"07700900123","mobileFollow":"1","ukPhoneId":"31","usPhoneId":"32","hotdeskAllowed":"1","dashboard":"0"}`+"\n", i+1)
	}
	return b.Bytes()
}

// cpuTime is the processor time that this process has had.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it cannot fail
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkUsersList reads 100,000 users with the SDK alone, and prints them in each
// format: the figure "x All" is how much more of
// the processor that takes.
func BenchmarkUsersList(b *testing.B) {
	rows := manyUsers(100_000)
	client, err := infinitysip.NewClient(infinitysip.APIKey("key"), infinitysip.WithTransport(rows))
	require.NoError(b, err)
	all := func(b *testing.B) time.Duration {
		start, n := cpuTime(), 0
		for _, err := range client.Users.All(context.Background(), 1) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		require.Equal(b, 100_000, n)
		return cpuTime() - start
	}
	for _, format := range []string{"ndjson", "json", "csv", "table", "yaml", "template={{.user}}"} {
		b.Run(format, func(b *testing.B) {
			a := &app{stdout: io.Discard, output: output.Options{Format: format}}
			var alone, printed time.Duration
			for b.Loop() {
				alone += all(b)
				start := cpuTime()
				list, err := newRowList(a, userColumns(), byClient)
				require.NoError(b, err)
				require.NoError(b, list.write(a, client.Users.All(context.Background(), 1)))
				printed += cpuTime() - start
			}
			b.ReportMetric(float64(printed)/float64(alone), "x-All")
			b.ReportMetric(float64(printed.Microseconds())/float64(b.N)/100_000, "µs/row")
		})
	}
}
