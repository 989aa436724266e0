package infinitysip

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/pages"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

// What the error of a call matches with errors.Is. An *Error or *ValidationError
// in its chain has the details.
var (
	// ErrInvalid: this package refused the parameters and sent nothing
	// (*ValidationError), or the server refused them (400, 422).
	ErrInvalid = errors.New("invalid")
	// ErrUnauthorized: the server does not accept the credentials (401).
	ErrUnauthorized = errors.New("unauthorized")
	// ErrForbidden: the credentials do not allow this (403).
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound: the thing does not exist (404), or no longer (410), or a Find saw a
	// whole list without it.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the call conflicts with what exists (409), such as an extension
	// number in use.
	ErrConflict = errors.New("conflict")
	// ErrRateLimited: there were too many calls, for the server or for the Client's
	// own limit (see WithRateLimit and WithLimiter), and no turn came in time.
	ErrRateLimited = errors.New("rate limited")
	// ErrUnavailable: the service is down or under maintenance (502, 503, 504).
	ErrUnavailable = errors.New("unavailable")
	// ErrOutcomeUnknown: a call that changes something was sent, at least in part,
	// and the client does not know whether it took effect. Look before you send it
	// again.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrTokenLost: a device is associated with a user, but the token that the
	// server gave for it was lost. Users.RotateDeviceToken gets another token, and
	// ends the one that the device may have had before.
	ErrTokenLost = errors.New("the device is associated, but its token was lost")
	// ErrPaginationStuck: the server gives the same page again and again, so the
	// client cannot reach the rows after it.
	ErrPaginationStuck = errors.New("pagination stuck: the server repeats a page")
)

// Outcome tells whether a call that failed changed anything.
type Outcome int

// The outcomes. The error of a call has one of the last three. A call that only
// reads has OutcomeNotApplied.
const (
	OutcomeUnset      Outcome = iota // the zero value: says nothing
	OutcomeUnknown                   // it may have been applied, wholly or in part
	OutcomeNotApplied                // nothing was changed
	OutcomeApplied                   // it was applied, though the call failed after that
)

// String returns "unset", "unknown", "not applied" or "applied".
func (o Outcome) String() string {
	switch o {
	case OutcomeUnset:
		return "unset"
	case OutcomeUnknown:
		return "unknown"
	case OutcomeNotApplied:
		return "not applied"
	case OutcomeApplied:
		return "applied"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// Error is the error of a call that passed this package's checks and failed then.
// It holds no password, PIN, token or credential. A text of the server is shown as it
// is, unless it has a piece of a secret that the call sent, in the spellings that
// docs/reliability.md lists, or a value with the name of a secret. Then "[the server's
// text held a secret: 212 bytes]" stands for the whole text. This package writes nothing
// of a form or a query into an Error.
type Error struct {
	Op     string // "Users.Create"
	Method string // "POST"
	Path   string // "/config/v2/sip/domains/1/users"

	StatusCode int           // of the last answer; 0 if the last request had none
	Message    string        // what the server said, at most 512 bytes of printable text
	Body       []byte        // what it sent, at most Limits.ErrorBytes; of a success only if it was not what the API promises
	RequestID  string        // its X-Request-Id, if it gave one
	RetryAfter time.Duration // its Retry-After, if it gave one
	Attempts   int           // the attempts made, also those that got no connection; looks do not count
	Outcome    Outcome       // whether it changed anything
	Found      []int64       // ids of rows: that looks found for a create of which the client does not know which it made; or that a Find found, if there are several
	Err        error         // the cause, if it is more than the status

	page   bool // the body is a page of HTML: a proxy's, not the API's
	ofList bool // a list failed in which a Find looked: its 404 does not say that there is no such row
}

// Error says what was done, to what, and what came of it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("infinitysip")
	if e.Op != "" {
		b.WriteString(": " + e.Op)
	}
	if e.Method != "" {
		b.WriteString(": " + e.Method + " " + e.Path)
	}
	if e.StatusCode != 0 {
		fmt.Fprintf(&b, ": %d", e.StatusCode)
		if text := http.StatusText(e.StatusCode); text != "" {
			b.WriteString(" " + text)
		}
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (after %d attempts)", e.Attempts)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (try again in %s)", e.RetryAfter)
	}
	if e.Outcome == OutcomeUnknown {
		b.WriteString(" (it may have taken effect: look before you send it again)")
	}
	return b.String()
}

// attrs are the error for a log record.
func (e *Error) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("op", e.Op), slog.String("method", e.Method), slog.String("path", e.Path), slog.Int("attempts", e.Attempts)}
	if e.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status", e.StatusCode))
	}
	if e.RequestID != "" {
		attrs = append(attrs, slog.String("request_id", e.RequestID))
	}
	return append(attrs, slog.String("outcome", e.Outcome.String()), slog.String("error", e.Error()))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is work with this package's sentinels.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrInvalid:
		return e.StatusCode == http.StatusBadRequest || e.StatusCode == http.StatusUnprocessableEntity
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized
	case ErrForbidden:
		return e.StatusCode == http.StatusForbidden
	case ErrNotFound:
		return (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusGone) && !e.ofList
	case ErrConflict:
		return e.StatusCode == http.StatusConflict
	case ErrRateLimited:
		return e.StatusCode == http.StatusTooManyRequests
	case ErrUnavailable:
		return e.StatusCode == http.StatusBadGateway || e.StatusCode == http.StatusServiceUnavailable || e.StatusCode == http.StatusGatewayTimeout
	case ErrOutcomeUnknown:
		return e.Outcome == OutcomeUnknown
	}
	return false
}

// ValidationError lists every problem of bad input. Nothing was sent. It matches
// ErrInvalid.
type ValidationError struct {
	Op     string // "Users.Create"
	Fields []FieldError
}

// FieldError is one problem of the input.
type FieldError struct {
	Field   string `json:"field"` // the parameter as the API spells it: "extensionNumber"
	Problem string `json:"problem"`
}

// problems collects what is wrong with an input.
type problems []FieldError

func (p *problems) report(field, problem string) {
	if problem != "" {
		*p = append(*p, FieldError{field, problem})
	}
}

// Error lists the problems.
func (e *ValidationError) Error() string {
	texts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		texts[i] = f.Field + ": " + f.Problem
	}
	return "infinitysip: " + e.Op + ": invalid, nothing was sent: " + strings.Join(texts, "; ")
}

// Is reports whether target is ErrInvalid.
func (e *ValidationError) Is(target error) bool { return target == ErrInvalid }

// translate gives the errors of internal packages the names that callers know.
func translate(err error) error {
	switch {
	case errors.Is(err, ratelimit.ErrNoTurn), errors.Is(err, ratelimit.ErrRefused), errors.Is(err, attempt.ErrLimiter):
		return fmt.Errorf("%w: %w", ErrRateLimited, err)
	case errors.Is(err, pages.ErrStuck):
		return ErrPaginationStuck
	}
	return err
}

// join puts two errors on one line. Either may be nil.
func join(err, more error) error {
	switch {
	case err == nil:
		return more
	case more == nil:
		return err
	}
	return fmt.Errorf("%w; %w", err, more)
}

// quote shows bad input, at most 64 bytes of it.
func quote(text string) string {
	if len(text) > 64 {
		return strconv.Quote(strings.ToValidUTF8(text[:64], "")) + "…"
	}
	return strconv.Quote(text)
}
