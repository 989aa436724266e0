package infinitysip

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/infinitysip/infinitysip/internal/rows"
)

const (
	defaultAttempts = 4
	longestWait     = 366 * 24 * time.Hour // a wait beyond it is a mistake
)

// RetryPolicy tells how calls are tried again. A zero field means its default.
// What is tried again, and what never is, is fixed: see the package's
// documentation.
type RetryPolicy struct {
	MaxAttempts   int           // most attempts of one call, the first included; default 4; more raises the lower counts too; 1: never again
	MinWait       time.Duration // longest wait before the second attempt, doubled each time; default 0.5 s; after a 429 the wait is twice this at least
	MaxWait       time.Duration // most that this grows to; default 10 s
	MaxRetryAfter time.Duration // a Retry-After up to this is waited for, above it the call fails at once, a create after one look; default 60 s

	// VerifyWaits are the waits before each look for a created thing whose
	// answer was lost; default 0, 1 s and 3 s.
	VerifyWaits []time.Duration

	// ResendAfter, when it is set, sends a create whose outcome is unknown
	// once more after this long, if it has still not appeared. Set it to more
	// than the server ever takes to carry out a request that it has received;
	// with less, a thing may be created twice. It takes two VerifyWaits and two
	// attempts at the least. Off by default.
	ResendAfter time.Duration

	// Quota is how much retrying a Client may do beyond its successes; default
	// 100. An attempt again costs 5 of it, after a timeout 10, and a call that
	// succeeds gives 1 back. When it is used up, calls fail at their first
	// failure. Waiting for a server that says 429 costs nothing.
	Quota int
}

func (p RetryPolicy) orDefaults() RetryPolicy {
	if p.VerifyWaits == nil {
		p.VerifyWaits = []time.Duration{0, time.Second, 3 * time.Second}
	}
	p.MaxAttempts = cmp.Or(p.MaxAttempts, defaultAttempts)
	p.MinWait = cmp.Or(p.MinWait, 500*time.Millisecond)
	p.MaxWait = cmp.Or(p.MaxWait, 10*time.Second)
	p.MaxRetryAfter = cmp.Or(p.MaxRetryAfter, time.Minute)
	p.Quota = cmp.Or(p.Quota, 100)
	return p
}

