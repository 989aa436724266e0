package probe

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/infinitysip/infinitysip/siptest"
)

// lookForLimit sends quick reads until one is refused, and looks how soon the server
// accepts requests again. It comes first, so that nothing is used up before it.
func (p *prober) lookForLimit(ctx context.Context) {
	if p.limitUpTo == 0 {
		p.unknown("limit", "not looked for: see --limit-up-to")
		return
	}
	p.lastRequest.mu.Lock()
	request := p.lastRequest.request
	p.lastRequest.mu.Unlock()
	accepted, began := p.meter.Used(), time.Now()
	var refusal *exchange
	for range p.limitUpTo {
		ex, err := p.meter.again(ctx, request)
		if err != nil {
			p.failed("limit", err)
			return
		}
		if isRefusal(ex) {
			refusal = ex
			break
		}
		accepted++
	}
	how := fmt.Sprintf("at most %d reads, one right after the other", p.limitUpTo)
	if refusal == nil {
		p.find("limit", Seen, how, "none up to %d requests in %s", accepted, time.Since(began).Round(time.Millisecond))
		return
	}
	took := time.Since(began)
	limit := &siptest.Limit{Requests: accepted}
	if status := refusal.status; status != http.StatusTooManyRequests {
		limit.Status = status
	}
	after := refusal.header.Get("Retry-After")
	switch _, err := strconv.Atoi(after); {
	case after == "":
	case err == nil:
		limit.RetryAfter = siptest.RetryAfterSeconds
	default:
		limit.RetryAfter = siptest.RetryAfterDate
	}
	found := fmt.Sprintf("%d requests, then %d", accepted, refusal.status)
	if after != "" {
		found += " with a Retry-After"
	}
	per, window, ok := p.waitForTurn(ctx, request, refusal, took, accepted)
	if !ok {
		p.find("limit", Likely, how, "%s; nothing was accepted again within %s", found, longestTurn)
		p.options.Limit = limit
		return
	}
	if per != time.Second {
		limit.Per = per
	}
	limit.Window = window
	if !window {
		limit.Requests = inBucket(accepted, took, per)
	}
	p.options.Limit = limit
	shape := "one more from time to time"
	if window {
		shape = "all again when the time is over"
	}
	p.find("limit", Likely, how, "%s; about %d each %s, %s", found, limit.Requests, per, shape)
	// The rest of the probe keeps to three quarters of it.
	if rate := 0.75 * float64(limit.Requests) / per.Seconds(); p.rate <= 0 || rate < p.rate {
		p.rate = rate
	}
	if window {
		_ = sleep(ctx, per) // the next step sees that the probe was stopped
	}
	p.paced = time.Now()
}

func isRefusal(ex *exchange) bool {
	return ex.status == http.StatusTooManyRequests || ex.status == http.StatusServiceUnavailable
}

// longestTurn is how long the probe waits to be accepted again.
const longestTurn = 65 * time.Second

// waitForTurn waits until the server accepts a request again. From how long that takes
// it guesses the time that the limit is for, and from whether it accepts a second one
// at once, whether it counts in windows.
func (p *prober) waitForTurn(ctx context.Context, request *http.Request, refusal *exchange, took time.Duration, accepted int) (per time.Duration, window, ok bool) {
	wait := time.Second / time.Duration(max(accepted, 1))
	refused := time.Now()
	last := time.Duration(0) // since the refusal, when it surely still refused
	if after := retryAfter(refusal.header); after > time.Second {
		wait, last = after, after-time.Second
	}
	for time.Since(refused)+wait <= longestTurn {
		if sleep(ctx, wait) != nil {
			return 0, false, false
		}
		since := time.Since(refused)
		ex, err := p.meter.again(ctx, request)
		if err != nil {
			return 0, false, false
		}
		if isRefusal(ex) {
			last = since
			wait *= 2
			continue
		}
		ex, err = p.meter.again(ctx, request)
		if err != nil {
			return 0, false, false
		}
		window = !isRefusal(ex)
		for _, per := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
			// A window began with the first request, or before it. A bucket gets a place
			// back after a part of its time.
			if window && last+took < per || !window && last < per/time.Duration(inBucket(accepted, took, per)) {
				return per, window, true
			}
		}
		return time.Hour, window, true
	}
	return 0, false, false
}

// inBucket is how many places a bucket has that accepted so many requests in a time, in
// which it got some places back.
func inBucket(accepted int, took, per time.Duration) int {
	return max(1, int(math.Round(float64(accepted)/(1+took.Seconds()/per.Seconds()))))
}

// retryAfter is the time that a refusal tells to wait; 0 if it tells none.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	now, err2 := http.ParseTime(header.Get("Date"))
	if err != nil || err2 != nil {
		return 0
	}
	return until.Sub(now)
}
