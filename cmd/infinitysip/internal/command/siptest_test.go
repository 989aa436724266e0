package command

import (
	"bytes"
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip/siptest"
)

// An option of siptest that is new has to have a flag too.
func TestSiptestHasAFlagForEachOption(t *testing.T) {
	t.Parallel()
	otherName := map[string]string{"Addr": "listen", "Rewrites": "rewrite", "HTTP2": "http2"}
	without := map[string]string{
		"TLS":        "--tls makes its own certificate",
		"RewriteKey": "it is a function; --rewrite has those with a name",
		"Now":        "it is a function",
		"Observe":    "it is a function; --log tells what it is told",
		"Limit":      "its fields have a flag each",
	}
	capital := regexp.MustCompile(`([a-z])([A-Z])`)
	var f optionFlags
	f.add(pflag.NewFlagSet("", pflag.ContinueOnError))
	names := map[string]bool{}
	f.flags.VisitAll(func(flag *pflag.Flag) { names[flag.Name] = true })
	check := func(of reflect.Type, prefix string) {
		for i := range of.NumField() {
			field := of.Field(i).Name
			if without[field] != "" && prefix == "" {
				continue
			}
			name := otherName[field]
			if name == "" {
				name = strings.ToLower(capital.ReplaceAllString(field, "$1-$2"))
				name = strings.Replace(name, "apikey", "api-key", 1)
			}
			name = strings.TrimSuffix(prefix+name, "-requests")
			if prefix == "" && field == "KeepRequests" {
				name = "keep-requests"
			}
			require.True(t, names[name], "%s has no flag --%s", field, name)
			delete(names, name)
		}
	}
	check(reflect.TypeFor[siptest.Options](), "")
	check(reflect.TypeFor[siptest.Limit](), "limit-")
	require.Empty(t, names)
}

func TestSiptestFlags(t *testing.T) {
	t.Parallel()
	london, err := time.LoadLocation("Europe/London")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "options.json")
	require.NoError(t, os.WriteFile(file, []byte(
		`{"addr":":1","maxRows":2,"framing":"close","rewrites":{"user":"lower","network":"mask"},"limit":{"requests":5,"burst":2},"closeLate":true,"zone":"Europe/London"}`), 0o600))
	fromFile := func(change func(*siptest.Options)) siptest.Options {
		o := siptest.Options{
			Addr: ":1", MaxRows: 2, Framing: siptest.FramingClose, CloseLate: true, Zone: london,
			Rewrites: siptest.Rewrites{"user": siptest.RewriteLower, "network": siptest.RewriteMask}, Limit: &siptest.Limit{Requests: 5, Burst: 2},
		}
		change(&o)
		return o
	}
	for _, tt := range []struct {
		flags string
		file  string
		want  siptest.Options
	}{
		{"", "", siptest.Options{Addr: "127.0.0.1:0"}},
		{"--create-body row --paths anyCase --http2 --list-lag 5s --zone Europe/London", "", siptest.Options{
			Addr: "127.0.0.1:0", CreateBody: siptest.CreateBodyRow, Paths: siptest.PathsAnyCase, HTTP2: true, ListLag: 5 * time.Second, Zone: london,
		}},
		{"--limit-status 503 --limit-retry-after date", "", siptest.Options{Addr: "127.0.0.1:0", Limit: &siptest.Limit{Status: 503, RetryAfter: siptest.RetryAfterDate}}},
		{"", file, fromFile(func(*siptest.Options) {})},
		{"--listen :2 --framing chunked --close-late=false --rewrite user=upper --rewrite queueName=trim --limit-burst 1 --zone UTC", file, fromFile(func(o *siptest.Options) {
			o.Addr, o.Framing, o.CloseLate, o.Zone = ":2", siptest.FramingChunked, false, time.UTC
			o.Rewrites["user"], o.Rewrites["queueName"] = siptest.RewriteUpper, siptest.RewriteTrim
			o.Limit.Burst = 1
		})},
	} {
		var f optionFlags
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		f.add(flags)
		require.NoError(t, flags.Parse(strings.Fields(tt.flags)), tt.flags)
		got, err := f.options(tt.file)
		require.NoError(t, err)
		require.Equal(t, tt.want, got, tt.flags)
	}
}

func TestRequestLine(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]siptest.Request{
		"GET /a: 200, Users.List": {Method: "GET", Path: "/a", Op: "Users.List", Status: 200},
		"GET /a: 404":             {Method: "GET", Path: "/a", Status: 404},
		"PUT /a: no answer, x":    {Method: "PUT", Path: "/a", Op: "x", Query: url.Values{"password": {"hunter2"}}, Form: url.Values{"hunter2": {"x"}}},
		`GET /a filter[]="a-eq-value-\x1b" filter[]="b" limit="2": 200`: {
			Method: "GET", Path: "/a", Status: 200, Query: url.Values{"filter[]": {"a-eq-value-\x1b", "b"}, "limit": {"2"}, "hunter2": {""}},
		},
	} {
		require.Equal(t, want, requestLine(r))
	}
}

func TestSiptestTellsTheCredentials(t *testing.T) {
	t.Parallel()
	var told bytes.Buffer
	f := fakeServer{app: &app{stderr: &told}}
	f.introduce("http://127.0.0.1:1", siptest.Options{APIKey: "it's"})
	require.Contains(t, told.String(), "API key: it's\nUser and password: siptest, siptest-password\n")
	require.Contains(t, told.String(), `  curl -H 'Authorization: ApiKey it'\''s' http://127.0.0.1:1/config/v2/sip/domains`)
}

func TestNewCertificate(t *testing.T) {
	t.Parallel()
	for addr, names := range map[string][]string{
		"127.0.0.1:0":      {"127.0.0.1", "::1", "localhost"},
		"192.0.2.7:443":    {"192.0.2.7", "127.0.0.1"},
		"sip.example.com:": {"sip.example.com", "localhost"},
		":8080":            {"localhost"},
	} {
		own, authority, err := newCertificate(addr)
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(own.Certificate[0])
		require.NoError(t, err)
		require.False(t, leaf.IsCA)
		pool := x509.NewCertPool()
		require.True(t, pool.AppendCertsFromPEM(authority))
		for _, name := range names {
			_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool})
			require.NoError(t, err, name)
		}
		_, err = leaf.Verify(x509.VerifyOptions{DNSName: "other.example.com", Roots: pool})
		require.Error(t, err)
	}
}
