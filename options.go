package infinitysip

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/form"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
	"github.com/infinitysip/infinitysip/internal/redact"
	"github.com/infinitysip/infinitysip/internal/retry"
	"github.com/infinitysip/infinitysip/internal/transcript"
	"github.com/infinitysip/infinitysip/internal/wire"
)

// Pages that an All asks for ahead of its loop: by default, and at most.
const readAhead, maxReadAhead = 4, 100

// Option changes how a Client works.
type Option func(*settings)

type settings struct {
	baseURL      string
	insecureHTTP bool
	transport    http.RoundTripper
	product      string
	agent        string // the package's own part of the User-Agent
	logger       *slog.Logger
	debug        *transcript.Log
	policy       RetryPolicy
	limits       Limits
	limiter      Limiter
	turns        ratelimit.Options
	ahead        int // pages, see WithReadAhead
	observer     Observer
	connections  // none before there is a Client
	problems
}

// WithBaseURL sends the calls to another server than
// https://api.infinitycloud.com, such as a gateway or a test server. The URL must
// be https unless the host is loopback: see WithInsecureHTTP. Its path is what comes
// before /config/v2/sip, which this package adds: a path that has it is refused.
func WithBaseURL(rawURL string) Option {
	return func(s *settings) { s.baseURL = rawURL }
}

// WithTransport sends the calls through rt, such as one with a proxy, tracing, a
// recorder or a mock, or NewTransport with changes.
//
// The Client learns from net/http/httptrace whether a request was sent. A transport
// that has another way beside one that traces, such as HTTP/3 with a fallback, can
// make a create look unsent that was sent. If a transport sends requests of its own to
// the host of the base URL with the context of a call, the Client takes them for repeats
// of the call, and ends it.
func WithTransport(rt http.RoundTripper) Option {
	return func(s *settings) { s.setTransport("WithTransport", rt) }
}

// NewTransport returns a transport such as a Client has of its own, to change and
// give to WithTransport. It is tuned for many goroutines that call one host: at most 256
// connections of HTTP/1.1, each closed when it is idle for 30 s.
func NewTransport() *http.Transport { return attempt.NewTransport() }

// WithHTTPClient sends the calls through the Transport of hc: see WithTransport. The
// Client uses nothing else of hc, so it refuses one with a Timeout, a Jar or a
// CheckRedirect. Without a Transport, hc has http.DefaultTransport.
func WithHTTPClient(hc *http.Client) Option {
	return func(s *settings) {
		if hc == nil {
			s.report("WithHTTPClient", "nil")
			return
		}
		for _, problem := range attempt.CheckClient(hc) {
			s.report("WithHTTPClient", problem)
		}
		s.setTransport("WithHTTPClient", cmp.Or(hc.Transport, http.DefaultTransport))
	}
}

func (s *settings) setTransport(option string, rt http.RoundTripper) {
	if s.transport = rt; attempt.IsNil(rt) {
		s.report(option, "nil")
	}
	if s.http != nil {
		s.report(option, "the connections are those of the Client that it is made from")
	}
}

// WithUserAgent puts a product, such as "acme-provisioner/1.2", before the name
// of this package in the User-Agent header.
func WithUserAgent(product string) Option {
	return func(s *settings) {
		if product == "" || strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r > '~' }) {
			s.report("WithUserAgent", "empty, or not printable ASCII")
		}
		s.product = product
	}
}

// WithLogger logs each attempt of a call at debug level: its op, method and path,
// which attempt it is, how long it took, its status or its error, and the request
// id of the answer. It warns
//
//   - once of a call that fails, with its outcome, unless its input was refused, or
//     its context cancelled and nothing changed. It does not warn of an attempt that
//     is made again, of a look, or of a create that a look finds done.
//   - once of a call that has waited 10 s for a turn, or to be sent again.
//
// No record holds a secret, a form or a query value. Panics of a handler are dropped.
// By default, and with nil, there are no records.
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) { s.logger = l }
}

