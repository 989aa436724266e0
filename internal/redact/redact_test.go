package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var names = Names{"password", "pin", "pbxDeviceToken"}

// Whatever a server makes of a secret, the text that holds a piece of it is replaced.
func TestSpellings(t *testing.T) {
	t.Parallel()
	const secret = `s3cr3t'pa"ss\wörd/<é&>+ %41`
	quoted, _ := json.Marshal(secret)
	twice, _ := json.Marshal(string(quoted))
	for name, text := range map[string]string{
		"as it is":                    secret,
		"in capitals":                 strings.ToUpper(secret),
		"cut by a PHP trace":          `#0 /var/www/x.php(7): mysqli->query('login(s3cr3t...')`,
		"cut in front by MySQL":       `... for the right syntax to use near 'ss\\wörd/<é' at line 1`,
		"SQL, a doubled quote":        strings.ReplaceAll(secret, "'", "''"),
		"SQL, backslashes":            strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`).Replace(secret),
		"var_export":                  strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(secret),
		"Go":                          strconv.Quote(secret),
		"ASCII Go":                    strconv.QuoteToASCII(secret),
		"JSON":                        string(quoted),
		"JSON within JSON":            string(twice),
		"PHP's JSON":                  strings.ReplaceAll(strconv.QuoteToASCII(secret), "/", `\/`),
		"octets of Go":                `s3cr\x33t\x27pa`,
		"octal":                       `s3c\1623t\047`,
		"a form":                      url.QueryEscape(secret),
		"a form, small letters":       strings.ToLower(url.QueryEscape(secret)),
		"a form within a URL":         url.QueryEscape(url.QueryEscape(secret)),
		"a path":                      url.PathEscape(secret),
		"HTML":                        html.EscapeString(secret),
		"HTML within HTML":            html.EscapeString(html.EscapeString(secret)),
		"HTML with named quotes":      `s3cr3t&apos;pa&quot;ss`,
		"HTML with named letters":     `\w&ouml;rd/&lt;&eacute;`,
		"the same within HTML":        `\w&amp;ouml;rd/&amp;lt;&amp;eacute;`,
		"HTML, zeros":                 `s3c&#000114;3&#X0074;`,
		"HTML with tags":              `s3c<b>r3t'</b>`,
		"HTML with line breaks":       "s3c<br />\nr3t<BR>'",
		"HTML within JSON":            `{"x":"s3cr3t\u0026#039;"}`,
		"percent within JSON in JSON": `{"x":"{\"y\":\"s3%5C%5Cu0063r3t\"}"}`,
		"Latin-1":                     "\\w\xf6rd/<\xe9",
		"Latin-1 in a form":           "ss%5Cw%F6rd",
		"a wrapped log":               "s3c\r\n    r3t'p\n\ta\"ss",
		"blanks that do not print":    "s\u00a03\u200bc\x00r3\u00adt",
		"base64":                      base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 without padding":      "x:" + base64.RawStdEncoding.EncodeToString([]byte("s3cr3t'")),
		"base64 of a URL":             base64.URLEncoding.EncodeToString([]byte("?>~" + secret)),
		"base64 within base64":        "c3" + base64.StdEncoding.EncodeToString([]byte("joe:" + secret))[3:],
		"base64 that begins in one":   base64.StdEncoding.EncodeToString([]byte("joe:" + secret))[2:],
		"base64 of Latin-1":           base64.StdEncoding.EncodeToString([]byte("\\w\xf6rd/<\xe9")),
		"base64 in lines":             "czNjcj\nN0J3Bh\nInNz",
		"base64 in JSON":              strings.ReplaceAll(base64.StdEncoding.EncodeToString([]byte(secret+"???>>>"+secret)), "/", `\/`),
		"base64 in a form":            url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("~~~???" + secret))),
		"its first six":               "no s3cr3tly here",
		"its last six":                `&>+ %41`,
	} {
		d := New([]string{secret}, nil, nil)
		text = "no: " + text + "."
		require.Equal(t, fmt.Sprintf("[the server's text held a secret: %d bytes]", len(text)), d.Text(text), "%s: %s", name, text)
	}
}

