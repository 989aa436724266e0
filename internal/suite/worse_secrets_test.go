package suite_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/infinitysip/infinitysip"
)

// inFlight are the kinds of calls that send a secret, by its name; nil: all do.
var inFlight = map[string][]string{"key": nil, "password": {"create", "update", "doGet", "doPost", "doPut", "doDelete"}, "PIN": {"create", "doGet", "doPost", "doPut", "doDelete"}, "token": {}}

// secretsInPieces are numbers 62 to 64: what servers show of a secret when they
// fail, and in which dress.
func secretsInPieces() []trial {
	var trials []trial
	for of, secret := range map[string]string{"password": canaryPassword, "PIN": canaryPIN, "key": canaryKey, "token": canaryToken} {
		add := func(n int, name, text string, kinds []string) {
			trials = append(trials, trial{n, name + " of the " + of, func(t *testing.T) {
				t.Parallel()
				for _, status := range []int{400, 409, 500, 200} {
					var debug records
					for kind, do := range oneOfEach(stubClient(t, always(status, text), atOnce(), infinitysip.WithDebugLog(&debug))) {
						if kinds != nil && !slices.Contains(kinds, kind) {
							continue
						}
						where := fmt.Sprintf("%s, %d, %s", kind, status, text)
						if err := do(t.Context()); status != 200 || err != nil {
							require.Error(t, err, kind)
							requireNoPiece(t, where, err, secret)
						}
						written := debug.take()
						require.Contains(t, written, "-->")
						requireNoPieceIn(t, where, written, secret)
					}
				}
			}})
		}
		// Where its name does not tell, it is known because the call sends it.
		if kinds := inFlight[of]; len(kinds) > 0 || kinds == nil {
			tail := secret[len(secret)/2:]
			single := strings.NewReplacer(`"`, `\"`, "'", `\'`)
			add(62, "a PHP trace", "PHP Fatal error: Uncaught PDOException in /var/www/api/User.php:212\n#0 /var/www/api/User.php(212): User->create('joe.blogs', '"+secret[:min(15, len(secret))]+"...', 'Joe Blogs')\n#1 {main}", kinds)
			add(62, "MySQL's near", "You have an error in your SQL syntax; check the manual for the right syntax to use near '"+tail+"', 'Joe Blogs')' at line 1", kinds)
			add(62, "MySQL's near, escaped", "syntax to use near '"+single.Replace(tail)+"' at line 1", kinds)
			add(62, "a value cut short", "could not read: user=joe.blogs x="+secret[:len(secret)-3], kinds)
			add(63, "a doubled quote", `unterminated string: "`+strings.ReplaceAll(secret, `"`, `""`)+`"`, kinds)
			add(63, "quotes of SQL", `near 'VALUES (`+"'"+strings.ReplaceAll(secret, `"`, `\"`)+`')'`, kinds)
			for _, width := range []int{4, 8, 12} {
				add(63, fmt.Sprintf("a log wrapped at %d", width), "value: "+wrapped(secret, width, "\n"), kinds)
				add(63, fmt.Sprintf("a log wrapped at %d and indented", width), "value: "+wrapped(secret, width, "\r\n    "), kinds)
			}
			for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64 without padding": base64.RawStdEncoding, "base64 of URLs": base64.URLEncoding, "base64 of URLs without padding": base64.RawURLEncoding} {
				add(64, name, "value: "+encoding.EncodeToString([]byte(secret)), kinds)
				add(64, name+", wrapped", "value: "+wrapped(encoding.EncodeToString([]byte(secret)), 12, "\n"), kinds)
				for _, before := range []string{"joe.blogs:", "a", "ab"} {
					add(64, name+" behind "+before, "value: "+encoding.EncodeToString([]byte(before+secret)), kinds)
				}
			}
		}
		// A member, pair or assignment with the name of a secret.
		for name, text := range map[string]string{
			"print_r":           "Array\n(\n    [pbxDeviceId] => 7\n    [%s] => " + secret + "\n)\n",
			"print_r on a line": "Array ( [pbxDeviceId] => 7 [%s] => " + secret + " )",
			"var_dump":          "array(1) {\n  [\"%s\"]=>\n  string(18) \"" + secret + "\"\n}",
			"a form":            "got pbxDeviceId=7&%s=" + secret,
			"SQL":               "INSERT INTO devices SET id=7, `%s` = '" + secret + "', x=1 failed",
			"SQL, tight":        "UPDATE d SET %s='" + secret + "' WHERE id=7",
			"JSON":              `{"error":{"pbxDeviceId":7,"%s":"` + strings.ReplaceAll(secret, `"`, `\"`) + `"}}`,
			"JSON in JSON":      `{"error":"{\"%s\":\"` + strings.ReplaceAll(secret, `"`, `\\\"`) + `\"}"}`,
			"XML":               "<error><%[1]s>" + secret + "</%[1]s></error>",
			"YAML":              "pbxDeviceId: 7\n%s: " + secret + "\n",
		} {
			for _, member := range []string{"pbxDeviceToken", "password", "pin"} {
				add(63, name+" as "+member, fmt.Sprintf(text, member), nil)
			}
		}
	}
	return trials
}

