package redact

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// However a secret is repeated, nothing is left of it, also not at the end of
// text that was cut.
func FuzzScrub(f *testing.F) {
	for _, seed := range []string{"hunter2", `pa"ss\wörd/<&>'+ %`, "日本😀", "0", "[redacted]", " padded ", "j\f\t\u036a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, secret string) {
		if strings.ContainsAny(secret, "\r\n\x00") || !utf8.ValidString(secret) || len(strings.TrimSpace(secret)) < 4 || len(secret) > 200 || strings.Contains(Mark, strings.TrimSpace(secret)) {
			return
		}
		s := New([]string{secret}, nil, nil)
		inJSON, err := json.Marshal(secret)
		require.NoError(t, err)
		twiceInJSON, err := json.Marshal(string(inJSON))
		require.NoError(t, err)
		var octets, entities strings.Builder
		for _, octet := range []byte(secret) {
			fmt.Fprintf(&octets, "%%%02X", octet)
		}
		for _, r := range secret {
			fmt.Fprintf(&entities, "&#%d;", r)
		}
		for _, spelling := range []string{
			secret, url.QueryEscape(secret), url.QueryEscape(url.QueryEscape(secret)), url.PathEscape(secret), strings.ToLower(url.QueryEscape(secret)), html.EscapeString(secret),
			unquoted(strconv.QuoteToASCII(secret)), unquoted(strings.ReplaceAll(string(inJSON), "/", `\/`)),
			unquoted(string(inJSON)), string(twiceInJSON[len(`"\"`) : len(twiceInJSON)-len(`\""`)]), unquoted(strconv.Quote(secret)), octets.String(), entities.String(),
		} {
			if strings.ToLower(url.QueryEscape(secret)) == spelling && strings.ToLower(secret) != secret {
				continue // that changes the secret too
			}
			text := "<" + spelling + ">"
			require.NotContains(t, s.Text(text), strings.TrimSpace(spelling))
			require.Contains(t, s.Text(text), Mark)
		}
		// Neither where the text is cut, nor where what is left out begins.
		limit := (longestSpelling + 2) * len(secret)
		filler := strings.Repeat("\n", limit) // which no secret holds
		for n := 0; n < limit; n += 1 + len(secret)/8 {
			text := filler[n:] + strings.TrimSpace(secret) + filler
			require.True(t, strings.HasPrefix(filler[n:]+Mark+filler, s.cut(text, limit)))
		}
		for n := range len(secret) {
			require.True(t, strings.HasPrefix(filler, s.cut(filler+secret[:n]+filler, limit+n)))
		}
		require.True(t, utf8.ValidString(s.Text(secret)))
	})
}

func unquoted(quoted string) string { return quoted[1 : len(quoted)-1] }

// A text in which every character may begin a spelling takes no more work than
// one with a secret in every place.
func TestSpelledKeepsOneForEachPlace(t *testing.T) {
	t.Parallel()
	const size, length = 1 << 10, 24
	for _, piece := range []string{`\`, `\u`, `\u005c`, `\x5c`, `\\\x5c`, "%", "%25", "%255c", "&", "&#", "&#0", "&#38;", "&amp;", "+", "%2b", "a", "a%61"} {
		text := strings.Repeat(piece, size/len(piece))
		for _, c := range []string{`\`, "%", "&", " ", "+", "a"} {
			kept := 0
			for n := range length {
				all := spelled(text, strings.Repeat(c, n+1))
				for i := 1; i < len(all); i++ {
					require.Less(t, all[i-1].end, all[i].end)
				}
				kept += len(all)
			}
			require.LessOrEqual(t, kept, size*length, "%s in %s", c, piece)
		}
	}
}

// BenchmarkScrub clears an error's body, of HTML and JSON, of three secrets.
func BenchmarkScrub(b *testing.B) {
	var body strings.Builder
	for i := 0; body.Len() < 16<<10; i++ {
		fmt.Fprintf(&body, "<tr class=\"row\"><td>The extension &quot;%d&quot; is in use &amp; cannot be given</td></tr>\n", i)
		fmt.Fprintf(&body, `{"error":"user 'joe%d' exists: see https:\/\/pbx.example\/?q=joe%%20blogs+%d","password":"s3cr3t'pa\"ss\u003c\u00e9\/"}`, i, i)
	}
	secrets := []string{`s3cr3t'pa"ss<é/`, "9021077", "ak_live_0123456789abcdef0123456789abcdef"}
	b.ReportAllocs()
	for b.Loop() {
		New(secrets, nil, Names{"password"}).cut(body.String(), 16<<10)
	}
}
