package suite_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// badAnswers are the server's.
func badAnswers() []badInput {
	// body has the server give this in place of its own answer, once, without
	// doing what it was asked.
	body := func(status int, text string) func(call) faults {
		return func(c call) faults { return faults{faultOn(c.op).Times(1).Status(status).Body(text)} }
	}
	once := hits{"call": 1}
	list := []badInput{
		{name: "HTML with 200", answer: fault{
			calls: reads, faults: body(200, "\n <!DOCTYPE html><html><body>Log in</body></html>"),
			outcome: notApplied, says: "HTML", hits: once,
		}},
		{name: "HTML with 200", answer: fault{
			calls: updates, setUp: furnish, faults: body(200, "<html><body>Log in</body></html>"),
			outcome: unknown, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "HTML with 200", answer: fault{
			calls: adds, setUp: furnish, faults: body(200, "<html><body>Log in</body></html>"),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 1},
		}},
		{name: "200 and nothing, as a gateway that asks for the empty list", answer: fault{
			calls: adds, setUp: furnish, faults: body(200, ""),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 1},
		}},
		{name: "200 and nothing, though it is done", answer: fault{
			calls: adds, setUp: furnish, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(200).Body("")} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1},
		}},
		{name: "200 and blanks for long", answer: fault{
			calls: []call{usersUpdate, usersDelete}, faults: body(200, strings.Repeat(" ", 300<<10)+"Fatal error"),
			outcome: unknown, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "HTML with 200", answer: fault{
			calls: slices.Concat(creates, []call{usersAddDevice}), faults: body(200, "<html><body>Log in</body></html>"),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		{name: "HTML with 201", answer: fault{
			calls: []call{usersUpdate}, faults: body(201, "<html>"),
			outcome: unknown, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "an error with 200", answer: fault{
			calls: reads, faults: body(200, `{"error":"access denied"}`),
			outcome: notApplied, says: "row 1: no field of this kind of row is in it", hits: once,
		}},
		{name: "an error with 200", answer: fault{
			calls: []call{usersUpdate, usersDelete}, faults: body(200, `{"error":"access denied"}`),
			outcome: unknown, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "an error with 200", answer: fault{
			calls: slices.Concat(creates, []call{usersAddDevice}), faults: body(200, `{"error":"exists"}`),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		{name: "204 for a create", answer: fault{
			calls: slices.Concat(creates, []call{usersAddDevice}), faults: body(204, ""),
			outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		{name: "204 for a read", answer: fault{
			calls: reads, faults: body(204, ""),
			outcome: notApplied, says: "this does not look like the API's answer", hits: once,
		}},
		{name: "invalid UTF-8", answer: fault{
			calls: reads, faults: body(200, "{\"userId\":\"1\",\"user\":\"\xff\"}"),
			outcome: notApplied, says: "row 1: ", hits: once,
		}},
		{name: "nesting of 20,000", answer: fault{
			calls: reads, faults: body(200, `{"userId":"1","x":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`),
			outcome: notApplied, says: "row 1: ", hits: once,
		}},
		{name: "PHP's last words", answer: fault{
			calls: []call{usersList, usersAll}, setUp: furnish, faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte { return append(body, "Fatal error: out of memory"...) })}
			},
			outcome: notApplied, says: "row 6: ", hits: once,
		}},
		{name: "two objects on a line", answer: fault{
			calls: []call{usersList, usersAll}, setUp: furnish, faults: rewritten("}\n{", "}{"),
			outcome: notApplied, says: "row ", hits: once,
		}},
		{name: "two objects on a line", answer: fault{
			calls: []call{usersList, usersAll}, setUp: furnish, faults: rewritten("}\n{", "} {"),
			outcome: notApplied, says: "row ", hits: once,
		}},
		{name: "an object over several lines", answer: fault{
			calls: []call{usersList, usersAll}, faults: body(200, "{\n  \"userId\": \"1\"\n}\n"),
			outcome: notApplied, says: "row 1: ", hits: once,
		}},

		{name: "no row", answer: fault{calls: []call{usersGet}, faults: body(200, ""), outcome: notApplied, says: "no row", hits: once}},
		{name: "no row", answer: fault{calls: []call{usersGet}, faults: body(200, "[]"), outcome: notApplied, says: "no row", hits: once}},
		{name: "two rows", answer: fault{calls: []call{usersGet}, faults: body(200, `{"userId":"1"}`+"\n"+`{"userId":"1"}`), outcome: notApplied, says: "more than one row", hits: once}},
		{name: "two rows", answer: fault{calls: []call{usersGet}, faults: body(200, `[{"userId":"1"},{"userId":"1"}]`), outcome: notApplied, says: "more than one row", hits: once}},
		{name: "another id's row", answer: fault{calls: []call{usersGet}, faults: body(200, `{"userId":"11"}`), outcome: notApplied, says: "this is the row of another id, 11", hits: once}},

		// It is created, and so are its secrets: a look only gives the id.
		{name: "201 without the id", answer: fault{
			calls: creates, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).Body("{}")} },
			applied: true, outcome: succeeds, hits: hits{"call": 1, "look": 1}, // which finds it
		}},
		{name: "201 without the id", answer: fault{
			calls: []call{devicesCreate}, faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Body(`{"pbxDeviceId":""}`), faultOn(c.look).Times(3).Status(403)}
			},
			applied: true, outcome: applied, says: "created, but its id is not known", hits: hits{"call": 1, "look": 3}, least: 4 * time.Second, most: 4 * time.Second,
		}},
	}
	list = append(list, misfits()...)
	for name, text := range map[string]string{
		"201 of an association without anything": `{}`, "201 of an association without a token": `{"pbxDeviceId":"1","userId":"1"}`,
		"201 of another association": `{"pbxDeviceId":"9","userId":"8","pbxDeviceToken":"` + canaryPIN + `"}`, "201 of an association, HTML": "<html>",
	} {
		list = append(list, badInput{name: name, answer: fault{
			calls: []call{usersAddDevice}, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).Body(text)} },
			applied: true, outcome: applied, is: []error{infinitysip.ErrTokenLost}, hits: once,
		}})
	}

	// Rows that are none, after one that is.
	for name, row := range map[string]string{"null": "null", "number": "7", "string": `"x"`, "bool": "true", "array": `[{"userId":"2"}]`} {
		list = append(list, badInput{name: "row that is " + name, answer: fault{
			calls: []call{usersList, usersAll}, faults: func(c call) faults {
				return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte { return append(body, row...) })}
			},
			outcome: notApplied, says: "row 2: ", hits: once,
		}})
		list = append(list, badInput{name: "row that is " + name, answer: fault{
			calls: []call{usersList}, faults: body(200, `[{"userId":"1"},`+row+`]`),
			outcome: notApplied, says: "row 2: ", hits: once,
		}})
	}
	// Values that their field cannot hold.
	for name, test := range map[string]struct{ member, says string }{
		"id that is empty":        {`"userId":""`, `userId: "" is not an id`},
		"id that is text":         {`"userId":"abc"`, `userId: "abc" is not a whole number`},
		"id that is a fraction":   {`"userId":"1.5"`, `userId: "1.5" is not a whole number`},
		"id that is 2^63":         {`"userId":"9223372036854775808"`, `userId: "9223372036854775808" is not a whole number of 64 bits`},
		"id that is a bare 2^63":  {`"userId":9223372036854775808`, `userId: "9223372036854775808" is not a whole number of 64 bits`},
		"id that is zero":         {`"userId":0`, `userId: "0" is not an id`},
		"id that is negative":     {`"userId":"-1"`, `userId: "-1" is not an id`},
		"id that is a list":       {`"userId":[1]`, `userId: want one value`},
		"other id that is text":   {`"userId":"1","domainId":"abc"`, `domainId: "abc" is not a whole number`},
		"name that is an object":  {`"userId":"1","user":{}`, `user: want one value`},
		"flag that is neither":    {`"userId":"1","dashboard":"2"`, `dashboard: "2" is not a flag`},
		"row of something else's": {`"mapId":"3"`, `no field of this kind of row is in it`},
	} {
		list = append(list,
			badInput{name: name, answer: fault{
				calls: reads, faults: body(200, "{"+test.member+"}"),
				outcome: notApplied, says: "row 1: " + test.says, hits: once,
			}},
			badInput{name: name, answer: fault{
				calls: []call{usersList, usersAll}, faults: func(c call) faults {
					return faults{faultOn(c.op).Times(1).Rewrite(func(body []byte) []byte { return append(body, "{"+test.member+"}"...) })}
				},
				outcome: notApplied, says: "row 2: " + test.says, hits: once,
			}},
		)
	}
	for _, date := range []string{"2019-02-30 00:00:00", "2019-13-01 00:00:00", "31/10/2019", "yesterday"} {
		list = append(list, badInput{name: "impossible date " + date, answer: fault{
			calls: []call{devicesList}, faults: body(200, `{"pbxDeviceId":"1","createDatetime":"`+date+`"}`),
			outcome: notApplied, says: `row 1: createDatetime: "` + date + `" is not a time`, hits: once,
		}})
	}

	// Answers that the page does not have.
	for _, status := range []int{202, 205, 206, 999} {
		name := fmt.Sprintf("status %d", status)
		list = append(list,
			badInput{name: name, answer: fault{
				calls: reads, faults: body(status, `{"userId":"1"}`),
				outcome: notApplied, says: fmt.Sprintf(": %d", status), hits: once,
			}},
			badInput{name: name, answer: fault{
				calls: updates, setUp: furnish, faults: body(status, ""),
				outcome: unknown, says: fmt.Sprintf(": %d", status), hits: once,
			}},
			badInput{name: name, answer: fault{
				calls: adds, setUp: furnish, faults: body(status, ""),
				outcome: unknown, says: fmt.Sprintf(": %d", status), hits: hits{"call": 1, "look": 1},
			}},
			badInput{name: name, answer: fault{
				calls: []call{usersCreate, devicesCreate, usersAddDevice}, faults: body(status, ""),
				outcome: unknown, says: fmt.Sprintf(": %d", status), hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
			}},
		)
	}
	list = append(list, badInput{name: "status 202", answer: fault{ // and it is made all the same
		everywhere: true, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).CommitThenStatus(202)} },
		applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
	}})
	raw := func(text string, times int) func(call) faults {
		return func(c call) faults { return faults{faultOn(c.op).Times(times).Raw(text)} }
	}
	const nothing = "HTTP/1.1 000 Nothing\r\nContent-Length: 2\r\n\r\nhi"
	const lengths = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Length: 2\r\n\r\n{\"userId\":\"1\"}"
	list = append(list,
		badInput{name: "status 000", answer: fault{calls: reads, faults: raw(nothing, 1), outcome: notApplied, says: "hi", hits: once}},
		badInput{name: "status 000", answer: fault{calls: []call{usersUpdate}, faults: raw(nothing, 1), outcome: unknown, says: "hi", hits: once}},
		badInput{name: "status 000", answer: fault{
			calls: creates, faults: raw(nothing, 1),
			outcome: unknown, says: "hi", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		}},
		badInput{name: "two Content-Lengths", answer: fault{calls: reads, faults: raw(lengths, 4), outcome: notApplied, says: "Content-Length", hits: hits{"call": 4}, most: 3500 * time.Millisecond}},
		badInput{name: "two Content-Lengths", answer: fault{calls: []call{usersUpdate}, faults: raw(lengths, 3), outcome: unknown, says: "Content-Length", hits: hits{"call": 3}, most: 1500 * time.Millisecond}},
		badInput{name: "two Content-Lengths", answer: fault{
			calls: creates, faults: raw(lengths, 1),
			outcome: unknown, says: "Content-Length", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
		}},
	)
	for name, text := range map[string]string{
		"answer that is no HTTP":           "SSH-2.0-OpenSSH_9.6\r\n",
		"answer that is no HTTP, and long": strings.Repeat("x", 1<<20) + "\r\n",
		"status that is no number":         "HTTP/1.1 2\x1b[31m\xff0 OK\r\n\r\n",
		"header that is none, and long":    "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"header that echoes the password":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x01" + canaryPassword + "\r\n\r\n",
	} {
		says := "HTTP"
		if strings.Contains(text, canaryPassword) {
			says = "[the server's text held a secret: "
		}
		list = append(list, badInput{name: name, answer: fault{
			calls: []call{usersUpdate}, faults: raw(text, 3), outcome: unknown, says: says, hits: hits{"call": 3}, most: 1500 * time.Millisecond,
		}})
	}

	// Bodies of errors.
	quoted, _ := json.Marshal(canaryPassword)
	for name, test := range map[string]struct{ body, says string }{
		"error body that is huge":                         {strings.Repeat("é", 1<<20), "…"},
		"error body that is binary":                       {"a\x00b\x1b[31mc\xff\r\nd", ": 409 Conflict: a b [31mc d"},
		"error body that is empty":                        {"", ": 409 Conflict"},
		"error body that is HTML":                         {"<html><head><title>No</title></head><body><script>x</script></body></html>", ": 409 Conflict: No"},
		"error body that echoes the password":             {"the password " + canaryPassword + " is bad", ": [the server's text held a secret: 45 bytes]"},
		"error body that echoes the password, in JSON":    {`{"message":` + string(quoted) + `}`, ": [the server's text held a secret: 25 bytes]"},
		"error body that echoes the password, in a form":  {"password=" + url.QueryEscape(canaryPassword) + "&x=1", ": [the server's text held a secret: 58 bytes]"},
		"error body that echoes the credential":           {"no key " + canaryKey, ": [the server's text held a secret: 25 bytes]"},
		"error body that echoes the password at its end":  {strings.Repeat("x", 16<<10-5) + canaryPassword, "…"},
		"error body that echoes the password a 100 times": {strings.Repeat(canaryPassword+"\n", 100), ": [the server's text held a secret: 2599 bytes]"},
	} {
		list = append(list, badInput{name: name, answer: fault{
			calls: []call{usersCreate, usersUpdate}, faults: body(409, test.body),
			outcome: notApplied, is: []error{infinitysip.ErrConflict}, says: test.says, hits: once,
		}})
	}
	return list
}

