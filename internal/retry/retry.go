// Package retry decides what becomes of a call whose attempt failed: whether it
// is sent again, how often, after which wait, and what that costs of the quota. It
// makes no call itself.
package retry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
)

// Kind is what a call does, for the rules of retries.
type Kind int

// The kinds of calls.
const (
	Read   Kind = iota // changes nothing
	Stream             // a read whose rows are handed on as they arrive
	Update             // sets what a second time sets again
	Delete             // deletes
	Remove             // removes members
	Add                // adds members
	Create             // a second time creates a second one
	Append             // a create of what nothing identifies: a second one looks the same
	Post               // nobody knows what it does, so nobody can look
	kinds              // how many there are
)

// Writes reports whether a call of this kind may change something.
func (k Kind) Writes() bool { return k != Read && k != Stream }

// Failure is how an attempt failed, for the rules of retries.
type Failure int

// The failures.
const (
	Final       Failure = iota // the answer would be the same again
	NotSent                    // no connection could be made, so the server saw nothing
	Refused                    // 429: there are too many requests
	Throttled                  // 503 for the same reason: others are accepted
	Unavailable                // any other 503
	Declined                   // HTTP/2: the server says that it did not take the request
	Broken                     // 500
	Lost                       // sent, and no answer of the API: 502, 504, 408, other 5xx, a dropped connection, silence
	Stale                      // lost on a connection that the server had closed while it was idle
	Unexpected                 // a redirect, a status that the API does not have, or an answer that does not fit
	Cut                        // the answer of a read ended before it was complete
	Gone                       // 404 or 410, where an attempt before this one may have been applied
	Clash                      // 409, where an attempt before this one may have been applied
)

// MayHaveApplied reports whether a write that failed so may have taken effect.
func (f Failure) MayHaveApplied() bool {
	return f >= Throttled && f <= Unexpected
}

// Free reports whether a further attempt costs no quota: a server that says when to
// come back, or closes what is idle, is not down.
func (f Failure) Free() bool { return f == Refused || f == Throttled || f == Stale }

// Rule tells what becomes of a call whose last attempt failed. A positive Rule is
// the most attempts in all. The others are the constants below.
type Rule int

// The rules that are no counts.
const (
	Done        Rule = -iota - 1 // the wanted state holds: success
	SendMissing                  // list the members, and send those that are missing, as often as an update
	Verify                       // look for it; if it is absent the outcome is unknown
	Resend                       // look for it; if it is absent, send it once more
	NextTurn                     // wait for another turn, which uses up no attempt
	LookAndTurn                  // look for it; if it is absent, wait for another turn
	Stop                         // the outcome is unknown, whatever the attempts that are left
)

// RuleFor is the whole of what is tried again.
func RuleFor(f Failure, k Kind) Rule {
	return [...][kinds]Rule{
		//         Read Stream Update Delete Remove Add Create Append Post
		Final:       {1, 1, 1, 1, 1, 1, 1, 1, 1},
		NotSent:     {4, 4, 4, 4, 4, 4, 4, 4, 4},
		Refused:     {NextTurn, NextTurn, NextTurn, NextTurn, NextTurn, NextTurn, NextTurn, NextTurn, NextTurn},
		Throttled:   {NextTurn, NextTurn, NextTurn, NextTurn, NextTurn, SendMissing, LookAndTurn, Verify, Stop},
		Unavailable: {4, 4, 3, 3, 3, SendMissing, Resend, Verify, Stop},
		Declined:    {4, 4, 3, 3, 3, SendMissing, Resend, Verify, Stop},
		Broken:      {3, 3, 2, 2, 2, SendMissing, Verify, Verify, Stop},
		Lost:        {4, 4, 3, 3, 3, SendMissing, Verify, Verify, Stop},
		Stale:       {4, 4, 3, 3, 3, SendMissing, Verify, Verify, Stop},
		Unexpected:  {1, 1, 1, 1, 1, SendMissing, Verify, Verify, Stop},
		Cut:         {3, 1, 1, 1, 1, 1, 1, 1, 1}, // of a write the status alone counts
		Gone:        {1, 1, 1, Done, 1, SendMissing, Verify, Verify, Stop},
		Clash:       {1, 1, 1, 1, 1, SendMissing, Verify, Verify, Stop},
	}[f][k]
}

// OfError tells how an attempt without an answer failed. sent is whether it may
// have reached the server, stale whether its connection had been closed before.
func OfError(ctx context.Context, err error, sent, stale bool) Failure {
	switch {
	case sent && stale:
		return Stale
	case sent && declined(err):
		return Declined
	case sent:
		return Lost
	case permanent(ctx, err):
		return Final
	}
	return NotSent
}

// declined reports whether an HTTP/2 server did not take a request: it said so by
// the code of the reset, or by a GOAWAY whose last stream is before it, or the
// connection was lost before anything was written. net/http tells so in the text of
// its error alone.
func declined(err error) bool {
	text := err.Error()
	if strings.Contains(text, "malformed") || strings.Contains(text, "debug=") {
		return false // the text is the server's
	}
	return strings.Contains(text, "; REFUSED_STREAM; received from peer") || strings.Contains(text, "Server's graceful shutdown GOAWAY") ||
		strings.Contains(text, "cannot rewind body after connection loss")
}

// OfStatus tells how an attempt failed that was answered with a status other
// than a success. refused is whether the answer says that there are too many
// requests, unsettled whether an attempt before it may have been applied.
func OfStatus(status int, refused, unsettled bool) Failure {
	switch {
	case status == http.StatusTooManyRequests:
		return Refused
	case refused:
		return Throttled
	case status == http.StatusServiceUnavailable:
		return Unavailable
	case status == http.StatusInternalServerError:
		return Broken
	case status == http.StatusNotImplemented:
		return Final
	case status == http.StatusRequestTimeout, status >= 500 && status <= 599:
		return Lost
	case (status == http.StatusNotFound || status == http.StatusGone) && unsettled:
		return Gone
	case status == http.StatusConflict && unsettled:
		return Clash
	case status >= 400 && status <= 499:
		return Final
	}
	return Unexpected
}

// permanent reports whether a connection that could not be made will not be
// made the next time either.
func permanent(ctx context.Context, err error) bool {
	var (
		unknownHost *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
	)
	return ctx.Err() != nil ||
		errors.As(err, &unknownHost) && unknownHost.IsNotFound ||
		errors.As(err, &certificate) || errors.As(err, &authority) || errors.As(err, &hostname)
}