// WithDebugLog writes every request and every answer to w, for development. Personal
// data is in what it writes, such as names and numbers. Secrets are not:
//
//   - The values of headers, parameters and members whose names say that they are
//     secret are replaced by "[redacted]".
//   - Any other text that holds a secret of the call or a credential is replaced
//     whole: a value, a row, or what is between two rows.
//
// A record is one call of w.Write. It names the call and the attempt. A request and
// its answer have the same number. The record of an answer is written when its body
// was read, and has what was read of it. At most 16 KiB of a body is written. Errors
// and panics of w are dropped. All calls wait while w writes, so it must be fast. It must
// not make calls of the Client.
//
// Clients that share w must share the Option, so that one writes at a time.
func WithDebugLog(w io.Writer) Option {
	log := transcript.New(w)
	return func(s *settings) {
		if s.debug = log; attempt.IsNil(w) {
			s.report("WithDebugLog", "nil")
		}
	}
}

// WithObserver has o hear of every call and of every attempt, for traces and metrics.
// Package infinitysipotel, of the module github.com/infinitysip/infinitysip/otel, has
// one for OpenTelemetry.
func WithObserver(o Observer) Option {
	return func(s *settings) { s.observer = o }
}

// WithRetryPolicy changes how often and how soon calls are tried again.
func WithRetryPolicy(p RetryPolicy) Option {
	return func(s *settings) {
		s.report("WithRetryPolicy", p.problem())
		s.policy = p
	}
}

// WithLimits replaces the Limits of the Client. A zero field means its default.
func WithLimits(l Limits) Option {
	return func(s *settings) {
		s.report("WithLimits", l.problem())
		s.limits = l
	}
}

// WithRateLimit bounds the requests of all calls together to perSecond, after a
// first burst. A burst of 1 suits most servers. Without this option the Client
// learns a limit when the server refuses requests: see the package documentation.
func WithRateLimit(perSecond float64, burst int) Option {
	return func(s *settings) {
		if !(perSecond > 0) || burst < 1 {
			s.report("WithRateLimit", "both values must be positive")
			return
		}
		s.turns.PerSecond, s.turns.Burst = perSecond, burst
	}
}

// Limiter says when a request may be sent. A *rate.Limiter of golang.org/x/time/rate is
// one, or write one that several processes share. Wait returns nil when the request may be
// sent, or an error if it may not. It must return when the context ends. Many goroutines
// call it.
//
// If a Limiter also has the method Refused(after time.Duration), the Client calls it when
// the server refuses a request as too many. after is the server's Retry-After, or 0.
type Limiter interface{ Wait(context.Context) error }

// WithLimiter has each request wait for l: every attempt of a call, and every look for
// what a create made. An attempt first waits for the pause of a retry, then for l, then for
// the Client's own turn. If Wait fails while the context of the call is alive, the call
// fails at once. Its error matches ErrRateLimited and the error of Wait. By default there
// is no Limiter.
func WithLimiter(l Limiter) Option {
	return func(s *settings) {
		if s.limiter = l; attempt.IsNil(l) {
			s.report("WithLimiter", "nil")
		}
	}
}

// WithReadAhead sets how many pages an All asks for ahead of its loop, where the
// API documents limit and offset: 0 to 100; default 4. With 0 it asks for a page
// when the loop has read the rows before it. It asks for no page ahead until a
// full page shows that there is more.
func WithReadAhead(pages int) Option {
	return func(s *settings) {
		if pages < 0 || pages > maxReadAhead {
			s.report("WithReadAhead", fmt.Sprintf("must be 0 to %d", maxReadAhead))
			return
		}
		s.ahead = pages
	}
}

// WithInsecureHTTP allows a base URL of plain http to a host that is not
// loopback. Anybody on the way can then read credentials and passwords.
func WithInsecureHTTP() Option {
	return func(s *settings) { s.insecureHTTP = true }
}

