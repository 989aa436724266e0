//go:build !race

// Without the race detector, which would end the program now and then: see storms_test.go.

package suite_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/infinitysip/infinitysip"
	"github.com/infinitysip/infinitysip/siptest"
)

// limitsRow is a row of a table in docs/limits.md: the cells that say what runs, and
// what is measured for the cells after them.
type limitsRow struct {
	what    string
	storms  []storm
	opts    func() []infinitysip.Option // with a limiter for one run
	figures []limitsFigure              // of each storm
	fails   bool                        // creates may fail
}

// limitsFigure is a column of figures.
type limitsFigure struct {
	of     func(stormResult) float64
	within float64 // of the guide's figure, as a part of it
	or     float64 // or so much, if that is more
	format string
}

var (
	figureTook    = limitsFigure{func(r stormResult) float64 { return r.took.Seconds() }, 0.03, 0.3, "%.0f s"}
	figureLongest = limitsFigure{func(r stormResult) float64 { return r.longest.Seconds() }, 0.15, 0.15, "%.1f s"}
	figureRefused = limitsFigure{func(r stormResult) float64 { return float64(r.refused) }, 0.3, 4, "%.0f"}
	figureFailed  = limitsFigure{func(r stormResult) float64 { return float64(r.lost) }, 0.05, 0, "%.0f"}
	figureSlower  = limitsFigure{func(r stormResult) float64 { return float64(slices.Min(r.perClient)) }, 0.05, 4, "%.0f"}
)

// near reports whether a measured figure is that of the guide: "17 s" or "2 to 140 s".
func (f limitsFigure) near(cell string, measured float64) bool {
	numbers := regexp.MustCompile(`[0-9][0-9,.]*`).FindAllString(cell, -1)
	if len(numbers) != 1 && len(numbers) != 2 {
		return false
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err != nil {
			return math.NaN()
		}
		return n
	}
	low, high := number(numbers[0]), number(numbers[len(numbers)-1])
	return measured >= low-max(f.within*low, f.or) && measured <= high+max(f.within*high, f.or)
}

func limitsRows() (all []limitsRow) {
	none := func() []infinitysip.Option { return nil }
	rateOf := func(perSecond float64) func() []infinitysip.Option {
		return func() []infinitysip.Option { return []infinitysip.Option{infinitysip.WithRateLimit(perSecond, 1)} }
	}
	// One Client.
	one := func(server, client string, limit siptest.Limit, opts func() []infinitysip.Option) {
		all = append(all, limitsRow{
			what:   fmt.Sprintf("| %s | %s |", server, client),
			storms: []storm{{workers: 16, creates: 1000, limit: limit}}, opts: opts,
			figures: []limitsFigure{figureTook, figureLongest, figureRefused},
		})
	}
	for _, n := range []int{1, 10, 50} {
		server := fmt.Sprintf("%d a second", n)
		one(server, "learns", bucketOf(n, 1), none)
		one(server, fmt.Sprintf("`WithRateLimit(%d, 1)`", n), bucketOf(n, 1), rateOf(float64(n)))
	}
	one("10 a second", "`WithRateLimit(5, 1)`", bucketOf(10, 1), rateOf(5))
	one("10 a second", "`WithRateLimit(20, 1)`", bucketOf(10, 1), rateOf(20))
	second, minute := windowOf(10, time.Second), windowOf(600, time.Minute)
	second.RetryAfter = siptest.RetryAfterSeconds
	one("10 in each second, `Retry-After`", "learns", second, none)
	one("600 in each minute, no `Retry-After`", "learns", minute, none)
	one("600 in each minute, no `Retry-After`", "`WithRateLimit(10, 1)`", minute, rateOf(10))

	// Many goroutines.
	for _, workers := range []int{16, 64, 256, 400} {
		row := limitsRow{what: fmt.Sprintf("| %d |", workers), opts: none, figures: []limitsFigure{figureLongest}}
		for _, n := range []int{1, 10, 50} {
			row.storms = append(row.storms, storm{workers: workers, creates: 1200, limit: bucketOf(n, 1)})
		}
		all = append(all, row)
	}

	// Two Clients of one account.
	two := func(server, both string, limit siptest.Limit, opts func() []infinitysip.Option) {
		all = append(all, limitsRow{
			what:   fmt.Sprintf("| %s | %s |", server, both),
			storms: []storm{{workers: 16, creates: 1000, clients: 2, limit: limit}}, opts: opts,
			figures: []limitsFigure{figureTook, figureLongest, figureSlower, figureFailed}, fails: true,
		})
	}
	for _, n := range []int{1, 10, 50} {
		server, each, limiter := fmt.Sprintf("%d a second", n), fmt.Sprintf("`WithRateLimit(%g, 1)` each", float64(n)/2), fmt.Sprintf("one limiter of %d a second", n)
		shared := func() []infinitysip.Option {
			return []infinitysip.Option{infinitysip.WithLimiter(rate.NewLimiter(rate.Limit(n), 1))}
		}
		two(server, "learn", bucketOf(n, 5), none)
		two(server, each, bucketOf(n, 5), rateOf(float64(n)/2))
		two(server, limiter, bucketOf(n, 5), shared)
		if n == 10 {
			two(server+", never 2 at once", each, bucketOf(n, 1), rateOf(float64(n)/2))
			two(server+", never 2 at once", limiter, bucketOf(n, 1), shared)
		}
	}
	return all
}

// The figures of docs/limits.md are what comes of it. With -v this prints them again.
func TestLimits(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/limits.md")
	require.NoError(t, err)
	for _, row := range limitsRows() {
		t.Run(strings.Trim(row.what, "| "), func(t *testing.T) {
			t.Parallel()
			share, measured, cells := 0.0, row.what, guideCells(t, string(guide), row.what)
			require.Len(t, cells, len(row.storms)*len(row.figures), row.what)
			for i, s := range row.storms {
				var r stormResult
				synctest.Test(t, func(t *testing.T) {
					s.opts = row.opts()
					r = s.run(t)
				})
				share = r.share
				require.Zero(t, r.twice)
				require.True(t, row.fails || r.lost == 0, "%d failed", r.lost)
				for j, f := range row.figures {
					cell := cells[i*len(row.figures)+j]
					measured += fmt.Sprintf(" "+f.format+" |", f.of(r))
					if !f.near(cell, f.of(r)) {
						t.Errorf("the guide says %s, this run "+f.format, cell, f.of(r))
					}
				}
			}
			t.Log(measured)
			if server, learns := strings.CutSuffix(row.what, " a second | learns |"); learns {
				fmt.Printf("figure: use of a limit of %s a second that the Client learns: %.0f %%\n", strings.TrimPrefix(server, "| "), 100*share)
			}
		})
	}
}

// guideCells are the cells of a table's row after its first ones.
func guideCells(t *testing.T, guide, first string) []string {
	t.Helper()
	_, rest, found := strings.Cut(guide, "\n"+first)
	require.True(t, found, "docs/limits.md has no row %s", first)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Split(strings.Trim(line, "| "), " | ")
}
