package siptest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseParams(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, raw string
		want      string // name=text, or name[items] in order
	}{
		{"plain", "a=1&b=2", "a=1 b=2"},
		{"the last of a repeated plain name counts", "a=1&a=2", "a=2"},
		{"array", "a[]=1&a[]=2", "a[1 2]"},
		{"escaped brackets", "a%5B%5D=1&a%5b%5d=2", "a[1 2]"},
		{"keys in the order of the form", "a[3]=x&a[1]=y&a[]=z", "a[x y z]"},
		{"a repeated key replaces its value", "a[3]=x&a[4]=y&a[3]=z", "a[z y]"},
		{"[] follows the highest key", "a[3]=x&a[]=y&a[4]=z", "a[x z]"},
		{"text keys", "a[k]=x&a[]=y&a[0]=z", "a[x z]"},
		{"a text after an array", "a[]=1&a=2", "a=2"},
		{"an array after a text", "a=1&a[]=2", "a[2]"},
		{"nested", "a[b][c]=1", "a[1]nested"},
		{"dots and spaces", "a.b=1&c+d=2&e%20f[]=3", "a_b=1 c_d=2 e_f[3]"},
		{"leading spaces", "++a=1", "a=1"},
		{"a dot in a key stays", "a[b.c]=1&a[b_c]=2", "a[1 2]"},
		{"a bracket that is not closed", "a[b=1", "a_b=1"},
		{"text after the bracket is dropped", "a[]b=1", "a[1]"},
		{"no name", "=1&[]=2&[x]=3&&", ""},
		{"no value", "a&b=", "a= b="},
		{"a value with =", "a=b=c", "a=b=c"},
		{"escapes", "a=%41%2b+%e2%82%ac", "a=A+ €"},
		{"a percent sign without an escape stays", "a=100%&b=%zz&c=%4", "a=100% b=%zz c=%4"},
		{"a semicolon is no separator", "a=1;b=2", "a=1;b=2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range parseParams(splitPairs(tt.raw)) {
				switch {
				case p.nested:
					got = append(got, fmt.Sprintf("%s%vnested", p.name, p.items))
				case p.isArray:
					got = append(got, fmt.Sprintf("%s%v", p.name, p.items))
				default:
					got = append(got, p.name+"="+p.text)
				}
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":             `""`,
		"a/b":          `"a\/b"`,
		`q"b\`:         `"q\"b\\"`,
		"\b\f\n\r\t":   `"\b\f\n\r\t"`,
		"\x00\x1f":     `"\u0000\u001f"`,
		"\x7f<>&'":     "\"\x7f<>&'\"",
		"é€":           `"\u00e9\u20ac"`,
		"\u2028":       `"\u2028"`,
		"😀 \U0010ffff": `"\ud83d\ude00 \udbff\udfff"`,
		"\ue000\uffff": `"\ue000\uffff"`,
	} {
		require.Equal(t, want, string(appendString(nil, in)))
	}
}

// formOf returns a form with a name n times, with the values 1 to n.
func formOf(name string, n int) string {
	var form strings.Builder
	for i := range n {
		form.WriteString(name + "=" + strconv.Itoa(i+1) + "&")
	}
	return form.String()
}

// addUsers adds n users to domain 1, directly in the store.
func addUsers(t testing.TB, s *Server, n int) {
	t.Helper()
	for i := range n {
		_, err := s.store.insert(users, 1, 0, map[string]string{
			"user": fmt.Sprintf("user%d", i+1), "extensionNumber": strconv.Itoa(1000 + i),
		})
		require.NoError(t, err)
	}
}

func TestMaxInputVars(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	w.srv.addDomain(0, "", "", false)
	addUsers(t, w.srv, 1500)
	w.must(t, "POST", root+"/1/groups", "groupName=g&displayName=G&extensionNumber=1&ringRetry=0&ringExclusive=0&callerNameFormat=")
	count := func() int { return len(w.values(t, root+"/1/groups/1/users", "userId")) }

	status, _ := w.do(t, "POST", root+"/1/groups/1/users", formOf("userSpec[]", 1500))
	require.Equal(t, 204, status, "PHP reports nothing")
	require.Equal(t, 1001, count())

	status, body := w.do(t, "DELETE", root+"/1/groups/1/users", formOf("userSpec[]", 1001))
	require.Equal(t, 400, status)
	require.Equal(t, "userSpec is required", body)
	require.Equal(t, 1001, count())

	w.must(t, "DELETE", root+"/1/groups/1/users", formOf("userSpec[]", 1000))
	require.Equal(t, 1, count())

	require.Len(t, w.srv.Requests()[1].Form["userSpec[]"], 1500, "Requests has all variables that were sent")
}

func TestMaxInputVarsOfPUT(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t, Options{MaxInputVars: 2}))
	addSamplesUnlimited(t, w)
	w.must(t, "POST", root+"/1/queues/1/members/1", "ringOrder=1&ringSecs=2")
	status, body := w.do(t, "PUT", root+"/1/queues/1/members/order", "queueMemberId[]=2&queueMemberId[]=1&queueMemberId[]=2")
	require.Equal(t, 400, status)
	require.Equal(t, "queueMemberId is required", body)
	w.must(t, "PUT", root+"/1/queues/1/members/order", "queueMemberId[]=2&queueMemberId[]=1")
	require.Equal(t, []string{"2", "1"}, w.values(t, root+"/1/queues/1/members", "queueMemberId"))
}

// addSamplesUnlimited is like addSamples, for a server with a low MaxInputVars.
func addSamplesUnlimited(t testing.TB, w wire) {
	t.Helper()
	limit := w.srv.opts.MaxInputVars
	w.srv.opts.MaxInputVars = 1000
	addSamples(t, w)
	w.srv.opts.MaxInputVars = limit
}

func TestBodiesOfEveryMethod(t *testing.T) {
	t.Parallel()
	onBothTransports(t, Options{}, func(t *testing.T, w wire) {
		addSamples(t, w)
		w.must(t, "POST", root+"/1/groups/2/users", "userSpec[7]=1&userSpec[3]=2")
		w.must(t, "DELETE", root+"/1/groups/2/users", "userSpec%5B%5D=1")
		require.Equal(t, []string{"2"}, w.values(t, root+"/1/groups/2/users", "userId"))
		w.must(t, "PUT", root+"/1/queues/1/members/order", "queueMemberId[9]=1&queueMemberId[1]=2")
		require.Equal(t, []string{"2", "1"}, w.values(t, root+"/1/queues/1/members", "queueMemberId"))
	})
}

func TestOnlyFormsAreRead(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	for contentType, status := range map[string]int{
		"application/x-www-form-urlencoded":                204,
		"application/x-www-form-urlencoded; charset=UTF-8": 204,
		"Application/X-WWW-Form-URLEncoded":                204,
		"application/json":                                 400,
		"text/plain":                                       400,
		"":                                                 400,
	} {
		req := w.request(t, "POST", root+"/1/devices/1", "pbxDeviceName=Hall")
		req.Header.Set("Content-Type", contentType)
		resp := w.send(t, req)
		require.Equal(t, status, resp.StatusCode, contentType)
	}
}
