package retry

import (
	"math/big"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var digits = regexp.MustCompile(`^[0-9]+$`)

// A wait is what the header says, never negative, and none where the header
// makes no sense.
func FuzzRetryAfter(f *testing.F) {
	const date = "Tue, 24 Nov 2026 12:00:00 GMT"
	for _, after := range []string{
		"", "0", "7", "007", "-1", "+1", "1.5", " 5", "1e3", "٣", "31622400", "31622401", "99999999999999999999",
		"Tue, 24 Nov 2026 12:00:09 GMT", "Tue, 24 Nov 2026 11:00:00 GMT", "Tuesday, 24-Nov-26 12:00:09 GMT", "Tue Nov 24 12:00:09 2026",
		"Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "soon",
	} {
		f.Add(after, date)
	}
	f.Add(date, "")
	f.Add(date, "Fri, 31 Dec 9999 23:59:59 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		wait := After(&http.Response{Header: http.Header{"Retry-After": {after}, "Date": {date}}})
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, wait, LongestWait)

		seconds := new(big.Int)
		if digits.MatchString(after) {
			seconds.SetString(after, 10)
		} else {
			then, ok := httpDate(after)
			if !ok {
				require.Zero(t, wait)
				return
			}
			now, ok := httpDate(date)
			if !ok {
				return // by this machine's clock
			}
			seconds.SetInt64(max(then.Unix()-now.Unix(), 0))
		}
		if seconds.Cmp(big.NewInt(int64(LongestWait/time.Second))) > 0 {
			seconds.SetInt64(0)
		}
		require.Equal(t, seconds.Int64(), int64(wait/time.Second))
	})
}

func httpDate(text string) (time.Time, bool) {
	for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", time.RFC850, time.ANSIC} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