// The words of an answer that should have been rows are the error's message. Its
// body is kept up to its first row.
func TestWordsInPlaceOfRows(t *testing.T) {
	t.Parallel()
	const (
		warning = "<br />\n<b>Warning</b>:  mysqli_query(): Too many connections in <b>/var/www/x.php</b> on line <b>7</b><br />\n"
		words   = "Warning: mysqli_query(): Too many connections in /var/www/x.php on line 7"
		fatal   = "PHP Fatal error:  Uncaught PDOException: no database in /var/www/x.php:7\n#0 {main}\n  thrown in /var/www/x.php on line 7\n"
	)
	const hidden = "[the server's text held a secret: %d bytes]"
	for name, test := range map[string]struct{ body, kept, message string }{
		"an error object":         {`{"error":"access denied"}`, `{"error":"access denied"}`, "access denied"},
		"an error in an object":   {`{"error":{"code":7,"message":"access denied"}}` + "\n", `{"error":{"code":7,"message":"access denied"}}` + "\n", "access denied"},
		"a warning":               {warning, warning, words},
		"a warning, then a row":   {warning + `{"userId":"2"}`, warning + `{"userId":"2"}`, words},
		"a fatal error":           {fatal, fatal, "PHP Fatal error: Uncaught PDOException: no database in /var/www/x.php:7 #0 {main} thrown in /var/www/x.php on line 7"},
		"a fatal error, then [":   {"\nFatal error: no memory\n" + `[{"userId":"2"}]`, "\nFatal error: no memory\n" + `[{"userId":"2"}]`, "Fatal error: no memory"},
		"a login page":            {"<HTML><HEAD><TITLE lang=en>Log in</TITLE></HEAD></HTML>", "<HTML><HEAD><TITLE lang=en>Log in</TITLE></HEAD></HTML>", "Log in"},
		"plain text":              {"access denied", "access denied", "access denied"},
		"a page without a title":  {"<html></html>", "<html></html>", ""},
		"a row that is wrong":     {`{"userId":"x","firstName":"Joe"}`, `{"userId":"x","firstName":"Joe"}`, ""},
		"a secret in the words":   {`{"error":"no key ` + canaryKey + `"}`, fmt.Sprintf(hidden, 37), fmt.Sprintf(hidden, 25)},
		"a secret in a warning":   {"<b>Warning</b>: no key " + canaryKey + "\n{}", fmt.Sprintf(hidden, 44), fmt.Sprintf(hidden, 34)},
		"a secret beside words":   {`{"error":"access denied","trace":"` + canaryKey + `"}`, fmt.Sprintf(hidden, 54), "access denied"},
		"a wrong row of a secret": {`{"userId":"x","password":"abc"}`, fmt.Sprintf(hidden, 31), ""},
	} {
		for way, body := range map[string]func(string) io.Reader{
			"whole":         func(s string) io.Reader { return strings.NewReader(s) },
			"byte for byte": func(s string) io.Reader { return iotest.OneByteReader(strings.NewReader(s)) },
		} {
			s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
				resp := answer(200, "")
				resp.Body, resp.ContentLength = io.NopCloser(body(test.body)), -1
				return resp, nil
			}}
			client := stubClient(t, s, atOnce())
			calls := oneOfEach(client)
			for _, kind := range []string{"list", "all", "get", "create", "addDevice", "update", "delete", "add"} {
				failed, ok := errors.AsType[*infinitysip.Error](calls[kind](t.Context()))
				require.True(t, ok, "%s, %s: %s", name, way, kind)
				require.Equal(t, 200, failed.StatusCode, "%s, %s: %s", name, way, kind)
				require.Equal(t, test.kept, string(failed.Body), "%s, %s: %s", name, way, kind)
				require.Equal(t, test.message, failed.Message, "%s, %s: %s", name, way, kind)
				requireNoSecret(t, name, failed)
			}
		}
	}
	// Nothing is kept once there was a row, and of a long answer its first bytes.
	_, err := stubClient(t, always(200, `{"userId":"1"}`+"\n"+`{"error":"x"}`)).Users.List(t.Context(), 1)
	failed, ok := errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.Empty(t, failed.Body)
	require.Empty(t, failed.Message)
	_, err = stubClient(t, always(200, "no: "+strings.Repeat("x", 1<<20)), infinitysip.WithLimits(infinitysip.Limits{ErrorBytes: 1000})).Users.List(t.Context(), 1)
	failed, ok = errors.AsType[*infinitysip.Error](err)
	require.True(t, ok)
	require.Equal(t, "no: "+strings.Repeat("x", 976), string(failed.Body))
}