// Of a secret of fewer than six characters only the whole is evidence.
func TestShortSecrets(t *testing.T) {
	t.Parallel()
	d := New([]string{"4711", "é'x", "", "  ", "hunter"}, nil, nil)
	for _, text := range []string{"4711", "no 4711.", "12471199", "47 11", `"\u0034711"`, "é'x", "É''X", "&#233;&#039;x", "NDcxMQ", base64.StdEncoding.EncodeToString([]byte(`{"a":"4711"}`)), "hunter"} {
		require.NotEqual(t, text, d.Text(text), text)
	}
	for _, text := range []string{"", " ", "471", "711", "4-711", "é'", "unte", "hunte r no"[:5]} {
		require.Equal(t, text, d.Text(text), text)
	}
}

// What the call sends openly is no evidence of a secret.
func TestOpenValues(t *testing.T) {
	t.Parallel()
	d := New([]string{"Password123!", "joe.blogs.7", "1234"}, []string{"password", "joe.blogs", "/domains/1234/users", "hunter%20two"}, nil)
	for _, text := range []string{"the password is too short", "joe.blogs exists", "domain 1234", "JOE.BLOGS"} {
		require.Equal(t, text, d.Text(text), text)
	}
	for _, text := range []string{"password123!", "ord123", "blogs.7", "Password1"} {
		require.NotEqual(t, text, d.Text(text), text)
	}
	require.Equal(t, "hunter two", New([]string{"hunter two"}, []string{"hunter%20two"}, nil).Text("hunter two"))
}

// A value that the call did not send is known by its name.
func TestValuesByName(t *testing.T) {
	t.Parallel()
	d := New(nil, nil, names)
	for _, text := range []string{
		`{"pbxDeviceId":"3","pbxDeviceToken":"432e1","userId":"2"}`, `{"Password" : "a\"432e1", "PIN":432e1}`, `{"pin":["432e1","432e1"]}`,
		`{"pin":{"a":["}"],"b":"432e1"},"c":1}`, `{"pbxDeviceToken":"432e1`, `{"x":"{\"pin\":\"a\\\"432e1\\\\\",\"y\":1}"}`, `{"x":"{\"p\u0069n\":4711}"}`,
		`{"password":"\u0034711"}`, `{&quot;pin&quot;:&quot;4711&quot;}`, base64.RawURLEncoding.EncodeToString([]byte(`no{"pbxDeviceToken":"432e1"}`)),
		"Array\n(\n    [user] => joe\n    [password] => hunter2\n)", "array (\n  'password' => 'hunter2',\n)", "array(1) {\n  [\"password\"]=>\n  string(7) \"hunter2\"\n}",
		"[password:protected] => x", `["pin":"User":private]=> int(4711)`, "password=x&a=b", "a=b&password=x", "user[password]=x", "user%5Bpassword%5D=x", "sip_password=x", "pin%3D4711",
		"UPDATE users SET password = 'x' WHERE id = 7", "`password` = \"x\"", "pin=4711", "$pin = 4711;", "<pin>4711</pin>", "<PIN> 4711 </PIN>", "<password><![CDATA[x]]></password>",
		"{Password:x PIN:y}", "map[password:[x]]", "pin: 4711", "password: hunter2 is wrong", "password: too2short!", "password := x", `{"password":"&x"}`, `{"pin":","}`, "pin = '}'", "password = <x>", `{"password":"not,x"}`, `pin: "4711"`, "password=is",
	} {
		require.NotEqual(t, text, d.Text(text), text)
	}
}

