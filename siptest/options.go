package siptest

import (
	"cmp"
	"crypto/tls"
	"strconv"
	"time"
)

// Options say what kind of server it is. The zero value is the usual one:
// where nothing is known of the real server, each option takes one side.
type Options struct {
	// APIKey, and Username with Password, are the credentials that the
	// server takes, either of them. Empty: "siptest-api-key", "siptest" and
	// "siptest-password".
	APIKey, Username, Password string

	// BareNumbers writes ids, numbers and flags as JSON numbers. The usual
	// server writes every value as a string.
	BareNumbers bool

	// EchoSecrets shows the password and the PIN in a user's row.
	EchoSecrets bool

	// CreateBody is the answer to a create whose answer is not documented.
	CreateBody CreateBody

	// UndocumentedQuery is what becomes of filter, sort, limit and offset
	// on lists whose documentation does not have them.
	UndocumentedQuery UndocumentedQuery

	// IgnorePaging makes every list ignore limit and offset.
	IgnorePaging bool

	// AllowDuplicates lifts all rules of uniqueness.
	AllowDuplicates bool

	// MaxRows is the most that one list answers; 0 means 10,000.
	MaxRows int

	// MaxInputVars is PHP's setting of that name; 0 means 1,000. Of a POST
	// form with more variables PHP keeps the first, one more than that; of
	// a PUT or DELETE form it keeps none. It says nothing either way.
	MaxInputVars int

	// ErrorBody is the form of an error's body.
	ErrorBody ErrorBody

	// Framing is how the end of a body is marked in HTTP/1.1.
	Framing Framing

	// HTTP2 serves HTTP/2, over TLS, on the socket. A client that knows no
	// HTTP/2 is served HTTP/1.1.
	HTTP2 bool

	// TLS serves TLS on the socket, with these settings: a MaxVersion, or
	// Certificates in place of the server's own. nil means plain HTTP,
	// unless HTTP2 is set.
	TLS *tls.Config

	// Latency is how long every request waits before it is looked at. A
	// request whose context ends meanwhile is not applied.
	Latency time.Duration

	// Now is the server's clock; nil means time.Now.
	Now func() time.Time
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	o.APIKey = cmp.Or(o.APIKey, "siptest-api-key")
	o.Username = cmp.Or(o.Username, "siptest")
	o.Password = cmp.Or(o.Password, "siptest-password")
	o.MaxRows = cmp.Or(o.MaxRows, 10_000)
	o.MaxInputVars = cmp.Or(o.MaxInputVars, 1000)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// CreateBody is what the server answers to the create of a user, a group, a
// queue, a queue member or a trusted network. A device's answers are
// documented and always the same.
type CreateBody int

// The kinds of create bodies.
const (
	CreateBodyID   CreateBody = iota // the new id alone: {"userId":"3"}
	CreateBodyRow                    // the whole row
	CreateBodyNone                   // nothing
)

// UndocumentedQuery is what the server does with filter, sort, limit and
// offset where they are not documented.
type UndocumentedQuery int

// The ways with an undocumented query.
const (
	IgnoreQuery UndocumentedQuery = iota // as if they were not there
	HonourQuery                          // as on the other lists
	RejectQuery                          // 400
)

// ErrorBody is the form of an error's body.
type ErrorBody int

// The forms of error bodies.
const (
	ErrorText       ErrorBody = iota // plain text
	ErrorJSONString                  // "…"
	ErrorJSONObject                  // {"message":"…"}
	ErrorHTML                        // a page, as a proxy writes it
)

// Framing is how the end of a body is marked.
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