// The rest of such an answer is not waited for longer than that of an error.
func TestWordsThatComeLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &stub{respond: func(_ int, req *http.Request) (*http.Response, error) {
			resp := answer(200, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("Fatal error: out of memory in x.php"), readerFunc(func([]byte) (int, error) {
				<-req.Context().Done()
				return 0, req.Context().Err()
			})))
			return resp, nil
		}}
		start := time.Now()
		_, err := stubClient(t, s).Users.Get(t.Context(), 1, 2)
		require.Equal(t, 2*time.Second, time.Since(start))
		failed, ok := errors.AsType[*infinitysip.Error](err)
		require.True(t, ok)
		require.Equal(t, "Fatal error: o", failed.Message) // a secret may begin where it breaks off
		require.ErrorContains(t, err, "row 1: ")
	})
}

// misfits are answers to creates that are not believed, because they do not fit what
// was sent.
func misfits() (list []badInput) {
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		// A gateway that makes a GET of the POST answers with the list.
		"200, the list":                  {200, `{"userId":"1","user":"first","extensionNumber":"0101"}` + "\n" + `{"userId":"2","user":"joe.blogs","extensionNumber":"0100"}`},
		"200, a list of one, another":    {200, `{"userId":"1","user":"first","extensionNumber":"0101"}`},
		"200, with the number alone":     {200, `{"userId":"7","extensionNumber":"0100"}`},
		"200, without the id":            {200, `{"user":"joe.blogs"}`},
		"201, another's name and number": {201, `{"userId":"1","user":"first","extensionNumber":"0101"}`},
		"201, another's name alone":      {201, `{"userId":"1","user":"first"}`},
		"201, another's domain":          {201, `{"userId":"7","domainId":"9","user":"joe.blogs","extensionNumber":"0100"}`},
	} {
		list = append(list,
			badInput{name: name, answer: fault{
				calls: []call{usersCreate}, faults: func(c call) faults { return faults{faultOn(c.op).Times(1).Status(test.status).Body(test.body)} },
				outcome: unknown, says: "this does not look like the API's answer", hits: hits{"call": 1, "look": 3, "absent": 1}, least: 4 * time.Second, most: 4 * time.Second,
			}},
			badInput{name: name + ", and it is made", answer: fault{
				calls: []call{usersCreate}, faults: func(c call) faults {
					return faults{faultOn(c.op).Times(1).CommitThenStatus(test.status).Body(test.body)}
				},
				applied: true, outcome: found, hits: hits{"call": 1, "look": 1},
			}},
		)
	}
	return list
}

