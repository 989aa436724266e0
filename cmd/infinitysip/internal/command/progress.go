package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/infinitysip/infinitysip/provision"
)

const (
	defaultWidth = 80                     // of a terminal
	barWidth     = 40                     // at most
	redraw       = 100 * time.Millisecond // no sooner
	plainEvery   = 10 * time.Second       // between two lines where there is no terminal
)

// A progress shows how far it is: as a bar on a terminal, or else by a line now and
// then.
type progress struct {
	w      io.Writer
	width  int // of the terminal; 0: there is none
	failed int
	last   time.Time
	bar    *progressbar.ProgressBar
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, last: time.Now()}
	if isTerminal(w) {
		columns, _ := strconv.Atoi(os.Getenv("COLUMNS"))
		own := 0
		if file, ok := w.(*os.File); ok {
			own, _, _ = term.GetSize(int(file.Fd()))
		}
		p.width = cmp.Or(max(columns, 0), own, defaultWidth)
	}
	return p
}

func (p *progress) show(now provision.Progress) {
	if now.Err != nil {
		p.failed++
	}
	text := fmt.Sprintf("%d/%d, %d failed", now.Done, now.Total, p.failed)
	if p.width > 0 {
		p.draw(now, text)
		return
	}
	if time.Since(p.last) >= plainEvery {
		p.last = time.Now()
		fmt.Fprintln(p.w, text)
	}
}

// draw draws the bar, or the text alone where there is no room for one.
func (p *progress) draw(now provision.Progress, text string) {
	if p.bar == nil {
		longest := len(fmt.Sprintf("%d/%d, %d failed", now.Total, now.Total, now.Total))
		p.bar = progressbar.NewOptions(now.Total,
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionSetWidth(max(min(p.width-longest-len(" 100% []   ")-1, barWidth), 1)), // the last column stays free
			progressbar.OptionThrottle(redraw),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "#", SaucerPadding: ".", BarStart: "[", BarEnd: "]"}),
		)
	}
	p.bar.Describe(text)
	_ = p.bar.Set(now.Done)
}

// end ends the line.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Exit()
		fmt.Fprintln(p.w)
	}
}