// problem tells what is wrong with the policy.
func (p RetryPolicy) problem() string {
	least := min(p.MinWait, p.MaxWait, p.MaxRetryAfter, p.ResendAfter)
	for _, wait := range p.VerifyWaits {
		least = min(least, wait)
	}
	if least < 0 || p.MaxAttempts < 0 || p.Quota < 0 {
		return "holds a negative value"
	}
	if p.ResendAfter > 0 && (p.VerifyWaits != nil && len(p.VerifyWaits) < 2 || p.MaxAttempts == 1) {
		return "ResendAfter takes two VerifyWaits and two attempts at the least"
	}
	if max(p.MinWait, p.MaxWait, p.MaxRetryAfter) > longestWait {
		return "waits longer than a year"
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
	take                     // removes members
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
	lost                       // sent, and no answer of the API: 502, 504, 408, other 5xx, a dropped connection, silence
	odd                        // a redirect, or a status that the API does not have
	cut                        // the answer of a read ended before it was complete
	gone                       // 404 or 410, where an attempt before this one may have been applied
	clash                      // 409, where an attempt before this one may have been applied
)

// mayHaveApplied reports whether a write that failed so may have taken effect.
func (f failure) mayHaveApplied() bool {
	return f == unavailable || f == broken || f == lost || f == odd
}

// rule tells what becomes of a call whose last attempt failed. A positive one
// is how many attempts there are in all.
type rule int

const (
	done    rule = -iota - 1 // it is as it was to be: a success
	missing                  // look who is there, and send those who are not
	verify                   // look for it; when it is absent the outcome is unknown
	resend                   // look for it; when it is absent in two good looks, send it once more
)

// ruleFor is the whole of what is tried again.
func ruleFor(f failure, k kind) rule {
	return [...][kindsOfCalls]rule{
		//         read handOn update remove take add insert
		final:       {1, 1, 1, 1, 1, 1, 1},
		notSent:     {4, 4, 4, 4, 4, 4, 4},
		rateLimited: {4, 4, 4, 4, 4, 4, 4},
		unavailable: {4, 4, 3, 3, 3, missing, resend},
		broken:      {3, 3, 2, 2, 2, missing, resend},
		lost:        {4, 4, 3, 3, 3, missing, verify},
		odd:         {1, 1, 1, 1, 1, 1, verify},
		cut:         {3, 1, 1, 1, 1, 1, 1}, // of a write the status alone counts
		gone:        {1, 1, 1, done, 1, missing, verify},
		clash:       {1, 1, 1, 1, 1, missing, verify},
	}[f][k]
}

// classify tells how an attempt failed.
func classify(ctx context.Context, call *call, resp *http.Response, err error) failure {
	if err != nil {
		switch {
		case call.sent != nil && call.sent.Load():
			return lost
		case permanent(ctx, err):
			return final
		default:
			return notSent
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
	case (code == http.StatusNotFound || code == http.StatusGone) && call.unsettled:
		return gone
	case code == http.StatusConflict && call.unsettled:
		return clash
	case code >= 400 && code <= 499:
		return final
	default:
		return odd
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
	)
	return ctx.Err() != nil || errors.Is(err, ErrRateLimited) ||
		errors.As(err, &unknownHost) && unknownHost.IsNotFound ||
		errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &hostname)
}

func succeeded(status int) bool {
	return status == http.StatusOK || status == http.StatusCreated || status == http.StatusNoContent
}

// retrier applies a policy to the calls of a Client.
type retrier struct {
	RetryPolicy
	mu    sync.Mutex
	quota int // what is left of Quota
}

func newRetrier(p RetryPolicy) *retrier {
	p = p.orDefaults()
	return &retrier{RetryPolicy: p, quota: p.Quota}
}

// refund notes a call that succeeded.
func (r *retrier) refund() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quota = min(r.quota+1, r.Quota)
}

// afford pays for an attempt again, or reports that it cannot.
func (r *retrier) afford(f failure, err error) bool {
	cost := 5
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		cost = 10
	}
	if f == rateLimited {
		cost = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.quota < cost {
		return false
	}
	r.quota -= cost
	return true
}

// again decides after an attempt whether there is another. It is the
// CheckRetry of retryablehttp.
func (r *retrier) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if err == nil && succeeded(resp.StatusCode) {
		return false, nil
	}
	call := callFrom(ctx)
	return r.repeats(ctx, call, classify(ctx, call, resp, err), resp, err), nil
}

// repeats notes a failed attempt and reports whether to try again.
func (r *retrier) repeats(ctx context.Context, call *call, f failure, resp *http.Response, err error) bool {
	call.failed(f)
	if ctx.Err() != nil || call.attempts >= r.most(ruleFor(f, call.kind)) {
		return false
	}
	return r.bears(ctx, retryAfter(resp)) && r.afford(f, err)
}

// bears reports whether a wait that the server asks for is waited for.
func (r *retrier) bears(ctx context.Context, asked time.Duration) bool {
	deadline, bounded := ctx.Deadline()
	return asked == 0 || asked <= r.MaxRetryAfter && (!bounded || asked+r.MinWait <= time.Until(deadline))
}

// most is how many attempts a rule allows under the policy.
func (r *retrier) most(rule rule) int {
	n := int(rule)
	if n > 1 && r.MaxAttempts > defaultAttempts {
		n += r.MaxAttempts - defaultAttempts
	}
	return min(n, r.MaxAttempts)
}

// wait is the Backoff of retryablehttp. After a 429 it is twice MinWait at least:
// most limits are for a second, and a call that came back sooner would use up
// its attempts.
func (r *retrier) wait(_, _ time.Duration, n int, resp *http.Response) time.Duration {
	asked := retryAfter(resp)
	if resp != nil && resp.StatusCode == http.StatusTooManyRequests {
		asked = max(asked, min(2*r.MinWait, r.MaxWait))
	}
	return r.pause(n, asked)
}