// Answers to a create that are believed: no look comes after them.
func TestAnswersThatFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status         int
		body, location string
	}{
		"201, a name that was rewritten":  {201, `{"userId":"7","user":"joe_blogs","extensionNumber":"100"}`, ""},
		"201, a number that was replaced": {201, `{"userId":"7","user":"joe.blogs","extensionNumber":"0190"}`, ""},
		"201, the id alone":               {201, `{"userId":"7"}`, ""},
		"201, its place alone":            {201, "", "/config/v2/sip/domains/1/users/7"},
		"201, its place, as a URL":        {201, "{}", "https://api.infinitycloud.com/config/v2/sip/domains/1/users/7?x=1"},
		"201, its place, singular":        {201, "", "/config/v2/sip/domains/1/user/7"},
		"201, its place, and the list":    {201, `{"userId":"1","user":"first"}` + "\n" + `{"userId":"7","user":"joe.blogs"}`, "/config/v2/sip/domains/1/users/7"},
	} {
		s := always(test.status, test.body, "Location", test.location)
		id, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.NoError(t, err, name)
		require.Equal(t, infinitysip.UserID(7), id, name)
		require.Equal(t, 1, s.count(), name)
	}
	// A row of a 200 is believed if it is as it was sent, and there was no secret to send.
	for body, requests := range map[string]int{
		`{"groupId":"7","groupName":"sales"}`:                        1,
		`{"groupId":"7","groupName":"sales","displayName":"Sales"}`:  1,
		`{"groupId":"7","groupName":"Sales"}`:                        2,
		`{"groupId":"7","groupName":"sales","displayName":"Others"}`: 2,
		`{"groupId":"7"}`: 2,
	} {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(200, body), nil
			}
			return answer(200, `{"groupId":"7","groupName":"sales","displayName":"Sales"}`), nil
		}}
		id, err := stubClient(t, s).Groups.Create(t.Context(), 1, infinitysip.GroupCreateParams{Name: "sales", DisplayName: "Sales", ExtensionNumber: "0200", CallerNameFormat: "{displayName}"})
		require.NoError(t, err, body)
		require.Equal(t, infinitysip.GroupID(7), id, body)
		require.Equal(t, requests, s.count(), body)
	}
	// A place that is not below that of the create tells nothing.
	for _, location := range []string{"", "/config/v2/sip/domains/1/users", "/config/v2/sip/domains/2/users/8", "/config/v2/sip/domains/1/groups/8", "/login/8", "/config/v2/sip/domains/1/users/-8", "%zz"} {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(201, "", "Location", location), nil
			}
			return answer(200, `{"userId":"7","user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"0100"}`), nil
		}}
		id, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.NoError(t, err, location)
		require.Equal(t, infinitysip.UserID(7), id, location)
		require.Equal(t, 2, s.count(), location)
	}
	// An id that is none is looked for.
	for _, none := range []string{`"-8"`, `0`, `""`, `"abc"`, `null`} {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(201, `{"userId":`+none+`}`), nil
			}
			return answer(200, `{"userId":"7","user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"0100"}`), nil
		}}
		id, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.NoError(t, err, none)
		require.Equal(t, infinitysip.UserID(7), id, none)
		require.Equal(t, 2, s.count(), none)
	}
}

