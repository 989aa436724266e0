package infinitysip

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	pathpkg "path"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/infinitysip/infinitysip/internal/attempt"
	"github.com/infinitysip/infinitysip/internal/ratelimit"
	"github.com/infinitysip/infinitysip/internal/retry"
)

const defaultBaseURL, module = "https://api.infinitycloud.com", "github.com/infinitysip/infinitysip"

// Client makes the calls of the API. Any number of goroutines may use it. Make one
// with NewClient and keep it: it holds the connections.
type Client struct {
	Domains         DomainsService
	Users           UsersService
	Groups          GroupsService
	Queues          QueuesService
	TrustedNetworks TrustedNetworksService
	Devices         DevicesService

	caller *caller
}

// Credentials are what a Client authenticates with: APIKey, BasicAuth,
// CredentialsFromEnv or CredentialSource.
type Credentials struct {
	key     attempt.Key
	source  func(context.Context) (attempt.Key, error)
	problem string // why they cannot be used
}

func newCredentials(authorization string, secrets ...string) Credentials {
	return Credentials{key: func() (string, []string) { return authorization, secrets }}
}

// APIKey authenticates with a key made in the Hub.
func APIKey(key string) Credentials {
	switch {
	case key == "":
		return Credentials{problem: "the API key is empty"}
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return Credentials{problem: "the API key holds a space, a line break or another character that no key has"}
	}
	return newCredentials("ApiKey "+key, key)
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
	return newCredentials("Basic "+encoded, password, encoded)
}

// CredentialsFromEnv takes the API key in INFINITY_API_KEY, or, if that is empty, the
// Hub user name and password in INFINITY_USERNAME and INFINITY_PASSWORD. If neither is
// set, the error matches ErrInvalid.
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

// CredentialSource authenticates with what source gives, so that keys can change at run
// time. The Client calls source for each attempt of a call, right before the attempt is
// sent. So source must cache what it fetches: it is called often, and by many goroutines
// at once. If it fails, the call fails at once, with an error that wraps the source's.
// No error or log record shows the credentials that it gave to the call, nor the ones
// before, nor a text of its error that may hold a secret, such as a URL with a query.
//
// source must return when its context ends: with the context of the call, or after
// Limits.AttemptTimeout. The call waits no longer than that. But source runs in a
// goroutine of its own, which stays until source returns.
func CredentialSource(source func(context.Context) (Credentials, error)) Credentials {
	if source == nil {
		return Credentials{problem: "the credential source is nil"}
	}
	return Credentials{source: func(ctx context.Context) (attempt.Key, error) {
		given, err := source(ctx)
		switch {
		case err != nil:
			return given.key, fmt.Errorf("the credential source failed: %w", err)
		case given.source != nil:
			return nil, errors.New("the credential source gave another credential source")
		case given.problem != "":
			return nil, errors.New("the credential source gave what cannot be used: " + given.problem)
		case given.key == nil:
			return nil, errors.New("the credential source gave no credentials")
		}
		return given.key, nil
	}}
}

// NewClient returns a Client that authenticates with credentials. It makes no
// call. Its error is a *ValidationError that lists everything that is wrong
// with the arguments.
func NewClient(credentials Credentials, opts ...Option) (*Client, error) {
	built, _ := debug.ReadBuildInfo()
	agent := strings.TrimSuffix("infinitysip-go/"+attempt.Version(built, module), "/")
	return newClient("NewClient", credentials, settings{baseURL: defaultBaseURL, agent: agent, ahead: readAhead}, opts)
}

// WithCredentials returns a Client for another account, over the connections of c. It
// costs little, so a service can have one for each of its tenants. The new Client has
// the settings of c, such as the rate, the logger, the observer and the debug log, which
// opts may change. Its quota of retries and its turns are its own. It does not take over
// the Limiter of WithLimiter, which counts the requests of one account. WithTransport and
// WithHTTPClient are refused. Its error is a *ValidationError.
//
// c may be the Client of any tenant. To make c without a tenant, give NewClient a
// CredentialSource that returns an error, and make no calls with c.
func (c *Client) WithCredentials(credentials Credentials, opts ...Option) (*Client, error) {
	const op = "Client.WithCredentials"
	if c == nil || c.caller == nil {
		return nil, &ValidationError{Op: op, Fields: []FieldError{{"client", "make it with NewClient"}}}
	}
	s := c.caller.settings
	s.limiter = nil
	return newClient(op, credentials, s, opts)
}

// newClient makes a Client, over new connections unless s has some.
func newClient(op string, credentials Credentials, s settings, opts []Option) (*Client, error) {
	for _, opt := range opts {
		if opt != nil {
			opt(&s)
		}
	}
	if credentials.key == nil && credentials.source == nil {
		s.report("credentials", cmp.Or(credentials.problem, "none: use APIKey, BasicAuth, CredentialsFromEnv or CredentialSource"))
	}
	base, problem := attempt.ParseBaseURL(s.baseURL, s.insecureHTTP)
	if version := strings.TrimSuffix(apiRoot, "/sip"); problem == "" && strings.Contains(strings.ToLower(pathpkg.Clean(base.Path))+"/", version+"/") {
		problem = "leave " + version + " out of the path: this package adds " + apiRoot + " itself"
	}
	s.report("WithBaseURL", problem)
	if len(s.problems) > 0 {
		return nil, &ValidationError{Op: op, Fields: s.problems}
	}

	s.policy, s.limits = s.policy.orDefaults(), s.limits.orDefaults()
	s.turns.Patience = s.policy.MaxThrottleWait
	if s.http == nil {
		s.connections = connect(s.transport)
	}
	c := &caller{
		settings: s, base: base,
		account: &account{
			Account: attempt.Account{
				Scheme:    base.Scheme,
				Host:      base.Host,
				Keys:      attempt.NewKeys(credentials.key, credentials.source),
				UserAgent: strings.TrimSpace(s.product + " " + s.agent),
				Limiter:   s.limiter,
				Turns:     ratelimit.New(s.turns),
				Timeouts:  attempt.Timeouts{Header: s.limits.HeaderTimeout, Progress: s.limits.ProgressTimeout, Error: s.limits.ErrorTimeout, Attempt: s.limits.AttemptTimeout},
				Logger:    s.logger,
				Debug:     s.debug,
				Observed:  s.observer.Call != nil || s.observer.Attempt != nil,
			},
			quota: retry.NewQuota(s.policy.Quota),
		},
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

// connections carry the calls of a Client, and of those that WithCredentials makes of it.
type connections struct {
	http *retryablehttp.Client
	own  *http.Transport // nil if they are the user's
}

// connect returns the connections of a transport, or, if it is nil, of a new one.
func connect(transport http.RoundTripper) (c connections) {
	if transport == nil {
		c.own = attempt.NewTransport()
		transport = c.own
	}
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     &attempt.Transport{Base: transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     math.MaxInt, // checkRetry alone counts
		CheckRetry:   checkRetry,
		Backoff:      noBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return c
}

// CloseIdleConnections closes the connections that no call uses now. Clients that
// WithCredentials made share them. It does not touch those of a transport from
// WithTransport or WithHTTPClient.
func (c *Client) CloseIdleConnections() {
	if c != nil && c.caller != nil && c.caller.own != nil {
		c.caller.own.CloseIdleConnections()
	}
}