// RetryPolicy sets how often and how soon calls are tried again. A zero field
// means its default. Which failures are tried again is fixed: see the package
// documentation.
type RetryPolicy struct {
	// MaxAttempts is the most attempts of one call, the first included; default 4.
	// More than 4 raises every count above 1 in the table of the package
	// documentation by as much. With 1 nothing is sent again, except after a refusal
	// as too many requests, and a read whose idle connection the server had closed.
	MaxAttempts int

	BaseWait time.Duration // upper limit of the first wait, doubled each time; default 0.5 s
	MaxWait  time.Duration // the most that this limit grows to; default 10 s

	// MaxThrottleWait is how long a call that the server refuses as too many
	// requests (a 429, or a 503 where others are accepted) waits for another turn;
	// default 5 minutes. It is also the longest Retry-After that is obeyed. With a
	// longer one the call fails at once, a create after one look.
	MaxThrottleWait time.Duration

	// VerifyWaits are the waits before the looks for a thing whose create is
	// doubtful; default (nil) 0, 1 s and 3 s. Each begins when the look before has
	// ended. With an empty slice there is no look.
	VerifyWaits []time.Duration

	// ResendAfter, if it is set, sends a create whose outcome is unknown once
	// more after this time, if the thing has still not appeared. Set it to more
	// than the server ever takes to carry out a request and to list what it made.
	// With less, a thing may be created twice. It needs at least two VerifyWaits and
	// two attempts. Off by default.
	ResendAfter time.Duration

	// SettleSecrets sets the password and the PIN of a user, by an update, if the
	// answer to its create was lost and it is there as it was sent. Without it such
	// a create fails with ErrOutcomeUnknown, and Error.Found has the id: the row
	// does not show the secrets, and may be another's of the same name. Set it where
	// nobody else creates the same users.
	SettleSecrets bool

	// Quota bounds how much a Client sends again; default 100. A further attempt
	// costs 5, after a timeout 10. A call that succeeds gives 1 back. When it is used
	// up, calls fail at their first failure. A refusal as too many requests costs
	// nothing.
	Quota int
}

func (p RetryPolicy) orDefaults() RetryPolicy {
	if p.VerifyWaits == nil {
		p.VerifyWaits = []time.Duration{0, time.Second, 3 * time.Second}
	}
	p.MaxAttempts = cmp.Or(p.MaxAttempts, retry.DefaultAttempts)
	p.BaseWait = cmp.Or(p.BaseWait, 500*time.Millisecond)
	p.MaxWait = cmp.Or(p.MaxWait, 10*time.Second)
	p.MaxThrottleWait = cmp.Or(p.MaxThrottleWait, 5*time.Minute)
	p.Quota = cmp.Or(p.Quota, 100)
	return p
}

// forRetry returns the part of the policy that internal/retry needs.
func (p RetryPolicy) forRetry() retry.Policy {
	return retry.Policy{MaxAttempts: p.MaxAttempts, BaseWait: p.BaseWait, MaxWait: p.MaxWait, MaxAfter: p.MaxThrottleWait}
}

// problem tells what is wrong with the policy.
func (p RetryPolicy) problem() string {
	least := min(p.BaseWait, p.MaxWait, p.MaxThrottleWait, p.ResendAfter)
	for _, wait := range p.VerifyWaits {
		least = min(least, wait)
	}
	if least < 0 || p.MaxAttempts < 0 || p.Quota < 0 {
		return "holds a negative value"
	}
	if p.ResendAfter > 0 && (p.VerifyWaits != nil && len(p.VerifyWaits) < 2 || p.MaxAttempts == 1) {
		return "ResendAfter needs at least two VerifyWaits and two attempts"
	}
	if max(p.BaseWait, p.MaxWait, p.MaxThrottleWait) > retry.LongestWait {
		return "waits longer than a year"
	}
	return ""
}

// Limits bound what one attempt of a call may take. A zero field means its
// default.
type Limits struct {
	RowBytes      int // longest row in bytes, alone or in a list, and longest answer of Client.Do; default 1 MiB
	ErrorBytes    int // most bytes that are read of an error's body; default 16 KiB
	IDsPerRequest int // ids that one request adds or removes; default 500, at most 1,000

	HeaderTimeout   time.Duration // wait for an answer to begin, once there is a connection; default 30 s
	ProgressTimeout time.Duration // wait for the next row of a list; default 30 s
	ErrorTimeout    time.Duration // wait for the body of an error, or for what follows a row; default 2 s
	AttemptTimeout  time.Duration // a whole attempt that is not a list, or the wait for a connection; default 60 s
}

func (l Limits) orDefaults() Limits {
	return Limits{
		RowBytes:        cmp.Or(l.RowBytes, 1<<20),
		ErrorBytes:      cmp.Or(l.ErrorBytes, 16<<10),
		IDsPerRequest:   cmp.Or(l.IDsPerRequest, 500),
		HeaderTimeout:   cmp.Or(l.HeaderTimeout, 30*time.Second),
		ProgressTimeout: cmp.Or(l.ProgressTimeout, 30*time.Second),
		ErrorTimeout:    cmp.Or(l.ErrorTimeout, 2*time.Second),
		AttemptTimeout:  cmp.Or(l.AttemptTimeout, time.Minute),
	}
}

