package siptest

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options choose how the server behaves. The zero value is the usual choice. The
// default of a choice, such as CreateBody, is the first constant of its type.
type Options struct {
	// Addr is where the socket listens, such as "127.0.0.1:8080" or ":8080".
	// Empty means any free port of the loopback interface. In process it is not
	// used.
	Addr string

	// The server accepts APIKey, and Username with Password. The defaults are
	// "siptest-api-key", "siptest" and "siptest-password".
	APIKey, Username, Password string

	// BareNumbers writes ids, numbers and flags as JSON numbers. By default
	// every value is a string.
	BareNumbers bool

	// EchoSecrets shows the password and the PIN in a user's row.
	EchoSecrets bool

	// CreateBody is the answer to a create if the API does not document one.
	CreateBody CreateBody

	// UndocumentedQuery decides about filter, sort, limit and offset on lists
	// for which the API does not document them.
	UndocumentedQuery UndocumentedQuery

	// IgnorePaging makes every list ignore limit and offset.
	IgnorePaging bool

	// IgnoreFilters makes every list ignore filter and sort.
	IgnoreFilters bool

	// AllowDuplicates lifts all rules of uniqueness. A device still has at
	// most one user.
	AllowDuplicates bool

	// DuplicateStatus is the status that answers a breach of uniqueness, from
	// 400 to 599; 0 means 409. A second association of a device is always a 409.
	DuplicateStatus int

	// GroupUpdates decides about a group's update that does not send all of
	// its parameters. The API's page does not call any of them optional.
	GroupUpdates GroupUpdates

	// Paths decides how exact a path must be.
	Paths Paths

	// MaxRows is the largest number of rows in one list; 0 means 10,000. The
	// server filters, sorts and pages first, and then drops the rest without
	// a word.
	MaxRows int

	// ListLag makes every list show the rows as they were that long ago, by
	// the server's clock. A row that was made since then is missing. A row
	// that was deleted since then is still there, as it was. Reads of one row
	// do not lag, and the path of a list is checked against the rows of now.
	// Rows of AddUser and the like are in lists at once.
	ListLag time.Duration

	// RewriteKey returns what the server stores instead of a key that was
	// sent. The columns are user, groupName, queueName, network and
	// deviceMacAddress. The value has passed the server's checks; what
	// RewriteKey returns is stored as it is. Uniqueness is checked on what is
	// stored. RewriteKey must not use the server. nil means Rewrites.
	RewriteKey func(column, value string) string

	// Rewrites are rewritings of keys by their names, for the same columns. A
	// column without one is stored as it was sent. RewriteMask is for
	// network alone, RewriteBare and RewriteHyphens for deviceMacAddress. If
	// RewriteKey is set, Rewrites has no effect.
	Rewrites Rewrites

	// Limit is how many requests the server accepts; nil means all. SetLimit
	// changes it later.
	Limit *Limit

	// MaxInputVars is PHP's setting of that name; 0 means 1,000. If a POST
	// form has more variables, PHP keeps one more than that number. If a PUT
	// or DELETE form has more, PHP keeps none. It reports neither.
	MaxInputVars int

	// ErrorBody is the format of an error's body.
	ErrorBody ErrorBody

	// Framing marks the end of a body in HTTP/1.1.
	Framing Framing

	// HTTP2 serves HTTP/2, over TLS, on the socket. A client without HTTP/2
	// gets HTTP/1.1.
	HTTP2 bool

	// TLS serves TLS on the socket, with these settings. Set MaxVersion, for
	// example, or Certificates to replace the server's own. nil means plain
	// HTTP, unless HTTP2 is set.
	TLS *tls.Config

	// KeepRequests is how many requests a connection of the socket serves; 0
	// means any number. The server closes it right after the last answer,
	// and does not tell the client before. It is for HTTP/1.1.
	KeepRequests int

	// CloseLate makes KeepRequests close a connection only when the next
	// request arrives, without reading it, as if the two had crossed on the
	// way. So the last request of every connection fails, and Server.Requests
	// does not have it. Without CloseLate the timing decides how many fail.
	CloseLate bool

	// IdleTimeout is how long a connection of the socket stays open without
	// a request; 0 means for ever. Then the server closes it. Over HTTP/2 it
	// sends a GOAWAY first. This is real time.
	IdleTimeout time.Duration

	// Latency is the time that every accepted request waits before it is
	// applied; 0 means none. If its context ends before that, it is not applied.
	Latency time.Duration

	// Now is the server's clock; nil means time.Now.
	Now func() time.Time

	// Zone is the time zone of the datetimes in rows; nil means UTC.
	Zone *time.Location

	// Observe is called once for each request of Requests, when its answer is
	// about to be sent or when it has failed. It may use the server, except for
	// Wait and Close. Several calls may run at a time.
	Observe func(Request)
}