// wrapped breaks text after each so many characters.
func wrapped(text string, width int, with string) string {
	var b strings.Builder
	for i, r := range []rune(text) {
		if i > 0 && i%width == 0 {
			b.WriteString(with)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// requireNoPiece checks that nothing of an error shows six characters of a secret
// in a row, blanks and line breaks left out, nor its base64.
func requireNoPiece(t *testing.T, where string, err error, secret string) {
	t.Helper()
	requireNoSecret(t, where, err)
	text := fmt.Sprintf("%v %+v", err, err)
	if failed, ok := errors.AsType[*infinitysip.Error](err); ok {
		requireNoSecret(t, where, string(failed.Body))
		text += fmt.Sprintf(" %s %s", failed.Message, failed.Body)
	}
	requireNoPieceIn(t, where, text, secret)
}

func requireNoPieceIn(t *testing.T, where, text, secret string) {
	t.Helper()
	bare := func(s string) string { return strings.Join(strings.Fields(s), "") }
	text = bare(text)
	for name, of := range map[string]string{"it": bare(secret), "its base64": base64.RawStdEncoding.EncodeToString([]byte(secret)), "its base64, one behind": base64.RawStdEncoding.EncodeToString([]byte(secret[2:])), "its base64, two behind": base64.RawStdEncoding.EncodeToString([]byte(secret[1:]))} {
		for i := 0; i+6 <= len(of)-1; i++ {
			require.NotContains(t, text, of[i:i+6], "%s: a piece of %s", where, name)
		}
	}
}

// hostileTexts are number 67: a long text that holds what escapes begin with, again
// and again, and secrets and filters of the same. It must not take long to read.
func hostileTexts() []trial {
	var trials []trial
	for _, unit := range []string{"&", "%", "&amp;", "%25", "%2525", "&#38;", `\`, `\u0026`, `"`, "''", "=", "YWJj", "&pin=", "<b>", "[pin] => ", `{"pin":`, "\n", "\u00e9"} {
		trials = append(trials, trial{67, fmt.Sprintf("16 KB of %q", unit), func(t *testing.T) { // not parallel: it looks at the clock
			text := strings.Repeat(unit, 16<<10/len(unit))
			client := stubClient(t, always(409, text), atOnce(), infinitysip.WithDebugLog(io.Discard))
			within := func(name string, do func(context.Context) error) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began := time.Now()
				require.Error(t, do(ctx), name)
				require.Less(t, time.Since(began), 10*time.Second, "%s: a second was given", name) // and a slow machine
			}
			for _, length := range []int{8, 64, 512} {
				params := newUser()
				secret := strings.Repeat(unit, length/len(unit)+1)
				secret = strings.NewReplacer("\n", ".").Replace(secret)
				params.Password, params.PIN = infinitysip.NewSecret(secret), infinitysip.NewSecret(secret+"1")
				within(fmt.Sprintf("a password of %d", length), func(ctx context.Context) error {
					_, err := client.Users.Create(ctx, 1, params)
					return err
				})
			}
			filter := strings.NewReplacer("\n", ".").Replace(strings.Repeat(unit, 8000/len(unit)))
			within("filters of 8,000 bytes", func(ctx context.Context) error {
				_, err := client.Devices.List(ctx, 1, &infinitysip.DeviceListOptions{Filter: infinitysip.Where(
					infinitysip.DeviceFields.Name.Eq(filter), infinitysip.DeviceFields.MACAddress.Ne(filter), infinitysip.DeviceFields.User.Contains(filter))})
				return err
			})
		}})
	}
	return trials
}