// Honest texts are shown as they are.
func TestHonestTexts(t *testing.T) {
	t.Parallel()
	d := New([]string{"Password123!", "90214711", "ak_live_0123456789abcdef"}, []string{"password", "pin", "extensionNumber", "0100", "joe.blogs"}, names)
	for _, text := range []string{
		"extension 0100 is in use", "password is too short", "password: must not be empty", `"password: must not be empty"`, "pin: required", "Password: too short", "Your password and your PIN are wrong",
		`{"message":"The given data was invalid.","errors":{"password":["The password must be at least 8 characters."],"pin":["required"]}}`,
		`{"user":"joe","password":"","pin":null,"pbxDeviceToken": ""}`, `{"x":"{\"password\":\"\",\"pin\":null}"}`, `{"pin":[],"password":{}}`, `{"password":"[redacted]","pin":"***"}`,
		`{"field":"password","message":"too short"}`, `[password] => `, "[password] => \n)", "'password' => '', 'pin' => NULL,", "[\"pin\"]=>\n  string(0) \"\"", "password=&user=joe", "a=b&pin=", "password='' AND 1", "pin=[redacted]&a=b",
		"<pin></pin><password/>", "<label for=\"password\">Password:</label><input type=\"password\" name=\"password\" value=\"\">",
		"Access denied for user 'joe'@'localhost' (using password: YES)", "Unknown column 'password' in 'field list'", "Column 'pin' cannot be null", "Duplicate entry '0100' for key 'pin'", "Undefined index: password in /var/www/x.php on line 7",
		"Password::hash() expects 1 argument", "users?filter[]=password-eq-value-x", "password?", "password", "reset your PIN", "pin: want one value, not a list or an object", "SQLSTATE[23000]: Integrity constraint violation: 1062",
		"dial tcp 192.0.2.1:443: connect: connection refused", "日本語のエラー", "100% of 5 & 6 + 7 \\ 8",
	} {
		require.Equal(t, text, d.Text(text), text)
	}
}

// spell writes a secret as a server may, in a random way, with up to three ways one
// in the other.
func spell(r *rand.Rand, secret string) string {
	ways := []func(string) string{
		url.QueryEscape, url.PathEscape, html.EscapeString,
		func(s string) string { return unquoted(strconv.Quote(s)) },
		func(s string) string { text, _ := json.Marshal(s); return unquoted(string(text)) },
		func(s string) string {
			text, _ := json.Marshal(s)
			return strings.ReplaceAll(unquoted(string(text)), "/", `\/`)
		},
		func(s string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) },
		func(s string) string { return strings.NewReplacer(`'`, `''`, `"`, `""`).Replace(s) },
		func(s string) string { return each(s, func(c rune) string { return fmt.Sprintf("&#%d;", c) }) },
		func(s string) string { return each(s, func(c rune) string { return fmt.Sprintf("&#x%X;", c) }) },
		func(s string) string {
			return each(s, func(c rune) string {
				if c > 0xffff {
					return unquoted(strconv.QuoteToASCII(string(c)))
				}
				return fmt.Sprintf(`\u%04x`, c)
			})
		},
		func(s string) string {
			return each(s, func(c rune) string { return strings.ReplaceAll(fmt.Sprintf("% x", " "+string(c))[2:], " ", "%") })
		},
	}
	wraps := []func(string) string{
		func(s string) string { return s },
		func(s string) string { // lines
			all := []rune(s)
			return string(slices.Insert(all, r.IntN(len(all)+1), []rune("\r\n\t")...))
		},
		func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("~", r.IntN(4)) + s))
		},
		func(s string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(s + strings.Repeat("?", r.IntN(4))))
		},
	}
	way := r.IntN(len(wraps))
	if way >= 2 {
		return wraps[way](secret)
	}
	text := []string{secret, strings.ToUpper(secret), strings.ToLower(secret)}[r.IntN(3)]
	for range r.IntN(4) {
		text = ways[r.IntN(len(ways))](text)
	}
	if way == 1 && text != secret {
		return text // a line does not break within an escape
	}
	return wraps[way](text)
}

func each(s string, f func(rune) string) string {
	var b strings.Builder
	for _, c := range s {
		b.WriteString(f(c))
	}
	return b.String()
}

func unquoted(quoted string) string { return quoted[1 : len(quoted)-1] }

