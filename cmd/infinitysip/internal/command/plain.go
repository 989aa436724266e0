package command

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/infinitysip/infinitysip"
)

// plain writes an error for people. The texts of the client in it, which are for
// programmers, are written anew, and what to do about it follows, unless the error
// says so itself.
func (a *app) plain(err error) string {
	text := translated(err)
	if _, ok := errors.AsType[*mended](err); ok {
		return text
	}
	if mend := a.mend(err); mend != "" {
		text += "\n" + mend
	}
	return text
}

// translated is the text of an error with the texts of the client in it written anew.
func translated(err error) string {
	_, timedOut := errors.AsType[*timedOutError](err)
	return teller{timedOut}.text(err)
}

// A timedOutError is that of a command that --timeout ended.
type timedOutError struct{ err error }

func (e *timedOutError) Error() string { return e.err.Error() }
func (e *timedOutError) Unwrap() error { return e.err }

// A teller writes errors for people.
type teller struct {
	timedOut bool // by --timeout
}

func (t teller) text(err error) string {
	text := err.Error()
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *infinitysip.Error:
			text = strings.Replace(text, e.Error(), t.describe(e), 1)
			return
		case *infinitysip.ValidationError:
			text = strings.Replace(text, e.Error(), describeInvalid(e), 1)
			return
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if below := e.Unwrap(); below != nil {
				walk(below)
			}
		case interface{ Unwrap() []error }:
			for _, below := range e.Unwrap() {
				walk(below)
			}
		}
	}
	walk(err)
	for _, name := range []string{"infinitysip: ", "provision: "} { // the packages that made it
		text = strings.ReplaceAll(strings.ReplaceAll(strings.TrimPrefix(text, name), ": "+name, ": "), "\n"+name, "\n")
	}
	return text
}

// describe says what a call was to do, and what came of it.
func (t teller) describe(e *infinitysip.Error) string {
	var b strings.Builder
	b.WriteString(doing(e.Op, e.Method, e.Path))
	b.WriteString(": " + t.outcome(e))
	if e.Message != "" {
		b.WriteString("; the server says: " + strings.TrimSuffix(e.Message, "."))
	}
	if e.Err != nil {
		if cause := t.causeText(e.Err); cause != "" {
			b.WriteString("; " + cause)
		}
	}
	details := []string{e.Method + " " + e.Path}
	if e.StatusCode != 0 {
		details = append(details, strings.TrimSpace(strconv.Itoa(e.StatusCode)+" "+http.StatusText(e.StatusCode)))
	}
	if e.Attempts > 1 {
		details = append(details, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.RequestID != "" {
		details = append(details, "request id "+e.RequestID)
	}
	return b.String() + " (" + strings.Join(details, ", ") + ")"
}

// outcome is what came of a call.
func (t teller) outcome(e *infinitysip.Error) string {
	switch code := e.StatusCode; {
	case errors.Is(e, infinitysip.ErrTokenLost):
		return "the device has its user, but its token was lost"
	case e.Outcome == infinitysip.OutcomeUnknown:
		return "nobody knows whether it took effect"
	case e.Outcome == infinitysip.OutcomeApplied:
		return "it took effect, but failed after that"
	case t.stopped(e):
		return "stopped"
	case code == http.StatusUnauthorized:
		return "the server does not accept the credentials"
	case code == http.StatusForbidden:
		return "the credentials do not allow it"
	case errors.Is(e, infinitysip.ErrNotFound):
		return "it is not there"
	case code == http.StatusConflict:
		return "it conflicts with something that is there"
	case errors.Is(e, infinitysip.ErrInvalid):
		return "the server refuses it"
	case errors.Is(e, infinitysip.ErrRateLimited):
		return "there were too many requests"
	case errors.Is(e, infinitysip.ErrUnavailable):
		return "the service is not available"
	case code >= 500:
		return "the server failed"
	case code == 0 && e.Attempts > 0:
		return "there was no answer"
	case code == 0:
		return "it could not be sent"
	case code < 300:
		return "the answer cannot be used"
	}
	return "the server answered with a status that the API does not have"
}

// stopped reports whether a call ended because the command was stopped.
func (t teller) stopped(err error) bool {
	return errors.Is(err, context.Canceled) || t.timedOut && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, infinitysip.ErrRateLimited))
}

// causeText is the text of a cause, without what outcome says already.
func (t teller) causeText(err error) string {
	text := t.text(err)
	for _, said := range []error{infinitysip.ErrNotFound, infinitysip.ErrRateLimited, infinitysip.ErrConflict} {
		text = strings.TrimPrefix(text, said.Error()+": ")
	}
	switch {
	case t.timedOut && errors.Is(err, infinitysip.ErrRateLimited):
		return "the server lets nothing through before the time of --timeout is over"
	case t.timedOut && errors.Is(err, context.DeadlineExceeded):
		if ended := context.DeadlineExceeded.Error(); strings.Contains(text, ended) { // beside what happened before
			return strings.ReplaceAll(text, ended, errTimedOut.Error())
		}
		return errTimedOut.Error()
	case errors.Is(err, context.Canceled), text == infinitysip.ErrTokenLost.Error():
		return ""
	}
	return text
}

