package infinitysip

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
)

const (
	defaultBaseURL = "https://api.infinitycloud.com"
	userAgent      = "infinitysip-go"

	// idleConnections are kept for the next call, so that as many workers as
	// this do not open a connection each time.
	idleConnections = 256
)

// Client makes the calls. It serves any number of goroutines. Make one with
// NewClient and keep it: it holds the connections.
type Client struct {
	Domains         DomainsService
	Users           UsersService
	Groups          GroupsService
	Queues          QueuesService
	TrustedNetworks TrustedNetworksService
	Devices         DevicesService

	caller *caller
}

// Credentials are what a Client authenticates with: APIKey, BasicAuth or
// CredentialsFromEnv.
type Credentials struct {
	authorization Secret
	secrets       []Secret
	problem       string
}

// APIKey authenticates with a key made in the Hub.
func APIKey(key string) Credentials {
	switch {
	case key == "":
		return Credentials{problem: "the API key is empty"}
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return Credentials{problem: "the API key holds a space, a line break or another character that no key has"}
	}
	return Credentials{authorization: NewSecret("ApiKey " + key), secrets: []Secret{NewSecret(key)}}
}

// BasicAuth authenticates with a Hub user name and password.
func BasicAuth(username, password string) Credentials {
	switch {
	case username == "" || password == "":
		return Credentials{problem: "the user name or the password is empty"}
	case strings.Contains(username, ":"):
		return Credentials{problem: "the user name holds a colon"}
	case strings.ContainsFunc(username+password, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		return Credentials{problem: "the user name or the password holds a control character or is not UTF-8"}
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(username + ":" + password))
	return Credentials{authorization: NewSecret("Basic " + encoded), secrets: []Secret{NewSecret(password), NewSecret(encoded)}}
}

// CredentialsFromEnv takes the API key in INFINITY_API_KEY, or the Hub user
// name and password in INFINITY_USERNAME and INFINITY_PASSWORD.
func CredentialsFromEnv() (Credentials, error) {
	if key := os.Getenv("INFINITY_API_KEY"); key != "" {
		return APIKey(key), nil
	}
	username, password := os.Getenv("INFINITY_USERNAME"), os.Getenv("INFINITY_PASSWORD")
	if username == "" || password == "" {
		return Credentials{}, fmt.Errorf("infinitysip: %w: no credentials in the environment: set INFINITY_API_KEY, or INFINITY_USERNAME and INFINITY_PASSWORD", ErrInvalid)
	}
	return BasicAuth(username, password), nil
}

// Option changes how a Client works.
type Option func(*settings)

type settings struct {
	baseURL      string
	insecureHTTP bool
	base         http.RoundTripper
	product      string
	logger       *slog.Logger
	retry        RetryPolicy
	limits       Limits
	limiter      *ratelimit.Limiter
	ahead        int
	problems     []FieldError
}

func (s *settings) report(field, problem string) {
	if problem != "" {
		s.problems = append(s.problems, FieldError{field, problem})
	}
}

// WithBaseURL sends the calls to another server than
// https://api.infinitycloud.com: a gateway, or a test's. It must be https
// unless the host is loopback; see WithInsecureHTTP.
func WithBaseURL(rawURL string) Option {
	return func(s *settings) { s.baseURL = rawURL }
}

// WithHTTPClient has the Transport of hc carry the calls: one with a proxy,
// tracing, a recorder or a mock. Nothing else of hc is used: redirects are
// never followed, and contexts and the Client's own limits end a call.
func WithHTTPClient(hc *http.Client) Option {
	return func(s *settings) {
		if hc == nil {
			s.report("WithHTTPClient", "nil")
			return
		}
		s.base = hc.Transport
		if s.base == nil {
			s.base = http.DefaultTransport
		}
	}
}

// WithUserAgent puts a product, such as "acme-provisioner/1.2", before this
// package's own in the User-Agent header.
func WithUserAgent(product string) Option {
	return func(s *settings) {
		if product == "" || strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r > '~' }) {
			s.report("WithUserAgent", "empty, or not printable ASCII")
		}
		s.product = product
	}
}

// WithLogger logs one record for each attempt of a call: at debug level, or as
// a warning if it failed and nobody had called it off. No record holds a
// secret, a form or a query value.
func WithLogger(l *slog.Logger) Option {
	return func(s *settings) { s.logger = l }
}

