package infinitysip

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// RetryPolicy tells how calls are tried again. A zero field means its default.
// What is tried again, and what never is, is fixed: see the package's
// documentation.
type RetryPolicy struct {
	MaxAttempts   int           // most attempts of one call, the first included; default 4; 1: never again
	MinWait       time.Duration // wait before the second attempt, doubled each time; default 0.5 s
	MaxWait       time.Duration // most that this grows to; default 10 s
	MaxRetryAfter time.Duration // a Retry-After up to this is waited for, above it the call fails at once; default 60 s
}

func (p RetryPolicy) orDefaults() RetryPolicy {
	return RetryPolicy{
		MaxAttempts:   cmp.Or(p.MaxAttempts, 4),
		MinWait:       cmp.Or(p.MinWait, 500*time.Millisecond),
		MaxWait:       cmp.Or(p.MaxWait, 10*time.Second),
		MaxRetryAfter: cmp.Or(p.MaxRetryAfter, time.Minute),
	}
}

// problem tells what is wrong with the policy.
func (p RetryPolicy) problem() string {
	if p.MaxAttempts < 0 || p.MinWait < 0 || p.MaxWait < 0 || p.MaxRetryAfter < 0 {
		return "holds a negative value"
	}
	return ""
}

// kind is what a call does, as far as repeating it goes.
type kind int

const (
	read         kind = iota // changes nothing
	handOn                   // a read whose rows are handed on as they arrive
	update                   // sets what a second time sets again
	remove                   // deletes
	add                      // adds members
	insert                   // creates: a second time creates a second one
	kindsOfCalls             // how many there are
)

func (k kind) writes() bool { return k != read && k != handOn }

// failure is how an attempt failed, as far as repeating it goes.
type failure int

const (
	final       failure = iota // the answer would be the same again
	notSent                    // no connection was had, so the server saw nothing
	rateLimited                // 429
	unavailable                // 503
	broken                     // 500
	lost                       // sent, and no answer of the API: 502, 504, 408, a dropped connection, silence
	cut                        // the answer of a read ended before it was complete
)

// attempts returns how often a call is tried at most, the first included, when
// its last attempt failed so. What may have been applied is repeated only
// where a second time does no harm.
func attempts(f failure, k kind) int {
	return [...][kindsOfCalls]int{
		//         read handOn update remove add insert
		final:       {1, 1, 1, 1, 1, 1},
		notSent:     {4, 4, 4, 4, 4, 4},
		rateLimited: {4, 4, 4, 4, 4, 4},
		unavailable: {4, 4, 3, 3, 1, 1},
		broken:      {3, 3, 2, 2, 1, 1},
		lost:        {4, 4, 3, 3, 1, 1},
		cut:         {3, 1, 1, 1, 1, 1},
	}[f][k]
}

// mayHaveApplied reports whether a write that failed so may have taken effect.
func (f failure) mayHaveApplied() bool {
	return f == unavailable || f == broken || f == lost || f == cut
}

// classify tells how an attempt failed. sent is false when it is certain that
// nothing reached the server.
func classify(ctx context.Context, resp *http.Response, err error, sent bool) failure {
	if err != nil {
		switch {
		case !sent && !permanent(ctx, err):
			return notSent
		case !sent:
			return final
		default:
			return lost
		}
	}
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests:
		return rateLimited
	case code == http.StatusServiceUnavailable:
		return unavailable
	case code == http.StatusInternalServerError:
		return broken
	case code == http.StatusNotImplemented:
		return final
	case code == http.StatusRequestTimeout, code >= 500 && code <= 599:
		return lost
	default:
		return final
	}
}

// permanent reports whether a connection that was not had will not be had the
// next time either.
func permanent(ctx context.Context, err error) bool {
	var (
		unknownHost *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		plain       tls.RecordHeaderError
		alert       tls.AlertError
	)
	return ctx.Err() != nil || errors.Is(err, ErrRateLimited) ||
		errors.As(err, &unknownHost) && unknownHost.IsNotFound ||
		errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &hostname) ||
		errors.As(err, &plain) || errors.As(err, &alert)
}

// again decides after an attempt whether there is another. It is the
// CheckRetry of retryablehttp.
func (p RetryPolicy) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	call := callFrom(ctx)
	if err == nil && resp.StatusCode < 300 {
		return false, nil
	}
	return p.repeats(ctx, call, classify(ctx, resp, err, call.sent.Load()), resp), nil
}

// repeats notes a failed attempt and reports whether to try again.
func (p RetryPolicy) repeats(ctx context.Context, call *call, f failure, resp *http.Response) bool {
	if f.mayHaveApplied() {
		call.unsettled = true
	}
	if ctx.Err() != nil || call.attempts >= min(attempts(f, call.kind), p.MaxAttempts) {
		return false
	}
	wait, told := retryAfter(resp)
	deadline, bounded := ctx.Deadline()
	return !told || wait <= p.MaxRetryAfter && (!bounded || wait < time.Until(deadline))
}

// wait returns how long to wait after attempt n, from 0: what the server asks
// for and a little more, so that those whom it told the same do not come back
// at once; or a random part of a wait that doubles. It is the Backoff of
// retryablehttp.
func (p RetryPolicy) wait(_, _ time.Duration, n int, resp *http.Response) time.Duration {
	if wait, told := retryAfter(resp); told {
		return wait + rand.N(p.MinWait)
	}
	ceiling := p.MaxWait
	if n < 32 && p.MinWait<<n < p.MaxWait {
		ceiling = p.MinWait << n
	}
	return rand.N(ceiling + 1)
}

// retryAfter reads the Retry-After of an answer: seconds, or a date, against
// the answer's own Date. It reports false for none and for one that makes no
// sense.
func retryAfter(resp *http.Response) (time.Duration, bool) {
	const longest = 366 * 24 * time.Hour
	if resp == nil {
		return 0, false
	}
	text := resp.Header.Get("Retry-After")
	if seconds, err := parseDigits(text); err == nil && text != "" {
		if seconds > int64(longest/time.Second) {
			return 0, false
		}
		return time.Duration(seconds) * time.Second, true
	}
	then, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	wait := max(then.Sub(now), 0)
	if wait > longest {
		return 0, false
	}
	return wait, true
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