// Validate reports everything in the options that makes no sense, such as a
// negative number. It names an option as JSON does: "maxRows is negative".
// NewServer and Copy panic with such options.
func (o Options) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.MaxRows >= 0, "maxRows is negative")
	check(o.ListLag >= 0, "listLag is negative")
	check(o.MaxInputVars >= 0, "maxInputVars is negative")
	check(o.KeepRequests >= 0, "keepRequests is negative")
	check(o.IdleTimeout >= 0, "idleTimeout is negative")
	check(o.Latency >= 0, "latency is negative")
	check(o.DuplicateStatus == 0 || isErrorStatus(o.DuplicateStatus), "duplicateStatus is %d: use one from 400 to 599", o.DuplicateStatus)
	for _, column := range slices.Sorted(maps.Keys(o.Rewrites)) {
		check(slices.Contains(rewritable, column), "%q is not the column of a key: use one of %v", column, rewritable)
		rewrite := o.Rewrites[column]
		only, known := rewrites[rewrite]
		check(known, "%q is not a rewrite: use one of %v", rewrite, slices.Sorted(maps.Keys(rewrites)))
		check(only == "" || only == column, "the rewrite %s is for %s, not for %s", rewrite, only, column)
	}
	return errors.Join(append(problems, o.Limit.problems()...)...)
}

func isErrorStatus(status int) bool { return 400 <= status && status <= 599 }

// withDefaults sets the fields that are zero.
func (o Options) withDefaults() Options {
	o.APIKey = cmp.Or(o.APIKey, "siptest-api-key")
	o.Username = cmp.Or(o.Username, "siptest")
	o.Password = cmp.Or(o.Password, "siptest-password")
	o.MaxRows = cmp.Or(o.MaxRows, 10_000)
	o.MaxInputVars = cmp.Or(o.MaxInputVars, 1000)
	o.DuplicateStatus = cmp.Or(o.DuplicateStatus, http.StatusConflict)
	o.Zone = cmp.Or(o.Zone, time.UTC)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// CreateBody is the body of the answer when a user, a group, a queue, a queue
// member or a trusted network is created. The API documents the answers for
// devices, so they are always the same.
type CreateBody int

// The kinds of create bodies.
const (
	CreateBodyID   CreateBody = iota // the new id alone: {"userId":"3"}
	CreateBodyRow                    // the whole row
	CreateBodyNone                   // nothing
)

// UndocumentedQuery decides about filter, sort, limit and offset where the API
// does not document them.
type UndocumentedQuery int

// The ways to treat an undocumented query.
const (
	UndocumentedQueryIgnored  UndocumentedQuery = iota // as if it were not sent
	UndocumentedQueryHonoured                          // as on the other lists
	UndocumentedQueryRejected                          // 400
)

// GroupUpdates decides about the update of a group that leaves out some of the
// parameters.
type GroupUpdates int

// The ways to treat such an update.
const (
	GroupUpdatesReject GroupUpdates = iota // 400
	GroupUpdatesKeep                       // what is not sent stays
	GroupUpdatesClear                      // what is not sent becomes empty, or 0
)

// Paths decides how exact a path must be.
type Paths int

// The kinds of paths.
const (
	PathsExact   Paths = iota // as on the API's page, to the letter
	PathsAnyCase              // in any case; trustedNetwork and trustedNetworks are the same
)

// Rewrites are rewritings by the name of the column, such as user.
type Rewrites map[string]Rewrite

// A Rewrite is what the server does to a key before it stores it.
type Rewrite string

// The rewritings.
const (
	RewriteLower   Rewrite = "lower"   // small letters
	RewriteUpper   Rewrite = "upper"   // capital letters
	RewriteTrim    Rewrite = "trim"    // no space at either end
	RewriteMask    Rewrite = "mask"    // a network without host bits
	RewriteBare    Rewrite = "bare"    // a MAC address without separators
	RewriteHyphens Rewrite = "hyphens" // a MAC address with hyphens
)

// rewrites are all rewritings, each with the one column that it is for. An empty
// column means all of them.
var rewrites = map[Rewrite]string{
	RewriteLower: "", RewriteUpper: "", RewriteTrim: "",
	RewriteMask: "network", RewriteBare: "deviceMacAddress", RewriteHyphens: "deviceMacAddress",
}

// rewriteKey returns what the server stores of a value.
func (o Options) rewriteKey(column, value string) string {
	if o.RewriteKey != nil {
		return o.RewriteKey(column, value)
	}
	switch o.Rewrites[column] {
	case RewriteLower:
		return strings.ToLower(value)
	case RewriteUpper:
		return strings.ToUpper(value)
	case RewriteTrim:
		return strings.TrimSpace(value)
	case RewriteMask:
		if prefix, err := netip.ParsePrefix(value); err == nil {
			return prefix.Masked().String()
		}
	case RewriteBare:
		return macSeparators.Replace(value)
	case RewriteHyphens:
		return strings.ReplaceAll(value, ":", "-") // a kindMAC has colons
	}
	return value
}

// ErrorBody is the format of an error's body.
type ErrorBody int

// The formats of error bodies.
const (
	ErrorBodyText       ErrorBody = iota // plain text
	ErrorBodyJSONString                  // "…"
	ErrorBodyJSONObject                  // {"message":"…"}
	ErrorBodyHTML                        // a page like that of a proxy
)

// Framing marks the end of a body.
type Framing int

// The framings of HTTP/1.1.
const (
	FramingChunked Framing = iota // Transfer-Encoding: chunked
	FramingLength                 // Content-Length
	FramingClose                  // the connection closes
)

func (framing Framing) name() string {
	switch framing {
	case FramingChunked:
		return "FramingChunked"
	case FramingLength:
		return "FramingLength"
	case FramingClose:
		return "FramingClose"
	}
	return strconv.Itoa(int(framing))
}