// WithRetryPolicy changes how often and how soon calls are tried again.
func WithRetryPolicy(p RetryPolicy) Option {
	return func(s *settings) {
		s.report("WithRetryPolicy", p.problem())
		s.retry = p
	}
}

// WithLimits changes what one attempt of a call may take.
func WithLimits(l Limits) Option {
	return func(s *settings) {
		s.report("WithLimits", l.problem())
		s.limits = l
	}
}

// WithRateLimit holds calls back so that no more than perSecond start each
// second, after a first burst. A burst of 1 suits most servers. Without it a
// Client that is told 429 finds a limit by itself: see the package's
// documentation.
func WithRateLimit(perSecond float64, burst int) Option {
	return func(s *settings) {
		if !(perSecond > 0) || burst < 1 {
			s.report("WithRateLimit", "both values must be positive")
			return
		}
		s.limiter = ratelimit.New(perSecond, burst)
	}
}

// WithReadAhead sets how many pages an All asks for ahead of its reader, where
// the API documents limit and offset: 0 to 100, and 4 by default. With 0 each
// page is asked for when the rows before it have been read. Nothing is asked
// for ahead before a full page shows that there is more.
func WithReadAhead(pages int) Option {
	return func(s *settings) {
		if pages < 0 || pages > farthest {
			s.report("WithReadAhead", fmt.Sprintf("must be 0 to %d", farthest))
			return
		}
		s.ahead = pages
	}
}

// WithInsecureHTTP allows a base URL of plain http to a host that is not
// loopback. Credentials and passwords then travel in the clear.
func WithInsecureHTTP() Option {
	return func(s *settings) { s.insecureHTTP = true }
}

// NewClient returns a Client that authenticates with credentials. It makes no
// call. Its error is a *ValidationError that lists everything that is wrong
// with the arguments.
func NewClient(credentials Credentials, opts ...Option) (*Client, error) {
	s := &settings{baseURL: defaultBaseURL, ahead: readAhead}
	for _, opt := range opts {
		if opt != nil {
			opt(s)
		}
	}
	if credentials.authorization.IsZero() {
		s.report("credentials", cmp.Or(credentials.problem, "none: use APIKey, BasicAuth or CredentialsFromEnv"))
	}
	base, problem := parseBaseURL(s.baseURL, s.insecureHTTP)
	s.report("WithBaseURL", problem)
	if len(s.problems) > 0 {
		return nil, &ValidationError{Op: "NewClient", Fields: s.problems}
	}

	retry := newRetrier(s.retry)
	t := &transport{
		limits:        s.limits.orDefaults(),
		base:          s.base,
		scheme:        base.Scheme,
		host:          base.Host,
		authorization: credentials.authorization,
		userAgent:     strings.TrimSpace(s.product + " " + userAgent),
		limiter:       cmp.Or(s.limiter, new(ratelimit.Limiter)),
		logger:        s.logger,
	}
	if t.base == nil {
		t.own = newTransport()
		t.base = t.own
	}
	c := &caller{
		http: &retryablehttp.Client{
			HTTPClient: &http.Client{
				Transport:     t,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			},
			// The count is CheckRetry's alone.
			RetryMax:     retry.MaxAttempts,
			CheckRetry:   retry.again,
			Backoff:      retry.wait,
			ErrorHandler: retryablehttp.PassthroughErrorHandler,
		},
		transport: t,
		base:      base,
		retry:     retry,
		limits:    t.limits,
		ahead:     s.ahead,
		secrets:   credentials.secrets,
	}
	return &Client{
		Domains:         DomainsService{c},
		Users:           UsersService{c},
		Groups:          GroupsService{c},
		Queues:          QueuesService{c},
		TrustedNetworks: TrustedNetworksService{c},
		Devices:         DevicesService{c},
		caller:          c,
	}, nil
}

// CloseIdleConnections closes the connections that no call uses now. It leaves
// alone those of a transport that WithHTTPClient gave.
func (c *Client) CloseIdleConnections() {
	if c != nil && c.caller != nil && c.caller.transport.own != nil {
		c.caller.transport.own.CloseIdleConnections()
	}
}

