package siptest

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Fault{
		"Users.Create nth=3 commit-then-drop":                   On("Users.Create").Nth(3).CommitThenDrop(),
		"* times=2 status=429 header=Retry-After:1":             On("*").Times(2).Status(429).Header("Retry-After", "1"),
		"Users.List truncate-rows=2":                            On("Users.List").TruncateRows(2),
		" Devices.*\tfor=1m latency=2s\n":                       On("Devices.*").For(time.Minute).Latency(2 * time.Second),
		"* slow-body=100,50ms framing=length":                   On("*").SlowBody(100, 50*time.Millisecond).Framing(FramingLength),
		`* body="{\"userId\": \"7\"}\n"`:                        On("*").Body("{\"userId\": \"7\"}\n"),
		`* body={"a","b"}`:                                      On("*").Body(`{"a","b"}`),
		`* body= status=200`:                                    On("*").Body("").Status(200),
		`* header="Date: Sun, 06 Nov 1994 08:49:37 GMT"`:        On("*").Header("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
		`* header=X-A:b:c`:                                      On("*").Header("X-A", "b:c"),
		`* stray="HTTP/1.1 200 OK\r\n\r\n",5ms`:                 On("*").Stray("HTTP/1.1 200 OK\r\n\r\n", 5*time.Millisecond),
		`* stray=a,b,5ms`:                                       On("*").Stray("a,b", 5*time.Millisecond),
		"* reset-stream-with=7 commit-then-reset-stream-with=1": On("*").ResetStreamWith(StreamRefused).CommitThenResetStreamWith(StreamProtocolError),
		"* reset-stream-with=REFUSED_STREAM":                    On("*").ResetStreamWith(StreamRefused),
		"* hang-then-commit=0s":                                 On("*").HangThenCommit(0),
	} {
		f, err := ParseFault(text)
		require.NoError(t, err, text)
		require.Equal(t, want, f, text)
	}
}

func TestParseFaultProblems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "a fault begins with a call, such as Users.Create",
		"drop":                        `no call is named "drop": use *, Domains.*, Users.*, Groups.*, Queues.*, TrustedNetworks.*, Devices.*, or one call of these, such as Users.Create`,
		"status=500":                  `a fault begins with a call, such as Users.Create, not with "status"`,
		"Devices.Make drop":           `no call is named "Devices.Make": use Devices.* or one of Devices.List, Devices.Get, Devices.Create, Devices.Update, Devices.Delete`,
		"* drops":                     `a fault cannot "drops": use one of body=TEXT, commit-then-drop, `,
		"* Drop":                      `a fault cannot "Drop": use one of `,
		"* before=x":                  `a fault cannot "before": use one of `,
		"* nth=2":                     `the fault "* nth=2" says when, but not what to do: add one of body=TEXT, `,
		"* drop=1":                    "drop takes no argument",
		"* status":                    "status needs an argument: status=NUMBER",
		"* status=x":                  `status: "x" is not a whole number; it is status=NUMBER`,
		"* status=100":                "status: 100 is not a final status",
		"* nth=0 drop":                "nth: Nth counts from 1",
		"* times=-1 drop":             "times: Times needs a number of at least 1",
		"* for=0s drop":               "for: For needs a positive duration",
		"* latency=2":                 `latency: "2" is not a duration such as 5s or 200ms; it is latency=DURATION`,
		"* slow-body=5":               "slow-body: it has two arguments, with a comma between them; it is slow-body=NUMBER,DURATION",
		"* slow-body=x,1s":            `slow-body: "x" is not a whole number`,
		"* slow-body=5,x":             `slow-body: "x" is not a duration`,
		"* slow-body=0,1s":            "slow-body: SlowBody needs a number of at least 1",
		`* stray="a"5ms`:              "stray: it has two arguments",
		"* header=Date":               `header: "Date" is not a header; it is header=NAME:VALUE`,
		`* header="a b:c"`:            `header: "a b:c" is not a header`,
		`* body="a`:                   "body: the quotes of \"\\\"a\" are not closed, or hold what a string of Go cannot",
		`* body="a"b`:                 `body: "b" follows the quotes`,
		"* framing=chunk":             `framing: "chunk" is none of chunked, length, close`,
		"* reset-stream-with=REFUSED": `reset-stream-with: "REFUSED" is not a stream code`,
		"Users.Creat nth=x drops":     "no call is named \"Users.Creat\"",
	} {
		_, err := ParseFault(text)
		require.ErrorContains(t, err, want, text)
	}
	_, err := ParseFault("Users.Creat nth=x drops")
	require.Len(t, strings.Split(err.Error(), "\n"), 3, "all problems at once")
}

// A method that is new has to have a text form too.
func TestParseFaultHasAllMethods(t *testing.T) {
	t.Parallel()
	capital := regexp.MustCompile(`(.)([A-Z])`)
	methods := faultMethods()
	var without []string
	fault := reflect.TypeFor[Fault]()
	for i := range fault.NumMethod() {
		name := fault.Method(i).Name
		word := strings.ToLower(capital.ReplaceAllString(name, "$1-$2"))
		if _, ok := methods[word]; !ok {
			without = append(without, name)
		}
		delete(methods, word)
	}
	slices.Sort(without)
	require.Equal(t, []string{"After", "Before", "Rewrite", "String"}, without)
	require.Empty(t, methods)
}

func TestFaultOnService(t *testing.T) {
	t.Parallel()
	w := inProcess(New(t))
	addSamples(t, w)
	w.srv.Fail(On("TrustedNetworks.*").Status(503))
	for path, want := range map[string]int{"/1/trustednetworks": 503, "/1/trustedNetworks/1": 503, "/1/users": 200, "/1/nothing": 404} {
		status, _ := w.do(t, "GET", root+path, "")
		require.Equal(t, want, status, path)
	}
	for _, op := range []string{"User.*", ".*", "*.*", "Users*", "Users."} {
		require.Panics(t, func() { w.srv.Fail(On(op).Drop()) }, op)
	}
}

func FuzzParseFault(f *testing.F) {
	for _, seed := range []string{
		"Users.Create nth=3 commit-then-drop", `* body="a\n" stray=x,5ms header=A:b`, "Devices.* slow-body=5,1s framing=close",
		"* status=99", "* nth=-1 truncate=-1", `* raw="\x`, "* reset-stream-with=99999999999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := ParseFault(text)
		if err == nil {
			NewServer(Options{}).Fail(fault) // panics if the fault makes no sense
			_ = fault.String()
		}
	})
}