// A 201 without a positive id does not say the id: a look does.
func TestCreatedWithoutAnID(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"userId":"-5"}`, `{"userId":-5}`, `{"userId":"0"}`, `{"userId":"+5"}`, `{"userId":5.5}`, `{"userId":9223372036854775808}`, `{}`, "\x00\x00"} {
		s := &stub{respond: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return answer(201, body), nil
			}
			return answer(200, `{"userId":"7","user":"joe.blogs","displayName":"Joe Blogs","extensionNumber":"0100"}`), nil
		}}
		id, err := stubClient(t, s).Users.Create(t.Context(), 1, newUser())
		require.NoError(t, err, body)
		require.Equal(t, infinitysip.UserID(7), id, body)
		require.Equal(t, 2, s.count(), body)
	}
}

// An answer of one row that goes on for ever is not read to its end.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]string{"rows": `{"userId":"2"}` + "\n", "blank lines": "\n", "one row": `{"a":"`, "blanks in a row": `{ `} {
		synctest.Test(t, func(t *testing.T) {
			read := 0
			s := &stub{respond: func(int, *http.Request) (*http.Response, error) {
				resp := answer(200, "")
				resp.Body = readerFunc(func(p []byte) (int, error) {
					n := copy(p, line)
					if name == "one row" || name == "blanks in a row" {
						for i := n; i < len(p) && read > 0; i++ {
							p[i] = ' '
							n++
						}
					}
					read += n
					return n, nil
				})
				return resp, nil
			}}
			_, err := stubClient(t, s).Users.Get(t.Context(), 1, 2)
			require.Error(t, err, name)
			require.Less(t, read, 8<<20, name)
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (f readerFunc) Close() error { return nil }