// pause returns how long to wait after attempt n, from 0: what the server asks
// for and a little more, so that those whom it told the same do not come back
// at once; or a random part of a wait that doubles.
func (r *retrier) pause(n int, asked time.Duration) time.Duration {
	if asked > 0 {
		return asked + rand.N(r.MinWait)
	}
	ceiling := r.MaxWait
	if n < 32 && r.MinWait <= r.MaxWait>>n {
		ceiling = r.MinWait << n
	}
	return rand.N(ceiling + 1)
}

// retryAfter reads the Retry-After of an answer: seconds, or a date, against
// the answer's own Date. It is 0 for none and for one that makes no sense.
func retryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	text := resp.Header.Get("Retry-After")
	if seconds, err := parseDigits(text); err == nil {
		if seconds > int64(longestWait/time.Second) {
			return 0
		}
		return time.Duration(seconds) * time.Second
	}
	then, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	if wait := then.Sub(now); wait > 0 && wait <= longestWait {
		return wait
	}
	return 0
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// verification looks for what a create made when its answer was lost, or did
// not say the id. It is the error of one that did not find it, and then tells
// what was looked at and when.
type verification struct {
	look   look
	where  string         // the call that looks: "Users.List"
	before map[int64]bool // ids that were there before the create
	blind  bool           // what was there before is not known
	sent   []time.Time
	notes  []string
	good   int     // looks that were answered
	causes []error // what the create failed with, what stands in its place
}