// A secret in a random spelling is found within random text.
func FuzzSpellings(f *testing.F) {
	for i, seed := range []string{"hunter2", `pa"ss\wörd/<&>'+ %`, "日本語パス😀", "0", " padded ", `%41%42%43`, `\u0041\\\\`, "&amp;amp;&#38;", "''''''''a", "++++++", "😀😁😂🤣😃😄", "日本\u036a++++"} {
		f.Add(seed, "some text: ", "<, more of it", uint64(i))
	}
	f.Fuzz(func(t *testing.T, secret, before, after string, seed uint64) {
		if !utf8.ValidString(secret) || strings.ContainsFunc(secret, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(secret) == "" || len(secret) > 200 || utf8.RuneCountInString(secret) < 6 {
			return
		}
		d := New([]string{secret}, nil, nil)
		for r := rand.New(rand.NewPCG(seed, 0)); seed%4 < 3; seed++ { //nolint:gosec // repeatable
			text := spell(r, secret)
			require.NotEqual(t, text, d.Text(text), "%q", text)
			text = before + " " + text + " " + after
			require.NotEqual(t, text, d.Text(text), "%q", text)
		}
	})
}

// hostile are texts and secrets that begin escapes everywhere.
func hostile(size int) (texts, secrets, open []string) {
	for _, piece := range []string{
		`\`, `\u`, `\u005c`, `\x5c`, `\\\x5c`, "%", "%25", "%255c", "&", "&#", "&#0", "&#38;", "&amp;", "&amp", "+", "%2b", "a", "a%61", "\xff", "日", "<", "<br", "pin ", "pin=", "password\"", "<pin ", `"pin":"`, "''", "\n",
	} {
		texts = append(texts, strings.Repeat(piece, size/len(piece)+1)[:size])
	}
	secrets = []string{strings.Repeat("&%", 16), strings.Repeat(`\`, 32), strings.Repeat("a", 100), "%%%%%&&&&&", strings.Repeat("%25", 20), strings.Repeat("&amp;", 20), "1234", "é&%"}
	return texts, secrets, []string{strings.Repeat("displayName-eq-value-%25&+", 8000/26)}
}

// The work is linear in the text: what it is read as is bounded, and each reading is
// gone through once. Nothing else is kept.
func TestLinear(t *testing.T) {
	t.Parallel()
	for _, size := range []int{8 << 10, 64 << 10} {
		texts, _, _ := hostile(size)
		for _, text := range texts {
			bytes, steps := 0, 0
			for _, reading := range readings(text) {
				bytes += len(reading)
				for range windows(reading) {
					steps++
				}
			}
			require.LessOrEqual(t, bytes, 13*size, text[:20])
			require.LessOrEqual(t, steps, 13*size, text[:20])
		}
	}
}

// Nor does a text of eight times the size allocate more than about eight times as
// much.
func TestLinearAllocations(t *testing.T) { // not parallel: it counts what the process allocates
	allocated := func(d *Detector, text string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d.Text(text)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	short, secrets, open := hostile(8 << 10)
	long, _, _ := hostile(64 << 10)
	d := New(secrets, open, names)
	for i := range short {
		require.LessOrEqual(t, allocated(d, long[i]), 12*allocated(d, short[i])+64<<10, short[i][:20])
	}
}

// BenchmarkHostile looks at 16 KB of the text that takes longest, beside secrets and a
// filter of 8,000 bytes that look like it.
func BenchmarkHostile(b *testing.B) {
	texts, secrets, open := hostile(16 << 10)
	for _, text := range texts {
		b.Run(strconv.Quote(text[:8]), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				New(secrets[:3], open, names).Text(text)
			}
		})
	}
}

// BenchmarkHonest looks at an error's body of HTML and JSON, which holds no secret.
func BenchmarkHonest(b *testing.B) {
	var body strings.Builder
	for i := 0; body.Len() < 16<<10; i++ {
		fmt.Fprintf(&body, "<tr class=\"row\"><td>The extension &quot;%d&quot; is in use &amp; cannot be given</td></tr>\n", i)
		fmt.Fprintf(&body, `{"error":"user 'joe%d' exists: see https:\/\/pbx.example\/?q=joe%%20blogs+%d","password":""}`, i, i)
	}
	d := New([]string{`s3cr3t'pa"ss<é/`, "9021077", "ak_live_0123456789abcdef0123456789abcdef"}, nil, names)
	require.Equal(b, body.String(), d.Text(body.String()))
	b.ReportAllocs()
	for b.Loop() {
		d.Text(body.String())
	}
}