// parseBaseURL reads the URL that all paths are put after. What is wrong with
// it is told without repeating it, since it may hold a password.
func parseBaseURL(raw string, insecure bool) (base *url.URL, problem string) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, "empty"
	case err != nil || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return nil, "not a URL"
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "the scheme must be https"
	case u.Hostname() == "":
		return nil, "no host"
	case u.RawPath != "":
		return nil, "the path must not hold escapes"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return nil, "must hold no user name, password, query or fragment"
	case u.Port() != "" && !validPort(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return nil, "not a port"
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		return nil, "plain http to a host that is not loopback: use https, or WithInsecureHTTP"
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, ""
}

func validPort(port string) bool {
	n, err := parseDigits(port)
	return err == nil && n > 0 && n <= 65535
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// newTransport is for many workers that call one host.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          idleConnections,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       30 * time.Second, // less than servers wait, so that they do not close it under a create
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A connection that has died in silence is left before a wait for an
		// answer ends, so that the next attempt has another.
		HTTP2:           &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
}

// transport carries one attempt of a call: it waits for the rate limit, sets
// the headers, watches that the answer comes, and logs.
//
// It has no CloseIdleConnections on purpose: retryablehttp calls that when it
// gives up, which would cost every other call its connection.
type transport struct {
	base          http.RoundTripper
	own           *http.Transport // base, if it is not the caller's
	scheme, host  string          // the only ones that see the credentials
	authorization Secret
	userAgent     string
	limits        Limits
	limiter       *ratelimit.Limiter
	logger        *slog.Logger
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	call := callFrom(req.Context())
	call.attempts++
	call.sent = nil
	start := time.Now()
	resp, err := t.attempt(req, call)
	if t.logger != nil {
		t.log(req, call, resp, err, time.Since(start))
	}
	return resp, err
}

func (t *transport) attempt(req *http.Request, call *call) (*http.Response, error) {
	if err := t.limiter.Wait(req.Context()); err != nil {
		closeBody(req.Body)
		if errors.Is(err, ratelimit.ErrNoTurn) {
			err = fmt.Errorf("%w: %w", ErrRateLimited, err)
		}
		return nil, err
	}
	watch := newWatch(req.Context(), t.limits.Header)
	call.status = 0
	call.sent = &watch.sent
	watch.sent.Store(true)
	out := req.Clone(watch.ctx)
	// Set here and not before, because net/http copies what a request already
	// has, for redirects.
	out.Header.Set("User-Agent", t.userAgent)
	if out.Body != nil {
		out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if req.URL.Scheme == t.scheme && req.URL.Host == t.host {
		out.Header.Set("Authorization", t.authorization.Reveal())
	}
	resp, err := t.send(out)
	if err != nil {
		return nil, watch.end(err)
	}
	call.status = resp.StatusCode
	t.limiter.Note(call.status == http.StatusTooManyRequests)
	// Redirects are not followed; where one leads to is not looked at either.
	resp.Header.Del("Location")
	end := t.limits.Error
	if call.list && succeeded(resp.StatusCode) {
		end = 0 // one that is left early ends there
	}
	resp.Body = watch.body(resp.Body, t.limits.bodyWait(call, resp.StatusCode, watch.began), end)
	return resp, nil
}

// send is the base's RoundTrip, held to the contract of one.
func (t *transport) send(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			// What was thrown may hold anything, so it is not shown.
			resp, err = nil, fmt.Errorf("the transport panicked (%T)", v)
		}
	}()
	resp, err = t.base.RoundTrip(req)
	switch {
	case err != nil && resp != nil:
		closeBody(resp.Body)
	case err == nil && resp == nil:
		err = errors.New("the transport returned neither an answer nor an error")
	case err == nil && resp.Body == nil:
		resp.Body = http.NoBody
	}
	return resp, err
}

func (t *transport) log(req *http.Request, call *call, resp *http.Response, err error, took time.Duration) {
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("op", call.op),
		slog.String("method", call.method),
		slog.String("path", call.path),
		slog.Int("attempt", call.attempts),
		slog.Duration("took", took),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", call.clean().Error(err).Error()))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
	}
	if err != nil && !errors.Is(err, context.Canceled) || err == nil && resp.StatusCode >= 300 {
		level = slog.LevelWarn
	}
	t.logger.LogAttrs(req.Context(), level, "infinitysip", attrs...)
}

func closeBody(body io.ReadCloser) {
	if body != nil {
		_ = body.Close()
	}
}