// Error tells what was seen, and when.
func (v *verification) Error() string {
	parts := make([]string, 0, len(v.causes)+2)
	for _, err := range v.causes {
		parts = append(parts, err.Error())
	}
	sent := make([]string, len(v.sent))
	for i, t := range v.sent {
		sent[i] = clock(t)
	}
	parts = append(parts, "sent at "+strings.Join(sent, " and "))
	if len(v.notes) > 0 {
		parts = append(parts, "looked for with "+v.where+" at "+strings.Join(v.notes, ", at "))
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns what the create failed with, and what stands in its place.
func (v *verification) Unwrap() []error { return v.causes }

func (v *verification) blame(err error) {
	if err != nil {
		v.causes = append(v.causes, err)
	}
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000Z") }

// verdict is what the looks for a thing come to.
type verdict int

const (
	undecided verdict = iota // a look failed, or something else stands there
	absent                   // two looks were answered, and it was in none
	present
)

// lookBefore notes what has the natural key already, where several may.
func (v *verification) lookBefore(ctx context.Context, sent form) {
	candidates, err := v.look(ctx, sent)
	v.blind = err != nil
	v.before = make(map[int64]bool, len(candidates))
	for _, row := range candidates {
		if row.id == 0 {
			v.blind = true // it cannot be told from the one that is made
		} else {
			v.before[row.id] = true
		}
	}
}

// run looks after each of the waits until the thing is found, and returns its
// id, or 0 if its row has none. created is whether the server said that it is
// there: then the one row of its key is it, whatever else the row says, if no
// look shows one that is as it was sent.
func (v *verification) run(ctx context.Context, call *call, created bool, waits []time.Duration) (verdict, int64) {
	ctx = withCall(ctx, call)
	answered := false
	var rewritten *found // the one row of its key, which differs
	for _, wait := range waits {
		if err := sleep(ctx, wait); err != nil {
			v.blame(err)
			return undecided, 0
		}
		rows, err := v.look(ctx, call.form)
		now := clock(time.Now())
		if answered = err == nil; !answered {
			v.notes = append(v.notes, now+" failed ("+err.Error()+")")
			continue
		}
		v.good++
		rows = slices.DeleteFunc(rows, func(row found) bool { return v.before[row.id] })
		rewritten = nil
		equal := slices.DeleteFunc(slices.Clone(rows), func(row found) bool { return len(row.differs) > 0 })
		switch {
		case len(rows) == 0:
			v.notes = append(v.notes, now+" absent")
			continue
		case v.blind:
			v.blame(errors.New("rows match what was sent, and may have been there before"))
		case len(equal) == 1 && (len(rows) == 1 || created):
			return present, equal[0].id
		case len(rows) == 1 && created:
			rewritten = &rows[0]
			continue
		case len(rows) == 1:
			v.blame(fmt.Errorf("%w: the row with id %d has the same name and another %s than was sent", ErrConflict, rows[0].id, strings.Join(rows[0].differs, ", ")))
		default:
			ids := make([]int64, len(rows))
			for i, row := range rows {
				ids[i] = row.id
			}
			v.blame(fmt.Errorf("several rows match what was sent, with the ids %v", ids))
		}
		v.notes = append(v.notes, now+" found")
		return undecided, 0
	}
	switch {
	case rewritten != nil:
		return present, rewritten.id
	case answered && v.good >= 2:
		return absent, 0
	}
	return undecided, 0
}

// createOnce sends what creates a thing, and sends it again only when it has
// been looked for and is not there. It returns the row of the answer, if that
// can be read, and the id, or 0 if it is created and the id is not known.
func createOnce[R any](ctx context.Context, c *caller, call *call, v *verification) (*R, int64, error) {
	for resent := false; ; resent = true {
		v.sent = append(v.sent, time.Now())
		row, err := post[R](ctx, c, call)
		if err == nil && row != nil {
			return row, rows.LayoutOf[R](rowFormat).ID(row), nil
		} else if err == nil {
			return nil, 0, nil
		}
		failed, ok := errors.AsType[*Error](err)
		if !ok || !call.unsettled {
			return nil, 0, err
		}
		v.blame(failed.Err)
		failed.Err = v
		asked := time.Now().Add(failed.RetryAfter)
		waits := c.retry.VerifyWaits
		if failed.StatusCode/100 == 3 || !c.retry.bears(ctx, failed.RetryAfter) {
			waits = waits[:min(1, len(waits))] // it will not appear later, or so late that nobody waits for it
		}
		verdict, id := v.run(ctx, call, false, waits)
		rule, last := ruleFor(call.failure, insert), resent || call.attempts >= c.retry.MaxAttempts
		hold := time.Until(asked)
		if rule == verify && c.retry.ResendAfter > 0 {
			// By then the request can no longer be alive, by the caller's word.
			rule, hold = resend, max(hold, c.retry.ResendAfter)
		}
		if verdict == absent && rule == resend && !last && hold > 0 {
			verdict, id = v.run(ctx, call, false, []time.Duration{hold})
		}
		if verdict == present {
			return nil, id, nil
		}
		if verdict != absent || rule != resend || last || !c.retry.afford(call.failure, failed) {
			return nil, 0, failed
		}
	}
}

// addMissing sends ids to be added. After an attempt that may have added some
// it looks who is there, and sends the others.
func addMissing[I ID](ctx context.Context, c *caller, call *call, ids []I, params func([]I) any, members func() (map[int64]bool, error)) error {
	for {
		err := c.do(ctx, call, noRow)
		failed, ok := errors.AsType[*Error](err)
		if !ok || ruleFor(call.failure, add) != missing {
			return err
		}
		there, lookErr := members()
		looked := clock(time.Now())
		if lookErr != nil {
			// Its status is not that of the add, so it is not in the chain.
			failed.Err = and(and(failed.Err, fmt.Errorf("looking at %s who is there failed: %v", looked, lookErr)), ctx.Err())
			return failed
		}
		ids = slices.DeleteFunc(slices.Clone(ids), func(id I) bool { return there[int64(id)] })
		if len(ids) == 0 {
			return nil
		}
		if call.attempts >= c.retry.most(ruleFor(call.failure, update)) || !c.retry.bears(ctx, failed.RetryAfter) ||
			!c.retry.afford(call.failure, failed) || sleep(ctx, c.retry.pause(call.attempts-1, failed.RetryAfter)) != nil {
			failed.Err = and(and(failed.Err, fmt.Errorf("at %s %d of them were not there, the first %d", looked, len(ids), ids[0])), ctx.Err())
			return failed
		}
		call.form, _ = encode(params(ids))
	}
}