// problem tells what is wrong with the limits.
func (l Limits) problem() string {
	switch {
	case min(l.RowBytes, l.ErrorBytes, l.IDsPerRequest) < 0 || min(l.HeaderTimeout, l.ProgressTimeout, l.ErrorTimeout, l.AttemptTimeout) < 0:
		return "holds a negative value"
	case l.IDsPerRequest > wire.MaxOrder:
		return fmt.Sprintf("IDsPerRequest: PHP silently drops the end of an array of more than %d", wire.MaxOrder)
	}
	return ""
}

// CallOption changes one call. Every method takes any number of them.
type CallOption func(*callSettings)

// callSettings is what the options of a call set.
type callSettings struct {
	header   http.Header
	params   url.Values
	attempts int // 0: as the Client's policy says
	response *Response
	secrets  []string      // values of header and params that no error may show
	bounded  bool          // only an answer will do that says where it ends
	ring     *attempt.Ring // of the call for which this one looks
	problems
}

// CallHeader sends a header with every request of a call, the looks after a lost
// answer included. It refuses the headers that this package or net/http sets
// (Authorization, User-Agent, Host, Content-…, Accept-Encoding, Connection and its
// like) and those that change what a request means (Expect, Range, If-…,
// Idempotency-Key, with which net/http sends a request twice, and
// X-HTTP-Method-Override).
func CallHeader(key, value string) CallOption {
	return func(s *callSettings) {
		name, problem := attempt.CheckHeader(key, value)
		if problem != "" {
			s.report("CallHeader", problem)
			return
		}
		if s.header == nil {
			s.header = make(http.Header)
		}
		s.header[name] = []string{value}
		s.secrets = append(s.secrets, redact.Pieces(name, value)...)
	}
}

// CallParam sends a parameter that this package does not know, such as a newer
// one, or "display[]", which chooses the members of a row. It goes into the query
// of a read, and into the form of any other call, of each of its batches. It does
// not go into looks. Give the values of an array together, and the brackets in
// the name. For an All over pages, display[] must name the row's id. CallParam
// refuses a parameter that the call has itself, and format, because this package chooses
// the format of the answers. No error shows the values if their name says that they are
// secret. So it is with CallHeader.
func CallParam(name string, values ...string) CallOption {
	values = slices.Clone(values)
	return func(s *callSettings) {
		problem := paramProblem(name, values)
		if base, _, _ := strings.Cut(name, "["); base == "format" {
			problem = "format: this package chooses the format of the answers"
		}
		if problem != "" {
			s.report("CallParam", problem)
			return
		}
		if s.params == nil {
			s.params = make(url.Values)
		}
		s.params[name] = append(s.params[name], values...)
		s.secrets = append(s.secrets, redact.Pieces(name, values...)...)
	}
}

// paramProblem tells what is wrong with a parameter that the caller names.
func paramProblem(name string, values []string) string {
	problem := form.NameProblem(name)
	if problem == "" && len(values) == 0 {
		problem = "no value of " + quote(name)
	}
	for _, value := range values {
		if text := form.TextProblem(value); problem == "" && text != "" {
			problem = "a value of " + quote(name) + " " + text
		}
	}
	return problem
}

// CallAttempts replaces RetryPolicy.MaxAttempts for one call. n is at least 1. With 1 the
// call is not sent again, except after a refusal as too many requests, and a read whose
// idle connection the server had closed. The client looks for a create whose answer is
// lost all the same.
func CallAttempts(n int) CallOption {
	return func(s *callSettings) {
		if s.attempts = n; n < 1 {
			s.report("CallAttempts", fmt.Sprintf("must be at least 1, not %d", n))
		}
	}
}

// Response is what the server answered to a call.
type Response struct {
	StatusCode int         // of the last answer; 0 if the last request had none
	Header     http.Header // of the last answer
	RequestID  string      // its X-Request-Id, if it gave one
	Attempts   int         // as in Error
	Body       []byte      // of the answer to a Client.Do that succeeded; nil after any other call
}

// CallResponse sets r to what the server answered, on success and on failure: for
// a create the answer to the POST, not to a look; for an iterator over pages the
// answer with the rows that it yields; for a call that takes several requests the
// last answer. Only the goroutine that makes the call or runs the loop sets it.
func CallResponse(r *Response) CallOption {
	return func(s *callSettings) {
		if s.response = r; r == nil {
			s.report("CallResponse", "nil")
		}
	}
}