// describeInvalid says what is wrong with the values of a call.
func describeInvalid(e *infinitysip.ValidationError) string {
	lines := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		lines[i] = f.Field + ": " + f.Problem
	}
	if len(lines) == 1 {
		return lines[0] + " (nothing was sent)"
	}
	return fmt.Sprintf("nothing was sent, because of %d problems:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// doing says what a call does, such as "reading user 7 of domain 1".
func doing(op, method, path string) string {
	one, all := target(path)
	service, verb, _ := strings.Cut(op, ".")
	switch {
	case one == "", service == "Client", verb == "":
		return method + " " + path
	case verb == "AddUsers":
		return "adding users to " + within(all)
	case verb == "RemoveUsers":
		return "removing users from " + within(all)
	case verb == "AddGroups":
		return "adding groups to " + within(all)
	case verb == "AddDevice":
		return "giving a device to " + within(all)
	case verb == "RemoveDevice":
		return "taking " + one
	case verb == "SetMemberOrder":
		return "setting the order of the members of " + within(all)
	case strings.HasPrefix(verb, "Rotate"):
		return "renewing the token of " + one
	case strings.HasPrefix(verb, "Create"):
		return "making a " + one
	case strings.HasPrefix(verb, "Update"):
		return "changing " + one
	case strings.HasPrefix(verb, "Delete"):
		return "deleting " + one
	case strings.HasPrefix(verb, "Find"):
		return "looking for a " + one
	case strings.HasPrefix(verb, "Get"):
		return "reading " + one
	}
	return "listing " + all
}

func within(all string) string {
	_, outer, _ := strings.Cut(all, " of ")
	return outer
}

// target is what the path of a call names: as one thing, such as "user 7 of domain
// 1", or "user of domain 1" if the path ends before an id; and as many, "the users of
// domain 1". Both are "" for a path that is not one of the API.
func target(path string) (one, all string) {
	rest, ok := strings.CutPrefix(path, "/config/v2/sip/")
	if !ok {
		return "", ""
	}
	words := strings.Split(rest, "/")
	for i := 0; i < len(words); i += 2 {
		if words[i] == "order" {
			continue
		}
		var thing string
		switch strings.ToLower(words[i]) {
		case "domains":
			thing = "domain"
		case "users":
			thing = "user"
		case "groups":
			thing = "group"
		case "queues":
			thing = "queue"
		case "members":
			thing = "member"
		case "devices":
			thing = "device"
		case "trustednetworks", "trustednetwork":
			thing = "trusted network"
		default:
			return "", ""
		}
		outer := ""
		if one != "" {
			outer = " of " + one
		}
		all = "the " + thing + "s" + outer
		if i+1 < len(words) && words[i+1] != "order" {
			thing += " " + words[i+1]
		}
		one = thing + outer
	}
	return one, all
}

// mend says what to do about an error; "" if that is not known.
func (a *app) mend(err error) string {
	failed, _ := errors.AsType[*infinitysip.Error](err)
	if failed == nil {
		return ""
	}
	from := a.credentialsFrom
	if from == "" {
		from = "the demo"
	}
	_, all := target(failed.Path)
	switch {
	case errors.Is(err, infinitysip.ErrOutcomeUnknown):
		return "Look whether it is there before you do it again" + foundText(failed) + "."
	case errors.Is(err, infinitysip.ErrTokenLost):
		return `Get another token for it with "infinitysip devices rotate-token".`
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ""
	case errors.Is(err, infinitysip.ErrUnauthorized):
		return "The credentials are from " + from + ". Check that they are whole, of this server, and not revoked in the Hub."
	case errors.Is(err, infinitysip.ErrForbidden):
		return "The credentials are from " + from + ". The Hub says what they may do."
	case errors.Is(err, infinitysip.ErrNotFound) && all != "" && strings.Count(failed.Path, "/")%2 == 0:
		// the path names no thing: what it is in is not there, or what is put into that
		if _, all = target(failed.Path[:strings.LastIndexByte(failed.Path, '/')]); all == "" {
			return ""
		}
		what, outer, _ := strings.Cut(all, " of ")
		switch _, verb, _ := strings.Cut(failed.Op, "."); verb {
		case "AddUsers", "RemoveUsers":
			all = what + " and the users of " + outer
		case "AddGroups", "CreateMember":
			all = what + " and the groups of " + outer
		case "AddDevice":
			all = what + " and the devices of " + outer
		}
		return "List " + all + " to see what is there."
	case errors.Is(err, infinitysip.ErrNotFound) && all != "":
		return "List " + all + " to see what is there."
	case errors.Is(err, infinitysip.ErrConflict):
		return "A name, an extension or an address that is in use already is the usual reason." + foundText(failed)
	case errors.Is(err, infinitysip.ErrRateLimited):
		return "Run the command again " + later(failed.RetryAfter) + "."
	case errors.Is(err, infinitysip.ErrUnavailable):
		return "The service may be down or under maintenance. Run the command again " + later(failed.RetryAfter) + "."
	}
	return networkMend(err, a.server)
}

func later(after time.Duration) string {
	if after > 0 {
		return "in " + after.String()
	}
	return "later"
}

// foundText names the things that a call found.
func foundText(e *infinitysip.Error) string {
	if len(e.Found) == 0 {
		return ""
	}
	return fmt.Sprintf(" (these ids may be it: %s)", strings.Trim(fmt.Sprint(e.Found), "[]"))
}

// networkMend says what to do if the server could not be reached.
func networkMend(err error, server string) string {
	where := "The server is " + server + "."
	switch {
	case errors.As(err, new(*net.DNSError)):
		return "Is there a connection to the network, and is the name of the server right? " + where
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return "The server could not prove who it is. A proxy may be between, whose authority this computer has to know (SSL_CERT_FILE names a file of them). " + where
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Nothing listens there. " + where
	}
	return ""
}
